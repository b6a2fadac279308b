//! Any bytes as the output of a command: what reaches the terminal is on the list, whatever the pieces and the room, and a second filter changes nothing.
//!
//! `cargo +nightly fuzz run filter`. The first bytes say how large the screen is and how the rest is cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postern::screen::Filter;

#[path = "../../tests/screen/allowed.rs"]
mod allowed;

fuzz_target!(|bytes: &[u8]| {
    let [columns, rows, piece, room, output @ ..] = bytes else { return };
    let (columns, rows) = (u16::from(*columns).max(1), u16::from(*rows).max(1));
    let mut whole = Filter::new(columns, rows);
    let passed = pass(&mut whole, output, output.len().max(1), 64 * output.len() + 64);
    if let Some(objection) = allowed::objection(&passed, columns, rows) {
        panic!("{objection}: {:?}", String::from_utf8_lossy(&passed));
    }
    let mut pieces = Filter::new(columns, rows);
    let piecewise = pass(&mut pieces, output, usize::from(*piece).max(1), 64 + usize::from(*room));
    assert_eq!(piecewise, passed, "the output depends on the pieces");
    assert_eq!(pieces.take_dropped(), whole.take_dropped());
    let end = finish(&mut whole);
    assert_eq!(finish(&mut pieces), end);
    assert_eq!(finish(&mut whole), b"", "what was reset is not reset again");
    let again = pass(&mut Filter::new(columns, rows), &passed, passed.len().max(1), 64 * passed.len() + 64);
    assert_eq!(again, passed, "a second filter changes something");
});

fn pass(filter: &mut Filter, output: &[u8], piece: usize, room: usize) -> Vec<u8> {
    let mut out = vec![0; room];
    let mut passed = Vec::new();
    for piece in output.chunks(piece) {
        let mut rest = piece;
        while !rest.is_empty() {
            let progress = filter.pass(rest, &mut out);
            assert!(progress.taken > 0, "64 bytes are enough to go on");
            passed.extend_from_slice(&out[..progress.written]);
            rest = &rest[progress.taken..];
        }
    }
    passed
}

fn finish(filter: &mut Filter) -> Vec<u8> {
    let mut end = [0; 128];
    let written = filter.finish(&mut end, true);
    end[..written].to_vec()
}
