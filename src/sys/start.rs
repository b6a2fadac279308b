//! The first thing that a process with lent privilege does: it takes nothing over from whoever started it but what is meant to be taken over.
//!
//! A set-user-ID program is started *by* the person that it is to be safe from, and exec(2) hands on far more than arguments. The C library
//! cleans little of it (`AT_SECURE`: the loader's variables, closed standard descriptors), the kernel some (POSIX timers, the death signal,
//! what of personality(2) weakens the layout of memory). Here everything is set that the person could have set, rather than looked at,
//! because what is set needs no judgement. What stays: the directory, which may be deleted or unreadable; niceness and scheduling, which
//! slow the person's own session; the terminal and the process group, which are the person's.
//!
//! Closed standard descriptors are opened the wrong way round, as the C library does: standard input for writing, the others for reading.
//! Whoever reads or writes gets EBADF as from a closed one, where /dev/null opened the right way would swallow what is printed and call it
//! success. And no file that is opened later can get such a number and be printed into.
//!
//! Limits: the shell's own are raised, where privilege allows, or a person with `ulimit -f 0` would cut the records short. Commands get those
//! that the login had ([`Inherited::limits_with`]).

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::process::Limit;
use super::{descriptor, raw, signal};

/// Bytes of the kernel's signal set (rt_sigaction(2)).
const SET_BYTES: usize = 8;
/// Signals of the kernel, all of them.
const SIGNALS: std::ops::RangeInclusive<usize> = 1..=64;
/// What Linux starts with, in nanoseconds: time(7).
const TIMER_SLACK: u64 = 50_000;
/// `makedev(1, 3)`: null(4).
const NULL_DEVICE: u64 = 0x103;
/// See the top of `super::process`: with 0, a `core_pattern` that names a program would get the core of a command all the same.
const CORE: u64 = 1;
const UNLIMITED: u64 = libc::RLIM_INFINITY;
const MIB: u64 = 1 << 20;

/// What of a limit the shell wants, and with how little of it there is no session.
struct Wanted {
    resource: Resource,
    enough: u64,
    least: u64,
}

const fn wanted(resource: Resource, enough: u64, least: u64) -> Wanted {
    Wanted { resource, enough, least }
}

/// Memory first: what follows may need some.
const WANTED: [Wanted; 11] = [
    wanted(Resource::RLIMIT_AS, UNLIMITED, 256 * MIB),
    wanted(Resource::RLIMIT_DATA, UNLIMITED, 64 * MIB),
    // Not unlimited, which means another layout of memory to every program that is started.
    wanted(Resource::RLIMIT_STACK, 8 * MIB, MIB),
    wanted(Resource::RLIMIT_NOFILE, 4096, 128),
    // One session's records, and a recording.
    wanted(Resource::RLIMIT_FSIZE, UNLIMITED, 64 * MIB),
    wanted(Resource::RLIMIT_CPU, UNLIMITED, 60),
    // How many there are already counts, so no number is certainly too small. A process that cannot be made is an error later.
    wanted(Resource::RLIMIT_NPROC, UNLIMITED, 0),
    wanted(Resource::RLIMIT_SIGPENDING, 1024, 0),
    wanted(Resource::RLIMIT_RTTIME, UNLIMITED, 0),
    wanted(Resource::RLIMIT_MEMLOCK, 64 << 10, 0),
    wanted(Resource::RLIMIT_MSGQUEUE, 64 << 10, 0),
];

/// What was taken over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inherited {
    environment: BTreeMap<OsString, OsString>,
    limits: Vec<Limit>,
}

impl Inherited {
    /// The value of a variable that was to be kept, if it was there.
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        self.environment.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// The limits that the login had where the shell has others now.
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }

    /// What a command is to have: its own limits, each at most what the login had, and the login's for what it has none for.
    pub fn limits_with(&self, own: Vec<Limit>) -> Vec<Limit> {
        let login = |resource| self.limits.iter().find(move |limit| limit.resource == resource);
        let within = |limit: Limit| {
            let Some(login) = login(limit.resource) else { return limit };
            Limit { soft: limit.soft.min(login.soft), hard: limit.hard.min(login.hard), ..limit }
        };
        let bounded: Vec<Limit> = own.into_iter().map(within).collect();
        let others = self.limits.iter().filter(|limit| bounded.iter().all(|own| own.resource != limit.resource)).copied();
        bounded.iter().copied().chain(others).collect()
    }
}

/// What was being put right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Threads,
    Timers,
    Signals,
    Limits,
    Descriptors,
    Memory,
    Personality,
    TimerSlack,
    DeathSignal,
    Environment,
}

impl Display for Part {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Threads => "threads cannot be counted",
            Part::Timers => "timers cannot be stopped",
            Part::Signals => "signals cannot be reset",
            Part::Limits => "resource limits cannot be read",
            Part::Descriptors => "descriptors cannot be put in order",
            Part::Memory => "memory cannot be protected",
            Part::Personality => "the personality cannot be reset",
            Part::TimerSlack => "the timer slack cannot be reset",
            Part::DeathSignal => "the death signal cannot be reset",
            Part::Environment => "the environment cannot be emptied",
        })
    }
}

/// What cannot be made good; there is to be no session then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    #[error("{part}: {}", .reason.desc())]
    Part { part: Part, reason: Errno },
    #[error("this process has {0} threads at its start")]
    Threads(u64),
    #[error("/dev/null is not the null device")]
    Null,
    #[error("{resource:?} is {soft} here, and the shell needs {least}: raise it for this login")]
    Limit { resource: Resource, soft: u64, least: u64 },
}

/// Undoes whatever whoever started this process has set, and tells what of it is of use: the variables named in `keep`, of which the first
/// counts where there are several. They alone are left in the environment.
///
/// For the very beginning of `main`, of a process with one thread that has opened nothing: every descriptor from 3 on is closed.
///
/// # Errors
/// Something cannot be put right: the caller is to end this process.
pub fn cleanse(keep: &[&str]) -> Result<Inherited, StartError> {
    alone()?;
    stop_timers().map_err(at(Part::Timers))?;
    reset_signals().map_err(at(Part::Signals))?;
    // SAFETY: umask takes a number and cannot fail.
    unsafe { libc::umask(0o077) };
    let limits = raise_limits()?;
    order_descriptors()?;
    prctl::set_dumpable(false).map_err(at(Part::Memory))?;
    reset_personality().map_err(at(Part::Personality))?;
    // With a slack of hours no deadline of the shell's would ever be over. 0 would mean that of whoever forked this process.
    prctl::set_timerslack(TIMER_SLACK).map_err(at(Part::TimerSlack))?;
    prctl::set_pdeathsig(None).map_err(at(Part::DeathSignal))?;
    spare_from_memory_pressure();
    let environment = empty_environment(keep).map_err(at(Part::Environment))?;
    Ok(Inherited { environment, limits })
}

fn at(part: Part) -> impl Fn(Errno) -> StartError {
    move |reason| StartError::Part { part, reason }
}

fn alone() -> Result<(), StartError> {
    let unknown = |error: std::io::Error| at(Part::Threads)(error.raw_os_error().map_or(Errno::EIO, Errno::from_raw));
    match threads().map_err(unknown)? {
        1 => Ok(()),
        threads => Err(StartError::Threads(threads)),
    }
}

/// How many threads this process has. A directory of /proc has a link for itself, one from above, and one from each directory in it.
pub(super) fn threads() -> std::io::Result<u64> {
    Ok(fs::metadata("/proc/self/task")?.nlink().saturating_sub(2))
}

/// Real time (which alarm(2) shares), processor time of this process, and that with the kernel's: an exec keeps all three.
fn stop_timers() -> nix::Result<()> {
    for timer in [libc::ITIMER_REAL, libc::ITIMER_VIRTUAL, libc::ITIMER_PROF] {
        let off = [0_i64; 4];
        // SAFETY: the value is a `struct itimerval`, four 64-bit numbers on 64-bit machines, and outlives the call.
        unsafe { raw::call(libc::SYS_setitimer, [timer as usize, off.as_ptr() as usize, 0, 0, 0]) }.map_err(Errno::from_raw)?;
    }
    Ok(())
}

/// Every disposition the default, nothing pending, nothing blocked; but a closed pipe is an error and no signal, as Rust's runtime has it.
///
/// To ignore a signal throws away what of it is pending, which would otherwise come once it is no longer blocked.
fn reset_signals() -> nix::Result<()> {
    for signal in SIGNALS {
        match set_disposition(signal, libc::SIG_IGN) {
            // KILL and STOP, which nobody can have changed.
            Err(Errno::EINVAL) => {}
            result => result?,
        }
    }
    // SAFETY: the dispositions are those of a process that has just begun: the one handler, of Rust's runtime for a stack that is full, would
    // only say so before the same end.
    unsafe { signal::reset_dispositions() };
    set_disposition(libc::SIGPIPE as usize, libc::SIG_IGN)?;
    signal::set_mask(0);
    Ok(())
}

fn set_disposition(signal: usize, handler: usize) -> nix::Result<()> {
    // The kernel's sigaction: handler, flags, restorer, mask.
    let action = [handler, 0, 0, 0];
    // SAFETY: no function is installed, and the action outlives the call.
    unsafe { raw::call(libc::SYS_rt_sigaction, [signal, action.as_ptr() as usize, 0, SET_BYTES, 0]) }.map(drop).map_err(Errno::from_raw)
}

/// Returns what was there where that is no longer so. Nothing is allocated before all are raised.
fn raise_limits() -> Result<Vec<Limit>, StartError> {
    let mut before = [None; WANTED.len()];
    for (before, wanted) in before.iter_mut().zip(&WANTED) {
        *before = wanted.raise()?;
    }
    let (_, hard) = getrlimit(Resource::RLIMIT_CORE).map_err(at(Part::Limits))?;
    if setrlimit(Resource::RLIMIT_CORE, CORE, CORE).is_err() {
        let core = hard.min(CORE);
        setrlimit(Resource::RLIMIT_CORE, core, core).map_err(at(Part::Limits))?;
    }
    Ok(before.into_iter().flatten().collect())
}

impl Wanted {
    /// The limit as it was, if this changes it.
    fn raise(&self) -> Result<Option<Limit>, StartError> {
        let Wanted { resource, enough, least } = *self;
        let (soft, hard) = getrlimit(resource).map_err(at(Part::Limits))?;
        if soft >= enough {
            return Ok(None);
        }
        if setrlimit(resource, enough, hard.max(enough)).is_err() {
            // Without the privilege for more, as far as one may.
            let _ = setrlimit(resource, enough.min(hard), hard);
        }
        let (now, _) = getrlimit(resource).map_err(at(Part::Limits))?;
        if now < least {
            return Err(StartError::Limit { resource, soft: now, least });
        }
        Ok((now != soft).then_some(Limit { resource, soft, hard }))
    }
}

fn order_descriptors() -> Result<(), StartError> {
    // SAFETY: at the beginning of a process nobody owns any of them; the caller of `cleanse` vouches for that.
    unsafe { descriptor::close_from(3) }.map_err(Errno::from_raw).map_err(at(Part::Descriptors))?;
    for (standard, wrong_way) in [(0, libc::O_WRONLY), (1, libc::O_RDONLY), (2, libc::O_RDONLY)] {
        // SAFETY: asks about a number.
        if Errno::result(unsafe { libc::fcntl(standard, libc::F_GETFD) }) == Err(Errno::EBADF) {
            open_null(standard, wrong_way)?;
        } else if is_way(standard) {
            // SAFETY: takes numbers; the copy that it makes room for is opened at once.
            unsafe { libc::close(standard) };
            open_null(standard, wrong_way)?;
        }
    }
    Ok(())
}

/// Whether a descriptor leads to a directory, or was opened for nothing but to lead somewhere (`O_PATH`), which takes no right to read: through
/// /dev/stdin, a command could go by either where its own mounts do not.
fn is_way(standard: i32) -> bool {
    // SAFETY: asks about a number.
    let flags = unsafe { libc::fcntl(standard, libc::F_GETFL) };
    // SAFETY: all zeros is a valid `stat`.
    let mut found: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: fills a `stat` that outlives the call. One that cannot be asked is none to be handed on.
    let is_unknown = unsafe { libc::fstat(standard, &raw mut found) } != 0 || flags < 0;
    is_unknown || flags & libc::O_PATH != 0 || found.st_mode & libc::S_IFMT == libc::S_IFDIR
}

/// Opens the null device as this descriptor, below which all are open: the kernel gives the lowest that is free.
fn open_null(standard: i32, access: i32) -> Result<(), StartError> {
    let flags = access | libc::O_NOCTTY | libc::O_NOFOLLOW;
    // SAFETY: the path is a constant; the new descriptor stays open for the life of the process.
    let opened = Errno::result(unsafe { libc::open(c"/dev/null".as_ptr(), flags) }).map_err(at(Part::Descriptors))?;
    // SAFETY: all zeros is a valid `stat`.
    let mut found: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: fills a `stat` that outlives the call.
    Errno::result(unsafe { libc::fstat(opened, &mut found) }).map_err(at(Part::Descriptors))?;
    let is_null = found.st_mode & libc::S_IFMT == libc::S_IFCHR && found.st_rdev == NULL_DEVICE;
    if is_null && opened == standard { Ok(()) } else { Err(StartError::Null) }
}

/// Takes off what an exec of a set-user-ID file leaves: another machine's name in uname(2), an old kernel's version, odd timeouts.
fn reset_personality() -> nix::Result<()> {
    // SAFETY: takes a number; 0 is PER_LINUX without flags.
    Errno::result(unsafe { libc::personality(0) }).map(drop)
}

/// Whoever wants the shell dead when memory is short, before its own commands, has raised its score. Only privilege may open the file of a
/// process that is not dumpable, and a start does not fail for that.
fn spare_from_memory_pressure() {
    const SCORE: &str = "/proc/self/oom_score_adj";
    let raised = fs::read_to_string(SCORE).is_ok_and(|score| score.trim().parse().is_ok_and(|score: i32| score > 0));
    if raised {
        let _ = fs::write(SCORE, "0");
    }
}

/// Empties the environment but for these, and returns them.
fn empty_environment(keep: &[&str]) -> nix::Result<BTreeMap<OsString, OsString>> {
    let mut kept = BTreeMap::new();
    for (name, value) in std::env::vars_os().filter(|(name, _)| keep.iter().any(|kept| name == kept)) {
        kept.entry(name).or_insert(value);
    }
    // SAFETY: one thread, as `alone` found, so that nobody reads the environment meanwhile.
    Errno::result(unsafe { libc::clearenv() })?;
    for (name, value) in &kept {
        let text = |text: &OsStr| CString::new(text.as_bytes()).map_err(|_| Errno::EINVAL);
        let (name, value) = (text(name)?, text(value)?);
        // SAFETY: as above; the C library copies both strings.
        Errno::result(unsafe { libc::setenv(name.as_ptr(), value.as_ptr(), 1) })?;
    }
    Ok(kept)
}

#[cfg(test)]
mod tests;
