//! Errors, classified (rule 9), with a sentence that says what to do. AWS's own text is never shown: it can
//! carry request parameters (rule 11).

/// A reason (a CamelCase constant) and what to do next, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The reason.
    pub reason: &'static str,
    /// The sentence.
    pub message: String,
}

/// Makes a [`Note`].
pub fn note(reason: &'static str, message: impl Into<String>) -> Note {
    Note { reason, message: message.into() }
}

/// What an error calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Try again, with backoff and jitter.
    Retry,
    /// AWS is busy with the resource: look again soon. Not a failure.
    Wait,
    /// A human must act: said in a condition, and looked at again slowly.
    Stalled,
}

/// A failed call, ready to be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{call}: {message}")]
pub struct Failure {
    /// Service and operation: `rds:CreateDBInstance`.
    pub call: String,
    /// The code AWS or the API server answered; empty if there was no answer.
    pub code: String,
    /// What it calls for.
    pub class: Class,
    /// A CamelCase reason for a condition.
    pub reason: &'static str,
    /// What happened and what to do, in a sentence.
    pub message: String,
}

impl Failure {
    /// The failure of an AWS call, from its error code and HTTP status.
    pub fn aws(call: &str, code: Option<&str>, status: Option<u16>) -> Self {
        let code = code.unwrap_or_default();
        let (class, reason, advice) = classify(code, status);
        let message = if code.is_empty() {
            match status {
                Some(status) => format!("{call} was answered with HTTP {status}: {advice}"),
                None => format!("{call} was not answered: {advice}"),
            }
        } else {
            format!("{call} was answered with {code}: {advice}")
        };
        Self { call: call.to_owned(), code: code.to_owned(), class, reason, message }
    }

    /// The same failure, with what only AWS's text tells. The text itself is not kept.
    #[must_use]
    pub fn reading(mut self, text: &str) -> Self {
        // The same code stands for values that do not fit, and says that a human must act.
        // <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.ModifyingExisting.html>
        if self.code == "InvalidParameterCombination" && text.contains("previous storage change is being optimized") {
            self.class = Class::Retry;
            self.reason = "StorageRests";
            self.message = format!(
                "{}: AWS changes a database's storage again only six hours after the last change, or once that one is optimised; tried again by itself",
                self.call
            );
        }
        self
    }

    /// A failure that has its own class and sentence.
    pub fn own(call: &str, class: Class, reason: &'static str, message: impl Into<String>) -> Self {
        Self { call: call.to_owned(), code: String::new(), class, reason, message: message.into() }
    }

    /// The failure of a call to the API server.
    pub fn kubernetes(call: &str, error: &kube::Error) -> Self {
        let (code, class, message) = match error {
            kube::Error::Api(status) if status.is_conflict() => {
                (status.reason.clone(), Class::Wait, "the object changed meanwhile; looking again".to_owned())
            }
            kube::Error::Api(status) if status.is_forbidden() => (
                status.reason.clone(),
                Class::Stalled,
                format!(
                    "the operator's ServiceAccount may not do this ({call}): give it the rights that the chart gives, and the README \
                     lists"
                ),
            ),
            kube::Error::Api(status) if status.is_invalid() => (
                status.reason.clone(),
                Class::Stalled,
                "the API server does not accept it: a name may be too long, or the CRDs are older than the operator"
                    .to_owned(),
            ),
            kube::Error::Api(status) => (
                status.reason.clone(),
                Class::Retry,
                format!("the API server answered {} ({})", status.reason, status.code),
            ),
            _ => (String::new(), Class::Retry, "the API server was not reached; trying again".to_owned()),
        };
        Self { call: call.to_owned(), code, class, reason: "KubernetesError", message }
    }

    /// As a condition says it.
    pub fn note(&self) -> Note {
        note(self.reason, self.message.clone())
    }

    /// Whether AWS answered one of these codes.
    pub fn is(&self, codes: &[&str]) -> bool {
        codes.contains(&self.code.as_str())
    }
}

/// Class, reason and way out of an AWS error code.
///
/// Codes: <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/CommonErrors.html>,
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/CommonErrors.html>,
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>, and those of each operation.
fn classify(code: &str, status: Option<u16>) -> (Class, &'static str, String) {
    let say = |text: &str| text.to_owned();
    match code {
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestLimitExceeded"
        | "TooManyRequestsException"
        | "SlowDown"
        | "RequestThrottled" => (Class::Retry, "Throttled", say("AWS asks for fewer calls; trying again more slowly")),
        "InvalidDBInstanceState"
        | "InvalidDBInstanceStateFault"
        | "InvalidReplicationGroupState"
        | "InvalidCacheClusterState"
        | "InvalidDBSnapshotState"
        | "InvalidDBParameterGroupState"
        | "InvalidCacheParameterGroupState"
        | "InvalidSnapshotState"
        | "OperationAborted" => (Class::Wait, "Busy", say("AWS is at work on the resource; looking again")),
        "DBInstanceAlreadyExists"
        | "ReplicationGroupAlreadyExists"
        | "BucketAlreadyOwnedByYou"
        | "DBParameterGroupAlreadyExists"
        | "CacheParameterGroupAlreadyExists"
        | "DBSnapshotAlreadyExists"
        | "SnapshotAlreadyExistsFault"
        | "AlreadyExists" => (Class::Wait, "AlreadyExists", say("it is there already; looking whose it is")),
        "DBInstanceNotFound"
        | "DBInstanceNotFoundFault"
        | "ReplicationGroupNotFoundFault"
        | "CacheClusterNotFound"
        | "CacheParameterGroupNotFound"
        | "NoSuchBucket"
        | "TagNotFound"
        | "NoOperationFault" => (Class::Wait, "ChangedMeanwhile", say("it changed meanwhile; looking again")),
        "BucketAlreadyExists" => (
            Class::Stalled,
            "NotOurs",
            say(
                "a bucket of this name belongs to another AWS account, and bucket names are global: choose another bucketName",
            ),
        ),
        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        | "AuthFailure"
        | "NotAuthorized"
        | "OptInRequired"
        | "Forbidden" => (
            Class::Stalled,
            "AccessDenied",
            say(
                "the operator's role lacks this permission, or a policy denies it: the README lists the actions each kind needs",
            ),
        ),
        "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "InvalidAccessKeyId"
        | "MissingAuthenticationToken"
        | "IncompleteSignature" => (
            Class::Stalled,
            "CredentialsRefused",
            say(
                "AWS does not accept the operator's credentials: renew them, or check the role of its ServiceAccount and the clock",
            ),
        ),
        "InsufficientDBInstanceCapacity"
        | "InsufficientCacheClusterCapacity"
        | "InsufficientStorageClusterCapacity" => (
            Class::Stalled,
            "InsufficientCapacity",
            say(
                "AWS has no room for this class in the region now; tried again every few minutes. Choose another class or subnet group if it lasts",
            ),
        ),
        "KMSKeyNotAccessibleFault" | "KMS.DisabledException" | "InvalidKMSKeyFault" => (
            Class::Stalled,
            "KeyNotAccessible",
            say("AWS cannot use the encryption key: check that it exists and is enabled in this region"),
        ),
        "TooManyBuckets" => (
            Class::Stalled,
            "QuotaExceeded",
            say("the account's bucket quota is used up: raise it in Service Quotas, or delete buckets"),
        ),
        "BucketNotEmpty" => (Class::Wait, "BucketNotEmpty", say("objects were written meanwhile; looking again")),
        "MalformedPolicy" => (
            Class::Stalled,
            "PolicyRefused",
            say(
                "AWS does not accept the bucket policy: check that the principals of policy.statements and the ARNs under cloudTrail exist, \
                 and that the whole of it is not larger than 20 KB",
            ),
        ),
        "InvalidTargetBucketForLogging" => (
            Class::Stalled,
            "LoggingTargetRefused",
            say(
                "AWS does not accept logging.targetBucket: it must exist in the same account and region, without a default retention, and its \
                 policy must let the service logging.s3.amazonaws.com do s3:PutObject (policy.statements of that bucket)",
            ),
        ),
        "InvalidBucketState" => (
            Class::Stalled,
            "VersioningLocked",
            say("Object Lock needs versioning, and under it versioning cannot be suspended: set versioning: true"),
        ),
        _ if code.contains("Quota") || code.contains("LimitExceeded") => (
            Class::Stalled,
            "QuotaExceeded",
            say(
                "a quota of the AWS account is used up: raise it in Service Quotas, or remove what is not needed; tried again every few minutes",
            ),
        ),
        _ if status.is_some_and(|status| status >= 500)
            || code.starts_with("Internal")
            || code == "ServiceUnavailable" =>
        {
            (Class::Retry, "AWSUnavailable", say("AWS had a failure of its own; trying again"))
        }
        "RequestTimeout" | "RequestTimeTooSkewed" => {
            (Class::Retry, "AWSUnavailable", say("the call took too long; trying again"))
        }
        "" if status.is_some_and(|status| (200..300).contains(&status)) => (
            Class::Retry,
            "AnswerNotUnderstood",
            say(
                "the answer is not what AWS documents; trying again. If the endpoint is not AWS itself, it does not serve this call",
            ),
        ),
        "" => (Class::Retry, "AWSUnreachable", say("trying again; if it lasts, check the network and the endpoint")),
        _ if code.contains("NotFound") => (
            Class::Stalled,
            "NotFoundInAWS",
            say(
                "something the spec names (a subnet group, security group or parameter) is not in this account and region: create it or correct the spec",
            ),
        ),
        _ => (
            Class::Stalled,
            "Refused",
            say(
                "AWS does not accept these values together: compare class, version, storage and names in the spec with what the region offers",
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_09_storage_that_was_just_changed_is_tried_again_and_awss_text_is_not_kept() {
        let text = "You can't currently modify the storage of this DB instance because the previous storage change is being optimized. sg-secret";
        let refused = |code: &str| Failure::aws("rds:ModifyDBInstance", Some(code), Some(400)).reading(text);
        let rests = refused("InvalidParameterCombination");
        assert_eq!((rests.class, rests.reason), (Class::Retry, "StorageRests"));
        assert!(!rests.message.contains("sg-secret") && rests.message.contains("six hours"), "{rests}");
        assert_eq!(refused("InvalidParameterValue").reason, "Refused");
        let unfit = Failure::aws("rds:ModifyDBInstance", Some("InvalidParameterCombination"), Some(400)).reading("");
        assert_eq!((unfit.class, unfit.reason), (Class::Stalled, "Refused"));
    }

    #[test]
    fn rule_09_every_error_is_classified() {
        let table = [
            ("Throttling", Some(400), Class::Retry, "Throttled"),
            ("SlowDown", Some(503), Class::Retry, "Throttled"),
            ("InvalidDBInstanceState", Some(400), Class::Wait, "Busy"),
            ("DBInstanceAlreadyExists", Some(400), Class::Wait, "AlreadyExists"),
            ("DBInstanceNotFound", Some(404), Class::Wait, "ChangedMeanwhile"),
            ("BucketAlreadyExists", Some(409), Class::Stalled, "NotOurs"),
            ("AccessDenied", Some(403), Class::Stalled, "AccessDenied"),
            ("ExpiredToken", Some(403), Class::Stalled, "CredentialsRefused"),
            ("InstanceQuotaExceeded", Some(400), Class::Stalled, "QuotaExceeded"),
            ("StorageQuotaExceeded", Some(400), Class::Stalled, "QuotaExceeded"),
            ("NodeQuotaForCustomerExceeded", Some(400), Class::Stalled, "QuotaExceeded"),
            ("InsufficientDBInstanceCapacity", Some(400), Class::Stalled, "InsufficientCapacity"),
            ("DBSubnetGroupNotFoundFault", Some(404), Class::Stalled, "NotFoundInAWS"),
            ("InvalidParameterCombination", Some(400), Class::Stalled, "Refused"),
            ("InternalFailure", Some(500), Class::Retry, "AWSUnavailable"),
            ("", Some(502), Class::Retry, "AWSUnavailable"),
            ("", None, Class::Retry, "AWSUnreachable"),
            ("", Some(200), Class::Retry, "AnswerNotUnderstood"),
        ];
        for (code, status, class, reason) in table {
            let failure = Failure::aws("rds:CreateDBInstance", Some(code), status);
            assert_eq!((failure.class, failure.reason), (class, reason), "{code}");
        }
    }
}
