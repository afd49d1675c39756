//! What all cases share: one control plane, one stand-in, one watch of all objects.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_sim::{Options, Server, Sim};
use futures::{StreamExt, TryStreamExt};
use harness::{
    ControlPlane,
    judge::{
        emulator::Emulator,
        forward::{Forward, Target},
        microburst::Microburst,
    },
};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind},
    runtime::watcher::{self, Event, watcher},
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::world::KINDS;

/// What all cases share.
pub struct Ground {
    /// The control plane.
    pub control_plane: ControlPlane,
    /// What the cases themselves do goes through this client.
    pub client: Client,
    /// What the proxies pass on goes through this one.
    pub upstream: Client,
    /// The stand-in; each case has an account, with a clock that stands still until it is pushed.
    pub sim: Sim,
    /// Where it listens.
    pub server: Server,
    /// The fault proxy between the operators and the stand-in, where the stand-in stands before an emulator.
    pub microburst: Option<Microburst>,
    /// What answers in the stand-in's place, and where both log.
    _emulator: Option<(harness::Daemon, TempDir)>,
    /// All objects of our kinds, as a watch of the ground's own tells them.
    pub objects: Objects,
}

impl Ground {
    /// Starts all of it.
    pub async fn start(control_plane: ControlPlane) -> anyhow::Result<Arc<Self>> {
        Self::of(control_plane, Sim::new(Options { speed: 0.0 }), None).await
    }

    /// Starts it with this emulator in the stand-in's place, which keeps the accounts apart, and microburst before it.
    pub async fn before(control_plane: ControlPlane, emulator: Emulator) -> anyhow::Result<Arc<Self>> {
        let folder = tempfile::tempdir()?;
        let running = emulator.start(&folder.path().join("emulator.log")).await?;
        let forward = Forward::new(Target::Emulator { url: running.url(), emulator }, None, None)?;
        let sim = Sim::in_front_of(Arc::new(forward), Options { speed: 0.0 });
        Self::of(control_plane, sim, Some((running, folder))).await
    }

    async fn of(
        control_plane: ControlPlane,
        sim: Sim,
        emulator: Option<(harness::Daemon, TempDir)>,
    ) -> anyhow::Result<Arc<Self>> {
        let server = sim.start(([127, 0, 0, 1], 0).into(), None).await?;
        let microburst = match &emulator {
            Some((_, folder)) => {
                Some(Microburst::start(&server.endpoint(), &folder.path().join("microburst.log")).await?)
            }
            None => None,
        };
        let client = control_plane.client().await?;
        Ok(Arc::new(Self {
            upstream: control_plane.client().await?,
            objects: Objects::watch(&client),
            control_plane,
            client,
            sim,
            server,
            microburst,
            _emulator: emulator,
        }))
    }

    /// Whether an emulator answers, into whose state we do not see.
    pub fn foreign(&self) -> bool {
        self.microburst.is_some()
    }

    /// Where operators find AWS.
    pub fn endpoint(&self) -> String {
        self.microburst.as_ref().map_or_else(|| self.server.endpoint(), harness::judge::microburst::Microburst::url)
    }
}

/// By namespace, then by kind and name.
type Known = Arc<Mutex<HashMap<String, HashMap<(&'static str, String), Arc<Value>>>>>;

/// All objects of our kinds.
pub struct Objects {
    known: Known,
    ever: Arc<Mutex<HashSet<(String, String)>>>,
    watches: Vec<JoinHandle<()>>,
}

impl Objects {
    fn watch(client: &Client) -> Self {
        let known = Known::default();
        let ever = Arc::<Mutex<HashSet<_>>>::default();
        let (seen, filled) = (ever.clone(), known.clone());
        let watches = KINDS.map(move |(kind, plural)| {
            let resource =
                ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("showcore.io", "v1alpha1", kind), plural);
            let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
            let (known, seen) = (filled.clone(), seen.clone());
            tokio::spawn(async move {
                let mut events = watcher(api, watcher::Config::default()).boxed();
                loop {
                    match events.try_next().await {
                        Ok(Some(Event::Apply(object) | Event::InitApply(object))) => {
                            let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
                            lock(&seen).insert((namespace.clone(), object.uid().unwrap_or_default()));
                            let mut value = serde_json::to_value(object).unwrap_or_default();
                            value["metadata"]["managedFields"] = Value::Null;
                            lock(&known).entry(namespace).or_default().insert((kind, name), Arc::new(value));
                        }
                        Ok(Some(Event::Delete(object))) => {
                            let namespace = object.namespace().unwrap_or_default();
                            if let Some(all) = lock(&known).get_mut(&namespace) {
                                all.remove(&(kind, object.name_any()));
                            }
                        }
                        Ok(None) => return,
                        // It begins again by itself.
                        Ok(Some(_)) | Err(_) => {}
                    }
                }
            })
        });
        Self { known, ever, watches: watches.into() }
    }

    /// One of them.
    pub fn get(&self, namespace: &str, kind: &str, name: &str) -> Option<Arc<Value>> {
        let known = lock(&self.known);
        let mut all = known.get(namespace)?.iter();
        all.find(|(key, _)| key.0 == kind && key.1 == name).map(|(_, object)| object.clone())
    }

    /// Whether an object of this uid has ever been in the namespace.
    pub fn ever(&self, namespace: &str, uid: &str) -> bool {
        lock(&self.ever).contains(&(namespace.to_owned(), uid.to_owned()))
    }

    /// All of a namespace.
    pub fn all(&self, namespace: &str) -> Vec<Arc<Value>> {
        lock(&self.known).get(namespace).into_iter().flat_map(HashMap::values).cloned().collect()
    }

    /// Nobody asks for those of this namespace any more.
    pub fn forget(&self, namespace: &str) {
        lock(&self.known).remove(namespace);
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        for watch in &self.watches {
            watch.abort();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
