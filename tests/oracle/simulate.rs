//! What must happen when a request runs, by the words of DESIGN and nothing else.

use postern::syntax::{Connector, RedirectKind, Request, Stage};

use crate::scratch::Scratch;
use crate::shells::Mode;

/// What running a line did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// A record for each command that ran, pipeline by pipeline: where descriptors 0 to 2 led, and the words.
    pub pipelines: Vec<Vec<(String, Vec<String>)>>,
    pub status: u8,
    /// For each file of the line, whether it still has what was in it.
    pub kept: String,
}

impl Outcome {
    /// With the records of each pipeline in one order.
    pub fn sorted(mut self) -> Outcome {
        self.pipelines.iter_mut().for_each(|records| records.sort());
        self
    }

    /// Cuts a flat list of records into pipelines as long as those expected; what is left over is one more.
    pub fn regroup(&mut self, expected: &Outcome) {
        let mut records = std::mem::take(&mut self.pipelines).into_iter().flatten();
        self.pipelines = expected.pipelines.iter().map(|pipeline| records.by_ref().take(pipeline.len()).collect()).collect();
        let rest: Vec<_> = records.collect();
        self.pipelines.extend((!rest.is_empty()).then_some(rest));
    }
}

/// Runs a request on paper.
pub fn simulate(request: &Request, mode: Mode, scratch: &Scratch) -> Outcome {
    let files = scratch.files(request);
    let mut kept = vec!['1'; files.len()];
    let mut outcome = Outcome::default();
    for item in &request.items {
        let runs = match item.connector {
            Connector::Always => true,
            Connector::And => outcome.status == 0,
            Connector::Or => outcome.status != 0,
        };
        if !runs {
            continue;
        }
        let last = item.stages.len() - 1;
        let index = |text: &str| files.iter().position(|file| *file == scratch.path(text)).unwrap_or(9);
        outcome
            .pipelines
            .push(item.stages.iter().enumerate().map(|(place, stage)| record(stage, place == 0, place == last, index)).collect());
        for redirect in item.stages.iter().flat_map(|stage| &stage.redirects) {
            if let RedirectKind::Output { file, append: false } = &redirect.kind {
                kept[index(&file.text)] = '0';
            }
        }
        let status = mode.status(item.stages[last].argv.len());
        outcome.status = if item.negated { u8::from(status == 0) } else { status };
    }
    outcome.kept = kept.into_iter().collect();
    outcome
}

/// The record of one command: `i o e` are the descriptors of the line, `p` a pipe, `n` /dev/null, digits files from 1.
fn record(stage: &Stage, first: bool, last: bool, index: impl Fn(&str) -> usize) -> (String, Vec<String>) {
    let mut leads = [if first { 'i' } else { 'p' }, if last { 'o' } else { 'p' }, 'e'];
    let file = |text: &str| char::from_digit(index(text) as u32 + 1, 10).unwrap_or('?');
    for redirect in &stage.redirects {
        match &redirect.kind {
            RedirectKind::ErrorToOutput => leads[2] = leads[1],
            RedirectKind::Null(descriptor) => leads[usize::from(*descriptor)] = 'n',
            RedirectKind::Input(argument) => leads[0] = file(&argument.text),
            RedirectKind::Output { file: argument, .. } => leads[1] = file(&argument.text),
        }
    }
    (leads.iter().collect(), stage.argv.iter().map(|argument| argument.text.clone()).collect())
}
