//! The output filter: what a command prints becomes what a terminal may be sent.
//!
//! An allow-list. The bytes are parsed as a terminal would (after Paul Williams' parser of DEC's VT500), and what is on the list is written anew, in
//! one canonical form, with bounded numbers; no byte of a sequence is ever copied. Everything that asks the terminal a question, names a file, sets
//! a title, or is not known here is dropped and counted: terminals answer by typing, and patching them one by one never ended that.
//! What is text stays visible: invalid UTF-8 as U+FFFD, hazardous characters as `<U+202E>`, control characters as `^X`. The one
//! 8-bit form of a control that UTF-8 has (U+0080 to U+009F) and the raw bytes are text like that, never obeyed.
//!
//! A string that does not end would hide what follows, so a line break, CAN, SUB, ESC and 4096 bytes end it, and U+FFFD stands where it was. Where
//! the list and programs disagree (`reset` sends `ESC c`) the list wins. The list was found by recording what top, htop, less, vim, nano, man,
//! watch, git and others send, and `tests/screen` shows that their screens are the same with and without the filter.
//!
//! Memory is constant, nothing is allocated, and the output does not depend on how the input is cut into pieces. On its own output the filter
//! changes nothing.

mod changes;
mod dropped;
mod effects;
mod output;
mod rendition;
mod sequence;
mod string;
mod text;
mod utf8;

pub use dropped::{Class, Dropped};

use self::changes::{Change, Changes, TABS};
pub(super) use self::output::Output;
use self::rendition::Rendition;
use self::sequence::{Bounds, Sequence};
use self::string::{Kind, Swallowed};
use self::text::Script;
use self::utf8::Partial;
use super::Progress;

/// Bytes that one byte of input may become.
const STEP: usize = 64;
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();
const BEL: u8 = 0x07;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;
const ESC: u8 = 0x1b;
const DEL: u8 = 0x7f;

/// Where in the input it is.
#[derive(Clone, Copy, Default)]
enum State {
    #[default]
    Text,
    /// Inside a character of several bytes.
    Character(Partial),
    /// Behind ESC.
    Escape,
    /// Behind ESC and one byte of 0x20 to 0x2f, or two.
    Intermediate { first: u8, more: bool },
    /// Behind CSI.
    Sequence,
    /// Inside a control string.
    String,
    /// Behind ESC in one.
    StringEscape,
}

/// What is known of the line that the cursor is in.
#[derive(Clone, Copy)]
struct Line {
    /// The cursor is in the first column.
    at_start: bool,
    /// Combining marks on the character just before; `None` where there is none.
    marks: Option<u8>,
    /// There was one just before ESC, without marks.
    repeatable: bool,
    script: Script,
    bells: u8,
}

impl Default for Line {
    fn default() -> Line {
        Line { at_start: true, marks: None, repeatable: false, script: Script::Other, bells: 0 }
    }
}

/// A filter between one command, or one after another, and one screen.
#[derive(Clone)]
pub struct Filter {
    columns: u16,
    rows: u16,
    paste: bool,
    state: State,
    sequence: Sequence,
    string: Swallowed,
    line: Line,
    rendition: Rendition,
    changes: Changes,
    dropped: Dropped,
}

impl Filter {
    /// For a screen of this size; 0 is one that is not known.
    pub fn new(columns: u16, rows: u16) -> Filter {
        let mut filter = Filter {
            columns,
            rows,
            paste: false,
            state: State::default(),
            sequence: Sequence::default(),
            string: Swallowed::new(Kind::Other),
            line: Line::default(),
            rendition: Rendition::default(),
            changes: Changes::default(),
            dropped: Dropped::default(),
        };
        filter.resize(columns, rows);
        filter
    }

    /// The screen has another size.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        (self.columns, self.rows) = (if columns == 0 { 80 } else { columns }, if rows == 0 { 24 } else { rows });
    }

    /// Lets bracketed paste be switched on and off: for the shell's own editor.
    pub fn allow_paste(&mut self, allowed: bool) {
        self.paste = allowed;
    }

    /// What was not passed on as it was since the last time.
    pub fn take_dropped(&mut self) -> Dropped {
        std::mem::take(&mut self.dropped)
    }

    /// Passes on what may be. Takes less than there is where `out` has fewer than 64 bytes left.
    pub fn pass(&mut self, input: &[u8], out: &mut [u8]) -> Progress {
        let mut out = Output::new(out);
        let mut rest = input;
        while let Some((byte, behind)) = rest.split_first() {
            if matches!(self.state, State::Text) && (b' '..DEL).contains(byte) {
                rest = self.run(rest, &mut out);
                if out.room() == 0 {
                    break;
                }
            } else if out.room() < STEP {
                break;
            } else if let Some(behind) = self.whole_sequence(rest, &mut out) {
                rest = behind;
            } else {
                self.step(*byte, &mut out);
                rest = behind;
            }
        }
        Progress { taken: input.len() - rest.len(), written: out.written() }
    }

    /// The end of a command: what is half is dropped, what the command left changed is changed back, and the cursor is at the start of a line.
    /// Writes nothing where nothing is to be done, and never more than 128 bytes.
    pub fn finish(&mut self, out: &mut [u8], fresh_line: bool) -> usize {
        let mut out = Output::new(out);
        self.settle(&mut out);
        if fresh_line && !self.line.at_start {
            out.put(b"\r\n");
        }
        if self.changes.has(Change::Tabs) {
            out.put(TABS);
        }
        (self.line, self.changes) = (Line::default(), Changes::default());
        out.written()
    }

    /// Drops what is half, and resets what is set.
    pub(super) fn settle(&mut self, out: &mut Output) {
        self.abort(out);
        out.put(self.changes.restoring());
        if self.changes.has(Change::Alternate) {
            self.restore_cursor();
        }
        self.changes.resets().for_each(|reset| out.put(reset));
        self.rendition = Rendition::default();
    }

    /// Deals at once with a control sequence that is there whole and is as most are, as the state machine would byte by byte; gives what is
    /// behind it.
    fn whole_sequence<'a>(&mut self, input: &'a [u8], out: &mut Output) -> Option<&'a [u8]> {
        let parameters = input.strip_prefix(b"\x1b[").filter(|_| matches!(self.state, State::Text))?;
        let (last, behind) = self.sequence.whole(parameters)?;
        self.leave_text();
        self.dispatch(last, out);
        Some(behind)
    }

    /// An ESC is there.
    fn leave_text(&mut self) {
        self.line.repeatable = self.line.marks.take() == Some(0);
    }

    fn step(&mut self, byte: u8, out: &mut Output) {
        match self.state {
            State::Text => self.text(byte, out),
            State::Character(partial) => self.character(partial, byte, out),
            State::Escape => self.escape(byte, out),
            State::Intermediate { first, more } => self.intermediate(first, more, byte, out),
            State::Sequence => self.sequence(byte, out),
            State::String => self.string(byte, out),
            State::StringEscape => self.string_escape(byte, out),
        }
    }

    /// Ends what is half. Where a string was, or a part of a character, the screen shows it.
    fn abort(&mut self, out: &mut Output) {
        match std::mem::take(&mut self.state) {
            State::Text => {}
            State::Character(_) => self.invalid(out),
            State::Escape | State::Intermediate { .. } | State::Sequence => self.dropped.count(Class::Malformed),
            State::String | State::StringEscape => {
                self.dropped.count(self.string.class());
                self.dropped.count(Class::Malformed);
                self.show(REPLACEMENT, out);
            }
        }
    }

    /// Control characters and what is not ASCII end a sequence before its time; `true` when this byte did.
    fn is_interrupted(&mut self, byte: u8, out: &mut Output) -> bool {
        match byte {
            1..b' ' | 0x80.. => {
                self.abort(out);
                if !matches!(byte, CAN | SUB) {
                    self.text(byte, out);
                }
                true
            }
            0 | DEL => {
                self.dropped.count(Class::Control);
                true
            }
            b' '..DEL => false,
        }
    }

    fn escape(&mut self, byte: u8, out: &mut Output) {
        if self.is_interrupted(byte, out) {
            return;
        }
        self.state = State::Text;
        match (byte, Kind::begun_by(byte)) {
            (b'[', _) => {
                self.state = State::Sequence;
                self.sequence.clear();
            }
            (b' '..=b'/', _) => self.state = State::Intermediate { first: byte, more: false },
            (_, Some(kind)) => (self.state, self.string) = (State::String, Swallowed::new(kind)),
            (b'7' | b'8' | b'=' | b'>' | b'D' | b'E' | b'M', _) => {
                out.put(&[ESC, byte]);
                self.follow_escape(byte);
            }
            // The end of a string that has ended already.
            (b'\\', _) => {}
            _ => self.dropped.count(escape_class(byte)),
        }
    }

    fn intermediate(&mut self, first: u8, more: bool, byte: u8, out: &mut Output) {
        if self.is_interrupted(byte, out) {
            return;
        }
        match (byte, more) {
            (b' '..=b'/', false) => self.state = State::Intermediate { first, more: true },
            (b' '..=b'/', true) => {
                self.abort(out);
                self.text(byte, out);
            }
            (b'0' | b'B', false) if first == b'(' => {
                self.state = State::Text;
                out.put(&[ESC, first, byte]);
                self.changes.mark(Change::LineDrawing, byte == b'0');
            }
            _ => {
                self.state = State::Text;
                self.dropped.count(if matches!(first, b'#' | b' ') { Class::Sequence } else { Class::Charset });
            }
        }
    }

    fn sequence(&mut self, byte: u8, out: &mut Output) {
        if self.is_interrupted(byte, out) {
            return;
        }
        if byte >= b'@' {
            self.state = State::Text;
            self.dispatch(byte, out);
        } else if !self.sequence.take(byte) {
            self.abort(out);
        }
    }

    /// A whole control sequence.
    fn dispatch(&mut self, last: u8, out: &mut Output) {
        let passed = if self.sequence.is_rendition(last) { self.select(out) } else { self.sequence.pass(last, self.bounds(), out) };
        let Some(passed) = passed else {
            return self.dropped.count(self.sequence.class(last));
        };
        if passed.left_out {
            self.dropped.count(self.sequence.class(last));
        }
        if passed.clamped {
            self.dropped.count(Class::Clamped);
        }
        self.follow(last);
    }

    fn bounds(&self) -> Bounds {
        Bounds { columns: self.columns, rows: self.rows, paste: self.paste, repeatable: self.line.repeatable }
    }

    fn string(&mut self, byte: u8, out: &mut Output) {
        match byte {
            ESC => self.state = State::StringEscape,
            BEL => self.string_ends(),
            CAN | SUB => self.abort(out),
            b'\n' | b'\r' => {
                self.abort(out);
                self.text(byte, out);
            }
            _ if !self.string.take(byte) => self.abort(out),
            _ if self.string.is_whole() => self.string_ends(),
            _ => {}
        }
    }

    fn string_ends(&mut self) {
        self.state = State::Text;
        self.dropped.count(self.string.class());
    }

    fn string_escape(&mut self, byte: u8, out: &mut Output) {
        if byte == b'\\' {
            return self.string_ends();
        }
        self.abort(out);
        self.text(ESC, out);
        self.escape(byte, out);
    }
}

/// What an `ESC byte` that does not pass was for.
fn escape_class(byte: u8) -> Class {
    match byte {
        // DECID, and a query of rxvt's for graphics.
        b'Z' | b'G' => Class::Query,
        b'c' => Class::Reset,
        b'N' | b'O' | b'n' | b'o' | b'|' | b'~' => Class::Charset,
        // Terminology opens what is named behind it.
        b'}' => Class::Command,
        _ => Class::Sequence,
    }
}

#[cfg(test)]
mod tests;
