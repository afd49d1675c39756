//! A test's own world: namespace, account, clock, clients.

use std::time::Duration;

use harness::Test;
use serde_json::json;

#[tokio::test]
async fn each_test_has_a_namespace_an_account_and_a_clock_of_its_own() {
    let (one, other) = tokio::join!(Test::start("one"), Test::start("other"));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_ne!(one.namespace, other.namespace);
    assert_ne!(one.account_id(), other.account_id());
    assert_eq!(one.control_plane.server(), other.control_plane.server());

    let (before, elsewhere) = (one.account.now(), other.account.now());
    one.advance(Duration::from_hours(1));
    assert_eq!(one.account.now().duration_since(before).as_secs(), 3600);
    assert_eq!(other.account.now(), elsewhere);
}

#[tokio::test]
async fn the_real_aws_cli_and_boto3_reach_the_stand_in() {
    let test = Test::start("clients").await.unwrap();
    let identity = test.aws(&["sts", "get-caller-identity"]).await;
    assert_eq!(identity["Account"], test.account_id());
    let said = test.boto3("print(client('sts').get_caller_identity()['Account'])").await;
    assert_eq!(said, test.account_id());

    let bucket = format!("clients-{}", test.account_id());
    test.boto3(&format!(
        "client('s3').create_bucket(Bucket='{bucket}', CreateBucketConfiguration={{'LocationConstraint': 'eu-central-1'}})"
    ))
    .await;
    let listed = test.aws(&["s3api", "list-buckets", "--query", "Buckets[].Name"]).await;
    assert_eq!(listed, json!([bucket]));
    assert!(test.account.requests().iter().any(|request| request.operation == "CreateBucket"));
}

#[tokio::test]
async fn objects_are_applied_by_kubectl_and_waited_for() {
    let test = Test::start("objects").await.unwrap();
    let map =
        |value: &str| format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: map}}, data: {{key: {value}}}}}");
    test.apply(&map("old")).await;
    let (waited, ()) =
        tokio::join!(test.wait("ConfigMap", "map", "the new value", |object| object["data"]["key"] == "new"), async {
            test.apply(&map("new")).await;
        });
    assert_eq!(waited["metadata"]["namespace"], test.namespace);
    let refused = test.try_apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: Not_A_Name}}").await;
    assert!(!refused.success());
    assert!(refused.stderr.contains("metadata.name: Invalid value"), "{refused}");

    test.delete("ConfigMap", "map").await;
    test.wait_gone("ConfigMap", "map").await;
}
