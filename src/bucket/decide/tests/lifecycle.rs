//! Situations of the lifecycle rules.

use aws_sdk_s3::types::{LifecycleRule as SeenRule, TransitionDefaultMinimumObjectSize};

use super::*;

fn rules(value: Value) -> Vec<LifecycleRule> {
    serde_json::from_value(value).expect("rules")
}

fn seen(rules: &[LifecycleRule]) -> Seen {
    with(|bucket| bucket.lifecycle = lifecycle_of(rules))
}

fn with_rules(value: Value) -> ShowCoreBucketSpec {
    ShowCoreBucketSpec { lifecycle: Some(rules(value)), ..applied().spec }
}

fn put(keep: &[LifecycleRule], put: &[LifecycleRule], changes: &[&str]) -> Step {
    Step::PutLifecycle {
        keep: keep_of(keep),
        put: put.to_vec(),
        minimum_object_size: None,
        changes: changes.iter().map(|text| (*text).to_owned()).collect(),
    }
}

fn keep_of(rules: &[LifecycleRule]) -> Vec<SeenRule> {
    lifecycle_of(rules).rules
}

#[test]
fn by_default_no_purpose_deletes_what_is_current() {
    for purpose in [Purpose::StaticAssets, Purpose::Backups, Purpose::CloudTrailLogs] {
        let rules = defaults(purpose);
        assert!(rules.iter().any(|rule| rule.abort_incomplete_upload_days == Some(7)), "{purpose:?}");
        assert!(
            rules.iter().all(|rule| rule.expiration_days.is_none() && rule.id.starts_with("ShowCore")),
            "{purpose:?}"
        );
        let versions = rules.iter().any(|rule| rule.noncurrent_expiration_days.is_some());
        assert_eq!(versions, purpose == Purpose::StaticAssets, "{purpose:?}");
    }
}

#[test]
fn rules_have_three_sides() {
    use DriftAction::{Pending, ReportOnly};
    let old = json!({ "id": "old", "expirationDays": 30, "prefix": "tmp/" });
    let logs = |days: i32| json!({ "id": "logs", "expirationDays": days, "prefix": "logs/" });
    let theirs = json!({ "id": "theirs", "abortIncompleteUploadDays": 1 });
    let one = |value: &Value| rules(json!([value]));
    let all = |values: &[&Value]| rules(json!(values));
    let here = || settled_as(with_rules(json!([logs(365), old])), &seen(&all(&[&logs(365), &old])));
    let words = |days: i32| format!("lifecycle.logs: expire after {days} days; only under logs/");
    let changed =
        |spec: ShowCoreBucketSpec, there: &Seen| decided(&here().but(|scene| scene.spec = spec).report(), there);
    let both = || seen(&all(&[&logs(365), &theirs, &old]));
    check(vec![
        ("one that was never ours is left alone", decided(&here(), &both()), calm()),
        (
            "one that was ours and left the spec goes, and theirs stays",
            changed(with_rules(json!([logs(365)])), &both()),
            calm().doing(vec![put(&all(&[&logs(365), &theirs]), &[], &["lifecycle.old: absent"])]),
        ),
        (
            "a changed one is a wanted change",
            changed(with_rules(json!([logs(30), old])), &both()),
            calm().doing(vec![put(&all(&[&theirs, &old]), &one(&logs(30)), &[&words(30)])]),
        ),
        (
            "no rules any more: the last ones go, and with them the configuration",
            changed(with_rules(json!([])), &seen(&all(&[&logs(365), &old]))),
            calm().doing(vec![put(&[], &[], &["lifecycle.logs: absent", "lifecycle.old: absent"])]),
        ),
        (
            "the spec leaves them out: those of the purpose come instead",
            changed(applied().spec, &seen(&all(&[&logs(365), &old]))),
            calm().doing(vec![put(
                &[],
                &defaults(Purpose::StaticAssets),
                &[UPLOADS, VERSIONS, "lifecycle.logs: absent", "lifecycle.old: absent"],
            )]),
        ),
        (
            "somebody changed one",
            decided(&here(), &seen(&all(&[&logs(30), &old]))),
            calm().doing(vec![put(&one(&old), &one(&logs(365)), &[&words(365)])]).drifted("lifecycle.logs", Pending),
        ),
        (
            "somebody changed one, and it is only reported, while another is wanted otherwise",
            changed(with_rules(json!([logs(365)])), &seen(&all(&[&logs(30), &old]))),
            calm()
                .doing(vec![put(&one(&logs(30)), &[], &["lifecycle.old: absent"])])
                .drifted("lifecycle.logs", ReportOnly),
        ),
        (
            "all of them taken away",
            decided(&here(), &seen(&[])),
            calm()
                .doing(vec![put(
                    &[],
                    &all(&[&logs(365), &old]),
                    &[&words(365), "lifecycle.old: expire after 30 days; only under tmp/"],
                )])
                .drifted("lifecycle.logs", Pending)
                .drifted("lifecycle.old", Pending),
        ),
    ]);
}

#[test]
fn what_the_configuration_says_besides_its_rules_stays() {
    let varies = TransitionDefaultMinimumObjectSize::VariesByStorageClass;
    let there = with(|bucket| {
        bucket.lifecycle = Lifecycle { minimum_object_size: Some(varies.clone()), ..Lifecycle::default() };
    });
    let decision = decided(&settled(), &there);
    let [Step::PutLifecycle { minimum_object_size, .. }] = decision.steps.as_slice() else { panic!("{decision:?}") };
    assert_eq!(*minimum_object_size, Some(varies));
}

#[test]
fn the_last_rule_taken_away_takes_the_configuration_with_it() {
    use crate::decision::Step as _;
    assert_eq!(put(&[], &[], &[]).call(), "s3:DeleteBucketLifecycle");
    assert_eq!(put(&defaults(Purpose::Backups), &[], &[]).call(), "s3:PutBucketLifecycleConfiguration");
}
