//! Parameters of the engines, as far as this project may meet them.
//! <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/ParameterGroups.Engine.html>

use serde_json::{Value, json};

use super::present;
use super::rules::invalid_value;
use crate::error::AwsError;

/// A parameter of one or more families.
#[derive(Debug)]
pub struct Parameter {
    /// `maxmemory-policy`
    pub name: &'static str,
    kind: Kind,
    /// `yes,no`, a range `1-75`, an open one `0-`, several of them, or empty for any.
    allowed: &'static str,
    /// The family's own value.
    value: Option<&'static str>,
    /// Whether a group of one's own may hold another value.
    pub modifiable: bool,
    /// Whether a change waits for a reboot (AWS's "at creation").
    pub needs_reboot: bool,
    /// The first and the last family that has it, by [`age`].
    families: (u8, u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Integer,
}

const LAST: u8 = 3;

const fn text(name: &'static str, allowed: &'static str, value: &'static str) -> Parameter {
    Parameter {
        name,
        kind: Kind::Text,
        allowed,
        value: Some(value),
        modifiable: true,
        needs_reboot: false,
        families: (0, LAST),
    }
}

const fn integer(name: &'static str, allowed: &'static str, value: &'static str) -> Parameter {
    Parameter { kind: Kind::Integer, ..text(name, allowed, value) }
}

impl Parameter {
    const fn since(self, first: u8) -> Self {
        Self { families: (first, self.families.1), ..self }
    }

    const fn until(self, last: u8) -> Self {
        Self { families: (self.families.0, last), ..self }
    }

    const fn fixed(self) -> Self {
        Self { modifiable: false, ..self }
    }

    const fn at_creation(self) -> Self {
        Self { needs_reboot: true, ..self }
    }

    const fn without_value(self) -> Self {
        Self { value: None, ..self }
    }
}

const YES_NO: &str = "yes,no";
const POLICIES: &str =
    "volatile-lru,allkeys-lru,volatile-lfu,allkeys-lfu,volatile-random,allkeys-random,volatile-ttl,noeviction";

/// Sorted by name. What is in it twice has another value in later families.
static PARAMETERS: [Parameter; 63] = [
    text("acl-pubsub-default", "allchannels,resetchannels", "allchannels").since(1).until(1),
    text("acl-pubsub-default", "allchannels,resetchannels", "resetchannels").since(2),
    integer("active-defrag-cycle-max", "1-75", "75"),
    integer("active-defrag-cycle-min", "1-75", "5"),
    integer("active-defrag-ignore-bytes", "1048576-", "104857600"),
    integer("active-defrag-max-scan-fields", "1-1000000", "1000"),
    integer("active-defrag-threshold-lower", "1-100", "10"),
    integer("active-defrag-threshold-upper", "1-100", "100"),
    integer("active-expire-effort", "1-10", "1").since(1),
    text("activedefrag", YES_NO, "no"),
    text("activerehashing", YES_NO, "yes").at_creation(),
    text("appendfsync", "always,everysec,no", "everysec").fixed(),
    text("appendonly", YES_NO, "no").fixed(),
    integer("client-output-buffer-limit-normal-hard-limit", "0-", "0"),
    integer("client-output-buffer-limit-normal-soft-limit", "0-", "0"),
    integer("client-output-buffer-limit-normal-soft-seconds", "0-", "0"),
    integer("client-output-buffer-limit-pubsub-hard-limit", "0-", "33554432"),
    integer("client-output-buffer-limit-pubsub-soft-limit", "0-", "8388608"),
    integer("client-output-buffer-limit-pubsub-soft-seconds", "0-", "60"),
    integer("client-output-buffer-limit-replica-soft-seconds", "0-", "60").fixed(),
    integer("client-query-buffer-limit", "1048576-1073741824", "1073741824"),
    text("close-on-replica-write", YES_NO, "yes"),
    text("cluster-enabled", YES_NO, "no").at_creation(),
    text("cluster-require-full-coverage", YES_NO, "no"),
    integer("commandlog-large-reply-max-len", "0-1024", "128").since(3),
    integer("commandlog-large-request-max-len", "0-1024", "128").since(3),
    integer("commandlog-reply-larger-than", "-1-", "1048576").since(3),
    integer("commandlog-request-larger-than", "-1-", "1048576").since(3),
    integer("databases", "1-1200000", "16").at_creation(),
    integer("hash-max-listpack-entries", "0-", "512").since(2),
    integer("hash-max-listpack-value", "0-", "64").since(2),
    integer("hash-max-ziplist-entries", "0-", "512").until(1),
    integer("hash-max-ziplist-value", "0-", "64").until(1),
    integer("hll-sparse-max-bytes", "1-16000", "3000"),
    text("latency-tracking", YES_NO, "no").since(2),
    text("lazyfree-lazy-eviction", YES_NO, "no").until(2),
    text("lazyfree-lazy-eviction", YES_NO, "yes").since(3),
    text("lazyfree-lazy-expire", YES_NO, "no").until(2),
    text("lazyfree-lazy-expire", YES_NO, "yes").since(3),
    text("lazyfree-lazy-server-del", YES_NO, "no").until(2),
    text("lazyfree-lazy-server-del", YES_NO, "yes").since(3),
    integer("lfu-decay-time", "0-", "1"),
    integer("lfu-log-factor", "1-", "10"),
    integer("list-compress-depth", "0-", "0"),
    integer("maxclients", "1-65000", "65000").fixed(),
    text("maxmemory-policy", POLICIES, "volatile-lru"),
    integer("maxmemory-samples", "1-", "3"),
    integer("min-replicas-max-lag", "0-", "10"),
    integer("min-replicas-to-write", "0-", "0"),
    text("notify-keyspace-events", "", "").without_value(),
    integer("proto-max-bulk-len", "1048576-536870912", "536870912"),
    integer("reserved-memory-percent", "0-100", "25"),
    integer("set-max-intset-entries", "0-", "512"),
    integer("slowlog-log-slower-than", "-1-", "10000"),
    integer("slowlog-max-len", "0-", "128"),
    integer("stream-node-max-bytes", "0-", "4096"),
    integer("stream-node-max-entries", "0-", "100"),
    integer("tcp-keepalive", "0-", "300"),
    integer("timeout", "0,20-", "0"),
    integer("tracking-table-max-keys", "1-100000000", "1000000").since(1),
    integer("zset-max-listpack-entries", "0-", "128").since(2),
    integer("zset-max-ziplist-entries", "0-", "128").until(1),
    integer("zset-max-ziplist-value", "0-", "64").until(1),
];

/// Valkey 7.2 has the parameters of Redis OSS 7.
fn age(family: &str) -> u8 {
    match family {
        "redis5.0" => 0,
        "redis6.x" => 1,
        "redis7" | "valkey7" => 2,
        _ => LAST,
    }
}

/// The parameters of a family.
pub fn of(family: &str) -> impl Iterator<Item = &'static Parameter> {
    let age = age(family);
    PARAMETERS.iter().filter(move |parameter| (parameter.families.0..=parameter.families.1).contains(&age))
}

/// The parameter of that name in a family, which must let it be changed.
pub fn to_change(family: &str, name: &str) -> Result<&'static Parameter, AwsError> {
    let known = of(family).find(|parameter| parameter.name == name);
    let known = known.ok_or_else(|| invalid_value(format!("Could not find parameter with name: {name}")))?;
    if known.modifiable {
        return Ok(known);
    }
    Err(invalid_value(format!("The parameter {name} cannot be modified.")))
}

impl Parameter {
    /// Refuses a value that the parameter does not take.
    pub fn check(&self, value: &str) -> Result<(), AwsError> {
        let one_of = |fits: &dyn Fn(&str) -> bool| self.allowed.is_empty() || self.allowed.split(',').any(fits);
        let fits = match (self.kind, value.parse::<i64>()) {
            (Kind::Text, _) => one_of(&|allowed| allowed == value),
            (Kind::Integer, Ok(number)) => one_of(&|allowed| within(allowed, number)),
            (Kind::Integer, Err(_)) => false,
        };
        if fits {
            return Ok(());
        }
        Err(invalid_value(format!(
            "The parameter value {value} for {} is not valid: allowed are {}.",
            self.name, self.allowed
        )))
    }

    /// The value in a group that holds this one of its own.
    pub fn value<'a>(&self, own: Option<&'a String>) -> Option<&'a str>
    where
        'static: 'a,
    {
        own.map(String::as_str).or(self.value)
    }

    /// As `DescribeCacheParameters` shows it.
    pub fn show(&self, own: Option<&String>, oldest_version: &str) -> Value {
        present(json!({
            "ParameterName": self.name,
            "ParameterValue": self.value(own),
            "Source": if own.is_some() { "user" } else { "system" },
            "DataType": if self.kind == Kind::Text { "string" } else { "integer" },
            "AllowedValues": (!self.allowed.is_empty()).then_some(self.allowed),
            "IsModifiable": self.modifiable,
            "MinimumEngineVersion": oldest_version,
            "ChangeType": if self.needs_reboot { "requires-reboot" } else { "immediate" },
        }))
    }
}

/// Whether a number is in `5`, `1-75` or `0-`; the lower bound may be negative.
fn within(allowed: &str, number: i64) -> bool {
    let dash = allowed.char_indices().skip(1).find(|(_, letter)| *letter == '-').map(|(at, _)| at);
    let Some(dash) = dash else { return allowed.parse() == Ok(number) };
    let least = allowed[..dash].parse::<i64>().is_ok_and(|least| number >= least);
    let most = &allowed[dash + 1..];
    least && (most.is_empty() || most.parse::<i64>().is_ok_and(|most| number <= most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_held_to_what_is_allowed() {
        for (name, value, good) in [
            ("maxmemory-policy", "allkeys-lru", true),
            ("maxmemory-policy", "allkeys", false),
            ("timeout", "0", true),
            ("timeout", "19", false),
            ("timeout", "300", true),
            ("slowlog-log-slower-than", "-1", true),
            ("slowlog-log-slower-than", "-2", false),
            ("active-defrag-cycle-max", "76", false),
            ("databases", "many", false),
            ("notify-keyspace-events", "Ex", true),
        ] {
            let parameter = to_change("redis7", name).unwrap();
            assert_eq!(parameter.check(value).is_ok(), good, "{name}: {value}");
        }
    }

    #[test]
    fn families_have_parameters_of_their_own() {
        let has = |family, name| to_change(family, name).is_ok();
        for (name, families) in [
            ("hash-max-ziplist-entries", ["redis6.x"].as_slice()),
            ("hash-max-listpack-entries", &["redis7", "valkey7", "valkey8"]),
            ("commandlog-reply-larger-than", &["valkey8"]),
        ] {
            for family in ["redis6.x", "redis7", "valkey7", "valkey8"] {
                assert_eq!(has(family, name), families.contains(&family), "{name} in {family}");
            }
        }
        assert!(!has("redis7", "appendonly"), "AWS does not let it be changed");
        for family in ["redis5.0", "redis6.x", "redis7", "valkey8"] {
            let names: Vec<_> = of(family).map(|parameter| parameter.name).collect();
            assert!(names.is_sorted_by(|one, next| one < next), "sorted for the pages, none twice: {family}");
        }
    }
}
