//! What a cache costs in calls to AWS, counted in the stand-in's log of requests.

use std::collections::BTreeMap;

use super::*;
use crate::look::by_operator;

/// How often the operator has called each operation.
fn counted(requests: &[aws_sim::Request]) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for request in requests {
        *counted.entry(request.operation.clone()).or_default() += 1;
    }
    counted
}

/// What the operator has sent to ElastiCache and STS.
fn sent(test: &Test) -> Vec<aws_sim::Request> {
    let mut requests = test.account.requests();
    requests.retain(|request| by_operator(request) && request.service != "s3");
    requests
}

fn calls_of(pairs: &[(&str, usize)]) -> BTreeMap<String, usize> {
    pairs.iter().map(|(operation, times)| ((*operation).to_owned(), *times)).collect()
}

/// All calls of a creation but the looks that wait while AWS is `creating`: those up to the create call, and those after
/// AWS is done. The operator knows whose credentials it has, and looks when it is told to.
async fn creation(name: &str, spec: &str) -> BTreeMap<String, usize> {
    let mut test = Test::start(name).await.unwrap();
    let mut options = test.operator_options().unwrap();
    options.arguments.extend(["--poll-interval".into(), "1h".into()]);
    test.start_operator_as(options).await.unwrap();
    test.apply("{apiVersion: showcore.io/v1alpha1, kind: ShowCoreBucket, metadata: {name: other}, spec: {bucketName: 'other-{accountID}', purpose: Backups}}").await;
    test.wait("ShowCoreBucket", "other", "Ready", settled).await;
    test.account.clear_requests();
    test.apply(&manifest(name, spec)).await;
    // The look after the create call; nothing wakes another one.
    let looks = |test: &Test| sent(test).iter().filter(|one| one.operation == "DescribeCacheClusters").count();
    test.until("the look that waits", |test| looks(test) == 1).await;
    let until_created = sent(&test);
    let create = until_created.iter().position(|request| request.operation == "CreateReplicationGroup").unwrap();
    test.account.clear_requests();
    test.advance(Duration::from_mins(10));
    test.kubectl.run(&["annotate", "sccache", name, "showcore.io/reconcile-at=now"]).await.unwrap().ok().unwrap();
    test.wait(KIND, name, "Ready and in sync", settled).await;
    counted(&[&until_created[..=create], &sent(&test)].concat())
}

#[tokio::test]
async fn a_cache_takes_six_calls_to_create() {
    let expected = [
        ("DescribeReplicationGroups", 2),
        ("GetCallerIdentity", 1),
        ("CreateReplicationGroup", 1),
        ("DescribeCacheClusters", 1),
        ("ListTagsForResource", 1),
    ];
    assert_eq!(creation("six", "tags: {team: core}").await, calls_of(&expected));
}

#[tokio::test]
async fn a_cache_with_parameters_takes_four_more_to_create() {
    let expected = [
        ("DescribeReplicationGroups", 2),
        ("DescribeCacheParameters", 2),
        ("CreateCacheParameterGroup", 1),
        ("ModifyCacheParameterGroup", 1),
        ("GetCallerIdentity", 1),
        ("CreateReplicationGroup", 1),
        ("DescribeCacheClusters", 1),
        ("ListTagsForResource", 1),
    ];
    let spec = "engineVersion: '7.1', parameters: {maxmemory-policy: allkeys-lru}";
    assert_eq!(creation("ten", spec).await, calls_of(&expected));
}

/// The calls of quiet looks, by how many looks there were.
async fn quiet(name: &str, spec: &str) -> (usize, BTreeMap<String, usize>) {
    let test = ready(name, spec).await;
    test.advance(Duration::from_hours(1));
    three_looks(&test, "DescribeReplicationGroups").await;
    test.account.clear_requests();
    three_looks(&test, "DescribeReplicationGroups").await;
    // Whole looks only: each begins with the group.
    let requests = sent(&test);
    let begins: Vec<_> = requests
        .iter()
        .enumerate()
        .filter(|(_, request)| request.operation == "DescribeReplicationGroups")
        .map(|(at, _)| at)
        .collect();
    (begins.len() - 1, counted(&requests[begins[0]..begins[begins.len() - 1]]))
}

#[tokio::test]
async fn a_quiet_cache_takes_three_calls_to_look_at_and_four_with_parameters() {
    let plain = ["DescribeReplicationGroups", "DescribeCacheClusters", "ListTagsForResource"];
    let (looks, counted) = quiet("three", "replicas: 1, availability: MultiAZ").await;
    assert_eq!(counted, calls_of(&plain.map(|operation| (operation, looks))));
    let spec = "engineVersion: '7.1', parameters: {timeout: '60'}, logDelivery: [{logType: SlowLog, destination: CloudWatchLogs, name: /slow}]";
    let (looks, counted) = quiet("four", spec).await;
    let with_group = [plain[0], plain[1], plain[2], "DescribeCacheParameters"];
    assert_eq!(counted, calls_of(&with_group.map(|operation| (operation, looks))));
}
