//! How each of the shell's output and error is passed on.

use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::sys::stat::{FileStat, SFlag, fstat, major, minor};
use nix::unistd::isatty;

use crate::exec::walk::kind;

/// How one of the two is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exec) enum Passing {
    /// Commands get another, which the relay serves.
    Terminal,
    /// Handed on as it is: /dev/null.
    Null,
    /// Commands get a pipe of ours.
    Relayed(Target),
    /// The two are one file, so one pipe serves both, that their order be kept.
    WithOutput,
}

/// Where a stream goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exec) struct Target {
    pub way: Way,
    /// Whether somebody may be at the other end, and go away.
    pub is_client: bool,
}

/// How bytes reach a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exec) enum Way {
    Splice,
    Send,
    Write,
}

impl Passing {
    pub fn target(self) -> Option<Target> {
        match self {
            Passing::Relayed(target) => Some(target),
            Passing::Terminal | Passing::Null | Passing::WithOutput => None,
        }
    }

    /// Whether its bytes are counted.
    pub fn is_counted(self) -> bool {
        !matches!(self, Passing::Terminal | Passing::Null)
    }
}

/// How output and error are passed on.
pub(in crate::exec) fn of(output: BorrowedFd<'_>, error: BorrowedFd<'_>) -> nix::Result<[Passing; 2]> {
    let stats = [fstat(output)?, fstat(error)?];
    let [first, second] = [passing(output, &stats[0]), passing(error, &stats[1])];
    let one = (stats[0].st_dev, stats[0].st_ino) == (stats[1].st_dev, stats[1].st_ino);
    let second = if one && second.target().is_some() { Passing::WithOutput } else { second };
    Ok([first, second])
}

/// Whether it is a terminal. One that hung up says EIO, and is one all the same (tty_ioctl(4)).
pub(in crate::exec) fn is_terminal(fd: BorrowedFd<'_>) -> bool {
    matches!(isatty(fd), Ok(true) | Err(Errno::EIO))
}

fn passing(fd: BorrowedFd<'_>, stat: &FileStat) -> Passing {
    if is_terminal(fd) {
        return Passing::Terminal;
    }
    if kind(stat) == SFlag::S_IFCHR && (major(stat.st_rdev), minor(stat.st_rdev)) == (1, 3) {
        return Passing::Null;
    }
    let (way, is_client) = match kind(stat) {
        SFlag::S_IFIFO => (Way::Splice, true),
        SFlag::S_IFSOCK => (Way::Send, true),
        _ => (Way::Write, false),
    };
    Passing::Relayed(Target { way, is_client })
}
