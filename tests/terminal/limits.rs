//! How much commands may print.

use super::support::*;

const RULES: &str = "  - { run: 'yes', output: 10KiB }\n  - { run: 'flood', path: /usr/bin/yes }\n";

#[test]
fn a_rules_limit_ends_the_command_on_a_terminal() {
    let house = house("idle: 1h", "", RULES);
    let mut terminal = session(&house);
    for line in ["yes", "yes | cat"] {
        terminal.line(line);
        terminal.expect("posternsh: ended at 10240 bytes of output, its limit");
        terminal.expect(" [124]> ");
        let end = house.events("command.end").pop().unwrap();
        assert_eq!(end["reason"], "output");
    }
    terminal.run("echo goes on", "\ngoes on\n");
}

#[test]
fn a_command_that_a_limit_ends_leaves_a_clean_screen() {
    let house = house("idle: 1h", "", "  - { run: 'paint **', path: /usr/bin/perl, confine: open, output: 10KiB }\n");
    let mut terminal = session(&house);
    terminal.line("paint -e 'print qq(\\e[?1049h\\e[?25l\\e[31m); print q(x) x 100000'");
    terminal.expect(" [124]> ");
    let shown = String::from_utf8_lossy(terminal.raw()).into_owned();
    let (_, behind) = shown.rsplit_once("xx").unwrap();
    let (reset, _) = behind.split_once("posternsh: ended at").unwrap();
    for sequence in ["\x1b[?1049l", "\x1b[?25h", "\x1b[0m"] {
        assert!(reset.contains(sequence), "{sequence:?} in {behind:?}");
    }
}

#[test]
fn a_rules_limit_ends_the_command_without_one() {
    let house = house("idle: 1h", "", RULES);
    let output = house.run("yes");
    assert_eq!(output.status.code(), Some(124));
    assert_eq!(output.stdout.len(), 10240);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("ended at 10240 bytes of output, its limit"), "{said}");
    let end = &house.events("command.end")[0];
    assert_eq!((&end["reason"], &end["bytes_out"]), (&"output".into(), &10240.into()));
}

#[test]
fn a_sessions_limit_ends_command_and_session_on_a_terminal() {
    let house = house("output: 20KiB", "", RULES);
    let mut terminal = session(&house);
    terminal.run("freely -e 'print q(x) x 5000'", "x\n");
    terminal.line("flood");
    terminal.expect("posternsh: session ended: its commands may print 20480 bytes");
    assert_eq!(terminal.end().0, 124);
    assert_eq!(house.events("command.end")[1]["reason"], "output");
    assert_eq!(house.events("session.end")[0]["reason"], "output");
    assert!(terminal.initial == terminal.modes());
}

#[test]
fn a_sessions_limit_ends_command_and_session_without_one() {
    let house = house("output: 20KiB", "", RULES);
    let output = house.run("flood");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(124), "{said}");
    assert_eq!(output.stdout.len(), 20480);
    assert!(said.contains("session ended: its commands may print 20480 bytes"), "{said}");
    assert_eq!(house.events("command.end")[0]["reason"], "output");
    assert_eq!(house.events("session.end")[0]["reason"], "output");
}

#[test]
fn a_flood_is_ended_by_ctrl_c_at_once() {
    let house = house("idle: 1h", "", RULES);
    let mut terminal = session(&house);
    terminal.line("flood");
    terminal.expect("\ny\ny\ny\n");
    let start = std::time::Instant::now();
    terminal.send("\x03");
    terminal.expect(" [130]> ");
    assert!(start.elapsed().as_secs() < 2, "{:?}", start.elapsed());
    terminal.run("echo goes on", "\ngoes on\n");
}
