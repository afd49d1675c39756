//! The parameter group of the store's own, and TLS.

use super::*;
use crate::testing::SUNDAY;

const OWN: &str = "shop-postgres16";
const SSL: &str = "parameters.rds.force_ssl";

fn tuned_spec() -> ShowCoreDatabaseSpec {
    spec(json!({ "parameters": { "max_connections": "200", "work_mem": "8192" } }))
}

/// The instance uses its own group, which holds these parameters.
fn own(parameters: &[(&str, &str)]) -> Seen {
    Seen {
        used_parameters: Some(map(parameters)),
        own_group: Some(ParameterGroup {
            name: OWN.into(),
            parameters: map(parameters),
            tags: Some(tagged(KIND, &[])),
        }),
        ..with(|instance| instance.parameter_group = OWN.into())
    }
}

fn as_wanted() -> Seen {
    own(&[("max_connections", "200"), ("work_mem", "8192")])
}

/// The instance uses somebody's group, which holds these parameters.
fn theirs(parameters: &[(&str, &str)]) -> Seen {
    Seen { used_parameters: Some(map(parameters)), ..with(|instance| instance.parameter_group = "theirs".into()) }
}

fn reboot_pending(mut seen: Seen) -> Seen {
    if let Some(instance) = &mut seen.instance {
        instance.parameter_status = "pending-reboot".into();
    }
    seen
}

fn tuned() -> Object {
    settled_as(tuned_spec(), &as_wanted())
}

fn set(set: &[(&str, &str)], reset: &[&str]) -> Step {
    Step::ModifyParameterGroup {
        name: OWN.into(),
        set: map(set),
        reset: reset.iter().map(|key| (*key).to_owned()).collect(),
        in_use: true,
    }
}

/// All of the spec's, into a group that nobody runs with yet.
fn set_all() -> Step {
    Step::ModifyParameterGroup {
        name: OWN.into(),
        set: tuned_spec().parameters,
        reset: std::collections::BTreeSet::new(),
        in_use: false,
    }
}

fn attach(group: &str) -> Step {
    modify(Changes { parameter_group: Some(group.into()), ..Changes::default() })
}

fn make() -> Step {
    Step::CreateParameterGroup {
        name: OWN.into(),
        family: "postgres16".into(),
        tags: tagged(KIND, &[("team", "core")]),
    }
}

fn no_tls() -> Outcome<Step> {
    Outcome::rest("Working NotInTransit", "No NotInTransit")
}

#[test]
fn a_group_of_its_own_is_made_only_for_parameters() {
    let all = set_all;
    let waiting = |own_group| Seen { secret: secret("s1", connection_of(None)), own_group, ..nothing() };
    let group = |parameters: &[(&str, &str)], tags| {
        Some(ParameterGroup { name: OWN.into(), parameters: map(parameters), tags: Some(tags) })
    };
    let creating = || Outcome::rest("Working Creating", "Unknown");
    let wants = applied().but(|scene| scene.spec = tuned_spec());
    let done = group(&[("max_connections", "200"), ("work_mem", "8192")], tagged(KIND, &[]));
    check(vec![
        (
            "none, and the database is to be made",
            decided(&wants, &waiting(None)),
            creating().doing(vec![make(), all(), created(Some(OWN))]),
        ),
        ("made already", decided(&wants, &waiting(done)), creating().doing(vec![created(Some(OWN))])),
        (
            "made already, its parameters not set",
            decided(&wants, &waiting(group(&[], tagged(KIND, &[])))),
            creating().doing(vec![all(), created(Some(OWN))]),
        ),
        (
            "somebody else's",
            decided(&wants, &waiting(group(&[], map(&[])))),
            Outcome::rest("Stalled NotOurs", "Unknown"),
        ),
        (
            "the database is there",
            decided(&settled().but(|scene| scene.spec = tuned_spec()), &present()),
            calm().doing(vec![make(), all(), attach(OWN)]),
        ),
        (
            "attached: the reboot waits for the window",
            decided(&tuned(), &reboot_pending(as_wanted())),
            calm().holding(vec![Step::Reboot]),
        ),
        (
            "and happens inside it",
            decided(&tuned().at(SUNDAY), &reboot_pending(as_wanted())),
            calm().doing(vec![Step::Reboot]),
        ),
        (
            "AWS's default group waits for a reboot",
            decided(&settled(), &reboot_pending(present())),
            calm().holding(vec![Step::Reboot]),
        ),
        (
            "somebody else's group waits for a reboot: theirs to make",
            decided(&settled(), &reboot_pending(theirs(&[]))),
            calm(),
        ),
        ("likewise, in the window", decided(&settled().at(SUNDAY), &reboot_pending(theirs(&[]))), calm()),
        (
            "no parameters any more",
            decided(&tuned().but(|scene| scene.spec.parameters.clear()), &as_wanted()),
            calm().doing(vec![attach("default.postgres16")]),
        ),
    ]);
}

/// A reboot that waits for the window holds nothing else up, and says of nothing else that it waits.
#[test]
fn a_group_that_is_put_back_now_is_not_said_to_wait_for_the_reboot() {
    let mut seen = reboot_pending(as_wanted());
    if let Some(instance) = &mut seen.instance {
        instance.parameter_group = "default.postgres16".into();
    }
    let decision = decide(&tuned().wanted(), &seen, tuned().now);
    assert_eq!((decision.steps, decision.held), (vec![attach(OWN)], vec![Step::Reboot]));
    let rows: Vec<_> = decision.facts.drift.iter().map(|row| (row.field.as_str(), row.action)).collect();
    assert_eq!(rows, [("parameterGroup", DriftAction::Pending)]);
}

#[test]
fn parameters_are_set_put_back_and_left_alone_as_they_are_ours_or_not() {
    use DriftAction::{Blocked, Pending, ReportOnly};
    let drifted = || own(&[("max_connections", "100"), ("work_mem", "8192")]);
    let changed = |change: fn(&mut BTreeMap<String, String>)| tuned().but(|scene| change(&mut scene.spec.parameters));
    let foreign_group = || {
        let mut seen = drifted();
        if let Some(group) = &mut seen.own_group {
            group.tags = Some(map(&[]));
        }
        seen
    };
    let next_major = || {
        with(|instance| {
            instance.engine_version = "17.1".into();
            instance.parameter_group = "default.postgres17".into();
        })
    };
    let row = "parameters.max_connections";
    check(vec![
        ("quiet", decided(&tuned(), &as_wanted()), calm()),
        (
            "one changed in AWS",
            decided(&tuned(), &drifted()),
            calm().doing(vec![set(&[("max_connections", "200")], &[])]).drifted(row, Pending),
        ),
        ("one changed in AWS, Report", decided(&tuned().report(), &drifted()), calm().drifted(row, ReportOnly)),
        (
            "one changed in AWS, another in the spec, Report: only the wish",
            decided(&changed(|p| drop(p.insert("work_mem".into(), "4096".into()))).report(), &drifted()),
            calm().doing(vec![set(&[("work_mem", "4096")], &[])]).drifted(row, ReportOnly),
        ),
        (
            "one that left the spec",
            decided(&changed(|p| drop(p.remove("work_mem"))).report(), &as_wanted()),
            calm().doing(vec![set(&[], &["work_mem"])]),
        ),
        (
            "one that was never ours",
            decided(&tuned(), &own(&[("max_connections", "200"), ("work_mem", "8192"), ("log_statement", "all")])),
            calm(),
        ),
        (
            "the group is somebody else's",
            decided(&tuned(), &foreign_group()),
            Outcome::rest("Stalled NotOurs", "Yes AWSManagedKey").drifted(row, Pending),
        ),
        (
            "another group attached",
            decided(&tuned().report(), &Seen { own_group: as_wanted().own_group, ..theirs(&[]) }),
            calm().drifted("parameterGroup", ReportOnly),
        ),
        (
            "somebody made a major upgrade: AWS would refuse our group",
            decided(&tuned(), &Seen { own_group: as_wanted().own_group, ..next_major() }),
            calm().drifted("engineVersion", Blocked).drifted("parameterGroup", Blocked),
        ),
    ]);
}

#[test]
fn rule_01_a_group_that_lets_connections_in_without_tls_is_drift_under_every_policy() {
    use DriftAction::Pending;
    let off = || own(&[("max_connections", "200"), ("work_mem", "8192"), ("rds.force_ssl", "0")]);
    let off_and_more = || own(&[("max_connections", "100"), ("work_mem", "8192"), ("rds.force_ssl", "0")]);
    let bad = || theirs(&[("rds.force_ssl", "0")]);
    let bad_for_tuned = || Seen { own_group: as_wanted().own_group, ..bad() };
    let both = |outcome: Outcome<Step>| outcome.drifted(SSL, Pending).drifted("parameterGroup", Pending);
    let reset = || set(&[], &["rds.force_ssl"]);
    let unowned = || {
        let mut seen = off();
        if let Some(group) = &mut seen.own_group {
            group.tags = Some(map(&[]));
        }
        seen
    };
    let busy = |mut seen: Seen| {
        if let Some(instance) = &mut seen.instance {
            instance.status = "backing-up".into();
        }
        seen
    };
    let rows: Vec<(&str, Object, Seen, Outcome<Step>)> = vec![
        ("somebody's group with 1", settled(), theirs(&[("rds.force_ssl", "1")]), calm()),
        ("somebody's group that does not say", settled(), theirs(&[]), calm()),
        ("somebody's group with 0", settled(), bad(), both(no_tls().doing(vec![attach("default.postgres16")]))),
        (
            "somebody's group with 0 instead of our own",
            tuned(),
            bad_for_tuned(),
            both(no_tls().doing(vec![attach(OWN)])),
        ),
        ("0 in our own group", tuned(), off(), no_tls().doing(vec![reset()]).drifted(SSL, Pending)),
        ("0, and AWS is busy", settled(), busy(bad()), both(no_tls())),
        (
            "0 in our own group, which is no longer tagged ours: a human must act",
            tuned(),
            unowned(),
            Outcome::rest("Stalled NotInTransit", "No NotInTransit").drifted(SSL, Pending),
        ),
    ];
    let both_policies = rows.into_iter().flat_map(|(situation, scene, seen, outcome)| {
        let again = Outcome {
            drift: outcome.drift.clone(),
            look_again: outcome.look_again,
            ..Outcome::rest(&outcome.verdict, &outcome.encrypted)
        };
        let again = Outcome { steps: outcome.steps.clone(), ..again };
        [
            (format!("{situation}, Report"), decided(&scene.report(), &seen), again),
            (format!("{situation}, Correct"), decided(&scene, &seen), outcome),
        ]
    });
    check(both_policies.collect());
    let evaded = |mut scene: Object| {
        scene.spec.parameters.insert("rds.force_ssl".into(), "0".into());
        scene
    };
    let old = with(|instance| {
        instance.engine_version = "14.9".into();
        instance.parameter_group = "default.postgres14".into();
    });
    check(vec![
        ("rule 11: the spec asks for 0, past validation", decided(&evaded(tuned()), &as_wanted()), calm()),
        ("rule 11: the spec asks for 0 and nothing else", decided(&evaded(settled()), &present()), calm()),
        (
            "before version 15 the default group accepts connections without TLS",
            decided(&settled(), &old),
            Outcome::rest("Stalled NotInTransit", "No NotInTransit")
                .drifted("engineVersion", DriftAction::Blocked)
                .drifted(SSL, Pending),
        ),
    ]);
    check(vec![(
        "0 and another parameter, Report: only TLS is put back",
        decided(&tuned().report(), &off_and_more()),
        no_tls()
            .doing(vec![reset()])
            .drifted(SSL, Pending)
            .drifted("parameters.max_connections", DriftAction::ReportOnly),
    )]);
}

#[test]
fn rule_01_a_group_just_attached_counts_from_the_reboot_on() {
    let bad = || theirs(&[("rds.force_ssl", "0")]);
    // Attached and rebooted behind our back; then we attach the default group, which waits for a reboot.
    let open = settled().told(&decided(&settled(), &bad()));
    let mended = || reboot_pending(present());
    let waits = || Outcome { look_again: LookAgain::Soon, ..no_tls().holding(vec![Step::Reboot]) };
    let attached_only = || reboot_pending(bad());
    check(vec![
        ("the right group waits for the window", decided(&open, &mended()), waits()),
        ("at the look after too", decided(&open.clone().told(&decided(&open, &mended())), &mended()), waits()),
        (
            "in the window",
            decided(&open.at(SUNDAY), &mended()),
            Outcome::rest("Working NotInTransit", "No NotInTransit").doing(vec![Step::Reboot]),
        ),
        ("rebooted", decided(&open, &present()), calm()),
        (
            "the wrong group attached, but not in use yet: drift, and TLS still holds",
            decided(&settled(), &attached_only()),
            calm()
                .doing(vec![attach("default.postgres16")])
                .drifted(SSL, DriftAction::Pending)
                .drifted("parameterGroup", DriftAction::Pending),
        ),
    ]);
}
