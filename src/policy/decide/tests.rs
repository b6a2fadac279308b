//! Verdicts by example: policies, lines, who asks from where, and what comes of it.

use super::*;
use crate::policy::compile::Source;
use crate::policy::facts::Resolved;
use crate::syntax::{Context, expand, parse};

/// A host of which only these facts are known.
struct Host;

impl Facts for Host {
    fn resolve(&self, path: &str, run_as: Option<&str>) -> Result<Resolved, String> {
        let resolved = |path: &str| Ok(Resolved { path: path.into(), exists: true });
        match (path, run_as) {
            ("/srv/link", _) => resolved("/etc/shadow"),
            ("/var/log/link", _) => resolved("/srv/data"),
            ("/dev/stdin", _) => resolved("/dev/pts/7"),
            ("/srv/missing" | "/var/log/missing", _) => Ok(Resolved { path: path.into(), exists: false }),
            ("/srv/hangs", _) => Err("no answer within 1s".to_owned()),
            ("/srv/private", Some("dba")) => resolved("/srv/private"),
            ("/srv/private", _) => Err("permission denied".to_owned()),
            (path, _) if path.starts_with('/') => resolved(path),
            (path, _) => resolved(&format!("/home/me/{path}")),
        }
    }

    fn same_program(&self, typed: &str, name: &str, search: &[String]) -> bool {
        typed == format!("/usr/bin/{name}") || search.iter().any(|directory| typed == format!("{directory}/{name}"))
    }
}

fn subject() -> Subject {
    Subject {
        host: "db-3.example.com".to_owned(),
        account: "breakglass".to_owned(),
        groups: vec!["breakglass".to_owned(), "oncall".to_owned()],
        home: "/home/me".to_owned(),
        from: Some("10.1.2.3".parse().unwrap()),
        terminal: false,
        can_become: true,
    }
}

fn policy(files: &[(&str, &str)]) -> Applied {
    let source = |(name, text): &(&str, &str)| Source::from(((*name).to_owned(), format!("postern: 1\n{text}").into_bytes()));
    let sources: Vec<Source> = files.iter().map(source).collect();
    let (policy, _) = Applied::from_sources(&sources).unwrap_or_else(|findings| panic!("{}", findings[0]));
    policy
}

fn stage(line: &str) -> Stage {
    let constants = std::collections::BTreeMap::new();
    let context = Context {
        directory: std::path::Path::new("/"),
        home: "/home/me",
        status: 0,
        constants: &constants,
        names: &crate::syntax::glob::ask_here,
    };
    expand(&parse(line.as_bytes()).unwrap(), &context).unwrap().items.remove(0).stages.remove(0)
}

fn verdict(policy: &Applied, subject: &Subject, line: &str) -> Verdict {
    decide(policy, subject, &stage(line), &Host).unwrap()
}

#[track_caller]
fn allowed(policy: &Applied, subject: &Subject, line: &str) -> Terms {
    match verdict(policy, subject, line) {
        Verdict::Allowed(allowed) => allowed.terms().clone(),
        Verdict::Denied(denied) => panic!("{line}: {denied:?}"),
    }
}

#[track_caller]
fn denied(policy: &Applied, subject: &Subject, line: &str) -> Denied {
    match verdict(policy, subject, line) {
        Verdict::Denied(denied) => denied,
        Verdict::Allowed(allowed) => panic!("{line}: {allowed:?}"),
    }
}

#[test]
fn what_no_rule_allows_is_denied() {
    let policy = policy(&[("policy.yaml", "allow: [uptime]")]);
    assert_eq!(allowed(&policy, &subject(), "uptime").rule.to_string(), "policy.yaml:2");
    assert_eq!(denied(&policy, &subject(), "id").reason, "no rule allows `id`");
    let miss = denied(&policy, &subject(), "uptime -p");
    assert_eq!(
        (miss.reason.as_str(), miss.span, miss.rule.map(|rule| rule.to_string())),
        ("this option is not allowed here", Span::new(7, 9), Some("policy.yaml:2".to_owned()))
    );
}

#[test]
fn the_first_allow_decides_the_terms_and_any_deny_wins() {
    let policy = policy(&[
        ("policy.yaml", "allow:\n  - run: tail <f:file>\n    as: dba\n  - tail [-f] <f:file>"),
        ("policy.d/90-deny.yaml", "deny: ['tail ** -f **']"),
    ]);
    let terms = allowed(&policy, &subject(), "tail /var/log/x");
    assert_eq!((terms.run_as.as_deref(), terms.rule.line), (Some("dba"), 3));
    for line in ["tail -f /var/log/x", "tail /var/log/x -f"] {
        assert_eq!(denied(&policy, &subject(), line).rule.unwrap().to_string(), "policy.d/90-deny.yaml:2", "{line}");
    }
}

#[test]
fn a_file_holds_for_its_hosts_accounts_and_addresses() {
    let me = subject();
    for (scope, holds) in [
        ("hosts: ['db-*']", true),
        ("hosts: ['db-*', '!db-3']", false),
        ("hosts: ['!web-*']", true),
        ("hosts: [DB-3.EXAMPLE.COM]", true),
        ("accounts: [breakglass]", true),
        ("accounts: ['%oncall']", true),
        ("accounts: ['%oncall', '!breakglass']", false),
        ("accounts: [root]", false),
        ("from: [10.0.0.0/8]", true),
        ("from: [10.1.2.4, '2001:db8::/32']", false),
    ] {
        let policy = policy(&[("policy.yaml", &format!("{scope}\nallow: [uptime]"))]);
        assert_eq!(matches!(verdict(&policy, &me, "uptime"), Verdict::Allowed(_)), holds, "{scope}");
    }
}

#[test]
fn an_unknown_address_matches_every_deny_and_no_allow() {
    let nowhere = Subject { from: None, ..subject() };
    let allow = policy(&[("policy.yaml", "from: [10.0.0.0/8]\nallow: [uptime]")]);
    assert!(denied(&allow, &nowhere, "uptime").reason.contains("no rule for `uptime` holds here"));
    let deny = policy(&[("policy.yaml", "allow: [uptime]"), ("policy.d/a.yaml", "from: [192.0.2.0/24]\ndeny: [uptime]")]);
    assert!(denied(&deny, &nowhere, "uptime").rule.is_some());
    allowed(&deny, &subject(), "uptime");
}

#[test]
fn paths_are_judged_by_what_they_resolve_to_for_the_user_who_opens_them() {
    let policy = policy(&[(
        "policy.yaml",
        "types: { log: { path: [/var/log/**] } }\nconfinements: { seen: { base: inspect, unhide: [/etc/shadow] }, less: { base: inspect, read: [/srv], hide: [/srv/secret] } }\n\
         defaults: { confine: { read: [/srv, /home/me] } }\n\
         allow:\n  - cat <f:file>...\n  - tail <log>\n  - { run: 'head <f:file>', as: dba }\n  - { run: 'wc <f:file>', confine: seen }\n  - { run: 'nl <f:file>', confine: less }\n  - ls <p:path>",
    )]);
    for (line, reason) in [
        ("cat /etc/shadow", "the contents of /etc/shadow are hidden"),
        ("cat /etc/hostname /srv/link", "the contents of /etc/shadow are hidden"),
        ("cat /srv/hangs", "/srv/hangs: no answer within 1s"),
        ("cat /srv/private", "/srv/private: permission denied"),
        ("tail /etc/passwd", "/etc/passwd is not below /var/log/**"),
        ("tail /srv/link", "the contents of /etc/shadow are hidden"),
        ("nl /srv/secret/x", "the contents of /srv/secret/x are hidden"),
        ("cat .ssh/id", "the contents of /home/me/.ssh/id are hidden"),
        (
            "cat /opt/x",
            "/opt/x is out of reach of `inspect+`, which reads /usr, /etc, /proc, /sys, /run, /var/log, /srv, /home/me; an operator can add `read:`",
        ),
    ] {
        assert_eq!(denied(&policy, &subject(), line).reason, reason, "{line}");
    }
    for line in ["cat /etc/hostname", "tail /var/log/a/b", "head /srv/private", "wc /etc/shadow", "ls /etc/shadow", "cat -"] {
        allowed(&policy, &subject(), line);
    }
}

#[test]
fn what_the_second_door_does_not_read_is_refused_at_the_first() {
    let policy = policy(&[(
        "policy.yaml",
        "types: { data: { path: ['/srv/*/log/**', '~/notes'] } }\n\
         confinements: { open_but: { base: open, hide: [/srv/secret] }, out: { write: [/srv/out] }, more: { base: sealed, read: [/srv/data] } }\n\
         allow:\n  - cat <f:file>...\n  - ls <p:path>\n  - du <d:dir>\n  - tail <data>\n  - tac [< <p:path>]\n  - nl [< <data>]\n\
         \x20 - { run: 'head <f:file>', confine: sealed }\n  - { run: 'wc <f:file>', confine: more }\n  - { run: 'od <f:file>', confine: open_but }\n\
         \x20 - { run: 'rev <f:file>', confine: out }\n  - { run: 'grep <f:file> <data>', confine: sealed }",
    )]);
    for (line, fits) in [
        ("cat /usr/share/x /etc/hosts /proc/meminfo /sys/x /run/x /var/log/x /lib64/x", true),
        ("cat /srv/data", false),
        ("cat /home/me/x", false),
        ("cat /var/lib/x", false),
        ("cat /var/log/link", false),
        ("cat /etc/hosts /srv/data", false),
        // One that does not exist: the program says so, where it could read it if it did.
        ("cat /var/log/missing", true),
        ("cat /srv/missing", false),
        ("cat -", true),
        ("cat /dev/null /dev/urandom /dev/tty", true),
        ("cat /dev/stdin", true),
        ("cat /dev/pts/7", false),
        ("ls /srv/data", true),
        ("du /var/log", true),
        ("du /var", false),
        // Own path types are places that the rule reads.
        ("tail /srv/pg/log/x", true),
        ("tail /home/me/notes", true),
        ("tail /srv/pg/x", false),
        ("nl < /srv/pg/log/x", true),
        ("grep /srv/pg/log/x /srv/pg/log/y", true),
        // The shell opens the file of a redirection, so it is held to the same, whatever the type of its slot.
        ("tac < /etc/hosts", true),
        ("tac < /srv/data", false),
        ("tac < /etc/shadow", false),
        ("head /etc/localtime", true),
        ("head /etc/fstab", false),
        ("head /var/log/x", false),
        ("wc /srv/data", true),
        ("wc /var/log/x", false),
        ("od /srv/data", true),
        ("od /srv/secret", false),
        ("rev /srv/out/x", true),
        ("rev /srv/x", false),
    ] {
        assert_eq!(matches!(verdict(&policy, &subject(), line), Verdict::Allowed(_)), fits, "{line}");
    }
    assert_eq!(
        denied(&policy, &subject(), "head /var/log/x").reason,
        "/var/log/x is out of reach of `sealed`, which reads what programs need to run; an operator can add `read:`"
    );
    assert_eq!(denied(&policy, &subject(), "tail /opt/x").reason, "/opt/x is not below /srv/*/log/** or ~/notes");
}

#[test]
fn the_records_of_sessions_are_hidden_wherever_they_are_kept() {
    let policy = policy(&[("policy.yaml", "audit: { dir: /var/log/who }\nallow: ['cat <f:file>']")]);
    allowed(&policy, &subject(), "cat /var/log/who.log");
    for name in ["a.jsonl", "a.cast", "a.kill"] {
        let reason = denied(&policy, &subject(), &format!("cat /var/log/who/{name}")).reason;
        assert_eq!(reason, format!("the contents of /var/log/who/{name} are hidden"));
    }
}

#[test]
fn the_same_program_may_be_given_by_its_full_path() {
    let policy = policy(&[("policy.yaml", "path: [/opt/tools]\nallow: [id, { run: tool, path: /opt/x/tool }]\ndeny: ['id -u']")]);
    assert_eq!(allowed(&policy, &subject(), "/usr/bin/id").program, "id");
    assert_eq!(allowed(&policy, &subject(), "tool").program, "/opt/x/tool");
    allowed(&policy, &subject(), "/opt/tools/id");
    allowed(&policy, &subject(), "/opt/x/tool");
    for line in ["/tmp/id", "./id", "../usr/bin/id", "/usr/bin/tool", "/usr/bin/id -u"] {
        denied(&policy, &subject(), line);
    }
}

#[test]
fn redirections_need_the_form_and_the_confinement() {
    let policy = policy(&[(
        "policy.yaml",
        "confinements: { out: { base: inspect, write: [/srv/out] } }\nallow:\n  - sort [< <f:file>]\n  - { run: 'tee [> <p:path>]', confine: out }\n  - uptime\n  - echo [> <p:path>]\ndeny: ['sort ** <x:file> **']",
    )]);
    for (line, fits) in [
        ("uptime > /dev/null 2>&1 < /dev/null", true),
        ("uptime > /srv/out/x", false),
        ("tee > /srv/out/x", true),
        ("tee >> /srv/out/x", false),
        ("tee > /etc/cron.d/x", false),
        ("tee > /srv/out/.ssh/authorized_keys", false),
        ("echo > /srv/out/x", false),
        ("sort", true),
        // A deny sees the file of a redirection as if the program opened it.
        ("sort < /etc/passwd", false),
    ] {
        assert_eq!(matches!(verdict(&policy, &subject(), line), Verdict::Allowed(_)), fits, "{line}");
    }
    let refused = denied(&policy, &subject(), "echo > /srv/out/x");
    assert_eq!((refused.reason.as_str(), refused.span), ("the confinement `inspect` cannot write /srv/out/x", Span::new(5, 17)));
}

#[test]
fn limits_of_defaults_hold_without_a_terminal_only() {
    let policy = policy(&[("policy.yaml", "defaults: { timeout: 60s, output: 1MiB }\nallow: [uptime, { run: w, timeout: 5s }]")]);
    let terminal = Subject { terminal: true, ..subject() };
    for (who, line, timeout, output) in [
        (&subject(), "uptime", Some(60_000), Some(1 << 20)),
        (&terminal, "uptime", None, None),
        (&subject(), "w", Some(5_000), Some(1 << 20)),
        (&terminal, "w", Some(5_000), None),
    ] {
        let terms = allowed(&policy, who, line);
        assert_eq!((terms.timeout, terms.output), (timeout, output), "{line}");
    }
}

#[test]
fn the_nearest_miss_is_told() {
    let policy = policy(&[(
        "policy.yaml",
        "allow:\n  - systemctl (status|show|cat) [-n <int>] <unit>...\n  - systemctl list-units\n  - journalctl [-u <unit>] [--lines <n:1..10>]",
    )]);
    for (line, reason, at) in [
        ("systemctl restart x", "expected status, show, cat or list-units", (10, 17)),
        ("systemctl status", "a word is missing: expected <unit>", (16, 16)),
        ("journalctl --line 5", "this option is not allowed here; did you mean --lines?", (11, 17)),
        ("journalctl --lines 50", "50 is above 10", (19, 21)),
        ("journalctl -u", "a word is missing: expected <unit>", (13, 13)),
        ("journalctl x", "expected -u or --lines", (11, 12)),
    ] {
        let denied = denied(&policy, &subject(), line);
        assert_eq!((denied.reason.as_str(), denied.span), (reason, Span::new(at.0, at.1)), "{line}");
    }
}

#[test]
fn completion_offers_what_may_come_next_and_nothing_of_rules_that_do_not_hold() {
    let policy = policy(&[
        ("policy.yaml", "allow: ['systemctl status <unit>']"),
        ("policy.d/other.yaml", "accounts: [other]\nallow: ['systemctl stop <unit>']"),
    ]);
    let next = |line: &str| candidates(&policy, &subject(), &shlex::split(line).unwrap(), &Host).unwrap();
    assert_eq!(next("systemctl"), [Candidate::Word("status".to_owned())]);
    assert_eq!(next("systemctl status"), [Candidate::Slot { text: "<unit>".to_owned(), path: false }]);
    assert_eq!(next("nothing"), []);
}

#[test]
fn a_person_repeats_what_the_line_names_and_a_witness_is_asked_of_it() {
    let policy = policy(&[(
        "policy.yaml",
        "allow:\n  - { run: 'svc (restart|daemon-reload) [<unit>]...', confirm: true, witness: svc show -- <unit> }\n  - { run: say <text>, confirm: true }\n  - uptime\n",
    )]);
    for (line, confirmation, witness) in [
        ("svc restart web", Some("web"), Some("svc show -- web")),
        ("svc restart web db", Some("web db"), Some("svc show -- web db")),
        ("svc daemon-reload", Some("daemon-reload"), Some("svc show --")),
        ("say ''", Some("say"), None),
        ("uptime", None, None),
    ] {
        let Verdict::Allowed(allowed) = verdict(&policy, &subject(), line) else { panic!("{line}") };
        let terms = allowed.terms();
        assert_eq!(terms.confirmation().as_deref(), confirmation, "{line}");
        let of_witness = terms.of_witness();
        assert_eq!(of_witness.as_ref().map(|terms| terms.argv.join(" ")).as_deref(), witness, "{line}");
        assert!(of_witness.is_none_or(|terms| terms.confirmation().is_none() && terms.witness.is_none()));
    }
}

#[test]
fn where_nobody_else_can_run_a_command_a_rule_without_privilege_goes_first() {
    let policy = policy(&[(
        "policy.yaml",
        "allow:\n  - { run: 'ss [-p]', as: root }\n  - ss [-p]\n  - { run: lsof, as: root }\n  - { run: id, as: root, confirm: true }\n  - id\n",
    )]);
    let plain = Subject { can_become: false, ..subject() };
    for (line, subject, rule) in [("ss -p", subject(), 3), ("ss -p", plain.clone(), 4), ("lsof", plain.clone(), 5), ("id", plain, 6)] {
        let Verdict::Allowed(allowed) = verdict(&policy, &subject, line) else { panic!("{line}") };
        assert_eq!(allowed.terms().rule.line, rule, "{line}");
    }
}

/// What `mode: observe` makes of a line that is refused.
#[track_caller]
fn observed(policy: &Applied, subject: &Subject, line: &str) -> Option<Terms> {
    denied(policy, subject, line);
    observe(policy, subject, &stage(line), &Host).unwrap().map(|allowed| allowed.terms().clone())
}

#[test]
fn where_nothing_is_refused_a_refused_command_runs_as_the_account_under_the_defaults() {
    let policy = policy(&[
        (
            "policy.yaml",
            "confinements:\n  raw: { capabilities: [CAP_NET_RAW], write: [/srv/out] }\nmode: observe\n\
             defaults: { confine: raw, timeout: 9s, output: 1MiB, as: dba }\nallow: [{ run: tool -a, path: /opt/t/tool }, uptime]\n\
             deny: [reboot **]",
        ),
        ("policy.d/10-other.yaml", "mode: observe\ndefaults: { confine: sealed }"),
    ]);
    assert!(is_observed(&policy, &subject()));
    for (line, program) in [
        ("id", "id"),
        ("uptime -p", "uptime"),
        ("reboot now", "reboot"),
        ("/usr/bin/id", "id"),
        ("tool -b", "/opt/t/tool"),
        ("/opt/t/tool -b", "/opt/t/tool"),
        ("id > /srv/out/x", "id"),
        ("cat < /etc/motd", "cat"),
    ] {
        let terms = observed(&policy, &subject(), line).unwrap_or_else(|| panic!("{line}"));
        assert_eq!(
            (terms.program.as_str(), terms.run_as, terms.timeout, terms.output),
            (program, None, Some(9000), Some(1 << 20)),
            "{line}"
        );
        assert_eq!((terms.confine.name.as_str(), terms.confine.capabilities.len()), ("raw", 0), "{line}");
        assert_eq!(terms.rule.to_string(), "policy.yaml:4", "{line}");
    }
    let on_terminal = Subject { terminal: true, ..subject() };
    assert_eq!(observed(&policy, &on_terminal, "id").unwrap().timeout, None);
    assert_eq!(allowed(&policy, &subject(), "uptime").run_as.as_deref(), Some("dba"), "what a rule allows is its own");
    for line in ["./id", "bin/id", "/tmp/id", "id > /srv/x", "id >> /etc/motd", "cat < /etc/shadow", "cat < /home/me/x"] {
        assert_eq!(observed(&policy, &subject(), line), None, "{line}");
    }
}

#[test]
fn only_the_file_that_says_so_and_only_whom_it_is_for_refuses_nothing() {
    for mode in [
        "",
        "mode: enforce\n",
        "mode: observe\naccounts: [other]\n",
        "mode: observe\nhosts: ['web-*']\n",
        "mode: observe\nfrom: [192.0.2.0/24]\n",
    ] {
        let policy = policy(&[("policy.yaml", "allow: [uptime]"), ("policy.d/10-new.yaml", &format!("{mode}allow: [w]"))]);
        assert!(!is_observed(&policy, &subject()), "{mode}");
        assert_eq!(observed(&policy, &subject(), "id"), None, "{mode}");
    }
    let policy =
        policy(&[("policy.yaml", "allow: [uptime]"), ("policy.d/10-new.yaml", "mode: observe\naccounts: ['%oncall']\nallow: [w]")]);
    assert_eq!(observed(&policy, &subject(), "id").unwrap().confine.name, "inspect");
    let unknown = Subject { groups: Vec::new(), ..subject() };
    assert_eq!(observed(&policy, &unknown, "id"), None);
}

#[test]
fn what_would_leave_no_door_is_an_error_and_the_rest_a_warning() {
    let compile = |text: &str| {
        let source = Source::from(("policy.yaml".to_owned(), format!("postern: 1\n{text}\nallow: [w]").into_bytes()));
        Applied::from_sources(&[source]).map(|(_, warnings)| warnings)
    };
    let errors = compile("mode: observe\ndefaults: { confine: open }").err().unwrap();
    assert!(errors.iter().any(|error| error.to_string().contains("no door at all")), "{errors:?}");
    let warnings = compile("mode: observe").unwrap();
    assert!(warnings.len() == 1 && warnings[0].to_string().contains("nothing is refused"), "{warnings:?}");
    assert!(compile("mode: enforce").unwrap().is_empty());
    assert!(compile("mode: watch").is_err());
}

#[test]
fn a_command_reads_in_the_places_that_its_words_lead_to() {
    let text = "types: { t: { path: [/srv/a, /srv/b, /home/me], dash: true } }\nallow: ['cat [<t>...]', 'head [-n <int>] <t>', 'rg [-f <t>] <x:text> [<t>...]']\n";
    let policy = policy(&[("policy.yaml", text)]);
    for (line, roots) in [
        ("cat /srv/a/x", &["/srv/a"][..]),
        ("cat /srv/a/x /srv/b/y", &["/srv/a", "/srv/b"]),
        ("head -n 3 /srv/b/y", &["/srv/b"]),
        // The value of an option is not what is looked through.
        ("rg -f /srv/b/patterns x", &["/srv/b", "/home/me"]),
        ("rg x /srv/a/y", &["/srv/a"]),
        // The directory that it is typed in.
        ("cat -", &["/home/me"]),
        ("cat", &["/home/me"]),
    ] {
        let Verdict::Allowed(allowed) = verdict(&policy, &subject(), line) else { panic!("{line}") };
        assert_eq!(allowed.terms().confine.roots, roots, "{line}");
    }
}
