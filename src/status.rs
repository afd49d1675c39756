//! The status that every kind has: what AWS answered, what was found, what is planned.

use std::collections::BTreeMap;

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Condition, jiff::Timestamp};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most drift rows a status holds; what is beyond shows once the first are gone.
pub const MAX_DRIFT_ROWS: usize = 32;
/// Most past drifts a status holds.
pub const MAX_LAST_DRIFT: usize = 8;
/// Most steps of a plan a status shows.
pub const MAX_PLAN_STEPS: usize = 32;

/// What the operator last saw and did. Written only when it differs.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Generation of the spec that this status is about; -1 before the first look.
    #[serde(default = "unobserved")]
    pub observed_generation: i64,
    /// `Ready`, `Encrypted`, `Drifted`, and while they hold `Reconciling`, `Stalled`, `Pending`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Differences between the spec and AWS that nobody asked for in the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub drift: Vec<DriftRow>,
    /// The last drifts that are gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub last_drift: Vec<PastDrift>,
    /// What is about to be done, or held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// How the store is encrypted, as AWS answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<EncryptionStatus>,
    /// The AWS resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceStatus>,
    /// Where applications connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// The connection Secret (Service Binding for Kubernetes: applications bind to this object).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
    /// What was last applied, field by field: tells a wanted change from drift. Holds no secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<BTreeMap<String, String>>,
    /// Since when AWS no longer finds the resource; believed after a grace period and a second look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "optional_time")]
    pub not_found_since: Option<Timestamp>,
    /// When a resource that carries nobody's owner tags is taken over (`adoption: Unowned`), unless somebody says no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "optional_time")]
    pub adopt_after: Option<Timestamp>,
}

fn time(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "format": "date-time" })
}

fn optional_time(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "format": "date-time", "nullable": true })
}

fn unobserved() -> i64 {
    -1
}

fn once() -> u32 {
    1
}

/// One difference that nobody asked for.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
pub struct DriftRow {
    /// The field, by its name in the spec or AWS's.
    pub field: String,
    /// What the spec, or a rule that always holds, wants.
    pub desired: String,
    /// What AWS answered.
    pub observed: String,
    /// When it was first seen.
    #[schemars(schema_with = "time")]
    pub since: Timestamp,
    /// What happens about it.
    pub action: DriftAction,
    /// Why it is blocked or left alone, and the ways out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What happens about a drift.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum DriftAction {
    /// Being corrected.
    Pending,
    /// Corrected in the maintenance window.
    AwaitingWindow,
    /// `driftPolicy: Report`, or paused: left alone.
    ReportOnly,
    /// Cannot be corrected by the operator; the message names the ways out.
    Blocked,
    /// Corrected again and again, and changed back each time; the message says when it is corrected again.
    Fought,
}

/// A drift that is gone.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
pub struct PastDrift {
    /// The field.
    pub field: String,
    /// What was wanted.
    pub desired: String,
    /// What AWS had answered.
    pub observed: String,
    /// When it was found.
    #[schemars(schema_with = "time")]
    pub found: Timestamp,
    /// When it was seen to be gone.
    #[schemars(schema_with = "time")]
    pub corrected: Timestamp,
    /// How often it was found and gone again, within a day of each other.
    #[serde(default = "once")]
    pub times: u32,
}

/// The steps that are about to be done, or held.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
pub struct Plan {
    /// In the order in which they run.
    #[schemars(length(max = 32))]
    pub steps: Vec<PlanStep>,
}

/// One call of a plan.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
pub struct PlanStep {
    /// Service and operation: `rds:ModifyDBInstance`.
    pub call: String,
    /// What it changes, in words. Never a secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// What it does to the store's users.
    pub disruption: Impact,
}

/// What a step does to the store's users.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum Impact {
    /// Nothing.
    None,
    /// The store restarts.
    Reboot,
    /// The store is away for some minutes.
    Downtime,
}

/// Encryption as AWS answered it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EncryptionStatus {
    /// At rest.
    pub at_rest: AtRest,
    /// In transit.
    pub in_transit: InTransit,
    /// Backups and snapshots, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backups: Option<String>,
}

/// Encryption at rest.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AtRest {
    /// `AES256`, `aws:kms`, or `None`.
    pub algorithm: String,
    /// Whose key: `SSE-S3`, `AWSOwnedKey`, `AWSManagedKey`, `CustomerManagedKey`, `None`.
    pub key_management: String,
    /// The key, where AWS names one.
    #[serde(default, rename = "keyARN", skip_serializing_if = "Option::is_none")]
    pub key_arn: Option<String>,
}

/// Encryption in transit.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
pub struct InTransit {
    /// Whether a connection without TLS is refused.
    pub enforced: bool,
    /// What enforces it.
    pub by: String,
}

/// The AWS resource.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceStatus {
    /// Its ARN.
    pub arn: String,
    /// Its name in AWS.
    pub identifier: String,
    /// The id by which AWS's own checks answer, where it is another (an ElastiCache group's first member).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// Its region.
    pub region: String,
    /// Its account.
    #[serde(rename = "accountID")]
    pub account_id: String,
    /// AWS's status; background work such as a backup, which takes nothing away, counts as available.
    pub status: String,
}

/// Where applications connect.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
pub struct Endpoint {
    /// Host name.
    pub host: String,
    /// TCP port.
    pub port: i32,
}

/// The connection Secret.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
pub struct Binding {
    /// Its name, in the object's namespace.
    pub name: String,
}

impl Status {
    /// The status of an object that has none yet.
    pub fn none() -> &'static Self {
        static NONE: Status = Status::NONE;
        &NONE
    }

    const NONE: Self = Self {
        observed_generation: -1,
        conditions: Vec::new(),
        drift: Vec::new(),
        last_drift: Vec::new(),
        plan: None,
        encryption: None,
        resource: None,
        endpoint: None,
        binding: None,
        applied: None,
        not_found_since: None,
        adopt_after: None,
    };
}
