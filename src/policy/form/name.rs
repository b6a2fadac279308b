//! The names of options.

use serde::{Deserialize, Serialize};

use super::{Pattern, Piece, Slot};

/// One name of an option.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Name {
    pub pattern: Pattern,
    pub kind: NameKind,
    pub style: Style,
}

/// What kind of word a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NameKind {
    /// `-n`
    Short,
    /// `--lines`
    Long,
    /// `-name`
    OneDash,
    /// `dev`
    Bare,
    /// A whole word with slots in it: `-<n>`, `if=<file>`, `@<server>`.
    Shape,
}

/// How a name takes its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// `-n <v>`: in the next word, or attached: `-n5`, `--lines=5`.
    Free,
    /// `-n<v>`, `--lines=<v>`.
    Attached,
    /// `-n[<v>]`, `--lines[=<v>]`.
    AttachedOrNone,
}

impl Name {
    /// Reads a word of a form as the name of an option; the second is the slot that touches it.
    pub fn of(pattern: Pattern) -> (Name, Option<Slot>) {
        let touching = touching_value(&pattern.pieces);
        let (pieces, style, slot) = match touching {
            Some((name, style, slot)) => (vec![Piece::Text(name)], style, Some(slot)),
            None => (pattern.pieces.clone(), Style::Free, None),
        };
        let kind = kind_of(&pieces);
        let text = if slot.is_some() { String::new() } else { pattern.text.clone() };
        match (kind, slot) {
            // `--lines<v>`, `-name<v>`: a word of a shape of its own.
            (NameKind::Shape, _) => (Name { pattern, kind: NameKind::Shape, style: Style::Free }, None),
            (_, Some(slot)) => {
                let text = pieces.iter().map(|piece| if let Piece::Text(text) = piece { text.as_str() } else { "" }).collect();
                (Name { pattern: Pattern { pieces, text }, kind, style }, Some(slot))
            }
            (_, None) => (Name { pattern: Pattern { pieces, text }, kind, style }, None),
        }
    }

    /// The letter of a one-letter option.
    pub fn letter(&self) -> Option<char> {
        match (self.kind, self.pattern.literal()) {
            (NameKind::Short, Some(text)) => text.chars().nth(1),
            _ => None,
        }
    }

    /// Whether a form with this name cannot cluster: one dash and several letters.
    pub fn forbids_clusters(&self) -> bool {
        let prefix = self.pattern.prefix();
        let letters = prefix
            .strip_prefix('-')
            .filter(|rest| !rest.starts_with('-'))
            .map_or(0, |rest| rest.chars().filter(char::is_ascii_alphabetic).count());
        self.kind == NameKind::OneDash || self.kind == NameKind::Shape && letters > 1
    }
}

/// The value that touches a name, as `-n<v>`, `--lines=<v>`, `-n[<v>]` and `--lines[=<v>]` write it.
fn touching_value(pieces: &[Piece]) -> Option<(String, Style, Slot)> {
    let is_short = |name: &str| name.chars().count() == 2 && name.starts_with('-') && name != "--";
    let is_long = |name: &str| name.starts_with("--") && name.len() > 2;
    match pieces {
        [Piece::Text(name), Piece::Slot(slot)] if is_short(name) => Some((name.clone(), Style::Attached, slot.clone())),
        [Piece::Text(name), Piece::Slot(slot)] => {
            let name = name.strip_suffix('=').filter(|name| is_long(name))?;
            Some((name.to_owned(), Style::Attached, slot.clone()))
        }
        [Piece::Text(name), Piece::Optional(inner)] => match inner.as_slice() {
            [Piece::Slot(slot)] if is_short(name) => Some((name.clone(), Style::AttachedOrNone, slot.clone())),
            [Piece::Text(sign), Piece::Slot(slot)] if sign == "=" && is_long(name) => {
                Some((name.clone(), Style::AttachedOrNone, slot.clone()))
            }
            _ => None,
        },
        _ => None,
    }
}

fn kind_of(pieces: &[Piece]) -> NameKind {
    match pieces {
        [Piece::Text(text)] | [Piece::Text(text), Piece::Beginning(_)] => {
            let whole = pieces.len() == 1;
            match text.strip_prefix('-') {
                None => NameKind::Bare,
                Some(rest) if rest.starts_with('-') => NameKind::Long,
                Some(rest) if whole && rest.chars().count() == 1 => NameKind::Short,
                Some(_) => NameKind::OneDash,
            }
        }
        _ => NameKind::Shape,
    }
}
