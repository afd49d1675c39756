//! What can go wrong in the harness, said so that a person at a terminal knows what to do.

use std::path::{Path, PathBuf};

/// An error of the harness itself: the environment, a tool, the control plane. (What a test finds
/// wrong with the operator is a panic of the test, not one of these.)
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program that must be on the machine is not, or is too old.
    #[error("{tool} is needed to {purpose}, and {found}; install {needed}, and have it on the PATH")]
    MissingTool {
        /// The program.
        tool: &'static str,
        /// What the harness does with it.
        purpose: &'static str,
        /// What was found instead.
        found: String,
        /// Which version, and where to get it.
        needed: &'static str,
    },
    /// A file or folder could not be read or written.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    File {
        /// What was tried ("read", "write", …).
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A program could not be started.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A program ended with an error.
    #[error("{command}\nended with {status}:\n{output}")]
    Failed {
        /// The whole command line.
        command: String,
        /// Its exit status.
        status: String,
        /// What it wrote, or the end of it.
        output: String,
    },
    /// The control plane did not start or went away.
    #[error("the control plane is not there: {why}\nIts logs: {logs}", logs = logs.display())]
    ControlPlane {
        /// What the supervisor said.
        why: String,
        /// The folder with the logs of its servers.
        logs: PathBuf,
    },
    /// The Kubernetes API answered with an error.
    #[error("cannot {action}: {source}")]
    Kubernetes {
        /// What was asked.
        action: String,
        /// The answer.
        source: Box<kube::Error>,
    },
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Adds to an I/O error what was tried, and where.
pub(crate) trait FileError<T> {
    /// `action` is a verb: "read", "write", "make".
    fn file(self, action: &'static str, path: &Path) -> Result<T>;
}

impl<T> FileError<T> for std::io::Result<T> {
    fn file(self, action: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| Error::File { action, path: path.to_owned(), source })
    }
}

/// Adds to an error of the Kubernetes API what was asked.
pub(crate) trait KubeError<T> {
    /// `action` completes "cannot …".
    fn kube(self, action: impl FnOnce() -> String) -> Result<T>;
}

impl<T> KubeError<T> for std::result::Result<T, kube::Error> {
    fn kube(self, action: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Kubernetes { action: action(), source: Box::new(source) })
    }
}
