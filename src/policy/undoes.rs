//! What a capability undoes of what holds a command, whatever else its confinement says: for those who say what a policy makes impossible.
//!
//! After capabilities(7). In doubt one is listed: a promise too few is read once more, and one too many is believed. Those that
//! the second door leaves without effect under every base but `open` are left out, but for CAP_KILL, which nobody expects to do nothing.

use super::confinement::Confinement;

/// What the kernel no longer makes impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undone {
    /// Files, disks and devices stay as they are.
    Changes,
    /// What is not the account's to read is not read: keys, raw devices, the memory and environment of processes.
    Reads,
    /// The command stays who it was started as.
    Becomes,
    /// Other processes go on as they are.
    Processes,
    /// Nothing leaves or enters the host, nor is the way of what does changed.
    Network,
}

use Undone::{Becomes, Changes, Network, Processes, Reads};

const TABLE: &[(&str, &[Undone])] = &[
    ("CAP_SYS_ADMIN", &[Changes, Reads]),
    ("CAP_SYS_RAWIO", &[Changes, Reads]),
    ("CAP_DAC_OVERRIDE", &[Reads]),
    ("CAP_DAC_READ_SEARCH", &[Reads]),
    ("CAP_SYS_PTRACE", &[Reads]),
    ("CAP_PERFMON", &[Reads]),
    ("CAP_CHECKPOINT_RESTORE", &[Reads]),
    ("CAP_IPC_OWNER", &[Changes, Reads]),
    ("CAP_SETUID", &[Reads, Becomes]),
    ("CAP_SETGID", &[Reads, Becomes]),
    ("CAP_KILL", &[Processes]),
    ("CAP_SYS_NICE", &[Processes]),
    ("CAP_SYS_RESOURCE", &[Processes]),
    ("CAP_NET_RAW", &[Network]),
    ("CAP_NET_ADMIN", &[Network]),
];

/// Whether a capability of the confinement undoes something.
pub fn is_undone(confine: &Confinement, what: Undone) -> bool {
    confine.capabilities.iter().any(|name| of_capability(name).contains(&what))
}

/// All that a capability undoes.
pub fn of_capability(name: &str) -> &'static [Undone] {
    TABLE.iter().find(|(listed, _)| *listed == name).map_or(&[], |(_, undone)| undone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::capability::NAMES;

    #[test]
    fn every_name_is_one_of_the_kernels() {
        for (name, _) in TABLE {
            assert!(NAMES.iter().any(|known| name.strip_prefix("CAP_") == Some(*known)), "{name}");
        }
    }
}
