//! The guard: decision, records, processes. It is given words, never a command line to parse.
//!
//! [`Guard::submit`] is the one way by which a command starts, whoever calls: see [`super::desk`]. What does not become a
//! command is reported all the same, because every attempt is on record: [`Guard::refuse`] for a line that is not part of this shell,
//! [`Guard::builtin`] and [`Guard::end_builtin`] for what the front does by itself.

mod builtin;
mod inquiries;
pub mod recorded;
mod surroundings;
mod verdict;

use std::collections::BTreeSet;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use time::OffsetDateTime;

use super::clock::{Clock, Ending};
use super::confirm::{Confirmations, Unconfirmed, Waiting};
use super::in_force::{self, InForce};
use super::ledger::{self, Ledger};
use super::message;
use super::told::{Bounds, told};
use super::witness::Witnesses;
use crate::access::Person;
use crate::confine::{Confiner, Index, Kernel, NamespaceError, Protection, Rulesets};
use crate::exec::plan::StageFacts;
use crate::exec::{self, Ended, LineOutcome, PlanContext, PlanError, Relayer};
use crate::policy::{self, Damaged, Subject};
use crate::record::{self, CommandRecord, Decision, Event, Unrecorded};
use crate::syntax::{Request, Stage};
use crate::sys::identity::Identity;
use crate::sys::start::Inherited;
use crate::words::{Safe, limits};
use builtin::Builtin;
use recorded::Recorded;

/// How a line went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub status: u8,
    /// Whether it was let through; what the line does to the session itself (`cd DIR && …`) holds only then.
    pub accepted: bool,
    /// What the person is told, in order.
    pub messages: Vec<String>,
    /// Whether the session is over.
    pub ending: Option<Ending>,
    /// Questions to put to the person, whose answers the line is to be submitted with again: nothing has run, and nothing is on record.
    pub confirm: Vec<String>,
}

/// How a line is refused before any rule is asked.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    pub decision: Decision,
    pub status: u8,
    pub reason: &'a str,
}

/// Why a whole line does not run.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error("{reason}")]
    Denied { messages: Vec<String>, reason: String },
    #[error("not possible: {0}")]
    Unplannable(#[from] PlanError),
    #[error(transparent)]
    Damaged(#[from] Damaged),
    #[error("the session's mounts: {0}")]
    Namespace(#[from] NamespaceError),
    #[error("{0}")]
    Unconfirmed(#[from] Unconfirmed),
    #[error("how things are before is not known: {0}")]
    Unwitnessed(String),
    #[error("{0}; nothing was run, as the policy demands")]
    Unrecorded(#[from] Unrecorded),
    #[error("this session is not recorded ({0}); nothing was run, as the policy demands")]
    WithoutRecording(String),
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{0}; without records there is no session")]
    Unrecorded(#[from] Unrecorded),
    #[error("no random numbers for fingerprints: {}", .0.desc())]
    Key(nix::Error),
    #[error("the session's mounts: {0}")]
    Namespace(#[from] NamespaceError),
}

/// What a session begins with: found out before anything of the person's was read.
pub struct Ground {
    pub policy: InForce,
    pub person: Person,
    /// The account's ids, where this process has others.
    pub account: Option<Identity>,
    /// What this process was started with.
    pub inherited: Inherited,
    /// Started before this process had other threads.
    pub relayer: Option<Relayer>,
    /// What there is in /etc, if that was read already.
    pub index: Option<Rc<Index>>,
}

pub struct Guard {
    policy: InForce,
    person: Person,
    /// The account's ids, where this process has others.
    account: Option<Identity>,
    subject: Subject,
    /// What the client said that its terminal is.
    term: Option<String>,
    inherited: Inherited,
    ledger: Ledger,
    /// The line that the person is asked about.
    waiting: Option<Waiting>,
    /// Refusals by policy.
    strikes: u32,
    since: OffsetDateTime,
    /// The session's one clock.
    clock: Clock,
    confiner: Confiner,
    relayer: Option<Relayer>,
    /// Read ahead, for the first line.
    index: Option<Rc<Index>>,
    /// Protections that this kernel lacks, of which the person has been told.
    lacks: Vec<Protection>,
    recorded: Recorded,
    /// Bytes that commands have shown and written out.
    output: u64,
    /// What the front does by itself at the moment.
    builtin: Option<Builtin>,
    /// Whether there will be more than one line.
    lasts: bool,
    /// Whether the session's mounts are made, and as the policy in force wants them.
    surrounded: bool,
    /// Why it is not known whether another policy was applied.
    unchecked: Option<NamespaceError>,
    /// Whether a line has run.
    ran: bool,
    /// Whether the front knows the policy that was in force before this one.
    outdated: bool,
}

impl Guard {
    /// Opens the records of a session and writes its first. `term` is what the client says its terminal is.
    /// `lasts` is whether there will be more than one line.
    ///
    /// # Errors
    /// There are no records, or the session's mounts are not as they should be.
    pub fn open(ground: Ground, way: &str, term: Option<String>, lasts: bool) -> Result<Guard, OpenError> {
        let Ground { policy, person, account, inherited, relayer, index } = ground;
        let clock = Clock::start(Instant::now());
        let key = recorded::fingerprint_key().map_err(OpenError::Key)?;
        let mut ledger = Ledger::open(policy.audit(), policy.settings().redact, &person, key);
        // Its thread has to be in the host's mounts, as that of the records.
        let recorded = Recorded::begin(&policy, &ledger, relayer.as_ref(), term.as_deref(), key);
        let subject = person.subject(io::stdout().is_terminal());
        let is_observed = policy::is_observed(policy.policy(), &subject);
        ledger.start(way, policy.policy().digest(), is_observed, recorded.path().as_deref())?;
        let is_required = policy.settings().record.is_some_and(|record| record.required);
        if let Some(notice) = recorded.notice().filter(|_| !is_required) {
            ledger.notify(notice);
        }
        let confiner = Confiner::new(Kernel::of_host(), policy.settings().strength.clone(), Rulesets::default());
        let mut guard = Guard {
            policy,
            person,
            account,
            subject,
            term,
            inherited,
            relayer,
            index,
            ledger,
            waiting: None,
            strikes: 0,
            since: OffsetDateTime::now_utc(),
            clock,
            confiner,
            lacks: Vec::new(),
            recorded,
            output: 0,
            builtin: None,
            lasts,
            surrounded: false,
            unchecked: None,
            ran: false,
            outdated: false,
        };
        if lasts {
            guard.surround()?;
        }
        if !guard.policy.settings().unscoped_rules {
            guard.confiner.set_apart();
        }
        Ok(guard)
    }

    /// Decides a whole line and runs it: all of it or nothing. A policy in which damage shows gives way to the one before, once.
    /// `confirmed`: the answers to the questions that the submission of the same line before came back with.
    pub fn submit(&mut self, request: Request, directory: &Path, confirmed: &[String]) -> Outcome {
        let asked = self.waiting.take_if(|waiting| !confirmed.is_empty() && waiting.is(&request, directory));
        self.forgo();
        let answers = asked.is_some().then_some(confirmed);
        let number = asked.map_or_else(|| self.ledger.number(), |asked| asked.number);
        let mut messages = Vec::new();
        let attempt = self.attempt(number, &request, directory, answers).or_else(|damage| {
            let change = self.confiner.outside(|| self.policy.fall_back(&damage)).ok().flatten().ok_or(damage)?;
            messages = self.changed(change);
            self.attempt(number, &request, directory, answers)
        });
        let outcome = attempt.unwrap_or_else(|damage| {
            self.alert(&damage.to_string());
            Outcome {
                status: 125,
                messages: vec![format!("{}; nothing was run", Safe(damage.to_string().as_bytes()))],
                ..Outcome::default()
            }
        });
        messages.extend(outcome.messages);
        messages.extend(self.ledger.notices());
        if !outcome.confirm.is_empty() {
            self.waiting = Some(Waiting { number, request, directory: directory.to_owned() });
        }
        Outcome { messages, ..outcome }
    }

    /// Puts on record that a line that was asked about got no answer.
    fn forgo(&mut self) {
        let Some(Waiting { number, request, directory }) = self.waiting.take() else { return };
        let (digest, cwd) = (self.policy().digest().to_owned(), directory.to_string_lossy());
        let mut record = ledger::record(number, request.line.as_bytes(), Decision::Deny, &cwd, &digest);
        record.reason = Some(Unconfirmed::Different.to_string());
        self.ledger.note(&Event::CommandDeny(&record));
    }

    fn attempt(&mut self, number: u64, request: &Request, directory: &Path, answers: Option<&[String]>) -> Result<Outcome, Damaged> {
        let policy = Rc::clone(self.policy());
        let cwd = directory.to_string_lossy();
        let mut record = ledger::record(number, request.line.as_bytes(), Decision::Allow, &cwd, policy.digest());
        record.stages = request.items.iter().flat_map(|item| &item.stages).map(|stage| ledger::stage(words(stage))).collect();
        match self.carry_out(request, directory, answers, &mut record) {
            Err(Stop::Damaged(damage)) => Err(damage),
            outcome => Ok(outcome.unwrap_or_else(|stop| self.stopped(&stop, &mut record))),
        }
    }

    fn carry_out(
        &mut self,
        request: &Request,
        directory: &Path,
        answers: Option<&[String]>,
        record: &mut CommandRecord<'_>,
    ) -> Result<Outcome, Stop> {
        self.surround()?;
        let allowed = self.decide(request, directory, record)?;
        let (confirmations, witnesses) = (Confirmations::of_line(&allowed), Witnesses::of_line(&allowed));
        let bounds: Vec<Bounds> = allowed.iter().flatten().map(Bounds::of).collect();
        let settings = self.policy.settings();
        if let Some(reason) = self.recorded.lost().filter(|_| settings.record.is_some_and(|record| record.required)) {
            return Err(Stop::WithoutRecording(reason.to_owned()));
        }
        let chapter = self.recorded.chapter(settings, record.command, &request.line);
        let output_left = settings.session.output.map(|limit| limit.saturating_sub(self.output));
        let plan = self.in_context(directory, |context| exec::plan(request, allowed, &PlanContext { chapter, output_left, ..*context }))?;
        let confirm = confirmations.weigh(answers)?;
        if !confirm.is_empty() {
            return Ok(Outcome { confirm, ..Outcome::default() });
        }
        confirmations.mark(&mut record.stages);
        self.in_context(directory, |context| witnesses.before(&mut record.stages, context)).map_err(Stop::Unwitnessed)?;
        let facts = plan.stages();
        record.stages.iter_mut().zip(facts.iter().flatten()).for_each(|(stage, facts)| ledger::planned(stage, facts));
        let (protections, missing) = (ledger::common_protections(&facts), ledger::missing_protections(&facts));
        let mut record = CommandRecord { protections: &protections, missing: &missing, ..record.clone() };
        self.ledger.write(&Event::CommandStart(&record))?;
        self.ran = true;
        let clock = self.clock();
        let done = exec::run(plan, clock.until(), &mut || self.ledger.order().is_some());
        // Who ends a session waits for no witness.
        let unseen = match done.ended {
            Some(Ended::Killed) => Vec::new(),
            _ => self.in_context(directory, |context| witnesses.after(&mut record.stages, context)),
        };
        let mut messages = self.finish(record, &done);
        messages.extend(unseen);
        messages.extend(self.told_lacks(&facts));
        messages.extend(told(request, &done, &bounds));
        let ending = match done.ended {
            Some(Ended::Hangup) => Some(Ending::Hangup),
            Some(Ended::Terminated) => Some(Ending::Terminated),
            Some(Ended::Killed) => Some(Ending::Killed),
            Some(Ended::Until) => clock.over(Instant::now()),
            Some(Ended::SessionOutput) => Some(Ending::Output(self.output)),
            Some(Ended::Timeout(_) | Ended::Output(_) | Ended::Unrecorded | Ended::Limit(_) | Ended::Interrupted) | None => None,
        };
        Ok(Outcome { status: done.status, accepted: true, messages, ending, ..Outcome::default() })
    }

    /// Does something that depends on whose session this is, and where.
    fn in_context<T>(&self, directory: &Path, action: impl FnOnce(&PlanContext<'_>) -> T) -> T {
        let constants = in_force::constants(self.policy(), &self.subject);
        action(&PlanContext {
            person: &self.person,
            directory,
            constants: &constants,
            search: &self.policy.settings().search,
            term: self.term.as_deref(),
            confiner: &self.confiner,
            inherited: &self.inherited,
            relayer: self.relayer.as_ref(),
            chapter: None,
            output_left: None,
            is_prompt_next: self.lasts,
        })
    }

    /// Puts the end of a line on record. Returns what the processes want told.
    fn finish(&mut self, mut record: CommandRecord<'_>, done: &LineOutcome) -> Vec<String> {
        record.stages.iter_mut().zip(done.stages.iter().flatten()).for_each(|(stage, end)| ledger::ended(stage, end));
        record.reason = done.ended.map(|ended| ledger::reason(ended).to_owned());
        record.duration_ms = Some(ledger::milliseconds(done.duration));
        (record.bytes_out, record.bytes_err) = (done.bytes_out, done.bytes_err);
        record.recording = done.recorded.map(|exec::Recorded { offset, time, left_out }| record::Chapter { offset, ms: time, left_out });
        record.screen = done.dropped.iter().collect();
        record.redacted = done.found.iter().collect();
        let written = [done.bytes_out.unwrap_or(0), done.bytes_err.unwrap_or(0), done.shown];
        self.output = written.into_iter().fold(self.output, u64::saturating_add);
        let loss = done.unrecorded.as_ref().and_then(|reason| {
            self.recorded.lose(reason.clone());
            self.recorded.notice()
        });
        record.unrecorded = self.recorded.lost().map(str::to_owned);
        self.ledger.note(&Event::CommandEnd(&record));
        done.notices.iter().map(|notice| Safe(notice.as_bytes()).to_string()).chain(loss).collect()
    }

    /// What the person is told, once a session, of protections that this kernel lacks.
    fn told_lacks(&mut self, facts: &[Vec<StageFacts>]) -> Option<String> {
        let missing = facts.iter().flatten().flat_map(|stage| &stage.missing);
        let new: Vec<Protection> = missing.copied().filter(|protection| !self.lacks.contains(protection)).collect();
        self.lacks.extend(&new);
        let names: BTreeSet<&str> = new.iter().map(|protection| protection.name()).collect();
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        (!names.is_empty()).then(|| format!("this kernel does not hold commands to: {names}; the policy goes on without (confinement:)"))
    }

    /// Puts on record that a line was stopped before any of it ran. 126 where that is a verdict on the line, 125 where it is not.
    fn stopped(&mut self, stop: &Stop, record: &mut CommandRecord<'_>) -> Outcome {
        // What cannot be recorded cannot be recorded a second time.
        if !matches!(stop, Stop::Unrecorded(_)) {
            record.decision = Decision::Deny;
            record.reason = Some(stop.to_string());
            self.ledger.note(&Event::CommandDeny(record));
        }
        let shown = || vec![Safe(stop.to_string().as_bytes()).to_string()];
        let (status, messages) = match stop {
            Stop::Denied { messages, .. } => (126, messages.clone()),
            Stop::Namespace(_)
            | Stop::Unplannable(PlanError::System(_))
            | Stop::Damaged(_)
            | Stop::Unrecorded(_)
            | Stop::WithoutRecording(_)
            | Stop::Unwitnessed(_) => (125, shown()),
            Stop::Unconfirmed(unconfirmed) => (126, vec![format!("{unconfirmed}; nothing was run")]),
            Stop::Unplannable(_) => (126, shown()),
        };
        // Who thinks better of it knocks at no door.
        let is_verdict = status == 126 && !matches!(stop, Stop::Unconfirmed(_));
        let ending = if is_verdict { self.strike() } else { None };
        Outcome { status, messages, ending, ..Outcome::default() }
    }

    /// Counts a refusal by policy; the session is over where the policy sets a number of them.
    fn strike(&mut self) -> Option<Ending> {
        self.strikes = self.strikes.saturating_add(1);
        let allowed = self.policy.settings().session.strikes;
        (allowed > 0 && self.strikes >= allowed).then_some(Ending::Strikes(self.strikes))
    }

    /// Puts a line on record that is refused before any rule is asked, whatever its bytes. It is no strike.
    pub fn refuse(&mut self, line: &[u8], refused: &Refused<'_>, directory: &Path) -> Outcome {
        self.forgo();
        let (digest, cwd) = (self.policy().digest().to_owned(), directory.to_string_lossy());
        let mut record = ledger::record(self.ledger.number(), line, refused.decision, &cwd, &digest);
        record.reason = Some(refused.reason.to_owned());
        self.ledger.note(&Event::CommandDeny(&record));
        Outcome { status: refused.status, messages: self.ledger.notices(), ..Outcome::default() }
    }

    /// What the person is told of the records.
    pub fn notices(&mut self) -> Vec<String> {
        self.ledger.notices()
    }

    /// What the person is told where a recording could not be begun.
    pub fn unrecorded(&self) -> Option<String> {
        self.recorded.notice()
    }

    /// Leaves the session's mounts, when all is on record and nothing runs any more. What is left is the recording.
    pub fn dissolve(self) -> Recorded {
        self.confiner.dissolve();
        self.recorded
    }

    /// Puts the end of the session on record. Returns why it is over, as far as the guard knows better, and what the person is told.
    pub fn end(&mut self, ending: Ending) -> (Ending, Vec<String>) {
        self.forgo();
        let told_to = matches!(ending, Ending::Terminated | Ending::Killed);
        let order = told_to.then(|| self.ledger.order().cloned()).flatten();
        let ending = match &order {
            Some(_) => Ending::Killed,
            None if ending == Ending::Killed => Ending::Terminated,
            None => ending,
        };
        self.ledger.end(ending.reason(), order.as_ref(), self.clock.age(Instant::now()));
        let mut messages: Vec<String> = order.iter().map(message::killed).collect();
        messages.extend(self.ledger.notices());
        (ending, messages)
    }

    /// Ends what passes output on, and with it the recording: nothing is shown any more. Returns what went wrong.
    pub fn close(&mut self) -> Option<String> {
        if let Some(relayer) = self.relayer.take() {
            relayer.finish(limits::RELAY_DEADLINE);
        }
        self.recorded.end()
    }
}

fn words(stage: &Stage) -> Vec<String> {
    stage.argv.iter().map(|word| word.text.clone()).collect()
}
