//! What happens by itself, as time passes.

use jiff::Timestamp;

use super::ElastiCache;
use super::state::{Changes, Group, Then};
use crate::durations::Durations;

impl ElastiCache {
    /// Moves everything whose time has come. A long leap passes through all states on the way, in their order.
    pub fn tick(&mut self, now: Timestamp, durations: &Durations) {
        let due = |until: Option<Timestamp>| until.is_some_and(|at| at <= now);
        self.clusters.retain(|_, cluster| {
            if !due(cluster.until) {
                return true;
            }
            cluster.until = None;
            let stays = cluster.status == "creating";
            "available".clone_into(&mut cluster.status);
            stays
        });
        self.snapshots.retain(|_, snapshot| {
            if !due(snapshot.until) {
                return true;
            }
            snapshot.until = None;
            let stays = snapshot.status == "creating";
            snapshot.status = "available";
            stays
        });
        let mut gone = Vec::new();
        self.groups.retain(|_, group| {
            let stays = group.tick(now, durations);
            if !stays {
                gone.extend(group.members.iter().map(|member| (group.region.clone(), member.id.clone())));
            }
            stays
        });
        // Automatic backups go with their cluster, and when they are older than the retention says.
        // <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/backups-automatic.html>
        self.snapshots.retain(|(region, _), snapshot| {
            let kept = std::time::Duration::from_hours(24 * snapshot.settings.snapshot_retention.unsigned_abs());
            let with_source = snapshot.of.nodes.iter().any(|(id, ..)| gone.contains(&(region.clone(), id.clone())));
            snapshot.source != "automated" || !with_source && snapshot.taken + kept >= now
        });
    }
}

impl Group {
    /// Whether the group is still there.
    fn tick(&mut self, now: Timestamp, durations: &Durations) -> bool {
        let mut last = self.created;
        loop {
            if let Some((at, then)) = self.until.take_if(|(at, _)| *at <= now) {
                last = at;
                "available".clone_into(&mut self.status);
                match then {
                    Then::Created => self.apply(Changes::default(), at),
                    Then::Changed(changes) => self.apply(*changes, at),
                    Then::Snapshotted => {}
                    Then::Gone => return false,
                }
            } else if let Some(begins) = self.pending_begins().filter(|at| *at <= now)
                && let Some((_, changes)) = self.pending.take()
            {
                self.begin(changes, begins.max(last), durations);
            } else {
                return true;
            }
        }
    }

    /// Starts to apply changes: `modifying`, members that come in `creating`, those that leave in `deleting`.
    pub(super) fn begin(&mut self, changes: Changes, now: Timestamp, durations: &Durations) {
        "modifying".clone_into(&mut self.status);
        for member in &mut self.members {
            if changes.leaving.contains(&member.id) {
                member.status = "deleting";
            }
        }
        let lasts = if changes.joining || !changes.leaving.is_empty() {
            durations.change_replica_count
        } else if changes.only_logs() {
            durations.change_log_delivery
        } else if changes.only_failover() {
            durations.switch_failover
        } else {
            durations.modify_replication_group
        };
        self.until = Some((now + lasts, Then::Changed(Box::new(changes))));
    }
}
