//! The user database, and what privilege this process was started with.
//!
//! `/etc/passwd` and `/etc/group` are read here, before all others, and on a host that has nothing else (nsswitch.conf(5)) they are all that is
//! asked. What they lack is asked of the host's other sources by a child without any privilege (see `getent.rs`): no code of a directory service
//! runs in this process, and none is needed to link it statically. Where both know a name, the files win.
//!
//! Whether somebody lent us privilege is asked of the ids and capabilities themselves, not of `AT_SECURE`: SELinux sets that for every
//! exec that changes the domain without `noatsecure` (which is how sshd starts any login shell), so it would accuse every login on such a
//! host. What a set-user-ID, set-group-ID or capability-carrying file gives always shows in what is compared here.

mod files;
mod getent;
mod sources;

use std::collections::HashMap;
use std::path::PathBuf;

use nix::unistd::{self, Gid, Uid};

use self::files::Group;
use self::sources::Sources;
use super::capability;
use crate::words::limits;

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
    /// The ids that `setgroups(2)` takes for this user: the primary group, and those that list it.
    pub fn groups(&self) -> Result<Vec<Gid>, UserError> {
        Ok(distinct([vec![self.gid], self.memberships()?].concat()))
    }

    /// The groups that list this user: those of `/etc/group`, and, where the host has other sources, of these.
    pub fn memberships(&self) -> Result<Vec<Gid>, UserError> {
        let text = files::read(files::GROUP)?;
        let listing = files::groups(&text).filter(|group| group.members.contains(&self.name)).map(|group| group.gid);
        let mut groups: Vec<Gid> = listing.collect();
        let sources = Sources::of("initgroups")?;
        if sources.directory || (sources.systemd && in_files(|user| user.name == self.name)?.is_none()) {
            let said = getent::ask("initgroups", std::slice::from_ref(&self.name), limits::USER_ANSWER_BYTES)?;
            groups.extend(initgroups(&said, &self.name)?);
        }
        Ok(distinct(groups))
    }
}

/// What `getent initgroups` prints: the name, and the numbers of its groups.
fn initgroups(said: &[u8], name: &str) -> Result<Vec<Gid>, UserError> {
    let unclear = || UserError::NoAnswer { asked: format!("initgroups {name}"), reason: "its answer is unclear".to_owned() };
    let numbers = said.strip_prefix(name.as_bytes()).ok_or_else(unclear)?;
    let numbers = numbers.split(u8::is_ascii_whitespace).filter(|number| !number.is_empty());
    numbers.map(|digits| files::number(digits).map(Gid::from_raw).ok_or_else(unclear)).collect()
}

fn distinct(mut groups: Vec<Gid>) -> Vec<Gid> {
    groups.sort_unstable_by_key(|gid| gid.as_raw());
    groups.dedup();
    groups
}

/// The supplementary groups that this process has, as getgroups(2) lists them: what whoever started it (sshd, login, su) found in the user
/// database.
pub fn own_supplementary_groups() -> Result<Vec<Gid>, UserError> {
    unistd::getgroups().map_err(|errno| UserError::Process(errno.desc()))
}

/// The user database did not answer, or not usably.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    #[error("{path}: {reason}")]
    Unreadable { path: String, reason: String },
    #[error("the user database gives no answer for {asked}: {reason}")]
    NoAnswer { asked: String, reason: String },
    #[error("the kernel does not say which groups this process has: {0}")]
    Process(&'static str),
}

/// The user of this name, as its source writes it; `None` when there is none.
pub fn by_name(name: &str) -> Result<Option<User>, UserError> {
    // getent takes a number for an id.
    let asked = files::name(name.as_bytes()).filter(|name| files::number(name.as_bytes()).is_none());
    find_user(|user| user.name == name, asked.map(str::to_owned))
}

/// The user of this id; the first, where several names share it. `None` when there is none.
pub fn by_uid(uid: Uid) -> Result<Option<User>, UserError> {
    find_user(|user| user.uid == uid, Some(uid.to_string()))
}

/// The first user that fits; where the files have none, of the answer to `key`.
fn find_user(fits: impl Fn(&User) -> bool, key: Option<String>) -> Result<Option<User>, UserError> {
    match (in_files(&fits)?, key) {
        (None, Some(key)) if Sources::of("passwd")?.any() => {
            Ok(files::users(&getent::ask("passwd", &[key], limits::USER_ANSWER_BYTES)?).find(fits))
        }
        (found, _) => Ok(found),
    }
}

fn in_files(fits: impl Fn(&User) -> bool) -> Result<Option<User>, UserError> {
    Ok(files::users(&files::read(files::PASSWD)?).find(fits))
}

/// Every user of the files and of the host's other sources, so far as these list them, which a directory service may keep to itself
/// (getpwent(3)).
pub fn all() -> Result<Vec<User>, UserError> {
    let mut users: Vec<User> = files::users(&files::read(files::PASSWD)?).collect();
    if Sources::of("passwd")?.directory {
        let own = users.len();
        for user in files::users(&getent::ask("passwd", &[], limits::USER_LIST_BYTES)?) {
            if users.iter().take(own).all(|known| known.name != user.name) {
                users.push(user);
            }
        }
    }
    Ok(users)
}

/// A group's number. `None` when there is no such group.
pub fn group(name: &str) -> Result<Option<Gid>, UserError> {
    Ok(find_group(name)?.map(|group| group.gid))
}

/// A group's number and the names that it lists: its members but for those whose primary group it is. `None` when there is no such group.
pub fn group_members(name: &str) -> Result<Option<(Gid, Vec<String>)>, UserError> {
    Ok(find_group(name)?.map(|group| (group.gid, group.members)))
}

fn find_group(name: &str) -> Result<Option<Group>, UserError> {
    let fits = |group: &Group| group.name == name;
    // As in `by_name`.
    let asked = files::name(name.as_bytes()).filter(|name| files::number(name.as_bytes()).is_none());
    match (files::groups(&files::read(files::GROUP)?).find(fits), asked) {
        (None, Some(asked)) if Sources::of("group")?.any() => {
            Ok(files::groups(&getent::ask("group", &[asked.to_owned()], limits::USER_LIST_BYTES)?).find(fits))
        }
        (found, _) => Ok(found),
    }
}

/// The names of groups, in the same order; the number of one that has none.
pub fn group_names(gids: &[Gid]) -> Result<Vec<String>, UserError> {
    let mut names = HashMap::new();
    learn(&mut names, &files::read(files::GROUP)?);
    let unknown: Vec<String> = gids.iter().filter(|gid| !names.contains_key(gid)).map(Gid::to_string).collect();
    if !unknown.is_empty() && Sources::of("group")?.any() {
        learn(&mut names, &getent::ask("group", &unknown, limits::USER_LIST_BYTES)?);
    }
    Ok(gids.iter().map(|gid| names.get(gid).cloned().unwrap_or_else(|| gid.to_string())).collect())
}

/// Of groups that share a number, the first.
fn learn(names: &mut HashMap<Gid, String>, text: &[u8]) {
    for group in files::groups(text) {
        names.entry(group.gid).or_insert(group.name);
    }
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
    use std::process::Command;

    fn said(program: &str, arguments: &[&str]) -> String {
        let output = Command::new(program).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Groups, sorted.
    fn ids(text: &str) -> Vec<Gid> {
        distinct(text.split_whitespace().map(|id| Gid::from_raw(id.parse().unwrap())).collect())
    }

    #[test]
    fn root_is_found_by_name_and_by_number() {
        let root = by_name("root").unwrap().unwrap();
        assert_eq!((root.uid.as_raw(), root.gid.as_raw(), root.home.to_str()), (0, 0, Some("/root")));
        assert_eq!(by_uid(Uid::from_raw(0)).unwrap(), Some(root));
        assert_eq!(group("root").unwrap(), Some(Gid::from_raw(0)));
        assert_eq!(group_members("root").unwrap().unwrap().0, Gid::from_raw(0));
        assert_eq!(group_names(&[Gid::from_raw(0)]).unwrap(), ["root"]);
    }

    #[test]
    fn this_process_has_the_groups_that_id_says() {
        let own = distinct([own_supplementary_groups().unwrap(), vec![Gid::current()]].concat());
        assert_eq!(own, ids(&said("id", &["-G"])));
        assert_eq!(group_names(&[Gid::current()]).unwrap().concat(), said("id", &["-gn"]).trim());
    }

    #[test]
    fn everybody_has_the_groups_that_id_says() {
        for user in all().unwrap() {
            assert_eq!(user.groups().unwrap(), ids(&said("id", &["-G", "--", &user.name])), "{}", user.name);
        }
    }

    #[test]
    fn the_list_of_users_is_that_of_getent() {
        let shown = |user: &User| format!("{}:{}:{}", user.name, user.uid, user.shell.display());
        let getent = said("getent", &["passwd"]);
        let expected: Vec<String> = getent
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .map(|fields| format!("{}:{}:{}", fields[0], fields[2], fields[6]))
            .collect();
        assert_eq!(all().unwrap().iter().map(shown).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn who_is_not_there_is_not_an_error() {
        for name in ["no-such-user", "ro\0ot", "", "0", "-x", "+root", "root:x", "--help", "root\n"] {
            assert_eq!((by_name(name), group(name)), (Ok(None), Ok(None)), "{name:?}");
        }
        assert_eq!(by_uid(Uid::from_raw(4_000_000_123)).unwrap(), None);
        let names = group_names(&[Gid::from_raw(4_000_000_123), Gid::from_raw(0), Gid::from_raw(4_000_000_124)]);
        assert_eq!(names.unwrap(), ["4000000123", "root", "4000000124"]);
    }

    #[test]
    fn getent_says_what_the_files_say() {
        let file = files::read(files::PASSWD).unwrap();
        let listed = getent::ask("passwd", &[], limits::USER_LIST_BYTES).unwrap();
        let known: Vec<User> = files::users(&listed).collect();
        assert!(files::users(&file).all(|user| known.contains(&user)));
        let asked = |keys: &[&str]| getent::ask("group", &keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>(), 1000);
        assert_eq!(asked(&["0", "4000000123", "root"]).unwrap(), b"root:x:0:\nroot:x:0:\n", "what it lacks it leaves out");
        assert_eq!(asked(&["4000000123"]).unwrap(), b"");
    }

    #[test]
    fn an_answer_that_is_late_too_long_or_unclear_is_an_error() {
        let error = |result: Result<Vec<u8>, UserError>| result.unwrap_err().to_string();
        let key = ["root".to_owned()];
        let begin = "the user database gives no answer for";
        assert_eq!(error(getent::ask("passwd", &key, 5)), format!("{begin} passwd root: more than 5 bytes"));
        assert_eq!(error(getent::ask("no-such", &key, 100)), format!("{begin} no-such root: getent exited with 1"));
        for (said, groups) in [
            ("web                   4 27", Some(vec![4, 27])),
            ("web                  ", Some(vec![])),
            ("web 4294967295", None),
            ("web -1", None),
            ("other 4", None),
            ("", None),
        ] {
            let found = initgroups(said.as_bytes(), "web").ok();
            assert_eq!(found, groups.map(|groups| groups.into_iter().map(Gid::from_raw).collect()), "{said:?}");
        }
    }

    #[test]
    fn a_test_runs_without_borrowed_privilege() {
        assert!(!privileged());
    }
}
