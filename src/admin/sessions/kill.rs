//! `postern kill`: ends a session and all that it started.
//!
//! The order says by whom and why, SIGTERM makes the shell read it: it kills what runs, puts the end on record and tells the person. A shell
//! that has not ended after a second is killed itself, and the kernel ends what it had started.

use std::io::BufReader;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::Signal;

use super::super::arguments::Arguments;
use super::super::output::{complain, say};
use super::super::{Failure, Status};
use super::operator::Operator;
use super::store::{Entry, Store};
use crate::record::Order;
use crate::record::read::Summary;
use crate::sys::holder::{self, Holder, Process};
use crate::words::limits::{KILL_GRACE, ORDER_REASON_BYTES};

/// How often a shell is told to end.
const REPEAT: Duration = Duration::from_millis(100);

pub fn kill(arguments: &Arguments) -> Result<Status, Failure> {
    let store = Store::of(arguments)?;
    let reason = arguments.flag("reason").map(|reason| reason.to_string_lossy().into_owned()).unwrap_or_default();
    if reason.len() > ORDER_REASON_BYTES {
        return Err(Failure::Usage(format!("the reason is longer than {ORDER_REASON_BYTES} bytes")));
    }
    let operator = Operator::of_this_process();
    let entry = store.find(arguments.operands.first().map(|id| id.as_os_str()), Entry::is_open)?;
    let process = shell(&entry)?;
    let records = store.records(&entry.id);
    let order = Order { by: operator.name, uid: operator.uid, reason };
    order.write(&records).map_err(|error| Failure::Other(format!("{}.kill: {error}", entry.id)))?;
    let in_time = end(&process).map_err(|errno| {
        Order::remove(&records);
        Failure::Other(format!("session {} cannot be ended: {}", entry.id, errno.desc()))
    })?;
    report(&store, &entry, in_time)
}

/// Says how it went. An order that did not come to be on record stays: it says what became of the session.
fn report(store: &Store, entry: &Entry, in_time: bool) -> Result<Status, Failure> {
    let id = &entry.id;
    let recorded = Summary::read(BufReader::new(&entry.records)).ok().and_then(|summary| summary.end);
    if recorded.is_some() {
        Order::remove(&store.records(id));
    }
    if !in_time {
        complain(format_args!("postern: session {id} did not end within {KILL_GRACE:?}: its shell was killed"));
    }
    match recorded {
        Some(_) if in_time => say(format_args!("session {id} is over")),
        Some(_) => {}
        None => complain(format_args!("postern: the end of session {id} is not on record")),
    }
    Ok(if in_time { Status::Done } else { Status::Findings })
}

/// The process that writes the records, as the kernel names it.
fn shell(entry: &Entry) -> Result<Process, Failure> {
    let Holder::Process(pid) = entry.holder else {
        let why = if entry.holder == Holder::Nobody { "is not open" } else { "is of another PID namespace" };
        return Err(Failure::Other(format!("session {} {why}", entry.id)));
    };
    let failed = |errno: Errno| Failure::Other(format!("session {}, process {pid}: {}", entry.id, errno.desc()));
    let process = Process::open(pid).map_err(failed)?;
    // The number may have become another's before the handle was there.
    match holder::holder(&entry.records).map_err(failed)? {
        Holder::Process(now) if now == pid => Ok(process),
        _ => Err(Failure::Other(format!("session {} has just ended", entry.id))),
    }
}

/// Ends the shell; whether it ended within its time. SIGTERM is repeated: a shell that is about to read from its terminal takes notice of one
/// a second later only (`sys::prompt`).
fn end(process: &Process) -> nix::Result<bool> {
    let end = Instant::now() + KILL_GRACE;
    while Instant::now() < end {
        match process.signal(Signal::SIGTERM) {
            // It was over anyway.
            Err(Errno::ESRCH) => return Ok(true),
            sent => sent?,
        }
        if process.wait(REPEAT.min(end.saturating_duration_since(Instant::now())))? {
            return Ok(true);
        }
    }
    match process.signal(Signal::SIGKILL) {
        Err(Errno::ESRCH) => return Ok(true),
        sent => sent?,
    }
    process.wait(KILL_GRACE)?;
    Ok(false)
}
