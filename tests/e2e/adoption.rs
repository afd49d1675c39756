//! `adoption: Unowned`: what is already there and carries nobody's owner tags is taken over, after a look that only tells.

use std::time::Duration;

use harness::Test;
use serde_json::Value;

use crate::look::{
    accepted_secret, condition, drift, last_drift, manifest, message, mutations, reason, secret, settled, three_looks,
    told,
};

/// A world in which somebody made this already, and an object that takes it over is applied.
async fn found(kind: &str, name: &str, code: &str, spec: &str) -> Test {
    let mut test = Test::start(name).await.unwrap();
    test.boto3(&format!("NAME, ACCOUNT = '{name}', '{}'\n{code}", test.account_id())).await;
    test.advance(Duration::from_hours(1));
    if kind == "ShowCoreDatabase" {
        // What AWS is still making is taken over too, and then finds its settings out one by one.
        let status = format!(
            "client('rds').describe_db_instances(DBInstanceIdentifier='{name}')['DBInstances'][0]['DBInstanceStatus']"
        );
        test.boto3(&format!("while {status} != 'available': pass")).await;
    }
    test.start_operator().await.unwrap();
    test.apply(&manifest(kind, name, &format!("adoption: Unowned, {spec}"))).await;
    test
}

/// The plan stands in the status and in an Event, and nothing is written for a minute.
async fn told_first(test: &Test, kind: &str, name: &str, look: &str, words: &[&str]) -> Value {
    let adopting = |object: &Value| reason(object, "Pending") == Some("Adopting");
    let object = test.wait(kind, name, "the plan", adopting).await;
    assert_eq!((reason(&object, "Ready"), condition(&object, "Drifted")), (Some("Adopting"), Some("Unknown")));
    for word in words {
        assert!(message(&object, "Pending").contains(word), "{word}: {}", message(&object, "Pending"));
    }
    told(test, "Adopting", words).await;
    test.advance(Duration::from_secs(58));
    three_looks(test, look).await;
    assert_eq!(mutations(test), Vec::<String>::new(), "nothing is written before it is told, and for a minute after");
    assert_eq!(object["status"]["resource"], Value::Null, "nor is it ours yet");
    test.advance(Duration::from_secs(2));
    object
}

#[tokio::test]
async fn an_unowned_bucket_is_taken_over_after_its_plan_was_told() {
    let code = "s3 = client('s3')
s3.create_bucket(Bucket=f'{NAME}-{ACCOUNT}', CreateBucketConfiguration={'LocationConstraint': 'eu-central-1'})
s3.put_bucket_tagging(Bucket=f'{NAME}-{ACCOUNT}', Tagging={'TagSet': [{'Key': 'theirs', 'Value': 'x'}]})";
    let kind = "ShowCoreBucket";
    let spec = "bucketName: 'taken-{accountID}', purpose: Backups, tags: {team: core}";
    let test = found(kind, "taken", code, spec).await;
    let object =
        told_first(&test, kind, "taken", "GetBucketTagging", &["versioning: on", "policy.tlsOnly", "tags.team"]).await;
    let calls: Vec<_> =
        object["status"]["plan"]["steps"].as_array().unwrap().iter().map(|step| &step["call"]).collect();
    assert_eq!(calls[0], "s3:PutBucketTagging", "the owner tags come first");
    let object = test.wait(kind, "taken", "Ready", settled).await;
    assert_eq!(object["status"]["lastDrift"], Value::Null, "what was made as the spec says is no drift");
    assert_eq!(mutations(&test)[0], "PutBucketTagging");
    let bucket = format!("taken-{}", test.account_id());
    let tags = test.aws(&["s3api", "get-bucket-tagging", "--bucket", &bucket]).await.to_string();
    assert!(tags.contains("showcore.io/uid") && tags.contains("theirs") && tags.contains("core"), "{tags}");
}

const DATABASE: &str =
    "client('rds').create_db_instance(DBInstanceIdentifier=NAME, Engine='postgres', EngineVersion='16',
    DBInstanceClass='db.t3.micro', AllocatedStorage=20, MasterUsername='showcore', MasterUserPassword='a-long-password',
    BackupRetentionPeriod=1, StorageEncrypted=True)";

#[tokio::test]
async fn an_unowned_database_is_taken_over_and_its_password_becomes_the_secrets() {
    let kind = "ShowCoreDatabase";
    let test = found(kind, "taken", DATABASE, "tags: {team: core}").await;
    let words = [
        "deletionProtection: on",
        "backup.retentionDays: 7",
        "master password becomes the one of the Secret taken-connection",
    ];
    told_first(&test, kind, "taken", "DescribeDBInstances", &words).await;
    let ready = |object: &Value| settled(object) && drift(object, "tags.team").is_none();
    let object = test.settle(kind, "taken", "Ready", ready).await;
    assert_eq!(object["status"]["lastDrift"], Value::Null);
    let bound = test.get("Secret", "taken-connection").await.unwrap();
    let digest = aws_sim::log::digest(&secret(&bound, "password").unwrap());
    assert_eq!(accepted_secret(&test, "taken"), Some(digest));
    assert!(!mutations(&test).contains(&"CreateDBInstance".to_owned()));
}

#[tokio::test]
async fn an_unowned_cache_is_taken_over_and_its_token_becomes_the_secrets() {
    let code = "client('elasticache').create_replication_group(ReplicationGroupId=NAME, ReplicationGroupDescription='theirs',
  CacheNodeType='cache.t3.micro', NumCacheClusters=1, Engine='redis', AutomaticFailoverEnabled=False, SnapshotRetentionLimit=3,
  AtRestEncryptionEnabled=True, TransitEncryptionEnabled=True, AuthToken='a-token-of-theirs-1')";
    let kind = "ShowCoreCache";
    let test = found(kind, "taken", code, "tags: {team: core}").await;
    let words = ["snapshot.retentionDays: 1", "team: core", "token becomes the one of the Secret taken-connection"];
    told_first(&test, kind, "taken", "DescribeReplicationGroups", &words).await;
    test.settle(kind, "taken", "Ready", settled).await;
    let tokens = mutations(&test).iter().filter(|call| *call == "ModifyReplicationGroup").count();
    assert!(tokens >= 2, "its token was set beside the old one, then instead of it: {:?}", mutations(&test));
}

#[tokio::test]
async fn rule_01_what_is_less_than_we_create_is_never_taken_over() {
    let not_encrypted = DATABASE.replace("StorageEncrypted=True", "StorageEncrypted=False");
    let other_user = DATABASE.replace("MasterUsername='showcore'", "MasterUsername='admiral'");
    for (name, code, word) in
        [("naked", not_encrypted, "not encrypted"), ("other-user", other_user, "credentials.username")]
    {
        let kind = "ShowCoreDatabase";
        let test = found(kind, name, &code, "").await;
        let refused = |object: &Value| reason(object, "Stalled") == Some("NotAdopted");
        let object = test.wait(kind, name, "NotAdopted", refused).await;
        assert!(message(&object, "Stalled").contains(word), "{}", message(&object, "Stalled"));
        three_looks(&test, "DescribeDBInstances").await;
        assert_eq!(mutations(&test), Vec::<String>::new());
    }
}

#[tokio::test]
async fn rule_03_another_owners_is_not_taken_over() {
    let code = "s3 = client('s3')
s3.create_bucket(Bucket=f'{NAME}-{ACCOUNT}', CreateBucketConfiguration={'LocationConstraint': 'eu-central-1'})
s3.put_bucket_tagging(Bucket=f'{NAME}-{ACCOUNT}', Tagging={'TagSet': [
  {'Key': 'showcore.io/cluster', 'Value': 'other'}, {'Key': 'showcore.io/owner', 'Value': 'ShowCoreBucket/a/b'}]})";
    let kind = "ShowCoreBucket";
    let test = found(kind, "theirs", code, "bucketName: 'theirs-{accountID}', purpose: Backups").await;
    let object = test.wait(kind, "theirs", "NotOurs", |object| reason(object, "Stalled") == Some("NotOurs")).await;
    assert!(last_drift(&object, "versioning").is_none());
    assert_eq!(mutations(&test), Vec::<String>::new());
}
