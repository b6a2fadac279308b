//! A host with the root install, the shipped policies in force, three accounts, and processes of another user to look at.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use postern::policy::shipped::PARTS;

use super::process::{Finished, must, run};
use super::sandbox::{self, ROOT, await_some, await_that};

const SHELL: &str = "/run/postern-test/posternsh";
/// Beside the shell, whose install it looks at.
const TOOL: &str = "/run/postern-test/postern";
/// Whose processes are looked at: the user of `policies/special/strace.yaml`.
pub const SERVICE: &str = "postgres";
/// Where that service listens.
pub const PORT: u16 = 5432;
/// Where every account may write, and no command.
pub const OPEN: &str = "/run/postern-test/open";
/// The same, for lines that are not to run at all.
pub const KEPT: &str = "/run/postern-test/kept";

const SETTINGS: &str = "postern: 1\naudit: { syslog: none, dir: /var/log/postern }\n";

/// The same programs with any words, and without the privilege.
const BARE: &str = "\
postern: 1
accounts: [bare]
allow:
  - run: ['lsof **', 'ss **', 'strace **', 'tcpdump **', 'nft **', 'dmesg **', 'head **']
    confine: inspect
  - { run: 'ping **', confine: network }
";

/// The same programs with any words, under the confinements of the shipped rules; those have their names for all files of a policy.
const WIDE: &str = "\
postern: 1
accounts: [wide]
allow:
  - { run: ['lsof **', 'cat <file>', 'perl -pe <code:text>'], confine: process_files }
  - { run: 'ss **', confine: connections }
  - { run: 'dmesg **', confine: kernel_messages }
  - { run: 'journalctl **', as: ':systemd-journal', confine: inspect }
  - { run: 'tcpdump **', confine: packets }
  - { run: 'nft **', confine: firewall }
  - { run: 'strace **', as: postgres, confine: traced }
";

/// The host, made once for this test binary; `None`, said loudly, outside the sandbox.
pub fn host() -> Option<&'static Host> {
    static HOST: OnceLock<Host> = OnceLock::new();
    sandbox::entered().then(|| HOST.get_or_init(Host::start))
}

pub struct Host {
    /// Holds the namespaces. It, and what runs in them, dies with the sandbox.
    holder: u32,
    /// A process of [`SERVICE`] that listens on [`PORT`], and makes a call ten times a second.
    pub service: u32,
    /// Held by who has it traced: a process has one tracer.
    pub tracer: Mutex<()>,
}

impl Host {
    fn start() -> Host {
        let holder = namespaces();
        shell(&format!("groupadd --system postern; groupadd --system --force docker; mkdir {OPEN} {KEPT}; chmod 1777 {OPEN} {KEPT}"));
        shell(&format!("id {SERVICE} || useradd --system --no-create-home {SERVICE}"));
        for account in ["oncall", "bare", "wide"] {
            shell(&format!("useradd --no-create-home --groups postern --home-dir / {account}"));
        }
        must(Command::new("install").args(["-o", "root", "-g", "postern", "-m", "4750", env!("CARGO_BIN_EXE_posternsh"), SHELL]));
        must(Command::new("install").args([env!("CARGO_BIN_EXE_postern"), TOOL]));
        shell("install -d -m 700 /var/log/postern");
        put_in_force();
        let mut host = Host { holder, service: 0, tracer: Mutex::new(()) };
        host.root("nft add table inet of_the_test");
        host.service = host.serve();
        host
    }

    fn serve(&self) -> u32 {
        let code = format!(
            "use IO::Socket::INET; $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => {PORT}, Listen => 1) or die; \
             for (;;) {{ select undef, undef, undef, 0.1; getppid }}"
        );
        let mut perl = self.within(SERVICE, "/usr/bin/perl");
        perl.args(["-e", &code]).env("SECRET", "in the environment");
        let pid = in_background(&mut perl).id();
        let listens = || self.root("ss -Htln").contains(&format!("127.0.0.1:{PORT}"));
        await_that(|| "the service", listens);
        pid
    }

    /// A command of root's in the namespaces; what it printed.
    pub fn root(&self, line: &str) -> String {
        must(self.enter().args(["sh", "-c", line])).out()
    }

    /// Runs the command of its further arguments in the namespaces.
    fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.to_string(), "--net", "--mount", "--"]);
        command
    }

    /// A program in the namespaces, as a user.
    fn within(&self, user: &str, program: &str) -> Command {
        let mut command = self.enter();
        command.args(["setpriv", "--reuid", user, "--regid", user, "--init-groups", "--", program]);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/");
        command
    }

    /// An account's line in the root install, in which `PID` is the service.
    pub fn line(&self, account: &str, line: &str) -> Finished {
        let line = line.replace("PID", &self.service.to_string());
        run(self.within(account, SHELL).args(["-c", &line]), b"")
    }

    /// A process of root's that has no capability.
    pub fn of_root_without_capabilities(&self) -> Killed {
        let bounds = ["--bounding-set=-all", "--inh-caps=-all", "--", "/usr/bin/sleep", "600"];
        let killed = Killed(in_background(Command::new("setpriv").args(bounds)));
        let name = || fs::read_to_string(format!("/proc/{}/comm", killed.id())).unwrap();
        await_that(|| "a process of root's", || name().trim() == "sleep");
        killed
    }

    /// Somebody sends, for as long as this lives.
    pub fn traffic(&self) -> Killed {
        let code = "use IO::Socket::INET; $s = IO::Socket::INET->new(Proto => 'udp', PeerAddr => '127.0.0.1:9'); \
                    for (;;) { $s->send('postern'); select undef, undef, undef, 0.05 }";
        Killed(in_background(self.within("bare", "/usr/bin/perl").args(["-e", code])))
    }
}

/// A process that ends with its owner.
pub struct Killed(Child);

impl Killed {
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn in_background(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn().unwrap()
}

/// A process in namespaces of its own: of the network, in which the loopback interface is up, and of mounts, in which /tmp is empty. Sessions look
/// through it for what is hidden, and what a machine has there is not the policies'.
fn namespaces() -> u32 {
    let script = "mount -t tmpfs -o mode=1777 tmpfs /tmp && ip link set lo up && exec sleep infinity";
    let holder = in_background(Command::new("unshare").args(["--net", "--mount", "sh", "-c", script])).id();
    let up = || fs::read_to_string(format!("/proc/{holder}/comm")).ok().filter(|name| name.trim() == "sleep");
    await_some(|| "the namespaces", up);
    holder
}

/// Puts the shipped parts in force, and the one for strace, with tables of the tests' own behind them.
fn put_in_force() {
    fs::create_dir_all("/etc/postern/policy.d").unwrap();
    fs::write("/etc/postern/policy.yaml", SETTINGS).unwrap();
    let parts = PARTS.iter().map(|part| (part.name, part.policy.to_owned()));
    let strace = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/policies/special/strace.yaml")).unwrap();
    for (name, text) in parts.chain([("strace", strace)]) {
        let text = text.replacen("postern: 1\n", "postern: 1\naccounts: [oncall]\n", 1);
        fs::write(format!("/etc/postern/policy.d/{name}.yaml"), text).unwrap();
    }
    for (name, text) in [("90-bare", BARE), ("91-wide", WIDE), ("92-listeners", super::listeners::POLICY)] {
        fs::write(format!("/etc/postern/policy.d/{name}.yaml"), text).unwrap();
    }
    must(Command::new(TOOL).arg("apply"));
}

/// Runs a command line that must succeed.
pub fn shell(line: &str) {
    must(Command::new("sh").args(["-ec", line]));
}

/// Runs the operators' tool.
pub fn postern(arguments: &[&str]) -> Finished {
    run(Command::new(TOOL).args(arguments).env("PATH", "/usr/bin:/bin").current_dir(ROOT), b"")
}
