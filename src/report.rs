//! Writes what a pass found: status by server-side apply under one field manager, Events on transitions.

use k8s_openapi::jiff::Timestamp;
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
    core::error_boundary::InvalidObject,
    runtime::events::{Event, EventType, Recorder},
};
use serde_json::json;

use crate::{
    conditions::{self, Telling},
    context::Context,
    error::{Class, Failure},
    kind::Kind,
    status::Status,
};

/// Field manager of everything that the operator writes.
pub const MANAGER: &str = "showcore-operator";

/// Writes the status if it differs from the one the object has, and tells the Events between them.
///
/// It is written onto the version of the object that it was made from. What a status records is not in AWS (what is ours, how a
/// store that is gone was encrypted), so one that was made from an older status must not take the place of a newer: after
/// a restart, the first lists and events may be old. If only the rest of the object changed meanwhile, it is written all the
/// same; but with `intention` (rule 4) a conflict always means that our view was stale.
pub async fn status<K: Kind>(cx: &Context, object: K, status: Status, intention: bool) -> Result<K, Failure> {
    let before = object.status();
    if *before == status && !intention {
        return Ok(object);
    }
    let written = match put_status(cx, &object, &status).await {
        Err(kube::Error::Api(refused)) if refused.is_conflict() && !intention => {
            match api::<K>(cx, &object).get_opt(&object.name_any()).await {
                // The uid: never onto an object that was made again under the same name.
                Ok(Some(fresh)) if fresh.uid() == object.uid() && fresh.status() == before => {
                    put_status(cx, &fresh, &status).await
                }
                Ok(_) => Err(kube::Error::Api(refused)),
                Err(error) => Err(error),
            }
        }
        result => result,
    };
    let written = written.map_err(|error| Failure::kubernetes("kubernetes:PatchStatus", &error))?;
    remember(cx, &written);
    cx.metrics.drift(K::KIND, before, written.status());
    for telling in conditions::events(before, written.status()) {
        tell(cx, &written, &telling).await;
    }
    Ok(written)
}

/// Writes the status onto this very version of the object.
async fn put_status<K: Kind>(cx: &Context, object: &K, status: &Status) -> kube::Result<K> {
    let metadata = json!({
        "name": object.name_any(),
        "namespace": object.namespace(),
        "uid": object.uid(),
        "resourceVersion": object.resource_version(),
    });
    let body = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": metadata,
        "status": status,
    });
    api::<K>(cx, object)
        .patch_status(&object.name_any(), &PatchParams::apply(MANAGER).force(), &Patch::Apply(body))
        .await
}

/// Writes finalizers and annotations, onto the very version of the object that was read.
pub async fn metadata<K: Kind>(cx: &Context, object: &K, mut change: serde_json::Value) -> Result<K, Failure> {
    change["resourceVersion"] = json!(object.resource_version());
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let written = api::<K>(cx, object)
        .patch(&object.name_any(), &params, &Patch::Merge(json!({ "metadata": change })))
        .await
        .map_err(|error| Failure::kubernetes("kubernetes:PatchMetadata", &error))?;
    remember(cx, &written);
    Ok(written)
}

/// Tells one Event. A lost Event is not worth a failed pass.
pub async fn tell<K: Kind>(cx: &Context, object: &K, telling: &Telling) {
    const MAX_NOTE: usize = 1000;
    let event = Event {
        type_: if telling.warning { EventType::Warning } else { EventType::Normal },
        reason: telling.reason.clone(),
        note: Some(telling.note.chars().take(MAX_NOTE).collect()),
        action: "Reconcile".to_owned(),
        secondary: None,
    };
    // A recorder counts a second Event of the same reason under the first one's text, which would be the wrong one: so
    // each has its own. We tell transitions only, so there is nothing to count.
    let recorder = Recorder::new(cx.client.clone(), cx.reporter.clone());
    if let Err(error) = recorder.publish(&event, &object.object_ref(&())).await {
        tracing::warn!(%error, reason = telling.reason, "an Event was not written");
    }
}

/// The API of the object's namespace.
pub fn api<K: Kind>(cx: &Context, object: &K) -> Api<K> {
    Api::namespaced(cx.client.clone(), &object.namespace().unwrap_or_default())
}

/// The status when nothing could be seen.
pub async fn blind<K: Kind>(cx: &Context, object: K, failure: &Failure, now: Timestamp) -> Result<K, Failure> {
    let generation = object.meta().generation.unwrap_or_default();
    let next = conditions::blind(object.status(), failure, generation, now);
    status(cx, object, next, false).await
}

/// The status of an object that cannot be read as its kind: its conditions say so, and the rest of it is left as it is.
pub async fn unreadable<K: Kind>(cx: &Context, invalid: &InvalidObject, now: Timestamp) -> Result<(), Failure> {
    let metadata = &invalid.metadata;
    let (namespace, name) = (metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default());
    let api: Api<DynamicObject> = Api::namespaced_with(cx.client.clone(), &namespace, &ApiResource::erase::<K>(&()));
    let stored = api.get(&name).await.map_err(|error| Failure::kubernetes("kubernetes:Get", &error))?;
    // serde names the field and what it found there; a spec and a status hold no secret.
    let why = match serde_path_to_error::deserialize::<_, K>(json!(stored)) {
        Err(error) => error.to_string(),
        Ok(_) => invalid.error.clone(),
    };
    let message = format!(
        "this object was stored in a form that the operator does not know, and nothing is done about it: {why}. Apply it again \
         in the form of the CRD, or bring CRD and operator to the same version"
    );
    let failure = Failure::own("kubernetes:Get", Class::Stalled, "Unreadable", message);
    let before = &stored.data["status"];
    let known = Status {
        conditions: serde_json::from_value(before["conditions"].clone()).unwrap_or_default(),
        ..Status::none().clone()
    };
    let generation = metadata.generation.unwrap_or_default();
    let told = conditions::blind(&known, &failure, generation, now);
    let mut status = before.as_object().cloned().unwrap_or_default();
    status.insert("observedGeneration".into(), json!(generation));
    status.insert("conditions".into(), json!(told.conditions));
    if *before == json!(status) {
        return Ok(());
    }
    let body = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": metadata.uid,
            "resourceVersion": metadata.resource_version,
        },
        "status": status,
    });
    api.patch_status(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(body))
        .await
        .map_err(|error| Failure::kubernetes("kubernetes:PatchStatus", &error))?;
    Ok(())
}

fn remember<K: Kind>(cx: &Context, written: &K) {
    cx.memory.wrote(&written.uid().unwrap_or_default(), written.resource_version().as_deref());
}
