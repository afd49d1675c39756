//! Deletion, through the same function (rules 2 and 6).

use super::*;
use crate::snapshot::FinalSnapshot;

const GROUP_ARN: &str = "arn:aws:rds:eu-central-1:111122223333:pg:shop-postgres16";
const FIRST: &str = "shop-final-0a1b2c3d-1";

fn deleting(policy: DeletionPolicy) -> Object {
    settled().deleting(policy).but(|scene| scene.spec.deletion_protection = false)
}

fn working() -> Outcome<Step> {
    Outcome::rest("Working Deleting", "Unknown")
}

fn stalled(reason: &str) -> Outcome<Step> {
    Outcome::rest(&format!("Stalled {reason}"), "Unknown")
}

fn unprotected(status: &str) -> Seen {
    with(|instance| {
        instance.deletion_protection = false;
        instance.status = status.into();
    })
}

fn delete(final_snapshot: Option<&str>) -> Step {
    Step::Delete { final_snapshot: final_snapshot.map(str::to_owned) }
}

fn untag(arn: &str) -> Step {
    Step::RemoveTags { arn: arn.into(), keys: owner(KIND).tags().into_keys().collect() }
}

fn own_group(tags: BTreeMap<String, String>) -> ParameterGroup {
    ParameterGroup { name: "shop-postgres16".into(), parameters: map(&[]), tags: Some(tags) }
}

#[test]
fn rule_02_a_database_is_deleted_only_as_its_policy_says() {
    use DeletionPolicy::{Delete, Retain, Snapshot};
    let protected = |policy| settled().deleting(policy);
    let untagged = || with(|instance| instance.tags = map(&[("team", "core")]));
    let failed_before =
        FinalSnapshot { id: FIRST.into(), status: "failed".into(), encrypted: true, source: Some("db-A".into()) };
    let off = || modify(Changes { deletion_protection: Some(false), ..Changes::default() });
    let release_secret =
        || Step::WriteConnection { secret_uid: "s1".into(), connection: Connection { owned: false, ..complete() } };
    let secret_released = || secret("s1", Connection { owned: false, ..complete() });
    let put_back = || Step::AddTags { arn: ARN.into(), tags: owner(KIND).tags() };
    check(vec![
        ("Snapshot, protected by the spec", decided(&protected(Snapshot), &present()), stalled("DeletionProtected")),
        ("Delete, protected by the spec", decided(&protected(Delete), &present()), stalled("DeletionProtected")),
        ("Snapshot, protected in AWS", decided(&deleting(Snapshot), &present()), working().doing(vec![off()])),
        (
            "Snapshot",
            decided(&deleting(Snapshot), &unprotected("available")),
            working().doing(vec![delete(Some(FIRST))]),
        ),
        (
            "Snapshot, after one that failed: never the same name",
            decided(&deleting(Snapshot), &Seen { final_snapshots: vec![failed_before], ..unprotected("available") }),
            working().doing(vec![delete(Some("shop-final-0a1b2c3d-2"))]),
        ),
        ("Delete", decided(&deleting(Delete), &unprotected("available")), working().doing(vec![delete(None)])),
        (
            "our id without its owner tags: they are put back first",
            decided(&deleting(Delete), &untagged()),
            working().doing(vec![put_back()]),
        ),
        (
            "Retain waits for no protection",
            decided(&protected(Retain), &present()),
            working().doing(vec![release_secret(), untag(ARN)]),
        ),
        (
            "Retain, with a parameter group",
            decided(&deleting(Retain), &Seen { own_group: Some(own_group(tagged(KIND, &[]))), ..present() }),
            working().doing(vec![release_secret(), untag(GROUP_ARN), untag(ARN)]),
        ),
        (
            "Retain, with somebody else's parameter group",
            decided(&deleting(Retain), &Seen { own_group: Some(own_group(map(&[]))), ..present() }),
            working().doing(vec![release_secret(), untag(ARN)]),
        ),
        (
            "Retain: the owner tags are off",
            decided(&deleting(Retain), &Seen { secret: secret_released(), ..untagged() }),
            Outcome::released(),
        ),
        (
            "Retain: the owner tags are off and the Secret would still go with the object",
            decided(&deleting(Retain), &untagged()),
            working().doing(vec![release_secret()]),
        ),
        (
            "paused: nothing is deleted",
            decided(&deleting(Delete), &unprotected("available")).paused(),
            Outcome {
                held: vec![delete(None)],
                look_again: LookAgain::Poll,
                ..Outcome::rest("Working Paused", "Unknown")
            }
            .pending("Paused"),
        ),
    ]);
    let Verdict::Working(why) = decided(&deleting(Delete), &unprotected("available")).verdict else {
        panic!("not working")
    };
    assert!(why.message.contains("automated backups are kept"), "{}", why.message);
}

#[test]
fn rule_02_a_status_in_which_aws_accepts_no_deletion_is_waited_out() {
    use DeletionPolicy::{Delete, Snapshot};
    let without = |status: &str, outcome| {
        (format!("Delete, {status}"), decided(&deleting(Delete), &unprotected(status)), outcome)
    };
    let with = |status: &str, outcome| {
        (format!("Snapshot, {status}"), decided(&deleting(Snapshot), &unprotected(status)), outcome)
    };
    let mut rows = Vec::new();
    for (status, verdict) in STATUSES {
        let deletable = [
            "available",
            "storage-full",
            "stopped",
            "failed",
            "incompatible-parameters",
            "incompatible-restore",
            "incompatible-network",
        ];
        let no_snapshot = ["failed", "incompatible-restore", "incompatible-network"];
        let gone = |snapshot| match verdict.strip_prefix("Stalled ") {
            _ if deletable.contains(status) => working().doing(vec![delete(snapshot)]),
            Some(reason) => stalled(reason),
            None => working(),
        };
        rows.push(without(status, gone(None)));
        rows.push(with(
            status,
            if no_snapshot.contains(status) { stalled("SnapshotImpossible") } else { gone(Some(FIRST)) },
        ));
    }
    check(rows);
    let protected = settled().deleting(Snapshot);
    let off = || modify(Changes { deletion_protection: Some(false), ..Changes::default() });
    // AWS's own protection is on.
    let on = |status: &str| decided(&deleting(Delete), &with_status(status));
    let held = || stalled("DeletionProtected");
    check(vec![
        (
            "AWS is deleting it already, whatever the spec protects",
            decided(&protected, &with_status("deleting")),
            working(),
        ),
        ("protected in AWS, available", on("available"), working().doing(vec![off()])),
        ("protected in AWS, modifying: it comes back by itself", on("modifying"), working()),
        ("protected in AWS, stopped", on("stopped"), held()),
        ("protected in AWS, full", on("storage-full"), held()),
        ("protected in AWS, failed", on("failed"), held()),
        ("protected in AWS, incompatible", on("incompatible-network"), held()),
        (
            "protected in AWS, its key not accessible",
            on("inaccessible-encryption-credentials"),
            stalled("KeyNotAccessible"),
        ),
        (
            "protected in AWS, failed, Snapshot: there will be none",
            decided(&deleting(Snapshot), &with_status("failed")),
            stalled("SnapshotImpossible"),
        ),
    ]);
    let sentence = |decision: Decision<Step>| match decision.verdict {
        Verdict::Stalled(why) => why.message,
        other => panic!("{other:?}"),
    };
    let stopped = sentence(on("stopped"));
    assert!(
        stopped.contains("only while the instance is available") && stopped.contains("start-db-instance"),
        "{stopped}"
    );
    let full = sentence(on("storage-full"));
    assert!(full.contains("--allocated-storage") && !full.contains("spec.storage"), "{full}");
    let no_key = sentence(decided(&deleting(Delete), &unprotected("inaccessible-encryption-credentials")));
    assert!(no_key.contains("the deletion of shop waits") && no_key.contains("enable the key"), "{no_key}");
}

#[test]
fn rule_06_the_finalizer_outlives_the_database_and_its_final_snapshot_is_verified() {
    use DeletionPolicy::{Delete, Retain, Snapshot};
    let snapshots = |made: &[(&str, &str, bool, &str)]| Seen {
        instance: None,
        final_snapshots: made
            .iter()
            .map(|(id, status, encrypted, source)| FinalSnapshot {
                id: (*id).into(),
                status: (*status).into(),
                encrypted: *encrypted,
                source: Some((*source).into()),
            })
            .collect(),
        ..present()
    };
    let gone = |policy| deleting(policy).lost_for(30);
    let group = |tags| Seen { own_group: Some(own_group(tags)), ..snapshots(&[]) };
    let second = "shop-final-0a1b2c3d-2";
    let tenth = "shop-final-0a1b2c3d-10";
    let never_seen = applied().deleting(Snapshot).lost_for(30);
    let without_id = gone(Snapshot).but(|scene| {
        if let Some(pin) = &mut scene.pin {
            pin.id = None;
        }
    });
    let unpinned = gone(Snapshot).but(|scene| scene.pin = None);
    check(vec![
        ("accepted is not gone", decided(&deleting(Delete), &with_status("deleting")), working()),
        ("not found: first look", decided(&deleting(Delete), &snapshots(&[])), working()),
        ("Delete: gone", decided(&gone(Delete), &snapshots(&[])), Outcome::released()),
        ("Retain: gone", decided(&gone(Retain), &snapshots(&[])), Outcome::released()),
        (
            "Snapshot: made",
            decided(&gone(Snapshot), &snapshots(&[(FIRST, "available", true, "db-A")])),
            Outcome::released(),
        ),
        ("Snapshot: being made", decided(&gone(Snapshot), &snapshots(&[(FIRST, "creating", true, "db-A")])), working()),
        ("Snapshot: none", decided(&gone(Snapshot), &snapshots(&[])), stalled("SnapshotMissing")),
        (
            "Snapshot: failed",
            decided(&gone(Snapshot), &snapshots(&[(FIRST, "failed", true, "db-A")])),
            stalled("SnapshotUnusable"),
        ),
        (
            "Snapshot: not encrypted",
            decided(&gone(Snapshot), &snapshots(&[(FIRST, "available", false, "db-A")])),
            stalled("SnapshotUnusable"),
        ),
        (
            "Snapshot: of another database",
            decided(&gone(Snapshot), &snapshots(&[(FIRST, "available", true, "db-B")])),
            stalled("SnapshotMissing"),
        ),
        (
            "Snapshot: the newest counts, in whatever order AWS names them",
            decided(
                &gone(Snapshot),
                &snapshots(&[(tenth, "failed", true, "db-A"), (second, "available", true, "db-A")]),
            ),
            stalled("SnapshotUnusable"),
        ),
        (
            "Snapshot: the pin lost its id, the status says that it existed: none",
            decided(&without_id, &snapshots(&[])),
            stalled("SnapshotMissing"),
        ),
        (
            "Snapshot: likewise, not encrypted",
            decided(&without_id, &snapshots(&[(FIRST, "available", false, "db-A")])),
            stalled("SnapshotUnusable"),
        ),
        (
            "Snapshot: likewise, made",
            decided(&without_id, &snapshots(&[(FIRST, "available", true, "db-A")])),
            Outcome::released(),
        ),
        (
            "Snapshot: the whole pin was taken off: none",
            decided(&unpinned, &snapshots(&[])),
            stalled("SnapshotMissing"),
        ),
        ("Snapshot: it was never there", decided(&never_seen, &nothing()), Outcome::released()),
        (
            "Delete: its parameter group goes with it",
            decided(&gone(Delete), &group(tagged(KIND, &[]))),
            working().doing(vec![Step::DeleteParameterGroup { name: "shop-postgres16".into() }]),
        ),
        (
            "Delete: somebody else's parameter group stays",
            decided(&gone(Delete), &group(map(&[]))),
            Outcome::released(),
        ),
        (
            "Retain deletes no parameter group",
            decided(&gone(Retain), &group(tagged(KIND, &[]))),
            working().doing(vec![untag(GROUP_ARN)]),
        ),
    ]);
}

#[test]
fn rule_03_a_deleted_object_leaves_what_is_not_its_own() {
    use DeletionPolicy::Delete;
    let other = with(|instance| instance.tags = tagged("ShowCoreDatabase/team/other", &[]));
    let replaced = with(|instance| instance.id = "db-B".into());
    let elsewhere = deleting(Delete).but(|scene| scene.place.region = "us-east-1".into());
    check(vec![
        ("another object's", decided(&deleting(Delete), &other), Outcome::released()),
        ("replaced", decided(&deleting(Delete), &replaced), Outcome::released()),
        ("the operator acts in another region", decided(&elsewhere, &nothing()), stalled("WrongPlace")),
    ]);
}
