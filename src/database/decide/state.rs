//! What AWS's answers about an instance come to: whether it serves, and how it is encrypted.

use super::{Wanted, fields::major};
use crate::{
    database::{Instance, Seen},
    decision::{Encrypted, Verdict},
    error::{Note, note},
    status::{AtRest, EncryptionStatus, InTransit, ResourceStatus},
};

/// What an instance status means for us.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Serves {
    Yes,
    Waits,
    Human(&'static str, &'static str),
    Unknown,
}

pub(super) fn serves(status: &str) -> Serves {
    match status {
        "available"
        | "backing-up"
        | "modifying"
        | "storage-optimization"
        | "storage-initialization"
        | "storage-config-upgrade"
        | "resetting-master-credentials" => Serves::Yes,
        "creating" | "rebooting" | "renaming" | "starting" | "stopping" | "upgrading" | "maintenance"
        | "moving-to-vpc" | "deleting" | "delete-precheck" => Serves::Waits,
        "stopped" => Serves::Human(
            "Stopped",
            "somebody stopped it; start it with: aws rds start-db-instance. AWS starts it by itself after 7 days",
        ),
        "failed" => Serves::Human(
            "Failed",
            "AWS cannot recover it: restore its newest snapshot or automated backup under another identifier",
        ),
        "storage-full" => Serves::Human("StorageFull", "it has no storage left: raise spec.storage.sizeGiB"),
        "insufficient-capacity" => Serves::Human(
            "InsufficientCapacity",
            "AWS has no room for this class now: choose another instanceClass, or wait",
        ),
        "restore-error" => {
            Serves::Human("RestoreError", "the restore failed: look at its events (aws rds describe-events)")
        }
        "inaccessible-encryption-credentials" | "inaccessible-encryption-credentials-recoverable" => Serves::Human(
            "KeyNotAccessible",
            "AWS cannot use its encryption key: enable the key or restore its grant, then start the instance within 7 days",
        ),
        status if status.starts_with("incompatible-") => Serves::Human(
            "Incompatible",
            "its network, parameters, options or restore do not fit: look at its events (aws rds describe-events)",
        ),
        status if status.starts_with("configuring-") => Serves::Yes,
        _ => Serves::Unknown,
    }
}

pub(super) fn verdict(instance: &Instance, encrypted: &Encrypted) -> Verdict {
    let status = &instance.status;
    match (serves(status), encrypted) {
        (Serves::Human(reason, way_out), _) => {
            Verdict::Stalled(note(reason, format!("the instance is {status}: {way_out}")))
        }
        (Serves::Waits, _) if status == "creating" => {
            Verdict::Working(note("Creating", "AWS is creating the instance"))
        }
        (Serves::Waits, _) => Verdict::Working(note("AWSAtWork", format!("the instance is {status}"))),
        (Serves::Unknown, _) => Verdict::Working(note(
            "UnknownStatus",
            format!("AWS answers the status {status}, which the operator does not know; it waits"),
        )),
        (Serves::Yes, Encrypted::No(why)) => Verdict::Stalled(why.clone()),
        (Serves::Yes, _) => Verdict::Ready(note("Available", "the database serves, encrypted at rest and in transit")),
    }
}

/// What AWS is at work on while the instance serves: a change that somebody waits for. Background work is not said.
pub(super) fn at_work(instance: &Instance) -> Option<Note> {
    let status = instance.status.as_str();
    let changes = ["modifying", "resetting-master-credentials"].contains(&status) || status.starts_with("configuring-");
    let message = if changes {
        format!("the instance is {status}")
    } else if instance.parameter_status == "applying" {
        format!("the parameter group {} is applying", instance.parameter_group)
    } else {
        return None;
    };
    Some(note("AWSAtWork", message))
}

/// Background work takes nothing away, so it is not worth a status write every night.
fn resource_status(status: &str) -> &str {
    match status {
        "backing-up" | "storage-optimization" | "storage-initialization" | "storage-config-upgrade" => "available",
        other => other,
    }
}

pub(super) fn resource(wanted: &Wanted<'_>, instance: &Instance) -> ResourceStatus {
    ResourceStatus {
        arn: instance.arn.clone(),
        identifier: wanted.identifier.to_owned(),
        member: None,
        region: wanted.place.region.clone(),
        account_id: wanted.place.account_id.clone(),
        status: resource_status(&instance.status).to_owned(),
    }
}

/// From PostgreSQL 15 on a group that does not say `rds.force_ssl` has 1.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/PostgreSQL.Concepts.General.SSL.html>
pub(super) fn tls_enforced(seen: &Seen) -> bool {
    let set = seen.used_parameters.as_ref().and_then(|parameters| parameters.get("rds.force_ssl"));
    let major = seen.instance.as_ref().map(|instance| major(&instance.engine_version));
    set.map_or(major.is_none_or(|major| major >= 15), |value| value == "1")
}

/// What enforces TLS now. A group that was just attached is used from the next reboot on; until then the one before
/// it counts.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithParamGroups.Associating.html>
fn in_transit(wanted: &Wanted<'_>, seen: &Seen, instance: &Instance) -> InTransit {
    let now = InTransit { enforced: tls_enforced(seen), by: format!("rds.force_ssl in {}", instance.parameter_group) };
    match wanted.status.encryption.as_ref().map(|before| &before.in_transit) {
        Some(before) if instance.parameter_status == "pending-reboot" && before.by != now.by => before.clone(),
        _ => now,
    }
}

pub(super) fn encrypted(wanted: &Wanted<'_>, seen: &Seen, instance: &Instance) -> Encrypted {
    if !in_transit(wanted, seen, instance).enforced {
        let message = if tls_enforced(seen) {
            format!(
                "connections without TLS are accepted until a reboot puts the parameter group {} to use",
                instance.parameter_group
            )
        } else {
            format!(
                "the parameter group {} has rds.force_ssl=0: connections without TLS are accepted",
                instance.parameter_group
            )
        };
        return Encrypted::No(note("NotInTransit", message));
    }
    Encrypted::Yes(note(
        "AWSManagedKey",
        "encrypted at rest with AWS's managed key; connections without TLS are refused",
    ))
}

pub(super) fn not_at_rest(status: &str) -> Note {
    note(
        "NotAtRest",
        format!(
            "the instance of this name ({status}) is not encrypted, and AWS cannot encrypt an existing instance; it is never taken over. \
             Copy a snapshot of it with a key and restore that, or choose another identifier"
        ),
    )
}

pub(super) fn encryption(wanted: &Wanted<'_>, seen: &Seen, instance: &Instance) -> EncryptionStatus {
    EncryptionStatus {
        at_rest: AtRest {
            algorithm: "AES256".into(),
            key_management: "AWSManagedKey".into(),
            key_arn: instance.kms_key.clone(),
        },
        in_transit: in_transit(wanted, seen, instance),
        backups: Some("encrypted with the instance's key".into()),
    }
}
