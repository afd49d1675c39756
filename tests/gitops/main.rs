//! Argo CD drives our objects: its own health command by our Lua, and the real controllers from a Git repository to AWS.
//! `cargo gitops`; not a part of `cargo test`, since it needs Redis and builds Argo CD for minutes the first time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod estate;
mod health;
