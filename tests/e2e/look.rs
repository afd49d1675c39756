//! How tests read an object.

use serde_json::Value;

/// The status of a condition: `True`, `False`, `Unknown`, or nothing.
pub fn condition<'a>(object: &'a Value, type_: &str) -> Option<&'a str> {
    find(object, type_)?["status"].as_str()
}

/// The reason of a condition.
pub fn reason<'a>(object: &'a Value, type_: &str) -> Option<&'a str> {
    find(object, type_)?["reason"].as_str()
}

/// The message of a condition; empty if there is no such condition.
pub fn message<'a>(object: &'a Value, type_: &str) -> &'a str {
    find(object, type_).and_then(|condition| condition["message"].as_str()).unwrap_or_default()
}

/// Ready, in sync, nothing under way, and this generation looked at.
pub fn settled(object: &Value) -> bool {
    condition(object, "Ready") == Some("True")
        && condition(object, "Drifted") == Some("False")
        && find(object, "Reconciling").is_none()
        && object["status"]["observedGeneration"] == object["metadata"]["generation"]
}

/// The row of `status.drift` about a field.
pub fn drift<'a>(object: &'a Value, field: &str) -> Option<&'a Value> {
    object["status"]["drift"].as_array()?.iter().find(|row| row["field"] == field)
}

/// The newest row of `status.lastDrift` about a field.
pub fn last_drift<'a>(object: &'a Value, field: &str) -> Option<&'a Value> {
    object["status"]["lastDrift"].as_array()?.iter().find(|row| row["field"] == field)
}

/// An object's resourceVersion.
pub fn version(object: &Value) -> &str {
    object["metadata"]["resourceVersion"].as_str().unwrap_or_default()
}

fn find<'a>(object: &'a Value, type_: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == type_)
}
