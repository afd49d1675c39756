//! Deleting, rebooting, stopping and starting an instance.

use serde_json::json;

use super::automated_backups::Retained;
use super::instance::Effect;
use super::rules::{self, combination};
use super::{Answer, Region};
use crate::call::Call;
use crate::error::AwsError;

/// In these an instance works, so that it can be rebooted, stopped, copied.
const WORKING: [&str; 2] = ["available", "storage-optimization"];
/// Statuses in which AWS takes no final snapshot.
const WITHOUT_SNAPSHOT: [&str; 4] = ["failed", "incompatible-restore", "incompatible-network", "creating"];

impl Region {
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBInstance.html>
    pub(super) fn delete_db_instance(&mut self, call: &Call<'_>) -> Answer {
        let instance = self.named(call)?.clone();
        let status = instance.status(call.now).to_owned();
        let identifier = instance.identifier.clone();
        let state = |message: String| AwsError::new("InvalidDBInstanceState", message);
        if status == "deleting" {
            return Err(state(format!("Instance {identifier} is already being deleted.")));
        }
        if instance.deletion_protection {
            return Err(combination(
                "Cannot delete protected DB Instance, please disable deletion protection and try again.",
            ));
        }
        let skip = call.flag("SkipFinalSnapshot").unwrap_or(false);
        let mut from = call.now;
        match (skip, call.text("FinalDBSnapshotIdentifier")) {
            (true, Some(_)) => {
                return Err(combination(
                    "FinalDBSnapshotIdentifier can not be specified when deleting with SkipFinalSnapshot.",
                ));
            }
            (false, None) => {
                return Err(combination(
                    "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.",
                ));
            }
            (true, None) => {}
            (false, Some(_)) if status.starts_with("inaccessible-encryption-credentials") => {
                return Err(AwsError::new(
                    "KMSKeyNotAccessibleFault",
                    format!("The key of {identifier} is not accessible: a final snapshot cannot be taken."),
                ));
            }
            (false, Some(_)) if WITHOUT_SNAPSHOT.contains(&status.as_str()) => {
                return Err(state(format!(
                    "Instance {identifier} is currently {status} - a final snapshot cannot be taken."
                )));
            }
            (false, Some(name)) => from = self.take_snapshot(call, name, &instance, &instance.tags_to_copy())?,
        }
        if call.flag("DeleteAutomatedBackups") == Some(false) && instance.retention > 0 {
            self.retained.push(Retained { instance: instance.clone(), deleted: call.now });
        }
        let instance = self.named(call)?;
        instance.steps.clear();
        instance.pending.clear();
        instance.then("deleting", from, call.durations.delete_db_instance, Effect::Deleted);
        self.shown(call)
    }

    /// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_RebootDBInstance.html>
    pub(super) fn reboot_db_instance(&mut self, call: &Call<'_>) -> Answer {
        let instance = self.named(call)?;
        instance.must_be(&WORKING, call.now)?;
        if call.flag("ForceFailover") == Some(true) {
            if !instance.multi_az {
                return Err(combination("Cannot reboot with failover: the instance is not Multi-AZ."));
            }
            instance.zone = other_zone(&instance.zone);
        }
        instance.then("rebooting", call.now, call.durations.reboot_db_instance, Effect::Rebooted);
        self.shown(call)
    }

    /// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_StopInstance.html>
    pub(super) fn stop_db_instance(&mut self, call: &Call<'_>) -> Answer {
        let instance = self.named(call)?.clone();
        instance.must_be(&WORKING, call.now)?;
        let mut from = call.now;
        if let Some(name) = call.text("DBSnapshotIdentifier") {
            from = self.take_snapshot(call, name, &instance, &instance.tags_to_copy())?;
        }
        let instance = self.named(call)?;
        instance.then("stopping", from, call.durations.stop_db_instance, Effect::Stopped);
        self.shown(call)
    }

    /// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_StartInstance.html>
    pub(super) fn start_db_instance(&mut self, call: &Call<'_>) -> Answer {
        rules::only(call, &["DBInstanceIdentifier"])?;
        let instance = self.named(call)?;
        instance.must_be(&["stopped"], call.now)?;
        instance.start(call.now, call.durations);
        self.shown(call)
    }

    /// The instance that a request names, as most operations answer it.
    fn shown(&mut self, call: &Call<'_>) -> Answer {
        let instance = self.named(call)?.clone();
        let subnet_group = self.show_subnet_group(call, &instance.subnet_group);
        Ok(json!({"DBInstance": instance.show(call, &subnet_group)}))
    }
}

fn other_zone(zone: &str) -> String {
    match zone.strip_suffix('a') {
        Some(region) => format!("{region}b"),
        None => format!("{}a", &zone[..zone.len() - 1]),
    }
}
