//! Secrets in what is typed and printed.

use std::fs;

use super::house::House;
use super::support::*;

const SECRET: &str = "AKIAQ4J5XWZ2B7N3M6PD";
const SIGN: &str = "[redacted aws-access-key-id ";

/// Prints the secret that its input begins with, byte by byte.
const BYTEWISE: &str = "freely -e '$| = 1; open $f, q(<), shift; print while read $f, $_, 1'";

/// Both files of the only session, and what its screen showed.
fn ran(redact: &str) -> (House, String, String, String) {
    let house = house("idle: 1h", &format!("redact: {redact}"), "");
    let path = file(&house, "secret", format!("key {SECRET} end\n"));
    let mut terminal = session(&house);
    terminal.run(&format!("cat {}", path.display()), "end\n");
    terminal.run(&format!("{BYTEWISE} {}", path.display()), "end\n");
    let printed = terminal.text();
    terminal.run(&format!("echo {SECRET}"), "\n");
    leave(&mut terminal);
    let recording = recording(&house);
    let records = fs::read_to_string(recording.path.with_extension("jsonl")).unwrap();
    (house, printed, recording.text, records)
}

/// Secrets by command: in what was printed, and in the line.
fn counts(house: &House) -> Vec<u64> {
    house.events("command.end").iter().map(|end| end["redacted"]["aws-access-key-id"].as_u64().unwrap()).collect()
}

#[test]
fn in_files_it_is_replaced_and_counted_and_the_person_sees_it() {
    let (house, printed, recording, records) = ran("files");
    assert_eq!(printed.matches(SECRET).count(), 2);
    assert!(!recording.contains(SECRET) && !records.contains(SECRET), "{recording}\n{records}");
    // Printed three times; and once in the line, as a chapter and on the screen.
    assert!(recording.matches(SIGN).count() >= 5, "{recording}");
    let mut signs: Vec<&str> = recording.split(SIGN).skip(1).filter_map(|rest| rest.split(']').next()).collect();
    signs.dedup();
    assert_eq!(signs.len(), 1, "one secret, one fingerprint: {signs:?}");
    assert_eq!(counts(&house), [1, 1, 2]);
    let start = &house.events("command.start")[2];
    assert!(start["line"].as_str().unwrap().starts_with(&format!("echo {SIGN}")), "{start}");
    assert!(start["stages"][0]["argv"][1].as_str().unwrap().starts_with(SIGN), "{start}");
}

#[test]
fn on_the_screen_too_where_the_policy_says_so() {
    let (house, printed, recording, records) = ran("screen");
    assert!(!printed.contains(SECRET) && printed.matches(SIGN).count() == 2, "{printed}");
    assert!(!records.contains(SECRET), "{records}");
    // The line that the person types is theirs to see; in the file it is not.
    assert!(!recording.contains(SECRET), "{recording}");
    assert_eq!(counts(&house), [1, 1, 2]);
}

#[test]
fn nowhere_where_the_policy_says_so() {
    let (house, printed, recording, records) = ran("none");
    assert!(printed.contains(SECRET) && recording.contains(SECRET) && records.contains(SECRET));
    assert!(house.events("command.end").iter().all(|end| end.get("redacted").is_none()));
}

#[test]
fn without_a_terminal_it_is_replaced_in_the_recording_and_not_in_the_data() {
    let house = plain_house();
    let path = file(&house, "secret", format!("key {SECRET} end\n"));
    for line in [format!("cat {}", path.display()), format!("{BYTEWISE} {}", path.display())] {
        let output = house.run(&line);
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("key {SECRET} end\n"));
    }
    for (start, end) in house.events("session.start").iter().zip(house.events("command.end")) {
        let recording = fs::read_to_string(start["recording"].as_str().unwrap()).unwrap();
        assert!(!recording.contains(SECRET) && recording.contains(SIGN), "{recording}");
        assert_eq!(end["redacted"]["aws-access-key-id"].as_u64(), Some(1), "{end}");
    }
}
