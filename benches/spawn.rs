//! What confinement costs a command: `tests/bench` runs this in release mode, inside `tests/sandbox`.
//!
//! Nothing is asserted, because times depend on the machine; what may be compared was run in turns and stands side by side. Everything
//! runs /bin/true.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark ends by panicking")]

use std::fs;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::sys::wait::waitpid;
use postern::confine::{Confiner, Kernel, Rulesets, Subject};
use postern::policy::confinement::{Base, Confinement};
use postern::policy::settings::Strength;
use postern::sys::descriptor::copy_above_standard;
use postern::sys::process::{Group, Prepared, Spec, protect_memory};

const RUNS: usize = 400;
const PROGRAM: &str = "/bin/true";

fn main() {
    protect_memory().unwrap();
    let bench = Bench::new();
    let peers: Vec<(&str, Vec<&str>)> = [
        ("setpriv --no-new-privs", vec!["setpriv", "--no-new-privs", PROGRAM]),
        (
            "bwrap, read-only, no network",
            vec!["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--unshare-all", "--die-with-parent", PROGRAM],
        ),
        ("sudo", vec!["sudo", "-n", PROGRAM]),
        ("sudo with NOEXEC", vec!["sudo", "-n", "/bin/../bin/true"]),
    ]
    .into_iter()
    .filter(|(_, argv)| runs(argv))
    .collect();
    let open = Confinement::built_in(Base::Open);
    let mut times = vec![Vec::new(); 4 + peers.len()];
    for _ in 0..RUNS {
        times[0].push(timed(|| assert!(Command::new(PROGRAM).env_clear().status().unwrap().success())));
        times[1].push(timed(|| bench.spawn(&open)));
        times[2].push(timed(|| bench.spawn(&Confinement::built_in(Base::Sealed))));
        times[3].push(timed(|| bench.spawn(&Confinement::built_in(Base::Inspect))));
        for (times, (_, argv)) in times[4..].iter_mut().zip(&peers) {
            times.push(timed(|| assert!(runs(argv))));
        }
    }
    let names = ["posix_spawn, nothing held", "postern, open", "postern, sealed", "postern, inspect"];
    say("\nOne command, prepared, started and waited for, in microseconds\n");
    say(&format!("{:>10} {:>8} {:>12} {:>10}   what", "median", "p10", "over bare", "to bare"));
    let bare = median(&mut times[0]);
    for (name, mut times) in names.into_iter().chain(peers.iter().map(|(name, _)| *name)).zip(times) {
        let (median, low) = (median(&mut times), times[RUNS / 10]);
        let over = median.as_micros() as i64 - bare.as_micros() as i64;
        let ratio = median.as_secs_f64() / bare.as_secs_f64();
        say(&format!("{:>10} {:>8} {over:>12} {ratio:>10.2}   {name}", median.as_micros(), low.as_micros()));
    }
    let missing = ["bwrap", "sudo"].into_iter().filter(|name| !runs(&[name, "--version"]));
    missing.for_each(|name| say(&format!("SKIPPED: {name} is not installed, or does not run here")));
}

fn say(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

fn runs(argv: &[&str]) -> bool {
    let status = Command::new(argv[0]).args(&argv[1..]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// What a session has: the same confiner for all of its commands.
struct Bench {
    confiner: Confiner,
    directory: Rc<OwnedFd>,
    null: Rc<OwnedFd>,
}

impl Bench {
    fn new() -> Bench {
        // NOEXEC for one spelling of the program, so that both ways can be had.
        let _ = fs::write("/etc/sudoers.d/postern-bench", "root ALL=(ALL) NOPASSWD: ALL, NOPASSWD: NOEXEC: /bin/../bin/true\n");
        let mut confiner = Confiner::new(Kernel::of_host(), Strength::BestEffort, Rulesets::for_session(None));
        confiner.set_apart();
        let directory = Rc::new(open("/", OFlag::O_PATH, Mode::empty()).unwrap());
        let null = open("/dev/null", OFlag::O_RDWR, Mode::empty()).unwrap();
        Bench { confiner, directory, null: Rc::new(copy_above_standard(null).unwrap()) }
    }

    fn spawn(&self, confinement: &Confinement) {
        let plan = self.confiner.plan(confinement).unwrap();
        let subject = Subject { program: Path::new(PROGRAM), identity: None, home: "/root", terminal: None };
        let prepared = Prepared::new(Spec {
            program: Path::new(PROGRAM),
            argv: &["true".to_owned()],
            environment: &["LANG=C".to_owned()],
            directory: Rc::clone(&self.directory),
            namespace: None,
            descriptors: std::array::from_fn(|_| Rc::clone(&self.null)),
            identity: None,
            capabilities: plan.capabilities,
            ruleset: self.confiner.ruleset(&plan, subject).unwrap(),
            calls: plan.calls,
            limits: Vec::new(),
        });
        let child = prepared.unwrap().spawn(Group::New, None).unwrap();
        waitpid(child.pid, None).unwrap();
    }
}
