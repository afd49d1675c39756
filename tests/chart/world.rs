//! A release on a control plane of its own, and the operator as its Deployment says.

use std::time::{Duration, Instant};

use harness::{Helm, OperatorOptions, Output, Test, helm};
use serde_json::{Value, json};

pub const RELEASE: &str = "showcore-operator";

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
        let mut values = json!({
            "aws": { "region": self.test.region, "endpointURL": self.test.endpoint() },
            "operator": {
                "pollInterval": "300ms",
                "backoffMin": "100ms",
                "backoffMax": "1s",
                "extraArgs": [format!("--clock-url={}/_sim/accounts/{}/now", self.test.endpoint(), self.test.access_key)],
            },
            "extraEnv": [
                { "name": "AWS_ACCESS_KEY_ID", "value": self.test.access_key },
                { "name": "AWS_SECRET_ACCESS_KEY", "value": "not-checked" },
            ],
        });
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
        let options = self.deployed().await;
        self.test.start_operator_as(options).await.unwrap();
    }

    async fn deployed(&self) -> OperatorOptions {
        let deployment = self.kubectl(&["get", "deployment", RELEASE, "-o", "json"]).await.json().unwrap();
        let pod = &deployment["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        let account = pod["serviceAccountName"].as_str().unwrap();
        let token = self.kubectl(&["create", "token", account]).await.ok().unwrap().to_owned();
        let mut options = self.test.operator_options().unwrap();
        let mut config: Value =
            serde_saphyr::from_str(&std::fs::read_to_string(self.test.control_plane.kubeconfig()).unwrap()).unwrap();
        config["users"][0]["user"] = json!({ "token": token });
        // The pod's own namespace.
        config["contexts"][0]["context"]["namespace"] = json!(self.test.namespace);
        options.kubeconfig = self.folder.path().join("kubeconfig");
        std::fs::write(&options.kubeconfig, config.to_string()).unwrap();
        let arguments = container["args"].as_array().unwrap();
        assert_eq!(arguments[0], "run");
        options.arguments = arguments[1..].iter().map(|argument| argument.as_str().unwrap().into()).collect();
        // Not the pod's port: two tests may run at once.
        options.arguments.push("--listen=127.0.0.1:0".into());
        options.environment = container["env"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|variable| Some((variable["name"].as_str()?.into(), variable["value"].as_str()?.into())))
            .collect();
        options.namespace = None;
        options.bare = true;
        options
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
        let deadline = Instant::now() + Duration::from_secs(30);
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
