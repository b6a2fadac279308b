//! Policies that an operator looks at: sources, whoever owns them, for nothing is put in force.

use std::path::Path;

use super::Failure;
use crate::access;
use crate::policy::Applied;
use crate::policy::compile::Source;
use crate::sys::file::{Owner, read_tree};
use crate::words::{Diagnostic, Severity};

/// The policy of a file or a directory. Its mistakes are the failure; warnings are for `check`.
pub fn compiled(path: &Path) -> Result<Applied, Failure> {
    if access::privileged() {
        return Err(Failure::Usage("sources are not for a process with borrowed privilege".to_owned()));
    }
    let sources: Vec<Source> = read_tree(path, Owner::Anyone)?.into_iter().map(Source::from).collect();
    let errors = |findings: Vec<Diagnostic>| findings.into_iter().filter(|finding| finding.severity == Severity::Error).collect();
    Applied::from_sources(&sources).map(|(policy, _warnings)| policy).map_err(|findings| Failure::Policy(errors(findings)))
}
