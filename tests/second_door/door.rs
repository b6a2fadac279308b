//! A shell with a policy that lets the attack program run with any arguments.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use postern::record::join;
use serde_json::Value;

use crate::host::{ACCOUNT, ATTACK, BASE, LENT, uid};
use crate::process::{Finished, run};

/// Who attacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// The account that has the shell.
    Account,
    /// A user that a rule of root's shell lends.
    Lent,
    /// Root, in root's own shell.
    Root,
}

pub const EVERYBODY: [User; 3] = [User::Account, User::Lent, User::Root];
pub const ACCOUNT_ONLY: [User; 1] = [User::Account];
pub const ROOT_ONLY: [User; 1] = [User::Root];

impl User {
    pub fn uid(self) -> u32 {
        match self {
            User::Account => uid(ACCOUNT),
            User::Lent => uid(LENT),
            User::Root => 0,
        }
    }

    /// A program as this user, without any shell in between.
    pub fn command(self, program: impl AsRef<Path>) -> Command {
        let name = match self {
            User::Account => ACCOUNT,
            User::Lent => LENT,
            User::Root => "root",
        };
        let uid = self.uid().to_string();
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &uid, "--regid", &uid, "--clear-groups", "--"]).arg(program.as_ref());
        let home = if self == User::Root { "/root".to_owned() } else { format!("/home/{name}") };
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", home).current_dir("/");
        command
    }
}

/// A policy with its records. Gone with the sandbox.
pub struct Door {
    pub user: User,
    pub confine: String,
    directory: PathBuf,
    records: PathBuf,
}

impl Door {
    /// `confine` as a policy writes it: `inspect`, or `{ base: inspect, exec: any }`.
    pub fn new(user: User, confine: &str) -> Door {
        Door::with(user, confine, "")
    }

    /// With further lines of the policy: rules, at first, and then other keys.
    pub fn with(user: User, confine: &str, more: &str) -> Door {
        let door = Door::unmade(user, confine, None);
        door.write(&format!("  - {{ {}, confine: {confine} }}\n{more}", door.rule()));
        door
    }

    /// With its records in the place where they are by default.
    pub fn with_default_records(user: User, confine: &str) -> Door {
        Door::with_default_records_and(user, confine, "")
    }

    /// Such a one with further rules.
    pub fn with_default_records_and(user: User, confine: &str, more: &str) -> Door {
        let door = Door::unmade(user, confine, Some("/var/log/postern"));
        door.write(&format!("  - {{ {}, confine: {confine} }}\n{more}", door.rule()));
        door
    }

    /// With these rules and no other.
    pub fn with_rules(user: User, rules: &str) -> Door {
        let door = Door::unmade(user, "", None);
        door.write(rules);
        door
    }

    fn unmade(user: User, confine: &str, records: Option<&str>) -> Door {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let directory = Path::new(BASE).join(format!("door-{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
        let records = records.map_or_else(|| directory.join("records"), PathBuf::from);
        fs::create_dir_all(&directory).unwrap();
        fs::create_dir_all(&records).unwrap();
        fs::set_permissions(&records, Permissions::from_mode(0o1733)).unwrap();
        Door { user, confine: confine.to_owned(), directory, records }
    }

    /// The rule of the attack program, but for its confinement.
    pub fn rule(&self) -> String {
        format!("run: 'attack **', path: {ATTACK}{}", if self.user == User::Lent { ", as: lent" } else { "" })
    }

    fn write(&self, rules: &str) {
        let records = self.records.display();
        let policy = format!("postern: 1\naudit: {{ syslog: none, dir: {records}, on_failure: continue }}\nallow:\n{rules}");
        fs::write(self.policy(), policy).unwrap();
    }

    pub fn policy(&self) -> PathBuf {
        self.directory.join("policy.yaml")
    }

    /// The directory of the records.
    pub fn records_directory(&self) -> &Path {
        &self.records
    }

    /// The shell, as who has it, with further arguments.
    pub fn shell(&self, arguments: &[&str]) -> Command {
        let caller = if self.user == User::Account { User::Account } else { User::Root };
        let mut command = caller.command(Path::new(BASE).join("posternsh"));
        command.arg("--policy").arg(self.policy()).args(arguments);
        command
    }

    /// Runs one line.
    pub fn line(&self, line: &str) -> Run {
        let finished = run(&mut self.shell(&["-c", line]), b"");
        Run { finished, records: self.records() }
    }

    /// What the last session has on record, whole.
    pub fn records(&self) -> Vec<Value> {
        let files = fs::read_dir(&self.records).unwrap().map(|entry| entry.unwrap());
        let files = files.filter(|entry| entry.path().extension().is_some_and(|name| name == "jsonl"));
        let last = files.max_by_key(|entry| entry.metadata().unwrap().modified().unwrap()).map(|entry| entry.path());
        let text = last.map(|file| fs::read_to_string(file).unwrap()).unwrap_or_default();
        join(text.lines()).unwrap_or_default().into_iter().map(Value::Object).collect()
    }
}

/// How a line went.
pub struct Run {
    pub finished: Finished,
    pub records: Vec<Value>,
}

impl Run {
    pub fn out(&self) -> String {
        self.finished.out()
    }

    pub fn err(&self) -> String {
        self.finished.err()
    }

    pub fn status(&self) -> i32 {
        self.finished.status
    }

    /// The record of the end.
    pub fn end(&self) -> Value {
        self.records.iter().find(|record| record["event"] == "command.end").cloned().unwrap_or_default()
    }
}
