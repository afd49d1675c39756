//! The ways other than `kubectl apply`: by Helm, and by Argo CD from Git.

use std::path::Path;
use std::time::{Duration, Instant};

use harness::{ArgoCd, ControlPlane, Error, Helm, Kubectl, OperatorOptions, Repository, Result, helm};

use crate::world::{NAMESPACE, note, show};

const RELEASE: &str = "showcore-operator";
const ESTATE: &str = "estate";
const PATH: &str = "examples/estate";
const PATIENCE: Duration = Duration::from_mins(2);

/// Installs the chart, and has the operator run as the release's Deployment says.
pub(crate) async fn helm(
    options: OperatorOptions,
    kubectl: &Kubectl,
    folder: &Path,
    since: Instant,
) -> Result<OperatorOptions> {
    let helm = Helm::new(&options.kubeconfig, NAMESPACE).await?;
    let values = folder.join("values.json");
    let text = helm::values(&options.endpoint, &options.region, &options.access_key).to_string();
    std::fs::write(&values, text).map_err(|source| Error::File { action: "write", path: values.clone(), source })?;
    let chart = std::fs::canonicalize(helm::chart()).map_err(|source| Error::File {
        action: "find",
        path: helm::chart(),
        source,
    })?;
    let output =
        helm.run(&["install", RELEASE, &chart.to_string_lossy(), "--values", &values.to_string_lossy()]).await?;
    show(&output);
    output.ok()?;
    note(since, "the chart is installed, its CRDs with it");
    note(
        since,
        "no kubelet runs here, so the Deployment's pods stay Pending: the operator runs on this machine, with the Deployment's \
         arguments and environment and the rights of its service account",
    );
    helm::as_deployed(options, kubectl, RELEASE, folder).await
}

/// Argo CD, and the repository that it follows.
pub(crate) struct Follower {
    argo: ArgoCd,
    repository: Repository,
}

impl Follower {
    /// Starts the real Argo CD, and makes a Git repository of the estate.
    pub(crate) async fn start(control_plane: &ControlPlane, since: Instant) -> Result<Self> {
        let argo = ArgoCd::start(control_plane).await?;
        let repository = Repository::of(PATH)?;
        note(since, &format!("Argo CD runs; the estate is in the Git repository {}", repository.path().display()));
        Ok(Self { argo, repository })
    }

    /// Has it follow the repository, until it has made the objects.
    pub(crate) async fn follow_estate(&self, since: Instant) -> Result<()> {
        self.argo.follow(ESTATE, self.repository.path(), PATH, NAMESPACE, &[]).await?;
        note(since, "an Application follows the repository");
        self.until("sync", "Synced", since).await
    }

    /// Waits until Argo CD, too, says that all of it is healthy.
    pub(crate) async fn until_healthy(&self, since: Instant) -> Result<()> {
        self.argo.refresh(ESTATE).await?;
        self.until("health", "Healthy", since).await
    }

    async fn until(&self, part: &str, expected: &str, since: Instant) -> Result<()> {
        let begun = Instant::now();
        loop {
            let application = self.argo.application(ESTATE).await?;
            let status = application["status"][part]["status"].as_str().unwrap_or_default();
            if status == expected {
                note(since, &format!("Argo CD says: {expected}"));
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                return Err(Error::Other(format!("after {PATIENCE:?} Argo CD says {status:?}\n{}", self.argo.logs())));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}
