//! Each break-glass account: who it is, what its groups give it, and what lies in its home directory.

use super::finding::{Check, Finding, Level, quoted};
use super::home::{Home, TRAPS};
use super::host::{Account, GROUP, Host, is_shell};
use super::reading::{text, text_or_empty};
use crate::sys::user::User;
use crate::words::paths::{EMPTY_HOME, STATE_DIR};

pub const CHECKS: &[Check] = &[
    Check { id: "account.found", run: found },
    Check { id: "account.shell", run: |host| host.each_account(|account| vec![shell(&account.user)]) },
    Check { id: "account.uid", run: |host| host.each_account(|account| vec![uid(&account.user, &host.users)]) },
    Check { id: "account.password", run: passwords },
    Check {
        id: "account.groups",
        run: |host| host.each_account(|account| groups(account.name(), &account.groups, host.can_start_its_shell(account))),
    },
    Check { id: "account.home", run: |host| host.each_account(|account| vec![home(account)]) },
    Check { id: "account.files", run: |host| host.each_account(files) },
    Check { id: "account.subids", run: subids },
];

fn found(host: &Host) -> Vec<Finding> {
    let names: Vec<&str> = host.accounts.iter().map(Account::name).collect();
    vec![match names[..] {
        [] => Finding::note("accounts", format!("there is none: nobody has posternsh for a login shell or is in group {GROUP}"))
            .fix(format!("useradd -m -G {GROUP} -s /usr/bin/posternsh NAME")),
        _ => Finding::ok("accounts", names.join(", ")),
    }]
}

fn shell(user: &User) -> Finding {
    let shell = user.shell.display();
    match is_shell(&user.shell) {
        true => Finding::ok(&user.name, format!("its login shell is {shell}")),
        false => Finding::problem(&user.name, format!("its login shell is {shell}, which every way in starts first")).command([
            "usermod",
            "-s",
            "/usr/bin/posternsh",
            &user.name,
        ]),
    }
}

fn uid(user: &User, users: &[User]) -> Finding {
    if user.uid.is_root() {
        return Finding::problem(&user.name, "it is root: no confinement holds whoever has uid 0 outside of it")
            .fix("give it a uid of its own");
    }
    let same: Vec<String> = users
        .iter()
        .filter(|other| other.uid == user.uid && other.name != user.name)
        .map(|other| format!("{} ({})", other.name, other.shell.display()))
        .collect();
    match same[..] {
        [] => Finding::ok(&user.name, format!("uid {} is its own", user.uid)),
        _ => Finding::problem(
            &user.name,
            format!("uid {} is also that of {}: they can trace and signal each other's processes", user.uid, same.join(", ")),
        )
        .fix("give it a uid of its own"),
    }
}

fn passwords(host: &Host) -> Vec<Finding> {
    match text("/etc/shadow") {
        Ok(shadow) => host.each_account(|account| vec![password(account.name(), &shadow)]),
        Err(unread) => vec![unread.skipped("/etc/shadow")],
    }
}

/// The second field of shadow(5).
fn password(name: &str, shadow: &str) -> Finding {
    let entry = shadow.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    match entry.and_then(|entry| entry.split(':').next()) {
        None => Finding::note(name, "it has no entry in /etc/shadow: another service knows its password"),
        Some("") => Finding::problem(name, "it has an empty password").command(["usermod", "-p", "*", name]),
        Some(hash) if hash.starts_with(['!', '*']) => Finding::ok(name, "its password is locked"),
        Some(_) => Finding::note(name, "it has a password: whoever knows that gets in by su or at the console, and no key says who it was")
            .command(["usermod", "-p", "*", name]),
    }
}

/// Groups that lead to root, and how.
const ROOT_BY_GROUP: [(&str, &str); 13] = [
    ("root", "much is writable by it"),
    ("sudo", "sudo gives it everything"),
    ("wheel", "sudo and su give it everything"),
    ("admin", "sudo gives it everything"),
    ("docker", "the Docker daemon mounts and runs anything as root for it"),
    ("lxd", "LXD mounts and runs anything as root for it"),
    ("incus-admin", "Incus mounts and runs anything as root for it"),
    ("libvirt", "libvirtd opens any file as root for it"),
    ("disk", "it reads and writes disks past their file systems"),
    ("kmem", "it reads the memory of the kernel"),
    ("shadow", "it reads the hashes of all passwords"),
    ("staff", "it writes to /usr/local, which root's PATH has"),
    ("kvm", "it reaches into the kernel"),
];

/// Groups that give more to read.
const MORE_BY_GROUP: [(&str, &str); 3] = [
    ("adm", "it reads most logs, whatever the path types of the policy say"),
    ("systemd-journal", "it reads the whole journal"),
    ("wireshark", "it sees all traffic"),
];

fn groups(name: &str, groups: &[String], can_start: bool) -> Vec<Finding> {
    let member = |group: &str| groups.iter().any(|own| own == group);
    let leave = |group: &str| format!("gpasswd -d {} {group}", quoted(name));
    let bad = ROOT_BY_GROUP.iter().filter(|(group, _)| member(group)).map(|(group, how)| {
        let level = if *group == "kvm" || *group == "staff" { Level::Warning } else { Level::Problem };
        Finding::new(level, name, format!("it is in group {group}: {how}")).script(leave(group))
    });
    let more = MORE_BY_GROUP.iter().filter(|(group, _)| member(group));
    let more = more.map(|(group, how)| Finding::note(name, format!("it is in group {group}: {how}")).script(leave(group)));
    let outside = (!member(GROUP)).then(|| {
        let (level, lacks) = match can_start {
            true => (Level::Warning, "for which the shipped sshd snippet is"),
            false => (Level::Problem, "which alone may start its login shell, so it cannot get in"),
        };
        Finding::new(level, name, format!("it is not in group {GROUP}, {lacks}")).command(["gpasswd", "-a", name, GROUP])
    });
    let found: Vec<Finding> = bad.chain(more).chain(outside).collect();
    if found.is_empty() { vec![Finding::ok(name, format!("no group of it leads further: {}", groups.join(", ")))] } else { found }
}

/// Commands have an empty home directory in any case; this is about what sshd, mail and systemd look for in the real one.
fn home(account: &Account) -> Finding {
    let (name, path) = (account.name(), account.user.home.display().to_string());
    let empty = format!("{STATE_DIR}/{EMPTY_HOME}");
    let mend = |finding: Finding| finding.command(["usermod", "-d", &empty, name]);
    match &account.home {
        Home::Missing => Finding::ok(name, format!("{path} is not there, so nothing can be in it")),
        Home::Unknown(reason) => Finding::skipped(name, format!("{path}: {reason}")),
        Home::There { writable: true, .. } => mend(Finding::warning(
            name,
            format!("it can write to {path}: what it may leave there by a rule with `write:` sshd, mail, cron and systemd take up"),
        )),
        Home::There { owned, .. } if !owned.is_empty() => {
            mend(Finding::warning(name, format!("{} in {path} belong to it", owned.join(", "))))
        }
        Home::There { .. } => Finding::ok(name, format!("it cannot write to {path}")),
    }
}

fn files(account: &Account) -> Vec<Finding> {
    let name = account.name();
    let Home::There { traps, complete, .. } = &account.home else {
        return match &account.home {
            Home::Unknown(reason) => vec![Finding::skipped(name, format!("{}: {reason}", account.user.home.display()))],
            _ => vec![Finding::ok(name, "it has no home directory")],
        };
    };
    let mut found: Vec<Finding> = traps
        .iter()
        .filter_map(|index| TRAPS.get(*index))
        .map(|trap| {
            let path = account.user.home.join(trap.name).display().to_string();
            let level = if trap.serious { Level::Problem } else { Level::Note };
            // As the account, because a link on the way may lead anywhere.
            Finding::new(level, path.clone(), trap.what).command(["runuser", "-u", name, "--", "rm", "-r", &path])
        })
        .collect();
    if !complete {
        found.push(Finding::skipped(name, format!("only root can look at all of {}", account.user.home.display())));
    }
    if found.is_empty() { vec![Finding::ok(name, "nothing in its home directory is taken up by others")] } else { found }
}

fn subids(host: &Host) -> Vec<Finding> {
    let (uids, gids) = match (text_or_empty("/etc/subuid"), text_or_empty("/etc/subgid")) {
        (Ok(uids), Ok(gids)) => (uids, gids),
        (Err(unread), _) => return vec![unread.skipped("/etc/subuid")],
        (_, Err(unread)) => return vec![unread.skipped("/etc/subgid")],
    };
    host.each_account(|account| vec![subid(account.name(), &uids, &gids)])
}

/// Entries of subuid(5) and subgid(5): `NAME:FIRST:COUNT`.
fn subid(name: &str, uids: &str, gids: &str) -> Finding {
    let mut fix = String::new();
    for (text, flag) in [(uids, "--del-subuids"), (gids, "--del-subgids")] {
        for line in text.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            let [owner, first, count] = fields[..] else { continue };
            let (Ok(first), Ok(count)) = (first.parse::<u64>(), count.parse::<u64>()) else { continue };
            if owner == name {
                fix.push_str(&format!(" {flag} {first}-{}", first.saturating_add(count).saturating_sub(1)));
            }
        }
    }
    match fix.is_empty() {
        true => Finding::ok(name, "it has no ids to give away in user namespaces"),
        false => Finding::note(name, "it may take other ids in user namespaces of its own, which the filter keeps its commands from")
            .script(format!("usermod{fix} {}", quoted(name))),
    }
}

#[cfg(test)]
mod tests {
    use nix::unistd::{Gid, Uid};

    use super::*;

    fn user(name: &str, uid: u32, shell: &str) -> User {
        User { name: name.to_owned(), uid: Uid::from_raw(uid), gid: Gid::from_raw(uid), home: "/x".into(), shell: shell.into() }
    }

    #[test]
    fn accounts_are_judged_by_the_user_database() {
        let users = [user("bg", 7, "/usr/bin/posternsh"), user("other", 8, "/bin/sh")];
        let owned = |groups: &[&str]| groups.iter().map(|group| (*group).to_owned()).collect::<Vec<_>>();
        let shadow = "bg:*:1::::::\nlocked:!:1\nopen::1\nset:$y$j9T$x:1\n";
        for (finding, level) in [
            (shell(&user("bg", 7, "/usr/bin/posternsh")), Level::Ok),
            (shell(&user("bg", 7, "/bin/bash")), Level::Problem),
            (uid(&user("bg", 7, "/usr/bin/posternsh"), &users), Level::Ok),
            (uid(&user("bg", 8, "/usr/bin/posternsh"), &users), Level::Problem),
            (uid(&user("bg", 0, "/usr/bin/posternsh"), &users), Level::Problem),
            (password("bg", shadow), Level::Ok),
            (password("locked", shadow), Level::Ok),
            (password("open", shadow), Level::Problem),
            (password("set", shadow), Level::Note),
            (password("b", shadow), Level::Note),
            (subid("bg", "bg:100000:65536\n", ""), Level::Note),
            (subid("bg", "other:100000:65536\n", ""), Level::Ok),
        ] {
            assert_eq!(finding.level, level, "{finding:?}");
        }
        for (names, can_start, levels) in [
            (&["postern"][..], true, &[Level::Ok][..]),
            (&["postern", "docker", "adm"], true, &[Level::Problem, Level::Note]),
            (&["users"], true, &[Level::Warning]),
            (&["users"], false, &[Level::Problem]),
            // Of another group that may start it: `shell.privilege`.
            (&["postern"], false, &[Level::Ok]),
        ] {
            let found: Vec<Level> = groups("bg", &owned(names), can_start).iter().map(|finding| finding.level).collect();
            assert_eq!(found, levels, "{names:?}");
        }
        let fix = subid("bg", "bg:100000:65536\n", "bg:5:2\n").fix;
        assert_eq!(fix, Some(super::super::finding::Fix::Command("usermod --del-subuids 100000-165535 --del-subgids 5-6 bg".to_owned())));
    }
}
