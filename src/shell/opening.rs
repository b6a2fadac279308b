//! The guard before and while there is a session: what it finds out by itself, and what it answers.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;

use super::arguments::Origin;
use super::desk::{Call, Reply, View, Way};
use super::guard::{Ground, Guard, Outcome, Refused};
use super::in_force::{InForce, PolicyError};
use super::terminal::Terminal;
use super::{builtins, in_force, ledger, names, sound};
use crate::access::{self, AccessError};
use crate::confine::Index;
use crate::exec::{Relayer, RunAs};
use crate::policy::is_observed;
use crate::record::Decision;
use crate::syntax::Request;
use crate::sys::start::Inherited;
use crate::words::{Safe, limits, paths};

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum OpeningError {
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error("cannot become the account: {0}")]
    Account(String),
    #[error("the terminal cannot be taken: {0}")]
    Terminal(io::Error),
    #[error("output cannot be passed on: {0}")]
    Relay(io::Error),
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

/// Its keys are another program's, and would stay so.
const BACKGROUND: &str = "in the background of its terminal there is nobody to talk to: start it in the foreground";

/// Who it is, and by which policy: found out before anything of the person's is read.
pub struct Opening {
    ground: Ground,
    /// What the person and the records must be told of the policy.
    alert: Option<String>,
    demo: bool,
}

impl Opening {
    /// To be called while there is one thread.
    pub fn prepare(origin: &Origin, inherited: Inherited, terminal: Option<Terminal>) -> Result<Opening, OpeningError> {
        let person = access::identify()?;
        let account = RunAs::of(None, &person).map_err(OpeningError::Account)?.identity;
        let terminal = terminal.map(Terminal::take).transpose().map_err(OpeningError::Terminal)?;
        let relayer = Relayer::start(account.as_ref(), terminal).map_err(OpeningError::Relay)?;
        let (policy, alert) = InForce::open(origin, &person)?;
        Ok(Opening { ground: Ground { policy, person, account, inherited, relayer, index: None }, alert, demo: *origin == Origin::Demo })
    }

    /// Reads the index of /etc ahead of the first line.
    pub fn read_index(&mut self) {
        self.ground.index = Index::open(Path::new(paths::STATE_DIR)).map(Rc::new);
    }

    /// What passes output on, if anything does.
    pub fn relayer(&self) -> Option<Relayer> {
        self.ground.relayer.clone()
    }

    /// Puts on record that there is no session.
    pub fn refused(&self, reason: &str) {
        ledger::refused(&self.ground.person, reason);
    }

    /// Begins the session. The error is a reason in words, and on record as far as that is possible.
    fn start(self, way: Way, interactive: bool, term: Option<String>) -> Result<(Guard, View, Vec<String>), String> {
        let person = self.ground.person.clone();
        let lasts = interactive || way == Way::Login;
        if interactive && self.relayer().is_some_and(|relayer| relayer.is_in_background()) {
            self.refused(BACKGROUND);
            return Err(BACKGROUND.to_owned());
        }
        let mut guard = Guard::open(self.ground, way.name(), term, lasts).map_err(|error| {
            let reason = error.to_string();
            ledger::refused(&person, &reason);
            reason
        })?;
        let mut messages = Vec::new();
        if let Some(reason) = &self.alert {
            guard.alert(reason);
            messages.extend(interactive.then(|| lines(reason)));
        }
        messages.extend(guard.unrecorded());
        if !lasts {
            messages.extend(guard.notices());
        }
        let records = || Safe(guard.records().0.as_os_str().as_bytes()).to_string();
        let demo = (interactive && self.demo).then(records);
        let view = View { demo, ..view(&guard) };
        Ok((guard, view, messages))
    }
}

/// What the front may know now.
pub fn view(guard: &Guard) -> View {
    let (policy, subject, person) = (guard.policy(), guard.subject(), guard.person());
    let session = &policy.settings().session;
    View {
        account: person.account.clone(),
        host: person.host.clone(),
        home: person.home.clone(),
        constants: in_force::constants(policy, subject),
        programs: in_force::shadowed_builtins(policy, subject),
        banner: session.banner.clone(),
        demo: None,
        idle: session.idle,
        max: session.max,
        age: ledger::milliseconds(guard.age()),
        observe: is_observed(policy, subject),
    }
}

/// Answers a call; `None` of one that no front of ours makes, or not now, or where nothing could be begun: then the session is over.
pub fn answer(opening: &mut Option<Box<Opening>>, guard: &mut Option<Box<Guard>>, call: Call) -> Option<Reply> {
    if !sound::is_possible(&call, guard.as_deref()) {
        return None;
    }
    match (call, guard.as_mut()) {
        (Call::Start { way, interactive, term }, None) => Some(match opening.take()?.start(way, interactive, term) {
            Ok((opened, view, messages)) => {
                *guard = Some(Box::new(opened));
                Reply::Started { view, messages }
            }
            Err(reason) => Reply::NotStarted(reason),
        }),
        (Call::Abort(reason), None) => {
            let too_long = || format!("the reason takes {} bytes to say", reason.len());
            let fits = reason.len() <= limits::REASON_BYTES;
            opening.take()?.refused(&if fits { reason } else { too_long() });
            Some(Reply::Texts(Vec::new()))
        }
        (call, Some(guard)) => answer_in_session(guard, call),
        (_, None) => None,
    }
}

fn answer_in_session(guard: &mut Guard, call: Call) -> Option<Reply> {
    Some(match call {
        Call::Start { .. } | Call::Abort(_) => return None,
        Call::Refresh => {
            let messages = guard.refresh();
            let view = guard.has_changed().then(|| view(guard));
            Reply::Refreshed { view, messages }
        }
        Call::Submit { request, directory, confirmed } => Reply::Outcome(submit(guard, request, &directory, &confirmed)),
        Call::Refuse { line, decision, status, reason, directory } => {
            // Whatever the front says of a line, this one did not run.
            let decision = if decision == Decision::Invalid { Decision::Invalid } else { Decision::Deny };
            Reply::Outcome(guard.refuse(&line, &Refused { decision, status, reason: &reason }, &directory))
        }
        Call::Builtin { line, argv, directory } => guard.builtin(&line, argv, &directory).map_or_else(Reply::Outcome, |()| Reply::Begun),
        Call::EndBuiltin { status } => Reply::Texts(guard.end_builtin(status)),
        Call::Explain { request, directory } => match request.check() {
            Ok(()) => {
                let (text, status) = guard.explain(&request, &directory);
                Reply::Shown { text, status }
            }
            Err(fault) => Reply::Shown { text: format!("{fault}\n"), status: 2 },
        },
        Call::Help { command, width } => {
            let width = usize::try_from(width).unwrap_or(usize::MAX).clamp(20, 1000);
            let (policy, subject) = (guard.policy(), guard.subject());
            match command {
                None => Reply::Shown { text: builtins::help(policy, subject, width), status: 0 },
                Some(command) => match builtins::help_on(policy, subject, &command, width) {
                    Ok(text) => Reply::Shown { text, status: 0 },
                    Err(text) => Reply::Shown { text, status: 1 },
                },
            }
        }
        Call::About => Reply::Shown { text: guard.about(), status: 0 },
        Call::Commands => Reply::Texts(in_force::allowed_commands(guard.policy(), guard.subject())),
        Call::Candidates { words, directory } => Reply::Candidates(guard.candidates(&words, &directory)),
        Call::Names(question) => Reply::Names(names::ask(&question, guard.account())),
        Call::End(ending) => {
            let (ending, messages) = guard.end(ending);
            Reply::Ended { ending, messages }
        }
    })
}

/// Decides and runs words that a line can have, while the session has time: the front keeps to both by itself, but it is not believed.
fn submit(guard: &mut Guard, request: Request, directory: &Path, confirmed: &[String]) -> Outcome {
    let line = request.line.clone();
    if let Some(ending) = guard.over() {
        let refused = Refused { decision: Decision::Deny, status: ending.status(), reason: "the session's time is over" };
        return Outcome { ending: Some(ending), ..guard.refuse(line.as_bytes(), &refused, directory) };
    }
    match request.check() {
        Ok(()) => {
            // The front has asked already, to know what lines mean. It may not have.
            let messages = guard.refresh();
            let outcome = guard.submit(request, directory, confirmed);
            Outcome { messages: messages.into_iter().chain(outcome.messages).collect(), ..outcome }
        }
        Err(fault) => {
            let refused = Refused { decision: Decision::Invalid, status: 2, reason: &fault.to_string() };
            guard.refuse(line.as_bytes(), &refused, directory)
        }
    }
}

/// A text of several lines, each safe to show.
pub fn lines(text: &str) -> String {
    text.lines().map(|line| Safe(line.as_bytes()).to_string()).collect::<Vec<_>>().join("\n")
}
