//! What a sealed process can still do, tried in one: each attempt with the seal and, as the control, without.

use std::ffi::c_long;
use std::io::{IoSlice, Read};
use std::os::fd::{AsFd, IntoRawFd};
use std::time::Duration;

use libc::{EACCES, EPERM};
use nix::poll::{PollFlags, PollTimeout};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, socketpair};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, geteuid, getpid, pipe};

use super::*;
use crate::sys::{descriptor, packet};
use crate::words::skip;

/// At one address in every copy of this program.
static TARGET: u8 = 7;

/// What an attempt comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Done,
    Errno(i32),
    Killed(Signal),
}

/// Forks, seals if asked to, and makes one attempt, which returns the errno or 0.
fn attempt(role: Option<Role>, identity: Option<&Identity>, act: &dyn Fn() -> i32) -> End {
    let (reader, writer) = pipe().unwrap();
    let writer = writer.into_raw_fd();
    // SAFETY: the C library's fork leaves the heap usable, and the child ends with `_exit`.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let sealed = role.map_or(Ok(()), |role| seal(identity, role));
            let outcome = if sealed.is_ok() { act() } else { i32::MAX };
            // SAFETY: writes four bytes that live, and ends.
            unsafe {
                libc::write(writer, std::ptr::from_ref(&outcome).cast(), 4);
                libc::_exit(0)
            }
        }
        ForkResult::Parent { child } => {
            nix::unistd::close(writer).unwrap();
            let mut bytes = Vec::new();
            std::fs::File::from(reader).read_to_end(&mut bytes).unwrap();
            let status = waitpid(child, None).unwrap();
            match (status, bytes.try_into().map(i32::from_ne_bytes)) {
                (WaitStatus::Exited(_, 0), Ok(0)) => End::Done,
                // Another program stands in its place, and says nothing.
                (WaitStatus::Exited(_, 0), Err(bytes)) if bytes.is_empty() => End::Done,
                (WaitStatus::Exited(_, 0), Ok(i32::MAX)) => panic!("the seal failed"),
                (WaitStatus::Exited(_, 0), Ok(errno)) => End::Errno(errno),
                (WaitStatus::Signaled(_, signal, _), _) => End::Killed(signal),
                other => panic!("{other:?}"),
            }
        }
    }
}

/// The errno of a call, or 0.
fn call(number: c_long, arguments: [usize; 5]) -> i32 {
    // SAFETY: arguments are numbers, or addresses of what lives as long as the attempt.
    unsafe { raw::call(number, arguments) }.err().unwrap_or(0)
}

fn open(path: &std::ffi::CStr, flags: i32) -> i32 {
    call(libc::SYS_openat, [libc::AT_FDCWD as usize, path.as_ptr() as usize, flags as usize, 0, 0])
}

/// A new process that ends at once.
fn new_process() -> i32 {
    // SAFETY: as `fork`; the child ends.
    match unsafe { raw::call(libc::SYS_clone, [libc::SIGCHLD as usize, 0, 0, 0, 0]) } {
        // SAFETY: ends.
        Ok(0) => unsafe { libc::_exit(0) },
        result => result.err().unwrap_or(0),
    }
}

fn execute() -> i32 {
    let program = c"/bin/true".as_ptr();
    let argv = [program, std::ptr::null()];
    call(libc::SYS_execve, [program as usize, argv.as_ptr() as usize, 0, 0, 0])
}

fn map(prot: i32) -> Result<*mut libc::c_void, i32> {
    // SAFETY: a new private mapping anywhere.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), 4096, prot, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
    if at == libc::MAP_FAILED { Err(nix::Error::last_raw()) } else { Ok(at) }
}

/// Memory that was mapped before, made code.
fn make_code(at: usize) -> i32 {
    call(libc::SYS_mprotect, [at, 4096, (libc::PROT_READ | libc::PROT_EXEC) as usize, 0, 0])
}

/// Types into a terminal that this process opened before it was sealed.
fn type_into(terminal: i32) -> i32 {
    call(libc::SYS_ioctl, [terminal as usize, libc::TIOCSTI as usize, c"x".as_ptr() as usize, 0, 0])
}

/// What it is, and how: the errno or 0.
type Attempt = (&'static str, Box<dyn Fn() -> i32>);

/// Everything that a sealed process must not do; all of it works for root without a seal.
fn attempts() -> Vec<Attempt> {
    let parent = getpid().as_raw() as usize;
    let address = libc::sockaddr_un { sun_family: libc::AF_UNIX as u16, sun_path: [0; 108] };
    let (near, far) = socketpair(AddressFamily::Unix, SockType::Datagram, None, SockFlag::empty()).unwrap();
    let (near, far) = (near.into_raw_fd() as usize, far.into_raw_fd());
    let terminal = nix::pty::openpty(None, None).unwrap();
    let (_, terminal) = (terminal.master.into_raw_fd(), terminal.slave.into_raw_fd());
    let memory = map(libc::PROT_READ | libc::PROT_WRITE).unwrap() as usize;
    vec![
        ("open /etc/passwd", Box::new(|| open(c"/etc/passwd", libc::O_RDONLY))),
        ("open /dev/null", Box::new(|| open(c"/dev/null", libc::O_RDWR))),
        ("open its memory", Box::new(|| open(c"/proc/self/mem", libc::O_RDWR))),
        ("fork", Box::new(new_process)),
        ("exec", Box::new(execute)),
        ("socket", Box::new(|| call(libc::SYS_socket, [libc::AF_UNIX as usize, libc::SOCK_STREAM as usize, 0, 0, 0]))),
        ("internet socket", Box::new(|| call(libc::SYS_socket, [libc::AF_INET as usize, libc::SOCK_DGRAM as usize, 0, 0, 0]))),
        // To dissolve the connection of a pair, which any may do with its own.
        (
            "connect",
            Box::new(move || {
                let unspecified = libc::sockaddr_un { sun_family: libc::AF_UNSPEC as u16, ..address };
                call(libc::SYS_connect, [near, std::ptr::from_ref(&unspecified) as usize, 2, 0, 0])
            }),
        ),
        (
            "send a descriptor",
            Box::new(move || {
                let socket = far;
                let own = [socket];
                let rights = [ControlMessage::ScmRights(&own)];
                let sent = sendmsg::<()>(socket, &[IoSlice::new(b"x")], &rights, MsgFlags::empty(), None);
                sent.err().map_or(0, |errno| errno as i32)
            }),
        ),
        ("signal its parent", Box::new(move || call(libc::SYS_kill, [parent, 0, 0, 0, 0]))),
        ("signal its parent's thread", Box::new(move || call(libc::SYS_tgkill, [parent, parent, 0, 0, 0]))),
        // It is let go of when this ends.
        ("trace its parent", Box::new(move || call(libc::SYS_ptrace, [libc::PTRACE_SEIZE as usize, parent, 0, 0, 0]))),
        (
            "read its parent's memory",
            Box::new(move || {
                let mut byte = 0_u8;
                let (own, other) = (std::ptr::from_mut(&mut byte).cast(), std::ptr::from_ref(&TARGET).cast_mut().cast());
                let [own, other] = [own, other].map(|at| libc::iovec { iov_base: at, iov_len: 1 });
                // SAFETY: one byte is written to one that lives.
                let read = unsafe { libc::process_vm_readv(parent as i32, &raw const own, 1, &raw const other, 1, 0) };
                if read == 1 { 0 } else { nix::Error::last_raw() }
            }),
        ),
        ("type into a terminal", Box::new(move || type_into(terminal))),
        ("map memory that is code", Box::new(|| map(libc::PROT_READ | libc::PROT_EXEC).err().unwrap_or(0))),
        ("make memory code", Box::new(move || make_code(memory))),
        ("become root", Box::new(|| call(libc::SYS_setuid, [0; 5]))),
        ("become another", Box::new(|| call(libc::SYS_setuid, [12345, 0, 0, 0, 0]))),
        ("outlive its parent", Box::new(|| call(libc::SYS_prctl, [libc::PR_SET_PDEATHSIG as usize, 0, 0, 0, 0]))),
        ("be traced", Box::new(|| call(libc::SYS_prctl, [libc::PR_SET_DUMPABLE as usize, 1, 0, 0, 0]))),
        ("make a namespace", Box::new(|| call(libc::SYS_unshare, [libc::CLONE_NEWUTS as usize, 0, 0, 0, 0]))),
        (
            "see a file's owner",
            Box::new(|| {
                let mut found = [0_u8; 512];
                let path = c"/etc/shadow".as_ptr() as usize;
                call(libc::SYS_statx, [libc::AT_FDCWD as usize, path, 0, libc::STATX_UID as usize, found.as_mut_ptr() as usize])
            }),
        ),
    ]
}

#[test]
fn a_sealed_process_can_do_nothing_of_what_it_could() {
    if !geteuid().is_root() {
        return skip("not root, so that some of this fails without a seal too");
    }
    for (what, act) in attempts() {
        assert_eq!(attempt(None, None, &act), End::Done, "{what}, not sealed");
        assert_eq!(attempt(Some(Role::Front), None, &act), End::Errno(EPERM), "{what}, as the front");
        assert_eq!(attempt(Some(Role::Relay), None, &act), End::Killed(Signal::SIGSYS), "{what}, as the relay");
    }
}

/// The list is not all that holds: what the rest of the seal does without it.
#[test]
fn the_seal_holds_without_its_list() {
    if !geteuid().is_root() {
        return skip("only root has something to give up");
    }
    let identity = Identity { uid: 12345, gid: 23456, groups: vec![34567] };
    let parent = getpid().as_raw() as usize;
    let in_part = |act: &dyn Fn() -> i32| {
        let seal = Seal::new(Some(&identity), Role::Front).unwrap();
        attempt(None, None, &|| seal.give_up().map_or(i32::MAX, |()| act()))
    };
    let has_landlock = landlock::abi() > 0;
    let no_file = if has_landlock { End::Errno(EACCES) } else { End::Done };
    assert_eq!(in_part(&|| open(c"/etc/passwd", libc::O_RDONLY)), no_file);
    assert_eq!(in_part(&|| open(c"/etc/shadow", libc::O_RDONLY)), End::Errno(EACCES));
    assert_eq!(in_part(&|| call(libc::SYS_kill, [parent, 0, 0, 0, 0])), End::Errno(EPERM));
    assert_eq!(in_part(&|| call(libc::SYS_setuid, [0; 5])), End::Errno(EPERM));
    assert_eq!(in_part(&|| call(libc::SYS_setgroups, [0; 5])), End::Errno(EPERM));
    let dumpable = || i32::from(nix::sys::prctl::get_dumpable() != Ok(false));
    assert_eq!(in_part(&dumpable), End::Done);
    let dies_with_parent = || i32::from(nix::sys::prctl::get_pdeathsig() != Ok(Some(Signal::SIGKILL)));
    assert_eq!(in_part(&dies_with_parent), End::Done);
    let bounding = || i32::from((0..40).any(|bit| call(libc::SYS_prctl, [libc::PR_CAPBSET_READ as usize, bit, 0, 0, 0]) != 0));
    assert_eq!(in_part(&bounding), End::Done);
    let has_capabilities = || i32::from(capability::own() != Ok((0, 0)));
    assert_eq!(in_part(&has_capabilities), End::Done);
}

#[test]
fn a_process_begins_sealed_and_ends_with_its_socket() {
    let (reader, writer) = pipe().unwrap();
    let echo = |socket: OwnedFd, [output, error]: [Option<OwnedFd>; 2]| {
        assert!(output.is_some() && error.is_none());
        let mut bytes = [0; 4];
        // The socket's end is an error too.
        while descriptor::wait([Some((socket.as_fd(), PollFlags::POLLIN))], PollTimeout::NONE).is_ok() {
            let Ok(Some(_)) = packet::receive(socket.as_fd(), &mut bytes) else { return };
            let _ = nix::unistd::write(output.as_ref().unwrap(), &bytes);
        }
    };
    let process = start(Role::Relay, None, [Some(writer.as_fd()), None], echo).unwrap();
    process.await_start(Duration::from_secs(20)).unwrap();
    drop(writer);
    let open: Vec<_> = std::fs::read_dir(format!("/proc/{}/fd", process.pid())).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(open.len(), 2, "its socket and what it was given: {open:?}");
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
    for line in ["NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000", "SigBlk:\tfffffffffffbfeff"] {
        assert!(status.lines().any(|is| is == line), "{line} in {status}");
    }
    packet::send_with(process.as_fd(), b"ping", &[]).unwrap();
    let mut bytes = [0; 4];
    let mut reader = std::fs::File::from(reader);
    reader.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"ping");
    // Every signal that can be blocked is.
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGPIPE] {
        kill(process.pid(), signal).unwrap();
    }
    packet::send_with(process.as_fd(), b"pong", &[]).unwrap();
    reader.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"pong");
    // wait(2) does not speak of it; its end closes what it held.
    assert_eq!(waitpid(process.pid(), Some(WaitPidFlag::WNOHANG)), Err(nix::Error::ECHILD));
    drop(process);
    assert_eq!(reader.read(&mut bytes).unwrap(), 0);
}

#[test]
fn one_that_cannot_be_sealed_says_why() {
    if geteuid().is_root() && nix::unistd::getuid().is_root() {
        // No kernel has a group of this number.
        let identity = Identity { uid: 1, gid: u32::MAX - 1, groups: vec![u32::MAX] };
        let process = start(Role::Relay, Some(&identity), [None, None], |_, _| {}).unwrap();
        let error = process.await_start(Duration::from_secs(20)).unwrap_err();
        assert_eq!(error.to_string(), "cannot become the user: Invalid argument");
    } else {
        skip("only root can take the ids of another user");
    }
}
