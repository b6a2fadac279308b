//! Starts this test binary once more as a command, under a filter that asks about the calls under test, and supervises it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getpid, setpgid};
use postern::confine::{Oversight, Supervisor};
use postern::sys::identity::Identity;
use postern::sys::notify::{self, Listener};
use postern::sys::seccomp::{Assembler, Filter, Test, Word};

/// A user that no host has.
pub const UID: u32 = 12345;

/// What came of a command.
#[derive(Debug, Default)]
pub struct Run {
    pub lines: Vec<String>,
    pub stopped: Vec<String>,
    pub too_many: bool,
    /// The longest that one `serve` took.
    pub longest: Duration,
}

/// A command: what it does, with which words, and which calls are asked about; none for a control.
pub struct Act<'a> {
    pub name: &'a str,
    pub words: Vec<String>,
    pub asked: &'a [i64],
    pub oversight: Oversight,
    /// As the user [`UID`]; needs root.
    pub as_user: bool,
}

/// One at a time: this process is the shell, and the children of one test would count in another.
pub fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Says that something does not run here, in the form that `tests/run` counts.
pub fn skip(why: &str) {
    let _ = writeln!(std::io::stderr().lock(), "SKIPPED: {why}");
}

pub fn identity() -> Identity {
    Identity { uid: UID, gid: UID, groups: vec![UID] }
}

impl<'a> Act<'a> {
    pub fn new(name: &'a str, words: &[&str], asked: &'a [i64], oversight: Oversight) -> Act<'a> {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Act { name, words, asked, oversight, as_user: false }
    }

    pub fn by_user(mut self) -> Act<'a> {
        self.as_user = true;
        self.oversight.identity = Some(identity());
        self
    }

    pub fn run(self) -> Run {
        prctl::set_child_subreaper(true).unwrap();
        let (mut command, socket) = self.start();
        let supervisor = (!self.asked.is_empty()).then(|| {
            let mut numbers = [[0; 4]; 2];
            numbers.iter_mut().for_each(|number| (&socket).read_exact(number).unwrap());
            let [pid, number] = numbers.map(i32::from_ne_bytes);
            let listener = notify::copy_descriptor(Pid::from_raw(pid), number).unwrap();
            (&socket).write_all(b"!").unwrap();
            Supervisor::new(Listener::from(listener), self.oversight)
        });
        let mut run = supervisor.map(supervise).unwrap_or_default();
        let mut text = String::new();
        (&socket).read_to_string(&mut text).unwrap();
        let _ = command.wait();
        // What has just ended may still be on its way to us.
        for _ in 0..5 {
            std::thread::sleep(Duration::from_millis(10));
            reap();
        }
        run.lines = text.lines().map(str::to_owned).collect();
        run
    }

    fn start(&self) -> (Child, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "command", "--ignored", "--nocapture", "--quiet", "--test-threads=1"]);
        command.env("POSTERN_TEST_ACT", format!("{}\x1f{}", self.name, self.words.join("\x1f")));
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("POSTERN_TEST_SHELL", std::process::id().to_string());
        command.env("POSTERN_TEST_ASKED", self.asked.iter().map(i64::to_string).collect::<Vec<_>>().join(" "));
        command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).current_dir("/usr/bin");
        if self.as_user {
            command.uid(UID).gid(UID);
        }
        (command.spawn().unwrap(), ours)
    }
}

/// Orphans and deputies, as the shell does.
fn reap() {
    while waitpid(None, Some(WaitPidFlag::WNOHANG)).is_ok_and(|status| status != WaitStatus::StillAlive) {}
}

/// What the shell's loop does.
fn supervise(mut supervisor: Supervisor) -> Run {
    let mut run = Run::default();
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let interests = supervisor.interests();
        let mut set: Vec<PollFd<'_>> = interests.iter().map(|(fd, flags)| PollFd::new(*fd, *flags)).collect();
        poll(&mut set, PollTimeout::from(1000_u16)).unwrap();
        reap();
        let begin = Instant::now();
        let served = supervisor.serve();
        run.longest = run.longest.max(begin.elapsed());
        run.too_many |= served.too_many_processes;
        if served.over {
            break;
        }
        if begin > end {
            panic!("the command does not end");
        }
    }
    run.stopped = supervisor.stopped().to_vec();
    run
}

/// What `main` of a command does: installs the filter, passes the listener, acts, and reports in lines. All that in a process of one thread, as
/// a filter that is there before the program is on every thread of it.
pub fn be_the_command(act: impl FnOnce(&str, &[String], &mut dyn FnMut(String))) {
    let Ok(task) = std::env::var("POSTERN_TEST_ACT") else { return };
    if let ForkResult::Parent { .. } = unsafe { fork() }.unwrap() {
        // The command is the shell's own then, as a subreaper.
        unsafe { libc::_exit(0) };
    }
    setpgid(Pid::from_raw(0), Pid::from_raw(0)).unwrap();
    // Where nothing hits it by chance.
    let mut socket = unsafe { File::from_raw_fd(libc::fcntl(0, libc::F_DUPFD, 900)) };
    unsafe { libc::dup2(libc::open(c"/dev/null".as_ptr(), libc::O_RDWR), 0) };
    let asked: Vec<u32> = std::env::var("POSTERN_TEST_ASKED").unwrap().split(' ').filter_map(|number| number.parse().ok()).collect();
    if !asked.is_empty() {
        let listener = filter(&asked).install_with_listener().unwrap();
        socket.write_all(&getpid().as_raw().to_ne_bytes()).unwrap();
        socket.write_all(&listener.as_fd().as_raw_fd().to_ne_bytes()).unwrap();
        socket.read_exact(&mut [0]).unwrap();
    }
    let words: Vec<String> = task.split('\x1f').map(str::to_owned).collect();
    let (name, words) = words.split_first().unwrap();
    let words: Vec<String> = words.iter().filter(|word| !word.is_empty()).cloned().collect();
    // All at once: while the command runs, nobody reads.
    let mut report = String::new();
    act(name, &words, &mut |line: String| report.push_str(&format!("{line}\n")));
    socket.write_all(report.as_bytes()).unwrap();
    // Not through what may still be running.
    unsafe { libc::_exit(0) };
}

/// Asks about these calls: of `socket` only datagrams of the internet, of `sendto` only what has an address.
fn filter(asked: &[u32]) -> Filter {
    let mut program = Assembler::default();
    let (ask, allow) = (program.label(), program.label());
    for call in asked {
        let next = program.label();
        program.load(Word::Number);
        program.jump_unless(Test::Equal(*call), next);
        match i64::from(*call) {
            libc::SYS_socket => {
                let internet = program.label();
                program.load(Word::Low(0));
                program.jump_if(Test::Equal(libc::AF_INET as u32), internet);
                program.jump_unless(Test::Equal(libc::AF_INET6 as u32), allow);
                program.place(internet);
                program.load(Word::Low(1));
                for flags in [0, libc::SOCK_CLOEXEC, libc::SOCK_NONBLOCK, libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK] {
                    program.jump_if(Test::Equal((libc::SOCK_DGRAM | flags) as u32), ask);
                }
                program.answer(libc::SECCOMP_RET_ALLOW);
            }
            libc::SYS_sendto => {
                for word in [Word::Low(4), Word::High(4)] {
                    program.load(word);
                    program.jump_unless(Test::Equal(0), ask);
                }
                program.answer(libc::SECCOMP_RET_ALLOW);
            }
            _ => program.answer(libc::SECCOMP_RET_USER_NOTIF),
        }
        program.place(next);
    }
    program.place(allow);
    program.answer(libc::SECCOMP_RET_ALLOW);
    program.place(ask);
    program.answer(libc::SECCOMP_RET_USER_NOTIF);
    program.finish().unwrap()
}

/// A directory of this test's own, which others can enter and write to.
pub struct Scratch(pub std::path::PathBuf);

impl Scratch {
    pub fn new() -> Scratch {
        let scratch = Scratch(nix::unistd::mkdtemp("/tmp/postern-supervisor-XXXXXX").unwrap());
        std::fs::set_permissions(&scratch.0, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        scratch
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a call returned: `ok` or the error's name.
pub fn told(result: i64) -> String {
    if result >= 0 { "ok".to_owned() } else { format!("{:?}", nix::errno::Errno::last()) }
}
