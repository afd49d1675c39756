//! Parameter groups of a cache's own.

use super::*;

const POLICY: &str = "maxmemory-policy";

async fn set_by_users(test: &Test, name: &str) -> Vec<(String, String)> {
    let arguments =
        ["elasticache", "describe-cache-parameters", "--cache-parameter-group-name", name, "--source", "user"];
    let answer = test.aws(&arguments).await;
    let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
    let parameters = answer["Parameters"].as_array().unwrap();
    parameters.iter().map(|one| (text(one, "ParameterName"), text(one, "ParameterValue"))).collect()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

async fn used(test: &Test, id: &str) -> String {
    member(test, id).await["CacheParameterGroup"]["CacheParameterGroupName"].as_str().unwrap().to_owned()
}

/// The names of the account's own groups.
async fn groups(test: &Test) -> Vec<String> {
    let all = test.aws(&["elasticache", "describe-cache-parameter-groups"]).await;
    let names = all["CacheParameterGroups"].as_array().unwrap().iter();
    let names = names.map(|group| group["CacheParameterGroupName"].as_str().unwrap().to_owned());
    names.filter(|name| !name.starts_with("default.")).collect()
}

fn generation(generation: i64) -> impl Fn(&Value) -> bool {
    move |object| object["metadata"]["generation"] == generation && settled(object)
}

#[tokio::test]
async fn parameters_live_in_a_group_of_the_caches_own_and_leave_with_it() {
    let version = "engineVersion: '7.1'";
    let mut test = ready("tuned", &format!("{version}, parameters: {{{POLICY}: allkeys-lru, timeout: '300'}}")).await;
    assert_eq!(used(&test, "tuned-001").await, "tuned-redis7");
    assert_eq!(set_by_users(&test, "tuned-redis7").await, [pair(POLICY, "allkeys-lru"), pair("timeout", "300")]);
    let arn = format!("arn:aws:elasticache:{REGION}:{}:parametergroup:tuned-redis7", test.account_id());
    let tags = test.aws(&["elasticache", "list-tags-for-resource", "--resource-name", &arn]).await.to_string();
    assert!(tags.contains("showcore.io/uid"), "owned like the cache: {tags}");
    // One changes, one leaves the spec, one is somebody else's and stays.
    test.boto3("client('elasticache').modify_cache_parameter_group(CacheParameterGroupName='tuned-redis7', ParameterNameValues=[{'ParameterName': 'tcp-keepalive', 'ParameterValue': '60'}])").await;
    test.apply(&manifest("tuned", &format!("{version}, parameters: {{{POLICY}: noeviction}}"))).await;
    test.settle(KIND, "tuned", "in sync", generation(2)).await;
    assert_eq!(set_by_users(&test, "tuned-redis7").await, [pair(POLICY, "noeviction"), pair("tcp-keepalive", "60")]);
    let code = format!(
        "client('elasticache').modify_cache_parameter_group(CacheParameterGroupName='tuned-redis7', ParameterNameValues=[{{'ParameterName': '{POLICY}', 'ParameterValue': 'volatile-ttl'}}])"
    );
    tamper(&mut test, &code, &[("elasticache", "ModifyCacheParameterGroup")]).await;
    let field = "parameters.maxmemory-policy";
    let object = test.wait(KIND, "tuned", "Drifted", |object| drift(object, field).is_some()).await;
    assert_drift(&object, field, "'noeviction'", "'volatile-ttl'");
    test.account.clear_faults();
    test.settle(KIND, "tuned", "corrected", settled).await;
    // Without parameters AWS's default group is back, and the own one goes.
    test.apply(&manifest("tuned", version)).await;
    test.settle(KIND, "tuned", "in sync", generation(3)).await;
    test.until("the group's end", |test| calls(test, "DeleteCacheParameterGroup") == 1).await;
    assert_eq!((used(&test, "tuned-001").await, groups(&test).await), ("default.redis7".to_owned(), vec![]));
    // And again for a cache that runs.
    test.apply(&manifest("tuned", &format!("{version}, parameters: {{timeout: '60', databases: '32'}}"))).await;
    let waits = |object: &Value| generation(4)(object) && reason(object, "Pending") == Some("AwaitingReboot");
    let object = test.settle(KIND, "tuned", "AwaitingReboot", waits).await;
    assert!(message(&object, "Pending").contains("reboot-cache-cluster --cache-cluster-id tuned-001"), "{object:#}");
    assert_eq!(set_by_users(&test, "tuned-redis7").await, [pair("databases", "32"), pair("timeout", "60")]);
    assert!(test.account.elasticache().reboot(REGION, "tuned"));
    test.settle(KIND, "tuned", "rebooted", |object| settled(object) && condition(object, "Pending").is_none()).await;
    // The group goes with the cache.
    test.delete(KIND, "tuned").await;
    test.settle_gone(KIND, "tuned").await;
    assert_eq!(groups(&test).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_taken_up_at_a_reboot_only_goes_back_before_the_default_group_comes() {
    let test = ready("back", "engineVersion: '7.1', parameters: {databases: '32'}").await;
    test.apply(&manifest("back", "engineVersion: '7.1'")).await;
    test.settle(KIND, "back", "in sync", generation(2)).await;
    test.until("the group's end", |test| calls(test, "DeleteCacheParameterGroup") == 1).await;
    assert_eq!(used(&test, "back-001").await, "default.redis7");
}

#[tokio::test]
async fn rule_03_a_parameter_group_that_is_not_ours_is_not_written_to() {
    let mut test = Test::start("theirs").await.unwrap();
    let make = ["elasticache", "create-cache-parameter-group", "--cache-parameter-group-name", "theirs-redis7"];
    let more = ["--cache-parameter-group-family", "redis7", "--description", "theirs"];
    test.aws(&[make, more].concat()).await;
    test.start_operator().await.unwrap();
    test.apply(&manifest("theirs", "engineVersion: '7.1', parameters: {timeout: '60'}")).await;
    let object = test.wait(KIND, "theirs", "NotOurs", |object| reason(object, "Stalled") == Some("NotOurs")).await;
    assert!(message(&object, "Stalled").contains("the parameter group theirs-redis7"), "{object:#}");
    three_looks(&test, "DescribeReplicationGroups").await;
    assert_eq!(mutations(&test), Vec::<String>::new());
    // Likewise for a cache that runs: it serves, and says so.
    test.apply(&manifest("theirs", "engineVersion: '7.1'")).await;
    test.settle(KIND, "theirs", "Ready", settled).await;
    test.account.clear_requests();
    test.apply(&manifest("theirs", "engineVersion: '7.1', parameters: {timeout: '60'}")).await;
    test.settle(KIND, "theirs", "NotOurs", |object| reason(object, "Stalled") == Some("NotOurs")).await;
    three_looks(&test, "DescribeReplicationGroups").await;
    assert_eq!(mutations(&test), Vec::<String>::new());
    assert_eq!(used(&test, "theirs-001").await, "default.redis7");
    test.apply(&manifest("theirs", "engineVersion: '7.1', deletionPolicy: Delete")).await;
    test.settle(KIND, "theirs", "Ready", settled).await;
    test.delete(KIND, "theirs").await;
    test.settle_gone(KIND, "theirs").await;
    assert_eq!(groups(&test).await, ["theirs-redis7"]);
}

#[tokio::test]
async fn a_parameter_that_aws_refuses_is_said_and_nothing_is_half_made() {
    let test = Test::start("unknown").await.unwrap();
    let mut test = test;
    test.start_operator().await.unwrap();
    test.apply(&manifest("unknown", "engineVersion: '7.1', parameters: {no-such-thing: '1'}")).await;
    let refused = |object: &Value| reason(object, "Stalled") == Some("ParameterRefused");
    let object = test.wait(KIND, "unknown", "ParameterRefused", refused).await;
    let text = message(&object, "Stalled");
    assert!(text.contains("spec.parameters") && text.contains("unknown-redis7"), "{text}");
    assert_eq!(calls(&test, "CreateReplicationGroup"), 0);
    test.apply(&manifest("unknown", "engineVersion: '7.1', parameters: {timeout: '60'}")).await;
    test.settle(KIND, "unknown", "Ready", settled).await;
    assert_eq!(set_by_users(&test, "unknown-redis7").await, [pair("timeout", "60")]);
}

#[tokio::test]
async fn an_upgrade_to_another_family_takes_the_parameters_along() {
    let spec = |version: &str| {
        format!(
            "engineVersion: '{version}', parameters: {{{POLICY}: allkeys-lru}}, maintenance: {{window: 'sun:05:00-sun:06:00'}}, snapshot: {{window: '01:00-02:00'}}"
        )
    };
    let test = ready("upgraded", &spec("6.2")).await;
    assert_eq!(used(&test, "upgraded-001").await, "upgraded-redis6-x");
    test.apply(&manifest("upgraded", &spec("7.1"))).await;
    let waits = |object: &Value| reason(object, "Pending") == Some("AwaitingWindow") && settled(object);
    let object = test.settle(KIND, "upgraded", "AwaitingWindow", waits).await;
    assert!(message(&object, "Pending").contains("parameterGroup: upgraded-redis7"), "{object:#}");
    advance_to_sunday(&test, 5, 1);
    let done = |object: &Value| settled(object) && condition(object, "Pending").is_none();
    test.settle(KIND, "upgraded", "upgraded", done).await;
    test.until("the old group's end", |test| calls(test, "DeleteCacheParameterGroup") == 1).await;
    let node = member(&test, "upgraded-001").await;
    assert_eq!(node["EngineVersion"], "7.1.0");
    assert_eq!(
        (used(&test, "upgraded-001").await, groups(&test).await),
        ("upgraded-redis7".to_owned(), vec!["upgraded-redis7".to_owned()])
    );
    assert_eq!(test.get(KIND, "upgraded").await.unwrap()["status"]["lastDrift"], Value::Null, "it was wanted");
}

#[tokio::test]
async fn deleted_under_retain_the_parameter_group_stays_without_our_tags() {
    let spec = "engineVersion: '7.1', parameters: {timeout: '60'}, deletionPolicy: Retain, tags: {team: core}";
    let test = ready("kept", spec).await;
    test.delete(KIND, "kept").await;
    test.settle_gone(KIND, "kept").await;
    assert_eq!(groups(&test).await, ["kept-redis7"]);
    let arn = format!("arn:aws:elasticache:{REGION}:{}:parametergroup:kept-redis7", test.account_id());
    let tags = test.aws(&["elasticache", "list-tags-for-resource", "--resource-name", &arn]).await.to_string();
    assert!(tags.contains("team") && !tags.contains("showcore.io"), "{tags}");
}
