//! Whoever waits for the answer of a [`Listener`]: what it asks for, its memory, its descriptors.
//!
//! Memory is read through /proc/PID/mem rather than process_vm_readv(2): an open file stays that of one address space, so that asking
//! once whether the caller is still the caller covers all that is read and written afterwards, however its number is used again.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::unistd::Pid;

use super::deadline::{self, Answer};
use super::identity::Identity;
use super::notify::{Listener, Notification};
use super::{raw, rights};
use crate::words::limits::PATH_DEADLINE;

/// Not tried before 6.9, which is told by the error.
const THREAD: usize = libc::PIDFD_THREAD as usize;

/// What a call asks for, as its registers say; addresses are in the caller's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// execve, execveat. `itself`: a path of nothing stands for the directory's descriptor (`AT_EMPTY_PATH`).
    Execute {
        directory: Option<i32>,
        path: u64,
        itself: bool,
        follow: bool,
    },
    /// open, openat, creat.
    Open {
        at: PathAt,
        flags: i32,
    },
    /// openat2, the address of its `struct open_how`.
    OpenHow {
        at: PathAt,
        how: u64,
    },
    /// truncate.
    Truncate {
        at: PathAt,
    },
    /// rename, renameat, renameat2. `exchange`: each gets the other's name.
    Rename {
        from: PathAt,
        to: PathAt,
        exchange: bool,
    },
    /// link, linkat.
    Link {
        to: PathAt,
    },
    /// unlink, unlinkat of a file.
    Remove {
        at: PathAt,
    },
    /// connect.
    Connect {
        socket: i32,
        address: Span,
    },
    /// sendto.
    Send {
        socket: i32,
        data: Span,
        flags: i32,
        address: Span,
    },
    /// sendmsg, the address of a `struct msghdr`.
    SendMessage {
        socket: i32,
        message: u64,
        flags: i32,
    },
    /// sendmmsg, the address of so many `struct mmsghdr`.
    SendMessages {
        socket: i32,
        messages: u64,
        count: u32,
        flags: i32,
    },
    /// socket.
    Socket {
        family: i32,
        kind: i32,
        protocol: i32,
    },
    /// kill: a process, a group, the caller's own group or all.
    Kill {
        target: i32,
        signal: i32,
    },
    /// The other calls that signal: one process or thread.
    Signal {
        target: i32,
    },
    /// fork, vfork, clone.
    Fork,
    Other,
}

/// A path in the caller's memory, from a directory (`None`: the caller's own) if it is not absolute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathAt {
    pub directory: Option<i32>,
    pub path: u64,
}

impl PathAt {
    fn of(directory: u64, path: u64) -> PathAt {
        PathAt { directory: Some(directory as i32).filter(|fd| *fd != libc::AT_FDCWD), path }
    }

    #[cfg(target_arch = "x86_64")]
    fn here(path: u64) -> PathAt {
        PathAt { directory: None, path }
    }
}

/// A place in the caller's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub address: u64,
    pub length: u64,
}

impl Span {
    pub fn is_null(self) -> bool {
        self.address == 0 || self.length == 0
    }
}

impl Notification {
    /// What is asked for. The kernel takes `int` arguments from the low half of a register.
    pub fn request(&self) -> Request {
        let [first, second, third, fourth, fifth, sixth] = self.arguments;
        let socket = first as i32;
        match self.call {
            libc::SYS_execve => Request::Execute { directory: None, path: first, itself: false, follow: true },
            libc::SYS_execveat => Request::Execute {
                directory: Some(first as i32).filter(|fd| *fd != libc::AT_FDCWD),
                path: second,
                itself: fifth as i32 & libc::AT_EMPTY_PATH != 0,
                follow: fifth as i32 & libc::AT_SYMLINK_NOFOLLOW == 0,
            },
            #[cfg(target_arch = "x86_64")]
            libc::SYS_open => Request::Open { at: PathAt::here(first), flags: second as i32 },
            #[cfg(target_arch = "x86_64")]
            libc::SYS_creat => Request::Open { at: PathAt::here(first), flags: libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC },
            libc::SYS_openat => Request::Open { at: PathAt::of(first, second), flags: third as i32 },
            libc::SYS_openat2 => Request::OpenHow { at: PathAt::of(first, second), how: third },
            libc::SYS_truncate => Request::Truncate { at: PathAt { directory: None, path: first } },
            #[cfg(target_arch = "x86_64")]
            libc::SYS_rename => Request::Rename { from: PathAt::here(first), to: PathAt::here(second), exchange: false },
            libc::SYS_renameat => Request::Rename { from: PathAt::of(first, second), to: PathAt::of(third, fourth), exchange: false },
            libc::SYS_renameat2 => Request::Rename {
                from: PathAt::of(first, second),
                to: PathAt::of(third, fourth),
                exchange: fifth as u32 & libc::RENAME_EXCHANGE != 0,
            },
            #[cfg(target_arch = "x86_64")]
            libc::SYS_link => Request::Link { to: PathAt::here(second) },
            libc::SYS_linkat => Request::Link { to: PathAt::of(third, fourth) },
            #[cfg(target_arch = "x86_64")]
            libc::SYS_unlink => Request::Remove { at: PathAt::here(first) },
            libc::SYS_unlinkat => Request::Remove { at: PathAt::of(first, second) },
            libc::SYS_connect => Request::Connect { socket, address: Span { address: second, length: u64::from(third as u32) } },
            libc::SYS_sendto => Request::Send {
                socket,
                data: Span { address: second, length: third },
                flags: fourth as i32,
                address: Span { address: fifth, length: u64::from(sixth as u32) },
            },
            libc::SYS_sendmsg => Request::SendMessage { socket, message: second, flags: third as i32 },
            libc::SYS_sendmmsg => Request::SendMessages { socket, messages: second, count: third as u32, flags: fourth as i32 },
            libc::SYS_socket => Request::Socket { family: first as i32, kind: second as i32, protocol: third as i32 },
            libc::SYS_kill => Request::Kill { target: first as i32, signal: second as i32 },
            libc::SYS_tkill | libc::SYS_rt_sigqueueinfo => Request::Signal { target: first as i32 },
            libc::SYS_tgkill | libc::SYS_rt_tgsigqueueinfo => Request::Signal { target: second as i32 },
            libc::SYS_clone => Request::Fork,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_fork | libc::SYS_vfork => Request::Fork,
            _ => Request::Other,
        }
    }

    /// The caller's directory in /proc.
    pub fn proc(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.pid))
    }
}

/// A copy of a descriptor of the caller's, of the same open file.
///
/// The kernel gives it to whoever has the caller's real ids, or may trace any process. A process that belongs to an owner who is not root has
/// and may neither: there a helper with the account's ids, which are those of every command, takes it. (It is no ancestor of the caller, so
/// not where Yama's `ptrace_scope` demands one.)
pub fn descriptor(listener: &Listener, caller: &Notification, fd: i32) -> nix::Result<OwnedFd> {
    let process = open_process(caller)?;
    let copy = if rights::owner().is_none_or(|owner| owner == 0) { copy(&process, fd)? } else { copy_as_account(&process, fd)? };
    if listener.is_current(caller.id) { Ok(copy) } else { Err(Errno::ESRCH) }
}

/// A copy of a descriptor of a process, closed on exec (pidfd_getfd(2), kernel 5.6).
pub(super) fn copy(process: &OwnedFd, fd: i32) -> nix::Result<OwnedFd> {
    let number = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
    // SAFETY: takes numbers, and makes a descriptor that is ours.
    unsafe {
        let copy = raw::call(libc::SYS_pidfd_getfd, [process.as_raw_fd() as usize, number, 0, 0, 0]).map_err(Errno::from_raw)?;
        Ok(OwnedFd::from_raw_fd(copy as i32))
    }
}

/// [`copy`], by a helper with the account's ids.
fn copy_as_account(process: &OwnedFd, fd: i32) -> nix::Result<OwnedFd> {
    let account = Identity::of_caller()?;
    let answer = deadline::answer_with(PATH_DEADLINE, Some(&account), Some(process.as_fd()), |process| {
        let copied = process.ok_or(Errno::EBADF).and_then(|process| copy(&process, fd));
        let errno = copied.as_ref().map_or_else(|errno| *errno as i32, |_| 0);
        Answer { bytes: errno.to_ne_bytes().to_vec(), descriptor: copied.ok() }
    });
    let Answer { bytes, descriptor } = answer.map_err(|_| Errno::ETIMEDOUT)?;
    descriptor.ok_or_else(|| bytes.try_into().map_or(Errno::EIO, |errno| Errno::from_raw(i32::from_ne_bytes(errno))))
}

/// A handle on the thread that calls, or (before kernel 6.9) on its process: then a thread with descriptors of its own is not understood.
fn open_process(caller: &Notification) -> nix::Result<OwnedFd> {
    match open_pid(caller.pid, THREAD) {
        Err(Errno::EINVAL) => open_pid(process_of(caller)?, 0),
        result => result,
    }
}

/// A handle on a process, closed on exec (pidfd_open(2), kernel 5.3).
pub(super) fn open_pid(pid: Pid, flags: usize) -> nix::Result<OwnedFd> {
    // SAFETY: takes numbers, and makes a descriptor that is ours.
    unsafe {
        let fd = raw::call(libc::SYS_pidfd_open, [pid.as_raw() as usize, flags, 0, 0, 0]).map_err(Errno::from_raw)?;
        Ok(OwnedFd::from_raw_fd(fd as i32))
    }
}

fn process_of(caller: &Notification) -> nix::Result<Pid> {
    let status = std::fs::read_to_string(caller.proc("status")).map_err(|_| Errno::ESRCH)?;
    let number = status.lines().find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok());
    number.map(Pid::from_raw).ok_or(Errno::ESRCH)
}

/// The memory of a caller.
#[derive(Debug)]
pub struct Memory(File);

impl Memory {
    /// `writable`: some kernels refuse it, so only where it is needed.
    pub fn of(listener: &Listener, caller: &Notification, writable: bool) -> nix::Result<Memory> {
        let file = OpenOptions::new().read(true).write(writable).open(caller.proc("mem"));
        let file = file.map_err(|error| error.raw_os_error().map_or(Errno::EACCES, Errno::from_raw))?;
        if listener.is_current(caller.id) { Ok(Memory(file)) } else { Err(Errno::ESRCH) }
    }

    /// All of a place. The caller of this bounds its length.
    pub fn bytes(&self, place: Span) -> nix::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(place.length).map_err(|_| Errno::EFAULT)?];
        self.0.read_exact_at(&mut bytes, place.address).map_err(|_| Errno::EFAULT)?;
        Ok(bytes)
    }

    /// A text up to its NUL, which is shorter than `limit`: `ENAMETOOLONG` where it is not.
    pub fn text(&self, address: u64, limit: usize) -> nix::Result<Vec<u8>> {
        let mut bytes = vec![0; limit];
        // As much as there is: the text may end just before memory that cannot be read.
        let count = self.0.read_at(&mut bytes, address).map_err(|_| Errno::EFAULT)?;
        bytes.truncate(count);
        match bytes.iter().position(|byte| *byte == 0) {
            Some(end) => bytes.truncate(end),
            None if count < limit => return Err(Errno::EFAULT),
            None => return Err(Errno::ENAMETOOLONG),
        }
        Ok(bytes)
    }

    /// The flags of a `struct open_how`.
    pub fn open_flags(&self, address: u64) -> nix::Result<i32> {
        self.words::<1>(address).map(|[flags]| flags as i32)
    }

    pub fn write(&self, address: u64, bytes: &[u8]) -> nix::Result<()> {
        self.0.write_all_at(bytes, address).map_err(|_| Errno::EFAULT)
    }

    /// A `struct msghdr`.
    pub fn message(&self, address: u64) -> nix::Result<Message> {
        let words = self.words::<7>(address)?;
        let [name, name_length, parts, count, control, control_length, _] = words;
        Ok(Message {
            name: Span { address: name, length: u64::from(name_length as u32) },
            parts: Span { address: parts, length: count },
            control: Span { address: control, length: control_length },
        })
    }

    /// What the parts of a message (`struct iovec`) hold, one behind the other: at most `limit` bytes, and whether that is all.
    pub fn gather(&self, parts: Span, limit: usize) -> nix::Result<(Vec<u8>, bool)> {
        let count = u64::from(libc::UIO_MAXIOV as u32);
        if parts.length > count {
            return Err(Errno::EMSGSIZE);
        }
        let mut data = Vec::new();
        for index in 0..parts.length {
            let [address, length] = self.words(parts.address.wrapping_add(16 * index))?;
            let room = (limit - data.len()) as u64;
            data.extend(self.bytes(Span { address, length: length.min(room) })?);
            if length > room {
                return Ok((data, false));
            }
        }
        Ok((data, true))
    }

    fn words<const COUNT: usize>(&self, address: u64) -> nix::Result<[u64; COUNT]> {
        let mut words = [0; COUNT];
        let bytes = self.bytes(Span { address, length: 8 * COUNT as u64 })?;
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_ne_bytes(bytes.try_into().map_err(|_| Errno::EFAULT)?);
        }
        Ok(words)
    }
}

/// A message that is to be sent (sendmsg(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// The address that it goes to.
    pub name: Span,
    /// An array of so many parts.
    pub parts: Span,
    pub control: Span,
}

impl Message {
    /// Bytes between two of them in the array that sendmmsg(2) takes, and where in each the kernel writes how much was sent.
    pub const STRIDE: u64 = 64;
    pub const SENT: u64 = 56;
}
