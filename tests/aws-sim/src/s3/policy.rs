//! Bucket policies: what AWS takes, and what it calls public.

use std::net::IpAddr;

use serde_json::{Map, Value};

/// A bucket policy that AWS would take.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy(Value);

/// The most bytes a bucket policy may have,
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/add-bucket-policy.html>.
const MOST_BYTES: usize = 20 * 1024;

/// Actions that apply to objects, by how they begin; all others apply to the
/// bucket,
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>.
const OBJECT_ACTIONS: [&str; 9] = [
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
    "s3:RestoreObject",
    "s3:BypassGovernanceRetention",
    "s3:ReplicateObject",
    "s3:UpdateObject",
];

impl Policy {
    /// Reads a policy for a bucket. The error is the message that goes with
    /// AWS's `MalformedPolicy`. The grammar is
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>.
    pub fn parse(text: &str, bucket: &str) -> Result<Self, String> {
        if text.len() > MOST_BYTES {
            return Err("Policies must not be larger than 20 KB".to_owned());
        }
        let value: Value = serde_json::from_str(text)
            .map_err(|_| "Policies must be valid JSON and the first byte must be '{'".to_owned())?;
        let Value::Object(policy) = &value else {
            return Err("Policies must be valid JSON and the first byte must be '{'".to_owned());
        };
        known_fields(policy, &["Version", "Id", "Statement"])?;
        match policy.get("Version").map(Value::as_str) {
            None | Some(Some("2012-10-17" | "2008-10-17")) => {}
            Some(_) => {
                return Err("The policy must contain a valid version string".to_owned());
            }
        }
        let statements = match policy.get("Statement") {
            Some(Value::Array(statements)) => statements.iter().collect(),
            Some(statement @ Value::Object(_)) => vec![statement],
            _ => Vec::new(),
        };
        if statements.is_empty() {
            return Err("Missing required field Statement".to_owned());
        }
        for statement in statements {
            let Value::Object(statement) = statement else {
                return Err("Invalid policy syntax.".to_owned());
            };
            check_statement(statement, bucket)?;
        }
        Ok(Self(canonical(value)))
    }

    /// The policy as S3 hands it out: the same meaning, not the same text.
    /// AWS stores what it understood, so a list of one comes back as the one
    /// and an account id as the ARN of its root,
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>.
    pub fn text(&self) -> String {
        self.0.to_string()
    }

    /// Whether it lets an AWS service do something with what this ARN begins.
    pub fn lets_service(&self, service: &str, action: &str, arn: &str) -> bool {
        super::sharing::lets_service(&self.0, service, action, arn)
    }

    /// Whether AWS calls the policy public,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status>:
    /// some statement allows without a fixed principal and without a condition
    /// that fixes who may.
    pub fn is_public(&self) -> bool {
        let statements = match &self.0["Statement"] {
            Value::Array(statements) => statements.iter().collect(),
            one => vec![one],
        };
        statements
            .into_iter()
            .any(|statement| statement["Effect"] == "Allow" && anyone(statement) && !fixed_by_condition(statement))
    }
}

fn known_fields(object: &Map<String, Value>, known: &[&str]) -> Result<(), String> {
    match object.keys().find(|field| !known.contains(&field.as_str())) {
        Some(field) => Err(format!("Unknown field {field}")),
        None => Ok(()),
    }
}

/// The texts of a text or a list of texts.
fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(list) if !list.is_empty() => list.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// One of two fields that exclude each other.
fn either<'a>(statement: &'a Map<String, Value>, field: &str, inverse: &str) -> Result<(bool, &'a Value), String> {
    match (statement.get(field), statement.get(inverse)) {
        (Some(value), None) => Ok((true, value)),
        (None, Some(value)) => Ok((false, value)),
        (None, None) => Err(format!("Missing required field {field}")),
        (Some(_), Some(_)) => Err("Invalid policy syntax.".to_owned()),
    }
}

fn check_statement(statement: &Map<String, Value>, bucket: &str) -> Result<(), String> {
    known_fields(
        statement,
        &["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"],
    )?;
    match statement.get("Effect") {
        None => return Err("Missing required field Effect".to_owned()),
        Some(effect) if effect == "Allow" || effect == "Deny" => {}
        Some(effect) => return Err(format!("Invalid effect: {effect}")),
    }
    let (_, principal) = either(statement, "Principal", "NotPrincipal")?;
    check_principal(principal)?;
    let (listed, actions) = either(statement, "Action", "NotAction")?;
    let actions = texts(actions).ok_or("Policy has invalid action")?;
    for action in &actions {
        if *action != "*" && !action.to_ascii_lowercase().starts_with("s3:") {
            return Err("Policy has invalid action".to_owned());
        }
    }
    let (_, resources) = either(statement, "Resource", "NotResource")?;
    let resources = texts(resources).ok_or("Policy has invalid resource")?;
    for resource in &resources {
        check_resource(resource, bucket)?;
    }
    if listed {
        check_application(&actions, &resources)?;
    }
    match statement.get("Condition") {
        None => Ok(()),
        Some(Value::Object(condition)) => check_condition(condition),
        Some(_) => Err("Invalid policy syntax.".to_owned()),
    }
}

fn check_principal(principal: &Value) -> Result<(), String> {
    let invalid = || "Invalid principal in policy".to_owned();
    match principal {
        Value::String(text) if text == "*" => Ok(()),
        Value::Object(kinds) if !kinds.is_empty() => kinds.iter().try_for_each(|(kind, who)| {
            let who = texts(who).ok_or_else(invalid)?;
            let valid = |name: &&str| match kind.as_str() {
                "AWS" => *name == "*" || is_account(name) || is_identity(name),
                "Service" => name.ends_with(".amazonaws.com") || name.ends_with(".amazonaws.com.cn"),
                "Federated" | "CanonicalUser" => !name.is_empty(),
                _ => false,
            };
            if who.iter().all(valid) { Ok(()) } else { Err(invalid()) }
        }),
        _ => Err(invalid()),
    }
}

fn is_account(name: &str) -> bool {
    name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_digit())
}

/// An ARN of IAM or STS, or a unique id.
fn is_identity(name: &str) -> bool {
    let mut parts = name.splitn(6, ':');
    let arn = parts.next() == Some("arn")
        && parts.next().is_some_and(|partition| partition.starts_with("aws"))
        && matches!(parts.next(), Some("iam" | "sts"))
        && parts.next() == Some("")
        && parts.next().is_some_and(is_account)
        && parts.next().is_some_and(|resource| !resource.is_empty() && !resource.contains('*'));
    let unique = name.starts_with("AROA") || name.starts_with("AIDA");
    arn || unique
}

fn check_resource(resource: &str, bucket: &str) -> Result<(), String> {
    let name = resource
        .strip_prefix("arn:")
        .and_then(|rest| rest.split_once(":s3:::"))
        .filter(|(partition, _)| partition.starts_with("aws"))
        .map(|(_, name)| name.split_once('/').map_or(name, |(bucket, _)| bucket));
    if name == Some(bucket) || name == Some("*") || name == Some(&format!("{bucket}*")) {
        Ok(())
    } else {
        Err("Policy has invalid resource".to_owned())
    }
}

/// Each action must be able to apply to one of the resources.
fn check_application(actions: &[&str], resources: &[&str]) -> Result<(), String> {
    let objects = resources.iter().any(|resource| resource.contains('/') || resource.ends_with('*'));
    let bucket = resources.iter().any(|resource| !resource.contains('/'));
    for action in actions {
        if action.contains(['*', '?']) {
            continue;
        }
        let of_objects = OBJECT_ACTIONS
            .iter()
            .any(|begin| action.len() >= begin.len() && action[..begin.len()].eq_ignore_ascii_case(begin));
        if (of_objects && !objects) || (!of_objects && !bucket) {
            return Err("Action does not apply to any resource(s) in statement".to_owned());
        }
    }
    Ok(())
}

/// The operators of
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>.
const OPERATORS: [&str; 27] = [
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "Bool",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
    "ArnEquals",
    "ArnLike",
    "ArnNotEquals",
    "ArnNotLike",
    "Null",
];

fn check_condition(condition: &Map<String, Value>) -> Result<(), String> {
    for (operator, keys) in condition {
        let base = operator
            .strip_prefix("ForAnyValue:")
            .or_else(|| operator.strip_prefix("ForAllValues:"))
            .unwrap_or(operator);
        let base = base.strip_suffix("IfExists").unwrap_or(base);
        if !OPERATORS.contains(&base) {
            return Err(format!("Invalid Condition type : {operator}"));
        }
        let Value::Object(keys) = keys else {
            return Err("Invalid policy syntax.".to_owned());
        };
        for (key, values) in keys {
            let scalar = |value: &Value| value.is_string() || value.is_boolean() || value.is_number();
            let valid = match values {
                Value::Array(list) => list.iter().all(scalar),
                value => scalar(value),
            };
            if !valid {
                return Err("Invalid policy syntax.".to_owned());
            }
            if !key.contains(':') {
                return Err("Policy has an invalid condition key".to_owned());
            }
        }
    }
    Ok(())
}

/// Whether a statement's principal is not a fixed set.
fn anyone(statement: &Value) -> bool {
    match &statement["Principal"] {
        // NotPrincipal: everybody but some.
        Value::Null => true,
        Value::String(text) => text == "*",
        principal => texts(&principal["AWS"]).is_some_and(|who| who.contains(&"*")),
    }
}

/// The condition keys that fix who may, if each value is fixed itself.
const FIXING_KEYS: [&str; 12] = [
    "aws:sourcearn",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:sourceowner",
    "aws:sourceaccount",
    "aws:userid",
    "aws:principalorgid",
    "aws:principalarn",
    "aws:principalaccount",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "s3:dataaccesspointarn",
    "s3:dataaccesspointaccount",
];

fn fixed_by_condition(statement: &Value) -> bool {
    let Value::Object(condition) = &statement["Condition"] else {
        return false;
    };
    condition.iter().any(|(operator, keys)| {
        let operator = operator.strip_prefix("ForAnyValue:").unwrap_or(operator);
        let Value::Object(keys) = keys else {
            return false;
        };
        keys.iter().any(|(key, values)| {
            let Some(values) = texts(values) else {
                return false;
            };
            let key = key.to_ascii_lowercase();
            match operator {
                "IpAddress" => key == "aws:sourceip" && values.into_iter().all(narrow),
                "StringEquals" | "StringEqualsIgnoreCase" | "StringLike" | "ArnEquals" | "ArnLike" => {
                    FIXING_KEYS.contains(&key.as_str()) && values.into_iter().all(|value| fixed(&key, value))
                }
                _ => false,
            }
        })
    })
}

/// Without wildcards and policy variables. An access point's ARN may leave its
/// name open as long as it fixes the account.
fn fixed(key: &str, value: &str) -> bool {
    if key == "s3:dataaccesspointarn" {
        return value.split(':').nth(4).is_some_and(is_account);
    }
    !value.contains(['*', '?', '$'])
}

/// Not broader than /8 (IPv4) or /32 (IPv6), or a private range.
fn narrow(cidr: &str) -> bool {
    let (address, bits) = cidr.split_once('/').unwrap_or((cidr, "128"));
    let Ok(bits) = bits.parse::<u8>() else {
        return false;
    };
    match address.parse() {
        Ok(IpAddr::V4(address)) => bits >= 8 || address.is_private(),
        Ok(IpAddr::V6(_)) => bits >= 32,
        Err(_) => false,
    }
}

/// Lists of one as the one, account ids as ARNs of their root.
fn canonical(value: Value) -> Value {
    match value {
        Value::Object(object) => Value::Object(
            object
                .into_iter()
                .map(|(field, value)| {
                    let value = match (field.as_str(), value) {
                        // The list of statements stays a list.
                        ("Statement", Value::Array(list)) => Value::Array(list.into_iter().map(canonical).collect()),
                        ("AWS", value) => roots(canonical(value)),
                        (_, value) => canonical(value),
                    };
                    (field, value)
                })
                .collect(),
        ),
        Value::Array(mut list) if list.len() == 1 => canonical(list.remove(0)),
        Value::Array(list) => Value::Array(list.into_iter().map(canonical).collect()),
        other => other,
    }
}

fn roots(principal: Value) -> Value {
    match principal {
        Value::String(text) if is_account(&text) => Value::String(format!("arn:aws:iam::{text}:root")),
        Value::Array(list) => Value::Array(list.into_iter().map(roots).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests;
