//! `/healthz`, `/readyz` and `/metrics`.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
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

/// What `/readyz` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Not yet: nothing is known of the lease.
    Starting,
    /// Ready to take the lease over. A Deployment's new pod must be ready before its old one is ended, and the old one
    /// holds the lease until then.
    Standby,
    /// It has the lease, and has not listed its objects yet.
    Listing,
    /// At work.
    Leading,
}

/// Tells `/readyz` what to say.
#[derive(Clone)]
pub struct Health(Arc<Shared>);

struct Shared {
    readiness: Mutex<Readiness>,
    metrics: Arc<Metrics>,
}

impl Health {
    /// What `/readyz` says from now on.
    pub fn is(&self, readiness: Readiness) {
        *self.0.readiness.lock().unwrap_or_else(PoisonError::into_inner) = readiness;
    }
}

/// Serves from now on, until the process ends.
pub async fn start(listen: SocketAddr, counters: Arc<Metrics>) -> anyhow::Result<Health> {
    let shared = Arc::new(Shared { readiness: Mutex::new(Readiness::Starting), metrics: counters });
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
    match *shared.readiness.lock().unwrap_or_else(PoisonError::into_inner) {
        Readiness::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
        Readiness::Standby => (StatusCode::OK, "standing by"),
        Readiness::Listing => (StatusCode::SERVICE_UNAVAILABLE, "listing"),
        Readiness::Leading => (StatusCode::OK, "ok"),
    }
}

/// <https://prometheus.io/docs/specs/om/open_metrics_spec/>
async fn metrics(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, OPEN_METRICS)], shared.metrics.render())
}
