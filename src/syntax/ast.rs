//! The tree of a line, before expansion.

use super::bracket::Bracket;
use super::request::Connector;
use crate::words::Span;

/// A parsed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The line as typed; every span of the tree points into it.
    pub line: String,
    /// Pipelines in order; empty for a blank line or a comment.
    pub pipelines: Vec<Pipeline>,
}

/// Commands joined by pipes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    pub connector: Connector,
    /// `!` before it.
    pub negated: bool,
    /// Never empty.
    pub commands: Vec<Command>,
}

/// A simple command: words and redirections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Never empty; the first is the command word, which is made of text alone.
    pub words: Vec<Word>,
    /// In the order written.
    pub redirections: Vec<Redirection>,
}

/// A redirection before its file name is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirection {
    pub target: Target,
    /// The operator and its file name.
    pub span: Span,
}

/// What a redirection does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `2>&1`.
    ErrorToOutput,
    /// `2> /dev/null`: the only file that descriptor 2 may go to.
    ErrorToNull,
    /// `< FILE`.
    Input(Word),
    /// `> FILE`, or `>> FILE` with `append`.
    Output { file: Word, append: bool },
}

/// A word as written: what it is made of, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Never empty; `''` is one quoted piece of no text.
    pub pieces: Vec<Piece>,
    pub span: Span,
}

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub kind: PieceKind,
    /// Where it was written, with its quotes.
    pub span: Span,
}

/// What a part of a word is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PieceKind {
    /// Text, its quotes and backslashes removed.
    Text { text: String, quoted: bool },
    /// `~` at the start of a word.
    Home,
    /// `$?`.
    Status { quoted: bool },
    /// `$NAME`.
    Constant { name: String, quoted: bool },
    /// `*`.
    AnyText,
    /// `?`.
    AnyCharacter,
    /// `[…]`.
    OneOf(Bracket),
}

impl Script {
    /// The line's only command, when the line is one command: no pipe, no list, no `!`.
    pub fn single(&self) -> Option<&Command> {
        match self.pipelines.as_slice() {
            [Pipeline { negated: false, commands, .. }] => match commands.as_slice() {
                [command] => Some(command),
                _ => None,
            },
            _ => None,
        }
    }

    /// The command word of a line that is one command without redirections: what may name a builtin.
    pub fn builtin(&self) -> Option<String> {
        self.single().filter(|command| command.redirections.is_empty())?.words.first()?.literal()
    }

    /// The first pipeline and the rest, each as a script of its own on the same line; `None` when there is no rest.
    /// The rest's first pipeline keeps its connector, which says on what condition it runs. So `cd DIR && …` can be
    /// applied first, and the rest be expanded in the new directory.
    pub fn split_first(&self) -> Option<(Script, Script)> {
        let (first, rest) = self.pipelines.split_first()?;
        let part = |pipelines: Vec<Pipeline>| Script { line: self.line.clone(), pipelines };
        (!rest.is_empty()).then(|| (part(vec![first.clone()]), part(rest.to_vec())))
    }
}

impl Word {
    /// The text of a word that needs no expansion.
    pub fn literal(&self) -> Option<String> {
        self.pieces.iter().map(Piece::text).collect()
    }

    /// Whether it holds `*`, `?` or `[…]`.
    pub fn is_pattern(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece.kind, PieceKind::AnyText | PieceKind::AnyCharacter | PieceKind::OneOf(_)))
    }
}

impl Piece {
    fn text(&self) -> Option<&str> {
        match &self.kind {
            PieceKind::Text { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether it was written in quotes or behind a backslash.
    pub(super) fn is_quoted(&self) -> bool {
        match self.kind {
            PieceKind::Text { quoted, .. } | PieceKind::Status { quoted } | PieceKind::Constant { quoted, .. } => quoted,
            PieceKind::Home | PieceKind::AnyText | PieceKind::AnyCharacter | PieceKind::OneOf(_) => false,
        }
    }
}
