//! What one look at a bucket gathers. S3 has a call for each setting: tags first, since they say whose it is, then
//! the rest at once. A quiet bucket costs seven calls; what counts only where the spec has it is read only there.

use std::collections::BTreeMap;

use aws_sdk_s3::types::{
    CorsRule, EncryptionType, LifecycleRule, LoggingEnabled, ObjectLockConfiguration, ServerSideEncryptionRule,
    TransitionDefaultMinimumObjectSize,
};
use serde_json::Value;

use super::{ShowCoreBucketSpec, decide::is_bucket_name};
use crate::{aws::found, error::Failure, field::ABSENT, kind::Look, ownership::owner_keys, spec::Adoption};

/// What one look gathers.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// S3 has no bucket of this name.
    Absent,
    /// S3 lets us not look: another account's, or a permission is missing.
    Forbidden,
    /// The bucket is in another region.
    Elsewhere,
    /// The bucket is ours to see.
    Present(Box<Bucket>),
}

/// A bucket as S3 answers it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bucket {
    /// All of its tags.
    pub tags: BTreeMap<String, String>,
    /// Default encryption.
    pub encryption: Option<Sse>,
    /// Whether objects encrypted with a key of the client's own are refused.
    pub refuses_sse_c: bool,
    /// Public access block.
    pub public_access_block: Option<PublicAccessBlock>,
    /// Object ownership: `BucketOwnerEnforced` and the like.
    pub ownership: Option<String>,
    /// `Enabled`, `Suspended`, or none.
    pub versioning: Option<String>,
    /// The bucket policy.
    pub policy: Option<Value>,
    /// The lifecycle rules.
    pub lifecycle: Lifecycle,
    /// Object Lock; `None` if it is off, or was not asked for.
    pub object_lock: Option<ObjectLockConfiguration>,
    /// The cross-origin rules; `None` if there are none, or they were not asked for.
    pub cors: Option<Vec<CorsRule>>,
    /// Where its access is logged; `None` if nowhere, or it was not asked for.
    pub logging: Option<LoggingEnabled>,
    /// Whether it holds objects, versions or delete markers; asked only when it is to be deleted.
    pub has_objects: Option<bool>,
}

/// Default encryption of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sse {
    /// `AES256`, `aws:kms`, `aws:kms:dsse`.
    pub algorithm: String,
    /// The KMS key, if one is named.
    pub key: Option<String>,
}

/// The lifecycle configuration, which S3 replaces as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lifecycle {
    /// All rules, others' too.
    pub rules: Vec<LifecycleRule>,
    /// Which objects are too small to be moved.
    pub minimum_object_size: Option<TransitionDefaultMinimumObjectSize>,
}

/// The four switches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four switches, as S3 has them")]
pub struct PublicAccessBlock {
    /// Refuses public ACLs.
    pub block_public_acls: bool,
    /// Ignores public ACLs.
    pub ignore_public_acls: bool,
    /// Refuses public policies.
    pub block_public_policy: bool,
    /// Lets only the account and AWS services in under a public policy.
    pub restrict_public_buckets: bool,
}

/// Codes with which S3 answers a request for a bucket of another region.
const ELSEWHERE: &[&str] =
    &["PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"];

/// Looks at the bucket of this spec; `applied` is the record of what was applied before.
pub(super) async fn observe(
    look: &Look<'_>,
    spec: &ShowCoreBucketSpec,
    applied: Option<&BTreeMap<String, String>>,
) -> Result<Seen, Failure> {
    if !is_bucket_name(&look.identifier) {
        // S3 has none of a name that it does not accept; `decide` says so.
        return Ok(Seen::Absent);
    }
    let tags = match tags(look).await {
        Ok(Some(tags)) => tags,
        Ok(None) => return Ok(Seen::Absent),
        Err(failure) if failure.is(&["AccessDenied"]) => return Ok(Seen::Forbidden),
        Err(failure) if failure.is(ELSEWHERE) => return Ok(Seen::Elsewhere),
        Err(failure) => return Err(failure),
    };
    if look.deleting {
        // Settings no longer matter: whose it is and whether it is empty do.
        let has_objects = Some(has_objects(look).await?);
        return Ok(Seen::Present(Box::new(Bucket { tags, has_objects, ..Bucket::default() })));
    }
    let recorded =
        |field: &str| applied.and_then(|applied| applied.get(field)).is_some_and(|applied| applied != ABSENT);
    // Under Object Lock versioning cannot be suspended: before a bucket is taken over that must be known.
    let adopting = spec.adoption == Adoption::Unowned && owner_keys(&tags).is_empty();
    let (
        (encryption, refuses_sse_c),
        public_access_block,
        ownership,
        versioning,
        policy,
        lifecycle,
        object_lock,
        cors,
        logging,
    ) = futures::try_join!(
        encryption(look),
        public_access_block(look),
        ownership(look),
        versioning(look),
        policy(look),
        lifecycle(look),
        object_lock(look, spec.object_lock.is_some() || recorded("objectLock") || adopting),
        cors(look, spec.cors.is_some() || recorded("cors")),
        logging(look, spec.logging.is_some() || recorded("logging.targetBucket")),
    )?;
    Ok(Seen::Present(Box::new(Bucket {
        tags,
        encryption,
        refuses_sse_c,
        public_access_block,
        ownership,
        versioning,
        policy,
        lifecycle,
        object_lock,
        cors,
        logging,
        has_objects: None,
    })))
}

/// The bucket's tags; `None` if there is no such bucket.
async fn tags(look: &Look<'_>) -> Result<Option<BTreeMap<String, String>>, Failure> {
    let request =
        look.aws.s3.get_bucket_tagging().bucket(&look.identifier).expected_bucket_owner(&look.place.account_id);
    match look.send("s3:GetBucketTagging", request.send()).await {
        Ok(answer) => Ok(Some(answer.tag_set.into_iter().map(|tag| (tag.key, tag.value)).collect())),
        Err(failure) if failure.is(&["NoSuchTagSet"]) => Ok(Some(BTreeMap::new())),
        Err(failure) if failure.is(&["NoSuchBucket"]) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// The default encryption, and whether SSE-C is refused.
async fn encryption(look: &Look<'_>) -> Result<(Option<Sse>, bool), Failure> {
    let rule = encryption_rule(look).await?;
    let refuses_sse_c = rule.as_ref().is_some_and(refuses_sse_c);
    let default = rule.and_then(|rule| rule.apply_server_side_encryption_by_default);
    let sse = default
        .map(|default| Sse { algorithm: default.sse_algorithm.as_str().to_owned(), key: default.kms_master_key_id });
    Ok((sse, refuses_sse_c))
}

/// The rule of the default encryption, whole: S3 has one at most.
pub(super) async fn encryption_rule(look: &Look<'_>) -> Result<Option<ServerSideEncryptionRule>, Failure> {
    let request =
        look.aws.s3.get_bucket_encryption().bucket(&look.identifier).expected_bucket_owner(&look.place.account_id);
    let answer = look.send("s3:GetBucketEncryption", request.send()).await;
    let answer = found(answer, &["ServerSideEncryptionConfigurationNotFoundError"])?;
    let configuration = answer.and_then(|answer| answer.server_side_encryption_configuration);
    Ok(configuration.and_then(|configuration| configuration.rules.into_iter().next()))
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/blocking-unblocking-s3-c-encryption-gpb.html>
fn refuses_sse_c(rule: &ServerSideEncryptionRule) -> bool {
    let blocked = rule.blocked_encryption_types.as_ref();
    blocked.is_some_and(|blocked| blocked.encryption_type().contains(&EncryptionType::SseC))
}

async fn public_access_block(look: &Look<'_>) -> Result<Option<PublicAccessBlock>, Failure> {
    let request =
        look.aws.s3.get_public_access_block().bucket(&look.identifier).expected_bucket_owner(&look.place.account_id);
    let answer = look.send("s3:GetPublicAccessBlock", request.send()).await;
    let answer = found(answer, &["NoSuchPublicAccessBlockConfiguration"])?;
    Ok(answer.and_then(|answer| answer.public_access_block_configuration).map(|block| PublicAccessBlock {
        block_public_acls: block.block_public_acls.unwrap_or_default(),
        ignore_public_acls: block.ignore_public_acls.unwrap_or_default(),
        block_public_policy: block.block_public_policy.unwrap_or_default(),
        restrict_public_buckets: block.restrict_public_buckets.unwrap_or_default(),
    }))
}

async fn ownership(look: &Look<'_>) -> Result<Option<String>, Failure> {
    let request = look
        .aws
        .s3
        .get_bucket_ownership_controls()
        .bucket(&look.identifier)
        .expected_bucket_owner(&look.place.account_id);
    let answer = look.send("s3:GetBucketOwnershipControls", request.send()).await;
    let answer = found(answer, &["OwnershipControlsNotFoundError"])?;
    let rules = answer.and_then(|answer| answer.ownership_controls).map(|controls| controls.rules).unwrap_or_default();
    Ok(rules.into_iter().next().map(|rule| rule.object_ownership.as_str().to_owned()))
}

async fn versioning(look: &Look<'_>) -> Result<Option<String>, Failure> {
    let request =
        look.aws.s3.get_bucket_versioning().bucket(&look.identifier).expected_bucket_owner(&look.place.account_id);
    let answer = look.send("s3:GetBucketVersioning", request.send()).await?;
    Ok(answer.status.map(|status| status.as_str().to_owned()))
}

async fn policy(look: &Look<'_>) -> Result<Option<Value>, Failure> {
    let request =
        look.aws.s3.get_bucket_policy().bucket(&look.identifier).expected_bucket_owner(&look.place.account_id);
    let answer = found(look.send("s3:GetBucketPolicy", request.send()).await, &["NoSuchBucketPolicy"])?;
    // A policy that is no JSON is rewritten: S3 itself refuses to store one.
    Ok(answer.and_then(|answer| answer.policy).map(|text| serde_json::from_str(&text).unwrap_or(Value::Null)))
}

async fn lifecycle(look: &Look<'_>) -> Result<Lifecycle, Failure> {
    let request = look
        .aws
        .s3
        .get_bucket_lifecycle_configuration()
        .bucket(&look.identifier)
        .expected_bucket_owner(&look.place.account_id);
    let answer = look.send("s3:GetBucketLifecycleConfiguration", request.send()).await;
    let answer = found(answer, &["NoSuchLifecycleConfiguration"])?;
    Ok(answer.map_or_else(Lifecycle::default, |answer| Lifecycle {
        rules: answer.rules.unwrap_or_default(),
        minimum_object_size: answer.transition_default_minimum_object_size,
    }))
}

async fn object_lock(look: &Look<'_>, asked: bool) -> Result<Option<ObjectLockConfiguration>, Failure> {
    if !asked {
        return Ok(None);
    }
    let request = look
        .aws
        .s3
        .get_object_lock_configuration()
        .bucket(&look.identifier)
        .expected_bucket_owner(&look.place.account_id);
    let answer = look.send("s3:GetObjectLockConfiguration", request.send()).await;
    let answer = found(answer, &["ObjectLockConfigurationNotFoundError"])?;
    Ok(answer.and_then(|answer| answer.object_lock_configuration))
}

async fn cors(look: &Look<'_>, asked: bool) -> Result<Option<Vec<CorsRule>>, Failure> {
    if !asked {
        return Ok(None);
    }
    let request = look.aws.s3.get_bucket_cors().bucket(&look.identifier).expected_bucket_owner(&look.place.account_id);
    let answer = found(look.send("s3:GetBucketCors", request.send()).await, &["NoSuchCORSConfiguration"])?;
    Ok(answer.and_then(|answer| answer.cors_rules))
}

async fn logging(look: &Look<'_>, asked: bool) -> Result<Option<LoggingEnabled>, Failure> {
    if !asked {
        return Ok(None);
    }
    let request =
        look.aws.s3.get_bucket_logging().bucket(&look.identifier).expected_bucket_owner(&look.place.account_id);
    Ok(look.send("s3:GetBucketLogging", request.send()).await?.logging_enabled)
}

async fn has_objects(look: &Look<'_>) -> Result<bool, Failure> {
    let request = look
        .aws
        .s3
        .list_object_versions()
        .bucket(&look.identifier)
        .expected_bucket_owner(&look.place.account_id)
        .max_keys(1);
    let answer = look.send("s3:ListObjectVersions", request.send()).await?;
    Ok(!answer.versions().is_empty() || !answer.delete_markers().is_empty())
}
