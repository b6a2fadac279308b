//! What the capabilities of a command open in its filter, and what they close.
//!
//! Most calls that need a capability are let through in any case, because the kernel refuses them to whom has none. These are not, and are
//! opened by the one capability that they are for:
//!
//! | capability | opens |
//! |---|---|
//! | `NET_RAW` | raw sockets of AF_INET and AF_INET6, AF_PACKET (`sockets`) |
//! | `NET_ADMIN` | NETLINK_NETFILTER: what can read the firewall's rules can change them, which is in messages and so out of sight |
//! | `SYS_NICE` | priorities and placement of other processes |
//! | `PERFMON` | perf_event_open |
//!
//! No capability opens what changes the host itself: mounts and namespaces, modules, reboot, kexec, bpf, swap, names of the host, clocks,
//! quotas, keys, modes and owners of files, audit and IPsec over netlink. What was held by nothing but the want of a capability (`adjtimex`,
//! and requests of ioctl(2) that need no descriptor open for writing) is closed to those who have it. `SYSLOG` opens nothing: the reading
//! actions of syslog(2) are let through in any case. Nor does `KILL`: signals stay with what the command started. `SYS_PTRACE` is for what
//! `Calls::trace` opens.

use super::filter::{Action, Builder};
use super::table::Class;
use crate::sys::capability::Capabilities;

/// Requests of ioctl(2) that reach the whole host through a descriptor that is open for reading, to whom has `SYS_ADMIN`, `SYS_RAWIO` or
/// `SYS_TIME`: the clock of the hardware (RTC_SET_TIME); block devices: their partitions, buffers, write protection, tracing and discarding (BLK*), loops,
/// RAID arrays, resets (SG_SCSI_RESET, NVME_IOCTL_RESET and those behind it), reservations (IOC_PR_*), device mapper but for what lists;
/// file systems: freezing, thawing, trimming, shutting down (FIFREEZE, FITHAW, FITRIM, EXT4_IOC_SHUTDOWN), labels (FS_IOC_SETFSLABEL).
/// Commands to disks (SG_IO, NVME_IOCTL_ADMIN_CMD) are not among them: what they say is in memory.
pub(super) const IOCTL_HOST: [(u32, u32); 31] = [
    (0x0913, 0x09ff),
    (0x125d, 0x125d),
    (0x125f, 0x125f),
    (0x1261, 0x1262),
    (0x1264, 0x1264),
    (0x1269, 0x1269),
    (0x1274, 0x1277),
    (0x127d, 0x127f),
    (0x2284, 0x2284),
    (0x4c00, 0x4c02),
    (0x4c04, 0x4c04),
    (0x4c06, 0x4cff),
    (0x4e44, 0x4e46),
    (0x4008_1271, 0x4008_1271),
    (0x4008_70cd, 0x4008_70cd),
    (0x400c_0930, 0x400c_0930),
    (0x4010_70c9, 0x4010_70ca),
    (0x4014_0921, 0x4014_0921),
    (0x4018_70c8, 0x4018_70c8),
    (0x4018_70cb, 0x4018_70cc),
    (0x4024_700a, 0x4024_700a),
    (0x4048_0923, 0x4048_0923),
    (0x4100_9432, 0x4100_9432),
    (0x8004_587d, 0x8004_587d),
    (0xc004_5877, 0xc004_5878),
    (0xc018_5879, 0xc018_5879),
    (0xc048_1273, 0xc048_1273),
    (0xc138_fd01, 0xc138_fd01),
    (0xc138_fd03, 0xc138_fd06),
    (0xc138_fd08, 0xc138_fd0a),
    (0xc138_fd0e, 0xc138_fd10),
];

impl Builder<'_> {
    pub(super) fn has(&self, capability: Capabilities) -> bool {
        self.calls.capabilities.meets(capability)
    }

    /// What the command's capabilities make of a class, if they say anything.
    pub(super) fn by_capability(&self, class: Class) -> Option<Action> {
        match class {
            Class::Scheduling | Class::Setpriority | Class::IoprioSet if self.has(Capabilities::SYS_NICE) => Some(Action::ALLOW),
            Class::Perf if self.has(Capabilities::PERFMON) => Some(Action::ALLOW),
            Class::Adjtimex | Class::ClockAdjtime if self.has(Capabilities::SYS_TIME) => Some(Action::REFUSE),
            _ => None,
        }
    }

    /// Requests of ioctl(2) that are closed because of what the command has.
    pub(super) fn requests_of_host(&self) -> &'static [(u32, u32)] {
        if self.has(Capabilities::SYS_ADMIN | Capabilities::SYS_RAWIO | Capabilities::SYS_TIME) { &IOCTL_HOST } else { &[] }
    }
}
