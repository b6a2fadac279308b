//! Secrets are found in every kind of text, however it is cut, and what is none is left alone.
//!
//! | file | what it has |
//! |---|---|
//! | `secret_patterns.tsv` | patterns of others as regular expressions, with a text that has a secret and one that has none |
//! | `secrets.tsv` | an id and a text with its secret between `«` and `»` |
//! | `no_secrets.txt` | lines that stay as they are |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "a measurement is read")]

use std::time::Instant;

use postern::screen::redact::{GROWTH, HELD, Key, Redactor, redact, redact_words};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use regex::bytes::RegexBuilder;

const CORPUS: &str = include_str!("secret_patterns.tsv");
const SECRETS: &str = include_str!("secrets.tsv");
const NO_SECRETS: &str = include_str!("no_secrets.txt");

fn key() -> Key {
    Key::from_bytes([7; 32])
}

/// `\n`, `\r`, `\t`, `\e` and `\\` of a table.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    std::iter::from_fn(|| {
        let byte = bytes.next()?;
        Some(match byte {
            b'\\' => match bytes.next().unwrap() {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'e' => 0x1b,
                other => other,
            },
            other => other,
        })
    })
    .collect()
}

/// Passes pieces on, with so much room at a time.
fn pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, room: usize) -> Vec<u8> {
    let (mut redactor, mut clean, mut out) = (Box::new(Redactor::new(&key())), Vec::new(), vec![0; room]);
    for piece in pieces {
        let mut taken = 0;
        while taken < piece.len() {
            let step = redactor.pass(&piece[taken..], &mut out);
            assert!(step.taken + step.written > 0, "no progress with {room} bytes of room");
            clean.extend(&out[..step.written]);
            taken += step.taken;
        }
    }
    loop {
        let step = redactor.flush(&mut out);
        clean.extend(&out[..step.written]);
        if step.written == 0 {
            assert!(!redactor.is_holding());
            return clean;
        }
    }
}

/// The redacted text, which is the same for every way to cut it.
fn redacted(text: &[u8]) -> Vec<u8> {
    let (clean, _) = redact(&key(), text);
    let show = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    for size in [1, 2, 3, 7, 16, 61] {
        assert_eq!(show(&pieces(text.chunks(size), 64)), show(&clean), "in pieces of {size}");
    }
    for cut in 0..text.len().min(1000) {
        let (one, other) = text.split_at(cut);
        assert_eq!(show(&pieces([one, other], 4096)), show(&clean), "cut at {cut}");
    }
    assert!(clean.len() <= text.len() * GROWTH);
    clean
}

/// The text with what was put in place of a secret as `«id»`.
fn marked(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text).into_owned();
    let mut parts = text.split("[redacted ");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |text, part| {
        let (id, rest) = part.split_once(' ').unwrap();
        let (digits, rest) = rest.split_once(']').unwrap();
        assert!(digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        format!("{text}«{id}»{rest}")
    })
}

#[test]
fn the_patterns_of_the_corpus_find_what_their_expressions_find() {
    let mut failures = Vec::new();
    for row in CORPUS.lines().skip(1) {
        let [id, expression, group, _, positive, negative] = row.split('\t').collect::<Vec<_>>()[..] else { panic!("{row}") };
        let (positive, negative) = (unescaped(positive), unescaped(negative));
        let expression = RegexBuilder::new(expression).unicode(false).build().unwrap();
        let found = expression.captures(&positive).expect(id).get(group.parse().unwrap()).unwrap();
        let mut expected = positive[..found.start()].to_vec();
        expected.extend(format!("«{id}»").as_bytes());
        // A key's last line end stays.
        expected.extend(found.as_bytes().ends_with(b"\n").then_some(b'\n'));
        expected.extend(&positive[found.end()..]);
        let (expected, actual) = (String::from_utf8(expected).unwrap(), marked(&redacted(&positive)));
        if expected != actual {
            failures.push(format!("{expected:?}, but {actual:?}"));
        }
        if redacted(&negative) != negative {
            failures.push(format!("{}", String::from_utf8_lossy(&redacted(&negative))));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn every_secret_of_the_table_is_found_and_nothing_round_it() {
    let mut failures = Vec::new();
    for row in SECRETS.lines().filter(|row| !row.is_empty() && !row.starts_with('#')) {
        let (id, text) = row.split_once('\t').expect(row);
        let (before, rest) = text.split_once('«').expect(row);
        let (secret, after) = rest.split_once('»').expect(row);
        for (first, last) in [("", ""), ("\\n", "\\n"), ("x\\n", "\\nx")] {
            let text = unescaped(&format!("{first}{before}{secret}{after}{last}"));
            let expected = String::from_utf8(unescaped(&format!("{first}{before}«{id}»{after}{last}"))).unwrap();
            let actual = marked(&redacted(&text));
            if expected != actual {
                failures.push(format!("{expected:?}, but {actual:?}"));
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn what_is_no_secret_stays() {
    let lines = NO_SECRETS.lines().map(unescaped);
    let changed: Vec<String> = lines.filter(|line| redacted(line) != *line).map(|line| marked(&redacted(&line))).collect();
    assert!(changed.is_empty(), "{changed:#?}");
    let all = NO_SECRETS.lines().flat_map(|line| [unescaped(line), b"\n".to_vec()].concat()).collect::<Vec<_>>();
    assert_eq!(String::from_utf8(redact(&key(), &all).0), String::from_utf8(all), "nor together");
}

#[test]
fn every_pattern_has_a_secret_in_a_table() {
    let mut tables: Vec<&str> = CORPUS.lines().skip(1).chain(SECRETS.lines()).filter_map(|row| row.split('\t').next()).collect();
    tables.retain(|id| !id.is_empty() && !id.starts_with('#'));
    let missing: Vec<&str> = postern::screen::redact::Found::ids().filter(|id| !tables.contains(id)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn styles_hide_no_secret_and_stay() {
    for (text, expected) in [
        ("\x1b[01;31m\x1b[KAKIA\x1b[m\x1b[KQ4J5XWZ2B7N3M6PD x", "\x1b[01;31m\x1b[K\x1b[m\x1b[K«aws-access-key-id» x"),
        ("\x1b[32mpassword\x1b[0m: \x1b[1mhunter22\x1b[0m\n", "\x1b[32mpassword\x1b[0m: \x1b[1m\x1b[0m«kv-password»\n"),
        ("pass\x1b[01;31mword\x1b[m=hunter22 ", "pass\x1b[01;31mword\x1b[m=«kv-password» "),
        ("\x1b[5;3HAKIAQ4J5XWZ2B7N3M6PD\x1b[2J", "\x1b[5;3H«aws-access-key-id»\x1b[2J"),
    ] {
        assert_eq!(marked(&redacted(text.as_bytes())), expected);
    }
    // A cursor that moves in the middle is not seen through.
    assert_eq!(redacted(b"AKIAQ4J5\x1b[5;3HXWZ2B7N3M6PD"), b"AKIAQ4J5\x1b[5;3HXWZ2B7N3M6PD");
}

#[test]
fn a_secret_of_any_length_is_hidden_in_constant_memory() {
    let long = "Zm9v".repeat(100_000);
    let body = long.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned() + "\r\n").collect::<String>();
    for (text, expected) in [
        (format!("password={long} x"), "password=«kv-password» x".to_owned()),
        (format!("eyJhbGciOiJIUzI1NiJ9.eyJ{long}.{long} x"), "«jwt» x".to_owned()),
        (
            format!("-----BEGIN PRIVATE KEY-----\r\n{body}-----END PRIVATE KEY-----\r\nx"),
            "-----BEGIN PRIVATE KEY-----\r\n«private-key»\r\n-----END PRIVATE KEY-----\r\nx".to_owned(),
        ),
    ] {
        assert_eq!(marked(&redact(&key(), text.as_bytes()).0), expected);
        assert_eq!(marked(&pieces(text.as_bytes().chunks(777), 64)), expected);
    }
}

#[test]
fn a_key_that_is_cut_hides_nothing_behind_it() {
    let text =
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\nuser@host:~$ uptime is fine\n";
    let expected = "-----BEGIN PRIVATE KEY-----\n«private-key»\nuser@host:~$ uptime is fine\n";
    assert_eq!(marked(&redacted(text.as_bytes())), expected);
}

#[test]
fn a_fingerprint_depends_on_the_secret_and_the_key_alone() {
    let with = |key: [u8; 32], text: &str| String::from_utf8(redact(&Key::from_bytes(key), text.as_bytes()).0).unwrap();
    let digits = |text: String| text.split_once("[redacted ").unwrap().1.split_once(']').unwrap().0.to_owned();
    let one = digits(with([1; 32], "password=hunter22"));
    assert_eq!(one, digits(with([1; 32], "db_password: \"hunter22\",")));
    assert_ne!(one, digits(with([2; 32], "password=hunter22")));
    assert_ne!(one, digits(with([1; 32], "password=hunter23")));
    let pem = |end: &str| format!("-----BEGIN PRIVATE KEY-----{end}MIIEvQIBADANBgkqhkiG9w0BAQ{end}-----END PRIVATE KEY-----");
    assert_eq!(digits(with([1; 32], &pem("\n"))), digits(with([1; 32], &pem("\r\n   "))), "however its lines end");
    assert!(!format!("{:?}", Key::random().unwrap()).contains('['));
}

#[test]
fn words_of_an_argument_list_are_seen_together() {
    let (words, found) = redact_words(&key(), &["curl", "-u", "admin:hunter2", "--data", "two words", "", "https://x"]);
    let words: Vec<String> = words.iter().map(|word| marked(word)).collect();
    assert_eq!(words, ["curl", "-u", "admin:«option-password»", "--data", "two words", "", "https://x"]);
    assert_eq!(found.iter().collect::<Vec<_>>(), [("option-password", 1)]);
    let (none, found) = redact_words::<&str>(&key(), &[]);
    assert!(none.is_empty() && found.is_empty());
}

#[test]
fn a_pause_shows_what_is_held_but_no_more_of_a_secret() {
    let mut redactor = Redactor::new(&key());
    let mut out = [0; 256];
    let mut screen = Vec::new();
    let mut take = |step: postern::screen::Progress, out: &[u8]| screen.extend_from_slice(&out[..step.written]);
    for piece in ["Password: ", "", "\n", "password=hunt", "", "er22 AKIA", "", "x\n"] {
        let step = if piece.is_empty() { redactor.pause(&mut out) } else { redactor.pass(piece.as_bytes(), &mut out) };
        take(step, &out);
        assert!(!piece.is_empty() || !redactor.is_holding());
    }
    take(redactor.flush(&mut out), &out);
    assert_eq!(marked(&screen), "Password: \npassword=«kv-password» AKIAx\n");
}

#[test]
fn what_is_held_is_bounded() {
    for text in [
        "-----BEGIN PRIVATE KEY----- a b c ",
        "https://aaaaaaaaaaaaaaaaaaaaaaaaa",
        "password=\"a\x1b[mb",
        "eyJaaaaaaaaaaaaaa",
        "\x1b[1m",
        "AKIA\x1b[0;1;2m",
    ] {
        let text = text.repeat(1000);
        let (mut redactor, mut out, mut held) = (Redactor::new(&key()), vec![0; 4096], 0);
        for byte in text.bytes() {
            let step = redactor.pass(&[byte], &mut out);
            held = held + step.taken - step.written.min(held + step.taken);
            let is_hidden = step.written == 0 && !redactor.is_holding();
            assert!(held <= HELD || is_hidden, "{held} bytes of {}", &text[..20]);
        }
    }
}

/// Parts of secrets, of what stands round them and of sequences, in any order.
fn mixed() -> impl Strategy<Value = Vec<u8>> {
    let rows =
        CORPUS.lines().skip(1).filter_map(|row| row.split('\t').nth(4)).chain(SECRETS.lines().filter_map(|row| row.split('\t').nth(1)));
    let parts = rows.chain(NO_SECRETS.lines()).flat_map(|row| {
        let row = unescaped(&row.replace(['«', '»'], ""));
        let middle = row.len() / 2;
        [row[..middle].to_vec(), row[middle..].to_vec(), row]
    });
    let more =
        ["\x1b[01;31m\x1b[K", "\x1b[m", "\x1b[5;3H", "\x1b", "\r\n", " ", "\"", "'", "\\", "&", "password=", ": ", "-----", "\0", "é"];
    let parts: Vec<Vec<u8>> = parts.chain(more.map(|part| part.as_bytes().to_vec())).collect();
    let part = prop_oneof![4 => select(parts), 1 => vec(any::<u8>(), 0..6), 1 => (any::<u8>(), 0..700usize).prop_map(|(byte, count)| vec![byte; count])];
    vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_result_does_not_depend_on_the_writes(text in mixed(), sizes in vec(1..200usize, 1..20), room in 64..300usize) {
        let (whole, found) = redact(&key(), &text);
        let (mut rest, mut cut) = (&text[..], Vec::new());
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, behind) = rest.split_at((*size).min(rest.len()));
            cut.push(piece);
            rest = behind;
        }
        prop_assert_eq!(pieces(cut, room).escape_ascii().to_string(), whole.escape_ascii().to_string());
        prop_assert_eq!(pieces(text.chunks(1), room).escape_ascii().to_string(), whole.escape_ascii().to_string());
        prop_assert!(whole.len() <= text.len() * GROWTH);
        let left = whole.windows(10).filter(|window| window == b"[redacted ").count() as u64;
        let had = text.windows(10).filter(|window| window == b"[redacted ").count() as u64;
        let counted: u64 = found.iter().map(|(_, count)| count).sum();
        prop_assert!(left <= counted + had && left >= counted);
    }
}

/// `cargo test --release --test redact -- --ignored --nocapture speed`
#[test]
#[ignore = "a measurement"]
fn speed() {
    let log = "Nov 22 12:34:56 host app[1234]: GET /index.html from 10.0.0.1 took 13 ms, user agent Mozilla/5.0 (X11; Linux)\n";
    let pairs = "level=info msg=\"request done\" code:200 path=/x {\"a\": 1, \"status\": \"ok\", \"name\":\"value\"} t=12:34:56 k=v a:b\n";
    let colours = "\x1b[32mok\x1b[0m \x1b[1;34mname\x1b[0m of \x1b[38;5;123mthing\x1b[K\x1b[0m\n";
    let secrets = "export DB_PASSWORD=hunter2hunter2 TOKEN=ghp_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8 and a url https://u:pw@h/ here\n";
    for (name, line) in [("log", log), ("pairs", pairs), ("colours", colours), ("secrets", secrets)] {
        let text = line.repeat((64 << 20) / line.len());
        let (mut redactor, mut out, mut taken) = (Redactor::new(&key()), vec![0; 64 << 10], 0);
        let start = Instant::now();
        while taken < text.len() {
            let end = text.len().min(taken + (64 << 10));
            taken += redactor.pass(&text.as_bytes()[taken..end], &mut out).taken;
        }
        println!("{name}: {:.0} MB/s", text.len() as f64 / start.elapsed().as_secs_f64() / 1e6);
    }
    println!("a redactor: {} bytes", size_of::<Redactor>());
}
