//! The shell killed at every step: nothing of it goes on, and what is on record is whole.

use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use super::host::{Alive, SHELL, host, take_records};

#[test]
fn killed_at_any_moment_it_leaves_no_process_and_no_broken_record() {
    let Some(host) = host() else { return };
    let mut begun = 0;
    // Past the end of a slow start, in steps that are shorter than any of its parts.
    for step in 0..120 {
        let mut command = host.attack(&[], SHELL, &["-c", "sleep 60"]);
        let mut shell = Alive::start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
        sleep(Duration::from_micros(500 * step));
        shell.0.kill().unwrap();
        shell.0.wait().unwrap();
        host.await_nobody();
        let records = take_records();
        begun += usize::from(records.iter().any(|record| record["event"] == "command.start"));
        assert!(!records.iter().any(|record| record["event"] == "command.end"), "{records:?}");
    }
    assert!(begun > 0, "the last ones were killed while the command ran");
}
