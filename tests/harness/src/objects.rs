//! Kubernetes objects as plain JSON: a test says of a state what it expects, in the words in which
//! users see it.

use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::{Api, Client};
use serde_json::Value;

use crate::error::{KubeError as _, Result};

/// Where objects of this kind are. Our own kinds, and those of Kubernetes' core.
pub fn api(client: &Client, namespace: &str, kind: &str) -> Api<DynamicObject> {
    let resource = if kind.starts_with("ShowCore") {
        let plural = format!("{}s", kind.to_lowercase());
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("showcore.io", "v1alpha1", kind), &plural)
    } else {
        ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", kind))
    };
    Api::namespaced_with(client.clone(), namespace, &resource)
}

/// The object, or nothing if there is none.
pub async fn get(client: &Client, namespace: &str, kind: &str, name: &str) -> Result<Option<Value>> {
    let found = api(client, namespace, kind).get_opt(name).await.kube(|| format!("get {kind} {namespace}/{name}"))?;
    Ok(found.map(plain))
}

/// All objects of the kind in the namespace.
pub async fn list(client: &Client, namespace: &str, kind: &str) -> Result<Vec<Value>> {
    let found = api(client, namespace, kind)
        .list(&ListParams::default())
        .await
        .kube(|| format!("list {kind} in {namespace}"))?;
    Ok(found.items.into_iter().map(plain).collect())
}

fn plain(object: DynamicObject) -> Value {
    serde_json::to_value(object).expect("an object that came as JSON goes back to JSON")
}

/// The status of a condition ("True", "False", "Unknown"); "" if the object does not have it.
pub fn condition<'a>(object: &'a Value, kind: &str) -> &'a str {
    of_condition(object, kind, "status")
}

/// The reason of a condition; "" if the object does not have it.
pub fn condition_reason<'a>(object: &'a Value, kind: &str) -> &'a str {
    of_condition(object, kind, "reason")
}

/// The message of a condition; "" if the object does not have it.
pub fn condition_message<'a>(object: &'a Value, kind: &str) -> &'a str {
    of_condition(object, kind, "message")
}

fn of_condition<'a>(object: &'a Value, kind: &str, field: &str) -> &'a str {
    object["status"]["conditions"]
        .as_array()
        .and_then(|all| all.iter().find(|condition| condition["type"] == kind))
        .and_then(|condition| condition[field].as_str())
        .unwrap_or_default()
}

/// The Events of a namespace, one a line, oldest first: object, reason, message.
pub async fn events(client: &Client, namespace: &str) -> Result<Vec<String>> {
    let mut events = list(client, namespace, "Event").await?;
    events.sort_by_key(|event| event["metadata"]["creationTimestamp"].as_str().unwrap_or_default().to_owned());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(events
        .iter()
        .map(|event| {
            format!(
                "{}/{} {} {}: {}",
                text(&event["involvedObject"]["kind"]),
                text(&event["involvedObject"]["name"]),
                text(&event["type"]),
                text(&event["reason"]),
                text(&event["message"])
            )
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_is_not_there_is_empty() {
        let object = serde_json::json!({"status": {"conditions": [
            {"type": "Ready", "status": "False", "reason": "Creating", "message": "wait"},
        ]}});
        assert_eq!(condition(&object, "Ready"), "False");
        assert_eq!(condition_reason(&object, "Ready"), "Creating");
        assert_eq!(condition_message(&object, "Ready"), "wait");
        assert_eq!(condition(&object, "Drifted"), "");
        assert_eq!(condition(&serde_json::json!({}), "Ready"), "");
    }
}
