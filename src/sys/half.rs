//! A part of this program that goes on as a process of its own.
//!
//! The fork is sound because it comes while there is one thread: the child has all of the program, and uses it as it likes.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{ForkResult, fork};

use super::{caller, deadline, raw, sealed};

/// The other process. Dropped, it is killed.
#[derive(Debug)]
pub struct Half(OwnedFd);

impl Half {
    /// Makes one that keeps the standard descriptors and `kept` of this process, and ends with the status that `work` returns.
    ///
    /// # Errors
    /// The kernel gives no process, or there is more than one thread.
    pub fn split_off(kept: BorrowedFd<'_>, work: impl FnOnce(OwnedFd) -> u8) -> io::Result<Half> {
        if !is_alone() {
            return Err(io::Error::other("there is another thread"));
        }
        // SAFETY: there is one thread, so nothing is locked or half done in the child.
        match unsafe { fork() }? {
            ForkResult::Child => {
                // SAFETY: the owners of the descriptors that this closes are never dropped: the child ends below.
                let status = unsafe { deadline::keep_with_standard(kept) }.map_or(125, work);
                std::process::exit(status.into())
            }
            ForkResult::Parent { child } => {
                sealed::adopt(child);
                caller::open_pid(child, 0).map(Half).map_err(|errno| {
                    let _ = nix::sys::signal::kill(child, Signal::SIGKILL);
                    errno.into()
                })
            }
        }
    }

    /// Kills it, if it has not ended by itself.
    pub fn kill(&self) {
        // SAFETY: takes numbers. By its handle: its number may be another's if it was reaped elsewhere.
        let _ = unsafe { raw::call(libc::SYS_pidfd_send_signal, [self.0.as_raw_fd() as usize, libc::SIGKILL as usize, 0, 0, 0]) };
    }

    /// Waits for its end; its exit status, if it has one.
    pub fn wait(&self) -> Option<u8> {
        match waitid(Id::PIDFd(self.0.as_fd()), WaitPidFlag::WEXITED) {
            Ok(WaitStatus::Exited(_, status)) => u8::try_from(status).ok(),
            _ => None,
        }
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        self.kill();
        let _ = waitid(Id::PIDFd(self.0.as_fd()), WaitPidFlag::WEXITED);
    }
}

/// Whether this process has one thread. Where the kernel does not say, it has not.
fn is_alone() -> bool {
    std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1)
}
