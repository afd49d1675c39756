use super::*;

fn pending(bench: &Bench) -> Value {
    bench.show()["PendingModifiedValues"].clone()
}

/// Lets time pass to the next Sunday, 03:00, when the window opens.
fn to_window(bench: &Bench) {
    let window = super::super::windows::opens("sun:03:00-sun:04:00", bench.account.now());
    let wait = window.duration_since(bench.account.now());
    bench.pass(wait.try_into().unwrap());
}

#[test]
fn a_change_waits_for_the_window_and_shows_the_old_value_meanwhile() {
    let bench = Bench::new();
    bench.available(json!({}));
    bench.modify(json!({"DBInstanceClass": "db.t3.small"})).unwrap();
    assert_eq!(bench.show()["DBInstanceClass"], "db.t3.micro");
    assert_eq!(pending(&bench), json!({"DBInstanceClass": "db.t3.small"}));
    assert_eq!(bench.status(), "available");

    to_window(&bench);
    assert_eq!(bench.status(), "modifying");
    assert_eq!(bench.show()["DBInstanceClass"], "db.t3.micro");
    bench.pass(minutes(4));
    assert_eq!(bench.status(), "available");
    assert_eq!(bench.show()["DBInstanceClass"], "db.t3.small");
    assert_eq!(pending(&bench), json!({}));
}

#[test]
fn just_before_the_window_nothing_has_happened() {
    let bench = Bench::new();
    bench.available(json!({}));
    bench.modify(json!({"DBInstanceClass": "db.t3.small"})).unwrap();
    let window = super::super::windows::opens("sun:03:00-sun:04:00", bench.account.now());
    let wait: Duration = window.duration_since(bench.account.now()).try_into().unwrap();
    bench.pass(wait.saturating_sub(Duration::from_secs(1)));
    assert_eq!(bench.status(), "available");
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.status(), "modifying");
}

#[test]
fn apply_immediately_takes_everything_pending_with_it() {
    let bench = Bench::new();
    bench.available(json!({}));
    bench.modify(json!({"DBInstanceClass": "db.t3.small", "ApplyImmediately": false})).unwrap();
    bench.modify(json!({"MultiAZ": true, "ApplyImmediately": true})).unwrap();
    assert_eq!(bench.status(), "modifying");
    assert_eq!(pending(&bench), json!({"DBInstanceClass": "db.t3.small", "MultiAZ": true}));
    bench.pass(minutes(4));
    let shown = bench.show();
    assert_eq!((&shown["DBInstanceClass"], &shown["MultiAZ"]), (&json!("db.t3.small"), &json!(true)));
}

#[test]
fn asking_for_what_is_there_takes_back_what_was_pending() {
    let bench = Bench::new();
    bench.available(json!({}));
    bench.modify(json!({"DBInstanceClass": "db.t3.small"})).unwrap();
    bench.modify(json!({"DBInstanceClass": "db.t3.micro"})).unwrap();
    assert_eq!(pending(&bench), json!({}));
}

#[test]
fn a_window_moved_onto_this_moment_starts_what_is_pending() {
    let bench = Bench::new();
    bench.available(json!({"PreferredBackupWindow": null}));
    bench.modify(json!({"DBInstanceClass": "db.t3.small"})).unwrap();
    let now = bench.account.now();
    let day = now.strftime("%a").to_string().to_lowercase();
    let hour: u32 = now.strftime("%H").to_string().parse().unwrap();
    // The hour of now, unless the backup window is there.
    let window = format!("{day}:{hour:02}:00-{day}:{hour:02}:59");
    bench.modify(json!({"PreferredMaintenanceWindow": window, "PreferredBackupWindow": format!("{:02}:00-{:02}:30", (hour + 12) % 24, (hour + 12) % 24)})).unwrap();
    if now.strftime("%M").to_string() != "59" {
        assert_eq!(bench.status(), "modifying");
    }
}

#[test]
fn some_settings_hold_at_once() {
    let bench = Bench::new();
    bench.available(json!({}));
    bench
        .modify(json!({
            "DeletionProtection": true,
            "CopyTagsToSnapshot": true,
            "AutoMinorVersionUpgrade": false,
            "PubliclyAccessible": false,
            "PreferredBackupWindow": "05:00-06:00",
            "PreferredMaintenanceWindow": "mon:07:00-mon:08:00",
            "VpcSecurityGroupIds": ["sg-0123456789abcdef0"],
            "MaxAllocatedStorage": 100,
        }))
        .unwrap();
    let shown = bench.show();
    assert_eq!(shown["DBInstanceStatus"], "available");
    assert_eq!(shown["PendingModifiedValues"], json!({}));
    assert_eq!(shown["DeletionProtection"], true);
    assert_eq!(shown["PubliclyAccessible"], false);
    assert_eq!(shown["PreferredMaintenanceWindow"], "mon:07:00-mon:08:00");
    assert_eq!(shown["VpcSecurityGroups"], json!([{"VpcSecurityGroupId": "sg-0123456789abcdef0", "Status": "active"}]));
    assert_eq!(shown["MaxAllocatedStorage"], 100);
}

#[test]
fn retention_waits_only_to_and_from_zero() {
    let bench = Bench::new();
    bench.available(json!({}));
    bench.modify(json!({"BackupRetentionPeriod": 14})).unwrap();
    assert_eq!(bench.status(), "modifying");
    bench.pass(minutes(4));
    assert_eq!(bench.show()["BackupRetentionPeriod"], 14);
    bench.modify(json!({"BackupRetentionPeriod": 0})).unwrap();
    assert_eq!(bench.status(), "available");
    assert_eq!(pending(&bench), json!({"BackupRetentionPeriod": 0}));
}

#[test]
fn a_password_ignores_the_window_and_is_never_shown() {
    let bench = Bench::new();
    bench.available(json!({}));
    let digest = || bench.account.rds().master_password_digest(REGION, NAME).unwrap();
    assert_eq!(digest(), crate::log::digest("correct-horse"));
    bench.modify(json!({"MasterUserPassword": "battery-staple"})).unwrap();
    assert_eq!(bench.status(), "resetting-master-credentials");
    assert_eq!(pending(&bench), json!({"MasterUserPassword": "****"}));
    assert_eq!(digest(), crate::log::digest("correct-horse"));
    bench.pass(minutes(4));
    assert_eq!(digest(), crate::log::digest("battery-staple"));
    assert!(!bench.show().to_string().contains(&digest()));
}

#[test]
fn only_an_available_instance_is_modified() {
    let bench = Bench::new();
    bench.create(json!({}));
    assert_eq!(bench.modify_code(json!({"MultiAZ": true})), "InvalidDBInstanceState");
    bench.pass(minutes(9));
    bench.modify(json!({"MultiAZ": true, "ApplyImmediately": true})).unwrap();
    assert_eq!(bench.modify_code(json!({"DeletionProtection": true})), "InvalidDBInstanceState");
    bench.pass(minutes(4));
    for status in ["stopped", "failed", "storage-full", "inaccessible-encryption-credentials", "incompatible-network"] {
        bench.account.rds().set_status(REGION, NAME, status);
        assert_eq!(bench.status(), status);
        assert_eq!(bench.modify_code(json!({"MultiAZ": false})), "InvalidDBInstanceState", "{status}");
    }
    assert_eq!(bench.code("ModifyDBInstance", json!({"DBInstanceIdentifier": "none"})), "DBInstanceNotFound");
}

#[test]
fn a_full_storage_can_only_grow() {
    let bench = Bench::new();
    bench.available(json!({}));
    bench.account.rds().set_status(REGION, NAME, "storage-full");
    assert_eq!(bench.modify_code(json!({"AllocatedStorage": 40, "MultiAZ": true})), "InvalidDBInstanceState");
    bench.modify(json!({"AllocatedStorage": 40, "ApplyImmediately": true})).unwrap();
    bench.pass(minutes(4));
    assert_eq!(bench.status(), "storage-optimization");
    assert_eq!(bench.show()["AllocatedStorage"], 40);
}

#[test]
fn optimised_storage_cannot_be_changed_for_hours_but_the_rest_can() {
    let bench = Bench::new();
    bench.available(json!({}));
    bench.account.rds().start_storage_optimization(REGION, NAME);
    assert_eq!(bench.status(), "storage-optimization");
    assert_eq!(bench.modify_code(json!({"AllocatedStorage": 40})), "InvalidParameterCombination");
    bench.modify(json!({"DeletionProtection": true, "AllocatedStorage": 20})).unwrap();
    bench.pass(Duration::from_hours(6));
    assert_eq!(bench.status(), "available");
    bench.modify(json!({"AllocatedStorage": 40})).unwrap();
}

#[test]
fn six_hours_lie_between_two_changes_of_the_storage_however_soon_it_is_available() {
    let bench = Bench::new();
    bench.account.durations().optimize_storage = minutes(30);
    bench.available(json!({}));
    bench.modify(json!({"AllocatedStorage": 40, "ApplyImmediately": true})).unwrap();
    bench.pass(minutes(4));
    assert_eq!(bench.status(), "storage-optimization");
    bench.pass(minutes(30));
    assert_eq!(bench.status(), "available");
    assert_eq!(bench.modify_code(json!({"AllocatedStorage": 60})), "InvalidParameterCombination");
    bench.modify(json!({"MultiAZ": true})).unwrap();
    bench.pass(Duration::from_hours(6));
    bench.modify(json!({"AllocatedStorage": 60})).unwrap();
}

#[test]
fn where_a_figure_can_be_chosen_size_and_figure_are_given_together() {
    let bench = Bench::new();
    bench.available(json!({"AllocatedStorage": 500, "StorageType": "gp3"}));
    let code = |changes| bench.modify_code(changes);
    assert_eq!(code(json!({"Iops": 14000})), "InvalidParameterCombination");
    assert_eq!(code(json!({"AllocatedStorage": 600})), "InvalidParameterCombination");
    assert_eq!(code(json!({"AllocatedStorage": 500, "Iops": 9000})), "InvalidParameterCombination");
    assert_eq!(
        code(json!({"AllocatedStorage": 500, "Iops": 12000, "StorageThroughput": 3500})),
        "InvalidParameterCombination"
    );
    bench.modify(json!({"AllocatedStorage": 600, "Iops": 14000, "ApplyImmediately": true})).unwrap();
    bench.pass(minutes(4));
    let shown = bench.show();
    assert_eq!((&shown["AllocatedStorage"], &shown["Iops"]), (&600.into(), &14000.into()));
    bench.pass(Duration::from_hours(6));
    bench.modify(json!({"StorageType": "gp2", "ApplyImmediately": true})).unwrap();
    bench.pass(minutes(4));
    let shown = bench.show();
    assert_eq!(
        (&shown["StorageType"], &shown["Iops"], &shown["StorageThroughput"]),
        (&"gp2".into(), &Value::Null, &0.into())
    );
}

#[test]
fn the_present_size_turns_storage_autoscaling_off() {
    let bench = Bench::new();
    bench.available(json!({"AllocatedStorage": 100, "MaxAllocatedStorage": 200}));
    assert_eq!(bench.show()["MaxAllocatedStorage"], 200);
    assert_eq!(bench.modify_code(json!({"MaxAllocatedStorage": 105})), "InvalidParameterCombination");
    bench.modify(json!({"MaxAllocatedStorage": 100})).unwrap();
    assert_eq!(bench.show()["MaxAllocatedStorage"], Value::Null);
}

#[test]
fn log_exports_are_configured_for_a_while_and_shown_as_pending() {
    let bench = Bench::new();
    bench.available(json!({"EnableCloudwatchLogsExports": ["upgrade"]}));
    let exports = |changes: Value| json!({"CloudwatchLogsExportConfiguration": changes});
    assert_eq!(bench.modify_code(exports(json!({"EnableLogTypes": ["audit"]}))), "InvalidParameterCombination");
    bench.modify(exports(json!({"EnableLogTypes": ["postgresql", "upgrade"]}))).unwrap();
    assert_eq!(bench.status(), "configuring-log-exports");
    assert_eq!(pending(&bench), json!({"PendingCloudwatchLogsExports": {"LogTypesToEnable": ["postgresql"]}}));
    bench.pass(minutes(4));
    assert_eq!(bench.show()["EnabledCloudwatchLogsExports"], json!(["upgrade", "postgresql"]));
    bench.modify(exports(json!({"DisableLogTypes": ["upgrade"]}))).unwrap();
    bench.pass(minutes(4));
    assert_eq!(bench.show()["EnabledCloudwatchLogsExports"], json!(["postgresql"]));
}

#[test]
fn storage_never_shrinks_and_grows_by_a_tenth() {
    let bench = Bench::new();
    bench.available(json!({"AllocatedStorage": 100}));
    assert_eq!(bench.modify_code(json!({"AllocatedStorage": 99})), "InvalidParameterCombination");
    bench.modify(json!({"AllocatedStorage": 101})).unwrap();
    assert_eq!(pending(&bench), json!({"AllocatedStorage": 110}));
}

#[test]
fn versions_only_rise_and_major_ones_need_consent() {
    let bench = Bench::new();
    bench.available(json!({}));
    assert_eq!(bench.modify_code(json!({"EngineVersion": "16.8"})), "InvalidParameterCombination");
    assert_eq!(bench.modify_code(json!({"EngineVersion": "15.14"})), "InvalidParameterCombination");
    assert_eq!(bench.modify_code(json!({"EngineVersion": "17"})), "InvalidParameterCombination");
    let older = json!({"EngineVersion": "17.3", "AllowMajorVersionUpgrade": true});
    assert_eq!(bench.modify_code(older), "InvalidParameterCombination", "it is older than 16.9");
    bench.modify(json!({"EngineVersion": "16"})).unwrap();
    assert_eq!(pending(&bench), json!({}));
    bench.modify(json!({"EngineVersion": "17", "AllowMajorVersionUpgrade": true, "ApplyImmediately": true})).unwrap();
    assert_eq!(bench.status(), "upgrading");
    bench.pass(minutes(8));
    let shown = bench.show();
    assert_eq!(shown["EngineVersion"], "17.6");
    assert_eq!(shown["DBParameterGroups"][0]["DBParameterGroupName"], "default.postgres17");
}

#[test]
fn a_major_upgrade_wants_a_parameter_group_of_its_family_where_the_present_one_is_no_default() {
    let bench = Bench::new();
    for (name, family) in [("mine16", "postgres16"), ("mine17", "postgres17")] {
        let group = json!({"DBParameterGroupName": name, "DBParameterGroupFamily": family, "Description": name});
        bench.call("CreateDBParameterGroup", group).unwrap();
    }
    bench.available(json!({"DBParameterGroupName": "mine16"}));
    let upgrade = |group: Value| {
        let mut changes = json!({"EngineVersion": "17", "AllowMajorVersionUpgrade": true, "ApplyImmediately": true});
        overlay(&mut changes, group);
        changes
    };
    for wrong in [json!({}), json!({"DBParameterGroupName": "mine16"})] {
        assert_eq!(bench.modify_code(upgrade(wrong.clone())), "InvalidParameterCombination", "{wrong}");
    }
    bench.modify(upgrade(json!({"DBParameterGroupName": "mine17"}))).unwrap();
    bench.pass(minutes(8));
    let shown = bench.show();
    assert_eq!(
        shown["DBParameterGroups"],
        json!([{"DBParameterGroupName": "mine17", "ParameterApplyStatus": "in-sync"}])
    );
}

#[test]
fn a_modification_is_held_to_the_rules_of_the_creation() {
    let bench = Bench::new();
    bench.available(json!({}));
    for (code, changes) in [
        ("InvalidParameterValue", json!({"DBInstanceClass": "db.t3.gigantic"})),
        ("InvalidParameterValue", json!({"BackupRetentionPeriod": 99})),
        ("InvalidParameterValue", json!({"MasterUserPassword": "short"})),
        ("InvalidParameterValue", json!({"VpcSecurityGroupIds": ["sg-x"]})),
        ("InvalidParameterCombination", json!({"PreferredBackupWindow": "03:30-04:30"})),
        ("DBParameterGroupNotFound", json!({"DBParameterGroupName": "none"})),
        ("NotImplemented", json!({"DisableDomain": true})),
        ("NotImplemented", json!({"DBSubnetGroupName": "other"})),
        ("CertificateNotFound", json!({"CACertificateIdentifier": "rds-ca-2015"})),
    ] {
        let before = bench.show();
        assert_eq!(bench.modify_code(changes.clone()), code, "{changes}");
        assert_eq!(bench.show(), before, "{changes} changed something");
    }
}

#[test]
fn a_rename_keeps_the_resource_id_and_never_takes_anothers_name() {
    let bench = Bench::new();
    bench.create(json!({"DBInstanceIdentifier": "taken"}));
    bench.available(json!({}));
    assert_eq!(bench.modify_code(json!({"NewDBInstanceIdentifier": "taken"})), "DBInstanceAlreadyExists");
    let id = bench.show()["DbiResourceId"].clone();
    bench.modify(json!({"NewDBInstanceIdentifier": "renamed", "ApplyImmediately": true})).unwrap();
    assert_eq!(bench.status(), "renaming");
    bench.pass(minutes(3));
    assert_eq!(bench.code("DescribeDBInstances", json!({"DBInstanceIdentifier": NAME})), "DBInstanceNotFound");
    let renamed = bench.describe(json!({"DBInstanceIdentifier": "renamed"})).unwrap()["DBInstances"][0].clone();
    assert_eq!(renamed["DbiResourceId"], id);
    assert!(renamed["Endpoint"]["Address"].as_str().unwrap().starts_with("renamed."));
}

#[test]
fn a_nightly_backup_passes_by_itself() {
    let bench = Bench::new();
    bench.available(json!({}));
    bench.account.rds().start_backup(REGION, NAME);
    assert_eq!(bench.status(), "backing-up");
    assert_eq!(bench.modify_code(json!({"MultiAZ": true})), "InvalidDBInstanceState");
    bench.pass(minutes(3));
    assert_eq!(bench.status(), "available");
}

#[test]
fn with_a_notice_the_status_stays_available_for_a_moment() {
    let bench = Bench::new();
    bench.account.durations().notice_modification = Duration::from_secs(10);
    bench.available(json!({}));
    bench.modify(json!({"MultiAZ": true, "ApplyImmediately": true})).unwrap();
    assert_eq!((bench.status().as_str(), pending(&bench)), ("available", json!({"MultiAZ": true})));
    bench.pass(Duration::from_secs(10));
    assert_eq!(bench.status(), "modifying");
}

#[test]
fn tags_change_in_every_state() {
    let bench = Bench::new();
    bench.create(json!({}));
    let arn = bench.show()["DBInstanceArn"].clone();
    bench.call("AddTagsToResource", json!({"ResourceName": arn, "Tags": [{"Key": "b", "Value": "2"}]})).unwrap();
    bench.call("RemoveTagsFromResource", json!({"ResourceName": arn, "TagKeys": ["owner", "none"]})).unwrap();
    let expected = json!([{"Key": "b", "Value": "2"}]);
    assert_eq!(bench.show()["TagList"], expected);
    assert_eq!(bench.call("ListTagsForResource", json!({"ResourceName": arn})).unwrap()["TagList"], expected);
    let more: Vec<Value> = (0..50).map(|n| json!({"Key": format!("k{n}"), "Value": ""})).collect();
    assert_eq!(bench.code("AddTagsToResource", json!({"ResourceName": arn, "Tags": more})), "InvalidParameterValue");
    assert_eq!(bench.show()["TagList"], expected);
    let arn = |rest: &str| format!("arn:aws:rds:{REGION}:111122223333:{rest}");
    for (code, resource) in [
        ("DBInstanceNotFound", arn("db:none")),
        ("DBSnapshotNotFound", arn("snapshot:none")),
        ("DBParameterGroupNotFound", arn("pg:none")),
        ("InvalidParameterValue", "none".to_owned()),
        ("InvalidParameterValue", format!("arn:aws:rds:{REGION}:999999999999:db:{NAME}")),
    ] {
        assert_eq!(bench.code("ListTagsForResource", json!({"ResourceName": resource})), code, "{resource}");
    }
}

#[test]
fn performance_insights_is_switched_at_once_and_kept_for_days_that_aws_knows() {
    let bench = Bench::new();
    bench.available(json!({}));
    assert_eq!(bench.show()["PerformanceInsightsEnabled"], false);
    let on = |days: i64| json!({"EnablePerformanceInsights": true, "PerformanceInsightsRetentionPeriod": days});
    assert_eq!(bench.modify_code(json!({"PerformanceInsightsRetentionPeriod": 7})), "InvalidParameterCombination");
    assert_eq!(bench.modify_code(on(8)), "InvalidParameterValue");
    bench.modify(on(62)).unwrap();
    let shown = bench.show();
    assert_eq!(
        (&shown["PerformanceInsightsEnabled"], &shown["PerformanceInsightsRetentionPeriod"]),
        (&true.into(), &62.into())
    );
    assert!(shown["PerformanceInsightsKMSKeyId"].as_str().unwrap().starts_with("arn:aws:kms:"));
    bench.modify(json!({"EnablePerformanceInsights": false})).unwrap();
    assert_eq!(bench.show()["PerformanceInsightsRetentionPeriod"], serde_json::Value::Null);
}

#[test]
fn the_advanced_mode_of_database_insights_holds_performance_insights_fast() {
    let bench = Bench::new();
    bench.available(json!({}));
    let code = |changes| bench.modify_code(changes);
    assert_eq!(code(json!({"DatabaseInsightsMode": "advanced"})), "InvalidParameterCombination");
    let on = json!({"DatabaseInsightsMode": "advanced", "EnablePerformanceInsights": true, "PerformanceInsightsRetentionPeriod": 465});
    bench.modify(on).unwrap();
    assert_eq!(bench.show()["DatabaseInsightsMode"], "advanced");
    assert_eq!(code(json!({"EnablePerformanceInsights": false})), "InvalidParameterCombination");
    assert_eq!(code(json!({"PerformanceInsightsRetentionPeriod": 7})), "InvalidParameterCombination");
    bench.modify(json!({"EnablePerformanceInsights": false, "DatabaseInsightsMode": "standard"})).unwrap();
    assert_eq!(bench.show()["PerformanceInsightsEnabled"], false);
}
