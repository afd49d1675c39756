//! One instance: what it is, which states it passes, how AWS shows it.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::catalog;
use super::modify::LOG_EXPORTS;
use super::parameters::ParameterState;
use super::rules::{Tags, tag_list};
use super::storage::Storage;
use super::windows;
use crate::call::Call;
use crate::clock::after;
use crate::durations::Durations;
use crate::error::AwsError;
use crate::log::digest;

/// A stopped instance starts by itself after seven days:
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_StopInstance.html>
const STOPPED_AT_MOST: Duration = Duration::from_hours(7 * 24);

/// An instance as AWS keeps it.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are AWS's own members")]
pub(super) struct Instance {
    pub(super) identifier: String,
    pub(super) resource_id: String,
    pub(super) class: String,
    pub(super) engine: String,
    pub(super) engine_version: String,
    pub(super) master_username: String,
    pub(super) password_digest: String,
    pub(super) database: Option<String>,
    pub(super) port: i64,
    pub(super) storage: Storage,
    pub(super) max_storage: Option<i64>,
    /// The key's ARN, if the storage is encrypted.
    pub(super) kms_key: Option<String>,
    pub(super) multi_az: bool,
    pub(super) zone: String,
    pub(super) subnet_group: String,
    pub(super) security_groups: Vec<String>,
    pub(super) parameter_group: String,
    pub(super) parameters: ParameterState,
    pub(super) retention: i64,
    pub(super) backup_window: String,
    pub(super) maintenance_window: String,
    pub(super) auto_minor_upgrade: bool,
    pub(super) public: bool,
    pub(super) deletion_protection: bool,
    pub(super) copy_tags: bool,
    pub(super) iam_authentication: bool,
    pub(super) logs: Vec<String>,
    pub(super) certificate: String,
    /// Days that the data of Performance Insights is kept, while it is on.
    pub(super) insights: Option<i64>,
    /// Whether Database Insights is in its Advanced mode.
    pub(super) insights_advanced: bool,
    pub(super) tags: Tags,
    /// When its creation ended; only then it has an endpoint.
    pub(super) created: Option<Timestamp>,
    /// What waits for the maintenance window or is being applied, with the
    /// member names of `PendingModifiedValues`; the password as its digest.
    pub(super) pending: Map<String, Value>,
    pub(super) pending_since: Timestamp,
    /// The states ahead, the present one first.
    pub(super) steps: VecDeque<Step>,
    /// The state that lasts until something is asked.
    pub(super) resting: String,
    /// Since when it rests.
    pub(super) idle_since: Timestamp,
    pub(super) optimizing_until: Option<Timestamp>,
    /// Until when the storage cannot be changed again, though it serves.
    pub(super) storage_rests_until: Option<Timestamp>,
    pub(super) starts_itself: Option<Timestamp>,
    pub(super) upgrades_fail: bool,
}

/// A state that ends by itself.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) status: &'static str,
    pub(super) until: Timestamp,
    pub(super) then: Effect,
}

/// What happens when a state ends.
#[derive(Clone, Debug)]
pub(super) enum Effect {
    Nothing,
    Created,
    BackedUp,
    Rebooted,
    Stopped,
    Deleted,
    /// These of the pending values hold now.
    Applied(Vec<String>),
}

/// What the region must do after an instance has moved.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    Deleted,
    Renamed(String),
    BackedUp(Timestamp),
}

impl Instance {
    pub(super) fn status(&self, now: Timestamp) -> &str {
        match self.steps.front() {
            Some(step) => step.status,
            None if self.resting == "available" && self.is_optimizing(now) => "storage-optimization",
            None => &self.resting,
        }
    }

    pub(super) fn is_optimizing(&self, now: Timestamp) -> bool {
        self.optimizing_until.is_some_and(|until| now < until)
    }

    /// Fails unless the instance is in one of these states.
    pub(super) fn must_be(&self, allowed: &[&str], now: Timestamp) -> Result<(), AwsError> {
        let status = self.status(now);
        if allowed.contains(&status) {
            return Ok(());
        }
        Err(AwsError::new(
            "InvalidDBInstanceState",
            format!("Instance {} is not in {} state: it is {status}.", self.identifier, allowed.join(" or ")),
        ))
    }

    /// Adds a state after those ahead.
    pub(super) fn then(&mut self, status: &'static str, from: Timestamp, lasts: Duration, then: Effect) {
        let from = self.steps.back().map_or(from, |step| step.until);
        self.steps.push_back(Step { status, until: after(from, lasts), then });
    }

    pub(super) fn start_backup(&mut self, from: Timestamp, lasts: Duration) {
        self.then("backing-up", from, lasts, Effect::BackedUp);
    }

    pub(super) fn rest_in(&mut self, status: &str, now: Timestamp) {
        self.steps.clear();
        status.clone_into(&mut self.resting);
        self.idle_since = now;
        self.starts_itself = None;
    }

    /// Starts to apply these pending values.
    pub(super) fn apply(&mut self, names: Vec<String>, from: Timestamp, durations: &Durations) {
        let has = |name: &str| names.iter().any(|other| other == name);
        let (status, lasts) = if has("EngineVersion") {
            ("upgrading", durations.upgrade_db_instance)
        } else if has("DBInstanceIdentifier") {
            ("renaming", durations.rename_db_instance)
        } else if names == ["MasterUserPassword"] {
            ("resetting-master-credentials", durations.modify_db_instance)
        } else if names == [LOG_EXPORTS] {
            ("configuring-log-exports", durations.modify_db_instance)
        } else {
            ("modifying", durations.modify_db_instance)
        };
        self.then("available", from, durations.notice_modification, Effect::Nothing);
        self.then(status, from, lasts, Effect::Applied(names));
    }

    /// Moves on to `now`, through every state between.
    pub(super) fn tick(&mut self, now: Timestamp, durations: &Durations) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            if self.steps.front().is_some_and(|step| step.until <= now) {
                let Some(step) = self.steps.pop_front() else { break };
                self.idle_since = step.until;
                self.end_of(step, durations, &mut events);
            } else if self.steps.is_empty() {
                let Some(from) = self.starts_next(now) else { break };
                if self.resting == "stopped" {
                    self.start(from, durations);
                } else {
                    let names = self.pending.keys().cloned().collect();
                    self.apply(names, from, durations);
                }
            } else {
                break;
            }
        }
        events
    }

    /// Since when something should be going on that no one has asked for now:
    /// the maintenance window, or the end of a stopped instance's seven days.
    fn starts_next(&self, now: Timestamp) -> Option<Timestamp> {
        let due = match self.resting.as_str() {
            "stopped" => self.starts_itself?,
            "available" if !self.pending.is_empty() => {
                let opened = windows::opens(&self.maintenance_window, self.pending_since);
                if opened >= self.idle_since {
                    opened
                } else {
                    windows::opens(&self.maintenance_window, self.idle_since)
                }
            }
            _ => return None,
        };
        (due <= now).then_some(due)
    }

    pub(super) fn start(&mut self, from: Timestamp, durations: &Durations) {
        "available".clone_into(&mut self.resting);
        self.starts_itself = None;
        self.then("starting", from, durations.start_db_instance, Effect::Rebooted);
    }

    fn end_of(&mut self, step: Step, durations: &Durations, events: &mut Vec<Event>) {
        let at = step.until;
        match step.then {
            Effect::Nothing => {}
            Effect::Created => self.created = Some(at),
            Effect::BackedUp => events.push(Event::BackedUp(at)),
            Effect::Rebooted => self.parameters = ParameterState::default(),
            Effect::Stopped => {
                "stopped".clone_into(&mut self.resting);
                self.starts_itself = Some(after(at, STOPPED_AT_MOST));
            }
            Effect::Deleted => events.push(Event::Deleted),
            Effect::Applied(names) => {
                for name in names {
                    if let Some(value) = self.pending.remove(&name) {
                        self.hold(&name, &value, at, durations, events);
                    }
                }
            }
        }
    }

    /// A pending value holds from now on.
    fn hold(&mut self, name: &str, value: &Value, at: Timestamp, durations: &Durations, events: &mut Vec<Event>) {
        let text = || value.as_str().unwrap_or_default().to_owned();
        let number = value.as_i64();
        match name {
            "DBInstanceClass" => self.class = text(),
            "EngineVersion" if self.upgrades_fail => {}
            "EngineVersion" => {
                let family = catalog::family(&self.engine_version);
                self.engine_version = text();
                let new = catalog::family(&self.engine_version);
                if self.parameter_group == format!("default.{family}") {
                    self.parameter_group = format!("default.{new}");
                }
                // An upgrade restarts the instance.
                self.parameters = ParameterState::default();
            }
            "MultiAZ" => self.multi_az = value.as_bool().unwrap_or_default(),
            "MasterUserPassword" => self.password_digest = text(),
            "BackupRetentionPeriod" => {
                let before = std::mem::replace(&mut self.retention, number.unwrap_or_default());
                if before == 0 && self.retention > 0 {
                    self.start_backup(at, durations.backup_db_instance);
                }
            }
            "Port" => self.port = number.unwrap_or(self.port),
            "CACertificateIdentifier" => self.certificate = text(),
            LOG_EXPORTS => {
                let logs = |name: &str| value[name].as_array().cloned().unwrap_or_default();
                self.logs.retain(|log| !logs("LogTypesToDisable").iter().any(|off| off == log));
                self.logs.extend(logs("LogTypesToEnable").iter().filter_map(|log| log.as_str().map(str::to_owned)));
            }
            "DBInstanceIdentifier" => events.push(Event::Renamed(text())),
            "AllocatedStorage" | "StorageType" | "Iops" | "StorageThroughput" => {
                match name {
                    "AllocatedStorage" => {
                        self.storage.allocated = number.unwrap_or(self.storage.allocated);
                        if self.resting == "storage-full" {
                            "available".clone_into(&mut self.resting);
                        }
                    }
                    "StorageType" => {
                        self.storage.kind = text();
                        // Only gp3 and the provisioned kinds have figures.
                        self.storage.throughput = self.storage.throughput.filter(|_| self.storage.kind == "gp3");
                        self.storage.iops = self.storage.iops.filter(|_| self.storage.kind != "gp2");
                    }
                    "Iops" => self.storage.iops = number,
                    _ => self.storage.throughput = number,
                }
                self.optimizing_until = Some(after(at, durations.optimize_storage));
                self.storage_rests_until = Some(after(at, durations.rest_storage));
            }
            other => unreachable!("modify puts no {other} among the pending values"),
        }
    }

    /// As `DescribeDBInstances` shows it:
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DBInstance.html>
    pub(super) fn show(&self, call: &Call<'_>, subnet_group: &Value) -> Value {
        let mut shown = json!({
            "DBInstanceIdentifier": self.identifier,
            "DBInstanceArn": self.arn(call),
            "DbiResourceId": self.resource_id,
            "DBInstanceClass": self.class,
            "DBInstanceStatus": self.status(call.now),
            "Engine": self.engine,
            "EngineVersion": self.engine_version,
            "EngineLifecycleSupport": "open-source-rds-extended-support",
            "LicenseModel": "postgresql-license",
            "MasterUsername": self.master_username,
            "AllocatedStorage": self.storage.allocated,
            "StorageType": self.storage.kind,
            "StorageEncrypted": self.kms_key.is_some(),
            "StorageThroughput": self.storage.throughput.unwrap_or(0),
            "DedicatedLogVolume": false,
            "MultiAZ": self.multi_az,
            "PubliclyAccessible": self.public,
            "DBSubnetGroup": subnet_group,
            "NetworkType": "IPV4",
            "DbInstancePort": 0,
            "DBSecurityGroups": [],
            "VpcSecurityGroups": self.security_groups.iter()
                .map(|id| json!({"VpcSecurityGroupId": id, "Status": "active"})).collect::<Value>(),
            "DBParameterGroups": [{
                "DBParameterGroupName": self.parameter_group,
                "ParameterApplyStatus": self.parameters.status(call.now),
            }],
            "OptionGroupMemberships": [{
                "OptionGroupName": format!("default:postgres-{}", catalog::parts(&self.engine_version).0),
                "Status": "in-sync",
            }],
            "BackupRetentionPeriod": self.retention,
            "PreferredBackupWindow": self.backup_window,
            "PreferredMaintenanceWindow": self.maintenance_window,
            "BackupTarget": "region",
            "AutoMinorVersionUpgrade": self.auto_minor_upgrade,
            "DeletionProtection": self.deletion_protection,
            "CopyTagsToSnapshot": self.copy_tags,
            "IAMDatabaseAuthenticationEnabled": self.iam_authentication,
            "MonitoringInterval": 0,
            "PerformanceInsightsEnabled": self.insights.is_some(),
            "DatabaseInsightsMode": if self.insights_advanced { "advanced" } else { "standard" },
            "CustomerOwnedIpEnabled": false,
            "CACertificateIdentifier": self.certificate,
            "CertificateDetails": {"CAIdentifier": self.certificate},
            "ReadReplicaDBInstanceIdentifiers": [],
            "DomainMemberships": [],
            "AssociatedRoles": [],
            "TagList": tag_list(&self.tags),
            "PendingModifiedValues": self.shown_pending(),
        });
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                shown[name] = value;
            }
        };
        set("DBName", self.database.clone().map(Value::from));
        set("Iops", self.storage.iops.map(Value::from));
        set("MaxAllocatedStorage", self.max_storage.map(Value::from));
        set("PerformanceInsightsRetentionPeriod", self.insights.map(Value::from));
        // Without a key it is the account's `aws/rds` key too.
        set("PerformanceInsightsKMSKeyId", self.insights.map(|_| call.managed_key("rds").into()));
        set("KmsKeyId", self.kms_key.clone().map(Value::from));
        set("EnabledCloudwatchLogsExports", (!self.logs.is_empty()).then(|| json!(self.logs)));
        set("InstanceCreateTime", self.created.map(|time| time.to_string().into()));
        set("Endpoint", self.created.map(|_| self.endpoint(call)));
        set("AvailabilityZone", self.created.map(|_| self.zone.clone().into()));
        set("SecondaryAvailabilityZone", self.multi_az.then(|| format!("{}b", call.region).into()));
        set("AutomaticRestartTime", self.starts_itself.map(|time| time.to_string().into()));
        set("LatestRestorableTime", self.latest_restorable(call.now).map(|time| time.to_string().into()));
        shown
    }

    fn shown_pending(&self) -> Value {
        let mut pending = self.pending.clone();
        if let Some(password) = pending.get_mut("MasterUserPassword") {
            *password = "****".into();
        }
        Value::Object(pending)
    }

    fn endpoint(&self, call: &Call<'_>) -> Value {
        let of_account = &digest(&format!("{}/{}", call.account, call.region))[..12];
        let suffix = if call.partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
        json!({
            "Address": format!("{}.c{of_account}.{}.rds.{suffix}", self.identifier, call.region),
            "Port": self.port,
            "HostedZoneId": "Z2R2ITUGPM61AM",
        })
    }

    /// Transaction logs go to S3 every five minutes:
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIT.html>
    pub(super) fn latest_restorable(&self, now: Timestamp) -> Option<Timestamp> {
        let created = self.created.filter(|_| self.retention > 0)?;
        let latest = Timestamp::from_second(now.as_second().div_euclid(300) * 300).ok()?;
        (latest > created).then_some(latest)
    }

    pub(super) fn arn(&self, call: &Call<'_>) -> String {
        call.arn("rds", &format!("db:{}", self.identifier))
    }
}
