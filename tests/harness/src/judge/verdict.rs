//! What became of a test before a judge.

use std::fmt;

use aws_sim::upstream::NEEDS_STAND_IN;

use super::forward::NOT_SERVED;

/// Said of one test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It ended well.
    Passed,
    /// The judge cannot serve it, and why. It counts as missing, never as passed.
    Skipped(String),
    /// It did not end well, though the judge answered all that it was asked.
    Failed(String),
}

impl Verdict {
    /// From a test's end and all that it printed. A test that failed before a judge who does not know an operation was not
    /// served; one that ended well although an operation was not known did not need it.
    pub fn of(success: bool, output: &str) -> Self {
        if success {
            return Self::Passed;
        }
        let marked = |mark: &str| output.lines().find(|line| line.contains(mark)).map(|line| line.trim().to_owned());
        match marked(NEEDS_STAND_IN).or_else(|| marked(NOT_SERVED)) {
            Some(why) => Self::Skipped(why),
            None => Self::Failed(panic(output)),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => write!(f, "passed"),
            Self::Skipped(why) => write!(f, "SKIPPED: {why}"),
            Self::Failed(why) => write!(f, "FAILED: {why}"),
        }
    }
}

/// The first two lines that a panic says.
fn panic(output: &str) -> String {
    let mut lines = output.lines().skip_while(|line| !line.contains("panicked at"));
    let said: Vec<&str> = lines.by_ref().skip(1).take(2).map(str::trim).collect();
    if said.is_empty() { "it ended without a word".to_owned() } else { said.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_judge_cannot_do_is_skipped_and_everything_else_failed() {
        let panicked = |said: &str| format!("thread 'x' panicked at a.rs:1:\n{said}\nsecond line\n");
        assert_eq!(Verdict::of(true, ""), Verdict::Passed);
        let needs = format!("{NEEDS_STAND_IN}: its buckets");
        assert_eq!(Verdict::of(false, &panicked(&needs)), Verdict::Skipped(needs));
        let unknown = format!("{NOT_SERVED} rds:ResetDBParameterGroup (HTTP 501)");
        assert_eq!(
            Verdict::of(false, &format!("{unknown}\n{}", panicked("waited"))),
            Verdict::Skipped(unknown.clone())
        );
        assert_eq!(Verdict::of(true, &unknown), Verdict::Passed);
        assert_eq!(Verdict::of(false, &panicked("left != right")), Verdict::Failed("left != right second line".into()));
        assert_eq!(Verdict::of(false, ""), Verdict::Failed("it ended without a word".into()));
    }
}
