//! Text, and the few control characters that are text: what shows is passed on, what could mislead is shown by its number, and marks and bells
//! are bounded.

use unicode_width::UnicodeWidthChar;

use super::utf8::{Partial, Step};
use super::{BEL, Class, DEL, ESC, Filter, Line, Output, REPLACEMENT, State};
use crate::words::escape::{self, Hazard, hazard};

/// Combining marks that a character may have.
const MARKS: u8 = 4;
/// Bells that a line may ring.
const BELLS: u8 = 3;

/// Of which script the last character was, as far as it can pass for Latin.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Script {
    #[default]
    Other,
    Latin,
    Lookalike,
}

impl Filter {
    /// Passes on printable ASCII from the start of `input`; gives what is behind it, or did not fit.
    pub(super) fn run<'a>(&mut self, input: &'a [u8], out: &mut Output) -> &'a [u8] {
        let fitting = input.get(..out.room()).unwrap_or(input);
        let length = printable(fitting);
        let (run, _) = input.split_at_checked(length).unwrap_or_default();
        out.put(run);
        if let (Some(first), Some(last)) = (run.first(), run.last()) {
            self.compare(script(char::from(*first)));
            self.line = Line { at_start: false, marks: Some(0), script: script(char::from(*last)), ..self.line };
        }
        input.get(length..).unwrap_or_default()
    }

    /// Something visible that takes at least one column.
    pub(super) fn show(&mut self, text: &[u8], out: &mut Output) {
        out.put(text);
        self.line = Line { at_start: false, marks: Some(0), script: Script::Other, ..self.line };
    }

    pub(super) fn text(&mut self, byte: u8, out: &mut Output) {
        match byte {
            ESC => {
                self.leave_text();
                self.state = State::Escape;
            }
            0..b' ' | DEL => self.control(byte, out),
            b' '..DEL => self.printed(char::from(byte), out),
            0x80.. => match Partial::begin(byte) {
                Some(partial) => self.state = State::Character(partial),
                None => self.invalid(out),
            },
        }
    }

    fn control(&mut self, byte: u8, out: &mut Output) {
        match byte {
            0 | DEL => return self.dropped.count(Class::Control),
            BEL if self.line.bells == BELLS => self.dropped.count(Class::Bell),
            BEL => {
                self.line.bells += 1;
                out.push(byte);
            }
            b'\n' => {
                self.line.bells = 0;
                out.push(byte);
            }
            b'\r' => {
                self.line.at_start = true;
                out.push(byte);
            }
            b'\t' => {
                self.line.at_start = false;
                out.push(byte);
            }
            // Backspace.
            8 => out.push(byte),
            _ => return self.hazardous(char::from(byte), Hazard::Control, out),
        }
        (self.line.marks, self.line.script) = (None, Script::Other);
    }

    pub(super) fn character(&mut self, partial: Partial, byte: u8, out: &mut Output) {
        match partial.step(byte) {
            Step::More(partial) => self.state = State::Character(partial),
            Step::Done(character) => {
                self.state = State::Text;
                self.printed(character, out);
            }
            Step::Invalid => {
                self.abort(out);
                self.text(byte, out);
            }
        }
    }

    pub(super) fn invalid(&mut self, out: &mut Output) {
        self.dropped.count(Class::Utf8);
        self.show(REPLACEMENT, out);
    }

    fn printed(&mut self, character: char, out: &mut Output) {
        if let Some(hazard) = hazard(character) {
            self.hazardous(character, hazard, out);
        } else if character.width() == Some(0) {
            self.mark(character, out);
        } else {
            let script = script(character);
            self.compare(script);
            self.show(character.encode_utf8(&mut [0; 4]).as_bytes(), out);
            self.line.script = script;
        }
    }

    fn hazardous(&mut self, character: char, hazard: Hazard, out: &mut Output) {
        self.dropped.count(match hazard {
            Hazard::Nul | Hazard::Control => Class::Control,
            Hazard::Bidi => Class::Bidi,
            Hazard::Invisible => Class::Invisible,
        });
        self.spell(character, out);
    }

    /// Shows a character by its number.
    fn spell(&mut self, character: char, out: &mut Output) {
        // There is room, and nothing else can fail.
        let _ = escape::show(out, character);
        self.show(b"", out);
    }

    /// A combining mark: it would change a character that was read already, so it needs one, and shares it with few.
    fn mark(&mut self, character: char, out: &mut Output) {
        match self.line.marks {
            Some(marks) if marks < MARKS => {
                self.line.marks = Some(marks + 1);
                out.put(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            Some(_) => self.dropped.count(Class::Mark),
            None => {
                self.dropped.count(Class::Mark);
                let _ = std::fmt::Write::write_fmt(out, format_args!("<U+{:04X}>", character as u32));
                self.show(b"", out);
            }
        }
    }

    /// Counts a letter that looks Latin next to one that is.
    fn compare(&mut self, script: Script) {
        if matches!((self.line.script, script), (Script::Latin, Script::Lookalike) | (Script::Lookalike, Script::Latin)) {
            self.dropped.count(Class::Lookalike);
        }
    }
}

fn script(character: char) -> Script {
    match character {
        'A'..='Z' | 'a'..='z' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => Script::Latin,
        // Greek, Cyrillic, Armenian, Cherokee, Greek with accents; letters of full width, and of mathematics.
        '\u{370}'..='\u{58f}' | '\u{13a0}'..='\u{13ff}' | '\u{1f00}'..='\u{1fff}' | '\u{ff21}'..='\u{ff5a}' | '\u{1d400}'..='\u{1d7ff}' => {
            Script::Lookalike
        }
        _ => Script::Other,
    }
}

/// How many bytes at the start are printable ASCII. Eight at a time.
fn printable(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    const SPACES: u64 = u64::from_ne_bytes([b' '; 8]);
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // The high bit of a byte is set where it was set, where it is DEL, and where the byte is below a space; above the first such byte
        // others may be, by carry and borrow.
        let marks = (word | word.wrapping_add(ONES) | word.wrapping_sub(SPACES) & !word) & HIGHS;
        if marks != 0 {
            return 8 * index + marks.trailing_zeros() as usize / 8;
        }
    }
    8 * words.len() + rest.iter().take_while(|byte| (b' '..DEL).contains(byte)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_runs_end_at_the_first_byte_that_is_not() {
        for byte in (0..=255_u8).filter(|byte| !(b' '..DEL).contains(byte)) {
            for at in 0..40 {
                let mut text = vec![b'~'; 40];
                text[at] = byte;
                assert_eq!(printable(&text), at);
            }
        }
        assert_eq!(printable(b" ~ ~ ~ ~ ~ ~ ~ ~ ~"), 18);
    }
}
