//! Lines as people type them, and what is said to each.

use super::*;
use crate::policy::Resolved;
use crate::policy::compile::Source;
use crate::syntax::{Context, expand, parse};

/// What a host for looking at allows, with a rule that changes something.
const POLICY: &str = "postern: 1
allow:
  - systemctl [--no-pager] (status|show|cat) [<unit>]
  - systemctl list-units [--type <name>]
  - ls [-l] [-a] [<path>...]
  - less <file:path>
  - free [-m] [-s <n:int>]
  - journalctl [-u <unit>] [-n <lines:1..100>] [-f] [--no-pager]
  - grep [-i] [-E] <pattern:text> [<file:path>...]
  - tail [-n <lines:int>] [-f] <file:path>...
  - find <start:path> [-name <text>]
  - ss [-t] [-l] [-n] [-p] [-u]
  - ip a[ddr] [show [<iface>]]
  - top -s
  - cat <file:path>...
  - git [-C <dir:path>] (log|status|diff)
  - run: systemctl restart <unit>
    confirm: true
  - run: dmidecode
    as: root
  - run: reload
    witness: uptime
deny: ['find ** -delete **', 'sudo -k **']
";

struct Host;

impl Facts for Host {
    fn resolve(&self, path: &str, _: Option<&str>) -> Result<Resolved, String> {
        Ok(Resolved { path: path.into(), exists: true })
    }

    fn same_program(&self, typed: &str, _: &str, _: &[String]) -> bool {
        typed == "/usr/bin/lets"
    }
}

fn subject(can_become: bool) -> Subject {
    Subject {
        host: "db-3".to_owned(),
        account: "breakglass".to_owned(),
        groups: Vec::new(),
        home: "/home/me".to_owned(),
        from: None,
        terminal: true,
        can_become,
    }
}

fn request(line: &str) -> Request {
    let constants = std::collections::BTreeMap::new();
    let context = Context {
        directory: std::path::Path::new("/"),
        home: "/home/me",
        status: 0,
        constants: &constants,
        names: &crate::syntax::glob::ask_here,
    };
    expand(&parse(line.as_bytes()).unwrap(), &context).unwrap()
}

fn policy_of(text: &str) -> Applied {
    let source = Source::from(("policy.yaml".to_owned(), text.as_bytes().to_vec()));
    Applied::from_sources(&[source]).unwrap_or_else(|findings| panic!("{}", findings[0])).0
}

fn said_to(subject: &Subject, line: &str) -> String {
    of(&policy_of(POLICY), subject, &request(line), &Host).map_or_else(String::new, |hint| hint.text())
}

#[track_caller]
fn check(rows: &[(&str, &str)]) {
    for (line, expected) in rows {
        assert_eq!(said_to(&subject(true), line), *expected, "{line}");
    }
}

#[test]
fn the_nearest_line_that_is_allowed_is_proposed() {
    check(&[
        ("systemctl restrat nginx", "try: systemctl status nginx"),
        ("systemctl stop nginx", "try: systemctl status nginx"),
        ("systemctl stop 'nginx'   --now", "try: systemctl status 'nginx'"),
        ("sistemctl status nginx", "try: systemctl status nginx"),
        ("systemctl status nginx --full", "try: systemctl status nginx"),
        ("ls -lZa /tmp", "try: ls -la /tmp"),
        ("ls -l --colour=always /tmp", "try: ls -l /tmp"),
        ("journalctl -u nginx --vacuum-size 1G", "try: journalctl -u nginx"),
        ("journalctl -u nginx -n 5000", "try: journalctl -u nginx"),
        ("find / -name '*.gz' -exec tar -cf x {} +", "try: find / -name '*.gz'"),
        ("gerp -i x /tmp/y", "try: grep -i x /tmp/y"),
        ("sl", "try: ls"),
        ("lvs", ""),
        ("git push", "try: git status"),
        ("git -C /srv/x pull --rebase origin", "try: git -C /srv/x status"),
        ("tail -f '/var/log/a b' | greb x", "try: tail -f '/var/log/a b' | grep x"),
        ("ls -Z; ls -l -Q /tmp && ls", "try: ls; ls -l /tmp && ls"),
    ]);
}

#[test]
fn what_is_behind_the_last_pipe_that_is_allowed_is_cut_off() {
    check(&[
        ("journalctl -u x | sendmail root", "try: journalctl -u x"),
        ("ls | xargs rm", "hint: what would be run for each name is written out here, or the names are given as a glob; try: ls"),
        ("sendmail root | ls", ""),
    ]);
}

#[test]
fn habits_of_other_shells_have_something_in_their_place() {
    let sudo = "hint: leave it out: a rule says by itself as whom its command runs";
    check(&[
        ("sudo systemctl status nginx", &format!("{sudo}; try: systemctl status nginx")),
        ("sudo -u postgres LANG=C systemctl stop nginx | grep -i x", &format!("{sudo}; try: systemctl status nginx | grep -i x")),
        ("sudo rm x", &format!("{sudo}, and without: no rule allows `rm`")),
        ("sudo", sudo),
        ("watch -n 2 'free -m'", "hint: run it again with the up arrow and Enter; try: free -m"),
        ("watch 'free; rm x'", "hint: run it again with the up arrow and Enter"),
        ("timeout 5 free -m", "hint: leave it out: Ctrl-C ends a command, and rules have time limits; try: free -m"),
        ("ll /tmp", "try: ls -l /tmp"),
        ("la", "try: ls -la"),
        ("clear", "hint: Ctrl-L clears the screen"),
        ("which ls", "hint: `help ls` shows what of it you may run"),
        ("man 5 crontab", "hint: no rule is for `crontab`; `help` shows what you may run"),
        ("command -v ls", "hint: `help ls` shows what of it you may run"),
        ("vi +3 '/etc/my file'", "hint: nothing is edited here; try: less '/etc/my file'"),
        ("service nginx restart", "try: systemctl status nginx"),
        ("ifconfig", "try: ip addr show"),
        ("ifconfig eth0", "try: ip addr show eth0"),
        ("netstat -tulpn", "try: ss -tulpn"),
        ("htop", "try: top -s"),
        ("top", "try: top -s"),
        ("egrep 'a|b' /tmp/x", "try: grep -E 'a|b' /tmp/x"),
        ("bash", "hint: this is the shell: give the line itself; `|`, `&&`, `||` and `;` are there"),
        ("frobnicate", ""),
        ("lesss /tmp/x", "try: less /tmp/x"),
        ("lets /tmp/x", ""),
    ]);
}

#[test]
fn a_redirection_to_a_file_and_a_call_for_help_are_told_of() {
    let file = "hint: a file behind `>` or `<` needs a rule that takes it; `ssh HOST 'LINE' > FILE` keeps the output where you are";
    check(&[
        ("free > f", &format!("{file}; try: free")),
        ("journalctl -n 5 2>&1 >> f | grep x", &format!("{file}; try: journalctl -n 5 2>&1 | grep x")),
        ("systemctl --help", "hint: `help systemctl` shows what of it you may run"),
        ("top -h", "hint: `help top` shows what of it you may run"),
        ("less", "hint: `help less` shows what of it you may run"),
    ]);
}

#[test]
fn what_changes_something_or_is_denied_is_not_proposed() {
    check(&[
        ("systemctl restar nginx", "try: systemctl status nginx"),
        ("reloat", ""),
        ("find / -delete", ""),
        ("sudo -k ls", ""),
        ("sudo find / -delete", "hint: leave it out: a rule says by itself as whom its command runs"),
    ]);
    let sudo = "hint: leave it out: a rule says by itself as whom its command runs";
    assert_eq!(said_to(&subject(true), "sudo dmidecode"), format!("{sudo}; try: dmidecode"));
    assert!(!said_to(&subject(false), "sudo dmidecode").contains("try:"), "who cannot become root");
}

/// Commands that can do something but look, by each of the ways in which a policy lets them.
const ACTING: &str = "postern: 1
confinements:
  writes: { base: inspect, write: [/tmp] }
  bus: { base: inspect, sockets: [/run/dbus/system_bus_socket] }
allow:
  - run: [kubectl apply -f <file:path>, 'kubectl get <word>...']
    confine: network
  - run: ['rsync [-a] <path> <path>', 'rm [-f] <path>...', 'mv <path> <path>', 'touch <path>', 'git (fetch|status|log) [<word>...]']
    confine: writes
  - run: ['apt-get install <word>', 'apt-get (update|check)']
    confine: open
  - run: ['systemctl (start|stop|status) <unit>', 'systemctl list-units']
    confine: bus
  - run: [rndc reload <zone:word>, 'rndc status']
    confine: service
  - run: ['ip [-s] (addr|link) [set <iface> up|show]', 'kill -0 <pid:int>', 'ping <host>']
    confine: { base: inspect, capabilities: [CAP_NET_ADMIN] }
  - run: [dmsetup remove <word>, 'dmsetup (ls|info)']
    as: root
  - sort [-r] <path>
  - grep [-v] <pattern:text>
  - xargs rm
";

#[test]
fn nothing_is_guessed_of_a_command_that_can_do_more_than_look() {
    let policy = policy_of(ACTING);
    let help = |command: &str| format!("hint: {}", help_on(command));
    let sudo = "hint: leave it out: a rule says by itself as whom its command runs";
    for (line, expected) in [
        // What makes a line safe is never left out.
        ("kubectl apply --dry-run=client -f /tmp/x", help("kubectl")),
        ("kubectl apply -f /tmp/x --dry-run=client", help("kubectl")),
        ("rsync -a --dry-run /tmp/a /tmp/b", help("rsync")),
        ("rsync -n /tmp/a /tmp/b", help("rsync")),
        ("rsync -an /tmp/a /tmp/b", help("rsync")),
        ("apt-get -s install x", help("apt-get")),
        ("systemctl --dry-run start nginx", help("systemctl")),
        ("rm -i /tmp/f", help("rm")),
        ("mv -n /tmp/a /tmp/b", help("mv")),
        ("touch -c /tmp/f", help("touch")),
        ("rndc -q reload example.org", help("rndc")),
        ("dmsetup --noudevsync remove x", help("dmsetup")),
        ("sudo rm -i /tmp/f", format!("{sudo}, and without: this option is not allowed here; did you mean -f?")),
        // Nor is an operand, and no word is guessed but one that looks.
        ("mv /tmp/a /tmp/b /tmp/c", help("mv")),
        ("rm /tmp/f < /tmp/x", help("rm")),
        ("mr /tmp/f", String::new()),
        ("systemctl stat nginx", "try: systemctl status nginx".to_owned()),
        ("systemctl statr nginx", "try: systemctl status nginx".to_owned()),
        ("systemctl statsu nginx", "try: systemctl status nginx".to_owned()),
        ("systemctl restart nginx", "try: systemctl status nginx".to_owned()),
        ("systemctl restart nginx --now", "try: systemctl status nginx".to_owned()),
        ("kubectl delete pod x", "try: kubectl get pod x".to_owned()),
        ("apt-get updaet", "try: apt-get check".to_owned()),
        ("ip route set eth0 up", "try: ip addr".to_owned()),
        ("dmsetup remov x", "try: dmsetup ls".to_owned()),
        // What stood behind another word of git means nothing to this one.
        ("git push origin master --force --tags", "try: git status".to_owned()),
        ("git push origin master", "try: git status".to_owned()),
        // The person's own command.
        ("sudo rm /tmp/f", format!("{sudo}; try: rm /tmp/f")),
        ("sudo -u root -n rm /tmp/f", format!("{sudo}; try: rm /tmp/f")),
        ("sudo -nl rm /tmp/f", sudo.to_owned()),
        ("sudo --list rm /tmp/f", sudo.to_owned()),
        ("doas -C /etc/doas.conf rm /tmp/f", sudo.to_owned()),
        // A command behind a change would run on something else, or where it would not have.
        ("sort -u /tmp/f", "try: sort /tmp/f".to_owned()),
        ("sort -u /tmp/f | grep x", "try: sort /tmp/f | grep x".to_owned()),
        ("sort -u /tmp/f && rm /tmp/f", String::new()),
        ("systemctl is-failed nginx || systemctl start nginx", String::new()),
        ("systemctl start nginx; systemctl is-failed nginx", "try: systemctl start nginx; systemctl status nginx".to_owned()),
        ("sort /tmp/f | sendmail x && rm /tmp/f", String::new()),
        ("sudo rm /tmp/f && rm /tmp/g", format!("{sudo}; try: rm /tmp/f && rm /tmp/g")),
    ] {
        let said = of(&policy, &subject(true), &request(line), &Host).map_or_else(String::new, |hint| hint.text());
        assert_eq!(said, expected, "{line}");
    }
}

#[test]
fn looking_for_a_line_has_an_end_and_shows_nothing_raw() {
    let many = format!("systemctl {}", "-x ".repeat(1000));
    assert_eq!(said_to(&subject(true), &many), "hint: `help systemctl` shows what of it you may run");
    let hint = Hint { note: Some("a\x1b[2J".to_owned()), line: Some("ls \u{202e}".to_owned()) };
    assert_eq!(hint.text(), "hint: a^[[2J; try: ls <U+202E>");
}
