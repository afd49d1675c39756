//! `ShowCoreCache`: an ElastiCache replication group, encrypted at rest and in transit.
//!
//! A single node is a replication group too: `CreateCacheCluster` has no switch for encryption at rest. AWS names its
//! member cluster `<identifier>-001`, and that id answers `describe-cache-clusters`.

mod act;
mod decide;
mod observe;
mod parameter_groups;

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema, ResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    connection,
    decision::{Decision, Wanted},
    error::Failure,
    field::Row,
    kind::{Kind, Look, Order},
    ownership::Place,
    spec::{self, Adoption, DeletionPolicy, Disruption, DriftPolicy, EncryptionSpec, Maintenance, Network, Tags},
    status::Status,
};

pub use decide::{Changes, CreateGroup, Step, Strategy};
pub use observe::{Delivery, Group, Member, Seen};
pub use parameter_groups::ParameterGroup;

/// An ElastiCache replication group. Encryption at rest and TLS are always on.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "showcore.io",
    version = "v1alpha1",
    kind = "ShowCoreCache",
    plural = "showcorecaches",
    shortname = "sccache",
    category = "showcore",
    doc = "An ElastiCache replication group: encrypted at rest, TLS only",
    namespaced,
    status = "Status",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Encrypted", type_ = "string", json_path = ".status.encryption.atRest.keyManagement"),
    printcolumn(name = "Drifted", type_ = "string", json_path = ".status.conditions[?(@.type=='Drifted')].status"),
    printcolumn(name = "ID", type_ = "string", json_path = ".status.resource.identifier"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".status.endpoint.host", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("has(self.spec.identifier) ? size(self.metadata.name) <= 150 : (size(self.metadata.name) <= 40 && self.metadata.name.matches('^[a-z]([a-z0-9]|-[a-z0-9])*$'))")
        .message("metadata.name is the group's identifier when spec.identifier is absent: it begins with a letter and has at most 40 lower-case letters, digits and single hyphens; give spec.identifier or another name (150 characters at most)")
)]
#[x_kube(
    validation = Rule::new("has(self.identifier) == has(oldSelf.identifier) && (!has(self.identifier) || self.identifier == oldSelf.identifier)")
        .message("identifier is immutable: it names the cache. Delete this object (deletionPolicy Retain keeps the cache) and apply it under the new one"),
    validation = Rule::new("has(self.region) == has(oldSelf.region) && (!has(self.region) || self.region == oldSelf.region)")
        .message("region is immutable: a cache cannot be moved"),
    validation = Rule::new("has(self.connectionSecretName) == has(oldSelf.connectionSecretName) && (!has(self.connectionSecretName) || self.connectionSecretName == oldSelf.connectionSecretName)")
        .message("connectionSecretName is immutable: applications read the Secret by that name"),
    validation = Rule::new("self.engine == oldSelf.engine").message("engine is immutable: AWS cannot turn one into the other without a migration"),
    validation = Rule::new("self.authentication == oldSelf.authentication")
        .message("authentication is immutable: clients would be locked out, or let in without a token"),
    validation = Rule::new("!has(self.engineVersion) || !has(oldSelf.engineVersion) || int(self.engineVersion.split('.')[0]) * 100 + int(self.engineVersion.split('.')[1]) >= int(oldSelf.engineVersion.split('.')[0]) * 100 + int(oldSelf.engineVersion.split('.')[1])")
        .message("engineVersion only goes up: AWS cannot downgrade a cache"),
    validation = Rule::new("!has(self.engineVersion) || self.engine != 'redis' || self.engineVersion in ['6.2', '7.0', '7.1']")
        .message("engineVersion: redis is 6.2, 7.0 or 7.1; later versions are engine valkey"),
    validation = Rule::new("!has(self.engineVersion) || self.engine != 'valkey' || int(self.engineVersion.split('.')[0]) * 100 + int(self.engineVersion.split('.')[1]) >= 702")
        .message("engineVersion: valkey begins at 7.2"),
    validation = Rule::new("self.availability != 'MultiAZ' || self.replicas >= 1")
        .message("availability: MultiAZ needs replicas of 1 or more, in another zone than the primary"),
    validation = Rule::new("!has(self.parameters) || size(self.parameters) == 0 || has(self.engineVersion)")
        .message("parameters need engineVersion: a parameter group is for the versions of one family")
)]
pub struct ShowCoreCacheSpec {
    /// The replication group's id; `metadata.name` if absent. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 40))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z]([a-z0-9]|-[a-z0-9])*$')")
        .message("identifier begins with a letter and has lower-case letters, digits and single hyphens, not at its end"))]
    pub identifier: Option<String>,
    /// AWS region; the operator's own if absent. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 24))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z]{2}(-[a-z]+)+-[0-9]$')").message("region must look like eu-central-1"))]
    pub region: Option<String>,
    /// Engine. Immutable.
    #[serde(default)]
    pub engine: Engine,
    /// Engine version as `7.1`; AWS's default for the engine, and not compared, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 6))]
    #[x_kube(validation = Rule::new("self.matches('^[6-9][.][0-9]$')").message("engineVersion must look like 7.1; 6.2 is the lowest that is supported here"))]
    pub engine_version: Option<String>,
    /// Node type.
    #[serde(default = "node_type")]
    #[schemars(length(max = 40))]
    #[x_kube(validation = Rule::new("self.matches('^cache[.][a-z0-9-]+[.][a-z0-9-]+$')").message("nodeType must look like cache.t3.micro"))]
    pub node_type: String,
    /// Replicas beside the primary node. With some, automatic failover is on.
    #[serde(default)]
    #[schemars(range(min = 0, max = 5))]
    pub replicas: i32,
    /// Whether replicas stand in another zone than the primary, and one takes over when its zone fails.
    #[serde(default)]
    pub availability: Availability,
    /// How clients authenticate. Immutable.
    #[serde(default)]
    pub authentication: Authentication,
    /// Name of the connection Secret; `<metadata.name>-connection` if absent. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')")
        .message("connectionSecretName is a Secret's name: lower-case letters, digits, dots and hyphens"))]
    pub connection_secret_name: Option<String>,
    /// Where the cache sits in the network.
    #[serde(default)]
    pub network: Network,
    /// Daily snapshots. They are encrypted as the cache is.
    #[serde(default)]
    pub snapshot: Snapshot,
    /// Maintenance window, and what AWS does in it.
    #[serde(default)]
    pub maintenance: Maintenance,
    /// Parameters of the engine. Only if some are set does the cache get a parameter group of its own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "parameters_schema")]
    pub parameters: BTreeMap<String, String>,
    /// Logs that AWS delivers, at most one delivery of each type. The log group or delivery stream must be there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    #[x_kube(validation = Rule::new("self.all(one, self.exists_one(other, other.logType == one.logType))")
        .message("logDelivery: each logType at most once"))]
    pub log_delivery: Vec<LogDelivery>,
    /// When a disruptive change (node type, version) may happen.
    #[serde(default)]
    pub disruption: Disruption,
    /// Who manages the encryption key. Encryption itself cannot be turned off.
    #[serde(default)]
    pub encryption: EncryptionSpec,
    /// What is done about drift.
    #[serde(default)]
    pub drift_policy: DriftPolicy,
    /// What is done about a cache of this name that is already there and carries nobody's owner tags.
    #[serde(default)]
    pub adoption: Adoption,
    /// What becomes of the cache when this object is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// Tags of your own.
    #[serde(default)]
    #[schemars(schema_with = "spec::tags_schema")]
    pub tags: Tags,
}

/// Engine of a cache.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Redis OSS.
    #[default]
    Redis,
    /// Valkey.
    Valkey,
}

impl Engine {
    /// As AWS writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Valkey => "valkey",
        }
    }
}

/// How clients authenticate.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum Authentication {
    /// With a generated token, in the connection Secret.
    #[default]
    Token,
    /// Not at all: whoever reaches the cache may use it.
    None,
}

/// Whether replicas stand in another zone than the primary.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum Availability {
    /// AWS need not place them in several zones.
    #[default]
    #[serde(rename = "SingleAZ")]
    SingleAz,
    /// They do, and AWS promotes one when the primary's zone fails.
    #[serde(rename = "MultiAZ")]
    MultiAz,
}

impl Availability {
    /// As the spec writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::SingleAz => "SingleAZ",
            Self::MultiAz => "MultiAZ",
        }
    }
}

/// A log that AWS delivers.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.destination != 'CloudWatchLogs' || self.name.matches('^[A-Za-z0-9._/#-]+$')")
        .message("logDelivery.name: a log group's name has letters, digits and . _ / # - only"),
    validation = Rule::new("self.destination != 'Firehose' || (size(self.name) <= 64 && self.name.matches('^[A-Za-z0-9._-]+$'))")
        .message("logDelivery.name: a delivery stream's name has letters, digits and . _ - only, at most 64")
)]
pub struct LogDelivery {
    /// Which log.
    pub log_type: LogType,
    /// Where it goes.
    pub destination: LogDestination,
    /// The log group's or delivery stream's name.
    #[schemars(length(min = 1, max = 512))]
    pub name: String,
    /// How an entry is written.
    #[serde(default)]
    pub format: LogFormat,
}

/// Which log.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
pub enum LogType {
    /// Commands that took long.
    SlowLog,
    /// What the engine says of itself.
    EngineLog,
}

/// Where a log goes.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum LogDestination {
    /// A log group of Amazon's log service.
    CloudWatchLogs,
    /// A delivery stream of Amazon Data Firehose.
    Firehose,
}

/// How an entry of a log is written.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum LogFormat {
    /// As JSON.
    #[default]
    #[serde(rename = "JSON")]
    Json,
    /// As text.
    Text,
}

impl LogType {
    /// Every type.
    pub const ALL: [Self; 2] = [Self::SlowLog, Self::EngineLog];

    /// As the spec writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::SlowLog => "SlowLog",
            Self::EngineLog => "EngineLog",
        }
    }
}

impl LogDelivery {
    /// In words, as rows of drift say it: `JSON to CloudWatchLogs /sessions`.
    pub fn words(&self) -> String {
        let format = match self.format {
            LogFormat::Json => "JSON",
            LogFormat::Text => "Text",
        };
        let destination = match self.destination {
            LogDestination::CloudWatchLogs => "CloudWatchLogs",
            LogDestination::Firehose => "Firehose",
        };
        format!("{format} to {destination} {}", self.name)
    }
}

/// Daily snapshots.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Days that daily snapshots are kept; 0 makes none.
    #[serde(default = "retention_days")]
    #[schemars(range(min = 0, max = 35))]
    pub retention_days: i32,
    /// Daily window in UTC, `03:00-04:00`; one that AWS picks, and not compared, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 11))]
    #[x_kube(validation = Rule::new("self.matches('^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$')")
        .message("snapshot.window must look like 03:00-04:00 (UTC)"))]
    pub window: Option<String>,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self { retention_days: retention_days(), window: None }
    }
}

fn node_type() -> String {
    "cache.t3.micro".to_owned()
}

fn retention_days() -> i32 {
    1
}

fn parameters_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "description": "Parameters of the engine. Only if some are set does the cache get a parameter group of its own; without any it has AWS's default group. cluster-enabled is not among them: the group has one shard. What AWS takes up at a reboot only (activerehashing, databases) waits for one of yours, since a reboot empties a node.",
        "maxProperties": 64,
        "additionalProperties": {"type": "string", "minLength": 1, "maxLength": 256},
        "x-kubernetes-validations": [
            {"rule": "!('cluster-enabled' in self)", "message": "parameters: cluster-enabled cannot be set: the cache has one shard"},
            {"rule": "self.all(k, size(k) <= 64 && k.matches('^[a-z][a-z0-9-]*$'))",
             "message": "parameters: a name has lower-case letters, digits and hyphens, at most 64"}
        ]
    })
}

impl ShowCoreCacheSpec {
    /// Name of the connection Secret.
    pub fn secret_name(&self, object_name: &str) -> String {
        self.connection_secret_name.clone().unwrap_or_else(|| format!("{object_name}-connection"))
    }
}

impl Kind for ShowCoreCache {
    const FIELDS: &'static [&'static Row] = decide::FIELDS;
    const KIND: &'static str = "ShowCoreCache";
    type Spec = ShowCoreCacheSpec;
    type Seen = Seen;
    type Step = Step;

    fn spec(&self) -> &Self::Spec {
        &self.spec
    }

    fn status(&self) -> &Status {
        self.status.as_ref().unwrap_or(Status::none())
    }

    fn region(&self) -> Option<&str> {
        self.spec.region.as_deref()
    }

    fn drift_policy(&self) -> DriftPolicy {
        self.spec.drift_policy
    }

    fn adoption(&self) -> Adoption {
        self.spec.adoption
    }

    fn deletion_policy(&self) -> DeletionPolicy {
        self.spec.deletion_policy
    }

    fn identifier(&self, _: &Place) -> String {
        self.spec.identifier.as_ref().or(self.metadata.name.as_ref()).cloned().unwrap_or_default()
    }

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        observe::observe(self, look).await
    }

    async fn observe_secret(&self, look: &Look<'_>, before: Seen) -> Result<Seen, Failure> {
        let name = self.spec.secret_name(&self.name_any());
        Ok(Seen { secret: connection::observe(look, self, &name).await?, ..before })
    }

    fn decide(wanted: &Wanted<'_, Self::Spec>, seen: &Seen, now: k8s_openapi::jiff::Timestamp) -> Decision<Step> {
        decide::decide(wanted, seen, now)
    }

    async fn act(&self, order: &Order<Step>, look: &Look<'_>) -> Result<(), Failure> {
        act::act(self, order.step(), look).await
    }
}
