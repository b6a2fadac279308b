//! Bytes on their way: room that is allocated before there is a relay.

use std::io::{self, Read, Write};

/// Bytes that came and have not gone yet. By default there is room for none.
#[derive(Default)]
pub(super) struct Buffer {
    room: Box<[u8]>,
    from: usize,
    to: usize,
}

impl Buffer {
    pub fn new(length: usize) -> Buffer {
        Buffer { room: vec![0; length].into(), from: 0, to: 0 }
    }

    pub fn bytes(&self) -> &[u8] {
        self.room.get(self.from..self.to).unwrap_or_default()
    }

    pub fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// How many more there is room for.
    pub fn room(&self) -> usize {
        self.room.len() - (self.to - self.from)
    }

    /// All the room that there is, behind the bytes.
    pub fn free(&mut self) -> &mut [u8] {
        if self.from > 0 {
            self.room.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
        }
        self.room.get_mut(self.to..).unwrap_or_default()
    }

    /// So many of [`Buffer::free`] are bytes now.
    pub fn filled(&mut self, count: usize) {
        self.to = self.room.len().min(self.to + count);
    }

    /// So many of [`Buffer::bytes`] have gone.
    pub fn taken(&mut self, count: usize) {
        self.from = self.to.min(self.from + count);
        if self.is_empty() {
            self.clear();
        }
    }

    pub fn clear(&mut self) {
        (self.from, self.to) = (0, 0);
    }

    /// Reads once, at most `limit` bytes.
    pub fn fill(&mut self, source: &mut impl Read, limit: usize) -> io::Result<usize> {
        let free = self.free();
        let limit = limit.min(free.len());
        let count = source.read(free.get_mut(..limit).unwrap_or_default())?;
        self.filled(count);
        Ok(count)
    }

    /// Writes once.
    pub fn drain(&mut self, target: &mut impl Write) -> io::Result<usize> {
        let count = target.write(self.bytes())?;
        self.taken(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_the_order_in_which_they_came() {
        let mut buffer = Buffer::new(8);
        assert_eq!(buffer.fill(&mut &b"abcdefghij"[..], 6).unwrap(), 6);
        buffer.taken(4);
        assert_eq!((buffer.bytes(), buffer.room()), (&b"ef"[..], 6));
        assert_eq!(buffer.fill(&mut &b"0123456789"[..], 100).unwrap(), 6);
        assert_eq!((buffer.bytes(), buffer.room()), (&b"ef012345"[..], 0));
        let mut target = Vec::new();
        assert_eq!(buffer.drain(&mut target).unwrap(), 8);
        assert_eq!((target.as_slice(), buffer.is_empty()), (&b"ef012345"[..], true));
    }
}
