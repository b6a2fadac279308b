use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::*;

const ACCOUNT: u32 = 1200;
const ROOT: &str = "0\t0\t0\t0";
const PERSON: &str = "1200\t1200\t1200\t1200";

fn status(name: &str, ids: &str) -> Status {
    Status(format!("Name:\t{name}\nUmask:\t0022\nPid:\t77\nPPid:\t76\nUid:\t{ids}\nGid:\t0\t0\t0\t0\n"))
}

#[test]
fn without_roots_rights_sshd_has_its_name_and_runs_wholly_as_root_or_as_the_account() {
    for (name, ids, believed) in [
        ("sshd", PERSON, true),
        ("sshd", ROOT, true),
        ("sshd-session", PERSON, true),
        ("su", ROOT, false),
        ("bash", PERSON, false),
        ("sshd", "1001\t1001\t1001\t1001", false),
        ("sshd", "1001\t0\t0\t0", false),
        ("sshd", "1200\t1200\t1200", false),
        ("sshd", "1200\t1200\t1200\t1200\t1200", false),
        ("sshd\\nUid:\t0\t0\t0\t0", "1001\t1001\t1001\t1001", false),
        ("", "", false),
    ] {
        let status = status(name, ids);
        let is_sshd = status.is_called_sshd() && (status.wholly(0) || status.wholly(ACCOUNT));
        assert_eq!(is_sshd, believed, "{name} {ids}");
    }
}

/// A process by its ids, the inode and name of its program, whether that is root's alone, and whether the process is closed.
type Seen = (&'static str, u64, &'static str, bool, bool);

fn process((ids, inode, program, roots_alone, closed): Seen) -> Process {
    let program = Program { file: (1, inode), called_sshd: NAMES.contains(&program), roots_alone };
    // The name that a process gives itself is never asked for.
    Process { status: status("sshd", ids), program, closed }
}

#[test]
fn with_roots_rights_the_monitor_executes_roots_sshd_and_the_parent_the_same() {
    const MONITOR: Seen = (ROOT, 5, "sshd", true, true);
    const CHILD: Seen = (PERSON, 5, "sshd", true, true);
    let cases: [(&str, Seen, Option<Seen>, bool); 17] = [
        ("a session", CHILD, Some(MONITOR), true),
        ("a session since 9.8", (PERSON, 6, "sshd-session", true, true), Some((ROOT, 6, "sshd-session", true, true)), true),
        ("no separation, or a session of root's", MONITOR, None, true),
        ("sudo, su and cron as root", (ROOT, 7, "sudo", true, true), None, false),
        ("root's process with a program of somebody's", (ROOT, 7, "sshd", false, true), None, false),
        ("a set-user-ID program called sshd", ("1200\t0\t0\t0", 5, "sshd", true, true), None, false),
        ("a name given to oneself, below a shell", (PERSON, 8, "perl", true, false), Some((PERSON, 9, "bash", true, false)), false),
        ("a name given to oneself, below sshd", (PERSON, 8, "perl", true, false), Some(MONITOR), false),
        ("sshd below a shell of the account's", CHILD, Some((PERSON, 9, "bash", true, false)), false),
        ("the account's own sshd, both of it", (PERSON, 5, "sshd", true, false), Some((PERSON, 5, "sshd", true, false)), false),
        ("sshd below process 1", CHILD, Some((ROOT, 2, "systemd", true, true)), false),
        ("sshd below su", CHILD, Some(("1200\t0\t0\t0", 3, "su", true, true)), false),
        ("sshd below another program of root's called sshd", CHILD, Some((ROOT, 6, "sshd", true, true)), false),
        ("sshd below a program of somebody's called sshd", CHILD, Some((ROOT, 5, "sshd", false, true)), false),
        ("an sshd that the account may trace", (PERSON, 5, "sshd", true, false), Some(MONITOR), false),
        ("a session of somebody else", ("1001\t1001\t1001\t1001", 5, "sshd", true, true), Some(MONITOR), false),
        ("a session half of root's", ("1200\t0\t1200\t1200", 5, "sshd", true, true), Some(MONITOR), false),
    ];
    for (what, parent, monitor, believed) in cases {
        let session = Session { parent: process(parent), monitor: monitor.map(process) };
        assert_eq!(session.is_sshds(ACCOUNT), believed, "{what}");
    }
}

#[test]
fn the_parent_is_a_number_of_this_namespace() {
    assert_eq!(status("sshd", ROOT).parent().unwrap(), Pid::from_raw(76));
    for none in ["PPid:\t0\n", "PPid:\tx\n", ""] {
        assert!(Status(none.to_owned()).parent().is_err(), "{none:?}");
    }
}

/// A program that waits for the end of its input.
struct Waiting(Child);

impl Waiting {
    fn start(program: &Path) -> Waiting {
        Waiting(Command::new(program).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap())
    }

    fn program(&self) -> io::Result<Program> {
        Program::of(&format!("/proc/{}/exe", self.0.id()))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_program_is_sshds_by_the_name_of_its_file_and_roots_by_owner_and_mode() {
    if !geteuid().is_root() {
        return crate::words::skip("only root can make a file of root's");
    }
    let home = nix::unistd::mkdtemp("/opt/postern-sshd-XXXXXX").unwrap();
    let mode = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let sshd = home.join("sshd");
    fs::copy("/bin/cat", &sshd).unwrap();
    mode(home.as_path(), 0o755);
    mode(&sshd, 0o755);
    let other = home.join("other");
    fs::copy("/bin/cat", &other).unwrap();
    let (to_other, to_sshd) = (home.join("sshd-session"), home.join("link"));
    symlink(&other, &to_other).unwrap();
    symlink(&sshd, &to_sshd).unwrap();
    for (path, called_sshd) in [(&sshd, true), (&to_sshd, true), (&other, false), (&to_other, false)] {
        let program = Waiting::start(path).program().unwrap();
        assert_eq!((program.called_sshd, program.roots_alone), (called_sshd, true), "{path:?}");
    }
    let running = Waiting::start(&sshd);
    for (path, open, shut) in
        [(sshd.as_path(), 0o775, 0o755), (&sshd, 0o757, 0o755), (home.as_path(), 0o1777, 0o755), (home.as_path(), 0o775, 0o755)]
    {
        mode(path, open);
        assert!(!running.program().unwrap().roots_alone, "{path:?} {open:o}");
        mode(path, shut);
    }
    for path in [sshd.as_path(), home.as_path()] {
        std::os::unix::fs::chown(path, Some(ACCOUNT), None).unwrap();
        assert!(!running.program().unwrap().roots_alone, "{path:?} of the account's");
        std::os::unix::fs::chown(path, Some(0), None).unwrap();
    }
    assert!(running.program().unwrap().roots_alone);
    fs::rename(&other, &sshd).unwrap();
    assert!(running.program().is_err(), "replaced meanwhile");
    drop(running);
    fs::remove_dir_all(home).unwrap();
}

#[test]
fn the_parent_of_a_test_is_not_sshd() {
    assert!(!is_parent(Uid::current()));
}
