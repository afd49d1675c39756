//! The rules for single parameters, with AWS's error codes.

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde_json::{Value, json};

use crate::call::Call;
use crate::error::AwsError;

/// Tags by key.
pub(super) type Tags = BTreeMap<String, String>;

pub(super) fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterValue", message)
}

pub(super) fn combination(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterCombination", message)
}

pub(super) fn matches(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).expect("the patterns are in this crate").is_match(text)
}

/// Refuses parameters that the stand-in does not act on, loudly, since
/// ignoring them would let a test pass that fails in AWS.
pub(super) fn only(call: &Call<'_>, served: &[&str]) -> Result<(), AwsError> {
    let given = call.parameters.as_object().into_iter().flat_map(|members| members.keys());
    match given.into_iter().find(|name| !served.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(AwsError::not_implemented(format!("the parameter {name} of rds:{}", call.operation))),
    }
}

/// The identifier in a name or an ARN. Identifiers are stored in lower case.
pub(super) fn identifier_of(name_or_arn: &str) -> String {
    let name = match name_or_arn.strip_prefix("arn:") {
        Some(arn) => arn.splitn(6, ':').nth(5).unwrap_or_default(),
        None => name_or_arn,
    };
    name.to_ascii_lowercase()
}

/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html#RDS_Limits.Constraints>
pub(super) fn identifier(parameter: &str, name: &str, longest: usize) -> Result<String, AwsError> {
    let shaped = matches("^[a-zA-Z][a-zA-Z0-9-]*$", name);
    if !shaped || name.ends_with('-') || name.contains("--") || name.len() > longest {
        return Err(invalid(format!(
            "The parameter {parameter} is not a valid identifier. Identifiers must begin with a \
             letter; must contain only ASCII letters, digits, and hyphens; must not end with a \
             hyphen or contain two consecutive hyphens; and must not be longer than {longest}."
        )));
    }
    Ok(name.to_ascii_lowercase())
}

/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html>
pub(super) fn master_username(name: Option<&str>) -> Result<String, AwsError> {
    const RESERVED: [&str; 7] =
        ["admin", "rdsadmin", "rds_superuser", "rds_replication", "rds_password", "public", "replication"];
    let name = name.ok_or_else(|| invalid("The parameter MasterUsername must be provided and must not be blank."))?;
    if !matches("^[a-zA-Z][a-zA-Z0-9_]{0,62}$", name) {
        return Err(invalid(
            "The parameter MasterUsername must begin with a letter and contain only letters, digits \
             and underscores, at most 63.",
        ));
    }
    if RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
        return Err(invalid(format!(
            "MasterUsername {name} cannot be used as it is a reserved word used by the engine"
        )));
    }
    Ok(name.to_owned())
}

/// 8 to 128 printable ASCII characters without `/`, `@`, `"` and space.
pub(super) fn master_password(password: &str) -> Result<(), AwsError> {
    if !(8..=128).contains(&password.len()) {
        return Err(invalid(
            "The parameter MasterUserPassword is not a valid password because it is shorter than 8 \
             or longer than 128 characters.",
        ));
    }
    if !matches("^[!-~]+$", password) || password.contains(['/', '@', '"']) {
        return Err(invalid(
            "The parameter MasterUserPassword is not a valid password. Only printable ASCII \
             characters besides '/', '@', '\"', ' ' may be used.",
        ));
    }
    Ok(())
}

pub(super) fn database_name(name: &str) -> Result<String, AwsError> {
    if matches("^[a-zA-Z][a-zA-Z0-9_]{0,62}$", name) {
        Ok(name.to_owned())
    } else {
        Err(invalid("DBName must begin with a letter and contain only alphanumeric characters."))
    }
}

pub(super) fn retention(days: i64) -> Result<i64, AwsError> {
    if (0..=35).contains(&days) {
        Ok(days)
    } else {
        Err(invalid(format!("Invalid backup retention period: {days}. Must be between 0 and 35.")))
    }
}

pub(super) fn port(port: i64) -> Result<i64, AwsError> {
    if (1150..=65535).contains(&port) {
        Ok(port)
    } else {
        Err(invalid(format!("Invalid port {port}: it must be between 1150 and 65535.")))
    }
}

/// Days that the data of Performance Insights is kept after this call: 7, months of 31 days, or 731.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PerfInsights.Overview.cost.html>
pub(super) fn insights(call: &Call<'_>, now: Option<i64>) -> Result<Option<i64>, AwsError> {
    let on = call.flag("EnablePerformanceInsights").unwrap_or(now.is_some());
    match call.integer("PerformanceInsightsRetentionPeriod") {
        Some(_) if !on => {
            Err(combination("To specify PerformanceInsightsRetentionPeriod you must enable Performance Insights."))
        }
        Some(days) if days != 7 && days != 731 && !(days % 31 == 0 && (31..=713).contains(&days)) => {
            Err(invalid(format!("Invalid Performance Insights retention period: {days}.")))
        }
        days => Ok(on.then_some(days.or(now).unwrap_or(7))),
    }
}

/// Whether Database Insights is in its Advanced mode after this call: it wants Performance Insights, kept for 15 months.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_DatabaseInsights.TurningOnAdvanced.html>
pub(super) fn insights_mode(call: &Call<'_>, insights: Option<i64>, now: bool) -> Result<bool, AwsError> {
    let advanced = match call.text("DatabaseInsightsMode") {
        None => now,
        Some("standard") => false,
        Some("advanced") => true,
        Some(other) => return Err(invalid(format!("Invalid Database Insights mode: {other}"))),
    };
    if advanced && insights.is_none_or(|days| days < 465) {
        return Err(combination(
            "To enable the Advanced mode of Database Insights, modify your instance to enable Performance Insights \
             and set the retention period for Performance Insights to at least 465 days.",
        ));
    }
    Ok(advanced)
}

/// Every well-formed security group id exists.
pub(super) fn security_groups(call: &Call<'_>) -> Result<Option<Vec<String>>, AwsError> {
    let Some(ids) = call.list("VpcSecurityGroupIds") else { return Ok(None) };
    let ids: Vec<String> = ids.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect();
    match ids.iter().find(|id| !matches("^sg-[0-9a-f]{8,17}$", id)) {
        Some(id) => Err(invalid(format!("Invalid security group , groupId= {id}, groupName=."))),
        None => Ok(Some(ids)),
    }
}

/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html#UsingWithRDS.SSL.RegionCertificateAuthorities>
pub(super) fn certificate(name: &str) -> Result<String, AwsError> {
    const KNOWN: [&str; 3] = ["rds-ca-rsa2048-g1", "rds-ca-rsa4096-g1", "rds-ca-ecc384-g1"];
    if KNOWN.contains(&name) {
        Ok(name.to_owned())
    } else {
        Err(AwsError::new("CertificateNotFound", format!("Certificate not found: {name}")))
    }
}

/// PostgreSQL's logs:
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_LogAccess.Concepts.PostgreSQL.overview.html>
pub(super) fn log_types(list: Option<&Vec<Value>>) -> Result<Vec<String>, AwsError> {
    const KNOWN: [&str; 3] = ["postgresql", "upgrade", "iam-db-auth-error"];
    let types: Vec<String> = list.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect();
    match types.iter().find(|name| !KNOWN.contains(&name.as_str())) {
        Some(name) => Err(combination(format!(
            "You cannot use the log types '{name}' with engine version postgres. For supported log \
             types, see the documentation."
        ))),
        None => Ok(types),
    }
}

/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Tagging.html>
pub(super) fn tags(list: Option<&Vec<Value>>) -> Result<Tags, AwsError> {
    let mut tags = Tags::new();
    for tag in list.into_iter().flatten() {
        let text = |name: &str| tag.get(name).and_then(Value::as_str).unwrap_or_default();
        let (key, value) = (text("Key"), text("Value"));
        // AWS: ^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$
        let fits =
            |text: &str| text.chars().all(|c| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c));
        if !(1..=128).contains(&key.chars().count()) || !fits(key) {
            return Err(invalid(format!("Invalid tag key '{key}': 1 to 128 letters, digits, spaces and _.:/=+-@")));
        }
        if value.chars().count() > 256 || !fits(value) {
            return Err(invalid(format!(
                "Invalid value of tag '{key}': at most 256 letters, digits, spaces and _.:/=+-@"
            )));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid(format!("Tag key '{key}': the prefix aws: is reserved for AWS.")));
        }
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(invalid(format!("Tag key '{key}' is given twice.")));
        }
    }
    tag_count(&tags)?;
    Ok(tags)
}

/// At most 50 tags on a resource.
pub(super) fn tag_count(tags: &Tags) -> Result<(), AwsError> {
    if tags.len() > 50 {
        return Err(invalid(format!("A resource can have at most 50 tags, not {}.", tags.len())));
    }
    Ok(())
}

pub(super) fn tag_list(tags: &Tags) -> Value {
    tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}
