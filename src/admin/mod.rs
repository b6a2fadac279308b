//! The operator's subcommands; thin; one table gives help, completion and dispatch.
//!
//! Exit status: 0 done; 1 the policy has errors, or a check found something; 2 the command line is wrong; 3 it could not be done, and
//! nothing has changed.
#![forbid(unsafe_code)]

mod apply;
mod arguments;
mod changes;
mod check;
mod diff;
mod doctor;
mod document;
mod explain;
mod golden;
mod help;
mod init;
mod install;
mod line;
mod lint;
mod output;
mod sessions;
mod sources;
mod state;
mod test;
mod who_can;

use std::process::ExitCode;

use self::arguments::{Arguments, Flag};
use self::output::complain;
use crate::access::in_force::Unusable;
use crate::record::read::CastError;
use crate::sys::file::FileError;
use crate::words::Diagnostic;

/// One subcommand.
struct Subcommand {
    name: &'static str,
    /// Its operands, as the usage line shows them: `[FILE|DIR]`.
    operands: &'static str,
    /// How many operands it takes at most.
    most: usize,
    /// What it does, in one line.
    about: &'static str,
    /// More about it, for `postern help NAME`.
    details: &'static str,
    flags: &'static [Flag],
    run: fn(&Arguments) -> Result<Status, Failure>,
}

/// For images and tests; what decides on a host is never taken from there.
const STATE: Flag =
    Flag { name: "state", value: Some("DIR"), about: "use DIR in place of /var/lib/postern (for images and tests)", many: false };

/// Every subcommand, sorted.
const SUBCOMMANDS: &[Subcommand] = &[
    Subcommand {
        name: "apply",
        operands: "[DIR]",
        most: 1,
        about: "put the policy of DIR in force (/etc/postern)",
        details: "Checks the policy, compiles it, tests it by its golden files and swaps it in atomically; the one before is kept for \
                  `postern rollback`. A policy with errors, or one that decides a line otherwise than expected, changes nothing. DIR, its files and all directories above must be owned by root and writable by no one else. \
                  Open sessions take it up at their next line.",
        flags: &[STATE],
        run: apply::apply,
    },
    Subcommand {
        name: "check",
        operands: "[FILE|DIR]",
        most: 1,
        about: "report every mistake in a policy (/etc/postern)",
        details: "Prints errors and warnings with file, line and column, and a summary. Errors give exit status 1, warnings 0. A FILE is \
                  checked by itself, as a main file. Nothing is put in force.",
        flags: &[],
        run: check::check,
    },
    Subcommand {
        name: "diff",
        operands: "OLD NEW",
        most: 2,
        about: "say what another policy allows that this one does not, and the reverse",
        details: "OLD and NEW are a policy file or directory, `applied` for the policy in force, or `before` for the one before it. Shows the \
                  rules that came (+), went (-) or say something else (~), whom files are for, settings, and the lines that are decided \
                  otherwise: those of --lines, for one person of each file, or those of the golden files of both. Exit status 0 without \
                  a difference, 1 with one.",
        flags: &[
            Flag { name: "lines", value: Some("FILE"), about: "decide the lines of FILE, - for standard input", many: false },
            Flag { name: "json", value: None, about: "print one JSON object", many: false },
            STATE,
        ],
        run: diff::diff,
    },
    Subcommand {
        name: "doctor",
        operands: "",
        most: 0,
        about: "check this host: what leads round the shell, and what is weaker than it should be",
        details: "Looks at the kernel, the installed programs, the policy in force, where records go, sshd, and every break-glass account: \
                  those with posternsh for a login shell, and the members of group postern. Each finding has an id that never changes, and \
                  the command or the setting that mends it; nothing is changed. What only root can look at is skipped, and said. Exit \
                  status 0 without problems, 1 with them, 3 if it could not look.",
        flags: &[
            Flag { name: "account", value: Some("NAME"), about: "look at this account too; may be given several times", many: true },
            Flag { name: "json", value: None, about: "print one JSON object", many: false },
        ],
        run: doctor::doctor,
    },
    Subcommand {
        name: "explain",
        operands: "LINE|-",
        most: 1,
        about: "say which rule decides a line and with which terms, or the nearest miss",
        details: "Decides LINE as a session would, and runs nothing. With -, reads lines from standard input and prints a JSON object for \
                  each. Exit status 0 if LINE is allowed, 1 if it is not; with -, 0 if all lines were read.",
        flags: &[
            Flag { name: "policy", value: Some("FILE|DIR"), about: "these sources in place of the policy in force", many: false },
            Flag { name: "account", value: Some("ACCOUNT"), about: "as this account (the caller)", many: false },
            Flag { name: "host", value: Some("HOST"), about: "as on this host (this one)", many: false },
            Flag { name: "from", value: Some("ADDRESS"), about: "as from this client address (unknown)", many: false },
            Flag { name: "json", value: None, about: "print JSON", many: false },
        ],
        run: explain::explain,
    },
    Subcommand {
        name: "help",
        operands: "[COMMAND]",
        most: 1,
        about: "show what postern, or one of its commands, does",
        details: "",
        flags: &[],
        run: help::help,
    },
    Subcommand {
        name: "init",
        operands: "[DIR]",
        most: 1,
        about: "write a policy to begin with, of the shipped parts (/etc/postern)",
        details: "Chooses the parts that this host has a use for, by the programs that are installed, and asks on a terminal for what no flag \
                  says. What it writes are files to read and to change: policy.yaml, and in policy.d each part with its golden lines. A policy \
                  that is there already is never written over. Nothing is put in force.",
        flags: &[
            Flag { name: "account", value: Some("ACCOUNT"), about: "for this account, or %group; may be given several times", many: true },
            Flag { name: "host", value: Some("GLOB"), about: "for hosts of this name; may be given several times", many: true },
            Flag { name: "from", value: Some("NETWORK"), about: "for clients from there; may be given several times", many: true },
            Flag { name: "part", value: Some("PART"), about: "this part, or all; may be given several times", many: true },
            Flag { name: "observe", value: None, about: "refuse nothing at first, only record what would have been", many: false },
        ],
        run: init::init,
    },
    Subcommand {
        name: "kill",
        operands: "SESSION",
        most: 1,
        about: "end a session and all that it started, within a second",
        details: "SESSION is an id, its beginning or end if that is one session's alone, or `last`, the newest open one. What runs is killed at \
                  once, the end is on record with your name and the reason, and the person reads both. A shell that has not ended after a \
                  second is killed itself. Exit status 0 if it ended in time, 1 if it had to be killed, 3 if it could not be ended.",
        flags: &[Flag { name: "reason", value: Some("TEXT"), about: "why, for the person and the record", many: false }, sessions::DIR],
        run: sessions::kill::kill,
    },
    Subcommand {
        name: "lint",
        operands: "[FILE|DIR]",
        most: 1,
        about: "report what is dangerous or useless in a policy, why, and the fix (/etc/postern)",
        details: "Tries every form with what several hundred programs do besides what they are run for: start others, write, read any file, \
                  speak to the network. Besides, it looks for forms that take too much, rules that decide nothing, data in reach, and what \
                  `check` warns of. An error is what neither door would stop, a warning what one door would, a note what is useless. \
                  What an `accept` of the policy says is meant is counted only. Exit status 1 with errors or warnings, 0 with none.",
        flags: &[
            Flag { name: "level", value: Some("LEVEL"), about: "only what is as bad as this: error, warning or note (note)", many: false },
            Flag { name: "json", value: None, about: "print one JSON object", many: false },
        ],
        run: lint::lint,
    },
    Subcommand {
        name: "policy",
        operands: "[FILE|DIR]",
        most: 1,
        about: "print the document of a policy for those who have to agree to it (the one in force)",
        details: "What can be run and with which effect, the exceptions first, and what the kernel makes impossible, in plain words; with the digest \
                  that every record names. The same policy gives the same bytes.",
        flags: &[
            Flag { name: "html", value: None, about: "as one HTML file, without scripts or anything from elsewhere", many: false },
            Flag { name: "markdown", value: None, about: "as Markdown", many: false },
        ],
        run: document::policy,
    },
    Subcommand {
        name: "replay",
        operands: "SESSION",
        most: 1,
        about: "show the recording of a session",
        details: "On a terminal it is played: space pauses, . goes one step, [ and ] go to the command before and after, the arrows 5 seconds \
                  back and on, - and + change the speed, q quits. Elsewhere it is written at once. It passes the filter of screens again. \
                  `last` is the newest session with a recording. Exit status 1 if it is damaged: what is whole is shown.",
        flags: &[
            Flag { name: "speed", value: Some("N"), about: "so many times as fast", many: false },
            Flag { name: "idle", value: Some("SECONDS"), about: "make no pause longer than this", many: false },
            Flag { name: "command", value: Some("N"), about: "begin with command N; without a terminal, show that alone", many: false },
            Flag { name: "at", value: Some("SECONDS"), about: "begin so many seconds after the start", many: false },
            Flag { name: "plain", value: None, about: "write all at once on a terminal too", many: false },
            sessions::DIR,
        ],
        run: sessions::replay::replay,
    },
    Subcommand {
        name: "rollback",
        operands: "",
        most: 0,
        about: "put the policy before the current one in force",
        details: "Exchanges the policy in force and the one before it, in one step. A second rollback undoes the first.",
        flags: &[STATE],
        run: apply::rollback,
    },
    Subcommand {
        name: "search",
        operands: "[TEXT]",
        most: 1,
        about: "find lines, refusals and output in all sessions",
        details: "TEXT is looked for in the lines that were given, in their words, and in what commands printed. What is found is shown with \
                  the session, the time, the command's number, and the `postern replay` that shows the moment. With --rule, --denied or \
                  --observed too, all of it has to hold (of the last two, one), and output is not searched. Exit status 1 if nothing was found.",
        flags: &[
            Flag { name: "rule", value: Some("RULE"), about: "only lines that this rule allowed: file:line, or its file", many: false },
            Flag { name: "denied", value: None, about: "only lines that were refused", many: false },
            Flag { name: "observed", value: None, about: "only lines that would have been, but for `mode: observe`", many: false },
            sessions::SINCE,
            sessions::ACCOUNT,
            Flag { name: "json", value: None, about: "print a JSON object for each", many: false },
            sessions::DIR,
        ],
        run: sessions::search::search,
    },
    Subcommand {
        name: "sessions",
        operands: "",
        most: 0,
        about: "list sessions, open and past",
        details: "For each: its id (which begins with its start, in UTC), account and address; for how long, how many lines were given and how \
                  many of them refused; and how it ended. `open` it is if the kernel says so; `lost` one that ended without a record of that; \
                  (watch) is somebody who watched another.",
        flags: &[
            Flag { name: "open", value: None, about: "only those that are open", many: false },
            sessions::SINCE,
            sessions::ACCOUNT,
            Flag { name: "json", value: None, about: "print one JSON list", many: false },
            sessions::DIR,
        ],
        run: sessions::sessions,
    },
    Subcommand {
        name: "test",
        operands: "[FILE|DIR...]",
        most: usize::MAX,
        about: "hold the golden files of a policy against it (/etc/postern)",
        details: "Decides the `allow` and `deny` lines of the golden files beside the policy's files as a session would, and runs nothing. A \
                  DIR is tested as a whole, a FILE by itself with the golden file beside it. The first difference of each file is shown with \
                  the rule and a caret, others in one line each. Exit status 0 if all is as expected, 1 if not, or if a file has mistakes, 3 \
                  if there is nothing to test.",
        flags: &[
            Flag { name: "unused", value: None, about: "list the rules that no line uses", many: false },
            Flag { name: "json", value: None, about: "print one JSON object", many: false },
        ],
        run: test::test,
    },
    Subcommand {
        name: "watch",
        operands: "SESSION",
        most: 1,
        about: "watch an open session as it happens",
        details: "Begins with the last command and ends with the session; q or Ctrl-C leaves it. It passes the filter of screens again. That \
                  you watch is on record, as a session of its own; without that record nothing is shown. `last` is the newest open session.",
        flags: &[sessions::DIR],
        run: sessions::watch::watch,
    },
    Subcommand {
        name: "who-can",
        operands: "LINE",
        most: 1,
        about: "say which accounts, hosts and addresses a policy lets run a line",
        details: "Names them as the policy's files do, each with the rule and on which terms, in the order in which they hold: where several \
                  fit, the first decides. Then whom deny rules take it from. A line of several commands is for those who may run them all. \
                  Exit status 0 if there is somebody, 1 if there is nobody.",
        flags: &[
            Flag { name: "policy", value: Some("FILE|DIR"), about: "these sources in place of the policy in force", many: false },
            Flag { name: "json", value: None, about: "print one JSON object", many: false },
        ],
        run: who_can::who_can,
    },
];

/// How a subcommand went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Done,
    /// The policy has errors; they are printed already.
    Findings,
}

/// Why a subcommand did nothing.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The command line is wrong; the second line says what would be right.
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    File(#[from] FileError),
    #[error("{}", .0.iter().map(Diagnostic::to_string).collect::<Vec<_>>().join("\n"))]
    Policy(Vec<Diagnostic>),
    #[error("{0}")]
    Unusable(#[from] Unusable),
    #[error("the recording: {0}")]
    Recording(#[from] CastError),
    #[error("{0}")]
    Other(String),
}

/// The main function of `postern`.
pub fn main() -> ExitCode {
    let result = arguments::parse(std::env::args_os().skip(1)).and_then(|(command, arguments)| (command.run)(&arguments));
    match result {
        Ok(Status::Done) => ExitCode::SUCCESS,
        Ok(Status::Findings) => ExitCode::from(1),
        Err(Failure::Policy(findings)) => {
            output::report(&findings);
            ExitCode::from(1)
        }
        Err(failure) => {
            complain(format_args!("postern: {failure}"));
            ExitCode::from(if matches!(failure, Failure::Usage(_)) { 2 } else { 3 })
        }
    }
}
