//! The bounds of a rule's `limits`: what the kernel is told of them, what the shell itself looks after, and how it shows that one was
//! reached.
//!
//! Processor time, open files and the size of a file are limits of the kernel's own, per process; the first and the last end a process by
//! a signal of their own. Memory is what the command and all that it started hold together, which no limit of one process is, so the
//! shell looks at it in intervals; a limit of the kernel's behind it stops a process that grows faster. Processes are counted by the
//! supervisor (`confine`).

use std::fs;
use std::time::Duration;

use nix::sys::resource::Resource;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::sweep;
use crate::policy::confinement::Limits;
use crate::sys::process::Limit;

/// How often memory is looked at.
pub(super) const INTERVAL: Duration = Duration::from_millis(50);
/// How much more than all of its memory one process is let to ask for between two looks.
const HEADROOM: u64 = 2;

/// A bound that a command reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// Processor time of one process, in milliseconds.
    Cpu(u64),
    /// Bytes of memory, of all processes together.
    Memory(u64),
    /// Processes at a time.
    Processes(u64),
    /// Bytes of one file that was written.
    FileSize(u64),
}

/// What the kernel is told.
pub(super) fn resources(limits: &Limits) -> Vec<Limit> {
    let hard = |resource, value: u64| Limit { resource, soft: value, hard: value };
    // The signal comes at the soft limit of processor time, in whole seconds; who lives on with it is killed a second later.
    let cpu = limits.cpu.map(|ms| ms.div_ceil(1000)).map(|s| Limit { resource: Resource::RLIMIT_CPU, soft: s, hard: s.saturating_add(1) });
    let memory = limits.memory.map(|bytes| hard(Resource::RLIMIT_DATA, bytes.saturating_mul(HEADROOM)));
    let files = limits.files.map(|count| hard(Resource::RLIMIT_NOFILE, count));
    let file_size = limits.file_size.map(|bytes| hard(Resource::RLIMIT_FSIZE, bytes));
    [cpu, memory, files, file_size].into_iter().flatten().collect()
}

/// The bound that a signal is the end of, if it is of one of the limits.
pub(super) fn reached(limits: &Limits, signal: i32) -> Option<Reached> {
    match Signal::try_from(signal) {
        Ok(Signal::SIGXCPU) => limits.cpu.map(Reached::Cpu),
        Ok(Signal::SIGXFSZ) => limits.file_size.map(Reached::FileSize),
        _ => None,
    }
}

/// Bytes of memory that processes and all that came of them hold: of their own, and shared without a file.
pub(super) fn memory(roots: impl IntoIterator<Item = Pid>) -> u64 {
    let own = |pid: i32| fs::read_to_string(format!("/proc/{pid}/status")).map_or(0, |status| resident(&status));
    sweep::with_descendants(roots.into_iter().map(Pid::as_raw)).into_iter().map(own).sum()
}

/// `RssAnon` and `RssShmem` of /proc/PID/status (proc_pid_status(5); kernel 4.5), in bytes.
fn resident(status: &str) -> u64 {
    let kilobytes = |line: &str| line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok());
    let lines = status.lines().filter(|line| line.starts_with("RssAnon:") || line.starts_with("RssShmem:"));
    lines.filter_map(kilobytes).sum::<u64>().saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_holds_is_read_from_its_status() {
        assert_eq!(resident("Name:\tx\nRssAnon:\t      12 kB\nRssFile:\t 900 kB\nRssShmem:\t       3 kB\n"), 15 * 1024);
        assert_eq!(resident("garbage"), 0);
        assert!(memory([nix::unistd::getpid()]) > 100_000);
    }

    #[test]
    fn a_signal_is_a_limit_only_where_there_is_one() {
        let limits = Limits { cpu: Some(1500), ..Limits::default() };
        assert_eq!(reached(&limits, Signal::SIGXCPU as i32), Some(Reached::Cpu(1500)));
        assert_eq!(reached(&limits, Signal::SIGXFSZ as i32), None);
        assert_eq!(reached(&limits, Signal::SIGKILL as i32), None);
    }
}
