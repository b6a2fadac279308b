//! What a policy's sources may say, and what is said of those that are wrong.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::time::{Duration, Instant};

use postern::policy::compile::{Compiled, Source, compile};
use postern::policy::confinement::{Base, Exec};
use postern::policy::rule::{CommandRules, Limit, Rule};
use postern::policy::settings::{Record, Redact};
use postern::words::Severity;

/// A tree of files, the first of them the main one.
fn tree(files: &[(&str, &str)]) -> Vec<Source> {
    files.iter().map(|(name, text)| Source::from((name.to_string(), text.as_bytes().to_vec()))).collect()
}

fn compiled(text: &str) -> Compiled {
    compile(&tree(&[("policy.yaml", text)])).unwrap_or_else(|findings| panic!("{}", lines(&findings).join("\n")))
}

/// The first line of each finding: `file:line:column: severity: message`.
fn lines(findings: &[postern::words::Diagnostic]) -> Vec<String> {
    findings.iter().map(|finding| finding.to_string().lines().next().unwrap_or_default().to_owned()).collect()
}

fn errors_of(sources: &[Source]) -> Vec<String> {
    match compile(sources) {
        Ok(_) => Vec::new(),
        Err(findings) => lines(&findings),
    }
}

/// The errors of a main file.
fn errors(text: &str) -> Vec<String> {
    errors_of(&tree(&[("policy.yaml", text)]))
}

fn first_allowed<'a>(compiled: &'a Compiled, command: &str) -> &'a Rule {
    compiled.rules.get(command).and_then(|rules| rules.allow.first()).expect("a rule")
}

#[test]
fn a_policy_becomes_rules_by_command_word() {
    let policy = compiled(concat!(
        "postern: 1\n",
        "hosts: ['db-*', '!db-canary']\n",
        "accounts: [breakglass, '%oncall']\n",
        "from: [10.0.0.0/8, 192.0.2.7, '::1']\n",
        "defaults: { confine: service, timeout: 60s, output: 16MiB }\n",
        "path: [/opt/bin]\n",
        "env: { PGHOST: /run/postgresql, EMPTY: '' }\n",
        "audit: { syslog: none, facility: local3, dir: /srv/log, on_failure: continue }\n",
        "record: { max: 64KiB, required: true }\n",
        "redact: screen\n",
        "session: { idle: none, max: 1h30m, strikes: 3, output: 1GiB, banner: none }\n",
        "allow:\n",
        "  - uptime\n",
        "  - run: [cat <file>, cat -n <file>]\n",
        "    timeout: 5m\n",
        "    path: /opt/bin/cat\n",
        "    as: reader\n",
        "    home: account\n",
        "    note: two forms\n",
        "deny:\n",
        "  - cat **\n",
    ));
    let scope = &policy.scopes[0];
    assert_eq!(
        (&scope.hosts[..], &scope.accounts[..]),
        (&["db-*".into(), "!db-canary".into()][..], &["breakglass".into(), "%oncall".into()][..])
    );
    assert_eq!(scope.from, ["10.0.0.0/8", "192.0.2.7/32", "::1/128"]);
    assert_eq!(scope.env.get("PGHOST").map(String::as_str), Some("/run/postgresql"));
    assert_eq!((policy.settings.audit.syslog.as_deref(), policy.settings.audit.facility.as_str()), (None, "local3"));
    assert_eq!((policy.settings.session.idle, policy.settings.session.max, policy.settings.session.strikes), (None, Some(5_400_000), 3));
    assert_eq!((policy.settings.session.output, policy.settings.redact), (Some(1 << 30), Redact::Screen));
    assert_eq!(policy.settings.record, Some(Record { max: 64 << 10, terminal: 64 << 20, required: true }));
    assert_eq!((policy.settings.session.banner.as_deref(), &policy.settings.search[..]), (None, &["/opt/bin".to_owned()][..]));

    let uptime = first_allowed(&policy, "uptime");
    assert_eq!((uptime.line, uptime.timeout), (13, Some(Limit { value: 60_000, on_terminal: false })));
    let CommandRules { allow, deny } = &policy.rules["cat"];
    assert_eq!(
        allow.iter().map(|rule| (rule.line, rule.form.text.as_str())).collect::<Vec<_>>(),
        [(14, "cat <file>"), (14, "cat -n <file>")]
    );
    assert_eq!(allow[0].timeout, Some(Limit { value: 300_000, on_terminal: true }), "a rule's own limit holds on a terminal too");
    assert_eq!((allow[1].run_as.as_deref(), allow[1].path.as_deref()), (Some("reader"), Some("/opt/bin/cat")));
    assert_eq!((allow[1].account_home, allow[1].note.as_deref(), allow[1].confine.name.as_str()), (true, Some("two forms"), "service"));
    assert_eq!((deny.len(), deny[0].timeout, deny[0].confine.base), (1, None, Base::Inspect), "a refusal has no terms");
}

#[test]
fn sessions_are_recorded_unless_the_policy_says_otherwise() {
    let settings = |text: &str| compiled(&format!("postern: 1\nallow: [ls]\n{text}\n")).settings;
    let default = settings("audit: { syslog: none }");
    assert_eq!(default.record, Some(Record { max: 1 << 20, terminal: 64 << 20, required: false }));
    assert_eq!((default.redact, default.session.output), (Redact::Files, None));
    assert_eq!(settings("record: none").record, None);
    assert_eq!(settings("record: { required: true }").record, Some(Record { max: 1 << 20, terminal: 64 << 20, required: true }));
    assert_eq!(settings("redact: none").redact, Redact::None);
    assert_eq!(settings("session: { output: none }").session.output, None);
    for (text, error) in [
        ("record: all", "3:9: error: `record` must be a map, or `none`"),
        ("record: false", "3:9: error: `record` must be a map, or `none`"),
        ("record: {}", "3:9: error: `record` is empty"),
        ("record: { maximum: 1MiB }", "3:11: error: unknown key `maximum` in `record`"),
        ("record: { max: 0 }", "3:16: error: `max`: a size of nothing"),
        ("record: { required: 'yes' }", "3:21: error: `required` must be true or false, not text"),
        ("redact: files-and-screen", "3:9: error: `redact` cannot be `files-and-screen`"),
        ("session: { output: lots }", "3:20: error: `output`: not a size"),
    ] {
        assert_eq!(errors(&format!("postern: 1\nallow: [ls]\n{text}\n")), [format!("policy.yaml:{error}")]);
    }
    let part = tree(&[("policy.yaml", "postern: 1\nallow: [ls]\n"), ("policy.d/10-x.yaml", "postern: 1\nrecord: none\nallow: [id]\n")]);
    assert_eq!(errors_of(&part), ["policy.d/10-x.yaml:2:1: error: `record` concerns the whole host"]);
}

#[test]
fn all_mistakes_come_at_once_with_their_place() {
    let sources = tree(&[
        ("policy.yaml", "postern: 1\nalow: [x]\nallow:\n  - run: ls\n    timout: 5m\nfrom: [10.1.2.3/8]\n"),
        ("policy.d/10-broken.yaml", "postern: 1\nallow: [a\n"),
        ("policy.d/20-more.yaml", "postern: 1\nsession: {max: 1h}\ndefaults: {timeout: 60}\nallow: [ls]\n"),
    ]);
    assert_eq!(
        errors_of(&sources),
        [
            "policy.yaml:2:1: error: unknown key `alow` in a policy file",
            "policy.yaml:5:5: error: unknown key `timout` in a rule",
            "policy.yaml:6:8: error: `from`: bits are set behind the network's own",
            "policy.d/10-broken.yaml:2:8: error: not YAML: unclosed bracket '['",
            "policy.d/20-more.yaml:2:1: error: `session` concerns the whole host",
            "policy.d/20-more.yaml:3:21: error: `timeout`: not a duration",
        ]
    );
}

#[test]
fn a_finding_shows_the_line_a_caret_and_the_fix() {
    let findings = compile(&tree(&[("policy.yaml", "postern: 1\nalow: [ls]\nallow: [ls]\n")])).err().expect("an error");
    let shown = "policy.yaml:2:1: error: unknown key `alow` in a policy file\n   2 | alow: [ls]\n     | ^^^^\n     = did you mean `allow`?";
    assert_eq!(findings[0].to_string(), shown);
}

#[test]
fn what_yaml_could_hide_is_refused() {
    for (text, error) in [
        ("allow: [a]\nallow: [b]\n", "3:1: error: duplicate key `allow`"),
        ("env: {A: x, A: y}\nallow: [a]\n", "2:13: error: duplicate key `A`"),
        ("allow: [a]\n<<: {deny: [b]}\n", "3:1: error: merge keys are not part of policies"),
        ("allow: &x [a]\n", "2:11: error: anchors are not part of policies"),
        ("allow: [*x]\n", "2:9: error: aliases are not part of policies"),
        ("hosts: [!db-canary]\nallow: [a]\n", "2:9: error: tags are not part of policies"),
        ("allow: [!!str a]\n", "2:9: error: tags are not part of policies"),
        ("allow: [!!binary YQ==]\n", "2:9: error: tags are not part of policies"),
        ("allow: [a]\n---\npostern: 1\n", "3:1: error: a second YAML document"),
        ("hosts: [~]\nallow: [a]\n", "2:9: error: `hosts` must be text, not null"),
        ("hosts: [1]\nallow: [a]\n", "2:9: error: `hosts` must be text, not a number"),
        ("hosts: [0x10]\nallow: [a]\n", "2:9: error: `hosts` must be text, not a number"),
        ("allow: [true]\n", "2:9: error: a form must be text, not a boolean"),
        ("types: {t: {match: x, dash: yes}}\nallow: [a]\n", "2:29: error: `dash` must be true or false, not text"),
        ("hosts: db-1\nallow: [a]\n", "2:8: error: `hosts` must be a list"),
        ("hosts: []\nallow: [a]\n", "2:8: error: `hosts` is empty"),
        ("hosts:\nallow: [a]\n", "2:6: error: `hosts` is empty"),
        ("allow:\n", "2:6: error: `allow` is empty"),
        ("allow: []\n", "2:8: error: `allow` is empty"),
        ("allow: ['']\n", "2:9: error: a form is empty"),
        ("allow: [' ']\n", "2:9: error: a form is empty"),
        ("allow: [{}]\n", "2:9: error: a rule is empty"),
        ("allow: [{note: x}]\n", "2:9: error: a rule without a form"),
        ("allow: [[a]]\n", "2:9: error: a rule must be a form or a map"),
        ("allow: {a: b}\n", "2:8: error: `allow` must be a list, not a map"),
        ("1: a\nallow: [a]\n", "2:1: error: a key must be a word"),
        ("[a]: b\nallow: [a]\n", "2:1: error: a key must be a word, not a list or a map"),
        ("allow: [\"a\\e[2Jb\"]\n", "2:9: error: a control character in a value"),
        ("allow: [\"a\\0b\"]\n", "2:9: error: a NUL in a value"),
        ("allow: [\"a\\u202eb\"]\n", "2:9: error: a character that changes the direction of text in a value"),
        ("allow: [\"a\\u200bb\"]\n", "2:9: error: an invisible character in a value"),
        ("allow: [\"a\\tb\"]\n", "2:9: error: a tab in a value"),
        ("allow: [\"a\\nb\"]\n", "2:9: error: a form must be one line"),
        ("allow: [a] # \u{202e}\n", "2:14: error: a character that changes the direction of text"),
        ("allow: [a\u{1b}]\n", "2:10: error: a control character"),
        ("allow: [a\0]\n", "2:10: error: a NUL"),
        ("allow: [a]\r\n", "2:11: error: a carriage return"),
    ] {
        assert_eq!(errors(&format!("postern: 1\n{text}")), [format!("policy.yaml:{error}")], "{text:?}");
    }
}

#[test]
fn a_file_that_is_no_policy_is_refused_in_one_line() {
    for (bytes, error) in [
        (&b""[..], "policy.yaml:1:1: error: a policy file is empty"),
        (b"# nothing\n", "policy.yaml:1:1: error: a policy file is empty"),
        (b"hello\n", "policy.yaml:1:1: error: a policy file must be a map of `key: value`, not text"),
        (b"allow: [a]\n", "policy.yaml:1:1: error: the format version is missing"),
        (b"postern: 2\nallow: [a]\n", "policy.yaml:1:10: error: `postern`: not a version that this program reads"),
        (b"\xef\xbb\xbfpostern: 1\nallow: [a]\n", "policy.yaml:1:1: error: the file begins with a byte order mark"),
        (b"postern: 1\nallow: [a\xff]\n", "policy.yaml:2:10: error: the file is not valid UTF-8"),
        (b"%YAML 1.2\n---\npostern: 1\nallow: [a]\n", "policy.yaml:1:1: error: directives are not part of policies"),
    ] {
        assert_eq!(errors_of(&[Source::from(("policy.yaml".to_owned(), bytes.to_vec()))]), [error]);
    }
}

#[test]
fn hostile_bulk_is_refused_quickly() {
    let bomb: String = (1..10).map(|level| format!("a{level}: &a{level} [{}]\n", format!("*a{},", level - 1).repeat(9))).collect();
    for (what, bytes, error) in [
        ("brackets", "[".repeat(1_000_000), "nested deeper than 16 levels"),
        ("maps", "{a: ".repeat(1_000_000), "nested deeper than 16 levels"),
        ("lists", "- ".repeat(1_000_000), "nested deeper than 16 levels"),
        ("aliases", format!("a0: &a0 [x]\n{bomb}"), "anchors are not part of policies"),
        ("size", "a".repeat(10 << 20), "the file is larger than 4 MiB"),
        ("NULs", "\0".repeat(4 << 20), "a NUL"),
        ("rules", format!("postern: 1\nallow:\n{}", "  - a\n".repeat(500_000)), "more than 100000 rules"),
        ("mistakes", format!("postern: 1\nallow:\n{}", "  - ~\n".repeat(99_000)), "98900 more errors are not shown"),
        ("keys", (0..200_000).map(|key| format!("k{key}: 1\n")).collect(), "more errors are not shown"),
        ("duplicates", format!("postern: 1\n{}", "a: 1\n".repeat(500_000)), "duplicate key `a`"),
    ] {
        let start = Instant::now();
        let found = errors_of(&[Source::from(("policy.yaml".to_owned(), bytes.into_bytes()))]);
        assert!(found.iter().any(|line| line.ends_with(error)), "{what}: {found:?}");
        assert!(found.len() <= 220, "{what}: {} lines", found.len());
        assert!(start.elapsed() < Duration::from_secs(60), "{what} took {:?}", start.elapsed());
    }
}

#[test]
fn no_message_carries_hostile_bytes() {
    for text in
        ["postern: 1\n\"\\e]0;x\\a\": 1\nallow: [a]\n", "postern: 1\nallow: [a]\nx: \u{9b}31m\n", "postern: 1\nallow: [\"\\x1b[2J\"]\n"]
    {
        let findings = compile(&tree(&[("policy.d/\u{1b}[2J.yaml", text)])).err().expect("an error");
        for finding in findings {
            let shown = finding.to_string();
            assert!(shown.chars().all(|c| c == '\n' || postern::words::escape::hazard(c).is_none()), "{shown:?}");
        }
    }
}

#[test]
fn types_confinements_and_variables_are_shared_and_defined_once() {
    let sources = tree(&[
        ("policy.yaml", "postern: 1\ntypes: {t: {one_of: [x, y]}}\nconfinements: {c: {base: sealed}}\nenv: {V: a}\nallow: ['ls <t>']\n"),
        ("policy.d/1.yaml", "postern: 1\nallow: [{run: 'df <t>', confine: c}]\n"),
    ]);
    let policy = compile(&sources).expect("a policy");
    assert_eq!((first_allowed(&policy, "df").confine.name.as_str(), first_allowed(&policy, "df").scope), ("c", 1));

    let same = "postern: 1\ntypes: {t: {one_of: [x, y]}}\nconfinements: {c: {base: sealed}}\nenv: {V: a}\nallow: [ps]\n";
    let both = tree(&[("policy.yaml", same), ("policy.d/1.yaml", same)]);
    assert!(compile(&both).is_ok(), "parts that stand alone stand together");

    let again = "postern: 1\ntypes: {t: {one_of: [z]}}\nconfinements: {c: {base: open}}\nenv: {V: b}\nallow: [ps]\n";
    let sources: Vec<Source> = sources.into_iter().chain(tree(&[("policy.d/2.yaml", again)])).collect();
    assert_eq!(
        errors_of(&sources),
        [
            "policy.d/2.yaml:2:9: error: type `t` is defined twice, and not the same",
            "policy.d/2.yaml:3:16: error: confinement `c` is defined twice, and not the same",
            "policy.d/2.yaml:4:7: error: environment variable `V` is defined twice, and not the same",
        ]
    );
    let findings = compile(&sources).err().expect("errors");
    assert_eq!(findings[0].help.as_deref(), Some("the other definition is at policy.yaml:2"));
}

#[test]
fn parts_and_defaults_hold_for_their_file() {
    let sources = tree(&[
        ("policy.yaml", "postern: 1\nparts: {p: '[-l]'}\ndefaults: {as: first}\nallow: ['ls {p}']\n"),
        ("policy.d/1.yaml", "postern: 1\nallow: [df]\n"),
    ]);
    let policy = compile(&sources).expect("a policy");
    assert_eq!(first_allowed(&policy, "ls").run_as.as_deref(), Some("first"));
    assert_eq!(first_allowed(&policy, "df").run_as, None);
    let sources = tree(&[
        ("policy.yaml", "postern: 1\nparts: {p: '[-l]'}\nallow: ['ls {p}']\n"),
        ("policy.d/1.yaml", "postern: 1\nallow: ['df {p}']\n"),
    ]);
    assert_eq!(errors_of(&sources).len(), 1, "a part of another file");
}

#[test]
fn a_mistake_in_a_form_has_its_column_in_the_source() {
    for (text, place) in [
        ("allow:\n  - ls {nope} x\n", "3:8"),
        ("allow:\n  - 'ls  {nope}'\n", "3:10"),
        ("allow:\n  - \"ls {nope}\"\n", "3:9"),
        ("allow:\n  - run: ls {nope}\n", "3:13"),
        ("parts: {x: -l}\nallow: ['ls {x} {nope}']\n", "3:17"),
        ("allow:\n  - >-\n    ls\n    {nope}\n", "4:5"),
        ("allow:\n  - \"l\\x73 {nope}\"\n", "3:5"),
    ] {
        let found = errors(&format!("postern: 1\n{text}"));
        assert!(found.len() == 1 && found[0].starts_with(&format!("policy.yaml:{place}: error: ")), "{text:?}: {found:?}");
    }
}

#[test]
fn confinements_merge_their_bases() {
    let policy = compiled(concat!(
        "postern: 1\n",
        "confinements:\n",
        "  db: { base: pg, read: [/srv/b], hide: ['/srv/c'], exec: [/bin/b], limits: {cpu: 10s, files: 5} }\n",
        "  pg: { base: service, read: [/srv/a], unhide: ['/srv/c'], exec: [/bin/a], sockets: [/run/pg],",
        " network: [443, 'udp:53'], capabilities: [net_raw], limits: {cpu: 5s, memory: 1GiB} }\n",
        "allow:\n",
        "  - run: ls\n",
        "    confine: db\n",
        "  - run: df\n",
        "    confine: { base: db, write: [/srv/w], exec: any }\n",
        "  - run: ps\n",
        "    confine: { read: [/srv] }\n",
    ));
    let db = &first_allowed(&policy, "ls").confine;
    assert_eq!((db.name.as_str(), db.base, &db.read[..]), ("db", Base::Service, &["/srv/a".to_owned(), "/srv/b".to_owned()][..]));
    assert_eq!(db.exec, Exec::Paths(vec!["/bin/a".to_owned(), "/bin/b".to_owned()]));
    assert!(db.unhide.is_empty() && db.hide == ["/srv/c"], "what is hidden anew is not shown by a base");
    assert_eq!((&db.sockets[..], &db.network[..]), (&["/run/pg".to_owned()][..], &["443".to_owned(), "udp:53".to_owned()][..]));
    assert_eq!((&db.capabilities[..], db.limits.cpu, db.limits.memory), (&["CAP_NET_RAW".to_owned()][..], Some(10_000), Some(1 << 30)));
    let inline = &first_allowed(&policy, "df").confine;
    assert_eq!((inline.name.as_str(), inline.base, &inline.exec), ("db+", Base::Service, &Exec::Any));
    assert_eq!(first_allowed(&policy, "ps").confine.name, "inspect+");
}

#[test]
fn confinements_that_make_no_sense_are_refused() {
    for (text, error) in [
        ("confinements: {a: {base: b}, b: {base: a}}\nallow: [ls]\n", "2:16: error: confinements are based on one another in a circle"),
        ("confinements: {a: {base: a}}\nallow: [ls]\n", "2:16: error: confinements are based on one another in a circle"),
        ("confinements: {open: {base: inspect}}\nallow: [ls]\n", "2:16: error: `open` is a built-in confinement"),
        ("confinements: {a: {base: inspec}}\nallow: [ls]\n", "2:26: error: no confinement `inspec`"),
        ("allow: [{run: ls, confine: sealled}]\n", "2:28: error: no confinement `sealled`"),
        ("defaults: {confine: nope}\nallow: [ls]\n", "2:21: error: no confinement `nope`"),
        ("allow: [{run: ls, confine: {exec: some}}]\n", "2:35: error: `exec` cannot be `some`"),
        ("allow: [{run: ls, confine: {read: [relative]}}]\n", "2:36: error: `read`: not an absolute path"),
        ("allow: [{run: ls, confine: {read: [/a/../b]}}]\n", "2:36: error: `read`: not a plain path"),
        ("allow: [{run: ls, confine: {limits: {cpu: 5}}}]\n", "2:43: error: `cpu`: not a duration"),
        ("allow: [{run: ls, confine: {network: [0]}}]\n", "2:39: error: `network`: not a port"),
        ("deny: [{run: ls **, confine: open}]\nallow: [df]\n", "2:21: error: unknown key `confine` in a `deny` rule"),
    ] {
        assert_eq!(errors(&format!("postern: 1\n{text}")), [format!("policy.yaml:{error}")], "{text:?}");
    }
}

#[test]
fn a_witness_names_what_its_form_has_and_needs_no_shell() {
    let rule = |form: &str, witness: &str| format!("postern: 1\nallow:\n  - {{ run: '{form}', witness: '{witness}' }}\n");
    let form = "svc restart <unit> [-n <count:int>]";
    let witness = compiled(&rule(form, "svc show -n <count> -- <unit>"));
    assert!(first_allowed(&witness, "svc").witness.is_some() && !first_allowed(&witness, "svc").confirm);
    for (form, witness, error) in [
        (form, "svc show <user>", "a witness names <user>, which the form has not"),
        (form, "svc show <int>", "a witness names <int>, which the form has not"),
        ("svc restart", "svc show <unit>", "a witness names <unit>, which the form has not"),
        (form, "svc show <unit> | head", "a witness has no shell: `|` in | means nothing"),
        (form, "svc show --unit=<unit>", "a witness has no shell: `<` in --unit=<unit> means nothing"),
        (form, "", "`witness` is empty"),
    ] {
        let found = errors(&rule(form, witness));
        assert!(found.len() == 1 && found[0].ends_with(&format!("error: {error}")), "{witness}: {found:?}");
    }
    let denied = errors("postern: 1\nallow: [id]\ndeny:\n  - { run: svc, confirm: true }\n");
    assert!(denied.iter().any(|finding| finding.ends_with("error: unknown key `confirm` in a `deny` rule")), "{denied:?}");
}

#[test]
fn a_broken_type_is_reported_once_and_not_at_every_form() {
    for (text, error) in [
        ("types: {t: {match: a, int: 1..5}}\n", "2:9: error: a type needs one of match, path, int and one_of, not match and int"),
        ("types: {t: {except: a}}\n", "2:9: error: a type needs one of match, path, int and one_of, not none"),
        ("types: {t: {mach: a, int: 1..5}}\n", "2:13: error: unknown key `mach` in a type"),
        ("types: {T: {int: 1..5}, t: {int: 1..6}}\n", "2:9: error: not a name"),
    ] {
        assert_eq!(errors(&format!("postern: 1\n{text}allow: ['ls <t>', 'df <t>']\n")), [format!("policy.yaml:{error}")], "{text:?}");
    }
}

#[test]
fn what_is_likely_a_mistake_is_a_warning() {
    for (text, warning) in [
        (
            "allow: [{run: ls, confine: open}]\n",
            "2:28: warning: `open` holds a command back from nothing; only the form stands between a person and the host",
        ),
        ("allow: [ls]\ndeny: [reboot]\n", "3:8: warning: this denies the command without arguments only"),
        ("hosts: [db-1, '!db-1']\nallow: [ls]\n", "2:8: warning: `!db-1` contradicts the rest: nothing that `db-1` matches is ever taken"),
        ("deny: ['reboot **']\n", " warning: the policy allows nothing"),
    ] {
        let policy = compiled(&format!("postern: 1\n{text}"));
        assert_eq!(lines(&policy.warnings), [format!("policy.yaml:{warning}")], "{text:?}");
    }
    let policy =
        compile(&tree(&[("policy.yaml", "postern: 1\nallow: [ls]\n"), ("policy.d/1.yaml", "postern: 1\nhosts: [a]\n")])).expect("a policy");
    assert_eq!(
        lines(&policy.warnings),
        ["policy.d/1.yaml: warning: the file has neither `allow` nor `deny`, and nothing that other files use"]
    );
    assert!(policy.warnings.iter().all(|warning| warning.severity == Severity::Warning));
    // The main file has to be there, so nobody is told to remove it.
    let policy = compile(&tree(&[("policy.yaml", "postern: 1\n"), ("policy.d/1.yaml", "postern: 1\nallow: [ls]\n")])).expect("a policy");
    assert_eq!(lines(&policy.warnings), [""; 0]);
}

#[test]
fn a_warning_that_is_accepted_with_a_reason_is_not_given() {
    let warnings = |accept: &str| {
        let text = format!(
            "postern: 1\nconfinements: {{c: {{base: inspect, capabilities: [CAP_SYS_ADMIN]{accept}}}}}\nallow: [{{run: x, confine: c}}]\n"
        );
        compile(&tree(&[("policy.yaml", &text)]))
            .map(|policy| policy.warnings.len())
            .map_err(|found| found.last().map_or_else(String::new, |error| error.message.clone()))
    };
    assert_eq!(warnings(""), Ok(1));
    assert_eq!(warnings(", accept: {capabilities: it commands disks that are nobody's}"), Ok(0));
    assert_eq!(warnings(", accept: {sockets: another}"), Ok(1));
    assert_eq!(warnings(", accept: {capabilities: ' '}"), Err("the reason is empty".to_owned()));
    assert_eq!(warnings(", accept: {capability: x}"), Err("no warning is named `capability`".to_owned()));
}
