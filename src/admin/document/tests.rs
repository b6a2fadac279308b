use super::*;
use crate::policy::compile::Source;

/// The document of a policy, in the three ways that it is written.
fn written(text: &str) -> [String; 3] {
    let source = Source { name: "policy.yaml".to_owned(), bytes: format!("postern: 1\n{text}\n").into_bytes(), main: true };
    let (policy, _) = Applied::from_sources(&[source]).unwrap_or_else(|findings| panic!("{}", findings[0]));
    let document = document(&Facts::of(&policy).unwrap());
    [text::write(&document), markdown::write(&document), html::write(&document)]
}

/// The same as one line of text.
fn in_words(text: &str) -> String {
    written(text)[0].split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A rule, and the promise that it breaks, or that is kept with it.
const PROMISES: &[(&str, &str)] = &[
    ("allow: [uptime]", "No command creates, changes or removes a file."),
    (
        "allow: [{ run: touch, confine: { write: [/srv/x] } }]",
        "in the places that are named, or by the capabilities that they have: touch.",
    ),
    ("allow: [uptime]", "No command starts another program, a shell neither."),
    ("allow: [{ run: zgrep, confine: { exec: [/usr/bin/grep] } }]", "but for these, which start those that the exceptions list: zgrep."),
    ("allow: [{ run: zgrep, confine: { exec: [/usr/bin/grep] } }]", "starts /usr/bin/grep"),
    ("allow: [uptime]", "No command reaches the network."),
    ("allow: [{ run: dig, confine: network }]", "No command reaches the network, but for these: dig."),
    ("allow: [{ run: ping, confine: { capabilities: [CAP_NET_RAW] } }]", "No command reaches the network, but for these: ping."),
    ("allow: [{ run: psql, confine: { sockets: [/run/postgresql] } }]", "what the service does then is not the kernel's to hold: psql."),
    ("allow: [{ run: psql, confine: { sockets: [/run/postgresql] } }]", "talks to local sockets: /run/postgresql"),
    ("allow: [{ run: x, confine: { unhide: [/etc/shadow] } }]", "reads what is hidden otherwise: /etc/shadow"),
    ("allow: [{ run: x, confine: { processes: look } }]", "see more than the others, as is said among the exceptions: x."),
    ("allow: [uptime]", "Every command runs as the account itself, with no more rights than that has."),
    ("allow: [{ run: psql, as: pgmonitor }]", "runs as user pgmonitor"),
    ("allow: [{ run: journalctl, as: ':adm' }]", "runs as the account, with group adm"),
    ("allow: [{ run: x, as: root }]", "runs as root, without root's capabilities but for those that are named"),
    ("allow: [{ run: x, confine: open }]", "is held back from nothing"),
    ("allow: [uptime]", "There are none: every command reads, and as the account itself."),
    (
        "allow: [{ run: x, confine: { capabilities: [CAP_SYS_ADMIN], accept: { capabilities: no other way } } }]",
        "meant (capabilities): \"no other way\"",
    ),
    ("allow: [{ run: x <unit>, confirm: true }]", "These run only after the person has typed once more what they are for: x."),
    (
        "allow: [{ run: 'x <unit>', witness: 'systemctl show -- <unit>' }]",
        "as the same user and held the same, runs for the record systemctl show -- <unit>",
    ),
    ("allow: [{ run: 'x <unit>', witness: 'w <unit>' }]", "Before and after, for the record, runs: w <unit>"),
    ("allow: [{ run: 'x <unit>', witness: 'w <unit>' }]", "Effect: reads only"),
    ("allow: [{ run: 'x a', witness: 'w 1' }, { run: 'x b', witness: 'w 2' }]", "Before and after, for the record, runs: w 2"),
    (
        "record: { max: 2MiB, terminal: 3MiB, required: true }\nallow: [a]",
        "of each command up to 3MiB of what it shows on a terminal, and up to 2MiB of what it prints without one.",
    ),
    ("record: { required: true }\nallow: [a]", "Where a session cannot be recorded, or no longer, no command runs."),
    ("record: none\nallow: [a]", "What the person saw is not recorded."),
    ("session: { idle: none, max: none }\nallow: [a]", "A session ends when the person leaves it."),
    ("confinement: best-effort\nallow: [a]", "the command runs all the same, and the record says so."),
    ("accounts: [me]\nfrom: [10.0.0.0/8]\nallow: [a]", "accounts me on every host from 10.0.0.0/8"),
    ("mode: observe\nallow: [a]", "observed only: nothing is refused by the policy"),
    ("allow: [a]\ndeny: ['a ** -x']", "REFUSED WHATEVER ALLOWS IT a ** -x"),
    ("types: { t: { one_of: [x, y] } }\nallow: ['a <what:t>']", "<t> one of x, y"),
    ("types: { t: { path: [/srv/log] } }\nallow: ['a <t>']", "reads besides /srv/log"),
    ("parts: { p: '[-l] [-a]' }\nallow: ['ls {p} [<path>...]']", "ls [-l] [-a] [<path>...]"),
];

#[test]
fn each_sentence_is_said_where_it_holds() {
    for (policy, sentence) in PROMISES {
        let said = in_words(policy);
        assert!(said.contains(sentence), "{policy}\n{sentence}\n{said}");
    }
}

/// Sentences that are true of no policy that lets run whatever is typed.
const REFUSING: [&str; 3] = ["whatever no form takes is refused. ", "There are none", "can be run, in 1 form. "];

#[test]
fn what_an_observing_file_lets_run_counts_like_an_allow() {
    let plain = in_words("mode: observe\nallow: [uptime]");
    let told = "Nothing is refused by the policy to whom policy.yaml is for: any program runs, held by inspect.";
    assert_eq!(plain.matches(told).count(), 2, "at the top and among the exceptions: {plain}");
    assert!(plain.find(told) < plain.find("Every line that somebody types passes two doors"), "{plain}");
    assert!(plain.contains("and besides them any program") && plain.contains("a shell neither. "), "the kernel still holds it: {plain}");
    assert!(REFUSING.iter().all(|sentence| !plain.contains(sentence)), "{plain}");
    let kept = in_words("allow: [uptime]");
    assert!(REFUSING.iter().all(|sentence| kept.contains(sentence)) && !kept.contains("observe"), "{kept}");

    for (confine, said) in [
        ("{ write: [/srv/x] }", "or by the capabilities that they have: any program that policy.yaml lets run (mode: observe)."),
        ("network", "whatever their programs try. inspect reads"),
        ("network", "held by network. That is every account on every host from anywhere. It runs as the account"),
        ("{ write: [/srv/x] }", "writes in /srv/x"),
        ("{ exec: [/bin/sh] }", "which start those that the exceptions list: any program that policy.yaml lets run (mode: observe)."),
        ("network", "No command reaches the network, but for these: any program that policy.yaml lets run (mode: observe)."),
        ("{ read: [/srv/y] }", "of its confinement: /bin, /etc,"),
        ("{ read: [/srv/y] }", "/srv/y"),
    ] {
        let said_of = in_words(&format!("mode: observe\ndefaults: {{ confine: {confine} }}\nallow: [{{ run: uptime, confine: inspect }}]"));
        assert!(said_of.contains(said), "{confine}\n{said}\n{said_of}");
    }
    let denied = in_words("mode: observe\nallow: [a]\ndeny: ['a ** -x']");
    assert!(denied.contains("On record, and not refused, to whom these files are for (mode: observe): policy.yaml. a ** -x"), "{denied}");
}

#[test]
fn a_capability_breaks_the_promises_that_it_undoes() {
    const CHANGES: &str = "No command creates, changes or removes a file.";
    const READS: &str = "environment of processes.";
    const OTHERS: &str = "that it did not start.";
    const NETWORK: &str = "No command reaches the network.";
    const SELF: &str = "No command has a privilege (capability) of root's.";
    for (capability, undone) in [
        ("CAP_SYS_ADMIN", &[CHANGES, READS][..]),
        ("CAP_SYS_RAWIO", &[CHANGES, READS]),
        ("CAP_DAC_OVERRIDE", &[READS]),
        ("CAP_DAC_READ_SEARCH", &[READS]),
        ("CAP_SYS_PTRACE", &[READS]),
        ("CAP_PERFMON", &[READS]),
        ("CAP_SETUID", &[READS]),
        ("CAP_SETGID", &[READS]),
        ("CAP_KILL", &[OTHERS]),
        ("CAP_SYS_NICE", &[OTHERS]),
        ("CAP_NET_RAW", &[NETWORK]),
        ("CAP_NET_ADMIN", &[NETWORK]),
        ("CAP_SYSLOG", &[]),
    ] {
        let said = in_words(&format!("allow: [{{ run: x, confine: {{ capabilities: [{capability}] }} }}]"));
        for promise in [CHANGES, READS, OTHERS, NETWORK, SELF] {
            assert_eq!(said.contains(promise), promise != SELF && !undone.contains(&promise), "{capability}: {promise}");
        }
        assert!(said.contains("Every command is started as the account itself; these have rights of root's besides: x"), "{said}");
        let becomes = matches!(capability, "CAP_SETUID" | "CAP_SETGID");
        assert_eq!(said.contains("these can make themselves another user or group: x."), becomes, "{capability}");
    }
}

#[test]
fn names_that_differ_have_ids_that_differ() {
    let names = ["foo-bar", "foo.bar", "foo_bar", "FOO-bar", "foo_2e_bar", "foo (1)", "foo--1-", "é", "foo"];
    let ids: std::collections::BTreeSet<String> = names.iter().map(|name| model::id("command", name)).collect();
    assert_eq!(ids.len(), names.len(), "{ids:?}");
    for id in &ids {
        assert!(id.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-')), "{id}");
    }
}

#[test]
fn addresses_in_a_policy_are_no_links() {
    let note = "see HTTPS://evil.example/a or www.evil.example, WWW.evil.example, ask root@evil.example";
    let [text, markdown, _] = written(&format!("allow: [{{ run: x, note: '{note}' }}]"));
    assert!(text.split_whitespace().collect::<Vec<_>>().join(" ").contains(note), "{text}");
    for hazard in ["://", "www.", "WWW.", "root@"] {
        assert!(!markdown.replace("\\:", "").contains(hazard), "{hazard}: {markdown}");
    }
    assert!(markdown.contains("HTTPS\\://evil.example/a or www\\.evil.example, WWW\\.evil.example, ask root<!-- -->@evil"), "{markdown}");
}

#[test]
fn nothing_is_promised_that_a_rule_breaks() {
    let said = in_words("allow: [{ run: x, confine: open }]");
    for kept in [
        "or removes a file.",
        "a shell neither.",
        "reaches the network.",
        "connections from the network.",
        "by a local socket.",
        "environment of processes.",
        "did not start.",
    ] {
        assert!(!said.contains(kept), "{kept}");
    }
}

#[test]
fn the_same_policy_gives_the_same_bytes_and_names_its_digest() {
    let policy = "allow: [uptime, df, { run: dig, confine: network }]";
    assert_eq!(written(policy), written(policy));
    let source = Source { name: "policy.yaml".to_owned(), bytes: format!("postern: 1\n{policy}\n").into_bytes(), main: true };
    let (applied, _) = Applied::from_sources(&[source]).unwrap();
    assert!(written(policy).iter().all(|text| text.contains(applied.digest())));
}

/// What a policy may hold, written by somebody who wants more than text.
const HOSTILE: &str =
    "allow: [{ run: x, note: \"<script>alert(1)</script> ]( javascript:x) `a`\", confine: { write: [\"/srv/'\\\"><img src=x>\"] } }]";

#[test]
fn what_a_policy_holds_stays_text() {
    for text in written(HOSTILE) {
        let hazard = text.chars().find(|c| *c != '\n' && crate::words::escape::hazard(*c).is_some());
        assert_eq!(hazard, None, "{text}");
    }
    let [_, markdown, html] = written(HOSTILE);
    assert!(!html.contains("<script") && !html.contains("<img") && html.contains("&lt;script&gt;"), "{html}");
    assert!(
        !markdown.replace("\\<", "").contains("<script") && !markdown.contains("](javascript") && markdown.contains("\\<script\\>"),
        "{markdown}"
    );
}
