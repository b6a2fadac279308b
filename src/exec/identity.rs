//! Who a command runs as, and whether this install can do that.

use nix::unistd::{Gid, Uid, getresuid};

use crate::sys::identity::Identity;
use crate::sys::user::{self, User};

/// The user that a command runs as.
#[derive(Clone, Debug)]
pub struct RunAs {
    pub name: String,
    pub home: String,
    /// `None` where this process is that user already.
    pub identity: Option<Identity>,
}

impl RunAs {
    /// By name, or for `None` the account itself: this process's real user. The error is a reason in words.
    pub fn find(name: Option<&str>) -> Result<RunAs, String> {
        let user = match name {
            Some(name) => user::by_name(name),
            None => user::by_uid(Uid::current()),
        };
        let user = user.map_err(|error| error.to_string())?.ok_or("no such user")?;
        let identity = if is_already(user.uid) { None } else { Some(identity(&user)?) };
        Ok(RunAs { name: user.name, home: user.home.display().to_string(), identity })
    }
}

/// Whether all of this process's ids are this user's.
fn is_already(uid: Uid) -> bool {
    getresuid().is_ok_and(|ids| [ids.real, ids.effective, ids.saved].iter().all(|id| *id == uid))
}

fn identity(user: &User) -> Result<Identity, String> {
    if !Uid::effective().is_root() {
        return Err("this install cannot switch users".to_owned());
    }
    let groups = user.groups().map_err(|error| error.to_string())?;
    Ok(Identity { uid: user.uid.as_raw(), gid: user.gid.as_raw(), groups: groups.into_iter().map(Gid::as_raw).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_its_own_user() {
        assert_eq!(RunAs::find(None).unwrap().identity, None);
    }

    #[test]
    fn only_root_becomes_somebody_else() {
        let found = RunAs::find(Some("nobody")).map(|user| user.identity);
        if Uid::effective().is_root() {
            assert!(found.unwrap().is_some_and(|identity| identity.uid == 65534 && identity.groups == [identity.gid]));
        } else {
            assert_eq!(found.unwrap_err(), "this install cannot switch users");
        }
        assert_eq!(RunAs::find(Some("no such user")).unwrap_err(), "no such user");
    }
}
