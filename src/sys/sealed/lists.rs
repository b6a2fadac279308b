//! What the front and the relay may ask of the kernel.
//!
//! Of the front's: `socketpair` makes the pair through which the line editor tells itself of a signal, anew for each line; what is sent
//! there reaches nobody else, and without `sendmsg` no descriptor travels. `sendto` has no address, so it is a `write`. Reading and writing
//! go to what is open already: the terminal, and the one socket to the guard.
//!
//! Of the relay's: it allocates nothing and has no handlers, so it needs no memory and no signal calls. `restart_syscall` is made by the
//! kernel itself, when a wait goes on after a stop.

use nix::unistd::getpid;

use super::Role;
use crate::sys::pty::TIOCSIG;
use crate::sys::seccomp::{Allowed, Check, Otherwise};

/// Terminal settings read and written, the foreground group, the window's size, bytes waiting; and `FIONBIO`, for the editor's own pair.
/// Not what is typed (`TIOCSTI`), whose the terminal is, or how large.
const IOCTLS: [libc::Ioctl; 13] = [
    libc::TCGETS,
    libc::TCFLSH,
    libc::TCSETS,
    libc::TCSETSW,
    libc::TCSETSF,
    libc::TCGETS2,
    libc::TCSETS2,
    libc::TCSETSW2,
    libc::TCSETSF2,
    libc::TIOCGPGRP,
    libc::TIOCGWINSZ,
    libc::FIONREAD,
    libc::FIONBIO,
];

/// Modes read, the window read, and made that of the terminals behind; a key that is a signal there.
const OF_TERMINALS: [libc::Ioctl; 5] = [libc::TCGETS, libc::TCGETS2, libc::TIOCGWINSZ, libc::TIOCSWINSZ, TIOCSIG];

const EXECUTABLE: u32 = libc::PROT_EXEC as u32;

/// The list of a process, and what becomes of other calls.
pub(super) fn of(role: Role) -> (Vec<Allowed>, Otherwise) {
    match role {
        Role::Front => (front(), Otherwise::Refuse),
        Role::Relay => (relay(), Otherwise::Kill),
    }
}

fn front() -> Vec<Allowed> {
    let own = getpid().as_raw().cast_unsigned();
    let int = |value: i32| value.cast_unsigned();
    let mut list =
        Allowed::all(&["read", "write", "readv", "writev", "recvfrom", "close", "lseek", "fstat", "poll", "ppoll", "select", "pselect6"]);
    list.extend(Allowed::all(&["rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall", "alarm", "setitimer"]));
    list.extend(Allowed::all(&["brk", "munmap", "mremap", "madvise", "futex", "sched_yield", "rseq", "set_robust_list", "getrandom"]));
    list.extend(Allowed::all(&["getpid", "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getcwd"]));
    list.extend(Allowed::all(&["clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "exit", "exit_group"]));
    list.extend([
        Allowed::only("ioctl", [Check::OneOf(1, IOCTLS.map(|request| request as u32).to_vec())]),
        Allowed::only("fcntl", [Check::OneOf(1, [libc::F_GETFD, libc::F_GETFL, libc::F_SETFL].map(int).to_vec())]),
        Allowed::only("mmap", [Check::Without(2, EXECUTABLE)]),
        Allowed::only("mprotect", [Check::Without(2, EXECUTABLE)]),
        Allowed::only("sendto", [Check::Null(4)]),
        Allowed::only(
            "socketpair",
            [
                Check::OneOf(0, vec![int(libc::AF_UNIX)]),
                Check::OneOf(1, vec![int(libc::SOCK_STREAM), int(libc::SOCK_STREAM | libc::SOCK_CLOEXEC)]),
            ],
        ),
        // To its own threads: it has one. `kill`, which could reach others, is not here.
        Allowed::only("tgkill", [Check::OneOf(0, vec![own])]),
        Allowed::only("tkill", [Check::OneOf(0, vec![own])]),
    ]);
    list
}

fn relay() -> Vec<Allowed> {
    let mut list = Allowed::all(&["read", "write", "splice", "poll", "ppoll", "recvmsg", "close", "exit", "exit_group", "restart_syscall"]);
    // Where the vDSO has no clock.
    list.extend(Allowed::all(&["clock_gettime"]));
    list.push(Allowed::only("ioctl", [Check::OneOf(1, OF_TERMINALS.map(|request| request as u32).to_vec())]));
    list.push(Allowed::only("sendto", [Check::Null(4)]));
    // Builds with debug assertions ask whether a descriptor is open before they close it.
    list.push(Allowed::only("fcntl", [Check::OneOf(1, vec![libc::F_GETFD.cast_unsigned()])]));
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::seccomp::Filter;

    #[test]
    fn both_lists_are_filters_of_names_that_exist() {
        for role in [Role::Front, Role::Relay] {
            let (list, otherwise) = of(role);
            assert_eq!(Filter::allowing(&list, otherwise).err(), None, "{role:?}");
        }
    }
}
