//! A line whose words are settled: what the guard is asked to decide and to run.
//!
//! It is the one thing that the front hands to the guard. No word of it is ever parsed again.

use crate::words::Span;

/// A whole line, ready to be decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The line as typed.
    pub line: String,
    /// Pipelines in order.
    pub items: Vec<Item>,
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
