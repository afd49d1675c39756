//! The field table of a bucket: each field, how it is compared, and what is security.

use serde_json::Value;

use super::{Wanted, state::arn};
use crate::{
    bucket::{Bucket, Purpose},
    drift::{ABSENT, Field, tag_fields},
    policy,
};

/// The field of CloudTrail's statements.
const CLOUD_TRAIL: &str = "policy.cloudTrail";

/// The fields.
pub(super) fn fields(wanted: &Wanted<'_>, bucket: &Bucket) -> Vec<Field> {
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
