//! The field table of a bucket, and its fields as wanted and as S3 answers them.

use serde_json::Value;

use super::{Wanted, state::arn};
use crate::{
    bucket::{Bucket, Purpose},
    field::{ABSENT, Change, Compared, Field, LeftOut, Row, rows},
    policy,
};

const POLICY: &[&str] = &["s3:PutBucketPolicy"];
/// The way out where a bucket was set to SSE-KMS.
const SSE_KMS: &str = "the bucket was set to SSE-KMS and is not lowered by the operator: put SSE-S3 back yourself \
    (aws s3api delete-bucket-encryption), or keep the key and leave this object reporting it until \
    encryption.keyManagement knows customer managed keys";

rows! {
    /// The field table. Each setting has calls of its own:
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html>
    pub FIELDS:
    BUCKET_NAME = Row::own("bucketName", "it is the bucket's name").changes(Change::Never);
    REGION = Row::own("region", "it is where the bucket is looked for").changes(Change::Never);
    PURPOSE = Row::with("purpose", "policy.cloudTrail");
    VERSIONING = Row::of("versioning", Compared::Meaning).by(&["s3:PutBucketVersioning"]);
    ENCRYPTION = Row::exact("encryption").always("AES256").by(&["s3:PutBucketEncryption"]).security();
    KEY = Row::with("encryption.keyManagement", "encryption");
    PUBLIC_ACCESS = Row::exact("publicAccessBlock").always("all four on").by(&["s3:PutPublicAccessBlock"]).security();
    OWNERSHIP = Row::exact("objectOwnership").always("BucketOwnerEnforced").by(&["s3:PutBucketOwnershipControls"]).security();
    TLS_ONLY = Row::of("policy.tlsOnly", Compared::Meaning).always("Deny without TLS").by(POLICY).security();
    CLOUD_TRAIL = Row::of("policy.cloudTrail", Compared::Meaning).always("as purpose and cloudTrail say")
        .by(POLICY).left_out(LeftOut::Removed).security();
    FOREIGN_ALLOW = Row::of("policy.foreignAllow", Compared::Meaning).always("none").by(POLICY).security();
    TRAILS = Row::with("cloudTrail.trailARNs", "policy.cloudTrail");
    PREFIX = Row::with("cloudTrail.prefix", "policy.cloudTrail");
    ORGANIZATION = Row::with("cloudTrail.organizationID", "policy.cloudTrail");
    DRIFT_POLICY = Row::own("driftPolicy", "it says what is done about drift");
    ADOPTION = Row::own("adoption", "it says what is done about a bucket that is already there");
    DELETION_POLICY = Row::own("deletionPolicy", "it says what becomes of the bucket");
    EMPTY_ON_DELETE = Row::own("emptyOnDelete", "it says what becomes of the objects");
    TAGS = Row::of("tags", Compared::Entries).by(&["s3:PutBucketTagging"]).left_out(LeftOut::Removed);
}

/// The fields.
pub(super) fn fields(wanted: &Wanted<'_>, bucket: &Bucket) -> Vec<Field> {
    let spec = wanted.spec;
    let mut fields = vec![
        public_access(bucket),
        OWNERSHIP.field("BucketOwnerEnforced", bucket.ownership.as_deref().unwrap_or("none")),
        sse(bucket),
        versioning(spec.versioning, bucket.versioning.as_deref()),
    ];
    fields.extend(policy_fields(wanted, bucket));
    fields.extend(TAGS.entries(&wanted.tags(&spec.tags), &bucket.tags, wanted.status.applied.as_ref()));
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
    PUBLIC_ACCESS.field("all four on", observed)
}

/// A bucket that someone set to SSE-KMS is not lowered: that could make objects unreadable to those who rely on the key.
fn sse(bucket: &Bucket) -> Field {
    match &bucket.encryption {
        None => ENCRYPTION.field("AES256", "none"),
        Some(sse) if sse.algorithm.starts_with("aws:kms") => {
            let key = sse.key.as_deref().unwrap_or("alias/aws/s3");
            ENCRYPTION.field("AES256", format!("{} with {key}", sse.algorithm)).blocked(SSE_KMS)
        }
        Some(sse) => ENCRYPTION.field("AES256", &sse.algorithm),
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
    VERSIONING.judged(desired, observed, wanted == (observed == "on"))
}

fn policy_fields(wanted: &Wanted<'_>, bucket: &Bucket) -> Vec<Field> {
    let statements = policy_statements(wanted);
    let presence = |row: &Row, desired: &str, needed: &[Value]| {
        let present = needed.iter().all(|statement| policy::holds(bucket.policy.as_ref(), statement));
        row.field(desired, if present { desired } else { ABSENT })
    };
    let (tls, delivery) = statements.split_at(1);
    let mut fields = vec![presence(&TLS_ONLY, "Deny without TLS", tls)];
    let words = (!delivery.is_empty()).then(|| delivery_in_words(wanted));
    let mut foreign = policy::foreign_allows(bucket.policy.as_ref(), &statements, wanted.place);
    if let Some(words) = &words {
        fields.push(presence(&CLOUD_TRAIL, words, delivery));
    }
    // Statements for what the spec said before are a wanted change, and no drift.
    let before = wanted.status.applied.as_ref().and_then(|applied| applied.get(CLOUD_TRAIL.name));
    if before
        .is_some_and(|before| Some(before) != fields.iter().find(|f| f.name == CLOUD_TRAIL.name).map(|f| &f.desired))
    {
        let outdated = foreign.len();
        foreign.retain(|statement| !policy::is_our_delivery(statement));
        if words.is_none() && foreign.len() < outdated {
            fields.push(CLOUD_TRAIL.field(ABSENT, "CloudTrail may deliver"));
        }
    }
    let observed = match foreign.as_slice() {
        [] => "none".to_owned(),
        foreign => foreign.iter().map(policy::in_words).collect::<Vec<_>>().join("; "),
    };
    fields.push(FOREIGN_ALLOW.judged("none", observed, foreign.is_empty()));
    fields
}

/// The statements that the policy must hold: TLS only, then CloudTrail's.
pub(super) fn policy_statements(wanted: &Wanted<'_>) -> Vec<Value> {
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
