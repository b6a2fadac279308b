//! What a line costs: `tests/bench` runs this in release mode, inside `tests/sandbox`, and prints three tables.
//!
//! Nothing is asserted, because times depend on the machine; what may be compared stands side by side and was run in turns. The second table
//! is of the program as it was built here; the third of each install as packages make it: the static program with its owner and mode.
//!
//! Whatever is timed is started by this program started anew, as the account ([`start_and_time`]). To start it from here would flatter the shell: a fork
//! copies the page tables of a process that holds ten thousand rules, and that would be part of both times.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a benchmark ends by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, chown};
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
/// What `packaging/build` makes.
const STATIC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/static/posternsh");
const AUDIT: &str = "/var/log/postern";
/// The argument that makes this program the one that starts what is timed.
const STARTER: &str = "--start-and-time";
/// Lines that are given to one session behind the first.
const LINES: usize = 20;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some((STARTER, arguments)) = arguments.get(1..).and_then(|rest| rest.split_first()).map(|(first, rest)| (first.as_str(), rest)) {
        return start_and_time(arguments);
    }
    say("One decision, in microseconds\n");
    say(&format!("{:>8} rules {:>10} {:>14}   line", "", "median", "a second"));
    RULES.into_iter().for_each(decisions);
    say("\nOne line as a whole process, policy, syslog and session file on, in milliseconds\n");
    if Path::new(SANDBOX).is_dir() {
        prepare_host();
        say(&format!("{:>8} rules {:>10} {:>8} {:>10}   command", "", "median", "p10", "to bash"));
        RULES.into_iter().for_each(processes);
        say("\nThe same by install, and a line of a session behind its first\n");
        installs();
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
    let head = format!("postern: 1\naudit: {{ syslog: {SANDBOX}/bench-log, dir: {AUDIT} }}\nallow:\n");
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
        can_become: true,
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
    for (directory, mode) in [(AUDIT, 0o1733), ("/etc/postern", 0o755)] {
        fs::create_dir_all(directory).unwrap();
        fs::set_permissions(directory, fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::copy(env!("CARGO_BIN_EXE_posternsh"), shell()).unwrap();
    // Where the account may run it.
    fs::copy(std::env::current_exe().unwrap(), starter()).unwrap();
}

fn starter() -> String {
    format!("{SANDBOX}/starter")
}

fn shell() -> String {
    format!("{SANDBOX}/posternsh")
}

fn apply(rules: usize) {
    fs::write("/etc/postern/policy.yaml", policy(rules)).unwrap();
    run(Command::new(env!("CARGO_BIN_EXE_postern")).arg("apply").stdout(Stdio::null()));
}

fn run(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

fn processes(rules: usize) {
    apply(rules);
    let shell = shell();
    // By path for the others, whose own builtin would start no process.
    let commands = [["bash", "-c", "/bin/true"], ["dash", "-c", "/bin/true"], [&shell, "-c", "true"]];
    let times = times(&commands, &Way { group: NOBODY, output: Output::Null, lines: 0 });
    for (command, of) in commands.iter().zip(&times) {
        let name = command[0].rsplit('/').next().unwrap_or("");
        let ratio = of.median.as_secs_f64() / times[0].median.as_secs_f64();
        let (median, fast) = (of.median.as_secs_f64() * 1e3, of.fast.as_secs_f64() * 1e3);
        say(&format!("{rules:>14} {median:>10.3} {fast:>8.3} {ratio:>10.2}   {name} -c {}", command[2]));
    }
}

/// One way to install the shell.
struct Install {
    name: &'static str,
    owner: u32,
    mode: u32,
    /// Of the directory of records.
    records: u32,
}

fn installs() {
    if !Path::new(STATIC).exists() {
        return say("SKIPPED: there is no static build; packaging/build makes it");
    }
    // What is there already is fine.
    let _ = Command::new("groupadd").args(["--system", "postern"]).stderr(Stdio::null()).status();
    let _ = Command::new("useradd").args(["--system", "--no-create-home", "-g", "postern", "postern"]).stderr(Stdio::null()).status();
    let (owner, group) = (id("-u"), id("-g"));
    apply(10);
    say(&format!("{:>10} {:>8} {:>8} {:>8} {:>8} {:>8}", "", "median", "p10", "bash p10", "to bash", "p10"));
    for install in [
        Install { name: "plain", owner: 0, mode: 0o755, records: 0o1733 },
        Install { name: "postern", owner, mode: 0o4511, records: 0o700 },
        Install { name: "root", owner: 0, mode: 0o4750, records: 0o700 },
    ] {
        of_install(&install, group);
    }
}

fn id(which: &str) -> u32 {
    let output = Command::new("id").args([which, "postern"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

fn of_install(install: &Install, group: u32) {
    let shell = format!("{SANDBOX}/posternsh-{}", install.name);
    fs::copy(STATIC, &shell).unwrap();
    chown(&shell, Some(install.owner), Some(group)).unwrap();
    fs::set_permissions(&shell, fs::Permissions::from_mode(install.mode)).unwrap();
    chown(AUDIT, Some(install.owner), None).unwrap();
    fs::set_permissions(AUDIT, fs::Permissions::from_mode(install.records)).unwrap();
    let ways = [(Output::Null, 0), (Output::Pipe, 0), (Output::Null, 1), (Output::Null, 1 + LINES)];
    let commands = [["bash", "-c", "/bin/true"], [&shell, "-c", "true"]];
    let [null, pipe, one, many] = ways.map(|(output, lines)| times(&commands, &Way { group, output, lines }));
    // A command of a long session alone.
    let rest = [0, 1].map(|which| Times {
        median: many[which].median.saturating_sub(one[which].median) / LINES as u32,
        fast: many[which].fast.saturating_sub(one[which].fast) / LINES as u32,
    });
    for (what, [bash, own]) in [("-c true", null), ("-c true | ", pipe), ("a session of one line", one), ("each line behind it", rest)] {
        let ratio = |own: Duration, bash: Duration| own.as_secs_f64() / bash.as_secs_f64();
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        say(&format!(
            "{:>10} {:>8.3} {:>8.3} {:>8.3} {:>8.2} {:>8.2}   {what}",
            install.name,
            milliseconds(own.median),
            milliseconds(own.fast),
            milliseconds(bash.fast),
            ratio(own.median, bash.median),
            ratio(own.fast, bash.fast),
        ));
    }
}

/// How commands are run.
struct Way {
    group: u32,
    output: Output,
    /// How many lines each is given, in place of `-c`; 0 for none.
    lines: usize,
}

#[derive(Clone, Copy)]
enum Output {
    Null,
    /// Then a relay passes it on.
    Pipe,
}

/// Times commands in turns, as an account without privilege.
fn times<const COMMANDS: usize>(commands: &[[&str; 3]; COMMANDS], way: &Way) -> [Times; COMMANDS] {
    let output = if matches!(way.output, Output::Pipe) { "pipe" } else { "null" };
    let mut starter = Command::new(starter());
    starter.args([STARTER, output, &way.lines.to_string()]).args(commands.iter().flatten());
    let output = starter.uid(NOBODY).gid(way.group).current_dir("/").stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{starter:?}: {}", output.status);
    let all: Vec<u64> = String::from_utf8(output.stdout).unwrap().lines().map(|line| line.parse().unwrap()).collect();
    let of = |which: usize| all.iter().skip(which).step_by(COMMANDS).map(|nanoseconds| Duration::from_nanos(*nanoseconds)).collect();
    std::array::from_fn(|which| Times::of(of(which)))
}

/// The other process: what [`times`] asks for, in nanoseconds, a line for each run.
fn start_and_time(arguments: &[String]) {
    let [output, lines, commands @ ..] = arguments else { panic!("{arguments:?}") };
    let (piped, lines) = (output == "pipe", lines.parse().unwrap());
    let commands = commands.as_chunks().0;
    let all: Vec<Duration> = (0..RUNS).flat_map(|_| commands).map(|command| time(command, piped, lines)).collect();
    all.iter().for_each(|time| say(&time.as_nanos().to_string()));
}

/// One run from start to end. The child has this process's ids, so that the C library starts it without a copy of anything.
fn time(command: &[String; 3], piped: bool, lines: usize) -> Duration {
    let arguments = if lines == 0 { &command[1..] } else { &[] };
    let output = if piped { Stdio::piped() } else { Stdio::null() };
    let input = if lines == 0 { Stdio::null() } else { Stdio::piped() };
    let start = Instant::now();
    let mut child = Command::new(&command[0]).args(arguments).stdin(input).stdout(output).stderr(Stdio::null()).spawn().unwrap();
    if let Some(mut input) = child.stdin.take() {
        input.write_all(format!("{}\n", command[2]).repeat(lines).as_bytes()).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let elapsed = start.elapsed();
    assert!(output.status.success(), "{command:?}: {}", output.status);
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
