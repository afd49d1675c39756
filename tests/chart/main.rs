//! The chart, by the real Helm 4 on the real API server: what it renders is accepted, its rights are exact, its admission
//! policies refuse, and no release's end takes a store with it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod lifecycle;
mod rails;
mod render;
mod rights;
mod world;
