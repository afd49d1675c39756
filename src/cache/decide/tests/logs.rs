//! The delivery of logs.

use super::*;
use crate::cache::{LogDelivery, LogDestination, LogFormat, LogType};

fn slow(name: &str) -> LogDelivery {
    LogDelivery {
        log_type: LogType::SlowLog,
        destination: LogDestination::CloudWatchLogs,
        name: name.into(),
        format: LogFormat::Json,
    }
}

fn engine(name: &str) -> LogDelivery {
    LogDelivery {
        log_type: LogType::EngineLog,
        destination: LogDestination::Firehose,
        name: name.into(),
        format: LogFormat::Text,
    }
}

/// AWS delivers these: as the spec would say it, and in this status.
fn delivering(logs: &[(&LogDelivery, &str)]) -> Seen {
    let of = |(log, status): &(&LogDelivery, &str)| {
        (log.log_type.name().to_owned(), Delivery { words: log.words(), status: (*status).to_owned() })
    };
    with(|group| group.logs = logs.iter().map(of).collect())
}

fn spec_of(logs: &[LogDelivery]) -> ShowCoreCacheSpec {
    ShowCoreCacheSpec { log_delivery: logs.to_vec(), ..spec(json!({})) }
}

fn settled_with(logs: &[LogDelivery]) -> Object {
    let seen: Vec<_> = logs.iter().map(|log| (log, "active")).collect();
    settled_as(spec_of(logs), &delivering(&seen))
}

fn deliver(start: &[LogDelivery], end: &[LogType]) -> Step {
    Step::DeliverLogs { start: start.to_vec(), end: end.to_vec() }
}

#[test]
fn logs_are_delivered_as_the_spec_says_and_what_was_never_ours_is_left_alone() {
    use DriftAction::{Pending, ReportOnly};
    let wanting = |logs: &[LogDelivery]| settled().but(|scene| scene.spec = spec_of(logs));
    let had = settled_with(&[slow("/a"), engine("e")]);
    let had_but = |logs: &[LogDelivery]| had.but(|scene| scene.spec = spec_of(logs));
    let both = || delivering(&[(&slow("/a"), "active"), (&engine("e"), "active")]);
    let create = created_with(Some("s1"), |create| create.logs = vec![slow("/a")]);
    let to_be_made = Seen { secret: secret("s1", connection_of(None)), ..nothing() };
    check(vec![
        (
            "created with one",
            decided(&applied().but(|scene| scene.spec = spec_of(&[slow("/a")])), &to_be_made),
            Outcome::rest("Working Creating", "Unknown").doing(vec![create]),
        ),
        ("wanted", decided(&wanting(&[slow("/a")]), &present()), calm().doing(vec![deliver(&[slow("/a")], &[])])),
        ("there", decided(&had, &both()), calm()),
        (
            "to another",
            decided(&had_but(&[slow("/b"), engine("e")]), &both()),
            calm().doing(vec![deliver(&[slow("/b")], &[])]),
        ),
        (
            "left the spec",
            decided(&had_but(&[engine("e")]), &both()),
            calm().doing(vec![deliver(&[], &[LogType::SlowLog])]),
        ),
        (
            "one left, one changed: in one call",
            decided(&had_but(&[slow("/b")]), &both()),
            calm().doing(vec![deliver(&[slow("/b")], &[LogType::EngineLog])]),
        ),
        ("somebody's, never ours", decided(&settled(), &delivering(&[(&slow("/theirs"), "active")])), calm()),
        (
            "somebody disabled ours",
            decided(&had, &delivering(&[(&engine("e"), "active")])),
            calm().doing(vec![deliver(&[slow("/a")], &[])]).drifted("logDelivery.SlowLog", Pending),
        ),
        (
            "somebody sends ours elsewhere",
            decided(&had, &delivering(&[(&slow("/x"), "active"), (&engine("e"), "active")])),
            calm().doing(vec![deliver(&[slow("/a")], &[])]).drifted("logDelivery.SlowLog", Pending),
        ),
        (
            "likewise, Report",
            decided(&had.report(), &delivering(&[(&slow("/x"), "active"), (&engine("e"), "active")])),
            calm().drifted("logDelivery.SlowLog", ReportOnly),
        ),
        (
            "a calm change comes first",
            decided(&had.but(|scene| scene.spec.snapshot.retention_days = 3), &delivering(&[(&engine("e"), "active")])),
            calm()
                .doing(vec![modify(|changes| changes.snapshot_retention = Some(3))])
                .drifted("logDelivery.SlowLog", Pending),
        ),
    ]);
}

#[test]
fn a_delivery_that_changes_is_waited_for_and_one_that_fails_is_said() {
    let had = settled_with(&[slow("/a")]);
    let wants_other = had.but(|scene| scene.spec = spec_of(&[slow("/b")]));
    let none = had.but(|scene| scene.spec = spec_of(&[]));
    let fails = || delivering(&[(&slow("/a"), "error")]);
    check(vec![
        ("enabling", decided(&had, &delivering(&[(&slow("/a"), "enabling")])), calm().at_work()),
        (
            "modifying: AWS still answers the old one",
            decided(&wants_other, &delivering(&[(&slow("/a"), "modifying")])),
            calm().at_work(),
        ),
        ("disabling, as wanted", decided(&none, &delivering(&[(&slow("/a"), "disabling")])), calm().at_work()),
        ("fails", decided(&had, &fails()), calm().pending("LogDeliveryFailed")),
        ("somebody's fails", decided(&settled(), &delivering(&[(&slow("/theirs"), "error")])), calm()),
    ]);
    let why = decided(&had, &fails()).pending.expect("it is said").message;
    assert!(why.contains("SlowLog (JSON to CloudWatchLogs /a)") && why.contains("spec.logDelivery"), "{why}");
    let kept = decided(&had, &delivering(&[(&slow("/x"), "modifying")])).facts.applied.unwrap_or_default();
    let entry = "logDelivery.SlowLog";
    assert_eq!(kept.get(entry), had.status.applied.unwrap_or_default().get(entry), "its record stays");
}
