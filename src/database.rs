//! `ShowCoreDatabase`: an RDS PostgreSQL instance, encrypted at rest, private, and refusing connections without TLS.

mod act;
mod decide;
mod observe;
mod storage;

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
    spec::{self, Adoption, DeletionPolicy, Disruption, DriftPolicy, EncryptionSpec, Maintenance, Network, Tags, yes},
    status::Status,
};

pub use decide::{Changes, CreateInstance, Step, Volume};
pub use observe::{Instance, ParameterGroup, Pending, Seen};
pub use storage::{Storage, StorageType};

/// An RDS PostgreSQL instance. Storage encryption, TLS and a private address are always on.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "showcore.io",
    version = "v1alpha1",
    kind = "ShowCoreDatabase",
    plural = "showcoredatabases",
    shortname = "scdb",
    category = "showcore",
    doc = "An RDS PostgreSQL instance: encrypted, private, TLS only",
    namespaced,
    status = "Status",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Encrypted", type_ = "string", json_path = ".status.encryption.atRest.keyManagement"),
    printcolumn(name = "Drifted", type_ = "string", json_path = ".status.conditions[?(@.type=='Drifted')].status"),
    printcolumn(name = "ID", type_ = "string", json_path = ".status.resource.identifier"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".status.endpoint.host", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("has(self.spec.identifier) ? size(self.metadata.name) <= 150 : (size(self.metadata.name) <= 63 && self.metadata.name.matches('^[a-z]([a-z0-9]|-[a-z0-9])*$'))")
        .message("metadata.name is the instance's identifier when spec.identifier is absent: it begins with a letter and has at most 63 lower-case letters, digits and single hyphens; give spec.identifier or another name (150 characters at most)")
)]
#[x_kube(
    validation = Rule::new("has(self.identifier) == has(oldSelf.identifier) && (!has(self.identifier) || self.identifier == oldSelf.identifier)")
        .message("identifier is immutable: it names the database. Delete this object (deletionPolicy Retain keeps the database) and apply it under the new one"),
    validation = Rule::new("has(self.region) == has(oldSelf.region) && (!has(self.region) || self.region == oldSelf.region)")
        .message("region is immutable: a database cannot be moved"),
    validation = Rule::new("has(self.databaseName) == has(oldSelf.databaseName) && (!has(self.databaseName) || self.databaseName == oldSelf.databaseName)")
        .message("databaseName is immutable: AWS makes it at creation only"),
    validation = Rule::new("has(self.connectionSecretName) == has(oldSelf.connectionSecretName) && (!has(self.connectionSecretName) || self.connectionSecretName == oldSelf.connectionSecretName)")
        .message("connectionSecretName is immutable: applications read the Secret by that name"),
    validation = Rule::new("self.engineVersion.split('.')[0] == oldSelf.engineVersion.split('.')[0] || (self.allowMajorVersionUpgrade && int(self.engineVersion.split('.')[0]) > int(oldSelf.engineVersion.split('.')[0]))")
        .message("engineVersion: another major version needs allowMajorVersionUpgrade: true, and goes up only")
)]
pub struct ShowCoreDatabaseSpec {
    /// The DB instance identifier; `metadata.name` if absent. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z]([a-z0-9]|-[a-z0-9])*$')")
        .message("identifier begins with a letter and has lower-case letters, digits and single hyphens, not at its end"))]
    pub identifier: Option<String>,
    /// AWS region; the operator's own if absent. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 24))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z]{2}(-[a-z]+)+-[0-9]$')").message("region must look like eu-central-1"))]
    pub region: Option<String>,
    /// PostgreSQL version: `16` for any 16.x, `16.4` for at least that. From 15 on AWS's default parameters enforce TLS.
    #[serde(default = "engine_version")]
    #[schemars(length(max = 8))]
    #[x_kube(
        validation = Rule::new("self.matches('^(1[5-9]|[2-9][0-9])([.][0-9]+)?$')")
            .message("engineVersion is 15 or later, as 16 or 16.4: earlier versions do not enforce TLS by default"),
        validation = Rule::new("!self.contains('.') || !oldSelf.contains('.') || self.split('.')[0] != oldSelf.split('.')[0] || int(self.split('.')[1]) >= int(oldSelf.split('.')[1])")
            .message("engineVersion only goes up: AWS cannot downgrade a database")
    )]
    pub engine_version: String,
    /// Whether a changed `engineVersion` may be another major version: a way of no return, with downtime.
    #[serde(default)]
    pub allow_major_version_upgrade: bool,
    /// Instance class.
    #[serde(default = "instance_class")]
    #[schemars(length(max = 40))]
    #[x_kube(validation = Rule::new("self.matches('^db[.][a-z0-9-]+[.][a-z0-9-]+$')").message("instanceClass must look like db.t3.micro"))]
    pub instance_class: String,
    /// Storage.
    #[serde(default)]
    pub storage: Storage,
    /// Whether a standby in another zone takes over when the primary's fails.
    #[serde(default)]
    pub availability: Availability,
    /// Database made at creation; none but `postgres` if absent. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(
        validation = Rule::new("self.matches('^[A-Za-z_][A-Za-z0-9_]*$')")
            .message("databaseName begins with a letter or underscore and has letters, digits and underscores"),
        validation = Rule::new("!(self in ['rdsadmin', 'template0', 'template1'])").message("databaseName is reserved by AWS or PostgreSQL")
    )]
    pub database_name: Option<String>,
    /// The master user. Its password is generated into the connection Secret.
    #[serde(default)]
    pub credentials: Credentials,
    /// Name of the connection Secret; `<metadata.name>-connection` if absent. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')")
        .message("connectionSecretName is a Secret's name: lower-case letters, digits, dots and hyphens"))]
    pub connection_secret_name: Option<String>,
    /// Where the database sits in the network. It is never publicly accessible.
    #[serde(default)]
    pub network: Network,
    /// Automated backups. They are encrypted as the database is.
    #[serde(default)]
    pub backup: Backup,
    /// Maintenance window, and what AWS does in it.
    #[serde(default)]
    pub maintenance: Maintenance,
    /// Logs that AWS exports to `CloudWatch` Logs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    #[x_kube(validation = Rule::new("self.all(one, self.exists_one(other, other == one))").message("logExports: each log at most once"))]
    pub log_exports: Vec<LogExport>,
    /// Performance Insights (the Standard mode of AWS's Database Insights): load and waits by statement. Encrypted
    /// with AWS's managed key.
    #[serde(default)]
    pub performance_insights: PerformanceInsights,
    /// The certificate authority of the server's certificate; AWS's default, and not compared, if absent. A change may
    /// restart the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = Rule::new("self.matches('^rds-ca-[a-z0-9]+(-[a-z0-9]+)*$')").message("caCertificateIdentifier must look like rds-ca-rsa2048-g1"))]
    pub ca_certificate_identifier: Option<String>,
    /// PostgreSQL parameters. Only if some are set does the database get a parameter group of its own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "parameters_schema")]
    pub parameters: BTreeMap<String, String>,
    /// When a disruptive change (class, version, reboot) may happen.
    #[serde(default)]
    pub disruption: Disruption,
    /// AWS's own protection against deletion. While it is on, a deletion under `Snapshot` or `Delete` waits.
    #[serde(default = "yes")]
    pub deletion_protection: bool,
    /// Who manages the encryption key. Encryption itself cannot be turned off.
    #[serde(default)]
    pub encryption: EncryptionSpec,
    /// What is done about drift.
    #[serde(default)]
    pub drift_policy: DriftPolicy,
    /// What is done about a database of this name that is already there and carries nobody's owner tags.
    #[serde(default)]
    pub adoption: Adoption,
    /// What becomes of the database when this object is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// Tags of your own.
    #[serde(default)]
    #[schemars(schema_with = "spec::tags_schema")]
    pub tags: Tags,
}

/// Whether a standby takes over.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum Availability {
    /// There is none.
    #[default]
    #[serde(rename = "SingleAZ")]
    SingleAz,
    /// A standby in another zone does. It changes without an outage.
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

/// A log that AWS exports.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogExport {
    /// What PostgreSQL logs.
    Postgresql,
    /// What upgrades log.
    Upgrade,
}

impl LogExport {
    /// As AWS writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgresql => "postgresql",
            Self::Upgrade => "upgrade",
        }
    }
}

/// Performance Insights. It is off unless asked for, as in AWS's API: nothing is on that the spec does not say.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PerfInsights.Overview.html>
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.retentionDays) || self.enabled").message("performanceInsights.retentionDays needs performanceInsights.enabled: true"))]
pub struct PerformanceInsights {
    /// Whether it is on.
    #[serde(default)]
    pub enabled: bool,
    /// Days that its data is kept: 7, 731, or months of 31 days; AWS's 7, and not compared, if absent. More than 7 costs
    /// money, and since August 2026 AWS shows older data only in the Advanced mode, which is not turned on here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 7, max = 731))]
    #[x_kube(validation = Rule::new("self == 7 || self == 731 || self % 31 == 0").message("performanceInsights.retentionDays is 7, 731, or a multiple of 31"))]
    pub retention_days: Option<i32>,
}

/// The master user.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.username == oldSelf.username").message("credentials.username is immutable: AWS cannot rename the master user"))]
pub struct Credentials {
    /// Its name. Immutable.
    #[serde(default = "username")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(
        validation = Rule::new("self.matches('^[A-Za-z][A-Za-z0-9_]*$')")
            .message("credentials.username begins with a letter and has letters, digits and underscores"),
        validation = Rule::new("!(self.lowerAscii() in ['admin', 'rdsadmin', 'rds_superuser', 'public', 'user', 'none']) && !self.lowerAscii().startsWith('pg_')")
            .message("credentials.username is reserved by AWS or PostgreSQL")
    )]
    pub username: String,
}

impl Default for Credentials {
    fn default() -> Self {
        Self { username: username() }
    }
}

/// Automated backups.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// Days that automated backups are kept, 1 to 35. They cannot be turned off.
    #[serde(default = "retention_days")]
    #[schemars(range(min = 1, max = 35))]
    pub retention_days: i32,
    /// Daily window in UTC, `03:00-04:00`; one that AWS picks, and not compared, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 11))]
    #[x_kube(validation = Rule::new("self.matches('^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$')")
        .message("backup.window must look like 03:00-04:00 (UTC)"))]
    pub window: Option<String>,
}

impl Default for Backup {
    fn default() -> Self {
        Self { retention_days: retention_days(), window: None }
    }
}

fn engine_version() -> String {
    "16".to_owned()
}

fn instance_class() -> String {
    "db.t3.micro".to_owned()
}

fn username() -> String {
    "showcore".to_owned()
}

fn retention_days() -> i32 {
    7
}

fn parameters_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "description": "PostgreSQL parameters. Only if some are set does the database get a parameter group of its own. rds.force_ssl is not among them: TLS is always enforced.",
        "maxProperties": 64,
        "additionalProperties": {"type": "string", "minLength": 1, "maxLength": 256},
        "x-kubernetes-validations": [
            {"rule": "!('rds.force_ssl' in self)", "message": "parameters: rds.force_ssl cannot be set: TLS is always enforced"},
            {"rule": "self.all(k, size(k) <= 64 && k.matches('^[a-z][a-z0-9_.]*$'))",
             "message": "parameters: a name has lower-case letters, digits, dots and underscores, at most 64"}
        ]
    })
}

impl ShowCoreDatabaseSpec {
    /// Name of the connection Secret.
    pub fn secret_name(&self, object_name: &str) -> String {
        self.connection_secret_name.clone().unwrap_or_else(|| format!("{object_name}-connection"))
    }

    /// The major version.
    pub fn major(&self) -> &str {
        self.engine_version.split('.').next().unwrap_or_default()
    }
}

impl Kind for ShowCoreDatabase {
    const FIELDS: &'static [&'static Row] = decide::FIELDS;
    const KIND: &'static str = "ShowCoreDatabase";
    type Spec = ShowCoreDatabaseSpec;
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
