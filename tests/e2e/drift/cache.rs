//! A cache's fields, changed behind the operator's back.

use showcore_operator::{cache::ShowCoreCache, kind::Kind as _};

use super::{
    By::Python,
    Case, Table,
    Then::{Corrected, InWindow},
};

pub const TABLE: Table = Table {
    kind: "ShowCoreCache",
    rows: ShowCoreCache::FIELDS,
    name: "drifting",
    spec: "maintenance: {window: 'sun:05:00-sun:06:00'}, snapshot: {window: '01:00-02:00'}, tags: {team: core}",
    identifier: "drifting",
    cases: CASES,
};

const CASES: &[Case] = &[
    Case {
        field: "snapshot.retentionDays",
        change: Python(
            "client('elasticache').modify_replication_group(ReplicationGroupId=NAME, SnapshotRetentionLimit=5, ApplyImmediately=True)",
        ),
        desired: "1",
        observed: "5",
        then: Corrected,
    },
    Case {
        field: "nodeType",
        change: Python(
            "client('elasticache').modify_replication_group(ReplicationGroupId=NAME, CacheNodeType='cache.t3.small', ApplyImmediately=True)",
        ),
        desired: "cache.t3.micro",
        observed: "cache.t3.small",
        then: InWindow,
    },
];
