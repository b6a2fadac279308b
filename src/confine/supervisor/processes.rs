//! Signals stay among the processes of commands, and there are only so many of those.
//!
//! A process belongs to a command if it descends from the shell and is held by more filters than the shell: the shell's own helpers are not,
//! but for those that are sealed (`sys::sealed`), which it knows.
//! What /proc says is true when it is asked. A process that ends and whose number goes to another's before the signal is sent would be
//! hit in its stead; the kernel's numbers have to go round once for that.
//!
//! `kill` of one's own group goes by a state that another thread can change in the meantime, to the shell's group say. So it is never
//! let through: a deputy signals the group that it was.

use std::fs;

use nix::errno::Errno;
use nix::unistd::{Pid, getpgid, getpid};

use super::{Decision, Purpose, Supervisor, Verdict};
use crate::sys::children::children;
use crate::sys::deputy::Outcome;
use crate::sys::notify::{Answer, Notification};
use crate::sys::{sealed, signal};
use crate::words::limits;

/// Signals to one process or thread, which must be a command's. Numbers that are in registers.
pub(super) fn signal(target: i32) -> Decision {
    if target > 0 && is_of_command(target) { Ok(Answer::Continue.into()) } else { Err(Errno::EPERM) }
}

impl Supervisor {
    pub(super) fn kill(&self, call: &Notification, target: i32, number: i32) -> Decision {
        match target {
            1.. => signal(target),
            0 => self.kill_own_group(call, number),
            // Everybody, and what has no opposite.
            -1 | i32::MIN => Err(Errno::EPERM),
            group => signal(-group),
        }
    }

    fn kill_own_group(&self, call: &Notification, number: i32) -> Decision {
        let group = getpgid(Some(call.pid))?;
        if !self.listener.is_current(call.id) || !is_of_command(group.as_raw()) {
            return Err(Errno::EPERM);
        }
        let act = |()| signal::send_to_group(group, number).map_or_else(Outcome::error, |()| Outcome::default());
        let deputy = self.depute(&[], |_, _| Ok(()), act)?;
        Ok(Verdict::Wait(deputy, Purpose::Result))
    }

    /// Lets a process start another as long as there are fewer than the limit. Counted when it could be reached, not every time; processes that
    /// start in the very moment of the count may be missed, so a few more than the limit may live for a moment.
    pub(super) fn fork(&mut self) -> Decision {
        let Some(limit) = self.oversight.processes else { return Ok(Answer::Continue.into()) };
        if self.allowance == 0 {
            let living = count(limit).ok_or(Errno::EAGAIN)?;
            self.allowance = limit.saturating_sub(living);
        }
        self.allowance = self.allowance.checked_sub(1).ok_or(Errno::EAGAIN)?;
        Ok(Answer::Continue.into())
    }
}

/// What /proc/PID/status says of a process or thread.
struct Status {
    parent: i32,
    filters: u32,
}

impl Status {
    fn of(pid: impl std::fmt::Display) -> Option<Status> {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        Some(Status { parent: value("PPid:")?.parse().ok()?, filters: value("Seccomp_filters:")?.parse().ok()? })
    }
}

fn is_of_command(pid: i32) -> bool {
    let shell = getpid().as_raw();
    let (Some(own), Some(target)) = (Status::of("self"), Status::of(pid)) else { return false };
    if target.filters <= own.filters || is_sealed(pid) {
        return false;
    }
    let mut at = Some(target);
    for _ in 0..limits::ANCESTORS {
        match at {
            Some(status) if status.parent == shell => return true,
            Some(status) if status.parent > 0 => at = Status::of(status.parent),
            _ => return false,
        }
    }
    false
}

/// Whether this is one of the shell's own that have a filter.
fn is_sealed(pid: i32) -> bool {
    sealed::living().contains(&Pid::from_raw(pid))
}

/// Processes of commands, those that have ended and are not reaped among them; not beyond `enough`. `None` where the kernel does not say
/// (CONFIG_PROC_CHILDREN).
fn count(enough: u64) -> Option<u64> {
    let own = Status::of("self")?.filters;
    // One that has just ended counts for nothing.
    let is_filtered = |pid: &i32| !is_sealed(*pid) && Status::of(*pid).is_some_and(|status| status.filters > own);
    let mut left: Vec<i32> = children(getpid().as_raw())?.into_iter().filter(is_filtered).collect();
    let mut count = 0;
    while let Some(pid) = left.pop() {
        count += 1;
        if count >= enough {
            break;
        }
        left.extend(children(pid).unwrap_or_default());
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_the_shell_nor_its_parents_nor_strangers_are_a_commands() {
        let own = getpid().as_raw();
        for pid in [own, nix::unistd::getppid().as_raw(), 1, i32::MAX] {
            assert!(!is_of_command(pid), "{pid}");
        }
        for target in [0, -1, -own, i32::MIN] {
            assert!(signal(target).is_err(), "{target}");
        }
    }

    #[test]
    fn a_helper_is_not_a_commands() {
        let mut helper = std::process::Command::new("sleep").arg("20").spawn().unwrap();
        assert!(children(getpid().as_raw()).unwrap().contains(&(helper.id() as i32)));
        assert!(!is_of_command(helper.id() as i32));
        helper.kill().unwrap();
        helper.wait().unwrap();
    }
}
