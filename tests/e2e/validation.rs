//! What the API server refuses at `kubectl apply`, each rule once, with the sentence that the user reads.

use std::collections::BTreeSet;

use harness::Test;
use serde_json::{Value, json};

/// An object that is refused: what is there before, what is applied then, and what the answer must say.
struct Case {
    kind: &'static str,
    name: String,
    before: Option<Value>,
    spec: Value,
    says: &'static str,
}

fn case(kind: &'static str, before: Option<Value>, spec: Value, says: &'static str) -> Case {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let name = format!("case-{}", NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    Case { kind, name, before, spec, says }
}

/// Refused at creation.
fn new(kind: &'static str, spec: Value, says: &'static str) -> Case {
    case(kind, None, spec, says)
}

/// Refused as a change.
fn change(kind: &'static str, before: Value, spec: Value, says: &'static str) -> Case {
    case(kind, Some(before), spec, says)
}

fn object(kind: &str, name: &str, spec: &Value) -> String {
    json!({ "apiVersion": "showcore.io/v1alpha1", "kind": kind, "metadata": { "name": name }, "spec": spec })
        .to_string()
}

/// A bucket's spec with one more field.
fn bucket(field: &str, value: Value) -> Value {
    let mut spec = json!({ "purpose": "Backups" });
    spec[field] = value;
    spec
}

fn buckets() -> Vec<Case> {
    const KIND: &str = "ShowCoreBucket";
    let trail = |cloud_trail: Value| json!({ "purpose": "CloudTrailLogs", "cloudTrail": cloud_trail });
    vec![
        new(
            KIND,
            bucket("bucketName", json!("Upper-Case")),
            "bucketName, with {accountID} and {region} replaced, has 3 to 63",
        ),
        new(KIND, bucket("bucketName", json!("two..dots")), "bucketName must not hold two dots in a row"),
        new(KIND, bucket("bucketName", json!("xn--bucket")), "bucketName uses a prefix or suffix that AWS reserves"),
        new(KIND, bucket("region", json!("Frankfurt")), "region must look like eu-central-1"),
        new(KIND, bucket("cloudTrail", json!({})), "cloudTrail is for purpose CloudTrailLogs only"),
        new(KIND, bucket("emptyOnDelete", json!(true)), "emptyOnDelete needs deletionPolicy Delete"),
        new(KIND, trail(json!({ "trailARNs": ["arn:aws:s3:::x"] })), "cloudTrail.trailARNs: each must look like"),
        new(KIND, trail(json!({ "prefix": "/slash/" })), "cloudTrail.prefix has letters"),
        new(KIND, trail(json!({ "organizationID": "x-1" })), "cloudTrail.organizationID must look like"),
        new(KIND, bucket("tags", json!({ "": "x" })), "tags: a key has 1 to 128 characters"),
        new(
            KIND,
            bucket("tags", json!({ "showcore.io/uid": "x" })),
            "tags: keys that begin with aws: or showcore.io/ are reserved",
        ),
        new(KIND, bucket("tags", json!({ "a": "semi;colon" })), "tags: keys and values may hold letters"),
        change(
            KIND,
            bucket("bucketName", json!("one-name")),
            json!({ "purpose": "Backups" }),
            "bucketName is immutable",
        ),
        change(
            KIND,
            json!({ "purpose": "Backups" }),
            bucket("region", json!("eu-west-1")),
            "region is immutable: a bucket",
        ),
        change(
            KIND,
            bucket("objectLock", json!({})),
            json!({ "purpose": "Backups" }),
            "objectLock cannot be switched off again",
        ),
        new(
            KIND,
            json!({ "purpose": "Backups", "objectLock": {}, "versioning": false }),
            "objectLock needs versioning: true",
        ),
        new(
            KIND,
            bucket("objectLock", json!({ "days": 1 })),
            "objectLock: a default retention has a mode and days or years",
        ),
        new(
            KIND,
            bucket("objectLock", json!({ "mode": "Governance", "days": 1, "years": 1 })),
            "objectLock: days or years, not both",
        ),
        new(KIND, bucket("logging", json!({ "targetBucket": "Upper" })), "logging.targetBucket is a bucket's name"),
        new(KIND, cors("allowedOrigins", json!(["https://*.*"])), "cors.allowedOrigins: each has one * at most"),
        new(KIND, cors("allowedHeaders", json!(["x-*-*"])), "cors.allowedHeaders: each has one * at most"),
        new(KIND, cors("exposeHeaders", json!(["*"])), "cors.exposeHeaders: S3 takes no * here"),
        new(KIND, statement("sid", json!("ShowCoreTLSOnly")), "policy.statements.sid has letters and digits"),
        new(KIND, statement("sid", json!("with-hyphen")), "policy.statements.sid has letters and digits"),
        new(KIND, statement("principal", json!({})), "policy.statements.principal names aws or service"),
        new(
            KIND,
            statement("principal", json!({ "aws": ["someone"] })),
            "policy.statements.principal.aws: each is an account",
        ),
        new(
            KIND,
            statement("principal", json!({ "aws": ["arn:aws:iam::111122223333:role/*"] })),
            "policy.statements.principal.aws: each is an account",
        ),
        new(
            KIND,
            statement("principal", json!({ "service": ["cloudtrail"] })),
            "policy.statements.principal.service: each must look",
        ),
        new(
            KIND,
            statement("principal", json!({ "aws": ["*"] })),
            "policy.statements: an Allow to everybody (*) needs a condition",
        ),
        new(
            KIND,
            public(json!({ "Bool": { "aws:SecureTransport": ["true"] } })),
            "policy.statements: an Allow to everybody (*) needs",
        ),
        new(
            KIND,
            public(json!({ "StringNotEquals": { "aws:PrincipalOrgID": ["o-1"] } })),
            "policy.statements: an Allow to everybody",
        ),
        new(
            KIND,
            statement("actions", json!(["ec2:RunInstances"])),
            "policy.statements.actions: each must look like s3:GetObject",
        ),
        new(
            KIND,
            statement("resources", json!(["arn:aws:s3:::other/*"])),
            "policy.statements.resources: each is {bucketARN}",
        ),
        new(
            KIND,
            statement("condition", json!({ "Equals": { "aws:SourceArn": ["x"] } })),
            "policy.statements.condition: operators are",
        ),
        new(
            KIND,
            statement("condition", json!({ "StringEquals": { "nocolon": ["x"] } })),
            "policy.statements.condition: keys look like",
        ),
        new(KIND, rule(json!({ "id": "ShowCoreMine" })), "lifecycle.id has letters, digits"),
        new(KIND, rule(json!({})), "lifecycle: a rule does something"),
        new(
            KIND,
            rule(json!({ "expirationDays": 1, "expiredObjectDeleteMarkers": true })),
            "lifecycle.expiredObjectDeleteMarkers is not for a rule with expirationDays",
        ),
        new(
            KIND,
            rule(json!({ "expirationDays": 1, "noncurrentVersionsToKeep": 1 })),
            "lifecycle.noncurrentVersionsToKeep needs noncurrentExpirationDays",
        ),
        new(
            KIND,
            rule(json!({ "expirationDays": 60, "transitions": [{ "days": 60, "storageClass": "GLACIER" }] })),
            "lifecycle.expirationDays is more than the days of each of transitions",
        ),
        new(
            KIND,
            rule(
                json!({ "noncurrentExpirationDays": 60, "noncurrentTransitions": [{ "days": 60, "storageClass": "GLACIER" }] }),
            ),
            "lifecycle.noncurrentExpirationDays is more than the days of each of noncurrentTransitions",
        ),
        new(
            KIND,
            rule(json!({ "transitions": [{ "days": 29, "storageClass": "STANDARD_IA" }] })),
            "lifecycle.transitions: objects can be moved to STANDARD_IA and ONEZONE_IA after 30 days",
        ),
        new(
            KIND,
            rule(json!({ "noncurrentTransitions": [{ "days": 29, "storageClass": "ONEZONE_IA" }] })),
            "lifecycle.noncurrentTransitions: objects can be moved to STANDARD_IA and ONEZONE_IA after 30 days",
        ),
        new(
            KIND,
            rule(
                json!({ "transitions": [{ "days": 30, "storageClass": "STANDARD_IA" }, { "days": 59, "storageClass": "GLACIER" }] }),
            ),
            "lifecycle.transitions: objects move in the order",
        ),
        new(
            KIND,
            rule(
                json!({ "noncurrentTransitions": [{ "days": 9, "storageClass": "DEEP_ARCHIVE" }, { "days": 9, "storageClass": "GLACIER" }] }),
            ),
            "lifecycle.noncurrentTransitions: objects move in the order",
        ),
        // What the schema itself refuses.
        new(KIND, json!({}), "spec.purpose: Required value"),
        new(
            KIND,
            bucket("encryption", json!({ "keyManagement": "None" })),
            "spec.encryption.keyManagement: Unsupported value",
        ),
    ]
}

/// A bucket's spec with a cross-origin rule with one more field.
fn cors(field: &str, value: Value) -> Value {
    let mut rule = json!({ "allowedOrigins": ["*"], "allowedMethods": ["GET"] });
    rule[field] = value;
    bucket("cors", json!([rule]))
}

/// A bucket's spec with a statement of the policy with another field.
fn statement(field: &str, value: Value) -> Value {
    let mut statement = json!({ "sid": "One", "effect": "Allow", "principal": { "aws": ["111122223333"] }, "actions": ["s3:GetObject"] });
    statement[field] = value;
    bucket("policy", json!({ "statements": [statement] }))
}

/// A bucket's spec with a statement that allows everybody under a condition.
fn public(condition: Value) -> Value {
    let mut spec = statement("principal", json!({ "aws": ["*"] }));
    spec["policy"]["statements"][0]["condition"] = condition;
    spec
}

/// A bucket's spec with a lifecycle rule of these fields.
fn rule(mut rule: Value) -> Value {
    if rule["id"].is_null() {
        rule["id"] = json!("one");
    }
    bucket("lifecycle", json!([rule]))
}

fn databases() -> Vec<Case> {
    const KIND: &str = "ShowCoreDatabase";
    let storage = |storage: Value, says| new(KIND, json!({ "storage": storage }), says);
    vec![
        new(KIND, json!({ "identifier": "double--hyphen" }), "identifier begins with a letter"),
        new(KIND, json!({ "region": "x" }), "region must look like eu-central-1"),
        new(KIND, json!({ "engineVersion": "14.9" }), "engineVersion is 15 or later"),
        new(KIND, json!({ "instanceClass": "t3.micro" }), "instanceClass must look like db.t3.micro"),
        new(KIND, json!({ "databaseName": "1shop" }), "databaseName begins with a letter or underscore"),
        new(KIND, json!({ "databaseName": "rdsadmin" }), "databaseName is reserved"),
        new(KIND, json!({ "credentials": { "username": "1app" } }), "credentials.username begins with a letter"),
        new(KIND, json!({ "credentials": { "username": "admin" } }), "credentials.username is reserved"),
        new(KIND, json!({ "connectionSecretName": "UPPER" }), "connectionSecretName is a Secret's name"),
        new(
            KIND,
            json!({ "network": { "securityGroupIDs": ["default"] } }),
            "network.securityGroupIDs: each must look like",
        ),
        new(KIND, json!({ "backup": { "window": "3-4" } }), "backup.window must look like"),
        new(KIND, json!({ "maintenance": { "window": "Sunday" } }), "maintenance.window must look like"),
        new(KIND, json!({ "parameters": { "rds.force_ssl": "0" } }), "parameters: rds.force_ssl cannot be set"),
        new(KIND, json!({ "parameters": { "Upper": "0" } }), "parameters: a name has lower-case letters"),
        change(
            KIND,
            json!({ "identifier": "one" }),
            json!({ "identifier": "two" }),
            "identifier is immutable: it names the database",
        ),
        change(KIND, json!({ "region": "eu-west-1" }), json!({}), "region is immutable: a database"),
        change(KIND, json!({}), json!({ "databaseName": "late" }), "databaseName is immutable"),
        change(KIND, json!({ "connectionSecretName": "a" }), json!({}), "connectionSecretName is immutable"),
        change(
            KIND,
            json!({ "engineVersion": "16" }),
            json!({ "engineVersion": "17" }),
            "engineVersion: another major version needs allowMajorVersionUpgrade: true, and goes up only",
        ),
        change(
            KIND,
            json!({ "engineVersion": "17" }),
            json!({ "engineVersion": "16", "allowMajorVersionUpgrade": true }),
            "and goes up only",
        ),
        storage(json!({ "sizeGiB": 100, "maxSizeGiB": 105 }), "storage.maxSizeGiB is at least a tenth more"),
        storage(json!({ "iops": 12000 }), "storage.iops needs storage.type"),
        storage(json!({ "type": "gp2", "throughput": 500 }), "storage.throughput needs storage.type gp3"),
        storage(json!({ "type": "io2", "sizeGiB": 100 }), "storage.type io1 and io2 need storage.iops"),
        storage(json!({ "type": "gp3", "iops": 12000 }), "need storage.sizeGiB of 400 or more"),
        storage(json!({ "type": "floppy" }), "spec.storage.type: Unsupported value"),
        storage(json!({ "type": "gp3", "sizeGiB": 400, "iops": 3000 }), "storage.iops of gp3 is at least 12000"),
        storage(
            json!({ "type": "gp3", "sizeGiB": 400, "throughput": 3500 }),
            "storage.throughput is at most a quarter of storage.iops",
        ),
        storage(
            json!({ "type": "io1", "sizeGiB": 100, "iops": 5001 }),
            "storage.iops is between half of storage.sizeGiB and",
        ),
        new(KIND, json!({ "logExports": ["upgrade", "upgrade"] }), "logExports: each log at most once"),
        new(
            KIND,
            json!({ "performanceInsights": { "retentionDays": 7 } }),
            "performanceInsights.retentionDays needs performanceInsights.enabled",
        ),
        new(
            KIND,
            json!({ "performanceInsights": { "enabled": true, "retentionDays": 8 } }),
            "performanceInsights.retentionDays is 7, 731, or a multiple of 31",
        ),
        new(KIND, json!({ "caCertificateIdentifier": "mine" }), "caCertificateIdentifier must look like"),
        change(
            KIND,
            json!({ "engineVersion": "16.8" }),
            json!({ "engineVersion": "16.4" }),
            "engineVersion only goes up",
        ),
        change(KIND, json!({ "storage": { "sizeGiB": 30 } }), json!({}), "storage.sizeGiB only grows"),
        change(KIND, json!({}), json!({ "credentials": { "username": "other" } }), "credentials.username is immutable"),
        change(
            KIND,
            json!({ "network": { "subnetGroupName": "a" } }),
            json!({ "network": { "subnetGroupName": "b" } }),
            "network.subnetGroupName is immutable",
        ),
        change(
            KIND,
            json!({ "network": { "subnetGroupName": "a" } }),
            json!({}),
            "network.subnetGroupName is immutable",
        ),
        new(KIND, json!({ "tags": { "": "x" } }), "tags: a key has 1 to 128 characters"),
        new(KIND, json!({ "tags": { "aws:x": "x" } }), "tags: keys that begin with aws: or showcore.io/ are reserved"),
        new(KIND, json!({ "tags": { "a": "semi;colon" } }), "tags: keys and values may hold letters"),
        new(KIND, json!({ "backup": { "retentionDays": 0 } }), "spec.backup.retentionDays: Invalid value"),
        new(KIND, json!({ "storage": { "sizeGiB": 1 } }), "spec.storage.sizeGiB: Invalid value"),
    ]
}

/// A cache's spec with deliveries of these logs: type, destination, name.
fn logs(deliveries: &[(&str, &str, &str)]) -> Value {
    let delivery = |(log_type, destination, name): &(&str, &str, &str)| json!({ "logType": log_type, "destination": destination, "name": name });
    json!({ "logDelivery": deliveries.iter().map(delivery).collect::<Vec<_>>() })
}

fn caches() -> Vec<Case> {
    const KIND: &str = "ShowCoreCache";
    vec![
        new(KIND, json!({ "identifier": "ends-" }), "identifier begins with a letter"),
        new(KIND, json!({ "region": "x" }), "region must look like eu-central-1"),
        new(KIND, json!({ "engineVersion": "5.0" }), "engineVersion must look like 7.1"),
        new(KIND, json!({ "engineVersion": "8.0" }), "engineVersion: redis is 6.2, 7.0 or 7.1"),
        new(KIND, json!({ "engine": "valkey", "engineVersion": "6.2" }), "engineVersion: valkey begins at 7.2"),
        new(KIND, json!({ "nodeType": "t3.micro" }), "nodeType must look like cache.t3.micro"),
        new(KIND, json!({ "connectionSecretName": "UPPER" }), "connectionSecretName is a Secret's name"),
        new(KIND, json!({ "snapshot": { "window": "x" } }), "snapshot.window must look like"),
        new(KIND, json!({ "availability": "MultiAZ" }), "availability: MultiAZ needs replicas of 1 or more"),
        change(
            KIND,
            json!({ "availability": "MultiAZ", "replicas": 1 }),
            json!({ "availability": "MultiAZ", "replicas": 0 }),
            "availability: MultiAZ needs replicas of 1 or more",
        ),
        new(KIND, json!({ "parameters": { "timeout": "60" } }), "parameters need engineVersion"),
        new(
            KIND,
            json!({ "engineVersion": "7.1", "parameters": { "cluster-enabled": "yes" } }),
            "parameters: cluster-enabled cannot be set",
        ),
        new(
            KIND,
            json!({ "engineVersion": "7.1", "parameters": { "Upper_Case": "1" } }),
            "parameters: a name has lower-case letters",
        ),
        new(
            KIND,
            logs(&[("SlowLog", "CloudWatchLogs", "/a"), ("SlowLog", "Firehose", "b")]),
            "each logType at most once",
        ),
        new(KIND, logs(&[("SlowLog", "CloudWatchLogs", "with space")]), "logDelivery.name: a log group's name has"),
        new(KIND, logs(&[("SlowLog", "Firehose", "/slash")]), "logDelivery.name: a delivery stream's name has"),
        new(KIND, logs(&[("AuditLog", "Firehose", "a")]), "spec.logDelivery[0].logType: Unsupported value"),
        change(KIND, json!({ "identifier": "one" }), json!({}), "identifier is immutable: it names the cache"),
        change(KIND, json!({ "region": "eu-west-1" }), json!({}), "region is immutable: a cache"),
        change(KIND, json!({ "connectionSecretName": "a" }), json!({}), "connectionSecretName is immutable"),
        change(KIND, json!({}), json!({ "engine": "valkey" }), "engine is immutable"),
        change(KIND, json!({}), json!({ "authentication": "None" }), "authentication is immutable"),
        change(
            KIND,
            json!({ "engineVersion": "7.1" }),
            json!({ "engineVersion": "7.0" }),
            "engineVersion only goes up",
        ),
        new(KIND, json!({ "tags": { "": "x" } }), "tags: a key has 1 to 128 characters"),
        new(KIND, json!({ "tags": { "aws:x": "x" } }), "tags: keys that begin with aws: or showcore.io/ are reserved"),
        new(KIND, json!({ "tags": { "a": "semi;colon" } }), "tags: keys and values may hold letters"),
        new(
            KIND,
            json!({ "network": { "securityGroupIDs": ["default"] } }),
            "network.securityGroupIDs: each must look like",
        ),
        new(KIND, json!({ "maintenance": { "window": "Sunday" } }), "maintenance.window must look like"),
        change(
            KIND,
            json!({ "network": { "subnetGroupName": "a" } }),
            json!({ "network": { "subnetGroupName": "b" } }),
            "network.subnetGroupName is immutable",
        ),
        new(KIND, json!({ "replicas": 6 }), "spec.replicas: Invalid value"),
    ]
}

/// What users need is not refused.
#[tokio::test]
async fn what_aws_takes_for_a_bucket_is_not_refused() {
    let test = Test::start("accepted").await.unwrap();
    let to = |days: i32, class: &str| json!({ "days": days, "storageClass": class });
    let specs = [
        public(json!({ "StringEquals": { "aws:PrincipalOrgID": ["o-abcdefghij"] } })),
        public(
            json!({ "IpAddress": { "aws:SourceIp": ["203.0.113.0/24"] }, "Bool": { "aws:SecureTransport": ["true"] } }),
        ),
        statement("condition", json!({ "ForAnyValue:StringLikeIfExists": { "aws:TagKeys": ["a*"] } })),
        statement("resources", json!(["{bucketARN}/logs/*"])),
        rule(
            json!({ "expirationDays": 400, "transitions": [to(60, "ONEZONE_IA"), to(30, "STANDARD_IA"), to(90, "GLACIER"), to(180, "DEEP_ARCHIVE")] }),
        ),
        rule(
            json!({ "expiredObjectDeleteMarkers": true, "noncurrentExpirationDays": 30, "noncurrentVersionsToKeep": 3 }),
        ),
        bucket("lifecycle", json!([])),
        bucket("objectLock", json!({ "mode": "Compliance", "years": 7 })),
        bucket("logging", json!({ "targetBucket": "logs-{accountID}-{region}" })),
    ];
    for (at, spec) in specs.iter().enumerate() {
        test.apply(&object("ShowCoreBucket", &format!("accepted-{at}"), spec)).await;
    }
}

#[tokio::test]
async fn what_is_impossible_is_refused_with_a_sentence_that_names_field_and_rule() {
    let test = Test::start("refused").await.unwrap();
    let mut answers = std::collections::BTreeMap::<&str, String>::new();
    for case in buckets().into_iter().chain(databases()).chain(caches()) {
        if let Some(before) = &case.before {
            test.apply(&object(case.kind, &case.name, before)).await;
        }
        // `kubectl apply` takes out what was applied before and is not named now.
        let answer = test.try_apply(&object(case.kind, &case.name, &case.spec)).await;
        assert!(!answer.success(), "{} {} was not refused: {}", case.kind, case.name, case.spec);
        assert!(answer.stderr.contains(case.says), "`{}` is not in:\n{}", case.says, answer.stderr);
        answers.entry(case.kind).or_default().push_str(&answer.stderr);
    }
    for (kind, name, spec) in [
        ("ShowCoreBucket", "a.dot", json!({ "purpose": "Backups" })),
        ("ShowCoreDatabase", "1-digit", json!({})),
        ("ShowCoreCache", "1-digit", json!({})),
    ] {
        let answer = test.try_apply(&object(kind, name, &spec)).await;
        assert!(!answer.success() && answer.stderr.contains("metadata.name is the"), "{answer}");
        answers.entry(kind).or_default().push_str(&answer.stderr);
    }
    // No rule without its case: every sentence of every CRD has been read above.
    for crd in showcore_operator::kinds::crds() {
        let kind = crd.spec.names.kind.clone();
        let mut sentences = BTreeSet::new();
        collect(&serde_json::to_value(crd).unwrap(), &mut sentences);
        let unread: Vec<_> = sentences.iter().filter(|sentence| !answers[kind.as_str()].contains(*sentence)).collect();
        assert!(unread.is_empty(), "rules of {kind} without a case: {unread:#?}");
        assert!(sentences.len() > 10, "the rules of {kind} were found: {}", sentences.len());
    }
}

fn collect(schema: &Value, sentences: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            for (key, value) in members {
                if key == "x-kubernetes-validations" {
                    let rules = value.as_array().into_iter().flatten();
                    sentences.extend(rules.filter_map(|rule| rule["message"].as_str().map(str::to_owned)));
                }
                collect(value, sentences);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, sentences)),
        _ => {}
    }
}
