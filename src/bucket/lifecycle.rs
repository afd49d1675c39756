//! The lifecycle rules of a bucket's spec, and those that each purpose has by default.

use aws_sdk_s3::{
    error::BuildError,
    types::{
        self as s3, AbortIncompleteMultipartUpload, ExpirationStatus, LifecycleExpiration, LifecycleRuleFilter,
        NoncurrentVersionExpiration, NoncurrentVersionTransition, TransitionStorageClass,
    },
};
use kube::{KubeSchema, core::Rule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Purpose;
use crate::spec::yes;

/// A rule that moves or deletes what has grown old.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html>
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.expirationDays) || self.expiredObjectDeleteMarkers || has(self.noncurrentExpirationDays) || has(self.abortIncompleteUploadDays) || size(self.transitions) > 0 || size(self.noncurrentTransitions) > 0")
        .message("lifecycle: a rule does something: expirationDays, expiredObjectDeleteMarkers, noncurrentExpirationDays, abortIncompleteUploadDays, transitions or noncurrentTransitions"),
    validation = Rule::new("!has(self.expirationDays) || !self.expiredObjectDeleteMarkers")
        .message("lifecycle.expiredObjectDeleteMarkers is not for a rule with expirationDays: give it a rule of its own"),
    validation = Rule::new("!has(self.noncurrentVersionsToKeep) || has(self.noncurrentExpirationDays)")
        .message("lifecycle.noncurrentVersionsToKeep needs noncurrentExpirationDays"),
    validation = Rule::new("!has(self.expirationDays) || self.transitions.all(move, move.days < self.expirationDays)")
        .message("lifecycle.expirationDays is more than the days of each of transitions"),
    validation = Rule::new("!has(self.noncurrentExpirationDays) || self.noncurrentTransitions.all(move, move.days < self.noncurrentExpirationDays)")
        .message("lifecycle.noncurrentExpirationDays is more than the days of each of noncurrentTransitions")
)]
pub struct LifecycleRule {
    /// Names the rule. A rule of another name that somebody else put on the bucket is left alone.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9._-]+$') && !self.startsWith('ShowCore')")
        .message("lifecycle.id has letters, digits and . _ - and does not begin with ShowCore, which names the default rules"))]
    pub id: String,
    /// Whether the rule is in effect.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Only objects whose key begins so; all if empty.
    #[serde(default)]
    #[schemars(length(max = 512))]
    pub prefix: String,
    /// Days after which a current object expires: it is deleted, or under versioning becomes a noncurrent version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub expiration_days: Option<i32>,
    /// Removes delete markers behind which no version is left.
    #[serde(default)]
    pub expired_object_delete_markers: bool,
    /// Days after which a noncurrent version is deleted for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub noncurrent_expiration_days: Option<i32>,
    /// Newest noncurrent versions that are kept all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub noncurrent_versions_to_keep: Option<i32>,
    /// Days after which an upload in parts that was not completed is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub abort_incomplete_upload_days: Option<i32>,
    /// Moves to cheaper storage classes.
    #[serde(default)]
    #[schemars(length(max = 6))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["storageClass".into()]), validation = late_enough("transitions"), validation = in_order("transitions"))]
    pub transitions: Vec<Transition>,
    /// The same for noncurrent versions; the days count from when they became noncurrent.
    #[serde(default)]
    #[schemars(length(max = 6))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["storageClass".into()]), validation = late_enough("noncurrentTransitions"), validation = in_order("noncurrentTransitions"))]
    pub noncurrent_transitions: Vec<Transition>,
}

impl LifecycleRule {
    /// The rule as S3 takes it.
    pub fn to_s3(&self) -> Result<s3::LifecycleRule, BuildError> {
        let class = |class: StorageClass| TransitionStorageClass::from(class.name());
        let transition =
            |to: &Transition| s3::Transition::builder().days(to.days).storage_class(class(to.storage_class)).build();
        let noncurrent = |to: &Transition| {
            let transition = NoncurrentVersionTransition::builder().noncurrent_days(to.days);
            transition.storage_class(class(to.storage_class)).build()
        };
        let markers = self.expired_object_delete_markers.then_some(true);
        let expires = self.expiration_days.is_some() || markers.is_some();
        let expiration = LifecycleExpiration::builder()
            .set_days(self.expiration_days)
            .set_expired_object_delete_marker(markers)
            .build();
        let noncurrent_expiration = self.noncurrent_expiration_days.map(|days| {
            let expiration = NoncurrentVersionExpiration::builder().noncurrent_days(days);
            expiration.set_newer_noncurrent_versions(self.noncurrent_versions_to_keep).build()
        });
        let abort = self
            .abort_incomplete_upload_days
            .map(|days| AbortIncompleteMultipartUpload::builder().days_after_initiation(days).build());
        s3::LifecycleRule::builder()
            .id(&self.id)
            .status(if self.enabled { ExpirationStatus::Enabled } else { ExpirationStatus::Disabled })
            .filter(LifecycleRuleFilter::builder().prefix(&self.prefix).build())
            .set_transitions(some(self.transitions.iter().map(transition).collect()))
            .set_expiration(expires.then_some(expiration))
            .set_noncurrent_version_transitions(some(self.noncurrent_transitions.iter().map(noncurrent).collect()))
            .set_noncurrent_version_expiration(noncurrent_expiration)
            .set_abort_incomplete_multipart_upload(abort)
            .build()
    }
}

fn some<T>(moves: Vec<T>) -> Option<Vec<T>> {
    (!moves.is_empty()).then_some(moves)
}

/// A move to another storage class.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transition {
    /// Days after which it happens.
    #[schemars(range(min = 0, max = 100_000))]
    pub days: i32,
    /// Where to.
    pub storage_class: StorageClass,
}

/// A storage class, by AWS's name, in the order in which objects may be moved through them.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StorageClass {
    /// Infrequent access.
    StandardIa,
    /// S3 watches the access.
    IntelligentTiering,
    /// Infrequent access, in one zone.
    OnezoneIa,
    /// Archive with instant access.
    GlacierIr,
    /// Archive with access in minutes to hours (Glacier Flexible Retrieval).
    Glacier,
    /// Archive with access in hours.
    DeepArchive,
}

impl StorageClass {
    /// AWS's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::StandardIa => "STANDARD_IA",
            Self::IntelligentTiering => "INTELLIGENT_TIERING",
            Self::OnezoneIa => "ONEZONE_IA",
            Self::GlacierIr => "GLACIER_IR",
            Self::Glacier => "GLACIER",
            Self::DeepArchive => "DEEP_ARCHIVE",
        }
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html>
fn late_enough(field: &str) -> Rule {
    Rule::new("self.all(move, move.days >= 30 || !move.storageClass.endsWith('_IA'))").message(&*format!(
        "lifecycle.{field}: objects can be moved to STANDARD_IA and ONEZONE_IA after 30 days at the earliest"
    ))
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html>
fn in_order(field: &str) -> Rule {
    let rank = |name: &str| {
        format!(
            "({name}.storageClass == 'STANDARD_IA' ? 0 : {name}.storageClass == 'INTELLIGENT_TIERING' ? 1 : {name}.storageClass == 'ONEZONE_IA' ? 2 : \
             {name}.storageClass == 'GLACIER_IR' ? 3 : {name}.storageClass == 'GLACIER' ? 4 : 5)"
        )
    };
    let (one, other) = (rank("one"), rank("other"));
    let stay = "(one.storageClass.endsWith('_IA') ? 30 : 1)";
    Rule::new(format!("self.all(one, self.all(other, {one} >= {other} || other.days >= one.days + {stay}))")).message(&*format!(
        "lifecycle.{field}: objects move in the order STANDARD_IA, INTELLIGENT_TIERING, ONEZONE_IA, GLACIER_IR, GLACIER, DEEP_ARCHIVE, each \
         later than the one before, and 30 days later than STANDARD_IA and ONEZONE_IA"
    ))
}

/// The rules of a bucket whose spec has no `lifecycle`. None deletes what is current.
pub fn defaults(purpose: Purpose) -> Vec<LifecycleRule> {
    let rule = |id: &str| LifecycleRule { id: id.to_owned(), enabled: true, ..LifecycleRule::default() };
    let uploads = LifecycleRule { abort_incomplete_upload_days: Some(7), ..rule("ShowCoreAbortIncompleteUploads") };
    let versions = LifecycleRule {
        noncurrent_expiration_days: Some(90),
        expired_object_delete_markers: true,
        ..rule("ShowCoreExpireNoncurrentVersions")
    };
    match purpose {
        Purpose::StaticAssets => vec![uploads, versions],
        Purpose::Backups | Purpose::CloudTrailLogs => vec![uploads],
    }
}
