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
}

impl Kernel {
    /// The kernel that this process runs on.
    pub fn of_host() -> Kernel {
        Kernel { landlock: landlock::abi(), filter: seccomp::is_available(), listener: notify::is_available() }
    }
}
