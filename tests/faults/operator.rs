//! The operator inside this process: all of its tasks on a runtime of its own, so that it can die at any await point.

use std::{
    cell::RefCell,
    io::Write,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aws_config::retry::RetryConfig;
use aws_credential_types::{
    Credentials,
    provider::{self, ProvideCredentials, SharedCredentialsProvider, future},
};
use futures::future::join_all;
use kube::{Api, runtime::events::Reporter};
use showcore_operator::{
    aws::{self, Aws},
    backoff::Memory,
    context::{Clock, Context, Timing},
    fence::Fence,
    kinds,
    lease::{self, Election},
    metrics::Metrics,
    report::MANAGER,
};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::scenario::Pace;

/// How an operator is started.
#[derive(Clone)]
pub struct Settings {
    /// The API server, through the proxy.
    pub cluster: kube::Config,
    /// Its namespace.
    pub namespace: String,
    /// The cluster's id in owner tags.
    pub cluster_id: String,
    /// AWS.
    pub endpoint: String,
    /// The region.
    pub region: String,
    /// How often it looks and tries again.
    pub pace: Pace,
    /// The clock of its account.
    pub clock: http::Uri,
    /// Whose credentials it has.
    pub keys: Keys,
    /// Whether the SDK tries again by itself.
    pub retries: bool,
    /// Whether it holds an election.
    pub elected: bool,
    /// Where its log goes.
    pub log: Log,
}

/// Credentials that a case may exchange.
#[derive(Clone, Debug)]
pub struct Keys(pub Arc<Mutex<String>>);

impl ProvideCredentials for Keys {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let key = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let credentials: provider::Result = Ok(Credentials::new(key, "not-checked", None, None, "case"));
        future::ProvideCredentials::ready(credentials)
    }
}

/// What the operators of a case have logged.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// All of it.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

thread_local! {
    /// Where what is logged on this thread goes: an operator has a thread of its own.
    static LOG: RefCell<Log> = RefCell::default();
}

/// Has each operator's log kept apart. Once for the process: a subscriber for each operator would cost more than they do.
pub fn log() {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("info,showcore_operator=debug,kube_runtime=warn,aws_config=warn"))
        .with_ansi(false)
        .with_writer(|| LOG.with_borrow(Log::clone))
        .init();
}

/// An operator that runs until it is killed. One that ends by itself is started again, as a kubelet would.
pub struct Running {
    kill: Option<oneshot::Sender<()>>,
    dead: watch::Receiver<bool>,
    leads: Arc<AtomicBool>,
}

impl Running {
    /// Starts one.
    pub fn start(settings: Settings) -> Self {
        let (kill, mut killed) = oneshot::channel();
        let (death, dead) = watch::channel(false);
        let leads = Arc::new(AtomicBool::new(false));
        let leading = leads.clone();
        std::thread::spawn(move || {
            LOG.set(settings.log.clone());
            let mut alive = true;
            while alive {
                // Its end takes all connections and spawned tasks with it, as that of a process.
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let Ok(runtime) = runtime else { break };
                alive = runtime.block_on(async {
                    tokio::select! {
                        _ = &mut killed => false,
                        () = operate(settings.clone(), &leading) => true,
                    }
                });
                leading.store(false, Ordering::SeqCst);
            }
            let _ = death.send(true);
        });
        Self { kill: Some(kill), dead, leads }
    }

    /// Whether it works: always, unless it stands by.
    pub fn leads(&self) -> bool {
        self.leads.load(Ordering::SeqCst)
    }

    /// Drops all that it does, where it is. It is dead when this returns.
    pub async fn kill(mut self) {
        if let Some(kill) = self.kill.take() {
            let _ = kill.send(());
        }
        let _ = self.dead.wait_for(|dead| *dead).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(kill) = self.kill.take() {
            let _ = kill.send(());
        }
    }
}

/// As the process does it, without its signals and its pages.
async fn operate(settings: Settings, leads: &AtomicBool) {
    let fence = if settings.elected { Fence::closed() } else { Fence::open() };
    let attempts = if settings.retries { 3 } else { 1 };
    let options = aws::Options {
        region: Some(settings.region),
        endpoint_url: Some(settings.endpoint),
        credentials: Some(SharedCredentialsProvider::new(settings.keys)),
        retries: Some(
            RetryConfig::standard().with_max_attempts(attempts).with_initial_backoff(Duration::from_millis(30)),
        ),
        ..aws::Options::default()
    };
    let metrics = Arc::new(Metrics::default());
    let (Ok(client), Ok(aws), Ok(direct)) = (
        fence.kubernetes(settings.cluster.clone(), metrics.clone()),
        Aws::load(options, &fence).await,
        kube::Client::try_from(settings.cluster),
    ) else {
        tracing::error!("the operator cannot be started");
        return;
    };
    let context = Arc::new(Context {
        client,
        aws: Arc::new(aws),
        cluster_id: settings.cluster_id,
        namespace: Some(settings.namespace.clone()),
        clock: Clock::Remote(settings.clock),
        timing: Timing {
            poll: settings.pace.poll,
            backoff_min: Duration::from_millis(20),
            backoff_max: settings.pace.backoff,
            not_found_grace: Duration::from_secs(30),
            pass: Duration::from_mins(2),
        },
        reporter: Reporter { controller: MANAGER.to_owned(), instance: None },
        metrics,
        memory: Arc::new(Memory::default()),
    });
    let stop = CancellationToken::new();
    let mut held = None;
    if settings.elected {
        let timing = lease::Timing {
            duration: Duration::from_secs(3),
            renew_deadline: Duration::from_secs(2),
            retry: Duration::from_millis(300),
        };
        let election = Election {
            api: Api::namespaced(direct, &settings.namespace),
            name: MANAGER.to_owned(),
            identity: format!("candidate-{:016x}", rand::random::<u64>()),
            timing,
            fence,
        };
        held = election.acquire(&stop, || {}).await;
    }
    leads.store(true, Ordering::SeqCst);
    let running = kinds::controllers(&context, &stop).into_iter().map(|control| control.run);
    let lost = async {
        match &mut held {
            Some(held) => held.keep().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = join_all(running) => {}
        lost = lost => tracing::warn!("the lease is lost ({lost})"),
    }
}
