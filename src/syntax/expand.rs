//! A tree to settled words.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Request, SyntaxError, ast::Script};

/// What expansion depends on.
pub struct Context<'a> {
    /// Where globs and relative paths start.
    pub directory: &'a Path,
    /// What `~` means: the account's home directory.
    pub home: &'a str,
    /// What `$?` means: the exit status of the line before.
    pub status: u8,
    /// What `$NAME` may mean: the constants of the policy.
    pub constants: &'a BTreeMap<String, String>,
}

/// Settles the words of a line.
pub fn expand(_script: &Script, _context: &Context<'_>) -> Result<Request, SyntaxError> {
    todo!()
}
