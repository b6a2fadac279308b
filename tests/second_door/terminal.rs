//! The terminal that a command shares with its shell.

use std::fs::File;
use std::io::Write as _;

use crate::door::{ACCOUNT_ONLY, Door, EVERYBODY, User};
use crate::host::{ATTACK, ready};
use crate::prove::answers_of;
use crate::pty::Terminal;

/// Of these a control must work on a terminal like this.
const HOSTILE: [&str; 5] = ["type x", "type-wide x", "type-own x", "ioctl 5423", "ioctl 540c"];
/// These are of consoles, of serial lines, or of root's: whatever they would say, the filter says EPERM.
const ELSEWHERE: [&str; 9] =
    ["ioctl 541c", "ioctl 10000541c", "ioctl 541d", "ioctl 5437", "ioctl 541f", "ioctl 4b47", "ioctl 4b49", "ioctl 8902", "steal-terminal"];

fn on_terminal(mut terminal: Terminal) -> Vec<String> {
    let (status, _) = terminal.end();
    let text = terminal.text();
    assert_eq!(status, 0, "{text}");
    answers_of(&text).into_iter().map(|(answer, _)| answer).collect()
}

fn through(user: User, confine: &str, attacks: &[&str]) -> Vec<String> {
    let door = Door::new(user, confine);
    on_terminal(Terminal::start(door.shell(&["-c", &format!("attack {}", attacks.join(" , "))])))
}

#[test]
fn nothing_is_typed_for_the_person() {
    if !ready() {
        return;
    }
    for user in EVERYBODY {
        let free = through(user, "open", &HOSTILE);
        // dev.tty.legacy_tiocsti may be off; the others work anywhere.
        let shown =
            free.iter().zip(&HOSTILE).filter(|(answer, attack)| *answer == "yes" || (attack.starts_with("type") && *answer == "no EIO"));
        assert_eq!(shown.count(), HOSTILE.len(), "the control, {user:?}: {HOSTILE:?} {free:?}");
        let held = through(user, "inspect", &HOSTILE);
        assert!(held.iter().all(|answer| answer != "yes"), "{user:?}: {HOSTILE:?} {held:?}");
        let held = through(user, "inspect", &ELSEWHERE);
        assert!(held.iter().all(|answer| answer == "no EPERM"), "{user:?}: {ELSEWHERE:?} {held:?}");
    }
    let mut root = User::Root.command(ATTACK);
    root.arg("steal-terminal");
    assert_eq!(on_terminal(Terminal::start(root)), ["yes"], "the control of stealing a terminal");
}

#[test]
fn a_line_that_is_typed_into_the_next_prompt_does_not_run() {
    if !ready() {
        return;
    }
    // The letters that echo would print are not in what is typed, nor in what the terminal echoes.
    let injection = |attack: &str| format!("{attack} type 'echo in\"ject\"ed^'");
    if !std::fs::read_to_string("/proc/sys/dev/tty/legacy_tiocsti").is_ok_and(|setting| setting.trim() == "0") {
        let mut bash = std::process::Command::new("bash");
        bash.args(["--norc", "--noprofile"]);
        let mut terminal = Terminal::start(bash);
        terminal.line(&injection(ATTACK));
        terminal.expect("\ninjected");
        terminal.line("exit");
        terminal.end();
    }
    // Under `open` nothing keeps it from typing, but what it types on is its own.
    for confine in ["open", "inspect"] {
        let door = Door::with(User::Account, confine, "  - echo <words:word>\n");
        let mut terminal = Terminal::start(door.shell(&[]));
        terminal.expect("> ");
        terminal.line(&injection("attack"));
        terminal.expect("= ");
        terminal.expect("> ");
        terminal.line("echo the-end");
        terminal.expect("\nthe-end");
        terminal.expect("> ");
        assert!(!terminal.text().contains("\ninjected"), "under {confine}:\n{}", terminal.text());
        terminal.line("exit");
        terminal.end();
    }
}

#[test]
fn a_terminal_is_what_it_was() {
    if !ready() {
        return;
    }
    // TIOCGWINSZ, TCGETS, and writing to it.
    for user in ACCOUNT_ONLY {
        assert_eq!(through(user, "inspect", &["ioctl 5413", "ioctl 5401", "write-to /dev/tty hello"]), ["yes", "yes", "yes"]);
    }
}

#[test]
fn another_terminal_of_the_same_user_is_out_of_reach() {
    if !ready() {
        return;
    }
    for user in EVERYBODY {
        let other = nix::pty::openpty(None, None).unwrap();
        let path = nix::unistd::ttyname(&other.slave).unwrap();
        std::os::unix::fs::chown(&path, Some(user.uid()), None).unwrap();
        let mut master = File::from(other.master);
        let mut attempt = |confine: &str| {
            // Somebody types a password there.
            master.write_all(b"typed-elsewhere\n").unwrap();
            let path = path.display();
            let attacks = [format!("read {path}"), format!("write-to {path} forged-output"), format!("open {path}")];
            let door = Door::new(user, confine);
            let mut terminal = Terminal::start(door.shell(&["-c", &format!("attack {}", attacks.join(" , "))]));
            terminal.end();
            let text = terminal.text();
            let answers: Vec<String> = answers_of(&text).into_iter().map(|(answer, _)| answer).collect();
            (answers, text.contains("typed-elsewhere"))
        };
        let yes = vec!["yes".to_owned(); 3];
        assert_eq!(attempt("open"), (yes, true), "the control, {user:?}");
        assert_eq!(attempt("inspect"), (vec!["no EACCES".to_owned(); 3], false), "{user:?}");
    }
}
