//! The mount namespace of a session, on the real kernel: what it hides and keeps from being written, for root with every capability; what
//! it hears of outside; and that outside never hears of it.
//!
//! A session is a thread here: it leaves alone, so the test's own thread is the host. Each attack works outside first: the control. It runs inside
//! `tests/sandbox`; outside, every test says that it was skipped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod changes;
mod hidden;
mod host;
mod kernel;
mod outside;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "../ssh/sandbox.rs"]
mod sandbox;
mod writes;
