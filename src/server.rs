//! `/healthz`, `/readyz` and `/metrics`.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::Context as _;
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use showcore_operator::metrics::Metrics;

/// Tells `/readyz` when the operator is ready.
pub struct Health(Arc<Shared>);

struct Shared {
    ready: AtomicBool,
    metrics: Arc<Metrics>,
}

impl Health {
    /// From now on `/readyz` answers 200.
    pub fn ready(&self) {
        self.0.ready.store(true, Ordering::Relaxed);
    }
}

/// Serves from now on, until the process ends.
pub async fn start(listen: SocketAddr, counters: Arc<Metrics>) -> anyhow::Result<Health> {
    let shared = Arc::new(Shared { ready: AtomicBool::new(false), metrics: counters });
    let router = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(shared.clone());
    let listener = tokio::net::TcpListener::bind(listen).await.with_context(|| format!("--listen {listen}"))?;
    tracing::info!(address = %listener.local_addr()?, "serving /healthz, /readyz and /metrics");
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the health and metrics server ended");
        }
    });
    Ok(Health(shared))
}

async fn readyz(State(shared): State<Arc<Shared>>) -> (StatusCode, &'static str) {
    if shared.ready.load(Ordering::Relaxed) {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "starting")
    }
}

/// <https://prometheus.io/docs/specs/om/open_metrics_spec/>
async fn metrics(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, OPEN_METRICS)], shared.metrics.render())
}
