//! A recording that the disk does not take.

use std::path::PathBuf;
use std::process::Command;

use super::house::House;
use super::support::*;

/// A small disk under the records of a house; gone when dropped.
struct Disk(PathBuf);

impl Disk {
    fn under(house: &House, room: &str) -> Disk {
        let place = house.directory().join("records");
        let options = format!("mode=700,{room}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&place).status().unwrap();
        assert!(mounted.success());
        Disk(place)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Prints far more than the disk has, and goes on.
const FLOOD: &str = "freely -e '$| = 1; print qq(line $_\\n) for 1..40000; print qq(flooded\\n); sleep 1; print qq(goes on\\n)'";
const SKIPPED: &str = "full disks under recordings: not in tests/sandbox";

#[test]
fn a_full_disk_ends_the_recording_and_nothing_else() {
    if !in_sandbox() {
        return skip(SKIPPED);
    }
    let house = plain_house();
    let _disk = Disk::under(&house, "size=200k");
    let mut terminal = session(&house);
    terminal.run("echo before", "\nbefore\n");
    terminal.line(FLOOD);
    terminal.expect("\ngoes on\n");
    terminal.expect("posternsh: this session is not recorded any more: ");
    terminal.expect("> ");
    terminal.run("echo behind", "\nbehind\n");
    leave(&mut terminal);
    let events: Vec<_> = house.records().into_iter().map(|record| record["event"].as_str().unwrap().to_owned()).collect();
    let command = ["command.start", "command.end"];
    assert_eq!(events, [&["session.start"][..], &command, &command, &command, &["session.end"]].concat());
    let ends = house.events("command.end");
    assert!(ends.iter().all(|end| end["stages"][0]["status"]["exit"] == 0), "{ends:?}");
    assert!(ends[0]["recording"].is_object() && ends[2].get("recording").is_none_or(serde_json::Value::is_null), "{ends:?}");
    let recording = recording(&house);
    assert!(recording.text.ends_with('\n') && recording.output().contains("before"), "what is there is whole");
}

#[test]
fn a_required_recording_that_fails_ends_the_command_and_lets_no_other_begin() {
    if !in_sandbox() {
        return skip(SKIPPED);
    }
    let house = house("idle: 1h", "record: { required: true }", "");
    let _disk = Disk::under(&house, "size=200k");
    let mut terminal = session(&house);
    terminal.run("echo before", "\nbefore\n");
    terminal.line(FLOOD);
    terminal.expect("ended: it is not recorded any more, as the policy demands");
    terminal.expect(" [125]> ");
    terminal.line("echo behind");
    terminal.expect("posternsh: this session is not recorded (");
    terminal.expect("); nothing was run, as the policy demands\n");
    terminal.expect(" [125]> ");
    assert!(!terminal.text().contains("\ngoes on\n") && !terminal.text().contains("\nbehind\n"));
    let (starts, ends) = (house.events("command.start"), house.events("command.end"));
    assert_eq!((starts.len(), ends.len()), (2, 2));
    assert_eq!(ends[1]["reason"], "unrecorded", "{}", ends[1]);
    assert_eq!(house.events("command.deny")[0]["line"], "echo behind");
}

#[test]
fn a_recording_that_cannot_begin() {
    if !in_sandbox() {
        return skip(SKIPPED);
    }
    for required in [true, false] {
        let house = house("idle: 1h", &format!("record: {{ required: {required} }}"), "");
        // The directory itself, and a file for records.
        let _disk = Disk::under(&house, "nr_inodes=2");
        let output = house.run("echo one");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(house.events("session.start")[0]["recording"].is_null(), "{said}");
        if required {
            assert_eq!((output.status.code(), output.stdout.len()), (Some(125), 0), "{said}");
            assert!(said.contains("this session is not recorded (") && said.contains("nothing was run"), "{said}");
            assert_eq!(house.events("command.deny").len(), 1);
        } else {
            assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"one\n"[..]), "{said}");
            assert!(said.contains("not recorded"), "{said}");
        }
    }
}

#[test]
fn without_a_terminal_a_full_disk_ends_the_recording_and_nothing_else() {
    if !in_sandbox() {
        return skip(SKIPPED);
    }
    let house = plain_house();
    let _disk = Disk::under(&house, "size=200k");
    let output = house.run("freely -e 'print qq(line $_\\n) for 1..40000'; echo behind");
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.ends_with(b"line 40000\nbehind\n"), "{}", output.stdout.len());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("this session is not recorded any more: "), "{said}");
    assert_eq!(house.events("command.end").len(), 1);
}
