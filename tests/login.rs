//! Who logged in stays on a command that runs as another user, and the shell's records say it as auditd(8) does.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// The uid of a login that no other test has.
const LOGIN: u32 = 4242;

/// Says loudly that a test did not run; `tests/run` counts these lines.
fn skip(why: &str) {
    let _ = writeln!(std::io::stderr().lock(), "SKIPPED: {why}");
}

/// A policy with its records.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&place);
        fs::create_dir_all(place.join("records")).unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
        let records = place.join("records");
        let rules = "allow: [{ run: id -u, as: nobody }, { run: 'cat <file>...', as: nobody }]";
        let text = format!("postern: 1\naudit: {{ syslog: none, dir: '{}' }}\n{rules}\n", records.display());
        fs::write(place.join("policy.yaml"), text).unwrap();
        Place(place)
    }

    /// What a line prints, in a session of this login; nothing of it can be set twice, so it is a process of its own.
    fn line(&self, login: Option<u32>, line: &str) -> String {
        let set = login.map(|uid| format!("echo {uid} > /proc/self/loginuid && ")).unwrap_or_default();
        let script = format!("{set}exec \"$0\" --policy \"$1\" -c \"$2\"");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_posternsh")]).arg(self.0.join("policy.yaml")).arg(line);
        let output = shell.output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn start(&self) -> Value {
        let files: Vec<PathBuf> = fs::read_dir(self.0.join("records")).unwrap().map(|entry| entry.unwrap().path()).collect();
        // Beside it stands the recording.
        let records = files.iter().find(|file| file.extension().is_some_and(|extension| extension == "jsonl")).unwrap();
        let text = fs::read_to_string(records).unwrap();
        files.iter().for_each(|file| fs::remove_file(file).unwrap());
        serde_json::from_str(text.lines().next().unwrap()).unwrap()
    }
}

/// Whether a process can be given a login here: root's, with audit in the kernel, and where nothing keeps CAP_AUDIT_CONTROL away.
fn can_log_in() -> bool {
    let can = Command::new("sh").args(["-c", &format!("echo {LOGIN} > /proc/self/loginuid")]).output().unwrap().status.success();
    if !can {
        skip("that a command keeps the login's uid: /proc/self/loginuid cannot be written here (root, CONFIG_AUDIT, CAP_AUDIT_CONTROL)");
    }
    can
}

#[test]
fn a_command_that_runs_as_another_user_is_still_the_logins() {
    if !can_log_in() {
        return;
    }
    let place = Place::new("login");
    let printed = place.line(Some(LOGIN), "id -u; cat /proc/self/loginuid");
    assert_eq!(printed, format!("65534\n{LOGIN}"), "it is nobody, of this login");
    let start = place.start();
    assert_eq!((&start["install"], &start["auid"]), (&json!("plain"), &json!(LOGIN)));
    let printed = place.line(Some(LOGIN), "cat /proc/self/sessionid");
    assert_eq!(place.start()["ses"].to_string(), printed, "and of the session that the record names");
}

#[test]
fn a_login_that_nobody_has_set_is_null_on_record() {
    let unset = |path: &str| fs::read_to_string(path).map_or(true, |text| text.trim() == u32::MAX.to_string());
    if !unset("/proc/self/loginuid") || !unset("/proc/self/sessionid") {
        skip("that a login which was never set is null on record: this process has one, for good");
        return;
    }
    if !nix::unistd::Uid::effective().is_root() {
        skip("that a login which was never set is null on record: only root becomes nobody");
        return;
    }
    let place = Place::new("no-login");
    place.line(None, "id -u");
    let start = place.start();
    assert_eq!((&start["auid"], &start["ses"]), (&Value::Null, &Value::Null), "{start}");
}
