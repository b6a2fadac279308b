//! What begins with ESC, or with a byte of C1: keys, and what a terminal answers.

use super::sink::Sink;
use super::{At, ESC, Keyboard, Paste, State, keys};

/// What has been seen of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// OSC, which alone may end with BEL.
    command: bool,
    /// Whether it began with a byte of C1, and may so end.
    short: bool,
    escape: bool,
    pub(super) empty: bool,
}

impl Keyboard {
    /// The byte behind ESC.
    pub(super) fn escape(&mut self, byte: u8, out: &mut Sink<'_>) {
        if self.introduce(byte, false) {
            return;
        }
        if self.at == At::Prompt && keys::is_editing_alt(byte) {
            self.begin(State::Ground);
            return self.put(&[ESC, byte], out);
        }
        self.pass_held(out);
        self.step(byte, out);
    }

    /// Whether a byte behind ESC begins a sequence.
    pub(super) fn introduce(&mut self, byte: u8, short: bool) -> bool {
        let state = match byte {
            b'[' => State::Control,
            b'O' => State::Application,
            b']' | b'P' | b'X' | b'^' | b'_' => State::String(Text { command: byte == b']', short, escape: false, empty: true }),
            _ => return false,
        };
        self.hold(state, byte);
        true
    }

    pub(super) fn control(&mut self, byte: u8, out: &mut Sink<'_>) {
        // rxvt ends keys with Shift so; in an answer something else stands before it.
        let parameters = self.held.bytes().get(2..).unwrap_or_default();
        let is_last = byte == b'$' && !parameters.is_empty() && parameters.iter().all(u8::is_ascii_digit);
        match byte {
            b'[' if parameters.is_empty() => self.hold(State::Console, byte),
            b'@'..=b'~' => self.end_sequence(byte, out),
            b'$' if is_last => self.end_sequence(byte, out),
            b' '..=b'?' => self.held.push(byte),
            _ => self.break_off(byte, out),
        }
    }

    pub(super) fn application(&mut self, byte: u8, out: &mut Sink<'_>) {
        match byte {
            b'0'..=b'9' if self.state == State::Application => self.held.push(byte),
            b'@'..=b'~' => self.end_sequence(byte, out),
            _ => self.break_off(byte, out),
        }
    }

    /// The last byte of a sequence.
    fn end_sequence(&mut self, byte: u8, out: &mut Sink<'_>) {
        self.held.push(byte);
        let held = self.held;
        self.begin(State::Ground);
        let is_key = !held.over && keys::is_key(held.bytes());
        match (self.at, held.bytes()) {
            (At::Prompt, keys::PASTE) => {
                self.paste = Some(Paste { bytes: 0, mute: self.mute, closing: false });
                self.surplus |= self.mute;
                if !self.mute {
                    out.put(keys::PASTE);
                }
            }
            (_, keys::PASTE | keys::PASTE_END) => {}
            (_, [ESC, b'[', byte @ (b'M' | b't' | b'T')]) => {
                self.swallowed += 1;
                self.state = State::Report(if *byte == b'M' {
                    3
                } else if *byte == b't' {
                    2
                } else {
                    6
                });
            }
            (At::Prompt, sequence) if !held.over && keys::is_editing(sequence) => self.put(sequence, out),
            (At::Command, sequence) if is_key => self.put(sequence, out),
            _ => self.swallowed += u64::from(!is_key),
        }
    }

    /// A byte that no sequence holds: it stands for itself, and what is before it is none.
    fn break_off(&mut self, byte: u8, out: &mut Sink<'_>) {
        self.pass_held(out);
        self.step(byte, out);
    }

    /// A byte of a string. Only its own end ends it: the rest of it would be typed.
    pub(super) fn string(&mut self, text: Text, byte: u8) {
        let is_end = match byte {
            b'\\' => text.escape,
            0x07 => text.command,
            0x9c => text.short,
            _ => false,
        };
        if is_end {
            self.swallowed += 1;
            self.begin(State::Ground);
        } else {
            self.state = State::String(Text { escape: byte == ESC, empty: false, ..text });
        }
    }
}
