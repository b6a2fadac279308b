//! The line editor in a process that is sealed as the front: everything that a person does at a prompt works.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "support/pty.rs"]
#[allow(dead_code)]
mod pty;

use std::cell::RefCell;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{ForkResult, Pid, fork};
use postern::shell::arguments::Origin;
use postern::shell::channel::{Channel, Incoming};
use postern::shell::clock::Clock;
use postern::shell::complete::Desktop;
use postern::shell::desk::{Desk, Way};
use postern::shell::editor::{LineEditor, columns};
use postern::shell::input::Input;
use postern::shell::opening::{self, Opening};
use postern::sys::sealed::{Role, seal};
use postern::sys::start::Inherited;
use postern::sys::{process, prompt};
use pty::{HAND, Terminal};

const UP: &str = "\x1b[A";
const LEFT: &str = "\x1b[D";

/// Started on a terminal by the test; the front is its child, with one thread and as the foreground of that terminal.
#[test]
#[ignore = "a part of the other tests"]
fn front() {
    if std::env::var_os("POSTERN_TEST_FRONT").is_none() {
        return;
    }
    // SAFETY: the child uses nothing that another thread of this test may hold locked but the heap, and ends by itself.
    let (guard, front) = Channel::pair().unwrap();
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            drop(guard);
            edit(Desk::Across(front))
        }
        ForkResult::Parent { child } => {
            drop(front);
            serve(guard);
            nix::sys::wait::waitpid(child, None).unwrap();
        }
    }
}

/// The guard, on the built-in policy.
fn serve(mut channel: Channel) {
    let mut opening = Some(Box::new(Opening::prepare(&Origin::Demo, Inherited::default(), None).unwrap()));
    let mut guard = None;
    while let Ok(Incoming::Call(call)) = channel.receive(None) {
        channel.reply(&opening::answer(&mut opening, &mut guard, *call).unwrap()).unwrap();
    }
}

/// Reads lines and says what they were, until one of them or a signal ends it.
fn edit(desk: Desk) -> ! {
    process::protect_memory().unwrap();
    prompt::watch(true).unwrap();
    let desk = Rc::new(RefCell::new(desk));
    desk.borrow_mut().start(Way::Login, false, None).unwrap();
    let view = Desktop { desk, home: "/".to_owned(), directory: PathBuf::from("/") };
    let opened = |path: &str| File::open(path).map_or_else(|error| error.raw_os_error().unwrap(), |_| 0);
    let stdout = std::io::stdout();
    let say = |text: String| writeln!(stdout.lock(), "{text}").unwrap();
    say(format!("before {}", opened("/etc/passwd")));
    seal(None, Role::Front).unwrap();
    say(format!("behind {}", opened("/etc/passwd")));
    let (mut editor, mut clock) = (LineEditor::open(view.clone()).unwrap(), Clock::start(Instant::now()));
    say(format!("front {}", std::process::id()));
    loop {
        match editor.read("> ", view.clone(), &mut clock) {
            Input::Line(line) if line == b"columns" => say(format!("has {}", columns())),
            Input::Line(line) => {
                let line = String::from_utf8(line).unwrap();
                editor.remember(&line);
                say(format!("got {line:?}"));
            }
            Input::Interrupted => say("interrupted".to_owned()),
            other => {
                say(format!("other {other:?}"));
                std::process::exit(0);
            }
        }
    }
}

/// A terminal with a front on it, and the front's number.
fn started() -> (Terminal, Pid) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "front", "--ignored", "--nocapture", "--quiet", "--test-threads=1"]).env("POSTERN_TEST_FRONT", "1");
    let mut terminal = Terminal::start(command);
    terminal.expect("before 0\n");
    terminal.expect("behind 1\n");
    terminal.expect("front ");
    let front = terminal.expect("\n").parse().unwrap();
    terminal.expect("> ");
    (terminal, Pid::from_raw(front))
}

#[test]
fn keys_do_what_they_do() {
    let (mut terminal, _) = started();
    terminal.run("echo a", "got \"echo a\"\n");
    // Tab, from the policy that the guard has.
    terminal.send("upti\t");
    terminal.expect("uptime");
    terminal.run("", "got \"uptime \"\n");
    // In the middle of a line, and what was typed before.
    terminal.send(format!("echo c{LEFT}b"));
    terminal.run("", "got \"echo bc\"\n");
    terminal.send(format!("{UP}d"));
    terminal.run("", "got \"echo bcd\"\n");
    // What is half typed goes with Ctrl-C.
    terminal.send("half\x03");
    terminal.expect("interrupted\n");
    terminal.expect("> ");
    terminal.send("\x04");
    terminal.expect("other End\n");
}

#[test]
fn a_paste_is_inserted_and_not_run() {
    let (mut terminal, _) = started();
    terminal.send("\x1b[200~echo one two\x1b[201~");
    std::thread::sleep(HAND);
    terminal.run("", "got \"echo one two\"\n");
}

#[test]
fn a_window_may_change_while_a_line_is_edited() {
    let (mut terminal, _) = started();
    terminal.run("columns", "has 80\n");
    terminal.send("col");
    terminal.expect("col");
    terminal.resize(24, 100);
    terminal.run("umns", "has 100\n");
}

#[test]
fn signals_end_the_wait() {
    for (signal, expected) in [(Signal::SIGTERM, "other Ended(Terminated)\n"), (Signal::SIGHUP, "other Ended(Hangup)\n")] {
        let (mut terminal, front) = started();
        terminal.send("half");
        terminal.expect("half");
        kill(front, signal).unwrap();
        terminal.expect(expected);
    }
}
