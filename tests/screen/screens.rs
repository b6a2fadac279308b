//! A terminal shows the same with and without the filter, on the way and at the end: what programs sent, as it was recorded.

use postern::screen::Filter;

use super::tmux::Tmux;
use super::{COLUMNS, ROWS, pass};

/// Screens of a recording that are compared.
const LOOKS: usize = 12;

/// Compares what a terminal shows of these bytes with what it shows of them through a filter.
pub fn assert_looks_the_same(name: &str, bytes: &[u8]) {
    let (Some(mut with), Some(mut without)) = (Tmux::start(), Tmux::start()) else { return };
    let mut filter = Filter::new(COLUMNS, ROWS);
    for piece in pieces(bytes) {
        let mut passed = Vec::new();
        pass(&mut filter, piece, 4096, &mut passed);
        with.show(&passed);
        without.show(piece);
        let (with, without) = (with.screen(), without.screen());
        assert!(with == without, "{name}: with the filter\n{with}\nand without\n{without}");
    }
}

/// The bytes in a few pieces, cut between sequences: before ESC where no string can be open, and behind line breaks.
fn pieces(bytes: &[u8]) -> Vec<&[u8]> {
    let whole = |at: &usize| bytes[*at - 1] == b'\n' || bytes[*at] == 0x1b && bytes.get(at + 1) == Some(&b'[') && bytes[*at - 1] >= b' ';
    let mut pieces = Vec::new();
    let mut start = 0;
    for at in (1..bytes.len()).filter(whole) {
        if at - start >= bytes.len() / LOOKS {
            pieces.push(&bytes[start..at]);
            start = at;
        }
    }
    pieces.push(&bytes[start..]);
    pieces
}

#[test]
fn recorded_programs_look_the_same() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/screen/screens");
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        assert_looks_the_same(&path.display().to_string(), &std::fs::read(&path).unwrap());
    }
}

#[test]
fn a_screen_that_differs_is_found() {
    let Some(mut tmux) = Tmux::start() else { return };
    let empty = tmux.screen();
    tmux.show(b"\x1b[1mbold\r");
    let bold = tmux.screen();
    tmux.show(b"\x1b[mbold\r");
    let plain = tmux.screen();
    tmux.show(b"\x1b[?25l");
    assert!(empty != bold && bold != plain && plain != tmux.screen());
}

/// Whatever a program left: the next prompt is on the main screen, in plain text, in the first column, with a cursor that can be seen.
#[test]
fn after_the_end_of_a_command_the_terminal_is_as_before() {
    let Some(mut tmux) = Tmux::start() else { return };
    tmux.show(b"line\r\n");
    let before = tmux.screen();
    let mess = b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[4h\x1b[?1h\x1b=\x1b(0\x1b[1;31;44m\x1b[5;20r\x1b[10;10Hmess\x1b]0;half";
    let mut filter = Filter::new(COLUMNS, ROWS);
    let mut out = Vec::new();
    pass(&mut filter, mess, 4096, &mut out);
    let mut end = [0; 128];
    let written = filter.finish(&mut end, true);
    out.extend_from_slice(&end[..written]);
    tmux.show(&out);
    assert_eq!(tmux.screen(), before);
    tmux.show(b"lqx\tplain");
    assert!(tmux.screen().contains("lqx     plain"), "{}", tmux.screen());
}
