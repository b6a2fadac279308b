//! What is typed, on its way to the line editor or to a command.
//!
//! A terminal types too: it answers questions, and the answer may hold what an attacker chose (CVE-2003-0063, CVE-2008-2383). Nobody here
//! asks, but the question may be older than the session. So whatever has the form of an answer is taken out whole, and counted. That is the
//! second wall; the first is the filter of the output, which lets no question through.
//!
//! A command gets every key of a usual terminal, and every other byte, as it was typed. The line editor gets text and the keys of a fixed
//! table; any other byte as a character that stands for it (`words::typed`), so that it is seen, and the line refused: what a person typed is
//! refused or run as it is, and never repaired. Three rules keep what was pasted from running:
//!
//! - The end of a paste is passed on when nothing has come for a pause. A forged end is therefore within the paste, with all that follows.
//! - Of a paste that is longer than a line, nothing runs, and the editor is told.
//! - Behind the end of a line in the same read, all is left out up to a pause, and the editor is told: a terminal without bracketed paste,
//!   or a connection that stood still. The same goes for lines that a command was given at once and did not live to read.
//!
//! A key is passed on as soon as it is whole. ESC alone is one after a pause, and so is Alt with a letter that begins an answer. The rest of
//! anything else may take a second: what has not ended then is left out, or, at the prompt, refused.

mod held;
mod keys;
mod sequence;
mod sink;
#[cfg(test)]
mod tests;

use self::held::Held;
use self::sequence::Text;
use self::sink::Sink;
use super::Progress;
use crate::words::limits::LINE_BYTES;
use crate::words::typed::{self, Notice};

/// Pauses that the rest of a sequence may take: a second.
const PATIENCE: u8 = 20;
/// Lines at once that were not typed by hand.
const PASTED_LINES: u8 = 2;

const ESC: u8 = 0x1b;
const CTRL_C: u8 = 0x03;
/// What the line editor takes ESC for. ESC itself would make another key of the next one.
const ABORT: u8 = 0x07;

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Prompt,
    Command,
}

/// The filter of the keyboard.
#[derive(Debug)]
pub struct Keyboard {
    at: At,
    state: State,
    held: Held,
    paste: Option<Paste>,
    /// Whether the editor was told of the beginning of a paste, and a command has the rest of it.
    owes_end: bool,
    /// Pauses since the last byte.
    pauses: u8,
    /// Whether the last read was not taken as a whole.
    cut: bool,
    /// Whether a line has ended in this read.
    ended: bool,
    /// Whether nothing passes up to the next pause.
    mute: bool,
    /// Whether something was left out that the editor is to be told of.
    surplus: bool,
    /// Lines that this command was given since the last pause.
    lines: u8,
    /// Bytes that are still to come of a character on its way to a command.
    continuation: u8,
    swallowed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ground,
    /// Bytes of a character, at the prompt.
    Character,
    Escape,
    /// `CSI`, or `SS3`.
    Control,
    Application,
    /// `CSI [`, of the Linux console.
    Console,
    /// So many bytes of any kind: the report of a mouse.
    Report(u8),
    String(Text),
}

#[derive(Clone, Copy, Debug)]
struct Paste {
    bytes: usize,
    /// Whether it began where nothing passes.
    mute: bool,
    /// Whether something that looks like its end has come.
    closing: bool,
}

impl Default for Keyboard {
    fn default() -> Keyboard {
        Keyboard::new()
    }
}

impl Keyboard {
    pub fn new() -> Keyboard {
        Keyboard {
            at: At::Prompt,
            state: State::Ground,
            held: Held::NOTHING,
            paste: None,
            owes_end: false,
            pauses: 0,
            cut: false,
            ended: false,
            mute: false,
            surplus: false,
            lines: 0,
            continuation: 0,
            swallowed: 0,
        }
    }

    /// Passes on what one read gave, or the rest of it. With 64 bytes of output it always gets on.
    pub fn pass(&mut self, input: &[u8], out: &mut [u8], at: At) -> Progress {
        let mut out = Sink { out, written: 0 };
        if input.is_empty() || !out.has_room() {
            return Progress::default();
        }
        self.turn_to(at, &mut out);
        self.ended &= self.cut;
        let mut taken = 0;
        for byte in input {
            if !out.has_room() {
                break;
            }
            // Another end of a line is that of an empty one.
            self.mute |= self.ended && !is_end(*byte);
            self.pauses = 0;
            self.step(*byte, &mut out);
            taken += 1;
        }
        self.cut = taken < input.len();
        Progress { taken, written: out.written }
    }

    /// Nothing has come for 50 ms: passes on what waited for it; how many bytes that is.
    pub fn pause(&mut self, out: &mut [u8], at: At) -> usize {
        let mut out = Sink { out, written: 0 };
        if !out.has_room() {
            return 0;
        }
        self.turn_to(at, &mut out);
        self.give_up(&mut out);
        // What does not pass is left out to its end.
        if self.state == State::Ground {
            (self.ended, self.mute, self.lines) = (false, false, 0);
        }
        self.end_paste(&mut out);
        if self.surplus && at == At::Prompt && self.state == State::Ground && self.paste.is_none() {
            self.surplus = false;
            out.put_character(typed::character_of(Notice::Surplus));
        }
        out.written
    }

    /// Whether [`Keyboard::pause`] has something to do.
    pub fn is_waiting(&self) -> bool {
        let in_order = self.state == State::Ground && !self.mute && self.lines == 0;
        !in_order || self.paste.is_some_and(|paste| paste.closing) || (self.surplus && self.at == At::Prompt && self.paste.is_none())
    }

    /// How many answers of a terminal were left out since the last time.
    pub fn take_swallowed(&mut self) -> u64 {
        std::mem::take(&mut self.swallowed)
    }

    /// Another one reads.
    fn turn_to(&mut self, at: At, out: &mut Sink<'_>) {
        if self.at == at {
            return;
        }
        self.at = at;
        match at {
            At::Command => {
                if let Some(paste) = self.paste.take() {
                    self.owes_end |= !paste.mute;
                    self.begin(State::Ground);
                }
                if self.state == State::Character {
                    self.begin(State::Ground);
                }
                self.lines = 0;
            }
            At::Prompt => {
                // What a command did not live to read is not a line.
                self.mute |= self.lines >= PASTED_LINES;
                if std::mem::take(&mut self.owes_end) {
                    out.put(keys::PASTE_END);
                }
            }
        }
    }

    fn step(&mut self, byte: u8, out: &mut Sink<'_>) {
        match (self.state, self.paste) {
            (State::Character, _) => self.character(byte, out),
            (_, Some(_)) => self.pasted(byte, out),
            (State::Ground, None) => self.ground(byte, out),
            (State::Escape, None) => self.escape(byte, out),
            (State::Control, None) => self.control(byte, out),
            (State::Application | State::Console, None) => self.application(byte, out),
            (State::Report(left), None) => self.begin(if left > 1 { State::Report(left - 1) } else { State::Ground }),
            (State::String(text), None) => self.string(text, byte),
        }
    }

    /// Begins something, or nothing.
    fn begin(&mut self, state: State) {
        (self.state, self.held) = (state, Held::NOTHING);
    }

    fn hold(&mut self, state: State, byte: u8) {
        self.state = state;
        self.held.push(byte);
    }

    fn ground(&mut self, byte: u8, out: &mut Sink<'_>) {
        match (self.at, byte) {
            (_, ESC) => self.hold(State::Escape, byte),
            (At::Command, _) => self.for_command(byte, out),
            (At::Prompt, CTRL_C) => {
                out.put(&[byte]);
                self.ended = true;
            }
            (At::Prompt, _) if is_end(byte) => {
                if !self.mute {
                    out.put(&[byte]);
                }
                self.ended = true;
            }
            (At::Prompt, _) if keys::is_editing_control(byte) => self.put(&[byte], out),
            (At::Prompt, _) => self.text(byte, out),
        }
    }

    /// A byte of a paste, or one that is no key.
    fn text(&mut self, byte: u8, out: &mut Sink<'_>) {
        match byte {
            // What may begin a character.
            0xc2..=0xf4 => self.hold(State::Character, byte),
            _ => self.literal(byte, out),
        }
    }

    /// A byte as it is if that is text, or what stands for it.
    fn literal(&mut self, byte: u8, out: &mut Sink<'_>) {
        match byte {
            b' '..=b'~' => self.put(&[byte], out),
            b'\t' | b'\r' | b'\n' if self.paste.is_some() => self.put(&[byte], out),
            _ if self.may_put(1) => out.put_character(typed::stand_in(byte)),
            _ => {}
        }
    }

    /// A further byte of a character.
    fn character(&mut self, byte: u8, out: &mut Sink<'_>) {
        let before = self.held;
        self.held.push(byte);
        let held = self.held;
        match std::str::from_utf8(held.bytes()) {
            Ok(character) if character.chars().all(typed::is_text) => {
                self.begin(State::Ground);
                self.put(held.bytes(), out);
            }
            Ok(_) => self.refuse(held, out),
            Err(error) if error.error_len().is_none() && error.valid_up_to() == 0 => {}
            Err(_) => {
                self.refuse(before, out);
                self.step(byte, out);
            }
        }
    }

    /// A byte within a paste.
    fn pasted(&mut self, byte: u8, out: &mut Sink<'_>) {
        let before = self.held;
        self.held.push(byte);
        if self.held.bytes() == keys::PASTE_END {
            self.begin(State::Ground);
            if let Some(paste) = &mut self.paste {
                paste.closing = true;
            }
        } else if !keys::PASTE_END.starts_with(self.held.bytes()) {
            self.refuse(before, out);
            match byte {
                ESC => self.held.push(byte),
                _ => self.text(byte, out),
            }
        }
    }

    /// A byte for a command. Of C1, what begins an answer does so here too, unless it is within a character.
    fn for_command(&mut self, byte: u8, out: &mut Sink<'_>) {
        let continues = matches!(byte, 0x80..=0xbf) && self.continuation > 0;
        self.continuation = match byte {
            _ if continues => self.continuation - 1,
            0xc2..=0xdf => 1,
            0xe0..=0xef => 2,
            0xf0..=0xf4 => 3,
            _ => 0,
        };
        match byte {
            0x8f | 0x90 | 0x98 | 0x9b | 0x9d..=0x9f if !continues => {
                self.hold(State::Escape, ESC);
                self.introduce(byte - 0x40, true);
            }
            CTRL_C => out.put(&[byte]),
            _ => {
                self.lines = self.lines.saturating_add(u8::from(is_end(byte)));
                self.put(&[byte], out);
            }
        }
    }

    /// What is held is no sequence: a command gets the keys that were typed; at the prompt they are refused.
    fn pass_held(&mut self, out: &mut Sink<'_>) {
        let held = self.held;
        match self.at {
            At::Prompt => self.refuse(held, out),
            At::Command if held.length <= 2 => {
                self.begin(State::Ground);
                self.put(held.bytes(), out);
            }
            At::Command => {
                self.begin(State::Ground);
                self.swallowed += 1;
            }
        }
    }

    /// Bytes that are no text: what stands for them.
    fn refuse(&mut self, held: Held, out: &mut Sink<'_>) {
        self.begin(State::Ground);
        held.bytes().iter().for_each(|byte| self.literal(*byte, out));
    }

    /// Nothing has followed on what is held.
    fn give_up(&mut self, out: &mut Sink<'_>) {
        let is_key = match self.state {
            State::Escape => true,
            State::Control | State::Application => self.held.length == 2,
            State::String(text) => text.empty,
            State::Ground | State::Character | State::Console | State::Report(_) => false,
        };
        self.pauses = self.pauses.saturating_add(1);
        match self.state {
            State::Ground => {}
            State::Escape if self.at == At::Prompt => {
                self.begin(State::Ground);
                self.put(&[ABORT], out);
            }
            _ if is_key => self.pass_held(out),
            _ if self.pauses < PATIENCE => {}
            State::String(_) | State::Report(_) => {
                self.swallowed += 1;
                self.begin(State::Ground);
            }
            _ => self.pass_held(out),
        }
    }

    /// Ends a paste whose end has come.
    fn end_paste(&mut self, out: &mut Sink<'_>) {
        let Some(paste) = self.paste.filter(|paste| paste.closing && self.state == State::Ground) else { return };
        let held = self.held;
        self.refuse(held, out);
        self.paste = None;
        if !paste.mute {
            out.put(keys::PASTE_END);
        }
        if !paste.mute && paste.bytes > LINE_BYTES {
            out.put_character(typed::character_of(Notice::TooLong));
        }
    }

    fn put(&mut self, bytes: &[u8], out: &mut Sink<'_>) {
        if self.may_put(bytes.len()) {
            out.put(bytes);
        }
    }

    /// Whether so many bytes more of what was typed pass.
    fn may_put(&mut self, count: usize) -> bool {
        if let Some(paste) = &mut self.paste {
            paste.bytes = paste.bytes.saturating_add(count);
            return !paste.mute && paste.bytes <= LINE_BYTES;
        }
        self.surplus |= self.mute;
        !self.mute
    }
}

/// Whether a byte ends a line.
fn is_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}
