//! What is on record: events as ASCII JSON, one object a record, to the local syslog socket and to the session's own file.
//!
//! Either place is enough; a record that neither takes is an error, and the caller decides by the policy's `on_failure`.
//! Neither place can hold the shell up: the socket never blocks, and the disk is written by a thread that is given up on.
#![forbid(unsafe_code)]

pub mod event;
mod file;
pub mod json;
pub mod order;
pub mod parts;
pub mod read;
pub mod recording;
mod syslog;

use std::io;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;

pub use event::{Chapter, CommandRecord, Decision, Event, FileAccess, FileRecord, Files, Killed, StageRecord, StageStatus};
pub use order::Order;
pub use parts::{JoinError, join};
pub use recording::{Encoder, Recording};

use crate::access::Person;
use crate::policy::settings::Audit;
use crate::sys::random;
use file::SessionFile;
use parts::Common;
use syslog::Syslog;

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

impl Session {
    /// A new one.
    pub fn of(person: &Person) -> Session {
        Session {
            id: new_session_id(),
            host: person.host.clone(),
            account: person.account.clone(),
            uid: person.uid,
            from: person.from.map(|address| address.to_string()),
            tty: person.tty.clone(),
        }
    }
}

/// Writes the records of one session. Dropping it closes the file: gives its reserve back and makes it read-only.
pub struct Recorder {
    session: Session,
    common: Common,
    path: PathBuf,
    file: Place<SessionFile>,
    syslog: Place<Syslog>,
    /// Number of the next record, from 1. One that no place took leaves a gap: something is missing, and it shows.
    seq: u64,
    /// When the last record was written; a clock that is set back does not show inside a session.
    time: OffsetDateTime,
    notices: Vec<String>,
    audit: Audit,
}

impl Recorder {
    /// Opens both places. What fails is reported by the first [`Recorder::write`], not here.
    ///
    /// Starts the thread that writes the file; every fork after this must do without the locks of other threads.
    pub fn open(audit: &Audit, session: Session) -> Recorder {
        let path = Path::new(&audit.dir).join(format!("{}.jsonl", session.id));
        let name = path.display().to_string();
        Recorder {
            common: Common::of(&session),
            session,
            file: Place::new(name, SessionFile::create(path.clone()).map_err(|error| error.to_string())),
            path,
            syslog: syslog_place(audit),
            seq: 1,
            time: OffsetDateTime::UNIX_EPOCH,
            notices: Vec::new(),
            audit: audit.clone(),
        }
    }

    /// Writes one event; it is on record when this returns `Ok`. Continues in `command.args` records where it is long.
    ///
    /// Waits at most `limits::SYSLOG_DEADLINE` for the socket and `limits::DISK_DEADLINE` for the file, and not again for a place that let
    /// it wait so long before.
    pub fn write(&mut self, event: &Event<'_>) -> Result<(), Unrecorded> {
        self.time = self.time.max(OffsetDateTime::now_utc());
        let records = self.common.records(event, self.seq, &timestamp(self.time));
        self.seq += records.len() as u64;

        let syslog = self.syslog.take(&mut self.notices, |syslog| syslog.send(event.severity(), &records).map(Some));
        let mut lines = records.join("\n");
        lines.push('\n');
        let file = self.file.take(&mut self.notices, |file| file.append(lines, event.need(syslog.is_ok())));
        match (file, syslog) {
            (Err(file), Err(syslog)) => Err(Unrecorded { file, syslog }),
            _ => Ok(()),
        }
    }

    /// Waits until the file has, or has failed to take, what syslog took before it.
    pub fn settle(&mut self) {
        if self.file.place.as_ref().is_ok_and(SessionFile::is_behind) {
            let _ = self.file.take(&mut self.notices, |file| file.settle().map(Some));
        }
    }

    /// What the person must be told, once each: a place that stopped taking records, or takes them again.
    pub fn notices(&mut self) -> Vec<String> {
        if self.file.place.as_ref().is_ok_and(SessionFile::is_behind) {
            let _ = self.file.take(&mut self.notices, SessionFile::answered);
        }
        std::mem::take(&mut self.notices)
    }

    /// By whose order the session is to end, if an operator has ended it.
    pub fn order(&self) -> Option<Order> {
        self.file.place.as_ref().ok()?.order()
    }

    /// Waits, at most `limits::ORDER_DEADLINE`, until the file is there and room for its first records is reserved, or cannot be.
    pub fn await_room(&self) {
        if let Ok(file) = &self.file.place {
            file.await_room();
        }
    }

    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The file of the session, which a change of the policy does not move.
    pub fn file(&self) -> &Path {
        &self.path
    }

    /// The syslog socket, where the policy names one.
    pub fn syslog(&self) -> Option<&str> {
        self.audit.syslog.as_deref()
    }

    /// Follows a change of the policy's `audit:`; the file of the session stays.
    pub fn reconfigure(&mut self, audit: &Audit) {
        if (&audit.syslog, &audit.facility) != (&self.audit.syslog, &self.audit.facility) {
            self.syslog = syslog_place(audit);
        }
        self.audit = audit.clone();
    }
}

fn syslog_place(audit: &Audit) -> Place<Syslog> {
    let name = format!("syslog at {}", audit.syslog.as_deref().unwrap_or("none"));
    let mut place = Place::new(name, Syslog::of(audit));
    // Nobody needs to be told of what the policy itself says.
    place.taking = audit.syslog.is_some();
    place
}

/// One of the two places, and whether it took the last record.
struct Place<T> {
    /// As messages name it.
    name: String,
    /// Or why there is none.
    place: Result<T, String>,
    taking: bool,
}

impl<T> Place<T> {
    fn new(name: String, place: Result<T, String>) -> Self {
        Place { name, place, taking: true }
    }

    /// Lets the place take a record, and notes when it stops doing so or starts again; `None` is no answer yet.
    fn take(&mut self, notices: &mut Vec<String>, write: impl FnOnce(&mut T) -> io::Result<Option<()>>) -> Result<(), String> {
        let taken = match &mut self.place {
            Ok(place) => write(place).map_err(|error| format!("{}: {error}", self.name)),
            Err(reason) => Err(format!("{}: {reason}", self.name)),
        };
        match (&taken, self.taking) {
            (Err(reason), true) => notices.push(format!("records do not reach {reason}")),
            (Ok(Some(())), false) => notices.push(format!("records reach {} again", self.name)),
            _ => {}
        }
        self.taking = match &taken {
            Ok(Some(())) => true,
            Ok(None) => self.taking,
            Err(_) => false,
        };
        taken.map(drop)
    }
}

/// RFC 3339 in UTC, to the millisecond.
pub fn timestamp(time: OffsetDateTime) -> String {
    let (date, clock) = (time.date(), time.time());
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    let (hour, minute, second, milliseconds) = (clock.hour(), clock.minute(), clock.second(), clock.millisecond());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
}

/// A new session id: the UTC time to the second and 32 random bits.
pub fn new_session_id() -> String {
    let now = OffsetDateTime::now_utc();
    // The file is created exclusively, so that a poorer source is still no mix-up.
    let random = random::bytes().map_or_else(|_| now.nanosecond() ^ std::process::id(), u32::from_be_bytes);
    let (date, clock) = (now.date(), now.time());
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    format!("{year:04}{month:02}{day:02}-{:02}{:02}{:02}-{random:08x}", clock.hour(), clock.minute(), clock.second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_to_the_millisecond() {
        let time = |milliseconds: i128| timestamp(OffsetDateTime::from_unix_timestamp_nanos(milliseconds * 1_000_000).unwrap());
        assert_eq!(time(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(time(1_795_230_764_007), "2026-11-21T03:12:44.007Z");
    }

    #[test]
    fn session_ids_sort_by_time_and_differ() {
        let (one, two) = (new_session_id(), new_session_id());
        assert_ne!(one, two);
        for id in [one, two] {
            let shape: String = id.chars().map(|c| if c.is_ascii_hexdigit() && !c.is_ascii_uppercase() { 'x' } else { c }).collect();
            assert_eq!(shape, "xxxxxxxx-xxxxxx-xxxxxxxx");
        }
    }

    #[test]
    fn a_session_keeps_its_file_when_the_policy_names_another_place() {
        let audit = Audit { syslog: None, dir: "/nonexistent/one".to_owned(), ..Audit::default() };
        let session = Session { id: "id".to_owned(), host: String::new(), account: String::new(), uid: 0, from: None, tty: None };
        let mut recorder = Recorder::open(&audit, session);
        recorder.reconfigure(&Audit { syslog: Some("/nonexistent/log".to_owned()), dir: "/nonexistent/two".to_owned(), ..audit });
        assert_eq!(recorder.file(), Path::new("/nonexistent/one/id.jsonl"));
        assert_eq!(recorder.syslog(), Some("/nonexistent/log"));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_show() {
        let audit = Audit { syslog: None, dir: std::env::temp_dir().display().to_string(), ..Audit::default() };
        let session = Session {
            id: format!("clock-{}", new_session_id()),
            host: String::new(),
            account: String::new(),
            uid: 0,
            from: None,
            tty: None,
        };
        let file = Path::new(&audit.dir).join(format!("{}.jsonl", session.id));
        let mut recorder = Recorder::open(&audit, session);
        recorder.time = OffsetDateTime::from_unix_timestamp(4_000_000_000).unwrap();
        recorder.write(&Event::PolicyChange { before: "a", policy: "b", observe: false }).unwrap();
        drop(recorder);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert!(text.contains(r#""time":"2096-10-02T07:06:40.000Z""#), "{text}");
    }
}
