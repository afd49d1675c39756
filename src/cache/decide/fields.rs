//! The field table of a cache: each field, how it is compared, and what is security.

use std::collections::BTreeMap;

use super::{Wanted, credentials::authenticates, state::in_transit};
use crate::{
    cache::{Group, Member, Seen},
    drift::{Field, tag_fields},
};

/// The fields.
pub(super) fn fields(wanted: &Wanted<'_>, seen: &Seen, group: &Group) -> Vec<Field> {
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
    let node_type = member.pending_node_type.clone().unwrap_or_else(|| group.node_type.clone());
    let mut fields = vec![
        Field::exact("nodeType", &spec.node_type, &node_type),
        Field::caseless("engine", spec.engine.name(), &member.engine).fixed(),
    ];
    if let Some(version) = &spec.engine_version {
        let observed = member.pending_engine_version.as_ref().unwrap_or(&member.engine_version);
        fields.push(Field::new("engineVersion", version, observed, version_at_least(observed, version)));
    }
    if let Some(window) = &spec.maintenance.window {
        fields.push(Field::exact("maintenance.window", window, &member.maintenance_window));
    }
    if let Some(groups) = &spec.network.security_group_ids {
        fields.push(Field::set("network.securityGroupIDs", groups, &member.security_groups));
    }
    if let Some(name) = &spec.network.subnet_group_name {
        let observed = member.subnet_group.as_deref().unwrap_or_default();
        fields.push(Field::caseless("network.subnetGroupName", name, observed).fixed());
    }
    fields
}

/// The members beside the primary.
pub(super) fn replicas(group: &Group) -> i32 {
    i32::try_from(group.members.len()).unwrap_or(i32::MAX).saturating_sub(1)
}

/// What AWS does not answer now keeps its record: "not answered" is no removal.
pub(super) fn keep_unseen(
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
pub(super) fn unseen(name: &str, seen: &Seen, group: &Group) -> bool {
    let of_the_member =
        ["nodeType", "engine", "engineVersion", "maintenance.window"].contains(&name) || name.starts_with("network.");
    (seen.tags.is_none() && name.starts_with("tags."))
        || (seen.member.is_none() && of_the_member)
        || (group.members.is_empty() && name == "replicas")
}

/// "7.1" is asked and "7.1.0" answered; from Redis 6 on the patch number is AWS's own affair.
pub(super) fn version_at_least(seen: &str, wanted: &str) -> bool {
    let parts =
        |version: &str| version.split('.').take(2).map(|part| part.parse::<u32>().unwrap_or(0)).collect::<Vec<_>>();
    parts(seen) >= parts(wanted)
}
