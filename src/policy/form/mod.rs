//! The form language: from the text of a form to variants of segments.
//!
//! A form reads like the SYNOPSIS of a man page. `source` fills in its parts, `tree` reads it, `word` looks up its slots, `compile` means it: every branch that
//! holds words becomes variants, and each variant a row of segments, which are what `matching` runs words against. The split keeps matching
//! bounded: a segment is a set of options and a row of operands, nothing nested.

mod compile;
mod name;
mod source;
mod tree;
mod word;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::types::TypeDef;
use crate::words::Span;

pub use name::{Name, NameKind, Style};

/// What a form may refer to by name.
pub struct Catalog<'a> {
    pub parts: &'a BTreeMap<String, String>,
    pub types: &'a BTreeMap<String, TypeDef>,
}

/// A mistake in a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormError {
    /// Bytes of the form's text; of a mistake inside a part, the `{name}` that brought it in.
    pub span: Span,
    pub message: String,
    pub help: Option<String>,
}

/// A compiled form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    /// As the policy writes it.
    pub text: String,
    /// The same with its parts filled in, where it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filled: Option<String>,
    /// The command word.
    pub command: String,
    /// The types of its slots, which name them by index.
    pub types: Vec<TypeDef>,
    pub variants: Vec<Variant>,
    /// What `< FILE`, `> FILE` and `>> FILE` take, where the form ends in such a redirection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Slot>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Slot>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub append: Option<Slot>,
    /// One-letter options neither cluster nor take a value attached.
    pub exact: bool,
}

/// One reading of a form: segments in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    pub segments: Vec<Segment>,
}

/// The words from one keyword to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The keyword that begins it, in its alternatives; empty for the first segment, which the command word begins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keyword: Vec<Pattern>,
    /// Options in any order, also between operands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<OptionGroup>,
    /// Operands in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operands: Vec<Operand>,
    /// `**`: any other word, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub any: bool,
    /// `[--]`: everything behind `--` is an operand.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub terminator: bool,
}

/// Options that exclude one another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptionGroup {
    pub choices: Vec<Choice>,
    /// One of them must occur.
    pub required: bool,
    /// They may occur more than once.
    pub repeat: bool,
}

/// One option under all its names, with the values that it takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    pub names: Vec<Name>,
    /// One for each word of the value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Operand>,
}

/// A place for a word that is no option: any of the patterns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operand {
    pub patterns: Vec<Pattern>,
    pub required: bool,
    pub repeat: bool,
}

/// What one word looks like: pieces that touch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pattern {
    pub pieces: Vec<Piece>,
    /// As the form writes it, for messages.
    pub text: String,
}

/// A piece of a word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Piece {
    Text(String),
    Slot(Slot),
    /// Any beginning of this text: the `ink` of `l[ink]`.
    Beginning(String),
    Optional(Vec<Piece>),
    OneOf(Vec<Vec<Piece>>),
}

/// A `<type>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Index into the form's types.
    pub definition: u32,
    /// `<kind,...>`: a comma list, checked element by element.
    pub list: bool,
    /// As the form writes it: `<unit>`.
    pub text: String,
}

impl Form {
    /// Compiles the text of an `allow` or `deny` form; `exact` is the rule's `options: exact`. Returns every mistake found.
    pub fn parse(text: &str, catalog: &Catalog<'_>, exact: bool) -> Result<Form, Vec<FormError>> {
        let characters = source::fill_in(text, catalog.parts).map_err(|error| vec![error])?;
        let nodes = tree::parse(&characters)?;
        let filled = source::written(&characters);
        let form = compile::compile(text, &nodes, catalog, exact)?;
        Ok(Form { filled: (filled != text).then_some(filled), ..form })
    }

    /// Its text for people, who have no parts to look up.
    pub fn written(&self) -> &str {
        self.filled.as_deref().unwrap_or(&self.text)
    }

    /// The type of a slot; `None` only in a damaged form.
    pub fn definition(&self, slot: &Slot) -> Option<&TypeDef> {
        self.types.get(slot.definition as usize)
    }

    /// The words of its own: keywords, names of options, literal values.
    pub fn words(&self) -> Vec<&str> {
        let segments = self.variants.iter().flat_map(|variant| &variant.segments);
        segments.flat_map(Segment::patterns).filter_map(Pattern::literal).collect()
    }

    /// The names of the slots that words of a line can be taken by, each once.
    pub fn slot_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        let segments = self.variants.iter().flat_map(|variant| &variant.segments);
        for slot in segments.flat_map(Segment::patterns).flat_map(Pattern::slots) {
            if !names.contains(&slot.name()) {
                names.push(slot.name());
            }
        }
        names
    }

    /// The path globs of the policy's own path types that its slots and redirections have, each once.
    pub fn roots(&self) -> Vec<String> {
        let mut roots: Vec<String> = Vec::new();
        for glob in self.types.iter().flat_map(TypeDef::roots) {
            if !roots.contains(glob) {
                roots.push(glob.clone());
            }
        }
        roots
    }
}

impl Segment {
    /// Every pattern of it: keywords, names, values, operands.
    pub fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        let choices = || self.options.iter().flat_map(|group| &group.choices);
        let names = choices().flat_map(|choice| &choice.names).map(|name| &name.pattern);
        let operands = choices().flat_map(|choice| &choice.values).chain(&self.operands);
        self.keyword.iter().chain(names).chain(operands.flat_map(|operand| &operand.patterns))
    }
}

impl Slot {
    /// Its label, or its type where it has none.
    pub fn name(&self) -> &str {
        let inner = self.text.trim_start_matches('<').trim_end_matches('>');
        let inner = inner.strip_suffix(",...").unwrap_or(inner);
        inner.split_once(':').map_or(inner, |(label, _)| label)
    }
}

impl Pattern {
    /// The slots in it.
    fn slots(&self) -> Vec<&Slot> {
        fn of(piece: &Piece) -> Vec<&Slot> {
            match piece {
                Piece::Slot(slot) => vec![slot],
                Piece::Optional(inner) => inner.iter().flat_map(of).collect(),
                Piece::OneOf(branches) => branches.iter().flatten().flat_map(of).collect(),
                Piece::Text(_) | Piece::Beginning(_) => Vec::new(),
            }
        }
        self.pieces.iter().flat_map(of).collect()
    }

    /// The one word that this pattern takes, if it takes just one.
    pub fn literal(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The longest word that this pattern takes, where it takes a word and its beginnings: `link` of `l[ink]`.
    pub fn full_word(&self) -> Option<String> {
        match self.pieces.as_slice() {
            [Piece::Text(text)] => Some(text.clone()),
            [Piece::Text(text), Piece::Beginning(rest)] => Some(format!("{text}{rest}")),
            _ => None,
        }
    }

    /// The text that every match begins with.
    pub fn prefix(&self) -> &str {
        match self.pieces.first() {
            Some(Piece::Text(text)) => text,
            _ => "",
        }
    }

    /// Whether this is a word of the form's own, rather than a slot.
    pub fn is_word(&self) -> bool {
        matches!(self.pieces.first(), Some(Piece::Text(_)))
    }
}
