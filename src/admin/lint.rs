//! `postern lint`: what is dangerous or useless in a policy, why, and the fix.

use std::ffi::OsStr;

use serde::Serialize;

use super::arguments::Arguments;
use super::output::{count, json, report, say};
use super::{Failure, Status, check, install};
use crate::policy::compile::{Source, compile};
use crate::policy::lint::{self, Finding, Level, table};
use crate::words::{Diagnostic, Safe, Severity, paths};

/// The JSON object.
#[derive(Serialize)]
struct Output<'a> {
    findings: &'a [Row],
    /// How many findings of each level there are, those that are not shown too.
    errors: usize,
    warnings: usize,
    notes: usize,
    /// How many more an `accept` of the policy says are meant.
    accepted: usize,
}

/// A finding as it is shown.
#[derive(Serialize)]
struct Row {
    level: &'static str,
    name: &'static str,
    file: String,
    line: Option<u32>,
    column: Option<u32>,
    form: Option<String>,
    example: Option<String>,
    why: String,
    fix: Option<String>,
    #[serde(skip)]
    shown: Diagnostic,
    #[serde(skip)]
    level_of: Level,
}

/// `postern lint [--json] [--level LEVEL] [FILE|DIR]`.
pub fn lint(arguments: &Arguments) -> Result<Status, Failure> {
    let least = arguments.flag("level").map_or(Ok(Level::Note), level)?;
    let sources = check::read(&arguments.path(paths::POLICY_DIR))?;
    let (rows, accepted) = match compile(&sources) {
        Err(findings) => (findings.into_iter().map(of_check).collect(), 0),
        Ok(compiled) => {
            let found = lint::lint(&compiled, &table::SHIPPED);
            let rows: Vec<Row> = compiled.warnings.into_iter().map(of_check).collect();
            (rows.into_iter().chain(found.findings.into_iter().map(|finding| of_lint(finding, &sources))).collect(), found.accepted)
        }
    };
    print(rows, accepted, least, arguments.flag("json").is_some())
}

fn print(mut rows: Vec<Row>, accepted: usize, least: Level, as_json: bool) -> Result<Status, Failure> {
    let [errors, warnings, notes] = Level::ALL.map(|level| rows.iter().filter(|row| row.level_of == level).count());
    rows.retain(|row| row.level_of >= least);
    if as_json {
        say(json(&Output { findings: &rows, errors, warnings, notes, accepted })?);
    } else {
        report(&rows.iter().map(|row| row.shown.clone()).collect::<Vec<_>>());
        by_file(&rows).into_iter().for_each(say);
        let counts = [count(errors, "error"), count(warnings, "warning"), count(notes, "note")].join(", ");
        say(format_args!("{counts}, {accepted} accepted"));
    }
    let clean = rows.iter().all(|row| row.level_of == Level::Note);
    Ok(if clean { Status::Done } else { Status::Findings })
}

/// How many findings of each level each file has, if there are several; as `rows` shows them.
fn by_file(rows: &[Row]) -> Vec<String> {
    let mut files: Vec<(&str, [usize; 3])> = Vec::new();
    for row in rows {
        if !files.iter().any(|(file, _)| *file == row.file) {
            files.push((&row.file, [0; 3]));
        }
        let counts = files.iter_mut().find(|(file, _)| *file == row.file).map(|(_, counts)| counts);
        let place = Level::ALL.iter().position(|level| *level == row.level_of);
        if let Some(count) = counts.zip(place).and_then(|(counts, place)| counts.get_mut(place)) {
            *count += 1;
        }
    }
    if files.len() < 2 {
        return Vec::new();
    }
    let counted =
        |[errors, warnings, notes]: [usize; 3]| [count(errors, "error"), count(warnings, "warning"), count(notes, "note")].join(", ");
    files.into_iter().map(|(file, counts)| format!("{}: {}", Safe(file.as_bytes()), counted(counts))).collect()
}

fn level(name: &OsStr) -> Result<Level, Failure> {
    let known = Level::ALL.into_iter().find(|level| name == level.name());
    known.ok_or_else(|| Failure::Usage(format!("no level `{}`; known ones: error, warning, note", Safe(name.as_encoded_bytes()))))
}

/// What `check` says; it has a message and no name of its own.
fn of_check(shown: Diagnostic) -> Row {
    let level_of = Level::from(shown.severity);
    let position = shown.place.as_ref().map(|place| place.position);
    Row {
        level: level_of.name(),
        name: "check",
        file: shown.file.clone(),
        line: position.map(|position| position.line),
        column: position.map(|position| position.column),
        form: None,
        example: None,
        why: shown.message.clone(),
        fix: shown.help.clone(),
        level_of,
        shown,
    }
}

fn of_lint(finding: Finding, sources: &[Source]) -> Row {
    let Finding { level, name, file, line, form, example, why, fix } = finding;
    let bytes = sources.iter().find(|source| source.name == file).map(|source| source.bytes.as_slice());
    let place = bytes.and_then(|bytes| install::place(&String::from_utf8_lossy(bytes), line));
    let example = (!example.is_empty()).then(|| shlex::try_join(example.iter().map(String::as_str)).unwrap_or_else(|_| example.join(" ")));
    let takes = example.as_ref().map_or_else(String::new, |example| format!("it takes `{example}`: "));
    let severity = match level {
        Level::Note => Severity::Note,
        Level::Warning => Severity::Warning,
        Level::Error => Severity::Error,
    };
    let meant = if name == "useless" { String::new() } else { format!("; if it is meant, `accept: {{ {name}: why }}`") };
    let column = place.as_ref().map(|place| place.position.column);
    let shown =
        Diagnostic { file: file.clone(), place, severity, message: format!("{name}: {takes}{why}"), help: Some(format!("{fix}{meant}")) };
    Row {
        level: level.name(),
        name,
        file,
        line: Some(line),
        column,
        form: Some(form),
        example,
        why,
        fix: Some(fix),
        shown,
        level_of: level,
    }
}
