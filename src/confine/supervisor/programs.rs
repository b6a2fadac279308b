//! Other programs.
//!
//! Where none may be started each attempt is refused, with the error that a search along PATH expects. Where a list may be, a program of the list
//! goes on; the path is memory that can change before the kernel reads it, so it is Landlock's EXECUTE, granted on the list alone, that
//! holds. The loader of ELF programs is refused by its name, on the list or not: it starts any file that it can read.
//!
//! A path through one of the links of /proc that lead to open files and the like is not followed (here it would be the deputy's
//! own): such a program is never on the list, and is named as it was asked for.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, open, openat2, readlink};
use nix::sys::stat::{Mode, SFlag, fstat};

use super::{Decision, Purpose, Supervisor, Verdict};
use crate::confine::places::resolve;
use crate::policy::confinement;
use crate::sys::deputy::Outcome;
use crate::sys::notify::{Listener, Notification};
use crate::words::limits;

/// What a program is named by: a path, from a directory or an open file if it is not absolute.
struct Asked {
    path: Vec<u8>,
    base: Option<PathBuf>,
    follow: bool,
}

impl Supervisor {
    pub(super) fn execute(&mut self, call: &Notification, directory: Option<i32>, path: u64, itself: bool, follow: bool) -> Decision {
        // Looked at as long as there is something to find out: what is not there, or known already, hides nothing that comes later.
        if self.oversight.exec.is_none() && self.stopped.len() >= limits::STOPPED_PROGRAMS {
            return Err(Errno::EACCES);
        }
        let path = self.memory(call)?.text(path, limits::PATH_BYTES)?;
        if path.is_empty() && !itself {
            return Err(Errno::ENOENT);
        }
        let base = match directory {
            _ if path.first() == Some(&b'/') => None,
            None => Some(call.proc("cwd")),
            Some(fd) => Some(call.proc(&format!("fd/{fd}"))),
        };
        let (asked, id, list) = (Asked { path, base, follow }, call.id, self.oversight.exec.as_deref());
        let look = |listener: &Listener, _| {
            let base = asked.base.as_deref().map(|base| open(base, OFlag::O_PATH, Mode::empty())).transpose();
            let base = if directory.is_some() { base.or(Err(Errno::EBADF)) } else { base };
            if listener.is_current(id) { base } else { Err(Errno::ESRCH) }
        };
        let deputy = self.depute(&[], look, |base| judge(&asked, base, list));
        // A search along PATH ends at any error but this.
        let deputy = if list.is_none() { deputy.or(Err(Errno::EACCES)) } else { deputy }?;
        Ok(Verdict::Wait(deputy, Purpose::Program))
    }
}

/// 0 for a program that may be started; with an error the full name of one that would have been.
fn judge(asked: &Asked, base: Option<OwnedFd>, list: Option<&[PathBuf]>) -> Outcome {
    let refused = |text| Outcome { text, ..Outcome::error(Errno::EACCES) };
    let file = match find(asked, base.as_ref()) {
        Ok(file) => file,
        Err(errno @ (Errno::ENOENT | Errno::ENOTDIR)) => return Outcome::error(errno),
        // One of the links that are not followed.
        Err(Errno::ELOOP) => return refused(full_name(asked, base.as_ref())),
        Err(_) => return refused(Vec::new()),
    };
    match target(&file) {
        Some(path) if list.is_some_and(|list| is_listed(&path, &asked.path, list)) => Outcome::default(),
        _ if is_program(&file) => refused(full_name(asked, base.as_ref())),
        _ => refused(Vec::new()),
    }
}

fn find(asked: &Asked, base: Option<&OwnedFd>) -> nix::Result<OwnedFd> {
    match base {
        Some(base) if asked.path.is_empty() => base.try_clone().map_err(|_| Errno::EBADF),
        _ => open_handle(base, Path::new(OsStr::from_bytes(&asked.path)), asked.follow),
    }
}

/// A handle (`O_PATH`) on what a path leads to, without the links of /proc.
pub(super) fn open_handle(base: Option<&OwnedFd>, path: &Path, follow: bool) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_CLOEXEC | if follow { OFlag::empty() } else { OFlag::O_NOFOLLOW };
    let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_NO_MAGICLINKS);
    match base {
        Some(base) => openat2(base, path, how),
        None => openat2(AT_FDCWD, path, how),
    }
}

/// Where a handle leads.
pub(super) fn target(file: &impl AsRawFd) -> Option<PathBuf> {
    readlink(format!("/proc/self/fd/{}", file.as_raw_fd()).as_str()).ok().map(PathBuf::from)
}

/// The name that was asked for, in the directory that it is really in: a search along PATH that meets it twice names it once.
fn full_name(asked: &Asked, base: Option<&OwnedFd>) -> Vec<u8> {
    let path = Path::new(OsStr::from_bytes(&asked.path));
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => open_handle(base, parent, true).ok().and_then(|directory| target(&directory)),
        _ => base.and_then(target),
    };
    let name = match (directory, path.file_name()) {
        (Some(directory), Some(name)) => directory.join(name),
        (Some(itself), None) => itself,
        (None, _) => path.to_owned(),
    };
    name.into_os_string().into_vec()
}

fn is_program(file: &OwnedFd) -> bool {
    let any = Mode::S_IXUSR | Mode::S_IXGRP | Mode::S_IXOTH;
    fstat(file.as_fd()).is_ok_and(|facts| facts.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFREG.bits() && facts.st_mode & any.bits() != 0)
}

fn is_listed(path: &Path, asked: &[u8], list: &[PathBuf]) -> bool {
    let listed = list.iter().any(|item| resolve(item).is_ok_and(|(_, item)| item == path));
    listed && !is_loader(path) && !is_loader(Path::new(OsStr::from_bytes(asked)))
}

/// Whether a path ends in a name of the loader.
pub fn is_loader(path: &Path) -> bool {
    path.file_name().and_then(OsStr::to_str).is_some_and(confinement::is_loader)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loader_is_known_by_its_names() {
        for name in [
            "/lib64/ld-linux-x86-64.so.2",
            "/lib/ld-linux.so.2",
            "/lib/ld-musl-aarch64.so.1",
            "ld-2.31.so",
            "/lib64/ld64.so.2",
            "/usr/bin/ld.so",
        ] {
            assert!(is_loader(Path::new(name)), "{name}");
        }
        for name in ["/usr/bin/ld", "/usr/bin/ldd", "/usr/bin/ld.gold", "/sbin/ldconfig", "/usr/bin/id", "/", ""] {
            assert!(!is_loader(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn a_program_is_named_as_asked_in_its_real_directory() {
        let root = || open("/usr/bin", OFlag::O_PATH, Mode::empty()).ok();
        for (path, base, name) in [
            ("/usr/bin/sh", None, "/usr/bin/sh"),
            ("/usr/bin/../bin/./sh", None, "/usr/bin/sh"),
            ("/nowhere/sh", None, "/nowhere/sh"),
            ("id", root(), "/usr/bin/id"),
            ("./id", root(), "/usr/bin/id"),
            ("../bin/id", root(), "/usr/bin/id"),
            ("", root(), "/usr/bin"),
        ] {
            let asked = Asked { path: path.into(), base: None, follow: true };
            assert_eq!(full_name(&asked, base.as_ref()), name.as_bytes(), "{path}");
        }
    }

    #[test]
    fn each_path_gets_the_error_that_a_search_expects() {
        let list =
            [PathBuf::from("/bin/cat"), PathBuf::from("/lib64/ld-linux-x86-64.so.2"), PathBuf::from("/proc/self/exe"), "/nowhere".into()];
        let judged = |path: &str, list| {
            let outcome = judge(&Asked { path: path.into(), base: None, follow: true }, None, list);
            (outcome.errno(), String::from_utf8(outcome.text).unwrap())
        };
        let own_exe = format!("/proc/{}/exe", std::process::id());
        for (path, alone, listed) in [
            ("/usr/bin/id", (Some(Errno::EACCES), "/usr/bin/id"), (Some(Errno::EACCES), "/usr/bin/id")),
            ("/usr/bin/cat", (Some(Errno::EACCES), "/usr/bin/cat"), (None, "")),
            ("/nowhere/id", (Some(Errno::ENOENT), ""), (Some(Errno::ENOENT), "")),
            ("/etc/passwd/id", (Some(Errno::ENOTDIR), ""), (Some(Errno::ENOTDIR), "")),
            ("/etc/passwd", (Some(Errno::EACCES), ""), (Some(Errno::EACCES), "")),
            ("/usr/bin", (Some(Errno::EACCES), ""), (Some(Errno::EACCES), "")),
            ("/proc/self/exe", (Some(Errno::EACCES), &*own_exe), (Some(Errno::EACCES), &*own_exe)),
        ] {
            assert_eq!(judged(path, None), (alone.0, alone.1.to_owned()), "{path}");
            assert_eq!(judged(path, Some(&list[..])), (listed.0, listed.1.to_owned()), "{path} with a list");
        }
        #[cfg(target_arch = "x86_64")]
        assert_eq!(judged("/lib64/ld-linux-x86-64.so.2", Some(&list)).0, Some(Errno::EACCES));
    }
}
