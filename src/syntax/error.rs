//! Why a line is not part of this shell.

use crate::words::Span;

/// A refused line: what is wrong, and where. Displays as the message alone; [`crate::words::diagnostic::mark`] draws the caret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    pub message: String,
    pub span: Span,
    /// What to write instead, where there is something.
    pub help: Option<String>,
}
