//! What a process that no longer holds the lease may still send: nothing (rule 12).
//!
//! Every request that a pass makes, to AWS or to the API server, goes through a [`Fence`], which is open until a moment
//! that lies before the lease's end. The clock is asked each time the request's future goes on, so also before each
//! retry, and after a connection was made: a process that was frozen finds the fence closed when it wakes, whatever it
//! was in the middle of. What is already in the kernel's hands cannot be taken back; for that there are the fresh reads
//! and the owner tags.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn},
    orchestrator::HttpRequest,
    result::ConnectorError,
};
use kube::client::{Body, ClientBuilder};
use nix::time::{ClockId, clock_gettime};
use tower::{
    BoxError,
    util::{MapFutureLayer, MapRequestLayer},
};

use crate::metrics::Metrics;

/// A moment: the time since the machine's start. This clock never jumps, and it goes on while a process is frozen and
/// while the machine is suspended. (Under a hypervisor that stops the whole machine, no clock of the machine's can.)
pub fn moment() -> Duration {
    // Linux has had this clock since 2.6.39. If it could not be read, nothing would be sent any more.
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::MAX, Duration::from)
}

/// Lets requests through until a moment. Clones are the same fence.
#[derive(Clone, Debug)]
pub struct Fence(Arc<AtomicU64>);

/// The fence is closed: this process does not hold the lease, and nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this process does not hold the lease (any more), so nothing is sent")]
pub struct Closed;

impl Fence {
    /// A fence that is closed until a lease is held.
    pub fn closed() -> Self {
        Self(Arc::new(AtomicU64::new(0)))
    }

    /// A fence that is never closed: for a process that needs no lease.
    pub fn open() -> Self {
        Self(Arc::new(AtomicU64::new(u64::MAX)))
    }

    /// Lets requests through until this moment.
    pub fn open_until(&self, end: Duration) {
        self.0.store(u64::try_from(end.as_nanos()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// Whether a request may be sent now.
    pub fn check(&self) -> Result<(), Closed> {
        let end = self.0.load(Ordering::SeqCst);
        if end == u64::MAX || moment() < Duration::from_nanos(end) { Ok(()) } else { Err(Closed) }
    }

    /// Lets a future go on only while the fence is open.
    pub async fn guard<F: Future>(&self, future: F) -> Result<F::Output, Closed> {
        let mut future = pin!(future);
        poll_fn(|cx| {
            self.check()?;
            future.as_mut().poll(cx).map(Ok)
        })
        .await
    }

    /// A client of the API server that sends nothing while the fence is closed, and counts what it sends.
    pub fn kubernetes(&self, config: kube::Config, metrics: Arc<Metrics>) -> kube::Result<kube::Client> {
        let fence = self.clone();
        let guarded = MapFutureLayer::new(move |future| {
            let fence = fence.clone();
            async move { fence.guard(future).await.unwrap_or_else(|closed| Err(BoxError::from(closed))) }
        });
        let fence = self.clone();
        let counted = MapRequestLayer::new(move |request: http::Request<Body>| {
            if fence.check().is_ok() {
                metrics.request(request.method().as_str());
            }
            request
        });
        Ok(ClientBuilder::try_from(config)?.with_layer(&counted).with_layer(&guarded).build())
    }

    /// An HTTP client for AWS's SDKs that sends nothing while the fence is closed.
    pub fn aws(&self, client: SharedHttpClient) -> SharedHttpClient {
        let fence = self.clone();
        http_client_fn(move |settings, components| {
            let inner = client.http_connector(settings, components);
            SharedHttpConnector::new(Fenced { fence: fence.clone(), inner })
        })
    }
}

#[derive(Debug)]
struct Fenced {
    fence: Fence,
    inner: SharedHttpConnector,
}

impl HttpConnector for Fenced {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (fence, inner) = (self.fence.clone(), self.inner.clone());
        HttpConnectorFuture::new(async move {
            let answer = fence.guard(async { inner.call(request).await }).await;
            // A user's error is not retried.
            answer.unwrap_or_else(|closed| Err(ConnectorError::user(closed.into())))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
    use aws_sim::{Fault, FaultKind};
    use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
    use axum::{Router, routing::get};

    use super::*;

    #[test]
    fn a_fence_is_open_until_its_moment() {
        let fence = Fence::closed();
        assert_eq!(fence.check(), Err(Closed));
        fence.open_until(moment() + Duration::from_mins(1));
        assert_eq!(fence.check(), Ok(()));
        fence.open_until(moment());
        assert_eq!(fence.check(), Err(Closed));
        assert_eq!(Fence::open().check(), Ok(()));
    }

    #[tokio::test]
    async fn rule_12_what_was_waiting_when_the_fence_closed_does_not_go_on() {
        let fence = Fence::open();
        let (connected, connection) = tokio::sync::oneshot::channel::<()>();
        let sent = AtomicBool::new(false);
        let mut request = pin!(fence.guard(async {
            connection.await.unwrap();
            sent.store(true, Ordering::SeqCst);
        }));
        assert!(futures::poll!(request.as_mut()).is_pending());
        fence.open_until(moment());
        connected.send(()).unwrap();
        assert_eq!(request.await, Err(Closed));
        assert!(!sent.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn rule_12_a_closed_fence_lets_no_aws_call_through_and_no_second_try() {
        const KEY: &str = "AKIASIM0123456789012";
        let sim = aws_sim::Sim::new(aws_sim::Options { speed: 0.0 });
        let server = sim.start(([127, 0, 0, 1], 0).into(), None).await.unwrap();
        let account = sim.account(KEY);
        let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        let fence = Fence::closed();
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .endpoint_url(server.endpoint())
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(KEY, "s", None, None, "test")))
            .sleep_impl(aws_smithy_async::rt::sleep::SharedAsyncSleep::new(
                aws_smithy_async::rt::sleep::TokioSleep::new(),
            ))
            .http_client(fence.aws(http.build_https()))
            .build();
        let client = aws_sdk_rds::Client::new(&config);
        let call = || client.describe_db_instances().send();
        assert!(call().await.is_err());
        assert_eq!(account.requests().len(), 0);

        fence.open_until(moment() + Duration::from_mins(1));
        assert!(call().await.is_ok());
        assert_eq!(account.requests().len(), 1);

        let kind = FaultKind::Error { code: "InternalError".into(), status: 500, message: String::new() };
        account.inject(Fault { service: "rds".into(), operation: "*".into(), times: u32::MAX, kind });
        let mut trying = pin!(call());
        while account.requests().len() < 2 {
            assert!(futures::poll!(trying.as_mut()).is_pending());
            tokio::task::yield_now().await;
        }
        fence.open_until(moment());
        assert!(trying.await.is_err());
        assert_eq!(account.requests().len(), 2);
    }

    #[tokio::test]
    async fn rule_12_a_closed_fence_lets_no_request_to_the_api_server_through() {
        let asked = Arc::new(AtomicU64::new(0));
        let counter = asked.clone();
        let version = serde_json::json!({ "major": "1", "minor": "35", "gitVersion": "v1.35.4", "gitCommit": "", "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "", "platform": "" });
        let answer = get(move || {
            counter.fetch_add(1, Ordering::SeqCst);
            async move { version.to_string() }
        });
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        let fence = Fence::closed();
        let metrics = Arc::new(Metrics::default());
        let config = kube::Config::new(format!("http://{address}").parse().unwrap());
        let client = fence.kubernetes(config, metrics.clone()).unwrap();
        assert!(client.apiserver_version().await.is_err());
        assert_eq!(asked.load(Ordering::SeqCst), 0);
        fence.open_until(moment() + Duration::from_mins(1));
        client.apiserver_version().await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        assert!(
            metrics.render().contains("showcore_kubernetes_requests_total{method=\"GET\"} 1"),
            "{}",
            metrics.render()
        );
    }
}
