//! Which operations are served, and with which parameters. Everything else is
//! refused by name: `s3s` itself passes over what it does not know.

use std::sync::{Arc, LazyLock, Mutex};

use futures::FutureExt as _;
use http::request::Parts;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::path::S3Path;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::validation::NameValidation;
use s3s::{Body, S3, S3Result};

use super::refusal::{access_denied, not_served};
use crate::lock;

/// One served operation.
pub struct Served {
    name: &'static str,
    /// The query parameters it knows.
    query: &'static [&'static str],
    /// The elements that its body may have.
    pub elements: &'static [&'static str],
}

const fn served(name: &'static str, query: &'static [&'static str], elements: &'static [&'static str]) -> Served {
    Served { name, query, elements }
}

/// All of them, with the parameters of
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html>.
#[rustfmt::skip]
static SERVED: [Served; 42] = [
    served("CreateBucket", &[], &["CreateBucketConfiguration", "LocationConstraint", "Tags", "Tag", "Key", "Value"]),
    served("HeadBucket", &[], &[]),
    served("ListBuckets", &["bucket-region", "continuation-token", "max-buckets", "prefix"], &[]),
    served("DeleteBucket", &[], &[]),
    served("GetBucketLocation", &["location"], &[]),
    served("GetBucketAcl", &["acl"], &[]),
    served("GetBucketTagging", &["tagging"], &[]),
    served("PutBucketTagging", &["tagging"], &["Tagging", "TagSet", "Tag", "Key", "Value"]),
    served("DeleteBucketTagging", &["tagging"], &[]),
    served("GetBucketEncryption", &["encryption"], &[]),
    served("PutBucketEncryption", &["encryption"], &[
        "ServerSideEncryptionConfiguration", "Rule", "ApplyServerSideEncryptionByDefault", "SSEAlgorithm",
        "KMSMasterKeyID", "BucketKeyEnabled", "BlockedEncryptionTypes", "EncryptionType",
    ]),
    served("DeleteBucketEncryption", &["encryption"], &[]),
    served("GetPublicAccessBlock", &["publicAccessBlock"], &[]),
    served("PutPublicAccessBlock", &["publicAccessBlock"], &[
        "PublicAccessBlockConfiguration", "BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy",
        "RestrictPublicBuckets",
    ]),
    served("DeletePublicAccessBlock", &["publicAccessBlock"], &[]),
    served("GetBucketOwnershipControls", &["ownershipControls"], &[]),
    served("PutBucketOwnershipControls", &["ownershipControls"], &["OwnershipControls", "Rule", "ObjectOwnership"]),
    served("DeleteBucketOwnershipControls", &["ownershipControls"], &[]),
    served("GetBucketVersioning", &["versioning"], &[]),
    served("PutBucketVersioning", &["versioning"], &["VersioningConfiguration", "Status", "MfaDelete"]),
    served("GetBucketPolicy", &["policy"], &[]),
    served("PutBucketPolicy", &["policy"], &[]),
    served("DeleteBucketPolicy", &["policy"], &[]),
    served("GetBucketPolicyStatus", &["policyStatus"], &[]),
    served("GetBucketLifecycleConfiguration", &["lifecycle"], &[]),
    served("PutBucketLifecycleConfiguration", &["lifecycle"], &[
        "LifecycleConfiguration", "Rule", "ID", "Status", "Prefix", "Filter", "And", "Tag", "Key", "Value",
        "ObjectSizeGreaterThan", "ObjectSizeLessThan", "Expiration", "Date", "Days", "ExpiredObjectDeleteMarker",
        "Transition", "StorageClass", "NoncurrentVersionTransition", "NoncurrentVersionExpiration", "NoncurrentDays",
        "NewerNoncurrentVersions", "AbortIncompleteMultipartUpload", "DaysAfterInitiation",
    ]),
    served("DeleteBucketLifecycle", &["lifecycle"], &[]),
    served("GetBucketCors", &["cors"], &[]),
    served("PutBucketCors", &["cors"], &[
        "CORSConfiguration", "CORSRule", "ID", "AllowedHeader", "AllowedMethod", "AllowedOrigin", "ExposeHeader",
        "MaxAgeSeconds",
    ]),
    served("DeleteBucketCors", &["cors"], &[]),
    served("GetBucketLogging", &["logging"], &[]),
    served("PutBucketLogging", &["logging"], &[
        "BucketLoggingStatus", "LoggingEnabled", "TargetBucket", "TargetPrefix", "TargetObjectKeyFormat",
        "SimplePrefix", "PartitionedPrefix", "PartitionDateSource",
    ]),
    served("GetObjectLockConfiguration", &["object-lock"], &[]),
    served("PutObjectLockConfiguration", &["object-lock"], &[
        "ObjectLockConfiguration", "ObjectLockEnabled", "Rule", "DefaultRetention", "Mode", "Days", "Years",
    ]),
    served("PutObject", &[], &[]),
    served("CopyObject", &[], &[]),
    served("GetObject", &[
        "versionId", "response-cache-control", "response-content-disposition", "response-content-encoding",
        "response-content-language", "response-content-type", "response-expires",
    ], &[]),
    served("HeadObject", &["versionId"], &[]),
    served("DeleteObject", &["versionId"], &[]),
    served("DeleteObjects", &["delete"], &["Delete", "Object", "Key", "VersionId", "Quiet"]),
    served("ListObjectsV2", &[
        "list-type", "continuation-token", "delimiter", "encoding-type", "fetch-owner", "max-keys", "prefix",
        "start-after",
    ], &[]),
    served("ListObjectVersions", &[
        "versions", "delimiter", "encoding-type", "key-marker", "max-keys", "prefix", "version-id-marker",
    ], &[]),
];

/// The `x-amz-…` headers that are understood, and the conditions.
const HEADERS: [&str; 30] = [
    "x-amz-acl",
    "x-amz-bucket-object-lock-enabled",
    "x-amz-checksum-algorithm",
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-mode",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
    "x-amz-confirm-remove-self-bucket-access",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-expected-bucket-owner",
    "x-amz-metadata-directive",
    "x-amz-object-ownership",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-security-token",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-bucket-key-enabled",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-server-side-encryption-customer-key-md5",
    "x-amz-source-expected-bucket-owner",
    "x-amz-storage-class",
    "x-amz-trailer",
    "x-amz-transition-default-minimum-object-size",
    "x-amz-user-agent",
];

/// Headers that change what a request means and that are not understood.
const REFUSED_HEADERS: [&str; 3] = ["if-modified-since", "if-unmodified-since", "if-range"];

impl Served {
    /// The operation of this name, if it is served.
    pub fn find(name: &str) -> S3Result<&'static Self> {
        SERVED
            .iter()
            .find(|served| served.name == name)
            .ok_or_else(|| not_served(format_args!("the S3 operation {name}")))
    }

    /// Refuses a header that would be passed over.
    pub fn check_headers(&self, parts: &Parts) -> S3Result<()> {
        for name in parts.headers.keys() {
            let name = name.as_str();
            let unknown = name.starts_with("x-amz-") && !name.starts_with("x-amz-meta-") && !HEADERS.contains(&name);
            if unknown || REFUSED_HEADERS.contains(&name) {
                return Err(not_served(format_args!("the header {name} of {}", self.name)));
            }
        }
        Ok(())
    }
}

/// What a request is about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Target {
    /// AWS's name of the operation; with a query parameter behind it that the
    /// operation does not have, since then it is another one.
    pub operation: String,
    /// The bucket in its path.
    pub bucket: Option<String>,
}

impl Target {
    /// Asks `s3s`, which knows how requests are routed.
    pub fn of(parts: &Parts) -> Self {
        static ROUTER: LazyLock<S3Service> = LazyLock::new(|| {
            let mut builder = S3ServiceBuilder::new(Nothing);
            builder.set_auth(Nothing);
            builder.set_access(Nothing);
            builder.set_validation(AnyName);
            builder.build()
        });
        let found = Found::default();
        let mut request = http::Request::new(Body::empty());
        parts.method.clone_into(request.method_mut());
        *request.uri_mut() = without_signature(&parts.uri);
        *request.headers_mut() = parts.headers.clone();
        request.headers_mut().remove(http::header::AUTHORIZATION);
        // A form would be read for a signature.
        request.headers_mut().remove(http::header::CONTENT_TYPE);
        request.extensions_mut().insert(found.clone());
        // Nothing is awaited for: the answer is there at once. s3s would log
        // it as an error.
        let quiet = tracing::subscriber::NoSubscriber::default();
        let answered = tracing::subscriber::with_default(quiet, || ROUTER.call(request).now_or_never());
        debug_assert!(answered.is_some(), "finding the route waits for nothing");
        let mut target = lock(&found.0).clone();
        if target.operation.is_empty() {
            target.operation = format!("Unknown({} {})", parts.method, parts.uri.path());
        } else if let Some(name) = target.unknown_parameter(parts) {
            target.operation = format!("{}?{name}", target.operation);
        }
        target
    }

    fn unknown_parameter(&self, parts: &Parts) -> Option<String> {
        let served = Served::find(&self.operation).ok()?;
        form_urlencoded::parse(parts.uri.query()?.as_bytes())
            .map(|(name, _)| name.into_owned())
            .find(|name| !is_signature(name) && name != "x-id" && !served.query.contains(&name.as_str()))
    }
}

/// Moves a bucket's name from the host into the path: `bucket.localhost/key` is `localhost/bucket/key`,
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html>.
pub fn to_path_style(parts: &mut Parts) {
    let host = parts.headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let Some(bucket) = host.strip_suffix(".localhost").filter(|bucket| !bucket.is_empty()) else {
        return;
    };
    let rest = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    if let Ok(uri) = format!("/{bucket}{rest}").parse() {
        parts.uri = uri;
        parts.headers.insert(http::header::HOST, http::HeaderValue::from_static("localhost"));
    }
}

/// Whether a query parameter belongs to a presigned URL's signature.
fn is_signature(name: &str) -> bool {
    name.to_ascii_lowercase().starts_with("x-amz-")
}

/// The URI without what signs it.
pub fn without_signature(uri: &http::Uri) -> http::Uri {
    let Some(query) = uri.query() else {
        return uri.clone();
    };
    let kept: Vec<&str> =
        query.split('&').filter(|pair| !is_signature(pair.split('=').next().unwrap_or_default())).collect();
    let path = if kept.is_empty() { uri.path().to_owned() } else { format!("{}?{}", uri.path(), kept.join("&")) };
    path.parse().unwrap_or_else(|_| uri.clone())
}

#[derive(Clone, Default)]
struct Found(Arc<Mutex<Target>>);

/// An S3 without anything, of which only the routing is used.
struct Nothing;

impl S3 for Nothing {}

#[async_trait::async_trait]
impl S3Auth for Nothing {
    async fn get_secret_key(&self, _: &str) -> S3Result<SecretKey> {
        Err(access_denied())
    }
}

#[async_trait::async_trait]
impl S3Access for Nothing {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let bucket = match context.s3_path() {
            S3Path::Root => None,
            S3Path::Bucket { bucket } | S3Path::Object { bucket, .. } => Some(bucket.to_string()),
        };
        let operation = context.s3_op().name().to_owned();
        if let Some(found) = context.extensions_mut().get::<Found>() {
            *lock(&found.0) = Target { operation, bucket };
        }
        Err(access_denied())
    }
}

/// Any bucket name may be asked for; [`super::names`] says which can be made.
pub struct AnyName;

impl NameValidation for AnyName {
    fn validate_bucket_name(&self, name: &str) -> bool {
        !name.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(method: &str, uri: &str) -> String {
        let request = http::Request::builder()
            .method(method)
            .uri(uri)
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AK/20261124/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=0",
            )
            .body(())
            .expect("a request");
        Target::of(&request.into_parts().0).operation
    }

    #[test]
    fn operations_have_aws_names() {
        for (method, uri, name) in [
            ("GET", "/?x-id=ListBuckets", "ListBuckets"),
            ("PUT", "/bucket", "CreateBucket"),
            ("PUT", "/Not_A_Name", "CreateBucket"),
            ("HEAD", "/bucket", "HeadBucket"),
            ("GET", "/bucket?publicAccessBlock", "GetPublicAccessBlock"),
            ("PUT", "/bucket?encryption", "PutBucketEncryption"),
            ("POST", "/bucket?delete", "DeleteObjects"),
            ("GET", "/bucket?list-type=2&prefix=a", "ListObjectsV2"),
            ("GET", "/bucket?versions", "ListObjectVersions"),
            ("GET", "/bucket/a/b?X-Amz-Signature=0&X-Amz-Credential=AK", "GetObject"),
            ("PUT", "/bucket/key?x-id=PutObject", "PutObject"),
            ("PUT", "/bucket?lifecycle", "PutBucketLifecycleConfiguration"),
            ("POST", "/bucket/key?uploads", "CreateMultipartUpload"),
        ] {
            assert_eq!(operation(method, uri), name, "{method} {uri}");
        }
    }

    #[test]
    fn a_bucket_in_the_host_goes_into_the_path() {
        for (host, uri, path) in [
            ("my.bucket.localhost:4599", "/a/b?versionId=1", "/my.bucket/a/b?versionId=1"),
            ("bucket.localhost", "/?versions", "/bucket/?versions"),
            ("localhost:4599", "/bucket", "/bucket"),
            ("127.0.0.1:4599", "/bucket/key", "/bucket/key"),
        ] {
            let request = http::Request::builder().uri(uri).header("host", host).body(()).expect("a request");
            let mut parts = request.into_parts().0;
            to_path_style(&mut parts);
            assert_eq!(parts.uri, path, "{host}");
        }
    }

    #[test]
    fn what_s3s_would_take_for_another_operation_is_not_served() {
        for (method, uri, name) in [
            ("PUT", "/bucket?abac", "CreateBucket?abac"),
            ("GET", "/bucket/key?partNumber=1", "GetObject?partNumber"),
            ("PATCH", "/bucket", "Unknown(PATCH /bucket)"),
        ] {
            assert_eq!(operation(method, uri), name);
            assert!(Served::find(&operation(method, uri)).is_err());
        }
    }
}
