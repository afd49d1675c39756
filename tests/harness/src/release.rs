//! The operator as users run it: a release of the chart, whose pod runs from the image on the real node. `cargo judge pod`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::io::{AllowStdIo, copy};
use futures::{TryStreamExt as _, pin_mut};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{ListParams, LogParams, ObjectMeta, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::error::{Error, FileError as _, KubeError as _, Result};
use crate::{Helm, OperatorOptions, helm};

/// The name of the release, and so of its Deployment and of its `ServiceAccount`.
pub const RELEASE: &str = "showcore-operator";
/// `pod` has the tests' operators run as pods. Set by `cargo judge pod`, which has given the node their image.
pub const OPERATOR: &str = "SHOWCORE_TEST_OPERATOR";
/// A pod sees no file of this machine: the bundle of `AWS_CA_BUNDLE` becomes a `ConfigMap`, which the chart gives to the operator
/// by an argument.
const CA_BUNDLE: &str = "ca-bundle";
const PATIENCE: Duration = Duration::from_mins(1);

/// Whether the tests' operators are to run as pods, not as processes.
pub fn as_pods() -> bool {
    std::env::var_os(OPERATOR).is_some_and(|way| way == "pod")
}

/// A release with one pod that runs. Its Deployment is deleted when this is dropped.
#[derive(Debug)]
pub struct Release {
    deployments: Api<Deployment>,
    pods: Api<Pod>,
    pod: String,
    address: String,
    log: JoinHandle<Result<()>>,
    kubeconfig: PathBuf,
    namespace: String,
    gone: bool,
}

impl Release {
    /// Installs the chart, or upgrades it, so that the operator runs with these options, and waits until its container does.
    pub async fn start(options: &OperatorOptions, client: &Client, folder: &Path) -> Result<Self> {
        let namespace = options.namespace.clone().ok_or_else(|| impossible("without a namespace"))?;
        let mut options = options.clone();
        let bundle = options.environment.iter().position(|(name, _)| name == "AWS_CA_BUNDLE");
        let bundle = bundle.map(|index| PathBuf::from(options.environment.remove(index).1));
        let mut values = values(&options)?;
        if let Some(bundle) = bundle {
            put_config_map(client, &namespace, &bundle).await?;
            values["aws"]["caBundle"] = json!({ "configMap": CA_BUNDLE });
        }
        let path = folder.join("values.json");
        std::fs::write(&path, values.to_string()).file("write", &path)?;
        let chart = std::fs::canonicalize(helm::chart()).file("find", &helm::chart())?;
        let (chart, path) = (chart.to_string_lossy(), path.to_string_lossy());
        // How many replicas there are is Helm's again, whoever has stopped it.
        let install = ["upgrade", "--install", "--force-conflicts", RELEASE, &chart, "--values", &path];
        Helm::new(&options.kubeconfig, &namespace).await?.run(&install).await?.ok()?;

        let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
        let (pod, address) = running(&pods).await?;
        let log = follow(&pods, &pod, options.log.clone());
        let deployments = Api::namespaced(client.clone(), &namespace);
        Ok(Self { deployments, pods, pod, address, log, kubeconfig: options.kubeconfig, namespace, gone: false })
    }

    /// Where it serves its metrics.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The operator's process id on this machine.
    pub fn pid(&self) -> Result<i32> {
        host_pid(&self.pod)
    }

    /// Takes the pod away as Kubernetes does. Gives its container's exit code once it is gone and its log is whole.
    pub async fn stop(mut self) -> Result<i32> {
        let before = self.scale_away().await?;
        let ended = self.until_gone(&before, |_| ()).await?;
        ended.ok_or_else(|| Error::Other(format!("the node did not say how the container of {} ended", self.pod)))
    }

    /// SIGKILL, from outside.
    pub async fn kill(mut self) -> Result<()> {
        let process = Pid::from_raw(self.pid()?);
        let send = |signal| {
            kill(process, signal)
                .map_err(|error| Error::Other(format!("cannot send {signal} to the operator: {error}")))
        };
        // The kubelet would start it again. So it stands still until its pod is on its way, and gets no chance to notice that.
        send(Signal::SIGSTOP)?;
        let before = self.scale_away().await?;
        let on_its_way = |pod: &Pod| {
            if pod.metadata.deletion_timestamp.is_some() {
                // It may be gone already.
                let _ = send(Signal::SIGKILL);
            }
        };
        self.until_gone(&before, on_its_way).await.map(drop)
    }

    /// Has the Deployment take its pod away. Gives the pod as it was before.
    async fn scale_away(&mut self) -> Result<Pod> {
        let failed = || format!("take away the pod {}", self.pod);
        let before = self.pods.get(&self.pod).await.kube(failed)?;
        if let Some(crash) = crash(&before) {
            return Err(Error::Other(format!("the operator ended before it was told to: {crash}")));
        }
        let none = Patch::Merge(json!({ "spec": { "replicas": 0 } }));
        self.deployments.patch_scale(RELEASE, &PatchParams::default(), &none).await.kube(failed)?;
        self.gone = true;
        Ok(before)
    }

    /// Waits for the end of the pod and of its log, and hands over each of its states meanwhile. Gives its exit code.
    async fn until_gone(&mut self, before: &Pod, seen: impl Fn(&Pod)) -> Result<Option<i32>> {
        let failed = || format!("wait for the end of the pod {}", self.pod);
        let only = WatchParams::default().fields(&format!("metadata.name={}", self.pod));
        let version = before.metadata.resource_version.as_deref().unwrap_or_default();
        let events = self.pods.watch(&only, version).await.kube(failed)?;
        pin_mut!(events);
        let mut ended = None;
        loop {
            match events.try_next().await.kube(failed)? {
                Some(WatchEvent::Modified(pod)) => {
                    ended = exit_code(&pod).or(ended);
                    seen(&pod);
                }
                Some(WatchEvent::Deleted(pod)) => {
                    ended = exit_code(&pod).or(ended);
                    break;
                }
                Some(_) => {}
                None => return Err(Error::Other(format!("the pod {} does not go", self.pod))),
            }
        }
        let log = tokio::time::timeout(PATIENCE, &mut self.log).await;
        match log {
            Ok(Ok(whole)) => whole.map(|()| ended),
            Ok(Err(error)) => Err(Error::Other(format!("the log of {} was not read: {error}", self.pod))),
            Err(_) => Err(Error::Other(format!("the log of {} does not end", self.pod))),
        }
    }

    /// How its container ended by itself, if it did. Blocks: for the end of a test.
    pub fn crash(&self) -> Option<String> {
        let ended = self.kubectl(&["get", "pod", &self.pod, "-o", "jsonpath={..terminated}"])?;
        (!ended.is_empty()).then(|| {
            let log = self.kubectl(&["logs", "--previous", "--tail=20", &self.pod]).unwrap_or_default();
            format!("{ended}\n{log}")
        })
    }

    /// What kubectl answers; nothing if it fails.
    fn kubectl(&self, arguments: &[&str]) -> Option<String> {
        let mut command = std::process::Command::new(crate::tools::kubectl().ok()?);
        command.arg("--kubeconfig").arg(&self.kubeconfig).args(["--namespace", &self.namespace]).args(arguments);
        let output = command.output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        self.log.abort();
        if !self.gone {
            // Without waiting: what the pod still does, it does to a stand-in that is gone.
            self.kubectl(&["delete", "deployment", RELEASE, "--wait=false", "--ignore-not-found"]);
        }
    }
}

/// The manifests of such a release.
pub async fn manifests(kubeconfig: &Path) -> Result<String> {
    let mut values = json!({ "clusterID": "any" });
    as_the_tests_pod(&mut values);
    let folder = tempfile::tempdir().file("make a folder in", &std::env::temp_dir())?;
    let path = folder.path().join("values.json");
    std::fs::write(&path, values.to_string()).file("write", &path)?;
    let chart = helm::chart();
    let (chart, path) = (chart.to_string_lossy(), path.to_string_lossy());
    let helm = Helm::new(kubeconfig, "default").await?;
    Ok(helm.run(&["template", RELEASE, &chart, "--values", &path]).await?.ok()?.to_owned())
}

/// One pod from the node's image, which looks at nothing but its namespace.
fn as_the_tests_pod(values: &mut Value) {
    values["mode"] = "Namespaced".into();
    values["rbac"] = json!({ "readCRDs": true });
    values["replicaCount"] = 1.into();
    values["image"] = json!({ "pullPolicy": "Never" });
}

/// The chart's values that say what these options say.
fn values(options: &OperatorOptions) -> Result<Value> {
    let text = |word: &std::ffi::OsString| word.to_string_lossy().into_owned();
    let environment =
        options.environment.iter().map(|(name, value)| json!({ "name": text(name), "value": text(value) }));
    let mut values = if options.bare {
        json!({ "operator": { "extraArgs": [] }, "extraEnv": [] })
    } else {
        helm::values(&options.endpoint, &options.region, &options.access_key)
    };
    let arguments: Vec<Value> = options.arguments.iter().map(text).map(Value::from).collect();
    append(&mut values["operator"]["extraArgs"], arguments)?;
    append(&mut values["extraEnv"], environment.collect())?;
    values["clusterID"] = options.cluster_id.clone().into();
    as_the_tests_pod(&mut values);
    Ok(values)
}

async fn put_config_map(client: &Client, namespace: &str, bundle: &Path) -> Result<()> {
    let text = std::fs::read_to_string(bundle).file("read", bundle)?;
    let map = ConfigMap {
        metadata: ObjectMeta { name: Some(CA_BUNDLE.to_owned()), ..ObjectMeta::default() },
        data: Some([("ca.crt".to_owned(), text)].into()),
        ..ConfigMap::default()
    };
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    maps.create(&PostParams::default(), &map).await.map(drop).kube(|| format!("make the ConfigMap {CA_BUNDLE}"))
}

fn append(list: &mut Value, more: Vec<Value>) -> Result<()> {
    list.as_array_mut().ok_or_else(|| Error::Other("the chart's values have another form".to_owned()))?.extend(more);
    Ok(())
}

/// An operator that only a process can be.
pub(crate) fn impossible(how: &str) -> Error {
    Error::Other(format!("an operator {how} cannot be a release: tests/e2e/judges.yaml should list this test"))
}

/// The name and the address of the pod that runs.
async fn running(pods: &Api<Pod>) -> Result<(String, String)> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = pods.list(&ListParams::default()).await.kube(|| "list the operator's pods".to_owned())?;
        for pod in &found.items {
            let status = pod.status.as_ref();
            let runs =
                status.and_then(|status| status.container_statuses.as_ref()?.first()?.state.as_ref()?.running.as_ref());
            let address = status.and_then(|status| status.pod_ip.clone());
            let stays = pod.metadata.deletion_timestamp.is_none();
            if let (true, Some(_), Some(address), Some(name)) = (stays, runs, address, &pod.metadata.name) {
                return Ok((name.clone(), format!("{address}:8080")));
            }
        }
        if Instant::now() > deadline {
            let statuses: Vec<_> = found.items.iter().map(|pod| json!(pod.status)).collect();
            return Err(Error::Other(format!("the operator's pod does not run: {statuses:?}")));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Appends what the pod logs to this file, until its end.
fn follow(pods: &Api<Pod>, pod: &str, path: PathBuf) -> JoinHandle<Result<()>> {
    let (pods, pod) = (pods.clone(), pod.to_owned());
    tokio::spawn(async move {
        let file = File::options().create(true).append(true).open(&path).file("write", &path)?;
        let all = LogParams { follow: true, ..LogParams::default() };
        let log = pods.log_stream(&pod, &all).await.kube(|| format!("read the log of {pod}"))?;
        copy(log, &mut AllowStdIo::new(file)).await.map(drop).file("write", &path)
    })
}

fn exit_code(pod: &Pod) -> Option<i32> {
    let status = pod.status.as_ref()?.container_statuses.as_ref()?.first()?;
    Some(status.state.as_ref()?.terminated.as_ref()?.exit_code)
}

/// How the container of a pod that nobody has touched has ended, if it has.
fn crash(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?.container_statuses.as_ref()?.first()?;
    let ended =
        [&status.state, &status.last_state].into_iter().flatten().find_map(|state| state.terminated.as_ref())?;
    Some(json!(ended).to_string())
}

/// The process id of this pod's operator on this machine.
pub fn host_pid(pod: &str) -> Result<i32> {
    let variable = format!("POD_NAME={pod}");
    let processes = std::fs::read_dir("/proc").file("read", Path::new("/proc"))?;
    let found = processes.flatten().filter_map(|process| {
        let environment = std::fs::read(process.path().join("environ")).ok()?;
        let ours = environment.split(|byte| *byte == 0).any(|word| word == variable.as_bytes());
        ours.then(|| process.file_name().to_str()?.parse().ok()).flatten()
    });
    match found.collect::<Vec<_>>()[..] {
        [pid] => Ok(pid),
        ref others => Err(Error::Other(format!("the pod {pod} should be one process, and is {others:?}"))),
    }
}
