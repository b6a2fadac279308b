//! What works, and does not without its privilege.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::host::{Host, PORT, host, postern};
use super::process::Finished;
use super::sandbox::skip;

/// A line, and what it shows that nothing shows without privilege.
const LINES: &[(&str, &str)] = &[
    ("lsof -nP -p PID", "127.0.0.1:5432 (LISTEN)"),
    ("lsof -nP -iTCP:5432 -sTCP:LISTEN", "(LISTEN)"),
    ("lsof -a -p PID -d txt", "/usr/bin/perl"),
    ("ss -tlnp", "users:((\"perl\",pid="),
    ("ss -pant", "users:((\"perl\",pid="),
    ("ss -tlp sport = :5432", "users:((\"perl\",pid="),
    ("ping -c 1 -n 127.0.0.1", "1 received"),
    ("tcpdump -nn -i lo -c 1 udp port 9", "UDP, length 7"),
    ("tcpdump -c 2 -i any -vv port 9 and host 127.0.0.1", "UDP, length 7"),
    ("nft list ruleset", "table inet of_the_test"),
    ("nft -a list table inet of_the_test", "table inet of_the_test"),
    ("dmesg -T --level info,notice,warn,err | head -n 3", "]"),
];

fn shown(finished: &Finished) -> String {
    finished.out() + &finished.err()
}

fn is_for_all(line: &str) -> bool {
    line.starts_with("dmesg") && fs::read_to_string("/proc/sys/kernel/dmesg_restrict").unwrap().trim() == "0"
}

#[test]
fn each_line_shows_what_it_does_not_without_its_privilege() {
    let Some(host) = host() else { return };
    let _traffic = host.traffic();
    for (line, shows) in LINES {
        let (with, without) = (shown(&host.line("oncall", line)), shown(&host.line("bare", line)));
        assert!(with.contains(shows), "{line}: {with}");
        if is_for_all(line) {
            skip("kernel.dmesg_restrict is 0: everybody reads the kernel's messages");
            continue;
        }
        assert!(!without.contains(shows), "{line}, without: {without}");
    }
}

#[test]
fn the_calls_of_a_service_are_seen_by_whom_the_rule_names() {
    let Some(host) = host() else { return };
    let _one = host.tracer.lock();
    let traced = |account: &str, line: &str| shown(&host.line(account, line));
    // Its output is bounded, so it ends.
    let lines = "strace -e trace=getppid -p PID 2>&1 | head -n 3";
    let calls = traced("oncall", lines);
    assert!(calls.contains("getppid()"), "{calls}");
    assert!(!traced("bare", lines).contains("getppid()"));
    let of_root = format!("strace -p {} 2>&1 | head -n 3", std::process::id());
    let refused = traced("oncall", &of_root);
    assert!(refused.contains("Operation not permitted"), "a process of another user: {refused}");
    assert!(Path::new(&format!("/proc/{}", host.service)).exists(), "it goes on when nobody looks any more");
}

/// What is shown without privilege runs as the account with nothing, whatever the same program has for other lines.
#[test]
fn what_needs_no_privilege_has_none() {
    let Some(host) = host() else { return };
    for (line, rule, run_as, confine) in [
        ("lsblk", "policy.d/storage.yaml", "oncall", "inspect"),
        ("lsblk -f", "policy.d/storage.yaml", "oncall", "inspect"),
        ("ss -tln", "policy.d/network.yaml", "oncall", "inspect"),
        ("systemctl list-units", "policy.d/systemd.yaml", "oncall", "system_bus"),
        ("ss -tlnp", "policy.d/network.yaml", "oncall", "connections"),
        ("lsof -p 1", "policy.d/diagnostics.yaml", "oncall", "process_files"),
        ("journalctl -u nginx -S -1h -p err..alert --no-pager -n 50", "policy.d/logs.yaml", ":systemd-journal", "inspect"),
        ("systemctl status nginx", "policy.d/systemd.yaml", ":systemd-journal", "system_bus"),
    ] {
        let explained: Value = serde_json::from_slice(&postern(&["explain", "--account", "oncall", "--json", line]).out).unwrap();
        let command = &explained["commands"][0];
        let decided = (command["rule"].as_str().unwrap(), command["as"].as_str().unwrap(), command["confine"].as_str().unwrap());
        assert!(decided.0.starts_with(&format!("{rule}:")) && (decided.1, decided.2) == (run_as, confine), "{line}: {decided:?}");
    }
    for line in ["lsblk", "ss -tln"] {
        assert_eq!(host.line("oncall", line).status, 0, "{line}");
    }
    assert!(host.line("oncall", "ss -tln").out().contains(&format!("127.0.0.1:{PORT}")));
}

/// What there is no disk and no daemon for: decided, and the program itself started.
#[test]
fn what_cannot_be_tried_here_is_decided_at_least() {
    let Some(host) = host() else { return };
    for (line, takes) in [
        ("smartctl -a /dev/sda", true),
        ("smartctl -H -d sat /dev/sdb", true),
        ("smartctl -x -j /dev/nvme0n1", true),
        ("smartctl -l error -l selftest /dev/sda", true),
        ("smartctl -t long /dev/sda", false),
        ("smartctl -s off /dev/sda", false),
        ("smartctl -l scterc,70,70 /dev/sda", false),
        ("smartctl -X /dev/sda", false),
        ("smartctl -B /etc/passwd -a /dev/sda", false),
        ("smartctl -a /dev/vda", false),
        ("docker ps -a --format '{{.Names}}'", true),
        ("docker stats --no-stream", true),
        ("docker version", true),
        ("docker -H tcp://db-2 ps", false),
        ("docker logs db", true),
        ("docker run -v /:/host alpine", false),
        ("docker exec db sh", false),
        ("docker inspect db", false),
        ("docker logs db --details", false),
    ] {
        let explained = postern(&["explain", "--account", "oncall", line]);
        assert_eq!(explained.status == 0, takes, "{line}: {}{}", explained.out(), explained.err());
    }
    let mut absent = String::new();
    for program in ["smartctl", "docker"] {
        let started = host.line("oncall", &format!("{program} --version"));
        match started.status {
            127 => absent += &format!("; {program} is not installed"),
            status => assert_eq!(status, 0, "{program}: {}", shown(&started)),
        }
    }
    skip(&format!("smartctl has no disk and docker no daemon here: their rules are explained, and asked for the version alone{absent}"));
}

/// Started as the account, never as root, with the listed capabilities alone: on record, and in the kernel.
#[test]
fn nobody_becomes_root_for_it() {
    let Some(host) = host() else { return };
    let line = "cat /proc/self/status";
    let status = host.line("wide", line).out();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned();
    assert_eq!(field("CapEff:"), "0000000000080004", "CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE: {status}");
    assert_eq!((field("CapBnd:"), field("NoNewPrivs:").as_str()), (field("CapEff:"), "1"));
    assert!(!field("Uid:").split_whitespace().any(|uid| uid == "0"), "{status}");
    assert_masked(host);
}

/// With both capabilities and without Landlock it is the session's mounts that keep secrets from being read.
fn assert_masked(host: &Host) {
    for (file, shown_there) in [("/etc/hostname", true), ("/etc/shadow", false), ("/etc/gshadow", false)] {
        // Not an argument, which the policy would look at.
        let read = host.line("wide", &format!("perl -pe 'BEGIN {{ @ARGV = qq({file}) }}'"));
        assert_eq!(!read.out.is_empty(), shown_there, "{file}: {}", shown(&read));
    }
}
