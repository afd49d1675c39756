//! The rules of a bucket's lifecycle that AWS takes. They are kept and shown; nothing expires here.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html>

use std::collections::BTreeSet;

use s3s::S3Result;
use s3s::crypto::{Checksum as _, Sha256};
use s3s::dto::{
    ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter, NoncurrentVersionExpiration,
    TransitionDefaultMinimumObjectSize, TransitionStorageClass,
};

use super::objects::hex;
use super::refusal::{invalid_argument, malformed_xml, refusal};

/// A bucket's lifecycle configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Lifecycle {
    /// Its rules.
    pub rules: Vec<LifecycleRule>,
    /// Which objects are too small to be moved.
    pub minimum_object_size: TransitionDefaultMinimumObjectSize,
}

/// The storage classes in the order in which objects may be moved through them,
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html>.
const WATERFALL: [&str; 6] = [
    TransitionStorageClass::STANDARD_IA,
    TransitionStorageClass::INTELLIGENT_TIERING,
    TransitionStorageClass::ONEZONE_IA,
    TransitionStorageClass::GLACIER_IR,
    TransitionStorageClass::GLACIER,
    TransitionStorageClass::DEEP_ARCHIVE,
];

/// Days that objects stay in the infrequent access classes at least.
const INFREQUENT_DAYS: i32 = 30;

/// The configuration that a `PUT` makes, whole,
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html>.
pub fn checked(
    mut rules: Vec<LifecycleRule>,
    minimum_object_size: Option<TransitionDefaultMinimumObjectSize>,
) -> S3Result<Lifecycle> {
    const ALL: &str = TransitionDefaultMinimumObjectSize::ALL_STORAGE_CLASSES_128K;
    const VARIES: &str = TransitionDefaultMinimumObjectSize::VARIES_BY_STORAGE_CLASS;
    let minimum_object_size =
        minimum_object_size.unwrap_or_else(|| TransitionDefaultMinimumObjectSize::from_static(ALL));
    if ![ALL, VARIES].contains(&minimum_object_size.as_str()) {
        return Err(invalid_argument("The transition default minimum object size is not valid"));
    }
    if rules.is_empty() {
        return Err(malformed_xml());
    }
    if rules.len() > 1000 {
        return Err(refusal(
            "InvalidRequest",
            400,
            "The number of lifecycle rules must not exceed the allowed limit of 1000 rules",
        ));
    }
    // https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRule.html: Prefix is of the former version of the API;
    // the message is S3's own.
    if rules.iter().any(|rule| rule.prefix.is_some()) && rules.iter().any(|rule| rule.filter.is_some()) {
        return Err(refusal(
            "InvalidRequest",
            400,
            "Base level prefix cannot be used in Lifecycle V2, prefixes are only supported in the Filter.",
        ));
    }
    let mut ids = BTreeSet::new();
    for (at, rule) in rules.iter_mut().enumerate() {
        // AWS makes up an id where none is given.
        let id = rule.id.get_or_insert_with(|| hex(&Sha256::checksum(format!("rule {at}").as_bytes())[..18]));
        if id.len() > 255 {
            return Err(invalid_argument("ID length should not exceed allowed limit of 255"));
        }
        if !ids.insert(id.clone()) {
            return Err(invalid_argument("Rule ID must be unique. Found same ID for more than one rule"));
        }
        check(rule)?;
    }
    Ok(Lifecycle { rules, minimum_object_size })
}

fn check(rule: &LifecycleRule) -> S3Result<()> {
    if ![ExpirationStatus::ENABLED, ExpirationStatus::DISABLED].contains(&rule.status.as_str()) {
        return Err(malformed_xml());
    }
    let (tagged, sized) = match (&rule.filter, &rule.prefix) {
        (Some(filter), None) => check_filter(filter)?,
        (None, Some(_)) => (false, false),
        // One of the two, and only one.
        _ => return Err(malformed_xml()),
    };
    let transitions = rule.transitions.as_deref().unwrap_or_default();
    let noncurrent = rule.noncurrent_version_transitions.as_deref().unwrap_or_default();
    let acts = rule.expiration.is_some()
        || rule.noncurrent_version_expiration.is_some()
        || rule.abort_incomplete_multipart_upload.is_some()
        || !transitions.is_empty()
        || !noncurrent.is_empty();
    if !acts {
        return Err(refusal("InvalidRequest", 400, "At least one action needs to be specified in a rule"));
    }
    if let Some(abort) = &rule.abort_incomplete_multipart_upload {
        if tagged || sized {
            return Err(refusal(
                "InvalidRequest",
                400,
                "AbortIncompleteMultipartUpload cannot be specified with Tags or object sizes",
            ));
        }
        positive("DaysAfterInitiation' for AbortIncompleteMultipartUpload action", abort.days_after_initiation)?;
    }
    let expires =
        rule.expiration.as_ref().map(|expiration| check_expiration(expiration, tagged || sized)).transpose()?;
    let mut moves = Vec::new();
    for transition in transitions {
        match (transition.days, &transition.date) {
            (Some(days), None) => moves.push((days, class(transition.storage_class.as_ref())?)),
            (None, Some(_)) => drop(class(transition.storage_class.as_ref())?),
            _ => return Err(malformed_xml()),
        }
    }
    check_moves("Transition", &moves, expires.flatten())?;
    let ends = rule.noncurrent_version_expiration.as_ref().map(check_noncurrent).transpose()?;
    let mut moves = Vec::new();
    for transition in noncurrent {
        check_kept(transition.newer_noncurrent_versions)?;
        moves.push((transition.noncurrent_days.ok_or_else(malformed_xml)?, class(transition.storage_class.as_ref())?));
    }
    check_moves("NoncurrentVersionTransition", &moves, ends)
}

/// At most one condition, or several under `And`. Whether tags are among them, and whether sizes are.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRuleFilter.html>
fn check_filter(filter: &LifecycleRuleFilter) -> S3Result<(bool, bool)> {
    let (larger, smaller) = (filter.object_size_greater_than, filter.object_size_less_than);
    let single =
        [filter.prefix.is_some(), filter.tag.is_some(), larger.is_some(), smaller.is_some(), filter.and.is_some()];
    if single.into_iter().filter(|said| *said).count() > 1 {
        return Err(malformed_xml());
    }
    let and = filter.and.as_ref();
    let tags = and.and_then(|and| and.tags.as_deref()).unwrap_or_default();
    if let Some(and) = and {
        let conditions = tags.len()
            + usize::from(and.prefix.is_some())
            + usize::from(and.object_size_greater_than.is_some())
            + usize::from(and.object_size_less_than.is_some());
        if conditions < 2 {
            return Err(malformed_xml());
        }
    }
    let sized = larger.is_some()
        || smaller.is_some()
        || and.is_some_and(|and| and.object_size_greater_than.is_some() || and.object_size_less_than.is_some());
    Ok((filter.tag.is_some() || !tags.is_empty(), sized))
}

/// The days after which objects expire, if days are given.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleExpiration.html>
fn check_expiration(expiration: &LifecycleExpiration, filtered: bool) -> S3Result<Option<i32>> {
    match (expiration.days, &expiration.date, expiration.expired_object_delete_marker) {
        (Some(days), None, None) => positive("Days' for Expiration action", Some(days)).map(Some),
        (None, None, Some(_)) if filtered => Err(refusal(
            "InvalidRequest",
            400,
            "ExpiredObjectDeleteMarker cannot be specified with Tags or object sizes",
        )),
        (None, Some(_), None) | (None, None, Some(_)) => Ok(None),
        _ => Err(malformed_xml()),
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_NoncurrentVersionExpiration.html>
fn check_noncurrent(expiration: &NoncurrentVersionExpiration) -> S3Result<i32> {
    check_kept(expiration.newer_noncurrent_versions)?;
    let days = expiration.noncurrent_days.ok_or_else(malformed_xml)?;
    positive("NoncurrentDays' for NoncurrentVersionExpiration action", Some(days))
}

fn check_kept(versions: Option<i32>) -> S3Result<()> {
    match versions {
        Some(versions) if !(1..=100).contains(&versions) => {
            Err(invalid_argument("'NewerNoncurrentVersions' must be a positive integer up to 100"))
        }
        _ => Ok(()),
    }
}

fn positive(what: &str, days: Option<i32>) -> S3Result<i32> {
    match days {
        Some(days) if days > 0 => Ok(days),
        Some(_) => Err(invalid_argument(format!("'{what} must be a positive integer"))),
        None => Err(malformed_xml()),
    }
}

fn class(class: Option<&TransitionStorageClass>) -> S3Result<usize> {
    WATERFALL.iter().position(|known| class.is_some_and(|class| class.as_str() == *known)).ok_or_else(malformed_xml)
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html>:
/// 30 days before an infrequent access class and 30 days in one, each class once, never back up, and out of the last
/// one before the end.
fn check_moves(action: &str, moves: &[(i32, usize)], end: Option<i32>) -> S3Result<()> {
    let infrequent = |class: usize| WATERFALL[class].ends_with("_IA");
    let mut moves = moves.to_vec();
    moves.sort_by_key(|(_, class)| *class);
    for (days, class) in &moves {
        if *days < 0 || (infrequent(*class) && *days < INFREQUENT_DAYS) {
            return Err(invalid_argument(format!(
                "'Days' in {action} action must be greater than or equal to {INFREQUENT_DAYS} for storageClass '{}'",
                WATERFALL[*class]
            )));
        }
        if end.is_some_and(|end| end <= *days) {
            return Err(invalid_argument(format!(
                "'Days' in the Expiration action must be greater than 'Days' in the {action} action"
            )));
        }
    }
    for pair in moves.windows(2) {
        let ((early, warm), (late, cold)) = (pair[0], pair[1]);
        if warm == cold {
            return Err(refusal(
                "InvalidRequest",
                400,
                format!("StorageClass must be different for '{action}' actions in same 'Rule'"),
            ));
        }
        let stay = if infrequent(warm) { INFREQUENT_DAYS } else { 1 };
        if late < early + stay {
            return Err(invalid_argument(format!(
                "'Days' in the '{action}' action for StorageClass '{}' must be {stay} days more than for StorageClass '{}'",
                WATERFALL[cold], WATERFALL[warm]
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use s3s::dto::{AbortIncompleteMultipartUpload, LifecycleRuleAndOperator, Tag, Transition};

    use super::*;

    fn rule(change: impl FnOnce(&mut LifecycleRule)) -> LifecycleRule {
        let mut rule = LifecycleRule {
            abort_incomplete_multipart_upload: Some(AbortIncompleteMultipartUpload { days_after_initiation: Some(7) }),
            expiration: None,
            filter: Some(LifecycleRuleFilter::default()),
            id: Some("one".to_owned()),
            noncurrent_version_expiration: None,
            noncurrent_version_transitions: None,
            prefix: None,
            status: ExpirationStatus::from_static(ExpirationStatus::ENABLED),
            transitions: None,
        };
        change(&mut rule);
        rule
    }

    fn moved(moves: &[(i32, &'static str)], end: Option<i32>) -> LifecycleRule {
        rule(|rule| {
            let to = |(days, class): &(i32, &'static str)| Transition {
                date: None,
                days: Some(*days),
                storage_class: Some(TransitionStorageClass::from_static(class)),
            };
            rule.transitions = Some(moves.iter().map(to).collect());
            rule.expiration =
                end.map(|days| LifecycleExpiration { days: Some(days), ..LifecycleExpiration::default() });
        })
    }

    #[test]
    fn what_aws_takes() {
        let table = [
            rule(|_| {}),
            rule(|rule| {
                rule.filter = None;
                rule.prefix = Some("logs/".to_owned());
            }),
            rule(|rule| rule.status = ExpirationStatus::from_static(ExpirationStatus::DISABLED)),
            moved(&[(30, "STANDARD_IA"), (60, "GLACIER"), (61, "DEEP_ARCHIVE")], Some(62)),
            moved(&[(0, "GLACIER_IR")], None),
            moved(&[(60, "GLACIER"), (30, "STANDARD_IA")], None),
        ];
        for rule in table {
            assert!(checked(vec![rule.clone()], None).is_ok(), "{rule:?}");
        }
        let one = checked(vec![rule(|rule| rule.id = None)], None).expect("AWS takes it");
        assert!(one.rules[0].id.as_ref().is_some_and(|id| !id.is_empty()), "AWS makes up an id");
        assert_eq!(one.minimum_object_size.as_str(), "all_storage_classes_128K");
    }

    #[test]
    fn what_aws_refuses() {
        let tag = || Tag { key: Some("a".to_owned()), value: Some("b".to_owned()) };
        let table = [
            ("MalformedXML", vec![]),
            ("InvalidArgument", vec![rule(|_| {}), rule(|_| {})]),
            ("InvalidArgument", vec![rule(|rule| rule.id = Some("i".repeat(256)))]),
            ("MalformedXML", vec![rule(|rule| rule.status = ExpirationStatus::from_static("On"))]),
            ("MalformedXML", vec![rule(|rule| rule.filter = None)]),
            ("InvalidRequest", vec![rule(|rule| rule.prefix = Some(String::new()))]),
            (
                "InvalidRequest",
                vec![
                    rule(|_| {}),
                    rule(|rule| {
                        rule.id = Some("old".to_owned());
                        rule.filter = None;
                        rule.prefix = Some(String::new());
                    }),
                ],
            ),
            ("InvalidRequest", vec![rule(|rule| rule.abort_incomplete_multipart_upload = None)]),
            (
                "InvalidRequest",
                vec![rule(|rule| {
                    rule.filter = Some(LifecycleRuleFilter { tag: Some(tag()), ..LifecycleRuleFilter::default() });
                })],
            ),
            (
                "MalformedXML",
                vec![rule(|rule| {
                    let and =
                        LifecycleRuleAndOperator { tags: Some(vec![tag()]), ..LifecycleRuleAndOperator::default() };
                    rule.filter = Some(LifecycleRuleFilter { and: Some(and), ..LifecycleRuleFilter::default() });
                })],
            ),
            (
                "MalformedXML",
                vec![rule(|rule| {
                    rule.expiration = Some(LifecycleExpiration {
                        days: Some(1),
                        expired_object_delete_marker: Some(true),
                        ..LifecycleExpiration::default()
                    });
                })],
            ),
            (
                "InvalidArgument",
                vec![rule(|rule| {
                    rule.expiration = Some(LifecycleExpiration { days: Some(0), ..LifecycleExpiration::default() });
                })],
            ),
            (
                "MalformedXML",
                vec![rule(|rule| {
                    rule.noncurrent_version_expiration =
                        Some(NoncurrentVersionExpiration { newer_noncurrent_versions: Some(3), noncurrent_days: None });
                })],
            ),
            (
                "InvalidArgument",
                vec![rule(|rule| {
                    rule.noncurrent_version_expiration = Some(NoncurrentVersionExpiration {
                        newer_noncurrent_versions: Some(101),
                        noncurrent_days: Some(1),
                    });
                })],
            ),
            ("InvalidArgument", vec![moved(&[(29, "STANDARD_IA")], None)]),
            ("InvalidArgument", vec![moved(&[(30, "STANDARD_IA"), (59, "GLACIER")], None)]),
            ("InvalidArgument", vec![moved(&[(60, "GLACIER"), (30, "DEEP_ARCHIVE")], None)]),
            ("InvalidRequest", vec![moved(&[(60, "GLACIER"), (90, "GLACIER")], None)]),
            ("InvalidArgument", vec![moved(&[(60, "GLACIER")], Some(60))]),
            ("MalformedXML", vec![moved(&[(60, "OUTPOSTS")], None)]),
        ];
        for (code, rules) in table {
            let refused = checked(rules.clone(), None).expect_err("refused");
            assert_eq!(refused.code().as_str(), code, "{rules:?}");
        }
    }
}
