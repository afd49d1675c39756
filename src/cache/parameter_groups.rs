//! Parameter groups of a cache's own: their names, and one look at them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Engine, Member, ShowCoreCache, ShowCoreCacheSpec};
use crate::{
    aws::found,
    error::Failure,
    kind::{Kind as _, Look},
    ownership::Place,
};

/// Groups that were made for the cache are recorded in `status.applied` under this name and their own: one that is not
/// wanted any more is found again by its record.
const RECORD: &str = "ownParameterGroup.";
const NOT_FOUND: &[&str] = &["CacheParameterGroupNotFound"];

/// A parameter group that bears a name of the cache's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParameterGroup {
    /// Its name.
    pub name: String,
    /// The parameters that were set in it; read only of the group that is wanted or used.
    pub parameters: BTreeMap<String, String>,
    /// Its tags; read only when something may be written to it.
    pub tags: Option<BTreeMap<String, String>>,
}

/// The family of parameter groups that a version belongs to: `redis6.x`, `redis7`, `valkey8`.
///
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/ParameterGroups.Engine.html>
pub(super) fn family(engine: Engine, version: &str) -> String {
    let major = version.split('.').next().unwrap_or_default();
    match (engine, major) {
        (Engine::Redis, "6") => "redis6.x".to_owned(),
        _ => format!("{}{major}", engine.name()),
    }
}

/// The name of the cache's own group of a family. Only letters, digits and hyphens may be in it.
///
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/ParameterGroups.Creating.html>
pub(super) fn own_name(identifier: &str, family: &str) -> String {
    format!("{identifier}-{}", family.replace('.', "-"))
}

/// The family that the cache is to be of: that of the version of the spec, or of a later one that AWS has.
pub(super) fn wanted_family(spec: &ShowCoreCacheSpec, seen: Option<&str>) -> Option<String> {
    let version = spec.engine_version.as_deref();
    let later = match (version, seen) {
        (Some(wanted), Some(seen)) if number(seen) < number(wanted) => wanted,
        (wanted, seen) => seen.or(wanted)?,
    };
    Some(family(spec.engine, later))
}

/// The name of the own group that the spec wants: one only if it has parameters.
pub(super) fn wanted_name(spec: &ShowCoreCacheSpec, identifier: &str, seen: Option<&str>) -> Option<String> {
    let family = wanted_family(spec, seen).filter(|_| !spec.parameters.is_empty())?;
    Some(own_name(identifier, &family))
}

/// The record of a group that was made.
pub(super) fn record(name: &str) -> (String, String) {
    (format!("{RECORD}{name}"), "made".to_owned())
}

/// Whether an entry of `status.applied` is such a record.
pub(super) fn is_record(entry: &str) -> bool {
    entry.starts_with(RECORD)
}

/// The ARN of a parameter group.
pub(super) fn arn(place: &Place, name: &str) -> String {
    format!("arn:{}:elasticache:{}:{}:parametergroup:{name}", place.partition, place.region, place.account_id)
}

fn number(version: &str) -> Vec<u32> {
    version.split('.').take(2).map(|part| part.parse().unwrap_or(0)).collect()
}

/// Looks at the groups that bear names of the cache's own: the one that is wanted, the one that is used, and those that
/// were made. A cache whose own group is as it should be costs one call, one without any costs none.
pub(super) async fn observe(
    object: &ShowCoreCache,
    look: &Look<'_>,
    member: Option<&Member>,
) -> Result<Vec<ParameterGroup>, Failure> {
    let spec = &object.spec;
    let applied = object.status().applied.as_ref();
    let wanted = wanted_name(spec, &look.identifier, member.map(|member| member.engine_version.as_str()));
    let used = member.map(|member| member.parameter_group.clone()).filter(|used| {
        let own = member.map(|member| own_name(&look.identifier, &family(spec.engine, &member.engine_version)));
        own.as_ref() == Some(used)
    });
    let recorded = applied.into_iter().flatten().filter_map(|(entry, _)| entry.strip_prefix(RECORD));
    let mut names: BTreeSet<_> = recorded.map(str::to_owned).collect();
    names.extend(wanted.clone().into_iter().chain(used.clone()));
    // Without a record the group may be there all the same.
    if look.deleting && applied.is_none() {
        names.extend(
            spec.engine_version.as_ref().map(|version| own_name(&look.identifier, &family(spec.engine, version))),
        );
    }
    let groups = names.into_iter().map(async |name| {
        let (is_wanted, is_used) = (wanted.as_ref() == Some(&name), used.as_ref() == Some(&name));
        let mut group = ParameterGroup { name, ..ParameterGroup::default() };
        if !look.deleting && (is_wanted || is_used) {
            let Some(parameters) = parameters(look, &group.name).await? else { return Ok(None) };
            group.parameters = parameters;
        }
        if look.deleting || !is_wanted || !is_used || differs(spec, applied, &group.parameters) {
            let Some(tags) = tags(look, &group.name).await? else { return Ok(None) };
            group.tags = Some(tags);
        }
        Ok(Some(group))
    });
    Ok(futures::future::try_join_all(groups).await?.into_iter().flatten().collect())
}

/// Whether anything of the group may have to be written: a parameter of the spec, or one that was ours.
fn differs(
    spec: &ShowCoreCacheSpec,
    applied: Option<&BTreeMap<String, String>>,
    parameters: &BTreeMap<String, String>,
) -> bool {
    let was_ours = |key: &String| applied.is_some_and(|applied| applied.contains_key(&format!("parameters.{key}")));
    spec.parameters.iter().any(|(key, value)| parameters.get(key) != Some(value))
        || parameters.keys().any(|key| !spec.parameters.contains_key(key) && was_ours(key))
}

/// The parameters that users set in a group; `None` if there is no such group.
async fn parameters(look: &Look<'_>, group: &str) -> Result<Option<BTreeMap<String, String>>, Failure> {
    let mut parameters = BTreeMap::new();
    let mut marker = None;
    loop {
        let elasticache = &look.aws.elasticache;
        let request =
            elasticache.describe_cache_parameters().cache_parameter_group_name(group).source("user").set_marker(marker);
        let Some(page) = found(look.send("elasticache:DescribeCacheParameters", request.send()).await, NOT_FOUND)?
        else {
            return Ok(None);
        };
        let set = page.parameters.unwrap_or_default().into_iter();
        parameters.extend(set.filter_map(|parameter| Some((parameter.parameter_name?, parameter.parameter_value?))));
        marker = page.marker.filter(|marker| !marker.is_empty());
        if marker.is_none() {
            return Ok(Some(parameters));
        }
    }
}

/// The tags of a group; `None` if there is no such group.
async fn tags(look: &Look<'_>, group: &str) -> Result<Option<BTreeMap<String, String>>, Failure> {
    let request = look.aws.elasticache.list_tags_for_resource().resource_name(arn(&look.place, group));
    let answer = found(look.send("elasticache:ListTagsForResource", request.send()).await, NOT_FOUND)?;
    Ok(answer.map(|answer| super::observe::tag_map(answer.tag_list.unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(engine: &str, version: Option<&str>) -> ShowCoreCacheSpec {
        let spec = serde_json::json!({ "engine": engine, "engineVersion": version, "parameters": { "timeout": "60" } });
        serde_json::from_value(spec).expect("a spec")
    }

    #[test]
    fn a_group_is_named_after_the_cache_and_the_family_of_the_later_version() {
        let table = [
            ("redis", Some("6.2"), None, "shop-redis6-x"),
            ("redis", Some("7.1"), Some("7.1.0"), "shop-redis7"),
            ("redis", Some("7.1"), Some("6.2.6"), "shop-redis7"),
            ("valkey", Some("7.2"), Some("7.2.6"), "shop-valkey7"),
            ("valkey", Some("7.2"), Some("8.0.1"), "shop-valkey8"),
            ("valkey", Some("8.1"), None, "shop-valkey8"),
        ];
        for (engine, version, seen, name) in table {
            assert_eq!(
                wanted_name(&spec(engine, version), "shop", seen).as_deref(),
                Some(name),
                "{version:?}, {seen:?}"
            );
        }
        let without = ShowCoreCacheSpec { parameters: BTreeMap::new(), ..spec("redis", Some("7.1")) };
        assert_eq!(wanted_name(&without, "shop", Some("7.1.0")), None);
    }
}
