//! How long AWS's asynchronous states last.

use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);

/// How long each asynchronous state lasts, on the account's virtual clock.
/// The defaults are what small instances take in practice; AWS promises none.
#[derive(Clone, Debug)]
pub struct Durations {
    /// RDS `creating`.
    pub create_db_instance: Duration,
    /// RDS `backing-up`: the first backup after the creation, and each nightly one.
    pub backup_db_instance: Duration,
    /// RDS `modifying`.
    pub modify_db_instance: Duration,
    /// RDS: from the modification's answer until the status shows `modifying`.
    /// AWS answers `available` for a moment after it has accepted a change.
    pub notice_modification: Duration,
    /// RDS `renaming`.
    pub rename_db_instance: Duration,
    /// RDS `upgrading`.
    pub upgrade_db_instance: Duration,
    /// RDS `rebooting`.
    pub reboot_db_instance: Duration,
    /// RDS `starting`.
    pub start_db_instance: Duration,
    /// RDS `stopping`.
    pub stop_db_instance: Duration,
    /// RDS `deleting`.
    pub delete_db_instance: Duration,
    /// RDS `storage-optimization`, after the storage has grown.
    pub optimize_storage: Duration,
    /// RDS: from a change of the storage until another is taken, although it serves.
    pub rest_storage: Duration,
    /// RDS: a snapshot's `creating`.
    pub create_db_snapshot: Duration,
    /// RDS: a parameter group's `applying`.
    pub apply_parameters: Duration,
    /// ElastiCache `creating`.
    pub create_replication_group: Duration,
    /// ElastiCache `modifying` (node type, version, parameter group …).
    pub modify_replication_group: Duration,
    /// ElastiCache `modifying` while replicas come or go.
    pub change_replica_count: Duration,
    /// ElastiCache: failover and Multi-AZ in `enabling` and `disabling`.
    pub switch_failover: Duration,
    /// ElastiCache: a log delivery's `enabling`, `modifying` and `disabling`.
    pub change_log_delivery: Duration,
    /// ElastiCache `deleting`.
    pub delete_replication_group: Duration,
    /// ElastiCache: a snapshot's `creating`, its group's `snapshotting`.
    pub create_cache_snapshot: Duration,
    /// ElastiCache: a snapshot's `deleting`.
    pub delete_cache_snapshot: Duration,
}

impl Default for Durations {
    fn default() -> Self {
        Self {
            create_db_instance: 5 * MINUTE,
            backup_db_instance: 3 * MINUTE,
            modify_db_instance: 4 * MINUTE,
            notice_modification: Duration::ZERO,
            rename_db_instance: 3 * MINUTE,
            upgrade_db_instance: 8 * MINUTE,
            reboot_db_instance: MINUTE,
            start_db_instance: 4 * MINUTE,
            stop_db_instance: 4 * MINUTE,
            delete_db_instance: 5 * MINUTE,
            optimize_storage: Duration::from_hours(6),
            rest_storage: Duration::from_hours(6),
            create_db_snapshot: 3 * MINUTE,
            apply_parameters: MINUTE,
            create_replication_group: 6 * MINUTE,
            modify_replication_group: 4 * MINUTE,
            change_replica_count: 5 * MINUTE,
            switch_failover: 2 * MINUTE,
            change_log_delivery: MINUTE,
            delete_replication_group: 5 * MINUTE,
            create_cache_snapshot: 3 * MINUTE,
            delete_cache_snapshot: MINUTE,
        }
    }
}
