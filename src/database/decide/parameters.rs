//! The parameter group of a database: its fields, and the steps that bring it to what the spec says.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Step, Wanted,
    fields::{FORCE_SSL, PARAMETER_GROUP, PARAMETERS_OF},
    state::tls_enforced,
};
use crate::{
    database::{
        Instance, ParameterGroup, Seen, ShowCoreDatabaseSpec,
        observe::{group_arn, is_own_group_name, own_group_name},
    },
    decision::Verdict,
    error::note,
    field::Field,
    ownership::{Claim, claim},
};

/// The group that the instance should use: one of its own if the spec has parameters, else AWS's default one, which
/// enforces TLS.
pub(super) fn wanted_group(wanted: &Wanted<'_>) -> String {
    let major = wanted.spec.major();
    if parameters_of(wanted.spec).is_empty() {
        format!("default.postgres{major}")
    } else {
        own_group_name(wanted.identifier, major)
    }
}

/// Whether the instance waits for a reboot that is ours to make. Somebody else's group that waits is theirs.
pub(super) fn awaits_our_reboot(wanted: &Wanted<'_>, instance: &Instance) -> bool {
    let group = &instance.parameter_group;
    instance.parameter_status == "pending-reboot"
        && (group.starts_with("default.") || *group == own_group_name(wanted.identifier, wanted.spec.major()))
}

/// The parameters of the spec. The one that enforces TLS is not among them, whatever validation let through (rule 11).
pub(super) fn parameters_of(spec: &ShowCoreDatabaseSpec) -> BTreeMap<String, String> {
    spec.parameters.iter().filter(|(key, _)| *key != "rds.force_ssl").map(|(k, v)| (k.clone(), v.clone())).collect()
}

pub(super) fn parameter_fields(wanted: &Wanted<'_>, seen: &Seen, instance: &Instance) -> Vec<Field> {
    let spec = wanted.spec;
    let applied = wanted.status.applied.as_ref();
    let own_name = own_group_name(wanted.identifier, spec.major());
    let default = format!("default.postgres{}", spec.major());
    let forced = tls_enforced(seen);
    let observed =
        if forced { "1".to_owned() } else { format!("0 in the parameter group {}", instance.parameter_group) };
    let mut fields = vec![FORCE_SSL.field("1", observed)];
    let uses_own = instance.parameter_group == own_name;
    let group = |desired: &String| {
        let field = PARAMETER_GROUP.field(desired, &instance.parameter_group);
        if forced { field } else { field.security() }
    };
    let parameters = parameters_of(spec);
    if !parameters.is_empty() {
        fields.push(group(&own_name));
        let none = BTreeMap::new();
        // Until a major upgrade has its group, the one of the version before says what is in force.
        let in_force =
            seen.used_parameters.as_ref().filter(|_| is_own_group_name(wanted.identifier, &instance.parameter_group));
        let seen_parameters = seen.own_group.as_ref().map(|group| &group.parameters).or(in_force).unwrap_or(&none);
        fields.extend(PARAMETERS_OF.entries(&parameters, seen_parameters, applied));
    } else if uses_own || (!forced && !instance.parameter_group.starts_with("default.")) {
        // The group is no longer wanted, or someone's group lets connections in without TLS.
        fields.push(group(&default));
    } else {
        fields.push(PARAMETER_GROUP.judged(default, &instance.parameter_group, true));
    }
    fields
}

/// The steps that bring the store's own parameter group to what the spec says, in the named fields or in all. It is
/// written to only if it is ours.
pub(super) fn parameter_steps(wanted: &Wanted<'_>, seen: &Seen, names: Option<&[&str]>) -> Result<Vec<Step>, Verdict> {
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
            Step::ModifyParameterGroup { name, set: parameters, reset: BTreeSet::new(), in_use: false },
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
        let in_use = seen.instance.as_ref().is_some_and(|instance| instance.parameter_group == name);
        vec![Step::ModifyParameterGroup { name, set, reset, in_use }]
    })
}

pub(super) fn untag_group(wanted: &Wanted<'_>, seen: &Seen) -> Option<Step> {
    let group = seen.own_group.as_ref().filter(|group| group_is_ours(wanted, group))?;
    let keys = wanted.owner.tags().into_keys().collect();
    Some(Step::RemoveTags { arn: group_arn(wanted.place, &group.name), keys })
}

pub(super) fn group_is_ours(wanted: &Wanted<'_>, group: &ParameterGroup) -> bool {
    claim(wanted.owner, group.tags.as_ref(), false) == Claim::Ours
}
