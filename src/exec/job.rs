//! One pipeline while it runs: started, waited for, passed on, ended.
//!
//! One loop waits for everything at once: signals (children that changed, the terminal, the shell's own end), output on its way, a client
//! that went away, and the clock. It never polls, and nothing in it waits for a reader.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, ftruncate};

use super::plan::{PipelinePlan, StagePlan};
use super::run::{Ended, StageOutcome};
use super::streams::{Purpose, Streams};
use super::sweep::Sweeper;
use crate::sys::process::{Change, Group, SpawnError, Step, change};
use crate::sys::signal::Watch;
use crate::sys::tty::Terminal;
use crate::words::limits;

/// What all pipelines of a line share.
pub(super) struct Surroundings<'a> {
    pub streams: &'a mut Streams,
    pub signals: &'a Watch,
    pub terminal: Option<&'a Terminal>,
    pub sweeper: &'a Sweeper,
    pub notices: &'a mut Vec<String>,
    /// When the whole line is to be over.
    pub until: Option<Instant>,
}

/// How a pipeline went.
pub(super) struct JobOutcome {
    pub stages: Vec<StageOutcome>,
    pub ended: Option<Ended>,
}

/// Runs a pipeline to its end; nothing that it started is left.
pub(super) fn run(plan: PipelinePlan, around: &mut Surroundings<'_>) -> JobOutcome {
    let mut job = Job::start(plan, around);
    while job.is_running() {
        job.turn(around);
    }
    if let Err(left) = around.sweeper.sweep() {
        around.notices.push(left);
    }
    if let Some(terminal) = around.terminal {
        terminal.take_back();
    }
    job.drain(around);
    JobOutcome { stages: job.stages.into_iter().map(Stage::outcome).collect(), ended: job.ended }
}

enum Stage {
    Running(Pid),
    Done(StageOutcome),
}

impl Stage {
    fn outcome(self) -> StageOutcome {
        match self {
            Stage::Done(outcome) => outcome,
            Stage::Running(pid) => StageOutcome::Killed { pid: pid.as_raw(), signal: Signal::SIGKILL as i32 },
        }
    }
}

/// The earlier of the two ends.
fn time_limit(limit: Option<Duration>, until: Option<Instant>) -> Option<(Instant, Ended)> {
    let of_rule = limit.and_then(|limit| Some((Instant::now().checked_add(limit)?, Ended::Timeout(limit))));
    let of_line = until.map(|end| (end, Ended::Until));
    [of_rule, of_line].into_iter().flatten().min_by_key(|(end, _)| *end)
}

struct Job {
    stages: Vec<Stage>,
    /// The process group, led by the first process that was started.
    group: Option<Pid>,
    /// When time is up, and what that then is: the rule's limit or the caller's.
    timeout: Option<(Instant, Ended)>,
    /// The rule's bound on output, and what is left of it.
    output: Option<u64>,
    allowance: Option<u64>,
    ended: Option<Ended>,
    /// When what was told to end is killed.
    kill_at: Option<Instant>,
    /// When what was killed is not waited for any more: the kernel does not let go of it.
    abandon_at: Option<Instant>,
    continued: u32,
}

impl Job {
    fn start(plan: PipelinePlan, around: &mut Surroundings<'_>) -> Job {
        let mut job = Job {
            stages: Vec::new(),
            group: None,
            timeout: time_limit(plan.timeout, around.until),
            output: plan.output,
            allowance: plan.output,
            ended: None,
            kill_at: None,
            abandon_at: None,
            continued: 0,
        };
        for stage in plan.stages {
            let stage = job.spawn(stage, around);
            job.stages.push(stage);
        }
        job
    }

    /// Starts one process, and lets go of what only it needs.
    fn spawn(&mut self, plan: StagePlan, around: &mut Surroundings<'_>) -> Stage {
        for file in &plan.cut {
            if let Err(errno) = ftruncate(file, 0) {
                return Stage::Done(StageOutcome::Failed(format!("cannot empty its output file: {}", errno.desc())));
            }
        }
        if let Some(reason) = plan.created.iter().find_map(|creation| creation.create().err()) {
            return Stage::Done(StageOutcome::Failed(format!("cannot create its output file: {reason}")));
        }
        let Some(child) = plan.child else { return Stage::Done(StageOutcome::NotFound) };
        let spawned = match self.group {
            Some(leader) => child.spawn(Group::Of(leader), None),
            None => child.spawn(Group::New, around.terminal.map(Terminal::as_fd)),
        };
        match spawned {
            Ok(pid) => {
                self.group.get_or_insert(pid);
                Stage::Running(pid)
            }
            Err(error) => Stage::Done(not_started(error)),
        }
    }

    fn is_running(&self) -> bool {
        self.running().next().is_some()
    }

    fn running(&self) -> impl Iterator<Item = Pid> {
        self.stages.iter().filter_map(|stage| match stage {
            Stage::Running(pid) => Some(*pid),
            Stage::Done(_) => None,
        })
    }

    /// Passes on what is still on its way when all have ended, as long as somebody takes it.
    fn drain(&mut self, around: &mut Surroundings<'_>) {
        self.pass(around);
        while self.ended.is_none() && around.streams.is_busy() {
            self.turn(around);
        }
    }

    /// Waits for the next thing to happen, and handles it.
    fn turn(&mut self, around: &mut Surroundings<'_>) {
        let ready = wait(around, self.next_moment());
        self.note_signals(around);
        for (purpose, shown) in ready {
            match purpose {
                Purpose::Relay => self.pass(around),
                Purpose::Client(client) => around.streams.note(client, shown),
            }
        }
        if around.streams.is_abandoned() {
            self.end(Ended::Hangup);
        }
        self.keep_time(around);
    }

    fn next_moment(&self) -> Option<Instant> {
        let timeout = self.timeout.filter(|_| self.ended.is_none()).map(|(end, _)| end);
        [timeout, self.kill_at, self.abandon_at].into_iter().flatten().min()
    }

    fn keep_time(&mut self, around: &mut Surroundings<'_>) {
        let now = Instant::now();
        if let Some((_, reason)) = self.timeout.filter(|(end, _)| *end <= now) {
            self.end(reason);
        }
        if self.kill_at.is_some_and(|moment| moment <= now) {
            self.kill_at = None;
            self.kill();
        }
        if self.abandon_at.is_some_and(|moment| moment <= now) {
            around.notices.extend(self.running().map(|pid| format!("process {pid} was killed, but the kernel does not let go of it")));
            self.stages = std::mem::take(&mut self.stages).into_iter().map(|stage| Stage::Done(stage.outcome())).collect();
        }
    }

    fn pass(&mut self, around: &mut Surroundings<'_>) {
        let served = around.streams.pass(&mut self.allowance);
        around.notices.extend(served.notices);
        if let Some(output) = self.output.filter(|_| served.exceeded) {
            self.end(Ended::Output(output));
        }
    }

    fn note_signals(&mut self, around: &mut Surroundings<'_>) {
        for signal in around.signals.take() {
            match signal {
                Signal::SIGCHLD => self.reap(around),
                Signal::SIGTERM => self.end(Ended::Terminated),
                Signal::SIGHUP => self.end(Ended::Hangup),
                Signal::SIGINT | Signal::SIGQUIT => self.signal(signal),
                _ => {}
            }
        }
    }

    /// Takes note of children that changed. Where it was none of ours, an orphan has ended.
    fn reap(&mut self, around: &mut Surroundings<'_>) {
        let running: Vec<Pid> = self.running().collect();
        let changes: Vec<_> = running.iter().filter_map(|pid| Some((pid, change(*pid).transpose()?))).collect();
        for (pid, change) in &changes {
            let outcome = match *change {
                Ok(Change::Exited(code)) => StageOutcome::Exited { pid: pid.as_raw(), code },
                Ok(Change::Killed(signal)) => StageOutcome::Killed { pid: pid.as_raw(), signal },
                Ok(Change::Stopped(signal)) => {
                    self.go_on(**pid, signal, around);
                    continue;
                }
                Err(errno) => StageOutcome::Failed(format!("its end was missed: {}", errno.desc())),
            };
            let done = |stage: &&mut Stage| matches!(stage, Stage::Running(running) if running == *pid);
            if let Some(stage) = self.stages.iter_mut().find(done) {
                *stage = Stage::Done(outcome);
            }
        }
        if changes.is_empty() {
            around.sweeper.reap_orphans(&running);
        }
    }

    /// Continues what was stopped: there are no jobs here. What stops for a terminal that it cannot have would stop for ever.
    fn go_on(&mut self, pid: Pid, signal: i32, around: &mut Surroundings<'_>) {
        self.continued += 1;
        if [Signal::SIGTTIN as i32, Signal::SIGTTOU as i32].contains(&signal) || self.continued > limits::CONTINUES {
            around.notices.push(format!("process {pid} stopped itself (signal {signal}) and was killed"));
            let _ = kill(pid, Signal::SIGKILL);
            return;
        }
        if self.continued == 1 {
            around.notices.push("no job control: continued".to_owned());
        }
        self.signal(Signal::SIGCONT);
        let _ = kill(pid, Signal::SIGCONT);
    }

    /// Ends the pipeline for a reason; the first one counts. Limits kill at once, the rest lets it clean up first.
    fn end(&mut self, reason: Ended) {
        if self.ended.is_some() {
            return;
        }
        self.ended = Some(reason);
        let signal = match reason {
            Ended::Timeout(_) | Ended::Output(_) | Ended::Until => return self.kill(),
            Ended::Hangup => Signal::SIGHUP,
            Ended::Terminated => Signal::SIGTERM,
            Ended::Interrupted => Signal::SIGINT,
        };
        self.signal(signal);
        self.signal(Signal::SIGCONT);
        self.kill_at = Some(Instant::now() + limits::GRACE);
    }

    fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        // Those too that have left the group; what they have started ends in the sweep.
        self.running().for_each(|pid| {
            let _ = kill(pid, Signal::SIGKILL);
        });
        self.abandon_at = Some(Instant::now() + limits::SWEEP_DEADLINE);
    }

    fn signal(&self, signal: Signal) {
        // The group's number is ours as long as one of its processes has not been reaped.
        if let Some(group) = self.group.filter(|_| self.is_running()) {
            let _ = killpg(group, signal);
        }
    }
}

/// Tells a program that cannot be executed (`execve(2)`: no right, no format, no interpreter) from a shell that could not get it started.
fn not_started(error: SpawnError) -> StageOutcome {
    use Errno::{EACCES, EINVAL, ELIBBAD, ELOOP, ENOENT, ENOEXEC, ENOTDIR, EPERM, ETXTBSY};
    match error {
        SpawnError { step: Step::Execute, reason: EACCES | EINVAL | ELIBBAD | ELOOP | ENOENT | ENOEXEC | ENOTDIR | EPERM | ETXTBSY } => {
            StageOutcome::NotExecutable(error.to_string())
        }
        _ => StageOutcome::Failed(error.to_string()),
    }
}

/// Waits until something is ready or the moment has come.
fn wait(around: &Surroundings<'_>, until: Option<Instant>) -> Vec<(Purpose, PollFlags)> {
    let interests = around.streams.interests();
    let mut set = vec![PollFd::new(around.signals.as_fd(), PollFlags::POLLIN)];
    set.extend(interests.iter().map(|(fd, flags, _)| PollFd::new(*fd, *flags)));
    let timeout = until.map_or(PollTimeout::NONE, |until| {
        // Rounded up, so that the moment has come when this returns.
        let left = until.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
        PollTimeout::try_from(left.as_millis()).unwrap_or(PollTimeout::MAX)
    });
    if poll(&mut set, timeout).unwrap_or(0) < 1 {
        return Vec::new();
    }
    let shown = set.iter().skip(1).map(|entry| entry.revents().unwrap_or(PollFlags::empty()));
    let ready = interests.iter().zip(shown).filter(|(_, shown)| !shown.is_empty());
    ready.map(|((_, _, purpose), shown)| (*purpose, shown)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_program_that_cannot_be_executed_is_the_programs_fault() {
        for (step, reason, is_program) in [
            (Step::Execute, Errno::EACCES, true),
            (Step::Execute, Errno::ENOEXEC, true),
            (Step::Execute, Errno::ENOENT, true),
            (Step::Execute, Errno::ENOMEM, false),
            (Step::Clone, Errno::EAGAIN, false),
            (Step::Identity, Errno::EPERM, false),
            (Step::Filter, Errno::EACCES, false),
        ] {
            let outcome = not_started(SpawnError { step, reason });
            assert_eq!(matches!(outcome, StageOutcome::NotExecutable(_)), is_program, "{outcome:?}");
        }
    }
}
