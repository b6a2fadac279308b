//! What the guard reads of a front that says anything: every byte string is a call that was meant, or malformed; never more.
//!
//! `fuzz/fuzz_targets/call.rs` goes on with this for as long as one likes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests fail by panicking")]

use std::path::PathBuf;
use std::time::Duration;

use postern::record::Decision;
use postern::shell::clock::Ending;
use postern::shell::desk::{Call, Reply, View, Way};
use postern::shell::wire::{HEADER, Malformed, VERSION, decode, encode, length};
use postern::syntax::{Argument, Connector, Item, Redirect, RedirectKind, Request, Stage};
use postern::words::Span;
use postern::words::limits::{LINE_WORDS, MESSAGE_BYTES};
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

fn argument(text: &str, start: usize) -> Argument {
    Argument { text: text.to_owned(), span: Span::new(start, start + text.len()) }
}

fn request(line: &str, stages: Vec<Stage>) -> Request {
    Request { line: line.to_owned(), items: vec![Item { connector: Connector::Always, negated: false, stages }] }
}

/// `cat ä > o`.
fn sample() -> Request {
    let file = RedirectKind::Output { file: argument("o", 9), append: false };
    let redirects = vec![Redirect { kind: file, span: Span::new(7, 10) }];
    request("cat ä > o ", vec![Stage { argv: vec![argument("cat", 0), argument("ä", 4)], redirects }])
}

/// One of each.
fn calls() -> Vec<Call> {
    let directory = PathBuf::from("/var/log");
    vec![
        Call::Start { way: Way::Forced, interactive: true, term: Some("xterm".to_owned()) },
        Call::Refresh,
        Call::Submit { request: sample(), directory: directory.clone(), confirmed: vec!["postgresql".to_owned()] },
        Call::Refuse {
            line: vec![0xff, b'x'],
            decision: Decision::Invalid,
            status: 2,
            reason: "no".to_owned(),
            directory: directory.clone(),
        },
        Call::Builtin { line: b"pwd".to_vec(), argv: vec!["pwd".to_owned()], directory: directory.clone() },
        Call::EndBuiltin { status: 3 },
        Call::Explain { request: sample(), directory: directory.clone() },
        Call::Help { command: None, width: 80 },
        Call::About,
        Call::Commands,
        Call::Candidates { words: vec!["systemctl".to_owned()], directory },
        Call::Names(b"question".to_vec()),
        Call::End(Ending::Idle(Duration::from_millis(1500))),
        Call::Abort("no".to_owned()),
    ]
}

fn body(call: &Call) -> Vec<u8> {
    encode(call).unwrap().split_off(HEADER)
}

#[test]
fn what_was_said_is_what_is_understood() {
    for call in calls() {
        let bytes = encode(&call).unwrap();
        let header = bytes[..HEADER].try_into().unwrap();
        assert_eq!(length(header), Ok(bytes.len() - HEADER));
        assert_eq!(decode::<Call>(&bytes[HEADER..]), Ok(call));
    }
    let view = View { account: "bg".to_owned(), observe: true, constants: [("A".to_owned(), "b".to_owned())].into(), ..View::default() };
    let reply = Reply::Started { view, messages: vec!["m".to_owned()] };
    assert_eq!(decode::<Reply>(&encode(&reply).unwrap()[HEADER..]), Ok(reply));
}

#[test]
fn half_a_call_and_a_call_and_more_are_malformed() {
    for call in calls() {
        let whole = body(&call);
        for cut in 0..whole.len() {
            assert_eq!(decode::<Call>(&whole[..cut]), Err(Malformed), "{call:?} cut at {cut}");
        }
        assert_eq!(decode::<Call>(&[&whole[..], &[0]].concat()), Err(Malformed), "{call:?} and a byte");
    }
}

#[test]
fn a_message_of_another_version_or_too_long_is_not_read() {
    let header = |version: u8, length: usize| {
        let length = u32::try_from(length).unwrap().to_le_bytes();
        [&[version][..], &length].concat().try_into().unwrap()
    };
    assert_eq!(length(header(VERSION, MESSAGE_BYTES)), Ok(MESSAGE_BYTES));
    for (version, bytes) in [(VERSION, MESSAGE_BYTES + 1), (VERSION, u32::MAX as usize), (VERSION - 1, 1), (VERSION + 1, 1), (0xff, 0)] {
        assert_eq!(length(header(version, bytes)), Err(Malformed), "{version} {bytes}");
    }
    assert!(encode(&Call::Names(vec![0; MESSAGE_BYTES])).is_err(), "nor written");
}

#[test]
fn a_length_that_is_not_there_costs_nothing() {
    // A list of four thousand million words.
    let bytes = [&[10][..], &u32::MAX.to_le_bytes(), &[0; 64]].concat();
    assert_eq!(decode::<Call>(&bytes), Err(Malformed));
    assert_eq!(decode::<Call>(&[&[11][..], &u32::MAX.to_le_bytes()].concat()), Err(Malformed));
}

#[test]
fn texts_are_texts_and_choices_are_known() {
    for bytes in [&[14][..], &[0xff], &[0, 3, 0, 0], &[0, 0, 2, 0], &[7, 1, 1, 0, 0, 0, 0xff, 80, 0, 0, 0, 0, 0, 0, 0]] {
        assert_eq!(decode::<Call>(bytes), Err(Malformed), "{bytes:?}");
    }
}

/// What is wrong with a request, by name.
type Wrong<'a> = (&'a str, &'a dyn Fn(&mut Request));

#[test]
fn words_that_no_line_has_are_not_looked_at() {
    let with = |change: &dyn Fn(&mut Request)| {
        let mut request = sample();
        change(&mut request);
        request.check()
    };
    let stage = |request: &mut Request, change: &dyn Fn(&mut Stage)| change(&mut request.items[0].stages[0]);
    assert_eq!(sample().check(), Ok(()), "the control");
    let wrongs: [Wrong<'_>; 14] = [
        ("a line of 5000 bytes", &|request| request.line.push_str(&"x".repeat(5000))),
        ("no pipeline", &|request| request.items.clear()),
        ("no stage", &|request| request.items[0].stages.clear()),
        ("no word", &|request| stage(request, &|stage| stage.argv.clear())),
        ("too many words", &|request| stage(request, &|stage| stage.argv = vec![argument("a", 0); LINE_WORDS + 1])),
        ("a word too long", &|request| stage(request, &|stage| stage.argv[1].text = "x".repeat(5000))),
        ("NUL", &|request| stage(request, &|stage| stage.argv[1].text = "a\0b".to_owned())),
        ("an escape", &|request| stage(request, &|stage| stage.argv[1].text = "a\x1b[2J".to_owned())),
        ("a newline", &|request| stage(request, &|stage| stage.argv[1].text = "a\nb".to_owned())),
        ("a bidirectional override", &|request| stage(request, &|stage| stage.argv[1].text = "a\u{202e}b".to_owned())),
        ("NUL in a file's name", &|request| {
            stage(request, &|stage| stage.redirects[0].kind = RedirectKind::Input(argument("a\0", 0)));
        }),
        ("a span behind the line", &|request| stage(request, &|stage| stage.argv[1].span = Span::new(4, 500))),
        ("a span inside a character", &|request| stage(request, &|stage| stage.argv[1].span = Span::new(4, 5))),
        ("descriptor 7", &|request| stage(request, &|stage| stage.redirects[0].kind = RedirectKind::Null(7))),
    ];
    for (name, change) in wrongs {
        assert!(with(change).is_err(), "{name}");
    }
    let mut hanging = sample();
    hanging.items[0].connector = Connector::Or;
    assert!(hanging.check().is_err(), "a first pipeline that hangs on one before it");
}

proptest! {
    #[test]
    fn any_bytes_are_a_call_or_malformed(bytes: Vec<u8>) {
        if let Ok(call) = decode::<Call>(&bytes) {
            prop_assert_eq!(body(&call), bytes, "one way to say it");
        }
    }

    #[test]
    fn a_call_with_a_byte_changed_is_another_call_or_malformed(which in 0_usize..14, at: prop::sample::Index, byte: u8) {
        let mut bytes = body(&calls()[which]);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(call) = decode::<Call>(&bytes) {
            prop_assert!(body(&call) == bytes);
            if let Call::Submit { request, .. } | Call::Explain { request, .. } = call {
                // Whatever it says, looking at it is safe.
                let _ = request.check();
            }
        }
    }

    #[test]
    fn a_reply_of_any_bytes_does_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode::<Reply>(&bytes);
    }
}
