//! Lists directories within a budget, and has them watched, so that a change of what was seen is heard of.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;

use crate::sys::directory::{Entry, Lister};
use crate::sys::watch::Watch;
use crate::words::limits;

/// Looks into directories for one ruleset.
pub(super) struct Scout<'a> {
    watch: Option<&'a Watch>,
    /// Whether all that was seen is watched.
    pub watched: bool,
    lister: Lister,
    /// Entries that may still be looked at.
    left: usize,
}

impl Scout<'_> {
    pub fn new(watch: Option<&Watch>) -> Scout<'_> {
        Scout { watch, watched: watch.is_some(), lister: Lister::default(), left: limits::HIDDEN_ENTRIES }
    }

    /// Whether anything is watched at all.
    pub fn watches(&self) -> bool {
        self.watch.is_some()
    }

    /// For another walk over the same.
    pub fn refill(&mut self, entries: usize) {
        self.left = entries;
    }

    /// Has something watched. What may not be read cannot be, and changes of its rights show in the directory above it.
    pub fn watch(&mut self, what: BorrowedFd<'_>) {
        let Some(watch) = self.watch else { return };
        let added = watch.add(what);
        self.watched &= added.is_ok() || added.is_err_and(|error| error.raw_os_error() == Some(Errno::EACCES as i32));
    }

    /// The entries of a directory that was opened for reading. The outer error is that of the file system, the inner one says that the
    /// budget is spent.
    pub fn list(&mut self, directory: &OwnedFd) -> nix::Result<Result<Vec<Entry>, Spent>> {
        // Before it is read: what changes from here on is heard of.
        self.watch(directory.as_fd());
        let entries = self.lister.list(directory.as_fd(), self.left);
        let entries = entries.map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
        let left = self.left.checked_sub(entries.len());
        self.left = left.unwrap_or(0);
        Ok(left.map(|_| entries).ok_or(Spent))
    }
}

/// More entries than a walk may look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spent;

impl Spent {
    /// For a walk that came to `path`.
    pub fn at(self, path: &[u8]) -> String {
        let (most, path) = (limits::HIDDEN_ENTRIES, Path::new(OsStr::from_bytes(path)).display());
        format!(
            "{path}: more than {most} files to look at for hidden ones; where nothing below a directory is to be hidden, \
             `unhide: [/the/directory/**]` says so"
        )
    }
}
