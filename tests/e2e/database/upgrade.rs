//! Changes that take their time: a major version, and the storage twice in six hours.

use std::time::Duration;

use harness::Test;
use serde_json::Value;

use super::{KIND, REGION, describe, manifest, ready, status};
use crate::look::{advance_to_sunday, calls, condition, message, mutations, reason, settled, three_looks};

const WINDOW: &str = "maintenance: {window: 'sun:05:00-sun:06:00'}, backup: {window: '01:00-02:00'}";

fn in_sync(object: &Value) -> bool {
    settled(object) && condition(object, "Pending").is_none()
}

async fn group(test: &Test, name: &str) -> Option<String> {
    let groups = test.aws(&["rds", "describe-db-parameter-groups"]).await;
    let groups = groups["DBParameterGroups"].as_array().unwrap();
    let found = groups.iter().find(|group| group["DBParameterGroupName"] == name)?;
    found["DBParameterGroupFamily"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn a_major_upgrade_is_held_for_the_window_and_takes_a_parameter_group_of_its_family_along() {
    let tuned = format!("{WINDOW}, parameters: {{log_min_duration_statement: '500'}}");
    let test = ready("upgraded", &format!("engineVersion: '16.4', {tuned}")).await;
    let refused = test.try_apply(&manifest("upgraded", &format!("engineVersion: '17', {tuned}"))).await;
    assert!(refused.stderr.contains("another major version needs allowMajorVersionUpgrade: true"), "{refused}");
    test.account.clear_requests();
    let wanted = format!("engineVersion: '17', allowMajorVersionUpgrade: true, {tuned}");
    test.apply(&manifest("upgraded", &wanted)).await;
    let held = |object: &Value| reason(object, "Pending") == Some("AwaitingWindow");
    let object = test.settle(KIND, "upgraded", "held for the window", held).await;
    assert_eq!((condition(&object, "Ready"), condition(&object, "Drifted")), (Some("True"), Some("False")));
    assert!(message(&object, "Pending").contains("engineVersion: 17"), "{}", message(&object, "Pending"));
    // The group that AWS wants beside it is there before.
    three_looks(&test, "DescribeDBInstances").await;
    assert_eq!(group(&test, "upgraded-postgres17").await.as_deref(), Some("postgres17"));
    assert_eq!(mutations(&test), ["CreateDBParameterGroup", "ModifyDBParameterGroup"]);
    advance_to_sunday(&test, 5, 1);
    test.until("the upgrade", |test| status(test, "upgraded").as_deref() == Some("upgrading")).await;
    let requests = test.account.requests();
    let sent = &requests.iter().find(|request| request.operation == "ModifyDBInstance").unwrap().parameters;
    assert_eq!(
        (&sent["EngineVersion"], &sent["AllowMajorVersionUpgrade"], &sent["DBParameterGroupName"]),
        (&"17".into(), &true.into(), &"upgraded-postgres17".into())
    );
    let object = test.settle(KIND, "upgraded", "upgraded", in_sync).await;
    assert_eq!(object["status"]["lastDrift"], Value::Null, "a wanted change is no drift");
    let instance = describe(&test, "upgraded").await;
    assert!(instance["EngineVersion"].as_str().unwrap().starts_with("17."), "{instance}");
    assert_eq!(instance["DBParameterGroups"][0]["DBParameterGroupName"], "upgraded-postgres17");
    test.settle(KIND, "upgraded", "in sync", in_sync).await;
    test.until("the old group's end", |test| calls(test, "DeleteDBParameterGroup") == 1).await;
    assert_eq!(group(&test, "upgraded-postgres16").await, None, "the group of the version before is gone");
    assert_eq!(calls(&test, "ModifyDBInstance"), 1);
    // And never down again.
    let refused = test.try_apply(&manifest("upgraded", &wanted.replace("'17'", "'16'"))).await;
    assert!(refused.stderr.contains("goes up only"), "{refused}");
}

#[tokio::test]
async fn without_parameters_a_major_upgrade_ends_on_the_new_default_group() {
    let test = ready("plain", "engineVersion: '16'").await;
    test.account.clear_requests();
    test.apply(&manifest("plain", "engineVersion: '17', allowMajorVersionUpgrade: true, disruption: Immediate")).await;
    let done = |object: &Value| in_sync(object) && object["metadata"]["generation"] == 2;
    test.settle(KIND, "plain", "upgraded", done).await;
    let instance = describe(&test, "plain").await;
    assert_eq!(instance["DBParameterGroups"][0]["DBParameterGroupName"], "default.postgres17");
    assert_eq!(mutations(&test), ["ModifyDBInstance"]);
}

#[tokio::test]
async fn an_upgrade_that_aws_gives_up_is_said_and_not_tried_again_until_a_person_says_so() {
    let test = ready("given-up", "engineVersion: '16', disruption: Immediate").await;
    test.account.rds().let_upgrades_fail(REGION, "given-up", true);
    test.account.clear_requests();
    let spec = |allow: bool| format!("engineVersion: '17', allowMajorVersionUpgrade: {allow}, disruption: Immediate");
    test.apply(&manifest("given-up", &spec(true))).await;
    let given_up = |object: &Value| message(object, "Pending").contains("AWS tried the upgrade and went back");
    let object = test.settle(KIND, "given-up", "the failure", given_up).await;
    assert_eq!(condition(&object, "Ready"), Some("True"));
    three_looks(&test, "DescribeDBInstances").await;
    assert_eq!(mutations(&test), ["ModifyDBInstance"], "once, not in a loop of outages");
    test.account.rds().let_upgrades_fail(REGION, "given-up", false);
    test.apply(&manifest("given-up", &spec(false))).await;
    let forgotten = |object: &Value| message(object, "Pending").contains("set allowMajorVersionUpgrade: true");
    test.wait(KIND, "given-up", "the leave taken back", forgotten).await;
    test.apply(&manifest("given-up", &spec(true))).await;
    test.settle(KIND, "given-up", "upgraded", in_sync).await;
    assert!(describe(&test, "given-up").await["EngineVersion"].as_str().unwrap().starts_with("17."));
}

#[tokio::test]
async fn an_upgrade_that_aws_does_not_offer_is_said_and_the_database_serves_on() {
    let test = ready("unoffered", "engineVersion: '16.10'").await;
    test.apply(&manifest("unoffered", "engineVersion: '17.2', allowMajorVersionUpgrade: true, disruption: Immediate"))
        .await;
    let object = test.settle(KIND, "unoffered", "Refused", |o| reason(o, "Pending") == Some("Refused")).await;
    assert_eq!(condition(&object, "Ready"), Some("True"));
    assert!(message(&object, "Pending").contains("compare class, version"), "{}", message(&object, "Pending"));
    assert_eq!(describe(&test, "unoffered").await["EngineVersion"], "16.10");
}

#[tokio::test]
async fn storage_changed_twice_within_six_hours_waits_and_says_so_and_holds_nothing_up() {
    let test = ready("stored", "storage: {sizeGiB: 20}").await;
    test.account.durations().optimize_storage = Duration::from_mins(30);
    test.apply(&manifest("stored", "storage: {sizeGiB: 30}")).await;
    test.settle(KIND, "stored", "30 GiB", |object| settled(object) && object["metadata"]["generation"] == 2).await;
    test.until("being optimised", |test| {
        test.advance(Duration::from_secs(20));
        status(test, "stored").as_deref() == Some("storage-optimization")
    })
    .await;
    test.account.clear_requests();
    test.apply(&manifest("stored", "storage: {sizeGiB: 60}, backup: {retentionDays: 14}")).await;
    // First AWS's status says why it must wait.
    let waits = |object: &Value| message(object, "Reconciling").contains("now it is storage-optimization");
    let object = test.settle(KIND, "stored", "the wait", waits).await;
    assert_eq!(condition(&object, "Ready"), Some("True"));
    three_looks(&test, "DescribeDBInstances").await;
    assert_eq!(mutations(&test), ["ModifyDBInstance"], "the rest goes");
    // Then it is available, and AWS refuses all the same: six hours since the last change.
    test.advance(Duration::from_mins(40));
    let rests = |object: &Value| reason(object, "Reconciling") == Some("StorageRests");
    let object = test.wait(KIND, "stored", "the storage's rest", rests).await;
    assert!(message(&object, "Reconciling").contains("six hours"), "{object:#}");
    assert_eq!((condition(&object, "Ready"), condition(&object, "Stalled")), (Some("True"), None));
    let instance = describe(&test, "stored").await;
    assert_eq!((&instance["AllocatedStorage"], &instance["BackupRetentionPeriod"]), (&30.into(), &14.into()));
    test.advance(Duration::from_hours(6));
    test.settle(KIND, "stored", "60 GiB", settled).await;
    test.advance(Duration::from_mins(15));
    assert_eq!(describe(&test, "stored").await["AllocatedStorage"], 60);
    assert_eq!(test.account.rds().status(REGION, "stored").as_deref(), Some("storage-optimization"));
}

#[tokio::test]
async fn autoscaling_that_left_the_spec_is_turned_off_and_what_was_never_ours_stays() {
    let test = ready("ceiling", "storage: {sizeGiB: 20, maxSizeGiB: 100}, logExports: [postgresql]").await;
    test.boto3(
        "client('rds').modify_db_instance(DBInstanceIdentifier='ceiling', ApplyImmediately=True,
  CloudwatchLogsExportConfiguration={'EnableLogTypes': ['upgrade']})",
    )
    .await;
    test.advance(Duration::from_mins(10));
    test.account.clear_requests();
    test.apply(&manifest("ceiling", "storage: {sizeGiB: 20}")).await;
    test.settle(KIND, "ceiling", "in sync", |object| settled(object) && object["metadata"]["generation"] == 2).await;
    test.advance(Duration::from_mins(10));
    let instance = describe(&test, "ceiling").await;
    assert_eq!(instance["MaxAllocatedStorage"], Value::Null);
    assert_eq!(instance["EnabledCloudwatchLogsExports"], serde_json::json!(["upgrade"]), "theirs stays");
    assert_eq!(mutations(&test), ["ModifyDBInstance"]);
}
