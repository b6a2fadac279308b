//! What a check says.

use serde::Serialize;

use super::host::Host;
use crate::sys::file::FileError;
use crate::words::{Safe, escape};

/// One check: an id that never changes its meaning, and what it says of a host. It says something of whatever it looked at.
pub struct Check {
    pub id: &'static str,
    pub run: fn(&Host) -> Vec<Finding>,
}

/// How bad it is, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// A way round a door, or nothing works: monitoring should wake somebody.
    Problem,
    /// Weaker than it should be.
    Warning,
    /// Not looked at; the message says why.
    Skipped,
    /// Good to know.
    Note,
    Ok,
}

impl Level {
    /// As the text output shows it, 7 columns.
    pub fn mark(self) -> &'static str {
        match self {
            Level::Problem => "PROBLEM",
            Level::Warning => "WARNING",
            Level::Skipped => "skipped",
            Level::Note => "note",
            Level::Ok => "ok",
        }
    }
}

/// What would mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fix {
    /// For a shell of root's, exactly as it stands.
    Command(String),
    /// In words: a setting, or what no one command does.
    Words(String),
}

/// One thing that is so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub level: Level,
    /// What it is about: an account, a path, a setting.
    pub subject: String,
    /// One sentence, without the full stop.
    pub message: String,
    pub fix: Option<Fix>,
}

impl Finding {
    pub fn new(level: Level, subject: impl Into<String>, message: impl Into<String>) -> Finding {
        Finding { level, subject: subject.into(), message: message.into(), fix: None }
    }

    pub fn problem(subject: impl Into<String>, message: impl Into<String>) -> Finding {
        Finding::new(Level::Problem, subject, message)
    }

    pub fn warning(subject: impl Into<String>, message: impl Into<String>) -> Finding {
        Finding::new(Level::Warning, subject, message)
    }

    pub fn skipped(subject: impl Into<String>, message: impl Into<String>) -> Finding {
        Finding::new(Level::Skipped, subject, message)
    }

    pub fn note(subject: impl Into<String>, message: impl Into<String>) -> Finding {
        Finding::new(Level::Note, subject, message)
    }

    pub fn ok(subject: impl Into<String>, message: impl Into<String>) -> Finding {
        Finding::new(Level::Ok, subject, message)
    }

    /// What is wrong with a file or a directory that has to be root's, with all above it. What is only closed to us is skipped.
    pub fn distrust(error: &FileError) -> Finding {
        let path = |path: &std::path::Path| path.display().to_string();
        match error {
            FileError::Owner { path: at, uid } => {
                Finding::problem(path(at), format!("it is owned by uid {uid}, not by root")).command(["chown", "root", &path(at)])
            }
            FileError::Writable { path: at, who, mend } => {
                Finding::problem(path(at), format!("it can be written by {who}")).command(["chmod", mend, &path(at)])
            }
            FileError::System { path: at, source } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                Finding::skipped(path(at), "only root can look at it")
            }
            FileError::Shared { path: at } => {
                Finding::problem(path(at), "it is open to everyone").fix("keep what is trusted in a directory that only root can write to")
            }
            FileError::Kind { path: at, found, expected } => Finding::problem(path(at), format!("it is {found}, not {expected}")),
            FileError::System { path: at, source } => Finding::problem(path(at), source.to_string()),
            other => Finding::problem("files", other.to_string()),
        }
    }

    /// With a fix that is one command, its words quoted for a shell.
    pub fn command<'a>(self, words: impl IntoIterator<Item = &'a str>) -> Finding {
        self.script(escape::pasteable(words))
    }

    /// With a fix that is a line for a shell.
    pub fn script(self, line: impl Into<String>) -> Finding {
        Finding { fix: Some(Fix::Command(line.into())), ..self }
    }

    /// With a fix in words.
    pub fn fix(self, words: impl Into<String>) -> Finding {
        Finding { fix: Some(Fix::Words(words.into())), ..self }
    }

    /// As one line of text and, where there is a fix, a second.
    pub fn text(&self, id: &str) -> String {
        let (subject, message) = (Safe(self.subject.as_bytes()), Safe(self.message.as_bytes()));
        let line = format!("  {:7}  {id}: {subject}: {message}", self.level.mark());
        match &self.fix {
            None => line,
            Some(Fix::Command(command)) => format!("{line}\n           # {}", Safe(command.as_bytes())),
            Some(Fix::Words(words)) => format!("{line}\n           fix: {}", Safe(words.as_bytes())),
        }
    }
}

/// One word for a shell.
pub fn quoted(word: &str) -> String {
    escape::pasteable([word])
}
