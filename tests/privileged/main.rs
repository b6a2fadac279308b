//! The shipped rules that need privilege, through the root install, by accounts that have none.
//!
//! Each line that works is tried three times: by `oncall`, whom the shipped policies are for, where it must work; by `bare`, who has the
//! same programs with any words but without the privilege, where it must fail or show less; and what the forms keep out is tried by `wide`,
//! who has the confinements of the shipped rules with any words, to see what is left for the kernel to stop. What the kernel does not stop is
//! in a table too, because that is what the forms alone hold.
//!
//! Packets, ports and the firewall are those of a network namespace of the test's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod attacks;
mod host;
mod lines;
mod listeners;
#[path = "../restart/machine.rs"]
#[allow(dead_code, reason = "shared with the tests of policies/special/restart.yaml")]
mod machine;
#[path = "../ssh/process.rs"]
#[allow(dead_code, reason = "shared with tests that talk to programs")]
mod process;
#[path = "../support/pty.rs"]
#[allow(dead_code, reason = "shared with the tests of the editor")]
mod pty;
#[path = "../ssh/sandbox.rs"]
#[allow(dead_code, reason = "shared with tests that wait for more")]
mod sandbox;
mod services;
