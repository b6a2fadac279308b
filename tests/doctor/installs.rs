//! The three installs, by the very commands of posternsh(1): each has no problem, lets the account in, and says on record which it is.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::breaks::{Break, assert_found_and_mended, broken};
use super::install::{ACCOUNT, Host, host, shell};
use super::process::{Finished, run};
use super::sandbox::{ROOT, await_that};

const PAGE: &str = include_str!("../../man/posternsh.1");
const RECORDS: &str = "/var/log/postern";

/// Runs the commands of the manual's section for one install.
fn install(name: &str) {
    let section = PAGE.split_once(&format!("The {name} install:\n.Bd -literal -offset indent\n")).unwrap().1;
    let block = section.split_once(".Ed\n").unwrap().0.replace("\\e\n", " ");
    let commands: Vec<&str> = block.lines().map(|line| line.strip_prefix("# ").unwrap()).collect();
    assert!(commands.len() > 1, "{commands:?}");
    for command in commands {
        shell(&command.replace("target/static/posternsh", env!("CARGO_BIN_EXE_posternsh")));
    }
}

/// Back to what the README has.
fn back(host: &Host) {
    install("root");
    host.restore();
}

fn problems(host: &Host) -> BTreeSet<String> {
    let is_about_us = |id: &str| ["shell.", "audit.", "account."].iter().any(|family| id.starts_with(family));
    let findings = host.findings().into_iter();
    findings.filter(|finding| finding.level == "problem" && is_about_us(&finding.id)).map(|finding| finding.id).collect()
}

/// The sessions on file.
fn files() -> BTreeSet<PathBuf> {
    let files = fs::read_dir(RECORDS).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|name| name == "jsonl")).collect()
}

/// Runs something that has one session; how it ended, the session's file, and its first record.
fn session(go: impl FnOnce() -> Finished) -> (Finished, PathBuf, Value) {
    let before = files();
    let finished = go();
    let ended = || files().difference(&before).find(|file| fs::read_to_string(file).unwrap().contains("session.end")).cloned();
    await_that(|| format!("a session on file; {}: {}", finished.status, finished.err()), || ended().is_some());
    let file = ended().unwrap();
    let start = serde_json::from_str(fs::read_to_string(&file).unwrap().lines().next().unwrap()).unwrap();
    (finished, file, start)
}

/// One line by the account's login shell, from a console.
fn console(line: &str) -> Finished {
    run(Command::new("su").args(["-", ACCOUNT, "-c", line]), b"")
}

fn as_account(program: &str, file: &Path) -> Finished {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", ACCOUNT, "--regid", ACCOUNT, "--init-groups", "--", program]);
    run(command.arg(file), b"")
}

fn uid_of(name: &str) -> u32 {
    run(Command::new("id").args(["-u", name]), b"").out().trim().parse().unwrap()
}

#[test]
fn each_install_has_no_problem_and_lets_the_account_in() {
    let Some(host) = host() else { return };
    for (name, owner, is_out_of_reach) in [("root", "root", true), ("postern", "postern", true), ("plain", ACCOUNT, false)] {
        install(name);
        assert_eq!(problems(&host), BTreeSet::new(), "{name}");
        let (finished, file, start) = session(|| console("uptime"));
        assert_eq!((finished.status, start["install"].as_str()), (0, Some(name)), "{}", finished.err());
        assert_eq!(fs::metadata(&file).unwrap().uid(), uid_of(owner), "{name}");
        // The control: in the plain install the account has its records in reach.
        let removed = as_account("rm", &file).status == 0;
        assert_eq!(removed, !is_out_of_reach, "{name}");
        assert!(!is_out_of_reach || as_account("cat", &file).status != 0, "{name}");
        back(&host);
    }
}

/// The install of the README, from afar.
#[test]
fn the_account_logs_in_over_ssh_into_a_shell_that_is_set_user_id() {
    let Some(host) = host() else { return };
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let pid = format!("{ROOT}/login.pid");
    shell(&format!("ssh-keygen -A >&2; /usr/sbin/sshd -p {port} -o ListenAddress=127.0.0.1 -o PidFile={pid}"));
    await_that(|| "sshd", || Path::new(&pid).exists());
    let mut ssh = Command::new("ssh");
    ssh.args(["-F", "none", "-T", "-p", &port, "-i", &format!("{ROOT}/their_key")]);
    for option in ["BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"] {
        ssh.args(["-o", option]);
    }
    ssh.arg(format!("{ACCOUNT}@127.0.0.1")).arg("cat /proc/self/status").env_remove("SSH_AUTH_SOCK");
    let (finished, _, start) = session(|| run(&mut ssh, b""));
    shell(&format!("kill $(cat {pid}); while [ -e {pid} ]; do sleep 0.1; done"));
    assert_eq!(finished.status, 0, "{}", finished.err());
    let uid = uid_of(ACCOUNT);
    let status = finished.out();
    assert!(status.contains(&format!("\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n")), "{status}");
    assert_eq!((&start["install"], &start["way"], &start["from"]), (&"root".into(), &"forced".into(), &"127.0.0.1".into()), "{start}");
    assert_eq!(problems(&host), BTreeSet::new());
    host.restore();
}

#[test]
fn breaks_of_the_postern_install_are_found() {
    let Some(host) = host() else { return };
    install("postern");
    shell("cp -a /etc/passwd /etc/shadow /run/postern-test/etc/");
    let before = host.findings();
    let breaks: [Break; 7] = [
        broken(&["shell.privilege"], "chmod 4555 /usr/bin/posternsh"),
        broken(&["shell.privilege"], "chmod 4755 /usr/bin/posternsh"),
        broken(&["shell.privilege"], "chmod 6511 /usr/bin/posternsh"),
        broken(&["shell.owner", "shell.privilege"], "chmod 4531 /usr/bin/posternsh"),
        broken(&["shell.privilege"], "chown daemon /usr/bin/posternsh; chmod 4511 /usr/bin/posternsh"),
        broken(&["audit.directory"], "install -d -o root -m 700 /var/log/postern"),
        broken(&["audit.directory"], "install -d -o root -m 1733 /var/log/postern"),
    ];
    for broken in &breaks {
        assert_found_and_mended(&host, broken, &before);
    }
    // Last, because the user that the fix makes need not have the old number.
    shell("userdel postern");
    let new: BTreeSet<(String, String)> =
        host.findings().difference(&before).map(|finding| (finding.id.clone(), finding.level.clone())).collect();
    assert!(new.contains(&("shell.privilege".to_owned(), "problem".to_owned())), "{new:?}");
    for _ in 0..2 {
        for finding in host.findings().iter().filter(|finding| finding.id == "shell.privilege" || finding.id == "audit.directory") {
            shell(finding.command.as_ref().unwrap());
        }
    }
    assert_eq!(problems(&host), BTreeSet::new());
    shell("userdel postern; cp -a /etc/passwd /etc/shadow /run/postern-test/etc/");
    back(&host);
}
