//! What the kernel makes impossible, shown by attack: a hostile program is allowed with any arguments, and runs through `posternsh` itself.
//!
//! Every table is read twice. Under a confinement that lacks the protection in question its attacks must work: the control. Under the
//! one that has it none may. Where an attack can be seen from outside (a secret in the output, a changed file, a datagram at its receiver), it
//! is that which counts, besides what the attack says of itself.
//!
//! It runs inside `tests/sandbox`, as an account, as root, and as a user that root's shell lends (`as:`); outside, every test says that
//! it was skipped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod audit;
mod door;
mod exec;
mod files;
mod host;
mod kernel;
mod limits;
mod listeners;
mod neighbours;
mod network;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "../ssh/process.rs"]
mod process;
mod prove;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "../support/pty.rs"]
mod pty;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "../ssh/sandbox.rs"]
mod sandbox;
mod scene;
mod shell;
mod survival;
mod terminal;
mod writes;
