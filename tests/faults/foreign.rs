//! Scenarios before an emulator that is not ours, with faults by a proxy that is not ours either: an outside check of our own.

use std::sync::Arc;

use harness::{Aws, judge::microburst::Microburst};
use serde_json::{Value, json};

use crate::{
    oracle::PLANTED,
    world::{REGION, World},
};

/// What microburst does to a call.
#[derive(Debug, PartialEq, Eq)]
pub struct Burst {
    /// As the lines of cases say it.
    pub name: &'static str,
    /// Its row in the table of faults.
    pub row: u8,
    how: How,
}

#[derive(Debug, PartialEq, Eq)]
enum How {
    /// Executed, and the connection is cut instead of an answer.
    Lost,
    /// Executed, and half the answer's body comes as if it were all.
    Truncated,
    /// Not executed: the connection is reset, twice.
    Reset,
    /// Not executed, three times.
    Unavailable,
    /// Not executed, three times.
    Throttled,
    /// Not executed, once, and no retry helps.
    Denied,
}

/// All that is done to each kind of call that changes something.
pub static BURSTS: [Burst; 6] = [
    Burst { name: "microburst: answer lost", row: 2, how: How::Lost },
    Burst { name: "microburst: truncated answer", row: 3, how: How::Truncated },
    Burst { name: "microburst: reset twice", row: 3, how: How::Reset },
    Burst { name: "microburst: 503 three times", row: 3, how: How::Unavailable },
    Burst { name: "microburst: throttled three times", row: 4, how: How::Throttled },
    Burst { name: "microburst: denied once", row: 6, how: How::Denied },
];

impl Burst {
    /// Has it done to the next requests of this call (`s3:PutBucketCors`) that are signed with this access key.
    /// Gives the number under which microburst knows it.
    pub async fn order(&self, proxy: &Microburst, call: &str, access_key: &str) -> harness::Result<u64> {
        let (service, operation) = call.split_once(':').unwrap_or_default();
        let error = |code: &str, status: u16| json!({ "code": code, "status": status, "message": PLANTED });
        let mut rule = match self.how {
            How::Lost => json!({ "times": 1, "response": { "abort_frac": 0.0 } }),
            How::Truncated => json!({ "times": 1, "response": { "truncate_frac": 0.5 } }),
            How::Reset => json!({ "times": 2, "reset": true }),
            How::Unavailable => json!({ "times": 3, "error": error("ServiceUnavailable", 503) }),
            // <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
            How::Throttled if service == "s3" => json!({ "times": 3, "error": error("SlowDown", 503) }),
            How::Throttled => json!({ "times": 3, "error": error("Throttling", 400) }),
            How::Denied => json!({ "times": 1, "error": error("AccessDenied", 403) }),
        };
        rule["service"] = service.into();
        // Two of botocore's operations have the same path, and microburst takes the older for it.
        let operation = if operation == "PutBucketLifecycleConfiguration" { "PutBucketLifecycle" } else { operation };
        rule["operation"] = operation.into();
        rule["headers"] = json!({ "authorization": format!("Credential={access_key}/") });
        proxy.add(&rule).await
    }
}

/// The stores of the case's account, as boto3 sees them. Without what an emulator has no answer to.
pub async fn stores(world: &World) -> anyhow::Result<Value> {
    let aws = Aws::new(world.access_key(), &world.ground.server.endpoint(), REGION).await?;
    let output = aws.boto3(STORES).await?;
    anyhow::ensure!(output.success(), "boto3: {}", output.stderr);
    Ok(serde_json::from_str(&output.stdout)?)
}

const STORES: &str = r#"
from botocore.exceptions import ClientError

def ask(service, operation, **question):
    try:
        answer = getattr(service, operation)(**question)
    except ClientError as error:
        return error.response["Error"]["Code"]
    del answer["ResponseMetadata"]
    return answer

def tags(answer):
    return sorted(answer["TagList"], key=lambda tag: tag["Key"]) if "TagList" in answer else answer

s3, rds, cache = client("s3"), client("rds"), client("elasticache")
PARTS = ["encryption", "versioning", "tagging", "cors", "policy", "lifecycle_configuration", "ownership_controls"]
buckets = {}
for name in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
    bucket = {part: ask(s3, "get_bucket_" + part, Bucket=name) for part in PARTS}
    bucket["public_access_block"] = ask(s3, "get_public_access_block", Bucket=name)
    if "TagSet" in bucket["tagging"]:
        bucket["tagging"]["TagSet"].sort(key=lambda tag: tag["Key"])
    buckets[name] = bucket
instances = {}
for instance in rds.describe_db_instances()["DBInstances"]:
    instance.pop("LatestRestorableTime", None)
    instance["TagList"] = tags(instance)
    instances[instance["DBInstanceIdentifier"]] = instance
groups = {}
for group in cache.describe_replication_groups()["ReplicationGroups"]:
    group["tags"] = tags(ask(cache, "list_tags_for_resource", ResourceName=group["ARN"]))
    groups[group["ReplicationGroupId"]] = group
print(json.dumps({"s3": buckets, "rds": instances, "elasticache": groups}, default=lambda value: value.isoformat(), sort_keys=True))
"#;

/// How often what was ordered has been done.
pub async fn fired(world: &Arc<World>, rule: u64) -> anyhow::Result<usize> {
    match &world.ground.microburst {
        Some(proxy) => Ok(proxy.fired(rule).await?),
        None => Ok(0),
    }
}
