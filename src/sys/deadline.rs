//! Work on a file system that may hang, done by a forked helper that can be left behind.
//!
//! A thread that a dead file server holds in the kernel would keep this process from ending; a process does not. The helper keeps
//! nothing of this process open, or a hung one would hold the client's connection as well. It is killed when time is up but not waited
//! for: not even `SIGKILL` ends a wait for some servers. What is left is reaped when it can be, by the next call, or by init.
//!
//! Why a fork is sound here, although another thread (the record writer) may run: the helper has the calling thread only, and uses of
//! what that other thread may hold locked nothing but the heap, which the C library's `fork` leaves usable. So `work` may allocate and
//! make system calls; it must not print, ask the user database, read the environment or use a descriptor of the parent.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

use super::identity::Identity;
use super::{descriptor, signal};
use crate::words::limits;

/// The work did not end in time, or gave no answer at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no answer within {0:?}")]
pub struct Elapsed(pub Duration);

/// What a helper gives back.
#[derive(Debug, Default)]
pub struct Answer {
    pub bytes: Vec<u8>,
    pub descriptor: Option<OwnedFd>,
}

/// Helpers that have not been reaped.
static LEFT: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// Runs `work` in a process of its own and returns the bytes that it returns. See the top of the file for what it may do.
pub fn within(limit: Duration, work: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>, Elapsed> {
    answer_within(limit, None, || Answer { bytes: work(), descriptor: None }).map(|answer| answer.bytes)
}

/// The same for work that may return an open descriptor, done with the ids and groups of `identity` (`None`: of this process).
pub fn answer_within(limit: Duration, identity: Option<&Identity>, work: impl FnOnce() -> Answer) -> Result<Answer, Elapsed> {
    answer_with(limit, identity, None, |_| work())
}

/// The same for work that needs one descriptor of this process: it is given a copy.
pub fn answer_with(
    limit: Duration,
    identity: Option<&Identity>,
    kept: Option<BorrowedFd<'_>>,
    work: impl FnOnce(Option<OwnedFd>) -> Answer,
) -> Result<Answer, Elapsed> {
    let end = Instant::now() + limit;
    if many_are_left() {
        return Err(Elapsed(limit));
    }
    let (ours, theirs) = UnixStream::pair().map_err(|_| Elapsed(limit))?;
    // SAFETY: the child keeps to what the top of this file says, and never returns.
    let helper = match unsafe { fork() }.map_err(|_| Elapsed(limit))? {
        ForkResult::Child => help(theirs, identity, kept, work),
        ForkResult::Parent { child } => child,
    };
    drop(theirs);
    let answer = receive(ours, end);
    leave(helper);
    answer.map_err(|_| Elapsed(limit))
}

/// Whether so many helpers hang that there should be no further one.
pub(super) fn many_are_left() -> bool {
    reap();
    left().len() >= limits::STUCK_HELPERS
}

/// Leaves a child behind that has nothing more to do: it is killed, and one that hangs in the kernel dies when it comes back from there.
pub(super) fn leave(helper: Pid) {
    let _ = kill(helper, Signal::SIGKILL);
    left().push(helper);
    reap();
}

/// Reaps the helpers that have ended; never waits.
fn reap() {
    left().retain(|helper| matches!(waitpid(*helper, Some(WaitPidFlag::WNOHANG)), Ok(WaitStatus::StillAlive)));
}

fn left() -> std::sync::MutexGuard<'static, Vec<Pid>> {
    LEFT.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The helper's whole life.
fn help(socket: UnixStream, identity: Option<&Identity>, kept: Option<BorrowedFd<'_>>, work: impl FnOnce(Option<OwnedFd>) -> Answer) -> ! {
    // A panic must not unwind into the parent's code; without an answer it is an error there.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let held: Vec<BorrowedFd<'_>> = [socket.as_fd()].into_iter().chain(kept).collect();
        // SAFETY: the work keeps to what the top of this file says, the socket is forgotten, and this ends with `_exit`.
        let mut copies = unsafe { detach(&held) }?.into_iter();
        std::mem::forget(socket);
        let socket = copies.next().map(UnixStream::from).ok_or(io::ErrorKind::NotFound)?;
        let kept = copies.next();
        if let Some(identity) = identity {
            identity.assume()?;
        }
        // Changes of ids undo the first; the second keeps the other user's processes out of the memory that this one has a copy of.
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        prctl::set_dumpable(false)?;
        send(socket, work(kept))
    }));
    // SAFETY: ends the process without running what the parent has registered for its own end.
    unsafe { libc::_exit(0) }
}

/// Lets go of everything of the parent but these, which are copied to 3 and up, in their order.
///
/// # Safety
/// In a forked helper only. Descriptors of the parent are closed under their owners, none of which it may use or drop again: it ends with `_exit`.
pub(super) unsafe fn detach(held: &[BorrowedFd<'_>]) -> io::Result<Vec<OwnedFd>> {
    // SAFETY: the dispositions of a forked process are its own.
    unsafe { signal::reset_dispositions() };
    signal::set_mask(0);
    let behind = 3 + held.len() as RawFd;
    let copies: Vec<RawFd> = held.iter().map(|fd| fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(behind))).collect::<Result<_, _>>()?;
    let mut kept = Vec::new();
    for (number, copy) in (3..).zip(copies) {
        // SAFETY: `dup2` takes numbers, and this one is nobody else's from here on (see above).
        kept.push(unsafe {
            if libc::dup2(copy, number) < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(number)
        });
    }
    // SAFETY: see above; the copies are among those that are closed.
    unsafe { descriptor::close_from(behind) }.map_err(io::Error::from_raw_os_error)?;
    let null = nix::fcntl::open("/dev/null", nix::fcntl::OFlag::O_RDWR, nix::sys::stat::Mode::empty())?;
    nix::unistd::dup2_stdin(&null)?;
    nix::unistd::dup2_stdout(&null)?;
    nix::unistd::dup2_stderr(&null)?;
    Ok(kept)
}

/// Lets go of everything but the standard descriptors and this one, which is moved to 3.
///
/// # Safety
/// In a forked process only, whose owners of the other descriptors are never used or dropped again.
pub(super) unsafe fn keep_with_standard(kept: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: `dup2` takes numbers, and 3 is nobody else's from here on (see above).
    let copy = unsafe {
        if kept.as_raw_fd() != 3 && libc::dup2(kept.as_raw_fd(), 3) < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(3)
    };
    fcntl(&copy, FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC))?;
    // SAFETY: see above.
    unsafe { descriptor::close_from(4) }.map_err(io::Error::from_raw_os_error)?;
    Ok(copy)
}

/// Sends the number of bytes with the descriptor, then the bytes.
fn send(mut socket: UnixStream, answer: Answer) -> io::Result<()> {
    let descriptors: Vec<RawFd> = answer.descriptor.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&descriptors)];
    let rights = if descriptors.is_empty() { &[] } else { &rights[..] };
    let length = answer.bytes.len().to_ne_bytes();
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(&length)], rights, MsgFlags::MSG_NOSIGNAL, None)?;
    socket.write_all(&answer.bytes)
}

/// Receives what [`send`] sends, until `end`.
fn receive(mut socket: UnixStream, end: Instant) -> io::Result<Answer> {
    wait(&socket, end)?;
    let mut length = [0; size_of::<usize>()];
    let mut space = nix::cmsg_space!(RawFd);
    let (count, descriptor) = {
        let mut parts = [IoSliceMut::new(&mut length)];
        let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
        let rights = message.cmsgs()?.find_map(|message| match message {
            ControlMessageOwned::ScmRights(descriptors) => descriptors.first().copied(),
            _ => None,
        });
        // SAFETY: the kernel has just made this descriptor for us.
        (message.bytes, rights.map(|descriptor| unsafe { OwnedFd::from_raw_fd(descriptor) }))
    };
    if count != length.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let expected = usize::from_ne_bytes(length);
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 << 10];
    while bytes.len() < expected {
        wait(&socket, end)?;
        match socket.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => bytes.extend_from_slice(chunk.get(..count).unwrap_or_default()),
        }
    }
    Ok(Answer { bytes, descriptor })
}

/// Waits until there is something to read.
pub(super) fn wait(from: impl AsFd, end: Instant) -> io::Result<()> {
    loop {
        // Rounded up: a wait that ends early would spin.
        let left = end.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
        let left = PollTimeout::try_from(left.as_millis()).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(from.as_fd(), PollFlags::POLLIN)], left) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn an_answer_of_any_size_comes_back() {
        for size in [0, 1, 100_000, 5_000_000] {
            let bytes: Vec<u8> = (0..size).map(|index: u32| index as u8).collect();
            assert_eq!(within(LONG, || bytes.clone()), Ok(bytes.clone()));
        }
    }

    #[test]
    fn work_that_hangs_is_left_behind_and_later_reaped() {
        let limit = Duration::from_millis(50);
        let start = Instant::now();
        let answer = within(limit, || {
            std::thread::sleep(LONG);
            Vec::new()
        });
        assert_eq!(answer, Err(Elapsed(limit)));
        assert!(start.elapsed() < LONG, "it did not wait for the work");
        assert_eq!(Elapsed(Duration::from_secs(1)).to_string(), "no answer within 1s");
        while !left().is_empty() {
            reap();
            std::thread::yield_now();
        }
    }

    #[test]
    fn work_that_dies_is_no_answer() {
        // SAFETY: the helper may end as it likes.
        assert!(within(LONG, || unsafe { libc::_exit(3) }).is_err());
        assert!(within(LONG, || std::panic::resume_unwind(Box::new("work"))).is_err());
    }

    #[test]
    fn a_descriptor_comes_back() {
        let work = || Answer { bytes: b"name".to_vec(), descriptor: fs::File::open("/etc/passwd").ok().map(OwnedFd::from) };
        let answer = answer_within(LONG, None, work).unwrap();
        let mut text = String::new();
        fs::File::from(answer.descriptor.unwrap()).read_to_string(&mut text).unwrap();
        assert!(!text.is_empty() && answer.bytes == b"name");
    }

    #[test]
    fn the_work_has_what_it_is_given() {
        let file = fs::File::open("/etc/passwd").unwrap();
        let work = |kept: Option<OwnedFd>| {
            let mut text = Vec::new();
            let _ = fs::File::from(kept.unwrap()).read_to_end(&mut text);
            Answer { bytes: text, descriptor: None }
        };
        let answer = answer_with(LONG, None, Some(file.as_fd()), work).unwrap();
        assert_eq!(answer.bytes, fs::read("/etc/passwd").unwrap());
    }

    #[test]
    fn the_helper_holds_nothing_of_its_parent() {
        let _held: Vec<OwnedFd> = (0..50).map(|_| descriptor::copy_above_standard(io::stdin()).unwrap()).collect();
        let links = within(LONG, || {
            let links = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
            let names = links.map(|link| fs::read_link(link.path()).unwrap_or_default().display().to_string());
            names.collect::<Vec<_>>().join("\n").into_bytes()
        });
        let links = String::from_utf8(links.unwrap()).unwrap();
        let left: Vec<&str> = links.lines().filter(|link| *link != "/dev/null" && !link.starts_with("/proc/")).collect();
        assert!(matches!(left[..], [socket] if socket.starts_with("socket:")), "{links}");
    }

    #[test]
    fn the_helper_becomes_the_user_that_is_asked_for() {
        if !nix::unistd::geteuid().is_root() {
            return crate::words::skip("only root can take the ids of another user");
        }
        let identity = Identity { uid: 12345, gid: 23456, groups: vec![34567] };
        let answer =
            answer_within(LONG, Some(&identity), || Answer { bytes: fs::read("/proc/self/status").unwrap_or_default(), descriptor: None });
        let status = String::from_utf8(answer.unwrap().bytes).unwrap();
        for line in ["Uid:\t12345\t12345\t12345\t12345", "Gid:\t23456\t23456\t23456\t23456", "Groups:\t34567 ", "CapEff:\t0000000000000000"]
        {
            assert!(status.lines().any(|is| is == line), "{line} in {status}");
        }
    }
}
