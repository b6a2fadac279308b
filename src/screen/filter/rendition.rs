//! Select Graphic Rendition: which of its values pass, and what is in force by them.

use super::output::Output;
use super::sequence::{Sequence, Value};

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Colour {
    #[default]
    Default,
    Indexed(u8),
    Direct(u8, u8, u8),
}

/// How text is shown.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Rendition {
    /// A bit for each of bold and faint, italic, underline, blink, reverse, strike, overline.
    attributes: u8,
    foreground: Colour,
    background: Colour,
    /// A restored cursor may have brought back another.
    unknown: bool,
}

/// What became of the values.
#[derive(Default)]
pub(super) struct Selected {
    pub kept: bool,
    pub left_out: bool,
}

impl Rendition {
    pub fn is_plain(&self) -> bool {
        *self == Rendition::default()
    }

    /// Something that is not plain may have been restored.
    pub fn doubt(&mut self) {
        self.unknown = true;
    }

    /// Text cannot be told from its background.
    pub fn is_concealed(&self) -> bool {
        self.foreground == self.background && self.foreground != Colour::Default
    }

    /// Takes the values of an SGR, and writes those that pass.
    pub fn select(&mut self, sequence: &Sequence, text: &mut Output) -> Selected {
        let mut selected = Selected::default();
        let mut rest = sequence.values();
        if rest.is_empty() {
            *self = Rendition::default();
            return Selected { kept: true, left_out: false };
        }
        while let Some(item) = Item::next(&mut rest) {
            if self.apply(&item) {
                if selected.kept {
                    text.push(b';');
                }
                item.write(text);
                selected.kept = true;
            } else {
                selected.left_out = true;
            }
        }
        selected
    }

    /// Whether it is on the list.
    fn apply(&mut self, item: &Item) -> bool {
        match *item {
            Item::Plain(code) => self.plain(code.unwrap_or(0)),
            Item::Underline(style) => {
                self.set(2, style > 0);
                true
            }
            Item::Colour { code, colour, .. } => {
                *(if code == 38 { &mut self.foreground } else { &mut self.background }) = colour;
                true
            }
            Item::Unknown => false,
        }
    }

    fn plain(&mut self, code: u16) -> bool {
        let low = code as u8;
        match code {
            0 => *self = Rendition::default(),
            1 | 2 => self.set(0, true),
            3 => self.set(1, true),
            4 | 21 => self.set(2, true),
            5 | 6 => self.set(3, true),
            7 => self.set(4, true),
            9 => self.set(5, true),
            53 => self.set(6, true),
            22 => self.set(0, false),
            23 => self.set(1, false),
            24 => self.set(2, false),
            25 => self.set(3, false),
            27 => self.set(4, false),
            29 => self.set(5, false),
            55 => self.set(6, false),
            30..=37 => self.foreground = Colour::Indexed(low - 30),
            39 => self.foreground = Colour::Default,
            40..=47 => self.background = Colour::Indexed(low - 40),
            49 => self.background = Colour::Default,
            90..=97 => self.foreground = Colour::Indexed(low - 90 + 8),
            100..=107 => self.background = Colour::Indexed(low - 100 + 8),
            _ => return false,
        }
        true
    }

    fn set(&mut self, bit: u8, on: bool) {
        self.attributes = if on { self.attributes | 1 << bit } else { self.attributes & !(1 << bit) };
    }
}

/// What belongs together in an SGR.
enum Item {
    /// One number.
    Plain(Option<u16>),
    /// `4:style`.
    Underline(u16),
    /// 38 or 48 with a colour, as the values behind it or joined to it by colons.
    Colour {
        code: u16,
        colour: Colour,
        form: Form,
    },
    Unknown,
}

#[derive(Clone, Copy)]
enum Form {
    Semicolons,
    Colons,
    /// Colons, with an empty place for the colour space (ITU T.416).
    ColourSpace,
}

impl Item {
    /// Takes the next item off the values.
    fn next(values: &mut &[Value]) -> Option<Item> {
        let (first, behind) = values.split_first()?;
        let joined = behind.iter().take_while(|value| value.joined).count();
        let (joined, rest) = behind.split_at_checked(joined)?;
        *values = rest;
        Some(match (first.number, joined) {
            (Some(code @ (38 | 48 | 58)), []) => Item::extended(code, values),
            (code, []) => Item::Plain(code),
            (Some(4), [Value { number: Some(style @ 0..=5), .. }]) => Item::Underline(*style),
            (Some(code @ (38 | 48)), joined) => Item::joined(code, joined),
            _ => Item::Unknown,
        })
    }

    /// `38;5;n` and `38;2;r;g;b`. What cannot be told where it ends takes all that is left: half of a colour is another attribute.
    fn extended(code: u16, values: &mut &[Value]) -> Item {
        let (colour, taken) = match **values {
            [Value { number: Some(5), .. }, index, ..] => (indexed(&index), 2),
            [Value { number: Some(2), .. }, red, green, blue, ..] => (direct(&red, &green, &blue), 4),
            _ => (None, values.len()),
        };
        let (used, rest) = values.split_at_checked(taken).unwrap_or_default();
        let mixed = used.iter().chain(rest.first()).any(|value| value.joined);
        *values = if mixed { &[] } else { rest };
        match colour {
            Some(colour) if code != 58 && !mixed => Item::Colour { code, colour, form: Form::Semicolons },
            _ => Item::Unknown,
        }
    }

    /// `38:5:n`, `38:2:r:g:b`, `38:2:space:r:g:b`.
    fn joined(code: u16, joined: &[Value]) -> Item {
        let (colour, form) = match joined {
            [Value { number: Some(5), .. }, index] => (indexed(index), Form::Colons),
            [Value { number: Some(2), .. }, red, green, blue] => (direct(red, green, blue), Form::Colons),
            [Value { number: Some(2), .. }, _, red, green, blue] => (direct(red, green, blue), Form::ColourSpace),
            _ => return Item::Unknown,
        };
        colour.map_or(Item::Unknown, |colour| Item::Colour { code, colour, form })
    }

    fn write(&self, text: &mut Output) {
        match *self {
            Item::Plain(code) => code.into_iter().for_each(|code| text.number(code)),
            Item::Underline(style) => {
                text.put(b"4:");
                text.number(style);
            }
            Item::Colour { code, colour, form } => {
                text.number(code);
                let separator = if matches!(form, Form::Semicolons) { b';' } else { b':' };
                match colour {
                    Colour::Default => {}
                    Colour::Indexed(index) => [5, index].into_iter().for_each(|number| after(text, separator, number)),
                    Colour::Direct(red, green, blue) => {
                        after(text, separator, 2);
                        if matches!(form, Form::ColourSpace) {
                            text.push(b':');
                        }
                        [red, green, blue].into_iter().for_each(|number| after(text, separator, number));
                    }
                }
            }
            Item::Unknown => {}
        }
    }
}

fn after(text: &mut Output, separator: u8, number: u8) {
    text.push(separator);
    text.number(u16::from(number));
}

fn byte(value: &Value) -> Option<u8> {
    u8::try_from(value.number.unwrap_or(0)).ok()
}

fn indexed(index: &Value) -> Option<Colour> {
    byte(index).map(Colour::Indexed)
}

fn direct(red: &Value, green: &Value, blue: &Value) -> Option<Colour> {
    Some(Colour::Direct(byte(red)?, byte(green)?, byte(blue)?))
}
