//! What the tests of the records share: places to record to, and the means to break them.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use postern::policy::settings::Audit;
use postern::record::{CommandRecord, Decision, Event, Recorder, Session, StageRecord, join, new_session_id};
use serde_json::{Map, Value};

pub type Record = Map<String, Value>;

/// Says so where `cargo test` captures nothing, and `tests/run` counts it.
pub fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr().lock(), "SKIPPED: {why}");
}

/// A directory that goes away, with whatever is mounted on it.
pub struct TempDir {
    pub path: PathBuf,
    mounted: bool,
}

impl TempDir {
    pub fn new() -> TempDir {
        TempDir::create(std::env::temp_dir().join(format!("postern-records-{}", new_session_id())))
    }

    fn create(path: PathBuf) -> TempDir {
        fs::create_dir(&path).unwrap();
        TempDir { path, mounted: false }
    }

    /// One that a test made for the process that it started of itself; it stays.
    pub fn at(path: &Path) -> std::mem::ManuallyDrop<TempDir> {
        std::mem::ManuallyDrop::new(TempDir { path: path.to_owned(), mounted: false })
    }

    /// One below, with a file system of its own; `None` where this process may not mount.
    pub fn mounted(&self, name: &str, arguments: &[&str]) -> Option<TempDir> {
        let mut directory = TempDir::create(self.join(name));
        directory.mounted = Command::new("mount").args(arguments).arg(&directory.path).status().unwrap().success();
        if !directory.mounted {
            skipped(&format!("cannot mount {arguments:?}"));
        }
        directory.mounted.then_some(directory)
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Records go here and to `socket`.
    pub fn audit(&self, socket: Option<&Path>) -> Audit {
        let syslog = socket.map(|path| path.to_str().unwrap().to_owned());
        Audit { syslog, dir: self.path.to_str().unwrap().to_owned(), ..Audit::default() }
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if self.mounted {
            let _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
        }
        let _ = fs::remove_dir_all(&self.path);
    }
}

pub fn session() -> Session {
    Session {
        id: new_session_id(),
        host: "db-3".to_owned(),
        account: "breakglass".to_owned(),
        uid: 1200,
        from: Some("10.1.2.3".to_owned()),
        tty: Some("pts/3".to_owned()),
    }
}

/// A command that was allowed, its argument as long as one likes.
pub fn start(recorder: &mut Recorder, line: &[u8], argument: &str) -> Result<(), postern::record::Unrecorded> {
    let stage = StageRecord {
        argv: vec!["tail".to_owned(), argument.to_owned()],
        program: Some("/usr/bin/tail".to_owned()),
        rule: Some("policy.yaml:7".to_owned()),
        run_as: Some("breakglass".to_owned()),
        confine: Some("inspect".to_owned()),
        ..StageRecord::default()
    };
    let taken = recorder.write(&Event::CommandStart(&CommandRecord {
        command: 1,
        line,
        stages: vec![stage],
        decision: Decision::Allow,
        reason: None,
        cwd: "/",
        duration_ms: None,
        bytes_out: None,
        bytes_err: None,
        recording: None,
        unrecorded: None,
        screen: Vec::new(),
        redacted: Vec::new(),
        protections: &["no_new_privs", "one_exec"],
        missing: &[],
        policy: "abc123",
    }));
    recorder.settle();
    taken
}

/// The records of a session's file, put together again.
pub fn in_file(audit: &Audit, recorder: &Recorder) -> Vec<Record> {
    let text = fs::read_to_string(file_of(audit, recorder)).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "the last record is not whole: {text}");
    join(text.lines()).unwrap()
}

pub fn file_of(audit: &Audit, recorder: &Recorder) -> PathBuf {
    Path::new(&audit.dir).join(format!("{}.jsonl", recorder.session().id))
}

pub fn sequence(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record["seq"].as_u64().unwrap()).collect()
}

/// Everything that waits in a socket, its framing taken off.
pub fn received(socket: &UnixDatagram) -> Vec<String> {
    socket.set_nonblocking(true).unwrap();
    let mut buffer = [0; 8192];
    std::iter::from_fn(|| socket.recv(&mut buffer).ok().map(|length| String::from_utf8(buffer[..length].to_vec()).unwrap()))
        .map(|message| {
            assert!(message.starts_with(&format!("<86>posternsh[{}]: @cee: {{", std::process::id())), "{message}");
            message.split_once("@cee: ").unwrap().1.to_owned()
        })
        .collect()
}

/// Waits for something that another process does; a bound, not a measurement.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < patience, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A syslog daemon of our own, which touches nothing of the host's.
pub struct Rsyslog {
    directory: PathBuf,
    daemon: Option<Child>,
}

impl Rsyslog {
    /// `None` where rsyslog is not installed.
    pub fn start(directory: &TempDir) -> Option<Rsyslog> {
        if !Path::new("/usr/sbin/rsyslogd").exists() {
            skipped("rsyslog is not installed");
            return None;
        }
        let path = directory.path.display();
        let configuration = format!(
            r#"module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{path}/log" RateLimit.Interval="0")
global(workDirectory="{path}")
template(name="plain" type="string" string="%syslogfacility-text%.%syslogseverity-text% %programname% %msg%\n")
action(type="omfile" file="{path}/messages" template="plain" fileCreateMode="0600")
"#
        );
        fs::write(directory.join("rsyslog.conf"), configuration).unwrap();
        let mut rsyslog = Rsyslog { directory: directory.path.clone(), daemon: None };
        rsyslog.run();
        Some(rsyslog)
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.join("log")
    }

    fn run(&mut self) {
        let mut command = Command::new("/usr/sbin/rsyslogd");
        command.arg("-n").arg("-f").arg(self.directory.join("rsyslog.conf")).arg("-i").arg(self.directory.join("pid"));
        self.daemon = Some(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let socket = self.socket();
        eventually("rsyslogd takes datagrams", || UnixDatagram::unbound().unwrap().connect(&socket).is_ok());
    }

    /// With SIGTERM, as a service manager does it: what is queued is still written.
    pub fn stop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = Command::new("kill").arg(daemon.id().to_string()).status();
            let _ = daemon.wait();
        }
    }

    pub fn restart(&mut self) {
        self.stop();
        let _ = fs::remove_file(self.socket());
        self.run();
    }

    /// Lines as `facility.severity tag`, and JSON, once there are `count`.
    pub fn messages(&self, count: usize) -> Vec<(String, String)> {
        let read = || fs::read_to_string(self.directory.join("messages")).unwrap_or_default();
        eventually(&format!("{count} messages in rsyslog's file"), || read().lines().count() >= count);
        read().lines().map(|line| line.split_once("  @cee: ").expect(line)).map(|(tag, json)| (tag.to_owned(), json.to_owned())).collect()
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Set in the process that a test starts of itself.
const INSIDE: &str = "POSTERN_TEST_INSIDE";

/// Where the process that a test started of itself finds what it works on.
pub fn inside() -> Option<PathBuf> {
    std::env::var_os(INSIDE).map(PathBuf::from)
}

/// Runs one test again in a process of its own, with a command in front that changes its circumstances; `place` is its [`inside`].
pub fn again(test: &str, before: &[&str], place: &Path) -> Command {
    let mut command = Command::new("env");
    command.args(before).arg(std::env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]);
    command.env(INSIDE, place).stdin(Stdio::null());
    command
}

/// The outcome of a command that may come to hang; `release` lets go of what could hold it.
pub fn ended<T>(mut command: Command, release: impl FnOnce() -> T) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let patience = Instant::now() + Duration::from_secs(30);
    while child.try_wait().unwrap().is_none() && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    release();
    child.wait_with_output().unwrap()
}

pub fn succeeded(output: &Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{} {}\n{}{}",
        output.status,
        output.status.signal().unwrap_or(0),
        text(&output.stdout),
        text(&output.stderr)
    );
}
