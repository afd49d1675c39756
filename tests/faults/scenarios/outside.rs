//! What others do in AWS, without the operator. What [`changeable`] allows is asserted to have happened.

use aws_sim::{Fault, FaultKind};
use serde_json::json;

use crate::world::{REGION, World};

const OWNER: [&str; 3] = ["showcore.io/cluster", "showcore.io/owner", "showcore.io/uid"];

fn rds(world: &World, operation: &str, parameters: &serde_json::Value) -> serde_json::Value {
    world.account.execute("rds", REGION, operation, parameters, "").unwrap_or_default()
}

/// Whether a store is there that others can change now.
pub fn changeable(world: &World) -> bool {
    let database = world.account.rds().status(REGION, "shop").is_some_and(|status| status == "available");
    let caches = world.account.elasticache();
    let cache = caches.group(REGION, "shop").is_some_and(|group| group.status == "available");
    drop(caches);
    let buckets = world.sim().s3();
    (database && pinned(world, "ShowCoreDatabase"))
        || (cache && pinned(world, "ShowCoreCache"))
        || buckets.get(&format!("shop-{}", world.account.id())).is_some()
}

/// Changes what a database's owner wants otherwise.
pub fn edit_database(world: &World) {
    let changes = json!({
        "DBInstanceIdentifier": "shop",
        "ApplyImmediately": true,
        "BackupRetentionPeriod": 3,
        "DeletionProtection": true,
        "CopyTagsToSnapshot": false,
    });
    let edited = world.account.execute("rds", REGION, "ModifyDBInstance", &changes, "");
    assert!(edited.is_ok(), "{edited:?}");
}

/// Whether the object knows AWS's own id of its store: before, the tags are all that tells whose it is.
fn pinned(world: &World, kind: &str) -> bool {
    let object = world.object(kind, "shop");
    let pin = object.as_ref().and_then(|object| object["metadata"]["annotations"]["showcore.io/resource"].as_str());
    pin.and_then(|pin| serde_json::from_str::<serde_json::Value>(pin).ok()).is_some_and(|pin| pin["id"].is_string())
}

/// Takes the owner tags off a database.
pub fn untag_database(world: &World) {
    let found = rds(world, "DescribeDBInstances", &json!({ "DBInstanceIdentifier": "shop" }));
    let arn = &found["DBInstances"][0]["DBInstanceArn"];
    let question = json!({ "ResourceName": arn, "TagKeys": OWNER });
    let untagged = world.account.execute("rds", REGION, "RemoveTagsFromResource", &question, "");
    assert!(untagged.is_ok(), "{untagged:?}");
}

/// Another cluster's owner tags take the place of ours on a database.
pub fn forge_owner(world: &World) {
    let found = rds(world, "DescribeDBInstances", &json!({ "DBInstanceIdentifier": "shop" }));
    let tags = json!([
        { "Key": OWNER[0], "Value": "another-cluster" },
        { "Key": OWNER[1], "Value": "ShowCoreDatabase/web/shop" },
        { "Key": OWNER[2], "Value": "00000000-0000-4000-8000-000000000000" },
    ]);
    let question = json!({ "ResourceName": found["DBInstances"][0]["DBInstanceArn"], "Tags": tags });
    let forged = world.account.execute("rds", REGION, "AddTagsToResource", &question, "");
    assert!(forged.is_ok(), "{forged:?}");
}

/// Changes what a cache's owner wants otherwise.
pub fn edit_cache(world: &World) {
    let changes = json!({
        "ReplicationGroupId": "shop",
        "ApplyImmediately": true,
        "SnapshotRetentionLimit": 9,
        "AutoMinorVersionUpgrade": false,
    });
    let edited = world.account.execute("elasticache", REGION, "ModifyReplicationGroup", &changes, "");
    assert!(edited.is_ok(), "{edited:?}");
}

/// Takes the owner tags off a cache.
pub fn untag_cache(world: &World) {
    world.account.elasticache().with_group(REGION, "shop", |group| {
        for tag in OWNER {
            group.tags.remove(tag);
        }
    });
}

/// Opens a bucket, and stops its versioning.
pub fn edit_bucket(world: &World) {
    let name = format!("shop-{}", world.account.id());
    if let Some(bucket) = world.sim().s3().get_mut(&name) {
        bucket.public_access_block = None;
        bucket.versioning = aws_sim::s3::bucket::Versioning::Suspended;
        bucket.tags.retain(|(key, _)| key != "team");
    }
}

/// Changes much of a database's settings at once.
pub fn drift_database(world: &World) {
    let changes = json!({
        "DBInstanceIdentifier": "shop",
        "ApplyImmediately": true,
        "PubliclyAccessible": true,
        "BackupRetentionPeriod": 3,
        "PreferredBackupWindow": "07:00-08:00",
        "PreferredMaintenanceWindow": "tue:10:00-tue:11:00",
        "AutoMinorVersionUpgrade": false,
        "CopyTagsToSnapshot": false,
        "VpcSecurityGroupIds": ["sg-0c0c0c0c"],
        "DBInstanceClass": "db.t3.small",
        "MultiAZ": true,
        "CloudwatchLogsExportConfiguration": { "DisableLogTypes": ["upgrade"] },
    });
    let broken = world.account.execute("rds", REGION, "ModifyDBInstance", &changes, "");
    assert!(broken.is_ok(), "{broken:?}");
    let parameters = json!([
        { "ParameterName": "log_min_duration_statement", "ParameterValue": "9", "ApplyMethod": "immediate" },
        { "ParameterName": "rds.force_ssl", "ParameterValue": "0", "ApplyMethod": "immediate" },
    ]);
    rds(
        world,
        "ModifyDBParameterGroup",
        &json!({ "DBParameterGroupName": "shop-postgres16", "Parameters": parameters }),
    );
    let found = rds(world, "DescribeDBInstances", &json!({ "DBInstanceIdentifier": "shop" }));
    let arn = &found["DBInstances"][0]["DBInstanceArn"];
    let tags = json!([{ "Key": "team", "Value": "web" }]);
    rds(world, "AddTagsToResource", &json!({ "ResourceName": arn, "Tags": tags }));
    untag_database(world);
}

/// Changes much of a cache's settings at once.
pub fn drift_cache(world: &World) {
    let changes = json!({
        "ReplicationGroupId": "shop",
        "ApplyImmediately": true,
        "SnapshotRetentionLimit": 9,
        "SnapshotWindow": "13:00-14:00",
        "PreferredMaintenanceWindow": "mon:08:00-mon:09:00",
        "AutoMinorVersionUpgrade": false,
        "SecurityGroupIds": ["sg-0c0c0c0c"],
        "CacheNodeType": "cache.t3.small",
    });
    let broken = world.account.execute("elasticache", REGION, "ModifyReplicationGroup", &changes, "");
    assert!(broken.is_ok(), "{broken:?}");
    let parameters = json!([{ "ParameterName": "maxmemory-policy", "ParameterValue": "noeviction" }]);
    let group = json!({ "CacheParameterGroupName": "shop-redis7", "ParameterNameValues": parameters });
    let broken = world.account.execute("elasticache", REGION, "ModifyCacheParameterGroup", &group, "");
    assert!(broken.is_ok(), "{broken:?}");
    world.account.elasticache().with_group(REGION, "shop", |group| {
        group.tags.insert("team".into(), "web".into());
    });
    untag_cache(world);
}

/// Changes all of a bucket's settings at once.
pub fn drift_bucket(world: &World) {
    let name = format!("shop-{}", world.account.id());
    let mut buckets = world.sim().s3();
    let bucket = buckets.get_mut(&name).expect("the bucket is there");
    bucket.public_access_block = None;
    bucket.object_ownership = Some("ObjectWriter".into());
    bucket.versioning = aws_sim::s3::bucket::Versioning::Suspended;
    bucket.policy = None;
    bucket.lifecycle = None;
    bucket.cors = None;
    bucket.tags.retain(|(key, _)| key != "team");
}

/// Deletes a database without a word, with all that it had.
pub fn drop_database(world: &World) {
    if world.account.rds().status(REGION, "shop").is_some() {
        world.account.rds().drop_instance(REGION, "shop");
    }
}

/// The same with a cache.
pub fn drop_cache(world: &World) {
    world.account.elasticache().drop_group(REGION, "shop");
}

/// The same with a bucket.
pub fn drop_bucket(world: &World) {
    world.sim().s3().drop_bucket(&format!("shop-{}", world.account.id()));
}

/// Takes all tags off a bucket.
pub fn untag_bucket(world: &World) {
    if let Some(bucket) = world.sim().s3().get_mut(&format!("shop-{}", world.account.id())) {
        bucket.tags.clear();
    }
}

/// Puts objects into a bucket.
pub fn fill_bucket(world: &World) {
    let name = format!("shop-{}", world.account.id());
    let now = world.account.now();
    let mut buckets = world.sim().s3();
    let bucket = buckets.get_mut(&name).expect("the bucket is there");
    for n in 0..3 {
        bucket.fill(&format!("object-{n}"), now);
    }
}

/// From now on the third call of a bucket's creation is denied.
pub fn deny_policies(world: &World) {
    let kind = FaultKind::Error { code: "AccessDenied".into(), status: 403, message: String::new() };
    world.account.inject(Fault { service: "s3".into(), operation: "PutBucketPolicy".into(), times: u32::MAX, kind });
}

/// And allowed again.
pub fn allow_policies(world: &World) {
    world.account.clear_faults();
}

/// A change that AWS cannot take up stops the database.
pub fn database_incompatible(world: &World) {
    world.account.rds().set_status(REGION, "shop", "incompatible-parameters");
}

/// It runs full.
pub fn database_full(world: &World) {
    world.account.rds().set_status(REGION, "shop", "storage-full");
}

/// Its key is disabled.
pub fn database_without_key(world: &World) {
    world.account.rds().set_status(REGION, "shop", "inaccessible-encryption-credentials-recoverable");
}

/// And it serves again.
pub fn database_available(world: &World) {
    world.account.rds().set_status(REGION, "shop", "available");
}
