//! What a decision must know about the host, asked of whoever knows it.

use std::path::PathBuf;

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Absolute, without `.`, `..` or symbolic links. Of a path that does not exist: its nearest existing ancestor, resolved, and
    /// the rest of its names.
    pub path: PathBuf,
    pub exists: bool,
}

/// Facts about the host. `exec::lookup` asks the kernel; tests answer from a table.
pub trait Facts {
    /// Where `path` (absolute, or relative to the session's directory) leads, looked up with the rights of `run_as`, or of the account
    /// itself for `None`. The error is a reason in words, such as "permission denied" or "no answer within 1s".
    fn resolve(&self, path: &str, run_as: Option<&str>) -> Result<Resolved, String>;

    /// Whether the full path `typed` names the same program, by path, as the bare `name` found on `search`.
    fn same_program(&self, typed: &str, name: &str, search: &[String]) -> bool;
}
