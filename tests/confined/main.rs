//! Lines run for real, in a process of their own that stands for the shell: what commands get, how they end, and what they cannot do.
//!
//! Attacks are tried with and without what holds them: a test of which the attack never works proves nothing.

// The helpers of a test may panic as the test itself may.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod attacks;
mod capable;
mod children;
mod hanging;
mod harness;
mod kernels;
mod limits;
mod relay;
mod status;
mod terminal;
mod wrapped;

/// The process that stands for the shell; started by the other tests, see [`harness`].
#[test]
#[ignore = "a part of the other tests"]
fn shell() {
    harness::be_the_shell();
}
