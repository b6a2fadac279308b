//! A host with break-glass accounts: the shell as the packages install it, set-user-ID root, a policy in force, a real rsyslogd, and real sshds
//! on loopback ports.
//!
//! Two sshds stand side by side, both with the most permissive settings that a host may have. One includes the shipped snippet and one does
//! not, so that whatever differs between them is the snippet's work.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};

use super::process::{Finished, must, run};
use super::sandbox::{self, ROOT, await_that};

/// Where the applied policy has the shell keep its records.
pub const AUDIT: &str = "/var/log/postern";
/// Where the shipped rule has rsyslogd write them.
pub const CENTRAL: &str = "/var/log/postern.jsonl";
/// A file that nobody writes to, for commands that wait.
pub const QUIET: &str = "/var/log/quiet.log";

/// The shipped files.
pub const SNIPPET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/sshd/postern.conf");
const RSYSLOG_RULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/rsyslog/postern.conf");

/// Everything that a careless host may offer.
const PERMISSIVE: &str = "\
UsePAM no
MaxStartups 200
PermitUserEnvironment yes
PermitTunnel yes
X11Forwarding yes
AcceptEnv *
Subsystem sftp internal-sftp
";

const POLICY: &str = "\
postern: 1
audit: { syslog: /run/postern-test/log, dir: /var/log/postern }
defaults: { timeout: 60s, output: 64MiB }
allow:
  - echo [<words:text>...]
  - cat [<file>...]
  - tail -f <file>
  - sleep <seconds:int>
  - wc [-c] [-l]
  - 'true'
  - 'false'
  - no-such-program [<words:text>...]
  - perl -e <code:text>      # stands for any program that the second door alone has to hold
";

/// For whoever comes from this machine, and for whoever comes from elsewhere.
const FROM: [(&str, &str); 2] =
    [("near.yaml", "from: [127.0.0.0/8]\nallow:\n  - printf near\n"), ("far.yaml", "from: [10.9.8.7]\nallow:\n  - printf far\n")];

/// The host, made once for the test binary; `None`, said loudly, outside the sandbox.
pub fn host() -> Option<&'static Host> {
    static HOST: OnceLock<Host> = OnceLock::new();
    sandbox::entered().then(|| HOST.get_or_init(Host::start))
}

pub struct Host {
    /// The login shell: of the root install.
    pub shell: PathBuf,
    /// The same of the plain install, for what only that is open to; its records are in syslog alone.
    pub plain: PathBuf,
    /// An sshd with the shipped snippet.
    pub guarded: Sshd,
    /// The same sshd without it.
    pub bare: Sshd,
}

impl Host {
    fn start() -> Host {
        let root = Path::new(ROOT);
        fs::create_dir_all(root.join("home")).unwrap();
        fs::write(QUIET, "quiet\n").unwrap();
        let shell = root.join("posternsh");
        must(Command::new("groupadd").args(["--system", "postern"]));
        let install = |mode: &str, to: &Path| {
            must(Command::new("install").args(["-o", "root", "-g", "postern", "-m", mode, env!("CARGO_BIN_EXE_posternsh")]).arg(to));
        };
        install("4750", &shell);
        let plain = root.join("plain/posternsh");
        fs::create_dir_all(plain.parent().unwrap()).unwrap();
        install("755", &plain);
        must(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(root.join("host_key")));
        put_policy_in_force();
        start_rsyslogd();
        let guarded = Sshd::start("guarded", &format!("Include {SNIPPET}\n{PERMISSIVE}"));
        let bare = Sshd::start("bare", PERMISSIVE);
        Host { shell, plain, guarded, bare }
    }
}

fn put_policy_in_force() {
    must(Command::new("install").args(["-d", "-m", "700", AUDIT]));
    must(Command::new("install").args(["-d", "-m", "755", "/etc/postern/authorized_keys"]));
    fs::write("/etc/postern/policy.yaml", POLICY).unwrap();
    must(Command::new("install").args(["-d", "-m", "755", "/etc/postern/policy.d"]));
    for (name, scope) in FROM {
        fs::write(Path::new("/etc/postern/policy.d").join(name), format!("postern: 1\n{scope}")).unwrap();
    }
    must(Command::new(env!("CARGO_BIN_EXE_postern")).arg("apply"));
}

fn start_rsyslogd() {
    let config = format!(
        "global(workDirectory=\"{ROOT}\")\n\
         module(load=\"imuxsock\" SysSock.Use=\"off\")\n\
         input(type=\"imuxsock\" Socket=\"{ROOT}/log\" RateLimit.Interval=\"0\")\n\
         include(file=\"{RSYSLOG_RULE}\")\n"
    );
    let path = Path::new(ROOT).join("rsyslog.conf");
    fs::write(&path, config).unwrap();
    must(Command::new("rsyslogd").arg("-f").arg(&path).args(["-i", "/run/postern-test/rsyslogd.pid"]));
    await_that(|| "rsyslogd's socket", || Path::new(ROOT).join("log").exists());
}

/// An sshd on a loopback port. It dies with the sandbox.
pub struct Sshd {
    port: u16,
    config: PathBuf,
}

impl Sshd {
    /// Starts an sshd with these settings behind the port and the host key.
    pub fn start(name: &str, settings: &str) -> Sshd {
        let sshd = Sshd::new(name, &Path::new(ROOT).join("host_key"), settings);
        must(Command::new("/usr/sbin/sshd").arg("-f").arg(&sshd.config).arg("-E").arg(sshd.config.with_extension("log")));
        sshd
    }

    /// Starts one as an account does, for itself.
    pub fn start_as(account: &Account) -> Sshd {
        let key = account.home.join("host_key");
        must(account.command("/usr/bin/ssh-keygen".as_ref()).args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key));
        let sshd = Sshd::new(&account.name, &key, "UsePAM no\n");
        let log = account.home.join("sshd.log");
        must(account.command("/usr/sbin/sshd".as_ref()).arg("-f").arg(&sshd.config).arg("-E").arg(log));
        sshd
    }

    fn new(name: &str, key: &Path, settings: &str) -> Sshd {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = Path::new(ROOT).join(format!("sshd-{name}.conf"));
        let head = format!("ListenAddress 127.0.0.1:{port}\nHostKey {}\nPidFile none\n", key.display());
        fs::write(&config, head + settings).unwrap();
        Sshd { port, config }
    }

    /// What `sshd -T` says holds for an account, a line each, in lower-case keywords.
    pub fn settings_for(&self, account: &str) -> String {
        let who = format!("user={account},host=localhost,addr=127.0.0.1");
        must(Command::new("/usr/sbin/sshd").arg("-f").arg(&self.config).args(["-T", "-C", &who])).out()
    }

    /// A client with these options, not yet started; the line to run is to be added.
    pub fn ssh(&self, account: &Account, options: &[&str]) -> Command {
        let mut ssh = self.client("ssh", "-p", account, options);
        ssh.arg(format!("{}@127.0.0.1", account.name));
        ssh
    }

    /// `sftp` or `scp` with these options and operands, `HOST:` in front of paths on the host.
    pub fn copy(&self, program: &str, account: &Account, arguments: &[&str]) -> Command {
        let host = format!("{}@127.0.0.1:", account.name);
        let arguments: Vec<String> = arguments.iter().map(|argument| argument.replace("HOST:", &host)).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.client(program, "-P", account, &arguments)
    }

    fn client(&self, program: &str, port_flag: &str, account: &Account, arguments: &[&str]) -> Command {
        let mut client = Command::new(program);
        client.args(["-F", "none", port_flag, &self.port.to_string(), "-i"]).arg(&account.key);
        for option in ["BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
        {
            client.args(["-o", option]);
        }
        client.args(arguments).env_remove("SSH_AUTH_SOCK").env_remove("DISPLAY").env("TERM", "xterm");
        client
    }

    /// Runs one line over ssh, without a terminal.
    pub fn line(&self, account: &Account, line: &str) -> Finished {
        run(self.ssh(account, &["-T"]).arg(line), b"")
    }
}

/// A throw-away account in the group of the snippet, with one key for both sshds.
pub struct Account {
    pub name: String,
    pub home: PathBuf,
    pub key: PathBuf,
}

impl Account {
    /// Makes an account with a login shell.
    pub fn new(name: &str, shell: &Path) -> Account {
        // useradd(8) gives up at once when another one holds the lock.
        static USERADD: Mutex<()> = Mutex::new(());
        let lock = USERADD.lock();
        let home = Path::new(ROOT).join("home").join(name);
        // `*` and not the default `!`, which sshd takes for a locked account.
        let mut useradd = Command::new("useradd");
        useradd.args(["--create-home", "--password", "*", "--groups", "postern", "--home-dir"]).arg(&home);
        must(useradd.arg("--shell").arg(shell).arg(name));
        drop(lock);

        let key = Path::new(ROOT).join(format!("key-{name}"));
        must(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key));
        let account = Account { name: name.to_owned(), home, key };
        let public = fs::read(account.key.with_extension("pub")).unwrap();
        fs::write(Path::new("/etc/postern/authorized_keys").join(name), &public).unwrap();
        account.write(".ssh/authorized_keys", &public);
        account
    }

    /// Writes a file of the account's own into its home directory.
    pub fn write(&self, name: &str, contents: &[u8]) {
        let path = self.home.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, contents).unwrap();
        must(Command::new("chown").arg("-R").arg(&self.name).arg(&self.home));
    }

    /// What runs with the account's uid, be it only for files, as the guard of a set-user-ID shell does: a command line each. sshd's own are
    /// left out.
    pub fn processes(&self) -> Vec<String> {
        let shown = run(Command::new("ps").args(["-e", "-o", "fuid=,ruid=,euid=,args="]), b"").out();
        let uid = run(Command::new("id").args(["-u", &self.name]), b"").out();
        let (mut found, uid) = (Vec::new(), uid.trim());
        for line in shown.lines() {
            let mut words = line.split_whitespace();
            let is_its = words.by_ref().take(3).filter(|word| *word == uid).count() > 0;
            let line = words.collect::<Vec<_>>().join(" ");
            if is_its && !line.starts_with("sshd:") {
                found.push(line);
            }
        }
        found
    }

    /// Runs a program as the account, without ssh.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &self.name, "--regid", &self.name, "--init-groups", "--"]).arg(program);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", &self.home).current_dir(&self.home);
        command
    }
}
