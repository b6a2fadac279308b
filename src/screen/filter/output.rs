//! Bytes written in order into room that someone else gave.

use std::fmt::{self, Write};

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

    pub fn is_cut(&self) -> bool {
        self.cut
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

    /// A number in decimal.
    pub fn number(&mut self, number: u16) {
        if number > 9 {
            self.number(number / 10);
        }
        self.put(&[b'0' + (number % 10) as u8]);
    }
}

impl Write for Output<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes());
        Ok(())
    }
}
