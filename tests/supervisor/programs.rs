use std::ffi::CString;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use nix::errno::Errno;
use postern::confine::Oversight;

use crate::acts::Say;
use crate::harness::{Act, Scratch, alone, is_root, skip, told};

const EXEC: [i64; 2] = [libc::SYS_execve, libc::SYS_execveat];

/// Starts each, and says its status or the error.
pub fn run(words: &[String], say: Say<'_>) {
    for word in words {
        let result = Command::new(word).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        say(match result {
            Ok(status) => format!("{status}"),
            Err(error) => format!("{:?}", Errno::from_raw(error.raw_os_error().unwrap())),
        });
    }
}

fn started(words: &[&str], oversight: Oversight) -> crate::harness::Run {
    Act::new("run", words, &EXEC, oversight).run()
}

#[test]
fn no_other_program_starts_and_each_that_exists_is_named_once() {
    let _alone = alone();
    let words = ["id", "/usr/bin/id", "/bin/sh", "./env", "/nowhere/x", "no-such-program", "/etc/passwd", "/proc/self/exe", "/usr/bin/id"];
    let control = Act::new("run", &["id", "./env"], &[], Oversight::default()).run();
    assert_eq!(control.lines, ["exit status: 0", "exit status: 0"]);
    let run = started(&words, Oversight::default());
    assert_eq!(run.lines, ["EACCES", "EACCES", "EACCES", "EACCES", "ENOENT", "ENOENT", "EACCES", "EACCES", "EACCES"]);
    let named: Vec<&str> = run.stopped.iter().map(String::as_str).collect();
    assert!(matches!(named[..], ["/usr/bin/id", "/usr/bin/sh", "/usr/bin/env", exe] if exe.ends_with("/exe")), "{named:?}");
}

#[test]
fn what_is_remembered_is_bounded_and_hostile_names_stay_as_they_are() {
    let _alone = alone();
    let scratch = Scratch::new();
    let names: Vec<String> = (0..100).map(|index| scratch.path(&format!("{index}\n\x1b[31m"))).collect();
    for name in &names {
        symlink("/usr/bin/id", name).unwrap();
    }
    let run = started(&names.iter().map(String::as_str).collect::<Vec<_>>(), Oversight::default());
    assert!(run.lines.len() == 100 && run.lines.iter().all(|line| line == "EACCES"), "{:?}", run.lines);
    assert_eq!(run.stopped, names[..8]);
}

#[test]
fn an_attempt_does_not_hide_behind_others() {
    let _alone = alone();
    for before in ["/nowhere/x", "/etc/passwd", "/usr/bin/env"] {
        let mut words = vec![before; 100];
        words.push("/usr/bin/id");
        let run = started(&words, Oversight::default());
        assert_eq!(run.stopped.last().map(String::as_str), Some("/usr/bin/id"), "after {before}: {:?}", run.stopped);
    }
}

#[test]
fn a_list_lets_its_programs_through_by_any_path_but_no_loader() {
    let _alone = alone();
    let scratch = Scratch::new();
    let (link, wrapper) = (scratch.path("link"), scratch.path("wrapper"));
    symlink("/usr/bin/id", &link).unwrap();
    fs::write(&wrapper, "#!/bin/sh\nexit 7\n").unwrap();
    fs::set_permissions(&wrapper, PermissionsExt::from_mode(0o755)).unwrap();
    let loader = if cfg!(target_arch = "x86_64") { "/lib64/ld-linux-x86-64.so.2" } else { "/lib/ld-linux-aarch64.so.1" };
    let list = ["/bin/id", &wrapper, loader].map(|path| path.into()).to_vec();
    let run = started(&["id", &link, "./id", &wrapper, "env", loader], Oversight { exec: Some(list), ..Oversight::default() });
    let zero = "exit status: 0";
    assert_eq!(run.lines, [zero, zero, zero, "exit status: 7", "EACCES", "EACCES"]);
    assert_eq!(run.stopped[0], "/usr/bin/env");
    assert!(run.stopped.len() == 2 && run.stopped[1].contains("ld-linux"), "{:?}", run.stopped);
}

/// execveat in its shapes, and addresses that are none.
pub fn exec_strangely(_: &[String], say: Say<'_>) {
    let arguments = [c"x".as_ptr(), std::ptr::null()];
    let mut exec = |directory: i32, path: *const libc::c_char, flags: i32| {
        let done = unsafe { libc::syscall(libc::SYS_execveat, directory, path, arguments.as_ptr(), arguments.as_ptr().add(1), flags) };
        say(told(done));
    };
    let memory = unsafe { libc::memfd_create(c"hidden".as_ptr(), 0) };
    unsafe { libc::write(memory, b"\x7fELF".as_ptr().cast(), 4) };
    unsafe { libc::fchmod(memory, 0o755) };
    exec(memory, c"".as_ptr(), libc::AT_EMPTY_PATH);
    let bin = fs::File::open("/usr/bin").unwrap();
    exec(bin.as_raw_fd(), c"id".as_ptr(), 0);
    exec(bin.as_raw_fd(), c"no-such-program".as_ptr(), 0);
    exec(-1, c"id".as_ptr(), 0);
    exec(libc::AT_FDCWD, c"".as_ptr(), 0);
    exec(libc::AT_FDCWD, std::ptr::null(), 0);
    let long = CString::new("x/".repeat(4000)).unwrap();
    exec(libc::AT_FDCWD, long.as_ptr(), 0);
}

#[test]
fn an_exec_by_descriptor_or_nonsense_is_refused_as_the_kernel_would() {
    let _alone = alone();
    let run = Act::new("exec strangely", &[], &EXEC, Oversight::default()).run();
    assert_eq!(run.lines, ["EACCES", "EACCES", "ENOENT", "EBADF", "ENOENT", "EFAULT", "ENAMETOOLONG"]);
    assert_eq!(run.stopped, ["/memfd:hidden (deleted)", "/usr/bin/id"]);
}

#[test]
fn names_that_the_user_could_not_see_are_not_told() {
    if !is_root() {
        return skip("needs root");
    }
    let _alone = alone();
    let scratch = Scratch::new();
    let private = scratch.path("private");
    fs::create_dir(&private).unwrap();
    fs::set_permissions(&private, PermissionsExt::from_mode(0o700)).unwrap();
    symlink("/usr/bin/id", scratch.path("private/there")).unwrap();
    let words = [scratch.path("private/there"), scratch.path("private/not"), "/usr/bin/id".to_owned()];
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let run = Act::new("run", &words, &EXEC, Oversight::default()).by_user().run();
    assert_eq!(run.lines, ["EACCES", "EACCES", "EACCES"]);
    assert_eq!(run.stopped, ["/usr/bin/id"]);
}

/// Makes the calls that are asked about with arguments that mean nothing, many times, and lives.
pub fn random(words: &[String], say: Say<'_>) {
    let calls: Vec<i64> = words.iter().map(|word| word.parse().unwrap()).collect();
    let page = vec![0x41_u8; 8192];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let sockets = [
        unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0) },
        unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW, 0) },
        unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0) },
    ];
    for round in 0..600 {
        let mut argument = || match next() % 8 {
            0 => 0,
            1 => next(),
            2 => page.as_ptr() as u64 + next() % 8192,
            3 => sockets[next() as usize % 3] as u64,
            4 => u64::MAX - next() % 300,
            5 => next() % 200,
            6 => &raw const state_of_nobody as u64,
            _ => 1 << (next() % 64),
        };
        let [a, b, c, d, e, f] = std::array::from_fn(|_| argument());
        unsafe { libc::syscall(calls[round % calls.len()], a, b, c, d, e, f) };
    }
    say("alive".to_owned());
}

#[allow(non_upper_case_globals)]
static state_of_nobody: [u64; 8] = [u64::MAX; 8];

#[test]
fn nonsense_from_a_command_neither_ends_nor_holds_up_the_shell() {
    let _alone = alone();
    // All that is asked about but what would end or multiply the command itself, and one that nobody asks about.
    let calls = [
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_connect,
        libc::SYS_sendto,
        libc::SYS_sendmsg,
        libc::SYS_sendmmsg,
        libc::SYS_socket,
        libc::SYS_tgkill,
        libc::SYS_getppid,
    ];
    let words = calls.map(|call| call.to_string());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    for network in [vec!["tcp:9".to_owned()], vec!["9".to_owned()]] {
        let oversight = Oversight { exec: Some(Vec::new()), sockets: vec!["/".to_owned()], network, ..Oversight::default() };
        let run = Act::new("random", &words, &calls, oversight).run();
        assert_eq!(run.lines, ["alive"]);
        assert!(run.longest.as_millis() < 500, "{:?}", run.longest);
    }
}
