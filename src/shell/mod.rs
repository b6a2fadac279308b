//! The session: the front (editor, prompt, parsing) and the guard (decision, records, processes), tied by one narrow call.
//!
//! | file | what it is |
//! |---|---|
//! | [`arguments`] | the command line of `posternsh` |
//! | [`session`] | the front's loop: line by line, to the guard |
//! | [`input`], [`editor`], [`complete`] | where lines come from |
//! | [`front`], [`builtins`] | what a line asks for, and what the shell does by itself |
//! | [`desk`], [`channel`], [`wire`] | the seam: what the front may ask, in this process or over a socket |
//! | `sound` | which calls a front of ours can make |
//! | [`split`] | the two halves as processes, with a picture of all of them |
//! | [`opening`], [`guard`], [`ledger`] | who it is and by which policy; decision, processes, records |
//! | [`in_force`] | the policy in force, and what of it a person may see |
//! | [`names`] | what the front asks of the file system |
//! | [`runs_as`] | who runs a command, for `explain` |
//! | [`clock`], `terminal` | how a session ends, and what it leaves |
//! | [`hint`] | what a refusal teaches |
//! | [`message`] | everything that the person reads |
#![forbid(unsafe_code)]

pub mod arguments;
pub mod builtins;
pub mod channel;
pub mod clock;
pub mod complete;
mod confirm;
pub mod desk;
pub mod editor;
pub mod front;
pub mod guard;
pub mod hint;
pub mod in_force;
pub mod input;
pub mod ledger;
pub mod message;
pub mod names;
pub mod opening;
pub mod runs_as;
pub mod session;
mod sound;
pub mod split;
mod terminal;
mod told;
pub mod wire;
mod witness;

use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::{ExitCode, exit};
use std::rc::Rc;

use crate::access::{Install, InstallError};
use crate::sys::identity::Identity;
use crate::sys::process::protect_memory;
use crate::sys::prompt;
use crate::sys::sealed::{self, Role, SealError};
use crate::sys::start::Inherited;
use crate::{access, sys};
use arguments::{ArgumentError, Arguments, Origin, Task};
use complete::Desktop;
use desk::{Desk, View, Way};
use editor::LineEditor;
use message::tell;
use opening::{Opening, OpeningError, lines};
use session::Session;

const USAGE: &str = "usage: posternsh [--demo | --policy FILE|DIR] [-c LINE | --forced]";

const HELP: &str = "\
posternsh is a login shell for break-glass accounts: it runs what the policy allows, confined and on record.

  -c LINE              run one line
  --forced             run the line of SSH_ORIGINAL_COMMAND, or a session where there is none; for sshd's ForceCommand
  --policy FILE|DIR    use these policy sources instead of the policy in force
  --demo               use the policy that is built in; needs no installation
  --help, --version    show this, or the version
  -l, -i               accepted; they mean nothing here

Without -c and --forced, lines are read from standard input. See posternsh(1).
";

/// The exit status of a shell that could not do its job.
const BROKEN: u8 = 125;

/// Why a session cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Arguments(#[from] ArgumentError),
    #[error("started with privilege that its caller lacks: it takes no {0}")]
    Privileged(&'static str),
    #[error(transparent)]
    Install(#[from] InstallError),
    #[error("what this was started with cannot be made good: {0}")]
    Inherited(#[from] sys::start::StartError),
    #[error(transparent)]
    Opening(#[from] OpeningError),
    #[error("{0}")]
    NotStarted(String),
    #[error("the kernel gives no signals or processes: {0}")]
    System(#[from] io::Error),
    #[error("the terminal cannot be taken: {0}")]
    Terminal(io::Error),
    #[error("what a shell must do first failed: {}", .0.desc())]
    Unprotected(#[from] nix::Error),
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// The main function of `posternsh`.
pub fn main() -> ExitCode {
    main_with(half)
}

/// The same with another front where it is a process of its own: for who tries what one can do that is not ours.
pub fn main_with(front: split::Front) -> ExitCode {
    ExitCode::from(start(front).unwrap_or_else(|error| refuse(&error)))
}

fn start(front: split::Front) -> Result<u8, StartError> {
    // Before anything is in it. Nothing that follows undoes it: a child has memory of its own once it executes.
    protect_memory()?;
    match Install::of_this_process()? {
        Install::Plain => {
            fail_closed();
            whole()
        }
        Install::Root | Install::Postern => split::run(front),
    }
}

/// Says why there is no session, and puts it on record.
fn refuse(error: &StartError) -> u8 {
    // Where the session could not begin, that is on record already. The record first: whoever reads what is told may keep it waiting.
    if !matches!(error, StartError::NotStarted(_)) {
        ledger::refused(&access::identify().unwrap_or_else(|_| access::unidentified()), &error.to_string());
    }
    terminal::put_back();
    tell_why(error);
    BROKEN
}

fn tell_why(error: &StartError) {
    let usage = if matches!(error, StartError::Arguments(_)) { USAGE } else { "" };
    tell(&lines(&format!("{error}\n{usage}")));
}

/// Without privilege: front and guard are one, where there is no terminal that they would share.
fn whole() -> Result<u8, StartError> {
    match arguments::parse(std::env::args_os().skip(1))? {
        Task::Help => show(&format!("{USAGE}\n\n{HELP}")),
        Task::Version => show(concat!("posternsh ", env!("CARGO_PKG_VERSION"), "\n")),
        Task::Run(Arguments { way, origin }) if terminal::is_there() => split::run_on_terminal(&origin, |desk| alone(way, desk)),
        Task::Run(Arguments { way, origin }) => {
            let desk = Desk::here(Opening::prepare(&origin, Inherited::default(), None)?);
            converse(way, Rc::new(RefCell::new(desk)))
        }
    }
}

/// The front alone: sealed before it has read anything.
fn half(desk: Desk) -> u8 {
    if let Err(error) = seal() {
        tell_why(&error);
        return BROKEN;
    }
    let desk = Rc::new(RefCell::new(desk));
    let status = match arguments::parse(std::env::args_os().skip(1)) {
        Ok(Task::Help) => show(&format!("{USAGE}\n\n{HELP}")),
        Ok(Task::Version) => show(concat!("posternsh ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Task::Run(Arguments { way, origin: Origin::Applied })) => converse(way, Rc::clone(&desk)),
        Ok(Task::Run(Arguments { origin: Origin::Sources(_), .. })) => Err(StartError::Privileged("--policy")),
        Ok(Task::Run(Arguments { origin: Origin::Demo, .. })) => Err(StartError::Privileged("--demo")),
        Err(error) => Err(error.into()),
    };
    status.unwrap_or_else(|error| give_up(&error, &desk))
}

/// Gives up what the front does not need, for good.
pub fn seal() -> Result<(), StartError> {
    Ok(sealed::seal(Some(&Identity::of_caller()?), Role::Front)?)
}

/// The front alone, where nobody has privilege.
fn alone(way: arguments::Way, desk: Desk) -> u8 {
    let desk = Rc::new(RefCell::new(desk));
    let status = sealed::seal(None, Role::Front).map_err(StartError::from).and_then(|()| converse(way, Rc::clone(&desk)));
    status.unwrap_or_else(|error| give_up(&error, &desk))
}

fn give_up(error: &StartError, desk: &RefCell<Desk>) -> u8 {
    tell_why(error);
    // Where the guard has said so itself, it knows.
    if !matches!(error, StartError::NotStarted(_)) {
        desk.borrow_mut().abort(&error.to_string());
    }
    BROKEN
}

/// A whole session, seen from the front.
fn converse(way: arguments::Way, desk: Rc<RefCell<Desk>>) -> Result<u8, StartError> {
    let (way, line) = line(way);
    let interactive = line.is_none() && io::stdin().is_terminal();
    prompt::watch(interactive)?;
    let term = std::env::var("TERM").ok();
    let directory = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let editable = interactive && editor::is_usable(term.as_deref());
    let desktop = Desktop { desk: Rc::clone(&desk), home: String::new(), directory: directory.clone() };
    let editor = editable.then(|| LineEditor::open(desktop)).and_then(Result::ok);
    let (view, messages) = desk.borrow_mut().start(way, interactive, term.as_deref()).map_err(StartError::NotStarted)?;
    messages.iter().for_each(|message| tell(message));
    introduce(&view);
    let mut session = Session::new(desk, view, directory);
    let ending = match line {
        Some(line) => session.command(&line),
        None if interactive => session.interactive(editor),
        None => session.script(),
    };
    Ok(session.end(ending))
}

/// The way in, and the one line to run if there is one.
fn line(way: arguments::Way) -> (Way, Option<Vec<u8>>) {
    match way {
        arguments::Way::Login => (Way::Login, None),
        arguments::Way::Command(line) => (Way::Command, Some(line)),
        arguments::Way::Forced => (Way::Forced, std::env::var_os("SSH_ORIGINAL_COMMAND").map(OsStringExt::into_vec)),
    }
}

/// What the demo is.
fn introduce(view: &View) {
    if let Some(records) = &view.demo {
        tell("a demo: commands run as you, by the diagnostics policy that is built in; nothing is installed");
        tell(&format!("its records are in {records}"));
    }
}

/// A defect of this program ends it with a message and the terminal as it was; never with a shell that goes on.
fn fail_closed() {
    std::panic::set_hook(Box::new(move |defect| {
        terminal::put_back();
        tell(&lines(&format!("a defect in this shell: {defect}")));
        exit(BROKEN.into());
    }));
}

fn show(text: &str) -> Result<u8, StartError> {
    let mut output = io::stdout().lock();
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    Ok(0)
}
