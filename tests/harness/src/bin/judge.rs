//! `cargo judge`: the end-to-end tests before another judge than our own stand-in, or with the operator as a pod.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use harness::judge::emulator::Emulator;
use harness::judge::suite::{Count, Suite};
use harness::judge::{self, guard, names, sign::Signer};
use harness::release::{self, RELEASE};
use harness::{ControlPlane, Error, Result, control_plane, image, rights, tools};
use tokio::process::Command;

/// Runs the end-to-end tests against another judge than our own stand-in, or with the operator as the chart's pod, and says of
/// each whether it passed, failed, or was skipped because that cannot serve it. Skipped ones are never counted as passed.
#[derive(Debug, Parser)]
#[command(name = "cargo judge", version)]
struct Arguments {
    /// moto and ministack are installed and started; `endpoint` is the one that `SHOWCORE_TEST_ENDPOINT` names (a URL, or
    /// `aws`), with the credentials of the standard AWS variables, in the account that `SHOWCORE_TEST_ACCOUNT` names; `pod` is our
    /// stand-in, and each test's operator runs as a release of the chart on a real node (it needs root), from the image.
    judge: Judge,
    /// Only tests with one of these in their names.
    filters: Vec<String>,
    /// Run the tests too that tests/e2e/judges.yaml lists as not served.
    #[arg(long)]
    include_listed: bool,
    /// Run nothing: remove what an earlier run at the endpoint, which was killed, has left. It said its id when it began.
    #[arg(long, value_name = "RUN")]
    sweep: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Judge {
    Moto,
    Ministack,
    Endpoint,
    Pod,
}

#[tokio::main]
async fn main() -> ExitCode {
    match judged(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn judged(arguments: Arguments) -> Result<bool> {
    match arguments.judge {
        Judge::Moto => before_emulator(Emulator::Moto, arguments).await,
        Judge::Ministack => before_emulator(Emulator::Ministack, arguments).await,
        Judge::Endpoint => at_endpoint(arguments).await,
        Judge::Pod => as_pods(arguments).await,
    }
}

fn suite(arguments: Arguments, environment: Vec<(&'static str, String)>) -> Suite {
    let (judge, lists): (_, &[_]) = match arguments.judge {
        Judge::Moto => ("moto", &["elsewhere", "moto"]),
        Judge::Ministack => ("ministack", &["elsewhere", "ministack"]),
        Judge::Endpoint => ("endpoint", &["elsewhere", "endpoint"]),
        Judge::Pod => ("pod", &["pod"]),
    };
    let logs = folder().join(judge);
    Suite { judge, lists, filters: arguments.filters, include_listed: arguments.include_listed, environment, logs }
}

/// Where logs go.
fn folder() -> PathBuf {
    // Without the way by which this file finds it.
    std::fs::canonicalize(tools::workspace()).unwrap_or_else(|_| tools::workspace().to_owned()).join("target/judge")
}

async fn before_emulator(emulator: Emulator, arguments: Arguments) -> Result<bool> {
    if arguments.sweep.is_some() {
        return Err(Error::Other("an emulator of ours leaves nothing that could be swept".to_owned()));
    }
    let folder = folder();
    std::fs::create_dir_all(&folder).map_err(|error| Error::Other(format!("{}: {error}", folder.display())))?;
    let running = emulator.start(&folder.join(format!("{}.log", emulator.name()))).await?;
    let mut environment = vec![(judge::ENDPOINT, running.url()), (judge::EMULATOR, emulator.name().to_owned())];
    // Its states pass at once, so what it does not reach soon it never does.
    if std::env::var_os(judge::PATIENCE).is_none() {
        environment.push((judge::PATIENCE, "30".to_owned()));
    }
    let suite = suite(arguments, environment);
    let control_plane = ControlPlane::shared().await?;
    let count = tokio::select! {
        count = suite.run(&control_plane) => count?,
        _ = tokio::signal::ctrl_c() => return Err(Error::Other("interrupted".to_owned())),
    };
    Ok(said(count))
}

async fn as_pods(arguments: Arguments) -> Result<bool> {
    if arguments.sweep.is_some() {
        return Err(Error::Other("pods leave nothing that could be swept".to_owned()));
    }
    for variable in ["SHOWCORE_TEST_KUBECONFIG", judge::ENDPOINT, judge::EMULATOR] {
        if std::env::var_os(variable).is_some() {
            return Err(Error::Other(format!("unset {variable}: pods run on a node of ours, before our own stand-in")));
        }
    }
    if let Some(missing) = control_plane::node_lacks() {
        return Err(Error::Other(format!("a real node {missing}")));
    }
    let all = arguments.filters.is_empty();
    let suite = suite(arguments, vec![(release::OPERATOR, "pod".to_owned())]);
    let image = image::archive()?;
    let control_plane = ControlPlane::shared_with_node().await?;
    control_plane.import_image(&image).await?;
    let before = control_plane.audit_log().len();
    let count = tokio::select! {
        count = suite.run(&control_plane) => count?,
        _ = tokio::signal::ctrl_c() => return Err(Error::Other("interrupted".to_owned())),
    };
    let passed = said(count);
    let allowed = rights::allowed(&release::manifests(control_plane.kubeconfig()).await?)?;
    let used = rights::used(control_plane.audit_log().get(before..).unwrap_or_default(), RELEASE, &allowed)?;
    let unused: Vec<_> = allowed.difference(&used).collect();
    println!(
        "{} of the chart's {} rights were used, and nothing that was asked for was denied",
        used.len(),
        allowed.len()
    );
    if all && !unused.is_empty() {
        println!("never used: {unused:#?}");
    }
    Ok(passed && (!all || unused.is_empty()))
}

async fn at_endpoint(arguments: Arguments) -> Result<bool> {
    let endpoint = std::env::var(judge::ENDPOINT).ok().filter(|endpoint| !endpoint.is_empty()).ok_or_else(|| {
        Error::Other(format!(
            "set {} to the endpoint's URL, or to `aws`, and {} to the account",
            judge::ENDPOINT,
            judge::ACCOUNT
        ))
    })?;
    let signer = Signer::of_the_user().await?;
    let account = guard::account(&endpoint, &signer).await?;
    if let Some(run) = &arguments.sweep {
        return sweep(&endpoint, run, &account).await;
    }
    let run = names::new_run();
    println!(
        "run {run} at {endpoint}, account {account}: what it makes is named {}… and tagged {}",
        names::prefix_of(&run),
        names::TAG
    );
    println!("should it be killed: cargo judge endpoint --sweep {run}");
    let suite = suite(arguments, vec![(judge::RUN, run.clone())]);
    let control_plane = ControlPlane::shared().await?;
    // The tests' processes end with the future, so what is swept after it is all there is.
    let count = tokio::select! {
        count = suite.run(&control_plane) => Some(count),
        _ = tokio::signal::ctrl_c() => None,
    };
    let swept = sweep(&endpoint, &run, &account).await?;
    match count {
        Some(count) => Ok(said(count?) && swept),
        None => Err(Error::Other("interrupted".to_owned())),
    }
}

/// Removes what the run has left. Whether nothing of it is left.
async fn sweep(endpoint: &str, run: &str, account: &str) -> Result<bool> {
    println!("removing what run {run} has left …");
    let mut command = Command::new(tools::python()?);
    command.arg(tools::workspace().join("tests/harness/judges/sweep.py")).arg(names::prefix_of(run)).arg(account);
    if endpoint != "aws" {
        command.env("AWS_ENDPOINT_URL", endpoint);
    }
    let status = command.status().await.map_err(|source| Error::Start { program: "python".to_owned(), source })?;
    Ok(status.success())
}

fn said(count: Count) -> bool {
    println!("{} passed, {} skipped (missing, not passed), {} failed", count.passed, count.skipped, count.failed);
    count.failed == 0
}
