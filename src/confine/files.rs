//! Which files a command can read and write: Landlock rulesets, made once for all commands that they fit.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::rc::Rc;

use super::plan::Plan;
use crate::sys::identity::Identity;

/// The rulesets of a session.
#[derive(Debug, Default)]
pub struct Rulesets {}

/// For whom a ruleset is made, and what else it depends on.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The program that will run, `None` where this process is that user already.
    pub program: &'a Path,
    /// `None`: the ids of this process.
    pub identity: Option<&'a Identity>,
    /// The account's home directory, for `~` in hidden paths.
    pub home: &'a str,
}

/// Why there is no ruleset. In words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct FilesError(pub String);

impl Rulesets {
    /// The ruleset for a plan, as the file system is now; `None` where the plan has none.
    pub fn ruleset(&mut self, _plan: &Plan, _subject: Subject<'_>) -> Result<Option<Rc<OwnedFd>>, FilesError> {
        Ok(None)
    }
}
