//! Bracket expressions of globs: `[a-z]`, `[!.]`, `[[:digit:]]`.
//!
//! POSIX leaves much of what may stand between brackets open, and shells differ: `[^a]`, quotes, `/`, ranges that run backwards, a `-` in
//! the middle, collating symbols. Each of these is refused; what is left means the same to bash and dash. Classes are those of the C locale.

use std::fmt::{self, Display, Formatter};

use super::SyntaxError;
use super::lex::is_delimiter;
use serde::{Deserialize, Serialize};

use crate::words::Span;

/// A set of characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bracket {
    /// As typed.
    source: String,
    negated: bool,
    members: Vec<Member>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Member {
    /// From the first to the last, both included.
    Range(char, char),
    /// A class by its index in [`CLASSES`].
    Class(usize),
}

/// A class's name and its test.
type Class = (&'static str, fn(&char) -> bool);

/// The classes of XBD 9.3.5, in the C locale.
const CLASSES: [Class; 12] = [
    ("alnum", char::is_ascii_alphanumeric),
    ("alpha", char::is_ascii_alphabetic),
    ("blank", |character| matches!(character, ' ' | '\t')),
    ("cntrl", char::is_ascii_control),
    ("digit", char::is_ascii_digit),
    ("graph", char::is_ascii_graphic),
    ("lower", char::is_ascii_lowercase),
    ("print", |character| matches!(character, ' '..='~')),
    ("punct", char::is_ascii_punctuation),
    ("space", |character| matches!(character, ' ' | '\t'..='\r')),
    ("upper", char::is_ascii_uppercase),
    ("xdigit", char::is_ascii_hexdigit),
];

impl Display for Bracket {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl Bracket {
    /// Whether a character is in the set.
    pub fn contains(&self, character: char) -> bool {
        let found = self.members.iter().any(|member| match member {
            Member::Range(first, last) => (*first..=*last).contains(&character),
            Member::Class(index) => CLASSES.get(*index).is_some_and(|(_, test)| test(&character)),
        });
        found != self.negated
    }

    /// Reads the bracket expression that `rest` begins with; `offset` is where `rest` begins in the line.
    /// Gives it with its length in bytes, or `None` when nothing closes it, which makes its `[` an ordinary character.
    pub(super) fn read(rest: &str, offset: usize) -> Result<Option<(Bracket, usize)>, SyntaxError> {
        let Some(length) = closing(rest, offset)? else { return Ok(None) };
        let span = Span::new(offset, offset + length);
        let inside = rest.get(1..length - 1).unwrap_or("");
        if inside.starts_with('^') {
            return Err(SyntaxError::new("`[^…]` means different things to different shells", span).with_help("write `[!…]`"));
        }
        if inside.len() > 1 && inside.starts_with(':') && inside.ends_with(':') {
            return Err(SyntaxError::new("a character class stands in a second pair of brackets", span).with_help("write `[[:digit:]]`"));
        }
        let negated = inside.starts_with('!');
        let members = members(inside.strip_prefix('!').unwrap_or(inside), span)?;
        Ok(Some((Bracket { source: rest.get(..length).unwrap_or("").to_owned(), negated, members }, length)))
    }
}

/// The length of the bracket expression up to and with its `]`.
fn closing(rest: &str, offset: usize) -> Result<Option<usize>, SyntaxError> {
    let lead = 1 + usize::from(rest.get(1..).is_some_and(|inside| inside.starts_with(['!', '^'])));
    let mut position = lead;
    let mut slash = None;
    while let Some(character) = rest.get(position..).and_then(|rest| rest.chars().next()) {
        let span = Span::new(offset + position, offset + position + character.len_utf8());
        match character {
            ']' if position > lead => {
                return match slash {
                    Some(span) => Err(SyntaxError::new("`/` cannot stand inside `[…]`", span)),
                    None => Ok(Some(position + 1)),
                };
            }
            '\'' | '"' | '\\' | '$' | '`' => {
                let help = "quote the whole word, or leave the quotes and `$` out of the brackets";
                return Err(SyntaxError::new("quotes and `$` cannot stand inside `[…]`", span).with_help(help));
            }
            '[' => position += class_length(rest.get(position..).unwrap_or("")),
            '/' => slash = slash.or(Some(span)),
            _ if is_delimiter(character) => return Ok(None),
            _ => {}
        }
        position += character.len_utf8();
    }
    Ok(None)
}

/// Bytes of `[:name:]` behind its first, so that its own `]` closes nothing else; 0 for a lone `[`.
fn class_length(rest: &str) -> usize {
    let name = rest.strip_prefix("[:").and_then(|rest| rest.split_once(":]")).map(|(name, _)| name);
    name.filter(|name| name.chars().all(|character| character.is_ascii_lowercase())).map_or(0, |name| name.len() + 3)
}

/// The members of a set from what stands between its brackets.
fn members(inside: &str, span: Span) -> Result<Vec<Member>, SyntaxError> {
    if !inside.is_ascii() {
        return Err(SyntaxError::new("only ASCII characters can stand inside `[…]`", span));
    }
    let mut members = Vec::new();
    let mut rest = inside;
    while let Some(first) = rest.chars().next() {
        let read = if first == '[' { class(rest) } else { range(rest, first, members.is_empty()) };
        let (member, length) = read.map_err(|message| SyntaxError::new(message, span))?;
        members.push(member);
        rest = rest.get(length..).unwrap_or("");
    }
    Ok(members)
}

/// Reads a class, or a `[` that begins none; gives it with its length.
fn class(rest: &str) -> Result<(Member, usize), &'static str> {
    let length = class_length(rest);
    if length > 0 {
        let name = rest.get(2..length - 1).unwrap_or("");
        let index = CLASSES.iter().position(|(known, _)| *known == name).ok_or("there is no such character class")?;
        return Ok((Member::Class(index), length + 1));
    }
    match rest.get(1..).and_then(|rest| rest.chars().next()) {
        Some(':' | '.' | '=') => Err("only classes such as `[:digit:]` can stand inside `[…]`"),
        _ => range(rest, '[', false),
    }
}

/// Reads `a` or `a-z`; `leads` says that nothing stands before it. Gives it with its length.
fn range(rest: &str, first: char, leads: bool) -> Result<(Member, usize), &'static str> {
    let last = rest.get(1..).and_then(|rest| rest.strip_prefix('-')).and_then(|rest| rest.chars().next());
    let at_edge = leads || rest.len() == 1;
    match last {
        _ if first == '-' && (!at_edge || last.is_some()) => Err("a `-` inside `[…]` stands first or last"),
        Some('-' | '[') => Err("a range inside `[…]` cannot end in `-` or `[`"),
        Some(last) if last < first => Err("this range runs backwards"),
        Some(last) => Ok((Member::Range(first, last), 3)),
        None => Ok((Member::Range(first, first), 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_it_lists() {
        for (text, inside, outside) in [
            ("[abc]", "abc", "d-"),
            ("[a-c]", "abc", "d-"),
            ("[!a-c]", "d-é", "abc"),
            ("[]x]", "]x", "[a"),
            ("[!]x]", "[a", "]x"),
            ("[-a]", "-a", "b"),
            ("[a-]", "-a", "b"),
            ("[[:digit:]_]", "07_", "a:["),
            ("[[:upper:][:blank:]]", "AZ ", "a"),
        ] {
            let (set, length) = Bracket::read(text, 0).unwrap().unwrap();
            assert_eq!(length, text.len(), "{text}");
            assert!(inside.chars().all(|character| set.contains(character)), "{text}");
            assert!(!outside.chars().any(|character| set.contains(character)), "{text}");
        }
    }

    #[test]
    fn a_bracket_that_nothing_closes_is_an_ordinary_character() {
        for text in ["[", "[]", "[!]", "[a", "[a b]", "[a|b]", "[a/b"] {
            assert_eq!(Bracket::read(text, 0), Ok(None), "{text}");
        }
    }
}
