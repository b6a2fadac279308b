//! `postern watch`.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::pty::Terminal;
use super::support::{Records, until};

#[test]
fn a_session_is_watched_from_its_last_command_to_its_end_and_that_is_on_record() {
    let records = Records::new();
    let open = records.open();
    let id = open.id.clone();
    records.record(&id, &[json!([0, "m", "1 x"]), json!([0, "o", "before\r\n"]), json!([1, "m", "2 y"]), json!([1, "o", "now\r\n"])]);
    let mut terminal = Terminal::start(records.tool("watch", &["last"]));
    assert!(!terminal.expect("now").contains("before"));
    records.grow(&id, &json!([2, "o", "live\u{1b}]0;title\u{7} text\r\n"]));
    terminal.expect("live text");
    let watched = |seconds: bool| {
        let own = records.ids().into_iter().find(|own| *own != id).unwrap();
        let record = records.of(&own).pop().unwrap();
        assert_eq!((&record["event"], &record["watched"]), (&"session.watch".into(), &id.clone().into()));
        assert!(record["by"].is_string() && record.get("duration_ms").is_some() == seconds, "{record}");
    };
    watched(false);
    assert_eq!(records.list(&["--open"]).len(), 2, "who watches is listed, too");
    assert_eq!(open.end().0, Some(0));
    terminal.expect(&format!("session {id} is over"));
    assert_eq!(terminal.end().0, 0);
    watched(true);
    let done = records.run("watch", &[&id]);
    assert!(done.status == Some(3) && done.err.contains(&format!("`postern replay {id}` shows it")), "{done:?}");
}

#[test]
fn who_has_seen_enough_leaves_with_q_or_ctrl_c_and_has_the_terminal_back() {
    let records = Records::new();
    let open = records.open();
    records.record(&open.id, &[json!([1, "o", "now\r\n"])]);
    for key in ["q", "\x03"] {
        let mut terminal = Terminal::start(records.tool("watch", &[&open.id]));
        terminal.expect("now");
        terminal.send(key);
        terminal.expect("goes on");
        assert_eq!(terminal.end().0, 0);
    }
    open.end();
}

#[test]
fn without_a_record_nobody_watches() {
    if !Path::new("/run/postern-test").exists() {
        return postern_skips("that nobody watches without a record: not in tests/sandbox");
    }
    let records = Records::new();
    let open = records.open();
    records.record(&open.id, &[json!([1, "o", "secret\r\n"])]);
    let mount = |arguments: &[&str]| assert!(Command::new("mount").args(arguments).arg(records.directory()).status().unwrap().success());
    mount(&["--bind", records.directory().to_str().unwrap()]);
    mount(&["-o", "remount,bind,ro"]);
    let socket = Path::new("/dev/log").exists();
    let done = records.run("watch", &[&open.id]);
    Command::new("umount").arg(records.directory()).status().unwrap();
    if socket {
        return postern_skips("that nobody watches without a record: syslog takes it");
    }
    assert!(done.status == Some(3) && done.out.is_empty() && done.err.contains("without a record nobody watches"), "{done:?}");
    until("the end", || records.list(&["--open"]).len() == 1);
    open.end();
}

/// Says loudly that a test did not run; `tests/run` counts these lines.
fn postern_skips(why: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr().lock(), "SKIPPED: {why}");
}
