//! `postern check`: every mistake in a policy.

use std::path::Path;

use super::arguments::Arguments;
use super::output::{complain, count, report, say};
use super::{Failure, Status, install};
use crate::policy::compile::{Source, compile};
use crate::sys::file::{Owner, read_tree};
use crate::words::{Severity, paths};

/// `postern check [FILE|DIR]`.
pub fn check(arguments: &Arguments) -> Result<Status, Failure> {
    let sources = read(&arguments.path(paths::POLICY_DIR))?;
    let files = count(sources.len(), "file");
    match compile(&sources) {
        Ok(mut compiled) => {
            compiled.warnings.extend(install::beyond(&compiled, &sources));
            report(&compiled.warnings);
            let commands = count(compiled.rules.len(), "command");
            let warnings = count(compiled.warnings.len(), "warning");
            say(format_args!("{files}, {}, {commands}, {warnings}", count(compiled.all_rules().count(), "rule")));
            Ok(Status::Done)
        }
        Err(findings) => {
            report(&findings);
            let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
            say(format_args!("{files}, {}, {}", count(errors, "error"), count(findings.len() - errors, "warning")));
            Ok(Status::Findings)
        }
    }
}

/// Reads sources whoever owns them, for nothing is put in force; root, who might apply them next, is told of what `apply` will refuse.
pub fn read(path: &Path) -> Result<Vec<Source>, Failure> {
    let sources = match read_tree(path, Owner::Caller) {
        Err(error) if error.is_distrust() => {
            if nix::unistd::geteuid().is_root() {
                complain(format_args!("postern: warning: `postern apply` will refuse this: {error}"));
            }
            read_tree(path, Owner::Anyone)
        }
        sources => sources,
    };
    Ok(sources?.into_iter().map(Source::from).collect())
}
