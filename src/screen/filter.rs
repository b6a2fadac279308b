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
mod utf8;

pub use dropped::{Class, Dropped};

use unicode_width::UnicodeWidthChar;

use self::changes::{Change, Changes, TABS};
pub(super) use self::output::Output;
use self::rendition::Rendition;
use self::sequence::{Bounds, Sequence};
use self::string::{Kind, Swallowed};
use self::utf8::{Partial, Step};
use super::Progress;
use crate::words::escape::{self, Hazard, hazard};

/// Bytes that one byte of input may become.
const STEP: usize = 64;
/// Combining marks that a character may have.
const MARKS: u8 = 4;
/// Bells that a line may ring.
const BELLS: u8 = 3;

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

/// Of which script the last character was, as far as it can pass for Latin.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Script {
    #[default]
    Other,
    Latin,
    Lookalike,
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

    /// Passes on printable ASCII from the start of `input`; gives what is behind it, or did not fit.
    fn run<'a>(&mut self, input: &'a [u8], out: &mut Output) -> &'a [u8] {
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

    /// Something visible that takes at least one column.
    fn show(&mut self, text: &[u8], out: &mut Output) {
        out.put(text);
        self.line = Line { at_start: false, marks: Some(0), script: Script::Other, ..self.line };
    }

    fn text(&mut self, byte: u8, out: &mut Output) {
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

    fn character(&mut self, partial: Partial, byte: u8, out: &mut Output) {
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

    fn invalid(&mut self, out: &mut Output) {
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
mod tests;
