//! The rules that every kind shares, as tables: rules 2 and 3, the pin, a pause, a failure.

use super::*;
use crate::{
    field::Row,
    ownership::{CLUSTER_TAG, OWNER_TAG, UID_TAG},
    testing::{Scene, WEDNESDAY, map, owner, tagged, time},
};

const KIND: &str = "ShowCoreDatabase";

#[derive(Clone, Debug, PartialEq)]
struct Call;

impl Step for Call {
    fn call(&self) -> &'static str {
        "rds:ModifyDBInstance"
    }
    fn changes(&self) -> Vec<String> {
        vec!["instanceClass: db.t3.small".into()]
    }
    fn impact(&self) -> Impact {
        Impact::Downtime
    }
}

/// An object whose store was seen and pinned as `db-A`.
fn known() -> Scene<()> {
    applied().but(|scene| {
        if let Some(pin) = &mut scene.pin {
            pin.id = Some("db-A".into());
        }
    })
}

/// An object that was just applied.
fn applied() -> Scene<()> {
    Scene::new(KIND, "shop", ())
}

fn seen<'a>(id: &'a str, tags: Option<&'a BTreeMap<String, String>>) -> Sighting<'a> {
    Sighting { id, tags, id_is_unique: true, retag_hint: None }
}

/// `Create`, `Manage`, `Remove Delete`, `Gone`, `Release`, `Stalled Missing`, `Working NotFound`.
fn said(standing: &Standing<Call>) -> String {
    match standing {
        Standing::Create => "Create".into(),
        Standing::Manage => "Manage".into(),
        Standing::Adopt => "Adopt".into(),
        Standing::Remove(policy) => format!("Remove {policy:?}"),
        Standing::Gone => "Gone".into(),
        Standing::Decided(decision) => {
            assert_eq!((&decision.steps, &decision.held), (&vec![], &vec![]), "a shared rule never plans a step");
            match &decision.verdict {
                _ if decision.finalizer == Finalizer::Release => "Release".into(),
                Verdict::Ready(why) => format!("Ready {}", why.reason),
                Verdict::Working(why) => format!("Working {}", why.reason),
                Verdict::Stalled(why) => format!("Stalled {}", why.reason),
            }
        }
    }
}

#[test]
fn rule_02_what_existed_is_missing_and_never_silently_made_again() {
    let seen_in_status = applied().but(|scene| {
        scene.status.resource = Some(ResourceStatus {
            arn: "arn".into(),
            identifier: "shop".into(),
            member: None,
            region: "eu-central-1".into(),
            account_id: "111122223333".into(),
            status: "available".into(),
        });
    });
    let unpinned = |scene: &Scene<()>| scene.but(|scene| scene.pin = None);
    let delete = DeletionPolicy::Delete;
    let table = [
        ("never seen", applied(), "Create"),
        ("never seen, not even pinned", unpinned(&applied()), "Create"),
        ("it existed: the first look without it", known(), "Working NotFound"),
        ("within the grace period", known().lost_for(29), "Working NotFound"),
        ("after the grace period and a second look", known().lost_for(30), "Stalled Missing"),
        ("its status was lost in a backup, its pin was not", known().restored(), "Working NotFound"),
        ("its status says that it existed, its pin does not", seen_in_status.clone(), "Working NotFound"),
        ("likewise, believed", unpinned(&seen_in_status).lost_for(60), "Stalled Missing"),
        ("deleting: never pinned, so never made", unpinned(&applied()).deleting(delete), "Gone"),
        ("deleting: pinned, so perhaps being made: first look", applied().deleting(delete), "Working Deleting"),
        ("deleting: likewise, believed", applied().deleting(delete).lost_for(30), "Gone"),
        ("deleting: first look without it", known().deleting(delete), "Working Deleting"),
        ("deleting: within the grace period", known().deleting(delete).lost_for(29), "Working Deleting"),
        ("deleting: believed", known().deleting(delete).lost_for(30), "Gone"),
        ("deleting: its status says that it existed", unpinned(&seen_in_status).deleting(delete), "Working Deleting"),
    ];
    for (situation, scene, expected) in table {
        assert_eq!(said(&scene.wanted().standing(None, scene.now)), expected, "{situation}");
    }
}

#[test]
fn rule_02_not_found_is_counted_from_the_first_look_without_it() {
    let scene = known();
    let since = |scene: &Scene<()>| match scene.wanted().standing::<Call>(None, scene.now) {
        Standing::Decided(decision) => decision.facts.not_found_since,
        other => panic!("{other:?}"),
    };
    assert_eq!(since(&scene), Some(scene.now));
    let lost = scene.lost_for(17);
    assert_eq!(since(&lost), lost.status.not_found_since);
    // Without a grace period the second look is still needed.
    let hasty = |scene: &Scene<()>| {
        let wanted = Wanted { not_found_grace: SignedDuration::ZERO, ..scene.wanted() };
        said(&wanted.standing(None, scene.now))
    };
    assert_eq!(hasty(&scene), "Working NotFound");
    assert_eq!(hasty(&scene.lost_for(0)), "Stalled Missing");
}

#[test]
fn rule_03_only_what_is_ours_is_managed_or_removed() {
    let ours = tagged(KIND, &[("team", "core")]);
    let bare = map(&[("team", "core")]);
    let other = map(&[(CLUSTER_TAG, "c1"), (OWNER_TAG, "ShowCoreDatabase/team/other"), (UID_TAG, "u2")]);
    let cluster = map(&[(CLUSTER_TAG, "c2"), (OWNER_TAG, "ShowCoreDatabase/team/shop"), (UID_TAG, "0a1b2c3d-4e5f")]);
    let earlier = map(&[(CLUSTER_TAG, "c1"), (OWNER_TAG, "ShowCoreDatabase/team/shop"), (UID_TAG, "old")]);
    let mut part = ours.clone();
    part.remove(UID_TAG);
    // Situation, the object, what is seen; wanted, and being deleted.
    let table = [
        ("ours by its tags, before it was pinned", applied(), seen("db-A", Some(&ours)), "Manage", "Remove Snapshot"),
        ("ours by tags and id", known(), seen("db-A", Some(&ours)), "Manage", "Remove Snapshot"),
        ("our id, its tags gone", known(), seen("db-A", Some(&bare)), "Manage", "Remove Snapshot"),
        ("our id, one tag gone", known(), seen("db-A", Some(&part)), "Manage", "Remove Snapshot"),
        ("our id, tags unreadable", known(), seen("db-A", None), "Manage", "Remove Snapshot"),
        (
            "tags unreadable, not pinned",
            applied(),
            seen("db-A", None),
            "Working TagsUnreadable",
            "Working TagsUnreadable",
        ),
        (
            "another id, tags unreadable",
            known(),
            seen("db-B", None),
            "Working TagsUnreadable",
            "Working TagsUnreadable",
        ),
        ("no tags, not pinned", applied(), seen("db-A", Some(&bare)), "Stalled NotOurs", "Release"),
        ("no tags, another id", known(), seen("db-B", Some(&bare)), "Stalled Replaced", "Release"),
        ("part of our tags, not pinned", applied(), seen("db-A", Some(&part)), "Stalled NotOurs", "Release"),
        ("another cluster's", applied(), seen("db-A", Some(&cluster)), "Stalled NotOurs", "Release"),
        ("another cluster's tag on our id", known(), seen("db-A", Some(&cluster)), "Stalled NotOurs", "Release"),
        ("an earlier object's of this name", applied(), seen("db-A", Some(&earlier)), "Stalled NotOurs", "Release"),
        ("another object's", applied(), seen("db-A", Some(&other)), "Stalled Conflict", "Release"),
        ("another object's tag on our id", known(), seen("db-A", Some(&other)), "Stalled Conflict", "Release"),
        ("replaced by one with our tags", known(), seen("db-B", Some(&ours)), "Stalled Replaced", "Release"),
    ];
    for (situation, scene, sighting, wanted, removed) in table {
        assert_eq!(said(&scene.wanted().standing(Some(&sighting), scene.now)), wanted, "{situation}");
        let scene = scene.deleting(DeletionPolicy::Snapshot);
        assert_eq!(said(&scene.wanted().standing(Some(&sighting), scene.now)), removed, "deleting: {situation}");
    }
}

#[test]
fn rule_02_where_the_crd_cannot_be_seen_a_deletion_that_loses_data_waits_for_a_persons_word() {
    let ours = tagged(KIND, &[]);
    let there = seen("db-A", Some(&ours));
    let held = "Stalled DeletionUnconfirmed";
    for (policy, unconfirmed, said_of_it) in [
        (DeletionPolicy::Delete, true, held),
        (DeletionPolicy::Snapshot, true, held),
        (DeletionPolicy::Retain, true, "Remove Retain"),
        (DeletionPolicy::Delete, false, "Remove Delete"),
    ] {
        let scene = known().deleting(policy).but(|scene| scene.unconfirmed = unconfirmed);
        assert_eq!(said(&scene.wanted().standing(Some(&there), scene.now)), said_of_it, "{policy:?} {unconfirmed}");
    }
    // What is gone cannot be lost any more, and what is not ours is left alone anyway.
    let scene = known().deleting(DeletionPolicy::Delete).but(|scene| scene.unconfirmed = true);
    let gone = scene.lost_for(60);
    assert_eq!(said(&gone.wanted().standing(None, gone.now)), "Gone");
    let bare = map(&[]);
    assert_eq!(said(&scene.wanted().standing(Some(&seen("db-B", Some(&bare))), scene.now)), "Release");
    let Standing::Decided(decision) = scene.wanted().standing::<Call>(Some(&there), scene.now) else {
        panic!("not held")
    };
    let Verdict::Stalled(note) = &decision.verdict else { panic!("not stalled") };
    let command = "kubectl -n team annotate showcoredatabase shop showcore.io/confirm-delete=true";
    assert!(note.message.contains(command), "{}", note.message);
}

#[test]
fn rule_03_only_what_carries_nobodys_owner_tags_is_taken_over_and_only_if_the_spec_says_so() {
    let ours = tagged(KIND, &[]);
    let bare = map(&[("team", "core")]);
    let cluster = map(&[(CLUSTER_TAG, "c2"), (OWNER_TAG, "ShowCoreDatabase/team/shop"), (UID_TAG, "0a1b2c3d-4e5f")]);
    let part = map(&[(CLUSTER_TAG, "c1")]);
    let table = [
        ("nobody's", applied(), seen("db-A", Some(&bare)), "Adopt", "Release"),
        ("tags unreadable", applied(), seen("db-A", None), "Working TagsUnreadable", "Working TagsUnreadable"),
        ("ours", applied(), seen("db-A", Some(&ours)), "Manage", "Remove Snapshot"),
        ("part of our tags", applied(), seen("db-A", Some(&part)), "Stalled NotOurs", "Release"),
        ("another cluster's", applied(), seen("db-A", Some(&cluster)), "Stalled NotOurs", "Release"),
        ("in the place of the one we made", known(), seen("db-B", Some(&bare)), "Stalled Replaced", "Release"),
    ];
    for (situation, scene, sighting, wanted, removed) in table {
        let scene = scene.but(|scene| scene.adoption = Adoption::Unowned);
        assert_eq!(said(&scene.wanted().standing(Some(&sighting), scene.now)), wanted, "{situation}");
        let scene = scene.deleting(DeletionPolicy::Snapshot);
        assert_eq!(said(&scene.wanted().standing(Some(&sighting), scene.now)), removed, "deleting: {situation}");
    }
}

#[test]
fn what_is_taken_over_is_told_before_anything_is_written() {
    let managed = || decision(ready(), &[]).with_steps(vec![Call]);
    let look = |scene: &Scene<()>, managed: Decision<Call>| {
        managed.adopting(&scene.wanted(), Call, Some("its password changes"), scene.now)
    };
    let dry = look(&applied(), managed());
    assert_eq!((dry.steps.len(), dry.held.len(), dry.facts.id.clone()), (0, 2, None), "only planned, and not pinned");
    let plan = dry.pending.clone().expect("it is told");
    assert!(
        plan.message.contains("then changes: instanceClass: db.t3.small; its password changes"),
        "{}",
        plan.message
    );
    let at_once = applied().told(&dry);
    assert_eq!(look(&at_once, managed()).steps, [], "it stands for a minute");
    let told = at_once.but(|scene| scene.now = time("2026-11-25T14:03:00Z"));
    assert_eq!(look(&told, managed()).steps, [Call], "the tags come first");
    assert_eq!(look(&told, managed()).facts.applied, Some(BTreeMap::new()), "nothing of it was applied by us");
    let other = look(&told, managed().with_steps(vec![Call, Call]));
    assert_eq!(other.steps, [], "another plan than the one told is told first");
    assert!(other.facts.adopt_after > Some(told.now), "and stands for a minute of its own");
    let mut impossible = managed();
    impossible.pending = Some(note("ChangeImpossible", "databaseName: AWS cannot change this"));
    for refused in [impossible, decision(Verdict::Stalled(note("NotAtRest", "it is not encrypted")), &[])] {
        let refused = look(&told, refused);
        assert_eq!((refused.steps, refused.held), (vec![], vec![]));
        assert!(matches!(refused.verdict, Verdict::Stalled(why) if why.reason == "NotAdopted"));
    }
}

#[test]
fn rule_03_an_id_that_is_not_unique_proves_nothing() {
    let scene = known();
    let bare = BTreeMap::new();
    let bucket =
        Sighting {
            id: "db-A", tags: Some(&bare), id_is_unique: false, retag_hint: Some("tag it again: aws …".into())
        };
    match scene.wanted().standing::<Call>(Some(&bucket), scene.now) {
        Standing::Decided(decision) => match decision.verdict {
            Verdict::Stalled(why) => {
                assert!(why.reason == "NotOurs" && why.message.ends_with("tag it again: aws …"), "{why:?}");
            }
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_pin_names_where_the_store_is_and_another_place_is_a_mistake() {
    type Change = fn(&mut Scene<()>);
    let ours = owner(KIND).tags();
    let table: [(&str, Change, &str); 4] = [
        ("the same place", |_| {}, "Manage"),
        ("another account", |scene| scene.place.account_id = "999999999999".into(), "Stalled WrongPlace"),
        ("another region", |scene| scene.place.region = "us-east-1".into(), "Stalled WrongPlace"),
        ("another name", |scene| scene.identifier = "store".into(), "Stalled IdentifierChanged"),
    ];
    for (situation, change, expected) in table {
        let scene = known().but(change);
        assert_eq!(
            said(&scene.wanted().standing(Some(&seen("db-A", Some(&ours))), scene.now)),
            expected,
            "{situation}"
        );
        if expected != "Manage" {
            let lost = scene.lost_for(60);
            assert_eq!(
                said(&lost.wanted().standing(None, lost.now)),
                expected,
                "{situation}: nothing is missing there"
            );
            let deleting = lost.deleting(DeletionPolicy::Delete);
            assert_eq!(said(&deleting.wanted().standing(None, deleting.now)), expected, "{situation}: nor gone");
        }
    }
}

fn row(action: DriftAction) -> DriftRow {
    DriftRow {
        field: "instanceClass".into(),
        desired: "db.t3.small".into(),
        observed: "db.t3.micro".into(),
        since: time(WEDNESDAY),
        action,
        message: None,
    }
}

fn decision(verdict: Verdict, rows: &[DriftAction]) -> Decision<Call> {
    let facts = Facts { drift: rows.iter().map(|action| row(*action)).collect(), ..Facts::default() };
    Decision::rest(verdict, Encrypted::Unknown, facts)
}

fn actions(decision: &Decision<Call>) -> Vec<DriftAction> {
    decision.facts.drift.iter().map(|row| row.action).collect()
}

fn ready() -> Verdict {
    Verdict::Ready(note("Available", "it serves"))
}

fn working() -> Verdict {
    Verdict::Working(note("Creating", "it is being created"))
}

fn stalled() -> Verdict {
    Verdict::Stalled(note("Failed", "AWS cannot recover it"))
}

#[test]
fn paused_holds_every_step_and_the_finalizer_and_only_reports_drift() {
    use DriftAction::{AwaitingWindow, Blocked, Pending, ReportOnly};
    let mut before = decision(ready(), &[Pending, AwaitingWindow, Blocked, ReportOnly]).with_steps(vec![Call]);
    before.held = vec![Call, Call];
    before.working = Some(note("WaitingForAWS", "…"));
    let paused = before.paused();
    assert_eq!((paused.steps.len(), paused.held.len()), (0, 3));
    assert_eq!(actions(&paused), [ReportOnly, ReportOnly, Blocked, ReportOnly]);
    assert_eq!(paused.verdict, ready(), "a store that serves is Ready, paused or not");
    assert_eq!((paused.pending.as_ref().map(|why| why.reason), &paused.working), (Some("Paused"), &None));
    assert_eq!(paused.look_again, LookAgain::Poll);
    assert!(paused.pending.as_ref().is_some_and(|why| why.message.contains("3 steps wait")), "{:?}", paused.pending);
    assert_eq!(paused.plan().map(|plan| plan.steps.len()), Some(3), "the plan still shows them");

    let table = [
        ("being made", decision(working(), &[]).with_steps(vec![Call]).paused(), "Working Paused"),
        ("a human must act", decision(stalled(), &[]).paused(), "Stalled Failed"),
        ("gone, while the object is being deleted", Decision::release("gone").paused(), "Working Paused"),
    ];
    for (situation, paused, verdict) in table {
        assert_eq!(
            said(&Standing::Decided(Box::new(Decision { held: vec![], ..paused.clone() }))),
            verdict,
            "{situation}"
        );
        assert_eq!(paused.finalizer, Finalizer::Keep, "{situation}");
    }
}

#[test]
fn rule_09_a_failed_step_is_told_by_its_class() {
    let failure = |class| Failure::own("rds:ModifyDBInstance", class, "Why", "what to do");
    let table = [
        ("retry, and it serves", Class::Retry, ready(), "Ready Available", None, Some("Why"), LookAgain::Soon),
        ("retry, while it is being made", Class::Retry, working(), "Working Why", None, None, LookAgain::Soon),
        ("retry, and a human must act anyway", Class::Retry, stalled(), "Stalled Failed", None, None, LookAgain::Soon),
        ("AWS is busy, and it serves", Class::Wait, ready(), "Ready Available", None, Some("Why"), LookAgain::Soon),
        (
            "AWS is busy, while it is being made",
            Class::Wait,
            working(),
            "Working Creating",
            None,
            None,
            LookAgain::Soon,
        ),
        ("refused, and it serves", Class::Stalled, ready(), "Ready Available", Some("Why"), None, LookAgain::Slowly),
        ("refused, while it is being made", Class::Stalled, working(), "Stalled Why", None, None, LookAgain::Slowly),
    ];
    for (situation, class, verdict, expected, pending, at_work, look) in table {
        let failed = decision(verdict, &[DriftAction::Pending, DriftAction::AwaitingWindow])
            .with_steps(vec![Call])
            .failed(&failure(class));
        let reason = |why: &Option<Note>| why.as_ref().map(|why| why.reason);
        assert_eq!(said(&Standing::Decided(Box::new(failed.clone()))), expected, "{situation}");
        assert_eq!((reason(&failed.pending), reason(&failed.working)), (pending, at_work), "{situation}");
        assert_eq!(failed.look_again, look, "{situation}");
        let blocked = if pending.is_some() { DriftAction::Blocked } else { DriftAction::Pending };
        assert_eq!(actions(&failed), [blocked, DriftAction::AwaitingWindow], "{situation}");
    }
}

#[test]
fn rule_07_a_plan_shows_what_is_done_then_what_is_held_in_words_alone() {
    let mut planned = decision(ready(), &[]).with_steps(vec![Call]);
    planned.held = vec![Call; 40];
    let plan = planned.plan().expect("a plan");
    assert_eq!(plan.steps.len(), MAX_PLAN_STEPS);
    assert_eq!(plan.steps[0].call, "rds:ModifyDBInstance");
    assert_eq!(plan.steps[0].disruption, Impact::Downtime);
    assert_eq!(decision(ready(), &[]).plan(), None);
}

#[test]
fn a_change_that_aws_cannot_make_is_pending_and_one_that_drifted_is_a_row() {
    let name = Row::exact("databaseName").fixed().field("store", "shop");
    let compare = |applied: &BTreeMap<String, String>| {
        let record = Record { applied: Some(applied), existed: true, past: &[] };
        Comparison::of(std::slice::from_ref(&name), record, time(WEDNESDAY))
    };
    let wanted = compare(&map(&[("databaseName", "shop")]));
    assert_eq!(wanted.impossible().map(|why| why.reason), Some("ChangeImpossible"));
    assert_eq!(wanted.rows(&[], DriftPolicy::Correct, &[], time(WEDNESDAY)), []);
    let drifted = compare(&map(&[("databaseName", "store")]));
    assert_eq!(drifted.impossible(), None);
    let rows = drifted.rows(&[], DriftPolicy::Correct, &[], time(WEDNESDAY));
    assert_eq!(rows.iter().map(|row| row.action).collect::<Vec<_>>(), [DriftAction::Blocked]);
    assert_eq!(drifted.to_correct(DriftPolicy::Correct), Vec::<&str>::new());
}
