//! The terminal that a command has is its own.

use std::collections::BTreeSet;
use std::fs;
use std::os::linux::fs::MetadataExt;
use std::process::Command;
use std::thread::sleep;

use serde_json::json;

use super::pty::{HAND, Terminal};
use super::support::*;

/// Types a line on each terminal it can reach, and reads it there.
const STUFF: &str = r#"
    open($tty, '+<', '/dev/tty') or die "no tty: $!";
    for $terminal (*STDIN, $tty) {
        for $key (split //, "echo stu''ffed\n") { ioctl($terminal, 0x5412, $key) or print "refused: $!\n" and exit }
    }
    print "pushed\n";
    print "read: ", scalar <STDIN> unless @ARGV;
"#;

#[test]
fn what_a_command_types_on_its_terminal_is_never_typed_at_the_prompt() {
    if fs::read_to_string("/proc/sys/dev/tty/legacy_tiocsti").is_ok_and(|setting| setting.trim() == "0") {
        return skip("this kernel has no TIOCSTI (dev.tty.legacy_tiocsti is 0), so that there is nothing to show");
    }
    let house = plain_house();
    let script = file(&house, "stuff.pl", STUFF);
    let script = script.display();

    let mut control = Command::new("bash");
    control.args(["--norc", "--noprofile", "-i"]).env("PS1", "bash> ");
    let mut control = Terminal::start(control);
    control.expect("bash> ");
    control.line(&format!("perl {script} only"));
    control.expect("\nstuffed\n");

    let mut terminal = session(&house);
    // Its own it does reach.
    terminal.line(&format!("freely {script}"));
    terminal.expect("read: echo stu''ffed");
    terminal.expect("> ");
    terminal.line(&format!("freely {script} only"));
    terminal.expect("pushed");
    terminal.expect("> ");
    sleep(HAND);
    terminal.run("echo next", "\nnext\n");
    assert!(!terminal.text().contains("\nstuffed"), "{}", terminal.text());
    terminal.run(&format!("inside {script}"), "\nrefused: ");
    leave(&mut terminal);
    let lines: Vec<_> = house.events("command.start").into_iter().map(|record| record["line"].clone()).collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
}

#[test]
fn a_terminal_of_its_own_is_no_console() {
    let house = plain_house();
    let mut terminal = session(&house);
    // TIOCLINUX 2, 3 (select, paste): what pastes on a console. There is none here to show it on.
    terminal.run(
        r#"freely -e 'for $code (2, 3) { ioctl(STDIN, 0x541c, chr $code) and die "pasted"; print "no: $!\n" }'"#,
        "\nno: Inappropriate",
    );
}

#[test]
fn the_controlling_terminal_is_the_pty_of_its_own() {
    let house = plain_house();
    let mut terminal = session(&house);
    // TIOCGDEV says which terminal /dev/tty is.
    let script = r#"open($tty, '+<', '/dev/tty') or die; $number = pack('I', 0); ioctl($tty, 0x80045432, $number) or die $!;
        printf("tty=%d stdin=%d;\n", unpack('I', $number), (stat STDIN)[6])"#;
    let script = file(&house, "tty.pl", script);
    terminal.line(&format!("freely {}", script.display()));
    terminal.expect("\ntty=");
    let numbers = terminal.expect(";\n");
    let (tty, stdin) = numbers.split_once(" stdin=").unwrap();
    assert_eq!(tty, stdin);
    let persons = fs::metadata(name_of(&terminal)).unwrap().st_rdev();
    assert_ne!(tty, persons.to_string());
}

#[test]
fn a_confined_command_cannot_open_the_persons_terminal_by_its_name() {
    let house = plain_house();
    let mut terminal = session(&house);
    let name = name_of(&terminal);
    let open = format!(r#"-e 'print open($f, $_, $ARGV[0]) ? "opened\n" : "closed: $!\n" for "<", "+<", ">>"' {}"#, name.display());
    for (program, says) in
        [("inside", "\nclosed: Permission denied\n".repeat(3).replace("\n\n", "\n")), ("freely", "\nopened\nopened\nopened\n".into())]
    {
        terminal.run(&format!("{program} {open}"), &says);
    }
}

/// Says which session and which terminal it is in, and passes nothing on.
const WHERE: &str = r#"
    open($stat, '<', '/proc/self/stat'); @fields = split / /, (split /\) /, <$stat>)[1];
    print STDERR "session=$fields[3] terminal=$fields[4];\n";
"#;

#[test]
fn a_pipeline_is_one_session_and_the_next_one_another() {
    let house = plain_house();
    let script = file(&house, "where.pl", WHERE);
    let stage = format!("freely {}", script.display());
    let mut terminal = session(&house);
    let mut seen = BTreeSet::new();
    for _ in 0..2 {
        terminal.line(&format!("{stage} | {stage} | {stage}"));
        let mut places = BTreeSet::new();
        for _ in 0..3 {
            terminal.expect("session=");
            places.insert(terminal.expect(";"));
        }
        assert_eq!(places.len(), 1, "{places:?}");
        let place = places.pop_first().unwrap();
        assert!(!place.starts_with("0 ") && !place.ends_with("=0"), "{place}");
        let (session, _) = place.split_once(' ').unwrap();
        assert!(seen.insert(session.to_owned()), "the session of the line before: {place}");
        terminal.expect("> ");
    }
}

#[test]
fn keys_that_are_signals_end_all_of_a_pipeline() {
    let house = plain_house();
    let mut terminal = session(&house);
    for (key, status, signal) in [("\x03", " [130]> ", "INT"), ("\x1c", " [131]> ", "QUIT")] {
        terminal.line("sleep 100 | cat | cat");
        terminal.expect_program("sleep");
        sleep(HAND);
        terminal.send(key);
        terminal.expect(status);
        let ended = house.events("command.end").pop().unwrap();
        let how: Vec<_> = ended["stages"].as_array().unwrap().iter().map(|stage| stage["status"].clone()).collect();
        assert_eq!(how, vec![json!({"signal": signal}); 3], "{ended}");
    }
}

#[test]
fn ctrl_z_is_answered_at_once_and_ctrl_d_ends_the_input() {
    let house = plain_house();
    let mut terminal = session(&house);
    terminal.line("cat");
    terminal.expect_program("cat");
    terminal.send("\x1a");
    terminal.expect("posternsh: no job control: continued\n");
    terminal.line("goes on");
    // As it is typed, and as it comes back.
    terminal.expect("goes on\ngoes on\n");
    terminal.send("\x04");
    terminal.expect("> ");
    assert_eq!(house.events("command.end")[0]["stages"][0]["status"], json!({"exit": 0}));
}
