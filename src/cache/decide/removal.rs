//! The deletion of a cache, through the same function as its creation (rules 2 and 6).

use super::{
    Step, Wanted,
    credentials::release_secret,
    parameters::{groups_to_delete, untag_groups},
    state::encryption,
};
use crate::{
    cache::{Group, Seen},
    decision::{Decision, Encrypted, Facts, Presence},
    ownership::owner_keys,
    snapshot::{self, FinalSnapshot},
    spec::DeletionPolicy,
};

/// The group is there and ours.
pub(super) fn remove(wanted: &Wanted<'_>, seen: &Seen, group: &Group, policy: DeletionPolicy) -> Decision<Step> {
    let name = wanted.identifier;
    if group.status != "available" && group.status != "create-failed" {
        return deleting(group, format!("the cache {name} is {}; AWS accepts nothing else for it now", group.status));
    }
    if policy == DeletionPolicy::Retain {
        return retain(wanted, seen, group);
    }
    let owner_tags = wanted.owner.tags();
    if seen.tags.as_ref().is_none_or(|tags| !owner_tags.iter().all(|(key, value)| tags.get(key) == Some(value))) {
        // Named by id and owner tag when it is deleted: the tags are put back first.
        return deleting(group, format!("the owner tags of {name} are put back before it is deleted"))
            .with_steps(vec![Step::AddTags { arn: group.arn.clone(), tags: owner_tags }]);
    }
    let final_snapshot = (policy == DeletionPolicy::Snapshot && group.status == "available")
        .then(|| snapshot::next_name(name, &wanted.owner.uid, &seen.final_snapshots));
    let message = match &final_snapshot {
        Some(snapshot) => format!("the cache {name} is being deleted, with the final snapshot {snapshot}"),
        None => format!("the cache {name} is being deleted without a final snapshot"),
    };
    deleting(group, message).with_steps(vec![Step::Delete { final_snapshot }])
}

/// Nothing is deleted: the owner tags go, and the Secret outlives the object.
fn retain(wanted: &Wanted<'_>, seen: &Seen, group: &Group) -> Decision<Step> {
    let name = wanted.identifier;
    let mut steps: Vec<_> = release_secret(wanted, seen, group).into_iter().chain(untag_groups(wanted, seen)).collect();
    let Some(tags) = &seen.tags else {
        return deleting(group, format!("AWS does not answer the tags of {name} now; looking again")).with_steps(steps);
    };
    let keys = owner_keys(tags);
    if !keys.is_empty() {
        steps.push(Step::RemoveTags { arn: group.arn.clone(), keys });
    }
    if steps.is_empty() {
        return Decision::release(format!("the cache {name} is retained in AWS; its owner tags are off"));
    }
    deleting(group, format!("the cache {name} is retained; its owner tags are being taken off")).with_steps(steps)
}

/// How the group is encrypted is said to the last: its final snapshot is judged by it.
fn deleting(group: &Group, message: String) -> Decision<Step> {
    let mut decision = Decision::deleting(message);
    decision.facts.encryption = Some(encryption(group));
    decision
}

/// AWS no longer has the group and the object is being deleted: the final snapshot is verified before the finalizer
/// goes, and its own parameter groups go with it. A snapshot without a key is encrypted as its group was, which was seen before the deletion.
pub(super) fn gone(wanted: &Wanted<'_>, seen: &Seen) -> Decision<Step> {
    // While a deletion is verified, the "not found" that was believed stays believed.
    let waits = |mut decision: Decision<Step>| {
        decision.facts.not_found_since = wanted.status.not_found_since;
        decision
    };
    if wanted.presence == Presence::Absent(DeletionPolicy::Snapshot) && wanted.existed() {
        let id = wanted.pin.and_then(|pin| pin.id.as_deref());
        let source_was_encrypted =
            wanted.status.encryption.as_ref().is_some_and(|encryption| encryption.at_rest.algorithm != "None");
        let judged: Vec<_> = seen
            .final_snapshots
            .iter()
            .map(|snapshot| FinalSnapshot { encrypted: snapshot.encrypted || source_was_encrypted, ..snapshot.clone() })
            .collect();
        if let Err(verdict) = snapshot::verify(wanted.identifier, id, &judged) {
            return waits(Decision::rest(verdict, Encrypted::Unknown, Facts::default()));
        }
    }
    // Retain deletes nothing, the parameter groups neither.
    let (steps, what) = match wanted.presence {
        Presence::Absent(DeletionPolicy::Retain) => (untag_groups(wanted, seen), "lose our owner tags"),
        _ => (groups_to_delete(wanted, seen), "are deleted"),
    };
    if !steps.is_empty() {
        let message = format!("the cache {} is gone; the parameter groups of its own {what}", wanted.identifier);
        return waits(Decision::deleting(message)).with_steps(steps);
    }
    Decision::release(format!("the cache {} is gone", wanted.identifier))
}
