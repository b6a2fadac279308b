//! `postern kill`.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::pty::Terminal;
use super::support::{Records, until};

/// A second, and what a busy host needs besides.
const IN_TIME: Duration = Duration::from_millis(1500);
/// Says so and is deaf to SIGTERM, as what it starts is.
const DEAF: &str = "sh -c \"trap '' TERM HUP INT; echo deaf; read x\"";

#[test]
fn a_session_and_what_it_runs_end_within_a_second_and_all_is_on_record() {
    let records = Records::new();
    let mut open = records.open();
    open.line(DEAF);
    open.expect("deaf");
    let start = Instant::now();
    let done = records.run("kill", &[&open.id, "--reason", "change freeze \x1b[2J"]);
    assert!(start.elapsed() < IN_TIME, "{:?}", start.elapsed());
    assert_eq!((done.status, done.out), (Some(0), format!("session {} is over\n", open.id)), "{}", done.err);
    let id = open.id.clone();
    let (status, said) = open.end();
    assert_eq!(status, Some(124));
    assert!(said.contains(": change freeze ^[[2J\n") && said.contains("posternsh: this session was ended by "), "{said}");
    let events = records.of(&id);
    let (command, session) = (&events[events.len() - 2], &events[events.len() - 1]);
    assert_eq!((&command["event"], &command["reason"]), (&"command.end".into(), &"killed".into()));
    assert_eq!(command["stages"][0]["status"]["signal"], "KILL");
    assert_eq!((&session["reason"], &session["why"]), (&"killed".into(), &"change freeze \x1b[2J".into()));
    assert!(session["by"].is_string());
    assert!(!records.file(&format!("{id}.kill")).exists(), "the order is on record");
    assert_eq!(records.list(&[])[0]["end"], "killed");
}

#[test]
fn a_person_at_the_prompt_reads_who_ended_the_session_and_has_the_terminal_back() {
    let records = Records::new();
    let mut terminal = Terminal::start(records.0.shell(&[]));
    terminal.expect("> ");
    let done = records.run("kill", &["last"]);
    assert_eq!(done.status, Some(0), "{}", done.err);
    terminal.expect("posternsh: this session was ended by ");
    assert_eq!(terminal.end().0, 124);
}

#[test]
fn a_person_who_does_not_read_keeps_no_session_from_its_end() {
    let records = Records::new();
    for command in [Some("sh -c 'while :; do echo much; done'"), None] {
        let mut terminal = Terminal::start(records.0.shell(&[]));
        terminal.expect("> ");
        if let Some(command) = command {
            terminal.line(command);
            terminal.expect("much");
            // Until all that is between them is full.
            std::thread::sleep(Duration::from_millis(500));
        }
        let start = Instant::now();
        let done = records.run("kill", &["last", "--reason", "enough"]);
        assert!(start.elapsed() < IN_TIME, "{:?}", start.elapsed());
        assert_eq!(done.status, Some(0), "{command:?}: {}", done.err);
        assert_eq!(terminal.modes(), terminal.initial, "{command:?}");
        assert_eq!(terminal.end().0, 124, "{command:?}");
        assert_eq!(records.list(&[]).pop().unwrap()["why"], "enough", "{command:?}");
    }
}

#[test]
fn a_relay_that_the_account_has_stopped_keeps_no_session_from_its_end() {
    let records = Records::new();
    let mut terminal = Terminal::start(records.0.shell(&[]));
    terminal.expect("> ");
    terminal.line("sleep 1000");
    terminal.expect_program("sleep");
    let shell = records.list(&[])[0]["pid"].as_i64().unwrap();
    let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap();
    let relays = children.split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap()));
    // The front and the command have sessions of their own.
    let relay = relays.into_iter().find(|pid| nix::unistd::getsid(Some(*pid)) == nix::unistd::getsid(Some(Pid::from_raw(shell as i32))));
    kill(relay.unwrap(), Signal::SIGSTOP).unwrap();
    let start = Instant::now();
    let done = records.run("kill", &["last"]);
    assert!(start.elapsed() < IN_TIME, "{:?}", start.elapsed());
    assert_eq!(done.status, Some(0), "{}", done.err);
    assert_eq!(terminal.modes(), terminal.initial);
    assert_eq!(terminal.end().0, 124);
}

#[test]
fn a_session_is_ended_where_no_order_can_be_written() {
    let records = Records::new();
    let mut open = records.open();
    open.line("sleep 1000");
    until("the command", || records.of(&open.id).len() > 3);
    // What the disk says when it is full stops no more than this.
    std::fs::create_dir(records.file(&format!("{}.kill", open.id))).unwrap();
    let done = records.run("kill", &[&open.id]);
    assert!(done.status == Some(1) && done.err.contains("will not say by whom"), "{done:?}");
    assert!(done.out.is_empty() && done.err.contains("its records do not say by whom: terminated"), "{done:?}");
    let id = open.id.clone();
    assert_eq!(open.end().0, Some(143));
    assert_eq!(records.of(&id).pop().unwrap()["reason"], "terminated");
}

#[test]
fn a_shell_that_does_not_end_is_killed_and_the_order_stays() {
    let records = Records::new();
    let mut open = records.open();
    open.line(DEAF);
    open.expect("deaf");
    kill(Pid::from_raw(open.shell.id().cast_signed()), Signal::SIGSTOP).unwrap();
    let start = Instant::now();
    let done = records.run("kill", &[&open.id]);
    assert!(start.elapsed() < IN_TIME, "{:?}", start.elapsed());
    assert_eq!(done.status, Some(1), "{done:?}");
    assert!(done.err.contains("its shell was killed") && done.err.contains("is not on record"), "{}", done.err);
    let id = open.id.clone();
    assert_eq!(open.end().0, None);
    assert!(records.file(&format!("{id}.kill")).exists());
    assert_eq!(records.list(&[])[0]["end"], "killed");
}

#[test]
fn sigterm_without_an_order_is_no_kill() {
    let records = Records::new();
    let mut open = records.open();
    open.line("sleep 1000");
    until("the command", || records.of(&open.id).len() > 3);
    kill(Pid::from_raw(open.shell.id().cast_signed()), Signal::SIGTERM).unwrap();
    let id = open.id.clone();
    assert_eq!(open.end().0, Some(143));
    let last = records.of(&id).pop().unwrap();
    assert!(last["reason"] == "terminated" && last.get("by").is_none(), "{last}");
}

#[test]
fn what_is_not_open_or_not_one_is_not_killed() {
    let records = Records::new();
    records.0.run("echo one");
    records.0.run("echo two");
    let ids = records.ids();
    for (name, message) in [
        (ids[0].as_str(), "is not open"),
        (&ids[0][ids[0].len() - 8..], "is not open"),
        ("last", "there is no such session"),
        ("2", "2 sessions are called so"),
        ("nothing", "there is no session nothing"),
    ] {
        let done = records.run("kill", &[name]);
        assert!(done.status == Some(3) && done.err.contains(message), "{name}: {done:?}");
    }
    assert_eq!(records.run("kill", &[]).status, Some(2));
}
