//! The real Helm, and our chart.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::command::{self, Output};
use crate::control_plane::in_background;
use crate::error::{Error, FileError as _, Result};
use crate::{Kubectl, OperatorOptions, go_tools, tools};

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

/// The chart's values with which an operator finds the stand-in, and does not make tests wait.
pub fn values(endpoint: &str, region: &str, access_key: &str) -> Value {
    json!({
        "aws": { "region": region, "endpointURL": endpoint },
        "operator": {
            "pollInterval": "300ms",
            "backoffMin": "100ms",
            "backoffMax": "1s",
            "extraArgs": [format!("--clock-url={endpoint}/_sim/accounts/{access_key}/now")],
        },
        "extraEnv": [
            { "name": "AWS_ACCESS_KEY_ID", "value": access_key },
            { "name": "AWS_SECRET_ACCESS_KEY", "value": "not-checked" },
        ],
    })
}

/// Has an operator run on this machine as a release's Deployment runs it: with its arguments, its environment, and the rights of
/// its service account. `options` says the rest, and whose kubeconfig this one, written into `folder`, is a copy of.
pub async fn as_deployed(
    options: OperatorOptions,
    kubectl: &Kubectl,
    deployment: &str,
    folder: &Path,
) -> Result<OperatorOptions> {
    let unexpected = |what: &str| Error::Other(format!("the Deployment {deployment} has no {what}"));
    let found = kubectl.run(&["get", "deployment", deployment, "-o", "json"]).await?.json()?;
    let pod = &found["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let account = pod["serviceAccountName"].as_str().ok_or_else(|| unexpected("service account"))?;
    let token = kubectl.run(&["create", "token", account]).await?.ok()?.to_owned();

    let text = std::fs::read_to_string(&options.kubeconfig).file("read", &options.kubeconfig)?;
    let mut config: Value = serde_saphyr::from_str(&text)
        .map_err(|error| Error::Other(format!("{}: {error}", options.kubeconfig.display())))?;
    config["users"][0]["user"] = json!({ "token": token });
    // As in a pod, whose namespace is its service account's.
    config["contexts"][0]["context"]["namespace"] = found["metadata"]["namespace"].clone();
    let kubeconfig = folder.join("kubeconfig-of-the-deployment");
    std::fs::write(&kubeconfig, config.to_string()).file("write", &kubeconfig)?;

    let arguments = container["args"].as_array().ok_or_else(|| unexpected("arguments"))?;
    // `run` comes from the harness.
    let mut arguments: Vec<_> = arguments.iter().skip(1).filter_map(Value::as_str).map(Into::into).collect();
    // Not the pod's port: several may run at once.
    arguments.push("--listen=127.0.0.1:0".into());
    let environment = container["env"].as_array().ok_or_else(|| unexpected("environment"))?;
    let environment = environment
        .iter()
        .filter_map(|variable| Some((variable["name"].as_str()?.into(), variable["value"].as_str()?.into())))
        .collect();
    Ok(OperatorOptions { kubeconfig, namespace: None, bare: true, arguments, environment, ..options })
}
