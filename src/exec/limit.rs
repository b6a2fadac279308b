//! The bounds of a rule's `limits`: what the kernel is told of them, what the shell itself looks after, and how it shows that one was
//! reached.
//!
//! Processor time and memory are what the command and all that it started use together. No limit of one process is that, so the shell
//! looks at them in intervals, and ends the command with a word why; limits of the kernel's own stand behind, for a process that is too
//! fast for that. Open files and the size of a file are the kernel's, per process. Processes are counted by the supervisor (`confine`).

use std::fs;
use std::time::Duration;

use nix::sys::resource::Resource;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::sweep;
use crate::policy::confinement::Limits;
use crate::sys::process::Limit;

/// How often what a command uses is looked at.
pub(super) const INTERVAL: Duration = Duration::from_millis(20);
/// How many times its memory one process may ask for between two looks, and at least how much more.
const MEMORY_TIMES: u64 = 4;
const MEMORY_MORE: u64 = 256 << 20;
/// How many seconds longer than all of its time one process may run, which the kernel counts in whole ones.
const CPU_MORE: u64 = 1;

/// A bound that a command reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// Processor time of all processes together, in milliseconds.
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
    // Its signal comes at the soft limit; who lives on with that is killed a second later.
    let seconds = limits.cpu.map(|ms| ms.div_ceil(1000).saturating_add(CPU_MORE));
    let cpu = seconds.map(|soft| Limit { resource: Resource::RLIMIT_CPU, soft, hard: soft.saturating_add(1) });
    let more = |bytes: u64| bytes.saturating_mul(MEMORY_TIMES).max(bytes.saturating_add(MEMORY_MORE));
    let memory = limits.memory.map(|bytes| hard(Resource::RLIMIT_DATA, more(bytes)));
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

/// Whether something of what a command uses has to be looked at.
pub(super) fn is_looked_at(limits: &Limits) -> bool {
    limits.cpu.is_some() || limits.memory.is_some()
}

/// What processes use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Milliseconds of processor time, that of children that have ended among it.
    cpu: u64,
    /// Bytes of memory of their own, or shared without a file.
    memory: u64,
}

impl Usage {
    /// Of processes and all that came of them.
    pub fn of(roots: impl IntoIterator<Item = Pid>) -> Usage {
        let mut usage = Usage::default();
        for pid in sweep::with_descendants(roots.into_iter().map(Pid::as_raw)) {
            let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
            usage.cpu = usage.cpu.saturating_add(processor_time(&read("stat")));
            usage.memory = usage.memory.saturating_add(resident(&read("status")));
        }
        usage
    }

    /// The bound that it is over.
    pub fn over(self, limits: &Limits) -> Option<Reached> {
        let cpu = limits.cpu.filter(|limit| self.cpu > *limit).map(Reached::Cpu);
        cpu.or(limits.memory.filter(|limit| self.memory > *limit).map(Reached::Memory))
    }
}

/// `utime`, `stime`, `cutime` and `cstime` of /proc/PID/stat (proc_pid_stat(5)), in milliseconds.
fn processor_time(stat: &str) -> u64 {
    // Hundredths of a second on every architecture that Linux still has (USER_HZ).
    const TICK: u64 = 10;
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(4).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>().saturating_mul(TICK)
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
        assert_eq!(processor_time("7 (a) b) S 1 2 3 4 5 6 7 8 9 10 100 20 3 4 0 0"), 1270);
        assert_eq!(processor_time(""), 0);
        let usage = Usage::of([nix::unistd::getpid()]);
        assert!(usage.memory > 100_000);
        assert_eq!(usage.over(&Limits::default()), None);
        assert_eq!(usage.over(&Limits { memory: Some(1000), ..Limits::default() }), Some(Reached::Memory(1000)));
    }

    #[test]
    fn a_signal_is_a_limit_only_where_there_is_one() {
        let limits = Limits { cpu: Some(1500), ..Limits::default() };
        assert_eq!(reached(&limits, Signal::SIGXCPU as i32), Some(Reached::Cpu(1500)));
        assert_eq!(reached(&limits, Signal::SIGXFSZ as i32), None);
        assert_eq!(reached(&limits, Signal::SIGKILL as i32), None);
    }
}
