//! Lifecycle rules by their ids, each compared by what it does.

use std::collections::BTreeMap;

use aws_sdk_s3::types::{ExpirationStatus, LifecycleRule as Seen, LifecycleRuleFilter, Tag, TransitionStorageClass};

use super::{
    Wanted,
    fields::{LIFECYCLE, described},
};
use crate::{
    bucket::{Bucket, LifecycleRule, defaults},
    decision::Comparison,
    field::Field,
};

/// The rules as fields. A rule that was never ours is left alone; one that was ours and left the spec is removed.
pub(super) fn lifecycle_fields(wanted: &Wanted<'_>, bucket: &Bucket) -> Vec<Field> {
    let desired: BTreeMap<_, _> = rules(wanted).into_iter().map(|rule| (rule.id.clone(), words(&rule))).collect();
    let id = |rule: &Seen| rule.id.clone().unwrap_or_default();
    let seen: BTreeMap<_, _> = bucket.lifecycle.rules.iter().map(|rule| (id(rule), seen_words(rule))).collect();
    let same = |id: &str| desired.get(id) == seen.get(id);
    described(&LIFECYCLE, &desired, &seen, same, wanted.status.applied.as_ref())
}

/// The rules that the bucket should have: the spec's, or those of its purpose.
fn rules(wanted: &Wanted<'_>) -> Vec<LifecycleRule> {
    wanted.spec.lifecycle.clone().unwrap_or_else(|| defaults(wanted.spec.purpose))
}

/// The rules to keep as they are and those to be put, for these of the fields: S3 replaces all of them at once.
pub(super) fn merged(
    wanted: &Wanted<'_>,
    bucket: &Bucket,
    compared: &Comparison,
    names: &[&str],
) -> (Vec<Seen>, Vec<LifecycleRule>) {
    let field = |id: &str| format!("{}.{id}", LIFECYCLE.name);
    let differs = |id: &str| compared.differences.iter().any(|difference| difference.field.name == field(id));
    let to_correct = |id: &str| names.contains(&field(id).as_str());
    let seen = bucket.lifecycle.rules.iter().filter(|rule| !to_correct(rule.id.as_deref().unwrap_or_default()));
    let put = rules(wanted).into_iter().filter(|rule| differs(&rule.id) && to_correct(&rule.id));
    (seen.cloned().map(modern).collect(), put.collect())
}

/// A rule in the form that ours have: S3 does not take rules of the old form beside those of the new one.
#[expect(deprecated, reason = "older rules have it")]
fn modern(mut rule: Seen) -> Seen {
    if let (Some(prefix), None) = (&rule.prefix, &rule.filter) {
        rule.filter = Some(LifecycleRuleFilter::builder().prefix(prefix).build());
        rule.prefix = None;
    }
    rule
}

/// What a rule of the spec does.
fn words(rule: &LifecycleRule) -> String {
    let mut acts = Vec::new();
    acts.extend(rule.transitions.iter().map(|to| moved(to.storage_class.name(), &after(to.days))));
    acts.extend(rule.expiration_days.map(|days| expired(&after(days))));
    if rule.expired_object_delete_markers {
        acts.push(MARKERS.to_owned());
    }
    let noncurrent = rule.noncurrent_transitions.iter();
    acts.extend(noncurrent.map(|to| noncurrent_moved(to.storage_class.name(), Some(to.days), None)));
    acts.extend(
        rule.noncurrent_expiration_days.map(|days| noncurrent_expired(Some(days), rule.noncurrent_versions_to_keep)),
    );
    acts.extend(rule.abort_incomplete_upload_days.map(|days| aborted(Some(days))));
    let scope = if rule.prefix.is_empty() { vec![] } else { vec![under(&rule.prefix)] };
    sentence(rule.enabled, acts, &scope)
}

/// What a rule of the bucket does: the same words for the same meaning, in whatever form it is written.
fn seen_words(rule: &Seen) -> String {
    let mut acts = Vec::new();
    for to in rule.transitions() {
        let when = to.days.map(after).or_else(|| to.date.as_ref().map(on)).unwrap_or_default();
        acts.push(moved(class(to.storage_class.as_ref()), &when));
    }
    if let Some(expiration) = &rule.expiration {
        acts.extend(expiration.days.map(after).or_else(|| expiration.date.as_ref().map(on)).map(|when| expired(&when)));
        if expiration.expired_object_delete_marker == Some(true) {
            acts.push(MARKERS.to_owned());
        }
    }
    for to in rule.noncurrent_version_transitions() {
        let kept = to.newer_noncurrent_versions;
        acts.push(noncurrent_moved(class(to.storage_class.as_ref()), to.noncurrent_days, kept));
    }
    if let Some(expiration) = &rule.noncurrent_version_expiration {
        acts.push(noncurrent_expired(expiration.noncurrent_days, expiration.newer_noncurrent_versions));
    }
    acts.extend(rule.abort_incomplete_multipart_upload.as_ref().map(|abort| aborted(abort.days_after_initiation)));
    sentence(rule.status == ExpirationStatus::Enabled, acts, &scope(rule))
}

/// Which objects a rule is about, said in the old or in the new way.
fn scope(rule: &Seen) -> Vec<String> {
    let tagged = |tag: &Tag| format!("tagged {}={}", tag.key, tag.value);
    let larger = |size: i64| format!("larger than {size} bytes");
    let smaller = |size: i64| format!("smaller than {size} bytes");
    let prefixed = |prefix: Option<&str>| prefix.filter(|prefix| !prefix.is_empty()).map(under);
    #[expect(deprecated, reason = "older rules have it")]
    let mut scope: Vec<_> = prefixed(rule.prefix.as_deref()).into_iter().collect();
    if let Some(LifecycleRuleFilter { prefix, tag, object_size_greater_than, object_size_less_than, and, .. }) =
        &rule.filter
    {
        scope.extend(prefixed(prefix.as_deref()));
        scope.extend(tag.as_ref().map(tagged));
        scope.extend(object_size_greater_than.map(larger));
        scope.extend(object_size_less_than.map(smaller));
        if let Some(and) = and {
            scope.extend(prefixed(and.prefix.as_deref()));
            scope.extend(and.tags().iter().map(tagged));
            scope.extend(and.object_size_greater_than.map(larger));
            scope.extend(and.object_size_less_than.map(smaller));
        }
    }
    scope.sort();
    scope
}

const MARKERS: &str = "remove delete markers with nothing behind them";

/// In one order, whatever order the actions came in.
fn sentence(enabled: bool, mut acts: Vec<String>, scope: &[String]) -> String {
    acts.sort();
    let off = if enabled { "" } else { "disabled: " };
    let scope = if scope.is_empty() { String::new() } else { format!("; only {}", scope.join(", ")) };
    format!("{off}{}{scope}", acts.join(", "))
}

fn under(prefix: &str) -> String {
    format!("under {prefix}")
}

fn after(days: i32) -> String {
    format!("after {days} days")
}

fn on(date: &aws_smithy_types::DateTime) -> String {
    format!("on {date}")
}

fn moved(class: &str, when: &str) -> String {
    format!("move to {class} {when}")
}

fn expired(when: &str) -> String {
    format!("expire {when}")
}

fn noncurrent_moved(class: &str, days: Option<i32>, kept: Option<i32>) -> String {
    format!("move noncurrent versions to {class} {}{}", after(days.unwrap_or_default()), but(kept))
}

fn noncurrent_expired(days: Option<i32>, kept: Option<i32>) -> String {
    format!("delete noncurrent versions {}{}", after(days.unwrap_or_default()), but(kept))
}

fn aborted(days: Option<i32>) -> String {
    format!("give up incomplete uploads {}", after(days.unwrap_or_default()))
}

fn but(kept: Option<i32>) -> String {
    kept.map(|kept| format!(" but the newest {kept}")).unwrap_or_default()
}

fn class(class: Option<&TransitionStorageClass>) -> &str {
    class.map(TransitionStorageClass::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use aws_sdk_s3::types::{
        AbortIncompleteMultipartUpload, LifecycleExpiration, LifecycleRuleAndOperator, builders::LifecycleRuleBuilder,
    };

    use super::*;
    use crate::bucket::{StorageClass, Transition};

    fn seen() -> LifecycleRuleBuilder {
        let abort = AbortIncompleteMultipartUpload::builder().days_after_initiation(7).build();
        Seen::builder().id("one").status(ExpirationStatus::Enabled).abort_incomplete_multipart_upload(abort)
    }

    fn said(rule: LifecycleRuleBuilder) -> String {
        seen_words(&rule.build().expect("a rule"))
    }

    fn full() -> LifecycleRule {
        let to = |days, storage_class| Transition { days, storage_class };
        LifecycleRule {
            id: "one".into(),
            enabled: true,
            prefix: "logs/".into(),
            expiration_days: Some(365),
            noncurrent_expiration_days: Some(90),
            noncurrent_versions_to_keep: Some(3),
            abort_incomplete_upload_days: Some(7),
            transitions: vec![to(30, StorageClass::StandardIa), to(60, StorageClass::Glacier)],
            noncurrent_transitions: vec![to(30, StorageClass::GlacierIr)],
            ..LifecycleRule::default()
        }
    }

    #[test]
    fn a_rule_is_known_by_what_it_does_in_whatever_form_s3_has_it() {
        let sent = full().to_s3().expect("a rule");
        assert_eq!(seen_words(&sent), words(&full()));
        assert_eq!(
            words(&full()),
            "delete noncurrent versions after 90 days but the newest 3, expire after 365 days, give up incomplete uploads after 7 days, \
             move noncurrent versions to GLACIER_IR after 30 days, move to GLACIER after 60 days, move to STANDARD_IA after 30 days; only under logs/"
        );
        let filter = LifecycleRuleFilter::builder;
        let plain = said(seen());
        #[expect(deprecated, reason = "older rules have it")]
        let old = said(seen().prefix("logs/"));
        assert_eq!(said(seen().filter(filter().build())), plain);
        assert_eq!(said(seen().filter(filter().prefix("").build())), plain);
        assert_eq!(
            said(seen().expiration(LifecycleExpiration::builder().expired_object_delete_marker(false).build())),
            plain
        );
        assert_eq!(said(seen().filter(filter().prefix("logs/").build())), old);
    }

    #[test]
    #[expect(deprecated, reason = "older rules have it")]
    fn a_rule_of_the_old_form_is_kept_in_the_new_one() {
        let old = seen().prefix("logs/").build().expect("a rule");
        let kept = modern(old.clone());
        assert_eq!((kept.prefix.as_deref(), seen_words(&kept)), (None, seen_words(&old)));
    }

    #[test]
    fn rules_that_do_otherwise_have_other_words() {
        let filter = LifecycleRuleFilter::builder;
        let tag = || Tag::builder().key("a").value("b").build().expect("a tag");
        let and = LifecycleRuleAndOperator::builder().prefix("logs/").tags(tag()).object_size_less_than(9).build();
        let date = aws_smithy_types::DateTime::from_secs(1_800_000_000);
        let all: BTreeSet<_> = [
            seen(),
            seen().status(ExpirationStatus::Disabled),
            seen().filter(filter().prefix("logs/").build()),
            seen().filter(filter().tag(tag()).build()),
            seen().filter(filter().object_size_greater_than(9).build()),
            seen().filter(filter().object_size_less_than(9).build()),
            seen().filter(filter().and(and).build()),
            seen().expiration(LifecycleExpiration::builder().days(1).build()),
            seen().expiration(LifecycleExpiration::builder().date(date).build()),
            seen().expiration(LifecycleExpiration::builder().expired_object_delete_marker(true).build()),
        ]
        .into_iter()
        .map(said)
        .collect();
        assert_eq!(all.len(), 10, "{all:#?}");
    }
}
