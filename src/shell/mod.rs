//! The session: the front (editor, prompt, parsing, globs) and the guard (decision, records, processes), tied by one narrow call.
//!
//! | file | what it is |
//! |---|---|
//! | [`arguments`] | the command line of `posternsh` |
//! | [`in_force`] | the policy in force, and what of it a person may see |
//! | [`session`] | the loop: line by line, from the front to the guard |
//! | [`input`], [`editor`], [`complete`] | where lines come from |
//! | [`front`], [`builtins`] | what a line asks for, and what the shell does by itself |
//! | [`guard`], [`ledger`] | decision, processes, records |
//! | [`clock`] | how a session ends |
//! | [`message`] | everything that the person reads |
#![forbid(unsafe_code)]

pub mod arguments;
pub mod builtins;
pub mod clock;
pub mod complete;
mod confirm;
pub mod editor;
pub mod front;
pub mod guard;
pub mod in_force;
pub mod input;
pub mod ledger;
pub mod message;
pub mod session;
mod told;
mod witness;

use std::io::{self, IsTerminal, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::process::{ExitCode, exit};
use std::sync::{Mutex, PoisonError};

use nix::sys::termios::{SetArg, tcgetattr, tcsetattr};

use crate::access::{self, AccessError};
use crate::confine::Rulesets;
use crate::record::Unrecorded;
use crate::sys::process::protect_memory;
use crate::sys::prompt;
use crate::words::{Safe, paths};
use arguments::{ArgumentError, Arguments, Origin, Task, Way};
use guard::Guard;
use in_force::{InForce, PolicyError};
use message::tell;
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
enum StartError {
    #[error("{0}")]
    Arguments(#[from] ArgumentError),
    #[error("started with privilege that its caller lacks: this version does not run set-user-ID")]
    Privileged,
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error("{0}; without records there is no session")]
    Unrecorded(#[from] Unrecorded),
    #[error("signals cannot be watched: {0}")]
    Signals(#[from] io::Error),
    #[error("the shell's memory cannot be protected: {}", .0.desc())]
    Unprotected(#[from] nix::Error),
}

/// The main function of `posternsh`.
pub fn main() -> ExitCode {
    fail_closed();
    let status = arguments::parse(std::env::args_os().skip(1)).map_err(StartError::from).and_then(run);
    ExitCode::from(status.unwrap_or_else(|error| refuse(&error)))
}

/// Says why there is no session, and puts it on record.
fn refuse(error: &StartError) -> u8 {
    let reason = error.to_string();
    let usage = if matches!(error, StartError::Arguments(_)) { USAGE } else { "" };
    tell(&legible(&format!("{reason}\n{usage}")));
    ledger::refused(&access::identify().unwrap_or_else(|_| access::unidentified()), &reason);
    BROKEN
}

fn run(task: Task) -> Result<u8, StartError> {
    match task {
        Task::Help => show(&format!("{USAGE}\n\n{HELP}")),
        Task::Version => show(concat!("posternsh ", env!("CARGO_PKG_VERSION"), "\n")),
        Task::Run(arguments) => session(arguments),
    }
}

/// Self-protection, self-check, policy, session, exit status.
fn session(arguments: Arguments) -> Result<u8, StartError> {
    // Before anything is in it. Nothing that follows undoes it: a child has memory of its own once it executes.
    protect_memory()?;
    if access::privileged() {
        return Err(StartError::Privileged);
    }
    let (way, line) = line(arguments.way);
    let interactive = line.is_none() && io::stdin().is_terminal();
    prompt::watch(interactive)?;

    let person = access::identify()?;
    let demo = arguments.origin == Origin::Demo;
    let (policy, alert) = InForce::open(&arguments.origin, &person)?;
    let term = std::env::var("TERM").ok();
    // It says nothing of a policy, so it serves every one.
    let state = Some(Path::new(paths::STATE_DIR));
    let rulesets = if interactive || way == "login" { Rulesets::for_session(state) } else { Rulesets::for_one_line(state) };
    let mut guard = Guard::open(policy, person.clone(), way, io::stdout().is_terminal(), term.clone(), rulesets)?;
    if let Some(reason) = &alert {
        guard.alert(reason);
    }
    if interactive {
        alert.iter().for_each(|reason| tell(&legible(reason)));
        if demo {
            introduce(&guard);
        }
    }

    let mut session = Session::new(person, guard);
    let ending = match line {
        Some(line) => session.command(&line),
        None if interactive => session.interactive(term.as_deref()),
        None => session.script(),
    };
    Ok(session.end(ending))
}

/// The way in as records name it, and the one line to run if there is one.
fn line(way: Way) -> (&'static str, Option<Vec<u8>>) {
    match way {
        Way::Login => ("login", None),
        Way::Command(line) => ("command", Some(line)),
        Way::Forced => ("forced", std::env::var_os("SSH_ORIGINAL_COMMAND").map(OsStringExt::into_vec)),
    }
}

/// What the demo is.
fn introduce(guard: &Guard) {
    tell("a demo: commands run as you, by the diagnostics policy that is built in; nothing is installed");
    tell(&format!("its records are in {}", Safe(guard.records().0.as_os_str().as_bytes())));
}

/// A defect of this program ends it with a message and the terminal as it was; never with a shell that goes on.
fn fail_closed() {
    let modes = Mutex::new(tcgetattr(io::stdin()).ok());
    std::panic::set_hook(Box::new(move |defect| {
        if let Some(modes) = modes.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, modes);
        }
        tell(&legible(&format!("a defect in this shell: {defect}")));
        exit(BROKEN.into());
    }));
}

/// A text of several lines, each safe to show.
fn legible(text: &str) -> String {
    text.lines().map(|line| Safe(line.as_bytes()).to_string()).collect::<Vec<_>>().join("\n")
}

fn show(text: &str) -> Result<u8, StartError> {
    let mut output = io::stdout().lock();
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    Ok(0)
}
