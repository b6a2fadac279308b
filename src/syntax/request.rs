//! A line whose words are settled: what the guard is asked to decide and to run.
//!
//! It is the one thing that the front hands to the guard. No word of it is ever parsed again.

use crate::words::escape::hazard;
use crate::words::{Span, limits};

/// A whole line, ready to be decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The line as typed.
    pub line: String,
    /// Pipelines in order.
    pub items: Vec<Item>,
}

/// What no line of this shell means, whoever says it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no line of this shell has {0}")]
pub struct Unsound(&'static str);

impl Request {
    /// Whether these can be the words of a line: for who was given them by somebody who may not have read one.
    pub fn check(&self) -> Result<(), Unsound> {
        let stages = || self.items.iter().flat_map(|item| &item.stages);
        let words = || stages().flat_map(Stage::words);
        let spans = || words().map(|word| word.span).chain(stages().flat_map(|stage| &stage.redirects).map(|redirect| redirect.span));
        let faults = [
            (self.line.len() > limits::LINE_BYTES, "so many bytes"),
            (self.items.is_empty() || self.items.iter().any(|item| item.stages.is_empty()), "no command"),
            (stages().any(|stage| stage.argv.is_empty()), "a command without a word"),
            (words().count() > limits::LINE_WORDS, "so many words"),
            (words().any(|word| word.text.len() > limits::PATH_BYTES.max(limits::LINE_BYTES)), "a word of so many bytes"),
            (words().any(|word| word.text.chars().any(|character| hazard(character).is_some())), "a word with such characters"),
            (!spans().all(|span| self.line.get(span.start as usize..span.end as usize).is_some()), "words where it has none"),
            (self.items.first().is_some_and(|item| item.connector != Connector::Always), "nothing before its first command"),
            (
                stages().flat_map(|stage| &stage.redirects).any(|redirect| matches!(redirect.kind, RedirectKind::Null(3..))),
                "such a redirection",
            ),
        ];
        faults.into_iter().find(|(is_fault, _)| *is_fault).map_or(Ok(()), |(_, fault)| Err(Unsound(fault)))
    }
}

impl Stage {
    /// The words that it has, those of redirections among them.
    fn words(&self) -> impl Iterator<Item = &Argument> {
        let files = self.redirects.iter().filter_map(|redirect| match &redirect.kind {
            RedirectKind::Input(file) | RedirectKind::Output { file, .. } => Some(file),
            RedirectKind::ErrorToOutput | RedirectKind::Null(_) => None,
        });
        self.argv.iter().chain(files)
    }
}

/// How a pipeline hangs on the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connector {
    /// The first of a line, or behind `;`: it always runs.
    Always,
    /// Behind `&&`.
    And,
    /// Behind `||`.
    Or,
}

/// One pipeline of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub connector: Connector,
    /// `!` before it.
    pub negated: bool,
    /// The commands that its pipes join; never empty.
    pub stages: Vec<Stage>,
}

/// One process to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// The command word and its arguments; never empty.
    pub argv: Vec<Argument>,
    /// In the order written, which is the order in which they take effect.
    pub redirects: Vec<Redirect>,
}

/// A word, and where in the line it was written. Words that one glob became share its span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    pub text: String,
    pub span: Span,
}

/// One redirection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    pub kind: RedirectKind,
    pub span: Span,
}

/// What a redirection does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedirectKind {
    /// `2>&1`.
    ErrorToOutput,
    /// `< /dev/null`, `> /dev/null`, `2> /dev/null`: descriptor 0, 1 or 2.
    Null(u8),
    /// `< FILE`.
    Input(Argument),
    /// `> FILE`, or `>> FILE` with `append`.
    Output { file: Argument, append: bool },
}
