//! `postern test`: the golden files of a policy.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::arguments::Arguments;
use super::golden::{self, FileReport};
use super::output::{count, json, say};
use super::{Failure, Status, sources};
use crate::policy::golden::read_all;
use crate::policy::{Applied, Damaged};
use crate::sys::file::{Owner, read_goldens};
use crate::words::{Safe, paths};

/// Everything that was tested. `files`, `lines` and `failed` are the contract; more may come.
#[derive(Serialize)]
struct Report {
    files: Vec<FileReport>,
    lines: usize,
    failed: usize,
    /// Rules that no line uses, where that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    unused: Option<Vec<Unused>>,
}

#[derive(Serialize)]
struct Unused {
    rule: String,
    form: String,
}

/// `postern test [--unused] [--json] [FILE|DIR...]`.
pub fn test(arguments: &Arguments) -> Result<Status, Failure> {
    let given: Vec<PathBuf> = arguments.operands.iter().map(PathBuf::from).collect();
    let paths = if given.is_empty() { vec![PathBuf::from(paths::POLICY_DIR)] } else { given };
    let (mut files, mut unused) = (Vec::new(), Vec::new());
    for path in &paths {
        let (policy, reports) = tested(path)?;
        unused.extend(unused_rules(&policy, &reports).map_err(|damaged| Failure::Other(damaged.to_string()))?);
        files.extend(reports);
    }
    let unused = arguments.flag("unused").map(|_| unused);
    let report = Report { lines: files.iter().map(|file| file.lines).sum(), failed: golden::failed(&files), files, unused };
    match arguments.flag("json") {
        Some(_) => say(json(&report)?),
        None => print(&report),
    }
    Ok(if report.failed == 0 { Status::Done } else { Status::Findings })
}

/// A policy, and how its golden files went.
fn tested(path: &Path) -> Result<(Applied, Vec<FileReport>), Failure> {
    // The golden file stands for the policy beside it.
    let path = if path.extension().is_some_and(|extension| extension == "golden") { path.with_extension("yaml") } else { path.to_owned() };
    let policy = sources::compiled(&path)?;
    let goldens: Vec<_> = read_goldens(&path, Owner::Anyone)?.into_iter().map(Into::into).collect();
    if goldens.is_empty() {
        let name = Safe(path.as_os_str().as_encoded_bytes()).to_string();
        return Err(Failure::Other(format!("{name}: no golden file; write one beside the policy, such as policy.golden for policy.yaml")));
    }
    let reports = golden::run(&policy, &read_all(&goldens).map_err(Failure::Policy)?)?;
    Ok((policy, reports))
}

/// The allow rules that no line uses which is meant to be allowed.
fn unused_rules(policy: &Applied, reports: &[FileReport]) -> Result<Vec<Unused>, Damaged> {
    let used: BTreeSet<&(String, String)> = reports.iter().flat_map(|report| &report.used).collect();
    let mut unused = Vec::new();
    for command in policy.commands()? {
        let rules = policy.rules(&command)?;
        for rule in rules.iter().flat_map(|rules| &rules.allow) {
            let source = policy.scopes().get(rule.scope as usize).map_or("", |scope| scope.source.as_str());
            let key = (format!("{source}:{}", rule.line), rule.form.text.clone());
            if !used.contains(&key) {
                unused.push((rule.scope, rule.line, key));
            }
        }
    }
    unused.sort();
    Ok(unused.into_iter().map(|(.., (rule, form))| Unused { rule, form }).collect())
}

fn print(report: &Report) {
    golden::complain_of(&report.files);
    for file in &report.files {
        say(format_args!("{}: {}, {} failed", Safe(file.file.as_bytes()), count(file.lines, "line"), file.failed));
    }
    for unused in report.unused.iter().flatten() {
        say(format_args!("{}: no line uses {}", Safe(unused.rule.as_bytes()), Safe(unused.form.as_bytes())));
    }
    say(golden::summary(&report.files));
}
