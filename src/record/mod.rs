//! What is on record: events as ASCII JSON, one object a record, to the local syslog socket and to the session's own file.
//!
//! Either place is enough; a record that neither takes is an error, and the caller decides by the policy's `on_failure`.
//! Neither place can hold the shell up: the socket never blocks, and the disk is written by a thread that is given up on.
#![forbid(unsafe_code)]

pub mod event;

pub use event::{CommandRecord, Decision, Event, StageRecord, StageStatus};

use crate::policy::settings::Audit;

/// No place took the record.
#[derive(Debug, thiserror::Error)]
#[error("no place took the record: {file}; {syslog}")]
pub struct Unrecorded {
    /// What became of the file.
    pub file: String,
    /// What became of the socket.
    pub syslog: String,
}

/// What is the same in every record of a session.
#[derive(Clone, Debug)]
pub struct Session {
    /// Sorts by time and names the file: `20261121-031244-9f3a1c2e`.
    pub id: String,
    pub host: String,
    pub account: String,
    pub uid: u32,
    /// The client's address.
    pub from: Option<String>,
    pub tty: Option<String>,
}

/// Writes the records of one session.
pub struct Recorder {}

impl Recorder {
    /// Opens both places. What fails is reported by the first [`Recorder::write`], not here.
    pub fn open(_audit: &Audit, _session: Session) -> Recorder {
        todo!()
    }

    /// Writes one event; it is on record when this returns `Ok`. Continues in `command.args` records where it is long.
    pub fn write(&mut self, _event: &Event<'_>) -> Result<(), Unrecorded> {
        todo!()
    }

    /// What the person must be told, once each: a place that stopped taking records, or takes them again.
    pub fn notices(&mut self) -> Vec<String> {
        todo!()
    }

    pub fn session(&self) -> &Session {
        todo!()
    }

    /// Follows a change of the policy's `audit:`; the file of the session stays.
    pub fn reconfigure(&mut self, _audit: &Audit) {
        todo!()
    }
}

/// A new session id: the UTC time to the second and 32 random bits.
pub fn new_session_id() -> String {
    todo!()
}
