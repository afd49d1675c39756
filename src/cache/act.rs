//! One step against ElastiCache or the connection Secret.

use std::collections::BTreeMap;

use aws_sdk_elasticache::types::{AuthTokenUpdateStrategyType, Tag, TransitEncryptionMode};
use kube::ResourceExt;
use secrecy::ExposeSecret;

use super::{Changes, CreateGroup, ShowCoreCache, Step, Strategy};
use crate::{connection, decision::Step as _, error::Failure, kind::Look};

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
        Step::Create(create) => {
            let mut request = create_request(create, look);
            if let Some(uid) = &create.token_of {
                let token = connection::password(look, object, &secret_name, uid).await?;
                request = request.auth_token(token.expose_secret());
            }
            look.send(call, request.send()).await.map(drop)
        }
        Step::Modify(changes) => look.send(call, modify_request(changes, look).send()).await.map(drop),
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
        .multi_az_enabled(false)
        .at_rest_encryption_enabled(true)
        .transit_encryption_enabled(true)
        .transit_encryption_mode(TransitEncryptionMode::Required)
        .set_cache_subnet_group_name(create.subnet_group.clone())
        .set_security_group_ids(create.security_groups.clone())
        .snapshot_retention_limit(create.snapshot_retention)
        .set_snapshot_window(create.snapshot_window.clone())
        .set_preferred_maintenance_window(create.maintenance_window.clone())
        .set_tags(Some(tag_list(&create.tags)))
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
        .set_snapshot_retention_limit(changes.snapshot_retention)
        .set_snapshotting_cluster_id(changes.snapshotting_cluster.clone())
        .set_snapshot_window(changes.snapshot_window.clone())
        .set_preferred_maintenance_window(changes.maintenance_window.clone())
        .set_security_group_ids(changes.security_groups.clone());
    // Left out when unchanged: AWS takes its mere presence for a change.
    if let Some(mode) = changes.transit_mode {
        request = request.transit_encryption_enabled(true).transit_encryption_mode(mode.into());
    }
    request
}

fn tag_list(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}
