//! A bucket's tags.

use s3s::S3Result;
use s3s::dto::Tag;

use super::refusal::refusal;

/// AWS's limits on a bucket's tags,
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/CostAllocTagging.html>
/// and <https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html>.
pub fn checked(tags: Vec<Tag>) -> S3Result<Vec<(String, String)>> {
    let invalid = |message: &str| Err(refusal("InvalidTag", 400, message.to_owned()));
    let mut checked: Vec<(String, String)> = Vec::with_capacity(tags.len());
    for tag in tags {
        let (key, value) = (tag.key.unwrap_or_default(), tag.value.unwrap_or_default());
        if key.is_empty() || key.chars().count() > 128 || !key.chars().all(allowed) {
            return invalid("The TagKey you have provided is invalid");
        }
        if value.chars().count() > 256 || !value.chars().all(allowed) {
            return invalid("The TagValue you have provided is invalid");
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return invalid("System tags cannot be added/updated by requester");
        }
        if checked.iter().any(|(other, _)| *other == key) {
            return invalid("Cannot provide multiple Tags with the same key");
        }
        checked.push((key, value));
    }
    if checked.len() > 50 {
        return Err(refusal("BadRequest", 400, "Bucket tag count cannot be greater than 50"));
    }
    Ok(checked)
}

fn allowed(character: char) -> bool {
    character.is_alphanumeric() || character == ' ' || "_.:/=+-@".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str, value: &str) -> Tag {
        Tag { key: Some(key.to_owned()), value: Some(value.to_owned()) }
    }

    fn code(tags: Vec<Tag>) -> String {
        checked(tags).expect_err("refused").code().as_str().to_owned()
    }

    #[test]
    fn fifty_and_no_more() {
        let many = |count: usize| (0..count).map(|n| tag(&format!("k{n}"), "v")).collect();
        assert_eq!(checked(many(50)).expect("fifty are taken").len(), 50);
        assert_eq!(code(many(51)), "BadRequest");
    }

    #[test]
    fn what_aws_refuses() {
        assert_eq!(code(vec![tag("aws:reserved", "v")]), "InvalidTag");
        assert_eq!(code(vec![tag("", "v")]), "InvalidTag");
        assert_eq!(code(vec![tag(&"k".repeat(129), "v")]), "InvalidTag");
        assert_eq!(code(vec![tag("k", &"v".repeat(257))]), "InvalidTag");
        assert_eq!(code(vec![tag("a<b", "v")]), "InvalidTag");
        assert_eq!(code(vec![tag("same", "1"), tag("same", "2")]), "InvalidTag");
        assert!(checked(vec![tag("showcore.io/owner", "x=1 y@z"), tag("Größe", "")]).is_ok());
    }
}
