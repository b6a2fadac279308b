//! Whose word is taken for the client's address: that of root's sshd, and not that of a program of the account's that looks like one.

use std::path::Path;

use serde_json::json;

use super::evidence::{Session, central_sessions, sessions};
use super::host::{Account, Sshd, host};
use super::process::{Finished, run};

/// The one that the rule of `from: [10.9.8.7]` is for.
const FORGED: &str = "10.9.8.7 50022 10.0.0.1 22";
/// Becomes a process that the kernel names sshd, and starts its operands with the forged address.
const FAKE: &str = "$0 = 'sshd'; $ENV{SSH_CONNECTION} = shift; exit system(@ARGV) >> 8";

fn fake(account: &Account, shell: &Path, line: &str) -> Finished {
    run(account.command("/usr/bin/perl".as_ref()).args(["-e", FAKE, FORGED]).arg(shell).args(["-c", line]), b"")
}

fn from_nowhere(session: &Session) {
    for record in session.records() {
        assert_eq!(record["from"], json!(null), "{record}");
    }
}

#[test]
fn over_ssh_the_address_is_the_clients_with_a_terminal_and_without() {
    let Some(host) = host() else { return };
    let account = Account::new("near", &host.shell);
    let mut count = 0;
    for sshd in [&host.guarded, &host.bare] {
        for options in ["-T", "-tt"] {
            let near = run(sshd.ssh(&account, &[options]).arg("printf near"), b"");
            assert_eq!((near.status, near.out().as_str()), (0, "near"), "{options}: {}", near.err());
            assert_eq!(run(sshd.ssh(&account, &[options]).arg("printf far"), b"").status, 126, "{options}");
            count += 2;
        }
    }
    let records = sessions(&account, count).into_iter().flat_map(|session| session.records());
    records.for_each(|record| assert_eq!(record["from"], "127.0.0.1", "{record}"));
}

#[test]
fn a_process_of_the_accounts_named_sshd_is_not_believed() {
    let Some(host) = host() else { return };
    let account = Account::new("faker", &host.shell);
    for line in ["printf near", "printf far"] {
        let refused = fake(&account, &host.shell, line);
        assert_eq!((refused.status, refused.out().as_str()), (126, ""), "{line}: {}", refused.err());
    }
    sessions(&account, 2).iter().for_each(from_nowhere);
}

/// That the fake is a good one: what the plain install sees of its parent, the fake gives it.
#[test]
fn the_plain_install_believes_it() {
    let Some(host) = host() else { return };
    let account = Account::new("plainly", &host.plain);
    let far = fake(&account, &host.plain, "printf far");
    assert_eq!((far.status, far.out().as_str()), (0, "far"), "{}", far.err());
    assert_eq!(central_sessions(&account, 1)[0].records()[0]["from"], "10.9.8.7");
}

#[test]
fn below_a_real_session_only_the_place_of_the_shell_is_believed() {
    let Some(host) = host() else { return };
    let account = Account::new("below", "/bin/sh".as_ref());
    let shell = host.shell.display();
    // Not the last command of sh, which it would become.
    for attack in [
        format!("SSH_CONNECTION='{FORGED}' {shell} -c 'printf far'; exit $?"),
        format!(
            "perl -e \"\\$0 = 'sshd'; \\$ENV{{SSH_CONNECTION}} = shift; exit system(@ARGV) >> 8\" '{FORGED}' {shell} -c 'printf far'; exit $?"
        ),
    ] {
        let refused = host.bare.line(&account, &attack);
        assert_eq!((refused.status, refused.out().as_str()), (126, ""), "{attack}: {}", refused.err());
    }
    sessions(&account, 2).iter().for_each(from_nowhere);
}

#[test]
fn an_sshd_that_the_account_has_started_is_not_believed() {
    let Some(host) = host() else { return };
    let account = Account::new("server", "/bin/sh".as_ref());
    let own = Sshd::start_as(&account);
    // Where only name and ids are seen, its word is as good as root's.
    for (shell, status) in [(&host.shell, 126), (&host.plain, 0)] {
        let finished = own.line(&account, &format!("exec {} -c 'printf near'", shell.display()));
        assert_eq!(finished.status, status, "{}: {}", shell.display(), finished.err());
    }
    from_nowhere(&sessions(&account, 1)[0]);
}
