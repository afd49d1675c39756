//! `showcore-operator run` and `showcore-operator crds`.

mod server;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand, ValueEnum};
use futures::future::join_all;
use k8s_openapi::{api::core::v1::Namespace, jiff::SignedDuration};
use kube::{Api, ResourceExt, runtime::events::Reporter};
use showcore_operator::{
    aws::{self, Aws},
    backoff::Memory,
    context::{Clock, Context, Timing},
    field, kinds,
    metrics::Metrics,
    report::MANAGER,
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Turns ShowCoreDatabase, ShowCoreCache and ShowCoreBucket objects into encrypted AWS resources and watches them.
#[derive(Parser)]
#[command(version, about, args_override_self = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the operator, with the in-cluster configuration or the kubeconfig.
    Run(Box<Run>),
    /// Prints the CRDs as YAML.
    Crds,
    /// Prints the docs page of all fields, as Markdown.
    Fields,
}

#[derive(Args)]
struct Run {
    /// Watch, and write, in this namespace alone.
    #[arg(long, env = "SHOWCORE_NAMESPACE")]
    namespace: Option<String>,
    /// The cluster's id in owner tags; the uid of the namespace kube-system if absent. A restored cluster keeps its old one.
    #[arg(long, env = "SHOWCORE_CLUSTER_ID", value_parser = cluster_id)]
    cluster_id: Option<String>,
    /// AWS region; AWS_REGION and the profile if absent.
    #[arg(long)]
    region: Option<String>,
    /// One endpoint for all AWS services; AWS_ENDPOINT_URL and the profile if absent.
    #[arg(long)]
    endpoint_url: Option<String>,
    /// PEM file of further certificate authorities for AWS.
    #[arg(long, env = "AWS_CA_BUNDLE")]
    ca_bundle: Option<PathBuf>,
    /// Between two looks at a quiet store.
    #[arg(long, default_value = "60s", value_parser = duration)]
    poll_interval: Duration,
    /// First delay after a failure.
    #[arg(long, default_value = "1s", value_parser = duration)]
    backoff_min: Duration,
    /// Longest delay after a failure.
    #[arg(long, default_value = "5m", value_parser = duration)]
    backoff_max: Duration,
    /// How long AWS must not find a resource before that is believed.
    #[arg(long, default_value = "30s", value_parser = duration)]
    not_found_grace: Duration,
    /// Address of /healthz, /readyz and /metrics.
    #[arg(long, default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// Form of the log on standard error.
    #[arg(long, value_enum, default_value_t = LogFormat::Json)]
    log_format: LogFormat,
    /// Takes the time from this URL: for an AWS stand-in whose clock is not the world's.
    #[arg(long, hide = true)]
    clock_url: Option<http::Uri>,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Run(arguments) => run(*arguments).await,
        Command::Crds => crds(),
        Command::Fields => {
            print!("{}", field::page::render(&kinds::tables()));
            Ok(())
        }
    }
}

fn crds() -> anyhow::Result<()> {
    for crd in kinds::crds() {
        // Through JSON, whose maps are sorted: the files in crds/ stay comparable.
        let value = serde_json::to_value(&crd)?;
        print!("---\n{}", serde_saphyr::to_string(&value)?);
    }
    Ok(())
}

async fn run(arguments: Run) -> anyhow::Result<()> {
    log(arguments.log_format);
    let mut config =
        kube::Config::infer().await.context("no cluster: neither in-cluster configuration nor a kubeconfig")?;
    // A watch lives longer than a request; the client's own retries cover the rest.
    config.connect_timeout = Some(Duration::from_secs(10));
    let client = kube::Client::try_from(config)?;
    let metrics = Arc::new(Metrics::default());
    let health = server::start(arguments.listen, metrics.clone()).await?;
    let stop = stopped();

    let options =
        aws::Options { region: arguments.region, endpoint_url: arguments.endpoint_url, ca_bundle: arguments.ca_bundle };
    let cluster_id = match arguments.cluster_id {
        Some(id) => id,
        None => kube_system_uid(&client).await?,
    };
    let context = Arc::new(Context {
        aws: Arc::new(Aws::load(options).await?),
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
        client,
        metrics,
        memory: Arc::new(Memory::default()),
    });
    tracing::info!(version = env!("CARGO_PKG_VERSION"), cluster = context.cluster_id, "the operator runs");
    let (running, listed): (Vec<_>, Vec<_>) =
        kinds::controllers(&context, &stop).into_iter().map(|control| (control.run, control.listed)).unzip();
    let ready = async {
        join_all(listed).await;
        health.ready();
    };
    tokio::join!(join_all(running), ready);
    tracing::info!("the operator has stopped; every pass that had begun is finished");
    Ok(())
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

fn duration(text: &str) -> Result<Duration, String> {
    let parsed: SignedDuration = text.parse().map_err(|error| format!("{error} (write 60s, 5m or 300ms)"))?;
    Duration::try_from(parsed).map_err(|_| "a duration must not be negative".to_owned())
}

/// An AWS tag value: <https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html>.
fn cluster_id(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_alphanumeric() || "_.:/=+-@ ".contains(c);
    if (1..=256).contains(&text.chars().count()) && text.chars().all(allowed) {
        return Ok(text.to_owned());
    }
    Err("1 to 256 letters, digits, spaces and _ . : / = + - @: it becomes the value of an AWS tag".to_owned())
}
