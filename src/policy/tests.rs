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
    let deny =
        json!({ "Sid": "theirs", "Effect": "Deny", "Principal": "*", "Action": "s3:DeleteBucket", "Resource": ARN });
    let [acl, write] =
        cloudtrail_delivery(ARN, &["arn:aws:cloudtrail:*:111122223333:trail/*".into()], None, &["111122223333"]);
    let policy = json!({ "Statement": [deny, allow(json!("*")), acl, write, tls_only(ARN)] });
    let wanted = [tls_only(ARN)];
    let merged = merged(Some(&policy), &wanted, &[], &wanted, &place());
    assert_eq!(merged["Statement"], json!([tls_only(ARN), deny]));
    assert!(holds(Some(&merged), &tls_only(ARN)));
}

fn with_sid(id: &str, mut statement: Value) -> Value {
    statement["Sid"] = json!(id);
    statement
}

#[test]
fn merging_replaces_by_sid_and_keeps_what_is_wanted_but_not_put_now() {
    let (partner, other) = (allow(json!({ "AWS": "444455556666" })), allow(json!({ "AWS": "777788889999" })));
    let before = json!({ "Statement": [with_sid("app", partner.clone()), with_sid("old", other.clone())] });
    let now = with_sid("app", allow(json!({ "AWS": "111122223333" })));
    let statements = |put: &[Value], gone: &[&str], wanted: &[Value]| {
        merged(Some(&before), put, gone, wanted, &place())["Statement"].clone()
    };
    assert_eq!(
        statements(std::slice::from_ref(&now), &[], std::slice::from_ref(&now)),
        json!([now]),
        "its old self and a foreigner go"
    );
    assert_eq!(
        statements(&[], &[], &[partner.clone(), other.clone()]),
        json!([with_sid("app", partner.clone()), with_sid("old", other)]),
        "nobody is foreign whom the spec names"
    );
    assert_eq!(statements(&[], &["old"], std::slice::from_ref(&partner)), json!([with_sid("app", partner)]));
}

#[test]
fn an_account_and_the_arn_of_its_root_are_the_same() {
    let policy = json!({ "Statement": [allow(json!({ "AWS": ["arn:aws:iam::444455556666:root", "arn:aws:iam::444455556666:role/a"] }))] });
    assert!(holds(Some(&policy), &allow(json!({ "AWS": ["arn:aws:iam::444455556666:role/a", "444455556666"] }))));
    assert!(!holds(Some(&policy), &allow(json!({ "AWS": ["444455556666"] }))));
}

#[test]
fn statements_of_different_meanings_have_different_words() {
    let base = allow(json!({ "AWS": "444455556666" }));
    let but = |key: &str, value: Value| {
        let mut statement = base.clone();
        statement[key] = value;
        statement
    };
    let words: BTreeSet<_> = [
        base.clone(),
        but("Effect", json!("Deny")),
        but("Action", json!(["s3:GetObject", "s3:PutObject"])),
        but("Principal", json!({ "Service": "444455556666" })),
        but("Resource", json!(ARN)),
        but("Condition", json!({ "StringEquals": { "aws:SourceVpce": "vpce-1" } })),
        but("Condition", json!({ "StringLike": { "aws:SourceVpce": "vpce-1" } })),
    ]
    .iter()
    .map(in_full)
    .collect();
    assert_eq!(words.len(), 7, "{words:#?}");
    assert_eq!(
        in_full(&but("Condition", json!({ "Bool": { "aws:SecureTransport": true } }))),
        "Allow s3:GetObject to AWS 444455556666 on arn:aws:s3:::assets/* if Bool aws:SecureTransport true"
    );
    assert_eq!(in_full(&with_sid("a", base.clone())), in_full(&base));
}

#[test]
fn public_is_an_allow_to_everybody_without_a_condition_that_says_who() {
    let when = |condition: Value| {
        let mut statement = allow(json!({ "AWS": "*" }));
        statement["Condition"] = condition;
        statement
    };
    let table = [
        ("everybody", allow(json!("*")), true),
        ("an account", allow(json!({ "AWS": "444455556666" })), false),
        ("a service", allow(json!({ "Service": "logging.s3.amazonaws.com" })), false),
        ("a Deny", json!({ "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ARN }), false),
        ("an organization", when(json!({ "StringEquals": { "aws:PrincipalOrgID": "o-1" } })), false),
        ("any organization", when(json!({ "StringLike": { "aws:PrincipalOrgID": "o-*" } })), true),
        ("one of two is any", when(json!({ "StringLike": { "aws:PrincipalOrgID": ["o-1", "*"] } })), true),
        ("a condition that says how", when(json!({ "Bool": { "aws:SecureTransport": "true" } })), true),
        ("everybody but one", when(json!({ "StringNotEquals": { "aws:PrincipalOrgID": "o-1" } })), true),
        ("if it is there", when(json!({ "StringEqualsIfExists": { "aws:PrincipalOrgID": "o-1" } })), true),
        ("an address", when(json!({ "IpAddress": { "aws:SourceIp": "203.0.113.0/24" } })), false),
        ("any address", when(json!({ "IpAddress": { "aws:SourceIp": "0.0.0.0/0" } })), true),
    ];
    for (situation, statement, public) in table {
        assert_eq!(is_public(&statement), public, "{situation}");
    }
}
