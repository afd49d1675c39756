//! KMS: symmetric keys with their states, aliases, rotation, deletion and tags. Nothing is encrypted here.
//!
//! The AWS managed keys (`alias/aws/rds` …) are there from the start; in a real account each appears when its service
//! first needs it.

mod aliases;
mod keys;
mod rotation;
mod tags;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

pub use keys::{Key, State};

use crate::call::{Call, managed_key_id};
use crate::durations::Durations;
use crate::error::AwsError;
use aliases::Alias;

/// The keys of one account, in all regions.
#[derive(Debug, Default)]
pub struct Kms {
    /// By region and key id.
    keys: BTreeMap<(String, String), Key>,
    /// By region and alias name.
    aliases: BTreeMap<(String, String), Alias>,
    /// How many keys were ever created, so that each gets an id of its own.
    created: u64,
}

/// The services whose AWS managed key is known here. `ElastiCache` has none: without a key it uses one that it owns.
/// <https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#aws-managed-key>
const MANAGED: [&str; 5] = ["ebs", "rds", "s3", "secretsmanager", "sqs"];

/// What a reference means.
enum Found {
    /// The AWS managed key of this service.
    Managed(&'static str),
    /// The id of a customer managed key, which exists.
    Customer(String),
}

impl Kms {
    /// Answers one request.
    pub fn call(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        match call.operation {
            "CreateKey" => self.create_key(call),
            "DescribeKey" => self.describe_key(call),
            "ListKeys" => self.list_keys(call),
            "EnableKey" => self.enable_key(call),
            "DisableKey" => self.disable_key(call),
            "ScheduleKeyDeletion" => self.schedule_key_deletion(call),
            "CancelKeyDeletion" => self.cancel_key_deletion(call),
            "EnableKeyRotation" => self.enable_key_rotation(call),
            "DisableKeyRotation" => self.disable_key_rotation(call),
            "GetKeyRotationStatus" => self.get_key_rotation_status(call),
            "CreateAlias" => self.create_alias(call),
            "UpdateAlias" => self.update_alias(call),
            "DeleteAlias" => self.delete_alias(call),
            "ListAliases" => self.list_aliases(call),
            "TagResource" => self.tag_resource(call),
            "UntagResource" => self.untag_resource(call),
            "ListResourceTags" => self.list_resource_tags(call),
            other => Err(AwsError::not_implemented(format!("kms:{other}"))),
        }
    }

    /// Keys whose waiting period is over are gone, and their aliases with them.
    /// <https://docs.aws.amazon.com/kms/latest/developerguide/deleting-keys.html>
    pub fn tick(&mut self, now: Timestamp, _durations: &Durations) {
        self.keys.retain(|_, key| !matches!(key.state, State::PendingDeletion { at } if at <= now));
        let keys = &self.keys;
        self.aliases.retain(|(region, _), alias| keys.contains_key(&(region.clone(), alias.key.clone())));
    }

    /// The ARN of the key that `reference` (id, ARN, alias name or alias ARN) means in the call's account and region,
    /// if it is enabled, else KMS's error.
    /// <https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html>
    pub fn usable_key(&self, call: &Call<'_>, reference: &str) -> Result<String, AwsError> {
        match self.find(call, reference)? {
            Found::Managed(service) => Ok(call.managed_key(service)),
            Found::Customer(id) => {
                let key = self.customer_key(call, &id)?;
                key.must_not_be_pending()?;
                key.must_be_enabled()?;
                Ok(key.arn.clone())
            }
        }
    }

    /// A customer managed key as it is: the tests' back door.
    pub fn key(&self, region: &str, id: &str) -> Option<&Key> {
        self.keys.get(&(region.to_owned(), id.to_owned()))
    }

    /// <https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id>
    fn find(&self, call: &Call<'_>, reference: &str) -> Result<Found, AwsError> {
        let name = if reference.starts_with("arn:") {
            let here = call.arn("kms", "");
            let resource = reference.strip_prefix(&here);
            resource.ok_or_else(|| not_found(format!("Invalid arn {reference}")))?
        } else {
            reference
        };
        if name.starts_with("alias/") {
            let service = MANAGED.into_iter().find(|service| name == format!("alias/aws/{service}"));
            if let Some(service) = service {
                return Ok(Found::Managed(service));
            }
            let alias = self.aliases.get(&(call.region.to_owned(), name.to_owned()));
            let alias = alias.ok_or_else(|| not_found(format!("Alias {} is not found.", call.arn("kms", name))))?;
            return Ok(Found::Customer(alias.key.clone()));
        }
        let id = name.strip_prefix("key/").unwrap_or(name);
        let managed = |service: &&str| managed_key_id(call.account, call.region, service) == id;
        if let Some(service) = MANAGED.into_iter().find(managed) {
            return Ok(Found::Managed(service));
        }
        self.customer_key(call, id).map(|key| Found::Customer(key.id.clone()))
    }

    fn customer_key(&self, call: &Call<'_>, id: &str) -> Result<&Key, AwsError> {
        let key = self.keys.get(&(call.region.to_owned(), id.to_owned()));
        key.ok_or_else(|| not_found(format!("Key '{}' does not exist", call.arn("kms", &format!("key/{id}")))))
    }

    /// The customer managed key that the request is about. AWS managed keys are not changed by customers.
    fn key_to_change(&mut self, call: &Call<'_>) -> Result<&mut Key, AwsError> {
        let reference = call.text("KeyId").unwrap_or_default();
        // These operations take an id or an ARN, no alias.
        if reference.contains("alias/") {
            return Err(AwsError::new("InvalidArnException", format!("{reference} is an alias, not a key.")));
        }
        match self.find(call, reference)? {
            Found::Managed(service) => Err(AwsError::new(
                "AccessDeniedException",
                format!("{} is not authorized on the AWS managed key aws/{service}.", call.operation),
            )),
            Found::Customer(id) => self.keys.get_mut(&(call.region.to_owned(), id)).ok_or_else(|| not_found(reference)),
        }
    }
}

fn not_found(message: impl Into<String>) -> AwsError {
    AwsError::new("NotFoundException", message)
}

/// A page of a listing: `Limit` answers from after `Marker`, and whether more follow.
/// <https://docs.aws.amazon.com/kms/latest/APIReference/API_ListKeys.html>
fn page(call: &Call<'_>, member: &str, usual: usize, items: Vec<(String, Value)>) -> Result<Value, AwsError> {
    let limit = call.integer("Limit").map_or(usual, |limit| usize::try_from(limit).unwrap_or(usual));
    let start = match call.text("Marker") {
        None => 0,
        Some(marker) => items
            .iter()
            .position(|(name, _)| name == marker)
            .map(|at| at + 1)
            .ok_or_else(|| AwsError::new("InvalidMarkerException", "The marker is not one of an answer."))?,
    };
    let more = items.len() > start + limit;
    let page: Vec<_> = items.into_iter().skip(start).take(limit).collect();
    let marker = page.last().map(|(name, _)| name.clone()).filter(|_| more);
    let answers: Vec<_> = page.into_iter().map(|(_, answer)| answer).collect();
    let mut answer = serde_json::json!({member: answers, "Truncated": more});
    if let Some(marker) = marker {
        answer["NextMarker"] = marker.into();
    }
    Ok(answer)
}
