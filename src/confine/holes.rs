//! Landlock denies nothing below what it grants. So a place that holds something hidden is not granted as a whole: its children are, one by
//! one, but for what is hidden, and so on down to it. That is a *hole*, and it has a price: what is created later beside it is not granted
//! until the ruleset is made anew, so a log that is rotated there is lost to `tail -F`. Therefore a hole is made only where it matters.
//! What the ordinary rights of the file system keep from the command needs none; the kernel is asked about them (faccessat(2)), with the
//! ids that this process has while it walks. Not believed are those of the command's own files, whose mode it could change, and none at
//! all where the command has capabilities.
//!
//! The one directory on the hidden list that can be searched by everybody and listed by nobody is that of the sessions' records. A hole for
//! it would be one in /var/log, for every account. It gets none: the files in it are made without any mode bits (`record::file`), and
//! while the command can write nothing, it cannot give them any (seccomp).
//!
//! Symbolic links are never followed and need no rules: what they lead to is judged by its own path.

use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use nix::unistd::{AccessFlags, faccessat};

use super::index::{Item, TOP};
use super::mounts::Mounts;
use super::patterns::{Ahead, Patterns};
use super::places::Place;
use super::scout::{Directory, Found, Scout};
use crate::sys::directory::{Entry, Kind};
use crate::sys::landlock::{Rights, Ruleset};
use crate::words::limits;

/// The records of sessions, where `audit:` does not say otherwise.
const RECORDS: &[u8] = b"/var/log/postern";

/// For whom is walked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Who {
    pub uid: u32,
    /// Whether the ordinary rights of the file system hold them.
    pub held: bool,
    /// Whether they can change the mode of files.
    pub changes_modes: bool,
}

/// What can be granted of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// All of it.
    Whole,
    /// Not all; what can be is granted already.
    Hole,
    /// Nothing needs to be: it cannot be read in any case.
    Closed,
}

/// A regular file with several names.
#[derive(Debug, Default)]
pub(super) struct Links {
    pub expected: u64,
    /// Those seen, and whether each is hidden.
    pub names: Vec<(PathBuf, bool)>,
}

/// A walk over places, which gives rights on what is not hidden.
pub(super) struct Walk<'a, 'b> {
    pub patterns: &'a Patterns,
    pub mounts: &'a Mounts,
    pub ruleset: &'a Ruleset,
    pub scout: &'a mut Scout<'b>,
    pub who: Who,
    /// Paths that are not granted, in places that are.
    pub holes: Vec<PathBuf>,
    /// By device and inode.
    pub links: HashMap<(u64, u64), Links>,
    /// The place.
    root: Option<BorrowedFd<'a>>,
    /// Where the walk is, and how much of that is the place's path.
    path: Vec<u8>,
    start: usize,
    /// Whether anything is mounted below it.
    mounted: bool,
    rights: Rights,
    depth: usize,
}

impl<'a, 'b> Walk<'a, 'b> {
    pub fn new(patterns: &'a Patterns, mounts: &'a Mounts, ruleset: &'a Ruleset, scout: &'a mut Scout<'b>, who: Who) -> Walk<'a, 'b> {
        let (holes, links, path, rights) = (Vec::new(), HashMap::new(), Vec::new(), Rights::default());
        Walk { patterns, mounts, ruleset, scout, who, holes, links, root: None, path, start: 0, mounted: false, rights, depth: 0 }
    }

    /// Grants a place, but for what is hidden in it.
    ///
    /// # Errors
    /// In words: more entries than [`limits::HIDDEN_ENTRIES`], or no descriptors or memory.
    pub fn place(&mut self, place: &'a Place) -> Result<(), String> {
        let ahead = place.ahead(self.patterns);
        self.root = Some(place.handle.as_fd());
        self.path = place.path.as_os_str().as_bytes().to_vec();
        self.start = self.path.len();
        self.mounted = self.mounts.any_below(&place.path);
        self.rights = place.rights;
        let verdict = match (place.directory, ahead.is_hidden()) {
            (true, _) if self.is_known_whole(place, &ahead)? => Verdict::Whole,
            (true, _) => self.directory(&Directory::Place(place.handle.as_fd()), c".", &ahead)?,
            (false, true) => self.hole(),
            (false, false) => {
                if place.named {
                    let stat = fstat(&place.handle).map_err(|errno| errno.desc().to_owned())?;
                    self.count_links(&stat, false);
                }
                Verdict::Whole
            }
        };
        match verdict {
            Verdict::Whole => self.allow(place.handle.as_fd(), place.directory),
            _ => Ok(()),
        }
    }

    /// Whether nothing is a hole of what the index of /etc says is to be looked at. Where something is, all of it is walked: its neighbours
    /// have to be granted.
    fn is_known_whole(&mut self, place: &'a Place, ahead: &Ahead) -> Result<bool, String> {
        if self.path != TOP.as_bytes() || self.mounted || !self.patterns.hides_by_list(ahead) {
            return Ok(false);
        }
        let Some(found) = self.scout.looks(place.handle.as_fd(), self.start) else { return Ok(false) };
        let (top, holes) = (self.path.clone(), self.holes.len());
        let mut whole = true;
        for Found { path, directory, items } in found {
            let ahead = self.patterns.below(ahead.clone(), path.get(top.len()..).unwrap_or_default());
            self.path = path.to_vec();
            for item in &items {
                let next = self.next(&ahead, item);
                whole &= self.below(item, |walk| walk.item(&directory, item, &next))? != Verdict::Hole;
            }
            if !whole {
                self.holes.truncate(holes);
                break;
            }
        }
        self.path = top;
        Ok(whole)
    }

    /// Judges a directory, and grants its children if not all of it can be granted.
    fn directory(&mut self, parent: &Directory<'_>, name: &CStr, ahead: &Ahead) -> Result<Verdict, String> {
        let (hidden, unhides) = (ahead.is_hidden(), self.patterns.shows_below(ahead));
        if self.patterns.shows_all_below(ahead) || !hidden && !self.patterns.hides_below(ahead) {
            return Ok(Verdict::Whole);
        }
        if hidden && !unhides {
            return Ok(if self.exposes(parent, name)? { self.hole() } else { Verdict::Closed });
        }
        match self.list(parent, name)? {
            Ok((directory, items)) => self.children(&directory, items, ahead),
            Err(Errno::EACCES) if !self.reaches(parent, name, AccessFlags::X_OK) => Ok(Verdict::Closed),
            // It can be searched for names that are not known here.
            Err(errno) => self.failed(errno),
        }
    }

    fn children(&mut self, directory: &Directory<'_>, items: Vec<Item<'_>>, ahead: &Ahead) -> Result<Verdict, String> {
        let mut whole = Vec::new();
        let mut complete = !ahead.is_hidden();
        // Links, half of /etc, need nothing: see the top.
        for item in items.into_iter().filter(|item| item.kind != Kind::Link) {
            let next = self.next(ahead, &item);
            let verdict = self.below(&item, |walk| walk.item(directory, &item, &next))?;
            complete &= verdict != Verdict::Hole;
            if verdict == Verdict::Whole && !next.is_hidden() {
                whole.push((item.name, item.kind == Kind::Directory));
            }
        }
        if complete {
            return Ok(Verdict::Whole);
        }
        if let Ok(directory) = directory.handle() {
            whole.iter().try_for_each(|(name, is_directory)| self.allow_child(directory, name, *is_directory))?;
        }
        Ok(Verdict::Hole)
    }

    fn next(&self, ahead: &Ahead, item: &Item<'_>) -> Ahead {
        match item.kind {
            Kind::Directory => self.patterns.step(ahead, item.name.to_bytes()),
            _ => self.patterns.end(ahead, item.name.to_bytes()),
        }
    }

    fn item(&mut self, parent: &Directory<'_>, item: &Item<'_>, ahead: &Ahead) -> Result<Verdict, String> {
        match item.kind {
            Kind::Unknown | Kind::Link => Ok(Verdict::Whole),
            Kind::Directory => self.directory(parent, &item.name, ahead),
            Kind::File if item.single && !ahead.is_hidden() => Ok(Verdict::Whole),
            Kind::File => Ok(self.file(parent, &item.name, ahead.is_hidden())),
            Kind::Device if !ahead.shown => Ok(self.hide_file(parent, &item.name)),
            _ if ahead.is_hidden() => Ok(self.hide_file(parent, &item.name)),
            _ => Ok(Verdict::Whole),
        }
    }

    fn file(&mut self, parent: &Directory<'_>, name: &CStr, hidden: bool) -> Verdict {
        let Ok(directory) = parent.handle() else { return self.hole() };
        let Ok(stat) = fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) else { return Verdict::Closed };
        if !hidden && stat.st_nlink == 1 {
            return Verdict::Whole;
        }
        if !self.reaches(parent, name, AccessFlags::R_OK) {
            return Verdict::Closed;
        }
        self.count_links(&stat, hidden);
        if hidden { self.hide_file(parent, name) } else { Verdict::Whole }
    }

    /// A file that is not to be read: a hole if it could be.
    fn hide_file(&mut self, parent: &Directory<'_>, name: &CStr) -> Verdict {
        if !self.reaches(parent, name, AccessFlags::R_OK) {
            return Verdict::Closed;
        }
        // A name that it is given elsewhere shows here.
        if self.scout.watches()
            && let Ok(file) =
                parent.handle().and_then(|parent| openat(parent, name, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty()))
        {
            self.scout.watch(file.as_fd());
        }
        self.hole()
    }

    /// Whether anything in a hidden directory could be read. Looks at all of it, for files that have names elsewhere too.
    fn exposes(&mut self, parent: &Directory<'_>, name: &CStr) -> Result<bool, String> {
        if self.mounts.has_point(Path::new(OsStr::from_bytes(&self.path))) {
            // Perhaps a file system that hangs: nothing in it is asked for.
            return Ok(self.reaches(parent, name, AccessFlags::R_OK) || self.reaches(parent, name, AccessFlags::X_OK));
        }
        let (directory, items) = match self.list(parent, name)? {
            Ok(listed) => listed,
            Err(Errno::EACCES) => return Ok(self.reaches(parent, name, AccessFlags::X_OK) && !self.is_closed_drop_box()),
            Err(errno) => return self.failed(errno).map(|verdict| verdict == Verdict::Hole),
        };
        let mut exposes = false;
        for item in items {
            exposes |= self.below(&item, |walk| match item.kind {
                Kind::Link | Kind::Unknown => Ok(false),
                Kind::Directory => walk.exposes(&directory, &item.name),
                _ => Ok(walk.file(&directory, &item.name, true) == Verdict::Hole),
            })?;
        }
        Ok(exposes)
    }

    /// See the top of this file.
    fn is_closed_drop_box(&self) -> bool {
        self.path.starts_with(RECORDS) && self.who.held && !self.who.changes_modes
    }

    /// Does something one level further down.
    fn below<T>(&mut self, item: &Item<'_>, work: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        let length = self.path.len();
        if self.path != b"/" {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(item.name.to_bytes());
        self.depth += 1;
        let done = work(self);
        self.depth -= 1;
        self.path.truncate(length);
        done
    }

    /// The directory where the walk is, and what is in it. The inner error is that of the file system.
    fn list(&mut self, parent: &Directory<'_>, name: &CStr) -> Result<nix::Result<(Directory<'a>, Vec<Item<'b>>)>, String> {
        // What is mounted on a name does not show in the directory.
        let path =
            Some(self.path.as_slice()).filter(|path| !self.mounted || !self.mounts.any_directly_in(Path::new(OsStr::from_bytes(path))));
        let relative = name_in_place(&self.path, self.start);
        let known = path.zip(self.root).and_then(|(path, root)| self.scout.known(root, &relative, path));
        let listed = match known {
            Some(known) => Ok(known),
            None => match self.open(parent, name) {
                Ok(directory) => self.scout.items(&directory, path).map(|items| items.map(|items| (Directory::Opened(directory), items))),
                Err(errno) => Err(errno),
            },
        };
        match listed {
            Ok(listed) => listed.map(Ok).map_err(|spent| spent.at(&self.path)),
            Err(errno) => Ok(Err(errno)),
        }
    }

    fn open(&self, parent: &Directory<'_>, name: &CStr) -> nix::Result<OwnedFd> {
        if self.depth > limits::HIDDEN_DEPTH {
            return Err(Errno::ENAMETOOLONG);
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        openat(parent.handle()?, name, flags, Mode::empty())
    }

    /// Whether whom this is for has a right by the ordinary rights of the file system, or could give it to themselves.
    fn reaches(&self, parent: &Directory<'_>, name: &CStr, right: AccessFlags) -> bool {
        let Ok(parent) = parent.handle() else { return true };
        let owns = || fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok_and(|stat| stat.st_uid == self.who.uid);
        match faccessat(parent, name, right, AtFlags::AT_EACCESS | AtFlags::AT_SYMLINK_NOFOLLOW) {
            _ if !self.who.held => true,
            Err(Errno::EACCES) => owns(),
            Err(Errno::ENOENT) => false,
            _ => true,
        }
    }

    fn count_links(&mut self, stat: &FileStat, hidden: bool) {
        let regular = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG;
        if regular && stat.st_nlink > 1 {
            let links = self.links.entry((stat.st_dev, stat.st_ino)).or_default();
            let path = path_of(&self.path);
            links.expected = stat.st_nlink;
            if links.names.iter().all(|(name, _)| *name != path) {
                links.names.push((path, hidden));
            }
        }
    }

    fn hole(&mut self) -> Verdict {
        self.holes.push(path_of(&self.path));
        Verdict::Hole
    }

    /// What could not be looked into is not granted; a want of descriptors or memory ends the walk.
    fn failed(&mut self, errno: Errno) -> Result<Verdict, String> {
        match errno {
            Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM => Err(format!("{}: {}", path_of(&self.path).display(), errno.desc())),
            Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP => Ok(Verdict::Closed),
            _ => Ok(self.hole()),
        }
    }

    fn allow_child(&self, directory: BorrowedFd<'_>, name: &CStr, is_directory: bool) -> Result<(), String> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        match openat(directory, name, flags, Mode::empty()) {
            Ok(child) => self.allow(child.as_fd(), is_directory),
            Err(errno @ (Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM)) => Err(errno.desc().to_owned()),
            // It is gone, or out of reach.
            Err(_) => Ok(()),
        }
    }

    fn allow(&self, what: BorrowedFd<'_>, is_directory: bool) -> Result<(), String> {
        let rights = if is_directory { self.rights } else { self.rights.on_file() };
        self.ruleset.allow(what, rights).map_err(|error| format!("no rule for {}: {error}", path_of(&self.path).display()))
    }
}

/// What an entry is, asked where the directory does not tell; unknown when it is gone.
pub(super) fn kind_of(directory: &OwnedFd, entry: &Entry) -> Kind {
    if entry.kind != Kind::Unknown {
        return entry.kind;
    }
    let stat = fstatat(directory, entry.name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW);
    match stat.map(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT) {
        Err(_) => Kind::Unknown,
        Ok(SFlag::S_IFDIR) => Kind::Directory,
        Ok(SFlag::S_IFLNK) => Kind::Link,
        Ok(SFlag::S_IFREG) => Kind::File,
        Ok(SFlag::S_IFBLK | SFlag::S_IFCHR) => Kind::Device,
        Ok(_) => Kind::Other,
    }
}

/// A path relative to the place that its first bytes lead to.
fn name_in_place(path: &[u8], start: usize) -> CString {
    let name = path.get(start..).unwrap_or_default();
    let name = name.strip_prefix(b"/").unwrap_or(name);
    CString::new(if name.is_empty() { b"." } else { name }).unwrap_or_default()
}

fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(std::ffi::OsString::from_vec(bytes.to_vec()))
}
