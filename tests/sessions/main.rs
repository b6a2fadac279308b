//! `postern sessions`, `kill`, `watch`, `replay` and `search` on sessions of the built shell.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../support/house.rs"]
#[allow(dead_code)]
mod house;
#[path = "../support/pty.rs"]
#[allow(dead_code)]
mod pty;

mod kill;
mod list;
mod replay;
mod search;
mod support;
mod watch;
