//! Whole sessions on a whole host: a real sshd, a real rsyslogd, a policy in force and throw-away accounts.
//!
//! Runs inside `tests/sandbox`, which says how; outside, every test says that it was skipped.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod address;
mod evidence;
mod forwarding;
mod host;
mod process;
mod sandbox;
mod sessions;
mod snippet;
