//! Walks through specs: changes that the CRD's schema suggests, valid and not, one after the other, on the real API
//! server. After each, either it was refused with the field's name, or the store has come to what a fresh object of that
//! spec comes to; or the object says what a human must do. And then back again.

use std::{collections::BTreeMap, sync::Arc};

use harness::objects;
use kube::api::{Patch, PatchParams, ValidationDirective};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::{
    ground::Ground,
    scenario::{QUICK, Scenario, Tried},
    world::{KINDS, World},
};

/// A change of one field.
#[derive(Clone, Debug)]
pub struct Change {
    path: String,
    /// `None` takes the field out.
    value: Option<Value>,
}

/// Nothing happens in a walk but its changes.
static WALK: Scenario = Scenario {
    name: "walk",
    prepared: &[],
    steps: &[],
    intrusions: &[],
    replicas: 1,
    alone: false,
    before: None,
    pace: QUICK,
    mutations: 0,
    tried: Tried::All,
};
/// Changes of one walk.
const LENGTH: usize = 6;

/// A kind, how many walks, and what went wrong.
pub type Walked = (String, u32, Result<(), String>);

/// Walks so many times with each kind.
pub async fn run(ground: &Arc<Ground>, walks: u32, seed: u64) -> anyhow::Result<Vec<Walked>> {
    let walked = KINDS.map(|(kind, _)| {
        let (ground, handle) = (ground.clone(), Handle::current());
        tokio::task::spawn_blocking(move || {
            let config = Config { cases: walks, max_shrink_iters: 12, failure_persistence: None, ..Config::default() };
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&seed.to_le_bytes());
            let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
            let mut runner = TestRunner::new_with_rng(config, random);
            let changes = proptest::collection::vec(proptest::sample::select(changes(kind)), LENGTH);
            let result = runner.run(&changes, |changes| {
                let walked = handle.block_on(walk(&ground, kind, &changes));
                walked.map_err(|why| {
                    // Before it is made smaller, which takes a while.
                    eprintln!("a walk of {kind} fails: {why:#}");
                    TestCaseError::fail(format!("{why:#}"))
                })
            });
            (kind.to_owned(), walks, result.map_err(|error| error.to_string()))
        })
    });
    Ok(futures::future::try_join_all(walked).await?)
}

async fn walk(ground: &Arc<Ground>, kind: &'static str, changes: &[Change]) -> anyhow::Result<()> {
    let world = World::start(ground, &WALK, &[]).await?;
    let result = along(&world, kind, changes).await;
    world.end().await;
    result
}

async fn along(world: &Arc<World>, kind: &'static str, changes: &[Change]) -> anyhow::Result<()> {
    let mut spec = first(kind);
    let (generation, mut stored) = apply(world, kind, &spec).await?.map_err(anyhow::Error::msg)?;
    let mut before = come_to_rest(world, kind, generation).await?;
    for change in changes {
        let mut next = spec.clone();
        set(&mut next, &change.path, change.value.clone());
        let after = step(world, kind, change, &next).await.map_err(|error| anyhow::anyhow!("{change:?}: {error:#}"))?;
        let Some(after) = after else { continue };
        // And back again, which may be refused: some ways lead one way only.
        if let Ok((generation, again)) = apply(world, kind, &spec).await? {
            let back = come_to_rest(world, kind, generation).await?;
            if again == stored {
                same(&before, &back).map_err(|error| anyhow::anyhow!("{change:?} and back: {error}"))?;
            }
            let Ok((generation, next)) = apply(world, kind, &next).await? else { continue };
            come_to_rest(world, kind, generation).await?;
            stored = next;
        }
        (spec, before) = (next, after);
    }
    Ok(())
}

/// Where a change leads: nowhere if it was refused.
async fn step(world: &Arc<World>, kind: &'static str, change: &Change, next: &Value) -> anyhow::Result<Option<Value>> {
    let (generation, stored) = match apply(world, kind, next).await? {
        Ok(applied) => applied,
        Err(refusal) => {
            let names = change.path.split('.').any(|part| refusal.contains(part));
            anyhow::ensure!(names, "the refusal does not name the field: {refusal}");
            return Ok(None);
        }
    };
    let rest = come_to_rest(world, kind, generation).await?;
    if rest["told"] == true {
        return Ok(Some(rest));
    }
    let fresh = World::start(&world.ground, &WALK, &[]).await?;
    let result = async {
        let (generation, _) = apply(&fresh, kind, &stored).await?.map_err(anyhow::Error::msg)?;
        come_to_rest(&fresh, kind, generation).await
    };
    let expected = result.await;
    fresh.end().await;
    let expected = expected?;
    if expected["told"] == false {
        same(&expected, &rest)?;
    }
    Ok(Some(rest))
}

fn same(expected: &Value, seen: &Value) -> anyhow::Result<()> {
    let differences = crate::snapshot::differences(expected, seen);
    anyhow::ensure!(
        differences.is_empty() || expected["told"] == true || seen["told"] == true,
        "a fresh object comes to another end: {}",
        differences.join("\n")
    );
    Ok(())
}

/// The generation and the spec that the object has then, or why it was refused. The API server keeps an empty list that a
/// later apply leaves out, so what is stored may be more than what was applied.
async fn apply(world: &Arc<World>, kind: &str, spec: &Value) -> anyhow::Result<Result<(i64, Value), String>> {
    let manifest =
        json!({ "apiVersion": "showcore.io/v1alpha1", "kind": kind, "metadata": { "name": "shop" }, "spec": spec });
    let mut params = PatchParams::apply("user").force();
    params.field_validation = Some(ValidationDirective::Strict);
    let api = objects::api(&world.client(), &world.namespace, kind);
    world.wire.stirred();
    match api.patch("shop", &params, &Patch::Apply(&manifest)).await {
        Ok(object) => Ok(Ok((object.metadata.generation.unwrap_or_default(), object.data["spec"].clone()))),
        Err(kube::Error::Api(status)) if status.is_invalid() || status.code == 400 || status.code == 500 => {
            Ok(Err(status.message.clone()))
        }
        Err(error) => Err(error.into()),
    }
}

/// What the object says once nothing happens any more: what of it is ours to compare.
async fn come_to_rest(world: &Arc<World>, kind: &str, generation: i64) -> anyhow::Result<Value> {
    let rests = |object: &Value| {
        let is = |type_: &str| harness::condition(object, type_);
        let current = object["status"]["observedGeneration"] == generation;
        current && is("Reconciling").is_empty() && (told(object) || (is("Ready"), is("Drifted")) == ("True", "False"))
    };
    let there = || world.object(kind, "shop").is_some_and(|object| rests(&object));
    for _ in 0..2 {
        anyhow::ensure!(
            world.until(std::time::Duration::from_secs(30), there).await,
            "it does not come to rest: {:#}",
            world.object(kind, "shop").as_deref().unwrap_or(&Value::Null)["status"]
        );
        let told = world.object(kind, "shop").is_some_and(|object| told(&object));
        // What AWS refuses is tried again and again, slowly.
        if !told {
            world.rest(&[]).await?;
        }
    }
    let object = world.object(kind, "shop").unwrap_or_default();
    let status = &object["status"];
    let says =
        |type_: &str| format!("{} {}", harness::condition(&object, type_), harness::condition_reason(&object, type_));
    let told = told(&object);
    if told {
        let message = ["Stalled", "Pending"]
            .iter()
            .map(|type_| harness::condition_message(&object, type_))
            .any(|text| text.len() > 20);
        anyhow::ensure!(message, "it waits for a human and does not say for what: {status:#}");
    }
    let conditions: BTreeMap<_, _> = ["Ready", "Encrypted", "Drifted"].map(|type_| (type_, says(type_))).into();
    let mut applied = status["applied"].clone();
    for (name, value) in applied.as_object_mut().into_iter().flatten() {
        // Which object it was made for.
        if name.starts_with("tags.showcore.io/") || name.starts_with("credentials") {
            *value = Value::Null;
        }
    }
    let text = world.general(
        &json!({ "told": told, "conditions": conditions, "encryption": status["encryption"], "applied": applied })
            .to_string(),
    );
    Ok(serde_json::from_str(&crate::snapshot::general(text))?)
}

/// Whether it waits for a human, and says so.
fn told(object: &Value) -> bool {
    ["Stalled", "Pending"].iter().any(|type_| harness::condition(object, type_) == "True")
}

/// The spec that a walk begins with: changes are made at once, and nothing is left to AWS that a change may touch.
fn first(kind: &str) -> Value {
    match kind {
        "ShowCoreDatabase" => {
            json!({ "engineVersion": "16.4", "disruption": "Immediate", "deletionProtection": false })
        }
        "ShowCoreCache" => json!({ "engineVersion": "7.0", "disruption": "Immediate" }),
        _ => json!({ "bucketName": "shop-{accountID}", "purpose": "Backups" }),
    }
}

fn set(spec: &mut Value, path: &str, value: Option<Value>) {
    let (parents, name) = path.rsplit_once('.').map_or(("", path), |(parents, name)| (parents, name));
    let mut at = spec;
    for parent in parents.split('.').filter(|parent| !parent.is_empty()) {
        if !at[parent].is_object() {
            at[parent] = json!({});
        }
        at = &mut at[parent];
    }
    match value {
        Some(value) => at[name] = value,
        None => {
            at.as_object_mut().map(|fields| fields.remove(name));
        }
    }
}

/// All changes that the schema of a kind suggests: each field taken out, at its limits and past them, of another type, and
/// as the examples have it.
pub fn changes(kind: &str) -> Vec<Change> {
    let crds = showcore_operator::kinds::crds();
    let crd = crds.iter().find(|crd| crd.spec.names.kind == kind).map(|crd| json!(crd)).unwrap_or_default();
    let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut fields = Vec::new();
    leaves("", spec, &mut fields);
    let mut changes = Vec::new();
    for (path, schema) in &fields {
        let mut add = |value| changes.push(Change { path: path.clone(), value });
        add(None);
        for value in examples(kind, path).into_iter().chain(limits(schema)) {
            add(Some(value));
        }
    }
    changes
}

fn leaves(path: &str, schema: &Value, found: &mut Vec<(String, Value)>) {
    match schema["properties"].as_object() {
        Some(properties) => {
            for (name, inner) in properties {
                leaves(format!("{path}.{name}").trim_start_matches('.'), inner, found);
            }
        }
        None => found.push((path.to_owned(), schema.clone())),
    }
}

/// At a schema's limits, past them, and of another type.
fn limits(schema: &Value) -> Vec<Value> {
    // A schema's limits are fractions; those of whole numbers are small.
    let past = |name: &str, by: f64| {
        let number: i64 = format!("{:.0}", schema[name].as_f64()? + by).parse().ok()?;
        Some(json!(number))
    };
    let number = |name: &str| past(name, 0.0);
    match schema["type"].as_str() {
        Some("integer") => [number("minimum"), number("maximum"), past("minimum", -1.0), past("maximum", 1.0)]
            .into_iter()
            .flatten()
            .chain([json!("seven"), json!(true)])
            .collect(),
        Some("boolean") => vec![json!(true), json!(false), json!("yes")],
        Some("string") => {
            let named: Vec<_> = schema["enum"].as_array().cloned().unwrap_or_default();
            let long =
                schema["maxLength"].as_u64().map(|length| json!("x".repeat(usize::try_from(length).unwrap_or(0) + 1)));
            let wrong = [json!(""), json!("ü\u{202e}{accountID}"), json!("../../x"), json!(17)];
            named.into_iter().chain(long).chain(wrong).collect()
        }
        Some("array") => vec![json!([]), json!("x"), json!([17])],
        _ => vec![json!({}), json!([]), json!({ "showcore.io/owner": "ShowCoreBucket/other/shop" }), json!({ "": "" })],
    }
}

/// What people write into fields whose schema does not say it.
fn examples(kind: &str, path: &str) -> Vec<Value> {
    match (kind, path) {
        ("ShowCoreDatabase", "engineVersion") => {
            vec![json!("16"), json!("16.6"), json!("16.3"), json!("17"), json!("14")]
        }
        ("ShowCoreDatabase", "instanceClass") => vec![json!("db.t3.small"), json!("db.nosuch.large")],
        ("ShowCoreDatabase", "parameters") => {
            vec![
                json!({ "work_mem": "8192" }),
                json!({ "max_connections": "100" }),
                json!({ "rds.force_ssl": "0" }),
                json!({ "nosuch": "1" }),
            ]
        }
        ("ShowCoreDatabase", "logExports") => vec![json!(["postgresql"]), json!(["postgresql", "postgresql"])],
        ("ShowCoreDatabase", "storage.type") => vec![json!("gp3")],
        ("ShowCoreDatabase", "storage.sizeGiB") => vec![json!(30), json!(400)],
        ("ShowCoreDatabase", "storage.maxSizeGiB") => vec![json!(100)],
        ("ShowCoreDatabase", "performanceInsights.retentionDays") => vec![json!(31), json!(32)],
        ("ShowCoreDatabase", "caCertificateIdentifier") => vec![json!("rds-ca-ecc384-g1"), json!("rds-ca-nosuch")],
        ("ShowCoreCache", "engineVersion") => vec![json!("7.1"), json!("6.2"), json!("9.9")],
        ("ShowCoreCache", "nodeType") => vec![json!("cache.t3.small"), json!("cache.nosuch.large")],
        ("ShowCoreCache", "parameters") => vec![json!({ "timeout": "100" }), json!({ "nosuch": "1" })],
        ("ShowCoreCache", "logDelivery") => {
            vec![json!([{ "logType": "SlowLog", "destination": "CloudWatchLogs", "name": "/slow" }])]
        }
        ("ShowCoreCache", "replicas") => vec![json!(1)],
        ("ShowCoreBucket", "lifecycle") => {
            vec![json!([{ "id": "old", "expirationDays": 30 }]), json!([{ "id": "old" }])]
        }
        ("ShowCoreBucket", "cors") => {
            vec![json!([{ "allowedOrigins": ["https://app.example.com"], "allowedMethods": ["GET"] }])]
        }
        ("ShowCoreBucket", "policy.statements") => vec![
            json!([{ "sid": "Keep", "effect": "Deny", "principal": { "aws": ["*"] }, "actions": ["s3:DeleteBucket"] }]),
            json!([{ "sid": "All", "effect": "Allow", "principal": { "aws": ["*"] }, "actions": ["s3:GetObject"] }]),
        ],
        ("ShowCoreBucket", "logging.targetBucket") => vec![json!("shop-{accountID}"), json!("no-such-bucket")],
        ("ShowCoreBucket", "objectLock.days") => vec![json!(30)],
        (_, "backup.window" | "snapshot.window") => {
            vec![json!("02:00-03:00"), json!("02:00-02:10"), json!("25:00-26:00")]
        }
        (_, "maintenance.window") => vec![json!("mon:05:00-mon:06:00"), json!("mon:05:00-sun:05:00")],
        (_, "network.securityGroupIDs") => vec![json!(["sg-0b0b0b0b"]), json!(["sg-nosuch"])],
        (_, "tags") => vec![json!({ "team": "core" }), json!({ "aws:x": "y" }), json!({ "k": "ü" })],
        (_, "region") => vec![json!("us-west-2")],
        _ => Vec::new(),
    }
}
