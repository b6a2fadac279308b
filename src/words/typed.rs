//! What is typed at the prompt and is neither text nor a key, on its way to the line.
//!
//! A line editor drops such bytes, or acts on them, and the line that runs is another one than was typed. So each of them stands in the
//! line as one character of private use, which is shown there; it is the byte again once the line is whole, and the parser refuses it at its place.
//! What nobody turns back is refused all the same: a character of private use stands in no line.

use super::escape::hazard;

/// The character that stands for byte 0; that of byte 255 is 255 further on.
const FIRST: u32 = 0x10_f800;

/// Why something that was typed is not in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// More was pasted than a line may hold.
    TooLong,
    /// More came behind the end of a line at once.
    Surplus,
}

/// What a notice comes as, in the place of what is not in the line.
const NOTICES: [(char, Notice); 2] = [('\u{10f900}', Notice::TooLong), ('\u{10f901}', Notice::Surplus)];

/// The character that stands for a byte.
pub fn stand_in(byte: u8) -> char {
    char::from_u32(FIRST + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The byte that a character stands for: one that is no text by itself.
pub fn byte_of(character: char) -> Option<u8> {
    let byte = u8::try_from(u32::from(character).checked_sub(FIRST)?).ok()?;
    (!matches!(byte, 0x20..=0x7e)).then_some(byte)
}

/// The character that a notice comes as.
pub fn character_of(notice: Notice) -> char {
    NOTICES.into_iter().find(|(_, other)| *other == notice).map_or(char::REPLACEMENT_CHARACTER, |(character, _)| character)
}

/// The notice that a character is.
pub fn notice_of(character: char) -> Option<Notice> {
    NOTICES.into_iter().find(|(other, _)| *other == character).map(|(_, notice)| notice)
}

/// Whether a character may be typed and pasted as it is.
pub fn is_text(character: char) -> bool {
    hazard(character).is_none()
}

/// A line as it was typed, of one that holds stand-ins.
pub fn restored(line: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(line.len());
    for character in line.chars() {
        match byte_of(character) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// What a stand-in is shown as, in one column: the picture of a control character, or U+FFFD.
pub fn picture(byte: u8) -> char {
    match byte {
        0..=0x1f => char::from_u32(0x2400 + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER),
        0x7f => '\u{2421}',
        _ => char::REPLACEMENT_CHARACTER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_that_is_no_text_comes_back_and_no_other_is_made() {
        for byte in 0..=255 {
            let expected = (!(0x20..0x7f).contains(&byte)).then_some(byte);
            assert_eq!(byte_of(stand_in(byte)), expected, "{byte:#x}");
            assert!(!is_text(stand_in(byte)), "nobody types a stand-in");
        }
        assert_eq!(restored("a\u{10f800}b\u{10f8ff}é\u{10f841}"), b"a\0b\xff\xc3\xa9\xf4\x8f\xa1\x81");
    }

    #[test]
    fn notices_stand_in_no_line() {
        for notice in [Notice::TooLong, Notice::Surplus] {
            assert_eq!(notice_of(character_of(notice)), Some(notice));
            assert_eq!(byte_of(character_of(notice)), None);
            assert!(!is_text(character_of(notice)));
        }
    }
}
