//! The operators of a case: how they are started, and what befalls them.

use std::{sync::Arc, time::Duration};

use aws_sim::Arrival;
use harness::{Operator, OperatorOptions};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use super::{OTHER_REGION, REGION, World, lock};
use crate::operator::{Running, Settings};

/// The operators of a case.
#[derive(Default)]
pub struct Crew {
    inside: Vec<Running>,
    process: Vec<Operator>,
}

/// What closes a bucket's doors: without it, as without what makes a store, nothing is usable and encrypted.
const DOORS: [&str; 4] =
    ["PutBucketPolicy", "PutBucketEncryption", "PutPublicAccessBlock", "PutBucketOwnershipControls"];

impl World {
    /// Starts its operators.
    pub async fn start_crew(&self) -> anyhow::Result<()> {
        for _ in 0..self.scenario.replicas {
            self.start_one().await?;
        }
        Ok(())
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
            region: (*lock(&self.region)).to_owned(),
            pace: self.scenario.pace,
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
        let ms = |time: Duration| format!("{}ms", time.as_millis());
        let (poll, backoff) = (ms(self.scenario.pace.poll), ms(self.scenario.pace.backoff));
        let mut arguments: Vec<std::ffi::OsString> =
            ["--poll-interval", &poll, "--backoff-min", "20ms", "--backoff-max", &backoff].map(Into::into).into();
        if self.elected {
            let lease =
                ["--leader-elect", "--lease-duration", "6s", "--lease-renew-deadline", "5s", "--lease-retry", "200ms"];
            arguments.extend(lease.map(Into::into));
        }
        Ok(OperatorOptions {
            binary: harness::operator::built_binary()
                .unwrap_or_else(|_| env!("CARGO_BIN_EXE_showcore-operator").into()),
            kubeconfig,
            namespace: Some(self.namespace.clone()),
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
            self.wire.breaks(&format!("the case itself: the operator was not started again: {error}"));
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
            self.wire.breaks(&format!("the case itself: the second operator was not started: {error}"));
        }
        // It settles what it can while the first's request is held, or waits for it.
        // But the request is not kept until the store it means has been deleted and made again: nothing could call it back.
        let phase = self.wire.phase();
        self.until(Duration::from_secs(2), || self.goals_reached() || self.wire.phase() > phase).await;
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
            self.wire.breaks(&format!("the case itself: the standby was not started: {error}"));
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
            self.wire.breaks(&format!("the case itself: the lease was not taken away: {error}"));
        }
    }

    /// The operator finds itself in another account, until an object has said so.
    pub async fn in_another_account(self: &Arc<Self>) {
        *lock(&self.keys.0) = format!("AKIASIM0{}", self.other.id());
        self.elsewhere().await;
    }

    /// The operator finds itself in another region, until an object has said so.
    pub async fn in_another_region(self: &Arc<Self>) {
        *lock(&self.region) = OTHER_REGION;
        self.elsewhere().await;
    }

    async fn elsewhere(self: &Arc<Self>) {
        self.kill().await;
        let world = self.clone();
        tokio::spawn(async move {
            let all = || world.ground.objects.all(&world.namespace);
            let said = || all().iter().any(|object| object.to_string().contains("\"WrongPlace\""));
            if !world.until(Duration::from_secs(20), said).await {
                world.wire.breaks("nothing says that this is not the place where the stores are");
            }
            (*lock(&world.keys.0)).clone_from(&world.own_key);
            *lock(&world.region) = REGION;
            world.kill().await;
        });
    }

    /// The operator dies, and its successor's first lists are those from before the last user's action.
    pub async fn kill_before_an_old_list(&self) {
        lock(&self.lists).come_due();
        self.kill().await;
    }

    /// Waits until the object of a denied call says that it was denied, then lets it be.
    pub fn told_so(self: &Arc<Self>, arrival: &Arrival) {
        if !self.wire.denied_first() {
            return;
        }
        let world = self.clone();
        // Where there was no store before: other settings of the spec are said to be missing, in Pending.
        let operation = arrival.call.split(':').next_back().unwrap_or_default();
        let makes = operation.starts_with("Create") || DOORS.contains(&operation);
        let never_ready = makes && self.scenario.prepared.is_empty();
        tokio::spawn(async move {
            let all = || world.ground.objects.all(&world.namespace);
            let denied = |object: &Value| object.to_string().contains("\"AccessDenied\"");
            let said = || all().iter().any(|object| denied(object));
            if !world.until(Duration::from_secs(20), said).await {
                world.wire.breaks("the denied call was never told in a condition");
            }
            // For a while: what is tried again at once is tried very often now.
            let ready = |object: &Value| harness::condition(object, "Ready") == "True" && denied(object);
            let too_early = || never_ready && all().iter().any(|object| ready(object));
            if world.until(Duration::from_millis(1500), too_early).await {
                world.wire.breaks("an object is Ready though a call of its creation was denied");
            }
            world.wire.allow();
        });
    }
}
