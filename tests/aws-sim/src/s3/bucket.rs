//! Buckets: who has which name, and a bucket's settings.

use std::collections::BTreeMap;

use jiff::Timestamp;
use s3s::S3Result;
use s3s::dto::{CORSRule, LoggingEnabled, PublicAccessBlockConfiguration};

use super::lifecycle::Lifecycle;
use super::lock::ObjectLock;
use super::names;
use super::objects::{Object, Objects};
use super::policy::Policy;
use super::refusal::{access_denied, no_such_bucket, other_region, refusal};

/// Who asks, where and when.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The account.
    pub account: String,
    /// The region that the request was signed for.
    pub region: String,
    /// The account's time.
    pub now: Timestamp,
}

/// Whether a bucket keeps old versions. Once it was on it can only be
/// suspended,
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html>.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Versioning {
    /// It has never been on.
    #[default]
    Off,
    /// Each write is a new version.
    Enabled,
    /// Writes replace the version `null`.
    Suspended,
}

/// What new objects are encrypted with.
#[derive(Clone, Debug, PartialEq)]
pub struct DefaultEncryption {
    /// `AES256`, `aws:kms` or `aws:kms:dsse`.
    pub algorithm: String,
    /// The key as it was given: AWS does not look whether it exists,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketEncryption.html>.
    pub kms_key: Option<String>,
    /// Whether a bucket key is used.
    pub bucket_key: bool,
    /// What is refused, as it was said: `SSE-C` or `NONE`.
    pub blocked: Vec<String>,
}

impl DefaultEncryption {
    /// What a bucket has without being asked: SSE-S3,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html>,
    /// and since April 2026, outside Bahrain and the UAE, no SSE-C,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-s3-c-encryption-setting-faq.html>.
    fn of_new_bucket(region: &str) -> Self {
        let open = matches!(region, "me-south-1" | "me-central-1");
        let blocked = if open { Vec::new() } else { vec!["SSE-C".to_owned()] };
        Self { algorithm: "AES256".to_owned(), kms_key: None, bucket_key: false, blocked }
    }

    /// Back to SSE-S3. What is blocked stays blocked.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketEncryption.html>
    pub fn reset(&mut self) {
        "AES256".clone_into(&mut self.algorithm);
        self.kms_key = None;
        self.bucket_key = false;
    }
}

/// One bucket.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// The owner's account.
    pub owner: String,
    /// Where it is.
    pub region: String,
    /// When it was made. Editing the policy moves it, too,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Bucket.html>.
    pub creation_date: Timestamp,
    /// Its tags, in the order they were given.
    pub tags: Vec<(String, String)>,
    /// What new objects are encrypted with.
    pub encryption: DefaultEncryption,
    /// `None` after it was deleted.
    pub public_access_block: Option<PublicAccessBlockConfiguration>,
    /// `None` after it was deleted.
    pub object_ownership: Option<String>,
    /// Whether old versions are kept.
    pub versioning: Versioning,
    /// The policy.
    pub policy: Option<Policy>,
    /// The lifecycle rules.
    pub lifecycle: Option<Lifecycle>,
    /// The cross-origin rules.
    pub cors: Option<Vec<CORSRule>>,
    /// Where its access is logged.
    pub logging: Option<LoggingEnabled>,
    /// Object Lock, once it is on.
    pub object_lock: Option<ObjectLock>,
    /// What is in it.
    pub objects: Objects,
}

impl Bucket {
    /// Writes an empty object: a test's back door.
    pub fn fill(&mut self, key: &str, now: Timestamp) {
        self.objects.put(key, Object::empty(), self.versioning, now);
    }

    /// A bucket as AWS makes it: since April 2023 with all public access
    /// blocked and without ACLs,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/create-bucket-faq.html>.
    fn new(caller: &Caller, region: &str, tags: Vec<(String, String)>, ownership: String) -> Self {
        Self {
            owner: caller.account.clone(),
            region: region.to_owned(),
            creation_date: caller.now,
            tags,
            encryption: DefaultEncryption::of_new_bucket(region),
            public_access_block: Some(PublicAccessBlockConfiguration {
                block_public_acls: Some(true),
                block_public_policy: Some(true),
                ignore_public_acls: Some(true),
                restrict_public_buckets: Some(true),
            }),
            object_ownership: Some(ownership),
            versioning: Versioning::Off,
            policy: None,
            lifecycle: None,
            cors: None,
            logging: None,
            object_lock: None,
            objects: Objects::default(),
        }
    }

    /// Puts a policy. A public one is refused while `BlockPublicPolicy` is on,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-options>.
    pub fn put_policy(&mut self, policy: Policy, now: Timestamp) -> S3Result<()> {
        let blocked = self.public_access_block.as_ref().and_then(|block| block.block_public_policy) == Some(true);
        if blocked && policy.is_public() {
            return Err(refusal(
                "AccessDenied",
                403,
                "User is not authorized to perform: s3:PutBucketPolicy on this bucket because \
                 public policies are prevented by the BlockPublicPolicy setting in S3 Block \
                 Public Access.",
            ));
        }
        self.policy = Some(policy);
        self.creation_date = now;
        Ok(())
    }
}

/// What is asked of a new bucket.
#[derive(Clone, Debug, Default)]
pub struct NewBucket {
    /// Its name.
    pub name: String,
    /// Where it shall be.
    pub location_constraint: Option<String>,
    /// Its tags.
    pub tags: Vec<(String, String)>,
    /// Its object ownership.
    pub object_ownership: Option<String>,
    /// Whether it has Object Lock from the start, which switches versioning on.
    pub object_lock: bool,
}

/// All buckets of all accounts: a bucket's name is global,
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/gpbucketnamespaces.html>.
#[derive(Clone, Default)]
pub struct Buckets {
    buckets: BTreeMap<String, Bucket>,
}

impl Buckets {
    /// A bucket, whoever has it: the tests' back door.
    pub fn get(&self, name: &str) -> Option<&Bucket> {
        self.buckets.get(name)
    }

    /// A bucket to be changed, whoever has it: the tests' back door.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Bucket> {
        self.buckets.get_mut(name)
    }

    /// The buckets of an account, by name.
    pub fn of<'a>(&'a self, account: &'a str) -> impl Iterator<Item = (&'a str, &'a Bucket)> {
        self.buckets
            .iter()
            .filter(move |(_, bucket)| bucket.owner == account)
            .map(|(name, bucket)| (name.as_str(), bucket))
    }

    /// Makes a bucket. <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html>
    pub fn create(&mut self, caller: &Caller, new: NewBucket) -> S3Result<()> {
        if !names::valid(&new.name) {
            return Err(refusal("InvalidBucketName", 400, "The specified bucket is not valid."));
        }
        let region = location(&caller.region, new.location_constraint.as_deref())?;
        if let Some(there) = self.buckets.get(&new.name) {
            if there.owner != caller.account {
                return Err(refusal(
                    "BucketAlreadyExists",
                    409,
                    "The requested bucket name is not available. The bucket namespace is shared \
                     by all users of the system. Please select a different name and try again.",
                ));
            }
            // For legacy compatibility us-east-1 answers 200 to the owner and
            // changes nothing but ACLs.
            if there.region == "us-east-1" && region == "us-east-1" {
                return Ok(());
            }
            return Err(refusal(
                "BucketAlreadyOwnedByYou",
                409,
                "Your previous request to create the named bucket succeeded and you already own it.",
            ));
        }
        let ownership = new.object_ownership.unwrap_or_else(|| "BucketOwnerEnforced".to_owned());
        let mut bucket = Bucket::new(caller, &region, new.tags, ownership);
        if new.object_lock {
            bucket.versioning = Versioning::Enabled;
            bucket.object_lock = Some(ObjectLock::default());
        }
        self.buckets.insert(new.name, bucket);
        Ok(())
    }

    /// The bucket that a request is about. Another region answers 301 before
    /// anything else is looked at; another account is refused (bucket policies
    /// that would let it in are not evaluated); and so is the owner who
    /// expects somebody else,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html>.
    pub fn find(&mut self, caller: &Caller, name: &str, expected_owner: Option<&str>) -> S3Result<&mut Bucket> {
        let bucket = self.buckets.get_mut(name).ok_or_else(no_such_bucket)?;
        if bucket.region != caller.region {
            return Err(other_region(&bucket.region));
        }
        if let Some(expected) = expected_owner {
            if expected.len() != 12 || !expected.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(refusal(
                    "InvalidBucketOwnerAWSAccountID",
                    400,
                    "The value of the expected bucket owner parameter must be an AWS account ID.",
                ));
            }
            if expected != bucket.owner {
                return Err(access_denied());
            }
        }
        if bucket.owner != caller.account {
            return Err(access_denied());
        }
        Ok(bucket)
    }

    /// Takes a bucket away with all that is in it, as if it had never been: a test's back door. Says whether it was there.
    pub fn drop_bucket(&mut self, name: &str) -> bool {
        self.buckets.remove(name).is_some()
    }

    /// Deletes a bucket without objects, versions and delete markers,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucket.html>.
    pub fn delete(&mut self, caller: &Caller, name: &str, expected_owner: Option<&str>) -> S3Result<()> {
        let bucket = self.find(caller, name, expected_owner)?;
        if !bucket.objects.is_empty() {
            let message = if bucket.versioning == Versioning::Off {
                "The bucket you tried to delete is not empty"
            } else {
                "The bucket you tried to delete is not empty. You must delete all versions in the \
                 bucket."
            };
            return Err(refusal("BucketNotEmpty", 409, message));
        }
        self.buckets.remove(name);
        Ok(())
    }
}

/// Where a new bucket goes: us-east-1 wants no constraint for itself, the
/// others want their own.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucketConfiguration.html>
fn location(region: &str, constraint: Option<&str>) -> S3Result<String> {
    let asked = match constraint {
        None | Some("") => {
            if region == "us-east-1" {
                return Ok(region.to_owned());
            }
            return Err(refusal(
                "IllegalLocationConstraintException",
                400,
                "The unspecified location constraint is incompatible for the region specific \
                 endpoint this request was sent to.",
            ));
        }
        Some("EU") => "eu-west-1",
        Some(asked) => asked,
    };
    if asked == "us-east-1" || !is_region(asked) {
        return Err(refusal("InvalidLocationConstraint", 400, "The specified location-constraint is not valid"));
    }
    // us-east-1 also stands for the global endpoint, which takes every region.
    if region == "us-east-1" || region == asked {
        return Ok(asked.to_owned());
    }
    Err(refusal(
        "IllegalLocationConstraintException",
        400,
        format!(
            "The {asked} location constraint is incompatible for the region specific endpoint \
             this request was sent to."
        ),
    ))
}

/// Looks like `eu-west-1` or `us-gov-east-1`.
fn is_region(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
        return false;
    };
    parts.len() >= 3
        && first.len() == 2
        && !last.is_empty()
        && last.bytes().all(|byte| byte.is_ascii_digit())
        && parts[..parts.len() - 1]
            .iter()
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase()))
}

#[cfg(test)]
mod tests;
