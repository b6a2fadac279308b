//! Where what passes goes.

/// Bytes of output that one byte of input may become: all that is held, with a stand-in in front, and a notice behind.
const ROOM: usize = 48;

/// The output, as far as it is filled.
pub(super) struct Sink<'a> {
    pub(super) out: &'a mut [u8],
    pub(super) written: usize,
}

impl Sink<'_> {
    pub(super) fn has_room(&self) -> bool {
        self.out.len() - self.written >= ROOM
    }

    pub(super) fn put(&mut self, bytes: &[u8]) {
        if let Some(place) = self.out.get_mut(self.written..self.written + bytes.len()) {
            place.copy_from_slice(bytes);
            self.written += bytes.len();
        }
    }

    pub(super) fn put_character(&mut self, character: char) {
        self.put(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
}
