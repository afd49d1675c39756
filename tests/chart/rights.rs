//! The chart's rights are exact: what the operator asks of the API server in the life of every kind is what they allow, no
//! request is denied, and none of them is unused.

use std::time::Instant;

use harness::rights;
use serde_json::{Value, json};

use crate::world::{RELEASE, World, chart, manifest, settled};

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

/// Edits the object again and again, until what the operator writes onto an older version is refused and it asks for the newest.
async fn edit_until_it_asks(world: &World, kind: &str, name: &str) {
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
        world.test.pause_and_resume(kind, name, 20).await;
    }
}

async fn exact(name: &str, values: Value) {
    let mut world = World::start(name).await;
    harness::crds::install(&world.test.client).await.unwrap();
    world.install(&chart(), &values).await;
    live_through_all(&mut world).await;
    let allowed = rights::allowed(&world.helm(&["get", "manifest", RELEASE]).await.stdout).unwrap();
    let used = rights::used(&world.test.control_plane.audit_log(), RELEASE, &allowed).unwrap();
    assert!(used.len() > 15, "{used:#?}");
    let unused: Vec<_> = allowed.difference(&used).collect();
    assert!(unused.is_empty(), "allowed, and never used: {unused:#?}");
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
