//! Breaks the operator on purpose: `cargo faults`.
//!
//! A **scenario** is a list of what users and outsiders do ([`scenarios`]). A clean run of it records every request that
//! the operator makes and every event that it is told, and from this trace its **cases** are derived: a fault at a point
//! ([`case::derive`]). A **case** has a namespace, an AWS account and a clock of its own, and an operator behind two
//! proxies ([`world`]); the wire ([`wire`]) lets the fault happen and holds each mutation against what may never be sent.
//! In the end it must have come to the same state as the clean run ([`snapshot`], [`oracle`]).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod case;
mod foreign;
mod ground;
mod kind;
mod operator;
mod oracle;
mod run;
mod scenario;
mod scenarios;
mod snapshot;
mod table;
mod walk;
mod wire;
mod world;

use clap::Parser;

/// Breaks the operator on purpose, and sees whether it comes to the same end.
#[derive(Parser, Debug)]
#[command(name = "cargo faults")]
pub struct Arguments {
    /// Prints a line for each case, and runs none.
    #[arg(long)]
    list: bool,
    /// Runs the cases that these lines name.
    #[arg(long = "case", value_name = "LINE")]
    cases: Vec<String>,
    /// Runs so many cases, drawn by the seed: every scenario, and every kind of fault at least once.
    #[arg(long, value_name = "N")]
    sample: Option<usize>,
    /// Of --sample and --pairs.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Runs so many cases of two faults each, drawn by the seed.
    #[arg(long, value_name = "N")]
    pairs: Option<usize>,
    /// Begins no more cases after so many minutes, and says how many were left.
    #[arg(long)]
    minutes: Option<u64>,
    /// Walks so many times through the specs of each kind, as the CRDs' schemas suggest them.
    #[arg(long, value_name = "N")]
    walks: Option<u32>,
    /// Only scenarios with one of these in their names.
    scenarios: Vec<String>,
    /// How many cases run at a time.
    #[arg(long, default_value_t = 10)]
    at_once: usize,
    /// Writes the table into docs/reliability.md. A run of all cases does so anyway.
    #[arg(long)]
    write: bool,
    /// Says of each case how long it took.
    #[arg(long)]
    verbose: bool,
    /// Runs each case so often.
    #[arg(long, default_value_t = 1)]
    times: usize,
}

fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    operator::log();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    match runtime.block_on(run::run(&arguments)) {
        Ok(0) => std::process::ExitCode::SUCCESS,
        Ok(_) => std::process::ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
