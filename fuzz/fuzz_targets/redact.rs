//! Any bytes as text with secrets, cut anywhere: no panic, the same result for every cut, never longer than the bound, and
//! a bounded number of bytes held.
//!
//! `cargo +nightly fuzz run redact`. The tables of `tests/redact` say what is found.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postern::screen::redact::{GROWTH, HELD, Key, Redactor, redact};

fuzz_target!(|bytes: &[u8]| {
    let Some((cut, text)) = bytes.split_first() else { return };
    let key = Key::from_bytes([1; 32]);
    let (whole, found) = redact(&key, text);
    assert!(whole.len() <= text.len() * GROWTH);
    let (size, room) = (usize::from(cut & 15) + 1, usize::from(cut >> 4) * 8 + 64);
    let (mut redactor, mut clean, mut out) = (Redactor::new(&key), Vec::new(), vec![0; room]);
    for piece in text.chunks(size) {
        let mut taken = 0;
        while taken < piece.len() {
            let step = redactor.pass(&piece[taken..], &mut out);
            assert!(step.taken + step.written > 0);
            clean.extend(&out[..step.written]);
            taken += step.taken;
        }
    }
    let shown = clean.len();
    loop {
        let step = redactor.flush(&mut out);
        clean.extend(&out[..step.written]);
        if step.written == 0 {
            break;
        }
    }
    assert!(clean.len() - shown <= HELD + 64);
    assert_eq!(clean.escape_ascii().to_string(), whole.escape_ascii().to_string());
    assert_eq!(redactor.take_found(), found);
});
