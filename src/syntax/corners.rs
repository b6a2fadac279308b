//! What can only be judged of a whole word: keywords, assignments, and the corners in which bash and dash read the same word differently.
//!
//! Most look at the word as written. A quote, a backslash or a `$` is no letter of any keyword or name, so that a
//! word which matches as written matches unquoted.

use super::SyntaxError;
use super::ast::{PieceKind, Word};
use super::lex::Cursor;
use crate::words::Span;

/// Words that are syntax where a command is expected, in POSIX sh or in bash.
const KEYWORDS: [&str; 22] = [
    "if", "then", "else", "elif", "fi", "do", "done", "case", "esac", "while", "until", "for", "in", "{", "}", "[[", "]]", "function",
    "select", "time", "coproc", "!",
];

/// Commands whose arguments bash reads as assignments, by rules of their own; all of them change a shell's own state.
const STATE: [&str; 6] = ["alias", "declare", "typeset", "export", "readonly", "local"];

/// Judges a word that has just been read, wherever it stands.
pub(super) fn check(cursor: &Cursor<'_>, word: &Word) -> Result<(), SyntaxError> {
    let written = source(cursor.line, word);
    let unquoted = unquoted(cursor.line, word);
    if let Some((start, end)) = brace_expansion(&unquoted) {
        let help = "write the words out, or quote the braces";
        return Err(SyntaxError::foreign("brace expansion", Span::new(start, end)).with_help(help));
    }
    let descriptor = written.len() > 2 && written.starts_with('{') && written.ends_with('}') && matches!(cursor.peek(), Some('<' | '>'));
    if descriptor {
        return Err(SyntaxError::foreign("a descriptor's name before a redirection", word.span).with_help("put a space between the two"));
    }
    if let Some(offset) = open_bracket(word) {
        let message = "shells differ on a `[` that is never closed beside a glob";
        return Err(SyntaxError::new(message, Span::new(offset, offset + 1)).with_help("write `\\[`"));
    }
    match tilde_in_assignment(written, &unquoted) {
        Some(offset) => {
            let message = "shells differ on an unquoted `~` behind `=` or `:`";
            Err(SyntaxError::new(message, Span::new(offset, offset + 1)).with_help("write `\\~`, or the path"))
        }
        None => Ok(()),
    }
}

/// Judges a word that stands where a command is expected.
pub(super) fn check_command(line: &str, word: &Word) -> Result<(), SyntaxError> {
    let written = source(line, word);
    if written == "!" {
        return Err(SyntaxError::new("`!` may stand once, at the start of a pipeline", word.span));
    }
    if KEYWORDS.contains(&written) {
        let message = format!("`{written}` is a keyword: loops, conditions and compound commands are not part of this shell");
        return Err(SyntaxError::new(message, word.span).with_help("give commands one by one; `&&`, `||` and `;` join them"));
    }
    if STATE.contains(&written) {
        let help = match written {
            "alias" => "write the command out; the up arrow brings lines back",
            _ => "the policy sets the environment of commands",
        };
        return Err(SyntaxError::new(format!("`{written}` sets a shell's own state, and this shell has none"), word.span).with_help(help));
    }
    if let Some(length) = assignment(written) {
        let start = word.span.start as usize;
        return Err(SyntaxError::foreign("assignment", Span::new(start, start + length))
            .with_help("leave it out: the policy sets the environment of commands"));
    }
    if word.literal().is_none() {
        let expansion = word.pieces.iter().find(|piece| !matches!(piece.kind, PieceKind::Text { .. }));
        let message = "a command's name is written out: no `*`, `?`, `[…]`, `~` or `$` in it";
        return Err(SyntaxError::new(message, expansion.map_or(word.span, |piece| piece.span)));
    }
    // bash reads `a[b c]=d` as one word, and so looks for the closing bracket beyond blanks.
    let bracket = unquoted(line, word).into_iter().find(|(_, character)| *character == '[' && written != "[");
    if let Some((offset, _)) = bracket {
        return Err(SyntaxError::new("a `[` in a command's name must be quoted", Span::new(offset, offset + 1)).with_help("write `\\[`"));
    }
    match word.literal() {
        Some(name) if name.is_empty() => Err(SyntaxError::new("the command's name is empty", word.span)),
        // bash takes it for a job, quoted or not.
        Some(name) if name.starts_with('%') => Err(SyntaxError::foreign("job control", word.span)),
        _ => Ok(()),
    }
}

/// A word as it was written.
pub(super) fn source<'a>(line: &'a str, word: &Word) -> &'a str {
    line.get(word.span.start as usize..word.span.end as usize).unwrap_or("")
}

/// The characters of a word with their offsets in the line; a quoted piece is one NUL, which no line holds.
fn unquoted(line: &str, word: &Word) -> Vec<(usize, char)> {
    let mut characters = Vec::new();
    for piece in &word.pieces {
        let start = piece.span.start as usize;
        match line.get(start..piece.span.end as usize) {
            Some(text) if !piece.is_quoted() => {
                characters.extend(text.char_indices().map(|(offset, character)| (start + offset, character)))
            }
            _ => characters.push((start, '\0')),
        }
    }
    characters
}

/// Where bash might expand braces: a `{`, later a `,` or `..`, later a `}`. To bash, `{}` at the start of a word is no opening brace.
fn brace_expansion(characters: &[(usize, char)]) -> Option<(usize, usize)> {
    let find = |from: usize, test: &dyn Fn(usize) -> bool| (from..characters.len()).find(|index| test(*index));
    let is = |index: usize, wanted: char| characters.get(index).is_some_and(|(_, character)| *character == wanted);
    let from = if is(0, '{') && is(1, '}') { 2 } else { 0 };
    let open = find(from, &|index| is(index, '{'))?;
    let separator = find(open, &|index| is(index, ',') || (is(index, '.') && is(index + 1, '.')))?;
    let close = find(separator, &|index| is(index, '}'))?;
    Some((characters.get(open)?.0, characters.get(close)?.0 + 1))
}

/// An unquoted `[` that is an ordinary character, in a word with globs. dash may still read a range behind it.
fn open_bracket(word: &Word) -> Option<usize> {
    let text = |kind: &PieceKind| if let PieceKind::Text { text, quoted: false } = kind { text.find('[') } else { None };
    word.pieces.iter().filter(|_| word.is_pattern()).find_map(|piece| Some(piece.span.start as usize + text(&piece.kind)?))
}

/// Where bash, but not dash, expands a `~`: behind `=` or `:` in any word of the form of an assignment.
fn tilde_in_assignment(written: &str, characters: &[(usize, char)]) -> Option<usize> {
    assignment(written)?;
    let pairs = characters.iter().zip(characters.iter().skip(1));
    pairs.into_iter().find(|((_, before), (_, character))| *character == '~' && matches!(before, '=' | ':')).map(|(_, (offset, _))| *offset)
}

/// The length of `name=`, `name+=`, `name[…]=` or `name[…]+=` at the start of a word.
fn assignment(written: &str) -> Option<usize> {
    let name = written.find(|character: char| !character.is_ascii_alphanumeric() && character != '_').unwrap_or(written.len());
    if name == 0 || written.starts_with(|character: char| character.is_ascii_digit()) {
        return None;
    }
    let rest = written.get(name..)?;
    let subscript = if rest.starts_with('[') { rest.find(']')? + 1 } else { 0 };
    let sign = ["=", "+="].into_iter().find(|sign| rest.get(subscript..).is_some_and(|rest| rest.starts_with(sign)))?;
    Some(name + subscript + sign.len())
}
