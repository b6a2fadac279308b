//! A house with the operator's tool, open sessions in it, and recordings by hand.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::house::House;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Records(pub House);

impl Records {
    pub fn new() -> Records {
        let house = House::new();
        // One that no signal but SIGKILL ends.
        let policy = fs::read_to_string(house.policy()).unwrap() + "  - run: sh -c <script:text>\n    confine: open\n";
        fs::write(house.policy(), policy).unwrap();
        Records(house)
    }

    pub fn directory(&self) -> PathBuf {
        self.0.directory().join("records")
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    /// The tool on these records.
    pub fn tool(&self, subcommand: &str, arguments: &[&str]) -> Command {
        let mut tool = Command::new(env!("CARGO_BIN_EXE_postern"));
        tool.arg(subcommand).args(arguments).arg("--dir").arg(self.directory()).env_remove("SUDO_USER");
        tool
    }

    pub fn run(&self, subcommand: &str, arguments: &[&str]) -> Done {
        Done::of(self.tool(subcommand, arguments).stdin(Stdio::null()).output().unwrap())
    }

    /// What `postern sessions --json` says, the oldest first.
    pub fn list(&self, arguments: &[&str]) -> Vec<Value> {
        let done = self.run("sessions", &[&["--json"], arguments].concat());
        serde_json::from_str(&done.out).unwrap_or_else(|_| panic!("{}{}", done.out, done.err))
    }

    /// The ids of all sessions, the oldest first.
    pub fn ids(&self) -> Vec<String> {
        let names = fs::read_dir(self.directory()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut ids: Vec<String> = names.filter_map(|name| name.strip_suffix(".jsonl").map(str::to_owned)).collect();
        ids.sort();
        ids
    }

    /// Starts a session that reads lines, and waits until it has begun.
    pub fn open(&self) -> Open {
        let before = self.ids();
        let mut shell = self.0.shell(&[]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(shell.stdout.take().unwrap());
        let mut open = Open { id: String::new(), shell, output };
        open.line("echo begun");
        open.expect("begun");
        open.id = self.ids().into_iter().find(|id| !before.contains(id)).unwrap();
        // Its own recording is behind it: what a test puts in its place would be added to.
        let cast = self.file(&format!("{}.cast", open.id));
        until("the recording", || fs::read_to_string(&cast).is_ok_and(|text| text.contains(r#""o", "begun"#)));
        open
    }

    /// Records of a session, whole.
    pub fn of(&self, id: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.file(&format!("{id}.jsonl"))).unwrap();
        postern::record::join(text.lines()).unwrap().into_iter().map(Value::Object).collect()
    }

    /// Writes a recording for a session, event by event, behind a header.
    pub fn record(&self, id: &str, events: &[Value]) {
        let header = json!({"version": 2, "width": 80, "height": 24, "timestamp": 1_795_230_764});
        let lines: Vec<String> = [&header].into_iter().chain(events).map(Value::to_string).collect();
        fs::write(self.file(&format!("{id}.cast")), lines.join("\n") + "\n").unwrap();
    }

    /// Adds an event.
    pub fn grow(&self, id: &str, event: &Value) {
        let mut file = fs::OpenOptions::new().append(true).open(self.file(&format!("{id}.cast"))).unwrap();
        writeln!(file, "{event}").unwrap();
    }
}

/// A session that goes on.
pub struct Open {
    pub id: String,
    pub shell: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Open {
    pub fn line(&mut self, line: &str) {
        writeln!(self.shell.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits for a line of output.
    pub fn expect(&mut self, wanted: &str) {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), wanted);
    }

    /// Its exit status and what it said, once it has ended.
    pub fn end(mut self) -> (Option<i32>, String) {
        drop(self.shell.stdin.take());
        let output = self.shell.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
}

#[derive(Debug)]
pub struct Done {
    pub status: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Done {
    fn of(output: Output) -> Done {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Done { status: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// Waits until something is so.
pub fn until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "waited for: {what}");
        sleep(Duration::from_millis(10));
    }
}
