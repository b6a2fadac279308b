//! Finds what a session masks: the paths of the hidden list that exist, for everybody, by root's rights.
//!
//! Directories in which only names without wildcards matter are not listed but asked for these; of /etc, where its index still holds, only
//! that is looked at which the index says is to be. Symbolic links are not followed: what they lead to is judged by its own path, as for Landlock.
//!
//! Nothing is looked for where a file system may hang (network file systems, FUSE, automount points): a dead server must not keep the
//! shell from starting. What is hidden there is Landlock's alone ([`Search::left`] names the places).

use std::borrow::Cow;
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use super::index::{Item, TOP};
use super::mounts::Mounts;
use super::namespace::NamespaceError;
use super::patterns::{Ahead, Patterns};
use super::scout::{Directory, Found, Scout};
use crate::sys::directory::Kind;
use crate::words::limits;

/// A walk from the root directory.
pub(super) struct Search<'a, 'b, F> {
    pub patterns: &'a Patterns,
    pub mounts: &'a Mounts,
    pub scout: &'a mut Scout<'b>,
    pub root: BorrowedFd<'a>,
    /// Masks what was found: its path, and a handle on it.
    pub mask: F,
    /// Where nothing was looked for.
    pub left: Vec<PathBuf>,
    /// Where the walk is.
    path: Vec<u8>,
    depth: usize,
}

impl<'a, 'b, F: FnMut(&Path, BorrowedFd<'_>) -> Result<(), NamespaceError>> Search<'a, 'b, F> {
    pub fn new(patterns: &'a Patterns, mounts: &'a Mounts, scout: &'a mut Scout<'b>, root: BorrowedFd<'a>, mask: F) -> Self {
        Search { patterns, mounts, scout, root, mask, left: Vec::new(), path: Vec::new(), depth: 0 }
    }

    /// Masks all that is to be.
    pub fn run(&mut self) -> Result<(), NamespaceError> {
        let (root, ahead) = (self.root, self.patterns.root());
        self.directory(&Directory::Place(root), c".", &ahead)
    }

    fn directory(&mut self, parent: &Directory<'_>, name: &CStr, ahead: &Ahead) -> Result<(), NamespaceError> {
        if self.path == TOP.as_bytes()
            && let Some(found) = self.found(ahead)
        {
            return self.look_at(found, ahead);
        }
        match self.patterns.names(ahead).filter(|_| !ahead.is_hidden()) {
            Some(names) => self.named(parent, name, &names, ahead),
            None => self.listed(parent, name, ahead),
        }
    }

    /// What is to be looked at in /etc, where the index tells and nothing is mounted.
    fn found(&mut self, ahead: &Ahead) -> Option<Vec<Found<'a, 'b>>> {
        let told = self.patterns.hides_by_list(ahead) && !self.mounts.any_below(Path::new(TOP));
        told.then(|| self.scout.looks(self.root, 0)).flatten()
    }

    fn look_at(&mut self, found: Vec<Found<'a, 'b>>, ahead: &Ahead) -> Result<(), NamespaceError> {
        let top = self.path.clone();
        for Found { path, directory, items } in found {
            let ahead = self.patterns.below(ahead.clone(), path.get(top.len()..).unwrap_or_default());
            self.path = path.to_vec();
            items.iter().try_for_each(|item| self.below(item, |search| search.item(&directory, item, &ahead)))?;
        }
        self.path = top;
        Ok(())
    }

    /// Asks for some names in a directory.
    fn named(&mut self, parent: &Directory<'_>, name: &CStr, names: &[&[u8]], ahead: &Ahead) -> Result<(), NamespaceError> {
        let Some(directory) = self.there(open(parent, name, OFlag::O_PATH | OFlag::O_DIRECTORY))? else { return Ok(()) };
        self.scout.watch(directory.as_fd());
        let directory = Directory::Opened(directory);
        for name in names.iter().filter_map(|name| CString::new(*name).ok()) {
            let item = Item { name: Cow::Owned(name), kind: Kind::Unknown, single: false };
            self.below(&item, |search| search.item(&directory, &item, ahead))?;
        }
        Ok(())
    }

    fn listed(&mut self, parent: &Directory<'_>, name: &CStr, ahead: &Ahead) -> Result<(), NamespaceError> {
        let path = if self.path.is_empty() { Path::new("/") } else { as_path(&self.path) };
        // What is mounted on a name does not show in the directory.
        let index = Some(self.path.as_slice()).filter(|_| !self.mounts.any_directly_in(path));
        let relative = CString::new(self.path.get(1..).unwrap_or_default()).unwrap_or_default();
        let known = index.filter(|path| !path.is_empty()).and_then(|path| self.scout.known(self.root, &relative, path));
        let listed = match known {
            Some(known) => known,
            None => {
                let opened = open(parent, name, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NONBLOCK);
                let Some(directory) = self.there(opened)? else {
                    return if ahead.is_hidden() { self.hide(parent, name) } else { Ok(()) };
                };
                let items = self.scout.items(&directory, index).map_err(|errno| self.failed(errno))?;
                items.map(|items| (Directory::Opened(directory), items))
            }
        };
        let (directory, items) = listed.map_err(|spent| NamespaceError::Search(spent.at(&self.path)))?;
        items.iter().try_for_each(|item| self.below(item, |search| search.item(&directory, item, ahead)))
    }

    fn item(&mut self, parent: &Directory<'_>, item: &Item<'_>, ahead: &Ahead) -> Result<(), NamespaceError> {
        // Half of /etc, and never masked: see the top.
        if item.kind == Kind::Link {
            return Ok(());
        }
        let may_be_directory = matches!(item.kind, Kind::Directory | Kind::Unknown);
        let next =
            if may_be_directory { self.patterns.step(ahead, item.name.to_bytes()) } else { self.patterns.end(ahead, item.name.to_bytes()) };
        let of_interest = next.is_hidden() || may_be_directory && self.patterns.hides_below(&next);
        if !of_interest {
            return Ok(());
        }
        if self.mounts.at(as_path(&self.path)).is_some_and(|mount| mount.remote) {
            self.left.push(as_path(&self.path).to_owned());
            return Ok(());
        }
        match self.patterns.shows_below(&next) {
            false if next.is_hidden() => self.hide(parent, &item.name),
            true if self.patterns.shows_all_below(&next) => Ok(()),
            _ => self.directory(parent, &item.name, &next),
        }
    }

    fn hide(&mut self, parent: &Directory<'_>, name: &CStr) -> Result<(), NamespaceError> {
        match self.there(open(parent, name, OFlag::O_PATH))? {
            Some(found) => (self.mask)(as_path(&self.path), found.as_fd()),
            None => Ok(()),
        }
    }

    /// Does something one level further down.
    fn below<T>(&mut self, item: &Item<'_>, work: impl FnOnce(&mut Self) -> Result<T, NamespaceError>) -> Result<T, NamespaceError> {
        let length = self.path.len();
        self.path.push(b'/');
        self.path.extend_from_slice(item.name.to_bytes());
        self.depth += 1;
        let done = if self.depth > limits::HIDDEN_DEPTH { Err(self.failed(Errno::ENAMETOOLONG)) } else { work(self) };
        self.depth -= 1;
        self.path.truncate(length);
        done
    }

    /// Of what was opened, if it is there.
    fn there(&self, opened: nix::Result<OwnedFd>) -> Result<Option<OwnedFd>, NamespaceError> {
        match opened {
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Ok(None),
            opened => opened.map(Some).map_err(|errno| self.failed(errno)),
        }
    }

    fn failed(&self, errno: Errno) -> NamespaceError {
        NamespaceError::Mask { path: as_path(&self.path).to_owned(), reason: errno }
    }
}

fn open(parent: &Directory<'_>, name: &CStr, flags: OFlag) -> nix::Result<OwnedFd> {
    openat(parent.handle()?, name, flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())
}

fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}
