//! Any bytes as a command line: no panic, every span inside the line, nothing hazardous accepted, and the same words however they are quoted.
//!
//! `cargo +nightly fuzz run line`. What lines *mean* is compared with bash and dash, by the million if wanted, in `tests/oracle.rs`.
#![no_main]

use std::collections::BTreeMap;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use postern::syntax::complete::words_before;
use postern::syntax::{Context, Request, SyntaxError, expand, parse};
use postern::words::escape::{hazard, pasteable};
use postern::words::{Span, limits};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        for position in 0..=text.len().min(64) {
            let found = words_before(text, position);
            assert!(found.is_none_or(|found| found.start <= position), "the partial word begins before the cursor");
        }
    }
    let script = match parse(bytes) {
        Ok(script) => script,
        Err(refusal) => return check_span(refusal.span, bytes),
    };
    assert_eq!(script.line.as_bytes(), bytes);
    assert_eq!(parse(bytes).as_ref(), Ok(&script), "parsing is a function of the line");
    assert!(!script.line.chars().any(|character| hazard(character).is_some()));
    match settle(&script) {
        Ok(request) => check(&request, bytes),
        Err(refusal) => check_span(refusal.span, bytes),
    }
});

fn settle(script: &postern::syntax::Script) -> Result<Request, SyntaxError> {
    let constants = BTreeMap::from([("A".to_owned(), "a".to_owned()), ("B".to_owned(), "a *".to_owned())]);
    // No such directory: what globs find is not the subject here, and one process a glob would be slow.
    expand(script, &Context { directory: Path::new("/nonexistent"), home: "/home/me", status: 0, constants: &constants, names: &postern::syntax::glob::ask_here })
}

fn check(request: &Request, line: &[u8]) {
    for stage in request.items.iter().flat_map(|item| &item.stages) {
        stage.argv.iter().for_each(|argument| check_span(argument.span, line));
        stage.redirects.iter().for_each(|redirect| check_span(redirect.span, line));
        let words: Vec<&str> = stage.argv.iter().map(|argument| argument.text.as_str()).collect();
        assert!(!words.is_empty() && !words.iter().any(|word| word.chars().any(|character| hazard(character).is_some())));
        let quoted = format!("x {}", pasteable(words.iter().copied()));
        if quoted.len() <= limits::LINE_BYTES && words.len() < limits::LINE_WORDS {
            let again = settle(&parse(quoted.as_bytes()).expect("quoted words are accepted")).expect("quoted words need no expansion");
            let found: Vec<&str> = again.items[0].stages[0].argv.iter().skip(1).map(|argument| argument.text.as_str()).collect();
            assert_eq!(found, words, "{quoted}");
        }
    }
}

fn check_span(span: Span, line: &[u8]) {
    assert!(span.start <= span.end && span.end as usize <= line.len(), "{span:?} is outside the line");
    if let Ok(text) = std::str::from_utf8(line) {
        let whole =
            line.len() > limits::LINE_BYTES || text.is_char_boundary(span.start as usize) && text.is_char_boundary(span.end as usize);
        assert!(whole, "{span:?} cuts a character");
    }
}
