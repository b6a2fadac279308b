//! `postern lint` as an operator runs it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

fn lint(arguments: &[&str], policy: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_postern")).arg("lint").args(arguments).arg(policy).output().unwrap()
}

fn policy(name: &str, text: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lint");
    fs::create_dir_all(&directory).unwrap();
    let file = directory.join(format!("{name}.yaml"));
    fs::write(&file, format!("postern: 1\n{text}\n")).unwrap();
    file
}

#[test]
fn the_exit_status_is_1_with_errors_or_warnings_and_notes_do_not_count() {
    for (name, text, arguments, status) in [
        ("clean", "allow: [uptime]", &[][..], 0),
        ("note", "allow: ['ls [-a]', 'ls [-a]']", &[], 0),
        ("warning", "allow: ['cat **']", &[], 1),
        ("warning", "allow: ['cat **']", &["--level", "error"], 0),
        ("error", "allow: [{ run: 'find **', confine: open, accept: { open: why, wide: why } }]", &["--level", "error"], 1),
        ("accepted", "allow: [{ run: 'cat **', accept: { wide: why } }]", &[], 0),
        ("broken", "allow: ['cat <nothing>']", &[], 1),
        ("clean", "allow: [uptime]", &["--level", "loud"], 2),
    ] {
        let output = lint(arguments, &policy(name, text));
        assert_eq!(output.status.code(), Some(status), "{name}: {output:?}");
    }
    assert_eq!(lint(&[], Path::new("/nonexistent/policy.yaml")).status.code(), Some(3));
}

#[test]
fn a_finding_has_its_place_a_line_that_shows_it_and_the_fix() {
    let file = policy("find", "allow:\n  - uptime\n  - 'find <path>... [-exec <word>]'");
    let output = lint(&[], &file);
    let text = String::from_utf8(output.stderr).unwrap();
    for part in [":4:3: warning: runs: it takes `find -exec id", "`-exec` of find", "the second door refuses it", "accept: { runs: why }"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "0 errors, 1 warning, 0 notes, 0 accepted\n");

    let json: Value = serde_json::from_slice(&lint(&["--json"], &file).stdout).unwrap();
    let finding = &json["findings"][0];
    for (field, value) in [("level", "warning"), ("name", "runs"), ("form", "find <path>... [-exec <word>]")] {
        assert_eq!(finding[field], value);
    }
    assert_eq!((finding["line"].as_u64(), finding["column"].as_u64(), json["warnings"].as_u64()), (Some(4), Some(3), Some(1)));
    assert!(finding["example"].as_str().unwrap().starts_with("find -exec id") && finding["fix"].is_string());
}

#[test]
fn what_check_says_is_part_of_it() {
    let file = policy("check", "allow: [{ run: uptime, confine: open }]");
    let json: Value = serde_json::from_slice(&lint(&["--json"], &file).stdout).unwrap();
    assert_eq!((json["findings"][0]["name"].as_str(), json["findings"][0]["level"].as_str()), (Some("check"), Some("warning")));
}

#[test]
fn several_files_are_summed_up_one_by_one() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lint").join("tree");
    fs::create_dir_all(&directory).unwrap();
    for (name, rule) in [("a", "cat **"), ("b", "find <path>... [-exec <word>]"), ("c", "uptime")] {
        fs::write(directory.join(format!("{name}.yaml")), format!("postern: 1\nallow: ['{rule}']\n")).unwrap();
    }
    let output = lint(&[], &directory);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().map(|line| line.rsplit('/').next().unwrap()).collect();
    let expected =
        ["a.yaml: 0 errors, 1 warning, 0 notes", "b.yaml: 0 errors, 1 warning, 0 notes", "0 errors, 2 warnings, 0 notes, 0 accepted"];
    assert_eq!(lines, expected);
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")
}

#[test]
fn the_shipped_policies_take_seconds() {
    let start = Instant::now();
    let status = lint(&[], &shipped()).status.code();
    assert!(matches!(status, Some(0 | 1)), "{status:?}");
    // Under ten on an idle machine, of a debug build; tests share theirs.
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

#[test]
fn the_shipped_policies_are_clean() {
    let special = fs::read_dir(shipped().join("special")).unwrap().map(|file| file.unwrap().path());
    let special = special.filter(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    for policy in std::iter::once(shipped()).chain(special) {
        let output = lint(&["--level", "warning"], &policy);
        assert_eq!(output.status.code(), Some(0), "{policy:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
