use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::s3::objects::tests::object;

fn caller(account: &str, region: &str) -> Caller {
    Caller { account: account.to_owned(), region: region.to_owned(), now: Timestamp::UNIX_EPOCH }
}

fn new(name: &str, constraint: Option<&str>) -> NewBucket {
    NewBucket { name: name.to_owned(), location_constraint: constraint.map(str::to_owned), ..NewBucket::default() }
}

fn code<T>(result: S3Result<T>) -> Option<String> {
    result.err().map(|error| error.code().as_str().to_owned())
}

const OURS: &str = "111122223333";
const THEIRS: &str = "444455556666";

#[test]
fn where_a_bucket_may_be_made() {
    for (region, constraint, expected) in [
        ("us-east-1", None, Ok("us-east-1")),
        ("us-east-1", Some("us-east-1"), Err("InvalidLocationConstraint")),
        ("us-east-1", Some("eu-west-1"), Ok("eu-west-1")),
        ("us-east-1", Some("EU"), Ok("eu-west-1")),
        ("us-east-1", Some("mars"), Err("InvalidLocationConstraint")),
        ("eu-west-1", None, Err("IllegalLocationConstraintException")),
        ("eu-west-1", Some("eu-west-1"), Ok("eu-west-1")),
        ("eu-west-1", Some("eu-central-1"), Err("IllegalLocationConstraintException")),
        ("us-gov-east-1", Some("us-gov-east-1"), Ok("us-gov-east-1")),
    ] {
        let answer = location(region, constraint);
        let answer = answer.map_err(|error| error.code().as_str().to_owned());
        assert_eq!(answer, expected.map(str::to_owned).map_err(str::to_owned), "{region} {constraint:?}");
    }
}

#[test]
fn a_name_is_global() {
    let mut buckets = Buckets::default();
    let ours = caller(OURS, "eu-west-1");
    buckets.create(&ours, new("logs", Some("eu-west-1"))).expect("the name is free");
    let again = buckets.create(&ours, new("logs", Some("eu-west-1")));
    assert_eq!(code(again).as_deref(), Some("BucketAlreadyOwnedByYou"));
    let theirs = buckets.create(&caller(THEIRS, "us-east-1"), new("logs", None));
    assert_eq!(code(theirs).as_deref(), Some("BucketAlreadyExists"));
}

#[test]
fn us_east_1_says_yes_again_and_changes_nothing() {
    let mut buckets = Buckets::default();
    let ours = caller(OURS, "us-east-1");
    let tagged = |value: &str| NewBucket { tags: vec![("owner".to_owned(), value.to_owned())], ..new("logs", None) };
    buckets.create(&ours, tagged("first")).expect("the name is free");
    buckets.create(&ours, tagged("second")).expect("us-east-1 answers 200 again");
    let tags = &buckets.get("logs").expect("it was made").tags;
    assert_eq!(tags[0].1, "first");
}

#[test]
fn who_may_reach_a_bucket() {
    let mut buckets = Buckets::default();
    let ours = caller(OURS, "eu-west-1");
    buckets.create(&ours, new("logs", Some("eu-west-1"))).expect("the name is free");
    let mut find = |account: &str, region: &str, name: &str, expected: Option<&str>| {
        code(buckets.find(&caller(account, region), name, expected).map(|_| ()))
    };
    assert_eq!(find(OURS, "eu-west-1", "logs", None), None);
    assert_eq!(find(OURS, "eu-west-1", "logs", Some(OURS)), None);
    assert_eq!(find(OURS, "eu-west-1", "logs", Some(THEIRS)).as_deref(), Some("AccessDenied"));
    assert_eq!(find(OURS, "eu-west-1", "logs", Some("me")).as_deref(), Some("InvalidBucketOwnerAWSAccountID"));
    assert_eq!(find(OURS, "us-east-1", "logs", None).as_deref(), Some("PermanentRedirect"));
    assert_eq!(find(THEIRS, "eu-west-1", "logs", None).as_deref(), Some("AccessDenied"));
    assert_eq!(find(THEIRS, "eu-west-1", "logs", Some(OURS)).as_deref(), Some("AccessDenied"));
    assert_eq!(find(OURS, "eu-west-1", "other", None).as_deref(), Some("NoSuchBucket"));
}

#[test]
fn a_new_bucket_is_secure_without_being_asked() {
    let mut buckets = Buckets::default();
    buckets.create(&caller(OURS, "us-east-1"), new("logs", None)).expect("the name is free");
    let bucket = buckets.get("logs").expect("it was made");
    assert_eq!(bucket.encryption.algorithm, "AES256");
    assert_eq!(bucket.encryption.blocked, ["SSE-C"]);
    assert_eq!(bucket.object_ownership.as_deref(), Some("BucketOwnerEnforced"));
    assert_eq!(bucket.versioning, Versioning::Off);
    let block = bucket.public_access_block.as_ref().expect("blocked");
    for setting in
        [block.block_public_acls, block.block_public_policy, block.ignore_public_acls, block.restrict_public_buckets]
    {
        assert_eq!(setting, Some(true));
    }
}

#[test]
fn a_public_policy_needs_the_block_to_be_off() {
    let mut buckets = Buckets::default();
    buckets.create(&caller(OURS, "us-east-1"), new("logs", None)).expect("the name is free");
    let bucket = buckets.get_mut("logs").expect("it was made");
    let policy = json!({
        "Statement": {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::logs/*",
        },
    });
    let policy = Policy::parse(&policy.to_string(), "logs").expect("a policy that AWS takes");
    let later = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(1);
    assert_eq!(code(bucket.put_policy(policy.clone(), later)).as_deref(), Some("AccessDenied"));
    assert!(bucket.policy.is_none());
    bucket.public_access_block = None;
    bucket.put_policy(policy, later).expect("nothing blocks it");
    assert_eq!(bucket.creation_date, later);
}

#[test]
fn a_delete_marker_keeps_a_bucket() {
    let mut buckets = Buckets::default();
    let ours = caller(OURS, "us-east-1");
    buckets.create(&ours, new("logs", None)).expect("the name is free");
    let bucket = buckets.get_mut("logs").expect("it was made");
    bucket.versioning = Versioning::Enabled;
    let version = bucket.objects.put("k", object("x"), Versioning::Enabled, ours.now);
    let marker = bucket.objects.delete("k", None, Versioning::Enabled, ours.now).expect("nothing keeps it").version;
    assert_eq!(code(buckets.delete(&ours, "logs", None)).as_deref(), Some("BucketNotEmpty"));
    let objects = &mut buckets.get_mut("logs").expect("still there").objects;
    objects.delete("k", version.as_deref(), Versioning::Enabled, ours.now).expect("nothing keeps it");
    assert_eq!(code(buckets.delete(&ours, "logs", None)).as_deref(), Some("BucketNotEmpty"));
    let objects = &mut buckets.get_mut("logs").expect("still there").objects;
    objects.delete("k", marker.as_deref(), Versioning::Enabled, ours.now).expect("nothing keeps it");
    assert_eq!(code(buckets.delete(&ours, "logs", None)), None);
}
