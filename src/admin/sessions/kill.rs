//! `postern kill`: ends a session and all that it started.
//!
//! The order says by whom and why, SIGTERM makes the shell read it: it kills what runs, puts the end on record and tells the person. A shell
//! that has not ended after a second is killed itself, and the kernel ends what it had started.

use std::io::BufReader;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::Signal;

use super::super::arguments::Arguments;
use super::super::output::{complain, say};
use super::super::{Failure, Status};
use super::operator::Operator;
use super::safe;
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
    // A disk that is full, or what stands in its place, keeps nobody from ending a session.
    if let Err(error) = order.write(&records) {
        complain(format_args!("postern: {}.kill: {error}; the session will not say by whom it was ended", entry.id));
    }
    let end = end(&process).map_err(|errno| {
        Order::remove(&records);
        Failure::Other(format!("session {} cannot be ended: {}", entry.id, errno.desc()))
    })?;
    Ok(report(&records, &entry, end))
}

/// How the shell ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    InTime,
    /// By SIGKILL.
    Killed,
    /// Not yet: the kernel ends it when what it waits for, such as a disk, answers.
    Late,
}

/// Says how it went. All is well only where the records say by whom it was ended; a person may have left in that moment. An order stays where
/// no end is on record: it says what became of the session.
fn report(records: &Path, entry: &Entry, end: End) -> Status {
    let id = &entry.id;
    match end {
        End::InTime => {}
        End::Killed => complain(format_args!("postern: session {id} did not end within {KILL_GRACE:?}: its shell was killed")),
        End::Late => complain(format_args!("postern: session {id} has not ended yet, though its shell was killed")),
    }
    let summary = Summary::read(BufReader::new(&entry.records)).unwrap_or_default();
    let Some(reason) = summary.end else {
        complain(format_args!("postern: the end of session {id} is not on record"));
        return Status::Findings;
    };
    Order::remove(records);
    if summary.by.is_none() {
        complain(format_args!("postern: session {id} is over, and its records do not say by whom: {}", safe(&reason)));
        return Status::Findings;
    }
    if end != End::InTime {
        return Status::Findings;
    }
    say(format_args!("session {id} is over"));
    Status::Done
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

/// Ends the shell. SIGTERM is repeated: a shell that is about to read from its terminal takes notice of one
/// a second later only (`sys::prompt`).
fn end(process: &Process) -> nix::Result<End> {
    let end = Instant::now() + KILL_GRACE;
    while Instant::now() < end {
        match process.signal(Signal::SIGTERM) {
            // It was over anyway.
            Err(Errno::ESRCH) => return Ok(End::InTime),
            sent => sent?,
        }
        if process.wait(REPEAT.min(end.saturating_duration_since(Instant::now())))? {
            return Ok(End::InTime);
        }
    }
    match process.signal(Signal::SIGKILL) {
        Err(Errno::ESRCH) => return Ok(End::InTime),
        sent => sent?,
    }
    Ok(if process.wait(KILL_GRACE)? { End::Killed } else { End::Late })
}
