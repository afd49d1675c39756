//! A stand-in for RDS, ElastiCache, S3, KMS and STS.
//!
//! How a request flows: [`server`] reads it and finds service, region and
//! access key in its credential scope; the access key chooses the
//! [`account`]; the account's [`hook`], if a test has set one, says what becomes
//! of it; the account's [`fault`]s are asked whether it shall fail; then
//! it is decoded by [`codec`], as the [`model`] of its service says, and goes
//! to its family ([`rds`], [`elasticache`], [`kms`], [`sts`]: behaviour only,
//! no wire); the answer is held against the model before it is encoded; the
//! outcome is written into the account's [`log`]. S3 requests take the same
//! way, with the protocol of the crate `s3s` in the codec's place ([`s3`]).
//!
//! Time is the account's own ([`clock`]): asynchronous states remember when
//! they end, and every look at a family first moves all that is due.

// For the one long `json!` of an instance.
#![recursion_limit = "256"]

pub mod account;
pub mod call;
pub mod clock;
pub mod codec;
pub mod durations;
pub mod elasticache;
pub mod error;
pub mod fault;
pub mod hook;
pub mod kms;
pub mod log;
pub mod model;
pub mod rds;
pub mod s3;
pub mod server;
pub mod sts;
pub mod tls;
pub mod upstream;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use account::Account;
pub use durations::Durations;
pub use error::AwsError;
pub use fault::{Fault, FaultKind};
pub use hook::{Arrival, Execute, Hook, Outcome};
pub use log::Request;
pub use server::Server;
pub use tls::Tls;
pub use upstream::{Forwarded, Upstream};

/// How a stand-in runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Virtual seconds per real second. With 0 the clock stands still until a
    /// test advances it.
    pub speed: f64,
}

/// One AWS: any number of accounts, and the bucket names that they share.
/// Cloning is cheap and gives another handle to the same one.
#[derive(Clone)]
pub struct Sim {
    shared: Arc<Shared>,
}

struct Shared {
    options: Options,
    accounts: Mutex<HashMap<String, Account>>,
    s3: Mutex<s3::Buckets>,
    violations: Violations,
    upstream: Option<Arc<dyn Upstream>>,
}

impl Sim {
    /// An AWS without any account yet.
    pub fn new(options: Options) -> Self {
        Self::with(options, None)
    }

    /// One that has its requests answered by something else. It keeps the log, the clock and the faults; what reaches into
    /// its state panics.
    pub fn in_front_of(upstream: Arc<dyn Upstream>, options: Options) -> Self {
        Self::with(options, Some(upstream))
    }

    fn with(options: Options, upstream: Option<Arc<dyn Upstream>>) -> Self {
        Self {
            shared: Arc::new(Shared {
                options,
                accounts: Mutex::default(),
                s3: Mutex::default(),
                violations: Violations::default(),
                upstream,
            }),
        }
    }

    pub(crate) fn upstream(&self) -> Option<&dyn Upstream> {
        self.shared.upstream.as_deref()
    }

    /// Serves at `listen` (port 0 takes a free one) until the answer is dropped.
    pub async fn start(&self, listen: SocketAddr, tls: Option<Tls>) -> std::io::Result<Server> {
        Server::start(self.clone(), listen, tls).await
    }

    /// The account that this access key belongs to; it is made on first use.
    pub fn account(&self, access_key: &str) -> Account {
        let id = account::id_of(access_key);
        lock(&self.shared.accounts)
            .entry(id.clone())
            .or_insert_with(|| {
                let front = self.shared.upstream.is_some();
                Account::new(id, self.shared.options.speed, self.shared.violations.clone(), front)
            })
            .clone()
    }

    /// All buckets: their names are global, so they belong to no account's state.
    ///
    /// # Panics
    ///
    /// If something else answers: it keeps its buckets to itself.
    pub fn s3(&self) -> MutexGuard<'_, s3::Buckets> {
        assert!(self.shared.upstream.is_none(), "{}: its buckets", upstream::NEEDS_STAND_IN);
        lock(&self.shared.s3)
    }

    /// Answers that broke AWS's model, in words. Must stay empty: each one is
    /// a mistake of the stand-in.
    pub fn violations(&self) -> Vec<String> {
        self.shared.violations.all()
    }
}

/// Where answers that break the model are collected.
#[derive(Clone, Debug, Default)]
pub(crate) struct Violations(Arc<Mutex<Vec<String>>>);

impl Violations {
    pub(crate) fn record(&self, violation: String) {
        tracing::error!(violation, "the answer breaks AWS's model");
        lock(&self.0).push(violation);
    }

    fn all(&self) -> Vec<String> {
        lock(&self.0).clone()
    }
}

/// Locks, also after another test has panicked while holding the lock: that
/// panic is reported already, and the state is only a test's.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
