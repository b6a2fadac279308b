//! With whose rights this process touches files, where it was started with more than its caller has.
//!
//! A process with lent privilege that opens what somebody else has named is that somebody's deputy, and a confused one as soon as it forgets
//! to ask. So the guard does not ask: all that its main thread opens by itself, it opens with the account's rights, and the kernel decides.
//! Owned by root, it has all of root's uids and the account's file-system uid (setfsuid(2): without the capabilities that override file
//! modes, and, other than with an effective uid, out of reach of the account's calls for scheduling and limits). Owned by another user, it
//! has that user's real and saved uid and the account's effective one. Either way nobody but root can signal or trace it. Where it needs the
//! owner's rights, it says so and for how long ([`as_root`]).
//!
//! All of this is the calling thread's alone (the C library would change every thread): the thread that writes the records takes the owner's
//! rights for good ([`take_owners`]).

use std::sync::OnceLock;

use nix::unistd::{Gid, getgid, getgroups, getresuid, getuid};

use super::identity::Identity;
use super::raw;

/// Whose rights this process may take for a moment.
#[derive(Clone, Copy, Debug)]
struct Lent {
    owner: u32,
    account: u32,
    /// The account's group.
    group: u32,
}

static LENT: OnceLock<Lent> = OnceLock::new();

/// Makes the account's rights those of the calling thread, and puts the owner's out of the account's reach. Once, while there is one
/// thread. Of a process that has nothing but its own it changes nothing.
pub fn settle() -> nix::Result<()> {
    let ids = getresuid()?;
    let (account, owner) = (ids.real.as_raw(), ids.effective.as_raw());
    if account == owner {
        return Ok(());
    }
    if owner == 0 {
        set_uids(0, 0, 0)?;
    } else {
        set_uids(owner, account, owner)?;
    }
    let group = getgid().as_raw();
    LENT.get_or_init(|| Lent { owner, account, group });
    if owner == 0 { set_file_ids(account, group) } else { Ok(()) }
}

/// The owner whose rights [`settle`] has put aside.
pub fn owner() -> Option<u32> {
    LENT.get().map(|lent| lent.owner)
}

/// The account: whose rights the calling thread has by default.
pub fn account() -> u32 {
    LENT.get().map_or_else(|| getuid().as_raw(), |lent| lent.account)
}

/// Gives the calling thread the owner's rights for good: the thread that writes the records.
pub fn take_owners() -> nix::Result<()> {
    match LENT.get() {
        None => Ok(()),
        Some(Lent { owner: 0, .. }) => set_file_ids(0, 0),
        Some(Lent { owner, .. }) => set_uids(*owner, *owner, *owner),
    }
}

/// Does something with root's rights where the owner is root; elsewhere as it is. For what the account may not look at, and the shell must:
/// places that are hidden, programs, processes of other users.
pub fn as_root<T>(work: impl FnOnce() -> T) -> nix::Result<T> {
    let Some(Lent { owner: 0, account, group }) = LENT.get() else { return Ok(work()) };
    set_file_ids(0, 0)?;
    let done = work();
    if set_file_ids(*account, *group).is_err() {
        // Whatever came next would come with root's rights.
        std::process::abort();
    }
    Ok(done)
}

/// Does something with the account's rights, in [`as_root`] too. `None` without doing it, where these are not all that there is to that
/// user: for another, and where nothing was lent.
pub fn as_account<T>(identity: &Identity, work: impl FnOnce() -> T) -> nix::Result<Option<T>> {
    let Some(Lent { owner, account, group }) = LENT.get() else { return Ok(None) };
    let groups: Vec<u32> = getgroups()?.into_iter().map(Gid::as_raw).collect();
    if (identity.uid, identity.gid, &identity.groups) != (*account, *group, &groups) {
        return Ok(None);
    }
    if *owner != 0 {
        return Ok(Some(work()));
    }
    let before = file_uid()?;
    set_file_ids(*account, *group)?;
    let done = work();
    if before == 0 {
        set_file_ids(0, 0)?;
    }
    Ok(Some(done))
}

/// The call reports no error, and changes nothing for what is no id.
fn file_uid() -> nix::Result<u32> {
    // SAFETY: takes a number.
    unsafe { raw::call(libc::SYS_setfsuid, [u32::MAX as usize, 0, 0, 0, 0]) }.map(|uid| uid as u32).map_err(nix::Error::from_raw)
}

fn set_uids(real: u32, effective: u32, saved: u32) -> nix::Result<()> {
    // SAFETY: takes numbers, and changes the calling thread alone.
    let set = unsafe { raw::call(libc::SYS_setresuid, [real as usize, effective as usize, saved as usize, 0, 0]) };
    set.map(drop).map_err(nix::Error::from_raw)
}

/// The group too: what is created is root's alone.
fn set_file_ids(uid: u32, gid: u32) -> nix::Result<()> {
    set_file_id(libc::SYS_setfsgid, gid)?;
    set_file_id(libc::SYS_setfsuid, uid)
}

/// The two calls report no error: they return the id before them, so a second one tells.
fn set_file_id(call: libc::c_long, id: u32) -> nix::Result<()> {
    // SAFETY: as above.
    let set = || unsafe { raw::call(call, [id as usize, 0, 0, 0, 0]) };
    let _ = set();
    if set().is_ok_and(|before| before as u32 == id) { Ok(()) } else { Err(nix::Error::EPERM) }
}
