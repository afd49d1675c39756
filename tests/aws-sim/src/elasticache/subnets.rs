//! Subnet groups.
//! <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/SubnetGroups.html>

use serde::Deserialize;
use serde_json::{Value, json};

use super::network::{self, SubnetGroup};
use super::page::page;
use super::rules::{self, refused};
use super::state::Tags;
use super::{ElastiCache, Tag, key, read};
use crate::call::Call;
use crate::error::AwsError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Create {
    cache_subnet_group_name: String,
    cache_subnet_group_description: String,
    subnet_ids: Vec<String>,
    tags: Option<Vec<Tag>>,
}

impl ElastiCache {
    pub(super) fn create_cache_subnet_group(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        let request: Create = read(call)?;
        let name = request.cache_subnet_group_name.to_ascii_lowercase();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_. ".contains(c);
        if name.is_empty() || name.len() > 255 || !name.chars().all(plain) {
            return Err(rules::invalid_value(format!(
                "The parameter CacheSubnetGroupName {name:?} is not a valid name."
            )));
        }
        let place = key(call, &name);
        if self.subnet_groups.contains_key(&place) {
            return Err(refused("CacheSubnetGroupAlreadyExists", format!("Cache subnet group {name} already exists.")));
        }
        if request.subnet_ids.is_empty() {
            return Err(refused("InvalidSubnet", "A cache subnet group needs a subnet."));
        }
        network::check_subnets(&request.subnet_ids, &self.unknown)?;
        let group = SubnetGroup {
            arn: call.arn("elasticache", &format!("subnetgroup:{name}")),
            name,
            description: request.cache_subnet_group_description,
            subnets: request.subnet_ids,
            tags: rules::tags(request.tags.as_deref().unwrap_or_default(), &Tags::new())?,
        };
        let answer = group.answer(call.account, call.region);
        self.subnet_groups.insert(place, group);
        Ok(json!({"CacheSubnetGroup": answer}))
    }

    pub(super) fn describe_cache_subnet_groups(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        let name = call.text("CacheSubnetGroupName").map(str::to_ascii_lowercase);
        if let Some(name) = &name {
            self.subnet_group(call, name)?;
        }
        let groups = self
            .subnet_groups
            .iter()
            .filter(|((region, _), _)| region == call.region)
            .map(|(_, group)| group)
            .filter(|group| name.as_ref().is_none_or(|name| *name == group.name));
        page(
            call,
            "CacheSubnetGroups",
            100,
            groups.map(|group| (group.name.clone(), group.answer(call.account, call.region))),
        )
    }

    pub(super) fn delete_cache_subnet_group(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        let name = call.text("CacheSubnetGroupName").unwrap_or_default().to_ascii_lowercase();
        self.subnet_group(call, &name)?;
        let here = |region: &String, used: &String| *region == call.region && *used == name;
        let used = self.groups.values().any(|group| here(&group.region, &group.settings.subnet_group))
            || self.clusters.values().any(|cluster| here(&cluster.region, &cluster.settings.subnet_group));
        if used || name == "default" {
            return Err(refused(
                "CacheSubnetGroupInUse",
                format!("Cache subnet group {name} is currently in use, or is AWS's own."),
            ));
        }
        self.subnet_groups.remove(&key(call, &name));
        Ok(json!({}))
    }

    /// The group of that name; `default` is made on first use.
    pub(super) fn subnet_group(&mut self, call: &Call<'_>, name: &str) -> Result<&SubnetGroup, AwsError> {
        let place = key(call, name);
        if place.1 == "default" {
            self.subnet_groups.entry(place.clone()).or_insert_with(|| {
                let arn = call.arn("elasticache", "subnetgroup:default");
                SubnetGroup::of_default_vpc(arn, call.account, call.region)
            });
        }
        self.subnet_groups.get(&place).ok_or_else(|| {
            refused("CacheSubnetGroupNotFoundFault", format!("Cache Subnet Group {name} does not exist."))
        })
    }
}
