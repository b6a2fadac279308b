//! The controlling terminal: lent to a command, and taken back as it was.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::termios::{FlowArg, SetArg, Termios, tcflow, tcgetattr, tcsetattr};
use nix::unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp};

use super::descriptor;

/// The terminal that this process is in the foreground of.
pub struct Terminal {
    fd: OwnedFd,
    settings: Termios,
    group: Pid,
}

impl Terminal {
    /// The controlling terminal, if one of the standard descriptors is it and this process is in its foreground. Without that there is
    /// nothing to lend.
    pub fn foreground() -> Option<Terminal> {
        let (input, output, error) = (io::stdin(), io::stdout(), io::stderr());
        [input.as_fd(), output.as_fd(), error.as_fd()].into_iter().find_map(Terminal::of)
    }

    fn of(fd: BorrowedFd<'_>) -> Option<Terminal> {
        let group = tcgetpgrp(fd).ok().filter(|group| *group == getpgrp())?;
        Some(Terminal { fd: descriptor::copy_above_standard(fd).ok()?, settings: tcgetattr(fd).ok()?, group })
    }

    /// Makes this process the foreground again, puts its settings back and lets output go on, whatever a command did. `SIGTTOU` must be
    /// ignored. A terminal that is gone cannot be restored, which is no error.
    pub fn take_back(&self) {
        let _ = tcsetpgrp(&self.fd, self.group);
        let _ = tcsetattr(&self.fd, SetArg::TCSANOW, &self.settings);
        // What the command held back with TCOOFF would hold the shell for ever; what the person holds with a key stays.
        let _ = tcflow(&self.fd, FlowArg::TCOON);
    }
}

impl AsFd for Terminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
