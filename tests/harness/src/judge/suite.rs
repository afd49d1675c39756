//! The end-to-end tests before a judge: one process each.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use futures::{StreamExt as _, stream};
use serde_json::Value;
use tokio::process::Command;

use super::NUMBER;
use super::list::Lists;
use super::verdict::Verdict;
use crate::control_plane::ControlPlane;
use crate::error::{Error, FileError as _, Result};
use crate::{leash, tools};

/// How the tests are run.
#[derive(Debug)]
pub struct Suite {
    /// The judge's name.
    pub judge: &'static str,
    /// The lists of `judges.yaml` that name what it cannot serve.
    pub lists: &'static [&'static str],
    /// Parts of names; all tests if there is none.
    pub filters: Vec<String>,
    /// Whether to run the listed ones too.
    pub include_listed: bool,
    /// The variables that name the judge to the tests.
    pub environment: Vec<(&'static str, String)>,
    /// Where each test's output goes.
    pub logs: PathBuf,
}

/// How many tests came to which end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Ended well.
    pub passed: usize,
    /// Not served by the judge: missing.
    pub skipped: usize,
    /// Ended badly.
    pub failed: usize,
}

impl Suite {
    /// Builds the tests and runs them, and says of each what became of it. The control plane that they share is held meanwhile,
    /// so that it stays from one test's process to the next.
    pub async fn run(&self, _control_plane: &ControlPlane) -> Result<Count> {
        let program = build().await?;
        let all = names(&program).await?;
        let lists = Lists::read(&all)?;
        let fits = |test: &String| self.filters.is_empty() || self.filters.iter().any(|part| test.contains(part));
        let chosen: Vec<&String> = all.iter().filter(|test| fits(test)).collect();
        if chosen.is_empty() {
            return Err(Error::Other(format!("no test has {} in its name", self.filters.join(" or "))));
        }
        std::fs::create_dir_all(&self.logs).file("make", &self.logs)?;
        println!("{} tests by {}; what each printed is in {}", chosen.len(), self.judge, self.logs.display());
        let at_once = super::variable("RUST_TEST_THREADS").and_then(|number| number.parse().ok()).unwrap_or(6);
        let mut verdicts = stream::iter(chosen.into_iter().enumerate())
            .map(|(number, test)| self.judged(&program, &lists, number, test))
            .buffer_unordered(at_once);
        let mut count = Count::default();
        while let Some(verdict) = verdicts.next().await {
            match verdict? {
                Verdict::Passed => count.passed += 1,
                Verdict::Skipped(_) => count.skipped += 1,
                Verdict::Failed(_) => count.failed += 1,
            }
        }
        Ok(count)
    }

    async fn judged(&self, program: &Path, lists: &Lists, number: usize, test: &str) -> Result<Verdict> {
        let begun = Instant::now();
        let verdict = match lists.reason(self.lists, test) {
            Some(reason) if !self.include_listed => Verdict::Skipped(format!("listed: {reason}")),
            _ => self.tried(program, number, test).await?,
        };
        println!("{test} … {verdict} ({:.1} s)", begun.elapsed().as_secs_f64());
        Ok(verdict)
    }

    async fn tried(&self, program: &Path, number: usize, test: &str) -> Result<Verdict> {
        // On the leash: a test whose judge is killed must not go on making things.
        let mut command = Command::from(leash::command(&tools::control_plane()?.leash(), program));
        let output = quiet(&mut command)
            .args(["--exact", test, "--nocapture", "--test-threads", "1"])
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env(NUMBER, number.to_string())
            .output()
            .await
            .map_err(|source| Error::Start { program: program.display().to_string(), source })?;
        let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        let log = self.logs.join(format!("{}.log", test.replace("::", ".")));
        std::fs::write(&log, &printed).file("write", &log)?;
        Ok(Verdict::of(output.status.success(), &printed))
    }
}

fn quiet(command: &mut Command) -> &mut Command {
    command.current_dir(tools::workspace()).stdin(Stdio::null()).kill_on_drop(true)
}

/// The program of the end-to-end tests, beside the operator's.
async fn build() -> Result<PathBuf> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    quiet(&mut command).args([
        "test",
        "--package",
        "showcore-operator",
        "--test",
        "e2e",
        "--no-run",
        "--message-format",
        "json",
    ]);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .await
        .map_err(|source| Error::Start { program: "cargo".to_owned(), source })?;
    let messages = String::from_utf8_lossy(&output.stdout).into_owned();
    let program = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|message| {
        let ours = message["target"]["name"] == "e2e" && message["reason"] == "compiler-artifact";
        ours.then(|| message["executable"].as_str().map(PathBuf::from)).flatten()
    });
    program.filter(|_| output.status.success()).ok_or_else(|| Error::Other("the tests do not build".to_owned()))
}

async fn names(program: &Path) -> Result<Vec<String>> {
    let output = quiet(&mut Command::new(program))
        .args(["--list", "--format", "terse"])
        .output()
        .await
        .map_err(|source| Error::Start { program: program.display().to_string(), source })?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(|line| Some(line.strip_suffix(": test")?.to_owned())).collect())
}
