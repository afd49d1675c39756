//! The wire between a case's operator and both its servers: counts what passes, and lets a fault happen at its point.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::{Duration, Instant},
};

use aws_sim::{Arrival, Execute, Hook, Outcome};
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use harness::{ApiHook, Told};
use http::Response;

use crate::{
    case::{Fault, Point},
    kind::{Kind, Side},
    oracle,
    scenarios::{OUTSIDERS, changeable},
    world::World,
};

/// A point of a clean run, and which kind of request it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Met {
    /// Where.
    pub point: Point,
    /// Whether it can change something.
    pub mutating: bool,
    /// How many of the scenario's steps had been done.
    pub phase: usize,
    /// Whether a store was there that others could have changed.
    pub changeable: bool,
}

/// Stands on both wires of one case.
#[derive(Default)]
pub struct Wire {
    state: Mutex<State>,
    world: OnceLock<Weak<World>>,
}

#[derive(Default)]
struct State {
    /// Whether points are counted and faults happen: not while the scenario is prepared.
    on: bool,
    phase: usize,
    seen: HashMap<(String, String), u32>,
    trace: Vec<Met>,
    armed: Vec<Fault>,
    met: u32,
    /// Faults that are not over yet.
    happening: u32,
    denies: bool,
    /// The operator is killed when its next request comes.
    kill_next: bool,
    throttled_until: Option<Instant>,
    /// How many requests were throttled, and how many objects there were then.
    throttled: (u32, usize),
    credentials_refused: u32,
    /// Mutations of AWS, by call and object.
    mutations: BTreeMap<(String, String), u32>,
    /// All that was written to the API server, but Secrets.
    written: String,
    /// Passwords that were written into Secrets.
    passwords: Vec<String>,
    last_write: Option<Instant>,
    /// Reads of AWS since the last write, by object.
    looks: HashMap<String, u32>,
    /// The tags of a store as they were when the operator looked at it last.
    tags: HashMap<(String, String), BTreeMap<String, String>>,
    answers: HashMap<(String, String), Response<Bytes>>,
    stale: HashMap<(String, String), (Response<Bytes>, u32)>,
    broken: Vec<String>,
    recent: Vec<String>,
}

/// What a case's wire has seen in the end.
pub struct Seen {
    /// The points, in their order.
    pub trace: Vec<Met>,
    /// How many requests a fault has met.
    pub met: u32,
    /// How many requests were throttled, and how many objects there were then.
    pub throttled: (u32, usize),
    /// Mutations of AWS, by call and object.
    pub mutations: BTreeMap<(String, String), u32>,
    /// All that was written to the API server, but Secrets.
    pub written: String,
    /// Passwords that were written into Secrets.
    pub passwords: Vec<String>,
    /// What no request may ever do, done.
    pub broken: Vec<String>,
}

impl Seen {
    /// How many calls to AWS can have changed something.
    pub fn changes(&self) -> u32 {
        self.mutations.values().sum()
    }
}

impl Wire {
    /// Tells the wire whose it is.
    pub fn belongs_to(&self, world: &Arc<World>) {
        // Set once, when the world is made.
        let _ = self.world.set(Arc::downgrade(world));
    }

    /// From now on points are counted, and these faults happen.
    pub fn arm(&self, faults: &[Fault]) {
        let mut state = self.lock();
        state.on = true;
        state.armed = faults.iter().filter(|fault| !matches!(fault.kind, Kind::Burst(_))).cloned().collect();
    }

    /// How many of the scenario's steps have been done.
    pub fn phase(&self) -> usize {
        self.lock().phase
    }

    /// A step is done.
    pub fn next_phase(&self) {
        self.lock().phase += 1;
    }

    /// Something was done: what comes of it is still to come.
    pub fn stirred(&self) {
        let mut state = self.lock();
        state.last_write = Some(Instant::now());
        state.looks.clear();
    }

    /// Whether the faults have happened: of a pair the one may keep the other from it.
    pub fn met_any(&self) -> bool {
        let state = self.lock();
        (state.met > 0 || state.armed.is_empty()) && state.happening == 0
    }

    /// What was seen so far.
    pub fn seen(&self) -> Seen {
        let state = self.lock();
        Seen {
            trace: state.trace.clone(),
            met: state.met,
            throttled: state.throttled,
            mutations: state.mutations.clone(),
            written: state.written.clone(),
            passwords: state.passwords.clone(),
            broken: state.broken.clone(),
        }
    }

    /// Something happened that must not.
    pub fn breaks(&self, what: &str) {
        self.lock().broken.push(what.to_owned());
    }

    /// The tags of this store as they were when the operator looked at it last.
    pub fn last_tags(&self, service: &str, store: &str) -> Option<BTreeMap<String, String>> {
        self.lock().tags.get(&(service.to_owned(), store.to_owned())).cloned()
    }

    /// Whether this is the first time that something is denied.
    pub fn denied_first(&self) -> bool {
        !std::mem::replace(&mut self.lock().denies, true)
    }

    /// Nothing is denied any more.
    pub fn allow(&self) {
        self.lock().armed.retain(|fault| !matches!(fault.kind, Kind::Denied));
    }

    /// The last requests, for whoever reads a failure.
    pub fn recent(&self) -> String {
        let state = self.lock();
        state.recent[state.recent.len().saturating_sub(60)..].join("\n")
    }

    /// Whether nothing was written for so long, and each of these stores was looked at twice since, and faults are over.
    pub fn quiet(&self, stores: &[String], for_: Duration) -> bool {
        let state = self.lock();
        let looks = |store: &String| state.looks.get(store).is_some_and(|looks| *looks >= 3);
        state.happening == 0 && state.last_write.is_none_or(|last| last.elapsed() > for_) && stores.iter().all(looks)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn world(&self) -> Option<Arc<World>> {
        self.world.get()?.upgrade()
    }

    async fn met(&self, mut arrival: Arrival, execute: Execute) -> Outcome {
        let Some(world) = self.world() else { return Outcome::Cut };
        arrival.object = world.general(&arrival.object);
        let changeable = !world.scenario().intrusions.is_empty() && changeable(&world);
        let (kind, kill_first) = self.lock().arrives(&arrival, changeable);
        if kill_first {
            world.kill().await;
            return Outcome::Cut;
        }
        let Some(kind) = kind else { return self.pass(&world, &arrival, execute).await };
        let outcome = self.happens(kind, &world, &arrival, execute).await;
        self.lock().is_over();
        outcome
    }

    async fn happens(&self, kind: Kind, world: &Arc<World>, arrival: &Arrival, execute: Execute) -> Outcome {
        let aws = Side::of(&arrival.call) == Side::Aws;
        let refused = |code: &str, status| Outcome::Refused {
            code: code.to_owned(),
            status,
            message: if aws { oracle::PLANTED } else { "as a case demands" }.to_owned(),
        };
        match kind {
            Kind::KilledBefore => {
                world.kill().await;
                Outcome::Cut
            }
            Kind::KilledSent | Kind::Sigkilled => {
                self.pass(world, arrival, execute).await;
                world.kill().await;
                Outcome::Cut
            }
            Kind::KilledAnswered => {
                let outcome = self.pass(world, arrival, execute).await;
                self.lock().kill_next = true;
                outcome
            }
            Kind::Lost | Kind::LostWithoutRetries => {
                self.pass(world, arrival, execute).await;
                Outcome::Cut
            }
            Kind::Failed { code, status, .. } => refused(code, status),
            Kind::Unreached { .. } => Outcome::Cut,
            Kind::HalfAnswered => match self.pass(world, arrival, execute).await {
                Outcome::Answered(answer) => Outcome::Half(answer),
                outcome => outcome,
            },
            Kind::Garbled => {
                self.pass(world, arrival, execute).await;
                let mut answer = Response::new(Bytes::from_static(b"<\x00\xff<Answer>&nonsense;</Ans"));
                answer.headers_mut().insert("content-type", http::HeaderValue::from_static("text/xml"));
                Outcome::Answered(answer)
            }
            Kind::Silent => {
                // Longer than the operator waits for one try.
                tokio::time::sleep(Duration::from_secs(13)).await;
                Outcome::Cut
            }
            Kind::Throttled(time) => {
                let objects = world.ground.objects.all(&world.namespace).len();
                let mut state = self.lock();
                state.throttled_until = Some(Instant::now() + time);
                state.throttled = (1, objects);
                drop(state);
                refused("Throttling", 400)
            }
            Kind::Stale(reads) => {
                self.lock().freeze(&arrival.object, reads);
                self.pass(world, arrival, execute).await
            }
            Kind::Denied => {
                world.told_so(arrival);
                refused("AccessDenied", 403)
            }
            Kind::Written => {
                self.pass(world, arrival, execute).await;
                refused("Timeout", 504)
            }
            Kind::Expired => {
                self.lock().credentials_refused = 3;
                refused("ExpiredToken", 403)
            }
            Kind::OtherAccount => {
                world.in_another_account().await;
                Outcome::Cut
            }
            Kind::OtherRegion => {
                world.in_another_region().await;
                Outcome::Cut
            }
            Kind::Meanwhile(intrusion) => {
                // Not before what is intruded upon has been done; and what is not there nobody can change.
                let possible =
                    || self.phase() >= world.scenario().actions() && (intrusion.row != OUTSIDERS || changeable(world));
                if !world.until(Duration::from_secs(5), possible).await {
                    self.lock().met = 0;
                    return self.pass(world, arrival, execute).await;
                }
                for step in intrusion.steps {
                    if let Err(why) = world.perform(step).await {
                        self.lock().broken.push(format!("the case itself: {why}"));
                    }
                }
                self.pass(world, arrival, execute).await
            }
            Kind::Twin => {
                world.start_twin().await;
                self.pass(world, arrival, execute).await
            }
            Kind::LeaseLost => {
                world.take_lease_away().await;
                self.pass(world, arrival, execute).await
            }
            Kind::Frozen => {
                world.freeze().await;
                let outcome = self.pass(world, arrival, execute).await;
                world.resume_soon();
                outcome
            }
            Kind::FrozenPastLease => {
                let outcome = self.pass(world, arrival, execute).await;
                world.freeze_past_lease().await;
                outcome
            }
            // Faults of watches and lists, not of requests; and those that another proxy makes.
            Kind::HeldBack | Kind::Gone | Kind::HalfLine | Kind::SilentWatch | Kind::Burst(_) => {
                self.pass(world, arrival, execute).await
            }
            Kind::OldList => {
                world.kill_before_an_old_list().await;
                Outcome::Cut
            }
        }
    }

    /// Executes it, and holds what it did against what no request may ever do.
    async fn pass(&self, world: &World, arrival: &Arrival, execute: Execute) -> Outcome {
        let key = (arrival.call.clone(), arrival.parameters.to_string());
        let service = arrival.call.split(':').next().unwrap_or_default();
        let store = (service.to_owned(), arrival.object.clone());
        if Side::of(&arrival.call) != Side::Aws {
            if let Some(list) = world.old_list(arrival) {
                return Outcome::Answered(list);
            }
            return Outcome::of(execute.await);
        }
        if !arrival.mutating {
            if let Some(old) = self.lock().stale_answer(&key) {
                return Outcome::Answered(old);
            }
            let tags =
                TAGGED.contains(&arrival.call.as_str()).then(|| oracle::owner_tags(world, service, &arrival.object));
            let answer = execute.await;
            if let Some(Some(tags)) = tags {
                self.lock().tags.insert(store, tags);
            }
            if let Some(answer) = &answer {
                self.lock().answers.insert(key, answer.clone());
            }
            return Outcome::of(answer);
        }
        let before = oracle::exposed(world);
        let mut broken = oracle::forbidden(world, arrival).await;
        let answer = execute.await;
        broken.extend(oracle::exposed(world).difference(&before).map(|what| format!("{}: {what}", arrival.call)));
        let mut state = self.lock();
        state.broken.extend(broken);
        let tagged = [":AddTagsToResource", ":PutBucketTagging"].iter().any(|call| arrival.call.ends_with(call));
        if (tagged || arrival.call.contains(":Create"))
            && let Some(tags) = oracle::owner_tags(world, service, &arrival.object)
        {
            // What follows in the same plan is sent to what it has just made or tagged.
            state.tags.insert(store, tags);
        }
        drop(state);
        Outcome::of(answer)
    }
}

impl State {
    /// Counts it, and says which fault happens to it, and whether the operator is killed before.
    fn arrives(&mut self, arrival: &Arrival, changeable: bool) -> (Option<Kind>, bool) {
        self.recent.push(format!("{} {}", arrival.call, arrival.object));
        let side = Side::of(&arrival.call);
        if LOOKS.contains(&arrival.call.as_str()) {
            *self.looks.entry(arrival.object.clone()).or_default() += 1;
        } else if arrival.mutating && !arrival.call.ends_with(" leases") {
            self.last_write = Some(Instant::now());
            self.looks.clear();
        }
        if side == Side::Kubernetes && arrival.mutating {
            if arrival.call.ends_with(" secrets") {
                self.passwords.extend(oracle::password(&arrival.parameters));
            } else {
                self.written.push_str(&arrival.parameters.to_string());
            }
        }
        if !self.on {
            return (None, false);
        }
        if side == Side::Aws && arrival.mutating {
            *self.mutations.entry((arrival.call.clone(), arrival.object.clone())).or_default() += 1;
        }
        let nth = self.seen.entry((arrival.call.clone(), arrival.object.clone())).or_default();
        *nth += 1;
        let point = Point { call: arrival.call.clone(), object: arrival.object.clone(), nth: *nth };
        self.trace.push(Met { point: point.clone(), mutating: arrival.mutating, phase: self.phase, changeable });
        // An event is no request of its own: the next request is its death.
        if side != Side::Event && std::mem::take(&mut self.kill_next) {
            return (None, true);
        }
        if side == Side::Aws {
            if self.throttled_until.is_some_and(|until| Instant::now() < until) {
                self.met += 1;
                self.throttled.0 += 1;
                self.happening += 1;
                return (Some(Kind::Failed { code: "Throttling", status: 400, times: 1 }), false);
            }
            if self.credentials_refused > 0 {
                self.credentials_refused -= 1;
                self.happening += 1;
                return (Some(Kind::Failed { code: "ExpiredToken", status: 403, times: 1 }), false);
            }
        }
        let kind = self.armed.iter().find(|fault| fault.happens_at(&point)).map(|fault| fault.kind.clone());
        if kind.is_some() {
            self.met += 1;
            self.happening += 1;
        }
        (kind, false)
    }

    /// A fault is over; what comes of it is still to come.
    fn is_over(&mut self) {
        self.happening = self.happening.saturating_sub(1);
        self.last_write = Some(Instant::now());
        self.looks.clear();
    }

    /// From now on each read of this object is answered so often as it was before.
    fn freeze(&mut self, object: &str, reads: u32) {
        let of_object = |key: &(String, String)| key.1.contains(object.split('{').next().unwrap_or_default());
        self.stale = self
            .answers
            .iter()
            .filter(|(key, _)| of_object(key))
            .map(|(key, answer)| (key.clone(), (answer.clone(), reads)))
            .collect();
    }

    fn stale_answer(&mut self, key: &(String, String)) -> Option<Response<Bytes>> {
        let (answer, left) = self.stale.get_mut(key).filter(|(_, left)| *left > 0)?;
        *left -= 1;
        let answer = answer.clone();
        // What comes to rest on an old answer has not seen the truth yet.
        self.looks.clear();
        Some(answer)
    }
}

impl Hook for Wire {
    fn meet(&self, arrival: Arrival, execute: Execute) -> BoxFuture<'_, Outcome> {
        self.met(arrival, execute).boxed()
    }
}

/// The call that answers a store's tags.
const TAGGED: [&str; 3] = ["rds:DescribeDBInstances", "elasticache:ListTagsForResource", "s3:GetBucketTagging"];

/// The call that each look at a store begins with.
const LOOKS: [&str; 3] = ["rds:DescribeDBInstances", "elasticache:DescribeReplicationGroups", "s3:GetBucketTagging"];

impl ApiHook for Wire {
    fn told(&self, watch: &Arrival, event: &[u8]) -> Told {
        let event: serde_json::Value = serde_json::from_slice(event).unwrap_or_default();
        let name = event["object"]["metadata"]["name"].as_str().unwrap_or_default();
        let call = watch.call.replace("WATCH", "EVENT");
        let arrival = Arrival { call, object: name.to_owned(), mutating: false, ..watch.clone() };
        let mut state = self.lock();
        let kind = state.arrives(&arrival, false).0;
        if kind.is_some() {
            state.is_over();
        }
        match kind {
            Some(Kind::HeldBack) => Told::HeldBack(Duration::from_millis(700)),
            Some(Kind::Gone) => Told::Gone,
            Some(Kind::HalfLine) => Told::Half,
            Some(Kind::SilentWatch) => Told::Silence(Duration::from_secs(5)),
            _ => Told::Pass,
        }
    }
}
