//! What others do in AWS, without the operator: where it is refused, nothing happened.

use serde_json::json;

use crate::world::{REGION, World};

const OWNER: [&str; 3] = ["showcore.io/cluster", "showcore.io/owner", "showcore.io/uid"];

fn rds(world: &World, operation: &str, parameters: &serde_json::Value) -> serde_json::Value {
    world.account.execute("rds", REGION, operation, parameters, "").unwrap_or_default()
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
    rds(world, "ModifyDBInstance", &changes);
}

/// Takes the owner tags off a database.
pub fn untag_database(world: &World) {
    let found = rds(world, "DescribeDBInstances", &json!({ "DBInstanceIdentifier": "shop" }));
    let arn = &found["DBInstances"][0]["DBInstanceArn"];
    rds(world, "RemoveTagsFromResource", &json!({ "ResourceName": arn, "TagKeys": OWNER }));
}

/// Changes what a cache's owner wants otherwise.
pub fn edit_cache(world: &World) {
    let changes = json!({
        "ReplicationGroupId": "shop",
        "ApplyImmediately": true,
        "SnapshotRetentionLimit": 9,
        "AutoMinorVersionUpgrade": false,
    });
    let _ = world.account.execute("elasticache", REGION, "ModifyReplicationGroup", &changes, "");
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
