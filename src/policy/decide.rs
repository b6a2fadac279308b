//! Words to a verdict.

use crate::syntax::{RedirectKind, Stage};

use super::applied::{Applied, Damaged};
use super::confinement::Confinement;
use super::facts::Facts;
use super::rule::{RuleRef, Subject};

/// The verdict on one command.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed(Allowed),
    Denied(Denied),
}

/// A permission together with its terms; only [`decide`] makes one.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed(Terms);

impl Allowed {
    /// The terms under which the command may run.
    pub fn terms(&self) -> &Terms {
        &self.0
    }
}

/// Under which terms a command may run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The program: a bare name to be searched for, or a full path.
    pub program: String,
    /// Exactly the words that were decided.
    pub argv: Vec<String>,
    /// Exactly the redirections that were decided.
    pub redirects: Vec<RedirectKind>,
    /// The user that it runs as; `None` for the account itself.
    pub run_as: Option<String>,
    pub confine: Confinement,
    /// Milliseconds.
    pub timeout: Option<u64>,
    /// Bytes on standard output and standard error together.
    pub output: Option<u64>,
    /// Whether HOME is the account's own.
    pub account_home: bool,
    pub rule: RuleRef,
    pub note: Option<String>,
}

/// A refusal with the nearest miss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// In one line, without the words of the command: `expected status, show or cat`.
    pub reason: String,
    /// The word that broke the nearest form: its index in the stage's argv; `argv.len()` where a word is missing.
    pub word: usize,
    /// The rule that denies, or the allow rule that came nearest.
    pub rule: Option<RuleRef>,
    /// The text of the nearest form.
    pub form: Option<String>,
}

/// Decides one command. A damaged policy is an error, never a verdict.
pub fn decide(_policy: &Applied, _subject: &Subject, _stage: &Stage, _facts: &dyn Facts) -> Result<Verdict, Damaged> {
    todo!()
}

/// A word that may come next on a line, for completion.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// The whole word, for a literal or an option; empty for a slot.
    pub word: String,
    /// What a slot takes, as the form writes it: `<unit>`.
    pub slot: Option<String>,
}

/// What may stand behind the complete words `argv` (the first is the command word) by the forms in force for `subject`.
pub fn candidates(_policy: &Applied, _subject: &Subject, _argv: &[String], _facts: &dyn Facts) -> Result<Vec<Candidate>, Damaged> {
    todo!()
}
