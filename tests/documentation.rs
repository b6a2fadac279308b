//! The manual pages name everything that there is: what the programs themselves say of their options, subcommands and keys is looked up there.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const SHELL: &str = env!("CARGO_BIN_EXE_posternsh");
const TOOL: &str = env!("CARGO_BIN_EXE_postern");

/// A manual page as its reader sees it, without the backslashes of its source.
fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("man").join(name);
    fs::read_to_string(path).unwrap().replace("\\&", "").replace("\\e", "\\")
}

/// Whether a page has a word of its own: not a part of a longer one.
fn names(page: &str, word: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let ends = |at: usize| {
        let after = page[at + word.len()..].trim_start_matches('.');
        !page[..at].ends_with(part) && !after.starts_with(part)
    };
    page.match_indices(word).any(|(at, _)| ends(at))
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The options that a help text names; mdoc writes `--json` as `Fl -json`.
fn options(help: &str) -> BTreeSet<String> {
    let words = help.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    let long = words.filter(|word| word.len() > 3 && word.starts_with("--") && !word.starts_with("---"));
    long.map(|option| option[2..].to_owned()).collect()
}

fn assert_options(page_name: &str, help: &str, at_least: &[&str]) {
    let (page, found) = (page(page_name), options(help));
    for option in at_least {
        assert!(found.contains(*option), "--{option} in the help text:\n{help}");
    }
    let missing: Vec<&String> = found.iter().filter(|option| !page.contains(&format!("Fl -{option}"))).collect();
    assert!(missing.is_empty(), "{page_name} does not name {missing:?}");
}

#[test]
fn every_option_of_the_shell_is_in_its_page() {
    assert_options("posternsh.1", &output(SHELL, &["--help"]), &["policy", "demo", "forced"]);
}

#[test]
fn every_subcommand_of_the_tool_is_in_its_page_with_its_options() {
    let (help, page) = (output(TOOL, &["help"]), page("postern.8"));
    // A subcommand stands first on its line, set in.
    let first_words = help.lines().filter(|line| line.starts_with(' ')).filter_map(|line| line.split_whitespace().next());
    let lower = |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase());
    let subcommands: BTreeSet<&str> = first_words.map(|word| word.trim_end_matches(',')).filter(lower).collect();
    for subcommand in ["check", "apply", "rollback", "explain", "help"] {
        assert!(subcommands.contains(subcommand), "{subcommand} in\n{help}");
    }
    for subcommand in subcommands {
        assert!(page.contains(&format!(".It Cm {subcommand}")), "postern.8 does not name {subcommand}");
        assert_options("postern.8", &output(TOOL, &["help", subcommand]), &[]);
    }
}

#[test]
fn every_exit_status_is_in_the_pages() {
    for (name, statuses) in [("posternsh.1", &["2", "124", "125", "126", "127"][..]), ("postern.8", &["0", "1", "2"])] {
        let page = page(name);
        for status in statuses {
            assert!(page.contains(&format!(".It {status}\n")), "{name} does not name {status}");
        }
    }
}

/// A directory of this test's own that only its owner can write to, wherever the tests run.
fn scratch(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

/// What the tool says to a policy with a key that no place knows: it lists those that are known.
fn known_keys(policy: &str) -> Vec<String> {
    let file = scratch("keys").join("policy.yaml");
    fs::write(&file, policy).unwrap();
    let said = output(TOOL, &["check", &file.to_string_lossy()]);
    let list = said.split("known keys: ").nth(1).unwrap_or_else(|| panic!("no list of known keys in\n{said}"));
    list.lines().next().unwrap().split(", ").map(|key| key.trim().to_owned()).collect()
}

#[test]
fn every_key_of_a_policy_is_in_its_page() {
    let page = page("postern-policy.5");
    let unknown = "qqqqqqqqqqqqqqqq: 1";
    for (policy, example) in [
        (format!("postern: 1\nallow: [id]\n{unknown}\n"), "allow"),
        (format!("postern: 1\nallow:\n  - run: id\n    {unknown}\n"), "confine"),
        (format!("postern: 1\nallow: [id]\ndefaults: {{ {unknown} }}\n"), "timeout"),
        (format!("postern: 1\nallow: [id]\ntypes: {{ t: {{ match: a, {unknown} }} }}\n"), "one_of"),
        (format!("postern: 1\nallow: [id]\nconfinements: {{ c: {{ {unknown} }} }}\n"), "unhide"),
        (format!("postern: 1\nallow: [id]\nconfinements: {{ c: {{ limits: {{ {unknown} }} }} }}\n"), "file_size"),
        (format!("postern: 1\nallow: [id]\naudit: {{ {unknown} }}\n"), "facility"),
        (format!("postern: 1\nallow: [id]\nrecord: {{ {unknown} }}\n"), "required"),
        (format!("postern: 1\nallow: [id]\nsession: {{ {unknown} }}\n"), "strikes"),
        (format!("postern: 1\nallow: [id]\nconfinement: {{ {unknown} }}\n"), "require"),
    ] {
        let keys = known_keys(&policy);
        assert!(keys.iter().any(|key| key == example), "{example} among {keys:?}");
        for key in keys {
            assert!(names(&page, &key), "postern-policy.5 does not name the key `{key}`");
        }
    }
}

#[test]
fn every_key_of_a_golden_file_is_in_the_policys_page() {
    let page = page("postern-policy.5");
    let section = page.split(".Sh GOLDEN FILES").nth(1).unwrap().split(".Sh ").next().unwrap();
    let directory = scratch("golden-keys");
    fs::write(directory.join("policy.yaml"), "postern: 1\nallow: [id]\n").unwrap();
    let golden = directory.join("policy.golden");
    let unknown = "qqqqqqqqqqqqqqqq: 1";
    for (text, example) in [
        (format!("allow: [id]\n{unknown}\n"), "terminal"),
        (format!("allow: [{{ line: id, {unknown} }}]\n"), "confine"),
        (format!("deny: [{{ line: id, {unknown} }}]\n"), "reason"),
    ] {
        fs::write(&golden, text).unwrap();
        let said = output(TOOL, &["test", &golden.to_string_lossy()]);
        let list = said.split("known keys: ").nth(1).unwrap_or_else(|| panic!("no list of known keys in\n{said}"));
        let keys: Vec<&str> = list.lines().next().unwrap().split(", ").collect();
        assert!(keys.contains(&example), "{example} among {keys:?}");
        for key in keys {
            assert!(names(section, key.trim()), "postern-policy.5 does not name the key `{key}` of golden files");
        }
    }
}

#[test]
fn every_type_and_confinement_is_in_the_policys_page() {
    let page = page("postern-policy.5");
    for name in postern::policy::types::BUILT_IN {
        assert!(names(&page, name), "postern-policy.5 does not name the type `{name}`");
    }
    for name in ["sealed", "inspect", "service", "network", "open"] {
        assert!(page.contains(&format!(".It Cm {name}")), "postern-policy.5 does not name the confinement `{name}`");
    }
    for name in postern::policy::settings::PROTECTIONS.into_iter().chain(["all", "best-effort"]) {
        assert!(page.contains(&format!(".It Cm {name}")), "postern-policy.5 does not name `{name}`");
    }
}

#[test]
fn every_name_of_a_warning_is_in_the_pages() {
    let (tool, policy) = (page("postern.8"), page("postern-policy.5"));
    for name in postern::policy::model::accept::OF_RULE {
        assert!(names(&policy, name), "postern-policy.5 does not name `{name}`");
        assert!(name == "open" || tool.contains(&format!(".It Cm {name}\n")), "postern.8 does not say what `{name}` is");
    }
}

#[test]
fn what_is_hidden_and_which_services_are_talked_to_is_in_the_policys_page() {
    let page = page("postern-policy.5");
    let hidden = postern::policy::hidden::HIDDEN.iter().map(|group| group.reason);
    let services = postern::policy::services::SERVICES.iter().map(|group| group.reason);
    for reason in hidden.chain(services) {
        assert!(page.contains(&format!(".It\n{reason}\n")), "postern-policy.5 does not list: {reason}");
    }
}

/// Every name in a JSON value.
fn field_names(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            found.insert(name.clone());
            field_names(value, found);
        }),
        Value::Array(items) => items.iter().for_each(|item| field_names(item, found)),
        _ => {}
    }
}

#[test]
fn every_field_of_real_records_is_in_the_shells_page() {
    let directory = scratch("records");
    let audit = directory.join("audit");
    fs::create_dir(&audit).unwrap();
    let policy = directory.join("policy.yaml");
    let text = format!(
        "postern: 1\naudit: {{ syslog: none, dir: {} }}\nallow: ['true', 'sleep <int>', 'echo <text>...', {{ run: arch, witness: uname }}]\n",
        audit.display()
    );
    fs::write(&policy, text).unwrap();
    let long = format!("echo {}", "x".repeat(3000));
    for line in ["true", "arch", "id", "echo $(id)", "no-such-program; true", &long] {
        output(SHELL, &["--policy", &policy.to_string_lossy(), "-c", line]);
    }

    let mut found = BTreeSet::new();
    let mut events = BTreeSet::new();
    let files = fs::read_dir(&audit).unwrap().map(|file| file.unwrap().path());
    for file in files.filter(|path| path.extension().is_some_and(|name| name == "jsonl")) {
        for line in fs::read_to_string(file).unwrap().lines() {
            let record: Value = serde_json::from_str(line).unwrap();
            events.insert(record["event"].as_str().unwrap().to_owned());
            field_names(&record, &mut found);
        }
    }
    assert!(found.contains("argv") && found.contains("duration_ms") && events.contains("command.args"), "{found:?} {events:?}");
    let page = page("posternsh.1");
    for name in found.iter().chain(&events) {
        assert!(names(&page, name), "posternsh.1 does not name `{name}`");
    }
}

#[test]
fn the_pages_are_clean() {
    for name in ["posternsh.1", "postern.8", "postern-policy.5"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("man").join(name);
        let said = output("mandoc", &["-T", "lint", "-W", "warning", &path.to_string_lossy()]);
        assert_eq!(said, "", "{name}");
    }
}
