//! One process of which only the output is wanted: by its terms like any other, with nothing to read and no terminal, within a deadline.
//!
//! It is apart from [`super::run`], which relays to the person and obeys the terminal's signals: this one is the shell's own business and
//! over in a moment. A signal that came meanwhile ends the line that comes next.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{Pid, pipe2};

use super::plan::{PlanContext, StagePlan, plan_alone};
use super::run::ONE_LINE;
use super::sweep::Sweeper;
use crate::confine::Supervisor;
use crate::policy::Terms;
use crate::sys::process::{Change, Child, Group, change};
use crate::words::limits;

/// How often is asked whether a process has ended that has closed its output.
const INTERVAL: Duration = Duration::from_millis(1);

/// What a process wrote to standard output: at most [`limits::WITNESS_BYTES`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    pub output: Vec<u8>,
}

/// Runs one command to its end, at most [`limits::WITNESS_DEADLINE`]; nothing that it started is left when this returns. Whatever is not
/// success with little output is an error, in words: not installed, not to be planned, another exit status, a signal, too long, too much.
pub fn capture(terms: &Terms, context: &PlanContext<'_>) -> Result<Captured, String> {
    let _one = ONE_LINE.lock().unwrap_or_else(PoisonError::into_inner);
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).map_err(|errno| format!("a pipe: {}", errno.desc()))?;
    let StagePlan { child, oversight, .. } = plan_alone(terms, writer, context).map_err(|error| error.to_string())?;
    let child = child.ok_or("not installed on this host")?;
    let sweeper = Sweeper::new(context.confiner.is_apart());
    let spawned = child.spawn(Group::New, None);
    // With it goes this process's own end of the pipe.
    drop(child);
    let outcome = spawned.map_err(|error| error.to_string()).and_then(|Child { pid, listener }| {
        let supervisor = listener.map(|listener| Supervisor::new(listener, oversight));
        Watched { pid, supervisor, reader: Some(reader.into()), output: Vec::new() }.follow()
    });
    sweeper.sweep()?;
    outcome.map(|output| Captured { output })
}

/// A process while it runs.
struct Watched {
    pid: Pid,
    /// Answers what its filter asks, for as long as somebody can ask.
    supervisor: Option<Supervisor>,
    /// `None` when nobody can write any more.
    reader: Option<File>,
    output: Vec<u8>,
}

impl Watched {
    fn follow(mut self) -> Result<Vec<u8>, String> {
        let end = Instant::now() + limits::WITNESS_DEADLINE;
        loop {
            let ended = if self.reader.is_none() { change(self.pid).map_err(|errno| errno.desc().to_owned())? } else { None };
            match ended {
                Some(Change::Exited(0)) => return Ok(self.output),
                Some(Change::Exited(status)) => return Err(format!("exit status {status}")),
                Some(Change::Killed(signal)) => return Err(format!("ended by signal {signal}")),
                Some(Change::Stopped(_)) | None => {}
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!("not done within {}s", limits::WITNESS_DEADLINE.as_secs()));
            }
            self.turn(if self.reader.is_some() { left } else { INTERVAL })?;
        }
    }

    /// Waits for the next thing to happen, and handles it.
    fn turn(&mut self, left: Duration) -> Result<(), String> {
        let mut set: Vec<PollFd<'_>> = self.reader.iter().map(|reader| PollFd::new(reader.as_fd(), PollFlags::POLLIN)).collect();
        let asking = self.supervisor.iter().flat_map(Supervisor::interests);
        set.extend(asking.map(|(fd, flags)| PollFd::new(fd, flags)));
        // Rounded up: none at all would not wait.
        let timeout = PollTimeout::try_from(left + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX);
        let ready = poll(&mut set, timeout).unwrap_or(0) > 0;
        let readable = self.reader.is_some() && set.first().is_some_and(|entry| entry.any().unwrap_or(false));
        drop(set);
        if readable {
            self.read()?;
        }
        if ready && self.supervisor.as_mut().is_some_and(|supervisor| supervisor.serve().over) {
            self.supervisor = None;
        }
        Ok(())
    }

    fn read(&mut self) -> Result<(), String> {
        let mut buffer = [0; limits::WITNESS_BYTES + 1];
        let Some(reader) = &mut self.reader else { return Ok(()) };
        let count = reader.read(&mut buffer).map_err(|error| error.to_string())?;
        self.output.extend(buffer.iter().take(count));
        if count == 0 {
            self.reader = None;
        }
        if self.output.len() > limits::WITNESS_BYTES {
            return Err(format!("more than {} bytes of output", limits::WITNESS_BYTES));
        }
        Ok(())
    }
}
