//! Versioning, Object Lock, cross-origin rules and access logging.

use std::collections::BTreeSet;

use aws_sdk_s3::types::{
    CorsRule as SeenCors, DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode,
    ObjectLockRule,
};

use super::{
    Wanted,
    fields::{CORS, LOCK_DAYS, LOCK_MODE, LOGGING, LOGGING_PREFIX, OBJECT_LOCK, VERSIONING},
};
use crate::{
    bucket::{Bucket, CorsRule, LockMode, ObjectLock, filled},
    field::{ABSENT, Field},
};

/// Versioning. One that was on can only be suspended, and under Object Lock not even that.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html>
pub(super) fn versioning(wanted: &Wanted<'_>, bucket: &Bucket) -> Field {
    let observed = match bucket.versioning.as_deref() {
        Some("Enabled") => "on",
        Some(_) => "suspended",
        None => "off",
    };
    let on = wanted.spec.versioning;
    let same = on == (observed == "on");
    let field = VERSIONING.judged(if on { "on" } else { "off" }, observed, same);
    if !same && !on && bucket.object_lock.is_some() {
        return field
            .blocked("the bucket has Object Lock, under which versioning cannot be suspended: set versioning: true");
    }
    field
}

/// Object Lock and its default retention.
pub(super) fn lock_fields(wanted: &Wanted<'_>, bucket: &Bucket) -> Vec<Field> {
    let applied = wanted.status.applied.as_ref();
    let seen = bucket.object_lock.as_ref();
    let on = if seen.is_some() { "on" } else { "off" };
    let Some(lock) = &wanted.spec.object_lock else {
        // Validation keeps it in the spec; it does not see everything (rule 11).
        let was_on = applied.and_then(|applied| applied.get(OBJECT_LOCK.name)).is_some_and(|applied| applied == "on");
        let off = || OBJECT_LOCK.judged("off", on, false);
        let why = "Object Lock cannot be switched off, in AWS either: put objectLock back into the spec";
        return if was_on && seen.is_some() { vec![off().blocked(why)] } else { vec![] };
    };
    let retention = seen.and_then(|seen| seen.rule.as_ref()?.default_retention.as_ref());
    let mode = retention.and_then(|retention| retention.mode.as_ref()).map_or(ABSENT, mode_name);
    let period = retention.and_then(|kept| period(kept.days, kept.years)).unwrap_or_else(|| ABSENT.to_owned());
    let mut fields = vec![OBJECT_LOCK.field("on", on)];
    fields.extend(LOCK_MODE.optional(lock.mode.map(wanted_mode), mode, applied));
    fields.extend(LOCK_DAYS.optional(self::period(lock.days, lock.years), period, applied));
    fields
}

/// The configuration that switches Object Lock on, with the spec's default retention; where the spec has none, one that
/// was never ours stays.
pub(super) fn lock(spec: &ObjectLock, bucket: &Bucket, removed: bool) -> ObjectLockConfiguration {
    let seen = bucket.object_lock.as_ref().and_then(|seen| seen.rule.clone());
    let rule = match spec.mode {
        Some(mode) => {
            let mode = match mode {
                LockMode::Governance => ObjectLockRetentionMode::Governance,
                LockMode::Compliance => ObjectLockRetentionMode::Compliance,
            };
            let hold = seen.and_then(|rule| rule.default_retention?.default_event_hold);
            let retention = DefaultRetention::builder()
                .mode(mode)
                .set_days(spec.days)
                .set_years(spec.years)
                .set_default_event_hold(hold)
                .build();
            Some(ObjectLockRule::builder().default_retention(retention).build())
        }
        None if removed => None,
        None => seen,
    };
    ObjectLockConfiguration::builder().object_lock_enabled(ObjectLockEnabled::Enabled).set_rule(rule).build()
}

fn wanted_mode(mode: LockMode) -> &'static str {
    match mode {
        LockMode::Governance => "Governance",
        LockMode::Compliance => "Compliance",
    }
}

fn mode_name(mode: &ObjectLockRetentionMode) -> &str {
    match mode {
        ObjectLockRetentionMode::Governance => "Governance",
        ObjectLockRetentionMode::Compliance => "Compliance",
        other => other.as_str(),
    }
}

fn period(days: Option<i32>, years: Option<i32>) -> Option<String> {
    match (days, years) {
        (Some(days), _) => Some(format!("{days} days")),
        (None, Some(years)) => Some(format!("{years} years")),
        (None, None) => None,
    }
}

/// Where the access is logged.
pub(super) fn logging_fields(wanted: &Wanted<'_>, bucket: &Bucket) -> Vec<Field> {
    let seen = bucket.logging.as_ref();
    let target = seen.map_or(ABSENT, |seen| seen.target_bucket.as_str());
    match &wanted.spec.logging {
        Some(logging) => vec![
            LOGGING.field(filled(&logging.target_bucket, wanted.place), target),
            LOGGING_PREFIX.field(
                quoted(&logging.target_prefix),
                seen.map_or_else(|| ABSENT.to_owned(), |seen| quoted(&seen.target_prefix)),
            ),
        ],
        None => LOGGING.removed(target, wanted.status.applied.as_ref()).into_iter().collect(),
    }
}

fn quoted(text: &str) -> String {
    format!("'{text}'")
}

/// The cross-origin rules, compared as one: their order counts.
pub(super) fn cors_field(wanted: &Wanted<'_>, bucket: &Bucket) -> Option<Field> {
    let desired = wanted.spec.cors.as_ref().map(|rules| in_words(rules.iter().map(Cors::from)));
    let observed =
        bucket.cors.as_ref().map_or_else(|| ABSENT.to_owned(), |rules| in_words(rules.iter().map(Cors::from)));
    CORS.optional(desired, observed, wanted.status.applied.as_ref())
}

fn in_words<'a>(rules: impl Iterator<Item = Cors<'a>>) -> String {
    rules.map(|rule| rule.words()).collect::<Vec<_>>().join("; ")
}

/// A cross-origin rule by what it means: order and the case of headers mean nothing.
struct Cors<'a> {
    origins: BTreeSet<&'a str>,
    methods: BTreeSet<&'a str>,
    headers: BTreeSet<String>,
    exposed: BTreeSet<String>,
    seconds: Option<i32>,
}

impl Cors<'_> {
    fn words(&self) -> String {
        let list = |texts: &BTreeSet<String>| texts.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let plain = |texts: &BTreeSet<&str>| texts.iter().copied().collect::<Vec<_>>().join(", ");
        let parts = [
            Some(format!("{} from {}", plain(&self.methods), plain(&self.origins))),
            (!self.headers.is_empty()).then(|| format!("with {}", list(&self.headers))),
            (!self.exposed.is_empty()).then(|| format!("exposing {}", list(&self.exposed))),
            self.seconds.map(|seconds| format!("for {seconds} s")),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

fn caseless(headers: &[String]) -> BTreeSet<String> {
    headers.iter().map(|header| header.to_ascii_lowercase()).collect()
}

impl<'a> From<&'a CorsRule> for Cors<'a> {
    fn from(rule: &'a CorsRule) -> Self {
        Self {
            origins: rule.allowed_origins.iter().map(String::as_str).collect(),
            methods: rule.allowed_methods.iter().map(|method| method.name()).collect(),
            headers: caseless(&rule.allowed_headers),
            exposed: caseless(&rule.expose_headers),
            seconds: rule.max_age_seconds,
        }
    }
}

impl<'a> From<&'a SeenCors> for Cors<'a> {
    fn from(rule: &'a SeenCors) -> Self {
        Self {
            origins: rule.allowed_origins().iter().map(String::as_str).collect(),
            methods: rule.allowed_methods().iter().map(String::as_str).collect(),
            headers: caseless(rule.allowed_headers()),
            exposed: caseless(rule.expose_headers()),
            seconds: rule.max_age_seconds,
        }
    }
}
