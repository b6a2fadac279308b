//! Who holds a file: a lock that a process has for as long as it lives (record locks of fcntl(2)), and a handle on that process.
//!
//! The kernel names the holder to whoever can open the file, so that nothing that is written down need be believed. The lock is the
//! process's, of all its threads, and goes with *any* descriptor of the file that the process closes: it must be opened there once. A child
//! has no part in it, whatever it inherits or closes.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::{caller, raw};

/// Who holds a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    Nobody,
    Process(Pid),
    /// A process that has no number here: of another PID namespace.
    Hidden,
}

/// Holds a file that is open for writing until this process ends or closes it. `EAGAIN` where another does.
pub fn hold(file: impl AsFd) -> nix::Result<()> {
    fcntl(file, FcntlArg::F_SETLK(&whole(libc::F_WRLCK))).map(drop)
}

/// Asks who holds a file, other than this process. It need only be open. Whoever could read it could lock it so, and is no holder: the
/// question is who is in the way of such a lock.
pub fn holder(file: impl AsFd) -> nix::Result<Holder> {
    let mut lock = whole(libc::F_RDLCK);
    fcntl(file, FcntlArg::F_GETLK(&mut lock))?;
    Ok(match (i32::from(lock.l_type), lock.l_pid) {
        (libc::F_UNLCK, _) => Holder::Nobody,
        (_, pid) if pid > 0 => Holder::Process(Pid::from_raw(pid)),
        _ => Holder::Hidden,
    })
}

/// The whole file, however long it becomes.
fn whole(kind: i32) -> libc::flock {
    libc::flock { l_type: kind as libc::c_short, l_whence: libc::SEEK_SET as libc::c_short, l_start: 0, l_len: 0, l_pid: 0 }
}

/// A handle on a process, which stays that process's when its number is used again (pidfd_open(2), kernel 5.3).
#[derive(Debug)]
pub struct Process(OwnedFd);

impl Process {
    /// `ESRCH` where there is none of this number.
    pub fn open(pid: Pid) -> nix::Result<Process> {
        caller::open_pid(pid, 0).map(Process)
    }

    pub fn signal(&self, signal: Signal) -> nix::Result<()> {
        let arguments = [self.0.as_raw_fd() as usize, signal as usize, 0, 0, 0];
        // SAFETY: takes numbers, and no siginfo.
        unsafe { raw::call(libc::SYS_pidfd_send_signal, arguments) }.map(drop).map_err(Errno::from_raw)
    }

    /// Waits for its end, at most so long; whether it has come.
    pub fn wait(&self, time: Duration) -> nix::Result<bool> {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left.as_millis()).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(self.as_fd(), PollFlags::POLLIN)], timeout) {
                Ok(0) if left.is_zero() => return Ok(false),
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(true),
                Err(errno) => return Err(errno),
            }
        }
    }
}

impl AsFd for Process {
    /// Readable when it has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::io::{BufRead, BufReader};
    use std::path::Path;
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// A process that holds a file, in another language: what the kernel knows of it is no business of ours.
    const HOLD: &str = "import fcntl, sys, time\nf = open(sys.argv[1], sys.argv[2])\n\
        fcntl.lockf(f, fcntl.LOCK_SH if sys.argv[2] == 'r' else fcntl.LOCK_EX)\nprint('held', flush=True)\ntime.sleep(60)";

    /// Starts it, and waits until it holds the file.
    fn hold_elsewhere(path: &Path, mode: &str) -> Option<Child> {
        let mut python = Command::new("python3");
        let mut child = python.args(["-c", HOLD]).arg(path).arg(mode).stdout(Stdio::piped()).spawn().ok()?;
        let mut said = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "held\n");
        Some(child)
    }

    #[test]
    fn the_holder_is_known_until_it_dies() {
        let path = std::env::temp_dir().join(format!("postern-holder-{}", std::process::id()));
        File::create(&path).unwrap();
        let file = File::open(&path).unwrap();
        assert_eq!(holder(&file), Ok(Holder::Nobody));
        let Some(mut reader) = hold_elsewhere(&path, "r") else {
            crate::words::skip("that the holder of a file is known: there is no python3");
            return;
        };
        assert_eq!(holder(&file), Ok(Holder::Nobody), "a reader with a lock");
        reader.kill().unwrap();
        reader.wait().unwrap();
        let mut child = hold_elsewhere(&path, "a").unwrap();
        let pid = Pid::from_raw(child.id().cast_signed());
        assert_eq!(holder(&file), Ok(Holder::Process(pid)));
        assert_eq!(hold(OpenOptions::new().append(true).open(&path).unwrap()), Err(Errno::EAGAIN));
        let process = Process::open(pid).unwrap();
        assert_eq!(process.wait(Duration::from_millis(10)), Ok(false));
        process.signal(Signal::SIGKILL).unwrap();
        assert_eq!(process.wait(Duration::from_secs(10)), Ok(true));
        child.wait().unwrap();
        assert_eq!(holder(&file), Ok(Holder::Nobody));
        assert_eq!(process.signal(Signal::SIGTERM), Err(Errno::ESRCH));
        std::fs::remove_file(path).unwrap();
    }
}
