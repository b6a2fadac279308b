//! Becoming another user, for good.

use nix::unistd::{Gid, Uid, getgid, getgroups, setgroups, setresgid, setresuid};

use super::{raw, rights};

/// The ids of a user, complete: nothing of the one before is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub uid: u32,
    pub gid: u32,
    /// The supplementary groups.
    pub groups: Vec<u32>,
}

impl Identity {
    /// Whoever started this process: the account's uid, and the groups that the kernel has for it, which its login took from the user database.
    pub fn of_caller() -> nix::Result<Identity> {
        let groups = getgroups()?.into_iter().map(Gid::as_raw).collect();
        Ok(Identity { uid: rights::account(), gid: getgid().as_raw(), groups })
    }

    /// Becomes this user: groups first, the uid last, because it takes the right to change the others.
    pub fn assume(&self) -> nix::Result<()> {
        let groups: Vec<Gid> = self.groups.iter().copied().map(Gid::from_raw).collect();
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        setgroups(&groups)?;
        setresgid(gid, gid, gid)?;
        setresuid(uid, uid, uid)
    }

    /// The same for the calling thread alone. Async-signal-safe.
    pub(super) fn assume_in_thread(&self) -> Result<(), i32> {
        let (uid, gid) = (self.uid as usize, self.gid as usize);
        // SAFETY: the groups are `length` 32-bit ids; the others take numbers.
        unsafe {
            raw::call(libc::SYS_setgroups, [self.groups.len(), self.groups.as_ptr() as usize, 0, 0, 0])?;
            raw::call(libc::SYS_setresgid, [gid, gid, gid, 0, 0])?;
            raw::call(libc::SYS_setresuid, [uid, uid, uid, 0, 0])?;
        }
        Ok(())
    }
}
