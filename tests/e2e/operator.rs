//! The process itself: health, metrics, TLS, generated CRDs.

use harness::Test;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::look::{calls, last_drift, message, mutations, reason, settled};

const BUCKET: &str = "{apiVersion: showcore.io/v1alpha1, kind: ShowCoreBucket, metadata: {name: seen}, spec: {bucketName: 'seen-{accountID}', purpose: Backups}}";

/// The address that the operator says it serves at.
fn address(log: &str) -> Option<String> {
    let line = log.lines().find(|line| line.contains("serving /healthz"))?;
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    line["address"].as_str().map(str::to_owned)
}

async fn get(address: &str, path: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: test\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn health_readiness_and_metrics_are_served_and_the_log_is_json() {
    let mut test = Test::start("served").await.unwrap();
    test.start_operator().await.unwrap();
    test.apply(BUCKET).await;
    test.wait("ShowCoreBucket", "seen", "Ready", settled).await;
    test.until("a second pass", |test| calls(test, "GetBucketTagging") >= 4).await;
    let address = address(&test.operator_log()).unwrap();
    assert!(get(&address, "/healthz").await.contains("200 OK"));
    assert!(get(&address, "/readyz").await.contains("200 OK"));
    let metrics = get(&address, "/metrics").await;
    assert!(metrics.contains("application/openmetrics-text"), "{metrics}");
    assert!(metrics.contains(r#"showcore_reconciles_total{kind="ShowCoreBucket",outcome="done"}"#), "{metrics}");
    assert!(
        metrics.contains(r#"showcore_aws_calls_total{service="s3",operation="CreateBucket",error=""} 1"#),
        "{metrics}"
    );
    for line in test.operator_log().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
        assert!(line["timestamp"].is_string());
    }
}

#[tokio::test]
async fn the_ca_bundle_of_aws_ca_bundle_is_honoured() {
    let mut test = Test::start("tls").await.unwrap();
    let tls = aws_sim::Tls::self_signed().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("ca.pem");
    std::fs::write(&bundle, tls.ca_pem()).unwrap();
    let server = test.sim.start(([127, 0, 0, 1], 0).into(), Some(tls)).await.unwrap();
    assert!(server.endpoint().starts_with("https://"));
    let mut options = test.operator_options().unwrap();
    options.environment.push(("AWS_CA_BUNDLE".into(), bundle.into()));
    options.arguments.extend(["--endpoint-url".into(), server.endpoint().into()]);
    test.start_operator_as(options).await.unwrap();
    test.apply(BUCKET).await;
    test.wait("ShowCoreBucket", "seen", "Ready", settled).await;
}

#[test]
fn the_crds_in_the_repository_are_current() {
    let generated: Vec<_> = showcore_operator::kinds::crds();
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/crds/showcore.io.yaml")).unwrap();
    let stored: Vec<serde_json::Value> = serde_saphyr::from_multiple(&text).unwrap();
    let generated: Vec<_> = generated.iter().map(|crd| serde_json::to_value(crd).unwrap()).collect();
    assert!(stored == generated, "run: cargo run -- crds > crds/showcore.io.yaml");
}

#[tokio::test]
async fn rule_02_while_the_crd_is_being_deleted_every_object_is_retained() {
    let mut test = Test::start_alone("uninstalled").await.unwrap();
    test.start_operator().await.unwrap();
    test.apply(&BUCKET.replace("purpose: Backups", "purpose: Backups, deletionPolicy: Delete, emptyOnDelete: true"))
        .await;
    test.wait("ShowCoreBucket", "seen", "Ready", settled).await;
    let deleted = test.kubectl.run(&["delete", "crd", "showcorebuckets.showcore.io", "--timeout=60s"]).await.unwrap();
    assert!(deleted.success(), "{deleted}");
    let bucket = format!("seen-{}", test.account_id());
    test.aws(&["s3api", "head-bucket", "--bucket", &bucket]).await;
}

#[tokio::test]
async fn in_another_account_than_the_pinned_one_nothing_is_written() {
    let mut test = Test::start("moved").await.unwrap();
    test.start_operator().await.unwrap();
    test.apply(BUCKET).await;
    test.wait("ShowCoreBucket", "seen", "Ready", settled).await;
    let mut options = test.operator_options().unwrap();
    options.access_key = harness::test::new_access_key();
    let other = test.sim.account(&options.access_key);
    test.start_operator_as(options).await.unwrap();
    test.wait("ShowCoreBucket", "seen", "WrongPlace", |object| reason(object, "Stalled") == Some("WrongPlace")).await;
    assert!(other.requests().iter().all(|request| !request.mutating), "{:?}", other.requests());
}

#[tokio::test]
async fn an_annotation_has_an_object_looked_at_now() {
    let mut test = Test::start("asked").await.unwrap();
    let mut options = test.operator_options().unwrap();
    options.arguments.extend(["--poll-interval".into(), "1h".into()]);
    test.start_operator_as(options).await.unwrap();
    test.apply(BUCKET).await;
    test.wait("ShowCoreBucket", "seen", "Ready", settled).await;
    let bucket = format!("seen-{}", test.account_id());
    test.boto3(&format!(
        "client('s3').put_bucket_versioning(Bucket='{bucket}', VersioningConfiguration={{'Status': 'Suspended'}})"
    ))
    .await;
    assert!(
        test.get("ShowCoreBucket", "seen").await.is_some_and(|object| settled(&object)),
        "nobody looks for an hour"
    );
    test.kubectl.run(&["annotate", "scbucket/seen", "showcore.io/reconcile-at=now"]).await.unwrap().ok().unwrap();
    test.wait("ShowCoreBucket", "seen", "corrected", |object| last_drift(object, "versioning").is_some()).await;
}

#[tokio::test]
async fn rule_08_a_quiet_database_and_a_quiet_cache_cost_no_write_and_few_reads() {
    let mut test = Test::start("quiet-both").await.unwrap();
    test.start_operator().await.unwrap();
    let stores = [("ShowCoreDatabase", "still-db"), ("ShowCoreCache", "still-cache")];
    for (kind, name) in stores {
        test.apply(&format!(
            "{{apiVersion: showcore.io/v1alpha1, kind: {kind}, metadata: {{name: {name}}}, spec: {{}}}}"
        ))
        .await;
        test.settle(kind, name, "Ready", settled).await;
    }
    test.advance(std::time::Duration::from_hours(1));
    let mut before = Vec::new();
    for (kind, name) in stores {
        before.push(test.wait(kind, name, "Ready", settled).await["metadata"]["resourceVersion"].clone());
    }
    test.account.clear_requests();
    test.until("ten looks", |test| {
        calls(test, "DescribeDBInstances") >= 10 && calls(test, "DescribeReplicationGroups") >= 10
    })
    .await;
    assert_eq!(mutations(&test), Vec::<String>::new());
    for ((kind, name), before) in stores.into_iter().zip(before) {
        assert_eq!(test.get(kind, name).await.unwrap()["metadata"]["resourceVersion"], before, "{kind}");
    }
    // A look costs one call for a database and three for a cache; a look may be under way.
    let (databases, caches) = (calls(&test, "DescribeDBInstances"), calls(&test, "DescribeReplicationGroups"));
    let of = |service: &str| test.account.requests().iter().filter(|request| request.service == service).count();
    assert!(of("rds") <= databases + 1, "{} calls for {databases} looks", of("rds"));
    assert!(of("elasticache") <= 3 * caches + 3, "{} calls for {caches} looks", of("elasticache"));
}

#[tokio::test]
async fn region_endpoint_and_cluster_id_come_from_the_usual_places() {
    let test = Test::start("usual").await.unwrap();
    let operator = tokio::process::Command::new(env!("CARGO_BIN_EXE_showcore-operator"))
        .args(["run", "--namespace", &test.namespace, "--listen", "127.0.0.1:0", "--log-format", "pretty"])
        .env("KUBECONFIG", test.control_plane.kubeconfig())
        .env("AWS_ACCESS_KEY_ID", &test.access_key)
        .env("AWS_SECRET_ACCESS_KEY", "not-checked")
        .env("AWS_ENDPOINT_URL", test.endpoint())
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    test.apply(BUCKET).await;
    let object = test.wait("ShowCoreBucket", "seen", "Ready", settled).await;
    assert_eq!(object["status"]["resource"]["region"], "eu-west-1");
    let kube_system =
        test.kubectl.run(&["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"]).await.unwrap();
    let tags = test.sim.s3().get(&format!("seen-{}", test.account_id())).unwrap().tags.clone();
    assert!(tags.contains(&("showcore.io/cluster".to_owned(), kube_system.stdout)), "{tags:?}");
    drop(operator);
}

#[tokio::test]
async fn without_credentials_the_object_says_so() {
    let test = Test::start("penniless").await.unwrap();
    let operator = tokio::process::Command::new(env!("CARGO_BIN_EXE_showcore-operator"))
        .args(["run", "--namespace", &test.namespace, "--listen", "127.0.0.1:0", "--region", "eu-west-1"])
        .env("KUBECONFIG", test.control_plane.kubeconfig())
        .env_remove("AWS_ACCESS_KEY_ID")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    test.apply(BUCKET).await;
    let object = test
        .wait("ShowCoreBucket", "seen", "CredentialsRefused", |object| {
            reason(object, "Stalled") == Some("CredentialsRefused")
        })
        .await;
    assert!(message(&object, "Stalled").contains("no AWS credentials"));
    drop(operator);
}

#[tokio::test]
async fn a_stored_object_that_cannot_be_read_stalls_alone() {
    let mut test = Test::start_alone("unreadable").await.unwrap();
    // An older schema let something in that today's does not know.
    let loosen = r#"[{"op": "remove", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/purpose/enum"}]"#;
    test.kubectl
        .run(&["patch", "crd", "showcorebuckets.showcore.io", "--type=json", "-p", loosen])
        .await
        .unwrap()
        .ok()
        .unwrap();
    test.until_applied(&BUCKET.replace("name: seen", "name: odd").replace("Backups", "Whatever")).await;
    test.start_operator().await.unwrap();
    test.apply(BUCKET).await;
    test.wait("ShowCoreBucket", "seen", "Ready", settled).await;
    assert!(test.operator_log().contains("a stored object cannot be read"));
}

/// A changed CRD takes a moment to be served.
trait UntilApplied {
    async fn until_applied(&self, yaml: &str);
}

impl UntilApplied for Test {
    async fn until_applied(&self, yaml: &str) {
        for _ in 0..50 {
            if self.try_apply(yaml).await.success() {
                return;
            }
        }
        self.apply(yaml).await;
    }
}
