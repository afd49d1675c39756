//! `aws-sim`: the stand-in as a process of its own.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use aws_sim::{Options, Sim, Tls};
use clap::Parser;
use tracing_subscriber::EnvFilter;

/// A stand-in for RDS, ElastiCache, S3, KMS and STS.
#[derive(Parser)]
struct Arguments {
    /// Where to listen; port 0 takes a free one, which is printed.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:4599")]
    listen: SocketAddr,
    /// How many times faster than AWS's its slow states pass (0: never, until
    /// the clock is advanced by `POST /_sim/accounts/KEY/advance?seconds=N`).
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    speed: f64,
    /// Serve HTTPS, and write the certificate authority here, for `AWS_CA_BUNDLE`.
    #[arg(long, value_name = "FILE")]
    tls_ca_out: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| {
            // s3s reports each refused request as an error of its own.
            EnvFilter::new("warn,s3s=off")
        }))
        .with_writer(std::io::stderr)
        .init();
    let tls = match &arguments.tls_ca_out {
        None => None,
        Some(file) => {
            let tls = Tls::self_signed()?;
            std::fs::write(file, tls.ca_pem()).with_context(|| format!("cannot write {}", file.display()))?;
            Some(tls)
        }
    };
    let sim = Sim::new(Options { speed: arguments.speed });
    let server =
        sim.start(arguments.listen, tls).await.with_context(|| format!("cannot listen at {}", arguments.listen))?;
    println!("export AWS_ENDPOINT_URL={}", server.endpoint());
    if let Some(file) = &arguments.tls_ca_out {
        println!("export AWS_CA_BUNDLE={}", file.display());
    }
    println!("export AWS_ACCESS_KEY_ID=AKIASIM00111122223333 AWS_SECRET_ACCESS_KEY=any");
    tokio::signal::ctrl_c().await.context("cannot wait for Ctrl-C")
}
