//! What to do about a bucket. Pure.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;

use super::{Bucket, PublicAccessBlock, Seen, ShowCoreBucketSpec, Sse};
use crate::{
    decision::{self, Comparison, Decision, Encrypted, Facts, Presence, Sighting, Standing, Verdict, being_set},
    drift::Record,
    error::note,
    status::Endpoint,
};

mod access;
mod fields;
mod lifecycle;
mod removal;
mod settings;
mod state;
mod step;
#[cfg(test)]
mod tests;

pub use step::{LogTarget, Step};

pub(super) use fields::FIELDS;
use fields::{TAGS, fields};
use removal::{gone, remove};
use state::{arn, encrypted, encryption, host, resource, verdict};
use step::steps;

type Wanted<'a> = decision::Wanted<'a, ShowCoreBucketSpec>;

/// Decides what to do about a bucket.
pub(super) fn decide(wanted: &Wanted<'_>, seen: &Seen, now: Timestamp) -> Decision<Step> {
    let named_now = wanted.presence == Presence::Present && wanted.wrong_place().is_none();
    if named_now && !is_bucket_name(wanted.identifier) {
        return misnamed(wanted);
    }
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
        (Standing::Gone, _) => gone(wanted),
        (Standing::Manage, Some(bucket)) => manage(wanted, bucket, now),
        (Standing::Adopt, Some(bucket)) => adopt(wanted, bucket, now),
        (Standing::Remove(policy), Some(bucket)) => remove(wanted, bucket, policy),
        (Standing::Create | Standing::Manage | Standing::Adopt | Standing::Remove(_), _) => create(wanted, now),
    }
}

/// Whether S3 can have a bucket of this name. Validation saw it before its placeholders were replaced.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
pub(super) fn is_bucket_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    let like_an_address =
        name.split('.').count() == 4 && bytes.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| plain(*byte) || b".-".contains(byte))
        && [bytes.first(), bytes.last()].into_iter().flatten().all(|byte| plain(*byte))
        && !name.contains("..")
        && !like_an_address
}

fn misnamed(wanted: &Wanted<'_>) -> Decision<Step> {
    let message = format!(
        "S3 accepts no bucket named {}: with {{accountID}} and {{region}} replaced, bucketName has 3 to 63 lower-case letters, digits, \
         dots and hyphens, begins and ends with a letter or digit, and has no two dots in a row and not the form of an IP address. \
         Delete this object and apply it with another bucketName",
        wanted.identifier
    );
    Decision::stalled("InvalidName", message)
}

/// S3 does not let us look: another account's bucket, a missing permission, or another region.
fn not_to_be_seen(wanted: &Wanted<'_>, seen: &Seen) -> Decision<Step> {
    if let Some(stalled) = wanted.wrong_place() {
        return Decision::rest(Verdict::Stalled(stalled), Encrypted::Unknown, Facts::default());
    }
    let pinned = wanted.existed();
    if wanted.presence != Presence::Present && !pinned {
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
    Decision::stalled("NotOurs", message)
}

fn create(wanted: &Wanted<'_>, now: Timestamp) -> Decision<Step> {
    let verdict = Verdict::Working(note("Creating", format!("the bucket {} is being created", wanted.identifier)));
    let tags = wanted.tags(&wanted.spec.tags);
    // What a new bucket lacks for certain follows in the same plan; the look that comes after it verifies everything.
    let bucket = new_bucket(&tags);
    let record = Record { applied: None, existed: false, past: &[] };
    let compared = Comparison::of(&fields(wanted, &bucket), record, now);
    let setup = steps(wanted, &bucket, &compared);
    let applied = compared.marked(being_set(TAGS.name, tags.keys().map(String::as_str)), &[]);
    let facts = Facts { applied: Some(applied), ..Facts::default() };
    let steps = std::iter::once(Step::Create { tags }).chain(setup).collect();
    let mut decision = Decision::rest(verdict, Encrypted::Unknown, facts).with_steps(steps);
    decision.pending = compared.impossible();
    decision
}

/// A bucket as S3 makes it: encrypted with SSE-S3, SSE-C refused, closed to the public, without ACLs.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/create-bucket-faq.html>,
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-s3-c-encryption-setting-faq.html>
fn new_bucket(tags: &BTreeMap<String, String>) -> Bucket {
    Bucket {
        tags: tags.clone(),
        encryption: Some(Sse { algorithm: "AES256".into(), key: None }),
        refuses_sse_c: true,
        public_access_block: Some(PublicAccessBlock {
            block_public_acls: true,
            ignore_public_acls: true,
            block_public_policy: true,
            restrict_public_buckets: true,
        }),
        ownership: Some("BucketOwnerEnforced".into()),
        ..Bucket::default()
    }
}

fn adopt(wanted: &Wanted<'_>, bucket: &Bucket, now: Timestamp) -> Decision<Step> {
    let mut tags = bucket.tags.clone();
    tags.extend(wanted.owner.tags());
    let claim = Step::PutTags { tags, changes: vec!["put the owner tags on".into()] };
    manage(wanted, bucket, now).adopting(wanted, claim, None, now)
}

fn manage(wanted: &Wanted<'_>, bucket: &Bucket, now: Timestamp) -> Decision<Step> {
    let fields = fields(wanted, bucket);
    let compared = Comparison::of(&fields, wanted.record(), now);
    let steps = steps(wanted, bucket, &compared);
    let facts = Facts {
        id: Some(arn(wanted)),
        encryption: Some(encryption(wanted, bucket)),
        drift: compared.rows(&wanted.status.drift, wanted.drift_policy, &[], now),
        applied: Some(compared.marked(compared.applied.clone(), &[])),
        resource: Some(resource(wanted)),
        endpoint: Some(Endpoint { host: host(wanted), port: 443 }),
        ..Facts::default()
    };
    let encrypted = match encrypted(wanted, bucket) {
        // Still being set up for the first time: what is not there yet is on its way, and no news.
        Encrypted::No(_) if !wanted.record().existed && !steps.is_empty() => Encrypted::Unknown,
        answered => answered,
    };
    let verdict = verdict(&encrypted, &steps);
    let mut decision = Decision::rest(verdict, encrypted, facts).with_steps(steps);
    decision.pending = compared.impossible();
    decision
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
