//! Rule 8: a quiet world costs nothing.

use std::{collections::BTreeMap, time::Duration};

use harness::{Test, objects};
use serde_json::Value;

use crate::look::{by_operator, condition, manifest, mutations, served, settled};

/// Objects of each kind.
const OBJECTS: usize = 50;
/// Resync periods that go by.
const PERIODS: usize = 10;
const KINDS: [(&str, &str); 3] = [
    ("ShowCoreDatabase", "tags: {team: core}"),
    ("ShowCoreCache", "tags: {team: core}"),
    ("ShowCoreBucket", "bucketName: 'NAME-{accountID}', purpose: Backups, tags: {team: core}"),
];

/// The objects' resourceVersions, by kind and name, if all of them are as they should be; else one that is not.
async fn versions(test: &Test) -> Result<BTreeMap<String, String>, Value> {
    let mut versions = BTreeMap::new();
    for (kind, _) in KINDS {
        for object in objects::list(&test.client, &test.namespace, kind).await.unwrap() {
            if !settled(&object) || condition(&object, "Pending").is_some() {
                return Err(object);
            }
            let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
            versions.insert(format!("{kind}/{}", text("name")), text("resourceVersion"));
        }
    }
    Ok(versions)
}

async fn all_settled(test: &Test) -> BTreeMap<String, String> {
    let deadline = std::time::Instant::now() + 3 * harness::judge::patience();
    loop {
        match versions(test).await {
            Ok(versions) => return versions,
            Err(other) => assert!(std::time::Instant::now() < deadline, "{other:#}\n{}", test.story().await),
        }
        test.advance(Duration::from_secs(20));
    }
}

/// How often each store was looked at since the log was cleared: by the call that every look begins with.
fn looks(test: &Test) -> BTreeMap<String, usize> {
    const FIRST: [(&str, &str); 3] = [
        ("DescribeDBInstances", "DBInstanceIdentifier"),
        ("DescribeReplicationGroups", "ReplicationGroupId"),
        ("GetBucketTagging", "Bucket"),
    ];
    let mut looks = BTreeMap::new();
    for request in test.account.requests().iter().filter(|request| by_operator(request)) {
        if let Some((call, parameter)) = FIRST.iter().find(|(call, _)| *call == request.operation) {
            *looks.entry(format!("{call} {}", request.parameters[parameter])).or_default() += 1;
        }
    }
    looks
}

/// Waits until every store was looked at so often. The log grows long, so it is not read all the time.
async fn looked_at(test: &Test, times: usize) {
    let deadline = std::time::Instant::now() + 3 * harness::judge::patience();
    while looks(test).values().filter(|count| **count >= times).count() < 3 * OBJECTS {
        assert!(std::time::Instant::now() < deadline, "{:?}\n{}", looks(test), test.story().await);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// The writes that the operator has sent to the API server, by its own count: one that changes nothing leaves no
/// resourceVersion behind.
async fn written(test: &Test) -> Vec<String> {
    let metrics = served(test, "/metrics").await;
    let counted = metrics.lines().filter(|line| line.starts_with("showcore_kubernetes_requests_total"));
    // A PUT renews the Lease, which a pod has.
    let renewal = |line: &str| harness::release::as_pods() && line.contains("PUT");
    let written: Vec<_> = counted.filter(|line| !line.contains("GET") && !renewal(line)).map(str::to_owned).collect();
    assert!(written.iter().any(|line| line.contains("PATCH")), "{metrics}");
    written
}

async fn events(test: &Test) -> usize {
    let events = test.kubectl.run(&["get", "events.events.k8s.io", "-o", "name"]).await.unwrap();
    events.stdout.lines().count()
}

#[tokio::test]
async fn rule_08_a_hundred_and_fifty_quiet_stores_cost_no_status_write_no_event_and_no_aws_mutation() {
    let mut test = Test::start("quiet").await.unwrap();
    // An account has 40 instances until it asks for more.
    test.account.rds().set_instance_quota(2 * OBJECTS);
    let mut options = test.operator_options().unwrap();
    // Long enough that a period is not over before every store was looked at.
    options.arguments.extend(["--poll-interval".into(), "2s".into()]);
    test.start_operator_as(options).await.unwrap();
    for (kind, spec) in KINDS {
        let prefix = kind.trim_start_matches("ShowCore").to_lowercase();
        let name = |n: usize| format!("{prefix}-{n}");
        let manifests: Vec<_> =
            (0..OBJECTS).map(|n| manifest(kind, &name(n), &spec.replace("NAME", &name(n)))).collect();
        test.apply(&manifests.join("\n---\n")).await;
    }
    all_settled(&test).await;
    // The first backups and snapshots are over too.
    test.advance(Duration::from_hours(1));
    test.account.clear_requests();
    looked_at(&test, 2).await;
    let before = (all_settled(&test).await, events(&test).await);
    assert_eq!(before.0.len(), 3 * OBJECTS);
    let written_before = written(&test).await;
    test.account.clear_requests();
    looked_at(&test, PERIODS).await;
    assert_eq!(mutations(&test), Vec::<String>::new());
    assert_eq!(written(&test).await, written_before);
    let after = (versions(&test).await.expect("still settled"), events(&test).await);
    assert!(before == after, "before: {before:?}\nafter: {after:?}");
    let requests = test.account.requests().iter().filter(|request| by_operator(request)).count();
    let looks: usize = looks(&test).values().sum();
    println!("{} stores, {looks} looks: {requests} reads of AWS, nothing else", 3 * OBJECTS);
}
