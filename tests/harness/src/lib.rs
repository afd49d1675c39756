//! The ground that the tests and the demo stand on: a real Kubernetes control plane, the AWS
//! stand-in, the operator as a process or a pod, and the real `kubectl`, `aws` CLI and boto3.
//!
//! A test begins with [`Test::start`], which gives it a namespace, an AWS account and a clock of its
//! own; then it starts the operator, applies objects, and waits for states:
//! ```no_run
//! # async fn example() -> harness::Result<()> {
//! let mut test = harness::Test::start("bucket-created").await?;
//! test.start_operator().await?;
//! test.apply("{apiVersion: showcore.io/v1alpha1, kind: ShowCoreBucket, metadata: {name: a}, spec: {}}").await;
//! test.wait("ShowCoreBucket", "a", "Ready", |object| harness::condition(object, "Ready") == "True").await;
//! # Ok(())
//! # }
//! ```
//! What it needs and the machine lacks is built or installed once into a cache ([`tools`]).

pub mod api_proxy;
pub mod argo;
pub mod aws;
pub mod cache;
pub mod command;
pub mod control_plane;
pub mod crds;
pub mod daemon;
pub mod error;
pub mod go_tools;
pub mod helm;
pub mod history;
pub mod image;
pub mod judge;
pub mod kubectl;
mod leash;
pub mod objects;
pub mod operator;
pub mod progress;
pub mod proxy;
pub mod release;
pub mod repository;
pub mod rights;
pub mod test;
pub mod tools;

pub use api_proxy::{ApiHook, ApiProxy, Told};
pub use argo::ArgoCd;
pub use aws::Aws;
pub use command::Output;
pub use control_plane::ControlPlane;
pub use daemon::Daemon;
pub use error::{Error, Result};
pub use helm::Helm;
pub use history::History;
pub use kubectl::Kubectl;
pub use objects::{condition, condition_message, condition_reason};
pub use operator::{Operator, OperatorOptions};
pub use proxy::Proxy;
pub use repository::Repository;
pub use test::Test;
