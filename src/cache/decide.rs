//! What to do about a cache. Pure.

use k8s_openapi::jiff::Timestamp;

use super::{Group, Seen, ShowCoreCacheSpec};
use crate::{
    conditions::CREDENTIALS,
    decision::{
        self, Comparison, Decision, Encrypted, Facts, LookAgain, Sighting, Standing, Step as _, Verdict,
        awaiting_window, being_set, waiting_for_aws,
    },
    error::{Note, note},
    status::{Endpoint, MAX_DRIFT_ROWS},
    window,
};

mod credentials;
mod fields;
mod logs;
mod parameters;
mod removal;
mod state;
mod step;
#[cfg(test)]
mod tests;

pub use step::{Changes, CreateGroup, Step, Strategy};

use credentials::{authenticates, binding, connection, secret_steps};
pub(super) use fields::FIELDS;
use fields::{LOGS, PARAMETER_GROUP, REPLICAS, TAGS, fields, keep_unseen, record_groups, replicas, unseen};
use logs::{failing, log_step};
use parameters::{awaiting_reboot, first_steps, own_group, parameter_steps};
use removal::{gone, remove};
use state::{at_work, create_failed, encrypted, encryption, not_at_rest, resource, verdict};
use step::tag_steps;

type Wanted<'a> = decision::Wanted<'a, ShowCoreCacheSpec>;

/// Decides what to do about a cache.
pub(super) fn decide(wanted: &Wanted<'_>, seen: &Seen, now: Timestamp) -> Decision<Step> {
    let group = seen.group.as_ref();
    let id = group.map(Group::id).unwrap_or_default();
    let sighting = group.map(|_| Sighting { id: &id, tags: seen.tags.as_ref(), id_is_unique: true, retag_hint: None });
    let mut decision = match (wanted.standing(sighting.as_ref(), now), group) {
        (Standing::Decided(mut decision), group) => {
            if group.is_some_and(|group| !group.at_rest) {
                decision.encrypted = Encrypted::No(not_at_rest());
            }
            // It was never available, so its tags were never read: whose it is stays unknown, and a human must act.
            if seen.tags.is_none() && group.is_some_and(|group| group.status == "create-failed") {
                decision.verdict = Verdict::Stalled(create_failed(wanted));
                decision.look_again = LookAgain::Slowly;
            }
            *decision
        }
        (Standing::Gone, _) => gone(wanted, seen),
        (Standing::Manage, Some(group)) => manage(wanted, seen, group, now),
        (Standing::Adopt, Some(group)) => adopt(wanted, seen, group, now),
        (Standing::Remove(policy), Some(group)) => remove(wanted, seen, group, policy),
        (Standing::Create | Standing::Manage | Standing::Adopt | Standing::Remove(_), _) => create(wanted, seen),
    };
    // Rule 3: the id says that it was ours, and only the tags say whether it is. One whose creation failed has none.
    if seen.tags.is_none() && group.is_some_and(|group| group.status != "create-failed") {
        decision.steps.retain(|step| !step.at_aws());
    }
    decision
}

fn create(wanted: &Wanted<'_>, seen: &Seen) -> Decision<Step> {
    let spec = wanted.spec;
    let verdict = Verdict::Working(note("Creating", format!("the cache {} is being created", wanted.identifier)));
    let decision = |verdict| Decision::rest(verdict, Encrypted::Unknown, Facts::default());
    let secret_uid = match seen.secret.uid(&binding(wanted).name, authenticates(wanted)) {
        Ok(Some(uid)) => uid,
        Ok(None) => {
            let connection = connection(wanted, None);
            return decision(verdict).with_steps(vec![Step::MakeCredentials { connection }]);
        }
        Err(stalled) => return decision(stalled),
    };
    let mut steps = match first_steps(wanted, seen) {
        Ok(steps) => steps,
        Err(stalled) => return decision(stalled),
    };
    let tags = wanted.tags(&spec.tags);
    let mut applied = being_set(TAGS.name, tags.keys().map(String::as_str));
    applied.extend(being_set(LOGS.name, spec.log_delivery.iter().map(|delivery| delivery.log_type.name())));
    // The call carries this Secret's token.
    applied.extend(authenticates(wanted).then(|| (CREDENTIALS.to_owned(), secret_uid.clone())));
    steps.push(Step::Create(Box::new(CreateGroup {
        engine: spec.engine.name(),
        engine_version: spec.engine_version.clone(),
        node_type: spec.node_type.clone(),
        replicas: spec.replicas,
        availability: spec.availability,
        token_of: authenticates(wanted).then_some(secret_uid),
        subnet_group: spec.network.subnet_group_name.clone(),
        security_groups: spec.network.security_group_ids.clone(),
        snapshot_retention: spec.snapshot.retention_days,
        snapshot_window: spec.snapshot.window.clone(),
        maintenance_window: spec.maintenance.window.clone(),
        auto_minor_version_upgrade: spec.maintenance.auto_minor_version_upgrade,
        parameter_group: own_group(wanted, None),
        logs: spec.log_delivery.clone(),
        tags,
    })));
    let mut decision = decision(verdict).with_steps(steps);
    decision.facts.applied = Some(applied);
    decision
}

fn adopt(wanted: &Wanted<'_>, seen: &Seen, group: &Group, now: Timestamp) -> Decision<Step> {
    let claim = Step::AddTags { arn: group.arn.clone(), tags: wanted.owner.tags() };
    let warning = format!(
        "its token becomes the one of the Secret {}, and what uses the old one is locked out",
        binding(wanted).name
    );
    let warning = authenticates(wanted).then_some(warning.as_str());
    manage(wanted, seen, group, now).adopting(wanted, claim, warning, now)
}

fn manage(wanted: &Wanted<'_>, seen: &Seen, group: &Group, now: Timestamp) -> Decision<Step> {
    if !group.at_rest {
        let why = not_at_rest();
        return Decision::rest(Verdict::Stalled(why.clone()), Encrypted::No(why), Facts::default());
    }
    let fields = fields(wanted, seen, group);
    let record = wanted.record();
    let compared = Comparison::of(&fields, record, now);
    let mut applied = compared.applied.clone();
    keep_unseen(&mut applied, wanted, seen, group);
    record_groups(&mut applied, wanted, seen);
    let mut names = compared.to_correct(wanted.drift_policy);
    let (mut steps, mut trouble) = match secret_steps(wanted, seen, group, &mut applied) {
        Ok(steps) => (steps, None),
        Err(why) => (Vec::new(), Some(why)),
    };
    steps.extend(tag_steps(wanted, group, &names));
    match seen.member.as_ref().map_or(Ok(Vec::new()), |member| parameter_steps(wanted, seen, member, &names)) {
        Ok(more) => steps.extend(more),
        Err(why) => {
            // Somebody else's group is not used either.
            names.retain(|name| *name != PARAMETER_GROUP.name);
            trouble = Some(why);
        }
    }
    let change = planned(wanted, seen, group, &names, now);
    let held_fields: Vec<_> = names.iter().copied().filter(|name| change.holds(name)).collect();
    let mut rows = compared.rows(&wanted.status.drift, wanted.drift_policy, &held_fields, now);
    rows.extend(wanted.status.drift.iter().filter(|row| unseen(&row.field, wanted, seen, group)).cloned());
    rows.truncate(MAX_DRIFT_ROWS);
    let facts = Facts {
        id: Some(group.id()),
        encryption: Some(encryption(group)),
        drift: rows,
        applied: Some(compared.marked(applied, &held_fields)),
        resource: Some(resource(wanted, group)),
        endpoint: group.endpoint.clone().map(|(host, port)| Endpoint { host, port }),
        binding: Some(binding(wanted)),
        ..Facts::default()
    };
    // A change of the group makes it busy, so one is sent at a time, and none right after a token.
    if !steps.iter().any(|step| matches!(step, Step::SendToken { .. })) {
        steps.extend(change.now);
    }
    let encrypted = encrypted(group);
    let mut verdict = verdict(wanted, group, &encrypted);
    // What puts TLS back is on its way: no human needs to act.
    let mended = names.contains(&"transitEncryption");
    match (trouble, &verdict) {
        (Some(why), Verdict::Ready(_)) => verdict = why,
        (_, Verdict::Stalled(why)) if mended && group.status != "create-failed" => {
            verdict = Verdict::Working(why.clone());
        }
        _ => {}
    }
    let mut decision = Decision::rest(verdict, encrypted, facts).with_steps(steps);
    if matches!(decision.verdict, Verdict::Ready(_)) {
        decision.working = if change.busy { Some(waiting_for_aws("group", &group.status)) } else { at_work(group) };
    }
    if decision.working.is_some() {
        decision.look_again = LookAgain::Soon;
    }
    decision.held.extend(change.held);
    let waits = (!decision.held.is_empty()).then(|| awaiting_window(maintenance_window(seen), &decision.held));
    let notes = [compared.impossible(), waits, failing(wanted, group), awaiting_reboot(wanted, seen)];
    decision.pending = together(notes.into_iter().flatten());
    decision
}

/// Several notes as one: the first gives the reason.
fn together(notes: impl Iterator<Item = Note>) -> Option<Note> {
    notes.reduce(|first, next| note(first.reason, format!("{}. {}", first.message, next.message)))
}

/// The maintenance window; none, which is never open, where AWS does not answer the member.
fn maintenance_window(seen: &Seen) -> &str {
    seen.member.as_ref().map_or("", |member| member.maintenance_window.as_str())
}

/// The one change that happens now, and the one that is held.
#[derive(Default)]
struct Planned {
    now: Option<Step>,
    held: Option<Step>,
    busy: bool,
}

impl Planned {
    /// The fields that the held change is about.
    fn holds(&self, name: &str) -> bool {
        match &self.held {
            Some(Step::Modify(changes)) => changes.fields().contains(&name),
            Some(Step::IncreaseReplicas { .. } | Step::DecreaseReplicas { .. }) => REPLICAS.covers(name),
            Some(Step::DeliverLogs { .. }) => LOGS.covers(name),
            _ => false,
        }
    }
}

/// AWS takes one change of the group at a time, and in this order: Multi-AZ and failover go off before the replicas go to
/// none, and on after they have come; replicas before a bigger node. `ApplyImmediately=true` sends what is pending in AWS
/// too, so nothing is sent while something disruptive pends there and the window is closed.
///
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_ModifyReplicationGroup.html>
fn planned(wanted: &Wanted<'_>, seen: &Seen, group: &Group, names: &[&str], now: Timestamp) -> Planned {
    let spec = wanted.spec;
    let (disruptive, calm) = Changes::of(names, wanted, seen, group).split();
    let modify = |changes: Changes| (!changes.is_empty()).then(|| Step::Modify(Box::new(changes)));
    let scales = names.contains(&REPLICAS.name);
    let grow =
        (scales && replicas(group) < spec.replicas).then_some(Step::IncreaseReplicas { replicas: spec.replicas });
    let shrink = (scales && grow.is_none()).then_some(Step::DecreaseReplicas { replicas: spec.replicas });
    let undisturbing = grow.or(modify(calm)).or(log_step(wanted, names)).or(shrink);
    let disruptive = modify(disruptive);
    let open = window::may_disturb(spec.disruption, maintenance_window(seen), now);
    let something_pends = seen
        .member
        .as_ref()
        .is_some_and(|member| member.pending_node_type.is_some() || member.pending_engine_version.is_some());
    let mut planned = Planned::default();
    match (undisturbing, disruptive) {
        (Some(step), disruptive) if open || !something_pends => {
            planned.now = Some(step);
            planned.held = disruptive.filter(|_| !open);
        }
        (None, Some(step)) if open => planned.now = Some(step),
        (step, disruptive) => planned.held = disruptive.or(step),
    }
    if planned.now.is_some() && group.status != "available" {
        planned.now = None;
        planned.busy = true;
    }
    planned
}
