//! `postern init` as an operator runs it: what it writes by flags, by answers on a terminal, and what it does not write over.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/pty.rs"]
#[allow(dead_code, reason = "shared with the tests of the editor")]
mod pty;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use postern::policy::shipped::PARTS;
use pty::Terminal;

/// Where a policy may be written, and is not yet.
fn place(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("init-{name}"));
    let _ = fs::remove_dir_all(&directory);
    directory
}

fn command(words: &[&str], directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command.args(words).arg(directory);
    command
}

/// The exit status of a run without a terminal, and all that was said.
fn postern(words: &[&str], directory: &Path) -> (i32, String) {
    let output = command(words, directory).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), said)
}

/// All files below a directory, in the order of their names.
fn files(directory: &Path) -> Vec<String> {
    let list = |directory: &Path| fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap()).collect::<Vec<_>>();
    let (directories, plain): (Vec<_>, Vec<_>) = list(directory).into_iter().partition(|entry| entry.file_type().unwrap().is_dir());
    let mut names: Vec<String> = plain.iter().map(|entry| entry.file_name().into_string().unwrap()).collect();
    for below in directories {
        let name = below.file_name().into_string().unwrap();
        names.extend(files(&below.path()).into_iter().map(|file| format!("{name}/{file}")));
    }
    names.sort();
    names
}

fn read(directory: &Path, name: &str) -> String {
    fs::read_to_string(directory.join(name)).unwrap()
}

#[test]
fn the_parts_that_are_named_are_written_in_the_order_of_the_shipped_ones_each_with_its_golden_lines() {
    let directory = place("parts");
    let (status, said) = postern(&["init", "--part", "redis", "--part", "git"], &directory);
    assert!(status == 0 && said.contains("of 2 parts: git, redis") && said.contains("postern apply"), "{status}: {said}");
    let expected = ["policy.d/05-git.golden", "policy.d/05-git.yaml", "policy.d/10-redis.golden", "policy.d/10-redis.yaml", "policy.yaml"];
    assert_eq!(files(&directory), expected);
    // As it is shipped, for the account that is meant if none is named.
    let shipped = PARTS.iter().find(|part| part.name == "redis").unwrap();
    let written = read(&directory, "policy.d/10-redis.yaml");
    assert!(written.contains("\naccounts: ['breakglass']\n"), "{written}");
    assert!(written.ends_with(shipped.policy.split_once("\npostern: 1\n").unwrap().1), "{written}");
}

#[test]
fn whom_a_policy_is_for_is_said_in_each_part_and_its_golden_lines_are_asked_for_them() {
    let directory = place("scopes");
    let flags = ["--account", "anna", "--account", "%dba", "--host", "db-*", "--host", "!db-9", "--from", "192.0.2.0/24"];
    let (status, said) = postern(&[&["init", "--part", "mysql", "--observe"][..], &flags].concat(), &directory);
    assert_eq!(status, 0, "{said}");
    let policy = read(&directory, "policy.d/05-mysql.yaml");
    for line in ["mode: observe", "hosts: ['db-*', '!db-9']", "accounts: ['anna', '%dba']", "from: ['192.0.2.0/24']"] {
        assert!(policy.contains(&format!("\n{line}\n")), "{line} in {policy}");
    }
    let golden = read(&directory, "policy.d/05-mysql.golden");
    for key in ["account:", "groups:", "host:", "from:"] {
        assert!(!golden.lines().any(|line| line.starts_with(key)), "the file beside it says {key} {golden}");
    }
    assert!(!read(&directory, "policy.yaml").contains("observe"), "the file for the host is for everybody");
    let (status, said) = postern(&["test"], &directory);
    assert!(status == 0 && said.ends_with(", 0 failed\n"), "{status}: {said}");
}

/// What is written is no worse than what it is made of: sound, its golden lines hold, and it has the findings of its parts and no others.
#[test]
fn what_is_written_is_sound() {
    for (account, observes) in [("breakglass", false), ("%oncall", true)] {
        let directory = place(&format!("sound-{observes}"));
        let observe = if observes { &["--observe"][..] } else { &[] };
        let (status, said) = postern(&[&["init", "--account", account, "--part", "all"][..], observe].concat(), &directory);
        assert_eq!(status, 0, "{said}");
        assert_eq!(files(&directory).len(), 2 * PARTS.len() + 1);
        for subcommand in ["check", "test"] {
            let (status, said) = postern(&[subcommand], &directory);
            assert_eq!(status, 0, "{subcommand} for {account}: {said}");
        }
    }
    let directory = place("lint");
    postern(&["init", "--part", "git"], &directory);
    let last = |directory: &Path| postern(&["lint"], directory).1.lines().last().unwrap().to_owned();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/git.yaml");
    assert_eq!(last(&directory), last(&shipped));
}

/// Without a word on parts it is those that the host has a use for: some every host has, others only with their programs.
#[test]
fn parts_are_chosen_by_the_programs_that_are_installed() {
    let directory = place("chosen");
    let (status, said) = postern(&["init"], &directory);
    assert_eq!(status, 0, "{said}");
    let named = files(&directory);
    for part in &PARTS {
        let is_here =
            |program: &&str| ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].iter().any(|place| Path::new(place).join(program).is_file());
        let is_chosen = part.programs.is_empty() || part.programs.iter().any(is_here);
        let is_written = named.iter().any(|name| name.ends_with(&format!("-{}.yaml", part.name)));
        assert_eq!(is_written, is_chosen, "{}: {named:?}", part.name);
    }
}

#[test]
fn the_golden_lines_hold_for_whomever_a_policy_is() {
    for (name, flags) in [
        ("any-host", &["--host", "*"][..]),
        ("class", &["--host", "db-[0-9]*"]),
        ("not-me", &["--account", "%oncall", "--account", "!breakglass"]),
        ("all-but", &["--account", "!breakglass", "--host", "!host"]),
    ] {
        let directory = place(name);
        let (status, said) = postern(&[&["init", "--part", "diagnostics", "--part", "network"], flags].concat(), &directory);
        assert_eq!(status, 0, "{name}: {said}");
        let (status, said) = postern(&["test"], &directory);
        assert!(status == 0 && said.ends_with(", 0 failed\n"), "{name}: {status}: {said}");
    }
}

#[test]
fn a_policy_that_is_there_is_not_written_over() {
    for (name, file) in [("main", "policy.yaml"), ("part", "policy.d/10-mine.yaml")] {
        let directory = place(&format!("there-{name}"));
        fs::create_dir_all(directory.join("policy.d")).unwrap();
        fs::write(directory.join(file), "mine").unwrap();
        let (status, said) = postern(&["init", "--part", "git"], &directory);
        assert!(status == 3 && said.contains("there is a policy in") && said.contains("already"), "{status}: {said}");
        assert_eq!(files(&directory), [file]);
        assert_eq!(read(&directory, file), "mine");
    }
}

#[test]
fn what_makes_no_policy_writes_nothing() {
    for (name, flags, status, part) in [
        ("unknown", &["--part", "postgresql"][..], 2, "no part `postgresql`; known ones: diagnostics, logs"),
        ("account", &["--part", "git", "--account", "it's: [me]"], 1, "not the name of a user"),
        ("network", &["--part", "git", "--from", "nowhere"], 1, "nowhere"),
    ] {
        let directory = place(name);
        let (ended, said) = postern(&[&["init"], flags].concat(), &directory);
        assert!(ended == status && said.contains(part), "{name}: {ended}: {said}");
        assert!(!directory.exists(), "{name}: {:?}", files(&directory));
    }
}

#[test]
fn on_a_terminal_it_asks_for_what_no_flag_says() {
    let directory = place("asked");
    let mut terminal = Terminal::start(command(&["init"], &directory));
    terminal.expect("* diagnostics");
    terminal.expect("Parts [");
    terminal.line("git, redis");
    terminal.expect("Accounts, and %groups, that it is for [breakglass]: ");
    terminal.line("%oncall anna");
    terminal.expect("(any): ");
    terminal.line("");
    terminal.expect("(y/n) [n]: ");
    terminal.line("y");
    let (status, said) = terminal.end();
    assert!(status == 0 && said.contains("2 parts: git, redis"), "{status}: {said}");
    let policy = read(&directory, "policy.d/05-git.yaml");
    assert!(policy.contains("\nmode: observe\n") && policy.contains("\naccounts: ['%oncall', 'anna']\n"), "{policy}");
    assert!(!policy.contains("\nfrom:") && !policy.contains("\nhosts:"), "{policy}");
}

#[test]
fn on_a_terminal_enter_takes_what_is_proposed_and_control_d_writes_nothing() {
    let directory = place("entered");
    let mut terminal = Terminal::start(command(&["init", "--part", "git"], &directory));
    for question in ["[breakglass]: ", "(any): ", "[n]: "] {
        terminal.expect(question);
        terminal.line("");
    }
    assert_eq!(terminal.end().0, 0);
    let policy = read(&directory, "policy.d/05-git.yaml");
    assert!(policy.contains("\naccounts: ['breakglass']\n") && !policy.contains("observe"), "{policy}");

    let directory = place("ended");
    let mut terminal = Terminal::start(command(&["init", "--part", "git"], &directory));
    terminal.expect("[breakglass]: ");
    terminal.send("\x04");
    let (status, said) = terminal.end();
    assert!(status == 3 && said.contains("nothing was written"), "{status}: {said}");
    assert!(!directory.exists());
}

/// Whoever says whom it is for has said enough.
#[test]
fn an_account_on_the_command_line_asks_nothing() {
    let directory = place("said");
    let (status, said) = Terminal::start(command(&["init", "--account", "anna", "--part", "git"], &directory)).end();
    assert!(status == 0 && !said.contains('['), "{status}: {said}");
    assert!(read(&directory, "policy.d/05-git.yaml").contains("\naccounts: ['anna']\n"));
}
