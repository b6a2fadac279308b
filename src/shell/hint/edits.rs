//! Small changes to a refused command, the likeliest first. Each says how far it is from what was typed: see [`super::departure`].

use super::departure::Departure;
use super::draft::{Culprit, Draft, Word, culprit};
use crate::policy::Denied;
use crate::syntax::Stage;
use crate::words::suggest;

/// Words of commands that look, the likeliest first: of what a form expects, only these are proposed in place of another word.
const LOOKING: [&str; 32] = [
    "status",
    "show",
    "list",
    "ls",
    "get",
    "info",
    "print",
    "ps",
    "cat",
    "describe",
    "inspect",
    "view",
    "log",
    "logs",
    "query",
    "stats",
    "stat",
    "version",
    "list-units",
    "list-timers",
    "is-active",
    "is-enabled",
    "images",
    "top",
    "summary",
    "check",
    "search",
    "diff",
    "display",
    "dump",
    "addr",
    "link",
];
/// Those of them that are things and not deeds: `ip link` looks, `ip link set` does not.
const THINGS: [&str; 2] = ["addr", "link"];
/// Commands whose words take operands of different kinds: those of `git push` mean nothing to `git status`.
const OWN_OPERANDS: [&str; 3] = ["git", "hg", "svn"];
/// Options of a cluster that are tried without one of them.
const CLUSTER: usize = 6;

/// What a refused command may be changed to. `expected` are the words that may stand behind others, `near_command` is the nearest command.
pub fn of(
    draft: &Draft,
    original: &Stage,
    denied: &Denied,
    expected: impl Fn(&[String]) -> Vec<String>,
    near_command: impl Fn(&str) -> Option<String>,
) -> Vec<Draft> {
    let at = match culprit(denied.span) {
        Culprit::Redirect(at) => return vec![draft.without_redirect(at, original)],
        Culprit::Word(at) => at,
    };
    let words = draft.texts();
    let expected = || expected(words.get(..at).unwrap_or_default());
    match words.get(at).map(String::as_str) {
        Some(command) if at == 0 => near_command(command).map(|near| guessed(draft.replaced(0..1, Some(&near)))).into_iter().collect(),
        Some(option) if option.starts_with('-') && option.len() > 1 => of_option(draft, at, option, &expected()),
        Some(word) => of_word(draft, at, word, &expected()),
        None => of_missing(draft, at, &expected()),
    }
}

/// A near one; without one of its letters; without it; without its value; without all from it on.
fn of_option(draft: &Draft, at: usize, option: &str, expected: &[String]) -> Vec<Draft> {
    let near = suggest::nearest(option, expected.iter().map(String::as_str).filter(|word| word.starts_with('-')));
    let mut drafts: Vec<Draft> =
        near.filter(|near| near.len() > 2).map(|near| draft.replaced(at..at + 1, Some(near))).into_iter().collect();
    let letters = option.strip_prefix('-').filter(|letters| !letters.starts_with('-')).unwrap_or_default();
    if letters.chars().count() > 1 && letters.chars().all(|letter| letter.is_ascii_alphabetic()) {
        let without = |left_out| letters.chars().enumerate().filter(move |(index, _)| *index != left_out).map(|(_, letter)| letter);
        let shorter = (0..letters.len().min(CLUSTER)).map(|index| format!("-{}", without(index).collect::<String>()));
        drafts.extend(shorter.map(|cluster| draft.replaced(at..at + 1, Some(&cluster))));
    }
    drafts.push(draft.replaced(at..at + 1, None));
    if option.starts_with("--") && draft.words.len() > at + 2 {
        drafts.push(draft.replaced(at..at + 2, None));
    }
    if at > 1 {
        drafts.push(draft.replaced(at..draft.words.len(), None));
    }
    drafts.into_iter().map(guessed).collect()
}

/// A near one; one that looks, with what stands behind it, or with that but for its options; without it, where others are left.
fn of_word(draft: &Draft, at: usize, word: &str, expected: &[String]) -> Vec<Draft> {
    let words = || expected.iter().map(String::as_str).filter(|word| !word.starts_with('-'));
    let near = suggest::nearest(word, words());
    let looking: Vec<&str> = LOOKING.into_iter().filter(|looking| words().any(|word| word == *looking)).collect();
    let takes_others = !draft.word(0).is_some_and(|command| OWN_OPERANDS.contains(&command));
    let others = looking.iter().copied().filter(|_| takes_others);
    let mut drafts: Vec<Draft> = near.into_iter().chain(others).map(|new| put(draft.replaced(at..at + 1, Some(new)), at, new)).collect();
    if let Some(first) = looking.first() {
        let before = || draft.words.iter().take(at).cloned().chain([Word::new(*first)]);
        let plain = draft.words.iter().skip(at + 1).filter(|word| !word.text.starts_with('-')).cloned();
        let leaves_options = draft.words.iter().skip(at + 1).any(|word| word.text.starts_with('-'));
        if takes_others && leaves_options {
            drafts.push(guessed(put(draft.with(before().chain(plain).collect()), at, first)));
        }
        let alone = put(draft.with(before().collect()), at, first);
        drafts.push(if draft.words.len() > at + 1 { guessed(alone) } else { alone });
    }
    // Without any operand, many a program waits for its input.
    let others = draft.words.iter().enumerate().skip(1).filter(|(index, word)| *index != at && !word.text.starts_with('-')).count();
    if others > 0 {
        drafts.push(guessed(draft.replaced(at..at + 1, None)));
    }
    drafts
}

/// One that looks behind it; without the option that lacks its value.
fn of_missing(draft: &Draft, at: usize, expected: &[String]) -> Vec<Draft> {
    let looking = LOOKING.into_iter().filter(|looking| expected.iter().any(|word| word == looking));
    let mut drafts: Vec<Draft> = looking.map(|word| put(draft.replaced(at..at, Some(word)), at, word)).collect();
    if let Some(last) = at.checked_sub(1).filter(|last| *last > 0 && draft.word(*last).is_some_and(|word| word.starts_with('-'))) {
        drafts.push(guessed(draft.replaced(last..at, None)));
    }
    drafts
}

fn guessed(draft: Draft) -> Draft {
    draft.departs(Departure::Guessed)
}

/// A draft whose word `at` is a new one.
fn put(draft: Draft, at: usize, new: &str) -> Draft {
    let is_last = draft.words.len() == at + 1;
    if LOOKING.contains(&new) && (is_last || !THINGS.contains(&new)) { draft.looks(at) } else { guessed(draft) }
}
