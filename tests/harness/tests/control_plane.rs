//! The control plane starts, serves, and leaves nothing running, however its users end.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use harness::{ControlPlane, Kubectl, cache, tools};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Api;
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

#[tokio::test]
async fn it_serves_kubectl_and_its_controllers_work_and_it_ends_with_its_user() {
    let control_plane = ControlPlane::own().await.unwrap();
    let client = control_plane.client().await.unwrap();
    let name = control_plane.namespace(&client, "first").await.unwrap();
    let kubectl = Kubectl::new(control_plane.kubeconfig(), &name).await.unwrap();

    // kubectl verifies the certificate: nothing here tells it not to.
    let version = kubectl.run(&["version", "-o", "json"]).await.unwrap().json().unwrap();
    assert_eq!(version["serverVersion"]["gitVersion"], "v1.35.4");
    assert_eq!(version["clientVersion"]["gitVersion"], "v1.35.4");

    // Owned objects go with their owner: the garbage collector.
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &name);
    let mut map = ConfigMap {
        metadata: ObjectMeta { name: Some("owner".to_owned()), ..ObjectMeta::default() },
        ..ConfigMap::default()
    };
    let owner = maps.create(&PostParams::default(), &map).await.unwrap();
    map.metadata.name = Some("owned".to_owned());
    map.metadata.owner_references = Some(vec![kube::Resource::owner_ref(&owner, &()).unwrap()]);
    maps.create(&PostParams::default(), &map).await.unwrap();
    maps.delete("owner", &DeleteParams::default()).await.unwrap();
    until("the owned object is gone", async || maps.get_opt("owned").await.unwrap().is_none()).await;

    // Namespaces really go.
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.delete(&name, &DeleteParams::default()).await.unwrap();
    until("the namespace is gone", async || namespaces.get_opt(&name).await.unwrap().is_none()).await;

    let pids = control_plane.pids().to_vec();
    let data = control_plane.kubeconfig().parent().unwrap().to_owned();
    assert_eq!(pids.len(), 3, "supervisor, API server, controller manager");
    drop(control_plane);
    until("all is gone", async || nothing_left(&pids, &data)).await;
}

#[tokio::test]
async fn two_of_ones_own_run_side_by_side() {
    let (one, other) = tokio::join!(ControlPlane::own(), ControlPlane::own());
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_ne!(one.server(), other.server());
    let name = one.namespace(&one.client().await.unwrap(), "only-there").await.unwrap();
    let there: Api<Namespace> = Api::all(other.client().await.unwrap());
    assert!(there.get_opt(&name).await.unwrap().is_none());
}

#[tokio::test]
async fn the_shared_one_is_the_same_for_all() {
    let (one, other) = tokio::join!(ControlPlane::shared(), ControlPlane::shared());
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.server(), other.server());
    drop(one);
    // It stays for who is left.
    other.namespace(&other.client().await.unwrap(), "stays").await.unwrap();
}

#[tokio::test]
async fn it_ends_when_its_last_user_is_killed_and_not_before() {
    let folder = folder();
    let _supervisor = supervisor(&folder.path().join("it"), "0s");
    let (mut first, access) = user(&folder.path().join("it/socket"));
    let (mut second, same) = user(&folder.path().join("it/socket"));
    assert_eq!(access, same);
    let (pids, data) = parts(&access);

    first.kill().unwrap();
    first.wait().unwrap();
    let (mut third, _) = user(&folder.path().join("it/socket"));
    assert!(pids.iter().all(|pid| running(*pid)), "it still has users");

    for user in [&mut second, &mut third] {
        user.kill().unwrap();
        user.wait().unwrap();
    }
    until("all is gone", async || nothing_left(&pids, Path::new(&data))).await;
    assert!(!folder.path().join("it").exists());
}

#[tokio::test]
async fn a_killed_supervisor_leaves_nothing_running_and_its_successor_clears_up() {
    let folder = folder();
    let mut supervisor_process = supervisor(&folder.path().join("it"), "0s");
    let (mut user_process, access) = user(&folder.path().join("it/socket"));
    let (pids, data) = parts(&access);
    supervisor_process.kill().unwrap();
    supervisor_process.wait().unwrap();
    until("its servers are gone", async || !pids.iter().any(|pid| running(*pid))).await;
    user_process.kill().unwrap();
    user_process.wait().unwrap();
    assert!(Path::new(&data).exists(), "nobody was left to remove it");

    let mut successor = supervisor(&folder.path().join("it"), "0s");
    let (_user, next) = user(&folder.path().join("it/socket"));
    assert_ne!(access, next);
    let (pids, data) = parts(&next);
    // And SIGTERM ends it although it has a user.
    kill(Pid::from_raw(pids[0]), Signal::SIGTERM).unwrap();
    assert!(successor.wait().unwrap().success());
    assert!(nothing_left(&pids, Path::new(&data)));
}

#[test]
fn it_ends_when_nobody_comes() {
    let folder = folder();
    let mut process = Command::new(tools::control_plane().unwrap().supervisor())
        .args(["supervise", "--patience", "100ms", "--dir"])
        .arg(folder.path().join("it"))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert!(process.wait().unwrap().success());
    assert!(!folder.path().join("it").exists());
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(cache::run_folder().unwrap()).unwrap()
}

/// A process that is killed at the end of the test.
struct Process(std::process::Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl std::ops::Deref for Process {
    type Target = std::process::Child;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl std::ops::DerefMut for Process {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

fn supervisor(dir: &Path, linger: &str) -> Process {
    Process(
        Command::new(tools::control_plane().unwrap().supervisor())
            .args(["supervise", "--linger", linger, "--dir"])
            .arg(dir)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    )
}

/// A user in a process of its own: connects, prints what it is told, and stays.
fn user(socket: &Path) -> (Process, serde_json::Value) {
    let program = "
import socket, sys, time
for _ in range(500):
    user = socket.socket(socket.AF_UNIX)
    try:
        user.connect(sys.argv[1])
        break
    except OSError:
        time.sleep(0.02)
answers = user.makefile()
print(answers.readline(), end='', flush=True)
answers.read()
";
    let mut process = Command::new(tools::python().unwrap())
        .args(["-c", program])
        .arg(socket)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (Process(process), serde_json::from_str(&line).unwrap())
}

fn parts(access: &serde_json::Value) -> (Vec<i32>, String) {
    let pids = serde_json::from_value(access["pids"].clone()).unwrap();
    let kubeconfig = Path::new(access["kubeconfig"].as_str().unwrap());
    (pids, kubeconfig.parent().unwrap().display().to_string())
}

/// A zombie does not run: it waits for its parent to look.
fn running(pid: i32) -> bool {
    kill(Pid::from_raw(pid), None).is_ok()
        && std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .map_or(!cfg!(target_os = "linux"), |stat| !stat.contains(") Z "))
}

fn nothing_left(pids: &[i32], data: &Path) -> bool {
    !pids.iter().any(|pid| running(*pid)) && !data.exists()
}

async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !holds().await {
        assert!(Instant::now() < deadline, "waited a minute for: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
