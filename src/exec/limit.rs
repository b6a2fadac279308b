//! The bounds of a rule's `limits`: what the kernel is told of them, what the shell itself looks after, and how it shows that one was
//! reached.
//!
//! Processor time and memory are what the command and all that it started use together. No limit of one process is that, so the shell
//! looks at them in intervals, and ends the command with a word why; limits of the kernel's own stand behind, for a process that is too
//! fast for that. Open files and the size of a file are the kernel's, per process. Processes are counted by the supervisor (`confine`) if the
//! rule bounds them; else the kernel counts those of the user, against a command that would take all numbers of the host.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::resource::{Resource, UsageWho, getrusage};
use nix::sys::signal::Signal;
use nix::sys::time::{TimeVal, TimeValLike};
use nix::unistd::Pid;

use crate::policy::confinement::Limits;
use crate::sys::children::children;
use crate::sys::process::Limit;
use crate::words::limits::PROCESSES;

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

/// What the kernel is told; of a command whose processes the supervisor does not count, how many its user may have, too.
pub(super) fn resources(limits: &Limits, counted: bool) -> Vec<Limit> {
    let hard = |resource, value: u64| Limit { resource, soft: value, hard: value };
    // Its signal comes at the soft limit; who lives on with that is killed a second later.
    let seconds = limits.cpu.map(|ms| ms.div_ceil(1000).saturating_add(CPU_MORE));
    let cpu = seconds.map(|soft| Limit { resource: Resource::RLIMIT_CPU, soft, hard: soft.saturating_add(1) });
    let more = |bytes: u64| bytes.saturating_mul(MEMORY_TIMES).max(bytes.saturating_add(MEMORY_MORE));
    let memory = limits.memory.map(|bytes| hard(Resource::RLIMIT_DATA, more(bytes)));
    let files = limits.files.map(|count| hard(Resource::RLIMIT_NOFILE, count));
    let file_size = limits.file_size.map(|bytes| hard(Resource::RLIMIT_FSIZE, bytes));
    let processes = (!counted).then(|| hard(Resource::RLIMIT_NPROC, PROCESSES));
    [cpu, memory, files, file_size, processes].into_iter().flatten().collect()
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

/// What a stage uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Milliseconds of processor time, that of processes that have ended among it.
    cpu: u64,
    /// Bytes of memory of their own, or shared without a file.
    memory: u64,
}

impl Usage {
    /// The bound that it is over.
    pub fn over(self, limits: &Limits) -> Option<Reached> {
        let cpu = limits.cpu.filter(|limit| self.cpu > *limit).map(Reached::Cpu);
        cpu.or(limits.memory.filter(|limit| self.memory > *limit).map(Reached::Memory))
    }
}

/// Measures what the stages of a pipeline use, look by look.
///
/// Processor time is the greater of two sums, of which neither counts anything twice, and it never falls. What the kernel has added up: the
/// time of those alive, of the children that each has waited for, and of those that the shell has reaped; that misses children that nobody
/// waits for (`SIGCHLD` ignored). And the most that was seen of each process that ever was; that misses what happens between two looks.
/// So a command that starts both kinds can get twice its limit, and processes that nobody waits for, and that live for less than an
/// interval, cost nothing: `processes` and `timeout` bound those.
pub(super) struct Meter {
    /// What the shell has reaped before, in milliseconds.
    before: u64,
    looks: u64,
    accounts: Vec<Account>,
}

/// What was seen of one stage, in milliseconds.
#[derive(Default)]
struct Account {
    /// Of each process, with the number of the look.
    seen: BTreeMap<Life, (u64, u64)>,
    /// Of those that were not seen for a while.
    gone: u64,
    /// Of the first process and all that it waited for.
    first: u64,
    most: u64,
}

/// A number and a time of start: numbers are given again.
type Life = (i32, u64);

struct Process {
    life: Life,
    /// Milliseconds of processor time: its own, and of children that it has waited for.
    own: u64,
    waited: u64,
    memory: u64,
}

impl Meter {
    pub fn new() -> Meter {
        Meter { before: reaped(), looks: 0, accounts: Vec::new() }
    }

    /// What each stage uses, by its first process as long as that lives. What has lost its parent counts for every stage: whose it was
    /// cannot be told any more.
    pub fn look(&mut self, stages: &[Option<Pid>], orphans: &[Pid]) -> Vec<Usage> {
        // Before all else: who is reaped in the meantime is missed and not counted twice.
        let reaped = reaped().saturating_sub(self.before);
        self.looks += 1;
        self.accounts.resize_with(stages.len(), Account::default);
        let trees: Vec<Vec<Process>> = stages.iter().map(|first| below(first.iter().copied())).collect();
        let orphans = below(orphans.iter().copied());
        for (account, tree) in self.accounts.iter_mut().zip(&trees) {
            let first = tree.first().map_or(0, |process| process.own + process.waited);
            account.first = account.first.max(first);
        }
        let ended = |(account, first): (&Account, &Option<Pid>)| if first.is_none() { account.first } else { 0 };
        let all_ended: u64 = self.accounts.iter().zip(stages).map(ended).sum();
        let mut used = Vec::new();
        for ((account, tree), first) in self.accounts.iter_mut().zip(&trees).zip(stages) {
            let others = all_ended - ended((account, first));
            let processes = || tree.iter().chain(&orphans);
            let alive: u64 = processes().map(|process| process.own + process.waited).sum();
            let cpu = account.note(self.looks, processes()).max(alive + reaped.saturating_sub(others));
            account.most = account.most.max(cpu);
            used.push(Usage { cpu: account.most, memory: processes().map(|process| process.memory).sum() });
        }
        used
    }
}

impl Account {
    /// How many looks a process is remembered that is not seen: one that is given to another parent can be missed once.
    const REMEMBERED: u64 = 5;

    /// The time of all that were ever seen.
    fn note<'a>(&mut self, look: u64, processes: impl Iterator<Item = &'a Process>) -> u64 {
        for process in processes {
            let (own, seen) = self.seen.entry(process.life).or_default();
            (*own, *seen) = ((*own).max(process.own), look);
        }
        let gone = &mut self.gone;
        self.seen.retain(|_, (own, seen)| {
            let stays = look - *seen < Account::REMEMBERED;
            *gone += if stays { 0 } else { *own };
            stays
        });
        self.gone + self.seen.values().map(|(own, _)| own).sum::<u64>()
    }
}

/// Milliseconds of processor time of all children that this process has reaped.
fn reaped() -> u64 {
    let milliseconds = |time: TimeVal| u64::try_from(time.num_milliseconds()).unwrap_or(0);
    getrusage(UsageWho::RUSAGE_CHILDREN).map_or(0, |usage| milliseconds(usage.user_time()) + milliseconds(usage.system_time()))
}

/// Processes and all that is below them. Each is read before its children are listed, so that none is read that its parent has counted.
fn below(roots: impl Iterator<Item = Pid>) -> Vec<Process> {
    let mut next: Vec<i32> = roots.map(Pid::as_raw).collect();
    let mut met: BTreeSet<i32> = next.iter().copied().collect();
    let mut found = Vec::new();
    while let Some(pid) = next.pop() {
        let Some(process) = process(pid) else { continue };
        found.push(process);
        next.extend(children(pid).unwrap_or_default().into_iter().filter(|child| met.insert(*child)));
    }
    found
}

fn process(pid: i32) -> Option<Process> {
    let (start, own, waited) = times(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
    Some(Process { life: (pid, start), own, waited, memory: memory(pid) })
}

/// From /proc/PID/stat (proc_pid_stat(5)): `starttime` as it is, `utime` + `stime` and `cutime` + `cstime` in milliseconds.
fn times(stat: &str) -> Option<(u64, u64, u64)> {
    // Hundredths of a second on every architecture that Linux still has (USER_HZ).
    const TICK: u64 = 10;
    let fields: Vec<u64> = stat.rsplit(')').next()?.split_whitespace().skip(11).map(|field| field.parse().unwrap_or(0)).collect();
    let sum = |fields: Option<&[u64]>| fields.map(|fields| fields.iter().sum::<u64>().saturating_mul(TICK));
    Some((*fields.get(8)?, sum(fields.get(..2))?, sum(fields.get(2..4))?))
}

/// Bytes; of a process whose first thread has ended, another one says it.
fn memory(pid: i32) -> u64 {
    let read = |path: PathBuf| resident(&fs::read_to_string(path.join("status")).ok()?);
    let threads = || fs::read_dir(format!("/proc/{pid}/task")).ok().into_iter().flatten().flatten();
    read(format!("/proc/{pid}").into()).or_else(|| threads().find_map(|thread| read(thread.path()))).unwrap_or(0)
}

/// `RssAnon` and `RssShmem` of /proc/PID/status (proc_pid_status(5); kernel 4.5), in bytes. `None` of what has ended.
fn resident(status: &str) -> Option<u64> {
    let kilobytes = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse::<u64>().ok());
    Some(kilobytes("RssAnon:")?.saturating_add(kilobytes("RssShmem:").unwrap_or(0)).saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_holds_is_read_from_its_status() {
        assert_eq!(resident("Name:\tx\nRssAnon:\t      12 kB\nRssFile:\t 900 kB\nRssShmem:\t       3 kB\n"), Some(15 * 1024));
        assert_eq!(resident("garbage"), None);
        assert_eq!(times("7 (a) b) S 1 2 3 4 5 6 7 8 9 10 100 20 3 4 20 0 1 0 777 0"), Some((777, 1200, 70)));
        assert_eq!(times(""), None);
        let usage = Meter::new().look(&[Some(nix::unistd::getpid())], &[])[0];
        assert!(usage.memory > 100_000);
        assert_eq!(usage.over(&Limits::default()), None);
        assert_eq!(usage.over(&Limits { memory: Some(1000), ..Limits::default() }), Some(Reached::Memory(1000)));
    }

    #[test]
    fn what_was_used_stays_used() {
        let process = |pid, own| Process { life: (pid, 1), own, waited: 0, memory: 0 };
        let mut account = Account::default();
        let mut sums = Vec::new();
        for (look, alive) in (1..).zip([vec![(7, 10), (8, 20)], vec![(7, 30)], vec![], vec![(8, 10), (9, 5)], vec![(8, 40)]]) {
            let alive: Vec<Process> = alive.into_iter().map(|(pid, own)| process(pid, own)).collect();
            sums.push(account.note(look, alive.iter()));
        }
        assert_eq!(sums, [30, 50, 50, 55, 75]);
        assert_eq!(account.note(100, [].iter()), 75);
        assert!(account.seen.is_empty());
    }

    #[test]
    fn processes_are_bounded_where_nobody_counts_them() {
        let of = |processes, counted| {
            let told = resources(&Limits { processes, ..Limits::default() }, counted);
            told.iter().find(|limit| limit.resource == Resource::RLIMIT_NPROC).map(|limit| limit.hard)
        };
        assert_eq!((of(None, false), of(None, true), of(Some(9), false), of(Some(9), true)), (Some(4096), None, Some(4096), None));
    }

    #[test]
    fn a_signal_is_a_limit_only_where_there_is_one() {
        let limits = Limits { cpu: Some(1500), ..Limits::default() };
        assert_eq!(reached(&limits, Signal::SIGXCPU as i32), Some(Reached::Cpu(1500)));
        assert_eq!(reached(&limits, Signal::SIGXFSZ as i32), None);
        assert_eq!(reached(&limits, Signal::SIGKILL as i32), None);
    }
}
