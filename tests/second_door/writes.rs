//! What can be changed.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use crate::door::{Door, EVERYBODY, ROOT_ONLY, User};
use crate::host::{BASE, SECRET, ready, secret};
use crate::prove::{Attack, Free, Ground, NO_GROUND, Sign, answers_of, attack, changes, fails, prove, prove_on, said, works};

const OPEN: Free<'static> = Free::Confined("open");

/// Contents and names: Landlock's part.
const CONTENTS: [&str; 21] = [
    "write",
    "update",
    "append",
    "create",
    "creat",
    "truncate",
    "cut",
    "cut-openat2",
    "tmpfile",
    "reopen",
    "map-shared",
    "rename",
    "replace",
    "exchange",
    "link",
    "symlink",
    "unlink",
    "mkdir",
    "rmdir",
    "fifo",
    "mknod",
];

/// What a scene shows, and what only the call itself tells: the owner is the same as before, and attributes are not in a state.
fn attributes() -> Vec<Attack> {
    let mut attacks: Vec<Attack> = ["chmod", "fchmod", "fchmodat", "utimensat", "futimens"].map(changes).into();
    #[cfg(target_arch = "x86_64")]
    attacks.extend(["utimes", "utime", "futimesat"].map(changes));
    attacks.push(changes("fchmodat2").if_kernel());
    attacks.extend(["chown", "lchown", "fchown", "fchownat"].map(|name| said(format!("{name} {{scene}}"))));
    let newer = ["setxattr", "fsetxattr", "setxattrat", "file-setattr", "flags"];
    attacks.extend(newer.map(|name| said(format!("{name} {{scene}}")).if_kernel()));
    attacks
}

fn contents() -> Vec<Attack> {
    CONTENTS.map(changes).into()
}

/// Files that begin as set-user-ID or set-group-ID: the filter's part, where files can be made.
fn set_ids() -> Vec<Attack> {
    ["set-id-open", "set-id-tmpfile", "set-id-openat2", "set-id-creat", "set-id-mknod"].map(changes).into()
}

/// Takes a socket too, which is another thing that a rule says.
const BIND: &str = "bind-path";

/// Where a user may write by the rights of files alone.
fn places(user: User) -> [&'static str; 4] {
    let own = match user {
        User::Account => "/home/door",
        User::Lent => "/home/lent",
        User::Root => "/srv",
    };
    ["/tmp", "/dev/shm", "/var/tmp", own]
}

#[test]
fn no_file_is_changed() {
    if !ready() {
        return;
    }
    let attacks = [contents(), attributes(), vec![changes(BIND)]].concat();
    for user in EVERYBODY {
        for place in places(user) {
            let ground = Ground { place, listeners: None };
            prove_on(&ground, &format!("files in {place}"), &attacks, &[user], "inspect", OPEN);
        }
    }
    for base in ["sealed", "service", "network"] {
        fails(&NO_GROUND, "files in /tmp", &attacks, &EVERYBODY, base);
    }
}

#[test]
fn nothing_is_left_where_there_is_no_file() {
    if !ready() {
        return;
    }
    let attacks = [said("shm"), said("msg"), said("sem"), said("mqueue /second-door").if_kernel()];
    prove("IPC", &attacks, &EVERYBODY, "inspect", OPEN);
    prove("a core dump", &[attack("core {scene}", Sign::Changes).if_kernel()], &EVERYBODY, "inspect", Free::Bare);
}

#[test]
fn the_state_of_the_machine_is_not_roots_to_change() {
    if !ready() {
        return;
    }
    let paths = [
        "/proc/sys/kernel/hostname",
        "/proc/sys/vm/swappiness",
        "/proc/sysrq-trigger",
        "/sys/kernel/mm/transparent_hugepage/enabled",
        "/sys/power/state",
        "/dev/console",
        "/dev/vcs1",
        "/etc/passwd",
        "/var/log/dpkg.log",
    ];
    let attacks = paths.map(|path| said(format!("open-to-write {path}")).if_kernel());
    prove("what root owns", &attacks, &ROOT_ONLY, "inspect", OPEN);
}

#[test]
fn what_a_rule_may_write_is_all_that_it_writes() {
    if !ready() {
        return;
    }
    for user in EVERYBODY {
        let allowed = Path::new("/tmp").join(format!("allowed-{user:?}"));
        fs::create_dir_all(&allowed).unwrap();
        chown(&allowed, Some(user.uid()), Some(user.uid())).unwrap();
        let held = format!("{{ base: inspect, write: [{}] }}", allowed.display());
        let ground = Ground { place: allowed.to_str().unwrap(), listeners: None };
        // There is no openat2, whose mode no filter sees.
        let uses: Vec<Attack> = contents().into_iter().filter(|attack| !attack.is_any(&["cut-openat2"])).collect();
        works(&ground, "files where the rule writes", &uses, &[user], &held);
        prove_on(&ground, "set-ID files where the rule writes", &set_ids(), &[user], &held, OPEN);
        let with_sockets = format!("{{ base: inspect, write: [{}], sockets: [/run/second-door/none] }}", allowed.display());
        prove_on(&ground, "attributes where the rule writes", &attributes(), &[user], &held, OPEN);
        works(&ground, "a socket where the rule writes", &[changes(BIND)], &[user], &with_sockets);
        fails(&ground, "a socket without `sockets`", &[changes(BIND)], &[user], &held);
        fails(&NO_GROUND, "a socket elsewhere", &[changes(BIND)], &[user], &with_sockets);
        for place in places(user) {
            let ground = Ground { place, listeners: None };
            prove_on(&ground, "files elsewhere", &[contents(), attributes(), vec![changes(BIND)]].concat(), &[user], &held, OPEN);
        }
    }
}

/// Of a file that root owns and everybody can open, as far as a descriptor for reading is enough.
#[test]
fn root_makes_no_program_set_user_id() {
    if !ready() {
        return;
    }
    let program = Path::new(BASE).join("a-program");
    for (confine, through) in [("open", true), ("inspect", false), ("{ base: inspect, write: [/tmp] }", false)] {
        fs::write(&program, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        let run = Door::new(User::Root, confine).line(&format!("attack set-user-id {}", program.display()));
        let mode = fs::metadata(&program).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, if through { 0o4755 } else { 0o755 }, "under {confine}: {}", run.out());
        assert_eq!(answers_of(&run.out())[0].0, if through { "yes" } else { "no EPERM" }, "under {confine}");
    }
    // Nor a new one, where it may write: its own kind of mode, but no capability to keep it.
    prove("a new program", &[said("new-set-user-id {scene}")], &ROOT_ONLY, "{ base: inspect, write: [/tmp] }", Free::Bare);
}

/// A directory with keys and a place to write, all the user's own.
fn cellar(user: User) -> PathBuf {
    let cellar = PathBuf::from(format!("/etc/cellar-{user:?}"));
    let _ = fs::remove_dir_all(&cellar);
    for name in ["x.key", "sub/y.key"] {
        secret(cellar.join(name).to_str().unwrap());
    }
    fs::create_dir_all(cellar.join("out/empty")).unwrap();
    for name in ["", "x.key", "sub", "sub/y.key", "out", "out/empty"] {
        chown(cellar.join(name), Some(user.uid()), Some(user.uid())).unwrap();
    }
    cellar
}

#[test]
fn a_place_to_write_is_no_way_to_what_is_hidden() {
    if !ready() {
        return;
    }
    let ways = [
        "move {}/x.key {}/out/x",
        "hardlink {}/x.key {}/out/x",
        "point-at {}/x.key {}/out/x",
        "move-above {}/sub {}/out/sub y.key",
        "swap-above {}/sub {}/out/empty y.key",
    ];
    let mut faults = Vec::new();
    for user in EVERYBODY {
        for way in ways {
            let read = |confine: &str| {
                let cellar = cellar(user);
                let words = way.replace("{}", cellar.to_str().unwrap());
                let run = Door::new(user, confine).line(&format!("attack {words}"));
                (answers_of(&run.out()).first().cloned().unwrap_or_default().0, run.out().contains(SECRET))
            };
            let (free, held) = (read("open"), read(&format!("{{ base: inspect, write: [/etc/cellar-{user:?}/out] }}")));
            if !free.1 || held.1 || held.0 == "yes" {
                faults.push(format!("{user:?}: {way}: control {free:?}, held {held:?}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
