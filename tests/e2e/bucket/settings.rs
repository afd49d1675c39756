//! The settings that a spec may add: lifecycle, Object Lock, cross-origin rules, logging, statements of the policy.

use serde_json::{Value, json};

use super::{KIND, manifest, ready};
use crate::look::{assert_gone, calls, condition, message, reason, settled, three_looks, told};

/// What boto3 prints, as JSON.
async fn asked(test: &harness::Test, code: &str) -> Value {
    serde_json::from_str(&test.boto3(code).await).unwrap()
}

async fn rules(test: &harness::Test, bucket: &str) -> Vec<Value> {
    let code = format!(
        "print(json.dumps(client('s3').get_bucket_lifecycle_configuration(Bucket='{bucket}')['Rules'], default=str))"
    );
    asked(test, &code).await.as_array().unwrap().clone()
}

fn ids(rules: &[Value]) -> Vec<&str> {
    let mut ids: Vec<_> = rules.iter().map(|rule| rule["ID"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids
}

async fn change(test: &harness::Test, name: &str, spec: &str) -> Value {
    let before = test.get(KIND, name).await.unwrap()["metadata"]["generation"].clone();
    test.apply(&manifest(name, spec)).await;
    test.wait(KIND, name, "the new spec in sync", |object| {
        object["metadata"]["generation"] != before && settled(object)
    })
    .await
}

#[tokio::test]
async fn lifecycle_rules_have_defaults_by_purpose_and_three_sides() {
    let (test, bucket) = ready("aged", "purpose: StaticAssets").await;
    let made = rules(&test, &bucket).await;
    assert_eq!(ids(&made), ["ShowCoreAbortIncompleteUploads", "ShowCoreExpireNoncurrentVersions"]);
    assert!(made.iter().all(|rule| rule["Status"] == "Enabled" && rule["Expiration"]["Days"].is_null()), "{made:?}");
    // Somebody adds a rule of their own, with what the spec cannot say, and how small objects are moved.
    test.boto3(&format!(
        "s3 = client('s3'); b = '{bucket}'
rules = s3.get_bucket_lifecycle_configuration(Bucket=b)['Rules']
theirs = {{'ID': 'theirs', 'Status': 'Enabled', 'Filter': {{'Tag': {{'Key': 'a', 'Value': 'b'}}}}, 'Expiration': {{'Date': '2030-01-01T00:00:00Z'}}}}
s3.put_bucket_lifecycle_configuration(Bucket=b, LifecycleConfiguration={{'Rules': rules + [theirs]}}, TransitionDefaultMinimumObjectSize='varies_by_storage_class')"
    ))
    .await;
    three_looks(&test, "GetBucketTagging").await;
    let theirs = rules(&test, &bucket).await.into_iter().find(|rule| rule["ID"] == "theirs").unwrap();
    let logs = "lifecycle: [{id: logs, prefix: logs/, expirationDays: 365, transitions: [{days: 30, storageClass: STANDARD_IA}, {days: 60, storageClass: GLACIER}], \
        noncurrentExpirationDays: 30, noncurrentVersionsToKeep: 2}]";
    let object = change(&test, "aged", &format!("purpose: StaticAssets, {logs}")).await;
    assert_eq!(object["status"]["lastDrift"], Value::Null, "a wanted change is no drift");
    let now = rules(&test, &bucket).await;
    assert_eq!(ids(&now), ["logs", "theirs"], "the defaults were ours and went, theirs stays");
    assert_eq!(now.iter().find(|rule| rule["ID"] == "theirs"), Some(&theirs), "and as it was");
    let ours = now.iter().find(|rule| rule["ID"] == "logs").unwrap();
    assert_eq!((&ours["Filter"], &ours["Expiration"]), (&json!({ "Prefix": "logs/" }), &json!({ "Days": 365 })));
    assert_eq!(ours["NoncurrentVersionExpiration"], json!({ "NoncurrentDays": 30, "NewerNoncurrentVersions": 2 }));
    assert_eq!(ours["Transitions"].as_array().unwrap().len(), 2);
    let minimum = format!(
        "print(json.dumps(client('s3').get_bucket_lifecycle_configuration(Bucket='{bucket}')['TransitionDefaultMinimumObjectSize']))"
    );
    assert_eq!(asked(&test, &minimum).await, "varies_by_storage_class", "and how small objects are moved");
    change(&test, "aged", "purpose: StaticAssets, lifecycle: []").await;
    assert_eq!(ids(&rules(&test, &bucket).await), ["theirs"]);
    let writes = calls(&test, "PutBucketLifecycleConfiguration");
    three_looks(&test, "GetBucketTagging").await;
    assert_eq!(calls(&test, "PutBucketLifecycleConfiguration"), writes);
}

#[tokio::test]
async fn the_last_lifecycle_rule_takes_the_configuration_with_it() {
    let (test, bucket) = ready("unruled", "purpose: Backups").await;
    change(&test, "unruled", "purpose: Backups, lifecycle: []").await;
    assert_eq!(calls(&test, "DeleteBucketLifecycle"), 1);
    let question = ["s3api", "get-bucket-lifecycle-configuration", "--bucket", &bucket];
    assert_gone(&test, &question, "NoSuchLifecycleConfiguration").await;
}

#[tokio::test]
async fn one_bucket_logs_into_another_whose_policy_names_the_logging_service() {
    let takes = "policy: {statements: [{sid: Logs, effect: Allow, principal: {service: [logging.s3.amazonaws.com]}, actions: ['s3:PutObject'], \
        resources: ['{bucketARN}/web/*'], condition: {StringEquals: {'aws:SourceAccount': ['ACCOUNT']}}}]}";
    let (test, target) = ready("logs", "purpose: Backups").await;
    let logged = "purpose: StaticAssets, logging: {targetBucket: 'logs-{accountID}', targetPrefix: web/}";
    test.apply(&manifest("web", logged)).await;
    // The log bucket does not let the service in yet: that is said, with what to do.
    let object =
        test.wait(KIND, "web", "the refusal", |object| reason(object, "Stalled") == Some("LoggingTargetRefused")).await;
    assert!(message(&object, "Stalled").contains("policy.statements of that bucket"), "{object:#}");
    change(&test, "logs", &format!("purpose: Backups, {}", takes.replace("ACCOUNT", test.account_id()))).await;
    test.wait(KIND, "web", "in sync", settled).await;
    let web = format!("web-{}", test.account_id());
    let logging = format!("print(json.dumps(client('s3').get_bucket_logging(Bucket='{web}').get('LoggingEnabled')))");
    assert_eq!(asked(&test, &logging).await, json!({ "TargetBucket": target, "TargetPrefix": "web/" }));
    // The service is an outsider that the spec names: no drift.
    three_looks(&test, "GetBucketTagging").await;
    assert_eq!(test.get(KIND, "logs").await.unwrap()["status"]["lastDrift"], Value::Null);
    change(&test, "web", "purpose: StaticAssets").await;
    assert_eq!(asked(&test, &logging).await, Value::Null, "what was ours goes");
}

#[tokio::test]
async fn statements_of_the_spec_are_merged_with_the_enforced_ones() {
    let partner = |action: &str| {
        format!(
            "purpose: Backups, policy: {{statements: [{{sid: Partner, effect: Allow, principal: {{aws: ['444455556666']}}, actions: ['s3:{action}']}}]}}"
        )
    };
    let (test, bucket) = ready("shared", &partner("GetObject")).await;
    let read = format!("print(client('s3').get_bucket_policy(Bucket='{bucket}')['Policy'])");
    let statements = async || asked(&test, &read).await["Statement"].as_array().unwrap().clone();
    let sids = |statements: &[Value]| {
        statements.iter().map(|statement| statement["Sid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(sids(&statements().await), ["ShowCoreTLSOnly", "Partner"]);
    // S3 stores an account as the ARN of its root: that is the same.
    assert_eq!(statements().await[1]["Principal"]["AWS"], "arn:aws:iam::444455556666:root");
    let writes = calls(&test, "PutBucketPolicy");
    three_looks(&test, "GetBucketTagging").await;
    assert_eq!(calls(&test, "PutBucketPolicy"), writes);
    let object = change(&test, "shared", &partner("ListBucket")).await;
    assert_eq!(object["status"]["lastDrift"], Value::Null, "its old self is no foreigner");
    assert_eq!(statements().await[1]["Action"], "s3:ListBucket");
    let object = change(&test, "shared", "purpose: Backups").await;
    assert_eq!(sids(&statements().await), ["ShowCoreTLSOnly"], "what was ours and left the spec goes");
    assert_eq!(object["status"]["lastDrift"], Value::Null);
}

#[tokio::test]
async fn a_foreign_allow_goes_and_a_foreign_deny_put_in_with_it_stays() {
    let (test, bucket) = ready("visited", "purpose: Backups, driftPolicy: Report").await;
    test.boto3(&format!(
        "s3 = client('s3'); b = '{bucket}'; arn = f'arn:aws:s3:::{{b}}'
policy = json.loads(s3.get_bucket_policy(Bucket=b)['Policy'])
policy['Statement'] += [{{'Sid': 'in', 'Effect': 'Allow', 'Principal': {{'AWS': '999999999999'}}, 'Action': 's3:GetObject', 'Resource': arn + '/*'}},
  {{'Sid': 'out', 'Effect': 'Deny', 'Principal': {{'AWS': '999999999999'}}, 'Action': 's3:DeleteObject', 'Resource': arn + '/*'}}]
s3.put_bucket_policy(Bucket=b, Policy=json.dumps(policy))"
    ))
    .await;
    let gone = |object: &Value| settled(object) && object["status"]["lastDrift"][0]["field"] == "policy.foreignAllow";
    let object = test.wait(KIND, "visited", "the foreigner out", gone).await;
    let row = &object["status"]["lastDrift"][0];
    assert_eq!(row["observed"], "Allow s3:GetObject to arn:aws:iam::999999999999:root");
    let policy = test.aws(&["s3api", "get-bucket-policy", "--bucket", &bucket]).await.to_string();
    assert!(policy.contains("s3:DeleteObject") && !policy.contains("s3:GetObject"), "{policy}");
}

#[tokio::test]
async fn object_lock_is_switched_on_later_and_what_it_keeps_is_not_deleted() {
    let (test, bucket) = ready("kept", "purpose: Backups, deletionPolicy: Delete, emptyOnDelete: true").await;
    let kept = "purpose: Backups, deletionPolicy: Delete, emptyOnDelete: true, objectLock: {mode: Compliance, days: 1}";
    let object = change(&test, "kept", kept).await;
    assert_eq!(object["status"]["lastDrift"], Value::Null);
    let lock = format!(
        "print(json.dumps(client('s3').get_object_lock_configuration(Bucket='{bucket}')['ObjectLockConfiguration']))"
    );
    let retention = json!({ "DefaultRetention": { "Mode": "COMPLIANCE", "Days": 1 } });
    assert_eq!(asked(&test, &lock).await, json!({ "ObjectLockEnabled": "Enabled", "Rule": retention }));
    let refused =
        test.try_apply(&manifest("kept", "purpose: Backups, deletionPolicy: Delete, emptyOnDelete: true")).await;
    assert!(refused.stderr.contains("objectLock cannot be switched off again"), "{refused}");
    test.boto3(&format!("client('s3').put_object(Bucket='{bucket}', Key='k', Body=b'x')")).await;
    test.delete(KIND, "kept").await;
    let object =
        test.wait(KIND, "kept", "ObjectsKept", |object| reason(object, "Stalled") == Some("ObjectsKept")).await;
    assert!(message(&object, "Stalled").contains("Object Lock keeps them until"), "{object:#}");
    told(&test, "ObjectsKept", &["deletionPolicy: Retain"]).await;
    test.advance(std::time::Duration::from_hours(25));
    test.kubectl.run(&["annotate", "scbucket", "kept", "showcore.io/reconcile-at=now"]).await.unwrap().ok().unwrap();
    test.settle_gone(KIND, "kept").await;
    assert_gone(&test, &["s3api", "head-bucket", "--bucket", &bucket], "404").await;
}

#[tokio::test]
async fn a_default_retention_that_left_the_spec_goes_and_the_lock_stays() {
    let (test, bucket) = ready("loosened", "purpose: Backups, objectLock: {mode: Governance, years: 1}").await;
    change(&test, "loosened", "purpose: Backups, objectLock: {}").await;
    let lock = test.aws(&["s3api", "get-object-lock-configuration", "--bucket", &bucket]).await;
    assert_eq!(lock, json!({ "ObjectLockConfiguration": { "ObjectLockEnabled": "Enabled" } }));
}

#[tokio::test]
async fn what_s3_refuses_of_the_spec_does_not_hold_up_what_closes_a_door() {
    let mut test = harness::Test::start("stubborn").await.unwrap();
    test.start_operator().await.unwrap();
    // Listing is done on the bucket, not on its objects: S3 takes no such statement.
    let wrong = "purpose: Backups, policy: {statements: [{sid: Partner, effect: Allow, principal: {aws: ['444455556666']}, \
        actions: ['s3:ListBucket'], resources: ['{bucketARN}/*']}]}";
    test.apply(&manifest("stubborn", wrong)).await;
    let refused = |object: &Value| {
        condition(object, "Ready") == Some("True") && reason(object, "Pending") == Some("PolicyRefused")
    };
    let object = test.wait(KIND, "stubborn", "Ready, with the refusal told", refused).await;
    assert!(message(&object, "Pending").contains("principals of policy.statements"), "{object:#}");
    assert_eq!(object["status"]["encryption"]["inTransit"]["enforced"], true);
    let bucket = format!("stubborn-{}", test.account_id());
    assert_eq!(ids(&rules(&test, &bucket).await), ["ShowCoreAbortIncompleteUploads"]);
    // The same on a bucket whose door somebody opens.
    test.boto3(&format!("client('s3').delete_bucket_policy(Bucket='{bucket}')")).await;
    let closed = |object: &Value| refused(object) && object["status"]["lastDrift"][0]["field"] == "policy.tlsOnly";
    test.settle(KIND, "stubborn", "the door closed again", closed).await;
}
