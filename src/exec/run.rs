//! Runs a planned line.

use std::time::Duration;

use super::plan::LinePlan;

/// What ended a line before its commands ended by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// A rule's `timeout`.
    Timeout(Duration),
    /// A rule's `output`, in bytes.
    Output(u64),
    /// The client went away.
    Hangup,
    /// The shell itself was told to end: SIGTERM.
    Terminated,
}

/// How one process went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StageOutcome {
    /// Its pipeline was skipped by `&&` or `||`, or the line ended before.
    NotRun,
    /// Allowed, but not installed: 127.
    NotFound,
    /// The kernel would not start it: the reason.
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

/// How a line went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineOutcome {
    /// The exit status of the line: of the last pipeline that ran; 128+N for signal N; 124 ended by a limit.
    pub status: u8,
    /// By pipeline and stage.
    pub stages: Vec<Vec<StageOutcome>>,
    /// Bytes that passed; `None` on a terminal.
    pub bytes_out: Option<u64>,
    pub bytes_err: Option<u64>,
    pub duration: Duration,
    pub ended: Option<Ended>,
    /// What the person should be told (a program that was stopped, "no job control"); the shell prints it.
    pub notices: Vec<String>,
}

/// Runs the line to its end; nothing that it started is left when this returns.
pub fn run(_plan: LinePlan) -> LineOutcome {
    todo!()
}
