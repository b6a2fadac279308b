//! On a terminal: who gets its keys, and in which state it is given back.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::stat::Mode;
use nix::sys::termios::{LocalFlags, Termios, tcgetattr};

use crate::harness::{Line, Report, Shell, await_text, command, line, perl};

/// A shell that leads a session on a pty, and the person's end of it.
struct OnTerminal {
    shell: Shell,
    child: Child,
    person: File,
    terminal: OwnedFd,
}

impl OnTerminal {
    fn start(line: Line) -> OnTerminal {
        // Closed on exec, or the shells of other tests would keep this terminal open.
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let person = posix_openpt(flags).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let terminal = nix::fcntl::open(ptsname_r(&person).unwrap().as_str(), flags, Mode::empty()).unwrap();
        let mut shell = Shell::through(line, &["setsid", "--ctty", "--wait"]);
        let end = || terminal.try_clone().unwrap();
        let child = shell.command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        shell.command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        OnTerminal { shell, child, person: File::from(OwnedFd::from(person)), terminal }
    }

    /// Waits for `text`, then presses keys.
    fn on(mut self, text: &str, keys: &[u8]) -> OnTerminal {
        await_text(&mut self.person, text);
        self.person.write_all(keys).unwrap();
        self
    }

    fn settings(&self) -> Termios {
        tcgetattr(self.terminal.as_fd()).unwrap()
    }

    fn end(mut self) -> Report {
        // Somebody must read, or the shell could not print.
        let mut reader = self.person.try_clone().unwrap();
        let _ = std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
        self.child.wait().unwrap();
        self.shell.report()
    }
}

const READY: &str = "$| = 1; print 'ready'; ";

#[test]
fn keys_that_signal_reach_the_command_and_not_the_shell() {
    for (key, status, stage, rest) in [(b"\x03", 130, "signal 2", "not run"), (b"\x1c", 0, "signal 3", "exit 0")] {
        let sleeper = line(&[command(&["cat"]), perl(&format!("{READY} sleep 1000"))]);
        let report = OnTerminal::start(sleeper.then(";", &[command(&["true"])])).on("ready", key).end();
        assert_eq!((report.status, report.stages), (status, vec![vec![stage.to_owned(); 2], vec![rest.to_owned()]]));
    }
    let handled = line(&[perl(&format!("$SIG{{INT}} = sub {{ exit 6 }}; {READY} sleep 1000"))]);
    assert_eq!(OnTerminal::start(handled).on("ready", b"\x03").end().status, 6);
}

#[test]
fn a_command_reads_from_the_terminal_and_its_output_is_not_counted() {
    let report = OnTerminal::start(line(&[perl(&format!("{READY} exit <STDIN>"))])).on("ready", b"42\n").end();
    assert_eq!((report.status, report.bytes), (42, [None, None]));
    let next = line(&[command(&["true"])]).then("&&", &[perl(&format!("{READY} exit <STDIN>"))]);
    assert_eq!(OnTerminal::start(next).on("ready", b"43\n").end().status, 43, "the second pipeline has the terminal too");
}

#[test]
fn there_is_no_job_control() {
    let shell = OnTerminal::start(line(&[perl("print STDERR 'ready'; exit <STDIN>"), perl("exit <STDIN>")]));
    let report = shell.on("ready", b"\x1a").on("no job control: continued", b"7\n").end();
    assert_eq!(report.stages, [["exit 7", "exit 0"]]);
}

#[test]
fn the_terminal_is_given_back_as_it_was() {
    let raw = "system 'stty raw -echo'; kill KILL, $$";
    let shell = OnTerminal::start(
        line(&[perl(&format!("{READY} <STDIN>; {raw}")).free(true)]).then(";", &[perl("$| = 1; print 'second'; <STDIN>")]),
    );
    let before = shell.settings();
    assert!(before.local_flags.contains(LocalFlags::ECHO | LocalFlags::ISIG));
    let terminal = shell.terminal.try_clone().unwrap();
    let report = shell.on("ready", b"\n").on("second", b"\n").end();
    assert_eq!((report.stages, tcgetattr(&terminal).unwrap()), (vec![vec!["signal 9".to_owned()], vec!["exit 0".to_owned()]], before));
}

#[test]
fn a_terminal_that_is_hung_up_ends_the_command() {
    let marker = format!("marker-terminal-{}", std::process::id());
    let deaf = line(&[perl(&format!("$SIG{{HUP}} = 'IGNORE'; {READY} sleep 1000 while 1 # {marker}"))]);
    let shell = OnTerminal::start(deaf).on("ready", b"");
    let OnTerminal { shell, mut child, person, terminal } = shell;
    drop((person, terminal));
    child.wait().unwrap();
    let report = shell.report();
    assert_eq!((report.status, report.ended.as_deref()), (129, Some("Hangup")));
    assert_eq!(crate::harness::living(&marker), Vec::<String>::new());
}

#[test]
fn what_reads_the_terminal_from_a_group_of_its_own_reads_nothing() {
    let astray = perl("use POSIX; setpgid(0, 0); open T, '/dev/tty'; my $line = <T>");
    let report = OnTerminal::start(line(&[command(&["true"]), astray])).end();
    // Nobody in its session could bring it back, so it is not stopped for that: the read fails (tty_ioctl(4), setpgid(2)).
    assert_eq!(report.stages, [["exit 0", "exit 0"]]);
}
