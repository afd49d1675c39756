//! What one look at a database gathers: one call when it is quiet, two with a parameter group of its own.

use std::collections::BTreeMap;

use aws_sdk_rds::types::{DatabaseInsightsMode, DbInstance, PendingModifiedValues, Tag};
use kube::ResourceExt;

use super::ShowCoreDatabase;
use crate::{
    aws::found,
    connection::{self, SecretSeen},
    error::Failure,
    kind::Look,
    snapshot::{self, FinalSnapshot},
};

mod groups;

pub use groups::ParameterGroup;
use groups::{former_group, group_tags, parameters};
pub(super) use groups::{group_arn, is_own_group_name, own_group_name};

/// What one look gathers.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The instance, if RDS has it.
    pub instance: Option<Instance>,
    /// The parameters that users set in the group the instance uses, where that is not a default group.
    pub used_parameters: Option<BTreeMap<String, String>>,
    /// The store's own parameter group, if it is asked for or exists to be removed.
    pub own_group: Option<ParameterGroup>,
    /// A group of its own that it no longer uses: of another major version, or of parameters that left the spec.
    pub former_group: Option<ParameterGroup>,
    /// The connection Secret.
    pub secret: SecretSeen,
    /// Final snapshots made for this object; asked only when it is being deleted.
    pub final_snapshots: Vec<FinalSnapshot>,
}

/// A DB instance as RDS answers it.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "switches, as RDS answers them")]
pub struct Instance {
    /// Its ARN.
    pub arn: String,
    /// `DbiResourceId`: AWS's immutable id.
    pub id: String,
    /// `DBInstanceStatus`.
    pub status: String,
    /// `DBInstanceClass`.
    pub class: String,
    /// `EngineVersion`.
    pub engine_version: String,
    /// `AllocatedStorage`, in GiB.
    pub storage_gib: i32,
    /// `MaxAllocatedStorage`, in GiB; absent if AWS does not grow the storage by itself.
    pub max_storage_gib: Option<i32>,
    /// `StorageType`.
    pub storage_type: String,
    /// `Iops`; absent where the kind of storage has no figure.
    pub iops: Option<i32>,
    /// `StorageThroughput`, in MiB a second; likewise.
    pub throughput: Option<i32>,
    /// `MultiAZ`.
    pub multi_az: bool,
    /// `AutoMinorVersionUpgrade`.
    pub auto_minor_upgrade: bool,
    /// `CopyTagsToSnapshot`.
    pub copy_tags: bool,
    /// `EnabledCloudwatchLogsExports`, with what AWS is at work on.
    pub log_exports: Vec<String>,
    /// `CACertificateIdentifier`.
    pub certificate: String,
    /// `PerformanceInsightsRetentionPeriod`, in days, while Performance Insights is on.
    pub insights: Option<i32>,
    /// Whether `DatabaseInsightsMode` is `advanced`.
    pub insights_advanced: bool,
    /// `Engine`.
    pub engine: String,
    /// `StorageEncrypted`.
    pub storage_encrypted: bool,
    /// `KmsKeyId`, always an ARN.
    pub kms_key: Option<String>,
    /// `PubliclyAccessible`.
    pub publicly_accessible: bool,
    /// Endpoint, once there is one.
    pub endpoint: Option<(String, i32)>,
    /// `BackupRetentionPeriod`, in days.
    pub backup_retention: i32,
    /// `PreferredBackupWindow`.
    pub backup_window: String,
    /// `PreferredMaintenanceWindow`.
    pub maintenance_window: String,
    /// `DeletionProtection`.
    pub deletion_protection: bool,
    /// `VpcSecurityGroupIds`.
    pub security_groups: Vec<String>,
    /// `DBSubnetGroupName`.
    pub subnet_group: Option<String>,
    /// The parameter group's name.
    pub parameter_group: String,
    /// The parameter group's apply status: `in-sync`, `applying`, `pending-reboot`.
    pub parameter_status: String,
    /// `MasterUsername`.
    pub master_username: String,
    /// `DBName`.
    pub db_name: Option<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// `PendingModifiedValues`.
    pub pending: Pending,
}

/// What RDS will change at the next occasion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// Class.
    pub class: Option<String>,
    /// Version.
    pub engine_version: Option<String>,
    /// Storage, in GiB.
    pub storage_gib: Option<i32>,
    /// Kind of storage.
    pub storage_type: Option<String>,
    /// I/O operations a second.
    pub iops: Option<i32>,
    /// Throughput, in MiB a second.
    pub throughput: Option<i32>,
    /// Whether a standby takes over.
    pub multi_az: Option<bool>,
    /// Certificate authority.
    pub certificate: Option<String>,
    /// Backup retention, in days.
    pub backup_retention: Option<i32>,
    /// Whether anything else that may disturb users is pending: a log volume of its own, port, identifier, subnet group.
    pub other: bool,
}

pub(super) async fn observe(object: &ShowCoreDatabase, look: &Look<'_>) -> Result<Seen, Failure> {
    let secret_name = object.spec.secret_name(&object.name_any());
    let (instance, secret) = futures::try_join!(instance(look), connection::observe(look, object, &secret_name))?;
    let own_name = own_group_name(&look.identifier, object.spec.major());
    let used = instance.as_ref().map(|instance| instance.parameter_group.as_str());
    let uses_own = used == Some(own_name.as_str());
    let used_parameters = match used {
        Some(group) if !group.starts_with("default.") => parameters(look, group).await?,
        _ => None,
    };
    let own_parameters = match (&used_parameters, uses_own) {
        (Some(parameters), true) => Some(parameters.clone()),
        _ if look.deleting || !object.spec.parameters.is_empty() => parameters(look, &own_name).await?,
        _ => None,
    };
    let own_group = match own_parameters {
        None => None,
        Some(parameters) => {
            let differs = object.spec.parameters.iter().any(|(key, value)| parameters.get(key) != Some(value))
                || parameters.keys().any(|key| !object.spec.parameters.contains_key(key));
            // The tags are read only where something may be written: a quiet look stays at two calls.
            let tags =
                if differs || look.deleting || !uses_own { Some(group_tags(look, &own_name).await?) } else { None };
            Some(ParameterGroup { name: own_name, parameters, tags })
        }
    };
    let former_group = former_group(object, look, instance.as_ref()).await?;
    let final_snapshots = if look.deleting { final_snapshots(look).await? } else { Vec::new() };
    Ok(Seen { instance, used_parameters, own_group, former_group, secret, final_snapshots })
}

async fn instance(look: &Look<'_>) -> Result<Option<Instance>, Failure> {
    let request = look.aws.rds.describe_db_instances().db_instance_identifier(&look.identifier);
    let answer = found(
        look.send("rds:DescribeDBInstances", request.send()).await,
        &["DBInstanceNotFound", "DBInstanceNotFoundFault"],
    )?;
    Ok(answer.and_then(|answer| answer.db_instances.unwrap_or_default().into_iter().next()).map(from_rds))
}

fn from_rds(instance: DbInstance) -> Instance {
    let log_exports = log_exports(&instance);
    let group = instance.db_parameter_groups.unwrap_or_default().into_iter().next();
    Instance {
        arn: instance.db_instance_arn.unwrap_or_default(),
        id: instance.dbi_resource_id.unwrap_or_default(),
        status: instance.db_instance_status.unwrap_or_default(),
        class: instance.db_instance_class.unwrap_or_default(),
        engine_version: instance.engine_version.unwrap_or_default(),
        storage_gib: instance.allocated_storage.unwrap_or_default(),
        max_storage_gib: instance.max_allocated_storage,
        storage_type: instance.storage_type.unwrap_or_default(),
        iops: instance.iops,
        throughput: instance.storage_throughput,
        multi_az: instance.multi_az.unwrap_or_default(),
        auto_minor_upgrade: instance.auto_minor_version_upgrade.unwrap_or_default(),
        copy_tags: instance.copy_tags_to_snapshot.unwrap_or_default(),
        log_exports,
        certificate: instance.ca_certificate_identifier.unwrap_or_default(),
        insights: instance
            .performance_insights_enabled
            .unwrap_or_default()
            .then(|| instance.performance_insights_retention_period.unwrap_or_default()),
        insights_advanced: instance.database_insights_mode == Some(DatabaseInsightsMode::Advanced),
        engine: instance.engine.unwrap_or_default(),
        storage_encrypted: instance.storage_encrypted.unwrap_or_default(),
        kms_key: instance.kms_key_id,
        publicly_accessible: instance.publicly_accessible.unwrap_or_default(),
        endpoint: instance.endpoint.and_then(|endpoint| Some((endpoint.address?, endpoint.port?))),
        backup_retention: instance.backup_retention_period.unwrap_or_default(),
        backup_window: instance.preferred_backup_window.unwrap_or_default(),
        maintenance_window: instance.preferred_maintenance_window.unwrap_or_default(),
        deletion_protection: instance.deletion_protection.unwrap_or_default(),
        security_groups: instance
            .vpc_security_groups
            .unwrap_or_default()
            .into_iter()
            .filter(|group| group.status.as_deref() != Some("removing"))
            .filter_map(|group| group.vpc_security_group_id)
            .collect(),
        subnet_group: instance.db_subnet_group.and_then(|group| group.db_subnet_group_name),
        parameter_group: group.as_ref().and_then(|group| group.db_parameter_group_name.clone()).unwrap_or_default(),
        parameter_status: group.and_then(|group| group.parameter_apply_status).unwrap_or_default(),
        master_username: instance.master_username.unwrap_or_default(),
        db_name: instance.db_name,
        tags: tag_map(instance.tag_list.unwrap_or_default()),
        pending: instance.pending_modified_values.map(pending).unwrap_or_default(),
    }
}

/// The logs that are exported, or will be once AWS has done what it is at.
fn log_exports(instance: &DbInstance) -> Vec<String> {
    let pending = instance.pending_modified_values.as_ref().and_then(|values| values.pending_cloudwatch_logs_exports());
    let (on, off) =
        pending.map(|pending| (pending.log_types_to_enable(), pending.log_types_to_disable())).unwrap_or_default();
    let stays = |log: &&String| !off.contains(log) && !on.contains(log);
    instance.enabled_cloudwatch_logs_exports().iter().filter(stays).chain(on).cloned().collect()
}

fn pending(values: PendingModifiedValues) -> Pending {
    Pending {
        other: values.dedicated_log_volume.is_some()
            || values.port.is_some()
            || values.db_instance_identifier.is_some()
            || values.db_subnet_group_name.is_some(),
        class: values.db_instance_class,
        engine_version: values.engine_version,
        storage_gib: values.allocated_storage,
        storage_type: values.storage_type,
        iops: values.iops,
        throughput: values.storage_throughput,
        multi_az: values.multi_az,
        certificate: values.ca_certificate_identifier,
        backup_retention: values.backup_retention_period,
    }
}

async fn final_snapshots(look: &Look<'_>) -> Result<Vec<FinalSnapshot>, Failure> {
    let prefix = snapshot::prefix(&look.identifier, &look.owner.uid);
    let mut found = Vec::new();
    let mut marker = None;
    loop {
        let request = look
            .aws
            .rds
            .describe_db_snapshots()
            .db_instance_identifier(&look.identifier)
            .snapshot_type("manual")
            .set_marker(marker);
        let page = look.send("rds:DescribeDBSnapshots", request.send()).await?;
        let snapshots = page.db_snapshots.unwrap_or_default().into_iter().map(|snapshot| FinalSnapshot {
            id: snapshot.db_snapshot_identifier.unwrap_or_default(),
            status: snapshot.status.unwrap_or_default(),
            encrypted: snapshot.encrypted.unwrap_or_default(),
            source: snapshot.dbi_resource_id,
        });
        found.extend(snapshots.filter(|snapshot| snapshot.id.starts_with(&prefix)));
        marker = page.marker.filter(|marker| !marker.is_empty());
        if marker.is_none() {
            return Ok(found);
        }
    }
}

fn tag_map(tags: Vec<Tag>) -> BTreeMap<String, String> {
    tags.into_iter().filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect()
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::types::PendingCloudwatchLogsExports;

    use super::*;

    #[test]
    fn log_exports_that_aws_is_at_work_on_count_already() {
        let under_way =
            PendingCloudwatchLogsExports::builder().log_types_to_enable("upgrade").log_types_to_disable("postgresql");
        let instance = DbInstance::builder()
            .enabled_cloudwatch_logs_exports("postgresql")
            .enabled_cloudwatch_logs_exports("iam-db-auth-error")
            .pending_modified_values(
                PendingModifiedValues::builder().pending_cloudwatch_logs_exports(under_way.build()).build(),
            );
        assert_eq!(from_rds(instance.build()).log_exports, ["iam-db-auth-error", "upgrade"]);
    }

    #[test]
    fn a_pending_change_that_may_disturb_users_is_seen() {
        let none = PendingModifiedValues::builder;
        let table = [
            ("nothing", none(), false),
            ("a password", none().master_user_password("****"), false),
            ("IAM authentication", none().iam_database_authentication_enabled(true), false),
            ("a log volume of its own", none().dedicated_log_volume(true), true),
            ("another port", none().port(5433), true),
            ("another name", none().db_instance_identifier("other"), true),
            ("another subnet group", none().db_subnet_group_name("private"), true),
        ];
        for (what, values, other) in table {
            let instance = DbInstance::builder().pending_modified_values(values.build()).build();
            assert_eq!(from_rds(instance).pending, Pending { other, ..Pending::default() }, "{what}");
        }
        let overlaid = none()
            .db_instance_class("db.t3.small")
            .engine_version("16.5")
            .allocated_storage(50)
            .storage_type("gp3")
            .iops(3000)
            .storage_throughput(125)
            .multi_az(true)
            .ca_certificate_identifier("rds-ca-rsa4096-g1");
        let expected = Pending {
            class: Some("db.t3.small".into()),
            engine_version: Some("16.5".into()),
            storage_gib: Some(50),
            storage_type: Some("gp3".into()),
            iops: Some(3000),
            throughput: Some(125),
            multi_az: Some(true),
            certificate: Some("rds-ca-rsa4096-g1".into()),
            backup_retention: Some(14),
            other: false,
        };
        assert_eq!(pending(overlaid.backup_retention_period(14).build()), expected);
    }
}
