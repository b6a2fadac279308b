//! The installed programs: whose they are, with what privilege they start, what is loaded into them.

use std::path::{Path, PathBuf};

use super::finding::{Check, Finding, quoted};
use super::host::{Host, Mount};
use super::privilege;
use super::reading::{Unread, lines, text_or_empty};
use crate::access::Install;
use crate::admin::install::Program;
use crate::sys::file::{Directory, FileError, Owner};

pub const CHECKS: &[Check] = &[
    Check { id: "shell.owner", run: owner },
    Check { id: "shell.privilege", run: |host| each(host, |shell| privileges(host, shell)) },
    Check { id: "shell.linking", run: |host| each(host, |shell| vec![linking(shell)]) },
    Check { id: "shell.mount", run: |host| each(host, |shell| vec![mounted(shell, host.mount_of(shell))]) },
    Check { id: "shell.listed", run: listed },
    Check { id: "shell.preload", run: preload },
];

const SHELLS: &str = "/etc/shells";
const PRELOAD: &str = "/etc/ld.so.preload";

/// A check of each installed shell.
fn each(host: &Host, check: impl Fn(&Path) -> Vec<Finding>) -> Vec<Finding> {
    if host.shells.is_empty() {
        return vec![Finding::problem("posternsh", "it is not installed").fix("install it as /usr/bin/posternsh")];
    }
    host.shells.iter().flat_map(|shell| check(shell)).collect()
}

/// The shell, this tool, and every directory above them.
fn owner(host: &Host) -> Vec<Finding> {
    let tool = std::env::current_exe().ok();
    let programs: Vec<&PathBuf> = host.shells.iter().chain(&tool).collect();
    programs
        .into_iter()
        .map(|program| match installed(program) {
            Ok(whose) => Finding::ok(program.display().to_string(), whose),
            Err(error) => Finding::distrust(&error),
        })
        .collect()
}

/// Whether nobody can replace a program. Of one that is set-user-ID of another user `shell.privilege` looks at the owner.
fn installed(path: &Path) -> Result<&'static str, FileError> {
    match Program::at(path) {
        Ok(program) if program.install() == Install::Postern => {
            Directory::open(path.parent().unwrap_or(Path::new("/")), Owner::Root)?;
            match program.mode & 0o022 {
                0 => Ok("all above it is root's, and only its owner can write to it"),
                _ => Err(FileError::Writable { path: path.to_owned(), who: "others than its owner", mend: "go-w" }),
            }
        }
        _ => trusted(path).map(|()| "it is root's, with all above it"),
    }
}

/// Whether a file and all above it are root's.
pub fn trusted(file: &Path) -> Result<(), FileError> {
    let directory = Directory::open(file.parent().unwrap_or(Path::new("/")), Owner::Root)?;
    directory.open_file(&file.file_name().unwrap_or_default().to_string_lossy(), Owner::Root).map(drop)
}

/// Which of the installs it is, and whether it is one as it should be.
fn privileges(host: &Host, shell: &Path) -> Vec<Finding> {
    match Program::at(shell) {
        Ok(program) => privilege::judge(&program, host.owners),
        Err(error) => vec![not_there(shell, error)],
    }
}

fn linking(shell: &Path) -> Finding {
    Program::at(shell).map_or_else(|error| not_there(shell, error), |program| privilege::linking(&program))
}

fn not_there(shell: &Path, error: std::io::Error) -> Finding {
    match Unread::from(error) {
        Unread::Missing => {
            Finding::problem(shell.display().to_string(), "it is not there, so nobody gets in").fix("install posternsh there")
        }
        unread => unread.skipped(shell),
    }
}

fn mounted(shell: &Path, mount: Option<&Mount>) -> Finding {
    let path = shell.display().to_string();
    let privileged = Program::at(shell).is_ok_and(|program| program.install() != Install::Plain);
    match mount {
        Some(mount) if mount.has("noexec") => {
            Finding::problem(path, format!("{} is mounted noexec, so nobody gets in", mount.point.display())).command([
                "mount",
                "-o",
                "remount,bind,exec",
                &mount.point.display().to_string(),
            ])
        }
        Some(mount) if privileged && mount.has("nosuid") => Finding::problem(
            path,
            format!("{} is mounted nosuid, so its set-user-ID bit has no effect, and it starts no session", mount.point.display()),
        )
        .command(["mount", "-o", "remount,bind,suid", &mount.point.display().to_string()]),
        _ => Finding::ok(path, "its file system lets it run"),
    }
}

/// A shell in /etc/shells can be left by its account with chsh(1), and su(1) -s then takes another one from anybody.
fn listed(host: &Host) -> Vec<Finding> {
    let text = match text_or_empty(SHELLS) {
        Ok(text) => text,
        Err(unread) => return vec![unread.skipped(SHELLS)],
    };
    let listed = lines(&text);
    each(host, |shell| {
        let path = shell.display().to_string();
        if listed.iter().all(|line| *line != path) {
            return vec![Finding::ok(path, format!("not in {SHELLS}: chsh and `su -s` do not lead round it"))];
        }
        let pattern = quoted(&format!("\\|^[[:space:]]*{path}[[:space:]]*$|d"));
        let message = format!("in {SHELLS}: the account can change its shell with chsh, and others with `su -s`");
        vec![Finding::problem(path, message).script(format!("sed -i {pattern} {SHELLS}"))]
    })
}

/// What the loader puts into every program that is not static.
fn preload(_host: &Host) -> Vec<Finding> {
    let text = match text_or_empty(PRELOAD) {
        Ok(text) => text,
        Err(unread) => return vec![unread.skipped(PRELOAD)],
    };
    let libraries = lines(&text);
    let untrusted = trusted(Path::new(PRELOAD)).err().filter(|error| !error.is_missing());
    match (untrusted, &libraries[..]) {
        (Some(error), _) => vec![Finding::distrust(&error)],
        (None, []) => vec![Finding::ok(PRELOAD, "no library is loaded into every program")],
        (None, libraries) => {
            let message = format!("{} is loaded into every program, the shell and what it runs too", libraries.join(", "));
            vec![Finding::note(PRELOAD, message).fix("see that it is meant, and that it is root's")]
        }
    }
}
