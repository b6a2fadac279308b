//! Which install this is: by who owns the program file, and whether the kernel honoured its set-user-ID bit.
//!
//! Ids are asked of the kernel itself, so that what a process *is* does not hang on a file system. /proc is believed only in the other
//! direction, for refusing: that a bit is there and lent nothing. Whoever shows this process a /proc of their own (a user namespace) has
//! lost the bit by the same means, and could as well have copied the program.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::stat::Mode;
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{getresgid, getresuid};

/// The file that this process executes, as it was when it was executed, whatever has become of its name.
const PROGRAM: &str = "/proc/self/exe";

/// One mechanism, three strengths, by who owns the installed binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Install {
    /// `root:postern`, mode 4750. It can do all: rules run `as:` any user with exactly the listed capabilities, one mount namespace for the
    /// session, records that the account cannot reach.
    Root,
    /// Owner `postern`, mode 4511, on a host where nothing may be set-user-ID root. Commands run as the account; the shell itself is real
    /// uid `postern`, effective uid the account: the account's own processes can't signal or trace it, and its records and syslog
    /// credentials are `postern`'s.
    Postern,
    /// No set-user-ID bit (`--demo`, development). Commands run as the caller; protections that need more are reported as absent. Root who
    /// runs the program of a `Root` install is here as well: nobody lends root anything.
    Plain,
}

impl Install {
    /// As records and doctor name it.
    pub fn name(self) -> &'static str {
        match self {
            Install::Root => "root",
            Install::Postern => "postern",
            Install::Plain => "plain",
        }
    }

    /// Finds out; meant for the start of a process, before it changes its own ids.
    ///
    /// # Errors
    /// The process would run with less protection than was installed, with privilege that no install lends, or nobody can tell.
    pub fn of_this_process() -> Result<Install, InstallError> {
        Facts::of_this_process()?.install()
    }
}

/// Why a process is none of the three.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    #[error("started set-group-ID, which no install is: take that bit off the program file")]
    SetGroupId,
    #[error("started with capabilities of its file, which no install has: take them off with setcap -r")]
    Capabilities,
    #[error("the program file is set-user-ID and may be written by others than its owner (mode {0:04o}): chmod go-w")]
    Writable(u32),
    #[error("the program file is set-user-ID (owner {owner}), and that was not honoured: {because}")]
    NotHonoured { owner: u32, because: Because },
    #[error("started with effective uid {effective} for uid {real}, which the program file does not lend")]
    Borrowed { real: u32, effective: u32 },
    #[error("root cannot use an install of uid {0}, which would take from root and lend nothing")]
    FromRoot(u32),
    #[error("cannot find out how this process was started: {0}")]
    Unknown(String),
}

/// Why the kernel did not honour a set-user-ID bit (execve(2), `cap_bprm_creds_from_file` and `bprm_fill_uid` of Linux).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Because {
    #[error("no_new_privs was set already")]
    NoNewPrivileges,
    #[error("the caller's user namespace has no such owner")]
    UserNamespace,
    #[error("its file system is mounted nosuid")]
    NoSuid,
    #[error("process {0} traces this one")]
    Traced(u32),
    /// A tracer that is gone, a file system context shared with another process (CLONE_FS), a file of another mount namespace, a security
    /// module: all of them leave no trace.
    #[error("the kernel does not say why; perhaps a tracer, or a caller that shares its working directory with another process (CLONE_FS)")]
    Other,
}

/// Real, effective and saved id.
type Ids = [u32; 3];

/// What the decision is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Facts {
    users: Ids,
    groups: Ids,
    /// Of the program file, its type left out.
    mode: u32,
    owner: u32,
    nosuid: bool,
    /// Whether the owner has a number in this process's user namespace; one without shows as the overflow uid.
    owner_is_mapped: bool,
    /// Capabilities that are permitted and that the caller did not have: not ambient.
    lent: u64,
    no_new_privileges: bool,
    tracer: u32,
}

impl Facts {
    fn of_this_process() -> Result<Facts, InstallError> {
        let unknown = |what: &str, reason: &dyn std::fmt::Display| InstallError::Unknown(format!("{what}: {reason}"));
        let read = |path: &str| fs::read_to_string(path).map_err(|error| unknown(path, &error));
        let users = getresuid().map_err(|errno| unknown("getresuid", &errno.desc()))?;
        let groups = getresgid().map_err(|errno| unknown("getresgid", &errno.desc()))?;
        let program = fs::metadata(PROGRAM).map_err(|error| unknown(PROGRAM, &error))?;
        let mount = statvfs(Path::new(PROGRAM)).map_err(|errno| unknown(PROGRAM, &errno.desc()))?;
        let status = Status(read("/proc/self/status")?);
        let map = read("/proc/self/uid_map")?;
        Ok(Facts {
            users: [users.real.as_raw(), users.effective.as_raw(), users.saved.as_raw()],
            groups: [groups.real.as_raw(), groups.effective.as_raw(), groups.saved.as_raw()],
            mode: program.mode() & 0o7777,
            owner: program.uid(),
            nosuid: mount.flags().contains(FsFlags::ST_NOSUID),
            owner_is_mapped: maps(&map, program.uid()),
            lent: status.number("CapPrm", 16)? & !status.number("CapAmb", 16)?,
            no_new_privileges: status.number("NoNewPrivs", 10)? != 0,
            tracer: u32::try_from(status.number("TracerPid", 10)?).unwrap_or(u32::MAX),
        })
    }

    fn install(&self) -> Result<Install, InstallError> {
        let [real, effective, saved] = self.users;
        if self.groups.iter().any(|id| Some(id) != self.groups.first()) || self.has(Mode::S_ISGID) {
            return Err(InstallError::SetGroupId);
        }
        if self.has(Mode::S_ISUID) {
            self.bit_is_sound()?;
        }
        // An exec saves the effective id, so that any other is not of a start.
        let lent_by_the_file = self.has(Mode::S_ISUID) && saved == effective;
        match (real, effective) {
            _ if real == effective && real == saved => self.without_capabilities(Install::Plain),
            _ if !lent_by_the_file => Err(InstallError::Borrowed { real, effective }),
            (0, _) => Err(InstallError::FromRoot(effective)),
            (_, 0) => Ok(Install::Root),
            _ => self.without_capabilities(Install::Postern),
        }
    }

    /// That nobody but the owner could have put another program there, and that the owner's id was lent.
    fn bit_is_sound(&self) -> Result<(), InstallError> {
        if self.has(Mode::S_IWGRP) || self.has(Mode::S_IWOTH) {
            return Err(InstallError::Writable(self.mode));
        }
        let [_, effective, _] = self.users;
        if self.owner_is_mapped && self.owner == effective {
            return Ok(());
        }
        Err(InstallError::NotHonoured { owner: self.owner, because: self.because() })
    }

    fn because(&self) -> Because {
        match self.tracer {
            _ if self.no_new_privileges => Because::NoNewPrivileges,
            _ if !self.owner_is_mapped => Because::UserNamespace,
            _ if self.nosuid => Because::NoSuid,
            0 => Because::Other,
            tracer => Because::Traced(tracer),
        }
    }

    fn without_capabilities(&self, install: Install) -> Result<Install, InstallError> {
        let [real, ..] = self.users;
        if real != 0 && self.lent != 0 { Err(InstallError::Capabilities) } else { Ok(install) }
    }

    fn has(&self, bit: Mode) -> bool {
        self.mode & bit.bits() != 0
    }
}

/// The text of /proc/self/status (proc(5)).
struct Status(String);

impl Status {
    fn number(&self, field: &str, radix: u32) -> Result<u64, InstallError> {
        let value = self.0.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(":\t"));
        let number = value.and_then(|value| u64::from_str_radix(value.trim(), radix).ok());
        number.ok_or_else(|| InstallError::Unknown(format!("/proc/self/status has no {field}")))
    }
}

/// Whether a `uid_map` (user_namespaces(7): first inside, first outside, how many) has this uid inside.
fn maps(map: &str, uid: u32) -> bool {
    map.lines().any(|line| {
        let numbers: Vec<u64> = line.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        matches!(numbers.as_slice(), [first, _, count] if (*first..first + count).contains(&u64::from(uid)))
    })
}

#[cfg(test)]
mod tests;
