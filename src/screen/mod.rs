//! What may reach the person's terminal, and what from it may reach a program.
#![forbid(unsafe_code)]

mod clean;
pub mod filter;

pub use clean::clean;
pub use filter::Filter;

/// How far a step over bytes went. Nothing here allocates while it works: where there is no room in the output, less is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the input that are dealt with.
    pub taken: usize,
    /// Bytes of the output that are filled.
    pub written: usize,
}
