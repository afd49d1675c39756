//! A release on a control plane of its own, and the operator as its Deployment says.

use std::time::{Duration, Instant};

use harness::{Helm, Output, Test, helm};
use serde_json::Value;

pub use harness::release::RELEASE;

/// A control plane without our CRDs, and Helm in the test's namespace.
pub struct World {
    pub test: Test,
    pub helm: Helm,
    folder: tempfile::TempDir,
}

impl World {
    pub async fn start(name: &str) -> Self {
        let test = Test::start_bare(name).await.unwrap();
        let helm = Helm::new(test.control_plane.kubeconfig(), &test.namespace).await.unwrap();
        Self { test, helm, folder: tempfile::tempdir().unwrap() }
    }

    /// Runs Helm; panics if it fails.
    pub async fn helm(&self, arguments: &[&str]) -> Output {
        let output = self.helm.run(arguments).await.unwrap();
        assert!(output.success(), "{output}");
        output
    }

    /// Runs kubectl; panics if it fails.
    pub async fn kubectl(&self, arguments: &[&str]) -> Output {
        let output = self.test.kubectl.run(arguments).await.unwrap();
        assert!(output.success(), "{output}");
        output
    }

    /// A file with these values besides those with which the operator finds the stand-in.
    pub fn values(&self, name: &str, more: &Value) -> String {
        let mut values = helm::values(&self.test.endpoint(), &self.test.region, &self.test.access_key);
        for (key, value) in more.as_object().unwrap() {
            values[key] = value.clone();
        }
        let path = self.folder.path().join(format!("{name}.json"));
        std::fs::write(&path, values.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// `helm upgrade --install` of this chart with these values.
    pub async fn install(&self, chart: &std::path::Path, values: &Value) -> Output {
        let values = self.values("values", values);
        self.helm(&["upgrade", "--install", RELEASE, chart.to_str().unwrap(), "--values", &values]).await
    }

    /// Runs the operator on this machine as the release's Deployment runs it: its arguments, its environment, and its
    /// service account's rights.
    pub async fn run_as_deployed(&mut self) {
        let options = self.test.operator_options().unwrap();
        let options = helm::as_deployed(options, &self.test.kubectl, RELEASE, self.folder.path()).await.unwrap();
        self.test.start_operator_as(options).await.unwrap();
    }

    /// Applies it once the API server serves the CRDs.
    pub async fn apply_soon(&self, yaml: &str) {
        self.until_done(&["apply", "-f", "-"], Some(yaml)).await;
    }

    /// Runs kubectl until it succeeds: a CRD takes a moment to be served.
    pub async fn until_done(&self, arguments: &[&str], input: Option<&str>) {
        self.until(arguments, input, "done", Output::success).await;
    }

    /// Asks until the API server refuses this with these words: a policy takes a moment to come into force.
    pub async fn refused(&self, arguments: &[&str], input: Option<&str>, words: &str) {
        let refused = |output: &Output| !output.success() && output.stderr.contains(words);
        self.until(arguments, input, &format!("refused with {words:?}"), refused).await;
    }

    async fn until(&self, arguments: &[&str], input: Option<&str>, what: &str, expected: impl Fn(&Output) -> bool) {
        let deadline = Instant::now() + harness::judge::patience();
        loop {
            let output = self.test.kubectl.run_with_input(arguments, input).await.unwrap();
            if expected(&output) {
                return;
            }
            assert!(Instant::now() < deadline, "not {what}:\n{output}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Our chart.
pub fn chart() -> std::path::PathBuf {
    std::fs::canonicalize(helm::chart()).unwrap()
}

/// Whether a store is ready, encrypted and as its spec says, at this generation.
pub fn settled(object: &Value) -> bool {
    object["status"]["observedGeneration"] == object["metadata"]["generation"]
        && harness::condition(object, "Ready") == "True"
        && harness::condition(object, "Encrypted") == "True"
        && harness::condition(object, "Drifted") == "False"
        && harness::condition(object, "Reconciling").is_empty()
}

/// The manifest of an object of ours.
pub fn manifest(kind: &str, name: &str, spec: &str) -> String {
    format!("{{apiVersion: showcore.io/v1alpha1, kind: {kind}, metadata: {{name: {name}}}, spec: {{{spec}}}}}")
}
