//! One name against one glob (XCU 2.13), by characters.

use serde::{Deserialize, Serialize};

use super::bracket::Bracket;

/// A part of a glob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Glyph {
    Literal(char),
    /// `*`.
    AnyText,
    /// `?`.
    AnyCharacter,
    OneOf(Bracket),
}

impl Glyph {
    fn accepts(&self, character: char) -> bool {
        match self {
            Glyph::Literal(literal) => *literal == character,
            Glyph::AnyText | Glyph::AnyCharacter => true,
            Glyph::OneOf(bracket) => bracket.contains(character),
        }
    }
}

/// Whether the whole of `name` matches. A dot at its start is matched by a literal dot only.
/// Steps: at most the product of both lengths, because only the latest `*` is ever widened.
pub(super) fn matches(glob: &[Glyph], name: &str) -> bool {
    if name.starts_with('.') && glob.first() != Some(&Glyph::Literal('.')) {
        return false;
    }
    let (mut glyphs, mut rest) = (glob, name);
    let mut latest: Option<(&[Glyph], &str)> = None;
    loop {
        let mut characters = rest.chars();
        let next = characters.next();
        match (glyphs.split_first(), next) {
            (Some((Glyph::AnyText, after)), _) => {
                latest = Some((after, rest));
                glyphs = after;
            }
            (Some((glyph, after)), Some(character)) if glyph.accepts(character) => {
                glyphs = after;
                rest = characters.as_str();
            }
            (None, None) => return true,
            _ => {
                let Some((after, from)) = latest else { return false };
                let mut widened = from.chars();
                if widened.next().is_none() {
                    return false;
                }
                latest = Some((after, widened.as_str()));
                (glyphs, rest) = (after, widened.as_str());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(text: &str) -> Vec<Glyph> {
        let mut glyphs = Vec::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let (glyph, length) = match (character, Bracket::read(rest, 0)) {
                ('*', _) => (Glyph::AnyText, 1),
                ('?', _) => (Glyph::AnyCharacter, 1),
                ('[', Ok(Some((bracket, length)))) => (Glyph::OneOf(bracket), length),
                _ => (Glyph::Literal(character), character.len_utf8()),
            };
            glyphs.push(glyph);
            rest = &rest[length..];
        }
        glyphs
    }

    #[test]
    fn a_glob_takes_whole_names() {
        for (pattern, taken, left) in [
            ("*", &["a", "-", "é", "a b"][..], &[".a", ".", ".."][..]),
            ("?", &["a", "é"], &["", "ab", "."]),
            ("*.log", &["a.log", "a.log.log", "-.log"], &[".log", "a.logs"]),
            ("a*b*c", &["abc", "axbxc", "abbcc", "a*b*c"], &["ab", "acb", "abcd"]),
            (".[!.]*", &[".a", ".a."], &["..", ".", "a", "..a"]),
            ("[0-9]*", &["1", "12x"], &["x1", ""]),
            ("**x", &["x", "axx"], &["y"]),
        ] {
            let glyphs = glob(pattern);
            for name in taken {
                assert!(matches(&glyphs, name), "{pattern} takes {name:?}");
            }
            for name in left {
                assert!(!matches(&glyphs, name), "{pattern} leaves {name:?}");
            }
        }
    }

    #[test]
    fn a_glob_of_many_stars_ends_soon() {
        let (stars, name) = ("*a".repeat(1000) + "b", "a".repeat(255));
        assert!(!matches(&glob(&stars), &name));
    }
}
