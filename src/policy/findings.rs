//! Collects what is found in a policy, so that all of it is reported at once.

use super::load::Document;
use crate::words::diagnostic::Place;
use crate::words::{Diagnostic, Severity, Span, limits};

/// Findings of a whole tree, in the order in which they were made.
#[derive(Debug, Default)]
pub struct Findings {
    list: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
    accepted: Vec<(String, String)>,
}

/// A mistake in a value: what is wrong, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub message: String,
    pub help: Option<String>,
}

impl Mistake {
    pub fn new(message: impl Into<String>) -> Mistake {
        Mistake { message: message.into(), help: None }
    }

    pub fn with_help(self, help: impl Into<String>) -> Mistake {
        Mistake { help: Some(help.into()), ..self }
    }

    /// The same mistake, in the value of `what`.
    pub fn about(self, what: &str) -> Mistake {
        Mistake { message: format!("{what}: {}", self.message), ..self }
    }

    pub fn with_help_if(self, help: Option<String>) -> Mistake {
        Mistake { help, ..self }
    }
}

impl Findings {
    /// Adds an error at a place of a document.
    pub fn error(&mut self, document: &Document, span: Span, mistake: Mistake) {
        self.add(Severity::Error, &document.name, mistake, || Some(document.place(span)));
    }

    /// Adds a warning at a place of a document.
    pub fn warning(&mut self, document: &Document, span: Span, mistake: Mistake) {
        self.add(Severity::Warning, &document.name, mistake, || Some(document.place(span)));
    }

    /// Counts a warning that the policy says is meant.
    pub fn accepted(&mut self, key: &str, reason: &str) {
        self.accepted.push((key.to_owned(), reason.to_owned()));
    }

    /// The warnings that are meant: for each, the key of the confinement's `accept` that says so, and the reason.
    pub fn take_accepted(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.accepted)
    }

    /// Adds an error that is not about a place.
    pub fn file_error(&mut self, file: &str, mistake: Mistake) {
        self.add(Severity::Error, file, mistake, || None);
    }

    /// Adds a warning that is not about a place.
    pub fn file_warning(&mut self, file: &str, mistake: Mistake) {
        self.add(Severity::Warning, file, mistake, || None);
    }

    /// Whether a further error would be shown, so that its help is worth looking for.
    pub fn shows_more(&self) -> bool {
        self.errors < limits::POLICY_ERRORS
    }

    /// How many errors there are, those behind the cap included.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// All findings in the order of `files` and of lines; what is behind the cap is counted in the last lines.
    pub fn sorted(self, files: &[&str]) -> Vec<Diagnostic> {
        let (mut list, cap) = (self.list, limits::POLICY_ERRORS);
        let file = |name: &str| files.iter().position(|file| *file == name);
        list.sort_by_cached_key(|finding| (file(&finding.file), finding.place.as_ref().map(|place| place.position)));
        let last = list.last().map_or_else(String::new, |finding| finding.file.clone());
        if self.warnings > cap {
            list.push(Diagnostic::warning(&last, None, format!("{} more warnings are not shown", self.warnings - cap)));
        }
        if self.errors > cap {
            list.push(Diagnostic::error(&last, None, format!("{} more errors are not shown", self.errors - cap)));
        }
        list
    }

    /// Past the cap a finding is only counted: a hostile file could hold millions, and a place costs a walk over the file.
    fn add(&mut self, severity: Severity, file: &str, mistake: Mistake, place: impl FnOnce() -> Option<Place>) {
        let count = if severity == Severity::Error { &mut self.errors } else { &mut self.warnings };
        *count += 1;
        if *count <= limits::POLICY_ERRORS {
            self.list.push(Diagnostic { file: file.to_owned(), place: place(), severity, message: mistake.message, help: mistake.help });
        }
    }
}
