//! The process that passes output on: what it is, and what its end means.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Shell, await_text, is_root, line, perl};

/// A shell whose command has said something and waits.
fn waiting(stderr: Stdio) -> (Shell, Child) {
    let mut shell = Shell::new(line(&[perl("$| = 1; print qq(ready\n); sleep 1000")]));
    let mut child = shell.command.stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
    await_text(child.stdout.as_mut().unwrap(), "ready");
    (shell, child)
}

fn status(pid: i32, name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    text.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
}

/// The relays of a shell: its children that have a filter, and are not the command.
fn relays(shell: u32) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{shell}/task")).unwrap().flatten();
    let lists: String = threads.map(|thread| fs::read_to_string(thread.path().join("children")).unwrap()).collect();
    let children = lists.split_whitespace().map(|pid| pid.parse().unwrap());
    let is = |pid: i32, name: &str, value: &str| status(pid, name).as_deref() == Some(value);
    children.filter(|pid| is(*pid, "Seccomp:", "2") && !is(*pid, "Name:", "perl")).collect()
}

fn await_end(pid: i32) {
    let end = Instant::now() + Duration::from_secs(20);
    while status(pid, "State:").is_some_and(|state| !state.starts_with('Z')) {
        assert!(Instant::now() < end, "the relay does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn it_has_nothing_but_its_streams_and_no_way_to_more() {
    if !is_root() {
        return;
    }
    let (_shell, mut child) = waiting(Stdio::piped());
    let relay = relays(child.id())[0];
    for (name, value) in [("NoNewPrivs:", "1"), ("Seccomp:", "2"), ("CapEff:", "0000000000000000"), ("CapBnd:", "0000000000000000")] {
        assert_eq!(status(relay, name).as_deref(), Some(value), "{name}");
    }
    // Its socket, the two targets, and the reading ends of the two pipes.
    let open = fs::read_dir(format!("/proc/{relay}/fd")).unwrap().map(|entry| fs::metadata(entry.unwrap().path()).unwrap().file_type());
    let kinds: Vec<_> = open.map(|kind| (kind.is_socket(), kind.is_fifo())).collect();
    assert_eq!((kinds.iter().filter(|kind| kind.0).count(), kinds.iter().filter(|kind| kind.1).count(), kinds.len()), (1, 4, 5));
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
    child.wait().unwrap();
}

#[test]
fn if_it_dies_the_line_ends_as_when_the_client_has_gone() {
    let (shell, mut child) = waiting(Stdio::null());
    kill(Pid::from_raw(relays(child.id())[0]), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    let report = shell.report();
    assert_eq!((report.status, report.ended.as_deref()), (129, Some("Hangup")));
    assert_eq!(report.notices, ["the process that passes output on has ended"]);
    assert_eq!(report.stages, [["signal 1"]]);
}

#[test]
fn signals_that_end_other_processes_do_not_end_it() {
    let (shell, mut child) = waiting(Stdio::null());
    let relay = Pid::from_raw(relays(child.id())[0]);
    for signal in Signal::iterator().filter(|signal| ![Signal::SIGKILL, Signal::SIGSTOP].contains(signal)) {
        kill(relay, signal).unwrap();
    }
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
    child.wait().unwrap();
    assert_eq!((shell.report().ended.as_deref(), shell.report().notices.len()), (Some("Terminated"), 0));
}

/// The signal at its parent's death does not come from within a Landlock scope; the end of its socket does.
#[test]
fn it_ends_with_the_shell_however_that_ends() {
    let (_shell, mut child) = waiting(Stdio::null());
    let relay = relays(child.id())[0];
    child.kill().unwrap();
    child.wait().unwrap();
    await_end(relay);
}

#[test]
fn one_that_does_not_answer_does_not_hold_the_shell_up() {
    let (shell, mut child) = waiting(Stdio::null());
    let relay = Pid::from_raw(relays(child.id())[0]);
    kill(relay, Signal::SIGSTOP).unwrap();
    let start = Instant::now();
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
    child.wait().unwrap();
    assert!(start.elapsed() < Duration::from_secs(60));
    assert_eq!(shell.report().notices, ["the process that passes output on does not answer"]);
    // The kernel may have let it go on: it goes on to its end.
    let _ = kill(relay, Signal::SIGKILL);
}

#[test]
fn what_passes_nothing_on_needs_none() {
    for (stdout, stderr, expected) in [(false, false, 0), (true, false, 1), (false, true, 1), (true, true, 1)] {
        let stream = |piped: bool| if piped { Stdio::piped() } else { Stdio::null() };
        let scratch = crate::harness::Scratch::new();
        let command = perl("print qq(ready\n); close STDOUT; sleep 1000").into(&scratch.path("out"));
        let mut shell = Shell::new(line(&[command]));
        let mut child = shell.command.stdout(stream(stdout)).stderr(stream(stderr)).spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        while fs::read_to_string(scratch.path("out")).unwrap_or_default() != "ready\n" {
            assert!(Instant::now() < end);
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(relays(child.id()).len(), expected, "output {stdout}, error {stderr}");
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
        child.wait().unwrap();
    }
}
