//! Bytes of a sequence or a character, until it is whole.

/// Bytes of a sequence that are held; what is longer is no key.
const HELD: usize = 12;

/// The bytes of something that is not whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    bytes: [u8; HELD],
    pub(super) length: usize,
    /// Whether there were more.
    pub(super) over: bool,
}

impl Held {
    pub(super) const NOTHING: Held = Held { bytes: [0; HELD], length: 0, over: false };

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    pub(super) fn push(&mut self, byte: u8) {
        match self.bytes.get_mut(self.length) {
            Some(place) => (*place, self.length) = (byte, self.length + 1),
            None => self.over = true,
        }
    }
}
