//! What is hidden.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::host::{HOME, SECRET, leaks, mount, ready, run, secret, session, shape};
use crate::sandbox;

const HIDDEN: [&str; 12] = [
    "/etc/shadow-of-a-test",
    "/etc/hidden-a/deep/tls.key",
    "/etc/hidden-a/private_keys/a",
    "/etc/hidden-a/.ssh/id_ed25519",
    "/etc/hidden-a/.cargo/credentials.toml",
    "/root/.config/gcloud/token",
    "/home/namespace/.ssh/id_ed25519",
    "/home/namespace/.bash_history",
    "/run/secrets/database",
    "/var/lib/cloud/instance/data",
    "/var/lib/postern/applied",
    "/var/log/postern/session.jsonl",
];

const SHOWN: [&str; 5] =
    ["/etc/hidden-a/plain", "/etc/hidden-b/tls.key", "/etc/swanctl/shown/file", "/home/namespace/notes", "/var/log/hidden-a.log"];

fn unhiding() -> postern::confine::Shape {
    postern::confine::Shape { unhide: vec!["/etc/hidden-b/*.key".to_owned(), "/etc/swanctl/shown".to_owned()], ..shape() }
}

#[test]
fn not_even_root_reads_what_is_hidden() {
    if !ready() {
        return;
    }
    secret("/etc/swanctl/other");
    HIDDEN.iter().chain(&SHOWN).for_each(|path| drop(secret(path)));
    assert!(HIDDEN.iter().all(leaks), "outside, all can be read");
    session(unhiding, |namespace| {
        let leaking: Vec<_> = HIDDEN.iter().chain(&["/etc/swanctl/other"]).filter(|path| leaks(path)).collect();
        assert!(leaking.is_empty(), "{leaking:?}");
        let missing: Vec<_> = SHOWN.iter().filter(|path| !leaks(path)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        // Root may look, and finds nothing.
        assert_eq!(fs::read("/etc/shadow-of-a-test").unwrap(), b"");
        for empty in ["/etc/hidden-a/.ssh", "/run/secrets", "/var/log/postern", "/root/.config/gcloud", "/var/lib/postern/home"] {
            assert_eq!(fs::read_dir(empty).unwrap().count(), 0, "{empty}");
        }
        // One of the few in /proc that have the same name for everybody; outside, this waits for the kernel to say something.
        assert_eq!(fs::read("/proc/kmsg").unwrap(), b"");
        // Other tests mount what hangs.
        let left = |hidden: &str| namespace.unmasked().iter().any(|path| Path::new(hidden).starts_with(path));
        assert!(!HIDDEN.iter().any(|hidden| left(hidden)), "{:?}", namespace.unmasked());
    });
    assert!(HIDDEN.iter().all(leaks), "outside, all can be read");
}

#[test]
fn an_account_is_refused_what_is_hidden() {
    if !ready() {
        return;
    }
    let file = secret("/etc/hidden-c/tls.key");
    secret("/etc/hidden-c/.ssh/key");
    let cat = |path: &Path| {
        let output = Command::new("cat").arg(path).uid(12345).gid(12345).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    assert_eq!(cat(&file), SECRET);
    session(shape, |_| {
        assert_eq!(cat(&file), "cat: /etc/hidden-c/tls.key: Permission denied\n");
        assert_eq!(cat(Path::new("/etc/hidden-c/.ssh/key")), "cat: /etc/hidden-c/.ssh/key: Permission denied\n");
        // The empty home of commands stays.
        let home = fs::metadata("/var/lib/postern/home").unwrap();
        assert_eq!((home.uid(), home.mode() & 0o7777), (0, 0o755));
    });
}

#[test]
fn what_is_hidden_is_hidden_where_it_shows_once_more() {
    if !ready() {
        return;
    }
    secret("/etc/hidden-d/private_keys/a");
    secret("/etc/hidden-d/private_keys/deep/b");
    for (shows, at) in [("/etc/hidden-d", "/run/view-of-all"), ("/etc/hidden-d/private_keys/deep", "/run/view-of-a-part")] {
        fs::create_dir_all(at).unwrap();
        mount(&["--bind", shows, at]);
    }
    let views = ["/run/view-of-all/private_keys/a", "/run/view-of-a-part/b"];
    assert!(views.iter().all(leaks));
    session(shape, |_| assert!(!views.iter().any(leaks)));
    run("umount", &["/run/view-of-all", "/run/view-of-a-part"]);
}

/// Links lead to what is judged by its own path; what they lead to often is the device that forgets, which must stay what it is.
#[test]
fn links_are_left_alone() {
    if !ready() {
        return;
    }
    let link = format!("{HOME}/.python_history");
    let _ = std::os::unix::fs::symlink("/dev/null", &link);
    session(shape, |_| {
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::write("/dev/null", "gone").map_err(|error| error.kind()), Ok(()));
    });
}

#[test]
fn a_file_system_that_hangs_holds_nobody_up() {
    if !ready() {
        return;
    }
    if !Path::new("/dev/fuse").exists() {
        return sandbox::skip("needs /dev/fuse");
    }
    let (program, point) = ("/run/hang", "/etc/hidden-e/remote");
    fs::create_dir_all(point).unwrap();
    run("cc", &["-pthread", "-o", program, concat!(env!("CARGO_MANIFEST_DIR"), "/tests/confined/hang.c")]);
    let mut server = Command::new(program).arg(point).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    sandbox::await_that(|| "the mount", || crate::host::table().iter().any(|line| line.contains(point)));
    let start = Instant::now();
    session(shape, |namespace| assert!(namespace.unmasked().contains(&point.into()), "{:?}", namespace.unmasked()));
    assert!(start.elapsed() < Duration::from_millis(900), "{:?}", start.elapsed());
    drop(server.stdin.take());
    server.wait().unwrap();
}
