//! The log of all requests of an account.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Members that carry a secret in one of the APIs served.
const SECRETS: [&str; 4] = ["MasterUserPassword", "AuthToken", "TdeCredentialPassword", "Plaintext"];
/// The operations that change nothing, by the first word of their name.
const READING: [&str; 10] =
    ["Describe", "List", "Get", "Head", "Encrypt", "Decrypt", "GenerateDataKey", "Sign", "Verify", "Unknown"];

/// One request, as it was understood and answered.
#[derive(Clone, Debug, Serialize)]
pub struct Request {
    /// When, on the account's virtual clock.
    pub at: Timestamp,
    /// The service by its signing name: `rds`, `s3`, …
    pub service: String,
    /// AWS's name of the operation.
    pub operation: String,
    /// The region of the credential scope.
    pub region: String,
    /// The decoded parameters. A secret is replaced by `[redacted]`, and
    /// `secret_digest` beside it is the SHA-256 of it in hex.
    pub parameters: Value,
    /// The AWS error code, if it was answered with one; `(answer lost)` if the
    /// connection was cut by a fault instead.
    pub error: Option<String>,
    /// The HTTP status.
    pub status: u16,
    /// Whether the operation is one that can change something.
    pub mutating: bool,
    /// The client's `User-Agent`.
    pub user_agent: String,
}

/// Whether an operation of this name can change something.
pub fn is_mutating(operation: &str) -> bool {
    !READING.iter().any(|word| operation.starts_with(word))
}

/// The parameters without their secrets.
pub fn redact(parameters: &Value) -> Value {
    match parameters {
        Value::Object(members) => {
            let mut redacted = Map::new();
            for (name, value) in members {
                match value.as_str().filter(|_| SECRETS.contains(&name.as_str())) {
                    Some(secret) => {
                        redacted.insert(name.clone(), "[redacted]".into());
                        redacted.insert("secret_digest".into(), digest(secret).into());
                    }
                    None => {
                        redacted.insert(name.clone(), redact(value));
                    }
                }
            }
            Value::Object(redacted)
        }
        Value::Array(values) => Value::Array(values.iter().map(redact).collect()),
        other => other.clone(),
    }
}

/// SHA-256 in hex.
pub fn digest(text: &str) -> String {
    use std::fmt::Write as _;
    Sha256::digest(text).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_leave_only_their_digest() {
        let logged = redact(&json!({"MasterUserPassword": "abc", "Other": ["abc"]}));
        assert_eq!(
            logged,
            json!({
                "MasterUserPassword": "[redacted]",
                "secret_digest": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                "Other": ["abc"],
            })
        );
    }

    #[test]
    fn reading_is_not_mutating() {
        for operation in ["DescribeDBInstances", "ListTagsForResource", "GetBucketPolicy", "HeadBucket"] {
            assert!(!is_mutating(operation), "{operation}");
        }
        for operation in ["CreateDBInstance", "PutBucketPolicy", "DeleteBucket", "AddTagsToResource"] {
            assert!(is_mutating(operation), "{operation}");
        }
    }
}
