use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::Command;

use nix::unistd::geteuid;

use super::*;
use crate::words::skip;

const ACCOUNT: u32 = 1200;
const POSTERN: u32 = 990;

/// A start by `real` of a program of `owner` with these mode bits, all of them honoured.
fn started(real: u32, owner: u32, mode: u32) -> Facts {
    let effective = if mode & 0o4000 == 0 { real } else { owner };
    Facts {
        users: [real, effective, effective],
        groups: [ACCOUNT; 3],
        mode,
        owner,
        nosuid: false,
        owner_is_mapped: true,
        lent: 0,
        no_new_privileges: false,
        tracer: 0,
    }
}

/// The same where the bit was not honoured.
fn ignored(owner: u32, mode: u32) -> Facts {
    Facts { users: [ACCOUNT; 3], ..started(ACCOUNT, owner, mode) }
}

#[test]
fn the_owner_of_the_file_and_the_ids_tell_which_install_it_is() {
    for (what, facts, install) in [
        ("the packages' default", started(ACCOUNT, 0, 0o4750), Install::Root),
        ("where nothing may be set-user-ID root", started(ACCOUNT, POSTERN, 0o4511), Install::Postern),
        ("no bit", started(ACCOUNT, 0, 0o755), Install::Plain),
        ("root's own development", started(0, 0, 0o775), Install::Plain),
        ("root through the bit of root", started(0, 0, 0o4750), Install::Plain),
        ("postern through the bit of postern", started(POSTERN, POSTERN, 0o4511), Install::Plain),
        ("root, with all that root has", Facts { lent: u64::MAX, ..started(0, 0, 0o755) }, Install::Plain),
        ("privilege that comes with root's id", Facts { lent: u64::MAX, ..started(ACCOUNT, 0, 0o4750) }, Install::Root),
        ("traced by root, so honoured", Facts { tracer: 7, ..started(ACCOUNT, 0, 0o4750) }, Install::Root),
        ("no bit to be ignored", Facts { no_new_privileges: true, nosuid: true, tracer: 7, ..started(ACCOUNT, 0, 0o755) }, Install::Plain),
    ] {
        assert_eq!(facts.install(), Ok(install), "{what}");
    }
}

#[test]
fn less_or_other_privilege_than_an_install_lends_is_refused() {
    let not_honoured = |owner, because| InstallError::NotHonoured { owner, because };
    let set_user_id = ignored(0, 0o4750);
    for (what, facts, error) in [
        (
            "no_new_privs",
            Facts { no_new_privileges: true, nosuid: true, tracer: 7, ..set_user_id.clone() },
            not_honoured(0, Because::NoNewPrivileges),
        ),
        ("nosuid", Facts { nosuid: true, ..set_user_id.clone() }, not_honoured(0, Because::NoSuid)),
        ("a tracer", Facts { tracer: 7, ..set_user_id.clone() }, not_honoured(0, Because::Traced(7))),
        ("nothing to be seen", set_user_id.clone(), not_honoured(0, Because::Other)),
        ("postern's", ignored(POSTERN, 0o4511), not_honoured(POSTERN, Because::Other)),
        (
            "a user namespace, in which owner and caller both are nobody",
            Facts { users: [65534; 3], owner: 65534, owner_is_mapped: false, ..set_user_id.clone() },
            not_honoured(65534, Because::UserNamespace),
        ),
        (
            "a user namespace, in which the caller is root",
            Facts { users: [0; 3], owner: 65534, owner_is_mapped: false, ..set_user_id },
            not_honoured(65534, Because::UserNamespace),
        ),
        ("writable by its group", started(ACCOUNT, 0, 0o4770), InstallError::Writable(0o4770)),
        ("writable by everyone", started(ACCOUNT, POSTERN, 0o4513), InstallError::Writable(0o4513)),
        ("set-group-ID", Facts { groups: [100, 4, 4], ..started(ACCOUNT, 0, 0o2755) }, InstallError::SetGroupId),
        ("set-group-ID of the caller's own group", started(ACCOUNT, 0, 0o2755), InstallError::SetGroupId),
        ("both bits", Facts { groups: [100, 4, 4], ..started(ACCOUNT, 0, 0o6755) }, InstallError::SetGroupId),
        ("capabilities", Facts { lent: 1 << 13, ..started(ACCOUNT, 0, 0o755) }, InstallError::Capabilities),
        ("capabilities and postern's bit", Facts { lent: 1, ..started(ACCOUNT, POSTERN, 0o4511) }, InstallError::Capabilities),
        ("root through the bit of postern", started(0, POSTERN, 0o4511), InstallError::FromRoot(POSTERN)),
        (
            "lent by another program",
            Facts { users: [ACCOUNT, 0, 0], ..started(ACCOUNT, 0, 0o755) },
            InstallError::Borrowed { real: ACCOUNT, effective: 0 },
        ),
        (
            "ids that were changed since",
            Facts { users: [ACCOUNT, 0, ACCOUNT], ..started(ACCOUNT, 0, 0o4750) },
            InstallError::Borrowed { real: ACCOUNT, effective: 0 },
        ),
    ] {
        assert_eq!(facts.install(), Err(error), "{what}");
    }
}

#[test]
fn a_uid_map_says_who_has_a_number() {
    for (map, uid, mapped) in [
        ("         0          0 4294967295\n", 0, true),
        ("         0          0 4294967295\n", 65534, true),
        ("         0       1000          1\n", 0, true),
        ("         0       1000          1\n", 65534, false),
        ("         0     100000      65536\n", 65534, true),
        ("0 1000 1\n1 100000 65536\n", 65534, true),
        ("", 0, false),
    ] {
        assert_eq!(maps(map, uid), mapped, "{uid} in {map:?}");
    }
}

/// Set in the process that a test starts of itself.
const INSIDE: &str = "POSTERN_TEST_INSTALL";
const NOBODY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

/// A copy of this test, owned and marked as asked.
struct Binary(PathBuf);

impl Binary {
    fn new(owner: u32, group: u32, mode: u32) -> Binary {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("postern-install-{}-{number}", std::process::id()));
        // Not open for writing in this process, whose other threads fork: "text file busy".
        assert!(Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&path).status().unwrap().success());
        chown(&path, Some(owner), Some(group)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        Binary(path)
    }

    /// What it finds when it is started through these programs.
    fn finds(&self, through: &[&str]) -> String {
        let (program, arguments) = through.split_first().unwrap();
        let mut command = Command::new(program);
        command.args(arguments).arg(&self.0).args(["--exact", "access::install::tests::a_real_start_is_told", "--nocapture"]);
        let output = command.env(INSIDE, "1").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let found = text.lines().find_map(|line| line.split_once("found: ")).map(|(_, found)| found.to_owned());
        found.unwrap_or_else(|| panic!("{through:?}: {text}{}", String::from_utf8_lossy(&output.stderr)))
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
#[allow(clippy::print_stdout, reason = "the report of the process that is started")]
fn a_real_start_is_told() {
    if std::env::var_os(INSIDE).is_some() {
        match Install::of_this_process() {
            Ok(install) => println!("found: {}", install.name()),
            Err(error) => println!("found: {error}"),
        }
        return;
    }
    assert_eq!(Install::of_this_process(), Ok(Install::Plain));
    if !geteuid().is_root() {
        return skip("only root can lend privilege");
    }
    let nobody = |more: &[&'static str]| [&NOBODY[..], more].concat();
    let bit = "the program file is set-user-ID (owner 0), and that was not honoured: ";
    for (what, owner, group, mode, through, found) in [
        ("plain", 0, 0, 0o755, nobody(&[]), "plain".to_owned()),
        ("set-user-ID root", 0, 0, 0o4755, nobody(&[]), "root".to_owned()),
        ("set-user-ID postern", 990, 0, 0o4511, nobody(&[]), "postern".to_owned()),
        ("root's own", 0, 0, 0o4755, vec!["env"], "plain".to_owned()),
        ("root with postern's", 990, 0, 0o4511, vec!["env"], InstallError::FromRoot(990).to_string()),
        ("set-group-ID", 0, 1, 0o2755, nobody(&[]), InstallError::SetGroupId.to_string()),
        ("writable", 0, 0, 0o4757, nobody(&[]), InstallError::Writable(0o4757).to_string()),
        ("capabilities that the caller has", 0, 0, 0o755, nobody(&["--inh-caps=+net_raw", "--ambient-caps=+net_raw"]), "plain".to_owned()),
        ("no_new_privs", 0, 0, 0o4755, nobody(&["--no-new-privs"]), format!("{bit}no_new_privs was set already")),
        (
            "a user namespace",
            0,
            0,
            0o4755,
            nobody(&["unshare", "--user", "--map-root-user"]),
            format!("{}the caller's user namespace has no such owner", bit.replace("owner 0", "owner 65534")),
        ),
        (
            "a user namespace without a map",
            0,
            0,
            0o4755,
            nobody(&["unshare", "--user"]),
            format!("{}the caller's user namespace has no such owner", bit.replace("owner 0", "owner 65534")),
        ),
    ] {
        assert_eq!(Binary::new(owner, group, mode).finds(&through), found, "{what}");
    }
}

#[test]
fn capabilities_of_the_file_are_refused() {
    let binary = Binary::new(geteuid().as_raw(), 0, 0o755);
    let marked = Command::new("setcap").arg("cap_net_raw+ep").arg(&binary.0).output();
    if !marked.is_ok_and(|output| output.status.success()) {
        return skip("no setcap, or no right to use it");
    }
    assert_eq!(binary.finds(&NOBODY), InstallError::Capabilities.to_string());
}
