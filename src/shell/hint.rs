//! What a refused line teaches: the nearest line that is allowed, and what there is in place of a habit of other shells.
//!
//! Every proposal has been decided as the line itself was, so that what is proposed would run; what asks to be confirmed, or needs a user
//! that this install cannot become, is never proposed, a command that can do more than look is never guessed at (see `departure`), and of a line that the policy denies in so many words nothing is said. Nothing here
//! parses a line: proposals are made of words that the guard was given, and shown as they were typed where they were kept.

mod departure;
mod draft;
mod edits;
mod habits;

use std::cell::Cell;
use std::collections::VecDeque;

use super::in_force;
use crate::policy::{self, Applied, Denied, Facts, Subject, Verdict};
use crate::syntax::{Request, Stage};
use crate::words::limits::HINT_DECISIONS;
use crate::words::{Safe, suggest};
use departure::{Departure, acts};
use draft::Draft;
use habits::Habit;

/// Bytes of a line that is proposed, at most: a longer one is nothing to read under a refusal.
const LINE: usize = 400;
/// Changes to a command that a proposal has, at most.
const CHANGES: usize = 2;

/// What is said under a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// What there is in place of what was typed.
    pub note: Option<String>,
    /// A line that is allowed.
    pub line: Option<String>,
}

impl Hint {
    /// In one line, what can be pasted last.
    pub fn text(&self) -> String {
        let line = self.line.as_ref().map(|line| format!("try: {}", Safe(line.as_bytes())));
        let note = self.note.as_ref().map(|note| format!("hint: {}", Safe(note.as_bytes())));
        note.into_iter().chain(line).collect::<Vec<_>>().join("; ")
    }
}

/// What to say of a line that is refused.
pub fn of(policy: &Applied, subject: &Subject, request: &Request, facts: &dyn Facts) -> Option<Hint> {
    Search { policy, subject, facts, left: Cell::new(HINT_DECISIONS) }.line(request)
}

/// What was found for one command.
#[derive(Default)]
struct Found {
    note: Option<String>,
    draft: Option<Draft>,
}

/// What may be proposed, and to whom.
struct Search<'a> {
    policy: &'a Applied,
    subject: &'a Subject,
    facts: &'a dyn Facts,
    /// Decisions that may still be asked for.
    left: Cell<usize>,
}

impl Search<'_> {
    /// The line with every refused command put right, if that can be done. What stands before decides whether and on what a command runs,
    /// so behind a change nothing is proposed that can do something but look.
    fn line(&self, request: &Request) -> Option<Hint> {
        let (mut note, mut changes, mut whole, mut changed) = (None, Vec::new(), true, false);
        for item in &request.items {
            for (index, stage) in item.stages.iter().enumerate() {
                let denied = match policy::decide(self.policy, self.subject, stage, self.facts).ok()? {
                    Verdict::Allowed(allowed) => {
                        whole &= !changed || !acts(allowed.terms());
                        continue;
                    }
                    Verdict::Denied(denied) => denied,
                };
                if denied.is_explicit() {
                    return None;
                }
                let found = self.command(stage, &denied);
                note = note.or(found.note);
                let before = index.checked_sub(1).filter(|_| index + 1 == item.stages.len()).and_then(|before| item.stages.get(before));
                match (found.draft, before) {
                    (Some(draft), _) => {
                        whole &= !changed || !self.acts(&draft.stage(stage));
                        changed |= draft.departure != Departure::Same;
                        changes.push((draft::place(stage), draft.text(&request.line, stage)));
                    }
                    // What is behind the last pipe that is allowed.
                    (None, Some(before)) => {
                        changed = true;
                        changes.push((draft::place(before).end..draft::place(stage).end, String::new()));
                    }
                    (None, None) => whole = false,
                }
            }
        }
        let line = whole.then(|| draft::changed(&request.line, changes)).flatten().filter(|line| line.len() <= LINE);
        (note.is_some() || line.is_some()).then_some(Hint { note, line })
    }

    fn acts(&self, stage: &Stage) -> bool {
        match policy::decide(self.policy, self.subject, stage, self.facts) {
            Ok(Verdict::Allowed(allowed)) => acts(allowed.terms()),
            _ => true,
        }
    }

    fn command(&self, stage: &Stage, denied: &Denied) -> Found {
        let draft = Draft::of(stage);
        let command = stage.argv.first().map_or("", |word| word.text.as_str());
        let is_known = in_force::allows(self.policy, self.subject, command);
        let habit = || habits::of(&draft, |name| in_force::allows(self.policy, self.subject, name));
        if !is_known && let Some(habit) = habit() {
            return self.habit(stage, habit);
        }
        if is_known && draft.asks_for_help() {
            return Found { note: Some(help_on(command)), draft: None };
        }
        let numbered = draft.stage(stage);
        let culprit = match policy::decide(self.policy, self.subject, &numbered, self.facts) {
            Ok(Verdict::Denied(denied)) => denied,
            _ => denied.clone(),
        };
        match (self.nearest(stage, draft.clone(), culprit), is_known) {
            (Some(draft), _) => Found { note: redirects(stage, &draft), draft: Some(draft) },
            (None, true) => match habit() {
                Some(habit) => self.habit(stage, habit),
                None => Found { note: Some(help_on(command)), draft: None },
            },
            (None, false) => Found::default(),
        }
    }

    /// The first of its lines that is allowed; of what it wraps, the nearest.
    fn habit(&self, stage: &Stage, habit: Habit) -> Found {
        let mut refused = Vec::new();
        for line in habit.lines {
            let line = if habit.wraps { line } else { line.departs(Departure::Looks) };
            match self.judge(&line, stage) {
                Some(Judged::Fit) => return Found { note: habit.note, draft: Some(line) },
                Some(Judged::Refused(denied)) if !denied.is_explicit() => refused.push((line, denied)),
                _ => {}
            }
        }
        let wrapped = refused.into_iter().next().filter(|_| habit.wraps);
        let reason = wrapped.as_ref().map(|(_, denied)| denied.reason.clone());
        let draft = wrapped.and_then(|(line, denied)| self.nearest(stage, line, denied));
        let unfit = |note: String| match (&draft, &reason) {
            (None, Some(reason)) => format!("{note}, and without: {reason}"),
            _ => note,
        };
        Found { note: habit.note.map(unfit), draft }
    }

    /// The first allowed command, by the fewest changes.
    fn nearest(&self, stage: &Stage, draft: Draft, denied: Denied) -> Option<Draft> {
        let mut open = VecDeque::from([(draft, denied, 1)]);
        while let Some((draft, denied, changes)) = open.pop_front() {
            for next in edits::of(&draft, stage, &denied, |words| self.expected(words), |word| self.near_command(word)) {
                match self.judge(&next, stage)? {
                    Judged::Fit => return Some(next),
                    Judged::Refused(denied) if changes < CHANGES && !denied.is_explicit() => open.push_back((next, denied, changes + 1)),
                    Judged::Refused(_) | Judged::Unfit => {}
                }
            }
        }
        None
    }

    /// `None` once enough was asked.
    fn judge(&self, draft: &Draft, stage: &Stage) -> Option<Judged> {
        self.left.set(self.left.get().checked_sub(1)?);
        Some(match policy::decide(self.policy, self.subject, &draft.stage(stage), self.facts).ok()? {
            Verdict::Denied(denied) => Judged::Refused(denied),
            Verdict::Allowed(allowed) => {
                let terms = allowed.terms();
                let asks = terms.confirm || terms.witness.is_some();
                let becomes = terms.run_as.is_some() || !terms.confine.capabilities.is_empty();
                let guessed = draft.departure == Departure::Guessed && acts(terms);
                if asks || guessed || becomes && !self.subject.can_become { Judged::Unfit } else { Judged::Fit }
            }
        })
    }

    /// The words that may stand behind these.
    fn expected(&self, words: &[String]) -> Vec<String> {
        let found = policy::candidates(self.policy, self.subject, words, self.facts).unwrap_or_default();
        let word = |candidate| match candidate {
            policy::Candidate::Word(word) => Some(word),
            policy::Candidate::Slot { .. } => None,
        };
        found.into_iter().filter_map(word).collect()
    }

    /// The command that a slip of the fingers was to be. What is a program by itself is no slip.
    fn near_command(&self, word: &str) -> Option<String> {
        let known = in_force::allowed_commands(self.policy, self.subject);
        let near = suggest::command(word, known.iter().map(String::as_str))?;
        let is_program = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
            .iter()
            .any(|directory| self.facts.same_program(&format!("{directory}/{word}"), word, &self.policy.settings().search));
        (!is_program).then(|| near.to_owned())
    }
}

/// What may be made of a proposal.
enum Judged {
    Fit,
    /// It would run, and is nothing to propose.
    Unfit,
    Refused(Denied),
}

fn help_on(command: &str) -> String {
    format!("`help {command}` shows what of it you may run")
}

/// What is said where a file behind `>` or `<` had to go.
fn redirects(stage: &Stage, draft: &Draft) -> Option<String> {
    let gone = draft.redirects() < stage.redirects.len();
    gone.then(|| "a file behind `>` or `<` needs a rule that takes it; `ssh HOST 'LINE' > FILE` keeps the output where you are".to_owned())
}

#[cfg(test)]
mod tests;
