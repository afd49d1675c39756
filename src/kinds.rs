//! The only list of kinds.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
};

use futures::{FutureExt, StreamExt, future::BoxFuture};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, CustomResourceExt, Resource,
    core::DeserializeGuard,
    runtime::{Controller, WatchStreamExt, controller, predicates, reflector, utils::Predicate, watcher},
};
use tokio_util::sync::CancellationToken;

use crate::{
    bucket::ShowCoreBucket, cache::ShowCoreCache, context::Context, database::ShowCoreDatabase, field::Row, kind::Kind,
    ownership::PIN_ANNOTATION, reconcile::reconcile,
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

/// Passes of one kind that run at once.
const CONCURRENCY: u16 = 16;

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
}

fn control<K: Kind>(cx: Arc<Context>, stop: CancellationToken) -> Control {
    let api: Api<DeserializeGuard<K>> = match &cx.namespace {
        Some(namespace) => Api::namespaced(cx.client.clone(), namespace),
        None => Api::all(cx.client.clone()),
    };
    let (reader, writer) = reflector::store();
    // What wakes an object: its spec, its deletion, its finalizers, its annotations. Not its status and pin: those are
    // ours, and a look for their sake would cost as much as any other.
    let wakes = predicates::generation.combine(predicates::finalizers).combine(annotations).combine(deletion);
    let stream = watcher(api, watcher::Config::default())
        .default_backoff()
        .reflect(writer)
        .applied_objects()
        .predicate_filter(wakes, kube::runtime::PredicateConfig::default());
    let listed = reader.clone();
    let run = Controller::for_stream(stream, reader)
        .with_config(controller::Config::default().concurrency(CONCURRENCY))
        .graceful_shutdown_on(async move { stop.cancelled().await })
        .run(reconcile::<K>, |_, never, _| match *never {}, cx)
        .for_each(|result| async move {
            if let Err(error) = result {
                tracing::warn!(kind = K::KIND, %error, "the watch had a failure; it begins again");
            }
        });
    let listed = async move {
        // It fails when the writer is gone: the operator is stopping.
        let _ = listed.wait_until_ready().await;
    };
    Control { run: run.boxed(), listed: listed.boxed() }
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
