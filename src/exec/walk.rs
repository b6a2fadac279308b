//! Paths walked by hand, name by name, so that what is found on the way can be judged, missing names are known, and no magic link of
//! /proc is followed, on any kernel. May wait for a file system: to be called under a deadline where that can be.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};

use crate::words::limits;

/// Why a path leads nowhere, in words.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    #[error("permission denied")]
    Denied,
    #[error("too many symbolic links")]
    Links,
    #[error("it leads into another process through a link of /proc")]
    Magic,
    #[error("`..` behind a name that does not exist")]
    MissingParent,
    #[error("{0} is for the account to change, so the rule's user may be led elsewhere than was decided")]
    Changeable(String),
    #[error("{0}")]
    Unsafe(String),
    #[error("{}", reason(*.0))]
    System(Errno),
}

impl From<Errno> for WalkError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::EACCES => WalkError::Denied,
            Errno::ELOOP => WalkError::Links,
            other => WalkError::System(other),
        }
    }
}

/// An error of the kernel as a reason in the middle of a sentence.
pub fn reason(errno: Errno) -> String {
    let text = errno.desc();
    text.chars().take(1).flat_map(char::to_lowercase).chain(text.chars().skip(1)).collect()
}

/// Where a path leads.
pub struct Walked {
    /// Without `.`, `..` or links; ends where what exists ends.
    pub path: PathBuf,
    /// A handle (`O_PATH`) on that.
    pub handle: OwnedFd,
    /// The names behind it, which do not exist.
    pub missing: Vec<OsString>,
}

impl Walked {
    /// The whole path.
    pub fn full(&self) -> PathBuf {
        self.missing.iter().fold(self.path.clone(), |path, name| path.join(name))
    }

    /// What the handle is.
    pub fn stat(&self) -> Result<FileStat, WalkError> {
        Ok(fstat(&self.handle)?)
    }
}

/// The kind of a file.
pub fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

/// Judges what stands on the way: a directory before a name is looked up in it.
pub type Judge<'a> = &'a dyn Fn(&Path, &OwnedFd) -> Result<(), WalkError>;

/// Walks an absolute path to its end, or to the last part of it that exists.
pub fn walk(path: &Path, judge: Judge<'_>) -> Result<Walked, WalkError> {
    let mut walker = Walker { here: root()?, above: Vec::new(), path: PathBuf::from("/"), ahead: names(path.as_os_str()), links: 0 };
    while let Some(name) = walker.ahead.pop() {
        judge(&walker.path, &walker.here)?;
        if !walker.step(&name)? {
            walker.ahead.push(name);
            break;
        }
    }
    let missing = walker.ahead.into_iter().rev().filter(|name| name != ".").collect::<Vec<_>>();
    if missing.iter().any(|name| name == "..") {
        return Err(WalkError::MissingParent);
    }
    Ok(Walked { path: walker.path, handle: walker.here, missing })
}

struct Walker {
    here: OwnedFd,
    /// The directories that `path` names, from the root on: `..` goes back to where the walk came from, and not to where somebody has moved
    /// `here` since.
    above: Vec<OwnedFd>,
    path: PathBuf,
    /// The names to come, the next one last.
    ahead: Vec<OsString>,
    links: usize,
}

impl Walker {
    /// Goes on by one name; false when it does not exist.
    fn step(&mut self, name: &OsStr) -> Result<bool, WalkError> {
        if matches!(name.as_bytes(), b"." | b"..") {
            // Of a directory that may be searched alone.
            openat(&self.here, ".", OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
            if name == ".." {
                self.back();
            }
            return Ok(true);
        }
        let next = match openat(&self.here, name, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty()) {
            Err(Errno::ENOENT) => return Ok(false),
            opened => opened?,
        };
        if kind(&fstat(&next)?) == SFlag::S_IFLNK {
            return self.follow(&next).map(|()| true);
        }
        self.path.push(name);
        self.above.push(std::mem::replace(&mut self.here, next));
        Ok(true)
    }

    /// Goes back by one name. Above the root is the root.
    fn back(&mut self) {
        if let Some(above) = self.above.pop() {
            self.here = above;
            self.path.pop();
        }
    }

    fn follow(&mut self, link: &OwnedFd) -> Result<(), WalkError> {
        /// The inode of the root of every procfs (include/linux/proc_fs.h, PROC_ROOT_INO).
        const PROC_ROOT: u64 = 1;
        self.links += 1;
        if self.links > limits::SYMLINKS {
            return Err(WalkError::Links);
        }
        // The links of /proc itself (`self`, `mounts`) are plain ones; those of a process lead where no path does.
        if fstatfs(link)?.filesystem_type() == PROC_SUPER_MAGIC && fstat(&self.here)?.st_ino != PROC_ROOT {
            return Err(WalkError::Magic);
        }
        let target = readlinkat(link, "")?;
        if target.as_bytes().starts_with(b"/") {
            self.here = root()?;
            self.above.clear();
            self.path = PathBuf::from("/");
        }
        self.ahead.extend(names(&target));
        Ok(())
    }
}

fn root() -> Result<OwnedFd, WalkError> {
    Ok(nix::fcntl::open("/", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?)
}

/// The names of a path, the last one first. A slash at the end asks for a directory, as `.` does.
fn names(path: &OsStr) -> Vec<OsString> {
    let bytes = path.as_bytes();
    let end = if bytes.ends_with(b"/") { &b"."[..] } else { b"" };
    let names = bytes.split(|byte| *byte == b'/').chain([end]).filter(|name| !name.is_empty());
    let mut names: Vec<OsString> = names.map(|name| OsStr::from_bytes(name).to_owned()).collect();
    names.reverse();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn lead(path: &Path) -> String {
        match walk(path, &|_, _| Ok(())) {
            Ok(found) => format!("{}{}", found.full().display(), if found.missing.is_empty() { "" } else { " (missing)" }),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_directory_that_is_moved_meanwhile_leads_back_where_the_walk_came_from() {
        let base = fs::canonicalize(nix::unistd::mkdtemp(&std::env::temp_dir().join("postern-moved-XXXXXX")).unwrap()).unwrap();
        for directory in ["a/b/c/y", "a/b/decoy", "decoy"] {
            fs::create_dir_all(base.join(directory)).unwrap();
        }
        let (inner, outer) = (base.join("a/b/c/y"), base.join("y"));
        let moving = |path: &Path, _: &OwnedFd| {
            if path == inner {
                fs::rename(&inner, &outer).unwrap();
            }
            Ok(())
        };
        let found = walk(&inner.join("../../decoy"), &moving).unwrap();
        assert!(outer.exists(), "it was moved while the walk stood in it");
        assert_eq!(found.path, base.join("a/b/decoy"));
        let leads = nix::fcntl::readlink(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&found.handle)).as_str()).unwrap();
        assert_eq!(PathBuf::from(leads), found.path, "what is open is what is said");
        fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn a_walk_ends_where_the_kernel_would() {
        let base = nix::unistd::mkdtemp(&fs::canonicalize(std::env::temp_dir()).unwrap().join("postern-walk-XXXXXX")).unwrap();
        fs::create_dir_all(base.join("a/b")).unwrap();
        fs::write(base.join("a/file"), "").unwrap();
        for (target, link) in [("a/b", "into"), ("a/new/er", "dangling"), ("loop", "loop"), ("/etc", "away"), ("../a/./file", "a/b/up")] {
            let _ = fs::remove_file(base.join(link));
            symlink(target, base.join(link)).unwrap();
        }
        for (path, leads) in [
            ("a/file", "a/file"),
            ("a//./b/../file", "a/file"),
            ("into/..", "a"),
            ("a/b/up", "a/a/file (missing)"),
            ("into/../../a/file", "a/file"),
            ("no/such", "no/such (missing)"),
            ("dangling", "a/new/er (missing)"),
            ("dangling/est", "a/new/er/est (missing)"),
            ("no/./such/", "no/such (missing)"),
        ] {
            assert_eq!(lead(&base.join(path)), base.join(leads).display().to_string(), "{path}");
        }
        for (path, leads) in [
            ("no/../a", "`..` behind a name that does not exist"),
            ("loop", "too many symbolic links"),
            ("a/file/", "not a directory"),
            ("a/file/x", "not a directory"),
            ("away/passwd", "/etc/passwd"),
            ("../../../../../../../../etc/passwd", "/etc/passwd"),
        ] {
            assert_eq!(lead(&base.join(path)), leads, "{path}");
        }
        fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn magic_links_are_not_followed() {
        for path in
            ["/proc/self/root/etc/passwd", "/proc/self/exe", "/proc/1/cwd", "/proc/self/fd/0", "/dev/fd/1", "/proc/thread-self/ns/mnt"]
        {
            assert!(matches!(walk(Path::new(path), &|_, _| Ok(())), Err(WalkError::Magic)), "{path}");
        }
        assert!(lead(Path::new("/proc/mounts")).ends_with("/mounts"));
    }
}
