//! Words to a verdict.
//!
//! Deny by default; any deny in force wins over any allow, in whatever file; of several allows the first in the order of the files decides
//! the terms. Where the shell cannot run a command as somebody else, one that needs no privilege goes before those that do: the engineer
//! has what the account may see, in place of a refusal.

mod judge;
mod observe;

use std::cell::{Cell, RefCell};

use super::applied::{Applied, Damaged};
use super::confinement::Confinement;
use super::denying;
use super::facts::Facts;
use super::form::Slot;
use super::matching::{Budget, Matcher, Miss, Next, Taken};
use super::rule::{CommandRules, Rule, RuleRef, Scope, Subject};
use crate::syntax::{Argument, Redirect, RedirectKind, Stage};
use crate::words::{Safe, Span, suggest};

use judge::{AllowJudge, DenyJudge, Lookups};
pub use observe::{is_observed, observe};

/// The verdict on one command.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed(Box<Allowed>),
    Denied(Denied),
}

/// A permission together with its terms; only [`decide`] and [`observe`](observe()) make one.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed(Terms);

impl Allowed {
    /// The terms under which the command may run.
    pub fn terms(&self) -> &Terms {
        &self.0
    }
}

/// Under which terms a command may run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The program: a bare name to be searched for, or a full path.
    pub program: String,
    /// Exactly the words that were decided.
    pub argv: Vec<String>,
    /// Exactly the redirections that were decided.
    pub redirects: Vec<DecidedRedirect>,
    /// The user that it runs as; `None` for the account itself.
    pub run_as: Option<String>,
    pub confine: Confinement,
    /// Milliseconds.
    pub timeout: Option<u64>,
    /// Bytes on standard output and standard error together.
    pub output: Option<u64>,
    /// Whether HOME is the account's own.
    pub account_home: bool,
    pub rule: RuleRef,
    /// The form of that rule, as the policy writes it.
    pub form: String,
    pub note: Option<String>,
    /// The words that the form's slots took, in the order of the line.
    pub slots: Vec<Taken>,
    /// Whether the person repeats what the line names before it runs.
    pub confirm: bool,
    /// The words of the command whose output goes on record before and after.
    pub witness: Option<Vec<String>>,
}

impl Terms {
    /// What a person types to confirm the command: the words that slots took; of a form without, the last word.
    pub fn confirmation(&self) -> Option<String> {
        let slots = self.slots.iter().map(|taken| taken.word.as_str()).collect::<Vec<_>>().join(" ");
        let words = self.argv.iter().rev().cloned();
        // Nobody confirms by typing nothing.
        self.confirm.then(|| std::iter::once(slots).chain(words).find(|words| !words.trim().is_empty()).unwrap_or_default())
    }

    /// The terms of the witness: the rule's own, for other words.
    pub fn of_witness(&self) -> Option<Terms> {
        let argv = self.witness.clone()?;
        Some(Terms {
            program: argv.first()?.clone(),
            argv,
            redirects: Vec::new(),
            timeout: None,
            output: None,
            slots: Vec::new(),
            confirm: false,
            witness: None,
            ..self.clone()
        })
    }
}

/// A redirection that was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecidedRedirect {
    pub kind: RedirectKind,
    /// Where the path of its file led when it was decided; what is opened must be there still.
    pub leads: Option<String>,
}

/// A refusal with the nearest miss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// In one line: `expected status, show or cat`.
    pub reason: String,
    /// The word of the line that broke the nearest form; empty, behind the last word, where one is missing.
    pub span: Span,
    /// The rule that denies, or the allow rule that came nearest.
    pub rule: Option<RuleRef>,
    /// The text of the nearest form.
    pub form: Option<String>,
}

/// Why a command is refused that a `deny` rule matches.
const EXPLICIT: &str = "this is denied";

impl Denied {
    /// Whether a rule says so, and not merely none allows it.
    pub fn is_explicit(&self) -> bool {
        self.reason == EXPLICIT
    }
}

/// Decides one command. A damaged policy is an error, never a verdict.
pub fn decide(policy: &Applied, subject: &Subject, stage: &Stage, facts: &dyn Facts) -> Result<Verdict, Damaged> {
    let Some(command) = Command::of(stage) else {
        return Ok(Verdict::Denied(deny_at(stage, 0, "a program is given by its bare name or its full path".to_owned())));
    };
    let Some(rules) = policy.rules(command.name)? else {
        let reason = format!("no rule allows `{}`", Safe(command.name.as_bytes()));
        return Ok(Verdict::Denied(deny_at(stage, 0, reason)));
    };
    let decision = Decision { policy, subject, lookups: Lookups { facts, known: RefCell::default() }, budget: Budget::default() };
    Ok(decision.verdict(&rules, &command))
}

/// A stage as rules see it.
struct Command<'a> {
    stage: &'a Stage,
    /// The name that rules are found by.
    name: &'a str,
    /// The full path, where that was typed.
    path: Option<&'a str>,
    argv: Vec<String>,
}

impl<'a> Command<'a> {
    fn of(stage: &'a Stage) -> Option<Command<'a>> {
        let typed = stage.argv.first()?.text.as_str();
        let (name, path) = match typed.rsplit_once('/') {
            Some((_, name)) if typed.starts_with('/') => (name, Some(typed)),
            Some(_) => return None,
            None => (typed, None),
        };
        Some(Command { stage, name, path, argv: stage.argv.iter().map(|argument| argument.text.clone()).collect() })
    }
}

impl Command<'_> {
    /// The words, and behind them the files of its redirections, as if the program had been told to open them; `None` without any.
    fn with_files(&self) -> Option<Vec<String>> {
        let files = self.stage.redirects.iter().filter_map(|redirect| match &redirect.kind {
            RedirectKind::Input(file) | RedirectKind::Output { file, .. } => Some(file.text.clone()),
            RedirectKind::ErrorToOutput | RedirectKind::Null(_) => None,
        });
        let words: Vec<String> = self.argv.iter().cloned().chain(files).collect();
        (words.len() > self.argv.len()).then_some(words)
    }
}

struct Decision<'a> {
    policy: &'a Applied,
    subject: &'a Subject,
    lookups: Lookups<'a>,
    budget: Budget,
}

impl Decision<'_> {
    fn verdict(&self, rules: &CommandRules, command: &Command<'_>) -> Verdict {
        if let Some(denied) = rules.deny.iter().find_map(|rule| self.denied_by(rule, command)) {
            return Verdict::Denied(denied);
        }
        let mut nearest: Option<(Miss, &Rule)> = None;
        let mut beyond = None;
        for rule in rules.allow.iter().filter(|rule| self.admits(rule)) {
            match self.allowed_by(rule, command) {
                Ok(allowed) if !self.budget.is_spent() && beyond.is_none() && self.gives_way(rule) => beyond = Some(allowed),
                Ok(allowed) if !self.budget.is_spent() => return Verdict::Allowed(Box::new(allowed)),
                Ok(_) => break,
                Err(miss) => nearest = Some(nearer(nearest, miss, rule)),
            }
        }
        if self.budget.is_spent() {
            return Verdict::Denied(deny_at(command.stage, 0, "the line is too complex for the rules of this command".to_owned()));
        }
        if let Some(allowed) = beyond {
            return Verdict::Allowed(Box::new(allowed));
        }
        Verdict::Denied(match nearest {
            Some((miss, rule)) => self.missed(command, miss, rule),
            None => deny_at(command.stage, 0, format!("no rule for `{}` holds here", Safe(command.name.as_bytes()))),
        })
    }

    /// Whether a later rule may take a line that this one takes: the shell cannot give its terms, and it asks for nothing that the later one
    /// would not.
    fn gives_way(&self, rule: &Rule) -> bool {
        !self.subject.can_become && rule.needs_privilege() && !rule.confirm && rule.witness.is_none()
    }

    fn scope(&self, rule: &Rule) -> Option<&Scope> {
        self.policy.scopes().get(rule.scope as usize)
    }

    /// Whether an allow is in force.
    fn admits(&self, rule: &&Rule) -> bool {
        self.scope(rule).is_some_and(|scope| scope.admits(self.subject))
    }

    fn reference(&self, rule: &Rule) -> RuleRef {
        RuleRef { source: self.scope(rule).map_or_else(String::new, |scope| scope.source.clone()), line: rule.line }
    }

    fn denied_by(&self, rule: &Rule, command: &Command<'_>) -> Option<Denied> {
        // A deny whose scope is lost holds.
        if self.scope(rule).is_some_and(|scope| !scope.denies(self.subject)) {
            return None;
        }
        let judge = DenyJudge { decision: self, run_as: rule.run_as.as_deref(), unclear: Cell::new(false) };
        let matcher = Matcher::new(&rule.form, &judge, &self.budget);
        let denies = |argv: &[String]| rule.form.variants.iter().find_map(|variant| denying::denies(&matcher, variant, argv));
        let word = denies(&command.argv).or_else(|| denies(&command.with_files()?));
        let word = word.or((judge.unclear.get() || self.budget.is_spent()).then_some(0))?;
        let denied = deny_at(command.stage, word, EXPLICIT.to_owned());
        Some(Denied { rule: Some(self.reference(rule)), form: Some(rule.form.text.clone()), ..denied })
    }

    fn allowed_by(&self, rule: &Rule, command: &Command<'_>) -> Result<Allowed, Miss> {
        let program = self.program(rule, command)?;
        let judge = AllowJudge::of(self, rule);
        let matcher = Matcher::new(&rule.form, &judge, &self.budget);
        let mut nearest: Option<Miss> = None;
        for variant in &rule.form.variants {
            match matcher.matches(variant, &command.argv) {
                Ok(slots) => {
                    let redirects = self.redirects(rule, &matcher, command)?;
                    return Ok(Allowed(self.terms(rule, program, slots, redirects, command)));
                }
                Err(miss) => nearest = Some(nearest.map_or(miss.clone(), |before| nearer_miss(before, miss))),
            }
        }
        Err(nearest.unwrap_or_default())
    }

    fn program(&self, rule: &Rule, command: &Command<'_>) -> Result<String, Miss> {
        let same = match (command.path, &rule.path) {
            (None, _) => true,
            (Some(typed), Some(path)) => typed == path,
            (Some(typed), None) => self.lookups.facts.same_program(typed, command.name, &self.policy.settings().search),
        };
        let other = || Miss {
            word: 0,
            expected: Vec::new(),
            reason: Some(format!("this is not the `{}` that the rule means", Safe(command.name.as_bytes()))),
        };
        match same {
            true => Ok(rule.path.clone().unwrap_or_else(|| command.name.to_owned())),
            false => Err(other()),
        }
    }

    /// Whether the form takes the redirections, and the confinement lets the command have them.
    fn redirects(&self, rule: &Rule, matcher: &Matcher<'_>, command: &Command<'_>) -> Result<Vec<DecidedRedirect>, Miss> {
        let redirects = command.stage.redirects.iter().enumerate();
        let decided = redirects.map(|(index, redirect)| {
            let word = command.argv.len() + 1 + index;
            self.redirect(rule, matcher, &redirect.kind).map_err(|reason| Miss { word, expected: Vec::new(), reason: Some(reason) })
        });
        decided.collect()
    }

    fn redirect(&self, rule: &Rule, matcher: &Matcher<'_>, kind: &RedirectKind) -> Result<DecidedRedirect, String> {
        match kind {
            RedirectKind::ErrorToOutput | RedirectKind::Null(_) => {}
            RedirectKind::Input(file) => redirect_fits(matcher, rule.form.input.as_ref(), file)?,
            RedirectKind::Output { file, append: false } => redirect_fits(matcher, rule.form.output.as_ref(), file)?,
            RedirectKind::Output { file, append: true } => redirect_fits(matcher, rule.form.append.as_ref(), file)?,
        }
        AllowJudge::of(self, rule).redirect(kind)
    }

    fn terms(&self, rule: &Rule, program: String, slots: Vec<Taken>, redirects: Vec<DecidedRedirect>, command: &Command<'_>) -> Terms {
        let bound = |limit: Option<super::rule::Limit>| limit.and_then(|limit| limit.on(self.subject.terminal));
        Terms {
            program,
            argv: command.argv.clone(),
            redirects,
            run_as: rule.run_as.clone(),
            confine: self.confinement(rule, &slots, &command.argv),
            timeout: bound(rule.timeout),
            output: bound(rule.output),
            account_home: rule.account_home,
            rule: self.reference(rule),
            form: rule.form.text.clone(),
            note: rule.note.clone(),
            confirm: rule.confirm,
            witness: rule.witness.as_ref().map(|witness| witness.filled(&slots)),
            slots,
        }
    }

    /// The confinement of a rule, with those of its path types' places alone that the line's words lead to: no other can be meant, and what
    /// is to be read is searched for what is hidden. A line that names no file may be about the directory that it is typed in.
    fn confinement(&self, rule: &Rule, slots: &[Taken], argv: &[String]) -> Confinement {
        if rule.confine.roots.is_empty() {
            return rule.confine.clone();
        }
        let run_as = rule.run_as.as_deref();
        let taken = slots.iter().filter_map(|taken| Some((taken, self.lookups.known(&taken.word, run_as)?)));
        let (operands, values): (Vec<_>, Vec<_>) = taken.partition(|(taken, _)| is_operand(argv, taken.at));
        let here = if operands.is_empty() { self.lookups.resolve(".", run_as).ok() } else { None };
        let led: Vec<String> = operands.into_iter().chain(values).map(|(_, led)| led).chain(here).collect();
        rule.confine.clone().leading_to(&led, &self.subject.home)
    }

    fn missed(&self, command: &Command<'_>, miss: Miss, rule: &Rule) -> Denied {
        let word = command.argv.get(miss.word).map(String::as_str);
        let denied = deny_at(command.stage, miss.word, reason(&miss, word));
        Denied { rule: Some(self.reference(rule)), form: Some(rule.form.text.clone()), ..denied }
    }
}

/// Whether a word is for certain not the value of an option.
fn is_operand(argv: &[String], at: usize) -> bool {
    let is_option = |at: usize| argv.get(at).is_some_and(|word| word.starts_with('-') && word.len() > 1);
    !is_option(at) && !at.checked_sub(1).is_some_and(is_option)
}

fn redirect_fits(matcher: &Matcher<'_>, slot: Option<&Slot>, file: &Argument) -> Result<(), String> {
    let slot = slot.ok_or("the rule allows no such redirection")?;
    matcher.check(slot, &file.text).map_err(|reason| reason.unwrap_or_else(|| format!("expected {}", slot.text)))
}

/// A refusal at a word of a stage; behind its words come its redirections, as `missed` counts them.
fn deny_at(stage: &Stage, word: usize, reason: String) -> Denied {
    let end = stage.argv.last().map_or(0, |argument| argument.span.end);
    let behind = Span { start: end, end };
    let redirect =
        word.checked_sub(stage.argv.len() + 1).and_then(|index| stage.redirects.get(index)).map(|redirect: &Redirect| redirect.span);
    let span = stage.argv.get(word).map(|argument| argument.span).or(redirect).unwrap_or(behind);
    Denied { reason, span, rule: None, form: None }
}

/// The miss that got further; of two that got as far, both expectations.
fn nearer_miss(mut before: Miss, miss: Miss) -> Miss {
    match miss.word.cmp(&before.word) {
        std::cmp::Ordering::Greater => miss,
        std::cmp::Ordering::Less => before,
        std::cmp::Ordering::Equal => {
            let new: Vec<String> = miss.expected.into_iter().filter(|word| !before.expected.contains(word)).collect();
            before.expected.extend(new);
            before.reason = before.reason.or(miss.reason);
            before
        }
    }
}

fn nearer<'r>(nearest: Option<(Miss, &'r Rule)>, miss: Miss, rule: &'r Rule) -> (Miss, &'r Rule) {
    match nearest {
        None => (miss, rule),
        // Of `PROGRAM <word> --help` nobody meant more than the help.
        Some((before, first)) if miss.is_about_help() && !before.is_about_help() => (before, first),
        Some((before, _)) if before.is_about_help() && !miss.is_about_help() => (miss, rule),
        Some((before, first)) if miss.word <= before.word => (nearer_miss(before, miss), first),
        Some(_) => (miss, rule),
    }
}

/// Expectations shown, at most.
const SHOWN: usize = 8;

/// A miss in words.
fn reason(miss: &Miss, word: Option<&str>) -> String {
    if let Some(reason) = &miss.reason {
        return reason.clone();
    }
    let (options, words): (Vec<&str>, Vec<&str>) = miss.expected.iter().map(String::as_str).partition(|word| word.starts_with('-'));
    if let Some(option) = word.filter(|word| word.starts_with('-') && word.len() > 1) {
        let near = suggest::nearest(option, options.iter().copied());
        return match near {
            Some(near) => format!("this option is not allowed here; did you mean {near}?"),
            None => "this option is not allowed here".to_owned(),
        };
    }
    let words = if words.is_empty() { options } else { words };
    match (words.as_slice(), word) {
        ([], Some(_)) => "nothing more is allowed here".to_owned(),
        ([], None) => "a word is missing".to_owned(),
        (words, Some(_)) => format!("expected {}", either(words)),
        (words, None) => format!("a word is missing: expected {}", either(words)),
    }
}

/// `a`, `a or b`, `a, b or c`, and at most [`SHOWN`] of them.
fn either(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => (*only).to_owned(),
        _ if words.len() > SHOWN => {
            format!("{}, ... ({} in all)", words.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", "), words.len())
        }
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
    }
}

/// A word that may come next on a line, for completion.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Candidate {
    /// A keyword or an option.
    Word(String),
    /// A slot, as the form writes it: `<unit>`.
    Slot { text: String, path: bool },
}

/// What may stand behind the complete words `argv` (the first is the command word) by the allow forms in force for `subject`.
pub fn candidates(policy: &Applied, subject: &Subject, argv: &[String], facts: &dyn Facts) -> Result<Vec<Candidate>, Damaged> {
    let Some(rules) = argv.first().map(|command| policy.rules(command)).transpose()?.flatten() else { return Ok(Vec::new()) };
    let decision = Decision { policy, subject, lookups: Lookups { facts, known: RefCell::default() }, budget: Budget::default() };
    let mut found = Vec::new();
    for rule in rules.allow.iter().filter(|rule| decision.admits(rule)) {
        let judge = AllowJudge::of(&decision, rule);
        let matcher = Matcher::new(&rule.form, &judge, &decision.budget);
        let next = rule.form.variants.iter().flat_map(|variant| matcher.next_words(variant, argv));
        found.extend(next.map(|next| match next {
            Next::Word(word) => Candidate::Word(word),
            Next::Slot { slot, path } => Candidate::Slot { text: slot.text.clone(), path },
        }));
    }
    found.sort();
    found.dedup();
    Ok(found)
}

#[cfg(test)]
mod tests;
