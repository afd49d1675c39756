//! Errors as AWS answers them.

/// An error that a family answers. Its HTTP status is looked up in AWS's model
/// by the code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct AwsError {
    /// AWS's error code, as it stands on the wire.
    pub code: String,
    /// What AWS says about it.
    pub message: String,
}

impl AwsError {
    /// An error of this code.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }

    /// What the stand-in does not know, answered with 501: never silently
    /// ignored. `what` names it.
    pub fn not_implemented(what: impl std::fmt::Display) -> Self {
        Self::new("NotImplemented", format!("aws-sim does not implement {what}"))
    }

    /// A mistake of the stand-in itself.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new("InternalFailure", message)
    }
}

/// The HTTP status of errors that every service can answer, which are in no
/// service's model:
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/CommonErrors.html>.
pub fn common_status(code: &str) -> Option<u16> {
    Some(match code {
        "NotImplemented" => 501,
        "InternalFailure" => 500,
        "ServiceUnavailable" => 503,
        "AccessDenied"
        | "AccessDeniedException"
        | "InvalidClientTokenId"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "OptInRequired"
        | "NotAuthorized"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException"
        | "ExpiredToken" => 403,
        "MalformedQueryString" => 404,
        "InvalidAction"
        | "InvalidParameterCombination"
        | "InvalidParameterValue"
        | "InvalidQueryParameter"
        | "MissingAction"
        | "MissingParameter"
        | "RequestExpired"
        | "Throttling"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "ValidationError"
        | "ValidationException"
        | "MalformedInput"
        | "SerializationException" => 400,
        _ => return None,
    })
}
