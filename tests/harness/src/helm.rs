//! The real Helm, and our chart.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tokio::process::Command;

use crate::command::{self, Output};
use crate::control_plane::in_background;
use crate::error::{FileError as _, Result};
use crate::{go_tools, tools};

/// The chart of the checkout.
pub fn chart() -> PathBuf {
    tools::workspace().join("charts/showcore-operator")
}

/// Helm against one control plane, in one namespace, with nothing of the user's own Helm.
#[derive(Debug, Clone)]
pub struct Helm {
    program: PathBuf,
    kubeconfig: PathBuf,
    namespace: String,
    home: Arc<TempDir>,
}

impl Helm {
    /// Helm with this kubeconfig and this namespace.
    pub async fn new(kubeconfig: &Path, namespace: &str) -> Result<Self> {
        let temporary = std::env::temp_dir();
        Ok(Self {
            program: in_background(go_tools::helm).await?,
            kubeconfig: kubeconfig.to_owned(),
            namespace: namespace.to_owned(),
            home: Arc::new(tempfile::tempdir().file("make a folder in", &temporary)?),
        })
    }

    /// Runs Helm to its end.
    pub async fn run(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(&self.program);
        command.args(["--kubeconfig"]).arg(&self.kubeconfig).args(["--namespace", &self.namespace]).args(arguments);
        for (variable, folder) in
            [("HELM_CACHE_HOME", "cache"), ("HELM_CONFIG_HOME", "config"), ("HELM_DATA_HOME", "data")]
        {
            command.env(variable, self.home.path().join(folder));
        }
        command::run(command, command::shown("helm", arguments), None).await
    }
}
