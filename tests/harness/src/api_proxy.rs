//! A proxy before the API server, on which a test's hook says what becomes of each request and of each event of a watch.
//!
//! TLS on both sides. Whoever asks, the requests go on as the kubeconfig's user: rights are tried elsewhere.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_sim::{Arrival, Hook, Outcome, Tls};
use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use kube::Client;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use crate::error::{Error, FileError as _, Result};

/// What becomes of an event that a watch tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It is passed on.
    Pass,
    /// It and what follows is held back for this time; then of each object only the newest is told.
    HeldBack(Duration),
    /// The watch ends with 410 Gone instead.
    Gone,
    /// The watch ends in the middle of the line.
    Half,
    /// Nothing more is told for this time, and then the connection is cut: as when TCP has noticed that nobody is there.
    Silence(Duration),
}

/// Stands between the operator and the API server.
pub trait ApiHook: Hook {
    /// Says what becomes of an event (one line of JSON) of this watch.
    fn told(&self, watch: &Arrival, event: &[u8]) -> Told;
}

/// A proxy to the API server. It ends when this is dropped, and its connections with it.
#[derive(Debug)]
pub struct ApiProxy {
    address: SocketAddr,
    task: JoinHandle<Infallible>,
}

type Answer = Response<UnsyncBoxBody<Bytes, std::io::Error>>;
/// The connection is cut without an answer, as the hook demands.
type Cut = std::io::Error;

/// One certificate for all proxies of the process: making one takes longer than a test's first request.
fn tls() -> Result<&'static Tls> {
    static TLS: OnceLock<std::result::Result<Tls, String>> = OnceLock::new();
    TLS.get_or_init(|| Tls::self_signed().map_err(|error| error.to_string()))
        .as_ref()
        .map_err(|error| Error::Other(error.clone()))
}

impl ApiProxy {
    /// A proxy to this client's API server, on a port of its own.
    pub async fn start(upstream: Client, hook: Arc<dyn ApiHook>) -> Result<Self> {
        let acceptor = tls()?.acceptor();
        let unusable = |error| Error::Other(format!("the proxy of the API server cannot listen: {error}"));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(unusable)?;
        let address = listener.local_addr().map_err(unusable)?;
        let task = tokio::spawn(async move {
            // The connections end with the listener: dropping the set aborts them.
            let mut connections = JoinSet::new();
            loop {
                while connections.try_join_next().is_some() {}
                let Ok((stream, _)) = listener.accept().await else { continue };
                let _ = stream.set_nodelay(true);
                let (upstream, hook, acceptor) = (upstream.clone(), hook.clone(), acceptor.clone());
                connections.spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(move |request| answer(upstream.clone(), hook.clone(), request));
                    let mut connection = http1::Builder::new();
                    connection.timer(TokioTimer::new());
                    // A connection that a fault cuts ends with an error.
                    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ok(Self { address, task })
    }

    /// How to reach it, for a client in this process.
    pub fn config(&self) -> Result<kube::Config> {
        let url = format!("https://{}", self.address);
        let mut config = kube::Config::new(url.parse().map_err(|error| Error::Other(format!("{url}: {error}")))?);
        config.root_cert = Some(vec![tls()?.ca_der()]);
        Ok(config)
    }

    /// Writes a kubeconfig that leads to it, for a process.
    pub fn write_kubeconfig(&self, file: &Path) -> Result<()> {
        use base64::Engine as _;
        let ca = base64::engine::general_purpose::STANDARD.encode(tls()?.ca_pem());
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "proxy", "cluster": { "server": format!("https://{}", self.address), "certificate-authority-data": ca } }],
            "users": [{ "name": "proxy", "user": {} }],
            "contexts": [{ "name": "proxy", "context": { "cluster": "proxy", "user": "proxy" } }],
            "current-context": "proxy",
        });
        std::fs::write(file, config.to_string()).file("write", file)
    }
}

impl Drop for ApiProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    upstream: Client,
    hook: Arc<dyn ApiHook>,
    request: Request<Incoming>,
) -> std::result::Result<Answer, Cut> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    // A task of its own: what a client began is finished even if the client dies meanwhile.
    tokio::spawn(met(upstream, hook, parts, body)).await.map_err(std::io::Error::other)?
}

async fn met(
    upstream: Client,
    hook: Arc<dyn ApiHook>,
    mut parts: Parts,
    body: Bytes,
) -> std::result::Result<Answer, Cut> {
    let arrival = arrival(&parts, &body);
    // The client's own: it names the proxy as its host.
    for name in [http::header::HOST, http::header::AUTHORIZATION, http::header::ACCEPT_ENCODING] {
        parts.headers.remove(name);
    }
    let watched = arrival.call.starts_with("WATCH ");
    let forwarded = Request::from_parts(parts, kube::client::Body::from(body.to_vec()));
    if !watched {
        let execute: BoxFuture<'static, _> = async move { whole(&upstream, forwarded).await }.boxed();
        return match hook.meet(arrival, execute).await {
            Outcome::Answered(answer) => Ok(full(answer)),
            Outcome::Refused { code, status, message } => Ok(full(refusal(&code, status, &message))),
            Outcome::Half(answer) => Ok(answer.map(|body| {
                let first = body.slice(..body.len() / 2);
                let cut = Err(std::io::Error::other("the wire is cut"));
                StreamBody::new(futures::stream::iter([Ok(Frame::data(first)), cut])).boxed_unsync()
            })),
            Outcome::Cut => Err(std::io::Error::other("the wire is cut")),
        };
    }
    // A watch is opened like any other request, and its events are told one by one.
    let opened = async move { Some(Response::new(Bytes::new())) }.boxed();
    match hook.meet(arrival.clone(), opened).await {
        Outcome::Answered(_) => {}
        Outcome::Refused { code, status, message } => return Ok(full(refusal(&code, status, &message))),
        Outcome::Half(_) | Outcome::Cut => return Err(std::io::Error::other("the wire is cut")),
    }
    let (head, body) = upstream.send(forwarded).await.map_err(std::io::Error::other)?.into_parts();
    let (sender, mut receiver) = mpsc::channel::<std::io::Result<Frame<Bytes>>>(16);
    tokio::spawn(tell(hook, arrival, body.into_data_stream().map(|data| data.map_err(std::io::Error::other)), sender));
    let lines = futures::stream::poll_fn(move |cx| receiver.poll_recv(cx));
    Ok(Response::from_parts(head, StreamBody::new(lines).boxed_unsync()))
}

/// Passes the events of a watch on, line by line, as the hook says of each.
async fn tell(
    hook: Arc<dyn ApiHook>,
    watch: Arrival,
    body: impl futures::Stream<Item = std::io::Result<Bytes>>,
    to: mpsc::Sender<std::io::Result<Frame<Bytes>>>,
) {
    let mut lines = std::pin::pin!(lines(body));
    let send = |line: Bytes| to.send(Ok(Frame::data(line)));
    loop {
        let line = tokio::select! {
            line = lines.next() => line,
            () = to.closed() => return,
        };
        let Some(line) = line else { return };
        match hook.told(&watch, &line) {
            Told::Pass => {
                if send(line).await.is_err() {
                    return;
                }
            }
            Told::HeldBack(time) => {
                let mut held = vec![line];
                let end = tokio::time::sleep(time);
                let mut end = std::pin::pin!(end);
                loop {
                    tokio::select! {
                        () = &mut end => break,
                        () = to.closed() => return,
                        line = lines.next() => match line {
                            Some(line) => held.push(line),
                            None => break,
                        },
                    }
                }
                for line in newest(held) {
                    if send(line).await.is_err() {
                        return;
                    }
                }
            }
            Told::Gone => {
                let gone = json!({ "type": "ERROR", "object": status("Expired", 410, "too old resource version") });
                let _ = send(format!("{gone}\n").into()).await;
                return;
            }
            Told::Half => {
                let _ = send(line.slice(..line.len() / 2)).await;
                return;
            }
            Told::Silence(time) => {
                let _ = tokio::time::timeout(time, to.closed()).await;
                let _ = to.send(Err(std::io::Error::other("the wire is cut"))).await;
                return;
            }
        }
    }
}

/// Whole lines, their ends included.
fn lines(body: impl futures::Stream<Item = std::io::Result<Bytes>>) -> impl futures::Stream<Item = Bytes> {
    let state = (Box::pin(body), BytesMut::new());
    futures::stream::unfold(state, |(mut body, mut buffer)| async move {
        loop {
            if let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                let line = buffer.split_to(end + 1).freeze();
                return Some((line, (body, buffer)));
            }
            buffer.extend_from_slice(&body.next().await?.ok()?);
        }
    })
}

/// Of each object the newest event, in the order in which they came.
fn newest(held: Vec<Bytes>) -> Vec<Bytes> {
    let uid = |line: &Bytes| {
        let event: Value = serde_json::from_slice(line).unwrap_or_default();
        event["object"]["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
    };
    let uids: Vec<_> = held.iter().map(uid).collect();
    let last = |(at, uid): (usize, &String)| !uids[at + 1..].contains(uid);
    let keep: Vec<_> = uids.iter().enumerate().map(last).collect();
    held.into_iter().zip(keep).filter_map(|(line, keep)| keep.then_some(line)).collect()
}

async fn whole(upstream: &Client, request: Request<kube::client::Body>) -> Option<Response<Bytes>> {
    let (mut head, body) = upstream.send(request).await.ok()?.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    // It is sent with a length now.
    head.headers.remove(http::header::TRANSFER_ENCODING);
    head.headers.remove(http::header::CONTENT_LENGTH);
    Some(Response::from_parts(head, body))
}

fn full(answer: Response<Bytes>) -> Answer {
    answer.map(|body| Full::new(body).map_err(|never| match never {}).boxed_unsync())
}

fn status(reason: &str, code: u16, message: &str) -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": code })
}

fn refusal(reason: &str, code: u16, message: &str) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from(status(reason, code, message).to_string()));
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    answer
}

/// A request in the API server's own words: `PATCH showcorebuckets/status` of an object.
/// <https://kubernetes.io/docs/reference/using-api/api-concepts/>
fn arrival(parts: &Parts, body: &[u8]) -> Arrival {
    let mut path: Vec<&str> = parts.uri.path().trim_matches('/').split('/').collect();
    // api/v1 or apis/group/version.
    path.drain(..if path.first() == Some(&"api") { 2 } else { 3.min(path.len()) });
    if path.len() > 2 && path[0] == "namespaces" {
        path.drain(..2);
    }
    let parameters: Value = serde_json::from_slice(body).unwrap_or_default();
    let resource = path.first().copied().unwrap_or_default();
    let named = ["metadata", "regarding"].iter().find_map(|of| parameters[*of]["name"].as_str());
    let object = path.get(1).copied().or(named).unwrap_or_default().to_owned();
    let query = parts.uri.query().unwrap_or_default();
    let watched = form_urlencoded::parse(query.as_bytes())
        .any(|(name, value)| name == "watch" && matches!(&*value, "1" | "true"));
    let verb = match parts.method.as_str() {
        "GET" if watched => "WATCH",
        "GET" if path.len() < 2 => "LIST",
        verb => verb,
    };
    let sub = path.get(2).map(|sub| format!("/{sub}")).unwrap_or_default();
    Arrival { call: format!("{verb} {resource}{sub}"), object, mutating: parts.method != http::Method::GET, parameters }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, uri: &str, body: &str) -> (String, String) {
        let (parts, ()) = Request::builder().method(method).uri(uri).body(()).unwrap().into_parts();
        let arrival = arrival(&parts, body.as_bytes());
        (arrival.call, arrival.object)
    }

    #[test]
    fn requests_have_the_api_servers_own_names() {
        let buckets = "/apis/showcore.io/v1alpha1/namespaces/ns/showcorebuckets";
        for (method, uri, body, call, object) in [
            ("PATCH", format!("{buckets}/shop/status"), "{}", "PATCH showcorebuckets/status", "shop"),
            ("GET", format!("{buckets}?limit=500"), "", "LIST showcorebuckets", ""),
            ("GET", format!("{buckets}?watch=true"), "", "WATCH showcorebuckets", ""),
            ("GET", "/api/v1/namespaces/ns/secrets/key".into(), "", "GET secrets", "key"),
            ("POST", "/api/v1/namespaces/ns/secrets".into(), r#"{"metadata": {"name": "key"}}"#, "POST secrets", "key"),
            (
                "POST",
                "/apis/events.k8s.io/v1/namespaces/ns/events".into(),
                r#"{"metadata": {"generateName": "x"}, "regarding": {"name": "shop"}}"#,
                "POST events",
                "shop",
            ),
            (
                "GET",
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/a.b".into(),
                "",
                "GET customresourcedefinitions",
                "a.b",
            ),
            ("GET", "/api/v1/namespaces/kube-system".into(), "", "GET namespaces", "kube-system"),
        ] {
            assert_eq!(request(method, &uri, body), (call.to_owned(), object.to_owned()), "{method} {uri}");
        }
    }

    #[test]
    fn of_what_was_held_back_each_objects_newest_is_told() {
        let event = |uid: &str, n: u8| {
            Bytes::from(format!("{{\"object\": {{\"metadata\": {{\"uid\": \"{uid}\"}}, \"n\": {n}}}}}\n"))
        };
        let told = newest(vec![event("a", 1), event("b", 1), event("a", 2)]);
        assert_eq!(told, [event("b", 1), event("a", 2)]);
    }

    #[tokio::test]
    async fn a_line_may_come_in_pieces() {
        let pieces = ["{\"a\"", ": 1}\n{\"b\": 2}\n{\"c\"", ": 3}\n"].map(|piece| Ok(Bytes::from(piece)));
        let told: Vec<_> = lines(futures::stream::iter(pieces)).collect().await;
        assert_eq!(told, ["{\"a\": 1}\n", "{\"b\": 2}\n", "{\"c\": 3}\n"]);
    }
}
