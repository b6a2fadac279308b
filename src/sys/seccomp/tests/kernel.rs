//! The kernel itself, asked by children with a filter and, as the control, by children without.
//!
//! Nobody listens here, and the kernel answers what would be asked of a listener with ENOSYS; so that stands for "asked" below.

use std::fs;
use std::io::Read;
use std::os::fd::IntoRawFd;
use std::os::unix::process::CommandExt;

use libc::{EACCES, EAFNOSUPPORT, EBADF, EFAULT, EINVAL, ENOSYS, EOPNOTSUPP, EPERM, EPROTONOSUPPORT, ESRCH};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, geteuid, getpid, pipe};

use super::super::install;
use super::super::table::Class;
use super::*;
use crate::words::skip;

const ASKED: i32 = ENOSYS;
/// No process has this number.
const NOBODY: i64 = 0x3fff_ffff;

/// Makes calls in a child, with or without a filter: the errno of each, 0 for success.
fn outcomes(filter: Option<&Filter>, calls: &[(u32, [u64; 6])]) -> Vec<i32> {
    let program = filter.map(Filter::program);
    let (read, write) = pipe().unwrap();
    let write = write.into_raw_fd();
    // SAFETY: the child makes system calls only, on what was there before the fork.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            // SAFETY: as above; arguments are numbers that the kernel refuses as addresses, or addresses of living values.
            unsafe {
                libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
                // As a command has it.
                libc::setrlimit(libc::RLIMIT_CORE, &libc::rlimit { rlim_cur: 1, rlim_max: 1 });
                if program.is_some_and(|program| install(&program).is_err()) {
                    libc::_exit(1);
                }
                for (number, [first, second, third, fourth, fifth, sixth]) in calls {
                    let failed = libc::syscall(i64::from(*number), *first, *second, *third, *fourth, *fifth, *sixth) == -1;
                    let errno = if failed { *libc::__errno_location() } else { 0 };
                    libc::write(write, std::ptr::from_ref(&errno).cast(), 4);
                }
                libc::_exit(0)
            }
        }
        ForkResult::Parent { child } => {
            nix::unistd::close(write).unwrap();
            let mut bytes = Vec::new();
            fs::File::from(read).read_to_end(&mut bytes).unwrap();
            assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
            bytes.chunks(4).map(|four| i32::from_ne_bytes(four.try_into().unwrap())).collect()
        }
    }
}

/// A call, its arguments, what it answers under the filter and without.
type Row<'a> = (&'a str, &'a [i64], i32, i32);

fn check(calls: &Calls, rows: &[Row<'_>]) {
    let rows: Vec<_> = rows.iter().filter_map(|row| Some((row, number(row.0, Machine::NATIVE)?))).collect();
    let made: Vec<_> = rows.iter().map(|((_, given, ..), number)| (*number, arguments(given))).collect();
    let filter = Filter::new(calls, None).unwrap();
    let (with, without) = (outcomes(Some(&filter), &made), outcomes(None, &made));
    for ((((name, given, held, free), _), with), without) in rows.into_iter().zip(with).zip(without) {
        assert_eq!((with, without), (*held, *free), "{name}{given:x?}: with the filter and without, under {calls:?}");
    }
}

/// For the kernel to write to, in the child.
fn address<T>(value: &mut T) -> i64 {
    std::ptr::from_mut(value) as i64
}

#[test]
fn what_nobody_needs_is_refused_by_the_filter_and_not_by_the_kernel() {
    if !geteuid().is_root() {
        return skip("not root, for whom alone these calls are not refused anyhow");
    }
    let refused = |call: &&super::super::table::Call| call.class == Class::Refused;
    let names: Vec<_> =
        CALLS.iter().filter(refused).filter_map(|call| Some((call.name, u32::from(call.number(Machine::NATIVE)?)))).collect();
    // Nonsense that cannot do anything, but for the few which take it for something.
    let nonsense = |name| match name {
        "acct" => arguments(&[1]),
        "init_module" => arguments(&[]),
        "msgget" => arguments(&[0x7e57_0001]),
        _ => [u64::MAX; 6],
    };
    let made = |names: &[(&'static str, u32)]| names.iter().map(|(name, number)| (*number, nonsense(*name))).collect::<Vec<_>>();
    let filter = Filter::new(&Calls::default(), None).unwrap();
    for ((name, _), found) in names.iter().zip(outcomes(Some(&filter), &made(&names))) {
        assert_eq!(found, EPERM, "{name}");
    }
    // It takes nothing that could be wrong: it would hang up this terminal.
    let names: Vec<_> = names.into_iter().filter(|(name, _)| *name != "vhangup").collect();
    for ((name, _), found) in names.iter().zip(outcomes(None, &made(&names))) {
        assert_ne!(found, EPERM, "{name} without the filter");
    }
}

#[test]
fn programs_are_asked_about_or_refused() {
    let rows = |held| [("execve", &[0, 0, 0][..], held, EFAULT), ("execveat", &[-1, 0, 0, 0, 0], held, EFAULT)];
    check(&Calls::default(), &rows(EACCES));
    check(&Calls { listener: true, ..Calls::default() }, &rows(ASKED));
    check(&Calls { exec: Exec::Any, ..Calls::default() }, &rows(EFAULT));
}

#[test]
fn new_calls_and_new_processes_are_held() {
    let rows: [Row<'_>; 6] = [
        ("clone3", &[0, 0], ENOSYS, EINVAL),
        ("pidfd_open", &[-1], ENOSYS, EINVAL),
        ("io_uring_enter", &[-1], ENOSYS, EBADF),
        // Combinations that the kernel refuses by themselves, lest there be a process.
        ("clone", &[libc::CLONE_NEWUSER as i64 | libc::CLONE_FS as i64], EPERM, EINVAL),
        ("clone", &[libc::CLONE_PARENT as i64 | libc::CLONE_THREAD as i64], EPERM, EINVAL),
        ("clone", &[libc::CLONE_SIGHAND as i64], EINVAL, EINVAL),
    ];
    check(&Calls::default(), &rows);
    let counted: [Row<'_>; 2] =
        [("clone", &[libc::CLONE_SIGHAND as i64], ASKED, EINVAL), ("clone", &[libc::CLONE_THREAD as i64], EINVAL, EINVAL)];
    check(&Calls { count_processes: true, listener: true, ..Calls::default() }, &counted);
}

#[test]
fn sockets_are_held() {
    let [unix, inet, inet6, netlink] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK].map(i64::from);
    let [stream, datagram, raw] = [libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_RAW].map(i64::from);
    let mut ends = [0_i32; 2];
    let pair = address(&mut ends);
    check(
        &Calls { listener: true, ..Calls::default() },
        &[
            ("socket", &[unix, stream, 0], EAFNOSUPPORT, 0),
            ("socket", &[unix, datagram, 0], EAFNOSUPPORT, 0),
            ("socketpair", &[unix, datagram, 0, pair], EACCES, 0),
            ("socketpair", &[unix, stream | i64::from(libc::SOCK_CLOEXEC), 0, pair], 0, 0),
            ("socket", &[inet, stream, 0], EACCES, 0),
            ("socket", &[inet, datagram, 0], ASKED, 0),
            ("socket", &[inet6, datagram, 17], ASKED, 0),
            ("socket", &[netlink, raw, 0], 0, 0),
            ("socket", &[netlink, datagram, 4], 0, 0),
            ("socket", &[netlink, raw, 16], 0, 0),
            ("socket", &[netlink, raw, 15], 0, 0),
            ("socket", &[netlink, raw, 2], EPROTONOSUPPORT, 0),
            ("socket", &[1 << 20, raw, 0], EAFNOSUPPORT, EAFNOSUPPORT),
            ("connect", &[-1, 0, 0], EACCES, EBADF),
            ("listen", &[-1, 0], EACCES, EBADF),
            ("accept4", &[-1, 0, 0, 0], EACCES, EBADF),
            ("setsockopt", &[-1, 0, 35, 0, 0], EPERM, EBADF),
            ("setsockopt", &[-1, 41, 20, 0, 0], EPERM, EBADF),
            ("setsockopt", &[-1, 1, 8, 0, 0], EBADF, EBADF),
            ("sendto", &[-1, 0, 0, 0, 0, 0], EBADF, EBADF),
        ],
    );
    let named = pair;
    check(
        &Calls { listener: true, inet: Inet::Asked { datagrams: true }, ..Calls::default() },
        &[
            ("socket", &[inet, stream, 0], 0, 0),
            ("socket", &[inet, stream, 262], EACCES, 0),
            ("socket", &[inet, datagram, 0], 0, 0),
            ("connect", &[-1, 0, 0], ASKED, EBADF),
            ("sendto", &[-1, 0, 0, 0, 0, 0], EBADF, EBADF),
            ("sendto", &[-1, 0, 0, 0, named, 16], ASKED, EBADF),
            ("sendto", &[-1, 0, 0, i64::from(libc::MSG_FASTOPEN), named, 16], EOPNOTSUPP, EBADF),
            ("sendmsg", &[-1, 0, 0], ASKED, EBADF),
            ("sendmmsg", &[-1, 0, 0, i64::from(libc::MSG_FASTOPEN)], EOPNOTSUPP, EBADF),
        ],
    );
}

#[test]
fn other_processes_are_out_of_reach() {
    let this = i64::from(getpid().as_raw());
    check(
        &Calls { signals: Signals::NotTo(vec![getpid().as_raw()]), ..Calls::default() },
        &[
            ("kill", &[this, 0], EPERM, 0),
            ("kill", &[-1, 0], EPERM, 0),
            ("tkill", &[this, 0], EPERM, 0),
            ("tgkill", &[this, this, 0], EPERM, 0),
            ("kill", &[NOBODY, 0], ESRCH, ESRCH),
            ("fcntl", &[0, 8, 0], EPERM, 0),
        ],
    );
    check(&Calls { signals: Signals::Asked, listener: true, ..Calls::default() }, &[("kill", &[NOBODY, 0], ASKED, ESRCH)]);
    let (mut limit, mut parameters) = ([0_u64; 2], [0_u64; 16]);
    let (limit, parameters) = (address(&mut limit), address(&mut parameters));
    check(
        &Calls::default(),
        &[
            ("prlimit64", &[this, 99, limit, 0], EPERM, EINVAL),
            ("prlimit64", &[this, 7, 0, limit], 0, 0),
            ("prlimit64", &[0, 7, 0, limit], 0, 0),
            ("setpriority", &[0, NOBODY, 0], EPERM, ESRCH),
            ("setpriority", &[2, NOBODY, 0], EPERM, ESRCH),
            ("ioprio_set", &[1, NOBODY, 0], EPERM, ESRCH),
            ("sched_setaffinity", &[NOBODY, 8, parameters], EPERM, ESRCH),
            ("sched_setscheduler", &[NOBODY, 0, parameters], EPERM, ESRCH),
            ("sched_setscheduler", &[0, 0, parameters], 0, 0),
        ],
    );
}

#[test]
fn arguments_that_do_harm_are_refused() {
    // The kernel asks who it is before it asks what.
    let unknown = if geteuid().is_root() { EINVAL } else { EPERM };
    check(
        &Calls::default(),
        &[
            ("ioctl", &[-1, libc::TIOCSTI as i64, 0], EPERM, EBADF),
            ("ioctl", &[-1, libc::TIOCSTI as i64 | 1 << 40, 0], EPERM, EBADF),
            ("ioctl", &[-1, 0x541c, 0], EPERM, EBADF),
            ("ioctl", &[-1, libc::TIOCSWINSZ as i64, 0], EPERM, EBADF),
            ("ioctl", &[-1, libc::TIOCGWINSZ as i64, 0], EBADF, EBADF),
            ("fcntl", &[-1, i64::from(libc::F_SETLEASE), 0], EPERM, EBADF),
            ("fcntl", &[-1, i64::from(libc::F_GETLEASE), 0], EBADF, EBADF),
            ("ioctl", &[-1, 0x4008_6602, 0], EPERM, EBADF),
            ("ioctl", &[-1, libc::TCGETS as i64, 0], EBADF, EBADF),
            ("personality", &[0x004_0000], EPERM, 0),
            ("personality", &[-1], 0, 0),
            ("syslog", &[99], EPERM, unknown),
            ("shmctl", &[-1, 0, 0], EPERM, EINVAL),
            ("msgctl", &[-1, 0, 0], EPERM, EINVAL),
            ("semctl", &[-1, 0, 0], EPERM, EINVAL),
            ("shmctl", &[0, 14, 0], EFAULT, EFAULT),
        ],
    );
}

#[test]
fn processes_have_groups_of_their_own_only() {
    // Another job of the session.
    let mut other = std::process::Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
    let group = i64::from(other.id());
    for signals in [Signals::Free, Signals::Asked, Signals::NotTo(vec![getpid().as_raw()])] {
        check(
            &Calls { signals, ..Calls::default() },
            &[
                ("setpgid", &[0, group], EPERM, 0),
                ("setpgid", &[NOBODY, group], EPERM, ESRCH),
                ("setpgid", &[NOBODY, NOBODY], ESRCH, ESRCH),
                ("setpgid", &[NOBODY, 0], ESRCH, ESRCH),
                ("setpgid", &[0, 0], 0, 0),
            ],
        );
    }
    other.kill().unwrap();
    other.wait().unwrap();
}

/// One byte, as a command has it, and then none, which a program that takes cores knows no limit by.
#[test]
fn the_limit_of_cores_stays_as_it_is() {
    const CORE: i64 = libc::RLIMIT_CORE as i64;
    let (mut none, mut old) = ([0_u64; 2], [0_u64; 2]);
    let (none, old) = (address(&mut none), address(&mut old));
    let found = Shared::new();
    let filter = Filter::new(&Calls::default(), None).unwrap();
    let [setrlimit, prlimit] = ["setrlimit", "prlimit64"].map(|call| number(call, Machine::NATIVE).unwrap());
    let read = (prlimit, arguments(&[0, CORE, 0, found.address()]));
    for lower in [(setrlimit, arguments(&[CORE, none])), (prlimit, arguments(&[0, CORE, none, 0]))] {
        assert_eq!((outcomes(Some(&filter), &[lower, read]), found.words()), (vec![0, 0], [1, 1]), "{lower:?}");
        assert_eq!((outcomes(None, &[lower, read]), found.words()), (vec![0, 0], [0, 0]), "{lower:?} without the filter");
    }
    check(&Calls::default(), &[("prlimit64", &[0, CORE, none, old], EPERM, 0), ("setrlimit", &[7, 0], EFAULT, EFAULT)]);
}

/// Two words that a child can write to.
struct Shared(*const [u64; 2]);

impl Shared {
    fn new() -> Shared {
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping, wherever there is room.
        let place = unsafe { libc::mmap(std::ptr::null_mut(), 16, access, kind, -1, 0) };
        assert_ne!(place, libc::MAP_FAILED);
        Shared(place.cast())
    }

    fn address(&self) -> i64 {
        self.0 as i64
    }

    fn words(&self) -> [u64; 2] {
        // SAFETY: the mapping stays, and has a page; the child that wrote is gone.
        unsafe { self.0.read_volatile() }
    }
}

#[test]
fn there_are_no_files_in_memory_where_memory_has_a_limit() {
    let mut name = 0_u8;
    let name = address(&mut name);
    for (count_memory, held) in [(true, ENOSYS), (false, 0)] {
        check(&Calls { count_memory, ..Calls::default() }, &[("memfd_create", &[name, 0], held, 0)]);
    }
}

/// With its own listener a command would be the one that is asked, once the shell's is gone.
#[test]
fn a_command_gets_no_listener_of_its_own() {
    let code = libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW };
    let mut program = libc::sock_fprog { len: 1, filter: std::ptr::from_ref(&code).cast_mut() };
    let program = address(&mut program);
    let flag = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER as i64;
    check(&Calls::default(), &[("seccomp", &[1, flag, program], EPERM, 0), ("seccomp", &[1, 0, program], 0, 0)]);
}

/// The control is cut short, by an access mode that opens for nothing too.
#[test]
fn a_file_that_cannot_be_written_is_not_cut_short() {
    let directory = nix::unistd::mkdtemp("/tmp/postern-seccomp-XXXXXX").unwrap();
    let file = directory.join("file");
    let name = std::ffi::CString::new(file.to_str().unwrap()).unwrap();
    let path = name.as_ptr() as i64;
    let [openat, truncate] = ["openat", "truncate"].map(|call| number(call, Machine::NATIVE).unwrap());
    let filter = Filter::new(&Calls { guard_truncation: true, ..Calls::default() }, None).unwrap();
    let cut = i64::from(libc::O_TRUNC);
    let ways = [
        (openat, arguments(&[-100, path, cut]), EACCES),
        (openat, arguments(&[-100, path, cut | 3]), EACCES),
        (truncate, arguments(&[path, 0]), EPERM),
    ];
    for (call, given, held) in ways {
        for (filter, outcome, left) in [(Some(&filter), held, "text"), (None, 0, "")] {
            fs::write(&file, "text").unwrap();
            assert_eq!(outcomes(filter, &[(call, given)]), [outcome], "{call}{given:x?}");
            assert_eq!(fs::read_to_string(&file).unwrap(), left, "{call}{given:x?}");
        }
    }
    fs::remove_dir_all(directory).unwrap();
}

/// getpid by the table of i386.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_call_of_another_architecture_ends_the_process() {
    let filter = Filter::new(&Calls::default(), None).unwrap();
    for held in [true, false] {
        let program = filter.program();
        // SAFETY: the child makes system calls only, on what was there before the fork.
        match unsafe { fork() }.unwrap() {
            // SAFETY: as above; the call takes nothing and may change the registers that are named.
            ForkResult::Child => unsafe {
                libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
                if held && install(&program).is_err() {
                    libc::_exit(1);
                }
                std::arch::asm!("int 0x80", inlateout("rax") 20_u64 => _, lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _);
                libc::_exit(7)
            },
            ForkResult::Parent { child } => match waitpid(child, None).unwrap() {
                WaitStatus::Signaled(_, signal, _) if held => assert_eq!(signal, nix::sys::signal::Signal::SIGSYS),
                WaitStatus::Signaled(_, nix::sys::signal::Signal::SIGSEGV, _) => skip("this kernel has no calls of i386"),
                other => assert_eq!((held, other), (false, WaitStatus::Exited(child, 7))),
            },
        }
    }
}
