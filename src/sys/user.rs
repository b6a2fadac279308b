//! The user database, and what privilege this process was started with.
//!
//! Lookups go through NSS (`nsswitch.conf(5)`), so that accounts of a directory service count like those of `/etc/passwd`.
//!
//! Whether somebody lent us privilege is asked of the ids and capabilities themselves, not of `AT_SECURE`: SELinux sets that for every
//! exec that changes the domain without `noatsecure` (which is how sshd starts any login shell), so it would accuse every login on such a
//! host. What a set-user-ID, set-group-ID or capability-carrying file gives always shows in what is compared here.

use std::ffi::CString;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::unistd::{self, Gid, Group, Uid};

use super::capability;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub uid: Uid,
    /// The primary group.
    pub gid: Gid,
    pub home: PathBuf,
    /// The login shell.
    pub shell: PathBuf,
}

impl User {
    /// The ids that `setgroups(2)` takes for this user: supplementary groups, the primary one among them. Asks every source of groups that
    /// the host has, which takes many times longer than finding the user.
    pub fn groups(&self) -> Result<Vec<Gid>, UserError> {
        let lookup = |reason| UserError::Lookup { who: self.name.clone(), reason };
        let name = CString::new(self.name.as_str()).map_err(|_| lookup(Errno::EINVAL))?;
        unistd::getgrouplist(&name, self.gid).map_err(lookup)
    }
}

/// The groups that this process has: what whoever started it (sshd, login, su) found in the user database.
pub fn own_groups() -> Result<Vec<Gid>, UserError> {
    let mut groups = unistd::getgroups().map_err(|reason| UserError::Lookup { who: "this process".to_owned(), reason })?;
    groups.push(Gid::current());
    groups.sort_unstable_by_key(|gid| gid.as_raw());
    groups.dedup();
    Ok(groups)
}

/// The user database did not answer, or not usably.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    #[error("the user database gives no answer for {who}: {reason}")]
    Lookup { who: String, reason: Errno },
    #[error("the user database has a name for {0} that is not UTF-8")]
    Name(String),
}

/// The user of this name; `None` when there is none.
pub fn by_name(name: &str) -> Result<Option<User>, UserError> {
    if name.contains('\0') {
        return Ok(None);
    }
    complete(name, unistd::User::from_name(name))
}

/// The user of this id; the first, where several names share it. `None` when there is none.
pub fn by_uid(uid: Uid) -> Result<Option<User>, UserError> {
    complete(&format!("uid {uid}"), unistd::User::from_uid(uid))
}

/// Every user that the database lists, which a directory service may keep to itself (`getpwent(3)`). A name that is not UTF-8 has
/// replacement characters: good to be shown, not to be looked up.
pub fn all() -> Result<Vec<User>, UserError> {
    static LISTING: Mutex<()> = Mutex::new(());
    let _alone = LISTING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut users = Vec::new();
    // SAFETY: the three share one position and one buffer in the C library. Nothing else in this program uses them, and the lock keeps
    // this function to one thread at a time.
    unsafe { libc::setpwent() };
    let end = loop {
        Errno::clear();
        // SAFETY: as above; the entry, which the next call overwrites, is copied before that.
        match unsafe { libc::getpwent().as_ref() } {
            Some(entry) => users.push(unistd::User::from(entry)),
            None => break Errno::last(),
        }
    };
    // SAFETY: as above.
    unsafe { libc::endpwent() };
    // At the end some C libraries leave ENOENT.
    if !matches!(end, Errno::UnknownErrno | Errno::ENOENT) {
        return Err(UserError::Lookup { who: "the list of all users".to_owned(), reason: end });
    }
    let listed = |user: unistd::User| User { name: user.name, uid: user.uid, gid: user.gid, home: user.dir, shell: user.shell };
    Ok(users.into_iter().map(listed).collect())
}

/// A group's number and the names that it lists: its members but for those whose primary group it is. `None` when there is no such group.
pub fn group_members(name: &str) -> Result<Option<(Gid, Vec<String>)>, UserError> {
    if name.contains('\0') {
        return Ok(None);
    }
    Ok(found(name, Group::from_name(name))?.map(|group| (group.gid, group.mem)))
}

/// The name of a group; its number where it has none.
pub fn group_name(gid: Gid) -> Result<String, UserError> {
    let who = format!("gid {gid}");
    let group = found(&who, Group::from_gid(gid))?;
    group.map_or_else(|| Ok(gid.to_string()), |group| utf8(&who, group.name))
}

fn complete(who: &str, answer: nix::Result<Option<unistd::User>>) -> Result<Option<User>, UserError> {
    let Some(user) = found(who, answer)? else { return Ok(None) };
    Ok(Some(User { name: utf8(who, user.name)?, uid: user.uid, gid: user.gid, home: user.dir, shell: user.shell }))
}

/// Tells "there is none" from "no answer": `getpwnam_r(3)` lists the errors that mean the former.
fn found<T>(who: &str, answer: nix::Result<Option<T>>) -> Result<Option<T>, UserError> {
    match answer {
        Err(Errno::ENOENT | Errno::ESRCH | Errno::EBADF | Errno::EPERM) => Ok(None),
        other => other.map_err(|reason| UserError::Lookup { who: who.to_owned(), reason }),
    }
}

/// nix replaces what is not UTF-8; a name that went through that is another name.
fn utf8(who: &str, name: String) -> Result<String, UserError> {
    if name.contains(char::REPLACEMENT_CHARACTER) { Err(UserError::Name(who.to_owned())) } else { Ok(name) }
}

/// Whether this process was started with privilege that its caller lacks: by a set-user-ID or set-group-ID bit, or by capabilities of its
/// file. Meant for the start of a process, before it changes its own ids.
pub fn privileged() -> bool {
    let same = |real: u32, effective: u32, saved: u32| real == effective && real == saved;
    let users = unistd::getresuid().is_ok_and(|id| same(id.real.as_raw(), id.effective.as_raw(), id.saved.as_raw()));
    let groups = unistd::getresgid().is_ok_and(|id| same(id.real.as_raw(), id.effective.as_raw(), id.saved.as_raw()));
    !(users && groups) || (!Uid::current().is_root() && has_capabilities_of_its_file())
}

/// For any user but root, a new program's permitted capabilities are the ambient ones, which the caller had, and those of its file
/// (`capabilities(7)`, "Transformation of capabilities during execve()").
fn has_capabilities_of_its_file() -> bool {
    let Ok((_, permitted)) = capability::own() else { return true };
    (0..u64::BITS).filter(|capability| permitted & (1 << capability) != 0).any(|capability| !is_ambient(capability))
}

fn is_ambient(capability: u32) -> bool {
    let arguments = (libc::PR_CAP_AMBIENT_IS_SET as libc::c_ulong, libc::c_ulong::from(capability));
    // SAFETY: this option of prctl(2) takes integers only and changes nothing.
    unsafe { libc::prctl(libc::PR_CAP_AMBIENT, arguments.0, arguments.1, 0 as libc::c_ulong, 0 as libc::c_ulong) == 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_found_by_name_and_by_number_with_its_groups() {
        let root = by_name("root").unwrap().unwrap();
        assert_eq!((root.uid.as_raw(), root.gid.as_raw(), root.home.to_str()), (0, 0, Some("/root")));
        assert!(root.groups().unwrap().contains(&root.gid));
        assert_eq!(by_uid(Uid::from_raw(0)).unwrap(), Some(root));
        assert_eq!(group_name(Gid::from_raw(0)).unwrap(), "root");
    }

    #[test]
    fn this_process_has_its_own_group() {
        assert!(own_groups().unwrap().contains(&Gid::current()));
    }

    #[test]
    fn the_list_of_users_is_that_of_getent() {
        let output = std::process::Command::new("getent").arg("passwd").output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let shown = |user: &User| format!("{}:{}:{}", user.name, user.uid, user.shell.display());
        let expected: Vec<String> = said
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .map(|fields| format!("{}:{}:{}", fields[0], fields[2], fields[6]))
            .collect();
        for _ in 0..2 {
            assert_eq!(all().unwrap().iter().map(shown).collect::<Vec<_>>(), expected);
        }
        assert_eq!(group_members("root").unwrap().unwrap().0, Gid::from_raw(0));
        assert_eq!(group_members("no-such-group").unwrap(), None);
    }

    #[test]
    fn who_is_not_there_is_not_an_error() {
        assert_eq!(by_name("no-such-user").unwrap(), None);
        assert_eq!(by_name("ro\0ot").unwrap(), None);
        assert_eq!(by_uid(Uid::from_raw(4_000_000_123)).unwrap(), None);
        assert_eq!(group_name(Gid::from_raw(4_000_000_123)).unwrap(), "4000000123");
    }

    #[test]
    fn a_database_that_fails_is_not_an_absent_user() {
        assert!(found::<()>("x", Err(Errno::EIO)).is_err());
        assert_eq!(found::<()>("x", Err(Errno::ENOENT)), Ok(None));
    }

    #[test]
    fn a_test_runs_without_borrowed_privilege() {
        assert!(!privileged());
    }
}
