//! The operations, as `s3s` calls them.
#![allow(clippy::wildcard_imports, reason = "most of S3's types, by their AWS names")]

use jiff::Timestamp;
use s3s::crypto::{Checksum as _, Sha256};
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};

use super::bucket::{Bucket, Caller, NewBucket, Versioning};
use super::lifecycle::{self, Lifecycle};
use super::lock;
use super::objects::hex;
use super::policy::Policy;
use super::refusal::{malformed_xml, not_served, refusal};
use super::settings::{check_bucket_acl, check_ownership, new_encryption};
use super::sharing::{check_logging, checked_cors};
use super::wire::{Blocked, Extras, Status};
use super::{lists, tags, transfers};
use crate::Sim;

/// All operations that are served; the others answer `NotImplemented`.
#[derive(Clone)]
pub struct Handlers {
    pub sim: Sim,
}

pub type Answer<T> = S3Result<S3Response<T>>;

impl Handlers {
    /// Does something to the bucket of a request, if the caller may.
    pub fn on<T, R>(
        &self,
        request: &S3Request<T>,
        bucket: &str,
        act: impl FnOnce(&mut Bucket, &Caller) -> S3Result<R>,
    ) -> S3Result<R> {
        let caller = caller(request)?;
        let mut buckets = self.sim.s3();
        act(buckets.find(&caller, bucket, expected_owner(request))?, &caller)
    }
}

/// Who sends a request.
pub fn caller<T>(request: &S3Request<T>) -> S3Result<Caller> {
    let caller = request.extensions.get::<Caller>().cloned();
    caller.ok_or_else(|| refusal("InternalError", 500, "aws-sim lost the caller"))
}

fn expected_owner<T>(request: &S3Request<T>) -> Option<&str> {
    request.headers.get("x-amz-expected-bucket-owner")?.to_str().ok()
}

fn extras<T>(request: &S3Request<T>) -> Extras {
    request.extensions.get::<Extras>().cloned().unwrap_or_default()
}

/// A time as S3 shows it: in whole seconds.
pub fn time(at: Timestamp) -> s3s::dto::Timestamp {
    let seconds = Timestamp::from_second(at.as_second()).unwrap_or(at);
    std::time::SystemTime::from(seconds).into()
}

/// An account's canonical user id,
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/finding-canonical-user-id.html>.
pub fn owner(account: &str) -> Owner {
    Owner { id: Some(hex(&Sha256::checksum(account.as_bytes()))), display_name: None }
}

#[allow(clippy::unnecessary_wraps, reason = "each operation ends with it")]
fn ok<T>(output: T) -> Answer<T> {
    Ok(S3Response::new(output))
}

/// With the header that newer SDKs read as `BucketArn`.
fn with_arn<T>(output: T, caller: &Caller, bucket: &str) -> S3Response<T> {
    let mut response = S3Response::new(output);
    let arn = format!("arn:{}:s3:::{bucket}", crate::call::partition_of(&caller.region));
    if let Ok(arn) = arn.parse() {
        response.headers.insert("x-amz-bucket-arn", arn);
    }
    response
}

#[async_trait::async_trait]
impl S3 for Handlers {
    async fn create_bucket(&self, req: S3Request<CreateBucketInput>) -> Answer<CreateBucketOutput> {
        let caller = caller(&req)?;
        let tags = tags::checked(extras(&req).tags)?;
        let input = req.input;
        let ownership = input.object_ownership.as_ref().map(ObjectOwnership::as_str);
        check_ownership(ownership)?;
        check_bucket_acl(input.acl.as_ref().map(BucketCannedACL::as_str), ownership)?;
        let constraint = input.create_bucket_configuration.and_then(|configuration| configuration.location_constraint);
        let new = NewBucket {
            name: input.bucket.clone(),
            location_constraint: constraint.map(|constraint| constraint.as_str().to_owned()),
            tags,
            object_ownership: ownership.map(str::to_owned),
            object_lock: input.object_lock_enabled_for_bucket == Some(true),
        };
        self.sim.s3().create(&caller, new)?;
        let location = if caller.region == "us-east-1" {
            format!("/{}", input.bucket)
        } else {
            format!("http://{}.s3.amazonaws.com/", input.bucket)
        };
        let output = CreateBucketOutput { location: Some(location) };
        Ok(with_arn(output, &caller, &input.bucket))
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> Answer<HeadBucketOutput> {
        let caller = caller(&req)?;
        let region = self.on(&req, &req.input.bucket, |bucket, _| Ok(bucket.region.clone()))?;
        let output = HeadBucketOutput {
            bucket_region: Some(region),
            access_point_alias: Some(false),
            ..HeadBucketOutput::default()
        };
        Ok(with_arn(output, &caller, &req.input.bucket))
    }

    async fn list_buckets(&self, req: S3Request<ListBucketsInput>) -> Answer<ListBucketsOutput> {
        ok(lists::buckets(&self.sim.s3(), &caller(&req)?, &req.input)?)
    }

    async fn delete_bucket(&self, req: S3Request<DeleteBucketInput>) -> Answer<DeleteBucketOutput> {
        self.sim.s3().delete(&caller(&req)?, &req.input.bucket, expected_owner(&req))?;
        ok(DeleteBucketOutput {})
    }

    // https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html:
    // us-east-1 is shown as nothing.
    async fn get_bucket_location(&self, req: S3Request<GetBucketLocationInput>) -> Answer<GetBucketLocationOutput> {
        let region = self.on(&req, &req.input.bucket, |bucket, _| Ok(bucket.region.clone()))?;
        let constraint = if region == "us-east-1" { String::new() } else { region };
        ok(GetBucketLocationOutput { location_constraint: Some(BucketLocationConstraint::from(constraint)) })
    }

    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#default-acl
    async fn get_bucket_acl(&self, req: S3Request<GetBucketAclInput>) -> Answer<GetBucketAclOutput> {
        let owner = self.on(&req, &req.input.bucket, |bucket, _| Ok(owner(&bucket.owner)))?;
        let grantee = Grantee {
            display_name: None,
            email_address: None,
            id: owner.id.clone(),
            type_: Type::from_static(Type::CANONICAL_USER),
            uri: None,
        };
        let grant =
            Grant { grantee: Some(grantee), permission: Some(Permission::from_static(Permission::FULL_CONTROL)) };
        ok(GetBucketAclOutput { grants: Some(vec![grant]), owner: Some(owner) })
    }

    async fn get_bucket_tagging(&self, req: S3Request<GetBucketTaggingInput>) -> Answer<GetBucketTaggingOutput> {
        let tags = self.on(&req, &req.input.bucket, |bucket, _| Ok(bucket.tags.clone()))?;
        if tags.is_empty() {
            return Err(refusal("NoSuchTagSet", 404, "The TagSet does not exist"));
        }
        let tag = |(key, value)| Tag { key: Some(key), value: Some(value) };
        ok(GetBucketTaggingOutput { tag_set: tags.into_iter().map(tag).collect() })
    }

    async fn put_bucket_tagging(&self, req: S3Request<PutBucketTaggingInput>) -> Answer<PutBucketTaggingOutput> {
        self.on(&req, &req.input.bucket, |bucket, _| {
            bucket.tags = tags::checked(req.input.tagging.tag_set.clone())?;
            Ok(())
        })?;
        // https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketTagging.html: 204.
        let mut response = S3Response::new(PutBucketTaggingOutput::default());
        response.extensions.insert(Status(http::StatusCode::NO_CONTENT));
        Ok(response)
    }

    async fn delete_bucket_tagging(
        &self,
        req: S3Request<DeleteBucketTaggingInput>,
    ) -> Answer<DeleteBucketTaggingOutput> {
        self.on(&req, &req.input.bucket, |bucket, _| {
            bucket.tags.clear();
            Ok(())
        })?;
        ok(DeleteBucketTaggingOutput::default())
    }

    async fn get_bucket_encryption(
        &self,
        req: S3Request<GetBucketEncryptionInput>,
    ) -> Answer<GetBucketEncryptionOutput> {
        let encryption = self.on(&req, &req.input.bucket, |bucket, _| Ok(bucket.encryption.clone()))?;
        let default = ServerSideEncryptionByDefault {
            kms_master_key_id: encryption.kms_key,
            sse_algorithm: ServerSideEncryption::from(encryption.algorithm),
        };
        let rule = ServerSideEncryptionRule {
            apply_server_side_encryption_by_default: Some(default),
            bucket_key_enabled: Some(encryption.bucket_key),
        };
        let configuration = ServerSideEncryptionConfiguration { rules: vec![rule] };
        let mut response =
            S3Response::new(GetBucketEncryptionOutput { server_side_encryption_configuration: Some(configuration) });
        if !encryption.blocked.is_empty() {
            response.extensions.insert(Blocked(encryption.blocked));
        }
        Ok(response)
    }

    async fn put_bucket_encryption(
        &self,
        req: S3Request<PutBucketEncryptionInput>,
    ) -> Answer<PutBucketEncryptionOutput> {
        let blocked = extras(&req).blocked;
        self.on(&req, &req.input.bucket, |bucket, _| {
            let rules = &req.input.server_side_encryption_configuration.rules;
            bucket.encryption = new_encryption(rules, blocked, &bucket.encryption)?;
            Ok(())
        })?;
        ok(PutBucketEncryptionOutput::default())
    }

    async fn delete_bucket_encryption(
        &self,
        req: S3Request<DeleteBucketEncryptionInput>,
    ) -> Answer<DeleteBucketEncryptionOutput> {
        self.on(&req, &req.input.bucket, |bucket, _| {
            bucket.encryption.reset();
            Ok(())
        })?;
        ok(DeleteBucketEncryptionOutput::default())
    }

    async fn get_public_access_block(
        &self,
        req: S3Request<GetPublicAccessBlockInput>,
    ) -> Answer<GetPublicAccessBlockOutput> {
        let block = self.on(&req, &req.input.bucket, |bucket, _| Ok(bucket.public_access_block.clone()))?;
        if block.is_none() {
            return Err(refusal(
                "NoSuchPublicAccessBlockConfiguration",
                404,
                "The public access block configuration was not found",
            ));
        }
        ok(GetPublicAccessBlockOutput { public_access_block_configuration: block })
    }

    // https://docs.aws.amazon.com/AmazonS3/latest/API/API_PublicAccessBlockConfiguration.html:
    // what is not said is off.
    async fn put_public_access_block(
        &self,
        req: S3Request<PutPublicAccessBlockInput>,
    ) -> Answer<PutPublicAccessBlockOutput> {
        self.on(&req, &req.input.bucket, |bucket, _| {
            let asked = &req.input.public_access_block_configuration;
            let said = |setting: Option<bool>| Some(setting.unwrap_or(false));
            bucket.public_access_block = Some(PublicAccessBlockConfiguration {
                block_public_acls: said(asked.block_public_acls),
                block_public_policy: said(asked.block_public_policy),
                ignore_public_acls: said(asked.ignore_public_acls),
                restrict_public_buckets: said(asked.restrict_public_buckets),
            });
            Ok(())
        })?;
        ok(PutPublicAccessBlockOutput::default())
    }

    async fn delete_public_access_block(
        &self,
        req: S3Request<DeletePublicAccessBlockInput>,
    ) -> Answer<DeletePublicAccessBlockOutput> {
        self.on(&req, &req.input.bucket, |bucket, _| {
            bucket.public_access_block = None;
            Ok(())
        })?;
        ok(DeletePublicAccessBlockOutput::default())
    }

    async fn get_bucket_ownership_controls(
        &self,
        req: S3Request<GetBucketOwnershipControlsInput>,
    ) -> Answer<GetBucketOwnershipControlsOutput> {
        let ownership = self.on(&req, &req.input.bucket, |bucket, _| Ok(bucket.object_ownership.clone()))?;
        let Some(ownership) = ownership else {
            return Err(refusal("OwnershipControlsNotFoundError", 404, "The bucket ownership controls were not found"));
        };
        let rule = OwnershipControlsRule { object_ownership: ObjectOwnership::from(ownership) };
        ok(GetBucketOwnershipControlsOutput { ownership_controls: Some(OwnershipControls { rules: vec![rule] }) })
    }

    async fn put_bucket_ownership_controls(
        &self,
        req: S3Request<PutBucketOwnershipControlsInput>,
    ) -> Answer<PutBucketOwnershipControlsOutput> {
        self.on(&req, &req.input.bucket, |bucket, _| {
            let [rule] = req.input.ownership_controls.rules.as_slice() else {
                return Err(malformed_xml());
            };
            check_ownership(Some(rule.object_ownership.as_str()))?;
            bucket.object_ownership = Some(rule.object_ownership.as_str().to_owned());
            Ok(())
        })?;
        ok(PutBucketOwnershipControlsOutput::default())
    }

    async fn delete_bucket_ownership_controls(
        &self,
        req: S3Request<DeleteBucketOwnershipControlsInput>,
    ) -> Answer<DeleteBucketOwnershipControlsOutput> {
        self.on(&req, &req.input.bucket, |bucket, _| {
            bucket.object_ownership = None;
            Ok(())
        })?;
        ok(DeleteBucketOwnershipControlsOutput::default())
    }

    // https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html:
    // where it has never been on, nothing is answered.
    async fn get_bucket_versioning(
        &self,
        req: S3Request<GetBucketVersioningInput>,
    ) -> Answer<GetBucketVersioningOutput> {
        let status = self.on(&req, &req.input.bucket, |bucket, _| {
            Ok(match bucket.versioning {
                Versioning::Off => None,
                Versioning::Enabled => Some(BucketVersioningStatus::ENABLED),
                Versioning::Suspended => Some(BucketVersioningStatus::SUSPENDED),
            })
        })?;
        ok(GetBucketVersioningOutput {
            status: status.map(BucketVersioningStatus::from_static),
            ..GetBucketVersioningOutput::default()
        })
    }

    async fn put_bucket_versioning(
        &self,
        req: S3Request<PutBucketVersioningInput>,
    ) -> Answer<PutBucketVersioningOutput> {
        self.on(&req, &req.input.bucket, |bucket, _| {
            let asked = &req.input.versioning_configuration;
            if asked.mfa_delete.as_ref().is_some_and(|mfa| mfa.as_str() != MFADelete::DISABLED) {
                return Err(not_served("MFA delete"));
            }
            let versioning = match asked.status.as_ref().map(BucketVersioningStatus::as_str) {
                Some(BucketVersioningStatus::ENABLED) => Versioning::Enabled,
                Some(BucketVersioningStatus::SUSPENDED) => Versioning::Suspended,
                None => {
                    return Err(refusal(
                        "IllegalVersioningConfigurationException",
                        400,
                        "The Versioning element must be specified",
                    ));
                }
                Some(_) => return Err(malformed_xml()),
            };
            lock::check_versioning(bucket, versioning)?;
            bucket.versioning = versioning;
            Ok(())
        })?;
        ok(PutBucketVersioningOutput::default())
    }

    async fn get_bucket_policy(&self, req: S3Request<GetBucketPolicyInput>) -> Answer<GetBucketPolicyOutput> {
        let policy = self.on(&req, &req.input.bucket, |bucket, _| Ok(bucket.policy.clone()))?;
        let policy = policy.ok_or_else(no_such_policy)?;
        ok(GetBucketPolicyOutput { policy: Some(policy.text()) })
    }

    async fn put_bucket_policy(&self, req: S3Request<PutBucketPolicyInput>) -> Answer<PutBucketPolicyOutput> {
        self.on(&req, &req.input.bucket, |bucket, caller| {
            let policy = Policy::parse(&req.input.policy, &req.input.bucket)
                .map_err(|message| refusal("MalformedPolicy", 400, message))?;
            bucket.put_policy(policy, caller.now)
        })?;
        ok(PutBucketPolicyOutput {})
    }

    async fn delete_bucket_policy(&self, req: S3Request<DeleteBucketPolicyInput>) -> Answer<DeleteBucketPolicyOutput> {
        self.on(&req, &req.input.bucket, |bucket, _| {
            bucket.policy = None;
            Ok(())
        })?;
        ok(DeleteBucketPolicyOutput::default())
    }

    async fn get_bucket_policy_status(
        &self,
        req: S3Request<GetBucketPolicyStatusInput>,
    ) -> Answer<GetBucketPolicyStatusOutput> {
        let policy = self.on(&req, &req.input.bucket, |bucket, _| Ok(bucket.policy.clone()))?;
        let is_public = policy.ok_or_else(no_such_policy)?.is_public();
        let status = PolicyStatus { is_public: Some(is_public) };
        ok(GetBucketPolicyStatusOutput { policy_status: Some(status) })
    }

    async fn get_bucket_lifecycle_configuration(
        &self,
        req: S3Request<GetBucketLifecycleConfigurationInput>,
    ) -> Answer<GetBucketLifecycleConfigurationOutput> {
        let lifecycle = self.on(&req, &req.input.bucket, |bucket, _| Ok(bucket.lifecycle.clone()))?;
        let Some(Lifecycle { rules, minimum_object_size }) = lifecycle else {
            return Err(refusal("NoSuchLifecycleConfiguration", 404, "The lifecycle configuration does not exist"));
        };
        ok(GetBucketLifecycleConfigurationOutput {
            rules: Some(rules),
            transition_default_minimum_object_size: Some(minimum_object_size),
        })
    }

    async fn put_bucket_lifecycle_configuration(
        &self,
        req: S3Request<PutBucketLifecycleConfigurationInput>,
    ) -> Answer<PutBucketLifecycleConfigurationOutput> {
        let minimum = self.on(&req, &req.input.bucket, |bucket, _| {
            let asked = req.input.lifecycle_configuration.clone().ok_or_else(malformed_xml)?;
            let minimum = req.input.transition_default_minimum_object_size.clone();
            let lifecycle = bucket.lifecycle.insert(lifecycle::checked(asked.rules, minimum)?);
            Ok(lifecycle.minimum_object_size.clone())
        })?;
        ok(PutBucketLifecycleConfigurationOutput { transition_default_minimum_object_size: Some(minimum) })
    }

    async fn delete_bucket_lifecycle(
        &self,
        req: S3Request<DeleteBucketLifecycleInput>,
    ) -> Answer<DeleteBucketLifecycleOutput> {
        self.on(&req, &req.input.bucket, |bucket, _| {
            bucket.lifecycle = None;
            Ok(())
        })?;
        ok(DeleteBucketLifecycleOutput::default())
    }

    async fn get_bucket_cors(&self, req: S3Request<GetBucketCorsInput>) -> Answer<GetBucketCorsOutput> {
        let rules = self.on(&req, &req.input.bucket, |bucket, _| Ok(bucket.cors.clone()))?;
        if rules.is_none() {
            return Err(refusal("NoSuchCORSConfiguration", 404, "The CORS configuration does not exist"));
        }
        ok(GetBucketCorsOutput { cors_rules: rules })
    }

    async fn put_bucket_cors(&self, req: S3Request<PutBucketCorsInput>) -> Answer<PutBucketCorsOutput> {
        self.on(&req, &req.input.bucket, |bucket, _| {
            bucket.cors = Some(checked_cors(req.input.cors_configuration.cors_rules.clone())?);
            Ok(())
        })?;
        ok(PutBucketCorsOutput::default())
    }

    async fn delete_bucket_cors(&self, req: S3Request<DeleteBucketCorsInput>) -> Answer<DeleteBucketCorsOutput> {
        self.on(&req, &req.input.bucket, |bucket, _| {
            bucket.cors = None;
            Ok(())
        })?;
        ok(DeleteBucketCorsOutput::default())
    }

    async fn get_bucket_logging(&self, req: S3Request<GetBucketLoggingInput>) -> Answer<GetBucketLoggingOutput> {
        let logging = self.on(&req, &req.input.bucket, |bucket, _| Ok(bucket.logging.clone()))?;
        ok(GetBucketLoggingOutput { logging_enabled: logging })
    }

    async fn put_bucket_logging(&self, req: S3Request<PutBucketLoggingInput>) -> Answer<PutBucketLoggingOutput> {
        let source = self.on(&req, &req.input.bucket, |bucket, _| Ok(bucket.clone()))?;
        let asked = req.input.bucket_logging_status.logging_enabled.clone();
        if let Some(asked) = &asked {
            check_logging(&self.sim.s3(), &source, asked)?;
        }
        self.on(&req, &req.input.bucket, |bucket, _| {
            bucket.logging = asked;
            Ok(())
        })?;
        ok(PutBucketLoggingOutput::default())
    }

    async fn get_object_lock_configuration(
        &self,
        req: S3Request<GetObjectLockConfigurationInput>,
    ) -> Answer<GetObjectLockConfigurationOutput> {
        let lock = self.on(&req, &req.input.bucket, |bucket, _| Ok(bucket.object_lock.clone()))?;
        let Some(lock) = lock else {
            return Err(refusal(
                "ObjectLockConfigurationNotFoundError",
                404,
                "Object Lock configuration does not exist for this bucket",
            ));
        };
        let configuration = ObjectLockConfiguration {
            object_lock_enabled: Some(ObjectLockEnabled::from_static(ObjectLockEnabled::ENABLED)),
            rule: lock.default_retention.map(|retention| ObjectLockRule { default_retention: Some(retention) }),
        };
        ok(GetObjectLockConfigurationOutput { object_lock_configuration: Some(configuration) })
    }

    async fn put_object_lock_configuration(
        &self,
        req: S3Request<PutObjectLockConfigurationInput>,
    ) -> Answer<PutObjectLockConfigurationOutput> {
        self.on(&req, &req.input.bucket, |bucket, _| lock::put(bucket, req.input.object_lock_configuration.as_ref()))?;
        ok(PutObjectLockConfigurationOutput::default())
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> Answer<PutObjectOutput> {
        transfers::put(self, req).await
    }

    async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> Answer<CopyObjectOutput> {
        transfers::copy(self, &req)
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> Answer<GetObjectOutput> {
        transfers::get(self, &req)
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> Answer<HeadObjectOutput> {
        transfers::head(self, &req)
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> Answer<DeleteObjectOutput> {
        if req.input.if_match.is_some() {
            return Err(not_served("a condition of DeleteObject"));
        }
        let deletion = self.on(&req, &req.input.bucket, |bucket, caller| {
            let version = req.input.version_id.as_deref();
            bucket.objects.delete(&req.input.key, version, bucket.versioning, caller.now)
        })?;
        ok(DeleteObjectOutput {
            delete_marker: deletion.marker.then_some(true),
            version_id: deletion.version,
            ..DeleteObjectOutput::default()
        })
    }

    async fn delete_objects(&self, req: S3Request<DeleteObjectsInput>) -> Answer<DeleteObjectsOutput> {
        self.on(&req, &req.input.bucket, |bucket, caller| transfers::delete_many(bucket, &req.input.delete, caller.now))
            .and_then(ok)
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> Answer<ListObjectsV2Output> {
        self.on(&req, &req.input.bucket, |bucket, _| lists::objects(bucket, &req.input)).and_then(ok)
    }

    async fn list_object_versions(&self, req: S3Request<ListObjectVersionsInput>) -> Answer<ListObjectVersionsOutput> {
        self.on(&req, &req.input.bucket, |bucket, _| lists::versions(bucket, &req.input)).and_then(ok)
    }
}

fn no_such_policy() -> s3s::S3Error {
    refusal("NoSuchBucketPolicy", 404, "The bucket policy does not exist")
}
