//! A process that does one thing for a command, which may take as long as it likes: nobody waits for it.
//!
//! It has the ids of the command's user and no capabilities, so it can do no more than the command, whoever the shell is; the shell only
//! decides. It has nothing of the shell's open but what it is given. One that hangs in the kernel is killed and left behind.
//!
//! The fork is sound for the reasons that [`super::deadline`] gives, and what runs here is held to the same rules.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{ForkResult, fork};

use super::identity::Identity;
use super::{caller, capability, deadline, raw};

/// Bytes of text in an outcome; two paths, each as long as can be, fit.
const LONGEST: usize = 16 << 10;

/// A deputy at work; one that is dropped is killed.
#[derive(Debug)]
pub struct Deputy {
    process: OwnedFd,
    answer: OwnedFd,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub value: i64,
    pub text: Vec<u8>,
}

impl Outcome {
    pub fn value(value: i64) -> Outcome {
        Outcome { value, text: Vec::new() }
    }

    /// As the kernel returns errors.
    pub fn error(errno: Errno) -> Outcome {
        Outcome::value(-(errno as i64))
    }

    /// The error, if it is one.
    pub fn errno(&self) -> Option<Errno> {
        i32::try_from(self.value).ok().filter(|value| *value < 0).map(|value| Errno::from_raw(-value))
    }
}

impl Deputy {
    /// Sends one out. `look` has the shell's rights still, and copies of the descriptors `held`; `act` has the rights of `identity`
    /// (`None`: the ids of this process) and no capabilities. Neither may own a descriptor of this process.
    pub fn send<Found>(
        identity: Option<&Identity>,
        held: &[BorrowedFd<'_>],
        look: impl FnOnce(Vec<OwnedFd>) -> nix::Result<Found>,
        act: impl FnOnce(Found) -> Outcome,
    ) -> nix::Result<Deputy> {
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        // SAFETY: the child keeps to what the top of `deadline` says, and never returns.
        match unsafe { fork() }? {
            ForkResult::Child => work(theirs, identity, held, look, act),
            // Not reaped yet, so the number is its own.
            ForkResult::Parent { child } => match caller::open_pid(child, 0) {
                Ok(process) => Ok(Deputy { process, answer: ours }),
                Err(errno) => {
                    let _ = nix::sys::signal::kill(child, Signal::SIGKILL);
                    Err(errno)
                }
            },
        }
    }

    /// What came of it; `None` as long as it is at work. One that died has found out nothing: `EIO`.
    pub fn outcome(&self) -> Option<Outcome> {
        let mut room = vec![0; size_of::<i64>() + LONGEST];
        match recv(self.answer.as_raw_fd(), &mut room, MsgFlags::MSG_DONTWAIT) {
            Err(Errno::EAGAIN | Errno::EINTR) => None,
            Err(_) => Some(Outcome::error(Errno::EIO)),
            Ok(count) => {
                room.truncate(count);
                let value = room.first_chunk().map(|bytes| i64::from_ne_bytes(*bytes));
                let text = room.get(size_of::<i64>()..).map(<[u8]>::to_vec);
                Some(value.zip(text).map_or(Outcome::error(Errno::EIO), |(value, text)| Outcome { value, text }))
            }
        }
    }
}

impl AsFd for Deputy {
    /// Readable when there is an outcome.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.answer.as_fd()
    }
}

impl Drop for Deputy {
    fn drop(&mut self) {
        // SAFETY: takes numbers. By its handle and not by its number, which may be another's if it was reaped elsewhere.
        let _ = unsafe { raw::call(libc::SYS_pidfd_send_signal, [self.process.as_raw_fd() as usize, libc::SIGKILL as usize, 0, 0, 0]) };
        // One that is still dying is reaped with the orphans of the command.
        let _ = waitid(Id::PIDFd(self.process.as_fd()), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG);
    }
}

/// The deputy's whole life.
fn work<Found>(
    answer: OwnedFd,
    identity: Option<&Identity>,
    held: &[BorrowedFd<'_>],
    look: impl FnOnce(Vec<OwnedFd>) -> nix::Result<Found>,
    act: impl FnOnce(Found) -> Outcome,
) -> ! {
    // A panic must not unwind into the shell's code.
    let _ = catch_unwind(AssertUnwindSafe(|| -> io::Result<()> {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        let all: Vec<BorrowedFd<'_>> = std::iter::once(answer.as_fd()).chain(held.iter().copied()).collect();
        // SAFETY: the work keeps to what `send` says, the socket is forgotten, and this ends with `_exit`.
        let mut kept = unsafe { deadline::detach(&all) }?.into_iter();
        std::mem::forget(answer);
        let answer = kept.next().ok_or(io::ErrorKind::NotFound)?;
        let found = look(kept.collect());
        if let Some(identity) = identity {
            identity.assume()?;
        }
        capability::clear().map_err(io::Error::from_raw_os_error)?;
        // As in `deadline`.
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        prctl::set_dumpable(false)?;
        let Outcome { value, mut text } = found.map_or_else(Outcome::error, act);
        text.truncate(LONGEST);
        send(answer.as_raw_fd(), &[&value.to_ne_bytes()[..], &text].concat(), MsgFlags::MSG_NOSIGNAL)?;
        Ok(())
    }));
    // SAFETY: ends the process without running what the shell has registered for its own end.
    unsafe { libc::_exit(0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::time::{Duration, Instant};

    fn awaited(deputy: &Deputy) -> Outcome {
        poll(&mut [PollFd::new(deputy.as_fd(), PollFlags::POLLIN)], PollTimeout::from(20_000_u16)).unwrap();
        deputy.outcome().expect("an outcome in time")
    }

    #[test]
    fn an_outcome_comes_back_when_it_is_there() {
        let file = std::fs::File::open("/etc/passwd").unwrap();
        let look = |held: Vec<OwnedFd>| Ok(held.into_iter().next());
        let act = |found: Option<OwnedFd>| {
            std::thread::sleep(Duration::from_millis(100));
            let text = std::io::read_to_string(std::fs::File::from(found.unwrap())).unwrap();
            Outcome { value: -2, text: text.into_bytes() }
        };
        let deputy = Deputy::send(None, &[file.as_fd()], look, act).unwrap();
        assert_eq!(deputy.outcome(), None, "nobody waits");
        let outcome = awaited(&deputy);
        assert_eq!(outcome.errno(), Some(Errno::ENOENT));
        assert!(outcome.text.starts_with(b"root:"));
    }

    #[test]
    fn one_that_looks_in_vain_dies_or_hangs_is_an_error_or_nothing() {
        let fails = Deputy::send(None, &[], |_| Err::<(), _>(Errno::ESRCH), |()| Outcome::value(1)).unwrap();
        assert_eq!(awaited(&fails), Outcome::error(Errno::ESRCH));
        // SAFETY: the deputy may end as it likes.
        let dies = Deputy::send(None, &[], |_| Ok(()), |()| unsafe { libc::_exit(3) }).unwrap();
        assert_eq!(awaited(&dies), Outcome::error(Errno::EIO));
        let begin = Instant::now();
        let hang = |()| loop {
            std::thread::sleep(Duration::from_secs(20));
        };
        let hangs = Deputy::send(None, &[], |_| Ok(()), hang).unwrap();
        assert_eq!(hangs.outcome(), None);
        drop(hangs);
        assert!(begin.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn it_acts_as_the_commands_user_and_without_capabilities() {
        if !nix::unistd::geteuid().is_root() {
            return crate::words::skip("only root can take the ids of another user");
        }
        let status = || std::fs::read("/proc/self/status").unwrap_or_default();
        let act = |before: Vec<u8>| Outcome { value: 0, text: [before, status()].concat() };
        for (identity, uid) in [(Some(Identity { uid: 12345, gid: 23456, groups: vec![34567] }), 12345), (None, 0)] {
            let outcome = awaited(&Deputy::send(identity.as_ref(), &[], |_| Ok(status()), act).unwrap());
            let text = String::from_utf8(outcome.text).unwrap();
            let all = |name: &str| text.lines().filter_map(|line| Some(line.strip_prefix(name)?.trim().to_owned())).collect::<Vec<_>>();
            assert_eq!(all("Uid:"), ["0\t0\t0\t0".to_owned(), [uid; 4].map(|uid: i32| uid.to_string()).join("\t")]);
            let [before, after] = all("CapEff:").try_into().unwrap();
            assert!(before != after && after == "0000000000000000", "{before} then {after}");
        }
    }
}
