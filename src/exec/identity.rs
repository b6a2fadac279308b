//! Who a command runs as, and whether this install can do that.
//!
//! The account is who the login said it is, with the groups that the login gave it: never the process's own ids, which in a set-user-ID
//! install are another's, and not what the user database says by now. `as:` its own name means just that account.
//!
//! `USER:GROUP` replaces the primary group; of USER's own groups those stay that list USER. `:GROUP` takes nothing from the account.

use nix::unistd::Gid;

use crate::access::Person;
use crate::policy::RunAsParts;
use crate::sys::identity::{self, Identity};
use crate::sys::user::{self, User};

/// The user that a command runs as.
#[derive(Clone, Debug)]
pub struct RunAs {
    pub name: String,
    pub home: String,
    /// `None` where this process is that user already, in every respect.
    pub identity: Option<Identity>,
}

impl RunAs {
    /// As `as:` is written; without it, the account itself. The error is a reason in words.
    pub fn of(written: Option<&str>, person: &Person) -> Result<RunAs, String> {
        let Who { name, home, identity } = Who::account(person).run_as(written)?;
        Ok(RunAs { identity: to_assume(identity)?, name, home })
    }
}

/// A user, with complete ids.
#[derive(Clone, Debug)]
pub(super) struct Who {
    name: String,
    home: String,
    pub identity: Identity,
}

impl Who {
    pub fn account(person: &Person) -> Who {
        let identity = Identity { uid: person.uid, gid: person.gid, groups: person.gids.clone() };
        Who { name: person.account.clone(), home: person.home.clone(), identity }
    }

    /// The real user of this process, without a name.
    pub fn this_process() -> Result<Who, String> {
        Ok(Who { name: String::new(), home: String::new(), identity: Identity::of_caller().map_err(in_words)? })
    }

    /// Whom `as:` means, written in a policy for this account.
    pub fn run_as(self, written: Option<&str>) -> Result<Who, String> {
        let RunAsParts { user, group } = RunAsParts::of(written.unwrap_or_default());
        let group = group.map(gid).transpose()?;
        match user.filter(|user| *user != self.name) {
            Some(user) => Who::named(user, group),
            None => Ok(Who { identity: with_primary(self.identity, group), ..self }),
        }
    }

    fn named(name: &str, group: Option<u32>) -> Result<Who, String> {
        let user = user::by_name(name).map_err(in_words)?.ok_or("no such user")?;
        let gid = group.unwrap_or(user.gid.as_raw());
        let identity = Identity { uid: user.uid.as_raw(), gid, groups: groups(&user, gid)? };
        Ok(Who { identity, home: user.home.display().to_string(), name: user.name })
    }
}

/// The supplementary groups of a user with this primary one, which is among them, as initgroups(3) has it.
fn groups(user: &User, primary: u32) -> Result<Vec<u32>, String> {
    let listing = user.memberships().map_err(in_words)?.into_iter().map(Gid::as_raw);
    Ok(distinct(listing.chain([primary]).collect()))
}

/// The account with another primary group, besides all that it has.
fn with_primary(account: Identity, group: Option<u32>) -> Identity {
    let Some(gid) = group else { return account };
    let groups = distinct(account.groups.into_iter().chain([account.gid, gid]).collect());
    Identity { gid, groups, ..account }
}

fn distinct(mut groups: Vec<u32>) -> Vec<u32> {
    groups.sort_unstable();
    groups.dedup();
    groups
}

fn gid(group: &str) -> Result<u32, String> {
    Ok(user::group(group).map_err(in_words)?.ok_or_else(|| format!("no such group: {group}"))?.as_raw())
}

fn in_words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// What a process of this one's takes on to be wholly `wanted`; `None` where nothing is to be done. The error is the reason why it cannot.
pub(super) fn to_assume(wanted: Identity) -> Result<Option<Identity>, String> {
    match wanted {
        own if own.is_own() => Ok(None),
        other if other.can_be_assumed() => Ok(Some(other)),
        _ if identity::is_mixed() => {
            Err("this install runs commands as the account only (posternsh is owned by postern, not root)".to_owned())
        }
        _ => Err("this install runs commands as the account only (posternsh is not set-user-ID root)".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person() -> Person {
        crate::access::identify().unwrap()
    }

    #[test]
    fn an_account_that_this_process_is_wholly_needs_nothing() {
        let person = person();
        for written in [None, Some(person.account.as_str())] {
            let found = RunAs::of(written, &person).unwrap();
            assert_eq!((found.name, found.home, found.identity), (person.account.clone(), person.home.clone(), None), "{written:?}");
        }
    }

    #[test]
    fn groups_are_replaced_for_another_and_added_for_the_account() {
        let account = Who { name: "bg".to_owned(), home: "/".to_owned(), identity: Identity { uid: 1200, gid: 1200, groups: vec![1300] } };
        let ids = |written: &str| {
            let Identity { uid, gid, groups } = account.clone().run_as(Some(written).filter(|text| !text.is_empty()))?.identity;
            Ok::<_, String>((uid, gid, groups))
        };
        for (written, expected) in [
            ("", Ok((1200, 1200, vec![1300]))),
            ("bg", Ok((1200, 1200, vec![1300]))),
            (":root", Ok((1200, 0, vec![0, 1200, 1300]))),
            ("bg:root", Ok((1200, 0, vec![0, 1200, 1300]))),
            ("root", Ok((0, 0, vec![0]))),
            ("nobody:root", Ok((65534, 0, vec![0]))),
            ("no such user", Err("no such user".to_owned())),
            (":no such group", Err("no such group: no such group".to_owned())),
            ("nobody:no such group", Err("no such group: no such group".to_owned())),
            // A name of digits is a name.
            ("65534", Err("no such user".to_owned())),
        ] {
            assert_eq!(ids(written), expected, "{written:?}");
        }
    }

    #[test]
    fn only_a_process_that_may_switch_becomes_somebody_else() {
        let found = RunAs::of(Some("nobody"), &person()).map(|user| user.identity.map(|identity| (identity.uid, identity.groups)));
        match identity::can_switch() {
            true => assert_eq!(found, Ok(Some((65534, vec![65534])))),
            false => {
                assert_eq!(found.unwrap_err(), "this install runs commands as the account only (posternsh is not set-user-ID root)");
            }
        }
    }
}
