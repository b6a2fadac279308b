//! Sets of bytes, made when the program is compiled.

/// Which of the 256 bytes are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Set([u64; 4]);

impl Set {
    pub(super) const NONE: Set = Set([0; 4]);

    /// The bytes of `text`; `a-z` in it is a range, a `-` at its end is itself.
    #[allow(clippy::indexing_slicing, reason = "only ever evaluated by the compiler")]
    pub(super) const fn of(text: &str) -> Set {
        let (text, mut set, mut at) = (text.as_bytes(), Set::NONE, 0);
        while at < text.len() {
            let is_range = at + 2 < text.len() && text[at + 1] == b'-';
            let (first, last) = (text[at], if is_range { text[at + 2] } else { text[at] });
            let mut byte = first;
            while byte <= last {
                set.0[(byte >> 6) as usize] |= 1 << (byte & 63);
                byte += 1;
            }
            at += if is_range { 3 } else { 1 };
        }
        set
    }

    pub(super) const fn and(self, other: Set) -> Set {
        let (Set([a, b, c, d]), Set([e, f, g, h])) = (self, other);
        Set([a | e, b | f, c | g, d | h])
    }

    pub(super) const fn not(self) -> Set {
        let Set([a, b, c, d]) = self;
        Set([!a, !b, !c, !d])
    }

    #[allow(clippy::indexing_slicing, reason = "a byte shifted by six is below four")]
    pub(super) const fn has(&self, byte: u8) -> bool {
        self.0[(byte >> 6) as usize] >> (byte & 63) & 1 == 1
    }

    /// How many bytes at the beginning of `text` are in.
    pub(super) fn span(&self, text: &[u8]) -> usize {
        text.iter().position(|byte| !self.has(*byte)).unwrap_or(text.len())
    }
}

pub(super) const DIGIT: Set = Set::of("0-9");
pub(super) const UPPER: Set = Set::of("A-Z");
pub(super) const LOWER: Set = Set::of("a-z");
pub(super) const LETTER: Set = UPPER.and(LOWER);
pub(super) const ALNUM: Set = LETTER.and(DIGIT);
pub(super) const WORD: Set = ALNUM.and(Set::of("_"));
pub(super) const HEX: Set = Set::of("0-9a-fA-F");
pub(super) const BASE64: Set = ALNUM.and(Set::of("+/"));
/// RFC 4648, section 5.
pub(super) const BASE64URL: Set = WORD.and(Set::of("-"));
/// Between words of a line. NUL stands between the words of an argument list, see `redact_words`.
pub(super) const BLANK: Set = Set::of(" \t\0");
pub(super) const CONTROL: Set = Set::of("\0-\x1f\x7f");
pub(super) const SPACE: Set = CONTROL.and(Set::of(" "));
pub(super) const QUOTE: Set = Set::of("\"'");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_its_ranges_and_single_bytes() {
        let set = Set::of("a-cX-");
        let found: Vec<u8> = (0..=255).filter(|byte| set.has(*byte)).collect();
        assert_eq!(found, b"-Xabc");
        assert!((0..=255).all(|byte| set.has(byte) != set.not().has(byte)));
        assert_eq!(set.span(b"cab-!a"), 4);
        assert!(CONTROL.has(0x1b) && CONTROL.has(0) && !CONTROL.has(b' ') && !SPACE.has(0x80));
    }
}
