//! Events of asciicast version 2 (<https://docs.asciinema.org/manual/asciicast/v2/>): lines of JSON, `[seconds, "code", "data"]`.
//!
//! Version 2 and not 3: asciinema before 3.0, as distributions have it, opens nothing newer, and times that count from the start survive a
//! line that is lost. The lines are made where there is no heap, of bytes as they come: only whole events, into memory of the caller's. A
//! character that is cut between two writes waits for its rest; what is no UTF-8 becomes U+FFFD, one for each part that could not begin
//! any character, as `String::from_utf8_lossy` has it.

mod line;
#[cfg(test)]
mod tests;

use std::fmt::{self, Write};
use std::time::Duration;

use self::line::{Half, Label, Line, WIDEST};
use crate::screen::Progress;
use crate::words::{Safe, limits};

/// Makes the events of one recording, and knows where in the file they come to stand.
#[derive(Clone, Debug)]
pub struct Encoder {
    /// Bytes of the file up to the next event.
    offset: u64,
    /// Microseconds from the start to the last event.
    time: u64,
    half: Half,
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
            let _ = data(&mut Label::new(line, limits::RECORDING_LABEL_BYTES));
            0
        });
        progress.written
    }

    /// One event, or nothing where there is no room or no data.
    fn event(&mut self, at: Duration, code: char, out: &mut [u8], data: impl FnOnce(&mut Half, &mut Line<'_>) -> usize) -> Progress {
        let time = self.time.max(u64::try_from(at.as_micros()).unwrap_or(u64::MAX));
        let Some(mut line) = Line::begin(time, code, out) else { return Progress::default() };
        let empty = line.length();
        let taken = data(&mut self.half, &mut line);
        if line.length() == empty {
            return Progress { taken, written: 0 };
        }
        let written = line.end();
        self.time = time;
        self.offset += written as u64;
        Progress { taken, written }
    }
}
