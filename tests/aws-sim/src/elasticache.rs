//! `ElastiCache`: replication groups with their member clusters, stand-alone clusters, snapshots, subnet groups, tags.
//!
//! Each operation is a `struct` of the parameters that are served (one that is not is refused with 501, by its name)
//! and a method in one of the files below. What happens by itself is in `tick`; what tests may do behind AWS's back is
//! in `backdoor`.
//!
//! A nightly snapshot is started only by a test: no cache changes its state by itself while a test lets days pass.
//!
//! What only real AWS can confirm:
//! - the default engine version of Valkey;
//! - that an upgrade to another parameter group family takes a default group along, and is refused with another;
//! - that a parameter set to its default value counts as set by the user;
//! - that a log destination which does not exist is refused at once, and that only its later loss becomes an `error`;
//! - what a log delivery configuration shows while it is `modifying`: here the old target, and the new one as pending;
//! - the codes of refusals for which AWS's pages give a rule but no code;
//! - that `SET` is refused for a group without a token (the API reference says "allowed only after ROTATE", users of
//!   Terraform report otherwise);
//! - that a snapshot of a group without cluster mode cannot be ordered by the group's name.

mod backdoor;
mod catalog;
mod clusters;
mod create;
mod delete;
mod describe;
mod logs;
mod modify;
mod network;
mod page;
mod parameter_groups;
mod parameters;
mod replicas;
mod rules;
mod snapshots;
mod state;
mod subnets;
mod tagging;
#[cfg(test)]
mod tests;
mod tick;
mod window;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use catalog::Engine;
pub use state::{Auth, Cluster, Group, Member, Settings, Snapshot, Tags};

use crate::call::Call;
use crate::error::AwsError;
use network::SubnetGroup;
use parameter_groups::ParameterGroup;
use state::Key;

/// The caches of one account, in all regions.
#[derive(Debug, Default)]
pub struct ElastiCache {
    groups: BTreeMap<Key, Group>,
    clusters: BTreeMap<Key, Cluster>,
    snapshots: BTreeMap<Key, Snapshot>,
    subnet_groups: BTreeMap<Key, SubnetGroup>,
    parameter_groups: BTreeMap<Key, ParameterGroup>,
    /// Ids of subnets, security groups and log destinations that tests have made unknown.
    unknown: BTreeSet<String>,
}

/// A tag as it stands in requests.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Tag {
    key: Option<String>,
    value: Option<String>,
}

impl ElastiCache {
    /// Answers one request.
    pub fn call(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        match call.operation {
            "CreateReplicationGroup" => self.create_replication_group(call),
            "DescribeReplicationGroups" => self.describe_replication_groups(call),
            "ModifyReplicationGroup" => self.modify_replication_group(call),
            "DeleteReplicationGroup" => self.delete_replication_group(call),
            "IncreaseReplicaCount" => self.increase_replica_count(call),
            "DecreaseReplicaCount" => self.decrease_replica_count(call),
            "CreateCacheCluster" => self.create_cache_cluster(call),
            "DescribeCacheClusters" => self.describe_cache_clusters(call),
            "DeleteCacheCluster" => self.delete_cache_cluster(call),
            "ListTagsForResource" => self.list_tags_for_resource(call),
            "AddTagsToResource" => self.add_tags_to_resource(call),
            "RemoveTagsFromResource" => self.remove_tags_from_resource(call),
            "CreateSnapshot" => self.create_snapshot(call),
            "DescribeSnapshots" => self.describe_snapshots(call),
            "DeleteSnapshot" => self.delete_snapshot(call),
            "CreateCacheSubnetGroup" => self.create_cache_subnet_group(call),
            "DescribeCacheSubnetGroups" => self.describe_cache_subnet_groups(call),
            "DeleteCacheSubnetGroup" => self.delete_cache_subnet_group(call),
            "CreateCacheParameterGroup" => self.create_cache_parameter_group(call),
            "DescribeCacheParameterGroups" => self.describe_cache_parameter_groups(call),
            "DescribeCacheParameters" => self.describe_cache_parameters(call),
            "ModifyCacheParameterGroup" => self.modify_cache_parameter_group(call),
            "ResetCacheParameterGroup" => self.reset_cache_parameter_group(call),
            "DeleteCacheParameterGroup" => self.delete_cache_parameter_group(call),
            other => Err(AwsError::not_implemented(format!("elasticache:{other}"))),
        }
    }
}

/// The parameters of a request. The model has checked them, so what does not fit is a parameter that is not served.
fn read<T: DeserializeOwned>(call: &Call<'_>) -> Result<T, AwsError> {
    T::deserialize(call.parameters)
        .map_err(|error| AwsError::not_implemented(format!("elasticache:{} with this: {error}", call.operation)))
}

/// What a request asks for that is in AWS's model, but not served here unless it says what holds anyway.
fn not_served(call: &Call<'_>, parameter: &str, served: bool) -> Result<(), AwsError> {
    if served {
        return Ok(());
    }
    Err(AwsError::not_implemented(format!("this {parameter} of elasticache:{}", call.operation)))
}

/// The key of a resource in the call's region; names are stored in lower case.
fn key(call: &Call<'_>, name: &str) -> Key {
    (call.region.to_owned(), name.to_ascii_lowercase())
}

/// An object without the members that are null: AWS leaves them out.
fn present(mut answer: Value) -> Value {
    if let Value::Object(members) = &mut answer {
        members.retain(|_, value| !value.is_null());
    }
    answer
}
