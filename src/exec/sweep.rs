//! What a command left behind: everything that it started, daemonised or not, ends with it.
//!
//! The shell is a subreaper, so whoever loses its parent becomes the shell's child; whatever child of the shell was not there before the
//! line belongs to it. Each is killed and reaped, and its own children then turn up, until there are none.
//!
//! Where the shell is in a Landlock domain that keeps signals inside (`confine::Confiner::set_apart`), one `kill(-1)` ends all at once: the
//! kernel walks the list of processes under the lock that a fork needs, so nothing that forks can outrun it. Elsewhere something that
//! forks fast enough may, for as long as the sweep has time.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, getpid};

use crate::sys::{children, sealed};
use crate::words::limits;

pub(super) struct Sweeper {
    /// Children that the shell had before the line: helpers of `sys::deadline` that hang, and the relay.
    before: BTreeSet<i32>,
    /// Whether wait(2) speaks of some of those: of the relay it does not.
    awaits: bool,
    /// Whether a signal to all reaches nothing but what this process started.
    apart: bool,
}

impl Sweeper {
    /// Makes this process the reaper of whatever loses its parent below it.
    pub fn new(apart: bool) -> Sweeper {
        // Only an older kernel than any that is supported (3.4) refuses; then daemons go to init, and the death signal still binds the rest.
        let _ = nix::sys::prctl::set_child_subreaper(true);
        // The list may miss one that is there; those of the shell's own must not be missed.
        let own = sealed::living().into_iter().map(Pid::as_raw);
        Sweeper { before: children().unwrap_or_default().into_iter().chain(own).collect(), awaits: has_children(), apart }
    }

    /// Kills and reaps everything that is not from before the line. An error tells the person what is left.
    pub fn sweep(&self) -> Result<(), String> {
        let end = Instant::now() + limits::SWEEP_DEADLINE;
        let mut empty = 0;
        while has_children() {
            if self.apart {
                // Helpers that hang go with them: nobody waits for those.
                let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
            }
            let left = self.left().ok_or("the kernel does not say what the command left behind")?;
            // A list that is read while it changes may miss one, so it is believed the second time.
            empty = if left.is_empty() { empty + 1 } else { 0 };
            if empty > 1 && self.awaits {
                break;
            }
            if Instant::now() > end {
                return Err(format!("the command left {} processes behind that do not end", left.len().max(1)));
            }
            for pid in &left {
                let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
            }
            if reap_all(end) == 0 && !left.is_empty() {
                // Dying takes a moment, and there is nothing to wait on for processes that are not yet our children.
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        Ok(())
    }

    /// What the command started, lost its parent, and hangs below this process now.
    pub fn orphans(&self, own: &[Pid]) -> Vec<Pid> {
        self.left().unwrap_or_default().into_iter().map(Pid::from_raw).filter(|pid| !own.contains(pid)).collect()
    }

    /// Reaps what has ended by itself and lost its parent, so that a long command does not fill the process table.
    pub fn reap_orphans(&self, own: &[Pid]) {
        self.orphans(own).into_iter().for_each(|pid| {
            reap(pid);
        });
    }

    fn left(&self) -> Option<BTreeSet<i32>> {
        Some(children()?.difference(&self.before).copied().collect())
    }
}

/// Reaps a child that has ended; false when it has not.
fn reap(pid: Pid) -> bool {
    !matches!(waitpid(pid, Some(WaitPidFlag::WNOHANG)), Ok(WaitStatus::StillAlive))
}

/// Reaps every child that has ended, until `end`; how many. One call each, however many are left: looking for each by its number would take
/// the square.
fn reap_all(end: Instant) -> usize {
    let one = || matches!(waitpid(None, Some(WaitPidFlag::WNOHANG)), Ok(status) if status != WaitStatus::StillAlive);
    let ended = || Instant::now() <= end && one();
    std::iter::from_fn(|| ended().then_some(())).count()
}

/// Whether this process has any child, living or dead; the usual answer costs one call.
fn has_children() -> bool {
    waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT) != Err(Errno::ECHILD)
}

/// This process's children, or `None` if the kernel does not say (CONFIG_PROC_CHILDREN).
fn children() -> Option<BTreeSet<i32>> {
    children::children(getpid().as_raw()).map(BTreeSet::from_iter)
}
