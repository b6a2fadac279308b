//! Capabilities (capabilities(7)): asked of this process, and the child left with exactly those of its rule, usually none.
//!
//! Whoever the child runs as, root too, the listed ones are all five of its sets: permitted, effective, inheritable, ambient, and what bounds
//! them. Ambient, because that is how a program without marks of its own has them after the exec; and once they are, no more can be. Two
//! exceptions are the kernel's: what a program file is marked with (`setcap`) stays in the bounding set, because the kernel refuses to
//! execute a marked program that could not have it; and a marked program has, of the listed ones, those that it is marked with, and none
//! of them ambient.
//!
//! `NO_SETUID_FIXUP` is locked off: a program that gives up root with setuid(2) loses its capabilities, as it expects. `KEEP_CAPS` is off and left
//! unlocked: ping sets it, and an exec, which none gets to make, would take it back.

use std::ffi::CStr;
use std::ops::BitOr;

use super::raw;

/// `_LINUX_CAPABILITY_VERSION_3` (capget(2)): two words per set.
const VERSION: u32 = 0x2008_0522;
/// Root stays without capabilities across exec, and what becomes of those of a program that changes its ids is settled; for good.
const NO_ROOT: i32 = libc::SECBIT_NOROOT | libc::SECBIT_NOROOT_LOCKED | libc::SECBIT_NO_SETUID_FIXUP_LOCKED;
/// No capability becomes ambient any more, for good.
const NO_RAISE: i32 = libc::SECBIT_NO_CAP_AMBIENT_RAISE | libc::SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

/// Names without their `CAP_`, by number. Linux 6.18, include/uapi/linux/capability.h.
pub const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// A set of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(u64);

impl Capabilities {
    pub const DAC_OVERRIDE: Capabilities = Capabilities(1 << 1);
    pub const DAC_READ_SEARCH: Capabilities = Capabilities(1 << 2);
    /// Needed to take the ids of others.
    pub const SETGID: Capabilities = Capabilities(1 << 6);
    pub const SETUID: Capabilities = Capabilities(1 << 7);
    /// Needed to drop from the bounding set and to set securebits.
    pub const SETPCAP: Capabilities = Capabilities(1 << 8);
    pub const NET_ADMIN: Capabilities = Capabilities(1 << 12);
    pub const NET_RAW: Capabilities = Capabilities(1 << 13);
    pub const SYS_RAWIO: Capabilities = Capabilities(1 << 17);
    pub const SYS_PTRACE: Capabilities = Capabilities(1 << 19);
    pub const SYS_ADMIN: Capabilities = Capabilities(1 << 21);
    pub const SYS_NICE: Capabilities = Capabilities(1 << 23);
    pub const SYS_RESOURCE: Capabilities = Capabilities(1 << 24);
    pub const SYS_TIME: Capabilities = Capabilities(1 << 25);
    pub const PERFMON: Capabilities = Capabilities(1 << 38);

    /// Those of these names, as policies write them: `CAP_NET_RAW`. A name that stands for none adds none.
    pub fn of_names(names: &[String]) -> Capabilities {
        let number = |name: &String| NAMES.iter().position(|known| name.strip_prefix("CAP_") == Some(*known));
        Capabilities(names.iter().filter_map(number).fold(0, |set, number| set | 1 << number))
    }

    /// Those whose numbers are bits of this, as /proc/PID/status writes them.
    pub fn of_bits(bits: u64) -> Capabilities {
        Capabilities(bits)
    }

    /// Their names, by number.
    pub fn names(self) -> Vec<String> {
        let listed = NAMES.iter().enumerate().filter(|(number, _)| self.0 & (1 << number) != 0);
        listed.map(|(_, name)| format!("CAP_{name}")).collect()
    }

    /// Whether all of `others` are in the set.
    pub fn holds(self, others: Capabilities) -> bool {
        others.without(self).is_empty()
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether one of `others` is in the set.
    pub fn meets(self, others: Capabilities) -> bool {
        self.0 & others.0 != 0
    }

    fn without(self, others: Capabilities) -> Capabilities {
        Capabilities(self.0 & !others.0)
    }

    /// Each by its number.
    fn numbers(self) -> impl Iterator<Item = usize> {
        (0..u64::BITS as usize).filter(move |number| self.0 & (1 << number) != 0)
    }
}

impl BitOr for Capabilities {
    type Output = Capabilities;

    fn bitor(self, other: Capabilities) -> Capabilities {
        Capabilities(self.0 | other.0)
    }
}

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
    own().is_ok_and(|(effective, _)| Capabilities(effective).meets(Capabilities::SETPCAP))
}

/// Those of `wanted` that this process cannot give to a child: that it does not have itself, or all where it cannot hold a child to them.
pub fn out_of_reach(wanted: Capabilities) -> Capabilities {
    match own() {
        Ok((_, permitted)) if can_bound() => wanted.without(Capabilities(permitted)),
        _ => wanted,
    }
}

/// Whether this process has any capability at all.
pub fn has_any() -> bool {
    own().is_ok_and(|(_, permitted)| permitted != 0)
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

/// Empties the bounding set but for `given` and what the program is `marked` with, and keeps root from being special; needs [`can_bound`].
/// The change of ids that follows leaves `given`, for [`settle`]. Async-signal-safe.
pub(super) fn bound(given: Capabilities, marked: u64) -> Result<(), i32> {
    let kept = given.0 | marked;
    for capability in (0..64).filter(|capability| kept & (1 << capability) == 0) {
        match prctl(libc::PR_CAPBSET_DROP, capability, 0) {
            // Behind the last one that this kernel knows.
            Err(libc::EINVAL) if capability > 0 => break,
            result => result?,
        };
    }
    set_securebits(NO_ROOT | if given.is_empty() { NO_RAISE } else { libc::SECBIT_KEEP_CAPS }, 0)
}

/// Leaves the calling thread with these capabilities for good: behind the change of ids, which takes ambient ones away. Others than none need
/// [`bound`] before, and `CAP_SETPCAP` until here. Async-signal-safe.
pub(super) fn settle(given: Capabilities) -> Result<(), i32> {
    prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as usize, 0)?;
    if given.is_empty() {
        return set(given, given);
    }
    set(given | Capabilities::SETPCAP, given)?;
    for capability in given.numbers() {
        prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE as usize, capability)?;
    }
    set_securebits(NO_RAISE, libc::SECBIT_KEEP_CAPS)?;
    set(given, given)
}

/// Empties all sets of the calling thread but the bounding one. Async-signal-safe.
pub(super) fn clear() -> Result<(), i32> {
    settle(Capabilities::default())
}

/// Sets the permitted and effective capabilities, and the inheritable ones.
fn set(held: Capabilities, inheritable: Capabilities) -> Result<(), i32> {
    let header = Header { version: VERSION, pid: 0 };
    let half = |shift: u32| Sets {
        effective: (held.0 >> shift) as u32,
        permitted: (held.0 >> shift) as u32,
        inheritable: (inheritable.0 >> shift) as u32,
    };
    let sets = [half(0), half(u32::BITS)];
    // SAFETY: header and sets are laid out as the kernel wants them and outlive the call.
    unsafe { raw::call(libc::SYS_capset, [std::ptr::from_ref(&header) as usize, sets.as_ptr() as usize, 0, 0, 0]) }?;
    Ok(())
}

fn set_securebits(on: i32, off: i32) -> Result<(), i32> {
    let bits = prctl(libc::PR_GET_SECUREBITS, 0, 0)?;
    prctl(libc::PR_SET_SECUREBITS, (bits | on as usize) & !(off as usize), 0)?;
    Ok(())
}

fn prctl(option: i32, second: usize, third: usize) -> Result<usize, i32> {
    // SAFETY: the options used here take numbers only.
    unsafe { raw::call(libc::SYS_prctl, [option as usize, second, third, 0, 0]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_have_the_numbers_of_the_kernels_headers() {
        let header = "/usr/include/linux/capability.h";
        let Ok(text) = std::fs::read_to_string(header) else {
            return crate::words::skip(&format!("there is no {header} to hold the names against"));
        };
        let defined = text.lines().filter_map(|line| {
            let (name, number) = line.strip_prefix("#define CAP_")?.split_once(char::is_whitespace)?;
            Some((name.to_owned(), number.trim().parse::<usize>().ok()?))
        });
        let defined: Vec<_> = defined.collect();
        assert!(defined.len() > 35, "{defined:?}");
        for (name, number) in defined {
            assert_eq!(NAMES.get(number), Some(&name.as_str()));
        }
    }

    #[test]
    fn names_become_a_set_and_names_again() {
        let names = ["CAP_CHECKPOINT_RESTORE", "CAP_CHOWN", "CAP_NET_RAW"].map(str::to_owned);
        let set = Capabilities::of_names(&names);
        assert_eq!(set.names(), ["CAP_CHOWN", "CAP_NET_RAW", "CAP_CHECKPOINT_RESTORE"]);
        assert!(set.meets(Capabilities::NET_RAW) && !set.meets(Capabilities::NET_ADMIN | Capabilities::SYS_ADMIN));
        for none in [&[][..], &["NET_RAW".to_owned(), "CAP_NONE".to_owned(), "CAP_".to_owned(), String::new()]] {
            assert!(Capabilities::of_names(none).is_empty(), "{none:?}");
        }
        for (set, name) in [
            (Capabilities::DAC_OVERRIDE, "CAP_DAC_OVERRIDE"),
            (Capabilities::DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH"),
            (Capabilities::SETPCAP, "CAP_SETPCAP"),
            (Capabilities::NET_ADMIN, "CAP_NET_ADMIN"),
            (Capabilities::NET_RAW, "CAP_NET_RAW"),
            (Capabilities::SYS_RAWIO, "CAP_SYS_RAWIO"),
            (Capabilities::SYS_PTRACE, "CAP_SYS_PTRACE"),
            (Capabilities::SYS_ADMIN, "CAP_SYS_ADMIN"),
            (Capabilities::SYS_NICE, "CAP_SYS_NICE"),
            (Capabilities::SYS_RESOURCE, "CAP_SYS_RESOURCE"),
            (Capabilities::SYS_TIME, "CAP_SYS_TIME"),
            (Capabilities::PERFMON, "CAP_PERFMON"),
        ] {
            assert_eq!(set.names(), [name]);
        }
    }
}
