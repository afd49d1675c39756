//! What to do about a cache. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;

use super::{Authentication, Group, Member, Seen, ShowCoreCacheSpec};
use crate::{
    conditions::CREDENTIALS,
    connection::{Connection, SecretSeen},
    decision::{self, Comparison, Decision, Encrypted, Facts, LookAgain, Presence, Sighting, Standing, Verdict},
    drift::{Field, tag_fields},
    error::{Note, note},
    ownership::is_owner_tag,
    snapshot::{self, FinalSnapshot},
    spec::{DeletionPolicy, Disruption},
    status::{AtRest, Binding, EncryptionStatus, Endpoint, InTransit, MAX_DRIFT_ROWS, ResourceStatus},
    window,
};

mod step;
#[cfg(test)]
mod tests;

pub use step::{Changes, CreateGroup, Step, Strategy};

type Wanted<'a> = decision::Wanted<'a, ShowCoreCacheSpec>;

/// Decides what to do about a cache.
pub(super) fn decide(wanted: &Wanted<'_>, seen: &Seen, now: Timestamp) -> Decision<Step> {
    let group = seen.group.as_ref();
    let id = group.map(Group::id).unwrap_or_default();
    let sighting = group.map(|_| Sighting { id: &id, tags: seen.tags.as_ref(), id_is_unique: true, retag_hint: None });
    match (wanted.standing(sighting.as_ref(), now), group) {
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
        (Standing::Remove(policy), Some(group)) => remove(wanted, seen, group, policy),
        (Standing::Create | Standing::Manage | Standing::Remove(_), _) => create(wanted, seen),
    }
}

fn create(wanted: &Wanted<'_>, seen: &Seen) -> Decision<Step> {
    let spec = wanted.spec;
    let verdict = Verdict::Working(note("Creating", format!("the cache {} is being created", wanted.identifier)));
    let decision = |verdict| Decision::rest(verdict, Encrypted::Unknown, Facts::default());
    let secret_uid = match secret_uid(wanted, seen) {
        Ok(Some(uid)) => uid,
        Ok(None) => {
            let connection = connection(wanted, None);
            return decision(verdict).with_steps(vec![Step::MakeCredentials { connection }]);
        }
        Err(stalled) => return decision(stalled),
    };
    let create = Step::Create(Box::new(CreateGroup {
        engine: spec.engine.name(),
        engine_version: spec.engine_version.clone(),
        node_type: spec.node_type.clone(),
        replicas: spec.replicas,
        token_of: authenticates(wanted).then_some(secret_uid),
        subnet_group: spec.network.subnet_group_name.clone(),
        security_groups: spec.network.security_group_ids.clone(),
        snapshot_retention: spec.snapshot.retention_days,
        snapshot_window: spec.snapshot.window.clone(),
        maintenance_window: spec.maintenance.window.clone(),
        tags: wanted.tags(&spec.tags),
    }));
    decision(verdict).with_steps(vec![create])
}

fn manage(wanted: &Wanted<'_>, seen: &Seen, group: &Group, now: Timestamp) -> Decision<Step> {
    if !group.at_rest {
        let why = not_at_rest();
        return Decision::rest(Verdict::Stalled(why.clone()), Encrypted::No(why), Facts::default());
    }
    let fields = fields(wanted, seen, group);
    let record = wanted.record();
    let compared = Comparison::of(&fields, record);
    let mut applied = compared.applied.clone();
    keep_unseen(&mut applied, seen, group, record.applied);
    let names = compared.to_correct(wanted.drift_policy);
    let (mut steps, secret_trouble) = match secret_steps(wanted, seen, group, &mut applied) {
        Ok(steps) => (steps, None),
        Err(why) => (Vec::new(), Some(why)),
    };
    steps.extend(tag_steps(wanted, group, &names));
    let change = planned(wanted, seen, group, &names, now);
    let held_fields: Vec<_> = names.iter().copied().filter(|name| change.held_fields().contains(name)).collect();
    let mut rows = compared.rows(&wanted.status.drift, wanted.drift_policy, &held_fields, now);
    rows.extend(wanted.status.drift.iter().filter(|row| unseen(&row.field, seen, group)).cloned());
    rows.truncate(MAX_DRIFT_ROWS);
    let facts = Facts {
        id: Some(group.id()),
        encryption: Some(encryption(group)),
        drift: rows,
        applied: Some(applied),
        resource: Some(resource(wanted, group)),
        endpoint: group.endpoint.clone().map(|(host, port)| Endpoint { host, port }),
        binding: Some(binding(wanted)),
        not_found_since: None,
    };
    // A change of the group makes it busy, so one is sent at a time, and none right after a token.
    if !steps.iter().any(|step| matches!(step, Step::SendToken { .. })) {
        steps.extend(change.now);
    }
    let encrypted = encrypted(group);
    let mut verdict = verdict(wanted, group, &encrypted);
    // What puts TLS back is on its way: no human needs to act.
    let mended = names.contains(&"transitEncryption");
    match (secret_trouble, &verdict) {
        (Some(why), Verdict::Ready(_)) => verdict = why,
        (_, Verdict::Stalled(why)) if mended && group.status != "create-failed" => {
            verdict = Verdict::Working(why.clone())
        }
        _ => {}
    }
    let mut decision = Decision::rest(verdict, encrypted, facts).with_steps(steps);
    if change.busy && matches!(decision.verdict, Verdict::Ready(_)) {
        let message = format!("AWS accepts changes while the group is available; now it is {}", group.status);
        decision.working = Some(note("WaitingForAWS", message));
        decision.look_again = LookAgain::Soon;
    }
    if let Some(held) = change.held {
        let what = decision::Step::changes(&held).join(", ");
        let window = seen.member.as_ref().map_or("", |member| member.maintenance_window.as_str());
        decision.pending = Some(note(
            "AwaitingWindow",
            format!(
                "waits for the maintenance window {window} (UTC): {what}. Set disruption: Immediate to have it at once"
            ),
        ));
        decision.held.push(held);
    }
    decision.pending = compared.impossible().or(decision.pending);
    decision
}

/// What AWS does not answer now keeps its record: "not answered" is no removal.
fn keep_unseen(
    applied: &mut BTreeMap<String, String>,
    seen: &Seen,
    group: &Group,
    before: Option<&BTreeMap<String, String>>,
) {
    for (name, value) in before.into_iter().flatten() {
        if unseen(name, seen, group) && !applied.contains_key(name) {
            applied.insert(name.clone(), value.clone());
        }
    }
}

/// Whether a field is one that this look cannot compare: tags, and what the members answer or count.
fn unseen(name: &str, seen: &Seen, group: &Group) -> bool {
    let of_the_member =
        ["nodeType", "engine", "engineVersion", "maintenance.window"].contains(&name) || name.starts_with("network.");
    (seen.tags.is_none() && name.starts_with("tags."))
        || (seen.member.is_none() && of_the_member)
        || (group.members.is_empty() && name == "replicas")
}

/// The one change that happens now, and the one that is held.
#[derive(Default)]
struct Planned {
    now: Option<Step>,
    held: Option<Step>,
    busy: bool,
}

impl Planned {
    fn held_fields(&self) -> Vec<&'static str> {
        match &self.held {
            Some(Step::Modify(changes)) => changes.fields(),
            Some(Step::IncreaseReplicas { .. } | Step::DecreaseReplicas { .. }) => vec!["replicas"],
            _ => Vec::new(),
        }
    }
}

/// Failover goes off before the replicas go to none, and on after they have come; replicas before a bigger node.
/// `ApplyImmediately=true` sends what is pending in AWS too, so nothing is sent while something disruptive pends
/// there and the window is closed.
///
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_ModifyReplicationGroup.html>
fn planned(wanted: &Wanted<'_>, seen: &Seen, group: &Group, names: &[&str], now: Timestamp) -> Planned {
    let spec = wanted.spec;
    let (disruptive, calm) = Changes::of(names, wanted, group).split();
    let scale = names.contains(&"replicas").then(|| {
        if replicas(group) < spec.replicas {
            Step::IncreaseReplicas { replicas: spec.replicas }
        } else {
            Step::DecreaseReplicas { replicas: spec.replicas }
        }
    });
    let window = seen.member.as_ref().map_or("", |member| member.maintenance_window.as_str());
    let open = spec.disruption == Disruption::Immediate || window::is_open(window, now);
    let something_pends = seen
        .member
        .as_ref()
        .is_some_and(|member| member.pending_node_type.is_some() || member.pending_engine_version.is_some());
    let grows = matches!(scale, Some(Step::IncreaseReplicas { .. }));
    let calm = (!calm.is_empty()).then(|| Step::Modify(Box::new(calm)));
    let disruptive = (!disruptive.is_empty()).then(|| Step::Modify(Box::new(disruptive)));
    let undisturbing = if grows { scale.or(calm) } else { calm.or(scale) };
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

/// The field table of a cache: each field, how it is compared, and what is security.
fn fields(wanted: &Wanted<'_>, seen: &Seen, group: &Group) -> Vec<Field> {
    let spec = wanted.spec;
    let on = |yes: bool| if yes { "on" } else { "off" };
    let mut fields = vec![
        Field::exact("transitEncryption", &"required", &in_transit(group)).security(),
        Field::exact("authentication", &on(authenticates(wanted)), &on(group.auth_token)).security(),
        Field::exact("automaticFailover", &on(spec.replicas > 0), &on(group.failover.starts_with("enabl"))),
        Field::exact("snapshot.retentionDays", &spec.snapshot.retention_days, &group.snapshot_retention),
    ];
    if !fields[1].same {
        let field = fields.remove(1).blocked(
            "the operator does not change how clients authenticate: they would be locked out. Put the token back with \
             aws elasticache modify-replication-group --auth-token, from the connection Secret",
        );
        fields.insert(1, field);
    }
    // A group in creation does not list its members at once.
    if !group.members.is_empty() {
        fields.push(Field::exact("replicas", &spec.replicas, &replicas(group)));
    }
    if let Some(window) = &spec.snapshot.window {
        fields.push(Field::exact("snapshot.window", window, &group.snapshot_window));
    }
    if let Some(member) = &seen.member {
        fields.extend(member_fields(wanted, group, member));
    }
    if let Some(tags) = &seen.tags {
        fields.extend(tag_fields(&wanted.tags(&spec.tags), tags, wanted.status.applied.as_ref()));
    }
    fields
}

/// Fields that the member answers, not the group.
fn member_fields(wanted: &Wanted<'_>, group: &Group, member: &Member) -> Vec<Field> {
    let spec = wanted.spec;
    let fixed = |field: Field| {
        if field.same {
            field
        } else {
            field.blocked("AWS cannot change this: set the spec to what AWS has, or delete this object and apply it under another identifier")
        }
    };
    let node_type = member.pending_node_type.clone().unwrap_or_else(|| group.node_type.clone());
    let mut fields = vec![
        Field::exact("nodeType", &spec.node_type, &node_type),
        fixed(Field::new(
            "engine",
            spec.engine.name(),
            &*member.engine,
            member.engine.eq_ignore_ascii_case(spec.engine.name()),
        )),
    ];
    if let Some(version) = &spec.engine_version {
        let observed = member.pending_engine_version.as_ref().unwrap_or(&member.engine_version);
        fields.push(Field::new("engineVersion", version, observed, version_at_least(observed, version)));
    }
    if let Some(window) = &spec.maintenance.window {
        fields.push(Field::exact("maintenance.window", window, &member.maintenance_window));
    }
    if let Some(groups) = &spec.network.security_group_ids {
        let set = |groups: &[String]| {
            groups.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
        };
        fields.push(Field::exact("network.securityGroupIDs", &set(groups), &set(&member.security_groups)));
    }
    if let Some(name) = &spec.network.subnet_group_name {
        let observed = member.subnet_group.clone().unwrap_or_default();
        fields.push(fixed(Field::new(
            "network.subnetGroupName",
            name,
            observed.clone(),
            observed.eq_ignore_ascii_case(name),
        )));
    }
    fields
}

/// The members beside the primary.
fn replicas(group: &Group) -> i32 {
    i32::try_from(group.members.len()).unwrap_or(i32::MAX).saturating_sub(1)
}

fn tag_steps(wanted: &Wanted<'_>, group: &Group, names: &[&str]) -> Vec<Step> {
    let wish = wanted.tags(&wanted.spec.tags);
    let keys = names.iter().filter_map(|name| name.strip_prefix("tags."));
    let (set, gone): (Vec<_>, Vec<_>) = keys.partition(|key| wish.contains_key(*key));
    let mut steps = Vec::new();
    if !set.is_empty() {
        let tags = set.iter().map(|key| ((*key).to_owned(), wish[*key].clone())).collect();
        steps.push(Step::AddTags { arn: group.arn.clone(), tags });
    }
    if !gone.is_empty() {
        steps.push(Step::RemoveTags { arn: group.arn.clone(), keys: gone.into_iter().map(str::to_owned).collect() });
    }
    steps
}

/// The Secret: made again if it was lost, its token sent if AWS has another's, its host and port kept current.
fn secret_steps(
    wanted: &Wanted<'_>,
    seen: &Seen,
    group: &Group,
    applied: &mut BTreeMap<String, String>,
) -> Result<Vec<Step>, Verdict> {
    let record = wanted.record();
    let sent = record.applied.and_then(|applied| applied.get(CREDENTIALS));
    if let Some(sent) = sent {
        applied.insert(CREDENTIALS.to_owned(), sent.clone());
    }
    let connection = connection(wanted, Some(group));
    let Some(uid) = secret_uid(wanted, seen)? else {
        return Ok(vec![Step::MakeCredentials { connection }]);
    };
    let mut steps = Vec::new();
    let quiet = group.status == "available";
    match sent {
        Some(sent) if *sent == uid => {}
        // The first look at a group that we have just made: it has this Secret's token.
        None if !record.existed => {
            applied.insert(CREDENTIALS.to_owned(), uid.clone());
        }
        _ if !authenticates(wanted) => {
            applied.insert(CREDENTIALS.to_owned(), uid.clone());
        }
        Some(sent) if *sent == step::rotating(&uid) && quiet => {
            steps.push(Step::SendToken { secret_uid: uid.clone(), strategy: Strategy::Set });
        }
        _ if quiet => steps.push(Step::SendToken { secret_uid: uid.clone(), strategy: Strategy::Rotate }),
        _ => {}
    }
    if let SecretSeen::Ours { connection: written, .. } = &seen.secret
        && *written != connection
    {
        steps.push(Step::WriteConnection { secret_uid: uid, connection });
    }
    Ok(steps)
}

fn secret_uid(wanted: &Wanted<'_>, seen: &Seen) -> Result<Option<String>, Verdict> {
    seen.secret.uid(&binding(wanted).name, authenticates(wanted))
}

fn authenticates(wanted: &Wanted<'_>) -> bool {
    wanted.spec.authentication == Authentication::Token
}

fn connection(wanted: &Wanted<'_>, group: Option<&Group>) -> Connection {
    let endpoint = group.and_then(|group| group.endpoint.clone());
    let policy = match wanted.presence {
        Presence::Present => wanted.spec.deletion_policy,
        Presence::Absent(policy) => policy,
    };
    Connection {
        type_: "redis".into(),
        provider: "aws-elasticache".into(),
        host: endpoint.as_ref().map(|(host, _)| host.clone()),
        port: endpoint.map(|(_, port)| port),
        username: None,
        database: None,
        owned: policy != DeletionPolicy::Retain,
        password: authenticates(wanted),
        ca: "Amazon Trust Services, which every system's trust store has: https://www.amazontrust.com/repository/"
            .into(),
    }
}

fn binding(wanted: &Wanted<'_>) -> Binding {
    Binding { name: wanted.spec.secret_name(wanted.name) }
}

fn remove(wanted: &Wanted<'_>, seen: &Seen, group: &Group, policy: DeletionPolicy) -> Decision<Step> {
    let working = |message: String| {
        let facts = Facts { encryption: Some(encryption(group)), ..Facts::default() };
        Decision::rest(Verdict::Working(note("Deleting", message)), Encrypted::Unknown, facts)
    };
    if group.status != "available" && group.status != "create-failed" {
        return working(format!(
            "the cache {} is {}; AWS accepts nothing else for it now",
            wanted.identifier, group.status
        ));
    }
    if policy == DeletionPolicy::Retain {
        let mut steps = Vec::new();
        if let SecretSeen::Ours { uid, connection: written } = &seen.secret
            && written.owned
        {
            steps.push(Step::WriteConnection { secret_uid: uid.clone(), connection: connection(wanted, Some(group)) });
        }
        let Some(tags) = &seen.tags else {
            return working(format!("AWS does not answer the tags of {} now; looking again", wanted.identifier))
                .with_steps(steps);
        };
        let keys: BTreeSet<_> = tags.keys().filter(|key| is_owner_tag(key)).cloned().collect();
        if !keys.is_empty() {
            steps.push(Step::RemoveTags { arn: group.arn.clone(), keys });
        }
        if steps.is_empty() {
            return Decision::release(format!(
                "the cache {} is retained in AWS; its owner tags are off",
                wanted.identifier
            ));
        }
        return working(format!("the cache {} is retained; its owner tags are being taken off", wanted.identifier))
            .with_steps(steps);
    }
    let owner_tags = wanted.owner.tags();
    if seen.tags.as_ref().is_none_or(|tags| !owner_tags.iter().all(|(key, value)| tags.get(key) == Some(value))) {
        // Named by id and owner tag when it is deleted: the tags are put back first.
        return working(format!("the owner tags of {} are put back before it is deleted", wanted.identifier))
            .with_steps(vec![Step::AddTags { arn: group.arn.clone(), tags: owner_tags }]);
    }
    let final_snapshot = (policy == DeletionPolicy::Snapshot && group.status == "available")
        .then(|| snapshot::next_name(wanted.identifier, &wanted.owner.uid, &seen.final_snapshots));
    let message = match &final_snapshot {
        Some(name) => format!("the cache {} is being deleted, with the final snapshot {name}", wanted.identifier),
        None => format!("the cache {} is being deleted without a final snapshot", wanted.identifier),
    };
    working(message).with_steps(vec![Step::Delete { final_snapshot }])
}

/// AWS no longer has the group and the object is being deleted: the final snapshot is verified before the finalizer
/// goes. A snapshot without a key is encrypted as its group was, which was seen before the deletion.
fn gone(wanted: &Wanted<'_>, seen: &Seen) -> Decision<Step> {
    let existed = wanted.pin.and_then(|pin| pin.id.as_deref());
    if let (Presence::Absent(DeletionPolicy::Snapshot), Some(id)) = (wanted.presence, existed) {
        let source_was_encrypted =
            wanted.status.encryption.as_ref().is_some_and(|encryption| encryption.at_rest.algorithm != "None");
        let judged: Vec<_> = seen
            .final_snapshots
            .iter()
            .map(|snapshot| FinalSnapshot { encrypted: snapshot.encrypted || source_was_encrypted, ..snapshot.clone() })
            .collect();
        if let Err(verdict) = snapshot::verify(wanted.identifier, id, &judged) {
            let facts = Facts { not_found_since: wanted.status.not_found_since, ..Facts::default() };
            return Decision::rest(verdict, Encrypted::Unknown, facts);
        }
    }
    Decision::release(format!("the cache {} is gone", wanted.identifier))
}

/// Ready while it serves: `available`, `snapshotting` and `modifying` take nothing away.
///
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_ReplicationGroup.html>
fn verdict(wanted: &Wanted<'_>, group: &Group, encrypted: &Encrypted) -> Verdict {
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

fn create_failed(wanted: &Wanted<'_>) -> Note {
    note(
        "CreateFailed",
        format!(
            "AWS failed to create the group: look at aws elasticache describe-events, delete it (aws elasticache \
             delete-replication-group --replication-group-id {}), then delete this object and apply it again",
            wanted.identifier
        ),
    )
}

fn resource(wanted: &Wanted<'_>, group: &Group) -> ResourceStatus {
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

fn in_transit(group: &Group) -> &str {
    if !group.in_transit {
        return "off";
    }
    // A group that answers no mode was made before there was one, and requires TLS.
    group.in_transit_mode.as_deref().unwrap_or("required")
}

fn encrypted(group: &Group) -> Encrypted {
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

fn not_at_rest() -> Note {
    note(
        "NotAtRest",
        "the group of this name is not encrypted at rest, and AWS cannot encrypt an existing group; it is never taken over. Restore a \
         snapshot of it into an encrypted group, or choose another identifier",
    )
}

fn encryption(group: &Group) -> EncryptionStatus {
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

/// "7.1" is asked and "7.1.0" answered; from Redis 6 on the patch number is AWS's own affair.
fn version_at_least(seen: &str, wanted: &str) -> bool {
    let parts =
        |version: &str| version.split('.').take(2).map(|part| part.parse::<u32>().unwrap_or(0)).collect::<Vec<_>>();
    parts(seen) >= parts(wanted)
}
