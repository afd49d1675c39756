//! What a cache costs in calls to AWS, counted in the stand-in's log of requests.

use std::collections::BTreeMap;

use super::*;
use crate::look::by_operator;

/// How often the operator has called each operation.
fn counted(test: &Test) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for request in test.account.requests().iter().filter(|request| by_operator(request)) {
        *counted.entry(request.operation.clone()).or_default() += 1;
    }
    counted
}

fn calls_of(pairs: &[(&str, usize)]) -> BTreeMap<String, usize> {
    pairs.iter().map(|(operation, times)| ((*operation).to_owned(), *times)).collect()
}

/// An operator that knows whose credentials it has, and an AWS that creates at once: so that no look is one that waits.
async fn prompt(name: &str) -> Test {
    let mut test = Test::start(name).await.unwrap();
    test.account.durations().create_replication_group = Duration::ZERO;
    let mut options = test.operator_options().unwrap();
    options.arguments.extend(["--poll-interval".into(), "1h".into()]);
    test.start_operator_as(options).await.unwrap();
    test.apply("{apiVersion: showcore.io/v1alpha1, kind: ShowCoreBucket, metadata: {name: other}, spec: {bucketName: 'other-{accountID}', purpose: Backups}}").await;
    test.wait("ShowCoreBucket", "other", "Ready", settled).await;
    test.account.clear_requests();
    test
}

#[tokio::test]
async fn a_cache_takes_six_calls_to_create() {
    let test = prompt("six").await;
    test.apply(&manifest("six", "tags: {team: core}")).await;
    test.settle(KIND, "six", "Ready and in sync", settled).await;
    let expected = [
        ("DescribeReplicationGroups", 2),
        ("GetCallerIdentity", 1),
        ("CreateReplicationGroup", 1),
        ("DescribeCacheClusters", 1),
        ("ListTagsForResource", 1),
    ];
    assert_eq!(counted(&test), calls_of(&expected));
}

#[tokio::test]
async fn a_cache_with_parameters_takes_four_more_to_create() {
    let test = prompt("ten").await;
    test.apply(&manifest("ten", "engineVersion: '7.1', parameters: {maxmemory-policy: allkeys-lru}")).await;
    test.settle(KIND, "ten", "Ready and in sync", settled).await;
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
    assert_eq!(counted(&test), calls_of(&expected));
}

/// The calls of one quiet look.
async fn quiet(name: &str, spec: &str) -> BTreeMap<String, usize> {
    let test = ready(name, spec).await;
    test.advance(Duration::from_hours(1));
    three_looks(&test, "DescribeReplicationGroups").await;
    test.account.clear_requests();
    three_looks(&test, "DescribeReplicationGroups").await;
    let counted = counted(&test);
    let looks = counted["DescribeReplicationGroups"];
    // The last look may not be over.
    counted.into_iter().map(|(operation, times)| (operation, times.div_ceil(looks))).collect()
}

#[tokio::test]
async fn a_quiet_cache_takes_three_calls_to_look_at_and_four_with_parameters() {
    let plain = [("DescribeReplicationGroups", 1), ("DescribeCacheClusters", 1), ("ListTagsForResource", 1)];
    assert_eq!(quiet("three", "replicas: 1, availability: MultiAZ").await, calls_of(&plain));
    let with_group: Vec<_> = plain.into_iter().chain([("DescribeCacheParameters", 1)]).collect();
    let spec = "engineVersion: '7.1', parameters: {timeout: '60'}, logDelivery: [{logType: SlowLog, destination: CloudWatchLogs, name: /slow}]";
    assert_eq!(quiet("four", spec).await, calls_of(&with_group));
}
