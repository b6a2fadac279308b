//! `postern doctor` on a whole host: an install as the README has it is well, and each way to break it is found, by its id, and mended by
//! the command that is printed.
//!
//! Runs inside `tests/sandbox`, which says how; outside, every test says that it was skipped.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod breaks;
mod install;
mod installs;
#[path = "../ssh/process.rs"]
#[allow(dead_code, reason = "shared with tests that talk to programs")]
mod process;
#[path = "../ssh/sandbox.rs"]
mod sandbox;

use std::collections::BTreeSet;
use std::process::Command;

use postern::confine::Kernel;
use serde_json::Value;

use self::install::{ACCOUNT, doctor, host, shell};
use self::process::{must, run};
use self::sandbox::skip;

#[test]
fn an_install_as_the_readme_says_has_no_problem() {
    let Some(host) = host() else { return };
    let mut problems: Vec<String> =
        host.findings().into_iter().filter(|finding| finding.level == "problem").map(|finding| finding.id).collect();
    let kernel = Kernel::of_host();
    if kernel.landlock == 0 || !kernel.filter || !kernel.listener {
        skip(&format!("that a host without problems is well: this kernel lacks protections that the shipped policy asks for ({kernel:?})"));
        assert!(problems.iter().any(|id| id == "kernel.protections"), "{problems:?}");
        problems.retain(|id| !id.starts_with("kernel."));
    }
    assert_eq!(problems, [""; 0]);
}

/// What the README and Debian leave open is said, and the commands that are printed close it.
#[test]
fn what_an_install_leaves_open_can_be_closed() {
    let Some(host) = host() else { return };
    let before = host.findings();
    for id in ["account.home", "session.environment"] {
        assert!(before.iter().any(|finding| finding.id == id), "{id} in {before:?}");
    }
    for finding in &before {
        if let Some(command) = finding.command.as_ref().filter(|_| !finding.id.starts_with("kernel.")) {
            shell(command);
        }
    }
    let left: BTreeSet<_> = host.findings().into_iter().filter(|finding| finding.command.is_some()).collect();
    host.restore();
    assert!(left.iter().all(|finding| finding.id.starts_with("kernel.")), "{left:?}");
    assert_eq!(host.findings(), before);
}

/// As monitoring runs it that is not root's: what it cannot see it says, and it claims nothing.
#[test]
fn who_is_not_root_is_told_what_was_not_looked_at() {
    let Some(_host) = host() else { return };
    let mut unprivileged = Command::new("setpriv");
    unprivileged.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--", "/usr/bin/postern", "doctor", "--json"]);
    let report: Value = serde_json::from_slice(&run(&mut unprivileged, b"").out).unwrap();
    let skipped = |id: &str| {
        let found = report["findings"].as_array().unwrap().iter().find(|finding| finding["id"] == id).unwrap();
        (found["level"].as_str().unwrap().to_owned(), found["message"].as_str().unwrap().to_owned())
    };
    for id in ["sshd.config", "sshd.command", "account.password"] {
        let (level, message) = skipped(id);
        assert!(level == "skipped" && message.contains("only root"), "{id}: {level}: {message}");
    }
    assert_eq!(skipped("policy.applied").0, "ok");
}

#[test]
fn the_report_is_ascii_and_the_text_harmless_whatever_is_found() {
    let Some(host) = host() else { return };
    shell("touch $'/etc/postern/policy.d/\\e[2Jgr\u{fc}n.yml'");
    let (json, text) = (run(&mut doctor(), b""), run(Command::new("/usr/bin/postern").arg("doctor"), b""));
    host.restore();
    assert!(json.out.trim_ascii_end().iter().all(|byte| (b' '..=b'~').contains(byte)), "{}", json.out());
    let report: Value = serde_json::from_slice(&json.out).unwrap();
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    assert!(report["host"].as_str().is_some_and(|host| !host.is_empty()));
    assert!(!text.out.contains(&0x1b) && text.out().contains("^[[2Jgr\u{fc}n.yml"), "{}", text.out());
    let last = text.out().lines().last().unwrap().to_owned();
    assert!(last.contains(" problem") && last.contains(" warning") && last.contains(" note"), "{last}");
}

#[test]
fn accounts_are_found_or_named() {
    let Some(_host) = host() else { return };
    let found = |arguments: &[&str]| {
        let report: Value = serde_json::from_slice(&run(doctor().args(arguments), b"").out).unwrap();
        let found = report["findings"].as_array().unwrap().iter().find(|finding| finding["id"] == "account.found").unwrap().clone();
        found["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(found(&[]), ACCOUNT);
    assert_eq!(found(&["--account", "daemon", "--account", "nobody"]), format!("{ACCOUNT}, daemon, nobody"));
    let finished = run(doctor().args(["--account", "no-such-account"]), b"");
    assert_eq!((finished.status, finished.err().as_str()), (2, "postern: there is no account no-such-account\n"));
    must(Command::new("/usr/bin/postern").args(["help", "doctor"]));
}
