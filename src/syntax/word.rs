//! One word: its quotes, expansions and globs.

use super::SyntaxError;
use super::ast::{Piece, PieceKind, Word};
use super::bracket::Bracket;
use super::lex::{Cursor, is_delimiter};
use crate::words::Span;

/// Reads the word at the cursor.
pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Word, SyntaxError> {
    let start = cursor.position;
    let mut pieces = Vec::new();
    while let Some(character) = cursor.peek().filter(|character| !is_delimiter(*character)) {
        let from = cursor.position;
        let kind = match character {
            '"' => {
                double_quoted(cursor, &mut pieces)?;
                continue;
            }
            '\'' => single_quoted(cursor)?,
            '\\' => escaped(cursor)?,
            '$' => dollar(cursor, false)?,
            '`' => return Err(backquote(cursor)),
            '[' => bracket(cursor)?,
            '~' if from == start => home(cursor)?,
            _ => ordinary(cursor, character),
        };
        push(&mut pieces, kind, cursor.since(from));
    }
    Ok(Word { pieces, span: cursor.since(start) })
}

/// Adds a piece; neighbouring text of the same quoting becomes one.
fn push(pieces: &mut Vec<Piece>, kind: PieceKind, span: Span) {
    match (pieces.last_mut(), &kind) {
        (Some(Piece { kind: PieceKind::Text { text, quoted }, span: whole }), PieceKind::Text { text: more, quoted: alike })
            if quoted == alike =>
        {
            text.push_str(more);
            *whole = whole.to(span);
        }
        _ => pieces.push(Piece { kind, span }),
    }
}

fn text(text: impl Into<String>, quoted: bool) -> PieceKind {
    PieceKind::Text { text: text.into(), quoted }
}

fn ordinary(cursor: &mut Cursor<'_>, character: char) -> PieceKind {
    cursor.next();
    match character {
        '*' => PieceKind::AnyText,
        '?' => PieceKind::AnyCharacter,
        _ => text(character, false),
    }
}

fn single_quoted(cursor: &mut Cursor<'_>) -> Result<PieceKind, SyntaxError> {
    let start = cursor.position;
    cursor.next();
    let opener = cursor.since(start);
    let inside = cursor.eat_while(|character| character != '\'');
    match cursor.next() {
        Some(_) => Ok(text(inside, true)),
        None => Err(unclosed('\'', opener)),
    }
}

/// Adds what stands between double quotes; the quotes themselves are pieces of no text, so that `""` is a word.
fn double_quoted(cursor: &mut Cursor<'_>, pieces: &mut Vec<Piece>) -> Result<(), SyntaxError> {
    let start = cursor.position;
    cursor.next();
    let opener = cursor.since(start);
    push(pieces, text("", true), opener);
    while let Some(character) = cursor.peek() {
        let from = cursor.position;
        let kind = match character {
            '`' => return Err(backquote(cursor)),
            '$' => dollar(cursor, true)?,
            _ => {
                cursor.next();
                // A backslash quotes only what is special here (XCU 2.2.3); before anything else it stands for itself.
                let special = cursor.peek().filter(|next| character == '\\' && matches!(next, '$' | '`' | '"' | '\\'));
                match (special, character) {
                    (Some(_), _) => text(cursor.next().unwrap_or(character), true),
                    (None, '"') => text("", true),
                    (None, _) => text(character, true),
                }
            }
        };
        push(pieces, kind, cursor.since(from));
        if character == '"' {
            return Ok(());
        }
    }
    Err(unclosed('"', opener))
}

fn escaped(cursor: &mut Cursor<'_>) -> Result<PieceKind, SyntaxError> {
    let start = cursor.position;
    cursor.next();
    match cursor.next() {
        Some(character) => Ok(text(character, true)),
        None => Err(SyntaxError::new("nothing follows this backslash", cursor.since(start)).with_help("`\\\\` is a backslash")),
    }
}

fn unclosed(quote: char, opener: Span) -> SyntaxError {
    SyntaxError::new(format!("this {quote} is never closed"), opener)
        .with_help(format!("close it, or write `\\{quote}` for the character itself"))
}

fn backquote(cursor: &mut Cursor<'_>) -> SyntaxError {
    let start = cursor.position;
    cursor.next();
    SyntaxError::foreign("command substitution", cursor.since(start)).with_help("'`' in single quotes is the character itself")
}

/// An expansion, or a `$` that begins none and stands for itself.
fn dollar(cursor: &mut Cursor<'_>, quoted: bool) -> Result<PieceKind, SyntaxError> {
    let start = cursor.position;
    cursor.next();
    let Some(next) = cursor.peek() else { return Ok(text('$', quoted)) };
    if next.is_ascii_alphabetic() || next == '_' {
        let name = cursor.eat_while(|character| character.is_ascii_alphanumeric() || character == '_').to_owned();
        return Ok(PieceKind::Constant { name, quoted });
    }
    let (length, construct, help) = match next {
        '?' => {
            cursor.next();
            return Ok(PieceKind::Status { quoted });
        }
        '(' if cursor.rest().starts_with("((") => (2, "arithmetic", "write the result"),
        '(' => (1, "command substitution", "run the command first, then write what it said"),
        '[' => (1, "arithmetic", "write the result, or `\\$[` for the characters themselves"),
        '{' => (1, "`${…}`", "write `$NAME`"),
        '\'' if !quoted => (1, "`$'…'`", "write `'…'`"),
        '"' if !quoted => (1, "`$\"…\"`", "write `\"…\"`"),
        '*' | '@' | '#' | '-' | '$' | '!' | '0'..='9' => (1, "a special parameter other than `$?`", "write `\\$` for the character itself"),
        _ => return Ok(text('$', quoted)),
    };
    cursor.position += length;
    Err(SyntaxError::foreign(construct, cursor.since(start)).with_help(help))
}

fn bracket(cursor: &mut Cursor<'_>) -> Result<PieceKind, SyntaxError> {
    match Bracket::read(cursor.rest(), cursor.position)? {
        Some((bracket, length)) => {
            cursor.position += length;
            Ok(PieceKind::OneOf(bracket))
        }
        None => Ok(ordinary(cursor, '[')),
    }
}

/// `~` or `~/`; what else may follow the sign is another account's home, or differs between shells.
fn home(cursor: &mut Cursor<'_>) -> Result<PieceKind, SyntaxError> {
    let start = cursor.position;
    cursor.next();
    if cursor.peek().is_none_or(|next| next == '/' || is_delimiter(next)) {
        return Ok(PieceKind::Home);
    }
    cursor.eat_while(|character| character != '/' && !is_delimiter(character));
    let help = "write the path of that home; `~` and `~/…` are yours, `\\~` is the character itself";
    Err(SyntaxError::foreign("`~` with anything but `/` behind it", cursor.since(start)).with_help(help))
}
