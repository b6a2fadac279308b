//! The shell's own processes without privilege: the *front*, which reads what the person types, and the *relay*, through which the output
//! of commands passes. Each is given up to what it needs, for good, before it sees a byte that is not the shell's.
//!
//! A seal is: the ids and groups of a user, no capabilities and nothing left to gain any by, no file that could be opened (Landlock, where
//! the kernel has it), out of reach of other processes' ptrace(2), and a list of system calls (`lists`). The ids alone would not do: whoever
//! took over such a process could act as the account outside of any rule. The list alone would not either: it is one filter, and a defect of
//! the kernel behind one listed call would be one of root's.
//!
//! The front's list refuses with EPERM: it has the line editor and the C library in it, which try this and that and do without. The relay's
//! kills: it makes a dozen calls that are all in this repository, so whatever makes another one is not the relay any more; and its end is one
//! that the guard sees and that stands in the kernel's log, where an error would leave whoever it is to try the next.
//!
//! A kernel without filters or without Landlock goes without: then commands are not held by them either, which `confinement:` of the policy
//! allows or not, and every record says.

mod lists;
mod process;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

pub use process::{Process, StartError, adopt, dismiss, living, start};

use super::capability::{self, Capabilities};
use super::identity::{Change, Identity};
use super::seccomp::{self, Filter, ListError};
use super::step::{SpawnError, Step};
use super::{descriptor, landlock, raw};

/// Which process is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Front,
    Relay,
}

/// Why a process cannot be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("no system call filter: {0}")]
    List(#[from] ListError),
    #[error("no ruleset: {0}")]
    Ruleset(#[from] io::Error),
    #[error(transparent)]
    Step(#[from] SpawnError),
}

/// Seals the calling process, which must have one thread only, as that of `identity` (`None`: the ids that it has). On an error it is
/// sealed in part, and must end.
///
/// What is open stays open: to close the rest is the caller's.
pub fn seal(identity: Option<&Identity>, role: Role) -> Result<(), SealError> {
    let seal = Seal::new(identity, role)?;
    seal.give_up()?;
    Ok(seal.hold_to_list()?)
}

/// A seal, everything allocated: it can be taken on between fork and the first line of work.
struct Seal {
    /// What it takes to become the user.
    change: Option<Change>,
    /// `None` where the kernel has no filters.
    filter: Option<Filter>,
    ruleset: Option<OwnedFd>,
    /// Whether the bounding set can be emptied.
    bounds: bool,
}

impl Seal {
    fn new(identity: Option<&Identity>, role: Role) -> Result<Seal, SealError> {
        let (list, otherwise) = lists::of(role);
        Ok(Seal {
            change: identity.map(Identity::change).transpose().map_err(io::Error::from)?,
            filter: seccomp::is_available().then(|| Filter::allowing(&list, otherwise)).transpose()?,
            // Out of the way of what the process is given.
            ruleset: landlock::Ruleset::of_nothing()?.map(descriptor::copy_above_standard).transpose().map_err(io::Error::from)?,
            bounds: capability::can_bound(),
        })
    }

    /// All but the filter, in the order that privilege allows; what a change of ids undoes is behind it. Async-signal-safe.
    fn give_up(&self) -> Result<(), SpawnError> {
        at(Step::NoNewPrivileges, prctl(libc::PR_SET_NO_NEW_PRIVS, 1))?;
        at(Step::Ruleset, self.ruleset.as_ref().map_or(Ok(()), |ruleset| landlock::restrict(ruleset.as_raw_fd())))?;
        at(Step::BoundingSet, if self.bounds { capability::bound(Capabilities::default(), 0) } else { Ok(()) })?;
        at(Step::Identity, self.change.as_ref().map_or(Ok(()), Change::make_in_thread))?;
        at(Step::Capabilities, capability::clear())?;
        at(Step::ParentDeath, prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as usize))?;
        at(Step::Dumpable, prctl(libc::PR_SET_DUMPABLE, 0))
    }

    /// Async-signal-safe.
    fn hold_to_list(&self) -> Result<(), SpawnError> {
        // SAFETY: the filter lives.
        at(Step::Filter, self.filter.as_ref().map_or(Ok(()), |filter| unsafe { seccomp::install(&filter.program()) }))
    }
}

fn at(step: Step, result: Result<(), i32>) -> Result<(), SpawnError> {
    result.map_err(|errno| SpawnError { step, reason: nix::Error::from_raw(errno) })
}

fn prctl(option: i32, value: usize) -> Result<(), i32> {
    // SAFETY: the options used here take numbers only.
    unsafe { raw::call(libc::SYS_prctl, [option as usize, value, 0, 0, 0]) }.map(drop)
}
