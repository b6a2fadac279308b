//! One word against one pattern. One reading here too: a slot ends where the piece behind it first begins.

use std::cell::RefCell;

use super::Budget;
use crate::policy::form::{Form, Pattern, Piece, Slot};
use crate::policy::types::Judge;

/// Compares words with the patterns of one form.
pub struct WordMatcher<'f> {
    form: &'f Form,
    judge: &'f dyn Judge,
    budget: &'f Budget,
    /// Why the last word that looked right was not: for the person.
    reason: RefCell<Option<String>>,
    /// What the slots of the last pattern took of its word.
    taken: RefCell<Vec<(String, String)>>,
}

impl<'f> WordMatcher<'f> {
    pub fn new(form: &'f Form, judge: &'f dyn Judge, budget: &'f Budget) -> WordMatcher<'f> {
        WordMatcher { form, judge, budget, reason: RefCell::default(), taken: RefCell::default() }
    }

    /// The reason of the last mismatch that has one; it is forgotten.
    pub fn take_reason(&self) -> Option<String> {
        self.reason.take()
    }

    /// What the slots of the pattern that fitted last took of its word: the name of each, and its part of the word.
    pub fn take_taken(&self) -> Vec<(String, String)> {
        self.taken.take()
    }

    /// Whether the word is what the pattern takes.
    pub fn fits(&self, pattern: &Pattern, word: &str) -> bool {
        self.taken.borrow_mut().clear();
        match self.pieces(&pattern.pieces, word) {
            Ok(()) => true,
            Err(reason) => {
                if reason.is_some() {
                    self.reason.replace(reason);
                }
                false
            }
        }
    }

    /// Pieces against a word: a slot ends where the piece behind it first begins.
    fn pieces(&self, pieces: &[Piece], word: &str) -> Result<(), Option<String>> {
        if !self.budget.step() {
            return Err(Some("the line is too complex for the rules of this command".to_owned()));
        }
        match pieces {
            [] => {
                if word.is_empty() {
                    Ok(())
                } else {
                    Err(None)
                }
            }
            [Piece::Text(text), rest @ ..] => self.pieces(rest, word.strip_prefix(text.as_str()).ok_or(None)?),
            [Piece::Beginning(text), ..] => {
                if text.starts_with(word) {
                    Ok(())
                } else {
                    Err(None)
                }
            }
            [Piece::Slot(slot), rest @ ..] => self.slot_then(slot, rest, word),
            [Piece::Optional(inner), rest @ ..] => match self.begins(inner, word) {
                true => self.pieces(&[inner.as_slice(), rest].concat(), word),
                false => self.pieces(rest, word),
            },
            [Piece::OneOf(branches), rest @ ..] => {
                let mut result = Err(None);
                let before = self.taken.borrow().len();
                for branch in branches {
                    self.taken.borrow_mut().truncate(before);
                    result = self.pieces(&[branch.as_slice(), rest].concat(), word);
                    if result.is_ok() {
                        break;
                    }
                }
                result
            }
        }
    }

    fn begins(&self, pieces: &[Piece], word: &str) -> bool {
        match pieces.first() {
            Some(Piece::Text(text)) => word.starts_with(text.as_str()),
            Some(Piece::OneOf(branches)) => branches.iter().any(|branch| self.begins(branch, word)),
            _ => !word.is_empty(),
        }
    }

    fn slot_then(&self, slot: &Slot, rest: &[Piece], word: &str) -> Result<(), Option<String>> {
        let end = match rest.first() {
            None => None,
            Some(next) => first_place(next, word),
        };
        match (end, rest) {
            (_, []) => self.take(slot, word),
            (Some(end), _) => {
                let (value, after) = word.split_at_checked(end).ok_or(None)?;
                self.take(slot, value)?;
                self.pieces(rest, after)
            }
            (None, [Piece::Optional(_), after @ ..]) => self.slot_then(slot, after, word),
            (None, _) => Err(None),
        }
    }

    /// Checks a slot's part of a word, and keeps it.
    fn take(&self, slot: &Slot, word: &str) -> Result<(), Option<String>> {
        self.check(slot, word)?;
        self.taken.borrow_mut().push((slot.name().to_owned(), word.to_owned()));
        Ok(())
    }

    /// Whether nobody can say if the program would take the word for what the pattern means: it is a slot of a type that is not the policy's
    /// own list or pattern, and the word is not of that type, `2K` for a number.
    pub fn is_unclear(&self, pattern: &Pattern, word: &str) -> bool {
        match pattern.pieces.as_slice() {
            [Piece::Slot(slot)] => self
                .form
                .definition(slot)
                .is_some_and(|definition| definition.is_built_in() && definition.check(word, self.judge) == Err(None)),
            _ => false,
        }
    }

    /// Whether a word is what a slot takes; the error as in [`super::types::TypeDef::check`].
    pub fn check(&self, slot: &Slot, word: &str) -> Result<(), Option<String>> {
        let definition = self.form.definition(slot).ok_or(None)?;
        match slot.list {
            true => word.split(',').try_for_each(|element| definition.check(element, self.judge)),
            false => definition.check(word, self.judge),
        }
    }
}

/// Where in the word a piece that begins with text can first begin.
fn first_place(piece: &Piece, word: &str) -> Option<usize> {
    match piece {
        Piece::Text(text) => word.find(text.as_str()),
        Piece::Optional(inner) => inner.first().and_then(|first| first_place(first, word)),
        Piece::OneOf(branches) => branches.iter().filter_map(|branch| branch.first().and_then(|first| first_place(first, word))).min(),
        Piece::Slot(_) | Piece::Beginning(_) => None,
    }
}
