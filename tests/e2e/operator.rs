//! The process itself: health, metrics, TLS, generated CRDs.

use harness::Test;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::look::settled;

const BUCKET: &str =
    "{apiVersion: showcore.io/v1alpha1, kind: ShowCoreBucket, metadata: {name: seen}, spec: {bucketName: 'seen-{accountID}', purpose: Backups}}";

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
    let address = address(&test.operator_log()).unwrap();
    assert!(get(&address, "/healthz").await.contains("200 OK"));
    assert!(get(&address, "/readyz").await.contains("200 OK"));
    let metrics = get(&address, "/metrics").await;
    assert!(metrics.contains(r#"showcore_reconciles_total{kind="ShowCoreBucket",outcome="done"}"#), "{metrics}");
    assert!(metrics.contains(r#"showcore_aws_calls_total{service="s3",operation="CreateBucket",error=""} 1"#), "{metrics}");
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
