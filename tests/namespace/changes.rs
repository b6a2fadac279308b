//! What happens outside meanwhile.

use std::fs;

use nix::libc::EROFS;
use postern::confine::{Namespace, Shape};
use postern::sys::landlock;

use crate::host::{leaks, mount, ready, refused, run, secret, session, shape, table};

fn lasting() -> Shape {
    Shape { lasts: true, ..shape() }
}

/// Puts another file in the place of one, as passwd(1) does.
fn replace(path: &str) {
    let new = secret(format!("{path}+"));
    fs::rename(new, path).unwrap();
}

#[test]
fn a_mask_that_is_gone_is_mended() {
    if !ready() {
        return;
    }
    let file = "/etc/changes-a/tls.key";
    for lasts in [false, true] {
        secret(file);
        session(
            || Shape { lasts, ..shape() },
            |namespace| {
                namespace.mend().unwrap();
                assert!(!leaks(file));
                namespace.outside(|| replace(file)).unwrap();
                assert!(leaks(file), "the kernel takes masks away, or there is nothing to mend");
                namespace.mend().unwrap();
                assert!(!leaks(file));
            },
        );
        assert!(leaks(file));
    }
}

#[test]
fn what_comes_later_is_masked_before_the_next_command() {
    if !ready() {
        return;
    }
    fs::create_dir_all("/etc/changes-b").unwrap();
    session(lasting, |namespace| {
        namespace.mend().unwrap();
        for path in ["/etc/changes-b/new.key", "/etc/changes-b/deep/.ssh/id", "/root/.aws/credentials", "/var/lib/extrausers/shadow"] {
            namespace.outside(|| secret(path)).unwrap();
            assert!(leaks(path), "{path}: before it is mended");
            namespace.mend().unwrap();
            assert!(!leaks(path), "{path}");
        }
    });
}

#[test]
fn a_session_in_a_landlock_scope_can_still_mend() {
    if !ready() {
        return;
    }
    let file = "/etc/changes-c/tls.key";
    secret(file);
    session(lasting, |namespace| {
        landlock::enter_scope().unwrap();
        namespace.outside(|| replace(file)).unwrap();
        assert!(leaks(file));
        namespace.mend().unwrap();
        assert!(!leaks(file));
    });
}

#[test]
fn what_is_mounted_outside_is_seen_inside_and_not_the_other_way() {
    if !ready() {
        return;
    }
    fs::create_dir_all("/run/shared").unwrap();
    mount(&["-t", "tmpfs", "shared", "/run/shared"]);
    mount(&["--make-shared", "/run/shared"]);
    ["admin", "own"].iter().for_each(|name| fs::create_dir(format!("/run/shared/{name}")).unwrap());
    session(lasting, |namespace| {
        namespace.mend().unwrap();
        let admin = |arguments: &[&str]| namespace.outside(|| mount(arguments)).unwrap();
        admin(&["-t", "tmpfs", "later", "/run/shared/admin"]);
        fs::metadata("/run/shared/admin").unwrap();
        assert!(table().iter().any(|line| line.contains(" /run/shared/admin ")));
        assert_eq!(refused("/run/shared/admin/file"), None, "it comes as it is, or there is nothing to mend");
        namespace.mend().unwrap();
        assert_eq!(refused("/run/shared/admin/file"), Some(EROFS));
        // Its own stay its own.
        mount(&["-t", "tmpfs", "inner", "/run/shared/own"]);
        assert!(table().iter().any(|line| line.contains(" /run/shared/own ")));
        let seen = |name: &str| namespace.outside(|| table().iter().any(|line| line.contains(&format!(" /run/shared/{name} ")))).unwrap();
        assert_eq!((seen("admin"), seen("own")), (true, false));
        namespace.outside(|| run("umount", &["/run/shared/admin"])).unwrap();
        assert!(!table().iter().any(|line| line.contains(" /run/shared/admin ")), "gone here as well");
    });
    run("umount", &["/run/shared"]);
}

/// Without this a held mask would be mended to nothing: a mount on what is masked goes below the mask.
#[test]
fn what_is_mounted_outside_on_a_masked_path_stays_masked() {
    if !ready() {
        return;
    }
    fs::create_dir_all("/etc/changes-d").unwrap();
    mount(&["-t", "tmpfs", "shared", "/etc/changes-d"]);
    mount(&["--make-shared", "/etc/changes-d"]);
    secret("/etc/changes-d/private_keys/a");
    session(lasting, |namespace: &mut Namespace| {
        let over = || {
            mount(&["-t", "tmpfs", "over", "/etc/changes-d/private_keys"]);
            secret("/etc/changes-d/private_keys/b");
        };
        namespace.outside(over).unwrap();
        for _ in 0..2 {
            assert!(!leaks("/etc/changes-d/private_keys/a") && !leaks("/etc/changes-d/private_keys/b"));
            namespace.mend().unwrap();
        }
    });
    assert!(leaks("/etc/changes-d/private_keys/b"));
    run("umount", &["-R", "/etc/changes-d"]);
}
