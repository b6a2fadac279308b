//! What Landlock leaves of the file system to a command: each attack with and without the ruleset, as an account, as root, and as root
//! without capabilities. Runs in `tests/sandbox`, where /etc and /var may be changed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use postern::confine::files::{Rulesets, Subject};
use postern::confine::{Kernel, Plan};
use postern::policy::Confinement;
use postern::policy::confinement::{Base, Exec};
use postern::sys::identity::Identity;
use postern::sys::landlock;
use serde::{Deserialize, Serialize};

#[path = "landlock/index.rs"]
mod index;
#[path = "landlock/probe.rs"]
mod probe;
use probe::*;

/// The process that is confined; started by the other tests.
#[test]
#[ignore = "a part of the other tests"]
fn child() {
    be_the_child();
}

const ACCOUNT: u32 = 12345;
const SECRETS: [&str; 16] = [
    "/etc/shadow-world",
    "/etc/sudoers.d/readable",
    "/etc/ssl/private/readable",
    "/etc/foo/x.key",
    "/etc/deep/er/x.keytab",
    "/etc/skel/.ssh/id",
    "/etc/skel/.bash_history",
    "/etc/netplan/x.yaml",
    "/etc/app/credentials.json",
    "/run/secrets/x",
    "/run/containers/x",
    "/run/cloud-init/instance-data-sensitive.json",
    "/etc/chrony.keys",
    "/srv/customer/data",
    "/home/postern-other/letter",
    "/var/lib/postern/x",
];

fn put(path: &str, mode: u32) {
    fs::create_dir_all(Path::new(path).parent().unwrap()).unwrap();
    fs::write(path, format!("secret of {path}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn open_up(directory: &str, mode: u32) {
    fs::set_permissions(directory, fs::Permissions::from_mode(mode)).unwrap();
}

/// Secrets that the ordinary rights of the file system leave to everybody.
fn world_readable_secrets() {
    SECRETS.iter().for_each(|path| put(path, 0o644));
    ["/etc/sudoers.d", "/etc/ssl/private", "/srv/customer", "/home/postern-other"].iter().for_each(|path| open_up(path, 0o755));
}

#[test]
fn secrets_are_out_of_reach_by_every_way_to_them() {
    let Some(_alone) = alone() else { return };
    world_readable_secrets();
    put("/etc/plain/link.key", 0o644);
    fs::hard_link("/etc/plain/link.key", "/etc/plain/harmless").unwrap();
    put("/var/log/app/plain", 0o644);
    mount("/srv/customer", "/usr/local/src");
    fs::create_dir_all("/run/mounted").unwrap();
    mount("/etc/foo", "/run/mounted");
    symlink("/etc/foo/x.key", "/etc/plain/symlink").unwrap();
    let mut other = Command::new("sleep").arg("1000").spawn().unwrap();

    let mut attempts: Vec<(&str, String)> = SECRETS.iter().map(|path| ("read", (*path).to_owned())).collect();
    for way in [
        "/etc/plain/symlink",
        "/etc/plain/../foo/x.key",
        "/proc/self/root/etc/foo/x.key",
        &format!("/proc/{}/root/etc/foo/x.key", other.id()),
        "/etc/plain/harmless",
        "/run/mounted/x.key",
        "/usr/local/src/data",
    ] {
        attempts.push(("read", way.to_owned()));
    }
    for who in WHO {
        // Nobody but root with all capabilities reaches into the processes of root.
        let reachable = |path: &str| who == Who::Root || !path.contains(&other.id().to_string());
        let (free, held) = (Task::new(who).free().attempt(&attempts).run(), Task::new(who).attempt(&attempts).run());
        for (_, path) in &attempts {
            assert_eq!(free[path] == "ok", reachable(path), "{path} as {who:?} without a ruleset: {}", free[path]);
            assert!(["EACCES", "EPERM"].contains(&held[path].as_str()), "{path} as {who:?}: {}", held[path]);
        }
    }
    other.kill().unwrap();
    other.wait().unwrap();
    unmount("/usr/local/src");
    unmount("/run/mounted");
}

#[test]
fn processes_and_the_kernel_keep_what_is_theirs() {
    let Some(_alone) = alone() else { return };
    let [mut own, mut roots, mut without] = WHO.map(sleeping_as);
    let of = |child: &Child, what: &str| ("read", format!("/proc/{}/{what}", child.id()));
    for (who, child) in [(Who::Account, &own), (Who::Root, &roots), (Who::RootWithout, &without)] {
        let attempts = [of(child, "environ"), of(child, "maps"), of(child, "root/etc/hosts"), of(child, "fd/0"), of(child, "auxv")];
        let free = Task::new(who).free().attempt(&attempts).run();
        let held = Task::new(who).attempt(&attempts).run();
        for (_, path) in &attempts {
            assert_eq!(free[path], "ok", "{path} as {who:?} without a ruleset");
            // Root with all capabilities is not what a command gets: this kernel lets CAP_PERFMON read environments.
            let closed = ["EACCES", "EPERM"].contains(&held[path].as_str());
            assert!(closed || who == Who::Root, "{path} as {who:?}: {}", held[path]);
        }
    }
    for path in ["/proc/kcore", "/proc/kmsg"] {
        if !Path::new(path).exists() {
            skipped(&format!("this kernel has no {path}"));
            continue;
        }
        let attempt = [("open", path.to_owned())];
        assert_eq!(Task::new(Who::Root).free().attempt(&attempt).run()[path], "ok");
        for who in [Who::Account, Who::RootWithout] {
            let held = Task::new(who).attempt(&attempt).run();
            assert!(held[path] == "EACCES" || held[path] == "EPERM", "{who:?}: {held:?}");
        }
    }
    [&mut own, &mut roots, &mut without].into_iter().for_each(|child| {
        child.kill().unwrap();
        child.wait().unwrap();
    });
}

#[test]
fn nothing_can_be_changed_anywhere() {
    let Some(_alone) = alone() else { return };
    for place in
        ["/tmp/postern-landlock", "/dev/shm/postern-landlock", "/run/postern-landlock", "/var/tmp/postern-landlock", "/etc/changed"]
    {
        for (who, held) in WHO.into_iter().flat_map(|who| [(who, false), (who, true)]) {
            let _ = fs::remove_dir_all(place);
            fs::create_dir_all(format!("{place}/other")).unwrap();
            put(&format!("{place}/file"), 0o666);
            put(&format!("{place}/second"), 0o666);
            open_up(place, 0o777);
            open_up(&format!("{place}/other"), 0o777);
            chown(format!("{place}/file"), Some(who.uid()), None).unwrap();
            let attempts: Vec<(&str, String)> =
                ["write", "append", "create", "truncate", "link", "symlink", "mkdir", "fifo", "socket", "move"]
                    .into_iter()
                    .chain(["rename", "rmdir", "unlink"])
                    .map(|way| (way, format!("{place}/{}", if way == "truncate" { "second" } else { "file" })))
                    .collect();
            for attempt in attempts {
                let task = Task::new(who).attempt(std::slice::from_ref(&attempt));
                let outcome = if held { task.run() } else { task.free().run() }[&attempt.1].clone();
                let expected = if held { ["EACCES", "EXDEV"].contains(&outcome.as_str()) } else { outcome == "ok" };
                assert!(expected, "{attempt:?} as {who:?}, held: {held}: {outcome}");
            }
        }
        fs::remove_dir_all(place).unwrap();
    }
}

#[test]
fn what_diagnosis_needs_goes_on_working() {
    let Some(_alone) = alone() else { return };
    world_readable_secrets();
    for path in ["/srv", "/srv/customer", "/etc/foo", "/"] {
        let attempts = [("list", path.to_owned()), ("stat", path.to_owned())];
        attempts.iter().for_each(|attempt| assert_eq!(Task::new(Who::Account).attempt(std::slice::from_ref(attempt)).run()[path], "ok"));
    }
    let attempts: Vec<(&str, String)> =
        ["/etc/hosts", "/etc/passwd", "/proc/loadavg", "/proc/self/status", "/proc/self/environ", "/sys/kernel/mm"]
            .into_iter()
            .chain(["/usr/lib/os-release", "/dev/zero", "/dev/urandom", "/dev/null", "/proc/self/fd/0"])
            .map(|path| (if path == "/sys/kernel/mm" { "list" } else { "read" }, path.to_owned()))
            .chain([("write", "/dev/null".to_owned()), ("write", "/dev/full".to_owned()), ("stat", "/srv/customer/data".to_owned())])
            .collect();
    for attempt in &attempts {
        for who in WHO {
            let outcome = Task::new(who).attempt(std::slice::from_ref(attempt)).run();
            assert_eq!(outcome[&attempt.1], if attempt.1 == "/dev/full" { "ENOSPC" } else { "ok" }, "{attempt:?} as {who:?}");
        }
    }
    for argv in [&["ls", "-lR", "/etc/foo", "/srv"][..], &["cat", "/etc/hostname"], &["df"], &["ps", "aux"], &["date"], &["id"]] {
        assert_eq!(Task::new(Who::Account).start(argv).wait().unwrap().code(), Some(0), "{argv:?}");
    }
}

#[test]
fn a_log_is_followed_through_its_rotation() {
    let Some(_alone) = alone() else { return };
    // What a host has there: what only some can read, and postern's own records.
    fs::create_dir_all("/var/log/postern").unwrap();
    open_up("/var/log/postern", 0o1733);
    put("/var/log/postern/session.jsonl", 0);
    chown("/var/log/postern/session.jsonl", Some(ACCOUNT), None).unwrap();
    put("/var/log/btmp", 0o600);
    put("/var/log/private-app/x", 0o600);
    put("/var/log/rotated", 0o644);
    let records = [("read", "/var/log/postern/session.jsonl".to_owned()), ("read", "/var/log/btmp".to_owned())];
    let outcome = Task::new(Who::Account).attempt(&records).run();
    assert!(outcome.values().all(|outcome| outcome == "EACCES"), "{outcome:?}");

    // An account that may write somewhere may change modes too, so the records are a hole again.
    let writing = Confinement { write: vec!["/var/tmp".to_owned()], ..Confinement::built_in(Base::Inspect) };
    open_up("/var/log/postern/session.jsonl", 0o600);
    assert_eq!(Task::new(Who::Account).confine(&writing).attempt(&records).run()[&records[0].1], "EACCES");
    assert_eq!(Task::new(Who::Account).free().attempt(&records).run()[&records[0].1], "ok", "which shows that it was the hole");
    open_up("/var/log/postern/session.jsonl", 0);

    let mut tail = Task::new(Who::Account).start(&["tail", "-n", "1", "-s", "0.05", "-F", "/var/log/rotated"]);
    let mut output = tail.stdout.take().unwrap();
    await_text(&mut output, "secret of /var/log/rotated");
    fs::rename("/var/log/rotated", "/var/log/rotated.1").unwrap();
    put("/var/log/rotated", 0o644);
    fs::write("/var/log/rotated", "after the rotation\n").unwrap();
    await_text(&mut output, "after the rotation");
    tail.kill().unwrap();
    tail.wait().unwrap();
}

#[test]
fn a_secret_that_comes_later_is_out_of_reach_of_the_next_command() {
    let Some(_alone) = alone() else { return };
    put("/etc/fresh/plain", 0o644);
    put("/etc/fresh/later.key", 0o600);
    put("/srv/later/data", 0o644);
    fs::create_dir_all("/run/later").unwrap();
    open_up("/srv/later", 0o755);
    let changes: [(&str, &str, &dyn Fn()); 5] = [
        ("a new file", "/etc/fresh/new.key", &|| put("/etc/fresh/new.key", 0o644)),
        ("a new directory", "/etc/fresh/a/b/new.key", &|| put("/etc/fresh/a/b/new.key", 0o644)),
        ("a change of mode", "/etc/fresh/later.key", &|| open_up("/etc/fresh/later.key", 0o644)),
        ("a hard link", "/etc/fresh/linked", &|| fs::hard_link("/etc/fresh/later.key", "/etc/fresh/linked").unwrap()),
        ("a mount", "/usr/local/src/data", &|| mount("/srv/later", "/usr/local/src")),
    ];
    let account = Identity { uid: ACCOUNT, gid: ACCOUNT, groups: vec![ACCOUNT] };
    let confinement = Confinement::built_in(Base::Inspect);
    let plan = Plan::of(&confinement, &kernel(landlock::abi()));
    for identity in [None, Some(&account)] {
        let mut rulesets = Rulesets::for_session(None);
        let subject = Subject { program: Path::new("/bin/cat"), identity, home: "/nonexistent", terminal: None };
        let mut next = || rulesets.ruleset(&plan, subject).unwrap().unwrap();
        // The directory of the new key, and no other place, may be of interest.
        let _ = (fs::remove_dir_all("/etc/fresh/a"), fs::remove_file("/etc/fresh/new.key"), fs::remove_file("/etc/fresh/linked"));
        open_up("/etc/fresh/later.key", 0o600);
        for (name, path, change) in changes {
            let before = next();
            assert!(std::rc::Rc::ptr_eq(&before, &next()), "it is kept while nothing changes");
            change();
            assert!(reads_under(&before, identity, "/etc/fresh/plain"));
            let after = next();
            assert!(!std::rc::Rc::ptr_eq(&before, &after), "{name} is noticed");
            assert!(!reads_under(&after, identity, path), "{name} for {identity:?}");
            assert!(reads_under(&after, identity, "/etc/fresh/plain"), "{name}: nothing else is lost");
        }
        unmount("/usr/local/src");
    }
}

#[test]
fn a_policy_names_places_of_its_own() {
    let Some(_alone) = alone() else { return };
    for path in ["/srv/app/a/log/x", "/srv/app/b/log/x", "/srv/app/b/data/x", "/srv/app/b/log/.ssh/id", "/srv/app/b/log/keep.key"] {
        put(path, 0o644);
    }
    put("/srv/data/x", 0o666);
    put("/srv/data/.netrc", 0o666);
    open_up("/srv/data", 0o777);
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let confinement = Confinement {
        roots: words(&["/srv/app/*/log/**"]),
        write: words(&["/srv/data"]),
        hide: words(&["/srv/app/**/*.key"]),
        ..Confinement::built_in(Base::Sealed)
    };
    for (way, path, expected) in [
        ("read", "/srv/app/a/log/x", "ok"),
        ("read", "/srv/app/b/log/x", "ok"),
        ("read", "/srv/app/b/data/x", "EACCES"),
        ("read", "/srv/app/b/log/.ssh/id", "EACCES"),
        ("read", "/srv/app/b/log/keep.key", "EACCES"),
        ("read", "/etc/fstab", "EACCES"),
        ("read", "/etc/passwd", "ok"),
        ("write", "/srv/data/x", "ok"),
        ("truncate", "/srv/data/x", "ok"),
        ("write", "/srv/data/.netrc", "EACCES"),
        // Beside a hole nothing can be created.
        ("create", "/srv/data/x", "EACCES"),
        ("write", "/srv/app/a/log/x", "EACCES"),
    ] {
        let outcome = Task::new(Who::Account).confine(&confinement).attempt(&[(way, path.to_owned())]).run();
        assert_eq!(outcome[path], expected, "{way} {path}");
    }
    fs::remove_file("/srv/data/.netrc").unwrap();
    for way in ["create", "mkdir", "rename", "move", "link", "symlink"] {
        let outcome = Task::new(Who::Account).confine(&confinement).attempt(&[(way, "/srv/data/x".to_owned())]).run();
        // Another directory of the same place.
        fs::create_dir_all("/srv/data/other").unwrap();
        assert!(outcome["/srv/data/x"] == "ok" || way == "move", "{way}: {outcome:?}");
        put("/srv/data/x", 0o666);
    }
    let unhiding = Confinement { unhide: words(&["/srv/app/**"]), ..confinement.clone() };
    let outcome = Task::new(Who::Account).confine(&unhiding).attempt(&[("read", "/srv/app/b/log/.ssh/id".to_owned())]).run();
    assert_eq!(outcome["/srv/app/b/log/.ssh/id"], "ok");

    // A list of programs: those, and what they need to start.
    let listing = Confinement { exec: Exec::Paths(words(&["/usr/bin/id"])), ..Confinement::built_in(Base::Inspect) };
    for (argv, expected) in [(&["env", "id"][..], Some(0)), (&["env", "true"], Some(126)), (&["env", "env", "id"], Some(0))] {
        assert_eq!(Task::new(Who::Account).confine(&listing).start(argv).wait().unwrap().code(), expected, "{argv:?}");
    }
}

#[test]
fn the_other_names_of_a_hidden_file_are_hidden_too() {
    let Some(_alone) = alone() else { return };
    for (secret, name) in [("/var/app/.netrc", "/var/log/app/deep/netrc"), ("/var/lib/elsewhere/letter", "/var/app/letter")] {
        put(secret, 0o644);
        fs::create_dir_all(Path::new(name).parent().unwrap()).unwrap();
        fs::hard_link(secret, name).unwrap();
    }
    for path in ["/var/log/app/deep/other", "/var/app/other", "/var/app/twin"] {
        put(path, 0o644);
    }
    fs::hard_link("/var/app/twin", "/var/app/brother").unwrap();
    let confinement = Confinement { read: vec!["/var/app".to_owned()], ..Confinement::built_in(Base::Inspect) };
    for (path, held) in [
        ("/var/log/app/deep/netrc", "EACCES"),
        ("/var/app/letter", "EACCES"),
        ("/var/log/app/deep/other", "ok"),
        ("/var/app/other", "ok"),
        ("/var/app/twin", "ok"),
        ("/var/app/brother", "ok"),
    ] {
        let attempt = [("read", path.to_owned())];
        assert_eq!(Task::new(Who::Account).confine(&confinement).attempt(&attempt).run()[path], held, "{path}");
        assert_eq!(Task::new(Who::Account).free().attempt(&attempt).run()[path], "ok", "{path} without a ruleset");
    }
}

#[test]
fn a_place_with_too_much_in_it_is_an_error_that_says_what_to_do() {
    let Some(_alone) = alone() else { return };
    fs::create_dir_all("/run/many").unwrap();
    for number in 0..=postern::words::limits::HIDDEN_ENTRIES {
        fs::write(format!("/run/many/{number}"), "").unwrap();
    }
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let ruleset = |confinement: &Confinement| {
        let plan = Plan::of(confinement, &kernel(landlock::abi()));
        let subject = Subject { program: Path::new("/bin/cat"), identity: None, home: "/nonexistent", terminal: None };
        Rulesets::for_one_line(None).ruleset(&plan, subject).map(drop).map_err(|error| error.to_string())
    };
    let sealed = Confinement { read: words(&["/run/many"]), ..Confinement::built_in(Base::Sealed) };
    let error = ruleset(&sealed).unwrap_err();
    assert!(error.starts_with("/run/many: more than 100000 files") && error.contains("unhide"), "{error}");
    assert_eq!(ruleset(&Confinement { unhide: words(&["/run/many/**"]), ..sealed }), Ok(()));
}

#[test]
fn an_old_kernel_holds_what_it_can() {
    let Some(_alone) = alone() else { return };
    put("/srv/old/file", 0o666);
    put("/srv/old/second", 0o666);
    fs::create_dir_all("/srv/old/other").unwrap();
    open_up("/srv/old", 0o777);
    open_up("/srv/old/other", 0o777);
    let write = Confinement { write: vec!["/srv/old".to_owned()], ..Confinement::built_in(Base::Inspect) };
    let inspect = Confinement::built_in(Base::Inspect);
    for abi in 1..=landlock::abi() {
        let of = |confinement: &Confinement, way: &str, path: &str| {
            Task::new(Who::Account).abi(abi).confine(confinement).attempt(&[(way, path.to_owned())]).run()[path].clone()
        };
        assert_eq!(of(&inspect, "read", "/etc/hosts"), "ok", "ABI {abi}");
        assert_eq!(of(&inspect, "read", "/srv/old/file"), "EACCES", "ABI {abi}");
        assert_eq!(of(&inspect, "write", "/srv/old/file"), "EACCES", "ABI {abi}");
        assert_eq!(of(&inspect, "create", "/srv/old/file"), "EACCES", "ABI {abi}");
        // What seccomp has to hold there.
        assert_eq!(of(&inspect, "truncate", "/srv/old/second"), if abi < 3 { "ok" } else { "EACCES" }, "ABI {abi}");
        let moved = of(&write, "move", "/srv/old/file");
        assert_eq!(moved, if abi < 2 { "EXDEV" } else { "ok" }, "ABI {abi}");
        put("/srv/old/file", 0o666);
        let mut outside = sleeping_as(Who::Account);
        let signal = of(&inspect, "signal", &outside.id().to_string());
        assert_eq!(signal, if abi < 6 { "ok" } else { "EPERM" }, "ABI {abi}");
        outside.kill().unwrap();
        outside.wait().unwrap();
    }
}

#[test]
fn a_device_is_no_way_round() {
    let Some(_alone) = alone() else { return };
    let node = "/etc/disk-node";
    assert!(Command::new("mknod").args([node, "c", "1", "9"]).status().unwrap().success(), "urandom by another name");
    open_up(node, 0o666);
    for who in WHO {
        let attempt = [("read", node.to_owned())];
        assert_eq!(Task::new(who).free().attempt(&attempt).run()[node], "ok");
        assert_eq!(Task::new(who).attempt(&attempt).run()[node], "EACCES", "{who:?}");
    }
    fs::remove_file(node).unwrap();
}
