//! A house whose commands may do anything, sessions in it, and its recordings.

use std::fs;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::house::House;
use super::pty::Terminal;

/// perl under its own confinement, as `inside`, and under none, as `freely`; and a shell under none.
const RULES: &str = "  - { run: 'inside **', path: /usr/bin/perl, confine: { read: ['{house}'] } }
  - { run: 'freely **', path: /usr/bin/perl, confine: open }
  - { run: 'sh -c <script:text>', confine: open }
";

/// A house with the settings of a session, others as lines of YAML, and further rules.
pub fn house(session: &str, settings: &str, rules: &str) -> House {
    let house = House::with(session);
    let directory = house.directory().display().to_string();
    let policy = fs::read_to_string(house.policy()).unwrap().replacen("postern: 1\n", &format!("postern: 1\n{settings}\n"), 1);
    fs::write(house.policy(), policy + &RULES.replace("{house}", &directory) + rules).unwrap();
    house
}

/// One with the usual settings.
pub fn plain_house() -> House {
    house("idle: 1h", "", "")
}

/// A session at its first prompt.
pub fn session(house: &House) -> Terminal {
    sized_session(house, 24, 80)
}

pub fn sized_session(house: &House, rows: u16, columns: u16) -> Terminal {
    let mut terminal = Terminal::sized(house.shell(&[]), rows, columns);
    terminal.expect("`help` shows what you may run.");
    terminal.expect("> ");
    terminal
}

/// Ends it as a person does.
pub fn leave(terminal: &mut Terminal) {
    terminal.send("\x04");
    assert_eq!(terminal.end().0, 0);
}

/// Puts a file into a house.
pub fn file(house: &House, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = house.directory().join(name);
    fs::write(&path, content).unwrap();
    path
}

/// What the person's terminal is called.
pub fn name_of(terminal: &Terminal) -> PathBuf {
    fs::read_link(format!("/proc/self/fd/{}", terminal.slave().as_raw_fd())).unwrap()
}

/// The recording of a house's only session.
pub fn recording(house: &House) -> Recording {
    let path = house.events("session.start")[0]["recording"].as_str().expect("a recording").into();
    Recording::read(path)
}

/// A recording as it is by now.
pub struct Recording {
    pub path: PathBuf,
    pub text: String,
}

impl Recording {
    fn read(path: PathBuf) -> Recording {
        Recording { text: fs::read_to_string(&path).unwrap(), path }
    }

    pub fn header(&self) -> Value {
        serde_json::from_str(self.text.lines().next().unwrap()).unwrap()
    }

    /// Its events: when, code, data.
    pub fn events(&self) -> Vec<(f64, String, String)> {
        self.text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
    }

    /// All data of the events with this code.
    pub fn data(&self, code: &str) -> Vec<String> {
        self.events().into_iter().filter(|event| event.1 == code).map(|event| event.2).collect()
    }

    /// What it shows.
    pub fn output(&self) -> String {
        self.data("o").concat()
    }

    /// The event at a byte of it.
    pub fn event_at(&self, offset: &Value) -> (f64, String, String) {
        let line = self.text[usize::try_from(offset.as_u64().unwrap()).unwrap()..].lines().next().unwrap();
        serde_json::from_str(line).unwrap()
    }
}

/// The operator's tool on the records of a house.
pub fn tool(house: &House, subcommand: &str, arguments: &[&str]) -> Command {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_postern"));
    tool.arg(subcommand).args(arguments).arg("--dir").arg(house.directory().join("records")).env_remove("SUDO_USER");
    tool
}

/// What it says without a terminal; it has to be content.
pub fn said(house: &House, subcommand: &str, arguments: &[&str]) -> String {
    let output = tool(house, subcommand, arguments).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "postern {subcommand} {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until something is so.
pub fn until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < end, "waited for: {what}");
        sleep(Duration::from_millis(10));
    }
}

pub fn in_sandbox() -> bool {
    Path::new("/run/postern-test").exists()
}

/// Says that a test does not run here, in the form that `tests/run` counts.
pub fn skip(why: &str) {
    let _ = writeln!(std::io::stderr().lock(), "SKIPPED: {why}");
}
