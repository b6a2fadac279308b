//! The session: line by line, from the front to the guard, until it ends.

use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::clock::{Clock, Ending};
use super::complete::View;
use super::editor::{self, LineEditor};
use super::front::{Asked, Front, Refusal, Surroundings};
use super::guard::{Guard, Outcome, Refused};
use super::input::{self, Input};
use super::message::{self, tell};
use super::{builtins, confirm, in_force};
use crate::access::Person;
use crate::exec::Host;
use crate::record::Decision;
use crate::syntax::Request;
use crate::words::Safe;
use crate::words::escape::hazard;
use crate::words::limits::HISTORY_LINES;

/// A session of a person.
pub struct Session {
    person: Person,
    front: Front,
    guard: Guard,
    /// Whether a person types the lines.
    interactive: bool,
    since: OffsetDateTime,
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

impl Done {
    fn shown(text: String) -> Done {
        Done { shown: text, ..Done::default() }
    }
    fn failed(status: u8, error: String) -> Done {
        Done { status, error: Some(error), ..Done::default() }
    }
}

impl Session {
    pub fn new(person: Person, guard: Guard) -> Session {
        let front = Front::new(&person.home);
        Session { person, front, guard, interactive: false, since: OffsetDateTime::now_utc(), status: 0, history: Vec::new() }
    }

    /// Runs one line: `-c`.
    pub fn command(&mut self, line: &[u8]) -> Ending {
        self.line(line).unwrap_or(Ending::Exit(self.status))
    }

    /// Runs lines from standard input, silently.
    pub fn script(&mut self) -> Ending {
        loop {
            let ending = match input::read_line(&self.guard.clock().without_keys()) {
                Input::Interrupted => Some(Ending::Exit(130)),
                input => self.take(input),
            };
            if let Some(ending) = ending {
                return ending;
            }
        }
    }

    /// Runs lines from a person at a terminal.
    pub fn interactive(&mut self, term: Option<&str>) -> Ending {
        self.interactive = true;
        let mut editor = editor::is_usable(term).then(|| LineEditor::open(self.view())).and_then(Result::ok);
        let session = &self.guard.policy().settings().session;
        say(&message::greeting(&self.person.host, &self.person.account, session.banner.as_deref()));
        loop {
            if let Some(ending) = self.turn(editor.as_mut()) {
                return ending;
            }
        }
    }

    /// One prompt and its line.
    fn turn(&mut self, editor: Option<&mut LineEditor>) -> Option<Ending> {
        let mut clock = self.guard.clock();
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
                let outcome = self.invalid(&start, &reason);
                self.finish(outcome)
            }
            Input::Interrupted => {
                self.status = 130;
                None
            }
            Input::NotText => {
                tell("what was typed is not UTF-8; nothing was run");
                let outcome = self.invalid(b"", "invalid UTF-8 from the terminal");
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
        let prompt = message::prompt(&self.person.account, &self.person.host, self.status);
        let view = self.view();
        let Some(editor) = editor else {
            say_part(&prompt);
            return input::read_line(clock);
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

    /// Runs one line, whatever it is. Once the session's time is over, none.
    fn line(&mut self, line: &[u8]) -> Option<Ending> {
        self.guard.refresh().iter().for_each(|message| tell(message));
        let outcome = match self.guard.clock().over(Instant::now()) {
            Some(ending) => {
                let refused = Refused { decision: Decision::Deny, status: ending.status(), reason: "the session's time is over" };
                Outcome { ending: Some(ending), ..self.guard.refuse(line, &refused, self.front.directory()) }
            }
            None => self.outcome(line)?,
        };
        self.finish(outcome)
    }

    /// What becomes of a line; `None` of one that asks for nothing.
    fn outcome(&mut self, line: &[u8]) -> Option<Outcome> {
        Some(match self.asked(line) {
            Ok(Asked::Nothing) => return None,
            Ok(Asked::Builtin(argv)) => self.builtin(line, &argv),
            Ok(Asked::Commands { request, directory }) => {
                let outcome = self.submit(request, &directory);
                if outcome.accepted {
                    self.front.enter(directory);
                }
                outcome
            }
            Err(Refusal::Syntax(error)) => {
                tell(&message::invalid(line, &error));
                self.invalid(line, &error.to_string())
            }
            Err(Refusal::Directory { reason }) => {
                tell(&no_directory(&reason));
                let reason = format!("cd: {reason}");
                let refused = Refused { decision: Decision::Deny, status: 1, reason: &reason };
                self.guard.refuse(line, &refused, self.front.directory())
            }
        })
    }

    /// Gives a line to the guard, and once more where the person has to confirm it first.
    fn submit(&mut self, request: Request, directory: &Path) -> Outcome {
        let outcome = self.guard.submit(request.clone(), directory, &[]);
        if outcome.confirm.is_empty() {
            return outcome;
        }
        outcome.messages.iter().for_each(|message| tell(message));
        let (answers, ending) = confirm::ask(&outcome.confirm, &self.guard.clock());
        self.guard.refresh().iter().for_each(|message| tell(message));
        let outcome = self.guard.submit(request, directory, &answers);
        Outcome { ending: ending.or(outcome.ending), ..outcome }
    }

    /// Puts a line on record that is not part of this shell. Without a person, what follows may be part of what was not understood: POSIX
    /// ends a shell there.
    fn invalid(&mut self, line: &[u8], reason: &str) -> Outcome {
        let outcome = self.guard.refuse(line, &Refused { decision: Decision::Invalid, status: 2, reason }, self.front.directory());
        Outcome { ending: (!self.interactive).then_some(Ending::Exit(2)), ..outcome }
    }

    fn asked(&self, line: &[u8]) -> Result<Asked, Refusal> {
        let (policy, subject) = (self.guard.policy(), self.guard.subject());
        let constants = in_force::constants(policy, subject);
        let is_program = |name: &str| in_force::allows(policy, subject, name);
        self.front.read(line, &Surroundings { constants: &constants, status: self.status, is_program: &is_program })
    }

    fn finish(&mut self, outcome: Outcome) -> Option<Ending> {
        outcome.messages.iter().for_each(|message| tell(message));
        self.status = outcome.status;
        outcome.ending
    }

    fn view(&self) -> View {
        View { policy: Rc::clone(self.guard.policy()), subject: self.guard.subject().clone(), directory: self.front.directory().to_owned() }
    }

    /// Does what a builtin does, on record. Nobody is kept from leaving by records that cannot be written.
    fn builtin(&mut self, line: &[u8], argv: &[String]) -> Outcome {
        let mut outcome = self.recorded(line, argv, |session| session.act(argv));
        if !outcome.accepted && matches!(argv.first().map(String::as_str), Some("exit" | "logout")) {
            outcome.ending = Some(Ending::Exit(outcome.status));
        }
        outcome
    }

    fn recorded(&mut self, line: &[u8], argv: &[String], act: impl FnOnce(&mut Session) -> Done) -> Outcome {
        let started = match self.guard.builtin(line, argv.to_vec(), self.front.directory()) {
            Ok(started) => started,
            Err(outcome) => return outcome,
        };
        let done = act(self);
        show(&done.shown);
        let mut messages: Vec<String> = done.error.into_iter().collect();
        messages.extend(self.guard.end_builtin(&started, done.status));
        Outcome { status: done.status, accepted: true, messages, ending: done.ending, ..Outcome::default() }
    }

    fn act(&mut self, argv: &[String]) -> Done {
        let (name, arguments) = argv.split_first().map_or(("", argv), |(name, arguments)| (name.as_str(), arguments));
        match (name, arguments) {
            ("help", []) => Done::shown(builtins::help(self.guard.policy(), self.guard.subject(), editor::columns())),
            ("help", [command]) => self.help_on(command),
            ("explain", [line]) => self.explain(line),
            ("cd", _) => self.change_directory(argv),
            ("pwd", []) => Done::shown(format!("{}\n", safe(self.front.directory()))),
            ("history", []) => Done::shown(builtins::history(self.history.iter().map(String::as_str))),
            ("session", []) => Done::shown(self.about()),
            ("logout", []) => Done { status: self.status, ending: Some(Ending::Exit(self.status)), ..Done::default() },
            ("exit", arguments) => match builtins::exit_status(arguments, self.status) {
                Ok(status) => Done { status, ending: Some(Ending::Exit(status)), ..Done::default() },
                Err(reason) => Done::failed(2, format!("exit: {reason}")),
            },
            (name, _) => Done::failed(2, format!("usage: {}", builtins::usage(name))),
        }
    }

    fn help_on(&self, command: &str) -> Done {
        let help = builtins::help_on(self.guard.policy(), self.guard.subject(), command, editor::columns());
        help.map_or_else(|error| Done::failed(1, error), Done::shown)
    }

    fn change_directory(&mut self, argv: &[String]) -> Done {
        match self.front.destination(argv) {
            Ok(directory) => {
                self.front.enter(directory);
                Done::default()
            }
            Err(reason) => Done::failed(1, no_directory(&reason)),
        }
    }

    /// Says what would become of a line. Of a builtin there is nothing to decide.
    fn explain(&self, line: &str) -> Done {
        let (request, directory) = match self.asked(line.as_bytes()) {
            Ok(Asked::Commands { request, directory }) => (request, directory),
            Ok(Asked::Builtin(_)) => return Done::shown("allowed: it is part of this shell\n".to_owned()),
            Ok(Asked::Nothing) => return Done::shown("nothing to run\n".to_owned()),
            Err(Refusal::Syntax(error)) => return Done::failed(2, message::invalid(line.as_bytes(), &error)),
            Err(Refusal::Directory { reason }) => return Done::failed(1, no_directory(&reason)),
        };
        let facts = Host::new(directory);
        match builtins::explain(self.guard.policy(), self.guard.subject(), &request, &facts) {
            Ok((text, true)) => Done::shown(text),
            Ok((text, false)) => Done { status: 126, ..Done::shown(text) },
            Err(damaged) => Done::failed(125, Safe(damaged.to_string().as_bytes()).to_string()),
        }
    }

    /// What `session` shows.
    fn about(&self) -> String {
        let settings = &self.guard.policy().settings().session;
        let limit = |limit: Option<u64>| limit.map_or("never".to_owned(), |ms| message::duration(std::time::Duration::from_millis(ms)));
        let (file, syslog) = self.guard.records();
        let from = self.person.from.map(|address| format!(" from {address}")).unwrap_or_default();
        let rows = [
            ("session", self.guard.session().id.clone()),
            ("account", format!("{} on {}{from}", self.person.account, self.person.host)),
            ("policy", self.guard.policy().digest().to_owned()),
            ("since", self.since.format(&Rfc3339).unwrap_or_default()),
            ("ends", format!("after {} without a key, after {} in any case", limit(settings.idle), limit(settings.max))),
            ("records", file.display().to_string()),
            ("syslog", syslog.unwrap_or("none").to_owned()),
        ];
        rows.iter().map(|(name, value)| format!("{name:<9}{}\n", Safe(value.as_bytes()))).collect()
    }

    /// Ends the session: on record, and on the screen where there is something to tell.
    pub fn end(mut self, ending: Ending) -> u8 {
        let messages = self.guard.end(ending);
        ending.message().iter().chain(&messages).for_each(|message| tell(message));
        ending.status()
    }
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
