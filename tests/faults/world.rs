//! One case's own world: a namespace, an AWS account and a clock, and an operator behind two proxies.

mod crew;
mod deeds;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use aws_sim::{Account, Sim};
use harness::ApiProxy;
use kube::Client;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    case::Fault,
    foreign,
    ground::Ground,
    kind::Kind,
    operator::{Keys, Log},
    oracle,
    scenario::{Goal, Scenario, Step},
    wire::Wire,
};
use crew::Crew;
use deeds::Lists;

/// The region of all stores.
pub const REGION: &str = "eu-central-1";
/// The three kinds and their plurals.
pub const KINDS: [(&str, &str); 3] = [
    ("ShowCoreDatabase", "showcoredatabases"),
    ("ShowCoreCache", "showcorecaches"),
    ("ShowCoreBucket", "showcorebuckets"),
];
/// How long a state is waited for.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often a state is looked for, and how far the account's clock goes on meanwhile.
const LOOK: Duration = Duration::from_millis(40);
const STEP: Duration = Duration::from_secs(90);
/// Where no store is.
const OTHER_REGION: &str = "eu-west-1";

/// One case's world.
pub struct World {
    /// What all cases share.
    pub ground: Arc<Ground>,
    /// Its namespace.
    pub namespace: String,
    /// Its account.
    pub account: Account,
    /// Its wire.
    pub wire: Arc<Wire>,
    /// What its operators have logged.
    pub log: Log,
    scenario: &'static Scenario,
    other: Account,
    keys: Keys,
    own_key: String,
    /// Where an operator that is started now looks for stores.
    region: Mutex<&'static str>,
    proxy: ApiProxy,
    crew: tokio::sync::Mutex<Crew>,
    lists: Mutex<Lists>,
    as_process: bool,
    retries: bool,
    elected: bool,
    folder: TempDir,
    /// What microburst was told to do.
    ordered: Mutex<Vec<u64>>,
}

impl World {
    /// A world for a case of this scenario, with its operators running.
    pub async fn start(
        ground: &Arc<Ground>,
        scenario: &'static Scenario,
        faults: &[Fault],
    ) -> anyhow::Result<Arc<Self>> {
        let any = |kind: fn(&Kind) -> bool| faults.iter().any(|fault| kind(&fault.kind));
        let wire = Arc::new(Wire::default());
        let own_key = harness::test::new_access_key();
        let account = ground.sim.account(&own_key);
        account.set_hook(Some(wire.clone()));
        let namespace = ground.control_plane.namespace(&ground.client, "case").await?;
        let world = Arc::new(Self {
            proxy: ApiProxy::start(ground.upstream.clone(), wire.clone()).await?,
            other: ground.sim.account(&harness::test::new_access_key()),
            keys: Keys(Arc::new(Mutex::new(own_key.clone()))),
            ground: ground.clone(),
            namespace,
            account,
            wire,
            log: Log::default(),
            scenario,
            own_key,
            region: Mutex::new(REGION),
            crew: tokio::sync::Mutex::default(),
            lists: Mutex::default(),
            as_process: any(Kind::needs_process),
            retries: !any(|kind| matches!(kind, Kind::LostWithoutRetries)),
            // Without an election nothing keeps two processes apart, and a frozen one goes on where it was.
            elected: scenario.replicas > 1 || any(|kind| matches!(kind, Kind::FrozenPastLease)),
            folder: tempfile::tempdir()?,
            ordered: Mutex::default(),
        });
        world.wire.belongs_to(&world);
        world.start_crew().await?;
        Ok(world)
    }

    /// From now on the wire counts, and these faults happen.
    pub async fn arm(&self, faults: &[Fault]) -> anyhow::Result<()> {
        self.wire.arm(faults);
        for fault in faults {
            if let (Kind::Burst(burst), Some(proxy)) = (&fault.kind, &self.ground.microburst) {
                let rule = burst.order(proxy, &fault.at.call, &self.own_key).await?;
                lock(&self.ordered).push(rule);
            }
        }
        Ok(())
    }

    /// Waits for the faults to happen. Whether they did: of a pair the one may keep the other from it.
    pub async fn met(self: &Arc<Self>, patience: Duration) -> anyhow::Result<bool> {
        let deadline = Instant::now() + patience;
        let ordered = lock(&self.ordered).clone();
        for rule in ordered {
            while foreign::fired(self, rule).await? == 0 {
                if !self.until(LOOK, || false).await && Instant::now() > deadline {
                    return Ok(false);
                }
            }
        }
        Ok(self.until(patience, || self.wire.met_any()).await)
    }

    /// The access key of its account.
    pub fn access_key(&self) -> &str {
        &self.own_key
    }

    /// What happens in it.
    pub fn scenario(&self) -> &'static Scenario {
        self.scenario
    }

    /// The stand-in.
    pub fn sim(&self) -> &Sim {
        &self.ground.sim
    }

    /// A name without what only this case has in it.
    pub fn general(&self, text: &str) -> String {
        text.replace(self.account.id(), "{accountID}").replace(&self.namespace, "NAMESPACE")
    }

    /// The other way round.
    pub fn particular(&self, text: &str) -> String {
        text.replace("{accountID}", self.account.id())
    }

    /// An object as the watch last told it.
    pub fn object(&self, kind: &str, name: &str) -> Option<Arc<Value>> {
        self.ground.objects.get(&self.namespace, kind, name)
    }

    /// Whether the goals that the scenario ends with are reached.
    fn goals_reached(&self) -> bool {
        self.scenario.steps[self.scenario.actions()..].iter().all(|step| self.holds(step))
    }

    /// Whether this goal is reached; an action is none.
    fn holds(&self, step: &Step) -> bool {
        match step {
            Step::Await(kind, name, goal) => self.reached(kind, name, *goal),
            Step::AwaitAll(goal) => {
                self.ground.objects.all(&self.namespace).iter().all(|object| goal.reached(Some(object)))
            }
            _ => true,
        }
    }

    fn reached(&self, kind: &str, name: &str, goal: Goal) -> bool {
        goal.reached(self.object(kind, name).as_deref())
    }

    /// Waits, while the account's clock goes on, but not longer than this. Whether it came to it.
    pub async fn until(&self, patience: Duration, reached: impl Fn() -> bool) -> bool {
        let deadline = Instant::now() + patience;
        while !reached() {
            if Instant::now() > deadline {
                return false;
            }
            tokio::time::sleep(LOOK).await;
            self.account.advance(STEP);
        }
        true
    }

    /// What was written in another account or region: nothing ever is.
    pub fn written_elsewhere(&self) -> Vec<String> {
        let there = self.other.requests();
        let here = self.account.requests().into_iter().filter(|request| request.region != REGION);
        let written = there.into_iter().chain(here).filter(|request| request.mutating);
        written.map(|request| format!("{} in another account, or in {}", request.operation, request.region)).collect()
    }

    /// Waits until nothing is written any more, and all stores have been looked at twice since.
    /// And these goals hold then: what happened late may have led away from them again.
    pub async fn rest(&self, goals: &[&Step]) -> anyhow::Result<()> {
        let stores = || {
            let all = self.ground.objects.all(&self.namespace);
            all.iter()
                .filter(|object| looked_at(object))
                .map(|object| self.general(&oracle::identifier(object)))
                .collect::<Vec<_>>()
        };
        let rests = || goals.iter().all(|step| self.holds(step)) && self.wire.quiet(&stores(), self.scenario.pace.poll);
        if self.until(PATIENCE, rests).await {
            return Ok(());
        }
        anyhow::bail!("it did not come to rest within {PATIENCE:?}: {:?}", stores())
    }

    /// All that the operators of this case have said.
    pub fn logged(&self) -> String {
        let process = std::fs::read_to_string(self.folder.path().join("operator.log")).unwrap_or_default();
        self.log.text() + &process
    }

    /// Whether an object of it takes over what carries nobody's tags.
    pub fn adopts(&self) -> bool {
        self.ground.objects.all(&self.namespace).iter().any(|object| object["spec"]["adoption"] == "Unowned")
    }

    /// A client that no fault meets.
    pub fn client(&self) -> Client {
        self.ground.client.clone()
    }
}

/// Whether AWS is asked about it at every look.
fn looked_at(object: &Value) -> bool {
    !["NoRegion", "WrongPlace", "IdentifierChanged", "Unreadable"]
        .iter()
        .any(|reason| harness::condition_reason(object, "Stalled") == *reason)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
