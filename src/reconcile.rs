//! The pipeline: observe → decide → act → report, the same for every kind, deletion included.
//!
//! ```text
//! object ─► observe ─► decide ─► report (told before it is done) ─► act ─► observe ─► …
//!           AWS, Secret  pure     status, Events                    one step of the plan at a time
//! ```

use std::{borrow::Cow, collections::BTreeMap, convert::Infallible, fmt::Debug, sync::Arc};

use k8s_openapi::{
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    jiff::{SignedDuration, Timestamp},
};
use kube::{
    Api, CustomResourceExt, Resource, ResourceExt,
    core::{DeserializeGuard, NamespaceResourceScope},
    runtime::controller::Action,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use tracing::Instrument;

use crate::{
    aws::Clients,
    backoff::jitter,
    conditions::{self, Telling, whole_seconds},
    context::Context,
    decision::{Decision, Finalizer, LookAgain, Presence, Step, Wanted},
    error::{Class, Failure},
    ownership::{Owner, PIN_ANNOTATION, Pin, Place},
    report,
    spec::{DeletionPolicy, DriftPolicy},
    status::Status,
};

/// Keeps the object until AWS no longer has its resource.
pub const FINALIZER: &str = "showcore.io/finalizer";
/// Stops every AWS write while it is `"true"`.
pub const PAUSED_ANNOTATION: &str = "showcore.io/paused";
/// Most looks of one pass; what is still to do then is done by the next.
const MAX_ROUNDS: usize = 6;

/// A kind of store: its CRD type, and the four steps.
pub trait Kind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + CustomResourceExt
    + Clone
    + Debug
    + DeserializeOwned
    + Serialize
    + Send
    + Sync
    + 'static
{
    /// `ShowCoreBucket` and the like.
    const KIND: &'static str;
    /// The spec.
    type Spec: Send + Sync;
    /// What one look gathers.
    type Seen: Send + Sync;
    /// One mutation, as data.
    type Step: Step;

    /// The spec.
    fn spec(&self) -> &Self::Spec;
    /// The status as last written.
    fn status(&self) -> &Status;
    /// Region of the spec.
    fn region(&self) -> Option<&str>;
    /// Drift policy of the spec.
    fn drift_policy(&self) -> DriftPolicy;
    /// Deletion policy of the spec.
    fn deletion_policy(&self) -> DeletionPolicy;
    /// The resource's name in AWS.
    fn identifier(&self, place: &Place) -> String;

    /// Gathers all that a decision needs.
    fn observe(&self, look: &Look<'_>) -> impl Future<Output = Result<Self::Seen, Failure>> + Send;
    /// Decides. Pure: no I/O, no clock, no randomness.
    fn decide(wanted: &Wanted<'_, Self::Spec>, seen: &Self::Seen, now: Timestamp) -> Decision<Self::Step>;
    /// Performs one step, idempotently.
    fn act(&self, order: &Order<Self::Step>, look: &Look<'_>) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// What `observe` and `act` work with.
pub struct Look<'a> {
    /// Clients, clock, settings.
    pub cx: &'a Context,
    /// AWS clients of the object's region.
    pub aws: Clients,
    /// Where the operator acts.
    pub place: Place,
    /// The resource's name in AWS.
    pub identifier: String,
    /// Whom its tags must name.
    pub owner: Owner,
    /// Whether the object is being deleted.
    pub deleting: bool,
}

impl Look<'_> {
    /// Sends an AWS call: counted, and its error classified.
    pub async fn send<T, E>(
        &self,
        call: &str,
        future: impl Future<
            Output = Result<
                T,
                aws_smithy_runtime_api::client::result::SdkError<
                    E,
                    aws_smithy_runtime_api::client::orchestrator::HttpResponse,
                >,
            >,
        >,
    ) -> Result<T, Failure>
    where
        E: aws_smithy_types::error::metadata::ProvideErrorMetadata + Debug,
    {
        crate::aws::send(call, &self.cx.metrics, future).await
    }
}

/// A step of a decision that was made on a fresh look (rule 5). Only [`Fresh::orders`] makes one, and `act` takes
/// nothing else.
#[derive(Debug)]
pub struct Order<S>(S);

impl<S> Order<S> {
    /// The step.
    pub fn step(&self) -> &S {
        &self.0
    }
}

/// A decision made on a fresh look: [`decide`] reads AWS itself, just before.
struct Fresh<S>(Decision<S>);

impl<S: Step> Fresh<S> {
    fn orders(&self) -> Vec<Order<S>> {
        self.0.steps.iter().cloned().map(Order).collect()
    }
}

/// One pass of one object, as the controller calls it. Failures are told in the status and come back by themselves.
pub async fn reconcile<K: Kind>(object: Arc<DeserializeGuard<K>>, cx: Arc<Context>) -> Result<Action, Infallible> {
    let object = match &object.0 {
        Ok(object) => object.clone(),
        Err(invalid) => {
            // Another version's object, or one stored under an older schema. It stalls alone.
            tracing::error!(kind = K::KIND, name = invalid.metadata.name, error = invalid.error, "a stored object cannot be read");
            cx.metrics.pass(K::KIND, "unreadable");
            return Ok(Action::requeue(jitter(cx.timing.backoff_max)));
        }
    };
    let uid = object.uid().unwrap_or_default();
    let (namespace, object_name) = (object.namespace().unwrap_or_default(), object.name_any());
    let span = tracing::info_span!("pass", kind = K::KIND, namespace, object = object_name);
    let result = tokio::time::timeout(cx.timing.pass, pass(&cx, object)).instrument(span.clone()).await;
    let _entered = span.enter();
    let (outcome, delay) = match result {
        Ok(Ok(Some(look))) => {
            cx.memory.succeeded(&uid);
            ("done", cx.timing.until(look))
        }
        Ok(Ok(None)) => {
            cx.memory.forget(&uid);
            cx.metrics.pass(K::KIND, "gone");
            return Ok(Action::await_change());
        }
        Ok(Err(failure)) if failure.class == Class::Wait => ("waiting", cx.timing.until(LookAgain::Soon)),
        Ok(Err(failure)) => {
            tracing::warn!(reason = failure.reason, code = failure.code, "{failure}");
            let delay = cx.memory.failed(&uid, cx.timing.backoff_min, cx.timing.backoff_max);
            (if failure.class == Class::Stalled { "stalled" } else { "failed" }, delay)
        }
        Err(_) => {
            tracing::warn!("the pass took longer than {:?} and was given up", cx.timing.pass);
            ("timeout", cx.memory.failed(&uid, cx.timing.backoff_min, cx.timing.backoff_max))
        }
    };
    cx.metrics.pass(K::KIND, outcome);
    Ok(Action::requeue(jitter(delay)))
}

/// `None` when the object needs no further looks.
async fn pass<K: Kind>(cx: &Context, object: K) -> Result<Option<LookAgain>, Failure> {
    let Some(object) = newest(cx, object).await? else { return Ok(None) };
    let deleting = object.meta().deletion_timestamp.is_some();
    if deleting && !object.finalizers().iter().any(|finalizer| finalizer == FINALIZER) {
        return Ok(None);
    }
    let look = match look(cx, &object, deleting).await {
        Ok(look) => look,
        Err(failure) => return Err(tell_blind(cx, object, failure).await),
    };
    let mut object = if deleting { object } else { pinned(&look, object).await? };
    let mut settled = BTreeMap::new();
    let mut done: Vec<K::Step> = Vec::new();
    for _ in 0..MAX_ROUNDS {
        let (decision, now) = match decide(&look, &object, &settled).await {
            Ok(decided) => decided,
            Err(failure) => return Err(tell_blind(cx, object, failure).await),
        };
        if decision.0.finalizer == Finalizer::Release {
            release(cx, &object, &decision.0).await?;
            return Ok(None);
        }
        object = tell(cx, object, &decision.0, now).await?;
        object = pin_id(cx, object, decision.0.facts.id.as_deref()).await?;
        let orders = decision.orders();
        if orders.is_empty() {
            return Ok(Some(decision.0.look_again));
        }
        if orders.iter().any(|order| done.contains(order.step())) {
            // AWS accepted it and does not show it yet: it is not sent again at once.
            return Ok(Some(LookAgain::Soon));
        }
        for order in orders {
            if let Err(failure) = carry_out(&look, &object, &order).await {
                tell(cx, object, &decision.0.failed(&failure), now).await?;
                return Err(failure);
            }
            settled.extend(order.step().settles());
            done.push(order.0);
        }
    }
    Ok(Some(LookAgain::Soon))
}

/// The cached object, or a fresh one if the cache is behind what we wrote ourselves.
async fn newest<K: Kind>(cx: &Context, object: K) -> Result<Option<K>, Failure> {
    if !cx.memory.is_stale(&object.uid().unwrap_or_default(), object.resource_version().as_deref()) {
        return Ok(Some(object));
    }
    let fresh = report::api::<K>(cx, &object)
        .get_opt(&object.name_any())
        .await
        .map_err(|error| Failure::kubernetes("kubernetes:Get", &error))?;
    Ok(fresh.filter(|fresh| fresh.uid() == object.uid()))
}

async fn look<'a, K: Kind>(cx: &'a Context, object: &K, deleting: bool) -> Result<Look<'a>, Failure> {
    let region = object.region().or(cx.aws.default_region()).ok_or_else(|| {
        let message = "no region is known: set spec.region, or give the operator --region or AWS_REGION";
        Failure::own("region", Class::Stalled, "NoRegion", message)
    })?;
    let place = cx.aws.place(region, &cx.metrics).await?;
    let owner = Owner {
        cluster: cx.cluster_id.clone(),
        object: format!("{}/{}/{}", K::KIND, object.namespace().unwrap_or_default(), object.name_any()),
        uid: object.uid().unwrap_or_default(),
    };
    let identifier = object.identifier(&place);
    Ok(Look { cx, aws: cx.aws.clients(region), place, identifier, owner, deleting })
}

/// The finalizer and the intention are on the object before anything is made in AWS.
async fn pinned<K: Kind>(look: &Look<'_>, object: K) -> Result<K, Failure> {
    let mut change = json!({});
    if !object.finalizers().iter().any(|finalizer| finalizer == FINALIZER) {
        let finalizers: Vec<_> = object.finalizers().iter().cloned().chain([FINALIZER.to_owned()]).collect();
        change["finalizers"] = json!(finalizers);
    }
    if pin(&object).is_none() {
        let pin = Pin {
            account_id: look.place.account_id.clone(),
            region: look.place.region.clone(),
            identifier: look.identifier.clone(),
            id: None,
        };
        change["annotations"] = json!({ PIN_ANNOTATION: json!(pin).to_string() });
    }
    if change == json!({}) {
        return Ok(object);
    }
    report::metadata(look.cx, &object, change).await
}

/// Pins AWS's immutable id once the resource was seen. Written after the status, whose record of what was applied
/// would otherwise look lost.
async fn pin_id<K: Kind>(cx: &Context, object: K, id: Option<&str>) -> Result<K, Failure> {
    let (Some(id), Some(mut known)) = (id, pin(&object)) else { return Ok(object) };
    if known.id.is_some() || object.meta().deletion_timestamp.is_some() {
        return Ok(object);
    }
    known.id = Some(id.to_owned());
    report::metadata(cx, &object, json!({ "annotations": { PIN_ANNOTATION: json!(known).to_string() } })).await
}

fn pin<K: Kind>(object: &K) -> Option<Pin> {
    object.annotations().get(PIN_ANNOTATION).and_then(|text| serde_json::from_str(text).ok())
}

/// Looks, and decides on what was seen. `settled` is what this pass has applied and AWS never shows.
async fn decide<K: Kind>(
    look: &Look<'_>,
    object: &K,
    settled: &BTreeMap<String, String>,
) -> Result<(Fresh<K::Step>, Timestamp), Failure> {
    let presence = presence(look, object).await?;
    let seen = object.observe(look).await?;
    let now = whole_seconds(look.cx.clock.now().await?);
    let pin = pin(object);
    let mut status = Cow::Borrowed(object.status());
    if !settled.is_empty() {
        status.to_mut().applied.get_or_insert_default().extend(settled.clone());
    }
    let wanted = Wanted {
        spec: object.spec(),
        name: &object.name_any(),
        identifier: &look.identifier,
        presence,
        owner: &look.owner,
        place: &look.place,
        pin: pin.as_ref(),
        status: &status,
        drift_policy: object.drift_policy(),
        not_found_grace: SignedDuration::try_from(look.cx.timing.not_found_grace).unwrap_or(SignedDuration::MAX),
    };
    let decision = K::decide(&wanted, &seen, now);
    let paused = object.annotations().get(PAUSED_ANNOTATION).is_some_and(|value| value == "true");
    Ok((Fresh(if paused { decision.paused() } else { decision }), now))
}

/// While the CRD itself is being deleted, every object is treated as `Retain` (rule 2).
async fn presence<K: Kind>(look: &Look<'_>, object: &K) -> Result<Presence, Failure> {
    if !look.deleting {
        return Ok(Presence::Present);
    }
    let crds: Api<CustomResourceDefinition> = Api::all(look.cx.client.clone());
    let crd = crds
        .get_metadata_opt(K::crd_name())
        .await
        .map_err(|error| Failure::kubernetes("kubernetes:GetCustomResourceDefinition", &error))?;
    let stays = crd.is_some_and(|crd| crd.metadata.deletion_timestamp.is_none());
    Ok(Presence::Absent(if stays { object.deletion_policy() } else { DeletionPolicy::Retain }))
}

async fn tell<K: Kind>(cx: &Context, object: K, decision: &Decision<K::Step>, now: Timestamp) -> Result<K, Failure> {
    let generation = object.meta().generation.unwrap_or_default();
    let next = conditions::status(object.status(), decision, generation, now);
    report::status(cx, object, next, decision.steps.iter().any(Step::creates)).await
}

async fn tell_blind<K: Kind>(cx: &Context, object: K, failure: Failure) -> Failure {
    if let Ok(now) = cx.clock.now().await
        && let Err(second) = report::blind(cx, object, &failure, now).await
    {
        tracing::warn!(%second, "the status was not written");
    }
    failure
}

async fn carry_out<K: Kind>(look: &Look<'_>, object: &K, order: &Order<K::Step>) -> Result<(), Failure> {
    tracing::info!(call = order.step().call(), changes = order.step().changes().join(", "), "acting");
    object.act(order, look).await
}

async fn release<K: Kind>(cx: &Context, object: &K, decision: &Decision<K::Step>) -> Result<(), Failure> {
    if let crate::decision::Verdict::Working(why) = &decision.verdict {
        let telling = Telling { warning: false, reason: why.reason.to_owned(), note: why.message.clone() };
        report::tell(cx, object, &telling).await;
    }
    let finalizers: Vec<_> = object.finalizers().iter().filter(|finalizer| *finalizer != FINALIZER).collect();
    report::metadata(cx, object, json!({ "finalizers": finalizers })).await?;
    Ok(())
}
