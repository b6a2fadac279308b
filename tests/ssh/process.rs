//! Programs run to their end, and programs talked to.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use super::sandbox::{await_some, await_that};

/// How a program went.
pub struct Finished {
    /// The exit status, or 128+N for signal N.
    pub status: i32,
    pub out: Vec<u8>,
    pub err: Vec<u8>,
}

impl Finished {
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.err).into_owned()
    }
}

/// Runs a program with `input` on its standard input, to the end.
pub fn run(command: &mut Command, input: &[u8]) -> Finished {
    let mut running = Running::start(command);
    let mut stdin = running.stdin.take().unwrap();
    let input = input.to_vec();
    // A thread, because the program may print before it reads all; whoever does not read gets no further input.
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    let finished = running.finish();
    writer.join().unwrap();
    finished
}

/// Runs a program that must succeed.
pub fn must(command: &mut Command) -> Finished {
    let finished = run(command, b"");
    assert_eq!(finished.status, 0, "{command:?}\n{}{}", finished.out(), finished.err());
    finished
}

/// A program in mid-run. What it prints is collected; it is killed when the test lets go of it.
pub struct Running {
    child: Child,
    pub stdin: Option<ChildStdin>,
    out: Collected,
    err: Collected,
    /// How much it had printed when something was last typed.
    printed: usize,
}

impl Running {
    pub fn start(command: &mut Command) -> Running {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = Collected::from(child.stdout.take().unwrap());
        let err = Collected::from(child.stderr.take().unwrap());
        Running { stdin: child.stdin.take(), child, out, err, printed: 0 }
    }

    /// Types something.
    pub fn send(&mut self, text: &str) {
        self.printed = self.out.text().len();
        self.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Waits until the program has printed `text` on its standard output.
    pub fn expect(&self, text: &str) {
        await_that(|| format!("{text:?} in {:?}", self.out.text()), || self.out.text().contains(text));
    }

    /// Waits for a prompt, with nothing behind it, that was not there before the last [`Running::send`].
    pub fn expect_prompt(&self) {
        await_that(
            || format!("a prompt in {:?}", self.out.text()),
            || {
                let text = self.out.text();
                text.len() > self.printed && without_sequences(&text).trim_end_matches('\r').ends_with("> ")
            },
        );
    }

    /// Waits until the program has printed one of `texts` on its standard error; which one.
    pub fn expect_error<'a>(&self, texts: &[&'a str]) -> &'a str {
        await_some(
            || format!("one of {texts:?} in {:?}", self.err.text()),
            || texts.iter().find(|text| self.err.text().contains(**text)).copied(),
        )
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// Lets the program come to its end: its input is closed.
    pub fn finish(mut self) -> Finished {
        self.stdin = None;
        let mut ended = None;
        await_that(
            || "a program to end",
            || {
                ended = self.child.try_wait().unwrap();
                ended.is_some()
            },
        );
        let status = ended.map_or(-1, |status| status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)));
        Finished { status, out: self.out.all(), err: self.err.all() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Text without the control sequences (ECMA-48, 5.4) that an editor draws with.
fn without_sequences(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or("").to_owned();
    first + &parts.map(|part| part.trim_start_matches(|c: char| !('@'..='~').contains(&c)).get(1..).unwrap_or("")).collect::<String>()
}

/// A stream read by a thread of its own.
struct Collected {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Collected {
    fn from(mut stream: impl Read + Send + 'static) -> Collected {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&bytes);
        let reader = thread::spawn(move || {
            let mut chunk = [0; 16 << 10];
            while let Ok(length @ 1..) = stream.read(&mut chunk) {
                sink.lock().unwrap().extend_from_slice(&chunk[..length]);
            }
        });
        Collected { bytes, reader: Some(reader) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }

    /// Everything, to the end of the stream.
    fn all(&mut self) -> Vec<u8> {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        std::mem::take(&mut self.bytes.lock().unwrap())
    }
}
