//! The operator as the chart's pods, from the image, on a real node: the kubelet, the scheduler and containerd. `cargo node`.
//!
//! It needs root and Debian's containerd, runc, containernetworking-plugins, iproute2 and buildah, and says so where they are
//! not: then it fails, since what was not run has not passed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use harness::release::{self, RELEASE};
use harness::{Helm, Test, condition, helm, image, rights};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::EvictParams};
use serde_json::{Value, json};

const DATABASE: &str = "orders";
const BUCKET: &str = "assets";

struct World {
    test: Test,
    helm: Helm,
    values: String,
    _folder: tempfile::TempDir,
}

impl World {
    async fn start(archive: &std::path::Path) -> Self {
        let test = Test::start_with_node("pods").await.unwrap();
        test.control_plane.import_image(archive).await.unwrap();
        test.control_plane.restrict(&test.client, &test.namespace).await.unwrap();
        let mut values = helm::values(&test.endpoint(), &test.region, &test.access_key);
        values["image"] = json!({ "pullPolicy": "Never" });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("values.json");
        std::fs::write(&path, values.to_string()).unwrap();
        let helm = Helm::new(test.control_plane.kubeconfig(), &test.namespace).await.unwrap();
        Self { test, helm, values: path.to_str().unwrap().to_owned(), _folder: folder }
    }

    async fn kubectl(&self, arguments: &[&str]) -> harness::Output {
        let output = self.test.kubectl.run(arguments).await.unwrap();
        assert!(output.success(), "{output}\n{}", self.story().await);
        output
    }

    async fn helm(&self, arguments: &[&str]) {
        let output = self.helm.run(arguments).await.unwrap();
        assert!(output.success(), "{output}\n{}", self.story().await);
    }

    /// What the pods and the node say, for whoever reads a failure.
    async fn story(&self) -> String {
        let mut story = self.test.story().await;
        for arguments in [
            &["get", "pods", "-o", "wide"][..],
            &["logs", "--tail=30", "--prefix", "-l", "app.kubernetes.io/name=showcore-operator"],
        ] {
            story += &self.test.kubectl.run(arguments).await.unwrap().to_string();
        }
        story
    }

    /// The pod that holds the Lease.
    async fn leader(&self) -> String {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            let lease = self.test.kubectl.run(&["get", "lease", RELEASE, "-o", "json"]).await.unwrap();
            let holder =
                lease.json().unwrap_or_default()["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned();
            let pods = self.kubectl(&["get", "pods", "-o", "name"]).await;
            let pod =
                pods.stdout.lines().filter_map(|line| line.strip_prefix("pod/")).find(|pod| holder.starts_with(pod));
            if let Some(pod) = pod {
                return pod.to_owned();
            }
            assert!(Instant::now() < deadline, "nobody holds the lease: {holder}\n{}", self.story().await);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Somebody changes the bucket, and whoever works now sets it right. Gives how long that took.
    async fn corrected(&self) -> Duration {
        let name = format!("{BUCKET}-{}", self.test.account_id());
        // What is security is corrected however often it is changed.
        self.test.boto3(&format!("client('s3').delete_public_access_block(Bucket='{name}')")).await;
        let since = Instant::now();
        let look = ["s3api", "get-public-access-block", "--bucket", &name];
        while !self.test.aws.cli(&look).await.unwrap().success() {
            assert!(since.elapsed() < Duration::from_mins(1), "nobody works\n{}", self.story().await);
        }
        since.elapsed()
    }

    /// When the stores became ready, and what was done to them in AWS since the log was cleared, the correction of the bucket
    /// apart.
    async fn undisturbed(&self, ready_since: &[Value], what: &str) {
        assert_eq!(self.ready_since().await, ready_since, "{what}: a store noticed");
        let changes: Vec<_> = self
            .test
            .account
            .requests()
            .into_iter()
            .filter(|request| request.mutating && !request.operation.ends_with("PublicAccessBlock"))
            .map(|request| request.operation)
            .collect();
        assert!(changes.is_empty(), "{what}: {changes:?}");
    }

    async fn ready_since(&self) -> Vec<Value> {
        let mut since = Vec::new();
        for (kind, name) in [("ShowCoreDatabase", DATABASE), ("ShowCoreBucket", BUCKET)] {
            let object = self.test.get(kind, name).await.unwrap();
            assert_eq!(condition(&object, "Ready"), "True", "{object:#}");
            let conditions = object["status"]["conditions"].as_array().unwrap();
            since.push(conditions.iter().find(|one| one["type"] == "Ready").unwrap()["lastTransitionTime"].clone());
        }
        since
    }
}

fn settled(object: &Value) -> bool {
    condition(object, "Ready") == "True" && condition(object, "Drifted") == "False"
}

#[tokio::test]
async fn the_charts_pods_work_and_no_store_notices_what_happens_to_them() {
    let archive = image::archive().unwrap();
    let world = World::start(&archive).await;
    let namespace = &world.test.namespace;

    let since = Instant::now();
    let chart = std::fs::canonicalize(helm::chart()).unwrap();
    let chart = chart.to_str().unwrap();
    world.helm(&["install", RELEASE, chart, "--values", &world.values, "--wait", "--timeout", "120s"]).await;
    println!("helm install --wait: both pods ready after {:.1} s", since.elapsed().as_secs_f64());
    for manifest in [
        format!(
            "{{apiVersion: showcore.io/v1alpha1, kind: ShowCoreDatabase, metadata: {{name: {DATABASE}}}, spec: {{}}}}"
        ),
        format!(
            "{{apiVersion: showcore.io/v1alpha1, kind: ShowCoreBucket, metadata: {{name: {BUCKET}}}, spec: {{bucketName: \
             '{BUCKET}-{{accountID}}', purpose: StaticAssets}}}}"
        ),
    ] {
        world.test.apply(&manifest).await;
    }
    world.test.wait("ShowCoreBucket", BUCKET, "Ready", settled).await;
    println!("helm install to the first store Ready: {:.1} s", since.elapsed().as_secs_f64());
    world.test.settle("ShowCoreDatabase", DATABASE, "Ready", settled).await;
    let ready_since = world.ready_since().await;
    world.test.account.clear_requests();

    // The leader is killed, without a moment to give the Lease away. The kubelet starts its container again.
    let leader = world.leader().await;
    // From outside, as when a kernel runs out of memory.
    let pid = release::host_pid(&leader).unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    println!("killed: the next one corrects after {:.1} s", world.corrected().await.as_secs_f64());
    assert_ne!(world.leader().await, leader);
    world.undisturbed(&ready_since, "killed").await;

    // Its pod is deleted, with what time a pod has.
    let leader = world.leader().await;
    world.kubectl(&["delete", "pod", &leader]).await;
    println!("deleted: the next one corrects after {:.1} s", world.corrected().await.as_secs_f64());
    world.undisturbed(&ready_since, "deleted").await;

    // Evicted, as by a drain: it gives the Lease away.
    world.kubectl(&["rollout", "status", &format!("deployment/{RELEASE}"), "--timeout=60s"]).await;
    let leader = world.leader().await;
    let pods: Api<Pod> = Api::namespaced(world.test.client.clone(), namespace);
    pods.evict(&leader, &EvictParams::default()).await.unwrap();
    let since = Instant::now();
    while world.leader().await == leader {
        assert!(since.elapsed() < Duration::from_mins(1), "{}", world.story().await);
    }
    println!("evicted: the next one has the lease after {:.1} s", since.elapsed().as_secs_f64());
    world.corrected().await;
    world.undisturbed(&ready_since, "evicted").await;

    // An upgrade rolls both.
    world.kubectl(&["rollout", "status", &format!("deployment/{RELEASE}"), "--timeout=60s"]).await;
    let more = ["--set", "podAnnotations.rolled=yes", "--wait", "--timeout", "120s"];
    world.helm(&[&["upgrade", RELEASE, chart, "--values", &world.values][..], &more].concat()).await;
    println!("upgraded: the next one corrects after {:.1} s", world.corrected().await.as_secs_f64());
    world.undisturbed(&ready_since, "upgraded").await;

    let logs = world.kubectl(&["logs", &world.leader().await]).await;
    assert!(logs.stdout.contains("the operator runs"), "{logs}");

    // What the pods asked of the API server, the chart allows, and none of it was denied.
    let manifests = world.helm.run(&["get", "manifest", RELEASE]).await.unwrap();
    let allowed = rights::allowed(manifests.ok().unwrap()).unwrap();
    let log = world.test.control_plane.audit_log();
    let account = format!("system:serviceaccount:{namespace}:{RELEASE}");
    assert!(log.iter().filter(|request| request["user"]["username"] == account.as_str()).count() > 50);
    let used = rights::used(&log, RELEASE, &allowed).unwrap();
    assert!(used.iter().any(|right| right.verb == "patch"), "{used:#?}");
    world.helm(&["uninstall", RELEASE, "--wait"]).await;
    world.undisturbed(&ready_since, "uninstalled").await;
    world.test.aws(&["s3api", "head-bucket", "--bucket", &format!("{BUCKET}-{}", world.test.account_id())]).await;
}
