//! The deletion of a bucket, through the same function as its creation (rules 2 and 6).

use super::{Step, Wanted};
use crate::{
    bucket::Bucket,
    decision::{Decision, LookAgain},
    ownership::is_owner_tag,
    spec::DeletionPolicy,
};

/// The bucket is there and ours.
pub(super) fn remove(wanted: &Wanted<'_>, bucket: &Bucket, policy: DeletionPolicy) -> Decision<Step> {
    let name = wanted.identifier;
    if policy == DeletionPolicy::Retain {
        let tags =
            bucket.tags.iter().filter(|(key, _)| !is_owner_tag(key)).map(|(k, v)| (k.clone(), v.clone())).collect();
        return Decision::deleting(format!("the bucket {name} is retained; its owner tags are being taken off"))
            .with_steps(vec![Step::PutTags { tags, changes: vec!["take off the owner tags".into()] }]);
    }
    match (bucket.has_objects, wanted.spec.empty_on_delete) {
        (Some(false), _) => {
            Decision::deleting(format!("the empty bucket {name} is being deleted")).with_steps(vec![Step::Delete])
        }
        (_, true) => Decision::deleting(format!("the bucket {name} is being emptied")).with_steps(vec![Step::Empty]),
        (_, false) => {
            let message = format!(
                "the bucket {name} holds objects, versions or delete markers and is not deleted: empty it, or set \
                 emptyOnDelete: true, or set deletionPolicy: Retain"
            );
            let mut decision = Decision::stalled("BucketNotEmpty", message);
            decision.look_again = LookAgain::Poll;
            decision
        }
    }
}

/// S3 no longer has the bucket and the object is being deleted.
pub(super) fn gone(wanted: &Wanted<'_>) -> Decision<Step> {
    Decision::release(format!("the bucket {} is gone", wanted.identifier))
}
