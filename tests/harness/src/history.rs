//! Every version of an object, as a watch of the API server tells them: also what stood in its status only for a moment.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{StreamExt, TryStreamExt};
use kube::Client;
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::objects;

/// The versions of one object since the watch began, oldest first. Dropping it ends the watch.
pub struct History {
    versions: Arc<Mutex<Vec<Value>>>,
    watch: JoinHandle<()>,
}

impl History {
    /// Watches the object from now on.
    pub fn of(client: &Client, namespace: &str, kind: &str, name: &str) -> Self {
        let api = objects::api(client, namespace, kind);
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let versions = Arc::new(Mutex::new(Vec::new()));
        let seen = versions.clone();
        let watch = tokio::spawn(async move {
            let mut stream = watcher(api, config).default_backoff().applied_objects().boxed();
            while let Ok(next) = stream.try_next().await {
                let Some(object) = next else { return };
                if let Ok(version) = serde_json::to_value(object) {
                    lock(&seen).push(version);
                }
            }
        });
        Self { versions, watch }
    }

    /// Forgets what was told so far.
    pub fn clear(&self) {
        lock(&self.versions).clear();
    }

    /// The first version told so far that is as `expected` says.
    pub fn find(&self, expected: impl Fn(&Value) -> bool) -> Option<Value> {
        lock(&self.versions).iter().find(|version| expected(version)).cloned()
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

fn lock(versions: &Mutex<Vec<Value>>) -> MutexGuard<'_, Vec<Value>> {
    versions.lock().unwrap_or_else(PoisonError::into_inner)
}
