//! Programs: found by name, and safe to run.
//!
//! Safe means that nobody but root can change what the path leads to: every directory above the link and above its target, and the file
//! itself, belong to root and are writable by root alone. A sticky bit does not excuse: others may still create names. So the path that
//! was checked may be executed by name, without a race that anyone but root could win.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::{FileStat, SFlag, fstat};

use super::walk::{self, WalkError, walk};
use crate::confine::is_loader;
use crate::sys::deadline;
use crate::words::limits;

/// The fixed PATH; a policy's `search` comes behind it.
pub const SEARCH: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Why a program is not run, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// It must not be run.
    #[error("{0}")]
    Unsafe(String),
    /// The shell could not find out, for want of descriptors or memory: no verdict on the program.
    #[error("{0}")]
    System(String),
}

impl From<WalkError> for ProgramError {
    fn from(error: WalkError) -> ProgramError {
        match error {
            WalkError::System(Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM) => ProgramError::System(error.to_string()),
            _ => ProgramError::Unsafe(error.to_string()),
        }
    }
}

/// The path of a program: a full path, or the first hit of a bare name on the fixed PATH and then `search`. `None` when it is not there.
pub fn find_program(program: &str, search: &[String]) -> Result<Option<PathBuf>, ProgramError> {
    let (fixed, added): (Vec<PathBuf>, Vec<PathBuf>) = candidates(program, search).into_iter().partition(|path| is_fixed(path));
    // On the fixed PATH nothing is asked of a file system that the host could do without; elsewhere it may hang.
    match first_safe(&fixed)? {
        Some(path) => Ok(Some(path)),
        None if added.is_empty() => Ok(None),
        None => first_safe_in_time(&added),
    }
}

/// Where a program may be, in order.
pub(super) fn candidates(program: &str, search: &[String]) -> Vec<PathBuf> {
    if program.contains('/') {
        return vec![PathBuf::from(program)];
    }
    SEARCH.into_iter().chain(search.iter().map(String::as_str)).map(|directory| Path::new(directory).join(program)).collect()
}

/// Whether a path lies on the fixed PATH.
pub(super) fn is_fixed(path: &Path) -> bool {
    path.parent().is_some_and(|directory| SEARCH.iter().any(|fixed| directory == Path::new(fixed)))
}

fn first_safe(paths: &[PathBuf]) -> Result<Option<PathBuf>, ProgramError> {
    for path in paths {
        if check(path)? {
            return Ok(Some(path.clone()));
        }
    }
    Ok(None)
}

fn first_safe_in_time(paths: &[PathBuf]) -> Result<Option<PathBuf>, ProgramError> {
    // One byte of verdict, then the path or the reason.
    let work = || match first_safe(paths) {
        Ok(Some(path)) => [b"+", path.as_os_str().as_bytes()].concat(),
        Ok(None) => b"-".to_vec(),
        Err(ProgramError::Unsafe(reason)) => format!("!{reason}").into_bytes(),
        Err(ProgramError::System(reason)) => format!("?{reason}").into_bytes(),
    };
    let answer = deadline::within(limits::PATH_DEADLINE, work).map_err(|elapsed| ProgramError::Unsafe(elapsed.to_string()))?;
    match answer.split_first() {
        Some((b'+', path)) => Ok(Some(PathBuf::from(OsStr::from_bytes(path)))),
        Some((b'!', reason)) => Err(ProgramError::Unsafe(String::from_utf8_lossy(reason).into_owned())),
        Some((b'?', reason)) => Err(ProgramError::System(String::from_utf8_lossy(reason).into_owned())),
        _ => Ok(None),
    }
}

/// Whether there is a program at `path`; an error where it must not be run.
fn check(path: &Path) -> Result<bool, ProgramError> {
    if !path.is_absolute() {
        return Err(ProgramError::Unsafe("its path is not absolute".to_owned()));
    }
    let found = match walk(path, &|path, directory| only_root_writes(path, &fstat(directory)?)) {
        Ok(found) if found.missing.is_empty() => found,
        Ok(_) | Err(WalkError::System(Errno::ENOTDIR)) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let judged = found.stat().and_then(|stat| {
        only_root_writes(&found.path, &stat)?;
        executable(&found.path, &stat)?;
        no_loader(path, &found.path)
    });
    judged.map(|()| true).map_err(ProgramError::from)
}

fn only_root_writes(path: &Path, stat: &FileStat) -> Result<(), WalkError> {
    let complaint = match (stat.st_uid, stat.st_mode & 0o022) {
        (0, 0) => return Ok(()),
        (0, _) => "is writable by others than root",
        _ => "does not belong to root",
    };
    Err(WalkError::Unsafe(format!("{} {complaint}", path.display())))
}

/// The loader of ELF programs executes any file that it can read, without an exec that the second door would see.
fn no_loader(typed: &Path, found: &Path) -> Result<(), WalkError> {
    match is_loader(typed) || is_loader(found) {
        true => Err(WalkError::Unsafe(format!("{} is the loader of programs, which starts any other", typed.display()))),
        false => Ok(()),
    }
}

fn executable(path: &Path, stat: &FileStat) -> Result<(), WalkError> {
    match (walk::kind(stat) == SFlag::S_IFREG, stat.st_mode & 0o111) {
        (true, 0) => Err(WalkError::Unsafe(format!("{} is not executable", path.display()))),
        (true, _) => Ok(()),
        (false, _) => Err(WalkError::Unsafe(format!("{} is not a regular file", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    #[test]
    fn programs_of_the_system_are_found_by_name_and_by_path() {
        let sh = find_program("sh", &[]).unwrap().unwrap();
        assert!(sh == Path::new("/usr/bin/sh") || sh == Path::new("/bin/sh"), "{sh:?}");
        assert_eq!(find_program("/bin/sh", &[]), Ok(Some(PathBuf::from("/bin/sh"))));
        for missing in ["no-such-program", "/no/such/program", "/etc/passwd/x"] {
            assert_eq!(find_program(missing, &["/no/such/directory".to_owned()]), Ok(None), "{missing}");
        }
    }

    #[test]
    fn what_others_than_root_can_change_is_not_run() {
        if !nix::unistd::geteuid().is_root() {
            return crate::words::skip("only root can make files of root");
        }
        let base = nix::unistd::mkdtemp("/opt/postern-programs-XXXXXX").unwrap();
        fs::set_permissions(&base, Permissions::from_mode(0o755)).unwrap();
        let put = |path: &str, mode: u32| {
            let path = base.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "#!/bin/true\n").unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            path
        };
        put("good/prog", 0o755);
        put("good/noexec", 0o644);
        put("good/ours", 0o775);
        chown(put("good/theirs", 0o755), Some(12345), None).unwrap();
        put("sticky/program", 0o755);
        fs::set_permissions(base.join("sticky"), Permissions::from_mode(0o1777)).unwrap();
        fs::create_dir(base.join("good/folder")).unwrap();
        symlink(base.join("sticky/program"), base.join("good/out")).unwrap();
        symlink(base.join("good/prog"), base.join("sticky/in")).unwrap();
        symlink("prog", base.join("good/alias")).unwrap();

        let search = [base.join("good").display().to_string()];
        for (program, reason) in [
            ("prog", None),
            ("alias", None),
            ("noexec", Some("is not executable")),
            ("ours", Some("writable by others")),
            ("theirs", Some("does not belong to root")),
            ("folder", Some("is not a regular file")),
            ("out", Some("sticky is writable by others")),
            ("../sticky/in", Some("not absolute")),
        ] {
            let found = find_program(program, &search);
            match reason {
                None => assert_eq!(found, Ok(Some(base.join("good").join(program)))),
                Some(reason) => assert!(found.as_ref().is_err_and(|error| error.to_string().contains(reason)), "{program}: {found:?}"),
            }
        }
        let through = find_program(&base.join("sticky/in").display().to_string(), &[]);
        assert!(through.as_ref().is_err_and(|error| error.to_string().contains("sticky is writable")), "{through:?}");
        fs::remove_dir_all(base).unwrap();
    }
}
