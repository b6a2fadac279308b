//! What capabilities open and close, and what a filter holds that stands alone: a row each, with and without.

use super::super::capable::IOCTL_HOST;
use super::super::filter::{ALLOW, NO_ACCESS, NOT_PERMITTED, NOT_THERE, NOTIFY, error};
use super::super::table::Class;
use super::*;

const NO_FAMILY: u32 = error(libc::EAFNOSUPPORT);
const NO_PROTOCOL: u32 = error(libc::EPROTONOSUPPORT);
const RAW: i64 = libc::SOCK_RAW as i64;
const INET: i64 = libc::AF_INET as i64;
const INET6: i64 = libc::AF_INET6 as i64;
const PACKET: i64 = libc::AF_PACKET as i64;
const NETLINK: i64 = libc::AF_NETLINK as i64;

fn with(names: &[&str]) -> Calls {
    let names: Vec<String> = names.iter().map(|name| format!("CAP_{name}")).collect();
    Calls { capabilities: Capabilities::of_names(&names), ..strictest() }
}

/// Each opens these, and nothing else does.
#[test]
fn a_capability_opens_what_it_is_for_and_no_other_does() {
    let rows: [(&str, &[Row<'_>]); 4] = [
        (
            "NET_RAW",
            &[
                ("socket", &[INET, RAW, 1], NO_ACCESS),
                ("socket", &[INET6, RAW | 0x80000, 255], NO_ACCESS),
                ("socket", &[PACKET, RAW, 0x300], NO_FAMILY),
                ("socket", &[PACKET | HIGH, 2, 0x300], NO_FAMILY),
            ],
        ),
        ("NET_ADMIN", &[("socket", &[NETLINK, RAW, 12], NO_PROTOCOL)]),
        (
            "SYS_NICE",
            &[
                ("setpriority", &[0, 4711, 5], NOT_PERMITTED),
                ("ioprio_set", &[1, 4711, 5], NOT_PERMITTED),
                ("sched_setaffinity", &[4711, 8, 1], NOT_PERMITTED),
                ("sched_setscheduler", &[4711, 3, 1], NOT_PERMITTED),
            ],
        ),
        ("PERFMON", &[("perf_event_open", &[1, 0, 0, -1, 0], NOT_PERMITTED)]),
    ];
    let all = crate::sys::capability::NAMES;
    for (name, opened) in rows {
        for (call, given, closed) in opened {
            check(&with(&[name]), &[(call, given, ALLOW)]);
            let others: Vec<&str> = all.into_iter().filter(|other| *other != name).collect();
            check(&with(&others), &[(call, given, *closed)]);
            check(&strictest(), &[(call, given, *closed)]);
        }
    }
    // All of them open no more of sockets.
    check(
        &with(&all),
        &[
            ("socket", &[NETLINK, RAW, 6], NO_PROTOCOL),
            ("socket", &[NETLINK, RAW, 9], NO_PROTOCOL),
            ("socket", &[INET, 1, 6], NO_ACCESS),
            ("socket", &[libc::AF_VSOCK.into(), 1, 0], NO_FAMILY),
            ("prlimit64", &[4711, 7, 1, 0], NOT_PERMITTED),
            ("syslog", &[3, 1, 1], ALLOW),
            ("syslog", &[2, 1, 1], NOT_PERMITTED),
            ("syslog", &[5, 0, 0], NOT_PERMITTED),
            ("kill", &[-1, 9], NOT_PERMITTED),
        ],
    );
}

#[test]
fn no_capability_opens_what_changes_the_host() {
    let all = with(&crate::sys::capability::NAMES);
    for machine in [Machine::X86_64, Machine::Aarch64] {
        let filter = Filter::for_machine(machine, &all, Some(COOKIE.into())).unwrap();
        let refused = CALLS.iter().filter(|call| call.class == Class::Refused).filter_map(|call| call.number(machine));
        let answers: Vec<u32> = refused.map(|number| answer(&filter, machine, number.into(), [0; 6])).collect();
        assert!(answers.len() > 80 && answers.iter().all(|answer| *answer == NOT_PERMITTED));
    }
    for name in [
        "mount",
        "setns",
        "reboot",
        "bpf",
        "init_module",
        "kexec_load",
        "clock_settime",
        "fchown",
        "fsetxattr",
        "swapon",
        "open_by_handle_at",
    ] {
        check(&all, &[(name, &[], NOT_PERMITTED)]);
    }
}

#[test]
fn what_only_the_want_of_a_capability_held_is_closed_to_those_who_have_it() {
    for call in ["adjtimex", "clock_adjtime"] {
        check(&strictest(), &[(call, &[0, 1], ALLOW)]);
        check(&with(&["SYS_TIME"]), &[(call, &[0, 1], NOT_PERMITTED)]);
    }
    let edges = IOCTL_HOST.iter().flat_map(|(first, last)| [i64::from(*first), i64::from(*last)]);
    for request in edges {
        check(&strictest(), &[("ioctl", &[3, request], ALLOW)]);
        for name in ["SYS_ADMIN", "SYS_RAWIO", "SYS_TIME"] {
            check(&with(&[name]), &[("ioctl", &[3, request], NOT_PERMITTED), ("ioctl", &[3, request | HIGH], NOT_PERMITTED)]);
        }
    }
    // Commands to a disk, its size, loops that are listed, device mapper's table, the terminal's size; and what is closed in any case.
    for request in [0x2285, 0xc048_4e41, 0x8008_1272, 0x4c05, 0xc138_fd0c, 0x5413] {
        check(&with(&["SYS_ADMIN"]), &[("ioctl", &[3, request], ALLOW)]);
    }
    check(&with(&["SYS_ADMIN"]), &[("ioctl", &[3, 0x5412], NOT_PERMITTED), ("ioctl", &[3, 0x4008_6602], NOT_PERMITTED)]);
}

/// Everything that opens for writing, makes, takes away or renames.
#[test]
fn a_filter_that_stands_alone_lets_nothing_change() {
    let (at, here) = (libc::AT_FDCWD.into(), 1);
    let alone = Calls { read_only: true, ..strictest() };
    for flags in [libc::O_WRONLY, libc::O_RDWR, 3, libc::O_CREAT, libc::O_TRUNC, libc::O_APPEND, libc::O_TMPFILE | libc::O_RDWR] {
        let flags = i64::from(flags);
        check(&alone, &[("open", &[here, flags, 0], NO_ACCESS), ("openat", &[at, here, flags | HIGH, 0], NO_ACCESS)]);
        check(&strictest(), &[("open", &[here, flags, 0], ALLOW), ("openat", &[at, here, flags, 0], ALLOW)]);
    }
    let listened = Calls { listener: true, ..alone.clone() };
    check(&listened, &[("open", &[here, 1, 0], NOTIFY), ("openat", &[at, here, 0o102, 0], NOTIFY), ("creat", &[here], NO_ACCESS)]);
    let reading = i64::from(libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NOFOLLOW | libc::O_DIRECTORY | libc::O_NONBLOCK | libc::O_PATH);
    check(&alone, &[("open", &[here, reading], ALLOW), ("openat", &[at, here, reading], ALLOW), ("openat2", &[at, here], NOT_THERE)]);
    let changes = CALLS
        .iter()
        .filter(|call| matches!(call.class, Class::Change | Class::Name | Class::Creat | Class::Mknod | Class::Mknodat | Class::Truncate))
        .map(|call| call.name);
    let changes: Vec<&str> = changes.collect();
    assert!(changes.len() > 15, "{changes:?}");
    for call in changes {
        check(&alone, &[(call, &[], NO_ACCESS)]);
        check(&strictest(), &[(call, &[], ALLOW)]);
    }
    // A socket gets a name where there are such; netlink's have numbers.
    check(&alone, &[("bind", &[3, here, 12], ALLOW)]);
    for unix in [Unix::Asked, Unix::Any] {
        check(&Calls { unix, ..alone.clone() }, &[("bind", &[3, here, 110], NO_ACCESS)]);
        check(&Calls { unix, ..strictest() }, &[("bind", &[3, here, 110], ALLOW)]);
    }
}

#[test]
fn tracing_looks_and_changes_neither_memory_nor_registers() {
    let tracing = Calls { trace: true, ..strictest() };
    let [exit_kill, suspend] = [1 << 20, 1 << 21];
    // PEEKDATA, CONT, ATTACH, DETACH, SYSCALL, GETREGSET, SEIZE, INTERRUPT, LISTEN, GET_SYSCALL_INFO, and options.
    for request in [2, 7, 16, 17, 24, 0x4204, 0x4206, 0x4207, 0x4208, 0x420e, 0x4200, 0x4201, 0x4202] {
        check(&tracing, &[("ptrace", &[request, 4711, 0, 0x51], ALLOW)]);
        check(&strictest(), &[("ptrace", &[request, 4711, 0, 0x51], NOT_PERMITTED)]);
    }
    // TRACEME, POKE*, KILL, SINGLESTEP, SET*REGS, SETREGSET, SETSIGINFO, SETSIGMASK, SYSEMU, filters, syscall user dispatch, SET_SYSCALL_INFO.
    for request in [0, 4, 5, 6, 8, 9, 13, 15, 30, 31, 0x4203, 0x4205, 0x420b, 0x420c, 0x420d, 0x4210, 0x4211, 0x4212] {
        check(&tracing, &[("ptrace", &[request, 4711, 0, 0], NOT_PERMITTED)]);
    }
    for request in [0x4200, 0x4206] {
        for option in [exit_kill, suspend, exit_kill | 1, suspend | HIGH] {
            check(&tracing, &[("ptrace", &[request, 4711, 0, option], NOT_PERMITTED)]);
        }
    }
    check(
        &tracing,
        &[("process_vm_readv", &[4711], ALLOW), ("process_vm_writev", &[4711], NOT_PERMITTED), ("pidfd_getfd", &[3], NOT_PERMITTED)],
    );
    check(&strictest(), &[("process_vm_readv", &[4711], NOT_PERMITTED)]);
}
