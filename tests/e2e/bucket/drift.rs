//! Drift of a bucket that is more than one field changed once.

use serde_json::Value;

use super::{KIND, ready};
use crate::look::{
    assert_drift, condition, drift, last_drift, message, mutations, reason, settled, tamper, three_looks,
};

#[tokio::test]
async fn drift_in_two_fields_at_once_is_one_report_and_one_plan() {
    let (mut test, bucket) = ready("twice", "purpose: Backups").await;
    let code = format!(
        "s3 = client('s3'); b = '{bucket}'
s3.put_bucket_versioning(Bucket=b, VersioningConfiguration={{'Status': 'Suspended'}})
s3.delete_bucket_lifecycle(Bucket=b)"
    );
    tamper(&mut test, &code, &[("s3", "PutBucketVersioning")]).await;
    let both = |object: &Value| {
        drift(object, "versioning").is_some() && object["status"]["drift"].as_array().unwrap().len() == 2
    };
    let object = test.wait(KIND, "twice", "both reported", both).await;
    assert_drift(&object, "versioning", "on", "suspended");
    assert_drift(
        &object,
        "lifecycle.ShowCoreAbortIncompleteUploads",
        "give up incomplete uploads after 7 days",
        "absent",
    );
    let calls: Vec<_> = object["status"]["plan"]["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["call"].as_str().unwrap())
        .collect();
    assert_eq!(calls, ["s3:PutBucketVersioning", "s3:PutBucketLifecycleConfiguration"]);
    test.account.clear_faults();
    let object = test.wait(KIND, "twice", "both corrected", settled).await;
    assert!(last_drift(&object, "versioning").is_some());
    assert!(last_drift(&object, "lifecycle.ShowCoreAbortIncompleteUploads").is_some());
}

#[tokio::test]
async fn drift_that_its_author_undid_is_told_and_nothing_was_written() {
    let (test, bucket) = ready("undone", "purpose: Backups, driftPolicy: Report").await;
    test.account.clear_requests();
    let set = |status: &str| {
        format!(
            "client('s3').put_bucket_versioning(Bucket='{bucket}', VersioningConfiguration={{'Status': '{status}'}})"
        )
    };
    test.boto3(&set("Suspended")).await;
    let object = test.wait(KIND, "undone", "the report", |object| drift(object, "versioning").is_some()).await;
    assert_eq!(drift(&object, "versioning").unwrap()["action"], "ReportOnly");
    test.boto3(&set("Enabled")).await;
    let object = test.wait(KIND, "undone", "in sync again", settled).await;
    let past = last_drift(&object, "versioning").expect("it is in lastDrift");
    assert_eq!((&past["desired"], &past["observed"]), (&"on".into(), &"suspended".into()));
    assert_eq!(mutations(&test), Vec::<String>::new());
}

#[tokio::test]
async fn rule_03_a_bucket_whose_owner_tags_were_removed_is_left_alone_until_they_are_back() {
    let (test, bucket) = ready("untagged", "purpose: Backups, tags: {team: core}").await;
    test.account.clear_requests();
    test.boto3(&format!("client('s3').delete_bucket_tagging(Bucket='{bucket}')")).await;
    let object = test.wait(KIND, "untagged", "NotOurs", |object| reason(object, "Stalled") == Some("NotOurs")).await;
    assert_eq!(condition(&object, "Ready"), Some("False"));
    // Not even an open bucket is mended while nothing says whose it is.
    test.boto3(&open(&bucket)).await;
    three_looks(&test, "GetBucketTagging").await;
    assert_eq!(mutations(&test), Vec::<String>::new());
    // The command in the message is typed as it stands.
    let said = message(&object, "Ready");
    let command =
        said.split_once("tag it again: aws ").and_then(|(_, rest)| rest.split_once("'; otherwise")).expect(said).0;
    let (arguments, set) = command.split_once(" --tagging '").expect(command);
    let arguments: Vec<_> = arguments.split(' ').chain(["--tagging", set]).collect();
    test.aws(&arguments).await;
    let object = test.wait(KIND, "untagged", "ours again, and mended", settled).await;
    assert!(
        last_drift(&object, "publicAccessBlock").is_some() && last_drift(&object, "tags.team").is_some(),
        "{object:#}"
    );
}

#[tokio::test]
async fn rule_03_a_bucket_whose_owner_tag_was_forged_is_in_conflict_and_left_alone() {
    let (test, bucket) = ready("forged", "purpose: Backups").await;
    test.account.clear_requests();
    let retag = |owner: &str| {
        format!(
            "s3 = client('s3'); tags = s3.get_bucket_tagging(Bucket='{bucket}')['TagSet']
for tag in tags:
  if tag['Key'] == 'showcore.io/owner': tag['Value'] = '{owner}'
s3.put_bucket_tagging(Bucket='{bucket}', Tagging={{'TagSet': tags}})"
        )
    };
    let other = format!("{KIND}/{}/other", test.namespace);
    test.boto3(&retag(&other)).await;
    let object = test.wait(KIND, "forged", "Conflict", |object| reason(object, "Stalled") == Some("Conflict")).await;
    assert!(message(&object, "Ready").contains(&other), "{object:#}");
    test.boto3(&open(&bucket)).await;
    three_looks(&test, "GetBucketTagging").await;
    assert_eq!(mutations(&test), Vec::<String>::new());
    test.boto3(&retag(&format!("{KIND}/{}/forged", test.namespace))).await;
    let object = test.wait(KIND, "forged", "ours again, and mended", settled).await;
    assert!(last_drift(&object, "publicAccessBlock").is_some());
}

/// Somebody takes the public access block off.
fn open(bucket: &str) -> String {
    format!("client('s3').delete_public_access_block(Bucket='{bucket}')")
}
