//! The two wire protocols that are driven by AWS's models.

pub mod json;
pub mod query;

use jiff::Timestamp;

/// An answer, encoded.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The body's media type.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

/// A time as AWS writes it: milliseconds, and `Z`.
fn iso_8601(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
