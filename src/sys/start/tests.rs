use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Gid, Uid, fork, geteuid, pipe, setgroups, setresgid, setresuid};

use super::super::capability;
use super::*;
use crate::words::skip;

/// Set in the process that a test starts of itself.
const INSIDE: &str = "POSTERN_TEST_START";

/// Whether this is a process of one test alone; it is started, and must succeed, where this is none. In one of many, a fork could copy a lock
/// that the thread of another test holds.
fn by_itself() -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let test = std::thread::current().name().unwrap().to_owned();
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    let output = command.args(["--exact", &test, "--nocapture"]).env(INSIDE, "1").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("1 passed"), "the test was found");
    false
}

/// What `hostile` sets, and whether it is gone, in a process of its own with one thread. Text says what is wrong; a panic counts as well.
/// Its descriptors from 3 on are those of the test; what is wrong is told through a pipe in the place of standard error.
fn in_a_start<T>(hostile: impl FnOnce() -> T, check: impl FnOnce(T, Result<Inherited, StartError>)) {
    let (reader, writer) = pipe().unwrap();
    // SAFETY: the child uses what it made itself and the heap, which the C library leaves usable, and ends with `_exit`.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            std::panic::set_hook(Box::new(|defect| say(&defect.to_string())));
            // SAFETY: dup2 takes numbers.
            unsafe { libc::dup2(writer.as_raw_fd(), 2) };
            let done = catch_unwind(AssertUnwindSafe(|| {
                let state = hostile();
                check(state, cleanse(&["KEPT", "TERM"]));
            }));
            // SAFETY: ends the process.
            unsafe { libc::_exit(i32::from(done.is_err())) }
        }
        ForkResult::Parent { child } => {
            drop(writer);
            let mut said = String::new();
            File::from(reader).read_to_string(&mut said).unwrap();
            assert_eq!((waitpid(child, None), said.as_str()), (Ok(WaitStatus::Exited(child, 0)), ""));
        }
    }
}

fn say(text: &str) {
    // SAFETY: the buffer lives.
    unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
}

fn become_nobody() {
    let (uid, gid) = (Uid::from_raw(65534), Gid::from_raw(65534));
    setgroups(&[]).unwrap();
    setresgid(gid, gid, gid).unwrap();
    setresuid(uid, uid, uid).unwrap();
}

fn needs_root() -> bool {
    if !geteuid().is_root() {
        skip("needs root");
    }
    geteuid().is_root()
}

/// A line of /proc/self/status, as a number.
fn status(field: &str, radix: u32) -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(":\t")).unwrap();
    u64::from_str_radix(value.trim(), radix).unwrap()
}

fn is_open(fd: i32) -> bool {
    // SAFETY: asks about a number.
    unsafe { libc::fcntl(fd, libc::F_GETFD) >= 0 }
}

#[test]
fn signals_come_again_and_those_that_waited_are_gone() {
    if !by_itself() {
        return;
    }
    let pipe = 1 << (libc::SIGPIPE - 1);
    in_a_start(
        || {
            signal::block_all();
            for number in SIGNALS {
                let _ = set_disposition(number, if number % 2 == 0 { libc::SIG_IGN } else { libc::SIG_DFL });
                // KILL and STOP would act, and CONT is no wait.
                if ![libc::SIGKILL, libc::SIGSTOP].contains(&(number as i32)) {
                    // SAFETY: takes numbers; the signal is blocked.
                    unsafe { libc::kill(libc::getpid(), number as i32) };
                }
            }
            assert_ne!(status("SigIgn", 16) & !pipe, 0);
            assert_ne!(status("SigBlk", 16), 0);
            assert_ne!(status("ShdPnd", 16), 0, "the attack works");
        },
        |(), cleansed| {
            cleansed.unwrap();
            for field in ["SigBlk", "SigPnd", "ShdPnd", "SigCgt"] {
                assert_eq!(status(field, 16), 0, "{field}");
            }
            assert_eq!(status("SigIgn", 16), pipe, "what Rust's runtime ignores");
        },
    );
}

#[test]
fn timers_are_off() {
    if !by_itself() {
        return;
    }
    in_a_start(
        || {
            for timer in [libc::ITIMER_REAL, libc::ITIMER_VIRTUAL, libc::ITIMER_PROF] {
                let soon = [0_i64, 1_000_000, 0, 1_000_000];
                // SAFETY: a `struct itimerval`; see `stop_timers`.
                unsafe { raw::call(libc::SYS_setitimer, [timer as usize, soon.as_ptr() as usize, 0, 0, 0]) }.unwrap_err();
                let soon = [0_i64, 300_000, 0, 300_000];
                // SAFETY: as above.
                unsafe { raw::call(libc::SYS_setitimer, [timer as usize, soon.as_ptr() as usize, 0, 0, 0]) }.unwrap();
            }
        },
        |(), cleansed| {
            cleansed.unwrap();
            for timer in [libc::ITIMER_REAL, libc::ITIMER_VIRTUAL, libc::ITIMER_PROF] {
                let mut left = [1_i64; 4];
                // SAFETY: fills a `struct itimerval`.
                unsafe { raw::call(libc::SYS_getitimer, [timer as usize, left.as_mut_ptr() as usize, 0, 0, 0]) }.unwrap();
                assert_eq!(left, [0; 4]);
            }
        },
    );
}

#[test]
fn nothing_is_open_but_the_standard_descriptors() {
    if !by_itself() {
        return;
    }
    in_a_start(
        || {
            for _ in 0..10_000 {
                let Ok(file) = open("/etc/passwd", OFlag::O_RDONLY, Mode::empty()) else { break };
                let _ = file.into_raw_fd();
            }
            assert!(is_open(900), "the attack works");
        },
        |(), cleansed| {
            cleansed.unwrap();
            assert!((0..3).all(is_open) && !(3..20_000).any(is_open));
        },
    );
}

#[test]
fn a_closed_standard_descriptor_gives_errors_and_becomes_no_file() {
    if !by_itself() {
        return;
    }
    // The third is how this test tells what is wrong; it is looked at by itself below.
    for closed in [&[0][..], &[1], &[0, 1]] {
        in_a_start(
            || {
                // SAFETY: nobody uses these descriptors in this process.
                closed.iter().for_each(|fd| assert_eq!(unsafe { libc::close(*fd) }, 0));
                assert!(!closed.iter().any(|fd| is_open(*fd)));
            },
            |(), cleansed| {
                cleansed.unwrap();
                for fd in closed {
                    let mut byte = [0_u8];
                    // SAFETY: one byte that lives.
                    let moved = if *fd == 0 { unsafe { libc::read(0, byte.as_mut_ptr().cast(), 1) } } else { write_byte(*fd) };
                    assert_eq!(Errno::result(moved), Err(Errno::EBADF), "{fd}");
                }
                let file = open("/etc/passwd", OFlag::O_RDONLY, Mode::empty()).unwrap();
                assert_eq!(file.as_raw_fd(), 3, "the next file is none of the three");
            },
        );
    }
}

#[test]
fn a_closed_standard_error_becomes_no_file() {
    if !by_itself() {
        return;
    }
    // SAFETY: as in `in_a_start`.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            // SAFETY: nobody uses it in this process.
            unsafe { libc::close(2) };
            let right = cleanse(&[]).is_ok() && Errno::result(write_byte(2)) == Err(Errno::EBADF);
            // SAFETY: ends the process.
            unsafe { libc::_exit(i32::from(!right)) }
        }
        ForkResult::Parent { child } => assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0))),
    }
}

fn write_byte(fd: i32) -> isize {
    // SAFETY: one byte that lives.
    unsafe { libc::write(fd, b"x".as_ptr().cast(), 1) }
}

#[test]
fn a_directory_or_a_mere_handle_as_a_standard_descriptor_leads_nowhere() {
    if !by_itself() {
        return;
    }
    let leads = |fd: i32| fs::metadata(format!("/proc/self/fd/{fd}/etc/passwd")).is_ok();
    // The third is how this test tells what is wrong: it is looked at where all the others are right.
    for (fd, access) in [(0, OFlag::O_RDONLY), (0, OFlag::O_PATH), (1, OFlag::O_RDONLY), (1, OFlag::O_PATH)] {
        in_a_start(
            || {
                let root = open("/", access, Mode::empty()).unwrap();
                // SAFETY: nobody uses this descriptor in this process.
                assert_eq!(unsafe { libc::dup2(root.as_raw_fd(), fd) }, fd);
                assert!(leads(fd), "the attack works");
            },
            |(), cleansed| {
                cleansed.unwrap();
                assert!(!leads(fd) && is_open(fd), "{fd} {access:?}");
                assert_eq!(fs::read_link(format!("/proc/self/fd/{fd}")).unwrap(), std::path::Path::new("/dev/null"));
            },
        );
    }
    in_a_start(
        || {
            let file = open("/etc/passwd", OFlag::O_PATH, Mode::empty()).unwrap();
            // SAFETY: as above.
            assert_eq!(unsafe { libc::dup2(file.as_raw_fd(), 0) }, 0);
            assert!(fs::read("/proc/self/fd/0").is_ok_and(|text| !text.is_empty()), "the attack works");
        },
        |(), cleansed| {
            cleansed.unwrap();
            assert_eq!(fs::read("/proc/self/fd/0").unwrap(), b"", "a file that was not opened to be read");
        },
    );
    in_a_start(
        || {
            let file = open("/etc/passwd", OFlag::O_RDONLY, Mode::empty()).unwrap();
            // SAFETY: as above.
            assert_eq!(unsafe { libc::dup2(file.as_raw_fd(), 0) }, 0);
        },
        |(), cleansed| {
            cleansed.unwrap();
            assert_eq!(fs::read_link("/proc/self/fd/0").unwrap(), std::path::Path::new("/etc/passwd"), "a file is what was meant");
        },
    );
    // SAFETY: as in `in_a_start`.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let root = open("/", OFlag::O_RDONLY, Mode::empty()).unwrap();
            // SAFETY: nobody uses it in this process; this ends it.
            unsafe {
                libc::dup2(root.as_raw_fd(), 2);
                libc::_exit(i32::from(!(leads(2) && cleanse(&[]).is_ok() && is_open(2) && !leads(2))))
            }
        }
        ForkResult::Parent { child } => assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0))),
    }
}

/// Limits that a process can live with for the moment until they are raised.
const STRANGLED: [(Resource, u64); 8] = [
    (Resource::RLIMIT_FSIZE, 0),
    (Resource::RLIMIT_NOFILE, 0),
    (Resource::RLIMIT_CPU, 5),
    (Resource::RLIMIT_NPROC, 0),
    (Resource::RLIMIT_SIGPENDING, 0),
    (Resource::RLIMIT_RTTIME, 0),
    (Resource::RLIMIT_MEMLOCK, 0),
    (Resource::RLIMIT_MSGQUEUE, 0),
];

/// Root of a container may lack the privilege to raise a hard limit.
fn may_raise() -> bool {
    const SYS_RESOURCE: u64 = 24;
    capability::own().unwrap().0 & (1 << SYS_RESOURCE) != 0
}

#[test]
fn the_shell_has_room_and_its_commands_have_what_the_login_had() {
    if !by_itself() {
        return;
    }
    for (resource, value) in STRANGLED {
        let (_, hard) = getrlimit(resource).unwrap();
        let enough = WANTED.iter().find(|wanted| wanted.resource == resource).unwrap().enough.min(hard);
        in_a_start(
            || setrlimit(resource, value, hard).unwrap(),
            |(), cleansed| {
                let inherited = cleansed.unwrap();
                assert!(getrlimit(resource).unwrap().0 >= enough, "{resource:?}");
                let login = Limit { resource, soft: value, hard };
                assert!(inherited.limits().contains(&login), "{resource:?}");
                assert!(inherited.limits_with(Vec::new()).contains(&login));
                let (soft, hard) = getrlimit(Resource::RLIMIT_CORE).unwrap();
                assert!(soft <= CORE && hard <= CORE);
            },
        );
    }
}

#[test]
fn with_privilege_a_hard_limit_is_raised_as_well() {
    if !may_raise() {
        return skip("needs CAP_SYS_RESOURCE, which root has not in this container; that it then fails closed is tested below");
    }
    if !by_itself() {
        return;
    }
    for (resource, value) in STRANGLED {
        let enough = WANTED.iter().find(|wanted| wanted.resource == resource).unwrap().enough;
        in_a_start(
            || setrlimit(resource, value, value).unwrap(),
            |(), cleansed| {
                assert!(cleansed.unwrap().limits().contains(&Limit { resource, soft: value, hard: value }), "{resource:?}");
                assert!(getrlimit(resource).unwrap().0 >= enough, "{resource:?}");
            },
        );
    }
}

#[test]
fn without_privilege_a_soft_limit_is_raised_and_a_hard_one_is_the_end() {
    if !needs_root() || !by_itself() {
        return;
    }
    in_a_start(
        || {
            setrlimit(Resource::RLIMIT_FSIZE, 0, UNLIMITED).unwrap();
            become_nobody();
        },
        |(), cleansed| {
            assert!(cleansed.unwrap().limits().contains(&Limit { resource: Resource::RLIMIT_FSIZE, soft: 0, hard: UNLIMITED }));
            assert_eq!(getrlimit(Resource::RLIMIT_FSIZE), Ok((UNLIMITED, UNLIMITED)));
        },
    );
    for (resource, least) in [(Resource::RLIMIT_FSIZE, 64 * MIB), (Resource::RLIMIT_NOFILE, 128), (Resource::RLIMIT_CPU, 60)] {
        in_a_start(
            || {
                setrlimit(resource, 7, 7).unwrap();
                become_nobody();
            },
            |(), cleansed| assert_eq!(cleansed, Err(StartError::Limit { resource, soft: 7, least })),
        );
    }
}

#[test]
fn a_command_gets_the_lesser_of_its_own_limit_and_the_logins() {
    let limit = |resource, soft, hard| Limit { resource, soft, hard };
    let (size, files, cpu) = (Resource::RLIMIT_FSIZE, Resource::RLIMIT_NOFILE, Resource::RLIMIT_CPU);
    let inherited = Inherited { limits: vec![limit(size, 10, 20), limit(files, 64, 64)], ..Inherited::default() };
    for (own, all) in [
        (vec![], vec![limit(size, 10, 20), limit(files, 64, 64)]),
        (vec![limit(size, 15, 15)], vec![limit(size, 10, 15), limit(files, 64, 64)]),
        (vec![limit(size, 5, 5), limit(cpu, 1, 2)], vec![limit(size, 5, 5), limit(cpu, 1, 2), limit(files, 64, 64)]),
        (vec![limit(files, 900, 900)], vec![limit(files, 64, 64), limit(size, 10, 20)]),
    ] {
        assert_eq!(inherited.limits_with(own.clone()), all, "{own:?}");
    }
}

#[test]
fn the_environment_is_what_was_to_be_kept() {
    if !by_itself() {
        return;
    }
    in_a_start(
        || {
            let hostile = [c"LD_PRELOAD=/tmp/x.so", c"KEPT=one", c"KEPT=two", c"KEPTALSO=x", c"no sign", c"=x", c"TERM=\xff", c"PATH=/tmp"];
            let mut pointers: Vec<*mut libc::c_char> = hostile.iter().map(|text| text.as_ptr().cast_mut()).collect();
            pointers.push(std::ptr::null_mut());
            unsafe extern "C" {
                static mut environ: *mut *mut libc::c_char;
            }
            // SAFETY: one thread, and the array is never freed.
            unsafe { environ = pointers.leak().as_mut_ptr() };
            assert_eq!(std::env::var("LD_PRELOAD").as_deref(), Ok("/tmp/x.so"), "the attack works");
        },
        |(), cleansed| {
            let inherited = cleansed.unwrap();
            assert_eq!(inherited.variable("KEPT"), Some(OsStr::new("one")));
            assert_eq!(inherited.variable("TERM"), Some(OsStr::from_bytes(b"\xff")));
            assert_eq!((inherited.variable("PATH"), inherited.variable("NONE")), (None, None));
            let left: Vec<_> = std::env::vars_os().collect();
            assert_eq!(left.len(), 2, "{left:?}");
        },
    );
}

#[test]
fn what_else_a_parent_can_set_is_as_it_should_be() {
    if !by_itself() {
        return;
    }
    const UNAME26: libc::c_ulong = 0x002_0000;
    in_a_start(
        || {
            // SAFETY: these take numbers.
            unsafe {
                libc::umask(0);
                libc::personality(UNAME26 | libc::ADDR_NO_RANDOMIZE as libc::c_ulong);
            }
            prctl::set_timerslack(1 << 30).unwrap();
            prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL).unwrap();
            prctl::set_dumpable(true).unwrap();
            fs::write("/proc/self/oom_score_adj", "1000").unwrap();
            assert!(nix::sys::utsname::uname().unwrap().release().to_string_lossy().starts_with("2.6."), "the attack works");
        },
        |(), cleansed| {
            cleansed.unwrap();
            // SAFETY: this number asks; umask gives the one before.
            assert_eq!(unsafe { (libc::umask(0o077), libc::personality(0xffff_ffff)) }, (0o077, 0));
            assert!(!nix::sys::utsname::uname().unwrap().release().to_string_lossy().starts_with("2.6."));
            assert_eq!(prctl::get_timerslack(), Ok(50_000));
            assert_eq!(prctl::get_pdeathsig(), Ok(None));
            assert_eq!(prctl::get_dumpable(), Ok(false));
            if geteuid().is_root() {
                assert_eq!(fs::read_to_string("/proc/self/oom_score_adj").unwrap().trim(), "0");
            }
        },
    );
}

#[test]
fn a_directory_that_is_gone_or_unreadable_is_no_error() {
    if !by_itself() {
        return;
    }
    let gone = std::env::temp_dir().join(format!("postern-start-{}", std::process::id()));
    in_a_start(
        || {
            fs::create_dir(&gone).unwrap();
            std::env::set_current_dir(&gone).unwrap();
            fs::remove_dir(&gone).unwrap();
            assert!(std::env::current_dir().is_err());
        },
        |(), cleansed| assert!(cleansed.is_ok()),
    );
}

#[test]
fn a_process_with_threads_is_not_at_its_beginning() {
    // The harness has one for this test.
    assert!(matches!(cleanse(&[]), Err(StartError::Threads(2..))));
}
