//! What was stored by a released version stays readable for ever: `tests/compat/<version>/` has objects as that version's API
//! server stored them. A released version's files are never changed; see docs/api-evolution.md.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::{collections::BTreeSet, fs, path::PathBuf};

use harness::{ControlPlane, Kubectl, objects};
use serde_json::{Value, json};
use showcore_operator::{bucket::ShowCoreBucket, cache::ShowCoreCache, database::ShowCoreDatabase, kinds};

/// The folders, one for each version, oldest first.
fn versions() -> Vec<PathBuf> {
    let folder = harness::tools::workspace().join("tests/compat");
    let mut versions: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    versions.sort_by_key(|path| version(path));
    versions
}

fn version(path: &std::path::Path) -> Vec<u64> {
    path.file_name().unwrap().to_str().unwrap().split('.').map(|part| part.parse().unwrap()).collect()
}

fn stored(version: &std::path::Path) -> Vec<Value> {
    let files = fs::read_dir(version).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    files.flat_map(|text| serde_saphyr::from_multiple::<Value>(&text).unwrap()).collect()
}

/// Every value that stands in `was` stands at the same place in `is`.
fn kept(was: &Value, is: &Value, at: &str, lost: &mut Vec<String>) {
    match (was, is) {
        (Value::Object(was), Value::Object(now)) => {
            for (key, value) in was {
                kept(value, now.get(key).unwrap_or(&Value::Null), &format!("{at}.{key}"), lost);
            }
        }
        (Value::Array(was), Value::Array(now)) if was.len() == now.len() => {
            for (number, (was, now)) in was.iter().zip(now).enumerate() {
                kept(was, now, &format!("{at}[{number}]"), lost);
            }
        }
        (was, now) if was != now => lost.push(format!("{at}: {was} became {now}")),
        _ => {}
    }
}

fn assert_kept(was: &Value, is: &Value, what: &str) {
    let mut lost = Vec::new();
    for part in ["spec", "status"].into_iter().filter(|part| was.get(part).is_some()) {
        kept(&was[part], &is[part], part, &mut lost);
    }
    assert!(lost.is_empty(), "{what} {}: {lost:#?}", was["metadata"]["name"]);
}

fn read_by_the_operator(object: &Value) -> Value {
    fn through<K: serde::de::DeserializeOwned + serde::Serialize>(object: &Value) -> Value {
        json!(serde_json::from_value::<K>(object.clone()).unwrap_or_else(|error| panic!("{error}: {object:#}")))
    }
    match object["kind"].as_str().unwrap() {
        "ShowCoreDatabase" => through::<ShowCoreDatabase>(object),
        "ShowCoreCache" => through::<ShowCoreCache>(object),
        "ShowCoreBucket" => through::<ShowCoreBucket>(object),
        other => panic!("{other} was a kind, and must stay one"),
    }
}

#[test]
fn the_operator_reads_what_any_version_stored() {
    for version in versions() {
        for object in stored(&version) {
            assert_kept(
                &object,
                &read_by_the_operator(&object),
                &format!("{}, read by the operator:", version.display()),
            );
        }
    }
}

/// The storage of a cluster that was upgraded, as far as it matters: the API server takes each object, and prunes nothing of it.
#[tokio::test]
async fn the_api_server_keeps_what_any_version_stored() {
    let control_plane = ControlPlane::shared().await.unwrap();
    let client = control_plane.client().await.unwrap();
    for version in versions() {
        let namespace = control_plane.namespace(&client, "compat").await.unwrap();
        let kubectl = Kubectl::new(control_plane.kubeconfig(), &namespace).await.unwrap();
        for object in stored(&version) {
            let what = format!("{}, stored by the API server:", version.display());
            let (kind, name) = (object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
            let text = object.to_string();
            for more in [&[][..], &["--subresource=status"]] {
                let arguments = [&["apply", "--server-side", "--validate=strict", "-f", "-"], more].concat();
                let output = kubectl.run_with_input(&arguments, Some(&text)).await.unwrap();
                assert!(output.success(), "{what}\n{output}");
            }
            let now = objects::get(&client, &namespace, kind, name).await.unwrap().unwrap();
            assert_kept(&object, &now, &what);
            read_by_the_operator(&now);
        }
        // Nobody runs who would take it off.
        let all = ["showcoredatabases,showcorecaches,showcorebuckets", "--all"];
        let patch = ["--type=merge", "--patch", r#"{"metadata":{"finalizers":null}}"#];
        for object in stored(&version) {
            let named =
                format!("{}/{}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
            kubectl.run(&[&["patch", &named], &patch[..]].concat()).await.unwrap().ok().unwrap();
        }
        kubectl.run(&[&["delete"], &all[..]].concat()).await.unwrap().ok().unwrap();
    }
}

/// The newest version's objects have every field that there is, and every value of those that have a few, so that none can be forgotten when it is released.
#[test]
fn the_newest_versions_objects_have_every_field_and_choice() {
    let newest = versions().pop().unwrap();
    assert_eq!(newest.file_name().unwrap(), env!("CARGO_PKG_VERSION"), "each version has a folder of its own");
    let objects = stored(&newest);
    let mut missing = BTreeSet::new();
    for crd in kinds::crds() {
        let crd = json!(crd);
        let kind = &crd["spec"]["names"]["kind"];
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
        for part in ["spec", "status"] {
            let values: Vec<&Value> =
                objects.iter().filter(|object| object["kind"] == *kind).filter_map(|object| object.get(part)).collect();
            absent(&schema[part], &values, &format!("{kind}.{part}"), &mut missing);
        }
    }
    assert!(missing.is_empty(), "not in {}: {missing:#?}", newest.display());
}

fn absent(schema: &Value, values: &[&Value], at: &str, missing: &mut BTreeSet<String>) {
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let within: Vec<&Value> = values.iter().filter_map(|value| value.get(name)).collect();
        if within.is_empty() {
            missing.insert(format!("{at}.{name}"));
        } else {
            absent(schema, &within, &format!("{at}.{name}"), missing);
        }
    }
    if schema["items"].is_object() {
        let items: Vec<&Value> = values.iter().filter_map(|value| value.as_array()).flatten().collect();
        absent(&schema["items"], &items, &format!("{at}[]"), missing);
    }
    for value in schema["enum"].as_array().into_iter().flatten() {
        if !values.contains(&value) && values.iter().any(|found| found.is_string()) {
            missing.insert(format!("{at}: {value}"));
        }
    }
}
