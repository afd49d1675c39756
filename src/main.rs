//! `showcore-operator run` and `showcore-operator crds`.

mod run;
mod server;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use k8s_openapi::jiff::SignedDuration;
use showcore_operator::{field, kinds};

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
    /// Work only while holding a Lease, so that of several replicas one works and the others stand by.
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    leader_elect: bool,
    /// Namespace of the Lease; if absent, the pod's own, or with --namespace that one.
    #[arg(long, conflicts_with = "namespace")]
    lease_namespace: Option<String>,
    /// How long the others wait for a sign of the Lease's holder before one takes it over.
    #[arg(long, default_value = "15s", value_parser = duration)]
    lease_duration: Duration,
    /// How long the Lease's holder tries to renew it before it ends.
    #[arg(long, default_value = "10s", value_parser = duration)]
    lease_renew_deadline: Duration,
    /// Between two tries to get or to renew the Lease.
    #[arg(long, default_value = "2s", value_parser = duration)]
    lease_retry: Duration,
    /// How long passes that have begun may take once the operator is told to end: less than the pod's grace period.
    #[arg(long, default_value = "25s", value_parser = duration)]
    shutdown_timeout: Duration,
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
        Command::Run(arguments) => run::run(*arguments).await,
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
