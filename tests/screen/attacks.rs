//! The corpus of hostile output, a row at a time: `terminal_attacks.tsv`. Rows of what is typed or pasted are for the editor; here they are output.

use postern::screen::filter::Dropped;

use super::allowed::objection;
use super::bytes::bytes_of;
use super::{COLUMNS, ROWS, filtered};

struct Attack {
    id: &'static str,
    bytes: Vec<u8>,
    class: &'static str,
    expect: &'static str,
}

fn attacks() -> Vec<Attack> {
    let rows = include_str!("terminal_attacks.tsv").lines().skip(1);
    let attack = |row: &'static str| {
        let [id, bytes, class, _, _, expect] = row.split('\t').collect::<Vec<_>>()[..] else { panic!("{row}") };
        Attack { id, bytes: bytes_of(bytes), class, expect }
    };
    rows.map(attack).collect()
}

/// The output for a row, which does not depend on how it is cut.
fn output(attack: &Attack) -> (Vec<u8>, Dropped) {
    let whole = filtered([&attack.bytes[..]], 1 << 16);
    let mut cuts = vec![attack.bytes.chunks(1).collect::<Vec<_>>()];
    // Pieces whose lengths look random, and are the same each time.
    for seed in 1..=20 {
        let (mut rest, mut pieces, mut state) = (&attack.bytes[..], Vec::new(), seed * 7919_usize);
        while !rest.is_empty() {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let (piece, behind) = rest.split_at((1 + (state >> 33) % 9).min(rest.len()));
            pieces.push(piece);
            rest = behind;
        }
        cuts.push(pieces);
    }
    for pieces in cuts {
        assert!(filtered(pieces, 64) == whole, "{}: the output depends on the pieces", attack.id);
    }
    whole
}

#[test]
fn every_attack_is_held() {
    let mut failures = Vec::new();
    for attack in attacks() {
        let (output, dropped) = output(&attack);
        if let Some(objection) = objection(&output, COLUMNS, ROWS) {
            failures.push(format!("{}: {objection}", attack.id));
        }
        if !holds(&attack, &output, &dropped) {
            let text = String::from_utf8_lossy(&output);
            failures.push(format!("{}: not {}: {text:?}, {:?}", attack.id, attack.expect, dropped.iter().collect::<Vec<_>>()));
        }
    }
    assert_eq!(failures, [""; 0]);
}

fn holds(attack: &Attack, output: &[u8], dropped: &Dropped) -> bool {
    let counted = dropped.iter().next().is_some();
    match attack.expect {
        // No sequence is left. What was text stays text, as in `ESC ] 0 ; a CAN visible`.
        "drop" => counted && !output.contains(&0x1b),
        "visible" => counted && !output.contains(&0x1b) && ["<U+", "\u{fffd}", "^"].iter().any(|sign| shows(output, sign)),
        "clamp" => counted && output != attack.bytes && !output.is_empty(),
        "flag" => counted && output.starts_with(&attack.bytes),
        // As it was, and behind it only what ends the command.
        "allow" => !counted && output.starts_with(&attack.bytes),
        "reject-input" => true,
        other => panic!("{}: {other}", attack.id),
    }
}

fn shows(output: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(output).contains(text)
}

#[test]
fn what_asks_and_what_reads_the_clipboard_can_be_alerted_on() {
    for (class, name) in [
        ("query-", "query"),
        ("clipboard-", "clipboard"),
        ("title-", "title"),
        ("window-op", "window"),
        ("print", "print"),
        ("exec", "command"),
        ("file-transfer", "command"),
        ("notify", "notify"),
        ("hyperlink", "link"),
        ("unicode-bidi", "bidi"),
        ("unicode-invisible", "invisible"),
        ("utf8", "utf8"),
        ("linux-console", "sequence"),
    ] {
        // What asks for a title is a query; what fills the clipboard, runs or opens something says so first; a text that pretends is a text.
        let others = ["query", "command", "bell", "malformed", "sequence", "control", "string"];
        for attack in attacks().iter().filter(|attack| attack.class.starts_with(class)) {
            let (_, dropped) = output(attack);
            let counted: Vec<_> = dropped.iter().map(|(class, _)| class).collect();
            assert!(counted.contains(&name) || counted.iter().any(|class| others.contains(class)), "{}: {counted:?}", attack.id);
            assert!(counted.contains(&name) || !matches!(name, "query" | "clipboard"), "{}: {counted:?}", attack.id);
        }
    }
}
