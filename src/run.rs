//! `showcore-operator run`: from its start, over its time as a standby and as the one that works, to its end.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use futures::future::join_all;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, ResourceExt, runtime::events::Reporter};
use showcore_operator::{
    aws::{self, Aws},
    backoff::Memory,
    context::{Clock, Context, Timing},
    fence::Fence,
    kinds,
    lease::{self, Election, Held, Lost},
    metrics::Metrics,
    passes::Passes,
    report::MANAGER,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::{
    LogFormat, Run,
    server::{self, Health, Readiness},
};

pub async fn run(arguments: Run) -> anyhow::Result<()> {
    log(arguments.log_format);
    let mut config =
        kube::Config::infer().await.context("no cluster: neither in-cluster configuration nor a kubeconfig")?;
    // A watch lives longer than a request; the client's own retries cover the rest.
    config.connect_timeout = Some(Duration::from_secs(10));
    let client = kube::Client::try_from(config.clone())?;
    let metrics = Arc::new(Metrics::default());
    let health = server::start(arguments.listen, metrics.clone()).await?;
    let stop = stopped();

    let fence = if arguments.leader_elect { Fence::closed() } else { Fence::open() };
    let election = arguments.leader_elect.then(|| election(&arguments, &client, &config, &fence)).transpose()?;
    let options = aws::Options {
        region: arguments.region,
        endpoint_url: arguments.endpoint_url,
        ca_bundle: arguments.ca_bundle,
        ..aws::Options::default()
    };
    let cluster_id = match arguments.cluster_id {
        Some(id) => id,
        None => kube_system_uid(&client).await?,
    };
    let context = Arc::new(Context {
        aws: Arc::new(Aws::load(options, &fence).await?),
        cluster_id,
        namespace: arguments.namespace,
        clock: arguments.clock_url.map_or(Clock::System, Clock::Remote),
        timing: Timing {
            poll: arguments.poll_interval,
            backoff_min: arguments.backoff_min,
            backoff_max: arguments.backoff_max,
            not_found_grace: arguments.not_found_grace,
            pass: Duration::from_mins(2),
        },
        reporter: Reporter { controller: MANAGER.to_owned(), instance: std::env::var("POD_NAME").ok() },
        client: fence.kubernetes(config, metrics.clone())?,
        metrics: metrics.clone(),
        memory: Arc::new(Memory::default()),
    });
    let mut held = None;
    if let Some(election) = election {
        let Some(lease) = election.acquire(&stop, || health.is(Readiness::Standby)).await else {
            tracing::info!("the operator has stopped; it stood by, and did nothing");
            return Ok(());
        };
        held = Some(lease);
    }
    metrics.leads(true);
    let code = lead(&context, held, &health, &stop, arguments.shutdown_timeout).await;
    // At once: a look-up of a name that hangs would hold up the orderly end.
    std::process::exit(code)
}

/// Works until it is told to stop, or until the lease is lost. Gives the exit code.
async fn lead(
    context: &Arc<Context>,
    mut held: Option<Held>,
    health: &Health,
    stop: &CancellationToken,
    shutdown_timeout: Duration,
) -> i32 {
    tracing::info!(version = env!("CARGO_PKG_VERSION"), cluster = context.cluster_id, "the operator runs");
    health.is(Readiness::Listing);
    let (mut running, mut listed, mut passes) = (Vec::new(), Vec::new(), Vec::new());
    for control in kinds::controllers(context, stop) {
        running.push(control.run);
        listed.push(control.listed);
        passes.push(control.passes);
    }
    let health = health.clone();
    // In one task, since a store's being listed wakes only one.
    let mut running = tokio::spawn(async move {
        let ready = async {
            join_all(listed).await;
            health.is(Readiness::Leading);
        };
        tokio::join!(join_all(running), ready)
    });
    let too_late = async {
        stop.cancelled().await;
        sleep(shutdown_timeout).await;
    };
    let mut code = 0;
    tokio::select! {
        _ = &mut running => {
            if stop.is_cancelled() {
                tracing::info!("the operator has stopped; every pass that had begun is finished");
            } else {
                tracing::error!("the watches have ended though nobody asked for it: please report this");
                code = 1;
            }
        }
        lost = keep(&mut held) => end_without_lease(&lost),
        () = too_late => {
            tracing::warn!(
                passes = unfinished(&passes).join(", "),
                "these passes have not ended within --shutdown-timeout and are given up; the next look goes on from what AWS has then"
            );
            running.abort();
        }
    }
    if let Some(held) = held {
        held.release().await;
    }
    code
}

/// Ends the process rather than going back to standing by: nothing of what it has in mind or under way can then act.
/// Kubernetes starts it again, as a standby that knows nothing yet.
fn end_without_lease(lost: &Lost) -> ! {
    tracing::error!(
        "the lease is lost ({lost}), so this process ends: nothing more is sent. Another works, or will soon"
    );
    std::process::exit(1)
}

/// Without an election there is nothing to lose.
async fn keep(held: &mut Option<Held>) -> Lost {
    match held {
        Some(held) => held.keep().await,
        None => std::future::pending().await,
    }
}

fn unfinished(passes: &[Arc<Passes>]) -> Vec<String> {
    passes.iter().flat_map(|passes| passes.running()).collect()
}

/// The lease of what we watch: two installations that watch different things do not keep each other waiting.
fn election(arguments: &Run, client: &kube::Client, config: &kube::Config, fence: &Fence) -> anyhow::Result<Election> {
    let timing = lease::Timing {
        duration: arguments.lease_duration,
        renew_deadline: arguments.lease_renew_deadline,
        retry: arguments.lease_retry,
    };
    timing.check().map_err(anyhow::Error::msg)?;
    let (namespace, name) = match (&arguments.namespace, &arguments.lease_namespace) {
        (Some(namespace), _) => (namespace, format!("{MANAGER}-of-namespace")),
        (None, Some(namespace)) => (namespace, MANAGER.to_owned()),
        (None, None) => (&config.default_namespace, MANAGER.to_owned()),
    };
    let process = ["POD_NAME", "HOSTNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let identity = format!("{}_{:016x}", process.as_deref().unwrap_or(MANAGER), rand::random::<u64>());
    tracing::info!(namespace, lease = name, identity, "asking for the lease");
    Ok(Election { api: Api::namespaced(client.clone(), namespace), name, identity, timing, fence: fence.clone() })
}

fn log(format: LogFormat) {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,kube_runtime=warn,aws_config=warn"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Json => log.json().flatten_event(true).with_span_list(false).init(),
        LogFormat::Pretty => log.init(),
    }
}

/// Cancelled on SIGTERM or SIGINT.
fn stopped() -> CancellationToken {
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        let mut terminate = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(terminate) => terminate,
            Err(error) => {
                tracing::error!(%error, "SIGTERM cannot be awaited");
                return;
            }
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        tracing::info!("stopping: no new pass begins, those that have begun are finished");
        cancel.cancel();
    });
    token
}

async fn kube_system_uid(client: &kube::Client) -> anyhow::Result<String> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let kube_system = namespaces
        .get("kube-system")
        .await
        .context("the cluster's id is the uid of the namespace kube-system, which cannot be read: give --cluster-id")?;
    kube_system.uid().context("the namespace kube-system has no uid")
}
