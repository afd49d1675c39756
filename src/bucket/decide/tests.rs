//! Situations of a bucket and the exact plan for each.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Step, decide, is_bucket_name};
use crate::{
    bucket::{Bucket, Lifecycle, LifecycleRule, PublicAccessBlock, Purpose, Seen, ShowCoreBucketSpec, Sse, defaults},
    conditions,
    decision::{Decision, LookAgain, Verdict},
    ownership::OWNER_TAG,
    policy,
    spec::DeletionPolicy,
    status::DriftAction,
    testing::{Outcome, Scene, check, map, tagged, time},
};

mod access;
mod cloudtrail;
mod lifecycle;
mod ownership;
mod settings;

const KIND: &str = "ShowCoreBucket";
const ARN: &str = "arn:aws:s3:::assets";

fn spec(value: Value) -> ShowCoreBucketSpec {
    serde_json::from_value(value).expect("a spec")
}

fn applied() -> Scene<ShowCoreBucketSpec> {
    Scene::new(KIND, "assets", spec(json!({ "purpose": "StaticAssets", "tags": { "team": "core" } })))
}

fn bucket() -> Bucket {
    Bucket {
        tags: tagged(KIND, &[("team", "core"), ("theirs", "kept")]),
        encryption: Some(Sse { algorithm: "AES256".into(), key: None }),
        refuses_sse_c: true,
        public_access_block: Some(all_four()),
        ownership: Some("BucketOwnerEnforced".into()),
        versioning: Some("Enabled".into()),
        policy: Some(policy_of(&[policy::tls_only(ARN)])),
        lifecycle: lifecycle_of(&defaults(Purpose::StaticAssets)),
        ..Bucket::default()
    }
}

fn lifecycle_of(rules: &[LifecycleRule]) -> Lifecycle {
    let rules = rules.iter().map(|rule| rule.to_s3().expect("a rule")).collect();
    Lifecycle { rules, minimum_object_size: None }
}

fn all_four() -> PublicAccessBlock {
    PublicAccessBlock {
        block_public_acls: true,
        ignore_public_acls: true,
        block_public_policy: true,
        restrict_public_buckets: true,
    }
}

fn policy_of(statements: &[Value]) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn with(change: impl FnOnce(&mut Bucket)) -> Seen {
    let mut bucket = bucket();
    change(&mut bucket);
    Seen::Present(Box::new(bucket))
}

fn decided(scene: &Scene<ShowCoreBucketSpec>, seen: &Seen) -> Decision<Step> {
    decide(&scene.wanted(), seen, scene.now)
}

/// A bucket of this spec that stands as the spec says, and was told so.
fn settled_as(spec: ShowCoreBucketSpec, seen: &Seen) -> Scene<ShowCoreBucketSpec> {
    let scene = applied().but(|scene| scene.spec = spec);
    let decision = decided(&scene, seen);
    assert_eq!(decision.steps, [], "the fixture is not settled");
    scene.told(&decision)
}

fn settled() -> Scene<ShowCoreBucketSpec> {
    settled_as(applied().spec, &with(|_| {}))
}

fn calm() -> Outcome<Step> {
    Outcome::rest("Ready Available", "Yes SSES3")
}

fn put_policy(statements: &[Value], changes: &[&str]) -> Step {
    Step::PutPolicy { policy: policy_of(statements), changes: changes.iter().map(|text| (*text).to_owned()).collect() }
}

fn put_tags(tags: BTreeMap<String, String>, changes: &[&str]) -> Step {
    Step::PutTags { tags, changes: changes.iter().map(|text| (*text).to_owned()).collect() }
}

const TLS_AGAIN: &str = "policy.tlsOnly: Deny without TLS";
const UPLOADS: &str = "lifecycle.ShowCoreAbortIncompleteUploads: give up incomplete uploads after 7 days";
const VERSIONS: &str = "lifecycle.ShowCoreExpireNoncurrentVersions: delete noncurrent versions after 90 days, \
    remove delete markers with nothing behind them";
const NO_FOREIGNER: &str = "policy.foreignAllow: none";

/// The lifecycle rules of a new bucket.
fn put_defaults() -> Step {
    Step::PutLifecycle {
        keep: vec![],
        put: defaults(Purpose::StaticAssets),
        minimum_object_size: None,
        changes: vec![UPLOADS.into(), VERSIONS.into()],
    }
}

fn put_encryption(changes: &[&str]) -> Step {
    Step::PutEncryption { changes: changes.iter().map(|text| (*text).to_owned()).collect() }
}

fn tls_again() -> Step {
    put_policy(&[policy::tls_only(ARN)], &[TLS_AGAIN])
}

#[test]
fn rule_04_the_owner_tags_travel_in_the_create_call() {
    let create = Step::Create { tags: tagged(KIND, &[("team", "core")]) };
    let creating = || Outcome::rest("Working Creating", "Unknown");
    let setting_up = || Outcome::rest("Working Configuring", "Unknown");
    check(vec![
        (
            "nothing there: made, and what a new bucket lacks for certain follows in the same plan",
            decided(&applied(), &Seen::Absent),
            creating().doing(vec![create, Step::PutVersioning { enabled: true }, tls_again(), put_defaults()]),
        ),
        (
            "just created, with AWS's defaults",
            decided(
                &applied(),
                &with(|bucket| {
                    bucket.tags = tagged(KIND, &[("team", "core")]);
                    bucket.policy = None;
                    bucket.versioning = None;
                    bucket.lifecycle = Lifecycle::default();
                }),
            ),
            setting_up().doing(vec![Step::PutVersioning { enabled: true }, tls_again(), put_defaults()]),
        ),
        (
            "just created, where the defaults are not AWS's",
            decided(
                &applied(),
                &with(|bucket| {
                    *bucket = Bucket { tags: tagged(KIND, &[]), ..Bucket::default() };
                }),
            ),
            setting_up().doing(vec![
                Step::PutPublicAccessBlock,
                Step::PutOwnershipControls,
                put_encryption(&["encryption: AES256", "encryption.sseC: refused"]),
                Step::PutVersioning { enabled: true },
                tls_again(),
                put_tags(tagged(KIND, &[("team", "core")]), &["tags.team: 'core'"]),
                put_defaults(),
            ]),
        ),
        ("set up", decided(&applied(), &with(|_| {})), calm()),
    ]);
}

#[test]
fn a_bucket_that_is_still_being_set_up_is_no_warning() {
    let naked = || with(|bucket| bucket.policy = None);
    let warned = |scene: &Scene<ShowCoreBucketSpec>| {
        let after = conditions::status(&scene.status, &decided(scene, &naked()), 1, scene.now);
        let events = conditions::events(&scene.status, &after);
        events.into_iter().any(|event| event.reason == "NotEncrypted")
    };
    assert!(!warned(&applied()), "its first setup");
    assert!(warned(&settled()), "one that was encrypted");
    assert!(warned(&settled().restored()), "one that existed, its status lost");
}

#[test]
fn rule_11_the_name_is_checked_again_once_its_placeholders_are_replaced() {
    let long = "a".repeat(64);
    let table = [
        ("assets", true),
        ("logs.111122223333.eu-central-1", true),
        ("1.2.3", true),
        ("1.2.3.4a", true),
        (&long[..63], true),
        (&long, false),
        ("ab", false),
        ("abc", true),
        ("", false),
        ("-assets", false),
        ("assets.", false),
        ("as..sets", false),
        ("Assets", false),
        ("as_sets", false),
        ("as{region}sets", false),
        ("ässets", false),
        ("1.2.3.111122223333", false),
    ];
    for (name, valid) in table {
        assert_eq!(is_bucket_name(name), valid, "{name}");
    }
    let misnamed = applied().but(|scene| scene.identifier.clone_from(&long)).but(|scene| {
        if let Some(pin) = &mut scene.pin {
            pin.identifier.clone_from(&long);
        }
    });
    let stalled = |reason: &str| Outcome::rest(&format!("Stalled {reason}"), "Unknown");
    let deleting = misnamed.deleting(DeletionPolicy::Delete);
    let moved = settled().but(|scene| scene.identifier.clone_from(&long));
    check(vec![
        ("nothing is created", decided(&misnamed, &Seen::Absent), stalled("InvalidName")),
        ("nothing is written", decided(&misnamed, &with(|_| {})), stalled("InvalidName")),
        ("a store of another name is there", decided(&moved, &Seen::Absent), stalled("IdentifierChanged")),
        ("it can be deleted", decided(&deleting.lost_for(30), &Seen::Absent), Outcome::released()),
    ]);
    let Verdict::Stalled(why) = decided(&misnamed, &Seen::Absent).verdict else { panic!("not stalled") };
    assert!(why.message.contains("3 to 63 lower-case letters"), "{}", why.message);
}

#[test]
fn rule_08_a_quiet_bucket_plans_nothing_and_says_nothing_new() {
    let decision = decided(&settled(), &with(|_| {}));
    let later = conditions::status(&settled().status, &decision, 1, time("2026-11-26T02:00:00Z"));
    assert_eq!(later, settled().status);
    check(vec![("quiet", decision, calm())]);
}

#[test]
fn a_changed_spec_is_done_and_is_no_drift() {
    let changed = |change: fn(&mut ShowCoreBucketSpec)| {
        decided(&settled().but(|scene| change(&mut scene.spec)).report(), &with(|_| {}))
    };
    let tags = |pairs: &[(&str, &str)]| tagged(KIND, pairs);
    check(vec![
        (
            "versioning off",
            changed(|spec| spec.versioning = false),
            calm().doing(vec![Step::PutVersioning { enabled: false }]),
        ),
        (
            "a tag more",
            changed(|spec| drop(spec.tags.insert("stage".into(), "prod".into()))),
            calm().doing(vec![put_tags(
                tags(&[("team", "core"), ("theirs", "kept"), ("stage", "prod")]),
                &["tags.stage: 'prod'"],
            )]),
        ),
        (
            "a tag changed",
            changed(|spec| drop(spec.tags.insert("team".into(), "web".into()))),
            calm().doing(vec![put_tags(tags(&[("team", "web"), ("theirs", "kept")]), &["tags.team: 'web'"])]),
        ),
        (
            "a tag less: ours goes, theirs stays",
            changed(|spec| spec.tags.clear()),
            calm().doing(vec![put_tags(tags(&[("theirs", "kept")]), &["tags.team: absent"])]),
        ),
    ]);
    let suspended = with(|bucket| bucket.versioning = Some("Suspended".into()));
    let off = settled().but(|scene| scene.spec.versioning = false);
    check(vec![
        ("versioning off, and suspended", decided(&off, &suspended), calm()),
        ("versioning off, and never on", decided(&off, &with(|bucket| bucket.versioning = None)), calm()),
    ]);
}

#[test]
fn drift_of_each_field_is_reported_and_corrected_and_under_report_only_what_is_security() {
    use DriftAction::{Pending, ReportOnly};
    let deny =
        json!({ "Sid": "theirs", "Effect": "Deny", "Principal": "*", "Action": "s3:DeleteBucket", "Resource": ARN });
    let foreign =
        json!({ "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": format!("{ARN}/*") });
    let within =
        json!({ "Effect": "Allow", "Principal": { "AWS": "111122223333" }, "Action": "s3:*", "Resource": ARN });
    let no_tls = || Outcome::rest("Working Configuring", "No NotInTransit");
    let tags = || tagged(KIND, &[("team", "core"), ("theirs", "kept")]);
    // Field, what was done to the bucket, whether it is security, what comes of it.
    let table: Vec<(&str, Seen, bool, Outcome<Step>)> = vec![
        (
            "publicAccessBlock",
            with(|bucket| {
                bucket.public_access_block = Some(PublicAccessBlock { block_public_policy: false, ..all_four() });
            }),
            true,
            calm().doing(vec![Step::PutPublicAccessBlock]),
        ),
        (
            "publicAccessBlock",
            with(|bucket| bucket.public_access_block = None),
            true,
            calm().doing(vec![Step::PutPublicAccessBlock]),
        ),
        (
            "objectOwnership",
            with(|bucket| bucket.ownership = Some("ObjectWriter".into())),
            true,
            calm().doing(vec![Step::PutOwnershipControls]),
        ),
        (
            "encryption",
            with(|bucket| bucket.encryption = None),
            true,
            Outcome::rest("Working Configuring", "No NotAtRest").doing(vec![put_encryption(&["encryption: AES256"])]),
        ),
        (
            "encryption.sseC",
            with(|bucket| bucket.refuses_sse_c = false),
            true,
            calm().doing(vec![put_encryption(&["encryption.sseC: refused"])]),
        ),
        (
            "versioning",
            with(|bucket| bucket.versioning = Some("Suspended".into())),
            false,
            calm().doing(vec![Step::PutVersioning { enabled: true }]),
        ),
        ("policy.tlsOnly", with(|bucket| bucket.policy = None), true, no_tls().doing(vec![tls_again()])),
        (
            "policy.tlsOnly",
            with(|bucket| bucket.policy = Some(policy_of(&[deny.clone(), within.clone()]))),
            true,
            no_tls().doing(vec![put_policy(&[policy::tls_only(ARN), deny.clone(), within.clone()], &[TLS_AGAIN])]),
        ),
        (
            "policy.foreignAllow",
            with(|bucket| bucket.policy = Some(policy_of(&[policy::tls_only(ARN), foreign.clone(), deny.clone()]))),
            true,
            calm().doing(vec![put_policy(&[policy::tls_only(ARN), deny.clone()], &[NO_FOREIGNER])]),
        ),
        (
            "tags.team",
            with(|bucket| drop(bucket.tags.insert("team".into(), "web".into()))),
            false,
            calm().doing(vec![put_tags(tags(), &["tags.team: 'core'"])]),
        ),
        (
            "tags.team",
            with(|bucket| drop(bucket.tags.remove("team"))),
            false,
            calm().doing(vec![put_tags(tags(), &["tags.team: 'core'"])]),
        ),
    ];
    let mut rows = Vec::new();
    for (field, seen, security, corrected) in table {
        let reported = if security {
            corrected_again(&corrected).drifted(field, Pending)
        } else {
            calm().drifted(field, ReportOnly)
        };
        rows.push((format!("{field}, Report"), decided(&settled().report(), &seen), reported));
        rows.push((format!("{field}, Correct"), decided(&settled(), &seen), corrected.drifted(field, Pending)));
    }
    rows.push((
        "what others put into the policy and the tags is left alone".into(),
        decided(
            &settled(),
            &with(|bucket| {
                bucket.policy = Some(policy_of(&[policy::tls_only(ARN), deny.clone(), within.clone()]));
                bucket.tags.insert("more".into(), "theirs".into());
            }),
        ),
        calm(),
    ));
    rows.push((
        "several at once are one plan, in the order that S3 wants".into(),
        decided(
            &settled(),
            &with(|bucket| {
                bucket.policy = Some(policy_of(&[foreign]));
                bucket.public_access_block = None;
                bucket.versioning = None;
            }),
        ),
        no_tls()
            .doing(vec![
                Step::PutPublicAccessBlock,
                Step::PutVersioning { enabled: true },
                put_policy(&[policy::tls_only(ARN)], &[TLS_AGAIN, NO_FOREIGNER]),
            ])
            .drifted("publicAccessBlock", Pending)
            .drifted("versioning", Pending)
            .drifted("policy.tlsOnly", Pending)
            .drifted("policy.foreignAllow", Pending),
    ));
    check(rows);
}

fn corrected_again(outcome: &Outcome<Step>) -> Outcome<Step> {
    Outcome::rest(&outcome.verdict, &outcome.encrypted).doing(outcome.steps.clone())
}

#[test]
fn a_drift_row_names_field_desired_observed_and_since() {
    let seen = with(|bucket| {
        bucket.public_access_block =
            Some(PublicAccessBlock { block_public_policy: false, ignore_public_acls: false, ..all_four() });
    });
    let decision = decided(&settled(), &seen);
    assert_eq!(
        crate::drift::sentence(&decision.facts.drift),
        "publicAccessBlock: desired all four on, observed ignorePublicAcls, blockPublicPolicy off, since 14:02; being corrected"
    );
}

#[test]
fn rule_01_a_bucket_set_to_kms_is_blocked_with_both_ways_out_and_not_lowered() {
    let kms = |algorithm: &str, key: Option<&str>| {
        with(|bucket| bucket.encryption = Some(Sse { algorithm: algorithm.into(), key: key.map(str::to_owned) }))
    };
    let key = "arn:aws:kms:eu-central-1:111122223333:key/k";
    let blocked = || Outcome::rest("Ready Available", "Yes KMSKey").drifted("encryption", DriftAction::Blocked);
    let both = decided(&settled(), &kms("aws:kms", Some(key)));
    let message = both.facts.drift[0].message.clone().unwrap_or_default();
    assert!(message.contains("delete-bucket-encryption") && message.contains("keep the key"), "{message}");
    let at_rest = |seen: &Seen| decided(&settled(), seen).facts.encryption.expect("an answer").at_rest;
    assert_eq!(at_rest(&kms("aws:kms", Some(key))).key_management, "CustomerManagedKey");
    assert_eq!(at_rest(&kms("aws:kms", None)).key_management, "AWSManagedKey");
    check(vec![
        ("SSE-KMS with a key", both, blocked()),
        ("SSE-KMS with AWS's key", decided(&settled(), &kms("aws:kms", None)), blocked()),
        (
            "SSE-KMS, and SSE-C let in: only SSE-C is refused again",
            decided(&settled(), &{
                let Seen::Present(mut bucket) = kms("aws:kms", Some(key)) else { panic!("it is there") };
                bucket.refuses_sse_c = false;
                Seen::Present(bucket)
            }),
            Outcome {
                steps: vec![put_encryption(&["encryption.sseC: refused"])],
                look_again: LookAgain::Soon,
                ..blocked()
            }
            .drifted("encryption.sseC", DriftAction::Pending),
        ),
        ("DSSE", decided(&settled(), &kms("aws:kms:dsse", Some(key))), blocked()),
        ("under Report", decided(&settled().report(), &kms("aws:kms", Some(key))), blocked()),
        (
            "set so before the first look: no drift, and said in Pending",
            decided(&applied(), &kms("aws:kms", Some(key))),
            Outcome::rest("Ready Available", "Yes KMSKey").pending("ChangeImpossible"),
        ),
    ]);
}

#[test]
fn without_a_record_every_difference_is_drift() {
    let seen = || with(|bucket| bucket.versioning = Some("Suspended".into()));
    let step = || vec![Step::PutVersioning { enabled: true }];
    check(vec![
        (
            "a restored backup",
            decided(&settled().restored(), &seen()),
            calm().doing(step()).drifted("versioning", DriftAction::Pending),
        ),
        (
            "a restored backup, Report",
            decided(&settled().restored().report(), &seen()),
            calm().drifted("versioning", DriftAction::ReportOnly),
        ),
        ("the first look", decided(&applied().report(), &seen()), calm().doing(step())),
    ]);
    // What Report left alone stays drift at the next look: the record that was made then says so.
    let scene = settled().restored().report();
    let again = scene.clone().told(&decided(&scene, &seen()));
    check(vec![("the look after", decided(&again, &seen()), calm().drifted("versioning", DriftAction::ReportOnly))]);
}

#[test]
fn paused_drift_is_reported_only_and_the_bucket_stays_ready() {
    let seen = with(|bucket| bucket.public_access_block = None);
    check(vec![(
        "paused",
        decided(&settled(), &seen).paused(),
        Outcome { held: vec![Step::PutPublicAccessBlock], ..calm() }
            .drifted("publicAccessBlock", DriftAction::ReportOnly)
            .pending("Paused"),
    )]);
}
