//! The objects of a bucket: versions, delete markers and what becomes of them.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use s3s::S3Result;
use s3s::crypto::{Checksum as _, Sha256};
use s3s::dto::{Checksum, Metadata};

use super::bucket::Versioning;
use super::lock::{Retention, protected};
use super::refusal::{refusal, with};

/// The id under which AWS shows a version that has none.
pub const NULL_VERSION: &str = "null";

/// How an object's bytes are encrypted.
#[derive(Clone, Debug, PartialEq)]
pub struct Encryption {
    /// `AES256`, `aws:kms` or `aws:kms:dsse`.
    pub algorithm: String,
    /// The ARN of the KMS key, if KMS has one.
    pub kms_key: Option<String>,
    /// Whether a bucket key stands between.
    pub bucket_key: bool,
}

/// An object's bytes and what was said about them.
#[derive(Clone, Debug)]
pub struct Object {
    /// The bytes.
    pub body: Bytes,
    /// The entity tag, without quotes.
    pub e_tag: String,
    /// How it is encrypted.
    pub encryption: Encryption,
    /// The checksum that it was sent with, or AWS's default one.
    pub checksum: Checksum,
    /// `x-amz-meta-…`.
    pub metadata: Option<Metadata>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Content-Encoding`, without `aws-chunked`.
    pub content_encoding: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// How long it is kept at least.
    pub retention: Option<Retention>,
}

impl Object {
    /// One without a byte, and of which nothing is said.
    pub fn empty() -> Self {
        Self {
            body: Bytes::new(),
            e_tag: "d41d8cd98f00b204e9800998ecf8427e".to_owned(),
            encryption: Encryption { algorithm: "AES256".to_owned(), kms_key: None, bucket_key: false },
            checksum: Checksum::default(),
            metadata: None,
            content_type: None,
            content_encoding: None,
            content_disposition: None,
            content_language: None,
            cache_control: None,
            retention: None,
        }
    }
}

/// One entry in the history of a key.
#[derive(Clone, Debug)]
pub struct Version {
    /// `null` or an id.
    pub id: String,
    /// When it was written.
    pub modified: Timestamp,
    /// The object; `None` for a delete marker.
    pub object: Option<Object>,
}

/// What a deletion did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Deletion {
    /// The version that was removed, or the marker that was laid.
    pub version: Option<String>,
    /// Whether that is a delete marker.
    pub marker: bool,
}

/// All versions of all keys of one bucket.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// Newest first.
    keys: BTreeMap<String, Vec<Version>>,
    written: u64,
}

impl Objects {
    /// Whether nothing is left: no version and no delete marker.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Every version and delete marker: by key, then the newest first, with
    /// whether it is its key's newest.
    pub fn versions(&self) -> impl Iterator<Item = (&str, &Version, bool)> {
        self.keys.iter().flat_map(|(key, versions)| {
            versions.iter().enumerate().map(|(at, version)| (key.as_str(), version, at == 0))
        })
    }

    /// The current object of each key that has one.
    pub fn current(&self) -> impl Iterator<Item = (&str, &Version, &Object)> {
        self.keys.iter().filter_map(|(key, versions)| {
            let version = versions.first()?;
            Some((key.as_str(), version, version.object.as_ref()?))
        })
    }

    /// Writes an object; the answer is the version id that AWS shows: none
    /// where versioning has never been on.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/AddingObjectstoVersioningSuspendedBuckets.html>
    pub fn put(&mut self, key: &str, object: Object, versioning: Versioning, now: Timestamp) -> Option<String> {
        let id = self.write(key, Some(object), versioning, now);
        (versioning != Versioning::Off).then_some(id)
    }

    /// Deletes a key, or one version of it.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeletingObjectVersions.html>,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeletingObjectsfromVersioningSuspendedBuckets.html>;
    /// a version that is kept stays,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html#object-lock-overview>.
    pub fn delete(
        &mut self,
        key: &str,
        version: Option<&str>,
        versioning: Versioning,
        now: Timestamp,
    ) -> S3Result<Deletion> {
        if let Some(version) = version {
            let kept = self.keys.get(key).into_iter().flatten().any(|other| {
                let retention = other.object.as_ref().and_then(|object| object.retention.as_ref());
                other.id == version && retention.is_some_and(|retention| now < retention.until)
            });
            if kept {
                return Err(protected());
            }
            let removed = self.remove(key, version);
            return Ok(Deletion {
                version: Some(version.to_owned()),
                marker: removed.is_some_and(|version| version.object.is_none()),
            });
        }
        if versioning == Versioning::Off {
            self.remove(key, NULL_VERSION);
            return Ok(Deletion::default());
        }
        let id = self.write(key, None, versioning, now);
        Ok(Deletion { version: Some(id), marker: true })
    }

    /// Finds an object. A delete marker answers 404 if it is the newest and
    /// 405 if it is asked for by its id,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeleteMarker.html>.
    pub fn get(&self, key: &str, version: Option<&str>) -> S3Result<(&Version, &Object)> {
        let missing = || refusal("NoSuchKey", 404, "The specified key does not exist.");
        let versions = self.keys.get(key);
        let found = match version {
            None => versions.and_then(|versions| versions.first()).ok_or_else(missing)?,
            Some(id) => versions
                .and_then(|versions| versions.iter().find(|version| version.id == id))
                .ok_or_else(|| refusal("NoSuchVersion", 404, "The specified version does not exist."))?,
        };
        if let Some(object) = &found.object {
            return Ok((found, object));
        }
        let mut error = if version.is_none() {
            missing()
        } else {
            refusal("MethodNotAllowed", 405, "The specified method is not allowed against this resource.")
        };
        let mut headers = with("x-amz-delete-marker", "true");
        headers.extend(with("x-amz-version-id", &found.id));
        error.set_headers(headers);
        Err(error)
    }

    /// The entity tag of the current object, if there is one.
    pub fn e_tag(&self, key: &str) -> Option<&str> {
        let version = self.keys.get(key)?.first()?;
        Some(&version.object.as_ref()?.e_tag)
    }

    fn write(&mut self, key: &str, object: Option<Object>, versioning: Versioning, now: Timestamp) -> String {
        let id = if versioning == Versioning::Enabled {
            self.written += 1;
            hex(&Sha256::checksum(format!("{key}\0{}", self.written).as_bytes())[..16])
        } else {
            self.remove(key, NULL_VERSION);
            NULL_VERSION.to_owned()
        };
        let version = Version { id: id.clone(), modified: now, object };
        self.keys.entry(key.to_owned()).or_default().insert(0, version);
        id
    }

    fn remove(&mut self, key: &str, version: &str) -> Option<Version> {
        let versions = self.keys.get_mut(key)?;
        let at = versions.iter().position(|other| other.id == version)?;
        let removed = versions.remove(at);
        if versions.is_empty() {
            self.keys.remove(key);
        }
        Some(removed)
    }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes all that is written");
        text
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn object(body: &'static str) -> Object {
        Object { body: Bytes::from_static(body.as_bytes()), e_tag: body.to_owned(), ..Object::empty() }
    }

    fn history(objects: &Objects) -> Vec<String> {
        objects
            .versions()
            .map(|(_, version, _)| match &version.object {
                Some(object) => object.e_tag.clone(),
                None => "marker".to_owned(),
            })
            .collect()
    }

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn without_versioning_the_last_one_wins_and_deletion_is_for_good() {
        let mut objects = Objects::default();
        assert_eq!(objects.put("k", object("1"), Versioning::Off, NOW), None);
        assert_eq!(objects.put("k", object("2"), Versioning::Off, NOW), None);
        assert_eq!(history(&objects), ["2"]);
        assert_eq!(objects.delete("k", None, Versioning::Off, NOW).expect("nothing keeps it"), Deletion::default());
        assert!(objects.is_empty());
    }

    #[test]
    fn with_versioning_nothing_is_lost_until_each_version_is_deleted() {
        let mut objects = Objects::default();
        let first = objects.put("k", object("1"), Versioning::Enabled, NOW);
        objects.put("k", object("2"), Versioning::Enabled, NOW);
        let marker = objects.delete("k", None, Versioning::Enabled, NOW).expect("nothing keeps it");
        assert!(marker.marker);
        assert_eq!(history(&objects), ["marker", "2", "1"]);
        assert_eq!(objects.get("k", None).err().map(|e| e.code().as_str().to_owned()).as_deref(), Some("NoSuchKey"));
        let by_id = objects.get("k", marker.version.as_deref()).err();
        assert_eq!(by_id.map(|e| e.code().as_str().to_owned()).as_deref(), Some("MethodNotAllowed"));
        assert_eq!(objects.get("k", first.as_deref()).expect("still there").1.e_tag, "1");

        let removed =
            objects.delete("k", marker.version.as_deref(), Versioning::Enabled, NOW).expect("nothing keeps it");
        assert!(removed.marker);
        assert_eq!(objects.get("k", None).expect("is back").1.e_tag, "2");
        let ids: Vec<String> = objects.versions().map(|(_, version, _)| version.id.clone()).collect();
        for id in ids {
            assert!(!objects.is_empty());
            objects.delete("k", Some(&id), Versioning::Enabled, NOW).expect("nothing keeps it");
        }
        assert!(objects.is_empty());
    }

    #[test]
    fn while_suspended_only_the_null_version_is_replaced() {
        let mut objects = Objects::default();
        objects.put("k", object("before"), Versioning::Off, NOW);
        objects.put("k", object("1"), Versioning::Enabled, NOW);
        let shown = objects.put("k", object("null"), Versioning::Suspended, NOW);
        assert_eq!(shown.as_deref(), Some(NULL_VERSION));
        assert_eq!(history(&objects), ["null", "1"]);
        let marker = objects.delete("k", None, Versioning::Suspended, NOW).expect("nothing keeps it");
        assert_eq!(marker, Deletion { version: Some(NULL_VERSION.to_owned()), marker: true });
        assert_eq!(history(&objects), ["marker", "1"]);
    }

    #[test]
    fn a_version_that_is_kept_stays_and_a_delete_marker_is_laid_upon_it() {
        let day = |n: i64| Timestamp::from_second(n * 86_400).expect("in range");
        let mut objects = Objects::default();
        let kept =
            Object { retention: Some(Retention { mode: "COMPLIANCE".to_owned(), until: day(30) }), ..object("1") };
        let id = objects.put("k", kept, Versioning::Enabled, day(0)).expect("an id");
        let refused = objects.delete("k", Some(&id), Versioning::Enabled, day(29)).expect_err("it is kept");
        assert_eq!(refused.code().as_str(), "AccessDenied");
        assert!(objects.delete("k", None, Versioning::Enabled, day(29)).expect("a marker").marker);
        assert!(objects.delete("k", Some(&id), Versioning::Enabled, day(30)).is_ok(), "its time is over");
    }
}
