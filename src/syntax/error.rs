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

impl SyntaxError {
    /// A refusal at a place.
    pub(super) fn new(message: impl Into<String>, span: Span) -> Self {
        SyntaxError { message: message.into(), span, help: None }
    }

    /// A construct of other shells that this one leaves out.
    pub(super) fn foreign(construct: &str, span: Span) -> Self {
        SyntaxError::new(format!("{construct} is not part of this shell"), span)
    }

    /// The same refusal with what to write instead.
    pub(super) fn with_help(self, help: impl Into<String>) -> Self {
        SyntaxError { help: Some(help.into()), ..self }
    }
}
