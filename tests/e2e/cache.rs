//! `ShowCoreCache`, end to end.

use std::time::Duration;

use harness::Test;
use serde_json::Value;

use crate::look::{
    self, accepted_secret, advance_to_sunday, assert_drift, calls, condition, drift, fail, last_drift, message,
    mutations, reason, rule_07, secret, settled, tamper, three_looks, told, version,
};

mod costs;
mod drifting;
mod logs;
mod parameters;

const KIND: &str = "ShowCoreCache";
const REGION: &str = "eu-central-1";

fn manifest(name: &str, spec: &str) -> String {
    look::manifest(KIND, name, spec)
}

async fn ready(name: &str, spec: &str) -> Test {
    look::ready(KIND, name, spec).await
}

async fn group(test: &Test, name: &str) -> serde_json::Value {
    test.aws(&["elasticache", "describe-replication-groups", "--replication-group-id", name]).await["ReplicationGroups"]
        [0]
    .clone()
}

async fn assert_gone(test: &Test, name: &str) {
    let question = ["elasticache", "describe-replication-groups", "--replication-group-id", name];
    look::assert_gone(test, &question, "ReplicationGroupNotFoundFault").await;
}

async fn member(test: &Test, id: &str) -> serde_json::Value {
    test.aws(&["elasticache", "describe-cache-clusters", "--cache-cluster-id", id]).await["CacheClusters"][0].clone()
}

async fn tags(test: &Test, name: &str) -> String {
    let arn = group(test, name).await["ARN"].as_str().unwrap().to_owned();
    test.aws(&["elasticache", "list-tags-for-resource", "--resource-name", &arn]).await.to_string()
}

#[tokio::test]
async fn a_cache_is_created_encrypted_at_rest_and_in_transit_with_its_token_in_a_secret() {
    let test = ready("created", "engineVersion: '7.1', tags: {team: core}").await;
    let object = test.get(KIND, "created").await.unwrap();
    assert_eq!(object["status"]["resource"]["member"], "created-001");
    // The decision record's check, with the member's id as AWS names it.
    let node = member(&test, "created-001").await;
    assert_eq!((&node["AtRestEncryptionEnabled"], &node["TransitEncryptionEnabled"]), (&true.into(), &true.into()));
    let group = group(&test, "created").await;
    assert_eq!((&group["TransitEncryptionMode"], &group["AuthTokenEnabled"]), (&"required".into(), &true.into()));
    assert_eq!(group["KmsKeyId"], serde_json::Value::Null, "no key of ours");
    assert_eq!(object["status"]["encryption"]["atRest"]["keyManagement"], "AWSOwnedKey");
    assert_eq!(condition(&object, "Encrypted"), Some("True"));
    assert!(tags(&test, "created").await.contains(&format!("{KIND}/{}/created", test.namespace)));
    let bound = test.get("Secret", "created-connection").await.unwrap();
    let entry = |key: &str| secret(&bound, key).unwrap_or_else(|| panic!("no {key}"));
    assert_eq!(
        (entry("type"), entry("provider"), entry("port")),
        ("redis".into(), "aws-elasticache".into(), "6379".into())
    );
    assert_eq!(entry("host"), group["NodeGroups"][0]["PrimaryEndpoint"]["Address"].as_str().unwrap());
    assert!(entry("uri").starts_with("rediss://:"));
    let digest = aws_sim::log::digest(&entry("password"));
    assert_eq!(accepted_secret(&test, "created"), Some(digest));
    let requests = test.account.requests();
    let create = requests.iter().find(|request| request.operation == "CreateReplicationGroup").unwrap();
    assert!(create.parameters["Tags"].to_string().contains("showcore.io/uid"));
}

#[tokio::test]
async fn a_changed_spec_reaches_elasticache_in_the_order_it_wants() {
    let test = ready("changed", "replicas: 0, tags: {old: x}").await;
    test.apply(&manifest("changed", "replicas: 1, snapshot: {retentionDays: 3}, tags: {new: fresh}")).await;
    test.settle(KIND, "changed", "in sync", |object| object["metadata"]["generation"] == 2 && settled(object)).await;
    test.advance(Duration::from_mins(20));
    let grown = group(&test, "changed").await;
    assert_eq!(grown["MemberClusters"].as_array().unwrap().len(), 2);
    assert_eq!((&grown["SnapshotRetentionLimit"], &grown["AutomaticFailover"]), (&3.into(), &"enabled".into()));
    let text = tags(&test, "changed").await;
    assert!(text.contains("new") && !text.contains("old"), "{text}");
    // And back: failover goes off before the replicas go.
    test.apply(&manifest("changed", "replicas: 0, snapshot: {retentionDays: 3}, tags: {new: fresh}")).await;
    test.settle(KIND, "changed", "in sync", |object| object["metadata"]["generation"] == 3 && settled(object)).await;
    test.advance(Duration::from_mins(20));
    assert_eq!(group(&test, "changed").await["MemberClusters"].as_array().unwrap().len(), 1);
    let object = test.get(KIND, "changed").await.unwrap();
    assert_eq!(object["status"]["lastDrift"], serde_json::Value::Null);
}

#[tokio::test]
async fn multi_az_comes_last_and_goes_first_in_the_order_that_elasticache_wants() {
    let test = ready("zones", "replicas: 0").await;
    test.account.clear_requests();
    test.apply(&manifest("zones", "replicas: 1, availability: MultiAZ")).await;
    let at = |generation: i64| move |object: &Value| object["metadata"]["generation"] == generation && settled(object);
    test.settle(KIND, "zones", "in sync", at(2)).await;
    let up = group(&test, "zones").await;
    assert_eq!((&up["AutomaticFailover"], &up["MultiAZ"]), (&"enabled".into(), &"enabled".into()));
    assert_eq!(mutations(&test), ["IncreaseReplicaCount", "ModifyReplicationGroup", "ModifyReplicationGroup"]);
    test.account.clear_requests();
    test.apply(&manifest("zones", "replicas: 0")).await;
    test.settle(KIND, "zones", "in sync", at(3)).await;
    let down = group(&test, "zones").await;
    assert_eq!((&down["AutomaticFailover"], &down["MultiAZ"]), (&"disabled".into(), &"disabled".into()));
    assert_eq!(mutations(&test), ["ModifyReplicationGroup", "ModifyReplicationGroup", "DecreaseReplicaCount"]);
    let refused: Vec<_> = test.account.requests().into_iter().filter(|request| request.error.is_some()).collect();
    assert!(refused.is_empty(), "AWS never had to refuse the order: {refused:?}");
    assert_eq!(test.get(KIND, "zones").await.unwrap()["status"]["lastDrift"], Value::Null);
}

#[tokio::test]
async fn valkey_is_created_changed_and_watched_as_redis_is() {
    let spec = "engine: valkey, disruption: Immediate";
    let mut test = ready("valkey", &format!("{spec}, engineVersion: '7.2'")).await;
    let node = member(&test, "valkey-001").await;
    assert_eq!((&node["Engine"], &node["EngineVersion"]), (&"valkey".into(), &"7.2.6".into()));
    assert_eq!((&node["AtRestEncryptionEnabled"], &node["TransitEncryptionMode"]), (&true.into(), &"required".into()));
    assert_eq!(node["CacheParameterGroup"]["CacheParameterGroupName"], "default.valkey7");
    let bound = test.get("Secret", "valkey-connection").await.unwrap();
    let digest = aws_sim::log::digest(&secret(&bound, "password").unwrap());
    assert_eq!(test.account.elasticache().auth(REGION, "valkey").unwrap().tokens, [digest]);
    // Its clients speak Redis's protocol.
    assert_eq!(secret(&bound, "type").as_deref(), Some("redis"));
    test.apply(&manifest("valkey", &format!("{spec}, engineVersion: '8.0', snapshot: {{retentionDays: 3}}"))).await;
    test.settle(KIND, "valkey", "in sync", |object| object["metadata"]["generation"] == 2 && settled(object)).await;
    let node = member(&test, "valkey-001").await;
    assert_eq!(node["EngineVersion"], "8.0.1");
    assert_eq!(node["CacheParameterGroup"]["CacheParameterGroupName"], "default.valkey8");
    assert_eq!(group(&test, "valkey").await["SnapshotRetentionLimit"], 3);
    let code = "client('elasticache').modify_replication_group(ReplicationGroupId='valkey', SnapshotRetentionLimit=9, ApplyImmediately=True)";
    tamper(&mut test, code, &[("elasticache", "ModifyReplicationGroup")]).await;
    let found = |object: &Value| drift(object, "snapshot.retentionDays").is_some();
    let object = test.settle(KIND, "valkey", "Drifted", found).await;
    assert_drift(&object, "snapshot.retentionDays", "3", "9");
    test.account.clear_faults();
    test.settle(KIND, "valkey", "corrected", settled).await;
    assert_eq!(group(&test, "valkey").await["SnapshotRetentionLimit"], 3);
    test.delete("Secret", "valkey-connection").await;
    let before = secret(&bound, "password").unwrap();
    test.settle(KIND, "valkey", "only a new token with AWS", |_| {
        let tokens = test.account.elasticache().auth(REGION, "valkey").unwrap().tokens.clone();
        tokens.len() == 1 && tokens != [aws_sim::log::digest(&before)]
    })
    .await;
}

#[tokio::test]
async fn a_node_type_change_waits_for_its_window() {
    let spec = "maintenance: {window: 'sun:05:00-sun:06:00'}, snapshot: {window: '01:00-02:00'}";
    let test = ready("windowed", spec).await;
    test.apply(&manifest("windowed", &format!("nodeType: cache.t3.small, {spec}"))).await;
    test.wait(KIND, "windowed", "AwaitingWindow", |object| reason(object, "Pending") == Some("AwaitingWindow")).await;
    advance_to_sunday(&test, 4, 50);
    three_looks(&test, "DescribeReplicationGroups").await;
    assert_eq!(calls(&test, "ModifyReplicationGroup"), 0, "ten minutes before the window");
    advance_to_sunday(&test, 5, 0);
    test.until("the modification", |test| calls(test, "ModifyReplicationGroup") == 1).await;
    test.settle(KIND, "windowed", "the new type", |object| settled(object) && condition(object, "Pending").is_none())
        .await;
    test.advance(Duration::from_mins(20));
    assert_eq!(group(&test, "windowed").await["CacheNodeType"], "cache.t3.small");
}

#[tokio::test]
async fn drift_is_reported_with_field_desired_observed_and_since_then_corrected() {
    let spec = "snapshot: {retentionDays: 1, window: '01:00-02:00'}, maintenance: {window: 'sun:05:00-sun:06:00'}, tags: {team: core}";
    let mut test = ready("drifted", spec).await;
    let arn = group(&test, "drifted").await["ARN"].as_str().unwrap().to_owned();
    let code = format!(
        "ec = client('elasticache')
ec.remove_tags_from_resource(ResourceName='{arn}', TagKeys=['team'])
ec.add_tags_to_resource(ResourceName='{arn}', Tags=[{{'Key': 'theirs', 'Value': '1'}}])
ec.modify_replication_group(ReplicationGroupId='drifted', SnapshotRetentionLimit=0, SnapshotWindow='13:00-14:00', PreferredMaintenanceWindow='mon:08:00-mon:09:00', ApplyImmediately=True)"
    );
    tamper(&mut test, &code, &[("elasticache", "ModifyReplicationGroup"), ("elasticache", "AddTagsToResource")]).await;
    let object = test
        .settle(KIND, "drifted", "Drifted", |object| {
            drift(object, "tags.team").is_some() && drift(object, "snapshot.retentionDays").is_some()
        })
        .await;
    assert_drift(&object, "snapshot.retentionDays", "1", "0");
    assert_drift(&object, "snapshot.window", "01:00-02:00", "13:00-14:00");
    assert_drift(&object, "maintenance.window", "sun:05:00-sun:06:00", "mon:08:00-mon:09:00");
    assert_drift(&object, "tags.team", "'core'", "absent");
    test.account.clear_faults();
    let object = test.settle(KIND, "drifted", "corrected", settled).await;
    for field in ["snapshot.retentionDays", "snapshot.window", "maintenance.window", "tags.team"] {
        assert!(last_drift(&object, field).is_some(), "{field} is not in lastDrift");
    }
    assert_eq!(group(&test, "drifted").await["SnapshotRetentionLimit"], 1);
    let text = tags(&test, "drifted").await;
    assert!(text.contains("theirs") && text.contains("core"), "{text}");
    told(&test, "DriftCorrected", &["snapshot.retentionDays", "snapshot.window", "maintenance.window", "tags.team"])
        .await;
}

#[tokio::test]
async fn a_policy_of_report_reports_and_leaves_it() {
    let test = ready("reported", "driftPolicy: Report, snapshot: {retentionDays: 2}").await;
    test.boto3("client('elasticache').modify_replication_group(ReplicationGroupId='reported', SnapshotRetentionLimit=5, ApplyImmediately=True)").await;
    let object =
        test.settle(KIND, "reported", "the drift", |object| drift(object, "snapshot.retentionDays").is_some()).await;
    assert_eq!(drift(&object, "snapshot.retentionDays").unwrap()["action"], "ReportOnly");
    assert_eq!(condition(&object, "Ready"), Some("True"));
    three_looks(&test, "DescribeReplicationGroups").await;
    assert_eq!(calls(&test, "ModifyReplicationGroup"), 0);
}

#[tokio::test]
async fn a_nightly_snapshot_changes_nothing() {
    let test = ready("nightly", "").await;
    let before = test.get(KIND, "nightly").await.unwrap();
    let now = test.account.now();
    test.account.elasticache().start_nightly_snapshot(REGION, "nightly", now, Duration::from_mins(10)).unwrap();
    test.account.clear_requests();
    test.until("five looks", |test| calls(test, "DescribeReplicationGroups") >= 5).await;
    let during = test.get(KIND, "nightly").await.unwrap();
    assert_eq!((condition(&during, "Ready"), version(&during)), (Some("True"), version(&before)));
    assert_eq!(mutations(&test), Vec::<String>::new());
}

#[tokio::test]
async fn a_lost_secret_gets_a_new_token_which_replaces_the_old_one() {
    let test = ready("lost", "").await;
    let before = test.account.elasticache().auth(REGION, "lost").unwrap().tokens.clone();
    test.delete("Secret", "lost-connection").await;
    test.settle(KIND, "lost", "only the new token with AWS", |_| {
        let tokens = test.account.elasticache().auth(REGION, "lost").unwrap().tokens.clone();
        tokens.len() == 1 && tokens != before
    })
    .await;
    test.settle(KIND, "lost", "in sync", settled).await;
    let bound = test.get("Secret", "lost-connection").await.unwrap();
    let digest = aws_sim::log::digest(&secret(&bound, "password").unwrap());
    assert_eq!(test.account.elasticache().auth(REGION, "lost").unwrap().tokens, [digest]);
    told(&test, "CredentialsReplaced", &["restart what still uses the old one"]).await;
    rule_07(&test, &secret(&bound, "password").unwrap()).await;
}

#[tokio::test]
async fn deleted_under_snapshot_the_final_snapshot_is_verified_before_the_finalizer_goes() {
    let test = ready("snapped", "").await;
    test.delete(KIND, "snapped").await;
    test.until("the deletion", |test| calls(test, "DeleteReplicationGroup") == 1).await;
    // The group goes, and its snapshot cannot be looked at: the object stays.
    fail(&test, "elasticache", "DescribeSnapshots", "InternalFailure", 500);
    test.advance(Duration::from_hours(1));
    three_looks(&test, "DescribeReplicationGroups").await;
    assert_gone(&test, "snapped").await;
    assert!(test.get(KIND, "snapped").await.is_some());
    test.account.clear_faults();
    test.settle_gone(KIND, "snapped").await;
    let snapshots = test.aws(&["elasticache", "describe-snapshots", "--snapshot-source", "user"]).await;
    let snapshot = &snapshots["Snapshots"][0];
    assert!(snapshot["SnapshotName"].as_str().unwrap().starts_with("snapped-final-"), "{snapshots}");
    assert_eq!(snapshot["SnapshotStatus"], "available");
}

#[tokio::test]
async fn rule_06_without_its_final_snapshot_the_object_stays_and_says_so() {
    let test = ready("unsnapped", "").await;
    test.delete(KIND, "unsnapped").await;
    test.until("the deletion", |test| calls(test, "DeleteReplicationGroup") == 1).await;
    fail(&test, "elasticache", "DescribeSnapshots", "InternalFailure", 500);
    test.advance(Duration::from_hours(1));
    let requests = test.account.requests();
    let delete = requests.iter().find(|request| request.operation == "DeleteReplicationGroup").unwrap();
    let snapshot = delete.parameters["FinalSnapshotIdentifier"].as_str().unwrap();
    test.aws(&["elasticache", "delete-snapshot", "--snapshot-name", snapshot]).await;
    test.advance(Duration::from_hours(1));
    test.account.clear_faults();
    test.settle(KIND, "unsnapped", "SnapshotMissing", |o| reason(o, "Stalled") == Some("SnapshotMissing")).await;
    test.apply(&manifest("unsnapped", "deletionPolicy: Delete")).await;
    test.settle_gone(KIND, "unsnapped").await;
}

#[tokio::test]
async fn deleted_under_delete_no_snapshot_is_made() {
    let test = ready("dropped", "deletionPolicy: Delete").await;
    test.delete(KIND, "dropped").await;
    test.settle_gone(KIND, "dropped").await;
    assert_gone(&test, "dropped").await;
    let snapshots = test.aws(&["elasticache", "describe-snapshots", "--snapshot-source", "user"]).await;
    assert_eq!(snapshots["Snapshots"].as_array().unwrap().len(), 0);
    assert_eq!(calls(&test, "DeleteReplicationGroup"), 1);
}

#[tokio::test]
async fn deleted_under_retain_the_cache_and_its_secret_stay() {
    let test = ready("retained", "deletionPolicy: Retain, tags: {team: core}").await;
    test.delete(KIND, "retained").await;
    test.settle_gone(KIND, "retained").await;
    let text = tags(&test, "retained").await;
    assert!(text.contains("team") && !text.contains("showcore.io"), "{text}");
    assert!(test.get("Secret", "retained-connection").await.is_some());
}

#[tokio::test]
async fn rule_03_a_cache_that_is_not_ours_is_left_untouched_and_an_unencrypted_one_never_taken_over() {
    let mut test = Test::start("naked").await.unwrap();
    test.aws(&[
        "elasticache",
        "create-replication-group",
        "--replication-group-id",
        "naked",
        "--replication-group-description",
        "theirs",
        "--cache-node-type",
        "cache.t3.micro",
        "--num-cache-clusters",
        "1",
        "--engine",
        "redis",
        "--no-automatic-failover-enabled",
    ])
    .await;
    test.advance(Duration::from_mins(20));
    test.start_operator().await.unwrap();
    test.apply(&manifest("naked", "")).await;
    let object = test.wait(KIND, "naked", "NotOurs", |object| reason(object, "Stalled") == Some("NotOurs")).await;
    assert_eq!((condition(&object, "Ready"), condition(&object, "Encrypted")), (Some("False"), Some("False")));
    assert!(message(&object, "Encrypted").contains("never taken over"));
    three_looks(&test, "DescribeReplicationGroups").await;
    test.delete(KIND, "naked").await;
    test.wait_gone(KIND, "naked").await;
    assert_eq!(mutations(&test), Vec::<String>::new());
    assert_eq!(group(&test, "naked").await["Status"], "available");
}

#[tokio::test]
async fn rule_02_a_cache_that_vanished_is_missing_and_not_made_again() {
    let test = ready("vanished", "").await;
    assert!(test.account.elasticache().drop_group(REGION, "vanished"));
    test.settle(KIND, "vanished", "Missing", |object| reason(object, "Stalled") == Some("Missing")).await;
    assert_eq!(calls(&test, "CreateReplicationGroup"), 1);
}
