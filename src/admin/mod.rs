//! The operator's subcommands; thin; one table gives help, completion and dispatch.
#![forbid(unsafe_code)]

use std::process::ExitCode;

/// The main function of `postern`.
pub fn main() -> ExitCode {
    todo!()
}
