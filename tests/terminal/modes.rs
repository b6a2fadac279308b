//! What a command leaves of its terminal: nothing.

use std::process::Command;
use std::thread::sleep;

use nix::sys::signal::Signal;

use super::house::House;
use super::pty::{HAND, Terminal};
use super::support::*;
use super::tmux::Tmux;
use super::{COLUMNS, ROWS};

/// Leaves an alternate screen, no cursor, a region that scrolls, inserting, line drawing, application keys, no wrap, colours and raw modes; and
/// dies of a signal that nobody handles.
const BREAK: &str = r#"
    $| = 1; print "before\n\e[?1049h\e[?25l\e[2;5r\e[4h\e[?1h\e=\e[?7l\e(0\e[31;44;5mleft";
    system('stty raw -echo'); kill 9, $$; sleep 9;
"#;

/// What tmux says of the modes of a screen, and of one of its lines.
fn look(bytes: &[u8], line: &str) -> Option<(String, Vec<String>)> {
    let mut tmux = Tmux::start()?;
    tmux.show(bytes);
    let screen = tmux.screen();
    let (state, lines) = screen.split_once('\n').unwrap();
    let modes = state.split_once(' ').unwrap().1.to_owned();
    Some((modes, lines.lines().filter(|shown| shown.contains(line)).map(|shown| shown.trim_end().to_owned()).collect()))
}

#[test]
fn the_prompt_behind_a_command_that_broke_the_screen_is_clean() {
    let house = plain_house();
    let script = file(&house, "break.pl", BREAK);
    let mut untouched = sized_session(&house, ROWS, COLUMNS);
    untouched.run("echo clean", "\nclean\n");
    let mut broken = sized_session(&house, ROWS, COLUMNS);
    broken.line(&format!("freely {}", script.display()));
    broken.expect(" [137]> ");
    broken.run("echo clean", "\nclean\n");
    // The next command finds usual modes.
    broken.run("stty", "speed");
    assert!(!broken.text().contains("-echo"), "{}", broken.text());

    let Some((modes, _)) = look(untouched.raw(), "clean") else { return };
    let (after, lines) = look(broken.raw(), "clean").unwrap();
    assert_eq!(after, modes);
    assert!(lines.iter().any(|line| line == "clean"), "in no colour: {lines:?}");
    let mut perl = Command::new("perl");
    perl.arg(script);
    let mut control = Terminal::sized(perl, ROWS, COLUMNS);
    control.end();
    let (left, _) = look(control.raw(), "left").unwrap();
    assert!(left.contains("alternate 1 cursor 0 insert 1 wrap 0") && left.contains("region 1-4"), "the control: {left}");
    leave(&mut broken);
    assert!(broken.initial == broken.modes());
}

/// How a session is ended from outside, its exit status, and the reason on record.
type End = (&'static str, fn(&Terminal, &House), i32, &'static str);

#[test]
fn the_terminal_has_its_modes_back_however_a_session_with_a_raw_command_ends() {
    let ends: [End; 4] = [
        ("idle: 1h", |terminal, _| terminal.signal(Signal::SIGTERM), 143, "terminated"),
        ("idle: 1h", |terminal, _| terminal.signal(Signal::SIGHUP), 129, "hangup"),
        ("max: 3s", |_, _| (), 124, "max"),
        ("idle: 1h", |_, house| drop(said(house, "kill", &["last"])), 124, "killed"),
    ];
    for (settings, end, status, reason) in ends {
        let house = house(settings, "", "");
        let mut terminal = session(&house);
        terminal.line("freely -e 'system q(stty raw -echo); print qq(it is raw\\n); close STDOUT; sleep 1000'");
        terminal.expect("\nit is raw");
        assert!(terminal.initial != terminal.modes(), "the control: the shell has it as it wants it");
        end(&terminal, &house);
        assert_eq!(terminal.end().0, status, "{reason}");
        assert!(terminal.initial == terminal.modes(), "{reason}");
        assert_eq!(house.events("session.end")[0]["reason"], reason);
    }
}

#[test]
fn the_terminal_has_its_modes_back_when_nobody_types_behind_a_raw_command() {
    let house = house("idle: 2s", "", "");
    let mut terminal = session(&house);
    terminal.run("sh -c 'stty raw -echo; echo it is raw; kill -9 $$'", "it is raw");
    terminal.expect("session ended: no key for 2s");
    assert_eq!(terminal.end().0, 124);
    assert!(terminal.initial == terminal.modes());
}

#[test]
fn a_client_that_goes_away_during_a_raw_command_ends_all_on_record() {
    let house = plain_house();
    let mut terminal = session(&house);
    terminal.line("sh -c 'stty raw -echo; echo it is raw; exec sleep 1000'");
    terminal.expect("it is raw");
    sleep(HAND);
    terminal.hang_up();
    terminal.end();
    assert_eq!(house.events("command.end")[0]["reason"], "hangup");
    assert_eq!(house.events("session.end")[0]["reason"], "hangup");
}
