//! What is dangerous or useless in a policy, why, and the fix.
//!
//! The first door has to be exact by itself: what a form takes that it should not is reported where the second door would refuse it, too,
//! as a warning; where it would not, as an error. `table` says what programs do besides what they are run for; `insert` puts that into
//! every line that `lines` makes of a form, and asks the real matcher. What is found has the name by which an `accept` of the rule, or of its
//! confinement, says that it is meant.

mod doors;
pub mod host;
mod insert;
mod lines;
mod order;
mod readers;
mod spellings;
pub mod table;
mod wide;

use std::collections::{BTreeMap, BTreeSet};

pub use host::HOME;
use host::Judges;
use insert::Found;
use lines::{Sampler, Samples};
use table::{Effect, Table};

use super::compile::Compiled;
use super::confinement::Base;
use super::rule::{CommandRules, Rule, Scope};
use crate::words::Severity;

/// Spellings that one finding names besides its first.
const NAMED: usize = 6;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Useless, or to be known; lint is clean all the same.
    Note,
    Warning,
    /// Neither door stands between a person and the harm.
    Error,
}

impl Level {
    pub const ALL: [Level; 3] = [Level::Error, Level::Warning, Level::Note];

    pub fn name(self) -> &'static str {
        match self {
            Level::Note => "note",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

impl From<Severity> for Level {
    fn from(severity: Severity) -> Level {
        match severity {
            Severity::Note => Level::Note,
            Severity::Warning => Level::Warning,
            Severity::Error => Level::Error,
        }
    }
}

/// One finding about a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub level: Level,
    /// As `accept` names it.
    pub name: &'static str,
    /// The file of the rule, and its line there, from 1.
    pub file: String,
    pub line: u32,
    /// The form of the rule, as the policy writes it.
    pub form: String,
    /// Words that the rule takes and should not.
    pub example: Vec<String>,
    pub why: String,
    pub fix: String,
}

/// Everything that was found in a policy, in the order of its files and lines.
#[derive(Debug, Default)]
pub struct Report {
    pub findings: Vec<Finding>,
    /// How many more there were, which an `accept` says are meant.
    pub accepted: usize,
}

/// What is wrong with a rule.
struct Problem {
    level: Level,
    name: &'static str,
    /// The key under which the `accept` of a confinement has it.
    key: Option<&'static str>,
    why: String,
    fix: String,
    example: Vec<String>,
}

impl Problem {
    fn new(level: Level, name: &'static str, why: impl Into<String>, fix: impl Into<String>) -> Problem {
        Problem { level, name, key: None, why: why.into(), fix: fix.into(), example: Vec::new() }
    }

    fn about(self, key: &'static str) -> Problem {
        Problem { key: Some(key), ..self }
    }
}

/// Looks at every allow rule of a policy.
pub fn lint(compiled: &Compiled, table: &Table) -> Report {
    let mut collector = Collector::new(compiled);
    let judges = Judges::of(compiled.rules.values().flat_map(|rules| &rules.allow).map(|rule| &rule.confine));
    let samples = Samples::default();
    for (command, rules) in &compiled.rules {
        let samplers = rules.allow.iter().filter_map(|rule| Some(Sampler::new(&rule.form, judges.by(&rule.confine)?, &samples)));
        let samplers: Vec<Sampler<'_>> = samplers.collect();
        for (index, rule) in rules.allow.iter().enumerate() {
            collector.rule(rule);
            let problems = problems(rule, index, &samplers, rules, &compiled.scopes, (command, table));
            problems.into_iter().for_each(|problem| collector.add(rule, problem));
        }
    }
    collector.report()
}

fn problems(
    rule: &Rule,
    index: usize,
    samplers: &[Sampler<'_>],
    rules: &CommandRules,
    scopes: &[Scope],
    (command, table): (&str, &Table),
) -> Vec<Problem> {
    let Some(sampler) = samplers.get(index) else { return Vec::new() };
    let program = rule.path.as_deref().and_then(|path| path.rsplit('/').next()).unwrap_or(command);
    let rows = table.rows(program);
    let (found, all) = insert::found(rule, program, sampler, rows);
    let mut problems = by_effect(rule, program, &found);
    if !all {
        let why = "it has so many variants that not every line could be tried";
        problems.push(Problem::new(Level::Note, "wide", why, "make several forms of it"));
    }
    problems.extend(wide::wide(rule, rows));
    problems.extend(doors::in_reach(rule));
    problems.extend(doors::breaks(rule, program, table));
    problems.extend(doors::root(rule));
    problems.extend(order::in_the_way(rule, index, samplers, rules, scopes));
    problems
}

/// One problem for each effect, with the first line that shows it and the other spellings.
fn by_effect(rule: &Rule, program: &str, found: &[Found]) -> Vec<Problem> {
    let effects: BTreeSet<Effect> = found.iter().map(|found| found.effect).collect();
    let of = |effect: Effect| found.iter().filter(move |found| found.effect == effect);
    let problem = |effect: Effect| {
        let first = of(effect).next()?;
        let mut others: Vec<&str> = Vec::new();
        for found in of(effect).filter(|found| found.spelling != first.spelling) {
            if !others.contains(&found.spelling.as_str()) {
                others.push(&found.spelling);
            }
        }
        let (level, door) = doors::behind(effect, &rule.confine);
        let subject = if first.spelling.is_empty() { program.to_owned() } else { format!("`{}` of {program}", first.spelling) };
        let others = match others.len() {
            0 => String::new(),
            number => {
                let shown = others.iter().take(NAMED).map(|other| format!("`{other}`")).collect::<Vec<_>>().join(", ");
                let more = if number > NAMED { format!(" and {} more", number - NAMED) } else { String::new() };
                format!(" (so do {shown}{more})")
            }
        };
        let why = format!("{subject}: {}{others}; {door}", first.what);
        let fix = if first.spelling.is_empty() {
            "allow the programs that it would start by rules of their own".to_owned()
        } else {
            format!("let the form not take `{}`, or refuse it under `deny`", first.spelling)
        };
        Some(Problem { example: first.line.clone(), ..Problem::new(level, effect.name(), why, fix) })
    };
    effects.into_iter().filter_map(problem).collect()
}

/// What an `accept` of one YAML rule says; its forms share it.
type Accepts = (u32, Vec<(String, String)>);

struct Collector<'a> {
    compiled: &'a Compiled,
    findings: Vec<Finding>,
    accepted: usize,
    /// For each `accept`, the first rule that has it and the names that accepted something.
    accepts: BTreeMap<Accepts, (&'a Rule, BTreeSet<String>)>,
    /// For each key and reason in the `accept` of a confinement, the first rule that has it.
    confined: BTreeMap<(String, String), &'a Rule>,
    /// What those accepted of what is found here.
    meant: BTreeSet<(String, String, String)>,
}

impl<'a> Collector<'a> {
    fn new(compiled: &'a Compiled) -> Collector<'a> {
        let (accepts, confined, meant) = Default::default();
        Collector { compiled, findings: Vec::new(), accepted: compiled.accepted.len(), accepts, confined, meant }
    }

    fn key(rule: &Rule) -> Accepts {
        (rule.scope, rule.accept.iter().map(|(name, reason)| (name.clone(), reason.clone())).collect())
    }

    /// Takes note of a rule's `accept`.
    fn rule(&mut self, rule: &'a Rule) {
        for (key, reason) in &rule.confine.accept {
            let first = self.confined.entry((key.clone(), reason.clone())).or_insert(rule);
            if (rule.scope, rule.line) < (first.scope, first.line) {
                *first = rule;
            }
        }
        if !rule.accept.is_empty() {
            let (first, used) = self.accepts.entry(Self::key(rule)).or_insert_with(|| (rule, BTreeSet::new()));
            if rule.line < first.line {
                *first = rule;
            }
            // `check` warns of this one, and has let it pass already.
            if rule.accept.contains_key("open") && rule.confine.base == Base::Open {
                used.insert("open".to_owned());
                self.accepted += 1;
            }
        }
    }

    fn add(&mut self, rule: &Rule, problem: Problem) {
        if let Some((key, reason)) = problem.key.and_then(|key| rule.confine.accept.get_key_value(key)) {
            // What rules share is said once, and counted once.
            self.accepted += usize::from(self.meant.insert((key.clone(), reason.clone(), problem.why)));
            return;
        }
        if rule.accept.contains_key(problem.name) {
            self.accepted += 1;
            if let Some((_, used)) = self.accepts.get_mut(&Self::key(rule)) {
                used.insert(problem.name.to_owned());
            }
            return;
        }
        let finding = self.finding(rule, problem);
        self.findings.push(finding);
    }

    fn finding(&self, rule: &Rule, problem: Problem) -> Finding {
        let Problem { level, name, why, fix, example, .. } = problem;
        let file = self.compiled.scopes.get(rule.scope as usize).map_or_else(String::new, |scope| scope.source.clone());
        Finding { level, name, file, line: rule.line, form: rule.form.text.clone(), example, why, fix }
    }

    fn report(mut self) -> Report {
        let useless = self.accepts.values().flat_map(|(rule, used)| {
            rule.accept.keys().filter(|name| !used.contains(*name)).map(|name| {
                let why = format!("`accept` names `{name}`, and nothing of that name is found");
                self.finding(rule, Problem::new(Level::Note, "useless", why, "take it out, or it hides what comes later"))
            })
        });
        let used = |accept: &(String, String)| {
            self.compiled.accepted.contains(accept) || self.meant.iter().any(|(key, reason, _)| (key, reason) == (&accept.0, &accept.1))
        };
        let useless_of_confinements = self.confined.iter().filter(|(accept, _)| !used(accept)).map(|((key, _), rule)| {
            let why = format!("`accept` of the confinement `{}` names `{key}`, and nothing of that name is found", rule.confine.name);
            self.finding(rule, Problem::new(Level::Note, "useless", why, "take it out, or it hides what comes later"))
        });
        let useless: Vec<Finding> = useless.chain(useless_of_confinements).collect();
        self.findings.extend(useless);
        let place = |finding: &Finding| self.compiled.scopes.iter().position(|scope| scope.source == finding.file);
        self.findings.sort_by_key(|finding| (place(finding), finding.line, std::cmp::Reverse(finding.level)));
        Report { findings: once_each(self.findings), accepted: self.accepted }
    }
}

/// What is the same in many rules of a file, such as a type that they share, is said once.
fn once_each(findings: Vec<Finding>) -> Vec<Finding> {
    let mut counts: BTreeMap<(String, &str, String), usize> = BTreeMap::new();
    let key = |finding: &Finding| (finding.file.clone(), finding.name, finding.why.clone());
    findings.iter().filter(|finding| finding.example.is_empty()).for_each(|finding| *counts.entry(key(finding)).or_default() += 1);
    let mut unique = Vec::new();
    for mut finding in findings {
        let key = key(&finding);
        match counts.get_mut(&key).map(std::mem::take) {
            Some(0) => continue,
            Some(more @ 2..) => finding.why.push_str(&format!(" (so do {} more rules of this file)", more - 1)),
            _ => {}
        }
        unique.push(finding);
    }
    unique
}

#[cfg(test)]
mod tests;
