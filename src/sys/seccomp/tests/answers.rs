//! Every rule, as a row: what is asked for, a call with its arguments, the answer.

use super::super::filter::{ALLOW, AS_IF_DONE, KILL, NO_ACCESS, NOT_PERMITTED, NOT_THERE, NOTIFY};
use super::*;

#[test]
fn only_the_exec_with_the_cookie_passes() {
    let cases = [
        (Exec::Once, false, NO_ACCESS, NO_ACCESS),
        (Exec::Once, true, NOTIFY, NOTIFY),
        (Exec::Asked, false, NO_ACCESS, NO_ACCESS),
        (Exec::Asked, true, NOTIFY, NO_ACCESS),
        (Exec::Any, true, ALLOW, ALLOW),
    ];
    let [path, argv, environment] = COOKIE;
    for (exec, listener, other, execveat) in cases {
        let calls = Calls { exec, listener, ..Calls::default() };
        for machine in [Machine::X86_64, Machine::Aarch64] {
            let filter = Filter::for_machine(machine, &calls, Some(COOKIE.into())).unwrap();
            let without = Filter::for_machine(machine, &calls, None).unwrap();
            let execve = number("execve", machine).unwrap();
            let secret = [path, argv, environment, 7, 8, 9];
            assert_eq!(answer(&filter, machine, execve, secret), ALLOW);
            assert_eq!(answer(&without, machine, execve, secret), other, "{exec:?} without a cookie");
            assert_eq!(answer(&filter, machine, number("execveat", machine).unwrap(), secret), execveat, "{exec:?}");
            for argument in 0..3 {
                for bit in 0..64 {
                    let mut forged = secret;
                    forged[argument] ^= 1 << bit;
                    assert_eq!(answer(&filter, machine, execve, forged), other, "bit {bit} of argument {argument}, {exec:?}");
                }
            }
        }
    }
}

#[test]
fn other_machines_are_closed() {
    let filter = Filter::for_machine(Machine::X86_64, &strictest(), Some(COOKIE.into())).unwrap();
    assert_eq!(run(&filter, 0x4000_0003, 11, [0; 6]).0, KILL, "i386");
    assert_eq!(answer(&filter, Machine::X86_64, 0x4000_0000 | 520, [0; 6]), NOT_THERE, "x32");
}

#[test]
fn what_programs_need_of_all_calls_is_there() {
    let signals = Calls { signals: Signals::Free, ..strictest() };
    check(
        &signals,
        &[
            ("rt_sigaction", &[11], ALLOW),
            ("sched_getaffinity", &[4711], ALLOW),
            ("tgkill", &[4711, 4711, 6], ALLOW),
            ("epoll_create1", &[0], ALLOW),
            ("eventfd2", &[0], ALLOW),
            ("memfd_create", &[1], ALLOW),
            ("membarrier", &[0], ALLOW),
            ("rseq", &[1], ALLOW),
            ("set_robust_list", &[1], ALLOW),
            ("prctl", &[15], ALLOW),
            ("madvise", &[1], ALLOW),
            ("inotify_add_watch", &[1], ALLOW),
            ("setsid", &[], ALLOW),
            ("statmount", &[], ALLOW),
            ("landlock_restrict_self", &[], ALLOW),
            ("uretprobe", &[], ALLOW),
            // A thread, a process, and a process as posix_spawn makes it.
            ("clone", &[0x3d_0f00], ALLOW),
            ("clone", &[libc::SIGCHLD as i64 | 0x0120_0000], ALLOW),
            ("clone", &[libc::SIGCHLD as i64 | 0x4100], ALLOW),
            ("fork", &[], ALLOW),
            ("vfork", &[], ALLOW),
            ("fcntl", &[0, 8, 4711], ALLOW),
            ("openat2", &[], ALLOW),
        ],
    );
}

#[test]
fn namespaces_are_closed() {
    check(
        &strictest(),
        &[
            ("clone3", &[1, 88], NOT_THERE),
            ("unshare", &[0], NOT_PERMITTED),
            ("setns", &[3, 0], NOT_PERMITTED),
            ("clone", &[libc::CLONE_NEWNS as i64], NOT_PERMITTED),
            ("clone", &[libc::CLONE_NEWCGROUP as i64], NOT_PERMITTED),
            ("clone", &[libc::CLONE_NEWUTS as i64], NOT_PERMITTED),
            ("clone", &[libc::CLONE_NEWIPC as i64], NOT_PERMITTED),
            ("clone", &[libc::CLONE_NEWUSER as i64 | libc::SIGCHLD as i64], NOT_PERMITTED),
            ("clone", &[libc::CLONE_NEWUSER as i64 | HIGH], NOT_PERMITTED),
            ("clone", &[libc::CLONE_NEWPID as i64], NOT_PERMITTED),
            ("clone", &[libc::CLONE_NEWNET as i64], NOT_PERMITTED),
            ("clone", &[libc::CLONE_PARENT as i64 | libc::SIGCHLD as i64], NOT_PERMITTED),
        ],
    );
}

#[test]
fn processes_are_counted_and_threads_are_not() {
    let thread = libc::CLONE_THREAD as i64 | libc::CLONE_VM as i64 | libc::CLONE_SIGHAND as i64;
    assert_eq!(thread, 0x1_0900);
    for (listener, process) in [(true, NOTIFY), (false, NOT_PERMITTED)] {
        let calls = Calls { count_processes: true, listener, ..strictest() };
        check(
            &calls,
            &[
                ("fork", &[], process),
                ("vfork", &[], process),
                ("clone", &[libc::SIGCHLD as i64], process),
                ("clone", &[0x1_0900], ALLOW),
                ("clone", &[0x1_0900 | HIGH], ALLOW),
                ("clone", &[0x1_0900 | libc::CLONE_NEWUSER as i64], NOT_PERMITTED),
            ],
        );
    }
}

#[test]
fn signals_stay_away_from_the_shell() {
    for (listener, asked) in [(true, NOTIFY), (false, NOT_PERMITTED)] {
        check(
            &Calls { signals: Signals::Asked, listener, ..strictest() },
            &[
                ("kill", &[4711, 9], asked),
                ("tkill", &[4711, 9], asked),
                ("tgkill", &[4711, 4711, 9], asked),
                ("rt_sigqueueinfo", &[4711, 9], asked),
                ("rt_tgsigqueueinfo", &[4711, 4711, 9], asked),
                ("pidfd_send_signal", &[3, 9], NOT_PERMITTED),
                ("pidfd_open", &[4711], NOT_THERE),
                ("fcntl", &[0, 8, 4711], NOT_PERMITTED),
                ("fcntl", &[0, 15 | HIGH, 1], NOT_PERMITTED),
                ("fcntl", &[0, 9], ALLOW),
                ("fcntl", &[0, 4, 0x2000], ALLOW),
            ],
        );
    }
    check(
        &Calls { signals: Signals::NotTo(vec![4711, 815]), ..strictest() },
        &[
            ("kill", &[4711, 9], NOT_PERMITTED),
            ("kill", &[-4711, 9], NOT_PERMITTED),
            ("kill", &[0xffff_ed99, 9], NOT_PERMITTED),
            ("kill", &[815 | HIGH, 0], NOT_PERMITTED),
            ("kill", &[-1, 9], NOT_PERMITTED),
            ("kill", &[0xffff_ffff, 9], NOT_PERMITTED),
            ("kill", &[4712, 9], ALLOW),
            ("kill", &[0, 9], ALLOW),
            ("tkill", &[4711, 9], NOT_PERMITTED),
            ("tgkill", &[4711, 4711, 9], NOT_PERMITTED),
            ("tgkill", &[4712, 4712, 6], ALLOW),
            ("rt_sigqueueinfo", &[815, 9], NOT_PERMITTED),
            ("rt_tgsigqueueinfo", &[815, 815, 9], NOT_PERMITTED),
            ("fcntl", &[0, 8, 4711], NOT_PERMITTED),
        ],
    );
}

#[test]
fn processes_have_groups_of_their_own_only() {
    for signals in [Signals::Free, Signals::Asked, Signals::NotTo(vec![4711])] {
        check(
            &Calls { signals, ..strictest() },
            &[
                ("setpgid", &[0, 0], ALLOW),
                ("setpgid", &[4711, 0], ALLOW),
                ("setpgid", &[4711, HIGH], ALLOW),
                ("setpgid", &[4712, 4712], ALLOW),
                ("setpgid", &[4712 | HIGH, 4712], ALLOW),
                ("setpgid", &[0, 4711], NOT_PERMITTED),
                ("setpgid", &[4712, 4711], NOT_PERMITTED),
                ("setpgid", &[4712, 4711 | HIGH], NOT_PERMITTED),
                ("setpgid", &[4712, -4712], NOT_PERMITTED),
            ],
        );
    }
}

#[test]
fn nobody_is_held_up_by_a_lease() {
    for signals in [Signals::Free, Signals::Asked, Signals::NotTo(vec![4711])] {
        check(
            &Calls { signals, ..strictest() },
            &[
                ("fcntl", &[3, 1024, 0], NOT_PERMITTED),
                ("fcntl", &[3, 1024 | HIGH, 2], NOT_PERMITTED),
                ("fcntl", &[3, 1040, 0], NOT_PERMITTED),
                ("fcntl", &[3, 1025], ALLOW),
                ("fcntl", &[3, 1030, 3], ALLOW),
                ("fcntl", &[3, 1031, 65536], ALLOW),
            ],
        );
    }
}

#[test]
fn the_limit_of_cores_stays_as_it_is() {
    check(
        &strictest(),
        &[
            ("setrlimit", &[4, 1], AS_IF_DONE),
            ("setrlimit", &[4 | HIGH, 1], AS_IF_DONE),
            ("setrlimit", &[7, 1], ALLOW),
            ("getrlimit", &[4, 1], ALLOW),
            ("prlimit64", &[0, 4, 1, 0], AS_IF_DONE),
            ("prlimit64", &[HIGH, 4 | HIGH, HIGH, 0], AS_IF_DONE),
            ("prlimit64", &[0, 4, 1, 1], NOT_PERMITTED),
            ("prlimit64", &[0, 4, 1, HIGH], NOT_PERMITTED),
            ("prlimit64", &[4711, 4, 1, 0], NOT_PERMITTED),
            ("prlimit64", &[0, 4, 0, 1], ALLOW),
            ("prlimit64", &[4711, 4, 0, 1], ALLOW),
            ("prlimit64", &[0, 7, 1, 0], ALLOW),
        ],
    );
}

#[test]
fn there_are_files_in_memory_only_where_memory_has_no_limit() {
    for (count_memory, expected) in [(false, ALLOW), (true, NOT_THERE)] {
        check(&Calls { count_memory, ..strictest() }, &[("memfd_create", &[1, 0], expected), ("memfd_secret", &[0], NOT_THERE)]);
    }
}

#[test]
fn limits_and_priorities_are_changed_of_itself_only() {
    check(
        &strictest(),
        &[
            ("prlimit64", &[0, 7, 1, 1], ALLOW),
            ("prlimit64", &[4711, 7, 0, 1], ALLOW),
            ("prlimit64", &[4711, 7, 1, 0], NOT_PERMITTED),
            ("prlimit64", &[4711, 7, HIGH, 0], NOT_PERMITTED),
            ("prlimit64", &[HIGH, 7, 1, 0], ALLOW),
            ("setpriority", &[0, 0, 5], ALLOW),
            ("setpriority", &[0, 4711, 5], NOT_PERMITTED),
            ("setpriority", &[1, 0, 5], NOT_PERMITTED),
            ("setpriority", &[2, 0, 5], NOT_PERMITTED),
            ("ioprio_set", &[1, 0, 5], ALLOW),
            ("ioprio_set", &[1, 4711, 5], NOT_PERMITTED),
            ("ioprio_set", &[2, 0, 5], NOT_PERMITTED),
            ("ioprio_set", &[3, 0, 5], NOT_PERMITTED),
            ("sched_setaffinity", &[0, 8, 1], ALLOW),
            ("sched_setaffinity", &[4711, 8, 1], NOT_PERMITTED),
            ("sched_setscheduler", &[4711, 5, 1], NOT_PERMITTED),
            ("sched_setparam", &[4711, 1], NOT_PERMITTED),
            ("sched_setattr", &[4711, 1], NOT_PERMITTED),
            ("getpriority", &[0, 4711], ALLOW),
        ],
    );
}

#[test]
fn ioctl_reaches_neither_the_terminals_input_nor_its_owner() {
    check(
        &strictest(),
        &[
            ("ioctl", &[0, 0x5412, 1], NOT_PERMITTED),
            ("ioctl", &[0, 0x5414, 1], NOT_PERMITTED),
            ("ioctl", &[0, 0x5414 | HIGH, 1], NOT_PERMITTED),
            ("ioctl", &[0, 0x5412 | HIGH, 1], NOT_PERMITTED),
            ("ioctl", &[0, 0x541c, 1], NOT_PERMITTED),
            ("ioctl", &[0, 0x541d, 1], NOT_PERMITTED),
            ("ioctl", &[0, 0x5423, 1], NOT_PERMITTED),
            ("ioctl", &[0, 0x540e, 1], NOT_PERMITTED),
            ("ioctl", &[0, 0x540c, 1], NOT_PERMITTED),
            ("ioctl", &[0, 0x5437, 1], NOT_PERMITTED),
            ("ioctl", &[0, 0x541f, 1], NOT_PERMITTED),
            ("ioctl", &[0, 0x4b47, 1], NOT_PERMITTED),
            ("ioctl", &[0, 0x4b49, 1], NOT_PERMITTED),
            ("ioctl", &[0, 0x5606, 1], NOT_PERMITTED),
            ("ioctl", &[0, 0x8901, 1], NOT_PERMITTED),
            ("ioctl", &[0, 0x8902, 1], NOT_PERMITTED),
            // TCGETS, TCSETSW, TIOCGWINSZ, TIOCSPGRP, FIONREAD, TIOCGPGRP, FIOCLEX, SIOCGIFCONF, SIOCETHTOOL, FS_IOC_GETFLAGS.
            ("ioctl", &[0, 0x5401, 1], ALLOW),
            ("ioctl", &[0, 0x5403, 1], ALLOW),
            ("ioctl", &[0, 0x5413, 1], ALLOW),
            ("ioctl", &[0, 0x5410, 1], ALLOW),
            ("ioctl", &[0, 0x541b, 1], ALLOW),
            ("ioctl", &[0, 0x540f, 1], ALLOW),
            ("ioctl", &[0, 0x5451, 1], ALLOW),
            ("ioctl", &[0, 0x8912, 1], ALLOW),
            ("ioctl", &[0, 0x8946, 1], ALLOW),
            ("ioctl", &[0, 0x8008_6601, 1], ALLOW),
            ("ioctl", &[0, 0, 1], ALLOW),
            ("ioctl", &[0, -1, 1], ALLOW),
        ],
    );
}

#[test]
fn attributes_of_files_do_not_change() {
    let calls = strictest();
    let names = [
        "chmod",
        "fchmod",
        "fchmodat",
        "fchmodat2",
        "chown",
        "lchown",
        "fchown",
        "fchownat",
        "utime",
        "utimes",
        "futimesat",
        "utimensat",
        "setxattr",
        "lsetxattr",
        "fsetxattr",
        "setxattrat",
        "removexattr",
        "lremovexattr",
        "fremovexattr",
        "removexattrat",
        "file_setattr",
    ];
    for name in names {
        check(&calls, &[(name, &[], NOT_PERMITTED), (name, &[3, 1, 1, 1], NOT_PERMITTED)]);
    }
    // FS_IOC_SETFLAGS, FSSETXATTR, SETVERSION, ENABLE_VERITY, BTRFS_IOC_SUBVOL_CREATE.
    for request in [0x4008_6602, 0x401c_5820, 0x4008_7602, 0x4080_6685, 0x5000_940e, 0x4008_6602 | HIGH] {
        let filter = Filter::new(&calls, None).unwrap();
        let ioctl = number("ioctl", Machine::NATIVE).unwrap();
        assert_eq!(answer(&filter, Machine::NATIVE, ioctl, arguments(&[3, request, 1])), NOT_PERMITTED, "{request:#x}");
    }
    check(&calls, &[("getxattr", &[1], ALLOW), ("file_getattr", &[1], ALLOW), ("umask", &[0o22], ALLOW)]);
}

#[test]
fn nothing_is_cut_short_where_landlock_does_not_see_it() {
    const TRUNCATE: i64 = libc::O_TRUNC as i64;
    const CREATE: i64 = libc::O_CREAT as i64;
    check(
        &Calls { guard_truncation: true, ..strictest() },
        &[
            ("truncate", &[1, 0], NOT_PERMITTED),
            ("ftruncate", &[3, 0], ALLOW),
            ("openat2", &[-100, 1, 1, 24], NOT_THERE),
            ("open", &[1, 0], ALLOW),
            ("open", &[1, TRUNCATE], NO_ACCESS),
            ("open", &[1, TRUNCATE | HIGH], NO_ACCESS),
            ("open", &[1, TRUNCATE | 3], NO_ACCESS),
            ("open", &[1, TRUNCATE | 1], ALLOW),
            ("open", &[1, TRUNCATE | 2], ALLOW),
            ("openat", &[-100, 1, CREATE], ALLOW),
            ("openat", &[-100, 1, CREATE | TRUNCATE], NO_ACCESS),
            ("openat", &[-100, 1, CREATE | TRUNCATE | 3], NO_ACCESS),
            ("openat", &[-100, 1, CREATE | TRUNCATE | 2], ALLOW),
            ("creat", &[1, 0o600], ALLOW),
        ],
    );
    check(&strictest(), &[("truncate", &[1, 0], ALLOW), ("openat", &[-100, 1, TRUNCATE], ALLOW), ("openat2", &[], ALLOW)]);
}

#[test]
fn no_new_file_is_set_user_id() {
    const CREATE: i64 = libc::O_CREAT as i64;
    const TEMPORARY: i64 = libc::O_TMPFILE as i64;
    const TRUNCATE: i64 = libc::O_TRUNC as i64;
    let guarded = Calls { guard_set_ids: true, ..strictest() };
    let rows: [Row<'_>; 13] = [
        ("open", &[1, CREATE, 0o4755], NOT_PERMITTED),
        ("open", &[1, CREATE | TRUNCATE | 1, 0o2644 | HIGH], NOT_PERMITTED),
        ("open", &[1, CREATE | HIGH, 0o1777], ALLOW),
        ("openat", &[-100, 1, CREATE, 0o6755], NOT_PERMITTED),
        ("openat", &[-100, 1, TEMPORARY | 2, 0o4755], NOT_PERMITTED),
        ("openat", &[-100, 1, TEMPORARY | 2, 0o600], ALLOW),
        // What stands there when nothing is made is nobody's mode.
        ("openat", &[-100, 1, 0o200000, -1], ALLOW),
        ("openat2", &[-100, 1, 1, 24], NOT_THERE),
        ("creat", &[1, 0o4755], NOT_PERMITTED),
        ("creat", &[1, 0o777], ALLOW),
        ("mknod", &[1, 0o104755], NOT_PERMITTED),
        ("mknodat", &[-100, 1, 0o102755], NOT_PERMITTED),
        ("mknodat", &[-100, 1, 0o100644], ALLOW),
    ];
    check(&guarded, &rows);
    let cut = ("openat", &[-100, 1, CREATE | TRUNCATE, 0o600][..], NO_ACCESS);
    check(&Calls { guard_truncation: true, ..guarded.clone() }, &[&rows[..], &[cut]].concat());
    let logged = Calls { log_files: true, listener: true, ..guarded };
    check(
        &logged,
        &[("creat", &[1, 0o600], NOTIFY), ("openat", &[-100, 1, CREATE, 0o600], NOTIFY), ("creat", &[1, 0o4600], NOT_PERMITTED)],
    );
    check(&strictest(), &[("openat", &[-100, 1, CREATE, 0o4755], ALLOW), ("mknodat", &[-100, 1, 0o104755], ALLOW)]);
}

#[test]
fn of_some_calls_the_harmless_uses_are_left() {
    check(
        &strictest(),
        &[
            ("personality", &[0xffff_ffff], ALLOW),
            ("personality", &[-1], ALLOW),
            ("personality", &[0], ALLOW),
            ("personality", &[0x4_0000], NOT_PERMITTED),
            ("clock_adjtime", &[0, 1], ALLOW),
            ("clock_adjtime", &[-29, 1], NOT_PERMITTED),
            ("syslog", &[3, 1, 100], ALLOW),
            ("syslog", &[10], ALLOW),
            ("syslog", &[2, 1, 100], NOT_PERMITTED),
            ("syslog", &[4, 1, 100], NOT_PERMITTED),
            ("syslog", &[5], NOT_PERMITTED),
            ("syslog", &[8, 0, 1], NOT_PERMITTED),
            ("shmctl", &[0, 14, 1], ALLOW),
            ("shmctl", &[0, 0, 0], NOT_PERMITTED),
            ("shmctl", &[0, 1, 1], NOT_PERMITTED),
            ("shmctl", &[0, 11, 0], NOT_PERMITTED),
            ("msgctl", &[0, 12, 1], ALLOW),
            ("msgctl", &[0, 0, 0], NOT_PERMITTED),
            ("semctl", &[0, 0, 19, 1], ALLOW),
            ("semctl", &[0, 0, 16, 1], NOT_PERMITTED),
            ("shmat", &[0, 0, 0], NOT_PERMITTED),
            // Filters, but no listener to them: with ours gone, it would be the one that is asked.
            ("seccomp", &[1, 0, 1], ALLOW),
            ("seccomp", &[1, 8, 1], NOT_PERMITTED),
            ("seccomp", &[1, 8 | 4 | HIGH, 1], NOT_PERMITTED),
            ("seccomp", &[2, 0, 1], ALLOW),
        ],
    );
}

#[test]
fn what_does_something_to_a_file_goes_past_the_listener_where_that_keeps_a_log() {
    const TRUNCATE: i64 = libc::O_TRUNC as i64;
    const DUMPABLE: i64 = libc::PR_SET_DUMPABLE as i64;
    let logged = Calls { log_files: true, listener: true, ..strictest() };
    let named =
        ["open", "openat", "openat2", "creat", "truncate", "rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat"];
    for name in named {
        check(&logged, &[(name, &[1, 1], NOTIFY)]);
        check(&Calls { log_files: true, listener: false, ..strictest() }, &[(name, &[1, 1], ALLOW)]);
        check(&Calls { listener: true, ..strictest() }, &[(name, &[1, 1], ALLOW)]);
    }
    check(&logged, &[("prctl", &[DUMPABLE, 0], AS_IF_DONE), ("prctl", &[DUMPABLE | HIGH], AS_IF_DONE), ("prctl", &[15], ALLOW)]);
    check(&logged, &[("mkdir", &[1], ALLOW), ("read", &[3], ALLOW), ("ftruncate", &[3], ALLOW), ("fchmod", &[3], NOT_PERMITTED)]);
    // Nothing else is let through for it.
    check(
        &Calls { guard_truncation: true, ..logged.clone() },
        &[
            ("truncate", &[1], NOT_PERMITTED),
            ("openat2", &[1], NOT_THERE),
            ("openat", &[-100, 1, TRUNCATE], NO_ACCESS),
            ("openat", &[], NOTIFY),
        ],
    );
    check(
        &Calls { read_only: true, ..logged },
        &[
            ("creat", &[1], NO_ACCESS),
            ("unlink", &[1], NO_ACCESS),
            ("rename", &[1], NO_ACCESS),
            ("openat2", &[1], NOT_THERE),
            ("open", &[], ALLOW),
        ],
    );
}
