//! Bucket policies compared as JSON meaning, not text. Pure.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>

use std::{collections::BTreeSet, fmt::Write as _};

use serde_json::{Map, Value, json};

use crate::ownership::Place;

/// Prefix of the statement ids that are the operator's own.
pub const SID_PREFIX: &str = "ShowCore";

/// The statement that denies every request without TLS.
pub fn tls_only(bucket_arn: &str) -> Value {
    json!({
        "Sid": "ShowCoreTLSOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket_arn, format!("{bucket_arn}/*")],
        "Condition": { "Bool": { "aws:SecureTransport": "false" } }
    })
}

/// The statements with which CloudTrail delivers, restricted to trails by `aws:SourceArn`.
///
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html>
pub fn cloudtrail_delivery(bucket_arn: &str, trails: &[String], prefix: Option<&str>, owners: &[&str]) -> [Value; 2] {
    let principal = json!({ "Service": "cloudtrail.amazonaws.com" });
    let prefix = prefix.map(|prefix| format!("{prefix}/")).unwrap_or_default();
    let keys: Vec<_> = owners.iter().map(|owner| format!("{bucket_arn}/{prefix}AWSLogs/{owner}/*")).collect();
    [
        json!({
            "Sid": "ShowCoreCloudTrailAclCheck",
            "Effect": "Allow",
            "Principal": principal,
            "Action": "s3:GetBucketAcl",
            "Resource": bucket_arn,
            "Condition": { "ArnLike": { "aws:SourceArn": trails } }
        }),
        json!({
            "Sid": "ShowCoreCloudTrailWrite",
            "Effect": "Allow",
            "Principal": principal,
            "Action": "s3:PutObject",
            "Resource": keys,
            "Condition": {
                "StringEquals": { "s3:x-amz-acl": "bucket-owner-full-control" },
                "ArnLike": { "aws:SourceArn": trails }
            }
        }),
    ]
}

/// Whether a statement is one of CloudTrail's that we wrote, for whatever trails.
pub fn is_our_delivery(statement: &Value) -> bool {
    let ours = sid(statement).is_some_and(|sid| sid.starts_with("ShowCoreCloudTrail"));
    ours && statement.get("Principal") == Some(&json!({ "Service": "cloudtrail.amazonaws.com" }))
}

/// The statements of a policy.
pub fn statements(policy: Option<&Value>) -> Vec<Value> {
    match policy.and_then(|policy| policy.get("Statement")) {
        Some(Value::Array(statements)) => statements.clone(),
        Some(one @ Value::Object(_)) => vec![one.clone()],
        _ => Vec::new(),
    }
}

/// Whether a policy has a statement of this meaning, whatever its id.
pub fn holds(policy: Option<&Value>, statement: &Value) -> bool {
    let wanted = canonical(statement);
    statements(policy).iter().any(|seen| canonical(seen) == wanted)
}

/// The statements that let in someone from outside the account, apart from those wanted.
pub fn foreign_allows(policy: Option<&Value>, wanted: &[Value], place: &Place) -> Vec<Value> {
    let wanted: Vec<_> = wanted.iter().map(canonical).collect();
    statements(policy)
        .into_iter()
        .filter(|statement| !wanted.contains(&canonical(statement)) && lets_outsiders_in(statement, place))
        .collect()
}

/// The policy to write: `put`, and of what is there all that is neither one of these, nor named by `gone`, nor reserved,
/// nor a foreign Allow. `wanted` are the statements that are not foreign, also those that are not to be put now.
pub fn merged(policy: Option<&Value>, put: &[Value], gone: &[&str], wanted: &[Value], place: &Place) -> Value {
    let meaning: Vec<_> = put.iter().map(canonical).collect();
    let foreign = foreign_allows(policy, wanted, place);
    let kept = statements(policy).into_iter().filter(|statement| {
        let replaced = |sid: &str| {
            sid.starts_with(SID_PREFIX) || gone.contains(&sid) || put.iter().any(|one| self::sid(one) == Some(sid))
        };
        !sid(statement).is_some_and(replaced)
            && !meaning.contains(&canonical(statement))
            && !foreign.contains(statement)
    });
    let statements: Vec<_> = put.iter().cloned().chain(kept).collect();
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// The id of a statement.
pub fn sid(statement: &Value) -> Option<&str> {
    statement.get("Sid").and_then(Value::as_str)
}

/// The statement of this id.
pub fn of_sid(policy: Option<&Value>, id: &str) -> Option<Value> {
    statements(policy).into_iter().find(|statement| sid(statement) == Some(id))
}

/// A foreign Allow in words: `Allow s3:GetObject to *`.
pub fn in_words(statement: &Value) -> String {
    let list = |key: &str| strings(statement.get(key)).into_iter().collect::<Vec<_>>().join(", ");
    let either = |key: &str, inverse: &str| {
        if statement.get(key).is_some() { list(key) } else { format!("all but {}", list(inverse)) }
    };
    let effect = statement.get("Effect").and_then(Value::as_str).unwrap_or_default();
    format!("{effect} {} to {}", either("Action", "NotAction"), either("Principal", "NotPrincipal"))
}

/// A statement in words, whole: two of different meanings have different words.
pub fn in_full(statement: &Value) -> String {
    let canonical = canonical(statement);
    let listed = |value: &Value| strings(Some(value)).into_iter().collect::<Vec<_>>().join(", ");
    let by_type = |value: &Value| match value {
        Value::Object(types) => {
            types.iter().map(|(type_, who)| format!("{type_} {}", listed(who))).collect::<Vec<_>>().join(", ")
        }
        other => listed(other),
    };
    let either = |key: &str, inverse: &str, words: &dyn Fn(&Value) -> String| match canonical.get(key) {
        Some(value) => words(value),
        None => format!("all but {}", words(canonical.get(inverse).unwrap_or(&Value::Null))),
    };
    let mut text = format!(
        "{} {} to {} on {}",
        listed(&canonical["Effect"]),
        either("Action", "NotAction", &listed),
        either("Principal", "NotPrincipal", &by_type),
        either("Resource", "NotResource", &listed)
    );
    for (operator, keys) in canonical.get("Condition").and_then(Value::as_object).into_iter().flatten() {
        for (key, values) in keys.as_object().into_iter().flatten() {
            let _ = write!(text, " if {operator} {key} {}", listed(values));
        }
    }
    text
}

/// The condition keys that say who may, if each value is fixed.
const FIXING_KEYS: [&str; 12] = [
    "aws:sourceip",
    "aws:sourcearn",
    "aws:sourceaccount",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:sourceowner",
    "aws:userid",
    "aws:principalorgid",
    "aws:principalarn",
    "aws:principalaccount",
    "s3:dataaccesspointarn",
    "s3:dataaccesspointaccount",
];

/// Whether S3 takes a statement for public: an Allow to everybody without a condition that says who.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status>
pub fn is_public(statement: &Value) -> bool {
    const OPERATORS: [&str; 5] = ["StringEquals", "StringLike", "ArnEquals", "ArnLike", "IpAddress"];
    let everybody = match statement.get("Principal") {
        Some(Value::Object(by_type)) => strings(by_type.get("AWS")).contains("*"),
        _ => true,
    };
    let fixed = |operator: &String, keys: &Value| {
        OPERATORS.contains(&operator.as_str())
            && keys.as_object().into_iter().flatten().any(|(key, values)| {
                let values = strings(Some(values));
                FIXING_KEYS.contains(&key.to_ascii_lowercase().as_str())
                    && values
                        .iter()
                        .all(|value| !value.contains(['*', '?', '$']) && value != "0.0.0.0/0" && value != "::/0")
            })
    };
    let conditions = statement.get("Condition").and_then(Value::as_object).into_iter().flatten();
    statement.get("Effect").and_then(Value::as_str) == Some("Allow")
        && everybody
        && !conditions.into_iter().any(|(operator, keys)| fixed(operator, keys))
}

fn lets_outsiders_in(statement: &Value, place: &Place) -> bool {
    if statement.get("Effect").and_then(Value::as_str) != Some("Allow") {
        return false;
    }
    if within_account_by_condition(statement, place) {
        return false;
    }
    match statement.get("Principal") {
        Some(Value::Object(by_type)) => by_type.iter().any(|(type_, principals)| {
            type_ != "AWS" || strings(Some(principals)).iter().any(|principal| !is_within(principal, place))
        }),
        // "*", or NotPrincipal: everybody but some.
        _ => true,
    }
}

fn is_within(principal: &str, place: &Place) -> bool {
    principal == place.account_id
        || principal.starts_with(&format!("arn:{}:iam::{}:", place.partition, place.account_id))
        || principal.starts_with(&format!("arn:{}:sts::{}:", place.partition, place.account_id))
}

/// `StringEquals` on `aws:PrincipalAccount` keeps everybody else out, whatever `Principal` says.
fn within_account_by_condition(statement: &Value, place: &Place) -> bool {
    let Some(Value::Object(equals)) = statement.get("Condition").and_then(|condition| condition.get("StringEquals"))
    else {
        return false;
    };
    equals.iter().any(|(key, accounts)| {
        key.eq_ignore_ascii_case("aws:PrincipalAccount")
            && strings(Some(accounts)) == BTreeSet::from([place.account_id.clone()])
    })
}

/// A statement without its id, with every string and list of strings as a sorted set, and account ids as ARNs.
fn canonical(statement: &Value) -> Value {
    let Value::Object(map) = statement else { return statement.clone() };
    let entries = map.iter().filter(|(key, _)| *key != "Sid").map(|(key, value)| (key.clone(), canonical_value(value)));
    Value::Object(entries.collect::<Map<_, _>>())
}

fn canonical_value(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            // {"AWS": "*"} means everybody, as "*" does.
            if map.len() == 1 && strings(map.get("AWS")) == BTreeSet::from(["*".to_owned()]) {
                return json!(["*"]);
            }
            let named = |(key, value): (&String, &Value)| {
                let value = if key == "AWS" { accounts(value) } else { canonical_value(value) };
                (key.clone(), value)
            };
            Value::Object(map.iter().map(named).collect())
        }
        Value::String(_) | Value::Array(_) | Value::Bool(_) | Value::Number(_) => json!(strings(Some(value))),
        Value::Null => Value::Null,
    }
}

/// Principals, with an account as its twelve digits: S3 stores it as the ARN of its root.
///
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-accounts>
fn accounts(principals: &Value) -> Value {
    let short = |principal: String| {
        let root = principal.strip_prefix("arn:").and_then(|arn| arn.split_once(":iam::")).map(|(_, rest)| rest);
        match root.and_then(|rest| rest.strip_suffix(":root")) {
            Some(account) => account.to_owned(),
            None => principal,
        }
    };
    json!(strings(Some(principals)).into_iter().map(short).collect::<BTreeSet<_>>())
}

/// The strings of a string, a list, or a map of them.
fn strings(value: Option<&Value>) -> BTreeSet<String> {
    match value {
        Some(Value::String(text)) => BTreeSet::from([text.clone()]),
        Some(Value::Array(list)) => list.iter().flat_map(|item| strings(Some(item))).collect(),
        Some(Value::Object(map)) => map.values().flat_map(|item| strings(Some(item))).collect(),
        Some(Value::Null) | None => BTreeSet::new(),
        Some(other) => BTreeSet::from([other.to_string()]),
    }
}

#[cfg(test)]
mod tests;
