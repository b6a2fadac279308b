//! The events, and their fields in order.

use syslog::Severity;

use super::file::Need;
use super::json::{self, Field};

/// One event. The common fields (`v, event, session, seq, time, host, account, uid, from, tty`) are the recorder's.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    SessionStart {
        /// `login`, `command` (`-c`) or `forced`.
        way: &'a str,
        /// Version of postern.
        version: &'a str,
        /// `root`, `postern` or `plain`.
        install: &'a str,
        /// The login's uid, and the number of its session, as auditd(8) has them; `None` where they were never set.
        auid: Option<u32>,
        ses: Option<u32>,
        /// Digest of the policy in force.
        policy: &'a str,
        /// Whether it refuses nothing to this person (`mode: observe`).
        observe: bool,
        /// What is in force for every command of the session.
        protections: &'a [&'a str],
        /// Path of the recording; `None` where there is none.
        recording: Option<&'a str>,
    },
    /// Nobody was let in: there is no usable policy, the shell was started in a wrong way, or cannot do its job. The only record of its
    /// session.
    SessionDeny {
        reason: &'a str,
    },
    CommandStart(&'a CommandRecord<'a>),
    CommandDeny(&'a CommandRecord<'a>),
    CommandEnd(&'a CommandRecord<'a>),
    /// The session took up another policy.
    PolicyChange {
        before: &'a str,
        policy: &'a str,
        /// Whether it refuses nothing to this person.
        observe: bool,
    },
    /// The applied policy is damaged; `policy` is the digest of the one used instead.
    PolicyDamage {
        reason: &'a str,
        policy: &'a str,
    },
    SessionEnd {
        /// `exit`, `hangup`, `terminated` (SIGTERM), `idle`, `max`, `strikes`, `output` (what the session may print),
        /// `killed` (from outside) or `error` (the shell could not go on).
        reason: &'a str,
        /// Where it was killed, by whom.
        killed: Option<Killed<'a>>,
        commands: u64,
        denied: u64,
        duration_ms: u64,
    },
    /// Somebody watches a session. A session of its own, with a record at its start and one at its end.
    SessionWatch {
        /// The id of the session that is watched.
        watched: &'a str,
        /// Who watches, by name.
        by: &'a str,
        /// The login's uid.
        auid: Option<u32>,
        /// At the end: milliseconds.
        duration_ms: Option<u64>,
    },
}

/// Who ended a session from outside, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Killed<'a> {
    pub by: &'a str,
    /// As they put it.
    pub why: &'a str,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Allow,
    Deny,
    /// The line does not parse.
    Invalid,
    /// It would have been refused, and was not: `mode: observe`.
    Observe,
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
    /// Of a refusal, and of what would have been one, why; at the end, what ended the line if it did not end by itself: `timeout`, `output`,
    /// `cpu`, `memory`, `processes`, `file_size`, `unrecorded` (the policy wants a recording, and there is none any more), `max` (of the
    /// session), `hangup`, `terminated` (SIGTERM), `killed` (from outside) or `interrupted` (SIGINT while none of its commands ran).
    pub reason: Option<String>,
    pub cwd: &'a str,
    /// At the end: milliseconds.
    pub duration_ms: Option<u64>,
    /// At the end: bytes that passed; `None` on a terminal.
    pub bytes_out: Option<u64>,
    pub bytes_err: Option<u64>,
    /// At the end: where it is in the recording; `None` where it is in none.
    pub recording: Option<Chapter>,
    /// At the end: why it is not recorded as the policy wants it.
    pub unrecorded: Option<String>,
    /// At the end: what was not let through to the terminal, by class, and secrets that were replaced, by the pattern that found them.
    pub screen: Vec<(&'static str, u64)>,
    pub redacted: Vec<(&'static str, u64)>,
    pub protections: &'a [&'a str],
    /// What should be in force too, and is not, because the kernel lacks it and the policy puts up with that.
    pub missing: &'a [&'a str],
    /// Digest of the policy that decided.
    pub policy: &'a str,
}

/// A command in the recording of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chapter {
    /// Where the line of its marker stands in the file, in bytes from its beginning.
    pub offset: u64,
    /// When, in milliseconds from the start of the recording.
    pub ms: u64,
    /// Bytes of its output that are not recorded.
    pub left_out: u64,
}

/// One process of a line. By default nothing is known of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StageRecord {
    pub argv: Vec<String>,
    /// Full path; `None` where it was not found, or not looked for.
    pub program: Option<String>,
    /// `file:line`.
    pub rule: Option<String>,
    pub run_as: Option<String>,
    pub confine: Option<String>,
    /// Those that it has, as capabilities(7) writes them.
    pub capabilities: Vec<String>,
    /// Whether the person repeated what the line names, as its rule asks.
    pub confirmed: bool,
    /// What the rule's witness said before, at the start.
    pub before: Option<Vec<u8>>,
    /// What the rule's witness said at the end, or why it said nothing.
    pub after: Option<Vec<u8>>,
    pub pid: Option<i32>,
    pub status: Option<StageStatus>,
    /// At the end: programs that it was stopped from starting, the first few.
    pub stopped: Vec<String>,
    /// At the end: files that it opened, where its rule asks for that.
    pub files: Files,
}

/// Files that a process opened, named or removed, each once for each way of doing so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    pub listed: Vec<FileRecord>,
    /// Times that something was done to a file that is not listed: there were too many, or its name could not be seen.
    pub left_out: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRecord {
    /// Whatever its bytes.
    pub path: Vec<u8>,
    pub access: FileAccess,
    /// At the end, in bytes; `None` where it was gone, or could not be looked at.
    pub size: Option<u64>,
}

/// What was done to a file. For reading and writing is writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileAccess {
    Read,
    /// Written to, or given its name.
    Write,
    /// It is there no more.
    Remove,
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

impl Event<'_> {
    /// As the field `event` names it.
    pub fn name(&self) -> &'static str {
        match self {
            Event::SessionStart { .. } => "session.start",
            Event::SessionDeny { .. } => "session.deny",
            Event::CommandStart(_) => "command.start",
            Event::CommandDeny(_) => "command.deny",
            Event::CommandEnd(_) => "command.end",
            Event::PolicyChange { .. } => "policy.change",
            Event::PolicyDamage { .. } => "policy.damage",
            Event::SessionEnd { .. } => "session.end",
            Event::SessionWatch { .. } => "session.watch",
        }
    }

    /// How loud it is in syslog.
    pub(super) fn severity(&self) -> Severity {
        match self {
            Event::CommandDeny(_) | Event::SessionDeny { .. } => Severity::LOG_WARNING,
            Event::PolicyDamage { .. } => Severity::LOG_ALERT,
            _ => Severity::LOG_INFO,
        }
    }

    /// How much the file needs to have this event before the shell goes on. What runs after a start must not outlive its record: where the
    /// file is the only place that has it, it is on the disk itself.
    pub(super) fn need(&self, elsewhere: bool) -> Need {
        match self {
            Event::SessionEnd { .. } | Event::SessionDeny { .. } | Event::SessionWatch { duration_ms: Some(_), .. } => Need::Last,
            _ if elsewhere => Need::Later,
            Event::CommandStart(_) => Need::Durable,
            _ => Need::Now,
        }
    }

    /// The fields behind the common ones, in order.
    pub(super) fn fields(&self) -> Vec<Field> {
        let text = |name, value: &str| Field::string(name, value.as_bytes());
        let id = |name, value: Option<u32>| Field::or_null(name, value.map(|id| Field::number(name, id)));
        let mode = |observe: &bool| observe.then(|| text("mode", "observe"));
        match self {
            Event::SessionStart { way, version, install, auid, ses, policy, observe, protections, recording } => {
                let known = [text("way", way), text("version", version), text("install", install), id("auid", *auid), id("ses", *ses)];
                let recording = Field::or_null("recording", recording.map(|path| text("recording", path)));
                let fields = known.into_iter().chain(mode(observe)).chain([recording]);
                fields.chain([Field::strings("protections", protections.iter().copied()), text("policy", policy)]).collect()
            }
            Event::SessionDeny { reason } => vec![text("reason", reason)],
            Event::CommandStart(command) | Event::CommandDeny(command) => command.fields(false),
            Event::CommandEnd(command) => command.fields(true),
            Event::PolicyChange { before, policy, observe } => {
                [text("before", before)].into_iter().chain(mode(observe)).chain([text("policy", policy)]).collect()
            }
            Event::PolicyDamage { reason, policy } => vec![text("reason", reason), text("policy", policy)],
            Event::SessionEnd { reason, killed, commands, denied, duration_ms } => {
                let counts = [("commands", *commands), ("denied", *denied), ("duration_ms", *duration_ms)];
                let killed = killed.iter().flat_map(|Killed { by, why }| [text("by", by), text("why", why)]);
                let counts = counts.map(|(name, count)| Field::number(name, count));
                std::iter::once(text("reason", reason)).chain(killed).chain(counts).collect()
            }
            Event::SessionWatch { watched, by, auid, duration_ms } => {
                let mut fields = vec![text("watched", watched), text("by", by), id("auid", *auid)];
                fields.extend(duration_ms.map(|time| Field::number("duration_ms", time)));
                fields
            }
        }
    }
}

impl Decision {
    fn name(self) -> &'static str {
        match self {
            Decision::Allow => "allow",
            Decision::Deny => "deny",
            Decision::Invalid => "invalid",
            Decision::Observe => "observe",
        }
    }
}

impl CommandRecord<'_> {
    /// At the end of a command the counts are there in any case, `null` on a terminal; before it they do not apply and are left out.
    fn fields(&self, ended: bool) -> Vec<Field> {
        let count = |name, value: Option<u64>| Field::or_null(name, value.map(|value| Field::number(name, value)));
        let mut fields = vec![
            Field::number("command", self.command),
            Field::string("line", self.line),
            Field { name: "stages", json: json::array(self.stages.iter().map(StageRecord::json)) },
            Field::string("decision", self.decision.name().as_bytes()),
        ];
        fields.extend(self.reason.as_ref().map(|reason| Field::string("reason", reason.as_bytes())));
        fields.push(Field::string("cwd", self.cwd.as_bytes()));
        if ended {
            fields.push(count("duration_ms", self.duration_ms));
            fields.push(count("bytes_out", self.bytes_out));
            fields.push(count("bytes_err", self.bytes_err));
            fields.extend(self.recording.map(Chapter::field));
            fields.extend(self.unrecorded.as_ref().map(|reason| Field::string("unrecorded", reason.as_bytes())));
            fields.extend(counts("screen", &self.screen));
            fields.extend(counts("redacted", &self.redacted));
        }
        fields.push(Field::strings("protections", self.protections.iter().copied()));
        fields.extend((!self.missing.is_empty()).then(|| Field::strings("missing", self.missing.iter().copied())));
        fields.push(Field::string("policy", self.policy.as_bytes()));
        fields
    }
}

/// Counts by name, where there are any.
fn counts(name: &'static str, counts: &[(&'static str, u64)]) -> Option<Field> {
    let fields: Vec<Field> = counts.iter().map(|(name, count)| Field::number(name, *count)).collect();
    (!fields.is_empty()).then(|| Field { name, json: json::object(&fields) })
}

impl Chapter {
    fn field(self) -> Field {
        let fields = [("offset", self.offset), ("ms", self.ms), ("left_out", self.left_out)];
        Field { name: "recording", json: json::object(&fields.map(|(name, value)| Field::number(name, value))) }
    }
}

impl StageRecord {
    /// Only what is known is there.
    fn json(&self) -> String {
        let text = |name, value: &Option<String>| value.as_ref().map(|value| Field::string(name, value.as_bytes()));
        let files = &self.files;
        let bytes = |name, value: &Option<Vec<u8>>| value.as_ref().map(|value| Field::string(name, value));
        let fields = [
            Some(Field::strings("argv", self.argv.iter().map(String::as_str))),
            text("program", &self.program),
            text("rule", &self.rule),
            text("as", &self.run_as),
            text("confine", &self.confine),
            (!self.capabilities.is_empty()).then(|| Field::strings("capabilities", self.capabilities.iter().map(String::as_str))),
            self.confirmed.then(|| Field::boolean("confirmed", true)),
            bytes("before", &self.before),
            bytes("after", &self.after),
            self.pid.map(|pid| Field::number("pid", pid)),
            self.status.as_ref().map(|status| Field { name: "status", json: json::object([&status.field()]) }),
            (!self.stopped.is_empty()).then(|| Field::strings("stopped", self.stopped.iter().map(String::as_str))),
            (!files.listed.is_empty()).then(|| Field { name: "files", json: json::array(files.listed.iter().map(FileRecord::json)) }),
            (files.left_out > 0).then(|| Field::number("files_left_out", files.left_out)),
        ];
        json::object(fields.iter().flatten())
    }
}

impl FileRecord {
    fn json(&self) -> String {
        let access = match self.access {
            FileAccess::Read => "read",
            FileAccess::Write => "write",
            FileAccess::Remove => "remove",
        };
        let size = Field::or_null("size", self.size.map(|size| Field::number("size", size)));
        json::object(&[Field::string("path", &self.path), Field::string("access", access.as_bytes()), size])
    }
}

impl StageStatus {
    fn field(&self) -> Field {
        match self {
            StageStatus::Exit(code) => Field::number("exit", *code),
            StageStatus::Signal(name) => Field::string("signal", name.as_bytes()),
            StageStatus::Error(reason) => Field::string("error", reason.as_bytes()),
        }
    }
}
