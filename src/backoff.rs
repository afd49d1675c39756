//! One backoff for each object, and the little else that is remembered between passes.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use rand::RngExt;

use crate::error::Failure;

/// What is remembered of the objects between passes. Losing it is harmless.
#[derive(Debug, Default)]
pub struct Memory(Mutex<HashMap<String, Remembered>>);

#[derive(Clone, Debug, Default)]
struct Remembered {
    failures: u32,
    written: u64,
    failure: Option<(i64, Failure)>,
}

impl Memory {
    /// The delay after a failure: from `min`, doubled each time, up to `max`, with jitter.
    pub fn failed(&self, uid: &str, min: Duration, max: Duration) -> Duration {
        let failures = self.with(uid, |seen| {
            seen.failures = seen.failures.saturating_add(1);
            seen.failures
        });
        jitter(delay(failures, min, max))
    }

    /// How many passes have failed in a row.
    pub fn failures(&self, uid: &str) -> u32 {
        self.lock().get(uid).map_or(0, |seen| seen.failures)
    }

    /// A pass without failure ends the backoff.
    pub fn succeeded(&self, uid: &str) {
        self.with(uid, |seen| {
            seen.failures = 0;
            seen.failure = None;
        });
    }

    /// Remembers what a step of this generation's plan failed with.
    pub fn remember_failure(&self, uid: &str, generation: i64, failure: Failure) {
        self.with(uid, |seen| seen.failure = Some((generation, failure)));
    }

    /// What a step of this generation's plan failed with last, since the last pass without failure.
    pub fn failure(&self, uid: &str, generation: i64) -> Option<Failure> {
        self.with(uid, |seen| seen.failure.clone().filter(|(of, _)| *of == generation).map(|(_, failure)| failure))
    }

    /// The resourceVersion that we wrote last: a cached object older than that is not decided upon.
    pub fn wrote(&self, uid: &str, resource_version: Option<&str>) {
        let version = number(resource_version);
        self.with(uid, |seen| seen.written = seen.written.max(version));
    }

    /// Whether a cached object is older than what we wrote.
    pub fn is_stale(&self, uid: &str, resource_version: Option<&str>) -> bool {
        self.with(uid, |seen| number(resource_version) < seen.written)
    }

    /// The object is gone.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    fn with<T>(&self, uid: &str, change: impl FnOnce(&mut Remembered) -> T) -> T {
        change(self.lock().entry(uid.to_owned()).or_default())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Remembered>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// resourceVersions of one resource type are ordered numbers as of Kubernetes 1.35:
/// <https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>. One that is not a number is
/// never stale; the write with the resourceVersion still catches it.
fn number(resource_version: Option<&str>) -> u64 {
    resource_version.and_then(|version| version.parse().ok()).unwrap_or(u64::MAX)
}

fn delay(failures: u32, min: Duration, max: Duration) -> Duration {
    min.saturating_mul(2u32.saturating_pow(failures.saturating_sub(1).min(20))).min(max)
}

/// Up to a tenth more, so that many objects do not come back at once.
pub fn jitter(delay: Duration) -> Duration {
    delay.mul_f64(rand::rng().random_range(1.0..1.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_up_to_the_bound_and_starts_again_after_success() {
        let (min, max) = (Duration::from_secs(1), Duration::from_mins(5));
        let delays: Vec<_> = [1, 2, 3, 9, 10, 40].map(|n| delay(n, min, max).as_secs()).into();
        assert_eq!(delays, [1, 2, 4, 256, 300, 300]);
        let memory = Memory::default();
        for _ in 0..5 {
            memory.failed("u", min, max);
        }
        memory.succeeded("u");
        assert!(memory.failed("u", min, max) < Duration::from_millis(1100));
    }

    #[test]
    fn an_object_older_than_what_was_written_is_stale() {
        let memory = Memory::default();
        memory.wrote("u", Some("12"));
        assert!(memory.is_stale("u", Some("11")));
        assert!(!memory.is_stale("u", Some("12")));
        assert!(!memory.is_stale("other", Some("1")));
    }
}
