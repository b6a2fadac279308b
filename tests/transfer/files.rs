//! scp, sftp and rsync in both directions: what arrives, what is refused, what is on record.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::evidence::central_sessions;
use super::host::{Account, Sshd};
use super::process::{Finished, run};
use super::scene::{INCOMING, OUTGOING, client, logged, outgoing, records, row, rsync, scene};

fn succeeded(finished: &Finished) {
    assert_eq!(finished.status, 0, "{} {}{}", finished.status, finished.out(), finished.err());
}

#[test]
fn scp_carries_files_both_ways_in_both_its_protocols() {
    let Some(scene) = scene() else { return };
    let source = outgoing("scp-down", 3000);
    for (name, sshd, protocol) in [
        ("scp-forced", &scene.host.guarded, "-s"),
        ("scp-forced-old", &scene.host.guarded, "-O"),
        ("scp-shell", &scene.plain, "-s"),
        ("scp-shell-old", &scene.plain, "-O"),
    ] {
        let account = Account::new(name, &scene.host.shell);
        let (directory, file) = client(name, 70_000);
        let arrived = format!("{INCOMING}/{name}");
        succeeded(&run(&mut sshd.copy("scp", &account, &[protocol, file.to_str().unwrap(), &format!("HOST:{INCOMING}/")]), b""));
        assert_eq!(fs::read(&arrived).unwrap(), fs::read(&file).unwrap(), "{name}");
        assert_eq!(logged(&account, 1), [row(&arrived, "write", 70_000)], "{name}");

        succeeded(&run(&mut sshd.copy("scp", &account, &[protocol, "-p", &format!("HOST:{source}"), directory.to_str().unwrap()]), b""));
        assert_eq!(fs::read(directory.join("scp-down")).unwrap(), fs::read(&source).unwrap(), "{name}");
        assert_eq!(logged(&account, 2), [row(&source, "read", 3000)], "{name}");
    }
}

#[test]
fn scp_carries_directories() {
    let Some(scene) = scene() else { return };
    let account = Account::new("scp-tree", &scene.host.shell);
    let (directory, _) = client("scp-tree", 10);
    fs::create_dir_all(directory.join("below")).unwrap();
    fs::write(directory.join("below/more"), "more").unwrap();
    let source = directory.to_str().unwrap();
    for (session, protocol) in [(1, "-s"), (2, "-O")] {
        let to = format!("{INCOMING}/tree{protocol}");
        succeeded(&run(&mut scene.host.guarded.copy("scp", &account, &[protocol, "-r", source, &format!("HOST:{to}")]), b""));
        let mut files = logged(&account, session);
        files.sort();
        assert_eq!(files, [row(format!("{to}/below/more"), "write", 4), row(format!("{to}/scp-tree"), "write", 10)], "{protocol}");
    }
}

/// A batch of sftp commands, as `sftp -b -` takes them.
fn sftp(sshd: &Sshd, account: &Account, batch: &str) -> Finished {
    run(&mut sshd.copy("sftp", account, &["-b", "-", "HOST:"]), batch.as_bytes())
}

#[test]
fn sftp_puts_gets_lists_and_renames() {
    let Some(scene) = scene() else { return };
    let (directory, file) = client("sftp", 5000);
    let source = outgoing("sftp-down", 200);
    let (file, got) = (file.display().to_string(), directory.join("got").display().to_string());
    for (name, sshd) in [("sftp-forced", &scene.host.guarded), ("sftp-shell", &scene.plain)] {
        let account = Account::new(name, &scene.host.shell);
        let batch = format!(
            "put {file} {INCOMING}/{name}.part\nget {source} {got}\nls {OUTGOING}\nrename {INCOMING}/{name}.part {INCOMING}/{name}\n\
             put {file} {INCOMING}/{name}.gone\nrm {INCOMING}/{name}.gone\n"
        );
        let finished = sftp(sshd, &account, &batch);
        succeeded(&finished);
        assert!(finished.out().contains("sftp-down"), "{}", finished.out());
        assert_eq!(fs::read(&got).unwrap().len(), 200);
        let expected = [
            row(&source, "read", 200),
            row(format!("{INCOMING}/{name}"), "write", 5000),
            row(format!("{INCOMING}/{name}.gone"), "remove", None),
        ];
        assert_eq!(logged(&account, 1), expected, "{name}");
    }
}

#[test]
fn sftp_reaches_nothing_else_and_what_is_refused_is_not_on_record() {
    let Some(scene) = scene() else { return };
    let account = Account::new("sftp-refused", &scene.host.shell);
    let source = outgoing("sftp-kept", 10);
    let closed = outgoing("sftp-closed", 10);
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o600)).unwrap();
    let (_, file) = client("sftp-refused", 10);
    let file = file.display();
    account.write("own", b"a file of the account");
    let own = account.home.join("own");
    for (session, command) in (1..).zip([
        "get /etc/hostname /dev/null".to_owned(),
        format!("get {} /dev/null", own.display()),
        format!("put {file} {}", own.display()),
        format!("put {file} {source}"),
        format!("put {file} {OUTGOING}/new"),
        format!("rm {source}"),
        format!("rename {source} {INCOMING}/sftp-kept"),
        format!("get {closed} /dev/null"),
        format!("get {OUTGOING}/sftp-none /dev/null"),
        format!("put {file} {INCOMING}/none/new"),
    ]) {
        let finished = sftp(&scene.host.guarded, &account, &format!("{command}\n"));
        assert_ne!(finished.status, 0, "{command}: {}{}", finished.out(), finished.err());
        assert_eq!(logged(&account, session), [], "{command}");
    }
    assert_eq!(fs::read(&source).unwrap().len(), 10);
}

#[test]
fn another_name_of_a_file_does_not_keep_it_off_the_record() {
    let Some(scene) = scene() else { return };
    let account = Account::new("sftp-names", &scene.host.shell);
    let source = outgoing("sftp-named", 77);
    let link = format!("{INCOMING}/sftp-link");
    for (session, (before, name)) in (1..).zip([
        (String::new(), format!("/proc/self/root{source}")),
        (String::new(), format!("/proc/thread-self/../../proc/self/cwd/../../../..{source}")),
        (String::new(), format!("{OUTGOING}/../outgoing/./sftp-named")),
        (format!("symlink {source} {link}\n"), link.clone()),
        (format!("cd {OUTGOING}\n"), "sftp-named".to_owned()),
    ]) {
        let finished = sftp(&scene.host.guarded, &account, &format!("{before}get {name} /dev/null\n"));
        let logged = logged(&account, session);
        if finished.status == 0 {
            assert!(!logged.is_empty(), "{name}");
        }
        if !name.contains("/..") || name.starts_with(OUTGOING) {
            assert_eq!((finished.status, logged), (0, vec![row(&source, "read", 77)]), "{name}: {}", finished.err());
        }
    }
}

#[test]
fn rsync_carries_trees_both_ways() {
    let Some(scene) = scene() else { return };
    let (directory, file) = client("rsync", 9000);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let source = outgoing("rsync-down", 400);
    let from = directory.to_str().unwrap();
    for (name, sshd) in [("rsync-forced", &scene.host.guarded), ("rsync-shell", &scene.plain)] {
        let account = Account::new(name, &scene.host.shell);
        succeeded(&rsync(sshd, &account, &["-rlcv", &format!("{from}/"), &format!("HOST:{INCOMING}/{name}/")]));
        let arrived = format!("{INCOMING}/{name}/rsync");
        assert_eq!(fs::read(&arrived).unwrap().len(), 9000);
        assert_eq!(logged(&account, 1), [row(&arrived, "write", 9000)], "{name}");

        // A second time there is nothing to carry; what was there is read for that.
        succeeded(&rsync(sshd, &account, &["-rlcz", &format!("{from}/"), &format!("HOST:{INCOMING}/{name}/")]));
        assert_eq!(logged(&account, 2), [row(&arrived, "read", 9000)], "{name}");

        succeeded(&rsync(sshd, &account, &["-av", &format!("HOST:{source}"), &format!("{from}/../got-{name}/")]));
        assert_eq!(fs::read(directory.join(format!("../got-{name}/rsync-down"))).unwrap().len(), 400);
        assert_eq!(logged(&account, 3), [row(&source, "read", 400)], "{name}");
    }
}

#[test]
fn an_executable_file_arrives_private() {
    let Some(scene) = scene() else { return };
    let account = Account::new("executable", &scene.host.shell);
    let (_, file) = client("executable", 10);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let (file, sshd) = (file.to_str().unwrap(), &scene.host.guarded);
    for (way, mode, finished) in [
        ("sftp", 0o700, run(&mut sshd.copy("scp", &account, &["-s", file, &format!("HOST:{INCOMING}/executable-sftp")]), b"")),
        ("old", 0o700, run(&mut sshd.copy("scp", &account, &["-O", file, &format!("HOST:{INCOMING}/executable-old")]), b"")),
        ("rsync", 0o600, rsync(sshd, &account, &["--chmod=F600", file, &format!("HOST:{INCOMING}/executable-rsync")])),
    ] {
        succeeded(&finished);
        let found = fs::metadata(format!("{INCOMING}/executable-{way}")).unwrap().permissions().mode();
        assert_eq!(found & 0o7777, mode, "{way}");
    }
}

#[test]
fn what_would_set_modes_and_times_is_refused_before_it_starts() {
    let Some(scene) = scene() else { return };
    let account = Account::new("modes", &scene.host.shell);
    let (_, file) = client("modes", 10);
    let (file, sshd) = (file.to_str().unwrap(), &scene.host.guarded);
    let to = format!("HOST:{INCOMING}/modes");
    for finished in [
        run(&mut sshd.copy("scp", &account, &["-O", "-p", file, &to]), b""),
        rsync(sshd, &account, &["-a", file, &to]),
        rsync(sshd, &account, &["-rs", file, &to]),
    ] {
        assert_ne!(finished.status, 0);
        assert!(finished.err().contains("posternsh: not allowed"), "{}", finished.err());
    }
    assert!(fs::metadata(format!("{INCOMING}/modes")).is_err());
    assert_eq!(records(&account, 3, "command.deny").len(), 1);
}

#[test]
fn a_shell_that_is_not_root_sees_the_files_too() {
    let Some(scene) = scene() else { return };
    let (_, file) = client("plain", 30);
    let account = Account::new("plain", &scene.host.plain);
    for (session, protocol) in [(1, "-s"), (2, "-O")] {
        let to = format!("{INCOMING}/plain{protocol}");
        succeeded(&run(&mut scene.host.guarded.copy("scp", &account, &[protocol, file.to_str().unwrap(), &format!("HOST:{to}")]), b""));
        let records = central_sessions(&account, session).pop().unwrap().events("command.end");
        let files = &records[0]["stages"][0]["files"];
        assert_eq!(*files, serde_json::json!([{ "path": to, "access": "write", "size": 30 }]), "{protocol}: {records:#?}");
    }
}
