//! Who a command runs as, and whether this install can do that.

use nix::unistd::{Gid, Uid, getresuid};

use crate::access::Person;
use crate::sys::identity::Identity;
use crate::sys::user::{self, User, UserError};

/// The user that a command runs as.
#[derive(Clone, Debug)]
pub struct RunAs {
    pub name: String,
    pub home: String,
    /// `None` where this process is that user already.
    pub identity: Option<Identity>,
}

impl RunAs {
    /// By name. The error is a reason in words.
    pub fn named(name: &str) -> Result<RunAs, String> {
        let user = known(user::by_name(name))?;
        Ok(RunAs { identity: switch_to(&user)?, home: user.home.display().to_string(), name: user.name })
    }

    /// The account itself.
    pub fn account(person: &Person) -> Result<RunAs, String> {
        Ok(RunAs { name: person.account.clone(), home: person.home.clone(), identity: identity(None)? })
    }
}

/// The ids to switch to for a user, or for `None` the account itself, which is this process's real user; `Ok(None)` where there is nothing
/// to switch.
pub fn identity(name: Option<&str>) -> Result<Option<Identity>, String> {
    match name {
        Some(name) => switch_to(&known(user::by_name(name))?),
        None if is_already(Uid::current()) => Ok(None),
        None => switch_to(&known(user::by_uid(Uid::current()))?),
    }
}

fn known(user: Result<Option<User>, UserError>) -> Result<User, String> {
    user.map_err(|error| error.to_string())?.ok_or_else(|| "no such user".to_owned())
}

/// Whether all of this process's ids are this user's.
fn is_already(uid: Uid) -> bool {
    getresuid().is_ok_and(|ids| [ids.real, ids.effective, ids.saved].iter().all(|id| *id == uid))
}

fn switch_to(user: &User) -> Result<Option<Identity>, String> {
    if is_already(user.uid) {
        return Ok(None);
    }
    if !Uid::effective().is_root() {
        return Err("this install cannot switch users".to_owned());
    }
    let groups = user.groups().map_err(|error| error.to_string())?;
    let groups = groups.into_iter().map(Gid::as_raw).collect();
    Ok(Some(Identity { uid: user.uid.as_raw(), gid: user.gid.as_raw(), groups }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_its_own_user() {
        assert_eq!(identity(None), Ok(None));
    }

    #[test]
    fn only_root_becomes_somebody_else() {
        let found = RunAs::named("nobody").map(|user| user.identity);
        if Uid::effective().is_root() {
            assert!(found.unwrap().is_some_and(|identity| identity.uid == 65534 && identity.groups == [identity.gid]));
        } else {
            assert_eq!(found.unwrap_err(), "this install cannot switch users");
        }
        assert_eq!(RunAs::named("no such user").unwrap_err(), "no such user");
    }
}
