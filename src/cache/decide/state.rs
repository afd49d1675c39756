//! What AWS's answers about a group come to: whether it serves, and how it is encrypted.

use super::{Wanted, logs};
use crate::{
    cache::Group,
    decision::{Encrypted, Verdict},
    error::{Note, note},
    status::{AtRest, EncryptionStatus, InTransit, ResourceStatus},
};

/// Ready while it serves: `available`, `snapshotting` and `modifying` take nothing away.
///
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_ReplicationGroup.html>
pub(super) fn verdict(wanted: &Wanted<'_>, group: &Group, encrypted: &Encrypted) -> Verdict {
    let status = group.status.as_str();
    match status {
        "create-failed" => Verdict::Stalled(create_failed(wanted)),
        "creating" => Verdict::Working(note("Creating", "AWS is creating the group")),
        "deleting" => Verdict::Working(note("AWSAtWork", "the group is deleting")),
        "available" if !group.nodes_available => {
            Verdict::Working(note("AWSAtWork", "not every node of the group is available"))
        }
        "available" | "snapshotting" | "modifying" => match encrypted {
            Encrypted::No(why) => Verdict::Stalled(why.clone()),
            _ => Verdict::Ready(note("Available", "the cache serves, encrypted at rest and in transit")),
        },
        other => Verdict::Working(note(
            "UnknownStatus",
            format!("AWS answers the status {other}, which the operator does not know; it waits"),
        )),
    }
}

/// What AWS is at work on while the group serves: a change that somebody waits for. A nightly snapshot is not said.
pub(super) fn at_work(group: &Group) -> Option<Note> {
    let message = match (group.status.as_str(), group.failover.as_str()) {
        ("modifying", _) => "the group is modifying".to_owned(),
        (_, failover @ ("enabling" | "disabling")) => format!("automatic failover is {failover}"),
        _ if group.members.is_empty() => "AWS does not list the members of the group yet".to_owned(),
        _ => logs::at_work(group)?,
    };
    Some(note("AWSAtWork", message))
}

pub(super) fn create_failed(wanted: &Wanted<'_>) -> Note {
    note(
        "CreateFailed",
        format!(
            "AWS failed to create the group: look at aws elasticache describe-events, delete it (aws elasticache \
             delete-replication-group --replication-group-id {}), then delete this object and apply it again",
            wanted.identifier
        ),
    )
}

pub(super) fn resource(wanted: &Wanted<'_>, group: &Group) -> ResourceStatus {
    // A nightly snapshot takes nothing away, so it is not worth a status write.
    let status = if group.status == "snapshotting" { "available" } else { &group.status };
    ResourceStatus {
        arn: group.arn.clone(),
        identifier: wanted.identifier.to_owned(),
        member: group.members.first().cloned(),
        region: wanted.place.region.clone(),
        account_id: wanted.place.account_id.clone(),
        status: status.to_owned(),
    }
}

pub(super) fn in_transit(group: &Group) -> &str {
    if !group.in_transit {
        return "off";
    }
    // A group that answers no mode was made before there was one, and requires TLS.
    group.in_transit_mode.as_deref().unwrap_or("required")
}

pub(super) fn encrypted(group: &Group) -> Encrypted {
    if in_transit(group) != "required" {
        return Encrypted::No(note(
            "NotInTransit",
            format!("TLS is {}: connections without it are accepted", in_transit(group)),
        ));
    }
    let (reason, whose) = match group.kms_key {
        None => ("AWSOwnedKey", "ElastiCache's own key"),
        Some(_) => ("CustomerManagedKey", "a KMS key"),
    };
    Encrypted::Yes(note(reason, format!("encrypted at rest with {whose}; connections without TLS are refused")))
}

pub(super) fn not_at_rest() -> Note {
    note(
        "NotAtRest",
        "the group of this name is not encrypted at rest, and AWS cannot encrypt an existing group; it is never taken over. Restore a \
         snapshot of it into an encrypted group, or choose another identifier",
    )
}

pub(super) fn encryption(group: &Group) -> EncryptionStatus {
    let key_management = match (group.at_rest, &group.kms_key) {
        (false, _) => "None",
        (true, None) => "AWSOwnedKey",
        (true, Some(_)) => "CustomerManagedKey",
    };
    EncryptionStatus {
        at_rest: AtRest {
            algorithm: if group.at_rest { "AES256" } else { "None" }.into(),
            key_management: key_management.into(),
            key_arn: group.kms_key.clone(),
        },
        in_transit: InTransit {
            enforced: in_transit(group) == "required",
            by: "TransitEncryptionMode required".into(),
        },
        backups: Some("encrypted with the group's key".into()),
    }
}
