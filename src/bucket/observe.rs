//! What one look at a bucket gathers. S3 has a call for each setting: tags first, since they say whose it is, then
//! the rest at once.

use std::collections::BTreeMap;

use serde_json::Value;

use super::decide::is_bucket_name;
use crate::{aws::found, error::Failure, kind::Look};

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
    /// Public access block.
    pub public_access_block: Option<PublicAccessBlock>,
    /// Object ownership: `BucketOwnerEnforced` and the like.
    pub ownership: Option<String>,
    /// `Enabled`, `Suspended`, or none.
    pub versioning: Option<String>,
    /// The bucket policy.
    pub policy: Option<Value>,
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

pub(super) async fn observe(look: &Look<'_>) -> Result<Seen, Failure> {
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
    let (encryption, public_access_block, ownership, versioning, policy, has_objects) = futures::try_join!(
        encryption(look),
        public_access_block(look),
        ownership(look),
        versioning(look),
        policy(look),
        has_objects(look),
    )?;
    Ok(Seen::Present(Box::new(Bucket {
        tags,
        encryption,
        public_access_block,
        ownership,
        versioning,
        policy,
        has_objects,
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

async fn encryption(look: &Look<'_>) -> Result<Option<Sse>, Failure> {
    let request =
        look.aws.s3.get_bucket_encryption().bucket(&look.identifier).expected_bucket_owner(&look.place.account_id);
    let answer = look.send("s3:GetBucketEncryption", request.send()).await;
    let answer = found(answer, &["ServerSideEncryptionConfigurationNotFoundError"])?;
    Ok(answer.and_then(|answer| answer.server_side_encryption_configuration).and_then(|configuration| {
        let default = configuration.rules.into_iter().find_map(|rule| rule.apply_server_side_encryption_by_default)?;
        Some(Sse { algorithm: default.sse_algorithm.as_str().to_owned(), key: default.kms_master_key_id })
    }))
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

async fn has_objects(look: &Look<'_>) -> Result<Option<bool>, Failure> {
    if !look.deleting {
        return Ok(None);
    }
    let request = look
        .aws
        .s3
        .list_object_versions()
        .bucket(&look.identifier)
        .expected_bucket_owner(&look.place.account_id)
        .max_keys(1);
    let answer = look.send("s3:ListObjectVersions", request.send()).await?;
    Ok(Some(!answer.versions().is_empty() || !answer.delete_markers().is_empty()))
}
