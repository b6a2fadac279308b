//! Events of asciicast version 2 (<https://docs.asciinema.org/manual/asciicast/v2/>): lines of JSON, `[seconds, "code", "data"]`.
//!
//! Version 2 and not 3: asciinema before 3.0, as distributions have it, opens nothing newer, and times that count from the start survive a
//! line that is lost. The lines are made where there is no heap, of bytes as they come: only whole events, into memory of the caller's. A
//! character that is cut between two writes waits for its rest; what is no UTF-8 becomes U+FFFD, one for each part that could not begin
//! any character, as `String::from_utf8_lossy` has it.

use std::fmt::{self, Write};
use std::time::Duration;

use crate::screen::Progress;
use crate::words::{Safe, limits};

/// What ends the data of an event.
const END: &[u8] = b"\"]\n";
/// Bytes that any byte or character needs at most: those of `\u001b`.
const WIDEST: usize = 6;
/// Bytes that are looked at at once.
const WORD: usize = 8;
const ESC: u8 = 0x1b;
/// In place of what is no UTF-8.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Makes the events of one recording, and knows where in the file they come to stand.
#[derive(Clone, Debug)]
pub struct Encoder {
    /// Bytes of the file up to the next event.
    offset: u64,
    /// Microseconds from the start to the last event.
    time: u64,
    half: Half,
}

/// The beginning of a character.
#[derive(Clone, Copy, Debug, Default)]
struct Half {
    bytes: [u8; 4],
    length: usize,
}

impl Encoder {
    /// Room that is enough for every marker and resize; output takes as much as there is, from 64 bytes on.
    pub const ROOM: usize = 64 + WIDEST * limits::RECORDING_LABEL_BYTES;

    /// For a file that has a header of so many bytes, and nothing else.
    pub fn new(header_length: u64) -> Encoder {
        Encoder { offset: header_length, time: 0, half: Half::default() }
    }

    /// Where the next event stands in the file, in bytes from its beginning.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What was written to the terminal at a time from the start: at most one event a call. Times that go back are those of the event before.
    pub fn output(&mut self, at: Duration, data: &[u8], out: &mut [u8]) -> Progress {
        self.event(at, 'o', out, |half, line| line.text(half, data))
    }

    /// A character that was begun, and to which nothing more will come. Returns the bytes of its event.
    pub fn flush(&mut self, at: Duration, out: &mut [u8]) -> usize {
        self.event(at, 'o', out, |half, line| line.rest(half)).written
    }

    /// A chapter, as players show it: its label with what could be obeyed or mislead shown, and cut at
    /// [`limits::RECORDING_LABEL_BYTES`]. Returns the bytes of the event, 0 where there is no room.
    pub fn marker(&mut self, at: Duration, label: &[u8], out: &mut [u8]) -> usize {
        self.whole(at, 'm', out, |line| write!(line, "{}", Safe(label)))
    }

    /// The terminal has another size now. Returns the bytes of the event, 0 where there is no room.
    pub fn resize(&mut self, at: Duration, columns: u16, rows: u16, out: &mut [u8]) -> usize {
        self.whole(at, 'r', out, |line| write!(line, "{columns}x{rows}"))
    }

    /// An event whose data are there whole or cut at the cap of labels.
    fn whole(&mut self, at: Duration, code: char, out: &mut [u8], data: impl FnOnce(&mut Label<'_, '_>) -> fmt::Result) -> usize {
        let out = out.get_mut(..Self::ROOM).unwrap_or_default();
        let progress = self.event(at, code, out, |_, line| {
            // The error is that of a label that was cut.
            let _ = data(&mut Label { line, left: limits::RECORDING_LABEL_BYTES });
            0
        });
        progress.written
    }

    /// One event, or nothing where there is no room or no data.
    fn event(&mut self, at: Duration, code: char, out: &mut [u8], data: impl FnOnce(&mut Half, &mut Line<'_>) -> usize) -> Progress {
        let time = self.time.max(u64::try_from(at.as_micros()).unwrap_or(u64::MAX));
        let Some(mut line) = Line::begin(time, code, out) else { return Progress::default() };
        let empty = line.length;
        let taken = data(&mut self.half, &mut line);
        if line.length == empty {
            return Progress { taken, written: 0 };
        }
        let written = line.end();
        self.time = time;
        self.offset += written as u64;
        Progress { taken, written }
    }
}

/// One event that is being written; there is always room for its end.
struct Line<'o> {
    out: &'o mut [u8],
    length: usize,
}

impl<'o> Line<'o> {
    /// `None` where there is not even room for one character.
    fn begin(time: u64, code: char, out: &'o mut [u8]) -> Option<Line<'o>> {
        let mut line = Line { out, length: 0 };
        write!(line, "[{}.{:06}, \"{code}\", \"", time / 1_000_000, time % 1_000_000).ok()?;
        (line.room() >= WIDEST).then_some(line)
    }

    fn end(mut self) -> usize {
        let length = self.length + END.len();
        if let Some(place) = self.out.get_mut(self.length..length) {
            place.copy_from_slice(END);
        }
        self.length = length;
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
    fn text(&mut self, half: &mut Half, data: &[u8]) -> usize {
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

    fn rest(&mut self, half: &mut Half) -> usize {
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
struct Label<'l, 'o> {
    line: &'l mut Line<'o>,
    left: usize,
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
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The events for output that comes in these pieces, through a buffer of so many bytes.
    fn encoded<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, room: usize) -> Vec<u8> {
        let (mut encoder, mut file, mut out) = (Encoder::new(0), Vec::new(), vec![0; room]);
        for piece in pieces {
            let mut rest = piece;
            while !rest.is_empty() {
                let Progress { taken, written } = encoder.output(SECOND, rest, &mut out);
                assert!(taken > 0, "progress with {room} bytes");
                rest = &rest[taken..];
                file.extend(&out[..written]);
                assert!(file.is_empty() || file.ends_with(b"\n"), "whole events");
            }
        }
        let written = encoder.flush(SECOND, &mut out);
        file.extend(&out[..written]);
        assert_eq!(encoder.offset(), file.len() as u64);
        file
    }

    /// The data of all events, which are output.
    fn decoded(file: &[u8]) -> String {
        let lines = str::from_utf8(file).unwrap().lines();
        let events = lines.map(|line| serde_json::from_str::<(f64, String, String)>(line).unwrap());
        events.map(|(at, code, data)| ((at, code.as_str()) == (1.0, "o")).then_some(data).unwrap()).collect()
    }

    #[test]
    fn output_is_text_of_json() {
        for (data, event) in [
            (&b"plain"[..], r#"[1.000000, "o", "plain"]"#),
            (b"say \"hi\" \\o/", r#"[1.000000, "o", "say \"hi\" \\o/"]"#),
            (b"\x1b[1mbold\x1b[m\r\n\t\x07\0\x7f", "[1.000000, \"o\", \"\\u001b[1mbold\\u001b[m\\r\\n\\t\\u0007\\u0000\x7f\"]"),
            ("é€😀".as_bytes(), r#"[1.000000, "o", "é€😀"]"#),
            (b"a\xffb\xe2\x82", "[1.000000, \"o\", \"a\u{fffd}b\"]\n[1.000000, \"o\", \"\u{fffd}\"]"),
            (b"", ""),
        ] {
            let file = encoded([data], 4096);
            assert_eq!(str::from_utf8(&file).unwrap().trim_end(), event);
        }
    }

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

    #[test]
    fn a_character_in_two_writes_is_one() {
        let mut encoder = Encoder::new(0);
        let mut out = [0; 64];
        assert_eq!(encoder.output(SECOND, b"\xf0\x9f", &mut out), Progress { taken: 2, written: 0 }, "half of one is no event");
        let Progress { taken, written } = encoder.output(2 * SECOND, b"\x98\x80!", &mut out);
        assert_eq!((taken, str::from_utf8(&out[..written]).unwrap()), (3, "[2.000000, \"o\", \"😀!\"]\n"));
        assert_eq!(encoder.flush(SECOND, &mut out), 0);
    }

    #[test]
    fn times_never_go_back() {
        let mut encoder = Encoder::new(100);
        let mut out = [0; Encoder::ROOM];
        let mut file = String::new();
        for micros in [0, 1_500_000, 1_499_999, 60_000_001] {
            let written = encoder.resize(Duration::from_micros(micros), 80, 24, &mut out);
            file.push_str(str::from_utf8(&out[..written]).unwrap());
        }
        let times: Vec<&str> = file.lines().map(|line| line.split(',').next().unwrap()).collect();
        assert_eq!(times, ["[0.000000", "[1.500000", "[1.500000", "[60.000001"]);
        assert_eq!(encoder.offset(), 100 + file.len() as u64);
        assert!(encoder.resize(Duration::MAX, u16::MAX, u16::MAX, &mut out) > 0, "the longest time fits");
        assert!(encoder.output(Duration::MAX, b"\x1b", &mut out[..64]).written > 0);
    }

    #[test]
    fn other_events_are_whole_or_not_there() {
        let mut out = [0; Encoder::ROOM];
        let mut event = |write: &dyn Fn(&mut Encoder, &mut [u8]) -> usize| {
            let mut encoder = Encoder::new(0);
            assert_eq!(write(&mut encoder, &mut out[..Encoder::ROOM - 1]), 0, "no room");
            let written = write(&mut encoder, &mut out);
            assert_eq!(encoder.offset(), written as u64);
            String::from_utf8(out[..written].to_vec()).unwrap()
        };
        let long = [b'x'; 3000];
        let dots = format!("[1.000000, \"m\", \"{}…\"]\n", "x".repeat(256));
        assert_eq!(event(&|encoder, out| encoder.resize(SECOND, 132, 43, out)), "[1.000000, \"r\", \"132x43\"]\n");
        for (label, expected) in [
            (&b"tail -f \"x\""[..], "[1.000000, \"m\", \"tail -f \\\"x\\\"\"]\n"),
            (b"echo \x1b]0;x\x07\xff\n", "[1.000000, \"m\", \"echo ^[]0;x^G<ff>^J\"]\n"),
            ("x\u{202e}y".as_bytes(), "[1.000000, \"m\", \"x<U+202E>y\"]\n"),
            (&long, &dots),
        ] {
            assert_eq!(event(&|encoder, out| encoder.marker(SECOND, label, out)), expected);
        }
    }

    #[test]
    fn the_widest_label_fits() {
        let mut out = [0; Encoder::ROOM];
        for label in ["\u{1f600}", "é", "\"", "\\", "\u{202e}"] {
            let written = Encoder::new(0).marker(Duration::MAX, label.repeat(400).as_bytes(), &mut out);
            let event: Value = serde_json::from_slice(&out[..written]).unwrap();
            let label = event[2].as_str().unwrap();
            assert!(label.ends_with('…') && label.len() > 250, "{label}");
        }
    }

    #[test]
    fn too_little_room_takes_nothing() {
        for room in 0..20 {
            let mut encoder = Encoder::new(0);
            assert_eq!(encoder.output(SECOND, b"x", &mut vec![0; room]), Progress::default());
            assert_eq!(encoder.offset(), 0);
        }
    }

    /// What makes every path of the encoder likely: runs, escapes, characters of all lengths, and no characters.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![
            any::<Vec<u8>>(),
            "\\PC{0,80}".prop_map(String::into_bytes),
            "[ -~]{0,200}".prop_map(String::into_bytes),
            proptest::sample::select(vec![&b"\xe2\x82"[..], b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xc0\xaf", b"\x1b[31m", b"\"\\", b"\r\n"])
                .prop_map(<[u8]>::to_vec),
        ];
        proptest::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn nothing_depends_on_how_the_bytes_come(data in bytes(), cut in 1usize..100, room in 64usize..600) {
            let text = String::from_utf8_lossy(&data);
            prop_assert_eq!(decoded(&encoded([&data[..]], room)), &*text);
            prop_assert_eq!(decoded(&encoded(data.chunks(1), room)), &*text);
            prop_assert_eq!(decoded(&encoded(data.chunks(cut), room)), &*text);
        }
    }
}
