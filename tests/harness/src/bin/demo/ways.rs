//! The ways other than `kubectl apply`: by Helm, and by Argo CD from Git.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness::release::RELEASE;
use harness::{
    ArgoCd, ControlPlane, Error, Helm, Kubectl, OperatorOptions, Repository, Result, control_plane, helm, image,
};
use serde_json::Value;

use crate::world::{NAMESPACE, note, show};

const ESTATE: &str = "estate";
const PATH: &str = "examples/estate";
const PATIENCE: Duration = Duration::from_mins(2);

/// An archive of the operator's image, where pods can run; nothing, and a word why, where they cannot.
pub(crate) async fn image() -> Result<Option<PathBuf>> {
    if let Some(missing) = control_plane::node_lacks() {
        println!("(pods need a real node, and that {missing}: the operator will run as a process)");
        return Ok(None);
    }
    let archive = tokio::task::spawn_blocking(image::archive).await;
    archive.map_err(|error| Error::Other(format!("the demo itself failed: {error}")))?.map(Some)
}

/// Installs the chart, and has the operator run as the release's Deployment says.
pub(crate) async fn helm(
    options: OperatorOptions,
    kubectl: &Kubectl,
    folder: &Path,
    since: Instant,
) -> Result<OperatorOptions> {
    install(&options, helm::values(&options.endpoint, &options.region, &options.access_key), folder, &[]).await?;
    note(since, "the chart is installed, its CRDs with it");
    note(
        since,
        "the Deployment's pods stay Pending without a kubelet: the operator runs on this machine, with the Deployment's arguments \
         and environment and the rights of its service account",
    );
    helm::as_deployed(options, kubectl, RELEASE, folder).await
}

/// Installs the chart, whose pods run from the image on the real node.
pub(crate) async fn helm_with_pods(
    options: &OperatorOptions,
    control_plane: &ControlPlane,
    image: &Path,
    folder: &Path,
    since: Instant,
) -> Result<()> {
    control_plane.import_image(image).await?;
    note(since, &format!("a real node runs, and has the image {}", image.display()));
    let host = control_plane.host_address().unwrap_or_default();
    let endpoint = options.endpoint.replace("127.0.0.1", host);
    let mut values = helm::values(&endpoint, &options.region, &options.access_key);
    values["image"] = serde_json::json!({ "pullPolicy": "Never" });
    install(options, values, folder, &["--wait", "--timeout", "120s"]).await?;
    note(since, "the chart is installed, and its pods run");
    Ok(())
}

async fn install(options: &OperatorOptions, values: Value, folder: &Path, more: &[&str]) -> Result<()> {
    let helm = Helm::new(&options.kubeconfig, NAMESPACE).await?;
    let path = folder.join("values.json");
    std::fs::write(&path, values.to_string()).map_err(|source| Error::File {
        action: "write",
        path: path.clone(),
        source,
    })?;
    let chart = std::fs::canonicalize(helm::chart()).map_err(|source| Error::File {
        action: "find",
        path: helm::chart(),
        source,
    })?;
    let (chart, path) = (chart.to_string_lossy(), path.to_string_lossy());
    let output = helm.run(&[&["install", RELEASE, &chart, "--values", &path], more].concat()).await?;
    show(&output);
    output.ok().map(drop)
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
