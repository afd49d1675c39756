//! A cache's fields, changed behind the operator's back.

use aws_sim::elasticache::{Auth, Engine};
use harness::Test;
use showcore_operator::{cache::ShowCoreCache, kind::Kind as _};

use super::{
    By::{Aws, Python},
    Case, Table,
    Then::{Blocked, Corrected, InWindow},
};

pub const TABLE: Table = Table {
    kind: "ShowCoreCache",
    rows: ShowCoreCache::FIELDS,
    name: "drifting",
    spec: "engineVersion: '7.1', replicas: 1, parameters: {maxmemory-policy: allkeys-lru}, \
        network: {subnetGroupName: default, securityGroupIDs: [sg-0a0a0a0a]}, \
        logDelivery: [{logType: SlowLog, destination: CloudWatchLogs, name: /slow}], \
        maintenance: {window: 'sun:05:00-sun:06:00'}, snapshot: {window: '01:00-02:00'}, tags: {team: core}",
    identifier: "drifting",
    cases: CASES,
};

/// Encryption in transit of a cache with a token cannot be changed in AWS, so its drift is tried without one.
pub const OPEN: Table = Table {
    kind: "ShowCoreCache",
    rows: ShowCoreCache::FIELDS,
    name: "open",
    spec: "authentication: None",
    identifier: "open",
    cases: &[Case {
        field: "transitEncryption",
        change: Python(
            "client('elasticache').modify_replication_group(ReplicationGroupId=NAME, TransitEncryptionMode='preferred', ApplyImmediately=True)",
        ),
        desired: "required",
        observed: "preferred",
        then: Corrected,
    }],
};

fn change(test: &Test, name: &str, change: impl FnOnce(&mut aws_sim::elasticache::Group)) {
    assert!(test.account.elasticache().with_group(&test.region, name, change), "there is no group {name}");
}

fn run(test: &Test, name: &str, engine: Engine, version: &str) {
    change(test, name, |group| {
        group.settings.engine = engine;
        group.settings.engine_version = version.into();
    });
}

const CASES: &[Case] = &[
    Case {
        field: "engine",
        change: Aws(|test, name| run(test, name, Engine::Valkey, "7.2.6")),
        desired: "redis",
        observed: "valkey",
        then: Blocked(&["AWS cannot change this"], Aws(|test, name| run(test, name, Engine::Redis, "7.1.0"))),
    },
    Case {
        field: "engineVersion",
        change: Aws(|test, name| run(test, name, Engine::Redis, "7.0.7")),
        desired: "7.1",
        observed: "7.0.7",
        then: InWindow,
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
    Case {
        field: "replicas",
        change: Python(
            "client('elasticache').increase_replica_count(ReplicationGroupId=NAME, NewReplicaCount=2, ApplyImmediately=True)",
        ),
        desired: "1",
        observed: "2",
        then: Corrected,
    },
    Case {
        field: "availability",
        change: Python(
            "client('elasticache').modify_replication_group(ReplicationGroupId=NAME, MultiAZEnabled=True, ApplyImmediately=True)",
        ),
        desired: "SingleAZ",
        observed: "MultiAZ",
        then: Corrected,
    },
    Case {
        field: "automaticFailover",
        change: Python(
            "client('elasticache').modify_replication_group(ReplicationGroupId=NAME, AutomaticFailoverEnabled=False, ApplyImmediately=True)",
        ),
        desired: "on",
        observed: "off",
        then: Corrected,
    },
    Case {
        field: "authentication",
        change: Aws(|test, name| change(test, name, |group| group.auth = Auth::default())),
        desired: "on",
        observed: "off",
        then: Blocked(
            &["locked out", "--auth-token"],
            Aws(|test, name| change(test, name, |group| group.auth.tokens = vec!["any".into()])),
        ),
    },
    Case {
        field: "network.subnetGroupName",
        change: Aws(|test, name| change(test, name, |group| group.settings.subnet_group = "public".into())),
        desired: "default",
        observed: "public",
        then: Blocked(
            &["AWS cannot change this"],
            Aws(|test, name| change(test, name, |group| group.settings.subnet_group = "default".into())),
        ),
    },
    Case {
        field: "network.securityGroupIDs",
        change: Python(
            "client('elasticache').modify_replication_group(ReplicationGroupId=NAME, SecurityGroupIds=['sg-0f0f0f0f'], ApplyImmediately=True)",
        ),
        desired: "sg-0a0a0a0a",
        observed: "sg-0f0f0f0f",
        then: Corrected,
    },
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
        field: "snapshot.window",
        change: Python(
            "client('elasticache').modify_replication_group(ReplicationGroupId=NAME, SnapshotWindow='13:00-14:00', ApplyImmediately=True)",
        ),
        desired: "01:00-02:00",
        observed: "13:00-14:00",
        then: Corrected,
    },
    Case {
        field: "maintenance.window",
        change: Python(
            "client('elasticache').modify_replication_group(ReplicationGroupId=NAME, PreferredMaintenanceWindow='mon:08:00-mon:09:00', ApplyImmediately=True)",
        ),
        desired: "sun:05:00-sun:06:00",
        observed: "mon:08:00-mon:09:00",
        then: Corrected,
    },
    Case {
        field: "maintenance.autoMinorVersionUpgrade",
        change: Python(
            "client('elasticache').modify_replication_group(ReplicationGroupId=NAME, AutoMinorVersionUpgrade=False, ApplyImmediately=True)",
        ),
        desired: "on",
        observed: "off",
        then: Corrected,
    },
    Case {
        field: "parameters.maxmemory-policy",
        change: Python(
            "client('elasticache').modify_cache_parameter_group(CacheParameterGroupName=NAME + '-redis7', ParameterNameValues=[
  {'ParameterName': 'maxmemory-policy', 'ParameterValue': 'noeviction'}])",
        ),
        desired: "'allkeys-lru'",
        observed: "'noeviction'",
        then: Corrected,
    },
    Case {
        field: "parameterGroup",
        change: Python(
            "client('elasticache').modify_replication_group(ReplicationGroupId=NAME, CacheParameterGroupName='default.redis7', ApplyImmediately=True)",
        ),
        desired: "drifting-redis7",
        observed: "default.redis7",
        then: Corrected,
    },
    Case {
        field: "logDelivery.SlowLog",
        change: Python(
            "client('elasticache').modify_replication_group(ReplicationGroupId=NAME, ApplyImmediately=True,
  LogDeliveryConfigurations=[{'LogType': 'slow-log', 'Enabled': False}])",
        ),
        desired: "'JSON to CloudWatchLogs /slow'",
        observed: "absent",
        then: Corrected,
    },
    Case {
        field: "tags.team",
        change: Python(
            "ec = client('elasticache')
arn = ec.describe_replication_groups(ReplicationGroupId=NAME)['ReplicationGroups'][0]['ARN']
ec.add_tags_to_resource(ResourceName=arn, Tags=[{'Key': 'team', 'Value': 'web'}])",
        ),
        desired: "'core'",
        observed: "'web'",
        then: Corrected,
    },
];
