//! The words of a form: pieces that touch, and the slots among them looked up.

use super::tree::{RawPiece, is_letters, written};
use super::{Catalog, FormError, Pattern, Piece, Slot};
use crate::policy::types::{BUILT_IN, TypeDef};
use crate::words::{Span, suggest};

/// Makes patterns of words, and keeps the types that they name and the mistakes in them.
pub struct Words<'a> {
    catalog: &'a Catalog<'a>,
    pub types: Vec<TypeDef>,
    pub errors: Vec<FormError>,
}

impl<'a> Words<'a> {
    pub fn new(catalog: &'a Catalog<'a>) -> Words<'a> {
        Words { catalog, types: Vec::new(), errors: Vec::new() }
    }

    pub fn fail(&mut self, span: Span, message: impl Into<String>, help: Option<&str>) {
        self.errors.push(FormError { span, message: message.into(), help: help.map(str::to_owned) });
    }

    /// A word as a pattern.
    pub fn pattern(&mut self, pieces: &[RawPiece], span: Span) -> Pattern {
        let text = pieces.iter().map(written).collect();
        let pieces = self.pieces(pieces);
        if let Some(message) = ambiguous(&pieces) {
            self.fail(span, message, Some("put a sign between them, or define one type for the whole word"));
        }
        Pattern { pieces, text }
    }

    /// A pattern whose mistakes are reported when it is compiled in its place.
    pub fn pattern_quietly(&mut self, pieces: &[RawPiece]) -> Pattern {
        let errors = self.errors.len();
        let pattern = self.pattern(pieces, Span::default());
        self.errors.truncate(errors);
        pattern
    }

    fn pieces(&mut self, pieces: &[RawPiece]) -> Vec<Piece> {
        let last = pieces.len().saturating_sub(1);
        let mut made = Vec::new();
        for (index, piece) in pieces.iter().enumerate() {
            made.push(match piece {
                RawPiece::Text(text) => Piece::Text(text.clone()),
                RawPiece::Slot { text, span } => Piece::Slot(self.slot(text, *span)),
                RawPiece::Group { optional: true, branches, .. } => match (branches.as_slice(), index) {
                    ([only], 1) if index == last && is_letters(only) && matches!(pieces.first(), Some(RawPiece::Text(_))) => {
                        Piece::Beginning(only.iter().map(written).collect())
                    }
                    ([only], _) => Piece::Optional(self.pieces(only)),
                    _ => Piece::Optional(vec![Piece::OneOf(branches.iter().map(|branch| self.pieces(branch)).collect())]),
                },
                RawPiece::Group { branches, .. } => Piece::OneOf(branches.iter().map(|branch| self.pieces(branch)).collect()),
            });
        }
        made
    }

    /// Looks up what stands between `<` and `>`.
    fn slot(&mut self, content: &str, span: Span) -> Slot {
        let (inner, list) = content.strip_suffix(",...").map_or((content, false), |inner| (inner, true));
        let is_label = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        let (label, specification) = match inner.split_once(':') {
            Some((label, specification)) if is_label(label) => (Some(label), specification),
            _ => (None, inner),
        };
        let shown = label.filter(|_| self.named(specification).is_some()).unwrap_or(inner);
        let text = format!("<{shown}{}>", if list { ",..." } else { "" });
        let definition = match self.definition(specification) {
            Ok(definition) => definition,
            Err((message, help)) => {
                self.errors.push(FormError { span, message, help });
                TypeDef::one_of(Vec::new())
            }
        };
        let known = self.types.iter().position(|existing| *existing == definition);
        let index = known.unwrap_or_else(|| {
            self.types.push(definition);
            self.types.len() - 1
        });
        Slot { definition: u32::try_from(index).unwrap_or(u32::MAX), list, text }
    }

    fn named(&self, name: &str) -> Option<TypeDef> {
        self.catalog.types.get(name).cloned().or_else(|| TypeDef::built_in(name))
    }

    fn definition(&self, specification: &str) -> Result<TypeDef, (String, Option<String>)> {
        if let Some(definition) = self.named(specification) {
            return Ok(definition);
        }
        if specification.contains("..") {
            return TypeDef::range(specification).map_err(|message| (message, None));
        }
        if specification.contains('|') {
            let words: Vec<String> = specification.split('|').map(str::to_owned).collect();
            return match words.iter().any(String::is_empty) {
                true => Err((format!("`{specification}` has an empty choice"), None)),
                false => Ok(TypeDef::one_of(words)),
            };
        }
        let known = self.catalog.types.keys().map(String::as_str).chain(BUILT_IN);
        let help = suggest::nearest(specification, known)
            .map_or_else(|| "define it under `types:`, or write <label:type>".to_owned(), |near| format!("did you mean `<{near}>`?"));
        Err((format!("there is no type `{specification}`"), Some(help)))
    }
}

/// A slot must end at a text of the form, or nobody knows which part of a word it takes.
fn ambiguous(pieces: &[Piece]) -> Option<&'static str> {
    let starts_with_text = |piece: &Piece| match piece {
        Piece::Text(_) => true,
        Piece::Slot(_) | Piece::Beginning(_) => false,
        Piece::Optional(inner) => matches!(inner.first(), Some(Piece::Text(_))),
        Piece::OneOf(branches) => branches.iter().all(|branch| matches!(branch.first(), Some(Piece::Text(_)))),
    };
    let ends_with_slot = |piece: &Piece| {
        matches!(piece, Piece::Slot(_)) || matches!(piece, Piece::Optional(inner) if matches!(inner.last(), Some(Piece::Slot(_))))
    };
    let touching = pieces.windows(2).any(|pair| matches!(pair, [first, second] if ends_with_slot(first) && !starts_with_text(second)));
    let nested = pieces.iter().find_map(|piece| match piece {
        Piece::Optional(inner) => ambiguous(inner),
        Piece::OneOf(branches) => branches.iter().find_map(|branch| ambiguous(branch)),
        _ => None,
    });
    touching.then_some("two slots touch, so that nobody knows where the first ends").or(nested)
}
