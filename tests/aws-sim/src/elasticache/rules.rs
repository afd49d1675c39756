//! The rules that AWS puts on names, windows, tokens and tags of `ElastiCache`, each with AWS's error code.

use crate::error::AwsError;

/// A value that AWS does not take in a parameter.
pub fn invalid_value(message: impl Into<String>) -> AwsError {
    refused("InvalidParameterValue", message)
}

/// Parameters that do not go together.
pub fn invalid_combination(message: impl Into<String>) -> AwsError {
    refused("InvalidParameterCombination", message)
}

/// Any refusal, by the error code of AWS's model.
pub fn refused(code: &str, message: impl Into<String>) -> AwsError {
    AwsError::new(code, message)
}

/// Identifiers are 1 to `longest` letters, digits and hyphens, begin with a letter, have no double hyphen and no hyphen
/// at the end; AWS stores them in lower case.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateReplicationGroup.html>
pub fn identifier(parameter: &str, given: &str, longest: usize) -> Result<String, AwsError> {
    let letters = given.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let begins = given.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
    if letters && begins && given.len() <= longest && !given.contains("--") && !given.ends_with('-') {
        return Ok(given.to_ascii_lowercase());
    }
    Err(invalid_value(format!(
        "The parameter {parameter} is not a valid identifier. Identifiers must begin with a letter; must contain only \
         ASCII letters, digits, and hyphens; must not end with a hyphen or contain two consecutive hyphens; and must \
         not be longer than {longest} characters."
    )))
}

/// An AUTH token: 16 to 128 characters, letters, digits, and of the rest only `!&#$^<>-`.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth.html>
pub fn auth_token(token: &str) -> Result<(), AwsError> {
    if !(16..=128).contains(&token.len()) {
        return Err(invalid_value(
            "Invalid AuthToken provided. The AuthToken must be at least 16 and no more than 128 characters.",
        ));
    }
    if token.chars().all(|c| c.is_ascii_alphanumeric() || "!&#$^<>-".contains(c)) {
        return Ok(());
    }
    Err(invalid_value(
        "Invalid AuthToken provided. Of the printable special characters only !, &, #, $, ^, <, > and - may be used.",
    ))
}

/// Automatic snapshots are kept for 0 (none are made) to 35 days.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/backups-automatic.html>
pub fn snapshot_retention(days: i64) -> Result<i64, AwsError> {
    if (0..=35).contains(&days) {
        return Ok(days);
    }
    Err(invalid_value(format!("Invalid SnapshotRetentionLimit {days}: it must be between 0 and 35.")))
}

/// Tags as a request carries them: at most 50, no key twice, keys of 1 to 128 characters that do not begin with
/// `aws:`, values up to 256, and only letters, digits, spaces and `+ - = . _ : / @` in both.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Tagging-Resources.html>
pub fn tags(given: &[super::Tag], already: &super::Tags) -> Result<super::Tags, AwsError> {
    let mut all = already.clone();
    let mut seen = std::collections::BTreeSet::new();
    for tag in given {
        let (Some(key), value) = (&tag.key, tag.value.clone().unwrap_or_default()) else {
            return Err(invalid_value("Tag keys may not be null."));
        };
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            return Err(invalid_value(format!("Tag {key:?}: keys have 1 to 128 characters and values at most 256.")));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid_value(format!("Tag {key:?}: the prefix aws: is reserved for AWS.")));
        }
        let allowed = |c: char| c.is_alphanumeric() || c == ' ' || "+-=._:/@".contains(c);
        if !key.chars().all(allowed) || !value.chars().all(allowed) {
            return Err(invalid_value(format!(
                "Tag {key:?} has characters other than letters, digits, spaces and + - = . _ : / @."
            )));
        }
        if !seen.insert(key) {
            return Err(invalid_value(format!("Tag key {key:?} is given twice.")));
        }
        all.insert(key.clone(), value);
    }
    if all.len() > 50 {
        return Err(refused("TagQuotaPerResourceExceeded", "A resource can have at most 50 tags."));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::super::{Tag, Tags};
    use super::*;

    #[test]
    fn identifiers_follow_the_naming_rules() {
        let longest = "a".repeat(40);
        for (given, good) in [
            ("showcore-cache-production-redis", true),
            ("a", true),
            (longest.as_str(), true),
            ("", false),
            ("1a", false),
            ("-a", false),
            ("a-", false),
            ("a--b", false),
            ("a_b", false),
            ("a.b", false),
        ] {
            assert_eq!(identifier("ReplicationGroupId", given, 40).is_ok(), good, "{given:?}");
        }
        assert!(identifier("ReplicationGroupId", &"a".repeat(41), 40).is_err());
        assert_eq!(identifier("ReplicationGroupId", "MyCache", 40).unwrap(), "mycache");
    }

    #[test]
    fn tokens_have_16_to_128_of_the_allowed_characters() {
        for (token, good) in [
            ("a".repeat(15), false),
            ("a".repeat(16), true),
            ("a".repeat(128), true),
            ("a".repeat(129), false),
            ("abcdefgh!&#$^<>-1234".to_owned(), true),
            ("abcdefghijklmnop@".to_owned(), false),
            ("abcdefghijklmnop/".to_owned(), false),
            ("abcdefghijklmnop ".to_owned(), false),
            ("äbcdefghijklmnopq".to_owned(), false),
        ] {
            assert_eq!(auth_token(&token).is_ok(), good, "{token:?}");
        }
    }

    #[test]
    fn retention_ends_at_35_days() {
        for (days, good) in [(-1, false), (0, true), (35, true), (36, false)] {
            assert_eq!(snapshot_retention(days).is_ok(), good, "{days}");
        }
    }

    #[test]
    fn tags_are_refused_as_aws_does() {
        let tag = |key: &str, value: &str| Tag { key: Some(key.to_owned()), value: Some(value.to_owned()) };
        let code = |given: &[Tag]| tags(given, &Tags::new()).map_err(|error| error.code);
        assert!(code(&[tag("showcore.io/owner", "ShowCoreCache/shop/redis")]).is_ok());
        for bad in [
            vec![tag("aws:x", "1")],
            vec![tag("", "1")],
            vec![tag("a", "1"), tag("a", "2")],
            vec![tag("a*", "1")],
            vec![tag("a", "1;2")],
            vec![tag(&"k".repeat(129), "1")],
            vec![tag("k", &"v".repeat(257))],
        ] {
            assert_eq!(code(&bad).unwrap_err(), "InvalidParameterValue", "{bad:?}");
        }
        let many: Vec<_> = (0..51).map(|n| tag(&format!("k{n}"), "v")).collect();
        assert_eq!(code(&many).unwrap_err(), "TagQuotaPerResourceExceeded");
        assert!(code(&many[..50]).is_ok());
    }
}
