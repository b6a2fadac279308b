//! A policy of its own for a test, with its records, and the shell on it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use postern::record::join;
use serde_json::Value;

/// What most tests may run. `{house}`, `{records}` and `{session}` are filled in.
const POLICY: &str = r#"postern: 1
audit: { syslog: none, dir: '{records}' }
session: { {session} }
types:
  mode: { one_of: [raw, sane] }
allow:
  - echo <text>...
  - printf <text>
  - run: cat [<file>...]
    confine: { read: ['{house}'] }
  - head -n <lines:int>
  - ls [-l] [<path>]...
  - sleep <seconds:number>
  - stty [-a] [<mode>]
  - "true"
  - "false"
  - run: systemctl (status|show|cat) <unit>
    note: reads the state of a service
  - postern-is-not-installed
"#;

/// A directory with a policy and its records; gone when dropped.
pub struct House {
    directory: PathBuf,
}

impl House {
    /// With the settings of a session as YAML, such as `idle: 2s`.
    pub fn with(session: &str) -> House {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("postern-test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let directory = base().join(name);
        let house = House { directory };
        std::fs::create_dir_all(house.records_directory()).unwrap();
        let records = house.records_directory().to_str().unwrap().to_owned();
        let policy =
            POLICY.replace("{house}", &house.directory.to_string_lossy()).replace("{records}", &records).replace("{session}", session);
        std::fs::write(house.policy(), policy).unwrap();
        house
    }

    pub fn new() -> House {
        House::with("banner: 'This session is recorded.'")
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn policy(&self) -> PathBuf {
        self.directory.join("policy.yaml")
    }

    fn records_directory(&self) -> PathBuf {
        self.directory.join("records")
    }

    /// The shell on this policy, with further arguments.
    pub fn shell(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_posternsh"));
        command.arg("--policy").arg(self.policy()).args(arguments).env_remove("SSH_ORIGINAL_COMMAND").env_remove("SSH_CONNECTION");
        command
    }

    /// Runs `-c LINE` without input.
    pub fn run(&self, line: &str) -> Output {
        self.shell(&["-c", line]).stdin(Stdio::null()).output().unwrap()
    }

    /// Every record of the sessions on this policy, whole, session by session in the order of their starts.
    pub fn records(&self) -> Vec<Value> {
        let files = std::fs::read_dir(self.records_directory()).unwrap().map(|entry| entry.unwrap().path());
        let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
        let records = |file| join(std::fs::read_to_string(file).unwrap().lines()).unwrap().into_iter().map(Value::Object).collect();
        let mut sessions: Vec<Vec<Value>> = files.map(records).collect();
        sessions.sort_by_key(|records| records[0]["time"].as_str().unwrap().to_owned());
        sessions.concat()
    }

    /// The records of one event.
    pub fn events(&self, event: &str) -> Vec<Value> {
        self.records().into_iter().filter(|record| record["event"] == event).collect()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Where policies may lie: nobody else may write to any directory above them, which rules `/tmp` out.
fn base() -> PathBuf {
    let root = nix::unistd::geteuid().is_root();
    if root { "/run".into() } else { env!("CARGO_TARGET_TMPDIR").into() }
}
