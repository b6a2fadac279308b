//! A part of this program that goes on as a process of its own.
//!
//! The fork is sound because it comes while there is one thread: the child has all of the program, and uses it as it likes.
//!
//! It has to be killed by a thread that stays behind for that ([`Half::hold`]): the one that split it off enters a Landlock scope
//! (`confine::Confiner::set_apart`) and signals nobody outside any more, not even by dying. A domain is a thread's own.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{ForkResult, fork};

use super::{caller, deadline, pty, raw, sealed};

/// The one that was split off, for whoever asks whether it lives.
static OTHER: OnceLock<OwnedFd> = OnceLock::new();

/// Whether a part was split off and has ended. Its end is a SIGCHLD to this process.
pub fn is_gone() -> bool {
    let ended = |other: &OwnedFd| poll(&mut [PollFd::new(other.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO);
    OTHER.get().is_some_and(|other| matches!(ended(other), Ok(1..)))
}

/// The other process. Dropped, it is killed.
#[derive(Debug)]
pub struct Half {
    process: OwnedFd,
    killer: Option<Killer>,
}

/// A thread that waits until this is dropped, and then kills.
#[derive(Debug)]
struct Killer(Sender<()>, JoinHandle<()>);

/// Bytes of its stack.
const STACK: usize = 64 << 10;

impl Half {
    /// Makes one that keeps the standard descriptors and `kept` of this process, and ends with the status that `work` returns. In place of a
    /// terminal it gets `terminal`, which controls a session of its own.
    ///
    /// # Errors
    /// The kernel gives no process, or there is more than one thread.
    pub fn split_off(kept: BorrowedFd<'_>, terminal: Option<BorrowedFd<'_>>, work: impl FnOnce(OwnedFd) -> u8) -> io::Result<Half> {
        if super::start::threads()? != 1 {
            return Err(io::Error::other("there is another thread"));
        }
        // SAFETY: there is one thread, so nothing is locked or half done in the child.
        match unsafe { fork() }? {
            ForkResult::Child => {
                let moved = terminal.map_or(Ok(()), move_to).map_err(io::Error::from);
                // SAFETY: the owners of the descriptors that this closes are never dropped: the child ends below.
                let kept = moved.and_then(|()| unsafe { deadline::keep_with_standard(kept) });
                let status = kept.map_or(125, work);
                std::process::exit(status.into())
            }
            ForkResult::Parent { child } => {
                sealed::adopt(child);
                let half = caller::open_pid(child, 0).map(|process| Half { process, killer: None }).map_err(|errno| {
                    let _ = nix::sys::signal::kill(child, Signal::SIGKILL);
                    io::Error::from(errno)
                })?;
                let copy = half.process.try_clone()?;
                OTHER.get_or_init(|| copy);
                Ok(half)
            }
        }
    }

    /// Keeps it in reach, whatever the calling thread becomes. To be called when no process is split off any more that must come from one
    /// thread.
    pub fn hold(&mut self) -> io::Result<()> {
        let process = self.process.try_clone()?;
        let (order, orders) = channel();
        let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
        let thread = Builder::new().stack_size(STACK).spawn(move || {
            let _ = orders.recv();
            kill(&process);
        });
        before.thread_set_mask()?;
        self.killer = Some(Killer(order, thread?));
        Ok(())
    }

    /// Kills it, if it has not ended by itself.
    pub fn kill(&mut self) {
        match self.killer.take() {
            Some(Killer(order, thread)) => {
                drop(order);
                let _ = thread.join();
            }
            None => kill(&self.process),
        }
    }

    /// Waits for its end; its exit status, if it has one.
    pub fn wait(&self) -> Option<u8> {
        match waitid(Id::PIDFd(self.process.as_fd()), WaitPidFlag::WEXITED) {
            Ok(WaitStatus::Exited(_, status)) => u8::try_from(status).ok(),
            _ => None,
        }
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        self.kill();
        let _ = waitid(Id::PIDFd(self.process.as_fd()), WaitPidFlag::WEXITED);
    }
}

/// Puts a terminal in the place of the one that this process has.
fn move_to(terminal: BorrowedFd<'_>) -> nix::Result<()> {
    pty::lead_session(terminal)?;
    for standard in 0..3 {
        // SAFETY: takes numbers; nothing but the standard library owns these three, and it never closes them.
        unsafe {
            if libc::isatty(standard) == 1 {
                nix::Error::result(libc::dup2(terminal.as_raw_fd(), standard))?;
            }
        }
    }
    Ok(())
}

fn kill(process: &OwnedFd) {
    // SAFETY: takes numbers. By its handle: its number may be another's if it was reaped elsewhere.
    let _ = unsafe { raw::call(libc::SYS_pidfd_send_signal, [process.as_raw_fd() as usize, libc::SIGKILL as usize, 0, 0, 0]) };
}
