//! A host whose users come from files and from one more source: libnss-extrausers, a module of glibc that reads other files.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock};

use crate::sandbox;

const SWITCH: &str = "/etc/nsswitch.conf";
const EXTRA: &str = "/var/lib/extrausers";

/// A user of the files in several groups, one of which only the other source knows.
pub const SEVERAL: &str = "several";
/// A user whom only the other source knows.
pub const EXTRA_USER: &str = "extra";
pub const EXTRA_UID: u32 = 23_001;

/// The host, made once for this test binary, for one test at a time; `None`, said loudly, outside the sandbox.
pub fn host() -> Option<MutexGuard<'static, Host>> {
    static HOST: OnceLock<Mutex<Host>> = OnceLock::new();
    sandbox::entered().then(|| HOST.get_or_init(|| Mutex::new(Host::new())).lock().unwrap_or_else(|failed| failed.into_inner()))
}

pub struct Host(());

impl Host {
    fn new() -> Host {
        shell("useradd --no-create-home -u 22001 -G adm,games,users several && useradd --no-create-home -u 22002 owner");
        let host = Host(());
        host.sources("files extrausers");
        host.entries();
        host
    }

    /// Has users and groups come from these sources.
    pub fn sources(&self, sources: &str) {
        fs::write(SWITCH, format!("passwd: {sources}\ngroup: {sources}\nshadow: files\n")).unwrap();
    }

    /// What the other source says.
    pub fn entries(&self) {
        let _ = fs::remove_dir_all(EXTRA);
        fs::create_dir_all(EXTRA).unwrap();
        let passwd = format!("{EXTRA_USER}:x:{EXTRA_UID}:{EXTRA_UID}:Extra:/:/bin/sh\n");
        fs::write(format!("{EXTRA}/passwd"), passwd).unwrap();
        let groups = format!("{EXTRA_USER}:x:{EXTRA_UID}:\noncall:x:23002:{EXTRA_USER},{SEVERAL}\n");
        fs::write(format!("{EXTRA}/group"), groups).unwrap();
    }

    /// Makes the other source hang, until [`Host::entries`].
    pub fn hang(&self) {
        fs::remove_file(format!("{EXTRA}/passwd")).unwrap();
        shell(&format!("mkfifo {EXTRA}/passwd"));
    }

    /// The groups that the C library says a user has.
    pub fn groups(&self, user: &str) -> Vec<u32> {
        numbers(&shell(&format!("id -G {user}")))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.sources("files");
    }
}

/// Numbers between blanks, sorted.
pub fn numbers(text: &str) -> Vec<u32> {
    let mut numbers: Vec<u32> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Runs a command line that must succeed; what it says.
pub fn shell(line: &str) -> String {
    let output = Command::new("sh").args(["-ec", line]).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The shell, on rules of a policy.
pub struct Posternsh {
    policy: String,
}

impl Posternsh {
    pub fn on(rules: &str) -> Posternsh {
        Posternsh { policy: format!("postern: 1\naudit: {{ syslog: none, dir: {} }}\n{rules}", records()) }
    }

    /// By root, or by whom the `launcher` makes of it.
    pub fn command(&self, launcher: &[&str], line: &str) -> Command {
        let path = format!("{}/policy.yaml", sandbox::ROOT);
        fs::write(&path, &self.policy).unwrap();
        let words = [launcher, &[program(), "--policy", &path, "-c", line]].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir("/").stdin(Stdio::null());
        command
    }

    pub fn run(&self, line: &str) -> Output {
        self.command(&[], line).output().unwrap()
    }
}

/// Where `tests/run` says that the static shell is, which `packaging/build` made.
const STATIC: &str = "POSTERN_TEST_STATIC";

/// Whether it is the static shell that is tested.
pub fn is_static() -> bool {
    std::env::var_os(STATIC).is_some()
}

/// The shell where everybody can execute it.
fn program() -> &'static str {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let path = format!("{}/posternsh", sandbox::ROOT);
        let built = std::env::var(STATIC).unwrap_or_else(|_| env!("CARGO_BIN_EXE_posternsh").to_owned());
        assert!(Command::new("cp").args([&built, &path]).status().unwrap().success());
        path
    })
}

/// Where the records are, for everybody.
pub fn records() -> String {
    let path = format!("{}/records", sandbox::ROOT);
    if !Path::new(&path).exists() {
        shell(&format!("install -d -m 1733 {path}"));
    }
    path
}
