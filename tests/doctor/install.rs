//! A host with postern installed, by the very commands of the README, and what `postern doctor` says of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock};

use serde_json::Value;

use super::process::{Finished, must, run};
use super::sandbox::{self, ROOT, await_that};

const README: &str = include_str!("../../README.md");
/// The only account.
pub const ACCOUNT: &str = "breakglass";

/// One finding that is not well.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub id: String,
    pub level: String,
    pub subject: String,
    /// A command that mends it.
    pub command: Option<String>,
}

/// The host, installed once for the test binary, for one test at a time; `None`, said loudly, outside the sandbox.
pub fn host() -> Option<MutexGuard<'static, Host>> {
    static HOST: OnceLock<Mutex<Host>> = OnceLock::new();
    sandbox::entered().then(|| HOST.get_or_init(|| Mutex::new(Host::install())).lock().unwrap_or_else(|failed| failed.into_inner()))
}

pub struct Host(());

impl Host {
    /// /usr and /home are covered as `tests/sandbox` covers /etc and /var.
    fn install() -> Host {
        shell(
            "mkdir -p /run/overlay/usr /run/overlay/usr.work /run/postern-test
             mount -t overlay -o lowerdir=/usr,upperdir=/run/overlay/usr,workdir=/run/overlay/usr.work overlay /usr
             mount -t tmpfs -o mode=755 tmpfs /home
             chmod 755 /usr /usr/bin
             ssh-keygen -q -t ed25519 -N '' -f /run/postern-test/their_key
             rm -f /etc/ssh/sshd_config.d/* /etc/rsyslog.d/10-postern.conf /usr/bin/crontab /usr/bin/at",
        );
        for command in commands() {
            shell(&command);
            if command.starts_with("postern init ") {
                // The socket of a daemon that runs already is not ours.
                shell(&format!("sed -i 's|syslog: /dev/log|syslog: {ROOT}/log|' /etc/postern/policy.yaml"));
            }
        }
        start_rsyslogd();
        shell("cp -a /etc /run/postern-test/etc");
        Host(())
    }

    /// Everything that is neither well nor skipped.
    pub fn findings(&self) -> BTreeSet<Finding> {
        let finished = run(&mut doctor(), b"");
        let report: Value = serde_json::from_slice(&finished.out).unwrap_or_else(|error| panic!("{error}: {}", finished.err()));
        let findings: BTreeSet<Finding> = report["findings"].as_array().unwrap().iter().filter_map(finding).collect();
        let problems = findings.iter().any(|finding| finding.level == "problem");
        assert_eq!(finished.status, i32::from(problems), "{findings:?}");
        findings
    }

    /// Takes back what was done to /etc.
    pub fn restore(&self) {
        shell("rsync -a -c --delete /run/postern-test/etc/ /etc/");
    }
}

/// The commands of the README's section, with those names replaced that mean another thing here; the daemons are started by hand.
fn commands() -> Vec<String> {
    let section = README.split("## Install\n").nth(1).unwrap();
    let block = section.split("```").nth(1).unwrap().strip_prefix("sh\n").unwrap();
    let commands: Vec<String> = block
        .lines()
        .filter(|line| !["packaging/build", "systemctl ", "postern doctor"].iter().any(|other| line.starts_with(other)))
        .map(|line| {
            line.replace("target/static/posternsh", env!("CARGO_BIN_EXE_posternsh"))
                .replace("target/static/postern ", concat!(env!("CARGO_BIN_EXE_postern"), " "))
                .replace("their_key.pub", &format!("{ROOT}/their_key.pub"))
                // Each doctor reads the whole policy, and there are some hundred of them.
                .replace("postern init ", "postern init --part diagnostics --part text ")
        })
        .collect();
    for needed in ["postern init ", "postern apply", "useradd "] {
        assert!(commands.iter().any(|command| command.starts_with(needed)), "{needed} in {commands:?}");
    }
    commands
}

/// Starts a daemon at the policy's socket, with the configuration that was installed.
pub fn start_rsyslogd() {
    let config = format!(
        "global(workDirectory=\"{ROOT}\")\nmodule(load=\"imuxsock\" SysSock.Use=\"off\")\n\
         input(type=\"imuxsock\" Socket=\"{ROOT}/log\")\ninclude(file=\"/etc/rsyslog.d/*.conf\")\n"
    );
    let path = format!("{ROOT}/rsyslog.conf");
    fs::write(&path, config).unwrap();
    must(Command::new("rsyslogd").args(["-f", &path, "-i", &format!("{ROOT}/rsyslogd.pid")]));
    await_that(|| "rsyslogd's socket", || Path::new(ROOT).join("log").exists());
}

/// Runs lines as an operator types them. `$snippet` is the installed one of sshd.
pub fn shell(script: &str) -> Finished {
    let wrapped = format!("set -e; snippet=/etc/ssh/sshd_config.d/00-postern.conf\n{script}");
    must(Command::new("bash").args(["-c", &wrapped]).current_dir(env!("CARGO_MANIFEST_DIR")))
}

/// The installed tool.
pub fn doctor() -> Command {
    let mut command = Command::new("/usr/bin/postern");
    command.args(["doctor", "--json"]);
    command
}

fn finding(value: &Value) -> Option<Finding> {
    let text = |name: &str| value[name].as_str().unwrap().to_owned();
    let command = value["fix_is_command"].as_bool().unwrap().then(|| text("fix"));
    let finding = Finding { id: text("id"), level: text("level"), subject: text("subject"), command };
    (finding.level != "ok" && finding.level != "skipped").then_some(finding)
}
