//! A host with the root install and every shipped part in force for one account.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::process::{Finished, must, run};
use super::sandbox;

const POLICIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");
const TABLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/policies/works");
const SHELL: &str = "/run/postern-test/posternsh";
const ACCOUNT: &str = "oncall";

/// The host, made once for this test binary; `None`, said loudly, outside the sandbox.
pub fn host() -> Option<&'static Host> {
    static HOST: OnceLock<Host> = OnceLock::new();
    sandbox::entered().then(|| HOST.get_or_init(Host::start))
}

pub struct Host {
    /// The tables of lines that must work, each as one text.
    pub tables: Vec<String>,
}

impl Host {
    fn start() -> Host {
        let tables = fs::read_dir(TABLES).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
        for line in [
            "groupadd --system postern",
            "useradd --no-create-home --groups postern --home-dir / oncall",
            "install -d -m 700 /var/log/postern",
            "mkdir -p /etc/postern/policy.d",
        ] {
            shell(line);
        }
        must(Command::new("install").args(["-o", "root", "-g", "postern", "-m", "4750", env!("CARGO_BIN_EXE_posternsh"), SHELL]));
        fs::write("/etc/postern/policy.yaml", "postern: 1\naudit: { syslog: none, dir: /var/log/postern }\n").unwrap();
        for part in parts() {
            let text = fs::read_to_string(&part).unwrap().replacen("postern: 1\n", &format!("postern: 1\naccounts: [{ACCOUNT}]\n"), 1);
            fs::write(Path::new("/etc/postern/policy.d").join(part.file_name().unwrap()), text).unwrap();
        }
        must(Command::new(env!("CARGO_BIN_EXE_postern")).arg("apply"));
        // What a machine has there is not the policies'. Last, for the checkout may be there too.
        std::env::set_current_dir("/").unwrap();
        shell("mount -t tmpfs -o mode=1777 tmpfs /tmp");
        Host { tables }
    }

    /// The account's shell, with arguments.
    pub fn shell(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", ACCOUNT, "--regid", ACCOUNT, "--init-groups", "--", SHELL]).args(arguments);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/");
        command
    }

    /// One line of the account's, without a terminal.
    pub fn line(&self, line: &str) -> Finished {
        run(&mut self.shell(&["-c", line]), b"")
    }
}

/// The shipped parts.
fn parts() -> Vec<PathBuf> {
    let files = fs::read_dir(POLICIES).unwrap().map(|entry| entry.unwrap().path());
    let mut parts: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect();
    parts.sort();
    parts
}

fn shell(line: &str) {
    must(Command::new("sh").args(["-ec", line]));
}
