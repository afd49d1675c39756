//! A release from its installation to its end, with stores present: nothing that Helm does touches one.

use std::{fs, path::Path};

use harness::Aws;
use serde_json::{Value, json};

use crate::world::{RELEASE, World, chart, manifest, settled};

const BUCKET: &str = "bucketName: 'kept-{accountID}', purpose: Backups, deletionPolicy: Delete, emptyOnDelete: true";

/// This chart as its version before might have been: an older number, and CRDs that lack a field.
fn previous_chart(into: &Path) -> std::path::PathBuf {
    let place = into.join("showcore-operator");
    copy(&chart(), &place);
    let replace = |file: &str, change: &dyn Fn(String) -> String| {
        let path = place.join(file);
        fs::write(&path, change(fs::read_to_string(&path).unwrap())).unwrap();
    };
    replace("Chart.yaml", &|text| text.replace("0.1.0", "0.0.9"));
    replace("files/crds.yaml", &|text| {
        let crds: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        let older = crds.into_iter().map(|mut crd| {
            let spec = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
            assert!(spec.as_object_mut().unwrap().remove("adoption").is_some());
            format!("---\n{}", serde_saphyr::to_string(&crd).unwrap())
        });
        older.collect()
    });
    place
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

async fn has_field(world: &World) -> bool {
    world.test.kubectl.run(&["explain", "showcorebucket.spec.adoption"]).await.unwrap().success()
}

#[tokio::test]
async fn upgraded_rolled_back_and_uninstalled_with_a_store_that_notices_nothing() {
    let mut world = World::start("released").await;
    let folder = tempfile::tempdir().unwrap();
    let previous = previous_chart(folder.path());
    world.install(&previous, &json!({})).await;
    world.apply_soon(&manifest("ShowCoreBucket", "kept", BUCKET)).await;
    assert!(!has_field(&world).await);
    world.run_as_deployed().await;
    let before = world.test.wait("ShowCoreBucket", "kept", "Ready", settled).await;
    let bucket = format!("kept-{}", world.test.account_id());
    world.test.aws(&["s3api", "put-object", "--bucket", &bucket, "--key", "row"]).await;
    world.test.account.clear_requests();

    // Up: the CRD comes with it. A field that was not there yet has its default.
    world.install(&chart(), &json!({})).await;
    world.test.stop_operator().await.unwrap();
    world.run_as_deployed().await;
    world
        .apply_soon(&manifest(
            "ShowCoreBucket",
            "later",
            "bucketName: 'later-{accountID}', purpose: Backups, adoption: Never",
        ))
        .await;
    assert!(has_field(&world).await);
    world.test.wait("ShowCoreBucket", "later", "Ready", settled).await;
    let now = world.test.get("ShowCoreBucket", "kept").await.unwrap();
    assert_eq!(now["metadata"]["uid"], before["metadata"]["uid"]);
    assert!(settled(&now), "{now:#}");

    // Back: the older schema is there again, and takes nothing with it.
    world.helm(&["rollback", RELEASE, "1"]).await;
    world.test.wait("ShowCoreBucket", "kept", "Ready", settled).await;
    let rolled_back = world.helm(&["get", "metadata", RELEASE, "-o", "json"]).await.json().unwrap();
    assert_eq!(rolled_back["version"], "0.0.9", "{rolled_back}");

    // Away: no CRD, no object and no store goes with the release.
    world.helm(&["uninstall", RELEASE, "--wait"]).await;
    world.test.stop_operator().await.unwrap();
    let left = world.test.kubectl.run(&["get", "deployment,serviceaccount,role", "-o", "name"]).await.unwrap();
    assert!(!left.stdout.contains(RELEASE), "{left}");
    let object = world.test.get("ShowCoreBucket", "kept").await.expect("the object stays");
    assert!(object["metadata"]["deletionTimestamp"].is_null());
    world.test.aws(&["s3api", "head-object", "--bucket", &bucket, "--key", "row"]).await;
    let changed: Vec<_> = world
        .test
        .account
        .requests()
        .into_iter()
        .filter(|request| request.mutating && request.parameters.to_string().contains(&bucket))
        .collect();
    assert!(changed.is_empty(), "{changed:?}");

    // And back again, over the CRDs that stayed: it is its own, and nothing needs to be done.
    let values = world.values("again", &json!({}));
    world.helm(&["install", RELEASE, chart().to_str().unwrap(), "--values", &values]).await;
    world.run_as_deployed().await;
    world.kubectl(&["annotate", "scbucket", "kept", "showcore.io/reconcile-at=again"]).await;
    world.test.wait("ShowCoreBucket", "kept", "Ready", settled).await;
    world.helm(&["upgrade", RELEASE, chart().to_str().unwrap(), "--values", &values]).await;
}

#[tokio::test]
async fn waiting_tools_understand_the_conditions() {
    let mut world = World::start("waited-for").await;
    world.install(&chart(), &json!({})).await;
    world.apply_soon(&manifest("ShowCoreBucket", "first", "bucketName: 'first-{accountID}', purpose: Backups")).await;
    world.run_as_deployed().await;
    world.kubectl(&["wait", "--for=condition=Ready", "scbucket/first", "--timeout=60s"]).await;

    // A chart of stores: Helm's --wait goes by kstatus.
    let stores = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(stores.path().join(name), text).unwrap();
    fs::create_dir(stores.path().join("templates")).unwrap();
    write("Chart.yaml", "{apiVersion: v2, name: stores, version: 0.0.1}");
    write(
        "templates/bucket.yaml",
        &manifest("ShowCoreBucket", "second", "bucketName: 'second-{accountID}', purpose: Backups"),
    );
    let place = stores.path().to_str().unwrap().to_owned();
    world.helm(&["install", "stores", &place, "--wait", "--timeout", "60s"]).await;
    let object = world.test.get("ShowCoreBucket", "second").await.unwrap();
    assert!(settled(&object), "it came back too early: {object:#}");

    // One that a human must look at is not waited for until the end of time, and is not taken for ready.
    write(
        "templates/bucket.yaml",
        &manifest("ShowCoreBucket", "third", "bucketName: 'first-{accountID}', purpose: Backups"),
    );
    let output = world.helm.run(&["upgrade", "stores", &place, "--wait", "--timeout", "60s"]).await.unwrap();
    assert!(!output.success() && output.stderr.contains("third"), "{output}");
    let object = world.test.get("ShowCoreBucket", "third").await.unwrap();
    assert_eq!(harness::condition_reason(&object, "Stalled"), "Conflict");
}

/// Where the operator may read nothing outside its namespace, a person says that the store, and not its CRD, is to go.
#[tokio::test]
async fn rule_02_in_a_namespace_of_its_own_a_deletion_that_loses_data_waits_for_a_persons_word() {
    let mut world = World::start("namespaced").await;
    harness::crds::install(&world.test.client).await.unwrap();
    world.install(&chart(), &json!({"mode": "Namespaced", "clusterID": "one-namespace"})).await;
    world.run_as_deployed().await;
    world.test.apply(&manifest("ShowCoreBucket", "kept", BUCKET)).await;
    world.test.wait("ShowCoreBucket", "kept", "Ready", settled).await;
    let bucket = format!("kept-{}", world.test.account_id());
    world.test.delete("ShowCoreBucket", "kept").await;
    let unconfirmed = |object: &Value| harness::condition_reason(object, "Stalled") == "DeletionUnconfirmed";
    let object = world.test.wait("ShowCoreBucket", "kept", "DeletionUnconfirmed", unconfirmed).await;
    let message = harness::condition_message(&object, "Stalled");
    let command = message.split_once("kubectl ").and_then(|(_, rest)| rest.split_once(". To keep")).unwrap().0;
    world.test.aws(&["s3api", "head-bucket", "--bucket", &bucket]).await;
    // The command that the message gives.
    world.kubectl(&command.split_whitespace().collect::<Vec<_>>()).await;
    world.test.settle_gone("ShowCoreBucket", "kept").await;
    assert!(!buckets(&world.test.aws).await.contains(&bucket));

    // With sight of the CRDs, and of nothing else, it need not ask.
    let values = json!({"mode": "Namespaced", "clusterID": "one-namespace", "rbac": {"readCRDs": true}});
    world.install(&chart(), &values).await;
    world.run_as_deployed().await;
    world.test.apply(&manifest("ShowCoreBucket", "kept", BUCKET)).await;
    world.test.wait("ShowCoreBucket", "kept", "Ready", settled).await;
    world.test.delete("ShowCoreBucket", "kept").await;
    world.test.settle_gone("ShowCoreBucket", "kept").await;
}

async fn buckets(aws: &Aws) -> String {
    aws.cli(&["s3api", "list-buckets", "--query", "Buckets[].Name"]).await.unwrap().ok().unwrap().to_owned()
}
