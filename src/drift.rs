//! Drift needs three sides: what the spec says, what was last applied, what AWS answers. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::{
    field::{Field, Row},
    spec::DriftPolicy,
    status::{DriftAction, DriftRow, MAX_DRIFT_ROWS, MAX_LAST_DRIFT, PastDrift},
};

/// So often a drift is corrected within [`SAME_FIGHT`] before somebody else is believed to manage the field.
const FOUGHT: u32 = 3;
/// How long after a correction the next drift of the field counts as the same fight.
const SAME_FIGHT: SignedDuration = SignedDuration::from_hours(24);
/// How long a field that is fought over is left alone after each correction.
const REST: SignedDuration = SignedDuration::from_hours(1);

/// Why a field differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The spec changed, or the resource is still being set up.
    Wanted,
    /// AWS changed.
    Drift,
}

/// A field that differs, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The field.
    pub field: Field,
    /// Why it differs.
    pub cause: Cause,
    /// Whether it was corrected again and again, and changed back each time.
    pub fight: Option<Fight>,
}

/// A field that somebody or something else changes back whenever it was corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fight {
    /// How often it was corrected.
    pub times: u32,
    /// When it is corrected again.
    pub until: Timestamp,
    /// Whether it is left alone until then.
    pub rests: bool,
}

impl Difference {
    /// Whether a step may be planned for it. What is security is corrected at every look, fought over or not.
    pub fn to_correct(&self, policy: DriftPolicy) -> bool {
        let rests = self.fight.is_some_and(|fight| fight.rests);
        let drift = (policy == DriftPolicy::Correct && !rests) || self.field.security;
        self.field.blocked.is_none() && (self.cause == Cause::Wanted || drift)
    }

    /// The fight over the field, where it is to be said: while it rests, or if it goes on for the sake of security.
    pub fn fought(&self) -> Option<Fight> {
        self.fight.filter(|fight| self.field.blocked.is_none() && (fight.rests || self.field.security))
    }

    /// What is to be said beside the row.
    fn message(&self) -> Option<String> {
        let fought = self.fought().map(|fight| {
            let next = if self.field.security {
                "it is security and corrected at every look".to_owned()
            } else {
                format!("it is left alone and corrected again at {}", fight.until.strftime("%H:%M"))
            };
            format!(
                "corrected {} times and changed back each time, so somebody or something else manages it (CloudTrail says who): \
                 stop that, or make the spec say the same; {next}",
                fight.times
            )
        });
        self.field.blocked.clone().or(fought)
    }
}

/// What was last applied, and whether the resource was known before this look.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// `status.applied`.
    pub applied: Option<&'a BTreeMap<String, String>>,
    /// Whether the pin says that the resource existed before this look.
    pub existed: bool,
    /// `status.lastDrift`.
    pub past: &'a [PastDrift],
}

/// The fields that differ, with their causes.
///
/// A resource that existed but has no record (a restored backup drops status) has only drift: nothing
/// proves that a difference was wanted.
pub fn differences(fields: &[Field], record: Record<'_>, now: Timestamp) -> Vec<Difference> {
    fields
        .iter()
        .filter(|field| !field.same)
        .map(|field| {
            let cause = match record.applied {
                Some(applied) if applied.get(&field.name) == Some(&field.desired) => Cause::Drift,
                None if record.existed => Cause::Drift,
                _ => Cause::Wanted,
            };
            let fight = if cause == Cause::Drift { fight(&field.name, record.past, now) } else { None };
            Difference { field: field.clone(), cause, fight }
        })
        .collect()
}

fn fight(field: &str, past: &[PastDrift], now: Timestamp) -> Option<Fight> {
    let before = past.iter().find(|past| past.field == field && same_fight(past, now))?;
    let until = before.corrected.saturating_add(REST).unwrap_or(before.corrected);
    (before.times >= FOUGHT).then_some(Fight { times: before.times, until, rests: now < until })
}

fn same_fight(past: &PastDrift, now: Timestamp) -> bool {
    now.duration_since(past.corrected) < SAME_FIGHT
}

/// The record after this look: what agrees now is applied; what differs keeps what was applied before.
pub fn record(fields: &[Field], record: Record<'_>) -> BTreeMap<String, String> {
    let mut next = BTreeMap::new();
    for field in fields {
        if field.same {
            next.insert(field.name.clone(), field.desired.clone());
        } else if let Some(before) = record.applied.and_then(|applied| applied.get(&field.name)) {
            next.insert(field.name.clone(), before.clone());
        } else if record.applied.is_none() && record.existed {
            // Everything is drift without a record; recording the wish keeps it drift until it is corrected.
            next.insert(field.name.clone(), field.desired.clone());
        }
    }
    next
}

/// The rows of `status.drift`. A row that was there before keeps its `since`.
pub fn rows(
    differences: &[Difference],
    before: &[DriftRow],
    now: Timestamp,
    action: impl Fn(&Difference) -> DriftAction,
) -> Vec<DriftRow> {
    differences
        .iter()
        .filter(|difference| difference.cause == Cause::Drift)
        .take(MAX_DRIFT_ROWS)
        .map(|difference| {
            let field = &difference.field;
            let since = before.iter().find(|row| row.field == field.name).map_or(now, |row| row.since);
            DriftRow {
                field: field.name.clone(),
                desired: field.desired.clone(),
                observed: field.observed.clone(),
                since,
                action: action(difference),
                message: difference.message(),
            }
        })
        .collect()
}

/// `status.lastDrift` after this look: rows that are gone since the last one come first. A field has one entry, which
/// counts how often it was corrected.
pub fn history(before: &[DriftRow], rows: &[DriftRow], past: &[PastDrift], now: Timestamp) -> Vec<PastDrift> {
    let gone: Vec<_> = before.iter().filter(|old| !rows.iter().any(|row| row.field == old.field)).collect();
    let newest = gone.iter().map(|row| {
        let earlier = past.iter().find(|past| past.field == row.field && same_fight(past, now));
        PastDrift {
            field: row.field.clone(),
            desired: row.desired.clone(),
            observed: row.observed.clone(),
            found: row.since,
            corrected: now,
            times: earlier.map_or(1, |earlier| earlier.times.saturating_add(1)),
        }
    });
    let others = past.iter().filter(|past| !gone.iter().any(|row| row.field == past.field));
    newest.chain(others.cloned()).take(MAX_LAST_DRIFT).collect()
}

/// The rows in one sentence each, as the `Drifted` condition says them.
pub fn sentence(rows: &[DriftRow]) -> String {
    let text: Vec<_> = rows
        .iter()
        .map(|row| {
            let action = match row.action {
                DriftAction::Pending => "being corrected".to_owned(),
                DriftAction::AwaitingWindow => "corrected in the maintenance window".to_owned(),
                DriftAction::ReportOnly => "reported only".to_owned(),
                DriftAction::Blocked | DriftAction::Fought => {
                    row.message.clone().unwrap_or_else(|| "cannot be corrected".to_owned())
                }
            };
            let since = row.since.strftime("%H:%M");
            format!("{}: desired {}, observed {}, since {since}; {action}", row.field, row.desired, row.observed)
        })
        .collect();
    text.join(". ")
}

/// The tags to be set and the keys to be taken off for these of the `tags.` fields.
pub fn tag_changes(wanted: &BTreeMap<String, String>, names: &[&str]) -> (BTreeMap<String, String>, BTreeSet<String>) {
    let mut set = BTreeMap::new();
    let mut gone = BTreeSet::new();
    for key in names.iter().filter_map(|name| name.strip_prefix("tags.")) {
        match wanted.get(key) {
            Some(value) => drop(set.insert(key.to_owned(), value.clone())),
            None => drop(gone.insert(key.to_owned())),
        }
    }
    (set, gone)
}

/// The keys of a row's entries among these fields.
pub fn entries_of(row: &Row, names: &[&str]) -> BTreeSet<String> {
    names
        .iter()
        .filter_map(|name| name.strip_prefix(row.name).and_then(|rest| rest.strip_prefix('.')))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    static VERSIONING: Row = Row::exact("versioning");

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("in range")
    }

    fn applied(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn three_sides_tell_drift_from_a_wanted_change() {
        let same = applied(&[("versioning", "on")]);
        let other = applied(&[("versioning", "off")]);
        let empty = BTreeMap::new();
        let table = [
            ("spec = applied, AWS differs", Some(&same), true, Some(Cause::Drift)),
            ("spec changed", Some(&other), true, Some(Cause::Wanted)),
            ("new field of the spec", Some(&empty), true, Some(Cause::Wanted)),
            ("first sight of a new resource", None, false, Some(Cause::Wanted)),
            ("it existed, but the record is lost", None, true, Some(Cause::Drift)),
        ];
        for (situation, applied, existed, expected) in table {
            let fields = [VERSIONING.field("on", "off")];
            let found = differences(&fields, Record { applied, existed, past: &[] }, at(0));
            assert_eq!(found.first().map(|d| d.cause), expected, "{situation}");
        }
        let agreed = [VERSIONING.field("on", "on")];
        assert_eq!(differences(&agreed, Record { applied: None, existed: true, past: &[] }, at(0)), []);
    }

    #[test]
    fn the_named_tags_are_set_or_taken_off_and_no_others() {
        let wanted = applied(&[("team", "core"), ("stage", "prod")]);
        let (set, gone) = tag_changes(&wanted, &["tags.team", "tags.old", "versioning"]);
        assert_eq!((set, gone), (applied(&[("team", "core")]), ["old".to_owned()].into()));
    }

    #[test]
    fn a_policy_of_report_still_corrects_what_is_security() {
        let difference = |field: Field, cause| Difference { field, cause, fight: None };
        let plain = VERSIONING.field("on", "off");
        assert!(!difference(plain.clone(), Cause::Drift).to_correct(DriftPolicy::Report));
        assert!(difference(plain.clone(), Cause::Wanted).to_correct(DriftPolicy::Report));
        assert!(difference(plain.clone(), Cause::Drift).to_correct(DriftPolicy::Correct));
        assert!(difference(plain.clone().security(), Cause::Drift).to_correct(DriftPolicy::Report));
        assert!(!difference(plain.security().blocked("x"), Cause::Drift).to_correct(DriftPolicy::Correct));
    }

    /// The rows of `versioning` suspended although the record says "on".
    fn suspended(before: &[DriftRow], past: &[PastDrift], now: i64) -> (Vec<Difference>, Vec<DriftRow>) {
        let record = applied(&[("versioning", "on")]);
        let fields = [VERSIONING.field("on", "suspended")];
        let found = differences(&fields, Record { applied: Some(&record), existed: true, past }, at(now));
        let rows = rows(&found, before, at(now), |_| DriftAction::Pending);
        (found, rows)
    }

    #[test]
    fn a_row_keeps_its_since_and_becomes_history_when_it_is_gone() {
        let (_, first) = suspended(&[], &[], 50_520);
        let (_, second) = suspended(&first, &[], 50_600);
        assert_eq!(second[0].since, at(50_520));
        assert_eq!(sentence(&second), "versioning: desired on, observed suspended, since 14:02; being corrected");
        let past = history(&second, &[], &[], at(50_700));
        assert_eq!((past[0].found, past[0].corrected, past[0].times), (at(50_520), at(50_700), 1));
    }

    #[test]
    fn what_comes_back_three_times_is_fought_over_and_rests_for_an_hour() {
        const MINUTE: i64 = 60;
        let mut past = Vec::new();
        let mut now = 0;
        for round in 1..=3 {
            let (found, row) = suspended(&[], &past, now);
            assert!(found[0].to_correct(DriftPolicy::Correct), "round {round}");
            past = history(&row, &[], &past, at(now + MINUTE));
            now += 10 * MINUTE;
        }
        assert_eq!((past.len(), past[0].times), (1, 3), "one entry for the field, which counts");
        let (found, row) = suspended(&[], &past, now);
        assert!(!found[0].to_correct(DriftPolicy::Correct));
        let said = row[0].message.as_deref().unwrap_or_default();
        assert!(said.contains("corrected 3 times") && said.contains("corrected again at 01:21"), "{said}");
        let security = Difference { field: found[0].field.clone().security(), ..found[0].clone() };
        assert!(security.to_correct(DriftPolicy::Correct), "encryption, public access and TLS are always corrected");
        let hour_later = 21 * MINUTE + 3600;
        let (found, _) = suspended(&row, &past, hour_later);
        assert!(found[0].to_correct(DriftPolicy::Correct), "it is tried again, once");
        let day_later = hour_later + 86_400;
        let (found, row) = suspended(&[], &past, day_later);
        assert_eq!(found[0].fight, None, "a day later it is another story");
        assert_eq!(history(&row, &[], &past, at(day_later))[0].times, 1);
    }
}
