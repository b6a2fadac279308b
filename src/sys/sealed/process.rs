//! A sealed process of its own, begun by a fork that nothing else waits for.
//!
//! It is no child that wait(2) speaks of (it has no exit signal: `__WCLONE` of wait(2)), so "the shell has no children" still means that
//! nothing of a command is left (`exec::sweep`). That takes clone(2) by itself, without what the C library does round its own fork: so
//! until its end the process allocates nothing and frees nothing, and makes system calls only. It could not allocate if it wanted to, once
//! its list is on.
//!
//! It ends with its socket. The signal at its parent's death is there too, but does not always come: who is in a Landlock scope signals
//! nobody outside even by dying.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::poll::{PollFlags, PollTimeout};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{Pid, getpid, getppid};

use super::{Role, Seal, SealError};
use crate::sys::identity::Identity;
use crate::sys::step::{SpawnError, Step};
use crate::sys::{descriptor, packet, raw, signal};

/// What it says first: the step that failed and the errno, or zeros.
type Begun = [u8; 8];

/// Those of this process that live.
static LIVING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

fn list() -> MutexGuard<'static, Vec<Pid>> {
    LIVING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The sealed processes of this one. They have a filter and this one for a parent, as a command's have, and are none of those.
pub fn living() -> Vec<Pid> {
    list().clone()
}

/// Counts a process of this one's that seals itself among those that live.
pub fn adopt(pid: Pid) {
    list().push(pid);
}

/// Counts it out, once it has ended.
pub fn dismiss(pid: Pid) {
    list().retain(|living| *living != pid);
}

/// The other end of a sealed process; one that is dropped ends.
#[derive(Debug)]
pub struct Process {
    socket: OwnedFd,
    pid: Pid,
}

/// Why a sealed process has not begun.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("no process: {0}")]
    Process(#[from] io::Error),
    #[error("it died at once, or said nothing")]
    Silent,
}

impl From<nix::Error> for StartError {
    fn from(errno: nix::Error) -> StartError {
        StartError::Process(errno.into())
    }
}

/// Starts one, sealed as `role` and as the user `identity` (`None`: this process's own). It has its end of [`Process`] as descriptor 0,
/// copies of `given` from 1 on, and nothing else open; every signal that can be is blocked. It runs `work` and ends.
///
/// `work` is held to what the top of the file says: it may use memory that it borrows, and own nothing that is freed.
///
/// This returns before the seal is on: see [`Process::await_start`].
pub fn start<const GIVEN: usize>(
    role: Role,
    identity: Option<&Identity>,
    given: [Option<BorrowedFd<'_>>; GIVEN],
    work: impl FnOnce(OwnedFd, [Option<OwnedFd>; GIVEN]),
) -> Result<Process, StartError> {
    let seal = Seal::new(identity, role)?;
    let (ours, theirs) = packet::pair()?;
    let parent = getpid();
    let mask = signal::block_all();
    // SAFETY: the child keeps to what the top of the file says, and never returns.
    let forked = unsafe { fork_unwaited() };
    if let Ok(None) = forked {
        // A panic must not unwind into the shell's code.
        let _ = catch_unwind(AssertUnwindSafe(|| live(&seal, parent, theirs.as_fd(), given, work)));
        // SAFETY: ends the process; nothing of the shell's is run or freed.
        unsafe { libc::_exit(0) }
    }
    signal::set_mask(mask);
    let pid = forked?.ok_or(StartError::Silent)?;
    list().push(pid);
    Ok(Process { socket: ours, pid })
}

/// As fork(2), but the child has no exit signal, and the C library knows nothing of it. `None` in the child.
///
/// # Safety
/// The child may make system calls and touch memory; what another thread may hold locked (the heap) is locked for ever, and `gettid` as the
/// C library has it is the parent's. It must end with `_exit`.
unsafe fn fork_unwaited() -> nix::Result<Option<Pid>> {
    // SAFETY: no flags and no stack: the child goes on here, in a copy of this memory. The caller vouches for what it does there.
    let pid = unsafe { raw::call(libc::SYS_clone, [0; 5]) }.map_err(nix::Error::from_raw)?;
    Ok((pid != 0).then_some(Pid::from_raw(pid as i32)))
}

/// The whole life of the process.
fn live<const GIVEN: usize>(
    seal: &Seal,
    parent: Pid,
    socket: BorrowedFd<'_>,
    given: [Option<BorrowedFd<'_>>; GIVEN],
    work: impl FnOnce(OwnedFd, [Option<OwnedFd>; GIVEN]),
) {
    // SAFETY: this process never uses a descriptor of the shell's again, and ends with `_exit`.
    let Ok((socket, given)) = (unsafe { settle(socket, given) }) else { return };
    let sealed = seal.give_up().and_then(|()| {
        // SAFETY: as above; the ruleset is on, and its descriptor of no use any more.
        let closed = unsafe { descriptor::close_from(1 + GIVEN as RawFd) };
        closed.map_err(|errno| SpawnError { step: Step::Descriptors, reason: nix::Error::from_raw(errno) })?;
        // It may have died before the signal was asked for.
        if getppid() == parent { seal.hold_to_list() } else { Err(SpawnError { step: Step::ParentDeath, reason: nix::Error::ESRCH }) }
    });
    let told = descriptor::send_now(socket.as_fd(), &begun(sealed));
    if sealed.is_ok() && told.is_ok() {
        work(socket, given);
    }
}

/// Makes copies of these descriptors 0 and, from 1 on, those that are given; where there is none, the number is closed.
///
/// # Safety
/// Descriptors of the parent are closed under their owners, none of which may be used or dropped again.
unsafe fn settle<const GIVEN: usize>(
    socket: BorrowedFd<'_>,
    given: [Option<BorrowedFd<'_>>; GIVEN],
) -> nix::Result<(OwnedFd, [Option<OwnedFd>; GIVEN])> {
    // SAFETY: the dispositions of a forked process are its own.
    unsafe { signal::reset_dispositions() };
    let socket = descriptor::copy_above_standard(socket)?;
    let mut copies = [const { None }; GIVEN];
    for (copy, fd) in copies.iter_mut().zip(given) {
        *copy = fd.map(descriptor::copy_above_standard).transpose()?;
    }
    // SAFETY: from here on these numbers are this process's alone (see above).
    let socket = unsafe { place(0, Some(socket)) }?.ok_or(nix::Error::EBADF)?;
    let mut settled = [const { None }; GIVEN];
    for ((number, place_of), copy) in (1..).zip(&mut settled).zip(copies) {
        // SAFETY: as above.
        *place_of = unsafe { place(number, copy) }?;
    }
    Ok((socket, settled))
}

/// Gives a descriptor this number; without one, the number is closed.
///
/// # Safety
/// Nobody else may use the number.
unsafe fn place(number: RawFd, fd: Option<OwnedFd>) -> nix::Result<Option<OwnedFd>> {
    // SAFETY: takes numbers, and makes a descriptor for us; the caller vouches for what was there.
    unsafe {
        libc::close(number);
        let Some(fd) = fd else { return Ok(None) };
        nix::Error::result(libc::dup3(fd.as_raw_fd(), number, libc::O_CLOEXEC))?;
        Ok(Some(OwnedFd::from_raw_fd(number)))
    }
}

fn begun(sealed: Result<(), SpawnError>) -> Begun {
    let (step, errno) = sealed.map_or_else(|error| (error.step as i32, error.reason as i32), |()| (0, 0));
    let mut bytes = Begun::default();
    let (first, second) = bytes.split_at_mut(4);
    first.copy_from_slice(&step.to_ne_bytes());
    second.copy_from_slice(&errno.to_ne_bytes());
    bytes
}

/// What [`begun`] says.
fn has_begun(bytes: Begun) -> Option<Result<(), SpawnError>> {
    let number = |part: &[u8]| part.try_into().map(i32::from_ne_bytes).ok();
    let (step, errno) = bytes.split_at(4);
    let (step, errno) = (number(step)?, number(errno)?);
    let step = *Step::ALL.get(usize::try_from(step).ok()?)?;
    Some(if errno == 0 { Ok(()) } else { Err(SpawnError { step, reason: nix::Error::from_raw(errno) }) })
}

impl Process {
    /// Waits until the seal is on, at most so long. To be called once, before anything else is received.
    pub fn await_start(&self, limit: Duration) -> Result<(), StartError> {
        let mut bytes = Begun::default();
        let limit = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        descriptor::wait([Some((self.as_fd(), PollFlags::POLLIN))], limit)?;
        match packet::receive(self.as_fd(), &mut bytes) {
            Ok(Some(received)) if received.length == bytes.len() => {
                Ok(has_begun(bytes).ok_or(StartError::Silent)?.map_err(SealError::Step)?)
            }
            _ => Err(StartError::Silent),
        }
    }

    /// Its number, which stays its own: nobody else can reap it.
    pub fn pid(&self) -> Pid {
        self.pid
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Out of a Landlock scope this does not reach it; then it ends when the socket does, right behind this.
        let _ = kill(self.pid, Signal::SIGKILL);
        let _ = waitpid(self.pid, Some(WaitPidFlag::WNOHANG | WaitPidFlag::__WALL));
        dismiss(self.pid);
    }
}
