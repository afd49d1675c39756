//! The lists that clients ask for.
#![allow(clippy::wildcard_imports, reason = "most of S3's types, by their AWS names")]

use s3s::S3Result;
use s3s::dto::*;

use super::bucket::{Bucket, Buckets, Caller};
use super::handlers::{owner, time};
use super::listing::{self, Filter, MOST_KEYS};
use super::objects::hex;
use super::refusal::invalid_argument;

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html>
pub fn buckets(all: &Buckets, caller: &Caller, input: &ListBucketsInput) -> S3Result<ListBucketsOutput> {
    let after = input.continuation_token.as_deref().map(from_token).transpose()?;
    let limit = match input.max_buckets {
        None => usize::MAX,
        Some(limit @ 1..=10_000) => usize::try_from(limit).unwrap_or(usize::MAX),
        Some(_) => {
            return Err(invalid_argument("Argument max-buckets must be an integer between 1 and 10000"));
        }
    };
    let mut found = all.of(&caller.account).filter(|(name, bucket)| {
        after.as_deref().is_none_or(|after| *name > after)
            && input.prefix.as_deref().is_none_or(|prefix| name.starts_with(prefix))
            && input.bucket_region.as_deref().is_none_or(|region| bucket.region == region)
    });
    let mut page = Vec::new();
    let mut last = None;
    for (name, bucket) in found.by_ref().take(limit) {
        last = Some(name);
        page.push(s3s::dto::Bucket {
            name: Some(name.to_owned()),
            creation_date: Some(time(bucket.creation_date)),
            bucket_region: Some(bucket.region.clone()),
        });
    }
    let more = found.next().is_some();
    Ok(ListBucketsOutput {
        buckets: Some(page),
        continuation_token: last.filter(|_| more).map(to_token),
        owner: Some(owner(&caller.account)),
        prefix: input.prefix.clone(),
    })
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>
pub fn objects(bucket: &Bucket, input: &ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
    let encode = encoding(input.encoding_type.as_ref())?;
    let token = input.continuation_token.as_deref().map(from_token).transpose()?;
    let max_keys = input.max_keys.unwrap_or(1000);
    let filter = Filter {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref(),
        limit: limit(max_keys)?,
    };
    let page = listing::current(&bucket.objects, filter, token.as_deref().or(input.start_after.as_deref()));
    let fetch_owner = input.fetch_owner == Some(true);
    let mut contents = Vec::with_capacity(page.entries.len());
    for key in &page.entries {
        let (version, object) = bucket.objects.get(key, None)?;
        contents.push(Object {
            e_tag: Some(ETag::Strong(object.e_tag.clone())),
            key: Some(encode(key)),
            last_modified: Some(time(version.modified)),
            owner: fetch_owner.then(|| owner(&bucket.owner)),
            size: i64::try_from(object.body.len()).ok(),
            storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
            ..Object::default()
        });
    }
    let count = page.entries.len() + page.prefixes.len();
    Ok(ListObjectsV2Output {
        name: Some(input.bucket.clone()),
        prefix: Some(encode(filter.prefix)),
        max_keys: Some(max_keys.min(1000)),
        key_count: i32::try_from(count).ok(),
        continuation_token: input.continuation_token.clone(),
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next.map(|(key, _)| to_token(&key)),
        contents: Some(contents),
        common_prefixes: prefixes(page.prefixes, encode),
        delimiter: input.delimiter.as_deref().map(encode),
        encoding_type: input.encoding_type.clone(),
        start_after: input.start_after.as_deref().map(encode),
        request_charged: None,
    })
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html>
pub fn versions(bucket: &Bucket, input: &ListObjectVersionsInput) -> S3Result<ListObjectVersionsOutput> {
    let encode = encoding(input.encoding_type.as_ref())?;
    let (key_marker, version_marker) =
        (non_empty(input.key_marker.as_deref()), non_empty(input.version_id_marker.as_deref()));
    if version_marker.is_some() && key_marker.is_none() {
        return Err(invalid_argument("A version-id marker cannot be specified without a key marker."));
    }
    let max_keys = input.max_keys.unwrap_or(1000);
    let filter = Filter {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref(),
        limit: limit(max_keys)?,
    };
    let page = listing::versions(&bucket.objects, filter, key_marker, version_marker);
    let (mut versions, mut markers) = (Vec::new(), Vec::new());
    for (key, version, is_latest) in page.entries {
        let key = Some(encode(key));
        let last_modified = Some(time(version.modified));
        let owner = Some(owner(&bucket.owner));
        let version_id = Some(version.id.clone());
        match &version.object {
            Some(object) => versions.push(ObjectVersion {
                e_tag: Some(ETag::Strong(object.e_tag.clone())),
                is_latest: Some(is_latest),
                key,
                last_modified,
                owner,
                size: i64::try_from(object.body.len()).ok(),
                storage_class: Some(ObjectVersionStorageClass::from_static(ObjectVersionStorageClass::STANDARD)),
                version_id,
                ..ObjectVersion::default()
            }),
            None => {
                markers.push(DeleteMarkerEntry { is_latest: Some(is_latest), key, last_modified, owner, version_id });
            }
        }
    }
    let is_truncated = Some(page.next.is_some());
    let (next_key_marker, next_version_id_marker) = match page.next {
        Some((key, version)) => (Some(encode(&key)), version),
        None => (None, None),
    };
    Ok(ListObjectVersionsOutput {
        common_prefixes: prefixes(page.prefixes, encode),
        delete_markers: Some(markers),
        delimiter: input.delimiter.as_deref().map(encode),
        encoding_type: input.encoding_type.clone(),
        is_truncated,
        key_marker: Some(encode(key_marker.unwrap_or_default())),
        max_keys: Some(max_keys.min(1000)),
        name: Some(input.bucket.clone()),
        next_key_marker,
        next_version_id_marker,
        prefix: Some(encode(filter.prefix)),
        request_charged: None,
        version_id_marker: Some(version_marker.unwrap_or_default().to_owned()),
        versions: Some(versions),
    })
}

fn non_empty(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

fn limit(max_keys: i32) -> S3Result<usize> {
    let limit = usize::try_from(max_keys)
        .map_err(|_| invalid_argument("Argument maxKeys must be an integer between 0 and 2147483647"))?;
    Ok(limit.min(MOST_KEYS))
}

fn prefixes(prefixes: Vec<String>, encode: fn(&str) -> String) -> Option<Vec<CommonPrefix>> {
    let one = |prefix: String| CommonPrefix { prefix: Some(encode(&prefix)) };
    (!prefixes.is_empty()).then(|| prefixes.into_iter().map(one).collect())
}

/// How keys are written: as they are, or URL-encoded since XML cannot hold all
/// of them.
fn encoding(encoding: Option<&EncodingType>) -> S3Result<fn(&str) -> String> {
    match encoding.map(EncodingType::as_str) {
        None => Ok(str::to_owned),
        Some(EncodingType::URL) => Ok(|key| {
            let encoded: String = form_urlencoded::byte_serialize(key.as_bytes()).collect();
            encoded.replace("%2F", "/")
        }),
        Some(_) => Err(invalid_argument("Invalid Encoding Method specified in Request")),
    }
}

/// Where the next page begins, as a text that no client can read.
fn to_token(key: &str) -> String {
    hex(key.as_bytes())
}

fn from_token(token: &str) -> S3Result<String> {
    let wrong = || invalid_argument("The continuation token provided is incorrect");
    let byte = |at| token.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..token.len()).step_by(2).map(byte).collect();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(wrong)
}
