//! Any bytes as a call of the front's: no panic, no allocation beyond what is there, one way to say each call, and a request that passes its
//! check has only words that a line can have.
//!
//! `cargo +nightly fuzz run call`. `tests/wire.rs` does some of this in every run of the tests.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postern::shell::desk::Call;
use postern::shell::wire::{HEADER, decode, encode};
use postern::syntax::Request;
use postern::words::escape::hazard;
use postern::words::limits;

fuzz_target!(|bytes: &[u8]| {
    let Ok(call) = decode::<Call>(bytes) else { return };
    assert_eq!(&encode(&call).expect("what was read can be written")[HEADER..], bytes);
    if let Call::Submit { request, .. } | Call::Explain { request, .. } = call
        && request.check().is_ok()
    {
        check(&request);
    }
});

fn check(request: &Request) {
    let words = request.items.iter().flat_map(|item| &item.stages).flat_map(|stage| &stage.argv);
    assert!(words.clone().count() <= limits::LINE_WORDS);
    for word in words {
        assert!(!word.text.chars().any(|character| hazard(character).is_some()));
        assert!(request.line.get(word.span.start as usize..word.span.end as usize).is_some());
    }
}
