//! Capabilities (capabilities(7)): asked of this process, and given up for good by the child.

use std::ffi::CStr;

use super::raw;

/// `_LINUX_CAPABILITY_VERSION_3` (capget(2)): two words per set.
const VERSION: u32 = 0x2008_0522;
/// Needed to take the ids of others.
pub(super) const SETGID: u32 = 6;
pub(super) const SETUID: u32 = 7;
/// Needed to drop from the bounding set and to set securebits.
const SETPCAP: u32 = 8;
/// Root stays without capabilities across exec, and nothing of this can be taken back. `KEEP_CAPS` is left alone: ping sets it, and has nothing
/// to keep.
const NO_ROOT: i32 =
    libc::SECBIT_NOROOT | libc::SECBIT_NOROOT_LOCKED | libc::SECBIT_NO_CAP_AMBIENT_RAISE | libc::SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Default)]
struct Sets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// The effective and the permitted capabilities of this process, as sets of bits.
pub(super) fn own() -> nix::Result<(u64, u64)> {
    let mut sets = [Sets::default(), Sets::default()];
    let header = Header { version: VERSION, pid: 0 };
    // SAFETY: header and sets are laid out as the kernel wants them and outlive the call.
    let got = unsafe { raw::call(libc::SYS_capget, [std::ptr::from_ref(&header) as usize, sets.as_mut_ptr() as usize, 0, 0, 0]) };
    got.map_err(nix::Error::from_raw)?;
    let [low, high] = sets;
    let wide = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
    Ok((wide(low.effective, high.effective), wide(low.permitted, high.permitted)))
}

/// Whether this process may drop from its bounding set. One that may not is held by empty sets and `no_new_privs` alone.
pub fn can_bound() -> bool {
    own().is_ok_and(|(effective, _)| effective & (1 << SETPCAP) != 0)
}

/// The capabilities that a program is marked with, as a set of bits: the permitted ones of `security.capability` (capabilities(7), linux/capability.h,
/// `struct vfs_cap_data`). None where that cannot be read.
pub(super) fn of_program(program: &CStr) -> u64 {
    let mut data = [0_u8; 24];
    // SAFETY: both names end in NUL, and the buffer is as long as is said.
    let length = unsafe { libc::getxattr(program.as_ptr(), c"security.capability".as_ptr(), data.as_mut_ptr().cast(), data.len()) };
    let word = |at: usize| data.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes);
    // The version and flags, then permitted and inheritable of the low half, then of the high one.
    if length < 20 { 0 } else { u64::from(word(12)) << 32 | u64::from(word(4)) }
}

/// Empties the bounding set but for `kept`, and keeps root from being special; needs [`can_bound`]. Async-signal-safe.
///
/// What a program is marked with has to be kept: the kernel refuses to execute a marked one (ping) that could not have it. It does not
/// get it, because of `no_new_privs`.
pub(super) fn bound(kept: u64) -> Result<(), i32> {
    for capability in (0..64).filter(|capability| kept & (1 << capability) == 0) {
        match prctl(libc::PR_CAPBSET_DROP, capability, 0) {
            // Behind the last one that this kernel knows.
            Err(libc::EINVAL) if capability > 0 => break,
            result => result?,
        };
    }
    let bits = prctl(libc::PR_GET_SECUREBITS, 0, 0)?;
    prctl(libc::PR_SET_SECUREBITS, bits | NO_ROOT as usize, 0)?;
    Ok(())
}

/// Empties all other sets of the calling thread. Async-signal-safe.
pub(super) fn clear() -> Result<(), i32> {
    prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as usize, 0)?;
    let header = Header { version: VERSION, pid: 0 };
    let sets = [Sets::default(), Sets::default()];
    // SAFETY: header and sets are laid out as the kernel wants them and outlive the call.
    unsafe { raw::call(libc::SYS_capset, [std::ptr::from_ref(&header) as usize, sets.as_ptr() as usize, 0, 0, 0]) }?;
    Ok(())
}

fn prctl(option: i32, second: usize, third: usize) -> Result<usize, i32> {
    // SAFETY: the options used here take numbers only.
    unsafe { raw::call(libc::SYS_prctl, [option as usize, second, third, 0, 0]) }
}
