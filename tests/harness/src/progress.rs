//! Tells the person at the terminal what takes so long.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// One long piece of work: says what it is when it starts, how far it is while it runs, and how
/// long it took. On standard error, past the capturing of test output: a first run builds for
/// minutes and must not look hung.
#[derive(Debug)]
pub struct Progress {
    what: String,
    since: Instant,
    told: Instant,
    terminal: bool,
}

impl Progress {
    /// `what` in the form "building the control plane".
    pub fn start(what: impl Into<String>) -> Self {
        let progress = Self {
            what: what.into(),
            since: Instant::now(),
            told: Instant::now(),
            terminal: std::io::stderr().is_terminal(),
        };
        progress.line(&format!("{} …", progress.what), progress.terminal);
        progress
    }

    /// Where the work stands; shown at once on a terminal, now and then elsewhere.
    pub fn tell(&mut self, detail: &str) {
        let pause = if self.terminal { 200 } else { 20_000 };
        if self.told.elapsed() >= Duration::from_millis(pause) {
            self.told = Instant::now();
            self.line(&format!("{} … {} {detail}", self.what, elapsed(self.since)), self.terminal);
        }
    }

    /// The work is done.
    pub fn done(self) {
        self.line(&format!("{}: done in {}", self.what, elapsed(self.since)), false);
    }

    fn line(&self, text: &str, stay: bool) {
        let text: String = text.chars().take(if self.terminal { 100 } else { 300 }).collect();
        let mut err = std::io::stderr().lock();
        // Nothing is lost when nobody reads it.
        let _ = match (self.terminal, stay) {
            (true, true) => write!(err, "\r\x1b[2K{text}"),
            (true, false) => writeln!(err, "\r\x1b[2K{text}"),
            _ => writeln!(err, "{text}"),
        };
        let _ = err.flush();
    }
}

/// "7.3 s" or "3 min 12 s".
pub fn elapsed(since: Instant) -> String {
    let time = since.elapsed();
    if time < Duration::from_mins(1) {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} min {} s", time.as_secs() / 60, time.as_secs() % 60)
    }
}
