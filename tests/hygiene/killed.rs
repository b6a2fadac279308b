//! The shell killed at every step: nothing of it goes on, and what is on record is whole.

use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::host::{Alive, Host, SHELL, host, take_records};
use super::sandbox::await_that;

/// Kills a shell when `wait` is over; whether its command had begun, by its records.
fn killed(host: &Host, wait: impl FnOnce()) -> bool {
    let mut command = host.attack(&[], SHELL, &["-c", "sleep 60"]);
    let mut shell = Alive::start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
    wait();
    shell.0.kill().unwrap();
    shell.0.wait().unwrap();
    host.await_nobody();
    let records = take_records();
    assert!(!records.iter().any(|record| record["event"] == "command.end"), "{records:?}");
    records.iter().any(|record| record["event"] == "command.start")
}

#[test]
fn killed_at_any_moment_it_leaves_no_process_and_no_broken_record() {
    let Some(host) = host() else { return };
    let command_runs = || host.processes().iter().any(|process| process.contains("sleep\u{0}60"));
    let start = Instant::now();
    assert!(killed(&host, || await_that(|| "sleep to run", command_runs)), "what runs is on record");
    // As long as a start takes here and now, and some more, in steps that are shorter than its parts.
    let whole = start.elapsed().clamp(Duration::from_millis(60), Duration::from_secs(1));
    for step in 0..120 {
        killed(&host, || sleep(whole * step / 100));
    }
}
