//! What a family gets to answer one request.

use jiff::Timestamp;
use serde_json::Value;

use crate::durations::Durations;
use crate::error::AwsError;
use crate::log::digest;

/// One decoded request to a family of the query or the JSON protocol.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// AWS's name of the operation.
    pub operation: &'a str,
    /// An object with the model's member names. Lists are arrays, maps
    /// objects, timestamps RFC 3339 texts, blobs base64 texts. Required
    /// members, types, enums and ranges have been checked.
    pub parameters: &'a Value,
    /// The account's time.
    pub now: Timestamp,
    /// The account's id.
    pub account: &'a str,
    /// The region asked.
    pub region: &'a str,
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: &'a str,
    /// How long asynchronous states last.
    pub durations: &'a Durations,
    /// The URL at which the stand-in listens.
    pub endpoint: &'a str,
    /// The account's KMS keys (none for KMS itself, which is one).
    pub keys: &'a dyn Keys,
}

/// What other services ask of KMS.
pub trait Keys {
    /// The ARN of the key that `reference` (id, ARN, alias name or alias ARN)
    /// means, if it can be used, else KMS's error.
    fn usable(&self, call: &Call<'_>, reference: &str) -> Result<String, AwsError>;
}

/// An account without KMS.
pub struct NoKeys;

impl Keys for NoKeys {
    fn usable(&self, _: &Call<'_>, reference: &str) -> Result<String, AwsError> {
        Err(AwsError::new("NotFoundException", format!("Invalid keyId '{reference}'")))
    }
}

impl Call<'_> {
    /// A text parameter.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.parameters.get(name)?.as_str()
    }

    /// A whole-number parameter.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.parameters.get(name)?.as_i64()
    }

    /// A yes-or-no parameter.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.parameters.get(name)?.as_bool()
    }

    /// A list parameter.
    pub fn list(&self, name: &str) -> Option<&Vec<Value>> {
        self.parameters.get(name)?.as_array()
    }

    /// An ARN in the account and region of this request.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{resource}", self.partition, self.region, self.account)
    }

    /// The ARN of the key `alias/aws/<service>` of this account and region.
    pub fn managed_key(&self, service: &str) -> String {
        self.arn("kms", &format!("key/{}", managed_key_id(self.account, self.region, service)))
    }
}

/// The id of the AWS managed key of a service: one per account and region,
/// <https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#aws-managed-key>.
pub fn managed_key_id(account: &str, region: &str, service: &str) -> String {
    uuid(&format!("{account}/{region}/alias/aws/{service}"))
}

/// A UUID that is always the same for the same seed.
pub fn uuid(seed: &str) -> String {
    let hex = digest(seed);
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}

/// The partition of a region.
pub fn partition_of(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}
