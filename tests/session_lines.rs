//! Lines without a person: `-c`, `--forced` and standard input. Silent, byte-exact, with the exact exit status.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "support/house.rs"]
#[allow(dead_code)]
mod house;

use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use house::House;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use postern::record::join;

type Record = serde_json::Map<String, serde_json::Value>;

/// Gives the shell lines on its standard input.
fn feed(house: &House, input: &[u8]) -> Output {
    feed_to(&mut house.shell(&[]), input)
}

fn feed_to(shell: &mut Command, input: &[u8]) -> Output {
    let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A shell that ends early does not read the rest.
    let _ = shell.stdin.take().unwrap().write_all(input);
    shell.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_command_writes_what_it_writes_and_the_shell_adds_nothing() {
    let house = House::new();
    for (line, stdout) in [("echo a", "a\n"), (r"printf 'x\0\1\377'", "x\0\u{1}"), ("true", ""), ("", ""), ("# nothing", "")] {
        let output = house.run(line);
        assert!(output.stdout.starts_with(stdout.as_bytes()), "{line}: {:?}", text(&output.stdout));
        assert_eq!((text(&output.stderr), output.status.code()), (String::new(), Some(0)), "{line}");
    }
}

#[test]
fn exit_statuses_say_what_happened() {
    let house = House::new();
    for (line, status) in [
        ("true", 0),
        ("false", 1),
        ("false || true", 0),
        ("! true", 1),
        ("echo $(id)", 2),
        ("id", 126),
        ("echo a; id", 126),
        ("postern-is-not-installed", 127),
        ("exit 7", 7),
        ("exit 256", 2),
        ("cd /nonexistent", 1),
    ] {
        let output = house.run(line);
        assert_eq!(output.status.code(), Some(status), "{line}: {}", text(&output.stderr));
        if status >= 2 && !line.starts_with("exit 7") {
            assert!(output.stderr.starts_with(b"posternsh: "), "{line}: {}", text(&output.stderr));
        }
    }
}

#[test]
fn a_refusal_says_what_to_type_instead_and_that_runs() {
    let house = House::new();
    for (line, last) in [
        ("sudo ls -l /", "posternsh: hint: leave it out: a rule says by itself as whom its command runs; try: ls -l /"),
        ("ehco 'a  b'", "posternsh: try: echo 'a  b'"),
        ("echo a > /etc/motd", "try: echo a"),
        ("which cat", "posternsh: hint: `help cat` shows what of it you may run"),
        ("systemctl restart x", "posternsh: try: systemctl status x"),
    ] {
        let output = house.run(line);
        let told = text(&output.stderr);
        assert!(output.status.code() == Some(126) && told.trim_end().ends_with(last), "{line}: {told}");
        let proposed = told.trim_end().split_once("try: ").map(|(_, proposed)| proposed.to_owned());
        if let Some(proposed) = proposed.filter(|line| !line.starts_with("systemctl")) {
            assert!(house.run(&proposed).status.success(), "{proposed}");
        }
    }
    let told = text(&house.run("id").stderr);
    assert!(!told.contains("hint:") && !told.contains("try:"), "nothing is near: {told}");
    let told = text(&house.run("explain sudo ls").stdout);
    assert!(told.ends_with("; try: ls\n"), "{told}");
}

#[test]
fn a_line_runs_as_a_whole_or_not_at_all() {
    let house = House::new();
    let output = house.run("echo first && id");
    assert_eq!((output.stdout.as_slice(), output.status.code()), (&b""[..], Some(126)));
    assert!(house.events("command.start").is_empty());
}

#[test]
fn what_the_shell_itself_cannot_do_is_125_and_no_strike() {
    let house = House::with("strikes: 1");
    let shell = house.shell(&[]);
    let mut few_descriptors = Command::new("prlimit");
    few_descriptors.arg("--nofile=16").arg(shell.get_program()).args(shell.get_args());
    let output = feed_to(&mut few_descriptors, b"echo a\nexit $?\n");
    assert_eq!((output.stdout.as_slice(), output.status.code()), (&b""[..], Some(125)), "{}", text(&output.stderr));
    assert!(text(&output.stderr).starts_with("posternsh: not possible: "), "{}", text(&output.stderr));
    assert_eq!((house.events("command.deny").len(), &house.events("session.end")[0]["reason"]), (1, &"exit".into()));
}

#[test]
fn every_attempt_is_on_record() {
    let house = House::new();
    for line in ["echo a", "id", "echo $(id)", "pwd"] {
        house.run(line);
    }
    let names: Vec<String> = house.records().iter().map(|record| record["event"].as_str().unwrap().to_owned()).collect();
    let ran = ["session.start", "command.start", "command.end", "session.end"];
    let denied = ["session.start", "command.deny", "session.end"];
    assert_eq!(names, [&ran[..], &denied, &denied, &ran].concat());
}

#[test]
fn a_command_reads_what_stands_behind_its_line() {
    let house = House::new();
    let output = feed(&house, b"echo a\nhead -n 1\nfor head\necho b\n");
    // head(1) reads more than its line from a pipe; what matters is that the shell took no byte of it.
    assert!(text(&output.stdout).starts_with("a\nfor head\n"), "{}", text(&output.stdout));
    let output = feed(&house, b"cat\nall the rest\n\xff");
    assert_eq!(output.stdout, b"all the rest\n\xff");
}

#[test]
fn lines_from_standard_input_end_with_the_status_of_the_last() {
    let house = House::new();
    for (input, stdout, status) in [
        (&b"echo a\necho b\n"[..], "a\nb\n", 0),
        (b"echo a\nfalse", "a\n", 1),
        (b"id\necho b\n", "b\n", 0),
        (b"echo $(id)\necho b\n", "", 2),
        (b"exit 5\necho b\n", "", 5),
        (b"", "", 0),
    ] {
        let output = feed(&house, input);
        assert_eq!((text(&output.stdout).as_str(), output.status.code()), (stdout, Some(status)), "{:?}", text(input));
    }
}

/// Starts the shell, piped, and waits until it handles signals.
fn start(house: &House, arguments: &[&str]) -> Child {
    let shell = house.shell(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    await_signals(&shell);
    shell
}

fn await_signals(shell: &Child) {
    let caught = |status: &str| {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:\t"));
        mask.is_some_and(|mask| u64::from_str_radix(mask, 16).unwrap() & 1 << (Signal::SIGINT as u32 - 1) != 0)
    };
    while !caught(&std::fs::read_to_string(format!("/proc/{}/status", shell.id())).unwrap()) {
        std::thread::yield_now();
    }
}

fn send(shell: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(shell.id()).unwrap()), signal).unwrap();
}

/// The exit status of a shell that ends by itself, its input open.
fn ended(shell: &mut Child) -> Option<i32> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while shell.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            shell.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    shell.wait().unwrap().code()
}

/// A syslog socket with no room, which holds a session up for a moment before its first line.
fn full_syslog(house: &House) -> UnixDatagram {
    let path = house.directory().join("log");
    let socket = UnixDatagram::bind(&path).unwrap();
    let client = UnixDatagram::unbound().unwrap();
    client.set_nonblocking(true).unwrap();
    while client.send_to(b"full", &path).is_ok() {}
    let policy = std::fs::read_to_string(house.policy()).unwrap();
    std::fs::write(house.policy(), policy.replace("syslog: none", &format!("syslog: '{}'", path.display()))).unwrap();
    socket
}

#[test]
fn no_process_of_the_same_account_sees_the_shells_memory() {
    let house = House::new();
    let records = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(house.directory().join("records"), records).unwrap();
    let mut command = house.shell(&[]);
    if nix::unistd::geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    let Ok(mut shell) = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
        let _ = writeln!(std::io::stderr().lock(), "SKIPPED: this checkout is where another user cannot run anything");
        return;
    };
    await_signals(&shell);
    // proc(5): what belongs to root here although it runs as somebody else is not dumpable.
    let owner = std::fs::metadata(format!("/proc/{}/mem", shell.id())).unwrap().uid();
    assert_eq!(owner, 0);
    drop(shell.stdin.take());
    assert_eq!(shell.wait().unwrap().code(), Some(0));
}

#[test]
fn a_signal_before_a_line_starts_lets_nothing_run_and_is_on_record() {
    for (signal, status, reason, end) in [
        (Signal::SIGHUP, 129, "hangup", "hangup"),
        (Signal::SIGTERM, 143, "terminated", "terminated"),
        (Signal::SIGINT, 130, "interrupted", "exit"),
    ] {
        let house = House::new();
        let _syslog = full_syslog(&house);
        let mut shell = start(&house, &["-c", "sleep 6; echo done"]);
        send(&shell, signal);
        assert_eq!(shell.wait().unwrap().code(), Some(status), "{signal}");
        let (command, session) = (&house.events("command.end")[0], &house.events("session.end")[0]);
        assert_eq!((&command["line"], &command["reason"]), (&"sleep 6; echo done".into(), &reason.into()), "{signal}");
        assert!(command["stages"].as_array().unwrap().iter().all(|stage| stage["pid"].is_null()), "{signal}: {command}");
        assert_eq!(session["reason"], end, "{signal}");
    }
}

#[test]
fn a_signal_around_the_end_of_a_line_ends_the_session() {
    let house = House::new();
    for delay in 0..40 {
        let mut shell = start(&house, &[]);
        let mut input = shell.stdin.take().unwrap();
        input.write_all(b"echo ran\n").unwrap();
        shell.stdout.as_mut().unwrap().read_exact(&mut [0; 4]).unwrap();
        std::thread::sleep(Duration::from_micros(delay * 25));
        send(&shell, Signal::SIGTERM);
        assert_eq!(ended(&mut shell), Some(143), "after {delay}");
    }
    assert!(house.events("session.end").iter().all(|end| end["reason"] == "terminated"));
}

#[test]
fn a_signal_that_means_nothing_to_a_shell_does_not_end_a_session() {
    let house = House::new();
    let mut shell = start(&house, &[]);
    for signal in [Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGIO, Signal::SIGVTALRM] {
        send(&shell, signal);
    }
    drop(shell.stdin.take());
    assert_eq!(ended(&mut shell), Some(0));
    assert_eq!(house.events("session.end")[0]["reason"], "exit");
}

#[test]
fn the_maximum_ends_a_session_that_waits_for_lines() {
    let house = House::with("max: 1s");
    let mut shell = start(&house, &[]);
    let input = shell.stdin.take();
    assert_eq!(ended(&mut shell), Some(124));
    assert_eq!(house.events("session.end")[0]["reason"], "max");
    drop(input);
}

#[test]
fn a_line_after_the_maximum_is_refused() {
    let house = House::with("max: 1s");
    let _syslog = full_syslog(&house);
    // One that is stopped too late runs its line in time.
    for sessions in 0..10 {
        let mut shell = start(&house, &["-c", "echo late"]);
        while std::fs::read_dir(house.directory().join("records")).unwrap().count() == sessions {
            std::thread::yield_now();
        }
        send(&shell, Signal::SIGSTOP);
        std::thread::sleep(Duration::from_millis(1100));
        send(&shell, Signal::SIGCONT);
        let status = ended(&mut shell);
        if let Some(refused) = house.events("command.deny").first() {
            assert_eq!((status, &refused["line"], &refused["decision"]), (Some(124), &"echo late".into(), &"deny".into()));
            assert_eq!(house.events("session.end").last().unwrap()["reason"], "max");
            return;
        }
    }
    panic!("no line was refused");
}

#[test]
fn a_line_whose_cd_leads_nowhere_is_refused() {
    let house = House::new();
    let output = house.run("cd '/no\u{a9}where' && echo a");
    assert_eq!((output.stdout.as_slice(), output.status.code()), (&b""[..], Some(1)));
    assert!(house.events("command.start").is_empty());
    let refused = &house.events("command.deny")[0];
    assert_eq!((&refused["decision"], &refused["line"]), (&"deny".into(), &"cd '/no\u{a9}where' && echo a".into()));
    assert_eq!(refused["reason"], "cd: /no\u{a9}where: no such file or directory");
    assert_eq!(house.events("session.end")[0]["denied"], 1);
}

#[test]
fn an_input_that_cannot_be_read_ends_the_session_in_error() {
    let house = House::new();
    let output = house.shell(&[]).stdin(std::fs::File::open("/").unwrap()).output().unwrap();
    assert_eq!(
        (text(&output.stderr).as_str(), output.status.code()),
        ("posternsh: standard input cannot be read: Is a directory\n", Some(125))
    );
    assert_eq!(house.events("session.end")[0]["reason"], "error");
}

#[test]
fn a_line_that_is_too_long_is_refused_and_all_of_it_on_record() {
    for (length, recorded, reason) in [
        (4097, 4097, "the line is longer than 4096 bytes"),
        (64 << 10, 64 << 10, "the line is longer than 4096 bytes"),
        (100_000, 64 << 10, "the line is longer than 4096 bytes: it has 100000, of which the first 65536 are on record"),
    ] {
        let house = House::new();
        let line = [b"echo ".as_slice(), &vec![b'x'; length - 5]].concat();
        let output = feed(&house, &[&line, b"\necho b\n".as_slice()].concat());
        assert_eq!((output.stdout.as_slice(), output.status.code()), (&b""[..], Some(2)), "{length}");
        assert!(text(&output.stderr).starts_with(&format!("posternsh: {reason}\n")), "{}", text(&output.stderr));
        assert!(output.stderr.len() < 1000, "{}", text(&output.stderr));
        let refused = &house.events("command.deny")[0];
        assert_eq!((&refused["decision"], &refused["reason"]), (&"invalid".into(), &reason.into()));
        assert_eq!(refused["line"].as_str().unwrap().as_bytes(), &line[..recorded], "{length}");
    }
}

#[test]
fn a_line_of_an_argument_is_on_record_however_long() {
    let house = House::new();
    let line = format!("echo {}", "x".repeat(100_000));
    assert_eq!(house.run(&line).status.code(), Some(2));
    assert_eq!(house.events("command.deny")[0]["line"].as_str().unwrap(), line);
}

#[test]
fn the_original_command_is_read_where_sshd_forces_this_shell_and_nowhere_else() {
    let house = House::new();
    for (arguments, stdout) in
        [(&["--forced"][..], "original\n"), (&["-c", "posternsh --forced"], "original\n"), (&["-c", "echo given"], "given\n"), (&[], "")]
    {
        let shell = house.shell(arguments).env("SSH_ORIGINAL_COMMAND", "echo original").stdin(Stdio::null()).output().unwrap();
        assert_eq!((text(&shell.stdout).as_str(), shell.status.code()), (stdout, Some(0)), "{arguments:?}");
    }
}

#[test]
fn a_forced_line_is_not_read_a_second_time() {
    let house = House::new();
    let output = house.shell(&["--forced"]).env("SSH_ORIGINAL_COMMAND", "posternsh --forced").stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(126));
}

#[test]
fn an_address_that_sshd_does_not_vouch_for_is_none() {
    // As `su breakglass` hands it on. Over sshd it counts: tests/ssh.
    let house = House::new();
    house.shell(&["-c", "true"]).env("SSH_CONNECTION", "10.1.2.3 50022 10.0.0.1 22").output().unwrap();
    let records = house.records();
    assert!(!records.is_empty() && records.iter().all(|record| record["from"].is_null()), "{records:?}");
}

#[test]
fn whatever_is_wrong_with_the_start_is_125_and_no_session() {
    let house = House::new();
    for arguments in [&["--norc"][..], &["-x"], &["script"], &["-c"], &["--policy", "/nonexistent"]] {
        let output = house.shell(arguments).stdin(Stdio::null()).output().unwrap();
        assert_eq!((output.stdout.as_slice(), output.status.code()), (&b""[..], Some(125)), "{arguments:?}");
        assert!(output.stderr.starts_with(b"posternsh: "), "{arguments:?}");
    }
    assert!(house.records().is_empty());
}

#[test]
fn a_start_that_is_refused_is_on_record_where_no_policy_says_otherwise() {
    if !Path::new("/run/postern-test").is_dir() {
        let _ = writeln!(std::io::stderr().lock(), "SKIPPED: it would write to this machine's log, and is not inside tests/sandbox");
        return;
    }
    let log = Path::new("/var/log/postern");
    std::fs::create_dir_all(log).unwrap();
    let house = House::new();
    let unknown = format!("--{}", house.directory().file_name().unwrap().display());
    let borrowed = house.directory().join("posternsh");
    std::fs::copy(env!("CARGO_BIN_EXE_posternsh"), &borrowed).unwrap();
    std::fs::set_permissions(&borrowed, PermissionsExt::from_mode(0o4755)).unwrap();
    let mut set_user_id = Command::new(&borrowed);
    set_user_id.args(["-c", "true"]).uid(65534).gid(65534);
    let mut applied = Command::new(env!("CARGO_BIN_EXE_posternsh"));
    applied.args(["-c", "true"]);
    for (mut shell, uid, reason) in [
        (house.shell(&[&unknown]), 0, unknown.as_str()),
        (house.shell(&["-c"]), 0, "-c"),
        (applied, 0, "no policy is in force"),
        (set_user_id, 65534, "no policy is in force"),
    ] {
        let output = shell.stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(125), "{reason}: {}", text(&output.stderr));
        let files = std::fs::read_dir(log).unwrap().map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
        let refused = files.flat_map(|file| join(file.lines()).unwrap());
        let found = |record: &Record| {
            record["event"] == "session.deny" && record["uid"] == uid && record["reason"].as_str().unwrap().contains(reason)
        };
        let record = refused.filter(|record| found(record)).last().unwrap_or_else(|| panic!("{reason} is not on record"));
        assert_eq!(record["seq"], 1, "{reason}");
    }
}

#[test]
fn a_broken_policy_lets_nobody_in_and_says_where_it_is_broken() {
    let house = House::new();
    std::fs::write(house.policy(), "postern: 1\nalow: [echo]\n").unwrap();
    let output = house.run("echo a");
    assert_eq!(output.status.code(), Some(125));
    assert!(text(&output.stderr).contains("policy.yaml:2:1"), "{}", text(&output.stderr));
}

#[test]
fn without_a_place_for_records_nothing_runs() {
    let house = House::new();
    std::fs::remove_dir_all(house.directory().join("records")).unwrap();
    let output = house.run("echo a");
    assert_eq!((output.stdout.as_slice(), output.status.code()), (&b""[..], Some(125)));
}

#[test]
fn the_demo_runs_a_line_and_says_nothing_else() {
    let house = House::new();
    let mut demo = std::process::Command::new(env!("CARGO_BIN_EXE_posternsh"));
    let output = demo.args(["--demo", "-c", "uname"]).env("XDG_STATE_HOME", house.directory()).stdin(Stdio::null()).output().unwrap();
    assert_eq!((text(&output.stdout).as_str(), text(&output.stderr).as_str(), output.status.code()), ("Linux\n", "", Some(0)));
    let files = std::fs::read_dir(house.directory().join("postern")).unwrap().map(|entry| entry.unwrap().path());
    let mut kinds: Vec<_> = files.filter_map(|path| path.extension().map(|kind| kind.to_string_lossy().into_owned())).collect();
    kinds.sort();
    assert_eq!(kinds, ["cast", "jsonl"]);
}

#[test]
fn a_recording_that_breaks_off_is_said_aloud_and_on_record() {
    let house = House::new();
    let mut shell = Command::new("prlimit");
    let inner = house.shell(&["-c", "ls -l /usr/bin"]);
    // Room for the records, and for some of the recording.
    shell
        .arg("--fsize=8192")
        .arg(inner.get_program())
        .args(inner.get_args())
        .env_remove("SSH_ORIGINAL_COMMAND")
        .env_remove("SSH_CONNECTION");
    let output = shell.stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let said = text(&output.stderr);
    // Whether it shows while the command runs or behind it, depends on the disk.
    let (during, behind) = ("this session is not recorded any more", "the recording of this session is not whole");
    assert!(said.ends_with(": File too large (os error 27)\n") && (said.contains(during) || said.contains(behind)), "{said}");
    if said.contains(during) {
        assert_eq!(house.events("command.end")[0]["unrecorded"], "File too large (os error 27)");
    }
}
