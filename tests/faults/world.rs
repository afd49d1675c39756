//! One case's own world: a namespace, an AWS account and a clock, and an operator behind two proxies.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use aws_sim::{Account, Arrival, Sim};
use bytes::Bytes;
use harness::{ApiProxy, Operator, OperatorOptions, objects};
use http::{Request, Response};
use http_body_util::BodyExt;
use k8s_openapi::{
    api::{coordination::v1::Lease, core::v1::Namespace},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, ValidationDirective},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    case::Fault,
    foreign,
    ground::Ground,
    kind::Kind,
    operator::{Keys, Log, POLL, Running, Settings},
    oracle,
    scenario::{Goal, Scenario, Step},
    wire::Wire,
};

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

#[derive(Default)]
struct Crew {
    inside: Vec<Running>,
    process: Vec<Operator>,
}

/// The lists as they were before the last user's action.
#[derive(Default)]
struct Lists {
    before: HashMap<String, Response<Bytes>>,
    due: HashMap<String, Response<Bytes>>,
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
        for _ in 0..scenario.replicas {
            world.start_one().await?;
        }
        Ok(world)
    }

    /// From now on the wire counts, and these faults happen.
    pub async fn arm(&self, faults: &[Fault]) -> anyhow::Result<()> {
        self.wire.arm(faults);
        for fault in faults {
            if let (Kind::Burst(burst), Some(proxy)) = (&fault.kind, &self.ground.microburst) {
                let rule = burst.order(proxy, &fault.at.call, &self.own_key).await?;
                self.ordered.lock().unwrap_or_else(PoisonError::into_inner).push(rule);
            }
        }
        Ok(())
    }

    /// Waits for the faults to happen. Whether they did: of a pair the one may keep the other from it.
    pub async fn met(self: &Arc<Self>, patience: Duration) -> anyhow::Result<bool> {
        let deadline = Instant::now() + patience;
        let ordered = self.ordered.lock().unwrap_or_else(PoisonError::into_inner).clone();
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

    async fn start_one(&self) -> anyhow::Result<()> {
        let mut crew = self.crew.lock().await;
        if self.as_process {
            let operator = self.process()?.start().await?;
            crew.process.push(operator);
        } else {
            crew.inside.push(Running::start(self.settings()?));
        }
        Ok(())
    }

    fn settings(&self) -> anyhow::Result<Settings> {
        Ok(Settings {
            cluster: self.proxy.config()?,
            namespace: self.namespace.clone(),
            cluster_id: "faults".to_owned(),
            endpoint: self.ground.endpoint(),
            region: REGION.to_owned(),
            clock: format!("{}/_sim/accounts/{}/now", self.ground.server.endpoint(), self.own_key).parse()?,
            keys: self.keys.clone(),
            retries: self.retries,
            elected: self.elected,
            log: self.log.clone(),
        })
    }

    fn process(&self) -> anyhow::Result<OperatorOptions> {
        let kubeconfig = self.folder.path().join("kubeconfig");
        self.proxy.write_kubeconfig(&kubeconfig)?;
        let poll = format!("{}ms", POLL.as_millis());
        let mut arguments: Vec<std::ffi::OsString> =
            ["--poll-interval", &poll, "--backoff-min", "20ms", "--backoff-max", "500ms"].map(Into::into).into();
        if self.elected {
            let lease =
                ["--leader-elect", "--lease-duration", "2s", "--lease-renew-deadline", "1s", "--lease-retry", "200ms"];
            arguments.extend(lease.map(Into::into));
        }
        Ok(OperatorOptions {
            binary: harness::operator::built_binary()
                .unwrap_or_else(|_| env!("CARGO_BIN_EXE_showcore-operator").into()),
            kubeconfig,
            namespace: self.namespace.clone(),
            cluster_id: "faults".to_owned(),
            access_key: self.own_key.clone(),
            endpoint: self.ground.endpoint(),
            region: REGION.to_owned(),
            bare: false,
            arguments,
            environment: Vec::new(),
            log: self.folder.path().join("operator.log"),
        })
    }

    /// Whoever works dies, and another is started.
    pub async fn kill(&self) {
        let died = {
            let mut crew = self.crew.lock().await;
            if self.as_process {
                if !crew.process.is_empty() {
                    crew.process.remove(0).kill();
                }
                None
            } else {
                let at = crew.inside.iter().position(Running::leads).unwrap_or(0);
                (at < crew.inside.len()).then(|| crew.inside.remove(at))
            }
        };
        if let Some(died) = died {
            died.kill().await;
        }
        if let Err(error) = self.start_one().await {
            eprintln!("the operator was not started again: {error}");
        }
    }

    /// All operators end.
    pub async fn end(&self) {
        let crew = std::mem::take(&mut *self.crew.lock().await);
        for running in crew.inside {
            running.kill().await;
        }
        self.account.set_hook(None);
        self.ground.objects.forget(&self.namespace);
    }

    /// A second operator, which does what there is to do; waited for at most so long as a held request lasts.
    pub async fn start_twin(&self) {
        if let Err(error) = self.start_one().await {
            eprintln!("the second operator was not started: {error}");
        }
        // It settles what it can while the first's request is held, or waits for it.
        self.until(Duration::from_secs(2), || self.goals_reached()).await;
    }

    /// Whether the goals that the scenario ends with are reached.
    fn goals_reached(&self) -> bool {
        self.scenario.steps[self.scenario.actions()..].iter().all(|step| self.holds(step))
    }

    /// Whether this goal is reached; an action is none.
    fn holds(&self, step: &Step) -> bool {
        match step {
            Step::Await(kind, name, goal) => self.reached(kind, name, *goal),
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

    /// The process stands still.
    pub async fn freeze(&self) {
        for operator in &self.crew.lock().await.process {
            let _ = operator.freeze();
        }
    }

    /// It goes on once its request is answered: what is sent to it waits in the socket.
    pub fn resume_soon(self: &Arc<Self>) {
        let world = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            for operator in &world.crew.lock().await.process {
                let _ = operator.resume();
            }
        });
    }

    /// The process stands still until another holds its lease and has done its work.
    pub async fn freeze_past_lease(self: &Arc<Self>) {
        self.freeze().await;
        if let Err(error) = self.start_one().await {
            eprintln!("the standby was not started: {error}");
        }
        let world = self.clone();
        tokio::spawn(async move {
            world.until(Duration::from_secs(20), || world.goals_reached()).await;
            if let Some(frozen) = world.crew.lock().await.process.first() {
                let _ = frozen.resume();
            }
        });
    }

    /// Somebody else's name is written into the lease.
    pub async fn take_lease_away(&self) {
        let leases: Api<Lease> = Api::namespaced(self.ground.client.clone(), &self.namespace);
        let thief = json!({ "spec": { "holderIdentity": "somebody-else" } });
        let name = showcore_operator::report::MANAGER;
        if let Err(error) = leases.patch(name, &PatchParams::default(), &Patch::Merge(thief)).await {
            eprintln!("the lease was not taken away: {error}");
        }
    }

    /// Waits until the object of a denied call says that it was denied, then lets it be.
    pub fn told_so(self: &Arc<Self>, arrival: &Arrival) {
        if !self.wire.denied_first() {
            return;
        }
        let world = self.clone();
        // What makes a store (the calls of a bucket's creation are many), where there was none before.
        let makes = arrival.call.starts_with("s3:") || arrival.call.contains(":Create");
        let never_ready = makes && self.scenario.prepared.is_empty();
        tokio::spawn(async move {
            let all = || world.ground.objects.all(&world.namespace);
            let denied = |object: &Value| object.to_string().contains("\"AccessDenied\"");
            let said = || all().iter().any(|object| denied(object));
            if !world.until(Duration::from_secs(20), said).await {
                world.wire.breaks("the denied call was never told in a condition");
            }
            let ready = |object: &Value| harness::condition(object, "Ready") == "True";
            if never_ready && all().iter().any(|object| ready(object) && denied(object)) {
                world.wire.breaks("an object is Ready though a call of its creation was denied");
            }
            // For a while: what is tried again at once is tried very often now.
            tokio::time::sleep(Duration::from_millis(1500)).await;
            world.wire.heal();
        });
    }

    /// The operator finds itself in another account, until an object has said so.
    pub async fn in_another_account(self: &Arc<Self>) {
        *self.keys.0.lock().unwrap_or_else(PoisonError::into_inner) = format!("AKIASIM0{}", self.other.id());
        self.kill().await;
        let world = self.clone();
        tokio::spawn(async move {
            let said = || {
                world
                    .ground
                    .objects
                    .all(&world.namespace)
                    .iter()
                    .any(|object| object.to_string().contains("\"WrongPlace\""))
            };
            if !world.until(Duration::from_secs(20), said).await {
                world.wire.breaks("nothing says that the credentials are another account's");
            }
            (*world.keys.0.lock().unwrap_or_else(PoisonError::into_inner)).clone_from(&world.own_key);
            world.kill().await;
        });
    }

    /// What was written in the other account: nothing ever is.
    pub fn written_elsewhere(&self) -> Vec<String> {
        let requests = self.other.requests();
        requests.into_iter().filter(|request| request.mutating).map(|request| request.operation).collect()
    }

    /// The operator dies, and its successor's first lists are those from before the last user's action.
    pub async fn kill_before_an_old_list(&self) {
        {
            let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
            let before = lists.before.clone();
            lists.due = before;
        }
        self.kill().await;
    }

    /// The old answer to this list, if one is due.
    pub fn old_list(&self, arrival: &Arrival) -> Option<Response<Bytes>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner).due.remove(&arrival.call)
    }

    async fn remember_lists(&self) -> anyhow::Result<()> {
        let mut before = HashMap::new();
        for (_, plural) in KINDS {
            let path = format!("/apis/showcore.io/v1alpha1/namespaces/{}/{plural}", self.namespace);
            let request = Request::get(path).body(kube::client::Body::empty())?;
            let (head, body) = self.ground.client.send(request).await?.into_parts();
            let mut answer = Response::new(body.collect().await?.to_bytes());
            if let Some(form) = head.headers.get("content-type") {
                answer.headers_mut().insert("content-type", form.clone());
            }
            before.insert(format!("LIST {plural}"), answer);
        }
        self.lists.lock().unwrap_or_else(PoisonError::into_inner).before = before;
        Ok(())
    }

    /// Does one step; a goal is waited for.
    pub async fn perform(self: &Arc<Self>, step: &'static Step) -> anyhow::Result<()> {
        self.wire.stirred();
        match step {
            Step::Apply(yaml) => {
                self.remember_lists().await?;
                self.apply(yaml).await?;
            }
            Step::Delete(kind, name) => {
                self.remember_lists().await?;
                self.delete(kind, name).await?;
            }
            Step::Remake(kind, name, yaml) => {
                self.remember_lists().await?;
                let before = self.object(kind, name).map(|object| object["metadata"]["uid"].clone());
                self.delete(kind, name).await?;
                let world = self.clone();
                tokio::spawn(async move {
                    let gone = || world.object(kind, name).map(|object| object["metadata"]["uid"].clone()) != before;
                    if !world.until(PATIENCE, || world.object(kind, name).is_none() || gone()).await {
                        return world.wire.breaks("the deleted object did not go");
                    }
                    // The watch may lag behind the API server, which refuses a name that is still there.
                    if let Err(error) = world.apply(yaml).await {
                        world.wire.breaks(&format!("the object was not made again: {error}"));
                    }
                });
            }
            Step::DeleteNamespace => {
                let namespaces: Api<Namespace> = Api::all(self.ground.client.clone());
                namespaces.delete(&self.namespace, &DeleteParams::default()).await?;
            }
            Step::Outside(change) => {
                change(self);
            }
            Step::Restart => self.kill().await,
            Step::Crds(without) => self.install_crds(without).await?,
            Step::Await(kind, name, goal) => {
                if !self.until(PATIENCE, || self.reached(kind, name, *goal)).await {
                    anyhow::bail!(
                        "waited {PATIENCE:?} for {kind} {name}: {goal:?}\n{:#}",
                        self.object(kind, name).as_deref().unwrap_or(&Value::Null)["status"]
                    );
                }
            }
        }
        Ok(())
    }

    async fn install_crds(&self, without: &[&str]) -> anyhow::Result<()> {
        anyhow::ensure!(self.scenario.alone, "the CRDs are shared by all scenarios but those that run alone");
        let api: Api<CustomResourceDefinition> = Api::all(self.ground.client.clone());
        for crd in showcore_operator::kinds::crds() {
            let name = crd.name_any();
            let mut crd = serde_json::to_value(&crd)?;
            let spec = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
            for field in without {
                spec["properties"].as_object_mut().map(|fields| fields.remove(*field));
            }
            if let Some(rules) = spec["x-kubernetes-validations"].as_array_mut() {
                rules.retain(|rule| !without.iter().any(|field| rule["rule"].to_string().contains(field)));
            }
            api.patch(&name, &PatchParams::apply("harness").force(), &Patch::Apply(&crd)).await?;
        }
        // They are served a moment after they were taken.
        let probe = json!({
            "apiVersion": "showcore.io/v1alpha1",
            "kind": "ShowCoreBucket",
            "metadata": { "name": "probe" },
            "spec": { "bucketName": "probe-{accountID}", "purpose": "Backups", "lifecycle": [] },
        });
        let api = objects::api(&self.ground.client, &self.namespace, "ShowCoreBucket");
        let mut params = PatchParams::apply("probe").dry_run();
        params.field_validation = Some(ValidationDirective::Strict);
        let deadline = Instant::now() + PATIENCE;
        while api.patch("probe", &params, &Patch::Apply(&probe)).await.is_ok() == without.contains(&"lifecycle") {
            anyhow::ensure!(Instant::now() < deadline, "the CRDs are not served");
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    async fn apply(&self, yaml: &str) -> anyhow::Result<()> {
        let manifests: Vec<Value> = serde_saphyr::from_multiple(&self.particular_spec(yaml))?;
        for manifest in manifests {
            let (kind, name) = (text(&manifest["kind"]), text(&manifest["metadata"]["name"]));
            let api = objects::api(&self.ground.client, &self.namespace, &kind);
            let applied = api.patch(&name, &PatchParams::apply("user").force(), &Patch::Apply(&manifest)).await?;
            // Goals are judged by the watch, which may lag behind: the object before the change had reached them, too.
            let generation = applied.metadata.generation.unwrap_or_default();
            let told = || {
                let seen = self.object(&kind, &name);
                seen.is_some_and(|object| object["metadata"]["generation"].as_i64() >= Some(generation))
            };
            self.until(PATIENCE, told).await;
        }
        Ok(())
    }

    /// Manifests may name the account themselves: in bucket names the operator replaces it, elsewhere we do.
    fn particular_spec(&self, yaml: &str) -> String {
        yaml.replace("ACCOUNT", self.account.id())
    }

    async fn delete(&self, kind: &str, name: &str) -> anyhow::Result<()> {
        let api = objects::api(&self.ground.client, &self.namespace, kind);
        match api.delete(name, &DeleteParams::default()).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(error) => Err(error.into()),
        }
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
        let rests = || goals.iter().all(|step| self.holds(step)) && self.wire.quiet(&stores(), POLL);
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

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
