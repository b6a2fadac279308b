//! What the guard puts on record, and what it does when no place takes a record.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use crate::access::{self, Login, Person};
use crate::confine::{self, Protection};
use crate::exec::plan::StageFacts;
use crate::exec::{Ended, Reached, StageEnd, StageOutcome};
use crate::policy::confinement::{Base, Confinement, Exec};
use crate::policy::settings::{Audit, OnFailure, Redact};
use crate::record::{self, CommandRecord, Decision, Event, Killed, Order, Recorder, StageRecord, StageStatus, Unrecorded};
use crate::screen::redact::{Key, redact, redact_words};

/// The records of one session.
pub struct Ledger {
    recorder: Recorder,
    on_failure: OnFailure,
    /// Where secrets are taken out, and what their fingerprints are made with.
    redact: Redact,
    key: Key,
    commands: u64,
    denied: u64,
    notices: Vec<String>,
    /// By whose order the session ends, once that was asked and there was one.
    order: Option<Order>,
}

impl Ledger {
    pub fn open(audit: &Audit, redact: Redact, person: &Person, key: Key) -> Ledger {
        let recorder = Recorder::open(audit, record::Session::of(person));
        let on_failure = audit.on_failure;
        Ledger { recorder, on_failure, redact, key, commands: 0, denied: 0, notices: Vec::new(), order: None }
    }

    /// Waits until there is room for the first records, if there is any.
    pub fn await_room(&self) {
        self.recorder.await_room();
    }

    pub fn session(&self) -> &record::Session {
        self.recorder.session()
    }

    /// Where records go: the file of this session, and the syslog socket if there is one.
    pub fn places(&self) -> (&Path, Option<&str>) {
        (self.recorder.file(), self.recorder.syslog())
    }

    /// The number of a new command, from 1.
    pub fn number(&mut self) -> u64 {
        self.commands += 1;
        self.commands
    }

    /// Writes a record. One that no place takes is an error if the policy says so, else a notice.
    pub fn write(&mut self, event: &Event<'_>) -> Result<(), Unrecorded> {
        if let Event::CommandDeny(_) = event {
            self.denied += 1;
        }
        let written = match event {
            Event::CommandStart(record) => self.write_command(record, |record| Event::CommandStart(record)),
            Event::CommandDeny(record) => self.write_command(record, |record| Event::CommandDeny(record)),
            Event::CommandEnd(record) => self.write_command(record, |record| Event::CommandEnd(record)),
            event => self.recorder.write(event),
        };
        self.notices.extend(self.recorder.notices());
        match (written, self.on_failure) {
            (Err(unrecorded), OnFailure::Continue) => {
                self.notices.push(format!("{unrecorded}; the policy lets the session go on without records"));
                Ok(())
            }
            (written, _) => written,
        }
    }

    /// Writes a record of a line, without the secrets that were typed into it.
    fn write_command(
        &mut self,
        record: &CommandRecord<'_>,
        event: for<'a> fn(&'a CommandRecord<'a>) -> Event<'a>,
    ) -> Result<(), Unrecorded> {
        if self.redact == Redact::None {
            return self.recorder.write(&event(record));
        }
        let (line, found) = redact(&self.key, record.line);
        let mut record = CommandRecord { line: &line, ..record.clone() };
        for stage in &mut record.stages {
            let (words, _) = redact_words(&self.key, &stage.argv);
            stage.argv = words.into_iter().map(|word| String::from_utf8_lossy(&word).into_owned()).collect();
            for witnessed in [&mut stage.before, &mut stage.after].into_iter().flatten() {
                *witnessed = redact(&self.key, witnessed).0;
            }
        }
        for (pattern, count) in found.iter() {
            match record.redacted.iter_mut().find(|(known, _)| *known == pattern) {
                Some((_, counted)) => *counted += count,
                None => record.redacted.push((pattern, count)),
            }
        }
        self.recorder.write(&event(&record))
    }

    /// Writes a record of what has already happened: that it is missing can only be told.
    pub fn note(&mut self, event: &Event<'_>) {
        if let Err(unrecorded) = self.write(event) {
            self.notices.push(unrecorded.to_string());
        }
    }

    /// Writes the first record of the session.
    pub fn start(&mut self, way: &str, policy: &str, observe: bool, recording: Option<&str>) -> Result<(), Unrecorded> {
        let protections = always();
        let version = env!("CARGO_PKG_VERSION");
        let install = access::install().name();
        let Login { uid: auid, session: ses } = Login::of_this_process();
        self.write(&Event::SessionStart { way, version, install, auid, ses, policy, observe, protections: &protections, recording })
    }

    /// Writes the last record of a session that lasted this long.
    pub fn end(&mut self, reason: &str, order: Option<&Order>, duration: Duration) {
        let (commands, denied) = (self.commands, self.denied);
        let killed = order.map(|Order { by, reason, .. }| Killed { by, why: reason });
        self.note(&Event::SessionEnd { reason, killed, commands, denied, duration_ms: milliseconds(duration) });
    }

    /// By whose order the session ends, if an operator has ended it.
    pub fn order(&mut self) -> Option<&Order> {
        self.order = self.order.take().or_else(|| self.recorder.order());
        self.order.as_ref()
    }

    /// Follows a change of the policy.
    pub fn reconfigure(&mut self, audit: &Audit, redact: Redact) {
        (self.on_failure, self.redact) = (audit.on_failure, redact);
        self.recorder.reconfigure(audit);
    }

    /// Has the person told something with the next line.
    pub fn notify(&mut self, notice: String) {
        self.notices.push(notice);
    }

    /// What the person must be told of the records.
    pub fn notices(&mut self) -> Vec<String> {
        self.notices.extend(self.recorder.notices());
        std::mem::take(&mut self.notices)
    }
}

/// Puts on record that a session cannot start, at the places that hold where no policy says otherwise. What they do not take is lost: the
/// start has failed already.
pub fn refused(person: &Person, reason: &str) {
    let _ = Recorder::open(&Audit::default(), record::Session::of(person)).write(&Event::SessionDeny { reason });
}

/// What holds every command whatever its rule: the protections under the widest confinement that a rule can name.
fn always() -> Vec<&'static str> {
    let widest = Confinement { base: Base::Open, exec: Exec::Any, ..Confinement::default() };
    confine::Plan::of(&widest, &confine::Kernel::of_host()).protection_names()
}

/// A record of a line about which nothing but its bytes is known.
pub fn record<'a>(command: u64, line: &'a [u8], decision: Decision, cwd: &'a str, policy: &'a str) -> CommandRecord<'a> {
    CommandRecord {
        command,
        line,
        stages: Vec::new(),
        decision,
        reason: None,
        cwd,
        duration_ms: None,
        bytes_out: None,
        bytes_err: None,
        recording: None,
        unrecorded: None,
        screen: Vec::new(),
        redacted: Vec::new(),
        protections: &[],
        missing: &[],
        policy,
    }
}

/// A process of which only the words are known.
pub fn stage(argv: Vec<String>) -> StageRecord {
    StageRecord { argv, ..StageRecord::default() }
}

/// Adds what the plan of a process says.
pub fn planned(record: &mut StageRecord, facts: &StageFacts) {
    record.program = facts.program.as_ref().map(|path| path.to_string_lossy().into_owned());
    record.run_as = Some(facts.run_as.clone());
    record.capabilities = facts.capabilities.names();
}

/// Adds how a process went.
pub fn ended(record: &mut StageRecord, end: &StageEnd) {
    record.stopped.clone_from(&end.stopped);
    record.files.clone_from(&end.files);
    (record.pid, record.status) = match &end.outcome {
        StageOutcome::NotRun => (None, None),
        StageOutcome::NotFound => (None, Some(StageStatus::Error("not found".to_owned()))),
        StageOutcome::NotExecutable(reason) | StageOutcome::Failed(reason) => (None, Some(StageStatus::Error(reason.clone()))),
        StageOutcome::Exited { pid, code } => (Some(*pid), Some(StageStatus::Exit(*code))),
        StageOutcome::Killed { pid, signal } => (Some(*pid), Some(StageStatus::Signal(signal_name(*signal)))),
    };
}

/// The protections that every process of a line has.
pub fn common_protections(stages: &[Vec<StageFacts>]) -> Vec<&'static str> {
    let of_all = |protection: &Protection| stages.iter().flatten().all(|stage| stage.protections.contains(protection));
    let first = stages.iter().flatten().next().map(|stage| stage.protections.as_slice()).unwrap_or_default();
    first.iter().filter(|protection| of_all(protection)).map(|protection| protection.name()).collect()
}

/// The protections that a process of a line should have and does not, because the kernel lacks them.
pub fn missing_protections(stages: &[Vec<StageFacts>]) -> Vec<&'static str> {
    let missing: BTreeSet<Protection> = stages.iter().flatten().flat_map(|stage| stage.missing.iter().copied()).collect();
    missing.into_iter().map(Protection::name).collect()
}

/// What ended a line, as records name it.
pub fn reason(ended: Ended) -> &'static str {
    match ended {
        Ended::Timeout(_) => "timeout",
        Ended::Output(_) => "output",
        Ended::Limit(Reached::Cpu(_)) => "cpu",
        Ended::Limit(Reached::Memory(_)) => "memory",
        Ended::Limit(Reached::Processes(_)) => "processes",
        Ended::Limit(Reached::FileSize(_)) => "file_size",
        Ended::SessionOutput => "output",
        Ended::Unrecorded => "unrecorded",
        Ended::Until => "max",
        Ended::Hangup => "hangup",
        Ended::Terminated => "terminated",
        Ended::Killed => "killed",
        Ended::Interrupted => "interrupted",
    }
}

pub fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The name of a signal without SIG; of a real-time signal, its number, as kill(1) takes it.
fn signal_name(number: i32) -> String {
    let signal = nix::sys::signal::Signal::try_from(number);
    signal.map_or_else(|_| number.to_string(), |signal| signal.as_str().trim_start_matches("SIG").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::clock::Ending;
    use crate::sys::capability::Capabilities;

    #[test]
    fn outcomes_become_what_records_say() {
        let exit = |code| Some(StageStatus::Exit(code));
        let signal = |name: &str| Some(StageStatus::Signal(name.to_owned()));
        let error = |text: &str| Some(StageStatus::Error(text.to_owned()));
        for (outcome, pid, status) in [
            (StageOutcome::Exited { pid: 7, code: 3 }, Some(7), exit(3)),
            (StageOutcome::Killed { pid: 7, signal: 9 }, Some(7), signal("KILL")),
            (StageOutcome::Killed { pid: 7, signal: 15 }, Some(7), signal("TERM")),
            (StageOutcome::Killed { pid: 7, signal: 40 }, Some(7), signal("40")),
            (StageOutcome::NotFound, None, error("not found")),
            (StageOutcome::Failed("denied".to_owned()), None, error("denied")),
            (StageOutcome::NotRun, None, None),
        ] {
            let mut record = stage(vec!["x".to_owned()]);
            ended(&mut record, &outcome.clone().into());
            assert_eq!((record.pid, record.status), (pid, status), "{outcome:?}");
        }
    }

    #[test]
    fn the_manual_page_has_every_reason() {
        let page = include_str!("../../man/posternsh.1");
        let sessions = [
            Ending::Exit(0),
            Ending::Hangup,
            Ending::Terminated,
            Ending::Killed,
            Ending::Idle(Duration::ZERO),
            Ending::Max(Duration::ZERO),
            Ending::Strikes(1),
            Ending::Output(1),
            Ending::Failed,
        ];
        let limits = [Reached::Cpu(1), Reached::Memory(1), Reached::Processes(1), Reached::FileSize(1)].map(Ended::Limit);
        let lines = [
            Ended::Timeout(Duration::ZERO),
            Ended::Output(1),
            Ended::SessionOutput,
            Ended::Unrecorded,
            Ended::Until,
            Ended::Hangup,
            Ended::Terminated,
            Ended::Killed,
            Ended::Interrupted,
        ];
        let (lines_page, session_page) = page.split_once(".It Cm session.end").unwrap();
        let named = |page: &str, reason: &str| page.lines().any(|line| line.split(' ').take(2).eq([".Cm", reason]));
        sessions.map(Ending::reason).into_iter().for_each(|reason| assert!(named(session_page, reason), "session.end: {reason}"));
        lines.into_iter().chain(limits).map(reason).for_each(|reason| assert!(named(lines_page, reason), "command.end: {reason}"));
    }

    #[test]
    fn a_line_claims_only_what_protects_all_of_its_processes() {
        let facts = |protections: &[Protection]| StageFacts {
            program: None,
            run_as: "nobody".to_owned(),
            capabilities: Capabilities::default(),
            protections: protections.to_vec(),
            missing: vec![],
        };
        let stages = [vec![facts(&[Protection::NoCore, Protection::OneExec])], vec![facts(&[Protection::NoCore])]];
        assert_eq!(common_protections(&stages), ["no_core"]);
        assert!(common_protections(&[]).is_empty());
    }
}
