//! Blocks of key material: PEM, OpenSSH, OpenPGP, PuTTY.
//!
//! A block is words of base64 between blanks, line ends (`\r\n`, and `\n` as in JSON) and what may stand before a line, as numbers and signs of
//! quotation. It ends where its end is announced; or before what cannot be a part of it, because `head -3` of a key must not hide what
//! comes next. A long word is surely key. A short one is, if the end of the block follows.

use super::set::{BASE64, DIGIT, SPACE, Set};

pub(super) const MATERIAL: Set = BASE64.and(Set::of("="));
/// Between words, and in the headers of a block.
const BETWEEN: Set = SPACE.and(Set::of("\\\"'`,:|>().#;_-"));
/// A word so long is key.
const LONG: usize = 20;

/// Digits in the number of a line.
const NUMBER: usize = 6;

/// What is next in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It depends on what comes.
    More,
    /// Key, behind so many bytes that may be or not: from, to.
    Key(usize, usize),
    /// All words before the announced end are key; where the first begins and the last ends.
    Announced(usize, usize),
    /// It ended before.
    Ended,
}

pub(super) fn next(text: &[u8], end: bool) -> Next {
    let more = if end { Next::Ended } else { Next::More };
    let (mut at, mut first, mut last) = (0, None, 0);
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let Some(byte) = rest.first() else { return more };
        let word = MATERIAL.span(rest);
        if let Some(announced) = announcement(rest, end) {
            return match announced {
                Announcement::Partial => more,
                Announcement::End => Next::Announced(first.unwrap_or(last), last),
                Announcement::Other => Next::Ended,
            };
        }
        if word >= LONG {
            return Next::Key(first.unwrap_or(at), at + word);
        }
        if word > 0 {
            if word == rest.len() && !end {
                return Next::More;
            }
            // Few digits are the number of a line.
            if word > NUMBER || DIGIT.span(rest) < word {
                first.get_or_insert(at);
                last = at + word;
            }
            at += word;
        } else if *byte == b'\\' {
            match rest.get(1) {
                None => return more,
                Some(b'n' | b'r' | b't') => at += 2,
                Some(_) => at += 1,
            }
        } else if BETWEEN.has(*byte) && *byte != 0 && *byte != 0x1b {
            at += 1;
        } else {
            return Next::Ended;
        }
    }
}

enum Announcement {
    Partial,
    End,
    Other,
}

/// Whether the end of a block stands here.
fn announcement(text: &[u8], end: bool) -> Option<Announcement> {
    for (word, is_end) in
        [(&b"-----END"[..], true), (b"---- END", true), (b"Private-MAC", true), (b"Private-Hash", true), (b"-----BEGIN", false)]
    {
        if text.starts_with(word) {
            return Some(if is_end { Announcement::End } else { Announcement::Other });
        }
        if word.starts_with(text) && !end {
            return Some(Announcement::Partial);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_are_key_and_short_ones_before_an_end() {
        for (text, expected) in [
            (&b"\nMIIEowIBAAKCAQEAxyz0\n"[..], Next::Key(1, 21)),
            (b"\n  12  MIIEowIBAAKCAQEAxyz0", Next::Key(7, 27)),
            (b"\\nMIIEowIBAAKCAQEAxyz0\\n", Next::Key(2, 22)),
            (b"\nMIIE\nabc=\n-----END RSA", Next::Announced(1, 10)),
            (b"\nMIIE\nPrivate-MAC: 12", Next::Announced(1, 5)),
            (b"\n-----END", Next::Announced(0, 0)),
            (b"\nMIIE\n-----E", Next::More),
            (b"\nMIIE", Next::More),
            (b"\na.pem:-----BEGIN", Next::Ended),
            (b"\nuser@host:~$ ", Next::Ended),
        ] {
            assert_eq!(next(text, false), expected, "{}", text.escape_ascii());
        }
        assert_eq!(next(b"\nMIIE\n", true), Next::Ended);
    }
}
