//! AWS refusing: a condition that says what to do, and no hot loop.

use std::time::Duration;

use aws_sim::{Fault, FaultKind};
use harness::Test;

use crate::look::{calls, condition, fail, manifest, message, ready, reason, settled, three_looks, told};

const KIND: &str = "ShowCoreDatabase";

async fn refused(name: &str, code: &str, status: u16, expected: &str, way_out: &str) {
    let mut test = Test::start(name).await.unwrap();
    fail(&test, "rds", "CreateDBInstance", code, status);
    test.start_operator().await.unwrap();
    test.apply(&manifest("ShowCoreDatabase", name, "")).await;
    let object = test.wait(KIND, name, expected, |object| reason(object, "Stalled") == Some(expected)).await;
    assert_eq!(condition(&object, "Ready"), Some("False"));
    let text = message(&object, "Stalled");
    assert!(text.contains("rds:CreateDBInstance") && text.contains(way_out), "{text}");
    // AWS's own text can carry request parameters (rule 11).
    assert!(!object.to_string().contains("sg-secret"));
    told(&test, expected, &[way_out]).await;
    // Tried again by itself once AWS lets it.
    test.account.clear_faults();
    test.settle(KIND, name, "Ready", settled).await;
}

#[tokio::test]
async fn rule_08_a_refusal_that_lasts_is_told_once_however_often_it_is_tried() {
    let mut test = Test::start("lasting").await.unwrap();
    fail(&test, "rds", "CreateDBInstance", "InstanceQuotaExceeded", 400);
    test.start_operator().await.unwrap();
    test.apply(&manifest("ShowCoreDatabase", "lasting", "")).await;
    let before =
        test.wait(KIND, "lasting", "QuotaExceeded", |object| reason(object, "Stalled") == Some("QuotaExceeded")).await;
    test.account.clear_requests();
    let tries = |test: &Test| test.account.requests().iter().filter(|r| r.operation == "CreateDBInstance").count();
    test.until("three more tries", |test| tries(test) >= 3).await;
    let after = test.get(KIND, "lasting").await.unwrap();
    assert_eq!(before["metadata"]["resourceVersion"], after["metadata"]["resourceVersion"], "{:#}", after["status"]);
    let events = test.kubectl.run(&["get", "events.events.k8s.io", "-o", "json"]).await.unwrap().json().unwrap();
    let told: Vec<_> =
        events["items"].as_array().unwrap().iter().filter(|event| event["reason"] == "QuotaExceeded").collect();
    assert!(told.len() == 1 && told[0]["series"].is_null(), "{told:#?}");
}

#[tokio::test]
async fn a_refused_cache_and_a_refused_bucket_say_what_to_do() {
    let mut test = Test::start("refusals").await.unwrap();
    fail(&test, "elasticache", "CreateReplicationGroup", "InsufficientCacheClusterCapacity", 400);
    fail(&test, "s3", "CreateBucket", "TooManyBuckets", 400);
    test.start_operator().await.unwrap();
    test.apply("{apiVersion: showcore.io/v1alpha1, kind: ShowCoreCache, metadata: {name: no-room}, spec: {}}").await;
    test.apply("{apiVersion: showcore.io/v1alpha1, kind: ShowCoreBucket, metadata: {name: no-room}, spec: {bucketName: 'no-room-{accountID}', purpose: Backups}}").await;
    test.wait("ShowCoreCache", "no-room", "the refusal", |object| {
        reason(object, "Stalled") == Some("InsufficientCapacity")
    })
    .await;
    let object = test
        .wait("ShowCoreBucket", "no-room", "the refusal", |object| reason(object, "Stalled") == Some("QuotaExceeded"))
        .await;
    assert!(message(&object, "Stalled").contains("bucket quota"));
}

#[tokio::test]
async fn a_passing_trouble_of_awss_takes_nothing_away_from_a_store() {
    let test = ready("ShowCoreBucket", "hiccup", "bucketName: 'hiccup-{accountID}', purpose: Backups").await;
    let before = test.get("ShowCoreBucket", "hiccup").await.unwrap();
    // Three attempts of the SDK's make one failed look.
    let kind = FaultKind::Error { code: "InternalError".into(), status: 500, message: String::new() };
    test.account.inject(Fault { service: "s3".into(), operation: "GetBucketVersioning".into(), times: 3, kind });
    test.until("the trouble", |test| test.account.faults_left() == 0).await;
    three_looks(&test, "GetBucketVersioning").await;
    let after = test.get("ShowCoreBucket", "hiccup").await.unwrap();
    assert_eq!(before["metadata"]["resourceVersion"], after["metadata"]["resourceVersion"]);
}

#[tokio::test]
async fn a_quota_becomes_a_condition_with_its_way_out() {
    refused("quota", "InstanceQuotaExceeded", 400, "QuotaExceeded", "Service Quotas").await;
}

#[tokio::test]
async fn insufficient_capacity_becomes_a_condition_with_its_way_out() {
    refused("capacity", "InsufficientDBInstanceCapacity", 400, "InsufficientCapacity", "Choose another class").await;
}

#[tokio::test]
async fn rule_11_access_denied_becomes_a_condition_without_awss_own_words() {
    refused("denied", "AccessDenied", 403, "AccessDenied", "the operator's role lacks this permission").await;
}

#[tokio::test]
async fn a_read_that_is_denied_leaves_what_was_known_and_says_so() {
    let mut test = Test::start("blind").await.unwrap();
    test.start_operator().await.unwrap();
    test.apply("{apiVersion: showcore.io/v1alpha1, kind: ShowCoreBucket, metadata: {name: blind}, spec: {bucketName: 'blind-{accountID}', purpose: Backups}}").await;
    test.wait("ShowCoreBucket", "blind", "Ready", settled).await;
    fail(&test, "s3", "GetBucketVersioning", "AccessDenied", 403);
    let object = test
        .wait("ShowCoreBucket", "blind", "AccessDenied", |object| reason(object, "Stalled") == Some("AccessDenied"))
        .await;
    assert_eq!((condition(&object, "Ready"), condition(&object, "Encrypted")), (Some("Unknown"), Some("True")));
    assert_eq!(object["status"]["resource"]["status"], "available");
    test.account.clear_faults();
    test.wait("ShowCoreBucket", "blind", "Ready again", settled).await;
}

#[tokio::test]
async fn a_change_that_aws_refuses_is_pending_and_the_store_stays_ready() {
    let mut test = Test::start("unfit").await.unwrap();
    test.start_operator().await.unwrap();
    test.apply(&manifest("ShowCoreDatabase", "unfit", "")).await;
    test.settle(KIND, "unfit", "Ready", settled).await;
    test.advance(Duration::from_mins(10));
    test.apply(&manifest("ShowCoreDatabase", "unfit", "instanceClass: db.nosuch.large, disruption: Immediate")).await;
    let object = test.settle(KIND, "unfit", "Refused", |object| reason(object, "Pending") == Some("Refused")).await;
    assert_eq!(condition(&object, "Ready"), Some("True"));
    assert!(message(&object, "Pending").contains("rds:ModifyDBInstance"));
}

#[tokio::test]
async fn rule_09_throttling_is_waited_out_and_nothing_is_made_twice() {
    let mut test = Test::start("throttled").await.unwrap();
    for operation in ["DescribeDBInstances", "CreateDBInstance"] {
        test.account.inject(Fault {
            service: "rds".into(),
            operation: operation.into(),
            times: 4,
            kind: FaultKind::Throttle,
        });
    }
    test.start_operator().await.unwrap();
    test.apply(&manifest("ShowCoreDatabase", "throttled", "")).await;
    test.settle(KIND, "throttled", "Ready", settled).await;
    assert_eq!(calls(&test, "CreateDBInstance"), 1);
}
