//! A real Kubernetes control plane, shared by all test binaries of a run or one's own.
//!
//! Test binaries have no common end, so a supervisor (tests/control-plane/supervise.go) owns the
//! control plane: it starts with the first user, who holds a connection to its socket, and ends some
//! time after the last connection was closed, be it by the kernel because the user was killed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde::Deserialize;
use serde_json::json;

use crate::cache::{self, Lock};
use crate::error::{Error, FileError as _, KubeError as _, Result};
use crate::progress::Progress;
use crate::{crds, release, tools};

/// A running control plane, which stays at least until this is dropped.
#[derive(Debug)]
pub struct ControlPlane {
    access: Access,
    /// Held open while we use it; nothing for a cluster of the user's.
    _connection: Option<UnixStream>,
    own: bool,
}

/// What the supervisor tells its users.
#[derive(Debug, Clone, Deserialize)]
struct Access {
    kubeconfig: PathBuf,
    server: String,
    #[serde(default, rename = "auditLog")]
    audit_log: Option<PathBuf>,
    containerd: Option<PathBuf>,
    #[serde(rename = "hostAddress")]
    host_address: Option<String>,
    #[serde(default)]
    pids: Vec<i32>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Ready(Access),
    Failed { error: String },
}

/// How long the supervisor of a shared control plane stays after its last user: `cargo test` runs
/// test binaries one after the other, and compiles nothing in between.
const LINGER: &str = "15s";

/// How the names of the ones that nobody shares begin.
const OWN: &str = "own-";

/// How long it waits for us to connect, should we be killed before we do.
const PATIENCE: &str = "10s";

impl ControlPlane {
    /// The control plane that all users of this checkout share, started if it is not running. It has
    /// the CRDs of the checkout; who changes them asks for [`ControlPlane::own`].
    ///
    /// With `SHOWCORE_TEST_KUBECONFIG` it is the cluster that this file names: the CRDs are applied
    /// to it, and the namespaces that tests make stay in it.
    pub async fn shared() -> Result<Self> {
        match std::env::var_os("SHOWCORE_TEST_KUBECONFIG") {
            Some(path) if !path.is_empty() => Self::of_the_user(Path::new(&path))?.with_crds().await,
            _ if release::as_pods() => Self::shared_with_node().await,
            _ => Self::shared_by("", Vec::new()).await,
        }
    }

    /// The same with a real node and an audit log: what `cargo judge pod` and its tests share.
    pub async fn shared_with_node() -> Result<Self> {
        Self::shared_by("node-", in_background(node).await?).await
    }

    async fn shared_by(prefix: &'static str, options: Vec<OsString>) -> Result<Self> {
        // Its folder's name says what it depends on, so that other checkouts, other versions
        // and other CRDs get another one.
        let crds = crds::files()?;
        let workspace = fs::canonicalize(tools::workspace()).file("find", tools::workspace())?;
        in_background(move || {
            let programs = tools::control_plane()?;
            let name = cache::fingerprint(
                [programs.fingerprint().as_bytes(), workspace.as_os_str().as_encoded_bytes()]
                    .into_iter()
                    .chain(crds.iter().map(|(_, text)| text.as_slice())),
            );
            let options = [vec!["--linger".into(), LINGER.into()], options].concat();
            Self::connect(&format!("{prefix}{name}"), &options)
        })
        .await?
        .with_crds()
        .await
    }

    async fn with_crds(self) -> Result<Self> {
        crds::install(&self.client().await?).await?;
        Ok(self)
    }

    /// A control plane of one's own, without any CRD, which ends when this is dropped.
    pub async fn own() -> Result<Self> {
        Self::own_with(Vec::new()).await
    }

    /// The same, and its API server writes each request down: see [`ControlPlane::audit_log`].
    pub async fn own_audited() -> Result<Self> {
        Self::own_with(vec!["--audit".into()]).await
    }

    /// An audited one with one real node, on which pods run. It needs root and packages of Debian's, and a machine has one at
    /// a time: the next one waits.
    pub async fn with_node() -> Result<Self> {
        Self::own_with(in_background(node).await?).await
    }

    async fn own_with(options: Vec<OsString>) -> Result<Self> {
        in_background(move || {
            let options = [vec!["--linger".into(), "0s".into()], options].concat();
            Self::connect(&format!("{OWN}{:016x}", rand::random::<u64>()), &options)
        })
        .await
    }

    /// The address at which pods reach this machine; nothing without a node.
    pub fn host_address(&self) -> Option<&str> {
        self.access.host_address.as_deref()
    }

    /// Gives the node the images of an archive.
    pub async fn import_image(&self, archive: &Path) -> Result<()> {
        let socket = self.access.containerd.clone().ok_or_else(|| Error::Other("there is no node".to_owned()))?;
        let archive = archive.to_owned();
        in_background(move || {
            let mut command = Command::new("ctr");
            command.arg("--address").arg(socket).args(["--namespace", "k8s.io", "images", "import"]).arg(archive);
            tools::run(&mut command)
        })
        .await
    }

    /// The requests that were answered so far, as the API server has written them down:
    /// <https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/>. Empty unless it is an audited one.
    pub fn audit_log(&self) -> Vec<serde_json::Value> {
        let text = self.access.audit_log.as_ref().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        // The last line may be half written.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The kubeconfig of an administrator.
    pub fn kubeconfig(&self) -> &Path {
        &self.access.kubeconfig
    }

    /// The API server's address.
    pub fn server(&self) -> &str {
        &self.access.server
    }

    /// The processes of this control plane, the supervisor first; none for a cluster of the user's.
    pub fn pids(&self) -> &[i32] {
        &self.access.pids
    }

    /// A new client. It belongs to the runtime that asks for it, so each test takes its own.
    pub async fn client(&self) -> Result<Client> {
        let unusable = |error: &dyn std::error::Error| {
            Error::Other(format!("cannot use {}: {error}", self.access.kubeconfig.display()))
        };
        let kubeconfig = Kubeconfig::read_from(&self.access.kubeconfig).map_err(|error| unusable(&error))?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .map_err(|error| unusable(&error))?;
        Client::try_from(config).map_err(|error| unusable(&error))
    }

    /// Makes a namespace with a name that nobody else has, beginning with `prefix`.
    pub async fn namespace(&self, client: &Client, prefix: &str) -> Result<String> {
        let name = format!("{prefix}-{:08x}", rand::random::<u32>());
        let namespace = Namespace {
            metadata: ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() },
            ..Namespace::default()
        };
        Api::all(client.clone())
            .create(&PostParams::default(), &namespace)
            .await
            .kube(|| format!("create the namespace {name}"))?;
        Ok(name)
    }

    /// Has the API server refuse pods in this namespace that are not restricted:
    /// <https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted>
    pub async fn restrict(&self, client: &Client, namespace: &str) -> Result<()> {
        let label =
            Patch::Merge(json!({ "metadata": { "labels": { "pod-security.kubernetes.io/enforce": "restricted" } } }));
        Api::<Namespace>::all(client.clone())
            .patch(namespace, &PatchParams::default(), &label)
            .await
            .map(drop)
            .kube(|| format!("label the namespace {namespace}"))
    }

    /// Gives the control plane up; waits for its end if it was one's own.
    pub async fn end(self) {
        let supervisor = self.access.pids.first().copied().filter(|_| self.own);
        drop(self);
        let deadline = Instant::now() + Duration::from_secs(10);
        while let Some(pid) = supervisor
            && kill(Pid::from_raw(pid), None).is_ok()
            && Instant::now() < deadline
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn of_the_user(kubeconfig: &Path) -> Result<Self> {
        let found = Kubeconfig::read_from(kubeconfig)
            .map_err(|error| Error::Other(format!("SHOWCORE_TEST_KUBECONFIG: {error}")))?;
        let server = found.clusters.into_iter().find_map(|named| named.cluster?.server).unwrap_or_default();
        Ok(Self {
            access: Access {
                kubeconfig: std::path::absolute(kubeconfig).file("find", kubeconfig)?,
                server,
                audit_log: None,
                containerd: None,
                host_address: None,
                pids: Vec::new(),
            },
            _connection: None,
            own: false,
        })
    }

    /// Connects to the supervisor of this name, and starts it if there is none.
    fn connect(name: &str, options: &[OsString]) -> Result<Self> {
        let supervisor = tools::control_plane()?.supervisor();
        let parent = cache::run_folder()?;
        let folder = parent.join(name);
        let mut attempts = 0;
        let mut progress = None;
        loop {
            let connection = {
                // One starter at a time. Who finds a socket is connected before the next one looks.
                let path = parent.join(format!("{name}.lock"));
                let _lock = Lock::take(&path)?;
                let connection = if let Ok(connection) = UnixStream::connect(folder.join("socket")) {
                    connection
                } else {
                    progress.get_or_insert_with(|| Progress::start("starting the control plane"));
                    start(&supervisor, &folder, options)?
                };
                if name.starts_with(OWN) {
                    // Nobody else will ever come for it.
                    let _ = fs::remove_file(path);
                    let _ = fs::remove_file(folder.with_extension("log"));
                }
                connection
            };
            match read_answer(&connection, &folder)? {
                Some(access) => {
                    if let Some(progress) = progress {
                        Progress::done(progress);
                    }
                    return Ok(Self { access, _connection: Some(connection), own: name.starts_with(OWN) });
                }
                // It was just ending when we came.
                None if attempts < 5 => attempts += 1,
                None => {
                    return Err(Error::ControlPlane {
                        why: "its supervisor ends before it answers".to_owned(),
                        logs: folder.join("log"),
                    });
                }
            }
        }
    }
}

/// What tells the supervisor to run a node, and to write requests down.
fn node() -> Result<Vec<OsString>> {
    let programs = tools::node()?;
    let (node, pause) = (programs.join("node").into_os_string(), programs.join("pause").into_os_string());
    Ok(vec!["--audit".into(), "--node".into(), node, "--pause".into(), pause])
}

/// What a real node and its image need, and this machine does not have; nothing if it has all of it.
pub fn node_lacks() -> Option<String> {
    if !nix::unistd::getuid().is_root() {
        return Some("needs root".to_owned());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = |program: &str| std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    let programs = ["containerd", "ctr", "runc", "ip", "mount", "nsenter", "buildah"].map(str::to_owned);
    let plugins = ["bridge", "host-local", "loopback"].map(|plugin| format!("/usr/lib/cni/{plugin}"));
    let missing = [
        programs.into_iter().filter(|program| !there(program)).collect::<Vec<_>>(),
        plugins.into_iter().filter(|plugin| !Path::new(plugin).is_file()).collect(),
    ]
    .concat();
    (!missing.is_empty()).then(|| {
        format!(
            "needs {} (apt-get install --no-install-recommends containerd runc containernetworking-plugins iproute2 buildah)",
            missing.join(", ")
        )
    })
}

/// Starts a supervisor that outlives us, and connects to it.
fn start(supervisor: &Path, folder: &Path, options: &[OsString]) -> Result<UnixStream> {
    let log_path = folder.with_extension("log");
    let log = File::create(&log_path).file("write", &log_path)?;
    let errors = log.try_clone().file("write", &log_path)?;
    let mut child = Command::new(supervisor)
        .args(["supervise", "--patience", PATIENCE, "--dir"])
        .arg(folder)
        .args(options)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .map_err(|source| Error::Start { program: supervisor.display().to_string(), source })?;
    // Its socket comes at once, unless a predecessor is still clearing up.
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        if let Ok(connection) = UnixStream::connect(folder.join("socket")) {
            // Reaped here when it ends before us, so that no zombie stays.
            std::thread::spawn(move || child.wait());
            return Ok(connection);
        }
        let ended = child.try_wait().is_ok_and(|status| status.is_some());
        if ended || Instant::now() > deadline {
            let why = fs::read_to_string(&log_path).unwrap_or_default();
            return Err(Error::ControlPlane {
                why: format!("its supervisor did not start: {}", why.trim()),
                logs: log_path,
            });
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until the control plane is ready. Nothing if the supervisor went away without a word.
fn read_answer(connection: &UnixStream, folder: &Path) -> Result<Option<Access>> {
    let failed = |why: String| Error::ControlPlane { why, logs: folder.join("log") };
    // The supervisor itself gives up before this, with a reason, unless it waits for the end of the machine's other node.
    let patience = Duration::from_mins(10);
    connection.set_read_timeout(Some(patience)).map_err(|error| failed(error.to_string()))?;
    let mut line = String::new();
    match BufReader::new(connection).read_line(&mut line) {
        Ok(0) => return Ok(None),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(None),
        Err(error) => return Err(failed(format!("its supervisor does not answer: {error}"))),
        Ok(_) => {}
    }
    match serde_json::from_str(&line) {
        Ok(Answer::Ready(access)) => Ok(Some(access)),
        Ok(Answer::Failed { error }) => Err(failed(error)),
        Err(error) => Err(failed(format!("its supervisor answered {line:?} ({error})"))),
    }
}

/// Blocking work (builds, locks) beside the runtime.
pub(crate) async fn in_background<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::Other(format!("the harness itself failed: {error}")))?
}
