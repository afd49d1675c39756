//! What to do about a bucket. Pure.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::{Bucket, Purpose, Seen, ShowCoreBucketSpec};
use crate::{
    decision::{self, Comparison, Decision, Encrypted, Facts, LookAgain, Sighting, Standing, Verdict},
    drift::{ABSENT, Field, tag_fields},
    error::note,
    ownership::is_owner_tag,
    policy,
    spec::DeletionPolicy,
    status::{AtRest, EncryptionStatus, Endpoint, InTransit, ResourceStatus},
};

#[cfg(test)]
mod tests;

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

type Wanted<'a> = decision::Wanted<'a, ShowCoreBucketSpec>;

/// The field of CloudTrail's statements.
const CLOUD_TRAIL: &str = "policy.cloudTrail";

/// Decides what to do about a bucket.
pub(super) fn decide(wanted: &Wanted<'_>, seen: &Seen, now: Timestamp) -> Decision<Step> {
    let bucket = match seen {
        Seen::Absent => None,
        Seen::Present(bucket) => Some(bucket.as_ref()),
        Seen::Forbidden | Seen::Elsewhere => return not_to_be_seen(wanted, seen),
    };
    let arn = arn(wanted);
    let sighting = bucket.map(|bucket| Sighting {
        id: &arn,
        tags: Some(&bucket.tags),
        id_is_unique: false,
        retag_hint: Some(retag_hint(wanted, bucket)),
    });
    match (wanted.standing(sighting.as_ref(), now), bucket) {
        (Standing::Decided(decision), _) => *decision,
        (Standing::Gone, _) => Decision::release(format!("the bucket {} is gone", wanted.identifier)),
        (Standing::Manage, Some(bucket)) => manage(wanted, bucket, now),
        (Standing::Remove(policy), Some(bucket)) => remove(wanted, bucket, policy),
        (Standing::Create | Standing::Manage | Standing::Remove(_), _) => create(wanted),
    }
}

/// S3 does not let us look: another account's bucket, a missing permission, or another region.
fn not_to_be_seen(wanted: &Wanted<'_>, seen: &Seen) -> Decision<Step> {
    if let Some(stalled) = wanted.wrong_place() {
        return Decision::rest(Verdict::Stalled(stalled), Encrypted::Unknown, Facts::default());
    }
    let pinned = wanted.pin.is_some_and(|pin| pin.id.is_some());
    if wanted.presence != decision::Presence::Present && !pinned {
        return Decision::release("the bucket of that name is not ours; it is left untouched");
    }
    let why = match seen {
        Seen::Elsewhere => format!("a bucket of this name is in another region than {}", wanted.place.region),
        _ => {
            "S3 lets us not look at it: it belongs to another account, or the operator's role lacks s3:GetBucketTagging"
                .to_owned()
        }
    };
    let message = format!(
        "{}: {why}; nothing is written to it. Choose another bucketName, or grant the permission",
        wanted.identifier
    );
    Decision::rest(Verdict::Stalled(note("NotOurs", message)), Encrypted::Unknown, Facts::default())
}

fn create(wanted: &Wanted<'_>) -> Decision<Step> {
    let verdict = Verdict::Working(note("Creating", format!("the bucket {} is being created", wanted.identifier)));
    Decision::rest(verdict, Encrypted::Unknown, Facts::default())
        .with_steps(vec![Step::Create { tags: wanted.tags(&wanted.spec.tags) }])
}

fn manage(wanted: &Wanted<'_>, bucket: &Bucket, now: Timestamp) -> Decision<Step> {
    let fields = fields(wanted, bucket);
    let compared = Comparison::of(&fields, wanted.record());
    let steps = steps(wanted, bucket, &compared);
    let facts = Facts {
        id: Some(arn(wanted)),
        encryption: Some(encryption(wanted, bucket)),
        drift: compared.rows(&wanted.status.drift, wanted.drift_policy, &[], now),
        applied: Some(compared.applied.clone()),
        resource: Some(resource(wanted)),
        endpoint: Some(Endpoint { host: host(wanted), port: 443 }),
        ..Facts::default()
    };
    let encrypted = encrypted(wanted, bucket);
    let verdict = match &encrypted {
        Encrypted::Yes(_) => {
            Verdict::Ready(note("Available", "the bucket is there, encrypted, and refuses requests without TLS"))
        }
        Encrypted::No(why) if steps.is_empty() => Verdict::Stalled(why.clone()),
        _ => Verdict::Working(note("Configuring", "the bucket is being set up")),
    };
    let mut decision = Decision::rest(verdict, encrypted, facts).with_steps(steps);
    decision.pending = compared.impossible();
    decision
}

/// The field table of a bucket: each field, how it is compared, and what is security.
fn fields(wanted: &Wanted<'_>, bucket: &Bucket) -> Vec<Field> {
    let spec = wanted.spec;
    let mut fields = vec![
        public_access(bucket),
        Field::exact("objectOwnership", &"BucketOwnerEnforced", &bucket.ownership.as_deref().unwrap_or("none"))
            .security(),
        sse(bucket),
        versioning(spec.versioning, bucket.versioning.as_deref()),
    ];
    fields.extend(policy_fields(wanted, bucket));
    fields.extend(tag_fields(&wanted.tags(&spec.tags), &bucket.tags, wanted.status.applied.as_ref()));
    fields
}

fn public_access(bucket: &Bucket) -> Field {
    let observed = match bucket.public_access_block {
        None => "not configured".to_owned(),
        Some(block) => {
            let off: Vec<_> = [
                ("blockPublicAcls", block.block_public_acls),
                ("ignorePublicAcls", block.ignore_public_acls),
                ("blockPublicPolicy", block.block_public_policy),
                ("restrictPublicBuckets", block.restrict_public_buckets),
            ]
            .into_iter()
            .filter_map(|(name, on)| (!on).then_some(name))
            .collect();
            if off.is_empty() { "all four on".to_owned() } else { format!("{} off", off.join(", ")) }
        }
    };
    Field::new("publicAccessBlock", "all four on", observed.clone(), observed == "all four on").security()
}

/// A bucket that someone set to SSE-KMS is not lowered: that could make objects unreadable to those who rely on the key.
fn sse(bucket: &Bucket) -> Field {
    let field = |observed: String| {
        let same = observed == "AES256";
        Field::new("encryption", "AES256", observed, same).security()
    };
    match &bucket.encryption {
        None => field("none".to_owned()),
        Some(sse) if sse.algorithm.starts_with("aws:kms") => {
            let key = sse.key.as_deref().unwrap_or("alias/aws/s3");
            field(format!("{} with {key}", sse.algorithm)).blocked(
                "the bucket was set to SSE-KMS and is not lowered by the operator: put SSE-S3 back yourself \
                 (aws s3api delete-bucket-encryption), or keep the key and leave this object reporting it until \
                 encryption.keyManagement knows customer managed keys",
            )
        }
        Some(sse) => field(sse.algorithm.clone()),
    }
}

fn versioning(wanted: bool, seen: Option<&str>) -> Field {
    let observed = match seen {
        Some("Enabled") => "on",
        Some(_) => "suspended",
        None => "off",
    };
    let desired = if wanted { "on" } else { "off" };
    // Versioning that was on can only be suspended: https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html
    Field::new("versioning", desired, observed, wanted == (observed == "on"))
}

fn policy_fields(wanted: &Wanted<'_>, bucket: &Bucket) -> Vec<Field> {
    let statements = policy_statements(wanted);
    let presence = |name: &str, desired: &str, needed: &[Value]| {
        let present = needed.iter().all(|statement| policy::holds(bucket.policy.as_ref(), statement));
        Field::new(name, desired, if present { desired } else { "absent" }, present).security()
    };
    let (tls, delivery) = statements.split_at(1);
    let mut fields = vec![presence("policy.tlsOnly", "Deny without TLS", tls)];
    let words = (!delivery.is_empty()).then(|| delivery_in_words(wanted));
    let mut foreign = policy::foreign_allows(bucket.policy.as_ref(), &statements, wanted.place);
    if let Some(words) = &words {
        fields.push(presence(CLOUD_TRAIL, words, delivery));
    }
    // Statements for what the spec said before are a wanted change, and no drift.
    let before = wanted.status.applied.as_ref().and_then(|applied| applied.get(CLOUD_TRAIL));
    if before.is_some_and(|before| Some(before) != fields.iter().find(|f| f.name == CLOUD_TRAIL).map(|f| &f.desired)) {
        let outdated = foreign.len();
        foreign.retain(|statement| !policy::is_our_delivery(statement));
        if words.is_none() && foreign.len() < outdated {
            fields.push(Field::new(CLOUD_TRAIL, ABSENT, "CloudTrail may deliver", false).security());
        }
    }
    let observed = match foreign.as_slice() {
        [] => "none".to_owned(),
        foreign => foreign.iter().map(policy::in_words).collect::<Vec<_>>().join("; "),
    };
    fields.push(Field::new("policy.foreignAllow", "none", observed, foreign.is_empty()).security());
    fields
}

/// The statements that the policy must hold: TLS only, then CloudTrail's.
fn policy_statements(wanted: &Wanted<'_>) -> Vec<Value> {
    let arn = arn(wanted);
    let mut statements = vec![policy::tls_only(&arn)];
    if wanted.spec.purpose == Purpose::CloudTrailLogs {
        let cloud_trail = wanted.spec.cloud_trail.as_ref();
        let mut owners = vec![wanted.place.account_id.as_str()];
        owners.extend(cloud_trail.and_then(|settings| settings.organization_id.as_deref()));
        let prefix = cloud_trail.and_then(|settings| settings.prefix.as_deref());
        statements.extend(policy::cloudtrail_delivery(&arn, &trails(wanted), prefix, &owners));
    }
    statements
}

fn delivery_in_words(wanted: &Wanted<'_>) -> String {
    let settings = wanted.spec.cloud_trail.as_ref();
    let under = settings.and_then(|settings| settings.prefix.as_deref()).map(|prefix| format!(" under {prefix}"));
    let organization = settings.and_then(|settings| settings.organization_id.as_deref()).map(|id| format!(" for {id}"));
    format!(
        "CloudTrail may deliver{}{} from {}",
        under.unwrap_or_default(),
        organization.unwrap_or_default(),
        trails(wanted).join(", ")
    )
}

fn trails(wanted: &Wanted<'_>) -> Vec<String> {
    match &wanted.spec.cloud_trail {
        Some(settings) if !settings.trail_arns.is_empty() => settings.trail_arns.clone(),
        _ => vec![format!("arn:{}:cloudtrail:*:{}:trail/*", wanted.place.partition, wanted.place.account_id)],
    }
}

/// The steps for the fields that differ and may be corrected, in the order that S3 wants.
fn steps(wanted: &Wanted<'_>, bucket: &Bucket, compared: &Comparison) -> Vec<Step> {
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
    let policy_changes = of("policy.");
    if !policy_changes.is_empty() {
        let policy = policy::merged(bucket.policy.as_ref(), &policy_statements(wanted), wanted.place);
        steps.push(Step::PutPolicy { policy, changes: policy_changes });
    }
    let tag_changes = of("tags.");
    if !tag_changes.is_empty() {
        let mut tags = bucket.tags.clone();
        let wish = wanted.tags(&wanted.spec.tags);
        for key in names.iter().filter_map(|name| name.strip_prefix("tags.")) {
            match wish.get(key) {
                Some(value) => tags.insert(key.to_owned(), value.clone()),
                None => tags.remove(key),
            };
        }
        steps.push(Step::PutTags { tags, changes: tag_changes });
    }
    steps
}

fn remove(wanted: &Wanted<'_>, bucket: &Bucket, policy: DeletionPolicy) -> Decision<Step> {
    let working = |message: String| {
        Decision::rest(Verdict::Working(note("Deleting", message)), Encrypted::Unknown, Facts::default())
    };
    if policy == DeletionPolicy::Retain {
        let tags =
            bucket.tags.iter().filter(|(key, _)| !is_owner_tag(key)).map(|(k, v)| (k.clone(), v.clone())).collect();
        return working(format!("the bucket {} is retained; its owner tags are being taken off", wanted.identifier))
            .with_steps(vec![Step::PutTags { tags, changes: vec!["take off the owner tags".into()] }]);
    }
    match (bucket.has_objects, wanted.spec.empty_on_delete) {
        (Some(false), _) => {
            working(format!("the empty bucket {} is being deleted", wanted.identifier)).with_steps(vec![Step::Delete])
        }
        (_, true) => {
            working(format!("the bucket {} is being emptied", wanted.identifier)).with_steps(vec![Step::Empty])
        }
        (_, false) => {
            let message = format!(
                "the bucket {} holds objects, versions or delete markers and is not deleted: empty it, or set emptyOnDelete: true, \
                 or set deletionPolicy: Retain",
                wanted.identifier
            );
            let mut decision =
                Decision::rest(Verdict::Stalled(note("BucketNotEmpty", message)), Encrypted::Unknown, Facts::default());
            decision.look_again = LookAgain::Poll;
            decision
        }
    }
}

fn encrypted(wanted: &Wanted<'_>, bucket: &Bucket) -> Encrypted {
    let status = encryption(wanted, bucket);
    if status.at_rest.algorithm == "None" {
        return Encrypted::No(note("NotAtRest", "S3 answers no default encryption for the bucket"));
    }
    if !status.in_transit.enforced {
        return Encrypted::No(note("NotInTransit", "the bucket policy does not deny requests without TLS"));
    }
    match status.at_rest.key_management.as_str() {
        "SSE-S3" => Encrypted::Yes(note("SSES3", "AES256 with S3's own keys; requests without TLS are denied")),
        _ => Encrypted::Yes(note("KMSKey", "SSE-KMS; requests without TLS are denied")),
    }
}

/// Encryption as S3 answered it.
fn encryption(wanted: &Wanted<'_>, bucket: &Bucket) -> EncryptionStatus {
    let (algorithm, key_management) = match &bucket.encryption {
        None => ("None", "None"),
        Some(sse) if sse.algorithm == "AES256" => ("AES256", "SSE-S3"),
        // Without a key S3 uses aws/s3: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
        Some(sse) if sse.key.is_none() => (sse.algorithm.as_str(), "AWSManagedKey"),
        Some(sse) => (sse.algorithm.as_str(), "CustomerManagedKey"),
    };
    EncryptionStatus {
        at_rest: AtRest {
            algorithm: algorithm.to_owned(),
            key_management: key_management.to_owned(),
            key_arn: bucket.encryption.as_ref().and_then(|sse| sse.key.clone()),
        },
        in_transit: InTransit {
            enforced: policy::holds(bucket.policy.as_ref(), &policy::tls_only(&arn(wanted))),
            by: "bucket policy: Deny unless aws:SecureTransport".to_owned(),
        },
        backups: None,
    }
}

fn resource(wanted: &Wanted<'_>) -> ResourceStatus {
    ResourceStatus {
        arn: arn(wanted),
        identifier: wanted.identifier.to_owned(),
        member: None,
        region: wanted.place.region.clone(),
        account_id: wanted.place.account_id.clone(),
        status: "available".to_owned(),
    }
}

fn arn(wanted: &Wanted<'_>) -> String {
    format!("arn:{}:s3:::{}", wanted.place.partition, wanted.identifier)
}

fn host(wanted: &Wanted<'_>) -> String {
    let suffix = if wanted.place.partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("{}.s3.{}.{suffix}", wanted.identifier, wanted.place.region)
}

/// A bucket has no immutable id, so its tags are all that tells whose it is. `PutBucketTagging` replaces the whole set,
/// so the command names the tags that are there too.
fn retag_hint(wanted: &Wanted<'_>, bucket: &Bucket) -> String {
    let mut tags = bucket.tags.clone();
    tags.extend(wanted.owner.tags());
    let set: Vec<_> = tags.iter().map(|(key, value)| format!("{{Key={key},Value={value}}}")).collect();
    format!(
        "if it is this object's, tag it again: aws s3api put-bucket-tagging --bucket {} --tagging 'TagSet=[{}]'; \
         otherwise choose another bucketName: delete this object and apply it with one",
        wanted.identifier,
        set.join(",")
    )
}
