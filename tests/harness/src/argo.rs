//! The real Argo CD: its controllers and its repository server, with a real Redis, before one control plane.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::command::{self, Output};
use crate::control_plane::in_background;
use crate::daemon::Daemon;
use crate::error::{Error, FileError as _, Result};
use crate::go_tools::{self, helm};
use crate::{ControlPlane, Kubectl, crds, tools};

const NAMESPACE: &str = "argocd";

/// Argo CD, for as long as it is wanted.
#[derive(Debug)]
pub struct ArgoCd {
    /// kubectl in Argo CD's namespace.
    pub kubectl: Kubectl,
    _sets: Daemon,
    _controller: Daemon,
    _repositories: Daemon,
    _redis: Daemon,
    folder: TempDir,
}

impl ArgoCd {
    /// Installs it on this control plane as its manifests do, with our health customizations, and starts it.
    pub async fn start(control_plane: &ControlPlane) -> Result<Self> {
        let argo = in_background(go_tools::argocd).await?;
        let helm = in_background(helm).await?;
        let kubectl = Kubectl::new(control_plane.kubeconfig(), NAMESPACE).await?;
        install(&kubectl, &argo.sources).await?;

        let temporary = std::env::temp_dir();
        let folder = tempfile::tempdir().file("make a folder in", &temporary)?;
        let place = folder.path();
        // What the repository server calls: Helm, Kustomize, and a script of its own.
        let programs = place.join("bin");
        std::fs::create_dir(&programs).file("make", &programs)?;
        for (name, program) in [("helm", helm), ("kustomize", in_background(go_tools::kustomize).await?)] {
            let link = programs.join(name);
            std::os::unix::fs::symlink(&program, &link).file("make", &link)?;
        }
        // A module's files cannot be run where Go keeps them.
        let script = programs.join("git-verify-wrapper.sh");
        std::fs::copy(argo.sources.join("hack/git-verify-wrapper.sh"), &script).file("write", &script)?;
        std::fs::set_permissions(&script, Permissions::from_mode(0o755)).file("change", &script)?;
        let mut path = programs.into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let empty = place.join("empty");
        std::fs::create_dir(&empty).file("make", &empty)?;
        let common = |command: &mut std::process::Command, role: &str| {
            command
                .env("ARGOCD_BINARY_NAME", role)
                .env("ARGOCD_GPG_ENABLED", "false")
                .env("ARGOCD_TLS_DATA_PATH", &empty)
                .env("ARGOCD_SSH_DATA_PATH", &empty)
                // "In the cluster" is where this kubeconfig says: we are outside.
                .env("ARGOCD_FAKE_IN_CLUSTER", "true")
                .env("KUBECONFIG", control_plane.kubeconfig())
                .env("HOME", place)
                .env("TMPDIR", place)
                .env("PATH", &path)
                .env("GIT_CONFIG_NOSYSTEM", "1");
        };

        let redis = Daemon::start(&redis()?, &place.join("redis.log"), |command, port| {
            command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]).current_dir(place);
        })
        .await?;
        let at_redis = format!("127.0.0.1:{}", redis.port);
        let metrics = crate::daemon::free_port()?.to_string();
        let repositories = Daemon::start(&argo.program, &place.join("repositories.log"), |command, port| {
            common(command, "argocd-repo-server");
            command.args(["--port", &port.to_string(), "--metrics-port", &metrics, "--redis", &at_redis]).args([
                "--disable-tls",
                "--client-ca-path",
                "",
                "--address",
                "127.0.0.1",
                "--metrics-address",
                "127.0.0.1",
            ]);
        })
        .await?;
        let at_repositories = format!("127.0.0.1:{}", repositories.port);
        let controller = Daemon::start(&argo.program, &place.join("controller.log"), |command, port| {
            common(command, "argocd-application-controller");
            command
                .args(["--repo-server", &at_repositories, "--repo-server-plaintext", "--redis", &at_redis])
                .args(["--namespace", NAMESPACE, "--metrics-port", &port.to_string()])
                // It looks at Git every three minutes otherwise.
                .args([
                    "--app-resync",
                    "5",
                    "--app-resync-jitter",
                    "0",
                    "--self-heal-timeout-seconds",
                    "1",
                    "--persist-resource-health",
                ])
                .arg("--kubeconfig")
                .arg(control_plane.kubeconfig());
        })
        .await?;
        let free = || Ok(format!("127.0.0.1:{}", crate::daemon::free_port()?));
        let (metrics, webhook): (String, String) = (free()?, free()?);
        let sets = Daemon::start(&argo.program, &place.join("sets.log"), |command, port| {
            common(command, "argocd-applicationset-controller");
            command
                .args(["--argocd-repo-server", &at_repositories, "--repo-server-plaintext", "--namespace", NAMESPACE])
                .args(["--metrics-addr", &metrics, "--webhook-addr", &webhook])
                .args(["--probe-addr", &format!("127.0.0.1:{port}")])
                .env("NAMESPACE", NAMESPACE);
        })
        .await?;
        Ok(Self { kubectl, _sets: sets, _controller: controller, _repositories: repositories, _redis: redis, folder })
    }

    /// The ends of its logs.
    pub fn logs(&self) -> String {
        ["repositories", "controller", "sets"]
            .map(|name| {
                let text = std::fs::read_to_string(self.folder.path().join(format!("{name}.log"))).unwrap_or_default();
                format!("--- {name}\n{}", crate::operator::tail(&text, 20))
            })
            .join("\n")
    }

    /// Has it follow this folder of a local Git repository, into a namespace.
    pub async fn follow(
        &self,
        name: &str,
        repository: &Path,
        path: &str,
        namespace: &str,
        sync_options: &[&str],
    ) -> Result<()> {
        let application = json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": { "name": name, "namespace": NAMESPACE },
            "spec": {
                "project": "default",
                "source": { "repoURL": format!("file://{}", repository.display()), "path": path, "targetRevision": "main" },
                "destination": { "server": "https://kubernetes.default.svc", "namespace": namespace },
                "syncPolicy": { "automated": { "prune": true, "selfHeal": true }, "syncOptions": sync_options },
            },
        });
        apply(&self.kubectl, &application.to_string()).await
    }

    /// The Application as Argo CD last wrote it.
    pub async fn application(&self, name: &str) -> Result<Value> {
        self.kubectl.run(&["get", "applications.argoproj.io", name, "-o", "json"]).await?.json()
    }

    /// Has it look at Git and the cluster now.
    pub async fn refresh(&self, name: &str) -> Result<()> {
        let refresh = "argocd.argoproj.io/refresh=hard";
        self.kubectl.run(&["annotate", "--overwrite", "applications.argoproj.io", name, refresh]).await?.ok().map(drop)
    }
}

/// What Argo CD's own command says of an object's health, by the customizations of this `argocd-cm`.
pub async fn health(object: &Path, config_map: &Path) -> Result<Output> {
    let argo = in_background(go_tools::argocd).await?;
    let (object, config_map) = (object.to_string_lossy(), config_map.to_string_lossy());
    let arguments = ["admin", "settings", "resource-overrides", "health", &object, "--argocd-cm-path", &config_map];
    let mut command = Command::new(&argo.program);
    command.args(arguments).env("ARGOCD_BINARY_NAME", "argocd").env("KUBECONFIG", "/dev/null");
    command::run(command, command::shown("argocd", &arguments), None).await
}

async fn install(kubectl: &Kubectl, sources: &Path) -> Result<()> {
    kubectl.run(&["create", "namespace", NAMESPACE]).await?.ok()?;
    let manifests = sources.join("manifests");
    for crd in ["application", "appproject", "applicationset"] {
        let path = manifests.join(format!("crds/{crd}-crd.yaml"));
        kubectl.run(&["apply", "--server-side", "-f", &path.to_string_lossy()]).await?.ok()?;
    }
    for part in ["cm", "cmd-params-cm", "gpg-keys-cm", "rbac-cm", "secret", "ssh-known-hosts-cm", "tls-certs-cm"] {
        let path = manifests.join(format!("base/config/argocd-{part}.yaml"));
        kubectl.run(&["apply", "-f", &path.to_string_lossy()]).await?.ok()?;
    }
    let health = tools::workspace().join("gitops/argocd/argocd-cm-patch.yaml");
    kubectl.run(&["patch", "configmap", "argocd-cm", "--patch-file", &health.to_string_lossy()]).await?.ok()?;
    let everything = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": { "name": "default", "namespace": NAMESPACE },
        "spec": {
            "sourceRepos": ["*"],
            "destinations": [{ "namespace": "*", "server": "*" }],
            "clusterResourceWhitelist": [{ "group": "*", "kind": "*" }],
        },
    });
    let everything = everything.to_string();
    crds::until_served(|| apply(kubectl, &everything)).await
}

async fn apply(kubectl: &Kubectl, text: &str) -> Result<()> {
    kubectl.run_with_input(&["apply", "-f", "-"], Some(text)).await?.ok().map(drop)
}

/// The machine's `redis-server`.
fn redis() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join("redis-server")).find(|path| path.is_file()).ok_or(
        Error::MissingTool {
            tool: "Redis",
            purpose: "run the real Argo CD",
            found: "there is no `redis-server`".to_owned(),
            needed: "it (on Debian and Ubuntu: apt-get install redis-server)",
        },
    )
}
