//! `postern search`.

use serde_json::{Value, json};

use super::support::Records;

/// A session with four lines, the third of which is refused; and what the first printed. Its id.
fn searched() -> (Records, String) {
    let records = Records::new();
    let mut open = records.open();
    open.line("echo needle; echo second");
    open.expect("needle");
    open.expect("second");
    open.line("reboot 'needle now'");
    open.line("ls /");
    let id = open.id.clone();
    open.end();
    records.record(
        &id,
        &[
            json!([0.5, "m", "1 echo begun"]),
            json!([1.0, "o", "a \u{1b}[1mhay"]),
            json!([1.0, "o", "\u{1b}[0mstack\r\n"]),
            json!([2.0, "o", "haystack again\r\n"]),
            json!([3600.0, "o", "haystack at last\r\n"]),
        ],
    );
    (records, id)
}

#[test]
fn lines_refusals_and_output_are_found_with_the_way_to_the_moment() {
    let (records, id) = searched();
    for (arguments, expected) in [
        (&["needle"][..], &[(2, "line", false), (3, "line", true)][..]),
        (&["haystack"], &[(1, "output", false)]),
        (&["--denied"], &[(3, "line", true)]),
        (&["needle", "--denied"], &[(3, "line", true)]),
        (&["begun"], &[(1, "line", false)]),
        (&["--rule", "policy.yaml", "needle"], &[(2, "line", false)]),
        (&["haystack", "--since", "2126-01-01"], &[]),
        (&["needle", "--account", "nobody-here"], &[]),
        (&["nothing like it"], &[]),
    ] {
        let done = records.run("search", &[&["--json"], arguments].concat());
        let found: Vec<Value> = done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let found: Vec<(u64, &str, bool)> = found
            .iter()
            .map(|found| (found["command"].as_u64().unwrap(), found["place"].as_str().unwrap(), found["denied"].as_bool().unwrap()))
            .collect();
        assert_eq!(found, expected, "{arguments:?} {}", done.err);
        assert_eq!(done.status, Some(i32::from(expected.is_empty())), "{arguments:?}");
    }
    let done = records.run("search", &["haystack"]);
    let lines: Vec<&str> = done.out.lines().collect();
    assert!(lines[0].starts_with(&format!("{id} 2026-11-21T03:12:45.000Z ")) && lines[0].ends_with(" #1 echo begun"), "{lines:?}");
    assert_eq!(lines[1..], ["    a haystack", &format!("    postern replay {id} --command 1")]);
    for (since, time, text) in
        [("2026-11-21T03:12:46", "03:12:46.000Z", "haystack again"), ("2026-11-21T03:13", "04:12:44.000Z", "haystack at last")]
    {
        let done = records.run("search", &["haystack", "--since", since]);
        assert!(done.out.contains(time) && done.out.contains(text) && done.out.lines().count() == 3, "{since}: {done:?}");
    }
    assert_eq!(records.run("search", &[]).status, Some(2));
}

#[test]
fn of_other_accounts_no_recording_is_read() {
    let (records, id) = searched();
    std::fs::write(records.file(&format!("{id}.cast")), "no recording\n").unwrap();
    assert!(records.run("search", &["haystack"]).err.contains("it is no asciicast"));
    let done = records.run("search", &["haystack", "--account", "nobody-here"]);
    assert_eq!((done.status, done.err.as_str()), (Some(1), ""));
}

#[test]
fn what_would_have_been_refused_is_found_apart_from_what_was() {
    let records = Records::new();
    let policy = std::fs::read_to_string(records.0.policy()).unwrap();
    std::fs::write(records.0.policy(), policy.replace("postern: 1", "postern: 1\nmode: observe")).unwrap();
    let mut open = records.open();
    open.line("sync -x 2>/dev/null");
    open.line("true");
    open.line("./x");
    open.line("echo over");
    open.expect("over");
    open.end();
    for (arguments, expected) in [(&["--observed"][..], &[2][..]), (&["--denied"], &[4]), (&["--denied", "--observed"], &[2, 4])] {
        let done = records.run("search", &[&["--json"], arguments].concat());
        let found = done.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let found: Vec<u64> = found.map(|found| found["command"].as_u64().unwrap()).collect();
        assert_eq!(found, expected, "{arguments:?} {}", done.err);
    }
    assert!(records.run("search", &["--observed"]).out.contains(" #2 (observed) sync -x 2>/dev/null\n    sync: no rule allows `sync`\n"));
}
