//! What there is in /etc, written down by `postern apply`, so that the masks and the first ruleset of a session need not list it all again.
//!
//! The index says what a directory holds, for any policy and any account, and of that what is to be looked at in any case: what the
//! built-in list hides, devices, files with several names, and directories of which the index says nothing. Where no rule hides more, a
//! walk asks whether each directory is as it was, and looks at these alone (`Index::looks`). An entry is used where stat(2) shows the directory just as it
//! was: device, inode, time of modification and of change, compared for equality, never for order. A directory that differs, or is not in
//! the index, is read as it is now. Without an index, or with one that is damaged, of another version, made with another built-in
//! list, too long, or not root's alone, all of them are. What a stat does not show:
//!
//! - Rights. Those of a directory are part of its time of change; those of a file are not, so whether somebody may read what is hidden is
//!   asked anew for each file (`holes`). An index everybody may read must not name what not everybody may list: such a directory is left
//!   out, with all that is below it. Where an access control list or a security module lets somebody search a directory and not list it,
//!   what is not hidden in it is granted with the index and not without, for its names are known.
//! - Another name of a file. A name in /etc changes the directory that it is in. One elsewhere does not; but what was a plain file of /etc
//!   with one name was readable before it had another, and hides nothing more. Files that are hidden, or had several names, are asked anew.
//! - A mount. On a directory it is another directory; directories in which something is mounted on a file are never taken from the index,
//!   and never put into it.
//! - A change within the tick of the clock in which the directory was read. Those that changed within two seconds are left out.
//! - A change that keeps the time of change. The kernel sets that from its clock, and nobody can set it back but with the clock. Images of
//!   file systems have times as somebody wrote them, perhaps the same in one image and the next: whole seconds. Those are believed only on
//!   the ext4 that the index itself was written to by a kernel, which its own time of change shows: what is changed there later differs,
//!   and another image has not this index. An overlay is none, for what is below it may be exchanged.

use std::borrow::Cow;
use std::ffi::{CStr, OsStr};
use std::io::Read;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat};
use nix::sys::statfs::{EXT4_SUPER_MAGIC, fstatfs};
use sha2::{Digest, Sha256};

use super::holes::kind_of;
use super::mounts::Mounts;
use super::patterns::{Ahead, Patterns};
use super::places::resolve;
use crate::policy::hidden::HIDDEN;
use crate::sys::directory::{Kind, Lister};
use crate::sys::file::{Directory, FileError, Owner};
use crate::words::{limits, paths};

/// Names the format and its version.
const MAGIC: &[u8; 16] = b"postern-index-02";
/// Bytes of the [`check`] of what is behind it, which follows the magic.
const CHECK: usize = 32;
/// What is written down.
pub(super) const TOP: &str = "/etc";
/// How long a directory must not have changed to be written down.
const YOUNG: Duration = Duration::from_secs(2);
/// Mode bits of a directory that everybody may list and search.
const LISTED: u32 = 0o555;

/// What tells that a directory is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp([i64; 6]);

impl From<&FileStat> for Stamp {
    fn from(stat: &FileStat) -> Stamp {
        let file = [stat.st_dev.cast_signed(), stat.st_ino.cast_signed()];
        Stamp([file[0], file[1], stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime, stat.st_ctime_nsec])
    }
}

impl Stamp {
    fn device(&self) -> i64 {
        self.0[0]
    }

    /// Whether the time of change is a kernel's.
    fn is_exact(&self) -> bool {
        self.0[5] != 0
    }

    /// Whether a change from `now` on would show.
    fn settled(&self, now: SystemTime) -> bool {
        let Stamp([.., seconds, nanoseconds]) = self;
        let changed = u64::try_from(*seconds).ok().zip(u32::try_from(*nanoseconds).ok());
        let changed = changed.map(|(seconds, nanoseconds)| UNIX_EPOCH + Duration::new(seconds, nanoseconds));
        changed.and_then(|changed| now.duration_since(changed).ok()).is_some_and(|age| age >= YOUNG)
    }
}

/// A name in a directory, listed or remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item<'a> {
    pub name: Cow<'a, CStr>,
    pub kind: Kind,
    /// It is known to be a file's only name.
    pub single: bool,
}

/// An index, read.
#[derive(Debug)]
pub struct Index {
    bytes: Vec<u8>,
    /// The device of the file system on which whole seconds are believed.
    native: Option<i64>,
    /// In the order of their paths.
    directories: Vec<Known>,
}

/// A directory in an index.
#[derive(Debug)]
struct Known {
    /// Followed by a NUL.
    path: Range<usize>,
    stamp: Stamp,
    /// What is to be looked at in any case.
    looks: Range<usize>,
    items: Range<usize>,
}

/// Something to be looked at in a directory that is as it was.
pub(super) struct Look<'a> {
    pub directory: &'a [u8],
    pub stamp: Stamp,
    pub items: Vec<Item<'a>>,
}

impl Index {
    /// The index in a state directory, if there is one that is root's alone and whole.
    pub fn open(state: &Path) -> Option<Index> {
        let file = Directory::open(state, Owner::Root).and_then(|state| state.open_file(paths::INDEX, Owner::Root)).ok()?;
        let (stamp, kind) = (Stamp::from(&fstat(&file).ok()?), fstatfs(&file).ok()?.filesystem_type());
        let native = (kind == EXT4_SUPER_MAGIC && stamp.is_exact()).then_some(stamp.device());
        let mut bytes = Vec::with_capacity(usize::try_from(file.metadata().ok()?.len()).ok()?.min(limits::INDEX_BYTES));
        file.take(limits::INDEX_BYTES as u64 + 1).read_to_end(&mut bytes).ok()?;
        Index::decode(bytes, native)
    }

    fn decode(bytes: Vec<u8>, native: Option<i64>) -> Option<Index> {
        let (check, body) = bytes.strip_prefix(MAGIC)?.split_at_checked(CHECK)?;
        if bytes.len() > limits::INDEX_BYTES || self::check(body)[..] != *check {
            return None;
        }
        let mut directories: Vec<Known> = Vec::new();
        let mut reader = Reader { bytes: &bytes, at: MAGIC.len() + CHECK };
        while reader.at < bytes.len() {
            let path = reader.counted()?;
            let [0] = reader.array()? else { return None };
            let mut stamp = [0; 6];
            for number in &mut stamp {
                *number = i64::from_le_bytes(reader.array()?);
            }
            directories.push(Known { path, stamp: Stamp(stamp), looks: reader.counted()?, items: reader.counted()? });
        }
        let sorted = directories.is_sorted_by(|one, other| bytes.get(one.path.clone()) < bytes.get(other.path.clone()));
        sorted.then_some(Index { bytes, native, directories })
    }

    /// What a directory holds, if it is known and `stat` says that it is as it was.
    pub(super) fn held(&self, path: &[u8], stat: impl FnOnce() -> nix::Result<FileStat>) -> Option<(Stamp, Vec<Item<'_>>)> {
        let known = self.find(path)?;
        if self.is_as_it_was(known, stat) { Some((known.stamp, self.items(&known.items)?)) } else { None }
    }

    /// What is to be looked at, where nothing is hidden but by the built-in list: a directory that is not as it was among it, by its name in the
    /// one above. `None` where that is all of /etc. `stat` is of a path without links.
    pub(super) fn looks(&self, stat: impl Fn(&CStr) -> nix::Result<FileStat>) -> Option<Vec<Look<'_>>> {
        self.find(TOP.as_bytes())?;
        // Directories that a walk looks into, with all that is below them.
        let (mut looks, mut walked) = (Vec::new(), Vec::<Vec<u8>>::new());
        for known in &self.directories {
            let name = CStr::from_bytes_until_nul(self.bytes.get(known.path.start..)?).ok()?;
            let path = name.to_bytes();
            if walked.iter().any(|above| path.strip_prefix(&above[..]).is_some_and(|rest| matches!(rest, [] | [b'/', ..]))) {
                continue;
            }
            let (of, items) = if self.is_as_it_was(known, || stat(name)) {
                (known, self.items(&known.looks)?)
            } else {
                let (above, name) = above(name)?;
                (self.find(above)?, vec![Item { name: Cow::Borrowed(name), kind: Kind::Directory, single: false }])
            };
            let directory = self.bytes.get(of.path.clone())?;
            let directories = items.iter().filter(|item| item.kind == Kind::Directory);
            walked.extend(directories.map(|item| [directory, b"/", item.name.to_bytes()].concat()));
            looks.extend((!items.is_empty()).then_some(Look { directory, stamp: of.stamp, items }));
        }
        Some(looks)
    }

    fn find(&self, path: &[u8]) -> Option<&Known> {
        let at = self.directories.binary_search_by(|known| self.bytes.get(known.path.clone()).cmp(&Some(path)));
        self.directories.get(at.ok()?)
    }

    fn is_as_it_was(&self, known: &Known, stat: impl FnOnce() -> nix::Result<FileStat>) -> bool {
        let believed = known.stamp.is_exact() || self.native == Some(known.stamp.device());
        believed && stat().is_ok_and(|stat| known.stamp == Stamp::from(&stat))
    }

    fn items(&self, range: &Range<usize>) -> Option<Vec<Item<'_>>> {
        let mut rest = self.bytes.get(range.clone())?;
        let mut items = Vec::with_capacity(rest.len() / 16);
        while let [letter, behind @ ..] = rest {
            let name = CStr::from_bytes_until_nul(behind).ok()?;
            let (_, (kind, single)) = LETTERS.iter().find(|(known, _)| known == letter)?;
            items.push(Item { name: Cow::Borrowed(name), kind: *kind, single: *single });
            rest = behind.get(name.count_bytes() + 1..)?;
        }
        Some(items)
    }
}

/// How kinds of names are written, those of files with and without others.
const LETTERS: [(u8, (Kind, bool)); 6] = [
    (b'f', (Kind::File, true)),
    (b'm', (Kind::File, false)),
    (b'd', (Kind::Directory, false)),
    (b'l', (Kind::Link, false)),
    (b'v', (Kind::Device, false)),
    (b'o', (Kind::Other, false)),
];

/// The directory that a path is in, and its name there.
fn above(path: &CStr) -> Option<(&[u8], &CStr)> {
    let slash = path.to_bytes().iter().rposition(|byte| *byte == b'/')?;
    let (above, name) = path.to_bytes_with_nul().split_at_checked(slash)?;
    Some((above, CStr::from_bytes_with_nul(name.get(1..)?).ok()?))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn array<const LENGTH: usize>(&mut self) -> Option<[u8; LENGTH]> {
        let (array, _) = self.bytes.get(self.at..)?.split_first_chunk()?;
        self.at += LENGTH;
        Some(*array)
    }

    /// So many bytes as the number before them says.
    fn counted(&mut self) -> Option<Range<usize>> {
        let length = usize::try_from(u32::from_le_bytes(self.array()?)).ok()?;
        let range = self.at..self.at.checked_add(length)?;
        self.bytes.get(range.clone())?;
        self.at = range.end;
        Some(range)
    }
}

/// What an index has to begin with: SHA-256 of the built-in list, which it was made with, and of what it says.
pub fn check(body: &[u8]) -> [u8; CHECK] {
    let mut check = Sha256::new();
    HIDDEN.iter().flat_map(|group| group.paths).for_each(|path| check.update(path));
    check.chain_update(body).finalize().into()
}

/// Why there is no index. In words.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error("{0}")]
    System(#[from] std::io::Error),
    #[error("{0}")]
    File(#[from] FileError),
    #[error("{TOP} has more in it than an index holds")]
    TooMuch,
}

impl From<nix::Error> for IndexError {
    fn from(errno: nix::Error) -> IndexError {
        IndexError::System(errno.into())
    }
}

/// The bytes of an index of /etc as it is now.
///
/// # Errors
/// /etc cannot be read, or holds more than [`limits::HIDDEN_ENTRIES`] entries or an index of more than [`limits::INDEX_BYTES`].
pub fn make() -> Result<Vec<u8>, IndexError> {
    let mounts = Mounts::parse(&std::fs::read("/proc/self/mountinfo")?);
    let (patterns, lister) = (Patterns::built_in(), Lister::default());
    let mut survey = Survey { mounts, patterns, now: SystemTime::now(), lister, left: limits::HIDDEN_ENTRIES, found: Vec::new() };
    let top = resolve(Path::new(TOP))?.1;
    let ahead = survey.patterns.at(top.as_os_str().as_bytes());
    survey.directory(top, &ahead, 0)?;
    survey.found.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    let body: Vec<u8> = survey.found.into_iter().flat_map(|(_, bytes)| bytes).collect();
    let bytes = [&MAGIC[..], &check(&body), &body].concat();
    if bytes.len() > limits::INDEX_BYTES { Err(IndexError::TooMuch) } else { Ok(bytes) }
}

struct Survey {
    mounts: Mounts,
    patterns: Patterns,
    now: SystemTime,
    lister: Lister,
    /// Entries that may still be looked at.
    left: usize,
    /// By path, what is written.
    found: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Survey {
    /// Writes down a directory, and says whether it has.
    fn directory(&mut self, path: PathBuf, ahead: &Ahead, depth: usize) -> Result<bool, IndexError> {
        // What is gone meanwhile, or a file system that does not answer, is not in the index.
        let Ok(directory) = open(&path) else { return Ok(false) };
        // Before it is listed: what changes from here on shows.
        let stat = fstat(&directory)?;
        if stat.st_mode & LISTED != LISTED {
            return Ok(false);
        }
        let Ok(entries) = self.lister.list(directory.as_fd(), self.left) else { return Ok(false) };
        self.left = self.left.checked_sub(entries.len()).ok_or(IndexError::TooMuch)?;
        let (mut items, mut looks, mut told) = (Vec::new(), Vec::new(), true);
        for entry in entries {
            let kind = kind_of(&directory, &entry);
            let single = kind == Kind::File && has_one_name(&directory, &entry.name);
            let name = entry.name.to_bytes();
            let next = if kind == Kind::Directory { self.patterns.step(ahead, name) } else { self.patterns.end(ahead, name) };
            let below = path.join(OsStr::from_bytes(name));
            let descends = kind == Kind::Directory && depth < limits::HIDDEN_DEPTH && !self.mounts.has_point(&below);
            let known = descends && self.directory(below, &next, depth + 1)?;
            let plain = match kind {
                Kind::Link => true,
                Kind::File => single && !next.is_hidden(),
                Kind::Directory => known && !next.is_hidden(),
                Kind::Device | Kind::Unknown => false,
                Kind::Other => !next.is_hidden(),
            };
            // A kind that the file system does not tell has no letter.
            match LETTERS.iter().find(|(_, letter)| *letter == (kind, single)) {
                Some((letter, _)) => {
                    let item = [&[*letter], entry.name.to_bytes_with_nul()].concat();
                    looks.extend_from_slice(if plain { &[] } else { &item });
                    items.extend(item);
                }
                None => told = false,
            }
        }
        let stamp = Stamp::from(&stat);
        let known = told && stamp.settled(self.now) && !self.mounts.any_directly_in(&path);
        if known {
            let path = path.as_os_str().as_bytes();
            let count = |bytes: &[u8]| u32::try_from(bytes.len()).map(u32::to_le_bytes).map_err(|_| IndexError::TooMuch);
            let stamp: Vec<u8> = stamp.0.iter().flat_map(|number| number.to_le_bytes()).collect();
            self.found
                .push((path.to_vec(), [&count(path)?, path, &[0], &stamp, &count(&looks)?, &looks, &count(&items)?, &items].concat()));
        }
        Ok(known)
    }
}

fn open(path: &Path) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let how = OpenHow::new().flags(flags).mode(Mode::empty()).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    openat2(nix::fcntl::AT_FDCWD, path, how)
}

fn has_one_name(directory: &OwnedFd, name: &CStr) -> bool {
    fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok_and(|stat| stat.st_nlink == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: [i64; 6] = [1, 2, 1_000_000_000, 0, 1_000_000_000, 5];

    /// An index of directories that hold one plain file each.
    fn index(directories: &[(&str, [i64; 6])], native: Option<i64>) -> Option<Index> {
        let counted = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_le_bytes()[..], bytes].concat();
        let stamp = |stamp: &[i64; 6]| stamp.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>();
        let write =
            |(path, of): &(&str, [i64; 6])| [&counted(path.as_bytes())[..], &[0], &stamp(of), &counted(b""), &counted(b"ffile\0")].concat();
        let body: Vec<u8> = directories.iter().flat_map(write).collect();
        Index::decode([&MAGIC[..], &check(&body), &body].concat(), native)
    }

    fn stat(stamp: [i64; 6]) -> FileStat {
        let mut stat = fstat(std::fs::File::open("/").unwrap()).unwrap();
        (stat.st_dev, stat.st_ino) = (stamp[0].cast_unsigned(), stamp[1].cast_unsigned());
        (stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime, stat.st_ctime_nsec) = (stamp[2], stamp[3], stamp[4], stamp[5]);
        stat
    }

    #[test]
    fn a_directory_is_known_while_all_of_its_stamp_is_the_same() {
        let known = index(&[("/etc", STAMP), ("/etc/x", STAMP)], None).unwrap();
        let items = |path: &str, stamp| known.held(path.as_bytes(), || Ok(stat(stamp))).map(|(_, items)| items);
        let file = Item { name: Cow::Borrowed(c"file"), kind: Kind::File, single: true };
        assert_eq!((items("/etc/x", STAMP), items("/etc/y", STAMP), items("/et", STAMP)), (Some(vec![file]), None, None));
        for at in 0..STAMP.len() {
            for by in [1, -1] {
                let mut other = STAMP;
                other[at] += by;
                assert_eq!(items("/etc/x", other), None, "number {at} by {by}");
            }
        }
        assert!(index(&[("/etc/x", STAMP), ("/etc", STAMP)], None).is_none(), "out of order");
    }

    #[test]
    fn a_directory_that_differs_is_looked_at_by_its_name_in_the_one_above() {
        let known =
            index(&[("/etc", STAMP), ("/etc/a", STAMP), ("/etc/a-b", STAMP), ("/etc/a/x", STAMP), ("/etc/b", STAMP)], None).unwrap();
        for (changed, expected) in [
            (&[][..], Some("")),
            (&["/etc/a"], Some("/etc a")),
            (&["/etc/a/x"], Some("/etc/a x")),
            (&["/etc/a", "/etc/a/x"], Some("/etc a")),
            (&["/etc/a-b", "/etc/b"], Some("/etc a-b, /etc b")),
            (&["/etc"], None),
        ] {
            let is_changed = |path: &CStr| changed.iter().any(|changed| changed.as_bytes() == path.to_bytes());
            let looks = known.looks(|path| Ok(stat(if is_changed(path) { [0; 6] } else { STAMP })));
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let shown = |look: &Look<'_>| format!("{} {}", text(look.directory), text(look.items[0].name.to_bytes()));
            let looks = looks.map(|looks| looks.iter().map(shown).collect::<Vec<_>>().join(", "));
            assert_eq!(looks.as_deref(), expected, "{changed:?}");
        }
    }

    #[test]
    fn whole_seconds_are_believed_where_the_index_was_written_by_a_kernel() {
        let whole = [1, 2, 1_000_000_000, 5, 1_000_000_000, 0];
        for (stamp, native, believed) in
            [(whole, None, false), (whole, Some(1), true), (whole, Some(3), false), (STAMP, None, true), (STAMP, Some(3), true)]
        {
            let known = index(&[("/etc", stamp)], native).unwrap();
            assert_eq!(known.held(b"/etc", || Ok(stat(stamp))).is_some(), believed, "{stamp:?} beside {native:?}");
        }
    }

    #[test]
    fn what_is_young_or_of_the_future_is_not_settled() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000_002);
        for (seconds, nanoseconds, settled) in
            [(1_000_000_000, 0, true), (1_000_000_000, 1, false), (1_000_000_002, 0, false), (1_000_000_003, 0, false), (-1, 0, false)]
        {
            assert_eq!(Stamp([1, 2, 0, 0, seconds, nanoseconds]).settled(now), settled, "{seconds}.{nanoseconds}");
        }
    }
}
