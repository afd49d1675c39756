//! The real kubectl.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::command::{self, Output};
use crate::control_plane::in_background;
use crate::error::Result;
use crate::{cache, tools};

/// kubectl against one control plane, in one namespace.
#[derive(Debug, Clone)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    namespace: String,
    discovery: PathBuf,
}

impl Kubectl {
    /// kubectl with this kubeconfig and this default namespace.
    pub async fn new(kubeconfig: &Path, namespace: &str) -> Result<Self> {
        let (program, discovery) = in_background(|| Ok((tools::kubectl()?, cache::folder()?.join("kubectl")))).await?;
        // What kubectl remembers of a control plane goes with that control plane's folder; for a
        // cluster of the user's it goes into our cache.
        let discovery = match kubeconfig.parent() {
            Some(folder) if folder.ends_with("data/credentials") => folder.join("kubectl"),
            _ => discovery,
        };
        Ok(Self { program, kubeconfig: kubeconfig.to_owned(), namespace: namespace.to_owned(), discovery })
    }

    /// Runs kubectl to its end.
    pub async fn run(&self, arguments: &[&str]) -> Result<Output> {
        self.run_with_input(arguments, None).await
    }

    /// Runs kubectl to its end with this on its standard input.
    pub async fn run_with_input(&self, arguments: &[&str], input: Option<&str>) -> Result<Output> {
        let mut command = Command::new(&self.program);
        command
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .args(["--namespace", &self.namespace])
            .args(arguments)
            .env("KUBECACHEDIR", &self.discovery)
            .env("KUBECTL_KUBERC", "false");
        command::run(command, command::shown("kubectl", arguments), input).await
    }
}
