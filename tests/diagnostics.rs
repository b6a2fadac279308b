//! The shipped parts, all of them as one policy, let diagnosis through, and nothing that changes, writes, starts another program, or reads keys.
//!
//! Each part is held to lines of its own by the golden file beside it; these are the lines that no rule of another part may let through either.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use postern::exec::Host;
use postern::policy::{Applied, Subject, Verdict, decide, shipped};
use postern::syntax::{self, Argument, Context, Stage};
use postern::words::Span;

fn policy() -> Applied {
    let (applied, warnings) = Applied::from_sources(&shipped::sources()).unwrap_or_else(|errors| panic!("{}", errors[0]));
    assert!(warnings.is_empty(), "{}", warnings[0]);
    applied
}

/// Whether each command of a stage list is allowed to an ordinary account on this host.
fn allows(policy: &Applied, stages: &[Stage]) -> bool {
    let subject = Subject {
        host: "db-1".to_owned(),
        account: "breakglass".to_owned(),
        groups: vec!["breakglass".to_owned()],
        home: "/home/breakglass".to_owned(),
        from: None,
        terminal: true,
        can_become: true,
    };
    let facts = Host::new("/var/log");
    stages.iter().all(|stage| matches!(decide(policy, &subject, stage, &facts).unwrap(), Verdict::Allowed(_)))
}

fn stages(line: &str) -> Vec<Stage> {
    let constants = BTreeMap::new();
    let context = Context {
        directory: Path::new("/"),
        home: "/home/breakglass",
        status: 0,
        constants: &constants,
        names: &postern::syntax::glob::ask_here,
    };
    let script = syntax::parse(line.as_bytes()).unwrap_or_else(|error| panic!("{line}: {error}"));
    let request = syntax::expand(&script, &context).unwrap_or_else(|error| panic!("{line}: {error}"));
    request.items.into_iter().flat_map(|item| item.stages).collect()
}

/// What somebody who looks for a fault types.
const DIAGNOSIS: &[&str] = &[
    "uptime; w; who -b; last -20",
    "uname -a && nproc && lscpu -e",
    "free -h; vmstat 1 5; vmstat -s",
    "mpstat -P ALL 1 3; iostat -xz 1 3; pidstat -d -p 812 1; sar -n DEV,EDEV; sar -u -f /var/log/sysstat/sa21",
    "top -b -n1 -o %MEM | head -20",
    "top -s",
    "ps aux --sort=-rss | head",
    "ps -eo pid,ppid,stat,wchan:32,args --forest",
    "pgrep -af postgres; pstree -aps 1; pmap -x 812",
    "lsof -nP -iTCP:5432 -sTCP:LISTEN; lsof +D /var/log; lsof -p 812; fuser -v /var/log",
    "df -hT; df -i /; du -xhd1 /var | sort -rh | head",
    "lsblk -f; findmnt -t nfs,nfs4; mount | column -t; swapon --show",
    "ls -lart /srv; stat -c '%U %a' /etc/passwd; namei -l /var/log; readlink -f /etc/localtime",
    "find /var/log -xdev -type f -size +100M -mtime -2 -printf '%s %p\\n' | sort -n",
    "find / -maxdepth 2 '(' -name core -o -name 'core.*' ')' -ls",
    "cat /etc/os-release /proc/meminfo; head -50 /etc/passwd; tail -n 200 -f /etc/hosts; less +F /etc/hosts",
    "grep -rn --include='*.log' 'FATAL' /var/log | tail -5; grep -ci error /etc/hosts",
    "gzip -dc /usr/share/doc/bash/changelog.gz | grep -m3 CVE",
    "awk -F: '$3 >= 1000 { print $1 }' /etc/passwd; sed -n '1,5p' /etc/passwd; cut -d: -f1,3-4 /etc/passwd | sort | uniq -c",
    "journalctl -u nginx -u 'php*' -S -1h -p err..alert --no-pager -o short-iso -n 500; journalctl -b -1 -k; journalctl -f _PID=1 + _UID=0",
    "systemctl --failed; systemctl status nginx.service -l; systemctl show -p ActiveState nginx; systemctl list-timers --all; systemctl cat sshd",
    "dmesg -T --level err,warn | tail; loginctl; timedatectl; hostnamectl status",
    "ss -tlnp; ss -s; ss -o state established '( dport = :443 or sport = :443 )'",
    "ip -br a; ip -s -s l show dev eth0; ip r get 10.0.0.1; ip n; ip route show table all; tc -s qdisc show dev eth0",
    "ping -c 3 db-2; dig +short @10.0.0.53 db-2.example.com AAAA; host db-2; getent hosts db-2; tracepath -n db-2",
    "sysctl -a | grep vm.; sysctl vm.swappiness net.ipv4.tcp_rmem; lsmod; modinfo -p nvme",
    "id postgres; getent passwd postgres; groups",
    "dpkg -l 'postgresql*'; dpkg -S /usr/bin/psql; dpkg-query -W -f '${Package}' bash; rpm -qa --last; rpm -qf /bin/sh; apt-cache policy bash",
    "sha256sum /usr/bin/id; diff -u /etc/hosts /etc/hostname; cmp /etc/hosts /etc/hostname",
    "date -u +%FT%TZ; date -d '2 hours ago'; echo -n done; printf '%s\\n' a b; test -e /etc/passwd && true",
];

#[test]
fn diagnosis_is_let_through() {
    let policy = policy();
    for line in DIAGNOSIS.iter().flat_map(|lines| lines.split("; ")) {
        // Only lists of whole lines are split above; a `;` inside quotes has no blank behind it.
        assert!(allows(&policy, &stages(line)), "{line}");
    }
}

/// Lines that change something, write, start a program, listen, or read what is not theirs.
const HARM: &[&str] = &[
    "cat /etc/shadow",
    "head -c 100 /etc/../etc/shadow",
    "tail /proc/self/environ",
    "cat /proc/1/root/etc/shadow",
    "grep x /root/.ssh/id_ed25519",
    "less /etc/ssh/ssh_host_ed25519_key",
    "cat /srv/customers.db",
    "grep -r password /root",
    "diff -r /etc /root",
    "md5sum -c /srv/sums",
    "ps auxe",
    "ps -eaux",
    "ps aux -e",
    "ps -u xe",
    "ping -i 0 db-1",
    "ps -eo pid,environ",
    "find / -exec id ';'",
    "find / -ok id ';'",
    "find / -delete",
    "find / -fprintf /var/log/x %p",
    "sort -o /var/log/x /etc/passwd",
    "sort --compress-program sh /etc/passwd",
    "uniq /etc/passwd /var/log/x",
    "awk 'BEGIN { system(\"id\") }'",
    "awk 'BEGIN { print 1 > \"/var/log/x\" }'",
    "awk -f /etc/passwd",
    "gawk -i inplace 1 /etc/passwd",
    "sed -i s/a/b/ /etc/passwd",
    "sed 'w /var/log/x' /etc/passwd",
    "sed '1e id' /etc/passwd",
    "jq 'import \"x\" as x; 1'",
    "gzip /var/log/syslog",
    "gzip -d /var/log/syslog.1.gz",
    "file -C -m /etc/magic",
    "file -z /var/log/x",
    "less -o /var/log/x /etc/hosts",
    "pidstat -e id",
    "sar -o /var/log/x 1 2",
    "fuser -k /var/log",
    "lsof -D b/var/log/x",
    "numactl id",
    "date -s 12:00",
    "date 010112002026",
    "date -f /etc/shadow",
    "hostname db-9",
    "hostnamectl hostname db-9",
    "timedatectl set-time 12:00",
    "chronyc makestep",
    "chronyc",
    "sysctl -w vm.swappiness=1",
    "sysctl vm.swappiness=1",
    "sysctl -p",
    "sysctl -n kernel/../../etc/shadow",
    "mount /dev/sdb1 /mnt",
    "mount -o remount,rw /",
    "swapon /swapfile",
    "dmesg -C",
    "dmesg -n 1",
    "journalctl --vacuum-size=1M",
    "journalctl --rotate",
    "journalctl --cursor-file=/var/log/x",
    "journalctl -D /srv",
    "systemctl restart nginx",
    "systemctl edit nginx",
    "systemctl -H db-2 status",
    "systemctl status -H db-2 nginx",
    "loginctl terminate-session 3",
    "crontab /etc/hosts",
    "crontab -e",
    "ip link set eth0 down",
    "ip l s eth0 down",
    "ip a add 10.0.0.1/8 dev eth0",
    "ip r del default",
    "ip netns exec x id",
    "ip -b /etc/hosts",
    "ip xfrm state",
    "ss -K dst 10.0.0.1",
    "ss -D /var/log/x",
    "tc qdisc del dev eth0 root",
    "nstat -d 5",
    "ethtool -s eth0 speed 10",
    "ethtool -K eth0 tso off",
    "route add default gw 10.0.0.1",
    "arp -d 10.0.0.1",
    "ifconfig eth0 down",
    "ping -f db-2",
    "dig -f /etc/shadow",
    "dig -k /etc/key db-2",
    "getent shadow",
    "dpkg -i /var/log/x.deb",
    "dpkg -P bash",
    "rpm -i /var/log/x.rpm",
    "rpm -qp https://example.com/x.rpm",
    "rpm -q --qf '%(id)' bash",
    "rpm --eval '%(id)'",
    "apt install bash",
    "apt-cache -o Dir=/srv show bash",
    "env id",
    "xargs id",
    "sh -c id",
    "watch id",
    "timeout 5 id",
    "nice id",
    "kill 1",
    "pkill x",
    "tee /var/log/x",
    "xxd /etc/hosts /var/log/x",
    "curl -d a=b http://example.com",
    "curl -o /var/log/x http://example.com",
    "nc -l 80",
    "python3",
    "vi /etc/hosts",
    "echo x > /var/log/x",
];

#[test]
fn harm_is_not() {
    let policy = policy();
    let allowed: Vec<&&str> = HARM.iter().filter(|line| allows(&policy, &stages(line))).collect();
    assert!(allowed.is_empty(), "{allowed:?}");
}

/// Options that do harm, with the commands whose options they are.
const DANGEROUS: &[(&str, &[&str])] = &[
    ("find", &["-delete", "-exec", "-execdir", "-ok", "-okdir", "-fls", "-fprint", "-fprint0", "-fprintf", "-files0-from"]),
    ("sort", &["-o/x", "--output=/x", "--out=/x", "--compress-program=sh", "--files0-from=/x", "-T/x"]),
    ("grep", &["-f/etc/shadow", "--file=/etc/shadow", "--exclude-from=/x", "-f/root/x"]),
    (
        "journalctl",
        &["--vacuum-time=1s", "--vacuum-s=1", "--flush", "--sync", "--setup-keys", "--update-catalog", "--cursor-file=/x", "-D/x", "-Mx"],
    ),
    ("systemctl", &["-Hx", "--host=x", "-Mx", "--root=/x", "--now", "--force", "-f", "--image=/x"]),
    ("ss", &["-K", "--kill", "-D/x", "--diag=/x", "-F/x", "-tK", "-Nx"]),
    ("ip", &["-b/x", "-batch", "-force", "-n", "-netns", "-a"]),
    ("dmesg", &["-C", "-c", "-D", "-E", "-n1", "--clear", "--console-off", "-TC"]),
    ("date", &["-s1", "--set=1", "-f/x", "--file=/x"]),
    ("sed", &["-i", "-i.bak", "--in-place", "-ni", "-f/x", "--file=/x"]),
    ("awk", &["-f/x", "--file=/x", "-i/x", "-l/x", "-o/x", "-Wexec=x", "-e1", "-E/x"]),
    ("lsof", &["-Db", "-D/x", "-k/x", "-m/x"]),
    ("pidstat", &["-e", "-de"]),
    ("sysctl", &["-w", "-p", "--system", "--load=/x", "-f", "-aw"]),
    ("dig", &["-f/x", "-k/x", "-yx"]),
    ("dpkg", &["-i", "-r", "-P", "--purge", "--unpack", "--root=/x", "--force-all"]),
    ("rpm", &["-e", "-U", "-p", "--define=x", "--eval=x", "--pipe=x", "--root=/x", "--queryformat=%(id)", "--qf=%(id)"]),
    ("ps", &["e", "-oenviron", "--format=environ"]),
    ("less", &["-o/x", "-O/x", "--log-file=/x", "-k/x", "-t/x", "-T/x"]),
    ("du", &["-X/x", "--exclude-from=/x", "--files0-from=/x"]),
];

#[test]
fn no_dangerous_option_passes_at_any_place_of_a_line() {
    let policy = policy();
    let mut tried = 0;
    let mut passed = Vec::new();
    for stage in DIAGNOSIS.iter().flat_map(|lines| lines.split("; ")).flat_map(stages) {
        let command = stage.argv[0].text.clone();
        for option in DANGEROUS.iter().filter(|(name, _)| *name == command).flat_map(|(_, options)| options.iter()) {
            for place in 1..=stage.argv.len() {
                let mut attack = stage.clone();
                attack.argv.insert(place, Argument { text: (*option).to_owned(), span: Span::default() });
                tried += 1;
                if allows(&policy, &[attack.clone()]) {
                    passed.push(attack.argv.into_iter().map(|word| word.text).collect::<Vec<_>>().join(" "));
                }
            }
        }
    }
    assert!(tried > 500, "{tried} attacks");
    assert!(passed.is_empty(), "{passed:#?}");
}
