//! Becoming another user, for good; and whether this process can.

use nix::unistd::{Gid, Uid, getgroups, getresgid, getresuid, setgroups, setresgid, setresuid};

use super::capability::{self, Capabilities};
use super::{raw, rights};

/// An id that stands for "no change".
const NO_CHANGE: u32 = u32::MAX;

/// The ids of a user, complete: nothing of the one before is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub uid: u32,
    pub gid: u32,
    /// The supplementary groups.
    pub groups: Vec<u32>,
}

/// What it takes to become somebody, found out beforehand: a child between clone and exec cannot.
#[derive(Debug)]
pub(super) struct Change {
    uid: u32,
    gid: u32,
    /// `None`: this process has exactly these. Then they are not set, which takes a capability even so.
    groups: Option<Vec<u32>>,
    /// Whether to be root before, in a process that can be and is not now.
    through_root: bool,
}

/// Whether this process can become any user with any groups: capabilities, and not who it is, decide that. Those that it may take back count,
/// as of root who is somebody else for a while.
pub fn can_switch() -> bool {
    let needed = Capabilities::SETUID | Capabilities::SETGID;
    capability::own().is_ok_and(|(_, permitted)| Capabilities::of_bits(permitted).holds(needed))
}

/// Whether this process has ids of more than one user.
pub fn is_mixed() -> bool {
    !users().is_ok_and(|[first, others @ ..]| others.iter().all(|other| *other == first))
}

impl Identity {
    /// Whoever started this process, with the groups that the kernel has for it: those that its login took from the user database.
    pub fn of_caller() -> nix::Result<Identity> {
        Ok(Identity { uid: rights::account(), gid: getresgid()?.real.as_raw(), groups: own_groups()? })
    }

    /// The saved user and group of this process, with its groups: of a set-user-ID program, whom its file belongs to.
    pub(super) fn saved() -> nix::Result<Identity> {
        Ok(Identity { uid: getresuid()?.saved.as_raw(), gid: getresgid()?.saved.as_raw(), groups: own_groups()? })
    }

    /// Whether the calling thread is this already, in every respect.
    pub fn is_own(&self) -> bool {
        let wholly = |ids: nix::Result<[u32; 4]>, id| ids.is_ok_and(|ids| ids == [id; 4]);
        wholly(users(), self.uid) && wholly(groups(), self.gid) && self.has_own_groups()
    }

    /// Whether this process can become this: anybody, or somebody whose ids it holds.
    pub fn can_be_assumed(&self) -> bool {
        let holds = |ids: nix::Result<[u32; 4]>, id| ids.is_ok_and(|ids| ids.iter().take(3).any(|own| *own == id));
        can_switch() || (holds(users(), self.uid) && holds(groups(), self.gid) && self.has_own_groups())
    }

    fn has_own_groups(&self) -> bool {
        own_groups().is_ok_and(|own| sorted(own) == sorted(self.groups.clone()))
    }

    /// Becomes this user: groups first, the uid last, because it takes the right to change the others.
    pub fn assume(&self) -> nix::Result<()> {
        let Change { uid, gid, groups, through_root } = self.change()?;
        let (uid, gid, same) = (Uid::from_raw(uid), Gid::from_raw(gid), Uid::from_raw(NO_CHANGE));
        if through_root {
            setresuid(same, Uid::from_raw(0), same)?;
        }
        if let Some(groups) = groups {
            setgroups(&groups.into_iter().map(Gid::from_raw).collect::<Vec<_>>())?;
        }
        setresgid(gid, gid, gid)?;
        setresuid(uid, uid, uid)
    }

    /// What that takes of a process that is as this one is now.
    pub(super) fn change(&self) -> nix::Result<Change> {
        let groups = (!self.has_own_groups()).then(|| self.groups.clone());
        let ids = getresuid()?;
        let through_root = !ids.effective.is_root() && (ids.real.is_root() || ids.saved.is_root());
        Ok(Change { uid: self.uid, gid: self.gid, groups, through_root })
    }
}

impl Change {
    /// As [`Identity::assume`], for the calling thread alone. Async-signal-safe.
    pub(super) fn make_in_thread(&self) -> Result<(), i32> {
        let (uid, gid, same) = (self.uid as usize, self.gid as usize, NO_CHANGE as usize);
        // SAFETY: the groups are `len` 32-bit ids; the others take numbers.
        unsafe {
            if self.through_root {
                raw::call(libc::SYS_setresuid, [same, 0, same, 0, 0])?;
            }
            if let Some(groups) = &self.groups {
                raw::call(libc::SYS_setgroups, [groups.len(), groups.as_ptr() as usize, 0, 0, 0])?;
            }
            raw::call(libc::SYS_setresgid, [gid, gid, gid, 0, 0])?;
            raw::call(libc::SYS_setresuid, [uid, uid, uid, 0, 0])?;
        }
        Ok(())
    }
}

fn own_groups() -> nix::Result<Vec<u32>> {
    Ok(getgroups()?.into_iter().map(Gid::as_raw).collect())
}

fn sorted(mut groups: Vec<u32>) -> Vec<u32> {
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// The real, effective and saved user of this process, and the one that this thread is to file systems.
fn users() -> nix::Result<[u32; 4]> {
    let ids = getresuid()?;
    Ok([ids.real.as_raw(), ids.effective.as_raw(), ids.saved.as_raw(), of_files(libc::SYS_setfsuid)?])
}

/// The same of the group.
fn groups() -> nix::Result<[u32; 4]> {
    let ids = getresgid()?;
    Ok([ids.real.as_raw(), ids.effective.as_raw(), ids.saved.as_raw(), of_files(libc::SYS_setfsgid)?])
}

/// setfsuid(2) and setfsgid(2) return what was, and an id that is none changes nothing.
fn of_files(call: libc::c_long) -> nix::Result<u32> {
    // SAFETY: takes a number.
    let id = unsafe { raw::call(call, [NO_CHANGE as usize, 0, 0, 0, 0]) };
    id.map(|id| id as u32).map_err(nix::Error::from_raw)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sys::deadline::{Answer, answer_within};

    const OTHER: Identity = Identity { uid: 12345, gid: 23456, groups: Vec::new() };

    /// What a process of its own says, which `work` may leave with other ids.
    fn aside(work: impl FnOnce() -> String) -> String {
        let answer = answer_within(Duration::from_secs(20), None, || Answer { bytes: work().into_bytes(), descriptor: None });
        String::from_utf8(answer.unwrap().bytes).unwrap()
    }

    fn set(ids: [u32; 3]) {
        let [real, effective, saved] = ids.map(Uid::from_raw);
        setresuid(real, effective, saved).unwrap();
    }

    #[test]
    fn a_process_is_itself_and_can_become_that_without_any_right() {
        let own = Identity::of_caller().unwrap();
        assert!(own.is_own() && own.can_be_assumed() && !OTHER.is_own() && !is_mixed());
        let others = Identity { groups: vec![3_999_999_999], ..own.clone() };
        assert!(!others.is_own(), "with other groups it is somebody else");
        assert_eq!(aside(|| format!("{:?}", own.assume())), "Ok(())");
    }

    #[test]
    fn who_holds_root_in_any_place_becomes_another_wholly() {
        if !can_switch() {
            return crate::words::skip("only root can hold the ids of others");
        }
        for ids in [[0, 0, 0], [1000, 1000, 0], [0, 1000, 1000], [1000, 0, 0]] {
            let said = aside(|| {
                set(ids);
                let assumed = (can_switch(), OTHER.can_be_assumed(), OTHER.assume(), OTHER.is_own());
                format!("{assumed:?} {:?}", setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)))
            });
            assert_eq!(said, "(true, true, Ok(()), true) Err(EPERM)", "{ids:?}");
        }
    }

    #[test]
    fn an_owner_s_process_becomes_its_account_and_nobody_else() {
        if !can_switch() {
            return crate::words::skip("only root can hold the ids of others");
        }
        let (gid, groups) = (Gid::current().as_raw(), own_groups().unwrap());
        let account = Identity { uid: 1000, gid, groups: groups.clone() };
        let more = Identity { groups: [groups, vec![4_000_000]].concat(), ..account.clone() };
        let said = aside(|| {
            set([900, 1000, 900]);
            let refused =
                [&OTHER, &more, &Identity { gid: gid + 1, ..account.clone() }].map(|other| (other.can_be_assumed(), other.assume()));
            set([900, 1000, 900]);
            format!("{} {refused:?} {} {:?} {}", is_mixed(), account.can_be_assumed(), account.assume(), account.is_own())
        });
        let refused = "[(false, Err(EPERM)), (false, Err(EPERM)), (false, Err(EPERM))]";
        assert_eq!(said, format!("true {refused} true Ok(()) true"));
    }

    #[test]
    fn the_user_that_files_see_counts() {
        if !can_switch() {
            return crate::words::skip("only root can be another to file systems");
        }
        let root = Identity::of_caller().unwrap();
        let said = aside(|| {
            let before = (root.is_own(), is_mixed());
            nix::unistd::setfsuid(Uid::from_raw(1000));
            format!("{before:?} {:?} {:?} {}", (root.is_own(), is_mixed()), root.assume(), root.is_own())
        });
        assert_eq!(said, "(true, false) (false, true) Ok(()) true");
    }
}
