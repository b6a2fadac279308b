use proptest::prelude::*;
use serde_json::Value;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// The events for output that comes in these pieces, through a buffer of so many bytes.
fn encoded<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, room: usize) -> Vec<u8> {
    let (mut encoder, mut file, mut out) = (Encoder::new(0), Vec::new(), vec![0; room]);
    for piece in pieces {
        let mut rest = piece;
        while !rest.is_empty() {
            let Progress { taken, written } = encoder.output(SECOND, rest, &mut out);
            assert!(taken > 0, "progress with {room} bytes");
            rest = &rest[taken..];
            file.extend(&out[..written]);
            assert!(file.is_empty() || file.ends_with(b"\n"), "whole events");
        }
    }
    let written = encoder.flush(SECOND, &mut out);
    file.extend(&out[..written]);
    assert_eq!(encoder.offset(), file.len() as u64);
    file
}

/// The data of all events, which are output.
fn decoded(file: &[u8]) -> String {
    let lines = str::from_utf8(file).unwrap().lines();
    let events = lines.map(|line| serde_json::from_str::<(f64, String, String)>(line).unwrap());
    events.map(|(at, code, data)| ((at, code.as_str()) == (1.0, "o")).then_some(data).unwrap()).collect()
}

#[test]
fn output_is_text_of_json() {
    for (data, event) in [
        (&b"plain"[..], r#"[1.000000, "o", "plain"]"#),
        (b"say \"hi\" \\o/", r#"[1.000000, "o", "say \"hi\" \\o/"]"#),
        (b"\x1b[1mbold\x1b[m\r\n\t\x07\0\x7f", "[1.000000, \"o\", \"\\u001b[1mbold\\u001b[m\\r\\n\\t\\u0007\\u0000\x7f\"]"),
        ("é€😀".as_bytes(), r#"[1.000000, "o", "é€😀"]"#),
        (b"a\xffb\xe2\x82", "[1.000000, \"o\", \"a\u{fffd}b\"]\n[1.000000, \"o\", \"\u{fffd}\"]"),
        (b"", ""),
    ] {
        let file = encoded([data], 4096);
        assert_eq!(str::from_utf8(&file).unwrap().trim_end(), event);
    }
}

#[test]
fn a_character_in_two_writes_is_one() {
    let mut encoder = Encoder::new(0);
    let mut out = [0; 64];
    assert_eq!(encoder.output(SECOND, b"\xf0\x9f", &mut out), Progress { taken: 2, written: 0 }, "half of one is no event");
    let Progress { taken, written } = encoder.output(2 * SECOND, b"\x98\x80!", &mut out);
    assert_eq!((taken, str::from_utf8(&out[..written]).unwrap()), (3, "[2.000000, \"o\", \"😀!\"]\n"));
    assert_eq!(encoder.flush(SECOND, &mut out), 0);
}

#[test]
fn times_never_go_back() {
    let mut encoder = Encoder::new(100);
    let mut out = [0; Encoder::ROOM];
    let mut file = String::new();
    for micros in [0, 1_500_000, 1_499_999, 60_000_001] {
        let written = encoder.resize(Duration::from_micros(micros), 80, 24, &mut out);
        file.push_str(str::from_utf8(&out[..written]).unwrap());
    }
    let times: Vec<&str> = file.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(times, ["[0.000000", "[1.500000", "[1.500000", "[60.000001"]);
    assert_eq!(encoder.offset(), 100 + file.len() as u64);
    assert!(encoder.resize(Duration::MAX, u16::MAX, u16::MAX, &mut out) > 0, "the longest time fits");
    assert!(encoder.output(Duration::MAX, b"\x1b", &mut out[..64]).written > 0);
}

#[test]
fn other_events_are_whole_or_not_there() {
    let mut out = [0; Encoder::ROOM];
    let mut event = |write: &dyn Fn(&mut Encoder, &mut [u8]) -> usize| {
        let mut encoder = Encoder::new(0);
        assert_eq!(write(&mut encoder, &mut out[..Encoder::ROOM - 1]), 0, "no room");
        let written = write(&mut encoder, &mut out);
        assert_eq!(encoder.offset(), written as u64);
        String::from_utf8(out[..written].to_vec()).unwrap()
    };
    let long = [b'x'; 3000];
    let dots = format!("[1.000000, \"m\", \"{}…\"]\n", "x".repeat(256));
    assert_eq!(event(&|encoder, out| encoder.resize(SECOND, 132, 43, out)), "[1.000000, \"r\", \"132x43\"]\n");
    for (label, expected) in [
        (&b"tail -f \"x\""[..], "[1.000000, \"m\", \"tail -f \\\"x\\\"\"]\n"),
        (b"echo \x1b]0;x\x07\xff\n", "[1.000000, \"m\", \"echo ^[]0;x^G<ff>^J\"]\n"),
        ("x\u{202e}y".as_bytes(), "[1.000000, \"m\", \"x<U+202E>y\"]\n"),
        (&long, &dots),
    ] {
        assert_eq!(event(&|encoder, out| encoder.marker(SECOND, label, out)), expected);
    }
}

#[test]
fn the_widest_label_fits() {
    let mut out = [0; Encoder::ROOM];
    for label in ["\u{1f600}", "é", "\"", "\\", "\u{202e}"] {
        let written = Encoder::new(0).marker(Duration::MAX, label.repeat(400).as_bytes(), &mut out);
        let event: Value = serde_json::from_slice(&out[..written]).unwrap();
        let label = event[2].as_str().unwrap();
        assert!(label.ends_with('…') && label.len() > 250, "{label}");
    }
}

#[test]
fn too_little_room_takes_nothing() {
    for room in 0..20 {
        let mut encoder = Encoder::new(0);
        assert_eq!(encoder.output(SECOND, b"x", &mut vec![0; room]), Progress::default());
        assert_eq!(encoder.offset(), 0);
    }
}

/// What makes every path of the encoder likely: runs, escapes, characters of all lengths, and no characters.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        any::<Vec<u8>>(),
        "\\PC{0,80}".prop_map(String::into_bytes),
        "[ -~]{0,200}".prop_map(String::into_bytes),
        proptest::sample::select(vec![&b"\xe2\x82"[..], b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xc0\xaf", b"\x1b[31m", b"\"\\", b"\r\n"])
            .prop_map(<[u8]>::to_vec),
    ];
    proptest::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn nothing_depends_on_how_the_bytes_come(data in bytes(), cut in 1usize..100, room in 64usize..600) {
        let text = String::from_utf8_lossy(&data);
        prop_assert_eq!(decoded(&encoded([&data[..]], room)), &*text);
        prop_assert_eq!(decoded(&encoded(data.chunks(1), room)), &*text);
        prop_assert_eq!(decoded(&encoded(data.chunks(cut), room)), &*text);
    }
}
