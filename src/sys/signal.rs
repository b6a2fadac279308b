//! Signals to the shell: noted by a handler in one place, so that none is lost on the way from a prompt to a running line and back. While
//! a line runs, the handler also wakes its event loop through a pipe; [`super::prompt`] has the handlers of a prompt.
//!
//! Handlers rather than a signalfd: a signalfd sees only what every thread of the process has blocked, and a `SIGCHLD` that any
//! one of them does not block is thrown away; that would make the loop depend on code that it does not know.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction};
use nix::unistd::{Pid, alarm, pipe2, read};

use super::raw;

/// What is noted while a line runs, in the order in which it counts. An alarm is that of a prompt, and means nothing to a line.
const NOTED: [Signal; 7] =
    [Signal::SIGCHLD, Signal::SIGHUP, Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTSTP, Signal::SIGALRM];
/// What is for the session where no line took it.
const HANDED_BACK: [Signal; 3] = [Signal::SIGHUP, Signal::SIGTERM, Signal::SIGINT];
/// What would stop this process for taking the terminal back. Not blocked: it would come when the line is over.
const IGNORED: [Signal; 2] = [Signal::SIGTTOU, Signal::SIGTTIN];
/// Bytes of the kernel's signal set (rt_sigprocmask(2)).
const SET_BYTES: usize = 8;

/// Signals that arrived and were not taken yet.
static ARRIVED: AtomicU64 = AtomicU64::new(0);
/// The descriptor to write to; -1 for none.
static WAKE: AtomicI32 = AtomicI32::new(-1);

/// A set of signals, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrived(u64);

impl Arrived {
    pub fn contains(self, signal: Signal) -> bool {
        self.0 & bit(signal as i32) != 0
    }
}

fn bit(signal: libc::c_int) -> u64 {
    1 << signal
}

/// Notes a signal. Async-signal-safe.
pub(super) fn arrive(signal: libc::c_int) {
    ARRIVED.fetch_or(bit(signal), Ordering::SeqCst);
}

/// Takes all that has arrived since the last time.
pub(super) fn take_arrived() -> Arrived {
    Arrived(ARRIVED.swap(0, Ordering::SeqCst))
}

/// Whether there is anything to take.
pub(super) fn has_arrived() -> bool {
    ARRIVED.load(Ordering::SeqCst) != 0
}

/// Forgets that a signal has arrived.
pub(super) fn forget(signal: Signal) {
    ARRIVED.fetch_and(!bit(signal as i32), Ordering::SeqCst);
}

extern "C" fn note(signal: libc::c_int) {
    arrive(signal);
    // SAFETY: write(2) is async-signal-safe, the byte lives, and errno is put back for whoever was interrupted. A full pipe is awake.
    unsafe {
        let errno = *libc::__errno_location();
        libc::write(WAKE.load(Ordering::SeqCst), [0_u8].as_ptr().cast(), 1);
        *libc::__errno_location() = errno;
    }
}

/// The pipe that wakes the loop, opened before anything runs.
pub struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Pipe {
    pub fn new() -> io::Result<Pipe> {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        Ok(Pipe { reader, writer })
    }
}

/// As long as this lives, the signals of a running line are noted and do nothing else. One at a time in a process. What arrived before and
/// was not taken is the line's; what it leaves is for whoever comes next.
pub struct Watch {
    pipe: Pipe,
    before: Vec<(Signal, SigAction)>,
    mask: Option<SigSet>,
}

impl Watch {
    pub fn new(pipe: Pipe) -> Watch {
        WAKE.store(pipe.writer.as_raw_fd(), Ordering::SeqCst);
        let action = SigAction::new(SigHandler::Handler(note), SaFlags::SA_RESTART, SigSet::empty());
        // SAFETY: the handler is async-signal-safe.
        let install = |signal| unsafe { sigaction(signal, &action) }.ok().map(|before| (signal, before));
        let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
        // SAFETY: nothing runs.
        let silence = |signal| unsafe { sigaction(signal, &ignore) }.ok().map(|before| (signal, before));
        let before = NOTED.into_iter().filter_map(install).chain(IGNORED.into_iter().filter_map(silence)).collect();
        // What a prompt would still repeat, the line takes.
        alarm::cancel();
        let mut mask = SigSet::thread_get_mask().unwrap_or_else(|_| SigSet::empty());
        NOTED.into_iter().chain(IGNORED).for_each(|signal| mask.remove(signal));
        Watch { pipe, before, mask: mask.thread_swap_mask(SigmaskHow::SIG_SETMASK).ok() }
    }

    /// Takes what has arrived since the last time, in the order in which it counts.
    pub fn take(&self) -> Vec<Signal> {
        let mut bytes = [0; 64];
        while read(&self.pipe.reader, &mut bytes).is_ok_and(|count| count > 0) {}
        let arrived = take_arrived();
        NOTED.into_iter().filter(|signal| arrived.contains(*signal)).collect()
    }
}

impl AsFd for Watch {
    /// Readable when there is something to [`Watch::take`].
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.reader.as_fd()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for (signal, before) in &self.before {
            // SAFETY: what was there before.
            let _ = unsafe { sigaction(*signal, before) };
        }
        WAKE.store(-1, Ordering::SeqCst);
        NOTED.into_iter().filter(|signal| !HANDED_BACK.contains(signal)).for_each(forget);
        if let Some(mask) = &self.mask {
            let _ = mask.thread_set_mask();
        }
    }
}

/// Blocks every signal in the calling thread, also those that the C library keeps for itself, and returns what was blocked before.
pub(super) fn block_all() -> u64 {
    set_mask(u64::MAX)
}

/// Sets the calling thread's signal mask, one bit a signal, and returns the one before. Async-signal-safe.
pub(super) fn set_mask(mask: u64) -> u64 {
    let mut before = 0_u64;
    let (new, old) = (std::ptr::from_ref(&mask) as usize, std::ptr::from_mut(&mut before) as usize);
    // SAFETY: both are sets of SET_BYTES bytes. The call cannot fail with them.
    let _ = unsafe { raw::call(libc::SYS_rt_sigprocmask, [libc::SIG_SETMASK as usize, new, old, SET_BYTES, 0]) };
    before
}

/// Sets every signal's disposition to the default. Async-signal-safe.
///
/// # Safety
/// Only for a child with dispositions of its own: handlers of this process are gone afterwards.
pub(super) unsafe fn reset_dispositions() {
    // The kernel's sigaction on both architectures: handler, flags, restorer, mask.
    let default = [0_usize; 4];
    for signal in 1..=64 {
        // SAFETY: SIG_DFL with no flags. KILL and STOP are refused, which is right.
        let _ = unsafe { raw::call(libc::SYS_rt_sigaction, [signal, default.as_ptr() as usize, 0, SET_BYTES, 0]) };
    }
}

/// Signals a process group; by number, because real-time signals have no names.
pub fn send_to_group(group: Pid, signal: i32) -> nix::Result<()> {
    // To -1 it would be a signal to everybody.
    if group.as_raw() <= 1 {
        return Err(Errno::EPERM);
    }
    // SAFETY: takes numbers.
    Errno::result(unsafe { libc::killpg(group.as_raw(), signal) }).map(drop)
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::raise;

    use super::*;

    #[test]
    fn a_line_finds_what_came_before_it_and_leaves_what_it_did_not_take() {
        arrive(libc::SIGTERM);
        let watch = Watch::new(Pipe::new().unwrap());
        assert!(watch.take().contains(&Signal::SIGTERM));
        assert!(!watch.take().contains(&Signal::SIGTERM));
        // Behind its last command; what is for a command only is for none now.
        raise(Signal::SIGHUP).unwrap();
        raise(Signal::SIGQUIT).unwrap();
        drop(watch);
        let left = take_arrived();
        assert!(left.contains(Signal::SIGHUP) && !left.contains(Signal::SIGQUIT), "{left:?}");
    }
}
