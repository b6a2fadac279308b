//! What the installed shell can give, which decides whether rules mean what they say on this host.

use std::os::unix::fs::MetadataExt;

use super::output::count;
use crate::policy::Rule;
use crate::policy::compile::{Compiled, Source};
use crate::words::diagnostic::Place;
use crate::words::{Diagnostic, Position, Span};

/// The set-user-ID bit of a mode, inode(7).
const SET_USER_ID: u32 = 0o4000;

/// A warning for the first rule whose terms this install cannot give; it says how many there are.
pub fn beyond(compiled: &Compiled, sources: &[Source]) -> Option<Diagnostic> {
    if shell_is_set_user_id_root()? {
        return None;
    }
    let needs = |rule: &&Rule| rule.run_as.is_some() || !rule.confine.capabilities.is_empty();
    let mut rules: Vec<&Rule> = compiled.all_rules().filter(needs).collect();
    rules.sort_by_key(|rule| (rule.scope, rule.line));
    let first = rules.first()?;
    let source = compiled.scopes.get(first.scope as usize)?.source.as_str();
    let what = first.run_as.as_ref().map_or_else(|| "capabilities".to_owned(), |user| format!("`as: {user}`"));
    let message = format!("{what} needs posternsh to be set-user-ID root, and on this host it is not");
    let help = format!("{} will be refused here with that reason", count(rules.len(), "rule"));
    let bytes = sources.iter().find(|candidate| candidate.name == source).map(|source| source.bytes.as_slice());
    let place = bytes.and_then(|bytes| place(&String::from_utf8_lossy(bytes), first.line));
    Some(Diagnostic::warning(source, place, message).with_help(help))
}

/// Looks at the `posternsh` beside the running program; `None` when there is none.
fn shell_is_set_user_id_root() -> Option<bool> {
    let shell = std::env::current_exe().ok()?.with_file_name("posternsh");
    let found = std::fs::metadata(shell).ok()?;
    Some(found.uid() == 0 && found.mode() & SET_USER_ID != 0)
}

/// A whole line of a source.
fn place(text: &str, line: u32) -> Option<Place> {
    let source = text.lines().nth(line.checked_sub(1)? as usize)?.to_owned();
    let indent = source.len() - source.trim_start().len();
    let position = Position { line, column: u32::try_from(indent).ok()?.checked_add(1)? };
    Some(Place { position, span: Span::new(indent, source.len()), source })
}
