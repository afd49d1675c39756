//! What to do about a database. Pure.

use k8s_openapi::jiff::Timestamp;

use super::{Availability, Instance, Seen, ShowCoreDatabaseSpec, StorageType, observe::own_group_name};
use crate::{
    conditions::CREDENTIALS,
    decision::{
        self, BEING_SET, Comparison, Decision, Encrypted, Facts, LookAgain, Sighting, Standing, Verdict,
        awaiting_window, being_set, waiting_for_aws,
    },
    error::{Note, note},
    status::Endpoint,
    window,
};

mod changes;
mod credentials;
mod fields;
mod parameters;
mod removal;
mod state;
mod step;
#[cfg(test)]
mod tests;

pub use changes::{Changes, Volume};
pub use step::{CreateInstance, Step};

use credentials::{binding, connection, secret_steps};
use fields::{ENGINE_VERSION, LOG_EXPORTS, MAX_SIZE, TAGS, UPGRADE, fields, upgrade_asked};
pub(super) use fields::{FIELDS, PARAMETER_GROUP};
use parameters::{awaits_our_reboot, group_is_ours, parameter_steps, parameters_of, wanted_group};
use removal::{gone, remove};
use state::{Serves, at_work, encrypted, encryption, not_at_rest, resource, serves, verdict};
use step::tag_steps;

type Wanted<'a> = decision::Wanted<'a, ShowCoreDatabaseSpec>;

/// Decides what to do about a database.
pub(super) fn decide(wanted: &Wanted<'_>, seen: &Seen, now: Timestamp) -> Decision<Step> {
    let instance = seen.instance.as_ref();
    let sighting = instance.map(|instance| Sighting {
        id: &instance.id,
        tags: Some(&instance.tags),
        id_is_unique: true,
        retag_hint: None,
    });
    match (wanted.standing(sighting.as_ref(), now), instance) {
        (Standing::Decided(mut decision), instance) => {
            if let Some(naked) = instance.filter(|instance| !instance.storage_encrypted) {
                decision.encrypted = Encrypted::No(not_at_rest(&naked.status));
            }
            *decision
        }
        (Standing::Gone, _) => gone(wanted, seen),
        (Standing::Manage, Some(instance)) => manage(wanted, seen, instance, now),
        (Standing::Adopt, Some(instance)) => adopt(wanted, seen, instance, now),
        (Standing::Remove(policy), Some(instance)) => remove(wanted, seen, instance, policy),
        (Standing::Create | Standing::Manage | Standing::Adopt | Standing::Remove(_), _) => create(wanted, seen),
    }
}

fn create(wanted: &Wanted<'_>, seen: &Seen) -> Decision<Step> {
    let spec = wanted.spec;
    let verdict = Verdict::Working(note("Creating", format!("the database {} is being created", wanted.identifier)));
    let mut facts = Facts::default();
    let secret_uid = match seen.secret.uid(&binding(wanted).name, true) {
        Ok(Some(uid)) => uid,
        Ok(None) => {
            let connection = connection(wanted, None);
            return Decision::rest(verdict, Encrypted::Unknown, facts)
                .with_steps(vec![Step::MakeCredentials { connection }]);
        }
        Err(stalled) => return Decision::rest(stalled, Encrypted::Unknown, facts),
    };
    facts.binding = Some(binding(wanted));
    let own_group = (!parameters_of(spec).is_empty()).then(|| own_group_name(wanted.identifier, spec.major()));
    let mut steps = match parameter_steps(wanted, seen, None) {
        Ok(steps) => steps,
        Err(stalled) => return Decision::rest(stalled, Encrypted::Unknown, facts),
    };
    let tags = wanted.tags(&spec.tags);
    let mut applied = being_set(TAGS.name, tags.keys().map(String::as_str));
    // The call carries this Secret's password.
    applied.insert(CREDENTIALS.to_owned(), secret_uid.clone());
    applied.extend(being_set(LOG_EXPORTS.name, spec.log_exports.iter().map(|log| log.name())));
    applied.extend(spec.storage.max_size_gib.map(|_| (MAX_SIZE.name.to_owned(), BEING_SET.to_owned())));
    facts.applied = Some(applied);
    steps.push(Step::Create(Box::new(CreateInstance {
        engine_version: spec.engine_version.clone(),
        class: spec.instance_class.clone(),
        storage_gib: spec.storage.size_gib,
        max_storage_gib: spec.storage.max_size_gib,
        storage_type: spec.storage.type_.map(StorageType::name),
        iops: spec.storage.iops,
        throughput: spec.storage.throughput,
        multi_az: spec.availability == Availability::MultiAz,
        username: spec.credentials.username.clone(),
        secret_uid,
        database_name: spec.database_name.clone(),
        subnet_group: spec.network.subnet_group_name.clone(),
        security_groups: spec.network.security_group_ids.clone(),
        parameter_group: own_group,
        backup_retention: spec.backup.retention_days,
        backup_window: spec.backup.window.clone(),
        maintenance_window: spec.maintenance.window.clone(),
        deletion_protection: spec.deletion_protection,
        auto_minor_upgrade: spec.maintenance.auto_minor_version_upgrade,
        log_exports: spec.log_exports.iter().map(|log| log.name()).collect(),
        certificate: spec.ca_certificate_identifier.clone(),
        insights: spec.performance_insights.enabled.then_some(spec.performance_insights.retention_days),
        tags,
    })));
    Decision::rest(verdict, Encrypted::Unknown, facts).with_steps(steps)
}

fn adopt(wanted: &Wanted<'_>, seen: &Seen, instance: &Instance, now: Timestamp) -> Decision<Step> {
    let claim = Step::AddTags { arn: instance.arn.clone(), tags: wanted.owner.tags() };
    let warning = format!(
        "its master password becomes the one of the Secret {}, and what uses the old one is locked out",
        binding(wanted).name
    );
    manage(wanted, seen, instance, now).adopting(wanted, claim, Some(&warning), now)
}

fn manage(wanted: &Wanted<'_>, seen: &Seen, instance: &Instance, now: Timestamp) -> Decision<Step> {
    if !instance.storage_encrypted {
        let why = not_at_rest(&instance.status);
        return Decision::rest(Verdict::Stalled(why.clone()), Encrypted::No(why), Facts::default());
    }
    let fields = fields(wanted, seen, instance);
    let compared = Comparison::of(&fields, wanted.record(), now);
    let mut applied = compared.applied.clone();
    let mut steps = Vec::new();
    let mut stalled = None;
    match secret_steps(wanted, seen, instance, &mut applied) {
        Ok(more) => steps.extend(more),
        Err(why) => stalled = Some(why),
    }
    let names = compared.to_correct(wanted.drift_policy);
    steps.extend(tag_steps(wanted, instance, &names));
    if names.iter().any(|name| name.starts_with("parameters.") || *name == "parameterGroup") {
        match parameter_steps(wanted, seen, Some(&names)) {
            Ok(more) => steps.extend(more),
            Err(why) => stalled = Some(why),
        }
    }
    // The group that the spec asks for is never one to go, wherever somebody has pointed the instance.
    let former = seen.former_group.as_ref().filter(|group| group.name != wanted_group(wanted));
    if let Some(former) = former.filter(|group| group_is_ours(wanted, group)) {
        // The record names it until it is gone.
        applied.insert(PARAMETER_GROUP.name.to_owned(), former.name.clone());
        if instance.status == "available" {
            steps.push(Step::DeleteParameterGroup { name: former.name.clone() });
        }
    }
    if let Some(version) = upgrade_asked(wanted, instance) {
        applied.insert(UPGRADE.to_owned(), version);
        // It is not applied before AWS has it: that AWS gives it up is no drift.
        applied.remove(ENGINE_VERSION.name);
        let before = wanted.status.applied.as_ref().and_then(|applied| applied.get_key_value(ENGINE_VERSION.name));
        applied.extend(before.map(|(name, version)| (name.clone(), version.clone())));
    }
    let changes = Changes::of(&names, wanted, instance);
    let changes_group = changes.changes(PARAMETER_GROUP.name);
    let modify = planned(wanted, instance, changes, now);
    let held_fields = modify.held_fields(&names, changes_group);
    let waits = modify.waits(instance);
    let facts = Facts {
        id: Some(instance.id.clone()),
        encryption: Some(encryption(wanted, seen, instance)),
        drift: compared.rows(&wanted.status.drift, wanted.drift_policy, &held_fields, now),
        applied: Some(compared.marked(applied, &held_fields)),
        resource: Some(resource(wanted, instance)),
        endpoint: instance.endpoint.clone().map(|(host, port)| Endpoint { host, port }),
        binding: Some(binding(wanted)),
        ..Facts::default()
    };
    steps.extend(modify.now);
    let encrypted = encrypted(wanted, seen, instance);
    let mut verdict = verdict(instance, &encrypted);
    // What puts TLS back is on its way: no human needs to act.
    let mended = stalled.is_none() && (!steps.is_empty() || !modify.held.is_empty() || waits.is_some());
    match (stalled, &verdict) {
        (Some(why), Verdict::Ready(_)) => verdict = why,
        (_, Verdict::Stalled(why)) if mended && serves(&instance.status) == Serves::Yes => {
            verdict = Verdict::Working(why.clone());
        }
        _ => {}
    }
    let mut decision = Decision::rest(verdict, encrypted, facts).with_steps(steps);
    decision.held = modify.held.into_iter().chain(modify.after).collect();
    decision.pending = compared.impossible().or(modify.why_held);
    decision.working = waits.or(at_work(instance)).filter(|_| matches!(decision.verdict, Verdict::Ready(_)));
    if serves(&instance.status) == Serves::Waits || decision.working.is_some() {
        decision.look_again = LookAgain::Soon;
    }
    decision
}

/// What of a modification happens now, and what is held.
#[derive(Default)]
struct Planned {
    now: Vec<Step>,
    held: Vec<Step>,
    why_held: Option<Note>,
    /// What follows once AWS has done what happens now.
    after: Option<Step>,
    busy: bool,
}

impl Planned {
    fn held_fields<'a>(&self, names: &[&'a str], changes_group: bool) -> Vec<&'a str> {
        let held = |name: &str| {
            self.held.iter().any(|step| match step {
                Step::Modify(changes) => changes.changes(name),
                // What is already set and waits for the reboot: a parameter in the group, or the group itself.
                Step::Reboot => name.starts_with("parameters.") || (name == PARAMETER_GROUP.name && !changes_group),
                _ => false,
            })
        };
        names.iter().copied().filter(|name| held(name)).collect()
    }

    fn send(&mut self, changes: Changes) {
        let (first, after) = changes.in_order();
        self.now.push(Step::Modify(Box::new(first)));
        self.after = after.map(|changes| Step::Modify(Box::new(changes)));
    }

    fn waits(&self, instance: &Instance) -> Option<Note> {
        self.busy.then(|| waiting_for_aws("instance", &instance.status))
    }
}

/// Sorts a modification by when it may happen. `ApplyImmediately=true` sends everything that is pending in AWS, so
/// nothing is sent with it while something disruptive is pending there and the window is closed.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ModifyInstance.ApplyImmediately.html>
fn planned(wanted: &Wanted<'_>, instance: &Instance, changes: Changes, now: Timestamp) -> Planned {
    let mut planned = Planned::default();
    let reboot = awaits_our_reboot(wanted, instance);
    if changes.is_empty() && !reboot {
        return planned;
    }
    let open = window::may_disturb(wanted.spec.disruption, &instance.maintenance_window, now);
    let storage = !changes.volume.is_empty();
    // A full instance accepts more storage and nothing else; one whose storage is being optimised, for hours, all else.
    // <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.ModifyingExisting.html>
    let changes = match instance.status.as_str() {
        "storage-full" if storage => Changes { volume: changes.volume, ..Changes::default() },
        "storage-optimization" => Changes { volume: Volume::default(), ..changes },
        _ => changes,
    };
    planned.busy = instance.status == "storage-optimization" && storage;
    let (disruptive, calm) = changes.split();
    let pending = &instance.pending;
    let something_pends =
        pending.class.is_some() || pending.engine_version.is_some() || pending.certificate.is_some() || pending.other;
    let accepts = match instance.status.as_str() {
        "available" | "storage-optimization" => true,
        status => status == "storage-full" && storage,
    };
    let mut hold = Vec::new();
    if open {
        let all = calm.join(disruptive);
        if !all.is_empty() {
            planned.send(all);
        } else if reboot {
            planned.now.push(Step::Reboot);
        }
    } else {
        if !calm.is_empty() {
            if something_pends {
                hold.push(Step::Modify(Box::new(calm)));
            } else {
                planned.send(calm);
            }
        }
        if !disruptive.is_empty() {
            hold.push(Step::Modify(Box::new(disruptive)));
        }
        if reboot {
            hold.push(Step::Reboot);
        }
    }
    if !accepts && !planned.now.is_empty() {
        planned.busy = true;
        planned.now.clear();
        planned.after = None;
    }
    planned.why_held = (!hold.is_empty()).then(|| awaiting_window(&instance.maintenance_window, &hold));
    planned.held = hold;
    planned
}
