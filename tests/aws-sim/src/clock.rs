//! The virtual clock of an account.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::lock;

/// A clock that runs `speed` times as fast as the real one and can be pushed.
#[derive(Debug)]
pub struct Clock {
    speed: f64,
    started: Instant,
    /// What the clock showed when it was started, plus all pushes.
    base: Mutex<Timestamp>,
}

impl Clock {
    /// A clock that shows the real time now. With speed 0 it stands still.
    pub fn new(speed: f64) -> Self {
        // AWS's times have milliseconds at most.
        let now = Timestamp::now().as_millisecond();
        Self {
            speed: speed.max(0.0),
            started: Instant::now(),
            base: Mutex::new(Timestamp::from_millisecond(now).unwrap_or(Timestamp::UNIX_EPOCH)),
        }
    }

    /// The virtual time.
    pub fn now(&self) -> Timestamp {
        let run = self.started.elapsed().mul_f64(self.speed);
        after(*lock(&self.base), Duration::from_millis(as_millis(run)))
    }

    /// Pushes the clock forward.
    pub fn advance(&self, by: Duration) {
        let mut base = lock(&self.base);
        *base = after(*base, by);
    }
}

/// The time `by` later (the end of time, should that lie beyond it).
pub fn after(start: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| start.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

fn as_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_of_speed_zero_stands_still_until_it_is_advanced() {
        let clock = Clock::new(0.0);
        let start = clock.now();
        assert_eq!(clock.now(), start);
        clock.advance(Duration::from_secs(90));
        assert_eq!(clock.now(), start + SignedDuration::from_secs(90));
    }

    #[test]
    fn a_fast_clock_runs_ahead() {
        let clock = Clock::new(1e9);
        let start = clock.now();
        std::hint::black_box(vec![0_u8; 4096]);
        while clock.now() == start {
            std::hint::spin_loop();
        }
        assert!(clock.now() > start);
    }
}
