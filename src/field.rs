//! The field table: of every field, how it is compared, by which calls it is corrected, when it can change, and what a
//! change does to the store's users. Each kind's comparison goes through its rows, and the docs page is made of them
//! ([`page`]), so the three cannot disagree. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
};

use crate::status::Impact;

pub mod page;

/// Names the rows of a table, and the table itself.
macro_rules! rows {
    ($(#[$doc:meta])* pub $table:ident: $($row:ident = $value:expr;)+) => {
        $(pub(crate) static $row: $crate::field::Row = $value;)+
        $(#[$doc])*
        pub static $table: &[&$crate::field::Row] = &[$(&$row),+];
    };
}
pub(crate) use rows;

/// Longest text of a desired or observed value; the rest is cut.
const MAX_TEXT: usize = 256;

/// How an entry that must not be there, or is not, is written.
pub const ABSENT: &str = "absent";

/// A row of the table: one field of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its path in the spec, or AWS's name if the spec does not have it.
    pub name: &'static str,
    /// What is wanted, where the spec does not say it: a rule that always holds.
    pub always: Option<&'static str>,
    /// How spec and AWS are compared.
    pub compared: Compared,
    /// What it means that the spec leaves it out.
    pub left_out: LeftOut,
    /// Encryption, public access, TLS: corrected under every drift policy.
    pub security: bool,
    /// How a difference is corrected.
    pub corrected: Corrected,
    /// When the spec may change it.
    pub change: Change,
    /// What a change does to the store's users.
    pub impact: Impact,
}

/// How a field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// Equal texts or numbers.
    Exact,
    /// Equal but for upper and lower case.
    Caseless,
    /// What AWS has is at least what the spec says.
    Floor,
    /// The same major version; a minor one is a floor.
    Version,
    /// A version that is a floor.
    VersionFloor,
    /// Equal sets: order means nothing.
    Set,
    /// By what it means, not by its text.
    Meaning,
    /// Each entry is a field of its own, exact; an entry that was never ours is left alone.
    Entries,
    /// With another row.
    With(&'static str),
    /// Not with AWS, and why.
    Not(&'static str),
}

/// What it means that the spec leaves a field out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// The default counts, or there is none to leave out.
    Default,
    /// AWS's value counts and is not compared.
    NotCompared,
    /// What was ours is removed; what never was is left alone.
    Removed,
    /// The field's description says what counts then.
    Described,
}

/// How a difference is corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corrected {
    /// By one of these calls.
    By(&'static [&'static str]),
    /// AWS sets it at creation and nobody can change it: a difference is said, with the ways out.
    Never,
    /// Only a person may: a difference is said, with the ways out.
    Person(&'static str),
    /// There is nothing to correct.
    Nothing,
}

/// When the spec may change a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Whenever AWS accepts changes of the store.
    Anytime,
    /// Only upwards.
    Up,
    /// Once set, it stays.
    OnOnly,
    /// Never: it is immutable.
    Never,
}

impl Row {
    const fn new(name: &'static str, compared: Compared) -> Self {
        Self {
            name,
            always: None,
            compared,
            left_out: LeftOut::Default,
            security: false,
            corrected: Corrected::Nothing,
            change: Change::Anytime,
            impact: Impact::None,
        }
    }

    /// A row compared in this way.
    pub const fn of(name: &'static str, compared: Compared) -> Self {
        Self::new(name, compared)
    }

    /// A row compared exactly.
    pub const fn exact(name: &'static str) -> Self {
        Self::new(name, Compared::Exact)
    }

    /// A setting of the operator's own, or a name: not compared with AWS, for this reason.
    pub const fn own(name: &'static str, why: &'static str) -> Self {
        Self::new(name, Compared::Not(why))
    }

    /// A field of the spec that is compared with another row.
    pub const fn with(name: &'static str, row: &'static str) -> Self {
        Self::new(name, Compared::With(row))
    }

    /// The same row, of something that the spec does not have and that is always so.
    #[must_use]
    pub const fn always(mut self, wanted: &'static str) -> Self {
        self.always = Some(wanted);
        self.change = Change::Never;
        self
    }

    /// The same row, corrected by these calls.
    #[must_use]
    pub const fn by(mut self, calls: &'static [&'static str]) -> Self {
        self.corrected = Corrected::By(calls);
        self
    }

    /// The same row, of what AWS sets at creation and nobody can change.
    #[must_use]
    pub const fn fixed(mut self) -> Self {
        self.corrected = Corrected::Never;
        self.change = Change::Never;
        self
    }

    /// The same row, of what only a person may correct.
    #[must_use]
    pub const fn person(mut self, why: &'static str) -> Self {
        self.corrected = Corrected::Person(why);
        self
    }

    /// The same row, of what the spec may change only so.
    #[must_use]
    pub const fn changes(mut self, change: Change) -> Self {
        self.change = change;
        self
    }

    /// The same row, with what it means that the spec leaves it out.
    #[must_use]
    pub const fn left_out(mut self, left_out: LeftOut) -> Self {
        self.left_out = left_out;
        self
    }

    /// The same row, of encryption, public access or TLS.
    #[must_use]
    pub const fn security(mut self) -> Self {
        self.security = true;
        self
    }

    /// The same row, with what a change does to the store's users.
    #[must_use]
    pub const fn disrupts(mut self, impact: Impact) -> Self {
        self.impact = impact;
        self
    }

    /// Whether AWS is asked about it under its own name.
    pub const fn is_compared(&self) -> bool {
        !matches!(self.compared, Compared::With(_) | Compared::Not(_))
    }

    /// Whether a field of this name is this row's, or one of its entries.
    pub fn covers(&self, field: &str) -> bool {
        field == self.name || field.strip_prefix(self.name).is_some_and(|rest| rest.starts_with('.'))
    }

    /// The field, as wanted and as AWS answers it.
    pub fn field(&self, desired: impl Display, observed: impl Display) -> Field {
        let (desired, observed) = (desired.to_string(), observed.to_string());
        let same = match self.compared {
            Compared::Caseless => desired.eq_ignore_ascii_case(&observed),
            Compared::Floor => number(&observed) >= number(&desired),
            Compared::Version => is_version(&desired, &observed),
            Compared::VersionFloor => version(&observed) >= version(&desired),
            _ => desired == observed,
        };
        let desired = if self.compared == Compared::Floor { format!("at least {desired}") } else { desired };
        self.judged(desired, observed, same)
    }

    /// The field that is a set.
    pub fn set<'a>(
        &self,
        desired: impl IntoIterator<Item = &'a String>,
        observed: impl IntoIterator<Item = &'a String>,
    ) -> Field {
        self.field(joined(desired), joined(observed))
    }

    /// The field whose sides were compared by what they mean.
    pub fn judged(&self, desired: impl Display, observed: impl Display, same: bool) -> Field {
        self.named(self.name.to_owned(), desired.to_string(), observed.to_string(), same)
    }

    /// An entry of the field, whose sides were compared by what they mean.
    pub fn entry(&self, key: &str, desired: impl Display, observed: impl Display, same: bool) -> Field {
        self.named(format!("{}.{key}", self.name), desired.to_string(), observed.to_string(), same)
    }

    /// The field where the spec may leave it out. By what that means for this row, nothing is compared then, or what
    /// was ours (it is in the record) should be absent.
    pub fn optional(
        &self,
        desired: Option<impl Display>,
        observed: impl Display,
        applied: Option<&BTreeMap<String, String>>,
    ) -> Option<Field> {
        match desired {
            Some(desired) => Some(self.field(desired, observed)),
            None => self.removed(observed, applied),
        }
    }

    /// The field that the spec leaves out: nothing, or, if it was ours, that it should be absent.
    pub fn removed(&self, observed: impl Display, applied: Option<&BTreeMap<String, String>>) -> Option<Field> {
        let observed = observed.to_string();
        let was_ours = applied.and_then(|applied| applied.get(self.name)).is_some_and(|value| value != ABSENT);
        (self.left_out == LeftOut::Removed && was_ours && observed != ABSENT)
            .then(|| self.judged(ABSENT, observed, false))
    }

    /// The entries of a map (tags, parameters) as fields: those wanted, and those that were ours and left the spec.
    pub fn entries(
        &self,
        wanted: &BTreeMap<String, String>,
        seen: &BTreeMap<String, String>,
        applied: Option<&BTreeMap<String, String>>,
    ) -> Vec<Field> {
        let mut fields: Vec<_> = wanted
            .iter()
            .map(|(key, value)| {
                let observed = seen.get(key);
                let text = observed.map_or_else(|| ABSENT.to_owned(), |text| quoted(text));
                self.entry(key, quoted(value), text, observed == Some(value))
            })
            .collect();
        for key in self.recorded(applied).filter(|key| !wanted.contains_key(*key)) {
            if let Some(observed) = seen.get(key) {
                fields.push(self.entry(key, ABSENT, quoted(observed), false));
            }
        }
        fields
    }

    /// The keys of this field's entries that were ours at the last look.
    pub fn recorded<'a>(&self, applied: Option<&'a BTreeMap<String, String>>) -> impl Iterator<Item = &'a str> {
        let name = self.name;
        applied
            .into_iter()
            .flatten()
            .filter(|(_, value)| *value != ABSENT)
            .filter_map(move |(field, _)| field.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')))
    }

    fn named(&self, name: String, desired: String, observed: String, same: bool) -> Field {
        let blocked = match self.corrected {
            Corrected::Never if !same => Some(
                "AWS cannot change this: set the spec to what AWS has, or delete this object and apply it under another identifier"
                    .to_owned(),
            ),
            Corrected::Person(ways_out) if !same => Some(ways_out.to_owned()),
            _ => None,
        };
        Field { name, desired: cut(desired), observed: cut(observed), same, security: self.security, blocked }
    }
}

/// A field as wanted and as AWS answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The row's name, or an entry of it.
    pub name: String,
    /// What is wanted, in words.
    pub desired: String,
    /// What AWS answers, in words.
    pub observed: String,
    /// Whether the two agree, by the row's way of comparing.
    pub same: bool,
    /// Encryption, public access, TLS: corrected under every drift policy.
    pub security: bool,
    /// Why it cannot be corrected, and the ways out.
    pub blocked: Option<String>,
}

impl Field {
    /// Marks encryption, public access and TLS, where that depends on what was seen.
    #[must_use]
    pub fn security(mut self) -> Self {
        self.security = true;
        self
    }

    /// Marks what the operator cannot or must not change now, with the ways out.
    #[must_use]
    pub fn blocked(mut self, ways_out: impl Into<String>) -> Self {
        self.blocked = Some(ways_out.into());
        self
    }
}

/// How a switch is written.
pub fn on(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn joined<'a>(members: impl IntoIterator<Item = &'a String>) -> String {
    let members: BTreeSet<_> = members.into_iter().map(String::as_str).collect();
    if members.is_empty() { "none".to_owned() } else { members.into_iter().collect::<Vec<_>>().join(", ") }
}

fn quoted(text: &str) -> String {
    format!("'{text}'")
}

fn number(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// Major and minor number; what is not there or no number is 0.
fn version(text: &str) -> (u32, u32) {
    let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// "16" is any 16.x; "16.4" is 16.4 and what minor upgrades made of it.
fn is_version(wanted: &str, seen: &str) -> bool {
    version(wanted).0 == version(seen).0 && version(seen) >= version(wanted)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(members: &[&str]) -> Vec<String> {
        members.iter().map(|member| (*member).to_owned()).collect()
    }

    #[test]
    fn each_way_of_comparing_has_its_own_meaning() {
        let table = [
            (Compared::Exact, "a", "a", true),
            (Compared::Exact, "a", "A", false),
            (Compared::Caseless, "Private", "private", true),
            (Compared::Caseless, "Private", "public", false),
            (Compared::Floor, "20", "20", true),
            (Compared::Floor, "20", "100", true),
            (Compared::Floor, "20", "19", false),
            (Compared::Floor, "20", "nothing", false),
            (Compared::Version, "16", "16.4", true),
            (Compared::Version, "16.4", "16.10", true),
            (Compared::Version, "16.4", "16.3", false),
            (Compared::Version, "16.10", "16.9", false),
            (Compared::Version, "16.4", "16", false),
            (Compared::Version, "16", "17.1", false),
            (Compared::Version, "16.4", "15.9", false),
            (Compared::VersionFloor, "7.1", "7.1.0", true),
            (Compared::VersionFloor, "7.2", "7.10.0", true),
            (Compared::VersionFloor, "7.1", "8.0", true),
            (Compared::VersionFloor, "7.1", "7.0.7", false),
        ];
        for (compared, desired, observed, same) in table {
            let row = Row::of("field", compared);
            assert_eq!(row.field(desired, observed).same, same, "{compared:?}: {desired} and {observed}");
        }
        let groups = Row::of("groups", Compared::Set);
        assert!(groups.set(&texts(&["b", "a"]), &texts(&["a", "b", "a"])).same);
        assert!(!groups.set(&texts(&["a"]), &texts(&["a", "b"])).same);
        assert_eq!(Row::of("size", Compared::Floor).field(20, 10).desired, "at least 20");
    }

    #[test]
    fn what_cannot_be_corrected_says_so_only_where_it_differs() {
        let fixed = Row::exact("name").fixed();
        assert_eq!(fixed.field("a", "a").blocked, None);
        assert!(fixed.field("a", "b").blocked.is_some_and(|why| why.contains("AWS cannot change this")));
        let person = Row::exact("auth").person("ask a person");
        assert_eq!(person.field("a", "b").blocked.as_deref(), Some("ask a person"));
    }

    #[test]
    fn what_the_spec_leaves_out_is_not_compared_or_removed_if_it_was_ours() {
        let ours = BTreeMap::from([("logging".to_owned(), "to a".to_owned())]);
        let gone = BTreeMap::from([("logging".to_owned(), ABSENT.to_owned())]);
        let removed = Row::exact("logging").left_out(LeftOut::Removed);
        let kept = Row::exact("logging").left_out(LeftOut::NotCompared);
        let table = [
            ("never ours", removed, "to b", None, None),
            ("ours once", removed, "to b", Some(&ours), Some(ABSENT)),
            ("ours once, and gone", removed, ABSENT, Some(&ours), None),
            ("removed already", removed, "to b", Some(&gone), None),
            ("one that AWS chooses", kept, "to b", Some(&ours), None),
        ];
        for (situation, row, observed, applied, desired) in table {
            let field = row.optional(None::<&str>, observed, applied);
            assert_eq!(field.as_ref().map(|field| field.desired.as_str()), desired, "{situation}");
        }
        assert!(kept.optional(Some("a"), "b", None).is_some_and(|field| !field.same));
    }

    #[test]
    fn an_entry_that_was_never_ours_is_left_alone_and_one_that_left_the_spec_goes() {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let (wanted, seen) = (map(&[("team", "core")]), map(&[("team", "web"), ("theirs", "x"), ("old", "y")]));
        let before = map(&[("tags.team", "'core'"), ("tags.old", "'y'"), ("tags.gone", "absent")]);
        let fields = Row::of("tags", Compared::Entries).entries(&wanted, &seen, Some(&before));
        let names: Vec<_> = fields.iter().map(|f| (f.name.as_str(), f.desired.as_str(), f.same)).collect();
        assert_eq!(names, [("tags.team", "'core'", false), ("tags.old", "absent", false)]);
    }

    #[test]
    fn a_long_text_is_cut_and_still_told_from_another() {
        let row = Row::exact("note");
        let long = |end: &str| format!("{}{end}", "x".repeat(300));
        let (a, b) = (row.field(long("a"), ""), row.field(long("b"), ""));
        assert_eq!(a.desired.chars().count(), MAX_TEXT);
        assert_ne!(a.desired, b.desired);
    }
}
