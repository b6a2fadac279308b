//! What is read-only.

use std::fs;

use nix::libc::EROFS;
use postern::confine::{Namespace, NamespaceError, Shape};

use crate::host::{apart, mount, ready, refused, session, shape};

/// Files that are made, or appended to, by root.
const ELSEWHERE: [&str; 7] = [
    "/etc/writes-of-a-test",
    "/run/writes-of-a-test",
    "/var/tmp/writes-of-a-test",
    "/run/writes/other/file",
    "/run/writes/read-only/file",
    "/var/log/writes-of-a-test",
    "/proc/sys/kernel/domainname",
];

fn writing() -> Shape {
    let write = ["/run/writes/place", "/run/writes/file", "/run/writes/deep/none/yet", "/run/writes/read-only", "/run/writes/gl*b"];
    Shape { write: write.map(str::to_owned).to_vec(), ..shape() }
}

fn build() {
    for directory in ["place/mounted", "other", "deep", "read-only", "glob"] {
        fs::create_dir_all(format!("/run/writes/{directory}")).unwrap();
    }
    fs::write("/run/writes/file", "").unwrap();
    if !crate::host::table().iter().any(|line| line.contains("/run/writes/")) {
        mount(&["-t", "tmpfs", "a", "/run/writes/place/mounted"]);
        mount(&["-t", "tmpfs", "-o", "ro", "b", "/run/writes/read-only"]);
    }
}

fn is_held() {
    for path in ELSEWHERE {
        assert_eq!(refused(path), Some(EROFS), "{path}");
    }
    for path in ["place/new", "place/mounted/new", "file", "deep/new", "glob/new"] {
        assert_eq!(refused(format!("/run/writes/{path}")), None, "{path}");
    }
    // Devices are written as ever.
    assert_eq!(refused("/dev/null"), None);
}

#[test]
fn root_writes_where_rules_write_and_nowhere_else() {
    if !ready() {
        return;
    }
    let _alone = alone();
    build();
    for path in ELSEWHERE.iter().filter(|path| !path.contains("read-only")) {
        assert_eq!(refused(path), None, "{path} outside");
    }
    session(writing, |namespace| {
        is_held();
        namespace.mend().unwrap();
        is_held();
    });
    assert_eq!(refused("/etc/writes-of-a-test"), None, "outside again");
}

/// Kernels before 5.12 have no call for all at once.
#[test]
fn an_old_kernel_closes_mount_by_mount() {
    if !ready() {
        return;
    }
    let _alone = alone();
    build();
    apart(|| {
        crate::kernel::without_mount_setattr();
        let mut namespace = Namespace::enter(writing()).unwrap();
        is_held();
        namespace.mend().unwrap();
        is_held();
    });
}

/// A log that is rotated in a place that is written is a new file; the rule goes on writing it.
#[test]
fn a_file_that_was_replaced_outside_is_written_again() {
    if !ready() {
        return;
    }
    fs::create_dir_all("/run/rotated").unwrap();
    fs::write("/run/rotated/log", "").unwrap();
    let shape = || Shape { write: vec!["/run/rotated/log".to_owned()], ..shape() };
    session(shape, |namespace| {
        assert_eq!(refused("/run/rotated/log"), None);
        namespace
            .outside(|| fs::write("/run/rotated/new", "").and_then(|()| fs::rename("/run/rotated/new", "/run/rotated/log")))
            .unwrap()
            .unwrap();
        assert_eq!(refused("/run/rotated/log"), Some(EROFS));
        namespace.mend().unwrap();
        assert_eq!(refused("/run/rotated/log"), None);
        assert_eq!(refused("/run/rotated/new"), Some(EROFS));
        assert_eq!(refused("/etc/passwd"), Some(EROFS));
    });
}

#[test]
fn who_has_no_privilege_gets_no_namespace() {
    if !ready() {
        return;
    }
    let refused = apart(|| {
        crate::kernel::without_privilege();
        Namespace::enter(shape()).map(drop)
    });
    assert!(matches!(refused, Err(NamespaceError::Enter(nix::errno::Errno::EPERM))), "{refused:?}");
}

/// These share a directory with mounts.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
