//! Aliases.
//! <https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html>

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Found, Kms, MANAGED, not_found, page};
use crate::call::{Call, managed_key_id};
use crate::error::AwsError;

/// A name for a customer managed key.
#[derive(Clone, Debug)]
pub(super) struct Alias {
    /// The key's id.
    pub key: String,
    created: Timestamp,
    updated: Timestamp,
}

impl Kms {
    /// <https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html>
    pub(super) fn create_alias(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        let (name, key) = (alias_name(call)?, self.target(call)?);
        let place = (call.region.to_owned(), name);
        if self.aliases.contains_key(&place) {
            return Err(AwsError::new(
                "AlreadyExistsException",
                format!("An alias with the name {} already exists", call.arn("kms", &place.1)),
            ));
        }
        let alias = Alias { key, created: call.now, updated: call.now };
        self.aliases.insert(place, alias);
        Ok(json!({}))
    }

    /// Moves an alias from key to key in one step.
    /// <https://docs.aws.amazon.com/kms/latest/APIReference/API_UpdateAlias.html>
    pub(super) fn update_alias(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        let (name, key) = (alias_name(call)?, self.target(call)?);
        let alias = self.aliases.get_mut(&(call.region.to_owned(), name.clone()));
        let alias = alias.ok_or_else(|| not_found(format!("Alias {} is not found.", call.arn("kms", &name))))?;
        alias.key = key;
        alias.updated = call.now;
        Ok(json!({}))
    }

    /// <https://docs.aws.amazon.com/kms/latest/APIReference/API_DeleteAlias.html>
    pub(super) fn delete_alias(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        let name = alias_name(call)?;
        match self.aliases.remove(&(call.region.to_owned(), name.clone())) {
            Some(_) => Ok(json!({})),
            None => Err(not_found(format!("Alias {} is not found.", call.arn("kms", &name)))),
        }
    }

    /// All of the region, AWS's own among them, or those of one key.
    /// <https://docs.aws.amazon.com/kms/latest/APIReference/API_ListAliases.html>
    pub(super) fn list_aliases(&self, call: &Call<'_>) -> Result<Value, AwsError> {
        let only = match call.text("KeyId") {
            None => None,
            Some(reference) => Some(match self.find(call, reference)? {
                Found::Customer(id) => id,
                Found::Managed(service) => managed_key_id(call.account, call.region, service),
            }),
        };
        let managed = MANAGED.map(|service| {
            let key = managed_key_id(call.account, call.region, service);
            let dates = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
            (format!("alias/aws/{service}"), key, dates)
        });
        let own = self
            .aliases
            .iter()
            .filter(|((region, _), _)| region == call.region)
            .map(|((_, name), alias)| (name.clone(), alias.key.clone(), (alias.created, alias.updated)));
        let items =
            managed.into_iter().chain(own).filter(|(_, key, _)| only.as_ref().is_none_or(|only| only == key)).map(
                |(name, key, (created, updated))| {
                    let answer = json!({
                        "AliasName": name,
                        "AliasArn": call.arn("kms", &name),
                        "TargetKeyId": key,
                        "CreationDate": created.to_string(),
                        "LastUpdatedDate": updated.to_string(),
                    });
                    (name, answer)
                },
            );
        page(call, "Aliases", 50, items.collect())
    }

    /// The customer managed key that an alias shall name; not one that waits for its deletion.
    fn target(&self, call: &Call<'_>) -> Result<String, AwsError> {
        let reference = call.text("TargetKeyId").unwrap_or_default();
        let found = if reference.contains("alias/") { None } else { Some(self.find(call, reference)?) };
        match found {
            Some(Found::Customer(id)) => {
                self.customer_key(call, &id)?.must_not_be_pending()?;
                Ok(id)
            }
            _ => Err(not_found(format!("{reference} is not a customer managed key."))),
        }
    }
}

fn alias_name(call: &Call<'_>) -> Result<String, AwsError> {
    let name = call.text("AliasName").unwrap_or_default();
    let own = name.strip_prefix("alias/").is_some_and(|rest| !rest.is_empty());
    if !own || name.starts_with("alias/aws/") {
        return Err(AwsError::new(
            "InvalidAliasNameException",
            "Alias must start with the prefix \"alias/\"; \"alias/aws/\" is reserved for AWS.",
        ));
    }
    Ok(name.to_owned())
}
