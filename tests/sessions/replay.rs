//! `postern replay`.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::pty::Terminal;
use super::support::Records;

fn events() -> Vec<Value> {
    vec![
        json!([0.0, "o", "greeting\r\n"]),
        json!([1.0, "m", "1 echo one"]),
        json!([1.1, "o", "one \u{1b}]52;c;c2VjcmV0\u{7}\u{1b}[6n\u{1b}[1mbold\u{1b}[0m\r\n"]),
        json!([1.2, "r", "100x30"]),
        json!([60.0, "m", "3 echo three"]),
        json!([60.1, "o", "three\r\n"]),
        json!([60.2, "c", {"n": 3}]),
    ]
}

/// A session with a recording, and its id.
fn recorded() -> (Records, String) {
    let records = Records::new();
    records.0.run("echo one");
    let id = records.ids().pop().unwrap();
    records.record(&id, &events());
    (records, id)
}

#[test]
fn without_a_terminal_all_is_written_at_once_and_filtered() {
    let (records, id) = recorded();
    let bold = "one \x1b[1mbold\x1b[0m\r\n";
    for (arguments, shown) in [
        (&["last"][..], format!("greeting\r\n{bold}three\r\n")),
        (&[&id, "--command", "1"], bold.to_owned()),
        (&[&id[id.len() - 8..], "--command", "3", "--plain"], "three\r\n".to_owned()),
        (&[&id, "--at", "59"], "three\r\n".to_owned()),
    ] {
        let done = records.run("replay", arguments);
        assert_eq!((done.status, done.out.replace("\x1b[m", "\x1b[0m")), (Some(0), shown), "{arguments:?} {}", done.err);
    }
    for (arguments, message) in [
        (&[id.as_str(), "--command", "2"][..], "command 2 is not in the recording"),
        (&[&id, "--speed", "0"], "--speed is from"),
        (&[&id, "--idle", "x"], "--idle: expected a number"),
    ] {
        assert!(records.run("replay", arguments).err.contains(message), "{arguments:?}");
    }
}

#[test]
fn a_damaged_recording_is_shown_as_far_as_it_is_whole() {
    let (records, id) = recorded();
    let cast = records.file(&format!("{id}.cast"));
    let text = fs::read_to_string(&cast).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for (damaged, shown, message) in [
        ([&lines[..2], &["[1, \x1b[2J"], &lines[2..]].concat().join("\n"), "greeting\r\n", "is damaged at byte"),
        (text[..text.len() - 60].to_owned(), "greeting\r\none", "it ends in the middle of an event"),
    ] {
        fs::write(&cast, damaged).unwrap();
        let done = records.run("replay", &[&id]);
        assert!(done.status == Some(1) && done.out.starts_with(shown), "{done:?}");
        assert!(done.err.contains("the recording stops at 0:0") && done.err.contains(message), "{}", done.err);
    }
    fs::write(&cast, "\x1b[2J\n").unwrap();
    let done = records.run("replay", &[&id]);
    assert_eq!((done.status, done.err.as_str()), (Some(3), "postern: the recording: it is no asciicast of version 2\n"));
    fs::remove_file(&cast).unwrap();
    assert!(records.run("replay", &[&id]).err.contains("has no recording"));
}

/// Events that take some seconds to show.
fn much() -> Vec<Value> {
    let text = "much more\r".repeat(200);
    (0..20_000).map(|at| json!([f64::from(at) / 1000.0, "o", text])).collect()
}

#[test]
fn a_long_recording_is_left_at_once_however_fast_it_is_shown() {
    let (records, id) = recorded();
    records.record(&id, &much());
    for arguments in [&[id.as_str(), "--speed", "1000"][..], &[&id, "--at", "19.9"]] {
        for leave in ["q", "\x03"] {
            let mut terminal = Terminal::start(records.tool("replay", arguments));
            terminal.expect("much more");
            let start = Instant::now();
            terminal.send(leave);
            assert_eq!(terminal.end().0, 0);
            assert!(start.elapsed() < Duration::from_secs(1), "{arguments:?}: {:?}", start.elapsed());
        }
    }
}

#[test]
fn on_a_terminal_keys_go_from_command_to_command_and_the_terminal_comes_back() {
    let (records, id) = recorded();
    let mut terminal = Terminal::start(records.tool("replay", &[&id, "--speed", "4"]));
    terminal.expect("greeting");
    terminal.expect("bold");
    // Nothing happens for a minute.
    terminal.send("]");
    terminal.expect("three");
    let (status, _) = terminal.end();
    assert_eq!(status, 0);

    let mut terminal = Terminal::start(records.tool("replay", &[&id, "--command", "3"]));
    terminal.expect("three");
    assert_eq!(terminal.end().0, 0);

    let mut terminal = Terminal::start(records.tool("replay", &[&id, "--idle", "0.1"]));
    terminal.expect("three");
    assert_eq!(terminal.end().0, 0);

    let mut terminal = Terminal::start(records.tool("replay", &[&id]));
    terminal.expect("greeting");
    terminal.send(" ..");
    terminal.expect("three");
    terminal.send("q");
    assert_eq!(terminal.end().0, 0);

    let mut terminal = Terminal::start(records.tool("replay", &[&id]));
    terminal.expect("bold");
    terminal.send("[");
    terminal.expect("greeting");
    terminal.send("q");
    assert_eq!(terminal.end().0, 0);
    assert!(terminal.initial == terminal.modes());
}
