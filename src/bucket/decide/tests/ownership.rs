//! Whose the bucket is, and its end.

use super::*;

#[test]
fn rule_03_a_bucket_that_is_not_ours_is_left_untouched() {
    let untagged = || with(|bucket| bucket.tags = map(&[("theirs", "kept")]));
    let other = || with(|bucket| drop(bucket.tags.insert(OWNER_TAG.into(), "ShowCoreBucket/team/other".into())));
    let stalled = |reason: &str| Outcome::rest(&format!("Stalled {reason}"), "Unknown");
    let elsewhere =
        |scene: Scene<ShowCoreBucketSpec>| scene.but(|scene| scene.place.account_id = "999999999999".into());
    let delete = DeletionPolicy::Delete;
    check(vec![
        ("no owner tags", decided(&applied(), &untagged()), stalled("NotOurs")),
        (
            "no owner tags on one we knew: it has no id that proves it",
            decided(&settled(), &untagged()),
            stalled("NotOurs"),
        ),
        ("another object's", decided(&settled(), &other()), stalled("Conflict")),
        ("another account's", decided(&applied(), &Seen::Forbidden), stalled("NotOurs")),
        ("another region's", decided(&applied(), &Seen::Elsewhere), stalled("NotOurs")),
        ("ours, and no longer to be seen", decided(&settled(), &Seen::Forbidden), stalled("NotOurs")),
        (
            "the operator acts in another account",
            decided(&elsewhere(settled()), &Seen::Forbidden),
            stalled("WrongPlace"),
        ),
        ("deleting: no owner tags", decided(&settled().deleting(delete), &untagged()), Outcome::released()),
        ("deleting: another object's", decided(&settled().deleting(delete), &other()), Outcome::released()),
        (
            "deleting: another account's, never ours",
            decided(&applied().deleting(delete), &Seen::Forbidden),
            Outcome::released(),
        ),
        (
            "deleting: ours, and not to be seen",
            decided(&settled().deleting(delete), &Seen::Forbidden),
            stalled("NotOurs"),
        ),
        (
            "deleting: the operator acts in another account",
            decided(&elsewhere(applied()).deleting(delete), &Seen::Forbidden),
            stalled("WrongPlace"),
        ),
    ]);
    let Verdict::Stalled(why) = decided(&settled(), &untagged()).verdict else { panic!("not stalled") };
    assert!(
        why.message.contains("{Key=theirs,Value=kept}") && why.message.contains("Key=showcore.io/uid"),
        "{}",
        why.message
    );
}

#[test]
fn rule_02_a_bucket_that_is_gone_is_missing_and_not_made_again() {
    let missing = settled().lost_for(60);
    check(vec![
        ("first look", decided(&settled(), &Seen::Absent), Outcome::rest("Working NotFound", "Unknown")),
        ("believed", decided(&missing, &Seen::Absent), Outcome::rest("Stalled Missing", "Unknown")),
        ("found again", decided(&missing, &with(|_| {})), calm()),
    ]);
}

#[test]
fn rule_02_a_bucket_is_deleted_only_as_its_policy_says() {
    let holds = |objects: Option<bool>| with(|bucket| bucket.has_objects = objects);
    let retain = || settled().deleting(DeletionPolicy::Retain);
    let delete = || settled().deleting(DeletionPolicy::Delete);
    let empty = || delete().but(|scene| scene.spec.empty_on_delete = true);
    let deleting = || Outcome::rest("Working Deleting", "Unknown");
    let off = put_tags(map(&[("team", "core"), ("theirs", "kept")]), &["take off the owner tags"]);
    let not_empty = || Outcome { look_again: LookAgain::Poll, ..Outcome::rest("Stalled BucketNotEmpty", "Unknown") };
    check(vec![
        ("Retain: only the owner tags go", decided(&retain(), &holds(Some(true))), deleting().doing(vec![off])),
        (
            "Retain: the owner tags are off",
            decided(&retain(), &with(|bucket| bucket.tags = map(&[("team", "core")]))),
            Outcome::released(),
        ),
        ("Delete: empty", decided(&delete(), &holds(Some(false))), deleting().doing(vec![Step::Delete])),
        ("Delete: it holds objects", decided(&delete(), &holds(Some(true))), not_empty()),
        ("Delete: not known whether it does", decided(&delete(), &holds(None)), not_empty()),
        (
            "Delete, emptyOnDelete: it holds objects",
            decided(&empty(), &holds(Some(true))),
            deleting().doing(vec![Step::Empty]),
        ),
        (
            "Delete, emptyOnDelete: emptied",
            decided(&empty(), &holds(Some(false))),
            deleting().doing(vec![Step::Delete]),
        ),
        ("rule 6: a delete that was accepted is not the end", decided(&delete(), &Seen::Absent), deleting()),
        ("gone, believed", decided(&delete().lost_for(30), &Seen::Absent), Outcome::released()),
        (
            "paused: nothing is deleted",
            decided(&delete(), &holds(Some(false))).paused(),
            Outcome {
                held: vec![Step::Delete],
                pending: Some("Paused"),
                look_again: LookAgain::Poll,
                ..Outcome::rest("Working Paused", "Unknown")
            },
        ),
    ]);
}
