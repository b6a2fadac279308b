//! What a supervisor answers, asked by a real command under a real filter. Each attack has a control that succeeds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod acts;
mod connections;
mod harness;
mod idle;
mod processes;
mod programs;
mod sends;

/// Not a test: what the others start, which is this binary again.
#[test]
#[ignore = "the command that the other tests start"]
fn command() {
    harness::be_the_command(acts::act);
}
