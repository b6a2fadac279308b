//! `confirm: true`: the person repeats what a line names before it runs.
//!
//! The guard decides, and answers a line's first submission with questions; the expected words stay with it. The session puts the questions
//! to the person and submits the line again with the answers; the guard decides anew and compares. A question without an answer is on record
//! as a refusal, whoever forgets it. There is no way round it without a person: who has no terminal on standard input is refused at once.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::sys::termios::{FlushArg, tcflush};

use super::clock::{Clock, Ending};
use super::input::{self, Input};
use super::message;
use crate::policy::{Allowed, Terms};
use crate::record::StageRecord;
use crate::syntax::Request;

/// What a person has to say before a line runs: of each of its commands a question and the word that answers it, if its rule asks.
pub struct Confirmations(Vec<Option<Confirmation>>);

/// One command that needs a person's word.
struct Confirmation {
    question: String,
    /// What the person has to type.
    word: String,
}

/// Why a line that needs a person's word does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unconfirmed {
    #[error("needs a person at a terminal")]
    NobodyThere,
    #[error("not confirmed")]
    Different,
}

/// A line that was asked about.
pub struct Waiting {
    /// Its number in the session.
    pub number: u64,
    pub request: Request,
    pub directory: PathBuf,
}

impl Waiting {
    /// Whether the answers to this line's questions are for that one.
    pub fn is(&self, request: &Request, directory: &Path) -> bool {
        self.request == *request && self.directory == directory
    }
}

impl Confirmations {
    pub fn of_line(allowed: &[Vec<Allowed>]) -> Confirmations {
        Confirmations(allowed.iter().flatten().map(|allowed| Confirmation::of(allowed.terms())).collect())
    }

    /// Weighs the answers, `None` where none were asked for yet. Returns the questions that are to be put; none: the line may run.
    pub fn weigh(&self, answers: Option<&[String]>) -> Result<Vec<String>, Unconfirmed> {
        let needs = || self.0.iter().flatten();
        match answers {
            _ if needs().next().is_none() => Ok(Vec::new()),
            Some(answers) if !needs().map(|need| &need.word).eq(answers) => Err(Unconfirmed::Different),
            _ if !io::stdin().is_terminal() => Err(Unconfirmed::NobodyThere),
            Some(_) => Ok(Vec::new()),
            None => Ok(needs().map(|need| need.question.clone()).collect()),
        }
    }

    /// Notes in the records of a line's commands which of them were confirmed.
    pub fn mark(&self, records: &mut [StageRecord]) {
        records.iter_mut().zip(&self.0).for_each(|(record, need)| record.confirmed = need.is_some());
    }
}

impl Confirmation {
    fn of(terms: &Terms) -> Option<Confirmation> {
        let word = terms.confirmation()?;
        Some(Confirmation { question: message::question(&terms.argv, &word), word })
    }
}

/// Puts questions to the person at the terminal, up to the first that gets no answer, for which an empty one stands. Also whether the
/// session is over.
pub fn ask(questions: &[String], clock: &Clock) -> (Vec<String>, Option<Ending>) {
    let mut answers = Vec::new();
    for question in questions {
        // What was typed or pasted before the question was there is no answer to it.
        let _ = tcflush(io::stdin(), FlushArg::TCIFLUSH);
        message::ask(question);
        let input = input::read_line(clock);
        let ending = match &input {
            Input::Ended(ending) => Some(*ending),
            _ => clock.over(Instant::now()).filter(|ending| matches!(ending, Ending::Max(_))),
        };
        match input {
            Input::Line(line) if ending.is_none() => answers.push(String::from_utf8(line).unwrap_or_default()),
            _ => {
                message::end_line();
                answers.push(String::new());
                return (answers, ending);
            }
        }
    }
    (answers, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(words: &[&str]) -> Confirmations {
        let need = |word: &&str| Some(Confirmation { question: format!("{word}?"), word: (*word).to_owned() });
        Confirmations(words.iter().map(need).collect())
    }

    /// What a person answers is in `tests/session_confirm.rs`.
    #[test]
    fn a_line_that_asks_for_nothing_needs_nobody() {
        assert_eq!(needs(&[]).weigh(None), Ok(Vec::new()));
        assert_eq!(Confirmations(vec![None]).weigh(Some(&["x".to_owned()])), Ok(Vec::new()));
    }

    #[test]
    fn without_a_terminal_no_answer_is_right() {
        if io::stdin().is_terminal() {
            return crate::words::skip("standard input is a terminal");
        }
        for answers in [None, Some(&["a".to_owned()][..])] {
            assert_eq!(needs(&["a"]).weigh(answers), Err(Unconfirmed::NobodyThere));
        }
    }
}
