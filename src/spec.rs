//! Spec fields that every kind shares, with the rules the API server enforces on them.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What becomes of the AWS resource when its object is deleted; databases and caches.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum DeletionPolicy {
    /// The resource stays in AWS, with its data; only our owner tags are taken off.
    Retain,
    /// A final snapshot is made and verified, then the resource is deleted.
    #[default]
    Snapshot,
    /// The resource is deleted without a final snapshot. Automated backups are kept.
    Delete,
}

/// What becomes of the bucket when its object is deleted.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum BucketDeletionPolicy {
    /// The bucket stays in AWS, with its data; only our owner tags are taken off.
    #[default]
    Retain,
    /// The bucket is deleted, if it is empty or `emptyOnDelete` is set.
    Delete,
}

/// What is done about drift: a difference that nobody asked for in the spec.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum DriftPolicy {
    /// Drift is reported, then corrected.
    #[default]
    Correct,
    /// Drift is reported and left alone, except encryption, public access and TLS: those are always corrected.
    Report,
}

/// What is done about an AWS resource that is already there and carries nobody's owner tags.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum Adoption {
    /// Nothing is written to it; the object says `NotOurs`.
    #[default]
    Never,
    /// It is taken over. First what would change stands in the status and in an Event, for a minute. One with another owner's tags, or one that is not encrypted, is never taken over.
    Unowned,
}

/// When a disruptive change (one with downtime or a reboot) may happen.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum Disruption {
    /// Held until the store's own maintenance window is open.
    #[default]
    MaintenanceWindow,
    /// At once.
    Immediate,
}

/// Who manages the encryption key. There is no value that turns encryption off.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum KeyManagement {
    /// AWS's own key: free, rotated by AWS.
    #[default]
    AwsManaged,
}

/// How the store is encrypted at rest.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EncryptionSpec {
    /// Who manages the key. Encryption itself cannot be turned off.
    #[serde(default)]
    pub key_management: KeyManagement,
}

/// Where the store sits in the network.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.subnetGroupName) == has(oldSelf.subnetGroupName) && (!has(self.subnetGroupName) || self.subnetGroupName == oldSelf.subnetGroupName)")
        .message("network.subnetGroupName is immutable: AWS cannot move a store to another subnet group without replacing it")
)]
pub struct Network {
    /// Name of the subnet group; AWS's default one if absent. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub subnet_group_name: Option<String>,
    /// Security groups; AWS's default one, and not compared, if absent.
    #[serde(default, rename = "securityGroupIDs", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), inner(length(max = 20)))]
    #[x_kube(validation = Rule::new("self.all(id, id.matches('^sg-[0-9a-f]{8,17}$'))")
        .message("network.securityGroupIDs: each must look like sg-0123456789abcdef0"))]
    pub security_group_ids: Option<Vec<String>>,
}

/// Tags of the user's own. AWS allows 50 on a resource; three are ours, and some room is left for AWS's own.
///
/// <https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html>
pub type Tags = BTreeMap<String, String>;

/// Schema of [`Tags`]: at most 40, values of at most 256 characters. Its CEL rules are AWS's:
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Tagging.html>.
pub fn tags_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "description": "Tags of your own on the AWS resource, at most 40. The owner tags (showcore.io/…) are added by the operator.",
        "default": {},
        "maxProperties": 40,
        "additionalProperties": {"type": "string", "maxLength": 256},
        "x-kubernetes-validations": [
            {"rule": "self.all(k, size(k) >= 1 && size(k) <= 128)", "message": "tags: a key has 1 to 128 characters"},
            {"rule": "self.all(k, !k.startsWith('aws:') && !k.startsWith('AWS:') && !k.startsWith('showcore.io/'))",
             "message": "tags: keys that begin with aws: or showcore.io/ are reserved"},
            {"rule": "self.all(k, k.matches('^[\\\\p{L}\\\\p{Z}\\\\p{N}_.:/=+@-]*$') && self[k].matches('^[\\\\p{L}\\\\p{Z}\\\\p{N}_.:/=+@-]*$'))",
             "message": "tags: keys and values may hold letters, digits, spaces and _ . : / = + - @ only"}
        ]
    })
}

/// The store's weekly maintenance window, and what AWS does in it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Maintenance {
    /// Weekly window in UTC, `sun:05:00-sun:06:00`; one that AWS picks, and not compared, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 19))]
    #[x_kube(validation = Rule::new("self.matches('^(mon|tue|wed|thu|fri|sat|sun):([01][0-9]|2[0-3]):[0-5][0-9]-(mon|tue|wed|thu|fri|sat|sun):([01][0-9]|2[0-3]):[0-5][0-9]$')")
        .message("maintenance.window must look like sun:05:00-sun:06:00 (days in lower case, UTC)"))]
    pub window: Option<String>,
    /// Whether AWS makes minor upgrades by itself, in the window.
    #[serde(default = "yes")]
    pub auto_minor_version_upgrade: bool,
}

impl Default for Maintenance {
    fn default() -> Self {
        Self { window: None, auto_minor_version_upgrade: true }
    }
}

/// `true`, for serde defaults.
pub fn yes() -> bool {
    true
}
