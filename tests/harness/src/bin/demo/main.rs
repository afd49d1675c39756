//! `cargo demo`: the whole story on one machine, without an AWS account.
//!
//! It starts a real Kubernetes control plane, the AWS stand-in and the operator, applies
//! `examples/estate/` with the real `kubectl`, tampers with the stores through the real `aws` CLI
//! while the operator watches, and checks the result as the requirements say.

mod checks;
mod table;
mod tamper;
mod watch;
mod ways;
mod world;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use harness::Result;
use tokio::signal::unix::{SignalKind, signal};

use crate::world::World;

/// Encrypted data stores from `kubectl apply` to watched and corrected, on this machine alone.
#[derive(Debug, Parser)]
#[command(name = "cargo demo", version)]
pub(crate) struct Arguments {
    /// End after the checks, with exit code 1 if one failed, instead of leaving all of it running.
    #[arg(long)]
    once: bool,
    /// How the operator and the stores come into the cluster.
    #[arg(long, value_enum, default_value_t = Way::Kubectl)]
    way: Way,
    /// How many times faster than in AWS the slow states of the stand-in pass.
    #[arg(long, default_value_t = 30.0)]
    speed: f64,
}

/// The three ways in which people use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// `kubectl apply`, and the operator as a process.
    Kubectl,
    /// `helm install`, and `kubectl apply` of the stores.
    Helm,
    /// The stores from a Git repository by Argo CD.
    Argocd,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    // Whoever comes first. Dropping the story ends all that it started: the operator is killed, the
    // supervisor sees that its last user is gone.
    let code = runtime.block_on(async {
        tokio::select! {
            outcome = story(&arguments) => match outcome {
                Ok(true) => 0,
                Ok(false) => 1,
                Err(error) => {
                    eprintln!("\nThe demo failed: {error}");
                    1
                }
            },
            () = interrupted() => {
                println!("\nStopping; nothing is left running.");
                130
            }
        }
    });
    // Not by way of the runtime's end, which would wait for a build in the background.
    std::process::exit(code)
}

async fn interrupted() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without handlers the signals end us at once, which leaves nothing running either.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Everything, in order. Whether all checks passed.
async fn story(arguments: &Arguments) -> Result<bool> {
    let mut world = World::start(arguments.way, arguments.speed).await?;
    world.apply_estate().await?;
    table::show_until_ready(&mut world).await?;
    world.all_healthy().await?;
    tamper::tamper_and_watch(&mut world).await?;
    let passed = checks::run(&world).await?;
    world.say_elapsed("The demo took");
    if !arguments.once {
        world.invite();
        // Until Ctrl-C: the operator keeps watching, and its death would be worth a word.
        world.stay().await?;
    }
    world.end().await?;
    Ok(passed)
}
