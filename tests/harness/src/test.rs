//! One test's own world.

#![allow(clippy::missing_panics_doc, reason = "a test fails by panicking")]

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aws_sim::{Account, Server, Sim};
use kube::Client;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::aws::Aws;
use crate::command::Output;
use crate::control_plane::ControlPlane;
use crate::error::{Error, FileError as _, Result};
use crate::history::History;
use crate::judge;
use crate::kubectl::Kubectl;
use crate::objects;
use crate::operator::{self, Operator, OperatorOptions};
use crate::release::{self, Release};

/// A namespace of the shared control plane, an account and a clock of a stand-in, and an operator:
/// all of it this test's own, so that tests run in parallel and clean up nothing.
///
/// The methods that a test cannot go on without (`apply`, `wait`, …) panic with all that helps to see
/// why; dropping it checks that the stand-in never gave an answer that AWS's model does not know.
pub struct Test {
    /// The stand-in, or what stands in front of another judge. Its clock stands still until it is advanced.
    pub sim: Sim,
    /// This test's account in it.
    pub account: Account,
    /// Its access key; the last 12 characters are the account id.
    pub access_key: String,
    /// The region of objects that name none.
    pub region: String,
    /// This test's namespace.
    pub namespace: String,
    /// A client of the control plane.
    pub client: Client,
    /// The real kubectl, in this test's namespace.
    pub kubectl: Kubectl,
    /// The real `aws` CLI and boto3, in this test's account.
    pub aws: Aws,
    /// How far [`Test::settle`] moves the clock at each look.
    step: Duration,
    operator: Option<Running>,
    server: Server,
    /// The control plane.
    pub control_plane: ControlPlane,
    folder: TempDir,
}

/// The test's operator.
enum Running {
    Process(Operator),
    Pod(Box<Release>),
}

impl Test {
    /// A world for the test of this name, on the shared control plane. No operator runs yet.
    pub async fn start(name: &str) -> Result<Self> {
        Self::start_on(ControlPlane::shared().await?, name).await
    }

    /// A world on a control plane of the test's own, with the CRDs: for tests that change them.
    pub async fn start_alone(name: &str) -> Result<Self> {
        if release::as_pods() {
            return Err(release::impossible("on a control plane of its own, where a machine has one node,"));
        }
        let control_plane = ControlPlane::own().await?;
        crate::crds::install(&control_plane.client().await?).await?;
        Self::start_on(control_plane, name).await
    }

    /// A world on a control plane of the test's own, without the CRDs and with an audit log: for tests that install what we release.
    pub async fn start_bare(name: &str) -> Result<Self> {
        Self::start_on(ControlPlane::own_audited().await?, name).await
    }

    /// A world on a control plane with a real node, without the CRDs.
    pub async fn start_with_node(name: &str) -> Result<Self> {
        Self::start_on(ControlPlane::with_node().await?, name).await
    }

    async fn start_on(control_plane: ControlPlane, name: &str) -> Result<Self> {
        let region = "eu-central-1".to_owned();
        let judge::World { sim, access_key, step } = judge::world().await?;
        let server = sim
            .start((host(&control_plane), 0).into(), None)
            .await
            .map_err(|error| Error::Other(format!("the AWS stand-in cannot listen: {error}")))?;
        let client = control_plane.client().await?;
        let namespace = control_plane.namespace(&client, name).await?;
        if release::as_pods() {
            control_plane.restrict(&client, &namespace).await?;
        }
        let temporary = std::env::temp_dir();
        Ok(Self {
            account: sim.account(&access_key),
            kubectl: Kubectl::new(control_plane.kubeconfig(), &namespace).await?,
            aws: Aws::new(&access_key, &server.endpoint(), &region).await?,
            folder: tempfile::tempdir().file("make a folder in", &temporary)?,
            sim,
            access_key,
            region,
            namespace,
            client,
            step,
            operator: None,
            server,
            control_plane,
        })
    }

    /// This machine's address, as the operator sees it: pods do not see its loopback.
    pub fn host(&self) -> IpAddr {
        host(&self.control_plane)
    }

    /// Where the stand-in listens: `http://127.0.0.1:PORT`, or this machine as pods see it.
    pub fn endpoint(&self) -> String {
        self.server.endpoint()
    }

    /// This test's AWS account id.
    pub fn account_id(&self) -> &str {
        self.account.id()
    }

    /// How [`Test::start_operator`] starts the operator; to be changed for [`Test::start_operator_as`].
    pub fn operator_options(&self) -> Result<OperatorOptions> {
        Ok(OperatorOptions {
            binary: operator::built_binary()?,
            kubeconfig: self.control_plane.kubeconfig().to_owned(),
            namespace: Some(self.namespace.clone()),
            cluster_id: format!("cluster-of-{}", self.namespace),
            access_key: self.access_key.clone(),
            endpoint: self.endpoint(),
            region: self.region.clone(),
            bare: false,
            arguments: Vec::new(),
            environment: Vec::new(),
            log: self.log_path(),
        })
    }

    /// Starts the operator, instead of the one that runs, if one does.
    pub async fn start_operator(&mut self) -> Result<()> {
        self.start_operator_as(self.operator_options()?).await
    }

    /// The same, started otherwise than usual.
    pub async fn start_operator_as(&mut self, options: OperatorOptions) -> Result<()> {
        self.kill_operator().await?;
        self.operator = Some(if release::as_pods() {
            Running::Pod(Box::new(Release::start(&options, &self.client, self.folder.path()).await?))
        } else {
            Running::Process(options.start().await?)
        });
        Ok(())
    }

    /// Kills the operator by SIGKILL.
    pub async fn kill_operator(&mut self) -> Result<()> {
        match self.operator.take() {
            Some(Running::Pod(release)) => release.kill().await,
            // It is killed by being dropped.
            Some(Running::Process(_)) | None => Ok(()),
        }
    }

    /// Ends the operator as Kubernetes does, by SIGTERM, and waits for its end.
    pub async fn stop_operator(&mut self) -> Result<()> {
        let code = match self.operator.take() {
            Some(Running::Process(operator)) => operator.terminate().await?.code(),
            Some(Running::Pod(release)) => Some(release.stop().await?),
            None => return Ok(()),
        };
        if code == Some(0) { Ok(()) } else { Err(Error::Other(format!("the operator ended with {code:?}"))) }
    }

    /// The operator's process id; nothing if none runs.
    pub fn operator_pid(&self) -> Option<i32> {
        match self.operator.as_ref()? {
            Running::Process(operator) => operator.pid().try_into().ok(),
            Running::Pod(release) => release.pid().ok(),
        }
    }

    /// Where the operator serves its metrics; nothing before it does, or if none runs.
    pub fn operator_address(&self) -> Option<String> {
        match self.operator.as_ref()? {
            Running::Process(operator) => operator.address(),
            Running::Pod(release) => Some(release.address().to_owned()),
        }
    }

    /// All that this test's operators have logged.
    pub fn operator_log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        operator::log_in(self.folder.path())
    }

    /// Moves this test's clock.
    pub fn advance(&self, by: Duration) {
        self.account.advance(by);
    }

    /// `kubectl apply`; panics if it is refused.
    pub async fn apply(&self, yaml: &str) -> Output {
        let output = self.try_apply(yaml).await;
        assert!(output.success(), "refused:\n{yaml}\n{output}");
        output
    }

    /// `kubectl apply`, whatever it answers.
    pub async fn try_apply(&self, yaml: &str) -> Output {
        expect(self.kubectl.run_with_input(&["apply", "-f", "-"], Some(yaml)).await)
    }

    /// Runs the `aws` CLI and gives its answer; panics if it fails.
    pub async fn aws(&self, arguments: &[&str]) -> Value {
        expect(expect(self.aws.cli(arguments).await).json())
    }

    /// Runs Python with boto3 (see [`Aws::boto3`]) and gives what it printed; panics if it fails.
    pub async fn boto3(&self, code: &str) -> String {
        expect(expect(self.aws.boto3(code).await).ok().map(str::to_owned))
    }

    /// The object as it is now; nothing if there is none.
    pub async fn get(&self, kind: &str, name: &str) -> Option<Value> {
        expect(objects::get(&self.client, &self.namespace, kind, name).await)
    }

    /// Watches the object from now on.
    pub fn history(&self, kind: &str, name: &str) -> History {
        History::of(&self.client, &self.namespace, kind, name)
    }

    /// Deletes the object, which may stay for a while because of its finalizer.
    pub async fn delete(&self, kind: &str, name: &str) {
        let api = objects::api(&self.client, &self.namespace, kind);
        if let Err(error) = api.delete(name, &kube::api::DeleteParams::default()).await {
            panic!("cannot delete {kind} {name}: {error}");
        }
    }

    /// Pauses the object and lets it go on, this many times, as fast as somebody's script does.
    pub async fn pause_and_resume(&self, kind: &str, name: &str, times: usize) {
        let api = objects::api(&self.client, &self.namespace, kind);
        for paused in [true, false].repeat(times) {
            let edit = json!({ "metadata": { "annotations": { "showcore.io/paused": paused.to_string() } } });
            if let Err(error) = api.patch(name, &PatchParams::default(), &Patch::Merge(edit)).await {
                panic!("cannot edit {kind} {name}: {error}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until the object is as `expected` says; `what` completes "waiting for …".
    pub async fn wait(&self, kind: &str, name: &str, what: &str, expected: impl Fn(&Value) -> bool) -> Value {
        self.look_until(kind, name, what, Duration::ZERO, |object| object.is_some_and(&expected))
            .await
            .unwrap_or_default()
    }

    /// Like [`Test::wait`], while time passes: 20 virtual seconds at each look, or the real time at an endpoint of the user's.
    pub async fn settle(&self, kind: &str, name: &str, what: &str, expected: impl Fn(&Value) -> bool) -> Value {
        self.look_until(kind, name, what, self.step, |object| object.is_some_and(&expected)).await.unwrap_or_default()
    }

    /// Waits until the object is gone.
    pub async fn wait_gone(&self, kind: &str, name: &str) {
        self.look_until(kind, name, "its end", Duration::ZERO, |object| object.is_none()).await;
    }

    /// Waits until the object is gone, while virtual time passes.
    pub async fn settle_gone(&self, kind: &str, name: &str) {
        self.look_until(kind, name, "its end", self.step, |object| object.is_none()).await;
    }

    async fn look_until(
        &self,
        kind: &str,
        name: &str,
        what: &str,
        step: Duration,
        expected: impl Fn(Option<&Value>) -> bool,
    ) -> Option<Value> {
        let patience = judge::patience();
        let deadline = Instant::now() + patience;
        loop {
            let object = self.get(kind, name).await;
            if expected(object.as_ref()) {
                return object;
            }
            if Instant::now() > deadline {
                let object =
                    object.map_or("there is none".to_owned(), |object| format!("{:#}", without_managers(object)));
                let story = self.story().await;
                panic!("waited {patience:?} for {kind} {name}: {what}\n{object}\n{story}");
            }
            tokio::time::sleep(judge::LOOK).await;
            if !step.is_zero() {
                self.advance(step);
            }
        }
    }

    /// Waits until `expected` holds of something other than a Kubernetes object: the stand-in's
    /// state or its log of requests.
    pub async fn until(&self, what: &str, expected: impl Fn(&Self) -> bool) {
        let patience = judge::patience();
        let deadline = Instant::now() + patience;
        while !expected(self) {
            assert!(Instant::now() < deadline, "waited {patience:?} for {what}\n{}", self.story().await);
            tokio::time::sleep(judge::LOOK).await;
        }
    }

    /// What happened so far, for whoever reads the failure of a test.
    pub async fn story(&self) -> String {
        let events = match objects::events(&self.client, &self.namespace).await {
            Ok(events) => events.join("\n"),
            Err(error) => error.to_string(),
        };
        let requests = self.account.requests();
        let requests: Vec<String> = requests[requests.len().saturating_sub(30)..]
            .iter()
            .map(|request| {
                let error = request.error.as_deref().unwrap_or("");
                format!("{} {}:{} {} {error}", request.at, request.service, request.operation, request.status)
            })
            .collect();
        format!(
            "--- Events\n{events}\n--- the last requests to AWS\n{}\n--- the end of the operator's log\n{}",
            requests.join("\n"),
            operator::tail(&self.operator_log(), 60)
        )
    }
}

impl Drop for Test {
    fn drop(&mut self) {
        let crash = match &self.operator {
            Some(Running::Pod(release)) => release.crash(),
            _ => None,
        };
        self.operator = None;
        let violations = self.sim.violations();
        if std::thread::panicking() {
            eprintln!("--- the end of the operator's log\n{}", operator::tail(&self.operator_log(), 60));
            if let Some(crash) = crash {
                eprintln!("--- it ended by itself: {crash}");
            }
        } else {
            assert!(crash.is_none(), "the operator ended by itself: {}", crash.unwrap_or_default());
            assert!(
                violations.is_empty(),
                "the stand-in gave answers that AWS does not give:\n{}",
                violations.join("\n")
            );
        }
    }
}

fn host(control_plane: &ControlPlane) -> IpAddr {
    control_plane.host_address().and_then(|address| address.parse().ok()).unwrap_or(Ipv4Addr::LOCALHOST.into())
}

/// What a person reads of an object: who manages which field is pages long.
fn without_managers(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    object
}

/// An access key in AWS's form, whose last 12 digits are the account's id.
pub fn new_access_key() -> String {
    format!("AKIASIM0{:012}", rand::random_range(100_000_000_000u64..1_000_000_000_000))
}

/// Fails the test when the harness itself fails.
fn expect<T>(result: Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}
