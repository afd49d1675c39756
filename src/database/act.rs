//! One step against RDS or the connection Secret.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_rds::types::{ApplyMethod, CloudwatchLogsExportConfiguration, DatabaseInsightsMode, Parameter, Tag};
use kube::ResourceExt;
use secrecy::ExposeSecret;

use super::{Changes, CreateInstance, ShowCoreDatabase, Step};
use crate::{connection, decision::Step as _, error::Failure, kind::Look};

pub(super) async fn act(object: &ShowCoreDatabase, step: &Step, look: &Look<'_>) -> Result<(), Failure> {
    let rds = &look.aws.rds;
    let id = &look.identifier;
    let secret_name = object.spec.secret_name(&object.name_any());
    let call = step.call();
    match step {
        Step::MakeCredentials { connection } => connection::make(look, object, &secret_name, connection).await,
        Step::WriteConnection { secret_uid, connection } => {
            connection::write(look, object, &secret_name, secret_uid, connection).await
        }
        Step::CreateParameterGroup { name, family, tags } => {
            let request = rds
                .create_db_parameter_group()
                .db_parameter_group_name(name)
                .db_parameter_group_family(family)
                .description(format!("Parameters of {id}"))
                .set_tags(Some(tag_list(tags)));
            look.send(call, request.send()).await.map(drop)
        }
        Step::ModifyParameterGroup { name, set, reset, in_use } => {
            // Where nobody runs with the group yet, its values hold from the first start on, dynamic or not.
            let dynamic = if *in_use { dynamic_parameters(name, look).await? } else { BTreeSet::new() };
            modify_parameters(name, set, reset, &dynamic, look).await
        }
        Step::DeleteParameterGroup { name } => {
            look.send(call, rds.delete_db_parameter_group().db_parameter_group_name(name).send()).await.map(drop)
        }
        Step::Create(create) => {
            let password = connection::password(look, object, &secret_name, &create.secret_uid).await?;
            look.send(call, create_request(create, look).master_user_password(password.expose_secret()).send())
                .await
                .map(drop)
        }
        Step::Modify(changes) => look.send(call, modify_request(changes, look).send()).await.map(drop),
        Step::SendPassword { secret_uid } => {
            let password = connection::password(look, object, &secret_name, secret_uid).await?;
            // A password is always changed at once; the flag is sent since it is false when absent.
            let request = rds
                .modify_db_instance()
                .db_instance_identifier(id)
                .master_user_password(password.expose_secret())
                .apply_immediately(false);
            look.send(call, request.send()).await.map(drop)
        }
        Step::AddTags { arn, tags } => look
            .send(call, rds.add_tags_to_resource().resource_name(arn).set_tags(Some(tag_list(tags))).send())
            .await
            .map(drop),
        Step::RemoveTags { arn, keys } => {
            let keys = keys.iter().cloned().collect();
            look.send(call, rds.remove_tags_from_resource().resource_name(arn).set_tag_keys(Some(keys)).send())
                .await
                .map(drop)
        }
        Step::Reboot => look.send(call, rds.reboot_db_instance().db_instance_identifier(id).send()).await.map(drop),
        Step::Delete { final_snapshot } => {
            let request = rds
                .delete_db_instance()
                .db_instance_identifier(id)
                .skip_final_snapshot(final_snapshot.is_none())
                .set_final_db_snapshot_identifier(final_snapshot.clone())
                .delete_automated_backups(false);
            look.send(call, request.send()).await.map(drop)
        }
    }
}

fn create_request(
    create: &CreateInstance,
    look: &Look<'_>,
) -> aws_sdk_rds::operation::create_db_instance::builders::CreateDBInstanceFluentBuilder {
    look.aws
        .rds
        .create_db_instance()
        .db_instance_identifier(&look.identifier)
        .engine("postgres")
        .engine_version(&create.engine_version)
        .db_instance_class(&create.class)
        .allocated_storage(create.storage_gib)
        .set_max_allocated_storage(create.max_storage_gib)
        .set_storage_type(create.storage_type.map(str::to_owned))
        .set_iops(create.iops)
        .set_storage_throughput(create.throughput)
        .storage_encrypted(true)
        .publicly_accessible(false)
        .multi_az(create.multi_az)
        .auto_minor_version_upgrade(create.auto_minor_upgrade)
        .set_enable_cloudwatch_logs_exports(Some(create.log_exports.iter().map(ToString::to_string).collect()))
        .set_ca_certificate_identifier(create.certificate.clone())
        .enable_performance_insights(create.insights.is_some())
        .set_performance_insights_retention_period(create.insights.flatten())
        .copy_tags_to_snapshot(true)
        .master_username(&create.username)
        .set_db_name(create.database_name.clone())
        .set_db_subnet_group_name(create.subnet_group.clone())
        .set_vpc_security_group_ids(create.security_groups.clone())
        .set_db_parameter_group_name(create.parameter_group.clone())
        .backup_retention_period(create.backup_retention)
        .set_preferred_backup_window(create.backup_window.clone())
        .set_preferred_maintenance_window(create.maintenance_window.clone())
        .deletion_protection(create.deletion_protection)
        .set_tags(Some(tag_list(&create.tags)))
}

fn modify_request(
    changes: &Changes,
    look: &Look<'_>,
) -> aws_sdk_rds::operation::modify_db_instance::builders::ModifyDBInstanceFluentBuilder {
    let list = |logs: &BTreeSet<String>| (!logs.is_empty()).then(|| logs.iter().cloned().collect());
    let logs = CloudwatchLogsExportConfiguration::builder()
        .set_enable_log_types(list(&changes.logs_on))
        .set_disable_log_types(list(&changes.logs_off))
        .build();
    let changes_logs = !changes.logs_on.is_empty() || !changes.logs_off.is_empty();
    look.aws
        .rds
        .modify_db_instance()
        .db_instance_identifier(&look.identifier)
        .apply_immediately(true)
        .set_db_instance_class(changes.class.clone())
        .set_engine_version(changes.engine_version.clone())
        .set_allow_major_version_upgrade(changes.major_upgrade.then_some(true))
        .set_ca_certificate_identifier(changes.certificate.clone())
        .set_allocated_storage(changes.volume.gib)
        .set_storage_type(changes.volume.type_.map(str::to_owned))
        .set_iops(changes.volume.iops)
        .set_storage_throughput(changes.volume.throughput)
        .set_max_allocated_storage(changes.max_storage_gib)
        .set_multi_az(changes.multi_az)
        .set_backup_retention_period(changes.backup_retention)
        .set_preferred_backup_window(changes.backup_window.clone())
        .set_preferred_maintenance_window(changes.maintenance_window.clone())
        .set_auto_minor_version_upgrade(changes.auto_minor_upgrade)
        .set_vpc_security_group_ids(changes.security_groups.clone())
        .set_deletion_protection(changes.deletion_protection)
        .set_publicly_accessible(changes.private.then_some(false))
        .set_copy_tags_to_snapshot(changes.copy_tags.then_some(true))
        .set_cloudwatch_logs_export_configuration(changes_logs.then_some(logs))
        .set_database_insights_mode(changes.insights_standard.then_some(DatabaseInsightsMode::Standard))
        .set_enable_performance_insights(changes.insights)
        .set_performance_insights_retention_period(changes.insights_retention)
        .set_db_parameter_group_name(changes.parameter_group.clone())
}

/// Sets and resets parameters, 20 a call, AWS's most. A static one waits for a reboot; AWS refuses `immediate` for it.
/// For one that is dynamic a reboot is a choice, and the wrong one while the instance runs.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBParameterGroup.html>
async fn modify_parameters(
    group: &str,
    set: &BTreeMap<String, String>,
    reset: &BTreeSet<String>,
    dynamic: &BTreeSet<String>,
    look: &Look<'_>,
) -> Result<(), Failure> {
    let method = |name: &str| if dynamic.contains(name) { ApplyMethod::Immediate } else { ApplyMethod::PendingReboot };
    let parameter = |name: &String, value: Option<&String>| {
        Parameter::builder().parameter_name(name).set_parameter_value(value.cloned()).apply_method(method(name)).build()
    };
    let to_set: Vec<_> = set.iter().map(|(name, value)| parameter(name, Some(value))).collect();
    for chunk in to_set.chunks(20) {
        let request = look
            .aws
            .rds
            .modify_db_parameter_group()
            .db_parameter_group_name(group)
            .set_parameters(Some(chunk.to_vec()));
        look.send("rds:ModifyDBParameterGroup", request.send()).await?;
    }
    let to_reset: Vec<_> = reset.iter().map(|name| parameter(name, None)).collect();
    for chunk in to_reset.chunks(20) {
        let request = look
            .aws
            .rds
            .reset_db_parameter_group()
            .db_parameter_group_name(group)
            .reset_all_parameters(false)
            .set_parameters(Some(chunk.to_vec()));
        look.send("rds:ResetDBParameterGroup", request.send()).await?;
    }
    Ok(())
}

/// The names of the parameters of a group that take effect without a reboot.
async fn dynamic_parameters(group: &str, look: &Look<'_>) -> Result<BTreeSet<String>, Failure> {
    let mut dynamic = BTreeSet::new();
    let mut marker = None;
    loop {
        let request = look.aws.rds.describe_db_parameters().db_parameter_group_name(group).set_marker(marker);
        let page = look.send("rds:DescribeDBParameters", request.send()).await?;
        let parameters = page.parameters.unwrap_or_default().into_iter();
        dynamic.extend(
            parameters
                .filter(|parameter| parameter.apply_type.as_deref() == Some("dynamic"))
                .filter_map(|parameter| parameter.parameter_name),
        );
        marker = page.marker.filter(|marker| !marker.is_empty());
        if marker.is_none() {
            return Ok(dynamic);
        }
    }
}

fn tag_list(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}
