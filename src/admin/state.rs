//! The state directory: which policy is in force, and which was before.
//!
//! A change is one rename, so that whoever opens `applied` finds the old policy or the new one, whole, whenever this process is killed:
//!
//! 1. the new policy is written beside it as `.applied.new`, and the disk has it;
//! 2. the old one gets a second name, `.previous.new`;
//! 3. `.applied.new` is renamed to `applied`;
//! 4. `.previous.new` is renamed to `previous`.
//!
//! What a killed process left is taken up by the next: a `.previous.new` that is the file in force means that step 3 never came, so it
//! is removed; any other is moved to `previous`, which is step 4.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Failure;
use super::output::complain;
use crate::access::in_force::open_one;
use crate::policy::Applied;
use crate::screen::redact::Key;
use crate::sys::file::{Directory, FileError, Lock, Owner};
use crate::words::paths::{APPLIED, EMPTY_HOME, FINGERPRINT_KEY, INDEX, PREVIOUS};

const NEW_APPLIED: &str = ".applied.new";
const NEW_PREVIOUS: &str = ".previous.new";
const NEW_INDEX: &str = ".index.new";
const NEW_FINGERPRINT_KEY: &str = ".fingerprint.key.new";

/// The state directory, held by this process alone.
pub struct State {
    directory: Directory,
    owner: Owner,
    _lock: Lock,
}

impl State {
    /// Opens the state directory, makes it if it is missing, and finishes what a killed process began. Fails at once when another
    /// process holds it.
    pub fn open(path: &Path, owner: Owner) -> Result<State, Failure> {
        let directory = match Directory::open(path, owner) {
            Err(error) if error.is_missing() => make(path, owner)?,
            directory => directory?,
        };
        let lock = directory.lock()?;
        let state = State { directory, owner, _lock: lock };
        state.finish()?;
        state.directory.make_directory(EMPTY_HOME, owner)?;
        Ok(state)
    }

    /// The policy in force, if there is one and all of it is sound.
    pub fn applied(&self) -> Option<Applied> {
        self.sound(APPLIED)
    }

    /// Puts a policy in force; the one that was in force is kept as the one before, if it is sound.
    pub fn replace(&self, bytes: &[u8]) -> Result<(), Failure> {
        let keep = self.applied().is_some();
        self.directory.write_new(NEW_APPLIED, bytes)?;
        let kept = if keep { self.directory.link(APPLIED, NEW_PREVIOUS) } else { Ok(()) };
        let swapped = kept.and_then(|()| self.directory.rename(NEW_APPLIED, APPLIED));
        if swapped.is_err() {
            // Nothing more can be done than to leave as little as possible; the next process finishes.
            let _ = self.directory.remove(NEW_APPLIED);
            return Ok(swapped?);
        }
        // It is in force from here on, whatever goes wrong; the next process finishes.
        let kept = if keep { self.directory.rename(NEW_PREVIOUS, PREVIOUS) } else { Ok(()) };
        self.settle(kept);
        Ok(())
    }

    /// Replaces the index of /etc.
    pub fn set_index(&self, bytes: &[u8]) -> Result<(), FileError> {
        self.directory.remove(NEW_INDEX)?;
        self.directory.write_new(NEW_INDEX, bytes)?;
        self.directory.rename(NEW_INDEX, INDEX)
    }

    /// Makes the key of fingerprints, unless there is one: the same secret then has the same one in all sessions. A file of another length,
    /// which no session could use, is none.
    pub fn make_fingerprint_key(&self) -> Result<(), Failure> {
        let length = match self.directory.open_file(FINGERPRINT_KEY, self.owner) {
            Err(error) if error.is_missing() => None,
            found => found?.metadata().ok().map(|found| found.len()),
        };
        if length == Some(Key::BYTES as u64) {
            return Ok(());
        }
        let key = Key::random().map_err(|error| Failure::Other(format!("no random numbers: {error}")))?;
        self.directory.remove(NEW_FINGERPRINT_KEY)?;
        self.directory.write_new_private(NEW_FINGERPRINT_KEY, key.bytes())?;
        Ok(self.directory.rename(NEW_FINGERPRINT_KEY, FINGERPRINT_KEY)?)
    }

    /// Waits until the disk has a change that is made already.
    fn settle(&self, change: Result<(), FileError>) {
        if let Err(error) = change.and_then(|()| self.directory.sync()) {
            complain(format_args!("postern: warning: the change is in force, but a power failure might undo it: {error}"));
        }
    }

    /// Exchanges the policy in force and the one before, and returns what is in force then. What is in force but damaged is dropped.
    pub fn roll_back(&self) -> Result<Applied, Failure> {
        let previous = open_one(&self.directory, PREVIOUS, self.owner)?;
        let previous = previous.ok_or_else(|| Failure::Other("there is no policy before the one in force".to_owned()))?;
        previous.verify().map_err(|damaged| Failure::Other(format!("the policy before the one in force: {damaged}")))?;
        match self.applied() {
            Some(_) => self.directory.exchange(APPLIED, PREVIOUS)?,
            None => self.directory.rename(PREVIOUS, APPLIED)?,
        }
        self.settle(Ok(()));
        Ok(previous)
    }

    fn sound(&self, name: &str) -> Option<Applied> {
        open_one(&self.directory, name, self.owner).ok().flatten().filter(|policy| policy.verify().is_ok())
    }

    fn finish(&self) -> Result<(), FileError> {
        self.directory.remove(NEW_APPLIED)?;
        let (applied, left) = (self.identity(APPLIED)?, self.identity(NEW_PREVIOUS)?);
        if left.is_some() && left != applied {
            self.directory.rename(NEW_PREVIOUS, PREVIOUS)?;
        }
        self.directory.remove(NEW_PREVIOUS)
    }

    /// Device and inode of a file, if there is one.
    fn identity(&self, name: &str) -> Result<Option<(u64, u64)>, FileError> {
        match self.directory.open_file(name, Owner::Anyone) {
            Ok(file) => Ok(file.metadata().ok().map(|found| (found.dev(), found.ino()))),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn make(path: &Path, owner: Owner) -> Result<Directory, Failure> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Failure::Usage("the state directory has no name in UTF-8".to_owned()))?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(Directory::open(parent, owner)?.make_directory(name, owner)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_key_of_fingerprints_is_made_once_and_for_its_owner_alone() {
        let base = nix::unistd::mkdtemp(&fs::canonicalize(std::env::temp_dir()).unwrap().join("postern-state-XXXXXX")).unwrap();
        let state = State::open(&base, Owner::Caller).unwrap();
        state.make_fingerprint_key().unwrap();
        let read = || fs::read(base.join(FINGERPRINT_KEY)).unwrap();
        let (key, mode) = (read(), fs::metadata(base.join(FINGERPRINT_KEY)).unwrap().permissions().mode());
        assert_eq!((key.len(), mode & 0o7777), (32, 0o600));
        state.make_fingerprint_key().unwrap();
        assert_eq!(read(), key);
        // What a full disk or a hand leaves.
        for spoilt in [&b""[..], &[7; 31], &[7; 33]] {
            fs::write(base.join(FINGERPRINT_KEY), spoilt).unwrap();
            fs::write(base.join(NEW_FINGERPRINT_KEY), "half").unwrap();
            state.make_fingerprint_key().unwrap();
            assert_eq!((read().len(), base.join(NEW_FINGERPRINT_KEY).exists()), (32, false), "{} bytes", spoilt.len());
        }
        fs::remove_dir_all(base).unwrap();
    }
}
