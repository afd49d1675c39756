//! The operator as a process: what it is given, and that it never outlives who started it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use harness::{OperatorOptions, tools};
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// An operator that only says what it was given, and stays until it is told to go.
fn options(folder: &Path) -> OperatorOptions {
    let binary = folder.join("operator");
    let script = "#!/bin/sh
trap 'echo told to end; exit 0' TERM
echo pid $$: \"$@\"
echo key $AWS_ACCESS_KEY_ID kubeconfig $KUBECONFIG
while :; do sleep 0.05; done
";
    std::fs::write(&binary, script).unwrap();
    std::fs::set_permissions(&binary, std::fs::Permissions::from_mode(0o755)).unwrap();
    OperatorOptions {
        binary,
        kubeconfig: "/some/kubeconfig".into(),
        namespace: Some("place".to_owned()),
        cluster_id: "cluster".to_owned(),
        access_key: "AKIASIM0111122223333".to_owned(),
        endpoint: "http://127.0.0.1:1".to_owned(),
        region: "eu-central-1".to_owned(),
        bare: false,
        arguments: vec!["--more".into()],
        environment: Vec::new(),
        log: folder.join("log"),
    }
}

#[tokio::test]
async fn it_is_given_its_world_and_ends_when_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let mut operator = options(folder.path()).start().await.unwrap();
    until("it has logged", || operator.log().contains("kubeconfig")).await;
    let log = operator.log();
    assert!(log.contains(&format!("pid {}: run --namespace place", operator.pid())), "{log}");
    assert!(log.contains("--clock-url http://127.0.0.1:1/_sim/accounts/AKIASIM0111122223333/now"), "{log}");
    assert!(log.contains("--more"), "{log}");
    assert!(log.contains("key AKIASIM0111122223333 kubeconfig /some/kubeconfig"), "{log}");
    assert!(operator.running());
    assert!(operator.terminate().await.unwrap().success());
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.ends_with("told to end\n"), "{log}");
}

#[tokio::test]
async fn a_dropped_one_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let operator = options(folder.path()).start().await.unwrap();
    let pid = operator.pid();
    until("it has logged", || operator.log().contains("pid")).await;
    drop(operator);
    assert!(!running(pid));
    assert!(!std::fs::read_to_string(folder.path().join("log")).unwrap().contains("told to end"));
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "only Linux tells children of their parent's end")]
async fn what_is_on_the_leash_ends_with_a_killed_parent() {
    let program = "
import os, subprocess, sys, time
child = subprocess.Popen([sys.argv[1], str(os.getpid()), 'sleep', '1000'])
print(child.pid, flush=True)
time.sleep(1000)
";
    let mut parent = Command::new(tools::python().unwrap())
        .args(["-c", program])
        .arg(tools::control_plane().unwrap().leash())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let pid: u32 = line.trim().parse().unwrap();
    until("it has become what it should run", || {
        std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with("sleep"))
    })
    .await;
    parent.kill().unwrap();
    parent.wait().unwrap();
    until("it is gone", || !running(pid)).await;
}

fn running(pid: u32) -> bool {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), None).is_ok()
        && std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| !stat.contains(") Z "))
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "waited half a minute for: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
