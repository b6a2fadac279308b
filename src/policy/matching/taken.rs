//! Which slot took which word.
//!
//! Options and keywords take a word for good. Among the operands of a segment a *set* of places is followed, so a word may be several of
//! them until the segment is over: `cp <file>... <target>` knows its target by the end of the line only. So each such word keeps its
//! candidates, and going back from the end finds a row of them that the form takes. Where there are several, each word is the last
//! operand that it can be.

use crate::policy::form::Operand;

/// A word of the line, or a part of one, that a slot took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Index of the word in the argv.
    pub at: usize,
    /// The label of the slot, or its type where it has none.
    pub slot: String,
    pub word: String,
}

/// What an operand's slots would take of a word.
type Candidate = (usize, Vec<(String, String)>);

/// The words that were read as operands of one segment, with the operands that each may be.
#[derive(Default)]
pub struct Row(Vec<(usize, Vec<Candidate>)>);

impl Row {
    /// A word, and the operands that were open to it and fit.
    pub fn push(&mut self, at: usize, candidates: Vec<Candidate>) {
        self.0.push((at, candidates));
    }

    /// What the slots took, when the segment is complete.
    pub fn settle(self, operands: &[Operand]) -> Vec<Taken> {
        let mut behind = None;
        let mut taken = Vec::new();
        for (at, candidates) in self.0.into_iter().rev() {
            let chosen = candidates.into_iter().rev().find(|(index, _)| leads_to(operands, *index, behind));
            let Some((index, slots)) = chosen else { continue };
            behind = Some(index);
            taken.extend(slots.into_iter().map(|(slot, word)| Taken { at, slot, word }));
        }
        taken
    }
}

/// Whether a word that is one operand may be followed by one that is another, or by the end.
fn leads_to(operands: &[Operand], index: usize, behind: Option<usize>) -> bool {
    if behind == Some(index) {
        return operands.get(index).is_some_and(|operand| operand.repeat);
    }
    let between = operands.get(index + 1..behind.unwrap_or(operands.len()));
    between.is_some_and(|between| between.iter().all(|operand| !operand.required))
}
