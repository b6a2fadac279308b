//! Runs a planned line.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::job::{self, Surroundings};
use super::limit::Reached;
use super::plan::{LinePlan, PipelinePlan};
use super::sweep::Sweeper;
use crate::screen::filter::Dropped;
use crate::screen::redact::Found;
use crate::syntax::Connector;
use crate::sys::signal::Watch;

/// What ended a line before its commands ended by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// A rule's `timeout`.
    Timeout(Duration),
    /// A rule's `output`, in bytes.
    Output(u64),
    /// What the session might still show and write out.
    SessionOutput,
    /// Nothing is recorded any more, where the policy wants all to be.
    Unrecorded,
    /// One of a rule's `limits`.
    Limit(Reached),
    /// The time that the caller gave the line as a whole.
    Until,
    /// The client went away.
    Hangup,
    /// The shell itself was told to end: SIGTERM.
    Terminated,
    /// The same, and at once: see [`run`].
    Killed,
    /// SIGINT while no command ran that it could be for: before the first, or between two.
    Interrupted,
}

/// How one process went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StageOutcome {
    /// Its pipeline was skipped by `&&` or `||`, or the line ended before.
    NotRun,
    /// Allowed, but not installed: 127.
    NotFound,
    /// The kernel does not take it for a program that may be executed: 126, the reason.
    NotExecutable(String),
    /// The shell could not start it, or lost sight of it: 125, the reason.
    Failed(String),
    Exited {
        pid: i32,
        code: i32,
    },
    Killed {
        pid: i32,
        signal: i32,
    },
}

/// How a process went, and what it was kept from meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageEnd {
    pub outcome: StageOutcome,
    /// Programs that it was stopped from starting: full paths, each once, the first few.
    pub stopped: Vec<String>,
}

impl From<StageOutcome> for StageEnd {
    fn from(outcome: StageOutcome) -> StageEnd {
        StageEnd { outcome, stopped: Vec::new() }
    }
}

/// How a line went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineOutcome {
    /// The exit status of the line: of the last pipeline that ran; 128+N for signal N; 124 ended by a limit.
    pub status: u8,
    /// By pipeline and stage.
    pub stages: Vec<Vec<StageEnd>>,
    /// Bytes that passed; `None` on a terminal.
    pub bytes_out: Option<u64>,
    pub bytes_err: Option<u64>,
    /// Bytes that went to the terminal.
    pub shown: u64,
    /// Where it is in the recording, if there is one.
    pub recorded: Option<Recorded>,
    /// Why there is none any more, if there was one when the line began.
    pub unrecorded: Option<String>,
    /// What the terminal did not get, and what was taken out as a secret.
    pub dropped: Dropped,
    pub found: Found,
    pub duration: Duration,
    pub ended: Option<Ended>,
    /// What the person should be told (a program that was stopped, "no job control"); the shell prints it.
    pub notices: Vec<String>,
}

/// Where a line is in the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Where its chapter begins, in bytes of the file, and in milliseconds.
    pub offset: u64,
    pub time: u64,
    /// Bytes of its output that are not in it.
    pub left_out: u64,
}

/// Ended by a limit.
const LIMIT: u8 = 124;
/// The shell could not do its job.
const BROKEN: u8 = 125;
/// It cannot be executed.
const CANNOT_EXECUTE: u8 = 126;
/// It is not there.
const NOT_FOUND: u8 = 127;

/// Handlers, the subreaper's children and the terminal are the process's own, so a process runs one line at a time.
pub(super) static ONE_LINE: Mutex<()> = Mutex::new(());

/// Runs the line to its end, at the latest `until`; nothing that it started is left when this returns. Nothing is started if a signal that
/// ends it has come already.
///
/// `at_once` is asked when SIGTERM has come: whether the commands are to die at once, and not after they had time to clean up.
///
/// The commands die with the thread that calls this. Children that the process has from before are left alone; others must not be made
/// while it runs.
pub fn run(plan: LinePlan, until: Option<Instant>, at_once: &mut dyn FnMut() -> bool) -> LineOutcome {
    let _one = ONE_LINE.lock().unwrap_or_else(PoisonError::into_inner);
    let start = Instant::now();
    let mut notices = Vec::new();
    let LinePlan { pipelines, mut streams, signals, chapter, output_left, is_prompt_next, apart } = plan;
    let signals = Watch::new(signals);
    let sweeper = Sweeper::new(apart);
    let mut around = Surroundings {
        streams: &mut streams,
        signals: &signals,
        chapter: chapter.as_ref(),
        is_prompt_next,
        output_left,
        sweeper: &sweeper,
        notices: &mut notices,
        until,
        at_once,
    };
    around.notices.extend(around.streams.open(chapter.as_ref().map(|chapter| chapter.label.as_str())).notices);
    let mut line = Line::default();
    for pipeline in pipelines {
        line.take(pipeline, &mut around);
    }
    around.notices.extend(around.streams.close().notices);
    let ([bytes_out, bytes_err], report) = (streams.passed(), streams.report());
    LineOutcome {
        status: line.status,
        stages: line.stages,
        bytes_out,
        bytes_err,
        shown: report.shown,
        recorded: chapter.as_ref().map(|_| Recorded { offset: report.offset, time: report.time, left_out: report.left_out }),
        unrecorded: streams.take_unrecorded(),
        dropped: report.dropped,
        found: report.found,
        duration: start.elapsed(),
        ended: line.ended,
        notices,
    }
}

/// What has become of a line so far.
#[derive(Default)]
struct Line {
    status: u8,
    stages: Vec<Vec<StageEnd>>,
    ended: Option<Ended>,
    /// Whether a command died of SIGINT: what follows it is not wanted either.
    interrupted: bool,
}

impl Line {
    /// Runs the next pipeline, or skips it.
    fn take(&mut self, pipeline: PipelinePlan, around: &mut Surroundings<'_>) {
        let due = match pipeline.connector {
            Connector::Always => true,
            Connector::And => self.status == 0,
            Connector::Or => self.status != 0,
        };
        if !due || self.is_over(around) {
            self.stages.push(vec![StageOutcome::NotRun.into(); pipeline.stages.len()]);
            return;
        }
        let negated = pipeline.negated;
        let outcome = job::run(pipeline, around);
        self.ended = outcome.ended;
        // As in POSIX shells, of a pipeline only its last command counts.
        let last = outcome.stages.last().map(|stage| &stage.outcome);
        self.interrupted = matches!(last, Some(StageOutcome::Killed { signal, .. }) if *signal == Signal::SIGINT as i32);
        self.status = match (self.ended, last.map_or(0, status)) {
            (Some(ended), _) => ended_status(ended),
            (None, _) if self.interrupted => signal_status(Signal::SIGINT as i32),
            (None, status) if negated => u8::from(status == 0),
            (None, status) => status,
        };
        self.stages.push(outcome.stages);
    }

    /// Whether the rest of the line is not to run. Before and between its pipelines signals come to the shell.
    fn is_over(&mut self, around: &mut Surroundings<'_>) -> bool {
        if self.ended.is_none() && !self.interrupted {
            let abandoned = around.streams.is_abandoned().then_some(Ended::Hangup);
            self.ended = around.signals.take().into_iter().find_map(meaning).or(abandoned);
            if self.ended == Some(Ended::Terminated) && (around.at_once)() {
                self.ended = Some(Ended::Killed);
            }
            self.status = self.ended.map_or(self.status, ended_status);
        }
        self.ended.is_some() || self.interrupted
    }
}

/// What a signal means to a line of which nothing runs.
fn meaning(signal: Signal) -> Option<Ended> {
    match signal {
        Signal::SIGHUP => Some(Ended::Hangup),
        Signal::SIGTERM => Some(Ended::Terminated),
        Signal::SIGINT => Some(Ended::Interrupted),
        _ => None,
    }
}

fn ended_status(ended: Ended) -> u8 {
    match ended {
        Ended::Timeout(_) | Ended::Output(_) | Ended::SessionOutput | Ended::Limit(_) | Ended::Until | Ended::Killed => LIMIT,
        Ended::Unrecorded => BROKEN,
        Ended::Hangup => signal_status(Signal::SIGHUP as i32),
        Ended::Terminated => signal_status(Signal::SIGTERM as i32),
        Ended::Interrupted => signal_status(Signal::SIGINT as i32),
    }
}

/// The exit status that stands for how a process went.
fn status(stage: &StageOutcome) -> u8 {
    match stage {
        StageOutcome::NotRun => 0,
        StageOutcome::NotFound => NOT_FOUND,
        StageOutcome::NotExecutable(_) => CANNOT_EXECUTE,
        StageOutcome::Failed(_) => BROKEN,
        StageOutcome::Exited { code, .. } => *code as u8,
        StageOutcome::Killed { signal, .. } => signal_status(*signal),
    }
}

fn signal_status(signal: i32) -> u8 {
    128_u8.saturating_add(u8::try_from(signal).unwrap_or(0))
}
