//! A session as a whole: the person's terminal, the output filter, the recording, limits, redaction, and what an operator sees of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../screen/allowed.rs"]
mod allowed;
#[path = "../support/house.rs"]
#[allow(dead_code)]
mod house;
#[path = "../support/pty.rs"]
#[allow(dead_code)]
mod pty;
#[path = "../screen/tmux.rs"]
mod tmux;

mod disk;
mod filter;
mod limits;
mod modes;
mod operator;
mod own;
mod recording;
mod redaction;
mod streams;
mod support;
mod window;

use support::skip;

/// The terminal that is looked at in tmux.
const COLUMNS: u16 = 120;
const ROWS: u16 = 40;
