//! The field table of a bucket, and its fields as wanted and as S3 answers them.

use std::collections::BTreeMap;

use super::{
    Wanted,
    access::policy_fields,
    lifecycle::lifecycle_fields,
    settings::{cors_field, lock_fields, logging_fields, versioning},
};
use crate::{
    bucket::Bucket,
    field::{ABSENT, Change, Compared, Field, LeftOut, Row, rows},
};

const POLICY: &[&str] = &["s3:PutBucketPolicy"];
const LOCK: &[&str] = &["s3:PutObjectLockConfiguration"];
/// The way out where a bucket was set to SSE-KMS.
const SSE_KMS: &str = "the bucket was set to SSE-KMS and is not lowered by the operator: put SSE-S3 back yourself \
    (aws s3api delete-bucket-encryption), or keep the key and leave this object reporting it until \
    encryption.keyManagement knows customer managed keys";

rows! {
    /// The field table. Each setting has calls of its own:
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html>
    pub FIELDS:
    BUCKET_NAME = Row::own("bucketName", "it is the bucket's name").changes(Change::Never);
    REGION = Row::own("region", "it is where the bucket is looked for").changes(Change::Never);
    PURPOSE = Row::with("purpose", "policy.cloudTrail");
    VERSIONING = Row::of("versioning", Compared::Meaning).by(&["s3:PutBucketVersioning"]);
    ENCRYPTION = Row::exact("encryption").always("AES256").by(&["s3:PutBucketEncryption"]).security();
    KEY = Row::with("encryption.keyManagement", "encryption");
    SSE_C = Row::exact("encryption.sseC").always("refused").by(&["s3:PutBucketEncryption"]).security();
    PUBLIC_ACCESS = Row::exact("publicAccessBlock").always("all four on").by(&["s3:PutPublicAccessBlock"]).security();
    OWNERSHIP = Row::exact("objectOwnership").always("BucketOwnerEnforced").by(&["s3:PutBucketOwnershipControls"]).security();
    TLS_ONLY = Row::of("policy.tlsOnly", Compared::Meaning).always("Deny without TLS").by(POLICY).security();
    CLOUD_TRAIL = Row::of("policy.cloudTrail", Compared::Meaning).always("as purpose and cloudTrail say")
        .by(POLICY).left_out(LeftOut::Removed).security();
    FOREIGN_ALLOW = Row::of("policy.foreignAllow", Compared::Meaning).always("none").by(POLICY).security();
    STATEMENTS = Row::of("policy.statements", Compared::Entries).by(POLICY).left_out(LeftOut::Removed);
    TRAILS = Row::with("cloudTrail.trailARNs", "policy.cloudTrail");
    PREFIX = Row::with("cloudTrail.prefix", "policy.cloudTrail");
    ORGANIZATION = Row::with("cloudTrail.organizationID", "policy.cloudTrail");
    LIFECYCLE = Row::of("lifecycle", Compared::Entries).by(&["s3:PutBucketLifecycleConfiguration", "s3:DeleteBucketLifecycle"])
        .left_out(LeftOut::Described);
    OBJECT_LOCK = Row::exact("objectLock").always("on, once the spec has it").by(LOCK).changes(Change::OnOnly);
    LOCK_MODE = Row::exact("objectLock.mode").by(LOCK).left_out(LeftOut::Removed);
    LOCK_DAYS = Row::exact("objectLock.days").by(LOCK).left_out(LeftOut::Removed);
    LOCK_YEARS = Row::with("objectLock.years", "objectLock.days");
    CORS = Row::of("cors", Compared::Meaning).by(&["s3:PutBucketCors", "s3:DeleteBucketCors"]).left_out(LeftOut::Removed);
    LOGGING = Row::exact("logging.targetBucket").by(&["s3:PutBucketLogging"]).left_out(LeftOut::Removed);
    LOGGING_PREFIX = Row::exact("logging.targetPrefix").by(&["s3:PutBucketLogging"]).left_out(LeftOut::Removed);
    DRIFT_POLICY = Row::own("driftPolicy", "it says what is done about drift");
    ADOPTION = Row::own("adoption", "it says what is done about a bucket that is already there");
    DELETION_POLICY = Row::own("deletionPolicy", "it says what becomes of the bucket");
    EMPTY_ON_DELETE = Row::own("emptyOnDelete", "it says what becomes of the objects");
    TAGS = Row::of("tags", Compared::Entries).by(&["s3:PutBucketTagging"]).left_out(LeftOut::Removed);
}

/// The fields.
pub(super) fn fields(wanted: &Wanted<'_>, bucket: &Bucket) -> Vec<Field> {
    let spec = wanted.spec;
    let mut fields = vec![
        public_access(bucket),
        OWNERSHIP.field("BucketOwnerEnforced", bucket.ownership.as_deref().unwrap_or("none")),
        sse(bucket),
        SSE_C.field("refused", if bucket.refuses_sse_c { "refused" } else { "allowed" }),
        versioning(wanted, bucket),
    ];
    fields.extend(lock_fields(wanted, bucket));
    fields.extend(policy_fields(wanted, bucket));
    fields.extend(lifecycle_fields(wanted, bucket));
    fields.extend(cors_field(wanted, bucket));
    fields.extend(logging_fields(wanted, bucket));
    fields.extend(TAGS.entries(&wanted.tags(&spec.tags), &bucket.tags, wanted.status.applied.as_ref()));
    fields
}

fn public_access(bucket: &Bucket) -> Field {
    let observed = match bucket.public_access_block {
        None => "not configured".to_owned(),
        Some(block) => {
            let off: Vec<_> = [
                ("blockPublicAcls", block.block_public_acls),
                ("ignorePublicAcls", block.ignore_public_acls),
                ("blockPublicPolicy", block.block_public_policy),
                ("restrictPublicBuckets", block.restrict_public_buckets),
            ]
            .into_iter()
            .filter_map(|(name, on)| (!on).then_some(name))
            .collect();
            if off.is_empty() { "all four on".to_owned() } else { format!("{} off", off.join(", ")) }
        }
    };
    PUBLIC_ACCESS.field("all four on", observed)
}

/// A bucket that someone set to SSE-KMS is not lowered: that could make objects unreadable to those who rely on the key.
fn sse(bucket: &Bucket) -> Field {
    match &bucket.encryption {
        None => ENCRYPTION.field("AES256", "none"),
        Some(sse) if sse.algorithm.starts_with("aws:kms") => {
            let key = sse.key.as_deref().unwrap_or("alias/aws/s3");
            ENCRYPTION.field("AES256", format!("{} with {key}", sse.algorithm)).blocked(SSE_KMS)
        }
        Some(sse) => ENCRYPTION.field("AES256", &sse.algorithm),
    }
}

/// Entries that are told in words: those wanted, and those that were ours, left the spec and are still there.
pub(super) fn described(
    row: &Row,
    wanted: &BTreeMap<String, String>,
    seen: &BTreeMap<String, String>,
    same: impl Fn(&str) -> bool,
    applied: Option<&BTreeMap<String, String>>,
) -> Vec<Field> {
    let entry = |(key, words): (&String, &String)| {
        row.entry(key, words, seen.get(key).map_or(ABSENT, String::as_str), same(key))
    };
    let mut fields: Vec<_> = wanted.iter().map(entry).collect();
    let left = row.recorded(applied).filter(|key| !wanted.contains_key(*key));
    fields.extend(left.filter_map(|key| Some(row.entry(key, ABSENT, seen.get(key)?, false))));
    fields
}
