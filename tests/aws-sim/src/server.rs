//! The HTTP side: listening, routing, faults, the log.
//!
//! A request is routed by the service in its `SigV4` credential scope.
//! Signatures are not verified: credentials only tell accounts apart.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::Body;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::call::uuid;
use crate::codec::{Encoded, query};
use crate::error::AwsError;
use crate::{Account, Sim, Tls};

mod control;
mod families;
mod foreign;
mod hooked;
mod objects;
mod scope;
#[cfg(test)]
mod tests;

use scope::Scope;

/// The greatest body taken: a test's objects are small.
const BODY_LIMIT: usize = 64 << 20;

/// A listening stand-in. It stops when this is dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub addr: SocketAddr,
    scheme: &'static str,
    task: JoinHandle<Infallible>,
}

impl Server {
    pub(crate) async fn start(sim: Sim, listen: SocketAddr, tls: Option<Tls>) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let addr = listener.local_addr()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let front = Front { s3: crate::s3::service(sim.clone()), sim, endpoint: url(scheme, addr) };
        let task = tokio::spawn(accept(listener, tls, front));
        Ok(Self { addr, scheme, task })
    }

    /// The URL for `AWS_ENDPOINT_URL`.
    pub fn endpoint(&self) -> String {
        url(self.scheme, self.addr)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Who sends a request: found in the extensions of each S3 request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The access key as it was sent.
    pub access_key: String,
    /// The id of its account.
    pub account: String,
    /// The region in the credential scope.
    pub region: String,
}

/// The connection is cut without an answer, as a fault demands.
#[derive(Debug, thiserror::Error)]
#[error("the answer is lost, as a fault demands")]
pub(crate) struct AnswerLost;

type Answer = Result<Response<Body>, AnswerLost>;

/// What every request needs.
#[derive(Clone)]
struct Front {
    sim: Sim,
    s3: crate::s3::Service,
    endpoint: String,
}

/// One request whose sender is known.
#[derive(Clone)]
struct Incomer {
    account: Account,
    scope: Scope,
    user_agent: String,
}

async fn accept(listener: TcpListener, tls: Option<Tls>, front: Front) -> Infallible {
    let tls = tls.map(|tls| tls.acceptor());
    // The connections end with the listener: dropping the set aborts them.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::task::yield_now().await;
                continue;
            }
        };
        // Answers are small and must not wait for a full packet.
        let _ = stream.set_nodelay(true);
        let (tls, front) = (tls.clone(), front.clone());
        connections.spawn(async move {
            match tls {
                None => serve(stream, front).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => serve(stream, front).await,
                    Err(error) => tracing::debug!(%error, "no TLS with this client"),
                },
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, front: Front) {
    let service = service_fn(move |request| {
        let front = front.clone();
        async move {
            let (parts, body) = read(request).await;
            let Some(body) = body else {
                return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large or broken"));
            };
            // A task of its own: what a client began is finished even if the
            // client dies meanwhile, as in AWS.
            match tokio::spawn(front.answer(parts, body)).await {
                Ok(answer) => answer,
                Err(error) => {
                    tracing::error!(%error, "a request failed");
                    Ok(plain(StatusCode::INTERNAL_SERVER_ERROR, "aws-sim panicked: see its log"))
                }
            }
        }
    });
    let served = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended");
    }
}

async fn read(request: http::Request<Incoming>) -> (http::request::Parts, Option<Bytes>) {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, BODY_LIMIT).collect().await;
    (parts, body.ok().map(http_body_util::Collected::to_bytes))
}

impl Front {
    async fn answer(self, parts: http::request::Parts, body: Bytes) -> Answer {
        if let Some(path) = parts.uri.path().strip_prefix("/_sim/") {
            return Ok(control::answer(&self.sim, &parts, path, &body));
        }
        let Some(scope) = Scope::of(&parts) else {
            return Ok(no_credentials(&parts));
        };
        let user_agent = parts.headers.get(http::header::USER_AGENT);
        let incomer = Incomer {
            account: self.sim.account(&scope.access_key),
            user_agent: user_agent
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
                .unwrap_or_default(),
            scope,
        };
        match incomer.account.hook() {
            Some(hook) => hooked::answer(hook.as_ref(), self, incomer, parts, body).await,
            None => self.answer_to(&incomer, parts, body).await,
        }
    }

    async fn answer_to(&self, incomer: &Incomer, parts: http::request::Parts, body: Bytes) -> Answer {
        if let Some(upstream) = self.sim.upstream() {
            foreign::answer(upstream, incomer, parts, body).await
        } else if incomer.scope.service == "s3" {
            objects::answer(&self.s3, incomer, parts, body).await
        } else {
            families::answer(&self.endpoint, incomer, &parts, &body).await
        }
    }
}

fn no_credentials(parts: &http::request::Parts) -> Response<Body> {
    let id = request_id();
    let form = parts.headers.contains_key("x-amz-target") || parts.uri.path() == "/";
    if form && parts.method == http::Method::POST {
        let error = AwsError::new("MissingAuthenticationToken", "Request is missing Authentication Token");
        return respond(403, query::encode_error(None, &error, 403, &id), &id);
    }
    objects::error("AccessDenied", 403, "Access Denied", &id)
}

fn respond(status: u16, encoded: Encoded, request_id: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(encoded.body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(encoded.content_type));
    if let Ok(value) = http::HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", value);
    }
    response
}

fn plain(status: StatusCode, text: impl Into<String>) -> Response<Body> {
    let mut response = Response::new(Body::from(text.into()));
    *response.status_mut() = status;
    response
}

fn request_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    uuid(&format!("request {}", COUNT.fetch_add(1, Ordering::Relaxed)))
}

fn url(scheme: &str, addr: SocketAddr) -> String {
    match addr {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => {
            format!("{scheme}://127.0.0.1:{}", addr.port())
        }
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => format!("{scheme}://[::1]:{}", addr.port()),
        addr => format!("{scheme}://{addr}"),
    }
}
