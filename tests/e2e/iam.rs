//! The IAM actions that each kind needs, as the README lists them: derived from what the operator really called.

use std::{collections::BTreeSet, time::Duration};

use harness::Test;

use crate::look::{by_operator, condition, manifest, settled};

/// The IAM actions behind an operation, where they have other names or are more than one.
///
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html> and its siblings for RDS
/// and ElastiCache.
fn actions(service: &str, operation: &str) -> Vec<String> {
    let names: &[&str] = match (service, operation) {
        ("s3", "GetBucketEncryption") => &["GetEncryptionConfiguration"],
        ("s3", "PutBucketEncryption") => &["PutEncryptionConfiguration"],
        ("s3", "GetPublicAccessBlock") => &["GetBucketPublicAccessBlock"],
        ("s3", "PutPublicAccessBlock") => &["PutBucketPublicAccessBlock"],
        ("s3", "DeleteBucketTagging") => &["PutBucketTagging"],
        ("s3", "GetBucketLifecycleConfiguration") => &["GetLifecycleConfiguration"],
        ("s3", "PutBucketLifecycleConfiguration" | "DeleteBucketLifecycle") => &["PutLifecycleConfiguration"],
        ("s3", "GetBucketCors") => &["GetBucketCORS"],
        ("s3", "PutBucketCors" | "DeleteBucketCors") => &["PutBucketCORS"],
        ("s3", "GetObjectLockConfiguration") => &["GetBucketObjectLockConfiguration"],
        ("s3", "PutObjectLockConfiguration") => &["PutBucketObjectLockConfiguration"],
        ("s3", "ListObjectVersions") => &["ListBucketVersions"],
        ("s3", "DeleteObjects") => &["DeleteObject", "DeleteObjectVersion"],
        // Tags in the create call need the permission to tag.
        ("s3", "CreateBucket") => &["CreateBucket", "TagResource"],
        ("rds", "CreateDBInstance" | "CreateDBParameterGroup")
        | ("elasticache", "CreateReplicationGroup" | "CreateCacheParameterGroup") => &[operation, "AddTagsToResource"],
        // The final snapshot is a permission of its own.
        ("rds", "DeleteDBInstance") => &["DeleteDBInstance", "CreateDBSnapshot"],
        ("elasticache", "DeleteReplicationGroup") => &["DeleteReplicationGroup", "CreateSnapshot"],
        _ => &[operation],
    };
    names.iter().map(|name| format!("{service}:{name}")).collect()
}

/// The actions that the README lists for a kind.
fn listed(kind: &str) -> BTreeSet<String> {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let row = readme
        .lines()
        .find(|line| line.starts_with(&format!("| `{kind}` | `")))
        .unwrap_or_else(|| panic!("no row of {kind}"));
    let cell = row.split('|').nth(2).unwrap();
    cell.split(',').map(|action| action.trim().trim_matches('`').to_owned()).collect()
}

/// `sts:GetCallerIdentity` needs no permission.
fn needed(test: &Test) -> BTreeSet<String> {
    let requests = test.account.requests();
    let operators = requests.iter().filter(|request| by_operator(request) && request.service != "sts");
    operators.flat_map(|request| actions(&request.service, &request.operation)).collect()
}

/// Takes one object through its whole life.
async fn live(kind: &str, first: &str, second: &str, last: &str, tamper: &str) {
    let name = "life";
    let mut test = Test::start("iam").await.unwrap();
    test.start_operator().await.unwrap();
    for spec in [first, second] {
        test.apply(&manifest(kind, name, spec)).await;
        test.settle(kind, name, "in sync", settled).await;
        test.advance(Duration::from_hours(1));
    }
    test.wait(kind, name, "in sync again", settled).await;
    test.boto3(&tamper.replace("ACCOUNT", test.account_id())).await;
    test.settle(kind, name, "drift", |object| object["status"]["lastDrift"].is_array()).await;
    test.settle(kind, name, "in sync", |object| settled(object) && condition(object, "Pending").is_none()).await;
    test.advance(Duration::from_hours(1));
    if kind != "ShowCoreBucket" {
        let sent = test.get(kind, name).await.unwrap()["status"]["applied"]["credentials"].clone();
        test.delete("Secret", "life-connection").await;
        let other = |object: &serde_json::Value| object["status"]["applied"]["credentials"] != sent;
        test.settle(kind, name, "another password with AWS", |object| other(object) && settled(object)).await;
        test.advance(Duration::from_hours(1));
    }
    test.apply(&manifest(kind, name, last)).await;
    test.settle(kind, name, "in sync", settled).await;
    test.delete(kind, name).await;
    test.settle_gone(kind, name).await;
    let (mut needed, listed) = (needed(&test), listed(kind));
    if kind == "ShowCoreBucket" {
        // AWS never answers a bucket without default encryption, so this one cannot be provoked; an emulator may.
        needed.insert("s3:PutEncryptionConfiguration".to_owned());
    }
    assert_eq!(needed, listed, "the README's row of {kind} is not what the operator calls");
}

#[tokio::test]
async fn the_readme_lists_what_a_bucket_needs() {
    live(
        "ShowCoreBucket",
        "purpose: CloudTrailLogs, bucketName: 'life-{accountID}', tags: {a: b}",
        "purpose: CloudTrailLogs, bucketName: 'life-{accountID}', tags: {a: c}, objectLock: {}, lifecycle: [], \
            cors: [{allowedOrigins: ['*'], allowedMethods: [GET]}], logging: {targetBucket: 'life-{accountID}'}, \
            policy: {statements: [{sid: Logs, effect: Allow, principal: {service: [logging.s3.amazonaws.com]}, actions: ['s3:PutObject']}]}",
        "purpose: Backups, bucketName: 'life-{accountID}', deletionPolicy: Delete, emptyOnDelete: true, objectLock: {}",
        "s3 = client('s3'); b = 'life-ACCOUNT'
s3.put_object(Bucket=b, Key='k', Body=b'x'); s3.delete_public_access_block(Bucket=b); s3.delete_bucket_ownership_controls(Bucket=b)",
    )
    .await;
}

#[tokio::test]
async fn the_readme_lists_what_a_database_needs() {
    live(
        "ShowCoreDatabase",
        "parameters: {log_min_duration_statement: '500', max_connections: '50'}, tags: {a: b}, disruption: Immediate",
        "parameters: {log_min_duration_statement: '900', max_connections: '60'}, tags: {c: d}, disruption: Immediate",
        "parameters: {log_min_duration_statement: '900'}, deletionProtection: false, disruption: Immediate",
        "client('rds').modify_db_instance(DBInstanceIdentifier='life', DeletionProtection=False, ApplyImmediately=True)",
    )
    .await;
}

#[tokio::test]
async fn the_readme_lists_what_a_cache_needs() {
    live(
        "ShowCoreCache",
        "engineVersion: '7.1', parameters: {timeout: '60', maxmemory-policy: allkeys-lru}, replicas: 0, tags: {a: b}",
        "engineVersion: '7.1', parameters: {timeout: '300'}, replicas: 1, tags: {c: d}",
        "engineVersion: '7.1', replicas: 0",
        "client('elasticache').modify_replication_group(ReplicationGroupId='life', SnapshotRetentionLimit=5, ApplyImmediately=True)",
    )
    .await;
}
