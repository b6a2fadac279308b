//! Programs as they are installed here, on a terminal of their own: what they send looks the same with and without the filter.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::pty::Terminal;
use super::screens::assert_looks_the_same;
use super::{COLUMNS, ROWS, skip};

/// How long a program is silent when it waits for a key.
const SILENCE: Duration = Duration::from_millis(400);

/// What a program sends while these keys are typed; `None`, said loudly, where it is not installed.
fn recording(line: &str, keys: &[&str]) -> Option<Vec<u8>> {
    let program = line.split(' ').next().unwrap();
    let directories = ["/usr/bin", "/bin", "/usr/local/bin"];
    if !directories.iter().any(|directory| Path::new(directory).join(program).exists()) {
        skip(&format!("no {program} here"));
        return None;
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).env("LC_ALL", "C.UTF-8").env_remove("LESS").env_remove("LS_COLORS");
    let mut terminal = Terminal::sized(shell, ROWS, COLUMNS);
    terminal.read_until_silent(SILENCE);
    for key in keys {
        terminal.send(key);
        terminal.read_until_silent(SILENCE);
    }
    terminal.end();
    Some(terminal.raw().to_vec())
}

#[test]
fn programs_look_the_same() {
    for (line, keys) in [
        ("less /etc/services", &["/tcp\r", " ", "G", "g", "\x1b[B", "q"][..]),
        ("vim -R -u NONE /etc/services", &["/tcp\r", "\x06", "G", ":set number\r", ":syntax on\r", ":q\r"]),
        ("vim -R /etc/services", &["/tcp\r", "G", "\x16jjll", "\x1b", ":q\r"]),
        ("man man", &[" ", "/page\r", "q"]),
        ("top -d 9", &["1", "m", "V", "z", "x", "q"]),
        ("htop -d 50", &["t", "H", "\x1b[B", "q"]),
        ("watch -d -c -n 9 ls -l --color=always /etc", &["\x03"]),
        ("git -c color.ui=always --no-pager log --graph --stat -n 20", &[]),
        ("ls -la --color=always / /etc /dev", &[]),
        ("grep -n --color=always tcp /etc/services", &[]),
        ("printf '\\r%3d%%' 0 20 40 60 80 100; printf '\\r\\033[K\\033[32mdone\\033[0m\\n'", &[]),
        ("tput smacs; tput civis; tput cup 5 5; tput rev; tput el; tput ech 3; tput sgr0; tput rmacs; tput cnorm", &[]),
    ] {
        if let Some(bytes) = recording(line, keys) {
            assert!(!bytes.is_empty(), "{line} sends nothing");
            assert_looks_the_same(line, &bytes);
        }
    }
}
