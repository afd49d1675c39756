//! S3: buckets, their settings and objects.
//!
//! The protocol is the crate `s3s`'s. Around it ([`wire`], [`served`]) stands
//! what `s3s` 0.14 does not do: it passes over parameters that it does not
//! know, which is refused here with 501; it would verify signatures, so each
//! request is unsigned (and its chunks decoded) before `s3s` sees it; and it
//! lacks two members that SDKs send, `Tags` of `CreateBucket` and
//! `BlockedEncryptionTypes`, which are carried around it. Behaviour is in
//! [`bucket`], [`objects`], [`listing`], [`policy`], [`names`] and [`tags`];
//! [`handlers`], [`lists`] and [`transfers`] turn it into answers.
//!
//! Not evaluated: IAM and bucket policies. An account reaches its own buckets
//! and no others, over HTTP as over HTTPS.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3Error, S3Result};

use crate::Sim;
use crate::call::uuid;

pub mod bucket;
mod chunked;
mod encryption;
mod handlers;
pub mod lifecycle;
mod listing;
mod lists;
pub mod lock;
mod names;
pub mod objects;
pub mod policy;
mod refusal;
mod served;
mod settings;
mod sharing;
mod tags;
mod transfers;
mod wire;

pub use bucket::{Bucket, Buckets};
pub use served::to_path_style;

/// The S3 of a stand-in.
#[derive(Clone)]
pub struct Service {
    sim: Sim,
    s3s: S3Service,
}

/// The S3 service. Who calls is in the request's extensions:
/// [`crate::server::Caller`].
pub fn service(sim: Sim) -> Service {
    let mut builder = S3ServiceBuilder::new(handlers::Handlers { sim: sim.clone() });
    builder.set_validation(served::AnyName);
    Service { sim, s3s: builder.build() }
}

/// AWS's name of the operation of an S3 request.
pub fn operation(parts: &Parts) -> String {
    served::Target::of(parts).operation
}

/// The body of a request without the coding `aws-chunked`, whose headers go; nothing if it breaks off.
pub fn plain_body(parts: &mut Parts, body: Bytes) -> Option<Bytes> {
    wire::unchunk(parts, body).ok()
}

impl Service {
    /// Answers one request.
    pub async fn call(&self, request: http::Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let method = parts.method.clone();
        let target = served::Target::of(&parts);
        let answer = match self.answer(&target.operation, parts, body).await {
            Ok(response) => response,
            Err(error) => error.to_http_response().unwrap_or_else(|error| {
                tracing::error!(%error, "an S3 error could not be written");
                let mut response = Response::new(Body::empty());
                *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
                response
            }),
        };
        wire::finish(&method, target.bucket.as_deref(), answer, &request_id()).await
    }

    async fn answer(&self, operation: &str, mut parts: Parts, mut body: Body) -> S3Result<Response<Body>> {
        let Some(sender) = parts.extensions.get::<crate::server::Caller>() else {
            return Err(refusal::access_denied());
        };
        let caller = bucket::Caller {
            account: sender.account.clone(),
            region: sender.region.clone(),
            now: self.sim.account(&sender.access_key).now(),
        };
        let body = body
            .store_all_limited(usize::MAX)
            .await
            .map_err(|error| refusal::refusal("IncompleteBody", 400, error.to_string()))?;
        let body = wire::prepare(operation, &mut parts, body)?;
        parts.extensions.insert(caller);
        let request = http::Request::from_parts(parts, Body::from(body));
        self.s3s.call(request).await.map_err(|error| {
            let error: Box<dyn std::error::Error + Send + Sync> = error.into();
            S3Error::with_source(s3s::S3ErrorCode::InternalError, error)
        })
    }
}

/// Sixteen digits and letters, as S3's are.
fn request_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let id = uuid(&format!("S3 request {count}")).replace('-', "");
    id[..16].to_ascii_uppercase()
}
