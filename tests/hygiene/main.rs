//! The installed shell, set-user-ID root, started by a parent that wants it to fail: every thing that an exec hands on, one by one.
//!
//! Either the shell works as ever, its records with it, or it says why not and ends with 125 before anything ran. Each attack is tried on
//! a program without hygiene as well, which shows that it reaches a program at all.
//!
//! Runs inside `tests/sandbox`, which says how; outside, every test says that it was skipped.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod descriptors;
mod environment;
mod host;
mod killed;
mod lent;
mod limits;
#[path = "../ssh/process.rs"]
#[allow(dead_code, reason = "shared with tests that talk to programs")]
mod process;
#[path = "../ssh/sandbox.rs"]
#[allow(dead_code, reason = "shared with tests that talk to programs")]
mod sandbox;
mod surroundings;
