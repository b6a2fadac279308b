//! What reaches the screen, from the outside of the filter: hostile output, random output, and what a real terminal shows of real programs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod allowed;
mod attacks;
#[path = "../support/bytes.rs"]
mod bytes;
mod live;
mod properties;
#[path = "../support/pty.rs"]
#[allow(dead_code)]
mod pty;
mod screens;
mod tmux;

use std::io::Write;

use postern::screen::filter::{Dropped, Filter};

/// The terminal of these tests.
const COLUMNS: u16 = 120;
const ROWS: u16 = 40;

/// All that a screen is sent for pieces of output, up to the end of the command, and what was counted.
fn filtered<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, room: usize) -> (Vec<u8>, Dropped) {
    let mut filter = Filter::new(COLUMNS, ROWS);
    let mut all = Vec::new();
    pieces.into_iter().for_each(|piece| pass(&mut filter, piece, room, &mut all));
    let mut end = [0; 128];
    let written = filter.finish(&mut end, true);
    all.extend_from_slice(&end[..written]);
    (all, filter.take_dropped())
}

/// Passes a piece on with so much room at a time.
fn pass(filter: &mut Filter, piece: &[u8], room: usize, all: &mut Vec<u8>) {
    let mut out = vec![0; room];
    let mut rest = piece;
    while !rest.is_empty() {
        let progress = filter.pass(rest, &mut out);
        assert!(progress.taken > 0, "64 bytes are enough to go on");
        all.extend_from_slice(&out[..progress.written]);
        rest = &rest[progress.taken..];
    }
}

/// Says that a test does not run here, in the form that `tests/run` counts.
fn skip(why: &str) {
    let _ = writeln!(std::io::stderr().lock(), "SKIPPED: {why}");
}
