//! The process itself: health, metrics, TLS, generated CRDs.

use harness::{OperatorOptions, Test};

use crate::look::{at_rest, calls, last_drift, manifest, message, mutations, reason, served, settled, told};

const BUCKET: &str = "{apiVersion: showcore.io/v1alpha1, kind: ShowCoreBucket, metadata: {name: seen}, spec: {bucketName: 'seen-{accountID}', purpose: Backups}}";

#[tokio::test]
async fn health_readiness_and_metrics_are_served_and_the_log_is_json() {
    let mut test = Test::start("served").await.unwrap();
    test.start_operator().await.unwrap();
    test.apply(BUCKET).await;
    test.wait("ShowCoreBucket", "seen", "Ready", settled).await;
    test.until("a second pass", |test| calls(test, "GetBucketTagging") >= 4).await;
    assert!(served(&test, "/healthz").await.contains("200 OK"));
    assert!(served(&test, "/readyz").await.contains("200 OK"));
    let metrics = served(&test, "/metrics").await;
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
    let tls = aws_sim::Tls::self_signed_also_for(test.host()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("ca.pem");
    std::fs::write(&bundle, tls.ca_pem()).unwrap();
    let server = test.sim.start((test.host(), 0).into(), Some(tls)).await.unwrap();
    assert!(server.endpoint().starts_with("https://"));
    // Without the bundle the certificate is not trusted, so nothing is sent at all.
    let mut options = test.operator_options().unwrap();
    options.arguments.extend(["--endpoint-url".into(), server.endpoint().into()]);
    test.start_operator_as(options.clone()).await.unwrap();
    test.apply(BUCKET).await;
    test.until("some tries", |test| test.operator_log().matches("AWSUnreachable").count() >= 2).await;
    assert!(test.account.requests().is_empty());
    options.environment.push(("AWS_CA_BUNDLE".into(), bundle.into()));
    test.start_operator_as(options).await.unwrap();
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
    let object = test.get("ShowCoreBucket", "seen").await.unwrap();
    assert!(last_drift(&object, "versioning").is_none(), "nobody looks for an hour");
    let looks = calls(&test, "GetBucketVersioning");
    test.kubectl.run(&["annotate", "scbucket/seen", "showcore.io/reconcile-at=now"]).await.unwrap().ok().unwrap();
    test.wait("ShowCoreBucket", "seen", "corrected", |object| last_drift(object, "versioning").is_some()).await;
    assert!(calls(&test, "GetBucketVersioning") > looks);
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
        before.push(test.wait(kind, name, "Ready", at_rest).await["metadata"]["resourceVersion"].clone());
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
    let mut test = Test::start("usual").await.unwrap();
    test.start_operator_as(bare(&test, &["--log-format", "pretty"], &[("AWS_REGION", "eu-west-1")], true))
        .await
        .unwrap();
    test.apply(BUCKET).await;
    let object = test.wait("ShowCoreBucket", "seen", "Ready", settled).await;
    assert_eq!(object["status"]["resource"]["region"], "eu-west-1");
    let kube_system =
        test.kubectl.run(&["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"]).await.unwrap();
    let bucket = format!("seen-{}", test.account_id());
    let tags = test.aws(&["s3api", "get-bucket-tagging", "--bucket", &bucket]).await;
    let cluster = serde_json::json!({ "Key": "showcore.io/cluster", "Value": kube_system.stdout });
    assert!(tags["TagSet"].as_array().unwrap().contains(&cluster), "{tags}");
}

#[tokio::test]
async fn without_credentials_the_object_says_so() {
    let mut test = Test::start("penniless").await.unwrap();
    test.start_operator_as(bare(&test, &["--region", "eu-west-1"], &[], false)).await.unwrap();
    test.apply(BUCKET).await;
    let object = test
        .wait("ShowCoreBucket", "seen", "CredentialsRefused", |object| {
            reason(object, "Stalled") == Some("CredentialsRefused")
        })
        .await;
    assert!(message(&object, "Stalled").contains("no AWS credentials"));
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
    let odd = BUCKET.replace("name: seen", "name: odd").replace("bucketName: 'seen-", "bucketName: 'odd-");
    test.until_applied(&odd.replace("Backups", "Whatever")).await;
    test.start_operator().await.unwrap();
    test.apply(BUCKET).await;
    test.wait("ShowCoreBucket", "seen", "Ready", settled).await;
    let unreadable = |object: &serde_json::Value| reason(object, "Stalled") == Some("Unreadable");
    let object = test.wait("ShowCoreBucket", "odd", "that it cannot be read", unreadable).await;
    assert!(
        message(&object, "Stalled").contains("spec.purpose: unknown variant `Whatever`"),
        "{}",
        message(&object, "Stalled")
    );
    assert_eq!(reason(&object, "Ready"), Some("Unreadable"));
    // Told once, however often it is looked at.
    let tries = |test: &Test| test.operator_log().matches("a stored object cannot be read").count();
    let before = tries(&test);
    test.until("three more tries", |test| tries(test) >= before + 3).await;
    let later = test.get("ShowCoreBucket", "odd").await.unwrap();
    assert_eq!(later["metadata"]["resourceVersion"], object["metadata"]["resourceVersion"]);
    test.apply(&odd).await;
    test.wait("ShowCoreBucket", "odd", "Ready once it can be read", settled).await;
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

/// An operator that is told everything by the usual variables, and nothing by flags. Without credentials it has none.
fn bare(test: &Test, arguments: &[&str], environment: &[(&str, &str)], credentials: bool) -> OperatorOptions {
    let mut options = test.operator_options().unwrap();
    options.bare = true;
    options.arguments = arguments.iter().map(Into::into).collect();
    let endpoint = test.endpoint();
    let mut all = vec![("AWS_ENDPOINT_URL", endpoint.as_str()), ("AWS_EC2_METADATA_DISABLED", "true")];
    if credentials {
        all.extend([("AWS_ACCESS_KEY_ID", test.access_key.as_str()), ("AWS_SECRET_ACCESS_KEY", "not-checked")]);
    }
    options.environment = all.iter().chain(environment).map(|(key, value)| (key.into(), value.into())).collect();
    options
}

/// The rights that the README lists, and no others.
const RIGHTS: &str = r#"
apiVersion: v1
kind: ServiceAccount
metadata: {name: operator}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: operator}
rules:
- {apiGroups: [showcore.io], resources: [showcoredatabases, showcorecaches, showcorebuckets], verbs: [get, list, watch, patch]}
- {apiGroups: [showcore.io], resources: [showcoredatabases/status, showcorecaches/status, showcorebuckets/status], verbs: [patch]}
- {apiGroups: [""], resources: [secrets], verbs: [get, create, patch]}
- {apiGroups: [events.k8s.io], resources: [events], verbs: [create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: operator-lease}
rules:
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, create, update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: operator-lease}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: operator-lease}
subjects: [{kind: ServiceAccount, name: operator}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: operator}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: operator}
subjects: [{kind: ServiceAccount, name: operator}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: NAMESPACE}
rules:
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  resourceNames: [showcoredatabases.showcore.io, showcorecaches.showcore.io, showcorebuckets.showcore.io]
  verbs: [get]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: NAMESPACE}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: NAMESPACE}
subjects: [{kind: ServiceAccount, name: operator, namespace: NAMESPACE}]
"#;

/// Gives the operator a changed copy of the administrator's kubeconfig, which is there as long as the folder.
pub fn in_kubeconfig(
    test: &Test,
    options: &mut OperatorOptions,
    change: impl FnOnce(&mut serde_json::Value),
) -> tempfile::TempDir {
    let text = std::fs::read_to_string(test.control_plane.kubeconfig()).unwrap();
    let mut config = serde_saphyr::from_str(&text).unwrap();
    change(&mut config);
    let folder = tempfile::tempdir().unwrap();
    options.kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&options.kubeconfig, config.to_string()).unwrap();
    folder
}

/// Has the operator act as a `ServiceAccount` that has the rights that the README lists, and no others.
pub async fn as_service_account(test: &Test, mut options: OperatorOptions) -> (OperatorOptions, tempfile::TempDir) {
    test.apply(&RIGHTS.replace("NAMESPACE", &test.namespace)).await;
    let token = test.kubectl.run(&["create", "token", "operator"]).await.unwrap().ok().unwrap().to_owned();
    let folder = in_kubeconfig(test, &mut options, |config| {
        config["users"][0]["user"] = serde_json::json!({ "token": token });
    });
    (options, folder)
}

#[tokio::test]
async fn the_rights_that_the_readme_lists_are_enough() {
    let mut test = Test::start("rights").await.unwrap();
    let mut options = test.operator_options().unwrap();
    options.arguments.push("--leader-elect".into());
    let (options, _folder) = as_service_account(&test, options).await;
    test.start_operator_as(options).await.unwrap();
    for (kind, spec) in [
        ("ShowCoreDatabase", "deletionProtection: false"),
        ("ShowCoreCache", "deletionPolicy: Delete"),
        ("ShowCoreBucket", "bucketName: 'rights-{accountID}', purpose: Backups"),
    ] {
        let name = kind.to_lowercase();
        test.apply(&manifest(kind, &name, spec)).await;
        test.settle(kind, &name, "Ready", settled).await;
        told(&test, "Ready", &[]).await;
        test.delete(kind, &name).await;
        test.settle_gone(kind, &name).await;
    }
    assert!(!test.operator_log().contains("may not do this"), "{}", test.operator_log());
}
