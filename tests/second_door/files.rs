//! What can be read.

use std::fs;
use std::process::Command;

use crate::door::{ACCOUNT_ONLY, Door, EVERYBODY, ROOT_ONLY, User};
use crate::host::{DISK, HIDDEN, HIDDEN_FROM_ROOT, OUTSIDE, SECRET, Victim, ready, secret};
use crate::process::Running;
use crate::prove::{Attack, Free, NO_GROUND, Sign, attack, fails, prove, said, steals, works};
use crate::sandbox::skip;

const OPEN: Free<'static> = Free::Confined("open");

fn reads(paths: &[&str]) -> Vec<Attack> {
    paths.iter().map(|path| steals(format!("read {path}"))).collect()
}

#[test]
fn nothing_hidden_is_read() {
    if !ready() {
        return;
    }
    for base in ["inspect", "service", "network", "sealed"] {
        prove("hidden files", &reads(&HIDDEN), if base == "inspect" { &EVERYBODY } else { &ACCOUNT_ONLY }, base, OPEN);
    }
    prove("hidden files of root's", &reads(&HIDDEN_FROM_ROOT), &ROOT_ONLY, "inspect", OPEN);
}

#[test]
fn nothing_outside_of_the_readable_places_is_read() {
    if !ready() {
        return;
    }
    for base in ["inspect", "service", "network", "sealed"] {
        prove("files of others", &reads(&OUTSIDE), if base == "inspect" { &EVERYBODY } else { &ACCOUNT_ONLY }, base, OPEN);
    }
}

#[test]
fn no_other_way_leads_to_them() {
    if !ready() {
        return;
    }
    let attacks = [
        steals("read-openat2 /srv/customer/data"),
        steals("read-reopened /srv/customer/data"),
        steals("read-mapped /srv/customer/data"),
        steals("read-below /srv/customer data"),
        steals("read-chdir /srv/customer data"),
        steals("read-below /var/log ../../srv/customer/data"),
        steals("read /usr/../srv/customer/data"),
        steals("read /var/log/ways/../../../srv/customer/data"),
        steals("read /proc/self/root/srv/customer/data"),
        steals("read /proc/self/cwd/srv/customer/data"),
        steals("read /proc/thread-self/root/srv/customer/data"),
        steals("read /proc/self/root/etc/foo/x.key"),
        steals("read /var/log/ways/symlink"),
        steals("read /var/log/ways/directory/data"),
        steals("read /var/log/ways/to-key"),
        steals("read-reopened /var/log/ways/to-key"),
        steals("read /etc/foo/innocent.conf"),
        steals("read /run/mirrors/customer/data"),
        steals("read /run/mirrors/ssh/id_ed25519"),
        steals("read /run/mirrors/home/diary"),
    ];
    prove("other ways", &attacks, &EVERYBODY, "inspect", OPEN);
    prove("other ways by handles", &[steals("read-handle /srv/customer data")], &ROOT_ONLY, "inspect", Free::Bare);
}

#[test]
fn other_processes_are_no_way_either() {
    if !ready() {
        return;
    }
    for user in EVERYBODY {
        let victim = Victim::of(user);
        let pid = victim.pid();
        let attacks = [
            steals(format!("read-proc {pid} environ")),
            steals(format!("read-proc {pid} task/{pid}/environ")),
            steals(format!("read-proc {pid} root/srv/customer/data")),
            steals(format!("read-proc {pid} cwd/data")),
            steals(format!("read-proc {pid} task/{pid}/cwd/data")),
            steals(format!("read-proc {pid} fd/0")),
            said(format!("read-proc {pid} mem")),
            said(format!("read-proc {pid} maps")),
            said(format!("link-proc {pid} exe")),
        ];
        prove("through /proc/PID", &attacks, &[user], "inspect", OPEN);
        let in_vain = ["environ", "mem", "maps", "fd/0", "fd/3", "root/srv/customer/data", "cwd/srv/customer/data", "auxv", "exe"];
        let of_shell: Vec<Attack> =
            ["shell", "shells-parent"].iter().flat_map(|of| in_vain.map(|name| said(format!("read-proc {of} {name}")))).collect();
        fails(&NO_GROUND, "through /proc/SHELL", &of_shell, &[user], "inspect");
    }
    prove("the first process", &[said("read /proc/1/environ")], &ROOT_ONLY, "inspect", Free::Bare);
}

#[test]
fn the_machine_below_its_files_is_out_of_reach() {
    if !ready() {
        return;
    }
    let memory = ["/proc/kcore", "/dev/mem", "/dev/kmsg", "/proc/kmsg", "/dev/port", "/dev/nvram"]
        .map(|path| said(format!("open {path}")).if_kernel());
    prove("the kernel's memory", &memory, &ROOT_ONLY, "inspect", Free::Bare);
    if fs::exists(DISK).unwrap() {
        prove("a disk", &[said(format!("open {DISK}"))], &EVERYBODY, "inspect", OPEN);
    } else {
        skip("this machine has no disk that could be read below its files");
    }
}

#[test]
fn the_policy_hides_and_shows_by_path() {
    if !ready() {
        return;
    }
    secret("/srv/app/data");
    secret("/srv/app/.pgpass");
    secret("/srv/app/deploy/.ssh/id_rsa");
    secret("/srv/app/private/data");
    let wide = "{ base: inspect, read: [/srv], hide: [/srv/app/private] }";
    works(&NO_GROUND, "what is named", &reads(&["/srv/app/data", "/srv/customer/data"]), &EVERYBODY, wide);
    let hidden = reads(&["/srv/app/.pgpass", "/srv/app/deploy/.ssh/id_rsa", "/srv/app/private/data"]);
    prove("what is hidden below what is named", &hidden, &EVERYBODY, wide, OPEN);
    prove("files outside", &reads(&["/home/door/diary"]), &EVERYBODY, wide, OPEN);
    let log = "{ base: inspect, hide: [/var/log/app/private.log] }";
    prove(
        "a log and its other name",
        &reads(&["/var/log/app/private.log", "/var/log/app/other/public.log"]),
        &EVERYBODY,
        log,
        Free::Confined("inspect"),
    );
    works(&NO_GROUND, "what is shown again", &reads(&["/etc/foo/x.key"]), &EVERYBODY, "{ base: inspect, unhide: [/etc/foo/x.key] }");
    fails(&NO_GROUND, "what is not", &reads(&["/etc/foo/id.p12"]), &EVERYBODY, "{ base: inspect, unhide: [/etc/foo/x.key] }");
}

#[test]
fn sealed_reads_the_runtime_alone() {
    if !ready() {
        return;
    }
    secret("/var/log/app/plain.log");
    secret("/etc/foo/plain.conf");
    secret("/run/plain/state");
    let attacks = reads(&["/var/log/app/plain.log", "/etc/foo/plain.conf", "/run/plain/state"]);
    prove("what is not the runtime", &attacks, &EVERYBODY, "sealed", Free::Confined("inspect"));
    works(&NO_GROUND, "a root of its own", &attacks[..1], &EVERYBODY, "{ base: sealed, read: [/var/log/app] }");
}

#[test]
fn a_key_that_comes_later_is_hidden_from_the_next_command() {
    if !ready() {
        return;
    }
    for (user, place) in [(User::Account, "/etc/late-account"), (User::Root, "/etc/late-root")] {
        secret(&format!("{place}/here"));
        let door = Door::new(user, "inspect");
        let mut session = Running::start(&mut door.shell(&[]));
        session.send(&format!("attack read {place}/here\n"));
        session.expect("= yes");
        secret(&format!("{place}/x.key"));
        session.send(&format!("attack stat {place}/x.key , read {place}/x.key , list {place}\n"));
        session.expect("x.key\n");
        drop(session.stdin.take());
        let finished = session.finish();
        assert!(!finished.out().contains(&format!("{SECRET} {place}/x.key")), "{user:?}: {}", finished.out());
        assert!(finished.out().contains("= no EACCES"), "{user:?}: {}", finished.out());
    }
}

#[test]
fn diagnosis_reads_what_it_needs() {
    if !ready() {
        return;
    }
    let print = |words: &str, what: &str| attack(words, Sign::Prints(what.to_owned()));
    let uses = [
        print("read /etc/hosts", "localhost"),
        print("read /etc/passwd", "root:"),
        print("read /etc/foo/plain.txt", "plain"),
        said("read /proc/loadavg"),
        said("read /proc/meminfo"),
        said("read /proc/1/stat"),
        said("read /proc/1/cmdline"),
        said("read /proc/self/environ"),
        said("read /proc/net/dev"),
        said("read /sys/kernel/mm/transparent_hugepage/enabled").if_kernel(),
        said("read /usr/share/zoneinfo/UTC").if_kernel(),
        print("read /var/log/app.log", "a line of a log"),
        said("open /dev/urandom"),
        said("open /dev/zero"),
        said("write-to /dev/null x"),
        print("list /srv/customer", "data"),
        print("list /", "srv"),
        print("list /home/door", "diary"),
        print("list /etc/foo", "x.key"),
        print("list /proc/self/fd", "0"),
        said("stat /srv/customer/data"),
        said("stat /etc/foo/x.key"),
        said("stat /dev/shm/another-program"),
        said("kill-self"),
    ];
    fs::write("/etc/foo/plain.txt", "plain\n").unwrap();
    fs::write("/var/log/app.log", "a line of a log\n").unwrap();
    for base in ["inspect", "service", "network"] {
        works(&NO_GROUND, "diagnosis", &uses, &EVERYBODY, base);
    }
}

#[test]
fn real_programs_print_what_they_print_elsewhere() {
    if !ready() {
        return;
    }
    let lines = [
        "ls -l /srv/customer",
        "ls -ld /etc/foo/.ssh /root /proc/1",
        "du -s /srv/customer",
        "find /srv -name data",
        "stat -c %s /home/lent/diary",
        "head -n 1 /etc/passwd",
        "ps -o pid,comm -p 1",
        "df --output=target /srv",
        "id",
        "getent passwd door",
        "date -u +%Y",
        "grep -c root /etc/passwd",
        "sort -r /etc/hostname",
        "ip -o addr show dev lo",
        "ss -Htln sport = :1",
        "ipcs -l",
        "free -b -t --si -h -V",
        "awk -F: END{print} /etc/hostname",
    ];
    let programs: std::collections::BTreeSet<&str> = lines.iter().filter_map(|line| line.split(' ').next()).collect();
    let rules: String = programs.iter().map(|program| format!("  - '{program} **'\n")).collect();
    let door = Door::with_rules(User::Account, &rules);
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let elsewhere = crate::process::run(User::Account.command(words[0]).args(&words[1..]), b"");
        let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        let here = door.line(&quoted.join(" ").replacen('\'', "", 2));
        assert_eq!((here.status(), here.out(), here.err()), (elsewhere.status, elsewhere.out(), elsewhere.err()), "{line}");
        assert_eq!(here.status(), 0, "{line}: {}", here.err());
    }
}

#[test]
fn a_log_is_followed_through_its_rotation() {
    if !ready() {
        return;
    }
    let log = "/var/log/rotating.log";
    fs::write(log, "first\n").unwrap();
    let door = Door::with_rules(User::Account, "  - { run: 'tail **', confine: inspect }\n");
    let mut command: Command = door.shell(&["-c", &format!("tail -s 0.1 -n +1 -F {log}")]);
    let follower = Running::start(&mut command);
    follower.expect("first\n");
    fs::rename(log, "/var/log/rotating.log.1").unwrap();
    fs::write(log, "second\n").unwrap();
    follower.expect("second\n");
    fs::write(log, "3rd\n").unwrap();
    follower.expect("3rd\n");
}
