//! The journal and services, on a machine with a real systemd and a message bus: read through a group, and restarted as root, by an
//! account that has neither.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::machine::Machine;
use super::pty::Terminal;
use super::sandbox::await_that;

/// Puts the shipped parts in force that this needs, for one account of two, in the root install; and gives the journal to its group, which systemd-tmpfiles does
/// where it runs (tmpfiles.d/systemd.conf).
const INSTALL: &str = "
    cd /etc/postern
    groupadd --system postern
    for account in oncall bare; do useradd --no-create-home --groups postern --home-dir / $account; done
    install -o root -g postern -m 4750 /usr/bin/posternsh /usr/libexec/posternsh
    install -d -m 700 /var/log/postern
    chown -R root:root .
    postern apply
    for journal in /run/log/journal /var/log/journal; do
        if test -d $journal; then chgrp -R systemd-journal $journal; find $journal -type d -exec chmod 2755 {} +; fi
    done
    systemctl start dbus.socket dbus.service
";
const SHELL: &str = "/usr/libexec/posternsh";

/// The same lines without a group.
const BARE: &str = "\
postern: 1
accounts: [bare]
allow:
  - { run: 'journalctl **', confine: inspect }
  - { run: 'systemctl status **', confine: { base: inspect, sockets: [/run/dbus/system_bus_socket] } }
";

/// A machine with it all.
fn machine() -> Option<Machine> {
    let machine = Machine::boot()?;
    let put = |name: &str, text: &str| {
        let script = format!("mkdir -p /etc/postern/policy.d && cat >/etc/postern/{name}");
        let mut writer = machine.command(["sh", "-ec", &script]).stdin(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(writer.stdin.as_mut().unwrap(), text.as_bytes()).unwrap();
        assert!(writer.wait().unwrap().success());
    };
    put("policy.yaml", "postern: 1\naudit: { syslog: none, dir: /var/log/postern }\n");
    put("policy.d/bare.yaml", BARE);
    for name in ["logs", "systemd", "special/restart"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies").join(name).with_extension("yaml");
        let text = fs::read_to_string(path).unwrap().replacen("postern: 1\n", "postern: 1\naccounts: [oncall]\n", 1);
        put(&format!("policy.d/{}.yaml", name.trim_start_matches("special/")), &text);
    }
    let installed = machine.run(["sh", "-exc", INSTALL]);
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    Some(machine)
}

/// The root install, as an account.
fn session(machine: &Machine, account: &str, line: &str) -> Command {
    machine.command(["setpriv", "--reuid", account, "--regid", account, "--init-groups", "--", SHELL, "-c", line])
}

/// The exit status, and all that was shown.
fn run(machine: &Machine, account: &str, line: &str) -> (i32, String) {
    let output = session(machine, account, line).stdin(Stdio::null()).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), shown)
}

#[test]
fn an_account_reads_the_journal_and_restarts_a_unit_and_is_never_root() {
    let Some(machine) = machine() else { return };
    the_journal_is_read_through_its_group(&machine);
    a_unit_is_restarted_when_the_person_says_so(&machine);
    nothing_else_is_let_through(&machine);
}

fn the_journal_is_read_through_its_group(machine: &Machine) {
    for (line, shows) in [
        ("journalctl -u nginx -n 50 --no-pager", "serving"),
        ("journalctl -o cat _SYSTEMD_UNIT=nginx.service", "serving"),
        ("systemctl status nginx --no-pager", "serving"),
    ] {
        // The journal may be on its way still.
        await_that(|| format!("{line}: {:?}", run(machine, "oncall", line)), || run(machine, "oncall", line).1.contains(shows));
        let without = run(machine, "bare", line).1;
        assert!(!without.contains(shows), "{line}, without: {without}");
    }
    // The state itself is for everybody: over the bus, and not over systemd's own socket.
    for account in ["oncall", "bare"] {
        let (status, shown) = run(machine, account, "systemctl status nginx --no-pager");
        assert!(status == 0 && shown.contains("Active: active (running)"), "{account}: {shown}");
    }
}

fn a_unit_is_restarted_when_the_person_says_so(machine: &Machine) {
    let before = machine.property("nginx", "MainPID");
    let asked = |answer: &str| {
        let mut terminal = Terminal::start(session(machine, "oncall", "systemctl restart nginx"));
        terminal.expect("posternsh: systemctl restart nginx changes this host; type nginx to go on: ");
        terminal.line(answer);
        terminal.end()
    };
    let (status, shown) = asked("yes");
    assert_eq!((status, machine.property("nginx", "MainPID")), (126, before.clone()), "{shown}");
    let (status, shown) = asked("nginx");
    let after = machine.property("nginx", "MainPID");
    assert!(status == 0 && before != after, "{status}: {shown}");

    let (start, end) = (stage(machine, "command.start"), stage(machine, "command.end"));
    assert!(start["before"].as_str().unwrap().contains(&format!("MainPID={before}\n")), "{start}");
    assert!(end["after"].as_str().unwrap().contains(&format!("MainPID={after}\n")), "{end}");
    assert_eq!((&start["confirmed"], &start["as"], &start["confine"]), (&true.into(), &"root".into(), &"systemd".into()));
}

/// The command of the one restart, in the records of this event.
fn stage(machine: &Machine, event: &str) -> serde_json::Value {
    let output = machine.run(["sh", "-c", "cat /var/log/postern/*.jsonl"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let records = postern::record::join(text.lines()).unwrap().into_iter().map(serde_json::Value::Object);
    let mut stages =
        records.filter(|record| record["event"] == event).map(|record| (record["account"].clone(), record["stages"][0].clone()));
    let (account, stage) = stages.find(|(_, stage)| stage["argv"][1] == "restart").unwrap();
    assert_eq!(account, "oncall");
    stage
}

fn nothing_else_is_let_through(machine: &Machine) {
    let before = machine.property("nginx", "MainPID");
    for (account, line) in [
        ("oncall", "systemctl restart nginx"),
        ("oncall", "systemctl stop nginx"),
        ("oncall", "systemctl restart dbus"),
        ("oncall", "journalctl --vacuum-size=1"),
        ("bare", "systemctl restart nginx"),
    ] {
        let (status, shown) = run(machine, account, line);
        assert_eq!((status, machine.property("nginx", "MainPID")), (126, before.clone()), "{account}: {line}: {shown}");
    }
}
