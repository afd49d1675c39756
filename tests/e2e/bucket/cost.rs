//! What a bucket costs in AWS calls, and what is safe in between.

use aws_sim::{Fault, FaultKind};
use harness::Test;

use super::{KIND, manifest};
use crate::look::{self, by_operator, calls, condition, drift, message, mutations, reason, settled, three_looks};

/// Everything that the operator has asked of AWS, STS included.
fn all_calls(test: &Test) -> Vec<String> {
    let requests = test.account.requests();
    requests.iter().filter(|request| by_operator(request)).map(|request| request.operation.clone()).collect()
}

/// An operator that looks at a quiet bucket when it is told to, and not by itself.
async fn unhurried(name: &str) -> Test {
    let mut test = Test::start(name).await.unwrap();
    let mut options = test.operator_options().unwrap();
    options.arguments.extend(["--poll-interval".into(), "1h".into()]);
    test.start_operator_as(options).await.unwrap();
    test
}

async fn look_again(test: &Test, name: &str, nonce: &str) {
    let annotation = format!("showcore.io/reconcile-at={nonce}");
    test.kubectl.run(&["annotate", "--overwrite", "scbucket", name, &annotation]).await.unwrap().ok().unwrap();
}

#[tokio::test]
async fn a_bucket_costs_fourteen_calls_to_create_and_seven_to_look_again() {
    let test = unhurried("cost").await;
    let history = test.history(KIND, "cost");
    test.apply(&manifest("cost", "purpose: StaticAssets, tags: {team: core}")).await;
    test.wait(KIND, "cost", "Ready and in sync", settled).await;
    let created = all_calls(&test);
    assert!(created.len() <= 14, "{} calls: {created:#?}", created.len());
    assert_eq!(mutations(&test).first().map(String::as_str), Some("CreateBucket"));
    // It was Ready only once the look after its creation had verified everything, and never counted as unencrypted.
    let unencrypted = |object: &serde_json::Value| condition(object, "Encrypted") == Some("False");
    assert!(history.find(unencrypted).is_none(), "it was said not to be encrypted while it was made");
    // Looks come one after the other, so once the second is whole the first has asked all that it asks: and nothing came
    // between creation and these two.
    for nonce in 1..=2 {
        look_again(&test, "cost", &nonce.to_string()).await;
        test.until("another look", |test| all_calls(test).len() >= created.len() + 7 * nonce).await;
    }
    let later = all_calls(&test);
    let mut quiet = later[created.len()..created.len() + 7].to_vec();
    quiet.sort();
    assert_eq!(
        quiet,
        [
            "GetBucketEncryption",
            "GetBucketLifecycleConfiguration",
            "GetBucketOwnershipControls",
            "GetBucketPolicy",
            "GetBucketTagging",
            "GetBucketVersioning",
            "GetPublicAccessBlock"
        ]
    );
    assert_eq!(later.len(), created.len() + 14, "{later:#?}");
}

#[tokio::test]
async fn what_counts_only_if_it_is_in_the_spec_is_read_only_then() {
    let test = unhurried("readings").await;
    let cors = "cors: [{allowedOrigins: ['https://app.example.com'], allowedMethods: [GET]}]";
    test.apply(&manifest("readings", &format!("purpose: Backups, {cors}"))).await;
    test.wait(KIND, "readings", "Ready and in sync", settled).await;
    assert!(calls(&test, "GetBucketCors") > 0);
    assert_eq!(calls(&test, "GetBucketLogging"), 0);
    let locks = |test: &Test| all_calls(test).iter().filter(|call| *call == "GetObjectLockConfiguration").count();
    assert_eq!(locks(&test), 0);
    // It is read until it is gone, and not any more then.
    test.apply(&manifest("readings", "purpose: Backups")).await;
    test.wait(KIND, "readings", "in sync", |object| object["metadata"]["generation"] == 2 && settled(object)).await;
    assert_eq!(calls(&test, "DeleteBucketCors"), 1);
    test.account.clear_requests();
    look_again(&test, "readings", "1").await;
    test.until("another look", |test| all_calls(test).len() >= 7).await;
    assert!(!all_calls(&test).contains(&"GetBucketCors".to_owned()), "{:?}", all_calls(&test));
}

/// Makes the operator's first look find no bucket although there is one.
fn overlook_once(test: &Test) {
    let kind = FaultKind::Error { code: "NoSuchBucket".into(), status: 404, message: String::new() };
    test.account.inject(Fault { service: "s3".into(), operation: "GetBucketTagging".into(), times: 1, kind });
}

#[tokio::test]
async fn rule_03_in_us_east_1_a_bucket_that_somebody_made_just_before_is_not_taken_for_ours() {
    let mut test = Test::start("raced").await.unwrap();
    let bucket = format!("raced-{}", test.account_id());
    test.boto3(&format!("client('s3', region_name='us-east-1').create_bucket(Bucket='{bucket}')")).await;
    overlook_once(&test);
    test.start_operator().await.unwrap();
    test.apply(&manifest("raced", "purpose: Backups, region: us-east-1")).await;
    let object = test.wait(KIND, "raced", "NotOurs", |object| reason(object, "Stalled") == Some("NotOurs")).await;
    assert!(message(&object, "Ready").contains("carries no owner tag"), "{object:#}");
    assert_eq!(mutations(&test), ["CreateBucket"], "S3 answered 200, and nothing else was written");
    assert_eq!(calls(&test, "CreateBucket"), 1);
}

#[tokio::test]
async fn rule_03_elsewhere_s3_itself_says_that_the_bucket_was_there() {
    let mut test = Test::start("raced").await.unwrap();
    let bucket = format!("raced-{}", test.account_id());
    test.boto3(&format!(
        "client('s3').create_bucket(Bucket='{bucket}', CreateBucketConfiguration={{'LocationConstraint': 'eu-central-1'}})"
    ))
    .await;
    overlook_once(&test);
    test.start_operator().await.unwrap();
    test.apply(&manifest("raced", "purpose: Backups")).await;
    test.wait(KIND, "raced", "NotOurs", |object| reason(object, "Stalled") == Some("NotOurs")).await;
    assert_eq!(mutations(&test), ["CreateBucket"], "BucketAlreadyOwnedByYou, and nothing else was written");
}

#[tokio::test]
async fn in_us_east_1_a_bucket_is_made_and_set_up_like_everywhere() {
    let test =
        look::ready(KIND, "virginia", "bucketName: 'virginia-{accountID}', purpose: Backups, region: us-east-1").await;
    assert_eq!(calls(&test, "CreateBucket"), 1);
    let object = test.get(KIND, "virginia").await.unwrap();
    assert_eq!(object["status"]["resource"]["region"], "us-east-1");
}

#[tokio::test]
async fn a_bucket_made_with_other_defaults_than_awss_is_mended_by_the_look_that_follows() {
    // In Bahrain a new bucket does not refuse SSE-C.
    let test =
        look::ready(KIND, "bahrain", "bucketName: 'bahrain-{accountID}', purpose: Backups, region: me-south-1").await;
    assert_eq!(calls(&test, "PutBucketEncryption"), 1);
    let bucket = format!("bahrain-{}", test.account_id());
    let blocked = test
        .boto3(&format!(
            "r = client('s3', region_name='me-south-1').get_bucket_encryption(Bucket='{bucket}')['ServerSideEncryptionConfiguration']['Rules'][0]
print(r['BlockedEncryptionTypes']['EncryptionType'], r['ApplyServerSideEncryptionByDefault']['SSEAlgorithm'])"
        ))
        .await;
    assert_eq!(blocked.trim(), "['SSE-C'] AES256");
    let object = test.get(KIND, "bahrain").await.unwrap();
    assert!(drift(&object, "encryption.sseC").is_none(), "the setup of a new bucket is no drift");
    assert_eq!(object["status"]["lastDrift"], serde_json::Value::Null);
    three_looks(&test, "GetBucketTagging").await;
    assert_eq!(calls(&test, "PutBucketEncryption"), 1);
}
