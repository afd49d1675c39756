//! `ShowCoreBucket`, end to end.

use aws_sim::{Fault, FaultKind};
use harness::Test;
use serde_json::json;

use crate::look::{
    self, assert_drift, calls, condition, drift, last_drift, message, mutations, reason, settled, tamper, three_looks,
    told,
};

mod cost;
mod drift;
mod settings;

const KIND: &str = "ShowCoreBucket";

/// The bucket's name carries the account's id: bucket names are global.
fn manifest(name: &str, spec: &str) -> String {
    look::manifest(KIND, name, &format!("bucketName: '{name}-{{accountID}}', {spec}"))
}

/// A test with a bucket that is Ready; and the bucket's name.
async fn ready(name: &str, spec: &str) -> (Test, String) {
    let test = look::ready(KIND, name, &format!("bucketName: '{name}-{{accountID}}', {spec}")).await;
    let bucket = format!("{name}-{}", test.account_id());
    (test, bucket)
}

#[tokio::test]
async fn a_bucket_is_created_encrypted_private_versioned_and_tls_only() {
    let (test, bucket) = ready("created", "purpose: Backups, tags: {team: core}").await;
    let object = test.get(KIND, "created").await.unwrap();
    assert_eq!(object["status"]["encryption"]["atRest"], json!({ "algorithm": "AES256", "keyManagement": "SSE-S3" }));
    assert_eq!(object["status"]["encryption"]["inTransit"]["enforced"], true);
    assert_eq!(object["status"]["resource"]["identifier"], bucket.as_str());
    assert_eq!(condition(&object, "Encrypted"), Some("True"));
    // The decision record's check, by the real CLI.
    let encryption = test.aws(&["s3api", "get-bucket-encryption", "--bucket", &bucket]).await;
    let default = &encryption["ServerSideEncryptionConfiguration"]["Rules"][0]["ApplyServerSideEncryptionByDefault"];
    assert_eq!(default, &json!({ "SSEAlgorithm": "AES256" }));
    let settings = test
        .boto3(&format!(
            "s3 = client('s3'); b = '{bucket}'
print(json.dumps([s3.get_public_access_block(Bucket=b)['PublicAccessBlockConfiguration'],
  s3.get_bucket_ownership_controls(Bucket=b)['OwnershipControls']['Rules'][0]['ObjectOwnership'],
  s3.get_bucket_versioning(Bucket=b)['Status'], json.loads(s3.get_bucket_policy(Bucket=b)['Policy'])['Statement'],
  {{t['Key']: t['Value'] for t in s3.get_bucket_tagging(Bucket=b)['TagSet']}}]))"
        ))
        .await;
    let settings: serde_json::Value = serde_json::from_str(&settings).unwrap();
    assert!(settings[0].as_object().unwrap().values().all(|on| on == true), "{settings}");
    assert_eq!((&settings[1], &settings[2]), (&json!("BucketOwnerEnforced"), &json!("Enabled")));
    let statement = &settings[3][0];
    assert_eq!(
        (&statement["Effect"], &statement["Condition"]["Bool"]["aws:SecureTransport"]),
        (&json!("Deny"), &json!("false"))
    );
    assert_eq!(settings[4]["team"], "core");
    assert_eq!(settings[4]["showcore.io/owner"], format!("{KIND}/{}/created", test.namespace));
    // Owned from the first moment: the tags travelled in the create call itself.
    let requests = test.account.requests();
    let create = requests.iter().find(|request| request.operation == "CreateBucket").unwrap();
    assert!(create.parameters.to_string().contains("showcore.io/uid"), "{}", create.parameters);
}

#[tokio::test]
async fn rule_08_a_quiet_bucket_costs_no_write_at_all() {
    let (test, _) = ready("quiet", "purpose: StaticAssets").await;
    let before = test.get(KIND, "quiet").await.unwrap();
    test.account.clear_requests();
    test.until("ten more looks", |test| calls(test, "GetBucketTagging") >= 10).await;
    assert_eq!(mutations(&test), Vec::<String>::new());
    let after = test.get(KIND, "quiet").await.unwrap();
    assert_eq!(before["metadata"]["resourceVersion"], after["metadata"]["resourceVersion"]);
}

#[tokio::test]
async fn a_changed_spec_reaches_s3_and_is_no_drift() {
    let (test, bucket) = ready("changed", "purpose: Backups, tags: {team: core, old: x}").await;
    test.apply(&manifest("changed", "purpose: Backups, versioning: false, tags: {team: web}")).await;
    test.wait(KIND, "changed", "the new spec in sync", |object| {
        object["metadata"]["generation"] == 2 && settled(object)
    })
    .await;
    let object = test.get(KIND, "changed").await.unwrap();
    assert_eq!(object["status"]["lastDrift"], serde_json::Value::Null, "a wanted change is no drift");
    let versioning = test.aws(&["s3api", "get-bucket-versioning", "--bucket", &bucket]).await;
    assert_eq!(versioning["Status"], "Suspended");
    let tags = test.aws(&["s3api", "get-bucket-tagging", "--bucket", &bucket]).await.to_string();
    assert!(tags.contains("web") && !tags.contains("old"), "{tags}");
}

#[tokio::test]
async fn drift_is_reported_with_field_desired_observed_and_since_then_corrected() {
    let (mut test, bucket) = ready("drifted", "purpose: Backups, tags: {team: core}").await;
    let code = format!(
        "s3 = client('s3'); b = '{bucket}'
block = s3.get_public_access_block(Bucket=b)['PublicAccessBlockConfiguration']; block['BlockPublicPolicy'] = False; block['RestrictPublicBuckets'] = False
tags = [t for t in s3.get_bucket_tagging(Bucket=b)['TagSet'] if t['Key'] != 'team'] + [{{'Key': 'theirs', 'Value': '1'}}]
policy = json.loads(s3.get_bucket_policy(Bucket=b)['Policy'])
policy['Statement'] = [{{'Effect': 'Allow', 'Principal': '*', 'Action': 's3:GetObject', 'Resource': f'arn:aws:s3:::{{b}}/*'}},
  {{'Sid': 'theirs', 'Effect': 'Deny', 'Principal': '*', 'Action': 's3:DeleteBucket', 'Resource': f'arn:aws:s3:::{{b}}'}}]
s3.put_public_access_block(Bucket=b, PublicAccessBlockConfiguration=block)
s3.put_bucket_policy(Bucket=b, Policy=json.dumps(policy))
s3.put_bucket_versioning(Bucket=b, VersioningConfiguration={{'Status': 'Suspended'}})
s3.put_bucket_tagging(Bucket=b, Tagging={{'TagSet': tags}})"
    );
    // S3 refuses the corrections for now, so that the report stands and can be read.
    let corrections = [
        ("s3", "PutPublicAccessBlock"),
        ("s3", "PutBucketVersioning"),
        ("s3", "PutBucketTagging"),
        ("s3", "PutBucketPolicy"),
    ];
    tamper(&mut test, &code, &corrections).await;
    let object = test.wait(KIND, "drifted", "Drifted", |object| drift(object, "tags.team").is_some()).await;
    assert_drift(&object, "publicAccessBlock", "all four on", "blockPublicPolicy, restrictPublicBuckets off");
    assert_drift(&object, "policy.tlsOnly", "Deny without TLS", "absent");
    assert_drift(&object, "policy.foreignAllow", "none", "Allow s3:GetObject to *");
    assert_drift(&object, "versioning", "on", "suspended");
    assert_drift(&object, "tags.team", "'core'", "absent");
    assert_eq!(drift(&object, "versioning").unwrap()["action"], "Pending");
    // Requests without TLS are let in: it does not count as encrypted until that is mended.
    assert_eq!((condition(&object, "Drifted"), reason(&object, "Encrypted")), (Some("True"), Some("NotInTransit")));
    test.account.clear_faults();
    let object = test
        .wait(KIND, "drifted", "corrected", |object| settled(object) && last_drift(object, "tags.team").is_some())
        .await;
    for field in ["publicAccessBlock", "policy.tlsOnly", "policy.foreignAllow", "versioning", "tags.team"] {
        let row = last_drift(&object, field).unwrap_or_else(|| panic!("{field} is not in lastDrift"));
        assert!(row["found"].is_string() && row["corrected"].is_string());
    }
    let fields = ["publicAccessBlock", "policy.tlsOnly", "policy.foreignAllow", "versioning", "tags.team"];
    told(&test, "DriftFound", &fields).await;
    told(&test, "DriftCorrected", &fields).await;
    // What was never ours is left alone; the foreign Allow is not.
    let tags = test.aws(&["s3api", "get-bucket-tagging", "--bucket", &bucket]).await.to_string();
    assert!(tags.contains("theirs") && tags.contains("core"), "{tags}");
    let policy = test.aws(&["s3api", "get-bucket-policy", "--bucket", &bucket]).await.to_string();
    assert!(policy.contains("s3:DeleteBucket") && !policy.contains("s3:GetObject"), "{policy}");
}

#[tokio::test]
async fn drift_reaches_the_api_server_before_its_correction_is_sent() {
    let (test, bucket) = ready("first", "purpose: Backups").await;
    test.account.clear_requests();
    // The correction is under way for two seconds, and in the log only then.
    let kind = FaultKind::Hang(std::time::Duration::from_secs(2));
    test.account.inject(Fault { service: "s3".into(), operation: "PutBucketVersioning".into(), times: 1, kind });
    test.sim.s3().get_mut(&bucket).unwrap().versioning = aws_sim::s3::bucket::Versioning::Suspended;
    test.wait(KIND, "first", "Drifted", |object| condition(object, "Drifted") == Some("True")).await;
    assert_eq!(calls(&test, "PutBucketVersioning"), 0, "corrected before it was told");
    test.wait(KIND, "first", "corrected", settled).await;
    assert_eq!(calls(&test, "PutBucketVersioning"), 1);
}

#[tokio::test]
async fn a_policy_of_report_reports_and_leaves_all_but_security_alone() {
    let (test, bucket) = ready("reported", "purpose: Backups, driftPolicy: Report").await;
    test.boto3(&format!(
        "s3 = client('s3'); b = '{bucket}'
s3.put_bucket_versioning(Bucket=b, VersioningConfiguration={{'Status': 'Suspended'}})
s3.delete_public_access_block(Bucket=b)"
    ))
    .await;
    let object = test
        .wait(KIND, "reported", "the security drift corrected, the other reported", |object| {
            last_drift(object, "publicAccessBlock").is_some() && drift(object, "versioning").is_some()
        })
        .await;
    assert_eq!(drift(&object, "versioning").unwrap()["action"], "ReportOnly");
    three_looks(&test, "GetBucketTagging").await;
    assert_eq!(calls(&test, "PutBucketVersioning"), 1, "the one at creation");
    let versioning = test.aws(&["s3api", "get-bucket-versioning", "--bucket", &bucket]).await;
    assert_eq!(versioning["Status"], "Suspended");
}

#[tokio::test]
async fn a_bucket_set_to_sse_kms_is_blocked_and_not_lowered() {
    let (test, bucket) = ready("kms", "purpose: Backups").await;
    test.boto3(&format!(
        "client('s3').put_bucket_encryption(Bucket='{bucket}', ServerSideEncryptionConfiguration={{'Rules': [{{'ApplyServerSideEncryptionByDefault': {{'SSEAlgorithm': 'aws:kms'}}}}]}})"
    ))
    .await;
    let object = test.wait(KIND, "kms", "the drift", |object| drift(object, "encryption").is_some()).await;
    let row = drift(&object, "encryption").unwrap();
    assert_eq!(row["action"], "Blocked");
    let ways_out = row["message"].as_str().unwrap();
    assert!(ways_out.contains("delete-bucket-encryption") && ways_out.contains("keep the key"), "{ways_out}");
    assert_eq!((condition(&object, "Ready"), condition(&object, "Encrypted")), (Some("True"), Some("True")));
    assert_eq!(object["status"]["encryption"]["atRest"]["keyManagement"], "AWSManagedKey");
    three_looks(&test, "GetBucketTagging").await;
    // That change let SSE-C in too, which is refused again; the key stays.
    let code = format!(
        "r = client('s3').get_bucket_encryption(Bucket='{bucket}')['ServerSideEncryptionConfiguration']['Rules'][0]
print(r['ApplyServerSideEncryptionByDefault']['SSEAlgorithm'], r['BlockedEncryptionTypes']['EncryptionType'])"
    );
    assert_eq!(test.boto3(&code).await.trim(), "aws:kms ['SSE-C']");
    assert_eq!(calls(&test, "PutBucketEncryption"), 1);
}

#[tokio::test]
async fn cloudtrail_may_deliver_and_nobody_else() {
    let (test, bucket) = ready("trail", "purpose: CloudTrailLogs, cloudTrail: {prefix: audit}").await;
    let policy =
        test.aws(&["s3api", "get-bucket-policy", "--bucket", &bucket, "--query", "Policy", "--output", "json"]).await;
    let policy: serde_json::Value = serde_json::from_str(policy.as_str().unwrap()).unwrap();
    let statements = policy["Statement"].as_array().unwrap();
    let delivery: Vec<_> =
        statements.iter().filter(|s| s["Principal"]["Service"] == "cloudtrail.amazonaws.com").collect();
    assert_eq!((statements.len(), delivery.len()), (3, 2));
    let trails = format!("arn:aws:cloudtrail:*:{}:trail/*", test.account_id());
    assert!(delivery.iter().all(|s| s["Condition"].to_string().contains(&trails)), "{policy}");
    let write = delivery.iter().find(|s| s["Action"] == "s3:PutObject").unwrap();
    assert_eq!(write["Resource"], format!("arn:aws:s3:::{bucket}/audit/AWSLogs/{}/*", test.account_id()));
}

#[tokio::test]
async fn rule_03_a_bucket_that_is_not_ours_is_left_untouched() {
    let mut test = Test::start("foreign").await.unwrap();
    let bucket = format!("foreign-{}", test.account_id());
    test.aws(&[
        "s3api",
        "create-bucket",
        "--bucket",
        &bucket,
        "--create-bucket-configuration",
        "LocationConstraint=eu-central-1",
    ])
    .await;
    test.start_operator().await.unwrap();
    test.apply(&manifest("foreign", "purpose: Backups")).await;
    let object = test.wait(KIND, "foreign", "NotOurs", |object| reason(object, "Stalled") == Some("NotOurs")).await;
    assert_eq!(condition(&object, "Ready"), Some("False"));
    assert!(message(&object, "Ready").contains("aws s3api put-bucket-tagging"), "{}", message(&object, "Ready"));
    three_looks(&test, "GetBucketTagging").await;
    test.delete(KIND, "foreign").await;
    test.wait_gone(KIND, "foreign").await;
    assert_eq!(mutations(&test), Vec::<String>::new());
    test.aws(&["s3api", "head-bucket", "--bucket", &bucket]).await;
}

#[tokio::test]
async fn rule_03_of_two_objects_for_one_bucket_the_one_named_by_the_tag_keeps_it() {
    let (test, bucket) = ready("holder", "purpose: Backups").await;
    let second = manifest("second", "purpose: Backups").replace("second-{accountID}", "holder-{accountID}");
    test.apply(&second).await;
    let object = test.wait(KIND, "second", "Conflict", |object| reason(object, "Stalled") == Some("Conflict")).await;
    assert!(message(&object, "Ready").contains(&format!("{KIND}/{}/holder", test.namespace)));
    test.delete(KIND, "second").await;
    test.wait_gone(KIND, "second").await;
    test.aws(&["s3api", "head-bucket", "--bucket", &bucket]).await;
    assert!(settled(&test.get(KIND, "holder").await.unwrap()));
}

#[tokio::test]
async fn deleted_under_retain_the_bucket_stays_without_owner_tags() {
    let (test, bucket) = ready("retained", "purpose: Backups, tags: {team: core}").await;
    test.delete(KIND, "retained").await;
    test.wait_gone(KIND, "retained").await;
    let tags = test.aws(&["s3api", "get-bucket-tagging", "--bucket", &bucket]).await.to_string();
    assert!(tags.contains("team") && !tags.contains("showcore.io"), "{tags}");
}

#[tokio::test]
async fn deleted_under_delete_a_bucket_with_objects_waits_until_it_may_be_emptied() {
    let (test, bucket) = ready("emptied", "purpose: Backups, deletionPolicy: Delete").await;
    test.boto3(&format!(
        "s3 = client('s3'); [s3.put_object(Bucket='{bucket}', Key=k, Body=b'x') for k in ['a', 'a', 'b']]; s3.delete_object(Bucket='{bucket}', Key='b')"
    ))
    .await;
    test.delete(KIND, "emptied").await;
    let object = test
        .wait(KIND, "emptied", "BucketNotEmpty", |object| reason(object, "Stalled") == Some("BucketNotEmpty"))
        .await;
    assert!(message(&object, "Stalled").contains("emptyOnDelete"));
    assert_eq!(calls(&test, "DeleteBucket") + calls(&test, "DeleteObjects"), 0);
    test.apply(&manifest("emptied", "purpose: Backups, deletionPolicy: Delete, emptyOnDelete: true")).await;
    test.settle_gone(KIND, "emptied").await;
    look::assert_gone(&test, &["s3api", "head-bucket", "--bucket", &bucket], "404").await;
}

#[tokio::test]
async fn rule_02_a_bucket_that_vanished_is_missing_and_not_made_again() {
    let (test, bucket) = ready("vanished", "purpose: Backups").await;
    test.aws(&["s3api", "delete-bucket", "--bucket", &bucket]).await;
    let object = test.settle(KIND, "vanished", "Missing", |object| reason(object, "Stalled") == Some("Missing")).await;
    assert!(message(&object, "Stalled").contains("delete this object and apply it again"));
    assert_eq!(calls(&test, "CreateBucket"), 1);
}

#[tokio::test]
async fn a_paused_object_is_written_to_by_nobody_and_says_so() {
    let (test, bucket) = ready("paused", "purpose: Backups").await;
    test.kubectl.run(&["annotate", "scbucket", "paused", "showcore.io/paused=true"]).await.unwrap().ok().unwrap();
    test.wait(KIND, "paused", "the pause", |object| reason(object, "Pending") == Some("Paused")).await;
    test.account.clear_requests();
    test.boto3(&format!(
        "client('s3').put_bucket_versioning(Bucket='{bucket}', VersioningConfiguration={{'Status': 'Suspended'}})"
    ))
    .await;
    let object = test.wait(KIND, "paused", "the drift", |object| drift(object, "versioning").is_some()).await;
    assert_eq!(drift(&object, "versioning").unwrap()["action"], "ReportOnly");
    assert!(message(&object, "Pending").contains("1 step waits"), "{}", message(&object, "Pending"));
    assert_eq!(object["status"]["plan"]["steps"][0]["call"], "s3:PutBucketVersioning");
    three_looks(&test, "GetBucketTagging").await;
    assert_eq!(mutations(&test), Vec::<String>::new());
    test.kubectl.run(&["annotate", "scbucket", "paused", "showcore.io/paused-"]).await.unwrap().ok().unwrap();
    test.wait(KIND, "paused", "corrected", settled).await;
}
