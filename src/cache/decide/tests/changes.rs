//! A changed spec, drift of each field, and when a change may happen.

use super::*;
use crate::testing::SUNDAY;

fn but(change: impl FnOnce(&mut ShowCoreCacheSpec)) -> Object {
    settled().but(|scene| change(&mut scene.spec))
}

fn bigger() -> Step {
    modify(|changes| changes.node_type = Some("cache.t3.small".into()))
}

fn failover(on: bool) -> Step {
    modify(|changes| changes.failover = Some(on))
}

fn retention(days: i32) -> Step {
    modify(|changes| changes.snapshot_retention = Some(days))
}

fn members(count: usize, failover: &str) -> Seen {
    with(|group| {
        group.members = (1..=count).map(|n| format!("shop-{n:03}")).collect();
        group.failover = failover.into();
    })
}

#[test]
fn a_changed_spec_is_done_under_every_drift_policy_and_is_no_drift() {
    let groups = vec!["sg-0c0c0c0c".to_owned()];
    let table: Vec<(&str, Object, Outcome<Step>)> = vec![
        ("snapshot retention", but(|spec| spec.snapshot.retention_days = 3), calm().doing(vec![retention(3)])),
        ("no snapshots", but(|spec| spec.snapshot.retention_days = 0), calm().doing(vec![retention(0)])),
        (
            "snapshot window",
            but(|spec| spec.snapshot.window = Some("01:00-02:00".into())),
            calm().doing(vec![modify(|changes| changes.snapshot_window = Some("01:00-02:00".into()))]),
        ),
        (
            "maintenance window",
            but(|spec| spec.maintenance.window = Some("mon:01:00-mon:02:00".into())),
            calm().doing(vec![modify(|changes| changes.maintenance_window = Some("mon:01:00-mon:02:00".into()))]),
        ),
        (
            "security groups",
            but(|spec| spec.network.security_group_ids = Some(groups.clone())),
            calm().doing(vec![modify(|changes| changes.security_groups = Some(groups.clone()))]),
        ),
        (
            "windows, groups and version named no more",
            but(|spec| {
                spec.snapshot.window = None;
                spec.maintenance.window = None;
                spec.network.security_group_ids = None;
                spec.engine_version = None;
            }),
            calm(),
        ),
        ("node type", but(|spec| spec.node_type = "cache.t3.small".into()), calm().holding(vec![bigger()])),
        (
            "version",
            but(|spec| spec.engine_version = Some("7.2".into())),
            calm().holding(vec![modify(|changes| changes.engine_version = Some("7.2".into()))]),
        ),
        (
            "no minor upgrades by AWS",
            but(|spec| spec.maintenance.auto_minor_version_upgrade = false),
            calm().doing(vec![modify(|changes| changes.auto_minor_version_upgrade = Some(false))]),
        ),
        (
            "a tag less, one more",
            but(|spec| spec.tags = map(&[("squad", "core")])),
            calm().doing(vec![
                Step::AddTags { arn: ARN.into(), tags: map(&[("squad", "core")]) },
                Step::RemoveTags { arn: ARN.into(), keys: ["team".to_owned()].into() },
            ]),
        ),
        (
            "another subnet group",
            but(|spec| spec.network.subnet_group_name = Some("public".into())),
            calm().pending("ChangeImpossible"),
        ),
    ];
    let report = |(situation, scene, outcome): (&str, Object, Outcome<Step>)| {
        (situation.to_owned(), decided(&scene.report(), &present()), outcome)
    };
    check(table.into_iter().map(report).collect());
}

#[test]
fn snapshots_turned_on_name_the_node_that_is_snapshotted() {
    let none = || with(|group| group.snapshot_retention = 0);
    let off = settled_as(spec(json!({ "snapshot": { "retentionDays": 0, "window": "03:00-04:00" } })), &none());
    let on = modify(|changes| {
        changes.snapshot_retention = Some(2);
        changes.snapshotting_cluster = Some("shop-001".into());
    });
    check(vec![(
        "on",
        decided(&off.but(|scene| scene.spec.snapshot.retention_days = 2), &none()),
        calm().doing(vec![on]),
    )]);
}

#[test]
fn replicas_failover_and_node_type_change_in_aws_s_order_one_at_a_time() {
    let two = || but(|spec| spec.replicas = 2);
    let two_and_bigger = || {
        but(|spec| {
            spec.replicas = 2;
            spec.node_type = "cache.t3.small".into();
        })
    };
    let had_two = settled_as(spec(json!({ "replicas": 2 })), &members(3, "enabled"));
    let none_again = had_two.but(|scene| scene.spec.replicas = 0);
    let one_less = had_two.but(|scene| scene.spec.replicas = 1);
    let increase = |replicas| Step::IncreaseReplicas { replicas };
    let decrease = |replicas| Step::DecreaseReplicas { replicas };
    check(vec![
        ("more: replicas first", decided(&two(), &present()), calm().doing(vec![increase(2)])),
        ("more: then failover", decided(&two(), &members(3, "disabled")), calm().doing(vec![failover(true)])),
        ("more: failover on its way", decided(&two(), &members(3, "enabling")), calm().at_work()),
        ("more: done", decided(&two(), &members(3, "enabled")), calm()),
        (
            "more and bigger: replicas before a bigger node",
            decided(&two_and_bigger().at(SUNDAY), &present()),
            calm().doing(vec![increase(2)]),
        ),
        (
            "more and bigger: then failover",
            decided(&two_and_bigger().at(SUNDAY), &members(3, "disabled")),
            calm().doing(vec![failover(true)]),
        ),
        (
            "more and bigger: then the node",
            decided(&two_and_bigger().at(SUNDAY), &members(3, "enabled")),
            calm().doing(vec![bigger()]),
        ),
        (
            "more and bigger, closed: only the node waits",
            decided(&two_and_bigger(), &present()),
            calm().doing(vec![increase(2)]).holding(vec![bigger()]),
        ),
        ("none: failover off first", decided(&none_again, &members(3, "enabled")), calm().doing(vec![failover(false)])),
        (
            "none: then the replicas",
            decided(&none_again, &members(3, "disabling")),
            calm().doing(vec![decrease(0)]).at_work(),
        ),
        ("none: done", decided(&none_again, &members(1, "disabled")), calm()),
        ("one less: failover stays", decided(&one_less, &members(3, "enabled")), calm().doing(vec![decrease(1)])),
    ]);
}

#[test]
fn multi_az_comes_after_failover_and_goes_before_it_one_at_a_time() {
    let zones = |seen: Seen, availability| {
        let mut seen = seen;
        if let Some(group) = &mut seen.group {
            group.availability = availability;
        }
        seen
    };
    let multi = |seen| zones(seen, Availability::MultiAz);
    let multi_az = |on| modify(|changes| changes.multi_az = Some(on));
    let wants = || {
        but(|spec| {
            spec.replicas = 1;
            spec.availability = Availability::MultiAz;
        })
    };
    let busy = |mut seen: Seen| {
        if let Some(group) = &mut seen.group {
            group.status = "modifying".into();
        }
        Seen { tags: None, ..seen }
    };
    let increase = Step::IncreaseReplicas { replicas: 1 };
    let spec_of =
        |replicas: i32, availability: &str| spec(json!({ "replicas": replicas, "availability": availability }));
    let has = settled_as(spec_of(1, "MultiAZ"), &multi(members(2, "enabled")));
    let single = has.but(|scene| scene.spec = spec_of(0, "SingleAZ"));
    let one_zone = has.but(|scene| scene.spec = spec_of(1, "SingleAZ"));
    let create = created_with(Some("s1"), |create| {
        create.replicas = 1;
        create.availability = Availability::MultiAz;
    });
    let waiting = Seen { secret: secret("s1", connection_of(None)), ..nothing() };
    check(vec![
        (
            "created with it",
            decided(&applied().but(|scene| scene.spec = spec_of(1, "MultiAZ")), &waiting),
            Outcome::rest("Working Creating", "Unknown").doing(vec![create]),
        ),
        ("up: replicas first", decided(&wants(), &present()), calm().doing(vec![increase])),
        ("up: then failover", decided(&wants(), &members(2, "disabled")), calm().doing(vec![failover(true)])),
        ("up: failover on its way", decided(&wants(), &busy(members(2, "enabling"))), calm().waiting_for_aws()),
        ("up: then Multi-AZ", decided(&wants(), &members(2, "enabled")), calm().doing(vec![multi_az(true)])),
        ("up: done", decided(&wants(), &multi(members(2, "enabled"))), calm()),
        ("down: Multi-AZ first", decided(&single, &multi(members(2, "enabled"))), calm().doing(vec![multi_az(false)])),
        ("down: then failover", decided(&single, &members(2, "enabled")), calm().doing(vec![failover(false)])),
        (
            "down: then the replicas",
            decided(&single, &members(2, "disabled")),
            calm().doing(vec![Step::DecreaseReplicas { replicas: 0 }]),
        ),
        ("down: done", decided(&single, &members(1, "disabled")), calm()),
        (
            "one zone: failover stays",
            decided(&one_zone, &multi(members(2, "enabled"))),
            calm().doing(vec![multi_az(false)]),
        ),
        (
            "somebody turned Multi-AZ off",
            decided(&has, &members(2, "enabled")),
            calm().doing(vec![multi_az(true)]).drifted("availability", DriftAction::Pending),
        ),
        (
            "somebody turned both off: failover first",
            decided(&has, &members(2, "disabled")),
            calm()
                .doing(vec![failover(true)])
                .drifted("automaticFailover", DriftAction::Pending)
                .drifted("availability", DriftAction::Pending),
        ),
    ]);
}

#[test]
fn drift_of_each_field_is_reported_and_corrected_and_under_report_only_what_is_security() {
    use DriftAction::{Blocked, Pending, ReportOnly};
    let no_tls = || Outcome::rest("Working NotInTransit", "No NotInTransit");
    let tls = |mode| modify(|changes| changes.transit_mode = Some(mode));
    let tags = || vec![Step::AddTags { arn: ARN.into(), tags: map(&[("team", "core")]) }];
    let both_groups = || vec!["sg-0a0a0a0a".to_owned(), "sg-0b0b0b0b".to_owned()];
    // Field, what was done, whether it is security, what comes of it.
    let table: Vec<(&str, Seen, bool, Outcome<Step>)> = vec![
        (
            "transitEncryption",
            with(|g| g.in_transit_mode = Some("preferred".into())),
            true,
            no_tls().doing(vec![tls("required")]),
        ),
        (
            "transitEncryption",
            with(|g| {
                g.in_transit = false;
                g.in_transit_mode = None;
            }),
            true,
            no_tls().doing(vec![tls("preferred")]),
        ),
        ("automaticFailover", with(|g| g.failover = "enabled".into()), false, calm().doing(vec![failover(false)])),
        ("snapshot.retentionDays", with(|g| g.snapshot_retention = 7), false, calm().doing(vec![retention(1)])),
        ("replicas", members(2, "disabled"), false, calm().doing(vec![Step::DecreaseReplicas { replicas: 0 }])),
        (
            "maintenance.autoMinorVersionUpgrade",
            with(|g| g.auto_minor_version_upgrade = false),
            false,
            calm().doing(vec![modify(|changes| changes.auto_minor_version_upgrade = Some(true))]),
        ),
        (
            "snapshot.window",
            with(|g| g.snapshot_window = "09:00-10:00".into()),
            false,
            calm().doing(vec![modify(|changes| changes.snapshot_window = Some("03:00-04:00".into()))]),
        ),
        (
            "maintenance.window",
            with_member(|m| m.maintenance_window = "mon:01:00-mon:02:00".into()),
            false,
            calm().doing(vec![modify(|changes| changes.maintenance_window = Some(WINDOW.into()))]),
        ),
        (
            "network.securityGroupIDs",
            with_member(|m| m.security_groups.push("sg-0f0f0f0f".into())),
            false,
            calm().doing(vec![modify(|changes| changes.security_groups = Some(both_groups()))]),
        ),
        ("tags.team", with_tags(tagged(KIND, &[("team", "web")])), false, calm().doing(tags())),
        ("tags.team", with_tags(tagged(KIND, &[])), false, calm().doing(tags())),
    ];
    let mut rows = Vec::new();
    for (field, seen, security, corrected) in table {
        let reported = if security {
            Outcome::rest(&corrected.verdict, &corrected.encrypted)
                .doing(corrected.steps.clone())
                .drifted(field, Pending)
        } else {
            calm().drifted(field, ReportOnly)
        };
        rows.push((format!("{field}, Report"), decided(&settled().report(), &seen), reported));
        rows.push((format!("{field}, Correct"), decided(&settled(), &seen), corrected.drifted(field, Pending)));
    }
    let blocked = [
        ("authentication", with(|g| g.auth_token = false)),
        ("engine", with_member(|m| m.engine = "valkey".into())),
        ("network.subnetGroupName", with_member(|m| m.subnet_group = Some("public".into()))),
    ];
    for (field, seen) in blocked {
        rows.push((
            format!("{field}, which is not changed"),
            decided(&settled(), &seen),
            calm().drifted(field, Blocked),
        ));
    }
    rows.push((
        "a patch made by AWS".into(),
        decided(&settled(), &with_member(|m| m.engine_version = "7.1.9".into())),
        calm(),
    ));
    rows.push((
        "TLS opened, and AWS is busy: on its way all the same".into(),
        decided(
            &settled(),
            &Seen {
                tags: None,
                ..with(|g| {
                    g.in_transit_mode = Some("preferred".into());
                    g.status = "modifying".into();
                })
            },
        ),
        no_tls().drifted("transitEncryption", Pending),
    ));
    check(rows);
}

#[test]
fn a_disruptive_change_waits_for_the_window_and_nothing_is_sent_beside_one_that_pends() {
    use DriftAction::{AwaitingWindow, Pending, ReportOnly};
    let bigger_spec = || but(|spec| spec.node_type = "cache.t3.small".into());
    let immediate = |scene: Object| scene.but(|scene| scene.spec.disruption = Disruption::Immediate);
    let other = || with(|group| group.node_type = "cache.t3.large".into());
    let back = || modify(|changes| changes.node_type = Some("cache.t3.micro".into()));
    let pending_type = || with_member(|member| member.pending_node_type = Some("cache.t3.small".into()));
    let pending_version = || with_member(|member| member.pending_engine_version = Some("7.2.0".into()));
    let and_retention = |seen: Seen| Seen { group: with(|group| group.snapshot_retention = 7).group, ..seen };
    let and_replica = |seen: Seen| Seen { group: members(2, "disabled").group, ..seen };
    let retention_row = "snapshot.retentionDays";
    check(vec![
        ("wanted, closed", decided(&bigger_spec(), &present()), calm().holding(vec![bigger()])),
        ("wanted, open", decided(&bigger_spec().at(SUNDAY), &present()), calm().doing(vec![bigger()])),
        ("wanted, closed, Immediate", decided(&immediate(bigger_spec()), &present()), calm().doing(vec![bigger()])),
        (
            "open, and AWS is busy",
            decided(&bigger_spec().at(SUNDAY), &with_status("snapshotting")),
            calm().waiting_for_aws(),
        ),
        (
            "drifted, closed",
            decided(&settled(), &other()),
            calm().holding(vec![back()]).drifted("nodeType", AwaitingWindow),
        ),
        (
            "drifted, open",
            decided(&settled().at(SUNDAY), &other()),
            calm().doing(vec![back()]).drifted("nodeType", Pending),
        ),
        ("drifted, Report", decided(&settled().report(), &other()), calm().drifted("nodeType", ReportOnly)),
        ("the type that is wanted is pending", decided(&bigger_spec(), &pending_type()), calm()),
        (
            "the version that is wanted is pending",
            decided(&but(|spec| spec.engine_version = Some("7.2".into())), &pending_version()),
            calm(),
        ),
        (
            "a calm change beside a pending type",
            decided(&bigger_spec(), &and_retention(pending_type())),
            calm().holding(vec![retention(1)]).drifted(retention_row, AwaitingWindow),
        ),
        (
            "a replica beside a pending version",
            decided(&settled(), &and_replica(pending_version())),
            calm().holding(vec![Step::DecreaseReplicas { replicas: 0 }]).drifted("replicas", AwaitingWindow),
        ),
        (
            "a calm change beside a pending type, in the window",
            decided(&bigger_spec().at(SUNDAY), &and_retention(pending_type())),
            calm().doing(vec![retention(1)]).drifted(retention_row, Pending),
        ),
        (
            "a type that nobody wants is pending",
            decided(&settled(), &pending_type()),
            calm().holding(vec![back()]).drifted("nodeType", AwaitingWindow),
        ),
    ]);
    let why = decided(&bigger_spec(), &present()).pending.expect("it waits").message;
    assert!(why.contains(WINDOW) && why.contains("nodeType: cache.t3.small"), "{why}");
}

#[test]
fn without_a_record_every_difference_is_drift() {
    let seen = || with(|group| group.snapshot_retention = 7);
    let first = applied().report();
    let restored = decided(&settled().restored().report(), &seen());
    assert_eq!(Outcome::of(&restored).drift, [("snapshot.retentionDays".to_owned(), DriftAction::ReportOnly)]);
    check(vec![("the first look", decided(&first, &seen()), calm().doing(vec![retention(1)]))]);
}
