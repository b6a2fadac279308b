//! Hostile bytes made safe to show, and the characters that no line and no policy may hold.
//!
//! One table decides what is refused in input and what is made visible in output, so that the two cannot drift apart:
//! whatever [`hazard`] names is refused by the parser and the policy loader, and shown by [`Safe`] as `<U+202E>`.

use std::fmt::{self, Display, Formatter, Write};

/// Why a character may not stand in a command line or a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hazard {
    /// U+0000.
    Nul,
    /// C0, DEL and C1: terminals act on them.
    Control,
    /// Reorders what is shown (UAX #9 embeddings, overrides, isolates and marks).
    Bidi,
    /// Shows as nothing, or as a space that is none: zero width, fillers, tags, variation selectors, private use.
    Invisible,
}

impl Display for Hazard {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Hazard::Nul => "a NUL",
            Hazard::Control => "a control character",
            Hazard::Bidi => "a character that changes the direction of text",
            Hazard::Invisible => "an invisible character",
        })
    }
}

/// What is wrong with a character, if anything is.
/// Sources: UAX #9 (bidi), UAX #44 `Default_Ignorable_Code_Point` and general category Zs, Zl, Zp, Co (Unicode 16).
pub fn hazard(character: char) -> Option<Hazard> {
    match character {
        '\0' => Some(Hazard::Nul),
        '\u{1}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => Some(Hazard::Control),
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => Some(Hazard::Bidi),
        '\u{a0}'
        | '\u{ad}'
        | '\u{34f}'
        | '\u{115f}'..='\u{1160}'
        | '\u{1680}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{2000}'..='\u{200d}'
        | '\u{2028}'..='\u{2029}'
        | '\u{202f}'
        | '\u{205f}'..='\u{2065}'
        | '\u{206a}'..='\u{206f}'
        | '\u{2800}'
        | '\u{3000}'
        | '\u{3164}'
        | '\u{e000}'..='\u{f8ff}'
        | '\u{fdd0}'..='\u{fdef}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{fffe}'..='\u{ffff}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{10ffff}' => Some(Hazard::Invisible),
        other if (other as u32) & 0xfffe == 0xfffe => Some(Hazard::Invisible),
        _ => None,
    }
}

/// Shows bytes from anywhere on a terminal or in a message: what is harmless as it is, the rest as `^[`, `<U+202E>` or `<ff>`.
pub struct Safe<'a>(pub &'a [u8]);

impl Display for Safe<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            chunk.valid().chars().try_for_each(|character| show(f, character))?;
            chunk.invalid().iter().try_for_each(|byte| write!(f, "<{byte:02x}>"))?;
        }
        Ok(())
    }
}

/// One character as [`Safe`] shows it.
pub fn show(out: &mut impl Write, character: char) -> fmt::Result {
    match (hazard(character), character as u32) {
        (None, _) => out.write_char(character),
        (Some(_), code @ 0..=0x1f) => write!(out, "^{}", char::from(code as u8 ^ 0x40)),
        (Some(_), 0x7f) => out.write_str("^?"),
        (Some(_), code) => write!(out, "<U+{code:04X}>"),
    }
}

/// An argv as one line that can be pasted into a POSIX shell.
pub fn pasteable<'a>(argv: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = argv
        .into_iter()
        .map(|word| shlex::try_quote(word).map_or_else(|_| Safe(word.as_bytes()).to_string(), |quoted| Safe(quoted.as_bytes()).to_string()))
        .collect();
    quoted.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_shown_raw() {
        for (bytes, shown) in [
            (&b"plain text, \xc3\xa9"[..], "plain text, é"),
            (b"\x1b[2J", "^[[2J"),
            (b"a\0b\x7f", "a^@b^?"),
            (b"\xff\xfe", "<ff><fe>"),
            ("x\u{202e}y\u{200b}\u{9b}".as_bytes(), "x<U+202E>y<U+200B><U+009B>"),
            ("\u{e0041}\u{1ffff}".as_bytes(), "<U+E0041><U+1FFFF>"),
        ] {
            assert_eq!(Safe(bytes).to_string(), shown);
        }
    }

    #[test]
    fn pasteable_words_survive_a_shell() {
        assert_eq!(pasteable(["grep", "a b", "it's"]), r#"grep 'a b' "it's""#);
    }
}
