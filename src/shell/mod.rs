//! The session: the front (editor, prompt, parsing, globs) and the guard (decision, records, processes), tied by one narrow call.
#![forbid(unsafe_code)]

use std::process::ExitCode;

/// The main function of `posternsh`.
pub fn main() -> ExitCode {
    todo!()
}
