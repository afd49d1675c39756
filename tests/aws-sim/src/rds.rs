//! RDS: PostgreSQL instances, their snapshots, parameter and subnet groups.
//!
//! Behaviour only, after AWS's API reference and user guide:
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/Welcome.html>,
//! <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html>
//! (the statuses). Each rule names its own page where it stands.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::call::Call;
use crate::clock::after;
use crate::durations::Durations;
use crate::error::AwsError;

mod automated_backups;
mod catalog;
mod create;
mod describe;
mod instance;
mod lifecycle;
mod modify;
mod parameter_groups;
mod parameters;
mod rules;
mod snapshots;
mod storage;
mod subnet_groups;
mod tags;
#[cfg(test)]
mod tests;
mod windows;

use automated_backups::Retained;
use instance::{Event, Instance};
use parameter_groups::ParameterGroup;
use snapshots::Snapshot;
use subnet_groups::SubnetGroup;

/// What most operations answer.
type Answer = Result<Value, AwsError>;

/// An account's databases in all regions.
#[derive(Debug)]
pub struct Rds {
    regions: BTreeMap<String, Region>,
    /// How many instances were ever made, so that no two share an id.
    made: u64,
    instance_quota: usize,
    /// As of the last tick, for the back doors.
    now: Timestamp,
    durations: Durations,
}

impl Default for Rds {
    fn default() -> Self {
        Self {
            regions: BTreeMap::new(),
            made: 0,
            // https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html
            instance_quota: 40,
            now: Timestamp::UNIX_EPOCH,
            durations: Durations::default(),
        }
    }
}

/// What an account has in one region, by identifier.
#[derive(Debug, Default)]
struct Region {
    instances: BTreeMap<String, Instance>,
    snapshots: BTreeMap<String, Snapshot>,
    retained: Vec<Retained>,
    parameter_groups: BTreeMap<String, ParameterGroup>,
    subnet_groups: BTreeMap<String, SubnetGroup>,
}

impl Rds {
    /// Answers one request.
    pub fn call(&mut self, call: &Call<'_>) -> Answer {
        self.tick(call.now, call.durations);
        if call.operation == "CreateDBInstance" {
            return self.create_db_instance(call);
        }
        let region = self.regions.entry(call.region.to_owned()).or_default();
        match call.operation {
            "DescribeDBInstances" => region.describe_db_instances(call),
            "ModifyDBInstance" => region.modify_db_instance(call),
            "DeleteDBInstance" => region.delete_db_instance(call),
            "RebootDBInstance" => region.reboot_db_instance(call),
            "StartDBInstance" => region.start_db_instance(call),
            "StopDBInstance" => region.stop_db_instance(call),
            "AddTagsToResource" => region.add_tags_to_resource(call),
            "RemoveTagsFromResource" => region.remove_tags_from_resource(call),
            "ListTagsForResource" => region.list_tags_for_resource(call),
            "CreateDBSnapshot" => region.create_db_snapshot(call),
            "DescribeDBSnapshots" => region.describe_db_snapshots(call),
            "DeleteDBSnapshot" => region.delete_db_snapshot(call),
            "CreateDBParameterGroup" => region.create_db_parameter_group(call),
            "DescribeDBParameterGroups" => region.describe_db_parameter_groups(call),
            "DeleteDBParameterGroup" => region.delete_db_parameter_group(call),
            "ModifyDBParameterGroup" => region.modify_db_parameter_group(call),
            "ResetDBParameterGroup" => region.reset_db_parameter_group(call),
            "DescribeDBParameters" => region.describe_db_parameters(call),
            "CreateDBSubnetGroup" => region.create_db_subnet_group(call),
            "DescribeDBSubnetGroups" => region.describe_db_subnet_groups(call),
            "DeleteDBSubnetGroup" => region.delete_db_subnet_group(call),
            "DeleteDBInstanceAutomatedBackup" => region.delete_automated_backup(call),
            "DescribeDBInstanceAutomatedBackups" => region.describe_automated_backups(call),
            other => Err(AwsError::not_implemented(format!("rds:{other}"))),
        }
    }

    /// Moves everything whose time has come.
    pub fn tick(&mut self, now: Timestamp, durations: &Durations) {
        self.now = now;
        self.durations = durations.clone();
        for region in self.regions.values_mut() {
            region.tick(now, durations);
        }
    }

    fn create_db_instance(&mut self, call: &Call<'_>) -> Answer {
        let (quota, made) = (self.instance_quota, self.made);
        let region = self.regions.entry(call.region.to_owned()).or_default();
        let answer = region.create_db_instance(call, quota, made)?;
        self.made += 1;
        Ok(answer)
    }
}

/// Back doors: what AWS does by itself, or what people do behind one's back.
/// All act on the instance as of the last tick, and panic if there is none of
/// that identifier: a test has misspelt it.
impl Rds {
    /// Starts an automated backup: `backing-up` for a while, then an automated
    /// snapshot, as happens every night in the backup window.
    pub fn start_backup(&mut self, region: &str, identifier: &str) {
        let (now, lasts) = (self.now, self.durations.backup_db_instance);
        self.instance(region, identifier).start_backup(now, lasts);
    }

    /// Starts a storage optimisation: `storage-optimization` for hours, in
    /// which the storage cannot be changed.
    pub fn start_storage_optimization(&mut self, region: &str, identifier: &str) {
        let until = after(self.now, self.durations.optimize_storage);
        self.instance(region, identifier).optimizing_until = Some(until);
    }

    /// Puts an instance into a status in which it stays until told otherwise,
    /// such as `storage-full`, `failed` or `inaccessible-encryption-credentials`.
    pub fn set_status(&mut self, region: &str, identifier: &str, status: &str) {
        let now = self.now;
        self.instance(region, identifier).rest_in(status, now);
    }

    /// Deletes an instance at once, as if someone had done so some time ago.
    pub fn drop_instance(&mut self, region: &str, identifier: &str) {
        let id = self.instance(region, identifier).resource_id.clone();
        let region = self.regions.entry(region.to_owned()).or_default();
        region.instances.remove(identifier);
        region.drop_automated_snapshots(&id);
    }

    /// Makes an available instance that is not encrypted and has no tags, as
    /// people have them from before.
    pub fn add_unencrypted(&mut self, account: &str, region: &str, identifier: &str) {
        let parameters = json!({
            "DBInstanceIdentifier": identifier,
            "DBInstanceClass": "db.t3.micro",
            "Engine": "postgres",
            "EngineVersion": "16",
            "AllocatedStorage": 20,
            "MasterUsername": "postgres",
            "MasterUserPassword": "from-before",
            "BackupRetentionPeriod": 0,
        });
        let durations = Durations { create_db_instance: Duration::ZERO, ..self.durations.clone() };
        let call = Call {
            operation: "CreateDBInstance",
            parameters: &parameters,
            now: self.now,
            account,
            region,
            partition: crate::call::partition_of(region),
            durations: &durations,
            endpoint: "",
            keys: &crate::call::NoKeys,
        };
        let made = self.create_db_instance(&call);
        debug_assert!(made.is_ok(), "{identifier} cannot be made: {made:?}");
        let (now, durations) = (self.now, self.durations.clone());
        self.tick(now, &durations);
    }

    /// Changes what AWS sets at creation and no call changes: `Engine`, `MasterUsername`, `DBName` or `DBSubnetGroupName`.
    ///
    /// # Panics
    ///
    /// If the member is another.
    pub fn set_unchangeable(&mut self, region: &str, identifier: &str, member: &str, value: &str) {
        let instance = self.instance(region, identifier);
        match member {
            "Engine" => value.clone_into(&mut instance.engine),
            "MasterUsername" => value.clone_into(&mut instance.master_username),
            "DBName" => instance.database = Some(value.to_owned()),
            "DBSubnetGroupName" => value.clone_into(&mut instance.subnet_group),
            other => panic!("{other} can be changed, or is not known"),
        }
    }

    /// Sets the storage, as storage autoscaling grows it.
    pub fn grow_storage(&mut self, region: &str, identifier: &str, gib: i64) {
        self.instance(region, identifier).storage.allocated = gib;
    }

    /// Installs another engine version, as automatic minor upgrades do.
    pub fn set_engine_version(&mut self, region: &str, identifier: &str, version: &str) {
        version.clone_into(&mut self.instance(region, identifier).engine_version);
    }

    /// Lets upgrades of an instance fail: it is `upgrading` for a while, and then what it was. What pre-upgrade checks find
    /// shows in events and logs only:
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_UpgradeDBInstance.PostgreSQL.MajorVersion.Process.html>
    pub fn let_upgrades_fail(&mut self, region: &str, identifier: &str, fail: bool) {
        self.instance(region, identifier).upgrades_fail = fail;
    }

    /// SHA-256 in hex of the master password that holds now.
    pub fn master_password_digest(&self, region: &str, identifier: &str) -> Option<String> {
        let instance = self.regions.get(region)?.instances.get(identifier)?;
        Some(instance.password_digest.clone())
    }

    /// The status of an instance; none if there is no such instance.
    pub fn status(&self, region: &str, identifier: &str) -> Option<String> {
        let instance = self.regions.get(region)?.instances.get(identifier)?;
        Some(instance.status(self.now).to_owned())
    }

    /// How many instances each region may have: 40 unless set.
    pub fn set_instance_quota(&mut self, instances: usize) {
        self.instance_quota = instances;
    }

    fn instance(&mut self, region: &str, identifier: &str) -> &mut Instance {
        self.regions
            .get_mut(region)
            .and_then(|region| region.instances.get_mut(identifier))
            .unwrap_or_else(|| panic!("no instance {identifier} in {region}"))
    }
}

impl Region {
    fn tick(&mut self, now: Timestamp, durations: &Durations) {
        let mut events = Vec::new();
        for (identifier, instance) in &mut self.instances {
            for event in instance.tick(now, durations) {
                events.push((identifier.clone(), event));
            }
        }
        for (identifier, event) in events {
            match event {
                Event::Deleted => {
                    if let Some(gone) = self.instances.remove(&identifier) {
                        self.drop_automated_snapshots(&gone.resource_id);
                    }
                }
                Event::Renamed(name) => {
                    if let Some(mut instance) = self.instances.remove(&identifier) {
                        instance.identifier.clone_from(&name);
                        self.instances.insert(name, instance);
                    }
                }
                Event::BackedUp(at) => self.keep_automated_snapshot(&identifier, at),
            }
        }
    }

    /// The instance that a request names, by identifier or ARN.
    fn named(&mut self, call: &Call<'_>) -> Result<&mut Instance, AwsError> {
        let name = rules::identifier_of(call.text("DBInstanceIdentifier").unwrap_or_default());
        self.instances.get_mut(&name).ok_or_else(|| not_found(&name))
    }
}

fn not_found(identifier: &str) -> AwsError {
    AwsError::new("DBInstanceNotFound", format!("DBInstance {identifier} not found."))
}
