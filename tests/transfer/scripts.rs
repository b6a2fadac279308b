//! Lines from scripts: no banner, no prompt, no byte that the command did not write, and its exit status.

use std::process::Command;

use super::host::{Account, Host};
use super::process::{Finished, run};
use super::scene::scene;

/// A line, its exit status, and what it prints on standard output.
const LINES: [(&str, i32, &[u8]); 9] = [
    ("true", 0, b""),
    ("false", 1, b""),
    ("perl -e 'print qq(a\\0\\x1b[31m\\xff\\n); exit 42'", 42, b"a\0\x1b[31m\xff\n"),
    ("perl -e 'kill TERM => $$'", 143, b""),
    ("perl -e 'kill KILL => $$'", 137, b""),
    ("no-such-program", 127, b""),
    ("reboot", 126, b""),
    ("echo `id`", 2, b""),
    ("printf near", 0, b"near"),
];

/// How scripts call: the way's name, and what runs a line.
type Way = (&'static str, fn(&Host, &Account, &str) -> Finished);

const WAYS: [Way; 6] = [
    ("ssh -n", |host, account, line| run(host.guarded.ssh(account, &["-n"]).arg(line), b"not for the command")),
    ("ssh -T", |host, account, line| run(host.guarded.ssh(account, &["-T"]).arg(line), b"")),
    ("ssh without -T", |host, account, line| run(host.guarded.ssh(account, &[]).arg(line), b"")),
    ("ssh to the login shell", |host, account, line| run(host.bare.ssh(account, &["-n"]).arg(line), b"")),
    // Ansible's raw module with `ansible_ssh_use_tty: false` (plugins/connection/ssh.py; plugins/action/raw.py adds no /bin/sh -c).
    ("ansible -m raw", |host, account, line| {
        let options = ["-C", "-o", "ControlMaster=no", "-o", "KbdInteractiveAuthentication=no", "-o", "PasswordAuthentication=no"];
        let more = ["-o", "PreferredAuthentications=publickey", "-o", "ConnectTimeout=10"];
        run(host.guarded.ssh(account, &[&options[..], &more].concat()).arg(line), b"")
    }),
    // As cron(8) starts it: SHELL=/usr/bin/posternsh in the crontab, three variables and no terminal.
    ("cron", |host, account, line| {
        let mut command = account.command(&host.shell);
        let cron = command.args(["-c", line]).env_clear().env("LOGNAME", &account.name).env("HOME", &account.home);
        run(cron.env("SHELL", &host.shell).env("PATH", "/usr/bin:/bin"), b"")
    }),
];

#[test]
fn scripts_get_the_output_and_the_status_of_the_command_and_nothing_else() {
    let Some(scene) = scene() else { return };
    let account = Account::new("scripts", &scene.host.shell);
    for (way, go) in WAYS {
        for (line, status, output) in LINES {
            // The address of a call that did not come over ssh is not known.
            if way == "cron" && line == "printf near" {
                continue;
            }
            let finished = go(scene.host, &account, line);
            assert_eq!((finished.status, &finished.out[..]), (status, output), "{way}: {line}: {}", finished.err());
            let refused = [2, 126, 127].contains(&status);
            assert_eq!(finished.err().starts_with("posternsh: "), refused, "{way}: {line}: {}", finished.err());
            assert!(refused || finished.err().is_empty(), "{way}: {line}: {}", finished.err());
            assert!(!finished.err().contains('\u{1b}'), "{way}: {line}: {}", finished.err());
        }
    }
}

#[test]
fn a_limit_is_124_and_what_was_printed_is_the_commands_own() {
    let Some(scene) = scene() else { return };
    let account = Account::new("limited", &scene.host.shell);
    for (way, go) in WAYS {
        let finished = go(scene.host, &account, "yes");
        assert_eq!(finished.status, 124, "{way}");
        assert!(finished.out.len() <= 1024 && b"y\n".repeat(512).starts_with(&finished.out), "{way}: {:?}", finished.out());
    }
}

#[test]
fn binary_goes_both_ways_unchanged() {
    let Some(scene) = scene() else { return };
    let account = Account::new("binary", &scene.host.shell);
    let binary: Vec<u8> = (0..=255_u8).cycle().take(1 << 20).collect();
    let mut cron = account.command(&scene.host.shell);
    for (way, finished) in [
        ("ssh", run(scene.host.guarded.ssh(&account, &[]).arg("cat"), &binary)),
        ("a pipe", run(scene.host.guarded.ssh(&account, &[]).arg("cat | cat"), &binary)),
        ("without ssh", run(cron.args(["-c", "cat"]), &binary)),
    ] {
        assert_eq!((finished.status, finished.err().as_str()), (0, ""), "{way}");
        assert!(finished.out == binary, "{way}: {} bytes came back", finished.out.len());
    }
}

#[test]
fn ansible_modules_that_need_a_shell_are_refused_with_a_word() {
    let Some(scene) = scene() else { return };
    let account = Account::new("ansible", &scene.host.shell);
    // What every module but raw begins with.
    let line = "/bin/sh -c '( umask 77 && mkdir -p \"` echo ~/.ansible/tmp `\" ) && sleep 0'";
    let finished = run(scene.host.guarded.ssh(&account, &["-C"]).arg(line), b"");
    assert_eq!((finished.status, finished.out().as_str()), (126, ""));
    assert!(finished.err().starts_with("posternsh: "), "{}", finished.err());
}

#[test]
fn a_crontab_line_runs_through_sh_too() {
    let Some(scene) = scene() else { return };
    let account = Account::new("nightly", &scene.host.shell);
    // Where the crontab names no SHELL: /bin/sh starts the shell that the line names.
    let line = format!("{} -c 'echo one | cat' > {}/out 2>&1", scene.host.shell.display(), account.home.display());
    let finished = run(account.command("/bin/sh".as_ref()).args(["-c", &line]), b"");
    assert_eq!(finished.status, 0, "{}", finished.err());
    let out = run(Command::new("cat").arg(account.home.join("out")), b"");
    assert_eq!(out.out(), "one\n");
}
