//! The leader of a session with a terminal: what the processes of a pipeline are started by.
//!
//! The keys of a terminal signal a process group of the session that it controls, and a session is only ever inherited. So that all of a
//! pipeline are in one, that is not the shell's, one process has to start them all, and to outlive them: with the leader of a session its
//! terminal goes. It does nothing else, and costs little: it shares the memory and the descriptors of the shell (`CLONE_VM`, `CLONE_FILES`),
//! and what it starts are the shell's own children (`CLONE_PARENT`). It makes system calls only, on a stack of its own, with every signal blocked.

use std::ffi::c_void;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFlags, PollTimeout};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};

use super::process::{STOPPED_AFTER, Stack};
use super::step::{SpawnError, Step};
use super::{descriptor, packet, raw, sealed, signal};
use crate::words::limits;

/// What a process begins with: as clone(3) has it.
pub(super) type Main = extern "C" fn(*mut c_void) -> i32;

/// A session that has begun. It ends with this, and its foreground group is then told so (SIGHUP).
#[derive(Debug)]
pub struct Leader {
    pid: Pid,
    orders: OwnedFd,
    /// In use by the process as long as it lives.
    office: Option<Box<Office>>,
    /// The process may still be on its stack, and in its office: see [`Leader::drop`].
    stack: Option<Stack>,
}

/// What the two have in common.
#[derive(Debug)]
struct Office {
    terminal: i32,
    orders: OwnedFd,
    parent: i32,
    /// What the next process begins with.
    main: Main,
    stack: AtomicPtr<c_void>,
    argument: AtomicPtr<c_void>,
    /// Its number, or a negative errno.
    born: AtomicI32,
    /// How the beginning went: the step, and its errno or 0.
    step: AtomicUsize,
    errno: AtomicI32,
}

impl Leader {
    /// Begins a session with this terminal, which nobody has for a controlling one. Everything that it starts begins with `main`.
    pub(super) fn start(terminal: BorrowedFd<'_>, main: Main) -> Result<Leader, SpawnError> {
        let failed = |reason| SpawnError { step: Step::Leader, reason };
        let (ours, theirs) = packet::pair().map_err(failed)?;
        let office = Box::new(Office {
            terminal: terminal.as_raw_fd(),
            orders: theirs,
            parent: getpid().as_raw(),
            main,
            stack: AtomicPtr::new(ptr::null_mut()),
            argument: AtomicPtr::new(ptr::null_mut()),
            born: AtomicI32::new(0),
            step: AtomicUsize::new(0),
            errno: AtomicI32::new(0),
        });
        let stack = Stack::new().map_err(|error| failed(error.raw_os_error().map_or(Errno::ENOMEM, Errno::from_raw)))?;
        let mask = signal::block_all();
        let argument = ptr::from_ref(&*office).cast_mut().cast();
        // No exit signal: it is no child that wait(2) speaks of, as those of `super::sealed`.
        // SAFETY: `lead` runs on its own stack and keeps to the top of the file. Stack and office live as long as the process, or for ever.
        let pid = unsafe { libc::clone(lead, stack.top(), libc::CLONE_VM | libc::CLONE_FILES, argument) };
        let pid = Errno::result(pid).map(Pid::from_raw);
        signal::set_mask(mask);
        let pid = pid.map_err(failed)?;
        sealed::adopt(pid);
        let leader = Leader { pid, orders: ours, office: Some(office), stack: Some(stack) };
        leader.answer().map_err(failed)?;
        let (step, errno) =
            leader.office.as_ref().map_or((0, 0), |office| (office.step.load(Ordering::Acquire), office.errno.load(Ordering::Acquire)));
        match errno {
            0 => Ok(leader),
            errno => {
                let step = Step::ALL.get(step).copied().unwrap_or(Step::Leader);
                Err(SpawnError { step, reason: Errno::from_raw(errno) })
            }
        }
    }

    /// The number of the session's terminal.
    pub(super) fn terminal(&self) -> i32 {
        self.office.as_ref().map_or(-1, |office| office.terminal)
    }

    /// Starts a process in the session, in this memory, on a stack whose top is given: a child of the caller's.
    ///
    /// # Safety
    /// As for clone(2) with `CLONE_VM`: stack and argument must live until the child has left this memory.
    pub(super) unsafe fn clone(&self, stack: *mut c_void, argument: *mut c_void) -> nix::Result<Pid> {
        let office = self.office.as_ref().ok_or(Errno::ESRCH)?;
        office.stack.store(stack, Ordering::Release);
        office.argument.store(argument, Ordering::Release);
        descriptor::send_now(self.orders.as_fd(), &[0]).map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
        self.answer()?;
        match office.born.load(Ordering::Acquire) {
            pid @ 1.. => Ok(Pid::from_raw(pid)),
            errno => Err(Errno::from_raw(-errno)),
        }
    }

    /// Waits until it has done what it was asked.
    fn answer(&self) -> nix::Result<()> {
        let end = Instant::now() + limits::START_DEADLINE;
        loop {
            let shown = descriptor::wait([Some((self.orders.as_fd(), PollFlags::POLLIN))], PollTimeout::from(STOPPED_AFTER));
            if shown.is_ok_and(|[shown]| !shown.is_empty()) {
                let told = packet::receive(self.orders.as_fd(), &mut [0; 8]);
                return if matches!(told, Ok(Some(_))) { Ok(()) } else { Err(Errno::ESRCH) };
            }
            if Instant::now() > end || kill(self.pid, None).is_err() {
                return Err(Errno::ETIME);
            }
            // Perhaps it was stopped: let it go on.
            let _ = kill(self.pid, Signal::SIGCONT);
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        let _ = kill(self.pid, Signal::SIGKILL);
        // It was in no call that lasts, so this does not wait. Where it is held up all the same, its memory is left to it.
        let gone = |flags| waitpid(self.pid, Some(flags | WaitPidFlag::__WALL));
        let end = Instant::now() + limits::SWEEP_DEADLINE;
        while matches!(gone(WaitPidFlag::WNOHANG), Ok(WaitStatus::StillAlive)) {
            if Instant::now() > end {
                std::mem::forget((self.office.take(), self.stack.take()));
                return;
            }
            sleep(Duration::from_micros(50));
        }
        sealed::dismiss(self.pid);
    }
}

/// The leader's main function. Never returns: the memory is not its own.
extern "C" fn lead(office: *mut c_void) -> i32 {
    // SAFETY: `Leader::start` passes an office that lives as long as this process.
    let office = unsafe { &*office.cast::<Office>() };
    office.work();
    loop {
        // SAFETY: ends this process.
        let _ = unsafe { raw::call(libc::SYS_exit_group, [0; 5]) };
    }
}

impl Office {
    fn work(&self) {
        let begun = self.begin();
        self.errno.store(begun.err().unwrap_or(0), Ordering::Release);
        while self.tell().is_ok() && begun.is_ok() && self.await_order().is_ok() {
            let (stack, argument) = (self.stack.load(Ordering::Acquire), self.argument.load(Ordering::Acquire));
            // SAFETY: what `Leader::clone` vouches for.
            let pid = unsafe { libc::clone(self.main, stack, libc::CLONE_VM | libc::CLONE_PARENT, argument) };
            self.born.store(Errno::result(pid).unwrap_or_else(|errno| -(errno as i32)), Ordering::Release);
        }
    }

    /// Allocates nothing.
    fn begin(&self) -> Result<(), i32> {
        self.at(Step::ParentDeath, libc::SYS_prctl, [libc::PR_SET_PDEATHSIG as usize, libc::SIGKILL as usize])?;
        // SAFETY: getppid takes nothing.
        if unsafe { raw::call(libc::SYS_getppid, [0; 5]) }? as i32 != self.parent {
            return Err(libc::ESRCH);
        }
        self.at(Step::Leader, libc::SYS_setsid, [0; 2])?;
        self.at(Step::Terminal, libc::SYS_ioctl, [self.terminal as usize, libc::TIOCSCTTY as usize])
    }

    fn at(&self, step: Step, call: libc::c_long, [first, second]: [usize; 2]) -> Result<(), i32> {
        self.step.store(step as usize, Ordering::Release);
        // SAFETY: the calls made here take numbers only.
        unsafe { raw::call(call, [first, second, 0, 0, 0]) }.map(drop)
    }

    /// Says that it is done, whatever came of it.
    fn tell(&self) -> Result<(), i32> {
        self.pass(libc::SYS_write)
    }

    /// Waits for the next order; an error where there will be none.
    fn await_order(&self) -> Result<(), i32> {
        self.pass(libc::SYS_read)
    }

    /// Reads or writes one byte, whose value means nothing.
    fn pass(&self, call: libc::c_long) -> Result<(), i32> {
        let mut byte = 0_u8;
        let orders = self.orders.as_raw_fd() as usize;
        // SAFETY: one byte is read, or written.
        match unsafe { raw::call(call, [orders, ptr::from_mut(&mut byte) as usize, 1, 0, 0]) }? {
            1 => Ok(()),
            _ => Err(libc::EPIPE),
        }
    }
}
