//! The language of scenarios: what users and outsiders do, and what is waited for.

use std::time::Duration;

use harness::judge::emulator::Emulator;
use serde_json::Value;

use crate::world::World;

/// What users do to the operator's objects, and others to its stores; and where it must come to.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name in the lines of its cases.
    pub name: &'static str,
    /// What is there before: done without faults.
    pub prepared: &'static [Step],
    /// What is done. A fault may happen at every request from here on.
    pub steps: &'static [Step],
    /// What somebody may do besides, between any two requests.
    pub intrusions: &'static [Intrusion],
    /// How many operators there are: more than one hold an election.
    pub replicas: usize,
    /// Whether it changes what all share, or is so much that it slows others down: it has a control plane of its own then, and
    /// its cases run one by one.
    pub alone: bool,
    /// What is tried with it.
    pub tried: Tried,
    /// The emulator that answers instead of our own stand-in; microburst then makes the faults.
    pub before: Option<Emulator>,
    /// How often its operators look and try again.
    pub pace: Pace,
    /// At most so many calls that change something are made without a fault: the same operator is no judge of itself.
    pub mutations: u32,
}

/// Which faults are tried with a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// All that make sense at a point.
    All,
    /// What kills the operator, and what the API server refuses.
    Deaths,
    /// Throttling of all calls, at the first that changes something.
    Throttling,
}

/// How often operators look at a quiet store, and try again at the most.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two looks.
    pub poll: Duration,
    /// The longest wait after a failure; the shortest is 20 ms.
    pub backoff: Duration,
}

/// Of most scenarios.
pub const QUICK: Pace = Pace { poll: Duration::from_millis(350), backoff: Duration::from_millis(500) };

impl Scenario {
    /// How many of its steps come before the goals at its end.
    pub fn actions(&self) -> usize {
        actions(&self.steps.iter().collect::<Vec<_>>())
    }
}

/// How many of these steps come before the goals at their end.
pub fn actions(steps: &[&Step]) -> usize {
    steps.iter().rposition(|step| !matches!(step, Step::Await(..) | Step::AwaitAll(_))).map_or(0, |at| at + 1)
}

/// What somebody does at any moment.
#[derive(Debug)]
pub struct Intrusion {
    /// As the lines of cases say it.
    pub name: &'static str,
    /// Its row in the table of faults.
    pub row: u8,
    /// What is done.
    pub steps: &'static [Step],
    /// Where it comes to then, in the place of the scenario's last goal.
    pub ends: End,
}

/// Where an intrusion leads.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// To the same end as if nothing had been done.
    Same,
    /// To the end of the scenario with the same done after it: this is waited for.
    AsAfter(&'static [Step]),
}

/// One action, or a state that is waited for.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// A user applies these manifests.
    Apply(&'static str),
    /// The same with many.
    ApplyAll(fn() -> String),
    /// A user deletes the object.
    Delete(&'static str, &'static str),
    /// A user deletes the object, and applies this once it is gone.
    Remake(&'static str, &'static str, &'static str),
    /// A user deletes the namespace.
    DeleteNamespace,
    /// Somebody changes something in AWS.
    Outside(fn(&World)),
    /// The operator is ended and another started.
    Restart,
    /// The CRDs are replaced by those of the checkout without these fields of their specs, as an older version had them.
    Crds(&'static [&'static str]),
    /// The object is waited for.
    Await(&'static str, &'static str, Goal),
    /// All objects are waited for.
    AwaitAll(Goal),
}

/// A state of an object.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// Ready, in sync and at rest.
    Settled,
    /// Not there any more.
    Gone,
    /// A condition has this reason.
    Says(&'static str, &'static str),
}

impl Goal {
    /// Whether it is reached.
    pub fn reached(self, object: Option<&Value>) -> bool {
        match (self, object) {
            (Self::Gone, None) => true,
            (Self::Settled, Some(object)) => settled(object),
            (Self::Says(type_, reason), Some(object)) => {
                current(object) && harness::condition_reason(object, type_) == reason
            }
            _ => false,
        }
    }
}

fn current(object: &Value) -> bool {
    object["status"]["observedGeneration"] == object["metadata"]["generation"]
}

fn settled(object: &Value) -> bool {
    let pin = object["metadata"]["annotations"]["showcore.io/resource"].as_str().unwrap_or_default();
    let pinned = serde_json::from_str::<Value>(pin).is_ok_and(|pin| pin["id"].is_string());
    let is = |type_: &str| harness::condition(object, type_);
    pinned
        && current(object)
        && object["metadata"]["deletionTimestamp"].is_null()
        && (is("Ready"), is("Drifted"), is("Reconciling"), is("Stalled"), is("Pending"))
            == ("True", "False", "", "", "")
}
