//! Keys and their states.
//! <https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html>

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::rotation::Rotation;
use super::{Found, Kms, MANAGED, page};
use crate::call::{Call, managed_key_id, uuid};
use crate::error::AwsError;
use crate::log::digest;

/// What a key can do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Everything.
    Enabled,
    /// Nothing, until it is enabled again.
    Disabled,
    /// Nothing, and gone at that time unless the deletion is cancelled.
    PendingDeletion {
        /// `DeletionDate`
        at: Timestamp,
    },
}

/// A customer managed key.
#[derive(Clone, Debug)]
pub struct Key {
    /// `KeyId`
    pub id: String,
    /// `Arn`
    pub arn: String,
    /// `Description`
    pub description: String,
    /// `CreationDate`
    pub created: Timestamp,
    /// `KeyState`
    pub state: State,
    /// Automatic rotation.
    pub rotation: Rotation,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl Key {
    pub(super) fn must_not_be_pending(&self) -> Result<(), AwsError> {
        match self.state {
            State::PendingDeletion { .. } => {
                Err(AwsError::new("KMSInvalidStateException", format!("{} is pending deletion.", self.arn)))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn must_be_enabled(&self) -> Result<(), AwsError> {
        match self.state {
            State::Disabled => Err(AwsError::new("DisabledException", format!("{} is disabled.", self.arn))),
            _ => Ok(()),
        }
    }

    fn state_name(&self) -> &'static str {
        match self.state {
            State::Enabled => "Enabled",
            State::Disabled => "Disabled",
            State::PendingDeletion { .. } => "PendingDeletion",
        }
    }

    fn metadata(&self, account: &str) -> Value {
        let mut answer = common(account, &self.id, &self.arn, self.created);
        answer["Description"] = self.description.as_str().into();
        answer["KeyManager"] = "CUSTOMER".into();
        answer["Enabled"] = (self.state == State::Enabled).into();
        answer["KeyState"] = self.state_name().into();
        if let State::PendingDeletion { at } = self.state {
            answer["DeletionDate"] = at.to_string().into();
        }
        answer
    }
}

impl Kms {
    /// <https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html>
    pub(super) fn create_key(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        for (parameter, served) in [
            ("KeyUsage", "ENCRYPT_DECRYPT"),
            ("KeySpec", "SYMMETRIC_DEFAULT"),
            ("CustomerMasterKeySpec", "SYMMETRIC_DEFAULT"),
            ("Origin", "AWS_KMS"),
        ] {
            if call.text(parameter).is_some_and(|value| value != served) {
                return Err(AwsError::not_implemented(format!("kms:CreateKey with another {parameter} than {served}")));
            }
        }
        if call.flag("MultiRegion") == Some(true) {
            return Err(AwsError::not_implemented("kms:CreateKey with MultiRegion"));
        }
        for parameter in ["CustomKeyStoreId", "XksKeyId"] {
            if call.text(parameter).is_some() {
                return Err(AwsError::not_implemented(format!("kms:CreateKey with {parameter}")));
            }
        }
        if call.text("Policy").is_some_and(|policy| serde_json::from_str::<Value>(policy).is_err()) {
            return Err(AwsError::new("MalformedPolicyDocumentException", "The policy is not JSON."));
        }
        let tags = super::tags::checked(call, &BTreeMap::new())?;
        self.created += 1;
        let id = uuid(&format!("{}/{}/{}", call.account, call.region, self.created));
        let key = Key {
            arn: call.arn("kms", &format!("key/{id}")),
            id: id.clone(),
            description: call.text("Description").unwrap_or_default().to_owned(),
            created: call.now,
            state: State::Enabled,
            rotation: Rotation::default(),
            tags,
        };
        let answer = key.metadata(call.account);
        self.keys.insert((call.region.to_owned(), id), key);
        Ok(json!({"KeyMetadata": answer}))
    }

    /// Also of an AWS managed key, by its alias.
    /// <https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html>
    pub(super) fn describe_key(&self, call: &Call<'_>) -> Result<Value, AwsError> {
        let metadata = match self.find(call, call.text("KeyId").unwrap_or_default())? {
            Found::Customer(id) => self.customer_key(call, &id)?.metadata(call.account),
            Found::Managed(service) => {
                let id = managed_key_id(call.account, call.region, service);
                let mut answer = common(call.account, &id, &call.managed_key(service), Timestamp::UNIX_EPOCH);
                answer["Description"] =
                    format!("Default key that protects my {service} data when no other key is defined").into();
                answer["KeyManager"] = "AWS".into();
                answer["Enabled"] = true.into();
                answer["KeyState"] = "Enabled".into();
                answer
            }
        };
        Ok(json!({"KeyMetadata": metadata}))
    }

    /// <https://docs.aws.amazon.com/kms/latest/APIReference/API_ListKeys.html>
    pub(super) fn list_keys(&self, call: &Call<'_>) -> Result<Value, AwsError> {
        let managed = MANAGED.map(|service| managed_key_id(call.account, call.region, service));
        let own = self.keys.keys().filter(|(region, _)| region == call.region).map(|(_, id)| id.clone());
        let items = managed.into_iter().chain(own).map(|id| {
            let arn = call.arn("kms", &format!("key/{id}"));
            (id.clone(), json!({"KeyId": id, "KeyArn": arn}))
        });
        page(call, "Keys", 100, items.collect())
    }

    /// <https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKey.html>
    pub(super) fn enable_key(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        let key = self.key_to_change(call)?;
        key.must_not_be_pending()?;
        key.state = State::Enabled;
        Ok(json!({}))
    }

    /// <https://docs.aws.amazon.com/kms/latest/APIReference/API_DisableKey.html>
    pub(super) fn disable_key(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        let key = self.key_to_change(call)?;
        key.must_not_be_pending()?;
        key.state = State::Disabled;
        Ok(json!({}))
    }

    /// 7 to 30 days, 30 if none are given.
    /// <https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html>
    pub(super) fn schedule_key_deletion(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        let days = call.integer("PendingWindowInDays").unwrap_or(30);
        if !(7..=30).contains(&days) {
            return Err(AwsError::new(
                "ValidationException",
                format!("PendingWindowInDays must be between 7 and 30, not {days}."),
            ));
        }
        let key = self.key_to_change(call)?;
        key.must_not_be_pending()?;
        let at = call.now + Duration::from_hours(24 * days.unsigned_abs());
        key.state = State::PendingDeletion { at };
        Ok(json!({
            "KeyId": key.arn,
            "DeletionDate": at.to_string(),
            "KeyState": key.state_name(),
            "PendingWindowInDays": days,
        }))
    }

    /// The key is `Disabled` then, and must be enabled again.
    /// <https://docs.aws.amazon.com/kms/latest/APIReference/API_CancelKeyDeletion.html>
    pub(super) fn cancel_key_deletion(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        let key = self.key_to_change(call)?;
        if !matches!(key.state, State::PendingDeletion { .. }) {
            return Err(AwsError::new("KMSInvalidStateException", format!("{} is not pending deletion.", key.arn)));
        }
        key.state = State::Disabled;
        Ok(json!({"KeyId": key.arn}))
    }
}

/// What all symmetric keys answer alike.
/// <https://docs.aws.amazon.com/kms/latest/APIReference/API_KeyMetadata.html>
fn common(account: &str, id: &str, arn: &str, created: Timestamp) -> Value {
    json!({
        "AWSAccountId": account,
        "KeyId": id,
        "Arn": arn,
        "CreationDate": created.to_string(),
        "KeyUsage": "ENCRYPT_DECRYPT",
        "Origin": "AWS_KMS",
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
        "MultiRegion": false,
        "CurrentKeyMaterialId": digest(arn),
    })
}
