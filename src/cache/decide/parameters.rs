//! The parameter groups of a cache's own: their fields, and the steps that bring them to what the spec says.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Step, Wanted,
    fields::{PARAMETER_GROUP, PARAMETERS},
};
use crate::{
    cache::{
        Member, ParameterGroup, Seen,
        parameter_groups::{arn, family, own_name, record, wanted_family, wanted_name},
    },
    decision::Verdict,
    error::{Note, note},
    field::Field,
    ownership::{Claim, claim},
};

/// Parameters that a running cache takes up at a reboot only, and that must be the same in two groups of which one
/// takes the other's place.
///
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/ParameterGroups.Engine.html>
const AT_CREATION: &[&str] = &["activerehashing", "databases"];

/// The parameters of the spec. The one that would make shards is not among them, whatever validation let through
/// (rule 11).
fn parameters_of(wanted: &Wanted<'_>) -> BTreeMap<String, String> {
    let parameters = wanted.spec.parameters.iter();
    parameters.filter(|(key, _)| *key != "cluster-enabled").map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn version(member: Option<&Member>) -> Option<&str> {
    member.map(|member| member.engine_version.as_str())
}

fn find<'a>(seen: &'a Seen, name: &str) -> Option<&'a ParameterGroup> {
    seen.parameter_groups.iter().flatten().find(|group| group.name == name)
}

pub(super) fn is_ours(wanted: &Wanted<'_>, group: &ParameterGroup) -> bool {
    claim(wanted.owner, group.tags.as_ref(), false) == Claim::Ours
}

/// The own group that the spec wants, for what the member runs or is to run.
pub(super) fn own_group(wanted: &Wanted<'_>, member: Option<&Member>) -> Option<String> {
    wanted_name(wanted.spec, wanted.identifier, version(member))
}

/// The group that the cache should use: its own, or AWS's default one where it uses one of its own that the spec does
/// not want any more. Another group of somebody's is left alone.
fn group_to_use(wanted: &Wanted<'_>, seen: &Seen, member: &Member) -> Option<String> {
    own_group(wanted, Some(member)).or_else(|| {
        find(seen, &member.parameter_group)
            .filter(|group| is_ours(wanted, group))
            .map(|_| format!("default.{}", family(wanted.spec.engine, &member.engine_version)))
    })
}

/// Whether the group of the spec is for another family than the member's: then it comes with the version.
pub(super) fn comes_with_version(wanted: &Wanted<'_>, member: &Member) -> bool {
    let now = family(wanted.spec.engine, &member.engine_version);
    own_group(wanted, Some(member)).is_some_and(|group| group != own_name(wanted.identifier, &now))
}

pub(super) fn parameter_fields(wanted: &Wanted<'_>, seen: &Seen, member: &Member) -> Vec<Field> {
    let applied = wanted.status.applied.as_ref();
    let (Some(_), Some(group)) = (&seen.parameter_groups, group_to_use(wanted, seen, member)) else {
        return Vec::new();
    };
    let mut fields = vec![PARAMETER_GROUP.field(&group, &member.parameter_group)];
    let parameters = parameters_of(wanted);
    // Until the version comes, the group that comes with it is prepared, and the one in use is left as it is.
    if !parameters.is_empty() && !comes_with_version(wanted, member) {
        let none = BTreeMap::new();
        let set = find(seen, &group).map_or(&none, |group| &group.parameters);
        fields.extend(PARAMETERS.entries(&parameters, set, applied));
    }
    fields
}

/// The records of the groups that are there and ours, or whose owner was not asked since nothing is to be written.
pub(super) fn records(wanted: &Wanted<'_>, seen: &Seen) -> Vec<(String, String)> {
    let groups = seen.parameter_groups.iter().flatten();
    groups.filter(|group| group.tags.is_none() || is_ours(wanted, group)).map(|group| record(&group.name)).collect()
}

/// The steps that make the own group of a cache that is to be created.
pub(super) fn first_steps(wanted: &Wanted<'_>, seen: &Seen) -> Result<Vec<Step>, Verdict> {
    let Some(name) = own_group(wanted, None) else { return Ok(Vec::new()) };
    let set = parameters_of(wanted);
    let Some(group) = find(seen, &name) else {
        return Ok(vec![make(wanted, &name, None), change(name, set, BTreeSet::new())]);
    };
    check_owner(wanted, group)?;
    let set: BTreeMap<_, _> = set.into_iter().filter(|(key, value)| group.parameters.get(key) != Some(value)).collect();
    Ok(if set.is_empty() { Vec::new() } else { vec![change(name, set, BTreeSet::new())] })
}

/// The steps for those of the named fields that are parameters, and the end of groups that are not wanted any more.
/// A group is written to only if it is ours.
pub(super) fn parameter_steps(
    wanted: &Wanted<'_>,
    seen: &Seen,
    member: &Member,
    names: &[&str],
) -> Result<Vec<Step>, Verdict> {
    let own = own_group(wanted, Some(member));
    let mut steps = Vec::new();
    match &own {
        Some(name) => steps.extend(own_steps(wanted, seen, member, name, names)?),
        None if names.contains(&PARAMETER_GROUP.name) => steps.extend(farewell(seen, member)),
        None => {}
    }
    let leftover = |group: &&ParameterGroup| {
        Some(&group.name) != own.as_ref() && group.name != member.parameter_group && is_ours(wanted, group)
    };
    let left = seen.parameter_groups.iter().flatten().filter(leftover);
    steps.extend(left.map(|group| Step::DeleteParameterGroup { name: group.name.clone() }));
    Ok(steps)
}

fn own_steps(
    wanted: &Wanted<'_>,
    seen: &Seen,
    member: &Member,
    name: &str,
    names: &[&str],
) -> Result<Vec<Step>, Verdict> {
    let parameters = parameters_of(wanted);
    // Under driftPolicy Report a parameter that drifted stays, whatever else is written.
    let prepares = comes_with_version(wanted, member);
    let may_write = |key: &String| prepares || names.contains(&format!("{}.{key}", PARAMETERS.name).as_str());
    // Until the group is used, what is taken up at a reboot only must be as in the group that is used now.
    let used = member.parameter_group == name;
    let now = find(seen, &member.parameter_group);
    let as_now = |key: &String| now.and_then(|group| group.parameters.get(key)) == parameters.get(key);
    let may_set = |key: &String| used || !AT_CREATION.contains(&key.as_str()) || as_now(key);
    let Some(group) = find(seen, name) else {
        if !names.iter().any(|name| PARAMETER_GROUP.covers(name) || PARAMETERS.covers(name)) {
            return Ok(Vec::new());
        }
        let set: BTreeMap<_, _> = parameters.iter().filter(|(key, _)| may_set(key)).map(owned).collect();
        let then = (!set.is_empty()).then(|| change(name.to_owned(), set, BTreeSet::new()));
        return Ok(std::iter::once(make(wanted, name, Some(member))).chain(then).collect());
    };
    if group.tags.is_none() {
        return Ok(Vec::new());
    }
    check_owner(wanted, group)?;
    let set: BTreeMap<_, _> = parameters
        .iter()
        .filter(|(key, value)| group.parameters.get(*key) != Some(value) && may_write(key) && may_set(key))
        .map(owned)
        .collect();
    let reset: BTreeSet<_> =
        group.parameters.keys().filter(|key| !parameters.contains_key(*key) && may_write(key)).cloned().collect();
    let nothing = set.is_empty() && reset.is_empty();
    Ok(if nothing { Vec::new() } else { vec![change(name.to_owned(), set, reset)] })
}

/// Before AWS's default group takes the place of the own one, what is taken up at a reboot only must be as in it.
fn farewell(seen: &Seen, member: &Member) -> Option<Step> {
    let group = find(seen, &member.parameter_group)?;
    let reset: BTreeSet<_> =
        group.parameters.keys().filter(|key| AT_CREATION.contains(&key.as_str())).cloned().collect();
    (!reset.is_empty()).then(|| change(group.name.clone(), BTreeMap::new(), reset))
}

fn make(wanted: &Wanted<'_>, name: &str, member: Option<&Member>) -> Step {
    let family = wanted_family(wanted.spec, version(member)).unwrap_or_default();
    Step::CreateParameterGroup { name: name.to_owned(), family, tags: wanted.tags(&wanted.spec.tags) }
}

fn change(name: String, set: BTreeMap<String, String>, reset: BTreeSet<String>) -> Step {
    Step::ModifyParameterGroup { name, set, reset }
}

fn owned((key, value): (&String, &String)) -> (String, String) {
    (key.clone(), value.clone())
}

fn check_owner(wanted: &Wanted<'_>, group: &ParameterGroup) -> Result<(), Verdict> {
    if is_ours(wanted, group) {
        return Ok(());
    }
    let message = format!(
        "the parameter group {} is already there and is not ours; nothing is written to it. Remove it, or choose another identifier",
        group.name
    );
    Err(Verdict::Stalled(note("NotOurs", message)))
}

/// The group that the named fields have the cache use from now on.
pub(super) fn group_of(names: &[&str], wanted: &Wanted<'_>, seen: &Seen) -> Option<String> {
    let member = seen.member.as_ref().filter(|_| names.contains(&PARAMETER_GROUP.name))?;
    group_to_use(wanted, seen, member).filter(|group| *group != member.parameter_group)
}

/// Parameters that wait for a reboot, which is never the operator's to make: it empties the node.
///
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_RebootCacheCluster.html>
pub(super) fn awaiting_reboot(wanted: &Wanted<'_>, seen: &Seen) -> Option<Note> {
    let member = seen.member.as_ref().filter(|member| member.parameter_status == "pending-reboot")?;
    if own_group(wanted, Some(member)).as_ref() != Some(&member.parameter_group) {
        return None;
    }
    let nodes = seen.group.iter().flat_map(|group| &group.members);
    let commands: Vec<_> = nodes
        .map(|id| {
            format!("aws elasticache reboot-cache-cluster --cache-cluster-id {id} --cache-node-ids-to-reboot 0001")
        })
        .collect();
    let message = format!(
        "parameters of {} are set, and taken up at a reboot, which empties a node: the operator makes none. When the content may go: {}",
        member.parameter_group,
        commands.join(" ; ")
    );
    Some(note("AwaitingReboot", message))
}

/// The groups of its own that go with the cache.
pub(super) fn groups_to_delete(wanted: &Wanted<'_>, seen: &Seen) -> Vec<Step> {
    let ours = seen.parameter_groups.iter().flatten().filter(|group| is_ours(wanted, group));
    ours.map(|group| Step::DeleteParameterGroup { name: group.name.clone() }).collect()
}

/// Under `Retain` they stay, without our owner tags.
pub(super) fn untag_groups(wanted: &Wanted<'_>, seen: &Seen) -> Vec<Step> {
    let ours = seen.parameter_groups.iter().flatten().filter(|group| is_ours(wanted, group));
    let keys: BTreeSet<_> = wanted.owner.tags().into_keys().collect();
    ours.map(|group| Step::RemoveTags { arn: arn(wanted.place, &group.name), keys: keys.clone() }).collect()
}
