//! The same programs asked for something else: refused by their forms; and where any words are let through, by the kernel, or not.

use std::fs;
use std::path::Path;

use super::host::{Host, KEPT, OPEN, host};
use super::process::Finished;

fn shown(finished: &Finished) -> String {
    finished.out() + &finished.err()
}

/// Lines that change something, write, read files, start a program, or go on for ever. No rule of the shipped parts takes one of them, with
/// privilege or without.
const HARM: &[&str] = &[
    "lsof -D b/run/postern-test/kept/cache",
    "lsof -k /etc/shadow",
    "lsof -m /dev/mem",
    "ss -tpK dst 127.0.0.1",
    "ss -tp -D /run/postern-test/kept/diag",
    "ss -tp -F /etc/shadow",
    "ss -p -N other",
    "dmesg -C",
    "dmesg -c",
    "dmesg -n 1",
    "dmesg -F /etc/shadow",
    "dmesg -HC",
    "journalctl --vacuum-size=1M",
    "journalctl --vacuum-t=1s",
    "journalctl --rotate",
    "journalctl --flush",
    "journalctl --cursor-file=/run/postern-test/kept/cursor",
    "journalctl -D /srv",
    "journalctl --file=/etc/shadow",
    "systemctl stop nginx",
    "systemctl status --root=/srv nginx",
    "systemctl -H db-2 status nginx",
    "ping -f 127.0.0.1",
    "ping -i 0.1 127.0.0.1",
    "ping -c 1 -p ff 127.0.0.1",
    "ping -b 255.255.255.255",
    "tcpdump -i lo",
    "tcpdump -c 1 -w /run/postern-test/kept/packets",
    "tcpdump -c 1 -W 2 -C 1 -w /run/postern-test/kept/packets -z id",
    "tcpdump -c 1 -r /etc/shadow",
    "tcpdump -c 1 -F /etc/shadow",
    "tcpdump -c 1 -V /etc/shadow",
    "tcpdump -c 1 -A",
    "tcpdump -c 1 -nX",
    "tcpdump -c 1 -Z root",
    "tcpdump -c 100000",
    "nft add table inet x",
    "nft flush ruleset",
    "nft delete table inet of_the_test",
    "nft list table inet 'x; flush ruleset'",
    "nft list ruleset ';' flush ruleset",
    "nft -f /etc/shadow",
    "nft -i",
    "nft -I /root list ruleset",
    "strace id",
    "strace -p PID id",
    "strace -f -p PID -- id",
    "strace -o /run/postern-test/kept/calls -p PID",
    "strace -o '|id' -p PID",
    "strace -e inject=all:error=EPERM -p PID",
    "strace -e fault=openat -p PID",
    "strace --inject=all:signal=KILL -p PID",
    "strace -e read=all -p PID",
    "strace -E LD_PRELOAD=/tmp/x -p PID",
    "strace -u root -p PID",
    "strace -D -p PID",
    "strace --kill-on-exit -p PID",
];

#[test]
fn the_forms_refuse_what_only_looks_like_looking() {
    let Some(host) = host() else { return };
    for line in HARM {
        let refused = host.line("oncall", line);
        assert_eq!(refused.status, 126, "{line}: {}", shown(&refused));
    }
    let tables = host.root("nft list tables");
    assert!(tables.contains("of_the_test") && !tables.contains("inet x"), "{tables}");
    assert_eq!(files(KEPT), Vec::<String>::new());
}

/// What is in a directory where every account may write.
fn files(directory: &str) -> Vec<String> {
    let files = fs::read_dir(directory).unwrap().flatten();
    files.map(|file| file.file_name().to_string_lossy().into_owned()).collect()
}

/// Let through with any words, these end at the second door: what they do without it, by root, is the control.
#[test]
fn the_kernel_stops_writes_and_programs_whatever_the_words() {
    let Some(host) = host() else { return };
    let (_traffic, _one) = (host.traffic(), host.tracer.lock());
    for (line, file) in [
        ("tcpdump -Z root -i lo -c 1 -w /run/postern-test/open/packets", "packets"),
        ("strace -o /run/postern-test/open/calls -p PID", "calls"),
        ("ss -t -a -D /run/postern-test/open/diag", "diag"),
    ] {
        let stopped = host.line("wide", line);
        assert!(stopped.status != 124 && files(OPEN).is_empty(), "{line}: {}", shown(&stopped));
        by_root(host, line);
        assert_eq!(files(OPEN), [file], "the control of {line}");
        fs::remove_file(Path::new(OPEN).join(file)).unwrap();
    }
    for (line, said) in [("strace id", "uid=0"), ("tcpdump -Z root -i lo -c 60 -G 1 -w /dev/null -z id", "no such user")] {
        let stopped = host.line("wide", line);
        assert!(stopped.err().contains("was stopped from starting /usr/bin/id"), "{line}: {}", shown(&stopped));
        let control = by_root(host, line);
        assert!(control.contains(said), "the control of {line}: {control}");
    }
}

/// With the same words, as root and without any door; what goes on is ended.
fn by_root(host: &Host, line: &str) -> String {
    let line = line.replace("PID", &host.service.to_string());
    host.root(&format!("timeout --signal=INT 5 {line} 2>&1 || true"))
}

/// The messages of the kernel are read and not cleared, with CAP_SYSLOG too.
#[test]
fn the_messages_of_the_kernel_stay() {
    let Some(host) = host() else { return };
    let count = || host.root("dmesg").lines().count();
    let before = count();
    for line in ["dmesg -C", "dmesg -c", "dmesg -n 1", "dmesg -D"] {
        let stopped = host.line("wide", line);
        assert_ne!(stopped.status, 0, "{line}: {}", shown(&stopped));
    }
    assert!(before > 0 && count() >= before, "{before} lines before, {} now", count());
}

/// The journal belongs to root, and its group may only read it.
#[test]
fn a_group_that_reads_the_journal_does_not_shorten_it() {
    let Some(host) = host() else { return };
    let directory = "/var/log/journal/0123456789abcdef0123456789abcdef";
    super::host::shell(&format!("mkdir -p {directory} && chgrp systemd-journal {directory} && chmod 2755 {directory}"));
    let archived = format!("{directory}/system@0123456789abcdef0123456789abcdef-0000000000000001-0000000000000001.journal");
    fs::write(&archived, "not a journal, but as old as one").unwrap();
    let _ = host.line("wide", "journalctl --vacuum-time=1s --vacuum-files=1");
    assert!(Path::new(&archived).exists());
}

/// No door tells these from looking. They are what the forms alone keep out, and this is the place where that is said.
#[test]
fn what_no_door_stops_is_for_the_forms() {
    let Some(host) = host() else { return };
    assert_eq!(host.line("wide", "nft add table inet by_the_wide").status, 0);
    assert!(host.root("nft list tables").contains("by_the_wide"), "CAP_NET_ADMIN changes what it lists");
    host.root("nft delete table inet by_the_wide");
    let environ = host.line("wide", "perl -pe 'BEGIN { @ARGV = qq(/proc/PID/environ) }'");
    assert!(environ.out().contains("in the environment"), "whoever sees open files can read environments: {}", shown(&environ));
}
