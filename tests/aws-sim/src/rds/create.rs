//! `CreateDBInstance`.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html>

use std::collections::VecDeque;

use serde_json::{Map, json};

use super::catalog;
use super::instance::{Effect, Instance};
use super::parameters::ParameterState;
use super::rules::{self, combination, invalid};
use super::storage::Storage;
use super::{Answer, Region, windows};
use crate::call::Call;
use crate::error::AwsError;
use crate::log::digest;

/// The parameters that are acted on.
const SERVED: [&str; 35] = [
    "AllocatedStorage",
    "AutoMinorVersionUpgrade",
    "AvailabilityZone",
    "BackupRetentionPeriod",
    "CACertificateIdentifier",
    "CopyTagsToSnapshot",
    "DBInstanceClass",
    "DBInstanceIdentifier",
    "DBName",
    "DBParameterGroupName",
    "DBSubnetGroupName",
    "DedicatedLogVolume",
    "DeletionProtection",
    "EnableCloudwatchLogsExports",
    "EnableIAMDatabaseAuthentication",
    "EnablePerformanceInsights",
    "Engine",
    "EngineVersion",
    "Iops",
    "KmsKeyId",
    "LicenseModel",
    "ManageMasterUserPassword",
    "MasterUserPassword",
    "MasterUsername",
    "MaxAllocatedStorage",
    "MonitoringInterval",
    "MultiAZ",
    "PerformanceInsightsRetentionPeriod",
    "Port",
    "PreferredBackupWindow",
    "PreferredMaintenanceWindow",
    "PubliclyAccessible",
    "StorageEncrypted",
    "StorageThroughput",
    "StorageType",
];

impl Region {
    pub(super) fn create_db_instance(&mut self, call: &Call<'_>, quota: usize, made: u64) -> Answer {
        let mut served = SERVED.to_vec();
        served.extend(["Tags", "VpcSecurityGroupIds"]);
        rules::only(call, &served)?;
        unserved_wishes(call)?;
        let text = |name| call.text(name);
        catalog::engine(text("Engine").unwrap_or_default())?;
        let identifier =
            rules::identifier("DBInstanceIdentifier", text("DBInstanceIdentifier").unwrap_or_default(), 63)?;
        let engine_version = catalog::engine_version(text("EngineVersion"))?;
        let class = catalog::instance_class(text("DBInstanceClass").unwrap_or_default())?;
        let storage = Storage::new(
            text("StorageType"),
            call.integer("AllocatedStorage"),
            call.integer("Iops"),
            call.integer("StorageThroughput"),
        )?;
        let max_storage = max_storage(call.integer("MaxAllocatedStorage"), storage.allocated)?;
        let multi_az = call.flag("MultiAZ").unwrap_or(false);
        if multi_az && text("AvailabilityZone").is_some() {
            return Err(combination("Requesting a specific availability zone is not valid for Multi-AZ instances."));
        }
        let resource_id = resource_id(call, made);
        let (backup_window, maintenance_window) = chosen_windows(call, &resource_id)?;
        let subnet_group = self.subnet_group_named(text("DBSubnetGroupName"))?;
        let parameter_group = self.parameter_group_for(text("DBParameterGroupName"), &engine_version)?;
        let instance = Instance {
            resource_id,
            engine: "postgres".to_owned(),
            class,
            storage,
            max_storage,
            multi_az,
            master_username: rules::master_username(text("MasterUsername"))?,
            password_digest: new_password(call)?,
            database: text("DBName").map(rules::database_name).transpose()?,
            port: call.integer("Port").map_or(Ok(5432), rules::port)?,
            kms_key: kms_key(call)?,
            zone: zone(call)?,
            security_groups: rules::security_groups(call)?.unwrap_or_else(|| vec![default_security_group(call)]),
            parameters: ParameterState::default(),
            parameter_group,
            retention: call.integer("BackupRetentionPeriod").map_or(Ok(1), rules::retention)?,
            backup_window,
            maintenance_window,
            auto_minor_upgrade: call.flag("AutoMinorVersionUpgrade").unwrap_or(true),
            // Without a subnet group the default VPC is taken, which has an
            // internet gateway; the groups made here are private.
            public: call.flag("PubliclyAccessible").unwrap_or(text("DBSubnetGroupName").is_none()),
            subnet_group,
            deletion_protection: call.flag("DeletionProtection").unwrap_or(false),
            copy_tags: call.flag("CopyTagsToSnapshot").unwrap_or(false),
            iam_authentication: call.flag("EnableIAMDatabaseAuthentication").unwrap_or(false),
            logs: rules::log_types(call.list("EnableCloudwatchLogsExports"))?,
            certificate: rules::certificate(text("CACertificateIdentifier").unwrap_or("rds-ca-rsa2048-g1"))?,
            insights: rules::insights(call, None)?,
            insights_advanced: false,
            tags: rules::tags(call.list("Tags"))?,
            engine_version,
            identifier: identifier.clone(),
            created: None,
            pending: Map::new(),
            pending_since: call.now,
            steps: VecDeque::new(),
            resting: "available".to_owned(),
            idle_since: call.now,
            optimizing_until: None,
            storage_rests_until: None,
            starts_itself: None,
            upgrades_fail: false,
        };
        if self.instances.contains_key(&identifier) {
            return Err(AwsError::new("DBInstanceAlreadyExists", "DB instance already exists"));
        }
        if self.instances.len() >= quota {
            return Err(AwsError::new(
                "InstanceQuotaExceeded",
                format!("The quota of {quota} DB instances in {} is reached.", call.region),
            ));
        }
        let shown = self.begin(instance, call);
        Ok(json!({"DBInstance": shown}))
    }

    /// `creating`, then the first backup, if there are backups.
    fn begin(&mut self, mut instance: Instance, call: &Call<'_>) -> serde_json::Value {
        instance.then("creating", call.now, call.durations.create_db_instance, Effect::Created);
        if instance.retention > 0 {
            instance.start_backup(call.now, call.durations.backup_db_instance);
        }
        // Until the creation is over, the password is shown as pending.
        let mut shown = instance.show(call, &self.show_subnet_group(call, &instance.subnet_group));
        shown["PendingModifiedValues"] = json!({"MasterUserPassword": "****"});
        self.instances.insert(instance.identifier.clone(), instance);
        shown
    }
}

/// What can be asked, but only to be left off.
fn unserved_wishes(call: &Call<'_>) -> Result<(), AwsError> {
    if call.flag("ManageMasterUserPassword") == Some(true) {
        if call.text("MasterUserPassword").is_some() {
            return Err(combination("You can't specify MasterUserPassword when ManageMasterUserPassword is true."));
        }
        return Err(AwsError::not_implemented("ManageMasterUserPassword of rds:CreateDBInstance"));
    }
    if call.flag("DedicatedLogVolume") == Some(true) {
        return Err(AwsError::not_implemented("DedicatedLogVolume of rds:CreateDBInstance"));
    }
    if call.integer("MonitoringInterval").is_some_and(|seconds| seconds != 0) {
        return Err(AwsError::not_implemented("MonitoringInterval of rds:CreateDBInstance"));
    }
    match call.text("LicenseModel") {
        None | Some("postgresql-license") => Ok(()),
        Some(other) => Err(combination(format!("Invalid license model '{other}' for engine postgres."))),
    }
}

fn new_password(call: &Call<'_>) -> Result<String, AwsError> {
    let password = call
        .text("MasterUserPassword")
        .ok_or_else(|| invalid("The parameter MasterUserPassword must be provided and must not be blank."))?;
    rules::master_password(password)?;
    Ok(digest(password))
}

/// Encryption is chosen here, once and for all. Without a key it is the
/// account's `aws/rds` key, and the answer is an ARN whatever form was sent:
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.Encryption.html>
fn kms_key(call: &Call<'_>) -> Result<Option<String>, AwsError> {
    let encrypted = call.flag("StorageEncrypted").unwrap_or(false);
    match call.text("KmsKeyId") {
        Some(_) if !encrypted => Err(combination(
            "A KMS key can be given only for an encrypted instance: StorageEncrypted must be true.",
        )),
        Some(key) => call.keys.usable(call, key).map(Some).map_err(|error| {
            AwsError::new(
                "KMSKeyNotAccessibleFault",
                format!("The specified KMS key [{key}] does not exist, is not enabled or you do not have permissions to access it. ({error})"),
            )
        }),
        None => Ok(encrypted.then(|| call.managed_key("rds"))),
    }
}

fn zone(call: &Call<'_>) -> Result<String, AwsError> {
    match call.text("AvailabilityZone") {
        None => Ok(format!("{}a", call.region)),
        Some(zone) if ["a", "b", "c"].iter().any(|letter| zone == format!("{}{letter}", call.region)) => {
            Ok(zone.to_owned())
        }
        Some(zone) => Err(invalid(format!("{zone} is not a valid availability zone in {}.", call.region))),
    }
}

fn chosen_windows(call: &Call<'_>, resource_id: &str) -> Result<(String, String), AwsError> {
    let seed = resource_id.bytes().map(u64::from).sum();
    let (nightly, weekly) = windows::defaults(seed);
    let backup = call.text("PreferredBackupWindow").map_or(Ok(nightly), windows::backup)?;
    let maintenance = call.text("PreferredMaintenanceWindow").map_or(Ok(weekly), windows::maintenance)?;
    let asked = ["PreferredBackupWindow", "PreferredMaintenanceWindow"].map(|name| call.text(name));
    match (windows::apart(&backup, &maintenance), asked) {
        (Ok(()), _) => Ok((backup, maintenance)),
        // One was given: AWS picks the other so that they do not meet.
        (Err(_), [Some(_), None]) => {
            let maintenance = free_of(&backup, true);
            Ok((backup, maintenance))
        }
        (Err(_), [None, Some(_)]) => Ok((free_of(&maintenance, false), maintenance)),
        (Err(error), _) => Err(error),
    }
}

/// The first default window that does not meet the given one.
fn free_of(given: &str, given_is_backup: bool) -> String {
    (0..56)
        .map(windows::defaults)
        .find_map(|(nightly, weekly)| {
            if given_is_backup {
                windows::apart(given, &weekly).is_ok().then_some(weekly)
            } else {
                windows::apart(&nightly, given).is_ok().then_some(nightly)
            }
        })
        .unwrap_or_else(|| windows::defaults(0).0)
}

/// `db-` and 26 characters, never the same twice, not even for the same name.
fn resource_id(call: &Call<'_>, made: u64) -> String {
    let hash = digest(&format!("{}/{}/{made}/{}", call.account, call.region, call.now));
    format!("db-{}", hash[..26].to_uppercase())
}

pub(super) fn default_security_group(call: &Call<'_>) -> String {
    format!("sg-{}", &digest(&format!("{}/{}/default", call.account, call.region))[..17])
}

/// Storage autoscaling needs at least a tenth of room:
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.Autoscaling.html>
pub(super) fn max_storage(wanted: Option<i64>, allocated: i64) -> Result<Option<i64>, AwsError> {
    match wanted {
        // In a modification the current size turns autoscaling off.
        Some(most) if most < allocated + (allocated + 9) / 10 => Err(combination(format!(
            "Invalid max storage size for engine name postgres: {most} is not at least 10% more than {allocated}"
        ))),
        other => Ok(other),
    }
}
