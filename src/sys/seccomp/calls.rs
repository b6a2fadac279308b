//! Which system calls a child may make.

use crate::sys::capability::Capabilities;

/// What a filter lets through. The default is the strictest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Whether there will be a listener (`sys::notify`). What would be asked of it fails by itself without one.
    pub listener: bool,
    pub exec: Exec,
    pub unix: Unix,
    pub inet: Inet,
    pub signals: Signals,
    /// Whether the filter must keep files from being cut short, because Landlock does not (before ABI 3).
    pub guard_truncation: bool,
    /// Whether files can be made: none then begins as set-user-ID or set-group-ID, and there is no `openat2`, whose mode is in memory.
    pub guard_set_ids: bool,
    /// Whether the listener is asked before each new process (not thread).
    pub count_processes: bool,
    /// Whether memory is limited: then there are no files in memory, which no limit counts until they are mapped.
    pub count_memory: bool,
    /// Those that the command has; `capable` says what they open.
    pub capabilities: Capabilities,
    /// Whether the filter alone holds files, Landlock being left out: nothing is opened for writing, and no name is made or taken away.
    /// The listener is asked whether what would be opened for writing is one of the few files that may.
    pub read_only: bool,
    /// Whether the listener is told of each file before it is opened, named or removed. It lets all of it go on: a log, and no door.
    pub log_files: bool,
    /// Whether other processes can be traced: looked at, stopped, and let go on.
    pub trace: bool,
}

/// Other programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exec {
    /// None but the command's own; the listener is told of each attempt, which it refuses.
    #[default]
    Once,
    /// The listener is asked.
    Asked,
    Any,
}

/// Sockets of AF_UNIX.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unix {
    /// Pairs of streams only.
    #[default]
    Pairs,
    /// Streams, whose `connect` is asked of the listener.
    Asked,
    Any,
}

/// Sockets of AF_INET and AF_INET6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Inet {
    /// None that can send or receive: a datagram socket is asked of the listener, which hands out one that is shut; it serves `ioctl` alone.
    #[default]
    Idle,
    /// `connect` and every send that can name an address are asked of the listener. Without `datagrams`, those sockets are as in `Idle`;
    /// no send can name an address then, so none is asked about.
    Asked {
        datagrams: bool,
    },
    /// Connections and datagrams to anywhere, and no waiting for connections.
    Outbound,
    Any,
}

/// Signals to other processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signals {
    /// Not held by the filter (Landlock's scope does it, or nothing needs to).
    Free,
    /// Asked of the listener.
    Asked,
    /// Not to these processes and the groups that they lead, and not to all: all that a filter can do by itself.
    NotTo(Vec<i32>),
}

impl Default for Signals {
    fn default() -> Signals {
        Signals::NotTo(Vec::new())
    }
}
