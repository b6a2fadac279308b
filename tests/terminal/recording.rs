//! The recording of a session, beside its records.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::house::House;
use super::pty::HAND;
use super::support::*;

/// The records of what ran, by number.
fn ends(house: &House) -> Vec<Value> {
    house.events("command.end")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn it_is_there_before_the_first_command_and_read_only_at_the_end() {
    let house = plain_house();
    let mut terminal = session(&house);
    let begun = recording(&house);
    let start = &house.events("session.start")[0];
    assert_eq!(begun.path, house.directory().join("records").join(format!("{}.cast", start["session"].as_str().unwrap())));
    let header = begun.header();
    let title = format!("{}@{}", start["account"].as_str().unwrap(), start["host"].as_str().unwrap());
    for (field, value) in [
        ("version", json!(2)),
        ("width", json!(80)),
        ("height", json!(24)),
        ("title", json!(title)),
        ("env", json!({"TERM": "xterm-256color"})),
    ] {
        assert_eq!(header[field], value, "{field}");
    }
    assert!(header["timestamp"].is_u64());
    assert!(house.events("command.start").is_empty());
    assert_eq!(mode(&begun.path), 0o600);
    leave(&mut terminal);
    assert_eq!(mode(&begun.path), 0o440);
}

#[test]
fn every_command_has_its_chapter_where_its_record_says() {
    let house = plain_house();
    let mut terminal = session(&house);
    for word in ["one", "two", "three"] {
        terminal.run(&format!("echo {word}"), &format!("\n{word}\n"));
    }
    terminal.line("sh -c 'exit 3' | cat; echo four");
    terminal.expect("\nfour\n");
    terminal.expect("> ");
    leave(&mut terminal);
    let recording = recording(&house);
    let markers = ["1 echo one", "2 echo two", "3 echo three", "4 sh -c 'exit 3' | cat; echo four"];
    assert_eq!(recording.data("m"), markers);
    for (end, marker) in ends(&house).iter().zip(markers) {
        let (at, code, label) = recording.event_at(&end["recording"]["offset"]);
        assert_eq!((code.as_str(), label.as_str()), ("m", marker));
        let ms = end["recording"]["ms"].as_u64().unwrap();
        assert_eq!((at * 1000.0) as u64, ms, "{marker}");
        assert_eq!(end["recording"]["left_out"], 0, "{marker}");
    }
    let times: Vec<f64> = recording.events().into_iter().map(|event| event.0).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn another_player_shows_what_the_terminal_got() {
    if Command::new("asciinema").arg("--version").stdout(Stdio::null()).status().is_err() {
        return skip("no asciinema to play a recording with");
    }
    let house = plain_house();
    let mut terminal = session(&house);
    terminal.run("echo one", "\none\n");
    terminal.run(
        "sh -c 'printf \"\\033[31mred\\033[0m \\\"quoted\\\" \\303\\251 \\360\\237\\230\\200 \\377 \\033]0;title\\007half\"'",
        "half\n",
    );
    let long: String = (0..2000).map(|number| format!("line {number}\t\u{e9}\\\n")).collect();
    terminal.run(&format!("cat {}", file(&house, "long", long).display()), "line 1999");
    terminal.line("reboot");
    terminal.expect(" [126]> ");
    terminal.run("echo end", "\nend\n");
    terminal.send("echo typ\x7f\x7fwo\t\x15");
    terminal.read_until_silent(HAND);
    leave(&mut terminal);
    let recording = recording(&house);
    let seen = house.directory().join("seen");
    let play = format!("asciinema cat {} > {}", recording.path.display(), seen.display());
    let mut player = Command::new("script");
    player.args(["--quiet", "--return", "--command", &play, "/dev/null"]).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    assert!(player.output().unwrap().status.success());
    let seen = fs::read(seen).unwrap();
    assert!(recording.output().as_bytes() == seen, "postern reads it as asciinema does");
    assert_eq!(String::from_utf8_lossy(&seen), String::from_utf8_lossy(terminal.raw()));
}

#[test]
fn keys_that_are_not_shown_are_in_no_file() {
    let house = plain_house();
    let mut terminal = session(&house);
    terminal.line("sh -c 'stty -echo; echo ready; read x; stty echo; echo $x | wc -c'");
    terminal.expect("\nready\n");
    terminal.line("correct-horse");
    terminal.expect("14");
    terminal.expect("> ");
    terminal.line("sh -c 'echo again; read x'");
    terminal.expect("\nagain\n");
    terminal.line("this-is-echoed");
    terminal.expect("> ");
    leave(&mut terminal);
    let entries = fs::read_dir(house.directory().join("records")).unwrap();
    let all: String = entries.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    assert!(!all.contains("correct-horse") && !all.contains("horse"));
    assert!(all.contains("this-is-echoed"), "the control");
}

#[test]
fn none_is_none() {
    let house = house("idle: 1h", "record: none", "");
    let mut terminal = session(&house);
    terminal.run("echo one", "\none\n");
    leave(&mut terminal);
    house.run("echo two");
    assert!(house.events("session.start").iter().all(|start| start["recording"].is_null()));
    assert!(ends(&house).iter().all(|end| end.get("recording").is_none_or(Value::is_null)), "{:?}", ends(&house));
    let files = fs::read_dir(house.directory().join("records")).unwrap();
    assert!(files.map(|entry| entry.unwrap().path()).all(|path| path.extension().is_some_and(|extension| extension == "jsonl")));
}

#[test]
fn without_a_terminal_the_first_bytes_of_each_command_are_recorded() {
    for (printed, left_out) in [(10, 0), (1023, 0), (1024, 0), (1025, 1), (5000, 3976), (3_000_000, 2_998_976)] {
        let house = house("idle: 1h", "record: { max: 1KiB }", "");
        let output = house.run(&format!("freely -e 'print q(x) x {printed}'; freely -e 'print STDERR q(y) x 10'"));
        assert_eq!((output.stdout.len(), output.stderr.len()), (printed, 10));
        let recording = recording(&house);
        let shown = recording.output();
        assert_eq!(shown.matches('x').count(), (printed - left_out) + shown.matches("max").count(), "{printed}");
        assert_eq!(ends(&house)[0]["recording"]["left_out"], left_out, "{printed}");
        assert_eq!(shown.contains("is not recorded"), left_out > 0, "{printed}: {shown}");
        assert_eq!(mode(&recording.path), 0o440);
    }
}

#[test]
fn on_a_terminal_there_is_a_bound_too() {
    let house = house("idle: 1h", "record: { terminal: 1KiB }", "");
    let mut terminal = session(&house);
    terminal.run("freely -e 'print q(x) x 5000'", "xx\n");
    terminal.run("echo whole", "\nwhole\n");
    leave(&mut terminal);
    let left_out: Vec<_> = ends(&house).iter().map(|end| end["recording"]["left_out"].clone()).collect();
    assert_eq!(left_out, [3976, 0]);
    let shown = recording(&house).output();
    assert!(shown.contains(&"x".repeat(1024)) && !shown.contains(&"x".repeat(1025)) && shown.contains("\nwhole\r\n"), "{shown}");
    assert!(terminal.text().contains(&"x".repeat(5000)), "the person sees all");
}

#[test]
fn what_goes_to_no_terminal_is_filtered_in_the_recording_and_nowhere_else() {
    let house = plain_house();
    let output = house.run("freely -e 'print qq(a\\e]52;c;eA==\\a\\e[6nb\\n)'");
    assert_eq!(output.stdout, b"a\x1b]52;c;eA==\x07\x1b[6nb\n");
    let recording = recording(&house);
    assert_eq!(recording.output(), "ab\r\n");
}
