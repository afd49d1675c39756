//! The errors that S3 answers with.

use http::{HeaderValue, StatusCode, header};
use s3s::{S3Error, S3ErrorCode};

/// An error with AWS's code and HTTP status, as
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
/// lists them.
pub fn refusal(code: &str, status: u16, message: impl Into<String>) -> S3Error {
    let code = S3ErrorCode::from_bytes(code.as_bytes()).unwrap_or_else(|| S3ErrorCode::Custom(code.into()));
    let mut error = S3Error::with_message(code, message.into());
    error.set_status_code(StatusCode::from_u16(status).expect("the statuses are HTTP's"));
    error
}

/// What the stand-in does not do, it says.
pub fn not_served(what: impl std::fmt::Display) -> S3Error {
    refusal("NotImplemented", 501, format!("aws-sim does not serve {what}"))
}

/// 400 for an argument that AWS does not take.
pub fn invalid_argument(message: impl Into<String>) -> S3Error {
    refusal("InvalidArgument", 400, message)
}

/// 400 for a body that is not what AWS's schema says.
pub fn malformed_xml() -> S3Error {
    refusal(
        "MalformedXML",
        400,
        "The XML you provided was not well-formed or did not validate against our published schema",
    )
}

/// 403 without a word more, as AWS does.
pub fn access_denied() -> S3Error {
    refusal("AccessDenied", 403, "Access Denied")
}

/// 404 for a bucket that nobody has.
pub fn no_such_bucket() -> S3Error {
    refusal("NoSuchBucket", 404, "The specified bucket does not exist")
}

/// 301 to the bucket's own region,
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html>.
pub fn other_region(region: &str) -> S3Error {
    let mut error = refusal(
        "PermanentRedirect",
        301,
        "The bucket you are attempting to access must be addressed using the specified endpoint. \
         Please send all future requests to this endpoint.",
    );
    error.set_headers(with("x-amz-bucket-region", region));
    error
}

/// An error's own headers. `s3s` then leaves out the content type.
pub fn with(name: &'static str, value: &str) -> http::HeaderMap {
    let mut headers = http::HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
    headers
}
