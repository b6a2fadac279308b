//! `postern sessions`.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use super::support::Records;

#[test]
fn the_kernel_says_which_sessions_are_open_and_a_killed_shell_is_lost_at_once() {
    let records = Records::new();
    records.0.run("echo one; id");
    let mut open = records.open();
    let listed = records.list(&[]);
    assert_eq!(listed.len(), 2);
    let fields = |index: usize, names: &[&str]| names.iter().map(|name| listed[index][name].clone()).collect::<Vec<_>>();
    assert_eq!(
        fields(0, &["open", "end", "commands", "denied", "way", "pid"]),
        [json!(false), json!("exit"), json!(1), json!(1), json!("command"), json!(null)]
    );
    assert_eq!(fields(1, &["open", "end", "commands", "pid"]), [json!(true), json!(null), json!(1), json!(open.shell.id())]);
    assert_eq!(records.list(&["--open"]).len(), 1);
    open.shell.kill().unwrap();
    open.shell.wait().unwrap();
    let listed = records.list(&[]);
    assert_eq!((&listed[1]["open"], &listed[1]["end"]), (&json!(false), &json!("lost")));
    assert!(records.list(&["--open"]).is_empty());
}

#[test]
fn commands_that_come_and_go_leave_a_session_open() {
    let records = Records::new();
    let mut open = records.open();
    // Each has a copy of the descriptors, and closes it.
    for _ in 0..3 {
        open.line("echo x | cat; sh -c 'exec 3</dev/null'; echo done");
        open.expect("x");
        open.expect("done");
        assert_eq!(records.list(&["--open"])[0]["session"], open.id.as_str());
    }
    assert_eq!(open.end().0, Some(0));
    assert_eq!(records.list(&[])[0]["end"], "exit");
}

#[test]
fn a_table_shows_nothing_raw_and_files_that_are_none_of_ours_do_no_harm() {
    let records = Records::new();
    records.0.run("echo one");
    let hostile = r#"{"v":1,"event":"session.start","session":"x","seq":1,"time":"2026-11-21T03:12:44.123Z","host":"h","account":"\u001b]0;x\u0007break","uid":7,"from":"\u202e10.0.0.1","tty":null,"way":"login"}"#;
    fs::write(records.file("20261121-031244-00000001.jsonl"), format!("{hostile}\n\x1b[2Jno record\n{{\"v\":1")).unwrap();
    fs::write(records.file("20261121-031244-00000002.jsonl"), "").unwrap();
    fs::write(records.file("\x1b[2J.jsonl"), "").unwrap();
    symlink("/dev/zero", records.file("20261121-031244-00000003.jsonl")).unwrap();
    let fifo = records.file("20261121-031244-00000004.jsonl");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let done = records.run("sessions", &[]);
    assert_eq!(done.status, Some(0), "{done:?}");
    let raw = |text: &str| text.chars().any(|c| c.is_control() && c != '\n' || c == '\u{202e}');
    assert!(!raw(&done.out) && !raw(&done.err), "{done:?}");
    assert!(done.out.lines().all(|line| line.chars().count() <= 80), "{}", done.out);
    assert!(done.out.contains("^[]0;x^Gb…  <U+202E>10.0.0…") && done.out.contains("lost"), "{}", done.out);
    for part in [
        "00000001.jsonl: 2 of its lines are no records, the first of them line 2",
        "00000003.jsonl:",
        "00000004.jsonl: it is no regular file",
    ] {
        assert!(done.err.contains(part), "{part} in {}", done.err);
    }
    assert_eq!(records.list(&["--account", "\x1b]0;x\x07break"]).len(), 1);
}

#[test]
fn sessions_are_chosen_by_time_and_account() {
    let records = Records::new();
    records.0.run("echo one");
    let account = records.list(&[])[0]["account"].as_str().unwrap().to_owned();
    let now = records.list(&[])[0]["until"].as_str().unwrap().to_owned();
    for (arguments, count) in [
        (&["--since", "1h"][..], 1),
        (&["--since", "2026-01-01"], 1),
        (&["--since", &now], 1),
        (&["--since", "2126-01-01"], 0),
        (&["--account", &account], 1),
        (&["--account", "nobody-here"], 0),
    ] {
        assert_eq!(records.list(arguments).len(), count, "{arguments:?}");
    }
    let done = records.run("sessions", &["--since", "soon"]);
    assert!(done.status == Some(2) && done.err.contains("--since soon: expected a time"), "{done:?}");
}
