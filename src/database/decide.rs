//! What to do about a database. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;

use super::{
    Instance, ParameterGroup, Seen, ShowCoreDatabaseSpec,
    observe::{group_arn, own_group_name},
};
use crate::{
    conditions::CREDENTIALS,
    connection::{Connection, SecretSeen},
    decision::{self, Comparison, Decision, Encrypted, Facts, LookAgain, Presence, Sighting, Standing, Verdict},
    drift::{Field, map_fields, tag_fields},
    error::{Note, note},
    ownership::{Claim, claim, is_owner_tag},
    snapshot,
    spec::{DeletionPolicy, Disruption},
    status::{AtRest, Binding, EncryptionStatus, Endpoint, InTransit, ResourceStatus},
    window,
};

mod step;
#[cfg(test)]
mod tests;

pub use step::{Changes, CreateInstance, Step};

type Wanted<'a> = decision::Wanted<'a, ShowCoreDatabaseSpec>;

/// The field of the parameter that enforces TLS.
const FORCE_SSL: &str = "parameters.rds.force_ssl";

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
                decision.encrypted = not_at_rest(&naked.status);
            }
            *decision
        }
        (Standing::Gone, _) => gone(wanted, seen),
        (Standing::Manage, Some(instance)) => manage(wanted, seen, instance, now),
        (Standing::Remove(policy), Some(instance)) => remove(wanted, seen, instance, policy),
        (Standing::Create | Standing::Manage | Standing::Remove(_), _) => create(wanted, seen),
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
    steps.push(Step::Create(Box::new(CreateInstance {
        engine_version: spec.engine_version.clone(),
        class: spec.instance_class.clone(),
        storage_gib: spec.storage.size_gib,
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
        tags: wanted.tags(&spec.tags),
    })));
    Decision::rest(verdict, Encrypted::Unknown, facts).with_steps(steps)
}

fn manage(wanted: &Wanted<'_>, seen: &Seen, instance: &Instance, now: Timestamp) -> Decision<Step> {
    if !instance.storage_encrypted {
        let encrypted = not_at_rest(&instance.status);
        let Encrypted::No(why) = &encrypted else { unreachable!("not_at_rest is No") };
        return Decision::rest(Verdict::Stalled(why.clone()), encrypted.clone(), Facts::default());
    }
    let fields = fields(wanted, seen, instance);
    let compared = Comparison::of(&fields, wanted.record());
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
    let changes = Changes::of(&names, wanted, instance);
    let modify = planned(wanted, instance, changes, now);
    let held_fields = modify.held_fields(&names);
    let waits = modify.waits(instance);
    let facts = Facts {
        id: Some(instance.id.clone()),
        encryption: Some(encryption(wanted, seen, instance)),
        drift: compared.rows(&wanted.status.drift, wanted.drift_policy, &held_fields, now),
        applied: Some(applied),
        resource: Some(resource(wanted, instance)),
        endpoint: instance.endpoint.clone().map(|(host, port)| Endpoint { host, port }),
        binding: Some(binding(wanted)),
        not_found_since: None,
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
    decision.held = modify.held;
    decision.pending = compared.impossible().or(modify.why_held);
    decision.working = waits.filter(|_| matches!(decision.verdict, Verdict::Ready(_)));
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
    busy: bool,
}

impl Planned {
    fn held_fields<'a>(&self, names: &[&'a str]) -> Vec<&'a str> {
        let held = |name: &str| {
            self.held.iter().any(|step| match step {
                Step::Modify(changes) => changes.fields().contains(&name),
                // A parameter that is already set in the group and waits for the reboot.
                Step::Reboot => name.starts_with("parameters.") || name == "parameterGroup",
                _ => false,
            })
        };
        names.iter().copied().filter(|name| held(name)).collect()
    }

    fn waits(&self, instance: &Instance) -> Option<Note> {
        self.busy.then(|| {
            note(
                "WaitingForAWS",
                format!("AWS accepts changes while the instance is available; now it is {}", instance.status),
            )
        })
    }
}

/// Sorts a modification by when it may happen. `ApplyImmediately=true` sends everything that is pending in AWS, so
/// nothing is sent with it while something disruptive is pending there and the window is closed.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ModifyInstance.ApplyImmediately.html>
fn planned(wanted: &Wanted<'_>, instance: &Instance, changes: Changes, now: Timestamp) -> Planned {
    let mut planned = Planned::default();
    let reboot = instance.parameter_status == "pending-reboot";
    if changes.is_empty() && !reboot {
        return planned;
    }
    let open = wanted.spec.disruption == Disruption::Immediate || window::is_open(&instance.maintenance_window, now);
    // A full instance accepts more storage and nothing else.
    let changes = match changes.storage_gib {
        Some(_) if instance.status == "storage-full" => {
            Changes { storage_gib: changes.storage_gib, ..Changes::default() }
        }
        _ => changes,
    };
    let (disruptive, calm) = changes.split();
    let something_pends =
        instance.pending.class.is_some() || instance.pending.engine_version.is_some() || instance.pending.other;
    let accepts = instance.status == "available" || (instance.status == "storage-full" && calm.storage_gib.is_some());
    let mut hold = Vec::new();
    if open {
        let all = calm.join(disruptive);
        if !all.is_empty() {
            planned.now.push(Step::Modify(Box::new(all)));
        } else if reboot {
            planned.now.push(Step::Reboot);
        }
    } else {
        if !calm.is_empty() {
            if something_pends {
                hold.push(Step::Modify(Box::new(calm)))
            } else {
                planned.now.push(Step::Modify(Box::new(calm)))
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
    }
    if !hold.is_empty() {
        let what: Vec<_> = hold.iter().flat_map(decision::Step::changes).collect();
        planned.why_held = Some(note(
            "AwaitingWindow",
            format!(
                "waits for the maintenance window {} (UTC): {}. Set disruption: Immediate to have it at once",
                instance.maintenance_window,
                what.join(", ")
            ),
        ));
    }
    planned.held = hold;
    planned
}

/// The field table of a database: each field, how it is compared, and what is security.
fn fields(wanted: &Wanted<'_>, seen: &Seen, instance: &Instance) -> Vec<Field> {
    let spec = wanted.spec;
    let now_or_pending = |pending: &Option<String>, now: &String| pending.clone().unwrap_or_else(|| now.clone());
    let version = now_or_pending(&instance.pending.engine_version, &instance.engine_version);
    let storage = instance.pending.storage_gib.unwrap_or(instance.storage_gib);
    let retention = instance.pending.backup_retention.unwrap_or(instance.backup_retention);
    let on = |yes: bool| if yes { "on" } else { "off" };
    let mut fields = vec![
        Field::exact("publiclyAccessible", &false, &instance.publicly_accessible).security(),
        Field::exact("instanceClass", &spec.instance_class, &now_or_pending(&instance.pending.class, &instance.class)),
        Field::new(
            "engineVersion",
            &*spec.engine_version,
            version.clone(),
            version_matches(&spec.engine_version, &version),
        ),
        Field::new(
            "storage.sizeGiB",
            format!("at least {}", spec.storage.size_gib),
            storage.to_string(),
            storage >= spec.storage.size_gib,
        ),
        Field::exact("backup.retentionDays", &spec.backup.retention_days, &retention),
        Field::exact("deletionProtection", &on(spec.deletion_protection), &on(instance.deletion_protection)),
    ];
    let mut parameters = parameter_fields(wanted, seen, instance);
    if version_major(&version) != Some(spec.major()) {
        let way_out = "a major upgrade or downgrade is not made by the operator yet: set engineVersion to the major version that AWS has";
        let last = fields.remove(2);
        fields.insert(2, last.blocked(way_out));
        // The spec's parameter group is of a family that AWS refuses for this instance.
        for field in parameters.iter_mut().filter(|field| !field.same && field.name != FORCE_SSL) {
            field.blocked = Some(way_out.to_owned());
        }
    }
    if let Some(window) = &spec.backup.window {
        fields.push(Field::exact("backup.window", window, &instance.backup_window));
    }
    if let Some(window) = &spec.maintenance.window {
        fields.push(Field::exact("maintenance.window", window, &instance.maintenance_window));
    }
    if let Some(groups) = &spec.network.security_group_ids {
        let set = |groups: &[String]| {
            groups.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
        };
        fields.push(Field::exact("network.securityGroupIDs", &set(groups), &set(&instance.security_groups)));
    }
    fields.extend(fixed_fields(wanted, instance));
    fields.extend(parameters);
    fields.extend(tag_fields(&wanted.tags(&spec.tags), &instance.tags, wanted.status.applied.as_ref()));
    fields
}

/// What AWS sets at creation and nobody can change: a difference is said, with the way out.
fn fixed_fields(wanted: &Wanted<'_>, instance: &Instance) -> Vec<Field> {
    let spec = wanted.spec;
    let way_out = "AWS cannot change this: set the spec to what AWS has, or delete this object and apply it under another identifier";
    let mut fields = vec![Field::exact("credentials.username", &spec.credentials.username, &instance.master_username)];
    if let Some(name) = &spec.database_name {
        fields.push(Field::exact("databaseName", name, &instance.db_name.clone().unwrap_or_default()));
    }
    if let Some(group) = &spec.network.subnet_group_name {
        // AWS stores subnet group names in lower case.
        let observed = instance.subnet_group.clone().unwrap_or_default();
        fields.push(Field::new(
            "network.subnetGroupName",
            group,
            observed.clone(),
            observed.eq_ignore_ascii_case(group),
        ));
    }
    fields.into_iter().map(|field| if field.same { field } else { field.blocked(way_out) }).collect()
}

/// The parameters of the spec. The one that enforces TLS is not among them, whatever validation let through (rule 11).
fn parameters_of(spec: &ShowCoreDatabaseSpec) -> BTreeMap<String, String> {
    spec.parameters.iter().filter(|(key, _)| *key != "rds.force_ssl").map(|(k, v)| (k.clone(), v.clone())).collect()
}

fn parameter_fields(wanted: &Wanted<'_>, seen: &Seen, instance: &Instance) -> Vec<Field> {
    let spec = wanted.spec;
    let applied = wanted.status.applied.as_ref();
    let own_name = own_group_name(wanted.identifier, spec.major());
    let default = format!("default.postgres{}", spec.major());
    let forced = tls_enforced(seen);
    let tls = Field::new(
        FORCE_SSL,
        "1",
        if forced { "1".to_owned() } else { format!("0 in the parameter group {}", instance.parameter_group) },
        forced,
    );
    let mut fields = vec![tls.security()];
    let uses_own = instance.parameter_group == own_name;
    let group = |desired: &String| {
        let field = Field::exact("parameterGroup", desired, &instance.parameter_group);
        if forced { field } else { field.security() }
    };
    let parameters = parameters_of(spec);
    if !parameters.is_empty() {
        fields.push(group(&own_name));
        let none = BTreeMap::new();
        let seen_parameters = seen.own_group.as_ref().map_or(&none, |group| &group.parameters);
        fields.extend(map_fields("parameters", &parameters, seen_parameters, applied));
    } else if uses_own || (!forced && !instance.parameter_group.starts_with("default.")) {
        // The group is no longer wanted, or someone's group lets connections in without TLS.
        fields.push(group(&default));
    } else {
        fields.push(Field::new("parameterGroup", default, &*instance.parameter_group, true));
    }
    fields
}

/// The steps that bring the store's own parameter group to what the spec says, in the named fields or in all. It is
/// written to only if it is ours.
fn parameter_steps(wanted: &Wanted<'_>, seen: &Seen, names: Option<&[&str]>) -> Result<Vec<Step>, Verdict> {
    let spec = wanted.spec;
    let name = own_group_name(wanted.identifier, spec.major());
    let parameters = parameters_of(spec);
    if parameters.is_empty() {
        return Ok(Vec::new());
    }
    let Some(group) = &seen.own_group else {
        return Ok(vec![
            Step::CreateParameterGroup {
                name: name.clone(),
                family: format!("postgres{}", spec.major()),
                tags: wanted.tags(&spec.tags),
            },
            Step::ModifyParameterGroup { name, set: parameters, reset: BTreeSet::new() },
        ]);
    };
    let Some(tags) = &group.tags else { return Ok(Vec::new()) };
    if claim(wanted.owner, Some(tags), false) != Claim::Ours {
        let message = format!(
            "the parameter group {name} is already there and is not ours; nothing is written to it. Remove it, or choose another identifier"
        );
        return Err(Verdict::Stalled(note("NotOurs", message)));
    }
    let differs = |key: &&String| group.parameters.get(*key) != parameters.get(*key);
    // Under driftPolicy Report a parameter that drifted stays, whatever else is written.
    let may_write = |key: &String| {
        let name = format!("parameters.{key}");
        names.is_none_or(|names| names.contains(&name.as_str()))
    };
    let set: BTreeMap<_, _> = parameters
        .iter()
        .filter(|(key, _)| differs(key) && may_write(key))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    let ours = |key: &&String| {
        let applied = wanted.status.applied.as_ref();
        *key == "rds.force_ssl"
            || (applied.is_some_and(|applied| applied.contains_key(&format!("parameters.{key}"))) && may_write(key))
    };
    let reset: BTreeSet<_> =
        group.parameters.keys().filter(|key| !parameters.contains_key(*key)).filter(ours).cloned().collect();
    Ok(if set.is_empty() && reset.is_empty() {
        Vec::new()
    } else {
        vec![Step::ModifyParameterGroup { name, set, reset }]
    })
}

fn tag_steps(wanted: &Wanted<'_>, instance: &Instance, names: &[&str]) -> Vec<Step> {
    let wish = wanted.tags(&wanted.spec.tags);
    let keys = names.iter().filter_map(|name| name.strip_prefix("tags."));
    let (set, gone): (Vec<_>, Vec<_>) = keys.partition(|key| wish.contains_key(*key));
    let mut steps = Vec::new();
    if !set.is_empty() {
        let tags = set.iter().map(|key| ((*key).to_owned(), wish[*key].clone())).collect();
        steps.push(Step::AddTags { arn: instance.arn.clone(), tags });
    }
    if !gone.is_empty() {
        steps.push(Step::RemoveTags { arn: instance.arn.clone(), keys: gone.into_iter().map(str::to_owned).collect() });
    }
    steps
}

/// The Secret: made again if it was lost, its password sent if AWS has another's, its host and port kept current.
fn secret_steps(
    wanted: &Wanted<'_>,
    seen: &Seen,
    instance: &Instance,
    applied: &mut BTreeMap<String, String>,
) -> Result<Vec<Step>, Verdict> {
    let record = wanted.record();
    let sent = record.applied.and_then(|applied| applied.get(CREDENTIALS));
    if let Some(sent) = sent {
        applied.insert(CREDENTIALS.to_owned(), sent.clone());
    }
    let connection = connection(wanted, Some(instance));
    let Some(uid) = seen.secret.uid(&binding(wanted).name, true)? else {
        return Ok(vec![Step::MakeCredentials { connection }]);
    };
    let mut steps = Vec::new();
    match sent {
        Some(sent) if *sent == uid => {}
        // The first look at an instance that we have just made: it has this Secret's password.
        None if !record.existed => {
            applied.insert(CREDENTIALS.to_owned(), uid.clone());
        }
        _ if instance.status == "available" => steps.push(Step::SendPassword { secret_uid: uid.clone() }),
        _ => {}
    }
    if let SecretSeen::Ours { connection: written, .. } = &seen.secret
        && *written != connection
    {
        steps.push(Step::WriteConnection { secret_uid: uid, connection });
    }
    Ok(steps)
}

fn connection(wanted: &Wanted<'_>, instance: Option<&Instance>) -> Connection {
    let endpoint = instance.and_then(|instance| instance.endpoint.clone());
    let retained = match wanted.presence {
        Presence::Present => wanted.spec_retains(),
        Presence::Absent(policy) => policy == DeletionPolicy::Retain,
    };
    Connection {
        type_: "postgresql".into(),
        provider: "aws-rds".into(),
        host: endpoint.as_ref().map(|(host, _)| host.clone()),
        port: endpoint.map(|(_, port)| port),
        // What AWS has, once there is an instance: the spec cannot change it.
        username: Some(
            instance.map_or(&wanted.spec.credentials.username, |instance| &instance.master_username).clone(),
        ),
        database: Some(
            instance
                .map_or(&wanted.spec.database_name, |instance| &instance.db_name)
                .clone()
                .unwrap_or_else(|| "postgres".into()),
        ),
        owned: !retained,
        password: true,
        ca: format!("https://truststore.pki.rds.amazonaws.com/{0}/{0}-bundle.pem", wanted.place.region),
    }
}

fn binding(wanted: &Wanted<'_>) -> Binding {
    Binding { name: wanted.spec.secret_name(wanted.name) }
}

impl Wanted<'_> {
    fn spec_retains(&self) -> bool {
        self.spec.deletion_policy == DeletionPolicy::Retain
    }
}

fn remove(wanted: &Wanted<'_>, seen: &Seen, instance: &Instance, policy: DeletionPolicy) -> Decision<Step> {
    let working = |message: String| {
        Decision::rest(Verdict::Working(note("Deleting", message)), Encrypted::Unknown, Facts::default())
    };
    if policy == DeletionPolicy::Retain {
        let mut steps = Vec::new();
        let connection = connection(wanted, Some(instance));
        if let SecretSeen::Ours { uid, connection: written } = &seen.secret
            && written.owned
        {
            steps.push(Step::WriteConnection { secret_uid: uid.clone(), connection });
        }
        steps.extend(untag_group(wanted, seen));
        let keys: BTreeSet<_> = instance.tags.keys().filter(|key| is_owner_tag(key)).cloned().collect();
        if !keys.is_empty() {
            steps.push(Step::RemoveTags { arn: instance.arn.clone(), keys });
        }
        if steps.is_empty() {
            return Decision::release(format!(
                "the database {} is retained in AWS; its owner tags are off",
                wanted.identifier
            ));
        }
        return working(format!("the database {} is retained; its owner tags are being taken off", wanted.identifier))
            .with_steps(steps);
    }
    if instance.status == "deleting" {
        return working(format!("AWS is deleting the database {}", wanted.identifier));
    }
    if wanted.spec.deletion_protection {
        let message = format!(
            "the database {} is not deleted: deletionProtection is true. Set spec.deletionProtection to false to delete it, \
             or deletionPolicy to Retain to keep it in AWS",
            wanted.identifier
        );
        return Decision::rest(
            Verdict::Stalled(note("DeletionProtected", message)),
            Encrypted::Unknown,
            Facts::default(),
        );
    }
    // <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBInstance.html>
    if policy == DeletionPolicy::Snapshot
        && ["failed", "incompatible-restore", "incompatible-network"].contains(&instance.status.as_str())
    {
        let message = format!(
            "the database {} is {}, and AWS makes no final snapshot of it then. Set deletionPolicy to Delete to delete it without \
             one (its automated backups are kept), or to Retain to keep it in AWS",
            wanted.identifier, instance.status
        );
        return Decision::rest(
            Verdict::Stalled(note("SnapshotImpossible", message)),
            Encrypted::Unknown,
            Facts::default(),
        );
    }
    if ![
        "available",
        "storage-full",
        "stopped",
        "failed",
        "incompatible-parameters",
        "incompatible-restore",
        "incompatible-network",
    ]
    .contains(&instance.status.as_str())
    {
        return working(format!(
            "the database {} is {}; it is deleted once AWS accepts that",
            wanted.identifier, instance.status
        ));
    }
    if claim(wanted.owner, Some(&instance.tags), true) != Claim::Ours {
        // Named by id and owner tag when it is deleted: the tags are put back first.
        return working(format!("the owner tags of {} are put back before it is deleted", wanted.identifier))
            .with_steps(vec![Step::AddTags { arn: instance.arn.clone(), tags: wanted.owner.tags() }]);
    }
    if instance.deletion_protection {
        let changes = Changes { deletion_protection: Some(false), ..Changes::default() };
        return working(format!("deletion protection of {} is being taken off", wanted.identifier))
            .with_steps(vec![Step::Modify(Box::new(changes))]);
    }
    let final_snapshot = (policy == DeletionPolicy::Snapshot)
        .then(|| snapshot::next_name(wanted.identifier, &wanted.owner.uid, &seen.final_snapshots));
    let message = match &final_snapshot {
        Some(name) => format!("the database {} is being deleted, with the final snapshot {name}", wanted.identifier),
        None => format!(
            "the database {} is being deleted without a final snapshot; its automated backups are kept for their retention time \
             (aws rds describe-db-instance-automated-backups --db-instance-identifier {})",
            wanted.identifier, wanted.identifier
        ),
    };
    working(message).with_steps(vec![Step::Delete { final_snapshot }])
}

/// AWS no longer has the instance and the object is being deleted: the final snapshot is verified before the
/// finalizer goes, and the parameter group goes with the store.
fn gone(wanted: &Wanted<'_>, seen: &Seen) -> Decision<Step> {
    let existed = wanted.pin.and_then(|pin| pin.id.as_deref());
    // While a deletion is verified, the "not found" that was believed stays believed.
    let facts = || Facts { not_found_since: wanted.status.not_found_since, ..Facts::default() };
    if let (Presence::Absent(DeletionPolicy::Snapshot), Some(id)) = (wanted.presence, existed)
        && let Err(verdict) = snapshot::verify(wanted.identifier, id, &seen.final_snapshots)
    {
        return Decision::rest(verdict, Encrypted::Unknown, facts());
    }
    if wanted.presence == Presence::Absent(DeletionPolicy::Retain) {
        // Retain deletes nothing, the parameter group neither.
        if let Some(step) = untag_group(wanted, seen) {
            let message = format!("the owner tags of the parameter group of {} are being taken off", wanted.identifier);
            return Decision::rest(Verdict::Working(note("Deleting", message)), Encrypted::Unknown, facts())
                .with_steps(vec![step]);
        }
        return Decision::release(format!("the database {} is gone", wanted.identifier));
    }
    if let Some(group) = seen.own_group.as_ref().filter(|group| group_is_ours(wanted, group)) {
        let verdict =
            Verdict::Working(note("Deleting", format!("the parameter group {} is being deleted", group.name)));
        return Decision::rest(verdict, Encrypted::Unknown, facts())
            .with_steps(vec![Step::DeleteParameterGroup { name: group.name.clone() }]);
    }
    Decision::release(format!("the database {} is gone", wanted.identifier))
}

fn untag_group(wanted: &Wanted<'_>, seen: &Seen) -> Option<Step> {
    let group = seen.own_group.as_ref().filter(|group| group_is_ours(wanted, group))?;
    let keys = wanted.owner.tags().into_keys().collect();
    Some(Step::RemoveTags { arn: group_arn(wanted.place, &group.name), keys })
}

fn group_is_ours(wanted: &Wanted<'_>, group: &ParameterGroup) -> bool {
    claim(wanted.owner, group.tags.as_ref(), false) == Claim::Ours
}

/// What an instance status means for us.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Serves {
    Yes,
    Waits,
    Human(&'static str, &'static str),
    Unknown,
}

fn serves(status: &str) -> Serves {
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

fn verdict(instance: &Instance, encrypted: &Encrypted) -> Verdict {
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

/// Background work takes nothing away, so it is not worth a status write every night.
fn resource_status(status: &str) -> &str {
    match status {
        "backing-up" | "storage-optimization" | "storage-initialization" | "storage-config-upgrade" => "available",
        other => other,
    }
}

fn resource(wanted: &Wanted<'_>, instance: &Instance) -> ResourceStatus {
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
fn tls_enforced(seen: &Seen) -> bool {
    let set = seen.used_parameters.as_ref().and_then(|parameters| parameters.get("rds.force_ssl"));
    let major =
        seen.instance.as_ref().and_then(|instance| version_major(&instance.engine_version)?.parse::<u32>().ok());
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

fn encrypted(wanted: &Wanted<'_>, seen: &Seen, instance: &Instance) -> Encrypted {
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

fn not_at_rest(status: &str) -> Encrypted {
    Encrypted::No(note(
        "NotAtRest",
        format!(
            "the instance of this name ({status}) is not encrypted, and AWS cannot encrypt an existing instance; it is never taken over. \
             Copy a snapshot of it with a key and restore that, or choose another identifier"
        ),
    ))
}

fn encryption(wanted: &Wanted<'_>, seen: &Seen, instance: &Instance) -> EncryptionStatus {
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

fn version_major(version: &str) -> Option<&str> {
    version.split('.').next()
}

/// "16" matches any 16.x; "16.4" matches 16.4 and what automatic minor upgrades made of it.
fn version_matches(wanted: &str, seen: &str) -> bool {
    let minor = |version: &str| version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    version_major(wanted) == version_major(seen)
        && minor(wanted).is_none_or(|wanted| minor(seen).is_some_and(|seen| seen >= wanted))
}
