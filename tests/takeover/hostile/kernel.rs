//! What a front can ask of the kernel: of its neighbours' processes, of files, of sockets, of the terminal, and for itself.

use std::time::{Duration, Instant};

use libc::c_long;
use postern::shell::channel::Channel;
use postern::shell::clock::Ending;
use postern::shell::desk::{Call, Way};

/// The guard and its children, as they were before the seal.
pub struct Neighbours {
    guard: i32,
    relay: i32,
}

impl Neighbours {
    pub fn found() -> Neighbours {
        // SAFETY: takes nothing.
        let guard = unsafe { libc::getppid() };
        let children = || std::fs::read_to_string(format!("/proc/{guard}/task/{guard}/children")).unwrap_or_default();
        let own = std::process::id().to_string();
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let relay = children().split_whitespace().find(|pid| **pid != own).and_then(|pid| pid.parse().ok());
            if relay.is_some() || Instant::now() > end {
                return Neighbours { guard, relay: relay.unwrap_or(-1) };
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A call, and what it returned: 0, or the errno.
fn call(number: c_long, arguments: [usize; 6]) -> i32 {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: whatever the calls of this file do, they do to a process that is made for it; what they are given outlives them.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if result == 0 { 0 } else { std::io::Error::last_os_error().raw_os_error().filter(|_| result < 0).unwrap_or(0) }
}

/// Tries everything that does no harm where it works, and prints what came of it. Before the seal: the control.
pub fn attempt(when: &str, neighbours: &Neighbours) {
    let guard = neighbours.guard as usize;
    let mut room = [0_u64; 64];
    let passwd = c"/etc/passwd".as_ptr() as usize;
    let memory = std::ffi::CString::new(format!("/proc/{guard}/mem")).unwrap();
    let at = room.as_mut_ptr() as usize;
    let cwd = libc::AT_FDCWD as usize;
    let set = libc::CLONE_THREAD as usize; // Without CLONE_SIGHAND: EINVAL, where it is let through.
    for (name, number, arguments) in [
        ("kill", libc::SYS_kill, [guard, 0, 0, 0, 0, 0]),
        ("kill the relay", libc::SYS_kill, [neighbours.relay as usize, 0, 0, 0, 0, 0]),
        ("kill everybody", libc::SYS_kill, [usize::MAX, 0, 0, 0, 0, 0]),
        ("tgkill", libc::SYS_tgkill, [guard, guard, 0, 0, 0, 0]),
        ("tkill", libc::SYS_tkill, [guard, 0, 0, 0, 0, 0]),
        ("rt_sigqueueinfo", libc::SYS_rt_sigqueueinfo, [guard, 0, at, 0, 0, 0]),
        ("pidfd_open", libc::SYS_pidfd_open, [guard, 0, 0, 0, 0, 0]),
        ("ptrace", libc::SYS_ptrace, [libc::PTRACE_PEEKUSER as usize, guard, 0, 0, 0, 0]),
        ("process_vm_readv", libc::SYS_process_vm_readv, [guard, at, 0, at, 0, 0]),
        ("process_vm_writev", libc::SYS_process_vm_writev, [guard, at, 0, at, 0, 0]),
        ("kcmp", libc::SYS_kcmp, [guard, guard, 0, 0, 0, 0]),
        ("prlimit", libc::SYS_prlimit64, [guard, libc::RLIMIT_CPU as usize, 0, at, 0, 0]),
        ("setpriority", libc::SYS_setpriority, [libc::PRIO_PROCESS as usize, guard, 0, 0, 0, 0]),
        ("sched_setaffinity", libc::SYS_sched_setaffinity, [guard, 0, at, 0, 0, 0]),
        ("sched_setscheduler", libc::SYS_sched_setscheduler, [guard, 0, at, 0, 0, 0]),
        ("ioprio_set", libc::SYS_ioprio_set, [1, guard, 0, 0, 0, 0]),
        ("openat", libc::SYS_openat, [cwd, passwd, 0, 0, 0, 0]),
        ("open its memory", libc::SYS_openat, [cwd, memory.as_ptr() as usize, 0, 0, 0, 0]),
        ("openat2", libc::SYS_openat2, [cwd, passwd, at, 24, 0, 0]),
        ("stat", libc::SYS_newfstatat, [cwd, passwd, at, 0, 0, 0]),
        ("access", libc::SYS_faccessat, [cwd, passwd, 0, 0, 0, 0]),
        ("chdir", libc::SYS_chdir, [c"/".as_ptr() as usize, 0, 0, 0, 0, 0]),
        ("socket of unix", libc::SYS_socket, [libc::AF_UNIX as usize, libc::SOCK_DGRAM as usize, 0, 0, 0, 0]),
        ("socket of the net", libc::SYS_socket, [libc::AF_INET as usize, libc::SOCK_STREAM as usize, 0, 0, 0, 0]),
        ("connect", libc::SYS_connect, [3, at, 2, 0, 0, 0]),
        ("sendmsg", libc::SYS_sendmsg, [3, 0, 0, 0, 0, 0]),
        ("recvmsg", libc::SYS_recvmsg, [3, 0, 0, 0, 0, 0]),
        ("execve", libc::SYS_execve, [c"/nowhere".as_ptr() as usize, 0, 0, 0, 0, 0]),
        ("execveat", libc::SYS_execveat, [cwd, c"/nowhere".as_ptr() as usize, 0, 0, 0, 0]),
        ("clone", libc::SYS_clone, [set, 0, 0, 0, 0, 0]),
        ("clone3", libc::SYS_clone3, [0, 0, 0, 0, 0, 0]),
        ("unshare", libc::SYS_unshare, [usize::MAX, 0, 0, 0, 0, 0]),
        ("setns", libc::SYS_setns, [3, 0, 0, 0, 0, 0]),
        ("setuid", libc::SYS_setresuid, [usize::MAX, 0, usize::MAX, 0, 0, 0]),
        ("setgid", libc::SYS_setresgid, [usize::MAX, 0, usize::MAX, 0, 0, 0]),
        ("setfsuid", libc::SYS_setfsuid, [usize::MAX, 0, 0, 0, 0, 0]),
        ("capset", libc::SYS_capset, [0, 0, 0, 0, 0, 0]),
        ("prctl, death", libc::SYS_prctl, [libc::PR_SET_PDEATHSIG as usize, 0, 0, 0, 0, 0]),
        ("prctl, dumpable", libc::SYS_prctl, [libc::PR_SET_DUMPABLE as usize, 0, 0, 0, 0, 0]),
        ("seccomp", libc::SYS_seccomp, [99, 0, 0, 0, 0, 0]),
        ("mmap, executable", libc::SYS_mmap, [0, 4096, 5, 0x22, usize::MAX, 0]),
        ("memfd_create", libc::SYS_memfd_create, [c"x".as_ptr() as usize, 0, 0, 0, 0, 0]),
        ("shmget", libc::SYS_shmget, [1, 0, 0, 0, 0, 0]),
        ("bpf", libc::SYS_bpf, [0, 0, 0, 0, 0, 0]),
        ("io_uring_setup", libc::SYS_io_uring_setup, [0, 0, 0, 0, 0, 0]),
        ("keyctl", libc::SYS_keyctl, [99, 0, 0, 0, 0, 0]),
        ("mount", libc::SYS_mount, [0, 0, 0, 0, 0, 0]),
        ("dup", libc::SYS_dup, [0, 0, 0, 0, 0, 0]),
        ("fcntl, owner", libc::SYS_fcntl, [0, libc::F_SETOWN as usize, guard, 0, 0, 0]),
        ("fcntl, copy", libc::SYS_fcntl, [0, libc::F_DUPFD as usize, 100, 0, 0, 0]),
        ("setsid", libc::SYS_setsid, [0; 6]),
        ("ioctl, typing", libc::SYS_ioctl, [0, libc::TIOCSTI as usize, at, 0, 0, 0]),
        ("ioctl, linux", libc::SYS_ioctl, [0, libc::TIOCLINUX as usize, at, 0, 0, 0]),
        ("ioctl, terminal", libc::SYS_ioctl, [0, libc::TIOCSCTTY as usize, 0, 0, 0, 0]),
    ] {
        println!("{when} {name}: {}", call(number, arguments));
    }
}

/// The same and more where nothing is left; then a session, to show that the guard lives.
pub fn take_over(mut channel: Channel, neighbours: &Neighbours) {
    attempt("behind", neighbours);
    let guard = neighbours.guard as usize;
    for (name, number, arguments) in [
        ("kill it", libc::SYS_kill, [guard, libc::SIGKILL as usize, 0, 0, 0, 0]),
        ("kill the relay for good", libc::SYS_kill, [neighbours.relay as usize, libc::SIGKILL as usize, 0, 0, 0, 0]),
        ("kill its thread", libc::SYS_tgkill, [guard, guard, libc::SIGKILL as usize, 0, 0, 0]),
        ("seize it", libc::SYS_ptrace, [libc::PTRACE_SEIZE as usize, guard, 0, 0, 0, 0]),
        ("fork", libc::SYS_clone, [libc::SIGCHLD as usize, 0, 0, 0, 0, 0]),
        ("vfork", libc::SYS_clone, [libc::CLONE_VM as usize | libc::CLONE_VFORK as usize, 0, 0, 0, 0, 0]),
        ("be root", libc::SYS_setresuid, [0, 0, 0, 0, 0, 0]),
    ] {
        println!("behind {name}: {}", call(number, arguments));
    }
    let begun = channel.ask(&Call::Start { way: Way::Login, interactive: false, term: None });
    println!("the guard lives: {}", begun.is_ok());
    let _ = channel.ask(&Call::End(Ending::Exit(0)));
}
