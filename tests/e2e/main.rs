//! The operator as a process (or a pod: `cargo judge pod`), on a real API server, against the AWS stand-in: what a user does and
//! sees.
//!
//! Each test has a namespace, an AWS account and a clock of its own; nothing sleeps, tests wait for states.

#![allow(clippy::unwrap_used, clippy::similar_names, reason = "a test fails by panicking")]

mod adoption;
mod bucket;
mod cache;
mod cluster;
mod database;
mod drift;
mod iam;
mod look;
mod operator;
mod quiet;
mod refusals;
mod restart;
mod rules;
mod validation;
