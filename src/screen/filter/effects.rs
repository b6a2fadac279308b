//! What sequences that pass do to a terminal, as far as the end of the command has to know it.

use super::changes::Change;
use super::output::Output;
use super::rendition::Selected;
use super::sequence::{PASTE, Passed};
use super::{Class, Filter};

impl Filter {
    /// Writes what passes of an SGR.
    pub(super) fn select(&mut self, out: &mut Output) -> Option<Passed> {
        let before = self.rendition;
        let mut selected = Selected::default();
        let rendition = &mut self.rendition;
        let fits = self.sequence.write(b'm', out, |text| {
            selected = rendition.select(&self.sequence, text);
            selected.kept
        });
        if !fits {
            self.rendition = before;
            return None;
        }
        if self.rendition.is_concealed() && !before.is_concealed() {
            self.dropped.count(Class::Concealed);
        }
        self.changes.mark(Change::Rendition, !self.rendition.is_plain());
        Some(Passed { left_out: selected.left_out, clamped: false })
    }

    pub(super) fn follow_escape(&mut self, byte: u8) {
        match byte {
            b'7' => self.save_cursor(),
            b'8' => self.restore_cursor(),
            b'=' => self.changes.mark(Change::Keypad, true),
            b'>' => self.changes.mark(Change::Keypad, false),
            b'E' => self.line.at_start = true,
            _ => {}
        }
    }

    pub(super) fn follow(&mut self, last: u8) {
        let column = |at: usize| self.sequence.number(at).unwrap_or(1);
        match last {
            b'E' | b'F' => self.line.at_start = true,
            b'G' | b'`' => self.line.at_start = column(0) == 1,
            b'H' | b'f' => self.line.at_start = column(1) == 1,
            b'C' | b'I' | b'a' | b'b' => self.line.at_start = false,
            b'r' => self.scroll_region(),
            b'g' => self.changes.mark(Change::Tabs, true),
            b's' => self.save_cursor(),
            b'u' => self.restore_cursor(),
            b'q' => self.changes.mark(Change::CursorShape, self.sequence.number(0).is_some()),
            // A soft reset resets all that is tracked here where a terminal knows it, and autowrap to off on some.
            b'p' => self.changes.mark(Change::NoWrap, true),
            b'h' => self.modes(true),
            b'l' => self.modes(false),
            _ => {}
        }
    }

    fn scroll_region(&mut self) {
        let top = self.sequence.number(0).unwrap_or(1);
        let bottom = self.sequence.number(1).unwrap_or(self.rows);
        let whole = top == 1 && bottom >= self.rows;
        self.changes.mark(Change::Region, !whole);
        // The cursor goes home where the region is a valid one.
        self.line.at_start |= whole;
    }

    /// Modes of the list; the sequence has others too, which did not pass.
    fn modes(&mut self, on: bool) {
        let sequence = self.sequence;
        let changes = [
            (1, Change::CursorKeys, on),
            (4, Change::Insert, on),
            (7, Change::NoWrap, !on),
            (12, Change::Blinking, on),
            (25, Change::HiddenCursor, !on),
            (PASTE, Change::Paste, on && self.paste),
        ];
        for (mode, change, set) in changes {
            if sequence.has(mode) && sequence.is_private() == (mode != 4) {
                self.changes.mark(change, set);
            }
        }
        if sequence.is_private() && sequence.has(1049) {
            self.changes.mark(Change::Alternate, on);
            if on { self.save_cursor() } else { self.restore_cursor() }
        }
    }

    fn save_cursor(&mut self) {
        self.changes.save(self.line.at_start);
    }

    pub(super) fn restore_cursor(&mut self) {
        self.line.at_start = self.changes.restore();
        if self.changes.has(Change::Rendition) {
            self.rendition.doubt();
        }
    }
}
