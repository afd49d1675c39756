//! What the demo runs on, and how it speaks.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use aws_sim::{Options, Server, Sim};
use harness::progress::elapsed;
use harness::{Aws, ControlPlane, Error, Kubectl, Operator, OperatorOptions, Output, Result, crds, operator, tools};
use tempfile::TempDir;

use crate::Way;
use crate::watch::Watch;
use crate::ways::{self, Follower};

/// The last 12 characters are the account's id.
const ACCESS_KEY: &str = "AKIASIM0123456789012";
pub(crate) const NAMESPACE: &str = "showcore";
const REGION: &str = "eu-central-1";

pub(crate) struct World {
    pub(crate) account: String,
    pub(crate) kubectl: Kubectl,
    pub(crate) aws: Aws,
    pub(crate) watch: Watch,
    pub(crate) since: Instant,
    argo: Option<Follower>,
    /// Nothing where it runs as pods.
    operator: Option<Operator>,
    log: PathBuf,
    server: Server,
    control_plane: ControlPlane,
    _folder: TempDir,
}

impl World {
    /// Builds and starts everything.
    pub(crate) async fn start(way: Way, speed: f64) -> Result<Self> {
        let since = Instant::now();
        blocking(tools::check).await?;
        heading("Building what is needed (on a first run this takes minutes; later runs find it)");
        let binary = build_operator().await?;
        // These say themselves what they build.
        blocking(|| tools::control_plane().map(|_| ())).await?;
        blocking(|| tools::python_env().map(|_| ())).await?;

        heading("Starting a Kubernetes control plane, the AWS stand-in and the operator");
        let image = if way == Way::Helm { ways::image().await? } else { None };
        let control_plane =
            if image.is_some() { ControlPlane::with_node().await? } else { ControlPlane::own().await? };
        note(since, &format!("the API server is ready at {}", control_plane.server()));
        let client = control_plane.client().await?;

        let sim = Sim::new(Options { speed });
        // Pods reach this machine at another address than its own programs do.
        let address = if image.is_some() { [0, 0, 0, 0] } else { [127, 0, 0, 1] };
        let server = sim
            .start((address, 0).into(), None)
            .await
            .map_err(|error| Error::Other(format!("the AWS stand-in cannot listen: {error}")))?;
        let endpoint = server.endpoint().replace("0.0.0.0", "127.0.0.1");
        let account = sim.account(ACCESS_KEY).id().to_owned();
        note(since, &format!("AWS is a stand-in at {endpoint}, account {account}, {speed} times as fast as AWS"));

        let kubectl = Kubectl::new(control_plane.kubeconfig(), NAMESPACE).await?;
        kubectl.run(&["create", "namespace", NAMESPACE]).await?.ok()?;
        let folder = tempfile::tempdir().map_err(|source| Error::File {
            action: "make a folder in",
            path: std::env::temp_dir(),
            source,
        })?;
        let log = folder.path().join("operator.log");
        let options = OperatorOptions {
            binary,
            kubeconfig: control_plane.kubeconfig().to_owned(),
            namespace: Some(NAMESPACE.to_owned()),
            cluster_id: "demo".to_owned(),
            access_key: ACCESS_KEY.to_owned(),
            endpoint: endpoint.clone(),
            region: REGION.to_owned(),
            bare: false,
            arguments: Vec::new(),
            environment: Vec::new(),
            log: log.clone(),
        };
        let mut argo = None;
        if way != Way::Helm {
            crds::install(&client).await?;
            note(since, "the CRDs are installed");
        }
        let operator = match (way, image) {
            (Way::Kubectl | Way::Argocd, _) => Some(options),
            (Way::Helm, None) => Some(ways::helm(options, &kubectl, folder.path(), since).await?),
            (Way::Helm, Some(image)) => {
                ways::helm_with_pods(&options, &control_plane, &image, folder.path(), since).await?;
                None
            }
        };
        let operator = match operator {
            Some(options) => {
                let operator = options.start().await?;
                note(since, &format!("the operator runs (pid {}), its log is {}", operator.pid(), log.display()));
                Some(operator)
            }
            None => None,
        };
        if way == Way::Argocd {
            argo = Some(Follower::start(&control_plane, since).await?);
        }
        Ok(Self {
            aws: Aws::new(ACCESS_KEY, &endpoint, REGION).await?,
            watch: Watch::start(&client, NAMESPACE),
            account,
            kubectl,
            since,
            argo,
            operator,
            log,
            server,
            control_plane,
            _folder: folder,
        })
    }

    /// The five stores: `kubectl apply`, or Argo CD's Application of them.
    pub(crate) async fn apply_estate(&self) -> Result<()> {
        heading("Applying the Phase 1 estate");
        if let Some(argo) = &self.argo {
            return argo.follow_estate(self.since).await;
        }
        let estate = tools::workspace().join("examples/estate");
        let estate =
            fs::canonicalize(&estate).map_err(|source| Error::File { action: "find", path: estate, source })?;
        let output = self.kubectl.run(&["apply", "-f", &estate.to_string_lossy()]).await?;
        show(&output);
        output.ok().map(|_| ())
    }

    /// Waits until whoever drives the stores says that they are well.
    pub(crate) async fn all_healthy(&self) -> Result<()> {
        match &self.argo {
            Some(argo) => argo.until_healthy(self.since).await,
            None => Ok(()),
        }
    }

    /// The operator must run: everything else waits for it.
    pub(crate) fn check_operator(&mut self) -> Result<()> {
        if self.operator.as_mut().is_none_or(Operator::running) {
            return Ok(());
        }
        Err(Error::Other(format!("the operator has ended; the end of its log:\n{}", self.log_tail())))
    }

    pub(crate) fn log_tail(&self) -> String {
        let log = self.operator.as_ref().map_or("(kubectl logs has it)".to_owned(), Operator::log);
        operator::tail(&log, 20)
    }

    pub(crate) fn say_elapsed(&self, what: &str) {
        println!("\n{what} {}.", elapsed(self.since));
    }

    /// How to go on by hand.
    pub(crate) fn invite(&self) {
        let program = |path: Result<PathBuf>| path.map(|path| path.display().to_string()).unwrap_or_default();
        let endpoint = self.server.endpoint().replace("0.0.0.0", "127.0.0.1");
        println!(
            "
All of it keeps running until Ctrl-C. To explore it, in another terminal:

  unset AWS_PROFILE AWS_SESSION_TOKEN
  export KUBECONFIG={kubeconfig}
  export AWS_ENDPOINT_URL={endpoint} AWS_DEFAULT_REGION={REGION} AWS_ACCESS_KEY_ID={ACCESS_KEY} AWS_SECRET_ACCESS_KEY=any
  alias kubectl={kubectl}
  alias aws={aws}

  kubectl get showcore -A
  kubectl -n {NAMESPACE} describe showcoredatabases
  kubectl -n {NAMESPACE} get events
  aws rds describe-db-instances
  aws s3api put-bucket-versioning --bucket showcore-backups-{account} --versioning-configuration Status=Suspended
  kubectl -n {NAMESPACE} get showcorebuckets --watch
  {log}",
            kubeconfig = self.control_plane.kubeconfig().display(),
            kubectl = program(tools::kubectl()),
            aws = program(tools::aws_cli()),
            account = self.account,
            log = match &self.operator {
                Some(_) => format!("tail -f {}", self.log.display()),
                None => format!("kubectl -n {NAMESPACE} logs -f deployment/showcore-operator"),
            },
        );
    }

    /// Returns only when the operator has ended, with an error.
    pub(crate) async fn stay(&mut self) -> Result<()> {
        loop {
            self.check_operator()?;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Ends all of it in order and waits for the end.
    pub(crate) async fn end(self) -> Result<()> {
        if let Some(operator) = self.operator {
            operator.terminate().await?;
        }
        self.control_plane.end().await;
        Ok(())
    }
}

/// Builds the operator, with cargo's own progress shown, and gives its path.
async fn build_operator() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["build", "--bin", "showcore-operator", "--message-format", "json-render-diagnostics"];
    let child = tokio::process::Command::new(cargo)
        .args(arguments)
        .current_dir(tools::workspace())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| Error::Start { program: "cargo build".to_owned(), source })?;
    let output =
        child.wait_with_output().await.map_err(|source| Error::Start { program: "cargo build".to_owned(), source })?;
    // One JSON message a line: https://doc.rust-lang.org/cargo/reference/external-tools.html
    let built = String::from_utf8_lossy(&output.stdout).lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let ours = message["reason"] == "compiler-artifact" && message["target"]["name"] == "showcore-operator";
        Some(PathBuf::from(ours.then(|| message["executable"].as_str()).flatten()?))
    });
    built.filter(|_| output.status.success()).ok_or_else(|| Error::Failed {
        command: "cargo build --bin showcore-operator".to_owned(),
        status: output.status.to_string(),
        output: "(shown above)".to_owned(),
    })
}

async fn blocking(work: impl FnOnce() -> Result<()> + Send + 'static) -> Result<()> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Other(format!("the demo itself failed: {error}")))?
}

/// Begins a part of the story.
pub(crate) fn heading(text: &str) {
    println!("\n== {text}");
}

/// A line with the time since the start.
pub(crate) fn note(since: Instant, text: &str) {
    println!("[{:>7}] {text}", elapsed(since));
}

/// A command and its answer.
pub(crate) fn show(output: &Output) {
    println!("$ {}", output.command);
    for line in output.stdout.lines().chain(output.stderr.lines()) {
        println!("  {line}");
    }
}
