//! Behaviour over time, as a client sees it, on a clock that only the test moves.

#![expect(clippy::needless_pass_by_value, reason = "parameters are literals at nearly every call")]

use std::time::Duration;

use serde_json::{Value, json};

use crate::log::digest;
use crate::{Account, AwsError, Options, Sim};

mod logs;
mod parameters;

const REGION: &str = "us-east-1";
const MINUTE: u64 = 60;
const TOKEN: &str = "token-number-one-1234";

struct Client {
    sim: Sim,
    account: Account,
}

impl Client {
    fn new() -> Self {
        let sim = Sim::new(Options { speed: 0.0 });
        let account = sim.account("AKIASIM00111122223333");
        Client { sim, account }
    }

    fn ask(&self, operation: &str, parameters: Value) -> Result<Value, AwsError> {
        self.account.execute("elasticache", REGION, operation, &parameters, "http://localhost")
    }

    fn does(&self, operation: &str, parameters: Value) -> Value {
        self.ask(operation, parameters).unwrap_or_else(|error| panic!("{operation}: {error}"))
    }

    /// The code of the refusal.
    fn refused(&self, operation: &str, parameters: Value) -> String {
        match self.ask(operation, parameters) {
            Ok(answer) => panic!("{operation} was not refused: {answer}"),
            Err(error) => error.code,
        }
    }

    /// Creates a group of these parameters beside the usual ones.
    fn create(&self, more: Value) -> Value {
        self.does("CreateReplicationGroup", group(more))["ReplicationGroup"].take()
    }

    fn pass(&self, seconds: u64) {
        self.account.advance(Duration::from_secs(seconds));
    }

    fn available(&self, more: Value) {
        self.create(more);
        self.pass(10 * MINUTE);
        assert_eq!(self.group()["Status"], "available");
    }

    fn group(&self) -> Value {
        self.does("DescribeReplicationGroups", json!({"ReplicationGroupId": "redis"}))["ReplicationGroups"][0].take()
    }

    fn member(&self, id: &str) -> Value {
        let parameters = json!({"CacheClusterId": id, "ShowCacheNodeInfo": true});
        self.does("DescribeCacheClusters", parameters)["CacheClusters"][0].take()
    }

    fn modify(&self, more: Value) -> Result<Value, AwsError> {
        self.ask("ModifyReplicationGroup", with(json!({"ReplicationGroupId": "redis"}), more))
    }

    fn modified(&self, more: Value) -> Value {
        self.modify(more).unwrap()["ReplicationGroup"].take()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.sim.violations(), Vec::<String>::new());
        }
    }
}

fn with(mut base: Value, more: Value) -> Value {
    if let (Value::Object(base), Value::Object(more)) = (&mut base, more) {
        base.extend(more);
        base.retain(|_, value| !value.is_null());
    }
    base
}

fn group(more: Value) -> Value {
    let usual = json!({
        "ReplicationGroupId": "redis",
        "ReplicationGroupDescription": "sessions",
        "CacheNodeType": "cache.t3.micro",
        "Engine": "redis",
        "EngineVersion": "7.1",
        "NumNodeGroups": 1,
        "ReplicasPerNodeGroup": 0,
        "AtRestEncryptionEnabled": true,
        "TransitEncryptionEnabled": true,
    });
    with(usual, more)
}

fn replicas(count: i64) -> Value {
    json!({"ReplicationGroupId": "redis", "NewReplicaCount": count, "ApplyImmediately": true})
}

#[test]
fn a_group_is_created_encrypted_and_its_member_says_so() {
    let client = Client::new();
    let created = client.create(json!({"AuthToken": TOKEN}));
    assert_eq!(created["Status"], "creating");
    assert_eq!(created.get("NodeGroups"), None);
    assert_eq!(client.group()["NodeGroups"], json!([{"NodeGroupId": "0001", "Status": "creating"}]));
    client.pass(10 * MINUTE);
    let group = client.group();
    assert_eq!(group["Status"], "available");
    assert_eq!(group["NodeGroups"][0]["Status"], "available");
    assert_eq!(group["MemberClusters"], json!(["redis-001"]));
    assert_eq!(group["AuthTokenEnabled"], true);
    assert_eq!(group.get("KmsKeyId"), None, "a key of AWS's own is not shown");
    assert_eq!(group.get("ConfigurationEndpoint"), None);
    assert!(group["NodeGroups"][0]["PrimaryEndpoint"]["Address"].as_str().unwrap().starts_with("master.redis."));
    let member = client.member("redis-001");
    for (name, value) in [
        ("AtRestEncryptionEnabled", json!(true)),
        ("TransitEncryptionEnabled", json!(true)),
        ("TransitEncryptionMode", json!("required")),
        ("EngineVersion", json!("7.1.0")),
        ("ReplicationGroupId", json!("redis")),
        ("CacheClusterStatus", json!("available")),
    ] {
        assert_eq!(member[name], value, "{name}");
    }
    assert_eq!(client.account.elasticache().auth(REGION, "redis").unwrap().tokens, [digest(TOKEN)]);
    assert_eq!(client.refused("CreateReplicationGroup", group_named("redis")), "ReplicationGroupAlreadyExists");
}

fn group_named(id: &str) -> Value {
    group(json!({"ReplicationGroupId": id}))
}

#[test]
fn what_aws_refuses_at_creation_is_refused() {
    let client = Client::new();
    let key = "00000000-0000-4000-a000-000000000000";
    for (more, code) in [
        (json!({"ReplicationGroupId": "a--b"}), "InvalidParameterValue"),
        (json!({"CacheNodeType": "cache.t9.micro"}), "InvalidParameterValue"),
        (json!({"CacheNodeType": null}), "InvalidParameterValue"),
        (json!({"EngineVersion": "7.1.0"}), "InvalidParameterValue"),
        (json!({"Engine": "memcached"}), "InvalidParameterValue"),
        (json!({"AutomaticFailoverEnabled": true}), "InvalidParameterCombination"),
        (json!({"MultiAZEnabled": true}), "InvalidParameterCombination"),
        (json!({"NumCacheClusters": 1}), "InvalidParameterCombination"),
        (json!({"ReplicasPerNodeGroup": 6}), "InvalidParameterValue"),
        (json!({"AuthToken": TOKEN, "TransitEncryptionEnabled": false}), "InvalidParameterCombination"),
        (json!({"AuthToken": TOKEN, "TransitEncryptionMode": "preferred"}), "InvalidParameterCombination"),
        (json!({"AuthToken": "short"}), "InvalidParameterValue"),
        (json!({"KmsKeyId": key, "AtRestEncryptionEnabled": false}), "InvalidParameterCombination"),
        (json!({"KmsKeyId": key}), "InvalidParameterValue"),
        (json!({"CacheParameterGroupName": "mine"}), "CacheParameterGroupNotFound"),
        (json!({"CacheParameterGroupName": "default.redis6.x"}), "InvalidParameterCombination"),
        (json!({"CacheSubnetGroupName": "nowhere"}), "CacheSubnetGroupNotFoundFault"),
        (json!({"SecurityGroupIds": ["sg-1"]}), "InvalidParameterValue"),
        (json!({"SnapshotRetentionLimit": 36}), "InvalidParameterValue"),
        (json!({"PreferredMaintenanceWindow": "sun"}), "InvalidParameterValue"),
        (json!({"Tags": [{"Key": "aws:x", "Value": "1"}]}), "InvalidParameterValue"),
        (json!({"UserGroupIds": ["users"]}), "NotImplemented"),
        (json!({"GlobalReplicationGroupId": "all"}), "NotImplemented"),
    ] {
        let said = more.to_string();
        assert_eq!(client.refused("CreateReplicationGroup", group(more)), code, "{said}");
    }
    assert_eq!(client.does("DescribeReplicationGroups", json!({}))["ReplicationGroups"], json!([]));
}

#[test]
fn nothing_but_reading_is_allowed_while_a_group_is_busy() {
    let client = Client::new();
    client.create(json!({}));
    let arn = client.group()["ARN"].clone();
    let cluster = client.member("redis-001")["ARN"].clone();
    let state = "InvalidReplicationGroupState";
    for status in ["creating", "modifying", "snapshotting", "deleting"] {
        client.account.elasticache().set_status(REGION, "redis", status);
        assert_eq!(client.modify(json!({"ReplicationGroupDescription": "x"})).unwrap_err().code, state, "{status}");
        for (operation, parameters) in [
            ("DeleteReplicationGroup", json!({"ReplicationGroupId": "redis"})),
            ("IncreaseReplicaCount", replicas(1)),
            ("ListTagsForResource", json!({"ResourceName": arn})),
            ("AddTagsToResource", json!({"ResourceName": arn, "Tags": [{"Key": "a", "Value": "b"}]})),
        ] {
            assert_eq!(client.refused(operation, parameters), state, "{operation} in {status}");
        }
        let snapshot = json!({"SnapshotName": "s", "CacheClusterId": "redis-001"});
        assert_eq!(client.refused("CreateSnapshot", snapshot), "InvalidCacheClusterState", "{status}");
        let tags_of_member = client.refused("ListTagsForResource", json!({"ResourceName": cluster}));
        assert_eq!(tags_of_member, "CacheClusterNotFound", "{status}");
    }
}

#[test]
fn a_deleted_group_leaves_its_final_snapshot_and_is_not_found() {
    let client = Client::new();
    client.available(json!({"SnapshotRetentionLimit": 1}));
    let nightly = {
        let (now, lasts) = (client.account.now(), Duration::from_secs(MINUTE));
        client.account.elasticache().start_nightly_snapshot(REGION, "redis", now, lasts).unwrap()
    };
    assert_eq!(client.group()["Status"], "snapshotting");
    assert_eq!(client.member("redis-001")["CacheClusterStatus"], "snapshotting");
    client.pass(MINUTE);
    let parameters = json!({"ReplicationGroupId": "redis", "FinalSnapshotIdentifier": "redis-final"});
    let answer = client.does("DeleteReplicationGroup", parameters.clone());
    assert_eq!(answer["ReplicationGroup"]["Status"], "deleting");
    assert_eq!(client.refused("DeleteReplicationGroup", parameters), "InvalidReplicationGroupState");
    let snapshot = |name: &str| client.ask("DescribeSnapshots", json!({"SnapshotName": name}));
    assert_eq!(snapshot("redis-final").unwrap()["Snapshots"][0]["SnapshotStatus"], "creating");
    assert!(snapshot(&nightly).is_ok());
    client.pass(3 * MINUTE);
    let finished = snapshot("redis-final").unwrap()["Snapshots"][0].take();
    assert_eq!((&finished["SnapshotStatus"], &finished["SnapshotSource"]), (&json!("available"), &json!("manual")));
    assert_eq!(finished["CacheClusterId"], "redis-001");
    assert_eq!(finished.get("ReplicationGroupId"), None);
    client.pass(4 * MINUTE);
    assert_eq!(client.group()["Status"], "deleting", "the snapshot comes first");
    client.pass(MINUTE);
    let gone = client.refused("DescribeReplicationGroups", json!({"ReplicationGroupId": "redis"}));
    assert_eq!(gone, "ReplicationGroupNotFoundFault");
    assert_eq!(client.does("DescribeCacheClusters", json!({}))["CacheClusters"], json!([]));
    assert!(snapshot("redis-final").is_ok());
    assert_eq!(snapshot(&nightly).unwrap_err().code, "SnapshotNotFoundFault", "automatic ones go along");
    client.available(json!({"SnapshotName": "redis-final", "CacheNodeType": null}));
    let again = json!({"ReplicationGroupId": "redis", "FinalSnapshotIdentifier": "redis-final"});
    assert_eq!(client.refused("DeleteReplicationGroup", again), "SnapshotAlreadyExistsFault");
}

#[test]
fn a_node_type_waits_for_its_window_or_is_applied_at_once() {
    let client = Client::new();
    client.available(json!({"PreferredMaintenanceWindow": "sun:05:00-sun:06:00"}));
    client.modified(json!({"CacheNodeType": "cache.t3.small", "ApplyImmediately": false}));
    assert_eq!(client.group()["Status"], "available");
    assert_eq!(client.member("redis-001")["PendingModifiedValues"]["CacheNodeType"], "cache.t3.small");
    assert_eq!(client.member("redis-001")["CacheNodeType"], "cache.t3.micro");
    client.pass(8 * 24 * 60 * MINUTE);
    assert_eq!(client.member("redis-001")["CacheNodeType"], "cache.t3.small");
    assert_eq!(client.member("redis-001")["PendingModifiedValues"], json!({}));

    client.modified(json!({"CacheNodeType": "cache.t3.medium", "ApplyImmediately": false}));
    let answer = client.modified(json!({"EngineVersion": "7.1", "ApplyImmediately": true}));
    assert_eq!(answer["Status"], "modifying", "what was pending goes along");
    client.pass(5 * MINUTE);
    assert_eq!(client.member("redis-001")["CacheNodeType"], "cache.t3.medium");
}

#[test]
fn the_window_opens_modifying_and_not_before() {
    let client = Client::new();
    client.available(json!({"PreferredMaintenanceWindow": "sun:05:00-sun:06:00"}));
    client.modified(json!({"CacheNodeType": "cache.t3.small", "ApplyImmediately": false}));
    let opens = client.account.elasticache().group(REGION, "redis").unwrap().pending_begins().unwrap();
    let ahead = u64::try_from((opens - client.account.now()).get_seconds().max(0)).unwrap_or(0);
    client.account.advance(Duration::from_secs(ahead.saturating_sub(1)));
    assert_eq!(client.group()["Status"], "available");
    client.pass(2);
    assert_eq!(client.group()["Status"], "modifying");
    assert_eq!(client.member("redis-001")["CacheClusterStatus"], "modifying");
}

#[test]
fn windows_and_retention_change_at_once() {
    let client = Client::new();
    client.available(json!({}));
    let missing = client.modify(json!({"SnapshotRetentionLimit": 7})).unwrap_err();
    assert_eq!(missing.code, "InvalidParameterCombination");
    client.modified(json!({"SnapshotRetentionLimit": 7, "SnapshottingClusterId": "redis-001",
        "PreferredMaintenanceWindow": "mon:05:00-mon:06:00"}));
    let (group, member) = (client.group(), client.member("redis-001"));
    assert_eq!(group["Status"], "available");
    assert_eq!((&group["SnapshotRetentionLimit"], &group["SnapshottingClusterId"]), (&json!(7), &json!("redis-001")));
    assert_eq!(member["PreferredMaintenanceWindow"], "mon:05:00-mon:06:00");
    client.modified(json!({"SnapshotRetentionLimit": 3}));
    assert_eq!(client.group()["SnapshotRetentionLimit"], 3);
}

#[test]
fn what_aws_refuses_to_modify_is_refused() {
    let client = Client::new();
    client.available(json!({"AuthToken": TOKEN}));
    for (more, code) in [
        (json!({}), "InvalidParameterCombination"),
        (json!({"ApplyImmediately": true}), "InvalidParameterCombination"),
        (json!({"EngineVersion": "7.0"}), "InvalidParameterValue"),
        (json!({"AutomaticFailoverEnabled": true}), "InvalidParameterCombination"),
        (json!({"MultiAZEnabled": true}), "InvalidParameterCombination"),
        (json!({"TransitEncryptionEnabled": true, "CacheNodeType": "cache.t3.small"}), "InvalidParameterCombination"),
        (json!({"TransitEncryptionMode": "preferred"}), "InvalidParameterCombination"),
        (json!({"AuthToken": "another-token-123456", "AuthTokenUpdateStrategy": "SET"}), "InvalidParameterCombination"),
        (json!({"AuthTokenUpdateStrategy": "ROTATE"}), "InvalidParameterCombination"),
        (json!({"AuthToken": "bad token with spaces"}), "InvalidParameterValue"),
        (json!({"SecurityGroupIds": ["nothing"]}), "InvalidParameterValue"),
        (json!({"CacheParameterGroupName": "mine"}), "CacheParameterGroupNotFound"),
        (json!({"SnapshottingClusterId": "redis-002"}), "InvalidParameterValue"),
        (json!({"RemoveUserGroups": true}), "NotImplemented"),
    ] {
        let said = more.to_string();
        assert_eq!(client.modify(more).unwrap_err().code, code, "{said}");
    }
    let other = json!({"ReplicationGroupId": "other", "CacheNodeType": "cache.t3.small"});
    assert_eq!(client.refused("ModifyReplicationGroup", other), "ReplicationGroupNotFoundFault");
    assert_eq!(client.group()["Status"], "available", "a refusal leaves nothing behind");
}

#[test]
fn a_token_is_rotated_and_then_set() {
    let client = Client::new();
    client.available(json!({"AuthToken": TOKEN}));
    let second = "token-number-two-5678";
    let answer =
        client.modified(json!({"AuthToken": second, "AuthTokenUpdateStrategy": "ROTATE", "ApplyImmediately": true}));
    assert_eq!(answer["PendingModifiedValues"]["AuthTokenStatus"], "ROTATING");
    client.pass(5 * MINUTE);
    let tokens = || client.account.elasticache().auth(REGION, "redis").unwrap().tokens.clone();
    assert_eq!(tokens(), [digest(TOKEN), digest(second)]);
    let answer =
        client.modified(json!({"AuthToken": second, "AuthTokenUpdateStrategy": "SET", "ApplyImmediately": true}));
    assert_eq!(answer["PendingModifiedValues"]["AuthTokenStatus"], "SETTING");
    client.pass(5 * MINUTE);
    assert_eq!(tokens(), [digest(second)]);
    assert_ne!(client.group()["AuthTokenLastModifiedDate"], Value::Null);
}

#[test]
fn replicas_come_before_failover_and_failover_goes_before_them() {
    let client = Client::new();
    client.available(json!({}));
    assert_eq!(client.refused("IncreaseReplicaCount", replicas(0)), "NoOperationFault");
    assert_eq!(client.refused("IncreaseReplicaCount", replicas(6)), "InvalidParameterValue");
    let later = json!({"ReplicationGroupId": "redis", "NewReplicaCount": 1, "ApplyImmediately": false});
    assert_eq!(client.refused("IncreaseReplicaCount", later), "InvalidParameterValue");
    client.does("IncreaseReplicaCount", replicas(2));
    assert_eq!(client.group()["Status"], "modifying");
    assert_eq!(client.member("redis-003")["CacheClusterStatus"], "creating");
    client.pass(6 * MINUTE);
    assert_eq!(client.group()["MemberClusters"], json!(["redis-001", "redis-002", "redis-003"]));

    let on = json!({"AutomaticFailoverEnabled": true, "MultiAZEnabled": true, "ApplyImmediately": true});
    assert_eq!(client.modified(on)["AutomaticFailover"], "enabling");
    client.pass(3 * MINUTE);
    assert_eq!(
        (&client.group()["AutomaticFailover"], &client.group()["MultiAZ"]),
        (&json!("enabled"), &json!("enabled"))
    );
    assert_eq!(client.refused("DecreaseReplicaCount", replicas(0)), "InvalidParameterCombination");
    let off = json!({"AutomaticFailoverEnabled": false, "MultiAZEnabled": false, "ApplyImmediately": true});
    assert_eq!(client.modified(off)["AutomaticFailover"], "disabling");
    client.pass(3 * MINUTE);
    let primary = json!({"ReplicationGroupId": "redis", "ReplicasToRemove": ["redis-001"], "ApplyImmediately": true});
    assert_eq!(client.refused("DecreaseReplicaCount", primary), "InvalidParameterValue");
    client.does("DecreaseReplicaCount", replicas(0));
    assert_eq!(client.member("redis-002")["CacheClusterStatus"], "deleting");
    client.pass(6 * MINUTE);
    assert_eq!(client.group()["MemberClusters"], json!(["redis-001"]));
}

#[test]
fn encryption_in_transit_is_turned_on_and_off_by_way_of_preferred() {
    let client = Client::new();
    client.available(json!({"TransitEncryptionEnabled": false}));
    let refused = |more: Value| client.modify(with(more, json!({"ApplyImmediately": true}))).unwrap_err().code;
    assert_eq!(refused(json!({"TransitEncryptionMode": "preferred"})), "InvalidParameterCombination");
    assert_eq!(refused(json!({"TransitEncryptionEnabled": true})), "InvalidParameterCombination");
    for (more, mode) in [
        (json!({"TransitEncryptionEnabled": true, "TransitEncryptionMode": "preferred"}), json!("preferred")),
        (json!({"TransitEncryptionMode": "required"}), json!("required")),
        (json!({"TransitEncryptionMode": "preferred"}), json!("preferred")),
        (json!({"TransitEncryptionEnabled": false}), Value::Null),
    ] {
        client.modified(with(more, json!({"ApplyImmediately": true})));
        client.pass(5 * MINUTE);
        assert_eq!(client.member("redis-001")["TransitEncryptionMode"], mode);
    }
}

#[test]
fn cluster_mode_has_shards_and_a_configuration_endpoint() {
    let client = Client::new();
    client.available(json!({"NumNodeGroups": 2, "ReplicasPerNodeGroup": 1, "AutomaticFailoverEnabled": true}));
    let group = client.group();
    assert_eq!(
        group["MemberClusters"],
        json!(["redis-0001-001", "redis-0001-002", "redis-0002-001", "redis-0002-002"])
    );
    assert!(group["ConfigurationEndpoint"]["Address"].as_str().unwrap().starts_with("clustercfg.redis."));
    assert_eq!(group["NodeGroups"][1]["Slots"], "8192-16383");
    assert_eq!(group["NodeGroups"][1].get("PrimaryEndpoint"), None);
    assert_eq!(
        client.member("redis-0002-001")["CacheParameterGroup"]["CacheParameterGroupName"],
        "default.redis7.cluster.on"
    );
    let off = client.modify(json!({"AutomaticFailoverEnabled": false, "ApplyImmediately": true})).unwrap_err();
    assert_eq!(off.code, "InvalidParameterCombination");
    client.does("CreateSnapshot", json!({"ReplicationGroupId": "redis", "SnapshotName": "all"}));
    client.pass(3 * MINUTE);
    let found = client.does("DescribeSnapshots", json!({"ReplicationGroupId": "redis"}));
    assert_eq!(found["Snapshots"][0]["NodeSnapshots"].as_array().unwrap().len(), 2);
}

/// With something for each required member, so that the model lets the request through.
#[test]
fn every_operation_of_the_model_is_served() {
    let client = Client::new();
    let model: Value = serde_json::from_str(include_str!("../../models/elasticache.json")).unwrap();
    for (operation, shape) in model["operations"].as_object().unwrap() {
        let input = &model["shapes"][shape["input"]["shape"].as_str().unwrap()];
        let mut parameters = json!({});
        for member in input["required"].as_array().into_iter().flatten() {
            let member = member.as_str().unwrap();
            let kind = &model["shapes"][input["members"][member]["shape"].as_str().unwrap()]["type"];
            parameters[member] = match kind.as_str().unwrap() {
                "list" => json!([]),
                "boolean" => json!(true),
                _ => json!("x"),
            };
        }
        if let Err(error) = client.ask(operation, parameters) {
            assert!(!matches!(error.code.as_str(), "NotImplemented" | "MissingParameter"), "{operation}: {error}");
        }
    }
}
