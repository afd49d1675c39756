//! What the tables of the pure code share: a scene to decide in, and what a decision comes to.

use std::{collections::BTreeMap, fmt::Debug};

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::{
    conditions,
    decision::{Decision, Encrypted, Finalizer, LookAgain, Presence, Step, Verdict, Wanted},
    ownership::{Owner, Pin, Place},
    spec::{Adoption, DeletionPolicy, DriftPolicy},
    status::{DriftAction, Status},
};

/// A Wednesday afternoon, on which [`WINDOW`] is closed.
pub const WEDNESDAY: &str = "2026-11-25T14:02:00Z";
/// A Sunday morning, on which it is open.
pub const SUNDAY: &str = "2026-11-22T05:30:00Z";
/// The maintenance window of the stores in these tables.
pub const WINDOW: &str = "sun:05:00-sun:06:00";

/// All that a decision is made from, apart from what is seen.
#[derive(Clone, Debug)]
pub struct Scene<S> {
    pub spec: S,
    pub identifier: String,
    pub presence: Presence,
    pub unconfirmed: bool,
    pub owner: Owner,
    pub place: Place,
    pub pin: Option<Pin>,
    pub status: Status,
    pub drift_policy: DriftPolicy,
    pub adoption: Adoption,
    pub now: Timestamp,
}

impl<S: Clone> Scene<S> {
    /// An object that was just applied: the intention is pinned, and nothing was seen yet.
    pub fn new(kind: &str, identifier: &str, spec: S) -> Self {
        Self {
            spec,
            identifier: identifier.into(),
            presence: Presence::Present,
            unconfirmed: false,
            owner: owner(kind),
            place: place(),
            pin: Some(Pin {
                account_id: place().account_id,
                region: place().region,
                identifier: identifier.into(),
                id: None,
            }),
            status: Status::none().clone(),
            drift_policy: DriftPolicy::Correct,
            adoption: Adoption::Never,
            now: time(WEDNESDAY),
        }
    }

    pub fn wanted(&self) -> Wanted<'_, S> {
        Wanted {
            spec: &self.spec,
            name: "shop",
            identifier: &self.identifier,
            presence: self.presence,
            unconfirmed: self.unconfirmed,
            owner: &self.owner,
            place: &self.place,
            pin: self.pin.as_ref(),
            status: &self.status,
            drift_policy: self.drift_policy,
            adoption: self.adoption,
            not_found_grace: SignedDuration::from_secs(30),
        }
    }

    /// The scene after this decision was told and the resource pinned.
    pub fn told<T: Step>(mut self, decision: &Decision<T>) -> Self {
        self.status = conditions::status(&self.status, decision, 1, self.now);
        if let (Some(pin), Some(id)) = (&mut self.pin, &decision.facts.id) {
            pin.id = Some(id.clone());
        }
        self
    }

    /// The same scene, changed.
    pub fn but(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut scene = self.clone();
        change(&mut scene);
        scene
    }

    pub fn report(&self) -> Self {
        self.but(|scene| scene.drift_policy = DriftPolicy::Report)
    }

    pub fn at(&self, now: &str) -> Self {
        self.but(|scene| scene.now = time(now))
    }

    pub fn deleting(&self, policy: DeletionPolicy) -> Self {
        self.but(|scene| scene.presence = Presence::Absent(policy))
    }

    /// AWS has not found it for so many seconds.
    pub fn lost_for(&self, seconds: i64) -> Self {
        self.but(|scene| scene.status.not_found_since = Some(scene.now - SignedDuration::from_secs(seconds)))
    }

    /// A backup brought the object back: its annotations survived, its status did not.
    pub fn restored(&self) -> Self {
        self.but(|scene| scene.status = Status::none().clone())
    }
}

/// What a decision comes to, as a table's row says it.
#[derive(Debug, PartialEq)]
pub struct Outcome<S> {
    pub steps: Vec<S>,
    pub held: Vec<S>,
    /// `Ready Available`.
    pub verdict: String,
    /// `Yes SSES3`, `Unknown`.
    pub encrypted: String,
    pub drift: Vec<(String, DriftAction)>,
    pub pending: Option<&'static str>,
    pub working: Option<&'static str>,
    pub finalizer: Finalizer,
    pub look_again: LookAgain,
}

impl<S: Step> Outcome<S> {
    pub fn of(decision: &Decision<S>) -> Self {
        Self {
            steps: decision.steps.clone(),
            held: decision.held.clone(),
            verdict: match &decision.verdict {
                Verdict::Ready(why) => format!("Ready {}", why.reason),
                Verdict::Working(why) => format!("Working {}", why.reason),
                Verdict::Stalled(why) => format!("Stalled {}", why.reason),
            },
            encrypted: match &decision.encrypted {
                Encrypted::Unknown => "Unknown".into(),
                Encrypted::Yes(why) => format!("Yes {}", why.reason),
                Encrypted::No(why) => format!("No {}", why.reason),
            },
            drift: decision.facts.drift.iter().map(|row| (row.field.clone(), row.action)).collect(),
            pending: decision.pending.as_ref().map(|why| why.reason),
            working: decision.working.as_ref().map(|why| why.reason),
            finalizer: decision.finalizer,
            look_again: decision.look_again,
        }
    }

    /// Nothing to do, and nothing more to say than this.
    pub fn rest(verdict: &str, encrypted: &str) -> Self {
        Self {
            steps: vec![],
            held: vec![],
            verdict: verdict.into(),
            encrypted: encrypted.into(),
            drift: vec![],
            pending: None,
            working: None,
            finalizer: Finalizer::Keep,
            look_again: match verdict.split(' ').next() {
                Some("Ready") => LookAgain::Poll,
                Some("Working") => LookAgain::Soon,
                _ => LookAgain::Slowly,
            },
        }
    }

    /// The finalizer goes.
    pub fn released() -> Self {
        Self { finalizer: Finalizer::Release, ..Self::rest("Working Deleted", "Unknown") }
    }

    pub fn doing(mut self, steps: Vec<S>) -> Self {
        self.steps = steps;
        self.look_again = LookAgain::Soon;
        self
    }

    pub fn holding(mut self, held: Vec<S>) -> Self {
        self.held = held;
        self.pending = Some("AwaitingWindow");
        self
    }

    pub fn drifted(mut self, field: &str, action: DriftAction) -> Self {
        self.drift.push((field.into(), action));
        self
    }

    pub fn pending(mut self, reason: &'static str) -> Self {
        self.pending = Some(reason);
        self
    }

    /// The store serves, and AWS is at work on a change of it.
    pub fn at_work(mut self) -> Self {
        self.working = Some("AWSAtWork");
        self.look_again = LookAgain::Soon;
        self
    }

    /// The store serves, but AWS takes no change now.
    pub fn waiting_for_aws(mut self) -> Self {
        self.working = Some("WaitingForAWS");
        self.look_again = LookAgain::Soon;
        self
    }
}

pub fn owner(kind: &str) -> Owner {
    Owner { cluster: "c1".into(), object: format!("{kind}/team/shop"), uid: "0a1b2c3d-4e5f".into() }
}

pub fn place() -> Place {
    Place { account_id: "111122223333".into(), partition: "aws".into(), region: "eu-central-1".into() }
}

pub fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

pub fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// The owner tags and these.
pub fn tagged(kind: &str, pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut tags = owner(kind).tags();
    tags.extend(map(pairs));
    tags
}

/// A table whose situations all come out as its rows say; it shows every row that does not.
pub fn check<S: Step>(rows: Vec<(impl Into<String>, Decision<S>, Outcome<S>)>) {
    let wrong: Vec<_> = rows
        .into_iter()
        .filter_map(|(situation, decision, expected)| {
            let got = Outcome::of(&decision);
            (got != expected)
                .then(|| format!("{}\n  came out as {got:#?}\n  and not as  {expected:#?}", situation.into()))
        })
        .collect();
    assert!(wrong.is_empty(), "{} situations: {}", wrong.len(), wrong.join("\n"));
}
