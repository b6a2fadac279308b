//! Golden files held against a policy: which of their lines are decided as they are meant to be.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Failure;
use super::line::{Answer, decide_anywhere};
use super::output::{complain, count};
use crate::policy::findings::Mistake;
use crate::policy::golden::{Case, Golden};
use crate::policy::{Applied, Damaged, Denied, RuleRef, Terms};
use crate::words::{Diagnostic, Safe, Span};

/// How one golden file went.
#[derive(Serialize)]
pub struct FileReport {
    pub file: String,
    /// Its lines.
    pub lines: usize,
    /// How many of them are decided otherwise.
    pub failed: usize,
    pub differences: Vec<Difference>,
    /// The rules that allowed what was meant to be allowed, each with its form.
    #[serde(skip)]
    pub used: BTreeSet<(String, String)>,
}

/// A line that is decided otherwise than expected. `file`, `line` and `column` say where its word stands that makes the difference.
#[derive(Serialize)]
pub struct Difference {
    line: u32,
    column: u32,
    /// The line of the shell.
    text: String,
    expected: String,
    found: String,
    /// The rule that decides it, or comes nearest.
    rule: Option<String>,
    /// The same for a reader, with a caret.
    #[serde(skip)]
    diagnostic: Diagnostic,
}

/// What a line was decided to be, where that is not what was expected.
struct Miss {
    expected: String,
    found: String,
    rule: Option<RuleRef>,
    form: Option<String>,
    /// The word of the line that makes the difference, if one does.
    culprit: Option<Span>,
}

/// Decides every line of every file.
pub fn run(policy: &Applied, goldens: &[Golden]) -> Result<Vec<FileReport>, Failure> {
    goldens.iter().map(|golden| run_one(policy, golden)).collect::<Result<_, _>>().map_err(|damaged| Failure::Other(damaged.to_string()))
}

/// How many lines are decided otherwise than expected.
pub fn failed(reports: &[FileReport]) -> usize {
    reports.iter().map(|report| report.failed).sum()
}

/// The first difference of each file with its caret, and the others in one line each, on standard error.
pub fn complain_of(reports: &[FileReport]) {
    for differences in reports.iter().map(|report| &report.differences) {
        differences.iter().take(1).for_each(|difference| complain(&difference.diagnostic));
        let short = |diagnostic: &Diagnostic| diagnostic.to_string().lines().next().unwrap_or_default().to_owned();
        let texts = differences.iter().skip(1).map(|other| format!("{}: {}", short(&other.diagnostic), Safe(other.text.as_bytes())));
        texts.for_each(complain);
    }
}

/// `2 files, 31 lines, 1 failed`.
pub fn summary(reports: &[FileReport]) -> String {
    let lines = reports.iter().map(|report| report.lines).sum();
    format!("{}, {}, {} failed", count(reports.len(), "file"), count(lines, "line"), failed(reports))
}

fn run_one(policy: &Applied, golden: &Golden) -> Result<FileReport, Damaged> {
    let (mut differences, mut used) = (Vec::new(), BTreeSet::new());
    for (case, subject) in golden.subjects(policy.scopes()) {
        let answer = decide_anywhere(policy, &subject, case.line.value.as_bytes())?;
        match compare(case, &answer, &subject.account) {
            Some(miss) => differences.push(difference(golden, case, miss)),
            None if case.allowed => used.extend(rules(&answer)),
            None => {}
        }
    }
    let (lines, failed) = (golden.cases.len(), differences.len());
    Ok(FileReport { file: golden.document.name.clone(), lines, failed, differences, used })
}

fn rules(answer: &Answer) -> Vec<(String, String)> {
    answer.terms().into_iter().flatten().map(|terms| (terms.rule.to_string(), terms.form.clone())).collect()
}

/// What is not as expected, if anything is.
fn compare(case: &Case, answer: &Answer, account: &str) -> Option<Miss> {
    match (case.allowed, answer.terms(), answer.refusal()) {
        (true, Some(terms), _) => match terms.first() {
            Some(terms) => compare_terms(case, terms, account),
            None => compare_nothing(case),
        },
        (false, None, Some(denied)) => compare_refusal(case, denied),
        (true, _, denied) => {
            let denied = denied.unwrap_or(Denied { reason: String::new(), span: Span::default(), rule: None, form: None });
            let found = format!("it is refused: {}", denied.reason);
            Some(Miss { expected: "allowed".to_owned(), found, rule: denied.rule, form: denied.form, culprit: Some(denied.span) })
        }
        (false, terms, _) => {
            let first = terms.and_then(|terms| terms.first().map(|terms| (terms.rule.clone(), terms.form.clone())));
            let (rule, form) = first.unzip();
            let by = rule.as_ref().map_or_else(|| "the shell does it by itself".to_owned(), |rule| format!("{rule} allows it"));
            Some(Miss { expected: "refused".to_owned(), found: by, rule, form, culprit: None })
        }
    }
}

/// Nothing is run, so that no rule, no user and no confinement is that of a command.
fn compare_nothing(case: &Case) -> Option<Miss> {
    let expectations = [("allowed by", &case.rule), ("run as", &case.run_as), ("confined by", &case.confine)];
    let (what, expected) = expectations.into_iter().find_map(|(what, expected)| Some((what, expected.as_ref()?)))?;
    Some(Miss {
        expected: format!("{what} {}", expected.value),
        found: "the shell does it by itself".to_owned(),
        rule: None,
        form: None,
        culprit: None,
    })
}

fn compare_terms(case: &Case, terms: &Terms, account: &str) -> Option<Miss> {
    let run_as = terms.run_as.as_deref().unwrap_or(account);
    let rule = terms.rule.to_string();
    let checks = [
        (&case.rule, case.rule.as_ref().is_none_or(|expected| is_rule(&terms.rule, &expected.value)), "allowed by", rule.as_str()),
        (&case.run_as, case.run_as.as_ref().is_none_or(|expected| expected.value == run_as), "run as", run_as),
        (
            &case.confine,
            case.confine.as_ref().is_none_or(|expected| expected.value == terms.confine.name),
            "confined by",
            terms.confine.name.as_str(),
        ),
    ];
    let (expected, _, what, found) = checks.into_iter().find(|(_, holds, ..)| !holds)?;
    Some(Miss {
        expected: format!("{what} {}", expected.as_ref()?.value),
        found: format!("it is {what} {found}"),
        rule: Some(terms.rule.clone()),
        form: Some(terms.form.clone()),
        culprit: None,
    })
}

fn compare_refusal(case: &Case, denied: Denied) -> Option<Miss> {
    let rule = denied.rule.as_ref().map_or_else(|| "no rule".to_owned(), RuleRef::to_string);
    let (expected, found) = match (&case.reason, &case.rule) {
        (Some(part), _) if !denied.reason.contains(&part.value) => {
            (format!("refused because of `{}`", part.value), format!("the reason is: {}", denied.reason))
        }
        (_, Some(expected)) if !denied.rule.as_ref().is_some_and(|rule| is_rule(rule, &expected.value)) => {
            (format!("refused by {}", expected.value), format!("the nearest is {rule}"))
        }
        _ => return None,
    };
    Some(Miss { expected, found, rule: denied.rule, form: denied.form, culprit: Some(denied.span) })
}

/// Whether `file` or `file:line` means a rule; a file is named by the whole of its name or by the end of it.
fn is_rule(rule: &RuleRef, expected: &str) -> bool {
    let of_file = |expected: &str| rule.source == expected || rule.source.ends_with(&format!("/{expected}"));
    match expected.rsplit_once(':') {
        Some((file, line)) => of_file(file) && line == rule.line.to_string(),
        None => of_file(expected),
    }
}

fn difference(golden: &Golden, case: &Case, miss: Miss) -> Difference {
    let whole = Span::new(0, case.line.value.len());
    let at = golden.document.part(case.line.span, &case.line.value, miss.culprit.unwrap_or(whole));
    let place = golden.document.place(at);
    let (rule, form) = (miss.rule.as_ref().map(RuleRef::to_string), miss.form.unwrap_or_default());
    let mistake = Mistake::new(format!("expected to be {}, but {}", miss.expected, miss.found));
    let mistake = mistake.with_help_if(rule.as_ref().map(|rule| format!("{rule}: {form}")));
    let position = place.position;
    let diagnostic = Diagnostic::error(&golden.document.name, Some(place), mistake.message);
    Difference {
        line: position.line,
        column: position.column,
        text: case.line.value.clone(),
        expected: miss.expected,
        found: miss.found,
        diagnostic: match mistake.help {
            Some(help) => diagnostic.with_help(help),
            None => diagnostic,
        },
        rule,
    }
}
