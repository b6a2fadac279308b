//! The characters of a form, its parts filled in, each with the place that it came from.

use std::collections::BTreeMap;

use super::FormError;
use crate::words::{Span, limits, suggest};

/// Parts within parts, at most.
const DEPTH: usize = 8;

/// One character of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Char {
    pub value: char,
    /// Where it stands in the form's text; of a part's characters, its `{name}`.
    pub span: Span,
    /// From between single quotes: not a sign of the language.
    pub quoted: bool,
}

/// Reads quotes and fills in `{name}`.
pub fn fill_in(text: &str, parts: &BTreeMap<String, String>) -> Result<Vec<Char>, FormError> {
    let mut reader = Reader { parts, out: Vec::new() };
    reader.read(text, None, 0)?;
    Ok(reader.out)
}

/// Characters as a form writes them, quotes round those that were quoted, and blanks between parts of several lines as one.
pub fn written(characters: &[Char]) -> String {
    let (mut text, mut quoted) = (String::new(), false);
    for character in characters {
        if character.quoted != quoted {
            text.push('\'');
            quoted = character.quoted;
        }
        let blank = character.value.is_whitespace() && !quoted;
        if !(blank && text.ends_with(' ')) {
            text.push(if blank { ' ' } else { character.value });
        }
    }
    text + if quoted { "'" } else { "" }
}

struct Reader<'a> {
    parts: &'a BTreeMap<String, String>,
    out: Vec<Char>,
}

impl Reader<'_> {
    /// Reads the form itself, or a part whose characters all count as standing `inside` its `{name}`.
    fn read(&mut self, text: &str, inside: Option<Span>, depth: usize) -> Result<(), FormError> {
        let mut at = 0;
        let mut opened: Option<Span> = None;
        while let Some(value) = text.get(at..).and_then(|rest| rest.chars().next()) {
            let span = inside.unwrap_or(Span::new(at, at + value.len_utf8()));
            at += value.len_utf8();
            match value {
                '\'' if opened.take().is_some() => {}
                '\'' => opened = Some(span),
                '{' if opened.is_none() => at += self.part(text.get(at..).unwrap_or(""), span, inside, depth)?,
                _ => self.out.push(Char { value, span, quoted: opened.is_some() }),
            }
            if self.out.len() > limits::FORM_BYTES {
                return Err(error(
                    span,
                    format!("the form has more than {} characters with its parts filled in", limits::FORM_BYTES),
                    None,
                ));
            }
        }
        match opened {
            Some(span) => Err(error(span, "this quote is never closed", Some("write '…' round a sign that is meant as itself".to_owned()))),
            None => Ok(()),
        }
    }

    /// Fills in the part whose name begins `rest`; returns the bytes read, the `}` included.
    fn part(&mut self, rest: &str, open: Span, inside: Option<Span>, depth: usize) -> Result<usize, FormError> {
        let length = rest.find('}').ok_or_else(|| error(open, "`{` without `}`", Some("write '{' for the sign itself".to_owned())))?;
        let name = rest.get(..length).unwrap_or("");
        let whole = inside.unwrap_or(Span::new(open.start as usize, open.end as usize + length + 1));
        let Some(part) = self.parts.get(name) else {
            let near = suggest::nearest(name, self.parts.keys().map(String::as_str));
            let help = near.map_or_else(|| "define it under `parts:`".to_owned(), |near| format!("did you mean `{{{near}}}`?"));
            return Err(error(whole, format!("there is no part `{name}`"), Some(help)));
        };
        if depth == DEPTH {
            return Err(error(whole, format!("the part `{name}` is nested more than {DEPTH} deep, or holds itself"), None));
        }
        self.read(part, Some(whole), depth + 1)?;
        Ok(length + 1)
    }
}

fn error(span: Span, message: impl Into<String>, help: Option<String>) -> FormError {
    FormError { span, message: message.into(), help }
}
