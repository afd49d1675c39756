//! Rules of the design that no one kind owns, each by its number. Others stand with their kinds.

use std::time::{Duration, Instant};

use harness::Test;
use serde_json::Value;

use crate::look::{
    by_operator, calls, condition, manifest, message, mutations, reason, rule_07, secret, served, settled, three_looks,
};

/// A world with a store of each kind, all Ready.
async fn all_kinds(name: &str) -> Test {
    let mut test = Test::start(name).await.unwrap();
    test.start_operator().await.unwrap();
    for (kind, spec) in STORES {
        test.apply(&manifest(kind, "shop", spec)).await;
    }
    for (kind, _) in STORES {
        test.settle(kind, "shop", "Ready", settled).await;
    }
    test.advance(Duration::from_hours(1));
    test
}

const STORES: [(&str, &str); 3] = [
    ("ShowCoreDatabase", "connectionSecretName: db, deletionProtection: false"),
    ("ShowCoreCache", "connectionSecretName: cache"),
    ("ShowCoreBucket", "bucketName: 'shop-{accountID}', purpose: Backups"),
];

#[tokio::test]
async fn rule_01_nothing_unencrypted_is_ever_created() {
    let test = all_kinds("encrypted").await;
    let requests = test.account.requests();
    let created = |operation: &str| {
        let found: Vec<_> = requests.iter().filter(|request| request.operation == operation).collect();
        assert_eq!(found.len(), 1, "{operation}");
        found[0].parameters.clone()
    };
    let database = created("CreateDBInstance");
    assert_eq!((&database["StorageEncrypted"], &database["PubliclyAccessible"]), (&true.into(), &false.into()));
    let cache = created("CreateReplicationGroup");
    assert_eq!((&cache["AtRestEncryptionEnabled"], &cache["TransitEncryptionEnabled"]), (&true.into(), &true.into()));
    // S3 encrypts every new bucket; that it did is asked before the bucket counts as Ready.
    created("CreateBucket");
    assert!(calls(&test, "GetBucketEncryption") >= 1);
    for (kind, _) in STORES {
        let object = test.get(kind, "shop").await.unwrap();
        assert_eq!(condition(&object, "Encrypted"), Some("True"), "{kind}");
        assert_eq!(object["status"]["encryption"]["inTransit"]["enforced"], true, "{kind}");
    }
}

#[tokio::test]
async fn rule_05_what_is_written_was_looked_at_just_before() {
    let mut test = all_kinds("fresh").await;
    // While nobody looks: a change of the spec that its author takes back in AWS, and one that stays.
    test.stop_operator().await.unwrap();
    test.boto3(
        "client('rds').modify_db_instance(DBInstanceIdentifier='shop', BackupRetentionPeriod=9, ApplyImmediately=True)",
    )
    .await;
    test.apply(&manifest("ShowCoreDatabase", "shop", &format!("{}, backup: {{retentionDays: 9}}", STORES[0].1))).await;
    test.apply(&manifest("ShowCoreCache", "shop", &format!("{}, snapshot: {{retentionDays: 9}}", STORES[1].1))).await;
    test.advance(Duration::from_hours(1));
    test.account.clear_requests();
    test.start_operator().await.unwrap();
    for (kind, _) in STORES {
        let current = |object: &Value| {
            settled(object) && object["status"]["observedGeneration"] == object["metadata"]["generation"]
        };
        test.settle(kind, "shop", "in sync", current).await;
    }
    assert_eq!(mutations(&test), ["ModifyReplicationGroup"], "what AWS has already is not written again");
    let requests = test.account.requests();
    let of_cache = |request: &&aws_sim::Request| by_operator(request) && request.service == "elasticache";
    let names: Vec<_> = requests.iter().filter(of_cache).map(|request| request.operation.as_str()).collect();
    let written = names.iter().position(|name| *name == "ModifyReplicationGroup").unwrap();
    assert!(names[..written].contains(&"DescribeReplicationGroups"), "{names:?}");
}

#[tokio::test]
async fn rule_06_the_spec_is_never_written_by_the_operator() {
    let test = all_kinds("spec").await;
    for (kind, _) in STORES {
        let object = test.get(kind, "shop").await.unwrap();
        let managers = object["metadata"]["managedFields"].as_array().unwrap();
        let ours: Vec<_> = managers.iter().filter(|entry| entry["manager"] == "showcore-operator").collect();
        assert!(ours.len() >= 2, "{kind}: its metadata and its status are ours");
        for entry in ours {
            assert_eq!(entry["fieldsV1"]["f:spec"], Value::Null, "{kind}: {entry}");
        }
    }
}

/// Whatever is edited while it writes: what it meant for an older version is refused, it reads the newest, and nothing is lost.
#[tokio::test]
async fn rule_05_what_somebody_edits_meanwhile_is_read_again() {
    let test = all_kinds("edited").await;
    test.account.clear_requests();
    for (kind, _) in STORES {
        let refused = format!(r#"showcore_reconciles_total{{kind="{kind}",outcome="waiting"}}"#);
        let refusals = async || {
            let metrics = served(&test, "/metrics").await;
            metrics.lines().find_map(|line| line.strip_prefix(&refused)?.trim().parse().ok()).unwrap_or(0_u32)
        };
        let before = refusals().await;
        let begun = Instant::now();
        while refusals().await == before {
            assert!(begun.elapsed() < harness::judge::patience(), "{kind}: nothing it writes meets an edit");
            test.pause_and_resume(kind, "shop", 20).await;
        }
        test.settle(kind, "shop", "in sync again", settled).await;
    }
    assert_eq!(mutations(&test), Vec::<String>::new());
}

#[tokio::test]
async fn rule_07_no_password_and_no_token_is_anywhere_but_in_its_secret() {
    let test = all_kinds("hushed").await;
    for name in ["db", "cache"] {
        let bound = test.get("Secret", name).await.unwrap();
        rule_07(&test, &secret(&bound, "password").unwrap()).await;
    }
}

/// The CRDs' own rules do not see everything: here they are taken away, and what they would refuse is tried.
#[tokio::test]
async fn rule_11_what_validation_let_through_is_still_not_done() {
    let mut test = Test::start_alone("unchecked").await.unwrap();
    for plural in ["showcoredatabases", "showcorecaches", "showcorebuckets"] {
        test.kubectl
            .run(&[
                "patch",
                "crd",
                &format!("{plural}.showcore.io"),
                "--type=json",
                "-p",
                &without_rules(&test, plural).await,
            ])
            .await
            .unwrap()
            .ok()
            .unwrap();
    }
    test.start_operator().await.unwrap();
    let database = |more: &str| {
        manifest(
            "ShowCoreDatabase",
            "shop",
            &format!("connectionSecretName: db, storage: {{sizeGiB: 30}}, engineVersion: '16'{more}"),
        )
    };
    let bucket = |name: &str| {
        manifest(
            "ShowCoreBucket",
            "shop",
            &format!("bucketName: '{name}-{{accountID}}', purpose: Backups, objectLock: {{}}"),
        )
    };
    let everybody = "objectLock: {}, policy: {statements: [{sid: All, effect: Allow, principal: {aws: ['*']}, actions: ['s3:GetObject']}]}";
    test.apply(&database("")).await;
    test.apply(&bucket("shop")).await;
    for kind in ["ShowCoreDatabase", "ShowCoreBucket"] {
        test.settle(kind, "shop", "Ready", settled).await;
    }
    test.advance(Duration::from_hours(1));
    test.account.clear_requests();
    // What is tried, and what the object then says.
    let tries = [
        (database(", identifier: other"), "ShowCoreDatabase", "Stalled", "IdentifierChanged"),
        (database(", region: us-west-2"), "ShowCoreDatabase", "Stalled", "WrongPlace"),
        (database(", databaseName: other"), "ShowCoreDatabase", "Pending", "databaseName"),
        (database(", credentials: {username: other}"), "ShowCoreDatabase", "Pending", "credentials.username"),
        (database("").replace("sizeGiB: 30", "sizeGiB: 20"), "ShowCoreDatabase", "Ready", "Available"),
        (database(", parameters: {rds.force_ssl: '0'}"), "ShowCoreDatabase", "Ready", "Available"),
        (
            bucket("shop").replace(", objectLock: {}", ""),
            "ShowCoreBucket",
            "Pending",
            "objectLock: Object Lock cannot be",
        ),
        (
            bucket("shop").replace("objectLock", "versioning: false, objectLock"),
            "ShowCoreBucket",
            "Pending",
            "versioning: the bucket",
        ),
        (bucket("shop").replace("objectLock: {}", everybody), "ShowCoreBucket", "Pending", "it allows everybody"),
        (bucket("other"), "ShowCoreBucket", "Stalled", "IdentifierChanged"),
    ];
    for (manifest, kind, type_, says) in tries {
        test.apply(&manifest).await;
        let said = |object: &Value| {
            let current = object["status"]["observedGeneration"] == object["metadata"]["generation"];
            let text = format!("{} {}", reason(object, type_).unwrap_or_default(), message(object, type_));
            current && text.contains(says)
        };
        test.wait(kind, "shop", says, said).await;
    }
    three_looks(&test, "DescribeDBInstances").await;
    assert_eq!(mutations(&test), Vec::<String>::new());
}

/// A patch that takes every CEL rule out of a CRD.
async fn without_rules(test: &Test, plural: &str) -> String {
    let crd = test
        .kubectl
        .run(&["get", "crd", &format!("{plural}.showcore.io"), "-o", "json"])
        .await
        .unwrap()
        .json()
        .unwrap();
    let mut paths = Vec::new();
    collect(&crd["spec"]["versions"][0]["schema"], "/spec/versions/0/schema", &mut paths);
    assert!(paths.len() > 5, "{plural} has rules");
    let removals: Vec<_> = paths.iter().map(|path| serde_json::json!({ "op": "remove", "path": path })).collect();
    Value::from(removals).to_string()
}

fn collect(value: &Value, path: &str, found: &mut Vec<String>) {
    for (key, inner) in value.as_object().into_iter().flatten() {
        let path = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
        if key == "x-kubernetes-validations" {
            found.push(path);
        } else {
            collect(inner, &path, found);
        }
    }
}
