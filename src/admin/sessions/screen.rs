//! What of a recording reaches the operator's screen: text. A recording was filtered when it was made, and may have been changed since.

use crate::screen::{Filter, Progress};
use crate::words::escape::hazard;

/// Makes the screen empty, before another moment of a recording is shown.
pub const CLEAR: &[u8] = b"\x1b[H\x1b[2J";
/// Bytes that leave the filter at a time.
const ROOM: usize = 4096;

/// The operator's screen, as a recording goes to it.
pub struct Screen(Filter);

impl Screen {
    /// Of columns and rows.
    pub fn new((columns, rows): (u16, u16)) -> Screen {
        Screen(Filter::new(columns, rows))
    }

    pub fn resize(&mut self, (columns, rows): (u16, u16)) {
        self.0.resize(columns, rows);
    }

    /// What to write of a piece of output.
    pub fn pass(&mut self, text: &str) -> Vec<u8> {
        let (mut shown, mut room, mut rest) = (Vec::new(), [0; ROOM], text.as_bytes());
        while !rest.is_empty() {
            let Progress { taken, written } = self.0.pass(rest, &mut room);
            shown.extend_from_slice(room.get(..written).unwrap_or_default());
            rest = rest.get(taken..).unwrap_or_default();
        }
        shown
    }

    /// What makes the screen as it was before.
    pub fn finish(&mut self) -> Vec<u8> {
        let mut room = [0; ROOM];
        let written = self.0.finish(&mut room, true);
        room.get(..written).unwrap_or_default().to_vec()
    }
}

/// Text without escape sequences (ECMA-48) and all that does not show: what a search looks at.
#[derive(Default)]
pub struct Plain(State);

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// Behind ESC, and what stands between it and the final character.
    Escape,
    /// In a control sequence.
    Control,
    /// In a string that ends with ST or BEL, and behind an ESC in it.
    String,
    StringEscape,
}

impl Plain {
    /// Hands on the characters that show, with newlines, returns, backspaces and tabs.
    pub fn pass(&mut self, text: &str, mut show: impl FnMut(char)) {
        for character in text.chars() {
            if let Some(shown) = self.take(character) {
                show(shown);
            }
        }
    }

    fn take(&mut self, character: char) -> Option<char> {
        let (state, shown) = match (self.0, character) {
            (State::Text, '\n' | '\r' | '\t' | '\x08') => (State::Text, Some(character)),
            (State::String, '\x1b') => (State::StringEscape, None),
            (_, '\x1b') => (State::Escape, None),
            (State::Escape, '[') | (State::Text, '\u{9b}') => (State::Control, None),
            (State::Escape, ']' | 'P' | 'X' | '^' | '_') | (State::Text, '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}') => {
                (State::String, None)
            }
            (State::Escape, ' '..='/') => (State::Escape, None),
            (State::Escape, _) => (State::Text, None),
            (State::Control, '@'..='~') => (State::Text, None),
            (State::Control, ' '..='?') => (State::Control, None),
            (State::Control, '\n' | '\r') => (State::Text, Some(character)),
            (State::Control, _) => (State::Text, None),
            (State::String, '\x07' | '\u{9c}') | (State::StringEscape, _) => (State::Text, None),
            (State::String, _) => (State::String, None),
            (State::Text, _) => (State::Text, Some(character).filter(|character| hazard(*character).is_none())),
        };
        self.0 = state;
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_left_of_what_a_terminal_was_sent_however_it_came() {
        for (sent, text) in [
            ("plain é\r\n", "plain é\r\n"),
            ("\x1b[31mred\x1b[0m", "red"),
            ("\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b", "ab"),
            ("\x1bP1;2|secret\x1b\\c\x1b(Bd\x1b7e", "cde"),
            ("\u{9b}2Jf\u{202e}g\0h", "fgh"),
            ("\x1b[38;2;1;2;3", ""),
        ] {
            let mut whole = String::new();
            Plain::default().pass(sent, |character| whole.push(character));
            let (mut plain, mut parts) = (Plain::default(), String::new());
            sent.chars().for_each(|character| plain.pass(&character.to_string(), |character| parts.push(character)));
            assert_eq!((whole.as_str(), parts.as_str()), (text, text), "{sent:?}");
        }
    }
}
