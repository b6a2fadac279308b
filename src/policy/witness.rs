//! `witness:` — a command that shows, for the records, the state of what another command changes.
//!
//! It is the operator's word and no form: one command line, its words set apart by blanks, with nothing of a shell in it. A word
//! `<name>` stands for the words that the slot of that label or type took, each as a word of its own; a slot that took none leaves none.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

use super::findings::Mistake;
use super::matching::Taken;
use crate::words::Safe;

/// What a shell would make something of, and `<`, `>` inside a word.
const SIGNS: &[char] = &['|', '&', ';', '<', '>', '(', ')', '{', '}', '[', ']', '$', '`', '\\', '"', '\'', '*', '?', '~', '#', '!'];

/// A command line to be filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness(Vec<Word>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Text(String),
    /// The words of a slot.
    Slot(String),
}

impl Witness {
    /// Reads a witness of a form that has these slots.
    pub fn parse(text: &str, slots: &[&str]) -> Result<Witness, Mistake> {
        let words: Vec<Word> = text.split_whitespace().map(|word| Word::parse(word, slots)).collect::<Result<_, _>>()?;
        match words.first() {
            None => Err(Mistake::new("a witness is empty").with_help("name a command that shows the state of what the rule changes")),
            Some(Word::Slot(_)) => Err(Mistake::new("a witness begins with a program, never with a word of the line")),
            Some(Word::Text(program)) if program.contains('/') && !program.starts_with('/') => {
                Err(Mistake::new(format!("{}: a program is given by its bare name or its full path", Safe(program.as_bytes()))))
            }
            Some(Word::Text(_)) => Ok(Witness(words)),
        }
    }

    /// Its words for a line of which the slots took these.
    pub fn filled(&self, taken: &[Taken]) -> Vec<String> {
        let words = |word: &Word| match word {
            Word::Text(text) => vec![text.clone()],
            Word::Slot(name) => taken.iter().filter(|taken| taken.slot == *name).map(|taken| taken.word.clone()).collect(),
        };
        self.0.iter().flat_map(words).collect()
    }
}

impl Word {
    fn parse(word: &str, slots: &[&str]) -> Result<Word, Mistake> {
        let name = word.strip_prefix('<').and_then(|word| word.strip_suffix('>'));
        match name {
            Some(name) if slots.contains(&name) => Ok(Word::Slot(name.to_owned())),
            Some(name) if !name.contains(SIGNS) => {
                let known = slots.iter().map(|slot| format!("<{slot}>")).collect::<Vec<_>>().join(", ");
                let help = if known.is_empty() { "the form has no slot".to_owned() } else { format!("the form has {known}") };
                Err(Mistake::new(format!("a witness names {}, which the form has not", Safe(word.as_bytes()))).with_help(help))
            }
            _ => match word.find(SIGNS).and_then(|at| word.get(at..)?.chars().next()) {
                None => Ok(Word::Text(word.to_owned())),
                Some(sign) => {
                    let mistake = Mistake::new(format!("a witness has no shell: `{sign}` in {} means nothing", Safe(word.as_bytes())));
                    Err(mistake.with_help("write plain words, and <slot> as a word of its own"))
                }
            },
        }
    }
}

impl Display for Witness {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let words = self.0.iter().map(|word| match word {
            Word::Text(text) => text.clone(),
            Word::Slot(name) => format!("<{name}>"),
        });
        f.write_str(&words.collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(words: &[(&str, &str)]) -> Vec<Taken> {
        words.iter().map(|(slot, word)| Taken { at: 0, slot: (*slot).to_owned(), word: (*word).to_owned() }).collect()
    }

    #[test]
    fn a_witness_is_filled_in_word_by_word() {
        let witness = Witness::parse("  systemctl show  --property=Id,NRestarts -- <unit> ", &["unit", "int"]).unwrap();
        for (words, filled) in [
            (&[("unit", "a")][..], "systemctl show --property=Id,NRestarts -- a"),
            (&[("unit", "a"), ("int", "5"), ("unit", "b c")], "systemctl show --property=Id,NRestarts -- a b c"),
            (&[], "systemctl show --property=Id,NRestarts --"),
        ] {
            assert_eq!(witness.filled(&taken(words)).join(" "), filled);
        }
        assert_eq!(witness.filled(&taken(&[("unit", "b; id")])).last().map(String::as_str), Some("b; id"), "one word stays one");
        assert_eq!(witness.to_string(), "systemctl show --property=Id,NRestarts -- <unit>");
    }

    #[test]
    fn mistakes_are_found_when_the_policy_is_checked() {
        for (text, reason) in [
            ("", "a witness is empty"),
            ("<unit> x", "a witness begins with a program, never with a word of the line"),
            ("bin/x", "bin/x: a program is given by its bare name or its full path"),
            ("x <user>", "a witness names <user>, which the form has not"),
            ("x --of=<unit>", "a witness has no shell: `<` in --of=<unit> means nothing"),
            ("x | y", "a witness has no shell: `|` in | means nothing"),
            ("x $HOME", "a witness has no shell: `$` in $HOME means nothing"),
            ("x 'a b'", "a witness has no shell: `'` in 'a means nothing"),
            ("x >/tmp/y", "a witness has no shell: `>` in >/tmp/y means nothing"),
            ("x [-a]", "a witness has no shell: `[` in [-a] means nothing"),
            ("x {part}", "a witness has no shell: `{` in {part} means nothing"),
        ] {
            assert_eq!(Witness::parse(text, &["unit"]).map_err(|mistake| mistake.message), Err(reason.to_owned()), "{text}");
        }
    }
}
