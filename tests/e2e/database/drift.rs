//! Drift while AWS is busy, in two fields, undone by its author; another instance of the same name; owner tags removed or
//! forged.

use std::time::Duration;

use harness::Test;
use serde_json::Value;

use super::{KIND, REGION, describe, ready, status};
use crate::look::{
    advance_to_sunday, calls, condition, drift, last_drift, message, mutations, reason, settled, three_looks, told,
};

/// Changes the instance while nobody looks, and puts AWS to work on it.
async fn tampered_and_busy(test: &mut Test, name: &str, changes: &str, work: impl FnOnce(&Test)) {
    test.stop_operator().await.unwrap();
    modify(test, name, changes).await;
    work(test);
    test.account.clear_requests();
    test.start_operator().await.unwrap();
}

async fn modify(test: &Test, name: &str, changes: &str) {
    let code =
        format!("client('rds').modify_db_instance(DBInstanceIdentifier='{name}', ApplyImmediately=True, {changes})");
    test.boto3(&code).await;
}

async fn tag(test: &Test, name: &str, code: &str) {
    let arn = describe(test, name).await["DBInstanceArn"].as_str().unwrap().to_owned();
    test.boto3(&format!("rds, arn = client('rds'), '{arn}'\n{code}")).await;
}

/// The drift is reported, nothing is sent while AWS is busy, and then it is corrected by one call.
async fn waits_and_says_so(test: &Test, name: &str, field: &str, busy: &str) {
    let object = test.wait(KIND, name, "the report", |object| drift(object, field).is_some()).await;
    assert_eq!(status(test, name).as_deref(), Some(busy));
    assert_eq!(drift(&object, field).unwrap()["action"], "Pending");
    assert_eq!((condition(&object, "Ready"), reason(&object, "Reconciling")), (Some("True"), Some("WaitingForAWS")));
    assert!(message(&object, "Reconciling").contains(&format!("now it is {busy}")), "{object:#}");
    three_looks(test, "DescribeDBInstances").await;
    assert_eq!(mutations(test), Vec::<String>::new(), "nothing is sent to be refused");
    let object = test.settle(KIND, name, "corrected", settled).await;
    assert!(last_drift(&object, field).is_some());
    assert_eq!(mutations(test), ["ModifyDBInstance"]);
}

#[tokio::test]
async fn drift_found_during_a_backup_waits_for_its_end_and_says_so() {
    let mut test = ready("busy", "").await;
    let work = |test: &Test| test.account.rds().start_backup(REGION, "busy");
    tampered_and_busy(&mut test, "busy", "DeletionProtection=False", work).await;
    waits_and_says_so(&test, "busy", "deletionProtection", "backing-up").await;
}

#[tokio::test]
async fn drift_found_while_aws_is_modifying_waits_and_what_is_under_way_counts_already() {
    let mut test = ready("working", "").await;
    tampered_and_busy(&mut test, "working", "BackupRetentionPeriod=3", |_| {}).await;
    // AWS still answers 7, and 3 as pending.
    assert_eq!(describe(&test, "working").await["BackupRetentionPeriod"], 7);
    waits_and_says_so(&test, "working", "backup.retentionDays", "modifying").await;
    test.advance(Duration::from_mins(15));
    assert_eq!(describe(&test, "working").await["BackupRetentionPeriod"], 7);
}

#[tokio::test]
async fn drift_in_two_fields_at_once_is_one_report_and_one_call() {
    let test = ready("twice", "").await;
    let history = test.history(KIND, "twice");
    test.account.clear_requests();
    modify(&test, "twice", "DeletionProtection=False, AutoMinorVersionUpgrade=False").await;
    let (one, other) = ("deletionProtection", "maintenance.autoMinorVersionUpgrade");
    let both = |object: &Value| drift(object, one).is_some() && drift(object, other).is_some();
    test.settle(KIND, "twice", "both reported together", |_| history.find(both).is_some()).await;
    let object = test.settle(KIND, "twice", "both corrected", settled).await;
    assert!(last_drift(&object, one).is_some() && last_drift(&object, other).is_some(), "{object:#}");
    assert_eq!(mutations(&test), ["ModifyDBInstance"]);
    told(&test, "DriftCorrected", &[one, other]).await;
}

#[tokio::test]
async fn drift_that_its_author_undoes_before_the_window_costs_no_call_and_is_told() {
    let test = ready("undone", "maintenance: {window: 'sun:05:00-sun:06:00'}, backup: {window: '01:00-02:00'}").await;
    let available = |test: &Test| status(test, "undone").as_deref() == Some("available");
    test.account.clear_requests();
    modify(&test, "undone", "DBInstanceClass='db.t3.small'").await;
    let held = |object: &Value| drift(object, "instanceClass").is_some_and(|row| row["action"] == "AwaitingWindow");
    let object = test.wait(KIND, "undone", "held for the window", held).await;
    let since = drift(&object, "instanceClass").unwrap()["since"].clone();
    assert_eq!(condition(&object, "Ready"), Some("True"));
    test.advance(Duration::from_mins(10));
    test.until("available again", available).await;
    modify(&test, "undone", "DBInstanceClass='db.t3.micro'").await;
    let object = test
        .settle(KIND, "undone", "in sync", |object| settled(object) && last_drift(object, "instanceClass").is_some())
        .await;
    let past = last_drift(&object, "instanceClass").unwrap();
    assert_eq!((&past["found"], &past["observed"]), (&since, &"db.t3.small".into()));
    assert_eq!((condition(&object, "Pending"), &object["status"]["plan"]), (None, &Value::Null));
    test.advance(Duration::from_mins(10));
    advance_to_sunday(&test, 5, 10);
    three_looks(&test, "DescribeDBInstances").await;
    assert_eq!(mutations(&test), Vec::<String>::new(), "nor when the window opens");
}

#[tokio::test]
async fn rule_02_and_03_an_instance_replaced_by_another_of_the_same_name_is_left_untouched() {
    let mut test = ready("swapped", "").await;
    let old = describe(&test, "swapped").await;
    test.stop_operator().await.unwrap();
    test.account.rds().drop_instance(REGION, "swapped");
    test.boto3(
        "client('rds').create_db_instance(DBInstanceIdentifier='swapped', Engine='postgres', DBInstanceClass='db.t3.micro',
  AllocatedStorage=20, MasterUsername='app', MasterUserPassword='a-long-password', StorageEncrypted=True)",
    )
    .await;
    test.advance(Duration::from_mins(15));
    let new = describe(&test, "swapped").await["DbiResourceId"].as_str().unwrap().to_owned();
    test.account.clear_requests();
    test.start_operator().await.unwrap();
    let replaced = |object: &Value| reason(object, "Stalled") == Some("Replaced");
    let object = test.wait(KIND, "swapped", "Replaced", replaced).await;
    let said = message(&object, "Stalled");
    for words in [new.as_str(), old["DbiResourceId"].as_str().unwrap(), "apply it again under another identifier"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(condition(&object, "Ready"), Some("False"));
    // Nor with our owner's tags on it: a restore keeps them, and the database that we made is gone all the same.
    let tags = old["TagList"].to_string();
    tag(&test, "swapped", &format!("rds.add_tags_to_resource(ResourceName=arn, Tags={tags})")).await;
    three_looks(&test, "DescribeDBInstances").await;
    assert!(replaced(&test.get(KIND, "swapped").await.unwrap()));
    // Deleting the object leaves it alone, too.
    test.delete(KIND, "swapped").await;
    test.wait_gone(KIND, "swapped").await;
    assert_eq!(mutations(&test), Vec::<String>::new());
    assert_eq!(status(&test, "swapped").as_deref(), Some("available"));
}

#[tokio::test]
async fn rule_03_owner_tags_that_somebody_removed_are_put_back() {
    let test = ready("stripped", "tags: {team: core}").await;
    let before = describe(&test, "stripped").await["TagList"].clone();
    test.account.clear_requests();
    tag(
        &test,
        "stripped",
        "tags = rds.list_tags_for_resource(ResourceName=arn)['TagList']
rds.remove_tags_from_resource(ResourceName=arn, TagKeys=[tag['Key'] for tag in tags])",
    )
    .await;
    let owner = "tags.showcore.io/owner";
    let corrected = |object: &Value| settled(object) && last_drift(object, owner).is_some();
    let object = test.settle(KIND, "stripped", "put back", corrected).await;
    for field in ["tags.showcore.io/cluster", "tags.showcore.io/uid", "tags.team"] {
        assert_eq!(last_drift(&object, field).unwrap()["observed"], "absent", "{field}");
    }
    assert_eq!(mutations(&test), ["AddTagsToResource"]);
    assert_eq!(describe(&test, "stripped").await["TagList"], before);
}

#[tokio::test]
async fn rule_03_a_forged_owner_tag_stops_every_write_until_it_is_set_right() {
    let test = ready("forged", "").await;
    let right = describe(&test, "forged").await["TagList"].to_string();
    for (key, value, expected) in [
        ("showcore.io/owner", "ShowCoreDatabase/other/store", "Conflict"),
        ("showcore.io/cluster", "another-cluster", "NotOurs"),
        ("showcore.io/uid", "00000000-0000-0000-0000-000000000000", "NotOurs"),
    ] {
        test.account.clear_requests();
        let forged =
            format!("rds.add_tags_to_resource(ResourceName=arn, Tags=[{{'Key': '{key}', 'Value': '{value}'}}])");
        tag(&test, "forged", &forged).await;
        let stalled = |object: &Value| reason(object, "Stalled") == Some(expected);
        let object = test.wait(KIND, "forged", expected, stalled).await;
        assert_eq!(condition(&object, "Ready"), Some("False"), "{key}");
        // Drift beside it stays as it is.
        modify(&test, "forged", "DeletionProtection=False").await;
        three_looks(&test, "DescribeDBInstances").await;
        assert_eq!(mutations(&test), Vec::<String>::new(), "{key}");
        tag(&test, "forged", &format!("rds.add_tags_to_resource(ResourceName=arn, Tags={right})")).await;
        let again = |object: &Value| settled(object) && last_drift(object, "deletionProtection").is_some();
        test.settle(KIND, "forged", "ours again, and the drift corrected", again).await;
        assert_eq!(calls(&test, "ModifyDBInstance"), 1, "{key}");
    }
}
