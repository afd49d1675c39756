//! `ShowCoreBucket`: an S3 bucket with SSE-S3, every public access block, BucketOwnerEnforced and a TLS-only policy.

mod access;
mod act;
mod decide;
mod lifecycle;
mod observe;
mod settings;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    decision::{Decision, Wanted},
    error::Failure,
    field::Row,
    kind::{Kind, Look, Order},
    ownership::Place,
    spec::{self, Adoption, BucketDeletionPolicy, DeletionPolicy, DriftPolicy, EncryptionSpec, Tags, yes},
    status::Status,
};

pub use access::{BUCKET_ARN, Condition, Effect, PolicySpec, Principal, Statement};
pub use decide::{LogTarget, Step};
pub use lifecycle::{LifecycleRule, StorageClass, Transition, defaults};
pub use observe::{Bucket, Lifecycle, PublicAccessBlock, Seen, Sse};
pub use settings::{CorsRule, LockMode, Logging, Method, ObjectLock};

/// An S3 bucket. SSE-S3, all four public access blocks, BucketOwnerEnforced, a policy that denies requests without TLS,
/// and the refusal of objects encrypted with keys that S3 does not have (SSE-C) are always on.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "showcore.io",
    version = "v1alpha1",
    kind = "ShowCoreBucket",
    plural = "showcorebuckets",
    shortname = "scbucket",
    category = "showcore",
    doc = "An S3 bucket: SSE-S3, every public access block, BucketOwnerEnforced, TLS only",
    namespaced,
    status = "Status",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Encrypted", type_ = "string", json_path = ".status.encryption.atRest.keyManagement"),
    printcolumn(name = "Drifted", type_ = "string", json_path = ".status.conditions[?(@.type=='Drifted')].status"),
    printcolumn(name = "ID", type_ = "string", json_path = ".status.resource.identifier"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".status.endpoint.host", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("has(self.spec.bucketName) ? size(self.metadata.name) <= 150 : self.metadata.name.matches('^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$')")
        .message("metadata.name is the bucket's name when spec.bucketName is absent: 3 to 63 lower-case letters, digits and hyphens; give spec.bucketName or another name (150 characters at most)")
)]
#[x_kube(
    validation = Rule::new("has(self.bucketName) == has(oldSelf.bucketName) && (!has(self.bucketName) || self.bucketName == oldSelf.bucketName)")
        .message("bucketName is immutable: a bucket cannot be renamed. Delete this object (deletionPolicy Retain keeps the bucket) and apply it under the new name"),
    validation = Rule::new("has(self.region) == has(oldSelf.region) && (!has(self.region) || self.region == oldSelf.region)")
        .message("region is immutable: a bucket cannot be moved"),
    validation = Rule::new("!has(self.cloudTrail) || self.purpose == 'CloudTrailLogs'")
        .message("cloudTrail is for purpose CloudTrailLogs only"),
    validation = Rule::new("!self.emptyOnDelete || self.deletionPolicy == 'Delete'")
        .message("emptyOnDelete needs deletionPolicy Delete: under Retain nothing is emptied"),
    validation = Rule::new("!has(oldSelf.objectLock) || has(self.objectLock)")
        .message("objectLock cannot be switched off again, in AWS either; its default retention can be left out: objectLock: {}"),
    validation = Rule::new("!has(self.objectLock) || self.versioning")
        .message("objectLock needs versioning: true")
)]
pub struct ShowCoreBucketSpec {
    /// The bucket's name; `{accountID}` and `{region}` are replaced. `metadata.name` if absent. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 90))]
    #[x_kube(
        validation = Rule::new("self.replace('{accountID}', '123456789012').replace('{region}', 'us-east-1').matches('^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$')")
            .message("bucketName, with {accountID} and {region} replaced, has 3 to 63 lower-case letters, digits, dots and hyphens, and begins and ends with a letter or digit"),
        validation = Rule::new("!self.contains('..') && !self.matches('^[0-9]+[.][0-9]+[.][0-9]+[.][0-9]+$')")
            .message("bucketName must not hold two dots in a row or look like an IP address"),
        validation = Rule::new("!self.startsWith('xn--') && !self.startsWith('sthree-') && !self.startsWith('amzn-s3-demo-') && !self.endsWith('-s3alias') && !self.endsWith('--ol-s3') && !self.endsWith('.mrap') && !self.endsWith('--x-s3') && !self.endsWith('--table-s3')")
            .message("bucketName uses a prefix or suffix that AWS reserves")
    )]
    pub bucket_name: Option<String>,
    /// AWS region; the operator's own if absent. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 24))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z]{2}(-[a-z]+)+-[0-9]$')").message("region must look like eu-central-1"))]
    pub region: Option<String>,
    /// What the bucket is for. `CloudTrailLogs` lets CloudTrail deliver logs; the others let nobody else in.
    pub purpose: Purpose,
    /// Keeps every version of every object. Turned off later, it is suspended: old versions stay.
    #[serde(default = "yes")]
    pub versioning: bool,
    /// Rules that move or delete what has grown old. Left out, every bucket gives up incomplete uploads after 7 days, and
    /// one for `StaticAssets` deletes noncurrent versions after 90 days and then their delete markers; what is current is
    /// never deleted by default, and `Backups` and `CloudTrailLogs` keep their noncurrent versions. `[]` means no rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    pub lifecycle: Option<Vec<LifecycleRule>>,
    /// Keeps object versions from being deleted before their time. May be switched on later, never off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_lock: Option<ObjectLock>,
    /// What the bucket's policy says besides what it always says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicySpec>,
    /// Rules about scripts of other origins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    pub cors: Option<Vec<CorsRule>>,
    /// Where the access to the bucket is logged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logging: Option<Logging>,
    /// Who manages the encryption key. Encryption itself cannot be turned off.
    #[serde(default)]
    pub encryption: EncryptionSpec,
    /// Which trails may deliver; any trail of this account if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_trail: Option<CloudTrail>,
    /// What is done about drift.
    #[serde(default)]
    pub drift_policy: DriftPolicy,
    /// What is done about a bucket of this name that is already there and carries nobody's owner tags.
    #[serde(default)]
    pub adoption: Adoption,
    /// What becomes of the bucket when this object is deleted.
    #[serde(default)]
    pub deletion_policy: BucketDeletionPolicy,
    /// With `deletionPolicy: Delete`: every object and version is deleted first. Without it, a bucket that is not
    /// empty is not deleted.
    #[serde(default)]
    pub empty_on_delete: bool,
    /// Tags of your own.
    #[serde(default)]
    #[schemars(schema_with = "spec::tags_schema")]
    pub tags: Tags,
}

/// What a bucket is for.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum Purpose {
    /// Files that an application serves.
    StaticAssets,
    /// Backups.
    Backups,
    /// The target of CloudTrail.
    CloudTrailLogs,
}

/// Which trails may deliver into the bucket.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CloudTrail {
    /// ARNs of the trails; any trail of this account if empty.
    #[serde(default, rename = "trailARNs", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 256)))]
    #[x_kube(validation = Rule::new("self.all(arn, arn.matches('^arn:aws[a-z-]*:cloudtrail:[a-z0-9-]+:[0-9]{12}:trail/[A-Za-z0-9._-]+$'))")
        .message("cloudTrail.trailARNs: each must look like arn:aws:cloudtrail:eu-central-1:123456789012:trail/name"))]
    pub trail_arns: Vec<String>,
    /// Key prefix of the trail's log files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9!_.()-]+(/[A-Za-z0-9!_.()-]+)*$')")
        .message("cloudTrail.prefix has letters, digits and ! _ . ( ) - in parts divided by single slashes, without one at either end"))]
    pub prefix: Option<String>,
    /// Organization whose trail delivers here too.
    #[serde(default, rename = "organizationID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 34))]
    #[x_kube(validation = Rule::new("self.matches('^o-[a-z0-9]{10,32}$')").message("cloudTrail.organizationID must look like o-abcdefghij"))]
    pub organization_id: Option<String>,
}

impl Kind for ShowCoreBucket {
    const FIELDS: &'static [&'static Row] = decide::FIELDS;
    const KIND: &'static str = "ShowCoreBucket";
    type Spec = ShowCoreBucketSpec;
    type Seen = Seen;
    type Step = Step;

    fn spec(&self) -> &Self::Spec {
        &self.spec
    }

    fn status(&self) -> &Status {
        self.status.as_ref().unwrap_or(Status::none())
    }

    fn region(&self) -> Option<&str> {
        self.spec.region.as_deref()
    }

    fn drift_policy(&self) -> DriftPolicy {
        self.spec.drift_policy
    }

    fn adoption(&self) -> Adoption {
        self.spec.adoption
    }

    fn deletion_policy(&self) -> DeletionPolicy {
        match self.spec.deletion_policy {
            BucketDeletionPolicy::Retain => DeletionPolicy::Retain,
            BucketDeletionPolicy::Delete => DeletionPolicy::Delete,
        }
    }

    fn identifier(&self, place: &Place) -> String {
        let name = self.spec.bucket_name.as_ref().or(self.metadata.name.as_ref()).cloned().unwrap_or_default();
        filled(&name, place)
    }

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        observe::observe(look, &self.spec, self.status().applied.as_ref()).await
    }

    fn decide(wanted: &Wanted<'_, Self::Spec>, seen: &Seen, now: k8s_openapi::jiff::Timestamp) -> Decision<Step> {
        decide::decide(wanted, seen, now)
    }

    async fn act(&self, order: &Order<Step>, look: &Look<'_>) -> Result<(), Failure> {
        act::act(order.step(), look).await
    }
}

/// A bucket's name with its placeholders replaced.
fn filled(name: &str, place: &Place) -> String {
    name.replace("{accountID}", &place.account_id).replace("{region}", &place.region)
}
