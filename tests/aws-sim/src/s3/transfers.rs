//! Objects on their way in and out.
#![allow(clippy::wildcard_imports, reason = "most of S3's types, by their AWS names")]

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use jiff::Timestamp;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc64Nvme};
use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result};

use super::bucket::Bucket;
use super::encryption::{Asked, e_tag, encryption};
use super::handlers::{Answer, Handlers, caller, time};
use super::objects::Object;
use super::refusal::{invalid_argument, malformed_xml, not_served, refusal};

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>
pub async fn put(handlers: &Handlers, mut req: S3Request<PutObjectInput>) -> Answer<PutObjectOutput> {
    let body = match req.input.body.take() {
        Some(blob) => collect(blob).await?,
        None => Bytes::new(),
    };
    let input = &req.input;
    check_storage(input.storage_class.as_ref())?;
    let asked = Asked {
        algorithm: input.server_side_encryption.as_ref().map(ServerSideEncryption::as_str),
        kms_key: input.ssekms_key_id.as_deref(),
        bucket_key: input.bucket_key_enabled,
        customer_key: input.sse_customer_algorithm.is_some() || input.sse_customer_key.is_some(),
    };
    let encryption = encryption(handlers, &req, &input.bucket, &asked)?;
    let object = Object {
        e_tag: e_tag(&body, &encryption),
        checksum: checksum(input, &body),
        body,
        encryption,
        metadata: input.metadata.clone(),
        content_type: input.content_type.clone().or_else(|| Some("binary/octet-stream".to_owned())),
        content_encoding: input.content_encoding.clone(),
        content_disposition: input.content_disposition.clone(),
        content_language: input.content_language.clone(),
        cache_control: input.cache_control.clone(),
        retention: None,
    };
    let shown = object.clone();
    let version_id = handlers.on(&req, &input.bucket, |bucket, caller| {
        check_acl(bucket, input.acl.as_ref().map(ObjectCannedACL::as_str))?;
        check_write(bucket.objects.e_tag(&input.key), input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let retention = bucket.object_lock.as_ref().and_then(|lock| lock.retention(caller.now));
        let object = Object { retention, ..object };
        Ok(bucket.objects.put(&input.key, object, bucket.versioning, caller.now))
    })?;
    Ok(S3Response::new(PutObjectOutput {
        bucket_key_enabled: shown.encryption.bucket_key.then_some(true),
        checksum_crc32: shown.checksum.checksum_crc32,
        checksum_crc32c: shown.checksum.checksum_crc32c,
        checksum_crc64nvme: shown.checksum.checksum_crc64nvme,
        checksum_sha1: shown.checksum.checksum_sha1,
        checksum_sha256: shown.checksum.checksum_sha256,
        checksum_type: Some(ChecksumType::from_static(ChecksumType::FULL_OBJECT)),
        e_tag: Some(ETag::Strong(shown.e_tag)),
        ssekms_key_id: shown.encryption.kms_key,
        server_side_encryption: Some(ServerSideEncryption::from(shown.encryption.algorithm)),
        version_id,
        ..PutObjectOutput::default()
    }))
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>
pub fn copy(handlers: &Handlers, req: &S3Request<CopyObjectInput>) -> Answer<CopyObjectOutput> {
    let input = &req.input;
    check_storage(input.storage_class.as_ref())?;
    let CopySource::Bucket { bucket: from, key: from_key, version_id: from_version } = &input.copy_source else {
        return Err(not_served("a copy from an access point"));
    };
    let replace = match input.metadata_directive.as_ref().map(MetadataDirective::as_str) {
        None | Some(MetadataDirective::COPY) => false,
        Some(MetadataDirective::REPLACE) => true,
        Some(_) => return Err(invalid_argument("Unknown metadata directive.")),
    };
    let unchanged = !replace
        && input.server_side_encryption.is_none()
        && from_version.is_none()
        && (&**from, &**from_key) == (input.bucket.as_str(), input.key.as_str());
    if unchanged {
        return Err(refusal(
            "InvalidRequest",
            400,
            "This copy request is illegal because it is trying to copy an object to itself without \
             changing the object's metadata, storage class, website redirect location or \
             encryption attributes.",
        ));
    }
    let caller = caller(req)?;
    let expected = input.expected_source_bucket_owner.as_deref();
    let (source, source_version) = {
        let mut buckets = handlers.sim.s3();
        let bucket = buckets.find(&caller, from, expected)?;
        let (version, object) = bucket.objects.get(from_key, from_version.as_deref())?;
        (object.clone(), version.id.clone())
    };
    let asked = Asked {
        algorithm: input.server_side_encryption.as_ref().map(ServerSideEncryption::as_str),
        kms_key: input.ssekms_key_id.as_deref(),
        bucket_key: input.bucket_key_enabled,
        customer_key: input.sse_customer_algorithm.is_some(),
    };
    let encryption = encryption(handlers, req, &input.bucket, &asked)?;
    let mut object = Object { e_tag: e_tag(&source.body, &encryption), encryption, ..source };
    if replace {
        object.metadata.clone_from(&input.metadata);
        object.content_type.clone_from(&input.content_type);
        object.content_encoding.clone_from(&input.content_encoding);
        object.content_disposition.clone_from(&input.content_disposition);
        object.content_language.clone_from(&input.content_language);
        object.cache_control.clone_from(&input.cache_control);
    }
    let shown = (object.e_tag.clone(), object.encryption.clone());
    let version_id = handlers.on(req, &input.bucket, |bucket, caller| {
        check_acl(bucket, input.acl.as_ref().map(ObjectCannedACL::as_str))?;
        let retention = bucket.object_lock.as_ref().and_then(|lock| lock.retention(caller.now));
        let object = Object { retention, ..object };
        Ok(bucket.objects.put(&input.key, object, bucket.versioning, caller.now))
    })?;
    let (e_tag, encryption) = shown;
    let result = CopyObjectResult {
        e_tag: Some(ETag::Strong(e_tag)),
        last_modified: Some(time(caller.now)),
        ..CopyObjectResult::default()
    };
    Ok(S3Response::new(CopyObjectOutput {
        bucket_key_enabled: encryption.bucket_key.then_some(true),
        copy_object_result: Some(result),
        copy_source_version_id: (source_version != super::objects::NULL_VERSION).then_some(source_version),
        ssekms_key_id: encryption.kms_key,
        server_side_encryption: Some(ServerSideEncryption::from(encryption.algorithm)),
        version_id,
        ..CopyObjectOutput::default()
    }))
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>
pub fn get(handlers: &Handlers, req: &S3Request<GetObjectInput>) -> Answer<GetObjectOutput> {
    let input = &req.input;
    let found = find(handlers, req, &input.bucket, &input.key, input.version_id.as_deref())?;
    check_read(&found.object.e_tag, input.if_match.as_ref(), input.if_none_match.as_ref())?;
    let object = found.object;
    let total = object.body.len();
    let (body, content_range) = match &input.range {
        None => (object.body, None),
        Some(range) => {
            let range = range
                .check(total as u64)
                .map_err(|_| refusal("InvalidRange", 416, "The requested range is not satisfiable"))?;
            let at = |end: u64| usize::try_from(end).unwrap_or(total).min(total);
            let shown = format!("bytes {}-{}/{total}", range.start, range.end.saturating_sub(1));
            (object.body.slice(at(range.start)..at(range.end)), Some(shown))
        }
    };
    // A part of an object has no checksum of its own.
    let sums = sums(object.checksum, input.checksum_mode.is_some() && content_range.is_none());
    Ok(S3Response::new(GetObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        content_length: i64::try_from(body.len()).ok(),
        body: Some(StreamingBlob::from(s3s::Body::from(body))),
        bucket_key_enabled: object.encryption.bucket_key.then_some(true),
        cache_control: object.cache_control,
        checksum_type: full(&sums),
        checksum_crc32: sums.checksum_crc32,
        checksum_crc32c: sums.checksum_crc32c,
        checksum_crc64nvme: sums.checksum_crc64nvme,
        checksum_sha1: sums.checksum_sha1,
        checksum_sha256: sums.checksum_sha256,
        content_disposition: object.content_disposition,
        content_encoding: object.content_encoding,
        content_language: object.content_language,
        content_range,
        content_type: object.content_type,
        e_tag: Some(ETag::Strong(object.e_tag)),
        last_modified: Some(time(found.modified)),
        metadata: object.metadata,
        object_lock_mode: object.retention.as_ref().map(|kept| ObjectLockMode::from(kept.mode.clone())),
        object_lock_retain_until_date: object.retention.as_ref().map(|kept| time(kept.until)),
        ssekms_key_id: object.encryption.kms_key,
        server_side_encryption: Some(ServerSideEncryption::from(object.encryption.algorithm)),
        version_id: found.version_id,
        ..GetObjectOutput::default()
    }))
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html>
pub fn head(handlers: &Handlers, req: &S3Request<HeadObjectInput>) -> Answer<HeadObjectOutput> {
    let input = &req.input;
    if input.range.is_some() {
        return Err(not_served("a range of HeadObject"));
    }
    let found = find(handlers, req, &input.bucket, &input.key, input.version_id.as_deref())?;
    check_read(&found.object.e_tag, input.if_match.as_ref(), input.if_none_match.as_ref())?;
    let object = found.object;
    let sums = sums(object.checksum, input.checksum_mode.is_some());
    Ok(S3Response::new(HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        bucket_key_enabled: object.encryption.bucket_key.then_some(true),
        cache_control: object.cache_control,
        checksum_type: full(&sums),
        checksum_crc32: sums.checksum_crc32,
        checksum_crc32c: sums.checksum_crc32c,
        checksum_crc64nvme: sums.checksum_crc64nvme,
        checksum_sha1: sums.checksum_sha1,
        checksum_sha256: sums.checksum_sha256,
        content_disposition: object.content_disposition,
        content_encoding: object.content_encoding,
        content_language: object.content_language,
        content_length: i64::try_from(object.body.len()).ok(),
        content_type: object.content_type,
        e_tag: Some(ETag::Strong(object.e_tag)),
        last_modified: Some(time(found.modified)),
        metadata: object.metadata,
        object_lock_mode: object.retention.as_ref().map(|kept| ObjectLockMode::from(kept.mode.clone())),
        object_lock_retain_until_date: object.retention.as_ref().map(|kept| time(kept.until)),
        ssekms_key_id: object.encryption.kms_key,
        server_side_encryption: Some(ServerSideEncryption::from(object.encryption.algorithm)),
        version_id: found.version_id,
        ..HeadObjectOutput::default()
    }))
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>
pub fn delete_many(bucket: &mut Bucket, delete: &Delete, now: Timestamp) -> S3Result<DeleteObjectsOutput> {
    if delete.objects.is_empty() || delete.objects.len() > 1000 {
        return Err(malformed_xml());
    }
    let mut deleted = Vec::with_capacity(delete.objects.len());
    let mut errors = Vec::new();
    for object in &delete.objects {
        let asked = object.version_id.as_deref();
        match bucket.objects.delete(&object.key, asked, bucket.versioning, now) {
            Ok(done) => deleted.push(DeletedObject {
                delete_marker: done.marker.then_some(true),
                delete_marker_version_id: done.version.filter(|_| done.marker),
                key: Some(object.key.clone()),
                version_id: object.version_id.clone(),
            }),
            // Quiet or not: what was not deleted is told.
            Err(error) => errors.push(Error {
                code: Some(error.code().as_str().to_owned()),
                key: Some(object.key.clone()),
                message: error.message().map(str::to_owned),
                version_id: object.version_id.clone(),
            }),
        }
    }
    let quiet = delete.quiet == Some(true);
    Ok(DeleteObjectsOutput {
        deleted: (!quiet).then_some(deleted),
        errors: (!errors.is_empty()).then_some(errors),
        ..DeleteObjectsOutput::default()
    })
}

struct Found {
    object: Object,
    modified: Timestamp,
    version_id: Option<String>,
}

fn find<T>(handlers: &Handlers, req: &S3Request<T>, bucket: &str, key: &str, version: Option<&str>) -> S3Result<Found> {
    handlers.on(req, bucket, |bucket, _| {
        let (version, object) = bucket.objects.get(key, version)?;
        let versioned = bucket.versioning != super::bucket::Versioning::Off;
        Ok(Found {
            object: object.clone(),
            modified: version.modified,
            version_id: versioned.then(|| version.id.clone()),
        })
    })
}

async fn collect(mut blob: StreamingBlob) -> S3Result<Bytes> {
    let mut body = BytesMut::new();
    while let Some(chunk) = blob.next().await {
        let chunk = chunk.map_err(|error| refusal("IncompleteBody", 400, error.to_string()))?;
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn check_storage(class: Option<&StorageClass>) -> S3Result<()> {
    match class.map(StorageClass::as_str) {
        None | Some(StorageClass::STANDARD) => Ok(()),
        Some(class) => Err(not_served(format_args!("the storage class {class}"))),
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html>
fn check_acl(bucket: &Bucket, acl: Option<&str>) -> S3Result<()> {
    let enforced = bucket.object_ownership.as_deref() == Some(ObjectOwnership::BUCKET_OWNER_ENFORCED);
    match acl {
        None | Some(ObjectCannedACL::BUCKET_OWNER_FULL_CONTROL) => Ok(()),
        Some(_) if enforced => Err(refusal("AccessControlListNotSupported", 400, "The bucket does not allow ACLs")),
        Some(ObjectCannedACL::PRIVATE) => Ok(()),
        Some(acl) => Err(not_served(format_args!("the object ACL {acl}"))),
    }
}

fn precondition_failed() -> s3s::S3Error {
    refusal("PreconditionFailed", 412, "At least one of the pre-conditions you specified did not hold")
}

fn matches(condition: &ETagCondition, e_tag: &str) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(other) => other.value() == e_tag,
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-reads.html>
fn check_read(e_tag: &str, if_match: Option<&IfMatch>, if_none_match: Option<&IfNoneMatch>) -> S3Result<()> {
    if if_match.is_some_and(|condition| !matches(condition, e_tag)) {
        return Err(precondition_failed());
    }
    if if_none_match.is_some_and(|condition| matches(condition, e_tag)) {
        return Err(refusal("NotModified", 304, "Not Modified"));
    }
    Ok(())
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>
fn check_write(there: Option<&str>, if_match: Option<&IfMatch>, if_none_match: Option<&IfNoneMatch>) -> S3Result<()> {
    match (if_match, there) {
        (Some(_), None) => return Err(refusal("NoSuchKey", 404, "The specified key does not exist.")),
        (Some(condition), Some(e_tag)) if !matches(condition, e_tag) => {
            return Err(precondition_failed());
        }
        _ => {}
    }
    match if_none_match {
        None => Ok(()),
        Some(ETagCondition::Any) if there.is_none() => Ok(()),
        Some(ETagCondition::Any) => Err(precondition_failed()),
        Some(ETagCondition::ETag(_)) => Err(not_served("If-None-Match with an entity tag on a write")),
    }
}

/// The checksum that was sent (and has been verified), else CRC64NVME,
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>.
fn checksum(input: &PutObjectInput, body: &[u8]) -> Checksum {
    let mut sent = Checksum {
        checksum_crc32: input.checksum_crc32.clone(),
        checksum_crc32c: input.checksum_crc32c.clone(),
        checksum_crc64nvme: input.checksum_crc64nvme.clone(),
        checksum_sha1: input.checksum_sha1.clone(),
        checksum_sha256: input.checksum_sha256.clone(),
        ..Checksum::default()
    };
    if sent == Checksum::default() {
        let mut hasher = ChecksumHasher { crc64nvme: Some(Crc64Nvme::new()), ..ChecksumHasher::default() };
        hasher.update(body);
        sent = hasher.finalize();
    }
    sent
}

fn sums(checksum: Checksum, wanted: bool) -> Checksum {
    if wanted { checksum } else { Checksum::default() }
}

fn full(sums: &Checksum) -> Option<ChecksumType> {
    (*sums != Checksum::default()).then(|| ChecksumType::from_static(ChecksumType::FULL_OBJECT))
}
