//! Which calls a front of ours can make, and when. Another one is not ours any more: whoever has taken it over is not argued with, the session
//! is over.
//!
//! This is not what keeps such a front from anything; that is who decides, and with whose rights. It keeps records of a size that a line
//! has, in an order that lines have, and directories from meaning what the guard's own directory is.

use std::path::Path;

use super::builtins;
use super::desk::Call;
use super::guard::Guard;
use crate::words::limits;

/// Whether a front of ours may make this call now.
pub fn is_possible(call: &Call, guard: Option<&Guard>) -> bool {
    has_form(call) && guard.is_none_or(|guard| is_in_order(call, guard))
}

/// What it says is of a size that a line has.
fn has_form(call: &Call) -> bool {
    let fits = |bytes: usize, limit: usize| bytes <= limit;
    match call {
        Call::Submit { request, directory, .. } | Call::Explain { request, directory } => {
            fits(request.line.len(), limits::ARGUMENT_BYTES) && is_directory(directory)
        }
        Call::Refuse { line, reason, directory, .. } => {
            fits(line.len(), limits::ARGUMENT_BYTES) && fits(reason.len(), limits::REASON_BYTES) && is_directory(directory)
        }
        Call::Builtin { line, argv, directory } => {
            let is_builtin = argv.first().is_some_and(|name| builtins::is_builtin(name));
            is_builtin && fits(line.len(), limits::ARGUMENT_BYTES) && are_words(argv) && is_directory(directory)
        }
        Call::Candidates { words, directory } => are_words(words) && is_directory(directory),
        Call::Start { term, .. } => term.as_ref().is_none_or(|term| fits(term.len(), limits::LINE_BYTES)),
        Call::Help { command, .. } => command.as_ref().is_none_or(|command| fits(command.len(), limits::LINE_BYTES)),
        Call::Refresh | Call::EndBuiltin { .. } | Call::About | Call::Commands | Call::Names(_) | Call::End(_) | Call::Abort(_) => true,
    }
}

/// One line after the other.
fn is_in_order(call: &Call, guard: &Guard) -> bool {
    match call {
        Call::Submit { .. } | Call::Refuse { .. } | Call::Builtin { .. } => !guard.is_in_builtin(),
        _ => true,
    }
}

fn is_directory(path: &Path) -> bool {
    path.is_absolute() && path.as_os_str().len() < limits::PATH_BYTES
}

fn are_words(words: &[String]) -> bool {
    words.len() <= limits::LINE_WORDS && words.iter().all(|word| word.len() <= limits::PATH_BYTES.max(limits::LINE_BYTES))
}
