//! The steps of a cache, as data.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Wanted,
    parameters::{comes_with_version, group_of},
};
use crate::{
    cache::{Availability, Group, LogDelivery, LogType, Seen},
    conditions::CREDENTIALS,
    connection::Connection,
    decision,
    drift::tag_changes,
    field::on,
    status::Impact,
};

/// One mutation of a cache, or of its Secret.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Makes the connection Secret, with a new token.
    MakeCredentials {
        /// What it says apart from the token.
        connection: Connection,
    },
    /// Brings the connection Secret up to date; its token stays.
    WriteConnection {
        /// Its uid.
        secret_uid: String,
        /// What it says apart from the token.
        connection: Connection,
    },
    /// Creates a parameter group of the cache's own.
    CreateParameterGroup {
        /// Its name.
        name: String,
        /// Its family: `redis7`.
        family: String,
        /// All tags.
        tags: BTreeMap<String, String>,
    },
    /// Sets and resets parameters of the cache's own group.
    ModifyParameterGroup {
        /// The group.
        name: String,
        /// Parameters to set.
        set: BTreeMap<String, String>,
        /// Parameters to put back to their defaults.
        reset: BTreeSet<String>,
    },
    /// Deletes a parameter group of the cache's own.
    DeleteParameterGroup {
        /// The group.
        name: String,
    },
    /// Creates the group, encrypted, with its owner tags in the call itself.
    Create(Box<CreateGroup>),
    /// Modifies the group at once.
    Modify(Box<Changes>),
    /// Starts or changes the delivery of logs, and ends it.
    DeliverLogs {
        /// Deliveries to start or to change.
        start: Vec<LogDelivery>,
        /// Logs to be delivered no more.
        end: Vec<LogType>,
    },
    /// Sends the token of this Secret.
    SendToken {
        /// The Secret's uid.
        secret_uid: String,
        /// Beside the old token, or instead of it.
        strategy: Strategy,
    },
    /// More replicas.
    IncreaseReplicas {
        /// How many there are to be.
        replicas: i32,
    },
    /// Fewer replicas.
    DecreaseReplicas {
        /// How many there are to be.
        replicas: i32,
    },
    /// Adds tags, or changes their values.
    AddTags {
        /// The group.
        arn: String,
        /// The tags.
        tags: BTreeMap<String, String>,
    },
    /// Removes tags.
    RemoveTags {
        /// The group.
        arn: String,
        /// Their keys.
        keys: BTreeSet<String>,
    },
    /// Deletes the group.
    Delete {
        /// The final snapshot's name; none is made if absent.
        final_snapshot: Option<String>,
    },
}

/// How a token replaces another: first beside it, then instead of it.
///
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth.html#auth-modifyng-token>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Both tokens are accepted.
    Rotate,
    /// Only the new one is.
    Set,
}

/// The record of a token that AWS has beside the old one.
pub(super) fn rotating(secret_uid: &str) -> String {
    format!("rotating:{secret_uid}")
}

/// What a group is created with. Encryption is not among it: it is always on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateGroup {
    /// Engine.
    pub engine: &'static str,
    /// Version.
    pub engine_version: Option<String>,
    /// Node type.
    pub node_type: String,
    /// Replicas.
    pub replicas: i32,
    /// Whether replicas stand in other zones.
    pub availability: Availability,
    /// The Secret whose token is sent, if clients authenticate.
    pub token_of: Option<String>,
    /// Subnet group.
    pub subnet_group: Option<String>,
    /// Security groups.
    pub security_groups: Option<Vec<String>>,
    /// Snapshot retention, in days.
    pub snapshot_retention: i32,
    /// Snapshot window.
    pub snapshot_window: Option<String>,
    /// Maintenance window.
    pub maintenance_window: Option<String>,
    /// Minor upgrades by AWS.
    pub auto_minor_version_upgrade: bool,
    /// Parameter group of its own.
    pub parameter_group: Option<String>,
    /// Logs to be delivered.
    pub logs: Vec<LogDelivery>,
    /// All tags.
    pub tags: BTreeMap<String, String>,
}

/// What a modification changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Node type. Disruptive.
    pub node_type: Option<String>,
    /// Version. Disruptive.
    pub engine_version: Option<String>,
    /// Parameter group of the new version's family, which goes with it.
    pub parameter_group_of_version: Option<String>,
    /// Automatic failover.
    pub failover: Option<bool>,
    /// Multi-AZ: on after failover, off before it.
    pub multi_az: Option<bool>,
    /// Snapshot retention, in days.
    pub snapshot_retention: Option<i32>,
    /// The node that is snapshotted; AWS wants it named when snapshots are turned on.
    pub snapshotting_cluster: Option<String>,
    /// Snapshot window.
    pub snapshot_window: Option<String>,
    /// Maintenance window.
    pub maintenance_window: Option<String>,
    /// Minor upgrades by AWS.
    pub auto_minor_version_upgrade: Option<bool>,
    /// Parameter group.
    pub parameter_group: Option<String>,
    /// Security groups.
    pub security_groups: Option<Vec<String>>,
    /// TLS: `preferred` on the way to `required`.
    pub transit_mode: Option<&'static str>,
}

impl Changes {
    /// The changes that the named fields need.
    pub(super) fn of(names: &[&str], wanted: &Wanted<'_>, seen: &Seen, group: &Group) -> Self {
        let spec = wanted.spec;
        let has = |name: &str| names.contains(&name);
        let retention = has("snapshot.retentionDays").then_some(spec.snapshot.retention_days);
        let (failover, multi_az) = availability(names, wanted);
        let engine_version = spec.engine_version.clone().filter(|_| has("engineVersion"));
        let regroup = group_of(names, wanted, seen);
        let with_version = seen.member.as_ref().is_some_and(|member| comes_with_version(wanted, member));
        Self {
            node_type: has("nodeType").then(|| spec.node_type.clone()),
            parameter_group_of_version: regroup.clone().filter(|_| with_version && engine_version.is_some()),
            engine_version,
            failover,
            multi_az,
            snapshot_retention: retention,
            snapshotting_cluster: group
                .members
                .first()
                .cloned()
                .filter(|_| group.snapshot_retention == 0 && retention.is_some_and(|days| days > 0)),
            snapshot_window: spec.snapshot.window.clone().filter(|_| has("snapshot.window")),
            maintenance_window: spec.maintenance.window.clone().filter(|_| has("maintenance.window")),
            auto_minor_version_upgrade: has("maintenance.autoMinorVersionUpgrade")
                .then_some(spec.maintenance.auto_minor_version_upgrade),
            parameter_group: regroup.filter(|_| !with_version),
            security_groups: spec.network.security_group_ids.clone().filter(|_| has("network.securityGroupIDs")),
            // TLS that is off comes back in two steps: preferred, then required.
            transit_mode: has("transitEncryption").then_some(if group.in_transit { "required" } else { "preferred" }),
        }
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the store's users notice.
    pub fn is_disruptive(&self) -> bool {
        self.node_type.is_some() || self.engine_version.is_some()
    }

    /// The disruptive changes and the calm ones.
    pub(super) fn split(self) -> (Self, Self) {
        let disruptive = Self {
            node_type: self.node_type,
            engine_version: self.engine_version,
            parameter_group_of_version: self.parameter_group_of_version,
            ..Self::default()
        };
        (disruptive, Self { node_type: None, engine_version: None, parameter_group_of_version: None, ..self })
    }

    /// The fields of the spec that these changes are about.
    pub(super) fn fields(&self) -> Vec<&'static str> {
        self.named().into_iter().map(|(field, _)| field).collect()
    }

    fn named(&self) -> Vec<(&'static str, String)> {
        [
            ("nodeType", self.node_type.clone()),
            ("engineVersion", self.engine_version.clone()),
            ("parameterGroup", self.parameter_group_of_version.clone().or_else(|| self.parameter_group.clone())),
            ("automaticFailover", self.failover.map(|yes| on(yes).to_owned())),
            ("availability", self.multi_az.map(|yes| availability_of(yes).name().to_owned())),
            ("snapshot.retentionDays", self.snapshot_retention.map(|days| days.to_string())),
            ("snapshot.window", self.snapshot_window.clone()),
            ("maintenance.window", self.maintenance_window.clone()),
            ("maintenance.autoMinorVersionUpgrade", self.auto_minor_version_upgrade.map(|yes| on(yes).to_owned())),
            ("network.securityGroupIDs", self.security_groups.as_ref().map(|groups| groups.join(", "))),
            ("transitEncryption", self.transit_mode.map(str::to_owned)),
        ]
        .into_iter()
        .filter_map(|(field, value)| Some((field, value?)))
        .collect()
    }
}

/// Failover and Multi-AZ as the named fields want them: failover on before Multi-AZ, and off after it.
///
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/AutoFailover.html>
fn availability(names: &[&str], wanted: &Wanted<'_>) -> (Option<bool>, Option<bool>) {
    let failover = names.contains(&"automaticFailover").then_some(wanted.spec.replicas > 0);
    let multi_az = names.contains(&"availability").then_some(wanted.spec.availability == Availability::MultiAz);
    match (failover, multi_az) {
        (Some(true), Some(true)) => (failover, None),
        (Some(false), Some(false)) => (None, multi_az),
        both => both,
    }
}

fn availability_of(multi_az: bool) -> Availability {
    if multi_az { Availability::MultiAz } else { Availability::SingleAz }
}

impl decision::Step for Step {
    fn call(&self) -> &'static str {
        match self {
            Self::MakeCredentials { .. } => "kubernetes:CreateSecret",
            Self::WriteConnection { .. } => "kubernetes:PatchSecret",
            Self::Create(_) => "elasticache:CreateReplicationGroup",
            Self::CreateParameterGroup { .. } => "elasticache:CreateCacheParameterGroup",
            // One that only puts parameters back is named by the call that does.
            Self::ModifyParameterGroup { set, .. } if set.is_empty() => "elasticache:ResetCacheParameterGroup",
            Self::ModifyParameterGroup { .. } => "elasticache:ModifyCacheParameterGroup",
            Self::DeleteParameterGroup { .. } => "elasticache:DeleteCacheParameterGroup",
            Self::Modify(_) | Self::DeliverLogs { .. } | Self::SendToken { .. } => "elasticache:ModifyReplicationGroup",
            Self::IncreaseReplicas { .. } => "elasticache:IncreaseReplicaCount",
            Self::DecreaseReplicas { .. } => "elasticache:DecreaseReplicaCount",
            Self::AddTags { .. } => "elasticache:AddTagsToResource",
            Self::RemoveTags { .. } => "elasticache:RemoveTagsFromResource",
            Self::Delete { .. } => "elasticache:DeleteReplicationGroup",
        }
    }

    fn changes(&self) -> Vec<String> {
        match self {
            Self::MakeCredentials { .. } => vec!["make the connection Secret".into()],
            Self::WriteConnection { .. } => vec!["bring the connection Secret up to date".into()],
            Self::Create(_) => vec!["create the replication group".into()],
            Self::Modify(changes) => {
                changes.named().into_iter().map(|(field, value)| format!("{field}: {value}")).collect()
            }
            Self::CreateParameterGroup { name, .. } => vec![format!("create the parameter group {name}")],
            Self::ModifyParameterGroup { set, reset, .. } => {
                let set = set.iter().map(|(key, value)| format!("{key}: {value}"));
                set.chain(reset.iter().map(|key| format!("{key}: default"))).collect()
            }
            Self::DeleteParameterGroup { name } => vec![format!("delete the parameter group {name}")],
            Self::DeliverLogs { start, end } => {
                let start = start.iter().map(|one| format!("logDelivery.{}: {}", one.log_type.name(), one.words()));
                start.chain(end.iter().map(|log_type| format!("logDelivery.{}: absent", log_type.name()))).collect()
            }
            Self::SendToken { strategy: Strategy::Rotate, .. } => {
                vec!["send the token of the connection Secret, beside the old one".into()]
            }
            Self::SendToken { strategy: Strategy::Set, .. } => {
                vec!["accept only the token of the connection Secret".into()]
            }
            Self::IncreaseReplicas { replicas } | Self::DecreaseReplicas { replicas } => {
                vec![format!("replicas: {replicas}")]
            }
            Self::AddTags { tags, .. } => tags.iter().map(|(key, value)| format!("{key}: {value}")).collect(),
            Self::RemoveTags { keys, .. } => keys.iter().map(|key| format!("{key}: absent")).collect(),
            Self::Delete { final_snapshot: Some(name) } => {
                vec![format!("delete the group, with the final snapshot {name}")]
            }
            Self::Delete { final_snapshot: None } => vec!["delete the group without a final snapshot".into()],
        }
    }

    fn impact(&self) -> Impact {
        match self {
            Self::Modify(changes) if changes.is_disruptive() => Impact::Downtime,
            _ => Impact::None,
        }
    }

    fn guarded(&self) -> bool {
        matches!(self, Self::Create(_) | Self::Delete { .. })
    }

    fn settles(&self) -> Option<(String, String)> {
        match self {
            Self::SendToken { secret_uid, strategy: Strategy::Rotate } => {
                Some((CREDENTIALS.to_owned(), rotating(secret_uid)))
            }
            Self::SendToken { secret_uid, strategy: Strategy::Set } => {
                Some((CREDENTIALS.to_owned(), secret_uid.clone()))
            }
            _ => None,
        }
    }
}

/// The steps for those of the named fields that are tags.
pub(super) fn tag_steps(wanted: &Wanted<'_>, group: &Group, names: &[&str]) -> Vec<Step> {
    let (tags, keys) = tag_changes(&wanted.tags(&wanted.spec.tags), names);
    let arn = || group.arn.clone();
    let add = (!tags.is_empty()).then(|| Step::AddTags { arn: arn(), tags });
    let remove = (!keys.is_empty()).then(|| Step::RemoveTags { arn: arn(), keys });
    add.into_iter().chain(remove).collect()
}
