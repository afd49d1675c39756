//! Bucket policies compared as JSON meaning, not text. Pure.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::ownership::Place;

/// Prefix of the statement ids that are ours.
const SID_PREFIX: &str = "ShowCore";

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
    let ours = statement.get("Sid").and_then(Value::as_str).is_some_and(|sid| sid.starts_with("ShowCoreCloudTrail"));
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

/// The policy to write: what is wanted, and of what is there all that is neither ours nor a foreign Allow.
pub fn merged(policy: Option<&Value>, wanted: &[Value], place: &Place) -> Value {
    let meaning: Vec<_> = wanted.iter().map(canonical).collect();
    let kept = statements(policy).into_iter().filter(|statement| {
        let ours = statement.get("Sid").and_then(Value::as_str).is_some_and(|sid| sid.starts_with(SID_PREFIX));
        !ours && !meaning.contains(&canonical(statement)) && !lets_outsiders_in(statement, place)
    });
    let statements: Vec<_> = wanted.iter().cloned().chain(kept).collect();
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// A foreign Allow in words: `Allow s3:GetObject to *`.
pub fn in_words(statement: &Value) -> String {
    let list = |key: &str| strings(statement.get(key)).into_iter().collect::<Vec<_>>().join(", ");
    let action =
        if statement.get("Action").is_some() { list("Action") } else { format!("all but {}", list("NotAction")) };
    let whom = if statement.get("Principal").is_some() {
        list("Principal")
    } else {
        format!("all but {}", list("NotPrincipal"))
    };
    format!("Allow {action} to {whom}")
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
            if map.len() == 1 && map.get("AWS") == Some(&json!("*")) {
                return json!(["*"]);
            }
            Value::Object(map.iter().map(|(key, value)| (key.clone(), canonical_value(value))).collect())
        }
        Value::String(_) | Value::Array(_) | Value::Bool(_) | Value::Number(_) => json!(strings(Some(value))),
        Value::Null => Value::Null,
    }
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
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:s3:::assets";

    fn place() -> Place {
        Place { account_id: "111122223333".into(), partition: "aws".into(), region: "eu-central-1".into() }
    }

    #[expect(clippy::needless_pass_by_value, reason = "the tables give literals")]
    fn allow(principal: Value) -> Value {
        json!({ "Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": format!("{ARN}/*") })
    }

    #[test]
    fn a_statement_is_known_by_its_meaning() {
        let rewritten = json!({ "Statement": {
            "Sid": "other", "Effect": "Deny", "Principal": { "AWS": "*" }, "Action": ["s3:*"],
            "Resource": [format!("{ARN}/*"), ARN], "Condition": { "Bool": { "aws:SecureTransport": ["false"] } }
        }});
        assert!(holds(Some(&rewritten), &tls_only(ARN)));
        let weaker = json!({ "Statement": [{
            "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject",
            "Resource": [ARN, format!("{ARN}/*")], "Condition": { "Bool": { "aws:SecureTransport": "false" } }
        }]});
        assert!(!holds(Some(&weaker), &tls_only(ARN)));
    }

    #[test]
    fn an_allow_to_an_outsider_is_foreign_and_one_within_the_account_is_not() {
        let conditioned = json!({ "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": ARN,
            "Condition": { "StringEquals": { "aws:PrincipalAccount": "111122223333" } } });
        let table = [
            ("everybody", allow(json!("*")), true),
            ("everybody, in a map", allow(json!({ "AWS": "*" })), true),
            ("another account", allow(json!({ "AWS": "999999999999" })), true),
            ("a service", allow(json!({ "Service": "logging.s3.amazonaws.com" })), true),
            (
                "one of ours and one of theirs",
                allow(json!({ "AWS": ["111122223333", "arn:aws:iam::999999999999:root"] })),
                true,
            ),
            ("the account", allow(json!({ "AWS": "111122223333" })), false),
            ("a role of the account", allow(json!({ "AWS": "arn:aws:iam::111122223333:role/app" })), false),
            ("everybody of the account", conditioned, false),
            ("an account that begins like ours", allow(json!({ "AWS": "arn:aws:iam::1111222233334:root" })), true),
            (
                "NotPrincipal",
                json!({ "Effect": "Allow", "NotPrincipal": { "AWS": "111122223333" }, "Action": "s3:*", "Resource": ARN }),
                true,
            ),
            ("a Deny", json!({ "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ARN }), false),
        ];
        for (situation, statement, foreign) in table {
            let policy = json!({ "Statement": [statement] });
            assert_eq!(foreign_allows(Some(&policy), &[], &place()).len(), usize::from(foreign), "{situation}");
        }
    }

    #[test]
    fn merging_keeps_what_is_not_ours_and_drops_foreign_allows_and_statements_of_ours_that_are_no_longer_wanted() {
        let deny = json!({ "Sid": "theirs", "Effect": "Deny", "Principal": "*", "Action": "s3:DeleteBucket", "Resource": ARN });
        let [acl, write] =
            cloudtrail_delivery(ARN, &["arn:aws:cloudtrail:*:111122223333:trail/*".into()], None, &["111122223333"]);
        let policy = json!({ "Statement": [deny, allow(json!("*")), acl, write, tls_only(ARN)] });
        let wanted = [tls_only(ARN)];
        let merged = merged(Some(&policy), &wanted, &place());
        assert_eq!(merged["Statement"], json!([tls_only(ARN), deny]));
        assert!(holds(Some(&merged), &tls_only(ARN)));
    }
}
