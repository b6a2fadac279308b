//! What is typed and pasted at the prompt: the built shell on a real terminal. What was typed runs as it is, or is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "support/bytes.rs"]
mod bytes;
#[path = "support/house.rs"]
#[allow(dead_code)]
mod house;
#[path = "support/pty.rs"]
#[allow(dead_code)]
mod pty;

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use bytes::bytes_of;
use house::House;
use postern::screen::keyboard::{At, Keyboard};
use proptest::collection::vec;
use proptest::prelude::*;
use pty::{HAND, Terminal};

/// Drops what is typed of a line.
const CTRL_U: &str = "\x15";

/// A session at its first prompt.
fn session(house: &House) -> Terminal {
    let mut terminal = Terminal::start(house.shell(&[]));
    terminal.expect("`help` shows what you may run.");
    terminal.expect("> ");
    terminal
}

/// The lines that have begun to run.
fn lines(house: &House) -> Vec<String> {
    house.events("command.start").iter().map(|record| record["line"].as_str().unwrap().to_owned()).collect()
}

/// Of what a row types, this may run: what stands on the screen when Enter is pressed, and nothing else.
fn may_run(id: &str) -> &'static [&'static str] {
    match id {
        // The first of several lines, whole.
        "input-paste-05" => &["echo R1"],
        _ => &[],
    }
}

#[test]
fn nothing_of_the_attacks_on_the_input_runs() {
    for row in include_str!("input/attacks.tsv").lines().skip(1) {
        let [id, bytes, harm] = row.split('\t').collect::<Vec<_>>()[..] else { panic!("{row}") };
        let house = House::new();
        let mut terminal = session(&house);
        terminal.send(bytes_of(bytes));
        sleep(HAND);
        terminal.send("\r");
        sleep(HAND);
        terminal.send(CTRL_U);
        terminal.line("echo goes on");
        terminal.expect("\ngoes on\n");
        let mut expected = may_run(id).to_vec();
        expected.push("echo goes on");
        assert_eq!(lines(&house), expected, "{id}: {harm}");
    }
}

#[test]
fn what_is_no_text_is_seen_and_refused_at_its_place() {
    for (typed, seen, refused) in [
        ("A\\x00B", "A␀B", "A^@B"),
        ("echo a\\x1fb", "echo a␟b", "echo a^_b"),
        ("echo a\\x1ab", "echo a␚b", "echo a^Zb"),
        ("echo a\\x16b", "echo a␖b", "echo a^Vb"),
        ("echo \\xff\\xfe", "echo \u{fffd}\u{fffd}", "echo <ff><fe>"),
        ("echo \\xe2\\x80\\xaegpj", "echo \u{fffd}\u{fffd}\u{fffd}gpj", "echo <U+202E>gpj"),
        ("echo \\xe2\\x80\\x8b", "echo \u{fffd}\u{fffd}\u{fffd}", "echo <U+200B>"),
        ("ls \\x9b200~", "ls \u{fffd}200~", "ls <9b>200~"),
    ] {
        let house = House::new();
        let mut terminal = session(&house);
        terminal.send(bytes_of(typed));
        terminal.expect(seen);
        terminal.send("\r");
        terminal.expect(&format!("\n           {refused}\n"));
        assert!(terminal.expect(" [2]> ").contains('^'), "a caret");
        assert!(lines(&house).is_empty());
        let denied = &house.events("command.deny")[0];
        assert_eq!(denied["decision"], "invalid", "{denied}");
    }
}

#[test]
fn a_key_of_the_table_edits_and_no_other_does() {
    let house = House::new();
    let mut terminal = session(&house);
    // Forwards, backwards, by words, to the ends: the line that is on the screen is the line that runs.
    terminal.send("cho b\x01e\x05\x02a \x1bb\x1bfz\x1b[D\x1b[D\x06\x06\r");
    terminal.expect("\naz b\n");
    assert_eq!(lines(&house), ["echo az b"]);
}

#[test]
fn escape_is_a_key_and_does_not_change_the_next() {
    let house = House::new();
    let mut terminal = session(&house);
    terminal.send("\x1b");
    sleep(HAND);
    terminal.send("\x1b[200~echo one\recho two\r\x1b[201~");
    terminal.expect("echo two");
    sleep(HAND);
    terminal.send("\r");
    terminal.expect(" [2]> ");
    assert!(lines(&house).is_empty(), "what follows on ESC is a paste still");
}

#[test]
fn a_paste_runs_after_a_pause_if_it_is_one_line() {
    let house = House::new();
    let mut terminal = session(&house);
    terminal.send("\x1b[200~echo pasted\x1b[201~");
    terminal.expect("echo pasted");
    sleep(HAND);
    terminal.send("\r");
    terminal.expect("\npasted\n");
    assert_eq!(lines(&house), ["echo pasted"]);
}

#[test]
fn a_paste_that_is_too_long_is_refused_whole() {
    for length in [4097, 20_000] {
        let house = House::new();
        let mut terminal = session(&house);
        terminal.send("echo ");
        terminal.send(format!("\x1b[200~{}\x1b[201~", "a".repeat(length)));
        terminal.expect("more came at once than the 4096 bytes");
        terminal.expect(" [2]> ");
        terminal.run("echo goes on", "\ngoes on\n");
        assert_eq!(lines(&house), ["echo goes on"]);
    }
}

#[test]
fn a_line_that_is_too_long_is_refused_however_it_is_typed() {
    for (term, says) in [("xterm-256color", "the line is longer than 4096 bytes"), ("dumb", "more came at once than the 4096 bytes")] {
        let house = House::new();
        let mut command = house.shell(&[]);
        command.env("TERM", term);
        let mut terminal = Terminal::start(command);
        terminal.expect("> ");
        // As fast as the terminal takes it.
        for piece in format!("echo {}\r", "a".repeat(8_000)).as_bytes().chunks(1000) {
            terminal.send(piece);
            terminal.read_until_silent(Duration::from_millis(10));
        }
        terminal.expect(says);
        terminal.expect(" [2]> ");
        sleep(HAND);
        terminal.run("echo goes on", "\ngoes on\n");
        assert_eq!(lines(&house), ["echo goes on"], "{term}");
    }
}

#[test]
fn behind_the_first_of_several_lines_nothing_runs_and_that_is_said() {
    for term in ["xterm-256color", "dumb"] {
        let house = House::new();
        let mut command = house.shell(&[]);
        command.env("TERM", term);
        let mut terminal = Terminal::start(command);
        terminal.expect("> ");
        terminal.send("echo one\recho two\recho three\r");
        // On a busy host the notice may come before the command's output, and is seen there.
        terminal.expect("one\n");
        if term == "dumb" {
            terminal.expect("> ");
            sleep(HAND);
            terminal.send("\r");
        }
        terminal.expect("more came at once behind the end of a line");
        terminal.expect(" [2]> ");
        terminal.run("echo goes on", "\ngoes on\n");
        assert_eq!(lines(&house), ["echo one", "echo goes on"], "{term}");
    }
}

#[test]
fn a_key_is_not_held_up() {
    let house = House::new();
    let mut terminal = session(&house);
    let began = Instant::now();
    for letter in "abcdefghijklmnopqrstuvwxyz".chars() {
        terminal.send(letter.to_string());
        terminal.expect(&letter.to_string());
    }
    assert!(began.elapsed() < Duration::from_millis(26 * 40), "{:?}: a pause is 50 ms", began.elapsed());
}

#[test]
fn a_session_leaves_no_file_of_its_lines() {
    let house = House::new();
    let home = house.directory().join("home");
    fs::create_dir(&home).unwrap();
    let mut command = house.shell(&[]);
    command.env("HOME", &home).env("XDG_STATE_HOME", home.join("state")).env("HISTFILE", home.join("history")).current_dir(&home);
    let mut terminal = Terminal::start(command);
    terminal.expect("> ");
    terminal.run("echo first", "\nfirst\n");
    terminal.send("\x1b[A\r");
    terminal.expect("\nfirst\n");
    terminal.expect("> ");
    terminal.run("history", "echo first");
    terminal.send("\x12fir");
    terminal.expect("reverse-i-search");
    terminal.send("\r");
    terminal.expect("\nfirst\n");
    terminal.expect("> ");
    terminal.send("\x04");
    terminal.end();
    assert_eq!(fs::read_dir(&home).unwrap().count(), 0);
    let account = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().dir;
    for name in [".posternsh_history", ".history", ".rustyline_history"] {
        assert!(!account.join(name).exists(), "{name}");
    }
}

/// What was typed, in pieces that look random; none ends a line, behind which a read counts.
fn input() -> impl Strategy<Value = Vec<u8>> {
    const PARTS: [&[u8]; 22] = [
        b"\x1b[",
        b"\x1b",
        b"\x1bO",
        b"\x1b]",
        b"\x1bP",
        b"\x1b\\",
        b"\x07",
        b"\x1b[200~",
        b"\x1b[201~",
        b"\x1b[M",
        b"\x1b[<",
        b"\x1b[[",
        b"1;5",
        b"~",
        b"R",
        b"A",
        b"$",
        b"\x9b",
        b"\xe2\x80",
        "é✜".as_bytes(),
        b"\x01\x00",
        b"text",
    ];
    let part = prop_oneof![
        4 => proptest::sample::select(&PARTS).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>().prop_filter("ends a line", |byte| !matches!(byte, 3 | b'\r' | b'\n')), 0..4),
    ];
    vec(part, 0..30).prop_map(|parts| parts.concat())
}

/// What passes of reads, and then of a second of silence.
fn passed<'a>(reads: impl IntoIterator<Item = &'a [u8]>, at: At, room: usize) -> (Vec<u8>, u64) {
    let (mut keyboard, mut passed, mut out) = (Keyboard::new(), Vec::new(), vec![0; room]);
    for mut read in reads {
        while !read.is_empty() {
            let progress = keyboard.pass(read, &mut out, at);
            assert!(progress.taken > 0, "64 bytes are enough");
            passed.extend_from_slice(&out[..progress.written]);
            read = &read[progress.taken..];
        }
    }
    for _ in 0..25 {
        let count = keyboard.pause(&mut out, at);
        passed.extend_from_slice(&out[..count]);
    }
    assert!(!keyboard.is_waiting());
    (passed, keyboard.take_swallowed())
}

proptest! {
    #[test]
    fn what_passes_does_not_depend_on_the_pieces(input in input(), cut in 1_usize..7, room in 64_usize..200) {
        for at in [At::Prompt, At::Command] {
            let whole = passed([&input[..]], at, 1 << 14);
            prop_assert_eq!(&passed(input.chunks(1), at, 64), &whole);
            prop_assert_eq!(&passed(input.chunks(cut), at, room), &whole);
        }
    }

    #[test]
    fn the_prompt_gets_text_and_no_answer(input in input()) {
        let (passed, _) = passed([&input[..]], At::Prompt, 1 << 14);
        let text = String::from_utf8(passed).expect("UTF-8");
        // What the editor reads of the sequences that pass: none has more than these bytes.
        for sequence in text.split('\x1b').skip(1) {
            let is_key = ["[200~", "[201~", "[A", "[B", "[C", "[D", "[F", "[H", "O", "[1", "[3~", "[4~", "[7~", "[8~", "b", "B", "d", "D", "f", "F", "<", ">", "\x7f", "\x08"]
                .iter()
                .any(|key| sequence.starts_with(key));
            prop_assert!(is_key, "{:?}", text);
        }
    }
}
