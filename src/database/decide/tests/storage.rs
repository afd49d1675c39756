//! Changes of the storage: what AWS wants in one call, what goes by itself, and what cannot be.

use super::*;
use crate::database::StorageType;

fn but(change: impl FnOnce(&mut ShowCoreDatabaseSpec)) -> Object {
    settled().but(|scene| change(&mut scene.spec))
}

fn volume(volume: Volume) -> Step {
    modify(Changes { volume, ..Changes::default() })
}

/// A settled database of 500 GiB with figures of its own.
fn large(seen: &Seen) -> Object {
    settled_as(spec(json!({ "storage": { "sizeGiB": 500, "type": "gp3", "iops": 12000, "throughput": 500 } })), seen)
}

fn large_seen() -> Seen {
    with(|instance| {
        instance.storage_gib = 500;
        instance.iops = Some(12000);
        instance.throughput = Some(500);
    })
}

#[test]
fn where_figures_can_be_chosen_size_and_iops_go_together_and_else_no_figure_goes() {
    let large = || large(&large_seen());
    let asked = |gib, iops| Volume { gib: Some(gib), iops: Some(iops), ..Volume::default() };
    let faster = |spec: &mut ShowCoreDatabaseSpec| {
        spec.storage.size_gib = 100;
        spec.storage.type_ = Some(StorageType::Io2);
        spec.storage.iops = Some(5000);
    };
    let io2 = Volume { type_: Some("io2"), ..asked(100, 5000) };
    let grown = |change: fn(&mut Instance)| {
        let mut seen = large_seen();
        seen.instance.iter_mut().for_each(|instance| {
            instance.storage_gib = 700;
            change(instance);
        });
        seen
    };
    let row = DriftAction::Pending;
    check(vec![
        (
            "below 400 GiB gp3 has none",
            decided(&but(|spec| spec.storage.size_gib = 50), &present()),
            calm().doing(vec![volume(Volume { gib: Some(50), ..Volume::default() })]),
        ),
        (
            "across 400 GiB AWS gives its own",
            decided(&but(|spec| spec.storage.size_gib = 500), &present()),
            calm().doing(vec![volume(Volume { gib: Some(500), ..Volume::default() })]),
        ),
        (
            "above it the present IOPS go with a new size",
            decided(&large().but(|scene| scene.spec.storage.size_gib = 600), &large_seen()),
            calm().doing(vec![volume(asked(600, 12000))]),
        ),
        (
            "the present size goes with new IOPS, and it is what AWS has grown it to",
            decided(&large().but(|scene| scene.spec.storage.iops = Some(14000)), &grown(|_| {})),
            calm().doing(vec![volume(asked(700, 14000))]),
        ),
        (
            "IOPS that drifted go back",
            decided(&large(), &grown(|instance| instance.iops = Some(20000))),
            calm().doing(vec![volume(asked(700, 12000))]).drifted("storage.iops", row),
        ),
        (
            "throughput that drifted goes back, with size and IOPS as they are",
            decided(&large(), &grown(|instance| instance.throughput = Some(900))),
            calm()
                .doing(vec![volume(Volume { throughput: Some(500), ..asked(700, 12000) })])
                .drifted("storage.throughput", row),
        ),
        (
            "under Report the IOPS that drifted stay, though the size changes",
            decided(
                &large().report().but(|scene| scene.spec.storage.size_gib = 800),
                &grown(|instance| instance.iops = Some(20000)),
            ),
            calm().doing(vec![volume(asked(800, 20000))]).drifted("storage.iops", DriftAction::ReportOnly),
        ),
        ("another kind, with all that it needs", decided(&but(faster), &present()), calm().doing(vec![volume(io2)])),
    ]);
}

#[test]
fn storage_goes_after_all_else_since_aws_may_refuse_it_for_hours() {
    let open = with(|instance| instance.publicly_accessible = true);
    let close = modify(Changes { private: true, ..Changes::default() });
    let grow = volume(Volume { gib: Some(50), ..Volume::default() });
    let bigger = but(|spec| spec.storage.size_gib = 50);
    let decision = decided(&bigger, &open);
    assert_eq!((decision.steps, decision.held), (vec![close], vec![grow]), "a door is closed first");
    assert_eq!(decision.pending, None, "what follows waits for no window");
}

#[test]
fn kind_and_figures_of_storage_wait_while_it_is_optimised() {
    let faster = large(&large_seen()).but(|scene| scene.spec.storage.iops = Some(14000));
    let busy = |change: fn(&mut Instance)| {
        let mut seen = large_seen();
        seen.instance.iter_mut().for_each(change);
        seen
    };
    let optimised = busy(|instance| instance.status = "storage-optimization".into());
    let pending = busy(|instance| instance.pending.iops = Some(14000));
    check(vec![
        ("it waits, and says so", decided(&faster, &optimised), calm().waiting_for_aws()),
        ("what is pending already is not sent again", decided(&faster, &pending), calm()),
    ]);
}

#[test]
fn a_ceiling_below_what_aws_has_grown_the_storage_to_is_said_and_not_sent() {
    let grown = with(|instance| {
        instance.storage_gib = 90;
        instance.max_storage_gib = Some(100);
    });
    let ceiling = |gib: i32| json!({ "storage": { "sizeGiB": 20, "maxSizeGiB": gib } });
    let before = settled_as(spec(ceiling(100)), &grown);
    let lower = before.but(|scene| scene.spec = spec(ceiling(95)));
    let off = with(|instance| instance.storage_gib = 95);
    check(vec![
        ("as it stands", decided(&before, &grown), calm()),
        ("lower than AWS takes", decided(&lower, &grown), calm().pending("ChangeImpossible")),
        (
            "somebody turned autoscaling off",
            decided(&before, &off),
            calm().drifted("storage.maxSizeGiB", DriftAction::Blocked),
        ),
    ]);
    let said = decided(&lower, &grown).pending.expect("it waits").message;
    assert!(said.contains("set storage.maxSizeGiB to 99 or more"), "{said}");
}
