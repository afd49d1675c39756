use super::*;

fn delete(bench: &Bench, changes: Value) -> Result<Value, AwsError> {
    let mut parameters = json!({"DBInstanceIdentifier": NAME});
    overlay(&mut parameters, changes);
    bench.call("DeleteDBInstance", parameters)
}

fn delete_code(bench: &Bench, changes: Value) -> String {
    delete(bench, changes).unwrap_err().code
}

#[test]
fn a_deletion_lasts_and_ends_in_not_found() {
    let bench = Bench::new();
    bench.available(json!({}));
    let answer = delete(&bench, json!({"SkipFinalSnapshot": true})).unwrap();
    assert_eq!(answer["DBInstance"]["DBInstanceStatus"], "deleting");
    assert_eq!(delete_code(&bench, json!({"SkipFinalSnapshot": true})), "InvalidDBInstanceState");
    assert_eq!(bench.code("CreateDBInstance", Bench::wishes(json!({}))), "DBInstanceAlreadyExists");
    bench.pass(minutes(5));
    assert_eq!(bench.code("DescribeDBInstances", json!({"DBInstanceIdentifier": NAME})), "DBInstanceNotFound");
    let snapshots = bench.call("DescribeDBSnapshots", json!({})).unwrap();
    assert_eq!(snapshots, json!({"DBSnapshots": []}), "automated snapshots go with the instance");
}

#[test]
fn a_deletion_says_what_becomes_of_the_data() {
    let bench = Bench::new();
    bench.available(json!({}));
    assert_eq!(delete_code(&bench, json!({})), "InvalidParameterCombination");
    let both = json!({"SkipFinalSnapshot": true, "FinalDBSnapshotIdentifier": "final"});
    assert_eq!(delete_code(&bench, both), "InvalidParameterCombination");
    assert_eq!(delete_code(&bench, json!({"FinalDBSnapshotIdentifier": "1st"})), "InvalidParameterValue");
    assert_eq!(bench.status(), "available");
}

#[test]
fn protection_holds() {
    let bench = Bench::new();
    bench.available(json!({"DeletionProtection": true}));
    assert_eq!(delete_code(&bench, json!({"SkipFinalSnapshot": true})), "InvalidParameterCombination");
    bench.modify(json!({"DeletionProtection": false})).unwrap();
    delete(&bench, json!({"SkipFinalSnapshot": true})).unwrap();
}

#[test]
fn the_final_snapshot_is_there_before_the_instance_is_gone() {
    let bench = Bench::new();
    bench.available(json!({"CopyTagsToSnapshot": true}));
    delete(&bench, json!({"FinalDBSnapshotIdentifier": "Final-1"})).unwrap();
    let snapshot = || {
        bench.call("DescribeDBSnapshots", json!({"DBSnapshotIdentifier": "final-1"})).unwrap()["DBSnapshots"][0].clone()
    };
    assert_eq!(snapshot()["Status"], "creating");
    assert_eq!(snapshot()["PercentProgress"], 0);
    bench.pass(minutes(3));
    assert_eq!(bench.status(), "deleting");
    let taken = snapshot();
    assert_eq!(taken["Status"], "available");
    assert_eq!(taken["Encrypted"], true);
    assert_eq!(taken["KmsKeyId"], bench.show()["KmsKeyId"]);
    assert_eq!(taken["DbiResourceId"], bench.show()["DbiResourceId"]);
    assert_eq!(taken["SnapshotType"], "manual");
    assert_eq!(taken["TagList"], json!([{"Key": "owner", "Value": "us"}]));
    bench.pass(minutes(5));
    assert_eq!(bench.code("DescribeDBInstances", json!({"DBInstanceIdentifier": NAME})), "DBInstanceNotFound");
    assert_eq!(snapshot()["Status"], "available");
}

#[test]
fn a_final_snapshot_needs_a_free_name_and_an_instance_that_can_be_read() {
    let bench = Bench::new();
    bench.create(json!({}));
    let wanted = || json!({"FinalDBSnapshotIdentifier": "final"});
    assert_eq!(delete_code(&bench, wanted()), "InvalidDBInstanceState");
    bench.pass(minutes(9));
    bench.call("CreateDBSnapshot", json!({"DBInstanceIdentifier": NAME, "DBSnapshotIdentifier": "final"})).unwrap();
    assert_eq!(bench.status(), "backing-up");
    assert_eq!(delete_code(&bench, wanted()), "DBSnapshotAlreadyExists");
    bench.account.rds().set_status(REGION, NAME, "failed");
    assert_eq!(delete_code(&bench, json!({"FinalDBSnapshotIdentifier": "other"})), "InvalidDBInstanceState");
    bench.account.rds().set_status(REGION, NAME, "inaccessible-encryption-credentials-recoverable");
    assert_eq!(delete_code(&bench, json!({"FinalDBSnapshotIdentifier": "other"})), "KMSKeyNotAccessibleFault");
    delete(&bench, json!({"SkipFinalSnapshot": true})).unwrap();
}

#[test]
fn snapshots_are_made_listed_and_deleted() {
    let bench = Bench::new();
    bench.available(json!({}));
    let make =
        json!({"DBInstanceIdentifier": NAME, "DBSnapshotIdentifier": "by-hand", "Tags": [{"Key": "a", "Value": "b"}]});
    bench.call("CreateDBSnapshot", make.clone()).unwrap();
    let remove = json!({"DBSnapshotIdentifier": "by-hand"});
    assert_eq!(bench.code("DeleteDBSnapshot", remove.clone()), "InvalidDBSnapshotState");
    assert_eq!(bench.code("CreateDBSnapshot", make.clone()), "InvalidDBInstanceState");
    bench.pass(minutes(3));
    assert_eq!(bench.code("CreateDBSnapshot", make), "DBSnapshotAlreadyExists");
    let listed = |parameters: Value| {
        bench.call("DescribeDBSnapshots", parameters).unwrap()["DBSnapshots"].as_array().unwrap().len()
    };
    assert_eq!(listed(json!({})), 2);
    assert_eq!(listed(json!({"SnapshotType": "manual"})), 1);
    assert_eq!(listed(json!({"DBInstanceIdentifier": NAME, "SnapshotType": "automated"})), 1);
    bench.call("DeleteDBSnapshot", remove.clone()).unwrap();
    assert_eq!(bench.code("DescribeDBSnapshots", remove), "DBSnapshotNotFound");
}

#[test]
fn a_reboot_brings_the_instance_back() {
    let bench = Bench::new();
    bench.available(json!({}));
    let reboot = json!({"DBInstanceIdentifier": NAME});
    bench.call("RebootDBInstance", reboot.clone()).unwrap();
    assert_eq!(bench.status(), "rebooting");
    assert_eq!(bench.code("RebootDBInstance", reboot.clone()), "InvalidDBInstanceState");
    bench.pass(minutes(1));
    assert_eq!(bench.status(), "available");
    let failover = json!({"DBInstanceIdentifier": NAME, "ForceFailover": true});
    assert_eq!(bench.code("RebootDBInstance", failover), "InvalidParameterCombination");
}

#[test]
fn a_stopped_instance_starts_on_demand_or_after_seven_days() {
    let bench = Bench::new();
    bench.available(json!({}));
    let named = json!({"DBInstanceIdentifier": NAME});
    assert_eq!(bench.code("StartDBInstance", named.clone()), "InvalidDBInstanceState");
    bench.call("StopDBInstance", named.clone()).unwrap();
    assert_eq!(bench.status(), "stopping");
    bench.pass(minutes(4));
    assert_eq!(bench.status(), "stopped");
    assert_eq!(bench.modify_code(json!({"DeletionProtection": true})), "InvalidDBInstanceState");
    bench.call("StartDBInstance", named.clone()).unwrap();
    assert_eq!(bench.status(), "starting");
    bench.pass(minutes(4));
    assert_eq!(bench.status(), "available");

    bench.call("StopDBInstance", named).unwrap();
    bench.pass(minutes(4));
    assert!(bench.show().get("AutomaticRestartTime").is_some());
    bench.pass(Duration::from_hours(7 * 24));
    assert_eq!(bench.status(), "starting");
    bench.pass(minutes(4));
    assert_eq!(bench.status(), "available");
}

#[test]
fn the_back_doors_do_what_happens_behind_ones_back() {
    let bench = Bench::new();
    bench.account.rds().add_unencrypted("111122223333", REGION, NAME);
    let shown = bench.show();
    assert_eq!(shown["DBInstanceStatus"], "available");
    assert_eq!(shown["StorageEncrypted"], false);
    assert_eq!(shown["TagList"], json!([]));
    bench.account.rds().grow_storage(REGION, NAME, 33);
    bench.account.rds().set_engine_version(REGION, NAME, "16.7");
    assert_eq!(bench.show()["AllocatedStorage"], 33);
    assert_eq!(bench.show()["EngineVersion"], "16.7");
    bench.account.rds().drop_instance(REGION, NAME);
    assert_eq!(bench.code("DescribeDBInstances", json!({"DBInstanceIdentifier": NAME})), "DBInstanceNotFound");
}

#[test]
fn automated_backups_are_listed_and_kept_on_request() {
    let bench = Bench::new();
    bench.available(json!({}));
    let listed = |bench: &Bench| {
        bench.call("DescribeDBInstanceAutomatedBackups", json!({})).unwrap()["DBInstanceAutomatedBackups"].clone()
    };
    bench.pass(minutes(10));
    assert_eq!(listed(&bench)[0]["Status"], "active");
    assert_eq!(listed(&bench)[0]["Encrypted"], true);
    delete(&bench, json!({"SkipFinalSnapshot": true, "DeleteAutomatedBackups": false})).unwrap();
    bench.pass(minutes(5));
    assert_eq!(listed(&bench)[0]["Status"], "retained");
    bench.pass(Duration::from_hours(7 * 24));
    assert_eq!(listed(&bench), json!([]));
    let named = json!({"DBInstanceIdentifier": NAME});
    assert_eq!(bench.code("DescribeDBInstanceAutomatedBackups", named), "DBInstanceAutomatedBackupNotFound");
}

#[test]
fn automated_backups_that_were_kept_can_be_deleted() {
    let bench = Bench::new();
    bench.available(json!({}));
    let id = json!({"DbiResourceId": bench.show()["DbiResourceId"]});
    let refused = bench.code("DeleteDBInstanceAutomatedBackup", id.clone());
    assert_eq!(refused, "InvalidDBInstanceAutomatedBackupState", "the instance is still there");
    delete(&bench, json!({"SkipFinalSnapshot": true, "DeleteAutomatedBackups": false})).unwrap();
    bench.pass(minutes(5));
    bench.call("DeleteDBInstanceAutomatedBackup", id.clone()).unwrap();
    assert_eq!(bench.code("DeleteDBInstanceAutomatedBackup", id), "DBInstanceAutomatedBackupNotFound");
}
