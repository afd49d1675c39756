//! Object Lock: what keeps object versions from being deleted.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html>

use jiff::{SignedDuration, Timestamp};
use s3s::S3Result;
use s3s::dto::{DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode};

use super::bucket::{Bucket, Versioning};
use super::refusal::{invalid_argument, malformed_xml, refusal};

/// A bucket's Object Lock. Once it is on it stays on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObjectLock {
    /// The retention of new objects that name none.
    pub default_retention: Option<DefaultRetention>,
}

/// How long a version is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Retention {
    /// `GOVERNANCE` or `COMPLIANCE`.
    pub mode: String,
    /// Until when.
    pub until: Timestamp,
}

impl ObjectLock {
    /// The retention of an object that is written now.
    pub fn retention(&self, now: Timestamp) -> Option<Retention> {
        let rule = self.default_retention.as_ref()?;
        let days = i64::from(rule.days.unwrap_or_default()) + 365 * i64::from(rule.years.unwrap_or_default());
        let until = now.checked_add(SignedDuration::from_hours(24 * days)).ok()?;
        Some(Retention { mode: rule.mode.as_ref()?.as_str().to_owned(), until })
    }
}

/// Switches it on, or changes the default retention: since November 2023 on every versioned bucket,
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-configure.html>,
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectLockConfiguration.html>.
pub fn put(bucket: &mut Bucket, asked: Option<&ObjectLockConfiguration>) -> S3Result<()> {
    let asked = asked.ok_or_else(malformed_xml)?;
    if asked.object_lock_enabled.as_ref().is_none_or(|enabled| enabled.as_str() != ObjectLockEnabled::ENABLED) {
        return Err(malformed_xml());
    }
    let default_retention = match &asked.rule {
        None => None,
        Some(rule) => Some(checked(rule.default_retention.as_ref().ok_or_else(malformed_xml)?)?),
    };
    if bucket.versioning != Versioning::Enabled {
        return Err(refusal(
            "InvalidBucketState",
            409,
            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
        ));
    }
    bucket.object_lock = Some(ObjectLock { default_retention });
    Ok(())
}

/// A mode and either days or years,
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DefaultRetention.html>; at most 100 years,
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html>.
fn checked(retention: &DefaultRetention) -> S3Result<DefaultRetention> {
    let mode = retention.mode.as_ref().map(ObjectLockRetentionMode::as_str);
    if !matches!(mode, Some(ObjectLockRetentionMode::GOVERNANCE | ObjectLockRetentionMode::COMPLIANCE)) {
        return Err(malformed_xml());
    }
    let (period, most) = match (retention.days, retention.years) {
        (Some(days), None) => (days, 36_500),
        (None, Some(years)) => (years, 100),
        _ => return Err(malformed_xml()),
    };
    if period <= 0 {
        return Err(invalid_argument("Default retention period must be a positive integer value."));
    }
    if period > most {
        return Err(invalid_argument("Default retention period is too large."));
    }
    Ok(retention.clone())
}

/// Under Object Lock versioning stays on,
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketVersioning.html>.
pub fn check_versioning(bucket: &Bucket, asked: Versioning) -> S3Result<()> {
    if bucket.object_lock.is_some() && asked != Versioning::Enabled {
        return Err(refusal(
            "InvalidBucketState",
            409,
            "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
        ));
    }
    Ok(())
}

/// 403 for a version that is still kept.
pub fn protected() -> s3s::S3Error {
    refusal("AccessDenied", 403, "Access Denied because object protected by object lock.")
}

#[cfg(test)]
mod tests {
    use s3s::dto::ObjectLockRule;

    use super::*;

    fn asked(mode: &'static str, days: Option<i32>, years: Option<i32>) -> ObjectLockConfiguration {
        let mode = Some(ObjectLockRetentionMode::from_static(mode));
        ObjectLockConfiguration {
            object_lock_enabled: Some(ObjectLockEnabled::from_static(ObjectLockEnabled::ENABLED)),
            rule: Some(ObjectLockRule { default_retention: Some(DefaultRetention { days, mode, years }) }),
        }
    }

    #[test]
    fn a_period_needs_a_mode_and_is_days_or_years() {
        let refused = |asked: &ObjectLockConfiguration| {
            let retention = asked.rule.as_ref().and_then(|rule| rule.default_retention.clone()).expect("a retention");
            checked(&retention).err().map(|error| error.code().as_str().to_owned())
        };
        assert_eq!(refused(&asked("GOVERNANCE", Some(1), None)), None);
        assert_eq!(refused(&asked("COMPLIANCE", None, Some(100))), None);
        for (wrong, code) in [
            (asked("GOVERNANCE", Some(1), Some(1)), "MalformedXML"),
            (asked("GOVERNANCE", None, None), "MalformedXML"),
            (asked("Governance", Some(1), None), "MalformedXML"),
            (asked("GOVERNANCE", Some(0), None), "InvalidArgument"),
            (asked("GOVERNANCE", None, Some(101)), "InvalidArgument"),
        ] {
            assert_eq!(refused(&wrong).as_deref(), Some(code), "{wrong:?}");
        }
    }

    #[test]
    fn a_year_is_365_days() {
        let rule = asked("COMPLIANCE", None, Some(1)).rule.and_then(|rule| rule.default_retention);
        let kept = ObjectLock { default_retention: rule }.retention(Timestamp::UNIX_EPOCH).expect("it is kept");
        assert_eq!((kept.mode.as_str(), kept.until.as_second()), ("COMPLIANCE", 365 * 86_400));
        assert_eq!(ObjectLock::default().retention(Timestamp::UNIX_EPOCH), None);
    }
}
