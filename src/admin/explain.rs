//! `postern explain`: what a policy says of a line, without running it.
//!
//! The line is read by the shell's own front and decided by the shell's own call, so that what this prints is what a session would do.

use std::ffi::OsStr;
use std::io::{BufRead, Read};
use std::iter;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde::Serialize;

use super::arguments::Arguments;
use super::install::Program;
use super::line::{self, Answer, Rights};
use super::output::{json, say};
use super::{Failure, Status};
use crate::access::in_force::InForce;
use crate::access::{self, Install};
use crate::confine;
use crate::exec::Host;
use crate::policy::{self, Applied, Subject, Terms, Verdict};
use crate::record;
use crate::shell::front::Front;
use crate::shell::hint::{self, Hint};
use crate::shell::runs_as::RunsAs;
use crate::shell::{builtins, in_force, message};
use crate::syntax::{Request, Stage};
use crate::sys::file::Owner;
use crate::sys::user::{self, User};
use crate::words::{Safe, Span, escape, limits, paths};

/// What is said of one line. `line`, `decision`, `rule` and `reason` are the contract; more may come.
#[derive(Serialize)]
struct Explanation {
    line: String,
    /// The line as it was given, which carets are set by.
    #[serde(skip)]
    bytes: Vec<u8>,
    decision: Decision,
    /// The rule that decides: of a refusal the one that denies or came nearest, of an allowed pipeline that of its first command.
    rule: Option<String>,
    reason: Option<String>,
    /// What there is in place of a refused line, in words, and a line near it that is allowed.
    hint: Option<String>,
    nearest: Option<String>,
    /// What a refusal is about: the first byte of the line, and the one behind the last.
    culprit: Option<[u32; 2]>,
    commands: Vec<CommandExplanation>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Decision {
    Allow,
    Deny,
    /// The line is not part of this shell.
    Invalid,
    /// It would be refused, and is not: `mode: observe`.
    Observe,
}

/// One command of an understood line. Limits are those without a terminal.
#[derive(Serialize)]
struct CommandExplanation {
    argv: Vec<String>,
    decision: Decision,
    rule: Option<String>,
    /// The form of that rule.
    form: Option<String>,
    reason: Option<String>,
    #[serde(skip)]
    culprit: Span,
    #[serde(flatten)]
    terms: Option<TermsExplanation>,
}

#[derive(Serialize)]
struct TermsExplanation {
    program: String,
    #[serde(rename = "as")]
    run_as: String,
    runs_as: RunsAs,
    confine: String,
    timeout_ms: Option<u64>,
    output_bytes: Option<u64>,
    note: Option<String>,
    /// What a person has to type before the command runs.
    confirm: Option<String>,
    /// The words of the command whose output goes on record before and after.
    witness: Option<Vec<String>>,
    /// What is asked and recorded, for a reader.
    #[serde(skip)]
    asked: Vec<(&'static str, String)>,
    /// What of the confinement this kernel holds the command to.
    protections: Vec<&'static str>,
    /// The confinement in words, as it is on this kernel.
    plan: Vec<PlanExplanation>,
}

#[derive(Serialize)]
struct PlanExplanation {
    label: &'static str,
    text: String,
}

/// Whom and what to explain for.
struct Explainer {
    policy: Rc<Applied>,
    subject: Subject,
    front: Front,
    /// Of the shell beside this program, if there is one.
    install: Option<Install>,
}

/// `postern explain [--policy P] [--account A] [--host H] [--from IP] [--json] LINE|-`.
pub fn explain(arguments: &Arguments) -> Result<Status, Failure> {
    let explainer = Explainer::new(arguments)?;
    let operand =
        arguments.operands.first().ok_or_else(|| Failure::Usage("explain needs a LINE, or - for lines from standard input".to_owned()))?;
    if operand == "-" {
        return explainer.lines(std::io::stdin().lock());
    }
    let explanation = explainer.line(operand.as_encoded_bytes())?;
    match arguments.flag("json") {
        Some(_) => say(format_args!("{}", json(&explanation)?)),
        None => say(format_args!("{}", explanation.text())),
    }
    Ok(if explanation.decision == Decision::Allow { Status::Done } else { Status::Findings })
}

impl Explainer {
    fn new(arguments: &Arguments) -> Result<Explainer, Failure> {
        let policy = match arguments.flag("policy") {
            Some(_) if access::privileged() => {
                return Err(Failure::Usage("--policy is not for a process with borrowed privilege".to_owned()));
            }
            Some(path) => Rc::new(in_force::from_sources(Path::new(path)).map_err(|error| Failure::Other(error.to_string()))?),
            None => InForce::open(Path::new(paths::STATE_DIR), Owner::Root).map_err(|error| Failure::Other(error.to_string()))?.policy,
        };
        let install = Program::beside_this_one().map(|shell| shell.install());
        let subject = subject(arguments, install)?;
        let front = Front::new(&subject.home, std::env::current_dir().unwrap_or_else(|_| "/".into()));
        Ok(Explainer { policy, subject, front, install })
    }

    /// One line in, one JSON object out. A line that is too long is refused like any other, and costs no memory.
    fn lines(&self, mut input: impl BufRead) -> Result<Status, Failure> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let failed = |error: std::io::Error| Failure::Other(format!("standard input: {error}"));
            let cap = u64::try_from(limits::LINE_BYTES).unwrap_or(u64::MAX) + 2;
            let read = input.by_ref().take(cap).read_until(b'\n', &mut line).map_err(failed)?;
            if read == 0 {
                return Ok(Status::Done);
            }
            match line.pop_if(|last| *last == b'\n') {
                Some(_) => {}
                None => drop(input.skip_until(b'\n').map_err(failed)?),
            }
            say(format_args!("{}", json(&self.line(&line)?)?));
        }
    }

    fn line(&self, line: &[u8]) -> Result<Explanation, Failure> {
        let answer = line::decide(&self.policy, &self.subject, &self.front, Rights::OfCommand, line);
        let shown = record::json::text(line);
        let bare = |decision, reason: Option<String>, span: Option<Span>| Explanation {
            line: shown.clone(),
            bytes: line.to_vec(),
            decision,
            rule: None,
            reason,
            hint: None,
            nearest: None,
            culprit: span.map(|span| [span.start, span.end]),
            commands: Vec::new(),
        };
        Ok(match answer.map_err(|damaged| Failure::Other(damaged.to_string()))? {
            Answer::Commands { request, verdicts, directory } => self.request(request, verdicts, directory)?,
            Answer::Nothing => bare(Decision::Invalid, Some("an empty line".to_owned()), None),
            Answer::Builtin => Explanation { rule: Some("builtin".to_owned()), ..bare(Decision::Allow, None, None) },
            Answer::Invalid { reason, span, help } => Explanation { hint: help, ..bare(Decision::Invalid, Some(reason), Some(span)) },
            Answer::NoDirectory { reason } => bare(Decision::Deny, Some(reason), None),
        })
    }

    fn request(&self, request: Request, verdicts: Vec<Verdict>, directory: PathBuf) -> Result<Explanation, Failure> {
        let facts = Host::new(directory);
        let stages = request.items.iter().flat_map(|item| &item.stages);
        let commands = stages.zip(verdicts).map(|(stage, verdict)| self.command(stage, verdict, &facts));
        let commands: Vec<CommandExplanation> = commands.collect::<Result<_, _>>()?;
        let refused = commands.iter().find(|command| command.decision == Decision::Deny);
        let refused = refused.or_else(|| commands.iter().find(|command| command.decision != Decision::Allow));
        let deciding = refused.or(commands.first());
        let hint = refused.and_then(|_| hint::of(&self.policy, &self.subject, &request, &facts));
        let (hint, nearest) = hint.map_or((None, None), |hint| (hint.note, hint.line));
        Ok(Explanation {
            hint,
            nearest,
            bytes: request.line.clone().into_bytes(),
            line: request.line,
            decision: deciding.map_or(Decision::Invalid, |command| command.decision),
            rule: deciding.and_then(|command| command.rule.clone()),
            reason: deciding.and_then(|command| command.reason.clone()),
            culprit: refused.map(|command| [command.culprit.start, command.culprit.end]),
            commands,
        })
    }

    fn command(&self, stage: &Stage, verdict: Verdict, facts: &Host) -> Result<CommandExplanation, Failure> {
        let argv = stage.argv.iter().map(|word| word.text.clone()).collect();
        Ok(match verdict {
            Verdict::Allowed(allowed) => {
                let terms = allowed.terms();
                CommandExplanation {
                    argv,
                    decision: Decision::Allow,
                    rule: Some(terms.rule.to_string()),
                    form: Some(terms.form.clone()),
                    reason: None,
                    culprit: Span::default(),
                    terms: Some(self.terms(terms)),
                }
            }
            Verdict::Denied(denied) => {
                let observed = policy::observe(&self.policy, &self.subject, stage, facts);
                let observed = observed.map_err(|damaged| Failure::Other(damaged.to_string()))?;
                CommandExplanation {
                    argv,
                    decision: if observed.is_some() { Decision::Observe } else { Decision::Deny },
                    rule: denied.rule.map(|rule| rule.to_string()),
                    form: denied.form,
                    reason: Some(denied.reason),
                    culprit: denied.span,
                    terms: observed.map(|allowed| self.terms(allowed.terms())),
                }
            }
        })
    }

    fn terms(&self, terms: &Terms) -> TermsExplanation {
        let namespace = self.install == Some(Install::Root);
        let plan = confine::Plan::of(&terms.confine, &confine::Kernel { namespace, ..confine::Kernel::of_host() });
        let words = plan.words(&self.policy.settings().strength);
        TermsExplanation {
            program: terms.program.clone(),
            run_as: terms.run_as.clone().unwrap_or_else(|| self.subject.account.clone()),
            runs_as: RunsAs::of(terms, &self.subject, self.install),
            confine: terms.confine.name.clone(),
            timeout_ms: terms.timeout,
            output_bytes: terms.output,
            note: terms.note.clone(),
            confirm: terms.confirmation(),
            witness: terms.witness.clone(),
            asked: builtins::asked(terms),
            protections: plan.protection_names(),
            plan: words.into_iter().map(|(label, text)| PlanExplanation { label, text }).collect(),
        }
    }
}

/// Who would type the line: the caller, or whom the flags name; an account that this host lacks has no groups here.
fn subject(arguments: &Arguments, install: Option<Install>) -> Result<Subject, Failure> {
    let person = access::identify().map_err(|error| Failure::Other(error.to_string()))?;
    let mut subject = person.subject(false);
    subject.can_become = install.is_none_or(|install| install == Install::Root);
    let text = |flag: &str| arguments.flag(flag).map(OsStr::to_string_lossy);
    if let Some(account) = text("account") {
        let known = user::by_name(&account).map_err(|error| Failure::Other(error.to_string()))?;
        let groups = known.as_ref().map(User::groups).transpose().map_err(|error| Failure::Other(error.to_string()))?;
        let groups = user::group_names(&groups.unwrap_or_default()).map_err(|error| Failure::Other(error.to_string()))?;
        subject.home = known.map_or_else(|| format!("/home/{account}"), |user| user.home.to_string_lossy().into_owned());
        (subject.groups, subject.account) = (groups, account.into_owned());
    }
    if let Some(host) = text("host") {
        subject.host = host.into_owned();
    }
    if let Some(from) = text("from") {
        let address = from.parse().map_err(|_| Failure::Usage(format!("--from {} is no address", Safe(from.as_bytes()))))?;
        subject.from = Some(address);
    }
    Ok(subject)
}

impl Explanation {
    /// For a reader: the verdict, and its terms or the miss, of each command.
    fn text(&self) -> String {
        let hint = Hint { note: self.hint.clone(), line: self.nearest.clone() }.text();
        let verdict = self.verdict();
        if hint.is_empty() { verdict } else { format!("{verdict}\n{hint}") }
    }

    fn verdict(&self) -> String {
        if self.commands.is_empty() {
            let reason = self.reason.as_deref().unwrap_or_default();
            return match (self.decision, self.culprit) {
                (Decision::Allow, _) => "allowed: part of the shell".to_owned(),
                (_, Some([start, end])) => message::point("refused: ", 0, &self.bytes, Span { start, end }, reason),
                (_, None) => format!("refused: {}", Safe(reason.as_bytes())),
            };
        }
        self.commands.iter().map(|command| command.text(&self.line)).collect::<Vec<_>>().join("\n")
    }
}

impl CommandExplanation {
    fn text(&self, line: &str) -> String {
        let rule = self.rule.as_ref().map(|rule| {
            let form = self.form.as_deref().unwrap_or("");
            format!("\n  rule     {rule}: {}", Safe(form.as_bytes()))
        });
        let lead = match self.decision {
            Decision::Observe => "would be refused: ",
            Decision::Allow | Decision::Deny | Decision::Invalid => "refused: ",
        };
        let words = escape::pasteable(self.argv.iter().map(String::as_str));
        let verdict = match &self.reason {
            None => format!("allowed: {words}"),
            Some(reason) => message::point(lead, 0, line.as_bytes(), self.culprit, reason),
        };
        let mut text = format!("{verdict}{}", rule.unwrap_or_default());
        let Some(terms) = &self.terms else { return text };
        if self.decision == Decision::Observe {
            text.push_str("\nnot refused for now (mode: observe); it runs so:");
        }
        let mut field = |name: &str, value: String| text.push_str(&format!("\n  {name:<8} {}", Safe(value.as_bytes())));
        field("program", terms.program.clone());
        field("confine", terms.confine.clone());
        if let Some(timeout) = terms.timeout_ms {
            field("timeout", message::duration(std::time::Duration::from_millis(timeout)));
        }
        if let Some(output) = terms.output_bytes {
            field("output", format!("{output} bytes"));
        }
        if let Some(note) = &terms.note {
            field("note", note.clone());
        }
        let runs_as = terms.runs_as.text();
        let asked = terms.asked.iter().map(|(label, text)| (*label, text));
        let plan = terms.plan.iter().map(|row| (row.label, &row.text));
        for (label, row) in iter::once(("runs as", &runs_as)).chain(asked).chain(plan) {
            text.push('\n');
            text.push_str(builtins::labelled(label, row, builtins::COLUMNS).trim_end());
        }
        text
    }
}
