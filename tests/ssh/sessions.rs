//! Whole sessions, over a real sshd and with a real rsyslogd: every way in, what comes out of it, and what is on record.

use std::process::Command;

use super::evidence::{FIRST_FIELDS, Session, central_sessions, only_session, outcome_in_open_session, sessions};
use super::host::{Account, Host, QUIET, host};
use super::process::{Finished, Running, run};
use super::sandbox::await_that;
use serde_json::{Value, json};

/// A line, the exit status of a session that runs it alone, and what is decided.
const LINES: [(&str, i32, &str); 12] = [
    ("echo hello", 0, "allow"),
    ("echo 'two words' \"and $\" \\;", 0, "allow"),
    ("echo one | cat && false", 1, "allow"),
    ("false || true; perl -e 'exit 42'", 42, "allow"),
    ("perl -e 'kill KILL => $$'", 137, "allow"),
    ("perl -e 'kill TERM => $$'", 143, "allow"),
    ("no-such-program operand", 127, "allow"),
    ("systemctl restart sshd", 126, "deny"),
    ("cat /etc/shadow", 126, "deny"),
    ("true; id", 126, "deny"),
    ("echo $(id)", 2, "invalid"),
    ("echo 'open", 2, "invalid"),
];

/// How a person may have a line run; whether the session is interactive, and so ends with a status of its own.
type WayIn = (&'static str, bool, fn(&Host, &Account, &str) -> Finished);

const WAYS_IN: [WayIn; 9] = [
    ("login on a terminal", true, |host, account, line| {
        let mut ssh = Running::start(&mut host.guarded.ssh(account, &["-tt"]));
        ssh.expect_prompt();
        ssh.send(&format!("{line}\r"));
        await_that(|| "an outcome on record", || outcome_in_open_session(account));
        ssh.expect_prompt();
        ssh.send("exit\r");
        ssh.finish()
    }),
    ("login without a terminal", true, |host, account, line| run(&mut host.guarded.ssh(account, &["-T"]), format!("{line}\n").as_bytes())),
    ("forced command", false, |host, account, line| host.guarded.line(account, line)),
    ("forced command on a terminal", false, |host, account, line| run(host.guarded.ssh(account, &["-tt"]).arg(line), b"")),
    ("ssh -c, no forced command", false, |host, account, line| host.bare.line(account, line)),
    ("ssh -c on a terminal, no forced command", false, |host, account, line| run(host.bare.ssh(account, &["-tt"]).arg(line), b"")),
    ("su -c", false, |_, account, line| run(Command::new("su").args(["-", &account.name, "-c", line]), b"")),
    ("the shell itself", false, |host, account, line| run(account.command(&host.shell).args(["-c", line]), b"")),
    ("the shell itself, forced", false, |host, account, line| {
        run(account.command(&host.shell).args(["-c", "posternsh --forced"]).env("SSH_ORIGINAL_COMMAND", line), b"")
    }),
];

/// What is on record of a line, without what must differ from one session to the next.
fn essence(session: &Session) -> Vec<Value> {
    let commands = session.records().into_iter().filter(|record| record["event"].as_str().unwrap().starts_with("command."));
    commands.filter(|record| record["line"] != "exit").map(without_circumstances).collect()
}

fn without_circumstances(record: Value) -> Value {
    let Value::Object(mut fields) = record else { panic!("a record is an object: {record}") };
    for field in ["session", "seq", "time", "from", "tty", "duration_ms", "bytes_out", "bytes_err", "recording"] {
        fields.remove(field);
    }
    for stage in fields.get_mut("stages").and_then(Value::as_array_mut).into_iter().flatten() {
        stage.as_object_mut().unwrap().remove("pid");
    }
    Value::Object(fields)
}

#[test]
fn a_line_has_the_same_decision_and_record_on_each_way_in() {
    let Some(host) = host() else { return };
    let account = Account::new("ways", &host.shell);
    let mut seen = Vec::new();
    for (line, status, decision) in LINES {
        let mut first: Option<Vec<Value>> = None;
        for (way, interactive, go) in WAYS_IN {
            let finished = go(host, &account, line);
            if !interactive {
                assert_eq!(finished.status, status, "{line:?} by {way}: {}{}", finished.out(), finished.err());
            }
            let fresh = sessions(&account, seen.len() + 1).into_iter().find(|session| !seen.contains(&session.id)).unwrap();
            let essence = essence(&fresh);
            assert_eq!(essence[0]["decision"], decision, "{line:?} by {way}: {essence:#?}");
            assert_eq!(essence[0]["line"], line, "by {way}");
            assert_eq!(first.get_or_insert_with(|| essence.clone()), &essence, "{line:?} by {way}");
            seen.push(fresh.id);
        }
    }
}

#[test]
fn streams_are_byte_exact_and_apart_without_a_terminal() {
    let Some(host) = host() else { return };
    let account = Account::new("bytes", &host.shell);
    let every_byte: Vec<u8> = (0..=255).collect();
    let input = every_byte.repeat(16 << 10);

    let finished = run(host.guarded.ssh(&account, &["-T"]).arg("cat | cat"), &input);
    assert_eq!((finished.status, finished.err().as_str()), (0, ""));
    assert!(finished.out == input, "4 MiB through two processes came back as {} other bytes", finished.out.len());

    let code = r"binmode $_ for *STDOUT, *STDERR; print pack 'C*', 0..255; print STDERR pack 'C*', reverse 0..255; exit 7";
    let finished = host.guarded.line(&account, &format!("perl -e \"{}\"", code.replace('$', "\\$")));
    let reversed: Vec<u8> = (0..=255).rev().collect();
    assert_eq!((finished.status, finished.out, finished.err), (7, every_byte, reversed));
}

#[test]
fn a_refusal_is_on_standard_error_and_carries_no_raw_bytes() {
    let Some(host) = host() else { return };
    let account = Account::new("refusals", &host.shell);
    for line in ["id", "cat /etc/shadow", "echo \u{202e}x", "no \u{1b}[2J rule", "\u{1b}]0;title\u{7}"] {
        let finished = host.guarded.line(&account, line);
        assert!([2, 126].contains(&finished.status), "{line:?} gave {}", finished.status);
        assert_eq!(finished.out(), "", "{line:?}");
        assert!(finished.err().starts_with("posternsh: "), "{line:?}: {}", finished.err());
        assert!(!finished.err().contains(['\u{1b}', '\u{7}', '\u{202e}']), "{line:?}: {:?}", finished.err());
    }
}

#[test]
fn the_commands_of_a_login_without_a_terminal_share_its_input() {
    let Some(host) = host() else { return };
    let account = Account::new("reader", &host.shell);
    let finished = run(&mut host.guarded.ssh(&account, &["-T"]), b"echo first\ncat\nthis is\nfor cat\n");
    assert_eq!((finished.status, finished.out().as_str(), finished.err().as_str()), (0, "first\nthis is\nfor cat\n", ""));
    let lines: Vec<Value> = only_session(&account).events("command.start").into_iter().map(|record| record["line"].clone()).collect();
    assert_eq!(lines, ["echo first", "cat"]);
}

#[test]
fn rsyslog_has_every_record_of_the_session_in_order_with_its_fields() {
    let Some(host) = host() else { return };
    let account = Account::new("records", &host.shell);
    // Long, and with every kind of byte that a relay may mangle: `#`, `%`, quotes, non-ASCII.
    let long = format!("echo '#011 %n \" \\ é€😀 {}'", "x".repeat(3500));
    for line in ["echo hello", "systemctl restart sshd", "echo $(id)", &long] {
        host.guarded.line(&account, line);
    }

    let local = sessions(&account, 4);
    assert_eq!(central_sessions(&account, 4), local, "rsyslogd's file and the audit directory tell the same");
    for session in &local {
        in_sequence(session);
    }
    let [hello, refused, invalid, _] = &local[..] else { panic!("four sessions, got {}", local.len()) };
    assert_eq!(hello.events("session.start")[0]["install"], "root");
    let start = &hello.events("command.start")[0];
    assert_eq!((&start["line"], &start["decision"], &start["command"]), (&json!("echo hello"), &json!("allow"), &json!(1)));
    assert_eq!(start["stages"][0]["argv"], json!(["echo", "hello"]));
    assert_eq!(start["stages"][0]["program"], "/usr/bin/echo");
    assert_eq!(start["stages"][0]["rule"], "policy.yaml:5");
    let end = &hello.events("command.end")[0];
    assert_eq!((&end["bytes_out"], &end["bytes_err"]), (&json!(6), &json!(0)));
    assert_eq!(end["stages"][0]["status"], json!({ "exit": 0 }));
    assert!(end["stages"][0]["pid"].is_u64() && end["duration_ms"].is_u64(), "{end}");
    assert_eq!(refused.events("command.deny")[0]["decision"], "deny");
    assert_eq!(invalid.events("command.deny")[0]["decision"], "invalid");
    assert!(hello.records().iter().all(|record| record["from"] == "127.0.0.1" && record["host"].is_string()));
}

/// The fields in front, sequence numbers without a gap, ASCII, and no record above 2 KiB.
fn in_sequence(session: &Session) {
    for (index, (line, record)) in session.lines.iter().zip(session.records()).enumerate() {
        assert_eq!(record["seq"], index + 1, "{line}");
        assert!(line.is_ascii() && line.len() <= 2048, "{} bytes: {line}", line.len());
        let places: Vec<Option<usize>> = FIRST_FIELDS.iter().map(|field| line.find(&format!("\"{field}\":"))).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?} in {line}");
    }
    let events = session.records();
    assert_eq!(events.first().map(|record| &record["event"]), Some(&json!("session.start")));
    assert_eq!(events.last().map(|record| &record["event"]), Some(&json!("session.end")));
}

#[test]
fn a_login_on_a_terminal_is_greeted_and_remembers_the_last_status() {
    let Some(host) = host() else { return };
    let account = Account::new("greeted", &host.shell);
    let mut ssh = Running::start(&mut host.guarded.ssh(&account, &["-tt"]));
    ssh.expect("This session is recorded.");
    ssh.expect("greeted@");
    ssh.expect_prompt();
    ssh.send("echo typed | cat\r");
    ssh.expect("\ntyped");
    ssh.expect_prompt();
    ssh.send("id\r");
    ssh.expect("[126]> ");
    ssh.expect_prompt();
    ssh.send("exit\r");
    ssh.finish();
    let session = only_session(&account);
    assert!(session.records()[0]["tty"].as_str().is_some_and(|tty| tty.starts_with("pts/")), "{}", session.lines[0]);
    assert_eq!(session.events("session.end")[0]["denied"], 1);
}

#[test]
fn a_command_without_a_login_prints_nothing_of_its_own() {
    let Some(host) = host() else { return };
    let account = Account::new("silent", &host.shell);
    for options in ["-T", "-tt"] {
        let finished = run(host.guarded.ssh(&account, &[options]).arg("true"), b"");
        assert_eq!((finished.status, finished.out().as_str(), finished.err().as_str()), (0, "", ""), "{options}");
    }
}

#[test]
fn nothing_is_left_when_the_client_goes_away() {
    let Some(host) = host() else { return };
    let account = Account::new("leaver", &host.shell);
    let line = format!("tail -f {QUIET} | cat");
    for (ways, options) in ["-T", "-tt"].into_iter().enumerate() {
        let mut ssh = Running::start(host.guarded.ssh(&account, &[options]).arg(&line));
        ssh.expect("quiet");
        assert!(account.processes().iter().any(|process| process.contains("tail")), "{options}: it runs");
        ssh.kill();
        await_that(|| format!("the end of {:?} ({options})", account.processes()), || account.processes().is_empty());
        let session = sessions(&account, ways + 1).pop().unwrap();
        assert_eq!(session.events("command.end")[0]["reason"], "hangup", "{options}: {:#?}", session.records());
    }
}

#[test]
fn without_posternsh_a_quiet_command_outlives_its_client() {
    let Some(host) = host() else { return };
    let account = Account::new("outlived", "/bin/sh".as_ref());
    let mut ssh = Running::start(host.bare.ssh(&account, &["-T"]).arg(format!("tail -f {QUIET}")));
    ssh.expect("quiet");
    ssh.kill();
    // The end of sshd's session is certain once no sshd of the account is left; the command is still there then.
    let sshds = || run(Command::new("pgrep").args(["-u", "outlived", "sshd"]), b"").out();
    await_that(|| "the end of sshd's session", || sshds().is_empty());
    assert!(account.processes().iter().any(|process| process.contains("tail")), "{:?}", account.processes());
}
