//! The shipped sshd snippet against what gets round a login shell: every attack works on the same sshd without the snippet, and fails with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::evidence::sessions;
use super::host::{Account, Host, SNIPPET, Sshd, host};
use super::process::{Finished, must, run};
use super::sandbox::ROOT;

#[test]
fn the_snippet_holds_whatever_the_rest_of_the_configuration_says() {
    let Some(host) = host() else { return };
    let account = Account::new("settings", &host.shell);
    let guarded = host.guarded.settings_for(&account.name);
    for setting in [
        "forcecommand posternsh --forced",
        "disableforwarding yes",
        "allowagentforwarding no",
        "x11forwarding no",
        "permittunnel no",
        "permituserrc no",
        "permittty yes",
        "exposeauthinfo yes",
        "authorizedkeysfile /etc/postern/authorized_keys/%u",
        "permituserenvironment no",
    ] {
        assert!(guarded.lines().any(|line| line == setting), "{setting}\n{guarded}");
    }
    let accepted: Vec<&str> = guarded.lines().filter(|line| line.starts_with("acceptenv")).collect();
    assert_eq!(accepted, ["acceptenv POSTERN_ACCEPTS_NONE"]);
    let others = host.guarded.settings_for("root");
    assert!(others.contains("forcecommand none") && others.contains("acceptenv *"), "it is for the group alone\n{others}");
}

/// What one attack got out of an sshd.
pub struct Loot {
    /// Whether it got what it wanted.
    pub won: bool,
    /// For the message of a failed assertion.
    pub shown: String,
}

impl Loot {
    pub fn of(won: bool, finished: &Finished) -> Loot {
        Loot { won, shown: format!("status {}\n{}{}", finished.status, finished.out(), finished.err()) }
    }
}

/// Runs an attack against an account of its own on both sshds: it works on the bare one and not on the guarded one.
pub fn only_without_the_snippet(name: &str, shell: Option<&str>, attack: impl Fn(&Sshd, &Account) -> Loot) {
    let Some(host) = host() else { return };
    assert_only_without(host, name, shell.map_or(&host.shell, Path::new), &host.shell, attack);
}

/// The same for what the loader of a set-user-ID program does not take from anybody: with the plain install, the snippet alone is in its way;
/// with the root install, that is as well.
fn only_without_the_snippet_and_the_bit(name: &str, attack: impl Fn(&Sshd, &Account) -> Loot) {
    let Some(host) = host() else { return };
    assert_only_without(host, name, &host.plain, &host.plain, &attack);
    let account = Account::new(&format!("{name}-bit"), &host.shell);
    let loot = attack(&host.bare, &account);
    assert!(!loot.won && loot.shown.starts_with("status 0"), "{}", loot.shown);
}

/// The shells are those of the account on the bare sshd, and of the one on the guarded.
fn assert_only_without(host: &Host, name: &str, bare: &Path, guarded: &Path, attack: impl Fn(&Sshd, &Account) -> Loot) {
    let control = Account::new(&format!("{name}-control"), bare);
    let loot = attack(&host.bare, &control);
    assert!(loot.won, "the attack must work without the snippet: {}", loot.shown);
    let account = Account::new(name, guarded);
    let loot = attack(&host.guarded, &account);
    assert!(!loot.won, "{}", loot.shown);
}

/// The contents of a file that is worth fetching.
fn passwd() -> Vec<u8> {
    fs::read("/etc/passwd").unwrap()
}

#[test]
fn sftp_inside_sshd_is_closed() {
    // internal-sftp never starts the login shell: posternsh alone is no defence.
    only_without_the_snippet("sftp", None, |sshd, account| {
        let stolen = PathBuf::from(ROOT).join(format!("stolen-sftp-{}", account.name));
        let finished = run(&mut sshd.copy("sftp", account, &["HOST:/etc/passwd", &stolen.to_string_lossy()]), b"");
        Loot::of(stolen.exists() && fs::read(&stolen).unwrap() == passwd(), &finished)
    });
}

#[test]
fn scp_is_closed_in_both_its_protocols() {
    if host().is_none() {
        return;
    }
    for (name, protocol, shell) in [("scp-sftp", "-s", None), ("scp-rcp", "-O", Some("/bin/sh"))] {
        only_without_the_snippet(name, shell, |sshd, account| {
            let stolen = PathBuf::from(ROOT).join(format!("stolen-{name}-{}", account.name));
            let finished = run(&mut sshd.copy("scp", account, &[protocol, "HOST:/etc/passwd", &stolen.to_string_lossy()]), b"");
            Loot::of(stolen.exists() && fs::read(&stolen).unwrap() == passwd(), &finished)
        });
    }
}

#[test]
fn rsync_is_closed() {
    only_without_the_snippet("rsync", Some("/bin/sh"), |sshd, account| {
        let stolen = PathBuf::from(ROOT).join(format!("stolen-rsync-{}", account.name));
        let ssh = sshd.ssh(account, &["-T"]);
        let transport: Vec<String> =
            ssh.get_args().map(|word| word.to_string_lossy().into_owned()).take_while(|word| !word.contains('@')).collect();
        let mut rsync = Command::new("rsync");
        rsync.arg("-e").arg(format!("ssh {}", transport.join(" "))).arg(format!("{}@127.0.0.1:/etc/passwd", account.name)).arg(&stolen);
        let finished = run(&mut rsync, b"");
        Loot::of(stolen.exists() && fs::read(&stolen).unwrap() == passwd(), &finished)
    });
}

#[test]
fn file_transfers_are_on_record_as_refusals() {
    let Some(host) = host() else { return };
    let account = Account::new("transfers", &host.shell);
    run(&mut host.guarded.copy("sftp", &account, &["HOST:/etc/passwd", "/dev/null"]), b"");
    run(&mut host.guarded.copy("scp", &account, &["-O", "HOST:/etc/passwd", "/dev/null"]), b"");
    let asked: Vec<String> = sessions(&account, 2)
        .iter()
        .flat_map(|session| session.events("command.deny"))
        .map(|record| record["line"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(asked, ["internal-sftp", "scp -f /etc/passwd"]);
}

/// A file that an attack leaves when its code runs; anyone may make it.
fn canary(account: &Account) -> PathBuf {
    let directory = Path::new(ROOT).join("canaries");
    must(Command::new("install").args(["-d", "-m", "1777"]).arg(&directory));
    directory.join(&account.name)
}

/// A library that leaves the canary as soon as it is loaded.
fn library(account: &Account) -> PathBuf {
    let source = Path::new(ROOT).join(format!("{}.c", account.name));
    let library = source.with_extension("so");
    let code = format!(
        "#include <fcntl.h>\n__attribute__((constructor)) static void sing(void) {{ open(\"{}\", O_CREAT | O_WRONLY, 0600); }}\n",
        canary(account).display()
    );
    fs::write(&source, code).unwrap();
    must(Command::new("gcc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source));
    library
}

/// Runs a line with variables that the client sends; whether code of the attacker's ran on the host.
fn smuggle(sshd: &Sshd, account: &Account, variables: &str, line: &str) -> Loot {
    let finished = run(sshd.ssh(account, &["-T", "-o", &format!("SetEnv={variables}")]).arg(line), b"");
    Loot::of(canary(account).exists(), &finished)
}

#[test]
fn a_library_in_the_clients_environment_is_not_loaded() {
    only_without_the_snippet_and_the_bit("preload", |sshd, account| {
        smuggle(sshd, account, &format!("LD_PRELOAD={}", library(account).display()), "true")
    });
}

/// A Perl module of the account's own that leaves the canary, and the variables that make every perl load it.
fn perl_module(account: &Account) -> String {
    account.write("Sing.pm", format!("open(my $file, '>', '{}'); 1;\n", canary(account).display()).as_bytes());
    format!("PERL5LIB={} PERL5OPT=-MSing", account.home.display())
}

#[test]
fn a_module_in_the_clients_environment_is_not_loaded() {
    only_without_the_snippet("perl", Some("/bin/sh"), |sshd, account| smuggle(sshd, account, &perl_module(account), "perl -e 1"));
}

#[test]
fn commands_see_nothing_of_the_clients_environment_even_without_the_snippet() {
    let Some(host) = host() else { return };
    let account = Account::new("perl-bare", &host.shell);
    let loot = smuggle(&host.bare, &account, &perl_module(&account), "perl -e 'exit(exists $ENV{PERL5LIB} ? 3 : 0)'");
    assert!(!loot.won && loot.shown.starts_with("status 0\n"), "{}", loot.shown);
}

#[test]
fn the_accounts_own_ssh_environment_is_not_read() {
    only_without_the_snippet_and_the_bit("environment", |sshd, account| {
        account.write(".ssh/environment", format!("LD_PRELOAD={}\n", library(account).display()).as_bytes());
        let finished = sshd.line(account, "true");
        Loot::of(canary(account).exists(), &finished)
    });
}

#[test]
fn the_accounts_own_ssh_rc_is_not_run() {
    only_without_the_snippet("rc", Some("/bin/sh"), |sshd, account| {
        account.write(".ssh/rc", format!("touch {}\n", canary(account).display()).as_bytes());
        let finished = sshd.line(account, "true");
        Loot::of(canary(account).exists(), &finished)
    });
}

#[test]
fn a_key_that_the_account_added_does_not_let_in() {
    only_without_the_snippet("own-key", None, |sshd, account| {
        let second = Account {
            name: account.name.clone(),
            home: account.home.clone(),
            key: Path::new(ROOT).join(format!("second-{}", account.name)),
        };
        must(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&second.key));
        account.write(".ssh/authorized_keys", &fs::read(second.key.with_extension("pub")).unwrap());
        let finished = sshd.line(&second, "echo inside");
        Loot::of(finished.out() == "inside\n", &finished)
    });
}

#[test]
fn a_smuggled_original_command_is_not_taken_for_the_real_one() {
    let Some(host) = host() else { return };
    // With a forced command and no command of the client's own, sshd leaves SSH_ORIGINAL_COMMAND to whoever sets it.
    let snippet = fs::read_to_string(SNIPPET).unwrap();
    let weakened: String =
        snippet.lines().filter(|line| !line.trim_start().starts_with("AcceptEnv")).map(|line| format!("{line}\n")).collect();
    let weakened = Sshd::start("weakened", &format!("AcceptEnv *\n{weakened}"));

    let account = Account::new("smuggler", &host.shell);
    let smuggle =
        |sshd: &Sshd| run(&mut sshd.ssh(&account, &["-T", "-o", "SetEnv=SSH_ORIGINAL_COMMAND=\"echo smuggled\""]), b"echo typed\n").out();
    assert_eq!(smuggle(&weakened), "smuggled\n", "the attack must work without the line AcceptEnv");
    assert_eq!(smuggle(&host.guarded), "typed\n");
}

#[test]
fn the_environment_configures_nothing_but_a_forced_command() {
    let Some(host) = host() else { return };
    let account = Account::new("unforced", &host.shell);
    for line in ["posternsh --forced ", "posternsh  --forced", "'posternsh' --forced", "/usr/bin/posternsh --forced"] {
        let finished = run(account.command(&host.shell).args(["-c", line]).env("SSH_ORIGINAL_COMMAND", "echo smuggled"), b"");
        assert_eq!((finished.status, finished.out().as_str()), (126, ""), "{line:?} is a line like any other: {}", finished.err());
    }
    let finished = run(account.command(&host.shell).args(["-c", "echo asked"]).env("SSH_ORIGINAL_COMMAND", "echo smuggled"), b"");
    assert_eq!(finished.out(), "asked\n");
}
