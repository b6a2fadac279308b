//! A line as a session would decide it: read by the shell's own front, decided by the shell's own call, and nothing runs.

use std::path::{Path, PathBuf};

use crate::exec::Host;
use crate::policy::facts::{Facts, Resolved};
use crate::policy::{self, Applied, Damaged, Denied, Subject, Terms, Verdict};
use crate::shell::front::{Asked, Front, Refusal, Surroundings};
use crate::shell::{in_force, names};
use crate::syntax::Request;
use crate::words::Span;

/// What a policy says of a line.
pub enum Answer {
    /// Blank, or a comment.
    Nothing,
    /// The shell does it by itself.
    Builtin,
    /// It is not part of this shell.
    Invalid { reason: String, span: Span, help: Option<String> },
    /// The directory that it begins with cannot be entered.
    NoDirectory { reason: String },
    /// The verdict on each command, in their order, in the directory that the line begins with.
    Commands { request: Request, verdicts: Vec<Verdict>, directory: PathBuf },
}

/// By whose rights paths are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// By those of the user that the command would run as.
    OfCommand,
    /// By this process's own: the users that a policy names need not be on this machine.
    OfCaller,
}

/// Decides a line.
pub fn decide(policy: &Applied, subject: &Subject, front: &Front, rights: Rights, line: &[u8]) -> Result<Answer, Damaged> {
    let constants = in_force::constants(policy, subject);
    let programs = in_force::shadowed_builtins(policy, subject);
    let names = |question: &[u8]| names::ask(question, None);
    let surroundings = Surroundings { constants: &constants, status: 0, programs: &programs, names: &names };
    let (request, directory) = match front.read(line, &surroundings) {
        Ok(Asked::Commands { request, directory }) => (request, directory),
        Ok(Asked::Nothing) => return Ok(Answer::Nothing),
        Ok(Asked::Builtin(_)) => return Ok(Answer::Builtin),
        Err(Refusal::Syntax(error)) => return Ok(Answer::Invalid { reason: error.message, span: error.span, help: error.help }),
        Err(Refusal::Directory { reason, .. }) => return Ok(Answer::NoDirectory { reason }),
    };
    let host = Host::new(directory.clone());
    let facts: &dyn Facts = if rights == Rights::OfCaller { &OfCaller(&host) } else { &host };
    let stages = request.items.iter().flat_map(|item| &item.stages);
    let verdicts = stages.map(|stage| policy::decide(policy, subject, stage, facts)).collect::<Result<_, _>>()?;
    Ok(Answer::Commands { request, verdicts, directory })
}

/// Decides a line for somebody who need not be of this machine, in `/`.
pub fn decide_anywhere(policy: &Applied, subject: &Subject, line: &[u8]) -> Result<Answer, Damaged> {
    let front = Front::new(&subject.home, Path::new("/").to_owned());
    decide(policy, subject, &front, Rights::OfCaller, line)
}

/// Whether a line that is refused to somebody runs all the same: `mode: observe`.
pub fn is_observed(policy: &Applied, subject: &Subject, answer: &Answer) -> Result<bool, Damaged> {
    let Answer::Commands { request, verdicts, directory } = answer else { return Ok(false) };
    let host = Host::new(directory.clone());
    let stages = request.items.iter().flat_map(|item| &item.stages).zip(verdicts);
    for (stage, _) in stages.filter(|(_, verdict)| matches!(verdict, Verdict::Denied(_))) {
        if policy::observe(policy, subject, stage, &OfCaller(&host))?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Answer {
    /// The terms of each command, if the line is allowed; a builtin has none.
    pub fn terms(&self) -> Option<Vec<&Terms>> {
        match self {
            Answer::Builtin => Some(Vec::new()),
            Answer::Commands { verdicts, .. } => verdicts.iter().map(terms).collect(),
            _ => None,
        }
    }

    /// Why the line is refused, if it is.
    pub fn refusal(&self) -> Option<Denied> {
        let denied = |reason: &str, span| Some(Denied { reason: reason.to_owned(), span, rule: None, form: None });
        match self {
            Answer::Nothing => denied("an empty line", Span::default()),
            Answer::Builtin => None,
            Answer::Invalid { reason, span, .. } => denied(reason, *span),
            Answer::NoDirectory { reason } => denied(reason, Span::default()),
            Answer::Commands { verdicts, .. } => verdicts.iter().find_map(|verdict| match verdict {
                Verdict::Denied(denied) => Some(denied.clone()),
                Verdict::Allowed(_) => None,
            }),
        }
    }
}

/// Whom a command runs as and what confines it, with its rule: `as root, confined by disks (policy.d/20-disks.yaml:9)`.
pub fn describe(terms: &Terms) -> String {
    let run_as = terms.run_as.as_ref().map(|user| format!("as {user}, ")).unwrap_or_default();
    format!("{run_as}confined by {} ({})", terms.confine.name, terms.rule)
}

fn terms(verdict: &Verdict) -> Option<&Terms> {
    match verdict {
        Verdict::Allowed(allowed) => Some(allowed.terms()),
        Verdict::Denied(_) => None,
    }
}

/// The facts of this machine, found by the rights of this process whatever the command would run as.
struct OfCaller<'a>(&'a Host);

impl Facts for OfCaller<'_> {
    fn resolve(&self, path: &str, _run_as: Option<&str>) -> Result<Resolved, String> {
        self.0.resolve(path, None)
    }

    fn same_program(&self, typed: &str, name: &str, search: &[String]) -> bool {
        self.0.same_program(typed, name, search)
    }
}
