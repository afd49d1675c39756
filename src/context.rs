//! What a pass needs besides its object: clients, the clock, the settings.

use std::{sync::Arc, time::Duration};

use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client as HttpClient, rt::TokioExecutor};
use k8s_openapi::jiff::Timestamp;
use kube::runtime::events::Reporter;

use crate::{
    aws::Aws,
    backoff::Memory,
    decision::LookAgain,
    error::{Class, Failure},
    metrics::Metrics,
};

/// Shared by all passes.
#[derive(Clone)]
pub struct Context {
    /// The API server.
    pub client: kube::Client,
    /// AWS.
    pub aws: Arc<Aws>,
    /// The cluster's id, as owner tags carry it.
    pub cluster_id: String,
    /// Only this namespace is watched and written, if given.
    pub namespace: Option<String>,
    /// The clock of decisions.
    pub clock: Clock,
    /// How often, and how slowly.
    pub timing: Timing,
    /// In whose name Events are told.
    pub reporter: Reporter,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// What is remembered of the objects.
    pub memory: Arc<Memory>,
}

/// How often the operator looks, and how long it backs off.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Between two looks at a quiet store.
    pub poll: Duration,
    /// First delay after a failure.
    pub backoff_min: Duration,
    /// Longest delay after a failure, and between looks where a human must act.
    pub backoff_max: Duration,
    /// How long "not found" must last before it is believed.
    pub not_found_grace: Duration,
    /// How long one pass may take.
    pub pass: Duration,
}

impl Timing {
    /// The real time until the next look.
    pub fn until(&self, look: LookAgain) -> Duration {
        match look {
            LookAgain::Now => Duration::ZERO,
            LookAgain::Poll => self.poll,
            // A state of AWS's lasts minutes: a quarter of the poll interval sees its end soon enough.
            LookAgain::Soon => self.poll / 4,
            LookAgain::Slowly => self.backoff_max.max(self.poll),
        }
    }
}

/// Where decisions take `now` from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's.
    System,
    /// That of an AWS stand-in, read from this URL as RFC 3339 text. For tests and the demo.
    Remote(http::Uri),
}

impl Clock {
    /// Now.
    pub async fn now(&self) -> Result<Timestamp, Failure> {
        match self {
            Self::System => Ok(Timestamp::now()),
            Self::Remote(url) => read(url)
                .await
                .map_err(|error| Failure::own("clock", Class::Retry, "ClockUnreachable", error.to_string())),
        }
    }
}

async fn read(url: &http::Uri) -> anyhow::Result<Timestamp> {
    let client = HttpClient::builder(TokioExecutor::new()).build_http::<Empty<hyper::body::Bytes>>();
    let body = client.get(url.clone()).await?.into_body().collect().await?.to_bytes();
    Ok(std::str::from_utf8(&body)?.trim().parse()?)
}
