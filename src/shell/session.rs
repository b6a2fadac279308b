//! The session: line by line, from the front to the guard, until it ends.

use std::cell::RefCell;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use super::clock::{Clock, Ending};
use super::complete::Desktop;
use super::desk::{Desk, Gone, View};
use super::editor::{self, LineEditor};
use super::front::{Asked, Front, Refusal, Surroundings};
use super::guard::Outcome;
use super::input::{self, Input};
use super::message::{self, tell};
use super::{builtins, confirm};
use crate::record::Decision;
use crate::syntax::Request;
use crate::words::Safe;
use crate::words::escape::hazard;
use crate::words::limits::HISTORY_LINES;

/// A session of a person.
pub struct Session {
    desk: Rc<RefCell<Desk>>,
    view: View,
    front: Front,
    /// Whether a person types the lines.
    interactive: bool,
    clock: Clock,
    /// The exit status of the line before.
    status: u8,
    history: Vec<String>,
}

/// What a builtin did.
#[derive(Default)]
struct Done {
    status: u8,
    /// For standard output.
    shown: String,
    /// For standard error.
    error: Option<String>,
    ending: Option<Ending>,
}

impl From<(String, u8)> for Done {
    /// What was shown, or, of an error, what is told.
    fn from((text, status): (String, u8)) -> Done {
        match status {
            1 | 2 | 125 => Done::failed(status, text),
            _ => Done { status, ..Done::shown(text) },
        }
    }
}

impl Done {
    fn shown(text: String) -> Done {
        Done { shown: text, ..Done::default() }
    }
    fn failed(status: u8, error: String) -> Done {
        Done { status, error: Some(error), ..Done::default() }
    }
}

impl Session {
    /// A session that begins in a directory.
    pub fn new(desk: Rc<RefCell<Desk>>, view: View, directory: PathBuf) -> Session {
        let now = Instant::now();
        let [_, _, age] = view.clocks();
        let clock = Clock::start(age.and_then(|age| now.checked_sub(age)).unwrap_or(now));
        let front = Front::new(&view.home, directory);
        Session { desk, view, front, interactive: false, clock, status: 0, history: Vec::new() }
    }

    /// The session's clock by the policy in force, as if a key had just been pressed.
    fn clock(&self) -> Clock {
        let [idle, max, _] = self.view.clocks();
        let mut clock = self.clock.with(idle, max);
        clock.touch(Instant::now());
        clock
    }

    /// Runs one line: `-c`. By the policy that the session has just begun with; the guard asks for a newer one in any case.
    pub fn command(&mut self, line: &[u8]) -> Ending {
        self.run(line, Ok(())).unwrap_or(Ending::Exit(self.status))
    }

    /// Runs lines from standard input, silently.
    pub fn script(&mut self) -> Ending {
        loop {
            let ending = match input::read_line(&self.clock().without_keys()) {
                Input::Interrupted => Some(Ending::Exit(130)),
                input => self.take(input),
            };
            if let Some(ending) = ending {
                return ending;
            }
        }
    }

    /// Runs lines from a person at a terminal. `editor` is for a terminal that can be edited on.
    pub fn interactive(&mut self, mut editor: Option<LineEditor>) -> Ending {
        self.interactive = true;
        say(&message::greeting(&self.view));
        loop {
            if let Some(ending) = self.turn(editor.as_mut()) {
                return ending;
            }
        }
    }

    /// One prompt and its line.
    fn turn(&mut self, editor: Option<&mut LineEditor>) -> Option<Ending> {
        let mut clock = self.clock();
        if let Some(ending) = clock.over(Instant::now()) {
            return Some(ending);
        }
        let input = self.read(editor, &mut clock);
        self.take(input)
    }

    /// Acts on what came from wherever lines come from.
    fn take(&mut self, input: Input) -> Option<Ending> {
        match input {
            Input::Line(line) => self.line(&line),
            Input::TooLong { start, bytes } => {
                let reason = message::too_long(start.len(), bytes);
                tell(&reason);
                let outcome = self.invalid(&start, &reason).unwrap_or_else(lost);
                self.finish(outcome)
            }
            Input::Interrupted => {
                self.status = 130;
                None
            }
            Input::NotText => {
                tell("what was typed is not UTF-8; nothing was run");
                let outcome = self.invalid(b"", "invalid UTF-8 from the terminal").unwrap_or_else(lost);
                self.finish(outcome)
            }
            Input::NotTaken(line, notice) => {
                let reason = message::not_taken(notice);
                tell(&reason);
                let outcome = self.invalid(&line, &reason).unwrap_or_else(lost);
                self.finish(outcome)
            }
            Input::End => Some(Ending::Exit(self.status)),
            Input::Ended(ending) => Some(ending),
            Input::Failed(reason) => {
                tell(&format!("standard input cannot be read: {}", Safe(reason.as_bytes())));
                Some(Ending::Failed)
            }
        }
    }

    fn read(&mut self, editor: Option<&mut LineEditor>, clock: &mut Clock) -> Input {
        let prompt = message::prompt(&self.view, self.status);
        let view = self.desktop();
        let Some(editor) = editor else {
            say_part(&prompt);
            return input::read_typed_line(clock);
        };
        let input = editor.read(&prompt, view, clock);
        if let Input::Line(line) = &input
            && let Some(line) = worth_remembering(line)
        {
            editor.remember(line);
            self.history.push(line.to_owned());
            let surplus = self.history.len().saturating_sub(HISTORY_LINES);
            self.history.drain(..surplus);
        }
        input
    }

    /// Runs one line by the policy that is in force now.
    fn line(&mut self, line: &[u8]) -> Option<Ending> {
        let refreshed = self.refresh();
        self.run(line, refreshed)
    }

    /// Runs one line, whatever it is, unless the guard is gone. Once the session's time is over, none.
    fn run(&mut self, line: &[u8], guarded: Result<(), Gone>) -> Option<Ending> {
        let outcome = guarded.and_then(|()| match self.clock().over(Instant::now()) {
            Some(ending) => {
                let outcome = self.refuse(line, Decision::Deny, ending.status(), "the session's time is over")?;
                Ok(Some(Outcome { ending: Some(ending), ..outcome }))
            }
            None => self.outcome(line),
        });
        self.finish(outcome.unwrap_or_else(|gone| Some(lost(gone)))?)
    }

    /// Takes up another policy if one was applied.
    fn refresh(&mut self) -> Result<(), Gone> {
        let (view, messages) = self.desk.borrow_mut().refresh()?;
        self.view = view.unwrap_or_else(|| std::mem::take(&mut self.view));
        messages.iter().for_each(|message| tell(message));
        Ok(())
    }

    /// What becomes of a line; `None` of one that asks for nothing.
    fn outcome(&mut self, line: &[u8]) -> Result<Option<Outcome>, Gone> {
        Ok(Some(match self.asked(line) {
            Ok(Asked::Nothing) => return Ok(None),
            Ok(Asked::Builtin(argv)) => self.builtin(line, &argv)?,
            Ok(Asked::Commands { request, directory }) => {
                let outcome = self.submit(request, &directory)?;
                if outcome.accepted {
                    self.front.enter(directory);
                }
                outcome
            }
            Err(Refusal::Syntax(error)) => {
                tell(&message::invalid(line, &error));
                self.invalid(line, &error.to_string())?
            }
            Err(Refusal::Directory { reason }) => {
                tell(&no_directory(&reason));
                self.refuse(line, Decision::Deny, 1, &format!("cd: {reason}"))?
            }
        }))
    }

    fn refuse(&self, line: &[u8], decision: Decision, status: u8, reason: &str) -> Result<Outcome, Gone> {
        self.desk.borrow_mut().refuse(line, decision, status, reason, self.front.directory())
    }

    /// Gives a line to the guard, and once more where the person has to confirm it first.
    fn submit(&mut self, request: Request, directory: &Path) -> Result<Outcome, Gone> {
        let outcome = self.desk.borrow_mut().submit(request.clone(), directory, &[])?;
        if outcome.confirm.is_empty() {
            return Ok(outcome);
        }
        outcome.messages.iter().for_each(|message| tell(message));
        let (answers, ending) = confirm::ask(&outcome.confirm, &self.clock());
        self.refresh()?;
        let outcome = self.desk.borrow_mut().submit(request, directory, &answers)?;
        Ok(Outcome { ending: ending.or(outcome.ending), ..outcome })
    }

    /// Puts a line on record that is not part of this shell. Without a person, what follows may be part of what was not understood: POSIX
    /// ends a shell there.
    fn invalid(&self, line: &[u8], reason: &str) -> Result<Outcome, Gone> {
        let outcome = self.refuse(line, Decision::Invalid, 2, reason)?;
        Ok(Outcome { ending: (!self.interactive).then_some(Ending::Exit(2)), ..outcome })
    }

    fn asked(&self, line: &[u8]) -> Result<Asked, Refusal> {
        let ask = |question: &[u8]| self.desk.borrow_mut().names(question);
        let View { constants, programs, .. } = &self.view;
        self.front.read(line, &Surroundings { constants, status: self.status, programs, names: &ask })
    }

    fn finish(&mut self, outcome: Outcome) -> Option<Ending> {
        outcome.messages.iter().for_each(|message| tell(message));
        self.status = outcome.status;
        outcome.ending
    }

    /// What completion looks at.
    fn desktop(&self) -> Desktop {
        Desktop { desk: Rc::clone(&self.desk), home: self.view.home.clone(), directory: self.front.directory().to_owned() }
    }

    /// Does what a builtin does, on record. Nobody is kept from leaving by records that cannot be written.
    fn builtin(&mut self, line: &[u8], argv: &[String]) -> Result<Outcome, Gone> {
        if let Some(refused) = self.desk.borrow_mut().builtin(line, argv, self.front.directory())? {
            let leaves = matches!(argv.first().map(String::as_str), Some("exit" | "logout"));
            let ending = leaves.then_some(Ending::Exit(refused.status));
            return Ok(Outcome { ending: refused.ending.or(ending), ..refused });
        }
        let done = self.act(argv)?;
        show(&done.shown);
        let mut messages: Vec<String> = done.error.into_iter().collect();
        messages.extend(self.desk.borrow_mut().end_builtin(done.status)?);
        Ok(Outcome { status: done.status, accepted: true, messages, ending: done.ending, ..Outcome::default() })
    }

    fn act(&mut self, argv: &[String]) -> Result<Done, Gone> {
        let (name, arguments) = argv.split_first().map_or(("", argv), |(name, arguments)| (name.as_str(), arguments));
        Ok(match (name, arguments) {
            ("help", []) => self.desk.borrow_mut().help(None, editor::columns())?.into(),
            ("help", [command]) => self.desk.borrow_mut().help(Some(command), editor::columns())?.into(),
            ("explain", [line]) => self.explain(line)?,
            ("cd", _) => self.change_directory(argv),
            ("pwd", []) => Done::shown(format!("{}\n", safe(self.front.directory()))),
            ("history", []) => Done::shown(builtins::history(self.history.iter().map(String::as_str))),
            ("session", []) => self.desk.borrow_mut().about()?.into(),
            ("logout", []) => Done { status: self.status, ending: Some(Ending::Exit(self.status)), ..Done::default() },
            ("exit", arguments) => match builtins::exit_status(arguments, self.status) {
                Ok(status) => Done { status, ending: Some(Ending::Exit(status)), ..Done::default() },
                Err(reason) => Done::failed(2, format!("exit: {reason}")),
            },
            (name, _) => Done::failed(2, format!("usage: {}", builtins::usage(name))),
        })
    }

    fn change_directory(&mut self, argv: &[String]) -> Done {
        let destination = self.front.destination(argv, &|question| self.desk.borrow_mut().names(question));
        match destination {
            Ok(directory) => {
                self.front.enter(directory);
                Done::default()
            }
            Err(reason) => Done::failed(1, no_directory(&reason)),
        }
    }

    /// Says what would become of a line. Of a builtin there is nothing to decide.
    fn explain(&self, line: &str) -> Result<Done, Gone> {
        Ok(match self.asked(line.as_bytes()) {
            Ok(Asked::Commands { request, directory }) => self.desk.borrow_mut().explain(request, &directory)?.into(),
            Ok(Asked::Builtin(_)) => Done::shown("allowed: it is part of this shell\n".to_owned()),
            Ok(Asked::Nothing) => Done::shown("nothing to run\n".to_owned()),
            Err(Refusal::Syntax(error)) => Done::failed(2, message::invalid(line.as_bytes(), &error)),
            Err(Refusal::Directory { reason }) => Done::failed(1, no_directory(&reason)),
        })
    }

    /// Ends the session: on record, and on the screen where there is something to tell.
    pub fn end(self, ending: Ending) -> u8 {
        let (ending, messages) = self.desk.borrow_mut().end(ending);
        ending.message().iter().chain(&messages).for_each(|message| tell(message));
        ending.status()
    }
}

/// What a line becomes when there is nobody any more to decide it.
fn lost(gone: Gone) -> Outcome {
    Outcome { status: 125, messages: vec![gone.to_string()], ending: Some(Ending::Failed), ..Outcome::default() }
}

/// What the arrow keys bring back: text, and nothing that the parser refuses whatever else the line says.
fn worth_remembering(line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line).ok()?;
    let text = !line.trim().is_empty() && line.chars().all(|character| hazard(character).is_none());
    text.then_some(line)
}

/// A directory that cannot be entered.
fn no_directory(reason: &str) -> String {
    format!("cd: {}", Safe(reason.as_bytes()))
}

fn safe(path: &Path) -> String {
    Safe(path.as_os_str().as_encoded_bytes()).to_string()
}

/// Shows what a builtin has to show. Where nobody reads it, nothing is lost.
fn show(text: &str) {
    let mut output = io::stdout().lock();
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
}

/// Says something to the person without the shell's name before it.
fn say(text: &str) {
    say_part(&format!("{text}\n"));
}

fn say_part(text: &str) {
    let mut error = io::stderr().lock();
    let _ = error.write_all(text.as_bytes()).and_then(|()| error.flush());
}
