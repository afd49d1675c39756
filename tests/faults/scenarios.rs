//! The scenarios.

use crate::{
    scenario::{
        End::{AsAfter, Same},
        Goal::{Gone, Says, Settled},
        Intrusion, Scenario,
        Step::{Apply, Await, Delete, DeleteNamespace, Outside, Remake},
    },
    world::World,
};

mod outside;

const DB: &str = "ShowCoreDatabase";
const CACHE: &str = "ShowCoreCache";
const BUCKET: &str = "ShowCoreBucket";

/// One object on one line, applied.
macro_rules! object {
    ($kind:literal, $name:literal, $spec:literal) => {
        concat!(
            "{apiVersion: showcore.io/v1alpha1, kind: ",
            $kind,
            ", metadata: {name: ",
            $name,
            "}, spec: {",
            $spec,
            "}}"
        )
    };
}

const DATABASE: &str = object!(
    "ShowCoreDatabase",
    "shop",
    "engineVersion: '16.4', deletionProtection: false, deletionPolicy: Delete, parameters: {log_min_duration_statement: '500'}"
);
const THE_CACHE: &str = object!(
    "ShowCoreCache",
    "shop",
    "engineVersion: '7.1', deletionPolicy: Delete, parameters: {maxmemory-policy: allkeys-lru}"
);
const THE_BUCKET: &str = object!(
    "ShowCoreBucket",
    "shop",
    "bucketName: 'shop-{accountID}', purpose: CloudTrailLogs, deletionPolicy: Delete, tags: {team: core}, \
     cors: [{allowedOrigins: ['https://app.example.com'], allowedMethods: [GET]}]"
);

/// What people and outsiders do to a database at any moment.
const TO_DATABASE: &[Intrusion] = &[
    Intrusion {
        name: "edited",
        row: 12,
        steps: &[Apply(EDITED_DATABASE)],
        ends: AsAfter(&[Await(DB, "shop", Settled)]),
    },
    Intrusion { name: "deleted", row: 12, steps: &[Delete(DB, "shop")], ends: AsAfter(&[Await(DB, "shop", Gone)]) },
    Intrusion { name: "made again", row: 12, steps: &[Remake(DB, "shop", DATABASE)], ends: Same },
    Intrusion { name: "edited in AWS", row: 15, steps: &[Outside(outside::edit_database)], ends: Same },
    Intrusion { name: "tagged away", row: 15, steps: &[Outside(outside::untag_database)], ends: Same },
];
const EDITED_DATABASE: &str = object!(
    "ShowCoreDatabase",
    "shop",
    "engineVersion: '16.4', deletionProtection: false, deletionPolicy: Delete, parameters: {log_min_duration_statement: '500'}, \
     backup: {retentionDays: 9}, tags: {edited: 'yes'}"
);
const TO_CACHE: &[Intrusion] = &[
    Intrusion {
        name: "edited",
        row: 12,
        steps: &[Apply(EDITED_CACHE)],
        ends: AsAfter(&[Await(CACHE, "shop", Settled)]),
    },
    Intrusion {
        name: "deleted",
        row: 12,
        steps: &[Delete(CACHE, "shop")],
        ends: AsAfter(&[Await(CACHE, "shop", Gone)]),
    },
    Intrusion { name: "made again", row: 12, steps: &[Remake(CACHE, "shop", THE_CACHE)], ends: Same },
    Intrusion { name: "edited in AWS", row: 15, steps: &[Outside(outside::edit_cache)], ends: Same },
    Intrusion { name: "tagged away", row: 15, steps: &[Outside(outside::untag_cache)], ends: Same },
];
const EDITED_CACHE: &str = object!(
    "ShowCoreCache",
    "shop",
    "engineVersion: '7.1', deletionPolicy: Delete, parameters: {maxmemory-policy: allkeys-lru}, snapshot: {retentionDays: 5}, \
     tags: {edited: 'yes'}"
);
const TO_BUCKET: &[Intrusion] = &[
    Intrusion {
        name: "edited",
        row: 12,
        steps: &[Apply(EDITED_BUCKET)],
        ends: AsAfter(&[Await(BUCKET, "shop", Settled)]),
    },
    Intrusion {
        name: "deleted",
        row: 12,
        steps: &[Delete(BUCKET, "shop")],
        ends: AsAfter(&[Await(BUCKET, "shop", Gone)]),
    },
    Intrusion { name: "made again", row: 12, steps: &[Remake(BUCKET, "shop", THE_BUCKET)], ends: Same },
    Intrusion { name: "edited in AWS", row: 15, steps: &[Outside(outside::edit_bucket)], ends: Same },
];
const EDITED_BUCKET: &str = object!(
    "ShowCoreBucket",
    "shop",
    "bucketName: 'shop-{accountID}', purpose: CloudTrailLogs, deletionPolicy: Delete, tags: {edited: 'yes'}, \
     cors: [{allowedOrigins: ['https://app.example.com'], allowedMethods: [GET]}]"
);

/// A scenario with one operator and nobody who intrudes.
const fn scenario(
    name: &'static str,
    prepared: &'static [crate::scenario::Step],
    steps: &'static [crate::scenario::Step],
) -> Scenario {
    Scenario { name, prepared, steps, intrusions: &[], replicas: 1 }
}

const fn with(intrusions: &'static [Intrusion], scenario: Scenario) -> Scenario {
    Scenario { intrusions, ..scenario }
}

/// All of them.
pub static ALL: &[Scenario] = &[
    scenario(
        "estate-created",
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
    with(TO_DATABASE, scenario("database-created", &[], &[Apply(DATABASE), Await(DB, "shop", Settled)])),
    with(TO_CACHE, scenario("cache-created", &[], &[Apply(THE_CACHE), Await(CACHE, "shop", Settled)])),
    with(TO_BUCKET, scenario("bucket-created", &[], &[Apply(THE_BUCKET), Await(BUCKET, "shop", Settled)])),
];

/// The scenario of this name.
pub fn find(name: &str) -> Option<&'static Scenario> {
    ALL.iter().find(|scenario| scenario.name == name)
}
