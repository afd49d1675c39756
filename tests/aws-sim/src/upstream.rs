//! Something else that answers instead of the stand-in: another emulator, or AWS. The stand-in then stands in front of it,
//! so that faults and the log of requests stay.

use async_trait::async_trait;
use bytes::Bytes;
use http::request::Parts;

/// How the panic of a back door begins where there is nothing behind it.
pub const NEEDS_STAND_IN: &str = "this test needs the stand-in itself";

/// A request on its way to the one who answers it.
#[derive(Debug)]
pub struct Forwarded {
    /// The service by its signing name: `rds`, `s3`, …
    pub service: String,
    /// The region of the credential scope.
    pub region: String,
    /// The access key it was signed with.
    pub access_key: String,
    /// The account that the stand-in takes the access key for.
    pub account: String,
    /// AWS's name of the operation.
    pub operation: String,
    /// Method, URL and headers as they came; S3's in path style.
    pub parts: Parts,
    /// The body as it came.
    pub body: Bytes,
}

/// Who answers instead of the stand-in.
#[async_trait]
pub trait Upstream: Send + Sync {
    /// Sends the request on and gives the answer; in words why there is none.
    async fn send(&self, request: Forwarded) -> Result<http::Response<Bytes>, String>;
}
