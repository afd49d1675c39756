//! Situations of the statements that a spec adds to the policy.

use super::*;

fn statement(value: &Value) -> Value {
    let mut whole = json!({ "sid": "partner", "effect": "Allow", "principal": { "aws": ["444455556666"] }, "actions": ["s3:GetObject"] });
    for (field, value) in value.as_object().into_iter().flatten() {
        whole[field] = value.clone();
    }
    whole
}

fn adding(statements: &[Value]) -> ShowCoreBucketSpec {
    let policy = serde_json::from_value(json!({ "statements": statements })).expect("a policy");
    ShowCoreBucketSpec { policy: Some(policy), ..applied().spec }
}

fn as_s3(sid: &str, who: &Value, action: &str) -> Value {
    json!({ "Sid": sid, "Effect": "Allow", "Principal": who, "Action": [action], "Resource": [ARN, format!("{ARN}/*")] })
}

fn partner() -> Value {
    as_s3("partner", &json!({ "AWS": ["444455556666"] }), "s3:GetObject")
}

/// As S3 stores it.
fn stored() -> Value {
    as_s3("partner", &json!({ "AWS": "arn:aws:iam::444455556666:root" }), "s3:GetObject")
}

fn holds(statements: &[Value]) -> Seen {
    let all: Vec<_> = std::iter::once(policy::tls_only(ARN)).chain(statements.iter().cloned()).collect();
    with(|bucket| bucket.policy = Some(policy_of(&all)))
}

fn put(statements: &[Value], changes: &[&str]) -> Step {
    let all: Vec<_> = std::iter::once(policy::tls_only(ARN)).chain(statements.iter().cloned()).collect();
    put_policy(&all, changes)
}

const WORDS: &str =
    "policy.statements.partner: Allow s3:GetObject to AWS 444455556666 on arn:aws:s3:::assets, arn:aws:s3:::assets/*";

#[test]
fn whom_the_spec_names_is_not_foreign_and_a_statement_of_ours_that_left_the_spec_goes() {
    use DriftAction::{Pending, ReportOnly};
    let here = || settled_as(adding(&[statement(&json!({}))]), &holds(&[stored()]));
    let theirs =
        json!({ "Sid": "theirs", "Effect": "Deny", "Principal": "*", "Action": "s3:DeleteBucket", "Resource": ARN });
    let stranger = as_s3("stranger", &json!({ "AWS": "999999999999" }), "s3:GetObject");
    let opened = as_s3("partner", &json!("*"), "s3:GetObject");
    let changed = |spec: ShowCoreBucketSpec, there: &[Value]| {
        decided(&here().but(|scene| scene.spec = spec).report(), &holds(there))
    };
    let writes = statement(&json!({ "actions": ["s3:PutObject"] }));
    let put_writes = as_s3("partner", &json!({ "AWS": ["444455556666"] }), "s3:PutObject");
    check(vec![
        (
            "a new bucket has it from the start",
            decided(&applied().but(|scene| scene.spec = adding(&[statement(&json!({}))])), &Seen::Absent),
            Outcome::rest("Working Creating", "Unknown").doing(vec![
                Step::Create { tags: tagged(KIND, &[("team", "core")]) },
                Step::PutVersioning { enabled: true },
                tls_again(),
                put_defaults(),
                put(&[partner()], &[WORDS]),
            ]),
        ),
        ("quiet, although S3 stores it otherwise", decided(&here(), &holds(&[stored()])), calm()),
        ("what others added within the rules is left alone", decided(&here(), &holds(&[theirs.clone(), stored()])), calm()),
        (
            "a changed one is a wanted change, and its old self no foreigner",
            changed(adding(&[writes]), &[stored(), theirs.clone()]),
            calm().doing(vec![put(
                &[put_writes, theirs.clone()],
                &["policy.statements.partner: Allow s3:PutObject to AWS 444455556666 on arn:aws:s3:::assets, arn:aws:s3:::assets/*"],
            )]),
        ),
        (
            "one that left the spec goes",
            changed(applied().spec, &[stored(), theirs.clone()]),
            calm().doing(vec![put(std::slice::from_ref(&theirs), &["policy.statements.partner: absent"])]),
        ),
        (
            "taken away",
            decided(&here(), &holds(&[])),
            calm().doing(vec![put(&[partner()], &[WORDS])]).drifted("policy.statements.partner", Pending),
        ),
        (
            "taken away, and only reported",
            decided(&here().report(), &holds(&[])),
            calm().drifted("policy.statements.partner", ReportOnly),
        ),
        (
            "taken away and only reported while a foreigner is put out",
            decided(&here().report(), &holds(std::slice::from_ref(&stranger))),
            calm()
                .doing(vec![put(&[], &[NO_FOREIGNER])])
                .drifted("policy.statements.partner", ReportOnly)
                .drifted("policy.foreignAllow", Pending),
        ),
        (
            "opened to everybody under its own sid",
            decided(&here(), &holds(std::slice::from_ref(&opened))),
            calm()
                .doing(vec![put(&[], &[NO_FOREIGNER]), put(&[partner()], &[WORDS])])
                .drifted("policy.statements.partner", Pending)
                .drifted("policy.foreignAllow", Pending),
        ),
        (
            "the same under Report: where the foreigner goes, the spec's statement comes back",
            decided(&here().report(), &holds(std::slice::from_ref(&opened))),
            calm()
                .doing(vec![put(&[], &[NO_FOREIGNER]), put(&[partner()], &[WORDS])])
                .drifted("policy.statements.partner", ReportOnly)
                .drifted("policy.foreignAllow", Pending),
        ),
        (
            "TLS and a statement taken away: the door is closed before what S3 may refuse",
            decided(&here(), &with(|bucket| bucket.policy = None)),
            Outcome::rest("Working Configuring", "No NotInTransit")
                .doing(vec![tls_again(), put(&[partner()], &[WORDS])])
                .drifted("policy.tlsOnly", Pending)
                .drifted("policy.statements.partner", Pending),
        ),
        (
            "opened to everybody while it leaves the spec: that is no wanted change",
            decided(&here().but(|scene| scene.spec = applied().spec), &holds(&[opened])),
            calm()
                .doing(vec![put(&[], &[NO_FOREIGNER]), put(&[], &["policy.statements.partner: absent"])])
                .drifted("policy.foreignAllow", Pending),
        ),
        (
            "a foreign Allow and a foreign Deny at once: the Allow goes, the Deny stays",
            decided(&here(), &holds(&[stranger, stored(), theirs.clone()])),
            calm().doing(vec![put(&[partner(), theirs], &[NO_FOREIGNER])]).drifted("policy.foreignAllow", Pending),
        ),
    ]);
}

#[test]
fn rule_11_a_public_statement_or_a_reserved_sid_is_not_written_whatever_validation_let_through() {
    let everybody = json!({ "principal": { "aws": ["*"] } });
    let of_organization = json!({ "principal": { "aws": ["*"] }, "condition": { "StringEquals": { "aws:PrincipalOrgID": ["o-abcdefghij"] } } });
    let blocked = || calm().pending("ChangeImpossible");
    let with = |more: &Value| decided(&settled().but(|scene| scene.spec = adding(&[statement(more)])), &holds(&[]));
    check(vec![
        ("everybody", with(&everybody), blocked()),
        ("a reserved sid", with(&json!({ "sid": "ShowCoreTLSOnly" })), blocked()),
        (
            "everybody, in the bucket already",
            decided(
                &settled().but(|scene| scene.spec = adding(&[statement(&everybody)])),
                &holds(&[as_s3("partner", &json!("*"), "s3:GetObject")]),
            ),
            blocked().doing(vec![put(&[], &[NO_FOREIGNER])]).drifted("policy.foreignAllow", DriftAction::Pending),
        ),
    ]);
    assert_eq!(with(&of_organization).steps.len(), 1, "everybody of an organization may be let in");
}
