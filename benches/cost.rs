//! What a line costs: `tests/bench` runs this in release mode, inside `tests/sandbox`, and prints two tables.
//!
//! Nothing is asserted, because times depend on the machine; what may be compared stands side by side and was run in turns.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a benchmark ends by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use postern::exec::Host;
use postern::policy::compile::Source;
use postern::policy::{Applied, Subject, Verdict, decide};
use postern::syntax::{self, Context, Stage};

/// How many rules a policy has; those of other commands must not matter.
const RULES: [usize; 3] = [10, 1_000, 10_000];
const RUNS: usize = 300;
const DECISIONS: u32 = 20_000;
/// Made by `tests/sandbox`.
const SANDBOX: &str = "/run/postern-test";
/// An account without privilege: nobody(5) of Debian and RHEL.
const NOBODY: u32 = 65_534;

fn main() {
    say("One decision, in microseconds\n");
    say(&format!("{:>8} rules {:>10} {:>14}   line", "", "median", "a second"));
    RULES.into_iter().for_each(decisions);
    say("\nOne line as a whole process, policy, syslog and session file on, in milliseconds\n");
    if Path::new(SANDBOX).is_dir() {
        prepare_host();
        say(&format!("{:>8} rules {:>10} {:>8} {:>10}   command", "", "median", "p10", "to bash"));
        RULES.into_iter().for_each(processes);
    } else {
        say("SKIPPED: not inside tests/sandbox; tests/bench puts it there");
    }
}

fn say(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// A policy of that many rules, most of them for other commands.
fn policy(rules: usize) -> String {
    let others = (0..rules - 3).map(|number| format!("  - program{number:05} [-v] [-n|--lines <int>] [-u|--unit <unit>]... [<file>...]\n"));
    let head = format!("postern: 1\naudit: {{ syslog: {SANDBOX}/bench-log, dir: /var/log/postern }}\nallow:\n");
    let own =
        "  - 'true'\n  - cat [<file>...]\n  - journalctl [-u|--unit <unit>]... [-n|--lines <n:1..10000>] [-p <int>] [-f] [--no-pager]\n";
    head + own + &others.collect::<String>()
}

fn decisions(rules: usize) {
    let source = Source { name: "policy.yaml".to_owned(), bytes: policy(rules).into_bytes(), main: true };
    let (applied, _) = Applied::from_sources(&[source]).unwrap_or_else(|errors| panic!("{}", errors[0]));
    let facts = Host::new("/");
    let subject = Subject {
        host: "db-1".to_owned(),
        account: "breakglass".to_owned(),
        groups: vec!["breakglass".to_owned()],
        home: "/home/breakglass".to_owned(),
        from: None,
        terminal: false,
    };
    for (line, allowed) in [
        ("true", true),
        ("journalctl -u postgresql.service --no-pager -n 200", true),
        ("cat /etc/hostname", true),
        ("journalctl --vacuum-size 1M", false),
        ("unknown", false),
    ] {
        let stage = stage(line);
        let once = || decide(&applied, &subject, &stage, &facts).unwrap();
        assert_eq!(matches!(once(), Verdict::Allowed(_)), allowed, "{line}");
        // Batches, because one decision is shorter than the clock is fine.
        let batches = (0..20).map(|_| {
            let start = Instant::now();
            (0..DECISIONS / 20).for_each(|_| drop(std::hint::black_box(once())));
            start.elapsed() / (DECISIONS / 20)
        });
        let median = Times::of(batches.collect()).median;
        say(&format!("{rules:>14} {:>10.2} {:>14.0}   {line}", median.as_secs_f64() * 1e6, 1.0 / median.as_secs_f64()));
    }
}

fn stage(line: &str) -> Stage {
    let script = syntax::parse(line.as_bytes()).unwrap();
    let constants = BTreeMap::new();
    let context = Context { directory: Path::new("/"), home: "/", status: 0, constants: &constants, names: &syntax::glob::ask_here };
    syntax::expand(&script, &context).unwrap().items.remove(0).stages.remove(0)
}

/// A syslog socket that is read, an audit directory, and the shell where the account may run it.
fn prepare_host() {
    let syslog = Path::new(SANDBOX).join("bench-log");
    let socket = UnixDatagram::bind(&syslog).unwrap();
    fs::set_permissions(&syslog, fs::Permissions::from_mode(0o666)).unwrap();
    thread::spawn(move || while socket.recv(&mut [0; 4096]).is_ok() {});
    for (directory, mode) in [("/var/log/postern", 0o1733), ("/etc/postern", 0o755)] {
        fs::create_dir_all(directory).unwrap();
        fs::set_permissions(directory, fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::copy(env!("CARGO_BIN_EXE_posternsh"), shell()).unwrap();
}

fn shell() -> String {
    format!("{SANDBOX}/posternsh")
}

fn processes(rules: usize) {
    fs::write("/etc/postern/policy.yaml", policy(rules)).unwrap();
    let applied = Command::new(env!("CARGO_BIN_EXE_postern")).arg("apply").stdout(Stdio::null()).status().unwrap();
    assert!(applied.success(), "postern apply: {applied}");
    let shell = shell();
    // By path for the others, whose own builtin would start no process.
    let commands = [["bash", "-c", "/bin/true"], ["dash", "-c", "/bin/true"], [&shell, "-c", "true"]];
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..RUNS {
        for (command, times) in commands.iter().zip(&mut times) {
            times.push(time(command));
        }
    }
    let times = times.map(Times::of);
    for (command, of) in commands.iter().zip(&times) {
        let name = command[0].rsplit('/').next().unwrap_or("");
        let ratio = of.median.as_secs_f64() / times[0].median.as_secs_f64();
        let (median, fast) = (of.median.as_secs_f64() * 1e3, of.fast.as_secs_f64() * 1e3);
        say(&format!("{rules:>14} {median:>10.3} {fast:>8.3} {ratio:>10.2}   {name} -c {}", command[2]));
    }
}

/// One run from start to end, as an account without privilege.
fn time(command: &[&str; 3]) -> Duration {
    let start = Instant::now();
    let mut child = Command::new(command[0]);
    child.args(&command[1..]).uid(NOBODY).gid(NOBODY).stdin(Stdio::null()).stdout(Stdio::null());
    let status = child.status().unwrap();
    let elapsed = start.elapsed();
    assert!(status.success(), "{command:?}: {status}");
    elapsed
}

struct Times {
    median: Duration,
    /// The tenth percentile: what a run costs when nothing disturbs it.
    fast: Duration,
}

impl Times {
    fn of(mut times: Vec<Duration>) -> Times {
        times.sort();
        Times { median: times[times.len() / 2], fast: times[times.len() / 10] }
    }
}
