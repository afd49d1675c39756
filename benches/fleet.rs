//! What a fleet costs: `cargo bench --bench fleet` (`-- "1,000 databases"` for one of the fleets only).
//!
//! The operator, built for release, runs as a process on the real control plane, against the AWS stand-in in this process.
//! For each kind and size: the time until all objects are Ready, AWS calls per object to create and per look when quiet,
//! CPU of the operator per object and per look, and its peak memory. The stand-in's stores are made at once, so no call is
//! a look that only waits for AWS; on AWS one comes every quarter of the poll interval while a store is made. Counts do not
//! depend on the machine; times and memory do.

#![allow(clippy::unwrap_used, reason = "a benchmark ends by panicking")]
#![allow(clippy::cast_precision_loss, reason = "counts are small")]

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use harness::{Test, objects};
use kube::{
    api::PostParams,
    runtime::{WatchStreamExt, watcher},
};
use procfs::process::Process;
use serde::Serialize;
use serde_json::{Value, json};

/// A fleet: how many objects of which kinds.
struct Fleet {
    name: &'static str,
    counts: [usize; 3],
}

const KINDS: [&str; 3] = ["ShowCoreDatabase", "ShowCoreCache", "ShowCoreBucket"];
/// The call that every look of a kind begins with.
const FIRST: [&str; 3] = ["DescribeDBInstances", "DescribeReplicationGroups", "GetBucketTagging"];
const FLEETS: [Fleet; 7] = [
    Fleet { name: "100 databases", counts: [100, 0, 0] },
    Fleet { name: "100 caches", counts: [0, 100, 0] },
    Fleet { name: "100 buckets", counts: [0, 0, 100] },
    Fleet { name: "1,000 databases", counts: [1000, 0, 0] },
    Fleet { name: "1,000 caches", counts: [0, 1000, 0] },
    Fleet { name: "1,000 buckets", counts: [0, 0, 1000] },
    Fleet { name: "1,000 of all, a third of each", counts: [334, 333, 333] },
];
/// The operator's default.
const POLL: Duration = Duration::from_mins(1);

/// What a fleet cost.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Cost {
    fleet: &'static str,
    objects: usize,
    seconds_to_ready: f64,
    calls_to_create: f64,
    calls_per_look: f64,
    cpu_ms_to_create: f64,
    cpu_ms_per_look: f64,
    memory_idle_mib: f64,
    memory_peak_mib: f64,
}

#[tokio::main]
async fn main() {
    // cargo adds `--bench`.
    let only: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let mut costs = Vec::new();
    for fleet in FLEETS.iter().filter(|fleet| only.is_empty() || only.iter().any(|name| name == fleet.name)) {
        let cost = measure(fleet).await;
        eprintln!("{}", line(&cost));
        costs.push(cost);
    }
    println!(
        "| fleet | all Ready after | AWS calls to create | AWS calls a look | CPU to create | CPU a look | memory before | memory at most |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for cost in &costs {
        println!("{}", line(cost));
    }
    println!("\n{}", serde_json::to_string_pretty(&costs).unwrap());
}

fn line(cost: &Cost) -> String {
    format!(
        "| {} | {:.1} s | {:.2} | {:.2} | {:.1} ms | {:.2} ms | {:.1} MiB | {:.1} MiB |",
        cost.fleet,
        cost.seconds_to_ready,
        cost.calls_to_create,
        cost.calls_per_look,
        cost.cpu_ms_to_create,
        cost.cpu_ms_per_look,
        cost.memory_idle_mib,
        cost.memory_peak_mib
    )
}

async fn measure(fleet: &Fleet) -> Cost {
    let mut test = Test::start("bench").await.unwrap();
    test.account.rds().set_instance_quota(10_000);
    {
        let mut durations = test.account.durations();
        durations.create_db_instance = Duration::ZERO;
        durations.backup_db_instance = Duration::ZERO;
        durations.create_replication_group = Duration::ZERO;
    }
    let mut options = test.operator_options().unwrap();
    options.bare = true;
    options.binary = env!("CARGO_BIN_EXE_showcore-operator").into();
    options.arguments = ["--cluster-id", "bench"].map(Into::into).into();
    let environment = harness::aws::environment(&test.access_key, &test.endpoint(), &test.region);
    options.environment = environment.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    options.environment.push(("RUST_LOG".into(), "warn".into()));
    test.start_operator_as(options).await.unwrap();
    let pid = test.operator_pid().unwrap();
    let process = Process::new(pid).unwrap();
    // It has listed, and rests.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let objects: usize = fleet.counts.iter().sum();
    let idle = (cpu(&process), memory(&process).0);

    let begun = Instant::now();
    let ready = KINDS.iter().zip(fleet.counts).map(|(kind, count)| all_ready(&test, kind, count));
    let ((), ready) = tokio::join!(create(&test, fleet), futures::future::join_all(ready));
    let seconds_to_ready = ready.into_iter().map(|at| at.duration_since(begun).as_secs_f64()).fold(0.0, f64::max);
    let created = (cpu(&process), test.account.requests().len());

    // The looks that follow a creation are over when every store was looked at again.
    tokio::time::sleep(POLL).await;
    test.account.clear_requests();
    let before = cpu(&process);
    tokio::time::sleep(POLL).await;
    let after = cpu(&process);
    let requests = test.account.requests();
    let looks = requests.iter().filter(|request| FIRST.contains(&request.operation.as_str())).count();
    assert!(requests.iter().all(|request| !request.mutating), "a quiet fleet is not written to");
    Cost {
        fleet: fleet.name,
        objects,
        seconds_to_ready,
        calls_to_create: created.1 as f64 / objects as f64,
        calls_per_look: requests.len() as f64 / looks as f64,
        cpu_ms_to_create: (created.0 - idle.0) / objects as f64,
        cpu_ms_per_look: (after - before) / looks as f64,
        memory_idle_mib: idle.1,
        memory_peak_mib: memory(&process).1,
    }
}

async fn create(test: &Test, fleet: &Fleet) {
    for (kind, count) in KINDS.iter().zip(fleet.counts) {
        let api = objects::api(&test.client, &test.namespace, kind);
        let prefix = kind.trim_start_matches("ShowCore").to_lowercase();
        let create = |n: usize| {
            let name = format!("{prefix}-{n}");
            let spec = match *kind {
                "ShowCoreBucket" => json!({ "bucketName": format!("{name}-{{accountID}}"), "purpose": "Backups" }),
                _ => json!({}),
            };
            let manifest = json!({ "apiVersion": "showcore.io/v1alpha1", "kind": kind, "metadata": { "name": name }, "spec": spec });
            let api = api.clone();
            async move { api.create(&PostParams::default(), &serde_json::from_value(manifest).unwrap()).await.unwrap() }
        };
        stream::iter((0..count).map(create)).buffer_unordered(8).for_each(|_| async {}).await;
    }
}

/// When the last of so many objects became Ready.
async fn all_ready(test: &Test, kind: &str, count: usize) -> Instant {
    let mut waiting = count;
    let mut seen = std::collections::HashSet::new();
    let api = objects::api(&test.client, &test.namespace, kind);
    let mut stream = watcher(api, watcher::Config::default()).default_backoff().applied_objects().boxed();
    while waiting > 0 {
        let object: Value = json!(stream.try_next().await.unwrap().unwrap());
        let ready =
            harness::condition(&object, "Ready") == "True" && harness::condition(&object, "Reconciling").is_empty();
        if ready && seen.insert(object["metadata"]["name"].to_string()) {
            waiting -= 1;
        }
    }
    Instant::now()
}

/// CPU of a process so far, in milliseconds.
fn cpu(process: &Process) -> f64 {
    let stat = process.stat().unwrap();
    (stat.utime + stat.stime) as f64 * 1000.0 / procfs::ticks_per_second() as f64
}

/// Memory of a process now, and at most, in MiB.
fn memory(process: &Process) -> (f64, f64) {
    let status = process.status().unwrap();
    (status.vmrss.unwrap() as f64 / 1024.0, status.vmhwm.unwrap() as f64 / 1024.0)
}
