//! Becoming another user, for good.

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use super::raw;

/// The ids of a user, complete: nothing of the one before is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub uid: u32,
    pub gid: u32,
    /// The supplementary groups.
    pub groups: Vec<u32>,
}

impl Identity {
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
        self.assume_groups_in_thread()?;
        self.assume_ids_in_thread()
    }

    /// The supplementary groups alone.
    pub(super) fn assume_groups_in_thread(&self) -> Result<(), i32> {
        // SAFETY: the groups are as many 32-bit ids as is said.
        unsafe { raw::call(libc::SYS_setgroups, [self.groups.len(), self.groups.as_ptr() as usize, 0, 0, 0]) }.map(drop)
    }

    /// All but the supplementary groups.
    pub(super) fn assume_ids_in_thread(&self) -> Result<(), i32> {
        let (uid, gid) = (self.uid as usize, self.gid as usize);
        // SAFETY: both take numbers.
        unsafe {
            raw::call(libc::SYS_setresgid, [gid, gid, gid, 0, 0])?;
            raw::call(libc::SYS_setresuid, [uid, uid, uid, 0, 0])?;
        }
        Ok(())
    }
}
