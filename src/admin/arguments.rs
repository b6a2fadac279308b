//! The command line of `postern`, read by the table of subcommands.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lexopt::{Arg, Parser};

use super::{Failure, SUBCOMMANDS, Subcommand, help};
use crate::access;
use crate::words::{Safe, suggest};

/// A flag of a subcommand: `--name` or `--name VALUE`.
pub struct Flag {
    /// Without the dashes.
    pub name: &'static str,
    /// What its value is called; `None` for a flag without one.
    pub value: Option<&'static str>,
    pub about: &'static str,
    /// Whether it may be given several times.
    pub many: bool,
}

/// What stands behind the name of a subcommand.
#[derive(Debug, Default)]
pub struct Arguments {
    pub operands: Vec<OsString>,
    flags: Vec<(&'static str, OsString)>,
}

impl Arguments {
    /// The value of a flag; empty for a flag without one.
    pub fn flag(&self, name: &str) -> Option<&OsStr> {
        self.flags.iter().find(|(given, _)| *given == name).map(|(_, value)| value.as_os_str())
    }

    /// Every value of a flag that may be given several times.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &OsStr> {
        self.flags.iter().filter(move |(given, _)| *given == name).map(|(_, value)| value.as_os_str())
    }

    /// The first operand as a path.
    pub fn path(&self, default: &str) -> PathBuf {
        self.operands.first().map_or_else(|| PathBuf::from(default), PathBuf::from)
    }

    /// `--state`, which a process with borrowed privilege does not take.
    pub fn state(&self) -> Result<Option<&Path>, Failure> {
        match self.flag("state") {
            Some(_) if access::privileged() => Err(Failure::Usage("--state is not for a process with borrowed privilege".to_owned())),
            state => Ok(state.map(Path::new)),
        }
    }
}

/// Finds the subcommand and reads its arguments. `--help` behind a subcommand becomes `help NAME`, and nothing at all becomes `help`.
pub fn parse(words: impl Iterator<Item = OsString>) -> Result<(&'static Subcommand, Arguments), Failure> {
    let mut parser = Parser::from_args(words);
    let command = match parser.next().map_err(wrong)? {
        None | Some(Arg::Short('h') | Arg::Long("help")) => return help_on(None),
        Some(Arg::Short('V') | Arg::Long("version")) => return help_on(Some("--version")),
        Some(Arg::Value(name)) => find(&name)?,
        Some(Arg::Short(letter)) => return Err(unknown(&format!("-{letter}"), None)),
        Some(Arg::Long(name)) => return Err(unknown(&format!("--{name}"), None)),
    };
    let mut arguments = Arguments::default();
    while let Some(argument) = parser.next().map_err(wrong)? {
        let given = match argument {
            Arg::Short('h') | Arg::Long("help") => return help_on(Some(command.name)),
            Arg::Value(word) => {
                arguments.operands.push(word);
                continue;
            }
            Arg::Short(letter) => return Err(unknown(&format!("-{letter}"), Some(command))),
            Arg::Long(name) => name.to_owned(),
        };
        let flag = command.flags.iter().find(|flag| flag.name == given);
        let flag = flag.ok_or_else(|| unknown(&format!("--{given}"), Some(command)))?;
        if !flag.many && arguments.flag(flag.name).is_some() {
            return Err(Failure::Usage(format!("--{} is given twice", flag.name)));
        }
        let value = if flag.value.is_some() { parser.value().map_err(wrong)? } else { OsString::new() };
        arguments.flags.push((flag.name, value));
    }
    if arguments.operands.len() > command.most {
        return Err(Failure::Usage(format!("too many operands\nusage: {}", help::usage(command))));
    }
    Ok((command, arguments))
}

/// The subcommand of that name.
pub fn find(name: &OsStr) -> Result<&'static Subcommand, Failure> {
    let found = name.to_str().and_then(|name| SUBCOMMANDS.iter().find(|command| command.name == name));
    found.ok_or_else(|| {
        let near = name.to_str().and_then(|name| suggest::nearest(name, SUBCOMMANDS.iter().map(|command| command.name)));
        let help = near.map_or_else(|| "`postern help` lists all".to_owned(), |near| format!("did you mean `{near}`?"));
        Failure::Usage(format!("no command `{}`; {help}", Safe(name.as_bytes())))
    })
}

fn help_on(operand: Option<&str>) -> Result<(&'static Subcommand, Arguments), Failure> {
    let operands = operand.map(OsString::from).into_iter().collect();
    Ok((find(OsStr::new("help"))?, Arguments { operands, flags: Vec::new() }))
}

fn unknown(given: &str, command: Option<&Subcommand>) -> Failure {
    let known = command.map_or(&[][..], |command| command.flags).iter().map(|flag| format!("--{}", flag.name));
    let known: Vec<String> = known.chain(["--help".to_owned()]).collect();
    let help = match suggest::nearest(given, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known ones: {}", known.join(", ")),
    };
    Failure::Usage(format!("no option `{}`; {help}", Safe(given.as_bytes())))
}

/// lexopt's own words; they may hold what was typed.
fn wrong(error: lexopt::Error) -> Failure {
    Failure::Usage(Safe(error.to_string().as_bytes()).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(words: &[&str]) -> Result<(&'static str, Arguments), String> {
        let parsed = parse(words.iter().map(OsString::from));
        parsed.map(|(command, arguments)| (command.name, arguments)).map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_command_line_is_a_command_its_flags_and_operands() {
        let (command, arguments) = parse_words(&["apply", "--state", "/tmp/s", "/tmp/p"]).unwrap();
        assert_eq!((command, arguments.flag("state")), ("apply", Some(OsStr::new("/tmp/s"))));
        assert_eq!(arguments.path("/etc/postern"), Path::new("/tmp/p"));
        for (words, operand) in [(&["check", "--help"][..], "check"), (&["--version"], "--version"), (&["help", "check"], "check")] {
            let (command, arguments) = parse_words(words).unwrap();
            assert_eq!((command, arguments.operands), ("help", vec![OsString::from(operand)]));
        }
        assert_eq!(parse_words(&[]).unwrap().0, "help");
    }

    #[test]
    fn slips_are_named_and_the_nearest_is_suggested() {
        for (words, message) in [
            (&["aply"][..], "no command `aply`; did you mean `apply`?"),
            (&["xyzzy"], "no command `xyzzy`; `postern help` lists all"),
            (&["\x1b[2J"], "no command `^[[2J`; `postern help` lists all"),
            (&["apply", "--stat", "x"], "no option `--stat`; did you mean `--state`?"),
            (&["check", "-x"], "no option `-x`; known ones: --help"),
            (&["apply", "--state"], "missing argument for option '--state'"),
            (&["apply", "--state", "a", "--state", "b"], "--state is given twice"),
            (&["rollback", "x"], "too many operands\nusage: postern rollback [--state DIR]"),
        ] {
            assert_eq!(parse_words(words).unwrap_err(), message, "{words:?}");
        }
    }

    #[test]
    fn commands_are_sorted_and_each_has_its_one_line() {
        assert!(SUBCOMMANDS.is_sorted_by_key(|command| command.name));
        assert!(SUBCOMMANDS.iter().all(|command| !command.about.is_empty() && !command.about.contains('\n')));
    }
}
