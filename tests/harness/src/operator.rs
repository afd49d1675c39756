//! The operator as a process, as it runs in a cluster.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::control_plane::in_background;
use crate::error::{Error, FileError as _, Result};
use crate::{aws, leash, release, tools};

/// How the operator is started. Its fields may be changed before [`OperatorOptions::start`].
#[derive(Debug, Clone)]
pub struct OperatorOptions {
    /// The operator's binary.
    pub binary: PathBuf,
    /// Its cluster.
    pub kubeconfig: PathBuf,
    /// The only namespace that it looks at; all, or the one that `arguments` name, if absent.
    pub namespace: Option<String>,
    /// The cluster's name in the owner tags.
    pub cluster_id: String,
    /// Whose account it works in.
    pub access_key: String,
    /// Where AWS is.
    pub endpoint: String,
    /// The region of objects that name none.
    pub region: String,
    /// Whether to give it none of the above but the cluster and the namespace, by flag or by variable.
    pub bare: bool,
    /// Further arguments of `run`, which win over the ones above.
    pub arguments: Vec<OsString>,
    /// Further environment variables.
    pub environment: Vec<(OsString, OsString)>,
    /// Where its log goes.
    pub log: PathBuf,
}

impl OperatorOptions {
    /// Starts the operator as a process.
    pub async fn start(&self) -> Result<Operator> {
        if release::as_pods() {
            return Err(release::impossible("that a test starts by itself"));
        }
        let leash = in_background(|| Ok(tools::control_plane()?.leash())).await?;
        let log = File::options().create(true).append(true).open(&self.log).file("write", &self.log)?;
        let errors = log.try_clone().file("write", &self.log)?;
        let mut command = leash::command(&leash, &self.binary);
        command.arg("run");
        if let Some(namespace) = &self.namespace {
            command.args(["--namespace", namespace]);
        }
        command.args(["--listen", "127.0.0.1:0"]);
        if !self.bare {
            command
                .args(["--cluster-id", &self.cluster_id])
                .args(["--endpoint-url", &self.endpoint])
                .args(["--region", &self.region])
                .arg("--clock-url")
                .arg(format!("{}/_sim/accounts/{}/now", self.endpoint, self.access_key))
                // One operator at a time needs no lease, and one that follows a killed one need not wait for its end.
                .arg("--leader-elect=false")
                // Short, so that tests do not wait.
                .args(["--poll-interval", "300ms", "--backoff-min", "100ms", "--backoff-max", "1s"]);
        }
        command
            .args(&self.arguments)
            // From nothing: a variable of the user's could lead to a real account, or silence the log.
            .env_clear()
            .env("KUBECONFIG", &self.kubeconfig)
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
        if !self.bare {
            command.envs(aws::environment(&self.access_key, &self.endpoint, &self.region));
        }
        command
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            // Ctrl-C in a terminal is for the test or the demo, which then ends the operator.
            .process_group(0);
        let child = leash::spawn(command)
            .map_err(|source| Error::Start { program: self.binary.display().to_string(), source })?;
        Ok(Operator { child, log: self.log.clone() })
    }
}

/// A running operator. It is killed when this is dropped, and also when this process is killed.
#[derive(Debug)]
pub struct Operator {
    child: Child,
    log: PathBuf,
}

impl Operator {
    /// The operator's own process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that it has logged so far (and the operators before it with the same log).
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Where it serves its metrics, as its log said last; nothing before it does.
    pub fn address(&self) -> Option<String> {
        let log = self.log();
        let line = log.lines().rfind(|line| line.contains("serving /healthz"))?;
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        line["address"].as_str().map(str::to_owned)
    }

    /// Whether it runs.
    pub fn running(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_none())
    }

    /// SIGSTOP: it stands still until [`Operator::resume`].
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// SIGCONT.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// SIGTERM, as Kubernetes ends a pod.
    pub fn ask_to_end(&self) -> Result<()> {
        self.signal(Signal::SIGTERM)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(self.pid().cast_signed()), signal)
            .map_err(|error| Error::Other(format!("cannot send {signal} to the operator: {error}")))
    }

    /// SIGKILL: it gets no chance to finish anything.
    pub fn kill(mut self) {
        self.kill_and_reap();
    }

    /// SIGTERM, and waits for its end, at most 30 seconds.
    pub async fn terminate(self) -> Result<ExitStatus> {
        self.ask_to_end()?;
        self.ended().await
    }

    /// Waits until it has ended by itself, at most 30 seconds.
    pub async fn ended(mut self) -> Result<ExitStatus> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(20)).await,
                Ok(None) => {
                    return Err(Error::Other(format!(
                        "the operator did not end within 30 seconds; the end of its log:\n{}",
                        tail(&self.log(), 30)
                    )));
                }
                Err(error) => return Err(Error::Other(format!("cannot wait for the operator: {error}"))),
            }
        }
    }

    fn kill_and_reap(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.kill_and_reap();
    }
}

/// The binary that this test run built: cargo builds the binaries of a package before its
/// integration tests, and tells where they are.
pub fn built_binary() -> Result<PathBuf> {
    let name = "showcore-operator";
    let told = ["SHOWCORE_OPERATOR", "CARGO_BIN_EXE_showcore-operator", "NEXTEST_BIN_EXE_showcore-operator"]
        .into_iter()
        .find_map(std::env::var_os)
        .map(PathBuf::from);
    // A test binary stands in target/<profile>/deps, the package's binaries one folder above.
    let beside = || Some(std::env::current_exe().ok()?.parent()?.parent()?.join(name));
    told.or_else(beside).filter(|path| path.is_file()).ok_or_else(|| {
        Error::Other(format!(
            "there is no {name} beside this test: run `cargo build --bin {name}`, or set SHOWCORE_OPERATOR to its path"
        ))
    })
}

/// The last lines of a text.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.trim_end().lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// An absolute path for a log in this folder.
pub(crate) fn log_in(folder: &Path) -> PathBuf {
    folder.join("operator.log")
}
