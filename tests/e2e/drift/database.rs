//! A database's fields, changed behind the operator's back.

use harness::Test;
use showcore_operator::{database::ShowCoreDatabase, kind::Kind as _};

use super::{
    By::{Aws, Python},
    Case, Table,
    Then::{Blocked, Corrected, InWindow},
};

pub const TABLE: Table = Table {
    kind: "ShowCoreDatabase",
    rows: ShowCoreDatabase::FIELDS,
    name: "drifting",
    spec: "engineVersion: '16.4', databaseName: shop, maintenance: {window: 'sun:05:00-sun:06:00'}, backup: {window: '01:00-02:00'},
        storage: {sizeGiB: 500, maxSizeGiB: 1000, type: gp3, iops: 12000, throughput: 500},
        network: {subnetGroupName: default, securityGroupIDs: [sg-0a0a0a0a]}, parameters: {log_min_duration_statement: '500'},
        logExports: [postgresql], performanceInsights: {enabled: true, retentionDays: 31},
        caCertificateIdentifier: rds-ca-rsa2048-g1, tags: {team: core}",
    identifier: "drifting",
    cases: CASES,
};

/// A modification that a person makes at once.
macro_rules! modified {
    ($changes:literal) => {
        Python(concat!(
            "client('rds').modify_db_instance(DBInstanceIdentifier=NAME, ApplyImmediately=True, ",
            $changes,
            ")"
        ))
    };
}

const CASES: &[Case] = &[
    Case {
        field: "publiclyAccessible",
        change: modified!("PubliclyAccessible=True"),
        desired: "false",
        observed: "true",
        then: Corrected,
    },
    Case {
        field: "deletionProtection",
        change: modified!("DeletionProtection=False"),
        desired: "on",
        observed: "off",
        then: Corrected,
    },
    Case {
        field: "backup.retentionDays",
        change: modified!("BackupRetentionPeriod=3"),
        desired: "7",
        observed: "3",
        then: Corrected,
    },
    Case {
        field: "backup.window",
        change: modified!("PreferredBackupWindow='07:00-08:00'"),
        desired: "01:00-02:00",
        observed: "07:00-08:00",
        then: Corrected,
    },
    Case {
        field: "maintenance.window",
        change: modified!("PreferredMaintenanceWindow='tue:10:00-tue:11:00'"),
        desired: "sun:05:00-sun:06:00",
        observed: "tue:10:00-tue:11:00",
        then: Corrected,
    },
    Case {
        field: "maintenance.autoMinorVersionUpgrade",
        change: modified!("AutoMinorVersionUpgrade=False"),
        desired: "on",
        observed: "off",
        then: Corrected,
    },
    Case {
        field: "copyTagsToSnapshot",
        change: modified!("CopyTagsToSnapshot=False"),
        desired: "on",
        observed: "off",
        then: Corrected,
    },
    Case {
        field: "network.securityGroupIDs",
        change: modified!("VpcSecurityGroupIds=['sg-0b0b0b0b']"),
        desired: "sg-0a0a0a0a",
        observed: "sg-0b0b0b0b",
        then: Corrected,
    },
    Case {
        field: "logExports.postgresql",
        change: modified!("CloudwatchLogsExportConfiguration={'DisableLogTypes': ['postgresql']}"),
        desired: "'on'",
        observed: "absent",
        then: Corrected,
    },
    Case {
        field: "performanceInsights.enabled",
        change: modified!("EnablePerformanceInsights=False"),
        desired: "on",
        observed: "off",
        then: Corrected,
    },
    Case {
        field: "performanceInsights.retentionDays",
        change: modified!("EnablePerformanceInsights=True, PerformanceInsightsRetentionPeriod=7"),
        desired: "31",
        observed: "7",
        then: Corrected,
    },
    Case {
        field: "storage.maxSizeGiB",
        change: modified!("MaxAllocatedStorage=2000"),
        desired: "1000",
        observed: "2000",
        then: Corrected,
    },
    Case {
        field: "availability",
        change: modified!("MultiAZ=True"),
        desired: "SingleAZ",
        observed: "MultiAZ",
        then: Corrected,
    },
    Case {
        field: "storage.iops",
        change: modified!("AllocatedStorage=500, Iops=14000"),
        desired: "12000",
        observed: "14000",
        then: Corrected,
    },
    Case {
        field: "storage.throughput",
        change: modified!("AllocatedStorage=500, Iops=12000, StorageThroughput=600"),
        desired: "500",
        observed: "600",
        then: Corrected,
    },
    Case {
        field: "tags.team",
        change: Python(
            "rds = client('rds')
arn = rds.describe_db_instances(DBInstanceIdentifier=NAME)['DBInstances'][0]['DBInstanceArn']
rds.add_tags_to_resource(ResourceName=arn, Tags=[{'Key': 'team', 'Value': 'web'}])",
        ),
        desired: "'core'",
        observed: "'web'",
        then: Corrected,
    },
    Case {
        field: "parameters.log_min_duration_statement",
        change: Python(
            "client('rds').modify_db_parameter_group(DBParameterGroupName=f'{NAME}-postgres16', Parameters=[
  {'ParameterName': 'log_min_duration_statement', 'ParameterValue': '9', 'ApplyMethod': 'immediate'}])",
        ),
        desired: "'500'",
        observed: "'9'",
        then: Corrected,
    },
    Case {
        field: "parameters.rds.force_ssl",
        change: Python(
            "client('rds').modify_db_parameter_group(DBParameterGroupName=f'{NAME}-postgres16', Parameters=[
  {'ParameterName': 'rds.force_ssl', 'ParameterValue': '0', 'ApplyMethod': 'immediate'}])",
        ),
        desired: "1",
        observed: "0 in the parameter group drifting-postgres16",
        then: Corrected,
    },
    Case {
        field: "parameterGroup",
        change: modified!("DBParameterGroupName='default.postgres16'"),
        desired: "drifting-postgres16",
        observed: "default.postgres16",
        then: Corrected,
    },
    Case {
        field: "instanceClass",
        change: modified!("DBInstanceClass='db.t3.small'"),
        desired: "db.t3.micro",
        observed: "db.t3.small",
        then: InWindow,
    },
    Case {
        field: "caCertificateIdentifier",
        change: modified!("CACertificateIdentifier='rds-ca-ecc384-g1'"),
        desired: "rds-ca-rsa2048-g1",
        observed: "rds-ca-ecc384-g1",
        then: InWindow,
    },
    Case {
        field: "storage.type",
        change: modified!("StorageType='io2', Iops=12000"),
        desired: "gp3",
        observed: "io2",
        then: Corrected,
    },
    Case {
        field: "storage.sizeGiB",
        change: Aws(|test, name| test.account.rds().grow_storage(REGION, name, 450)),
        desired: "at least 500",
        observed: "450",
        then: Corrected,
    },
    Case {
        field: "engineVersion",
        change: Aws(|test, name| test.account.rds().set_engine_version(REGION, name, "17.6")),
        desired: "16.4",
        observed: "17.6",
        then: Blocked(
            &["AWS cannot go back to an earlier major version", "set engineVersion"],
            Aws(|test, name| test.account.rds().set_engine_version(REGION, name, "16.4")),
        ),
    },
    Case {
        field: "credentials.username",
        change: Aws(|test, name| unchangeable(test, name, "MasterUsername", "root")),
        desired: "showcore",
        observed: "root",
        then: Blocked(CANNOT, Aws(|test, name| unchangeable(test, name, "MasterUsername", "showcore"))),
    },
    Case {
        field: "databaseName",
        change: Aws(|test, name| unchangeable(test, name, "DBName", "store")),
        desired: "shop",
        observed: "store",
        then: Blocked(CANNOT, Aws(|test, name| unchangeable(test, name, "DBName", "shop"))),
    },
    Case {
        field: "engine",
        change: Aws(|test, name| unchangeable(test, name, "Engine", "mysql")),
        desired: "postgres",
        observed: "mysql",
        then: Blocked(CANNOT, Aws(|test, name| unchangeable(test, name, "Engine", "postgres"))),
    },
    Case {
        field: "network.subnetGroupName",
        change: Aws(|test, name| unchangeable(test, name, "DBSubnetGroupName", "elsewhere")),
        desired: "default",
        observed: "elsewhere",
        then: Blocked(
            &["takes the database down", "--db-subnet-group-name"],
            Aws(|test, name| unchangeable(test, name, "DBSubnetGroupName", "default")),
        ),
    },
];

const CANNOT: &[&str] = &["AWS cannot change this", "apply it under another identifier"];
const REGION: &str = "eu-central-1";

fn unchangeable(test: &Test, name: &str, member: &str, value: &str) {
    test.account.rds().set_unchangeable(REGION, name, member, value);
}
