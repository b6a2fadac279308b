//! The shipped policies, all of them together, in a root install: what they let through works under its confinement.
//!
//! `works/*.tsv` has lines of each part: `line<TAB>exit statuses<TAB>a word of its output<TAB>Debian package`. What is not installed is not run,
//! and said; `tests/run --programs` installs them all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod checklist;
mod host;
#[path = "../ssh/process.rs"]
#[allow(dead_code, reason = "shared with tests that talk to programs")]
mod process;
#[path = "../support/pty.rs"]
#[allow(dead_code, reason = "shared with the tests of the editor")]
mod pty;
#[path = "../ssh/sandbox.rs"]
#[allow(dead_code, reason = "shared with tests that wait for more")]
mod sandbox;
mod works;
