//! Lists directories within a budget, from the index where that still holds, and has them watched, so that a change of what was seen is
//! heard of. What is watched has to be opened; else what the index knows is opened only when something in it is asked for.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{fstat, fstatat};

use super::holes::kind_of;
use super::index::{Index, Item, Look, Stamp};
use crate::sys::directory::{Entry, Lister};
use crate::sys::watch::Watch;
use crate::words::limits;

/// Looks into directories for one ruleset.
pub(super) struct Scout<'a> {
    watch: Option<&'a Watch>,
    /// Whether all that was seen is watched.
    pub watched: bool,
    /// What there was in /etc.
    pub index: Option<&'a Index>,
    lister: Lister,
    /// Entries that may still be looked at.
    left: usize,
}

impl<'a> Scout<'a> {
    pub fn new(watch: Option<&'a Watch>) -> Scout<'a> {
        Scout { watch, watched: watch.is_some(), index: None, lister: Lister::default(), left: limits::HIDDEN_ENTRIES }
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
        self.read(directory)
    }

    /// The same as items. `path` is where the directory is, if the index may know it.
    pub fn items(&mut self, directory: &OwnedFd, path: Option<&[u8]>) -> nix::Result<Result<Vec<Item<'a>>, Spent>> {
        self.watch(directory.as_fd());
        let index = self.index.filter(|_| self.watches());
        if let Some((_, items)) = index.zip(path).and_then(|(index, path)| index.held(path, || fstat(directory))) {
            return Ok(self.spend(items));
        }
        let item = |entry: Entry| Item { kind: kind_of(directory, &entry), name: Cow::Owned(entry.name), single: false };
        Ok(self.read(directory)?.map(|entries| entries.into_iter().map(item).collect()))
    }

    /// A directory and its items, unopened, if nothing is watched and the index knows it as it is. `name` is relative to the place.
    pub fn known<'p>(&mut self, place: BorrowedFd<'p>, name: &CStr, path: &[u8]) -> Option<Result<(Directory<'p>, Vec<Item<'a>>), Spent>> {
        let index = self.index.filter(|_| !self.watches())?;
        let (stamp, items) = index.held(path, || fstatat(place, name, AtFlags::AT_SYMLINK_NOFOLLOW))?;
        let directory = Directory::Known(Unopened { place, name: name.to_owned(), stamp, opened: OnceCell::new() });
        Some(self.spend(items).map(|items| (directory, items)))
    }

    /// What is to be looked at in /etc, each with where its directory is; `None` where that is all of it. `place` is at the first `start` bytes of /etc.
    pub fn looks<'p>(&self, place: BorrowedFd<'p>, start: usize) -> Option<Vec<Found<'p, 'a>>> {
        let index = self.index.filter(|_| !self.watches())?;
        let stat = |path: &CStr| fstatat(place, in_place(path, start), AtFlags::AT_SYMLINK_NOFOLLOW);
        let found = |Look { directory, stamp, items }| {
            let name = CString::new(directory).ok()?;
            let unopened = Unopened { place, name: in_place(&name, start).to_owned(), stamp, opened: OnceCell::new() };
            Some(Found { path: directory, directory: Directory::Known(unopened), items })
        };
        index.looks(stat)?.into_iter().map(found).collect()
    }

    fn read(&mut self, directory: &OwnedFd) -> nix::Result<Result<Vec<Entry>, Spent>> {
        let entries = self.lister.list(directory.as_fd(), self.left);
        let entries = entries.map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
        Ok(self.spend(entries))
    }

    fn spend<T>(&mut self, entries: Vec<T>) -> Result<Vec<T>, Spent> {
        let left = self.left.checked_sub(entries.len());
        self.left = left.unwrap_or(0);
        left.map(|_| entries).ok_or(Spent)
    }
}

/// A path relative to the place that its first bytes lead to.
fn in_place(path: &CStr, start: usize) -> &CStr {
    let name = path.to_bytes_with_nul().get(start..).unwrap_or_default();
    let name = name.strip_prefix(b"/").unwrap_or(name);
    CStr::from_bytes_with_nul(name).ok().filter(|name| !name.is_empty()).unwrap_or(c".")
}

/// What is to be looked at in a directory.
pub(super) struct Found<'p, 'a> {
    pub path: &'a [u8],
    pub directory: Directory<'p>,
    pub items: Vec<Item<'a>>,
}

/// A directory on a walk.
pub(super) enum Directory<'a> {
    /// The place itself.
    Place(BorrowedFd<'a>),
    Opened(OwnedFd),
    Known(Unopened<'a>),
}

/// A directory that was found to be as the index says.
pub(super) struct Unopened<'a> {
    place: BorrowedFd<'a>,
    /// Relative to the place.
    name: CString,
    stamp: Stamp,
    opened: OnceCell<nix::Result<OwnedFd>>,
}

impl Directory<'_> {
    /// To ask for names in it.
    ///
    /// # Errors
    /// `ESTALE` where it has changed since it was looked at.
    pub fn handle(&self) -> nix::Result<BorrowedFd<'_>> {
        match self {
            Directory::Place(place) => Ok(*place),
            Directory::Opened(directory) => Ok(directory.as_fd()),
            Directory::Known(known) => known.opened.get_or_init(|| known.open()).as_ref().map(OwnedFd::as_fd).map_err(|errno| *errno),
        }
    }
}

impl Unopened<'_> {
    fn open(&self) -> nix::Result<OwnedFd> {
        let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC);
        let directory =
            openat2(self.place, self.name.as_c_str(), how.resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS))?;
        let same = self.stamp == Stamp::from(&fstat(&directory)?);
        if same { Ok(directory) } else { Err(Errno::ESTALE) }
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
