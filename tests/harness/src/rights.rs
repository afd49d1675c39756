//! What the chart's roles allow the operator, and what it asked of the API server.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::error::{Error, Result};

/// One thing that may be asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// In every namespace and outside of all; otherwise in the operator's own.
    pub everywhere: bool,
    /// What is done: `get`, `patch`, …
    pub verb: String,
    /// The API group; empty for Kubernetes' core.
    pub group: String,
    /// The resource, with its subresource: `showcorebuckets/status`.
    pub resource: String,
    /// The only object's name; nothing for any.
    pub name: Option<String>,
}

impl Right {
    /// Whether this right allows that request of an audit log, made by an operator in this namespace.
    fn allows(&self, request: &Value, namespace: &str) -> bool {
        let text = |field: &str| request["objectRef"][field].as_str().unwrap_or_default();
        let resource = [text("resource"), text("subresource")].join("/");
        (self.everywhere || text("namespace") == namespace)
            && request["verb"] == self.verb.as_str()
            && text("apiGroup") == self.group
            && resource.trim_end_matches('/') == self.resource
            && self.name.as_ref().is_none_or(|name| name == text("name"))
    }
}

/// What the roles among these manifests allow the operator's service account.
pub fn allowed(manifests: &str) -> Result<BTreeSet<Right>> {
    let objects: Vec<Value> = serde_saphyr::from_multiple(manifests)
        .map_err(|error| Error::Other(format!("the release's manifests cannot be read: {error}")))?;
    // The ones that add to view and edit are other people's.
    let roles = objects.iter().filter(|role| !role["metadata"]["labels"].to_string().contains("aggregate-to"));
    let mut rights = BTreeSet::new();
    for role in roles {
        let everywhere = match role["kind"].as_str() {
            Some("ClusterRole") => true,
            Some("Role") => false,
            _ => continue,
        };
        for rule in role["rules"].as_array().into_iter().flatten() {
            let list = |field: &str| rule[field].as_array().into_iter().flatten().filter_map(Value::as_str);
            let mut names: Vec<_> = list("resourceNames").map(|name| Some(name.to_owned())).collect();
            if names.is_empty() {
                names.push(None);
            }
            for (group, resource) in list("apiGroups").flat_map(|group| list("resources").map(move |one| (group, one)))
            {
                for (verb, name) in list("verbs").flat_map(|verb| names.iter().map(move |name| (verb, name))) {
                    rights.insert(Right {
                        everywhere,
                        verb: verb.to_owned(),
                        group: group.to_owned(),
                        resource: resource.to_owned(),
                        name: name.clone(),
                    });
                }
            }
        }
    }
    Ok(rights)
}

/// With which of these rights the operators of this `ServiceAccount` got what they asked for, each in its own namespace. An error
/// names the first request that none of them allows, or that the API server denied.
pub fn used(log: &[Value], account: &str, allowed: &BTreeSet<Right>) -> Result<BTreeSet<Right>> {
    let mut used = BTreeSet::new();
    for request in log {
        let asking = request["user"]["username"].as_str().unwrap_or_default();
        let asking = asking.strip_prefix("system:serviceaccount:").and_then(|asking| asking.split_once(':'));
        let Some((namespace, name)) = asking else { continue };
        // What everybody may ask, such as the server's version, names no object.
        if name != account || request["objectRef"]["resource"].is_null() {
            continue;
        }
        let right = allowed
            .iter()
            .find(|right| right.allows(request, namespace))
            .ok_or_else(|| Error::Other(format!("no right of the chart allows it: {request:#}")))?;
        if request["annotations"]["authorization.k8s.io/decision"] != "allow" {
            return Err(Error::Other(format!("denied, though a right of the chart allows it: {request:#}")));
        }
        used.insert(right.clone());
    }
    Ok(used)
}
