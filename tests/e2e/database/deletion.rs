//! What becomes of a database whose object is deleted.

use std::time::Duration;

use super::{KIND, assert_gone, describe, manifest, ready};
use crate::look::{calls, fail, message, reason, three_looks};

#[tokio::test]
async fn deleted_under_snapshot_the_final_snapshot_is_verified_before_the_finalizer_goes() {
    let test = ready("snapped", "deletionProtection: false, parameters: {log_min_duration_statement: '500'}").await;
    test.delete(KIND, "snapped").await;
    test.until("the deletion", |test| calls(test, "DeleteDBInstance") == 1).await;
    // The instance goes, and its snapshot cannot be looked at: the object stays.
    fail(&test, "rds", "DescribeDBSnapshots", "InternalFailure", 500);
    test.advance(Duration::from_hours(1));
    three_looks(&test, "DescribeDBInstances").await;
    assert_gone(&test, "snapped").await;
    assert!(test.get(KIND, "snapped").await.is_some());
    test.account.clear_faults();
    test.settle_gone(KIND, "snapped").await;
    let snapshots = test
        .aws(&["rds", "describe-db-snapshots", "--db-instance-identifier", "snapped", "--snapshot-type", "manual"])
        .await;
    let snapshot = &snapshots["DBSnapshots"][0];
    assert_eq!((&snapshot["Status"], &snapshot["Encrypted"]), (&"available".into(), &true.into()));
    assert!(snapshot["DBSnapshotIdentifier"].as_str().unwrap().starts_with("snapped-final-"));
    assert_eq!(calls(&test, "DeleteDBParameterGroup"), 1, "the store's own group goes with it");
    test.wait_gone("Secret", "snapped-connection").await;
}

#[tokio::test]
async fn rule_06_without_its_final_snapshot_the_object_stays_and_says_so() {
    let test = ready("unsnapped", "deletionProtection: false").await;
    test.delete(KIND, "unsnapped").await;
    test.until("the deletion", |test| calls(test, "DeleteDBInstance") == 1).await;
    // Somebody deletes the snapshot before the operator has seen it.
    fail(&test, "rds", "DescribeDBSnapshots", "InternalFailure", 500);
    test.advance(Duration::from_hours(1));
    let requests = test.account.requests();
    let delete = requests.iter().find(|request| request.operation == "DeleteDBInstance").unwrap();
    let snapshot = delete.parameters["FinalDBSnapshotIdentifier"].as_str().unwrap();
    test.aws(&["rds", "delete-db-snapshot", "--db-snapshot-identifier", snapshot]).await;
    test.account.clear_faults();
    let object =
        test.settle(KIND, "unsnapped", "SnapshotMissing", |o| reason(o, "Stalled") == Some("SnapshotMissing")).await;
    assert!(message(&object, "Stalled").contains("deletionPolicy: Delete"));
    test.apply(&manifest("unsnapped", "deletionProtection: false, deletionPolicy: Delete")).await;
    test.settle_gone(KIND, "unsnapped").await;
}

#[tokio::test]
async fn deleted_under_delete_automated_backups_are_kept() {
    let test = ready("dropped", "deletionProtection: false, deletionPolicy: Delete").await;
    test.delete(KIND, "dropped").await;
    test.settle_gone(KIND, "dropped").await;
    assert_gone(&test, "dropped").await;
    let requests = test.account.requests();
    let delete = requests.iter().find(|request| request.operation == "DeleteDBInstance").unwrap();
    assert_eq!(
        (&delete.parameters["SkipFinalSnapshot"], &delete.parameters["DeleteAutomatedBackups"]),
        (&true.into(), &false.into())
    );
}

#[tokio::test]
async fn deleted_under_retain_the_database_and_its_secret_stay() {
    let test = ready("retained", "deletionPolicy: Retain").await;
    let object = test.get(KIND, "retained").await.unwrap();
    let bound = test.get("Secret", "retained-connection").await.unwrap();
    assert_eq!(
        bound["metadata"]["ownerReferences"],
        serde_json::Value::Null,
        "it outlives {}",
        object["metadata"]["uid"]
    );
    test.delete(KIND, "retained").await;
    test.settle_gone(KIND, "retained").await;
    let instance = describe(&test, "retained").await;
    assert_eq!(instance["DBInstanceStatus"], "available");
    assert!(!instance["TagList"].to_string().contains("showcore.io"));
    assert!(test.get("Secret", "retained-connection").await.is_some());
}

#[tokio::test]
async fn a_protected_database_is_not_deleted_until_its_spec_says_so() {
    let test = ready("protected", "").await;
    test.delete(KIND, "protected").await;
    let object = test
        .wait(KIND, "protected", "DeletionProtected", |object| reason(object, "Stalled") == Some("DeletionProtected"))
        .await;
    assert!(message(&object, "Stalled").contains("spec.deletionProtection to false"));
    assert_eq!(calls(&test, "DeleteDBInstance"), 0);
    test.apply(&manifest("protected", "deletionProtection: false")).await;
    test.settle_gone(KIND, "protected").await;
}
