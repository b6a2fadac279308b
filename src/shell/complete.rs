//! What Tab offers: command words, literals and options from the policy, file names where a form takes a path.
//!
//! What is offered may still be refused, and the other way round: the decision is the policy's, on the whole line. What is inserted is
//! quoted so that the line means exactly the word that was shown.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::builtins;
use super::desk::Desk;
use super::names::{Name, Question};
use crate::policy::decide::Candidate;
use crate::syntax::complete::{Unfinished, words_before};

/// What completion looks at; it changes from line to line.
#[derive(Clone)]
pub struct Desktop {
    pub desk: Rc<RefCell<Desk>>,
    pub home: String,
    pub directory: PathBuf,
}

/// One thing that is offered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Suggestion {
    /// As it is listed.
    pub shown: String,
    /// What the word becomes, quoted.
    pub replacement: String,
}

impl Suggestion {
    fn word(word: &str) -> Suggestion {
        Suggestion { shown: word.to_owned(), replacement: quoted(word) }
    }

    /// A file name; `typed` is the directory part as it was typed.
    fn file(typed: &str, name: &Name) -> Suggestion {
        let slash = if name.is_directory { "/" } else { "" };
        let replacement = format!("{}{slash}", quoted_path(&format!("{typed}{}", name.text)));
        Suggestion { shown: format!("{}{slash}", name.text), replacement }
    }
}

/// What may stand at byte `position` of `line`: where the word begins, and what it may become, sorted. Where only one thing can, a blank
/// goes behind it.
pub fn complete(view: &Desktop, line: &str, position: usize) -> (usize, Vec<Suggestion>) {
    let Some(unfinished) = words_before(line, position) else { return (position, Vec::new()) };
    let mut found = suggestions(view, &unfinished);
    found.sort();
    found.dedup();
    finish(&mut found);
    (unfinished.start, found)
}

/// Settles what there is only one of. The editor inserts it instead of listing it: a word gets its blank, and a hint an empty line
/// beside it, so that it is listed.
fn finish(found: &mut Vec<Suggestion>) {
    match found.as_mut_slice() {
        [hint] if hint.replacement.is_empty() => found.push(Suggestion { shown: String::new(), replacement: String::new() }),
        [word] if !word.replacement.ends_with('/') => word.replacement.push(' '),
        _ => {}
    }
}

fn suggestions(view: &Desktop, unfinished: &Unfinished) -> Vec<Suggestion> {
    let partial = unfinished.partial.as_str();
    let words = unfinished.words.strip_prefix(&["explain".to_owned()]).unwrap_or(&unfinished.words);
    match words {
        _ if unfinished.is_file => files(view, partial, false),
        [] => command_words(view, partial),
        [help] if help == "help" => command_words(view, partial),
        [cd] if cd == "cd" => files(view, partial, true),
        words => arguments(view, words, partial),
    }
}

fn command_words(view: &Desktop, partial: &str) -> Vec<Suggestion> {
    let commands = view.desk.borrow_mut().commands().unwrap_or_default();
    let names = commands.iter().map(String::as_str).chain(builtins::names());
    names.filter(|name| name.starts_with(partial)).map(Suggestion::word).collect()
}

fn arguments(view: &Desktop, words: &[String], partial: &str) -> Vec<Suggestion> {
    let next = view.desk.borrow_mut().candidates(words, &view.directory).unwrap_or_default();
    let mut found = from_forms(&next, partial);
    if next.iter().any(|candidate| takes_path(candidate, partial)) {
        found.extend(files(view, partial, false));
    }
    found
}

/// Literals and options that go on as the partial word does. A slot is only a hint, shown while nothing is typed of its word.
fn from_forms(candidates: &[Candidate], partial: &str) -> Vec<Suggestion> {
    let shown = candidates.iter().filter_map(|candidate| match candidate {
        Candidate::Word(word) => word.starts_with(partial).then(|| Suggestion::word(word)),
        Candidate::Slot { text, .. } => partial.is_empty().then(|| Suggestion { shown: text.clone(), replacement: String::new() }),
    });
    shown.collect()
}

/// Whether file names may go into a slot: its type takes paths, or what is typed looks like one.
fn takes_path(candidate: &Candidate, partial: &str) -> bool {
    matches!(candidate, Candidate::Slot { path, .. } if *path || partial.contains('/') || partial.starts_with(['.', '~']))
}

/// Names in the directory that a partial path is in. Hidden names only where the dot was typed.
fn files(view: &Desktop, partial: &str, directories: bool) -> Vec<Suggestion> {
    let split = partial.rfind('/').map_or(0, |slash| slash + 1);
    let (typed, prefix) = partial.split_at_checked(split).unwrap_or(("", partial));
    let names = names_in(view, located(view, typed), prefix);
    let wanted = names.iter().filter(|name| name.is_directory || !directories);
    wanted.map(|name| Suggestion::file(typed, name)).collect()
}

/// The directory that is meant by the directory part of a path as typed.
fn located(view: &Desktop, typed: &str) -> PathBuf {
    match typed.strip_prefix("~/") {
        Some(rest) => Path::new(&view.home).join(rest),
        None => view.directory.join(typed),
    }
}

/// A directory's names. One that gives no answer has none.
fn names_in(view: &Desktop, directory: PathBuf, prefix: &str) -> Vec<Name> {
    let question = Question::List { directory, prefix: prefix.to_owned() };
    let answer = view.desk.borrow_mut().names(&question.encode());
    answer.ok().and_then(|answer| serde_json::from_slice(&answer).ok()).unwrap_or_default()
}

/// A path as it is typed. The tilde of `~/` stays outside the quotes, where it means the home directory.
fn quoted_path(path: &str) -> String {
    match path.strip_prefix("~/") {
        Some(rest) => format!("~/{}", if rest.is_empty() { String::new() } else { quoted(rest) }),
        None => quoted(path),
    }
}

/// A word as it is typed: in quotes unless every character of it is plain.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,=".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// What of a list fits into a window of `columns` and `rows`, so that the editor never stops to page: nothing, and so no end of the
/// session, would reach it there. What is left out is one entry, which keeps what all of them begin with.
pub fn fitting(mut found: Vec<Suggestion>, columns: usize, rows: usize) -> Vec<Suggestion> {
    const GAP: usize = 2;
    let widest = found.iter().map(|suggestion| suggestion.shown.chars().count()).max().unwrap_or(0).max("… 9999 more".chars().count());
    let across = (columns / (widest + GAP)).max(1);
    let room = across * rows.saturating_sub(2);
    if found.len() <= room {
        return found;
    }
    let common = common_prefix(&found).to_owned();
    let left_out = found.len() - room.saturating_sub(1);
    found.truncate(room.saturating_sub(1));
    found.push(Suggestion { shown: format!("… {left_out} more"), replacement: common });
    found
}

/// What all replacements begin with.
fn common_prefix(found: &[Suggestion]) -> &str {
    let mut replacements = found.iter().map(|suggestion| suggestion.replacement.as_str());
    let first = replacements.next().unwrap_or("");
    let length = replacements.fold(first.len(), |length, other| {
        let same = first.chars().zip(other.chars()).take_while(|(a, b)| a == b);
        length.min(same.map(|(a, _)| a.len_utf8()).sum())
    });
    first.get(..length).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Candidate {
        Candidate::Word(text.to_owned())
    }

    fn slot(text: &str, path: bool) -> Candidate {
        Candidate::Slot { text: text.to_owned(), path }
    }

    fn shown(found: &[Suggestion]) -> Vec<&str> {
        found.iter().map(|suggestion| suggestion.shown.as_str()).collect()
    }

    #[test]
    fn what_is_inserted_parses_to_the_word_that_was_shown() {
        for word in ["plain", "a b", "it's", "$HOME", "*", "", "~", "a=~", "{a,b}", "#x", "!", "é", "\"", "\\", "a;b", "if"] {
            let script = crate::syntax::parse(format!("echo {}", quoted(word)).as_bytes()).unwrap();
            let words = &script.single().unwrap().words;
            assert_eq!(words.get(1).and_then(|word| word.literal()).as_deref(), Some(word));
        }
        assert_eq!(quoted_path("~/a b"), "~/'a b'");
        assert_eq!(quoted_path("~/"), "~/");
    }

    #[test]
    fn literals_go_on_as_typed_and_slots_are_hints() {
        let next = [word("status"), word("show"), word("--full"), slot("<unit>", false)];
        assert_eq!(shown(&from_forms(&next, "s")), ["status", "show"]);
        assert_eq!(shown(&from_forms(&next, "--")), ["--full"]);
        assert_eq!(shown(&from_forms(&next, "")), ["status", "show", "--full", "<unit>"]);
        assert_eq!(shown(&from_forms(&[word("x")], "")), ["x"]);
    }

    #[test]
    fn the_only_word_gets_a_blank_and_the_only_hint_is_listed() {
        let settled = |mut found: Vec<Suggestion>| {
            finish(&mut found);
            found.into_iter().map(|suggestion| suggestion.replacement).collect::<Vec<_>>()
        };
        let directory = Name { text: "log".to_owned(), is_directory: true };
        assert_eq!(settled(vec![Suggestion::word("status")]), ["status "]);
        assert_eq!(settled(vec![Suggestion::file("/var/", &directory)]), ["/var/log/"]);
        assert_eq!(settled(vec![Suggestion::word("a"), Suggestion::word("b")]), ["a", "b"]);
        assert_eq!(settled(from_forms(&[slot("<unit>", false)], "")).len(), 2);
    }

    #[test]
    fn file_names_are_offered_where_a_path_belongs() {
        for (candidate, partial, expected) in [
            (slot("<log>", true), "", true),
            (slot("<unit>", false), "/var", true),
            (slot("<unit>", false), "~", true),
            (slot("<unit>", false), "post", false),
            (word("status"), "/var", false),
        ] {
            assert_eq!(takes_path(&candidate, partial), expected, "{candidate:?} {partial:?}");
        }
    }

    #[test]
    fn a_list_never_outgrows_the_window_and_keeps_its_common_beginning() {
        let many: Vec<Suggestion> = (0..500).map(|n| Suggestion::word(&format!("/var/log/app-{n:03}"))).collect();
        for (columns, rows) in [(80, 24), (100, 50), (20, 10), (1, 1)] {
            let fit = fitting(many.clone(), columns, rows);
            let across = (columns / ("/var/log/app-000".len() + 2)).max(1);
            assert!(fit.len() <= (across * rows.saturating_sub(2)).max(1), "{columns}x{rows}: {}", fit.len());
            assert_eq!(common_prefix(&fit), "/var/log/app-");
            assert!(fit.last().unwrap().shown.starts_with('…'));
        }
        assert_eq!(fitting(many.clone(), 400, 100), many);
    }
}
