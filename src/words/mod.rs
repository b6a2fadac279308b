//! What every layer speaks: spans, caps, safe display of hostile bytes, and one caret renderer for YAML and command lines.
#![forbid(unsafe_code)]

pub mod diagnostic;
pub mod escape;
pub mod limits;
pub mod paths;
pub mod span;
pub mod suggest;

pub use diagnostic::{Diagnostic, Severity};
pub use escape::Safe;
pub use span::{Position, Span};
