//! The home directory of an account, which the account may have filled with anything: links, FIFOs, a file server that is dead.
//!
//! It is looked at by a helper that can be left behind; nothing in it is opened for reading, and no fix that is printed changes anything
//! below it but with the rights of the account itself, for a link there may lead anywhere.

use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::sys::deadline::within;
use crate::sys::user::User;

/// How long one home directory may take.
const LIMIT: Duration = Duration::from_secs(2);

/// What somebody starts, or lets in, because it lies in a home directory: the name, what for, and how bad it is that it is there.
pub const TRAPS: [Trap; 11] = [
    Trap { name: ".forward", what: "mail to the account may run a program that it names", serious: true },
    Trap { name: ".config/systemd/user", what: "the account's systemd starts the units in it", serious: true },
    Trap { name: ".local/share/systemd/user", what: "the account's systemd starts the units in it", serious: true },
    Trap { name: ".rhosts", what: "rlogin lets in whom it names, without a key", serious: true },
    Trap { name: ".shosts", what: "sshd with HostbasedAuthentication lets in whom it names", serious: true },
    Trap { name: ".k5login", what: "Kerberos lets in whom it names", serious: true },
    Trap { name: ".procmailrc", what: "mail to the account may run a program that it names", serious: true },
    Trap { name: ".ssh/rc", what: "sshd runs it where PermitUserRC is not off", serious: false },
    Trap { name: ".ssh/environment", what: "sshd reads it where PermitUserEnvironment is on", serious: false },
    Trap { name: ".ssh/authorized_keys", what: "sshd takes these keys where AuthorizedKeysFile is not root's", serious: false },
    Trap { name: ".pam_environment", what: "pam_env reads it where user_readenv is on", serious: false },
];

/// A file or directory that has an effect by being there.
pub struct Trap {
    pub name: &'static str,
    pub what: &'static str,
    /// Nothing of what `doctor` checks elsewhere turns it off.
    pub serious: bool,
}

/// What is known of a home directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Home {
    /// There is none, so nothing can be in it.
    Missing,
    There {
        /// Whether the account can write to it: as the owner, who can always give itself the right, as its group, or as anyone.
        writable: bool,
        /// Names in it that belong to the account.
        owned: Vec<String>,
        /// Which of [`TRAPS`] are there.
        traps: Vec<usize>,
        /// Whether all of it could be looked at.
        complete: bool,
    },
    /// Nothing is known; why.
    Unknown(String),
}

impl Home {
    /// Looks at the home directory of a user with these groups.
    pub fn of(user: &User, groups: &[u32]) -> Home {
        let work = || serde_json::to_vec(&look(&user.home, user.uid.as_raw(), groups)).unwrap_or_default();
        match within(LIMIT, work) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|_| Home::Unknown("it could not be looked at".to_owned())),
            Err(elapsed) => Home::Unknown(elapsed.to_string()),
        }
    }
}

fn look(home: &Path, uid: u32, groups: &[u32]) -> Home {
    let found = match std::fs::metadata(home) {
        Ok(found) if found.is_dir() => found,
        Ok(_) => return Home::Missing,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Home::Unknown("only root can look at it".to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => return Home::Missing,
        Err(error) => return Home::Unknown(error.to_string()),
    };
    let mode = found.mode();
    let writable = found.uid() == uid || mode & 0o002 != 0 || (mode & 0o020 != 0 && groups.contains(&found.gid()));
    let listed = std::fs::read_dir(home).map(|entries| owned(entries, uid));
    let traps: Vec<Option<bool>> = TRAPS.iter().map(|trap| is_there(home, trap.name)).collect();
    Home::There {
        writable,
        complete: listed.is_ok() && traps.iter().all(Option::is_some),
        owned: listed.unwrap_or_default(),
        traps: (0..).zip(&traps).filter(|(_, there)| **there == Some(true)).map(|(index, _)| index).collect(),
    }
}

/// The first names that belong to the user.
fn owned(entries: std::fs::ReadDir, uid: u32) -> Vec<String> {
    let own = entries.take(1000).flatten().filter(|entry| entry.metadata().is_ok_and(|found| found.uid() == uid));
    own.take(5).map(|entry| String::from_utf8_lossy(entry.file_name().as_bytes()).into_owned()).collect()
}

/// Whether there is something of this name, a link that leads nowhere too, and as a directory not empty; `None`: not known.
fn is_there(home: &Path, name: &str) -> Option<bool> {
    let path = home.join(name);
    match std::fs::symlink_metadata(&path) {
        Ok(found) if found.is_dir() => Some(std::fs::read_dir(&path).ok()?.next().is_some()),
        Ok(_) => Some(true),
        Err(error) => matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory).then_some(false),
    }
}
