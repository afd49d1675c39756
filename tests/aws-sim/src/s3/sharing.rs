//! Who else reads: cross-origin rules, and where a bucket's access is logged.

use s3s::S3Result;
use s3s::dto::{CORSRule, LoggingEnabled};
use serde_json::{Value, json};

use super::bucket::{Bucket, Buckets};
use super::refusal::{malformed_xml, not_served, refusal};

/// The methods that a rule may allow,
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CORSRule.html>.
const METHODS: [&str; 5] = ["GET", "PUT", "HEAD", "POST", "DELETE"];

/// The rules that AWS takes,
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketCors.html>,
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManageCorsUsing.html>.
pub fn checked_cors(rules: Vec<CORSRule>) -> S3Result<Vec<CORSRule>> {
    let invalid = |message: String| Err(refusal("InvalidRequest", 400, message));
    if rules.is_empty() || rules.len() > 100 {
        return Err(malformed_xml());
    }
    for rule in &rules {
        if rule.allowed_methods.is_empty() || rule.allowed_origins.is_empty() {
            return Err(malformed_xml());
        }
        if rule.id.as_ref().is_some_and(|id| id.len() > 255) {
            return invalid("The length of a CORS rule's ID must not exceed 255".to_owned());
        }
        for method in &rule.allowed_methods {
            if !METHODS.contains(&method.as_str()) {
                return invalid(format!(
                    "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
                ));
            }
        }
        let headers = rule.allowed_headers.as_deref().unwrap_or_default();
        for (what, texts) in [("AllowedOrigin", rule.allowed_origins.as_slice()), ("AllowedHeader", headers)] {
            if let Some(text) = texts.iter().find(|text| text.matches('*').count() > 1) {
                return invalid(format!("{what} \"{text}\" can not have more than one wildcard."));
            }
        }
        let exposed = rule.expose_headers.as_deref().unwrap_or_default();
        if let Some(text) = exposed.iter().find(|text| text.contains('*')) {
            return invalid(format!(
                "ExposeHeader \"{text}\" contains wildcard. We currently do not support wildcard for ExposeHeader."
            ));
        }
    }
    Ok(rules)
}

/// Where the access of a bucket may be logged: a bucket of the same account and region, without a default retention,
/// whose policy lets the logging service write,
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html>. That AWS looks at the
/// policy when logging is switched on, and not only when it delivers, is not documented for policies; for the older
/// ACLs it is known.
pub fn check_logging(buckets: &Buckets, source: &Bucket, asked: &LoggingEnabled) -> S3Result<()> {
    let refused = |message: &str| Err(refusal("InvalidTargetBucketForLogging", 400, message));
    if asked.target_grants.as_ref().is_some_and(|grants| !grants.is_empty()) {
        return Err(not_served("target grants"));
    }
    let Some(target) = buckets.get(&asked.target_bucket) else {
        return refused("The target bucket for logging does not exist");
    };
    if target.owner != source.owner {
        return refused("The owner for the bucket to be logged and the target bucket must be the same.");
    }
    if target.region != source.region {
        return refused("The target bucket for logging must be in the same region as the bucket to be logged");
    }
    if target.object_lock.as_ref().is_some_and(|lock| lock.default_retention.is_some()) {
        return refused("The target bucket for logging must not have a default retention period");
    }
    let key = format!(
        "arn:{}:s3:::{}/{}",
        crate::call::partition_of(&target.region),
        asked.target_bucket,
        asked.target_prefix
    );
    if !target
        .policy
        .as_ref()
        .is_some_and(|policy| policy.lets_service("logging.s3.amazonaws.com", "s3:PutObject", &key))
    {
        return refused("You must give the logging service principal permission to write to the target bucket");
    }
    Ok(())
}

/// Whether one of the statements lets a service do something with what this ARN begins. Conditions are passed over.
pub fn lets_service(policy: &Value, service: &str, action: &str, arn: &str) -> bool {
    let statements = match &policy["Statement"] {
        Value::Array(statements) => statements.iter().collect(),
        one => vec![one],
    };
    let holds = |value: &Value, fits: &dyn Fn(&str) -> bool| match value {
        Value::Array(list) => list.iter().filter_map(Value::as_str).any(fits),
        one => one.as_str().is_some_and(fits),
    };
    statements.into_iter().any(|statement| {
        statement["Effect"] == json!("Allow")
            && holds(&statement["Principal"]["Service"], &|name| name == service)
            && holds(&statement["Action"], &|name| ["*", "s3:*", "s3:Put*", action].contains(&name))
            && holds(&statement["Resource"], &|name| name.strip_suffix('*').is_some_and(|begin| arn.starts_with(begin)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(change: impl FnOnce(&mut CORSRule)) -> CORSRule {
        let mut rule = CORSRule {
            allowed_headers: Some(vec!["*".to_owned()]),
            allowed_methods: vec!["GET".to_owned()],
            allowed_origins: vec!["https://*.example.com".to_owned()],
            expose_headers: Some(vec!["ETag".to_owned()]),
            id: None,
            max_age_seconds: None,
        };
        change(&mut rule);
        rule
    }

    #[test]
    fn cross_origin_rules_that_aws_takes_and_refuses() {
        assert!(checked_cors(vec![rule(|_| {}); 100]).is_ok());
        let code = |rules| checked_cors(rules).expect_err("refused").code().as_str().to_owned();
        assert_eq!(code(vec![]), "MalformedXML");
        assert_eq!(code(vec![rule(|_| {}); 101]), "MalformedXML");
        assert_eq!(code(vec![rule(|rule| rule.allowed_methods = vec![])]), "MalformedXML");
        assert_eq!(code(vec![rule(|rule| rule.allowed_methods = vec!["PATCH".to_owned()])]), "InvalidRequest");
        assert_eq!(code(vec![rule(|rule| rule.allowed_origins = vec!["*.*".to_owned()])]), "InvalidRequest");
        assert_eq!(code(vec![rule(|rule| rule.expose_headers = Some(vec!["*".to_owned()]))]), "InvalidRequest");
    }

    #[test]
    fn the_logging_service_needs_its_permission() {
        let policy = json!({ "Statement": [{
            "Effect": "Allow", "Principal": { "Service": "logging.s3.amazonaws.com" }, "Action": "s3:PutObject",
            "Resource": "arn:aws:s3:::logs/web/*"
        }]});
        let lets = |arn: &str| lets_service(&policy, "logging.s3.amazonaws.com", "s3:PutObject", arn);
        assert!(lets("arn:aws:s3:::logs/web/"));
        assert!(!lets("arn:aws:s3:::logs/other/"));
        assert!(!lets_service(&policy, "cloudtrail.amazonaws.com", "s3:PutObject", "arn:aws:s3:::logs/web/"));
    }
}
