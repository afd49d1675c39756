//! Deletion, through the same function (rules 2 and 6).

use super::*;
use crate::snapshot::FinalSnapshot;

const FIRST: &str = "shop-final-0a1b2c3d-1";

fn working() -> Outcome<Step> {
    Outcome::rest("Working Deleting", "Unknown")
}

fn stalled(reason: &str) -> Outcome<Step> {
    Outcome::rest(&format!("Stalled {reason}"), "Unknown")
}

fn delete(final_snapshot: Option<&str>) -> Step {
    Step::Delete { final_snapshot: final_snapshot.map(str::to_owned) }
}

#[test]
fn rule_02_a_cache_is_deleted_only_as_its_policy_says() {
    use DeletionPolicy::{Delete, Retain, Snapshot};
    let deleting = |policy| settled().deleting(policy);
    let release_secret =
        || Step::WriteConnection { secret_uid: "s1".into(), connection: Connection { owned: false, ..complete() } };
    let released = || secret("s1", Connection { owned: false, ..complete() });
    let untag = || Step::RemoveTags { arn: ARN.into(), keys: owner(KIND).tags().into_keys().collect() };
    let bare = || map(&[("team", "core")]);
    let made =
        |id: &str, status: &str| FinalSnapshot { id: id.into(), status: status.into(), encrypted: false, source: None };
    check(vec![
        ("Snapshot", decided(&deleting(Snapshot), &present()), working().doing(vec![delete(Some(FIRST))])),
        (
            "Snapshot, after one that failed: never the same name",
            decided(&deleting(Snapshot), &Seen { final_snapshots: vec![made(FIRST, "failed")], ..present() }),
            working().doing(vec![delete(Some("shop-final-0a1b2c3d-2"))]),
        ),
        ("Delete", decided(&deleting(Delete), &present()), working().doing(vec![delete(None)])),
        ("modifying is waited out", decided(&deleting(Delete), &with_status("modifying")), working()),
        ("a nightly snapshot is waited out", decided(&deleting(Snapshot), &with_status("snapshotting")), working()),
        ("AWS is deleting it", decided(&deleting(Delete), &with_status("deleting")), working()),
        (
            "our group without its owner tags: they are put back first",
            decided(&deleting(Delete), &with_tags(bare())),
            working().doing(vec![Step::AddTags { arn: ARN.into(), tags: owner(KIND).tags() }]),
        ),
        ("Retain", decided(&deleting(Retain), &present()), working().doing(vec![release_secret(), untag()])),
        (
            "Retain, busy: tags cannot be taken off now",
            decided(&deleting(Retain), &with_status("snapshotting")),
            working(),
        ),
        (
            "Retain, tags not answered: not known whether they are off",
            decided(&deleting(Retain), &Seen { tags: None, secret: released(), ..present() }),
            working(),
        ),
        (
            "Retain: the owner tags are off",
            decided(&deleting(Retain), &Seen { secret: released(), ..with_tags(bare()) }),
            Outcome::released(),
        ),
        (
            "paused: nothing is deleted",
            decided(&deleting(Delete), &present()).paused(),
            Outcome {
                held: vec![delete(None)],
                look_again: LookAgain::Poll,
                ..Outcome::rest("Working Paused", "Unknown")
            }
            .pending("Paused"),
        ),
    ]);
}

#[test]
fn rule_06_the_finalizer_outlives_the_cache_and_its_final_snapshot_is_verified() {
    use DeletionPolicy::{Delete, Retain, Snapshot};
    let gone = |policy| settled().deleting(policy).lost_for(30);
    // ElastiCache's snapshots have no flag of their own: without a key they are as their source was.
    let snapshot = |status: &str| Seen {
        final_snapshots: vec![FinalSnapshot {
            id: FIRST.into(),
            status: status.into(),
            encrypted: false,
            source: None,
        }],
        secret: secret("s1", complete()),
        ..nothing()
    };
    let without_id = gone(Snapshot).but(|scene| {
        if let Some(pin) = &mut scene.pin {
            pin.id = None;
        }
    });
    let never_told = gone(Snapshot).but(|scene| scene.status.encryption = None);
    check(vec![
        ("not found: first look", decided(&settled().deleting(Delete), &nothing()), working()),
        ("Delete: gone", decided(&gone(Delete), &nothing()), Outcome::released()),
        ("Retain: gone", decided(&gone(Retain), &nothing()), Outcome::released()),
        (
            "Snapshot: made, of a source that was seen encrypted",
            decided(&gone(Snapshot), &snapshot("available")),
            Outcome::released(),
        ),
        (
            "Snapshot: made, of a source that nobody saw",
            decided(&never_told, &snapshot("available")),
            stalled("SnapshotUnusable"),
        ),
        ("Snapshot: being made", decided(&gone(Snapshot), &snapshot("creating")), working()),
        ("Snapshot: failed", decided(&gone(Snapshot), &snapshot("failed")), stalled("SnapshotUnusable")),
        ("Snapshot: none", decided(&gone(Snapshot), &nothing()), stalled("SnapshotMissing")),
        (
            "Snapshot: the pin lost its id, the status says that it existed: none",
            decided(&without_id, &nothing()),
            stalled("SnapshotMissing"),
        ),
        ("Snapshot: likewise, made", decided(&without_id, &snapshot("available")), Outcome::released()),
        (
            "Snapshot: it was never there",
            decided(&applied().deleting(Snapshot).lost_for(30), &nothing()),
            Outcome::released(),
        ),
    ]);
    let kept = decided(&gone(Snapshot), &snapshot("creating")).facts.not_found_since;
    assert_eq!(kept, gone(Snapshot).status.not_found_since, "what was believed stays believed");
}

#[test]
fn its_own_parameter_group_goes_with_the_cache_or_stays_with_it() {
    use DeletionPolicy::{Delete, Retain, Snapshot};
    const OWN: &str = "shop-redis7";
    let with_group = |seen: Seen, tags: BTreeMap<String, String>| Seen {
        parameter_groups: Some(vec![ParameterGroup {
            name: OWN.into(),
            tags: Some(tags),
            ..ParameterGroup::default()
        }]),
        ..seen
    };
    let ours = || tagged(KIND, &[]);
    let gone = |policy| settled().deleting(policy).lost_for(30);
    let arn = "arn:aws:elasticache:eu-central-1:111122223333:parametergroup:shop-redis7";
    let untag = || Step::RemoveTags { arn: arn.into(), keys: owner(KIND).tags().into_keys().collect() };
    let drop_group = || Step::DeleteParameterGroup { name: OWN.into() };
    let released = || secret("s1", Connection { owned: false, ..complete() });
    let bare = || Seen { secret: released(), ..with_tags(map(&[("team", "core")])) };
    check(vec![
        (
            "while the cache is there its group is in use",
            decided(&settled().deleting(Delete), &with_group(present(), ours())),
            working().doing(vec![delete(None)]),
        ),
        ("Delete: gone", decided(&gone(Delete), &with_group(nothing(), ours())), working().doing(vec![drop_group()])),
        (
            "Snapshot: the snapshot comes first",
            decided(&gone(Snapshot), &with_group(nothing(), ours())),
            stalled("SnapshotMissing"),
        ),
        ("somebody else's stays", decided(&gone(Delete), &with_group(nothing(), map(&[]))), Outcome::released()),
        ("Retain: gone", decided(&gone(Retain), &with_group(nothing(), ours())), working().doing(vec![untag()])),
        (
            "Retain: the group loses our tags as the cache does",
            decided(&settled().deleting(Retain), &with_group(bare(), ours())),
            working().doing(vec![untag()]),
        ),
        (
            "Retain: all tags are off",
            decided(&settled().deleting(Retain), &with_group(bare(), map(&[]))),
            Outcome::released(),
        ),
    ]);
}

#[test]
fn rule_03_a_deleted_object_leaves_what_is_not_its_own() {
    let deleting = settled().deleting(DeletionPolicy::Delete);
    check(vec![
        (
            "another object's",
            decided(&deleting, &with_tags(tagged("ShowCoreCache/team/other", &[]))),
            Outcome::released(),
        ),
        ("replaced", decided(&deleting, &with(|group| group.created += 60)), Outcome::released()),
    ]);
}
