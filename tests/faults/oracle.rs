//! What must hold whatever fails: of every mutation at the moment it is made, and of the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use aws_sim::Arrival;
use base64::Engine;
use harness::objects;
use serde_json::{Value, json};

use crate::{
    case::{Fault, explained},
    kind::Kind,
    wire::Seen,
    world::{KINDS, REGION, World},
};

/// What puts tags on and takes them off.
const TAGGING: [&str; 3] = ["AddTagsToResource", "RemoveTagsFromResource", "DeleteBucketTagging"];

/// A word in every error of AWS's that a case orders. AWS's own text is never shown (rule 11).
pub const PLANTED: &str = "sg-0planted0secret";

/// What of an account's stores is not as safe as it must be.
pub fn exposed(world: &World) -> BTreeSet<String> {
    let mut exposed = BTreeSet::new();
    if world.ground.foreign() {
        return exposed;
    }
    let rds = |operation: &str| world.account.execute("rds", REGION, operation, &json!({}), "").unwrap_or_default();
    for instance in list(&rds("DescribeDBInstances")["DBInstances"]) {
        let name = &instance["DBInstanceIdentifier"];
        if instance["StorageEncrypted"] != true {
            exposed.insert(format!("the database {name} is not encrypted"));
        }
        if instance["PubliclyAccessible"] == true {
            exposed.insert(format!("the database {name} is public"));
        }
    }
    for snapshot in list(&rds("DescribeDBSnapshots")["DBSnapshots"]) {
        if snapshot["Encrypted"] != true {
            exposed.insert(format!("the snapshot {} is not encrypted", snapshot["DBSnapshotIdentifier"]));
        }
    }
    for group in world.account.elasticache().groups(REGION) {
        if !group.at_rest || group.transit.as_deref() != Some("required") {
            exposed.insert(format!("the cache {} is not encrypted", group.id));
        }
    }
    for (name, bucket) in world.sim().s3().of(world.account.id()) {
        let closed = bucket.public_access_block.as_ref().is_some_and(|block| {
            [
                block.block_public_acls,
                block.block_public_policy,
                block.ignore_public_acls,
                block.restrict_public_buckets,
            ]
            .iter()
            .all(|closed| *closed == Some(true))
        });
        if !closed {
            exposed.insert(format!("the bucket {name} does not block public access"));
        }
        if bucket.object_ownership.as_deref() != Some("BucketOwnerEnforced") {
            exposed.insert(format!("the bucket {name} has ACLs"));
        }
    }
    exposed
}

/// What of this mutation no operator of ours may ever send.
pub async fn forbidden(world: &World, arrival: &Arrival) -> Vec<String> {
    let mut broken = Vec::new();
    let parameters = &arrival.parameters;
    let mut refuse = |what: &str| broken.push(format!("{} {}: {what}", arrival.call, arrival.object));
    let (service, operation) = arrival.call.split_once(':').unwrap_or_default();
    match operation {
        "CreateDBInstance" if parameters["StorageEncrypted"] != true => refuse("rule 1: without encryption"),
        "CreateReplicationGroup"
            if parameters["AtRestEncryptionEnabled"] != true || parameters["TransitEncryptionEnabled"] != true =>
        {
            refuse("rule 1: without encryption");
        }
        "DeleteDBInstance" if parameters["DeleteAutomatedBackups"] == true => {
            refuse("rule 2: automated backups go with it");
        }
        "DeletePublicAccessBlock" | "DeleteBucketPolicy" | "DeleteBucketEncryption" | "PutBucketAcl" => {
            refuse("rule 1: less safe than before");
        }
        _ => {}
    }
    if parameters["PubliclyAccessible"] == true || parameters["TransitEncryptionEnabled"] == false {
        refuse("rule 1: less safe than before");
    }
    let there = owner_tags(world, service, &arrival.object);
    // What is sent late, when it is all over, deletes nothing.
    if let Some(tags) = &there
        && ["DeleteDBInstance", "DeleteReplicationGroup", "DeleteBucket", "DeleteObject", "DeleteObjects"]
            .contains(&operation)
    {
        let owner = owner_of(world, service, &arrival.object, tags).await;
        let policy = owner.as_ref().map(|object| object["spec"]["deletionPolicy"].as_str().unwrap_or_default());
        if owner.as_ref().is_none_or(|object| object["metadata"]["deletionTimestamp"].is_null()) {
            refuse("rule 2: deleted though no object of it is being deleted");
        }
        let last =
            parameters["FinalDBSnapshotIdentifier"].is_string() || parameters["FinalSnapshotIdentifier"].is_string();
        match policy {
            Some("Delete") | None => {}
            Some("Snapshot") if last => {}
            Some(policy) => refuse(&format!("rule 2: deleted under {policy}, final snapshot: {last}")),
        }
    }
    // As the operator has seen them last: it cannot know what somebody has done since.
    if there.is_some()
        && let Some(tags) = world.wire.last_tags(service, &arrival.object)
    {
        let of_store = |object: &Arc<Value>| {
            object["kind"] == kind_of(service) && world.general(&identifier(object)) == arrival.object
        };
        let uids: Vec<_> = world.ground.objects.all(&world.namespace).into_iter().filter(of_store).collect();
        match tags.get("showcore.io/uid") {
            // Where no object means it any more, what comes late was sent for one that did.
            Some(uid)
                if !world.ground.objects.ever(&world.namespace, uid)
                    || (!uids.is_empty() && uids.iter().all(|object| object["metadata"]["uid"] != **uid)) =>
            {
                refuse(&format!("rule 3: written to what belongs to {uid}"));
            }
            None if !TAGGING.contains(&operation) && !world.adopts() => {
                refuse("rule 3: written to what carries no owner's tags");
            }
            _ => {}
        }
    }
    broken
}

/// Stores that carry the owner tags of an object that is no longer there: nobody would ever delete them.
pub async fn orphans(world: &World) -> Vec<String> {
    if world.ground.foreign() {
        return Vec::new();
    }
    let mut uids = BTreeSet::new();
    for (kind, _) in KINDS {
        let all = objects::list(&world.client(), &world.namespace, kind).await.unwrap_or_default();
        uids.extend(all.iter().map(|object| object["metadata"]["uid"].as_str().unwrap_or_default().to_owned()));
    }
    let instances = world.account.execute("rds", REGION, "DescribeDBInstances", &json!({}), "").unwrap_or_default();
    let name = |instance: &Value| instance["DBInstanceIdentifier"].as_str().unwrap_or_default().to_owned();
    let mut stores: Vec<_> = list(&instances["DBInstances"]).map(|instance| ("rds", name(instance))).collect();
    stores.extend(world.account.elasticache().groups(REGION).map(|group| ("elasticache", group.id.clone())));
    stores.extend(world.sim().s3().of(world.account.id()).map(|(name, _)| ("s3", name.to_owned())));
    let orphan = |(service, store): &(&str, String)| {
        let uid = owner_tags(world, service, store)?.remove("showcore.io/uid")?;
        let was_here = world.ground.objects.ever(&world.namespace, &uid);
        (was_here && !uids.contains(&uid))
            .then(|| format!("rule 6: {service}'s {store} is in AWS, and its object is gone"))
    };
    stores.iter().filter_map(orphan).collect()
}

/// The kind whose stores are this service's.
fn kind_of(service: &str) -> &'static str {
    match service {
        "rds" => "ShowCoreDatabase",
        "elasticache" => "ShowCoreCache",
        _ => "ShowCoreBucket",
    }
}

/// The object whose store this is by its tags, or by its name if they do not say; asked afresh.
async fn owner_of(world: &World, service: &str, store: &str, tags: &BTreeMap<String, String>) -> Option<Value> {
    let all = loop {
        match objects::list(&world.client(), &world.namespace, kind_of(service)).await {
            Ok(all) => break all,
            Err(error) => eprintln!("asking again whose {store} is: {error}"),
        }
    };
    let uid = tags.get("showcore.io/uid");
    let owns = |object: &&Value| uid.is_some_and(|uid| object["metadata"]["uid"] == **uid);
    all.iter().find(owns).or(all.iter().find(|object| world.general(&identifier(object)) == store)).cloned()
}

/// The name in AWS that an object's spec means; `{accountID}` may stand in it.
pub fn identifier(object: &Value) -> String {
    let spec = &object["spec"];
    let named = ["bucketName", "identifier"].iter().find_map(|field| spec[*field].as_str());
    named.or(object["metadata"]["name"].as_str()).unwrap_or_default().to_owned()
}

/// The tags of the service's store of this name, if there is one.
pub fn owner_tags(world: &World, service: &str, store: &str) -> Option<BTreeMap<String, String>> {
    if world.ground.foreign() {
        return None;
    }
    match service {
        "rds" => {
            let question = json!({ "DBInstanceIdentifier": store });
            let found = world.account.execute("rds", REGION, "DescribeDBInstances", &question, "").ok()?;
            let tags = list(&found["DBInstances"][0]["TagList"]);
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            Some(tags.map(|tag| (text(&tag["Key"]), text(&tag["Value"]))).collect())
        }
        "elasticache" => {
            let caches = world.account.elasticache();
            let group = caches.group(REGION, store)?;
            Some(group.tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
        }
        _ => {
            let buckets = world.sim().s3();
            let bucket = buckets.get(&world.particular(store)).filter(|bucket| bucket.owner == world.account.id())?;
            Some(bucket.tags.iter().cloned().collect())
        }
    }
}

/// The password that a Secret's write carries.
pub fn password(secret: &Value) -> Option<String> {
    let plain = secret["stringData"]["password"].as_str().map(str::to_owned);
    plain.or_else(|| {
        let bytes = base64::engine::general_purpose::STANDARD.decode(secret["data"]["password"].as_str()?).ok()?;
        String::from_utf8(bytes).ok()
    })
}

/// Rules 7 and 11: no password and nothing of AWS's own words is anywhere.
pub fn secrets(seen: &Seen, log: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let secrets = seen.passwords.iter().map(|password| ("a password", password.as_str()));
    for (what, secret) in secrets.chain([("AWS's own text", PLANTED)]) {
        for (place, text) in [("the objects and Events", seen.written.as_str()), ("the log", log)] {
            if text.contains(secret) {
                broken.push(format!("rule 7: {what} is in {place}"));
            }
        }
    }
    broken
}

/// At most the mutations of the clean run, and the retries that the faults explain.
pub fn budget(seen: &Seen, clean: &Seen, faults: &[Fault]) -> Option<String> {
    let beyond: Vec<_> = seen
        .mutations
        .iter()
        .map(|(call, times)| (call, times.saturating_sub(clean.mutations.get(call).copied().unwrap_or_default())))
        .filter(|(_, beyond)| *beyond > 0)
        .collect();
    let total: u32 = beyond.iter().map(|(_, beyond)| *beyond).sum();
    let explained = explained(faults, seen.met, clean.changes());
    let list = || beyond.iter().map(|((call, object), times)| format!("{times} {call} {object}")).collect::<Vec<_>>();
    (total > explained).then(|| {
        format!("{total} mutations more than without the fault, which explains {explained}: {}", list().join(", "))
    })
}

/// While AWS throttles, each object is looked at as seldom as its backoff says, and each try of a pass three times by the SDK.
pub fn rate(world: &World, seen: &Seen, faults: &[Fault]) -> Option<String> {
    let throttled = faults.iter().find_map(|fault| match fault.kind {
        Kind::Throttled(time) => Some(time),
        _ => None,
    })?;
    let longest = world.scenario().pace.backoff;
    // Doubled from 20 ms to the longest, then the longest again and again; jitter only adds.
    let doublings = (longest.as_millis() / 20).ilog2() + 1;
    let longest_waits = throttled.as_millis() / longest.as_millis() + 1;
    let (met, objects) = seen.throttled;
    let bound = objects as u128 * 3 * (u128::from(doublings) + longest_waits);
    (u128::from(met) > bound)
        .then(|| format!("rule 9: {met} requests while AWS throttled for {throttled:?}; {bound} are explained"))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
