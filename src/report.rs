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
    let written = put_status(&api::<K>(cx, &object), &object, &status, intention).await;
    let written = remembered(cx, &object, written).await?;
    cx.metrics.drift(K::KIND, before, written.status());
    tell_transitions(cx, before, &written).await;
    Ok(written)
}

/// Writes into the status that this was done, whatever else was written into it meanwhile: nothing but the status knows it.
pub async fn record<K: Kind>(cx: &Context, object: K, field: String, value: String) -> Result<K, Failure> {
    let written = put_record(&api::<K>(cx, &object), &object, (field, value)).await;
    let written = remembered(cx, &object, written).await?;
    // Whatever else was written meanwhile was told by who wrote it.
    let before = Status { applied: object.status().applied.clone(), ..written.status().clone() };
    tell_transitions(cx, &before, &written).await;
    Ok(written)
}

/// The Events between this status and the object's.
async fn tell_transitions<K: Kind>(cx: &Context, before: &Status, object: &K) {
    for telling in conditions::events(before, object.status()) {
        tell(cx, object, &telling).await;
    }
}

/// How often a record is tried to be written onto the newest version.
const TRIES: usize = 5;

async fn put_record<K: Kind>(api: &Api<K>, object: &K, (field, value): (String, String)) -> kube::Result<K> {
    let mut version = object.clone();
    let mut tries = 1;
    loop {
        let mut status = version.status().clone();
        status.applied.get_or_insert_default().insert(field.clone(), value.clone());
        let refused = match put_status_onto(api, &version, &status).await {
            Err(kube::Error::Api(refused)) if refused.is_conflict() && tries < TRIES => refused,
            result => return result,
        };
        tries += 1;
        version = newest(api, object).await?.ok_or(kube::Error::Api(refused))?;
    }
}

/// Writes it onto the version of the object that it was made from, or onto a newer one that has the same status.
async fn put_status<K: Kind>(api: &Api<K>, object: &K, status: &Status, intention: bool) -> kube::Result<K> {
    let refused = match put_status_onto(api, object, status).await {
        Err(kube::Error::Api(refused)) if refused.is_conflict() && !intention => refused,
        result => return result,
    };
    match newest(api, object).await? {
        Some(fresh) if fresh.status() == object.status() => put_status_onto(api, &fresh, status).await,
        _ => Err(kube::Error::Api(refused)),
    }
}

/// The object as it is now: never one that was made again under the same name.
async fn newest<K: Kind>(api: &Api<K>, object: &K) -> kube::Result<Option<K>> {
    Ok(api.get_opt(&object.name_any()).await?.filter(|fresh| fresh.uid() == object.uid()))
}

async fn put_status_onto<K: Kind>(api: &Api<K>, version: &K, status: &Status) -> kube::Result<K> {
    let body = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": {
            "name": version.name_any(),
            "namespace": version.namespace(),
            "uid": version.uid(),
            "resourceVersion": version.resource_version(),
        },
        "status": status,
    });
    api.patch_status(&version.name_any(), &PatchParams::apply(MANAGER).force(), &Patch::Apply(body)).await
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
            "resourceVersion": stored.metadata.resource_version,
        },
        "status": status,
    });
    api.patch_status(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(body))
        .await
        .map_err(|error| Failure::kubernetes("kubernetes:PatchStatus", &error))?;
    Ok(())
}

/// After a conflict, the next pass must not begin with the same old version: a watch may be late, or silent.
async fn remembered<K: Kind>(cx: &Context, object: &K, written: kube::Result<K>) -> Result<K, Failure> {
    match &written {
        Ok(written) => remember(cx, written),
        Err(kube::Error::Api(refused)) if refused.is_conflict() => {
            if let Ok(Some(fresh)) = newest(&api::<K>(cx, object), object).await {
                remember(cx, &fresh);
            }
        }
        Err(_) => {}
    }
    written.map_err(|error| Failure::kubernetes("kubernetes:PatchStatus", &error))
}

fn remember<K: Kind>(cx: &Context, written: &K) {
    cx.memory.wrote(&written.uid().unwrap_or_default(), written.resource_version().as_deref());
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http::{Method, Request, Response, StatusCode};
    use http_body_util::BodyExt;
    use kube::{Client, client::Body};
    use serde_json::Value;

    use super::*;
    use crate::bucket::ShowCoreBucket;

    fn object(version: &str, uid: &str, id: Option<&str>) -> Value {
        json!({
            "apiVersion": "showcore.io/v1alpha1",
            "kind": "ShowCoreBucket",
            "metadata": { "name": "shop", "namespace": "web", "uid": uid, "resourceVersion": version },
            "spec": { "bucketName": "shop", "purpose": "Backups" },
            "status": { "observedGeneration": 1, "conditions": [], "applied": id.map(|id| json!({ "tags.team": id })) },
        })
    }

    /// An API server that holds this object. It keeps the versions onto which a status was written.
    fn server(stored: Value) -> (Api<ShowCoreBucket>, Arc<Mutex<Vec<Value>>>) {
        let written = Arc::<Mutex<Vec<Value>>>::default();
        let kept = written.clone();
        let answer = tower::service_fn(move |request: Request<Body>| {
            let (stored, kept) = (stored.clone(), kept.clone());
            async move {
                let (head, body) = request.into_parts();
                let mut status = StatusCode::OK;
                let mut answer = stored.clone();
                if head.method == Method::PATCH {
                    let body = body.collect().await?.to_bytes();
                    let version = serde_json::from_slice::<Value>(&body)?["metadata"]["resourceVersion"].clone();
                    if version == stored["metadata"]["resourceVersion"] {
                        kept.lock().unwrap().push(version);
                    } else {
                        status = StatusCode::CONFLICT;
                        answer = json!({ "kind": "Status", "status": "Failure", "reason": "Conflict", "code": 409 });
                    }
                }
                let mut response = Response::new(Body::from(answer.to_string().into_bytes()));
                *response.status_mut() = status;
                Ok::<_, tower::BoxError>(response)
            }
        });
        (Api::namespaced(Client::new(answer, "web"), "web"), written)
    }

    #[tokio::test]
    async fn rule_04_a_status_made_from_an_old_one_does_not_take_the_place_of_a_newer() {
        let old: ShowCoreBucket = serde_json::from_value(object("3", "u", None)).unwrap();
        let next = Status { observed_generation: 2, ..old.status().clone() };
        for (name, stored, intention, onto) in [
            ("the very version", object("3", "u", None), false, Some("3")),
            ("only the rest has changed", object("7", "u", None), false, Some("7")),
            ("the rest has changed, and it says what will be done", object("7", "u", None), true, None),
            ("its status has changed", object("7", "u", Some("core")), false, None),
            ("it was made again", object("7", "another", None), false, None),
        ] {
            let (api, written) = server(stored);
            let result = put_status(&api, &old, &next, intention).await;
            let onto: Vec<Value> = onto.into_iter().map(Value::from).collect();
            assert_eq!(*written.lock().unwrap(), onto, "{name}");
            let conflict = |error: kube::Error| matches!(error, kube::Error::Api(status) if status.is_conflict());
            assert_eq!(result.err().is_some_and(conflict), onto.is_empty(), "{name}");
        }
        // What was done is written down in any case, but not into an object that was made again.
        for (uid, onto) in [("u", vec!["7"]), ("another", vec![])] {
            let (api, written) = server(object("7", uid, Some("core")));
            let result = put_record(&api, &old, ("credentials".into(), "s1".into())).await;
            assert_eq!(*written.lock().unwrap(), onto, "{uid}");
            assert_eq!(result.is_ok(), !onto.is_empty(), "{uid}");
        }
    }
}
