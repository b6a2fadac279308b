//! What every layer speaks: spans, caps, safe display of hostile bytes, and one caret renderer for YAML and command lines.
#![forbid(unsafe_code)]

pub mod diagnostic;
pub mod escape;
pub mod limits;
pub mod paths;
pub mod span;
pub mod suggest;
pub mod typed;

pub use diagnostic::{Diagnostic, Severity};
pub use escape::Safe;
pub use span::{Position, Span};

/// Says that a test does not run here, in the form that `tests/run` counts.
#[cfg(test)]
pub fn skip(why: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr().lock(), "SKIPPED: {why}");
}
