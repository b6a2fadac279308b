//! The steps of a child from clone to exec, by which a failure is told.

use std::fmt::{self, Display, Formatter};

/// What the child was doing when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Clone,
    Leader,
    Namespace,
    Group,
    Terminal,
    Directory,
    NoNewPrivileges,
    Ruleset,
    Descriptors,
    Limits,
    BoundingSet,
    Identity,
    Capabilities,
    ParentDeath,
    Dumpable,
    Filter,
    Listener,
    Execute,
}

impl Step {
    /// In the order of their numbers.
    pub(super) const ALL: [Step; 18] = [
        Step::Clone,
        Step::Leader,
        Step::Namespace,
        Step::Group,
        Step::Terminal,
        Step::Directory,
        Step::NoNewPrivileges,
        Step::Ruleset,
        Step::Descriptors,
        Step::Limits,
        Step::BoundingSet,
        Step::Identity,
        Step::Capabilities,
        Step::ParentDeath,
        Step::Dumpable,
        Step::Filter,
        Step::Listener,
        Step::Execute,
    ];
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Clone => "cannot make a process",
            Step::Leader => "cannot make a session",
            Step::Namespace => "cannot leave the session's mount namespace",
            Step::Group => "cannot make a process group",
            Step::Terminal => "cannot take the terminal",
            Step::Directory => "cannot enter the directory",
            Step::Descriptors => "cannot set up the descriptors",
            Step::Ruleset => "cannot be held to its files",
            Step::Limits => "cannot set the limits",
            Step::BoundingSet => "cannot empty the bounding set",
            Step::Identity => "cannot become the user",
            Step::Capabilities => "cannot be left with its capabilities alone",
            Step::ParentDeath => "cannot be bound to the shell's life",
            Step::Dumpable => "cannot be kept out of reach",
            Step::NoNewPrivileges => "cannot set no_new_privs",
            Step::Filter => "cannot install the system call filter",
            Step::Listener => "cannot hand over the listener",
            Step::Execute => "cannot execute",
        })
    }
}

/// The kernel would not start a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{step}: {}", .reason.desc())]
pub struct SpawnError {
    pub step: Step,
    pub reason: nix::Error,
}
