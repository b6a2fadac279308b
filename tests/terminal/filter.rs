//! No byte but those on the list reaches the person's terminal, whoever prints it.

use std::fs;
use std::process::Command;

use super::allowed::objection;
use super::house::House;
use super::pty::{HAND, Terminal};
use super::support::*;
use super::{COLUMNS, ROWS};

/// What a command prints, in perl's words; what of it must not be in the terminal's output; the class that counts it.
const HOSTILE: [(&str, &str, &str); 12] = [
    (r"\e]52;c;Y3VybA==\a", "Y3VybA", "clipboard"),
    (r"\e[6n\e[c\e[>c\e[5n", "\x1b[6n", "query"),
    (r"\eP\$q\x22p\e\\", "\x1bP", "query"),
    (r"\e]0;a title\a", "a title", "title"),
    (r"\e[21t", "\x1b[21t", "query"),
    (r"\e]8;;http://x/\e\\link\e]8;;\e\\", "http:", "link"),
    (r"\e[?1000h\e[?1006h", "1000", "mode"),
    (r"\e[?2004h", "2004", "paste"),
    (r"\ec\e[3J", "\x1bc", "reset"),
    (r"\xff\xfe", "\u{ff}", "utf8"),
    (r"\xe2\x80\xae", "\u{202e}", "bidi"),
    (r"\x00\x05\x0e", "\x05", "control"),
];

/// The sequences a terminal is sent are all on the list.
fn assert_clean(what: &str, bytes: &[u8]) {
    // The editor's own mode, which commands cannot set.
    let text = String::from_utf8_lossy(bytes).replace("\x1b[?2004h", "").replace("\x1b[?2004l", "");
    let objection = objection(text.as_bytes(), COLUMNS, ROWS);
    assert_eq!(objection, None, "{what}");
}

#[test]
fn what_a_command_prints_cannot_do_anything_to_the_terminal_and_is_counted() {
    let house = plain_house();
    let mut terminal = sized_session(&house, ROWS, COLUMNS);
    for (printed, hostile, class) in HOSTILE {
        terminal.read_until_silent(HAND / 10);
        let before = terminal.raw().len();
        terminal.line(&format!("freely -e 'print qq(<{printed}>\\n)'"));
        terminal.expect(">\n");
        terminal.expect("> ");
        // The echo of the line holds none of these characters, only their names.
        let shown = &terminal.raw()[before..];
        let output = shown.windows(3).position(|bytes| bytes == b"\n\x1b[" || bytes.starts_with(b"\n<")).map_or(shown, |at| &shown[at..]);
        let text = String::from_utf8_lossy(output).replace("\x1b[?2004h", "").replace("\x1b[?2004l", "");
        assert!(!text.contains(hostile), "{printed}: {text:?}");
        let end = house.events("command.end").pop().unwrap();
        assert!(end["screen"][class].as_u64() > Some(0), "{printed}: {end}");

        let mut control = Command::new("perl");
        control.args(["-e", &format!("print qq(<{printed}>\\n)")]);
        let mut control = Terminal::start(control);
        control.end();
        let raw = control.raw();
        let raw =
            if class == "utf8" { raw.iter().map(|byte| char::from(*byte)).collect() } else { String::from_utf8_lossy(raw).into_owned() };
        assert!(raw.contains(hostile), "the control: {printed}: {raw:?}");
    }
    assert_clean("the session", terminal.raw());
    terminal.run("echo harmless", "\nharmless\n");
    let end = house.events("command.end").pop().unwrap();
    assert!(end.get("screen").is_none(), "{end}");
}

/// All of the corpus, as bytes.
fn attacks() -> Vec<u8> {
    let mut all = Vec::new();
    for row in include_str!("../screen/terminal_attacks.tsv").lines().skip(1) {
        let mut parts = row.split('\t').nth(1).unwrap().split("\\x");
        all.extend_from_slice(parts.next().unwrap().as_bytes());
        for part in parts {
            all.push(u8::from_str_radix(&part[..2], 16).unwrap());
            all.extend_from_slice(&part.as_bytes()[2..]);
        }
        all.push(b'\n');
    }
    all
}

#[test]
fn all_attacks_of_the_corpus_in_one_command_leave_a_session_that_works() {
    let house = plain_house();
    let path = file(&house, "attacks", attacks());
    let mut terminal = sized_session(&house, ROWS, COLUMNS);
    for line in [
        format!("cat {}", path.display()),
        format!("freely -e 'open $f, q(<), shift; $| = 1; print while sysread $f, $_, 1' {}", path.display()),
    ] {
        terminal.line(&line);
        terminal.read_until_silent(3 * HAND);
        terminal.run("echo it works", "\nit works\n");
    }
    assert_clean("the session", terminal.raw());
    let shown = recording(&house).output();
    assert_clean("the recording", shown.as_bytes());
}

/// Characters that do something, in a name that a file may have.
const NAME: &str = "a\x1b]52;c;eA==\x07\x1b[6n\u{202e}\u{9b}2Jz";

#[test]
fn what_the_shell_itself_prints_holds_no_raw_byte() {
    let house = plain_house();
    let directory = house.directory().join("names");
    fs::create_dir(&directory).unwrap();
    for name in [NAME, "ab", "ac"] {
        fs::write(directory.join(name), "").unwrap();
    }
    let mut terminal = sized_session(&house, ROWS, COLUMNS);
    // Names in a list, a name that is completed, and one that a glob finds.
    terminal.send(format!("ls {}/a\t\t", directory.display()));
    terminal.read_until_silent(HAND);
    terminal.send("\x15");
    terminal.read_until_silent(HAND);
    terminal.line(&format!("echo {}/a*", directory.display()));
    terminal.read_until_silent(HAND);
    terminal.line(&format!("ls {}", directory.display()));
    terminal.read_until_silent(HAND);
    // A line that is refused, and a directory that is not there.
    terminal.line("reboot \u{202e}\u{9b}6n");
    terminal.read_until_silent(HAND);
    terminal.line("cd /\u{200b}");
    terminal.read_until_silent(HAND);
    assert_clean("a session", terminal.raw());
    assert!(terminal.text().contains("<U+202E>"), "{}", terminal.text());
}

#[test]
fn messages_without_a_terminal_hold_no_raw_byte() {
    let house = plain_house();
    let escaped = |output: &std::process::Output| {
        let text = String::from_utf8(output.stderr.clone()).unwrap();
        assert_eq!(objection(text.as_bytes(), COLUMNS, ROWS), None, "{text:?}");
        assert!(!text.contains('\x1b') && !text.is_empty(), "{text:?}");
    };
    for line in [NAME, &format!("reboot '{NAME}'"), &format!("echo $({NAME})"), &format!("cat '/{NAME}'"), &format!("cd '/{NAME}'")] {
        escaped(&house.run(line));
    }
    let policy = |text: String| {
        let policy = file(&house, "hostile.yaml", text);
        for mut command in [Command::new(env!("CARGO_BIN_EXE_posternsh")), Command::new(env!("CARGO_BIN_EXE_postern"))] {
            if command.get_program().to_string_lossy().ends_with("sh") {
                command.arg("--policy").arg(&policy).args(["-c", "true"]);
            } else {
                command.arg("check").arg(&policy);
            }
            escaped(&command.output().unwrap());
        }
    };
    policy(format!("postern: 1\nallow: ['echo {}']\n", NAME.replace('\x1b', "\x1b<")));
    policy("postern: 1\nallow: [\"echo <\\e]52;c;eA==\\a\\u202e>\"]\n".to_owned());
    policy("postern: 1\n\"\\e[6n\": 1\n".to_owned());
}

/// A control for [`assert_clean`]: what it is to find.
#[test]
fn a_terminal_without_the_filter_is_not_clean() {
    let house: House = plain_house();
    let path = file(&house, "attacks", attacks());
    let mut control = Command::new("cat");
    control.arg(path);
    let mut control = Terminal::start(control);
    control.end();
    assert!(objection(control.raw(), COLUMNS, ROWS).is_some());
}
