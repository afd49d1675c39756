//! Parameter groups of the account's own.

use super::*;

const MINE: &str = "mine";

fn make(client: &Client, name: &str, family: &str) {
    let parameters = json!({
        "CacheParameterGroupName": name,
        "CacheParameterGroupFamily": family,
        "Description": "ours",
        "Tags": [{"Key": "team", "Value": "a"}],
    });
    let made = client.does("CreateCacheParameterGroup", parameters)["CacheParameterGroup"].take();
    assert_eq!(made["CacheParameterGroupFamily"], family);
}

fn set(pairs: &[(&str, &str)]) -> Value {
    let pairs: Vec<_> =
        pairs.iter().map(|(name, value)| json!({"ParameterName": name, "ParameterValue": value})).collect();
    json!({"CacheParameterGroupName": MINE, "ParameterNameValues": pairs})
}

fn of_user(client: &Client) -> Vec<(String, String)> {
    let parameters = json!({"CacheParameterGroupName": MINE, "Source": "user"});
    let shown = client.does("DescribeCacheParameters", parameters)["Parameters"].take();
    let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
    let pair = |one: &Value| (text(one, "ParameterName"), text(one, "ParameterValue"));
    shown.as_array().unwrap().iter().map(pair).collect()
}

fn status(client: &Client) -> Value {
    client.member("redis-001")["CacheParameterGroup"].clone()
}

#[test]
fn a_group_is_made_changed_and_reset() {
    let client = Client::new();
    make(&client, "Mine", "redis7");
    assert_eq!(of_user(&client), []);
    client.does("ModifyCacheParameterGroup", set(&[("maxmemory-policy", "allkeys-lru"), ("timeout", "300")]));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(of_user(&client), [pair("maxmemory-policy", "allkeys-lru"), pair("timeout", "300")]);
    client.does("ResetCacheParameterGroup", set(&[("timeout", "")]));
    assert_eq!(of_user(&client), [pair("maxmemory-policy", "allkeys-lru")]);
    client.does("ResetCacheParameterGroup", json!({"CacheParameterGroupName": MINE, "ResetAllParameters": true}));
    assert_eq!(of_user(&client), []);
    let all = client.does("DescribeCacheParameters", json!({"CacheParameterGroupName": "default.redis7"}));
    let policy = all["Parameters"].as_array().unwrap().iter().find(|one| one["ParameterName"] == "maxmemory-policy");
    let policy = policy.unwrap();
    assert_eq!((&policy["ParameterValue"], &policy["ChangeType"]), (&json!("volatile-lru"), &json!("immediate")));
    let arn = "arn:aws:elasticache:us-east-1:111122223333:parametergroup:mine";
    let tags = client.does("ListTagsForResource", json!({"ResourceName": arn}));
    assert_eq!(tags["TagList"], json!([{"Key": "team", "Value": "a"}]));
    client.does("DeleteCacheParameterGroup", json!({"CacheParameterGroupName": MINE}));
    assert_eq!(client.refused("ListTagsForResource", json!({"ResourceName": arn})), "CacheParameterGroupNotFound");
}

#[test]
fn what_aws_refuses_of_a_group_is_refused() {
    let client = Client::new();
    make(&client, MINE, "redis7");
    let twenty_one: Vec<_> = (0..21).map(|_| ("timeout", "300")).collect();
    for (operation, parameters, code) in [
        ("ModifyCacheParameterGroup", set(&[("no-such-thing", "1")]), "InvalidParameterValue"),
        ("ModifyCacheParameterGroup", set(&[("timeout", "5")]), "InvalidParameterValue"),
        ("ModifyCacheParameterGroup", set(&[("appendonly", "yes")]), "InvalidParameterValue"),
        ("ModifyCacheParameterGroup", set(&[("hash-max-ziplist-entries", "1")]), "InvalidParameterValue"),
        ("ModifyCacheParameterGroup", set(&[]), "InvalidParameterValue"),
        ("ModifyCacheParameterGroup", set(&twenty_one), "InvalidParameterValue"),
        ("ResetCacheParameterGroup", set(&[]), "InvalidParameterValue"),
        (
            "ResetCacheParameterGroup",
            with(set(&[("timeout", "")]), json!({"ResetAllParameters": true})),
            "InvalidParameterCombination",
        ),
        (
            "ModifyCacheParameterGroup",
            with(set(&[("timeout", "300")]), json!({"CacheParameterGroupName": "default.redis7"})),
            "InvalidCacheParameterGroupState",
        ),
        (
            "DeleteCacheParameterGroup",
            json!({"CacheParameterGroupName": "default.redis7"}),
            "InvalidCacheParameterGroupState",
        ),
        ("DeleteCacheParameterGroup", json!({"CacheParameterGroupName": "x"}), "CacheParameterGroupNotFound"),
        (
            "CreateCacheParameterGroup",
            json!({"CacheParameterGroupName": MINE, "CacheParameterGroupFamily": "redis7", "Description": "x"}),
            "CacheParameterGroupAlreadyExists",
        ),
        (
            "CreateCacheParameterGroup",
            json!({"CacheParameterGroupName": "a.b", "CacheParameterGroupFamily": "redis7", "Description": "x"}),
            "InvalidParameterValue",
        ),
        (
            "CreateCacheParameterGroup",
            json!({"CacheParameterGroupName": "ab", "CacheParameterGroupFamily": "redis9", "Description": "x"}),
            "InvalidParameterValue",
        ),
    ] {
        assert_eq!(client.refused(operation, parameters.clone()), code, "{operation} {parameters}");
    }
    assert_eq!(of_user(&client), []);
}

#[test]
fn a_group_in_use_stays_and_a_change_that_needs_a_reboot_waits_for_it() {
    let client = Client::new();
    make(&client, MINE, "redis7");
    client.available(json!({}));
    let use_group = |name: &str| client.modify(json!({"CacheParameterGroupName": name, "ApplyImmediately": true}));
    assert_eq!(use_group(MINE).unwrap()["ReplicationGroup"]["Status"], "modifying");
    client.pass(5 * MINUTE);
    assert_eq!(status(&client)["CacheParameterGroupName"], MINE);
    let delete = json!({"CacheParameterGroupName": MINE});
    assert_eq!(client.refused("DeleteCacheParameterGroup", delete.clone()), "InvalidCacheParameterGroupState");
    client.does("ModifyCacheParameterGroup", set(&[("timeout", "300")]));
    assert_eq!(status(&client)["ParameterApplyStatus"], "in-sync");
    client.does("ModifyCacheParameterGroup", set(&[("databases", "32")]));
    let waits = status(&client);
    assert_eq!(
        (&waits["ParameterApplyStatus"], &waits["CacheNodeIdsToReboot"]),
        (&json!("pending-reboot"), &json!(["0001"]))
    );
    client.account.elasticache().reboot(REGION, "redis");
    assert_eq!(status(&client)["ParameterApplyStatus"], "in-sync");
    // What is set at creation must be the same in the group that takes its place.
    assert_eq!(use_group("default.redis7").unwrap_err().code, "InvalidParameterCombination");
    client.does("ResetCacheParameterGroup", set(&[("databases", "")]));
    use_group("default.redis7").unwrap();
    client.pass(5 * MINUTE);
    client.does("DeleteCacheParameterGroup", delete);
}

#[test]
fn an_upgrade_to_another_family_needs_a_group_of_that_family() {
    let client = Client::new();
    make(&client, MINE, "redis6.x");
    make(&client, "next", "redis7");
    client.available(json!({"EngineVersion": "6.2", "CacheParameterGroupName": MINE}));
    let upgrade = |more: Value| client.modify(with(json!({"EngineVersion": "7.1", "ApplyImmediately": true}), more));
    assert_eq!(upgrade(json!({})).unwrap_err().code, "InvalidParameterCombination");
    assert_eq!(upgrade(json!({"CacheParameterGroupName": MINE})).unwrap_err().code, "InvalidParameterCombination");
    upgrade(json!({"CacheParameterGroupName": "next"})).unwrap();
    client.pass(5 * MINUTE);
    assert_eq!(status(&client)["CacheParameterGroupName"], "next");
    assert_eq!(client.member("redis-001")["EngineVersion"], "7.1.0");
}
