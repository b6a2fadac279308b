//! The command line of `posternsh` itself.
//!
//! Nobody must get an interactive shell by a mistake in it, so whatever is not known is an error. The exact line `posternsh --forced`
//! after `-c` is how sshd starts a `ForceCommand`; it alone, or the argument of that name, reads `SSH_ORIGINAL_COMMAND`, which elsewhere
//! a client could have set by itself (`AcceptEnv`).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use lexopt::{Arg, Parser};

/// The line by which sshd's `ForceCommand` starts this shell.
const FORCED: &[u8] = b"posternsh --forced";

/// What `posternsh` was asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    Run(Arguments),
    Help,
    Version,
}

/// How to run a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arguments {
    pub way: Way,
    pub origin: Origin,
}

/// The way in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Lines from standard input.
    Login,
    /// `-c`: one line, whatever its bytes.
    Command(Vec<u8>),
    /// The line of `SSH_ORIGINAL_COMMAND`, or a login where there is none.
    Forced,
}

/// Where the policy comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// What `postern apply` put in force.
    Applied,
    /// A file or directory of sources, compiled in memory.
    Sources(PathBuf),
    /// The policy that is built in.
    Demo,
}

/// A command line that is not one of `posternsh`.
#[derive(Debug, thiserror::Error)]
pub enum ArgumentError {
    #[error("{0}")]
    Malformed(#[from] lexopt::Error),
    #[error("{0} is given twice")]
    Twice(&'static str),
    #[error("{0} and {1} exclude each other")]
    Both(&'static str, &'static str),
}

/// Reads the arguments behind `argv[0]`.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Task, ArgumentError> {
    let mut parser = Parser::from_args(arguments);
    let (mut command, mut forced, mut sources, mut demo) = (None, false, None, false);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('c') => set(&mut command, parser.value()?, "-c")?,
            Arg::Long("policy") => set(&mut sources, parser.value()?, "--policy")?,
            Arg::Long("forced") => forced = true,
            Arg::Long("demo") => demo = true,
            Arg::Long("help") => return Ok(Task::Help),
            Arg::Long("version") => return Ok(Task::Version),
            // su(1) and login(1) pass these; a login shell is what this is.
            Arg::Short('l' | 'i') => {}
            other => return Err(other.unexpected().into()),
        }
    }
    let way = way(command, forced)?;
    let origin = match (sources, demo) {
        (Some(_), true) => return Err(ArgumentError::Both("--policy", "--demo")),
        (Some(path), false) => Origin::Sources(path.into()),
        (None, true) => Origin::Demo,
        (None, false) => Origin::Applied,
    };
    Ok(Task::Run(Arguments { way, origin }))
}

fn way(command: Option<OsString>, forced: bool) -> Result<Way, ArgumentError> {
    match (command.map(OsString::into_vec), forced) {
        (Some(_), true) => Err(ArgumentError::Both("-c", "--forced")),
        (Some(line), false) if line == FORCED => Ok(Way::Forced),
        (Some(line), false) => Ok(Way::Command(line)),
        (None, true) => Ok(Way::Forced),
        (None, false) => Ok(Way::Login),
    }
}

fn set(place: &mut Option<OsString>, value: OsString, name: &'static str) -> Result<(), ArgumentError> {
    match place.replace(value) {
        Some(_) => Err(ArgumentError::Twice(name)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Task, String> {
        parse(arguments.iter().map(OsString::from)).map_err(|error| error.to_string())
    }

    fn run(way: Way, origin: Origin) -> Result<Task, String> {
        Ok(Task::Run(Arguments { way, origin }))
    }

    #[test]
    fn each_way_in_has_its_arguments() {
        let line = |text: &str| Way::Command(text.as_bytes().to_vec());
        for (arguments, expected) in [
            (&[][..], run(Way::Login, Origin::Applied)),
            (&["-l"], run(Way::Login, Origin::Applied)),
            (&["-i"], run(Way::Login, Origin::Applied)),
            (&["-c", "uptime"], run(line("uptime"), Origin::Applied)),
            (&["-l", "-c", "uptime"], run(line("uptime"), Origin::Applied)),
            (&["-lc", "uptime"], run(line("uptime"), Origin::Applied)),
            (&["-c", "--help"], run(line("--help"), Origin::Applied)),
            (&["-c", ""], run(line(""), Origin::Applied)),
            (&["--forced"], run(Way::Forced, Origin::Applied)),
            (&["-c", "posternsh --forced"], run(Way::Forced, Origin::Applied)),
            (&["--policy", "p.yaml"], run(Way::Login, Origin::Sources("p.yaml".into()))),
            (&["--demo", "-c", "uptime"], run(line("uptime"), Origin::Demo)),
            (&["--help"], Ok(Task::Help)),
            (&["--version"], Ok(Task::Version)),
        ] {
            assert_eq!(parsed(arguments), expected, "{arguments:?}");
        }
    }

    #[test]
    fn only_the_exact_line_is_a_forced_command() {
        for line in ["posternsh  --forced", "posternsh --forced ", "/usr/bin/posternsh --forced", "posternsh --forced; id"] {
            assert_eq!(parsed(&["-c", line]), run(Way::Command(line.as_bytes().to_vec()), Origin::Applied));
        }
    }

    #[test]
    fn whatever_is_not_known_is_an_error_and_never_a_session() {
        for arguments in [
            &["-c"][..],
            &["-x"],
            &["--norc"],
            &["-s"],
            &["script"],
            &["-c", "a", "b"],
            &["-c", "a", "-c", "b"],
            &["--forced", "-c", "a"],
            &["--forced=yes"],
            &["--policy"],
            &["--policy", "a", "--policy", "b"],
            &["--policy", "a", "--demo"],
        ] {
            assert!(parsed(arguments).is_err(), "{arguments:?}");
        }
    }
}
