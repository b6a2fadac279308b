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

fn policy() -> Applied {
    let source = Source::from(("policy.yaml".to_owned(), POLICY.as_bytes().to_vec()));
    Applied::from_sources(&[source]).unwrap_or_else(|findings| panic!("{}", findings[0])).0
}

fn said_to(subject: &Subject, line: &str) -> String {
    of(&policy(), subject, &request(line), &Host).map_or_else(String::new, |hint| hint.text())
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
    assert_eq!(said_to(&subject(true), "dmidecod"), "try: dmidecode");
    assert_eq!(said_to(&subject(false), "dmidecod"), "", "who cannot become root");
}

#[test]
fn looking_for_a_line_has_an_end_and_shows_nothing_raw() {
    let many = format!("systemctl {}", "-x ".repeat(1000));
    assert_eq!(said_to(&subject(true), &many), "hint: `help systemctl` shows what of it you may run");
    let hint = Hint { note: Some("a\x1b[2J".to_owned()), line: Some("ls \u{202e}".to_owned()) };
    assert_eq!(hint.text(), "hint: a^[[2J; try: ls <U+202E>");
}
