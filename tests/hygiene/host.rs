//! A host with the shell installed set-user-ID root, one account, and the parent that attacks.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock};

use serde_json::Value;

use super::process::{Finished, must, run};
use super::sandbox::{self, ROOT, await_that, skip};

pub const SHELL: &str = "/run/postern-test/posternsh";
/// Where files appear that no attack may make.
pub const CANARY: &str = "/run/postern-test/canary";
const AUDIT: &str = "/var/log/postern";
const ACCOUNT: &str = "breakglass";

pub const POLICY: &str = "\
postern: 1
audit: { syslog: none, dir: /var/log/postern }
allow:
  - id [-u]
  - printenv
  - echo <words:text>...
  - cat [<file>...]
  - sleep <seconds:int>
  - { run: 'head <name:path>', as: root, confine: { base: inspect, processes: look } }
";

pub struct Host {
    pub uid: u32,
}

/// The host, made once for the test binary, for one test at a time; `None`, said loudly, outside the sandbox.
pub fn host() -> Option<MutexGuard<'static, Host>> {
    static HOST: OnceLock<Mutex<Host>> = OnceLock::new();
    sandbox::entered().then(|| HOST.get_or_init(|| Mutex::new(Host::install())).lock().unwrap_or_else(|failed| failed.into_inner()))
}

/// How a start went.
#[derive(Debug)]
pub struct Started {
    /// 128+N for signal N.
    pub status: i32,
    pub out: String,
    pub err: String,
    pub records: Vec<Value>,
}

impl Host {
    fn install() -> Host {
        must(Command::new("groupadd").args(["--system", "postern"]));
        must(Command::new("useradd").args(["--create-home", "--home-dir", "/run/postern-test/home", "--groups", "postern", ACCOUNT]));
        must(Command::new("install").args(["-d", "-m", "1733", AUDIT]));
        must(Command::new("install").args(["-d", "-m", "755", "/etc/postern"]));
        must(Command::new("install").args(["-d", "-m", "1777", CANARY]));
        must(Command::new("install").args(["-o", "root", "-g", "postern", "-m", "4750", env!("CARGO_BIN_EXE_posternsh"), SHELL]));
        for (source, name, options) in
            [("parent.c", "parent", &["-O1"][..]), ("victim.c", "victim", &["-O1"]), ("preload.c", "preload.so", &["-shared", "-fPIC"])]
        {
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hygiene").join(source);
            must(Command::new("cc").args(options).arg("-o").arg(in_root(name)).arg(source));
        }
        must(Command::new("install").args(["-m", "4755"]).args([in_root("victim"), in_root("lent")]));
        let uid = must(Command::new("id").args(["-u", ACCOUNT])).out().trim().parse().unwrap();
        let host = Host { uid };
        host.apply(POLICY);
        host
    }

    /// Puts a policy in force.
    pub fn apply(&self, policy: &str) {
        fs::write("/etc/postern/policy.yaml", policy).unwrap();
        must(Command::new(env!("CARGO_BIN_EXE_postern")).arg("apply"));
    }

    /// The attacking parent as the account, about to become `program`.
    pub fn attack(&self, attacks: &[&str], program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", ACCOUNT, "--regid", ACCOUNT, "--init-groups", "--"]).arg(in_root("parent"));
        command.args(attacks).args(["--", program]).args(arguments);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", "/run/postern-test/home").current_dir("/");
        command
    }

    /// The installed shell, started by the attacking parent for one line, to its end.
    pub fn started(&self, attacks: &[&str], line: &str) -> Started {
        let mut command = self.attack(attacks, SHELL, &["-c", line]);
        self.finished(run(command.stdin(Stdio::null()), b""))
    }

    /// A shell of another place.
    pub fn started_at(&self, program: &str, line: &str) -> Started {
        self.finished(run(&mut self.attack(&[], program, &["-c", line]), b""))
    }

    pub fn finished(&self, finished: Finished) -> Started {
        self.await_nobody();
        Started { status: finished.status, out: finished.out(), err: finished.err(), records: take_records() }
    }

    /// What the program without hygiene says, itself set-user-ID or not; also of an attack that takes its standard output away.
    pub fn victim(&self, attacks: &[&str], lent: bool) -> String {
        let program = in_root(if lent { "lent" } else { "victim" });
        let mut command = self.attack(attacks, program.to_str().unwrap(), &[]);
        run(&mut command, b"").out()
    }

    /// Waits until no process of the shell or the account is left.
    pub fn await_nobody(&self) {
        await_that(|| format!("the end of {:?}", self.processes()), || self.processes().is_empty());
    }

    /// The processes that are the shell or the account's, as number and command line.
    pub fn processes(&self) -> Vec<String> {
        let numbers = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok()?.parse::<u32>().ok());
        let shown = |pid: u32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?.to_owned();
            let own = uids.split_whitespace().any(|uid| uid == self.uid.to_string());
            let shell = fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|program| program == Path::new(SHELL));
            let ended = status.lines().any(|line| line.starts_with("State:\tZ"));
            ((own || shell) && !ended).then(|| format!("{pid} {}", fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default()))
        };
        numbers.filter_map(shown).collect()
    }
}

impl Started {
    /// As ever: the line ran, and is on record from beginning to end.
    pub fn works(&self, out: &str) {
        assert_eq!((self.status, self.out.as_str()), (0, out), "{self:?}");
        for event in ["session.start", "command.start", "command.end", "session.end"] {
            assert!(self.has(event), "{event}: {self:?}");
        }
    }

    /// Nothing ran, and the person is told why.
    pub fn refuses(&self, reason: &str) {
        assert_eq!((self.status, self.out.as_str()), (125, ""), "{self:?}");
        assert!(self.err.starts_with("posternsh: ") && self.err.contains(reason), "{reason}: {self:?}");
        assert!(!self.has("command.start"), "{self:?}");
    }

    /// Nothing ran; perhaps the kernel or the loader did not let the shell begin, and nobody was told.
    pub fn fails_closed(&self) {
        assert_ne!(self.status, 0, "{self:?}");
        assert!(self.out.is_empty() && !self.has("command.start"), "{self:?}");
    }

    pub fn has(&self, event: &str) -> bool {
        self.records.iter().any(|record| record["event"] == event)
    }
}

pub fn in_root(name: &str) -> PathBuf {
    Path::new(ROOT).join(name)
}

/// Takes every record there is, each of which must be whole.
pub fn take_records() -> Vec<Value> {
    let mut records = Vec::new();
    for entry in fs::read_dir(AUDIT).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{}: the last record is not whole: {text:?}", path.display());
        records.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line:?}"))));
    }
    records
}

/// Whether root may raise a hard limit; in some containers it may not, and this then says so.
pub fn may_raise() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let bounding = status.lines().find_map(|line| line.strip_prefix("CapBnd:\t")).unwrap();
    let may = u64::from_str_radix(bounding, 16).unwrap() & (1 << 24) != 0;
    if !may {
        skip("that the shell raises its hard limits: root lacks CAP_SYS_RESOURCE in this container; tested is that it fails closed");
    }
    may
}

/// The child with streams of its own, killed when the test lets go of it.
pub struct Alive(pub Child);

impl Alive {
    pub fn start(command: &mut Command) -> Alive {
        Alive(command.process_group(0).spawn().unwrap())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads a stream to its end.
pub fn text(mut stream: impl Read) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Fills a pipe until it takes no more.
pub fn fill(mut pipe: impl Write) {
    while pipe.write(&[b'x'; 4096]).is_ok() {}
}
