//! What `DescribeReplicationGroups` and `DescribeCacheClusters` answer.
//! Version, windows, parameter and security groups are answered by clusters, not by groups.

use serde_json::{Value, json};

use super::logs;
use super::network::{self, Endpoints};
use super::page::page;
use super::rules::refused;
use super::state::{AuthChange, Cluster, Group, Member, Settings, Then, Transit};
use super::{ElastiCache, key, present};
use crate::call::Call;
use crate::error::AwsError;

impl ElastiCache {
    /// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_DescribeReplicationGroups.html>
    pub(super) fn describe_replication_groups(&self, call: &Call<'_>) -> Result<Value, AwsError> {
        if let Some(id) = call.text("ReplicationGroupId") {
            let group = self.group_of(call, id)?;
            return Ok(json!({"ReplicationGroups": [group_answer(group)]}));
        }
        let groups = self.groups.values().filter(|group| group.region == call.region);
        page(call, "ReplicationGroups", 100, groups.map(|group| (group.id.clone(), group_answer(group))))
    }

    /// Members of groups and stand-alone clusters alike.
    /// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_DescribeCacheClusters.html>
    pub(super) fn describe_cache_clusters(&self, call: &Call<'_>) -> Result<Value, AwsError> {
        let nodes = call.flag("ShowCacheNodeInfo").unwrap_or(false);
        let alone = call.flag("ShowCacheClustersNotInReplicationGroups").unwrap_or(false);
        let members = self.groups.values().filter(|group| group.region == call.region && !alone).flat_map(|group| {
            group.members.iter().map(move |member| (member.id.clone(), member_answer(group, member, nodes)))
        });
        let clusters = self
            .clusters
            .values()
            .filter(|cluster| cluster.region == call.region)
            .map(|cluster| (cluster.id.clone(), cluster_answer(cluster, nodes)));
        let mut all: Vec<_> = members.chain(clusters).collect();
        all.sort_by(|(left, _), (right, _)| left.cmp(right));
        if let Some(id) = call.text("CacheClusterId").map(str::to_ascii_lowercase) {
            all.retain(|(name, _)| *name == id);
            if all.is_empty() {
                return Err(no_cluster(&id));
            }
        }
        page(call, "CacheClusters", 100, all.into_iter())
    }

    /// The group of that id, or AWS's not-found.
    pub(super) fn group_of(&self, call: &Call<'_>, id: &str) -> Result<&Group, AwsError> {
        self.groups.get(&key(call, id)).ok_or_else(|| no_group(id))
    }

    /// Likewise, to be changed.
    pub(super) fn group_mut(&mut self, call: &Call<'_>, id: &str) -> Result<&mut Group, AwsError> {
        self.groups.get_mut(&key(call, id)).ok_or_else(|| no_group(id))
    }
}

fn no_group(id: &str) -> AwsError {
    refused("ReplicationGroupNotFoundFault", format!("ReplicationGroup {id} not found."))
}

pub fn no_cluster(id: &str) -> AwsError {
    refused("CacheClusterNotFound", format!("CacheCluster not found: {id}"))
}

/// A group as AWS answers it.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_ReplicationGroup.html>
pub fn group_answer(group: &Group) -> Value {
    let endpoints = Endpoints(group);
    let serves = serves(group);
    let members: Vec<_> = group.members.iter().map(|member| member.id.as_str()).collect();
    present(json!({
        "ReplicationGroupId": group.id,
        "Description": group.description,
        "Status": group.status,
        "PendingModifiedValues": group_pending(group),
        "MemberClusters": members,
        "NodeGroups": (1..=group.shards).map(|shard| node_group(group, shard)).collect::<Vec<_>>(),
        "SnapshottingClusterId": group.snapshotting_cluster,
        "AutomaticFailover": failover(group),
        "MultiAZ": if group.multi_az { "enabled" } else { "disabled" },
        "ConfigurationEndpoint": (group.cluster_mode && serves).then(|| endpoints.configuration()),
        "SnapshotRetentionLimit": group.settings.snapshot_retention,
        "SnapshotWindow": group.settings.snapshot_window,
        "ClusterEnabled": group.cluster_mode,
        "ClusterMode": if group.cluster_mode { "enabled" } else { "disabled" },
        "CacheNodeType": group.settings.node_type,
        "AuthTokenEnabled": auth_enabled(group),
        "AuthTokenLastModifiedDate": group.auth.modified.map(|at| at.to_string()),
        "TransitEncryptionEnabled": group.transit.is_some(),
        "TransitEncryptionMode": group.transit,
        "AtRestEncryptionEnabled": group.at_rest,
        "KmsKeyId": group.kms_key,
        "ARN": group.arn,
        "ReplicationGroupCreateTime": group.created.to_string(),
        "DataTiering": "disabled",
        "AutoMinorVersionUpgrade": group.settings.auto_minor_version_upgrade,
        "LogDeliveryConfigurations": logs::configurations(group),
        "NetworkType": "ipv4",
        "IpDiscovery": "ipv4",
        "Engine": group.settings.engine.name(),
    }))
}

/// Creation and deletion do not answer node groups.
/// <https://docs.aws.amazon.com/cli/latest/reference/elasticache/create-replication-group.html#examples>
pub fn without_node_groups(mut answer: Value) -> Value {
    if let Value::Object(members) = &mut answer {
        members.remove("NodeGroups");
    }
    answer
}

fn auth_enabled(group: &Group) -> bool {
    !group.auth.tokens.is_empty()
}

/// Endpoints are answered once the nodes are there.
fn serves(group: &Group) -> bool {
    !matches!(group.status.as_str(), "creating" | "create-failed")
}

fn node_group(group: &Group, shard: u32) -> Value {
    let endpoints = Endpoints(group);
    let serves = serves(group);
    let members: Vec<_> = group
        .members
        .iter()
        .filter(|member| member.shard == shard)
        .enumerate()
        .map(|(number, member)| {
            // In cluster mode roles move between nodes, so AWS does not answer them.
            let role = if number == 0 { "primary" } else { "replica" };
            present(json!({
                "CacheClusterId": member.id,
                "CacheNodeId": "0001",
                "PreferredAvailabilityZone": member.zone,
                "ReadEndpoint": (!group.cluster_mode).then(|| endpoints.member(member)),
                "CurrentRole": (!group.cluster_mode).then_some(role),
            }))
        })
        .collect();
    let single = serves && !group.cluster_mode;
    present(json!({
        "NodeGroupId": format!("{shard:04}"),
        "Status": group.status_of_shards(),
        "PrimaryEndpoint": single.then(|| endpoints.primary()),
        "ReaderEndpoint": single.then(|| endpoints.reader()),
        "Slots": group.cluster_mode.then(|| slots(shard, group.shards)),
        "NodeGroupMembers": serves.then_some(members),
    }))
}

/// The 16,384 slots in equal parts.
fn slots(shard: u32, shards: u32) -> String {
    let bound = |shard: u32| 16384 * shard / shards;
    format!("{}-{}", bound(shard - 1), bound(shard) - 1)
}

impl Group {
    /// Shards show what happens to the group, except snapshots, which one node makes.
    fn status_of_shards(&self) -> &str {
        match self.status.as_str() {
            "snapshotting" => "available",
            "create-failed" => "creating",
            status => status,
        }
    }
}

/// `enabling` and `disabling` while it changes, and while a group with failover is created.
fn failover(group: &Group) -> &'static str {
    let creating = matches!(group.until, Some((_, Then::Created)));
    match group.applying().and_then(|changes| changes.failover) {
        Some(true) if !group.failover => "enabling",
        Some(false) if group.failover => "disabling",
        _ if creating && group.failover => "enabling",
        _ if group.failover => "enabled",
        _ => "disabled",
    }
}

/// Of a change that waits or is being made, groups show failover, token, encryption in transit and log delivery.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_ReplicationGroupPendingModifiedValues.html>
fn group_pending(group: &Group) -> Value {
    let waits = group.pending.as_ref().map(|(_, changes)| changes);
    let all = || waits.into_iter().chain(group.applying());
    let transit = all().find_map(|changes| changes.transit.clone());
    present(json!({
        "AutomaticFailoverStatus": waits.and_then(|changes| changes.failover)
            .map(|on| if on { "enabled" } else { "disabled" }),
        "AuthTokenStatus": all().find_map(|changes| changes.auth.as_ref()).map(auth_status),
        "TransitEncryptionEnabled": transit.as_ref().map(|Transit(mode)| mode.is_some()),
        "TransitEncryptionMode": transit.and_then(|Transit(mode)| mode),
        "LogDeliveryConfigurations": logs::pending(group),
    }))
}

fn auth_status(change: &AuthChange) -> &'static str {
    match change {
        AuthChange::Rotate(_) => "ROTATING",
        AuthChange::Set => "SETTING",
    }
}

/// Clusters show node type and version as well, and only what waits for the window.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_PendingModifiedValues.html>
fn member_pending(group: &Group) -> Value {
    let waits = group.pending.as_ref().map(|(_, changes)| changes);
    let all = waits.into_iter().chain(group.applying());
    present(json!({
        "EngineVersion": waits.and_then(|changes| changes.version.as_ref()).map(|(_, version)| version),
        "CacheNodeType": waits.and_then(|changes| changes.node_type.as_ref()),
        "AuthTokenStatus": all.filter_map(|changes| changes.auth.as_ref()).map(auth_status).next(),
        "LogDeliveryConfigurations": logs::pending(group),
    }))
}

/// A member of a group: its encryption flags are the group's, and this is what a check of a cluster's encryption reads.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CacheCluster.html>
fn member_answer(group: &Group, member: &Member, nodes: bool) -> Value {
    let arn = group.arn.replace(&format!("replicationgroup:{}", group.id), &format!("cluster:{}", member.id));
    let resizing = group.applying().is_some_and(|changes| changes.joining || !changes.leaving.is_empty());
    let status = match (group.status.as_str(), member.status) {
        (_, "available") if resizing => "available",
        (_, "creating" | "deleting") => member.status,
        ("snapshotting", _) if group.snapshots_from() != Some(&member.id) => "available",
        (status, _) => status,
    };
    let endpoint = Endpoints(group).member(member);
    let mut answer =
        common_answer(&group.settings, &member.zone, status, &member.created.to_string(), nodes.then_some(endpoint));
    let more = json!({
        "CacheClusterId": member.id,
        "ReplicationGroupId": group.id,
        "ARN": arn,
        "PendingModifiedValues": member_pending(group),
        "ReplicationGroupLogDeliveryEnabled": !group.logs.is_empty(),
        "LogDeliveryConfigurations": logs::configurations(group),
        "AuthTokenEnabled": auth_enabled(group),
        "AuthTokenLastModifiedDate": group.auth.modified.map(|at| at.to_string()),
        "TransitEncryptionEnabled": group.transit.is_some(),
        "TransitEncryptionMode": group.transit,
        "AtRestEncryptionEnabled": group.at_rest,
    });
    merge(&mut answer, more);
    present(answer)
}

impl Group {
    /// The node whose data a snapshot takes: the daily source if there is one, else the primary.
    pub(super) fn snapshots_from(&self) -> Option<&String> {
        self.snapshotting_cluster.as_ref().or_else(|| self.members.first().map(|member| &member.id))
    }
}

/// A cluster outside of groups has no encryption at rest: `CreateCacheCluster` has no switch for it.
pub fn cluster_answer(cluster: &Cluster, nodes: bool) -> Value {
    let endpoint = network::cluster_endpoint(&cluster.id, &cluster.account, &cluster.region, cluster.settings.port);
    let mut answer = common_answer(
        &cluster.settings,
        &cluster.zone,
        &cluster.status,
        &cluster.created.to_string(),
        nodes.then_some(endpoint),
    );
    let more = json!({
        "CacheClusterId": cluster.id,
        "ARN": cluster.arn,
        "PendingModifiedValues": {},
        "AuthTokenEnabled": false,
        "TransitEncryptionEnabled": false,
        "AtRestEncryptionEnabled": false,
    });
    merge(&mut answer, more);
    answer
}

fn common_answer(settings: &Settings, zone: &str, status: &str, created: &str, endpoint: Option<Value>) -> Value {
    let groups: Vec<_> =
        settings.security_groups.iter().map(|id| json!({"SecurityGroupId": id, "Status": "active"})).collect();
    let parameters = if settings.awaits_reboot { "pending-reboot" } else { "in-sync" };
    let nodes = endpoint.filter(|_| status != "creating").map(|endpoint| {
        json!([{
            "CacheNodeId": "0001",
            "CacheNodeStatus": status,
            "CacheNodeCreateTime": created,
            "Endpoint": endpoint,
            "ParameterGroupStatus": parameters,
            "CustomerAvailabilityZone": zone,
        }])
    });
    present(json!({
        "ClientDownloadLandingPage": "https://console.aws.amazon.com/elasticache/home#client-download:",
        "CacheNodeType": settings.node_type,
        "Engine": settings.engine.name(),
        "EngineVersion": settings.engine_version,
        "CacheClusterStatus": status,
        "NumCacheNodes": 1,
        "PreferredAvailabilityZone": zone,
        "CacheClusterCreateTime": created,
        "PreferredMaintenanceWindow": settings.maintenance_window,
        "CacheSecurityGroups": [],
        "CacheParameterGroup": {
            "CacheParameterGroupName": settings.parameter_group,
            "ParameterApplyStatus": parameters,
            "CacheNodeIdsToReboot": if settings.awaits_reboot { json!(["0001"]) } else { json!([]) },
        },
        "CacheSubnetGroupName": settings.subnet_group,
        "CacheNodes": nodes,
        "AutoMinorVersionUpgrade": settings.auto_minor_version_upgrade,
        "SecurityGroups": groups,
        "SnapshotRetentionLimit": settings.snapshot_retention,
        "SnapshotWindow": settings.snapshot_window,
        "ReplicationGroupLogDeliveryEnabled": false,
        "LogDeliveryConfigurations": [],
        "NetworkType": "ipv4",
        "IpDiscovery": "ipv4",
    }))
}

fn merge(answer: &mut Value, more: Value) {
    if let (Value::Object(answer), Value::Object(more)) = (answer, more) {
        answer.extend(more);
    }
}
