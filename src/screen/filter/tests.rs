use super::*;
use crate::screen::clean;

/// What a screen of 80 columns and 24 rows is sent for a text.
fn passed(text: &[u8]) -> Vec<u8> {
    through(&mut Filter::new(80, 24), text)
}

fn through(filter: &mut Filter, text: &[u8]) -> Vec<u8> {
    let mut out = vec![0; text.len() * STEP + STEP];
    let progress = filter.pass(text, &mut out);
    assert_eq!(progress.taken, text.len());
    out.truncate(progress.written);
    out
}

/// What follows at the end of a command.
fn finish(filter: &mut Filter) -> Vec<u8> {
    let mut out = vec![0; 128];
    let written = filter.finish(&mut out, true);
    out.truncate(written);
    out
}

fn dropped(text: &str) -> Vec<(&'static str, u64)> {
    let mut filter = Filter::new(80, 24);
    through(&mut filter, text.as_bytes());
    filter.take_dropped().iter().collect()
}

#[track_caller]
fn assert_passes(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(String::from_utf8_lossy(&passed(text.as_bytes())), **expected, "{text:?}");
    }
}

#[test]
fn what_programs_need_passes_as_it_is() {
    for text in [
        "plain text, é, 漢字, 😀\r\n\ttab\x08\x07",
        "\x1b7\x1b8\x1bD\x1bE\x1bM\x1b=\x1b>\x1b(0qx\x1b(B",
        "\x1b[A\x1b[2B\x1b[3C\x1b[4D\x1b[5E\x1b[6F\x1b[7G\x1b[8d\x1b[9e\x1b[1a\x1b[2`",
        "\x1b[H\x1b[;5H\x1b[3;4f\x1b[2;20r\x1b[r",
        "\x1b[2I\x1b[Z\x1b[5X\x1b[2@\x1b[3P\x1b[2L\x1b[M\x1b[S\x1b[4T",
        "\x1b[J\x1b[0J\x1b[1J\x1b[2J\x1b[K\x1b[1K\x1b[2K\x1b[g\x1b[3g",
        "\x1b[s\x1b[ux\x1b[5b\x1b[4h\x1b[4l\x1b[2 q\x1b[ q\x1b[!p",
        "\x1b[?1h\x1b[?7l\x1b[?12;25h\x1b[?1049h",
        "\x1b[m\x1b[0m\x1b[;1m\x1b[1;31;47m\x1b[38;5;208;48;2;1;2;3m\x1b[4:3;53;55;90;107m",
        "\x1b[38:5:1m\x1b[38:2:1:2:3m\x1b[48:2::1:2:3m",
    ] {
        assert_passes(&[(text, text)]);
    }
    assert_eq!(dropped("\x1b[?1h\x1b[38;5;208m\x1b[2;20rx\x1b[5b"), []);
}

#[test]
fn sequences_are_written_anew() {
    assert_passes(&[
        ("\x1b[007C", "\x1b[7C"),
        ("\x1b[99999999999999999999B", "\x1b[9999B"),
        ("\x1b[500@\x1b[500P\x1b[500X", "\x1b[80@\x1b[80P\x1b[80X"),
        ("\x1b[500L\x1b[500T", "\x1b[24L\x1b[24T"),
        ("\x1b[?1000;25;2004;1049h", "\x1b[?25;1049h"),
        ("\x1b[20;4h", "\x1b[4h"),
        ("\x1b[8;1m\x1b[8m", "\x1b[1m"),
        ("\x1b[1;58;5;4;3m", "\x1b[1;3m"),
        ("\x1b[58:2::255:0:0m\x1b[4:9m\x1b[1:2m", ""),
        ("\x1b[1;38;7;5m\x1b[38;5;300m\x1b[38;5;1:2m", "\x1b[1m"),
        ("\x1b[38;5m\x1b[38;2;1;2m", ""),
        ("\x1b[38:2:9:1:2:3m", "\x1b[38:2::1:2:3m"),
    ]);
    assert_eq!(dropped("\x1b[500@\x1b[?25;1000h\x1b[30;40m"), [("mode", 1), ("clamped", 1), ("concealed", 1)]);
}

#[test]
fn what_is_not_on_the_list_is_gone() {
    for text in [
        "\x1bc\x1bZ\x1bH\x1bN\x1b#8\x1b)0\x1b(A\x1b%G\x1b F\x1b\\",
        "\x1b[c\x1b[>c\x1b[6n\x1b[?6n\x1b[21t\x1b[3J\x1b[?1000h\x1b[20h\x1b[5i\x1b[200~",
        "\x1b[1;2A\x1b[1;2;3H\x1b[?2J\x1b[1;2s\x1b[5;5T\x1b[^\x1b[1:2H\x1b[1$r\x1b[ @",
        "\x1b]0;title\x07\x1b]52;c;eA==\x1b\\\x1bP$qm\x1b\\\x1b_Gx\x1b\\\x1b^x\x1b\\\x1bXx\x1b\\\x1bktitle\x1b\\",
        "\x1b]P0ffffff\x1b]R",
        "\0\x7f\x1b[1\0\x7f;2;3H",
        "\x1b[5b\x1b[?2004h",
    ] {
        assert_passes(&[(text, "")]);
    }
    // Nothing is repeated but one printable character just before.
    assert_passes(&[("a\x1b[2b\x1b[2b\x1b[m\x1b[2b\n\x1b[2be\u{301}\x1b[2b", "a\x1b[2b\x1b[m\ne\u{301}")]);
}

#[test]
fn nothing_can_hide_what_follows() {
    let long = "x".repeat(5000);
    assert_passes(&[
        ("\x1b]0;a\nb", "\u{fffd}\nb"),
        ("\x1b]0;a\rb", "\u{fffd}\rb"),
        ("\x1b]0;a\x18b", "\u{fffd}b"),
        ("\x1bPa\x1b[1mb", "\u{fffd}\x1b[1mb"),
        ("\x1bPa\x1b\x1b\\b", "\u{fffd}b"),
        ("\x1b[3\x1b[1mb", "\x1b[1mb"),
        ("\x1b[3\nb\x1b\nc", "\nb\nc"),
        ("\x1b[3éb", "éb"),
        ("\x1b[1;2<3mb", "b"),
        ("\x1b    b", "  b"),
        ("\x1b]P0ffffffshown", "shown"),
    ]);
    let kept = passed(format!("\x1b]0;{long}").as_bytes());
    assert!(kept.len() > 900 && kept.len() < 1000, "{}", kept.len());
    let kept = passed(format!("\x1b[{}", long.replace('x', "1")).as_bytes());
    assert!(kept.len() > 900 && kept.len() < 1000, "{}", kept.len());
}

#[test]
fn text_is_shown_and_not_obeyed() {
    assert_passes(&[
        ("a\u{202e}b\u{200b}c\u{9b}6n", "a<U+202E>b<U+200B>c<U+009B>6n"),
        ("\u{e0041}\u{a0}\u{fe0f}", "<U+E0041><U+00A0><U+FE0F>"),
        ("\x05\x0e\x18\x1c", "^E^N^X^\\"),
        ("e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}x", "e\u{301}\u{301}\u{301}\u{301}x"),
        ("\u{301}\n\u{301}", "<U+0301>\n<U+0301>"),
        ("\x07\x07\x07\x07\x07\n\x07", "\x07\x07\x07\n\x07"),
    ]);
    for bytes in
        [&b"\xff\xfe\x80"[..], b"\xc0\x9b", b"\xed\xa0\x80", b"\xf5\x80\x80", b"\xe2\x80x", b"\xf0\x9f\x98", b"\xe2\x82\xe2\x82\xac"]
    {
        let text = [bytes, b"."].concat();
        assert_eq!(String::from_utf8_lossy(&passed(&text)), String::from_utf8_lossy(&text), "{bytes:x?}");
    }
}

#[test]
fn what_is_dropped_is_counted_by_class() {
    for (text, class) in [
        ("\x1b[c", "query"),
        ("\x1b[?1$p", "query"),
        ("\x1b[18t", "query"),
        ("\x1b[1;1;2;3;4;5*y", "query"),
        ("\x1b]11;?\x07", "query"),
        ("\x1bZ", "query"),
        ("\x1b]52;c;?\x07", "clipboard"),
        ("\x1b[22;0t", "title"),
        ("\x1b[8;1;1t", "window"),
        ("\x1b[5i", "print"),
        ("\x1b[>4;2m", "keys"),
        ("\x1b[>1u", "keys"),
        ("\x1b[?2004h", "paste"),
        ("\x1b[?1006h", "mode"),
        ("\x1b(A", "charset"),
        ("\x1bc", "reset"),
        ("\x1b[3J", "reset"),
        ("\x1b[1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1m", "malformed"),
        ("\x1b[3\x1b[m", "malformed"),
        ("\0", "control"),
        ("\u{85}", "control"),
        ("\u{202e}", "bidi"),
        ("\u{200b}", "invisible"),
        ("\u{301}", "mark"),
        ("p\u{430}yp\u{430}l", "lookalike"),
        ("\x1b[30m\x1b[40m\x1b[1m", "concealed"),
    ] {
        assert_eq!(dropped(text).first().map(|(class, _)| *class), Some(class), "{text:?}");
        assert_eq!(dropped(text).len(), 1, "{text:?}");
    }
    assert_eq!(dropped("the μ-law and text, привет"), []);
}

#[test]
fn the_end_of_a_command_resets_what_is_set_and_nothing_else() {
    for (text, end) in [
        ("", ""),
        ("text\r\n", ""),
        ("text", "\r\n"),
        ("\x1b[5;1H\x1b[1;5H\x1b[G", ""),
        ("\x1b[1;31mx\x1b[0m\x1b[1mx\x1b[22;39m\r", ""),
        ("\x1b[1m\r", "\x1b[0m"),
        ("\x1b[?25l\x1b[?7l\x1b[4h\x1b[?1h\x1b=\x1b(0", "\x1b[4l\x1b[?7h\x1b[?1l\x1b>\x1b(B\x1b[?25h"),
        ("\x1b[?25l\x1b[?7l\x1b[4h\x1b[?1h\x1b=\x1b(0\x1b[?25;7h\x1b[4l\x1b[?1l\x1b>\x1b(B", ""),
        ("\x1b[2;20r", "\x1b7\x1b[r\x1b8"),
        ("\x1b[2;20r\x1b[1;24r", ""),
        ("\x1b[?1049h\x1b[2;20rx", "\x1b[r\x1b[?1049l"),
        ("x\x1b[?1049h\r", "\x1b[?1049l\r\n"),
        ("x\x1b[?1049h\r\x1b[?1049l", "\r\n"),
        ("\x1b[1m\x1b[?1049h\x1b[0m", "\x1b[?1049l\x1b[0m"),
        ("\x1b[1m\x1b7\x1b[0m\x1b8", "\x1b[0m"),
        ("\x1b7\x1b[1m\x1b[0m\x1b8", ""),
        // Another command may have saved anything.
        ("\x1b8", "\x1b[?7h\x1b(B\x1b[0m\r\n"),
        ("\x1b8\x1b[0m\x1b(B\x1b[?7h\r", ""),
        ("\x1b[5 q\x1b[?12h", "\x1b[0 q\x1b[?12l"),
        ("\x1b[!p", "\x1b[?7h"),
        ("\x1b]0;half", "\u{fffd}\r\n"),
        ("\u{1b}", ""),
        ("\x1b[1", ""),
    ] {
        let mut filter = Filter::new(80, 24);
        through(&mut filter, text.as_bytes());
        assert_eq!(String::from_utf8_lossy(&finish(&mut filter)), end, "{text:?}");
        assert_eq!(finish(&mut filter), b"", "{text:?}");
    }
    let mut filter = Filter::new(80, 24);
    through(&mut filter, b"\xe2\x80");
    assert_eq!(finish(&mut filter), "\u{fffd}\r\n".as_bytes());
}

#[test]
fn all_that_can_be_set_is_reset_in_128_bytes() {
    let mut filter = Filter::new(80, 24);
    filter.allow_paste(true);
    through(&mut filter, b"\x1b[1m\x1b(0\x1b[4h\x1b=\x1b[5 q\x1b[?1;12h\x1b[?7;25l\x1b[3g\x1b[?2004h\x1b[?1049h\x1b[2;20rx\x1b]0;half");
    let end = finish(&mut filter);
    assert!(end.starts_with("\u{fffd}\x1b[r\x1b[?1049l".as_bytes()) && end.ends_with(TABS), "{}", String::from_utf8_lossy(&end));
    assert_eq!(finish(&mut filter), b"");
}

#[test]
fn bracketed_paste_is_for_the_shell_alone() {
    let mut filter = Filter::new(80, 24);
    filter.allow_paste(true);
    assert_eq!(through(&mut filter, b"\x1b[?2004h"), b"\x1b[?2004h");
    filter.allow_paste(false);
    assert_eq!(through(&mut filter, b"\x1b[?2004l"), b"");
}

#[test]
fn the_room_may_be_small_and_the_pieces_too() {
    let text = "a\x1b[1;31mé\u{202e}\x1b]0;t\x07\r\n".repeat(20) + &"long ".repeat(50);
    let whole = passed(text.as_bytes());
    let mut filter = Filter::new(80, 24);
    let (mut pieces, mut rest) = (Vec::new(), text.as_bytes());
    while !rest.is_empty() {
        let mut out = [0; STEP];
        let progress = filter.pass(&rest[..rest.len().min(7)], &mut out);
        assert!(progress.taken > 0);
        pieces.extend_from_slice(&out[..progress.written]);
        rest = &rest[progress.taken..];
    }
    assert_eq!(pieces, whole);
}

#[test]
fn our_own_text_is_cleaned_whole() {
    for (text, cleaned) in [
        ("no such file: \x1b]0;x\x07a\u{202e}b", "no such file: a<U+202E>b"),
        ("red \x1b[31m", "red \x1b[31m\x1b[0m"),
        ("two\nlines\n", "two\nlines\n"),
        ("half \x1b]0;", "half \u{fffd}"),
    ] {
        assert_eq!(String::from_utf8_lossy(&clean(text.as_bytes())), cleaned);
    }
    let long = b"0123456789".repeat(1000);
    assert_eq!(clean(&long), long);
}
