//! Descriptors: opened without waiting, copied out of the way, moved bytes between, closed.

use std::ffi::CStr;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, FcntlArg, OFlag, OpenHow, ResolveFlag, fcntl, openat2};
use nix::poll::{PollFlags, PollTimeout};

use super::raw;

/// Opens a handle (`O_PATH`) on what the kernel has at hand, following links but not the magic ones of /proc; never waits for a file
/// system. `EAGAIN` when it would have to (Linux 5.12; before that `EINVAL`, and `ENOSYS` before 5.6).
pub fn open_cached(path: &Path) -> nix::Result<OwnedFd> {
    let resolve = ResolveFlag::from_bits_retain(libc::RESOLVE_CACHED) | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    openat2(AT_FDCWD, path, OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(resolve))
}

/// A copy of a descriptor above the three standard ones, closed on exec.
pub fn copy_above_standard(fd: impl AsFd) -> nix::Result<OwnedFd> {
    let copy = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(10))?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// The status flags of an open file (`O_NONBLOCK`, `O_ASYNC`, …: `F_GETFL` of fcntl(2)), which all who hold it share and any of them can change.
pub struct StatusFlags {
    file: OwnedFd,
    flags: OFlag,
}

impl StatusFlags {
    pub fn of(fd: impl AsFd) -> nix::Result<StatusFlags> {
        let flags = fcntl(&fd, FcntlArg::F_GETFL)?;
        Ok(StatusFlags { file: copy_above_standard(fd)?, flags: OFlag::from_bits_retain(flags) })
    }

    /// Makes them what they were. What the kernel refuses stays as it is.
    pub fn put_back(&self) {
        if fcntl(&self.file, FcntlArg::F_GETFL).is_ok_and(|flags| flags != self.flags.bits()) {
            let _ = fcntl(&self.file, FcntlArg::F_SETFL(self.flags));
        }
    }
}

/// Makes the number of `place` stand for `file`, closed on exec; what it stood for is closed.
pub fn put_in_place(place: &OwnedFd, file: &OwnedFd) -> nix::Result<()> {
    // SAFETY: both numbers are open; `place` stays so, and its owner goes on owning it.
    nix::errno::Errno::result(unsafe { libc::dup3(file.as_raw_fd(), place.as_raw_fd(), libc::O_CLOEXEC) }).map(drop)
}

/// Waits, at most so long, until something is ready, and returns what each shows; `None` is not waited for. Allocates nothing.
pub fn wait<const COUNT: usize>(set: [Option<(BorrowedFd<'_>, PollFlags)>; COUNT], timeout: PollTimeout) -> io::Result<[PollFlags; COUNT]> {
    // The kernel passes over negative descriptors (poll(2)).
    let mut entries = set.map(|entry| {
        let (fd, flags) = entry.map_or((-1, PollFlags::empty()), |(fd, flags)| (fd.as_raw_fd(), flags));
        libc::pollfd { fd, events: flags.bits(), revents: 0 }
    });
    // SAFETY: the array is as long as is said.
    let ready = unsafe { libc::poll(entries.as_mut_ptr(), COUNT as libc::nfds_t, i32::from(timeout)) };
    if ready < 0 { Err(io::Error::last_os_error()) } else { Ok(entries.map(|entry| PollFlags::from_bits_retain(entry.revents))) }
}

/// Whether there is something to read from a pipe.
pub fn is_readable(pipe: BorrowedFd<'_>) -> io::Result<bool> {
    wait([Some((pipe, PollFlags::POLLIN))], PollTimeout::ZERO).map(|[shown]| shown.contains(PollFlags::POLLIN))
}

/// Whether there is room to write to a pipe.
pub fn is_writable(pipe: BorrowedFd<'_>) -> io::Result<bool> {
    wait([Some((pipe, PollFlags::POLLOUT))], PollTimeout::ZERO).map(|[shown]| !shown.is_empty())
}

/// Moves at most `limit` bytes from one pipe to another without copying; never waits, whatever the flags of the two.
pub fn splice_pipes(source: BorrowedFd<'_>, target: BorrowedFd<'_>, limit: usize) -> io::Result<usize> {
    let null = std::ptr::null_mut();
    // SAFETY: no offsets are passed; pipes have none.
    let moved = unsafe { libc::splice(source.as_raw_fd(), null, target.as_raw_fd(), null, limit, libc::SPLICE_F_NONBLOCK) };
    usize::try_from(moved).map_err(|_| io::Error::last_os_error())
}

/// Sends bytes to a socket without waiting, whatever its flags, which it shares with the client's end of the world.
pub fn send_now(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the buffer is as long as is said.
    let sent = unsafe { libc::send(socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// The next message of a stream socket: `None` at its end, else the descriptor that came with it, if one did.
pub fn receive(socket: BorrowedFd<'_>) -> io::Result<Option<Option<OwnedFd>>> {
    let mut byte = [0];
    let mut space = nix::cmsg_space!(RawFd);
    let mut parts = [IoSliceMut::new(&mut byte)];
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let descriptor = message.cmsgs()?.find_map(|message| match message {
        ControlMessageOwned::ScmRights(descriptors) => descriptors.first().copied(),
        _ => None,
    });
    // SAFETY: the kernel has just made this descriptor for us.
    Ok((message.bytes > 0).then(|| descriptor.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })))
}

/// Closes every descriptor from `first` on, open or not, close-on-exec or not. Async-signal-safe.
///
/// # Safety
/// No `OwnedFd` of those may be used afterwards: only for a child that owns a copy of the table.
pub(super) unsafe fn close_from(first: i32) -> Result<(), i32> {
    // SAFETY: the caller vouches for the closing; the numbers are all that the call takes.
    match unsafe { raw::call(libc::SYS_close_range, [first as usize, u32::MAX as usize, 0, 0, 0]) } {
        // SAFETY: as this function's.
        Err(libc::ENOSYS) => unsafe { close_listed_from(first) },
        result => result.map(drop),
    }
}

/// The same on kernels before 5.9, from the list in /proc.
///
/// # Safety
/// As for [`close_from`].
unsafe fn close_listed_from(first: i32) -> Result<(), i32> {
    const LIST: &CStr = c"/proc/self/fd";
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: a constant path; getdents64 fills a buffer of the length said; closing is vouched for by the caller.
    unsafe {
        let list = raw::call(libc::SYS_openat, [libc::AT_FDCWD as usize, LIST.as_ptr() as usize, flags as usize, 0, 0])?;
        let mut buffer = Entries([0; 2048]);
        loop {
            let length = raw::call(libc::SYS_getdents64, [list, buffer.0.as_mut_ptr() as usize, buffer.0.len(), 0, 0])?;
            let mut closed = false;
            let mut rest = buffer.0.get(..length).unwrap_or_default();
            while let Some((number, behind)) = next_entry(rest) {
                if let Some(number) = number.filter(|number| *number >= first && *number as usize != list) {
                    raw::call(libc::SYS_close, [number as usize, 0, 0, 0, 0])?;
                    closed = true;
                }
                rest = behind;
            }
            // What was closed under the reader's feet may have moved the rest of the list: begin again until there is nothing left.
            if closed {
                raw::call(libc::SYS_lseek, [list, 0, libc::SEEK_SET as usize, 0, 0])?;
            } else if length == 0 {
                break;
            }
        }
        raw::call(libc::SYS_close, [list, 0, 0, 0, 0]).map(drop)
    }
}

/// Room for directory entries, aligned as the kernel writes them.
#[repr(align(8))]
struct Entries([u8; 2048]);

/// The first entry of a getdents64 buffer, as a number if it is one, and the rest. Entries: inode and offset (8 bytes each), length (2),
/// type (1), name up to a NUL.
fn next_entry(buffer: &[u8]) -> Option<(Option<i32>, &[u8])> {
    let length = usize::from(u16::from_ne_bytes(buffer.get(16..18)?.try_into().ok()?));
    let name = buffer.get(19..length)?.split(|byte| *byte == 0).next()?;
    let digit =
        |number: i32, byte: &u8| number.checked_mul(10)?.checked_add(i32::from(byte.checked_sub(b'0').filter(|digit| *digit < 10)?));
    let number = if name.is_empty() { None } else { name.iter().try_fold(0, digit) };
    Some((number, buffer.get(length..)?))
}

/// Whether a file or directory has a list of whom it gives which rights (acl(5)), beyond what its mode says. A doubt counts as yes.
pub fn has_list(handle: BorrowedFd<'_>) -> bool {
    // The link: this call takes no handle that opens nothing.
    let path = format!("/proc/self/fd/{}\0", handle.as_raw_fd());
    // SAFETY: both names end in a NUL and outlive the call, which writes nothing where it is given no room.
    let size = unsafe { libc::getxattr(path.as_ptr().cast(), c"system.posix_acl_access".as_ptr(), std::ptr::null_mut(), 0) };
    !matches!(Errno::result(size), Err(Errno::ENODATA | Errno::EOPNOTSUPP))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{ForkResult, fork};

    /// Runs `close` in a child that holds many descriptors, and says whether exactly those below `first` are left.
    fn leaves_only_those_below(first: i32, close: unsafe fn(i32) -> Result<(), i32>) -> bool {
        let held: Vec<OwnedFd> = (0..300).map(|_| copy_above_standard(io::stdin()).unwrap()).collect();
        // SAFETY: the child makes system calls only and ends with `_exit`.
        match unsafe { fork() }.unwrap() {
            ForkResult::Child => {
                // SAFETY: the child never uses its descriptors again.
                let closed = unsafe { close(first) };
                // SAFETY: fcntl and _exit take numbers.
                unsafe {
                    let open = |fd: i32| libc::fcntl(fd, libc::F_GETFD) >= 0;
                    let right = closed.is_ok() && (0..first).all(open) && !(first..1000).any(open);
                    libc::_exit(i32::from(!right))
                }
            }
            ForkResult::Parent { child } => {
                drop(held);
                waitpid(child, None) == Ok(WaitStatus::Exited(child, 0))
            }
        }
    }

    #[test]
    fn all_descriptors_are_closed_with_and_without_close_range() {
        assert!(leaves_only_those_below(3, close_from));
        assert!(leaves_only_those_below(3, close_listed_from));
    }

    #[test]
    fn only_numbers_are_taken_for_descriptors() {
        let entry = |name: &[u8]| {
            let length = (19 + name.len() + 1).next_multiple_of(8);
            let mut bytes = vec![0; length];
            bytes[16..18].copy_from_slice(&(length as u16).to_ne_bytes());
            bytes[19..19 + name.len()].copy_from_slice(name);
            bytes
        };
        for (name, number) in [(&b"7"[..], Some(7)), (b"1024", Some(1024)), (b".", None), (b"..", None), (b"99999999999", None)] {
            let bytes = entry(name);
            assert_eq!(next_entry(&bytes), Some((number, &[][..])), "{name:?}");
        }
    }
}
