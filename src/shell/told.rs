//! What the person is told of a line that ran.

use std::time::Duration;

use super::message;
use crate::exec::{Ended, LineOutcome, Reached, StageEnd, StageOutcome};
use crate::policy::confinement::Limits;
use crate::policy::{Allowed, RuleRef};
use crate::syntax::{Request, Stage};
use crate::words::Safe;

/// The bounds of a stage, and the rule that they are from.
pub struct Bounds {
    timeout: Option<Duration>,
    output: Option<u64>,
    limits: Limits,
    rule: RuleRef,
}

impl Bounds {
    pub fn of(allowed: &Allowed) -> Bounds {
        let terms = allowed.terms();
        let timeout = terms.timeout.map(Duration::from_millis);
        Bounds { timeout, output: terms.output, limits: terms.confine.limits.clone(), rule: terms.rule.clone() }
    }

    /// Whether a line was ended by one of these.
    fn ended(&self, ended: Ended) -> bool {
        match ended {
            Ended::Timeout(time) => self.timeout == Some(time),
            Ended::Output(bytes) => self.output == Some(bytes),
            Ended::Limit(Reached::Cpu(time)) => self.limits.cpu == Some(time),
            Ended::Limit(Reached::Memory(bytes)) => self.limits.memory == Some(bytes),
            Ended::Limit(Reached::Processes(count)) => self.limits.processes == Some(count),
            Ended::Limit(Reached::FileSize(bytes)) => self.limits.file_size == Some(bytes),
            Ended::SessionOutput | Ended::Unrecorded | Ended::Until => false,
            Ended::Hangup | Ended::Terminated | Ended::Killed | Ended::Interrupted => false,
        }
    }
}

/// What the person is told of a line that ran: what its processes were kept from, those that did not start, and the limit that ended it.
pub fn told(request: &Request, done: &LineOutcome, bounds: &[Bounds]) -> Vec<String> {
    let stages = request.items.iter().flat_map(|item| &item.stages).zip(done.stages.iter().flatten());
    let mut messages: Vec<String> = stages.zip(bounds).flat_map(|((stage, end), bounds)| told_of(stage, end, bounds, done.ended)).collect();
    messages.extend(done.ended.and_then(|ended| {
        let rule = bounds.iter().find(|bounds| bounds.ended(ended)).map(|bounds| &bounds.rule);
        message::ended(ended, rule)
    }));
    messages
}

/// What is told of one process.
fn told_of(stage: &Stage, end: &StageEnd, bounds: &Bounds, ended: Option<Ended>) -> Vec<String> {
    let command = stage.argv.first().map_or("", |word| word.text.as_str());
    let mut messages: Vec<String> = end.stopped.iter().map(|program| message::stopped(command, program)).collect();
    let shown = Safe(command.as_bytes());
    messages.extend(match &end.outcome {
        StageOutcome::NotFound => Some(format!("{shown}: allowed, but not installed on this host")),
        StageOutcome::NotExecutable(reason) | StageOutcome::Failed(reason) => {
            Some(format!("{shown}: could not be started: {}", Safe(reason.as_bytes())))
        }
        // Nothing but the program itself knows which of its calls failed. 1 is how many programs say no.
        StageOutcome::Exited { code: 2.., .. } | StageOutcome::Killed { .. } if ended.is_none() => {
            message::limited(command, &bounds.limits, &bounds.rule)
        }
        StageOutcome::NotRun | StageOutcome::Exited { .. } | StageOutcome::Killed { .. } => None,
    });
    messages
}
