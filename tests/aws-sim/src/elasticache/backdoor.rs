//! What tests may see and do behind AWS's back.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::ElastiCache;
use super::state::{Auth, Group, Key, Snapshot, Then};

impl ElastiCache {
    /// A group as it is.
    pub fn group(&self, region: &str, id: &str) -> Option<&Group> {
        self.groups.get(&place(region, id))
    }

    /// All groups of a region.
    pub fn groups(&self, region: &str) -> impl Iterator<Item = &Group> {
        self.groups.values().filter(move |group| group.region == region)
    }

    /// A snapshot as it is.
    pub fn snapshot(&self, region: &str, name: &str) -> Option<&Snapshot> {
        self.snapshots.get(&place(region, name))
    }

    /// The tokens that a group takes now (SHA-256 in hex, oldest first), and whether it takes connections without one.
    pub fn auth(&self, region: &str, id: &str) -> Option<&Auth> {
        Some(&self.group(region, id)?.auth)
    }

    /// Starts the nightly snapshot of an available group, as AWS does in the snapshot window, and says its name: none if
    /// the group is busy, or keeps no snapshots. The group is `snapshotting` for as long as given.
    pub fn start_nightly_snapshot(
        &mut self,
        region: &str,
        id: &str,
        now: Timestamp,
        lasts: Duration,
    ) -> Option<String> {
        let group = self.groups.get_mut(&place(region, id))?;
        if group.status != "available" || group.settings.snapshot_retention == 0 {
            return None;
        }
        let source = group.snapshots_from()?;
        let time = now.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d-%H-%M");
        let name = format!("automatic.{}-{time}", if group.cluster_mode { &group.id } else { source });
        let arn = group.arn.replace(&format!("replicationgroup:{}", group.id), &format!("snapshot:{name}"));
        let mut snapshot = Snapshot::begin(group, name.clone(), arn, now);
        snapshot.until = Some(now + lasts);
        "snapshotting".clone_into(&mut group.status);
        group.until = Some((now + lasts, Then::Snapshotted));
        self.snapshots.insert((region.to_owned(), name.clone()), snapshot);
        Some(name)
    }

    /// Takes a group away at once, with all its clusters, as if it had never been. Says whether it was there.
    pub fn drop_group(&mut self, region: &str, id: &str) -> bool {
        self.groups.remove(&place(region, id)).is_some()
    }

    /// Puts a group into any status (`create-failed`, `modifying`, …), where it stays until another is set.
    pub fn set_status(&mut self, region: &str, id: &str, status: &str) -> bool {
        self.with_group(region, id, |group| {
            status.clone_into(&mut group.status);
            group.until = None;
        })
    }

    /// Changes a group's encryption at rest, which no AWS call can.
    pub fn set_at_rest_encryption(&mut self, region: &str, id: &str, on: bool) -> bool {
        self.with_group(region, id, |group| {
            group.at_rest = on;
            group.kms_key = group.kms_key.take().filter(|_| on);
        })
    }

    /// From now on AWS cannot deliver logs of that type (`slow-log`), and says this of it.
    pub fn fail_log_delivery(&mut self, region: &str, id: &str, log_type: &str, message: &str) -> bool {
        self.with_group(region, id, |group| {
            if let Some(delivery) = group.logs.get_mut(log_type) {
                delivery.error = Some(message.to_owned());
            }
        })
    }

    /// From now on no subnet, security group, log group or delivery stream of that id exists.
    pub fn make_unknown(&mut self, id: &str) {
        self.unknown.insert(id.to_owned());
    }

    /// Reboots the nodes of a group at once, as `RebootCacheCluster` does in a minute: changed parameters are taken up.
    pub fn reboot(&mut self, region: &str, id: &str) -> bool {
        self.with_group(region, id, |group| group.settings.awaits_reboot = false)
    }

    /// Changes a group as no AWS call can. Says whether it was there.
    pub fn with_group(&mut self, region: &str, id: &str, change: impl FnOnce(&mut Group)) -> bool {
        self.groups.get_mut(&place(region, id)).map(change).is_some()
    }
}

fn place(region: &str, id: &str) -> Key {
    (region.to_owned(), id.to_owned())
}
