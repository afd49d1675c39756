//! The automated backups of instances, kept after their deletion.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithAutomatedBackups.html>

use jiff::Timestamp;
use serde_json::{Value, json};

use super::describe::{filters, page};
use super::instance::Instance;
use super::rules::{self, tag_list};
use super::{Answer, Region};
use crate::call::Call;
use crate::error::AwsError;

/// The backups of a deleted instance, kept for its retention period.
#[derive(Clone, Debug)]
pub(super) struct Retained {
    pub(super) instance: Instance,
    pub(super) deleted: Timestamp,
}

impl Region {
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBInstanceAutomatedBackups.html>
    pub(super) fn describe_automated_backups(&mut self, call: &Call<'_>) -> Answer {
        rules::only(call, &["DBInstanceIdentifier", "DbiResourceId", "Filters", "Marker", "MaxRecords"])?;
        let filters = filters(call, &["status", "db-instance-id", "dbi-resource-id"])?;
        let active = self.instances.values().filter(|instance| instance.retention > 0);
        let active = active.map(|instance| {
            let status = if instance.created.is_some() { "active" } else { "creating" };
            (status, instance)
        });
        let days = |instance: &Instance| jiff::SignedDuration::from_hours(24 * instance.retention);
        let kept = self.retained.iter().filter(|kept| call.now < kept.deleted + days(&kept.instance));
        let kept = kept.map(|kept| ("retained", &kept.instance));
        let named = call.text("DBInstanceIdentifier").map(rules::identifier_of);
        let fits = |(status, instance): &(&str, &Instance)| {
            named.as_ref().is_none_or(|name| *name == instance.identifier)
                && call.text("DbiResourceId").is_none_or(|id| id == instance.resource_id)
                && filters.iter().all(|(name, values)| {
                    let own = match name.as_str() {
                        "status" => status,
                        "db-instance-id" => instance.identifier.as_str(),
                        _ => &instance.resource_id,
                    };
                    values.iter().any(|value| value == own)
                })
        };
        let mut found: Vec<_> = active
            .chain(kept)
            .filter(fits)
            .map(|found| (format!("{}/{}", found.1.identifier, found.1.resource_id), found))
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        if found.is_empty() && (named.is_some() || call.text("DbiResourceId").is_some()) {
            return Err(AwsError::new(
                "DBInstanceAutomatedBackupNotFound",
                "No automated backup for this DB instance was found.",
            ));
        }
        page(call, "DBInstanceAutomatedBackups", found, |(status, instance)| show(call, status, instance))
    }

    /// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBInstanceAutomatedBackup.html>
    pub(super) fn delete_automated_backup(&mut self, call: &Call<'_>) -> Answer {
        rules::only(call, &["DbiResourceId"])?;
        let id = call.text("DbiResourceId").unwrap_or_default();
        if self.instances.values().any(|instance| instance.resource_id == id) {
            return Err(AwsError::new(
                "InvalidDBInstanceAutomatedBackupState",
                "The automated backup of an existing DB instance cannot be deleted.",
            ));
        }
        let missing = || {
            AwsError::new("DBInstanceAutomatedBackupNotFound", "No automated backup for this DB instance was found.")
        };
        let at = self.retained.iter().position(|kept| kept.instance.resource_id == id).ok_or_else(missing)?;
        let deleted = self.retained.remove(at);
        Ok(json!({ "DBInstanceAutomatedBackup": show(call, "deleting", &deleted.instance) }))
    }
}

fn show(call: &Call<'_>, status: &str, instance: &Instance) -> Value {
    let mut shown = json!({
        "DBInstanceIdentifier": instance.identifier,
        "DBInstanceArn": instance.arn(call),
        "DbiResourceId": instance.resource_id,
        "Region": call.region,
        "Status": status,
        "AllocatedStorage": instance.storage.allocated,
        "StorageType": instance.storage.kind,
        "Port": instance.port,
        "Engine": "postgres",
        "EngineVersion": instance.engine_version,
        "LicenseModel": "postgresql-license",
        "MasterUsername": instance.master_username,
        "Encrypted": instance.kms_key.is_some(),
        "IAMDatabaseAuthenticationEnabled": instance.iam_authentication,
        "BackupRetentionPeriod": instance.retention,
        "BackupTarget": "region",
        "DBInstanceAutomatedBackupsArn": call.arn("rds", &format!("auto-backup:{}", instance.resource_id.replace("db-", "ab-").to_lowercase())),
        "TagList": tag_list(&instance.tags),
        "RestoreWindow": {},
    });
    if let Some(key) = &instance.kms_key {
        shown["KmsKeyId"] = key.clone().into();
    }
    if let (Some(created), Some(latest)) = (instance.created, instance.latest_restorable(call.now)) {
        shown["InstanceCreateTime"] = created.to_string().into();
        shown["RestoreWindow"] = json!({"EarliestTime": created.to_string(), "LatestTime": latest.to_string()});
    }
    shown
}
