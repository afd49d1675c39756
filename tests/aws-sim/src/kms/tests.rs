//! Keys as a client sees them, on a clock that only the test moves.

#![expect(clippy::needless_pass_by_value, reason = "parameters are literals at nearly every call")]

use std::time::Duration;

use serde_json::{Value, json};

use crate::{Account, AwsError, Options, Sim};

const DAY: Duration = Duration::from_hours(24);

fn account() -> (Sim, Account) {
    let sim = Sim::new(Options { speed: 0.0 });
    let account = sim.account("AKIASIM00111122223333");
    (sim, account)
}

fn ask(account: &Account, operation: &str, parameters: Value) -> Result<Value, AwsError> {
    account.execute("kms", "us-east-1", operation, &parameters, "http://localhost")
}

fn code(account: &Account, operation: &str, parameters: Value) -> String {
    ask(account, operation, parameters).map_or_else(|error| error.code, |answer| format!("answered {answer}"))
}

fn create(account: &Account) -> String {
    let answer = ask(account, "CreateKey", json!({"Tags": [{"TagKey": "a", "TagValue": "b"}]})).unwrap();
    answer["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
}

#[test]
fn a_key_waits_before_it_is_gone_and_can_be_saved() {
    let (sim, account) = account();
    let id = create(&account);
    let key = || json!({"KeyId": id});
    ask(&account, "CreateAlias", json!({"AliasName": "alias/mine", "TargetKeyId": id})).unwrap();
    for days in [3, 6, 31] {
        let parameters = json!({"KeyId": id, "PendingWindowInDays": days});
        assert_eq!(code(&account, "ScheduleKeyDeletion", parameters), "ValidationException", "{days}");
    }
    let answer = ask(&account, "ScheduleKeyDeletion", json!({"KeyId": id, "PendingWindowInDays": 7})).unwrap();
    assert_eq!(answer["KeyState"], "PendingDeletion");
    for operation in ["EnableKey", "DisableKey", "EnableKeyRotation", "ScheduleKeyDeletion"] {
        assert_eq!(code(&account, operation, key()), "KMSInvalidStateException", "{operation}");
    }
    account.advance(6 * DAY);
    ask(&account, "CancelKeyDeletion", key()).unwrap();
    let saved = ask(&account, "DescribeKey", json!({"KeyId": "alias/mine"})).unwrap();
    assert_eq!(saved["KeyMetadata"]["KeyState"], "Disabled");
    ask(&account, "ScheduleKeyDeletion", json!({"KeyId": id, "PendingWindowInDays": 7})).unwrap();
    account.advance(7 * DAY);
    assert_eq!(code(&account, "DescribeKey", key()), "NotFoundException");
    assert_eq!(code(&account, "DescribeKey", json!({"KeyId": "alias/mine"})), "NotFoundException");
    assert_eq!(sim.violations(), Vec::<String>::new());
}

#[test]
fn rotation_has_a_period_and_needs_an_enabled_key() {
    let (sim, account) = account();
    let id = create(&account);
    let status = || ask(&account, "GetKeyRotationStatus", json!({"KeyId": id})).unwrap();
    assert_eq!(status()["KeyRotationEnabled"], false);
    for days in [89, 2561] {
        let parameters = json!({"KeyId": id, "RotationPeriodInDays": days});
        assert_eq!(code(&account, "EnableKeyRotation", parameters), "ValidationException", "{days}");
    }
    ask(&account, "EnableKeyRotation", json!({"KeyId": id, "RotationPeriodInDays": 90})).unwrap();
    assert_eq!((&status()["KeyRotationEnabled"], &status()["RotationPeriodInDays"]), (&json!(true), &json!(90)));
    ask(&account, "DisableKey", json!({"KeyId": id})).unwrap();
    assert_eq!(code(&account, "EnableKeyRotation", json!({"KeyId": id})), "DisabledException");
    ask(&account, "EnableKey", json!({"KeyId": id})).unwrap();
    ask(&account, "DisableKeyRotation", json!({"KeyId": id})).unwrap();
    assert_eq!(status()["KeyRotationEnabled"], false);
    assert_eq!(sim.violations(), Vec::<String>::new());
}

#[test]
fn aws_managed_keys_are_found_by_their_alias_and_left_alone() {
    let (sim, account) = account();
    let answer = ask(&account, "DescribeKey", json!({"KeyId": "alias/aws/rds"})).unwrap();
    assert_eq!(answer["KeyMetadata"]["KeyManager"], "AWS");
    let arn = &answer["KeyMetadata"]["Arn"];
    assert_eq!(code(&account, "DisableKey", json!({"KeyId": arn})), "AccessDeniedException");
    assert_eq!(code(&account, "ScheduleKeyDeletion", json!({"KeyId": arn})), "AccessDeniedException");
    let rotation = ask(&account, "GetKeyRotationStatus", json!({"KeyId": arn})).unwrap();
    assert_eq!((&rotation["KeyRotationEnabled"], &rotation["RotationPeriodInDays"]), (&json!(true), &json!(365)));
    assert_eq!(code(&account, "DescribeKey", json!({"KeyId": "alias/aws/elasticache"})), "NotFoundException");
    assert_eq!(sim.violations(), Vec::<String>::new());
}

#[test]
fn an_alias_moves_and_is_never_one_of_awss() {
    let (sim, account) = account();
    let (first, second) = (create(&account), create(&account));
    assert_ne!(first, second);
    for name in ["mine", "alias/", "alias/aws/mine"] {
        let parameters = json!({"AliasName": name, "TargetKeyId": first});
        assert_eq!(code(&account, "CreateAlias", parameters), "InvalidAliasNameException", "{name}");
    }
    let alias = |key: &str| json!({"AliasName": "alias/mine", "TargetKeyId": key});
    ask(&account, "CreateAlias", alias(&first)).unwrap();
    assert_eq!(code(&account, "CreateAlias", alias(&second)), "AlreadyExistsException");
    ask(&account, "UpdateAlias", alias(&second)).unwrap();
    let found = ask(&account, "DescribeKey", json!({"KeyId": "alias/mine"})).unwrap();
    assert_eq!(found["KeyMetadata"]["KeyId"], second);
    let listed = ask(&account, "ListAliases", json!({"KeyId": second})).unwrap();
    assert_eq!(listed["Aliases"][0]["AliasName"], "alias/mine");
    ask(&account, "DeleteAlias", json!({"AliasName": "alias/mine"})).unwrap();
    assert_eq!(code(&account, "DeleteAlias", json!({"AliasName": "alias/mine"})), "NotFoundException");
    assert_eq!(sim.violations(), Vec::<String>::new());
}

#[test]
fn a_cache_takes_only_a_key_that_can_be_used() {
    let (sim, account) = account();
    let id = create(&account);
    let group = |name: &str, key: &str| {
        let parameters = json!({"ReplicationGroupId": name, "ReplicationGroupDescription": "x",
            "CacheNodeType": "cache.t3.micro", "AtRestEncryptionEnabled": true, "KmsKeyId": key});
        account.execute("elasticache", "us-east-1", "CreateReplicationGroup", &parameters, "http://localhost")
    };
    let made = group("one", &id).unwrap();
    let arn = made["ReplicationGroup"]["KmsKeyId"].as_str().unwrap();
    assert!(arn.starts_with("arn:aws:kms:us-east-1:111122223333:key/"), "{arn}");
    ask(&account, "DisableKey", json!({"KeyId": id})).unwrap();
    assert_eq!(group("two", &id).unwrap_err().code, "InvalidParameterValue");
    assert_eq!(sim.violations(), Vec::<String>::new());
}

#[test]
fn tags_are_checked_and_listed_and_lists_have_pages() {
    let (sim, account) = account();
    let id = create(&account);
    let tag = |key: &str| json!({"KeyId": id, "Tags": [{"TagKey": key, "TagValue": "v"}]});
    assert_eq!(code(&account, "TagResource", tag("aws:x")), "TagException");
    ask(&account, "TagResource", tag("c")).unwrap();
    let page = ask(&account, "ListResourceTags", json!({"KeyId": id, "Limit": 1})).unwrap();
    assert_eq!((&page["Tags"][0]["TagKey"], &page["Truncated"]), (&json!("a"), &json!(true)));
    let rest = ask(&account, "ListResourceTags", json!({"KeyId": id, "Marker": page["NextMarker"]})).unwrap();
    assert_eq!((&rest["Tags"][0]["TagKey"], &rest["Truncated"]), (&json!("c"), &json!(false)));
    ask(&account, "UntagResource", json!({"KeyId": id, "TagKeys": ["a", "c"]})).unwrap();
    assert_eq!(ask(&account, "ListResourceTags", json!({"KeyId": id})).unwrap()["Tags"], json!([]));
    assert_eq!(code(&account, "ListKeys", json!({"Marker": "nothing"})), "InvalidMarkerException");
    assert_eq!(sim.violations(), Vec::<String>::new());
}

/// With something for each required member, so that the model lets the request through.
#[test]
fn every_operation_of_the_model_is_served() {
    let (_sim, account) = account();
    let model: Value = serde_json::from_str(include_str!("../../models/kms.json")).unwrap();
    for (operation, shape) in model["operations"].as_object().unwrap() {
        let input = &model["shapes"][shape["input"]["shape"].as_str().unwrap()];
        let mut parameters = json!({});
        for member in input["required"].as_array().into_iter().flatten() {
            let member = member.as_str().unwrap();
            parameters[member] = if member.ends_with('s') { json!([]) } else { json!("x") };
        }
        let said = code(&account, operation, parameters);
        assert!(said != "NotImplemented" && said != "ValidationException", "{operation}: {said}");
    }
}
