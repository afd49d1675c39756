//! `CreateReplicationGroup`.
//! <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateReplicationGroup.html>

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::catalog::{self, Engine};
use super::describe::{group_answer, without_node_groups};
use super::parameter_groups::ParameterGroup;
use super::rules::{self, invalid_combination, invalid_value, refused};
use super::state::{Auth, Group, Member, Settings, Tags, Then};
use super::{ElastiCache, Tag, key, logs, network, not_served, read, window};
use crate::call::Call;
use crate::error::AwsError;
use crate::log::digest;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Request {
    replication_group_id: String,
    replication_group_description: String,
    automatic_failover_enabled: Option<bool>,
    #[serde(rename = "MultiAZEnabled")]
    multi_az_enabled: Option<bool>,
    num_cache_clusters: Option<i64>,
    #[serde(rename = "PreferredCacheClusterAZs")]
    preferred_zones: Option<Vec<String>>,
    num_node_groups: Option<i64>,
    replicas_per_node_group: Option<i64>,
    transit_encryption_enabled: Option<bool>,
    transit_encryption_mode: Option<String>,
    at_rest_encryption_enabled: Option<bool>,
    kms_key_id: Option<String>,
    auth_token: Option<String>,
    cluster_mode: Option<String>,
    data_tiering_enabled: Option<bool>,
    snapshot_name: Option<String>,
    log_delivery_configurations: Option<Vec<logs::Request>>,
    #[serde(flatten)]
    common: Common,
}

/// The parameters that `CreateReplicationGroup` and `CreateCacheCluster` share.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Common {
    pub cache_node_type: Option<String>,
    pub engine: Option<String>,
    pub engine_version: Option<String>,
    pub cache_parameter_group_name: Option<String>,
    pub cache_subnet_group_name: Option<String>,
    pub security_group_ids: Option<Vec<String>>,
    pub tags: Option<Vec<Tag>>,
    pub preferred_maintenance_window: Option<String>,
    pub port: Option<i64>,
    pub auto_minor_version_upgrade: Option<bool>,
    pub snapshot_retention_limit: Option<i64>,
    pub snapshot_window: Option<String>,
    pub network_type: Option<String>,
    pub ip_discovery: Option<String>,
}

/// How many shards, and replicas in each.
struct Shape {
    shards: u32,
    replicas: u32,
    cluster_mode: bool,
}

impl ElastiCache {
    pub(super) fn create_replication_group(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        let mut request: Request = read(call)?;
        not_served(call, "DataTieringEnabled", request.data_tiering_enabled != Some(true))?;
        not_served(call, "ClusterMode", request.cluster_mode.as_deref() != Some("compatible"))?;
        let id = rules::identifier("ReplicationGroupId", &request.replication_group_id, 40)?;
        let place = key(call, &id);
        if self.groups.contains_key(&place) {
            return Err(refused(
                "ReplicationGroupAlreadyExists",
                format!("The replication group {id} already exists."),
            ));
        }
        if let Some(name) = request.snapshot_name.take() {
            self.take_from_snapshot(call, &name, &mut request)?;
        }
        let tags = rules::tags(request.common.tags.as_deref().unwrap_or_default(), &Tags::new())?;
        let wanted_mode = match request.cluster_mode.as_deref() {
            Some(mode) => Some(mode == "enabled"),
            None => request.num_node_groups.filter(|&shards| shards > 1).map(|_| true),
        };
        let (settings, cluster_mode) = self.settings(call, &request.common, wanted_mode)?;
        let shape = shape(&request, cluster_mode)?;
        let failover = failover(&request, &shape)?;
        let multi_az = request.multi_az_enabled == Some(true);
        if multi_az && !failover {
            return Err(invalid_combination(
                "MultiAZEnabled needs AutomaticFailoverEnabled: turn on automatic failover.",
            ));
        }
        let transit = transit(&request, &settings)?;
        let auth = auth(&request, transit.as_deref())?;
        let at_rest = request.at_rest_encryption_enabled.unwrap_or(settings.engine == Engine::Valkey);
        let kms_key = kms_key(call, &request, at_rest)?;

        let wishes = request.log_delivery_configurations.as_deref().unwrap_or_default();
        let wishes = logs::wishes(wishes, settings.version(), &self.unknown)?;

        let members = members(call, &id, &shape, request.preferred_zones.as_deref())?;
        self.check_member_names(call, &members)?;
        let snapshotting_cluster = (!cluster_mode && settings.snapshot_retention > 0)
            .then(|| members.last().map(|member| member.id.clone()))
            .flatten();
        let mut group = Group {
            arn: call.arn("elasticache", &format!("replicationgroup:{id}")),
            id,
            region: call.region.to_owned(),
            account: call.account.to_owned(),
            description: request.replication_group_description,
            created: call.now,
            status: "creating".to_owned(),
            settings,
            at_rest,
            kms_key,
            transit,
            auth,
            failover,
            multi_az,
            cluster_mode,
            shards: shape.shards,
            members,
            logs: BTreeMap::new(),
            snapshotting_cluster,
            tags,
            until: Some((call.now + call.durations.create_replication_group, Then::Created)),
            pending: None,
        };
        group.deliver(wishes);
        let answer = without_node_groups(group_answer(&group));
        self.groups.insert(place, group);
        Ok(json!({"ReplicationGroup": answer}))
    }

    /// What the request leaves open comes from the snapshot; encryption does not: it is chosen anew.
    /// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/backups-restoring.html>
    fn take_from_snapshot(&self, call: &Call<'_>, name: &str, request: &mut Request) -> Result<(), AwsError> {
        let snapshot = self
            .snapshots
            .get(&key(call, name))
            .ok_or_else(|| invalid_value(format!("The snapshot {name} does not exist.")))?;
        if snapshot.status != "available" {
            return Err(invalid_value(format!("The snapshot {name} is {}, not available.", snapshot.status)));
        }
        let (common, source) = (&mut request.common, &snapshot.settings);
        let own_version = common.engine.is_none() && common.engine_version.is_none();
        if own_version {
            common.engine = Some(source.engine.name().to_owned());
            common.engine_version = Some(source.version().asked.to_owned());
        }
        common.cache_node_type.get_or_insert_with(|| source.node_type.clone());
        common.port.get_or_insert(source.port);
        if snapshot.of.cluster_mode && request.num_node_groups.is_none() {
            request.num_node_groups = i64::try_from(snapshot.of.nodes.len()).ok();
        }
        Ok(())
    }

    /// Checks what a group and a stand-alone cluster have in common, and whether the parameter group has cluster mode.
    pub(super) fn settings(
        &mut self,
        call: &Call<'_>,
        request: &Common,
        cluster_mode: Option<bool>,
    ) -> Result<(Settings, bool), AwsError> {
        let ipv4 = |value: &Option<String>| value.as_deref().is_none_or(|value| value == "ipv4");
        not_served(call, "NetworkType", ipv4(&request.network_type))?;
        not_served(call, "IpDiscovery", ipv4(&request.ip_discovery))?;
        let engine = Engine::parse(request.engine.as_deref().unwrap_or("redis"))?;
        let version = catalog::find_version(engine, request.engine_version.as_deref())?;
        let node_type = request
            .cache_node_type
            .clone()
            .ok_or_else(|| invalid_value("The parameter CacheNodeType must be provided."))?;
        catalog::check_node_type(&node_type)?;
        let group = match &request.cache_parameter_group_name {
            Some(name) => self.parameter_group_for(call, name, version)?,
            None => ParameterGroup::default_of(version.family, cluster_mode.unwrap_or(false)),
        };
        let has_cluster_mode = group.cluster_mode();
        if cluster_mode.is_some_and(|wanted| wanted != has_cluster_mode) {
            let words = |on: bool| if on { "enabled" } else { "disabled" };
            return Err(invalid_combination(format!(
                "Cluster mode should be {} in parameter group {}, but found it is {}.",
                words(!has_cluster_mode),
                group.name,
                words(has_cluster_mode)
            )));
        }
        let security_groups = match &request.security_group_ids {
            Some(ids) if !ids.is_empty() => ids.clone(),
            _ => vec![network::default_security_group(call.account, call.region)],
        };
        network::check_security_groups(&security_groups, &self.unknown)?;
        let subnet_group = request.cache_subnet_group_name.as_deref().unwrap_or("default");
        let (maintenance_window, snapshot_window) =
            window::both(request.preferred_maintenance_window.as_deref(), request.snapshot_window.as_deref())?;
        let port = request.port.unwrap_or(6379);
        if !(1..=65535).contains(&port) {
            return Err(invalid_value(format!("Invalid port {port}.")));
        }
        let settings = Settings {
            node_type,
            engine,
            engine_version: version.answered.to_owned(),
            parameter_group: group.name,
            awaits_reboot: false,
            subnet_group: self.subnet_group(call, subnet_group)?.name.clone(),
            security_groups,
            port,
            maintenance_window,
            snapshot_window,
            snapshot_retention: rules::snapshot_retention(request.snapshot_retention_limit.unwrap_or(0))?,
            auto_minor_version_upgrade: request.auto_minor_version_upgrade.unwrap_or(true),
        };
        Ok((settings, has_cluster_mode))
    }

    /// Member clusters share their names with stand-alone clusters.
    pub(super) fn check_member_names(&self, call: &Call<'_>, members: &[Member]) -> Result<(), AwsError> {
        match members.iter().find(|member| self.clusters.contains_key(&key(call, &member.id))) {
            None => Ok(()),
            Some(member) => Err(invalid_value(format!(
                "The cache cluster {} already exists, so a member cannot have that name.",
                member.id
            ))),
        }
    }
}

/// `NumCacheClusters` counts all nodes of the one shard, `NumNodeGroups` and `ReplicasPerNodeGroup` shards and replicas.
fn shape(request: &Request, cluster_mode: bool) -> Result<Shape, AwsError> {
    let by_shards = request.num_node_groups.is_some() || request.replicas_per_node_group.is_some();
    if by_shards && request.num_cache_clusters.is_some() {
        return Err(invalid_combination(
            "NumCacheClusters cannot be given together with NumNodeGroups or ReplicasPerNodeGroup.",
        ));
    }
    let within = |name: &str, value: i64, lowest: i64, highest: i64| {
        u32::try_from(value)
            .ok()
            .filter(|_| (lowest..=highest).contains(&value))
            .ok_or_else(|| invalid_value(format!("{name} must be between {lowest} and {highest}, not {value}.")))
    };
    let shards = within("NumNodeGroups", request.num_node_groups.unwrap_or(1), 1, if cluster_mode { 500 } else { 1 })?;
    let replicas = match request.num_cache_clusters {
        Some(nodes) => within("NumCacheClusters", nodes, 1, 6)? - 1,
        None => within("ReplicasPerNodeGroup", request.replicas_per_node_group.unwrap_or(0), 0, 5)?,
    };
    Ok(Shape { shards, replicas, cluster_mode })
}

/// With cluster mode failover is always on; without it needs a replica.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/AutoFailover.html>
fn failover(request: &Request, shape: &Shape) -> Result<bool, AwsError> {
    match (request.automatic_failover_enabled, shape.cluster_mode) {
        (Some(false), true) => {
            Err(invalid_combination("Automatic failover must be enabled for replication groups with cluster mode."))
        }
        (_, true) => Ok(true),
        (Some(true), false) if shape.replicas == 0 => {
            Err(invalid_combination("Replication group must have at least one read replica to enable autofailover."))
        }
        (wanted, false) => Ok(wanted.unwrap_or(false)),
    }
}

/// Encryption in transit with its mode, `required` unless the request says `preferred`.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/in-transit-encryption-enable.html>
fn transit(request: &Request, settings: &Settings) -> Result<Option<String>, AwsError> {
    let mode = request.transit_encryption_mode.clone();
    if request.transit_encryption_enabled != Some(true) {
        return match mode {
            None => Ok(None),
            Some(_) => {
                Err(invalid_combination("To set the transit encryption mode, set encryption-in-transit as enabled."))
            }
        };
    }
    if mode.is_some() && !catalog::has_transit_modes(settings.version()) {
        return Err(invalid_combination(format!(
            "Transit encryption mode is not supported for engine version {}.",
            settings.engine_version
        )));
    }
    Ok(Some(mode.unwrap_or_else(|| "required".to_owned())))
}

/// A token needs encryption in transit, and that required.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth.html>
fn auth(request: &Request, transit: Option<&str>) -> Result<Auth, AwsError> {
    let Some(token) = &request.auth_token else {
        return Ok(Auth::default());
    };
    rules::auth_token(token)?;
    match transit {
        Some("required") => Ok(Auth { tokens: vec![digest(token)], ..Auth::default() }),
        Some(_) => Err(invalid_combination("Transit encryption preferred is not supported with redis access control.")),
        None => Err(invalid_combination(
            "The AUTH token can be specified only on replication groups where encryption in transit is enabled.",
        )),
    }
}

/// A key only with encryption at rest; AWS answers it as an ARN, whatever form it was given in.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/at-rest-encryption.html>
fn kms_key(call: &Call<'_>, request: &Request, at_rest: bool) -> Result<Option<String>, AwsError> {
    let Some(reference) = &request.kms_key_id else {
        return Ok(None);
    };
    if !at_rest {
        return Err(invalid_combination("KmsKeyId can be specified only when AtRestEncryptionEnabled is true."));
    }
    match call.keys.usable(call, reference) {
        Ok(arn) => Ok(Some(arn)),
        Err(error) => Err(invalid_value(format!("The KMS key {reference} cannot be used: {}", error.message))),
    }
}

/// The nodes, one zone after the other, or where the request says.
fn members(call: &Call<'_>, id: &str, shape: &Shape, zones: Option<&[String]>) -> Result<Vec<Member>, AwsError> {
    let nodes = (shape.replicas + 1) as usize;
    if let Some(zones) = zones.filter(|zones| zones.len() != nodes || shape.shards > 1) {
        return Err(invalid_value(format!("PreferredCacheClusterAZs has {} zones for {nodes} clusters.", zones.len())));
    }
    let all = (1..=shape.shards).flat_map(|shard| (1..=nodes).map(move |number| (shard, number)));
    Ok(all
        .map(|(shard, number)| Member {
            id: member_id(id, shard, number, shape.cluster_mode),
            shard,
            zone: zones.map_or_else(|| network::zone(call.region, number - 1), |zones| zones[number - 1].clone()),
            created: call.now,
            status: "creating",
        })
        .collect())
}

/// Members are named after their group: `<group>-001`, in cluster mode `<group>-0001-001`.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Replication.Redis.Groups.html>
pub(super) fn member_id(group: &str, shard: u32, number: usize, cluster_mode: bool) -> String {
    if cluster_mode { format!("{group}-{shard:04}-{number:03}") } else { format!("{group}-{number:03}") }
}
