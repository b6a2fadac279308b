//! What an operator sees of a session on a terminal, and does to it.

use std::time::{Duration, Instant};

use super::pty::Terminal;
use super::support::*;

#[test]
fn a_session_is_watched_as_it_happens_and_that_is_on_record() {
    let house = plain_house();
    let mut person = session(&house);
    let id = house.events("session.start")[0]["session"].as_str().unwrap().to_owned();
    let mut operator = Terminal::start(tool(&house, "watch", &[&id]));
    until("the record of who watches", || !house.events("session.watch").is_empty());
    let watch = house.events("session.watch").pop().unwrap();
    assert_eq!(watch["watched"], id.as_str());
    operator.expect("> ");
    let mut slowest = Duration::ZERO;
    for round in 0..5 {
        person.line(&format!("freely -e 'print qq(round\\e]0;t\\a {round}\\n)'"));
        person.expect(&format!("\nround {round}\n"));
        let shown = Instant::now();
        operator.expect(&format!("\nround {round}\n"));
        slowest = slowest.max(shown.elapsed());
        person.expect("> ");
    }
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
    // As it is typed.
    person.send("echo half");
    operator.expect("echo half");
    person.send("\x15");
    leave(&mut person);
    operator.expect(&format!("session {id} is over"));
    assert_eq!(operator.end().0, 0);
    assert!(!operator.raw().windows(4).any(|bytes| bytes == b"\x1b]0;"));
    assert!(house.events("session.watch").last().unwrap()["duration_ms"].is_u64());
}

#[test]
fn a_session_is_replayed_and_searched() {
    let house = plain_house();
    let mut person = session(&house);
    person.run("echo first", "\nfirst\n");
    person.run("sh -c 'printf \"\\033[1mneedle\\033[0m in a haystack\\n\"'", "haystack\n");
    person.line("reboot now");
    person.expect(" [126]> ");
    person.run("echo end", "\nend\n");
    leave(&mut person);
    let text = |shown: String| shown.replace('\r', "");
    let all = text(said(&house, "replay", &["last", "--plain"]));
    assert!(all.contains("This session is recorded") || all.contains("`help` shows"), "{all}");
    assert!(
        all.contains("\nfirst\n") && all.contains("haystack\n") && all.contains("not allowed") || all.contains("no rule allows"),
        "{all}"
    );
    let second = text(said(&house, "replay", &["last", "--plain", "--command", "2"]));
    assert!(second.contains(" in a haystack\n") && !second.contains("\nfirst\n"), "{second}");
    let found = said(&house, "search", &["haystack"]);
    let id = house.events("session.start")[0]["session"].as_str().unwrap().to_owned();
    assert!(found.contains("needle in a haystack") && found.contains(&format!("postern replay {id} --command 2")), "{found}");
    let denied = said(&house, "search", &["--denied"]);
    assert!(denied.contains("reboot now"), "{denied}");
}

#[test]
fn a_session_that_is_killed_says_why_on_the_persons_terminal() {
    let house = plain_house();
    let mut person = session(&house);
    person.line("freely -e '$SIG{$_} = q(IGNORE) for qw(TERM HUP INT); system q(stty raw -echo); print qq(\\e[?1049hready); $| = 1; print q(!); sleep 1000'");
    person.expect("ready!");
    let start = Instant::now();
    said(&house, "kill", &["last", "--reason", "change freeze \x1b]0;x\x07"]);
    assert!(start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
    person.expect("posternsh: this session was ended by ");
    person.expect(": change freeze ^[]0;x^G");
    assert_eq!(person.end().0, 124);
    assert!(person.initial == person.modes());
    let end = &house.events("session.end")[0];
    assert!(end["reason"] == "killed" && end["why"] == "change freeze \u{1b}]0;x\u{7}", "{end}");
    assert_eq!(house.events("command.end")[0]["reason"], "killed");
    let shown = recording(&house).output();
    assert!(shown.contains("ready!") && shown.contains("\x1b[?1049l"), "the recording ends clean: {shown:?}");
}
