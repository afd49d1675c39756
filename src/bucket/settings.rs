//! Settings of a bucket's spec that are read and written only where the spec has them, or had them.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the access to the bucket is logged.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerLogs.html>
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Logging {
    /// The bucket that takes the logs, of the same account and region; `{accountID}` and `{region}` are replaced. Its
    /// policy must let the service `logging.s3.amazonaws.com` do `s3:PutObject` (`policy.statements` of that bucket).
    #[schemars(length(min = 3, max = 90))]
    #[x_kube(validation = Rule::new("self.replace('{accountID}', '123456789012').replace('{region}', 'us-east-1').matches('^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$')")
        .message("logging.targetBucket is a bucket's name, in which {accountID} and {region} are replaced"))]
    pub target_bucket: String,
    /// Begins the keys of the logs: `web/`.
    #[serde(default)]
    #[schemars(length(max = 512))]
    pub target_prefix: String,
}

/// Keeps object versions from being deleted before their time. On alone (`{}`), it keeps those that are put with a
/// retention of their own; with `mode` and `days` or `years`, all new ones.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html>
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.mode) == (has(self.days) || has(self.years))")
        .message("objectLock: a default retention has a mode and days or years; without one, leave all of them out"),
    validation = Rule::new("!has(self.days) || !has(self.years)").message("objectLock: days or years, not both")
)]
pub struct ObjectLock {
    /// Who may end the retention of new objects early: whoever has the right to (`Governance`), or nobody, not even the
    /// account's root (`Compliance`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<LockMode>,
    /// Days that new objects are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 36_500))]
    pub days: Option<i32>,
    /// Years that new objects are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub years: Option<i32>,
}

/// Who may end a retention early.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum LockMode {
    /// Whoever has `s3:BypassGovernanceRetention`.
    Governance,
    /// Nobody, not even the account's root.
    Compliance,
}

/// A rule about scripts of other origins.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManageCorsUsing.html>
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CorsRule {
    /// Origins that may: `https://app.example.com`; one `*` in each at most.
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 256)))]
    #[x_kube(validation = Rule::new("self.all(one, one.indexOf('*') == one.lastIndexOf('*'))")
        .message("cors.allowedOrigins: each has one * at most"))]
    pub allowed_origins: Vec<String>,
    /// Methods that they may use.
    #[schemars(length(min = 1, max = 5))]
    pub allowed_methods: Vec<Method>,
    /// Headers that they may send; one `*` in each at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 128)))]
    #[x_kube(validation = Rule::new("self.all(one, one.indexOf('*') == one.lastIndexOf('*'))")
        .message("cors.allowedHeaders: each has one * at most"))]
    pub allowed_headers: Vec<String>,
    /// Headers that they may read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 128)))]
    #[x_kube(validation = Rule::new("self.all(one, !one.contains('*'))").message("cors.exposeHeaders: S3 takes no * here"))]
    pub expose_headers: Vec<String>,
    /// Seconds that browsers may keep the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31_536_000))]
    pub max_age_seconds: Option<i32>,
}

/// An HTTP method.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// `GET`.
    Get,
    /// `PUT`.
    Put,
    /// `HEAD`.
    Head,
    /// `POST`.
    Post,
    /// `DELETE`.
    Delete,
}

impl Method {
    /// HTTP's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}
