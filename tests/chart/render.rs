//! What the chart renders, and what it refuses to render.

use serde_json::{Value, json};

use crate::world::{World, chart};
use harness::{Helm, go_tools, tools};

async fn template(arguments: &[&str]) -> harness::Output {
    let helm = Helm::new("/dev/null".as_ref(), "operators").await.unwrap();
    let chart = chart();
    helm.run(&[&["template", "showcore-operator", chart.to_str().unwrap()], arguments].concat()).await.unwrap()
}

#[tokio::test]
async fn helm_finds_nothing_to_complain_about() {
    let helm = Helm::new("/dev/null".as_ref(), "operators").await.unwrap();
    let output = helm.run(&["lint", "--strict", chart().to_str().unwrap()]).await.unwrap();
    assert!(output.success() && output.stdout.contains("0 chart(s) failed"), "{output}");
}

#[tokio::test]
async fn a_bad_value_is_refused_with_a_sentence_that_names_it() {
    for (value, sentence) in [
        ("mode=Both", "at '/mode': value must be one of 'Cluster', 'Namespaced'"),
        ("image.tagg=1", "at '/image': additional properties 'tagg' not allowed"),
        ("replicas=3", "additional properties 'replicas' not allowed"),
        ("replicaCount=two", "at '/replicaCount': got string, want integer"),
        ("operator.pollInterval=sixty", "at '/operator/pollInterval': 'sixty' does not match pattern"),
        ("operator.logFormat=xml", "at '/operator/logFormat': value must be one of 'json', 'pretty'"),
        ("aws.region=Frankfurt", "at '/aws/region': 'Frankfurt' does not match pattern"),
        ("aws.roleARN=operator", "at '/aws/roleARN': 'operator' does not match pattern"),
        ("clusterID=a;b", "at '/clusterID': 'a;b' does not match pattern"),
        ("image.digest=sha256:1", "at '/image/digest': 'sha256:1' does not match pattern"),
        (
            "guardRails.tiers.Prod.regions={eu-west-1}",
            "at '/guardRails/tiers': additional properties 'Prod' not allowed",
        ),
        (
            "guardRails.tiers.a.classes={db.t3.micro}",
            "at '/guardRails/tiers/a': additional properties 'classes' not allowed",
        ),
        ("mode=Namespaced", "clusterID: mode Namespaced needs one"),
        (
            "mode=Namespaced,clusterID=c,guardRails.tiers.a.regions={eu-west-1}",
            "guardRails: admission policies are cluster-scoped",
        ),
        ("rbac.readCRDs=true", "rbac.readCRDs: mode Cluster reads the CRDs anyway"),
        ("guardRails.requireTier=true", "guardRails.requireTier: with no tiers no store could be made"),
    ] {
        let output = template(&["--set", value]).await;
        assert!(!output.success() && output.stderr.contains(sentence), "{value}: {sentence}\n{output}");
    }
}

/// The values that choose between templates, each at both ends at least once.
fn combinations() -> Vec<(&'static str, Value)> {
    let everything = json!({
        "clusterID": "restored/1", "replicaCount": 1, "imagePullSecrets": [{"name": "pull"}],
        "image": {"digest": format!("sha256:{}", "0".repeat(64))},
        "aws": {"region": "eu-central-1", "endpointURL": "https://vpce.example", "roleARN": "arn:aws:iam::123456789012:role/path/operator",
            "caBundle": {"configMap": "authorities"}},
        "serviceAccount": {"annotations": {"team": "core"}},
        "operator": {"log": "debug", "extraArgs": ["--log-format=pretty"]},
        "extraEnv": [{"name": "A", "value": "b"}], "extraEnvFrom": [{"secretRef": {"name": "keys"}}],
        "extraVolumes": [{"name": "tmp", "emptyDir": {}}], "extraVolumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
        "podAnnotations": {"a": "b"}, "podLabels": {"c": "d"}, "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"kubernetes.io/arch": "arm64"}, "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": {}}, "topologySpread": {"enabled": false}, "podDisruptionBudget": {"enabled": false},
        "networkPolicy": {"enabled": true, "scrapeFrom": [{"namespaceSelector": {}}], "apiServerPorts": [6443]},
        "metrics": {"serviceMonitor": {"enabled": true, "labels": {"p": "q"}}, "prometheusRule": {"enabled": true, "labels": {"p": "q"}},
            "dashboard": {"enabled": true}},
        "guardRails": {"requireTier": true, "tiers": {
            "production": {"regions": ["eu-central-1", "eu-west-1"], "instanceClasses": ["db.m7g.large"], "nodeTypes": ["cache.m7g.large"]},
            "staging": {"instanceClasses": ["db.t3.micro"]}, "free": {}}},
    });
    vec![
        ("the defaults", json!({})),
        ("everything", everything),
        (
            "nothing",
            json!({
                "crds": {"install": false}, "rbac": {"create": false}, "serviceAccount": {"create": false, "name": "theirs"},
                "metrics": {"service": {"enabled": false}}, "guardRails": {"protectedDeletion": false},
                "networkPolicy": {"enabled": true}, "replicaCount": 0, "resources": {},
            }),
        ),
        ("namespaced", json!({"mode": "Namespaced", "clusterID": "c"})),
        (
            "namespaced, with sight of the CRDs",
            json!({"mode": "Namespaced", "clusterID": "c", "rbac": {"readCRDs": true}}),
        ),
        (
            "other names",
            json!({"fullnameOverride": "stores", "nameOverride": "s", "serviceAccount": {"name": "acts"},
            "rbac": {"aggregate": false}, "clusterID": "c"}),
        ),
    ]
}

#[tokio::test]
async fn the_api_server_accepts_every_combination_of_values_that_matters() {
    let world = World::start("combinations").await;
    let crds = go_tools::prometheus_crds().unwrap();
    for kind in ["servicemonitors", "prometheusrules"] {
        let path = crds.join(format!("monitoring.coreos.com_{kind}.yaml"));
        world.kubectl(&["apply", "--server-side", "-f", path.to_str().unwrap()]).await;
    }
    world.until_done(&["get", "servicemonitors,prometheusrules"], None).await;
    // Warned of where a pod may not be as ours would be: https://kubernetes.io/docs/concepts/security/pod-security-standards/
    world.kubectl(&["label", "namespace", &world.test.namespace, "pod-security.kubernetes.io/warn=restricted"]).await;
    for (number, (name, values)) in combinations().into_iter().enumerate() {
        let values = world.values(&format!("combination-{number}"), &values);
        let rendered = world.helm(&["template", "r", chart().to_str().unwrap(), "--values", &values]).await;
        let arguments = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"];
        let output = world.test.kubectl.run_with_input(&arguments, Some(&rendered.stdout)).await.unwrap();
        assert!(output.success() && !output.stderr.contains("Warning"), "{name}:\n{output}");
        let documents: Vec<Value> = serde_saphyr::from_multiple(&rendered.stdout).unwrap();
        assert!(documents.iter().any(|object| object["kind"] == "Deployment"), "{name}");
        let cluster_scoped: Vec<_> = documents
            .iter()
            .filter(|object| object["metadata"]["namespace"].is_null())
            .map(|object| &object["kind"])
            .collect();
        match name {
            "namespaced" => assert!(cluster_scoped.is_empty(), "{cluster_scoped:?}"),
            "namespaced, with sight of the CRDs" => assert_eq!(cluster_scoped, ["ClusterRole", "ClusterRoleBinding"]),
            _ => {}
        }
    }
}

#[tokio::test]
async fn the_charts_readme_is_made_of_its_values() {
    let output = std::process::Command::new(go_tools::helm_docs().unwrap())
        .args(["--dry-run", "--chart-search-root"])
        .arg(chart())
        .output()
        .unwrap();
    let generated = String::from_utf8(output.stdout).unwrap();
    let readme = std::fs::read_to_string(chart().join("README.md")).unwrap();
    assert_eq!(generated.trim(), readme.trim(), "run helm-docs in charts/showcore-operator");
}

/// The metrics that alerts and the dashboard ask for are those that the operator has.
#[tokio::test]
async fn alerts_and_dashboard_ask_for_metrics_that_exist() {
    let page = std::fs::read_to_string(tools::workspace().join("docs/metrics.md")).unwrap();
    let known: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let rendered = template(&[
        "--set",
        "metrics.prometheusRule.enabled=true,metrics.dashboard.enabled=true",
        "-s",
        "templates/metrics.yaml",
    ])
    .await;
    let asked: Vec<&str> = rendered
        .stdout
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("showcore_"))
        .collect();
    assert!(asked.len() > 20, "{asked:?}");
    for metric in asked {
        let metric = metric.strip_suffix("_bucket").unwrap_or(metric);
        assert!(known.contains(&metric), "{metric} is none of {known:?}");
    }
}

/// A large number would have another form if Helm wrote the CRDs anew.
#[tokio::test]
async fn the_crds_stay_when_the_release_goes_and_are_otherwise_those_of_the_operator() {
    let rendered = template(&["-s", "templates/crds.yaml"]).await;
    let documents: Vec<Value> = serde_saphyr::from_multiple(&rendered.stdout).unwrap();
    let files = std::fs::read_to_string(tools::workspace().join("crds/showcore.io.yaml")).unwrap();
    let originals: Vec<Value> = serde_saphyr::from_multiple(&files).unwrap();
    assert_eq!(documents.len(), 3);
    for (mut rendered, original) in documents.into_iter().zip(originals) {
        let annotations = rendered["metadata"].as_object_mut().unwrap().remove("annotations").unwrap();
        assert_eq!(annotations, json!({"helm.sh/resource-policy": "keep"}));
        assert_eq!(rendered, original);
    }
}
