//! `confirm: true` and `witness:` — the built shell, real programs, a real terminal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "support/house.rs"]
#[allow(dead_code)]
mod house;
#[path = "support/pty.rs"]
#[allow(dead_code)]
mod pty;

use std::fs;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use house::House;
use pty::Terminal;

const RULES: &str = "
  - run: truncate -s <bytes:int> <target:path>
    confine: { read: ['{house}'], write: ['{house}'] }
    confirm: true
    witness: stat -c %s -- <target>
  - run: truncate --size=0 <target:path>
    confine: { read: ['{house}'], write: ['{house}'] }
    witness: grep abc -- <target>
  - { run: sync, confirm: true }
  - { run: nproc, witness: postern-is-not-installed }
  - { run: nproc --all, witness: seq 1000 }
  - { run: uname, witness: cat }
  - { run: arch, witness: sleep 600 }
";

/// A house with these rules besides its own, and a file `f` of three bytes.
fn house_with(session: &str) -> House {
    let house = House::with(session);
    let policy = fs::read_to_string(house.policy()).unwrap();
    let rules = RULES.replace("{house}", &house.directory().to_string_lossy());
    fs::write(house.policy(), format!("{}{rules}", policy.trim_end())).unwrap();
    fs::write(house.directory().join("f"), "abc").unwrap();
    house
}

fn size(house: &House, name: &str) -> Option<u64> {
    fs::metadata(house.directory().join(name)).ok().map(|file| file.len())
}

/// A session in the house at its prompt.
fn session(house: &House) -> Terminal {
    let mut terminal = Terminal::start(house.shell(&[]));
    terminal.expect("> ");
    terminal.run(&format!("cd {}", house.directory().display()), "\n");
    terminal
}

/// Runs a line without a terminal.
fn run(house: &House, line: &str) -> (Output, String) {
    let output = house.run(&format!("cd {} && {line}", house.directory().display()));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, told)
}

const QUESTION: &str = "posternsh: truncate -s 5 f changes this host; type 5 f to go on: ";

#[test]
fn a_line_that_was_confirmed_runs_and_is_on_record_with_the_state_before_and_after() {
    let house = house_with("max: 5m");
    let mut terminal = session(&house);
    terminal.line("truncate -s 5 f");
    terminal.expect(QUESTION);
    assert_eq!(size(&house, "f"), Some(3), "nothing has run");
    assert!(house.events("command.start").iter().all(|record| record["line"] != "truncate -s 5 f"));
    terminal.line("5 f");
    terminal.expect("> ");
    assert_eq!(size(&house, "f"), Some(5));
    terminal.run("history", "truncate -s 5 f\n");
    assert!(!terminal.text().contains("  5 f\n"), "an answer is no line");

    let (start, end) = (house.events("command.start"), house.events("command.end"));
    let (start, end) = (&start[1]["stages"][0], &end[1]["stages"][0]);
    assert_eq!((&start["confirmed"], &start["before"], start.get("after")), (&true.into(), &"3".into(), None));
    assert_eq!((&end["after"], end.get("before")), (&"5".into(), None));
    let numbers: Vec<u64> = house.events("command.start").iter().map(|record| record["command"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3], "a question takes no number of its own");
}

#[test]
fn anything_else_than_the_word_is_a_refusal() {
    let house = house_with("strikes: 2");
    let mut terminal = session(&house);
    let answers = ["5 g\r", "5 f \r", "5\r", "yes\r", "\r", "\x03", "\x04"];
    for answer in answers {
        terminal.line("truncate -s 5 f");
        terminal.expect(QUESTION);
        terminal.send(answer);
        terminal.expect("posternsh: not confirmed; nothing was run");
        terminal.expect(" [126]> ");
        assert_eq!(size(&house, "f"), Some(3), "{answer:?}");
    }
    let denied = house.events("command.deny");
    assert_eq!(denied.len(), answers.len(), "and none is a strike");
    assert!(denied.iter().all(|record| record["reason"] == "not confirmed" && record["decision"] == "deny"));
    assert!(denied.iter().all(|record| record["stages"][0].get("confirmed").is_none() && record["stages"][0].get("before").is_none()));
}

#[test]
fn what_was_typed_before_the_question_is_no_answer() {
    let house = house_with("max: 5m");
    let mut terminal = Terminal::start(house.shell(&["-c", &format!("cd {} && truncate -s 5 f", house.directory().display())]));
    terminal.send("5 f\r");
    terminal.expect(QUESTION);
    terminal.send("\x03");
    terminal.expect("not confirmed");
    assert_eq!((terminal.end().0, size(&house, "f")), (126, Some(3)));

    // The control: the same way in, with an answer to the question.
    let mut terminal = Terminal::start(house.shell(&["-c", &format!("cd {} && truncate -s 5 f", house.directory().display())]));
    terminal.expect(QUESTION);
    terminal.line("5 f");
    assert_eq!((terminal.end().0, size(&house, "f")), (0, Some(5)));
}

#[test]
fn without_a_terminal_there_is_no_way_round() {
    let house = house_with("max: 5m");
    let line = format!("cd {} && truncate -s 5 f", house.directory().display());
    let (output, told) = run(&house, "truncate -s 5 f");
    assert_eq!((output.status.code(), size(&house, "f")), (Some(126), Some(3)));
    assert!(told.contains("posternsh: needs a person at a terminal; nothing was run"), "{told}");

    let mut script = house.shell(&[]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    std::io::Write::write_all(&mut script.stdin.take().unwrap(), format!("{line}\n5 f\n").as_bytes()).unwrap();
    script.wait().unwrap();
    assert_eq!(size(&house, "f"), Some(3), "a script answers nothing");
    let reasons: Vec<String> = house.events("command.deny").iter().map(|record| record["reason"].to_string()).collect();
    assert_eq!(reasons.iter().filter(|reason| reason.contains("needs a person at a terminal")).count(), 2, "{reasons:?}");
}

#[test]
fn each_command_of_a_line_is_asked_for_in_its_order() {
    let house = house_with("max: 5m");
    let mut terminal = session(&house);
    let line = "truncate -s 5 f && sync; echo done";
    for (second, runs) in [("no", false), ("sync", true)] {
        terminal.line(line);
        terminal.expect(QUESTION);
        terminal.line("5 f");
        terminal.expect("posternsh: sync changes this host; type sync to go on: ");
        terminal.line(second);
        terminal.expect(if runs { "done\n" } else { "not confirmed" });
        terminal.expect("> ");
        assert_eq!(size(&house, "f"), Some(if runs { 5 } else { 3 }));
    }
}

#[test]
fn a_question_without_an_answer_is_on_record_however_the_session_ends() {
    let house = house_with("idle: 2s");
    let mut terminal = session(&house);
    terminal.line("truncate -s 5 f");
    terminal.expect(QUESTION);
    assert_eq!(terminal.end().0, 124, "the session's clock holds");

    let other = house_with("max: 5m");
    let mut terminal = session(&other);
    terminal.line("truncate -s 5 f");
    terminal.expect(QUESTION);
    terminal.hang_up();
    terminal.end();
    for house in [house, other] {
        assert_eq!(house.events("command.deny")[0]["reason"], "not confirmed");
        assert_eq!(house.events("session.end").len(), 1);
        assert_eq!(size(&house, "f"), Some(3));
    }
}

#[test]
fn a_witness_that_fails_before_lets_nothing_run() {
    let house = house_with("max: 5m");
    for (line, reason) in [
        ("truncate --size=0 missing", "grep abc -- missing: exit status 2"),
        ("nproc", "postern-is-not-installed: not installed on this host"),
        ("nproc --all", "seq 1000: more than 1024 bytes of output"),
    ] {
        let (output, told) = run(&house, line);
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(125), &b""[..]), "{line}: {told}");
        assert!(told.contains(&format!("posternsh: how things are before is not known: {reason}")), "{line}: {told}");
        let denied = house.events("command.deny");
        assert!(denied.last().unwrap()["reason"].as_str().unwrap().ends_with(reason), "{denied:?}");
    }
    assert!(house.events("command.start").is_empty());
}

#[test]
fn a_witness_that_fails_after_is_said_and_on_record() {
    let house = house_with("max: 5m");
    let (output, told) = run(&house, "truncate --size=0 f");
    assert_eq!((output.status.code(), size(&house, "f")), (Some(0), Some(0)));
    let reason = "grep abc -- f: exit status 1";
    assert!(told.contains(&format!("how things are now is not on record: {reason}")), "{told}");
    assert_eq!(house.events("command.end")[0]["stages"][0]["after"], format!("error: {reason}"));
    assert_eq!(house.events("command.start")[0]["stages"][0]["before"], "abc");
}

#[test]
fn a_witness_has_nothing_to_read_and_is_not_waited_for_for_ever() {
    let house = house_with("max: 5m");
    let mut terminal = session(&house);
    terminal.run("uname", "Linux\n");
    assert_eq!(house.events("command.start")[1]["stages"][0]["before"], "", "cat found the end of its input");
    let start = Instant::now();
    terminal.line("arch");
    terminal.expect("sleep 600: not done within 10s");
    assert!((Duration::from_secs(9)..Duration::from_secs(15)).contains(&start.elapsed()), "{:?}", start.elapsed());
    terminal.expect(" [125]> ");
}

#[test]
fn explain_says_what_is_asked_and_what_is_recorded() {
    let house = house_with("max: 5m");
    let (output, _) = run(&house, "true");
    assert_eq!(output.status.code(), Some(0));
    let (asks, records) = ("  asks     the person repeats: 5 /x\n", "  records  stat -c '%s' -- /x before and after\n");
    let shell = house.run("explain truncate -s 5 /x");
    let policy = house.policy();
    let mut tool = std::process::Command::new(env!("CARGO_BIN_EXE_postern"));
    let tool = tool.args(["explain", "--policy"]).arg(&policy).arg("truncate -s 5 /x").output().unwrap();
    for output in [shell, tool] {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains(asks) && text.contains(records), "{text}");
    }
}
