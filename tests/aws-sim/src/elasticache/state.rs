//! What is kept of a replication group, a stand-alone cluster and a snapshot.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::catalog::{self, Engine, Version};
use super::logs::{Delivery, Wishes};
use super::parameter_groups::ParameterGroup;
use super::window::Maintenance;

/// Tags by their key.
pub type Tags = BTreeMap<String, String>;

/// Region and name.
pub type Key = (String, String);

/// What groups and stand-alone clusters have in common.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `cache.t3.micro`
    pub node_type: String,
    /// Redis OSS or Valkey.
    pub engine: Engine,
    /// With the patch number, as AWS answers it.
    pub engine_version: String,
    /// The parameter group's name.
    pub parameter_group: String,
    /// Whether the parameter group has changes that the nodes take up at a reboot.
    pub awaits_reboot: bool,
    /// The subnet group's name.
    pub subnet_group: String,
    /// Ids of VPC security groups.
    pub security_groups: Vec<String>,
    /// Of all endpoints.
    pub port: i64,
    /// `sun:05:00-sun:06:00`
    pub maintenance_window: String,
    /// `03:00-04:00`
    pub snapshot_window: String,
    /// In days; 0 makes none.
    pub snapshot_retention: i64,
    /// Whether minor versions come by themselves.
    pub auto_minor_version_upgrade: bool,
}

impl Settings {
    /// The engine's version in the catalogue.
    pub fn version(&self) -> &'static Version {
        catalog::answered_version(self.engine, &self.engine_version)
    }
}

/// The tokens that a group takes. AWS never answers a token, so only digests are kept.
#[derive(Clone, Debug, Default)]
pub struct Auth {
    /// SHA-256 in hex, oldest first; two while a rotation has not been ended by `SET`.
    pub tokens: Vec<String>,
    /// Connections without a token are still taken: a first token was added by `ROTATE`.
    pub optional: bool,
    /// When tokens last changed.
    pub modified: Option<Timestamp>,
}

/// One node of a group.
#[derive(Clone, Debug)]
pub struct Member {
    /// `<group>-001`, in cluster mode `<group>-0001-001`.
    pub id: String,
    /// Number of its node group (shard), from 1.
    pub shard: u32,
    /// The availability zone.
    pub zone: String,
    /// When it was made.
    pub created: Timestamp,
    /// `available`, or `creating`/`deleting` while the replica count changes.
    pub status: &'static str,
}

/// What a modification changes. Absent is unchanged.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// `CacheNodeType`
    pub node_type: Option<String>,
    /// `Engine` and `EngineVersion`
    pub version: Option<(Engine, String)>,
    /// `CacheParameterGroupName`
    pub parameter_group: Option<String>,
    /// `SecurityGroupIds`
    pub security_groups: Option<Vec<String>>,
    /// `AutomaticFailoverEnabled`
    pub failover: Option<bool>,
    /// `MultiAZEnabled`
    pub multi_az: Option<bool>,
    /// `AuthToken` with its strategy
    pub auth: Option<AuthChange>,
    /// `TransitEncryptionEnabled` with `TransitEncryptionMode`
    pub transit: Option<Transit>,
    /// `LogDeliveryConfigurations`
    pub logs: Wishes,
    /// Member ids that leave; those that come are members in `creating`.
    pub leaving: Vec<String>,
    /// Whether members come.
    pub joining: bool,
}

/// What encryption in transit becomes: a mode, or off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transit(pub Option<String>);

/// A change of the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthChange {
    /// The token of this digest is taken beside the last one.
    Rotate(String),
    /// Only the last one is taken from now on.
    Set,
}

impl Changes {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.node_type.is_none()
            && self.version.is_none()
            && self.parameter_group.is_none()
            && self.security_groups.is_none()
            && self.auth.is_none()
            && self.transit.is_none()
            && self.logs.is_empty()
            && self.leaving.is_empty()
            && !self.joining
            && !self.switches_failover()
    }

    /// Whether failover or Multi-AZ is among the changes.
    pub fn switches_failover(&self) -> bool {
        self.failover.is_some() || self.multi_az.is_some()
    }

    /// Whether only failover and Multi-AZ change, which is faster than the rest.
    pub fn only_failover(&self) -> bool {
        let rest = Changes { failover: None, multi_az: None, ..self.clone() };
        self.switches_failover() && rest.is_empty()
    }

    /// Whether only the delivery of logs changes, which no node notices.
    pub fn only_logs(&self) -> bool {
        let rest = Changes { logs: Wishes::new(), ..self.clone() };
        !self.logs.is_empty() && rest.is_empty()
    }

    /// Adds newer changes, which win.
    pub fn merge(&mut self, newer: Changes) {
        self.node_type = newer.node_type.or(self.node_type.take());
        self.version = newer.version.or(self.version.take());
        self.parameter_group = newer.parameter_group.or(self.parameter_group.take());
        self.security_groups = newer.security_groups.or(self.security_groups.take());
        self.failover = newer.failover.or(self.failover);
        self.multi_az = newer.multi_az.or(self.multi_az);
        self.auth = newer.auth.or(self.auth.take());
        self.transit = newer.transit.or(self.transit.take());
        self.logs.extend(newer.logs);
        self.leaving.extend(newer.leaving);
        self.joining |= newer.joining;
    }
}

/// What happens when a group's present state ends.
#[derive(Clone, Debug)]
pub enum Then {
    /// `creating` ends.
    Created,
    /// `modifying` ends, and these changes are in force.
    Changed(Box<Changes>),
    /// `snapshotting` ends.
    Snapshotted,
    /// `deleting` ends, and the group is gone.
    Gone,
}

/// A replication group.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "AWS's group has these four switches")]
pub struct Group {
    /// `ReplicationGroupId`
    pub id: String,
    /// The region it is in.
    pub region: String,
    /// The account it is in.
    pub account: String,
    /// `ARN`
    pub arn: String,
    /// `Description`
    pub description: String,
    /// `ReplicationGroupCreateTime`
    pub created: Timestamp,
    /// `Status`
    pub status: String,
    /// What its members have in common.
    pub settings: Settings,
    /// `AtRestEncryptionEnabled`
    pub at_rest: bool,
    /// The key's ARN, if one was given: a group without one uses a key of AWS's own.
    pub kms_key: Option<String>,
    /// `TransitEncryptionMode`, if encryption in transit is on.
    pub transit: Option<String>,
    /// `AuthToken`
    pub auth: Auth,
    /// `AutomaticFailover`
    pub failover: bool,
    /// `MultiAZ`
    pub multi_az: bool,
    /// `ClusterEnabled`
    pub cluster_mode: bool,
    /// How many node groups (shards).
    pub shards: u32,
    /// `MemberClusters`
    pub members: Vec<Member>,
    /// `LogDeliveryConfigurations`, by type of log
    pub logs: BTreeMap<String, Delivery>,
    /// `SnapshottingClusterId`
    pub snapshotting_cluster: Option<String>,
    /// Its tags, which its members show too.
    pub tags: Tags,
    /// When the present state ends, and with what.
    pub until: Option<(Timestamp, Then)>,
    /// Waits for the first maintenance window that opens after this time.
    pub pending: Option<(Timestamp, Changes)>,
}

impl Group {
    /// The changes that are being applied.
    pub fn applying(&self) -> Option<&Changes> {
        match &self.until {
            Some((_, Then::Changed(changes))) => Some(changes),
            _ => None,
        }
    }

    /// When the pending changes begin, if nothing else is going on.
    pub fn pending_begins(&self) -> Option<Timestamp> {
        let (since, _) = self.pending.as_ref()?;
        let window = Maintenance::parse(&self.settings.maintenance_window).ok()?;
        (self.status == "available").then(|| window.next_opening(*since))
    }

    /// Puts changes in force.
    pub fn apply(&mut self, changes: Changes, now: Timestamp) {
        if let Some(node_type) = changes.node_type {
            self.settings.node_type = node_type;
        }
        if let Some((engine, version)) = changes.version {
            let family = self.settings.version().family;
            self.settings.engine = engine;
            self.settings.engine_version = version;
            let new = self.settings.version().family;
            if new != family {
                self.settings.parameter_group = ParameterGroup::default_of(new, self.cluster_mode).name;
            }
        }
        if let Some(name) = changes.parameter_group {
            self.settings.parameter_group = name;
        }
        if let Some(ids) = changes.security_groups {
            self.settings.security_groups = ids;
        }
        self.failover = changes.failover.unwrap_or(self.failover);
        self.multi_az = changes.multi_az.unwrap_or(self.multi_az);
        if let Some(Transit(mode)) = changes.transit {
            self.transit = mode;
        }
        self.deliver(changes.logs);
        match changes.auth {
            Some(AuthChange::Rotate(token)) => self.auth.rotate(token, now),
            Some(AuthChange::Set) => self.auth.set(now),
            None => {}
        }
        self.members.retain(|member| !changes.leaving.contains(&member.id));
        for member in &mut self.members {
            member.status = "available";
        }
        if self.snapshotting_cluster.as_ref().is_some_and(|id| changes.leaving.contains(id)) {
            self.snapshotting_cluster = self.members.first().map(|member| member.id.clone());
        }
    }
}

impl Auth {
    /// A server takes at most two tokens: a third drops the oldest; a first one leaves connections without a token.
    /// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth.html>
    fn rotate(&mut self, token: String, now: Timestamp) {
        self.modified = Some(now);
        if self.tokens.last() == Some(&token) {
            return;
        }
        self.optional = self.tokens.is_empty();
        self.tokens.retain(|known| *known != token);
        self.tokens.push(token);
        let extra = self.tokens.len().saturating_sub(2);
        self.tokens.drain(..extra);
    }

    /// Only the token that was rotated in last is taken from now on.
    fn set(&mut self, now: Timestamp) {
        let extra = self.tokens.len().saturating_sub(1);
        self.tokens.drain(..extra);
        self.optional = false;
        self.modified = Some(now);
    }
}

/// A cluster outside of any group.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// `CacheClusterId`
    pub id: String,
    /// `ARN`
    pub arn: String,
    /// The region it is in.
    pub region: String,
    /// The account it is in.
    pub account: String,
    /// `CacheClusterCreateTime`
    pub created: Timestamp,
    /// `PreferredAvailabilityZone`
    pub zone: String,
    /// `CacheClusterStatus`
    pub status: String,
    /// As of a group's members.
    pub settings: Settings,
    /// Its tags.
    pub tags: Tags,
    /// When `creating` ends.
    pub until: Option<Timestamp>,
}

/// A snapshot, with its source as it was.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// `SnapshotName`
    pub name: String,
    /// `ARN`
    pub arn: String,
    /// `creating`, `available`, `deleting`
    pub status: &'static str,
    /// When that ends.
    pub until: Option<Timestamp>,
    /// `automated` or `manual`
    pub source: &'static str,
    /// When it was begun.
    pub taken: Timestamp,
    /// The group, or what stands for it of a stand-alone cluster.
    pub of: SnapshotOf,
    /// As they were.
    pub settings: Settings,
    /// `KmsKeyId`
    pub kms_key: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

/// The source of a snapshot, as it was.
#[derive(Clone, Debug)]
pub struct SnapshotOf {
    /// `ReplicationGroupId` and `ReplicationGroupDescription`
    pub group: Option<(String, String)>,
    /// One node of each shard: id, shard, creation time.
    pub nodes: Vec<(String, u32, Timestamp)>,
    /// `PreferredAvailabilityZone`
    pub zone: String,
    /// `AutomaticFailover`
    pub failover: bool,
    /// In cluster mode a snapshot names the group, else the cluster.
    pub cluster_mode: bool,
    /// When the source was made.
    pub created: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(tokens: &[&str]) -> Auth {
        Auth { tokens: tokens.iter().map(|&token| token.to_owned()).collect(), ..Auth::default() }
    }

    #[test]
    fn a_server_takes_two_tokens_until_one_is_set() {
        let now = Timestamp::UNIX_EPOCH;
        let mut tokens = auth(&["a"]);
        tokens.rotate("b".into(), now);
        assert_eq!((tokens.tokens.clone(), tokens.optional), (vec!["a".to_owned(), "b".to_owned()], false));
        tokens.rotate("c".into(), now);
        assert_eq!(tokens.tokens, ["b", "c"]);
        tokens.set(now);
        assert_eq!(tokens.tokens, ["c"]);
    }

    #[test]
    fn a_first_token_is_optional_until_it_is_set() {
        let now = Timestamp::UNIX_EPOCH;
        let mut tokens = auth(&[]);
        tokens.rotate("a".into(), now);
        tokens.rotate("a".into(), now);
        assert_eq!((tokens.tokens.clone(), tokens.optional), (vec!["a".to_owned()], true));
        tokens.set(now);
        assert_eq!((tokens.tokens.clone(), tokens.optional), (vec!["a".to_owned()], false));
    }

    #[test]
    fn newer_changes_win_over_pending_ones() {
        let mut pending =
            Changes { node_type: Some("cache.t3.small".into()), failover: Some(true), ..Changes::default() };
        pending.merge(Changes { node_type: Some("cache.t3.medium".into()), ..Changes::default() });
        assert_eq!(pending.node_type.as_deref(), Some("cache.t3.medium"));
        assert_eq!(pending.failover, Some(true));
        assert!(!pending.only_failover());
    }
}
