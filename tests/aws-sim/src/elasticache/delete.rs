//! `DeleteReplicationGroup`.
//! <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_DeleteReplicationGroup.html>

use serde::Deserialize;
use serde_json::{Value, json};

use super::describe::{group_answer, without_node_groups};
use super::rules::refused;
use super::state::{Tags, Then};
use super::{ElastiCache, not_served, read};
use crate::call::Call;
use crate::error::AwsError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Request {
    replication_group_id: String,
    retain_primary_cluster: Option<bool>,
    final_snapshot_identifier: Option<String>,
}

impl ElastiCache {
    /// The group shows `deleting`, a final snapshot is made from it first, and in the end it is not found.
    pub(super) fn delete_replication_group(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        let request: Request = read(call)?;
        not_served(call, "RetainPrimaryCluster", request.retain_primary_cluster != Some(true))?;
        let group = self.group_of(call, &request.replication_group_id)?;
        if !matches!(group.status.as_str(), "available" | "create-failed") {
            return Err(refused(
                "InvalidReplicationGroupState",
                format!("Replication group {} is {}: only an available group can be deleted.", group.id, group.status),
            ));
        }
        let mut group = group.clone();
        let mut gone = call.now + call.durations.delete_replication_group;
        if let Some(name) = &request.final_snapshot_identifier {
            if group.status == "create-failed" {
                return Err(refused(
                    "InvalidReplicationGroupState",
                    format!("Replication group {} has no data to make a final snapshot from.", group.id),
                ));
            }
            let snapshot = self.snapshot_of_group(call, &group, name, group.kms_key.clone(), Tags::new())?;
            let ready = call.now + call.durations.create_cache_snapshot;
            self.keep_snapshot(call, snapshot, ready);
            gone += call.durations.create_cache_snapshot;
        }
        "deleting".clone_into(&mut group.status);
        group.pending = None;
        for member in &mut group.members {
            member.status = "deleting";
        }
        group.until = Some((gone, Then::Gone));
        let answer = without_node_groups(group_answer(&group));
        self.groups.insert((group.region.clone(), group.id.clone()), group);
        Ok(json!({"ReplicationGroup": answer}))
    }
}
