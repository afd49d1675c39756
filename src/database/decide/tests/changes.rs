//! A changed spec, drift of each field, and when a change may happen.

use super::*;
use crate::{
    database::{Availability, LogExport, PerformanceInsights},
    testing::{SUNDAY, WEDNESDAY},
};

fn but(change: impl FnOnce(&mut ShowCoreDatabaseSpec)) -> Object {
    settled().but(|scene| change(&mut scene.spec))
}

fn one(change: impl FnOnce(&mut Changes)) -> Step {
    let mut changes = Changes::default();
    change(&mut changes);
    modify(changes)
}

fn volume(change: impl FnOnce(&mut Volume)) -> Step {
    one(|changes| change(&mut changes.volume))
}

fn bigger() -> Step {
    one(|changes| changes.class = Some("db.t3.small".into()))
}

fn retention(days: i32) -> Step {
    one(|changes| changes.backup_retention = Some(days))
}

#[test]
fn a_changed_spec_is_done_under_every_drift_policy_and_is_no_drift() {
    let add = |tags: &[(&str, &str)]| Step::AddTags { arn: ARN.into(), tags: map(tags) };
    let remove =
        |keys: &[&str]| Step::RemoveTags { arn: ARN.into(), keys: keys.iter().map(|key| (*key).to_owned()).collect() };
    let groups = vec!["sg-0c0c0c0c".to_owned()];
    let table: Vec<(&str, Object, Outcome<Step>)> = vec![
        (
            "more storage",
            but(|spec| spec.storage.size_gib = 50),
            calm().doing(vec![volume(|volume| volume.gib = Some(50))]),
        ),
        (
            "room for AWS to grow it",
            but(|spec| spec.storage.max_size_gib = Some(100)),
            calm().doing(vec![one(|changes| changes.max_storage_gib = Some(100))]),
        ),
        (
            "a standby",
            but(|spec| spec.availability = Availability::MultiAz),
            calm().doing(vec![one(|changes| changes.multi_az = Some(true))]),
        ),
        (
            "no minor upgrades",
            but(|spec| spec.maintenance.auto_minor_version_upgrade = false),
            calm().doing(vec![one(|changes| changes.auto_minor_upgrade = Some(false))]),
        ),
        (
            "a log",
            but(|spec| spec.log_exports = vec![LogExport::Postgresql]),
            calm().doing(vec![one(|changes| changes.logs_on = ["postgresql".to_owned()].into())]),
        ),
        (
            "insights",
            but(|spec| {
                spec.performance_insights = PerformanceInsights { enabled: true, retention_days: Some(31) };
            }),
            calm().doing(vec![one(|changes| {
                (changes.insights, changes.insights_retention) = (Some(true), Some(31));
            })]),
        ),
        (
            "insights kept long enough for the Advanced mode, which stays as it is",
            but(|spec| {
                spec.performance_insights = PerformanceInsights { enabled: true, retention_days: Some(465) };
            }),
            calm().doing(vec![one(|changes| {
                (changes.insights, changes.insights_retention) = (Some(true), Some(465));
            })]),
        ),
        (
            "another CA: a restart",
            but(|spec| spec.ca_certificate_identifier = Some("rds-ca-ecc384-g1".into())),
            calm().holding(vec![one(|changes| changes.certificate = Some("rds-ca-ecc384-g1".into()))]),
        ),
        ("retention", but(|spec| spec.backup.retention_days = 14), calm().doing(vec![retention(14)])),
        (
            "backup window",
            but(|spec| spec.backup.window = Some("01:00-02:00".into())),
            calm().doing(vec![one(|changes| changes.backup_window = Some("01:00-02:00".into()))]),
        ),
        (
            "maintenance window",
            but(|spec| spec.maintenance.window = Some("mon:01:00-mon:02:00".into())),
            calm().doing(vec![one(|changes| changes.maintenance_window = Some("mon:01:00-mon:02:00".into()))]),
        ),
        ("backup window named no more", but(|spec| spec.backup.window = None), calm()),
        (
            "security groups",
            but(|spec| spec.network.security_group_ids = Some(groups.clone())),
            calm().doing(vec![one(|changes| changes.security_groups = Some(groups.clone()))]),
        ),
        ("security groups named no more", but(|spec| spec.network.security_group_ids = None), calm()),
        (
            "protection off",
            but(|spec| spec.deletion_protection = false),
            calm().doing(vec![one(|changes| changes.deletion_protection = Some(false))]),
        ),
        ("class", but(|spec| spec.instance_class = "db.t3.small".into()), calm().holding(vec![bigger()])),
        (
            "a minor version up",
            but(|spec| spec.engine_version = "16.5".into()),
            calm().holding(vec![one(|changes| changes.engine_version = Some("16.5".into()))]),
        ),
        ("any minor version", but(|spec| spec.engine_version = "16".into()), calm()),
        (
            "calm and disruptive together: the calm one goes at once",
            but(|spec| {
                spec.instance_class = "db.t3.small".into();
                spec.backup.retention_days = 14;
            }),
            calm().doing(vec![retention(14)]).holding(vec![bigger()]),
        ),
        (
            "a tag more, one changed",
            but(|spec| spec.tags = map(&[("team", "web"), ("stage", "prod")])),
            calm().doing(vec![add(&[("team", "web"), ("stage", "prod")])]),
        ),
        ("a tag less: ours goes, theirs stays", but(|spec| spec.tags.clear()), calm().doing(vec![remove(&["team"])])),
        (
            "a tag renamed",
            but(|spec| spec.tags = map(&[("squad", "core")])),
            calm().doing(vec![add(&[("squad", "core")]), remove(&["team"])]),
        ),
        // The Secret says what AWS has, and goes on saying it.
        (
            "another master user",
            but(|spec| spec.credentials.username = "root".into()),
            calm().pending("ChangeImpossible"),
        ),
        (
            "another database name",
            but(|spec| spec.database_name = Some("store".into())),
            calm().pending("ChangeImpossible"),
        ),
        (
            "another subnet group",
            but(|spec| spec.network.subnet_group_name = Some("public".into())),
            calm().pending("ChangeImpossible"),
        ),
        ("a major version up", but(|spec| spec.engine_version = "17".into()), calm().pending("ChangeImpossible")),
        ("a major version down", but(|spec| spec.engine_version = "15".into()), calm().pending("ChangeImpossible")),
    ];
    let report = |(situation, scene, outcome): (&str, Object, Outcome<Step>)| {
        (situation.to_owned(), decided(&scene.report(), &present()), outcome)
    };
    check(table.into_iter().map(report).collect());
}

/// Field, what was done to the instance, what corrects it, and whether it is security.
fn drifts() -> Vec<(&'static str, Seen, Vec<Step>, bool)> {
    let tags = |value| Step::AddTags { arn: ARN.into(), tags: map(&[("team", value)]) };
    vec![
        ("publiclyAccessible", with(|i| i.publicly_accessible = true), vec![one(|c| c.private = true)], true),
        ("storage.sizeGiB", with(|i| i.storage_gib = 10), vec![volume(|v| v.gib = Some(20))], false),
        ("backup.retentionDays", with(|i| i.backup_retention = 1), vec![retention(7)], false),
        ("availability", with(|i| i.multi_az = true), vec![one(|c| c.multi_az = Some(false))], false),
        ("copyTagsToSnapshot", with(|i| i.copy_tags = false), vec![one(|c| c.copy_tags = true)], false),
        (
            "maintenance.autoMinorVersionUpgrade",
            with(|i| i.auto_minor_upgrade = false),
            vec![one(|c| c.auto_minor_upgrade = Some(true))],
            false,
        ),
        ("performanceInsights.enabled", with(|i| i.insights = Some(7)), vec![one(|c| c.insights = Some(false))], false),
        (
            "performanceInsights.enabled",
            with(|i| (i.insights, i.insights_advanced) = (Some(465), true)),
            vec![one(|c| (c.insights, c.insights_standard) = (Some(false), true))],
            false,
        ),
        (
            "deletionProtection",
            with(|i| i.deletion_protection = false),
            vec![one(|c| c.deletion_protection = Some(true))],
            false,
        ),
        (
            "backup.window",
            with(|i| i.backup_window = "07:00-08:00".into()),
            vec![one(|c| c.backup_window = Some("03:00-04:00".into()))],
            false,
        ),
        (
            "maintenance.window",
            with(|i| i.maintenance_window = "mon:01:00-mon:02:00".into()),
            vec![one(|c| c.maintenance_window = Some(WINDOW.into()))],
            false,
        ),
        (
            "network.securityGroupIDs",
            with(|i| i.security_groups.push("sg-0f0f0f0f".into())),
            vec![one(|c| c.security_groups = Some(vec!["sg-0a0a0a0a".into(), "sg-0b0b0b0b".into()]))],
            false,
        ),
        ("tags.team", with(|i| drop(i.tags.remove("team"))), vec![tags("core")], false),
        ("tags.team", with(|i| drop(i.tags.insert("team".into(), "web".into()))), vec![tags("core")], false),
    ]
}

#[test]
fn drift_of_each_field_is_reported_and_corrected_and_under_report_only_what_is_security() {
    use DriftAction::{Blocked, Pending, ReportOnly};
    let mut rows = Vec::new();
    for (field, seen, steps, security) in drifts() {
        let reported = if security {
            calm().doing(steps.clone()).drifted(field, Pending)
        } else {
            calm().drifted(field, ReportOnly)
        };
        rows.push((format!("{field}, Report"), decided(&settled().report(), &seen), reported));
        rows.push((
            format!("{field}, Correct"),
            decided(&settled(), &seen),
            calm().doing(steps).drifted(field, Pending),
        ));
    }
    let blocked = [
        (
            "databaseName",
            Seen {
                secret: secret("s1", Connection { database: Some("store".into()), ..complete() }),
                ..with(|i| i.db_name = Some("store".into()))
            },
        ),
        ("network.subnetGroupName", with(|i| i.subnet_group = Some("public".into()))),
        (
            "engineVersion",
            with(|i| {
                i.engine_version = "17.1".into();
                i.parameter_group = "default.postgres17".into();
            }),
        ),
    ];
    for (field, seen) in blocked {
        rows.push((
            format!("{field}, which AWS cannot change"),
            decided(&settled(), &seen),
            calm().drifted(field, Blocked),
        ));
    }
    rows.push(("AWS grew the storage".into(), decided(&settled(), &with(|i| i.storage_gib = 200)), calm()));
    rows.push((
        "AWS made a minor upgrade".into(),
        decided(&settled(), &with(|i| i.engine_version = "16.9".into())),
        calm(),
    ));
    check(rows);
}

#[test]
fn a_disruptive_change_waits_for_the_window_and_happens_inside_it() {
    use DriftAction::{AwaitingWindow, Pending, ReportOnly};
    let spec_change = || but(|spec| spec.instance_class = "db.t3.small".into());
    let both = || {
        but(|spec| {
            spec.instance_class = "db.t3.small".into();
            spec.backup.retention_days = 14;
        })
    };
    let immediate = |scene: Object| scene.but(|scene| scene.spec.disruption = Disruption::Immediate);
    let drifted = || with(|i| i.class = "db.t3.large".into());
    let back = || one(|changes| changes.class = Some("db.t3.micro".into()));
    let together = || {
        one(|changes| {
            changes.class = Some("db.t3.small".into());
            changes.backup_retention = Some(14);
        })
    };
    let windowless = || with(|i| i.maintenance_window = "nonsense".into());
    let free = |scene: Object| scene.but(|scene| scene.spec.maintenance.window = None);
    check(vec![
        ("wanted, closed", decided(&spec_change().at(WEDNESDAY), &present()), calm().holding(vec![bigger()])),
        ("wanted, open", decided(&spec_change().at(SUNDAY), &present()), calm().doing(vec![bigger()])),
        ("wanted, closed, Immediate", decided(&immediate(spec_change()), &present()), calm().doing(vec![bigger()])),
        ("both, open: one call", decided(&both().at(SUNDAY), &present()), calm().doing(vec![together()])),
        (
            "drifted, closed",
            decided(&settled(), &drifted()),
            calm().holding(vec![back()]).drifted("instanceClass", AwaitingWindow),
        ),
        (
            "drifted, open",
            decided(&settled().at(SUNDAY), &drifted()),
            calm().doing(vec![back()]).drifted("instanceClass", Pending),
        ),
        ("drifted, Report", decided(&settled().report(), &drifted()), calm().drifted("instanceClass", ReportOnly)),
        (
            "open, and AWS is busy",
            decided(&spec_change().at(SUNDAY), &with_status("backing-up")),
            calm().waiting_for_aws(),
        ),
        (
            "closed, and AWS is busy: it waits for the window",
            decided(&spec_change(), &with_status("backing-up")),
            calm().holding(vec![bigger()]),
        ),
        (
            "a window that cannot be read is never open",
            decided(&free(spec_change()).at(SUNDAY), &windowless()),
            calm().holding(vec![bigger()]),
        ),
    ]);
    let why = decided(&spec_change(), &present()).pending.expect("it waits").message;
    assert!(why.contains(WINDOW) && why.contains("instanceClass: db.t3.small") && why.contains("Immediate"), "{why}");
}

#[test]
fn pending_values_are_overlaid_and_nothing_is_sent_beside_something_disruptive() {
    use DriftAction::AwaitingWindow;
    let bigger_spec = || but(|spec| spec.instance_class = "db.t3.small".into());
    let pending = |change: fn(&mut Pending)| with(|i| change(&mut i.pending));
    let class = || pending(|p| p.class = Some("db.t3.small".into()));
    let unprotected = |change: fn(&mut Pending)| {
        with(|i| {
            i.deletion_protection = false;
            change(&mut i.pending);
        })
    };
    let protect = || one(|changes| changes.deletion_protection = Some(true));
    let row = "deletionProtection";
    let held = || calm().holding(vec![protect()]).drifted(row, AwaitingWindow);
    let back = || one(|changes| changes.class = Some("db.t3.micro".into()));
    check(vec![
        ("the class that is wanted is pending", decided(&bigger_spec(), &class()), calm()),
        (
            "a class that nobody wants is pending",
            decided(&settled(), &class()),
            calm().holding(vec![back()]).drifted("instanceClass", AwaitingWindow),
        ),
        (
            "the version that is wanted is pending",
            decided(
                &but(|spec| spec.engine_version = "16.5".into()),
                &pending(|p| p.engine_version = Some("16.5".into())),
            ),
            calm(),
        ),
        (
            "the storage that is wanted is pending",
            decided(&but(|spec| spec.storage.size_gib = 50), &pending(|p| p.storage_gib = Some(50))),
            calm(),
        ),
        (
            "the standby that is wanted is pending",
            decided(&but(|spec| spec.availability = Availability::MultiAz), &pending(|p| p.multi_az = Some(true))),
            calm(),
        ),
        (
            "a standby that nobody wants is pending",
            decided(&settled(), &pending(|p| p.multi_az = Some(true))),
            calm()
                .doing(vec![one(|changes| changes.multi_az = Some(false))])
                .drifted("availability", DriftAction::Pending),
        ),
        (
            "the CA that is wanted is pending",
            decided(
                &but(|spec| spec.ca_certificate_identifier = Some("rds-ca-ecc384-g1".into())),
                &pending(|p| p.certificate = Some("rds-ca-ecc384-g1".into())),
            ),
            calm(),
        ),
        (
            "the retention that is wanted is pending",
            decided(&but(|spec| spec.backup.retention_days = 14), &pending(|p| p.backup_retention = Some(14))),
            calm(),
        ),
        (
            "a calm change beside a pending class that is wanted",
            decided(&bigger_spec(), &unprotected(|p| p.class = Some("db.t3.small".into()))),
            held(),
        ),
        (
            "beside a pending version",
            decided(&settled(), &unprotected(|p| p.engine_version = Some("16.5".into()))),
            held(),
        ),
        (
            "beside a pending CA, which restarts it",
            decided(&settled(), &unprotected(|p| p.certificate = Some("rds-ca-ecc384-g1".into()))),
            held(),
        ),
        ("beside something else that is pending", decided(&settled(), &unprotected(|p| p.other = true)), held()),
        (
            "beside pending storage and a pending standby, which disturb nobody",
            decided(
                &but(|spec| spec.availability = Availability::MultiAz),
                &unprotected(|p| (p.storage_gib, p.multi_az) = (Some(50), Some(true))),
            ),
            calm().doing(vec![protect()]).drifted(row, DriftAction::Pending),
        ),
        (
            "in the window",
            decided(&settled().at(SUNDAY), &unprotected(|p| p.other = true)),
            calm().doing(vec![protect()]).drifted(row, DriftAction::Pending),
        ),
        (
            "a password is no such change: it never flushes what is pending",
            decided(&bigger_spec(), &Seen { secret: secret("s2", complete()), ..class() }),
            calm().doing(vec![Step::SendPassword { secret_uid: "s2".into() }]),
        ),
    ]);
}

/// Where the spec names nothing, AWS's own value is no drift; what was ours and left the spec goes.
#[test]
fn what_the_spec_leaves_out_is_left_alone_unless_it_was_ours() {
    let theirs = with(|instance| {
        instance.max_storage_gib = Some(100);
        instance.storage_type = "io2".into();
        instance.iops = Some(5000);
        instance.log_exports = vec!["upgrade".into()];
        instance.certificate = "rds-ca-ecc384-g1".into();
    });
    let ours = settled_as(
        spec(json!({ "storage": { "sizeGiB": 20, "maxSizeGiB": 100 }, "logExports": ["upgrade"] })),
        &theirs,
    );
    let left = ours.but(|scene| scene.spec = settled().spec);
    let off = one(|changes| {
        changes.max_storage_gib = Some(20);
        changes.logs_off = ["upgrade".to_owned()].into();
    });
    check(vec![
        ("never ours", decided(&settled(), &theirs), calm()),
        ("ours, and gone from the spec", decided(&left, &theirs), calm().doing(vec![off])),
    ]);
}
