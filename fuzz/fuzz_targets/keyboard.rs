//! Any bytes as what is typed: whatever the pieces and the room, the same passes; the prompt gets UTF-8, and a paste has an end.
//!
//! `cargo +nightly fuzz run keyboard`. The first bytes say who reads and how the rest is cut. Where a line ends, a read counts: such bytes
//! are left to `ends`, which only looks for what must never pass.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postern::screen::keyboard::{At, Keyboard};

fuzz_target!(|bytes: &[u8]| {
    let [who, piece, room, typed @ ..] = bytes else { return };
    let at = if who % 2 == 0 { At::Prompt } else { At::Command };
    let (piece, room) = (usize::from(*piece).max(1), 64 + usize::from(*room));
    let keys: Vec<u8> = typed.iter().copied().filter(|byte| !matches!(byte, 3 | b'\r' | b'\n')).collect();
    let whole = passed(&[&keys], at, 4096);
    let pieces: Vec<&[u8]> = keys.chunks(piece).collect();
    assert_eq!(passed(&pieces, at, room), whole, "what passes depends on the pieces");
    if at == At::Prompt {
        ends(typed, piece);
    }
});

/// Behind the end of a line nothing passes up to a pause, unless it is the next read; nor is a paste left open.
fn ends(typed: &[u8], piece: usize) {
    for read in typed.chunks(piece) {
        let text = String::from_utf8(passed(&[read], At::Prompt, 4096)).expect("the prompt gets UTF-8");
        let outside: String = text.split("\x1b[200~").map(|part| part.split_once("\x1b[201~").map_or(part, |(_, behind)| behind)).collect();
        let text = outside.trim_end_matches('\u{10f901}');
        let behind = text.trim_start_matches(|byte| !matches!(byte, '\x03' | '\r' | '\n'));
        assert!(behind.chars().all(|byte| matches!(byte, '\x03' | '\r' | '\n')) || typed.windows(6).any(|w| w == b"\x1b[200~"), "{text:?}");
    }
}

/// What passes of reads, and then of a second of silence.
fn passed(reads: &[&[u8]], at: At, room: usize) -> Vec<u8> {
    let (mut keyboard, mut passed, mut out) = (Keyboard::new(), Vec::new(), vec![0; room]);
    for mut read in reads.iter().copied() {
        while !read.is_empty() {
            let progress = keyboard.pass(read, &mut out, at);
            assert!(progress.taken > 0, "64 bytes are enough to go on");
            passed.extend_from_slice(&out[..progress.written]);
            read = &read[progress.taken..];
        }
    }
    for _ in 0..25 {
        let count = keyboard.pause(&mut out, at);
        passed.extend_from_slice(&out[..count]);
    }
    assert!(!keyboard.is_waiting(), "a second is enough for anything");
    passed
}
