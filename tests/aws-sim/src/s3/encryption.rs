//! What objects are encrypted with.

use bytes::Bytes;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::ServerSideEncryption;
use s3s::{S3Request, S3Result};
use serde_json::Value;

use super::bucket::Caller;
use super::handlers::Handlers;
use super::objects::{Encryption, hex};
use super::refusal::{access_denied, invalid_argument, not_served, refusal};
use crate::call::{Call, NoKeys, managed_key_id, partition_of};

/// The encryption that a write asks for.
pub struct Asked<'a> {
    /// `x-amz-server-side-encryption`.
    pub algorithm: Option<&'a str>,
    /// `x-amz-server-side-encryption-aws-kms-key-id`.
    pub kms_key: Option<&'a str>,
    /// `x-amz-server-side-encryption-bucket-key-enabled`.
    pub bucket_key: Option<bool>,
    /// Whether the client brings a key of its own (SSE-C).
    pub customer_key: bool,
}

/// What an object will be encrypted with: what the request says, else the
/// bucket's default,
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-encryption.html>.
pub fn encryption<T>(handlers: &Handlers, req: &S3Request<T>, bucket: &str, asked: &Asked<'_>) -> S3Result<Encryption> {
    let (default, caller) =
        handlers.on(req, bucket, |bucket, caller| Ok((bucket.encryption.clone(), caller.clone())))?;
    if asked.customer_key {
        // https://docs.aws.amazon.com/AmazonS3/latest/userguide/blocking-unblocking-s3-c-encryption-gpb.html
        if default.blocked.iter().any(|one| one == "SSE-C") {
            return Err(access_denied());
        }
        return Err(not_served("SSE-C"));
    }
    let algorithm = asked.algorithm.unwrap_or(&default.algorithm).to_owned();
    match algorithm.as_str() {
        ServerSideEncryption::AES256 if asked.kms_key.is_some() => {
            return Err(invalid_argument(
                "Server Side Encryption with AWS KMS managed key requires HTTP header \
                 x-amz-server-side-encryption : aws:kms",
            ));
        }
        ServerSideEncryption::AES256 => {
            return Ok(Encryption { algorithm, kms_key: None, bucket_key: false });
        }
        ServerSideEncryption::AWS_KMS | ServerSideEncryption::AWS_KMS_DSSE => {}
        _ => return Err(invalid_argument("The encryption method specified is not supported")),
    }
    let from_default = (algorithm == default.algorithm).then_some(default.kms_key).flatten();
    let reference = asked.kms_key.map(str::to_owned).or(from_default);
    let kms_key = match reference {
        Some(reference) => usable_key(handlers, &caller, &reference)?,
        None => arn(&caller, &managed_key_id(&caller.account, &caller.region, "s3")),
    };
    let bucket_key = asked.bucket_key.unwrap_or(default.bucket_key);
    Ok(Encryption { algorithm, kms_key: Some(kms_key), bucket_key })
}

fn arn(caller: &Caller, key: &str) -> String {
    let Caller { account, region, .. } = caller;
    format!("arn:{}:kms:{region}:{account}:key/{key}", partition_of(region))
}

/// KMS is asked when an object is written, not before,
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html>.
fn usable_key(handlers: &Handlers, caller: &Caller, reference: &str) -> S3Result<String> {
    // An account's id is an access key of that account.
    let account = handlers.sim.account(&caller.account);
    let durations = account.durations().clone();
    let call = Call {
        operation: "GenerateDataKey",
        parameters: &Value::Null,
        now: caller.now,
        account: &caller.account,
        region: &caller.region,
        partition: partition_of(&caller.region),
        durations: &durations,
        endpoint: "",
        keys: &NoKeys,
    };
    let kms = account.kms();
    kms.usable_key(&call, reference).map_err(|error| refusal(&format!("KMS.{}", error.code), 400, error.message))
}

/// MD5 of the bytes, except under KMS,
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html>.
pub fn e_tag(body: &Bytes, encryption: &Encryption) -> String {
    let mut md5 = Md5::new();
    md5.update(body);
    if let Some(key) = &encryption.kms_key {
        md5.update(key.as_bytes());
    }
    hex(&md5.finalize())
}
