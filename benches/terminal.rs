//! What the way from a command to the person's terminal costs, beside other recorders: `tests/bench` runs this in release mode, inside
//! `tests/sandbox`.
//!
//! Everyone shows the same bytes on the same terminal, which is read as fast as it comes, and records them to memory. `pty` records nothing:
//! the kernel's own terminal, and so what there is to reach. Nothing is asserted, because times depend on the machine; everyone has the same
//! turns, and of each the best one stands. tlog is taken as it is shipped, which limits nothing; asciinema and script too.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a benchmark ends by panicking")]

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};

/// Made by `tests/sandbox`.
const SANDBOX: &str = "/run/postern-test";
/// Where the others write to.
const WORK: &str = "/run/postern-test/terminal";
const AUDIT: &str = "/var/log/postern";
/// What `packaging/build` makes.
const STATIC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/static/posternsh");
const OPERATORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/static/postern");
/// Screens of programs, as `script` caught them.
const SCREENS: [&[u8]; 3] = [
    include_bytes!("../tests/screen/screens/vim-R-clean.bin"),
    include_bytes!("../tests/screen/screens/man.bin"),
    include_bytes!("../tests/screen/screens/less.bin"),
];
/// An account without privilege: nobody(5) of Debian and RHEL.
const NOBODY: u32 = 65_534;
/// Bytes that are shown.
const SHOWN: usize = 32 << 20;
const TURNS: usize = 3;
const KEYS: usize = 500;
/// Keys of a line.
const LINE: usize = 40;
const CTRL_D: &[u8] = b"\x04";
const CTRL_U: &[u8] = b"\x15";
const MIB: f64 = (1 << 20) as f64;

fn main() {
    if !Path::new(SANDBOX).is_dir() || !Path::new(STATIC).exists() {
        return say("SKIPPED: the terminal, not inside tests/sandbox, or without a static build; tests/bench has both");
    }
    prepare();
    let (present, missing): (Vec<Tool>, Vec<Tool>) = TOOLS.into_iter().partition(Tool::is_present);
    missing.iter().for_each(|tool| say(&format!("SKIPPED: {} is not installed", tool.name)));
    throughput(&present);
    sessions(&present);
}

fn say(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Something that shows a person what a command shows, and a session of a shell.
struct Tool {
    name: &'static str,
    /// Its arguments for a command line; with the shell of its sessions for none.
    arguments: fn(Option<&str>) -> Vec<String>,
}

const TOOLS: [Tool; 6] = [
    Tool { name: "pty", arguments: |line| words(&["sh", "-c", line.unwrap_or(BASH)]) },
    Tool { name: "script", arguments: |line| words(&["script", "-q", "-O", &out("log"), "-T", &out("times"), "-c", line.unwrap_or(BASH)]) },
    Tool {
        name: "asciinema",
        arguments: |line| words(&["asciinema", "rec", "-q", "--overwrite", "-c", line.unwrap_or(BASH), &out("cast")]),
    },
    Tool { name: "tlog-rec", arguments: |line| words(&["tlog-rec", "-w", "file", "-o", &out("tlog"), "sh", "-c", line.unwrap_or(BASH)]) },
    Tool { name: "postern", arguments: |line| postern("plain", line) },
    Tool { name: "postern, root", arguments: |line| postern("root", line) },
];

/// As every session has it.
const BASH: &str = "exec bash --norc --noprofile -i";

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

fn out(name: &str) -> String {
    format!("{WORK}/{name}")
}

fn postern(install: &str, line: Option<&str>) -> Vec<String> {
    let shell = format!("{SANDBOX}/posternsh-{install}");
    line.map_or_else(|| words(&[&shell]), |line| words(&[&shell, "-c", line]))
}

impl Tool {
    fn is_present(&self) -> bool {
        let arguments = (self.arguments)(None);
        arguments[0].starts_with('/') || Path::new("/usr/bin").join(&arguments[0]).exists()
    }

    fn start(&self, line: Option<&str>) -> Terminal {
        Terminal::start(&(self.arguments)(line))
    }
}

/// A terminal of 24 rows and 80 columns with a program on it.
struct Terminal {
    master: File,
    child: Child,
}

impl Terminal {
    fn start(arguments: &[String]) -> Terminal {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).unwrap();
        fcntl(&pty.master, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
        nix::unistd::fchown(&pty.slave, Some(NOBODY.into()), None).unwrap();
        // setsid(1) makes the terminal the controlling one, and then becomes the program.
        let mut leader = Command::new("setsid");
        leader.arg("--ctty").args(arguments).current_dir("/").env("TERM", "xterm-256color").env("PS1", "> ").env("HOME", WORK);
        let stream = |slave: &OwnedFd| Stdio::from(slave.try_clone().unwrap());
        leader.stdin(stream(&pty.slave)).stdout(stream(&pty.slave)).stderr(stream(&pty.slave));
        let child = leader.env("SHELL", "/bin/sh").uid(NOBODY).gid(group()).spawn().unwrap();
        Terminal { master: pty.master.into(), child }
    }

    /// What is written next; nothing at its end, or where nothing comes for so long.
    fn read<'a>(&mut self, buffer: &'a mut [u8], patience: Duration) -> &'a [u8] {
        let timeout = PollTimeout::try_from(patience).unwrap();
        let ready = poll(&mut [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)], timeout).unwrap();
        let count = if ready == 0 { 0 } else { self.master.read(buffer).unwrap_or(0) };
        &buffer[..count]
    }

    /// Reads on until the prompt.
    fn await_prompt(&mut self) {
        let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
        while !String::from_utf8_lossy(&all).contains("> ") {
            let next = self.read(&mut buffer, Duration::from_secs(10));
            assert!(!next.is_empty(), "no prompt: {:?}", String::from_utf8_lossy(&all));
            all.extend_from_slice(next);
        }
        self.read_until_silent();
    }

    fn read_until_silent(&mut self) {
        let mut buffer = [0; 4096];
        while !self.read(&mut buffer, Duration::from_millis(150)).is_empty() {}
    }

    fn send(&mut self, keys: &[u8]) {
        self.master.write_all(keys).unwrap();
    }

    /// How long the echoes of keys take, in order.
    fn echoes(&mut self) -> Vec<Duration> {
        let mut buffer = [0; 4096];
        let mut times: Vec<Duration> = (0..KEYS)
            .map(|index| {
                if index % LINE == 0 {
                    self.send(CTRL_U);
                    self.read_until_silent();
                }
                // As from a hand, and so that no echo is still on its way.
                sleep(Duration::from_millis(3));
                let start = Instant::now();
                self.send(b"k");
                while !self.read(&mut buffer, Duration::from_secs(10)).contains(&b'k') {}
                start.elapsed()
            })
            .collect();
        self.send(CTRL_U);
        self.read_until_silent();
        times.sort();
        times
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Three kinds of what a command shows, for everyone.
fn throughput(tools: &[Tool]) {
    let kinds = [("plain text", plain_text()), ("colours", colours()), ("full screen", SCREENS.concat())];
    say("\nBytes of a command to the person's terminal, in MB/s; beside the best of the others, and the bare pty\n");
    for (kind, bytes) in kinds {
        let path = out("shown");
        let all: Vec<u8> = bytes.iter().copied().cycle().take(SHOWN).collect();
        fs::write(&path, all).unwrap();
        let line = format!("cat {path}");
        let mut best = vec![0.0_f64; tools.len()];
        for _ in 0..TURNS {
            best.iter_mut().zip(tools).for_each(|(best, tool)| *best = best.max(shown(tool, &line)));
        }
        let of = |wanted: &dyn Fn(&str) -> bool| {
            let rates = tools.iter().zip(&best).filter(|(tool, _)| wanted(tool.name));
            rates.map(|(_, rate)| *rate).fold(f64::NAN, f64::max)
        };
        let (peer, pty) = (of(&|name| name != "pty" && !name.starts_with("postern")), of(&|name| name == "pty"));
        say(&format!("{:>10} {:>8} {:>8}   {kind}", "MB/s", "to best", "to pty"));
        for (tool, rate) in tools.iter().zip(&best) {
            say(&format!("{rate:>10.1} {:>8.2} {:>8.2}   {}", rate / peer, rate / pty, tool.name));
        }
    }
}

/// Megabytes of the file a second, from the first byte that is shown to the end of the tool, when all of it is recorded.
fn shown(tool: &Tool, line: &str) -> f64 {
    let mut terminal = tool.start(Some(line));
    let mut buffer = vec![0; 64 << 10];
    let mut count = terminal.read(&mut buffer, Duration::from_secs(10)).len();
    let start = Instant::now();
    // The end of the last process that has the terminal is an error.
    while let Ok(more @ 1..) = terminal.master.read(&mut buffer) {
        count += more;
    }
    let status = terminal.child.wait().unwrap();
    let elapsed = start.elapsed();
    assert!(status.success() && count > SHOWN / 2, "{}: {status}, {count} bytes", tool.name);
    tidy();
    SHOWN as f64 / 1e6 / elapsed.as_secs_f64()
}

/// A session of everyone's: keys at the prompt and in a command, and the memory of it at its prompt.
fn sessions(tools: &[Tool]) {
    say("\nFrom a key to its echo, in microseconds: at the prompt, and in cat\n");
    say(&format!("{:>8} {:>8} {:>8} {:>8}   session", "p50", "p99", "p50", "p99"));
    let memory: Vec<Vec<Memory>> = tools.iter().map(session).collect();
    say(
        "\nA session at its prompt, after one command: memory in MiB, of all its processes, of each resident; pty, and the others: with bash\n",
    );
    say(&format!("{:>10} {:>10} {:>10}   session", "resident", "its share", "its own"));
    for (tool, memory) in tools.iter().zip(memory) {
        let sum = |of: &dyn Fn(&Memory) -> u64| memory.iter().map(of).sum::<u64>() as f64 / MIB;
        let each: Vec<String> = memory.iter().map(|of| format!("{:.1}", of.resident as f64 / MIB)).collect();
        let (resident, share, own) = (sum(&|of| of.resident), sum(&|of| of.share), sum(&|of| of.own));
        say(&format!("{resident:>10.2} {share:>10.2} {own:>10.2}   {} ({})", tool.name, each.join(" + ")));
    }
}

fn session(tool: &Tool) -> Vec<Memory> {
    let mut terminal = tool.start(None);
    terminal.await_prompt();
    let at_prompt = terminal.echoes();
    terminal.send(b"cat\r");
    terminal.read_until_silent();
    let in_command = terminal.echoes();
    terminal.send(CTRL_D);
    terminal.read_until_silent();
    let percent = |times: &[Duration], of: usize| times[times.len() * of / 100].as_micros();
    let [first, second] = [at_prompt, in_command].map(|times| format!("{:>8} {:>8}", percent(&times, 50), percent(&times, 99)));
    say(&format!("{first} {second}   {}", tool.name));
    drop(terminal);
    let mut terminal = tool.start(None);
    terminal.await_prompt();
    terminal.send(b"cat /etc/hostname\r");
    terminal.await_prompt();
    // What it does behind the prompt.
    sleep(Duration::from_secs(1));
    let processes = descendants(terminal.child.id());
    let memory = processes.into_iter().filter_map(Memory::of).collect();
    drop(terminal);
    tidy();
    memory
}

/// Memory of one process, in bytes (proc_pid_smaps(5)).
struct Memory {
    /// All of its pages that are there.
    resident: u64,
    /// The same, each divided by how many processes have it.
    share: u64,
    /// Those that no other process has.
    own: u64,
}

impl Memory {
    fn of(process: u32) -> Option<Memory> {
        let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
        let value = |name: &str| {
            let lines = text.lines().filter_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"));
            lines.map(|number| number.trim().parse::<u64>().unwrap() << 10).sum()
        };
        Some(Memory { resident: value("Rss:"), share: value("Pss:"), own: value("Private_Clean:") + value("Private_Dirty:") })
    }
}

/// A process and all below it.
fn descendants(process: u32) -> Vec<u32> {
    let parent_of = |pid: u32| -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    let all: Vec<u32> = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok()).collect();
    let mut found = vec![process];
    let mut at = 0;
    while at < found.len() {
        let parent = found[at];
        found.extend(all.iter().filter(|pid| parent_of(**pid) == Some(parent)));
        at += 1;
    }
    found
}

/// Lines of a log: a few hundred, each its own.
fn plain_text() -> Vec<u8> {
    let says = [
        "Accepted publickey for breakglass from 10.20.30.40 port 50022 ssh2: ED25519 SHA256:0pX",
        "checkpoint complete: wrote 412 buffers (2.5%); 0 WAL file(s) added, 0 removed, 1 recycled",
        "GET /api/v2/orders?page=17&sort=desc HTTP/1.1 200 5123 0.041 \"curl/7.88.1\"",
        "Started Daily apt download activities.",
        "eth0: link becomes ready, 1000 Mb/s full duplex",
    ];
    let line = |number: usize| {
        let (what, from) = (says[number % says.len()], ["sshd", "postgres", "nginx", "systemd", "kernel"][number % 5]);
        format!("Nov 21 03:{:02}:{:02} db-3 {from}[{}]: {what}\n", number / 60 % 60, number % 60, 800 + number * 7)
    };
    (0..500).flat_map(|number| line(number).into_bytes()).collect()
}

/// As of `git log --color` and `ls --color` by turns.
fn colours() -> Vec<u8> {
    let entry = |number: usize| {
        let name = ["lib", "bin", "run", "postgresql", "nginx.conf"][number % 5];
        let hash = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!(
            "\x1b[33mcommit {hash:016x}\x1b[m\x1b[33m (\x1b[m\x1b[1;36mHEAD\x1b[m\x1b[33m -> \x1b[m\x1b[1;32mmain\x1b[m\x1b[33m)\x1b[m\n\
             \x1b[32m+{name} {number}\x1b[m\n\x1b[31m-{name}\x1b[m\n\
             drwxr-xr-x \x1b[0m\x1b[01;34m{name}\x1b[0m  \x1b[01;32m{name}.sh\x1b[0m  \x1b[38;5;208m{name}.log\x1b[0m\n"
        )
    };
    (0..300).flat_map(|number| entry(number).into_bytes()).collect()
}

/// A policy in force, the shell as two installs, and a directory for the others.
fn prepare() {
    // One that is there already is fine.
    let _ = Command::new("groupadd").args(["--system", "postern"]).stderr(Stdio::null()).status();
    fs::create_dir_all(WORK).unwrap();
    chown(WORK, Some(NOBODY), None).unwrap();
    // tlog-rec notes its terminal in utmp(5), or does not start.
    fs::write("/run/utmp", "").unwrap();
    fs::set_permissions("/run/utmp", fs::Permissions::from_mode(0o666)).unwrap();
    for (directory, mode) in [(AUDIT, 0o1733), ("/etc/postern", 0o755)] {
        fs::create_dir_all(directory).unwrap();
        fs::set_permissions(directory, fs::Permissions::from_mode(mode)).unwrap();
    }
    let policy = format!("postern: 1\naudit: {{ syslog: none, dir: {AUDIT} }}\nallow:\n  - cat [<file>...]\n");
    fs::write("/etc/postern/policy.yaml", policy).unwrap();
    let applied = Command::new(OPERATORS).arg("apply").stdout(Stdio::null()).status().unwrap();
    assert!(applied.success());
    for (install, mode) in [("plain", 0o755), ("root", 0o4750)] {
        let shell = format!("{SANDBOX}/posternsh-{install}");
        fs::copy(STATIC, &shell).unwrap();
        chown(&shell, Some(0), Some(group())).unwrap();
        fs::set_permissions(&shell, fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn group() -> u32 {
    let group = nix::unistd::Group::from_name("postern").unwrap();
    group.map_or(NOBODY, |group| group.gid.as_raw())
}

/// What was recorded is in memory, and goes.
fn tidy() {
    for directory in [AUDIT, WORK] {
        let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.is_file() && !path.ends_with("shown")).for_each(|path| fs::remove_file(path).unwrap());
    }
}
