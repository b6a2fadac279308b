//! Sessions of a person: the built shell on a real terminal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "support/house.rs"]
#[allow(dead_code)]
mod house;
#[path = "support/pty.rs"]
#[allow(dead_code)]
mod pty;

use std::thread::sleep;

use house::House;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::Signal;
use pty::{HAND, Terminal};

const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
/// Drops what is typed of a line.
const CTRL_U: &str = "\x15";
const CTRL_V: &str = "\x16";
const CTRL_Z: &str = "\x1a";
const CTRL_BACKSLASH: &str = "\x1c";
const PASTE: &str = "\x1b[200~";
const PASTE_END: &str = "\x1b[201~";

/// A session at its first prompt.
fn session(house: &House) -> Terminal {
    let mut terminal = Terminal::start(house.shell(&[]));
    terminal.expect("`help` shows what you may run.");
    terminal.expect("> ");
    terminal
}

#[test]
fn a_session_greets_runs_lines_and_ends_with_ctrl_d() {
    let house = House::new();
    let mut terminal = Terminal::start(house.shell(&[]));
    terminal.expect("postern on ");
    terminal.expect("This session is recorded. `help` shows what you may run.");
    terminal.expect("> ");
    terminal.line("echo it works");
    terminal.expect("\nit works\n");
    terminal.expect("> ");
    terminal.send(CTRL_D);
    assert_eq!(terminal.end().0, 0);
    assert_eq!(house.events("session.end")[0]["reason"], "exit");
    assert_eq!(house.events("command.start")[0]["line"], "echo it works");
}

#[test]
fn a_refusal_shows_the_word_that_broke_the_form_and_its_status() {
    let house = House::new();
    let mut terminal = session(&house);
    terminal.line("systemctl restart postgresql");
    let lead = "posternsh: not allowed: ";
    terminal.expect(lead);
    terminal.expect("systemctl restart postgresql\n");
    let carets = terminal.expect("(policy.yaml:");
    assert_eq!(carets.find('^'), Some(lead.len() + "systemctl ".len()), "{carets:?}");
    assert!(carets.contains("^^^^^^^ "), "{carets:?}");
    terminal.expect(" [126]> ");
    terminal.line("sistemctl status x");
    terminal.expect("no rule allows `sistemctl`; did you mean `systemctl`?");
    terminal.expect(" [126]> ");
    assert_eq!(house.events("command.deny").len(), 2);
}

#[test]
fn a_line_that_is_not_part_of_this_shell_shows_where() {
    let house = House::new();
    let mut terminal = session(&house);
    terminal.line("echo $(id)");
    terminal.expect("posternsh: ");
    terminal.expect("\n           echo $(id)\n                ^^");
    terminal.expect(" [2]> ");
    assert_eq!(house.events("command.deny")[0]["decision"], "invalid");
}

#[test]
fn signals_of_the_keyboard_reach_the_command_and_not_the_shell() {
    let house = House::new();
    let mut terminal = session(&house);
    for (keys, status) in [(CTRL_C, " [130]> "), (CTRL_BACKSLASH, " [131]> ")] {
        terminal.line("sleep 1000");
        terminal.expect_program("sleep");
        terminal.send(keys);
        terminal.expect(status);
    }
    terminal.line("echo still here");
    terminal.expect("\nstill here\n");
}

#[test]
fn ctrl_z_stops_nothing() {
    let house = House::new();
    let mut terminal = session(&house);
    terminal.line("sleep 1000");
    terminal.expect_program("sleep");
    terminal.send(CTRL_Z);
    terminal.send(CTRL_C);
    terminal.expect(" [130]> ");
    // At the prompt it is no key.
    terminal.send(format!("echo a{CTRL_Z}b\r"));
    terminal.expect("echo a^Zb\n");
    terminal.expect(" [2]> ");
}

#[test]
fn ctrl_c_at_the_prompt_drops_the_line() {
    let house = House::new();
    let mut terminal = session(&house);
    terminal.send("echo half");
    terminal.expect("half");
    terminal.send(CTRL_C);
    terminal.expect(" [130]> ");
    terminal.line("echo whole");
    terminal.expect("\nwhole\n");
    assert_eq!(house.events("command.start").len(), 1);
}

#[test]
fn a_pasted_newline_runs_nothing_and_is_refused() {
    let house = House::new();
    let mut terminal = session(&house);
    terminal.send(format!("{PASTE}echo one\necho two\n{PASTE_END}"));
    terminal.expect("echo two");
    sleep(HAND);
    terminal.send("\r");
    terminal.expect(" [2]> ");
    assert!(house.events("command.start").is_empty());
    assert_eq!(house.events("command.deny")[0]["decision"], "invalid");
}

#[test]
fn a_paste_with_a_forged_end_runs_nothing() {
    let house = House::new();
    let mut terminal = session(&house);
    terminal.send(format!("{PASTE}echo one{PASTE_END}\recho two\r{PASTE_END}"));
    terminal.expect("echo two");
    sleep(HAND);
    // By hand, the same key shows what stands there: several lines.
    terminal.send("\r");
    terminal.expect(" [2]> ");
    assert!(house.events("command.start").is_empty());
}

#[test]
fn quoted_insert_puts_no_raw_character_into_a_line() {
    let house = House::new();
    let mut terminal = session(&house);
    terminal.send(format!("echo a{CTRL_V}b\r"));
    terminal.expect("echo a^Vb\n");
    terminal.expect(" [2]> ");
}

#[test]
fn what_is_no_text_is_refused_and_the_session_goes_on() {
    let house = House::new();
    let mut terminal = session(&house);
    terminal.send(b"echo \xff\xfe\r");
    terminal.expect("the line is not valid UTF-8");
    terminal.expect("echo <ff><fe>\n");
    terminal.expect(" [2]> ");
    terminal.line("echo goes on");
    terminal.expect("\ngoes on\n");
}

#[test]
fn characters_that_move_the_cursor_are_never_echoed() {
    let house = House::new();
    let mut terminal = session(&house);
    terminal.send("echo \u{202e}evil\u{9b}2J");
    terminal.expect("evil\u{fffd}\u{fffd}2J");
    terminal.send("\r");
    terminal.expect("<U+202E>");
    terminal.expect(" [2]> ");
    let raw = String::from_utf8_lossy(terminal.raw()).into_owned();
    assert!(!raw.contains(['\u{202e}', '\u{9b}']), "{raw:?}");
}

#[test]
fn idle_ends_a_session_with_a_line_half_typed() {
    let house = House::with("idle: 2s");
    let mut terminal = session(&house);
    terminal.send("echo half");
    terminal.expect("session ended: no key for 2s");
    assert_eq!(terminal.end().0, 124);
    assert_eq!(house.events("session.end")[0]["reason"], "idle");
    assert!(house.events("command.start").is_empty());
}

#[test]
fn the_maximum_ends_a_session_whatever_is_typed() {
    let house = House::with("idle: 1h, max: 2s");
    let mut terminal = session(&house);
    terminal.send("echo half");
    terminal.expect("session ended: it may last 2s");
    assert_eq!(terminal.end().0, 124);
    assert_eq!(house.events("session.end")[0]["reason"], "max");
}

#[test]
fn a_terminal_that_can_only_print_gets_the_same_session() {
    let house = House::with("idle: 2s");
    let mut command = house.shell(&[]);
    command.env("TERM", "dumb");
    let mut terminal = Terminal::start(command);
    terminal.expect("`help` shows what you may run.");
    terminal.expect("> ");
    terminal.run("echo plain", "\nplain\n");
    terminal.send("echo half");
    terminal.send(CTRL_C);
    terminal.expect(" [130]> ");
    terminal.send("echo half");
    terminal.expect("session ended: no key for 2s");
    assert_eq!(terminal.end().0, 124);
    assert!(!terminal.raw().contains(&0x1b), "no control sequence");
    assert_eq!(house.events("session.end")[0]["reason"], "idle");
}

#[test]
fn strikes_end_a_session() {
    let house = House::with("strikes: 2");
    let mut terminal = session(&house);
    terminal.line("id");
    terminal.expect(" [126]> ");
    terminal.line("id");
    terminal.expect("session ended: 2 refusals");
    assert_eq!(terminal.end().0, 126);
    assert_eq!(house.events("session.end")[0]["reason"], "strikes");
}

#[test]
fn a_client_that_goes_away_ends_the_session_on_record() {
    let house = House::new();
    let mut terminal = session(&house);
    terminal.send("echo half");
    terminal.expect("half");
    terminal.hang_up();
    terminal.end();
    assert_eq!(house.events("session.end")[0]["reason"], "hangup");
}

#[test]
fn sigterm_ends_the_session_on_record() {
    let house = House::new();
    let mut terminal = session(&house);
    terminal.send("echo half");
    terminal.expect("half");
    terminal.signal(Signal::SIGTERM);
    assert_eq!(terminal.end().0, 143);
    assert_eq!(house.events("session.end")[0]["reason"], "terminated");
}

#[test]
fn sigterm_while_a_command_runs_is_one_thing_in_status_and_records() {
    let house = House::new();
    let mut terminal = session(&house);
    terminal.line("sleep 1000");
    terminal.expect_program("sleep");
    terminal.signal(Signal::SIGTERM);
    assert_eq!(terminal.end().0, 143);
    assert_eq!(house.events("command.end")[0]["reason"], "terminated");
    assert_eq!(house.events("session.end")[0]["reason"], "terminated");
}

#[test]
fn the_smallest_window_is_no_obstacle() {
    let house = House::new();
    let mut terminal = Terminal::sized(house.shell(&[]), 1, 1);
    terminal.expect("`help` shows what you may run.");
    terminal.expect("> ");
    terminal.send(format!("s\t\t{CTRL_U}echo tiny\r"));
    terminal.expect("\ntiny\n");
    terminal.expect("> ");
    terminal.send(CTRL_D);
    assert_eq!(terminal.end().0, 0);
}

#[test]
fn help_shows_the_forms_in_force_with_their_notes() {
    let house = House::new();
    let mut terminal = session(&house);
    terminal.line("help");
    terminal.expect("  sleep <seconds:number>\n");
    terminal.expect("  systemctl (status|show|cat) <unit>\n      reads the state of a service\n");
    terminal.expect("Part of this shell:");
    terminal.expect("> ");
    terminal.run("help systemctl", "rule policy.yaml:");
    terminal.line("help systemctll");
    terminal.expect("did you mean `systemctl`?");
    terminal.expect(" [1]> ");
}

#[test]
fn explain_decides_without_running() {
    let house = House::new();
    let mut terminal = session(&house);
    terminal.run("explain echo harmless", "allowed: echo harmless\n");
    terminal.line("explain systemctl stop x | cat");
    terminal.expect("refused: systemctl stop x | cat\n");
    terminal.expect("^^^^ ");
    terminal.expect(" [126]> ");
    let starts = house.events("command.start");
    assert!(starts.iter().all(|record| record["stages"][0]["rule"] == "builtin"), "{starts:?}");
}

#[test]
fn cd_holds_for_the_lines_to_come() {
    let house = House::new();
    std::fs::create_dir(house.directory().join("inside")).unwrap();
    std::fs::write(house.directory().join("inside/found"), "").unwrap();
    let inside = house.directory().join("inside");
    let mut terminal = session(&house);
    terminal.run(&format!("cd {} && ls", inside.display()), "\nfound\n");
    terminal.run("pwd", &format!("\n{}\n", inside.display()));
    terminal.run("cd ..", "");
    terminal.run("pwd", &format!("\n{}\n", house.directory().display()));
    terminal.run("cd -", "");
    terminal.run("echo *", "\nfound\n");
    terminal.run("cd /nonexistent && echo not this", "posternsh: cd: /nonexistent: ");
    terminal.line("cd / | cat");
    terminal.expect("stands alone on its line");
}

#[test]
fn history_is_kept_in_the_session() {
    let house = House::new();
    let mut terminal = session(&house);
    terminal.run("echo first", "\nfirst\n");
    terminal.send("\x1b[A\r");
    terminal.expect("\nfirst\n");
    terminal.expect("> ");
    terminal.line("history");
    terminal.expect("    1  echo first\n");
}

#[test]
fn tab_completes_command_words_literals_and_files() {
    let house = House::new();
    std::fs::write(house.directory().join("a file"), "what is in it\n").unwrap();
    let mut terminal = session(&house);
    terminal.send("syst\t");
    terminal.expect("systemctl ");
    terminal.send("stat\t");
    terminal.expect("status ");
    terminal.send(CTRL_U);
    terminal.send("systemctl s\t");
    let list = terminal.expect("status");
    assert!(list.contains("show"), "{list:?}");
    terminal.send(CTRL_U);
    terminal.send(format!("cat {}/a\t\r", house.directory().display()));
    terminal.expect("\nwhat is in it\n");
}

#[test]
fn a_command_that_breaks_the_terminal_leaves_it_as_it_was() {
    let house = House::new();
    let mut terminal = Terminal::start(house.shell(&[]));
    terminal.expect("> ");
    terminal.line("stty raw");
    terminal.expect("> ");
    terminal.line("stty -a");
    let modes = terminal.expect("> ");
    let modes: Vec<&str> = modes.split_whitespace().collect();
    assert!(modes.contains(&"icanon") && modes.contains(&"opost"), "{modes:?}");
    terminal.send(CTRL_D);
    terminal.end();
    assert!(terminal.initial == terminal.modes(), "the modes of the terminal have changed");
}

#[test]
fn one_line_does_not_take_all_terminals_of_the_host() {
    let house = House::new();
    for (pipelines, shows) in [(64, "fine"), (65, "at most 64")] {
        let line = vec!["true"; pipelines - 1].join(";") + ";echo fine";
        let mut terminal = Terminal::start(house.shell(&["-c", &line]));
        terminal.expect(shows);
        terminal.end();
    }
}

#[test]
fn the_terminal_is_as_it_was_however_the_session_ends() {
    for (settings, keys) in [("idle: 1s", "echo half"), ("max: 1s", "x"), ("strikes: 1", "id\r"), ("idle: 1h", "exit 3\r")] {
        let house = House::with(settings);
        let mut terminal = Terminal::start(house.shell(&[]));
        terminal.expect("> ");
        terminal.send(keys);
        terminal.end();
        assert!(terminal.initial == terminal.modes(), "{settings}");
    }
}

/// A house in which perl may run: `inspect` and `freely` are their names.
fn house_of_perl() -> House {
    let house = House::new();
    let mut policy = std::fs::read_to_string(house.policy()).unwrap();
    policy.push_str("  - { run: 'perl **', confine: inspect }\n  - { run: 'freely **', path: /usr/bin/perl, confine: open }\n");
    std::fs::write(house.policy(), policy).unwrap();
    house
}

#[test]
fn a_command_cannot_hold_back_what_comes_after_it() {
    let house = house_of_perl();
    for program in ["perl", "freely"] {
        let mut terminal = session(&house);
        // TCXONC with TCOOFF.
        terminal.line(&format!("{program} -e 'ioctl(STDOUT, 0x540a, 0) or die'"));
        terminal.expect("> ");
        terminal.run("echo goes on", "\ngoes on\n");
    }
}

/// Does not wait any more on 0, 1 and 2.
const IMPATIENT: &str = "-e 'fcntl($_, 4, 02 | 04000 | 020000) or die for STDIN, STDOUT, STDERR'";

#[test]
fn a_command_cannot_make_the_shell_impatient() {
    let house = house_of_perl();
    for program in ["perl", "freely"] {
        for term in ["xterm-256color", "dumb"] {
            let mut command = house.shell(&[]);
            command.env("TERM", term);
            let mut terminal = Terminal::start(command);
            terminal.expect("> ");
            let shown = "-e 'printf qq(%o\\n), fcntl(STDIN, 3, 0) & 024000'";
            // In one line, too: the control, and the next command.
            terminal.line(&format!("{program} {IMPATIENT}; {program} {shown}"));
            terminal.expect("\n0\n");
            terminal.expect("> ");
            sleep(HAND);
            terminal.run("echo goes on", "\ngoes on\n");
            terminal.send(CTRL_D);
            assert_eq!(terminal.end().0, 0, "{program}, {term}");
        }
    }
}

#[test]
fn what_is_no_terminal_stays_as_it_was_too() {
    let house = house_of_perl();
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let flags = || fcntl(&theirs, FcntlArg::F_GETFL).unwrap();
    let before = flags();
    let mut control = std::process::Command::new("perl");
    control.args(["-e", "fcntl(STDIN, 4, 02 | 04000) or die"]).stdin(theirs.try_clone().map(std::os::fd::OwnedFd::from).unwrap());
    assert!(control.status().unwrap().success());
    assert_ne!(flags(), before, "the control");
    fcntl(&theirs, FcntlArg::F_SETFL(OFlag::from_bits_retain(before))).unwrap();
    let mut shell = house.shell(&["-c", &format!("perl {IMPATIENT}")]);
    assert!(shell.stdin(std::os::fd::OwnedFd::from(theirs.try_clone().unwrap())).status().unwrap().success());
    assert_eq!(flags(), before);
    drop(ours);
}

#[test]
fn a_command_cannot_stop_the_shell_by_signals_of_the_terminal() {
    let house = house_of_perl();
    // A shell that is started by another one; a login shell, which leads its session, nobody could continue, so these do not stop it.
    let (mut parent, shell) = (std::process::Command::new("bash"), house.shell(&[]));
    parent.args(["-c", "set -m; \"$@\"; :", "bash"]).arg(shell.get_program()).args(shell.get_args());
    let mut terminal = Terminal::start(parent);
    terminal.expect("> ");
    terminal.line("freely -e 'kill($_, getppid()) or die for qw(TTIN TTOU)'");
    terminal.expect("> ");
    terminal.run("echo goes on", "\ngoes on\n");
}

#[test]
fn what_is_said_where_there_is_no_session_is_shown_whole() {
    let house = House::new();
    std::fs::remove_dir_all(house.directory().join("records")).unwrap();
    for _ in 0..10 {
        let (status, shown) = Terminal::start(house.shell(&["-c", "echo a"])).end();
        assert!(
            status == 125 && shown.contains("without records there is no session") && !shown.contains("the front"),
            "{status}: {shown}"
        );
    }
}
