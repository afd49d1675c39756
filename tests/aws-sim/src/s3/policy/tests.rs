use serde_json::{Value, json};

use super::Policy;

const BUCKET: &str = "logs";

/// A statement that AWS takes and that is not public, with fields replaced.
fn statement(fields: Value) -> Value {
    let mut statement = json!({
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::111122223333:role/reader"},
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::logs/*",
    });
    let Value::Object(fields) = fields else { panic!("an object of fields") };
    for (field, value) in fields {
        if value.is_null() {
            statement.as_object_mut().expect("an object").remove(&field);
        } else {
            statement[field] = value;
        }
    }
    statement
}

fn parse(fields: Value) -> Result<Policy, String> {
    let policy = json!({"Version": "2012-10-17", "Statement": [statement(fields)]});
    Policy::parse(&policy.to_string(), BUCKET)
}

fn is_public(fields: Value) -> bool {
    parse(fields).expect("a policy that AWS takes").is_public()
}

#[test]
fn what_is_malformed() {
    for (what, text) in [
        ("not JSON", "{"),
        ("not an object", "[]"),
        ("no statement", r#"{"Version":"2012-10-17"}"#),
        ("no statements", r#"{"Version":"2012-10-17","Statement":[]}"#),
        ("unknown version", r#"{"Version":"2020-01-01","Statement":[{}]}"#),
        ("statement of text", r#"{"Statement":["allow"]}"#),
    ] {
        assert!(Policy::parse(text, BUCKET).is_err(), "{what}");
    }
    for fields in [
        json!({"Effect": null}),
        json!({"Effect": "Maybe"}),
        json!({"Principal": null}),
        json!({"Principal": "someone"}),
        json!({"Principal": {"AWS": "not-an-arn"}}),
        json!({"Principal": {"AWS": "arn:aws:iam::111122223333:role/*"}}),
        json!({"Principal": {"Service": "cloudtrail"}}),
        json!({"Principal": {"Robot": "x"}}),
        json!({"NotPrincipal": "*"}),
        json!({"Action": null}),
        json!({"Action": "ec2:RunInstances"}),
        json!({"Action": []}),
        json!({"Resource": null}),
        json!({"Resource": "arn:aws:s3:::other/*"}),
        json!({"Resource": "logs/*"}),
        json!({"Resource": "arn:aws:s3:::logs"}),
        json!({"Action": "s3:ListBucket"}),
        json!({"Condition": []}),
        json!({"Condition": {"Equals": {"aws:SourceArn": "x"}}}),
        json!({"Condition": {"StringEquals": {"nocolon": "x"}}}),
        json!({"Resources": "typo"}),
    ] {
        assert!(parse(fields.clone()).is_err(), "{fields}");
    }
}

#[test]
fn what_is_taken() {
    for fields in [
        json!({}),
        json!({"Sid": "Read", "Action": ["s3:GetObject", "s3:PutObject"]}),
        json!({"Action": "s3:*", "Resource": ["arn:aws:s3:::logs", "arn:aws:s3:::logs/*"]}),
        json!({"Action": "s3:GetBucketAcl", "Resource": "arn:aws:s3:::logs"}),
        json!({"Principal": {"AWS": ["111122223333", "arn:aws:iam::111122223333:root"]}}),
        json!({"Condition": {"Bool": {"aws:SecureTransport": "false"}}}),
        json!({"Condition": {"ForAnyValue:StringEqualsIfExists": {"aws:SourceArn": ["x"]}}}),
    ] {
        assert!(parse(fields.clone()).is_ok(), "{fields}");
    }
}

#[test]
fn the_operators_own_policies_are_not_public() {
    assert!(!is_public(json!({
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::logs", "arn:aws:s3:::logs/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    })));
    assert!(!is_public(json!({
        "Principal": {"Service": "cloudtrail.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::logs/AWSLogs/111122223333/*",
        "Condition": {"StringEquals": {"aws:SourceArn": "arn:aws:cloudtrail:eu-west-1:111122223333:trail/t"}},
    })));
}

#[test]
fn everybody_is_public_unless_a_condition_fixes_who() {
    assert!(!is_public(json!({})));
    assert!(is_public(json!({"Principal": "*"})));
    assert!(is_public(json!({"Principal": {"AWS": "*"}})));
    assert!(is_public(json!({"Principal": {"AWS": ["111122223333", "*"]}})));
    assert!(is_public(json!({
        "Principal": null,
        "NotPrincipal": {"AWS": "arn:aws:iam::111122223333:root"},
    })));
    let conditioned = |condition: Value| is_public(json!({"Principal": "*", "Condition": condition}));
    for fixing in [
        json!({"StringEquals": {"aws:SourceVpce": "vpce-1"}}),
        json!({"StringEquals": {"AWS:SourceAccount": ["111122223333", "444455556666"]}}),
        json!({"ArnLike": {"aws:SourceArn": "arn:aws:sns:eu-west-1:111122223333:topic"}}),
        json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}),
        json!({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}),
        json!({"IpAddress": {"aws:SourceIp": ["10.0.0.0/7", "2001:db8::/32"]}}),
        json!({"StringLike": {"s3:DataAccessPointArn": "arn:aws:s3:eu-west-1:111122223333:accesspoint/*"}}),
    ] {
        assert!(!conditioned(fixing.clone()), "{fixing}");
    }
    for open in [
        json!({"StringLike": {"aws:SourceVpc": "vpc-*"}}),
        json!({"StringEqualsIfExists": {"aws:SourceVpc": "vpc-1"}}),
        json!({"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}),
        json!({"StringEquals": {"aws:SourceAccount": ["111122223333", "*"]}}),
        json!({"StringEquals": {"aws:userid": "${aws:username}"}}),
        json!({"IpAddress": {"aws:SourceIp": "0.0.0.0/1"}}),
        json!({"IpAddress": {"aws:SourceIp": "2000::/8"}}),
        json!({"Bool": {"aws:SecureTransport": "true"}}),
        json!({"StringEquals": {"s3:prefix": "home"}}),
    ] {
        assert!(conditioned(open.clone()), "{open}");
    }
}

#[test]
fn aws_hands_out_the_meaning_and_not_the_text() {
    let policy = parse(json!({
        "Principal": {"AWS": ["111122223333"]},
        "Action": ["s3:GetObject"],
    }))
    .expect("a policy that AWS takes");
    let text: Value = serde_json::from_str(&policy.text()).expect("JSON");
    assert_eq!(text["Statement"][0]["Action"], "s3:GetObject");
    assert_eq!(text["Statement"][0]["Principal"]["AWS"], "arn:aws:iam::111122223333:root");
    assert_eq!(Policy::parse(&policy.text(), BUCKET), Ok(policy));
}
