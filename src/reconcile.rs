//! The pipeline: observe → decide → act → report, the same for every kind, deletion included.
//!
//! ```text
//! object ─► observe ─► decide ─► report (told before it is done) ─► act ─► observe ─► …
//!           AWS, Secret  pure     status, Events                    one step of the plan at a time
//! ```

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use k8s_openapi::{apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition, jiff::Timestamp};
use kube::{
    Api, ResourceExt,
    core::{DeserializeGuard, error_boundary::InvalidObject},
    runtime::controller::Action,
};
use serde_json::json;
use tracing::Instrument;

use crate::{
    aws::Trust,
    backoff::jitter,
    conditions::{self, Telling, whole_seconds},
    context::Context,
    decision::{Decision, Finalizer, LookAgain, Presence, Step, Verdict},
    error::{Class, Failure},
    kind::{Kind, Look, Order},
    ownership::{Owner, PIN_ANNOTATION, Pin},
    report,
    spec::DeletionPolicy,
};

/// Keeps the object until AWS no longer has its resource.
pub const FINALIZER: &str = "showcore.io/finalizer";
/// Stops every AWS write while it is `"true"`.
pub const PAUSED_ANNOTATION: &str = "showcore.io/paused";
/// A person's word, `"true"`, for a deletion that loses data, where the operator may not see whether the CRD goes too.
pub const CONFIRM_DELETE_ANNOTATION: &str = "showcore.io/confirm-delete";
/// Most looks of one pass; what is still to do then is done by the next.
const MAX_ROUNDS: usize = 6;

/// A decision made on a fresh look: [`decide`] reads AWS itself, just before, or AWS was read in this pass and nothing
/// was sent to it since. Only such a decision gives orders.
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
            let (namespace, name) = (invalid.metadata.namespace.as_deref(), invalid.metadata.name.as_deref());
            tracing::error!(
                kind = K::KIND,
                namespace,
                object = name,
                error = invalid.error,
                "a stored object cannot be read"
            );
            if let Err(failure) = tell_unreadable::<K>(&cx, invalid).await {
                tracing::warn!(reason = failure.reason, code = failure.code, "{failure}");
            }
            cx.metrics.pass(K::KIND, "unreadable");
            return Ok(Action::requeue(jitter(cx.timing.backoff_max)));
        }
    };
    let uid = object.uid().unwrap_or_default();
    let (namespace, object_name) = (object.namespace().unwrap_or_default(), object.name_any());
    let span = tracing::info_span!("pass", kind = K::KIND, namespace, object = object_name);
    let begun = Instant::now();
    let result = tokio::time::timeout(cx.timing.pass, pass(&cx, object)).instrument(span.clone()).await;
    cx.metrics.took(K::KIND, begun.elapsed());
    let _entered = span.enter();
    let (outcome, delay) = match result {
        Ok(Ok(None)) => {
            cx.memory.forget(&uid);
            cx.metrics.pass(K::KIND, "gone");
            return Ok(Action::await_change());
        }
        Ok(Ok(Some(look))) => {
            cx.memory.succeeded(&uid);
            ("done", cx.timing.until(look))
        }
        Ok(Err(failure)) if failure.class == Class::Wait => ("waiting", cx.timing.until(LookAgain::Soon)),
        Ok(Err(failure)) => {
            tracing::warn!(reason = failure.reason, code = failure.code, "{failure}");
            (if failure.class == Class::Stalled { "stalled" } else { "failed" }, backoff(&cx, &uid))
        }
        Err(_) => {
            tracing::warn!("the pass took longer than {:?} and was given up", cx.timing.pass);
            ("timeout", backoff(&cx, &uid))
        }
    };
    cx.metrics.pass(K::KIND, outcome);
    Ok(Action::requeue(jitter(delay)))
}

fn backoff(cx: &Context, uid: &str) -> Duration {
    cx.memory.failed(uid, cx.timing.backoff_min, cx.timing.backoff_max)
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
    let mut done: Vec<K::Step> = Vec::new();
    let mut still_holds = None;
    for _ in 0..MAX_ROUNDS {
        let (mut decision, seen, now) = match decide(&look, &object, still_holds.take()).await {
            Ok(decided) => decided,
            Err(failure) => return Err(tell_blind(cx, object, failure).await),
        };
        if decision.0.finalizer == Finalizer::Release {
            same_account(&look).await?;
            release(cx, &object, &decision.0).await?;
            return Ok(None);
        }
        let basis = Basis::of(&object);
        object = tell(cx, object, &decision.0, now).await?;
        object = pin_id(cx, object, decision.0.facts.id.as_deref()).await?;
        if Basis::of(&object) != basis {
            // Edited, paused or deleted since it was decided upon: what was decided is not done any more.
            return Ok(Some(LookAgain::Now));
        }
        let orders = decision.orders();
        if orders.is_empty() {
            return Ok(Some(decision.0.look_again));
        }
        still_holds = orders.iter().all(|order| !order.step().at_aws()).then_some(seen);
        for order in orders {
            if done.contains(order.step()) {
                let message = "AWS accepted it and does not show it yet; looking again before it is sent again";
                return Err(Failure::own(order.step().call(), Class::Retry, "NotShownYet", message));
            }
            if let Err(failure) = carry_out(&look, &object, &order).await {
                let failed = decision.0.failed(&failure);
                cx.memory.remember_failure(&look.owner.uid, basis.generation, failure.clone());
                // What AWS answered decides when it is tried again, even where it cannot be told now.
                if let Err(second) = tell(cx, object, &failed, now).await {
                    tracing::warn!(%second, "the status was not written");
                }
                return Err(failure);
            }
            if let Some((field, value)) = order.step().settles() {
                // AWS never shows it, so it is written down at once: a later failure must not lose it.
                decision.0.facts.applied.get_or_insert_default().insert(field.clone(), value.clone());
                object = report::record(cx, object, field, value).await?;
                if Basis::of(&object) != basis {
                    return Ok(Some(LookAgain::Now));
                }
            }
            done.push(order.0);
        }
    }
    Ok(Some(LookAgain::Now))
}

/// What of an object a decision rests on, apart from its status, which is ours.
#[derive(PartialEq, Eq)]
struct Basis {
    generation: i64,
    deleting: bool,
    paused: bool,
    confirmed: bool,
}

impl Basis {
    fn of<K: Kind>(object: &K) -> Self {
        Self {
            generation: object.meta().generation.unwrap_or_default(),
            deleting: object.meta().deletion_timestamp.is_some(),
            paused: paused(object),
            confirmed: confirmed(object),
        }
    }
}

fn paused<K: Kind>(object: &K) -> bool {
    says_true(object, PAUSED_ANNOTATION)
}

fn confirmed<K: Kind>(object: &K) -> bool {
    says_true(object, CONFIRM_DELETE_ANNOTATION)
}

fn says_true<K: Kind>(object: &K, annotation: &str) -> bool {
    object.annotations().get(annotation).is_some_and(|value| value == "true")
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
    let place = cx.aws.place(region, &cx.metrics, Trust::Recent).await?;
    let owner = Owner {
        cluster: cx.cluster_id.clone(),
        object: format!("{}/{}/{}", K::KIND, object.namespace().unwrap_or_default(), object.name_any()),
        uid: object.uid().unwrap_or_default(),
    };
    let identifier = object.identifier(&place);
    Ok(Look { cx, aws: cx.aws.clients(region), place, identifier, owner, deleting })
}

/// Asks STS again, before something is made and before "not found" is believed for good: credentials may have changed,
/// and in another account nothing is found.
async fn same_account(look: &Look<'_>) -> Result<(), Failure> {
    let now = look.cx.aws.place(&look.place.region, &look.cx.metrics, Trust::Nothing).await?;
    if now == look.place {
        return Ok(());
    }
    let message = format!("the credentials are now of the account {}; looking again", now.account_id);
    Err(Failure::own("sts:GetCallerIdentity", Class::Retry, "AccountChanged", message))
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
    if known.id.is_some() {
        return Ok(object);
    }
    known.id = Some(id.to_owned());
    report::metadata(cx, &object, json!({ "annotations": { PIN_ANNOTATION: json!(known).to_string() } })).await
}

/// What the object's annotation pins; nothing if it has none that can be read.
pub fn pin<K: Kind>(object: &K) -> Option<Pin> {
    object.annotations().get(PIN_ANNOTATION).and_then(|text| serde_json::from_str(text).ok())
}

/// Looks, and decides on what was seen. After steps that did not touch AWS, only the Secret is looked at again.
async fn decide<K: Kind>(
    look: &Look<'_>,
    object: &K,
    still_holds: Option<K::Seen>,
) -> Result<(Fresh<K::Step>, K::Seen, Timestamp), Failure> {
    let (presence, unconfirmed) = presence(look, object).await?;
    let seen = match still_holds {
        Some(before) => object.observe_secret(look, before).await?,
        None => object.observe(look).await?,
    };
    let now = whole_seconds(look.cx.clock.now().await?);
    let pin = pin(object);
    let name = object.name_any();
    let wanted = look.wanted(object, &name, pin.as_ref(), presence, unconfirmed);
    let decision = K::decide(&wanted, &seen, now);
    Ok((Fresh(if paused(object) { decision.paused() } else { decision }), seen, now))
}

/// While the CRD itself is being deleted, every object is treated as `Retain` (rule 2). Who may not see the CRD, in a
/// namespaced installation, needs a person's word instead.
async fn presence<K: Kind>(look: &Look<'_>, object: &K) -> Result<(Presence, bool), Failure> {
    if !look.deleting {
        return Ok((Presence::Present, false));
    }
    let crds: Api<CustomResourceDefinition> = Api::all(look.cx.client.clone());
    match crds.get_metadata_opt(K::crd_name()).await {
        Ok(Some(crd)) if crd.metadata.deletion_timestamp.is_none() => {
            Ok((Presence::Absent(object.deletion_policy()), false))
        }
        Ok(_) => Ok((Presence::Absent(DeletionPolicy::Retain), false)),
        Err(kube::Error::Api(refused)) if refused.is_forbidden() => {
            Ok((Presence::Absent(object.deletion_policy()), !confirmed(object)))
        }
        Err(error) => Err(Failure::kubernetes("kubernetes:GetCustomResourceDefinition", &error)),
    }
}

/// Writes what was decided. While a step that failed is tried again, its failure stays told: conditions that flip at
/// every try would tell the same Event again and again.
async fn tell<K: Kind>(cx: &Context, object: K, decision: &Decision<K::Step>, now: Timestamp) -> Result<K, Failure> {
    let generation = object.meta().generation.unwrap_or_default();
    let last = cx.memory.failure(&object.uid().unwrap_or_default(), generation);
    let again = last.filter(|failure| decision.steps.iter().any(|step| step.call() == failure.call));
    let next = match again {
        Some(failure) => conditions::status(object.status(), &decision.clone().failed(&failure), generation, now),
        None => conditions::status(object.status(), decision, generation, now),
    };
    report::status(cx, object, next, decision.steps.iter().any(Step::guarded)).await
}

/// Tells that nothing could be seen. One failed look takes nothing away from a store: what AWS will answer again soon
/// is told only if it lasts.
async fn tell_blind<K: Kind>(cx: &Context, object: K, failure: Failure) -> Failure {
    const LASTS: u32 = 3;
    let failures = cx.memory.failures(&object.uid().unwrap_or_default());
    if failure.class != Class::Stalled && failures < LASTS {
        return failure;
    }
    if let Ok(now) = cx.clock.now().await
        && let Err(second) = report::blind(cx, object, &failure, whole_seconds(now)).await
    {
        tracing::warn!(%second, "the status was not written");
    }
    failure
}

/// Tells that a stored object cannot be read: what its status holds besides stays.
async fn tell_unreadable<K: Kind>(cx: &Context, invalid: &InvalidObject) -> Result<(), Failure> {
    report::unreadable::<K>(cx, invalid, whole_seconds(cx.clock.now().await?)).await
}

async fn carry_out<K: Kind>(look: &Look<'_>, object: &K, order: &Order<K::Step>) -> Result<(), Failure> {
    let step = order.step();
    if step.guarded() {
        same_account(look).await?;
    }
    tracing::info!(call = step.call(), changes = step.changes().join(", "), "acting");
    object.act(order, look).await
}

async fn release<K: Kind>(cx: &Context, object: &K, decision: &Decision<K::Step>) -> Result<(), Failure> {
    if let Verdict::Working(why) = &decision.verdict {
        let telling = Telling { warning: false, reason: why.reason.to_owned(), note: why.message.clone() };
        report::tell(cx, object, &telling).await;
    }
    let finalizers: Vec<_> = object.finalizers().iter().filter(|finalizer| *finalizer != FINALIZER).collect();
    report::metadata(cx, object, json!({ "finalizers": finalizers })).await?;
    Ok(())
}
