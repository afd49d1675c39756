//! One step against S3. Each says the whole setting it writes, so doing it twice is harmless.

use aws_sdk_s3::types::{
    BlockedEncryptionTypes, BucketLifecycleConfiguration, BucketLocationConstraint, BucketLoggingStatus,
    BucketVersioningStatus, CorsConfiguration, CreateBucketConfiguration, Delete, EncryptionType, LoggingEnabled,
    ObjectIdentifier, ObjectOwnership, OwnershipControls, OwnershipControlsRule, PublicAccessBlockConfiguration,
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
    Tag, Tagging, VersioningConfiguration,
};

use super::{CorsRule, LifecycleRule, LogTarget, Step, observe::encryption_rule};
use crate::{
    aws::found,
    error::{Class, Failure},
    kind::Look,
};

pub(super) async fn act(step: &Step, look: &Look<'_>) -> Result<(), Failure> {
    let s3 = &look.aws.s3;
    let (bucket, owner) = (&look.identifier, &look.place.account_id);
    let call = crate::decision::Step::call(step);
    match step {
        Step::Create { tags } => {
            let mut configuration = CreateBucketConfiguration::builder().set_tags(Some(tag_set(tags)?));
            // us-east-1 must not be named: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
            if look.place.region != "us-east-1" {
                configuration =
                    configuration.location_constraint(BucketLocationConstraint::from(look.place.region.as_str()));
            }
            let request = s3.create_bucket().bucket(bucket).create_bucket_configuration(configuration.build());
            look.send(call, request.send()).await?;
            if look.place.region == "us-east-1" { made_by_us(look).await } else { Ok(()) }
        }
        Step::PutPublicAccessBlock => {
            let configuration = PublicAccessBlockConfiguration::builder()
                .block_public_acls(true)
                .ignore_public_acls(true)
                .block_public_policy(true)
                .restrict_public_buckets(true)
                .build();
            let request = s3
                .put_public_access_block()
                .bucket(bucket)
                .expected_bucket_owner(owner)
                .public_access_block_configuration(configuration);
            look.send(call, request.send()).await.map(drop)
        }
        Step::PutOwnershipControls => {
            let rule = OwnershipControlsRule::builder().object_ownership(ObjectOwnership::BucketOwnerEnforced).build();
            let controls = OwnershipControls::builder().rules(rule.map_err(built)?).build().map_err(built)?;
            let request = s3
                .put_bucket_ownership_controls()
                .bucket(bucket)
                .expected_bucket_owner(owner)
                .ownership_controls(controls);
            look.send(call, request.send()).await.map(drop)
        }
        Step::PutEncryption { .. } => put_encryption(call, look).await,
        Step::PutVersioning { enabled } => {
            let status = if *enabled { BucketVersioningStatus::Enabled } else { BucketVersioningStatus::Suspended };
            let configuration = VersioningConfiguration::builder().status(status).build();
            let request = s3
                .put_bucket_versioning()
                .bucket(bucket)
                .expected_bucket_owner(owner)
                .versioning_configuration(configuration);
            look.send(call, request.send()).await.map(drop)
        }
        Step::PutPolicy { policy, .. } => {
            let request = s3.put_bucket_policy().bucket(bucket).expected_bucket_owner(owner).policy(policy.to_string());
            look.send(call, request.send()).await.map(drop)
        }
        Step::PutObjectLock { lock, .. } => {
            let request = s3
                .put_object_lock_configuration()
                .bucket(bucket)
                .expected_bucket_owner(owner)
                .object_lock_configuration(lock.as_ref().clone());
            look.send(call, request.send()).await.map(drop)
        }
        Step::PutLifecycle { keep, put, minimum_object_size, .. } => {
            if keep.is_empty() && put.is_empty() {
                let request = s3.delete_bucket_lifecycle().bucket(bucket).expected_bucket_owner(owner);
                return look.send(call, request.send()).await.map(drop);
            }
            let put = put.iter().map(LifecycleRule::to_s3).collect::<Result<Vec<_>, _>>().map_err(built)?;
            let rules = keep.iter().cloned().chain(put).collect();
            let configuration =
                BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build().map_err(built)?;
            let request = s3
                .put_bucket_lifecycle_configuration()
                .bucket(bucket)
                .expected_bucket_owner(owner)
                .set_transition_default_minimum_object_size(minimum_object_size.clone())
                .lifecycle_configuration(configuration);
            look.send(call, request.send()).await.map(drop)
        }
        Step::PutCors { rules, .. } => put_cors(call, rules, look).await,
        Step::PutLogging { to, .. } => put_logging(call, to.as_ref(), look).await,
        Step::PutTags { tags, .. } => {
            if tags.is_empty() {
                let request = s3.delete_bucket_tagging().bucket(bucket).expected_bucket_owner(owner);
                return look.send("s3:DeleteBucketTagging", request.send()).await.map(drop);
            }
            let tagging = Tagging::builder().set_tag_set(Some(tag_set(tags)?)).build().map_err(built)?;
            let request = s3.put_bucket_tagging().bucket(bucket).expected_bucket_owner(owner).tagging(tagging);
            look.send(call, request.send()).await.map(drop)
        }
        Step::Empty => empty(look).await,
        Step::Delete => {
            let request = s3.delete_bucket().bucket(bucket).expected_bucket_owner(owner);
            look.send(call, request.send()).await.map(drop)
        }
    }
}

/// In us-east-1 S3 answers 200 also to an owner who has the bucket already, so the answer does not say that we made it:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html>. Its tags do.
async fn made_by_us(look: &Look<'_>) -> Result<(), Failure> {
    let request =
        look.aws.s3.get_bucket_tagging().bucket(&look.identifier).expected_bucket_owner(&look.place.account_id);
    let answer = found(look.send("s3:GetBucketTagging", request.send()).await, &["NoSuchTagSet"])?;
    let tags = answer.map(|answer| answer.tag_set).unwrap_or_default();
    if look.owner.tags().iter().all(|(key, value)| tags.iter().any(|tag| tag.key == *key && tag.value == *value)) {
        return Ok(());
    }
    let message =
        "a bucket of this name was there already and does not carry our tags; looking whose it is before anything else";
    Err(Failure::own("s3:CreateBucket", Class::Wait, "AlreadyExists", message))
}

/// Writes SSE-S3, has SSE-C refused, and keeps what else is in the configuration. A default of SSE-KMS stays (rule 1).
async fn put_encryption(call: &str, look: &Look<'_>) -> Result<(), Failure> {
    let (bucket, owner) = (&look.identifier, &look.place.account_id);
    let before = encryption_rule(look).await?;
    let mut rule = before.unwrap_or_else(|| ServerSideEncryptionRule::builder().build());
    let kms = |default: &ServerSideEncryptionByDefault| default.sse_algorithm.as_str().starts_with("aws:kms");
    if !rule.apply_server_side_encryption_by_default.as_ref().is_some_and(kms) {
        let default = ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::Aes256);
        rule.apply_server_side_encryption_by_default = Some(default.build().map_err(built)?);
    }
    let blocked = rule.blocked_encryption_types.take().and_then(|blocked| blocked.encryption_type).unwrap_or_default();
    let others = blocked.into_iter().filter(|one| ![EncryptionType::None, EncryptionType::SseC].contains(one));
    let types = others.chain([EncryptionType::SseC]).collect();
    rule.blocked_encryption_types = Some(BlockedEncryptionTypes::builder().set_encryption_type(Some(types)).build());
    let configuration = ServerSideEncryptionConfiguration::builder().rules(rule).build().map_err(built)?;
    let request = look
        .aws
        .s3
        .put_bucket_encryption()
        .bucket(bucket)
        .expected_bucket_owner(owner)
        .server_side_encryption_configuration(configuration);
    look.send(call, request.send()).await.map(drop)
}

async fn put_cors(call: &str, rules: &[CorsRule], look: &Look<'_>) -> Result<(), Failure> {
    let (bucket, owner) = (&look.identifier, &look.place.account_id);
    if rules.is_empty() {
        let request = look.aws.s3.delete_bucket_cors().bucket(bucket).expected_bucket_owner(owner);
        return look.send(call, request.send()).await.map(drop);
    }
    let some = |texts: &[String]| (!texts.is_empty()).then(|| texts.to_vec());
    let rule = |rule: &CorsRule| {
        aws_sdk_s3::types::CorsRule::builder()
            .set_allowed_origins(Some(rule.allowed_origins.clone()))
            .set_allowed_methods(Some(rule.allowed_methods.iter().map(|method| method.name().to_owned()).collect()))
            .set_allowed_headers(some(&rule.allowed_headers))
            .set_expose_headers(some(&rule.expose_headers))
            .set_max_age_seconds(rule.max_age_seconds)
            .build()
    };
    let rules = rules.iter().map(rule).collect::<Result<Vec<_>, _>>().map_err(built)?;
    let configuration = CorsConfiguration::builder().set_cors_rules(Some(rules)).build().map_err(built)?;
    let request =
        look.aws.s3.put_bucket_cors().bucket(bucket).expected_bucket_owner(owner).cors_configuration(configuration);
    look.send(call, request.send()).await.map(drop)
}

async fn put_logging(call: &str, to: Option<&LogTarget>, look: &Look<'_>) -> Result<(), Failure> {
    let logging = to
        .map(|to| {
            LoggingEnabled::builder()
                .target_bucket(&to.bucket)
                .target_prefix(&to.prefix)
                .set_target_object_key_format(to.key_format.clone())
                .build()
        })
        .transpose()
        .map_err(built)?;
    let request = look
        .aws
        .s3
        .put_bucket_logging()
        .bucket(&look.identifier)
        .expected_bucket_owner(&look.place.account_id)
        .bucket_logging_status(BucketLoggingStatus::builder().set_logging_enabled(logging).build());
    look.send(call, request.send()).await.map(drop)
}

/// Most pages of 1,000 that one step deletes, so that a pass ends well inside its deadline; the next goes on.
const PAGES: usize = 20;

/// Deletes versions and delete markers, page by page.
async fn empty(look: &Look<'_>) -> Result<(), Failure> {
    for _ in 0..PAGES {
        if delete_page(look).await? == 0 {
            return Ok(());
        }
    }
    Ok(())
}

/// Deletes a page of versions and delete markers, 1,000, S3's most; says how many there were.
async fn delete_page(look: &Look<'_>) -> Result<usize, Failure> {
    let (bucket, owner) = (&look.identifier, &look.place.account_id);
    let request = look.aws.s3.list_object_versions().bucket(bucket).expected_bucket_owner(owner);
    let page = look.send("s3:ListObjectVersions", request.send()).await?;
    let versions = page.versions().iter().map(|version| (version.key(), version.version_id()));
    let markers = page.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
    let objects: Vec<_> = versions
        .chain(markers)
        .filter_map(|(key, version)| {
            ObjectIdentifier::builder().key(key?).set_version_id(version.map(str::to_owned)).build().ok()
        })
        .collect();
    let count = objects.len();
    if count > 0 {
        let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build().map_err(built)?;
        let request = look.aws.s3.delete_objects().bucket(bucket).expected_bucket_owner(owner).delete(delete);
        let answer = look.send("s3:DeleteObjects", request.send()).await?;
        if let Some(error) = answer.errors().first() {
            return Err(not_deleted(error.code()));
        }
    }
    Ok(count)
}

/// Not every object of a page was deleted.
fn not_deleted(code: Option<&str>) -> Failure {
    const CALL: &str = "s3:DeleteObjects";
    if code != Some("AccessDenied") {
        return Failure::aws(CALL, code, None);
    }
    let message = "S3 does not let objects be deleted: Object Lock keeps them until their retention is over (then it goes on by itself), a policy \
         denies it, or the operator's role lacks s3:DeleteObject and s3:DeleteObjectVersion. To keep the bucket, set deletionPolicy: Retain \
         and emptyOnDelete: false together";
    Failure::own(CALL, Class::Stalled, "ObjectsKept", message)
}

fn tag_set(tags: &std::collections::BTreeMap<String, String>) -> Result<Vec<Tag>, Failure> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build().map_err(built)).collect()
}

/// A request that the SDK refuses to build is a mistake of ours; it is told like any other failure.
#[expect(clippy::needless_pass_by_value, reason = "map_err gives it by value")]
fn built(error: aws_smithy_types::error::operation::BuildError) -> Failure {
    Failure::own("s3", Class::Stalled, "RequestNotBuilt", error.to_string())
}
