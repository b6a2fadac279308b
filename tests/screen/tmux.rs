//! A real terminal to look at: tmux, detached. Bytes are written to the terminal of its pane, where nothing else reads or writes.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};

use super::{COLUMNS, ROWS, skip};

/// Asks the terminal for its status, and its answer: it has read all that came before.
const ASK: &[u8] = b"\x1b[5n";
const ANSWER: &[u8] = b"\x1b[0n";

/// A server of its own with one pane.
pub struct Tmux {
    socket: String,
    pane: File,
}

impl Tmux {
    /// `None`, said loudly, where there is no tmux.
    pub fn start() -> Option<Tmux> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        if Command::new("tmux").arg("-V").stdout(Stdio::null()).status().is_err() {
            skip("no tmux to compare screens in");
            return None;
        }
        let socket = format!("postern-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let (columns, rows) = (COLUMNS.to_string(), ROWS.to_string());
        run(&socket, &["-u", "-f", "/dev/null", "new-session", "-d", "-x", &columns, "-y", &rows, "exec sleep 600"]);
        run(&socket, &["set-option", "-g", "status", "off"]);
        run(&socket, &["resize-window", "-x", &columns, "-y", &rows]);
        let terminal = run(&socket, &["display-message", "-p", "#{pane_tty}"]);
        let pane = OpenOptions::new().read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).open(terminal.trim()).unwrap();
        let mut modes = tcgetattr(&pane).unwrap();
        cfmakeraw(&mut modes);
        tcsetattr(&pane, SetArg::TCSANOW, &modes).unwrap();
        Some(Tmux { socket, pane })
    }

    /// Shows bytes, whole sequences of them.
    pub fn show(&mut self, bytes: &[u8]) {
        self.pane.write_all(bytes).unwrap();
        self.pane.write_all(ASK).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut answers = Vec::new();
        while !answers.ends_with(ANSWER) {
            assert!(Instant::now() < deadline, "tmux does not answer");
            let mut buffer = [0; 256];
            if poll(&mut [PollFd::new(self.pane.as_fd(), PollFlags::POLLIN)], PollTimeout::from(100_u8)).unwrap() > 0 {
                let length = self.pane.read(&mut buffer).unwrap();
                answers.extend_from_slice(&buffer[..length]);
            }
        }
    }

    /// Text and attributes of the whole screen, the cursor, and the modes that tmux tells of.
    pub fn screen(&self) -> String {
        let state = "#{cursor_x},#{cursor_y} alternate #{alternate_on} cursor #{cursor_flag} insert #{insert_flag} wrap #{wrap_flag} \
                     keys #{keypad_cursor_flag} #{keypad_flag} region #{scroll_region_upper}-#{scroll_region_lower}";
        run(&self.socket, &["display-message", "-p", state]) + &run(&self.socket, &["capture-pane", "-p", "-e", "-N"])
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = Command::new("tmux").args(["-L", &self.socket, "kill-server"]).stderr(Stdio::null()).status();
        let directory = std::env::var("TMUX_TMPDIR").unwrap_or("/tmp".to_owned());
        let _ = std::fs::remove_file(format!("{directory}/tmux-{}/{}", nix::unistd::getuid(), self.socket));
    }
}

fn run(socket: &str, arguments: &[&str]) -> String {
    let output = Command::new("tmux").args(["-L", socket]).args(arguments).env("LC_ALL", "C.UTF-8").env_remove("TMUX").output().unwrap();
    assert!(output.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
