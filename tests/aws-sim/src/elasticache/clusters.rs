//! `CreateCacheCluster` and `DeleteCacheCluster`: one node outside of any group, which cannot be encrypted at rest.
//! <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateCacheCluster.html>

use serde::Deserialize;
use serde_json::{Value, json};

use super::create::Common;
use super::describe::{cluster_answer, no_cluster};
use super::rules::{self, invalid_value, refused};
use super::state::{Cluster, Tags};
use super::{ElastiCache, key, network, not_served, read};
use crate::call::Call;
use crate::error::AwsError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Request {
    cache_cluster_id: String,
    num_cache_nodes: Option<i64>,
    preferred_availability_zone: Option<String>,
    transit_encryption_enabled: Option<bool>,
    #[serde(flatten)]
    common: Common,
}

impl ElastiCache {
    pub(super) fn create_cache_cluster(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        let request: Request = read(call)?;
        let id = rules::identifier("CacheClusterId", &request.cache_cluster_id, 50)?;
        let memcached = request.common.engine.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("memcached"));
        not_served(call, "Engine (memcached)", !memcached)?;
        not_served(call, "TransitEncryptionEnabled", request.transit_encryption_enabled != Some(true))?;
        if request.num_cache_nodes.is_some_and(|nodes| nodes != 1) {
            return Err(invalid_value("Cannot create a Redis OSS or Valkey cluster with more than one node."));
        }
        let place = key(call, &id);
        if self.clusters.contains_key(&place) || self.member_of(call, &id).is_some() {
            return Err(refused("CacheClusterAlreadyExists", format!("Cache cluster {id} already exists.")));
        }
        let tags = rules::tags(request.common.tags.as_deref().unwrap_or_default(), &Tags::new())?;
        let (settings, _) = self.settings(call, &request.common, Some(false))?;
        let cluster = Cluster {
            arn: call.arn("elasticache", &format!("cluster:{id}")),
            id,
            region: call.region.to_owned(),
            account: call.account.to_owned(),
            created: call.now,
            zone: request.preferred_availability_zone.unwrap_or_else(|| network::zone(call.region, 0)),
            status: "creating".to_owned(),
            settings,
            tags,
            until: Some(call.now + call.durations.create_replication_group),
        };
        let answer = cluster_answer(&cluster, false);
        self.clusters.insert(place, cluster);
        Ok(json!({"CacheCluster": answer}))
    }

    /// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_DeleteCacheCluster.html>
    pub(super) fn delete_cache_cluster(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        not_served(call, "FinalSnapshotIdentifier", call.text("FinalSnapshotIdentifier").is_none())?;
        let id = call.text("CacheClusterId").unwrap_or_default();
        if let Some(group) = self.member_of(call, id) {
            return Err(refused(
                "InvalidCacheClusterState",
                format!("{id} is a member of {}: use DecreaseReplicaCount or DeleteReplicationGroup.", group.id),
            ));
        }
        let cluster = self.clusters.get_mut(&key(call, id)).ok_or_else(|| no_cluster(id))?;
        if cluster.status != "available" {
            return Err(refused(
                "InvalidCacheClusterState",
                format!("Cache cluster {id} is {}: only an available cluster can be deleted.", cluster.status),
            ));
        }
        "deleting".clone_into(&mut cluster.status);
        cluster.until = Some(call.now + call.durations.delete_replication_group);
        Ok(json!({"CacheCluster": cluster_answer(cluster, false)}))
    }

    /// The group that has a member of that name.
    pub(super) fn member_of(&self, call: &Call<'_>, id: &str) -> Option<&super::Group> {
        self.groups
            .values()
            .filter(|group| group.region == call.region)
            .find(|group| group.members.iter().any(|member| member.id.eq_ignore_ascii_case(id)))
    }
}
