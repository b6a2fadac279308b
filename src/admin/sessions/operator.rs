//! Who it is that watches a session or ends it.

use nix::unistd::{Uid, getuid};

use crate::access::Login;
use crate::sys::user;

/// The caller of this program, by what the kernel knows; a name in the environment counts only where the login left no other.
pub struct Operator {
    pub name: String,
    pub uid: u32,
    /// The login's uid.
    pub auid: Option<u32>,
}

impl Operator {
    pub fn of_this_process() -> Operator {
        let (uid, auid) = (getuid(), Login::of_this_process().uid);
        let sudo = std::env::var("SUDO_USER").ok().filter(|name| uid.is_root() && !name.is_empty());
        let login = auid.map(Uid::from_raw).filter(|login| !login.is_root()).map(name);
        Operator { name: login.or(sudo).unwrap_or_else(|| name(uid)), uid: uid.as_raw(), auid }
    }
}

fn name(uid: Uid) -> String {
    user::by_uid(uid).ok().flatten().map_or_else(|| format!("uid {uid}"), |user| user.name)
}
