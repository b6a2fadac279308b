//! `as:` of rules, and users whom only NSS knows.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::host::{EXTRA_UID, EXTRA_USER, Posternsh, SEVERAL, host, numbers, records, shell};
use crate::sandbox::await_some;

/// What a command is when its rule says `as:` so: user, group, groups. The error is what the shell says.
fn ids(run_as: &str) -> Result<(u32, u32, Vec<u32>), String> {
    let rules = format!("allow:\n  - run: id (-u|-g|-G)\n    as: '{run_as}'\n");
    let output = Posternsh::on(&rules).run("id -u && id -g && id -G");
    if !output.status.success() {
        return Err(String::from_utf8(output.stderr).unwrap().trim().to_owned());
    }
    let said = String::from_utf8(output.stdout).unwrap();
    let [uid, gid, groups] = said.lines().collect::<Vec<_>>().try_into().unwrap();
    Ok((uid.parse().unwrap(), gid.parse().unwrap(), numbers(groups)))
}

/// One number of `id`, or of getent's third field.
fn number(command: &str) -> u32 {
    shell(command).trim().parse().unwrap()
}

fn gid(group: &str) -> u32 {
    number(&format!("getent group {group} | cut -d: -f3"))
}

/// Sorted, with one more in place of another.
fn instead(groups: &[u32], old: Option<u32>, new: u32) -> Vec<u32> {
    let kept = groups.iter().filter(|gid| Some(**gid) != old).map(u32::to_string);
    numbers(&kept.chain([new.to_string()]).collect::<Vec<_>>().join(" "))
}

#[test]
fn a_rule_runs_with_the_ids_that_id_says_its_user_has() {
    let Some(host) = host() else { return };
    host.sources("files extrausers");
    let own = number(&format!("id -g {SEVERAL}"));
    let of_several = host.groups(SEVERAL);
    assert!(of_several.len() == 5 && of_several.contains(&gid("oncall")), "own, adm, games, users, and one of the other source");
    for user in ["root", "nobody", "daemon", SEVERAL, EXTRA_USER] {
        let (uid, gid) = (number(&format!("id -u {user}")), number(&format!("id -g {user}")));
        assert_eq!(ids(user), Ok((uid, gid, host.groups(user))), "{user}");
    }
    let several = number(&format!("id -u {SEVERAL}"));
    for group in ["games", "tape", "oncall"] {
        let gid = gid(group);
        assert_eq!(ids(&format!("{SEVERAL}:{group}")), Ok((several, gid, instead(&of_several, Some(own), gid))), "{group}");
        // The account is root here, with the groups that this process has.
        let account = instead(&numbers(&shell("id -G")), None, gid);
        assert_eq!(ids(&format!(":{group}")), Ok((0, gid, account)), "{group}");
    }
    for (run_as, reason) in [("absent", "no such user"), ("nobody:absent", "no such group: absent"), (":absent", "no such group: absent")] {
        let error = ids(run_as).unwrap_err();
        assert!(error.ends_with(&format!("cannot run as {run_as}: {reason}")), "{error}");
    }
}

#[test]
fn another_source_is_asked_where_the_host_names_one() {
    let Some(host) = host() else { return };
    for (sources, known) in [("files", false), ("files systemd", false), ("files extrausers", true), ("extrausers files", true)] {
        host.sources(sources);
        let found = ids(EXTRA_USER).map(|(uid, ..)| uid).map_err(|error| error.contains("no such user"));
        assert_eq!(found, if known { Ok(EXTRA_UID) } else { Err(true) }, "{sources}");
        assert_eq!(ids(SEVERAL).unwrap().2.contains(&23_002), known, "{sources}");
        assert!(ids("daemon").is_ok(), "{sources}");
    }
    // What both know, the files decide.
    host.sources("extrausers files");
    fs::write("/var/lib/extrausers/passwd", "daemon:x:24001:24001::/:/bin/sh\n").unwrap();
    assert_eq!(ids("daemon").unwrap().0, 1);
    host.entries();
}

/// The account itself is of the other source, and a rule is for a group of it.
#[test]
fn an_account_of_another_source_is_known_with_its_groups() {
    let Some(host) = host() else { return };
    host.sources("files extrausers");
    let launcher = ["setpriv", &*format!("--reuid={EXTRA_UID}"), &format!("--regid={EXTRA_UID}"), "--groups=23002,4"];
    let rules = |accounts: &str| format!("accounts: ['{accounts}']\nallow:\n  - id -G\n");
    for (accounts, status) in [("%oncall", 0), (EXTRA_USER, 0), ("%adm", 0), ("%games", 126), (SEVERAL, 126)] {
        let output = Posternsh::on(&rules(accounts)).command(&launcher, "id -G").output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{accounts}: {}", String::from_utf8_lossy(&output.stderr));
        if status == 0 {
            assert_eq!(numbers(&String::from_utf8(output.stdout).unwrap()), [4, EXTRA_UID, 23_002]);
        }
    }
    host.sources("files");
    let output = Posternsh::on(&rules(EXTRA_USER)).command(&launcher, "id -G").output().unwrap();
    assert_eq!(
        (output.status.code(), String::from_utf8(output.stderr).unwrap().trim()),
        (Some(125), "posternsh: uid 23001 has no account")
    );
}

#[test]
fn records_and_help_show_as_as_it_is_written() {
    let Some(_host) = host() else { return };
    for run_as in ["nobody", "nobody:adm", ":adm"] {
        let rules = format!("allow:\n  - run: id -un\n    as: {run_as}\n");
        let marker = format!("id -un # {run_as}");
        let posternsh = Posternsh::on(&rules);
        assert!(posternsh.run(&marker).status.success());
        let files = fs::read_dir(records()).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
        let lines: Vec<String> = files.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
        let all = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let own: Vec<Value> = all.filter(|record| record["line"] == *marker && record["event"] == "command.start").collect();
        assert_eq!((own.len(), own[0]["stages"][0]["as"].as_str()), (1, Some(run_as)));
        let said = |line: &str| String::from_utf8(posternsh.run(line).stdout).unwrap();
        let help = said("help id");
        assert!(help.contains(&format!("run as {run_as}\n")) || help.contains(&format!("run as {run_as},")), "{help}");
        let group = if run_as == "nobody" { "nogroup" } else { "adm" };
        let explained = said("explain id -un");
        let row = explained.lines().find(|line| line.starts_with("  runs as  "));
        assert!(row.is_some_and(|row| row.contains(group)), "{run_as}: {explained}");
    }
}

/// The child that asks, while the source hangs.
pub struct Asking {
    pub shell: Child,
    pid: u32,
}

impl Asking {
    pub fn start(shell: &mut Command) -> Asking {
        let shell = shell.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let is_getent = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "getent\n");
        let look = || {
            let threads = fs::read_dir(format!("/proc/{}/task", shell.id())).ok()?.flatten();
            let children = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
            children.collect::<String>().split_whitespace().filter_map(|pid| pid.parse().ok()).find(is_getent)
        };
        Asking { pid: await_some(|| "getent", look), shell }
    }

    pub fn status(&self, field: &str) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let value = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(":\t"));
        value.unwrap().trim().to_owned()
    }
}

/// Whether somebody may trace a process, which its environment is guarded by.
fn can_trace(uid: u32, gid: u32, pid: u32) -> bool {
    // Not by setpriv, which asks for users itself.
    let mut cat = Command::new("cat");
    cat.uid(uid).gid(gid).arg(format!("/proc/{pid}/environ")).output().unwrap().status.success()
}

#[test]
fn who_asks_another_source_has_given_up_everything_and_is_out_of_reach() {
    let Some(host) = host() else { return };
    host.sources("files extrausers");
    host.hang();
    let rules = format!("allow:\n  - run: id\n    as: {EXTRA_USER}\n");
    let posternsh = Posternsh::on(&rules);
    let mut hostile = posternsh.command(&[], "id");
    hostile.env("LD_PRELOAD", "/no/such").env("GLIBC_TUNABLES", "glibc.malloc.check=1").env("LOCPATH", "/no/such");
    let asking = Asking::start(&mut hostile);
    let (proc, zero) = (format!("/proc/{}", asking.pid), "0000000000000000");
    for (field, value) in [
        ("Uid", "65534\t65534\t65534\t65534"),
        ("Gid", "65533\t65533\t65533\t65533"),
        ("Groups", ""),
        ("NoNewPrivs", "1"),
        ("CapInh", zero),
        ("CapPrm", zero),
        ("CapEff", zero),
        ("CapBnd", zero),
        ("CapAmb", zero),
    ] {
        assert_eq!(asking.status(field), value, "{field}");
    }
    assert_eq!(fs::read(format!("{proc}/environ")).unwrap(), b"");
    assert_eq!(fs::read(format!("{proc}/cmdline")).unwrap(), b"getent\0passwd\0--\0extra\0");
    assert_eq!(fs::read_link(format!("{proc}/cwd")).unwrap().to_str(), Some("/"));
    let mut open: Vec<String> = fs::read_dir(format!("{proc}/fd"))
        .unwrap()
        .map(|entry| fs::read_link(entry.unwrap().path()).unwrap().display().to_string())
        .map(|link| link.split(':').next().unwrap().to_owned())
        .collect();
    open.sort();
    // Perhaps it is still about to open what hangs.
    open.retain(|link| !link.starts_with("/etc/") && !link.starts_with("/var/lib/extrausers/"));
    assert_eq!(open, ["/dev/null", "/dev/null", "pipe"]);
    assert!(!can_trace(65_534, 65_534, asking.pid), "another process of nobody");
    assert!(!can_trace(22_002, 22_002, asking.pid), "an account");
    assert!(can_trace(65_534, 65_533, asking.pid), "the control");

    let output = asking.shell.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(126));
    let reason = "cannot run as extra: the user database gives no answer for passwd extra: no answer within 2s";
    assert!(said.trim_end().ends_with(reason), "{said}");
    host.entries();
    assert!(ids(EXTRA_USER).is_ok(), "and it is there when the source answers again");
}

/// A shell without privilege has none to give up, and cannot be somebody else.
#[test]
fn without_privilege_the_account_asks_for_itself() {
    let Some(host) = host() else { return };
    host.sources("files extrausers");
    host.hang();
    let posternsh = Posternsh::on("allow:\n  - id\n");
    let asking = Asking::start(posternsh.command(&[], "id").uid(EXTRA_UID).gid(EXTRA_UID));
    for (field, value) in [("Uid", "23001\t23001\t23001\t23001"), ("NoNewPrivs", "1"), ("CapEff", "0000000000000000")] {
        assert_eq!(asking.status(field), value, "{field}");
    }
    let output = asking.shell.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(125), "who the account is must be known");
    host.entries();
}
