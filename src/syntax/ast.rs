//! The tree of a line, before expansion.

/// A parsed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The line as typed.
    pub line: String,
    /// Pipelines in order; empty for a blank line or a comment.
    pub pipelines: Vec<Pipeline>,
}

/// Commands joined by pipes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {}
