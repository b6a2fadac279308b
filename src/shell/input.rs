//! Lines from anywhere but the line editor: a pipe, a file, a terminal that can do nothing but print.
//!
//! One byte is read at a time, as POSIX sh does: what stands behind the line belongs to the command that the line starts.

use std::io;
use std::time::Instant;

use nix::errno::Errno;
use nix::unistd::read;

use super::clock::{Clock, Ending};
use crate::sys::prompt::{self, Wake};
use crate::words::limits::RECORD_LINE_BYTES;
use crate::words::typed::{self, Notice};

/// Bytes of a line that a terminal keeps where nobody edits it, without its newline (termios(3), "Canonical and noncanonical mode").
const KEPT: usize = 4095;

/// What came instead of a line, or the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Without its newline.
    Line(Vec<u8>),
    /// Many times longer than a line may be: its first bytes, and how many there were.
    TooLong { start: Vec<u8>, bytes: u64 },
    /// Ctrl-C.
    Interrupted,
    /// What was typed is no text.
    NotText,
    /// A part of a line that is not to run, because of what is not in it.
    NotTaken(Vec<u8>, Notice),
    /// There is no more: Ctrl-D, or the end of the file.
    End,
    /// The session is over.
    Ended(Ending),
    /// Standard input cannot be read.
    Failed(String),
}

/// Reads a line from standard input, as long as the clock lets the session wait.
pub fn read_line(clock: &Clock) -> Input {
    // What came before there was a line to wait for.
    if let Some(wake) = prompt::take() {
        return woken_by(wake, clock);
    }
    let mut line = Line::default();
    loop {
        prompt::wake_after(clock.remaining(Instant::now()));
        let outcome = line.read();
        if outcome.is_ok_and(|whole| whole || line.bytes > 0) {
            prompt::stop();
            return line.into();
        }
        match (outcome, prompt::take()) {
            (_, Some(wake @ (Wake::Hangup | Wake::Terminate))) => return woken_by(wake, clock),
            (Err(Errno::EINTR), None) => {}
            (Err(Errno::EINTR), Some(wake)) => return woken_by(wake, clock),
            // read(2): the process has lost its terminal.
            (Err(Errno::EIO), _) => return Input::Ended(Ending::Hangup),
            (Err(errno), _) => return Input::Failed(errno.desc().to_owned()),
            (Ok(_), _) => return Input::End,
        }
    }
}

/// Reads a line from a person whose terminal cannot be edited on. One that the terminal may have cut is too long.
pub fn read_typed_line(clock: &Clock) -> Input {
    match read_line(clock) {
        Input::Line(line) => typed_line(line),
        input => input,
    }
}

fn typed_line(line: Vec<u8>) -> Input {
    let text = String::from_utf8_lossy(&line);
    match text.chars().find_map(typed::notice_of) {
        Some(notice) => Input::NotTaken(typed::restored(&text), notice),
        None if line.len() >= KEPT => Input::NotTaken(typed::restored(&text), Notice::TooLong),
        None => Input::Line(std::str::from_utf8(&line).map_or_else(|_| line.clone(), typed::restored)),
    }
}

/// What has been read of a line.
#[derive(Default)]
struct Line {
    /// As much as goes on record.
    start: Vec<u8>,
    bytes: u64,
}

impl Line {
    /// Reads up to a newline; whether there was one.
    fn read(&mut self) -> nix::Result<bool> {
        let mut byte = [0];
        loop {
            match (read(io::stdin(), &mut byte)?, byte) {
                (0, _) => return Ok(false),
                (_, [b'\n']) => return Ok(true),
                (_, [byte]) => self.push(byte),
            }
        }
    }

    fn push(&mut self, byte: u8) {
        self.bytes += 1;
        if self.start.len() < RECORD_LINE_BYTES {
            self.start.push(byte);
        }
    }
}

impl From<Line> for Input {
    fn from(Line { start, bytes }: Line) -> Input {
        if start.len() as u64 == bytes { Input::Line(start) } else { Input::TooLong { start, bytes } }
    }
}

/// What a signal that ended a wait means.
pub fn woken_by(wake: Wake, clock: &Clock) -> Input {
    match wake {
        Wake::Hangup => Input::Ended(Ending::Hangup),
        Wake::Terminate => Input::Ended(Ending::Terminated),
        Wake::Alarm => clock.over(Instant::now()).map_or(Input::Interrupted, Input::Ended),
        Wake::Interrupt => Input::Interrupted,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_signal_ends_the_session_or_only_the_line() {
        let clock = |max: Option<u64>| {
            let mut clock = Clock::start(Instant::now());
            clock = clock.with(None, max.map(Duration::from_millis));
            clock
        };
        let over = Input::Ended(Ending::Max(Duration::ZERO));
        for (wake, max, expected) in [
            (Wake::Hangup, None, Input::Ended(Ending::Hangup)),
            (Wake::Terminate, None, Input::Ended(Ending::Terminated)),
            (Wake::Interrupt, Some(0), Input::Interrupted),
            (Wake::Alarm, Some(0), over),
            (Wake::Alarm, None, Input::Interrupted),
        ] {
            assert_eq!(woken_by(wake, &clock(max)), expected, "{wake:?}");
        }
    }
}
