//! Situations of Object Lock, cross-origin rules and access logging.

use aws_sdk_s3::types::{
    CorsRule as SeenCors, DefaultRetention, LoggingEnabled, ObjectLockConfiguration, ObjectLockEnabled,
    ObjectLockRetentionMode, ObjectLockRule, PartitionedPrefix, TargetObjectKeyFormat,
};

use super::*;
use crate::bucket::LogTarget;

fn also(more: &Value) -> ShowCoreBucketSpec {
    let mut whole = json!({ "purpose": "StaticAssets", "tags": { "team": "core" } });
    for (field, value) in more.as_object().into_iter().flatten() {
        whole[field] = value.clone();
    }
    spec(whole)
}

fn lock(retention: Option<DefaultRetention>) -> ObjectLockConfiguration {
    let rule = retention.map(|kept| ObjectLockRule::builder().default_retention(kept).build());
    ObjectLockConfiguration::builder().object_lock_enabled(ObjectLockEnabled::Enabled).set_rule(rule).build()
}

fn days(days: i32) -> DefaultRetention {
    DefaultRetention::builder().mode(ObjectLockRetentionMode::Governance).days(days).build()
}

fn locked(retention: Option<DefaultRetention>) -> Seen {
    with(|bucket| bucket.object_lock = Some(lock(retention)))
}

fn put_lock(retention: Option<DefaultRetention>, changes: &[&str]) -> Step {
    let changes = changes.iter().map(|text| (*text).to_owned()).collect();
    Step::PutObjectLock { lock: Box::new(lock(retention)), changes }
}

#[test]
fn object_lock_is_switched_on_later_and_never_off() {
    use DriftAction::Pending;
    let on = || also(&json!({ "objectLock": {} }));
    let kept = || also(&json!({ "objectLock": { "mode": "Governance", "days": 30 } }));
    let here = || settled_as(kept(), &locked(Some(days(30))));
    let changed =
        |spec: ShowCoreBucketSpec, there: &Seen| decided(&here().but(|scene| scene.spec = spec).report(), there);
    let a_year = DefaultRetention::builder().mode(ObjectLockRetentionMode::Compliance).years(1).build();
    check(vec![
        (
            "switched on later",
            decided(&settled().but(|scene| scene.spec = on()), &with(|_| {})),
            calm().doing(vec![put_lock(None, &["objectLock: on"])]),
        ),
        (
            "switched on together with versioning, which comes first",
            decided(&settled().but(|scene| scene.spec = kept()), &with(|bucket| bucket.versioning = None)),
            calm()
                .doing(vec![
                    Step::PutVersioning { enabled: true },
                    put_lock(
                        Some(days(30)),
                        &["objectLock: on", "objectLock.mode: Governance", "objectLock.days: 30 days"],
                    ),
                ])
                .drifted("versioning", Pending),
        ),
        ("quiet", decided(&here(), &locked(Some(days(30)))), calm()),
        (
            "a retention that was never ours is left alone",
            decided(&settled_as(on(), &locked(Some(days(1)))), &locked(Some(days(1)))),
            calm(),
        ),
        (
            "one that was ours and left the spec goes; the lock stays",
            changed(on(), &locked(Some(days(30)))),
            calm().doing(vec![put_lock(None, &["objectLock.mode: absent", "objectLock.days: absent"])]),
        ),
        (
            "another mode and period",
            changed(also(&json!({ "objectLock": { "mode": "Compliance", "years": 1 } })), &locked(Some(days(30)))),
            calm().doing(vec![put_lock(Some(a_year), &["objectLock.mode: Compliance", "objectLock.days: 1 years"])]),
        ),
        (
            "somebody shortened it",
            decided(&here(), &locked(Some(days(1)))),
            calm()
                .doing(vec![put_lock(Some(days(30)), &["objectLock.days: 30 days"])])
                .drifted("objectLock.days", Pending),
        ),
        (
            "somebody took it away",
            decided(&here(), &locked(None)),
            calm()
                .doing(vec![put_lock(Some(days(30)), &["objectLock.mode: Governance", "objectLock.days: 30 days"])])
                .drifted("objectLock.mode", Pending)
                .drifted("objectLock.days", Pending),
        ),
        (
            "rule 11: it left the spec although validation forbids that",
            changed(also(&json!({})), &locked(Some(days(30)))),
            calm().pending("ChangeImpossible"),
        ),
        (
            "rule 11: versioning off under it although validation forbids that",
            changed(
                also(&json!({ "objectLock": { "mode": "Governance", "days": 30 }, "versioning": false })),
                &locked(Some(days(30))),
            ),
            calm().pending("ChangeImpossible"),
        ),
    ]);
}

#[test]
fn a_bucket_with_object_lock_is_not_taken_over_to_suspend_its_versioning() {
    let scene = applied().but(|scene| {
        scene.spec = also(&json!({ "versioning": false, "adoption": "Unowned" }));
        scene.adoption = crate::spec::Adoption::Unowned;
    });
    let there = with(|bucket| {
        bucket.tags.clear();
        bucket.object_lock = Some(lock(None));
    });
    check(vec![("it says so", decided(&scene, &there), Outcome::rest("Stalled NotAdopted", "Yes SSES3"))]);
}

fn cors(value: Value) -> Vec<crate::bucket::CorsRule> {
    serde_json::from_value(value).expect("rules")
}

#[test]
fn cross_origin_rules_are_compared_by_meaning_and_only_if_they_are_or_were_in_the_spec() {
    use DriftAction::Pending;
    let rule = json!({
        "allowedOrigins": ["https://app.example.com"], "allowedMethods": ["GET", "HEAD"], "allowedHeaders": ["X-One"], "maxAgeSeconds": 60
    });
    let said = |methods: &[&str]| {
        let rule =
            SeenCors::builder().allowed_origins("https://app.example.com").allowed_headers("x-one").max_age_seconds(60);
        let rule =
            rule.id("made up by somebody").set_allowed_methods(Some(methods.iter().map(|m| (*m).to_owned()).collect()));
        with(|bucket| bucket.cors = Some(vec![rule.build().expect("a rule")]))
    };
    let here = || settled_as(also(&json!({ "cors": [rule] })), &said(&["HEAD", "GET"]));
    let words = "GET, HEAD from https://app.example.com with x-one for 60 s";
    let put = |rules: Value, change: &str| Step::PutCors { rules: cors(rules), changes: vec![change.to_owned()] };
    check(vec![
        ("quiet, in another order", decided(&here(), &said(&["GET", "HEAD"])), calm()),
        ("never in the spec: left alone", decided(&settled(), &said(&["GET"])), calm()),
        (
            "a method less",
            decided(&here(), &said(&["GET"])),
            calm().doing(vec![put(json!([rule]), &format!("cors: {words}"))]).drifted("cors", Pending),
        ),
        (
            "taken away",
            decided(&here(), &with(|_| {})),
            calm().doing(vec![put(json!([rule]), &format!("cors: {words}"))]).drifted("cors", Pending),
        ),
        (
            "it left the spec",
            decided(&here().but(|scene| scene.spec = also(&json!({}))).report(), &said(&["GET", "HEAD"])),
            calm().doing(vec![put(json!([]), "cors: absent")]),
        ),
    ]);
}

#[test]
fn access_logging_is_compared_only_if_it_is_or_was_in_the_spec_and_keeps_the_form_of_its_keys() {
    use DriftAction::Pending;
    let dated = TargetObjectKeyFormat::builder().partitioned_prefix(PartitionedPrefix::builder().build()).build();
    let to = |bucket: &str, prefix: &str| {
        let logging = LoggingEnabled::builder()
            .target_bucket(bucket)
            .target_prefix(prefix)
            .target_object_key_format(dated.clone());
        with(|seen| seen.logging = Some(logging.build().expect("a target")))
    };
    let logged = || also(&json!({ "logging": { "targetBucket": "logs-{accountID}", "targetPrefix": "web/" } }));
    let here = || settled_as(logged(), &to("logs-111122223333", "web/"));
    let put = |key_format: Option<TargetObjectKeyFormat>, changes: &[&str]| Step::PutLogging {
        to: Some(LogTarget { bucket: "logs-111122223333".into(), prefix: "web/".into(), key_format }),
        changes: changes.iter().map(|text| (*text).to_owned()).collect(),
    };
    let (bucket, prefix) = ("logging.targetBucket: logs-111122223333", "logging.targetPrefix: 'web/'");
    check(vec![
        ("quiet", decided(&here(), &to("logs-111122223333", "web/")), calm()),
        ("never in the spec: left alone", decided(&settled(), &to("audit", "")), calm()),
        (
            "new in the spec",
            decided(&settled().but(|scene| scene.spec = logged()), &with(|_| {})),
            calm().doing(vec![put(None, &[bucket, prefix])]),
        ),
        (
            "sent elsewhere",
            decided(&here(), &to("audit", "web/")),
            calm().doing(vec![put(Some(dated.clone()), &[bucket])]).drifted("logging.targetBucket", Pending),
        ),
        (
            "another prefix",
            decided(&here(), &to("logs-111122223333", "")),
            calm().doing(vec![put(Some(dated.clone()), &[prefix])]).drifted("logging.targetPrefix", Pending),
        ),
        (
            "switched off by somebody",
            decided(&here(), &with(|_| {})),
            calm()
                .doing(vec![put(None, &[bucket, prefix])])
                .drifted("logging.targetBucket", Pending)
                .drifted("logging.targetPrefix", Pending),
        ),
        (
            "it left the spec",
            decided(&here().but(|scene| scene.spec = also(&json!({}))).report(), &to("logs-111122223333", "web/")),
            calm().doing(vec![Step::PutLogging { to: None, changes: vec!["logging.targetBucket: absent".into()] }]),
        ),
    ]);
}
