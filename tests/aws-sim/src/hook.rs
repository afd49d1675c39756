//! What a test puts on the wire before an account: it is handed every request, and says what becomes of it.
//!
//! A [`Fault`](crate::Fault) fails the next requests of an operation; a hook decides on each request by itself, knows its
//! object, may hold it, and may do something else meanwhile.

use bytes::Bytes;
use futures::future::BoxFuture;
use http::Response;
use serde_json::Value;

/// A request as it arrives.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Service and operation: `rds:CreateDBInstance`.
    pub call: String,
    /// The resource it is about, by its own name; empty if it names none.
    pub object: String,
    /// Whether the operation is one that can change something.
    pub mutating: bool,
    /// The decoded parameters, their secrets redacted.
    pub parameters: Value,
}

/// Executes the request; `None` if an ordered fault loses its answer. Not executed unless it is awaited.
pub type Execute = BoxFuture<'static, Option<Response<Bytes>>>;

/// What becomes of a request.
#[derive(Debug)]
pub enum Outcome {
    /// It is answered with this.
    Answered(Response<Bytes>),
    /// It is answered with this error, in the form of its service.
    Refused {
        /// The service's error code.
        code: String,
        /// The HTTP status.
        status: u16,
        /// The message.
        message: String,
    },
    /// Half of this is sent, then the connection is cut.
    Half(Response<Bytes>),
    /// The connection is cut without an answer.
    Cut,
}

impl Outcome {
    /// The answer, or a cut connection where there is none.
    pub fn of(answer: Option<Response<Bytes>>) -> Self {
        answer.map_or(Self::Cut, Self::Answered)
    }
}

/// Stands on the wire.
pub trait Hook: Send + Sync {
    /// Says what becomes of a request. It may execute it at any time, once, or not at all.
    fn meet(&self, arrival: Arrival, execute: Execute) -> BoxFuture<'_, Outcome>;
}

/// The resource that a request of the query or JSON protocol is about: what names it, by the operation's own members.
pub(crate) fn object(parameters: &Value) -> String {
    const NAMES: [&str; 10] = [
        "DBInstanceIdentifier",
        "ReplicationGroupId",
        "DBSnapshotIdentifier",
        "SnapshotName",
        "DBParameterGroupName",
        "CacheParameterGroupName",
        "CacheClusterId",
        "ResourceName",
        "KeyId",
        "Bucket",
    ];
    let named = NAMES.iter().find_map(|name| parameters[name].as_str()).unwrap_or_default();
    // An ARN ends with the name.
    named.rsplit(':').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_request_is_about_what_it_names() {
        assert_eq!(object(&json!({"DBInstanceIdentifier": "shop", "FinalDBSnapshotIdentifier": "last"})), "shop");
        assert_eq!(object(&json!({"ResourceName": "arn:aws:rds:eu-central-1:1:pg:shop-16"})), "shop-16");
        assert_eq!(object(&json!({"Other": 1})), "");
    }
}
