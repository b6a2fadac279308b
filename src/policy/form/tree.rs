//! The tree of a form.
//!
//! ```text
//! form     = sequence
//! sequence = { item [ "..." ] }                 items stand apart
//! item     = "**" | redirect | word | group
//! redirect = ("<" | ">" | ">>") " " word
//! group    = "[" sequence { "|" sequence } "]" | "(" sequence { "|" sequence } ")"
//! word     = piece { piece }                    pieces touch
//! piece    = text | "<" slot ">" | group of single words
//! slot     = [ label ":" ] ( name | range | choice ) [ ",..." ]
//! ```

use super::FormError;
use super::source::Char;
use crate::words::Span;

/// What a form is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub kind: NodeKind,
    pub span: Span,
    /// `...` behind it.
    pub repeat: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeKind {
    Word(Vec<RawPiece>),
    Group {
        optional: bool,
        branches: Vec<Vec<Node>>,
    },
    /// `**`
    Any,
    Redirect {
        sign: RedirectSign,
        word: Vec<RawPiece>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectSign {
    Input,
    Output,
    Append,
}

/// A piece of a word, its slot not yet looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawPiece {
    Text(String),
    Slot { text: String, span: Span },
    Group { optional: bool, branches: Vec<Vec<RawPiece>>, span: Span },
}

/// Parses a form; returns every mistake found, which is the first: what follows one would be guesses.
pub fn parse(characters: &[Char]) -> Result<Vec<Node>, Vec<FormError>> {
    let mut parser = Parser { characters, at: 0 };
    let nodes = parser.sequence().map_err(|error| vec![error])?;
    match parser.peek() {
        Some(stray) => Err(vec![parser.error(stray.span, format!("`{}` closes nothing", stray.value), Some(quoting(stray.value)))]),
        None => Ok(nodes),
    }
}

struct Parser<'a> {
    characters: &'a [Char],
    at: usize,
}

/// Groups within groups, at most.
const DEPTH: usize = 8;

impl Parser<'_> {
    fn sequence(&mut self) -> Result<Vec<Node>, FormError> {
        self.sequence_at(0)
    }

    fn sequence_at(&mut self, depth: usize) -> Result<Vec<Node>, FormError> {
        let mut nodes: Vec<Node> = Vec::new();
        loop {
            while self.sign_at(0) == Some(' ') {
                self.at += 1;
            }
            match (self.sign_at(0), nodes.last_mut()) {
                (None, _) if self.peek().is_none() => return Ok(nodes),
                (Some('|' | ']' | ')'), _) => return Ok(nodes),
                // Man pages write both `FILE...` and `FILE ...`.
                (Some('.'), Some(last)) if self.ellipsis() => {
                    last.repeat = true;
                    self.at += 3;
                }
                _ => nodes.push(self.item(depth)?),
            }
        }
    }

    fn item(&mut self, depth: usize) -> Result<Node, FormError> {
        let start = self.here();
        if let Some((sign, length)) = self.redirect_sign() {
            self.at += length + 1;
            while self.sign_at(0) == Some(' ') {
                self.at += 1;
            }
            let word = self.word(Vec::new(), depth)?;
            return Ok(Node { kind: NodeKind::Redirect { sign, word }, span: start.to(self.before()), repeat: false });
        }
        let kind = match self.sign_at(0) {
            Some('[' | '(') => {
                let (optional, branches) = self.group(depth)?;
                if self.ends_word() || self.ellipsis() {
                    NodeKind::Group { optional, branches }
                } else {
                    let span = start.to(self.before());
                    let first = RawPiece::Group { optional, branches: touching_words(branches)?, span };
                    NodeKind::Word(self.word(vec![first], depth)?)
                }
            }
            _ if self.is_any() => {
                self.at += 2;
                NodeKind::Any
            }
            _ => NodeKind::Word(self.word(Vec::new(), depth)?),
        };
        let repeat = self.ellipsis();
        if repeat {
            self.at += 3;
        }
        Ok(Node { kind, span: start.to(self.before()), repeat })
    }

    /// Pieces that touch, after those already read.
    fn word(&mut self, mut pieces: Vec<RawPiece>, depth: usize) -> Result<Vec<RawPiece>, FormError> {
        while !self.ends_word() && !self.ellipsis() {
            let start = self.here();
            match self.sign_at(0) {
                Some('<') => pieces.push(self.slot()?),
                Some('[' | '(') => {
                    let (optional, branches) = self.group(depth)?;
                    let span = start.to(self.before());
                    pieces.push(RawPiece::Group { optional, branches: touching_words(branches)?, span });
                }
                Some(sign @ ('>' | '}')) => return Err(self.error(start, format!("`{sign}` closes nothing"), Some(quoting(sign)))),
                _ => {
                    let value = self.peek().map_or(' ', |character| character.value);
                    self.at += 1;
                    match pieces.last_mut() {
                        Some(RawPiece::Text(text)) => text.push(value),
                        _ => pieces.push(RawPiece::Text(value.to_string())),
                    }
                }
            }
        }
        if pieces.is_empty() {
            return Err(self.error(self.here(), "a word is missing here", None));
        }
        Ok(pieces)
    }

    /// From `<` to `>`.
    fn slot(&mut self) -> Result<RawPiece, FormError> {
        let start = self.here();
        self.at += 1;
        let mut text = String::new();
        while self.sign_at(0) != Some('>') {
            let character = match self.peek() {
                Some(character) if character.quoted || !matches!(character.value, ' ' | '<' | '[' | ']' | '(' | ')') => *character,
                _ => {
                    return Err(self.error(
                        start,
                        "`<` without `>`",
                        Some("a slot is written <type> or <label:type>; a redirection has a space behind its sign".to_owned()),
                    ));
                }
            };
            text.push(character.value);
            self.at += 1;
        }
        self.at += 1;
        Ok(RawPiece::Slot { text, span: start.to(self.before()) })
    }

    /// From the opening to the closing bracket; every branch has something in it.
    fn group(&mut self, depth: usize) -> Result<(bool, Vec<Vec<Node>>), FormError> {
        let start = self.here();
        if depth == DEPTH {
            return Err(self.error(start, format!("groups are nested more than {DEPTH} deep"), None));
        }
        let optional = self.sign_at(0) == Some('[');
        let close = if optional { ']' } else { ')' };
        self.at += 1;
        let mut branches = Vec::new();
        loop {
            let branch = self.sequence_at(depth + 1)?;
            if branch.is_empty() {
                return Err(self.error(self.here(), "there is nothing in this place of the group", None));
            }
            branches.push(branch);
            match self.sign_at(0) {
                Some('|') => self.at += 1,
                Some(sign) if sign == close => break,
                _ => {
                    return Err(self.error(
                        start,
                        format!("this bracket is never closed by `{close}`"),
                        Some(quoting(if optional { '[' } else { '(' })),
                    ));
                }
            }
        }
        self.at += 1;
        Ok((optional, branches))
    }

    fn peek(&self) -> Option<&Char> {
        self.characters.get(self.at)
    }

    /// The sign `ahead` characters on, if it is one: quoted characters are none.
    fn sign_at(&self, ahead: usize) -> Option<char> {
        self.characters.get(self.at + ahead).filter(|character| !character.quoted).map(|character| character.value)
    }

    fn ends_word_at(&self, ahead: usize) -> bool {
        self.characters.get(self.at + ahead).is_none() || matches!(self.sign_at(ahead), Some(' ' | '|' | ']' | ')'))
    }

    fn ends_word(&self) -> bool {
        self.ends_word_at(0)
    }

    /// `...` at the end of something.
    fn ellipsis(&self) -> bool {
        (0..3).all(|ahead| self.sign_at(ahead) == Some('.')) && self.ends_word_at(3)
    }

    fn is_any(&self) -> bool {
        self.sign_at(0) == Some('*') && self.sign_at(1) == Some('*') && (self.ends_word_at(2))
    }

    fn redirect_sign(&self) -> Option<(RedirectSign, usize)> {
        let spaced = |length: usize| self.sign_at(length) == Some(' ');
        match (self.sign_at(0), self.sign_at(1)) {
            (Some('<'), _) if spaced(1) => Some((RedirectSign::Input, 1)),
            (Some('>'), _) if spaced(1) => Some((RedirectSign::Output, 1)),
            (Some('>'), Some('>')) if spaced(2) => Some((RedirectSign::Append, 2)),
            _ => None,
        }
    }

    fn here(&self) -> Span {
        match (self.peek(), self.characters.last()) {
            (Some(character), _) => character.span,
            (None, Some(last)) => Span { start: last.span.end, end: last.span.end },
            (None, None) => Span::default(),
        }
    }

    fn before(&self) -> Span {
        self.at.checked_sub(1).and_then(|at| self.characters.get(at)).map_or_else(Span::default, |character| character.span)
    }

    fn error(&self, span: Span, message: impl Into<String>, help: Option<String>) -> FormError {
        FormError { span, message: message.into(), help }
    }
}

fn quoting(sign: char) -> String {
    format!("write '{sign}' for the sign itself")
}

/// Turns the branches of a group that touches other pieces into pieces.
fn touching_words(branches: Vec<Vec<Node>>) -> Result<Vec<Vec<RawPiece>>, FormError> {
    branches.into_iter().map(touching_word).collect()
}

fn touching_word(branch: Vec<Node>) -> Result<Vec<RawPiece>, FormError> {
    let span = branch.iter().map(|node| node.span).reduce(Span::to).unwrap_or_default();
    let refuse = || FormError {
        span,
        message: "what touches is one word: there can be no space or repetition in this group".to_owned(),
        help: Some("set the group apart by spaces, or write the word out".to_owned()),
    };
    match <[Node; 1]>::try_from(branch) {
        Ok([Node { kind: NodeKind::Word(pieces), repeat: false, .. }]) => Ok(pieces),
        Ok([Node { kind: NodeKind::Group { optional, branches }, repeat: false, span }]) => {
            Ok(vec![RawPiece::Group { optional, branches: touching_words(branches)?, span }])
        }
        _ => Err(refuse()),
    }
}

/// A word of a form before its slots are looked up, and where it stands.
pub type RawWord<'n> = (&'n [RawPiece], Span);

/// `[< <type>]` and its like, as a node of its own.
pub fn redirect_of(node: &Node) -> Option<(RedirectSign, &[RawPiece], Span)> {
    let NodeKind::Group { optional: true, branches } = &node.kind else { return None };
    match branches.as_slice() {
        [branch] => match branch.as_slice() {
            [Node { kind: NodeKind::Redirect { sign, word }, .. }] => Some((*sign, word, node.span)),
            _ => None,
        },
        _ => None,
    }
}

/// The word of an optional branch that could be left out and be replaced by a slot behind it.
pub fn optional_word(branch: &[Node]) -> Option<(String, Span)> {
    let (first, behind) = branch.split_first()?;
    let valued = !behind.is_empty() && behind.iter().all(|node| matches!(&node.kind, NodeKind::Word(pieces) if is_slot_first(pieces)));
    match &first.kind {
        NodeKind::Word(pieces) if !valued && !is_dash(pieces) && !is_slot_first(pieces) && !is_text(pieces, "--") => {
            let text = pieces.iter().map(|piece| if let RawPiece::Text(text) = piece { text.as_str() } else { "" }).collect();
            Some((text, first.span))
        }
        NodeKind::Group { optional: false, branches } if !valued => branches.first().and_then(|branch| optional_word(branch)),
        _ => None,
    }
}

/// The branches as single words, if that is what they are, and whether one is repeated.
pub fn single_words(branches: &[Vec<Node>]) -> Option<(Vec<RawWord<'_>>, bool)> {
    let mut words = Vec::new();
    let mut repeats = false;
    for branch in branches {
        match branch.as_slice() {
            [Node { kind: NodeKind::Word(pieces), span, repeat }] if !is_dash(pieces) => {
                words.push((pieces.as_slice(), *span));
                repeats |= repeat;
            }
            [Node { kind: NodeKind::Group { optional: false, branches }, repeat, .. }] => {
                let (inner, inner_repeats) = single_words(branches)?;
                words.extend(inner);
                repeats |= repeat | inner_repeats;
            }
            _ => return None,
        }
    }
    Some((words, repeats))
}

/// Whether a word is an option: it begins with a dash, and is neither `-` nor `--`.
pub fn is_dash(pieces: &[RawPiece]) -> bool {
    matches!(pieces.first(), Some(RawPiece::Text(text)) if text.starts_with('-') && !(pieces.len() == 1 && (text == "-" || text == "--")))
}

/// Whether a word begins with a slot, in one of its alternatives at least.
pub fn is_slot_first(pieces: &[RawPiece]) -> bool {
    match pieces.first() {
        Some(RawPiece::Slot { .. }) => true,
        Some(RawPiece::Group { branches, .. }) => branches.iter().any(|branch| is_slot_first(branch)),
        _ => false,
    }
}

/// Whether a word is exactly this text.
pub fn is_text(pieces: &[RawPiece], wanted: &str) -> bool {
    matches!(pieces, [RawPiece::Text(text)] if text == wanted)
}

/// Text alone of letters, digits, `-` and `_`: what `l[ink]` shortens.
pub fn is_letters(pieces: &[RawPiece]) -> bool {
    matches!(pieces, [RawPiece::Text(text)] if text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'))
}

/// A piece as the form writes it.
pub fn written(piece: &RawPiece) -> String {
    match piece {
        RawPiece::Text(text) => text.clone(),
        RawPiece::Slot { text, .. } => format!("<{text}>"),
        RawPiece::Group { optional, branches, .. } => {
            let inner: Vec<String> = branches.iter().map(|branch| branch.iter().map(written).collect()).collect();
            let (open, close) = if *optional { ('[', ']') } else { ('(', ')') };
            format!("{open}{}{close}", inner.join("|"))
        }
    }
}
