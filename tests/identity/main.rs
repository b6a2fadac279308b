//! Who runs the shell, and as whom it runs commands.
//!
//! Borrowed privilege is seen, whichever way it was lent; users and groups are found, wherever the host has them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod host;
mod installs;
mod loader;
#[path = "../ssh/sandbox.rs"]
#[allow(dead_code, reason = "shared with tests that wait for more")]
mod sandbox;
mod users;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::{Command, Output};

/// Set in the process that the test starts of itself: what it should find.
const EXPECTED: &str = "POSTERN_TEST_PRIVILEGED";

const NOBODY: [&str; 3] = ["--reuid=65534", "--regid=65534", "--clear-groups"];

struct Binary(PathBuf);

impl Binary {
    /// A copy of this test, owned and marked as asked.
    fn new(owner: u32, group: u32, mode: u32) -> Binary {
        let path = std::env::temp_dir().join(format!("postern-identity-{}", postern::record::new_session_id()));
        // Not open for writing in this process, whose other threads fork: "text file busy".
        assert!(Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&path).status().unwrap().success());
        chown(&path, Some(owner), Some(group)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        Binary(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn run(&self, setpriv: &[&str], expected: bool) -> Output {
        let mut command = Command::new("setpriv");
        command.args(setpriv).arg(&self.0).args(["--exact", "borrowed_privilege_is_seen"]);
        command.env(EXPECTED, expected.to_string()).output().unwrap()
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn borrowed_privilege_is_seen() {
    if let Ok(expected) = std::env::var(EXPECTED) {
        assert_eq!(postern::access::privileged().to_string(), expected);
        return;
    }
    if !nix::unistd::Uid::effective().is_root() {
        let _ = writeln!(std::io::stderr().lock(), "SKIPPED: only root can lend privilege");
        return;
    }
    let ambient = [&NOBODY[..], &["--inh-caps=+net_raw", "--ambient-caps=+net_raw"]].concat();
    let harmless = [&NOBODY[..], &["--no-new-privs"]].concat();
    for (what, owner, group, mode, setpriv, expected) in [
        ("root's own", 0, 0, 0o755, &["--reuid=0"][..], false),
        ("a user's own", 0, 0, 0o755, &NOBODY[..], false),
        ("capabilities that the caller has", 0, 0, 0o755, &ambient[..], false),
        ("set-user-ID root", 0, 0, 0o4755, &NOBODY[..], true),
        ("set-user-ID, and root calls", 65534, 0, 0o4755, &["--reuid=0"][..], true),
        ("set-group-ID", 0, 1, 0o2755, &NOBODY[..], true),
        ("set-user-ID where the kernel ignores it", 0, 0, 0o4755, &harmless[..], false),
    ] {
        let output = Binary::new(owner, group, mode).run(setpriv, expected);
        assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn capabilities_of_the_file_are_seen() {
    let binary = Binary::new(0, 0, 0o755);
    let marked = Command::new("setcap").arg("cap_net_raw+ep").arg(&binary.0).output();
    if !marked.is_ok_and(|output| output.status.success()) {
        let _ = writeln!(std::io::stderr().lock(), "SKIPPED: no setcap, or no right to use it");
        return;
    }
    let output = binary.run(&NOBODY, true);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
