//! Other judges of the end-to-end tests than our own stand-in: moto, ministack, and any endpoint that the user names.
//!
//! The stand-in stays in front of them, for the log of requests and the ordered faults; what answers is the judge. A test
//! that reaches into the stand-in's state cannot be judged by another and panics with [`aws_sim::upstream::NEEDS_STAND_IN`].
//! `cargo judge` runs the tests, one process each, and says of each what became of it ([`suite`]).

pub mod emulator;
pub mod forward;
pub mod guard;
pub mod list;
pub mod microburst;
pub mod names;
pub mod sign;
pub mod suite;
pub mod verdict;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sim::{Options, Sim};
use tokio::sync::OnceCell;

use crate::error::{Error, Result};
use crate::test::new_access_key;
use emulator::Emulator;
use forward::{Forward, Target};
use names::Names;
use sign::Signer;

/// The endpoint that answers the tests: a URL, or `aws` for AWS itself.
pub const ENDPOINT: &str = "SHOWCORE_TEST_ENDPOINT";
/// The account at that endpoint in which the tests may work, named by its twelve digits.
pub const ACCOUNT: &str = "SHOWCORE_TEST_ACCOUNT";
/// How long a test waits for a state, in seconds.
pub const PATIENCE: &str = "SHOWCORE_TEST_PATIENCE";
/// Which emulator the endpoint is: `moto` or `ministack`. Set by `cargo judge` for those that it has started.
pub const EMULATOR: &str = "SHOWCORE_TEST_EMULATOR";
/// The id of a run at an endpoint of the user's. Set by `cargo judge`, which removes at the end what bears it.
pub const RUN: &str = "SHOWCORE_TEST_RUN";
/// The number of the test in its run. Set by `cargo judge`.
pub const NUMBER: &str = "SHOWCORE_TEST_NUMBER";

/// A variable, if it is there and says something.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// How long a state is waited for: a minute, or what `SHOWCORE_TEST_PATIENCE` says.
pub fn patience() -> Duration {
    let seconds = variable(PATIENCE).and_then(|seconds| seconds.parse().ok());
    seconds.map_or(Duration::from_mins(1), Duration::from_secs)
}

/// What a test finds in the place of AWS.
pub struct World {
    /// The stand-in, or what stands in front of the judge.
    pub sim: Sim,
    /// The test's access key.
    pub access_key: String,
    /// How far the operator's clock, which stands still otherwise, is moved at each look for a state.
    pub step: Duration,
}

/// How often a state is looked for.
pub const LOOK: Duration = Duration::from_millis(50);
/// Where states pass on the virtual clock, or at once.
const STEP: Duration = Duration::from_secs(20);

/// How many worlds this process has made.
static WORLDS: AtomicUsize = AtomicUsize::new(0);

/// The world of one test, as the variables say.
pub async fn world() -> Result<World> {
    let Some(endpoint) = variable(ENDPOINT) else {
        return Ok(World { sim: Sim::new(Options { speed: 0.0 }), access_key: new_access_key(), step: STEP });
    };
    if let Some(emulator) = variable(EMULATOR) {
        let emulator: Emulator = emulator.parse()?;
        let forward = Forward::new(Target::Emulator { url: endpoint, emulator }, None, None)?;
        let sim = Sim::in_front_of(Arc::new(forward), Options { speed: 0.0 });
        return Ok(World { sim, access_key: new_access_key(), step: STEP });
    }
    let Some(run) = variable(RUN) else {
        return Err(Error::Other(format!(
            "{ENDPOINT} is set: run the tests by `cargo judge endpoint`, which removes in the end what they have made"
        )));
    };
    let (account, signer) = allowed(&endpoint).await?;
    // Each has names of its own, as it has an account of its own elsewhere.
    let number = variable(NUMBER).and_then(|number| number.parse().ok()).unwrap_or(0);
    let names = Names::new(&run, number, WORLDS.fetch_add(1, Ordering::Relaxed));
    let forward = Forward::new(Target::of(&endpoint), Some(names), Some(signer))?;
    let sim = Sim::in_front_of(Arc::new(forward), Options { speed: 0.0 });
    Ok(World { sim, access_key: format!("AKIASIM0{account}"), step: LOOK })
}

/// The account and the credentials that may be used at this endpoint. Asked once per process.
async fn allowed(endpoint: &str) -> Result<(String, Signer)> {
    static ALLOWED: OnceCell<(String, Signer)> = OnceCell::const_new();
    let ask = || async {
        let signer = Signer::of_the_user().await?;
        let account = guard::account(endpoint, &signer).await?;
        Ok((account, signer))
    };
    ALLOWED.get_or_try_init(ask).await.cloned()
}
