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
    ("allow: [{ run: touch, confine: { write: [/srv/x] } }]", "or removes a file, but for these, in the places that are named: touch."),
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
