//! What is typed, on its way from the person's terminal to whichever of the two behind it has its turn.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::buffer::Buffer;
use crate::screen::keyboard::{At, Keyboard};
use crate::sys::pty;

/// Bytes that were typed and nobody has read.
const KEYS: usize = 4 << 10;

/// What it works with, allocated before there is a relay.
pub(super) struct Keys {
    keyboard: Keyboard,
    typed: Buffer,
    keys: Buffer,
    /// Since when something is waited for: the rest of a key, or the end of what belongs together.
    waiting: Option<Instant>,
}

impl Keys {
    pub fn new() -> Keys {
        Keys { keyboard: Keyboard::new(), typed: Buffer::new(KEYS), keys: Buffer::new(KEYS), waiting: None }
    }

    /// Whether more can be read.
    pub fn has_room(&self) -> bool {
        self.typed.is_empty()
    }

    /// Whether there are keys that nobody has taken.
    pub fn is_pending(&self) -> bool {
        !self.keys.is_empty()
    }

    pub fn waiting(&self) -> Option<Instant> {
        self.waiting
    }

    /// Reads once what was typed.
    pub fn read(&mut self, terminal: &mut File) -> io::Result<usize> {
        let count = self.typed.fill(terminal, KEYS)?;
        self.waiting = None;
        Ok(count)
    }

    /// Another one has its turn: what the one before did not take, nobody does.
    pub fn turn(&mut self) {
        self.keys.clear();
        // The editor may have to be told of what was typed before.
        self.waiting = Some(Instant::now());
    }

    /// Nobody types any more.
    pub fn end(&mut self) {
        self.typed.clear();
    }

    /// Gives keys to `target`, which is the terminal of a command or the front's; whether one of them would have stopped the command
    /// elsewhere. What waited for `pause` is decided.
    pub fn give(&mut self, target: &mut Option<File>, at: At, pause: Duration) -> bool {
        let mut suspends = false;
        if self.waiting.is_some_and(|since| since.elapsed() >= pause) {
            // What has no room yet is no silence.
            if self.typed.is_empty() {
                let count = self.keyboard.pause(self.keys.free(), at);
                self.keys.filled(count);
            }
            self.waiting = self.keyboard.is_waiting().then(Instant::now);
        }
        loop {
            if let (Some(command), At::Command) = (&target, at) {
                suspends |= self.note_signals(command.as_fd());
            }
            let progress = self.keyboard.pass(self.typed.bytes(), self.keys.free(), at);
            self.keys.filled(progress.written);
            self.typed.taken(progress.taken);
            if self.keyboard.is_waiting() {
                self.waiting.get_or_insert_with(Instant::now);
            }
            // Keys become more than they were: once they are taken there is room again, and nothing else would wake us for the rest.
            if !self.hand_over(target) || self.typed.is_empty() {
                return suspends;
            }
        }
    }

    /// Whether all keys could be handed over, or nobody is there to take them.
    fn hand_over(&mut self, target: &mut Option<File>) -> bool {
        while !self.keys.is_empty() {
            match target.as_mut().map(|target| self.keys.drain(target)) {
                Some(Err(error)) if error.kind() == ErrorKind::WouldBlock => return false,
                Some(Ok(1..)) => {}
                Some(Ok(0) | Err(_)) | None => self.keys.clear(),
            }
        }
        true
    }

    /// Looks for keys that are signals now; whether one of them would stop the command. One that would wait behind keys that nobody reads
    /// takes their place, as it would in a terminal.
    fn note_signals(&mut self, command: BorrowedFd<'_>) -> bool {
        let mut suspends = false;
        for key in self.typed.bytes().iter().filter(|byte| **byte < 0x20) {
            let Some(signal) = pty::signal_of(command, *key) else { continue };
            suspends |= signal == pty::Key::Suspend;
            if !self.keys.is_empty() {
                self.keys.clear();
                pty::send_signal(command, signal);
            }
        }
        suspends
    }
}
