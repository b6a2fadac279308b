//! A person of the same account with another shell, while a session is open: what its processes can do to the shell's.

use std::fs::{read_dir, read_to_string};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::termios::{FlowArg, tcflow};
use serde_json::Value;

use crate::process::run;
use crate::pty::Terminal;
use crate::sandbox::{await_some, await_that};
use crate::world::{BOTH, Install, QUIET, World, of, world};

/// A session in which something waits, with the processes of the shell.
struct Open {
    shell: Child,
    guard: u32,
    front: u32,
    relay: u32,
    /// What waits.
    command: u32,
}

impl Open {
    fn start(world: &World, line: &str, name: &str) -> Open {
        let mut command = world.shell("posternsh", line);
        let shell = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let guard = shell.id();
        let name_of = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned();
        let found = || {
            let children = std::fs::read_to_string(format!("/proc/{guard}/task/{guard}/children")).ok()?;
            let children: Vec<u32> = children.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
            let command = children.iter().copied().find(|pid| name_of(pid) == name)?;
            let own: Vec<u32> = children.into_iter().filter(|pid| name_of(pid) == "posternsh").collect();
            Some((*own.first()?, *own.get(1)?, command))
        };
        let (front, relay, command) = await_some(|| format!("{name} below the shell"), found);
        Open { shell, guard, front, relay, command }
    }

    /// Ends it from outside, as root; its records.
    fn end(mut self, world: &World) -> Vec<Value> {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.guard as i32), nix::sys::signal::Signal::SIGTERM).unwrap();
        self.shell.wait().unwrap();
        world.await_nobody();
        world.session(None)
    }
}

/// Whether a line of Python can do something to a process, as the account.
fn can(world: &World, pid: u32, code: &str) -> bool {
    let prelude = "import os, sys, signal, ctypes, resource; pid = int(sys.argv[1]); libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    if libc.syscall(number, *arguments) < 0: raise OSError(ctypes.get_errno(), 'refused')
";
    let mut command = world.account.command("/usr/bin/python3".as_ref());
    let finished = run(command.args(["-c", &format!("{prelude}{code}"), &pid.to_string()]), b"");
    let refused = finished.err().contains("PermissionError");
    // Another error is one of what was asked for: it has been reached.
    assert!(finished.status == 0 || finished.err().contains("Error: [Errno "), "{code}: {}", finished.err());
    !refused
}

/// What reads or changes another process, none of which ends it where it works.
const REACHES: [(&str, &str); 14] = [
    ("mem", "open(f'/proc/{pid}/mem', 'rb')"),
    ("environ", "open(f'/proc/{pid}/environ').read()"),
    ("maps", "open(f'/proc/{pid}/maps').read()"),
    ("fd", "os.listdir(f'/proc/{pid}/fd')"),
    ("cwd", "os.readlink(f'/proc/{pid}/cwd')"),
    ("root", "os.readlink(f'/proc/{pid}/root')"),
    ("exe", "os.readlink(f'/proc/{pid}/exe')"),
    ("namespace", "os.readlink(f'/proc/{pid}/ns/mnt')"),
    ("oom_score_adj", "open(f'/proc/{pid}/oom_score_adj', 'w').write('0')"),
    ("ptrace", "call(101, 0x4206, pid, 0, 0)"),
    ("process_vm_readv", "there = (ctypes.c_size_t * 2)(4096, 8); call(310, pid, there, 1, there, 1, ctypes.c_ulong(0))"),
    ("kcmp", "call(312, pid, pid, 0, 0, 0)"),
    ("pidfd_getfd", "call(438, os.pidfd_open(pid), 0, 0)"),
    ("get_robust_list", "call(274, pid, ctypes.create_string_buffer(8), ctypes.create_string_buffer(8))"),
];

const SIGNALS: [(&str, &str); 4] = [
    ("signal", "os.kill(pid, 0)"),
    ("pidfd_send_signal", "signal.pidfd_send_signal(os.pidfd_open(pid), 0)"),
    ("prlimit", "resource.prlimit(pid, resource.RLIMIT_NOFILE)"),
    ("ioprio", "call(251, 1, pid, 2 << 13 | 7)"),
];

/// How it is scheduled.
const SCHEDULING: [(&str, &str); 3] = [
    ("setpriority", "os.setpriority(os.PRIO_PROCESS, pid, 1)"),
    ("sched_setaffinity", "os.sched_setaffinity(pid, os.sched_getaffinity(pid))"),
    ("sched_setscheduler", "os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))"),
];

#[test]
fn nobody_without_privilege_reaches_the_guard() {
    for install in BOTH {
        let Some(world) = world(install) else { return };
        // The control: a process of the account's own.
        let mut own = world.account.command("sleep".as_ref()).arg("1000").spawn().unwrap();
        await_some(|| "sleep", || std::fs::read_to_string(format!("/proc/{}/comm", own.id())).ok().filter(|name| name == "sleep\n"));
        let open = Open::start(&world, "sleep 1000", "sleep");
        for (name, code) in REACHES.iter().chain(&SIGNALS).chain(&SCHEDULING) {
            assert!(can(&world, own.id(), code), "{install:?}: {name}, the control");
        }
        for (name, code) in REACHES.iter().chain(&SIGNALS) {
            assert!(!can(&world, open.guard, code), "{install:?}: {name}");
        }
        for (name, code) in SCHEDULING {
            // posternsh(1) says so: there its effective uid is the account's.
            assert_eq!(can(&world, open.guard, code), install == Install::Postern, "{install:?}: {name}");
        }
        for (name, code) in REACHES {
            for (who, pid) in [("front", open.front), ("relay", open.relay)] {
                assert!(!can(&world, pid, code), "{install:?}: {name} of the {who}");
            }
        }
        own.kill().unwrap();
        own.wait().unwrap();
        assert_eq!(open.end(&world).last().unwrap()["reason"], "terminated");
    }
}

#[test]
fn nobody_without_privilege_reaches_a_command_of_another_user() {
    let Some(world) = world(Install::Root) else { return };
    let open = Open::start(&world, &format!("tail -f {QUIET}"), "tail");
    for (name, code) in REACHES.iter().chain(&SIGNALS).chain(&SCHEDULING) {
        assert!(!can(&world, open.command, code), "{name}");
    }
    assert_eq!(of(&open.end(&world), "command.end")[0]["stages"][0]["as"], "root");
}

/// It is the person's own session.
#[test]
fn who_kills_the_front_or_the_relay_ends_the_session_and_no_more() {
    for install in BOTH {
        for (who, reason) in [("front", "error"), ("relay", "hangup")] {
            let Some(world) = world(install) else { return };
            let mut open = Open::start(&world, "sleep 1000", "sleep");
            let pid = if who == "front" { open.front } else { open.relay };
            assert!(can(&world, pid, "os.kill(pid, signal.SIGKILL)"));
            open.shell.wait().unwrap();
            world.await_nobody();
            let records = world.session(None);
            assert_eq!(of(&records, "command.end")[0]["reason"], "hangup", "{install:?}: {who}");
            assert_eq!(records.last().unwrap()["reason"], reason, "{install:?}: {who}");
        }
    }
}

/// Held up, the guard goes on by itself.
#[test]
fn who_stops_the_front_holds_up_the_own_session_and_no_longer_than_it_may_last() {
    let Some(world) = world(Install::Root) else { return };
    world.apply("max: 3s");
    let mut open = Open::start(&world, "sleep 1000", "sleep");
    assert!(can(&world, open.front, "os.kill(pid, signal.SIGSTOP)"));
    open.shell.wait().unwrap();
    world.await_nobody();
    assert_eq!(world.session(None).last().unwrap()["reason"], "max");
}

/// The order is root's, and the directory that it is in is out of sight of the guard's main thread.
#[test]
fn an_operators_order_ends_a_session_at_once_and_is_on_record() {
    for install in BOTH {
        let Some(world) = world(install) else { return };
        let open = Open::start(&world, "sleep 1000", "sleep");
        let start = Instant::now();
        let ended = run(Command::new(env!("CARGO_BIN_EXE_postern")).args(["kill", "last", "--reason", "enough"]), b"");
        assert!(start.elapsed() < Duration::from_millis(1500), "{install:?}: {:?}", start.elapsed());
        assert_eq!((ended.status, ended.err().as_str()), (0, ""), "{install:?}");
        let output = open.shell.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(124) && said.contains("this session was ended by ") && said.contains(": enough\n"), "{said}");
        world.await_nobody();
        let records = world.session(None);
        assert_eq!(of(&records, "command.end")[0]["reason"], "killed", "{install:?}");
        let last = records.last().unwrap();
        assert_eq!((&last["reason"], &last["why"]), (&"killed".into(), &"enough".into()), "{install:?}");
        assert!(!last["by"].as_str().unwrap().starts_with("uid "), "{last}");
    }
}

/// The guard of the one session there is, and its front.
fn halves() -> (u32, u32) {
    let name_of = |pid: u32| read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let found = || {
        let pids = read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
        let mut guards = pids.filter(|pid| name_of(*pid) == "posternsh\n").filter_map(|guard: u32| {
            let children = read_to_string(format!("/proc/{guard}/task/{guard}/children")).ok()?;
            Some((guard, children.split_whitespace().find_map(|pid| pid.parse().ok().filter(|pid| name_of(*pid) == "posternsh\n"))?))
        });
        guards.next()
    };
    await_some(|| "a shell in two halves", found)
}

fn has_ended() -> bool {
    let files = read_dir("/var/log/postern").unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|name| name == "jsonl")).map(|path| read_to_string(path).unwrap());
    files.into_iter().any(|records| records.contains(r#""event":"session.end""#))
}

/// What has to be printed first would never be: the person holds the terminal.
#[test]
fn a_terminal_that_is_held_up_holds_up_no_last_record() {
    for install in BOTH {
        let Some(world) = world(install) else { return };
        let mut terminal = Terminal::start(world.on_a_terminal());
        terminal.expect("> ");
        let (_, front) = halves();
        tcflow(terminal.slave(), FlowArg::TCOOFF).unwrap();
        assert!(can(&world, front, "os.kill(pid, signal.SIGKILL)"));
        await_that(|| "the last record", has_ended);
        tcflow(terminal.slave(), FlowArg::TCOON).unwrap();
        terminal.expect("the front of this shell is gone");
        terminal.end();
        assert_eq!(world.session(None).last().unwrap()["reason"], "error", "{install:?}");
    }
}

/// As a job in the background, whose terminal has other things to do: it is not touched (termios(3), TOSTOP).
#[test]
fn a_session_in_the_background_is_refused_on_record() {
    for install in BOTH {
        let Some(world) = world(install) else { return };
        let session = world.on_a_terminal();
        let mut job = Command::new("bash");
        job.args(["-c", r#"set -m; stty tostop; "$@" & wait $!; echo "over $?"; stty -a"#, "bash"]);
        job.arg(session.get_program()).args(session.get_args());
        let mut terminal = Terminal::start(job);
        terminal.expect("in the background of its terminal");
        terminal.expect("over 125");
        terminal.expect(" icanon ");
        terminal.end();
        world.await_nobody();
        let records = world.session(None);
        assert_eq!((records.len(), &records[0]["event"]), (1, &"session.deny".into()), "{install:?}");
    }
}
