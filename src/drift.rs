//! Drift needs three sides: what the spec says, what was last applied, what AWS answers. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;

use crate::{
    spec::DriftPolicy,
    status::{DriftAction, DriftRow, MAX_DRIFT_ROWS, MAX_LAST_DRIFT, PastDrift},
};

/// Longest text of a desired or observed value in a row; the rest is cut.
const MAX_TEXT: usize = 256;

/// A field as wanted and as AWS answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in the spec, or AWS's if the spec does not have it.
    pub name: String,
    /// What is wanted, in words.
    pub desired: String,
    /// What AWS answers, in words.
    pub observed: String,
    /// Whether the two agree, by the field's own way of comparing.
    pub same: bool,
    /// Encryption, public access, TLS: corrected under every drift policy.
    pub security: bool,
    /// Why it cannot be corrected, and the ways out.
    pub blocked: Option<String>,
}

impl Field {
    /// A field compared by its own rule.
    pub fn new(name: impl Into<String>, desired: impl Into<String>, observed: impl Into<String>, same: bool) -> Self {
        Self {
            name: name.into(),
            desired: cut(desired.into()),
            observed: cut(observed.into()),
            same,
            security: false,
            blocked: None,
        }
    }

    /// A field that must be equal.
    pub fn exact<T: PartialEq + ToString>(name: impl Into<String>, desired: &T, observed: &T) -> Self {
        Self::new(name, desired.to_string(), observed.to_string(), desired == observed)
    }

    /// A text of which AWS does not keep the case.
    pub fn caseless(name: impl Into<String>, desired: &str, observed: &str) -> Self {
        Self::new(name, desired, observed, observed.eq_ignore_ascii_case(desired))
    }

    /// A set: the order of its members means nothing.
    pub fn set(name: impl Into<String>, desired: &[String], observed: &[String]) -> Self {
        let joined = |members: &[String]| {
            members.iter().map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
        };
        Self::exact(name, &joined(desired), &joined(observed))
    }

    /// Marks encryption, public access and TLS.
    #[must_use]
    pub fn security(mut self) -> Self {
        self.security = true;
        self
    }

    /// Marks what the operator cannot or must not change, with the ways out.
    #[must_use]
    pub fn blocked(mut self, ways_out: impl Into<String>) -> Self {
        self.blocked = Some(ways_out.into());
        self
    }

    /// Marks what AWS sets at creation and nobody can change: a difference is said, with the way out.
    #[must_use]
    pub fn fixed(self) -> Self {
        if self.same {
            return self;
        }
        self.blocked(
            "AWS cannot change this: set the spec to what AWS has, or delete this object and apply it under another identifier",
        )
    }
}

/// A long text cut, with a digest of the whole: the record must tell two that differ in what is cut off.
fn cut(text: String) -> String {
    if text.chars().count() <= MAX_TEXT {
        return text;
    }
    // FNV-1a: the same in every release, unlike the standard library's hasher.
    let digest = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let kept: String = text.chars().take(MAX_TEXT - 18).collect();
    format!("{kept}… {digest:016x}")
}

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
}

impl Difference {
    /// Whether a step may be planned for it.
    pub fn to_correct(&self, policy: DriftPolicy) -> bool {
        self.field.blocked.is_none()
            && (self.cause == Cause::Wanted || policy == DriftPolicy::Correct || self.field.security)
    }
}

/// What was last applied, and whether the resource was known before this look.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// `status.applied`.
    pub applied: Option<&'a BTreeMap<String, String>>,
    /// Whether the pin says that the resource existed before this look.
    pub existed: bool,
}

/// The fields that differ, with their causes.
///
/// A resource that existed but has no record (a restored backup drops status) has only drift: nothing
/// proves that a difference was wanted.
pub fn differences(fields: &[Field], record: Record<'_>) -> Vec<Difference> {
    fields
        .iter()
        .filter(|field| !field.same)
        .map(|field| {
            let cause = match record.applied {
                Some(applied) if applied.get(&field.name) == Some(&field.desired) => Cause::Drift,
                None if record.existed => Cause::Drift,
                _ => Cause::Wanted,
            };
            Difference { field: field.clone(), cause }
        })
        .collect()
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
                message: field.blocked.clone(),
            }
        })
        .collect()
}

/// `status.lastDrift` after this look: rows that are gone since the last one come first.
pub fn history(before: &[DriftRow], rows: &[DriftRow], past: &[PastDrift], now: Timestamp) -> Vec<PastDrift> {
    let gone = before.iter().filter(|old| !rows.iter().any(|row| row.field == old.field)).map(|row| PastDrift {
        field: row.field.clone(),
        desired: row.desired.clone(),
        observed: row.observed.clone(),
        found: row.since,
        corrected: now,
    });
    gone.chain(past.iter().cloned()).take(MAX_LAST_DRIFT).collect()
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
                DriftAction::Blocked => row.message.clone().unwrap_or_else(|| "cannot be corrected".to_owned()),
            };
            let since = row.since.strftime("%H:%M");
            format!("{}: desired {}, observed {}, since {since}; {action}", row.field, row.desired, row.observed)
        })
        .collect();
    text.join(". ")
}

/// Tags as fields, one each: those wanted, and those that were ours and left the spec.
/// A tag that was never ours is left alone.
pub fn tag_fields(
    wanted: &BTreeMap<String, String>,
    seen: &BTreeMap<String, String>,
    applied: Option<&BTreeMap<String, String>>,
) -> Vec<Field> {
    map_fields("tags", wanted, seen, applied)
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

/// The entries of a map (tags, parameters) as fields named `<prefix>.<key>`.
pub fn map_fields(
    prefix: &str,
    wanted: &BTreeMap<String, String>,
    seen: &BTreeMap<String, String>,
    applied: Option<&BTreeMap<String, String>>,
) -> Vec<Field> {
    let mut fields: Vec<_> = wanted
        .iter()
        .map(|(key, value)| {
            let observed = seen.get(key);
            Field::new(
                format!("{prefix}.{key}"),
                quoted(value),
                observed.map_or_else(|| ABSENT.to_owned(), |text| quoted(text)),
                observed == Some(value),
            )
        })
        .collect();
    let ours = applied.into_iter().flatten().filter_map(|(name, value)| {
        name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.')).map(|key| (key, value))
    });
    for (key, value) in ours {
        if !wanted.contains_key(key) && value != ABSENT && seen.contains_key(key) {
            fields.push(Field::new(format!("{prefix}.{key}"), ABSENT, quoted(&seen[key]), false));
        }
    }
    fields
}

/// How an entry that must not be there is written.
pub const ABSENT: &str = "absent";

fn quoted(text: &str) -> String {
    format!("'{text}'")
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let fields = [Field::new("versioning", "on", "off", false)];
            let found = differences(&fields, Record { applied, existed });
            assert_eq!(found.first().map(|d| d.cause), expected, "{situation}");
        }
        let agreed = [Field::new("versioning", "on", "on", true)];
        assert_eq!(differences(&agreed, Record { applied: None, existed: true }), []);
    }

    #[test]
    fn a_tag_that_was_never_ours_is_left_alone_and_one_that_left_the_spec_goes() {
        let wanted = applied(&[("team", "core")]);
        let seen = applied(&[("team", "web"), ("theirs", "x"), ("old", "y")]);
        let before = applied(&[("tags.team", "'core'"), ("tags.old", "'y'")]);
        let fields = tag_fields(&wanted, &seen, Some(&before));
        let names: Vec<_> = fields.iter().map(|f| (f.name.as_str(), f.desired.as_str(), f.same)).collect();
        assert_eq!(names, [("tags.team", "'core'", false), ("tags.old", "absent", false)]);
    }

    #[test]
    fn a_change_in_the_part_of_a_long_text_that_is_cut_off_is_a_wanted_change() {
        let long = |end: &str| format!("{}{end}", "x".repeat(300));
        let before = Field::new("tags.note", long("a"), long("a"), true);
        let record = record(&[before], Record { applied: None, existed: false });
        let fields = [Field::new("tags.note", long("b"), long("a"), false)];
        let found = differences(&fields, Record { applied: Some(&record), existed: true });
        assert_eq!(found.first().map(|difference| difference.cause), Some(Cause::Wanted));
        assert_eq!(fields[0].desired.chars().count(), MAX_TEXT);
    }

    #[test]
    fn sets_and_texts_without_case_are_compared_by_their_meaning() {
        let set = |members: &[&str]| members.iter().map(|member| (*member).to_owned()).collect::<Vec<_>>();
        let groups = Field::set("groups", &set(&["b", "a"]), &set(&["a", "b", "a"]));
        assert_eq!((groups.same, groups.desired.as_str()), (true, "a, b"));
        assert!(!Field::set("groups", &set(&["a"]), &set(&["a", "b"])).same);
        assert!(Field::caseless("group", "Private", "private").fixed().blocked.is_none());
        let other = Field::caseless("group", "Private", "public").fixed();
        assert!(!other.same && other.blocked.is_some());
    }

    #[test]
    fn the_named_tags_are_set_or_taken_off_and_no_others() {
        let wanted = applied(&[("team", "core"), ("stage", "prod")]);
        let (set, gone) = tag_changes(&wanted, &["tags.team", "tags.old", "versioning"]);
        assert_eq!((set, gone), (applied(&[("team", "core")]), ["old".to_owned()].into()));
    }

    #[test]
    fn a_policy_of_report_still_corrects_what_is_security() {
        let difference = |field: Field, cause| Difference { field, cause };
        let plain = Field::new("tags.a", "'1'", "absent", false);
        assert!(!difference(plain.clone(), Cause::Drift).to_correct(DriftPolicy::Report));
        assert!(difference(plain.clone(), Cause::Wanted).to_correct(DriftPolicy::Report));
        assert!(difference(plain.clone(), Cause::Drift).to_correct(DriftPolicy::Correct));
        assert!(difference(plain.clone().security(), Cause::Drift).to_correct(DriftPolicy::Report));
        assert!(!difference(plain.security().blocked("x"), Cause::Drift).to_correct(DriftPolicy::Correct));
    }

    #[test]
    fn a_row_keeps_its_since_and_becomes_history_when_it_is_gone() {
        let at = |seconds: i64| Timestamp::from_second(seconds).expect("in range");
        let fields = [Field::new("versioning", "on", "suspended", false)];
        let record = applied(&[("versioning", "on")]);
        let found = differences(&fields, Record { applied: Some(&record), existed: true });
        let first = rows(&found, &[], at(50_520), |_| DriftAction::Pending);
        let second = rows(&found, &first, at(50_600), |_| DriftAction::Pending);
        assert_eq!(second[0].since, at(50_520));
        assert_eq!(sentence(&second), "versioning: desired on, observed suspended, since 14:02; being corrected");
        let past = history(&second, &[], &[], at(50_700));
        assert_eq!((past[0].found, past[0].corrected), (at(50_520), at(50_700)));
    }
}
