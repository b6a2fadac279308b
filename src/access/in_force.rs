//! The policy in force on this host: the applied one or, where that is damaged, the one before.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::policy::{Applied, Damaged};
use crate::sys::file::{Directory, FileError, Owner};
use crate::words::paths;

/// There is no policy to go by.
#[derive(Debug, thiserror::Error)]
pub enum NotInForce {
    #[error("no policy is in force; run `postern apply`")]
    Nothing,
    #[error("{0}")]
    State(#[from] FileError),
    #[error("{applied}; the policy before it: {previous}")]
    Both { applied: String, previous: String },
}

/// An applied policy that cannot be used: not to be trusted, or damaged.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("{0}")]
    File(#[from] FileError),
    #[error("{0}")]
    Damaged(#[from] Damaged),
}

/// A policy in force, open. It stays as it is while it is open, whatever `postern apply` does meanwhile.
pub struct InForce {
    pub policy: Rc<Applied>,
    /// Set when the policy is the one before, because the applied one is damaged: why, for an alert.
    pub damage: Option<String>,
    /// The state directory.
    state: PathBuf,
    /// What stood in place of the applied policy when this was opened.
    seen: Option<Identity>,
}

/// Names a file for as long as somebody has it open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    /// Tells apart files that got the same inode one after the other.
    modified: (i64, i64),
}

impl InForce {
    /// Opens the policy in force in a state directory, [`paths::STATE_DIR`] but for tests. Its cost does not depend on the number of
    /// rules; damage among the rules is found when they are read, see [`InForce::previous`].
    pub fn open(state: &Path, owner: Owner) -> Result<InForce, NotInForce> {
        let seen = Identity::of_applied(state);
        let directory = match Directory::open(state, owner) {
            Err(error) if error.is_missing() => return Err(NotInForce::Nothing),
            directory => directory?,
        };
        let in_force = |policy: Applied, damage| InForce { policy: Rc::new(policy), damage, state: state.to_owned(), seen };
        let applied = match open_one(&directory, paths::APPLIED, owner) {
            Ok(Some(policy)) => return Ok(in_force(policy, None)),
            Ok(None) => "the applied policy is missing".to_owned(),
            Err(reason) => reason.to_string(),
        };
        match open_one(&directory, paths::PREVIOUS, owner) {
            Ok(Some(policy)) => Ok(in_force(policy, Some(applied))),
            Ok(None) if seen.is_none() => Err(NotInForce::Nothing),
            Ok(None) => Err(NotInForce::Both { applied, previous: "there is none".to_owned() }),
            Err(previous) => Err(NotInForce::Both { applied, previous: previous.to_string() }),
        }
    }

    /// The policy before the applied one, for when damage shows among the rules of the applied one. `damage` is what was found.
    pub fn previous(state: &Path, owner: Owner, damage: &Damaged) -> Result<InForce, NotInForce> {
        let seen = Identity::of_applied(state);
        let both = |previous: String| NotInForce::Both { applied: damage.to_string(), previous };
        match open_one(&Directory::open(state, owner)?, paths::PREVIOUS, owner) {
            Ok(Some(policy)) => Ok(InForce { policy: Rc::new(policy), damage: Some(damage.to_string()), state: state.to_owned(), seen }),
            Ok(None) => Err(both("there is none".to_owned())),
            Err(previous) => Err(both(previous.to_string())),
        }
    }

    /// Whether the applied policy is still the one that was found when this was opened. Costs one `stat`.
    pub fn is_current(&self) -> bool {
        self.seen == Identity::of_applied(&self.state)
    }

    /// Counts what stands in its place now as seen, so that it is not looked at again.
    pub fn stay(&mut self) {
        self.seen = Identity::of_applied(&self.state);
    }
}

impl Identity {
    fn of_applied(state: &Path) -> Option<Identity> {
        let found = std::fs::symlink_metadata(state.join(paths::APPLIED)).ok()?;
        Some(Identity { device: found.dev(), inode: found.ino(), modified: (found.mtime(), found.mtime_nsec()) })
    }
}

/// One policy of a state directory; `None` when there is none.
pub fn open_one(state: &Directory, name: &str, owner: Owner) -> Result<Option<Applied>, Unusable> {
    match state.open_file(name, owner) {
        Ok(file) => Ok(Some(Applied::open(Box::new(file))?)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error.into()),
    }
}
