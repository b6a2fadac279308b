//! Signals, timers, umask, directory, arguments, terminal, and what else belongs to a process and not to its program.

use std::fs;
use std::process::Stdio;

use nix::pty::openpty;

use super::host::{Alive, POLICY, SHELL, host, take_records};
use super::process::{Running, run};
use super::sandbox::await_that;

#[test]
fn what_a_process_inherits_changes_nothing() {
    let Some(host) = host() else { return };
    let id = format!("{}\n", host.uid);
    for (attacks, reaches) in [
        (&["ignore"][..], "SigIgn:\tfffffff"),
        (&["block"], "SigBlk:\tfffffff"),
        (&["block", "send"], "ShdPnd:\tfffffff"),
        (&["ignore", "timers:1000"], "timers 3\n"),
        (&["block", "timers:1000"], "timers 3\n"),
        (&["alarm:1"], "timers 1\n"),
        (&["umask:0"], "umask 0000\n"),
        (&["umask:777"], "umask 0777\n"),
        (&["old_kernel"], "personality 20000\n"),
        (&["slack:2000000000"], "slack 2000000000\n"),
        (&["death_signal"], ""),
        (&["oom"], ""),
        (&["setsid"], ""),
    ] {
        let found = host.victim(attacks, true);
        assert!(found.contains(reaches), "the attack works: {attacks:?}: {found}");
        host.started(attacks, "id -u").works(&id);
    }
}

#[test]
fn a_directory_that_is_gone_or_closed_stops_at_most_its_command() {
    let Some(host) = host() else { return };
    for (attack, reaches) in
        [("directory:deleted", "directory none\n"), ("directory:unreadable", "directory /run/postern-test/canary/here-")]
    {
        let found = host.victim(&[attack], true);
        assert!(found.contains(reaches), "the attack works: {attack}: {found}");
        let started = host.started(&[attack], "id -u");
        match started.status {
            0 => started.works(&format!("{}\n", host.uid)),
            _ => {
                assert!(started.status == 125 && started.out.is_empty() && started.err.starts_with("posternsh: "), "{started:?}");
                assert!(started.has("session.end"), "{started:?}");
            }
        }
    }
}

/// Where the shell comes back to from the host's mounts is no business of the directory's it was started in.
#[test]
fn a_directory_that_is_closed_keeps_no_policy_in_force() {
    let Some(host) = host() else { return };
    for attack in ["directory:deleted", "directory:unreadable"] {
        for attacks in [&[][..], &[attack]] {
            let mut session = Running::start(&mut host.attack(attacks, SHELL, &[]));
            session.send("cd /\necho before\necho once\n");
            session.expect("once\n");
            host.apply(&POLICY.replace("  - echo <words:text>...\n", ""));
            session.send("echo after\nid -u\nexit\n");
            let started = host.finished(session.finish());
            host.apply(POLICY);
            assert_eq!(started.out, format!("before\nonce\n{}\n", host.uid), "{attacks:?}: {started:?}");
            assert!(started.has("policy.change") && started.has("command.deny"), "{attacks:?}: {started:?}");
        }
    }
}

/// Real timers, whose signal ends the process, may end it before it begins; but not in the middle.
#[test]
fn timers_of_a_millisecond_end_it_before_it_begins_or_never() {
    let Some(host) = host() else { return };
    for _ in 0..20 {
        let started = host.started(&["timers:1000"], "id -u");
        match started.status {
            0 => started.works(&format!("{}\n", host.uid)),
            _ => started.fails_closed(),
        }
    }
    // An alarm that would come while the command runs.
    let started = host.started(&["alarm:1"], "sleep 2");
    started.works("");
}

#[test]
fn a_command_has_its_signals_whatever_the_caller_did_to_them() {
    let Some(host) = host() else { return };
    let started = host.started(&["ignore", "block"], "cat /proc/self/status");
    started.works(&started.out);
    for field in ["SigBlk:\t0000000000000000\n", "SigIgn:\t0000000000000000\n", "Umask:\t0077\n"] {
        assert!(started.out.contains(field), "{field}: {}", started.out);
    }
}

#[test]
fn without_arguments_it_is_a_session_and_with_too_many_a_refusal() {
    let Some(host) = host() else { return };
    assert!(host.victim(&["arguments:100000"], true).contains("arguments 100001\n"), "the attack works");
    let started = host.finished(run(&mut host.attack(&["noarguments"], SHELL, &[]), b"id -u\n"));
    started.works(&format!("{}\n", host.uid));
    let started = host.finished(run(&mut host.attack(&["arguments:100000"], SHELL, &["-c", "id -u"]), b""));
    started.refuses("");
}

#[test]
fn a_terminal_of_somebody_else_is_not_taken() {
    let Some(host) = host() else { return };
    let pty = openpty(None, None).unwrap();
    let mut command = host.attack(&["setsid"], SHELL, &["-c", "sleep 20"]);
    // No group of its own: its leader cannot make a session.
    let shell = command.stdin(Stdio::from(pty.slave.try_clone().unwrap())).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let shell = Alive(shell);
    await_that(|| "sleep to run", || host.processes().iter().any(|process| process.contains("sleep\u{0}20")));
    let stat = fs::read_to_string(format!("/proc/{}/stat", shell.0.id())).unwrap();
    // Behind the name: state, parent, group, session, terminal.
    let terminal = stat.rsplit(") ").next().unwrap().split(' ').nth(4).unwrap().to_owned();
    assert_eq!(terminal, "0", "{stat}");
    drop(shell);
    host.await_nobody();
    take_records();
}
