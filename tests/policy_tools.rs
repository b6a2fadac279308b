//! What operators trust a policy by: golden files, `postern diff` and `postern who-can`, as the program itself does them.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A directory with policies.
struct Tree {
    root: PathBuf,
}

const MAIN: &str = "postern: 1\nallow:\n  - uptime\n  - df [-h]\n  - wc [-l]\n";
const DATABASE: &str = concat!(
    "postern: 1\n",
    "hosts: [db-*]\n",
    "accounts: ['%oncall']\n",
    "from: [10.0.0.0/8]\n",
    "confinements: { db: { base: inspect } }\n",
    "allow:\n",
    "  - { run: 'psql -l', as: pgmonitor, confine: db }\n",
);

impl Tree {
    /// A main file, and a part for some people on some hosts, both with golden files.
    fn new(name: &str) -> Tree {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("policy-tools-{name}"));
        let _ = fs::remove_dir_all(&root);
        let tree = Tree { root };
        tree.write("etc/policy.yaml", MAIN);
        tree.write("etc/policy.d/20-db.yaml", DATABASE);
        tree.write("etc/policy.golden", "allow:\n  - uptime\n  - df -h | wc -l\ndeny:\n  - reboot\n");
        let line = "{ line: psql -l, rule: 20-db.yaml, as: pgmonitor, confine: db }";
        let elsewhere = "{ line: psql -l, host: web-1, reason: no rule }";
        tree.write("etc/policy.d/20-db.golden", &format!("allow:\n  - {line}\ndeny:\n  - psql -c x\n  - {elsewhere}\n"));
        tree
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        for path in path.ancestors().take_while(|path| path.starts_with(&self.root)) {
            let mode = if path.is_dir() { 0o755 } else { 0o644 };
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.args(arguments).current_dir(&self.root).stdin(Stdio::null()).output().expect("postern")
    }

    /// What a command says on standard output, and its exit status.
    fn said(&self, arguments: &[&str]) -> (String, Option<i32>) {
        let output = self.run(arguments);
        (String::from_utf8(output.stdout).unwrap(), output.status.code())
    }
}

#[test]
fn a_policy_that_does_what_its_golden_files_say_passes() {
    let tree = Tree::new("passes");
    let expected = "policy.golden: 3 lines, 0 failed\npolicy.d/20-db.golden: 3 lines, 0 failed\n2 files, 6 lines, 0 failed\n";
    assert_eq!(tree.said(&["test", "etc"]), (expected.to_owned(), Some(0)));
    // A part by itself, by either name.
    for file in ["etc/policy.d/20-db.yaml", "etc/policy.d/20-db.golden"] {
        let expected = "20-db.golden: 3 lines, 0 failed\n1 file, 3 lines, 0 failed\n";
        assert_eq!(tree.said(&["test", file]), (expected.to_owned(), Some(0)), "{file}");
    }
}

#[test]
fn the_first_difference_is_shown_at_its_word_and_the_others_in_a_line() {
    let tree = Tree::new("differs");
    tree.write("etc/policy.golden", "allow:\n  - 'df -h --help'\n  - {line: uptime, confine: sealed}\ndeny:\n  - uptime\n");
    let output = tree.run(&["test", "etc"]);
    let expected = concat!(
        "policy.golden:2:12: error: expected to be allowed, but it is refused: this option is not allowed here\n",
        "   2 |   - 'df -h --help'\n",
        "     |            ^^^^^^\n",
        "     = policy.yaml:4: df [-h]\n",
        "policy.golden:3:12: error: expected to be confined by sealed, but it is confined by inspect: uptime\n",
        "policy.golden:5:5: error: expected to be refused, but policy.yaml:3 allows it: uptime\n",
    );
    assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("2 files, 6 lines, 3 failed\n"));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_report_of_a_program_has_files_and_rules_that_no_line_uses() {
    let tree = Tree::new("json");
    let (json, status) = tree.said(&["test", "--json", "--unused", "etc"]);
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((report["lines"].as_u64(), report["failed"].as_u64(), status), (Some(6), Some(0), Some(0)));
    assert_eq!(report["files"][1]["file"], "policy.d/20-db.golden");
    assert_eq!(report["unused"], serde_json::json!([]));
    tree.write("etc/policy.golden", "allow: [uptime]\n");
    let unused = "policy.yaml:4: no line uses df [-h]\npolicy.yaml:5: no line uses wc [-l]\n";
    assert!(tree.said(&["test", "--unused", "etc"]).0.contains(unused));
}

#[test]
fn what_cannot_be_tested_says_so() {
    let tree = Tree::new("broken");
    for (name, text, message, status) in [
        ("a", None, "no golden file", 3),
        ("b", Some("alow: [id]\n"), "policy.golden:1:1: error: unknown key `alow` in a golden file", 1),
        ("c", Some("allow: [id\n"), "policy.golden:1:8: error: not YAML", 1),
    ] {
        tree.write(&format!("{name}/policy.yaml"), MAIN);
        text.into_iter().for_each(|text| tree.write(&format!("{name}/policy.golden"), text));
        let output = tree.run(&["test", name]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(message) && output.status.code() == Some(status), "{said}");
    }
    assert_eq!(tree.run(&["test", "nowhere"]).status.code(), Some(3));
}

#[test]
fn a_policy_that_fails_its_tests_is_not_put_in_force() {
    let tree = Tree::new("apply");
    let apply = ["apply", "--state", "state", "etc"];
    assert_eq!(tree.run(&apply).status.code(), Some(0));
    let applied = fs::read(tree.root.join("state/applied")).unwrap();
    for golden in ["deny: [uptime]\n", "dny: [uptime]\n"] {
        tree.write("etc/policy.yaml", &format!("{MAIN}  - id\n"));
        tree.write("etc/policy.golden", golden);
        let output = tree.run(&apply);
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("policy.golden:1:"), "{output:?}");
        assert_eq!(fs::read(tree.root.join("state/applied")).unwrap(), applied, "nothing has changed");
    }
    tree.write("etc/policy.golden", "allow: [uptime]\n");
    assert_eq!(tree.run(&apply).status.code(), Some(0));
    assert_eq!(tree.said(&["diff", "--state", "state", "before", "applied"]).1, Some(1));
}

#[test]
fn a_golden_file_that_others_can_write_stops_the_policy() {
    let tree = Tree::new("distrust");
    fs::set_permissions(tree.root.join("etc/policy.golden"), fs::Permissions::from_mode(0o666)).unwrap();
    let output = tree.run(&["apply", "--state", "state", "etc"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("chmod go-w"), "{output:?}");
    assert_eq!(output.status.code(), Some(3));
    assert!(!tree.root.join("state/applied").exists());
}

#[test]
fn two_policies_differ_in_rules_files_settings_and_lines() {
    let tree = Tree::new("diff");
    assert_eq!(tree.said(&["diff", "etc", "etc"]).1, Some(0));
    tree.write("new/policy.yaml", "postern: 1\nredact: none\nallow:\n  - df [-h]\n  - { run: 'wc [-l]', confine: sealed }\n  - id\n");
    tree.write("new/policy.d/20-db.yaml", &DATABASE.replace("[db-*]", "[db-1]"));
    tree.write("lines", "uptime\nid\n\nwc -l\npsql -l\ndf -h\n");
    let expected = concat!(
        "+ allow id (policy.yaml:6)\n",
        "- allow uptime (policy.yaml:3)\n",
        "~ allow wc [-l] (policy.yaml:5)\n    confine: inspect -> sealed\n    confine.base: inspect -> sealed\n",
        "~ policy.d/20-db.yaml\n    hosts: db-* -> db-1\n",
        "~ settings\n    redact: files -> none\n",
        "- line uptime\n    refused: no rule allows `uptime`\n    for breakglass on host; breakglass (%oncall) on db-x from 10.0.0.0; ",
        "breakglass (%oncall) on db-1 from 10.0.0.0\n",
        "+ line id\n    allowed: confined by inspect (policy.yaml:6)\n    for breakglass on host; ",
        "breakglass (%oncall) on db-x from 10.0.0.0; breakglass (%oncall) on db-1 from 10.0.0.0\n",
        "~ line wc -l\n    confined by inspect (policy.yaml:5) -> confined by sealed (policy.yaml:5)\n    for breakglass on host; ",
        "breakglass (%oncall) on db-x from 10.0.0.0; breakglass (%oncall) on db-1 from 10.0.0.0\n",
        "- line psql -l\n    refused: no rule for `psql` holds here\n    for breakglass (%oncall) on db-x from 10.0.0.0\n",
        "1 rule added, 1 rule removed, 1 rule changed; of 5 lines: 1 allowed now, 2 refused now, 1 on other terms\n",
    );
    assert_eq!(tree.said(&["diff", "--lines", "lines", "etc", "new"]), (expected.to_owned(), Some(1)));
    let (json, _) = tree.said(&["diff", "--json", "--lines", "lines", "etc", "new"]);
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["counts"], serde_json::json!({ "added": 1, "removed": 1, "changed": 1 }));
    assert_eq!(report["lines"][3]["for"], serde_json::json!(["breakglass (%oncall) on db-x from 10.0.0.0"]));
    // Without a list of lines, those of the golden files.
    assert!(tree.said(&["diff", "etc", "new"]).0.contains("- line uptime\n"));
}

#[test]
fn what_is_expected_of_a_command_is_a_difference_where_nothing_is_run() {
    let tree = Tree::new("builtin");
    for (case, expected) in [
        ("{line: pwd, rule: policy.yaml}", "expected to be allowed by policy.yaml, but the shell does it by itself"),
        ("{line: pwd, as: root}", "expected to be run as root, but the shell does it by itself"),
        ("{line: pwd, confine: sealed}", "expected to be confined by sealed, but the shell does it by itself"),
        ("{line: '# nothing', rule: policy.yaml}", "expected to be allowed, but it is refused: an empty line"),
    ] {
        tree.write("etc/policy.golden", &format!("allow:\n  - {case}\n"));
        let output = tree.run(&["test", "etc"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains(expected), "{case}: {said}");
    }
}

#[test]
fn lines_come_from_a_regular_file_or_standard_input_and_end() {
    let tree = Tree::new("endless");
    tree.write("new/policy.yaml", "postern: 1\nallow:\n  - id\n");
    tree.write("lines", "uptime\nuptime\n");
    std::os::unix::fs::symlink("lines", tree.root.join("link")).unwrap();
    assert!(tree.said(&["diff", "--lines", "link", "etc", "new"]).0.contains("of 1 line: 0 allowed now, 1 refused now"));
    assert!(Command::new("mkfifo").arg(tree.root.join("fifo")).status().unwrap().success());
    tree.write("large", &"uptime\n".repeat(3 << 20));
    let said = |lines: &str, stdin: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        let output = command.args(["diff", "--lines", lines, "etc", "new"]).current_dir(&tree.root).stdin(stdin).output().unwrap();
        (String::from_utf8(output.stderr).unwrap(), output.status.code())
    };
    let endless = || Stdio::from(fs::File::open("/dev/zero").unwrap());
    for (lines, stdin, expected) in [
        ("/dev/zero", Stdio::null(), "/dev/zero is no regular file; give `-` for standard input"),
        ("fifo", Stdio::null(), "fifo is no regular file; give `-` for standard input"),
        ("etc", Stdio::null(), "etc is no regular file; give `-` for standard input"),
        ("-", endless(), "- holds more than 16 MiB of lines; give fewer at a time"),
        ("large", Stdio::null(), "large holds more than 16 MiB of lines; give fewer at a time"),
    ] {
        let (error, status) = said(lines, stdin);
        assert!(error.trim_end().ends_with(expected), "{lines}: {error}");
        assert_eq!(status, Some(3), "{lines}");
    }
}

#[test]
fn more_patterns_than_can_be_gone_through_are_a_mistake() {
    let tree = Tree::new("patterns");
    let many = |count: usize| vec!["a"; count].join(", ");
    for (text, expected) in [
        (format!("hosts: [{}]", many(1001)), "`hosts` has more than 1000 patterns"),
        (format!("hosts: ['{}*']", "a".repeat(255)), "`hosts`: a glob of more than 255 bytes"),
        (format!("hosts: [{}]\naccounts: ['{}']", many(1000), "a".repeat(255)), ""),
    ] {
        tree.write("etc/policy.yaml", &format!("postern: 1\n{text}\nallow: [uptime]\n"));
        let output = tree.run(&["check", "etc/policy.yaml"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() == expected.is_empty() && said.contains(expected), "{expected}: {said}");
    }
}

#[test]
fn who_can_run_a_line_is_said_in_the_policys_words() {
    let tree = Tree::new("who-can");
    for (line, expected, status) in [
        ("psql -l", "%oncall on db-* from 10.0.0.0/8: as pgmonitor, confined by db (policy.d/20-db.yaml:7)\n", 0),
        ("uptime", "everyone: confined by inspect (policy.yaml:3)\n", 0),
        ("reboot", "nobody\nrefused: reboot\n         ^^^^^^ no rule allows `reboot`\n", 1),
    ] {
        assert_eq!(tree.said(&["who-can", "--policy", "etc", line]), (expected.to_owned(), Some(status)), "{line}");
    }
    let report: serde_json::Value =
        serde_json::from_str(&tree.said(&["who-can", "--json", "--policy", "etc", "psql -l | wc -l"]).0).unwrap();
    assert_eq!(report["ways"][0]["who"][1]["hosts"], serde_json::json!(["db-*"]));
    assert_eq!(report["ways"][0]["commands"][0]["as"], "pgmonitor");
}
