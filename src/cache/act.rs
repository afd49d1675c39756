//! One step against ElastiCache or the connection Secret.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticache::types::{
    AuthTokenUpdateStrategyType, CloudWatchLogsDestinationDetails, DestinationDetails, DestinationType,
    KinesisFirehoseDestinationDetails, LogDeliveryConfigurationRequest, ParameterNameValue, Tag, TransitEncryptionMode,
};
use kube::ResourceExt;
use secrecy::ExposeSecret;

use super::{
    Availability, Changes, CreateGroup, LogDelivery, LogDestination, LogFormat, LogType, ShowCoreCache, Step, Strategy,
};
use crate::{
    connection,
    decision::Step as _,
    error::{Class, Failure},
    kind::Look,
};

pub(super) async fn act(object: &ShowCoreCache, step: &Step, look: &Look<'_>) -> Result<(), Failure> {
    let elasticache = &look.aws.elasticache;
    let id = &look.identifier;
    let secret_name = object.spec.secret_name(&object.name_any());
    let call = step.call();
    match step {
        Step::MakeCredentials { connection } => connection::make(look, object, &secret_name, connection).await,
        Step::WriteConnection { secret_uid, connection } => {
            connection::write(look, object, &secret_name, secret_uid, connection).await
        }
        Step::CreateParameterGroup { name, family, tags } => {
            let request = elasticache
                .create_cache_parameter_group()
                .cache_parameter_group_name(name)
                .cache_parameter_group_family(family)
                .description(format!("Parameters of {id}"))
                .set_tags(Some(tag_list(tags)));
            look.send(call, request.send()).await.map(drop)
        }
        Step::ModifyParameterGroup { name, set, reset } => {
            modify_parameters(name, set, reset, look).await.map_err(|failure| parameter_refused(failure, name))
        }
        Step::DeleteParameterGroup { name } => {
            let request = elasticache.delete_cache_parameter_group().cache_parameter_group_name(name);
            look.send(call, request.send()).await.map(drop)
        }
        Step::Create(create) => {
            let mut request = create_request(create, look);
            if let Some(uid) = &create.token_of {
                let token = connection::password(look, object, &secret_name, uid).await?;
                request = request.auth_token(token.expose_secret());
            }
            look.send(call, request.send()).await.map(drop)
        }
        Step::Modify(changes) => look.send(call, modify_request(changes, look).send()).await.map(drop),
        Step::DeliverLogs { start, end } => {
            let configurations = start.iter().map(delivery).chain(end.iter().map(|log_type| no_delivery(*log_type)));
            let request = elasticache
                .modify_replication_group()
                .replication_group_id(id)
                .apply_immediately(true)
                .set_log_delivery_configurations(Some(configurations.collect()));
            look.send(call, request.send()).await.map(drop).map_err(destination_refused)
        }
        Step::SendToken { secret_uid, strategy } => {
            let token = connection::password(look, object, &secret_name, secret_uid).await?;
            let strategy = match strategy {
                Strategy::Rotate => AuthTokenUpdateStrategyType::Rotate,
                Strategy::Set => AuthTokenUpdateStrategyType::Set,
            };
            let request = elasticache
                .modify_replication_group()
                .replication_group_id(id)
                .auth_token(token.expose_secret())
                .auth_token_update_strategy(strategy)
                .apply_immediately(true);
            look.send(call, request.send()).await.map(drop)
        }
        Step::IncreaseReplicas { replicas } => {
            let request = elasticache
                .increase_replica_count()
                .replication_group_id(id)
                .new_replica_count(*replicas)
                .apply_immediately(true);
            look.send(call, request.send()).await.map(drop)
        }
        Step::DecreaseReplicas { replicas } => {
            let request = elasticache
                .decrease_replica_count()
                .replication_group_id(id)
                .new_replica_count(*replicas)
                .apply_immediately(true);
            look.send(call, request.send()).await.map(drop)
        }
        Step::AddTags { arn, tags } => {
            let request = elasticache.add_tags_to_resource().resource_name(arn).set_tags(Some(tag_list(tags)));
            look.send(call, request.send()).await.map(drop)
        }
        Step::RemoveTags { arn, keys } => {
            let keys = keys.iter().cloned().collect();
            let request = elasticache.remove_tags_from_resource().resource_name(arn).set_tag_keys(Some(keys));
            look.send(call, request.send()).await.map(drop)
        }
        Step::Delete { final_snapshot } => {
            let request = elasticache
                .delete_replication_group()
                .replication_group_id(id)
                .retain_primary_cluster(false)
                .set_final_snapshot_identifier(final_snapshot.clone());
            look.send(call, request.send()).await.map(drop)
        }
    }
}

fn create_request(
    create: &CreateGroup,
    look: &Look<'_>,
) -> aws_sdk_elasticache::operation::create_replication_group::builders::CreateReplicationGroupFluentBuilder {
    look.aws
        .elasticache
        .create_replication_group()
        .replication_group_id(&look.identifier)
        .replication_group_description(format!("{} by showcore-operator", look.owner.object))
        .engine(create.engine)
        .set_engine_version(create.engine_version.clone())
        .cache_node_type(&create.node_type)
        .num_node_groups(1)
        .replicas_per_node_group(create.replicas)
        .automatic_failover_enabled(create.replicas > 0)
        .multi_az_enabled(create.availability == Availability::MultiAz)
        .at_rest_encryption_enabled(true)
        .transit_encryption_enabled(true)
        .set_transit_encryption_mode(has_transit_mode(create).then_some(TransitEncryptionMode::Required))
        .set_cache_subnet_group_name(create.subnet_group.clone())
        .set_security_group_ids(create.security_groups.clone())
        .snapshot_retention_limit(create.snapshot_retention)
        .set_snapshot_window(create.snapshot_window.clone())
        .set_preferred_maintenance_window(create.maintenance_window.clone())
        .auto_minor_version_upgrade(create.auto_minor_version_upgrade)
        .set_cache_parameter_group_name(create.parameter_group.clone())
        .set_log_delivery_configurations(deliveries(&create.logs))
        .set_tags(Some(tag_list(&create.tags)))
}

/// Redis OSS 6 has no mode: TLS that is on is required there.
///
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/in-transit-encryption-enable.html>
fn has_transit_mode(create: &CreateGroup) -> bool {
    create.engine_version.as_deref().is_none_or(|version| !version.starts_with("6."))
}

fn modify_request(
    changes: &Changes,
    look: &Look<'_>,
) -> aws_sdk_elasticache::operation::modify_replication_group::builders::ModifyReplicationGroupFluentBuilder {
    let mut request = look
        .aws
        .elasticache
        .modify_replication_group()
        .replication_group_id(&look.identifier)
        .apply_immediately(true)
        .set_cache_node_type(changes.node_type.clone())
        .set_engine_version(changes.engine_version.clone())
        .set_automatic_failover_enabled(changes.failover)
        .set_multi_az_enabled(changes.multi_az)
        .set_snapshot_retention_limit(changes.snapshot_retention)
        .set_snapshotting_cluster_id(changes.snapshotting_cluster.clone())
        .set_snapshot_window(changes.snapshot_window.clone())
        .set_preferred_maintenance_window(changes.maintenance_window.clone())
        .set_auto_minor_version_upgrade(changes.auto_minor_version_upgrade)
        .set_cache_parameter_group_name(
            changes.parameter_group_of_version.clone().or_else(|| changes.parameter_group.clone()),
        )
        .set_security_group_ids(changes.security_groups.clone());
    // Left out when unchanged: AWS takes its mere presence for a change.
    if let Some(mode) = changes.transit_mode {
        request = request.transit_encryption_enabled(true).transit_encryption_mode(mode.into());
    }
    request
}

/// Sets and resets parameters, 20 a call, AWS's most.
///
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_ModifyCacheParameterGroup.html>
async fn modify_parameters(
    group: &str,
    set: &BTreeMap<String, String>,
    reset: &BTreeSet<String>,
    look: &Look<'_>,
) -> Result<(), Failure> {
    const AT_ONCE: usize = 20;
    let parameter = |name: &String, value: Option<&String>| {
        ParameterNameValue::builder().parameter_name(name).set_parameter_value(value.cloned()).build()
    };
    let elasticache = &look.aws.elasticache;
    let to_set: Vec<_> = set.iter().map(|(name, value)| parameter(name, Some(value))).collect();
    for chunk in to_set.chunks(AT_ONCE) {
        let request = elasticache
            .modify_cache_parameter_group()
            .cache_parameter_group_name(group)
            .set_parameter_name_values(Some(chunk.to_vec()));
        look.send("elasticache:ModifyCacheParameterGroup", request.send()).await?;
    }
    let to_reset: Vec<_> = reset.iter().map(|name| parameter(name, None)).collect();
    for chunk in to_reset.chunks(AT_ONCE) {
        let request = elasticache
            .reset_cache_parameter_group()
            .cache_parameter_group_name(group)
            .reset_all_parameters(false)
            .set_parameter_name_values(Some(chunk.to_vec()));
        look.send("elasticache:ResetCacheParameterGroup", request.send()).await?;
    }
    Ok(())
}

const REFUSED: &[&str] = &["InvalidParameterValue", "InvalidParameterCombination"];

/// AWS does not know a parameter of the spec, or does not take its value.
fn parameter_refused(failure: Failure, group: &str) -> Failure {
    if !failure.is(REFUSED) {
        return failure;
    }
    let message = format!(
        "{} was answered with {}: AWS does not know a parameter of spec.parameters, or does not take its value. Compare with: \
         aws elasticache describe-cache-parameters --cache-parameter-group-name {group}",
        failure.call, failure.code
    );
    Failure { class: Class::Stalled, reason: "ParameterRefused", message, ..failure }
}

/// AWS wants the destination to be there, and the caller to have its permissions.
///
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Log_Delivery.html#Log_permissions>
fn destination_refused(failure: Failure) -> Failure {
    if !failure.is(REFUSED) {
        return failure;
    }
    let message = format!(
        "{} was answered with {}: make sure that each log group or delivery stream of spec.logDelivery is there, in this account \
         and region, and that the operator's role has the logs: actions that the README names. The cache itself is as it was",
        failure.call, failure.code
    );
    Failure { class: Class::Stalled, reason: "LogDestinationRefused", message, ..failure }
}

fn deliveries(logs: &[LogDelivery]) -> Option<Vec<LogDeliveryConfigurationRequest>> {
    (!logs.is_empty()).then(|| logs.iter().map(delivery).collect())
}

fn delivery(wanted: &LogDelivery) -> LogDeliveryConfigurationRequest {
    let name = &wanted.name;
    let details = DestinationDetails::builder();
    let (destination, details) = match wanted.destination {
        LogDestination::CloudWatchLogs => {
            let log_group = CloudWatchLogsDestinationDetails::builder().log_group(name).build();
            (DestinationType::CloudWatchLogs, details.cloud_watch_logs_details(log_group))
        }
        LogDestination::Firehose => {
            let stream = KinesisFirehoseDestinationDetails::builder().delivery_stream(name).build();
            (DestinationType::KinesisFirehose, details.kinesis_firehose_details(stream))
        }
    };
    let format = match wanted.format {
        LogFormat::Json => aws_sdk_elasticache::types::LogFormat::Json,
        LogFormat::Text => aws_sdk_elasticache::types::LogFormat::Text,
    };
    LogDeliveryConfigurationRequest::builder()
        .log_type(log_type_of(wanted.log_type))
        .destination_type(destination)
        .destination_details(details.build())
        .log_format(format)
        .enabled(true)
        .build()
}

fn no_delivery(log_type: LogType) -> LogDeliveryConfigurationRequest {
    LogDeliveryConfigurationRequest::builder().log_type(log_type_of(log_type)).enabled(false).build()
}

fn log_type_of(log_type: LogType) -> aws_sdk_elasticache::types::LogType {
    match log_type {
        LogType::SlowLog => aws_sdk_elasticache::types::LogType::SlowLog,
        LogType::EngineLog => aws_sdk_elasticache::types::LogType::EngineLog,
    }
}

fn tag_list(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}
