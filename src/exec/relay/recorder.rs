//! The relay's end of the recording: what the person sees, without secrets, as lines of an asciicast, to a pipe that the guard's recording
//! thread empties into the file.
//!
//! The pipe never holds the person up for long: where it takes nothing for [`limits::DISK_DEADLINE`], or nobody reads it any more, the
//! recording is given up, and the guard told.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::PollFlags;

use super::buffer::Buffer;
use super::message;
use crate::policy::settings::Redact;
use crate::record::recording::Encoder;
use crate::screen::Progress;
use crate::screen::filter::Filter;
use crate::screen::redact::{Found, GROWTH, HELD, Redactor};
use crate::sys::pty::WINDOW;
use crate::words::limits;

/// Bytes that are taken at a time.
pub(super) const CHUNK: usize = 16 << 10;
/// What a chunk becomes at most in lines: a secret of a few bytes a fingerprint, or a byte six (`\u001b`); and what was held back before it.
const CHUNK_OF_LINES: usize = (CHUNK + HELD) * GROWTH + (16 << 10);
/// Room for lines.
const LINES: usize = 2 * CHUNK_OF_LINES;

/// What stands in a recording where the rest of a command's output is left out.
const LEFT_OUT: &[u8] = b"\r\n[what follows is not recorded: the policy's record.max]\r\n";

/// What it works with, allocated before there is a relay.
pub(super) struct Recorder {
    /// `None` where nothing is recorded, or nothing any more.
    pipe: Option<File>,
    track: Track,
    /// Of output that goes to no terminal: as one would show it.
    text: Filter,
    shown: Buffer,
    /// What of the pipeline is still recorded, in bytes.
    quota: u64,
    /// When the pipe took nothing for the first time.
    waiting: Option<Instant>,
    pub chapter: Chapter,
}

/// What is known of a command's chapter.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chapter {
    pub offset: u64,
    pub time: Duration,
    pub left_out: u64,
}

/// What was shown, on its way to be lines.
struct Track {
    /// `None` where there is nothing to look for.
    redactor: Option<Redactor>,
    clean: Buffer,
    lines: Lines,
}

/// Lines on their way to the file.
struct Lines {
    start: Instant,
    encoder: Encoder,
    buffer: Buffer,
}

impl Recorder {
    pub fn new() -> Recorder {
        let lines = Lines { start: Instant::now(), encoder: Encoder::new(0), buffer: Buffer::new(LINES) };
        let track = Track { redactor: None, clean: Buffer::new(CHUNK), lines };
        Recorder {
            pipe: None,
            track,
            text: Filter::new(WINDOW.0, WINDOW.1),
            shown: Buffer::new(CHUNK),
            quota: 0,
            waiting: None,
            chapter: Chapter::default(),
        }
    }

    /// Begins to record.
    pub fn begin(&mut self, how: &message::Recording, pipe: OwnedFd) {
        self.pipe = Some(pipe.into());
        self.track.lines.start = Instant::now();
        self.track.lines.encoder = Encoder::new(how.offset);
        self.track.redactor = (how.redact == Redact::Files).then(|| Redactor::new(&how.key));
    }

    /// Whether anything is recorded.
    pub fn is_on(&self) -> bool {
        self.pipe.is_some()
    }

    /// Whether a chunk can be taken now.
    pub fn has_room(&self) -> bool {
        !self.is_on() || self.track.lines.buffer.room() >= CHUNK_OF_LINES
    }

    /// A pipeline begins, of which so many bytes are recorded.
    pub fn set_quota(&mut self, quota: u64) {
        self.quota = quota;
    }

    /// Whether the next of a command's output is to be recorded.
    pub fn wants_output(&self) -> bool {
        self.is_on() && self.quota > 0
    }

    /// Bytes of output that are not recorded.
    pub fn leave_out(&mut self, count: usize) {
        if self.is_on() {
            self.chapter.left_out += count as u64;
        }
    }

    /// Records what a command shows on the terminal, within its bounds.
    pub fn command(&mut self, bytes: &[u8]) {
        let kept = self.within_quota(bytes);
        if !kept.is_empty() {
            self.track.show(kept);
            self.end_quota();
        }
    }

    /// Records a command's output that goes to no terminal.
    pub fn output(&mut self, bytes: &[u8]) {
        let kept = self.within_quota(bytes);
        if kept.is_empty() {
            return;
        }
        for line in kept.split_inclusive(|byte| *byte == b'\n') {
            match line.strip_suffix(b"\n") {
                Some(line) => {
                    self.filter(line);
                    self.filter(b"\r\n");
                }
                None => self.filter(line),
            }
        }
        self.flush_text();
        self.end_quota();
    }

    fn within_quota<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        if !self.is_on() {
            return &[];
        }
        let (kept, rest) = bytes.split_at(bytes.len().min(usize::try_from(self.quota).unwrap_or(usize::MAX)));
        self.leave_out(rest.len());
        self.quota -= kept.len() as u64;
        kept
    }

    fn end_quota(&mut self) {
        if self.quota == 0 {
            self.track.show(LEFT_OUT);
        }
    }

    fn filter(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let progress = self.text.pass(bytes, self.shown.free());
            self.shown.filled(progress.written);
            bytes = bytes.get(progress.taken..).unwrap_or_default();
            if self.shown.room() < CHUNK / 2 {
                self.flush_text();
            }
        }
    }

    fn flush_text(&mut self) {
        self.track.show(self.shown.bytes());
        self.shown.clear();
    }

    /// Records what the person sees; at most [`CHUNK`] bytes, where there is room.
    pub fn show(&mut self, bytes: &[u8]) {
        if self.is_on() {
            self.track.show(bytes);
        }
    }

    /// Begins the chapter of a command.
    pub fn mark(&mut self, label: &[u8]) {
        if self.is_on() {
            let (offset, time) = self.track.mark(label);
            self.chapter = Chapter { offset, time, left_out: 0 };
        }
    }

    /// Ends it: what was held back is decided.
    pub fn end_chapter(&mut self) {
        if self.is_on() {
            let count = self.text.finish(self.shown.free(), true);
            self.shown.filled(count);
            self.flush_text();
            self.track.flush();
        }
    }

    /// The window has another size.
    pub fn resize(&mut self, window: (u16, u16)) {
        if self.is_on() {
            self.track.lines.resize(window);
        }
    }

    /// What secrets were found since the last time.
    pub fn take_found(&mut self) -> Found {
        self.track.redactor.as_mut().map(Redactor::take_found).unwrap_or_default()
    }

    /// Whether something is on its way.
    pub fn is_busy(&self) -> bool {
        self.is_on() && !self.track.lines.buffer.is_empty()
    }

    /// What to wait for: room, or with nothing to write, only the end of the reader.
    pub fn interest(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        let flags = if self.is_busy() { PollFlags::POLLOUT } else { PollFlags::empty() };
        self.pipe.as_ref().map(|pipe| (pipe.as_fd(), flags))
    }

    /// How long to wait until it is given up.
    pub fn patience(&self) -> Option<Duration> {
        self.waiting.map(|since| limits::DISK_DEADLINE.saturating_sub(since.elapsed()))
    }

    /// Writes what can be written; `shown` is what the wait showed of the pipe. An error says that nothing is recorded any more.
    pub fn pass(&mut self, shown: PollFlags) -> io::Result<()> {
        let result = self.write(shown);
        if result.is_err() {
            self.pipe = None;
            self.track.lines.buffer.clear();
        }
        result
    }

    fn write(&mut self, shown: PollFlags) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        if shown.contains(PollFlags::POLLERR) {
            return Err(Errno::EPIPE.into());
        }
        while !self.track.lines.buffer.is_empty() {
            match self.track.lines.buffer.drain(pipe) {
                Ok(_) => self.waiting = None,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let since = *self.waiting.get_or_insert_with(Instant::now);
                    return if since.elapsed() < limits::DISK_DEADLINE { Ok(()) } else { Err(Errno::ETIMEDOUT.into()) };
                }
                Err(error) => return Err(error),
            }
        }
        self.waiting = None;
        Ok(())
    }
}

impl Track {
    fn show(&mut self, mut bytes: &[u8]) {
        let Some(redactor) = &mut self.redactor else { return self.lines.output(bytes) };
        loop {
            let progress = redactor.pass(bytes, self.clean.free());
            bytes = bytes.get(progress.taken..).unwrap_or_default();
            self.clean.filled(progress.written);
            self.lines.output(self.clean.bytes());
            self.clean.clear();
            if bytes.is_empty() && progress.written == 0 || progress == Progress::default() {
                return;
            }
        }
    }

    /// What was held back is decided.
    fn flush(&mut self) {
        while let Some(redactor) = &mut self.redactor {
            let count = redactor.flush(self.clean.free()).written;
            self.clean.filled(count);
            self.lines.output(self.clean.bytes());
            self.clean.clear();
            if count == 0 {
                break;
            }
        }
        self.lines.flush();
    }

    fn mark(&mut self, label: &[u8]) -> (u64, Duration) {
        self.flush();
        self.lines.mark(label)
    }
}

impl Lines {
    fn output(&mut self, mut bytes: &[u8]) {
        let at = self.start.elapsed();
        while !bytes.is_empty() {
            let progress = self.encoder.output(at, bytes, self.buffer.free());
            self.buffer.filled(progress.written);
            bytes = bytes.get(progress.taken..).unwrap_or_default();
            if progress == Progress::default() {
                return;
            }
        }
    }

    fn flush(&mut self) {
        let count = self.encoder.flush(self.start.elapsed(), self.buffer.free());
        self.buffer.filled(count);
    }

    fn mark(&mut self, label: &[u8]) -> (u64, Duration) {
        let (offset, time) = (self.encoder.offset(), self.start.elapsed());
        let count = self.encoder.marker(time, label, self.buffer.free());
        self.buffer.filled(count);
        (offset, time)
    }

    fn resize(&mut self, (columns, rows): (u16, u16)) {
        let count = self.encoder.resize(self.start.elapsed(), columns, rows, self.buffer.free());
        self.buffer.filled(count);
    }
}
