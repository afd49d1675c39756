//! The only list of kinds.

use std::{
    convert::Infallible,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
};

use futures::{FutureExt, StreamExt, future::BoxFuture};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, CustomResourceExt, Resource, ResourceExt,
    core::DeserializeGuard,
    runtime::{
        Controller, WatchStreamExt,
        controller::Action,
        predicates,
        reflector::{self, ObjectRef, Store},
        utils::Predicate,
        watcher,
    },
};
use tokio_util::sync::CancellationToken;

use crate::{
    bucket::ShowCoreBucket, cache::ShowCoreCache, context::Context, database::ShowCoreDatabase, field::Row, kind::Kind,
    metrics::census, ownership::PIN_ANNOTATION, passes::Passes, reconcile::reconcile,
};

macro_rules! kinds {
    ($($kind:ty),+ $(,)?) => {
        /// The CRDs, as they are installed.
        pub fn crds() -> Vec<CustomResourceDefinition> {
            vec![$(crd::<$kind>()),+]
        }

        /// The CRDs and their field tables.
        pub fn tables() -> Vec<(CustomResourceDefinition, &'static [&'static Row])> {
            vec![$((crd::<$kind>(), <$kind as Kind>::FIELDS)),+]
        }

        /// The controllers.
        pub fn controllers(cx: &Arc<Context>, stop: &CancellationToken) -> Vec<Control> {
            vec![$(control::<$kind>(cx.clone(), stop.clone())),+]
        }
    };
}

kinds![ShowCoreDatabase, ShowCoreCache, ShowCoreBucket];

/// The CRD of a kind. Its status begins with `observedGeneration: -1`, so that nothing counts as ready before it was
/// looked at (kstatus).
fn crd<K: CustomResourceExt>() -> CustomResourceDefinition {
    let mut crd = K::crd();
    for version in &mut crd.spec.versions {
        let status = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut())
            .and_then(|schema| schema.properties.as_mut())
            .and_then(|properties| properties.get_mut("status"));
        if let Some(status) = status {
            status.default = Some(k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSON(
                serde_json::json!({ "observedGeneration": -1 }),
            ));
        }
    }
    crd
}

/// A controller.
pub struct Control {
    /// Runs until it is stopped; passes that have begun are finished first.
    pub run: BoxFuture<'static, ()>,
    /// Ends when the objects that are there have been listed.
    pub listed: BoxFuture<'static, ()>,
    /// Its passes: which run, and which wait.
    pub passes: Arc<Passes>,
}

fn control<K: Kind>(cx: Arc<Context>, stop: CancellationToken) -> Control {
    let api: Api<DeserializeGuard<K>> = match &cx.namespace {
        Some(namespace) => Api::namespaced(cx.client.clone(), namespace),
        None => Api::all(cx.client.clone()),
    };
    let (reader, writer) = reflector::store();
    // What wakes an object: its spec, its deletion, its annotations. Not its status, pin and finalizer: those are ours,
    // and a look for their sake would cost as much as any other. A finalizer that somebody took off comes back with the
    // next look.
    let wakes = predicates::generation.combine(annotations).combine(deletion);
    let stream = watcher(api, watcher::Config::default())
        .default_backoff()
        // Who set which field is of no use here, and is most of an object's memory.
        .modify(|object| object.managed_fields_mut().clear())
        .reflect(writer)
        .applied_objects()
        .predicate_filter(wakes, kube::runtime::PredicateConfig::default());
    let passes = Arc::new(Passes::new(K::KIND, cx.metrics.clone(), stop.clone()));
    let (listed, counted, newest, turns) = (reader.clone(), reader.clone(), reader.clone(), passes.clone());
    cx.metrics.count_objects(K::KIND, move || {
        let objects = counted.state();
        census(objects.iter().map(|object| object.0.as_ref().ok().map(Kind::status)))
    });
    // The controller lets every object that is due begin; each then waits for its turn.
    let run = Controller::for_stream(stream, reader)
        .graceful_shutdown_on(async move { stop.cancelled().await })
        .run(
            move |object, cx| in_turn::<K>(object, cx, newest.clone(), turns.clone()),
            |_, never, _| match *never {},
            cx,
        )
        .for_each(|result| async move {
            if let Err(error) = result {
                tracing::warn!(kind = K::KIND, %error, "the watch had a failure; it begins again");
            }
        });
    let listed = async move {
        // It fails when the writer is gone: the operator is stopping.
        let _ = listed.wait_until_ready().await;
    };
    Control { run: run.boxed(), listed: listed.boxed(), passes }
}

/// One pass of this object when its turn comes, with the object as it is then.
async fn in_turn<K: Kind>(
    object: Arc<DeserializeGuard<K>>,
    cx: Arc<Context>,
    objects: Store<DeserializeGuard<K>>,
    turns: Arc<Passes>,
) -> Result<Action, Infallible> {
    let reference = ObjectRef::from_obj(&*object);
    let name = format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any());
    let failing = cx.memory.failures(&object.uid().unwrap_or_default()) > 0;
    drop(object);
    let pass = async || match objects.get(&reference) {
        Some(object) => reconcile(object, cx).await,
        None => Ok(Action::await_change()),
    };
    turns.run(&name, failing, pass).await.unwrap_or_else(|| Ok(Action::await_change()))
}

#[expect(clippy::unnecessary_wraps, reason = "the form that kube's predicates have")]
fn annotations<K: Resource>(object: &K) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    for annotation in object.meta().annotations.iter().flatten().filter(|(name, _)| *name != PIN_ANNOTATION) {
        annotation.hash(&mut hasher);
    }
    Some(hasher.finish())
}

#[expect(clippy::unnecessary_wraps, reason = "the form that kube's predicates have")]
fn deletion<K: Resource>(object: &K) -> Option<u64> {
    Some(u64::from(object.meta().deletion_timestamp.is_some()))
}
