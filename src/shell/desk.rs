//! The seam between front and guard: what the front may ask, and what it is told. This is all of it.
//!
//! Where `posternsh` was started with privilege the two are processes, and calls and replies travel as [`super::wire`] writes them; else they
//! are one, and this is a function call. The front is trusted with nothing: it says which words a line means and what the person did at the
//! prompt; who that is, from where, in which session, what is allowed and what becomes of it, the guard knows by itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::channel::Channel;
use super::clock::Ending;
use super::guard::{Guard, Outcome};
use super::opening::Opening;
use crate::policy::decide::Candidate;
use crate::record::Decision;
use crate::syntax::Request;

/// How a session begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Login,
    Command,
    Forced,
}

/// What the front asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// The first call. `term` is what the client says its terminal is.
    Start {
        way: Way,
        interactive: bool,
        term: Option<String>,
    },
    /// Before each line.
    Refresh,
    Submit {
        request: Request,
        directory: PathBuf,
        confirmed: Vec<String>,
    },
    /// A line that never becomes words.
    Refuse {
        line: Vec<u8>,
        decision: Decision,
        status: u8,
        reason: String,
        directory: PathBuf,
    },
    Builtin {
        line: Vec<u8>,
        argv: Vec<String>,
        directory: PathBuf,
    },
    EndBuiltin {
        status: u8,
    },
    Explain {
        request: Request,
        directory: PathBuf,
    },
    Help {
        command: Option<String>,
        width: u64,
    },
    About,
    Commands,
    Candidates {
        words: Vec<String>,
        directory: PathBuf,
    },
    /// What [`super::names`] answers, encoded.
    Names(Vec<u8>),
    End(Ending),
    /// In place of [`Call::Start`]: why there will be no session.
    Abort(String),
}

/// What it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Started {
        view: View,
        messages: Vec<String>,
    },
    /// Why there is no session.
    NotStarted(String),
    /// The view, where it is another one now.
    Refreshed {
        view: Option<View>,
        messages: Vec<String>,
    },
    Outcome(Outcome),
    /// A builtin is on record.
    Begun,
    /// What a builtin shows, and its status.
    Shown {
        text: String,
        status: u8,
    },
    /// Messages, or the words that complete a command.
    Texts(Vec<String>),
    Candidates(Vec<Candidate>),
    Names(Result<Vec<u8>, String>),
    /// Why the session is over, and what is left to tell.
    Ended {
        ending: Ending,
        messages: Vec<String>,
    },
}

/// What the front knows of the session. Of the policy it knows nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    pub account: String,
    pub host: String,
    pub home: String,
    /// What `$NAME` may mean.
    pub constants: BTreeMap<String, String>,
    /// Builtins that are programs, too.
    pub programs: Vec<String>,
    pub banner: Option<String>,
    /// Where the demo's records are.
    pub demo: Option<String>,
    /// In milliseconds.
    pub idle: Option<u64>,
    pub max: Option<u64>,
    pub age: u64,
    /// Whether nothing is refused: `mode: observe`.
    pub observe: bool,
}

/// There is no guard any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the other half of this shell is gone")]
pub struct Gone;

/// Where the front asks.
pub enum Desk {
    /// In this process. Nothing has begun before the first call.
    Here { opening: Option<Box<Opening>>, guard: Option<Box<Guard>> },
    /// In the process at the other end.
    Across(Channel),
}

impl Desk {
    pub fn here(opening: Opening) -> Desk {
        Desk::Here { opening: Some(Box::new(opening)), guard: None }
    }

    fn ask(&mut self, call: &Call) -> Result<Reply, Gone> {
        match self {
            Desk::Across(channel) => channel.ask(call).map_err(|_| Gone),
            Desk::Here { opening, guard } => super::opening::answer(opening, guard, call.clone()).ok_or(Gone),
        }
    }

    /// The error is a reason in words.
    pub fn start(&mut self, way: Way, interactive: bool, term: Option<&str>) -> Result<(View, Vec<String>), String> {
        match self.ask(&Call::Start { way, interactive, term: term.map(str::to_owned) }) {
            Ok(Reply::Started { view, messages }) => Ok((view, messages)),
            Ok(Reply::NotStarted(reason)) => Err(reason),
            _ => Err(Gone.to_string()),
        }
    }

    pub fn refresh(&mut self) -> Result<(Option<View>, Vec<String>), Gone> {
        match self.ask(&Call::Refresh)? {
            Reply::Refreshed { view, messages } => Ok((view, messages)),
            _ => Err(Gone),
        }
    }

    pub fn submit(&mut self, request: Request, directory: &Path, confirmed: &[String]) -> Result<Outcome, Gone> {
        self.outcome(&Call::Submit { request, directory: directory.to_owned(), confirmed: confirmed.to_vec() })
    }

    pub fn refuse(&mut self, line: &[u8], decision: Decision, status: u8, reason: &str, directory: &Path) -> Result<Outcome, Gone> {
        let (line, reason, directory) = (line.to_vec(), reason.to_owned(), directory.to_owned());
        self.outcome(&Call::Refuse { line, decision, status, reason, directory })
    }

    fn outcome(&mut self, call: &Call) -> Result<Outcome, Gone> {
        match self.ask(call)? {
            Reply::Outcome(outcome) => Ok(outcome),
            _ => Err(Gone),
        }
    }

    /// Puts the start of a builtin on record; the outcome of one that may not start without.
    pub fn builtin(&mut self, line: &[u8], argv: &[String], directory: &Path) -> Result<Option<Outcome>, Gone> {
        match self.ask(&Call::Builtin { line: line.to_vec(), argv: argv.to_vec(), directory: directory.to_owned() })? {
            Reply::Begun => Ok(None),
            Reply::Outcome(outcome) => Ok(Some(outcome)),
            _ => Err(Gone),
        }
    }

    pub fn end_builtin(&mut self, status: u8) -> Result<Vec<String>, Gone> {
        self.texts(&Call::EndBuiltin { status })
    }

    pub fn explain(&mut self, request: Request, directory: &Path) -> Result<(String, u8), Gone> {
        self.shown(&Call::Explain { request, directory: directory.to_owned() })
    }

    pub fn help(&mut self, command: Option<&str>, width: usize) -> Result<(String, u8), Gone> {
        self.shown(&Call::Help { command: command.map(str::to_owned), width: width as u64 })
    }

    pub fn about(&mut self) -> Result<(String, u8), Gone> {
        self.shown(&Call::About)
    }

    fn shown(&mut self, call: &Call) -> Result<(String, u8), Gone> {
        match self.ask(call)? {
            Reply::Shown { text, status } => Ok((text, status)),
            _ => Err(Gone),
        }
    }

    pub fn commands(&mut self) -> Result<Vec<String>, Gone> {
        self.texts(&Call::Commands)
    }

    fn texts(&mut self, call: &Call) -> Result<Vec<String>, Gone> {
        match self.ask(call)? {
            Reply::Texts(texts) => Ok(texts),
            _ => Err(Gone),
        }
    }

    pub fn candidates(&mut self, words: &[String], directory: &Path) -> Result<Vec<Candidate>, Gone> {
        match self.ask(&Call::Candidates { words: words.to_vec(), directory: directory.to_owned() })? {
            Reply::Candidates(candidates) => Ok(candidates),
            _ => Err(Gone),
        }
    }

    /// The error is a reason in words.
    pub fn names(&mut self, question: &[u8]) -> Result<Vec<u8>, String> {
        match self.ask(&Call::Names(question.to_vec())) {
            Ok(Reply::Names(answer)) => answer,
            _ => Err(Gone.to_string()),
        }
    }

    /// Puts on record that there will be no session.
    pub fn abort(&mut self, reason: &str) {
        let _ = self.ask(&Call::Abort(reason.to_owned()));
    }

    /// Ends the session. Why it is over, which the front need not know, and what is left to tell.
    pub fn end(&mut self, ending: Ending) -> (Ending, Vec<String>) {
        let (ending, mut messages) = match self.ask(&Call::End(ending)) {
            Ok(Reply::Ended { ending, messages }) => (ending, messages),
            _ => (ending, Vec::new()),
        };
        // A guard elsewhere does so when nothing of this front is on its way any more.
        if let Desk::Here { guard: Some(guard), .. } = self {
            messages.extend(guard.close());
        }
        (ending, messages)
    }
}

impl Way {
    /// As records name it.
    pub fn name(self) -> &'static str {
        match self {
            Way::Login => "login",
            Way::Command => "command",
            Way::Forced => "forced",
        }
    }
}

impl View {
    /// Its two clocks, as policies set them.
    pub fn clocks(&self) -> [Option<Duration>; 3] {
        [self.idle, self.max, Some(self.age)].map(|time| time.map(Duration::from_millis))
    }
}
