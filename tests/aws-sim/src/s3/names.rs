//! Which bucket names AWS takes.

use std::net::Ipv4Addr;

/// The rules of
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
/// for general purpose buckets in the shared global namespace.
pub fn valid(name: &str) -> bool {
    const PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
    const SUFFIXES: [&str; 6] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3", "-an"];
    let alphanumeric = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-'))
        && alphanumeric(bytes.first())
        && alphanumeric(bytes.last())
        && !name.contains("..")
        && name.parse::<Ipv4Addr>().is_err()
        && !PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        && !SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::valid;

    #[test]
    fn names_that_aws_takes() {
        for name in
            ["abc", "showcore-audit-logs-111122223333", "1.2.3", "my.example.bucket", "a-b", "1-2", &"a".repeat(63)]
        {
            assert!(valid(name), "{name}");
        }
    }

    #[test]
    fn names_that_aws_refuses() {
        for name in [
            "",
            "ab",
            "Upper",
            "under_score",
            "-start",
            "end-",
            ".start",
            "end.",
            "two..dots",
            "192.168.5.4",
            "xn--bucket",
            "sthree-bucket",
            "amzn-s3-demo-bucket",
            "bucket-s3alias",
            "bucket--ol-s3",
            "bucket.mrap",
            "bucket--usw2-az1--x-s3",
            "bucket--table-s3",
            "bucket-111122223333-eu-west-1-an",
            "space d",
            &"a".repeat(64),
        ] {
            assert!(!valid(name), "{name}");
        }
    }
}
