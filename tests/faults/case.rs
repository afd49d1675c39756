//! Cases: a scenario, and what goes wrong in it. They are derived from the trace of a clean run.

use std::{fmt, time::Duration};

use crate::{
    foreign::BURSTS,
    kind::{Kind, Side},
    scenario::{End, Intrusion, Scenario, Step, Tried},
    scenarios::OUTSIDERS,
    wire::Met,
};

/// The nth request of its kind about an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point {
    /// `rds:CreateDBInstance`, `PATCH showcoredatabases/status`, `EVENT showcoredatabases`.
    pub call: String,
    /// The object's name.
    pub object: String,
    /// From 1.
    pub nth: u32,
}

/// What goes wrong where.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Where.
    pub at: Point,
    /// What.
    pub kind: Kind,
}

impl Fault {
    /// Its row in the table of faults.
    pub fn row(&self) -> u8 {
        match self.kind.row() {
            3 if Side::of(&self.at.call) == Side::Kubernetes => 11,
            row => row,
        }
    }

    /// Whether it happens at this point.
    pub fn happens_at(&self, point: &Point) -> bool {
        let same = (&self.at.call, &self.at.object) == (&point.call, &point.object);
        same && point.nth >= self.at.nth && point.nth - self.at.nth < self.kind.times()
    }
}

/// A scenario, and what goes wrong in it: nothing in a clean run.
#[derive(Clone, Debug)]
pub struct Case {
    /// The scenario.
    pub scenario: &'static Scenario,
    /// At most two faults.
    pub faults: Vec<Fault>,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} #{}", self.call, self.object, self.nth)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scenario.name)?;
        for (n, fault) in self.faults.iter().enumerate() {
            let and = if n > 0 { " &" } else { "" };
            write!(f, "{and} {} at {}", fault.kind, fault.at)?;
        }
        Ok(())
    }
}

/// What AWS answers to a look at what is not there.
const NOT_FOUND: [(&str, &str); 3] = [
    ("rds:DescribeDBInstances", "DBInstanceNotFound"),
    ("elasticache:DescribeReplicationGroups", "ReplicationGroupNotFoundFault"),
    ("s3:GetBucketTagging", "NoSuchBucket"),
];

/// How often the same request is tried in a case of its own: later ones are like the second.
const TRIED: u32 = 2;

/// All cases of a scenario, by the points of its clean run.
pub fn derive(scenario: &'static Scenario, trace: &[Met]) -> Vec<Case> {
    if scenario.before.is_some() {
        let mutations = trace.iter().filter(|met| Side::of(&met.point.call) == Side::Aws && met.mutating);
        let at = mutations.filter(|met| met.point.nth == 1);
        let faults =
            at.flat_map(|met| BURSTS.iter().map(|burst| Fault { at: met.point.clone(), kind: Kind::Burst(burst) }));
        return faults.map(|fault| Case { scenario, faults: vec![fault] }).collect();
    }
    let mut faults = Vec::new();
    for met in trace.iter().filter(|met| met.point.nth <= TRIED) {
        let side = Side::of(&met.point.call);
        faults.extend(kinds(scenario, side, met).into_iter().map(|kind| Fault { at: met.point.clone(), kind }));
    }
    // A few of each that needs a process, at the first, the middle and the last mutation.
    let mutations: Vec<_> = trace.iter().filter(|met| Side::of(&met.point.call) == Side::Aws && met.mutating).collect();
    for at in chosen(&mutations) {
        faults.extend([Kind::Sigkilled, Kind::Frozen].map(|kind| Fault { at: at.point.clone(), kind }));
        // The lease is in the namespace, and goes with it.
        if !scenario.steps.iter().any(|step| matches!(step, Step::DeleteNamespace)) {
            faults.push(Fault { at: at.point.clone(), kind: Kind::FrozenPastLease });
        }
    }
    if let Some(first) = mutations.first() {
        for seconds in [1, 10, 60].iter().filter(|seconds| **seconds < 60 || scenario.tried == Tried::Throttling) {
            faults.push(Fault { at: first.point.clone(), kind: Kind::Throttled(Duration::from_secs(*seconds)) });
        }
        faults.push(Fault { at: first.point.clone(), kind: Kind::Silent });
    }
    faults.retain(|fault| match scenario.tried {
        Tried::All => true,
        Tried::Deaths => {
            let refused = matches!(fault.kind, Kind::Failed { status: 409 | 422 | 500, .. });
            refused || matches!(fault.kind, Kind::KilledBefore | Kind::KilledSent)
        }
        Tried::Throttling => matches!(fault.kind, Kind::Throttled(_)),
    });
    faults.into_iter().map(|fault| Case { scenario, faults: vec![fault] }).collect()
}

/// The first, the middle and the last.
fn chosen<'a, T>(all: &[&'a T]) -> Vec<&'a T> {
    let mut at = vec![0, all.len() / 2, all.len().saturating_sub(1)];
    at.dedup();
    at.into_iter().filter_map(|at| all.get(at).copied()).collect()
}

fn kinds(scenario: &'static Scenario, side: Side, met: &Met) -> Vec<Kind> {
    let failed = |code, status, times| Kind::Failed { code, status, times };
    let mut kinds = Vec::new();
    match (side, met.mutating) {
        (Side::Aws, true) => {
            kinds.extend([Kind::KilledBefore, Kind::KilledSent, Kind::KilledAnswered]);
            kinds.extend([Kind::Lost, Kind::LostWithoutRetries]);
            kinds.extend([failed("InternalError", 500, 1), failed("InternalError", 500, 9)]);
            kinds.extend([
                failed("ServiceUnavailable", 503, 3),
                Kind::Unreached { times: 1 },
                Kind::Unreached { times: 9 },
            ]);
            kinds.extend([Kind::HalfAnswered, Kind::Garbled]);
            kinds.extend([Kind::Stale(1), Kind::Stale(3), Kind::Denied]);
            kinds.extend([Kind::Expired, Kind::OtherAccount, Kind::OtherRegion, Kind::OldList]);
            // With an election, one more would only stand by.
            if scenario.replicas == 1 {
                kinds.push(Kind::Twin);
            }
        }
        (Side::Aws, false) => {
            kinds.extend([Kind::KilledBefore, Kind::KilledAnswered]);
            kinds.extend([failed("InternalError", 500, 3), Kind::Unreached { times: 1 }]);
            kinds.extend([Kind::HalfAnswered, Kind::Garbled]);
            // Once is not to be believed.
            kinds.extend(
                NOT_FOUND.iter().filter(|(call, _)| *call == met.point.call).map(|(_, code)| failed(code, 404, 1)),
            );
        }
        (Side::Kubernetes, true) => {
            kinds.extend([Kind::KilledBefore, Kind::KilledSent, Kind::KilledAnswered]);
            kinds.extend([failed("Conflict", 409, 1), failed("Invalid", 422, 1), failed("TooManyRequests", 429, 1)]);
            kinds.extend([failed("InternalError", 500, 1), failed("Timeout", 504, 1), Kind::Written]);
        }
        (Side::Kubernetes, false) => kinds.extend([Kind::KilledBefore, failed("InternalError", 500, 1)]),
        (Side::Event, _) => kinds.extend([Kind::HeldBack, Kind::Gone, Kind::HalfLine, Kind::SilentWatch]),
    }
    if side != Side::Event {
        // What leads elsewhere than the scenario is done in its last part, whose goals its own take the place of.
        let last = met.phase >= scenario.actions();
        let fits = |intrusion: &&Intrusion| {
            (last || matches!(intrusion.ends, End::Same)) && (intrusion.row != OUTSIDERS || met.changeable)
        };
        kinds.extend(scenario.intrusions.iter().filter(fits).map(Kind::Meanwhile));
        if scenario.replicas > 1 && met.mutating {
            kinds.push(Kind::LeaseLost);
        }
    }
    kinds
}

/// How many mutations beyond those of the clean run the faults explain.
pub fn explained(faults: &[Fault], met: u32, clean: u32) -> u32 {
    // A request that fails is tried three times by the SDK, and again by the next passes.
    let tries = |fault: &Fault| match fault.kind {
        // Tried again, with backoff, for as long as it lasts.
        Kind::Denied => 0,
        // All that is done may have to be undone, and done again.
        Kind::Meanwhile(_) => 2 * clean + 3,
        // Another does the same.
        Kind::Twin | Kind::FrozenPastLease | Kind::LeaseLost => clean + 3,
        // Whatever was on its way, of any object; [`crate::oracle::rate`] bounds how often it is tried.
        Kind::Throttled(_) => met,
        // What was done does not show, so all of the plan is done again; a look has many answers, each as old.
        Kind::Stale(reads) => reads * clean.max(3),
        _ => 3,
    };
    met.min(12) + faults.iter().map(tries).sum::<u32>()
}
