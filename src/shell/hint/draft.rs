//! A command that is being changed: which of its words are as they were typed.

use std::ops::Range;

use super::departure::Departure;
use crate::syntax::{Argument, Redirect, RedirectKind, Stage};
use crate::words::Span;
use crate::words::escape::pasteable;
use crate::words::limits::LINE_WORDS;

/// A word of a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    pub text: String,
    /// Which word of the command as it was typed.
    from: Option<usize>,
}

/// A command to be proposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub words: Vec<Word>,
    /// Which redirections of the command are kept.
    redirects: Vec<usize>,
    pub departure: Departure,
    /// The word straight behind the command is one of commands that look: what stood behind another means nothing to it.
    looks: bool,
}

impl Word {
    pub fn new(text: impl Into<String>) -> Word {
        Word { text: text.into(), from: None }
    }
}

impl Draft {
    /// A command as it was typed.
    pub fn of(stage: &Stage) -> Draft {
        let words = stage.argv.iter().enumerate().map(|(index, word)| Word { text: word.text.clone(), from: Some(index) });
        Draft { words: words.collect(), redirects: (0..stage.redirects.len()).collect(), departure: Departure::Same, looks: false }
    }

    pub fn with(&self, words: Vec<Word>) -> Draft {
        Draft { words, ..self.clone() }
    }

    /// The same words, known to be further from what was typed.
    pub fn departs(self, departure: Departure) -> Draft {
        let departure = if self.looks { Departure::Looks } else { departure };
        Draft { departure: self.departure.max(departure), ..self }
    }

    /// Known to look by its word `at`.
    pub fn looks(self, at: usize) -> Draft {
        let draft = self.departs(Departure::Looks);
        Draft { looks: draft.looks || at == 1, ..draft }
    }

    /// New words before those from `start` on.
    pub fn behind<'a>(&self, new: impl IntoIterator<Item = &'a str>, start: usize) -> Draft {
        let kept = self.words.iter().skip(start).cloned();
        self.with(new.into_iter().map(Word::new).chain(kept).collect())
    }

    /// A word in place of those of a range.
    pub fn replaced(&self, range: Range<usize>, word: Option<&str>) -> Draft {
        let (before, behind) = (self.words.iter().take(range.start), self.words.iter().skip(range.end));
        self.with(before.cloned().chain(word.map(Word::new)).chain(behind.cloned()).collect())
    }

    /// The same with its output here; what it would have read is part of what it does.
    pub fn without_redirect(&self, at: usize, original: &Stage) -> Draft {
        let reads =
            original.redirects.get(at).is_some_and(|redirect| matches!(redirect.kind, RedirectKind::Input(_) | RedirectKind::Null(0)));
        let redirects = self.redirects.iter().copied().filter(|index| *index != at).collect();
        let draft = Draft { redirects, ..self.clone() };
        if reads { draft.departs(Departure::Guessed) } else { draft }
    }

    pub fn redirects(&self) -> usize {
        self.redirects.len()
    }

    pub fn texts(&self) -> Vec<String> {
        self.words.iter().map(|word| word.text.clone()).collect()
    }

    pub fn word(&self, index: usize) -> Option<&str> {
        self.words.get(index).map(|word| word.text.as_str())
    }

    /// `X --help`, and nothing else.
    pub fn asks_for_help(&self) -> bool {
        self.words.len() == 2 && matches!(self.word(1), Some("--help" | "-h" | "-help" | "-?" | "--usage" | "help"))
    }

    /// The command to be decided. Its spans are the indexes of words, and behind them those of redirections: see [`culprit`].
    pub fn stage(&self, original: &Stage) -> Stage {
        let argv =
            self.words.iter().enumerate().map(|(index, word)| Argument { text: word.text.clone(), span: Span::new(index, index + 1) });
        let redirects = self.redirects.iter().filter_map(|index| {
            let redirect = original.redirects.get(*index)?;
            Some(Redirect { span: Span::new(LINE_WORDS + index, LINE_WORDS + index + 1), ..redirect.clone() })
        });
        Stage { argv: argv.collect(), redirects: redirects.collect() }
    }

    /// As it is written: words that were kept as they were typed, the others so that they can be pasted.
    pub fn text(&self, line: &str, stage: &Stage) -> String {
        let mut parts: Vec<String> = Vec::new();
        let mut shown: Option<Span> = None;
        for word in &self.words {
            let typed =
                word.from.and_then(|index| stage.argv.get(index)).map(|word| word.span).filter(|span| self.has_all_of(*span, stage));
            match (typed, typed.and_then(|span| line.get(span.start as usize..span.end as usize))) {
                // The words that a glob became.
                (Some(span), Some(_)) if shown == Some(span) => continue,
                (Some(_), Some(source)) => parts.push(source.to_owned()),
                _ => parts.push(pasteable([word.text.as_str()])),
            }
            shown = typed;
        }
        let redirects = self.redirects.iter().filter_map(|index| stage.redirects.get(*index));
        parts.extend(redirects.filter_map(|redirect| Some(line.get(range(redirect.span))?.to_owned())));
        parts.join(" ")
    }

    /// Whether all words that were written in one place are kept.
    fn has_all_of(&self, span: Span, stage: &Stage) -> bool {
        let written = stage.argv.iter().filter(|word| word.span == span).count();
        let kept = self.words.iter().filter_map(|word| stage.argv.get(word.from?)).filter(|word| word.span == span).count();
        written == kept
    }
}

/// What broke a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Culprit {
    /// A word, or the place behind the last.
    Word(usize),
    /// A redirection of the command as it was typed.
    Redirect(usize),
}

pub fn culprit(span: Span) -> Culprit {
    let start = span.start as usize;
    start.checked_sub(LINE_WORDS).map_or(Culprit::Word(start), Culprit::Redirect)
}

fn range(span: Span) -> Range<usize> {
    span.start as usize..span.end as usize
}

/// Where a command is written, its redirections with it.
pub fn place(stage: &Stage) -> Range<usize> {
    let spans = || stage.argv.iter().map(|word| word.span).chain(stage.redirects.iter().map(|redirect| redirect.span)).map(range);
    spans().map(|span| span.start).min().unwrap_or(0)..spans().map(|span| span.end).max().unwrap_or(0)
}

/// A line with other text in some places, given from left to right.
pub fn changed(line: &str, changes: Vec<(Range<usize>, String)>) -> Option<String> {
    let mut line = line.to_owned();
    for (place, text) in changes.into_iter().rev() {
        line.get(place.clone())?;
        line.replace_range(place, &text);
    }
    Some(line.trim().to_owned())
}
