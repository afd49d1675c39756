//! Parameter groups: AWS's own, which nobody can change, and the account's.
//! <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/ParameterGroups.html>

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::catalog::{self, Version};
use super::page::page;
use super::parameters::{self, Parameter};
use super::rules::{self, invalid_combination, invalid_value, refused};
use super::state::Tags;
use super::{ElastiCache, Tag, key, read};
use crate::call::Call;
use crate::error::AwsError;

/// How many groups a region holds: <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/quota-limits.html>.
const QUOTA: usize = 150;
/// How many parameters one request changes.
const AT_ONCE: usize = 20;

/// A parameter group.
#[derive(Clone, Debug)]
pub struct ParameterGroup {
    /// `CacheParameterGroupName`
    pub name: String,
    /// `CacheParameterGroupFamily`
    pub family: &'static str,
    /// `Description`
    pub description: String,
    /// The values that differ from the family's.
    pub values: BTreeMap<String, String>,
    /// Its tags.
    pub tags: Tags,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Create {
    cache_parameter_group_name: String,
    cache_parameter_group_family: String,
    description: String,
    tags: Option<Vec<Tag>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Change {
    cache_parameter_group_name: String,
    reset_all_parameters: Option<bool>,
    parameter_name_values: Option<Vec<NameValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct NameValue {
    parameter_name: Option<String>,
    parameter_value: Option<String>,
}

impl ElastiCache {
    /// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateCacheParameterGroup.html>
    pub(super) fn create_cache_parameter_group(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        let request: Create = read(call)?;
        let name = rules::identifier("CacheParameterGroupName", &request.cache_parameter_group_name, 255)?;
        let family = catalog::family(&request.cache_parameter_group_family)?;
        let place = key(call, &name);
        if self.parameter_groups.contains_key(&place) {
            let message = format!("Cache parameter group {name} already exists.");
            return Err(refused("CacheParameterGroupAlreadyExists", message));
        }
        if self.parameter_groups.keys().filter(|(region, _)| region == call.region).count() >= QUOTA {
            return Err(refused("CacheParameterGroupQuotaExceeded", "Too many parameter groups in this region."));
        }
        let tags = rules::tags(request.tags.as_deref().unwrap_or_default(), &Tags::new())?;
        let group = ParameterGroup { name, family, description: request.description, values: BTreeMap::new(), tags };
        let answer = group.answer(call);
        self.parameter_groups.insert(place, group);
        Ok(json!({"CacheParameterGroup": answer}))
    }

    /// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_DescribeCacheParameterGroups.html>
    pub(super) fn describe_cache_parameter_groups(&self, call: &Call<'_>) -> Result<Value, AwsError> {
        let groups = if let Some(name) = call.text("CacheParameterGroupName") {
            vec![self.parameter_group(call, name)?]
        } else {
            let own = self.parameter_groups.iter().filter(|((region, _), _)| region == call.region);
            let mut all = default_groups();
            all.extend(own.map(|(_, group)| group.clone()));
            all.sort_by(|left, right| left.name.cmp(&right.name));
            all
        };
        let answers = groups.into_iter().map(|group| (group.name.clone(), group.answer(call)));
        page(call, "CacheParameterGroups", 100, answers)
    }

    /// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_DescribeCacheParameters.html>
    pub(super) fn describe_cache_parameters(&self, call: &Call<'_>) -> Result<Value, AwsError> {
        let group = self.parameter_group(call, call.text("CacheParameterGroupName").unwrap_or_default())?;
        let source = call.text("Source");
        if let Some(other) = source.filter(|source| !["user", "system", "engine-default"].contains(source)) {
            return Err(invalid_value(format!("Source is user, system or engine-default, not {other}.")));
        }
        let oldest = catalog::oldest_version(group.family);
        let shown = parameters::of(group.family)
            .map(|parameter| (parameter.name.to_owned(), parameter.show(group.values.get(parameter.name), oldest)))
            .filter(|(_, shown)| source.is_none_or(|source| shown["Source"] == source));
        let mut answer = page(call, "Parameters", 100, shown)?;
        answer["CacheNodeTypeSpecificParameters"] = json!([]);
        Ok(answer)
    }

    /// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_ModifyCacheParameterGroup.html>
    pub(super) fn modify_cache_parameter_group(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        let request: Change = read(call)?;
        let group = self.changeable(call, &request.cache_parameter_group_name)?;
        let mut changes = Vec::new();
        for (parameter, value) in request.named(group.family)? {
            let value = value.ok_or_else(|| invalid_value(format!("{} needs a ParameterValue.", parameter.name)))?;
            parameter.check(&value)?;
            changes.push((parameter, Some(value)));
        }
        self.change(call, &group.name, changes)
    }

    /// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_ResetCacheParameterGroup.html>
    pub(super) fn reset_cache_parameter_group(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        let request: Change = read(call)?;
        let group = self.changeable(call, &request.cache_parameter_group_name)?;
        let changes = if request.reset_all_parameters == Some(true) {
            if request.parameter_name_values.is_some_and(|named| !named.is_empty()) {
                return Err(invalid_combination("ParameterNameValues cannot be used when ResetAllParameters is true."));
            }
            let own = |parameter: &&Parameter| group.values.contains_key(parameter.name);
            parameters::of(group.family).filter(own).map(|parameter| (parameter, None)).collect()
        } else {
            request.named(group.family)?.into_iter().map(|(parameter, _)| (parameter, None)).collect()
        };
        self.change(call, &group.name, changes)
    }

    /// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_DeleteCacheParameterGroup.html>
    pub(super) fn delete_cache_parameter_group(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        let name = call.text("CacheParameterGroupName").unwrap_or_default();
        let group = self.changeable(call, name)?;
        let here = |region: &String, used: &String| *region == call.region && *used == group.name;
        let used = self.groups.values().any(|one| here(&one.region, &one.settings.parameter_group))
            || self.clusters.values().any(|one| here(&one.region, &one.settings.parameter_group));
        if used {
            let message =
                format!("One or more cache clusters are still members of this parameter group {}.", group.name);
            return Err(refused("InvalidCacheParameterGroupState", message));
        }
        self.parameter_groups.remove(&key(call, name));
        Ok(Value::Null)
    }

    /// Changes values. The caches of the group have them at once, or after a reboot of each node, which the maintenance
    /// window does not promise.
    /// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/ParameterGroups.Modifying.html>
    fn change(
        &mut self,
        call: &Call<'_>,
        name: &str,
        changes: Vec<(&'static Parameter, Option<String>)>,
    ) -> Result<Value, AwsError> {
        let needs_reboot = changes.iter().any(|(parameter, _)| parameter.needs_reboot);
        let group = self.parameter_groups.get_mut(&key(call, name)).ok_or_else(|| no_group(name))?;
        for (parameter, value) in changes {
            match value {
                Some(value) => group.values.insert(parameter.name.to_owned(), value),
                None => group.values.remove(parameter.name),
            };
        }
        let groups = self.groups.values_mut().map(|group| (&group.region, &mut group.settings));
        let clusters = self.clusters.values_mut().map(|cluster| (&cluster.region, &mut cluster.settings));
        for (_, settings) in groups.chain(clusters).filter(|(region, _)| *region == call.region) {
            settings.awaits_reboot |= needs_reboot && settings.parameter_group == name;
        }
        Ok(json!({"CacheParameterGroupName": name}))
    }

    /// The group that a request wants to change or delete; AWS's own never can be.
    fn changeable(&self, call: &Call<'_>, name: &str) -> Result<ParameterGroup, AwsError> {
        let group = self.parameter_group(call, name)?;
        if is_default(&group.name) {
            let message = format!("The default parameter group {} cannot be changed or deleted.", group.name);
            return Err(refused("InvalidCacheParameterGroupState", message));
        }
        Ok(group)
    }

    pub(super) fn parameter_group(&self, call: &Call<'_>, name: &str) -> Result<ParameterGroup, AwsError> {
        let name = name.to_ascii_lowercase();
        let own = || self.parameter_groups.get(&key(call, &name)).cloned();
        default_groups().into_iter().find(|group| group.name == name).or_else(own).ok_or_else(|| no_group(&name))
    }

    /// The group of that name for a cache of this version, whose family it must have.
    pub(super) fn parameter_group_for(
        &self,
        call: &Call<'_>,
        name: &str,
        version: &Version,
    ) -> Result<ParameterGroup, AwsError> {
        let group = self.parameter_group(call, name)?;
        if group.family == version.family {
            return Ok(group);
        }
        Err(invalid_combination(format!(
            "Expected a parameter group of family {} but found one of family {}.",
            version.family, group.family
        )))
    }
}

impl Change {
    /// The parameters that the request names, 1 to 20.
    fn named(&self, family: &str) -> Result<Vec<(&'static Parameter, Option<String>)>, AwsError> {
        let named = self.parameter_name_values.as_deref().unwrap_or_default();
        if named.is_empty() || named.len() > AT_ONCE {
            let message = format!("A request names 1 to {AT_ONCE} parameters, not {}.", named.len());
            return Err(invalid_value(message));
        }
        let one = |pair: &NameValue| {
            let name = pair.parameter_name.as_deref().unwrap_or_default();
            Ok((parameters::to_change(family, name)?, pair.parameter_value.clone()))
        };
        named.iter().map(one).collect()
    }
}

impl ParameterGroup {
    /// AWS's own group of a family.
    pub fn default_of(family: &'static str, cluster_mode: bool) -> Self {
        let (suffix, words) = if cluster_mode { (".cluster.on", " with cluster mode") } else { ("", "") };
        let mode = cluster_mode.then(|| ("cluster-enabled".to_owned(), "yes".to_owned()));
        Self {
            name: format!("default.{family}{suffix}"),
            family,
            description: format!("Default parameter group for {family}{words}"),
            values: mode.into_iter().collect(),
            tags: Tags::new(),
        }
    }

    /// Whether caches of it have cluster mode.
    pub fn cluster_mode(&self) -> bool {
        self.values.get("cluster-enabled").is_some_and(|value| value == "yes")
    }

    /// Whether a running cache may change from this group to the other: what is set at creation must be the same.
    /// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/ParameterGroups.Engine.html>
    pub fn check_exchange(&self, other: &Self) -> Result<(), AwsError> {
        let value =
            |group: &Self, parameter: &Parameter| parameter.value(group.values.get(parameter.name)).map(str::to_owned);
        match parameters::of(self.family).find(|one| one.needs_reboot && value(self, one) != value(other, one)) {
            None => Ok(()),
            Some(differs) => Err(invalid_combination(format!(
                "The parameter {} must have the same value in the parameter groups {} and {}.",
                differs.name, self.name, other.name
            ))),
        }
    }

    fn answer(&self, call: &Call<'_>) -> Value {
        json!({
            "CacheParameterGroupName": self.name,
            "CacheParameterGroupFamily": self.family,
            "Description": self.description,
            "IsGlobal": false,
            "ARN": call.arn("elasticache", &format!("parametergroup:{}", self.name)),
        })
    }
}

/// Whether a group of that name is AWS's own.
pub fn is_default(name: &str) -> bool {
    name.starts_with("default.")
}

/// `default.<family>` and, with cluster mode, `default.<family>.cluster.on`.
fn default_groups() -> Vec<ParameterGroup> {
    let both = |family| [false, true].map(|cluster_mode| ParameterGroup::default_of(family, cluster_mode));
    catalog::families().into_iter().flat_map(both).collect()
}

fn no_group(name: &str) -> AwsError {
    refused("CacheParameterGroupNotFound", format!("CacheParameterGroup {name} not found."))
}
