//! The end state of a case: its objects, its Secrets and its account, without times and generated ids.

use std::sync::LazyLock;

use aws_sim::log::digest;
use base64::Engine;
use harness::objects;
use regex_lite::Regex;
use serde_json::{Map, Value, json};

use crate::{
    foreign, oracle,
    world::{KINDS, REGION, World},
};

/// The end state, comparable with that of any other case.
pub async fn take(world: &World) -> anyhow::Result<Value> {
    let mut found = Vec::new();
    for (kind, _) in KINDS {
        found.extend(objects::list(&world.client(), &world.namespace, kind).await?);
    }
    let mut secrets = objects::list(&world.client(), &world.namespace, "Secret").await?;
    // The garbage collector takes those of objects that are gone, sooner or later.
    let there = |uid: &Value| found.iter().any(|object| object["metadata"]["uid"] == *uid);
    secrets.retain(|secret| {
        let owners = secret["metadata"]["ownerReferences"].as_array();
        owners.is_none_or(|owners| owners.iter().all(|owner| there(&owner["uid"])))
    });
    // What had been set when it vanished depends on when that was.
    let missing = found.iter().any(|object| harness::condition_reason(object, "Stalled") == "Missing");
    let mut state = if world.ground.foreign() {
        foreign::stores(world).await?
    } else {
        json!({ "rds": rds(world), "elasticache": elasticache(world), "s3": s3(world) })
    };
    state["objects"] = sorted(found.iter().map(|object| (name(object), of_object(object))));
    state["secrets"] = sorted(secrets.iter().map(|secret| (name(secret), of_secret(world, secret))));
    if missing {
        for secret in state["secrets"].as_object_mut().into_iter().flatten() {
            secret.1["owners"] = Value::Null;
        }
        state["rds"]["groups"] = Value::Null;
        state["elasticache"]["parameters"] = Value::Null;
    }
    let mut text = world.general(&state.to_string());
    for object in &found {
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
        text = text.replace(uid, &format!("UID-OF-{}", name(object)));
    }
    Ok(serde_json::from_str(&general(text))?)
}

/// A text without times, ids and names that AWS or Kubernetes generates.
pub fn general(mut text: String) -> String {
    static GENERATED: LazyLock<[(Regex, &str); 8]> = LazyLock::new(|| {
        let regex = |pattern| Regex::new(pattern).expect("a regular expression");
        [
            (regex(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "UUID"),
            (regex(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?Z?"), "TIME"),
            (regex(r"db-[A-Z0-9]{16,}"), "RESOURCE"),
            (regex(r"\.c[0-9a-f]{6,}\."), ".HOST."),
            (regex(r"\.[0-9a-f]{6}\.euc1\."), ".HOST."),
            (regex(r"-final-[0-9a-f]{8}-"), "-final-UID-"),
            (regex(r"(subnet|vpc|sg)-[0-9a-f]{17}"), "NETWORK"),
            // When a group was made is a part of what tells it from its successor.
            (regex(r"@\d{10}"), "@TIME"),
        ]
    });
    for (pattern, instead) in GENERATED.iter() {
        text = pattern.replace_all(&text, *instead).into_owned();
    }
    text
}

/// Where two states differ: a path, and both sides.
pub fn differences(clean: &Value, seen: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", clean, seen, &mut found);
    found
}

fn compare(path: &str, clean: &Value, seen: &Value, found: &mut Vec<String>) {
    match (clean, seen) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                compare(
                    &format!("{path}/{key}"),
                    a.get(key).unwrap_or(&Value::Null),
                    b.get(key).unwrap_or(&Value::Null),
                    found,
                );
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (n, (a, b)) in a.iter().zip(b).enumerate() {
                compare(&format!("{path}/{n}"), a, b, found);
            }
        }
        _ if clean == seen => {}
        _ => found.push(format!("{path}: {clean} without the fault, {seen} with it")),
    }
}

fn name(object: &Value) -> String {
    format!("{}/{}", text(&object["kind"]), text(&object["metadata"]["name"])).trim_start_matches('/').to_owned()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn sorted(named: impl Iterator<Item = (String, Value)>) -> Value {
    Value::Object(named.collect::<Map<_, _>>())
}

fn of_object(object: &Value) -> Value {
    let mut status = object["status"].clone();
    let current = status["observedGeneration"] == object["metadata"]["generation"];
    status["observedGeneration"] = current.into();
    // When and how often it was found depends on when one looked.
    status["lastDrift"] = Value::Null;
    if harness::condition_reason(object, "Stalled") == "Missing" {
        // What had been applied, and was under way, when it vanished depends on when that was.
        for field in ["applied", "drift", "plan", "resource", "encryption"] {
            status[field] = Value::Null;
        }
    }
    let mut conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    for condition in &mut conditions {
        condition["observedGeneration"] = (condition["observedGeneration"] == object["metadata"]["generation"]).into();
        condition["lastTransitionTime"] = Value::Null;
    }
    conditions.sort_by_key(|condition| text(&condition["type"]).to_owned());
    status["conditions"] = conditions.into();
    json!({
        "spec": object["spec"],
        "status": status,
        "pin": object["metadata"]["annotations"]["showcore.io/resource"],
        "finalizers": object["metadata"]["finalizers"],
        "deleting": !object["metadata"]["deletionTimestamp"].is_null(),
    })
}

/// What it says, and whether its password is the one that AWS takes.
fn of_secret(world: &World, secret: &Value) -> Value {
    let mut data = secret["data"].as_object().cloned().unwrap_or_default();
    for value in data.values_mut() {
        let bytes = base64::engine::general_purpose::STANDARD.decode(text(value)).unwrap_or_default();
        *value = String::from_utf8_lossy(&bytes).into_owned().into();
    }
    let password = oracle::password(secret).unwrap_or_default();
    data.remove("password");
    // It has the password in it.
    data.remove("uri");
    let judged = match () {
        () if password.is_empty() => "none",
        () if world.ground.foreign() => "known to the emulator alone",
        () if accepted(world).contains(&digest(&password)) => "taken by AWS",
        () => "refused by AWS",
    };
    let owners = secret["metadata"]["ownerReferences"].as_array().map_or(0, Vec::len);
    json!({ "data": data, "owners": owners, "password": judged })
}

fn accepted(world: &World) -> Vec<String> {
    let instances = world.account.execute("rds", REGION, "DescribeDBInstances", &json!({}), "").unwrap_or_default();
    let mut accepted = Vec::new();
    for instance in instances["DBInstances"].as_array().into_iter().flatten() {
        accepted.extend(world.account.rds().master_password_digest(REGION, text(&instance["DBInstanceIdentifier"])));
    }
    let caches = world.account.elasticache();
    accepted.extend(caches.groups(REGION).flat_map(|group| group.auth.tokens.clone()));
    accepted
}

fn rds(world: &World) -> Value {
    let ask = |operation: &str, question: Value| {
        world
            .account
            .execute("rds", REGION, operation, &question, "")
            .unwrap_or_else(|error| json!({ "error": error.code }))
    };
    let mut instances = ask("DescribeDBInstances", json!({}))["DBInstances"].take();
    for instance in instances.as_array_mut().into_iter().flatten() {
        // AWS moves it on by itself.
        instance["LatestRestorableTime"] = Value::Null;
        sort_tags(&mut instance["TagList"]);
    }
    let mut snapshots = ask("DescribeDBSnapshots", json!({ "SnapshotType": "manual" }))["DBSnapshots"].take();
    for snapshot in snapshots.as_array_mut().into_iter().flatten() {
        sort_tags(&mut snapshot["TagList"]);
    }
    let groups = ask("DescribeDBParameterGroups", json!({}))["DBParameterGroups"].take();
    let own = groups
        .as_array()
        .into_iter()
        .flatten()
        .filter(|group| !text(&group["DBParameterGroupName"]).starts_with("default."));
    let groups = own.map(|group| {
        let name = text(&group["DBParameterGroupName"]).to_owned();
        let mut set = ask("DescribeDBParameters", json!({ "DBParameterGroupName": name, "Source": "user" }));
        for parameter in set["Parameters"].as_array_mut().into_iter().flatten() {
            // As it was last asked for: it matters until then only.
            parameter["ApplyMethod"] = Value::Null;
        }
        let mut tags = ask("ListTagsForResource", json!({ "ResourceName": group["DBParameterGroupArn"] }));
        sort_tags(&mut tags["TagList"]);
        if let Some(tags) = tags["TagList"].as_array_mut() {
            // A parameter group has the user's tags of when it was made.
            tags.retain(|tag| text(&tag["Key"]).starts_with("showcore.io/"));
        }
        (name, json!([set["Parameters"], tags["TagList"]]))
    });
    json!({ "instances": instances, "snapshots": snapshots, "groups": sorted(groups) })
}

fn elasticache(world: &World) -> Value {
    let ask = |operation: &str, question: Value| {
        world
            .account
            .execute("elasticache", REGION, operation, &question, "")
            .unwrap_or_else(|error| json!({ "error": error.code }))
    };
    let groups = ask("DescribeReplicationGroups", json!({}))["ReplicationGroups"].take();
    let tags = groups.as_array().into_iter().flatten().map(|group| {
        let mut tags = ask("ListTagsForResource", json!({ "ResourceName": group["ARN"] }));
        sort_tags(&mut tags["TagList"]);
        (text(&group["ReplicationGroupId"]).to_owned(), tags)
    });
    let tags = sorted(tags);
    let parameters = ask("DescribeCacheParameterGroups", json!({}))["CacheParameterGroups"].take();
    let own = parameters
        .as_array()
        .into_iter()
        .flatten()
        .filter(|group| !text(&group["CacheParameterGroupName"]).starts_with("default."));
    let own = own.map(|group| {
        let name = text(&group["CacheParameterGroupName"]).to_owned();
        let set = ask("DescribeCacheParameters", json!({ "CacheParameterGroupName": name, "Source": "user" }));
        (name, set["Parameters"].clone())
    });
    let mut snapshots = ask("DescribeSnapshots", json!({ "SnapshotSource": "user" }))["Snapshots"].take();
    for snapshot in snapshots.as_array_mut().into_iter().flatten() {
        snapshot["NodeSnapshots"] = Value::Null;
    }
    json!({
        "groups": groups,
        "tags": tags,
        "clusters": ask("DescribeCacheClusters", json!({}))["CacheClusters"],
        "parameters": sorted(own),
        "snapshots": snapshots,
    })
}

fn s3(world: &World) -> Value {
    let buckets = world.sim().s3();
    let buckets = buckets.of(world.account.id()).map(|(name, bucket)| {
        let mut bucket = bucket.clone();
        bucket.tags.sort();
        (name.to_owned(), json!(format!("{bucket:#?}").lines().collect::<Vec<_>>()))
    });
    sorted(buckets)
}

fn sort_tags(tags: &mut Value) {
    if let Some(tags) = tags.as_array_mut() {
        tags.sort_by_key(|tag| text(&tag["Key"]).to_owned());
    }
}
