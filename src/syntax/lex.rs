//! Bytes to tokens: operators here, words in `word.rs`.
//!
//! Tokens are read when the parser asks for them, so that of several mistakes the leftmost is reported.

use super::ast::Word;
use super::{SyntaxError, corners, word};
use crate::words::Span;

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Word(Word),
    Redirection(RedirectionOperator),
    Pipe,
    And,
    Or,
    Semicolon,
    /// `(` or `)`: never accepted, but only the parser knows what was meant.
    Parenthesis,
    End,
}

/// An operator that redirects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RedirectionOperator {
    ErrorToOutput,
    /// `2>` or `2>>`.
    Error,
    Input,
    Output {
        append: bool,
    },
}

/// Operators of other shells, longest first: operator, what it is, what to write instead.
const REFUSED_OPERATORS: &[(&str, &str, Option<&str>)] = &[
    ("&>>", "`&>>`", Some("write `>> FILE 2>&1`")),
    ("&>", "`&>`", Some("write `> FILE 2>&1`")),
    (";;&", "`;;&`", None),
    (";;", "`;;`", None),
    (";&", "`;&`", None),
    ("|&", "`|&`", Some("write `2>&1 |`")),
    ("<<<", "a here-string", Some("`echo TEXT | COMMAND` gives it to the command")),
    ("<<", "a here-document", Some("`printf TEXT | COMMAND` gives it to the command")),
    ("<>", "`<>`", Some("write `<` to read")),
    ("<&", "duplicating a descriptor", None),
    ("<(", "process substitution", Some("run the command first, or give what it says through a pipe")),
    (">(", "process substitution", Some("a pipe gives output to one command")),
    (">|", "`>|`", Some("write `>`")),
    (">&", "duplicating a descriptor", Some("`2>&1` is the only such redirection, and `> FILE 2>&1` sends both to a file")),
];

/// A place in a line. Every read of the line goes through it.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    pub line: &'a str,
    pub position: usize,
}

impl<'a> Cursor<'a> {
    /// What has not been read.
    pub fn rest(&self) -> &'a str {
        self.line.get(self.position..).unwrap_or("")
    }

    pub fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.position += character.len_utf8();
        Some(character)
    }

    /// Skips `text` if it comes next.
    pub fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        self.position += if found { text.len() } else { 0 };
        found
    }

    /// Skips characters while they pass `test`, and gives them.
    pub fn eat_while(&mut self, test: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|character| !test(character)).unwrap_or(rest.len());
        self.position += length;
        rest.get(..length).unwrap_or("")
    }

    /// From `start` to here.
    pub fn since(&self, start: usize) -> Span {
        Span::new(start, self.position)
    }
}

/// Whether an unquoted character ends a word.
pub(super) fn is_delimiter(character: char) -> bool {
    matches!(character, ' ' | '|' | '&' | ';' | '<' | '>' | '(' | ')')
}

/// Reads the next token and its span.
pub(super) fn token(cursor: &mut Cursor<'_>) -> Result<(Token, Span), SyntaxError> {
    cursor.eat_while(|character| character == ' ');
    let start = cursor.position;
    let token = match cursor.peek() {
        None | Some('#') => {
            cursor.position = cursor.line.len();
            Token::End
        }
        Some(character) if is_delimiter(character) => operator(cursor, start)?,
        Some(_) => match descriptor(cursor) {
            Some(_) => operator(cursor, start)?,
            None => {
                let word = word::read(cursor)?;
                corners::check(cursor, &word)?;
                Token::Word(word)
            }
        },
    };
    Ok((token, cursor.since(start)))
}

/// Skips the digits before a redirection (an `IO_NUMBER` of XCU 2.3), and gives them.
fn descriptor<'a>(cursor: &mut Cursor<'a>) -> Option<&'a str> {
    let mut ahead = cursor.clone();
    let digits = ahead.eat_while(|character| character.is_ascii_digit());
    let found = !digits.is_empty() && matches!(ahead.peek(), Some('<' | '>'));
    found.then(|| {
        *cursor = ahead;
        digits
    })
}

/// Reads the operator at the cursor; the digits from `start` to there are its descriptor.
fn operator(cursor: &mut Cursor<'_>, start: usize) -> Result<Token, SyntaxError> {
    let digits = cursor.line.get(start..cursor.position).unwrap_or("");
    if digits == "2" && cursor.eat(">&1") {
        return error_to_output(cursor, start);
    }
    for (operator, name, help) in REFUSED_OPERATORS {
        if cursor.eat(operator) {
            let refusal = SyntaxError::foreign(name, cursor.since(start));
            return Err(help.iter().fold(refusal, |refusal, help| refusal.with_help(*help)));
        }
    }
    for (operator, token) in [("&&", Token::And), ("||", Token::Or), ("|", Token::Pipe), (";", Token::Semicolon)] {
        if cursor.eat(operator) {
            return Ok(token);
        }
    }
    if cursor.eat("(") || cursor.eat(")") {
        return Ok(Token::Parenthesis);
    }
    if cursor.eat("&") {
        let help = "a command ends with its line; use a second session to run two at once";
        return Err(SyntaxError::foreign("running in the background", cursor.since(start)).with_help(help));
    }
    redirection(cursor, start, digits)
}

/// `2>&1` has been read; dash takes `2>&1word` as a longer descriptor and bash as a file, so that something must separate the two.
fn error_to_output(cursor: &Cursor<'_>, start: usize) -> Result<Token, SyntaxError> {
    match cursor.peek() {
        None | Some(' ' | '|' | ';' | '&' | ')') => Ok(Token::Redirection(RedirectionOperator::ErrorToOutput)),
        Some(_) => Err(SyntaxError::new("nothing may touch `2>&1`", cursor.since(start)).with_help("put a space behind it")),
    }
}

fn redirection(cursor: &mut Cursor<'_>, start: usize, digits: &str) -> Result<Token, SyntaxError> {
    let append = cursor.eat(">>");
    let output = append || cursor.eat(">");
    if !output {
        cursor.eat("<");
    }
    let operator = match digits {
        "" | "1" if output => RedirectionOperator::Output { append },
        "2" if output => RedirectionOperator::Error,
        "" | "0" if !output => RedirectionOperator::Input,
        _ => {
            let message = format!("descriptor {digits} cannot be redirected so");
            let help = "`<` is for descriptor 0, `>` for 1, and `2>` for /dev/null alone";
            return Err(SyntaxError::new(message, cursor.since(start)).with_help(help));
        }
    };
    Ok(Token::Redirection(operator))
}
