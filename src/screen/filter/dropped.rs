//! What the filter counts, by class: for the record of a command, and for alerts on it.

/// Why something of a program's output was not passed on as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Asks the terminal to type an answer.
    Query,
    /// Reads or writes the person's clipboard.
    Clipboard,
    /// Makes a terminal run or open something, or fetch, send or keep a file.
    Command,
    /// Prints, or logs to a file.
    Print,
    /// Sets, stacks or restyles the title of the window.
    Title,
    /// Moves or resizes the window.
    Window,
    /// A notification on the desktop.
    Notify,
    /// A hyperlink.
    Link,
    /// Pictures.
    Graphics,
    /// Colours of the palette, fonts, the shape of the pointer.
    Palette,
    /// Changes what the keys send.
    Keys,
    /// Bracketed paste, or its brackets.
    Paste,
    /// Any other mode outside the list: mouse, margins, reverse screen, synchronized update, …
    Mode,
    /// Character sets but the two that are needed, and single shifts.
    Charset,
    /// A reset of the terminal, or the end of its scrollback.
    Reset,
    /// Any other OSC, DCS, APC, PM or SOS.
    String,
    /// Any other sequence outside the list.
    Sequence,
    /// A sequence that is none: aborted, too long, too many parameters.
    Malformed,
    /// Bytes that are not UTF-8, shown as U+FFFD.
    Utf8,
    /// Control characters, shown as `^X` or `<U+009B>`; NUL and DEL, dropped.
    Control,
    /// Characters that change the direction of text, shown as `<U+202E>`.
    Bidi,
    /// Invisible characters, shown as `<U+200B>`.
    Invisible,
    /// Combining marks: too many on a character, or on none.
    Mark,
    /// Bells beyond three a line.
    Bell,
    /// Numbers that were made smaller.
    Clamped,
    /// Passed, only counted: text in the colour of its background.
    Concealed,
    /// Passed, only counted: a letter of another script that looks Latin, beside one that is.
    Lookalike,
}

/// The names of the classes in records, in the order of [`Class`].
const NAMES: [&str; 27] = [
    "query",
    "clipboard",
    "command",
    "print",
    "title",
    "window",
    "notify",
    "link",
    "graphics",
    "palette",
    "keys",
    "paste",
    "mode",
    "charset",
    "reset",
    "string",
    "sequence",
    "malformed",
    "utf8",
    "control",
    "bidi",
    "invisible",
    "mark",
    "bell",
    "clamped",
    "concealed",
    "lookalike",
];

/// How often each class was met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped([u64; NAMES.len()]);

impl Dropped {
    /// From what [`Dropped::counts`] gave, perhaps in another process.
    pub fn from_counts(counts: [u64; NAMES.len()]) -> Dropped {
        Dropped(counts)
    }

    /// All counts, zeros too, in the order of [`Class`].
    pub fn counts(&self) -> &[u64; NAMES.len()] {
        &self.0
    }

    /// The classes that were met, each with how often.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        NAMES.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }

    /// How often a class was met.
    pub fn of(&self, class: Class) -> u64 {
        self.0.get(class as usize).copied().unwrap_or(0)
    }

    /// Adds what another filter, or another part of a command, met.
    pub fn add(&mut self, other: &Dropped) {
        self.0.iter_mut().zip(other.0).for_each(|(count, more)| *count = count.saturating_add(more));
    }

    pub(super) fn count(&mut self, class: Class) {
        if let Some(count) = self.0.get_mut(class as usize) {
            *count = count.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_named_and_added() {
        let mut dropped = Dropped::default();
        assert_eq!(dropped.iter().count(), 0);
        dropped.count(Class::Query);
        dropped.count(Class::Lookalike);
        let mut sum = Dropped::from_counts(*dropped.counts());
        sum.add(&dropped);
        assert_eq!(sum.iter().collect::<Vec<_>>(), [("query", 2), ("lookalike", 2)]);
        assert_eq!((sum.of(Class::Query), sum.of(Class::Bell)), (2, 0));
    }
}
