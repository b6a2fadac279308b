//! What happens outside meanwhile.

use std::env::set_current_dir;
use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;

use nix::fcntl::{AT_FDCWD, renameat};
use nix::libc::EROFS;
use nix::sched::{CloneFlags, unshare};
use postern::confine::{Namespace, Shape};
use postern::sys::landlock;

use crate::host::{HOME, apart, leaks, mount, ready, refused, run, secret, session, shape, table};

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

/// As an account may have one (FUSE): somewhere that it moves to where no path leads, or where root cannot walk.
#[test]
fn what_is_mounted_out_of_reach_of_a_path_is_read_only_too_and_stops_no_command() {
    if !ready() {
        return;
    }
    fs::create_dir_all("/run/far/here/mount").unwrap();
    fs::create_dir_all("/run/far/written").unwrap();
    mount(&["-t", "tmpfs", "-o", "size=1m", "far", "/run/far"]);
    mount(&["--make-shared", "/run/far"]);
    ["here", "here/mount", "written"].iter().for_each(|name| fs::create_dir(format!("/run/far/{name}")).unwrap());
    let shape = || Shape { write: vec!["/run/far/written".to_owned()], ..lasting() };
    session(shape, |namespace| {
        namespace.mend().unwrap();
        // The thread's own directory, as of everything that comes next: no path is that long.
        unshare(CloneFlags::CLONE_FS).unwrap();
        let move_away = || {
            mount(&["-t", "tmpfs", "moved", "/run/far/here/mount"]);
            let here = fs::File::open("/run/far").unwrap();
            set_current_dir("/run/far").unwrap();
            for _ in 0..20 {
                fs::create_dir("d".repeat(250)).unwrap();
                set_current_dir("d".repeat(250)).unwrap();
            }
            renameat(&here, "here", AT_FDCWD, "here").unwrap();
        };
        namespace.outside(move_away).unwrap();
        set_current_dir("/run/far").unwrap();
        (0..20).for_each(|_| set_current_dir("d".repeat(250)).unwrap());
        assert!(table().iter().any(|line| line.contains(" moved ") && line.len() > 5000), "no path leads there");
        assert_eq!(refused("here/mount/before"), None, "it comes as it is, or there is nothing to mend");
        namespace.mend().unwrap();
        assert_eq!(refused("here/mount/after"), Some(EROFS));
        assert_eq!(refused("/run/far/written/file"), None, "what is written still is");
        assert_eq!(refused("/run/far/file"), Some(EROFS));
    });
    run("umount", &["-l", "/run/far"]);
}

/// Else the next session of the same thread would take what was half made for the host, and see no policy that is applied there.
#[test]
fn a_session_that_cannot_be_made_leaves_its_thread_on_the_host() {
    if !ready() {
        return;
    }
    let file = secret("/etc/changes-e/tls.key");
    let home = Path::new("/home/flooded");
    fs::create_dir_all(home).unwrap();
    (0..=4096).for_each(|number| fs::write(home.join(format!(".{number}_history")), "").unwrap());
    let shape = || Shape { home: home.display().to_string(), ..lasting() };
    apart(|| {
        let own = || fs::read_link("/proc/thread-self/ns/mnt").unwrap();
        let host = own();
        let error = Namespace::enter(shape()).unwrap_err();
        assert!(error.to_string().contains("more than 4096 paths to mask"), "{error}");
        assert_eq!(own(), host);
        fs::remove_dir_all(home).unwrap();
        let namespace = Namespace::enter(shape()).unwrap();
        assert!(own() != host && !leaks(&file), "the control");
        assert_eq!(namespace.outside(|| (own(), leaks(&file))).unwrap(), (host, true));
    });
}

/// As an account can in /tmp, where everybody's sessions look for what is hidden.
#[test]
fn who_floods_what_is_hidden_loses_the_own_masks_alone() {
    if !ready() {
        return;
    }
    let flood: Vec<_> = (0..4200).map(|number| format!("{HOME}/.flood{number}_history")).collect();
    for path in &flood {
        chown(secret(path), Some(12345), None).unwrap();
    }
    let roots = secret(format!("{HOME}/.roots_history"));
    let anothers = secret(format!("{HOME}/.anothers_history"));
    chown(&anothers, Some(12346), None).unwrap();
    session(lasting, |namespace| {
        for _ in 0..2 {
            assert!(!leaks(&roots) && !leaks(&anothers));
            assert_eq!(flood.iter().filter(|path| !leaks(path)).count(), 256);
            namespace.outside(|| replace(roots.to_str().unwrap())).unwrap();
            namespace.mend().unwrap();
        }
    });
    flood.iter().for_each(|path| fs::remove_file(path).unwrap());
    [roots, anothers].iter().for_each(|path| fs::remove_file(path).unwrap());
}

#[test]
fn what_is_removed_while_it_is_masked_stops_no_session() {
    if !ready() {
        return;
    }
    let (path, done) = (format!("{HOME}/.fleeting_history"), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(SeqCst) {
                let _ = fs::write(&path, "").and_then(|()| fs::remove_file(&path));
            }
        });
        let made = (0..200).map(|_| apart(|| Namespace::enter(shape()).map(drop))).find(Result::is_err);
        done.store(true, SeqCst);
        assert!(made.is_none(), "{made:?}");
    });
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
