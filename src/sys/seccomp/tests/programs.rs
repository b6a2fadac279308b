//! What programs do of themselves works under the strictest filter: each runs with it and without, and says the same.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use super::super::install;
use super::*;
use crate::words::skip;

/// What a program prints: not compared where it differs from run to run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Output {
    Same,
    Varies,
}
use Output::{Same, Varies};

const PYTHON: &str = "
import asyncio, os, select, socket, tempfile, threading, multiprocessing, signal, time
thread = threading.Thread(target=lambda: print('thread')); thread.start(); thread.join()
child = os.fork()
if child == 0: os._exit(3)
print(os.waitpid(child, 0)[1])
a, b = socket.socketpair(); a.send(b'x'); print(b.recv(1))
print(asyncio.run(asyncio.sleep(0, 'asyncio')))
poll = select.epoll(); poll.register(a, select.EPOLLIN); poll.close()
signal.signal(signal.SIGUSR1, lambda *_: print('signal')); os.kill(os.getpid(), signal.SIGUSR1)
os.nice(0); os.sched_getaffinity(0); os.memfd_create('x')
import resource; resource.setrlimit(resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE))
";

const PERL: &str = "my $p = fork; if (!$p) { exit 3 } waitpid $p, 0; print $? >> 8; kill 0, $$ or die; local $SIG{ALRM} = sub { print 'alarm' }; alarm 1; sleep 2";

const NODE: &str = "const fs = require('fs'); fs.readFile('/etc/hostname', (e, d) => { console.log(!!d); \
     require('zlib').gzip('x'.repeat(1e5), (e, d) => { console.log(d.length); setTimeout(() => console.log('later'), 10) }) })";

/// A program, its arguments, and what to compare.
const PROGRAMS: &[(&str, &[&str], Output)] = &[
    ("ls", &["-la", "/usr", "/usr/bin"], Same),
    ("stat", &["-f", "/"], Varies),
    ("stat", &["/etc/passwd"], Same),
    ("cat", &["/etc/passwd"], Same),
    ("sort", &["--parallel=4", "/etc/services"], Same),
    ("sha256sum", &["/etc/passwd"], Same),
    ("dd", &["if=/etc/passwd", "status=none"], Same),
    ("tail", &["-n", "3", "/etc/passwd"], Same),
    ("timeout", &["0.3", "tail", "-f", "/etc/passwd"], Same),
    ("timeout", &["5", "true"], Same),
    ("nice", &["-n", "5", "true"], Same),
    ("find", &["/usr/lib", "-maxdepth", "1", "-ls"], Same),
    ("grep", &["-r", "root", "/etc/passwd"], Same),
    ("sed", &["s/root/x/", "/etc/passwd"], Same),
    ("awk", &["BEGIN { \"echo x\" | getline y; print y }"], Same),
    ("tar", &["-cf", "/dev/null", "/etc/passwd"], Same),
    ("gzip", &["-c", "/etc/passwd"], Same),
    ("sh", &["-c", "echo $(echo x | cat) & wait; trap 'echo t' TERM; kill -TERM $$"], Same),
    ("bash", &["-c", "set -m; sleep 0.1 & wait; echo ${BASH_VERSION}"], Same),
    ("df", &["-h"], Varies),
    ("du", &["-s", "/usr/share/doc"], Same),
    ("id", &[], Same),
    ("uptime", &[], Varies),
    ("nproc", &[], Same),
    ("date", &[], Varies),
    ("free", &[], Varies),
    ("vmstat", &[], Varies),
    ("ps", &["auxf"], Varies),
    ("ps", &["-eLf"], Varies),
    ("top", &["-b", "-n", "1"], Varies),
    ("pgrep", &["-l", "."], Varies),
    ("pmap", &["1"], Varies),
    ("lsof", &["-p", "1"], Varies),
    ("ipcs", &["-a"], Same),
    ("ipcs", &["-u"], Same),
    ("ipcs", &["-l"], Same),
    ("lscpu", &[], Varies),
    ("lsblk", &[], Same),
    ("findmnt", &[], Same),
    ("dmesg", &["-S"], Varies),
    ("taskset", &["-p", "1"], Same),
    ("prlimit", &["--pid", "1"], Same),
    ("chrt", &["-p", "1"], Same),
    ("ionice", &["-p", "1"], Same),
    ("ip", &["address"], Same),
    ("ip", &["-s", "link"], Varies),
    ("ip", &["route"], Same),
    ("ip", &["neigh"], Varies),
    ("ss", &["-tlnp"], Varies),
    ("ss", &["-s"], Varies),
    ("ss", &["-xa"], Varies),
    ("ethtool", &["-i", "lo"], Same),
    ("udevadm", &["info", "/sys/class/net/lo"], Same),
    ("systemctl", &["--version"], Same),
    ("systemctl", &["cat", "sshd.service", "--no-pager"], Same),
    ("journalctl", &["-n", "5", "--no-pager"], Same),
    ("systemd-detect-virt", &[], Same),
    ("git", &["-C", env!("CARGO_MANIFEST_DIR"), "log", "-n", "3"], Same),
    ("git", &["-C", env!("CARGO_MANIFEST_DIR"), "grep", "-c", "seccomp"], Same),
    ("openssl", &["version"], Same),
    ("vim", &["--version"], Same),
    ("python3", &["-c", PYTHON], Same),
    ("perl", &["-e", PERL], Same),
    ("node", &["-e", NODE], Same),
    ("java", &["-version"], Same),
    ("java", &["-XshowSettings:system", "-version"], Varies),
    // Of Go.
    ("fzf", &["--version"], Same),
    ("go", &["version"], Same),
    ("rustc", &["--version"], Same),
];

/// Runs a program: its status, and what it printed.
fn run_program(program: &str, arguments: &[&str], filter: Option<&Filter>) -> Option<(Option<i32>, String, String)> {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C").env("PAGER", "cat").stdin(Stdio::null());
    // Of its own, so that a signal to a group does not reach this test.
    command.process_group(0);
    if let Some(filter) = filter {
        let held = filter.program();
        let (length, instructions) = (held.len, held.filter as usize);
        let confine = move || {
            let held = libc::sock_fprog { len: length, filter: instructions as *mut libc::sock_filter };
            // SAFETY: the filter outlives the child's exec, for which `output` below waits.
            unsafe {
                libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
                install(&held).map_err(std::io::Error::from_raw_os_error)
            }
        };
        // SAFETY: two system calls, and no allocation.
        unsafe { command.pre_exec(confine) };
    }
    let output = command.output().ok()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some((output.status.code(), text(&output.stdout), text(&output.stderr)))
}

#[test]
fn programs_go_on_as_without_a_filter() {
    let signals = [Signals::Free, Signals::NotTo(vec![std::process::id() as i32])];
    let filters = signals.map(|signals| {
        let calls = Calls { exec: Exec::Any, signals, guard_truncation: true, ..Calls::default() };
        Filter::new(&calls, None).unwrap()
    });
    let (mut absent, mut differing) = (Vec::new(), Vec::new());
    for (program, arguments, output) in PROGRAMS {
        let Some(free) = run_program(program, arguments, None) else {
            absent.push(*program);
            continue;
        };
        for filter in &filters {
            let held = run_program(program, arguments, Some(filter)).unwrap();
            // What it complains of is compared in any case.
            let same = (held.0, &held.2) == (free.0, &free.2) && (*output == Varies || held.1 == free.1);
            if !same {
                differing.push(format!("{program} {arguments:?}: {held:?}, and without a filter {free:?}"));
            }
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    if !absent.is_empty() {
        skip(&format!("not installed, and so not tried under a filter: {}", absent.join(" ")));
    }
    assert!(absent.len() < PROGRAMS.len() / 2);
}
