//! What someone with too many rights might do, by the real `aws` CLI, and what the operator makes of it.

use std::time::{Duration, Instant};

use harness::progress::elapsed;
use harness::{Error, Output, Result, condition, condition_message};
use serde_json::Value;

use crate::watch::title;
use crate::world::{World, heading, note, show};

const PATIENCE: Duration = Duration::from_mins(2);
pub(crate) const DATABASE: &str = "showcore-database-production-rds";
pub(crate) const CACHE: &str = "showcore-cache-production-redis";

/// Four kinds of tampering, one after the other, each reported and corrected.
pub(crate) async fn tamper_and_watch(world: &mut World) -> Result<()> {
    heading("Tampering with the stores, as someone with too many rights might");
    let bucket = format!("showcore-static-assets-{}", world.account);
    let off = "BlockPublicAcls=false,IgnorePublicAcls=false,BlockPublicPolicy=false,RestrictPublicBuckets=false";
    one(
        world,
        "The public access block of a bucket goes off",
        &bucket,
        &["s3api", "put-public-access-block", "--bucket", &bucket, "--public-access-block-configuration", off],
    )
    .await?;

    let (arn, key) = tag_of_the_database(world)?;
    one(
        world,
        "A tag of the database goes",
        DATABASE,
        &["rds", "remove-tags-from-resource", "--resource-name", &arn, "--tag-keys", &key],
    )
    .await?;

    let modify = ["rds", "modify-db-instance", "--db-instance-identifier", DATABASE];
    one(
        world,
        "The database's protection against deletion goes off",
        DATABASE,
        &[
            &modify[..],
            &["--no-deletion-protection", "--apply-immediately", "--query", "DBInstance.DeletionProtection"],
        ]
        .concat(),
    )
    .await?;

    let query = "ReplicationGroups[0].SnapshotRetentionLimit";
    let kept = world
        .aws
        .cli(&["elasticache", "describe-replication-groups", "--replication-group-id", CACHE, "--query", query])
        .await?
        .json()?;
    let other = if kept == 1 { "3" } else { "1" };
    let modify = ["elasticache", "modify-replication-group", "--replication-group-id", CACHE];
    one(
        world,
        "The cache's snapshots are kept for another time",
        CACHE,
        &[
            &modify[..],
            &[
                "--snapshot-retention-limit",
                other,
                "--apply-immediately",
                "--query",
                "ReplicationGroup.SnapshotRetentionLimit",
            ],
        ]
        .concat(),
    )
    .await
}

/// One act: its command, the drift in the condition, the correction in `lastDrift`.
async fn one(world: &mut World, what: &str, identifier: &str, command: &[&str]) -> Result<()> {
    println!("\n{what}:");
    let before = find(&world.watch.objects(), identifier)
        .ok_or_else(|| Error::Other(format!("no object of the estate says that it is {identifier}")))?;
    let mark = world.watch.mark();
    let output = once_accepted(world, command).await?;
    show(&output);
    output.ok()?;

    let begun = Instant::now();
    let found =
        wait(world, mark, &before, "its drift to be reported", |object| condition(object, "Drifted") == "True").await?;
    note(world.since, &format!("{} reports after {}: Drifted=True", title(&found), elapsed(begun)));
    println!("            {}", condition_message(&found, "Drifted"));

    let known = last_drift(&before);
    let corrected = wait(world, mark, &before, "its drift to be corrected", |object| {
        condition(object, "Drifted") == "False" && last_drift(object).iter().any(|row| !known.contains(row))
    })
    .await?;
    note(world.since, &format!("corrected after {}: Drifted=False, and status.lastDrift keeps", elapsed(begun)));
    for row in last_drift(&corrected).iter().filter(|row| !known.contains(row)) {
        let text = |field: &str| match &row[field] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        println!(
            "            {}: desired {}, observed {}, found {}, corrected {}",
            text("field"),
            text("desired"),
            text("observed"),
            text("found"),
            text("corrected")
        );
    }
    Ok(())
}

/// Runs a command, again as long as AWS is busy with the store: it takes no change during the first backup, say.
async fn once_accepted(world: &World, command: &[&str]) -> Result<Output> {
    let deadline = Instant::now() + PATIENCE;
    let mut said = false;
    loop {
        let output = world.aws.cli(command).await?;
        let busy = BUSY.iter().any(|code| output.stderr.contains(code));
        if !busy || Instant::now() > deadline {
            return Ok(output);
        }
        if !said {
            note(world.since, "AWS is busy with it and takes no change now; waiting until it does");
            said = true;
        }
    }
}

/// With what AWS refuses a change while it is busy with the store.
const BUSY: [&str; 2] = ["(InvalidDBInstanceState)", "(InvalidReplicationGroupState)"];

/// Waits for a version of the object, seen since the mark, of which this holds.
async fn wait(
    world: &mut World,
    mark: usize,
    which: &Value,
    what: &str,
    holds: impl Fn(&Value) -> bool,
) -> Result<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = world.watch.since(mark);
        if let Some(object) = seen.into_iter().find(|object| title(object) == title(which) && holds(object)) {
            return Ok(object);
        }
        world.check_operator()?;
        if Instant::now() > deadline {
            return Err(Error::Other(format!(
                "{} was waited {PATIENCE:?} for {what}; the end of the operator's log:\n{}",
                title(which),
                world.log_tail()
            )));
        }
        world.watch.change().await;
    }
}

/// The object whose AWS resource has this name.
fn find(objects: &[Value], identifier: &str) -> Option<Value> {
    objects.iter().find(|object| object["status"]["resource"]["identifier"] == identifier).cloned()
}

fn last_drift(object: &Value) -> Vec<Value> {
    object["status"]["lastDrift"].as_array().cloned().unwrap_or_default()
}

/// The database's ARN, and one of its own tags; without any, one of the owner's, which is put back
/// too, because AWS's own id still tells whose it is.
fn tag_of_the_database(world: &World) -> Result<(String, String)> {
    let database = find(&world.watch.objects(), DATABASE).unwrap_or_default();
    let arn = database["status"]["resource"]["arn"]
        .as_str()
        .ok_or_else(|| Error::Other(format!("{DATABASE} has no ARN in its status")))?;
    let key = database["spec"]["tags"].as_object().and_then(|tags| tags.keys().next());
    Ok((arn.to_owned(), key.map_or("showcore.io/owner".to_owned(), Clone::clone)))
}
