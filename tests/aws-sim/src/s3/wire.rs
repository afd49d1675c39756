//! Around `s3s`: what a request carries that `s3s` does not read, and what
//! every answer has.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use quick_xml::Reader;
use quick_xml::events::Event;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::dto::{Checksum, Tag};
use s3s::{Body, S3Result};

use super::chunked;
use super::objects::hex;
use super::refusal::{malformed_xml, not_served, refusal};
use super::served::{Served, without_signature};

/// What newer SDKs send and `s3s` 0.14 leaves out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extras {
    /// `Tags` of `CreateBucketConfiguration`.
    pub tags: Vec<Tag>,
    /// `BlockedEncryptionTypes` of `ServerSideEncryptionRule`.
    pub blocked: Option<Vec<String>>,
}

/// In an answer's extensions: what `s3s` cannot write. It goes into the
/// element `Rule`.
#[derive(Clone, Debug)]
pub struct Blocked(pub Vec<String>);

/// Makes a request one that `s3s` reads: decoded, whole, and unsigned, since
/// `s3s` would verify a signature, and here any secret key is good.
pub fn prepare(operation: &str, parts: &mut Parts, body: Bytes) -> S3Result<Bytes> {
    let served = Served::find(operation)?;
    served.check_headers(parts)?;
    let body = unchunk(parts, body)?;
    check_integrity(operation, &parts.headers, &body)?;
    let body = if served.elements.is_empty() || body.is_empty() {
        body
    } else {
        let (extras, rest) = take_extras(served.elements, &body)?;
        parts.extensions.insert(extras);
        rest
    };
    parts.headers.remove(header::AUTHORIZATION);
    parts.uri = without_signature(&parts.uri);
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    Ok(body)
}

/// Takes off `aws-chunked`; trailing headers become headers.
pub fn unchunk(parts: &mut Parts, body: Bytes) -> S3Result<Bytes> {
    let streaming =
        parts.headers.get("x-amz-content-sha256").is_some_and(|sum| sum.as_bytes().starts_with(b"STREAMING-"));
    let coding = parts.headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    let coding = coding.unwrap_or_default().to_owned();
    let codings: Vec<&str> = coding.split(',').map(str::trim).filter(|c| !c.is_empty()).collect();
    if !streaming && !codings.contains(&"aws-chunked") {
        return Ok(body);
    }
    let incomplete = || refusal("IncompleteBody", 400, "The request body terminated unexpectedly");
    let decoded = chunked::decode(&body).ok_or_else(incomplete)?;
    let promised = parts.headers.remove("x-amz-decoded-content-length");
    let promised = promised.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if promised.is_some_and(|length| length != decoded.body.len()) {
        return Err(incomplete());
    }
    // https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html:
    // the object is stored without `aws-chunked`.
    let kept: Vec<&str> = codings.into_iter().filter(|coding| *coding != "aws-chunked").collect();
    let kept = HeaderValue::from_str(&kept.join(",")).ok().filter(|value| !value.is_empty());
    match kept {
        Some(value) => parts.headers.insert(header::CONTENT_ENCODING, value),
        None => parts.headers.remove(header::CONTENT_ENCODING),
    };
    for name in ["x-amz-trailer", "x-amz-content-sha256"] {
        parts.headers.remove(name);
    }
    parts.headers.extend(decoded.trailers);
    Ok(decoded.body.into())
}

/// The checksums of a body that these headers name.
fn checksums(headers: &HeaderMap, body: &[u8]) -> Checksum {
    let has = |name: &str| headers.contains_key(name);
    let mut hasher = ChecksumHasher {
        crc32: has("x-amz-checksum-crc32").then(Crc32::new),
        crc32c: has("x-amz-checksum-crc32c").then(Crc32c::new),
        sha1: has("x-amz-checksum-sha1").then(Sha1::new),
        sha256: has("x-amz-checksum-sha256").then(Sha256::new),
        crc64nvme: has("x-amz-checksum-crc64nvme").then(Crc64Nvme::new),
    };
    hasher.update(body);
    hasher.finalize()
}

/// Holds a body against the checksums that it was sent with,
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html>.
fn check_integrity(operation: &str, headers: &HeaderMap, body: &[u8]) -> S3Result<()> {
    let sums = checksums(headers, body);
    let pairs = [
        ("CRC32", "x-amz-checksum-crc32", sums.checksum_crc32),
        ("CRC32C", "x-amz-checksum-crc32c", sums.checksum_crc32c),
        ("CRC64NVME", "x-amz-checksum-crc64nvme", sums.checksum_crc64nvme),
        ("SHA1", "x-amz-checksum-sha1", sums.checksum_sha1),
        ("SHA256", "x-amz-checksum-sha256", sums.checksum_sha256),
    ];
    let mut sent = false;
    for (algorithm, name, sum) in pairs {
        let Some(sum) = sum else { continue };
        sent = true;
        if headers.get(name).is_none_or(|value| value != sum.as_str()) {
            return Err(refusal(
                "BadDigest",
                400,
                format!("The {algorithm} you specified did not match the calculated checksum."),
            ));
        }
    }
    if let Some(md5) = headers.get("content-md5") {
        sent = true;
        let md5 = BASE64_STANDARD
            .decode(md5)
            .ok()
            .filter(|md5| md5.len() == 16)
            .ok_or_else(|| refusal("InvalidDigest", 400, "The Content-MD5 you specified was invalid."))?;
        if md5 != Md5::checksum(body) {
            return Err(refusal("BadDigest", 400, "The Content-MD5 you specified did not match what we received."));
        }
    }
    // https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html and the others' pages
    let needed = ["DeleteObjects", "PutBucketLifecycleConfiguration", "PutBucketCors", "PutObjectLockConfiguration"];
    if needed.contains(&operation) && !sent {
        return Err(refusal(
            "InvalidRequest",
            400,
            "Missing required header for this request: Content-MD5 OR x-amz-checksum-*",
        ));
    }
    Ok(())
}

/// Refuses elements that would be passed over, and takes out what `s3s` does
/// not read.
fn take_extras(known: &[&str], body: &Bytes) -> S3Result<(Extras, Bytes)> {
    let malformed = |_| malformed_xml();
    let mut extras = Extras::default();
    let mut rest = BytesMut::new();
    let mut reader = Reader::from_reader(body.as_ref());
    reader.config_mut().expand_empty_elements = true;
    let mut path: Vec<String> = Vec::new();
    let mut text = String::new();
    loop {
        let begin = position(&reader);
        let event = reader.read_event().map_err(|_| malformed_xml())?;
        let mut taken = is_extra(&path);
        match &event {
            Event::Start(start) => {
                let name = String::from_utf8_lossy(start.local_name().as_ref()).into_owned();
                if !known.contains(&name.as_str()) {
                    return Err(not_served(format_args!("the element {name}")));
                }
                path.push(name);
                text.clear();
                taken = is_extra(&path);
                open(&path, &mut extras);
            }
            Event::Text(part) => text.push_str(&part.decode().map_err(malformed)?),
            Event::CData(part) => text.push_str(&part.decode().map_err(malformed)?),
            Event::GeneralRef(reference) => {
                let escaped = format!("&{};", reference.decode().map_err(malformed)?);
                text.push_str(&quick_xml::escape::unescape(&escaped).map_err(|_| malformed_xml())?);
            }
            Event::End(_) => {
                close(&path, &text, &mut extras);
                path.pop();
                text.clear();
            }
            Event::Eof if path.is_empty() => return Ok((extras, rest.freeze())),
            Event::Eof => return Err(malformed_xml()),
            // Empty elements come as a start and an end.
            Event::Empty(_) | Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::DocType(_) => {}
        }
        if !taken {
            rest.extend_from_slice(&body[begin..position(&reader)]);
        }
    }
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

/// Whether this is, or is in, an element that `s3s` does not read.
fn is_extra(path: &[String]) -> bool {
    let named = |at: usize, name: &str| path.get(at).is_some_and(|one| one == name);
    (named(0, "CreateBucketConfiguration") && named(1, "Tags"))
        || (named(1, "Rule") && named(2, "BlockedEncryptionTypes"))
}

fn names(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}

fn open(path: &[String], extras: &mut Extras) {
    match names(path).as_slice() {
        ["CreateBucketConfiguration", "Tags", "Tag"] => extras.tags.push(Tag::default()),
        [_, "Rule", "BlockedEncryptionTypes"] => extras.blocked = Some(Vec::new()),
        _ => {}
    }
}

fn close(path: &[String], text: &str, extras: &mut Extras) {
    match names(path).as_slice() {
        ["CreateBucketConfiguration", "Tags", "Tag", member] => {
            if let Some(tag) = extras.tags.last_mut() {
                let text = Some(text.to_owned());
                if *member == "Key" { tag.key = text } else { tag.value = text }
            }
        }
        [_, "Rule", "BlockedEncryptionTypes", "EncryptionType"] => {
            extras.blocked.get_or_insert_default().push(text.to_owned());
        }
        _ => {}
    }
}

/// In an answer's extensions: a status that `s3s` does not give it.
#[derive(Clone, Copy, Debug)]
pub struct Status(pub StatusCode);

/// Gives an answer what all of AWS's have: ids, the bucket in errors, no body
/// where HTTP has none.
pub async fn finish(method: &Method, bucket: Option<&str>, response: Response<Body>, id: &str) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let mut body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            tracing::error!(error, "an S3 answer broke off");
            parts.status = StatusCode::INTERNAL_SERVER_ERROR;
            Bytes::new()
        }
    };
    if let Some(Blocked(types)) = parts.extensions.get::<Blocked>() {
        let one = |name: &String| element("EncryptionType", name);
        let types: Vec<String> = types.iter().map(one).collect();
        let blocked = format!("<BlockedEncryptionTypes>{}</BlockedEncryptionTypes>", types.concat());
        body = insert(&body, "</Rule>", &blocked);
    }
    if let Some(Status(status)) = parts.extensions.get() {
        parts.status = *status;
    }
    let failed = !parts.status.is_success();
    if failed {
        // https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#RESTErrorResponses
        let region = parts.headers.get("x-amz-bucket-region").and_then(|value| value.to_str().ok());
        let more = [
            region.map(|region| element("Endpoint", &format!("s3.{region}.amazonaws.com"))),
            bucket.map(|bucket| element("BucketName", bucket)),
            Some(element("RequestId", id)),
            Some(element("HostId", &host_id(id))),
        ];
        let more = more.into_iter().flatten().collect::<Vec<_>>().concat();
        body = insert(&body, "</Error>", &more);
    }
    // https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html: no
    // message body, so only the status tells.
    if (method == Method::HEAD && failed) || parts.status == StatusCode::NOT_MODIFIED {
        body = Bytes::new();
    }
    if let Ok(value) = HeaderValue::from_str(id) {
        parts.headers.insert("x-amz-request-id", value);
    }
    if let Ok(value) = HeaderValue::from_str(&host_id(id)) {
        parts.headers.insert("x-amz-id-2", value);
    }
    parts.headers.insert(header::SERVER, HeaderValue::from_static("AmazonS3"));
    Response::from_parts(parts, Body::from(body))
}

fn host_id(id: &str) -> String {
    BASE64_STANDARD.encode(hex(&Sha256::checksum(id.as_bytes())))
}

fn element(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", quick_xml::escape::escape(text))
}

/// A body with more before its last end tag of this kind.
fn insert(body: &Bytes, end: &str, more: &str) -> Bytes {
    match std::str::from_utf8(body).ok().and_then(|body| body.rsplit_once(end)) {
        Some((before, after)) => format!("{before}{more}{end}{after}").into(),
        None => body.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATE: [&str; 6] = ["CreateBucketConfiguration", "LocationConstraint", "Tags", "Tag", "Key", "Value"];

    fn read(known: &[&str], body: &'static str) -> S3Result<(Extras, Bytes)> {
        take_extras(known, &Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn tags_of_a_new_bucket() {
        let (extras, rest) = read(
            &CREATE,
            "<CreateBucketConfiguration xmlns=\"x\"><LocationConstraint>EU</LocationConstraint><Tags><Tag>\
             <Key>a</Key><Value>1 &amp; 2</Value></Tag><Tag><Value/><Key>b</Key></Tag></Tags>\
             </CreateBucketConfiguration>",
        )
        .expect("well formed");
        let pairs: Vec<_> = extras.tags.iter().map(|tag| (tag.key.as_deref(), tag.value.as_deref())).collect();
        assert_eq!(pairs, [(Some("a"), Some("1 & 2")), (Some("b"), Some(""))]);
        assert_eq!(
            rest,
            "<CreateBucketConfiguration xmlns=\"x\"><LocationConstraint>EU</LocationConstraint></CreateBucketConfiguration>"
        );
    }

    #[test]
    fn blocked_types_said_or_not() {
        let known = ["C", "Rule", "BlockedEncryptionTypes", "EncryptionType"];
        let said = "<C><Rule><BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes></Rule></C>";
        let (extras, rest) = read(&known, said).expect("well formed");
        assert_eq!(extras.blocked.as_deref(), Some(["SSE-C".to_owned()].as_slice()));
        assert_eq!(rest, "<C><Rule></Rule></C>");
        assert_eq!(read(&known, "<C><Rule/></C>").expect("well formed").0.blocked, None);
    }

    #[test]
    fn unknown_elements_are_not_passed_over() {
        let error = read(&CREATE, "<CreateBucketConfiguration><Bucket/></CreateBucketConfiguration>")
            .expect_err("directory buckets are not served");
        assert_eq!(error.status_code(), Some(StatusCode::NOT_IMPLEMENTED));
        let error = read(&CREATE, "<CreateBucketConfiguration>").expect_err("cut short");
        assert_eq!(error.code().as_str(), "MalformedXML");
    }

    #[test]
    fn a_wrong_checksum_is_a_bad_digest() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-checksum-crc32", HeaderValue::from_static("DUoRhQ=="));
        assert!(check_integrity("PutObject", &headers, b"hello world").is_ok());
        let error = check_integrity("PutObject", &headers, b"hello").expect_err("another body");
        assert_eq!(error.code().as_str(), "BadDigest");
        let error = check_integrity("DeleteObjects", &HeaderMap::new(), b"").expect_err("no checksum");
        assert_eq!(error.code().as_str(), "InvalidRequest");
    }
}
