//! Who is this, and from where. Asks the kernel and the user database; of the environment it reads `SSH_CONNECTION` alone, which sshd sets
//! over anything that a client sends.
#![forbid(unsafe_code)]

pub mod in_force;

use std::net::IpAddr;

use crate::policy::Subject;

/// The person's account, as the kernel knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub host: String,
    pub account: String,
    pub uid: u32,
    pub gid: u32,
    /// Names of the account's groups, for `%group` in policies.
    pub groups: Vec<String>,
    pub home: String,
    pub from: Option<IpAddr>,
    /// The terminal's device, if there is one: `pts/3`.
    pub tty: Option<String>,
}

/// Why nobody can be let in.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error("uid {0} has no account")]
    NoAccount(u32),
}

/// Finds out who runs this process.
pub fn identify() -> Result<Person, AccessError> {
    todo!()
}

impl Person {
    /// This person as policies see them.
    pub fn subject(&self, terminal: bool) -> Subject {
        Subject {
            host: self.host.clone(),
            account: self.account.clone(),
            groups: self.groups.clone(),
            home: self.home.clone(),
            from: self.from,
            terminal,
        }
    }
}
