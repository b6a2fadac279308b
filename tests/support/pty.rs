//! A terminal with a program on it, driven as a person would: type, and wait for what must appear.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Child, Command};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{Termios, tcgetattr};
use nix::unistd::Pid;

/// How long anything may take before a test gives up: far more than it does.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a hand takes from a paste to the next key.
pub const HAND: Duration = Duration::from_millis(300);

/// A pseudo-terminal, its program, and all that the program wrote.
pub struct Terminal {
    master: Option<File>,
    slave: OwnedFd,
    /// The modes before the program had the terminal.
    pub initial: Termios,
    child: Child,
    written: Vec<u8>,
    /// How much of [`Terminal::text`] was waited for already.
    seen: usize,
}

impl Terminal {
    /// Starts a program as the leader of its own session on a new terminal of 24 rows and 80 columns.
    pub fn start(command: Command) -> Terminal {
        Terminal::sized(command, 24, 80)
    }

    pub fn sized(command: Command, rows: u16, columns: u16) -> Terminal {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // Another test's program must not inherit this terminal: it would never hang up.
        static ONE_BY_ONE: Mutex<()> = Mutex::new(());
        let one_by_one = ONE_BY_ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let pty = openpty(&size, None).unwrap();
        for end in [&pty.master, &pty.slave] {
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
        }
        // setsid(1) makes the terminal on its standard input the controlling one, and then becomes the program.
        let mut leader = Command::new("setsid");
        leader.arg("--ctty").arg(command.get_program()).args(command.get_args()).env("TERM", "xterm-256color");
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => leader.env(name, value),
                None => leader.env_remove(name),
            };
        }
        let initial = tcgetattr(&pty.slave).unwrap();
        let stream = || pty.slave.try_clone().unwrap();
        let child = leader.stdin(stream()).stdout(stream()).stderr(stream()).spawn().unwrap();
        drop(one_by_one);
        Terminal { master: Some(pty.master.into()), slave: pty.slave, initial, child, written: Vec::new(), seen: 0 }
    }

    /// Types.
    pub fn send(&mut self, keys: impl AsRef<[u8]>) {
        self.master.as_mut().unwrap().write_all(keys.as_ref()).unwrap();
    }

    /// Makes its window another one, which its program is told of.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: TIOCSWINSZ reads one winsize, which lives.
        let result = unsafe { libc::ioctl(self.slave.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        assert_eq!(result, 0);
    }

    /// Types a line and Enter.
    pub fn line(&mut self, line: &str) {
        self.send(format!("{line}\r"));
    }

    /// Types a line, waits for what it must show, and for the next prompt.
    pub fn run(&mut self, line: &str, shows: &str) {
        self.line(line);
        self.expect(shows);
        self.expect("> ");
    }

    /// Waits until `text` appears behind what was waited for before; returns what stood before it.
    pub fn expect(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let all = self.text();
            if let Some(found) = all[self.seen..].find(text) {
                let before = all[self.seen..self.seen + found].to_owned();
                self.seen += found + text.len();
                return before;
            }
            assert!(self.more(deadline), "waited for {text:?}; the terminal shows:\n{all}");
        }
    }

    /// Waits until a program of this name, started by the one on the terminal, is in the foreground of a terminal, which may be another.
    pub fn expect_program(&mut self, name: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !has_foreground(self.child.id() as i32, name) {
            assert!(Instant::now() < deadline, "{name} never had the terminal, which shows:\n{}", self.text());
            sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the end of the program; returns its exit status, and what it wrote since the last wait.
    pub fn end(&mut self) -> (i32, String) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "the program does not end; the terminal shows:\n{}", self.text());
            self.more(Instant::now() + Duration::from_millis(20));
        };
        while self.more(Instant::now()) {}
        let rest = self.text().get(self.seen..).unwrap_or("").to_owned();
        (status.code().unwrap_or(-1), rest)
    }

    /// Reads what is written until nothing comes for that long.
    pub fn read_until_silent(&mut self, silence: Duration) {
        while self.more(Instant::now() + silence) {}
    }

    /// Reads so many bytes of what is written, and a little more.
    pub fn read(&mut self, count: usize) {
        let (wanted, deadline) = (self.written.len() + count, Instant::now() + PATIENCE);
        while self.written.len() < wanted {
            assert!(self.more(deadline), "waited for {wanted} bytes, got {}", self.written.len());
        }
    }

    /// The program on it.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// The client goes away.
    pub fn hang_up(&mut self) {
        self.master = None;
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// The program's end of it.
    pub fn slave(&self) -> &OwnedFd {
        &self.slave
    }

    /// The modes that the terminal is in.
    pub fn modes(&self) -> Termios {
        tcgetattr(&self.slave).unwrap()
    }

    /// All that was written, as a person sees it go by: no carriage returns, no control sequences.
    pub fn text(&self) -> String {
        plain(&String::from_utf8_lossy(&self.written))
    }

    /// All that was written, as it was.
    pub fn raw(&self) -> &[u8] {
        &self.written
    }

    /// Reads what the program writes until `deadline`; whether there was anything.
    fn more(&mut self, deadline: Instant) -> bool {
        let Some(master) = &mut self.master else { return false };
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let ready = poll(&mut [PollFd::new(master.as_fd(), PollFlags::POLLIN)], timeout).unwrap_or(0);
        let mut buffer = [0; 4096];
        match if ready > 0 { master.read(&mut buffer) } else { Ok(0) } {
            Ok(length) if length > 0 => {
                self.written.extend_from_slice(&buffer[..length]);
                true
            }
            _ => false,
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.master = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a process below this one has this name and leads the foreground of its terminal.
fn has_foreground(pid: i32, name: &str) -> bool {
    let read = |path: String| std::fs::read_to_string(path).unwrap_or_default();
    let children = read(format!("/proc/{pid}/task/{pid}/children"));
    children.split_whitespace().filter_map(|child| child.parse().ok()).any(|child: i32| {
        // Group, session, terminal, foreground group: fields 5 to 8 of proc_pid_stat(5).
        let stat = read(format!("/proc/{child}/stat"));
        let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let leads = fields.get(2).is_some_and(|group| Some(group) == fields.get(5));
        leads && read(format!("/proc/{child}/comm")).trim_end() == name || has_foreground(child, name)
    })
}

/// Text without carriage returns and CSI sequences.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(escape) = rest.find('\x1b') {
        plain.push_str(&rest[..escape]);
        let sequence = &rest[escape + 1..];
        let end = sequence.strip_prefix('[').map_or(0, |csi| csi.find(|c| ('@'..='~').contains(&c)).map_or(csi.len(), |end| end + 1) + 1);
        rest = &sequence[end..];
    }
    plain.push_str(rest);
    plain.replace('\r', "")
}
