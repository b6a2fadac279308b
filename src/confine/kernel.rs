//! What the kernel under us can hold a command with, asked once a process.

use crate::sys::{landlock, notify, seccomp};

/// What this kernel has. Tests make lesser ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// The ABI of Landlock; 0 for none.
    pub landlock: u32,
    /// Whether a seccomp filter can be installed at all.
    pub filter: bool,
    /// Whether a filter can ask the shell (kernel 5.9, and no other listener above us).
    pub listener: bool,
    /// Whether commands start in a mount namespace of the session, in which what is hidden is masked.
    pub namespace: bool,
}

impl Kernel {
    /// One that holds all: for words about a policy, and not about a host.
    pub const FULL: Kernel = Kernel { landlock: 7, filter: true, listener: true, namespace: true };

    /// The kernel that this process runs on, as it was found: without a namespace of the session.
    pub fn of_host() -> Kernel {
        Kernel { landlock: landlock::abi(), filter: seccomp::is_available(), listener: notify::is_available(), namespace: false }
    }
}
