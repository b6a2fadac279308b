//! Whether sshd(8) started this process, so that what it says of the client can be believed.
//!
//! `SSH_CONNECTION` alone proves nothing: `su` without `-`, `sudo` with `env_keep`, and whatever else starts a login shell hand on what their
//! caller has set. sshd starts a session's program as a child of a process that runs wholly as root, or wholly as the account below one that
//! runs wholly as root (the monitor of its privilege separation). How well that can be told depends on what the kernel lets this process see.
//!
//! *With root's rights* (the root install, where a rule may ask for an address before it gives root): by the program that those processes
//! execute, /proc/PID/exe, which no process can choose but by executing it. It must be root's file, in root's directory, by the name of
//! sshd's; of the monitor's, and the account's process must execute the very same, and be one that the account may not trace. So a name given
//! to oneself is not enough, nor is an sshd that the account has started: what is above it is not root's. What is left is an account for
//! which a real sshd executes something else than this shell (another login shell, another sshd without `ForceCommand`): that can become
//! this shell in the place where sshd put it, with an environment of its own.
//!
//! *Without* (the other installs): /proc/PID/exe is closed to the account, so by the name and the ids of the parent. Any program can give
//! itself that name, but not those ids: programs that lend privilege (`su`) keep their caller's real id, and a parent that was killed leaves
//! its child to process 1 or to a process of the caller's. So whoever runs a program of their choice as the account can forge the address;
//! there, commands run as the account and nothing more, which such a person has already.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;

use nix::sys::stat::Mode;
use nix::unistd::{Pid, Uid, geteuid, getppid};

use crate::sys::rights;

/// What sshd's process of a session calls itself, and its program; the second since OpenSSH 9.8.
const NAMES: [&str; 2] = ["sshd", "sshd-session"];

/// Whether the parent of this process is sshd's, for a session of `account`. False where the kernel does not say (`hidepid` of proc(5)).
pub(super) fn is_parent(account: Uid) -> bool {
    let parent = getppid();
    let account = account.as_raw();
    // Root's effective id is there before `rights::settle` too: a start that fails has a record with an address as well.
    let is_sshd = if geteuid().is_root() {
        rights::as_root(|| roots_session(parent, account).unwrap_or(false)).unwrap_or(false)
    } else {
        Status::of(parent).is_ok_and(|status| status.is_called_sshd() && (status.wholly(0) || status.wholly(account)))
    };
    // A number is given to another process only once this one has another parent.
    is_sshd && getppid() == parent
}

/// Whether the parent is a process of a root-owned sshd's session, as far as root can see.
fn roots_session(parent: Pid, account: u32) -> io::Result<bool> {
    let status = Status::of(parent)?;
    if status.wholly(0) {
        return Ok(Session { parent: Process::of(parent, status)?, monitor: None }.is_sshds(account));
    }
    let above = status.parent()?;
    let monitor = Some(Process::of(above, Status::of(above)?)?);
    let session = Session { parent: Process::of(parent, status)?, monitor };
    // As with this process's parent: its number was the same one's all the while.
    Ok(session.is_sshds(account) && Status::of(parent)?.parent()? == above)
}

/// The processes between this one and the sshd that listens.
struct Session {
    parent: Process,
    /// What is above a parent that is not root's.
    monitor: Option<Process>,
}

impl Session {
    fn is_sshds(&self, account: u32) -> bool {
        let Session { parent, monitor } = self;
        match monitor {
            None => parent.is_roots_sshd(),
            Some(monitor) => {
                let is_its_child = parent.closed && parent.program.file == monitor.program.file;
                monitor.is_roots_sshd() && parent.status.wholly(account) && is_its_child
            }
        }
    }
}

/// What root can see of a process.
struct Process {
    status: Status,
    program: Program,
    /// The kernel keeps the process from those who have its ids (`PR_SET_DUMPABLE` of prctl(2)): it was root's, or its program cannot be read.
    closed: bool,
}

impl Process {
    fn of(pid: Pid, status: Status) -> io::Result<Process> {
        let link = format!("/proc/{pid}/exe");
        // "Ownership" of proc(5): root's where the process is closed.
        let closed = fs::symlink_metadata(&link)?.uid() == 0;
        Ok(Process { status, program: Program::of(&link)?, closed })
    }

    fn is_roots_sshd(&self) -> bool {
        self.status.wholly(0) && self.program.called_sshd && self.program.roots_alone
    }
}

/// The program that a process executes.
struct Program {
    /// Device and inode.
    file: (u64, u64),
    called_sshd: bool,
    /// It is a file that root alone can write, still under its name, in a directory where root alone can give names.
    roots_alone: bool,
}

impl Program {
    /// The kernel names the file that is executed, whatever links led to it, and adds ` (deleted)` where it has no name any more.
    fn of(link: &str) -> io::Result<Program> {
        let (path, running) = (fs::read_link(link)?, fs::metadata(link)?);
        let file = |metadata: &Metadata| (metadata.dev(), metadata.ino());
        let named = fs::symlink_metadata(&path)?;
        let directory = fs::symlink_metadata(path.parent().ok_or(io::ErrorKind::NotFound)?)?;
        Ok(Program {
            file: file(&running),
            called_sshd: path.file_name().and_then(OsStr::to_str).is_some_and(|name| NAMES.contains(&name)),
            roots_alone: running.is_file() && file(&named) == file(&running) && [&running, &directory].into_iter().all(is_roots_alone),
        })
    }
}

/// The directory counts: a hard link gives any program of root's another name.
fn is_roots_alone(metadata: &Metadata) -> bool {
    metadata.uid() == 0 && metadata.mode() & (Mode::S_IWGRP | Mode::S_IWOTH).bits() == 0
}

/// `/proc/PID/status` (proc(5)). The kernel escapes newlines in the name.
struct Status(String);

impl Status {
    fn of(pid: Pid) -> io::Result<Status> {
        fs::read_to_string(format!("/proc/{pid}/status")).map(Status)
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"))
    }

    fn is_called_sshd(&self) -> bool {
        self.field("Name").is_some_and(|name| NAMES.contains(&name))
    }

    /// Whether the real, the effective, the saved and the file system's user are all this one.
    fn wholly(&self, uid: u32) -> bool {
        let ids = self.field("Uid").unwrap_or_default().split_whitespace();
        ids.map(|id| id.parse().ok()).eq([Some(uid); 4])
    }

    /// An error where it has none, or one that is not in this process's PID namespace: 0.
    fn parent(&self) -> io::Result<Pid> {
        let pid = self.field("PPid").and_then(|pid| pid.parse().ok()).filter(|pid| *pid > 0);
        pid.map(Pid::from_raw).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

#[cfg(test)]
mod tests;
