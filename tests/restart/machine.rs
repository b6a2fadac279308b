//! A machine with a real systemd, a service that starts and one that does not. See `boot` for what keeps it apart from this one.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long systemd may take to boot before it is believed that it cannot.
const PATIENCE: Duration = Duration::from_secs(10);

const UNITS: [(&str, &str); 5] = [
    ("test.target", "[Unit]\nDefaultDependencies=no\nWants=nginx.service systemd-journald.service\n"),
    (
        "nginx.service",
        "[Unit]\nDefaultDependencies=no\nAfter=systemd-journald.service\n[Service]\nType=exec\n\
         ExecStart=/bin/sh -c 'echo serving; exec sleep infinity'\nExecReload=/bin/echo reloading\n",
    ),
    ("haproxy.service", "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nExecStart=/bin/false\n"),
    // The message bus, started by who needs it.
    ("dbus.socket", "[Unit]\nDefaultDependencies=no\n[Socket]\nListenStream=/run/dbus/system_bus_socket\n"),
    (
        "dbus.service",
        "[Unit]\nDefaultDependencies=no\nRequires=dbus.socket\n[Service]\nType=notify\nNotifyAccess=main\n\
         ExecStart=/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile --systemd-activation --syslog-only\n",
    ),
];
/// Units of the distribution: the journal's.
const JOURNAL: [&str; 3] = ["systemd-journald.service", "systemd-journald.socket", "systemd-journald-dev-log.socket"];
/// Where the policy is in the machine.
pub const POLICY: &str = "/etc/postern-test";

/// A machine that runs; gone when dropped.
pub struct Machine {
    unshare: Child,
    init: u32,
    cgroup: PathBuf,
}

impl Machine {
    /// Boots one; `None`, said loudly, where that cannot be.
    pub fn boot() -> Option<Machine> {
        if !Path::new("/run/postern-test").exists() {
            skip("systemd boots only inside tests/sandbox");
            return None;
        }
        if !Path::new("/lib/systemd/systemd").exists() {
            skip("systemd is not installed");
            return None;
        }
        let booted = Machine::start().and_then(Machine::ready);
        booted.map_err(|reason| skip(&format!("systemd does not boot in namespaces here: {reason}"))).ok()
    }

    fn start() -> Result<Machine, String> {
        let files = files();
        let cgroup = unified().ok_or("no unified cgroup hierarchy")?.join(format!("postern-test-{}", std::process::id()));
        fs::create_dir(&cgroup).map_err(|error| error.to_string())?;
        // Its own cgroup first, which the new namespace then takes for the root.
        let script = r#"echo $$ >"$1/cgroup.procs" && exec unshare --mount --propagation private --pid --mount-proc --fork --kill-child \
            --cgroup --uts --ipc --net -- "$2" "$1" "$3""#;
        let boot = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/restart/boot");
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).args([cgroup.as_path(), boot.as_path(), files.as_path()]);
        let log = fs::File::create("/run/postern-test/boot.log").unwrap();
        let unshare = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().map_err(|error| error.to_string())?;
        Ok(Machine { unshare, init: 0, cgroup })
    }

    /// Waits until the first service is there.
    fn ready(mut self) -> Result<Machine, String> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Ok(Some(status)) = self.unshare.try_wait() {
                return Err(format!("{status}: {}", fs::read_to_string("/run/postern-test/boot.log").unwrap_or_default()));
            }
            let pid = self.unshare.id();
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            self.init = children.trim().parse().unwrap_or(0);
            let is_systemd = fs::read_to_string(format!("/proc/{}/comm", self.init)).is_ok_and(|name| name.trim() == "systemd");
            if is_systemd && self.run(["systemctl", "is-active", "nginx", "systemd-journald"]).status.success() {
                return Ok(self);
            }
            sleep(Duration::from_millis(50));
        }
        Err(format!("not within {PATIENCE:?}"))
    }

    /// A command inside.
    pub fn command<W: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = W>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init.to_string(), "--mount", "--pid", "--cgroup", "--uts", "--ipc", "--net", "--"]);
        command.args(words).env_remove("SSH_ORIGINAL_COMMAND").env_remove("SSH_CONNECTION");
        command
    }

    pub fn run<W: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = W>) -> Output {
        self.command(words).stdin(Stdio::null()).output().unwrap()
    }

    /// One property of a unit, as systemd itself has it.
    pub fn property(&self, unit: &str, name: &str) -> String {
        let output = self.run(["systemctl", "show", "--value", &format!("--property={name}"), unit]);
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The shell inside.
    pub fn shell(&self, arguments: &[&str]) -> Command {
        self.command(["/usr/bin/posternsh", "--policy", POLICY].iter().chain(arguments))
    }

    /// The records of one event, in the order of the sessions' files and their lines.
    pub fn events(&self, event: &str) -> Vec<serde_json::Value> {
        let output = self.run(["sh", "-c", "cat /var/log/postern-test/*.jsonl"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let records = postern::record::join(text.lines()).unwrap().into_iter().map(serde_json::Value::Object);
        records.filter(|record| record["event"] == event).collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Its process 1 dies with it, and everything else with that.
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
        let end = Instant::now() + Duration::from_secs(5);
        while self.cgroup.exists() && Instant::now() < end {
            let _ = Command::new("find").arg(&self.cgroup).args(["-depth", "-type", "d", "-exec", "rmdir", "{}", "+"]).output();
            sleep(Duration::from_millis(20));
        }
    }
}

/// Says that a test does not run, so that the harness cannot hide it.
fn skip(why: &str) {
    let _ = writeln!(std::io::stderr().lock(), "SKIPPED: {why}");
}

/// What is put over the machine's root.
fn files() -> PathBuf {
    let files = Path::new("/run/postern-test/files");
    let policy = files.join(POLICY.trim_start_matches('/'));
    for directory in ["run/units", "usr/bin", "var/log/postern-test"] {
        fs::create_dir_all(files.join(directory)).unwrap();
    }
    fs::create_dir_all(policy.join("policy.d")).unwrap();
    for (name, text) in UNITS {
        fs::write(files.join("run/units").join(name), text).unwrap();
    }
    for name in JOURNAL {
        fs::copy(Path::new("/lib/systemd/system").join(name), files.join("run/units").join(name)).unwrap();
    }
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    fs::write(policy.join("policy.yaml"), "postern: 1\naudit: { syslog: none, dir: /var/log/postern-test }\n").unwrap();
    for part in ["systemd.yaml", "logs.yaml", "special/restart.yaml"] {
        let to = policy.join("policy.d").join(Path::new(part).file_name().unwrap());
        fs::copy(repository.join(part), to).unwrap();
    }
    for program in [env!("CARGO_BIN_EXE_posternsh"), env!("CARGO_BIN_EXE_postern")] {
        fs::copy(program, files.join("usr/bin").join(Path::new(program).file_name().unwrap())).unwrap();
    }
    files.to_owned()
}

/// Where the unified cgroup hierarchy is mounted.
fn unified() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    fields.filter(|fields| fields.get(2) == Some(&"cgroup2")).filter_map(|fields| fields.get(1).map(PathBuf::from)).next()
}
