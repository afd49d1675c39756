//! The steps of a bucket, as data, and their order.

use std::collections::BTreeMap;

use aws_sdk_s3::types::{
    LifecycleRule as SeenRule, ObjectLockConfiguration, TargetObjectKeyFormat, TransitionDefaultMinimumObjectSize,
};
use serde_json::Value;

use super::{
    Wanted,
    access::{document, to_add},
    fields::STATEMENTS,
    lifecycle,
    settings::lock,
};
use crate::{
    bucket::{Bucket, CorsRule, LifecycleRule, filled},
    decision::{self, Comparison},
    drift::tag_changes,
};

/// One mutation of a bucket.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Creates it, with its owner tags in the call itself.
    Create {
        /// All tags.
        tags: BTreeMap<String, String>,
    },
    /// All four public access blocks on. Before the policy: a public policy is then refused.
    PutPublicAccessBlock,
    /// BucketOwnerEnforced.
    PutOwnershipControls,
    /// SSE-S3, and SSE-C refused. A default of SSE-KMS stays.
    PutEncryption {
        /// What changes, in words.
        changes: Vec<String>,
    },
    /// Versioning on or suspended.
    PutVersioning {
        /// Whether on.
        enabled: bool,
    },
    /// Object Lock on, with its default retention. After versioning, which it needs.
    PutObjectLock {
        /// The configuration.
        lock: Box<ObjectLockConfiguration>,
        /// What changes, in words.
        changes: Vec<String>,
    },
    /// The whole policy.
    PutPolicy {
        /// The document.
        policy: Value,
        /// What changes, in words.
        changes: Vec<String>,
    },
    /// All lifecycle rules, others' included.
    PutLifecycle {
        /// Those that stay as they are.
        keep: Vec<SeenRule>,
        /// Ours that change.
        put: Vec<LifecycleRule>,
        /// Which objects are too small to be moved: as it is.
        minimum_object_size: Option<TransitionDefaultMinimumObjectSize>,
        /// What changes, in words.
        changes: Vec<String>,
    },
    /// All cross-origin rules; none takes the configuration away.
    PutCors {
        /// The rules.
        rules: Vec<CorsRule>,
        /// What changes, in words.
        changes: Vec<String>,
    },
    /// Where the access is logged.
    PutLogging {
        /// Where to; nowhere if absent.
        to: Option<LogTarget>,
        /// What changes, in words.
        changes: Vec<String>,
    },
    /// The whole tag set, others' tags included.
    PutTags {
        /// All tags.
        tags: BTreeMap<String, String>,
        /// What changes, in words.
        changes: Vec<String>,
    },
    /// Deletes up to 1,000 versions and delete markers.
    Empty,
    /// Deletes the bucket; S3 itself refuses one that is not empty.
    Delete,
}

/// Where the access to a bucket is logged.
#[derive(Clone, Debug, PartialEq)]
pub struct LogTarget {
    /// The bucket that takes the logs.
    pub bucket: String,
    /// Begins their keys.
    pub prefix: String,
    /// How their keys go on: as it is.
    pub key_format: Option<TargetObjectKeyFormat>,
}

impl decision::Step for Step {
    fn call(&self) -> &'static str {
        match self {
            Self::Create { .. } => "s3:CreateBucket",
            Self::PutPublicAccessBlock => "s3:PutPublicAccessBlock",
            Self::PutOwnershipControls => "s3:PutBucketOwnershipControls",
            Self::PutEncryption { .. } => "s3:PutBucketEncryption",
            Self::PutVersioning { .. } => "s3:PutBucketVersioning",
            Self::PutObjectLock { .. } => "s3:PutObjectLockConfiguration",
            Self::PutPolicy { .. } => "s3:PutBucketPolicy",
            Self::PutLifecycle { keep, put, .. } if keep.is_empty() && put.is_empty() => "s3:DeleteBucketLifecycle",
            Self::PutLifecycle { .. } => "s3:PutBucketLifecycleConfiguration",
            Self::PutCors { rules, .. } if rules.is_empty() => "s3:DeleteBucketCors",
            Self::PutCors { .. } => "s3:PutBucketCors",
            Self::PutLogging { .. } => "s3:PutBucketLogging",
            Self::PutTags { .. } => "s3:PutBucketTagging",
            Self::Empty => "s3:DeleteObjects",
            Self::Delete => "s3:DeleteBucket",
        }
    }

    fn changes(&self) -> Vec<String> {
        match self {
            Self::Create { .. } => vec!["create the bucket".into()],
            Self::PutPublicAccessBlock => vec!["publicAccessBlock: all four on".into()],
            Self::PutOwnershipControls => vec!["objectOwnership: BucketOwnerEnforced".into()],
            Self::PutVersioning { enabled } => {
                vec![format!("versioning: {}", if *enabled { "on" } else { "suspended" })]
            }
            Self::PutEncryption { changes }
            | Self::PutObjectLock { changes, .. }
            | Self::PutPolicy { changes, .. }
            | Self::PutLifecycle { changes, .. }
            | Self::PutCors { changes, .. }
            | Self::PutLogging { changes, .. }
            | Self::PutTags { changes, .. } => changes.clone(),
            Self::Empty => vec!["delete objects, versions and delete markers".into()],
            Self::Delete => vec!["delete the bucket".into()],
        }
    }

    fn guarded(&self) -> bool {
        matches!(self, Self::Create { .. } | Self::Empty | Self::Delete)
    }
}

/// The steps for the fields that differ and may be corrected. What closes a door comes first, in the order that S3
/// wants; what the spec adds and S3 may refuse comes last, since after a refusal the rest is not done.
pub(super) fn steps(wanted: &Wanted<'_>, bucket: &Bucket, compared: &Comparison) -> Vec<Step> {
    let spec = wanted.spec;
    let names = compared.to_correct(wanted.drift_policy);
    let has = |name: &str| names.contains(&name);
    let of = |row: &str| within(row, &names);
    let words = |names: &[&str]| -> Vec<String> {
        let differing = compared.differences.iter().map(|difference| &difference.field);
        let these = differing.filter(|field| names.contains(&field.name.as_str()));
        these.map(|field| format!("{}: {}", field.name, field.desired)).collect()
    };
    let mut steps = Vec::new();
    let mut step = |names: &[&str], make: &dyn Fn(Vec<String>) -> Option<Step>| {
        if !names.is_empty() {
            steps.extend(make(words(names)));
        }
    };
    step(&of("publicAccessBlock"), &|_| Some(Step::PutPublicAccessBlock));
    step(&of("objectOwnership"), &|_| Some(Step::PutOwnershipControls));
    step(&of("encryption"), &|changes| Some(Step::PutEncryption { changes }));
    step(&of("versioning"), &|_| Some(Step::PutVersioning { enabled: spec.versioning }));
    let (added, enforced): (Vec<_>, Vec<_>) =
        of("policy").into_iter().partition(|name| !within(STATEMENTS.name, &[name]).is_empty());
    step(&enforced, &|changes| {
        Some(Step::PutPolicy { policy: document(wanted, bucket, compared, &enforced), changes })
    });
    step(&of("tags"), &|changes| {
        let (set, gone) = tag_changes(&wanted.tags(&spec.tags), &names);
        let mut tags = bucket.tags.clone();
        tags.retain(|key, _| !gone.contains(key));
        tags.extend(set);
        Some(Step::PutTags { tags, changes })
    });
    step(&of("objectLock"), &|changes| {
        let lock = lock(spec.object_lock.as_ref()?, bucket, has("objectLock.mode"));
        Some(Step::PutObjectLock { lock: Box::new(lock), changes })
    });
    step(&of("lifecycle"), &|changes| {
        let (keep, put) = lifecycle::merged(wanted, bucket, compared, &names);
        let minimum_object_size = bucket.lifecycle.minimum_object_size.clone();
        Some(Step::PutLifecycle { keep, put, minimum_object_size, changes })
    });
    step(&of("cors"), &|changes| Some(Step::PutCors { rules: spec.cors.clone().unwrap_or_default(), changes }));
    let added = to_add(wanted, bucket, compared, &added);
    step(&added, &|changes| {
        let all: Vec<_> = enforced.iter().chain(&added).copied().collect();
        Some(Step::PutPolicy { policy: document(wanted, bucket, compared, &all), changes })
    });
    step(&of("logging"), &|changes| {
        let to = spec.logging.as_ref().map(|logging| LogTarget {
            bucket: filled(&logging.target_bucket, wanted.place),
            prefix: logging.target_prefix.clone(),
            key_format: bucket.logging.as_ref().and_then(|seen| seen.target_object_key_format.clone()),
        });
        Some(Step::PutLogging { to, changes })
    });
    steps
}

/// The names that are this row's, or one of its entries.
fn within<'a>(row: &str, names: &[&'a str]) -> Vec<&'a str> {
    let is = |name: &&str| name.strip_prefix(row).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    names.iter().copied().filter(is).collect()
}
