//! UTF-8, a byte at a time. What is invalid ends where `String::from_utf8_lossy` ends it (Unicode 16, 3.9, "maximal subpart").

/// The beginning of a character of several bytes.
#[derive(Clone, Copy)]
pub(super) struct Partial {
    /// The bits so far.
    code: u32,
    /// Bytes that are still to come.
    missing: u8,
    /// What the next byte may be.
    low: u8,
    high: u8,
}

/// What a further byte made of it.
pub(super) enum Step {
    More(Partial),
    Done(char),
    /// The byte is no part of it.
    Invalid,
}

impl Partial {
    /// The character that begins with `byte`; `None` where none does.
    pub fn begin(byte: u8) -> Option<Partial> {
        // The second byte is bound where the first alone would allow an overlong form, a surrogate, or more than U+10FFFF.
        let (missing, low, high) = match byte {
            0xc2..=0xdf => (1, 0x80, 0xbf),
            0xe0 => (2, 0xa0, 0xbf),
            0xed => (2, 0x80, 0x9f),
            0xe1..=0xef => (2, 0x80, 0xbf),
            0xf0 => (3, 0x90, 0xbf),
            0xf1..=0xf3 => (3, 0x80, 0xbf),
            0xf4 => (3, 0x80, 0x8f),
            _ => return None,
        };
        Some(Partial { code: u32::from(byte) & (0x3f >> missing), missing, low, high })
    }

    pub fn step(self, byte: u8) -> Step {
        if !(self.low..=self.high).contains(&byte) {
            return Step::Invalid;
        }
        let code = self.code << 6 | u32::from(byte & 0x3f);
        match (self.missing, char::from_u32(code)) {
            (1, Some(character)) => Step::Done(character),
            (1, None) => Step::Invalid,
            (missing, _) => Step::More(Partial { code, missing: missing - 1, low: 0x80, high: 0xbf }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_is_read_back() {
        for character in (0x80..=0x10ffff).filter_map(char::from_u32) {
            let mut bytes = [0; 4];
            let bytes = character.encode_utf8(&mut bytes).as_bytes();
            let mut partial = Partial::begin(bytes[0]).unwrap();
            for (at, byte) in bytes.iter().enumerate().skip(1) {
                match partial.step(*byte) {
                    Step::More(more) => partial = more,
                    Step::Done(done) => assert!(done == character && at + 1 == bytes.len()),
                    Step::Invalid => panic!("{character:?}"),
                }
            }
        }
    }
}
