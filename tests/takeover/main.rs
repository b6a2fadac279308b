//! A front that is taken over, and a person with another shell: neither runs more than the policy allows, and neither forges a record.
//!
//! The front is `hostile.rs`, installed as the shell is in the two installs that have one. Runs inside `tests/sandbox`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod channel;
#[path = "../ssh/host.rs"]
#[allow(dead_code, reason = "shared with tests that need all of it")]
mod host;
mod outside;
mod owner;
#[path = "../ssh/process.rs"]
#[allow(dead_code, reason = "as above")]
mod process;
#[path = "../support/pty.rs"]
#[allow(dead_code, reason = "as above")]
mod pty;
mod reach;
#[path = "../ssh/sandbox.rs"]
#[allow(dead_code, reason = "as above")]
mod sandbox;
mod sealed;
mod world;
