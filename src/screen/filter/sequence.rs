//! Control sequences (`CSI … final`): what is collected of one, whether it is on the list, and its canonical text.

use super::Class;
use super::output::Output;

/// Values of a sequence; one with more is dropped.
const VALUES: usize = 16;
/// No number is passed on that is higher: terminals multiply them.
const HIGHEST: u16 = 9999;
/// Bytes of a sequence that is taken at once.
const SHORT: usize = 32;
/// Bytes of a sequence before it is taken for one that never ends.
const LENGTH: u16 = 4096;

/// Private modes that a program may set: application keys, autowrap, blinking cursor, visible cursor, alternate screen.
const PRIVATE_MODES: [u16; 5] = [1, 7, 12, 25, 1049];
/// Bracketed paste: the shell's own.
pub(super) const PASTE: u16 = 2004;
/// Modes that a program may set: insert.
const MODES: [u16; 1] = [4];

/// One number; `None` where it is left to its default.
#[derive(Clone, Copy, Default)]
pub(super) struct Value {
    pub number: Option<u16>,
    /// A colon and not a semicolon is before it.
    pub joined: bool,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Sequence {
    /// `<`, `=`, `>` or `?`; otherwise 0.
    marker: u8,
    values: [Value; VALUES],
    count: usize,
    /// Before the final byte; otherwise 0.
    intermediate: u8,
    length: u16,
    malformed: bool,
    clamped: bool,
}

/// How large the screen is, and what else the list depends on.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub columns: u16,
    pub rows: u16,
    /// Bracketed paste may be switched.
    pub paste: bool,
    /// A printable character was just before.
    pub repeatable: bool,
}

/// How a sequence passed.
#[derive(Default)]
pub(super) struct Passed {
    /// Some of its values did not.
    pub left_out: bool,
    /// A number was made smaller.
    pub clamped: bool,
}

impl Sequence {
    /// Begins another. Values are overwritten as they come.
    pub fn clear(&mut self) {
        (self.marker, self.count, self.intermediate, self.length) = (0, 0, 0, 0);
        (self.malformed, self.clamped) = (false, false);
    }

    /// Takes a sequence that is there whole, of nothing but numbers and `;`, behind a `?` or not; its final byte, and what is behind it.
    pub fn whole<'a>(&mut self, bytes: &'a [u8]) -> Option<(u8, &'a [u8])> {
        self.clear();
        let mut rest = bytes;
        if let Some((b'?', behind)) = rest.split_first() {
            (self.marker, rest) = (b'?', behind);
        }
        for _ in 0..SHORT {
            let (byte, behind) = rest.split_first()?;
            match byte {
                b'0'..=b'9' => self.digit(u16::from(byte - b'0')),
                b';' => self.separator(false),
                b'@'..=b'~' => return Some((*byte, behind)),
                _ => return None,
            }
            rest = behind;
        }
        None
    }

    /// Takes a byte before the final one; `false` when there were too many.
    pub fn take(&mut self, byte: u8) -> bool {
        match byte {
            b'0'..=b'9' if self.intermediate == 0 => self.digit(u16::from(byte - b'0')),
            b';' | b':' if self.intermediate == 0 => self.separator(byte == b':'),
            b'<'..=b'?' if self.length == 0 => self.marker = byte,
            b' '..=b'/' if self.intermediate == 0 => self.intermediate = byte,
            _ => self.malformed = true,
        }
        self.length = self.length.saturating_add(1);
        self.length < LENGTH
    }

    fn digit(&mut self, digit: u16) {
        if self.count == 0 {
            self.begin_value(false);
        }
        if let Some(value) = self.values.get_mut(self.count - 1) {
            let number = value.number.unwrap_or(0).saturating_mul(10).saturating_add(digit);
            self.clamped |= number > HIGHEST;
            value.number = Some(number.min(HIGHEST));
        }
    }

    fn separator(&mut self, joined: bool) {
        if self.count == 0 {
            self.begin_value(false);
        }
        self.begin_value(joined);
    }

    fn begin_value(&mut self, joined: bool) {
        match self.values.get_mut(self.count) {
            Some(value) => {
                *value = Value { number: None, joined };
                self.count += 1;
            }
            None => self.malformed = true,
        }
    }

    pub fn values(&self) -> &[Value] {
        self.values.get(..self.count).unwrap_or_default()
    }

    /// The number at a place, where there is one that is not 0.
    pub fn number(&self, at: usize) -> Option<u16> {
        self.values().get(at).and_then(|value| value.number).filter(|number| *number > 0)
    }

    pub fn is_private(&self) -> bool {
        self.marker == b'?'
    }

    pub fn has(&self, wanted: u16) -> bool {
        self.values().iter().any(|value| value.number == Some(wanted))
    }

    /// Writes what of it passes. SGR is not its business.
    pub fn pass(&self, last: u8, bounds: Bounds, out: &mut Output) -> Option<Passed> {
        let joined = self.values().iter().any(|value| value.joined);
        if self.malformed || joined {
            return None;
        }
        match (self.marker, self.intermediate, last) {
            (0, 0, b'A'..=b'G' | b'a' | b'd' | b'e' | b'`') => self.numbers(last, 1, HIGHEST, out),
            (0, 0, b'H' | b'f' | b'r') => self.numbers(last, 2, HIGHEST, out),
            (0, 0, b'@' | b'I' | b'P' | b'X' | b'Z') => self.numbers(last, 1, bounds.columns, out),
            (0, 0, b'b') if bounds.repeatable => self.numbers(last, 1, bounds.columns, out),
            (0, 0, b'L' | b'M' | b'S' | b'T') => self.numbers(last, 1, bounds.rows, out),
            (0, 0, b'J' | b'K') if self.is_one_of(&[0, 1, 2]) => self.numbers(last, 1, HIGHEST, out),
            (0, 0, b'g') if self.is_one_of(&[0, 3]) => self.numbers(last, 1, HIGHEST, out),
            (0, b' ', b'q') if self.is_one_of(&[0, 1, 2, 3, 4, 5, 6]) => self.numbers(last, 1, HIGHEST, out),
            (0, 0, b's' | b'u') | (0, b'!', b'p') => self.numbers(last, 0, HIGHEST, out),
            (0, 0, b'h' | b'l') => self.modes(last, |mode| MODES.contains(&mode), out),
            (b'?', 0, b'h' | b'l') => self.modes(last, |mode| PRIVATE_MODES.contains(&mode) || bounds.paste && mode == PASTE, out),
            _ => None,
        }
    }

    pub fn is_rendition(&self, last: u8) -> bool {
        (self.marker, self.intermediate, last) == (0, 0, b'm') && !self.malformed
    }

    fn is_one_of(&self, numbers: &[u16]) -> bool {
        self.values().iter().all(|value| numbers.contains(&value.number.unwrap_or(0)))
    }

    /// All of its numbers, each at most `highest`, where they are no more than `most`.
    fn numbers(&self, last: u8, most: usize, highest: u16, out: &mut Output) -> Option<Passed> {
        if self.count > most {
            return None;
        }
        let clamped = self.clamped || self.values().iter().any(|value| value.number > Some(highest));
        let fits = self.write(last, out, |text| {
            for (at, value) in self.values().iter().enumerate() {
                if at > 0 {
                    text.push(b';');
                }
                value.number.into_iter().for_each(|number| text.number(number.min(highest)));
            }
            true
        });
        fits.then_some(Passed { left_out: false, clamped })
    }

    /// Those of its modes that are on the list, where there are any.
    fn modes(&self, last: u8, is_listed: impl Fn(u16) -> bool, out: &mut Output) -> Option<Passed> {
        let mut kept = 0;
        let fits = self.write(last, out, |text| {
            for mode in self.values().iter().filter_map(|value| value.number).filter(|mode| is_listed(*mode)) {
                if kept > 0 {
                    text.push(b';');
                }
                text.number(mode);
                kept += 1;
            }
            kept > 0
        });
        fits.then_some(Passed { left_out: kept < self.count, clamped: false })
    }

    /// Writes the sequence with other values, where they fit and are wanted then.
    pub fn write(&self, last: u8, out: &mut Output, values: impl FnOnce(&mut Output) -> bool) -> bool {
        out.attempt(|text| {
            text.put(b"\x1b[");
            if self.marker != 0 {
                text.push(self.marker);
            }
            let wanted = values(text);
            if self.intermediate != 0 {
                text.push(self.intermediate);
            }
            text.push(last);
            wanted
        })
    }

    /// What a sequence that does not pass was for.
    pub fn class(&self, last: u8) -> Class {
        let first = self.values().first().and_then(|value| value.number).unwrap_or(0);
        match (self.marker, self.intermediate, last) {
            (_, _, b'c' | b'n' | b'x') | (_, b'$', b'p' | b'u' | b'w') | (b'>', 0, b'q') | (_, b'*', b'y') => Class::Query,
            (b'?', 0, b'S' | b'f' | b'g' | b'm' | b'u') | (_, b'"', b'v') | (_, b'&', b'u') | (_, b'\'', b'|') => Class::Query,
            (_, b'#', b'R' | b'S' | b'|' | b'y') => Class::Query,
            (0, 0, b't') if matches!(first, 11 | 13..=16 | 18..=21) => Class::Query,
            (0, 0, b't') if matches!(first, 22 | 23) => Class::Title,
            (b'>', 0, b't' | b'T') => Class::Title,
            (_, 0, b't') | (_, b'$' | b'*', b'|') => Class::Window,
            (_, 0, b'i') => Class::Print,
            (b'?', 0, b'h' | b'l' | b's' | b'r') if self.has(46) => Class::Print,
            (b'?', 0, b'h' | b'l' | b's' | b'r') if self.has(PASTE) || self.has(5522) => Class::Paste,
            (0, 0, b'~') if matches!(first, 200 | 201) => Class::Paste,
            (_, 0, b'h' | b'l') | (b'?', 0, b'r' | b's') | (0, 0, b's' | b'T') | (_, b'\'', _) => Class::Mode,
            (b'<'..=b'>', 0, b'm' | b'u' | b'f' | b'g') => Class::Keys,
            (_, 0, b'J') => Class::Reset,
            _ if self.malformed => Class::Malformed,
            _ => Class::Sequence,
        }
    }
}
