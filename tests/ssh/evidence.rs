//! What is on record of an account: in the files of its sessions, and in rsyslogd's.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use super::host::{AUDIT, Account, CENTRAL};
use super::sandbox::await_some;

/// The fields that every record begins with, in order.
pub const FIRST_FIELDS: [&str; 10] = ["v", "event", "session", "seq", "time", "host", "account", "uid", "from", "tty"];

/// One session's records, a line of JSON each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: String,
    pub lines: Vec<String>,
}

impl Session {
    pub fn records(&self) -> Vec<Value> {
        self.lines.iter().map(|line| parse(line)).collect()
    }

    /// The records of one event.
    pub fn events(&self, event: &str) -> Vec<Value> {
        self.records().into_iter().filter(|record| record["event"] == event).collect()
    }

    fn ended(&self) -> bool {
        !self.events("session.end").is_empty()
    }
}

/// The sessions of an account in the audit directory, oldest first, once `count` of them have ended.
pub fn sessions(account: &Account, count: usize) -> Vec<Session> {
    await_some(|| format!("{count} ended sessions of {} in {AUDIT}", account.name), || complete(local(account), count))
}

/// The one session of an account.
pub fn only_session(account: &Account) -> Session {
    let mut sessions = sessions(account, 1);
    assert_eq!(sessions.len(), 1, "one session of {}", account.name);
    sessions.remove(0)
}

/// The same, as rsyslogd wrote them. It writes a little later than the shell.
pub fn central_sessions(account: &Account, count: usize) -> Vec<Session> {
    await_some(|| format!("{count} ended sessions of {} in {CENTRAL}", account.name), || complete(central(account), count))
}

/// Whether a session that has not ended yet has the outcome of a command on record.
pub fn outcome_in_open_session(account: &Account) -> bool {
    let open = local(account).into_iter().filter(|session| !session.ended());
    open.into_iter().any(|session| !session.events("command.end").is_empty() || !session.events("command.deny").is_empty())
}

fn complete(sessions: Vec<Session>, count: usize) -> Option<Vec<Session>> {
    (sessions.iter().filter(|session| session.ended()).count() >= count).then_some(sessions)
}

fn local(account: &Account) -> Vec<Session> {
    let files = fs::read_dir(AUDIT).unwrap().map(|entry| entry.unwrap().path());
    by_session(account, files.map(|file| fs::read_to_string(file).unwrap()).collect::<String>().lines())
}

fn central(account: &Account) -> Vec<Session> {
    by_session(account, fs::read_to_string(CENTRAL).unwrap_or_default().lines())
}

/// Sorts lines by session, and sessions by their start. A last line that is still being written is left for later.
fn by_session<'a>(account: &Account, lines: impl Iterator<Item = &'a str>) -> Vec<Session> {
    let mut sessions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in lines {
        let Ok(record) = serde_json::from_str::<Value>(line) else { continue };
        if record["account"] == account.name.as_str() {
            sessions.entry(record["session"].as_str().unwrap().to_owned()).or_default().push(line.to_owned());
        }
    }
    let mut sessions: Vec<Session> = sessions.into_iter().map(|(id, lines)| Session { id, lines }).collect();
    // Identities sort by time too, but to the second only.
    sessions.sort_by_key(|session| session.records()[0]["time"].as_str().unwrap_or("").to_owned());
    sessions
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}
