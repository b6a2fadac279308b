//! The places that a confinement grants: those of its base, and those that the policy names, wildcards filled in with what exists now.
//!
//! A path of the policy may lead through symbolic links only where root made them: the owner of a directory could otherwise aim the rule
//! at any place. What a wildcard takes is never a link.
//!
//! Patterns that could match anywhere (`/**/.ssh`) are looked for in /etc and in what the policy names, and not in the other places of a
//! base: these are what packages and the kernel put there, and to look through /usr takes a hundred times longer than the command.

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{Mode, SFlag, fstat};

use super::holes::kind_of;
use super::patterns::{Ahead, Patterns};
use super::scout::Scout;
use crate::policy::Confinement;
use crate::sys::capability::Capabilities;
use crate::sys::directory::Kind;
use crate::sys::landlock::Rights;
use crate::words::limits;

/// To read, for everyone who may read a place.
pub(super) const READ: Rights = Rights::READ_FILE;
/// To write all but devices.
const WRITES: [Rights; 10] = [
    Rights::READ_FILE,
    Rights::WRITE_FILE,
    Rights::TRUNCATE,
    Rights::REMOVE_DIR,
    Rights::REMOVE_FILE,
    Rights::MAKE_DIR,
    Rights::MAKE_REG,
    Rights::MAKE_SOCK,
    Rights::MAKE_FIFO,
    Rights::MAKE_SYM,
];

/// A place that is granted, with all that is below it, but for what is hidden.
pub(super) struct Place {
    /// Opened with `O_PATH`.
    pub handle: OwnedFd,
    /// Where it is, without links.
    pub path: PathBuf,
    /// As it was named.
    written: PathBuf,
    pub directory: bool,
    pub rights: Rights,
    /// Whether the policy names it.
    pub named: bool,
}

impl Place {
    fn open(path: &Path, rights: Rights, named: bool) -> Option<Place> {
        let (handle, resolved) = resolve(path).ok()?;
        let kind = SFlag::from_bits_truncate(fstat(&handle).ok()?.st_mode) & SFlag::S_IFMT;
        Some(Place { handle, path: resolved, written: path.to_owned(), directory: kind == SFlag::S_IFDIR, rights, named })
    }

    /// Which patterns matter in it. It is hidden if one of its names is.
    pub fn ahead(&self, patterns: &Patterns) -> Ahead {
        let at = |path: &Path| patterns.at(path.as_os_str().as_bytes());
        let ahead = if self.path == self.written { at(&self.path) } else { at(&self.path).and(at(&self.written)) };
        if self.named || self.path == Path::new("/etc") { ahead } else { patterns.without_everywhere(ahead) }
    }

    fn covers(&self, other: &Place) -> bool {
        let below = if self.directory { other.path.starts_with(&self.path) } else { other.path == self.path };
        below && self.rights.contains(other.rights)
    }
}

/// The places of a confinement.
///
/// # Errors
/// In words: wildcards that are at more than [`limits::HIDDEN_ENTRIES`] files.
pub(super) fn places(confinement: &Confinement, home: &str, scout: &mut Scout<'_>) -> Result<Vec<Place>, String> {
    let mut places = Places(Vec::new());
    confinement.base.roots().iter().for_each(|root| places.push(Place::open(Path::new(root), READ, false)));
    let write = WRITES.into_iter().fold(Rights::REFER, |all, right| all | right);
    // What a disk says of itself it says by ioctl(2), to whom may command it.
    let commands = Capabilities::of_names(&confinement.capabilities).meets(Capabilities::SYS_ADMIN | Capabilities::SYS_RAWIO);
    let read = if commands { READ | Rights::IOCTL_DEV } else { READ };
    let read = confinement.read.iter().chain(&confinement.roots).map(|pattern| (pattern, read));
    for (pattern, rights) in read.chain(confinement.write.iter().map(|pattern| (pattern, write))) {
        for path in expand(pattern, home, scout)? {
            let place = Place::open(&path, rights, true);
            // A file that is replaced is another one; a directory that is not there may come.
            if place.as_ref().is_none_or(|place| !place.directory) {
                watch_above(&path, scout);
            }
            places.push(place);
        }
    }
    Ok(places.0)
}

struct Places(Vec<Place>);

impl Places {
    fn push(&mut self, place: Option<Place>) {
        self.0.extend(place.filter(|place| !self.0.iter().any(|known| known.covers(place))));
    }
}

/// The paths that a pattern of a place stands for.
pub(super) fn expand(pattern: &str, home: &str, scout: &mut Scout<'_>) -> Result<Vec<PathBuf>, String> {
    let names = Patterns::one(pattern, home);
    let (home, rest) = pattern.strip_prefix('~').map_or(("", pattern), |rest| (home.trim_end_matches('/'), rest));
    let plain = |name: &&str| !name.contains(['*', '?', '[']);
    let fixed: String = rest.split('/').take_while(plain).filter(|name| !name.is_empty()).map(|name| format!("/{name}")).collect();
    let start = PathBuf::from(format!("{home}{}", if fixed.is_empty() && home.is_empty() { "/" } else { &fixed }));
    let ahead = names.at(start.as_os_str().as_bytes());
    if names.takes_all_below(&ahead) {
        return Ok(vec![start]);
    }
    let Ok((handle, path)) = resolve(&start) else {
        watch_above(&start, scout);
        return Ok(Vec::new());
    };
    let mut expansion = Expansion { names, scout, found: Vec::new(), depth: 0 };
    if let Ok(directory) = open_directory(&handle, c".") {
        expansion.search(&directory, &path, &ahead)?;
    }
    Ok(expansion.found)
}

struct Expansion<'a, 'b> {
    names: Patterns,
    scout: &'a mut Scout<'b>,
    found: Vec<PathBuf>,
    depth: usize,
}

impl Expansion<'_, '_> {
    /// What cannot be listed has no names that a wildcard could take.
    fn search(&mut self, directory: &OwnedFd, path: &Path, ahead: &Ahead) -> Result<(), String> {
        let Ok(listed) = self.scout.list(directory) else { return Ok(()) };
        for entry in listed.map_err(|spent| spent.at(path.as_os_str().as_bytes()))? {
            let next = self.names.step(ahead, entry.name.to_bytes());
            let below = path.join(OsStr::from_bytes(entry.name.to_bytes()));
            if !next.hidden && !next.goes_on() {
                continue;
            }
            match kind_of(directory, &entry) {
                Kind::Link | Kind::Unknown => {}
                Kind::Directory if next.hidden || self.names.takes_all_below(&next) => self.found.push(below),
                Kind::Directory if self.depth < limits::HIDDEN_DEPTH => self.descend(directory, &entry.name, &below, &next)?,
                _ if next.hidden => self.found.push(below),
                _ => {}
            }
        }
        Ok(())
    }

    fn descend(&mut self, parent: &OwnedFd, name: &CStr, path: &Path, ahead: &Ahead) -> Result<(), String> {
        let Ok(directory) = open_directory(parent, name) else { return Ok(()) };
        self.depth += 1;
        let done = self.search(&directory, path, ahead);
        self.depth -= 1;
        done
    }
}

fn open_directory(parent: impl AsFd, name: &CStr) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

/// Has the nearest directory above a path watched that there is.
pub(super) fn watch_above(path: &Path, scout: &mut Scout<'_>) {
    let above = path.ancestors().skip(1).find_map(|directory| resolve(directory).ok());
    if let Some((directory, _)) = above {
        scout.watch(directory.as_fd());
    }
}

/// Opens a handle (`O_PATH`) on what an absolute path leads to, and says where that is. Follows root's links only.
pub(super) fn resolve(path: &Path) -> io::Result<(OwnedFd, PathBuf)> {
    let resolve = ResolveFlag::RESOLVE_NO_SYMLINKS;
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(resolve);
    let mut path = plain(path);
    for _ in 0..limits::SYMLINKS {
        match openat2(AT_FDCWD, &path, how) {
            Err(Errno::ELOOP) => path = follow(&path)?,
            opened => return Ok((opened?, path)),
        }
    }
    Err(Errno::ELOOP.into())
}

/// Puts the target of the first link of a path in its place.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut done = PathBuf::new();
    let mut names = path.components();
    while let Some(name) = names.next() {
        done.push(name);
        let found = done.symlink_metadata()?;
        if found.is_symlink() {
            return match found.uid() {
                0 => Ok(plain(&done.parent().unwrap_or(Path::new("/")).join(done.read_link()?).join(names.as_path()))),
                _ => Err(Errno::ELOOP.into()),
            };
        }
    }
    Err(Errno::ELOOP.into())
}

/// Without `.`, `..` and doubled slashes. What is before a `..` was found to be no link.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => plain.push(name),
            Component::ParentDir => drop(plain.pop()),
            _ => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::confinement::Base;
    use std::fs;
    use std::os::unix::fs::{chown, symlink};

    #[test]
    fn wildcards_stand_for_what_is_there_and_never_for_links() {
        let base = fs::canonicalize(nix::unistd::mkdtemp(&std::env::temp_dir().join("postern-places-XXXXXX")).unwrap()).unwrap();
        for path in ["a/log/deep", "b/log", "c/other/log", "b/data"] {
            fs::create_dir_all(base.join(path)).unwrap();
        }
        fs::write(base.join("c/log"), "").unwrap();
        symlink("/etc", base.join("d")).unwrap();
        symlink(base.join("b"), base.join("e")).unwrap();
        let home = base.join("a").display().to_string();
        for (pattern, expected) in [
            ("*/log", "a/log b/log c/log"),
            ("*/log/**", "a/log b/log"),
            ("**/log/**", "a/log b/log c/other/log"),
            ("a/**", "a"),
            ("[bc]/?o*", "b/log c/log"),
            ("~/*", "a/log"),
            ("none/*", ""),
            ("a/log", "a/log"),
            ("none", "none"),
        ] {
            let pattern = if pattern.starts_with('~') { pattern.to_owned() } else { format!("{}/{pattern}", base.display()) };
            let mut found = expand(&pattern, &home, &mut Scout::new(None)).unwrap();
            found.sort();
            let found: Vec<_> = found.iter().map(|path| path.strip_prefix(&base).unwrap().display().to_string()).collect();
            assert_eq!(found.join(" "), expected, "{pattern}");
        }
        fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn a_link_is_followed_where_root_made_it() {
        if !nix::unistd::geteuid().is_root() {
            return crate::words::skip("only root can make links of root");
        }
        let base = fs::canonicalize(nix::unistd::mkdtemp(&std::env::temp_dir().join("postern-places-XXXXXX")).unwrap()).unwrap();
        fs::create_dir_all(base.join("a/b")).unwrap();
        for (target, link) in [("a/b", "into"), ("b/../b", "a/up"), ("loop", "loop"), ("a", "theirs")] {
            symlink(target, base.join(link)).unwrap();
        }
        std::os::unix::fs::lchown(base.join("theirs"), Some(12345), None).unwrap();
        chown(base.join("a"), Some(12345), None).unwrap();
        for (path, leads) in
            [("a/b", Some("a/b")), ("into", Some("a/b")), ("a/up/.", Some("a/b")), ("loop", None), ("theirs", None), ("no", None)]
        {
            let found = resolve(&base.join(path)).ok().map(|(_, path)| path);
            assert_eq!(found, leads.map(|leads| base.join(leads)), "{path}");
        }
        fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn each_place_stands_once() {
        let own = ["/etc/ssl", "/usr/lib/..", "/srv"].map(str::to_owned).to_vec();
        let confinement = Confinement { read: own, write: vec!["/etc/ssl".to_owned()], ..Confinement::built_in(Base::Inspect) };
        let found = places(&confinement, "/", &mut Scout::new(None)).unwrap();
        let of =
            |path: &str| found.iter().filter(|place| place.path == Path::new(path)).map(|place| place.rights == READ).collect::<Vec<_>>();
        assert_eq!((of("/usr"), of("/srv"), of("/etc"), of("/etc/ssl")), (vec![true], vec![true], vec![true], vec![false]));
        let merged = fs::symlink_metadata("/lib").is_ok_and(|lib| lib.is_symlink());
        assert!(!merged || found.iter().all(|place| !place.path.starts_with("/usr/lib")));
    }
}
