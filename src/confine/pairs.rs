//! What a name begins or ends with, to tell most names from those that matter.

/// A set of pairs of bytes, which may seem to have more than were added.
#[derive(Debug)]
pub(super) struct Pairs(Box<[u64; 64]>);

impl Default for Pairs {
    fn default() -> Pairs {
        Pairs(Box::new([0; 64]))
    }
}

impl Pairs {
    /// Six bits of each byte tell all small letters, digits and signs of names apart.
    fn place(pair: [u8; 2]) -> (usize, u64) {
        (usize::from(pair[0] & 63), 1 << (pair[1] & 63))
    }

    pub fn add(&mut self, pair: [u8; 2]) {
        let (at, bit) = Pairs::place(pair);
        self.0.iter_mut().skip(at).take(1).for_each(|word| *word |= bit);
    }

    pub fn has(&self, pair: Option<&[u8; 2]>) -> bool {
        let place = pair.map(|pair| Pairs::place(*pair));
        place.is_some_and(|(at, bit)| self.0.get(at).is_some_and(|word| word & bit != 0))
    }
}
