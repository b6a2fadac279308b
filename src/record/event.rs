//! The events, and their fields in order.

/// One event. The common fields (`v, event, session, seq, time, host, account, uid, from, tty`) are the recorder's.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    SessionStart {
        /// `login`, `command` (`-c`) or `forced`.
        way: &'a str,
        /// Version of postern.
        version: &'a str,
        /// Digest of the policy in force.
        policy: &'a str,
        /// What is in force for every command of the session.
        protections: &'a [&'a str],
    },
    CommandStart(&'a CommandRecord<'a>),
    CommandDeny(&'a CommandRecord<'a>),
    CommandEnd(&'a CommandRecord<'a>),
    /// The session took up another policy.
    PolicyChange {
        before: &'a str,
        policy: &'a str,
    },
    /// The applied policy is damaged; `policy` is the digest of the one used instead.
    PolicyDamage {
        reason: &'a str,
        policy: &'a str,
    },
    SessionEnd {
        /// `exit`, `hangup`, `idle`, `max`, `strikes` or `error`.
        reason: &'a str,
        commands: u64,
        denied: u64,
        duration_ms: u64,
    },
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Allow,
    Deny,
    /// The line does not parse.
    Invalid,
}

/// One line that a person gave.
#[derive(Clone, Debug)]
pub struct CommandRecord<'a> {
    /// Number in the session, from 1.
    pub command: u64,
    /// As typed, whatever its bytes.
    pub line: &'a [u8],
    pub stages: Vec<StageRecord>,
    pub decision: Decision,
    /// Of a refusal, why; at the end, what ended the command if it did not end by itself (`timeout`, `output`, `hangup`).
    pub reason: Option<String>,
    pub cwd: &'a str,
    /// At the end: milliseconds.
    pub duration_ms: Option<u64>,
    /// At the end: bytes that passed; `None` on a terminal.
    pub bytes_out: Option<u64>,
    pub bytes_err: Option<u64>,
    pub protections: &'a [&'a str],
    /// Digest of the policy that decided.
    pub policy: &'a str,
}

/// One process of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageRecord {
    pub argv: Vec<String>,
    /// Full path; `None` where it was not found, or not looked for.
    pub program: Option<String>,
    /// `file:line`.
    pub rule: Option<String>,
    pub run_as: Option<String>,
    pub confine: Option<String>,
    pub pid: Option<i32>,
    pub status: Option<StageStatus>,
}

/// How a process ended. In JSON `{"exit":0}`, `{"signal":"KILL"}`, `{"error":"not found"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StageStatus {
    Exit(i32),
    /// Name without SIG.
    Signal(String),
    /// It was never started.
    Error(String),
}
