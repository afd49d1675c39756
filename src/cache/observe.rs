//! What one look at a cache gathers: the group, its first member (which carries version and windows), the tags, and its
//! own parameter group if it has one. Three calls when it is quiet, four with a parameter group.

use std::collections::BTreeMap;

use aws_sdk_elasticache::types::{DestinationDetails, LogDeliveryConfiguration, MultiAzStatus, Tag};
use kube::ResourceExt;

use super::{
    Availability, LogDelivery, LogDestination, LogFormat, LogType, ShowCoreCache,
    parameter_groups::{self, ParameterGroup},
};
use crate::{
    aws::found,
    connection::{self, SecretSeen},
    error::{Class, Failure},
    kind::Look,
    snapshot::{self, FinalSnapshot},
};

/// What one look gathers.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The replication group, if ElastiCache has it.
    pub group: Option<Group>,
    /// Its first member cluster, once there is one.
    pub member: Option<Member>,
    /// Its tags; ElastiCache answers them only while it is available.
    pub tags: Option<BTreeMap<String, String>>,
    /// Its own parameter groups; `None` while it is created, or its first member, which says which one it uses, is not
    /// answered.
    pub parameter_groups: Option<Vec<ParameterGroup>>,
    /// The connection Secret.
    pub secret: SecretSeen,
    /// Final snapshots made for this object; asked only when it is being deleted.
    pub final_snapshots: Vec<FinalSnapshot>,
}

/// A replication group as ElastiCache answers it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "switches, as ElastiCache answers them")]
pub struct Group {
    /// Its ARN.
    pub arn: String,
    /// `ReplicationGroupCreateTime`, in seconds since 1970: with the ARN, it tells this group from another of its name.
    pub created: i64,
    /// Status.
    pub status: String,
    /// Whether every node group is available.
    pub nodes_available: bool,
    /// `MemberClusters`.
    pub members: Vec<String>,
    /// `CacheNodeType`.
    pub node_type: String,
    /// `AtRestEncryptionEnabled`.
    pub at_rest: bool,
    /// `KmsKeyId`; absent for ElastiCache's own key.
    pub kms_key: Option<String>,
    /// `TransitEncryptionEnabled`.
    pub in_transit: bool,
    /// `TransitEncryptionMode`: `required`, `preferred`.
    pub in_transit_mode: Option<String>,
    /// `AuthTokenEnabled`.
    pub auth_token: bool,
    /// `AutomaticFailover`: `enabled`, `enabling`, `disabling`, `disabled`.
    pub failover: String,
    /// `MultiAZ`.
    pub availability: Availability,
    /// `AutoMinorVersionUpgrade`.
    pub auto_minor_version_upgrade: bool,
    /// `LogDeliveryConfigurations`, by type as the spec writes it.
    pub logs: BTreeMap<String, Delivery>,
    /// `SnapshotRetentionLimit`, in days.
    pub snapshot_retention: i32,
    /// `SnapshotWindow`.
    pub snapshot_window: String,
    /// Primary endpoint.
    pub endpoint: Option<(String, i32)>,
}

/// A delivery of logs as ElastiCache answers it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// In words, as [`LogDelivery::words`].
    pub words: String,
    /// `active`, `enabling`, `modifying`, `disabling`, `error`.
    pub status: String,
}

impl Group {
    /// AWS's immutable identity of the group.
    pub fn id(&self) -> String {
        format!("{}@{}", self.arn, self.created)
    }
}

/// A member cluster as ElastiCache answers it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Its id: `<group>-001`.
    pub id: String,
    /// Engine.
    pub engine: String,
    /// `EngineVersion`.
    pub engine_version: String,
    /// `PreferredMaintenanceWindow`.
    pub maintenance_window: String,
    /// Security group ids.
    pub security_groups: Vec<String>,
    /// `CacheParameterGroupName`.
    pub parameter_group: String,
    /// `ParameterApplyStatus`: `in-sync`, `pending-reboot`.
    pub parameter_status: String,
    /// `CacheSubnetGroupName`.
    pub subnet_group: Option<String>,
    /// `AtRestEncryptionEnabled`, as the decision record's check reads it.
    pub at_rest: bool,
    /// Pending node type.
    pub pending_node_type: Option<String>,
    /// Pending version.
    pub pending_engine_version: Option<String>,
}

pub(super) async fn observe(object: &ShowCoreCache, look: &Look<'_>) -> Result<Seen, Failure> {
    let secret_name = object.spec.secret_name(&object.name_any());
    let (group, secret) = futures::try_join!(group(look), connection::observe(look, object, &secret_name))?;
    let (member, tags) = match &group {
        Some(group) => futures::try_join!(member(look, group), tags(look, group))?,
        None => (None, None),
    };
    let creating = group.as_ref().is_some_and(|group| group.status == "creating");
    let parameter_groups = if group.is_none() || (member.is_some() && !creating) || look.deleting {
        Some(parameter_groups::observe(object, look, member.as_ref()).await?)
    } else {
        None
    };
    let final_snapshots = if look.deleting { final_snapshots(look).await? } else { Vec::new() };
    Ok(Seen { group, member, tags, parameter_groups, secret, final_snapshots })
}

async fn group(look: &Look<'_>) -> Result<Option<Group>, Failure> {
    let request = look.aws.elasticache.describe_replication_groups().replication_group_id(&look.identifier);
    let answer = found(
        look.send("elasticache:DescribeReplicationGroups", request.send()).await,
        &["ReplicationGroupNotFoundFault"],
    )?;
    Ok(answer.and_then(|answer| answer.replication_groups.unwrap_or_default().into_iter().next()).map(from_elasticache))
}

fn from_elasticache(group: aws_sdk_elasticache::types::ReplicationGroup) -> Group {
    let nodes = group.node_groups.unwrap_or_default();
    let endpoint = nodes.first().and_then(|node| node.primary_endpoint.clone());
    Group {
        arn: group.arn.unwrap_or_default(),
        created: group.replication_group_create_time.map(|time| time.secs()).unwrap_or_default(),
        status: group.status.unwrap_or_default(),
        nodes_available: !nodes.is_empty() && nodes.iter().all(|node| node.status.as_deref() == Some("available")),
        members: group.member_clusters.unwrap_or_default(),
        node_type: group.cache_node_type.unwrap_or_default(),
        at_rest: group.at_rest_encryption_enabled.unwrap_or_default(),
        kms_key: group.kms_key_id,
        in_transit: group.transit_encryption_enabled.unwrap_or_default(),
        in_transit_mode: group.transit_encryption_mode.map(|mode| mode.as_str().to_owned()),
        auth_token: group.auth_token_enabled.unwrap_or_default(),
        failover: group.automatic_failover.map(|failover| failover.as_str().to_owned()).unwrap_or_default(),
        availability: match group.multi_az {
            Some(MultiAzStatus::Enabled) => Availability::MultiAz,
            _ => Availability::SingleAz,
        },
        auto_minor_version_upgrade: group.auto_minor_version_upgrade.unwrap_or_default(),
        logs: group.log_delivery_configurations.unwrap_or_default().into_iter().filter_map(delivery).collect(),
        snapshot_retention: group.snapshot_retention_limit.unwrap_or_default(),
        snapshot_window: group.snapshot_window.unwrap_or_default(),
        endpoint: endpoint.and_then(|endpoint| Some((endpoint.address?, endpoint.port?))),
    }
}

/// A type of log that the spec does not know keeps AWS's name: it is nobody's business here.
fn delivery(configuration: LogDeliveryConfiguration) -> Option<(String, Delivery)> {
    let log_type = match configuration.log_type?.as_str() {
        "slow-log" => LogType::SlowLog.name().to_owned(),
        "engine-log" => LogType::EngineLog.name().to_owned(),
        other => other.to_owned(),
    };
    let status = configuration.status.map(|status| status.as_str().to_owned()).unwrap_or_default();
    let (destination, name) = destination(configuration.destination_details?)?;
    let format = match configuration.log_format?.as_str() {
        "json" => LogFormat::Json,
        _ => LogFormat::Text,
    };
    let words = LogDelivery { log_type: LogType::SlowLog, destination, name, format }.words();
    Some((log_type, Delivery { words, status }))
}

fn destination(details: DestinationDetails) -> Option<(LogDestination, String)> {
    let log_group = details.cloud_watch_logs_details.and_then(|details| details.log_group);
    let stream = details.kinesis_firehose_details.and_then(|details| details.delivery_stream);
    match (log_group, stream) {
        (Some(name), _) => Some((LogDestination::CloudWatchLogs, name)),
        (None, Some(name)) => Some((LogDestination::Firehose, name)),
        (None, None) => None,
    }
}

/// The first member, which has what the group does not say.
async fn member(look: &Look<'_>, group: &Group) -> Result<Option<Member>, Failure> {
    let Some(id) = group.members.first() else { return Ok(None) };
    let request = look.aws.elasticache.describe_cache_clusters().cache_cluster_id(id);
    let answer =
        found(look.send("elasticache:DescribeCacheClusters", request.send()).await, &["CacheClusterNotFound"])?;
    Ok(answer.and_then(|answer| answer.cache_clusters.unwrap_or_default().into_iter().next()).map(|cluster| {
        let pending = cluster.pending_modified_values;
        let parameters = cluster.cache_parameter_group;
        let parameter_group = parameters.as_ref().and_then(|group| group.cache_parameter_group_name.clone());
        Member {
            id: cluster.cache_cluster_id.unwrap_or_default(),
            engine: cluster.engine.unwrap_or_default(),
            engine_version: cluster.engine_version.unwrap_or_default(),
            maintenance_window: cluster.preferred_maintenance_window.unwrap_or_default(),
            security_groups: cluster
                .security_groups
                .unwrap_or_default()
                .into_iter()
                .filter(|group| group.status.as_deref() != Some("removing"))
                .filter_map(|group| group.security_group_id)
                .collect(),
            parameter_group: parameter_group.unwrap_or_default(),
            parameter_status: parameters.and_then(|group| group.parameter_apply_status).unwrap_or_default(),
            subnet_group: cluster.cache_subnet_group_name,
            at_rest: cluster.at_rest_encryption_enabled.unwrap_or_default(),
            pending_node_type: pending.as_ref().and_then(|pending| pending.cache_node_type.clone()),
            pending_engine_version: pending.and_then(|pending| pending.engine_version),
        }
    }))
}

/// The tags, or `None` while ElastiCache does not answer them: it does so only while the group is available.
///
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_ListTagsForResource.html>
async fn tags(look: &Look<'_>, group: &Group) -> Result<Option<BTreeMap<String, String>>, Failure> {
    if group.status != "available" {
        return Ok(None);
    }
    let request = look.aws.elasticache.list_tags_for_resource().resource_name(&group.arn);
    match look.send("elasticache:ListTagsForResource", request.send()).await {
        Ok(answer) => Ok(Some(tag_map(answer.tag_list.unwrap_or_default()))),
        // It has left `available` since the look at the group, or is gone.
        Err(failure) if failure.class == Class::Wait || failure.code.contains("NotFound") => Ok(None),
        Err(failure) => Err(failure),
    }
}

pub(super) fn tag_map(tags: Vec<Tag>) -> BTreeMap<String, String> {
    tags.into_iter().filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect()
}

/// Found by name: a snapshot of a group without cluster mode names its cluster, not its group.
async fn final_snapshots(look: &Look<'_>) -> Result<Vec<FinalSnapshot>, Failure> {
    let prefix = snapshot::prefix(&look.identifier, &look.owner.uid);
    let mut made = Vec::new();
    let mut marker = None;
    loop {
        let request = look.aws.elasticache.describe_snapshots().snapshot_source("user").set_marker(marker);
        let page = look.send("elasticache:DescribeSnapshots", request.send()).await?;
        let snapshots = page.snapshots.unwrap_or_default().into_iter().map(|snapshot| FinalSnapshot {
            id: snapshot.snapshot_name.unwrap_or_default(),
            status: snapshot.snapshot_status.unwrap_or_default(),
            // A snapshot has no flag of its own: one without a key is encrypted as its source was, which `decide` saw.
            encrypted: snapshot.kms_key_id.is_some(),
            source: None,
        });
        made.extend(snapshots.filter(|snapshot| snapshot.id.starts_with(&prefix)));
        marker = page.marker.filter(|marker| !marker.is_empty());
        if marker.is_none() {
            return Ok(made);
        }
    }
}
