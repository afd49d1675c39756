//! What `decide` takes and gives. Plain data: a plan can be shown, compared and explored.

use std::{collections::BTreeMap, fmt::Debug};

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::{
    drift::{self, Difference, Record},
    error::{Class, Failure, Note, note},
    field::{ABSENT, Field},
    ownership::{Owner, Pin, Place},
    spec::{Adoption, DeletionPolicy, DriftPolicy},
    status::{
        Binding, DriftAction, DriftRow, EncryptionStatus, Endpoint, Impact, MAX_PLAN_STEPS, Plan, PlanStep,
        ResourceStatus, Status,
    },
};

/// The reason of wanted changes that AWS cannot make.
const CHANGE_IMPOSSIBLE: &str = "ChangeImpossible";
/// The reason while a resource is being taken over.
pub(crate) const ADOPTING: &str = "Adopting";
/// How long the plan to take something over stands before it is begun: time to read it and to say no.
const ADOPTION_NOTICE: SignedDuration = SignedDuration::from_secs(60);

mod standing;

pub use standing::{Sighting, Standing};

/// What is wanted of one object's AWS resource, and all that was known of it before this look.
#[derive(Clone, Debug)]
pub struct Wanted<'a, S> {
    /// The spec.
    pub spec: &'a S,
    /// `metadata.name`.
    pub name: &'a str,
    /// The resource's name in AWS.
    pub identifier: &'a str,
    /// Whether the resource should be there.
    pub presence: Presence,
    /// Whether a deletion that loses data waits for a person's word: the operator may not see whether the CRD itself is
    /// being deleted (rule 2).
    pub unconfirmed: bool,
    /// Whom its tags must name.
    pub owner: &'a Owner,
    /// Where the operator acts.
    pub place: &'a Place,
    /// What was pinned at first contact.
    pub pin: Option<&'a Pin>,
    /// The status of the object, as last written.
    pub status: &'a Status,
    /// Drift policy of the spec.
    pub drift_policy: DriftPolicy,
    /// What is done about a resource that carries nobody's owner tags.
    pub adoption: Adoption,
    /// How long "not found" must last before it is believed.
    pub not_found_grace: SignedDuration,
}

/// Whether the resource should be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It should.
    Present,
    /// The object is being deleted.
    Absent(DeletionPolicy),
}

/// One AWS or Secret mutation, as data. Never holds a secret.
pub trait Step: Clone + Debug + PartialEq + Send + Sync + 'static {
    /// Service and operation: `rds:ModifyDBInstance`.
    fn call(&self) -> &'static str;
    /// Whether it is sent to AWS, not to the API server.
    fn at_aws(&self) -> bool {
        !self.call().starts_with("kubernetes:")
    }
    /// What it changes, in words.
    fn changes(&self) -> Vec<String>;
    /// What it does to the store's users.
    fn impact(&self) -> Impact {
        Impact::None
    }
    /// Whether it makes or deletes the resource: then the intention is first written onto the very version of the
    /// object that was decided upon, and STS is asked again whose account it is (rule 4).
    fn guarded(&self) -> bool {
        false
    }
    /// What is known to be applied once it has succeeded, where AWS never shows it (passwords).
    fn settles(&self) -> Option<(String, String)> {
        None
    }
}

/// What a pass comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision<S> {
    /// To be done now, in order.
    pub steps: Vec<S>,
    /// Planned, but not now (a window, a pause, a step that must be done first).
    pub held: Vec<S>,
    /// How the store stands.
    pub verdict: Verdict,
    /// Whether it is encrypted.
    pub encrypted: Encrypted,
    /// What waits for a window, a pause's end or a human, while the store itself serves.
    pub pending: Option<Note>,
    /// AWS or we are at work although the store serves.
    pub working: Option<Note>,
    /// What was found.
    pub facts: Facts,
    /// Whether the finalizer may go.
    pub finalizer: Finalizer,
    /// When to look again.
    pub look_again: LookAgain,
}

/// How the store stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Usable and encrypted.
    Ready(Note),
    /// Not usable yet; AWS or we are at work.
    Working(Note),
    /// Not usable, or a deletion is held; a human must act.
    Stalled(Note),
}

/// What AWS says about encryption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encrypted {
    /// AWS has not answered yet.
    Unknown,
    /// Encrypted at rest and in transit.
    Yes(Note),
    /// Not encrypted, or not in transit.
    No(Note),
}

/// What was found, for status and the pin.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// AWS's immutable id of the resource, if it was seen and is ours.
    pub id: Option<String>,
    /// See [`Status::encryption`].
    pub encryption: Option<EncryptionStatus>,
    /// See [`Status::drift`].
    pub drift: Vec<DriftRow>,
    /// See [`Status::applied`]; `None` leaves it as it was.
    pub applied: Option<BTreeMap<String, String>>,
    /// See [`Status::resource`]; `None` leaves it as it was.
    pub resource: Option<ResourceStatus>,
    /// See [`Status::endpoint`].
    pub endpoint: Option<Endpoint>,
    /// See [`Status::binding`].
    pub binding: Option<Binding>,
    /// See [`Status::not_found_since`].
    pub not_found_since: Option<Timestamp>,
    /// See [`Status::adopt_after`].
    pub adopt_after: Option<Timestamp>,
}

/// Whether the finalizer stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finalizer {
    /// It stays.
    Keep,
    /// AWS no longer has the resource, or it is no longer ours to delete.
    Release,
}

/// When to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookAgain {
    /// At once.
    Now,
    /// AWS is at work, or a second look is due.
    Soon,
    /// The poll interval.
    Poll,
    /// A human must act: slowly, but not never.
    Slowly,
}

impl<S: Step> Decision<S> {
    /// A decision that plans nothing.
    pub fn rest(verdict: Verdict, encrypted: Encrypted, facts: Facts) -> Self {
        let look_again = match verdict {
            Verdict::Ready(_) => LookAgain::Poll,
            Verdict::Working(_) => LookAgain::Soon,
            Verdict::Stalled(_) => LookAgain::Slowly,
        };
        Self {
            steps: Vec::new(),
            held: Vec::new(),
            verdict,
            encrypted,
            pending: None,
            working: None,
            facts,
            finalizer: Finalizer::Keep,
            look_again,
        }
    }

    /// The finalizer goes.
    pub fn release(message: impl Into<String>) -> Self {
        let mut decision = Self::rest(Verdict::Working(note("Deleted", message)), Encrypted::Unknown, Facts::default());
        decision.finalizer = Finalizer::Release;
        decision
    }

    /// The object is being deleted, and AWS or we are at work on it.
    pub fn deleting(message: impl Into<String>) -> Self {
        Self::rest(Verdict::Working(note("Deleting", message)), Encrypted::Unknown, Facts::default())
    }

    /// A human must act, and nothing is done before.
    pub fn stalled(reason: &'static str, message: impl Into<String>) -> Self {
        Self::rest(Verdict::Stalled(note(reason, message)), Encrypted::Unknown, Facts::default())
    }

    /// The same decision with steps to be done now.
    #[must_use]
    pub fn with_steps(mut self, steps: Vec<S>) -> Self {
        if !steps.is_empty() {
            self.look_again = LookAgain::Soon;
        }
        self.steps = steps;
        self
    }

    /// The decision to take over a resource that carries nobody's owner tags. At first it is only told: what would change
    /// is planned and held, and stands in an Event too. Once that very plan has stood for a minute, the resource is
    /// tagged as ours, by `claim`; what follows is then decided as for any other.
    ///
    /// What is encrypted less than we create it, or cannot be made what the spec says, is never taken over.
    #[must_use]
    pub fn adopting<W>(mut self, wanted: &Wanted<'_, W>, claim: S, warning: Option<&str>, now: Timestamp) -> Self {
        let identifier = wanted.identifier;
        self.facts = Facts { encryption: self.facts.encryption, ..Facts::default() };
        let impossible = self.pending.take().filter(|why| why.reason == CHANGE_IMPOSSIBLE);
        let trouble = match (&self.verdict, impossible) {
            (Verdict::Stalled(why), _) => Some(why.message.clone()),
            (_, Some(why)) => Some(why.message),
            _ => None,
        };
        if let Some(trouble) = trouble {
            let message = format!("{identifier} is there and is not taken over; nothing is written to it: {trouble}");
            return Self::rest(Verdict::Stalled(note("NotAdopted", message)), self.encrypted, self.facts);
        }
        let steps: Vec<_> = std::mem::take(&mut self.steps).into_iter().chain(std::mem::take(&mut self.held)).collect();
        let changes: Vec<_> = steps.iter().flat_map(Step::changes).collect();
        let changes = if changes.is_empty() { "nothing else".to_owned() } else { changes.join(", ") };
        let warning = warning.map(|warning| format!("; {warning}")).unwrap_or_default();
        let plan = note(
            ADOPTING,
            format!(
                "{identifier} is there and carries nobody's owner tags. adoption is Unowned, so a minute after this was told (status.adoptAfter) it is tagged \
                 as this object's, and then changes: {changes}{warning}. To keep it from that, set adoption: Never or the annotation \
                 showcore.io/paused: \"true\""
            ),
        );
        let told = wanted.status.conditions.iter().any(|condition| {
            condition.type_ == "Pending" && condition.reason == ADOPTING && condition.message == plan.message
        });
        let notice = now.saturating_add(ADOPTION_NOTICE).unwrap_or(now);
        let adopt_after = wanted.status.adopt_after.filter(|_| told).unwrap_or(notice);
        let verdict = Verdict::Working(note(ADOPTING, format!("{identifier} is being taken over")));
        let mut decision = Self::rest(verdict, self.encrypted, self.facts);
        decision.pending = Some(plan);
        decision.facts.adopt_after = Some(adopt_after);
        if now < adopt_after {
            decision.held = std::iter::once(claim).chain(steps).collect();
            return decision;
        }
        decision.held = steps;
        // Nothing of it was applied by us: what differs next is wanted, and its password is not ours.
        decision.facts.applied = Some(BTreeMap::new());
        decision.with_steps(vec![claim])
    }

    /// Under `showcore.io/paused` nothing is written to AWS: every step is held, and drift is only reported.
    #[must_use]
    pub fn paused(mut self) -> Self {
        self.held.splice(0..0, std::mem::take(&mut self.steps));
        // Nothing is being set.
        self.facts.applied.iter_mut().for_each(|applied| applied.retain(|_, value| value != BEING_SET));
        for row in &mut self.facts.drift {
            if matches!(row.action, DriftAction::Pending | DriftAction::AwaitingWindow) {
                row.action = DriftAction::ReportOnly;
            }
        }
        let waiting = match self.held.len() {
            0 => "nothing waits".to_owned(),
            1 => "1 step waits".to_owned(),
            n => format!("{n} steps wait"),
        };
        let message = format!(
            "the annotation showcore.io/paused is true: nothing is written to AWS, {waiting}; remove the annotation to go on"
        );
        if let Verdict::Working(_) = self.verdict {
            self.verdict = Verdict::Working(note("Paused", message.clone()));
        }
        self.working = None;
        self.pending = Some(note("Paused", message));
        self.finalizer = Finalizer::Keep;
        self.look_again = LookAgain::Poll;
        self
    }

    /// The decision after one of its steps failed.
    #[must_use]
    pub fn failed(mut self, failure: &Failure) -> Self {
        self.steps.clear();
        match (failure.class, &self.verdict) {
            (Class::Retry | Class::Wait, Verdict::Ready(_)) => self.working = Some(failure.note()),
            (Class::Wait, _) | (Class::Retry, Verdict::Stalled(_)) => {}
            (Class::Retry, Verdict::Working(_)) => self.verdict = Verdict::Working(failure.note()),
            (Class::Stalled, Verdict::Ready(_)) => {
                for row in &mut self.facts.drift {
                    if row.action == DriftAction::Pending {
                        row.action = DriftAction::Blocked;
                        row.message = Some(failure.message.clone());
                    }
                }
                self.pending = Some(failure.note());
                self.working = None;
                self.look_again = LookAgain::Slowly;
            }
            (Class::Stalled, _) => {
                self.verdict = Verdict::Stalled(failure.note());
                self.look_again = LookAgain::Slowly;
            }
        }
        self
    }

    /// `status.plan`: what is about to be done, then what is held.
    pub fn plan(&self) -> Option<Plan> {
        let steps: Vec<_> = self
            .steps
            .iter()
            .chain(&self.held)
            .take(MAX_PLAN_STEPS)
            .map(|step| PlanStep { call: step.call().to_owned(), changes: step.changes(), disruption: step.impact() })
            .collect();
        (!steps.is_empty()).then_some(Plan { steps })
    }
}

/// Says that these steps wait for the maintenance window.
pub fn awaiting_window<S: Step>(window: &str, held: &[S]) -> Note {
    let what: Vec<_> = held.iter().flat_map(Step::changes).collect();
    let message = format!(
        "waits for the maintenance window {window} (UTC): {}. Set disruption: Immediate to have it at once",
        what.join(", ")
    );
    note("AwaitingWindow", message)
}

/// Says that a store serves and AWS takes no change of it now.
pub fn waiting_for_aws(what: &str, status: &str) -> Note {
    note("WaitingForAWS", format!("AWS accepts changes while the {what} is available; now it is {status}"))
}

impl<S> Wanted<'_, S> {
    /// The record that tells a wanted change from drift.
    pub fn record(&self) -> Record<'_> {
        Record {
            applied: self.status.applied.as_ref(),
            existed: self.pin.is_some_and(|pin| pin.id.is_some()),
            past: &self.status.last_drift,
        }
    }

    /// Whether the resource existed, as far as anything still says so. The status is written before the pin; a pin
    /// that somebody took off is no proof that it never existed.
    pub fn existed(&self) -> bool {
        self.pin.is_some_and(|pin| pin.id.is_some()) || self.status.resource.is_some()
    }

    /// The deletion policy that counts: the one that the object is being deleted under, else the spec's.
    pub fn deletion_policy(&self, of_spec: DeletionPolicy) -> DeletionPolicy {
        match self.presence {
            Presence::Present => of_spec,
            Presence::Absent(policy) => policy,
        }
    }

    /// All tags that the resource should carry.
    pub fn tags(&self, tags: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut all = tags.clone();
        all.extend(self.owner.tags());
        all
    }
}

/// What the record says of a field while it is being set. It is written before the call is sent: whatever happens before
/// the next look, what the call puts there is known to be ours, and goes when it leaves the spec.
pub const BEING_SET: &str = "being set";

/// The record of the entries (tags, logs) that a create call carries.
pub fn being_set<'a>(row: &str, keys: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, String> {
    keys.into_iter().map(|key| (format!("{row}.{key}"), BEING_SET.to_owned())).collect()
}

/// The fields of a store compared, and what follows for its record and its rows.
pub struct Comparison {
    /// The fields that differ.
    pub differences: Vec<Difference>,
    /// The next record.
    pub applied: BTreeMap<String, String>,
}

impl Comparison {
    /// Compares the fields of a store with its record.
    pub fn of(fields: &[Field], record: Record<'_>, now: Timestamp) -> Self {
        Self { differences: drift::differences(fields, record, now), applied: drift::record(fields, record) }
    }

    /// The names of the fields for which a step may be planned.
    pub fn to_correct(&self, policy: DriftPolicy) -> Vec<&str> {
        self.differences.iter().filter(|d| d.to_correct(policy)).map(|d| d.field.name.as_str()).collect()
    }

    /// The next record, in which what is set now is marked, but for what is held.
    pub fn marked(&self, mut applied: BTreeMap<String, String>, held: &[&str]) -> BTreeMap<String, String> {
        let wanted = self.differences.iter().filter(|d| d.cause == drift::Cause::Wanted && d.field.desired != ABSENT);
        for difference in wanted.filter(|d| d.field.blocked.is_none() && !held.contains(&d.field.name.as_str())) {
            applied.entry(difference.field.name.clone()).or_insert_with(|| BEING_SET.to_owned());
        }
        applied
    }

    /// Wanted changes that AWS cannot make: they are no drift, so they are said in `Pending`.
    pub fn impossible(&self) -> Option<Note> {
        let text: Vec<_> = self
            .differences
            .iter()
            .filter(|d| d.cause == drift::Cause::Wanted)
            .filter_map(|d| d.field.blocked.as_ref().map(|why| format!("{}: {why}", d.field.name)))
            .collect();
        (!text.is_empty()).then(|| note(CHANGE_IMPOSSIBLE, text.join(". ")))
    }

    /// The rows of `status.drift`; `held` names the fields whose correction waits for a window.
    pub fn rows(&self, before: &[DriftRow], policy: DriftPolicy, held: &[&str], now: Timestamp) -> Vec<DriftRow> {
        drift::rows(&self.differences, before, now, |difference| {
            if difference.field.blocked.is_some() {
                DriftAction::Blocked
            } else if difference.fought().is_some() && policy == DriftPolicy::Correct {
                DriftAction::Fought
            } else if !difference.to_correct(policy) {
                DriftAction::ReportOnly
            } else if held.contains(&difference.field.name.as_str()) {
                DriftAction::AwaitingWindow
            } else {
                DriftAction::Pending
            }
        })
    }
}

#[cfg(test)]
mod tests;
