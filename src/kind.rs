//! What a kind of store is: its CRD type, and the steps of the pipeline.

use std::fmt::Debug;

use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::{CustomResourceExt, Resource, core::NamespaceResourceScope};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    aws::Clients,
    context::Context,
    decision::{Decision, Presence, Step, Wanted},
    error::Failure,
    field::Row,
    ownership::{Owner, Pin, Place},
    spec::{Adoption, DeletionPolicy, DriftPolicy},
    status::Status,
};

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
    /// The field table.
    const FIELDS: &'static [&'static Row];
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
    /// What the spec says about a resource that carries nobody's owner tags.
    fn adoption(&self) -> Adoption;
    /// Deletion policy of the spec.
    fn deletion_policy(&self) -> DeletionPolicy;
    /// The resource's name in AWS.
    fn identifier(&self, place: &Place) -> String;

    /// Gathers all that a decision needs.
    fn observe(&self, look: &Look<'_>) -> impl Future<Output = Result<Self::Seen, Failure>> + Send;
    /// Gathers it again after nothing but the connection Secret was written: what AWS answered just before still holds,
    /// and is not asked for again. A kind without a Secret looks at all of it.
    fn observe_secret(
        &self,
        look: &Look<'_>,
        before: Self::Seen,
    ) -> impl Future<Output = Result<Self::Seen, Failure>> + Send {
        drop(before);
        self.observe(look)
    }
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
    /// What a decision about this object rests on besides what this look gathers.
    pub fn wanted<'a, K: Kind>(
        &'a self,
        object: &'a K,
        name: &'a str,
        pin: Option<&'a Pin>,
        presence: Presence,
        unconfirmed: bool,
    ) -> Wanted<'a, K::Spec> {
        Wanted {
            spec: object.spec(),
            name,
            identifier: &self.identifier,
            presence,
            unconfirmed,
            owner: &self.owner,
            place: &self.place,
            pin,
            status: object.status(),
            drift_policy: object.drift_policy(),
            adoption: object.adoption(),
            not_found_grace: SignedDuration::try_from(self.cx.timing.not_found_grace).unwrap_or(SignedDuration::MAX),
        }
    }

    /// Sends an AWS call: counted, and its error classified. An SDK's future takes some 20 kB, so it is boxed.
    pub fn send<T, E>(
        &self,
        call: &str,
        future: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> impl Future<Output = Result<T, Failure>>
    where
        E: ProvideErrorMetadata + Debug,
    {
        Box::pin(crate::aws::send(call, &self.cx.metrics, future))
    }
}

/// A step of a decision that was made on a fresh look (rule 5). `act` takes nothing else, and only
/// [`reconcile`](crate::reconcile) makes one: `rule_05` is that this does not compile.
///
/// ```compile_fail,E0423
/// let order = showcore_operator::kind::Order(showcore_operator::bucket::Step::Delete);
/// ```
#[derive(Debug)]
pub struct Order<S>(pub(crate) S);

impl<S> Order<S> {
    /// The step.
    pub fn step(&self) -> &S {
        &self.0
    }
}
