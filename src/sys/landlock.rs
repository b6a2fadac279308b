//! Landlock: what of the file system, and which processes, a child can reach (landlock(7); kernel 5.13, ABI 1).

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

/// The version of the interface that this kernel has; 0 for none.
pub fn abi() -> u32 {
    0
}

/// Rights on files and directories, as `LANDLOCK_ACCESS_FS_*` has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights(pub u64);

/// A ruleset: what it handles is denied but for its rules.
#[derive(Debug)]
pub struct Ruleset(OwnedFd);

impl Ruleset {
    /// An empty ruleset that handles all that `abi` knows of files but execution, which `execution` adds; bound and connected TCP ports
    /// as asked; and with `scope` (ABI 6) signals and abstract sockets.
    pub fn new(_abi: u32, _execution: bool, _scope: bool) -> io::Result<Ruleset> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Gives rights on an open file or directory (`O_PATH`), with all that is below it.
    pub fn allow(&self, _path: BorrowedFd<'_>, _rights: Rights) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn into_fd(self) -> OwnedFd {
        self.0
    }
}

/// Puts this process, and what it will start, into a domain of its own: no process in it can signal one outside. ABI 6. For good.
pub fn enter_scope() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

// STUB until merged
pub(super) fn restrict(_fd: i32) -> Result<(), i32> {
    Ok(())
}
