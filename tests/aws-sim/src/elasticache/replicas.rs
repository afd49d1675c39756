//! `IncreaseReplicaCount` and `DecreaseReplicaCount`.
//! <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_IncreaseReplicaCount.html>
//! <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_DecreaseReplicaCount.html>

use serde::Deserialize;
use serde_json::{Value, json};

use super::create::member_id;
use super::describe::group_answer;
use super::modify::must_be_available;
use super::rules::{invalid_combination, invalid_value, refused};
use super::state::{Changes, Group, Member};
use super::{ElastiCache, network, read};
use crate::call::Call;
use crate::error::AwsError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Request {
    replication_group_id: String,
    new_replica_count: Option<usize>,
    replicas_to_remove: Option<Vec<String>>,
    apply_immediately: bool,
}

impl ElastiCache {
    pub(super) fn increase_replica_count(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        let (request, mut group) = self.resizable(call)?;
        let wanted =
            request.new_replica_count.ok_or_else(|| invalid_combination("NewReplicaCount must be specified."))?;
        check_count(wanted, group.replicas(), wanted < group.replicas())?;
        let count = group.replicas();
        for shard in 1..=group.shards {
            for _ in count..wanted {
                group.join(call, shard);
            }
        }
        self.check_member_names(call, &group.members)?;
        let changes = Changes { joining: true, ..Changes::default() };
        Ok(self.resize(call, group, changes))
    }

    pub(super) fn decrease_replica_count(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        let (request, group) = self.resizable(call)?;
        let leaving = match (request.new_replica_count, request.replicas_to_remove) {
            (None, Some(ids)) if !ids.is_empty() => ids,
            (Some(wanted), None) => {
                check_count(wanted, group.replicas(), wanted > group.replicas())?;
                group.last_replicas(group.replicas() - wanted)
            }
            _ => {
                return Err(invalid_combination(
                    "Either NewReplicaCount or ReplicasToRemove must be specified, not both.",
                ));
            }
        };
        for id in &leaving {
            let member = group.members.iter().find(|member| member.id == *id);
            let Some(member) = member else {
                return Err(invalid_value(format!("{id} is not a member of {}.", group.id)));
            };
            if group.primary_of(member.shard) == Some(id) {
                return Err(invalid_value(format!("{id} is a primary and cannot be removed.")));
            }
        }
        let left = group.members.len() - leaving.len();
        if !group.cluster_mode && left < 2 && (group.failover || group.multi_az) {
            return Err(invalid_combination(
                "Automatic failover needs a read replica: disable automatic failover before the last one is removed.",
            ));
        }
        let changes = Changes { leaving, ..Changes::default() };
        Ok(self.resize(call, group, changes))
    }

    /// The request and a copy of its group, which must be `available`.
    fn resizable(&self, call: &Call<'_>) -> Result<(Request, Group), AwsError> {
        let request: Request = read(call)?;
        let group = self.group_of(call, &request.replication_group_id)?;
        if !request.apply_immediately {
            return Err(invalid_value("ApplyImmediately=false is not currently supported."));
        }
        must_be_available(group)?;
        let group = group.clone();
        Ok((request, group))
    }

    fn resize(&mut self, call: &Call<'_>, mut group: Group, changes: Changes) -> Value {
        group.begin(changes, call.now, call.durations);
        let answer = group_answer(&group);
        self.groups.insert((group.region.clone(), group.id.clone()), group);
        json!({"ReplicationGroup": answer})
    }
}

fn check_count(wanted: usize, now: usize, wrong_way: bool) -> Result<(), AwsError> {
    if wanted > 5 {
        return Err(invalid_value(format!("A node group has 0 to 5 replicas, not {wanted}.")));
    }
    if wanted == now {
        return Err(refused("NoOperationFault", format!("The group has {now} replicas already.")));
    }
    if wrong_way {
        return Err(invalid_value(format!(
            "NewReplicaCount {wanted} goes the other way: the group has {now} replicas."
        )));
    }
    Ok(())
}

impl Group {
    /// Replicas of each shard.
    fn replicas(&self) -> usize {
        self.members.iter().filter(|member| member.shard == 1).count().saturating_sub(1)
    }

    fn primary_of(&self, shard: u32) -> Option<&String> {
        self.members.iter().find(|member| member.shard == shard).map(|member| &member.id)
    }

    /// A new member takes the lowest free number.
    fn join(&mut self, call: &Call<'_>, shard: u32) {
        let (number, id) = (1..=self.members.len() + 1)
            .map(|number| (number, member_id(&self.id, shard, number, self.cluster_mode)))
            .find(|(_, id)| self.members.iter().all(|member| member.id != *id))
            .expect("one number more than members is free");
        let member =
            Member { id, shard, zone: network::zone(call.region, number - 1), created: call.now, status: "creating" };
        let at = self.members.iter().rposition(|member| member.shard == shard).map_or(0, |at| at + 1);
        self.members.insert(at, member);
    }

    /// The last replicas of each shard, never its primary.
    fn last_replicas(&self, count: usize) -> Vec<String> {
        (1..=self.shards)
            .flat_map(|shard| {
                let replicas = self.members.iter().filter(move |member| member.shard == shard).skip(1);
                replicas.collect::<Vec<_>>().into_iter().rev().take(count).map(|member| member.id.clone())
            })
            .collect()
    }
}
