//! Calls that a filter asks about: the listener of seccomp_unotify(2).
//!
//! The kernel says how long its structures are and may write longer ones than this was built with, so there is room for as much as it
//! says. Nothing here waits: a listener is polled before it is read, and a question whose caller died in between is none
//! (the kernel counts questions, so reading after a poll that showed one never sleeps; kernel/seccomp.c, `seccomp_notify_recv`).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

use super::seccomp::{self, Assembler, Word};
use super::{caller, raw};

/// The shell's end of a filter that asks. It hangs up when no process has the filter any more.
#[derive(Debug)]
pub struct Listener(OwnedFd);

/// A call that waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notification {
    pub id: u64,
    /// The thread that calls.
    pub pid: Pid,
    pub call: i64,
    pub arguments: [u64; 6],
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It returns this.
    Value(i64),
    Error(Errno),
    /// It is made. Safe only where all that was judged is in its registers: memory can change meanwhile.
    Continue,
}

impl From<OwnedFd> for Listener {
    fn from(fd: OwnedFd) -> Listener {
        Listener(fd)
    }
}

impl Listener {
    /// The next call that waits; `None` when there is none.
    pub fn receive(&self) -> io::Result<Option<Notification>> {
        if !self.shows(PollFlags::POLLIN) {
            return Ok(None);
        }
        let mut room = vec![0_u64; sizes()?.0];
        // SAFETY: the room is zeroed, aligned, and as long as both the kernel and our own structure.
        let received = unsafe { self.control(libc::SECCOMP_IOCTL_NOTIF_RECV, room.as_mut_ptr() as usize) };
        match received {
            // The caller has gone, or a signal came first.
            Err(Errno::ENOENT | Errno::EINTR) => return Ok(None),
            result => result?,
        };
        // SAFETY: plain numbers, which the kernel has written.
        let found = unsafe { room.as_ptr().cast::<libc::seccomp_notif>().read() };
        Ok(Some(Notification {
            id: found.id,
            pid: Pid::from_raw(found.pid as i32),
            call: found.data.nr.into(),
            arguments: found.data.args,
        }))
    }

    /// Answers. A caller that has died meanwhile is no error.
    pub fn answer(&self, id: u64, answer: Answer) -> io::Result<()> {
        let (val, error, flags) = match answer {
            Answer::Value(value) => (value, 0, 0),
            Answer::Error(errno) => (0, -(errno as i32), 0),
            Answer::Continue => (0, 0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32),
        };
        let mut room = vec![0_u64; sizes()?.1];
        // SAFETY: as long as our own structure, and aligned.
        unsafe { room.as_mut_ptr().cast::<libc::seccomp_notif_resp>().write(libc::seccomp_notif_resp { id, val, error, flags }) };
        // SAFETY: as long as both the kernel's structure and our own.
        gone_is_fine(unsafe { self.control(libc::SECCOMP_IOCTL_NOTIF_SEND, room.as_ptr() as usize) })
    }

    /// Gives the caller a copy of a descriptor (close-on-exec as asked), which its call returns. Kernel 5.14, or two steps from 5.9.
    /// A caller that has no room for it is told so.
    pub fn hand_over(&self, id: u64, descriptor: BorrowedFd<'_>, close_on_exec: bool) -> io::Result<()> {
        match self.add(id, descriptor, close_on_exec, libc::SECCOMP_ADDFD_FLAG_SEND as u32) {
            Ok(_) => Ok(()),
            Err(Errno::EINVAL) => match self.add(id, descriptor, close_on_exec, 0) {
                Ok(number) => self.answer(id, Answer::Value(number)),
                Err(errno) => self.answer(id, Answer::Error(errno)),
            },
            Err(errno) => self.answer(id, Answer::Error(errno)),
        }
    }

    /// Whether the call still waits. What was read of its caller (memory, descriptors, /proc) was its own only if this is true afterwards:
    /// before, the number may have become another process's.
    pub fn is_current(&self, id: u64) -> bool {
        // SAFETY: reads one u64.
        unsafe { self.control(libc::SECCOMP_IOCTL_NOTIF_ID_VALID, std::ptr::from_ref(&id) as usize) }.is_ok()
    }

    /// Whether nobody is left who could ask.
    pub fn is_over(&self) -> bool {
        self.shows(PollFlags::POLLHUP)
    }

    fn shows(&self, flags: PollFlags) -> bool {
        let mut set = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        let ready = poll(&mut set, PollTimeout::ZERO).is_ok_and(|count| count > 0);
        ready && set.iter().filter_map(PollFd::revents).any(|shown| shown.intersects(flags))
    }

    fn add(&self, id: u64, descriptor: BorrowedFd<'_>, close_on_exec: bool, flags: u32) -> Result<i64, Errno> {
        let newfd_flags = if close_on_exec { libc::O_CLOEXEC as u32 } else { 0 };
        let order = libc::seccomp_notif_addfd { id, flags, srcfd: descriptor.as_raw_fd() as u32, newfd: 0, newfd_flags };
        // SAFETY: the size is part of the request's number; the kernel reads as much.
        unsafe { self.control(libc::SECCOMP_IOCTL_NOTIF_ADDFD, std::ptr::from_ref(&order) as usize) }.map(|number| number as i64)
    }

    /// # Safety
    /// `argument` must be what the request takes.
    unsafe fn control(&self, request: libc::Ioctl, argument: usize) -> Result<usize, Errno> {
        // SAFETY: the caller vouches for the argument.
        unsafe { raw::call(libc::SYS_ioctl, [self.0.as_raw_fd() as usize, request as usize, argument, 0, 0]) }.map_err(Errno::from_raw)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn gone_is_fine(result: Result<usize, Errno>) -> io::Result<()> {
    match result {
        Ok(_) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Words of 64 bits for a notification and for an answer: what the kernel says, and no less than our own structures.
fn sizes() -> io::Result<(usize, usize)> {
    static SIZES: OnceLock<(usize, usize)> = OnceLock::new();
    if let Some(sizes) = SIZES.get() {
        return Ok(*sizes);
    }
    let kernel = kernel_sizes()?;
    let words = |kernel: u16, own: usize| usize::from(kernel).max(own).div_ceil(size_of::<u64>());
    let notification = words(kernel.seccomp_notif, size_of::<libc::seccomp_notif>());
    let answer = words(kernel.seccomp_notif_resp, size_of::<libc::seccomp_notif_resp>());
    Ok(*SIZES.get_or_init(|| (notification, answer)))
}

fn kernel_sizes() -> Result<libc::seccomp_notif_sizes, Errno> {
    let mut sizes = libc::seccomp_notif_sizes { seccomp_notif: 0, seccomp_notif_resp: 0, seccomp_data: 0 };
    let place = std::ptr::from_mut(&mut sizes) as usize;
    // SAFETY: writes the three sizes.
    unsafe { raw::call(libc::SYS_seccomp, [libc::SECCOMP_GET_NOTIF_SIZES as usize, 0, place, 0, 0]) }.map_err(Errno::from_raw)?;
    Ok(sizes)
}

/// A copy of a descriptor of another process, closed on exec: how a listener comes from the child that has made it (pidfd_getfd(2)).
pub fn copy_descriptor(pid: Pid, fd: RawFd) -> nix::Result<OwnedFd> {
    caller::copy(&caller::open_pid(pid, 0)?, fd)
}

/// Whether a filter of ours can have a listener: the kernel has all that [`Listener`] needs (5.9), and no filter above us has one already
/// (containers; there is one to a chain of filters).
pub fn is_available() -> bool {
    is_known() && (has_no_filter() || can_listen())
}

/// What the kernel, or a filter above us, lets us use. `EPERM` is the answer of container runtimes to what they close.
fn is_known() -> bool {
    let action = libc::SECCOMP_RET_USER_NOTIF;
    let arguments = [libc::SECCOMP_GET_ACTION_AVAIL as usize, 0, std::ptr::from_ref(&action) as usize, 0, 0];
    // SAFETY: reads one u32.
    let asks = unsafe { raw::call(libc::SYS_seccomp, arguments) }.is_ok();
    // SAFETY: no descriptors are named that could be there.
    let copies = unsafe { raw::call(libc::SYS_pidfd_getfd, [usize::MAX, usize::MAX, 0, 0, 0]) } == Err(libc::EBADF);
    // Its age is that of handing descriptors over. SAFETY: there is no such descriptor to close.
    let recent = unsafe { raw::call(libc::SYS_close_range, [u32::MAX as usize, u32::MAX as usize, 0, 0, 0]) }.is_ok();
    asks && copies && recent && sizes().is_ok()
}

fn has_no_filter() -> bool {
    // SAFETY: takes numbers.
    let mode = unsafe { raw::call(libc::SYS_prctl, [libc::PR_GET_SECCOMP as usize, 0, 0, 0, 0]) };
    mode == Ok(0)
}

/// Tries it in a child, for good there.
fn can_listen() -> bool {
    let mut program = Assembler::default();
    program.load(Word::Number);
    program.answer(libc::SECCOMP_RET_ALLOW);
    let Ok(filter) = program.finish() else { return false };
    // SAFETY: the child makes system calls only and ends with `_exit`.
    match unsafe { fork() } {
        Ok(ForkResult::Child) => {
            // SAFETY: the filter is alive; prctl and _exit take numbers.
            unsafe {
                let bound = raw::call(libc::SYS_prctl, [libc::PR_SET_NO_NEW_PRIVS as usize, 1, 0, 0, 0]);
                let listens = bound.and_then(|_| seccomp::install_with_listener(&filter.program()));
                libc::_exit(i32::from(listens.is_err()))
            }
        }
        Ok(ForkResult::Parent { child }) => loop {
            match waitpid(child, None) {
                Err(Errno::EINTR) => {}
                status => break status == Ok(WaitStatus::Exited(child, 0)),
            }
        },
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_here_has_listeners() {
        assert!(is_available());
        assert!(can_listen(), "the way for a shell that has a filter already");
    }

    #[test]
    fn what_is_no_listener_gives_nothing_and_does_not_panic() {
        let null = Listener::from(OwnedFd::from(std::fs::File::open("/dev/null").unwrap()));
        assert!(null.receive().is_err() && null.answer(1, Answer::Continue).is_err());
        assert!(null.hand_over(1, null.as_fd(), true).is_err());
        assert!(!null.is_current(1) && !null.is_over());
    }
}
