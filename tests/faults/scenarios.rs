//! The scenarios.

use std::time::Duration;

use harness::judge::emulator::Emulator;

use crate::scenario::{
    End::{AsAfter, Same},
    Goal::{Gone, Says, Settled},
    Intrusion, Pace, QUICK, Scenario, Step,
    Step::{Apply, ApplyAll, Await, AwaitAll, Crds, Delete, DeleteNamespace, Outside, Remake, Restart},
    Tried,
};

mod outside;

pub use outside::changeable;

const DB: &str = "ShowCoreDatabase";
const CACHE: &str = "ShowCoreCache";
const BUCKET: &str = "ShowCoreBucket";

/// Manifests of objects, each on one line.
macro_rules! object {
    ($kind:literal, $name:literal, $($spec:literal),+) => {
        concat!(
            "{apiVersion: showcore.io/v1alpha1, kind: ", $kind, ", metadata: {name: ", $name, "}, spec: {",
            $($spec),+,
            "}}"
        )
    };
}

macro_rules! database {
    ($($spec:literal),+) => {
        object!(
            "ShowCoreDatabase", "shop",
            "engineVersion: '16.4', deletionProtection: false, backup: {window: '01:00-02:00'}, maintenance: {window: 'sun:05:00-sun:06:00'}",
            $($spec),+
        )
    };
}

macro_rules! cache {
    ($($spec:literal),+) => {
        object!(
            "ShowCoreCache", "shop",
            "engineVersion: '7.1', maintenance: {window: 'sun:05:00-sun:06:00'}",
            $($spec),+
        )
    };
}

macro_rules! bucket {
    ($($spec:literal),+) => { object!("ShowCoreBucket", "shop", "bucketName: 'shop-{accountID}'", $($spec),+) };
}

const DATABASE: &str = database!(
    ", disruption: Immediate, deletionPolicy: Delete, parameters: {log_min_duration_statement: '500'}, tags: {team: core}"
);
const EDITED_DATABASE: &str = database!(
    ", disruption: Immediate, deletionPolicy: Delete, parameters: {log_min_duration_statement: '900'}, tags: {edited: 'yes'}, logExports: [postgresql]"
);
const THE_CACHE: &str = cache!(
    ", snapshot: {window: '01:00-02:00'}, deletionPolicy: Delete, parameters: {maxmemory-policy: allkeys-lru}, tags: {team: core}"
);
const EDITED_CACHE: &str = cache!(
    ", snapshot: {window: '01:00-02:00', retentionDays: 5}, deletionPolicy: Delete, parameters: {maxmemory-policy: allkeys-lfu}, \
     tags: {edited: 'yes'}"
);
const THE_BUCKET: &str = bucket!(
    ", purpose: CloudTrailLogs, deletionPolicy: Delete, tags: {team: core}, \
     cors: [{allowedOrigins: ['https://app.example.com'], allowedMethods: [GET]}]"
);
const EDITED_BUCKET: &str = bucket!(
    ", purpose: CloudTrailLogs, deletionPolicy: Delete, tags: {edited: 'yes'}, \
     cors: [{allowedOrigins: ['https://shop.example.com'], allowedMethods: [GET]}]"
);

/// What people and outsiders may do to a store at any moment.
const fn people(name: &'static str, steps: &'static [Step], goals: &'static [Step]) -> Intrusion {
    Intrusion { name, row: 12, steps, ends: AsAfter(goals) }
}

/// The row of what others do in AWS.
pub const OUTSIDERS: u8 = 15;

const fn outsiders(name: &'static str, steps: &'static [Step]) -> Intrusion {
    Intrusion { name, row: OUTSIDERS, steps, ends: Same }
}

const TO_DATABASE: &[Intrusion] = &[
    people("edited", &[Apply(EDITED_DATABASE)], &[Await(DB, "shop", Settled)]),
    people("deleted", &[Delete(DB, "shop")], &[Await(DB, "shop", Gone)]),
    Intrusion { name: "made again", row: 12, steps: &[Remake(DB, "shop", DATABASE)], ends: Same },
    outsiders("edited in AWS", &[Outside(outside::edit_database)]),
    outsiders("tagged away", &[Outside(outside::untag_database)]),
];
const TO_CACHE: &[Intrusion] = &[
    people("edited", &[Apply(EDITED_CACHE)], &[Await(CACHE, "shop", Settled)]),
    people("deleted", &[Delete(CACHE, "shop")], &[Await(CACHE, "shop", Gone)]),
    Intrusion { name: "made again", row: 12, steps: &[Remake(CACHE, "shop", THE_CACHE)], ends: Same },
    outsiders("edited in AWS", &[Outside(outside::edit_cache)]),
    outsiders("tagged away", &[Outside(outside::untag_cache)]),
];
const TO_BUCKET: &[Intrusion] = &[
    people("edited", &[Apply(EDITED_BUCKET)], &[Await(BUCKET, "shop", Settled)]),
    people("deleted", &[Delete(BUCKET, "shop")], &[Await(BUCKET, "shop", Gone)]),
    Intrusion { name: "made again", row: 12, steps: &[Remake(BUCKET, "shop", THE_BUCKET)], ends: Same },
    outsiders("edited in AWS", &[Outside(outside::edit_bucket)]),
];

/// One that has vanished in AWS while nobody changes it. Where it comes to then is known: it is never made again, empty.
const DATABASE_VANISHES: &[Intrusion] = &[Intrusion {
    name: "deleted in AWS",
    row: OUTSIDERS,
    steps: &[Outside(outside::drop_database)],
    ends: AsAfter(DATABASE_MISSING),
}];
const DATABASE_MISSING: &[Step] = &[Await(DB, "shop", Says("Stalled", "Missing"))];
const CACHE_VANISHES: &[Intrusion] = &[Intrusion {
    name: "deleted in AWS",
    row: OUTSIDERS,
    steps: &[Outside(outside::drop_cache)],
    ends: AsAfter(CACHE_MISSING),
}];
const CACHE_MISSING: &[Step] = &[Await(CACHE, "shop", Says("Stalled", "Missing"))];
const BUCKET_VANISHES: &[Intrusion] = &[Intrusion {
    name: "deleted in AWS",
    row: OUTSIDERS,
    steps: &[Outside(outside::drop_bucket)],
    ends: AsAfter(BUCKET_MISSING),
}];
const BUCKET_MISSING: &[Step] = &[Await(BUCKET, "shop", Says("Stalled", "Missing"))];

// Every mutable field of a kind, before and after.
const DATABASE_BEFORE: &str = object!(
    "ShowCoreDatabase",
    "shop",
    "engineVersion: '16.4', disruption: Immediate, deletionProtection: false, \
     storage: {sizeGiB: 500, type: gp3, iops: 12000, throughput: 500}, backup: {window: '01:00-02:00'}, \
     maintenance: {window: 'sun:05:00-sun:06:00'}, network: {securityGroupIDs: [sg-0a0a0a0a]}, \
     parameters: {log_min_duration_statement: '500', work_mem: '8192'}, tags: {team: core, cost: a}, \
     caCertificateIdentifier: rds-ca-rsa2048-g1, logExports: [upgrade]"
);
const DATABASE_AFTER: &str = object!(
    "ShowCoreDatabase",
    "shop",
    "engineVersion: '16.6', disruption: Immediate, deletionProtection: true, instanceClass: db.t3.small, availability: MultiAZ, \
     storage: {sizeGiB: 600, maxSizeGiB: 1000, type: gp3, iops: 14000, throughput: 600}, \
     backup: {retentionDays: 9, window: '02:00-03:00'}, \
     maintenance: {window: 'mon:05:00-mon:06:00', autoMinorVersionUpgrade: false}, network: {securityGroupIDs: [sg-0b0b0b0b]}, \
     parameters: {log_min_duration_statement: '900', max_connections: '200'}, tags: {team: web, new: 'yes'}, \
     caCertificateIdentifier: rds-ca-ecc384-g1, logExports: [postgresql], \
     performanceInsights: {enabled: true, retentionDays: 31}, driftPolicy: Report, deletionPolicy: Retain, adoption: Unowned"
);
const CACHE_BEFORE: &str = object!(
    "ShowCoreCache",
    "shop",
    "engineVersion: '7.0', disruption: Immediate, replicas: 1, network: {securityGroupIDs: [sg-0a0a0a0a]}, \
     snapshot: {window: '01:00-02:00'}, maintenance: {window: 'sun:05:00-sun:06:00'}, \
     parameters: {maxmemory-policy: allkeys-lru, timeout: '100'}, tags: {team: core, cost: a}, \
     logDelivery: [{logType: SlowLog, destination: CloudWatchLogs, name: /slow}]"
);
const CACHE_AFTER: &str = object!(
    "ShowCoreCache",
    "shop",
    "engineVersion: '7.1', disruption: Immediate, replicas: 2, availability: MultiAZ, nodeType: cache.t3.small, \
     network: {securityGroupIDs: [sg-0b0b0b0b]}, snapshot: {window: '02:00-03:00', retentionDays: 5}, \
     maintenance: {window: 'mon:05:00-mon:06:00', autoMinorVersionUpgrade: false}, \
     parameters: {maxmemory-policy: allkeys-lfu}, tags: {team: web, new: 'yes'}, \
     logDelivery: [{logType: EngineLog, destination: CloudWatchLogs, name: /engine}], \
     driftPolicy: Report, deletionPolicy: Retain, adoption: Unowned"
);
const BUCKET_BEFORE: &str = bucket!(
    ", purpose: Backups, tags: {team: core, cost: a}, cors: [{allowedOrigins: ['https://app.example.com'], allowedMethods: [GET]}], \
     lifecycle: [{id: logs, prefix: logs/, expirationDays: 365}], \
     policy: {statements: [{sid: Logs, effect: Allow, principal: {service: [logging.s3.amazonaws.com]}, actions: ['s3:PutObject']}]}"
);
const BUCKET_AFTER: &str = bucket!(
    ", purpose: StaticAssets, tags: {team: web, new: 'yes'}, cors: [{allowedOrigins: ['https://shop.example.com'], allowedMethods: [GET]}], \
     lifecycle: [{id: old, prefix: old/, expirationDays: 30}], \
     logging: {targetBucket: 'shop-{accountID}', targetPrefix: own/}, objectLock: {}, \
     policy: {statements: [{sid: Logs, effect: Allow, principal: {service: [logging.s3.amazonaws.com]}, actions: ['s3:PutObject']}, \
       {sid: Keep, effect: Deny, principal: {aws: ['*']}, actions: ['s3:DeleteBucket']}]}, \
     driftPolicy: Report"
);

/// A second object that means the same store.
const RIVALS: &str = concat!(
    object!("ShowCoreDatabase", "rival", "identifier: shop, deletionPolicy: Delete, deletionProtection: false"),
    "\n---\n",
    object!(
        "ShowCoreBucket",
        "rival",
        "bucketName: 'shop-{accountID}', purpose: Backups, deletionPolicy: Delete, emptyOnDelete: true"
    )
);

fn two_hundred() -> String {
    many("core")
}

fn two_hundred_edited() -> String {
    many("web")
}

/// Forty databases, which is AWS's quota for an account, 130 caches and thirty buckets of this team.
fn many(team: &str) -> String {
    let object = |kind: &str, number: u32, spec: &str| {
        format!(
            "{{apiVersion: showcore.io/v1alpha1, kind: {kind}, metadata: {{name: many-{number}}}, spec: {{tags: {{team: {team}}}, {spec}}}}}"
        )
    };
    let windows = "window: '01:00-02:00'}, maintenance: {window: 'sun:05:00-sun:06:00'}";
    let databases = (0..40).map(|number| object(DB, number, &format!("engineVersion: '16.4', backup: {{{windows}")));
    let caches = (40..170).map(|number| object(CACHE, number, &format!("engineVersion: '7.1', snapshot: {{{windows}")));
    let buckets = (170..200)
        .map(|number| object(BUCKET, number, &format!("bucketName: 'many-{number}-{{accountID}}', purpose: Backups")));
    databases.chain(caches).chain(buckets).collect::<Vec<_>>().join("\n---\n")
}

/// A scenario with one operator and nobody who intrudes.
const fn scenario(name: &'static str, mutations: u32, prepared: &'static [Step], steps: &'static [Step]) -> Scenario {
    Scenario {
        name,
        prepared,
        steps,
        intrusions: &[],
        replicas: 1,
        alone: false,
        tried: Tried::All,
        before: None,
        pace: QUICK,
        mutations,
    }
}

const fn with(intrusions: &'static [Intrusion], scenario: Scenario) -> Scenario {
    Scenario { intrusions, ..scenario }
}

/// The same before an emulator that is not ours.
const fn before(emulator: Emulator, scenario: Scenario) -> Scenario {
    Scenario { before: Some(emulator), ..scenario }
}

/// Cases that have found bugs (docs/reliability.md). A sample begins with them.
pub const REGRESSIONS: [&str; 3] = [
    "cache-created: edited at elasticache:CreateReplicationGroup shop #1",
    "kept-and-adopted: killed, then an older list at rds:ModifyDBInstance shop #1",
    "namespace-deleted: killed, then an older list at rds:DeleteDBInstance shop #1",
];

/// All of them.
pub static ALL: &[Scenario] = &[
    scenario(
        "estate-created",
        14,
        &[],
        &[
            Apply(include_str!("../../examples/estate/database.yaml")),
            Apply(include_str!("../../examples/estate/cache.yaml")),
            Apply(include_str!("../../examples/estate/buckets.yaml")),
            Await(DB, "showcore-database-production-rds", Settled),
            Await(CACHE, "showcore-cache-production-redis", Settled),
            Await(BUCKET, "showcore-static-assets", Settled),
            Await(BUCKET, "showcore-backups", Settled),
            Await(BUCKET, "showcore-cloudtrail-logs", Settled),
        ],
    ),
    with(TO_DATABASE, scenario("database-created", 3, &[], &[Apply(DATABASE), Await(DB, "shop", Settled)])),
    with(TO_CACHE, scenario("cache-created", 3, &[], &[Apply(THE_CACHE), Await(CACHE, "shop", Settled)])),
    with(TO_BUCKET, scenario("bucket-created", 5, &[], &[Apply(THE_BUCKET), Await(BUCKET, "shop", Settled)])),
    with(
        DATABASE_VANISHES,
        scenario(
            "database-changed",
            6,
            &[Apply(DATABASE_BEFORE), Await(DB, "shop", Settled)],
            &[Apply(DATABASE_AFTER), Await(DB, "shop", Settled)],
        ),
    ),
    with(
        CACHE_VANISHES,
        scenario(
            "cache-changed",
            8,
            &[Apply(CACHE_BEFORE), Await(CACHE, "shop", Settled)],
            &[Apply(CACHE_AFTER), Await(CACHE, "shop", Settled)],
        ),
    ),
    with(
        BUCKET_VANISHES,
        scenario(
            "bucket-changed",
            6,
            &[Apply(BUCKET_BEFORE), Await(BUCKET, "shop", Settled)],
            &[Apply(BUCKET_AFTER), Await(BUCKET, "shop", Settled)],
        ),
    ),
    scenario(
        "database-drifted",
        4,
        &[Apply(DATABASE_BEFORE), Await(DB, "shop", Settled)],
        &[Outside(outside::drift_database), Await(DB, "shop", Settled)],
    ),
    scenario(
        "cache-drifted",
        4,
        &[Apply(CACHE_BEFORE), Await(CACHE, "shop", Settled)],
        &[Outside(outside::drift_cache), Await(CACHE, "shop", Settled)],
    ),
    scenario(
        "bucket-drifted",
        8,
        &[Apply(BUCKET_BEFORE), Await(BUCKET, "shop", Settled)],
        &[Outside(outside::drift_bucket), Await(BUCKET, "shop", Settled)],
    ),
    scenario(
        "bucket-disowned",
        0,
        &[Apply(THE_BUCKET), Await(BUCKET, "shop", Settled)],
        &[Outside(outside::untag_bucket), Await(BUCKET, "shop", Says("Stalled", "NotOurs"))],
    ),
    scenario(
        "database-taken-over",
        0,
        &[Apply(DATABASE), Await(DB, "shop", Settled)],
        &[Outside(outside::forge_owner), Apply(EDITED_DATABASE), Await(DB, "shop", Says("Stalled", "NotOurs"))],
    ),
    scenario(
        "database-deleted-snapshot",
        2,
        &[Apply(database!(", deletionPolicy: Snapshot, parameters: {work_mem: '8192'}")), Await(DB, "shop", Settled)],
        &[Delete(DB, "shop"), Await(DB, "shop", Gone)],
    ),
    scenario(
        "database-deleted-delete",
        2,
        &[Apply(DATABASE), Await(DB, "shop", Settled)],
        &[Delete(DB, "shop"), Await(DB, "shop", Gone)],
    ),
    scenario(
        "database-deleted-retain",
        1,
        &[Apply(database!(", deletionPolicy: Retain")), Await(DB, "shop", Settled)],
        &[Delete(DB, "shop"), Await(DB, "shop", Gone)],
    ),
    scenario(
        "cache-deleted-snapshot",
        2,
        &[Apply(cache!(", deletionPolicy: Snapshot, parameters: {timeout: '100'}")), Await(CACHE, "shop", Settled)],
        &[Delete(CACHE, "shop"), Await(CACHE, "shop", Gone)],
    ),
    scenario(
        "cache-deleted-delete",
        2,
        &[Apply(THE_CACHE), Await(CACHE, "shop", Settled)],
        &[Delete(CACHE, "shop"), Await(CACHE, "shop", Gone)],
    ),
    scenario(
        "cache-deleted-retain",
        1,
        &[Apply(cache!(", deletionPolicy: Retain")), Await(CACHE, "shop", Settled)],
        &[Delete(CACHE, "shop"), Await(CACHE, "shop", Gone)],
    ),
    scenario(
        "bucket-deleted-delete",
        2,
        &[
            Apply(bucket!(", purpose: Backups, deletionPolicy: Delete, emptyOnDelete: true")),
            Await(BUCKET, "shop", Settled),
            Outside(outside::fill_bucket),
        ],
        &[Delete(BUCKET, "shop"), Await(BUCKET, "shop", Gone)],
    ),
    scenario(
        "bucket-deleted-retain",
        1,
        &[Apply(bucket!(", purpose: Backups")), Await(BUCKET, "shop", Settled), Outside(outside::fill_bucket)],
        &[Delete(BUCKET, "shop"), Await(BUCKET, "shop", Gone)],
    ),
    scenario(
        "two-objects-one-store",
        0,
        &[Apply(DATABASE), Apply(THE_BUCKET), Await(DB, "shop", Settled), Await(BUCKET, "shop", Settled)],
        &[
            Apply(RIVALS),
            Await(DB, "rival", Says("Ready", "Conflict")),
            Await(BUCKET, "rival", Says("Ready", "Conflict")),
            Delete(DB, "rival"),
            Delete(BUCKET, "rival"),
            Await(DB, "rival", Gone),
            Await(BUCKET, "rival", Gone),
            Await(DB, "shop", Settled),
            Await(BUCKET, "shop", Settled),
        ],
    ),
    scenario(
        "made-again",
        11,
        &[Apply(DATABASE), Apply(THE_BUCKET), Await(DB, "shop", Settled), Await(BUCKET, "shop", Settled)],
        &[
            Delete(DB, "shop"),
            Delete(BUCKET, "shop"),
            Await(DB, "shop", Gone),
            Await(BUCKET, "shop", Gone),
            Apply(DATABASE),
            Apply(THE_BUCKET),
            Await(DB, "shop", Settled),
            Await(BUCKET, "shop", Settled),
        ],
    ),
    scenario(
        "kept-and-adopted",
        5,
        &[
            Apply(bucket!(", purpose: Backups")),
            Apply(database!(", deletionPolicy: Retain")),
            Await(DB, "shop", Settled),
            Await(BUCKET, "shop", Settled),
        ],
        &[
            Delete(DB, "shop"),
            Delete(BUCKET, "shop"),
            Await(DB, "shop", Gone),
            Await(BUCKET, "shop", Gone),
            Apply(bucket!(", purpose: Backups, adoption: Unowned")),
            Apply(database!(", deletionPolicy: Retain, adoption: Unowned, connectionSecretName: shop-again")),
            Await(DB, "shop", Settled),
            Await(BUCKET, "shop", Settled),
        ],
    ),
    scenario(
        "change-taken-back",
        // What AWS refuses is tried again until it is taken back.
        8,
        &[Apply(object!("ShowCoreCache", "shop", "engineVersion: '7.1'")), Await(CACHE, "shop", Settled)],
        &[
            Apply(object!(
                "ShowCoreCache",
                "shop",
                "engineVersion: '7.1', maintenance: {window: 'mon:05:00-sun:05:00'}"
            )),
            Await(CACHE, "shop", Says("Pending", "Refused")),
            Apply(object!("ShowCoreCache", "shop", "engineVersion: '7.1'")),
            Await(CACHE, "shop", Settled),
        ],
    ),
    scenario(
        "bucket-half-way",
        6,
        &[],
        &[
            Outside(outside::deny_policies),
            Apply(THE_BUCKET),
            Await(BUCKET, "shop", Says("Stalled", "AccessDenied")),
            Restart,
            Outside(outside::allow_policies),
            Await(BUCKET, "shop", Settled),
        ],
    ),
    scenario(
        "database-fails-late",
        0,
        &[Apply(DATABASE), Await(DB, "shop", Settled)],
        &[
            Outside(outside::database_incompatible),
            Await(DB, "shop", Says("Stalled", "Incompatible")),
            Outside(outside::database_available),
            Await(DB, "shop", Settled),
            Outside(outside::database_full),
            Await(DB, "shop", Says("Stalled", "StorageFull")),
            Outside(outside::database_available),
            Await(DB, "shop", Settled),
            Outside(outside::database_without_key),
            Await(DB, "shop", Says("Stalled", "KeyNotAccessible")),
            Outside(outside::database_available),
            Await(DB, "shop", Settled),
        ],
    ),
    scenario(
        "namespace-deleted",
        4,
        &[
            Apply(DATABASE),
            Apply(cache!(", deletionPolicy: Snapshot, connectionSecretName: cache")),
            Apply(bucket!(", purpose: Backups")),
            Await(DB, "shop", Settled),
            Await(CACHE, "shop", Settled),
            Await(BUCKET, "shop", Settled),
        ],
        &[DeleteNamespace, Await(DB, "shop", Gone), Await(CACHE, "shop", Gone), Await(BUCKET, "shop", Gone)],
    ),
    scenario(
        "operator-restarted",
        2,
        &[Apply(DATABASE), Apply(THE_BUCKET), Await(DB, "shop", Settled), Await(BUCKET, "shop", Settled)],
        &[Restart, Apply(EDITED_BUCKET), Restart, Await(DB, "shop", Settled), Await(BUCKET, "shop", Settled)],
    ),
    Scenario {
        alone: true,
        tried: Tried::Deaths,
        ..scenario(
            "crds-upgraded",
            4,
            &[
                Crds(&[
                    "adoption",
                    "logExports",
                    "performanceInsights",
                    "caCertificateIdentifier",
                    "cors",
                    "objectLock",
                    "lifecycle",
                ]),
                Apply(database!("")),
                Apply(bucket!(", purpose: Backups")),
                Await(DB, "shop", Settled),
                Await(BUCKET, "shop", Settled),
            ],
            &[
                Crds(&[]),
                Restart,
                Apply(database!(
                    ", tags: {team: core}, logExports: [postgresql], performanceInsights: {enabled: true}"
                )),
                Apply(bucket!(
                    ", purpose: Backups, cors: [{allowedOrigins: ['https://app.example.com'], allowedMethods: [GET]}], lifecycle: [{id: old, expirationDays: 30}]"
                )),
                Await(DB, "shop", Settled),
                Await(BUCKET, "shop", Settled),
            ],
        )
    },
    before(
        Emulator::Ministack,
        scenario("bucket-created-at-ministack", 7, &[], &[Apply(THE_BUCKET), Await(BUCKET, "shop", Settled)]),
    ),
    before(
        Emulator::Ministack,
        scenario(
            "bucket-changed-at-ministack",
            2,
            &[Apply(THE_BUCKET), Await(BUCKET, "shop", Settled)],
            &[Apply(EDITED_BUCKET), Await(BUCKET, "shop", Settled)],
        ),
    ),
    before(
        Emulator::Ministack,
        scenario(
            "bucket-deleted-at-ministack",
            1,
            &[Apply(THE_BUCKET), Await(BUCKET, "shop", Settled)],
            &[Delete(BUCKET, "shop"), Await(BUCKET, "shop", Gone)],
        ),
    ),
    before(
        Emulator::Moto,
        scenario("database-created-at-moto", 3, &[], &[Apply(DATABASE), Await(DB, "shop", Settled)]),
    ),
    before(
        Emulator::Moto,
        scenario(
            "database-deleted-at-moto",
            1,
            &[Apply(database!(", deletionPolicy: Snapshot")), Await(DB, "shop", Settled)],
            &[Delete(DB, "shop"), Await(DB, "shop", Gone)],
        ),
    ),
    Scenario {
        alone: true,
        tried: Tried::Throttling,
        pace: Pace { poll: Duration::from_secs(8), backoff: Duration::from_secs(10) },
        ..scenario(
            "two-hundred-throttled",
            200,
            &[ApplyAll(two_hundred), AwaitAll(Settled)],
            &[ApplyAll(two_hundred_edited), AwaitAll(Settled)],
        )
    },
    Scenario {
        replicas: 2,
        ..scenario(
            "two-replicas",
            8,
            &[],
            &[Apply(DATABASE), Apply(THE_BUCKET), Await(DB, "shop", Settled), Await(BUCKET, "shop", Settled)],
        )
    },
];
