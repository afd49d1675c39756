//! `ModifyReplicationGroup`.
//! <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_ModifyReplicationGroup.html>

use serde::Deserialize;
use serde_json::{Value, json};

use super::catalog::{self, Engine};
use super::describe::group_answer;
use super::parameter_groups::is_default;
use super::rules::{self, invalid_combination, invalid_value, refused};
use super::state::{AuthChange, Changes, Group, Transit};
use super::{ElastiCache, logs, network, not_served, read, window};
use crate::call::Call;
use crate::error::AwsError;
use crate::log::digest;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Request {
    replication_group_id: String,
    replication_group_description: Option<String>,
    snapshotting_cluster_id: Option<String>,
    automatic_failover_enabled: Option<bool>,
    #[serde(rename = "MultiAZEnabled")]
    multi_az_enabled: Option<bool>,
    security_group_ids: Option<Vec<String>>,
    preferred_maintenance_window: Option<String>,
    cache_parameter_group_name: Option<String>,
    apply_immediately: Option<bool>,
    engine: Option<String>,
    engine_version: Option<String>,
    auto_minor_version_upgrade: Option<bool>,
    snapshot_retention_limit: Option<i64>,
    snapshot_window: Option<String>,
    cache_node_type: Option<String>,
    auth_token: Option<String>,
    auth_token_update_strategy: Option<String>,
    transit_encryption_enabled: Option<bool>,
    transit_encryption_mode: Option<String>,
    ip_discovery: Option<String>,
    log_delivery_configurations: Option<Vec<logs::Request>>,
}

/// A modification is taken only while the group is `available`.
pub fn must_be_available(group: &Group) -> Result<(), AwsError> {
    if group.status == "available" {
        return Ok(());
    }
    Err(refused(
        "InvalidReplicationGroupState",
        format!("Replication group {} is {}: it must be available.", group.id, group.status),
    ))
}

impl ElastiCache {
    pub(super) fn modify_replication_group(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        let request: Request = read(call)?;
        not_served(call, "IpDiscovery", request.ip_discovery.as_deref().is_none_or(|kind| kind == "ipv4"))?;
        if let Some(ids) = &request.security_group_ids {
            network::check_security_groups(ids, &self.unknown)?;
        }
        let group = self.group_of(call, &request.replication_group_id)?;
        must_be_available(group)?;
        let wanted_version = version(&request, group)?;
        self.check_parameter_group(call, &request, group, wanted_version.as_ref())?;
        let wishes = self.logs(&request, group)?;
        let group = self.group_mut(call, &request.replication_group_id)?;
        if call
            .parameters
            .as_object()
            .is_some_and(|given| given.keys().all(|name| name == "ReplicationGroupId" || name == "ApplyImmediately"))
            && !(request.apply_immediately == Some(true) && group.pending.is_some())
        {
            return Err(invalid_combination("No modifications were requested"));
        }
        // Everything is checked on a copy, so that a refused request leaves nothing behind.
        let mut next = group.clone();
        at_once(&request, &mut next, call)?;
        let mut changes = Changes { version: wanted_version, logs: wishes, ..changes(&request, group)? };

        if request.apply_immediately == Some(true) {
            // "… and any pending modifications": what waited goes along.
            if let Some((_, mut waiting)) = next.pending.take() {
                waiting.merge(changes);
                changes = waiting;
            }
            if !changes.is_empty() {
                next.begin(changes, call.now, call.durations);
            }
        } else {
            // Security groups do not wait for a window.
            let now = Changes { security_groups: changes.security_groups.take(), ..Changes::default() };
            if !changes.is_empty() {
                let mut waiting = next.pending.take().map(|(_, waiting)| waiting).unwrap_or_default();
                waiting.merge(changes);
                next.pending = Some((call.now, waiting));
            }
            if !now.is_empty() {
                next.begin(now, call.now, call.durations);
            }
        }
        *group = next;
        Ok(json!({"ReplicationGroup": group_answer(group)}))
    }

    /// A group of another family is refused, and an upgrade to another family leaves only a default group behind by
    /// itself.
    /// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/VersionManagement.HowTo.html>
    fn check_parameter_group(
        &self,
        call: &Call<'_>,
        request: &Request,
        group: &Group,
        version: Option<&(Engine, String)>,
    ) -> Result<(), AwsError> {
        let settings = &group.settings;
        let of = version.map_or_else(|| settings.version(), |(engine, text)| catalog::answered_version(*engine, text));
        let now = self.parameter_group(call, &settings.parameter_group)?;
        let Some(name) = &request.cache_parameter_group_name else {
            if is_default(&now.name) {
                return Ok(());
            }
            return self.parameter_group_for(call, &now.name, of).map(drop);
        };
        let wanted = self.parameter_group_for(call, name, of)?;
        if wanted.cluster_mode() != group.cluster_mode {
            return Err(invalid_combination(format!("Cluster mode does not fit the parameter group {name}.")));
        }
        now.check_exchange(&wanted)
    }

    /// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Log_Delivery.html>
    fn logs(&self, request: &Request, group: &Group) -> Result<logs::Wishes, AwsError> {
        let given = request.log_delivery_configurations.as_deref().unwrap_or_default();
        // AWS's sentence, as it is quoted in <https://github.com/hashicorp/terraform-provider-aws/issues/49842>.
        if !given.is_empty() && request.apply_immediately != Some(true) {
            return Err(invalid_value(
                "To modify the log delivery configuration, set the apply-immediately parameter to true.",
            ));
        }
        let mut wishes = logs::wishes(given, group.settings.version(), &self.unknown)?;
        if let Some((log_type, _)) = wishes.iter().find(|(kind, to)| to.is_none() && !group.logs.contains_key(*kind)) {
            return Err(invalid_value(format!("Log delivery of {log_type} is not enabled.")));
        }
        // One that is delivered as wished, without an error, does not change.
        wishes.retain(|log_type, wish| {
            let now = group.logs.get(log_type);
            let fails = now.is_some_and(|delivery| delivery.error.is_some());
            fails || now.map(|delivery| &delivery.target) != wish.as_ref()
        });
        Ok(wishes)
    }
}

/// What touches no node changes at once, whatever `ApplyImmediately` says: description, windows, snapshots.
fn at_once(request: &Request, group: &mut Group, call: &Call<'_>) -> Result<(), AwsError> {
    if let Some(description) = &request.replication_group_description {
        group.description.clone_from(description);
    }
    if let Some(on) = request.auto_minor_version_upgrade {
        group.settings.auto_minor_version_upgrade = on;
    }
    if request.preferred_maintenance_window.is_some() || request.snapshot_window.is_some() {
        let settings = &mut group.settings;
        let weekly = request.preferred_maintenance_window.as_ref().unwrap_or(&settings.maintenance_window);
        let daily = request.snapshot_window.as_ref().unwrap_or(&settings.snapshot_window);
        let (weekly, daily) = window::both(Some(weekly), Some(daily))?;
        if weekly != settings.maintenance_window
            && let Some((since, _)) = &mut group.pending
        {
            *since = call.now;
        }
        settings.maintenance_window = weekly;
        settings.snapshot_window = daily;
    }
    if let Some(id) = &request.snapshotting_cluster_id {
        if group.cluster_mode {
            return Err(invalid_combination(
                "Cannot set snapshotting cluster for cluster mode enabled replication group",
            ));
        }
        if !group.members.iter().any(|member| member.id == *id) {
            return Err(invalid_value(format!("{id} is not a member of {}.", group.id)));
        }
        group.snapshotting_cluster = Some(id.clone());
    }
    if let Some(days) = request.snapshot_retention_limit {
        group.settings.snapshot_retention = rules::snapshot_retention(days)?;
        // AWS's sentence, as it is quoted in <https://github.com/aws-controllers-k8s/community/issues/1846>.
        if days > 0 && !group.cluster_mode && group.snapshotting_cluster.is_none() {
            return Err(invalid_combination(
                "Must specify both SnapshotRetentionLimit and SnapshottingClusterId to turn on snapshots",
            ));
        }
        if days == 0 {
            group.snapshotting_cluster = None;
        }
    }
    Ok(())
}

/// What touches the nodes, except version and logs, without what the group has already.
fn changes(request: &Request, group: &Group) -> Result<Changes, AwsError> {
    let settings = &group.settings;
    if let Some(node_type) = &request.cache_node_type {
        catalog::check_node_type(node_type)?;
    }
    let failover = request.automatic_failover_enabled.filter(|&on| on != group.failover);
    let multi_az = request.multi_az_enabled.filter(|&on| on != group.multi_az);
    check_failover(group, failover.unwrap_or(group.failover), multi_az.unwrap_or(group.multi_az))?;
    let auth = auth(request, group)?;
    Ok(Changes {
        node_type: request.cache_node_type.clone().filter(|name| *name != settings.node_type),
        parameter_group: request.cache_parameter_group_name.clone().filter(|name| *name != settings.parameter_group),
        security_groups: request
            .security_group_ids
            .clone()
            .filter(|ids| !ids.is_empty() && *ids != settings.security_groups),
        failover,
        multi_az,
        auth,
        transit: transit(request, group)?,
        ..Changes::default()
    })
}

fn version(request: &Request, group: &Group) -> Result<Option<(Engine, String)>, AwsError> {
    if request.engine.is_none() && request.engine_version.is_none() {
        return Ok(None);
    }
    let settings = &group.settings;
    let engine = request.engine.as_deref().map_or(Ok(settings.engine), Engine::parse)?;
    if request.engine_version.is_none() && engine == settings.engine {
        return Ok(None);
    }
    let version = catalog::find_version(engine, request.engine_version.as_deref())?;
    catalog::check_upgrade(settings.version(), version)?;
    let wanted = (engine, version.answered.to_owned());
    Ok((version != settings.version()).then_some(wanted))
}

/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/AutoFailover.html>
fn check_failover(group: &Group, failover: bool, multi_az: bool) -> Result<(), AwsError> {
    if group.cluster_mode && !failover {
        return Err(invalid_combination(
            "Automatic failover cannot be disabled for replication groups with cluster mode.",
        ));
    }
    if failover && !group.cluster_mode && group.members.len() < 2 {
        return Err(invalid_combination(
            "Replication group must have at least one read replica to enable autofailover.",
        ));
    }
    if multi_az && !failover {
        return Err(invalid_combination(
            "MultiAZEnabled needs AutomaticFailoverEnabled: turn Multi-AZ off before automatic failover.",
        ));
    }
    Ok(())
}

/// `ROTATE` is the default. `SET` is allowed only after it, with the token that was rotated in last; `DELETE` only on
/// the way to user groups, which are not served.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth.html>
fn auth(request: &Request, group: &Group) -> Result<Option<AuthChange>, AwsError> {
    let strategy = request.auth_token_update_strategy.as_deref();
    let Some(token) = &request.auth_token else {
        return match strategy {
            None => Ok(None),
            Some("DELETE") => Err(invalid_combination(
                "AuthTokenUpdateStrategy DELETE is allowed only when transitioning to user groups.",
            )),
            Some(_) => Err(invalid_combination("AuthTokenUpdateStrategy must be specified together with AuthToken.")),
        };
    };
    rules::auth_token(token)?;
    if group.transit.as_deref() != Some("required") {
        return Err(invalid_combination(
            "The AUTH token can be specified only on replication groups that require encryption in transit.",
        ));
    }
    let token = digest(token);
    match strategy.unwrap_or("ROTATE") {
        "ROTATE" => Ok(Some(AuthChange::Rotate(token))),
        "SET" if group.auth.tokens.last() == Some(&token) => Ok(Some(AuthChange::Set)),
        "SET" => Err(invalid_combination(
            "AuthTokenUpdateStrategy SET is allowed only after ROTATE, with the token that was rotated last.",
        )),
        _ => Err(invalid_combination("AuthTokenUpdateStrategy DELETE does not take an AuthToken.")),
    }
}

/// Off to `preferred` to `required`, and back the same way; not at all in groups with access control, where even the
/// unchanged switch is refused (<https://github.com/aws-controllers-k8s/community/issues/2536> quotes the sentence).
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/in-transit-encryption-enable.html>
fn transit(request: &Request, group: &Group) -> Result<Option<Transit>, AwsError> {
    let mode = request.transit_encryption_mode.as_deref();
    if request.transit_encryption_enabled.is_none() && mode.is_none() {
        return Ok(None);
    }
    if !group.auth.tokens.is_empty() {
        return Err(invalid_combination(
            "Modification of transit encryption is not supported for access control enabled clusters.",
        ));
    }
    if !catalog::has_transit_modes(group.settings.version()) {
        return Err(invalid_combination(format!(
            "Modification of transit encryption is not supported for engine version {}.",
            group.settings.engine_version
        )));
    }
    let now = group.transit.as_deref();
    let on = request.transit_encryption_enabled.unwrap_or(now.is_some());
    let wanted = match (on, mode) {
        (false, Some(_)) => {
            return Err(invalid_combination(
                "To modify transit encryption mode, set encryption-in-transit as enabled.",
            ));
        }
        (false, None) => None,
        (true, mode) => mode.or(now),
    };
    match (now, wanted) {
        (now, wanted) if now == wanted && on == now.is_some() => Ok(None),
        (None | Some("required"), Some("preferred")) | (Some("preferred"), Some("required") | None) => {
            Ok(Some(Transit(wanted.map(str::to_owned))))
        }
        _ => Err(invalid_combination(
            "Encryption in transit is turned on or off only by way of the transit encryption mode preferred.",
        )),
    }
}
