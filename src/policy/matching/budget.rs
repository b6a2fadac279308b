//! How much work one decision may be.

use std::cell::Cell;

use crate::words::limits;

/// The steps that one decision may still take.
pub struct Budget(Cell<u32>);

impl Default for Budget {
    fn default() -> Budget {
        Budget(Cell::new(limits::MATCH_STEPS))
    }
}

impl Budget {
    /// Takes one; false where none is left.
    pub fn step(&self) -> bool {
        let left = self.0.get();
        self.0.set(left.saturating_sub(1));
        left > 0
    }

    pub fn is_spent(&self) -> bool {
        self.0.get() == 0
    }
}
