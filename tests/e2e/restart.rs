//! The operator killed at the worst moment, and ended politely.

use std::time::{Duration, Instant};

use aws_sim::{Fault, FaultKind};
use harness::{Test, release::as_pods};

use crate::look::{accepted_secret, calls, condition, listed, manifest, reason, secret, settled};

const DATABASES: [&str; 4] = ["rds", "describe-db-instances", "--query", "DBInstances[].DBInstanceIdentifier"];

/// Kills the operator after it has sent a create call and before it has the answer. AWS is slow: it executes the call
/// only when the next operator is already looking, and perhaps sending its own.
async fn killed_in_creation(name: &str, kind: &str, service: &str, operation: &str, manifest: &str) -> Test {
    let mut test = Test::start(name).await.unwrap();
    // The next pod has to wait for the Lease of the one before.
    let kind_of_fault = FaultKind::Hang(Duration::from_secs(if as_pods() { 25 } else { 1 }));
    test.account.inject(Fault { service: service.into(), operation: operation.into(), times: 1, kind: kind_of_fault });
    test.start_operator().await.unwrap();
    test.apply(manifest).await;
    test.until("the create call with AWS", |test| test.account.faults_left() == 0).await;
    test.kill_operator().await.unwrap();
    test.start_operator().await.unwrap();
    test.settle(kind, name, "Ready after the kill", settled).await;
    let created = test.account.requests().iter().filter(|r| r.operation == operation && r.status < 400).count();
    assert_eq!(created, 1, "created once, whatever was lost");
    test
}

#[tokio::test]
async fn rule_04_an_answer_that_is_lost_makes_nothing_twice() {
    let mut test = Test::start("unanswered").await.unwrap();
    test.account.inject(Fault {
        service: "rds".into(),
        operation: "CreateDBInstance".into(),
        times: 1,
        kind: FaultKind::AnswerLost,
    });
    test.start_operator().await.unwrap();
    test.apply(&manifest("ShowCoreDatabase", "unanswered", "")).await;
    let object = test.settle("ShowCoreDatabase", "unanswered", "Ready", settled).await;
    assert_eq!(listed(&test, &DATABASES, "unanswered").await, ["unanswered"]);
    let made = test.aws(&["rds", "describe-db-instances", "--db-instance-identifier", "unanswered"]).await;
    let pin = object["metadata"]["annotations"]["showcore.io/resource"].as_str().unwrap();
    assert!(pin.contains(made["DBInstances"][0]["DbiResourceId"].as_str().unwrap()), "{pin}");
}

#[tokio::test]
async fn rule_04_killed_between_the_create_call_and_its_answer_one_database_is_owned_and_ready() {
    let test = killed_in_creation(
        "killed-db",
        "ShowCoreDatabase",
        "rds",
        "CreateDBInstance",
        &manifest("ShowCoreDatabase", "killed-db", ""),
    )
    .await;
    assert_eq!(listed(&test, &DATABASES, "killed").await, ["killed-db"]);
}

#[tokio::test]
async fn rule_04_killed_between_the_create_call_and_its_answer_one_cache_is_owned_and_ready() {
    let test = killed_in_creation(
        "killed-cache",
        "ShowCoreCache",
        "elasticache",
        "CreateReplicationGroup",
        &manifest("ShowCoreCache", "killed-cache", ""),
    )
    .await;
    let question = ["elasticache", "describe-replication-groups", "--query", "ReplicationGroups[].ReplicationGroupId"];
    assert_eq!(listed(&test, &question, "killed").await, ["killed-cache"]);
}

#[tokio::test]
async fn rule_04_killed_between_the_create_call_and_its_answer_one_bucket_is_owned_and_ready() {
    let manifest = "{apiVersion: showcore.io/v1alpha1, kind: ShowCoreBucket, metadata: {name: killed-bucket}, spec: {bucketName: 'killed-{accountID}', purpose: Backups}}";
    let test = killed_in_creation("killed-bucket", "ShowCoreBucket", "s3", "CreateBucket", manifest).await;
    let made = listed(&test, &["s3api", "list-buckets", "--query", "Buckets[].Name"], "killed").await;
    assert_eq!(made, [format!("killed-{}", test.account_id())]);
}

#[tokio::test]
async fn a_cache_in_creation_whose_tags_cannot_be_read_is_waited_for() {
    let mut test = Test::start("unread").await.unwrap();
    test.start_operator().await.unwrap();
    test.apply(&manifest("ShowCoreCache", "unread", "")).await;
    let object = test
        .wait("ShowCoreCache", "unread", "the wait for its tags", |object| {
            reason(object, "Ready") == Some("TagsUnreadable")
        })
        .await;
    assert_eq!(condition(&object, "Reconciling"), Some("True"));
    test.settle("ShowCoreCache", "unread", "Ready", settled).await;
    assert_eq!(calls(&test, "CreateReplicationGroup"), 1);
}

#[tokio::test]
async fn ended_by_sigterm_the_operator_finishes_what_it_has_begun() {
    let mut test = Test::start("polite").await.unwrap();
    // A pod is told later than a process.
    let hang = Duration::from_secs(if as_pods() { 5 } else { 1 });
    let kind = FaultKind::Hang(hang);
    test.account.inject(Fault { service: "s3".into(), operation: "CreateBucket".into(), times: 1, kind });
    test.start_operator().await.unwrap();
    test.apply("{apiVersion: showcore.io/v1alpha1, kind: ShowCoreBucket, metadata: {name: polite}, spec: {bucketName: 'polite-{accountID}', purpose: Backups}}").await;
    test.until("the create call with AWS", |test| test.account.faults_left() == 0).await;
    let told = Instant::now();
    test.stop_operator().await.unwrap();
    assert!(told.elapsed() > hang / 2, "it was told before AWS answered: {:?}", told.elapsed());
    // The pass that had begun was finished: the bucket is set up whole.
    let object = test.get("ShowCoreBucket", "polite").await.unwrap();
    assert!(settled(&object), "{:#}", object["status"]);
}

#[tokio::test]
async fn rule_12_two_operators_at_once_do_no_harm() {
    let mut test = Test::start("twins").await.unwrap();
    test.start_operator().await.unwrap();
    let twin = test.operator_options().unwrap().start().await.unwrap();
    let stores = [
        ("ShowCoreDatabase", "twin-db", ""),
        ("ShowCoreCache", "twin-cache", ""),
        ("ShowCoreBucket", "twin-bucket", "bucketName: 'twin-{accountID}', purpose: Backups"),
    ];
    for (kind, name, spec) in stores {
        test.apply(&manifest(kind, name, spec)).await;
    }
    for (kind, name, _) in stores {
        test.settle(kind, name, "Ready", settled).await;
    }
    for operation in ["CreateDBInstance", "CreateReplicationGroup", "CreateBucket"] {
        let made = test.account.requests().iter().filter(|r| r.operation == operation && r.status < 400).count();
        assert_eq!(made, 1, "{operation}");
    }
    // Each store has the password of the Secret that is there, whoever of the two made it.
    let password = |name: &str| {
        let name = name.to_owned();
        let test = &test;
        async move { secret(&test.get("Secret", &name).await.unwrap(), "password").unwrap() }
    };
    let digest = aws_sim::log::digest(&password("twin-db-connection").await);
    assert_eq!(accepted_secret(&test, "twin-db"), Some(digest));
    let digest = aws_sim::log::digest(&password("twin-cache-connection").await);
    assert_eq!(accepted_secret(&test, "twin-cache"), Some(digest));
    twin.kill();
}
