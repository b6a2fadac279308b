//! Random output: always on the list, whatever the pieces, and not changed by a second filter.

use proptest::collection::vec;
use proptest::prelude::*;

use super::allowed::objection;
use super::{COLUMNS, ROWS, filtered, pass};
use postern::screen::filter::Filter;

/// Bytes that make sequences, good and bad, far more often than chance would.
fn output() -> impl Strategy<Value = Vec<u8>> {
    const INTRODUCERS: [&[u8]; 14] = [
        b"\x1b[",
        b"\x1b[",
        b"\x1b[",
        b"\x1b[",
        b"\x1b[?",
        b"\x1b[>",
        b"\x1b",
        b"\x1b]",
        b"\x1bP",
        b"\x1bk",
        b"\x1b\\",
        b"\x1b(",
        b"\x9b",
        b"\xc2\x9b",
    ];
    let introducers = proptest::sample::select(&INTRODUCERS);
    let parameters = prop_oneof![
        Just(Vec::new()),
        "[0-9]{1,3}".prop_map(String::into_bytes),
        "([0-9]{0,4}[;:]){0,6}[0-9]{0,5}".prop_map(String::into_bytes),
        "(38|48|58|4)[;:][0-5]([;:][0-9]{0,3}){0,5}".prop_map(String::into_bytes),
        "(1|4|7|12|25|47|1000|1049|2004)(;(1|4|7|12|25|1049|2026)){0,3}".prop_map(String::into_bytes),
    ];
    let last = prop_oneof![4 => "[@-~]", 1 => "[ -/][@-~]"].prop_map(String::into_bytes);
    let text = prop_oneof![
        "[a-z ]{0,20}".prop_map(String::into_bytes),
        any::<char>().prop_map(|character| character.to_string().into_bytes()),
        Just("e\u{301}\u{301}\u{301}\u{301}\u{301}".into()),
        vec(any::<u8>(), 0..4),
        vec(0_u8..32, 0..3),
        Just(b"\r\n".to_vec()),
    ];
    let sequence = (introducers, parameters, last).prop_map(|(first, middle, last)| [first, &middle, &last].concat());
    vec(prop_oneof![3 => sequence, 2 => text], 0..40).prop_map(|parts| parts.concat())
}

/// Without the end of the command.
fn passed(bytes: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    pass(&mut Filter::new(COLUMNS, ROWS), bytes, 4096, &mut all);
    all
}

/// Tab stops are set again at the very end of a command, by what programs may not send.
fn before_tabs(bytes: &[u8]) -> &[u8] {
    let tabs = b"\x1b[?5W";
    let end = bytes.windows(tabs.len()).position(|window| window == tabs);
    &bytes[..end.unwrap_or(bytes.len())]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_output_is_on_the_list_and_does_not_depend_on_its_pieces(bytes in output(), lengths in vec(1..9_usize, 1..20), room in 64..300_usize) {
        let whole = filtered([&bytes[..]], 1 << 16);
        prop_assert_eq!(objection(before_tabs(&whole.0), COLUMNS, ROWS), None);
        let mut rest = &bytes[..];
        let mut pieces = Vec::new();
        for length in lengths.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, behind) = rest.split_at((*length).min(rest.len()));
            pieces.push(piece);
            rest = behind;
        }
        prop_assert_eq!(filtered(pieces, room), whole);
    }

    #[test]
    fn a_second_filter_changes_nothing(bytes in output()) {
        let once = passed(&bytes);
        prop_assert_eq!(passed(&once), once);
    }

    #[test]
    fn after_the_end_of_a_command_nothing_is_left_to_reset(bytes in output()) {
        let (once, _) = filtered([&bytes[..]], 4096);
        let once = before_tabs(&once);
        // A region is reset between a save and a restore of the cursor; after others, a second filter cannot know which save comes back.
        prop_assume!(!once.windows(7).any(|window| window == b"\x1b7\x1b[r\x1b8"));
        let (twice, _) = filtered([once], 4096);
        prop_assert_eq!(before_tabs(&twice), once);
    }
}
