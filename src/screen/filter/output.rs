//! Bytes written in order into room that someone else gave.

use std::fmt::{self, Write};

use super::STEP;

/// A slice that is filled from its start. What does not fit is left out whole: who writes has asked for [`Output::room`].
pub(in crate::screen) struct Output<'a> {
    free: &'a mut [u8],
    written: usize,
    /// Something did not fit.
    cut: bool,
}

impl<'a> Output<'a> {
    pub fn new(free: &'a mut [u8]) -> Output<'a> {
        Output { free, written: 0, cut: false }
    }

    pub fn room(&self) -> usize {
        self.free.len()
    }

    pub fn written(&self) -> usize {
        self.written
    }

    /// Keeps what is written where it is wanted then, and takes no more than [`STEP`] bytes.
    pub fn attempt(&mut self, write: impl FnOnce(&mut Output) -> bool) -> bool {
        let Some(room) = self.free.get_mut(..STEP) else {
            return false;
        };
        let mut attempt = Output::new(room);
        let kept = write(&mut attempt) && !attempt.cut;
        let written = if kept { attempt.written } else { 0 };
        self.free = std::mem::take(&mut self.free).get_mut(written..).unwrap_or_default();
        self.written += written;
        kept
    }

    pub fn put(&mut self, bytes: &[u8]) {
        match std::mem::take(&mut self.free).split_at_mut_checked(bytes.len()) {
            Some((space, rest)) => {
                space.copy_from_slice(bytes);
                self.free = rest;
                self.written += bytes.len();
            }
            None => self.cut = true,
        }
    }

    pub fn push(&mut self, byte: u8) {
        match std::mem::take(&mut self.free).split_first_mut() {
            Some((space, rest)) => {
                *space = byte;
                self.free = rest;
                self.written += 1;
            }
            None => self.cut = true,
        }
    }

    /// A number in decimal.
    pub fn number(&mut self, number: u16) {
        if number > 9 {
            self.number(number / 10);
        }
        self.push(b'0' + (number % 10) as u8);
    }
}

impl Write for Output<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes());
        Ok(())
    }
}
