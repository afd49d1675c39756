//! AWS refusing: a condition that says what to do, and no hot loop.

use std::time::Duration;

use aws_sim::{Fault, FaultKind};
use harness::Test;

use crate::{
    database,
    look::{calls, condition, event, fail, message, reason, settled},
};

const KIND: &str = "ShowCoreDatabase";

async fn refused(name: &str, code: &str, status: u16, expected: &str, way_out: &str) {
    let mut test = Test::start(name).await.unwrap();
    fail(&test, "rds", "CreateDBInstance", code, status);
    test.start_operator().await.unwrap();
    test.apply(&database::manifest(name, "")).await;
    let object = test.wait(KIND, name, expected, |object| reason(object, "Stalled") == Some(expected)).await;
    assert_eq!(condition(&object, "Ready"), Some("False"));
    let text = message(&object, "Stalled");
    assert!(text.contains("rds:CreateDBInstance") && text.contains(way_out), "{text}");
    // AWS's own text can carry request parameters (rule 11).
    assert!(!object.to_string().contains("sg-secret"));
    assert!(event(&test, expected).await.is_some());
    // Tried again by itself once AWS lets it.
    test.account.clear_faults();
    test.settle(KIND, name, "Ready", settled).await;
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
    test.apply(&database::manifest("unfit", "")).await;
    test.settle(KIND, "unfit", "Ready", settled).await;
    test.advance(Duration::from_secs(600));
    test.apply(&database::manifest("unfit", "instanceClass: db.nosuch.large, disruption: Immediate")).await;
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
    test.apply(&database::manifest("throttled", "")).await;
    test.settle(KIND, "throttled", "Ready", settled).await;
    assert_eq!(calls(&test, "CreateDBInstance"), 1);
}
