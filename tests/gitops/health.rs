//! The Lua, by Argo CD's own command, on every one of the examples that go with it.

use harness::{argo, tools};
use serde_json::Value;

const CUSTOMIZATION: &str = "gitops/argocd/resource_customizations/showcore.io/_";
const PATCH: &str = "gitops/argocd/argocd-cm-patch.yaml";

fn read(path: &str) -> String {
    std::fs::read_to_string(tools::workspace().join(path)).unwrap()
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap()
}

#[test]
fn what_goes_into_argocd_cm_is_the_same_lua_for_every_kind() {
    let lua = read(&format!("{CUSTOMIZATION}/health.lua"));
    let patch = yaml(PATCH);
    for crd in showcore_operator::kinds::crds() {
        let entry = format!("resource.customizations.health.showcore.io_{}", crd.spec.names.kind);
        assert_eq!(patch["data"][&entry].as_str(), Some(lua.as_str()), "{entry}");
    }
}

#[tokio::test]
async fn every_example_has_the_health_that_is_said_of_it() {
    // A ConfigMap as the command wants it.
    let folder = tempfile::tempdir().unwrap();
    let config_map = folder.path().join("argocd-cm.yaml");
    let mut whole = yaml(PATCH);
    whole["apiVersion"] = "v1".into();
    whole["kind"] = "ConfigMap".into();
    whole["metadata"] = serde_json::json!({
        "name": "argocd-cm", "namespace": "argocd", "labels": { "app.kubernetes.io/part-of": "argocd" },
    });
    std::fs::write(&config_map, whole.to_string()).unwrap();
    let cases = yaml(&format!("{CUSTOMIZATION}/health_test.yaml"));
    let cases = cases["tests"].as_array().unwrap();
    assert!(cases.len() > 10);
    for case in cases {
        let path = tools::workspace().join(CUSTOMIZATION).join(case["inputPath"].as_str().unwrap());
        let output = argo::health(&path, &config_map).await.unwrap();
        let expected = &case["healthStatus"];
        for (field, label) in [("status", "STATUS: "), ("message", "MESSAGE: ")] {
            let line = output.stdout.lines().find_map(|line| line.strip_prefix(label));
            assert_eq!(line, expected[field].as_str(), "{}\n{output}", path.display());
        }
    }
    let files = std::fs::read_dir(tools::workspace().join(CUSTOMIZATION).join("testdata")).unwrap().count();
    assert_eq!(files, cases.len(), "an example that nothing is said of");
}
