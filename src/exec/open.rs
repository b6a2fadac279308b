//! Files that the shell opens for a command: its directory and its redirections, within a deadline and with the rights of its user.
//!
//! A file is first reached by a handle that opens nothing (`O_PATH`), judged, and only then opened, through /proc/self/fd, so that no
//! FIFO is waited for and no device is touched. A file that is to be written is created, or cut to nothing, only at its command's turn: a
//! line of which something is refused leaves no trace.

use std::ffi::OsStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, FcntlArg, OFlag, fcntl, openat};
use nix::sys::stat::{Mode, SFlag};
use nix::unistd::{AccessFlags, faccessat, fchdir, ftruncate};

use super::walk::{Walked, kind, reason, walk};
use crate::sys::deadline::{Answer, answer_within};
use crate::sys::descriptor;
use crate::sys::identity::Identity;
use crate::words::limits;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
    Append,
}

/// An open file, and the path that it was found at, which may not be the one that was checked.
#[derive(Debug)]
pub(super) struct Opened {
    /// Of a file that does not exist yet: a handle on its directory.
    pub file: OwnedFd,
    pub path: PathBuf,
    pub exists: bool,
}

/// Opens a regular file, or the directory of one that is to be created. The error is a reason in words.
pub(super) fn file(path: &Path, access: Access, identity: Option<&Identity>) -> Result<Opened, String> {
    answer(identity, || open_file(path, access))
}

/// Somebody changed what a path leads to between the decision and the opening.
pub(super) const MOVED: &str = "it is another file now than when it was decided";

/// Creates a file that [`file`] found missing, or opens it, emptied, where an earlier command of the line has created it. Nothing is touched
/// that is not at `leads`.
pub(super) fn create(path: &Path, leads: &Path, access: Access, identity: Option<&Identity>) -> Result<OwnedFd, String> {
    answer(identity, || create_file(path, leads, access)).map(|opened| opened.file)
}

/// A handle (`O_PATH`) on the directory that commands start in.
pub(super) fn directory(path: &Path) -> Result<OwnedFd, String> {
    // A handle on what is no directory does no harm: entering it fails.
    descriptor::open_cached(path).or_else(|_| answer(None, || open_directory(path)).map(|opened| opened.file))
}

/// Asks a helper for a file.
fn answer(identity: Option<&Identity>, open: impl FnOnce() -> Result<Opened, String>) -> Result<Opened, String> {
    // One byte of whether it exists, then the path.
    let work = || match open() {
        Ok(opened) => {
            let exists = if opened.exists { b"+" } else { b"-" };
            Answer { bytes: [exists, opened.path.as_os_str().as_bytes()].concat(), descriptor: Some(opened.file) }
        }
        Err(reason) => Answer { bytes: reason.into_bytes(), descriptor: None },
    };
    let Answer { bytes, descriptor } = answer_within(limits::PATH_DEADLINE, identity, work).map_err(|elapsed| elapsed.to_string())?;
    match descriptor {
        // Number 3 and up, but a child wants all three standard ones free.
        Some(file) => {
            let file = descriptor::copy_above_standard(&file).map_err(reason)?;
            let (exists, path) = bytes.split_first().ok_or("no answer")?;
            Ok(Opened { file, path: PathBuf::from(OsStr::from_bytes(path)), exists: *exists == b'+' })
        }
        None => Err(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

fn reach(path: &Path) -> Result<Walked, String> {
    walk(path, &|_, _| Ok(())).map_err(|error| error.to_string())
}

fn open_directory(path: &Path) -> Result<Opened, String> {
    let found = reach(path)?;
    if !found.missing.is_empty() {
        return Err(reason(Errno::ENOENT));
    }
    // Asks the file system now, so that it is this helper that waits for a dead one.
    fchdir(&found.handle).map_err(reason)?;
    Ok(Opened { file: found.handle, path: found.path, exists: true })
}

fn open_file(path: &Path, access: Access) -> Result<Opened, String> {
    let found = reach(path)?;
    let full = found.full();
    match found.missing.as_slice() {
        [] if found.stat().map(|stat| kind(&stat)).map_err(|error| error.to_string())? != SFlag::S_IFREG => {
            Err("not a regular file".to_owned())
        }
        [] => {
            let handle = format!("/proc/self/fd/{}", found.handle.as_raw_fd());
            let file = nix::fcntl::open(handle.as_str(), flags(access), Mode::empty()).map_err(reason)?;
            Ok(Opened { file: blocking(file)?, path: full, exists: true })
        }
        [_] if access != Access::Read => {
            faccessat(&found.handle, ".", AccessFlags::W_OK | AccessFlags::X_OK, AtFlags::AT_EACCESS).map_err(reason)?;
            Ok(Opened { file: found.handle, path: full, exists: false })
        }
        _ => Err(reason(Errno::ENOENT)),
    }
}

fn create_file(path: &Path, leads: &Path, access: Access) -> Result<Opened, String> {
    let found = reach(path)?;
    if found.full() != leads {
        return Err(MOVED.to_owned());
    }
    let [name] = found.missing.as_slice() else {
        let opened = open_file(path, access)?;
        if opened.path != leads {
            return Err(MOVED.to_owned());
        }
        if access == Access::Write {
            ftruncate(&opened.file, 0).map_err(reason)?;
        }
        return Ok(opened);
    };
    // The walk followed every link, so one that appears now is somebody's doing: O_EXCL follows none.
    let flags = flags(access) | OFlag::O_CREAT | OFlag::O_EXCL;
    let file = openat(&found.handle, name.as_os_str(), flags, Mode::from_bits_truncate(0o600)).map_err(reason)?;
    Ok(Opened { file: blocking(file)?, path: found.full(), exists: true })
}

fn flags(access: Access) -> OFlag {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    match access {
        Access::Read => flags | OFlag::O_RDONLY,
        Access::Write => flags | OFlag::O_WRONLY,
        Access::Append => flags | OFlag::O_WRONLY | OFlag::O_APPEND,
    }
}

fn blocking(file: OwnedFd) -> Result<OwnedFd, String> {
    let status = OFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFL).map_err(reason)?);
    fcntl(&file, FcntlArg::F_SETFL(status - OFlag::O_NONBLOCK)).map_err(reason)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::io::{Read, Write};
    use std::os::unix::fs::{MetadataExt, symlink};

    #[test]
    fn only_regular_files_are_opened_and_nothing_waits() {
        let base = nix::unistd::mkdtemp(&fs::canonicalize(std::env::temp_dir()).unwrap().join("postern-open-XXXXXX")).unwrap();
        fs::write(base.join("file"), "content").unwrap();
        nix::unistd::mkfifo(&base.join("fifo"), Mode::S_IRWXU).unwrap();
        symlink("file", base.join("link")).unwrap();
        symlink("nowhere/at/all", base.join("dangling")).unwrap();
        symlink("fresh", base.join("to-fresh")).unwrap();

        let open = |name: &str, access| file(&base.join(name), access, None);
        let mut text = String::new();
        let opened = open("link", Access::Read).unwrap();
        File::from(opened.file).read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), opened.path), ("content", base.join("file")));

        let found = open("to-fresh", Access::Write).unwrap();
        assert!(!found.exists && !base.join("fresh").exists(), "nothing is created while planning");
        assert_eq!(found.path, base.join("fresh"));
        let created = create(&base.join("to-fresh"), &found.path, Access::Write, None).unwrap();
        File::from(created).write_all(b"new").unwrap();
        create(&base.join("to-fresh"), &found.path, Access::Append, None).unwrap();
        assert_eq!(fs::read(base.join("fresh")).unwrap(), b"new");
        assert_eq!(fs::read(base.join("fresh")).unwrap(), b"new");
        assert_eq!(fs::metadata(base.join("fresh")).unwrap().mode() & 0o777, 0o600);
        File::from(open("file", Access::Append).unwrap().file).write_all(b"+").unwrap();
        assert_eq!(fs::read(base.join("file")).unwrap(), b"content+", "nothing is cut while planning");

        for (name, access, reason) in [
            ("fifo", Access::Read, "not a regular file"),
            ("fifo", Access::Write, "not a regular file"),
            (".", Access::Read, "not a regular file"),
            ("/dev/zero", Access::Read, "not a regular file"),
            ("none", Access::Read, "no such file or directory"),
            ("dangling", Access::Write, "no such file or directory"),
            ("/proc/self/fd/0", Access::Read, "it leads into another process through a link of /proc"),
        ] {
            assert_eq!(open(name, access).map(|opened| opened.path), Err(reason.to_owned()), "{name}");
        }
        fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn a_file_is_opened_with_the_rights_of_its_user() {
        if !nix::unistd::geteuid().is_root() {
            return crate::words::skip("only root can take the rights of another user");
        }
        let nobody = Identity { uid: 65534, gid: 65534, groups: vec![] };
        assert!(file(Path::new("/etc/shadow"), Access::Read, None).is_ok());
        assert_eq!(
            file(Path::new("/etc/shadow"), Access::Read, Some(&nobody)).map(|opened| opened.path),
            Err("permission denied".to_owned())
        );
    }
}
