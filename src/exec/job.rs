//! One pipeline while it runs: started, waited for, passed on, ended.
//!
//! One loop waits for everything at once: signals (children that changed, the terminal, the shell's own end), what the relay tells of the
//! output, a terminal that went away, and the clock. It never polls, and nothing in it waits for a reader.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, ftruncate};

use super::limit::{self, Meter, Reached};
use super::plan::{Chapter, PipelinePlan, PipelineTerminal, StagePlan};
use super::relay::message::Begin;
use super::run::{Ended, StageEnd, StageOutcome};
use super::streams::{Served, Streams};
use super::sweep::Sweeper;
use crate::confine::Supervisor;
use crate::policy::confinement::Limits;
use crate::sys::leader::Leader;
use crate::sys::notify::Listener;
use crate::sys::process::{Change, Child, Group, SpawnError, Step, change, lead};
use crate::sys::signal::Watch;
use crate::words::limits;

/// What all pipelines of a line share.
pub(super) struct Surroundings<'a> {
    pub streams: &'a mut Streams,
    pub signals: &'a Watch,
    /// How it is recorded, if it is.
    pub chapter: Option<&'a Chapter>,
    /// Whether a prompt follows.
    pub is_prompt_next: bool,
    /// What the session may still show and write out, in bytes.
    pub output_left: Option<u64>,
    pub sweeper: &'a Sweeper,
    pub notices: &'a mut Vec<String>,
    /// When the whole line is to be over.
    pub until: Option<Instant>,
    /// Whether commands are to die at once now that SIGTERM has come.
    pub at_once: &'a mut dyn FnMut() -> bool,
}

/// How a pipeline went.
pub(super) struct JobOutcome {
    pub stages: Vec<StageEnd>,
    pub ended: Option<Ended>,
}

/// Runs a pipeline to its end; nothing that it started is left.
pub(super) fn run(plan: PipelinePlan, around: &mut Surroundings<'_>) -> JobOutcome {
    let mut job = Job::start(plan, around);
    while job.is_running() {
        job.turn(around);
    }
    job.dismiss_supervisors();
    job.leader = None;
    if let Err(left) = around.sweeper.sweep() {
        around.notices.push(left);
    }
    around.streams.put_back();
    job.drain(around);
    JobOutcome { stages: job.stages.into_iter().map(Stage::end).collect(), ended: job.ended }
}

/// One process of the pipeline.
struct Stage {
    state: State,
    limits: Limits,
    /// Answers what its filter asks, for as long as somebody can ask.
    supervisor: Option<Supervisor>,
    stopped: Vec<String>,
}

enum State {
    Running(Pid),
    Done(StageOutcome),
}

impl State {
    fn outcome(self) -> StageOutcome {
        match self {
            State::Done(outcome) => outcome,
            State::Running(pid) => StageOutcome::Killed { pid: pid.as_raw(), signal: Signal::SIGKILL as i32 },
        }
    }
}

impl Stage {
    /// One that was not started.
    fn never(outcome: StageOutcome) -> Stage {
        Stage { state: State::Done(outcome), limits: Limits::default(), supervisor: None, stopped: Vec::new() }
    }

    fn pid(&self) -> Option<Pid> {
        match self.state {
            State::Running(pid) => Some(pid),
            State::Done(_) => None,
        }
    }

    fn end(self) -> StageEnd {
        StageEnd { outcome: self.state.outcome(), stopped: self.stopped }
    }

    fn dismiss(&mut self) {
        if let Some(supervisor) = self.supervisor.take() {
            self.stopped = supervisor.stopped().to_vec();
        }
    }

    /// Answers what waits for an answer. Returns the limit that was reached.
    fn serve(&mut self) -> Option<Reached> {
        let supervisor = self.supervisor.as_mut()?;
        let served = supervisor.serve();
        if served.over {
            self.dismiss();
        }
        self.limits.processes.filter(|_| served.too_many_processes).map(Reached::Processes)
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
    /// Of the session with the terminal, where there is one.
    leader: Option<Leader>,
    /// What stays open until all that was written to it is on its way.
    terminal: Option<PipelineTerminal>,
    /// The process group, led by the first process that was started.
    group: Option<Pid>,
    /// When time is up, and what that then is: the rule's limit or the caller's.
    timeout: Option<(Instant, Ended)>,
    /// What more output than is allowed means.
    over: Option<Ended>,
    ended: Option<Ended>,
    /// When what is used is looked at next, where a stage has a limit on it.
    look_at: Option<Instant>,
    meter: Meter,
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
            leader: None,
            terminal: plan.terminal,
            group: None,
            timeout: time_limit(plan.timeout, around.until),
            over: None,
            ended: None,
            look_at: None,
            meter: Meter::new(),
            kill_at: None,
            abandon_at: None,
            continued: 0,
        };
        let left = around.output_left.map(|left| left.saturating_sub(around.streams.total()));
        let allowance = [plan.output, left].into_iter().flatten().min();
        job.over = if allowance == plan.output { plan.output.map(Ended::Output) } else { Some(Ended::SessionOutput) };
        let terminal = job.terminal.is_some();
        let recorded = around.chapter.map_or(0, |chapter| if terminal { chapter.limit_on_terminal } else { chapter.limit });
        let begin = Begin { allowance, recorded, terminal, prompt: around.is_prompt_next };
        let served = around.streams.begin(begin, job.terminal.as_ref().map(|terminal| &terminal.master));
        job.note_served(served, around);
        let leader = job.terminal.as_ref().map(|terminal| lead(terminal.slave.as_fd())).transpose();
        let refused = leader.as_ref().err().copied();
        job.leader = leader.ok().flatten();
        for mut stage in plan.stages {
            if let Some(error) = refused {
                job.stages.push(Stage::never(not_started(error)));
                continue;
            }
            let (limits, oversight) = (std::mem::take(&mut stage.limits), std::mem::take(&mut stage.oversight));
            let spawned = job.spawn(stage);
            let supervisor = spawned.1.map(|listener| Supervisor::new(listener, oversight));
            job.look_at = job.look_at.or(limit::is_looked_at(&limits).then(|| Instant::now() + limit::INTERVAL));
            job.stages.push(Stage { state: spawned.0, limits, supervisor, stopped: Vec::new() });
        }
        job
    }

    /// Starts one process, and lets go of what only it needs.
    fn spawn(&mut self, plan: StagePlan) -> (State, Option<Listener>) {
        let failed = |reason| (State::Done(StageOutcome::Failed(reason)), None);
        for file in &plan.cut {
            if let Err(errno) = ftruncate(file, 0) {
                return failed(format!("cannot empty its output file: {}", errno.desc()));
            }
        }
        if let Some(reason) = plan.created.iter().find_map(|creation| creation.create().err()) {
            return failed(format!("cannot create its output file: {reason}"));
        }
        let Some(child) = plan.child else { return (State::Done(StageOutcome::NotFound), None) };
        let spawned = match self.group {
            Some(first) => child.spawn(Group::Of(first), self.leader.as_ref()),
            None => child.spawn(Group::New, self.leader.as_ref()),
        };
        match spawned {
            Ok(Child { pid, listener }) => {
                self.group.get_or_insert(pid);
                (State::Running(pid), listener)
            }
            Err(error) => (State::Done(not_started(error)), None),
        }
    }

    fn is_running(&self) -> bool {
        self.running().next().is_some()
    }

    fn running(&self) -> impl Iterator<Item = Pid> {
        self.stages.iter().filter_map(Stage::pid)
    }

    /// Whoever still asks is about to be swept, and what a supervisor started for them is swept too.
    fn dismiss_supervisors(&mut self) {
        self.stages.iter_mut().for_each(Stage::dismiss);
    }

    /// Passes on what is still on its way when all have ended, as long as somebody takes it.
    fn drain(&mut self, around: &mut Surroundings<'_>) {
        let served = around.streams.drain();
        self.note_served(served, around);
        while self.ended.is_none() && around.streams.is_busy() {
            self.turn(around);
        }
    }

    /// Waits for the next thing to happen, and handles it.
    fn turn(&mut self, around: &mut Surroundings<'_>) {
        let (told, asked) = self.wait(around);
        self.note_signals(around);
        if told {
            let served = around.streams.serve();
            self.note_served(served, around);
        }
        if asked && let Some(reached) = self.stages.iter_mut().filter_map(Stage::serve).last() {
            self.end(Ended::Limit(reached));
        }
        if around.streams.is_abandoned() {
            self.end(Ended::Hangup);
        }
        self.keep_time(around);
    }

    /// Waits until something is ready or the moment has come; whether the relay has told something, and a filter may have asked something.
    fn wait(&self, around: &Surroundings<'_>) -> (bool, bool) {
        let relay = around.streams.interest();
        let mut set = vec![PollFd::new(around.signals.as_fd(), PollFlags::POLLIN)];
        set.extend(relay.map(|(fd, flags)| PollFd::new(fd, flags)));
        let asking = self.stages.iter().filter_map(|stage| stage.supervisor.as_ref()).flat_map(Supervisor::interests);
        set.extend(asking.map(|(fd, flags)| PollFd::new(fd, flags)));
        let timeout = self.next_moment().map_or(PollTimeout::NONE, |until| {
            // Rounded up, so that the moment has come when this returns.
            let left = until.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
            PollTimeout::try_from(left.as_millis()).unwrap_or(PollTimeout::MAX)
        });
        if poll(&mut set, timeout).unwrap_or(0) < 1 {
            return (false, false);
        }
        let mut shown = set.iter().skip(1).map(|entry| !entry.revents().unwrap_or(PollFlags::empty()).is_empty());
        let told = relay.is_some() && shown.next().unwrap_or(false);
        (told, shown.any(|shown| shown))
    }

    fn next_moment(&self) -> Option<Instant> {
        let timeout = self.timeout.filter(|_| self.ended.is_none()).map(|(end, _)| end);
        let look = self.look_at.filter(|_| self.ended.is_none());
        [timeout, look, self.kill_at, self.abandon_at].into_iter().flatten().min()
    }

    fn keep_time(&mut self, around: &mut Surroundings<'_>) {
        let now = Instant::now();
        if let Some((_, reason)) = self.timeout.filter(|(end, _)| *end <= now) {
            self.end(reason);
        }
        if self.ended.is_none() && self.look_at.is_some_and(|moment| moment <= now) {
            self.look_at = Some(now + limit::INTERVAL);
            self.look_at_usage(around);
        }
        if self.kill_at.is_some_and(|moment| moment <= now) {
            self.kill_at = None;
            self.kill();
        }
        if self.abandon_at.is_some_and(|moment| moment <= now) {
            around.notices.extend(self.running().map(|pid| format!("process {pid} was killed, but the kernel does not let go of it")));
            for stage in &mut self.stages {
                let state = std::mem::replace(&mut stage.state, State::Done(StageOutcome::NotRun));
                stage.state = State::Done(state.outcome());
            }
        }
    }

    /// Of a stage that has ended too: it may have left something.
    fn look_at_usage(&mut self, around: &Surroundings<'_>) {
        let orphans = around.sweeper.orphans(&self.running().collect::<Vec<_>>());
        let stages: Vec<Option<Pid>> = self.stages.iter().map(Stage::pid).collect();
        let used = self.meter.look(&stages, &orphans);
        let over = self.stages.iter().zip(used).find_map(|(stage, usage)| usage.over(&stage.limits));
        if let Some(reached) = over {
            self.end(Ended::Limit(reached));
        }
    }

    fn note_served(&mut self, served: Served, around: &mut Surroundings<'_>) {
        around.notices.extend(served.notices);
        if served.unrecorded && around.chapter.is_some_and(|chapter| chapter.required) {
            self.end(Ended::Unrecorded);
        }
        if let Some(over) = self.over.filter(|_| served.exceeded) {
            self.end(over);
        }
    }

    fn note_signals(&mut self, around: &mut Surroundings<'_>) {
        for signal in around.signals.take() {
            match signal {
                Signal::SIGCHLD => self.reap(around),
                Signal::SIGTERM if (around.at_once)() => self.kill_all(),
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
            let Some(stage) = self.stages.iter_mut().find(|stage| stage.pid() == Some(**pid)) else { continue };
            let reached = match outcome {
                StageOutcome::Killed { signal, .. } => limit::reached(&stage.limits, signal),
                _ => None,
            };
            stage.state = State::Done(outcome);
            if let Some(reached) = reached {
                self.end(Ended::Limit(reached));
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
            Ended::Timeout(_)
            | Ended::Output(_)
            | Ended::SessionOutput
            | Ended::Limit(_)
            | Ended::Until
            | Ended::Killed
            | Ended::Unrecorded => return self.kill(),
            Ended::Hangup => Signal::SIGHUP,
            Ended::Terminated => Signal::SIGTERM,
            Ended::Interrupted => Signal::SIGINT,
        };
        self.signal(signal);
        self.signal(Signal::SIGCONT);
        self.kill_at = Some(Instant::now() + limits::GRACE);
    }

    /// Ends the pipeline at once, whatever it was told before.
    fn kill_all(&mut self) {
        self.ended = Some(Ended::Killed);
        self.kill_at = None;
        self.kill();
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
