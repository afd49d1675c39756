//! All that happens to the objects, in order: a correction may be over before one looks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use harness::objects;
use kube::Client;
use kube::runtime::watcher::{self, Event};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub(crate) const KINDS: [&str; 3] = ["ShowCoreDatabase", "ShowCoreCache", "ShowCoreBucket"];

/// Every version of every object since the start, as the API server told them.
pub(crate) struct Watch {
    history: Arc<Mutex<Vec<Value>>>,
    changes: watch::Receiver<usize>,
    _tasks: JoinSet<()>,
}

impl Watch {
    pub(crate) fn start(client: &Client, namespace: &str) -> Self {
        let history = Arc::new(Mutex::new(Vec::new()));
        let (sender, changes) = watch::channel(0);
        let sender = Arc::new(sender);
        let mut tasks = JoinSet::new();
        for kind in KINDS {
            let api = objects::api(client, namespace, kind);
            let (history, sender) = (history.clone(), sender.clone());
            tasks.spawn(async move {
                let mut events = watcher::watcher(api, watcher::Config::default()).boxed();
                while let Some(event) = events.next().await {
                    // The watcher itself goes on after an error.
                    let Ok(Event::Apply(object) | Event::InitApply(object)) = event else {
                        continue;
                    };
                    let mut object = serde_json::to_value(object).unwrap_or_default();
                    object["kind"] = kind.into();
                    let mut history = history.lock().unwrap_or_else(PoisonError::into_inner);
                    history.push(object);
                    sender.send_replace(history.len());
                }
            });
        }
        Self { history, changes, _tasks: tasks }
    }

    /// How much has happened so far.
    pub(crate) fn mark(&self) -> usize {
        *self.changes.borrow()
    }

    /// What happened since the mark.
    pub(crate) fn since(&self, mark: usize) -> Vec<Value> {
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.get(mark..).unwrap_or_default().to_vec()
    }

    /// The objects as they are now, by kind (as the story tells them) and name.
    pub(crate) fn objects(&self) -> Vec<Value> {
        let mut latest = BTreeMap::new();
        for object in self.since(0) {
            let kind = KINDS.iter().position(|kind| object["kind"] == *kind);
            latest.insert((kind, name(&object).to_owned()), object);
        }
        latest.into_values().collect()
    }

    /// Returns when something has happened, or after a second.
    pub(crate) async fn change(&mut self) {
        let _ = tokio::time::timeout(Duration::from_secs(1), self.changes.changed()).await;
    }
}

pub(crate) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

pub(crate) fn kind(object: &Value) -> &str {
    object["kind"].as_str().unwrap_or_default()
}

/// "ShowCoreBucket/backups".
pub(crate) fn title(object: &Value) -> String {
    format!("{}/{}", kind(object), name(object))
}
