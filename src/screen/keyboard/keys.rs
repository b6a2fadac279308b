//! Which sequences are keys: those that xterm, what is like it, rxvt and the Linux console send in their usual modes (xterm's ctlseqs,
//! "PC-Style Function Keys" and "VT220-Style Function Keys"; rxvt's reference; console_codes(4)).
//!
//! A list of what passes, so that a reply of a terminal that nobody has heard of is none. F3 with a modifier, `CSI 1 ; 5 R`, is not on it:
//! the position of the cursor is reported in that form.

/// What begins and ends a paste.
pub(super) const PASTE: &[u8] = b"\x1b[200~";
pub(super) const PASTE_END: &[u8] = b"\x1b[201~";

/// Keys of the line editor that are sequences: arrows, Home, End, Delete, and by words.
const EDITING: [&[u8]; 21] = [
    b"\x1b[A",
    b"\x1b[B",
    b"\x1b[C",
    b"\x1b[D",
    b"\x1b[F",
    b"\x1b[H",
    b"\x1bOA",
    b"\x1bOB",
    b"\x1bOC",
    b"\x1bOD",
    b"\x1bOF",
    b"\x1bOH",
    b"\x1b[1~",
    b"\x1b[3~",
    b"\x1b[4~",
    b"\x1b[7~",
    b"\x1b[8~",
    b"\x1b[1;5C",
    b"\x1b[1;5D",
    b"\x1b[1;3C",
    b"\x1b[1;3D",
];
/// With Alt: by words, and to the ends of the history.
const EDITING_ALT: &[u8] = b"bBdDfF<>\x7f\x08";
/// With Ctrl: A to F, Backspace, Tab, K, L, N, P, R, T, U, W and Y. What ends a line is not among them.
const EDITING_CONTROL: &[u8] = b"\x01\x02\x04\x05\x06\x08\x09\x0b\x0c\x0e\x10\x12\x14\x15\x17\x19\x7f";

/// The highest number of a key `CSI n ~`: F20.
const KEYS: u16 = 34;
/// The highest parameter of a modifier: Shift, Alt, Ctrl and Meta together.
const MODIFIERS: u16 = 16;

/// Whether a control character is a key of the line editor.
pub(super) fn is_editing_control(byte: u8) -> bool {
    EDITING_CONTROL.contains(&byte)
}

/// Whether a key with Alt is one of the line editor.
pub(super) fn is_editing_alt(byte: u8) -> bool {
    EDITING_ALT.contains(&byte)
}

/// Whether a sequence is a key of the line editor.
pub(super) fn is_editing(sequence: &[u8]) -> bool {
    EDITING.contains(&sequence)
}

/// Whether a whole sequence, CSI or SS3, is a key.
pub(super) fn is_key(sequence: &[u8]) -> bool {
    match sequence {
        [0x1b, b'O', modifiers @ .., last] => is_application_key(modifiers, *last),
        [0x1b, b'[', b'[', last] => matches!(last, b'A'..=b'E'),
        [0x1b, b'[', parameters @ .., last] => is_control_key(parameters, *last),
        _ => false,
    }
}

/// Arrows, F1 to F4 and the keypad. Older terminals put the modifier in front of the last byte.
fn is_application_key(modifiers: &[u8], last: u8) -> bool {
    let modified = modifiers.is_empty() || number(modifiers).is_some_and(|number| (2..=MODIFIERS).contains(&number));
    modified && matches!(last, b'A'..=b'F' | b'H' | b'I' | b'M' | b'P'..=b'S' | b'X' | b'a'..=b'd' | b'j'..=b'y')
}

fn is_control_key(parameters: &[u8], last: u8) -> bool {
    let (first, second) = match parameters.iter().position(|byte| *byte == b';') {
        Some(at) => (parameters.get(..at).unwrap_or_default(), parameters.get(at + 1..)),
        None => (parameters, None),
    };
    let modified = second.is_none_or(|modifier| number(modifier).is_some_and(|number| (2..=MODIFIERS).contains(&number)));
    match last {
        b'A'..=b'F' | b'H' | b'P' | b'Q' | b'S' => modified && (parameters.is_empty() || first == b"1"),
        b'Z' | b'a'..=b'd' => parameters.is_empty(),
        b'~' => modified && is_number_of_key(first),
        b'$' | b'^' | b'@' => second.is_none() && is_number_of_key(first),
        _ => false,
    }
}

fn is_number_of_key(digits: &[u8]) -> bool {
    number(digits).is_some_and(|number| (1..=KEYS).contains(&number))
}

/// A number of one or two digits.
fn number(digits: &[u8]) -> Option<u16> {
    let is_number = (1..=2).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| digits.iter().fold(0, |number, digit| 10 * number + u16::from(digit - b'0')))
}
