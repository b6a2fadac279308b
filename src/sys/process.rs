//! The child between clone and exec.
//!
//! `clone(CLONE_VM | CLONE_VFORK)`: the child runs in the parent's memory on a stack of its own while the thread that spawns waits.
//! That costs a third less than fork, whose copy of the page tables grows with the shell, and it is why `std::process::Command` is not
//! used: its `pre_exec` always forks. The price is the rule of this file: the child makes raw system calls on what was prepared before,
//! allocates nothing, and says what failed through the memory that it shares. Its descriptors, signal dispositions, credentials,
//! `no_new_privs` and filter are its own (per task); the one thing that comes back is that after a change of ids the kernel marks the
//! shared memory as not dumpable, which this process wants to be anyway (see [`protect_memory`]).
//!
//! Two choices: the umask is 077, not the client's, so that what a command may create is private; and the core limit is one byte, not
//! zero, because a `core_pattern` that names a program ignores zero and takes one as "none" (fs/coredump.c).

use std::cell::Cell;
use std::convert::Infallible;
use std::ffi::c_void;
use std::fmt::{self, Display, Formatter};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::ptr;
use std::rc::Rc;

use nix::sys::resource::{Resource, getrlimit};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, getpid};

use super::identity::Identity;
use super::image::{Image, ImageError};
use super::seccomp::{self, Filter, TooFar};
use super::{capability, descriptor, raw, signal};

/// Bytes of the child's stack; it needs about two thousand.
const STACK: usize = 64 << 10;
const UMASK: usize = 0o077;
/// See the top of this file.
const CORE: u64 = 1;

/// What a child is to be.
pub struct Spec<'a> {
    pub program: &'a Path,
    pub argv: &'a [String],
    /// As `NAME=value`.
    pub environment: &'a [String],
    pub directory: Rc<OwnedFd>,
    /// Standard input, output and error; each above the three themselves, as [`descriptor::copy_above_standard`] makes them.
    pub descriptors: [Rc<OwnedFd>; 3],
    /// `None`: the ids of this process.
    pub identity: Option<Identity>,
    /// Whether it may start no other program.
    pub one_exec: bool,
}

/// A child of which everything is there but the process.
pub struct Prepared {
    image: Image,
    filter: Option<Filter>,
    directory: Rc<OwnedFd>,
    descriptors: [Rc<OwnedFd>; 3],
    identity: Option<Identity>,
    core: u64,
    bound: bool,
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

/// What the child was doing when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Clone,
    Group,
    Terminal,
    Directory,
    Descriptors,
    CoreLimit,
    BoundingSet,
    Identity,
    Capabilities,
    ParentDeath,
    NoNewPrivileges,
    Filter,
    Execute,
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Clone => "cannot make a process",
            Step::Group => "cannot make a process group",
            Step::Terminal => "cannot take the terminal",
            Step::Directory => "cannot enter the directory",
            Step::Descriptors => "cannot set up the descriptors",
            Step::CoreLimit => "cannot switch core dumps off",
            Step::BoundingSet => "cannot empty the bounding set",
            Step::Identity => "cannot become the user",
            Step::Capabilities => "cannot give up the capabilities",
            Step::ParentDeath => "cannot be bound to the shell's life",
            Step::NoNewPrivileges => "cannot set no_new_privs",
            Step::Filter => "cannot install the system call filter",
            Step::Execute => "cannot execute",
        })
    }
}

/// The kernel would not start a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{step}: {}", .reason.desc())]
pub struct SpawnError {
    pub step: Step,
    pub reason: nix::Error,
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
        let filter = spec.one_exec.then(|| Filter::one_exec(image.pointers().map(|pointer| pointer as u64))).transpose()?;
        let (_, hard) = getrlimit(Resource::RLIMIT_CORE)?;
        Ok(Prepared {
            image,
            filter,
            directory: spec.directory,
            descriptors: spec.descriptors,
            identity: spec.identity,
            core: hard.min(CORE),
            bound: capability::can_bound(),
            stack: Stack::new()?,
        })
    }

    /// Starts the process: it executes the program when this returns. `terminal` makes its new group the foreground of that terminal.
    /// The process dies with the thread that calls this.
    pub fn spawn(&self, group: Group, terminal: Option<BorrowedFd<'_>>) -> Result<Pid, SpawnError> {
        let task = Task {
            prepared: self,
            program: self.filter.as_ref().map(Filter::program),
            group: match group {
                Group::New => 0,
                Group::Of(leader) => leader.as_raw(),
            },
            terminal: terminal.map(|fd| fd.as_raw_fd()),
            parent: getpid().as_raw(),
            failure: Cell::new(None),
        };
        let mask = signal::block_all();
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        // SAFETY: the child runs `start` on its own stack while this thread waits in the kernel until it has executed or ended; `task`
        // outlives that, and no other thread knows of it. With all signals blocked no handler of ours runs in the child.
        let pid = unsafe { libc::clone(start, self.stack.top(), flags, ptr::from_ref(&task).cast_mut().cast()) };
        let failed = io::Error::last_os_error();
        signal::set_mask(mask);
        if pid < 0 {
            return Err(SpawnError { step: Step::Clone, reason: nix::Error::from_raw(failed.raw_os_error().unwrap_or(libc::EAGAIN)) });
        }
        let pid = Pid::from_raw(pid);
        task.failure.get().map_or(Ok(pid), |failure| {
            // The child has ended, so this does not wait.
            let _ = waitpid(pid, None);
            Err(failure)
        })
    }
}

/// What the child is given.
struct Task<'a> {
    prepared: &'a Prepared,
    program: Option<libc::sock_fprog>,
    /// The leader of its group; 0 for itself.
    group: i32,
    terminal: Option<i32>,
    parent: i32,
    /// Written by the child, read by the parent once the child has gone.
    failure: Cell<Option<SpawnError>>,
}

/// The child's main function. Never returns: the parent's stack is not its own.
extern "C" fn start(task: *mut c_void) -> i32 {
    // SAFETY: `spawn` passes a task that lives until this child has executed or ended.
    let task = unsafe { &*task.cast::<Task<'_>>() };
    let Err(failure) = task.run();
    task.failure.set(Some(failure));
    // SAFETY: ends this process without touching anything that it shares.
    unsafe { libc::_exit(127) }
}

impl Task<'_> {
    /// All or nothing: the first step that fails is the end. The order matters: the terminal before the group could be stopped for it,
    /// privileged steps before the ids, what a change of ids undoes (the death signal) behind it, the filter last.
    fn run(&self) -> Result<Infallible, SpawnError> {
        let at = |step: Step| move |errno: i32| SpawnError { step, reason: nix::Error::from_raw(errno) };
        self.join_group().map_err(at(Step::Group))?;
        self.take_terminal().map_err(at(Step::Terminal))?;
        self.enter_directory().map_err(at(Step::Directory))?;
        self.settle_descriptors().map_err(at(Step::Descriptors))?;
        self.limit_cores().map_err(at(Step::CoreLimit))?;
        if self.prepared.bound {
            capability::bound().map_err(at(Step::BoundingSet))?;
        }
        if let Some(identity) = &self.prepared.identity {
            identity.assume_in_thread().map_err(at(Step::Identity))?;
        }
        capability::clear().map_err(at(Step::Capabilities))?;
        self.die_with_parent().map_err(at(Step::ParentDeath))?;
        number(libc::SYS_prctl, [libc::PR_SET_NO_NEW_PRIVS as usize, 1, 0, 0]).map_err(at(Step::NoNewPrivileges))?;
        // SAFETY: the dispositions are the child's own (no CLONE_SIGHAND).
        unsafe { signal::reset_dispositions() };
        if let Some(program) = &self.program {
            // SAFETY: the filter lives in `prepared`.
            unsafe { seccomp::install(program) }.map_err(at(Step::Filter))?;
        }
        signal::set_mask(0);
        let [path, argv, environment] = self.prepared.image.pointers();
        // SAFETY: the three are as execve takes them, in the living image.
        Err(match unsafe { raw::call(libc::SYS_execve, [path, argv, environment, 0, 0]) } {
            Err(errno) => at(Step::Execute)(errno),
            Ok(_) => at(Step::Execute)(0),
        })
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
        number(libc::SYS_fchdir, [self.prepared.directory.as_raw_fd() as usize, 0, 0, 0])
    }

    fn settle_descriptors(&self) -> Result<(), i32> {
        for (standard, fd) in self.prepared.descriptors.iter().enumerate() {
            number(libc::SYS_dup3, [fd.as_raw_fd() as usize, standard, 0, 0])?;
        }
        // SAFETY: the table is the child's own (no CLONE_FILES), and it uses none of them again.
        unsafe { descriptor::close_from(3) }
    }

    fn limit_cores(&self) -> Result<(), i32> {
        let limit = libc::rlimit64 { rlim_cur: self.prepared.core, rlim_max: self.prepared.core };
        number(libc::SYS_prlimit64, [0, libc::RLIMIT_CORE as usize, ptr::from_ref(&limit) as usize, 0])
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
struct Stack {
    base: *mut c_void,
    length: usize,
}

impl Stack {
    fn new() -> io::Result<Stack> {
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
    fn top(&self) -> *mut c_void {
        self.base.wrapping_byte_add(self.length)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: our own mapping, on which nobody runs any more: `spawn` waits for the child.
        unsafe { libc::munmap(self.base, self.length) };
    }
}
