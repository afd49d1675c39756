//! The estate, from a Git repository by the real Argo CD into the real API server, and by the operator into the stand-in.

use std::time::{Duration, Instant};

use harness::{ArgoCd, OperatorOptions, Repository, Test, tools};
use serde_json::Value;

const ESTATE: &str = "estate";
const PATH: &str = "examples/estate";
const BUCKET: &str = "showcore-static-assets";
const DATABASE: &str = "showcore-database-production-rds";

struct World {
    test: Test,
    argo: ArgoCd,
    repository: Repository,
}

impl World {
    /// Waits until the Application is as `expected` says, while AWS's time passes.
    async fn until(&self, what: &str, expected: impl Fn(&Value) -> bool) -> Value {
        self.until_of(ESTATE, what, expected).await
    }

    async fn until_of(&self, name: &str, what: &str, expected: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_mins(2);
        loop {
            let application = self.argo.application(name).await.unwrap();
            if expected(&application) {
                return application;
            }
            let logs = self.argo.logs();
            assert!(Instant::now() < deadline, "waited for {what}\n{:#}\n{logs}", application["status"]);
            tokio::time::sleep(Duration::from_millis(200)).await;
            self.test.advance(Duration::from_secs(20));
        }
    }

    async fn object(&self, kind: &str, name: &str) -> Value {
        self.test.get(kind, name).await.unwrap()
    }
}

fn synced(application: &Value) -> bool {
    application["status"]["sync"]["status"] == "Synced"
}

fn healthy(application: &Value) -> bool {
    synced(application) && application["status"]["health"]["status"] == "Healthy"
}

/// What Argo CD says of one object.
fn health_of<'a>(application: &'a Value, name: &str) -> Option<&'a str> {
    let resources = application["status"]["resources"].as_array()?;
    resources.iter().find(|resource| resource["name"] == name)?["health"]["status"].as_str()
}

#[tokio::test]
async fn the_estate_follows_git_and_nothing_is_fought_over() {
    let mut test = Test::start_alone("argo").await.unwrap();
    // In all namespaces.
    let everywhere = OperatorOptions { namespace: None, ..test.operator_options().unwrap() };
    test.start_operator_as(everywhere).await.unwrap();
    let repository = Repository::of(PATH).unwrap();
    let argo = ArgoCd::start(&test.control_plane).await.unwrap();
    let world = World { test, argo, repository };
    world.argo.follow(ESTATE, world.repository.path(), PATH, &world.test.namespace, &[]).await.unwrap();

    // Not healthy before the stores are.
    world
        .until("its stores to be made", |application| {
            synced(application) && application["status"]["health"]["status"] == "Progressing"
        })
        .await;
    let begun = world.until("every store to be healthy", healthy).await;
    assert_eq!(begun["status"]["resources"].as_array().unwrap().len(), 5);

    no_diff_loop(&world, &begun).await;

    // A change in Git reaches AWS.
    let since = Instant::now();
    world.repository.replace("examples/estate/database.yaml", "retentionDays: 7", "retentionDays: 9").unwrap();
    world.argo.refresh(ESTATE).await.unwrap();
    world
        .test
        .settle("ShowCoreDatabase", DATABASE, "the change of Git", |object| {
            object["spec"]["backup"]["retentionDays"] == 9
        })
        .await;
    world.until("the changed database to be healthy", healthy).await;
    let query = ["--query", "DBInstances[0].BackupRetentionPeriod"];
    let retention = world.test.aws(&[&["rds", "describe-db-instances"][..], &query].concat()).await;
    assert_eq!(retention, 9);
    println!("from the commit to AWS and healthy again: {:.1} s", since.elapsed().as_secs_f64());

    // What somebody changes by hand is set back.
    let patch = ["patch", "scbucket", BUCKET, "--type=merge", "--patch", r#"{"spec":{"tags":{"component":"mine"}}}"#];
    world.test.kubectl.run(&patch).await.unwrap().ok().unwrap();
    world
        .test
        .wait("ShowCoreBucket", BUCKET, "to be as Git says", |object| {
            object["spec"]["tags"]["component"] == "static-assets"
        })
        .await;

    // A paused object shows as suspended, and is not unpaused by Argo CD.
    world.test.kubectl.run(&["annotate", "scbucket", BUCKET, "showcore.io/paused=true"]).await.unwrap().ok().unwrap();
    let paused =
        world.until("the paused bucket", |application| health_of(application, BUCKET) == Some("Suspended")).await;
    assert!(synced(&paused));
    world.test.kubectl.run(&["annotate", "scbucket", BUCKET, "showcore.io/paused-"]).await.unwrap().ok().unwrap();
    world.until("everything to be healthy again", healthy).await;

    // What left Git leaves the cluster; the policy says what becomes of the store.
    let manifests = world.repository.read("examples/estate/buckets.yaml").unwrap();
    let (_, rest) = manifests.split_once("---\n").unwrap();
    let first = &manifests[..manifests.len() - rest.len()];
    world.repository.replace("examples/estate/buckets.yaml", first, "").unwrap();
    world.argo.refresh(ESTATE).await.unwrap();
    world.test.wait_gone("ShowCoreBucket", BUCKET).await;
    let pruned = world.until("the rest to be healthy", healthy).await;
    assert_eq!(pruned["status"]["resources"].as_array().unwrap().len(), 4);
    let name = format!("{BUCKET}-{}", world.test.account_id());
    world.test.aws(&["s3api", "head-bucket", "--bucket", &name]).await;

    an_environment_leaves_the_list_and_its_stores_stay(&world).await;
    the_chart_and_the_examples(&world).await;
}

/// The `ApplicationSet` of the examples makes production and staging from one base. One that leaves its list takes its Application
/// with it, and no store: not even those of staging, which say that they may be deleted.
async fn an_environment_leaves_the_list_and_its_stores_stay(world: &World) {
    let path = tools::workspace().join("gitops/argocd/applicationset.yaml");
    let example = std::fs::read_to_string(path).unwrap();
    let ours = format!("repoURL: file://{}", world.repository.path().display());
    let set = example
        .replace("repoURL: https://github.com/showcore/showcore-operator", &ours)
        .replace("targetRevision: v0.1.0", "targetRevision: main");
    assert!(set.contains(&ours) && set.contains("targetRevision: main"), "{set}");
    world.repository.add("gitops/kustomize").unwrap();
    let apply = async |set: &str| {
        world.argo.kubectl.run_with_input(&["apply", "-f", "-"], Some(set)).await.unwrap().ok().unwrap();
    };
    apply(&set).await;
    let applications = ["get", "applications.argoproj.io", "-o", "name"];
    let there = async |name: &str| world.argo.kubectl.run(&applications).await.unwrap().stdout.contains(name);
    let until_there = async |name: &str, wanted: bool| {
        let deadline = Instant::now() + Duration::from_mins(1);
        while there(name).await != wanted {
            assert!(Instant::now() < deadline, "{name} is there: {}\n{}", !wanted, world.argo.logs());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    for environment in ["production", "staging"] {
        let application = format!("stores-{environment}");
        until_there(&application, true).await;
        let application = world.until_of(&application, "every store to be healthy", healthy).await;
        assert_eq!(application["status"]["resources"].as_array().unwrap().len(), 3);
    }

    world.test.account.clear_requests();
    let without = set.replace("          - {environment: staging}\n", "");
    assert_ne!(without, set);
    apply(&without).await;
    until_there("stores-staging", false).await;
    assert!(there("stores-production").await);
    let left = ["get", "showcore", "--namespace", "staging", "-o", "json"];
    let left = world.argo.kubectl.run(&left).await.unwrap().json().unwrap();
    let left = left["items"].as_array().unwrap();
    assert_eq!(left.len(), 3);
    for store in left {
        assert!(store["metadata"]["deletionTimestamp"].is_null(), "{store:#}");
    }
    let requests = world.test.account.requests();
    assert!(!requests.iter().any(|request| request.operation.starts_with("Delete")), "{requests:?}");
}

/// The chart itself, as an Application: the CRDs that are there already are taken over, and it settles. Its pods do not run
/// here. And what stands in `gitops/` is what this Argo CD and this API server take.
async fn the_chart_and_the_examples(world: &World) {
    const CHART: &str = "showcore-operator";
    let path = format!("charts/{CHART}");
    world.repository.add(&path).unwrap();
    let options = ["ServerSideApply=true"];
    world.argo.follow(CHART, world.repository.path(), &path, &world.test.namespace, &options).await.unwrap();
    let application = world.until_of(CHART, "the chart to be synced", synced).await;
    let resources = application["status"]["resources"].as_array().unwrap();
    let crds = resources.iter().filter(|resource| resource["kind"] == "CustomResourceDefinition").count();
    assert_eq!(crds, 3, "{resources:#?}");

    for example in ["operator", "estate"] {
        let path = tools::workspace().join(format!("gitops/argocd/{example}.yaml"));
        let arguments = ["apply", "--dry-run=server", "--validate=strict", "-f", path.to_str().unwrap()];
        world.argo.kubectl.run(&arguments).await.unwrap().ok().unwrap();
    }
}

/// Argo CD looks again and again and finds nothing to do: defaults, status and the operator's own annotations are no
/// difference, and the Secrets that the operator makes are neither pruned nor shown.
async fn no_diff_loop(world: &World, begun: &Value) {
    let before = versions(world).await;
    let mut looks = std::collections::BTreeSet::new();
    let deadline = Instant::now() + Duration::from_mins(2);
    while looks.len() < 4 {
        let application = world.argo.application(ESTATE).await.unwrap();
        assert!(synced(&application), "{:#}", application["status"]);
        for field in ["operationState", "history"] {
            assert_eq!(application["status"][field], begun["status"][field], "it synced again");
        }
        looks.insert(application["status"]["reconciledAt"].as_str().unwrap().to_owned());
        assert!(Instant::now() < deadline, "Argo CD does not look: {looks:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(versions(world).await, before, "somebody wrote to them");
    for name in [DATABASE, "showcore-cache-production-redis"] {
        assert!(world.test.get("Secret", &format!("{name}-connection")).await.is_some(), "{name}");
    }
}

/// The spec's generation and the metadata's managers: not the status, which the operator may write.
async fn versions(world: &World) -> Vec<Value> {
    let mut versions = Vec::new();
    for (kind, name) in [("ShowCoreDatabase", DATABASE), ("ShowCoreBucket", BUCKET)] {
        versions.push(world.object(kind, name).await["metadata"]["resourceVersion"].clone());
    }
    versions
}
