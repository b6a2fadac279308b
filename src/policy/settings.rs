//! What a policy says of the host and the session rather than of a command.

use serde::{Deserialize, Serialize};

/// Host-wide settings, from `policy.yaml` only. Durations are in milliseconds, sizes in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    pub audit: Audit,
    /// How sessions are recorded; `None` for `record: none`.
    pub record: Option<Record>,
    pub redact: Redact,
    pub session: Session,
    pub strength: Strength,
    /// Whether the commands of a rule are in no Landlock domain: they may signal what they like (`open`), or look at other processes. Then the
    /// session is in none either, for theirs would be below it.
    pub unscoped_rules: bool,
    /// Path globs that some rule writes, and that some rule takes from the hidden list: what a session's mount namespace leaves open.
    pub writes: Vec<String>,
    pub unhides: Vec<String>,
    /// Directories that the policy adds behind the fixed PATH.
    pub search: Vec<String>,
}

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// Path of the syslog socket; `None` for `syslog: none`.
    pub syslog: Option<String>,
    /// Name of the syslog facility, one of the keys of RFC 5424 table 1 in lower case (`authpriv`, `local0`).
    pub facility: String,
    /// Directory of `<session id>.jsonl` and `<session id>.cast`.
    pub dir: String,
    /// What happens when no place takes a record.
    pub on_failure: OnFailure,
}

/// What is in recordings, and what becomes of a session that cannot be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Bytes of a command's output that are recorded, where it goes to no terminal.
    pub max: u64,
    /// The same, where it has a terminal.
    pub terminal: u64,
    /// Whether no command runs, or goes on, without a recording.
    pub required: bool,
}

/// Where secrets in what commands print are replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Redact {
    /// In recordings and records.
    #[default]
    Files,
    /// There, and on the person's screen.
    Screen,
    /// Nowhere.
    None,
}

/// `confinement:` — what happens to a command when the kernel lacks a part of what is to hold it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// It does not run.
    #[default]
    All,
    /// It does not run if one of these is lacking, by the names that records use.
    Require(Vec<String>),
    /// It runs, and the person and the record say what is lacking.
    BestEffort,
}

/// What a policy can require of the kernel, by the names that records use: those of `confine::Protection`.
pub const PROTECTIONS: [&str; 14] = [
    "no_new_privs",
    "no_capabilities",
    "listed_capabilities",
    "no_core",
    "one_exec",
    "exec_list",
    "calls",
    "reads",
    "writes",
    "masks",
    "network",
    "sockets",
    "signals",
    "limits",
];

impl Strength {
    /// Whether a command does not run on a kernel that lacks this protection.
    pub fn requires(&self, protection: &str) -> bool {
        match self {
            Strength::All => true,
            Strength::Require(names) => names.iter().any(|name| name == protection),
            Strength::BestEffort => false,
        }
    }
}

/// What happens to a command whose record no place takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// It does not run: exit status 125.
    #[default]
    Refuse,
    /// It runs, and the person is told.
    Continue,
}

/// Bounds of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Milliseconds at the prompt without a key; `None` for never.
    pub idle: Option<u64>,
    /// Milliseconds that a session may last; `None` for ever.
    pub max: Option<u64>,
    /// Refusals that end the session; 0 for never.
    pub strikes: u32,
    /// Bytes that the commands of a session may print, all together; `None` for any number.
    pub output: Option<u64>,
    /// Shown at the start of an interactive session.
    pub banner: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            audit: Audit::default(),
            record: Some(Record::default()),
            redact: Redact::default(),
            session: Session::default(),
            strength: Strength::default(),
            unscoped_rules: false,
            writes: Vec::new(),
            unhides: Vec::new(),
            search: Vec::new(),
        }
    }
}

impl Default for Record {
    fn default() -> Self {
        Record { max: 1 << 20, terminal: 64 << 20, required: false }
    }
}

impl Default for Audit {
    fn default() -> Self {
        Audit {
            syslog: Some("/dev/log".to_owned()),
            facility: "authpriv".to_owned(),
            dir: "/var/log/postern".to_owned(),
            on_failure: OnFailure::Refuse,
        }
    }
}

impl Default for Session {
    fn default() -> Self {
        Session {
            idle: Some(30 * 60 * 1000),
            max: Some(8 * 60 * 60 * 1000),
            strikes: 0,
            output: None,
            banner: Some("This session is recorded.".to_owned()),
        }
    }
}
