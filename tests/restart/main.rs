//! `policies/special/restart.yaml` on a real systemd: what it lets through, and what it does not.
//!
//! The account is root here, so that a rule's `as: root` is nobody else; that the shell becomes root for an account that is not is the
//! business of the tests of its installs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod machine;
#[path = "../support/pty.rs"]
#[allow(dead_code)]
mod pty;

use machine::Machine;
use pty::Terminal;

#[test]
fn a_unit_is_restarted_when_a_person_says_so_and_its_state_is_on_record() {
    let Some(machine) = Machine::boot() else { return };
    restarts(&machine);
    reloads_and_keeps_the_process(&machine);
    a_unit_that_fails_shows_in_its_record(&machine);
    nothing_else_is_let_through(&machine);
    looks_at_it_by_the_parts_that_read(&machine);
}

/// A session of a person who asks for something and gives an answer; what the terminal showed behind it, and the exit status.
fn asked(machine: &Machine, line: &str, question: &str, answer: &str) -> (i32, String) {
    let mut terminal = Terminal::start(machine.shell(&["-c", line]));
    terminal.expect(question);
    terminal.line(answer);
    terminal.end()
}

fn restarts(machine: &Machine) {
    let before = machine.property("nginx", "MainPID");
    let question = "posternsh: systemctl restart nginx changes this host; type nginx to go on: ";
    let (status, shown) = asked(machine, "systemctl restart nginx", question, "haproxy");
    assert_eq!((status, machine.property("nginx", "MainPID")), (126, before.clone()), "{shown}");

    let (status, shown) = asked(machine, "systemctl restart nginx", question, "nginx");
    let after = machine.property("nginx", "MainPID");
    assert_eq!(status, 0, "{shown}");
    assert_ne!(before, after);

    let (start, end) = (&machine.events("command.start")[0]["stages"][0], &machine.events("command.end")[0]["stages"][0]);
    let state = |pid: &str| format!("MainPID={pid}\nNRestarts=0\nId=nginx.service\nActiveState=active\nSubState=running");
    assert_eq!((start["before"].as_str().unwrap(), end["after"].as_str().unwrap()), (state(&before).as_str(), state(&after).as_str()));
    assert_eq!((&start["confirmed"], &start["as"], &start["confine"]), (&true.into(), &"root".into(), &"systemd".into()));
}

fn reloads_and_keeps_the_process(machine: &Machine) {
    let before = machine.property("nginx", "MainPID");
    let question = "type nginx.service to go on: ";
    let (status, shown) = asked(machine, "systemctl reload nginx.service", question, "nginx.service");
    assert_eq!((status, machine.property("nginx", "MainPID")), (0, before), "{shown}");
}

fn a_unit_that_fails_shows_in_its_record(machine: &Machine) {
    let (status, shown) = asked(machine, "systemctl restart haproxy", "type haproxy to go on: ", "haproxy");
    assert_eq!(status, 1, "{shown}");
    let ends = machine.events("command.end");
    let after = ends.iter().map(|end| &end["stages"][0]).find(|stage| stage["argv"][2] == "haproxy").unwrap()["after"].to_string();
    assert!(after.contains("ActiveState=failed"), "{after}");
}

fn nothing_else_is_let_through(machine: &Machine) {
    let before = machine.property("nginx", "MainPID");
    for line in [
        "systemctl restart nginx",
        "systemctl stop nginx",
        "systemctl kill nginx",
        "systemctl restart systemd-journald",
        "systemctl restart 'nginx*'",
        "systemctl restart nginx haproxy",
        "systemctl --root=/ restart nginx",
        "systemctl restart --signal=KILL nginx",
        "systemctl edit nginx",
        "systemctl daemon-reexec",
        "systemctl poweroff",
    ] {
        let output = machine.shell(&["-c", line]).stdin(std::process::Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(126), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(machine.property("nginx", "MainPID"), before);
    // The control: these words do stop it when nobody asks the policy.
    let output = machine.run(["systemctl", "restart", "nginx"]);
    assert!(output.status.success() && machine.property("nginx", "MainPID") != before, "{output:?}");
}

fn looks_at_it_by_the_parts_that_read(machine: &Machine) {
    for (line, shows) in
        [("systemctl status nginx --no-pager", "Active: active (running)"), ("journalctl -u nginx -n 50 --no-pager", "serving")]
    {
        let output = machine.shell(&["-c", line]).stdin(std::process::Stdio::null()).output().unwrap();
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(shown.contains(shows), "{line}: {shown}{}", String::from_utf8_lossy(&output.stderr));
    }
}
