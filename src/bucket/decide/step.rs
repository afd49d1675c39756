//! The steps of a bucket, as data, and their order.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Wanted, fields::policy_statements};
use crate::{
    bucket::Bucket,
    decision::{self, Comparison},
    drift::tag_changes,
    policy,
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
    /// SSE-S3.
    PutEncryption,
    /// Versioning on or suspended.
    PutVersioning {
        /// Whether on.
        enabled: bool,
    },
    /// The whole policy.
    PutPolicy {
        /// The document.
        policy: Value,
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

impl decision::Step for Step {
    fn call(&self) -> &'static str {
        match self {
            Self::Create { .. } => "s3:CreateBucket",
            Self::PutPublicAccessBlock => "s3:PutPublicAccessBlock",
            Self::PutOwnershipControls => "s3:PutBucketOwnershipControls",
            Self::PutEncryption => "s3:PutBucketEncryption",
            Self::PutVersioning { .. } => "s3:PutBucketVersioning",
            Self::PutPolicy { .. } => "s3:PutBucketPolicy",
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
            Self::PutEncryption => vec!["encryption: AES256".into()],
            Self::PutVersioning { enabled } => {
                vec![format!("versioning: {}", if *enabled { "on" } else { "suspended" })]
            }
            Self::PutPolicy { changes, .. } | Self::PutTags { changes, .. } => changes.clone(),
            Self::Empty => vec!["delete objects, versions and delete markers".into()],
            Self::Delete => vec!["delete the bucket".into()],
        }
    }

    fn guarded(&self) -> bool {
        matches!(self, Self::Create { .. } | Self::Empty | Self::Delete)
    }
}

/// The steps for the fields that differ and may be corrected, in the order that S3 wants.
pub(super) fn steps(wanted: &Wanted<'_>, bucket: &Bucket, compared: &Comparison) -> Vec<Step> {
    let names = compared.to_correct(wanted.drift_policy);
    let has = |name: &str| names.contains(&name);
    let of = |prefix: &str| -> Vec<String> {
        let differing = compared
            .differences
            .iter()
            .filter(|d| d.field.name.starts_with(prefix) && names.contains(&d.field.name.as_str()));
        differing.map(|d| format!("{}: {}", d.field.name, d.field.desired)).collect()
    };
    let mut steps = Vec::new();
    if has("publicAccessBlock") {
        steps.push(Step::PutPublicAccessBlock);
    }
    if has("objectOwnership") {
        steps.push(Step::PutOwnershipControls);
    }
    if has("encryption") {
        steps.push(Step::PutEncryption);
    }
    if has("versioning") {
        steps.push(Step::PutVersioning { enabled: wanted.spec.versioning });
    }
    let changes = of("policy.");
    if !changes.is_empty() {
        let policy = policy::merged(bucket.policy.as_ref(), &policy_statements(wanted), wanted.place);
        steps.push(Step::PutPolicy { policy, changes });
    }
    let changes = of("tags.");
    if !changes.is_empty() {
        let (set, gone) = tag_changes(&wanted.tags(&wanted.spec.tags), &names);
        let mut tags = bucket.tags.clone();
        tags.retain(|key, _| !gone.contains(key));
        tags.extend(set);
        steps.push(Step::PutTags { tags, changes });
    }
    steps
}
