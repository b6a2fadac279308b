//! Two installs of the shell with another front, one policy, accounts, and a syslog socket that knows who wrote to it.

use std::fs;
use std::io::IoSliceMut;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::thread;

use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixCredentials, recvmsg, setsockopt, sockopt};
use postern::record::join;
use serde_json::Value;

use crate::host::{Account, SNIPPET, Sshd};
use crate::process::{Finished, must, run};
use crate::sandbox::{self, ROOT, await_that};

const AUDIT: &str = "/var/log/postern";
/// Files out of everybody's reach, and one that anybody may write.
pub const PRECIOUS: &str = "/var/precious";
pub const SECRET: &str = "the-secret-of-root";
/// A file that nobody writes to, for a command that waits.
pub const QUIET: &str = "/var/log/quiet.log";
/// Where something answers.
pub const SOCKET: &str = "/run/postern-test/answers.sock";
pub const PORT: u16 = 4117;

const POLICY: &str = "\
postern: 1
audit: { syslog: /run/postern-test/log, dir: /var/log/postern }
session: { {session} }
confinements:
  reach: { base: inspect, sockets: [/run/postern-test/answers.sock], network: ['tcp:4117'] }
allow:
  - echo [<words:text>...]
  - 'true'
  - cat [<file>...] [< <file>]
  - sleep <seconds:int>
  - printenv TERM
  - { run: sync, confirm: true }
  - { run: 'tail -f <file>', as: root }
  - { run: whoami, as: nobody }
  - { run: 'ping -c <count:int> <host>', confine: { base: network, capabilities: [net_raw] } }
  - { run: 'perl -MIO::Socket -e <code:text>', confine: reach }
  - { run: 'perl -MIO::Socket -w -e <code:text>', confine: reach, as: nobody }
";

/// How the shell is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Install {
    Root,
    Postern,
}

pub const BOTH: [Install; 2] = [Install::Root, Install::Postern];

/// Who wrote to the syslog socket, and what.
type Datagrams = Arc<Mutex<Vec<(u32, String)>>>;

pub struct World {
    datagrams: Datagrams,
    pub sshd: Sshd,
    pub account: Account,
    pub uid: u32,
    /// The user postern.
    pub owner: u32,
    install: Install,
}

/// The world, made once, for one test at a time; `None`, said loudly, outside the sandbox.
pub fn world(install: Install) -> Option<MutexGuard<'static, World>> {
    static WORLD: OnceLock<Mutex<World>> = OnceLock::new();
    if !sandbox::entered() {
        return None;
    }
    let mut world = WORLD.get_or_init(|| Mutex::new(World::new())).lock().unwrap_or_else(|failed| failed.into_inner());
    world.become_one_of(install);
    Some(world)
}

impl World {
    fn new() -> World {
        must(Command::new("groupadd").args(["--system", "postern"]));
        must(Command::new("useradd").args(["--system", "--no-user-group", "--home-dir", "/nonexistent", "postern"]));
        put_programs();
        put_files();
        let root = Path::new(ROOT);
        must(Command::new("install").args(["-d", "-m", "755", "/etc/postern/authorized_keys"]));
        must(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(root.join("host_key")));
        fs::create_dir_all(root.join("home")).unwrap();
        let account = Account::new("taken", &Install::Root.program("hostile"));
        let number = |arguments: &[&str]| run(Command::new("id").args(arguments), b"").out().trim().parse().unwrap();
        World {
            datagrams: listen(),
            sshd: Sshd::start("takeover", &format!("Include {SNIPPET}\nUsePAM no\n")),
            uid: number(&["-u", &account.name]),
            owner: number(&["-u", "postern"]),
            account,
            install: Install::Root,
        }
    }

    fn become_one_of(&mut self, install: Install) {
        self.install = install;
        self.apply("max: 1h");
        let _ = fs::remove_dir_all(AUDIT);
        let owner = if install == Install::Root { "root" } else { "postern" };
        must(Command::new("install").args(["-d", "-o", owner, "-g", "root", "-m", "700", AUDIT]));
        self.datagrams.lock().unwrap().clear();
    }

    /// Puts the policy in force, with these settings of a session.
    pub fn apply(&self, session: &str) {
        fs::write("/etc/postern/policy.yaml", POLICY.replace("{session}", session)).unwrap();
        must(Command::new(env!("CARGO_BIN_EXE_postern")).arg("apply"));
    }

    /// The shell with the front that was taken over, or ours, with a line.
    pub fn shell(&self, front: &str, line: &str) -> Command {
        let mut command = self.account.command(&self.install.program(front));
        command.args(["-c", line]);
        command
    }

    /// Our shell, for a terminal.
    pub fn on_a_terminal(&self) -> Command {
        self.account.command(&self.install.program("posternsh"))
    }

    /// Lets the front that was taken over do something, to its end, and waits until nothing of the account's is left.
    pub fn attack(&self, line: &str) -> Finished {
        let finished = run(&mut self.shell("hostile", line), b"");
        self.await_nobody();
        assert!(!(finished.out() + &finished.err()).contains(SECRET), "{line}");
        finished
    }

    /// Runs a line through our own front.
    pub fn line(&self, line: &str) -> Finished {
        run(&mut self.shell("posternsh", line), b"")
    }

    pub fn await_nobody(&self) {
        await_that(|| format!("the end of {:?}", self.account.processes()), || self.account.processes().is_empty());
    }

    /// The records of the one session since this was last asked, each found to be what a session's record must be.
    pub fn session(&self, from: Option<&str>) -> Vec<Value> {
        let files = fs::read_dir(AUDIT).unwrap().map(|entry| entry.unwrap().path());
        let (files, recordings): (Vec<PathBuf>, Vec<PathBuf>) =
            files.partition(|path| path.extension().is_some_and(|name| name == "jsonl"));
        assert_eq!(files.len(), 1, "one session: {files:?}");
        recordings.iter().for_each(|path| fs::remove_file(path).unwrap());
        let text = fs::read_to_string(&files[0]).unwrap();
        fs::remove_file(&files[0]).unwrap();
        let records: Vec<Value> = join(text.lines()).unwrap().into_iter().map(Value::Object).collect();
        let name = files[0].file_stem().unwrap().to_str().unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let host = run(&mut Command::new("hostname"), b"").out();
        for (number, record) in (1_u64..).zip(&lines) {
            assert_eq!(record["seq"], number, "{record}");
            let who = [&record["session"], &record["host"], &record["account"]];
            assert_eq!(who, [name, host.trim(), &self.account.name], "{record}");
            assert_eq!((record["uid"].as_u64(), record["from"].as_str()), (Some(u64::from(self.uid)), from), "{record}");
            assert_eq!(record["tty"], lines[0]["tty"], "{record}");
        }
        if records[0]["event"] != "session.deny" {
            let first = (&records[0]["event"], &records[0]["install"]);
            assert_eq!(first, (&"session.start".into(), &format!("{:?}", self.install).to_lowercase().into()));
            assert_eq!(of(&records, "session.start").len(), 1, "{text}");
            let ends = (of(&records, "session.end").len(), &records[records.len() - 1]["event"]);
            assert_eq!(ends, (1, &"session.end".into()), "{text}");
        }
        records
    }

    /// What arrived at the syslog socket, from whom.
    pub fn datagrams(&self) -> Vec<(u32, String)> {
        self.datagrams.lock().unwrap().clone()
    }
}

/// The records of one event.
pub fn of<'a>(records: &'a [Value], event: &str) -> Vec<&'a Value> {
    records.iter().filter(|record| record["event"] == event).collect()
}

/// The words of every command that was started.
pub fn started(records: &[Value]) -> Vec<String> {
    let words = |record: &&Value| {
        let argv = record["stages"][0]["argv"].as_array().unwrap();
        argv.iter().map(|word| word.as_str().unwrap()).collect::<Vec<_>>().join(" ")
    };
    of(records, "command.start").iter().map(words).collect()
}

impl Install {
    fn program(self, front: &str) -> PathBuf {
        Path::new(ROOT).join(format!("{self:?}").to_lowercase()).join(front)
    }
}

fn put_programs() {
    // `cargo test` builds examples; with `--test takeover` alone, `cargo build --example hostile_front` has to come before it.
    let test = std::env::current_exe().unwrap();
    let hostile = test.ancestors().nth(2).unwrap().join("examples/hostile_front");
    assert!(hostile.exists(), "{}: cargo build --example hostile_front", hostile.display());
    for (front, built) in [("hostile", hostile.as_path()), ("posternsh", Path::new(env!("CARGO_BIN_EXE_posternsh")))] {
        for (install, owner, group, mode) in [(Install::Root, "root", "postern", "4750"), (Install::Postern, "postern", "root", "4511")] {
            must(Command::new("install").args(["-D", "-o", owner, "-g", group, "-m", mode]).arg(built).arg(install.program(front)));
        }
    }
}

fn put_files() {
    fs::write(QUIET, "quiet\n").unwrap();
    let script = format!(
        "install -d -m 755 {PRECIOUS} && install -d -m 700 {PRECIOUS}/closed {PRECIOUS}/closed/inner
         echo {SECRET} > {PRECIOUS}/root && echo {SECRET} > {PRECIOUS}/closed/file && chmod 600 {PRECIOUS}/root
         : > {PRECIOUS}/anybody && chmod 666 {PRECIOUS}/anybody
         echo 'root:{SECRET}:1:::::::' >> /etc/shadow"
    );
    must(Command::new("sh").args(["-ec", &script]));
}

/// What the attacks must not have touched.
pub fn assert_precious_is_untouched() {
    assert_eq!(fs::read_to_string(format!("{PRECIOUS}/root")).unwrap(), format!("{SECRET}\n"));
    assert_eq!(fs::read_to_string(format!("{PRECIOUS}/anybody")).unwrap(), "");
    assert_eq!(fs::read_dir(PRECIOUS).unwrap().count(), 3);
}

/// Takes datagrams, with the credentials that the kernel puts on them.
fn listen() -> Datagrams {
    let socket = UnixDatagram::bind(format!("{ROOT}/log")).unwrap();
    must(Command::new("chmod").arg("666").arg(format!("{ROOT}/log")));
    setsockopt(&socket, sockopt::PassCred, &true).unwrap();
    let datagrams = Datagrams::default();
    let taken = Arc::clone(&datagrams);
    thread::spawn(move || {
        let mut bytes = [0; 1 << 16];
        loop {
            let mut control = cmsg_space!(UnixCredentials);
            let mut parts = [IoSliceMut::new(&mut bytes)];
            let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty()).unwrap();
            let uid = message.cmsgs().unwrap().find_map(|control| match control {
                ControlMessageOwned::ScmCredentials(sender) => Some(sender.uid()),
                _ => None,
            });
            let length = message.bytes;
            taken.lock().unwrap().push((uid.unwrap(), String::from_utf8_lossy(&bytes[..length]).into_owned()));
        }
    });
    datagrams
}
