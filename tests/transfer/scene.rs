//! The host of `tests/ssh` with the shipped policy for transfers, its directories put under /var, and with a few rules more.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use super::evidence::sessions;
use super::host::{Account, Host, Sshd, host};
use super::process::{Finished, must, run};
use super::sandbox::ROOT;

pub const OUTGOING: &str = "/var/srv/outgoing";
pub const INCOMING: &str = "/var/srv/incoming";

const MORE: &str = "\
postern: 1
allow:
  - { run: 'yes', output: 1KiB }
  - run: python3 -c <code:text>
    confine: { base: inspect, read: [/var/srv/outgoing], write: [/var/srv/incoming] }
    log_files: true
  - run: python3 -I -c <code:text>
    confine: { base: inspect, read: [/var/srv/outgoing] }
    log_files: true
";

pub struct Scene {
    pub host: &'static Host,
    /// An sshd without the shipped snippet, whose sftp is a program that the login shell is asked to start.
    pub plain: Sshd,
}

/// The scene, made once; `None`, said loudly, outside the sandbox.
pub fn scene() -> Option<&'static Scene> {
    static SCENE: OnceLock<Scene> = OnceLock::new();
    host().map(|host| SCENE.get_or_init(|| Scene::set(host)))
}

impl Scene {
    fn set(host: &'static Host) -> Scene {
        must(Command::new("install").args(["-d", "-m", "755", "/var/srv", OUTGOING]));
        must(Command::new("install").args(["-d", "-m", "777", INCOMING]));
        let shipped = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/policies/special/transfer.yaml")).unwrap();
        fs::write("/etc/postern/policy.d/70-transfer.yaml", shipped.replace("/srv/", "/var/srv/")).unwrap();
        fs::write("/etc/postern/policy.d/80-more.yaml", MORE).unwrap();
        must(Command::new(env!("CARGO_BIN_EXE_postern")).arg("apply"));
        let plain = Sshd::start("subsystem", "UsePAM no\nMaxStartups 200\nSubsystem sftp /usr/lib/openssh/sftp-server\n");
        Scene { host, plain }
    }
}

/// A directory of the client's, and in it a file of so many bytes.
pub fn client(name: &str, length: usize) -> (PathBuf, PathBuf) {
    let directory = Path::new(ROOT).join(format!("client-{name}"));
    fs::create_dir_all(&directory).unwrap();
    let file = directory.join(name);
    fs::write(&file, vec![b'x'; length]).unwrap();
    (directory, file)
}

/// A file of so many bytes to be carried out.
pub fn outgoing(name: &str, length: usize) -> String {
    let path = format!("{OUTGOING}/{name}");
    fs::write(&path, vec![b'o'; length]).unwrap();
    path
}

/// rsync with these options and operands, `HOST:` in front of paths on the host.
pub fn rsync(sshd: &Sshd, account: &Account, arguments: &[&str]) -> Finished {
    let ssh = sshd.ssh(account, &[]);
    let words: Vec<&str> = ssh.get_args().map(|word| word.to_str().unwrap()).collect();
    // The account and the address are rsync's to say.
    let (target, options) = words.split_last().unwrap();
    let mut rsync = Command::new("rsync");
    rsync.arg("-e").arg(format!("ssh {}", options.join(" ")));
    rsync.args(arguments.iter().map(|argument| argument.replace("HOST:", &format!("{target}:"))));
    run(&mut rsync, b"")
}

/// The records of what an account has run in its only session so far, put together again, by their event.
pub fn records(account: &Account, sessions_so_far: usize, event: &str) -> Vec<Value> {
    let last = sessions(account, sessions_so_far).pop().unwrap();
    let records = postern::record::join(last.lines.iter().map(String::as_str)).unwrap();
    records.into_iter().filter(|record| record["event"] == event).map(Value::Object).collect()
}

/// The files of the last session of an account: path, access, size.
pub fn logged(account: &Account, sessions_so_far: usize) -> Vec<(String, String, Option<u64>)> {
    let ends = records(account, sessions_so_far, "command.end");
    let files = ends.iter().flat_map(|end| end["stages"].as_array().unwrap()).filter_map(|stage| stage.get("files"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let row = |file: &Value| (text(&file["path"]), text(&file["access"]), file["size"].as_u64());
    files.flat_map(|files| files.as_array().unwrap().iter().map(row)).collect()
}

/// A row of [`logged`].
pub fn row(path: impl Into<String>, access: &str, size: impl Into<Option<u64>>) -> (String, String, Option<u64>) {
    (path.into(), access.to_owned(), size.into())
}
