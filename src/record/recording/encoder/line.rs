//! One event as its line is written: text as JSON has it, whole characters only, as much as there is room for.

use std::fmt::{self, Write};

/// What ends the data of an event.
const END: &[u8] = b"\"]\n";
/// Bytes that any byte or character needs at most: those of `\u001b`.
pub(super) const WIDEST: usize = 6;
/// Bytes that are looked at at once.
const WORD: usize = 8;
const ESC: u8 = 0x1b;
/// In place of what is no UTF-8.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// The beginning of a character.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Half {
    bytes: [u8; 4],
    length: usize,
}

/// One event that is being written; there is always room for its end.
pub(super) struct Line<'o> {
    out: &'o mut [u8],
    length: usize,
}

impl<'o> Line<'o> {
    /// `None` where there is not even room for one character.
    pub(super) fn begin(time: u64, code: char, out: &'o mut [u8]) -> Option<Line<'o>> {
        let mut line = Line { out, length: 0 };
        write!(line, "[{}.{:06}, \"{code}\", \"", time / 1_000_000, time % 1_000_000).ok()?;
        (line.room() >= WIDEST).then_some(line)
    }

    pub(super) fn end(mut self) -> usize {
        let length = self.length + END.len();
        if let Some(place) = self.out.get_mut(self.length..length) {
            place.copy_from_slice(END);
        }
        self.length = length;
        self.length
    }

    /// Bytes so far.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Bytes that data may take.
    fn room(&self) -> usize {
        self.out.len().saturating_sub(self.length + END.len())
    }

    /// Bytes as they are, for which there has to be room.
    fn push(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if let Some(place) = self.out.get_mut(self.length..end) {
            place.copy_from_slice(bytes);
            self.length = end;
        }
    }

    /// Text that begins with the rest of `half`, as far as there is room; returns what was taken. An unfinished end is the next `half`.
    pub(super) fn text(&mut self, half: &mut Half, data: &[u8]) -> usize {
        let mut taken = self.complete(half, data);
        while self.room() >= WIDEST && half.length == 0 {
            let rest = data.get(taken..).unwrap_or_default();
            let piece = rest.get(..self.room()).unwrap_or(rest);
            if piece.is_empty() {
                break;
            }
            let (valid, error) = match str::from_utf8(piece) {
                Ok(text) => (text.len(), None),
                Err(error) => (error.valid_up_to(), Some(error)),
            };
            let pushed = self.characters(piece.get(..valid).unwrap_or_default());
            taken += pushed;
            let behind = piece.get(valid..).unwrap_or_default();
            match error {
                Some(error) if pushed == valid && self.room() >= WIDEST => match error.error_len() {
                    Some(length) => {
                        self.push(REPLACEMENT);
                        taken += length;
                    }
                    // There is more of it where the room cut it.
                    None if piece.len() < rest.len() => {}
                    None => taken += half.hold(behind),
                },
                _ => {}
            }
        }
        taken
    }

    /// Adds bytes to what is held until it is a character, or can be none.
    fn complete(&mut self, half: &mut Half, data: &[u8]) -> usize {
        let mut taken = 0;
        while half.length > 0
            && let Some(byte) = data.get(taken)
        {
            let mut longer = *half;
            longer.hold(&[*byte]);
            match str::from_utf8(longer.bytes()) {
                Ok(character) => {
                    self.push(character.as_bytes());
                    *half = Half::default();
                    taken += 1;
                }
                Err(error) if error.error_len().is_none() => {
                    *half = longer;
                    taken += 1;
                }
                // The byte begins something else.
                Err(_) => self.rest_of(half),
            }
        }
        taken
    }

    /// The beginning of a character, to which nothing more will come.
    pub(super) fn rest(&mut self, half: &mut Half) -> usize {
        if half.length > 0 {
            self.rest_of(half);
        }
        0
    }

    fn rest_of(&mut self, half: &mut Half) {
        self.push(REPLACEMENT);
        *half = Half::default();
    }

    /// Whole characters, escaped, as far as there is room; returns what was taken.
    fn characters(&mut self, text: &[u8]) -> usize {
        let mut taken = 0;
        while self.room() >= WIDEST {
            let rest = text.get(taken..).unwrap_or_default();
            let Some(byte) = rest.first() else { break };
            if needs_escape(*byte) {
                self.escape(*byte);
                taken += 1;
            } else if let Some(count) = self.short_run(rest) {
                taken += count;
            } else {
                let run = rest.get(..plain(rest)).unwrap_or_default();
                let run = run.get(..boundary(run, self.room())).unwrap_or_default();
                self.push(run);
                taken += run.len();
            }
        }
        taken
    }

    /// A run of less than eight bytes without an escape, as stands between the escapes of a coloured line; `None` where it is longer, or near
    /// an end. All eight are copied, which is one move, and those behind the run are written over.
    fn short_run(&mut self, text: &[u8]) -> Option<usize> {
        let word = text.first_chunk::<WORD>()?;
        let count = clear(u64::from_le_bytes(*word));
        let end = self.out.len().checked_sub(END.len())?;
        let place = self.out.get_mut(self.length..end)?.first_chunk_mut::<WORD>()?;
        if count == WORD {
            return None;
        }
        *place = *word;
        self.length += count;
        Some(count)
    }

    fn escape(&mut self, byte: u8) {
        const HEXADECIMAL: &[u8; 16] = b"0123456789abcdef";
        let digit = |value: u8| HEXADECIMAL.get(usize::from(value)).copied().unwrap_or(b'0');
        match byte {
            ESC => self.push(b"\\u001b"),
            b'"' | b'\\' => self.push(&[b'\\', byte]),
            b'\n' => self.push(b"\\n"),
            b'\r' => self.push(b"\\r"),
            b'\t' => self.push(b"\\t"),
            _ => self.push(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 0xf)]),
        }
    }
}

/// For what is ours alone and needs no escape.
impl Write for Line<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.len() > self.room() {
            return Err(fmt::Error);
        }
        self.push(text.as_bytes());
        Ok(())
    }
}

impl Half {
    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Takes what there is room for, which is all of an unfinished character.
    fn hold(&mut self, bytes: &[u8]) -> usize {
        let free = self.bytes.get_mut(self.length..).unwrap_or_default();
        let count = free.len().min(bytes.len());
        free.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
        self.length += count;
        count
    }
}

/// Data of an event that may be cut: takes so many bytes of text, escaped, and no more.
pub(super) struct Label<'l, 'o> {
    line: &'l mut Line<'o>,
    left: usize,
}

impl<'l, 'o> Label<'l, 'o> {
    pub(super) fn new(line: &'l mut Line<'o>, left: usize) -> Label<'l, 'o> {
        Label { line, left }
    }
}

impl Write for Label<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let bytes = text.as_bytes();
        let fitting = bytes.get(..boundary(bytes, self.left)).unwrap_or_default();
        self.line.characters(fitting);
        self.left -= fitting.len();
        if fitting.len() == bytes.len() {
            return Ok(());
        }
        self.line.characters("…".as_bytes());
        Err(fmt::Error)
    }
}

/// How many bytes at the front need no escape. Blocks, whose bytes the compiler compares at once.
fn plain(bytes: &[u8]) -> usize {
    const BLOCK: usize = 16;
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    let is_plain = |block: &&[u8; BLOCK]| !block.iter().fold(false, |any, byte| any | needs_escape(*byte));
    let clear = BLOCK * blocks.iter().take_while(is_plain).count();
    let rest = bytes.get(clear..).unwrap_or_default();
    clear + rest.iter().position(|byte| needs_escape(*byte)).unwrap_or(rest.len())
}

/// How many bytes at the front of a word need no escape, its first byte being the lowest.
fn clear(word: u64) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; WORD]);
    let of = |byte: u8| ONES * u64::from(byte);
    // The high bit of the first byte that is below another is set; above it others may be too, by the borrow, and below it none.
    let below = |word: u64, bound: u8| word.wrapping_sub(of(bound)) & !word;
    let marks = below(word, b' ') | below(word ^ of(b'"'), 1) | below(word ^ of(b'\\'), 1);
    (marks & of(0x80)).trailing_zeros() as usize / WORD
}

fn needs_escape(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// The most bytes of valid text, at most `room`, that end with a whole character.
fn boundary(text: &[u8], room: usize) -> usize {
    let is_inside = |at: usize| text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let mut end = text.len().min(room);
    while is_inside(end) {
        end -= 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_clear_up_to_its_first_byte_that_needs_an_escape() {
        for byte in 0..=u8::MAX {
            for at in 0..WORD {
                let mut word = [b'a'; WORD];
                word[at..].fill(byte);
                assert_eq!(clear(u64::from_le_bytes(word)), if needs_escape(byte) { at } else { WORD }, "{byte} at {at}");
            }
        }
    }
}
