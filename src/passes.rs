//! Which passes of a kind run, and which wait for their turn: objects that fail, or that AWS leaves without an answer,
//! never delay the others.
//!
//! - At most [`TURNS`] passes count at a time. An object whose last pass failed takes its turn from [`FAILING_TURNS`]
//!   of its own: however many fail, and for however long, the others' turns are theirs.
//! - A pass counts for at most [`COUNTS_FOR`]. One that takes longer waits for AWS and does nothing; it goes on, and its
//!   turn is the next one's. So an object that has not failed waits only for others that have not failed either, and for
//!   each sixteen of those at most as long as that.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Semaphore, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// Passes of one kind that count at a time.
pub const TURNS: usize = 16;
/// The same for objects whose last pass failed, besides those.
pub const FAILING_TURNS: usize = 8;
/// How long a pass counts.
pub const COUNTS_FOR: Duration = Duration::from_secs(3);

/// The passes of one kind.
#[derive(Debug)]
pub struct Passes {
    kind: &'static str,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    turns: Semaphore,
    failing: Semaphore,
    running: Mutex<BTreeSet<String>>,
}

impl Passes {
    /// None runs yet; after `stop` none begins.
    pub fn new(kind: &'static str, metrics: Arc<Metrics>, stop: CancellationToken) -> Self {
        Self {
            kind,
            metrics,
            stop,
            turns: Semaphore::new(TURNS),
            failing: Semaphore::new(FAILING_TURNS),
            running: Mutex::default(),
        }
    }

    /// Runs one pass of this object when its turn comes; `None` if the operator stops before that.
    pub async fn run<F: Future>(&self, object: &str, failing: bool, pass: impl FnOnce() -> F) -> Option<F::Output> {
        let turns = if failing { &self.failing } else { &self.turns };
        let turn = {
            let _waiting = self.metrics.waiting(self.kind);
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                // The semaphore is fair, and never closed.
                turn = turns.acquire() => turn.ok()?,
            }
        };
        let _running = Running::begin(self, object);
        // Boxed only now: what waits takes little memory.
        let mut pass = Box::pin(pass());
        if let Ok(output) = timeout(COUNTS_FOR, &mut pass).await {
            return Some(output);
        }
        drop(turn);
        Some(pass.await)
    }

    /// The objects, as `Kind namespace/name`, whose passes run now.
    pub fn running(&self) -> Vec<String> {
        self.lock().iter().map(|object| format!("{} {object}", self.kind)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// In the list for as long as it lives: also if the pass is dropped.
struct Running<'a> {
    passes: &'a Passes,
    object: &'a str,
    _gauge: crate::metrics::Counted,
}

impl<'a> Running<'a> {
    fn begin(passes: &'a Passes, object: &'a str) -> Self {
        passes.lock().insert(object.to_owned());
        Self { passes, object, _gauge: passes.metrics.running(passes.kind) }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.passes.lock().remove(self.object);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures::{FutureExt, future::join_all, poll};
    use tokio::time::{Instant, advance, pause};

    use super::*;

    fn passes() -> (Passes, CancellationToken) {
        let stop = CancellationToken::new();
        (Passes::new("K", Arc::default(), stop.clone()), stop)
    }

    #[tokio::test]
    async fn a_pass_that_hangs_counts_for_a_moment_only() {
        pause();
        let (passes, _) = passes();
        let names: Vec<_> = (0..40).map(|n| format!("ns/hangs-{n}")).collect();
        let hanging = join_all(names.iter().map(|name| passes.run(name, false, pending::<()>)));
        let mut hanging = Box::pin(hanging);
        assert!(poll!(hanging.as_mut()).is_pending());
        assert_eq!(passes.running().len(), TURNS);
        let begun = Instant::now();
        let well = passes.run("ns/well", false, || ready("done"));
        tokio::select! {
            done = well => assert_eq!(done, Some("done")),
            _ = &mut hanging => unreachable!("they hang"),
        }
        let waited = begun.elapsed();
        assert!((COUNTS_FOR * 2..COUNTS_FOR * 3).contains(&waited), "{waited:?}");
        assert_eq!(passes.running().len(), 40, "they go on");
    }

    #[tokio::test]
    async fn what_fails_takes_no_turn_of_the_others() {
        let (passes, _) = passes();
        let names: Vec<_> = (0..1000).map(|n| format!("ns/fails-{n}")).collect();
        let mut failing = Box::pin(join_all(names.iter().map(|name| passes.run(name, true, pending::<()>))));
        assert!(poll!(failing.as_mut()).is_pending());
        assert_eq!(passes.running().len(), FAILING_TURNS);
        assert_eq!(passes.run("ns/well", false, || ready("done")).now_or_never(), Some(Some("done")));
    }

    #[tokio::test]
    async fn once_told_to_stop_none_begins_and_those_that_have_begun_are_named_until_they_end() {
        pause();
        let (passes, stop) = passes();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let mut begun = Box::pin(passes.run("ns/begun", false, || ended));
        assert!(poll!(begun.as_mut()).is_pending());
        stop.cancel();
        assert_eq!(passes.run("ns/late", false, || ready(())).await, None);
        advance(COUNTS_FOR * 2).await;
        assert!(poll!(begun.as_mut()).is_pending());
        assert_eq!(passes.running(), ["K ns/begun"]);
        end.send(()).unwrap();
        assert_eq!(begun.await, Some(Ok(())));
        assert_eq!(passes.running(), Vec::<String>::new());
    }
}
