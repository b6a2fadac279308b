//! What a program may have changed on the terminal and not changed back, and how to.
//!
//! Terminals differ in what `ESC 8`, `CSI u` and leaving the alternate screen bring back (xterm: rendition and character set, VT510: autowrap too,
//! Windows: the cursor alone) and in how many places they save to. So after one of them everything that was in force, then or at any save, may be.

/// Something that is not as a prompt needs it.
#[derive(Clone, Copy)]
pub(super) enum Change {
    Rendition,
    LineDrawing,
    NoWrap,
    Insert,
    CursorKeys,
    Keypad,
    HiddenCursor,
    Blinking,
    CursorShape,
    Paste,
    Region,
    Alternate,
    Tabs,
}

impl Change {
    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// Written after [`Changes::restoring`], so that no restored cursor undoes them.
const RESETS: [(Change, &[u8]); 10] = [
    (Change::Insert, b"\x1b[4l"),
    (Change::NoWrap, b"\x1b[?7h"),
    (Change::CursorKeys, b"\x1b[?1l"),
    (Change::Keypad, b"\x1b>"),
    (Change::LineDrawing, b"\x1b(B"),
    (Change::Rendition, b"\x1b[0m"),
    (Change::CursorShape, b"\x1b[0 q"),
    (Change::Blinking, b"\x1b[?12l"),
    (Change::HiddenCursor, b"\x1b[?25h"),
    (Change::Paste, b"\x1b[?2004l"),
];

/// Stops at every eighth column: at once where the terminal knows how (DECST8C), and by hand for 80 columns; at the start of a line.
pub(super) const TABS: &[u8] =
    b"\x1b[?5W\x1b[8C\x1bH\x1b[8C\x1bH\x1b[8C\x1bH\x1b[8C\x1bH\x1b[8C\x1bH\x1b[8C\x1bH\x1b[8C\x1bH\x1b[8C\x1bH\x1b[8C\x1bH\r";

/// What is saved with the cursor.
#[derive(Clone, Copy)]
struct Saved {
    set: u16,
    at_start: bool,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Changes {
    set: u16,
    /// All saves together; what was saved before this program is not known.
    saved: Option<Saved>,
}

impl Changes {
    /// What goes with a saved cursor.
    const SAVED: u16 = Change::Rendition.bit() | Change::LineDrawing.bit() | Change::NoWrap.bit();

    pub fn mark(&mut self, change: Change, on: bool) {
        self.set = if on { self.set | change.bit() } else { self.set & !change.bit() };
    }

    pub fn has(&self, change: Change) -> bool {
        self.set & change.bit() != 0
    }

    /// The cursor is saved, at the start of a line or not.
    pub fn save(&mut self, at_start: bool) {
        let before = self.saved.unwrap_or(Saved { set: 0, at_start: true });
        self.saved = Some(Saved { set: before.set | self.set & Changes::SAVED, at_start: before.at_start && at_start });
    }

    /// The cursor is restored; whether it is at the start of a line for sure.
    pub fn restore(&mut self) -> bool {
        let saved = self.saved.unwrap_or(Saved { set: Changes::SAVED, at_start: false });
        self.set |= saved.set;
        saved.at_start
    }

    /// What to write first: the region that scrolls is reset, which moves the cursor, and the alternate screen left, which restores it.
    pub fn restoring(&self) -> &'static [u8] {
        match (self.has(Change::Region), self.has(Change::Alternate)) {
            (true, false) => b"\x1b7\x1b[r\x1b8",
            (true, true) => b"\x1b[r\x1b[?1049l",
            (false, true) => b"\x1b[?1049l",
            (false, false) => b"",
        }
    }

    /// What to write then.
    pub fn resets(&self) -> impl Iterator<Item = &'static [u8]> {
        let set = self.set;
        RESETS.into_iter().filter(move |(change, _)| set & change.bit() != 0).map(|(_, reset)| reset)
    }
}
