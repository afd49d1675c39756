//! Snapshots.
//! <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/backups.html>

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::modify::must_be_available;
use super::page::page;
use super::rules::{self, invalid_combination, invalid_value, refused};
use super::state::{Group, Snapshot, SnapshotOf, Tags, Then};
use super::{ElastiCache, Tag, describe, key, network, not_served, present, read};
use crate::call::Call;
use crate::error::AwsError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Create {
    replication_group_id: Option<String>,
    cache_cluster_id: Option<String>,
    snapshot_name: String,
    kms_key_id: Option<String>,
    tags: Option<Vec<Tag>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Filter {
    replication_group_id: Option<String>,
    cache_cluster_id: Option<String>,
    snapshot_name: Option<String>,
    snapshot_source: Option<String>,
    show_node_group_config: Option<bool>,
    #[serde(rename = "MaxRecords")]
    _max_records: Option<i64>,
    #[serde(rename = "Marker")]
    _marker: Option<String>,
}

impl ElastiCache {
    /// A group without cluster mode is named by one of its clusters, one in cluster mode by itself.
    /// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/backups-manual.html>
    pub(super) fn create_snapshot(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        let request: Create = read(call)?;
        let tags = rules::tags(request.tags.as_deref().unwrap_or_default(), &Tags::new())?;
        let group = match (&request.replication_group_id, &request.cache_cluster_id) {
            (Some(id), None) => {
                let group = self.group_of(call, id)?;
                if !group.cluster_mode {
                    return Err(invalid_value(format!(
                        "{id} has cluster mode disabled: name one of its clusters by CacheClusterId."
                    )));
                }
                group
            }
            (None, Some(id)) => {
                not_served(call, "CacheClusterId outside of a group", !self.clusters.contains_key(&key(call, id)))?;
                self.member_of(call, id).ok_or_else(|| describe::no_cluster(id))?
            }
            _ => {
                return Err(invalid_combination(
                    "Exactly one of ReplicationGroupId and CacheClusterId must be specified.",
                ));
            }
        };
        must_be_available(group).map_err(|error| match &request.cache_cluster_id {
            Some(_) => refused("InvalidCacheClusterState", error.message),
            None => error,
        })?;
        let kms_key = match &request.kms_key_id {
            None => group.kms_key.clone(),
            Some(reference) => Some(call.keys.usable(call, reference).map_err(|error| {
                invalid_value(format!("The KMS key {reference} cannot be used: {}", error.message))
            })?),
        };
        let mut group = group.clone();
        let mut snapshot = self.snapshot_of_group(call, &group, &request.snapshot_name, kms_key, tags)?;
        if let Some(id) = &request.cache_cluster_id
            && let Some(member) = group.members.iter().find(|member| member.id.eq_ignore_ascii_case(id))
        {
            snapshot.of.nodes = vec![(member.id.clone(), member.shard, member.created)];
            snapshot.of.zone.clone_from(&member.zone);
        }
        let ready = call.now + call.durations.create_cache_snapshot;
        "snapshotting".clone_into(&mut group.status);
        group.until = Some((ready, Then::Snapshotted));
        self.groups.insert((group.region.clone(), group.id.clone()), group);
        let answer = answer(&snapshot, call.account, call.region, false);
        self.keep_snapshot(call, snapshot, ready);
        Ok(json!({"Snapshot": answer}))
    }

    /// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_DescribeSnapshots.html>
    pub(super) fn describe_snapshots(&self, call: &Call<'_>) -> Result<Value, AwsError> {
        let filter: Filter = read(call)?;
        let source = match filter.snapshot_source.as_deref() {
            None => None,
            Some("system") => Some("automated"),
            Some("user") => Some("manual"),
            Some(other) => {
                return Err(invalid_value(format!("SnapshotSource is system or user, not {other:?}.")));
            }
        };
        if let Some(name) = &filter.snapshot_name
            && !self.snapshots.contains_key(&key(call, name))
        {
            return Err(no_snapshot(name));
        }
        let is = |wanted: &Option<String>, value: Option<&String>| {
            wanted.as_ref().is_none_or(|wanted| value.is_some_and(|value| value.eq_ignore_ascii_case(wanted)))
        };
        let found = self
            .snapshots
            .iter()
            .filter(|((region, _), _)| region == call.region)
            .map(|(_, snapshot)| snapshot)
            .filter(|snapshot| is(&filter.snapshot_name, Some(&snapshot.name)))
            .filter(|snapshot| is(&filter.replication_group_id, snapshot.group_id()))
            .filter(|snapshot| is(&filter.cache_cluster_id, snapshot.cluster_id()))
            .filter(|snapshot| source.is_none_or(|source| source == snapshot.source));
        let shards = filter.show_node_group_config.unwrap_or(false);
        page(
            call,
            "Snapshots",
            50,
            found.map(|snapshot| {
                let answer = answer(snapshot, call.account, call.region, shards);
                (snapshot.name.to_ascii_lowercase(), answer)
            }),
        )
    }

    /// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_DeleteSnapshot.html>
    pub(super) fn delete_snapshot(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        let name = call.text("SnapshotName").unwrap_or_default();
        let snapshot = self.snapshots.get_mut(&key(call, name)).ok_or_else(|| no_snapshot(name))?;
        if snapshot.status != "available" {
            return Err(refused(
                "InvalidSnapshotState",
                format!("Snapshot {name} is {}, not available.", snapshot.status),
            ));
        }
        snapshot.status = "deleting";
        snapshot.until = Some(call.now + call.durations.delete_cache_snapshot);
        Ok(json!({"Snapshot": answer(snapshot, call.account, call.region, false)}))
    }

    /// A manual snapshot of a group as it is now; its name must be free.
    pub(super) fn snapshot_of_group(
        &self,
        call: &Call<'_>,
        group: &Group,
        name: &str,
        kms_key: Option<String>,
        tags: Tags,
    ) -> Result<Snapshot, AwsError> {
        let name = rules::identifier("SnapshotName", name, 255)?;
        if self.snapshots.contains_key(&key(call, &name)) {
            return Err(refused(
                "SnapshotAlreadyExistsFault",
                format!("Snapshot with specified name already exists: {name}"),
            ));
        }
        let arn = call.arn("elasticache", &format!("snapshot:{name}"));
        Ok(Snapshot { source: "manual", kms_key, tags, ..Snapshot::begin(group, name, arn, call.now) })
    }

    /// Keeps a snapshot that is ready at that time.
    pub(super) fn keep_snapshot(&mut self, call: &Call<'_>, mut snapshot: Snapshot, ready: Timestamp) {
        snapshot.until = Some(ready);
        self.snapshots.insert(key(call, &snapshot.name), snapshot);
    }
}

impl Snapshot {
    /// What a snapshot remembers of its group; automated until someone says otherwise.
    pub(super) fn begin(group: &Group, name: String, arn: String, now: Timestamp) -> Self {
        let first_of_shard = |shard: u32| group.members.iter().find(|member| member.shard == shard);
        let nodes = (1..=group.shards).filter_map(first_of_shard);
        Snapshot {
            name,
            arn,
            status: "creating",
            until: None,
            source: "automated",
            taken: now,
            of: SnapshotOf {
                group: group.cluster_mode.then(|| (group.id.clone(), group.description.clone())),
                nodes: nodes.map(|member| (member.id.clone(), member.shard, member.created)).collect(),
                zone: group.members.first().map(|member| member.zone.clone()).unwrap_or_default(),
                failover: group.failover,
                cluster_mode: group.cluster_mode,
                created: group.created,
            },
            settings: group.settings.clone(),
            kms_key: group.kms_key.clone(),
            tags: Tags::new(),
        }
    }

    fn group_id(&self) -> Option<&String> {
        self.of.group.as_ref().map(|(id, _)| id)
    }

    /// Without cluster mode a snapshot names the cluster it was made from, and no group.
    pub(super) fn cluster_id(&self) -> Option<&String> {
        (!self.of.cluster_mode).then(|| self.of.nodes.first().map(|(id, ..)| id)).flatten()
    }
}

fn no_snapshot(name: &str) -> AwsError {
    refused("SnapshotNotFoundFault", format!("{name} not found"))
}

/// No flag says that a snapshot is encrypted: only `KmsKeyId`, if its source had a key of its own.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_Snapshot.html>
fn answer(snapshot: &Snapshot, account: &str, region: &str, shards: bool) -> Value {
    let (settings, of) = (&snapshot.settings, &snapshot.of);
    let nodes: Vec<_> = of
        .nodes
        .iter()
        .map(|(id, shard, created)| {
            let number = format!("{shard:04}");
            present(json!({
                "CacheClusterId": of.cluster_mode.then_some(id),
                "NodeGroupId": of.cluster_mode.then_some(&number),
                "NodeGroupConfiguration": shards.then(|| json!({"NodeGroupId": number})),
                "CacheNodeId": "0001",
                "CacheSize": if snapshot.status == "creating" { "" } else { "6 MB" },
                "CacheNodeCreateTime": created.to_string(),
                "SnapshotCreateTime": (snapshot.status != "creating").then(|| snapshot.taken.to_string()),
            }))
        })
        .collect();
    present(json!({
        "SnapshotName": snapshot.name,
        "ReplicationGroupId": snapshot.group_id(),
        "ReplicationGroupDescription": of.group.as_ref().map(|(_, description)| description),
        "CacheClusterId": snapshot.cluster_id(),
        "SnapshotStatus": snapshot.status,
        "SnapshotSource": snapshot.source,
        "CacheNodeType": settings.node_type,
        "Engine": settings.engine.name(),
        "EngineVersion": settings.engine_version,
        "NumCacheNodes": (!of.cluster_mode).then_some(1),
        "PreferredAvailabilityZone": of.zone,
        "CacheClusterCreateTime": (!of.cluster_mode).then(|| of.created.to_string()),
        "PreferredMaintenanceWindow": settings.maintenance_window,
        "Port": settings.port,
        "CacheParameterGroupName": settings.parameter_group,
        "CacheSubnetGroupName": settings.subnet_group,
        "VpcId": network::vpc(account, region),
        "AutoMinorVersionUpgrade": settings.auto_minor_version_upgrade,
        "SnapshotRetentionLimit": settings.snapshot_retention,
        "SnapshotWindow": settings.snapshot_window,
        "NumNodeGroups": of.cluster_mode.then_some(of.nodes.len()),
        "AutomaticFailover": of.cluster_mode.then_some(if of.failover { "enabled" } else { "disabled" }),
        "NodeSnapshots": nodes,
        "KmsKeyId": snapshot.kms_key,
        "ARN": snapshot.arn,
        "DataTiering": "disabled",
    }))
}
