//! `postern doctor`: whether this host is one on which the two doors are the only ones.
//!
//! The facts are read once ([`host::Host`]); each check is a function over them with an id that never changes, one table a family, one file
//! a family. A check says something of whatever it looked at: that it is well, or that it could not look. Nothing is changed; a finding has
//! the command or the setting that would mend it.

mod account;
mod audit;
mod finding;
mod home;
mod host;
mod jobs;
mod kernel;
mod policy;
mod privilege;
mod reading;
mod shell;
mod sshd;
mod surroundings;

use std::ffi::OsStr;

use serde::Serialize;

use self::finding::{Check, Finding, Fix, Level};
use self::host::Host;
use super::arguments::Arguments;
use super::output::{count, json, say};
use super::{Failure, Status};

/// Every check, by family, in the order of the output.
const FAMILIES: &[(&str, &[&[Check]])] = &[
    ("kernel", &[kernel::CHECKS]),
    ("shell", &[shell::CHECKS]),
    ("policy", &[policy::CHECKS]),
    ("audit", &[audit::CHECKS]),
    ("sshd", &[sshd::CHECKS]),
    ("account", &[account::CHECKS, jobs::CHECKS]),
    ("session", &[surroundings::CHECKS]),
];

/// What is said of a host, as JSON has it.
#[derive(Serialize)]
struct Report<'a> {
    /// Of this program.
    version: &'static str,
    host: &'a str,
    findings: Vec<Reported<'a>>,
}

#[derive(Serialize)]
struct Reported<'a> {
    id: &'static str,
    level: Level,
    subject: &'a str,
    message: &'a str,
    fix: Option<&'a str>,
    /// Whether the fix is a line for a shell, and not words.
    fix_is_command: bool,
}

/// The findings of one family, the worst first.
struct Family {
    name: &'static str,
    findings: Vec<(&'static str, Finding)>,
}

/// `postern doctor [--json] [--account NAME]...`.
pub fn doctor(arguments: &Arguments) -> Result<Status, Failure> {
    let named = arguments.all("account").map(OsStr::to_string_lossy).map(|name| name.into_owned()).collect::<Vec<_>>();
    let host = Host::read(&named)?;
    let families = examine(&host);
    let findings = || families.iter().flat_map(|family| &family.findings);
    match arguments.flag("json") {
        Some(_) => say(json(&Report {
            version: env!("CARGO_PKG_VERSION"),
            host: &host.name,
            findings: findings().map(|(id, finding)| reported(id, finding)).collect(),
        })?),
        None => say(text(&families)),
    }
    let problems = findings().any(|(_, finding)| finding.level == Level::Problem);
    Ok(if problems { Status::Findings } else { Status::Done })
}

fn examine(host: &Host) -> Vec<Family> {
    FAMILIES
        .iter()
        .map(|(name, tables)| {
            let checks = tables.iter().copied().flatten();
            let mut findings: Vec<_> = checks.flat_map(|check| (check.run)(host).into_iter().map(|finding| (check.id, finding))).collect();
            findings.sort_by_key(|(_, finding)| finding.level);
            Family { name, findings }
        })
        .collect()
}

fn reported<'a>(id: &'static str, finding: &'a Finding) -> Reported<'a> {
    let (fix, fix_is_command) = match &finding.fix {
        None => (None, false),
        Some(Fix::Command(command)) => (Some(command.as_str()), true),
        Some(Fix::Words(words)) => (Some(words.as_str()), false),
    };
    Reported { id, level: finding.level, subject: &finding.subject, message: &finding.message, fix, fix_is_command }
}

/// For a reader: a paragraph a family, and a line that counts.
fn text(families: &[Family]) -> String {
    let paragraphs: Vec<String> =
        families.iter().map(|family| format!("{}\n{}\n", family.name, lines(&family.findings).join("\n"))).collect();
    format!("{}\n{}", paragraphs.join("\n"), summary(families))
}

/// A line, or two, for each finding; checks that were skipped for one reason share one.
fn lines(findings: &[(&'static str, Finding)]) -> Vec<String> {
    let same = |one: &(&str, Finding), other: &(&str, Finding)| one.1.level == Level::Skipped && one.1 == other.1;
    let groups = findings.chunk_by(same).filter_map(|group| Some((group, group.first()?)));
    groups.map(|(group, (_, finding))| finding.text(&group.iter().map(|(id, _)| *id).collect::<Vec<_>>().join(", "))).collect()
}

fn summary(families: &[Family]) -> String {
    let of = |level| families.iter().flat_map(|family| &family.findings).filter(|(_, finding)| finding.level == level).count();
    let skipped = match of(Level::Skipped) {
        0 => String::new(),
        number => format!(", {number} not looked at"),
    };
    let (problems, warnings, notes) = (of(Level::Problem), of(Level::Warning), of(Level::Note));
    format!("{}, {}, {}{skipped}", count(problems, "problem"), count(warnings, "warning"), count(notes, "note"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn ids() -> Vec<&'static str> {
        FAMILIES.iter().flat_map(|(_, tables)| tables.iter().copied().flatten()).map(|check| check.id).collect()
    }

    #[test]
    fn every_id_is_its_own_and_named_after_its_family() {
        assert_eq!(ids().iter().collect::<BTreeSet<_>>().len(), ids().len());
        for (family, tables) in FAMILIES {
            for check in tables.iter().copied().flatten() {
                assert!(check.id.strip_prefix(family).is_some_and(|rest| rest.starts_with('.')), "{} in {family}", check.id);
            }
        }
    }

    #[test]
    fn the_manual_lists_every_id_and_no_other() {
        let page = include_str!("../../../man/postern.8");
        let listed: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix(".It Va ")).filter(|id| id.contains('.')).collect();
        assert_eq!(listed, ids());
    }

    #[test]
    fn a_report_is_grouped_with_the_worst_first_and_nothing_raw() {
        let family = Family {
            name: "kernel",
            findings: vec![
                ("kernel.a", Finding::problem("x\x1b[2J", "bad").command(["rm", "a b"])),
                ("kernel.b", Finding::note("y", "so").fix("do it")),
            ],
        };
        let expected = "kernel\n  PROBLEM  kernel.a: x^[[2J: bad\n           # rm 'a b'\n\
                        \x20 note     kernel.b: y: so\n           fix: do it\n\n\
                        1 problem, 0 warnings, 1 note";
        assert_eq!(text(&[family]), expected);
    }

    #[test]
    fn every_check_says_something_of_this_machine() {
        let host = Host::read(&[]).unwrap();
        for check in FAMILIES.iter().flat_map(|(_, tables)| tables.iter().copied().flatten()) {
            let says = !(check.run)(&host).is_empty();
            assert!(says || (host.accounts.is_empty() && check.id.starts_with("account.")), "{}", check.id);
        }
    }
}
