//! Sessions, open and past: listed, watched, ended, replayed, searched. There is no daemon: all is read from the directory of the records,
//! and which sessions are open the kernel says (`sys::holder`).
//!
//! Nothing that is read there is believed or shown raw. Texts of records are escaped, texts of recordings pass the filter of screens again.

mod index;
pub mod kill;
mod operator;
mod player;
pub mod replay;
mod screen;
pub mod search;
mod store;
mod table;
mod terminal;
pub mod watch;
mod when;

use std::io::BufReader;

use serde::Serialize;
use time::OffsetDateTime;

use self::store::{Entry, Store};
use self::when::Since;
use super::arguments::{Arguments, Flag};
use super::output::{complain, json, say};
use super::{Failure, Status};
use crate::record::read::Summary;
use crate::sys::holder::Holder;
use crate::words::Safe;

/// For the records of other hosts, and for tests.
pub const DIR: Flag =
    Flag { name: "dir", value: Some("DIR"), about: "read DIR in place of the directory of the policy in force", many: false };
pub const SINCE: Flag = Flag {
    name: "since",
    value: Some("TIME|DURATION"),
    about: "only what was open after TIME (UTC: 2026-11-21, 2026-11-21T03:12), or so long ago (90s, 15m, 2h, 7d)",
    many: false,
};
pub const ACCOUNT: Flag = Flag { name: "account", value: Some("NAME"), about: "only sessions of this account", many: false };

/// A session as it is listed. Field names are the contract of `--json`.
#[derive(Serialize)]
struct Listed {
    session: String,
    host: String,
    account: String,
    uid: Option<u64>,
    from: Option<String>,
    tty: Option<String>,
    way: Option<String>,
    since: String,
    until: Option<String>,
    seconds: Option<u64>,
    commands: u64,
    denied: u64,
    open: bool,
    pid: Option<i32>,
    end: Option<String>,
    by: Option<String>,
    why: Option<String>,
    watched: Option<String>,
    recording: Option<String>,
    /// Lines that are no records.
    damaged: u64,
}

/// `postern sessions`.
pub fn sessions(arguments: &Arguments) -> Result<Status, Failure> {
    let store = Store::of(arguments)?;
    let (since, account) = (Since::of(arguments)?, store::account(arguments)?);
    let only_open = arguments.flag("open").is_some();
    let mut listed = Vec::new();
    for id in store.ids()? {
        // Before the records are read: what is not open now has its last record already.
        let Some(entry) = store.entry(&id).map_err(|error| complain(format_args!("postern: {error}"))).ok() else { continue };
        if only_open && entry.holder == Holder::Nobody || entry.is_before(since.as_ref()) {
            continue;
        }
        let Some(session) = list(&store, entry) else { continue };
        let is_wanted = account.as_ref().is_none_or(|account| *account == session.account)
            && (!only_open || session.open)
            && since.as_ref().is_none_or(|since| session.open || session.until.as_deref().is_some_and(|until| since.covers(until)));
        if is_wanted {
            listed.push(session);
        }
    }
    listed.sort_by(|one, other| one.since.cmp(&other.since));
    if arguments.flag("json").is_some() {
        say(json(&listed)?)
    } else {
        say(table::table(&listed))
    }
    Ok(Status::Done)
}

fn list(store: &Store, entry: Entry) -> Option<Listed> {
    let Entry { id, records, holder, .. } = entry;
    let summary = Summary::read(BufReader::new(&records));
    let summary = summary.map_err(|error| complain(format_args!("postern: {id}.jsonl: {error}"))).ok()?;
    if let Some((lines, first)) = summary.bad.filter(|_| holder == Holder::Nobody) {
        complain(format_args!("postern: {id}.jsonl: {lines} of its lines are no records, the first of them line {first}"));
    }
    let open = holder != Holder::Nobody && summary.end.is_none();
    let pid = match holder {
        Holder::Process(pid) => Some(pid.as_raw()),
        Holder::Nobody | Holder::Hidden => None,
    };
    let lost = if store.is_killed(&id) { "killed" } else { "lost" };
    let until = (!open).then(|| summary.until.clone());
    Some(Listed {
        recording: store.recording(&id).map(|path| path.display().to_string()),
        session: id,
        seconds: seconds(&summary.since, until.as_deref()),
        until,
        host: summary.host,
        account: summary.account,
        uid: summary.uid,
        from: summary.from,
        tty: summary.tty,
        way: summary.way,
        since: summary.since,
        commands: summary.commands,
        denied: summary.denied,
        open,
        pid: pid.filter(|_| open),
        end: summary.end.or_else(|| (!open).then(|| lost.to_owned())),
        by: summary.by,
        why: summary.why,
        watched: summary.watched,
        damaged: summary.bad.map_or(0, |(lines, _)| lines),
    })
}

/// How long a session lasted, or has lasted by now.
fn seconds(since: &str, until: Option<&str>) -> Option<u64> {
    let until = match until {
        Some(until) => when::moment(until)?,
        None => OffsetDateTime::now_utc(),
    };
    u64::try_from((until - when::moment(since)?).whole_seconds()).ok()
}

/// What follows a name in messages: made safe.
fn safe(text: &str) -> String {
    Safe(text.as_bytes()).to_string()
}
