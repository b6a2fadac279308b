//! The machine under attack: two accounts, the attack program, and what is worth stealing.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::OnceLock;

use crate::door::User;
use crate::process::must;
use crate::sandbox::{self, await_that};

/// Root's own, like everything above it, so that programs may be run from here; below `/run`, which `inspect` reads.
pub const BASE: &str = "/run/second-door";
/// The attack program.
pub const ATTACK: &str = "/run/second-door/attack";
/// Stands in every file that must not be read.
pub const SECRET: &str = "c0ffee-and-keys";
/// A block device, where there is one.
pub const DISK: &str = "/run/second-door/disk";
/// The account, which has the shell, and the user that root's shell lends.
pub const ACCOUNT: &str = "door";
pub const LENT: &str = "lent";
const UIDS: [(&str, u32); 2] = [(ACCOUNT, 43121), (LENT, 43122)];

/// World-readable, so that nothing but the second door keeps them: one or more of each group of the built-in hidden list. None lies directly in
/// `/var/log`, which would then not be granted as a directory, and no log that is rotated there could be followed.
pub const HIDDEN: [&str; 31] = [
    "/etc/shadow",
    "/etc/gshadow-",
    "/etc/sssd/sssd.conf",
    "/etc/sudoers.d/who",
    "/etc/ssl/private/host.pem",
    "/etc/ssh/ssh_host_attack_key",
    "/etc/pki/tls/private/host.pem",
    "/etc/foo/x.key",
    "/etc/foo/deep/er/x-key.pem",
    "/etc/foo/id.p12",
    "/etc/letsencrypt/live/host/privkey.pem",
    "/etc/wireguard/wg0.conf",
    "/etc/krb5.keytab",
    "/etc/foo/.ssh/id_ed25519",
    "/etc/foo/.aws/credentials",
    "/etc/foo/.pgpass",
    "/etc/foo/.bash_history",
    "/run/user/43121/token",
    "/etc/NetworkManager/system-connections/wifi",
    "/etc/netplan/01.yaml",
    "/etc/foo/credentials.json",
    "/etc/foo/.htpasswd",
    "/etc/redis/redis.conf",
    "/run/credentials/unit/token",
    "/run/secrets/database",
    "/run/containerd/config",
    "/etc/kubernetes/admin.conf",
    "/run/cloud-init/instance-data-sensitive.json",
    "/dev/shm/another-program",
    "/var/lib/cloud/instance",
    "/var/lib/postern/state",
];

/// Root's alone, in `/var/log`.
pub const HIDDEN_FROM_ROOT: [&str; 4] = [
    "/var/log/btmp",
    "/var/log/installer/cdebconf/questions.dat",
    "/var/log/postern.jsonl",
    "/var/log/postern/19700101-000000-00000000.jsonl",
];

/// Outside of what `inspect` reads.
pub const OUTSIDE: [&str; 5] = ["/srv/customer/data", "/home/door/diary", "/home/lent/diary", "/tmp/of-others", "/var/lib/database/table"];

/// Whether the machine is there; made once for the test binary, and outside the sandbox never, which is said loudly.
pub fn ready() -> bool {
    static READY: OnceLock<()> = OnceLock::new();
    let inside = sandbox::entered();
    if inside {
        READY.get_or_init(build);
    }
    inside
}

pub fn uid(name: &str) -> u32 {
    UIDS.iter().find(|(known, _)| *known == name).unwrap().1
}

fn build() {
    fs::create_dir_all(BASE).unwrap();
    // Before anything is mounted over what may hold them.
    compile();
    fs::copy(env!("CARGO_BIN_EXE_posternsh"), Path::new(BASE).join("posternsh")).unwrap();
    // Where the checkout is may be among them.
    std::env::set_current_dir("/").unwrap();
    // This machine's own stay as they are.
    for place in ["/tmp", "/home", "/srv", "/dev/shm"] {
        must(Command::new("mount").args(["-t", "tmpfs", "-o", "mode=755", "tmpfs", place]));
    }
    for place in ["/tmp", "/dev/shm", "/var/tmp"] {
        fs::set_permissions(place, Permissions::from_mode(0o1777)).unwrap();
    }
    for (name, uid) in UIDS {
        must(Command::new("useradd").args(["--create-home", "--uid", &uid.to_string(), name]));
        fs::set_permissions(Path::new("/home").join(name), Permissions::from_mode(0o755)).unwrap();
    }
    HIDDEN.iter().chain(&OUTSIDE).for_each(|path| secret(path));
    HIDDEN_FROM_ROOT.iter().for_each(|path| {
        secret(path);
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    });
    for (name, uid) in UIDS {
        chown(Path::new("/home").join(name).join("diary"), Some(uid), Some(uid)).unwrap();
    }
    lead_to_them();
    scripts();
    make_disk();
}

fn compile() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/second_door/attack");
    let units = ["main.c", "exec.c", "files.c", "kernel.c", "limits.c", "network.c", "processes.c"].map(|unit| source.join(unit));
    must(Command::new("cc").args(["-O1", "-pthread", "-o", ATTACK]).args(units));
}

/// Makes a file with the secret, and its directories, for all to read.
pub fn secret(path: &str) {
    let path = Path::new(path);
    let mut made: Vec<PathBuf> = path.ancestors().skip(1).filter(|above| !above.exists()).map(Path::to_owned).collect();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    // Of packages too that happen to be installed.
    let packaged = path.ancestors().skip(1).filter(|above| above.starts_with("/etc") && *above != Path::new("/etc"));
    made.extend(packaged.map(Path::to_owned).chain([PathBuf::from("/var/lib/postern")].into_iter().filter(|path| path.is_dir())));
    made.iter().for_each(|above| fs::set_permissions(above, Permissions::from_mode(0o755)).unwrap());
    fs::write(path, format!("{SECRET} {}\n", path.display())).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
}

/// A node of a block device that can be opened, for all to read, in a place that is readable.
fn make_disk() {
    let devices = fs::read_dir("/dev").unwrap().flatten().map(|entry| entry.path());
    let blocks = devices.filter(|path| fs::metadata(path).is_ok_and(|found| found.file_type().is_block_device()));
    let Some(device) = blocks.filter(|path| File::open(path).is_ok()).min() else { return };
    let number = fs::metadata(device).unwrap().rdev();
    let numbers = [nix::sys::stat::major(number), nix::sys::stat::minor(number)].map(|number| number.to_string());
    must(Command::new("mknod").args(["-m", "444", DISK, "b"]).args(numbers));
}

/// Scripts that are programs, and one that is an argument.
fn scripts() {
    for (name, text) in [
        ("by-env", "#!/usr/bin/env sh\necho ran \"$1\"\n"),
        ("plain", "#!/bin/sh\necho ran \"$1\"\n"),
        ("stopped", "#!/bin/sh\nid\n"),
        ("shows-itself", "#!/usr/bin/cat\ncanary of a script\n"),
    ] {
        let path = Path::new(BASE).join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }
}

/// Other ways to the same files, in places that `inspect` reads.
fn lead_to_them() {
    fs::create_dir_all("/var/log/ways").unwrap();
    symlink("/srv/customer/data", "/var/log/ways/symlink").unwrap();
    symlink("/srv/customer", "/var/log/ways/directory").unwrap();
    symlink("/etc/foo/x.key", "/var/log/ways/to-key").unwrap();
    fs::hard_link("/etc/foo/x.key", "/etc/foo/innocent.conf").unwrap();
    fs::create_dir_all("/var/log/app/other").unwrap();
    secret("/var/log/app/private.log");
    fs::hard_link("/var/log/app/private.log", "/var/log/app/other/public.log").unwrap();
    for (from, to) in
        [("/srv/customer", "/run/mirrors/customer"), ("/etc/foo/.ssh", "/run/mirrors/ssh"), ("/home/door", "/run/mirrors/home")]
    {
        fs::create_dir_all(to).unwrap();
        must(Command::new("mount").args(["--bind", from, to]));
    }
}

/// A process of a user, to be attacked: it blocks all signals, stands in the customer's directory, has a secret open and one in its
/// environment, and no capability that an attacker lacks. Dies with the sandbox, or when the test lets go of it.
pub struct Victim(Child);

impl Victim {
    pub fn of(user: User) -> Victim {
        let uid = user.uid().to_string();
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &uid, "--regid", &uid, "--clear-groups", "--bounding-set=-all", "--", ATTACK, "victim"]);
        command.env("TOKEN", SECRET).current_dir("/srv/customer").stdin(File::open("/srv/customer/data").unwrap()).process_group(0);
        let victim = Victim(command.spawn().unwrap());
        let blocks =
            || fs::read_to_string(format!("/proc/{}/status", victim.pid())).is_ok_and(|status| status.contains("SigBlk:\tfffffff"));
        await_that(|| "the victim", blocks);
        victim
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
