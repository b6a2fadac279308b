//! `postern apply` and `postern rollback`: what is in force is the old policy or the new one, whole, whatever happens on the way.
#![allow(clippy::expect_used, clippy::indexing_slicing)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use postern::access::in_force::{InForce, NotInForce};
use postern::policy::Applied;
use postern::policy::applied::encode;
use postern::policy::compile::{Source, compile};
use postern::sys::file::{Directory, Owner, read_tree};

const POSTERN: &str = env!("CARGO_BIN_EXE_postern");

/// A state directory and three policies to put there.
struct Host {
    root: PathBuf,
}

impl Host {
    fn new(name: &str) -> Host {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("apply-{name}"));
        let _ = fs::remove_dir_all(&root);
        let host = Host { root };
        for (policy, rules) in [("a", 10), ("b", 400), ("c", 40)] {
            let forms: String = (0..rules).map(|number| format!("  - cmd{number}\n")).collect();
            host.write(&format!("{policy}/policy.yaml"), &format!("postern: 1\nallow:\n  - only-{policy}\n{forms}"));
        }
        host
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.root.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::set_permissions(path.parent().expect("a parent"), fs::Permissions::from_mode(0o755)).expect("a mode");
        fs::set_permissions(&self.root, fs::Permissions::from_mode(0o755)).expect("a mode");
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("a mode");
    }

    fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    /// A `postern` command on this host.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(POSTERN);
        command.arg(arguments[0]).arg("--state").arg(self.state()).args(&arguments[1..]).current_dir(&self.root);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("postern")
    }

    /// Runs a command that must succeed.
    fn done(&self, arguments: &[&str]) {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// The digest of a policy's sources.
    fn digest(&self, policy: &str) -> String {
        let sources: Vec<Source> =
            read_tree(&self.root.join(policy), Owner::Caller).expect("a tree").into_iter().map(Source::from).collect();
        Applied::from_sources(&sources).expect("a policy").0.digest().to_owned()
    }

    /// The digest of a file of the state directory, all of it verified; `None` when there is none.
    fn whole(&self, name: &str) -> Option<String> {
        let file = fs::File::open(self.state().join(name)).ok()?;
        let policy = Applied::open(Box::new(file)).expect("a whole header");
        policy.verify().expect("a whole policy");
        Some(policy.digest().to_owned())
    }

    /// Every file of the state directory with its content.
    fn snapshot(&self) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(self.state())
            .expect("a directory")
            .map(|entry| entry.expect("an entry").path())
            .map(|path| (path.display().to_string(), fs::read(&path).unwrap_or_default()))
            .collect();
        files.sort();
        files
    }
}

#[test]
fn apply_puts_in_force_and_rollback_takes_back() {
    let host = Host::new("plain");
    let (a, b) = (host.digest("a"), host.digest("b"));
    host.done(&["apply", "a"]);
    assert_eq!((host.whole("applied"), host.whole("previous")), (Some(a.clone()), None));
    let output = host.run(&["apply", "b"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("policy {b} is in force\n391 rules added, 1 rule removed\n"));
    assert_eq!((host.whole("applied"), host.whole("previous")), (Some(b.clone()), Some(a.clone())));
    let again = host.run(&["apply", "b"]);
    assert_eq!(String::from_utf8_lossy(&again.stdout), format!("nothing has changed: policy {b} is in force already\n"));
    assert_eq!(host.whole("previous"), Some(a.clone()), "the same policy again does not push out the one before");
    let output = host.run(&["rollback"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("policy {a} is in force\n"));
    assert_eq!((host.whole("applied"), host.whole("previous")), (Some(a.clone()), Some(b.clone())));
    host.done(&["rollback"]);
    assert_eq!((host.whole("applied"), host.whole("previous")), (Some(b), Some(a)));

    let mode = |name: &str| fs::metadata(host.state().join(name)).expect("a file").permissions().mode() & 0o7777;
    assert_eq!((mode("applied"), mode("previous"), mode("home"), mode("")), (0o644, 0o644, 0o755, 0o755));
    assert_eq!(fs::read_dir(host.state()).expect("a directory").count(), 3, "applied, previous and home, nothing left over");
}

#[test]
fn broken_or_unsafe_sources_change_nothing() {
    let host = Host::new("broken");
    host.done(&["apply", "a"]);
    host.done(&["apply", "b"]);
    let before = host.snapshot();
    let refused = |arguments: &[&str], status: i32, message: &str| {
        let output = host.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
        assert!(said.contains(message), "{arguments:?}: {said}");
        assert_eq!(host.snapshot(), before, "{arguments:?}");
    };
    host.write("bad/policy.yaml", "postern: 1\nalow: [x]\n");
    refused(&["apply", "bad"], 1, "policy.yaml:2:1: error: unknown key `alow`");
    host.write("half/policy.yaml", "postern: 1\nallow: [uptime]\n");
    host.write("half/policy.d/x.yaml", "postern: 1\nallow: [up");
    refused(&["apply", "half"], 1, "policy.d/x.yaml:2:8: error: not YAML");
    host.write("half/policy.d/x.yaml", "postern: 1\nallow: [up]\n");
    fs::set_permissions(host.root.join("half/policy.d/x.yaml"), fs::Permissions::from_mode(0o666)).expect("a mode");
    refused(&["apply", "half"], 3, "run `chmod go-w ");
    refused(&["apply", "missing"], 3, "No such file or directory");
    refused(&["apply", "a/policy.yaml"], 3, "is a file, not a directory");
    refused(&["apply", "a", "b"], 2, "too many operands");
    refused(&["aply", "a"], 2, "did you mean `apply`?");
}

#[test]
fn killed_at_any_system_call_it_leaves_the_old_or_the_new_policy_whole() {
    let host = Host::new("faults");
    let digests = [host.digest("a"), host.digest("b"), host.digest("c")];
    host.done(&["apply", "a"]);
    host.done(&["apply", "b"]);
    // Every call that changes something; between two of them it does not matter when the end comes.
    let calls = ["fchmod", "write", "fsync", "linkat", "renameat", "renameat2", "unlinkat", "mkdirat", "flock"];
    let (mut kills, mut after_the_swap) = (0, 0);
    for (command, call) in [&["apply", "c"][..], &["rollback"]].into_iter().flat_map(|command| calls.map(|call| (command, call))) {
        for nth in 1.. {
            // From b in force and a before it, whatever the last round left.
            host.done(&["apply", "a"]);
            host.done(&["apply", "b"]);
            let plain = host.command(command);
            let mut strace = Command::new("strace");
            strace.args(["-f", "-o", "/dev/null", "-e"]).arg(format!("inject={call}:signal=KILL:when={nth}"));
            let output = strace.arg(plain.get_program()).args(plain.get_args()).current_dir(&host.root).output().expect("strace");
            let (applied, previous) = (host.whole("applied").expect("one in force"), host.whole("previous").expect("one before"));
            assert!(digests.contains(&applied) && digests.contains(&previous), "{command:?} killed at {call} {nth}");
            let in_force = InForce::open(&host.state(), Owner::Caller).expect("one in force");
            assert!(in_force.damage.is_none() && in_force.policy.digest() == applied);
            if command[0] == "apply" && applied == digests[2] {
                // The next one finishes what was begun: the way back leads to what was in force.
                after_the_swap += 1;
                host.done(&["rollback"]);
                assert_eq!(host.whole("applied"), Some(digests[1].clone()), "killed at {call} {nth}");
            }
            if output.status.success() {
                break;
            }
            kills += 1;
        }
    }
    assert!(kills >= 15 && after_the_swap >= 5, "{kills} kills, {after_the_swap} of them after the swap");
}

#[test]
fn killed_at_a_random_moment_it_leaves_the_old_or_the_new_policy_whole() {
    let host = Host::new("killed");
    let digests = [host.digest("a"), host.digest("b")];
    host.done(&["apply", "a"]);
    let start = Instant::now();
    host.done(&["apply", "b"]);
    let usual = start.elapsed();
    for round in 0..150u32 {
        let mut child = host.command(&["apply", if round % 2 == 0 { "a" } else { "b" }]).stdout(Stdio::null()).spawn().expect("postern");
        // Spreads the kills over a little more than the usual time.
        std::thread::sleep(usual.mul_f64(f64::from(round * 37 % 120) / 100.0));
        child.kill().expect("killed");
        child.wait().expect("ended");
        assert!(digests.contains(&host.whole("applied").expect("a policy in force")), "round {round}");
        assert!(digests.contains(&host.whole("previous").expect("a policy before")), "round {round}");
    }
    host.done(&["apply", "a"]);
    host.done(&["apply", "b"]);
    assert_eq!((host.whole("applied"), host.whole("previous")), (Some(digests[1].clone()), Some(digests[0].clone())));
}

#[test]
fn a_full_disk_changes_nothing() {
    let host = Host::new("full");
    let (a, size) = (host.digest("a"), 64 << 10);
    let sources = [Source::from(("policy.yaml".to_owned(), fs::read(host.root.join("b/policy.yaml")).expect("a file")))];
    assert!(encode(&compile(&sources).expect("a policy")).expect("bytes").len() > size, "b does not fit");
    // In a mount namespace of its own, which takes the small file system with it.
    let script = format!(
        "mkdir state && mount -t tmpfs -o size={size},mode=755 none state && {POSTERN} apply --state state a && cp state/applied before || exit 90
         {POSTERN} apply --state state b; status=$?
         cmp state/applied before && test \"$(ls -A state)\" = \"$(printf 'applied\\nhome')\" || exit 91
         exit $status"
    );
    let output = Command::new("unshare").args(["--mount", "sh", "-c", &script]).current_dir(&host.root).output().expect("unshare, as root");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("No space left on device"), "{said}");
    assert!(String::from_utf8_lossy(&output.stdout).contains(&a));
}

#[test]
fn of_two_at_once_one_is_told_to_wait() {
    let host = Host::new("two");
    host.done(&["apply", "a"]);
    let held = Directory::open(&host.state(), Owner::Caller).and_then(|state| state.lock()).expect("the lock");
    for arguments in [&["apply", "b"][..], &["rollback"]] {
        let output = host.run(arguments);
        assert_eq!(output.status.code(), Some(3));
        assert!(String::from_utf8_lossy(&output.stderr).contains("another process is changing it"));
        assert_eq!(host.whole("applied"), Some(host.digest("a")));
    }
    drop(held);
    let children: Vec<_> = (0..12).map(|round| host.command(&["apply", ["a", "b", "c"][round % 3]]).output()).collect();
    assert!(children.into_iter().all(|output| output.is_ok()));
    let racing: Vec<_> = (0..12)
        .map(|round| {
            host.command(&["apply", ["a", "b", "c"][round % 3]]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("postern")
        })
        .collect();
    let codes: Vec<_> = racing.into_iter().map(|mut child| child.wait().expect("ended").code()).collect();
    assert!(codes.contains(&Some(0)) && codes.iter().all(|code| matches!(code, Some(0 | 3))), "{codes:?}");
    assert!(host.whole("applied").is_some() && host.whole("previous").is_some());
    assert_eq!(fs::read_dir(host.state()).expect("a directory").count(), 3, "nothing left over");
}

#[test]
fn a_damaged_policy_gives_way_to_the_one_before_with_an_alert() {
    let host = Host::new("damaged");
    let open = || InForce::open(&host.state(), Owner::Caller);
    assert!(matches!(open(), Err(NotInForce::Nothing)));
    host.done(&["apply", "a"]);
    host.done(&["apply", "b"]);
    let (applied, previous) = (host.state().join("applied"), host.state().join("previous"));
    let sound = fs::read(&applied).expect("a file");
    for damage in [&b""[..], b"something else", &sound[..200], &[&sound[..150], &[0xff], &sound[151..]].concat()] {
        fs::write(&applied, damage).expect("a file");
        let in_force = open().expect("the one before");
        assert_eq!(in_force.policy.digest(), host.digest("a"));
        assert!(in_force.damage.expect("an alert").contains("is damaged"));
    }
    fs::write(&applied, &sound).expect("a file");
    fs::set_permissions(&applied, fs::Permissions::from_mode(0o666)).expect("a mode");
    assert!(open().expect("the one before").damage.expect("an alert").contains("can be written by its group and everyone"));
    fs::remove_file(&applied).expect("removed");
    assert!(open().expect("the one before").damage.expect("an alert").contains("is missing"));

    // Rules are verified when they are read, and then too the one before can be had.
    fs::write(&applied, [&sound[..sound.len() - 1], b"x"].concat()).expect("a file");
    let in_force = open().expect("a sound header");
    assert!(in_force.damage.is_none());
    let damaged = (0..400).find_map(|number| in_force.policy.rules(&format!("cmd{number}")).err()).expect("damage");
    let before = InForce::previous(&host.state(), Owner::Caller, &damaged).expect("the one before");
    assert_eq!((before.policy.digest(), before.damage), (host.digest("a").as_str(), Some(damaged.to_string())));

    // A new policy does not keep a damaged one as the one before; a rollback drops it.
    host.done(&["apply", "c"]);
    assert_eq!((host.whole("applied"), host.whole("previous")), (Some(host.digest("c")), Some(host.digest("a"))));
    fs::write(&applied, b"junk").expect("a file");
    host.done(&["rollback"]);
    assert_eq!((host.whole("applied"), host.whole("previous")), (Some(host.digest("a")), None));
    assert_eq!(host.run(&["rollback"]).status.code(), Some(3), "nothing to go back to");
    fs::write(&applied, b"junk").expect("a file");
    fs::write(&previous, b"junk").expect("a file");
    assert!(matches!(open(), Err(NotInForce::Both { .. })));
    assert_eq!(host.run(&["rollback"]).status.code(), Some(3), "a damaged one is no way back");
}

#[test]
fn an_open_policy_stays_as_it_is_and_tells_when_another_is_in_force() {
    let host = Host::new("current");
    host.done(&["apply", "a"]);
    let in_force = InForce::open(&host.state(), Owner::Caller).expect("a policy");
    assert!(in_force.is_current());
    host.done(&["apply", "a"]);
    assert!(in_force.is_current(), "the same policy again changes nothing");
    host.done(&["apply", "b"]);
    assert!(!in_force.is_current());
    assert!(in_force.policy.rules("only-a").expect("sound").is_some(), "still the policy that was opened");
    in_force.policy.verify().expect("sound");
}

#[test]
fn check_reports_on_both_streams_and_changes_nothing() {
    let host = Host::new("check");
    host.write("warned/policy.yaml", "postern: 1\nallow: [ls, df]\ndeny: [reboot]\n");
    host.write("bad/policy.yaml", "postern: 1\nalow: [ls]\nhost: [x]\n");
    for (path, status, out, err) in [
        ("a", 0, "1 file, 11 rules, 11 commands, 0 warnings\n", ""),
        ("a/policy.yaml", 0, "1 file, 11 rules, 11 commands, 0 warnings\n", ""),
        (
            "warned",
            0,
            "1 file, 3 rules, 3 commands, 1 warning\n",
            "policy.yaml:3:8: warning: this denies the command without arguments only",
        ),
        ("bad", 1, "1 file, 2 errors, 0 warnings\n", "did you mean `hosts`?"),
        ("missing", 3, "", "No such file or directory"),
    ] {
        let output = Command::new(POSTERN).args(["check", path]).current_dir(&host.root).output().expect("postern");
        assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stdout)), (Some(status), out), "{path}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(err) && said.is_empty() == err.is_empty(), "{path}: {said}");
    }
    assert!(!host.state().exists());
}

#[test]
fn a_reader_that_went_away_is_no_crash() {
    let host = Host::new("pipe");
    let mut child = host.command(&["apply", "a"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("postern");
    drop((child.stdout.take(), child.stderr.take()));
    let deadline = Instant::now() + Duration::from_secs(60);
    let status = child.wait().expect("ended");
    assert!(status.success() && Instant::now() < deadline, "{status}");
    assert!(host.whole("applied").is_some());
}
