//! Text that is not decided on yet: its bytes as they came, and what of them is text.
//!
//! Sequences that only change the look of text (SGR, EL, the choice of a character set) are no part of it: `grep --color` puts them into the
//! middle of words. Any other sequence, as one that moves the cursor, stands in the text as one ESC, which no pattern has.

/// Bytes of text that are held at most.
pub(super) const TEXT: usize = 512;
/// Bytes that are held at most, with the sequences between them.
pub(super) const RAW: usize = 1024;
/// Bytes of a sequence; one that is longer is taken for text from there on.
const SEQUENCE: usize = 64;

pub(super) const ESCAPE: u8 = 0x1b;

/// What begins with an ESC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sequence {
    Partial,
    /// It changes the look of text; so long.
    Style(usize),
    Other(usize),
}

/// The sequence at the beginning of `bytes`, which is an ESC.
pub(super) fn sequence(bytes: &[u8]) -> Sequence {
    let rest = bytes.get(2..).unwrap_or_default();
    match bytes.get(1) {
        None => Sequence::Partial,
        Some(b'[') => match rest.iter().position(|byte| !(0x20..=0x3f).contains(byte)) {
            Some(at) if at < SEQUENCE => match rest.get(at) {
                Some(b'm' | b'K') => Sequence::Style(at + 3),
                Some(0x40..=0x7e) => Sequence::Other(at + 3),
                _ => Sequence::Other(at + 2),
            },
            None if rest.len() < SEQUENCE => Sequence::Partial,
            _ => Sequence::Other(SEQUENCE + 2),
        },
        Some(b'(' | b')') if rest.is_empty() => Sequence::Partial,
        Some(b'(' | b')') => Sequence::Style(3),
        Some(0x30..=0x7e) => Sequence::Other(2),
        Some(_) => Sequence::Other(1),
    }
}

/// What is before the first ESC, or some of it.
pub(super) fn plain(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.get(..PLAIN).unwrap_or(bytes);
    // `contains` is many times faster than `position`, and mostly there is none.
    let end = if bytes.contains(&ESCAPE) { bytes.iter().position(|byte| *byte == ESCAPE) } else { None };
    bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default()
}

/// Bytes that are looked at together: after each secret, it is all of this.
const PLAIN: usize = 512;

pub(super) struct Window {
    raw: [u8; RAW],
    raw_length: usize,
    text: [u8; TEXT],
    /// Where each byte of the text stands in `raw`.
    places: [u16; TEXT],
    length: usize,
    /// Where in `raw` a sequence begins that is not complete.
    open: Option<usize>,
}

impl Window {
    pub(super) const fn new() -> Window {
        Window { raw: [0; RAW], raw_length: 0, text: [0; TEXT], places: [0; TEXT], length: 0, open: None }
    }

    pub(super) fn text(&self) -> &[u8] {
        self.text.get(..self.length).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.raw_length == 0
    }

    pub(super) fn is_full(&self) -> bool {
        self.raw_length == RAW || self.length == TEXT
    }

    /// Whether there is nothing but styles, all of them complete.
    pub(super) fn is_styles(&self) -> bool {
        self.length == 0 && self.open.is_none()
    }

    /// Takes a byte. Not to be called while full.
    pub(super) fn push(&mut self, byte: u8) {
        let at = self.raw_length;
        let Some(place) = self.raw.get_mut(at) else { return };
        *place = byte;
        self.raw_length += 1;
        let Some(start) = self.open else { return self.push_text(byte, at) };
        let bytes = self.raw.get(start..self.raw_length).unwrap_or_default();
        match sequence(bytes) {
            Sequence::Partial => {}
            Sequence::Style(_) => self.open = None,
            Sequence::Other(length) => {
                let is_part = length >= bytes.len();
                self.open = None;
                self.add(ESCAPE, start);
                if !is_part {
                    self.push_text(byte, at);
                }
            }
        }
    }

    fn push_text(&mut self, byte: u8, at: usize) {
        if byte == ESCAPE { self.open = Some(at) } else { self.add(byte, at) }
    }

    fn add(&mut self, byte: u8, at: usize) {
        if let (Some(text), Some(place)) = (self.text.get_mut(self.length), self.places.get_mut(self.length)) {
            (*text, *place) = (byte, u16::try_from(at).unwrap_or(u16::MAX));
            self.length += 1;
        }
    }

    /// The bytes as they came of the first `count` bytes of text, with the styles before, among and behind them.
    pub(super) fn first(&self, count: usize) -> &[u8] {
        self.raw.get(..self.end(count)).unwrap_or_default()
    }

    /// The styles before, among and behind the first `count` bytes of text.
    pub(super) fn styles(&self, count: usize) -> impl Iterator<Item = u8> {
        let bytes = self.first(count);
        let mut places = self.places.iter().take(count).peekable();
        let is_text = move |at: usize| places.next_if(|place| usize::from(**place) == at).is_some();
        let bytes = if bytes.len() > count { bytes } else { &[] };
        bytes.iter().enumerate().scan(is_text, |is_text, (at, byte)| Some((!is_text(at)).then_some(*byte))).flatten()
    }

    /// Drops the first `count` bytes of text with what `first` has.
    pub(super) fn drop_first(&mut self, count: usize) {
        let (count, end) = (count.min(self.length), self.end(count));
        self.raw.copy_within(end..self.raw_length, 0);
        self.text.copy_within(count..self.length, 0);
        self.places.copy_within(count..self.length, 0);
        self.raw_length -= end;
        self.length -= count;
        let back = u16::try_from(end).unwrap_or(u16::MAX);
        self.places.iter_mut().take(self.length).for_each(|place| *place = place.saturating_sub(back));
        self.open = self.open.map(|open| open.saturating_sub(end));
    }

    /// Where in `raw` the first `count` bytes of text end.
    fn end(&self, count: usize) -> usize {
        let next = self.places.get(..self.length).and_then(|places| places.get(count));
        next.map_or(self.open.unwrap_or(self.raw_length), |place| usize::from(*place))
    }

    /// Takes what is left, where no more comes.
    pub(super) fn close(&mut self) {
        self.open = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(text: &[u8]) -> Window {
        let mut window = Window::new();
        text.iter().for_each(|byte| window.push(*byte));
        window
    }

    #[test]
    fn styles_are_no_text_and_other_sequences_are_a_break() {
        for (raw, text) in [
            (&b"a\x1b[01;31m\x1b[Kb\x1b[m\x1b[Kc"[..], &b"abc"[..]),
            (b"\x1b(Ba\x1b[4:3mb", b"ab"),
            (b"a\x1b[5;3Hb", b"a\x1bb"),
            (b"a\x1b7b", b"a\x1bb"),
            (b"a\x1b[3\nb", b"a\x1b\nb"),
            (b"a\x1b\x1b[mb", b"a\x1bb"),
            (b"a\x1b[3", b"a"),
        ] {
            let mut window = window(raw);
            assert_eq!(window.text(), text, "{raw:?}");
            let first = window.first(1).to_vec();
            assert_eq!(window.styles(1).count(), first.len() - 1);
            window.drop_first(1);
            assert_eq!(window.text(), &text[1..]);
            assert!(raw.starts_with(&[&first, window.first(text.len())].concat()));
        }
    }
}
