//! The chart's rights are exact: what the operator asks of the API server in the life of every kind is what they allow, no
//! request is denied, and none of them is unused.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::world::{RELEASE, World, chart, manifest, settled};

/// One thing that may be asked: namespace ("*" for a right in all of them), verb, group, resource, name ("*" for any).
type Right = (String, String, String, String, String);

/// What the release's roles allow the operator's service account.
async fn allowed(world: &World) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    let rendered = world.helm(&["get", "manifest", RELEASE]).await;
    let objects: Vec<Value> = serde_saphyr::from_multiple(&rendered.stdout).unwrap();
    let roles = objects.iter().filter(|object| object["kind"] == "Role" || object["kind"] == "ClusterRole");
    // The ones that add to view and edit are other people's.
    for role in roles.filter(|role| !role["metadata"]["labels"].to_string().contains("aggregate-to")) {
        let namespace = role["metadata"]["namespace"].as_str().unwrap_or("*");
        for rule in role["rules"].as_array().unwrap() {
            let list = |field: &str| -> Vec<String> {
                let values = rule[field].as_array().into_iter().flatten();
                values.map(|value| value.as_str().unwrap().to_owned()).collect()
            };
            let names = Some(list("resourceNames")).filter(|names| !names.is_empty()).unwrap_or(vec!["*".into()]);
            for group in list("apiGroups") {
                for resource in list("resources") {
                    for verb in list("verbs") {
                        for name in &names {
                            rights.insert((
                                namespace.into(),
                                verb.clone(),
                                group.clone(),
                                resource.clone(),
                                name.clone(),
                            ));
                        }
                    }
                }
            }
        }
    }
    rights
}

/// What the operator asked for, and with which of these rights; panics at what none of them allows.
fn used(world: &World, allowed: &BTreeSet<Right>) -> BTreeSet<Right> {
    let account = format!("system:serviceaccount:{}:{RELEASE}", world.test.namespace);
    let mut used = BTreeSet::new();
    for request in world.test.control_plane.audit_log() {
        let reference = &request["objectRef"];
        // What everybody may ask, such as the server's version, names no object.
        if request["user"]["username"] != account.as_str() || reference["resource"].is_null() {
            continue;
        }
        let text = |field: &str| reference[field].as_str().unwrap_or_default();
        let mut resource = text("resource").to_owned();
        if !text("subresource").is_empty() {
            resource = format!("{resource}/{}", text("subresource"));
        }
        let matches = |right: &&Right| {
            let (namespace, verb, group, allowed_resource, name) = right;
            (namespace == "*" || namespace == text("namespace"))
                && request["verb"] == verb.as_str()
                && group == text("apiGroup")
                && *allowed_resource == resource
                && (name == "*" || name == text("name"))
        };
        let right = allowed.iter().find(matches);
        assert!(right.is_some(), "no right of the chart allows it: {request:#}");
        let decision = &request["annotations"]["authorization.k8s.io/decision"];
        assert_eq!(decision, "allow", "{request:#}");
        used.insert(right.unwrap().clone());
    }
    used
}

/// Every kind from its creation to its end, with what a look in between does, a Secret that is lost, and another leader.
async fn live_through_all(world: &mut World) {
    world.run_as_deployed().await;
    for (kind, spec) in [
        ("ShowCoreDatabase", "deletionProtection: false, deletionPolicy: Delete"),
        ("ShowCoreCache", "deletionPolicy: Delete"),
        ("ShowCoreBucket", "bucketName: 'rights-{accountID}', purpose: Backups, deletionPolicy: Delete"),
    ] {
        let name = kind.to_lowercase();
        world.apply_soon(&manifest(kind, &name, spec)).await;
        world.test.settle(kind, &name, "Ready", settled).await;
        edit_until_it_asks(world, kind, &name).await;
        world.test.settle(kind, &name, "Ready again", settled).await;
        if kind != "ShowCoreBucket" {
            let connection = format!("{name}-connection");
            world.test.delete("Secret", &connection).await;
            world.until_done(&["get", "secret", &connection], None).await;
            world.test.settle(kind, &name, "in sync", settled).await;
        }
        world.test.delete(kind, &name).await;
        world.test.settle_gone(kind, &name).await;
    }
    // It gives the lease away.
    world.test.stop_operator().await.unwrap();
}

/// Pauses the object and lets it go on, again and again, until what the operator writes onto an older version is refused and
/// it asks for the newest.
async fn edit_until_it_asks(world: &World, kind: &str, name: &str) {
    let api = harness::objects::api(&world.test.client, &world.test.namespace, kind);
    let edit = async |paused: bool| {
        let edit = json!({ "metadata": { "annotations": { "showcore.io/paused": paused.to_string() } } });
        api.patch(name, &PatchParams::default(), &Patch::Merge(edit)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let asked = || {
        let log = world.test.control_plane.audit_log();
        log.iter().any(|request| {
            let by_operator = request["user"]["username"].as_str().is_some_and(|user| user.ends_with(RELEASE));
            by_operator && request["verb"] == "get" && request["objectRef"]["name"] == name
        })
    };
    let deadline = Instant::now() + harness::judge::patience();
    while !asked() {
        assert!(Instant::now() < deadline, "{kind}: it never asks for the newest version");
        for _ in 0..20 {
            edit(true).await;
            edit(false).await;
        }
    }
}

fn shown(rights: &BTreeSet<Right>) -> Vec<String> {
    rights.iter().map(|right| format!("{right:?}")).collect()
}

async fn exact(name: &str, values: Value) {
    let mut world = World::start(name).await;
    harness::crds::install(&world.test.client).await.unwrap();
    world.install(&chart(), &values).await;
    live_through_all(&mut world).await;
    let allowed = allowed(&world).await;
    let used = used(&world, &allowed);
    assert!(used.len() > 15, "{:#?}", shown(&used));
    let unused: BTreeSet<Right> = allowed.difference(&used).cloned().collect();
    assert!(unused.is_empty(), "allowed, and never used: {:#?}", shown(&unused));
}

#[tokio::test]
async fn in_cluster_mode_every_right_is_used_and_none_is_missing() {
    exact("rights-of-all", json!({"crds": {"install": false}})).await;
}

#[tokio::test]
async fn in_namespaced_mode_every_right_is_used_and_none_is_missing() {
    exact("rights-in-one", json!({"mode": "Namespaced", "clusterID": "c", "rbac": {"readCRDs": true}})).await;
}

/// Rules dropped for real: the operator says which right it lacks, and goes on where it has them.
#[tokio::test]
async fn without_a_right_the_operator_says_so() {
    let mut world = World::start("rights-lacking").await;
    world.install(&chart(), &json!({})).await;
    let role = format!("{}-{RELEASE}", world.test.namespace);
    let rules = world.kubectl(&["get", "clusterrole", &role, "-o", "json"]).await.json().unwrap()["rules"].clone();
    let without: Vec<&Value> =
        rules.as_array().unwrap().iter().filter(|rule| rule["resources"][0] != "secrets").collect();
    assert_eq!(without.len() + 1, rules.as_array().unwrap().len());
    let patch = json!({ "rules": without }).to_string();
    world.kubectl(&["patch", "clusterrole", &role, "--type=merge", "--patch", &patch]).await;
    world.run_as_deployed().await;
    world.apply_soon(&manifest("ShowCoreDatabase", "orders", "")).await;
    let denied = |object: &Value| harness::condition_message(object, "Ready").contains("may not");
    let object = world.test.wait("ShowCoreDatabase", "orders", "a word about its rights", denied).await;
    let message = harness::condition_message(&object, "Ready").to_owned();
    assert!(message.to_lowercase().contains("secret"), "{message}");
    assert!(
        !world.test.account.requests().iter().any(|request| request.mutating),
        "nothing is made without its Secret"
    );
    world
        .test
        .apply(&manifest("ShowCoreBucket", "assets", "bucketName: 'rights-{accountID}', purpose: StaticAssets"))
        .await;
    world.test.wait("ShowCoreBucket", "assets", "Ready", settled).await;
    let patch = json!({ "rules": rules }).to_string();
    world.kubectl(&["patch", "clusterrole", &role, "--type=merge", "--patch", &patch]).await;
    world.test.settle("ShowCoreDatabase", "orders", "Ready", settled).await;
}
