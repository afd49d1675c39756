//! `ModifyDBInstance`: which change waits for what.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.DBInstance.Modifying.html>
//! has the table of settings, <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html>
//! the parameters.

use serde_json::{Map, Value, json};

use super::catalog;
use super::create::max_storage;
use super::instance::Instance;
use super::parameters::ParameterState;
use super::rules::{self, combination};
use super::{Answer, Region, storage, windows};
use crate::call::Call;
use crate::clock::after;
use crate::error::AwsError;
use crate::log::digest;

/// The pending member about log exports.
pub(super) const LOG_EXPORTS: &str = "PendingCloudwatchLogsExports";

const SERVED: [&str; 31] = [
    "AllocatedStorage",
    "AllowMajorVersionUpgrade",
    "ApplyImmediately",
    "AutoMinorVersionUpgrade",
    "BackupRetentionPeriod",
    "CACertificateIdentifier",
    "CertificateRotationRestart",
    "CloudwatchLogsExportConfiguration",
    "CopyTagsToSnapshot",
    "DBInstanceClass",
    "DBInstanceIdentifier",
    "DBParameterGroupName",
    "DBPortNumber",
    "DatabaseInsightsMode",
    "DeletionProtection",
    "EnableIAMDatabaseAuthentication",
    "EnablePerformanceInsights",
    "EngineVersion",
    "Iops",
    "MasterUserPassword",
    "MaxAllocatedStorage",
    "MultiAZ",
    "NewDBInstanceIdentifier",
    "PerformanceInsightsRetentionPeriod",
    "PreferredBackupWindow",
    "PreferredMaintenanceWindow",
    "PubliclyAccessible",
    "StorageThroughput",
    "StorageType",
    "VpcSecurityGroupIds",
    "DBSubnetGroupName",
];

impl Region {
    pub(super) fn modify_db_instance(&mut self, call: &Call<'_>) -> Answer {
        rules::only(call, &SERVED)?;
        let instance = self.named(call)?.clone();
        accepts(&instance, call)?;
        if let Some(group) = call.text("DBSubnetGroupName")
            && !group.eq_ignore_ascii_case(&instance.subnet_group)
        {
            return Err(AwsError::not_implemented("moving an instance to another subnet group"));
        }
        let pending = self.wanted(call, &instance)?;
        let at_once = settings_at_once(call, &instance)?;
        let group = self.wanted_group(call, &instance)?;

        let instance = self.named(call)?;
        *instance = at_once;
        if let Some(group) = group {
            instance.parameter_group = group;
            // The name changes now, the values with the next reboot.
            instance.parameters = ParameterState {
                applying_until: Some(after(call.now, call.durations.apply_parameters)),
                pending_reboot: true,
            };
        }
        keep(instance, pending, call);
        let instance = instance.clone();
        let subnet_group = self.show_subnet_group(call, &instance.subnet_group);
        Ok(json!({"DBInstance": instance.show(call, &subnet_group)}))
    }

    /// The values asked for that do not hold at once, all checked.
    fn wanted(&self, call: &Call<'_>, instance: &Instance) -> Result<Map<String, Value>, AwsError> {
        let mut wanted = Map::new();
        if let Some(class) = call.text("DBInstanceClass") {
            wanted.insert("DBInstanceClass".into(), catalog::instance_class(class)?.into());
        }
        if let Some(version) = call.text("EngineVersion") {
            wanted.insert("EngineVersion".into(), upgrade(call, instance, version)?.into());
        }
        if let Some(multi_az) = call.flag("MultiAZ") {
            wanted.insert("MultiAZ".into(), multi_az.into());
        }
        if let Some(days) = call.integer("BackupRetentionPeriod") {
            wanted.insert("BackupRetentionPeriod".into(), rules::retention(days)?.into());
        }
        if let Some(port) = call.integer("DBPortNumber") {
            wanted.insert("Port".into(), rules::port(port)?.into());
        }
        if let Some(name) = call.text("CACertificateIdentifier") {
            wanted.insert("CACertificateIdentifier".into(), rules::certificate(name)?.into());
        }
        if let Some(password) = call.text("MasterUserPassword") {
            rules::master_password(password)?;
            wanted.insert("MasterUserPassword".into(), digest(password).into());
        }
        if let Some(name) = call.text("NewDBInstanceIdentifier") {
            let name = rules::identifier("NewDBInstanceIdentifier", name, 63)?;
            if name != instance.identifier && self.instances.contains_key(&name) {
                return Err(AwsError::new("DBInstanceAlreadyExists", "DB instance already exists"));
            }
            wanted.insert("DBInstanceIdentifier".into(), name.into());
        }
        if storage::is_asked(call) {
            storage::grow(call, instance, &mut wanted)?;
        }
        if let Some(exports) = log_exports(call, instance)? {
            wanted.insert(LOG_EXPORTS.into(), exports);
        }
        Ok(wanted)
    }

    fn wanted_group(&self, call: &Call<'_>, instance: &Instance) -> Result<Option<String>, AwsError> {
        let upgraded = call.text("EngineVersion").map(|version| catalog::engine_version(Some(version)));
        let version = upgraded.transpose()?.unwrap_or_else(|| instance.engine_version.clone());
        let Some(name) = call.text("DBParameterGroupName") else {
            let same = catalog::family(&version) == catalog::family(&instance.engine_version);
            if same || instance.parameter_group.starts_with("default.") {
                return Ok(None);
            }
            return Err(combination(format!(
                "The parameter group {} is not of family {}: give one of that family with the upgrade.",
                instance.parameter_group,
                catalog::family(&version)
            )));
        };
        let name = self.parameter_group_for(Some(name), &version)?;
        Ok((name != instance.parameter_group).then_some(name))
    }
}

/// Modifications are taken while `available`. While the storage is optimised
/// it cannot be changed, and while it is full nothing else can:
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.ModifyingExisting.html>
fn accepts(instance: &Instance, call: &Call<'_>) -> Result<(), AwsError> {
    if instance.status(call.now) == "storage-full" && storage::only_grows(call) {
        return Ok(());
    }
    instance.must_be(&["available", "storage-optimization"], call.now)?;
    if !instance.steps.is_empty() {
        return Err(AwsError::new(
            "InvalidDBInstanceState",
            format!("Instance {} is about to be modified.", instance.identifier),
        ));
    }
    storage::may_change(call, instance)
}

/// The logs to be exported or no more, as they are shown while that is under way.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_PendingCloudwatchLogsExports.html>
fn log_exports(call: &Call<'_>, instance: &Instance) -> Result<Option<Value>, AwsError> {
    let Some(asked) = call.parameters.get("CloudwatchLogsExportConfiguration") else { return Ok(None) };
    let types = |name: &str| rules::log_types(asked.get(name).and_then(Value::as_array));
    let (mut enable, mut disable) = (types("EnableLogTypes")?, types("DisableLogTypes")?);
    enable.retain(|log| !instance.logs.contains(log));
    disable.retain(|log| instance.logs.contains(log));
    let list = |name: &str, logs: Vec<String>| (!logs.is_empty()).then(|| (name.to_owned(), json!(logs)));
    let pending: Map<_, _> =
        [list("LogTypesToEnable", enable), list("LogTypesToDisable", disable)].into_iter().flatten().collect();
    Ok((!pending.is_empty()).then_some(Value::Object(pending)))
}

fn upgrade(call: &Call<'_>, instance: &Instance, wanted: &str) -> Result<String, AwsError> {
    let current = &instance.engine_version;
    let (major, _) = catalog::parts(current);
    if wanted == major.to_string() {
        return Ok(current.clone());
    }
    let version = catalog::engine_version(Some(wanted))?;
    if !catalog::is_upgrade_target(current, &version) {
        return Err(combination(format!("Cannot upgrade postgres from {current} to {version}")));
    }
    let is_major = catalog::parts(&version).0 > major;
    if is_major && call.flag("AllowMajorVersionUpgrade") != Some(true) {
        return Err(combination(
            "The AllowMajorVersionUpgrade flag must be present when upgrading to a new major version.",
        ));
    }
    Ok(version)
}

/// The instance with the settings that hold at once, whatever
/// `ApplyImmediately` says.
fn settings_at_once(call: &Call<'_>, instance: &Instance) -> Result<Instance, AwsError> {
    let mut changed = instance.clone();
    let set = |name: &str, field: &mut bool| {
        if let Some(value) = call.flag(name) {
            *field = value;
        }
    };
    set("AutoMinorVersionUpgrade", &mut changed.auto_minor_upgrade);
    set("CopyTagsToSnapshot", &mut changed.copy_tags);
    set("DeletionProtection", &mut changed.deletion_protection);
    set("PubliclyAccessible", &mut changed.public);
    set("EnableIAMDatabaseAuthentication", &mut changed.iam_authentication);
    changed.insights = rules::insights(call, instance.insights)?;
    changed.insights_advanced = rules::insights_mode(call, changed.insights, instance.insights_advanced)?;
    if let Some(groups) = rules::security_groups(call)? {
        changed.security_groups = groups;
    }
    if let Some(most) = call.integer("MaxAllocatedStorage") {
        let gib = call.integer("AllocatedStorage").unwrap_or(instance.storage.allocated);
        // The present size turns autoscaling off.
        changed.max_storage = if most == gib { None } else { max_storage(Some(most), gib)? };
    }
    if let Some(window) = call.text("PreferredBackupWindow") {
        changed.backup_window = windows::backup(window)?;
    }
    if let Some(window) = call.text("PreferredMaintenanceWindow") {
        changed.maintenance_window = windows::maintenance(window)?;
    }
    windows::apart(&changed.backup_window, &changed.maintenance_window)?;
    Ok(changed)
}

/// Puts the wanted values among the pending ones and starts what does not wait.
fn keep(instance: &mut Instance, wanted: Map<String, Value>, call: &Call<'_>) {
    let immediately = call.flag("ApplyImmediately").unwrap_or(false);
    let waited_before = !instance.pending.is_empty();
    let mut at_once = Vec::new();
    for (name, value) in wanted {
        if holds(instance, &name, &value) && name != "MasterUserPassword" {
            // Asking for what is there takes back what was pending.
            instance.pending.remove(&name);
            continue;
        }
        if ignores_window(instance, &name, &value) {
            at_once.push(name.clone());
        }
        instance.pending.insert(name, value);
    }
    if !waited_before {
        instance.pending_since = call.now;
    }
    // "If there are pending actions that cause an outage, and the maintenance
    // window is changed to include the current time, then those pending actions
    // are applied immediately."
    let window_moved_here =
        call.text("PreferredMaintenanceWindow").is_some() && windows::is_open(&instance.maintenance_window, call.now);
    // What is done immediately takes everything pending with it.
    if immediately || window_moved_here {
        at_once = instance.pending.keys().cloned().collect();
    }
    if !at_once.is_empty() {
        instance.apply(at_once, call.now, call.durations);
    }
    instance.tick(call.now, call.durations);
}

/// The settings of which the table says that they ignore `ApplyImmediately`.
fn ignores_window(instance: &Instance, name: &str, value: &Value) -> bool {
    match name {
        "MasterUserPassword" | "Port" | LOG_EXPORTS => true,
        // From one number of days to another, but not to or from none.
        "BackupRetentionPeriod" => instance.retention > 0 && value.as_i64() != Some(0),
        _ => false,
    }
}

fn holds(instance: &Instance, name: &str, value: &Value) -> bool {
    match name {
        "DBInstanceClass" => value.as_str() == Some(&instance.class),
        "EngineVersion" => value.as_str() == Some(&instance.engine_version),
        "MultiAZ" => value.as_bool() == Some(instance.multi_az),
        "BackupRetentionPeriod" => value.as_i64() == Some(instance.retention),
        "Port" => value.as_i64() == Some(instance.port),
        "CACertificateIdentifier" => value.as_str() == Some(&instance.certificate),
        "MasterUserPassword" => value.as_str() == Some(&instance.password_digest),
        "DBInstanceIdentifier" => value.as_str() == Some(&instance.identifier),
        other => storage::holds(&instance.storage, other, value),
    }
}
