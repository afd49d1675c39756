//! `ShowCoreBucket`, end to end.

use harness::Test;
use serde_json::json;

use crate::look::{condition, drift, last_drift, message, reason, settled};

const KIND: &str = "ShowCoreBucket";

fn manifest(name: &str, spec: &str) -> String {
    format!("{{apiVersion: showcore.io/v1alpha1, kind: {KIND}, metadata: {{name: {name}}}, spec: {{bucketName: '{name}-{{accountID}}', {spec}}}}}")
}

async fn ready(name: &str, spec: &str) -> Test {
    let mut test = Test::start(name).await.unwrap();
    test.start_operator().await.unwrap();
    test.apply(&manifest(name, spec)).await;
    test.wait(KIND, name, "Ready and in sync", settled).await;
    test
}

#[tokio::test]
async fn a_bucket_is_created_encrypted_private_versioned_and_tls_only() {
    let test = ready("created", "purpose: Backups, tags: {team: core}").await;
    let bucket = format!("created-{}", test.account_id());
    let object = test.get(KIND, "created").await.unwrap();
    assert_eq!(object["status"]["encryption"]["atRest"], json!({ "algorithm": "AES256", "keyManagement": "SSE-S3" }));
    assert_eq!(object["status"]["resource"]["identifier"], bucket.as_str());
    let encryption = test.aws(&["s3api", "get-bucket-encryption", "--bucket", &bucket]).await;
    let default = &encryption["ServerSideEncryptionConfiguration"]["Rules"][0]["ApplyServerSideEncryptionByDefault"];
    assert_eq!(default, &json!({ "SSEAlgorithm": "AES256" }));
    let tags = test.aws(&["s3api", "get-bucket-tagging", "--bucket", &bucket]).await;
    let tags = tags["TagSet"].as_array().unwrap();
    assert!(tags.contains(&json!({ "Key": "team", "Value": "core" })));
    assert!(tags.contains(&json!({ "Key": "showcore.io/owner", "Value": format!("{KIND}/{}/created", test.namespace) })));
}
