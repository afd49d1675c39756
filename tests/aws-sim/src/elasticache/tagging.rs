//! `ListTagsForResource`, `AddTagsToResource`, `RemoveTagsFromResource`.
//! <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_ListTagsForResource.html>

use serde::Deserialize;
use serde_json::{Value, json};

use super::rules::{self, refused};
use super::state::Tags;
use super::{ElastiCache, Tag, key, read};
use crate::call::Call;
use crate::error::AwsError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Add {
    resource_name: String,
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Remove {
    resource_name: String,
    tag_keys: Vec<String>,
}

impl ElastiCache {
    pub(super) fn list_tags_for_resource(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        let arn = call.text("ResourceName").unwrap_or_default();
        let tags = self.tags_of(call, arn, Access::Read)?;
        Ok(answer(tags))
    }

    pub(super) fn add_tags_to_resource(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        let request: Add = read(call)?;
        let tags = self.tags_of(call, &request.resource_name, Access::Write)?;
        *tags = rules::tags(&request.tags, tags)?;
        Ok(answer(tags))
    }

    pub(super) fn remove_tags_from_resource(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        let request: Remove = read(call)?;
        let tags = self.tags_of(call, &request.resource_name, Access::Write)?;
        if let Some(absent) = request.tag_keys.iter().find(|name| !tags.contains_key(*name)) {
            return Err(refused("TagNotFound", format!("The tag {absent} was not found on the resource.")));
        }
        tags.retain(|name, _| !request.tag_keys.contains(name));
        Ok(answer(tags))
    }

    /// Tags are answered and changed only while the group or cluster is `available`. Members show their group's.
    fn tags_of(&mut self, call: &Call<'_>, arn: &str, access: Access) -> Result<&mut Tags, AwsError> {
        let (kind, name) = resource(call, arn)?;
        let place = key(call, name);
        match kind {
            "replicationgroup" => {
                let group = self.group_mut(call, name)?;
                if group.status != "available" {
                    return Err(refused(
                        "InvalidReplicationGroupState",
                        "Cluster not in available state for tagging operations",
                    ));
                }
                Ok(&mut group.tags)
            }
            "cluster" => {
                let absent =
                    || refused("CacheClusterNotFound", format!("{name} is either not present or not available."));
                if self.clusters.contains_key(&place) {
                    let cluster = self.clusters.get_mut(&place).ok_or_else(absent)?;
                    return if cluster.status == "available" { Ok(&mut cluster.tags) } else { Err(absent()) };
                }
                let group = self.member_of(call, name).ok_or_else(absent)?;
                if group.status != "available" {
                    return Err(absent());
                }
                if let Access::Write = access {
                    return Err(AwsError::not_implemented("tags of one member of a replication group"));
                }
                let id = group.id.clone();
                Ok(&mut self.group_mut(call, &id)?.tags)
            }
            "snapshot" => {
                let snapshot = self.snapshots.get_mut(&place);
                let snapshot = snapshot.ok_or_else(|| refused("SnapshotNotFoundFault", format!("{name} not found")))?;
                Ok(&mut snapshot.tags)
            }
            "subnetgroup" => {
                self.subnet_group(call, name)?;
                Ok(&mut self.subnet_groups.get_mut(&place).expect("it was found just before").tags)
            }
            "parametergroup" => {
                // AWS's own groups belong to nobody, and carry no tags.
                self.parameter_group(call, name)?;
                let own = self.parameter_groups.get_mut(&place).map(|group| &mut group.tags);
                own.ok_or_else(|| AwsError::not_implemented("tags of a default parameter group"))
            }
            other => Err(AwsError::not_implemented(format!("tags of elasticache {other}"))),
        }
    }
}

#[derive(Clone, Copy)]
enum Access {
    Read,
    Write,
}

fn answer(tags: &Tags) -> Value {
    let list: Vec<_> = tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    json!({"TagList": list})
}

/// Kind and name of an ARN of this account and region.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticache.html>
fn resource<'a>(call: &Call<'_>, arn: &'a str) -> Result<(&'a str, &'a str), AwsError> {
    let here = call.arn("elasticache", "");
    let rest = arn.strip_prefix(&here).and_then(|rest| rest.split_once(':'));
    rest.ok_or_else(|| refused("InvalidARN", format!("{arn} is not an ElastiCache ARN of this account and region.")))
}
