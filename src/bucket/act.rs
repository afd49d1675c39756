//! One step against S3. Each says the whole setting it writes, so doing it twice is harmless.

use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration, Delete, ObjectIdentifier,
    ObjectOwnership, OwnershipControls, OwnershipControlsRule, PublicAccessBlockConfiguration, ServerSideEncryption,
    ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule, Tag, Tagging,
    VersioningConfiguration,
};

use super::decide::Step;
use crate::{
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
            look.send(call, request.send()).await.map(drop)
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
        Step::PutEncryption => put_encryption(call, look).await,
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

/// Writes SSE-S3 and keeps what else is in the configuration, such as blocked encryption types.
async fn put_encryption(call: &str, look: &Look<'_>) -> Result<(), Failure> {
    let (bucket, owner) = (&look.identifier, &look.place.account_id);
    let request = look.aws.s3.get_bucket_encryption().bucket(bucket).expected_bucket_owner(owner);
    let answer = look.send("s3:GetBucketEncryption", request.send()).await;
    let before = crate::aws::found(answer, &["ServerSideEncryptionConfigurationNotFoundError"])?
        .and_then(|answer| answer.server_side_encryption_configuration)
        .and_then(|configuration| configuration.rules.into_iter().next());
    let default =
        ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::Aes256).build().map_err(built)?;
    let rule = match before {
        Some(mut rule) => {
            rule.apply_server_side_encryption_by_default = Some(default);
            rule
        }
        None => ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(default).build(),
    };
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
            return Err(Failure::aws("s3:DeleteObjects", error.code(), None));
        }
    }
    Ok(count)
}

fn tag_set(tags: &std::collections::BTreeMap<String, String>) -> Result<Vec<Tag>, Failure> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build().map_err(built)).collect()
}

/// A request that the SDK refuses to build is a mistake of ours; it is told like any other failure.
#[expect(clippy::needless_pass_by_value, reason = "map_err gives it by value")]
fn built(error: aws_smithy_types::error::operation::BuildError) -> Failure {
    Failure::own("s3", Class::Stalled, "RequestNotBuilt", error.to_string())
}
