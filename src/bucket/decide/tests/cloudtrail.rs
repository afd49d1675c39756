//! Situations of a bucket into which CloudTrail delivers.

use super::*;

const TRAILS: &str = "arn:aws:cloudtrail:*:111122223333:trail/*";

fn delivery(trails: &[&str], prefix: Option<&str>, owners: &[&str]) -> Vec<Value> {
    let trails: Vec<_> = trails.iter().map(|arn| (*arn).to_owned()).collect();
    let mut statements = vec![policy::tls_only(ARN)];
    statements.extend(policy::cloudtrail_delivery(ARN, &trails, prefix, owners));
    statements
}

#[test]
fn cloudtrail_may_deliver_and_nobody_else() {
    use DriftAction::Pending;
    let logs = |cloud_trail: Value| {
        spec(json!({ "purpose": "CloudTrailLogs", "cloudTrail": cloud_trail, "tags": { "team": "core" } }))
    };
    let any = delivery(&[TRAILS], None, &["111122223333"]);
    assert_eq!(any[2]["Resource"], json!([format!("{ARN}/AWSLogs/111122223333/*")]));
    assert_eq!(any[1]["Condition"]["ArnLike"]["aws:SourceArn"], json!([TRAILS]));
    let holds = |statements: &[Value]| with(|bucket| bucket.policy = Some(policy_of(statements)));
    let settled_logs = || settled_as(logs(json!({})), &holds(&any));
    let words = |words: &str| format!("policy.cloudTrail: CloudTrail may deliver{words}");
    let any_words = words(&format!(" from {TRAILS}"));
    let trail = "arn:aws:cloudtrail:eu-central-1:111122223333:trail/audit";
    let changed = |cloud_trail: Value| {
        decided(&settled_logs().but(|scene| scene.spec = logs(cloud_trail)).report(), &holds(&any))
    };
    let mut open = any.clone();
    open[2]["Principal"] = json!("*");
    let mut loose = any.clone();
    loose[2]["Condition"] = json!({});
    let not_delivered = || Outcome::rest("Ready Available", "Yes SSES3");
    check(vec![
        (
            "made for CloudTrail",
            decided(&applied().but(|scene| scene.spec = logs(json!({}))), &with(|bucket| bucket.policy = None)),
            Outcome::rest("Working Configuring", "Unknown").doing(vec![put_policy(&any, &[TLS_AGAIN, &any_words])]),
        ),
        ("quiet", decided(&settled_logs(), &holds(&any)), calm()),
        (
            "one trail only: no drift, and the old statements go",
            changed(json!({ "trailARNs": [trail] })),
            calm().doing(vec![put_policy(
                &delivery(&[trail], None, &["111122223333"]),
                &[&words(&format!(" from {trail}"))],
            )]),
        ),
        (
            "a prefix",
            changed(json!({ "prefix": "logs" })),
            calm().doing(vec![put_policy(
                &delivery(&[TRAILS], Some("logs"), &["111122223333"]),
                &[&words(&format!(" under logs from {TRAILS}"))],
            )]),
        ),
        (
            "an organization",
            changed(json!({ "organizationID": "o-abcdefghij" })),
            calm().doing(vec![put_policy(
                &delivery(&[TRAILS], None, &["111122223333", "o-abcdefghij"]),
                &[&words(&format!(" for o-abcdefghij from {TRAILS}"))],
            )]),
        ),
        (
            "no longer for CloudTrail: its statements go, and nothing drifted",
            decided(&settled_logs().but(|scene| scene.spec = applied().spec).report(), &holds(&any)),
            calm().doing(vec![put_policy(&[policy::tls_only(ARN)], &["policy.cloudTrail: absent"])]),
        ),
        (
            "its statements taken away",
            decided(&settled_logs().report(), &holds(&[policy::tls_only(ARN)])),
            not_delivered().doing(vec![put_policy(&any, &[&any_words])]).drifted("policy.cloudTrail", Pending),
        ),
        (
            "its statement opened to everybody",
            decided(&settled_logs(), &holds(&open)),
            not_delivered()
                .doing(vec![put_policy(&any, &[&any_words, NO_FOREIGNER])])
                .drifted("policy.cloudTrail", Pending)
                .drifted("policy.foreignAllow", Pending),
        ),
        (
            "its condition taken away",
            decided(&settled_logs(), &holds(&loose)),
            not_delivered()
                .doing(vec![put_policy(&any, &[&any_words, NO_FOREIGNER])])
                .drifted("policy.cloudTrail", Pending)
                .drifted("policy.foreignAllow", Pending),
        ),
        (
            "CloudTrail let into a bucket that is not for it",
            decided(&settled(), &holds(&any)),
            calm()
                .doing(vec![put_policy(&[policy::tls_only(ARN)], &[NO_FOREIGNER])])
                .drifted("policy.foreignAllow", Pending),
        ),
        (
            "opened to everybody while the purpose changes",
            decided(&settled_logs().but(|scene| scene.spec = applied().spec), &holds(&open)),
            calm()
                .doing(vec![put_policy(&[policy::tls_only(ARN)], &["policy.cloudTrail: absent", NO_FOREIGNER])])
                .drifted("policy.foreignAllow", Pending),
        ),
    ]);
}
