//! The deletion of a database, through the same function as its creation (rules 2 and 6).

use super::{
    Changes, Step, Wanted,
    credentials::release_secret,
    parameters::{group_is_ours, untag_group},
    state::{Serves, serves},
};
use crate::{
    database::{Instance, Seen},
    decision::{Decision, Encrypted, Facts, Presence},
    ownership::{Claim, claim, owner_keys},
    snapshot,
    spec::DeletionPolicy,
};

/// Statuses in which AWS accepts a deletion.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBInstance.html>
const DELETABLE: &[&str] = &[
    "available",
    "storage-full",
    "stopped",
    "failed",
    "incompatible-parameters",
    "incompatible-restore",
    "incompatible-network",
];
/// Those of them in which it makes no final snapshot.
const NO_FINAL_SNAPSHOT: &[&str] = &["failed", "incompatible-restore", "incompatible-network"];

/// The instance is there and ours.
pub(super) fn remove(wanted: &Wanted<'_>, seen: &Seen, instance: &Instance, policy: DeletionPolicy) -> Decision<Step> {
    let (name, status) = (wanted.identifier, instance.status.as_str());
    if policy == DeletionPolicy::Retain {
        return retain(wanted, seen, instance);
    }
    if status == "deleting" {
        return Decision::deleting(format!("AWS is deleting the database {name}"));
    }
    if let Some(held) = held(wanted, instance, policy) {
        return held;
    }
    if !DELETABLE.contains(&status) {
        return Decision::deleting(format!("the database {name} is {status}; it is deleted once AWS accepts that"));
    }
    if claim(wanted.owner, Some(&instance.tags), true) != Claim::Ours {
        // Named by id and owner tag when it is deleted: the tags are put back first.
        return Decision::deleting(format!("the owner tags of {name} are put back before it is deleted"))
            .with_steps(vec![Step::AddTags { arn: instance.arn.clone(), tags: wanted.owner.tags() }]);
    }
    if instance.deletion_protection {
        let changes = Changes { deletion_protection: Some(false), ..Changes::default() };
        return Decision::deleting(format!("deletion protection of {name} is being taken off"))
            .with_steps(vec![Step::Modify(Box::new(changes))]);
    }
    let final_snapshot = (policy == DeletionPolicy::Snapshot)
        .then(|| snapshot::next_name(name, &wanted.owner.uid, &seen.final_snapshots));
    let message = match &final_snapshot {
        Some(snapshot) => format!("the database {name} is being deleted, with the final snapshot {snapshot}"),
        None => format!(
            "the database {name} is being deleted without a final snapshot; its automated backups are kept for their retention time \
             (aws rds describe-db-instance-automated-backups --db-instance-identifier {name})"
        ),
    };
    Decision::deleting(message).with_steps(vec![Step::Delete { final_snapshot }])
}

/// Nothing is deleted: the owner tags go, and the Secret outlives the object.
fn retain(wanted: &Wanted<'_>, seen: &Seen, instance: &Instance) -> Decision<Step> {
    let name = wanted.identifier;
    let mut steps: Vec<_> =
        release_secret(wanted, seen, instance).into_iter().chain(untag_group(wanted, seen)).collect();
    let keys = owner_keys(&instance.tags);
    if !keys.is_empty() {
        steps.push(Step::RemoveTags { arn: instance.arn.clone(), keys });
    }
    if steps.is_empty() {
        return Decision::release(format!("the database {name} is retained in AWS; its owner tags are off"));
    }
    Decision::deleting(format!("the database {name} is retained; its owner tags are being taken off")).with_steps(steps)
}

/// What holds the deletion until a human acts.
fn held(wanted: &Wanted<'_>, instance: &Instance, policy: DeletionPolicy) -> Option<Decision<Step>> {
    let (name, status) = (wanted.identifier, instance.status.as_str());
    if wanted.spec.deletion_protection {
        let message = format!(
            "the database {name} is not deleted: deletionProtection is true. Set spec.deletionProtection to false to delete it, \
             or deletionPolicy to Retain to keep it in AWS"
        );
        return Some(Decision::stalled("DeletionProtected", message));
    }
    if policy == DeletionPolicy::Snapshot && NO_FINAL_SNAPSHOT.contains(&status) {
        let message = format!(
            "the database {name} is {status}, and AWS makes no final snapshot of it then. Set deletionPolicy to Delete to delete it \
             without one (its automated backups are kept), or to Retain to keep it in AWS"
        );
        return Some(Decision::stalled("SnapshotImpossible", message));
    }
    let Serves::Human(reason, way_out) = serves(status) else { return None };
    if !DELETABLE.contains(&status) {
        let message = format!(
            "the deletion of {name} waits: the instance is {status}, and AWS does not delete it then: {way_out}. \
             Or set deletionPolicy to Retain to keep it in AWS"
        );
        return Some(Decision::stalled(reason, message));
    }
    // <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html>
    instance.deletion_protection.then(|| {
        // Nothing of the spec but its policies counts any more.
        let way_out = match status {
            "storage-full" => "give it more storage: aws rds modify-db-instance --allocated-storage",
            _ => way_out,
        };
        let message = format!(
            "the deletion of {name} waits: AWS's deletion protection is on, and AWS takes it off only while the instance is \
             available; now it is {status}: {way_out}. Or set deletionPolicy to Retain to keep it in AWS"
        );
        Decision::stalled("DeletionProtected", message)
    })
}

/// AWS no longer has the instance and the object is being deleted: the final snapshot is verified before the
/// finalizer goes, and the parameter group goes with the store.
pub(super) fn gone(wanted: &Wanted<'_>, seen: &Seen) -> Decision<Step> {
    // While a deletion is verified, the "not found" that was believed stays believed.
    let waits = |mut decision: Decision<Step>| {
        decision.facts.not_found_since = wanted.status.not_found_since;
        decision
    };
    let id = wanted.pin.and_then(|pin| pin.id.as_deref());
    if wanted.presence == Presence::Absent(DeletionPolicy::Snapshot)
        && wanted.existed()
        && let Err(verdict) = snapshot::verify(wanted.identifier, id, &seen.final_snapshots)
    {
        return waits(Decision::rest(verdict, Encrypted::Unknown, Facts::default()));
    }
    if wanted.presence == Presence::Absent(DeletionPolicy::Retain) {
        // Retain deletes nothing, the parameter group neither.
        if let Some(step) = untag_group(wanted, seen) {
            let message = format!("the owner tags of the parameter group of {} are being taken off", wanted.identifier);
            return waits(Decision::deleting(message)).with_steps(vec![step]);
        }
        return Decision::release(format!("the database {} is gone", wanted.identifier));
    }
    if let Some(group) = seen.own_group.as_ref().filter(|group| group_is_ours(wanted, group)) {
        return waits(Decision::deleting(format!("the parameter group {} is being deleted", group.name)))
            .with_steps(vec![Step::DeleteParameterGroup { name: group.name.clone() }]);
    }
    Decision::release(format!("the database {} is gone", wanted.identifier))
}
