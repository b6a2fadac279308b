//! `postern diff`: what becomes allowed by another policy and what no longer is, in rules and in lines.
//!
//! Without `--lines` the lines are those of both policies' golden files, each for whom its file says. Others are decided for one person of
//! each file of both policies, as the files say it: a line that no file's people may run any more is found whoever they are.

use std::collections::{BTreeSet, HashSet};
use std::io::{self, Read};
use std::path::Path;

use serde::Serialize;

use super::arguments::Arguments;
use super::changes::{Changes, Counts};
use super::line::{Answer, decide_anywhere, describe};
use super::output::{count, json, say};
use super::{Failure, Status, sources};
use crate::access::in_force::open_one;
use crate::policy::golden::read_all;
use crate::policy::{Applied, Damaged, RuleRef, Subject, Terms, audience};
use crate::sys::file::{Directory, Owner, open_plain, read_goldens};
use crate::words::{Safe, limits, paths};

/// Everything that differs. The names of its fields are the contract; more may come.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    changes: Changes,
    counts: Counts,
    /// How many lines were decided.
    decided: usize,
    lines: Vec<LineChange>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Change {
    Allowed,
    Refused,
    Terms,
}

/// A line that is decided otherwise.
#[derive(Serialize)]
struct LineChange {
    line: String,
    change: Change,
    /// For whom.
    #[serde(rename = "for")]
    who: Vec<String>,
    before: String,
    after: String,
}

/// A policy, and the lines of its golden files.
struct Side {
    policy: Applied,
    lines: Vec<(String, Subject)>,
}

/// `postern diff [--lines FILE] [--json] [--state DIR] OLD NEW`.
pub fn diff(arguments: &Arguments) -> Result<Status, Failure> {
    let [old, new] = arguments.operands.as_slice() else {
        return Err(Failure::Usage("diff needs OLD and NEW: a file, a directory, applied or before".to_owned()));
    };
    let (old, new) = (Side::open(Path::new(old), arguments)?, Side::open(Path::new(new), arguments)?);
    let damaged = |damaged: Damaged| Failure::Other(damaged.to_string());
    let lines = match arguments.flag("lines") {
        Some(path) => for_each_file(&read_lines(Path::new(path))?, [&old.policy, &new.policy]),
        None => [old.lines, new.lines].concat(),
    };
    let changes = Changes::between(Some(&old.policy), &new.policy).map_err(damaged)?;
    let (decided, lines) = line_changes(&old.policy, &new.policy, lines).map_err(damaged)?;
    let report = Report { counts: changes.counts(), changes, decided, lines };
    match arguments.flag("json") {
        Some(_) => say(json(&report)?),
        None => report.print(),
    }
    Ok(if report.changes.is_empty() && report.lines.is_empty() { Status::Done } else { Status::Findings })
}

impl Side {
    fn open(path: &Path, arguments: &Arguments) -> Result<Side, Failure> {
        let state = match path.to_str() {
            Some("applied") => paths::APPLIED,
            Some("before") => paths::PREVIOUS,
            _ => return Side::of_sources(path),
        };
        let (directory, owner) = match arguments.state()? {
            Some(directory) => (directory, Owner::Caller),
            None => (Path::new(paths::STATE_DIR), Owner::Root),
        };
        let policy = open_one(&Directory::open(directory, owner)?, state, owner)?;
        let missing = || Failure::Other(format!("there is no policy {}", if state == paths::APPLIED { "in force" } else { "before" }));
        Ok(Side { policy: policy.ok_or_else(missing)?, lines: Vec::new() })
    }

    fn of_sources(path: &Path) -> Result<Side, Failure> {
        let policy = sources::compiled(path)?;
        let goldens: Vec<_> = read_goldens(path, Owner::Anyone)?.into_iter().map(Into::into).collect();
        let goldens = read_all(&goldens).map_err(Failure::Policy)?;
        let cases = goldens.iter().flat_map(|golden| golden.subjects(policy.scopes()));
        let lines = cases.map(|(case, subject)| (case.line.value.clone(), subject)).collect();
        Ok(Side { policy, lines })
    }
}

/// The lines of a regular file or of standard input, each once. A device or a FIFO is told apart before it is opened.
fn read_lines(path: &Path) -> Result<Vec<String>, Failure> {
    let name = Safe(path.as_os_str().as_encoded_bytes());
    let failed = |error: io::Error| Failure::Other(format!("{name}: {error}"));
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        io::stdin().lock().take(limits::LINES_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        if !path.metadata().map_err(failed)?.is_file() {
            return Err(Failure::Other(format!("{name} is no regular file; give `-` for standard input")));
        }
        let file = path.canonicalize().and_then(|path| open_plain(&path)).map_err(failed)?;
        file.take(limits::LINES_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    if bytes.len() > limits::LINES_BYTES {
        return Err(Failure::Other(format!("{name} holds more than {} MiB of lines; give fewer at a time", limits::LINES_BYTES >> 20)));
    }
    let text = String::from_utf8(bytes).map_err(|_| Failure::Other(format!("{name}: the lines are not valid UTF-8")))?;
    let mut known = HashSet::new();
    Ok(text.lines().filter(|line| !line.trim().is_empty() && known.insert(*line)).map(str::to_owned).collect())
}

/// Each line for one person of each file.
fn for_each_file(lines: &[String], policies: [&Applied; 2]) -> Vec<(String, Subject)> {
    let mut people: Vec<Subject> = Vec::new();
    for sample in policies.into_iter().flat_map(Applied::scopes).map(audience::sample) {
        if !people.contains(&sample) {
            people.push(sample);
        }
    }
    lines.iter().flat_map(|line| people.iter().map(move |subject| (line.clone(), subject.clone()))).collect()
}

/// How many lines there are, and those that are decided otherwise, each once for all who share the change.
fn line_changes(old: &Applied, new: &Applied, lines: Vec<(String, Subject)>) -> Result<(usize, Vec<LineChange>), Damaged> {
    let mut kept: Vec<(String, Subject)> = Vec::new();
    let mut seen = HashSet::new();
    for (line, subject) in lines {
        if seen.insert(format!("{line}\n{subject:?}")) {
            kept.push((line, subject));
        }
    }
    let mut changes: Vec<LineChange> = Vec::new();
    for (line, subject) in &kept {
        let before = decide_anywhere(old, subject, line.as_bytes())?;
        let after = decide_anywhere(new, subject, line.as_bytes())?;
        let Some(change) = change(&before, &after) else { continue };
        let (before, after, who) = (text(&before), text(&after), audience::person(subject));
        let same =
            |known: &&mut LineChange| known.line == *line && known.change == change && known.before == before && known.after == after;
        match changes.iter_mut().find(same) {
            Some(known) => known.who.push(who),
            None => changes.push(LineChange { line: line.clone(), change, who: vec![who], before, after }),
        }
    }
    let decided = kept.iter().map(|(line, _)| line).collect::<BTreeSet<_>>().len();
    Ok((decided, changes))
}

fn change(before: &Answer, after: &Answer) -> Option<Change> {
    match (before.terms(), after.terms()) {
        (None, None) => None,
        (None, Some(_)) => Some(Change::Allowed),
        (Some(_), None) => Some(Change::Refused),
        (Some(old), Some(new)) => {
            let bare = |terms: Vec<&Terms>| terms.into_iter().map(unplaced).collect::<Vec<_>>();
            (bare(old) != bare(new)).then_some(Change::Terms)
        }
    }
}

/// Terms without the words that say where they stand and why.
fn unplaced(terms: &Terms) -> Terms {
    Terms { rule: RuleRef { source: String::new(), line: 0 }, form: String::new(), note: None, slots: Vec::new(), ..terms.clone() }
}

fn text(answer: &Answer) -> String {
    match (answer.terms(), answer.refusal()) {
        (Some(terms), _) if terms.is_empty() => "part of the shell".to_owned(),
        (Some(terms), _) => terms.into_iter().map(describe).collect::<Vec<_>>().join("; "),
        (None, denied) => {
            let (reason, rule) = denied.map(|denied| (denied.reason, denied.rule)).unwrap_or_default();
            rule.map_or(reason.clone(), |rule| format!("{reason} ({rule})"))
        }
    }
}

impl Report {
    fn print(&self) {
        self.changes.rules.iter().for_each(say);
        self.changes.of_host().iter().for_each(say);
        for line in &self.lines {
            let (sign, what) = match line.change {
                Change::Allowed => ('+', format!("allowed: {}", line.after)),
                Change::Refused => ('-', format!("refused: {}", line.after)),
                Change::Terms if line.before == line.after => ('~', format!("{}, which says something else", line.after)),
                Change::Terms => ('~', format!("{} -> {}", line.before, line.after)),
            };
            let text = |text: &str| Safe(text.as_bytes()).to_string();
            say(format_args!("{sign} line {}\n    {}\n    for {}", text(&line.line), text(&what), text(&line.who.join("; "))));
        }
        let of = |change: Change| self.lines.iter().filter(|line| line.change == change).count();
        let (allowed, refused, terms) = (of(Change::Allowed), of(Change::Refused), of(Change::Terms));
        let lines = count(self.decided, "line");
        say(format_args!("{}; of {lines}: {allowed} allowed now, {refused} refused now, {terms} on other terms", self.counts));
    }
}
