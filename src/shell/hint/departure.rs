//! How far a proposal is from what was typed, and which commands may be guessed at.
//!
//! What a person left out was not meant, and what was typed was: an option such as `--dry-run`, `-n` of rsync or `-i` of rm is what makes a
//! line safe, and no list of them would be whole. So where a command can do something but look, nothing is taken from it and no word of it
//! is guessed: only words of commands that look are put in place of others.

use crate::policy::Terms;
use crate::policy::confinement::{Base, Processes};
use crate::syntax::RedirectKind;

/// How far a proposal is from what was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Departure {
    /// It is the same command.
    Same,
    /// A word of commands that look is in place of another.
    Looks,
    /// Something is left out, or a word was guessed.
    Guessed,
}

/// Whether a command can do something but look: it writes, it talks to a server, or it has more rights than the account.
pub fn acts(terms: &Terms) -> bool {
    let confine = &terms.confine;
    let has_more = terms.run_as.is_some() || !confine.capabilities.is_empty() || confine.processes == Processes::Trace;
    let talks = confine.base == Base::Network || !confine.network.is_empty() || confine.all_sockets().next().is_some();
    let writes = terms.redirects.iter().any(|redirect| matches!(redirect.kind, RedirectKind::Output { .. }));
    has_more || talks || writes || confine.writes_anything()
}
