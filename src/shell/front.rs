//! The front: what a line asks for. It parses, expands and knows the builtins; it decides nothing and starts nothing.
//!
//! A builtin stands alone on its line. `cd DIR` may also stand first, before `&&`: then the rest of the line is expanded in DIR, as it
//! would be in any shell, although nothing has run yet. `cd` shows and keeps the physical path (as `cd -P` does): what the prompt's person
//! sees is where a command will run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::builtins;
use super::names::Question;
use crate::syntax::ast::Script;
use crate::syntax::glob::AskNames;
use crate::syntax::{Connector, Context, Request, Stage, SyntaxError, expand, parse};

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// Blank, or a comment.
    Nothing,
    /// Something that the shell does by itself.
    Builtin(Vec<String>),
    /// Processes, in a directory.
    Commands { request: Request, directory: PathBuf },
}

/// Why a line asks for nothing that can be had.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not part of this shell.
    Syntax(SyntaxError),
    /// The directory that it begins with cannot be entered.
    Directory { reason: String },
}

impl From<SyntaxError> for Refusal {
    fn from(error: SyntaxError) -> Refusal {
        Refusal::Syntax(error)
    }
}

/// What the meaning of a line depends on besides the line.
pub struct Surroundings<'a> {
    /// What `$NAME` may mean.
    pub constants: &'a BTreeMap<String, String>,
    /// What `$?` means.
    pub status: u8,
    /// Builtins that are programs of the policy, too.
    pub programs: &'a [String],
    /// Who answers a [`Question`].
    pub names: AskNames<'a>,
}

/// The front of one session.
pub struct Front {
    home: String,
    directory: PathBuf,
    before: Option<PathBuf>,
}

impl Front {
    /// Starts in a directory: where this process was started, which for a login is the account's home directory.
    pub fn new(home: &str, directory: PathBuf) -> Front {
        Front { home: home.to_owned(), directory, before: None }
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes a directory that [`Front::destination`] found the one of the lines to come.
    pub fn enter(&mut self, directory: PathBuf) {
        if directory != self.directory {
            self.before = Some(std::mem::replace(&mut self.directory, directory));
        }
    }

    /// What a line asks for.
    pub fn read(&self, line: &[u8], surroundings: &Surroundings<'_>) -> Result<Asked, Refusal> {
        if let Some(rest) = builtins::explained(line) {
            return Ok(Asked::Builtin(vec!["explain".to_owned(), rest.to_owned()]));
        }
        let (script, moved) = self.moved(parse(line)?, surroundings)?;
        let is_moved = moved.is_some();
        let status = if is_moved { 0 } else { surroundings.status };
        let directory = moved.unwrap_or_else(|| self.directory.clone());
        let mut request = self.expand(&script, &directory, &Surroundings { status, ..*surroundings })?;
        if let Some(argv) = alone(&script, &request).filter(|_| !is_moved) {
            return Ok(Asked::Builtin(argv));
        }
        stands_alone(&request, surroundings)?;
        match request.items.first_mut() {
            None => return Ok(Asked::Nothing),
            // What a `cd` before it hung it on has succeeded.
            Some(first) => first.connector = Connector::Always,
        }
        Ok(Asked::Commands { request, directory })
    }

    fn expand(&self, script: &Script, directory: &Path, surroundings: &Surroundings<'_>) -> Result<Request, SyntaxError> {
        let Surroundings { constants, status, names, .. } = *surroundings;
        let ask = |question: &[u8]| names(&Question::Globs(String::from_utf8_lossy(question).into_owned()).encode());
        expand(script, &Context { directory, home: &self.home, status, constants, names: &ask })
    }

    /// Takes `cd DIR &&` off the front of a line: the rest, and where it happens.
    fn moved(&self, script: Script, surroundings: &Surroundings<'_>) -> Result<(Script, Option<PathBuf>), Refusal> {
        let hangs_on_success = |rest: &Script| rest.pipelines.first().is_some_and(|first| first.connector == Connector::And);
        match script.split_first() {
            Some((first, rest)) if first.builtin().as_deref() == Some("cd") && hangs_on_success(&rest) => {
                let request = self.expand(&first, &self.directory, surroundings)?;
                let argv = alone(&first, &request).unwrap_or_default();
                let directory = self.destination(&argv, surroundings.names).map_err(|reason| Refusal::Directory { reason })?;
                Ok((rest, Some(directory)))
            }
            _ => Ok((script, None)),
        }
    }

    /// Where a `cd` leads: the resolved path of a directory that the account may enter. The error is a reason in words.
    pub fn destination(&self, argv: &[String], names: AskNames<'_>) -> Result<PathBuf, String> {
        let target = match argv {
            [_] => self.home.as_str(),
            [_, dash] if dash == "-" => return self.before.clone().ok_or_else(|| "there is no directory before this one".to_owned()),
            [_, option] if option.starts_with('-') => return Err(format!("{option}: no options; write ./{option} for a directory")),
            [_, target] => target,
            _ => return Err("give one directory".to_owned()),
        };
        let question = Question::Enter { directory: self.directory.clone(), target: target.to_owned() };
        let answer = names(&question.encode()).map_err(|reason| format!("{target}: {reason}"))?;
        let found: Result<PathBuf, String> = serde_json::from_slice(&answer).map_err(|_| format!("{target}: no answer"))?;
        found.map_err(|reason| format!("{target}: {reason}"))
    }
}

/// The words of a builtin that is all that a line asks for.
fn alone(script: &Script, request: &Request) -> Option<Vec<String>> {
    script.builtin().filter(|name| builtins::is_builtin(name))?;
    let stage = request.items.first()?.stages.first()?;
    Some(stage.argv.iter().map(|word| word.text.clone()).collect())
}

/// A builtin among other commands is an error, unless there is a program of its name.
fn stands_alone(request: &Request, surroundings: &Surroundings<'_>) -> Result<(), SyntaxError> {
    let mut stages = request.items.iter().flat_map(|item| &item.stages);
    match stages.find(|stage| builtins::is_builtin(name(stage)) && !surroundings.programs.iter().any(|program| program == name(stage))) {
        Some(stage) => Err(SyntaxError {
            message: format!("`{}` is part of this shell and stands alone on its line", name(stage)),
            span: stage.argv.first().map(|word| word.span).unwrap_or_default(),
            help: (name(stage) == "cd").then(|| "only `cd DIR && …` may be followed".to_owned()),
        }),
        None => Ok(()),
    }
}

fn name(stage: &Stage) -> &str {
    stage.argv.first().map_or("", |word| word.text.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::names;

    fn ask(question: &[u8]) -> Result<Vec<u8>, String> {
        names::ask(question, None)
    }

    /// What a line asks for, in a directory, where the policy allows a program `history`.
    fn read_in(directory: &str, line: &str) -> Result<Asked, Refusal> {
        let front = Front { home: "/".to_owned(), directory: directory.into(), before: Some("/usr".into()) };
        let surroundings = Surroundings { constants: &BTreeMap::new(), status: 7, programs: &["history".to_owned()], names: &ask };
        front.read(line.as_bytes(), &surroundings)
    }

    /// The command words of what would run, and where.
    fn commands(asked: Asked) -> (Vec<String>, PathBuf) {
        let Asked::Commands { request, directory } = asked else { panic!("{asked:?}") };
        assert_eq!(request.items.first().unwrap().connector, Connector::Always);
        let words = |stage: &Stage| stage.argv.iter().map(|word| word.text.clone()).collect::<Vec<_>>().join(" ");
        (request.items.iter().flat_map(|item| &item.stages).map(words).collect(), directory)
    }

    #[test]
    fn a_line_asks_for_nothing_for_a_builtin_or_for_commands() {
        let builtin = |words: &[&str]| Ok(Asked::Builtin(words.iter().map(|word| (*word).to_owned()).collect()));
        for (line, expected) in [
            ("", Ok(Asked::Nothing)),
            ("   # only a comment", Ok(Asked::Nothing)),
            ("help", builtin(&["help"])),
            ("help 'journalctl'", builtin(&["help", "journalctl"])),
            ("cd ~", builtin(&["cd", "/"])),
            ("exit $?", builtin(&["exit", "7"])),
            ("history", builtin(&["history"])),
            ("explain ls | $(id)", builtin(&["explain", "ls | $(id)"])),
        ] {
            assert_eq!(read_in("/", line), expected, "{line}");
        }
        assert_eq!(commands(read_in("/etc", "ls | wc; df").unwrap()), (vec!["ls".into(), "wc".into(), "df".into()], "/etc".into()));
    }

    #[test]
    fn a_builtin_stands_alone_unless_there_is_a_program_of_its_name() {
        for line in ["help | cat", "pwd; ls", "ls && cd /", "! pwd", "pwd > /dev/null", "cd / || ls", "cd /; ls", "cd / && pwd"] {
            let Err(Refusal::Syntax(error)) = read_in("/", line) else { panic!("{line}") };
            assert!(error.message.contains("stands alone"), "{line}: {error}");
        }
        assert_eq!(commands(read_in("/", "history | cat").unwrap()).0, ["history", "cat"]);
    }

    #[test]
    fn what_follows_a_cd_is_expanded_where_it_leads() {
        let (words, directory) = commands(read_in("/etc", "cd /proc/sys && ls kerne[l] && cat x").unwrap());
        assert_eq!((words, directory), (vec!["ls kernel".to_owned(), "cat x".to_owned()], "/proc/sys".into()));
    }

    #[test]
    fn a_cd_that_fails_lets_nothing_run() {
        let Err(Refusal::Directory { reason }) = read_in("/", "cd /nonexistent && ls") else { panic!() };
        assert!(reason.starts_with("/nonexistent: "), "{reason}");
    }

    #[test]
    fn cd_finds_its_way() {
        let front = Front { home: "/usr".to_owned(), directory: "/proc".into(), before: Some("/sys".into()) };
        for (arguments, expected) in [
            (&[][..], Ok("/usr")),
            (&["-"], Ok("/sys")),
            (&[".."], Ok("/")),
            (&["sys/kernel/../fs"], Ok("/proc/sys/fs")),
            (&["/etc/hostname"], Err("/etc/hostname: not a directory")),
            (&["nowhere"], Err("nowhere: no such file or directory")),
            (&["-P"], Err("-P: no options; write ./-P for a directory")),
            (&["a", "b"], Err("give one directory")),
        ] {
            let argv: Vec<String> = ["cd"].iter().chain(arguments).map(|word| (*word).to_owned()).collect();
            assert_eq!(front.destination(&argv, &ask), expected.map(PathBuf::from).map_err(str::to_owned), "{arguments:?}");
        }
    }
}
