//! The child between clone and exec.
//!
//! `clone(CLONE_VM)`: the child runs in the parent's memory on a stack of its own. That costs a third less than fork, whose copy of the
//! page tables grows with the shell, and it is why `std::process::Command` is not used: its `pre_exec` always forks. The price is the rule
//! of this file: the child makes raw system calls on what was prepared before and allocates nothing. Its descriptors, signal dispositions,
//! credentials, `no_new_privs` and filter are its own (per task); the one thing that comes back is that after a change of ids the kernel
//! marks the shared memory as not dumpable, which this process wants to be anyway (see [`protect_memory`]).
//!
//! Not `CLONE_VFORK`, which suspends the parent until the exec: a child that is stopped before it (Ctrl-Z, or a process of the same user
//! that sends SIGSTOP) or that hangs in it would hold the shell for ever. The parent waits on a socket that the exec closes, with a bound; the
//! listener of the child's filter (`super::notify`) comes through it.
//!
//! Two choices: the umask is 077, not the client's, so that what a command may create is private; and the core limit is one byte, not
//! zero, because a `core_pattern` that names a program ignores zero and takes one as "none" (fs/coredump.c).

use std::convert::Infallible;
use std::ffi::c_void;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{Pid, getpid};

use super::capability::{self, Capabilities};
use super::identity::{self, Identity};
use super::image::{Image, ImageError};
use super::leader::Leader;
use super::notify::Listener;
use super::seccomp::{self, Calls, Cookie, Filter, TooFar};
pub use super::step::{SpawnError, Step};
use super::{descriptor, landlock, mount, raw, signal};
use crate::words::limits;

/// Bytes of the child's stack; it needs about two thousand.
const STACK: usize = 64 << 10;
const UMASK: usize = 0o077;
/// A child that has not begun after so many milliseconds may have been stopped.
pub(super) const STOPPED_AFTER: u8 = 50;
/// See the top of this file.
const CORE: u64 = 1;
/// The child's end of the channel to the shell, which the exec closes.
const CHANNEL: i32 = 3;

/// What a child is to be.
pub struct Spec<'a> {
    pub program: &'a Path,
    pub argv: &'a [String],
    /// As `NAME=value`.
    pub environment: &'a [String],
    pub directory: Rc<OwnedFd>,
    /// The mount namespace that it is to be in; `None`: that of the thread that starts it. Then `directory` has to be one of that namespace
    /// as well, for it leads back to where it was opened.
    pub namespace: Option<Rc<OwnedFd>>,
    /// Standard input, output and error; each above the three themselves, as [`descriptor::copy_above_standard`] makes them.
    pub descriptors: [Rc<OwnedFd>; 3],
    /// `None`: the ids of this process.
    pub identity: Option<Identity>,
    /// Those it has. Others than none only where [`capability::out_of_reach`] is none of them.
    pub capabilities: Capabilities,
    /// Which calls it may make; `None`: all.
    pub calls: Option<Calls>,
    /// The Landlock ruleset that holds it.
    pub ruleset: Option<Rc<OwnedFd>>,
    /// A lower hard limit that is there already stays.
    pub limits: Vec<Limit>,
}

/// A resource limit (getrlimit(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub resource: Resource,
    pub soft: u64,
    pub hard: u64,
}

/// A child of which everything is there but the process.
pub struct Prepared(Rc<Parts>);

struct Parts {
    image: Image,
    filter: Option<Filter>,
    directory: Rc<OwnedFd>,
    namespace: Option<Rc<OwnedFd>>,
    descriptors: [Rc<OwnedFd>; 3],
    identity: Option<identity::Change>,
    ruleset: Option<Rc<OwnedFd>>,
    listens: bool,
    limits: Vec<Limit>,
    capabilities: Capabilities,
    /// What the program is marked with, which stays in the bounding set; `None` where that set cannot be changed.
    marked: Option<u64>,
    stack: Stack,
}

/// Why a child cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Filter(#[from] TooFar),
    #[error("no memory for the stack: {0}")]
    Stack(#[from] io::Error),
    #[error("no ids: {0}")]
    Identity(nix::Error),
    #[error("no limits: {0}")]
    Limits(#[from] nix::Error),
    #[error("descriptor {0} is not above the standard ones")]
    Standard(i32),
}

/// The process group of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    New,
    Of(Pid),
}

/// A child that was started.
#[derive(Debug)]
pub struct Child {
    pub pid: Pid,
    /// Where its filter asks, if it does.
    pub listener: Option<Listener>,
}

/// How a child changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Exited(i32),
    Killed(i32),
    Stopped(i32),
}

/// Asks without waiting whether a child ended (it is then reaped) or was stopped. Signals are numbers: real-time ones have no names.
pub fn change(pid: Pid) -> nix::Result<Option<Change>> {
    let mut status = 0;
    // SAFETY: writes one int.
    let found = unsafe { libc::waitpid(pid.as_raw(), &mut status, libc::WNOHANG | libc::WUNTRACED) };
    Ok(match nix::Error::result(found)? {
        0 => None,
        _ if libc::WIFSTOPPED(status) => Some(Change::Stopped(libc::WSTOPSIG(status))),
        _ if libc::WIFSIGNALED(status) => Some(Change::Killed(libc::WTERMSIG(status))),
        _ => Some(Change::Exited(libc::WEXITSTATUS(status))),
    })
}

/// Keeps other processes of the same user out of this one's memory and descriptors: the cookies of [`seccomp`] and the records
/// are in there. Inherited by forked helpers, undone in children by their exec.
pub fn protect_memory() -> nix::Result<()> {
    nix::sys::prctl::set_dumpable(false)
}

impl Prepared {
    /// Allocates all that a child needs.
    pub fn new(spec: Spec<'_>) -> Result<Prepared, PrepareError> {
        if let Some(low) = spec.descriptors.iter().map(|fd| fd.as_raw_fd()).find(|fd| *fd < 3) {
            return Err(PrepareError::Standard(low));
        }
        let image = Image::new(spec.program, spec.argv, spec.environment)?;
        let cookie = Cookie { execve: image.pointers().map(|pointer| pointer as u64), sendmsg: image.message() as u64 };
        let filter = spec.calls.as_ref().map(|calls| Filter::new(calls, Some(cookie))).transpose()?;
        let core = Limit { resource: Resource::RLIMIT_CORE, soft: CORE, hard: CORE };
        let limits = spec.limits.into_iter().chain([core]).map(lowered).collect::<Result<_, _>>()?;
        let marked = capability::can_bound().then(|| capability::of_program(image.program()));
        Ok(Prepared(Rc::new(Parts {
            image,
            filter,
            directory: spec.directory,
            namespace: spec.namespace,
            descriptors: spec.descriptors,
            identity: spec.identity.map(|identity| identity.change()).transpose().map_err(PrepareError::Identity)?,
            ruleset: spec.ruleset,
            listens: spec.calls.is_some_and(|calls| calls.listener),
            limits,
            capabilities: spec.capabilities,
            marked,
            stack: Stack::new()?,
        })))
    }

    /// Starts the process: it executes the program when this returns. With a leader it is in that session, and its new group is the foreground
    /// of the session's terminal. The process dies with the thread that calls this.
    pub fn spawn(&self, group: Group, leader: Option<&Leader>) -> Result<Child, SpawnError> {
        let failed = |reason| SpawnError { step: Step::Clone, reason };
        let (channel, child_end) = socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC).map_err(failed)?;
        let task = Box::new(Task {
            program: self.0.filter.as_ref().map(Filter::program),
            parts: Rc::clone(&self.0),
            group: match group {
                Group::New => 0,
                Group::Of(leader) => leader.as_raw(),
            },
            terminal: leader.filter(|_| group == Group::New).map(Leader::terminal),
            channel: child_end.as_raw_fd(),
            parent: getpid().as_raw(),
            step: AtomicUsize::new(0),
            errno: AtomicI32::new(0),
        });
        let mask = signal::block_all();
        let argument = ptr::from_ref(&*task).cast_mut().cast();
        // SAFETY: the child runs `start` on its own stack. Stack and task live until the child has left this memory, or for ever (below);
        // both sides only read them, but for atomics. With all signals blocked no handler of ours runs in the child.
        let result = unsafe {
            match leader {
                Some(leader) => leader.clone(self.0.stack.top(), argument),
                None => {
                    let pid = libc::clone(start, self.0.stack.top(), libc::CLONE_VM | libc::SIGCHLD, argument);
                    nix::Error::result(pid).map(Pid::from_raw)
                }
            }
        };
        signal::set_mask(mask);
        let pid = result.map_err(failed)?;
        drop(child_end);
        if !has_begun(pid, channel.as_fd()) {
            // It may still be in this memory, and end whenever the kernel lets go of it.
            std::mem::forget(task);
            return Err(SpawnError { step: Step::Execute, reason: nix::Error::ETIME });
        }
        let listener = descriptor::receive(channel.as_fd()).ok().flatten().flatten();
        match task.errno.load(Ordering::Acquire) {
            // It came and could not be taken, for want of a descriptor: nobody would answer.
            0 if self.0.listens && listener.is_none() => {
                let _ = kill(pid, Signal::SIGKILL);
                let _ = waitpid(pid, None);
                Err(SpawnError { step: Step::Listener, reason: nix::Error::EMFILE })
            }
            0 => Ok(Child { pid, listener: listener.map(Listener::from) }),
            errno => {
                // The child has ended but for its last steps, so this does not wait. A leader's has no exit signal before its exec.
                let _ = waitpid(pid, Some(WaitPidFlag::__WALL));
                let step = Step::ALL.get(task.step.load(Ordering::Acquire)).copied().unwrap_or(Step::Execute);
                Err(SpawnError { step, reason: nix::Error::from_raw(errno) })
            }
        }
    }
}

/// A limit below the hard one that this process has, which only privilege could raise.
fn lowered(limit: Limit) -> nix::Result<Limit> {
    let (_, hard) = getrlimit(limit.resource)?;
    Ok(Limit { soft: limit.soft.min(hard), hard: limit.hard.min(hard), ..limit })
}

/// Waits until the child has left this memory by its exec or its end, which closes its end of the channel: in both, the kernel lets go of
/// the memory first. Nothing else wakes this: what is handed over waits. False when it did not in time; it is then told to die.
fn has_begun(child: Pid, channel: BorrowedFd<'_>) -> bool {
    let end = Instant::now() + limits::START_DEADLINE;
    let hung_up = || matches!(poll(&mut [PollFd::new(channel, PollFlags::empty())], PollTimeout::from(STOPPED_AFTER)), Ok(1..));
    while !hung_up() {
        if Instant::now() > end {
            let _ = kill(child, Signal::SIGKILL);
            return hung_up();
        }
        // Perhaps it was stopped: let it go on.
        let _ = kill(child, Signal::SIGCONT);
    }
    true
}

/// What the child is given.
struct Task {
    parts: Rc<Parts>,
    program: Option<libc::sock_fprog>,
    /// The leader of its group; 0 for itself.
    group: i32,
    terminal: Option<i32>,
    /// The child's end of the channel.
    channel: i32,
    parent: i32,
    /// What the child was doing, as an index of [`Step::ALL`], and how that failed; 0 for not at all.
    step: AtomicUsize,
    errno: AtomicI32,
}

/// Begins a session with this terminal (see [`super::leader`]).
pub fn lead(terminal: BorrowedFd<'_>) -> Result<Leader, SpawnError> {
    Leader::start(terminal, start)
}

/// The child's main function. Never returns: the parent's memory is not its own.
extern "C" fn start(task: *mut c_void) -> i32 {
    // SAFETY: `spawn` passes a task that lives until this child has left its memory.
    let task = unsafe { &*task.cast::<Task>() };
    let Err(errno) = task.run();
    task.errno.store(errno, Ordering::Release);
    loop {
        // SAFETY: ends this process.
        let _ = unsafe { raw::call(libc::SYS_exit_group, [127, 0, 0, 0, 0]) };
    }
}

impl Task {
    /// All or nothing: the first step that fails is the end. The order matters: the namespace before any path, the terminal before the group
    /// could be stopped for it, the ruleset while its descriptor is there, privileged steps before the ids, what a change of ids undoes
    /// (ambient capabilities, the death signal) behind it, the filter last.
    fn run(&self) -> Result<Infallible, i32> {
        self.at(Step::Namespace, || self.parts.namespace.as_ref().map_or(Ok(()), |fd| mount::join_in_child(fd.as_raw_fd())))?;
        self.at(Step::Group, || self.join_group())?;
        self.at(Step::Terminal, || self.take_terminal())?;
        self.at(Step::Directory, || self.enter_directory())?;
        self.at(Step::NoNewPrivileges, || number(libc::SYS_prctl, [libc::PR_SET_NO_NEW_PRIVS as usize, 1, 0, 0]))?;
        self.at(Step::Ruleset, || self.parts.ruleset.as_ref().map_or(Ok(()), |ruleset| landlock::restrict(ruleset.as_raw_fd())))?;
        self.at(Step::Descriptors, || self.settle_descriptors())?;
        self.at(Step::Limits, || self.set_limits())?;
        self.at(Step::BoundingSet, || self.bound())?;
        self.at(Step::Identity, || self.parts.identity.as_ref().map_or(Ok(()), identity::Change::make_in_thread))?;
        self.at(Step::Capabilities, || capability::settle(self.parts.capabilities))?;
        self.at(Step::ParentDeath, || self.die_with_parent())?;
        // SAFETY: the dispositions are the child's own (no CLONE_SIGHAND).
        unsafe { signal::reset_dispositions() };
        let mut listener = None;
        self.at(Step::Filter, || self.install_filter(&mut listener))?;
        self.at(Step::Listener, || listener.map_or(Ok(()), |listener| self.parts.image.hand_over(CHANNEL, listener)))?;
        signal::set_mask(0);
        let [path, argv, environment] = self.parts.image.pointers();
        // SAFETY: the three are as execve takes them, in the living image.
        self.at(Step::Execute, || unsafe { raw::call(libc::SYS_execve, [path, argv, environment, 0, 0]) }.map(drop))?;
        Err(libc::EINVAL)
    }

    /// Says what is being done, and does it.
    fn at(&self, step: Step, action: impl FnOnce() -> Result<(), i32>) -> Result<(), i32> {
        self.step.store(step as usize, Ordering::Relaxed);
        action()
    }

    fn join_group(&self) -> Result<(), i32> {
        number(libc::SYS_setpgid, [0, self.group as usize, 0, 0])
    }

    /// In the child, so that the program cannot run before it has the terminal; `SIGTTOU` is blocked, as everything is.
    fn take_terminal(&self) -> Result<(), i32> {
        let Some(terminal) = self.terminal else { return Ok(()) };
        // SAFETY: getpid takes nothing.
        let own = unsafe { raw::call(libc::SYS_getpid, [0; 5]) }? as i32;
        // SAFETY: TIOCSPGRP reads one int.
        unsafe { raw::call(libc::SYS_ioctl, [terminal as usize, libc::TIOCSPGRP as usize, ptr::from_ref(&own) as usize, 0, 0]) }.map(drop)
    }

    /// As the person, not as the user that the command runs as, who may have no way into it.
    fn enter_directory(&self) -> Result<(), i32> {
        number(libc::SYS_umask, [UMASK, 0, 0, 0])?;
        number(libc::SYS_fchdir, [self.parts.directory.as_raw_fd() as usize, 0, 0, 0])
    }

    fn settle_descriptors(&self) -> Result<(), i32> {
        for (standard, fd) in self.parts.descriptors.iter().enumerate() {
            number(libc::SYS_dup3, [fd.as_raw_fd() as usize, standard, 0, 0])?;
        }
        // The channel's end moves to where the exec closes it.
        if self.channel != CHANNEL {
            number(libc::SYS_dup3, [self.channel as usize, CHANNEL as usize, libc::O_CLOEXEC as usize, 0])?;
        }
        // SAFETY: the table is the child's own (no CLONE_FILES), and it uses none of them again.
        unsafe { descriptor::close_from(CHANNEL + 1) }
    }

    fn set_limits(&self) -> Result<(), i32> {
        for Limit { resource, soft, hard } in &self.parts.limits {
            let limit = libc::rlimit64 { rlim_cur: *soft, rlim_max: *hard };
            number(libc::SYS_prlimit64, [0, *resource as usize, ptr::from_ref(&limit) as usize, 0])?;
        }
        Ok(())
    }

    fn bound(&self) -> Result<(), i32> {
        self.parts.marked.map_or(Ok(()), |marked| capability::bound(self.parts.capabilities, marked))
    }

    fn install_filter(&self, listener: &mut Option<i32>) -> Result<(), i32> {
        let Some(program) = &self.program else { return Ok(()) };
        // SAFETY: the filter lives in `parts`.
        unsafe {
            if self.parts.listens {
                *listener = Some(seccomp::install_with_listener(program)?);
                return Ok(());
            }
            seccomp::install(program)
        }
    }

    fn die_with_parent(&self) -> Result<(), i32> {
        number(libc::SYS_prctl, [libc::PR_SET_PDEATHSIG as usize, libc::SIGKILL as usize, 0, 0])?;
        // SAFETY: getppid takes nothing.
        let parent = unsafe { raw::call(libc::SYS_getppid, [0; 5]) }?;
        // It may have died before the signal was asked for.
        if parent as i32 == self.parent { Ok(()) } else { Err(libc::ESRCH) }
    }
}

/// A call that takes numbers, or what the caller has just made on its stack, and whose result is of no interest.
fn number(call: libc::c_long, [first, second, third, fourth]: [usize; 4]) -> Result<(), i32> {
    // SAFETY: the calls made here change this task's own state only, and the one address among their arguments is of a living value.
    unsafe { raw::call(call, [first, second, third, fourth, 0]) }.map(drop)
}

/// A stack with a page below it that nothing can touch.
#[derive(Debug)]
pub(super) struct Stack {
    base: *mut c_void,
    length: usize,
}

impl Stack {
    pub fn new() -> io::Result<Stack> {
        let guard = raw::page_size()?;
        let length = guard + STACK.next_multiple_of(guard);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK | libc::MAP_NORESERVE;
        // SAFETY: a new private mapping anywhere.
        let base = unsafe { libc::mmap(ptr::null_mut(), length, libc::PROT_NONE, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let stack = Stack { base, length };
        // SAFETY: all of our own mapping but its first page.
        let usable = unsafe { libc::mprotect(base.byte_add(guard), length - guard, libc::PROT_READ | libc::PROT_WRITE) };
        if usable == 0 { Ok(stack) } else { Err(io::Error::last_os_error()) }
    }

    /// Where it begins: stacks grow down. Aligned to 16, as both architectures ask.
    pub fn top(&self) -> *mut c_void {
        self.base.wrapping_byte_add(self.length)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: our own mapping, on which nobody runs any more: a child that might has a task, which holds this.
        unsafe { libc::munmap(self.base, self.length) };
    }
}
