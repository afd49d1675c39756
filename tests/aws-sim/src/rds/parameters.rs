//! PostgreSQL's parameters, as far as this project may meet them.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Parameters.html>

use jiff::Timestamp;
use serde_json::{Value, json};

use super::catalog;
use super::rules::invalid;
use crate::error::AwsError;

/// How far the parameter group's values hold in an instance:
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithParamGroups.html>
#[derive(Clone, Debug, Default)]
pub(super) struct ParameterState {
    pub(super) applying_until: Option<Timestamp>,
    pub(super) pending_reboot: bool,
}

impl ParameterState {
    pub(super) fn status(&self, now: Timestamp) -> &'static str {
        if self.applying_until.is_some_and(|until| now < until) {
            "applying"
        } else if self.pending_reboot {
            "pending-reboot"
        } else {
            "in-sync"
        }
    }
}

/// A parameter of the engine.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    kind: &'static str,
    /// `0,1`, `a,b`, a range `1-5`, or empty for any.
    allowed: &'static str,
    /// RDS's own value (`system`), or none (`engine-default`).
    value: Option<&'static str>,
    pub(super) is_static: bool,
    pub(super) modifiable: bool,
}

const fn dynamic(
    name: &'static str,
    kind: &'static str,
    allowed: &'static str,
    value: Option<&'static str>,
) -> Parameter {
    Parameter { name, kind, allowed, value, is_static: false, modifiable: true }
}

const fn at_start(
    name: &'static str,
    kind: &'static str,
    allowed: &'static str,
    value: Option<&'static str>,
) -> Parameter {
    Parameter { name, kind, allowed, value, is_static: true, modifiable: true }
}

const fn fixed(name: &'static str, kind: &'static str, allowed: &'static str, value: &'static str) -> Parameter {
    Parameter { name, kind, allowed, value: Some(value), is_static: true, modifiable: false }
}

const ON_OFF: &str = "0,1";

/// Sorted by name. `rds.force_ssl` is 1 from PostgreSQL 15 on.
static PARAMETERS: [Parameter; 34] = [
    dynamic("autovacuum", "boolean", ON_OFF, Some("1")),
    dynamic("autovacuum_naptime", "integer", "1-2147483", Some("15")),
    dynamic("checkpoint_timeout", "integer", "30-86400", Some("300")),
    fixed("data_checksums", "boolean", ON_OFF, "1"),
    dynamic("default_transaction_read_only", "boolean", ON_OFF, None),
    dynamic("effective_cache_size", "integer", "1-2147483647", Some("{DBInstanceClassMemory/16384}")),
    fixed("fsync", "boolean", ON_OFF, "1"),
    dynamic("hot_standby_feedback", "boolean", ON_OFF, None),
    dynamic("idle_in_transaction_session_timeout", "integer", "0-2147483647", Some("86400000")),
    dynamic("lock_timeout", "integer", "0-2147483647", None),
    dynamic("log_connections", "boolean", ON_OFF, None),
    dynamic("log_disconnections", "boolean", ON_OFF, None),
    dynamic("log_lock_waits", "boolean", ON_OFF, None),
    dynamic("log_min_duration_statement", "integer", "-1-2147483647", None),
    dynamic("log_statement", "string", "none,ddl,mod,all", None),
    dynamic(
        "maintenance_work_mem",
        "integer",
        "1024-2147483647",
        Some("GREATEST({DBInstanceClassMemory*1024/63963136},65536)"),
    ),
    at_start("max_connections", "integer", "6-262143", Some("LEAST({DBInstanceClassMemory/9531392},5000)")),
    at_start("max_locks_per_transaction", "integer", "10-2147483647", Some("64")),
    at_start("max_replication_slots", "integer", "5-262143", Some("20")),
    at_start("max_wal_senders", "integer", "5-262143", Some("35")),
    dynamic("max_wal_size", "integer", "128-201326592", Some("2048")),
    dynamic("password_encryption", "string", "md5,scram-sha-256", Some("scram-sha-256")),
    dynamic("random_page_cost", "float", "", None),
    dynamic(
        "rds.force_autovacuum_logging_level",
        "string",
        "debug1,info,notice,warning,error,log,fatal,panic,disabled",
        Some("warning"),
    ),
    dynamic("rds.force_ssl", "boolean", ON_OFF, Some("1")),
    dynamic("rds.log_retention_period", "integer", "1440-10080", Some("4320")),
    at_start("rds.logical_replication", "boolean", ON_OFF, Some("0")),
    at_start("shared_buffers", "integer", "16-1073741823", Some("{DBInstanceClassMemory/32768}")),
    at_start("shared_preload_libraries", "list", "", Some("pg_stat_statements")),
    fixed("ssl", "boolean", ON_OFF, "1"),
    dynamic("ssl_min_protocol_version", "string", "TLSv1.2,TLSv1.3", Some("TLSv1.2")),
    dynamic("statement_timeout", "integer", "0-2147483647", None),
    dynamic("timezone", "string", "", Some("UTC")),
    dynamic("work_mem", "integer", "64-2147483647", None),
];

/// The parameters of a family.
pub(super) fn of(family: &str) -> impl Iterator<Item = &'static Parameter> {
    debug_assert!(catalog::is_family(family), "every group has a known family");
    PARAMETERS.iter()
}

impl Parameter {
    /// Whether a value is allowed.
    pub(super) fn allows(&self, value: &str) -> Result<(), AwsError> {
        let fits = match self.kind {
            // A formula over the instance class is a number, too.
            "integer" => value.contains('{') || value.parse().is_ok_and(|number| self.in_range(number)),
            "float" => value.parse::<f64>().is_ok(),
            _ if self.allowed.is_empty() => true,
            _ => self.allowed.split(',').any(|allowed| allowed == value),
        };
        if fits {
            return Ok(());
        }
        Err(invalid(format!(
            "Invalid parameter value: {value} for: {} allowed values are: {}",
            self.name, self.allowed
        )))
    }

    fn in_range(&self, number: i64) -> bool {
        // The lower bound may be negative.
        let at = self.allowed[1..].find('-').map_or(0, |at| at + 1);
        let bounds = (self.allowed[..at].parse::<i64>(), self.allowed[at + 1..].parse::<i64>());
        matches!(bounds, (Ok(least), Ok(most)) if (least..=most).contains(&number))
    }

    /// As `DescribeDBParameters` shows it, with the group's value if it has one.
    pub(super) fn show(&self, own: Option<&(String, String)>) -> Value {
        let mut shown = json!({
            "ParameterName": self.name,
            "DataType": self.kind,
            "ApplyType": if self.is_static { "static" } else { "dynamic" },
            "IsModifiable": self.modifiable,
            "ApplyMethod": own.map_or("pending-reboot", |(_, method)| method),
            "Source": match (own, self.value) {
                (Some(_), _) => "user",
                (None, Some(_)) => "system",
                (None, None) => "engine-default",
            },
        });
        if !self.allowed.is_empty() {
            shown["AllowedValues"] = self.allowed.into();
        }
        if let Some(value) = own.map(|(value, _)| value.as_str()).or(self.value) {
            shown["ParameterValue"] = value.into();
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(name: &str, value: &str) -> bool {
        PARAMETERS.iter().find(|parameter| parameter.name == name).unwrap().allows(value).is_ok()
    }

    #[test]
    fn values_are_held_to_what_is_allowed() {
        assert!(allows("rds.force_ssl", "0"));
        assert!(!allows("rds.force_ssl", "5"));
        assert!(allows("log_min_duration_statement", "-1"));
        assert!(!allows("log_min_duration_statement", "-2"));
        assert!(allows("max_connections", "100"));
        assert!(!allows("max_connections", "5"));
        assert!(allows("shared_buffers", "{DBInstanceClassMemory/16384}"));
        assert!(!allows("log_statement", "some"));
    }

    #[test]
    fn the_table_is_sorted_for_the_pages() {
        assert!(PARAMETERS.is_sorted_by_key(|parameter| parameter.name));
    }
}
